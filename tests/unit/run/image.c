/* The bytes of a state file: what was sealed comes back part by part, what was touched is refused,
 * and what another version wrote is left out. */
#include "tests/unit/base/unit.h"

#include "sensor/run/image.h"

enum { ROOM = 32 * 1024, PARTS = 3 };

struct memory {
    uint64_t values[4];
    uint32_t count;
    unsigned loaded; /* in which turn */
    bool broken;
};

static unsigned turns;

static void save(const void *owner, struct snapshot_out *out)
{
    const struct memory *memory = owner;

    snapshot_put_count(out, memory->count);
    snapshot_put(out, memory->values, memory->count * sizeof memory->values[0]);
    snapshot_put(out, "x", 1); /* an odd number of bytes */
}

static bool load(void *owner, struct snapshot_in *in)
{
    struct memory *memory = owner;

    memory->loaded = ++turns;
    memory->count = snapshot_get_u32(in);
    in->future = in->saved_ns > in->now_ns ? memory->count : 0;
    return !memory->broken && memory->count <= COUNT_OF(memory->values) &&
           snapshot_get(in, memory->values, memory->count * sizeof memory->values[0]);
}

static void parts_of(struct memory *memory, struct snapshot_part *parts)
{
    static const char *const names[PARTS] = {"first", "second", "third"};

    for (unsigned i = 0; i < PARTS; i++) {
        parts[i] = (struct snapshot_part){.name = names[i],
                                          .version = i + 1,
                                          .layout = snapshot_layout(0, sizeof(uint64_t)),
                                          .owner = &memory[i],
                                          .bytes_max = 64,
                                          .save = save,
                                          .load = load};
    }
}

static uint8_t buffer[ROOM];

static struct image sealed(void)
{
    struct memory memory[PARTS] = {
        {.values = {1, 2, 3}, .count = 3}, {.count = 0}, {.values = {7, 8, 9, 10}, .count = 4}};
    struct snapshot_part parts[PARTS];
    struct image image;

    parts_of(memory, parts);
    image_begin(&image, buffer, sizeof buffer, NS_PER_DAY);
    for (unsigned i = 0; i < PARTS; i++) {
        image_add(&image, &parts[i]);
    }
    assert_false(image.overflow);
    image_seal(&image, HASH_KEY_FIXED);
    return image;
}

struct told {
    struct image_told rows[8];
    size_t count;
};

static void tell(void *owner, const struct image_told *told)
{
    struct told *all = owner;

    all->rows[all->count++] = *told;
}

static void all_comes_back(void **state)
{
    struct image image = sealed();
    struct memory memory[PARTS] = {{.count = 0}};
    struct snapshot_part parts[PARTS];
    struct told told = {.count = 0};

    (void)state;
    assert_null(image_fault(image.at, image.bytes, HASH_KEY_FIXED));
    parts_of(memory, parts);
    image_load(image.at, image.bytes, parts, PARTS, NS_PER_DAY, tell, &told);
    assert_int_equal(told.count, PARTS);
    assert_int_equal(memory[0].count, 3);
    assert_int_equal(memory[0].values[2], 3);
    assert_int_equal(memory[2].values[3], 10);
    assert_int_equal(told.rows[2].entries, 4);
    assert_int_equal(told.rows[2].outcome, IMAGE_TAKEN);
    assert_int_equal(told.rows[2].future, 0);
}

/* Parts are given theirs in their own order, whatever that of the file is. */
static void order_is_that_of_the_parts(void **state)
{
    struct image image = sealed();
    struct memory memory[PARTS] = {{.count = 0}};
    struct snapshot_part parts[PARTS];
    struct told told = {.count = 0};

    (void)state;
    parts_of(memory, parts);
    struct snapshot_part last = parts[0];
    parts[0] = parts[2];
    parts[2] = last;
    turns = 0;
    image_load(image.at, image.bytes, parts, PARTS, NS_PER_HOUR, tell, &told);
    assert_int_equal(memory[2].loaded, 1);
    assert_int_equal(memory[1].loaded, 2);
    assert_int_equal(memory[0].loaded, 3);
    assert_int_equal(told.rows[0].future, 4);
}

