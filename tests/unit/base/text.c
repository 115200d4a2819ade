#include "tests/unit/base/unit.h"

#include "base/clock.h"
#include "base/text.h"

static char line[4096];

static struct text fresh(void)
{
    return text_into(line, sizeof line);
}

static void numbers_print(void **state)
{
    static const struct {
        uint64_t value;
        const char *printed;
    } rows[] = {
        {0, "0"},
        {9, "9"},
        {10, "10"},
        {99, "99"},
        {100, "100"},
        {12345, "12345"},
        {UINT64_MAX, "18446744073709551615"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct text text = fresh();
        text_u64(&text, rows[i].value);
        assert_slice(text_slice(&text), rows[i].printed);
    }
    struct text text = fresh();
    text_i64(&text, INT64_MIN);
    text_byte(&text, ' ');
    text_i64(&text, -1);
    text_byte(&text, ' ');
    text_i64(&text, 0);
    text_byte(&text, ' ');
    text_i64(&text, INT64_MAX);
    assert_slice(text_slice(&text), "-9223372036854775808 -1 0 9223372036854775807");
    text = fresh();
    text_hex(&text, 0xabc, 4);
    text_hex(&text, 0xabc, 2);
    text_hex(&text, UINT64_MAX, 16);
    assert_slice(text_slice(&text), "0abcbcffffffffffffffff");
}

static void decimals_print(void **state)
{
    static const struct {
        int64_t value;
        unsigned decimals;
        const char *printed;
    } rows[] = {
        {1500, 3, "1.5"},
        {2000, 3, "2.0"},
        {0, 3, "0.0"},
        {1, 3, "0.001"},
        {-1, 3, "-0.001"},
        {-1500, 3, "-1.5"},
        {1050, 3, "1.05"},
        {999, 3, "0.999"},
        {7, 0, "7.0"},
        {7, 1, "0.7"},
        {INT64_MAX, 18, "9.223372036854775807"},
        {INT64_MIN, 18, "-9.223372036854775808"},
        {INT64_MIN, 0, "-9223372036854775808.0"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct text text = fresh();
        text_decimal(&text, rows[i].value, rows[i].decimals);
        assert_slice(text_slice(&text), rows[i].printed);
    }
}

static void times_print(void **state)
{
    static const struct {
        uint64_t time_ns;
        unsigned digits;
        const char *printed;
    } rows[] = {
        {0, 9, "1970-01-01T00:00:00.000000000Z"},
        {0, 0, "1970-01-01T00:00:00Z"},
        {UINT64_C(1767323045678901234), 9, "2026-01-02T03:04:05.678901234Z"},
        {UINT64_C(1767323045678901234), 6, "2026-01-02T03:04:05.678901Z"},
        {UINT64_C(1767323045678901234), 3, "2026-01-02T03:04:05.678Z"},
        {UINT64_C(1767323045999999999), 1, "2026-01-02T03:04:05.9Z"},
        {UINT64_C(951782399) * NS_PER_S, 0, "2000-02-28T23:59:59Z"},
        {UINT64_C(951782400) * NS_PER_S, 0, "2000-02-29T00:00:00Z"},
        {UINT64_C(951868800) * NS_PER_S, 0, "2000-03-01T00:00:00Z"},
        {UINT64_C(978307199) * NS_PER_S, 0, "2000-12-31T23:59:59Z"},
        {UINT64_C(4107542400) * NS_PER_S, 0, "2100-03-01T00:00:00Z"},
        {UINT64_C(4107542399) * NS_PER_S, 0, "2100-02-28T23:59:59Z"}, /* no leap year */
        {UINT64_MAX, 9, "2554-07-21T23:34:33.709551615Z"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct text text = fresh();
        text_time(&text, rows[i].time_ns, rows[i].digits);
        assert_slice(text_slice(&text), rows[i].printed);
    }
}

/* Day after day against a calendar that counts. */
static void every_day_follows_the_one_before(void **state)
{
    static const unsigned lengths[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    unsigned year = 1970;
    unsigned month = 1;
    unsigned day = 1;

    (void)state;
    for (uint64_t days = 0; days < 213000; days++) {
        struct text text = fresh();
        char wanted[48];
        text_time(&text, days * NS_PER_DAY, 0);
        (void)snprintf(wanted, sizeof wanted, "%04u-%02u-%02uT00:00:00Z", year, month, day);
        assert_slice(text_slice(&text), wanted);
        bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
        day++;
        if (day > lengths[month - 1] + (month == 2 && leap ? 1 : 0)) {
            day = 1;
            month++;
        }
        if (month > 12) {
            month = 1;
            year++;
        }
    }
}

static void durations_print(void **state)
{
    static const struct {
        uint64_t duration_ns;
        const char *printed;
    } rows[] = {
        {0, "0 s"},
        {999, "999 ns"},
        {1000, "0.001 ms"},
        {250000, "0.25 ms"},
        {20 * NS_PER_MS, "20 ms"},
        {999999499, "999.999 ms"},
        {NS_PER_S, "1 s"},
        {1500000000, "1.5 s"},
        {UINT64_C(59999000000), "59.999 s"},
        {60 * NS_PER_S, "1 min"},
        {90 * NS_PER_S, "1.5 min"},
        {UINT64_C(7200000000000), "2 h"},
        {NS_PER_HOUR + 36 * NS_PER_S, "1.01 h"},
        {NS_PER_DAY, "1 d"},
        {36 * NS_PER_HOUR, "1.5 d"},
        {UINT64_MAX, "213503.98 d"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct text text = fresh();
        text_duration(&text, rows[i].duration_ns);
        assert_slice(text_slice(&text), rows[i].printed);
    }
}

static void json_escapes(void **state)
{
    static const struct {
        struct slice part;
        const char *printed;
        bool valid;
    } rows[] = {
        {{"", 0}, "", true},
        {{NULL, 0}, "", true},
        {{"plain text of more than eight", 29}, "plain text of more than eight", true},
        {{"\"", 1}, "\\\"", true},
        {{"1234567\"", 8}, "1234567\\\"", true},
        {{"12345678\\9", 10}, "12345678\\\\9", true},
        {{"\b\f\n\r\t", 5}, "\\b\\f\\n\\r\\t", true},
        {{"\0\x01\x1f", 3}, "\\u0000\\u0001\\u001f", true},
        {{"\x7f", 1}, "\\u007f", true},
        {{"/~ !", 4}, "/~ !", true},
        {{"\xc2\x80\xc2\x9f\xc2\xa0", 6}, "\\u0080\\u009f\xc2\xa0", true},
        {{"gr\xc3\xbc\xc3\x9f", 6}, "gr\xc3\xbc\xc3\x9f", true},
        {{"\xe2\x82\xac", 3}, "\xe2\x82\xac", true},
        {{"\xf0\x9f\x98\x80", 4}, "\xf0\x9f\x98\x80", true},
        {{"\xe2\x80\xa8\xe2\x80\xa9", 6}, "\\u2028\\u2029", true},
        {{"\xe2\x80\xaa\xe2\x80\xae", 6}, "\\u202a\\u202e", true},
        {{"\xe2\x81\xa6\xe2\x81\xa9", 6}, "\\u2066\\u2069", true},
        {{"\xe2\x81\xa5\xe2\x81\xaa", 6}, "\xe2\x81\xa5\xe2\x81\xaa", true}, /* the neighbours */
        {{"\xe2\x80\xa7\xe2\x80\xaf", 6}, "\xe2\x80\xa7\xe2\x80\xaf", true},
        {{"\xff", 1}, "\\\\xFF", false},
        {{"a\x80"
          "b",
          3},
         "a\\\\x80b",
         false},
        {{"\xc0\x80", 2}, "\\\\xC0\\\\x80", false}, /* overlong NUL */
        {{"\xc1\xbf", 2}, "\\\\xC1\\\\xBF", false}, /* overlong DEL */
        {{"\xe0\x9f\xbf", 3}, "\\\\xE0\\\\x9F\\\\xBF", false}, /* overlong U+07FF */
        {{"\xe0\xa0\x80", 3}, "\xe0\xa0\x80", true}, /* U+0800 */
        {{"\xf0\x8f\xbf\xbf", 4}, "\\\\xF0\\\\x8F\\\\xBF\\\\xBF", false}, /* overlong U+FFFF */
        {{"\xf0\x90\x80\x80", 4}, "\xf0\x90\x80\x80", true}, /* U+10000 */
        {{"\xed\x9f\xbf", 3}, "\xed\x9f\xbf", true}, /* U+D7FF */
        {{"\xed\xa0\x80", 3}, "\\\\xED\\\\xA0\\\\x80", false}, /* a surrogate */
        {{"\xed\xbf\xbf", 3}, "\\\\xED\\\\xBF\\\\xBF", false}, /* the last one */
        {{"\xee\x80\x80", 3}, "\xee\x80\x80", true}, /* U+E000 */
        {{"\xf4\x8f\xbf\xbf", 4}, "\xf4\x8f\xbf\xbf", true}, /* U+10FFFF */
        {{"\xf4\x90\x80\x80", 4}, "\\\\xF4\\\\x90\\\\x80\\\\x80", false},
        {{"\xf5\x80\x80\x80", 4}, "\\\\xF5\\\\x80\\\\x80\\\\x80", false},
        {{"\xe2\x82", 2}, "\\\\xE2\\\\x82", false}, /* cut */
        {{"\xe2\x82"
          "A",
          3},
         "\\\\xE2\\\\x82A",
         false},
        {{"\xf0\x9f\x98", 3}, "\\\\xF0\\\\x9F\\\\x98", false},
        {{"\xc3", 1}, "\\\\xC3", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct text text = fresh();
        assert_int_equal(text_json(&text, rows[i].part), rows[i].valid);
        assert_slice(text_slice(&text), rows[i].printed);
    }
}

/* One byte of every value at every place of two words, against the rule for that byte alone. */
static void every_byte_at_every_place(void **state)
{
    (void)state;
    for (unsigned byte = 0; byte < 256; byte++) {
        for (size_t place = 0; place < 17; place++) {
            char raw[17];
            char wanted_raw[32];
            struct text alone = text_into(wanted_raw, sizeof wanted_raw);
            char one = (char)byte;
            bool valid = text_json(&alone, slice_of(&one, 1));
            assert_int_equal(valid, byte < 0x80);
            bool plain = byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\';
            assert_int_equal(alone.bytes == 1, plain);
            memset(raw, 'a', sizeof raw);
            raw[place] = one;
            struct text text = fresh();
            assert_int_equal(text_json(&text, slice_of(raw, sizeof raw)), valid);
            assert_int_equal(text.bytes, 16 + alone.bytes);
            assert_memory_equal(text.at + place, alone.at, alone.bytes);
            for (size_t i = 0; i < text.bytes; i++) {
                assert_true((i >= place && i < place + alone.bytes) || text.at[i] == 'a');
            }
        }
    }
}

static unsigned hex_digit(char digit)
{
    return digit <= '9' ? (unsigned)(digit - '0')
                        : (unsigned)((unsigned char)digit | 0x20U) - 'a' + 10;
}

/* The inverse: back to bytes, \xNN as the byte it was. Enough for what text_json writes. */
static size_t unescape(struct slice text, uint8_t *out)
{
    size_t used = 0;

    for (size_t i = 0; i < text.bytes; i++) {
        if (text.at[i] != '\\') {
            out[used++] = (uint8_t)text.at[i];
            continue;
        }
        char kind = text.at[++i];
        static const char letters[] = "\"\\bfnrt";
        static const char bytes[] = "\"\\\b\f\n\r\t";
        const char *letter = strchr(letters, kind);
        if (kind == 'u') {
            unsigned point = 0;
            for (unsigned k = 1; k <= 4; k++) {
                point = point << 4 | hex_digit(text.at[i + k]);
            }
            i += 4;
            if (point < 0x80) {
                out[used++] = (uint8_t)point;
            } else if (point < 0x800) {
                out[used++] = (uint8_t)(0xc0 | point >> 6);
                out[used++] = (uint8_t)(0x80 | (point & 0x3f));
            } else {
                out[used++] = (uint8_t)(0xe0 | point >> 12);
                out[used++] = (uint8_t)(0x80 | (point >> 6 & 0x3f));
                out[used++] = (uint8_t)(0x80 | (point & 0x3f));
            }
        } else if (kind == '\\' && i + 1 < text.bytes && text.at[i + 1] == 'x') {
            out[used++] = (uint8_t)(hex_digit(text.at[i + 2]) << 4 | hex_digit(text.at[i + 3]));
            i += 3;
        } else {
            assert_non_null(letter);
            out[used++] = (uint8_t)bytes[letter - letters];
        }
    }
    return used;
}

static void random_bytes_survive_json(void **state)
{
    static const char *const pieces[] = {
        "\xc3\xbc",   "\xe2\x82\xac", "\xe2\x80\xae", "\xf0\x9f\x98\x80",
        "plain text", "\xed\xa0\x80", "\"",           "\n",
        "\xff",       "\xc2"};
    uint64_t seed = 3;

    (void)state;
    for (unsigned round = 0; round < 20000; round++) {
        char raw[64];
        uint8_t back[512];
        size_t bytes = 0;
        while (bytes < 40 && random_below(&seed, 20) != 0) {
            const char *piece = pieces[random_below(&seed, COUNT_OF(pieces))];
            if (random_below(&seed, 3) == 0) {
                raw[bytes++] = (char)random_below(&seed, 256);
            } else {
                memcpy(raw + bytes, piece, strlen(piece));
                bytes += strlen(piece);
            }
        }
        for (size_t i = 0; i < bytes; i++) {
            raw[i] = raw[i] == 'x' ? 'y' : raw[i]; /* "\x" of the sender's own is not told apart */
        }
        struct text text = fresh();
        (void)text_json(&text, slice_of(raw, bytes));
        assert_false(text.overflow);
        assert_int_equal(unescape(text_slice(&text), back), bytes);
        assert_memory_equal(back, raw, bytes);
    }
}

static void printable_is_safe_for_a_terminal(void **state)
{
    static const struct {
        struct slice part;
        const char *printed;
    } rows[] = {
        {{NULL, 0}, ""},
        {{"plain \"quoted\" \\", 16}, "plain \"quoted\" \\"},
        {{"\x1b[31m", 5}, "\\x1B[31m"},
        {{"a\nb\r\t\0", 6}, "a\\x0Ab\\x0D\\x09\\x00"},
        {{"\x7f", 1}, "\\x7F"},
        {{"gr\xc3\xbc\xc3\x9f", 6}, "gr\xc3\xbc\xc3\x9f"},
        {{"\xc2\x9b", 2}, "\\xC2\\x9B"}, /* CSI as one C1 control */
        {{"\xe2\x80\xae", 3}, "\\xE2\\x80\\xAE"},
        {{"\xe2\x80\xa8", 3}, "\\xE2\\x80\\xA8"},
        {{"\xe2\x80\x8b", 3}, "\\xE2\\x80\\x8B"},
        {{"\xef\xbb\xbf", 3}, "\\xEF\\xBB\\xBF"},
        {{"\xff\xc0\x80", 3}, "\\xFF\\xC0\\x80"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct text text = fresh();
        text_printable(&text, rows[i].part);
        assert_slice(text_slice(&text), rows[i].printed);
    }
}

static void write_kind(struct text *text, unsigned kind)
{
    switch (kind) {
    case 0:
        text_u64(text, 12345678);
        break;
    case 1:
        text_i64(text, -1234567);
        break;
    case 2:
        text_hex(text, 0x12345678, 8);
        break;
    case 3:
        text_decimal(text, -12345, 3);
        break;
    case 4:
        text_string(text, "12345678");
        break;
    case 5:
        text_format(text, "%d-%s", 123, "4567");
        break;
    case 6:
        (void)text_json(text, SLICE("1234567\n"));
        break;
    case 7:
        text_printable(text, SLICE("1234\xff"));
        break;
    case 8:
        text_duration(text, 1234567890);
        break;
    case 9:
        text_time(text, 0, 0);
        break;
    default:
        (void)text_json(text, SLICE("123456789012"));
        break;
    }
}

/* For each kind of part: with one byte too few nothing of it is there and nothing follows; with
 * exactly enough all is there. The bytes behind the capacity stay untouched. */
static void what_does_not_fit_is_left_out_whole(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind <= 10; kind++) {
        struct text whole = fresh();
        write_kind(&whole, kind);
        for (size_t capacity = 0; capacity <= whole.bytes + 2; capacity++) {
            char raw[64];
            memset(raw, '#', sizeof raw);
            struct text text = text_into(raw, capacity + 1);
            text_byte(&text, '>');
            write_kind(&text, kind);
            if (capacity >= whole.bytes) {
                assert_false(text.overflow);
                assert_int_equal(text.bytes, 1 + whole.bytes);
                assert_memory_equal(raw + 1, whole.at, whole.bytes);
            } else {
                assert_true(text.overflow);
                assert_int_equal(text.bytes, 1);
                text_byte(&text, 'x');
                assert_int_equal(text.bytes, 1);
            }
            assert_int_equal(raw[capacity + 1], '#');
        }
    }
}

static void long_formats_go_straight(void **state)
{
    char long_text[1001];
    char raw[1100];
    struct text text = text_into(raw, sizeof raw);

    (void)state;
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    text_format(&text, "%s!", long_text);
    assert_false(text.overflow);
    assert_int_equal(text.bytes, 1001);
    assert_int_equal(raw[1000], '!');
    text_format(&text, "%s", long_text);
    assert_true(text.overflow);
    assert_int_equal(text.bytes, 1001);
}

static void a_text_ends_with_nul_inside(void **state)
{
    char raw[4];
    struct text text = text_into(raw, sizeof raw);

    (void)state;
    assert_string_equal(text_terminate(&text), "");
    text_string(&text, "abc");
    assert_string_equal(text_terminate(&text), "abc");
    assert_false(text.overflow);
    text_byte(&text, 'd');
    assert_string_equal(text_terminate(&text), "abc");
    assert_true(text.overflow);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_print),
        cmocka_unit_test(decimals_print),
        cmocka_unit_test(times_print),
        cmocka_unit_test(every_day_follows_the_one_before),
        cmocka_unit_test(durations_print),
        cmocka_unit_test(json_escapes),
        cmocka_unit_test(every_byte_at_every_place),
        cmocka_unit_test(random_bytes_survive_json),
        cmocka_unit_test(printable_is_safe_for_a_terminal),
        cmocka_unit_test(what_does_not_fit_is_left_out_whole),
        cmocka_unit_test(long_formats_go_straight),
        cmocka_unit_test(a_text_ends_with_nul_inside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
