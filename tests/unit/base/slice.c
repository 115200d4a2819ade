#include "tests/unit/base/unit.h"

static void parts_stay_inside(void **state)
{
    struct slice text = SLICE("abcdef");

    (void)state;
    assert_slice(slice_part(text, 2, 4), "cd");
    assert_slice(slice_part(text, 4, 2), "");
    assert_slice(slice_part(text, 0, 99), "abcdef");
    assert_slice(slice_part(text, 99, 100), "");
    assert_slice(slice_from(text, 5), "f");
    assert_slice(slice_from(text, 6), "");
    assert_null(slice_part(SLICE_NONE, 1, 2).at);
    assert_null(slice_of_string(NULL).at);
    assert_slice(slice_of_string("x"), "x");
}

static void letters_fold_in_ascii_only(void **state)
{
    (void)state;
    for (int byte = -128; byte < 128; byte++) {
        char wanted = byte >= 'A' && byte <= 'Z' ? (char)(byte + 32) : (char)byte;
        assert_int_equal(slice_lower((char)byte), wanted);
    }
    assert_true(slice_equal_nocase(SLICE("Via"), SLICE("vIA")));
    assert_false(slice_equal_nocase(SLICE("Via"), SLICE("Viaa")));
    assert_false(
        slice_equal_nocase(SLICE("@"), SLICE("`"))); /* differ by the same bit as letters */
    assert_false(slice_equal_nocase(SLICE("\xc4"), SLICE("\xe4")));
    assert_true(slice_equal_nocase(SLICE_NONE, SLICE("")));
}

static void beginnings_and_contents(void **state)
{
    (void)state;
    assert_true(slice_starts_with(SLICE("sip:x"), SLICE("sip:")));
    assert_false(slice_starts_with(SLICE("SIP:x"), SLICE("sip:")));
    assert_false(slice_starts_with(SLICE("sip"), SLICE("sip:")));
    assert_true(slice_starts_with(SLICE_NONE, SLICE("")));
    assert_true(slice_starts_with_nocase(SLICE("SIP:x"), SLICE("sip:")));
    assert_false(slice_starts_with_nocase(SLICE("SI"), SLICE("sip:")));
    assert_true(slice_contains_nocase(SLICE("friendly-Scanner"), SLICE("scanner")));
    assert_true(slice_contains_nocase(SLICE("scan"), SLICE("SCAN")));
    assert_false(slice_contains_nocase(SLICE("sca"), SLICE("scan")));
    assert_false(slice_contains_nocase(SLICE("scasca"), SLICE("scan")));
    assert_true(slice_contains_nocase(SLICE(""), SLICE("")));
    assert_true(slice_contains_nocase(SLICE_NONE, SLICE_NONE));
}

static void order_is_by_bytes_then_length(void **state)
{
    static const struct {
        struct slice one;
        struct slice other;
        int order;
    } rows[] = {
        {{"", 0}, {"", 0}, 0},          {{NULL, 0}, {"", 0}, 0},        {{"a", 1}, {"b", 1}, -1},
        {{"b", 1}, {"ab", 2}, 1},       {{"ab", 2}, {"abc", 3}, -1},    {{"abc", 3}, {"ab", 2}, 1},
        {{"\x01", 1}, {"\xff", 1}, -1}, {{"a\0b", 3}, {"a\0c", 3}, -1},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int order = slice_compare(rows[i].one, rows[i].other);
        assert_int_equal((order > 0) - (order < 0), rows[i].order);
    }
}

static void finding_and_splitting(void **state)
{
    struct slice rest = SLICE("a,,b");

    (void)state;
    assert_int_equal(slice_find(SLICE("abcb"), 'b'), 1);
    assert_int_equal(slice_find(SLICE("abcb"), 'x'), 4);
    assert_int_equal(slice_find(SLICE_NONE, 'x'), 0);
    assert_int_equal(slice_find_last(SLICE("abcb"), 'b'), 3);
    assert_int_equal(slice_find_last(SLICE("abcb"), 'x'), 4);
    assert_int_equal(slice_find_last(SLICE_NONE, 'x'), 0);
    assert_slice(slice_split(&rest, ','), "a");
    assert_slice(slice_split(&rest, ','), "");
    assert_slice(slice_split(&rest, ','), "b");
    assert_null(rest.at);
    assert_slice(slice_split(&rest, ','), "");
    rest = SLICE("a,");
    assert_slice(slice_split(&rest, ','), "a");
    assert_non_null(rest.at); /* an empty part is left, not none */
    assert_slice(rest, "");
}

static void trimming(void **state)
{
    (void)state;
    assert_slice(slice_trim(SLICE(" \t\r\n a b \r\n")), "a b");
    assert_slice(slice_trim(SLICE("   ")), "");
    assert_slice(slice_trim(SLICE("")), "");
    assert_slice(slice_trim(SLICE("\va")), "\va");
    assert_null(slice_trim(SLICE_NONE).at);
}

static void numbers_are_whole_or_nothing(void **state)
{
    static const struct {
        const char *text;
        bool good;
        uint64_t value;
    } rows[] = {
        {"0", true, 0},
        {"007", true, 7},
        {"18446744073709551614", true, UINT64_MAX - 1},
        {"18446744073709551615", true, UINT64_MAX},
        {"18446744073709551616", false, 0},
        {"99999999999999999999", false, 0},
        {"", false, 0},
        {"-1", false, 0},
        {"+1", false, 0},
        {" 1", false, 0},
        {"1 ", false, 0},
        {"1a", false, 0},
        {"\xb1", false, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint64_t value = 42;
        assert_int_equal(slice_u64(slice_of_string(rows[i].text), &value), rows[i].good);
        assert_int_equal(value, rows[i].good ? rows[i].value : 42);
    }
    uint32_t small = 42;
    assert_true(slice_u32(SLICE("4294967295"), &small));
    assert_int_equal(small, UINT32_MAX);
    assert_false(slice_u32(SLICE("4294967296"), &small));
    assert_false(slice_u32(SLICE("x"), &small));
    assert_int_equal(small, UINT32_MAX);
}

static void hexadecimal(void **state)
{
    uint32_t value = 42;

    (void)state;
    assert_true(slice_hex32(SLICE("1aBcDeF0"), &value));
    assert_int_equal(value, 0x1abcdef0);
    assert_true(slice_hex32(SLICE("ffffffff"), &value));
    assert_int_equal(value, UINT32_MAX);
    assert_true(slice_hex32(SLICE("0000000001"), &value));
    assert_int_equal(value, 1);
    assert_false(slice_hex32(SLICE("100000000"), &value));
    assert_false(slice_hex32(SLICE(""), &value));
    assert_false(slice_hex32(SLICE("g"), &value));
    assert_false(slice_hex32(SLICE("@"), &value));
    assert_false(slice_hex32(SLICE("0x1"), &value));
    assert_int_equal(value, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_stay_inside),
        cmocka_unit_test(letters_fold_in_ascii_only),
        cmocka_unit_test(beginnings_and_contents),
        cmocka_unit_test(order_is_by_bytes_then_length),
        cmocka_unit_test(finding_and_splitting),
        cmocka_unit_test(trimming),
        cmocka_unit_test(numbers_are_whole_or_nothing),
        cmocka_unit_test(hexadecimal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
