#include "tests/unit/base/unit.h"

#include "base/baseline.h"

static const uint64_t start_ns = UINT64_C(1767571200) * NS_PER_S; /* Monday 5 January 2026 */
static const uint64_t week_ns = 7 * NS_PER_DAY;

/* One hour of a week with that figure in its middle; learnt when the next hour begins. */
static void week_of(struct baseline *baseline, uint64_t week, uint8_t slot, uint32_t figure)
{
    uint64_t hour_ns = start_ns + week * week_ns + slot * NS_PER_HOUR;

    baseline_see(baseline, hour_ns, slot, 0);
    baseline_see(baseline, hour_ns + NS_PER_HOUR / 2, slot, figure);
    baseline_see(baseline, hour_ns + NS_PER_HOUR - 1, slot, figure / 2);
    baseline_see(baseline, hour_ns + NS_PER_HOUR, (uint8_t)(slot + 1), 0);
}

static void series_agree_with_another_hand(void **state)
{
    static const struct {
        unsigned series;
        uint32_t harmless;
        uint32_t figure;
        uint8_t samples;
        uint32_t median;
        uint32_t deviation;
        uint32_t highest;
    } rows[] = {
#define ROW(series_, harmless_, figure_, samples_, median_, deviation_, highest_)                  \
    {.series = (series_),                                                                          \
     .harmless = (harmless_),                                                                      \
     .figure = (figure_),                                                                          \
     .samples = (samples_),                                                                        \
     .median = (median_),                                                                          \
     .deviation = (deviation_),                                                                    \
     .highest = (highest_)},
#include "tests/unit/base/baseline_rows.def"
#undef ROW
    };
    struct baseline baseline;
    uint64_t week = 0;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct baseline_usual usual;
        if (i == 0 || rows[i].series != rows[i - 1].series) {
            memset(&baseline, 0, sizeof baseline);
            baseline.harmless = rows[i].harmless;
            week = 0;
        }
        week_of(&baseline, week, 42, rows[i].figure);
        week++;
        baseline_usual(&baseline, 42, &usual);
        if (usual.samples != rows[i].samples || usual.median != rows[i].median ||
            usual.deviation != rows[i].deviation || usual.highest != rows[i].highest) {
            fail_msg("row %zu: %u samples, median %u, deviation %u, highest %u", i, usual.samples,
                     usual.median, usual.deviation, usual.highest);
        }
        assert_int_equal(usual.known, rows[i].samples >= 3);
    }
}

static void every_hour_has_its_own_usual(void **state)
{
    struct baseline baseline = {.begun_ns = 0};
    struct baseline_usual usual;

    (void)state;
    for (uint64_t hour = 0; hour <= 4 * UINT64_C(168); hour++) {
        uint8_t slot = (uint8_t)(hour % 168);
        baseline_see(&baseline, start_ns + hour * NS_PER_HOUR, slot, 1000 + slot);
    }
    for (uint8_t slot = 0; slot < 168; slot++) {
        baseline_usual(&baseline, slot, &usual);
        assert_int_equal(usual.samples, 4);
        assert_int_equal(usual.median, 1000 + slot);
        assert_int_equal(usual.deviation, 0);
        assert_int_equal(baseline_limit(&usual, 6), 1000 + slot);
    }
}

/* Half-hour zones: a local hour begins in the middle of one of UTC. */
static void an_hour_is_a_local_one(void **state)
{
    struct baseline baseline = {.begun_ns = 0};
    struct baseline_usual usual;
    uint64_t half_ns = NS_PER_HOUR / 2;

    (void)state;
    baseline_see(&baseline, start_ns + half_ns, 4, 7);
    baseline_see(&baseline, start_ns + NS_PER_HOUR + half_ns - 1, 4, 9);
    baseline_usual(&baseline, 4, &usual);
    assert_int_equal(usual.samples, 0);
    baseline_see(&baseline, start_ns + NS_PER_HOUR + half_ns, 5, 1);
    baseline_usual(&baseline, 4, &usual);
    assert_int_equal(usual.samples, 1);
    assert_int_equal(usual.highest, 9);
}

