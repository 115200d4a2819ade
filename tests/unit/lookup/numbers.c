/* Readings of what is dialled, points, the operator's file, and 600 numbers of the world. */
#include "tests/unit/base/unit.h"

#include "base/text.h"
#include "sensor/lookup/numbers.h"

#include <unistd.h>

static struct numbers_conf conf;
static struct numbers *numbers;
static struct number found;

static int opens(void **state)
{
    (void)state;
    option_presets(numbers_options, &conf);
    return 0;
}

static int closes(void **state)
{
    (void)state;
    numbers_close(numbers);
    numbers = NULL;
    for (const struct option *row = numbers_options; row->kind != OPTION_END; row++) {
        option_clear(row, &conf);
    }
    return 0;
}

static void set(const char *key, const char *value)
{
    struct error error = {0};
    const struct option *option = option_find(numbers_options, slice_of_string(key));

    assert_non_null(option);
    option_clear(option, &conf);
    assert_int_equal(option_parse(option, slice_of_string(value), &conf, "", key, &error),
                     STATUS_OK);
}

static void open_all(void)
{
    struct error error = {0};

    numbers_close(numbers);
    numbers = NULL;
    assert_int_equal(numbers_open(&conf, &numbers, &error), STATUS_OK);
}

static void at_home(const char *country)
{
    set("country", country);
    open_all();
}

static void look(const char *user)
{
    number_look(numbers, slice_of_string(user), &found);
}

static void is_class(const char *user, enum number_class class)
{
    look(user);
    if (found.class != class) {
        fail_msg("%s: class %u instead of %u", user, found.class, class);
    }
}

static void is_number(const char *user, enum number_class class, uint64_t e164)
{
    is_class(user, class);
    if (found.e164 != e164) {
        fail_msg("%s: %llu instead of %llu", user, (unsigned long long)found.e164,
                 (unsigned long long)e164);
    }
}

static void has_points(const char *user, unsigned type, unsigned country)
{
    look(user);
    if (found.risk_type != type || found.risk_country != country) {
        fail_msg("%s: %u and %u points instead of %u and %u", user, found.risk_type,
                 found.risk_country, type, country);
    }
}

/* --- the plan --- */

struct row {
    const char *number;
    const char *country;
    enum number_type type;
};

#define FIXED NUMBER_FIXED
#define MOBILE NUMBER_MOBILE
#define TOLL_FREE NUMBER_TOLL_FREE
#define SHARED_COST NUMBER_SHARED_COST
#define PREMIUM NUMBER_PREMIUM
#define SATELLITE NUMBER_SATELLITE
#define OTHER NUMBER_OTHER
static const struct row rows[] = {
#define ROW(number_, country_, type_) {number_, country_, type_},
#include "tests/unit/lookup/number_rows.def"
};

static void knows_the_world(void **state)
{
    (void)state;
    open_all();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char user[32];
        (void)snprintf(user, sizeof user, "+%s", rows[i].number);
        is_class(user, NUMBER_INTERNATIONAL);
        if (found.type != rows[i].type || strcmp(found.country, rows[i].country) != 0) {
            fail_msg("%s: %s, type %u", user, found.country, found.type);
        }
    }
}

static void a_number_has_its_parts(void **state)
{
    (void)state;
    open_all();
    is_number("+442079460000", NUMBER_INTERNATIONAL, UINT64_C(442079460000));
    assert_int_equal(found.block, 4420794);
    assert_int_equal(found.digits, 12);
    assert_string_equal(found.country, "GB");
    assert_false(found.dialled_abroad);
    assert_int_equal(found.cost_milli, 150);
}

/* --- readings --- */

static void text_loses_what_is_for_the_eye(void **state)
{
    (void)state;
    open_all();
    is_number("+44-20-7946.0000", NUMBER_INTERNATIONAL, UINT64_C(442079460000));
    is_number("+44(20)7946%200000", NUMBER_INTERNATIONAL, UINT64_C(442079460000));
    is_number("%2B442079460000", NUMBER_INTERNATIONAL, UINT64_C(442079460000));
    is_number("+442079460000;npdi;rn=+15550100", NUMBER_INTERNATIONAL, UINT64_C(442079460000));
    is_number("2079460000;phone-context=+44", NUMBER_INTERNATIONAL, UINT64_C(442079460000));
    is_number("1001;phone-context=example.com", NUMBER_INTERNAL, 0);
    is_class("1001;phone-context=+#+44", NUMBER_INTERNAL);
    is_number("2079460000;ext=1;PHONE-CONTEXT=%2B44", NUMBER_INTERNATIONAL, UINT64_C(442079460000));
    is_number("+442079460000:secret", NUMBER_INTERNATIONAL, UINT64_C(442079460000));
}

