/* Figures of the last ten seconds out of counters that only grow, and interfaces that fall silent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sensor/run/hearing.h"

enum { START_S = 1700000003 };

static const char *const names[] = {"tap0", "tap1"};

struct stage {
    struct hearing hearing;
    uint64_t counts[COUNT_TOTAL];
    uint64_t second;
    struct fact_second told;
};

static void stage_open(struct stage *stage)
{
    *stage = (struct stage){.second = START_S};
}

/* A second in which the interfaces bring so many frames. */
static void pass(struct stage *stage, uint64_t first, uint64_t other)
{
    stage->counts[COUNT_FRAMES] += first + other;
    stage->counts[COUNT_INTERFACE_FIRST] += first;
    stage->counts[COUNT_INTERFACE_FIRST + 1] += other;
    hearing_mark(&stage->hearing, ++stage->second, stage->counts, names, 2, &stage->told);
}

static void ten_seconds(void **state)
{
    static struct stage stage;
    (void)state;

    stage_open(&stage);
    stage.counts[COUNT_KERNEL_DROPPED] = 4;
    pass(&stage, 100, 0);
    assert_int_equal(stage.told.frames, 100);
    assert_int_equal(stage.told.dropped, 4);
    for (unsigned i = 0; i < 9; i++) {
        pass(&stage, 100, 0);
    }
    assert_int_equal(stage.told.frames, 1000);
    assert_int_equal(stage.told.dropped, 4);
    pass(&stage, 1, 0);
    assert_int_equal(stage.told.frames, 901);
    assert_int_equal(stage.told.dropped, 0);
    stage.counts[COUNT_INTERFACE_DROPPED] = 7;
    stage.counts[COUNT_REASON_FIRST + REASON_SNAP_CUT] = 5;
    stage.counts[COUNT_DUPLICATES] = 3;
    stage.counts[COUNT_CLOCK_STEPS] = 1;
    pass(&stage, 0, 0);
    assert_int_equal(stage.told.dropped, 7);
    assert_int_equal(stage.told.cut, 5);
    assert_int_equal(stage.told.copies, 3);
    assert_int_equal(stage.told.clock_steps, 1);
    for (unsigned i = 0; i < 10; i++) {
        pass(&stage, 0, 0);
    }
    assert_int_equal(stage.told.frames, 0);
    assert_int_equal(stage.told.dropped, 0);
}

/* Marks may be left out: what was counted since belongs to the time between. */
static void seconds_without_marks(void **state)
{
    static struct stage stage;
    (void)state;

    stage_open(&stage);
    pass(&stage, 100, 0);
    stage.second += 4;
    pass(&stage, 10, 0);
    assert_int_equal(stage.told.frames, 110);
    stage.second += 5;
    pass(&stage, 1, 0);
    assert_int_equal(stage.told.frames, 11);
    stage.second += 1000;
    pass(&stage, 2, 0);
    assert_int_equal(stage.told.frames, 2);
}

static void a_silent_interface(void **state)
{
    static struct stage stage;
    (void)state;

    stage_open(&stage);
    for (unsigned i = 0; i < 120; i++) {
        pass(&stage, 50, 11);
        assert_int_equal(stage.told.silent_s, 0);
    }
    pass(&stage, 50, 0);
    pass(&stage, 50, 0);
    assert_int_equal(stage.told.silent_s, 2);
    assert_false(stage.told.silent_capture);
    pass(&stage, 50, 0);
    assert_int_equal(stage.told.silent_s, 3);
    assert_true(stage.told.silent_capture);
    assert_memory_equal(stage.told.silent_interface.at, "tap1", 4);
    for (unsigned i = 0; i < 1000; i++) {
        pass(&stage, 50, 0);
    }
    assert_int_equal(stage.told.silent_s, 1003); /* it is not forgotten */
    pass(&stage, 50, 1);
    assert_int_equal(stage.told.silent_s, 0);
    assert_false(stage.told.silent_capture);
    for (unsigned i = 0; i < 100; i++) {
        pass(&stage, 50, 0);
    }
    assert_int_equal(stage.told.silent_s, 0); /* the long silence is part of what it brings */
}

static void an_interface_that_never_brought_much(void **state)
{
    static struct stage stage;
    (void)state;

    stage_open(&stage);
    for (unsigned i = 0; i < 300; i++) {
        pass(&stage, 9, i % 30 == 0 ? 100 : 0);
    }
    for (unsigned i = 0; i < 100; i++) {
        pass(&stage, 0, 0);
        assert_int_equal(stage.told.silent_s, 0);
    }
}

static void an_interface_that_never_brought_anything(void **state)
{
    static struct stage stage;
    (void)state;

    stage_open(&stage);
    for (unsigned i = 0; i < 400; i++) {
        pass(&stage, 50, 0);
        assert_int_equal(stage.told.mute_s, i);
    }
    assert_memory_equal(stage.told.mute_interface.at, "tap1", 4);
    pass(&stage, 0, 1);
    assert_int_equal(stage.told.mute_s, 0);
}

/* A box without a clock of its own learns the time: that is no silence of thirty days. */
static void a_clock_that_jumps(void **state)
{
    static struct stage stage;
    const uint64_t jump_s = 30 * UINT64_C(86400) + 3;
    (void)state;

    stage_open(&stage);
    stage.counts[COUNT_KERNEL_DROPPED] = 4;
    for (unsigned i = 0; i < 40; i++) {
        pass(&stage, 100, 0);
    }
    hearing_shift(&stage.hearing, jump_s * NS_PER_S);
    stage.second += jump_s;
    pass(&stage, 0, 0);
    assert_int_equal(stage.told.silent_s, 1);
    assert_int_equal(stage.told.mute_s, 40);
    assert_int_equal(stage.told.frames, 0); /* ten seconds begin anew */
    assert_int_equal(stage.told.dropped, 0);
    pass(&stage, 100, 0);
    assert_int_equal(stage.told.frames, 100);
}

static void without_interfaces_nothing_is_silent(void **state)
{
    static struct stage stage;
    (void)state;

    stage_open(&stage);
    for (unsigned i = 0; i < 100; i++) {
        stage.counts[COUNT_INTERFACE_FIRST] += i < 50 ? 100 : 0;
        hearing_mark(&stage.hearing, ++stage.second, stage.counts, NULL, 0, &stage.told);
        assert_int_equal(stage.told.silent_s, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_seconds),
        cmocka_unit_test(seconds_without_marks),
        cmocka_unit_test(a_silent_interface),
        cmocka_unit_test(an_interface_that_never_brought_much),
        cmocka_unit_test(an_interface_that_never_brought_anything),
        cmocka_unit_test(a_clock_that_jumps),
        cmocka_unit_test(without_interfaces_nothing_is_silent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
