#include "tests/unit/base/unit.h"

#include "base/calendar.h"

static struct calendar parsed(const char *rule)
{
    struct calendar calendar;
    struct error error;

    if (calendar_parse(slice_of_string(rule), "site.timezone", &calendar, &error) != STATUS_OK) {
        fail_msg("%s: %s", rule, error.message);
    }
    return calendar;
}

/* Random times of 150 years, and the last second before each change with the first after it. */
static void rules_agree_with_another_hand(void **state)
{
    static const struct {
        const char *rule;
        uint64_t second;
        uint8_t hour;
    } rows[] = {
#define ROW(rule_, second_, hour_) {.rule = (rule_), .second = (second_), .hour = (hour_)},
#include "tests/unit/base/calendar_rows.def"
#undef ROW
    };

    (void)state;
    assert_true(COUNT_OF(rows) > 300);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct calendar calendar = parsed(rows[i].rule);
        uint8_t hour = calendar_hour_of_week(&calendar, rows[i].second * NS_PER_S + 999999999);
        if (hour != rows[i].hour) {
            fail_msg("%s at %" PRIu64 ": %u, not %u", rows[i].rule, rows[i].second, hour,
                     rows[i].hour);
        }
    }
}

static void zeroed_memory_is_utc(void **state)
{
    struct calendar zeroed;
    struct calendar empty = parsed("");
    struct calendar named = parsed("UTC0");

    (void)state;
    memset(&zeroed, 0, sizeof zeroed);
    for (uint64_t hour = 0; hour < 400; hour++) {
        uint64_t time_ns = hour * NS_PER_HOUR + NS_PER_HOUR - 1;
        /* Thursday 00:00 is hour 72. */
        assert_int_equal(calendar_hour_of_week(&zeroed, time_ns), (72 + hour) % 168);
        assert_int_equal(calendar_hour_of_week(&empty, time_ns), (72 + hour) % 168);
        assert_int_equal(calendar_hour_of_week(&named, time_ns), (72 + hour) % 168);
    }
}

/* The zones of today differ from UTC by whole quarters, and change at one: so an hour of the week
 * that was asked for once holds for its quarter of an hour. */
static void a_quarter_of_an_hour_is_one_answer(void **state)
{
    static const char *const rules[] = {"CET-1CEST,M3.5.0,M10.5.0/3",
                                        "<+1245>-12:45<+1345>,M9.5.0/2:45,M4.1.0/3:45",
                                        "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rules); i++) {
        struct calendar calendar = parsed(rules[i]);
        for (uint64_t quarter = 0; quarter < 366 * 96; quarter += 1) {
            uint64_t from_ns = (UINT64_C(1767225600) + quarter * 900) * NS_PER_S;
            assert_int_equal(calendar_hour_of_week(&calendar, from_ns),
                             calendar_hour_of_week(&calendar, from_ns + 900 * NS_PER_S - 1));
        }
    }
}

static void every_time_has_an_hour(void **state)
{
    static const char *const rules[] = {"<+14>-14",
                                        "<-12>12",
                                        "XXX-24",
                                        "XXX24",
                                        "XXX0YYY,0/-167,365/167",
                                        "XXX0YYY,M1.1.0/-167,M12.5.6/167",
                                        "XXX0YYY,J1,J1"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rules); i++) {
        struct calendar calendar = parsed(rules[i]);
        uint64_t seed = i + 1;
        assert_true(calendar_hour_of_week(&calendar, 0) < CALENDAR_HOURS_OF_WEEK);
        assert_true(calendar_hour_of_week(&calendar, UINT64_MAX) < CALENDAR_HOURS_OF_WEEK);
        for (size_t n = 0; n < 2000; n++) {
            assert_true(calendar_hour_of_week(&calendar, random_next(&seed)) <
                        CALENDAR_HOURS_OF_WEEK);
        }
    }
}

static void other_texts_are_refused(void **state)
{
    static const struct {
        const char *rule;
        const char *told; /* in the message */
    } rows[] = {
        {"UTC", "character 4"},
        {"Europe/Berlin", "/usr/share/zoneinfo"},
        {"CE-1", "character 3"},
        {"CET-25", "character"},
        {"CET-1:60", "character"},
        {"CET-1CEST", "character 10"},
        {"CET-1CEST,M3.5.0", "character 17"},
        {"CET-1CEST,M3.5.0,M13.5.0", "character"},
        {"CET-1CEST,M3.6.0,M10.5.0", "character"},
        {"CET-1CEST,M3.5.7,M10.5.0", "character"},
        {"CET-1CEST,M3.5.0/168,M10.5.0", "character"},
        {"CET-1CEST,J0,J365", "character"},
        {"CET-1CEST,0,366", "character"},
        {"CET-1CEST,M3.5.0,M10.5.0/3 ", "character 27"},
        {"<+03-3", "character"},
        {"<>0", "character"},
        {"<+0330>", "character 8"},
        {"-1", "character 1"},
        {":CET", "character 1"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct calendar calendar = {.east_s = 77};
        struct error error;
        if (calendar_parse(slice_of_string(rows[i].rule), "f.yaml:3:9", &calendar, &error) !=
            STATUS_USAGE) {
            fail_msg("%s was taken", rows[i].rule);
        }
        assert_int_equal(calendar.east_s, 77);
        assert_string_equal(error.where, "f.yaml:3:9");
        if (strstr(error.message, rows[i].told) == NULL) {
            fail_msg("%s: %s", rows[i].rule, error.message);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_agree_with_another_hand),
        cmocka_unit_test(zeroed_memory_is_utc),
        cmocka_unit_test(a_quarter_of_an_hour_is_one_answer),
        cmocka_unit_test(every_time_has_an_hour),
        cmocka_unit_test(other_texts_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
