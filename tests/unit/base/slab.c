#include "tests/unit/base/unit.h"

#include "base/slab.h"

static void cells_run_out_and_come_back(void **state)
{
    struct slab slab;
    struct error error;

    (void)state;
    assert_int_equal(slab_open(&slab, 3, 20, &error), STATUS_OK);
    assert_int_equal(slab.cell_bytes, 24); /* aligned for 64-bit members */
    assert_int_equal(slab_take(&slab), 0);
    assert_int_equal(slab_take(&slab), 1);
    assert_int_equal(slab_take(&slab), 2);
    assert_int_equal(slab_take(&slab), SLAB_NONE);
    assert_int_equal(slab.cells_out, 3);
    slab_give(&slab, 1);
    assert_int_equal(slab.cells_out, 2);
    assert_int_equal(slab_take(&slab), 1);
    assert_int_equal(slab_take(&slab), SLAB_NONE);
    slab_close(&slab);
}

static void cells_are_zeroed_each_time(void **state)
{
    struct slab slab;
    struct error error;
    static const uint8_t zero[40];

    (void)state;
    assert_int_equal(slab_open(&slab, 2, sizeof zero, &error), STATUS_OK);
    for (unsigned round = 0; round < 3; round++) {
        uint32_t cell = slab_take(&slab);
        assert_memory_equal(slab_at(&slab, cell), zero, sizeof zero);
        memset(slab_at(&slab, cell), 0xee, sizeof zero);
        slab_give(&slab, cell);
    }
    slab_close(&slab);
}

static void handles_notice_reuse(void **state)
{
    struct slab slab;
    struct error error;

    (void)state;
    assert_int_equal(slab_open(&slab, 4, 8, &error), STATUS_OK);
    uint32_t cell = slab_take(&slab);
    slab_handle handle = slab_handle_of(&slab, cell);
    assert_true(handle != 0);
    assert_int_equal(slab_resolve(&slab, handle), cell);
    assert_int_equal(slab_resolve(&slab, 0), SLAB_NONE);
    assert_int_equal(slab_resolve(&slab, handle + 1), SLAB_NONE); /* a cell never taken */
    slab_give(&slab, cell);
    assert_int_equal(slab_resolve(&slab, handle), SLAB_NONE);
    assert_int_equal(slab_take(&slab), cell);
    assert_int_equal(slab_resolve(&slab, handle), SLAB_NONE);
    assert_true(slab_handle_of(&slab, cell) != handle);
    slab_close(&slab);
}

/* Many takes and gives against a plain array of what is out, with handles of the dead. */
static void random_use_keeps_the_books(void **state)
{
    enum { CELLS = 17, STEPS = 20000 };
    struct slab slab;
    struct error error;
    slab_handle out[CELLS] = {0};
    slab_handle dead[CELLS] = {0};
    uint32_t count = 0;
    uint64_t seed = 1;

    (void)state;
    assert_int_equal(slab_open(&slab, CELLS, 8, &error), STATUS_OK);
    for (unsigned step = 0; step < STEPS; step++) {
        uint32_t cell = random_below(&seed, CELLS);
        if (random_below(&seed, 2) == 0) {
            cell = slab_take(&slab);
            assert_int_equal(cell == SLAB_NONE, count == CELLS);
            if (cell != SLAB_NONE) {
                assert_true(cell < CELLS && out[cell] == 0);
                out[cell] = slab_handle_of(&slab, cell);
                count++;
            }
        } else if (out[cell] != 0) {
            slab_give(&slab, cell);
            dead[cell] = out[cell];
            out[cell] = 0;
            count--;
        }
        assert_int_equal(slab.cells_out, count);
        for (uint32_t i = 0; i < CELLS; i++) {
            assert_int_equal(slab_resolve(&slab, dead[i]), SLAB_NONE);
            assert_int_equal(slab_resolve(&slab, out[i]), out[i] == 0 ? SLAB_NONE : i);
        }
    }
    slab_close(&slab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cells_run_out_and_come_back),
        cmocka_unit_test(cells_are_zeroed_each_time),
        cmocka_unit_test(handles_notice_reuse),
        cmocka_unit_test(random_use_keeps_the_books),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
