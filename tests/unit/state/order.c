/* What is open at the end, by first packet: whatever the order in which it is found. */
#include "sensor/state/order.h"

/* cmocka wants these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { ENTRIES = 1000 };

static void fill(struct order *order, uint32_t step)
{
    struct error error;

    assert_int_equal(order_open(ENTRIES, order, &error), STATUS_OK);
    assert_true(order_bytes_max(ENTRIES) >= ENTRIES * sizeof(uint64_t));
    for (uint32_t i = 0; i < ENTRIES; i++) {
        uint32_t place = i * step % ENTRIES; /* each once, as step and ENTRIES share no factor */
        order_put(order, 10 + place / 2, place);
    }
}

/* Two of each number: the lower cell first. */
static void by_number_then_cell(void **state)
{
    static const uint32_t steps[] = {1, 7, 333, ENTRIES - 1};

    (void)state;
    for (size_t row = 0; row < sizeof steps / sizeof steps[0]; row++) {
        struct order order;
        fill(&order, steps[row]);
        const struct order_entry *all = order_sort(&order);
        assert_int_equal(order.count, ENTRIES);
        for (uint32_t i = 0; i < ENTRIES; i++) {
            assert_int_equal(all[i].number, 10 + i / 2);
            assert_int_equal(all[i].cell, i);
        }
        order_close(&order);
        order_close(&order);
    }
}

static void few(void **state)
{
    struct order order;
    struct error error;

    (void)state;
    assert_int_equal(order_open(2, &order, &error), STATUS_OK);
    (void)order_sort(&order);
    assert_int_equal(order.count, 0);
    order_put(&order, 5, 1);
    order_put(&order, 4, 2);
    const struct order_entry *all = order_sort(&order);
    assert_int_equal(all[0].cell, 2);
    assert_int_equal(all[1].cell, 1);
    order_close(&order);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_number_then_cell),
        cmocka_unit_test(few),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
