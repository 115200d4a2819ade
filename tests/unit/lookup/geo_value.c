/* Values of MaxMind records: found where they are, and nothing else whatever the bytes say. */
#include <setjmp.h>
#include <stdarg.h>

#include "sensor/lookup/geo_value.h"

#include <cmocka.h>
#include <stdlib.h>

/* At 0 a country record; at 40 what pointers lead to. */
static const uint8_t record[] = "\xe3" /* 0: a map of three */
                                "\x41"
                                "a"
                                "\x02\x04\x01\x07\xe1\x41x\x41y" /* a list of: true, {x: y} */
                                "\x20\x28" /* 12: a pointer to 40, "country" */
                                "\xe1\x48iso_code\x42NL" /* 14: {iso_code: NL} */
                                "\x43"
                                "num" /* 27 */
                                "\xc3\x01\x00\x01" /* 31: 65537 */
                                "\x20\x00\x20\x23\x40" /* 35: a pointer to 0, one to 35 */
                                "\x47" /* 40 */
                                "country";

static bool find(size_t bytes, size_t offset, const char *one, const char *two,
                 struct geo_value *out_value)
{
    const char *path[3] = {one, two, NULL};
    uint8_t *copy = malloc(bytes + 1); /* of that very size, for whoever watches reads */
    assert_non_null(copy);
    memcpy(copy, record, bytes);
    bool found = geo_value_find(copy, bytes, offset, path, out_value);
    if (found && out_value->kind == GEO_VALUE_TEXT) { /* it goes with the copy */
        size_t at = (size_t)((const uint8_t *)out_value->text.at - copy);
        out_value->text.at = (const char *)record + at;
    }
    free(copy);
    return found;
}

static void values_are_found(void **state)
{
    struct geo_value value;
    size_t all = sizeof record - 1;
    (void)state;

    for (size_t offset = 0; offset <= 35; offset += 35) { /* also behind a pointer */
        assert_true(find(all, offset, "country", "iso_code", &value));
        assert_int_equal(value.kind, GEO_VALUE_TEXT);
        assert_true(slice_equal(value.text, SLICE("NL")));
        assert_true(find(all, offset, "num", NULL, &value));
        assert_int_equal(value.kind, GEO_VALUE_NUMBER);
        assert_int_equal(value.number, 65537);
        assert_true(find(all, offset, "country", NULL, &value));
        assert_int_equal(value.kind, GEO_VALUE_OTHER);
    }
    assert_false(find(all, 0, "city", NULL, &value));
    assert_false(find(all, 0, "num", "iso_code", &value)); /* no map */
    assert_false(find(all, 0, "country", "code", &value));
}

static void bytes_that_are_none_hold_nothing(void **state)
{
    struct geo_value value;
    (void)state;

    for (size_t bytes = 0; bytes < sizeof record - 1; bytes++) {
        for (size_t offset = 0; offset < sizeof record; offset++) {
            bool found = find(bytes, offset, "country", "iso_code", &value);
            assert_true(!found || value.kind == GEO_VALUE_TEXT);
        }
    }
    assert_false(find(40, 0, "country", NULL, &value)); /* the name is beyond the end */
    assert_false(find(sizeof record - 1, 37, NULL, NULL, &value)); /* a pointer to a pointer */
    assert_false(find(sizeof record - 1, SIZE_MAX, "num", NULL, &value));
}

/* Lists in lists, and a list of 16 million that is not there. */
static void large_records_hold_nothing(void **state)
{
    enum { DEEP_BYTES = 8 << 20 };
    static const uint8_t wide[] = "\xe2\x41"
                                  "a"
                                  "\x1f\x04\xff\xff\xff";
    const char *path[] = {"b", NULL};
    struct geo_value value;
    uint8_t *deep = malloc(DEEP_BYTES);
    (void)state;

    assert_non_null(deep);
    for (size_t at = 0; at < DEEP_BYTES; at += 2) {
        memcpy(deep + at, "\x01\x04", 2);
    }
    memcpy(deep,
           "\xe2\x41"
           "a\x01\x04\x04",
           6);
    assert_false(geo_value_find(deep, DEEP_BYTES, 0, path, &value));
    memset(deep + 3, 0x40, DEEP_BYTES - 3); /* empty texts */
    memcpy(deep, wide, sizeof wide - 1);
    assert_false(geo_value_find(deep, DEEP_BYTES, 0, path, &value));
    free(deep);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_found),
        cmocka_unit_test(bytes_that_are_none_hold_nothing),
        cmocka_unit_test(large_records_hold_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
