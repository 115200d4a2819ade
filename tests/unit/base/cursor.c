#include "tests/unit/base/unit.h"

#include "base/cursor.h"

static const uint8_t bytes[] = {0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x88};

static void numbers_of_both_orders(void **state)
{
    struct cursor cursor = cursor_over(bytes, sizeof bytes);

    (void)state;
    assert_int_equal(cursor_be64(&cursor), 0x0102030405060788);
    cursor = cursor_over(bytes, sizeof bytes);
    assert_true(cursor_le64(&cursor) == UINT64_C(0x8807060504030201));
    cursor = cursor_over(bytes, sizeof bytes);
    assert_int_equal(cursor_u8(&cursor), 0x01);
    assert_int_equal(cursor_be16(&cursor), 0x0203);
    assert_int_equal(cursor_be24(&cursor), 0x040506);
    assert_int_equal(cursor_le16(&cursor), 0x8807);
    assert_true(cursor_ok(&cursor));
    assert_int_equal(cursor_left(&cursor), 0);
    cursor = cursor_over(bytes + 4, 4);
    assert_int_equal(cursor_be32(&cursor), 0x05060788);
    cursor = cursor_over(bytes + 4, 4);
    assert_true(cursor_le32(&cursor) == 0x88070605);
}

static void a_failure_sticks(void **state)
{
    struct cursor cursor = cursor_over(bytes, 3);

    (void)state;
    assert_int_equal(cursor_be32(&cursor), 0);
    assert_false(cursor_ok(&cursor));
    assert_int_equal(cursor_u8(&cursor), 0); /* three bytes are there, but the header is broken */
    assert_int_equal(cursor_left(&cursor), 0);
}

static void every_length_from_none_to_enough(void **state)
{
    (void)state;
    for (size_t length = 0; length <= sizeof bytes; length++) {
        struct cursor cursor = cursor_over(length == 0 ? NULL : bytes, length);
        assert_int_equal(cursor_left(&cursor), length);
        cursor_skip(&cursor, 4);
        assert_int_equal(cursor_ok(&cursor), length >= 4);
        cursor = cursor_over(length == 0 ? NULL : bytes, length);
        (void)cursor_le64(&cursor);
        assert_int_equal(cursor_ok(&cursor), length >= 8);
        cursor = cursor_over(length == 0 ? NULL : bytes, length);
        (void)cursor_be24(&cursor);
        assert_int_equal(cursor_ok(&cursor), length >= 3);
        cursor = cursor_over(length == 0 ? NULL : bytes, length);
        (void)cursor_peek(&cursor, 5);
        assert_int_equal(cursor_ok(&cursor), length >= 6);
    }
}

static void a_peek_does_not_move(void **state)
{
    struct cursor cursor = cursor_over(bytes, sizeof bytes);

    (void)state;
    assert_int_equal(cursor_peek(&cursor, 7), 0x88);
    assert_int_equal(cursor_left(&cursor), 8);
    assert_int_equal(cursor_u8(&cursor), 0x01);
    assert_int_equal(cursor_peek(&cursor, 7), 0);
    assert_false(cursor_ok(&cursor));
}

static void a_limit_only_cuts(void **state)
{
    struct cursor cursor = cursor_over(bytes, sizeof bytes);

    (void)state;
    cursor_limit(&cursor, 100);
    assert_int_equal(cursor_left(&cursor), 8);
    cursor_skip(&cursor, 2);
    cursor_limit(&cursor, 3);
    assert_int_equal(cursor_left(&cursor), 3);
    assert_int_equal(cursor_be24(&cursor), 0x030405);
    assert_true(cursor_ok(&cursor));
    cursor_skip(&cursor, 1);
    assert_false(cursor_ok(&cursor));
    cursor_limit(&cursor, 0);
    assert_false(cursor_ok(&cursor));
}

static void huge_lengths_do_not_wrap(void **state)
{
    struct cursor cursor = cursor_over(bytes, sizeof bytes);

    (void)state;
    assert_null(cursor_take(&cursor, SIZE_MAX));
    assert_false(cursor_ok(&cursor));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_of_both_orders),
        cmocka_unit_test(a_failure_sticks),
        cmocka_unit_test(every_length_from_none_to_enough),
        cmocka_unit_test(a_peek_does_not_move),
        cmocka_unit_test(a_limit_only_cuts),
        cmocka_unit_test(huge_lengths_do_not_wrap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
