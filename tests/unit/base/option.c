#include "tests/unit/base/unit.h"

#include "base/option.h"

struct conf {
    bool flag;
    uint64_t count;
    uint64_t window_ns;
    uint64_t bytes;
    uint64_t share_ppm;
    uint64_t score;
    uint64_t free_count;
    uint64_t at_least;
    unsigned word;
    char text[OPTION_TEXT_BYTES];
    struct option_list list;
    struct option_networks networks;
};

/* clang-format off */
static const struct option options[] = {
    OPTION("flag",    BOOL,        conf, flag,       NULL,  "yes",  NULL,   "a switch"),
    OPTION("count",   COUNT,       conf, count,      "1",   "10",   "2M",   "a count"),
    OPTION("window",  DURATION_NS, conf, window_ns,  "1s",  "60s",  "1d",   "length of the window"),
    OPTION("bytes",   BYTES,       conf, bytes,      "1KiB", "64KiB", "1GiB", "a size"),
    OPTION("share",   PPM,         conf, share_ppm,  "0%",  "2%",   "100%", "a share"),
    OPTION("score",   DECIMAL,     conf, score,      "1",   "3.6",  "4.5",  "a score"),
    OPTION("free",    COUNT,       conf, free_count, NULL,  "0",    NULL,   "without bounds"),
    OPTION("least",   DURATION_NS, conf, at_least,   "20ms", "1h",  NULL,   "bounded below only"),
    OPTION_CHOICE("word", conf, word, "failures", "off|failures|transactions|messages", "a word"),
    OPTION("text",    TEXT,        conf, text,       NULL,  "some", NULL,   "a text"),
    OPTION("list",    LIST,        conf, list,       NULL,  "a, b", NULL,   "a list"),
    OPTION("nets",    NETWORKS,    conf, networks,   NULL,  "192.0.2.0/24", NULL, "networks"),
    {.kind = OPTION_END},
};
/* clang-format on */

static struct conf conf;

static int with_presets(void **state)
{
    (void)state;
    option_presets(options, &conf);
    return 0;
}

static int without(void **state)
{
    (void)state;
    option_list_clear(&conf.list);
    return 0;
}

static enum status parse(const char *key, const char *value, struct error *error)
{
    const struct option *option = option_find(options, slice_of_string(key));
    char full_key[64];

    assert_non_null(option);
    (void)snprintf(full_key, sizeof full_key, "detectors.scan.%s", key);
    return option_parse(option, slice_of_string(value), &conf, "a.yaml:3:5", full_key, error);
}

static void presets_are_the_defaults(void **state)
{
    (void)state;
    assert_true(conf.flag);
    assert_int_equal(conf.count, 10);
    assert_int_equal(conf.window_ns, 60 * NS_PER_S);
    assert_int_equal(conf.bytes, 65536);
    assert_int_equal(conf.share_ppm, 20000);
    assert_int_equal(conf.score, 3600);
    assert_int_equal(conf.word, 1);
    assert_string_equal(conf.text, "some");
    assert_int_equal(conf.list.count, 2);
    assert_string_equal(conf.list.items[0], "a");
    assert_string_equal(conf.list.items[1], "b");
}

