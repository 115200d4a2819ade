#include "tests/unit/base/unit.h"

#include "base/window.h"

enum { EVENTS = 4000 };

struct event {
    uint64_t at_ns;
    uint32_t amount;
};

static uint64_t counted_since(const struct event *events, size_t count, uint64_t now_ns,
                              uint64_t span_ns)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < count; i++) {
        if (span_ns > now_ns || events[i].at_ns > now_ns - span_ns) {
            sum += events[i].amount;
        }
    }
    return sum;
}

/* Never less than what lies inside the length, never more than what lies inside 13 buckets: the
 * length, one bucket more, and what rounding a bucket up to whole nanoseconds adds. */
static void one_random_window(uint64_t seed, uint64_t start_ns, uint64_t length_ns)
{
    static struct event events[EVENTS];
    struct window window = {.newest = 0};
    uint64_t bucket_ns = (length_ns + WINDOW_BUCKETS - 1) / WINDOW_BUCKETS;
    uint64_t now_ns = start_ns;

    for (size_t i = 0; i < EVENTS; i++) {
        uint64_t step_ns = random_next(&seed) % (length_ns / 20 + 1);
        now_ns += random_below(&seed, 50) == 0 ? 30 * step_ns : step_ns;
        events[i] = (struct event){.at_ns = now_ns, .amount = random_below(&seed, 4)};
        uint32_t sum = window_add(&window, now_ns, length_ns, events[i].amount);
        assert_true(sum >= counted_since(events, i + 1, now_ns, length_ns));
        assert_true(sum <= counted_since(events, i + 1, now_ns, 13 * bucket_ns));
        uint64_t later_ns = now_ns + random_next(&seed) % (2 * length_ns);
        uint32_t later = window_sum(&window, later_ns, length_ns);
        assert_true(later >= counted_since(events, i + 1, later_ns, length_ns));
        assert_true(later <= counted_since(events, i + 1, later_ns, 13 * bucket_ns));
    }
}

static void random_windows_equal_the_list(void **state)
{
    (void)state;
    one_random_window(1, 0, 12);
    one_random_window(2, 1000, 1);
    one_random_window(3, 5, 13);
    one_random_window(4, UINT64_C(1767323045678901234), NS_PER_S);
    one_random_window(5, UINT64_C(1767323045678901234), 10 * NS_PER_MINUTE);
    one_random_window(6, UINT64_C(1767323045678901234), 7 * NS_PER_DAY + 1);
    /* Across the end of the bucket numbers (13 * 2^28 buckets of 1 us). */
    one_random_window(7, (UINT64_C(13) << 28) * 1000 - 100000, 12 * NS_PER_US);
    one_random_window(8, UINT32_MAX * UINT64_C(1000) - 100000, 12 * NS_PER_US);
}

static void zeroed_memory_is_an_empty_window(void **state)
{
    struct window window;

    (void)state;
    memset(&window, 0, sizeof window);
    assert_int_equal(window_sum(&window, 0, NS_PER_S), 0);
    assert_int_equal(window_sum(&window, NS_PER_DAY, NS_PER_S), 0);
    assert_int_equal(window_add(&window, NS_PER_DAY, NS_PER_S, 0), 0);
    assert_int_equal(window_add(&window, NS_PER_DAY, NS_PER_S, 5), 5);
    assert_int_equal(window_sum(&window, NS_PER_DAY + NS_PER_S, NS_PER_S), 5);
    assert_int_equal(window_sum(&window, NS_PER_DAY + 2 * NS_PER_S, NS_PER_S), 0);
}

static void a_step_back_counts_into_the_newest(void **state)
{
    struct window window = {.newest = 0};
    const uint64_t now_ns = NS_PER_DAY;

    (void)state;
    assert_int_equal(window_add(&window, now_ns, NS_PER_MINUTE, 1), 1);
    assert_int_equal(window_add(&window, now_ns - NS_PER_HOUR, NS_PER_MINUTE, 2), 3);
    assert_int_equal(window_sum(&window, now_ns - NS_PER_HOUR, NS_PER_MINUTE), 3);
    assert_int_equal(window_sum(&window, now_ns + NS_PER_MINUTE / 2, NS_PER_MINUTE), 3);
    assert_int_equal(window_sum(&window, now_ns + 2 * NS_PER_MINUTE, NS_PER_MINUTE), 0);
}