/* The hour that comes twice when summer time ends is one sample, of both. */
static void the_hour_that_comes_twice_is_one(void **state)
{
    struct baseline baseline = {.begun_ns = 0};
    struct baseline_usual usual;

    (void)state;
    baseline_see(&baseline, start_ns, 10, 20);
    baseline_see(&baseline, start_ns + 2 * NS_PER_HOUR - 1, 10, 30);
    baseline_see(&baseline, start_ns + 2 * NS_PER_HOUR, 11, 1);
    baseline_usual(&baseline, 10, &usual);
    assert_int_equal(usual.samples, 1);
    assert_int_equal(usual.highest, 30);
}

static void a_tainted_hour_is_not_learnt(void **state)
{
    struct baseline baseline = {.begun_ns = 0};
    struct baseline_usual usual;

    (void)state;
    for (uint64_t week = 0; week < 3; week++) {
        week_of(&baseline, week, 9, 100);
    }
    for (uint64_t week = 3; week < 12; week++) {
        uint64_t hour_ns = start_ns + week * week_ns + 9 * NS_PER_HOUR;
        baseline_see(&baseline, hour_ns, 9, 5000);
        baseline_taint(&baseline, hour_ns + NS_PER_MINUTE, 9);
        baseline_see(&baseline, hour_ns + 2 * NS_PER_MINUTE, 9, 6000);
        baseline_see(&baseline, hour_ns + NS_PER_HOUR, 10, 0);
    }
    baseline_usual(&baseline, 9, &usual);
    assert_int_equal(usual.samples, 3);
    assert_int_equal(usual.highest, 100);
    /* The taint ends with its hour. */
    baseline_usual(&baseline, 10, &usual);
    assert_int_equal(usual.samples, 6);
    /* An hour may begin with its taint. */
    baseline_taint(&baseline, start_ns + 13 * week_ns, 0);
    baseline_see(&baseline, start_ns + 13 * week_ns + 1, 0, 9999);
    baseline_see(&baseline, start_ns + 13 * week_ns + NS_PER_HOUR, 1, 1);
    baseline_usual(&baseline, 0, &usual);
    assert_int_equal(usual.samples, 0);
}

/* An attacker who stays a fifth above last week is followed: that is why rules have a ceiling which
 * nothing moves. One who comes at once is not followed by more than a quarter a week. */
static void a_ramp_meets_the_ceiling(void **state)
{
    enum { FLOOR = 50, CEILING = 400, FACTOR = 6 };
    struct baseline baseline = {.harmless = FLOOR};
    struct baseline_usual usual;
    uint64_t week = 0;
    uint64_t figure = 100;
    bool caught = false;

    (void)state;
    for (; week < 6; week++) {
        week_of(&baseline, week, 30, 100);
    }
    for (; week < 20 && !caught; week++) {
        figure = figure * 6 / 5;
        baseline_usual(&baseline, 30, &usual);
        caught = figure > baseline_threshold(&usual, FACTOR, FLOOR, CEILING);
        week_of(&baseline, week, 30, (uint32_t)figure);
    }
    assert_true(caught);
    assert_in_range(figure, 101, CEILING * 6 / 5 + 1);
    memset(&baseline, 0, sizeof baseline);
    for (week = 0; week < 6; week++) {
        week_of(&baseline, week, 30, 1000);
    }
    uint64_t before = 1000;
    for (; week < 40; week++) {
        week_of(&baseline, week, 30, UINT32_MAX);
        baseline_usual(&baseline, 30, &usual);
        assert_true(usual.median <= before + before / 4);
        before = usual.median;
    }
}

/* Whatever comes, no week lifts the median by more than a quarter: also not when low samples fall
 * out behind high ones. */
static void no_order_of_samples_lifts_it_faster(void **state)
{
    uint64_t seed = 11;

    (void)state;
    for (unsigned run = 0; run < 200; run++) {
        struct baseline baseline = {.begun_ns = 0};
        struct baseline_usual usual = {.median = 0};
        for (uint64_t week = 0; week < 40; week++) {
            uint32_t before = usual.median;
            bool known = usual.known;
            uint32_t figure = random_below(&seed, 3) == 0 ? 10 : random_below(&seed, 100000);
            week_of(&baseline, week, 3, figure);
            baseline_usual(&baseline, 3, &usual);
            assert_true(!known || usual.median <= before + (before < 4 ? 1 : before / 4));
        }
    }
}