static void names_are_no_numbers(void **state)
{
    (void)state;
    open_all();
    is_class("", NUMBER_NONE);
    is_class("alice", NUMBER_NONE);
    is_class("1001a", NUMBER_NONE);
    is_class("+44+20", NUMBER_NONE);
    is_class("%00", NUMBER_NONE);
    is_class(";phone-context=+44", NUMBER_NONE);
    is_class("01234567890123456789012345678901234567890", NUMBER_NONE);
}

static void without_a_country_only_prefixes_are_understood(void **state)
{
    (void)state;
    open_all();
    is_number("00442079460000", NUMBER_INTERNATIONAL, UINT64_C(442079460000));
    assert_true(found.dialled_abroad);
    is_number("011442079460000", NUMBER_INTERNATIONAL, UINT64_C(442079460000));
    is_number("9011442079460000", NUMBER_INTERNATIONAL, UINT64_C(442079460000));
    is_number("900442079460000", NUMBER_INTERNATIONAL, UINT64_C(442079460000));
    is_number("000442079460000", NUMBER_INTERNATIONAL, UINT64_C(442079460000));
    is_number("99900442079460000", NUMBER_INTERNATIONAL, UINT64_C(442079460000));
    is_number("+00442079460000", NUMBER_INTERNATIONAL, UINT64_C(442079460000));
    assert_true(found.dialled_abroad);
    is_number("+0442079460000", NUMBER_INTERNATIONAL, UINT64_C(442079460000));
    assert_true(found.dialled_abroad);
    is_class("1001", NUMBER_INTERNAL);
    is_class("123456", NUMBER_INTERNAL);
    is_class("1234567", NUMBER_UNKNOWN);
    is_class("12125550100", NUMBER_UNKNOWN);
    is_class("2125550100", NUMBER_UNKNOWN);
    has_points("2125550100", 0, 0);
    is_class("01142820123", NUMBER_UNKNOWN);
    has_points("01142820123", 0, 0);
    is_class("01142345678", NUMBER_UNKNOWN);
    is_class("00123456", NUMBER_UNKNOWN);
    has_points("00123456", 0, 0);
    is_class("02079460000", NUMBER_UNKNOWN);
}

static void what_cannot_be_read_is_unknown(void **state)
{
    (void)state;
    open_all();
    is_class("0044207946000012345", NUMBER_UNKNOWN);
    has_points("0044207946000012345", 10, 0);
    has_points("+44207946000012345", 10, 0);
    has_points("0099912345678", 10, 0);
    is_number("+99912345678", NUMBER_INTERNATIONAL, UINT64_C(99912345678));
    assert_int_equal(found.type, NUMBER_INVALID);
    has_points("+99912345678", 15, 0);
}

static void a_german_site_dials(void **state)
{
    (void)state;
    at_home("DE");
    is_number("03012345678", NUMBER_NATIONAL, UINT64_C(493012345678));
    assert_int_equal(found.type, NUMBER_FIXED);
    assert_int_equal(found.risk_type + found.risk_country, 0);
    assert_int_equal(found.cost_milli, 20);
    is_number("0003012345678", NUMBER_NATIONAL, UINT64_C(493012345678));
    is_number("+493012345678", NUMBER_NATIONAL, UINT64_C(493012345678));
    is_number("00493012345678", NUMBER_NATIONAL, UINT64_C(493012345678));
    assert_false(found.dialled_abroad);
    is_number("493012345678", NUMBER_NATIONAL, UINT64_C(493012345678));
    is_number("00442079460000", NUMBER_INTERNATIONAL, UINT64_C(442079460000));
    assert_true(found.dialled_abroad);
    is_number("000442079460000", NUMBER_INTERNATIONAL, UINT64_C(442079460000));
    is_number("+442079460000", NUMBER_INTERNATIONAL, UINT64_C(442079460000));
    assert_true(found.dialled_abroad);
    is_number("09001234567", NUMBER_NATIONAL, UINT64_C(499001234567));
    assert_int_equal(found.type, NUMBER_PREMIUM);
    is_class("110", NUMBER_EMERGENCY);
    is_class("0110", NUMBER_EMERGENCY);
    is_class("1001", NUMBER_INTERNAL);
    is_class("30123", NUMBER_INTERNAL);
    is_class("930123", NUMBER_INTERNAL);
    is_class("030123", NUMBER_INTERNAL);
    is_number("0030123", NUMBER_NATIONAL, 4930123);
}

