#include "tests/unit/base/unit.h"

#include "base/counter.h"

static void only_growth_is_told(void **state)
{
    const uint64_t now[5] = {0, 7, 3, 0, UINT64_MAX};
    uint64_t told[5] = {0, 2, 3, 0, 0};
    struct counter_delta out[5];

    (void)state;
    assert_int_equal(counter_deltas(now, told, 5, out, 5), 2);
    assert_int_equal(out[0].id, 1);
    assert_int_equal(out[0].amount, 5);
    assert_int_equal(out[1].id, 4);
    assert_true(out[1].amount == UINT64_MAX);
    assert_memory_equal(told, now, sizeof now);
    assert_int_equal(counter_deltas(now, told, 5, out, 5), 0);
    assert_int_equal(counter_deltas(now, told, 0, out, 5), 0);
}

static void little_room_takes_several_calls(void **state)
{
    uint64_t now[7];
    uint64_t told[7] = {0};
    struct counter_delta out[3];
    uint64_t sum[7] = {0};
    size_t calls = 0;
    size_t count;

    (void)state;
    for (size_t i = 0; i < 7; i++) {
        now[i] = i + 1;
    }
    do {
        count = counter_deltas(now, told, 7, out, 3);
        for (size_t i = 0; i < count; i++) {
            sum[out[i].id] += out[i].amount;
        }
        calls++;
    } while (count == 3);
    assert_int_equal(calls, 3);
    assert_memory_equal(sum, now, sizeof now);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_growth_is_told),
        cmocka_unit_test(little_room_takes_several_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
