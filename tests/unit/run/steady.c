/* steady: a wall clock that is set back does not stop packet time. */
#include "tests/unit/base/unit.h"

#include "sensor/run/steady.h"

#define WALL_NS (1000000 * NS_PER_S)
#define BOOT_NS (500 * NS_PER_S)

static void slewing_is_the_clock_itself(void **state)
{
    (void)state;
    struct steady steady = {.begun = false};
    uint64_t stepped = 0;
    for (uint64_t i = 0; i < 1000; i++) { /* half a second lost in 100, as no step */
        uint64_t wall_ns = WALL_NS + i * NS_PER_S / 10 - i * NS_PER_MS / 2;
        assert_int_equal(steady_see(&steady, wall_ns, BOOT_NS + i * NS_PER_S / 10, &stepped),
                         wall_ns);
        assert_int_equal(stepped, 0);
    }
}

static void a_step_back_is_added(void **state)
{
    (void)state;
    struct steady steady = {.begun = false};
    uint64_t stepped = 0;
    steady_see(&steady, WALL_NS, BOOT_NS, &stepped);
    uint64_t now_ns =
        steady_see(&steady, WALL_NS + NS_PER_S - NS_PER_HOUR, BOOT_NS + NS_PER_S, &stepped);
    assert_int_equal(stepped, NS_PER_HOUR);
    assert_int_equal(now_ns, WALL_NS + NS_PER_S);
    /* stamped after the step, and before it */
    assert_int_equal(steady_stamp(&steady, WALL_NS + NS_PER_S - NS_PER_HOUR, now_ns), now_ns);
    assert_int_equal(steady_stamp(&steady, WALL_NS + NS_PER_S - NS_PER_MS, now_ns),
                     WALL_NS + NS_PER_S - NS_PER_MS);
    now_ns =
        steady_see(&steady, WALL_NS + 2 * NS_PER_S - NS_PER_HOUR, BOOT_NS + 2 * NS_PER_S, &stepped);
    assert_int_equal(stepped, 0);
    assert_int_equal(steady.steps, 1);
    assert_int_equal(now_ns, WALL_NS + 2 * NS_PER_S);
}

static void a_step_forward_takes_it_away(void **state)
{
    (void)state;
    struct steady steady = {.begun = false};
    uint64_t stepped = 0;
    steady_see(&steady, WALL_NS, BOOT_NS, &stepped);
    steady_see(&steady, WALL_NS - NS_PER_HOUR, BOOT_NS, &stepped);
    assert_int_equal(steady_see(&steady, WALL_NS, BOOT_NS, &stepped), WALL_NS);
    assert_int_equal(steady.ahead_ns, 0);
    /* further forward is silence, as with any capture */
    assert_int_equal(steady_see(&steady, WALL_NS + NS_PER_HOUR, BOOT_NS, &stepped),
                     WALL_NS + NS_PER_HOUR);
    assert_int_equal(steady.steps, 3);
    steady_see(&steady, WALL_NS + NS_PER_HOUR + NS_PER_S, BOOT_NS, &stepped); /* slewed */
    assert_int_equal(steady.steps, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slewing_is_the_clock_itself),
        cmocka_unit_test(a_step_back_is_added),
        cmocka_unit_test(a_step_forward_takes_it_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
