/* A table that went through an image evicts the same entries in the same order as the one that it
 * was made of. */
#include "tests/unit/base/unit.h"

#include "base/snapshot.h"

enum { CELLS = 64, STEPS = 3000, GROUPS = 9, ROOM = 64 * 1024 };

struct gone {
    uint64_t hashes[STEPS];
    size_t count;
    struct table *table;
};

static void on_evict(void *owner, uint32_t cell, void *at)
{
    struct gone *gone = owner;
    (void)at;

    assert_true(gone->count < STEPS);
    gone->hashes[gone->count++] = table_hash_of(gone->table, cell);
}

static void open_table(struct table *table, uint32_t cells, struct gone *gone)
{
    const struct table_options options = {.name = "test",
                                          .cells_max = cells,
                                          .cell_bytes = sizeof(uint64_t),
                                          .weak_ppm = 250000,
                                          .on_evict = on_evict,
                                          .owner = gone};
    struct error error;

    *gone = (struct gone){.table = table};
    assert_int_equal(table_open(table, &options, &error), STATUS_OK);
}

/* One entry is met, perhaps made, perhaps strengthened, seldom given back. */
static void step(struct table *table, uint64_t *seed, uint64_t now_ns)
{
    bool is_new;
    uint64_t draw = random_next(seed);
    uint64_t hash = (draw % 150 + 1) * UINT64_C(0x9e3779b97f4a7c15);
    uint32_t cell = table_take(table, hash, draw % 150 % GROUPS, now_ns, &is_new);

    *(uint64_t *)table_at(table, cell) += 1;
    table_touch(table, cell, now_ns);
    if (draw >> 32 & 1) {
        table_strengthen(table, cell);
    }
    if ((draw >> 40) % 50 == 0) {
        table_give(table, cell);
    }
}

static void copy_table(const struct table *from, struct table *to)
{
    static uint8_t memory[ROOM];
    struct snapshot_out out = {.at = memory, .room = sizeof memory};
    uint32_t count = 0;

    snapshot_put_count(&out, from->used);
    for (uint32_t cell = snapshot_next_entry(from, TABLE_NONE); cell != TABLE_NONE;
         cell = snapshot_next_entry(from, cell)) {
        snapshot_put_entry(&out, from, cell);
        snapshot_put(&out, table_at(from, cell), sizeof(uint64_t));
        count++;
    }
    assert_false(out.overflow);
    assert_int_equal(count, from->used);
    struct snapshot_in in = {.at = memory, .bytes = out.bytes};
    assert_int_equal(snapshot_get_u32(&in), count);
    for (uint32_t i = 0; i < count; i++) {
        struct snapshot_entry entry;
        assert_true(snapshot_get(&in, &entry, sizeof entry));
        uint32_t cell = snapshot_take_entry(to, &entry);
        assert_true(cell != TABLE_NONE);
        assert_true(snapshot_get(&in, table_at(to, cell), sizeof(uint64_t)));
        assert_int_equal(snapshot_take_entry(to, &entry), TABLE_NONE); /* it is there */
    }
    assert_true(!in.failed && in.bytes == 0);
}

static void a_copy_evicts_as_the_original(void **state)
{
    static struct gone gone[2];
    struct table one;
    struct table other;

    (void)state;
    for (uint64_t run = 1; run < 20; run++) {
        uint64_t seed = run;
        uint64_t now_ns = 1;
        open_table(&one, CELLS, &gone[0]);
        open_table(&other, CELLS, &gone[1]);
        for (unsigned i = 0; i < 10 * run * run; i++) {
            step(&one, &seed, now_ns++);
        }
        copy_table(&one, &other);
        gone[0].count = 0;
        uint64_t seeds[2] = {seed, seed};
        for (unsigned i = 0; i < 400; i++) {
            step(&one, &seeds[0], now_ns);
            step(&other, &seeds[1], now_ns);
            now_ns += i % 3 == 0;
        }
        assert_true(gone[0].count > 0);
        assert_int_equal(gone[0].count, gone[1].count);
        assert_memory_equal(gone[0].hashes, gone[1].hashes, gone[0].count * sizeof(uint64_t));
        assert_int_equal(one.used, other.used);
        assert_int_equal(one.weak_used, other.weak_used);
        table_close(&one);
        table_close(&other);
    }
}

/* Into a smaller table: the youngest stay, as if it had been small all the time. */
static void a_smaller_table_keeps_the_youngest(void **state)
{
    static struct gone gone[2];
    struct table one;
    struct table other;

    (void)state;
    open_table(&one, CELLS, &gone[0]);
    open_table(&other, CELLS / 2, &gone[1]);
    for (uint64_t i = 1; i <= CELLS; i++) {
        bool is_new;
        (void)table_take(&one, i << 32, 0, i, &is_new);
    }
    copy_table(&one, &other);
    assert_int_equal(other.used, CELLS / 2);
    for (uint64_t i = 1; i <= CELLS; i++) {
        assert_int_equal(table_find(&other, i << 32) != TABLE_NONE, i > CELLS / 2);
    }
    table_close(&one);
    table_close(&other);
}

static void a_short_image_fails_for_good(void **state)
{
    const uint8_t bytes[6] = {1, 0, 0, 0, 7, 7};
    struct snapshot_in in = {.at = bytes, .bytes = sizeof bytes};
    uint64_t value = 5;

    (void)state;
    assert_int_equal(snapshot_get_u32(&in), 1);
    assert_false(snapshot_get(&in, &value, sizeof value));
    assert_int_equal(value, 5);
    assert_null(snapshot_take(&in, 1));
    assert_int_equal(snapshot_get_u32(&in), 0);
    assert_true(in.failed);
}

static void what_does_not_fit_is_left_out(void **state)
{
    uint8_t bytes[10];
    struct snapshot_out out = {.at = bytes, .room = sizeof bytes};

    (void)state;
    snapshot_put_u64(&out, 1);
    assert_false(out.overflow);
    snapshot_put_u32(&out, 2);
    assert_true(out.overflow);
    snapshot_put(&out, "", 1);
    assert_int_equal(out.bytes, 8);
}

static void the_future_begins_after_a_minute(void **state)
{
    struct snapshot_in in = {.now_ns = NS_PER_DAY};

    (void)state;
    assert_false(snapshot_is_future(&in, NS_PER_DAY + SNAPSHOT_BACK_NS));
    assert_true(snapshot_is_future(&in, NS_PER_DAY + SNAPSHOT_BACK_NS + 1));
    in.now_ns = UINT64_MAX;
    assert_false(snapshot_is_future(&in, UINT64_MAX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_copy_evicts_as_the_original),
        cmocka_unit_test(a_smaller_table_keeps_the_youngest),
        cmocka_unit_test(a_short_image_fails_for_good),
        cmocka_unit_test(what_does_not_fit_is_left_out),
        cmocka_unit_test(the_future_begins_after_a_minute),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