static void other_versions_are_left_out(void **state)
{
    struct image image = sealed();
    struct memory memory[PARTS] = {{.count = 0}};
    struct snapshot_part parts[PARTS];
    struct told told = {.count = 0};

    (void)state;
    parts_of(memory, parts);
    parts[0].version++;
    parts[1].layout++;
    memory[2].broken = true;
    image_load(image.at, image.bytes, parts, PARTS, NS_PER_DAY, tell, &told);
    assert_int_equal(told.rows[0].outcome, IMAGE_OTHER);
    assert_int_equal(told.rows[1].outcome, IMAGE_OTHER);
    assert_int_equal(told.rows[2].outcome, IMAGE_BROKEN);
    assert_int_equal(memory[0].loaded, 0);
    told.count = 0;
    image_load(image.at, image.bytes, parts, 1, NS_PER_DAY, tell, &told);
    assert_int_equal(told.count, PARTS);
    assert_slice(told.rows[1].name, "second");
    assert_int_equal(told.rows[1].outcome, IMAGE_UNKNOWN);
    assert_int_equal(told.rows[2].outcome, IMAGE_UNKNOWN);
}

static void every_flipped_bit_is_seen(void **state)
{
    struct image image = sealed();

    (void)state;
    for (size_t at = 0; at < image.bytes; at++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            image.at[at] ^= (uint8_t)(1 << bit);
            if (image_fault(image.at, image.bytes, HASH_KEY_FIXED) == NULL) {
                fail_msg("bit %u of byte %zu was flipped and nobody saw it", bit, at);
            }
            image.at[at] ^= (uint8_t)(1 << bit);
        }
    }
    assert_null(image_fault(image.at, image.bytes, HASH_KEY_FIXED));
}

static void every_cut_is_seen(void **state)
{
    struct image image = sealed();

    (void)state;
    for (size_t bytes = 0; bytes < image.bytes; bytes++) {
        /* Memory of just that size: whoever reads beyond it is found. */
        uint8_t *cut = malloc(bytes + 1);
        assert_non_null(cut);
        memcpy(cut, image.at, bytes);
        uint8_t *exact = realloc(cut, bytes == 0 ? 1 : bytes);
        assert_non_null(exact);
        assert_non_null(image_fault(exact, bytes, HASH_KEY_FIXED));
        free(exact);
    }
    assert_non_null(image_fault(image.at, image.bytes + 8, HASH_KEY_FIXED));
}

static void another_key_is_said(void **state)
{
    struct image image = sealed();
    const struct hash_key other = {.seed = 5};

    (void)state;
    assert_string_equal(image_fault(image.at, image.bytes, other), "it was made with another key");
}

static void a_part_that_lies_about_its_size_is_left_out(void **state)
{
    struct memory memory[PARTS] = {{.count = 4}, {.count = 4}, {.count = 4}};
    struct snapshot_part parts[PARTS];
    struct image image;
    size_t room = image_bytes_max(40);

    (void)state;
    parts_of(memory, parts);
    image_begin(&image, buffer, room, 0);
    for (unsigned i = 0; i < 200 && !image.overflow && image.sections < IMAGE_SECTIONS; i++) {
        image_add(&image, &parts[i % PARTS]);
    }
    assert_true(image.overflow || image.sections == IMAGE_SECTIONS);
    image_seal(&image, HASH_KEY_FIXED);
    assert_true(image.bytes <= room);
    assert_null(image_fault(image.at, image.bytes, HASH_KEY_FIXED));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_comes_back),
        cmocka_unit_test(order_is_that_of_the_parts),
        cmocka_unit_test(other_versions_are_left_out),
        cmocka_unit_test(every_flipped_bit_is_seen),
        cmocka_unit_test(every_cut_is_seen),
        cmocka_unit_test(another_key_is_said),
        cmocka_unit_test(a_part_that_lies_about_its_size_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
