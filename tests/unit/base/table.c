#include "tests/unit/base/unit.h"

#include "base/clock.h"
#include "base/table.h"

enum { MODEL_CELLS = 64 };

/* The slow and obvious table: rows, each with its place in the order of touching. */
struct row {
    bool used;
    bool strong;
    uint64_t hash;
    uint64_t group;
    uint64_t touched_ns;
    uint64_t place;
    uint32_t cell;
};

struct model {
    struct row rows[MODEL_CELLS];
    uint32_t cells_max;
    uint32_t weak_ppm;
    uint64_t place;
    uint64_t evicted_hash; /* what on_evict told */
    uint32_t evicted_cell;
    uint64_t evictions;
};

static struct row *row_of(struct model *model, uint64_t hash)
{
    for (uint32_t i = 0; i < model->cells_max; i++) {
        if (model->rows[i].used && model->rows[i].hash == hash) {
            return &model->rows[i];
        }
    }
    return NULL;
}

static uint32_t group_size(const struct model *model, uint64_t group)
{
    uint32_t size = 0;

    for (uint32_t i = 0; i < model->cells_max; i++) {
        size += model->rows[i].used && model->rows[i].group == group;
    }
    return group == 0 ? 1 : size;
}

static uint32_t weak_of_group(const struct model *model, uint64_t group)
{
    uint32_t size = 0;

    for (uint32_t i = 0; i < model->cells_max; i++) {
        const struct row *row = &model->rows[i];
        size += row->used && !row->strong && row->group == group;
    }
    return size;
}

/* The oldest of one queue that was not looked at yet. */
static struct row *oldest(struct model *model, bool strong, const bool *looked)
{
    struct row *found = NULL;

    for (uint32_t i = 0; i < model->cells_max; i++) {
        struct row *row = &model->rows[i];
        if (row->used && row->strong == strong && !looked[i] &&
            (found == NULL || row->place < found->place)) {
            found = row;
        }
    }
    return found;
}

static struct row *model_victim(struct model *model)
{
    bool looked[MODEL_CELLS] = {false};
    uint64_t weak_count = 0;
    struct row *victim = NULL;
    uint32_t size = 0;

    for (uint32_t i = 0; i < model->cells_max; i++) {
        weak_count += model->rows[i].used && !model->rows[i].strong;
    }
    bool weak_only =
        model->weak_ppm != 0 && weak_count > (uint64_t)model->cells_max * model->weak_ppm / 1000000;
    for (unsigned i = 0; i < TABLE_EVICT_LOOK; i++) {
        struct row *weak = oldest(model, false, looked);
        struct row *strong = weak_only ? NULL : oldest(model, true, looked);
        struct row *row = weak;
        if (weak == NULL || (strong != NULL && strong->touched_ns < weak->touched_ns)) {
            row = strong;
        }
        if (row == NULL) {
            break;
        }
        looked[row - model->rows] = true;
        if (group_size(model, row->group) > size) {
            size = group_size(model, row->group);
            victim = row;
        }
    }
    return victim;
}

static void on_evict(void *owner, uint32_t cell, void *at)
{
    struct model *model = owner;

    model->evictions++;
    model->evicted_cell = cell;
    memcpy(&model->evicted_hash, at, sizeof model->evicted_hash);
}

/* Hashes that share tags, and tags that crowd at the end of the index, so that probes wrap around.
 */
static uint64_t crowded_hash(uint64_t *seed)
{
    uint64_t tag = UINT32_MAX - random_below(seed, 24);

    return tag << 32 | random_below(seed, 4);
}

