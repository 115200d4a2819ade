/* State time: silence, steps back, suspect clocks, and the promise that holds for any stamps. */
#include "sensor/flows/timeline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define START_S UINT64_C(1800000000)
#define AT(seconds) ((START_S + (seconds)) * NS_PER_S)

static struct timeline_step see(struct timeline *timeline, uint64_t frame_ns)
{
    struct timeline_step step;
    memset(&step, 0xa5, sizeof step);
    timeline_see(timeline, frame_ns, false, &step);
    return step;
}

static void the_first_frame_sets_time_and_marks_nothing(void **state)
{
    (void)state;
    struct timeline timeline = {0};
    struct timeline_step step = see(&timeline, AT(5) + 7);
    assert_int_equal(step.now_ns, AT(5) + 7);
    assert_int_equal(step.mark_count, 0);
    assert_int_equal(step.shift_ns, 0);
    assert_int_equal(step.note, REASON_NONE);
    assert_int_equal(timeline.mark_s, START_S + 5);
}

static void a_second_is_marked_once(void **state)
{
    (void)state;
    struct timeline timeline = {0};
    (void)see(&timeline, AT(0) + 900000000);
    assert_int_equal(see(&timeline, AT(1) - 1).mark_count, 0);
    struct timeline_step step = see(&timeline, AT(1));
    assert_int_equal(step.mark_count, 1);
    assert_int_equal(step.marks[0], START_S + 1);
    assert_int_equal(see(&timeline, AT(1)).mark_count, 0);
    assert_int_equal(see(&timeline, AT(1) + 999999999).mark_count, 0);
    step = see(&timeline, AT(3) + 1);
    assert_int_equal(step.mark_count, 2);
    assert_int_equal(step.marks[0], START_S + 2);
    assert_int_equal(step.marks[1], START_S + 3);
}

struct silence_row {
    uint64_t seconds;
    uint32_t marks;
    uint64_t last_but_one; /* seconds from the start */
};

static void silence_marks_single_seconds_then_doubling_ones(void **state)
{
    static const struct silence_row rows[] = {
        {1, 1, 0},    {31, 31, 30}, {32, 32, 31}, {33, 33, 32},     {34, 33, 32},
        {35, 34, 34}, {38, 34, 34}, {39, 35, 38}, {3600, 43, 2078}, {604800, 51, 524318},
    };
    (void)state;
    for (size_t index = 0; index < sizeof rows / sizeof rows[0]; index++) {
        struct timeline timeline = {0};
        (void)see(&timeline, AT(0));
        struct timeline_step step = see(&timeline, AT(rows[index].seconds));
        assert_int_equal(step.note, REASON_NONE);
        assert_int_equal(step.now_ns, AT(rows[index].seconds));
        assert_int_equal(step.mark_count, rows[index].marks);
        for (uint32_t mark = 0; mark < step.mark_count && mark < 32; mark++) {
            assert_int_equal(step.marks[mark], START_S + mark + 1);
        }
        assert_int_equal(step.marks[step.mark_count - 1], START_S + rows[index].seconds);
        if (step.mark_count > 1) {
            assert_int_equal(step.marks[step.mark_count - 2], START_S + rows[index].last_but_one);
        }
    }
}

static void a_step_back_is_clamped_and_counted(void **state)
{
    (void)state;
    struct timeline timeline = {0};
    (void)see(&timeline, AT(10));
    struct timeline_step step = see(&timeline, AT(7));
    assert_int_equal(step.note, REASON_TIME_BACKWARDS);
    assert_int_equal(step.now_ns, AT(10));
    assert_int_equal(step.mark_count, 0);
    step = see(&timeline, AT(8)); /* on again, though still behind */
    assert_int_equal(step.note, REASON_NONE);
    assert_int_equal(step.now_ns, AT(10));
    assert_int_equal(see(&timeline, AT(8)).note, REASON_NONE);
    step = see(&timeline, AT(11));
    assert_int_equal(step.now_ns, AT(11));
    assert_int_equal(step.mark_count, 1);
    assert_int_equal(see(&timeline, 0).note, REASON_TIME_BACKWARDS);
}

