#include "tests/unit/base/unit.h"

#include <errno.h>

static void a_message_is_composed(void **state)
{
    struct error error;

    (void)state;
    assert_int_equal(error_set(&error, STATUS_USAGE, "a.yaml:3", "found %d of %s", 7, "x"),
                     STATUS_USAGE);
    assert_int_equal(error.code, STATUS_USAGE);
    assert_int_equal(error.sys_errno, 0);
    assert_string_equal(error.where, "a.yaml:3");
    assert_string_equal(error.message, "found 7 of x");
}

static void a_system_error_keeps_errno_and_says_it(void **state)
{
    struct error error;

    (void)state;
    errno = ENOENT;
    assert_int_equal(error_system(&error, STATUS_INPUT, NULL, "cannot open %s", "x.pcap"),
                     STATUS_INPUT);
    assert_int_equal(error.sys_errno, ENOENT);
    assert_int_equal(errno, ENOENT);
    assert_string_equal(error.where, "");
    assert_string_equal(error.message, "cannot open x.pcap: No such file or directory");
}

static void long_texts_are_cut(void **state)
{
    struct error error;
    char text[2000];

    (void)state;
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    (void)error_set(&error, STATUS_FAILED, text, "%s", text);
    assert_int_equal(strlen(error.where), sizeof error.where - 1);
    assert_int_equal(strlen(error.message), sizeof error.message - 1);
    errno = EIO;
    (void)error_system(&error, STATUS_FAILED, text, "%s", text);
    assert_int_equal(strlen(error.message), sizeof error.message - 1);
    assert_int_equal(error.sys_errno, EIO);
}

static void an_error_can_be_wrapped_into_itself(void **state)
{
    struct error error;

    (void)state;
    (void)error_set(&error, STATUS_FAILED, "key", "inner");
    (void)error_set(&error, STATUS_FAILED, error.where, "outer: %s", error.message);
    assert_string_equal(error.where, "key");
    assert_string_equal(error.message, "outer: inner");
}

static void nobody_need_listen(void **state)
{
    (void)state;
    assert_int_equal(error_set(NULL, STATUS_INPUT, "", "unheard"), STATUS_INPUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_is_composed),
        cmocka_unit_test(a_system_error_keeps_errno_and_says_it),
        cmocka_unit_test(long_texts_are_cut),
        cmocka_unit_test(an_error_can_be_wrapped_into_itself),
        cmocka_unit_test(nobody_need_listen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