static void numbers_are_read_as_people_write_them(void **state)
{
    static const struct {
        const char *key;
        const char *value;
        uint64_t wanted;
        bool good;
    } rows[] = {
        {"count", "1", 1, true},
        {"count", "0", 0, false},
        {"count", "10k", 10000, true},
        {"count", "2M", 2000000, true},
        {"count", "2000001", 0, false},
        {"count", "3M", 0, false},
        {"count", "1.5k", 0, false},
        {"count", "10 k", 0, false},
        {"count", "k", 0, false},
        {"count", "", 0, false},
        {"count", "-1", 0, false},
        {"count", "1e3", 0, false},
        {"free", "18446744073709551615", UINT64_MAX, true},
        {"free", "18446744073709551616", 0, false},
        {"free", "18446744073G", UINT64_C(18446744073000000000), true},
        {"free", "18446744074G", 0, false},
        {"window", "1s", NS_PER_S, true},
        {"window", "999ms", 0, false},
        {"window", "1000ms", NS_PER_S, true},
        {"window", "5m", 5 * NS_PER_MINUTE, true},
        {"window", "24h", NS_PER_DAY, true},
        {"window", "1d", NS_PER_DAY, true},
        {"window", "86401s", 0, false},
        {"window", "60", 0, false},
        {"window", "60x", 0, false},
        {"window", "60S", 0, false},
        {"window", "60s ", 0, false},
        {"window", "0", 0, false},
        {"least", "20ms", 20 * NS_PER_MS, true},
        {"least", "20000us", 20 * NS_PER_MS, true},
        {"least", "19999999ns", 0, false},
        {"least", "7d", 7 * NS_PER_DAY, true},
        {"bytes", "64KiB", 65536, true},
        {"bytes", "1024", 1024, true},
        {"bytes", "1023", 0, false},
        {"bytes", "4MiB", 4194304, true},
        {"bytes", "1GiB", 1073741824, true},
        {"bytes", "1TiB", 0, false},
        {"bytes", "64KB", 0, false},
        {"bytes", "64k", 0, false},
        {"share", "2%", 20000, true},
        {"share", "0.5%", 5000, true},
        {"share", "0.0001%", 1, true},
        {"share", "0.00001%", 0, false},
        {"share", "100%", 1000000, true},
        {"share", "100.0001%", 0, false},
        {"share", "1", 1000000, true},
        {"share", "0.02", 20000, true},
        {"share", "0.000001", 1, true},
        {"share", "0", 0, true},
        {"share", "%", 0, false},
        {"share", "2.%", 0, false},
        {"share", ".5%", 0, false},
        {"share", "1.2.3%", 0, false},
        {"score", "3.6", 3600, true},
        {"score", "4.5", 4500, true},
        {"score", "4.501", 0, false},
        {"score", "4.5001", 0, false},
        {"score", "1", 1000, true},
        {"score", "0.999", 0, false},
        {"score", "-2", 0, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct error error;
        const struct option *option = option_find(options, slice_of_string(rows[i].key));
        uint64_t value;
        enum status status = parse(rows[i].key, rows[i].value, &error);
        if (status != (rows[i].good ? STATUS_OK : STATUS_USAGE)) {
            fail_msg("%s: %s", rows[i].key, rows[i].value);
        }
        memcpy(&value, (const uint8_t *)&conf + option->offset, sizeof value);
        if (rows[i].good) {
            assert_true(value == rows[i].wanted);
        }
    }
}

static void switches_and_words(void **state)
{
    static const char *const yes[] = {"true", "yes", "on", "TRUE", "Yes", "On"};
    static const char *const no[] = {"false", "no", "off", "False", "NO", "Off"};
    struct error error;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(yes); i++) {
        assert_int_equal(parse("flag", no[i], &error), STATUS_OK);
        assert_false(conf.flag);
        assert_int_equal(parse("flag", yes[i], &error), STATUS_OK);
        assert_true(conf.flag);
    }
    assert_int_equal(parse("flag", "1", &error), STATUS_USAGE);
    assert_int_equal(parse("flag", "", &error), STATUS_USAGE);
    assert_true(conf.flag);
    assert_int_equal(parse("word", "off", &error), STATUS_OK);
    assert_int_equal(conf.word, 0);
    assert_int_equal(parse("word", "messages", &error), STATUS_OK);
    assert_int_equal(conf.word, 3);
    assert_int_equal(parse("word", "message", &error), STATUS_USAGE);
    assert_int_equal(parse("word", "off|failures", &error), STATUS_USAGE);
    assert_int_equal(parse("word", "", &error), STATUS_USAGE);
    assert_int_equal(conf.word, 3);
}