static void seven_days_are_silence_and_more_is_suspect(void **state)
{
    (void)state;
    struct timeline timeline = {0};
    (void)see(&timeline, AT(0));
    struct timeline_step step = see(&timeline, AT(0) + TIMELINE_SILENCE_NS + 1);
    assert_int_equal(step.note, REASON_TIME_SUSPECT);
    assert_int_equal(step.now_ns, AT(0));
    assert_int_equal(step.mark_count, 0);
    /* the sane frame behind one forged stamp is no step back */
    step = see(&timeline, AT(1));
    assert_int_equal(step.note, REASON_NONE);
    assert_int_equal(step.now_ns, AT(1));
    step = see(&timeline, AT(1) + TIMELINE_SILENCE_NS);
    assert_int_equal(step.note, REASON_NONE);
    assert_int_equal(step.now_ns, AT(1) + TIMELINE_SILENCE_NS);
}

/* A file of another month is no clock that jumps, and costs no more marks than any stamp may. */
static void another_file_is_believed(void **state)
{
    static const uint64_t gaps_ns[] = {TIMELINE_SILENCE_NS + 1, 400 * NS_PER_DAY, TIMELINE_GAP_NS};
    struct timeline_step step;
    (void)state;
    for (size_t i = 0; i < sizeof gaps_ns / sizeof gaps_ns[0]; i++) {
        struct timeline timeline = {0};
        (void)see(&timeline, AT(0));
        timeline_see(&timeline, AT(0) + gaps_ns[i], true, &step);
        assert_int_equal(step.note, REASON_NONE);
        assert_int_equal(step.shift_ns, 0);
        assert_int_equal(step.now_ns, AT(0) + gaps_ns[i]);
        assert_int_equal(step.marks[0], START_S + 1);
        assert_int_equal(step.marks[step.mark_count - 1], START_S + gaps_ns[i] / NS_PER_S);
    }
    assert_int_equal(step.mark_count, 62);
    struct timeline timeline = {0};
    (void)see(&timeline, AT(0));
    timeline_see(&timeline, AT(0) + TIMELINE_GAP_NS + 1, true, &step);
    assert_int_equal(step.note, REASON_TIME_SUSPECT);
}

static void eight_in_a_row_are_believed(void **state)
{
    (void)state;
    const uint64_t far_ns = AT(0) + 400 * NS_PER_DAY;
    struct timeline timeline = {0};
    (void)see(&timeline, AT(0));
    for (uint64_t count = 1; count < TIMELINE_CONFIRM; count++) {
        /* not in order, but within a minute of each other */
        struct timeline_step step = see(&timeline, far_ns + (count % 2) * 60 * NS_PER_S);
        assert_int_equal(step.note, REASON_TIME_SUSPECT);
        assert_int_equal(step.now_ns, AT(0));
        assert_int_equal(step.mark_count, 0);
    }
    struct timeline_step step = see(&timeline, far_ns);
    assert_int_equal(step.note, REASON_TIME_JUMP);
    assert_int_equal(step.now_ns, far_ns + 60 * NS_PER_S); /* the highest of the eight */
    assert_int_equal(step.mark_count, 1);
    assert_int_equal(step.marks[0], time_second(step.now_ns));
    /* what was remembered at AT(0) has now aged by one minute */
    assert_int_equal(step.now_ns - (AT(0) + step.shift_ns), TIMELINE_CONFIRM_NS);
    step = see(&timeline, far_ns + 61 * NS_PER_S);
    assert_int_equal(step.note, REASON_NONE);
    assert_int_equal(step.mark_count, 1);
    assert_int_equal(step.shift_ns, 0);
}

static void a_row_that_is_broken_begins_again(void **state)
{
    (void)state;
    const uint64_t far_ns = AT(0) + 400 * NS_PER_DAY;
    struct timeline timeline = {0};
    (void)see(&timeline, AT(0));
    for (uint32_t turn = 0; turn < 40; turn++) { /* a sane frame in between */
        for (uint32_t count = 1; count < TIMELINE_CONFIRM; count++) {
            assert_int_equal(see(&timeline, far_ns).note, REASON_TIME_SUSPECT);
        }
        assert_int_equal(see(&timeline, AT(turn)).note, REASON_NONE);
    }
    for (uint32_t turn = 0; turn < 40; turn++) { /* drifting: never eight within a minute */
        assert_int_equal(see(&timeline, far_ns + turn * 9 * NS_PER_S).note, REASON_TIME_SUSPECT);
    }
    assert_int_equal(see(&timeline, AT(41)).now_ns, AT(41));
    for (uint32_t turn = 0; turn < 40; turn++) { /* far from each other */
        assert_int_equal(see(&timeline, far_ns + (turn % 2) * NS_PER_DAY).note,
                         REASON_TIME_SUSPECT);
    }
}