static void a_bucket_saturates(void **state)
{
    struct window window = {.newest = 0};

    (void)state;
    assert_int_equal(window_add(&window, 0, NS_PER_MINUTE, 65534), 65534);
    assert_int_equal(window_add(&window, 0, NS_PER_MINUTE, 1), 65535);
    assert_int_equal(window_add(&window, 0, NS_PER_MINUTE, 1), 65535);
    assert_int_equal(window_add(&window, 0, NS_PER_MINUTE, UINT32_MAX), 65535);
    assert_int_equal(window_add(&window, 5 * NS_PER_S, NS_PER_MINUTE, UINT32_MAX), 2 * 65535);
}

static void a_new_length_loses_nothing(void **state)
{
    struct window window = {.newest = 0};

    (void)state;
    for (unsigned i = 0; i < 12; i++) {
        (void)window_add(&window, NS_PER_DAY + i * 5 * NS_PER_S, NS_PER_MINUTE, 1);
    }
    uint64_t now_ns = NS_PER_DAY + NS_PER_MINUTE;
    assert_int_equal(window_sum(&window, now_ns, NS_PER_HOUR), 12);
    assert_int_equal(window_add(&window, now_ns, NS_PER_HOUR, 1), 13);
    assert_int_equal(window_sum(&window, now_ns + 30 * NS_PER_MINUTE, NS_PER_HOUR), 13);
    assert_int_equal(window_sum(&window, now_ns + 70 * NS_PER_MINUTE, NS_PER_HOUR), 0);
    assert_int_equal(window_add(&window, now_ns, NS_PER_S, 1), 14);
}

static void a_rate_halves(void **state)
{
    struct decay decay = {.value_q16 = 0};

    (void)state;
    assert_int_equal(decay_value(&decay, 5, NS_PER_MINUTE), 0);
    assert_int_equal(decay_add(&decay, NS_PER_DAY, NS_PER_MINUTE, 1000), 1000 << 16);
    assert_int_equal(decay_value(&decay, NS_PER_DAY, NS_PER_MINUTE), 1000 << 16);
    assert_int_equal(decay_value(&decay, NS_PER_DAY + NS_PER_MINUTE, NS_PER_MINUTE), 500 << 16);
    assert_int_equal(decay_value(&decay, NS_PER_DAY + 3 * NS_PER_MINUTE, NS_PER_MINUTE), 125 << 16);
    assert_int_equal(decay_value(&decay, 0, NS_PER_MINUTE), 1000 << 16); /* no growth backwards */
    /* half of a half-life: 1000 / sqrt(2) = 707.1068 */
    uint64_t half = decay_value(&decay, NS_PER_DAY + NS_PER_MINUTE / 2, NS_PER_MINUTE);
    assert_in_range(half, (uint64_t)(707.106 * 65536), (uint64_t)(707.108 * 65536));
    assert_int_equal(decay_value(&decay, UINT64_MAX, NS_PER_MINUTE), 0);
    assert_int_equal(decay_value(&decay, NS_PER_DAY + 64 * NS_PER_MINUTE, NS_PER_MINUTE), 0);
    struct decay full = {.value_q16 = UINT64_MAX};
    assert_true(decay_add(&full, 0, 1, UINT32_MAX) == UINT64_MAX);
    assert_true(decay_value(&full, 1, 1) == UINT64_MAX / 2);
}

/* Looked at in many small steps a rate falls as in one: nothing may be lost to rounding, whatever
 * the half-life. */
static void small_steps_add_up(void **state)
{
    static const uint64_t half_lives_ns[] = {1000, NS_PER_S, NS_PER_HOUR, 7 * NS_PER_DAY,
                                             3650 * NS_PER_DAY};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(half_lives_ns); i++) {
        uint64_t half_life_ns = half_lives_ns[i];
        struct decay decay = {.value_q16 = 0};
        (void)decay_add(&decay, NS_PER_DAY, half_life_ns, 100000);
        for (uint64_t step = 1; step <= 200000; step++) {
            (void)decay_add(&decay, NS_PER_DAY + half_life_ns / 200000 * step, half_life_ns, 0);
        }
        uint64_t end_ns = NS_PER_DAY + half_life_ns;
        uint64_t value = decay_add(&decay, end_ns, half_life_ns, 0);
        assert_in_range(value, (UINT64_C(50000) << 16) - 32768, (UINT64_C(50000) << 16) + 32768);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_windows_equal_the_list),
        cmocka_unit_test(zeroed_memory_is_an_empty_window),
        cmocka_unit_test(a_step_back_counts_into_the_newest),
        cmocka_unit_test(a_bucket_saturates),
        cmocka_unit_test(a_new_length_loses_nothing),
        cmocka_unit_test(a_rate_halves),
        cmocka_unit_test(small_steps_add_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