static void texts_and_lists_are_bounded(void **state)
{
    char text[OPTION_TEXT_BYTES + 1];
    struct error error;

    (void)state;
    memset(text, 'x', sizeof text);
    text[OPTION_TEXT_BYTES] = '\0';
    assert_int_equal(parse("text", text, &error), STATUS_USAGE);
    assert_string_equal(conf.text, "some");
    text[OPTION_TEXT_BYTES - 1] = '\0';
    assert_int_equal(parse("text", text, &error), STATUS_OK);
    assert_string_equal(conf.text, text);
    assert_int_equal(parse("text", "", &error), STATUS_OK);
    assert_string_equal(conf.text, "");
    const struct option *option = option_find(options, SLICE("text"));
    assert_int_equal(option_parse(option, SLICE("a\0b"), &conf, "", "text", &error), STATUS_USAGE);

    assert_int_equal(parse("list", "c", &error), STATUS_OK); /* appended */
    assert_int_equal(conf.list.count, 3);
    assert_string_equal(conf.list.items[2], "c");
    option_list_clear(&conf.list);
    assert_int_equal(parse("list", "", &error), STATUS_OK);
    assert_int_equal(parse("list", "[]", &error), STATUS_OK);
    assert_int_equal(conf.list.count, 0);
    assert_int_equal(parse("list", "a,,b", &error), STATUS_USAGE);
    assert_int_equal(parse("list", "a,", &error), STATUS_USAGE);
    option_list_clear(&conf.list);
    for (unsigned i = 0; i < OPTION_LIST_MAX; i++) {
        (void)snprintf(text, sizeof text, "item %u", i);
        assert_int_equal(parse("list", text, &error), STATUS_OK);
    }
    assert_int_equal(parse("list", "one more", &error), STATUS_USAGE);
    assert_int_equal(conf.list.count, OPTION_LIST_MAX);
    for (unsigned i = 0; i < OPTION_LIST_MAX; i++) {
        (void)snprintf(text, sizeof text, "item %u", i);
        assert_string_equal(conf.list.items[i], text);
    }
}

static void networks_are_checked_kept_and_matched(void **state)
{
    (void)state;
    struct error error;
    struct addr addr;
    char text[ADDR_TEXT_BYTES];

    assert_true(addr_parse(SLICE("192.0.2.77"), &addr));
    assert_true(option_networks_have(&conf.networks, &addr));
    assert_int_equal(parse("nets", "[198.51.100.7, 2001:db8:1::/48]", &error), STATUS_OK);
    assert_int_equal(conf.networks.count, 3);
    assert_true(addr_parse(SLICE("2001:db8:1:2::3"), &addr));
    assert_true(option_networks_have(&conf.networks, &addr));
    assert_true(addr_parse(SLICE("198.51.100.8"), &addr));
    assert_false(option_networks_have(&conf.networks, &addr));
    assert_int_equal(parse("nets", "192.0.2.0/33", &error), STATUS_USAGE);
    assert_int_equal(parse("nets", "example.com", &error), STATUS_USAGE);
    option_clear(option_find(options, SLICE("nets")), &conf);
    assert_int_equal(conf.networks.count, 0);
    assert_int_equal(parse("nets", "", &error), STATUS_OK);
    for (unsigned i = 0; i < OPTION_NETWORKS_MAX; i++) {
        (void)snprintf(text, sizeof text, "10.%u.0.0/16", i);
        assert_int_equal(parse("nets", text, &error), STATUS_OK);
    }
    assert_int_equal(parse("nets", "192.0.2.1", &error), STATUS_USAGE);
    assert_int_equal(conf.networks.count, OPTION_NETWORKS_MAX);
}