static void a_capture_without_time_works(void **state)
{
    (void)state;
    struct timeline timeline = {0};
    assert_int_equal(see(&timeline, 0).mark_count, 0);
    assert_int_equal(see(&timeline, 0).note, REASON_NONE);
    assert_int_equal(see(&timeline, AT(0)).now_ns, AT(0));
}

static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* A hostile clock: mostly near the last stamp, sometimes anything. */
static uint64_t hostile_stamp(uint64_t *seed, uint64_t before_ns)
{
    static const uint64_t steps[] = {1,          NS_PER_MS,     NS_PER_S, NS_PER_MINUTE,
                                     NS_PER_DAY, 8 * NS_PER_DAY};
    uint64_t step = next_random(seed) % (2 * steps[next_random(seed) % 6]);
    switch (next_random(seed) % 16) {
    case 0:
        return next_random(seed);
    case 1:
        return next_random(seed) % 3 == 0 ? UINT64_MAX : 0;
    case 2:
        return before_ns > step ? before_ns - step : 0;
    default:
        return before_ns + step; /* may wrap: a stamp like any other */
    }
}

static void any_stamps_keep_the_promise(void **state)
{
    (void)state;
    uint64_t seed = 99;
    for (uint32_t run = 0; run < 200; run++) {
        struct timeline timeline = {0};
        uint64_t stamp_ns = AT(0);
        struct timeline_step step = see(&timeline, stamp_ns);
        uint64_t now_ns = step.now_ns;
        uint64_t mark_s = time_second(now_ns);
        for (uint32_t frame = 0; frame < 500; frame++) {
            stamp_ns = hostile_stamp(&seed, stamp_ns);
            uint32_t again = next_random(&seed) % 20 == 0 ? 9 : 1; /* rows that get believed */
            for (uint32_t count = 0; count < again; count++) {
                step = see(&timeline, stamp_ns);
                assert_true(step.now_ns >= now_ns);
                assert_true(step.mark_count <= TIMELINE_MARKS_MAX);
                for (uint32_t mark = 0; mark < step.mark_count; mark++) {
                    assert_true(step.marks[mark] > mark_s);
                    mark_s = step.marks[mark];
                }
                assert_int_equal(mark_s, time_second(step.now_ns));
                bool jump = step.note == REASON_TIME_JUMP;
                assert_true(jump || step.now_ns - now_ns <= TIMELINE_SILENCE_NS);
                assert_true(jump || step.shift_ns == 0);
                if (jump) {
                    assert_int_equal(step.now_ns - now_ns - step.shift_ns, TIMELINE_CONFIRM_NS);
                }
                if (step.note == REASON_NONE) {
                    assert_true(step.now_ns >= stamp_ns);
                }
                now_ns = step.now_ns;
            }
        }
    }
}

/* Two timelines see the same stamps: one is asked in short first. */
static uint32_t short_ways_of_a_run(uint64_t *seed)
{
    struct timeline with = {0};
    struct timeline without = {0};
    uint64_t stamp_ns = AT(0);
    uint32_t plain = 0;
    for (uint32_t frame = 0; frame < 200; frame++) {
        struct timeline_step step = see(&without, stamp_ns);
        struct captured captured = {.time_ns = stamp_ns};
        if (timeline_see_run(&with, &captured, 1) == 1) {
            plain++;
            assert_int_equal(step.mark_count, 0);
            assert_int_equal(step.shift_ns, 0);
            assert_int_equal(step.note, REASON_NONE);
            assert_int_equal(step.now_ns, stamp_ns);
        } else {
            (void)see(&with, stamp_ns);
        }
        assert_memory_equal(&with, &without, offsetof(struct timeline, suspect_ns));
        assert_int_equal(with.suspects, without.suspects);
        bool is_calm = next_random(seed) % 8 != 0;
        stamp_ns =
            is_calm ? stamp_ns + next_random(seed) % (NS_PER_S / 3) : hostile_stamp(seed, stamp_ns);
    }
    return plain;
}