static void both_take(struct table *table, struct model *model, uint64_t *seed, uint64_t now_ns)
{
    uint64_t hash = crowded_hash(seed);
    uint64_t group = random_below(seed, 6);
    struct row *row = row_of(model, hash);
    uint64_t evictions = model->evictions;
    bool is_new;

    if (row != NULL) {
        assert_int_equal(table_take(table, hash, group, now_ns, &is_new), row->cell);
        assert_false(is_new);
        return;
    }
    struct row *victim = table->used == model->cells_max ? model_victim(model) : NULL;
    uint32_t cell = table_take(table, hash, group, now_ns, &is_new);
    assert_true(is_new);
    assert_int_equal(model->evictions - evictions, victim != NULL);
    if (victim != NULL) {
        assert_true(model->evicted_hash == victim->hash);
        assert_int_equal(model->evicted_cell, victim->cell);
        assert_int_equal(cell, victim->cell);
        victim->used = false;
    }
    uint64_t zero = 0;
    assert_memory_equal(table_at(table, cell), &zero, sizeof zero);
    assert_int_equal((uintptr_t)table_at(table, cell) % 16, 0);
    memcpy(table_at(table, cell), &hash, sizeof hash);
    for (row = model->rows; row->used; row++) {
    }
    *row = (struct row){.used = true,
                        .hash = hash,
                        .group = group,
                        .touched_ns = now_ns,
                        .place = model->place++,
                        .cell = cell};
}

static void both_evict_idle(struct table *table, struct model *model, uint64_t before_ns)
{
    const bool looked[MODEL_CELLS] = {false};
    struct row *row = oldest(model, false, looked);
    bool goes = row != NULL && row->touched_ns < before_ns;
    uint64_t evictions = model->evictions;

    assert_int_equal(table_evict_idle(table, before_ns), goes);
    assert_int_equal(model->evictions - evictions, goes);
    if (goes) {
        assert_int_equal(model->evicted_cell, row->cell);
        row->used = false;
    }
}

static void compare(struct table *table, struct model *model)
{
    uint32_t used = 0;
    uint32_t walked = 0;

    for (uint32_t i = 0; i < model->cells_max; i++) {
        const struct row *row = &model->rows[i];
        if (!row->used) {
            continue;
        }
        used++;
        assert_int_equal(table_find(table, row->hash), row->cell);
        assert_true(table_hash_of(table, row->cell) == row->hash);
        assert_true(table_touched_ns(table, row->cell) == row->touched_ns);
        assert_int_equal(table_is_strong(table, row->cell), row->strong);
        assert_memory_equal(table_at(table, row->cell), &row->hash, sizeof row->hash);
        assert_int_not_equal(table_generation(table, row->cell), 0);
    }
    assert_int_equal(table->used, used);
    for (uint32_t cell = table_next(table, 0); cell != TABLE_NONE;
         cell = table_next(table, cell + 1)) {
        assert_non_null(row_of(model, table_hash_of(table, cell)));
        walked++;
    }
    assert_int_equal(walked, used);
    for (uint64_t group = 1; group < 6; group++) {
        assert_int_equal(table_weak_of_group(table, group), weak_of_group(model, group));
    }
    for (uint64_t tag = UINT32_MAX - 24; tag <= UINT32_MAX; tag++) {
        for (uint64_t low = 0; low < 4; low++) {
            uint64_t hash = tag << 32 | low;
            table_prefetch(table, hash);
            table_prefetch_cell(table, hash);
            assert_int_equal(table_find(table, hash) == TABLE_NONE, row_of(model, hash) == NULL);
        }
    }
}

static void one_random_life(uint64_t seed, uint32_t cells_max, uint32_t weak_ppm)
{
    static struct table table;
    static struct model model;
    struct error error;
    uint64_t now_ns = 1000;

    memset(&model, 0, sizeof model);
    model.cells_max = cells_max;
    model.weak_ppm = weak_ppm;
    const struct table_options options = {.name = "test",
                                          .cells_max = cells_max,
                                          .cell_bytes = 24,
                                          .weak_ppm = weak_ppm,
                                          .on_evict = on_evict,
                                          .owner = &model};
    assert_int_equal(table_open(&table, &options, &error), STATUS_OK);
    for (unsigned step = 0; step < 3000; step++) {
        struct row *row = &model.rows[random_below(&seed, cells_max)];
        now_ns += random_below(&seed, 3);
        switch (random_below(&seed, 9)) {
        case 0:
            if (row->used) {
                uint32_t generation = table_generation(&table, row->cell);
                table_give(&table, row->cell);
                row->used = false;
                assert_int_equal(table_generation(&table, row->cell), generation);
            }
            break;
        case 1:
        case 2:
            if (row->used) {
                table_touch(&table, row->cell, now_ns);
                row->touched_ns = now_ns;
                row->place = model.place++;
            }
            break;
        case 3:
            if (row->used) {
                table_strengthen(&table, row->cell);
                row->place = row->strong ? row->place : model.place++;
                row->strong = true;
            }
            break;
        case 4:
            both_evict_idle(&table, &model, time_since(now_ns, random_below(&seed, 60)));
            break;
        default:
            both_take(&table, &model, &seed, now_ns);
            break;
        }
        compare(&table, &model);
    }
    assert_true(table.evicted == model.evictions);
    table_close(&table);
}