static void an_american_site_dials(void **state)
{
    (void)state;
    at_home("US");
    is_number("12125550100", NUMBER_NATIONAL, UINT64_C(12125550100));
    is_number("2125550100", NUMBER_NATIONAL, UINT64_C(12125550100));
    is_number("912125550100", NUMBER_NATIONAL, UINT64_C(12125550100));
    is_number("5550100", NUMBER_NATIONAL, 0);
    is_number("011442079460000", NUMBER_INTERNATIONAL, UINT64_C(442079460000));
    is_number("9011442079460000", NUMBER_INTERNATIONAL, UINT64_C(442079460000));
    is_number("18765230123", NUMBER_INTERNATIONAL, UINT64_C(18765230123));
    assert_string_equal(found.country, "JM");
    assert_true(found.dialled_abroad);
    has_points("18765230123", 30, 10);
    is_number("19002345678", NUMBER_NATIONAL, UINT64_C(19002345678));
    has_points("19002345678", 50, 0);
    has_points("18002345678", 0, 0);
}

static void other_countries_dial(void **state)
{
    (void)state;
    at_home("AU");
    is_number("0011442079460000", NUMBER_INTERNATIONAL, UINT64_C(442079460000));
    is_number("0212345678", NUMBER_NATIONAL, UINT64_C(61212345678));
    at_home("IT");
    is_number("0612345678", NUMBER_NATIONAL, UINT64_C(390612345678));
    at_home("BR");
    is_number("0151123456789", NUMBER_NATIONAL, UINT64_C(551123456789));
    is_number("0015442079460000", NUMBER_INTERNATIONAL, UINT64_C(442079460000));
    at_home("BO");
    is_number("01071234567", NUMBER_NATIONAL, UINT64_C(59171234567));
    at_home("BS");
    is_number("3225555", NUMBER_NATIONAL, UINT64_C(12423225555));
    at_home("CN");
    is_number("1797700442079460000", NUMBER_INTERNATIONAL, UINT64_C(442079460000));
}

static void service_codes(void **state)
{
    (void)state;
    open_all();
    is_class("*72", NUMBER_INTERNAL);
    is_class("*", NUMBER_INTERNAL);
    is_class("#31#1001", NUMBER_INTERNAL);
    is_number("#31#+442079460000", NUMBER_INTERNATIONAL, UINT64_C(442079460000));
    is_number("12345#00442079460000", NUMBER_INTERNATIONAL, UINT64_C(442079460000));
    is_number("*72011442079460000", NUMBER_INTERNATIONAL, UINT64_C(442079460000));
    is_class("#31#112", NUMBER_EMERGENCY);
}

static void emergency_numbers(void **state)
{
    (void)state;
    set("emergency", "117,118");
    open_all();
    is_class("112", NUMBER_EMERGENCY);
    is_class("+112", NUMBER_EMERGENCY);
    is_class("9911", NUMBER_EMERGENCY);
    is_class("999", NUMBER_EMERGENCY);
    is_class("117", NUMBER_EMERGENCY);
    has_points("112", 0, 0);
    assert_int_equal(found.cost_milli, 0);
    is_class("110", NUMBER_INTERNAL);
}

static void the_site_says_how_it_dials(void **state)
{
    (void)state;
    set("outside", "7");
    set("international", "88,8810");
    set("numbers", "+4420794600");
    set("allowed", "+4930");
    open_all();
    is_number("78810442079460999", NUMBER_INTERNATIONAL, UINT64_C(442079460999));
    is_class("00442079460999", NUMBER_UNKNOWN);
    is_class("9810442079460999", NUMBER_UNKNOWN);
    is_number("+442079460012", NUMBER_INTERNAL, UINT64_C(442079460012));
    has_points("+442079460012", 0, 0);
    is_number("442079460012", NUMBER_INTERNAL, UINT64_C(442079460012));
    is_class("442079450012", NUMBER_UNKNOWN);
    look("+493012345678");
    assert_true(found.allowed);
    look("+498912345678");
    assert_false(found.allowed);
}

