#include "tests/unit/base/unit.h"

#include "base/region.h"

#include <unistd.h>

static void memory_is_zeroed_aligned_and_whole_pages(void **state)
{
    struct region region;
    struct error error;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    (void)state;
    for (size_t bytes = page - 1; bytes <= page + 1; bytes++) {
        assert_int_equal(region_open(bytes, &region, &error), STATUS_OK);
        assert_int_equal((uintptr_t)region.at % page, 0);
        assert_int_equal(region.bytes, bytes <= page ? page : 2 * page);
        const uint8_t *at = region.at;
        for (size_t i = 0; i < region.bytes; i++) {
            assert_int_equal(at[i], 0);
        }
        memset(region.at, 0xff, region.bytes);
        region_close(&region);
        assert_null(region.at);
        region_close(&region); /* a second time is nothing */
    }
}

static void a_ceiling_costs_nothing_until_used(void **state)
{
    struct region region;
    struct error error;

    (void)state;
    assert_int_equal(region_open((size_t)64 << 30, &region, &error), STATUS_OK);
    ((uint8_t *)region.at)[region.bytes - 1] = 1;
    region_close(&region);
}

static void what_cannot_be_is_an_error(void **state)
{
    struct region region = {.at = NULL};
    struct error error;

    (void)state;
    assert_int_equal(region_open(SIZE_MAX, &region, &error), STATUS_FAILED);
    assert_int_equal(region_open(SIZE_MAX / 4, &region, &error), STATUS_FAILED);
    assert_int_not_equal(error.sys_errno, 0);
    assert_int_equal(region_open_twice(SIZE_MAX, &region, &error), STATUS_FAILED);
    assert_null(region.at);
}

static void twice_is_the_same_memory_in_a_row(void **state)
{
    struct region region;
    struct error error;

    (void)state;
    assert_int_equal(region_open_twice(5000, &region, &error), STATUS_OK);
    size_t half = region.bytes / 2;
    assert_int_equal(half & (half - 1), 0);
    assert_true(half >= 5000);
    uint8_t *at = region.at;
    memcpy(at + half - 3, "across", 6);
    assert_memory_equal(at, "oss", 3);
    assert_memory_equal(at + 2 * half - 3, "acr", 3);
    at[1] = 'X';
    assert_int_equal(at[half + 1], 'X');
    region_close(&region);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_zeroed_aligned_and_whole_pages),
        cmocka_unit_test(a_ceiling_costs_nothing_until_used),
        cmocka_unit_test(what_cannot_be_is_an_error),
        cmocka_unit_test(twice_is_the_same_memory_in_a_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
