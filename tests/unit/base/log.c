/* The log writes to standard error, so these tests put a file in its place and read what came. */
#include "tests/unit/base/unit.h"

#include "base/log.h"

#include <unistd.h>

static char said[65536];
static int kept_stderr;
static FILE *caught;

static int catch_stderr(void **state)
{
    (void)state;
    log_flush(); /* what other tests said must not count here */
    log_level_set(LOG_INFO);
    caught = tmpfile();
    kept_stderr = dup(STDERR_FILENO);
    return caught == NULL || dup2(fileno(caught), STDERR_FILENO) < 0 ? -1 : 0;
}

static int give_stderr_back(void **state)
{
    (void)state;
    (void)dup2(kept_stderr, STDERR_FILENO);
    (void)close(kept_stderr);
    return fclose(caught);
}

static const char *what_was_said(void)
{
    rewind(caught);
    size_t bytes = fread(said, 1, sizeof said - 1, caught);
    said[bytes] = '\0';
    return said;
}

static unsigned lines_said(void)
{
    unsigned lines = 0;

    for (const char *at = what_was_said(); *at != '\0'; at++) {
        lines += *at == '\n';
    }
    return lines;
}

static void a_line_names_its_level(void **state)
{
    (void)state;
    log_line(LOG_ERROR, "a%d", 1);
    log_line(LOG_WARN, "b");
    log_line(LOG_INFO, "c");
    log_line(LOG_DEBUG, "d");
    log_level_set(LOG_ERROR);
    log_line(LOG_WARN, "e");
    log_level_set(LOG_DEBUG);
    log_line(LOG_DEBUG, "f");
    assert_string_equal(what_was_said(), "earshot: error: a1\nearshot: warn: b\nearshot: info: c\n"
                                         "earshot: debug: f\n");
}

static void only_printable_text_comes_out(void **state)
{
    (void)state;
    log_line(LOG_WARN, "x%sy", "\x1b[2J\n\xe2\x80\xae gr\xc3\xbc\xc3\x9f \xff");
    assert_string_equal(what_was_said(), "earshot: warn: x\\x1B[2J\\x0A\\xE2\\x80\\xAE gr"
                                         "\xc3\xbc\xc3\x9f \\xFFy\n");
}

static void a_long_line_is_cut_and_still_ends(void **state)
{
    char text[3000];

    (void)state;
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    log_line(LOG_WARN, "%s", text);
    memset(text, '\x01', sizeof text - 1);
    log_line(LOG_WARN, "%s", text);
    const char *got = what_was_said();
    assert_int_equal(lines_said(), 2);
    const char *end = strchr(got, '\n');
    assert_in_range(end - got, 1000, LOG_LINE_BYTES - 1);
    assert_in_range(strlen(end + 1), 1000, LOG_LINE_BYTES);
}

static void a_call_site_is_limited_and_counts(void **state)
{
    (void)state;
    for (unsigned i = 1; i <= 1000; i++) {
        log_line(LOG_WARN, "again %u", i);
    }
    assert_int_equal(lines_said(), 8); /* 1 to 5, 10, 100, 1,000 */
    assert_non_null(strstr(what_was_said(), "again 5\n"));
    assert_null(strstr(what_was_said(), "again 6"));
    assert_non_null(strstr(what_was_said(), "again 10 (and 4 more like it, not said)\n"));
    assert_non_null(strstr(what_was_said(), "again 1000 (and 899 more like it, not said)\n"));
    log_line(LOG_WARN, "another site is not held back");
    assert_int_equal(lines_said(), 9);
    log_line(LOG_WARN, "again %u", 1U);
}

static void what_was_not_said_is_told_at_the_end(void **state)
{
    (void)state;
    for (unsigned i = 1; i <= 9; i++) {
        log_line(LOG_WARN, "much");
    }
    assert_int_equal(lines_said(), 5);
    log_flush();
    assert_non_null(strstr(what_was_said(), "4 lines were not said\n"));
    log_flush();
    assert_int_equal(lines_said(), 6); /* told once */
}

static void errors_are_limited_by_their_text(void **state)
{
    struct error error;

    (void)state;
    for (int i = 0; i < 20; i++) {
        (void)error_set(&error, STATUS_USAGE, "a.yaml", "error %d", i);
        log_error_struct(&error);
    }
    assert_int_equal(lines_said(), 20);
    assert_non_null(strstr(what_was_said(), "earshot: error: a.yaml: error 19\n"));
    (void)error_set(&error, STATUS_USAGE, NULL, "nowhere");
    for (int i = 0; i < 9; i++) {
        log_error_struct(&error);
    }
    assert_int_equal(lines_said(), 25);
    assert_non_null(strstr(what_was_said(), "earshot: error: nowhere\n"));
}

/* More sites than the table has room for: bounded, and still speaking. */
static void many_sites_share_the_last_place(void **state)
{
    struct error error;

    (void)state;
    for (int i = 0; i < 1000; i++) {
        (void)error_set(&error, STATUS_FAILED, "", "number %d", i);
        log_error_struct(&error);
    }
    assert_in_range(lines_said(), 256, 270);
}

int main(void)
{
#define WITH_STDERR(test) cmocka_unit_test_setup_teardown(test, catch_stderr, give_stderr_back)
    const struct CMUnitTest tests[] = {
        WITH_STDERR(a_line_names_its_level),
        WITH_STDERR(only_printable_text_comes_out),
        WITH_STDERR(a_long_line_is_cut_and_still_ends),
        WITH_STDERR(a_call_site_is_limited_and_counts),
        WITH_STDERR(what_was_not_said_is_told_at_the_end),
        WITH_STDERR(errors_are_limited_by_their_text),
        WITH_STDERR(many_sites_share_the_last_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