/* --- points --- */

static void points_by_kind(void **state)
{
    (void)state;
    open_all();
    has_points("+493012345678", 0, 10);
    has_points("+499001234567", 50, 10);
    has_points("+49800123456789", 0, 10);
    has_points("+4918012345", 20, 10);
    has_points("+979123456789", 50, 0);
    assert_int_equal(found.cost_milli, 3000);
    has_points("+870773111632", 45, 0);
    assert_int_equal(found.type, NUMBER_SATELLITE);
    assert_int_equal(found.cost_milli, 6000);
    has_points("+881612345678", 45, 0);
    has_points("+882123456789", 45, 0);
    has_points("+883510012345678", 45, 0);
    has_points("+878101234567890", 45, 0);
    has_points("+80012345678", 0, 0);
    has_points("+80812345678", 20, 0);
    has_points("+67740123", 35, 10);
    has_points("+37163123456", 0, 20);
    assert_int_equal(found.cost_milli, 600);
    has_points("+18095550100", 30, 20);
    has_points("+12125550100", 0, 10);
    has_points("+449", 0, 0);
    has_points("+4411111111111", 15, 10);
    has_points("+14165550100", 0, 10);
    has_points("+1876523012", 45, 10);
    assert_string_equal(found.country, "JM");
}

static void neighbours_are_near(void **state)
{
    (void)state;
    set("neighbours", "CA,JM");
    at_home("US");
    has_points("+14165550100", 0, 0);
    has_points("+18765230123", 0, 0);
    is_class("+18765230123", NUMBER_INTERNATIONAL);
    has_points("+18095550100", 30, 20);
}

/* --- the operator's file --- */

static char path[64];

static void write_bytes(const char *bytes, size_t count)
{
    (void)snprintf(path, sizeof path, "/tmp/earshot-numbers-XXXXXX");
    int at = mkstemp(path);

    assert_true(at >= 0);
    assert_int_equal(write(at, bytes, count), (ssize_t)count);
    (void)close(at);
    (void)snprintf(conf.file, sizeof conf.file, "%s", path);
}

static void write_file(const char *text)
{
    write_bytes(text, strlen(text));
}

#define HEAD "# numbers\nprefix,kind,points,cost,note\n"

static void rows_say_the_last_word(void **state)
{
    (void)state;
    write_file(HEAD "+37163,block,,1.5,a block\n"
                    "+37163123456,exact,,,a number\n"
                    "+371631235,block,0,0,wanted\n"
                    "+371,country,0,0.1,home\n");
    open_all();
    (void)unlink(path);
    has_points("+37163123456", 60, 0);
    assert_int_equal(found.cost_milli, 100);
    has_points("+37163123457", 50, 0);
    assert_int_equal(found.cost_milli, 1500);
    has_points("+37163123500", 0, 0);
    assert_int_equal(found.cost_milli, 0);
    has_points("+37167123456", 0, 0);
    has_points("+493012345678", 0, 10);
}

static void refuses_bytes(const char *bytes, size_t count, unsigned line, unsigned column,
                          const char *what)
{
    struct error error = {0};
    char where[128];

    write_bytes(bytes, count);
    assert_int_equal(numbers_open(&conf, &numbers, &error), STATUS_USAGE);
    (void)unlink(path);
    (void)snprintf(where, sizeof where, "%s:%u:%u", path, line, column);
    assert_string_equal(error.where, where);
    assert_non_null(strstr(error.message, what));
}

static void refuses(const char *text, unsigned line, unsigned column, const char *what)
{
    refuses_bytes(text, strlen(text), line, column, what);
}

