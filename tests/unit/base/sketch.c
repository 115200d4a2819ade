#include "tests/unit/base/unit.h"

#include "base/sketch.h"

static void a_small_set_is_exact_and_bounded(void **state)
{
    uint32_t members[3] = {0};
    uint16_t count = 0;

    (void)state;
    assert_false(small_set_has(members, count, 1));
    assert_true(small_set_add(members, &count, 3, 1));
    assert_false(small_set_add(members, &count, 3, 1));
    assert_true(small_set_add(members, &count, 3, 0));
    assert_true(small_set_add(members, &count, 3, UINT64_C(1) << 40));
    assert_int_equal(count, 3);
    assert_false(small_set_add(members, &count, 3, 4));
    assert_int_equal(count, 3);
    assert_true(small_set_has(members, count, UINT64_C(1) << 40));
    assert_false(small_set_has(members, count, 4));
    count = 0;
    assert_false(small_set_add(members, &count, 0, 4));
}

/* The slow set: all that came. */
static void exact_part_equals_the_list(void **state)
{
    uint64_t seed = 11;

    (void)state;
    for (unsigned round = 0; round < 200; round++) {
        struct distinct distinct;
        uint64_t seen[DISTINCT_EXACT];
        uint32_t count = 0;
        uint64_t pool[DISTINCT_EXACT];
        memset(&distinct, 0, sizeof distinct);
        for (size_t i = 0; i < COUNT_OF(pool); i++) {
            pool[i] = random_next(&seed);
        }
        for (unsigned i = 0; i < 300; i++) {
            uint64_t hash = pool[random_below(&seed, 1 + round % DISTINCT_EXACT)];
            bool is_new = true;
            for (uint32_t k = 0; k < count; k++) {
                is_new = is_new && seen[k] != hash;
            }
            if (is_new) {
                seen[count++] = hash;
            }
            assert_int_equal(distinct_add(&distinct, hash), is_new);
            assert_int_equal(distinct_count(&distinct), count);
        }
        assert_false(distinct.estimated);
    }
}

static bool has_two_digits(uint32_t value)
{
    while (value >= 100) {
        if (value % 10 != 0) {
            return false;
        }
        value /= 10;
    }
    return true;
}

/* Beyond 64: within four standard errors (4.6 % each) and the rounding, never going down, untouched
 * by members that come again, and the same in any order. */
static void estimates_stay_near_and_look_like_estimates(void **state)
{
    uint64_t seed = 21;

    (void)state;
    for (unsigned round = 0; round < 8; round++) {
        struct distinct distinct;
        uint32_t last = 0;
        uint64_t from = seed;
        memset(&distinct, 0, sizeof distinct);
        for (uint32_t n = 1; n <= 200000; n++) {
            (void)distinct_add(&distinct, random_next(&seed));
            uint32_t count = distinct_count(&distinct);
            assert_true(count >= last);
            last = count;
            if (n > DISTINCT_EXACT) {
                assert_true(distinct.estimated);
                assert_true(has_two_digits(count));
                assert_in_range(count, n - n / 4, n + n / 4);
            } else {
                assert_int_equal(count, n);
            }
        }
        uint64_t again = from;
        for (uint32_t n = 1; n <= 200000; n++) {
            assert_false(distinct_add(&distinct, random_next(&again)));
        }
        assert_int_equal(distinct_count(&distinct), last);
    }
}

/* The mean of many runs is near the truth: no bias where the old estimators had one (1,000 to
 * 3,000). */
static void the_mean_is_unbiased(void **state)
{
    static const uint32_t sizes[] = {100, 500, 1300, 2500, 5000, 20000};
    uint64_t seed = 31;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        uint64_t sum = 0;
        for (unsigned round = 0; round < 200; round++) {
            struct distinct distinct;
            memset(&distinct, 0, sizeof distinct);
            for (uint32_t n = 0; n < sizes[i]; n++) {
                (void)distinct_add(&distinct, random_next(&seed));
            }
            sum += distinct_count(&distinct);
        }
        uint64_t mean = sum / 200;
        assert_in_range(mean, sizes[i] - sizes[i] / 50, sizes[i] + sizes[i] / 50);
    }
}

static void order_of_members_does_not_matter(void **state)
{
    struct distinct forward;
    struct distinct backward;
    static uint64_t members[3000];
    uint64_t seed = 41;

    (void)state;
    memset(&forward, 0, sizeof forward);
    memset(&backward, 0, sizeof backward);
    for (size_t i = 0; i < COUNT_OF(members); i++) {
        members[i] = random_next(&seed);
    }
    for (size_t i = 0; i < COUNT_OF(members); i++) {
        (void)distinct_add(&forward, members[i]);
        (void)distinct_add(&backward, members[COUNT_OF(members) - 1 - i]);
    }
    assert_memory_equal(&forward.in, &backward.in, sizeof forward.in);
    assert_int_equal(distinct_count(&forward), distinct_count(&backward));
    assert_true(forward.sum == backward.sum && forward.empty == backward.empty);
}

/* The extreme hashes: rank beyond the last bit, first and last register. */
static void edge_hashes(void **state)
{
    struct distinct distinct;

    (void)state;
    memset(&distinct, 0, sizeof distinct);
    for (uint32_t i = 0; i <= DISTINCT_EXACT; i++) {
        (void)distinct_add(&distinct, i);
    }
    (void)distinct_add(&distinct, 0xff800000);
    (void)distinct_add(&distinct, UINT32_MAX);
    assert_int_equal(distinct.in.registers[0], 24);
    assert_int_equal(distinct.in.registers[511], 24);
    for (uint32_t slot = 0; slot < DISTINCT_REGISTERS; slot++) {
        (void)distinct_add(&distinct, slot << 23);
    }
    assert_true(distinct_count(&distinct) > 1000000000);
}

