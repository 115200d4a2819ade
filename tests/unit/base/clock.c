#include "tests/unit/base/unit.h"

#include "base/clock.h"

static void spans_do_not_go_below_zero(void **state)
{
    (void)state;
    assert_int_equal(time_since(5, 3), 2);
    assert_int_equal(time_since(3, 3), 0);
    assert_int_equal(time_since(3, 5), 0);
    assert_true(time_since(UINT64_MAX, 0) == UINT64_MAX);
}

static void sums_saturate(void **state)
{
    (void)state;
    assert_int_equal(time_add(2, 3), 5);
    assert_true(time_add(UINT64_MAX - 1, 1) == UINT64_MAX);
    assert_true(time_add(UINT64_MAX - 1, 2) == UINT64_MAX);
    assert_true(time_add(TIME_END, NS_PER_DAY) == TIME_END);
}

static void differences_are_signed(void **state)
{
    (void)state;
    assert_int_equal(time_difference(5, 3), 2);
    assert_int_equal(time_difference(3, 5), -2);
    assert_int_equal(time_difference(3, 3), 0);
    assert_true(time_difference((uint64_t)INT64_MAX, 0) == INT64_MAX);
    assert_true(time_difference((uint64_t)INT64_MAX + 1, 0) == INT64_MAX);
    assert_true(time_difference(0, (uint64_t)INT64_MAX) == -INT64_MAX);
    assert_true(time_difference(0, (uint64_t)INT64_MAX + 1) == INT64_MIN);
    assert_true(time_difference(0, UINT64_MAX) == INT64_MIN);
}

static void units_are_what_they_say(void **state)
{
    (void)state;
    assert_true(NS_PER_DAY == UINT64_C(86400000000000));
    assert_int_equal(time_second(NS_PER_S - 1), 0);
    assert_int_equal(time_second(NS_PER_S), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spans_do_not_go_below_zero),
        cmocka_unit_test(sums_saturate),
        cmocka_unit_test(differences_are_signed),
        cmocka_unit_test(units_are_what_they_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