/* What C takes for the end of a text is no end of a line: a row would be read without its rest. */
static void garbled_files_are_refused(void **state)
{
    (void)state;
    static const char inside[] = HEAD "+44,block,1\0,9,\n+45,block,1,,\n";
    static const char first[] = HEAD "\0+44,block,1,,\n";

    refuses_bytes(inside, sizeof inside - 1, 3, 1, "no NUL");
    refuses_bytes(first, sizeof first - 1, 3, 1, "no NUL");
    refuses("", 1, 1, "first line"); /* cut while it was written */
    refuses("# numbers\n", 1, 1, "first line");
}

static void mistakes_have_a_place(void **state)
{
    (void)state;
    refuses("+44,block,1,,\n", 1, 1, "first line");
    refuses(HEAD "44,block,1,,\n", 3, 1, "'44'");
    refuses(HEAD "+04,block,1,,\n", 3, 1, "calling code");
    refuses(HEAD "+1234567890123456,block,1,,\n", 3, 1, "15 digits");
    refuses(HEAD "+44,some,1,,\n", 3, 5, "'some'");
    refuses(HEAD "+44,block,61,,\n", 3, 11, "0 to 60");
    refuses(HEAD "+44,country,21,,\n", 3, 13, "0 to 20");
    refuses(HEAD "+44,country,,,\n", 3, 13, "0 to 20");
    refuses(HEAD "+44,block,1,1.2345,\n", 3, 13, "65.535");
    refuses(HEAD "+44,block,1,66,\n", 3, 13, "65.535");
    refuses(HEAD "+44\n", 3, 1, "exact, block or country");
    refuses(HEAD "+44,block,1,,\n\n+44,block,2,,\n", 5, 1, "line 3");
}

static void the_shipped_example_opens(void **state)
{
    (void)state;
    set("numbers_file", "conf/numbers.csv");
    open_all();
    has_points("+15550100123", 60, 10);
    has_points("+15550100124", 50, 10);
}

static void a_full_file_opens_and_one_row_more_does_not(void **state)
{
    (void)state;
    size_t room = (size_t)(NUMBERS_ROWS + 8) * 32;
    char *text = calloc(room, 1);
    size_t bytes = (size_t)snprintf(text, room, HEAD);
    for (unsigned i = 0; i < NUMBERS_ROWS; i++) {
        bytes += (size_t)snprintf(text + bytes, room - bytes, "+1%06u,block,1,,\n", i);
    }
    write_file(text);
    open_all();
    (void)unlink(path);
    has_points("+10655359999", 1, 10);
    numbers_close(numbers);
    numbers = NULL;
    (void)snprintf(text + bytes, room - bytes, "+2,block,1,,\n");
    refuses(text, NUMBERS_ROWS + 3, 1, "65536 rows");
    free(text);
}

static void options_are_checked(void **state)
{
    (void)state;
    struct error error = {0};

    set("country", "Germany");
    assert_int_equal(numbers_open(&conf, &numbers, &error), STATUS_USAGE);
    assert_string_equal(error.where, "site.country");
    set("country", "");
    set("outside", "zero");
    assert_int_equal(numbers_open(&conf, &numbers, &error), STATUS_USAGE);
    assert_string_equal(error.where, "site.outside");
    set("outside", "0");
    set("neighbours", "XX");
    assert_int_equal(numbers_open(&conf, &numbers, &error), STATUS_USAGE);
    assert_string_equal(error.where, "site.neighbours");
    set("neighbours", "");
    set("numbers_file", "/nonexistent/numbers.csv");
    assert_int_equal(numbers_open(&conf, &numbers, &error), STATUS_USAGE);
    assert_string_equal(error.where, "/nonexistent/numbers.csv");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, opens, closes)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(knows_the_world),
        CASE(a_number_has_its_parts),
        CASE(text_loses_what_is_for_the_eye),
        CASE(names_are_no_numbers),
        CASE(without_a_country_only_prefixes_are_understood),
        CASE(what_cannot_be_read_is_unknown),
        CASE(a_german_site_dials),
        CASE(an_american_site_dials),
        CASE(other_countries_dial),
        CASE(service_codes),
        CASE(emergency_numbers),
        CASE(the_site_says_how_it_dials),
        CASE(points_by_kind),
        CASE(neighbours_are_near),
        CASE(rows_say_the_last_word),
        CASE(mistakes_have_a_place),
        CASE(garbled_files_are_refused),
        CASE(the_shipped_example_opens),
        CASE(a_full_file_opens_and_one_row_more_does_not),
        CASE(options_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