static void random_lives_equal_the_model(void **state)
{
    static const struct {
        uint32_t cells_max;
        uint32_t weak_ppm;
    } rows[] = {{1, 0},       {1, 250000},   {2, 250000},  {3, 500000},  {7, 0},
                {40, 250000}, {40, 1000000}, {64, 100000}, {64, 900000}, {63, 1}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        one_random_life(i + 1, rows[i].cells_max, rows[i].weak_ppm);
    }
}

/* Growth from 1,024 slots up: after every doubling all that is in is found, and nothing else. */
static void doubling_keeps_everything(void **state)
{
    static struct table table;
    struct error error;
    const struct table_options options = {.name = "test", .cells_max = 20000, .cell_bytes = 8};

    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        /* Tags in bunches of different width: long clusters, also across the end of the index. */
        uint32_t spread = seed == 1 ? UINT32_MAX : 6000U << seed;
        uint64_t numbers = seed;
        bool is_new;
        assert_int_equal(table_open(&table, &options, &error), STATUS_OK);
        assert_int_equal(table.index_mask, 1023);
        uint32_t mask = table.index_mask;
        for (uint32_t i = 0; i < options.cells_max; i++) {
            uint64_t tag = UINT32_MAX - random_below(&numbers, spread) + 3000; /* wraps */
            uint32_t cell = table_take(&table, tag << 32 | i, 0, i, &is_new);
            assert_int_equal(cell, i);
            assert_true(is_new);
            if (table.index_mask != mask || i == options.cells_max - 1) {
                mask = table.index_mask;
                for (uint32_t k = 0; k <= i; k++) {
                    assert_int_equal(table_find(&table, table_hash_of(&table, k)), k);
                }
                assert_int_equal(table_find(&table, tag << 32 | (i + 1)), TABLE_NONE);
            }
        }
        assert_int_equal(table.index_mask, 65535);
        for (uint32_t i = 0; i < options.cells_max; i += 2) {
            table_give(&table, i);
        }
        for (uint32_t i = 1; i < options.cells_max; i += 2) {
            assert_int_equal(table_find(&table, table_hash_of(&table, i)), i);
        }
        for (uint32_t i = 1; i < options.cells_max; i += 2) {
            table_give(&table, i);
        }
        const uint64_t *slots = table.index.at;
        for (uint32_t i = 0; i <= table.index_mask; i++) {
            assert_true(slots[i] == 0);
        }
        table_close(&table);
    }
}

/* 100,000 forged sources from one prefix push out each other, not the ten that were here first. */
static void bulk_pushes_out_itself(void **state)
{
    static struct table table;
    struct error error;
    const struct table_options options = {.name = "test", .cells_max = 1000, .cell_bytes = 8};
    uint64_t seed = 5;
    bool is_new;

    (void)state;
    assert_int_equal(table_open(&table, &options, &error), STATUS_OK);
    for (uint64_t i = 0; i < 10; i++) {
        (void)table_take(&table, i << 32 | 1, 100 + i, i, &is_new);
    }
    for (uint64_t i = 0; i < 100000; i++) {
        (void)table_take(&table, random_next(&seed), 7, 1000 + i, &is_new);
    }
    for (uint64_t i = 0; i < 10; i++) {
        assert_int_not_equal(table_find(&table, i << 32 | 1), TABLE_NONE);
    }
    assert_int_equal(table.used, 1000);
    assert_int_equal(table.evicted, 100000 - 990);
    table_close(&table);
}

