/* order: live numbers ascend, marks stand below their second on every ring. */
#include "tests/unit/base/unit.h"

#include "sensor/run/order.h"

enum { START_S = 1000 };
#define START_NS (START_S * NS_PER_S)

static void a_mark_stands_before_all_frames_of_its_second(void **state)
{
    (void)state;
    for (uint32_t ring = 0; ring < ORDER_STEP; ring++) {
        struct order order = {.origin_s = START_S, .ring = ring};
        uint64_t before = order_next(&order, START_NS + NS_PER_S - 1);
        uint64_t after = order_next(&order, START_NS + NS_PER_S);
        uint64_t mark = order_mark(&order, START_S + 1);
        assert_true(before < mark && mark <= after);
        assert_int_equal(order_second(&order, before), START_S);
        assert_int_equal(order_second(&order, after), START_S + 1);
    }
}

static void rings_never_share_a_number(void **state)
{
    (void)state;
    struct order one = {.origin_s = START_S, .ring = 3};
    struct order other = {.origin_s = START_S, .ring = 4};
    for (uint32_t i = 0; i < 1000; i++) {
        assert_true(order_next(&one, START_NS + 5) != order_next(&other, START_NS + 5));
    }
}

static void numbers_ascend_whatever_the_clock_does(void **state)
{
    (void)state;
    struct order order = {.origin_s = START_S, .ring = 15};
    uint64_t last = 0;
    for (uint64_t i = 0; i < 100000; i++) {
        uint64_t time_ns =
            START_NS - 50000 + i * 7919 % 100000; /* steps back, and before the start */
        uint64_t number = order_next(&order, time_ns);
        assert_true(number > last);
        assert_int_equal(number % ORDER_STEP, 15);
        last = number;
    }
}

static void a_position_holds_for_what_comes(void **state)
{
    (void)state;
    struct order order = {.origin_s = START_S, .ring = 0};
    uint64_t told = order_at(&order, START_NS + 12345);
    assert_true(order_next(&order, START_NS + 12345) >= told);
}

static void the_end_lies_beyond_everything_and_is_one(void **state)
{
    (void)state;
    struct order one = {.origin_s = START_S, .ring = 1, .end_s = START_S + 10};
    struct order other = {.origin_s = START_S, .ring = 2, .end_s = START_S + 10};
    order_next(&one, START_NS + 9 * NS_PER_S);
    assert_int_equal(order_end(&one), order_end(&other));
    order_next(&one, START_NS + 11 * NS_PER_S); /* a clock that ran ahead */
    assert_true(order_end(&one) > one.last);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mark_stands_before_all_frames_of_its_second),
        cmocka_unit_test(rings_never_share_a_number),
        cmocka_unit_test(numbers_ascend_whatever_the_clock_does),
        cmocka_unit_test(a_position_holds_for_what_comes),
        cmocka_unit_test(the_end_lies_beyond_everything_and_is_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