static void the_short_way_agrees(void **state)
{
    (void)state;
    uint64_t seed = 7;
    uint32_t plain = 0;
    for (uint32_t run = 0; run < 200; run++) {
        plain += short_ways_of_a_run(&seed);
    }
    assert_true(plain > 1000); /* else nothing was compared */
}

static void time_goes_on_in_silence(void **state)
{
    (void)state;
    struct timeline timeline = {0};
    struct timeline_step step = {0};
    timeline_tick(&timeline, 100 * NS_PER_S, &step);
    assert_int_equal(step.mark_count, 0); /* the first second is no mark, as with a first frame */
    timeline_tick(&timeline, 100 * NS_PER_S + NS_PER_S / 2, &step);
    assert_int_equal(step.mark_count, 0);
    timeline_tick(&timeline, 102 * NS_PER_S, &step);
    assert_int_equal(step.mark_count, 2);
    assert_int_equal(step.marks[1], 102);
    timeline_tick(&timeline, 101 * NS_PER_S, &step); /* a clock that was set back */
    assert_int_equal(step.mark_count, 0);
    assert_int_equal(step.now_ns, 102 * NS_PER_S);
    /* A frame from before the tick is late, but no step back of the frames' clock. */
    timeline_see(&timeline, 101 * NS_PER_S, false, &step);
    assert_int_equal(step.note, REASON_NONE);
    assert_int_equal(step.now_ns, 102 * NS_PER_S);
}

static void a_tick_confirms_no_jump(void **state)
{
    (void)state;
    struct timeline timeline = {0};
    struct timeline_step step = {0};
    timeline_see(&timeline, 100 * NS_PER_S, false, &step);
    for (unsigned i = 0; i < 2 * TIMELINE_CONFIRM; i++) {
        timeline_tick(&timeline, 200 * NS_PER_S + TIMELINE_SILENCE_NS + i, &step);
        assert_int_equal(step.mark_count, 0);
        assert_int_equal(step.now_ns, 100 * NS_PER_S);
    }
}

static void a_run_ends_where_something_is_to_be_told(void **state)
{
    (void)state;
    static const uint64_t stamps[] = {AT(0) + 1, AT(0) + 1, AT(0) + 5, AT(1), AT(1) + 9, AT(1) + 8};
    enum { STAMPS = sizeof stamps / sizeof stamps[0] };
    struct captured frames[STAMPS] = {{0}};
    for (uint32_t frame = 0; frame < STAMPS; frame++) {
        frames[frame].time_ns = stamps[frame];
    }
    struct timeline timeline = {0};
    assert_int_equal(timeline_see_run(&timeline, frames, STAMPS), 0); /* time has not begun */
    (void)see(&timeline, AT(0));
    assert_int_equal(timeline_see_run(&timeline, frames, 2), 2);
    assert_int_equal(timeline_see_run(&timeline, frames + 2, STAMPS - 2), 1); /* then a mark */
    assert_int_equal(timeline.now_ns, AT(0) + 5);
    assert_int_equal(see(&timeline, AT(1)).mark_count, 1);
    assert_int_equal(timeline_see_run(&timeline, frames + 4, STAMPS - 4), 1); /* then a step back */
    assert_int_equal(timeline_see_run(&timeline, frames + 5, STAMPS - 5), 0);
    assert_int_equal(see(&timeline, AT(1) + 8).note, REASON_TIME_BACKWARDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_frame_sets_time_and_marks_nothing),
        cmocka_unit_test(a_second_is_marked_once),
        cmocka_unit_test(silence_marks_single_seconds_then_doubling_ones),
        cmocka_unit_test(a_step_back_is_clamped_and_counted),
        cmocka_unit_test(seven_days_are_silence_and_more_is_suspect),
        cmocka_unit_test(another_file_is_believed),
        cmocka_unit_test(eight_in_a_row_are_believed),
        cmocka_unit_test(a_row_that_is_broken_begins_again),
        cmocka_unit_test(a_capture_without_time_works),
        cmocka_unit_test(any_stamps_keep_the_promise),
        cmocka_unit_test(the_short_way_agrees),
        cmocka_unit_test(time_goes_on_in_silence),
        cmocka_unit_test(a_tick_confirms_no_jump),
        cmocka_unit_test(a_run_ends_where_something_is_to_be_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