static void heavy_hitters_keep_their_promise(void **state)
{
    uint64_t seed = 51;

    (void)state;
    for (unsigned round = 0; round < 50; round++) {
        enum { KEYS = 400 };
        static struct top top;
        uint64_t truth[KEYS] = {0};
        uint64_t total = 0;
        struct top_cell sorted[TOP_CELLS];
        memset(&top, 0, sizeof top);
        for (unsigned i = 0; i < 3000; i++) {
            uint32_t key = random_below(&seed, 1 + random_below(&seed, KEYS));
            uint32_t amount = random_below(&seed, 3);
            truth[key] += amount;
            total += amount;
            top_add(&top, key, amount);
        }
        uint32_t count = top_sorted(&top, sorted, TOP_CELLS);
        uint64_t held = 0;
        bool found[KEYS] = {false};
        for (uint32_t i = 0; i < count; i++) {
            uint64_t key = sorted[i].key;
            assert_false(found[key]);
            found[key] = true;
            held += sorted[i].count;
            assert_true(sorted[i].count >= truth[key]);
            assert_true(sorted[i].count - sorted[i].error <= truth[key]);
            assert_true(i == 0 || sorted[i - 1].count >= sorted[i].count);
        }
        assert_true(held == total);
        for (uint32_t key = 0; key < KEYS; key++) {
            assert_true(found[key] || truth[key] <= total / TOP_CELLS);
        }
    }
}

static void ties_go_to_the_lower_cell(void **state)
{
    struct top top;
    struct top_cell sorted[TOP_CELLS];

    (void)state;
    memset(&top, 0, sizeof top);
    assert_int_equal(top_sorted(&top, sorted, TOP_CELLS), 0);
    for (uint64_t i = 0; i < TOP_CELLS; i++) {
        top_add(&top, 1000 - i, 5);
    }
    assert_int_equal(top_sorted(&top, sorted, TOP_CELLS), TOP_CELLS);
    assert_int_equal(sorted[0].key, 1000);
    assert_int_equal(sorted[1].key, 999);
    top_add(&top, 7, 1); /* takes the place of the first lowest */
    assert_int_equal(top.cells[0].key, 7);
    assert_int_equal(top.cells[0].count, 6);
    assert_int_equal(top.cells[0].error, 5);
    assert_int_equal(top_sorted(&top, sorted, 2), 2);
    assert_int_equal(sorted[0].key, 7);
    assert_int_equal(sorted[1].key, 999);
}

/* Random keys, some often: never too low; exact while they are few; halved means halved. */
static void counts_are_never_too_low(void **state)
{
    enum { KEYS = 3000 };
    static struct count_min counts;
    static uint64_t keys[KEYS];
    static uint32_t truth[KEYS];
    uint64_t seed = 3;

    (void)state;
    for (unsigned i = 0; i < KEYS; i++) {
        keys[i] = random_next(&seed);
    }
    for (unsigned round = 0; round < 60000; round++) {
        uint64_t i = random_below(&seed, random_below(&seed, 10) == 0 ? KEYS : 100);
        uint32_t count = count_min_add(&counts, keys[i]);
        truth[i] += truth[i] < UINT8_MAX;
        assert_int_equal(count, truth[i]); /* 3,000 keys do not meet in all of four rows */
    }
    count_min_halve(&counts);
    for (unsigned i = 0; i < KEYS; i++) {
        assert_int_equal(count_min_add(&counts, keys[i]), truth[i] / 2 + 1);
    }
}

/* As many new keys as there are columns, halved, and again: none looks as if it had come thrice. */
static void new_keys_look_new(void **state)
{
    static struct count_min counts;
    uint64_t seed = 4;
    uint64_t frequent = 0;

    (void)state;
    for (unsigned round = 0; round < 16 * COUNT_MIN_COLUMNS; round++) {
        if (round % COUNT_MIN_COLUMNS == 0) {
            count_min_halve(&counts);
        }
        frequent += count_min_add(&counts, random_next(&seed)) >= 3;
    }
    assert_in_range(frequent, 0, 10);
}

/* What came from a file and can be used; and what would lead outside. */
static void test_sound(void **state)
{
    (void)state;
    struct distinct set = {.count = 0};

    for (uint64_t i = 0; i < 200; i++) {
        assert_true(distinct_is_sound(&set));
        (void)distinct_add(&set, i * UINT64_C(0x9e3779b97f4a7c15));
    }
    set.in.registers[7] = 25;
    assert_false(distinct_is_sound(&set));
    set = (struct distinct){.count = DISTINCT_EXACT + 1};
    assert_false(distinct_is_sound(&set));
    set = (struct distinct){.estimated = true, .empty = DISTINCT_REGISTERS + 1};
    assert_false(distinct_is_sound(&set));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sound),
        cmocka_unit_test(a_small_set_is_exact_and_bounded),
        cmocka_unit_test(exact_part_equals_the_list),
        cmocka_unit_test(estimates_stay_near_and_look_like_estimates),
        cmocka_unit_test(the_mean_is_unbiased),
        cmocka_unit_test(order_of_members_does_not_matter),
        cmocka_unit_test(edge_hashes),
        cmocka_unit_test(heavy_hitters_keep_their_promise),
        cmocka_unit_test(ties_go_to_the_lower_cell),
        cmocka_unit_test(counts_are_never_too_low),
        cmocka_unit_test(new_keys_look_new),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