static void errors_say_key_found_and_allowed(void **state)
{
    static const struct {
        const char *key;
        const char *value;
        const char *message;
    } rows[] = {
        {"window", "60x",
         "detectors.scan.window: found '60x', a duration from 1s to 1d is allowed "
         "(like 500ms, 60s, 5m, 1h, 7d)"},
        {"count", "0",
         "detectors.scan.count: found '0', a count from 1 to 2M is allowed (like 10, 10k, 2M)"},
        {"free", "x", "detectors.scan.free: found 'x', a count is allowed (like 10, 10k, 2M)"},
        {"least", "1ms",
         "detectors.scan.least: found '1ms', a duration at least 20ms is allowed "
         "(like 500ms, 60s, 5m, 1h, 7d)"},
        {"flag", "maybe",
         "detectors.scan.flag: found 'maybe', true or false is allowed (also yes or no, on or "
         "off)"},
        {"word", "all",
         "detectors.scan.word: found 'all', one of off, failures, transactions or messages is "
         "allowed"},
        {"list", "a,,b",
         "detectors.scan.list: found 'a,,b', a list of at most 256 texts of at most 255 bytes each "
         "is allowed"},
        {"count", "\x1b[31m",
         "detectors.scan.count: found '\\x1B[31m', a count from 1 to 2M is allowed "
         "(like 10, 10k, 2M)"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct error error;
        assert_int_equal(parse(rows[i].key, rows[i].value, &error), STATUS_USAGE);
        assert_string_equal(error.message, rows[i].message);
        assert_string_equal(error.where, "a.yaml:3:5");
        assert_int_equal(error.code, STATUS_USAGE);
    }
    char huge[2000];
    struct error error;
    memset(huge, '\x01', sizeof huge - 1);
    huge[sizeof huge - 1] = '\0';
    assert_int_equal(parse("window", huge, &error), STATUS_USAGE);
    assert_non_null(strstr(error.message, "\\x01...', a duration from 1s to 1d is allowed"));
}

static void what_is_allowed_reads_well(void **state)
{
    static const struct {
        const char *key;
        const char *allowed;
    } rows[] = {
        {"flag", "true or false"},
        {"window", "1s to 1d"},
        {"least", "at least 20ms"},
        {"free", "a count"},
        {"word", "off, failures, transactions or messages"},
        {"text", "a text of at most 255 bytes"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char raw[200];
        struct text text = text_into(raw, sizeof raw);
        option_allowed(option_find(options, slice_of_string(rows[i].key)), &text);
        assert_slice(text_slice(&text), rows[i].allowed);
    }
}

static void values_print_shortest(void **state)
{
    static const struct {
        const char *key;
        const char *value;
        const char *printed;
    } rows[] = {
        {"window", "60s", "1m"},
        {"window", "90s", "90s"},
        {"window", "3600s", "1h"},
        {"window", "24h", "1d"},
        {"window", "1500ms", "1500ms"},
        {"least", "7d", "7d"},
        {"free", "0", "0"},
        {"count", "10000", "10k"},
        {"count", "1500", "1500"},
        {"bytes", "65536", "64KiB"},
        {"bytes", "1025", "1025"},
        {"bytes", "1024KiB", "1MiB"},
        {"share", "0.02", "2%"},
        {"share", "0%", "0%"},
        {"share", "0.0105%", "0.0105%"},
        {"score", "3.600", "3.6"},
        {"score", "4", "4"},
        {"flag", "off", "false"},
        {"word", "failures", "failures"},
        {"text", "x y", "x y"},
        {"list", "c", "[a, b, c]"},
        {"nets", "2001:db8::1", "[192.0.2.0/24, 2001:db8::1/128]"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char raw[64];
        struct text text = text_into(raw, sizeof raw);
        struct error error;
        assert_int_equal(parse(rows[i].key, rows[i].value, &error), STATUS_OK);
        option_print(option_find(options, slice_of_string(rows[i].key)), &conf, &text);
        assert_slice(text_slice(&text), rows[i].printed);
    }
}

/* Whatever number stands in the struct: what is printed reads back to it. */
static void what_is_printed_reads_back(void **state)
{
    static const enum option_kind kinds[] = {OPTION_COUNT, OPTION_DURATION_NS, OPTION_BYTES,
                                             OPTION_PPM, OPTION_DECIMAL};
    static const uint64_t factors[] = {1, 10, 1000, 60, 1024, 3600, 1000000, 86400, NS_PER_S};
    uint64_t seed = 13;

    (void)state;
    for (unsigned round = 0; round < 50000; round++) {
        uint64_t value = random_next(&seed) >> random_below(&seed, 64);
        value *= random_below(&seed, 2) == 0 ? 1 : factors[random_below(&seed, COUNT_OF(factors))];
        uint64_t back = 0;
        char raw[64];
        struct text text = text_into(raw, sizeof raw);
        struct error error;
        const struct option option = {.key = "x", .kind = kinds[round % COUNT_OF(kinds)]};
        option_print(&option, &value, &text);
        assert_int_equal(option_parse(&option, text_slice(&text), &back, "", "x", &error),
                         STATUS_OK);
        assert_true(back == value);
    }
}

static void keys_are_found(void **state)
{
    (void)state;
    assert_ptr_equal(option_find(options, SLICE("flag")), &options[0]);
    assert_ptr_equal(option_find(options, SLICE("list")), &options[10]);
    assert_null(option_find(options, SLICE("flags")));
    assert_null(option_find(options, SLICE("Flag")));
    assert_null(option_find(options, SLICE_NONE));
}

static void distances(void **state)
{
    static const struct {
        const char *one;
        const char *other;
        unsigned limit;
        unsigned distance;
    } rows[] = {
        {"", "", 2, 0},
        {"window", "window", 2, 0},
        {"window", "windov", 2, 1},
        {"window", "windw", 2, 1},
        {"window", "windoow", 2, 1},
        {"window", "widnow", 2, 1}, /* neighbours changed places */
        {"window", "wdniow", 5, 2},
        {"kitten", "sitting", 5, 3},
        {"kitten", "sitting", 2, 3}, /* limit + 1 */
        {"", "abc", 3, 3},
        {"", "abc", 2, 3},
        {"abc", "", 3, 3},
        {"abcdefgh", "hgfedcba", 3, 4},
    };
    char huge[200];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct slice one = slice_of_string(rows[i].one);
        struct slice other = slice_of_string(rows[i].other);
        assert_int_equal(option_distance(one, other, rows[i].limit), rows[i].distance);
        assert_int_equal(option_distance(other, one, rows[i].limit), rows[i].distance);
    }
    memset(huge, 'x', sizeof huge);
    assert_int_equal(option_distance(slice_of(huge, 64), slice_of(huge, 64), 2), 0);
    assert_int_equal(option_distance(slice_of(huge, 65), slice_of(huge, 65), 2), 3);
}

/* What is wrong with a password is said without the password. */
static void a_secret_stands_in_no_error(void **state)
{
    static const struct option secret[] = {
        OPTION_SECRET("password", conf, text, "a password"),
        {.kind = OPTION_END},
    };
    char text[OPTION_TEXT_BYTES + 1];
    struct error error = {0};
    (void)state;

    memset(text, 'k', sizeof text);
    assert_int_equal(
        option_parse(secret, slice_of(text, sizeof text), &conf, "f:1:2", "a.password", &error),
        STATUS_USAGE);
    assert_null(strstr(error.message, "kk"));
    assert_non_null(strstr(error.message, "a.password: fewer than 256 bytes are allowed"));
    assert_int_equal(option_parse(secret, SLICE("open sesame"), &conf, "f", "p", &error),
                     STATUS_OK);
    assert_string_equal(conf.text, "open sesame");
}

int main(void)
{
#define WITH_CONF(test) cmocka_unit_test_setup_teardown(test, with_presets, without)
    const struct CMUnitTest tests[] = {
        WITH_CONF(presets_are_the_defaults),
        WITH_CONF(numbers_are_read_as_people_write_them),
        WITH_CONF(switches_and_words),
        WITH_CONF(texts_and_lists_are_bounded),
        WITH_CONF(networks_are_checked_kept_and_matched),
        WITH_CONF(errors_say_key_found_and_allowed),
        WITH_CONF(a_secret_stands_in_no_error),
        WITH_CONF(what_is_allowed_reads_well),
        WITH_CONF(values_print_shortest),
        cmocka_unit_test(what_is_printed_reads_back),
        cmocka_unit_test(keys_are_found),
        cmocka_unit_test(distances),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