/* A clock set back lies about the hour that was open; one that was set forward once has left samples
 * from the future, which do not stop the learning. A week does not get shorter by either. */
static void a_wrong_clock_spoils_nothing(void **state)
{
    struct baseline baseline = {.begun_ns = 0};
    struct baseline_usual usual;

    (void)state;
    for (uint64_t week = 0; week < 3; week++) {
        week_of(&baseline, week, 9, 100);
    }
    /* To and fro within the week: the slot has had its sample. */
    for (unsigned i = 0; i < 5; i++) {
        week_of(&baseline, 2, 9, 120);
    }
    baseline_usual(&baseline, 9, &usual);
    assert_int_equal(usual.samples, 3);
    assert_int_equal(usual.median, 100);
    /* Years ahead, then back: what was open then is dropped. */
    week_of(&baseline, 500, 9, 101);
    baseline_see(&baseline, start_ns + 500 * week_ns + 20 * NS_PER_HOUR, 20, 88888);
    baseline_see(&baseline, start_ns + 3 * week_ns, 0, 1);
    baseline_usual(&baseline, 20, &usual);
    assert_int_equal(usual.samples, 0);
    week_of(&baseline, 3, 9, 102);
    week_of(&baseline, 4, 9, 103);
    baseline_usual(&baseline, 9, &usual);
    assert_int_equal(usual.samples, 6);
    assert_int_equal(usual.highest, 103);
}

/* A state file may hold anything. */
static void any_memory_is_survived(void **state)
{
    static struct baseline baseline;
    struct baseline_usual usual;
    uint64_t seed = 5;

    (void)state;
    for (unsigned run = 0; run < 500; run++) {
        for (size_t i = 0; i < sizeof baseline; i++) {
            ((unsigned char *)&baseline)[i] = (unsigned char)random_next(&seed);
        }
        baseline.begun_ns = random_next(&seed);
        for (unsigned i = 0; i < 20; i++) {
            uint8_t slot = (uint8_t)random_next(&seed);
            uint64_t now_ns = random_next(&seed);
            baseline_see(&baseline, now_ns, slot, (uint32_t)random_next(&seed));
            baseline_usual(&baseline, slot, &usual);
            assert_true(usual.samples <= BASELINE_WEEKS && usual.median <= usual.highest);
        }
    }
}

static void limits_saturate(void **state)
{
    struct baseline_usual usual = {.known = true, .median = 100, .deviation = 7};
    struct baseline_usual none = {.median = 100, .deviation = 7};
    struct baseline_usual high = {.known = true, .median = UINT32_MAX, .deviation = UINT32_MAX};

    (void)state;
    assert_int_equal(baseline_limit(&usual, 6), 142);
    assert_int_equal(baseline_limit(&none, 6), UINT32_MAX);
    assert_int_equal(baseline_limit(&high, UINT32_MAX), UINT32_MAX);
    assert_int_equal(baseline_threshold(&usual, 6, 50, 1000), 142);
    assert_int_equal(baseline_threshold(&usual, 6, 200, 1000), 200);
    assert_int_equal(baseline_threshold(&usual, 6, 50, 120), 120);
    assert_int_equal(baseline_threshold(&none, 6, 50, 1000), 50);
    assert_int_equal(baseline_threshold(&high, 6, 50, 1000), 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(series_agree_with_another_hand),
        cmocka_unit_test(every_hour_has_its_own_usual),
        cmocka_unit_test(an_hour_is_a_local_one),
        cmocka_unit_test(the_hour_that_comes_twice_is_one),
        cmocka_unit_test(a_tainted_hour_is_not_learnt),
        cmocka_unit_test(a_ramp_meets_the_ceiling),
        cmocka_unit_test(no_order_of_samples_lifts_it_faster),
        cmocka_unit_test(a_wrong_clock_spoils_nothing),
        cmocka_unit_test(any_memory_is_survived),
        cmocka_unit_test(limits_saturate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