/* Forged sources of ever new prefixes: what has proven itself keeps its three quarters. */
static void strong_entries_outlast_a_flood(void **state)
{
    static struct table table;
    struct error error;
    const struct table_options options = {
        .name = "test", .cells_max = 1000, .cell_bytes = 8, .weak_ppm = 250000};
    uint64_t seed = 6;
    bool is_new;

    (void)state;
    assert_int_equal(table_open(&table, &options, &error), STATUS_OK);
    for (uint64_t i = 0; i < 740; i++) {
        table_strengthen(&table, table_take(&table, i << 32 | 1, i + 1, 0, &is_new));
    }
    for (uint64_t i = 0; i < 50000; i++) {
        (void)table_take(&table, random_next(&seed), random_next(&seed), 1000 + i, &is_new);
    }
    for (uint64_t i = 0; i < 740; i++) {
        assert_int_not_equal(table_find(&table, i << 32 | 1), TABLE_NONE);
    }
    assert_int_equal(table.weak_used, 260);
    table_close(&table);
}

/* Which entry goes must not depend on the key of the hashes. */
static void eviction_does_not_follow_the_hash(void **state)
{
    static struct table table;
    struct error error;
    static uint32_t victims[2][2000];
    const struct table_options options = {
        .name = "test", .cells_max = 50, .cell_bytes = 8, .weak_ppm = 250000};
    bool is_new;

    (void)state;
    for (unsigned key = 0; key < 2; key++) {
        uint64_t seed = 9;
        assert_int_equal(table_open(&table, &options, &error), STATUS_OK);
        for (uint32_t i = 0; i < 2000; i++) {
            uint64_t name = random_below(&seed, 200);
            uint64_t hash = name * UINT64_C(0x9e3779b97f4a7c15) ^ (key * UINT64_C(0xabcdef1234567));
            victims[key][i] = table_take(&table, hash, 1 + name % 5, i, &is_new);
            if (random_below(&seed, 4) == 0) {
                table_strengthen(&table, victims[key][i]);
            }
        }
        table_close(&table);
    }
    assert_memory_equal(victims[0], victims[1], sizeof victims[0]);
}

static void reuse_changes_the_generation_and_zeroes(void **state)
{
    static struct table table;
    struct error error;
    const struct table_options options = {.name = "test", .cells_max = 1, .cell_bytes = 100};
    static const uint8_t zero[100];
    uint32_t last = 0;
    bool is_new;

    (void)state;
    assert_int_equal(table_open(&table, &options, &error), STATUS_OK);
    for (uint64_t i = 0; i < 10; i++) {
        uint32_t cell = table_take(&table, i << 33, 0, i, &is_new);
        assert_int_equal(cell, 0);
        assert_int_not_equal(table_generation(&table, cell), last);
        last = table_generation(&table, cell);
        assert_memory_equal(table_at(&table, cell), zero, sizeof zero);
        memset(table_at(&table, cell), 0xee, sizeof zero);
        if (i % 2 == 0) {
            table_give(&table, cell);
            assert_int_equal(table_next(&table, 0), TABLE_NONE);
        }
    }
    table_close(&table);
}

static void the_ceiling_is_told_before(void **state)
{
    const struct table_options options = {.name = "test", .cells_max = 1000, .cell_bytes = 32};
    const struct table_options odd = {.name = "test", .cells_max = 1024, .cell_bytes = 33};

    (void)state;
    assert_int_equal(table_bytes_max(&options), 1000 * 64 + 2048 * 8 + TABLE_GROUPS * 4);
    assert_int_equal(table_bytes_max(&odd), 1024 * 80 + 2048 * 8 + TABLE_GROUPS * 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_lives_equal_the_model),
        cmocka_unit_test(doubling_keeps_everything),
        cmocka_unit_test(bulk_pushes_out_itself),
        cmocka_unit_test(strong_entries_outlast_a_flood),
        cmocka_unit_test(eviction_does_not_follow_the_hash),
        cmocka_unit_test(reuse_changes_the_generation_and_zeroes),
        cmocka_unit_test(the_ceiling_is_told_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
