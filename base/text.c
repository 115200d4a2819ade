/* text.c - everything that leaves as text is written here: bounded, integer arithmetic only.
 *
 * A part that does not fit is left out whole, and nothing is written after it, so a text is always
 * a clean prefix of what it should have been.
 *
 * UTF-8 is checked strictly (RFC 3629 section 3: shortest form, no surrogates, up to U+10FFFF),
 * because a consumer that is stricter than we are would refuse the whole record for one forged
 * header. What can act on a terminal or turn a line around is escaped, even where JSON would allow
 * it in clear.
 *
 * text_json copies eight bytes at a time: nearly all text on the wire is plain ASCII. The test of a
 * word marks the lowest special byte exactly (a borrow runs upwards only), which is all that is
 * needed. */
#include "base/text.h"

#include "base/clock.h"

#include <stdarg.h>

static const char pairs[] = "00010203040506070809101112131415161718192021222324"
                            "25262728293031323334353637383940414243444546474849"
                            "50515253545556575859606162636465666768697071727374"
                            "75767778798081828384858687888990919293949596979899";

static bool room_for(struct text *text, size_t bytes)
{
    if (text->overflow || bytes > text->capacity - text->bytes) {
        text->overflow = true;
        return false;
    }
    return true;
}

static void put(struct text *text, const void *at, size_t bytes)
{
    if (room_for(text, bytes) && bytes > 0) {
        memcpy(text->at + text->bytes, at, bytes);
        text->bytes += bytes;
    }
}

void text_byte(struct text *text, char byte)
{
    if (room_for(text, 1)) {
        text->at[text->bytes++] = byte;
    }
}

void text_slice_put(struct text *text, struct slice part)
{
    put(text, part.at, part.bytes);
}

void text_string(struct text *text, const char *part)
{
    put(text, part, strlen(part));
}

void text_u64(struct text *text, uint64_t value)
{
    char digits[20];
    size_t from = sizeof digits;

    while (value >= 100) {
        from -= 2;
        memcpy(digits + from, pairs + 2 * (value % 100), 2);
        value /= 100;
    }
    if (value >= 10) {
        from -= 2;
        memcpy(digits + from, pairs + 2 * value, 2);
    } else {
        digits[--from] = (char)('0' + value);
    }
    put(text, digits + from, sizeof digits - from);
}

void text_i64(struct text *text, int64_t value)
{
    size_t start = text->bytes;

    if (value < 0) {
        text_byte(text, '-');
    }
    text_u64(text, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
    if (text->overflow) {
        text->bytes = start;
    }
}

void text_hex(struct text *text, uint64_t value, unsigned digits)
{
    char hex[16];

    assert(digits >= 1 && digits <= sizeof hex);
    for (unsigned i = digits; i > 0; i--) {
        hex[i - 1] = "0123456789abcdef"[value & 15];
        value >>= 4;
    }
    put(text, hex, digits);
}

void text_decimal(struct text *text, int64_t value, unsigned decimals)
{
    uint64_t magnitude = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    size_t start = text->bytes;
    uint64_t scale = 1;

    assert(decimals <= 18);
    for (unsigned i = 0; i < decimals; i++) {
        scale *= 10;
    }
    if (value < 0) {
        text_byte(text, '-');
    }
    text_u64(text, magnitude / scale);
    text_byte(text, '.');
    uint64_t fraction = magnitude % scale;
    do {
        scale = scale >= 10 ? scale / 10 : 1;
        text_byte(text, (char)('0' + fraction / scale));
        fraction %= scale;
    } while (fraction != 0);
    if (text->overflow) {
        text->bytes = start;
    }
}

void text_format(struct text *text, const char *format, ...)
{
    char small[512];
    va_list arguments;
    va_list again;

    va_start(arguments, format);
    va_copy(again, arguments);
    int wanted = vsnprintf(small, sizeof small, format, arguments);
    if (wanted >= 0 && (size_t)wanted < sizeof small) {
        put(text, small, (size_t)wanted);
    } else if (wanted >= 0 && room_for(text, (size_t)wanted + 1)) {
        /* Long ones go straight to their place; vsnprintf wants a byte more for its NUL. */
        (void)vsnprintf(text->at + text->bytes, (size_t)wanted + 1, format, again);
        text->bytes += (size_t)wanted;
    } else {
        text->overflow = true;
    }
    va_end(again);
    va_end(arguments);
}

/* Days since 1970-01-01 to a date of the Gregorian calendar. Years are counted from March, so that
 * the leap day is the last of its year and the months' lengths repeat every five (153 days). */
static void date_of_days(uint64_t days, unsigned *out_year, unsigned *out_month, unsigned *out_day)
{
    uint64_t from_march_0 = days + 719468; /* days from 0000-03-01 to 1970-01-01 */
    uint64_t era = from_march_0 / 146097; /* days of 400 years */
    unsigned in_era = (unsigned)(from_march_0 % 146097);
    unsigned year = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
    unsigned in_year = in_era - (365 * year + year / 4 - year / 100);
    unsigned month = (5 * in_year + 2) / 153;

    *out_day = in_year - (153 * month + 2) / 5 + 1;
    *out_month = month < 10 ? month + 3 : month - 9;
    *out_year = (unsigned)era * 400 + year + (*out_month <= 2);
}

static char *put_pair(char *at, unsigned value)
{
    memcpy(at, pairs + 2 * (size_t)value, 2);
    return at + 2;
}

void text_time(struct text *text, uint64_t time_ns, unsigned digits)
{
    uint64_t seconds = time_ns / NS_PER_S;
    unsigned fraction = (unsigned)(time_ns % NS_PER_S);
    unsigned in_day = (unsigned)(seconds % 86400);
    unsigned year;
    unsigned month;
    unsigned day;
    char line[32];
    char *at = line;

    assert(digits <= 9);
    date_of_days(seconds / 86400, &year, &month, &day);
    at = put_pair(at, year / 100);
    at = put_pair(at, year % 100);
    *at++ = '-';
    at = put_pair(at, month);
    *at++ = '-';
    at = put_pair(at, day);
    *at++ = 'T';
    at = put_pair(at, in_day / 3600);
    *at++ = ':';
    at = put_pair(at, in_day / 60 % 60);
    *at++ = ':';
    at = put_pair(at, in_day % 60);
    if (digits > 0) {
        *at++ = '.';
        for (unsigned i = digits; i < 9; i++) {
            fraction /= 10;
        }
        for (unsigned i = digits; i > 0; i--) {
            at[i - 1] = (char)('0' + fraction % 10);
            fraction /= 10;
        }
        at += digits;
    }
    *at++ = 'Z';
    put(text, line, (size_t)(at - line));
}

void text_duration(struct text *text, uint64_t duration_ns)
{
    static const struct {
        uint64_t ns;
        const char *name;
        unsigned thousandths; /* to which it is rounded */
    } units[] = {
        {NS_PER_DAY, " d", 10}, {NS_PER_HOUR, " h", 10}, {NS_PER_MINUTE, " min", 10},
        {NS_PER_S, " s", 1},    {NS_PER_US, " ms", 1},
    };
    size_t start = text->bytes;

    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (duration_ns < units[i].ns) {
            continue;
        }
        /* Milliseconds begin at a microsecond: 0.25 ms reads better than 250 us to most. */
        uint64_t unit = units[i].ns == NS_PER_US ? NS_PER_MS : units[i].ns;
        uint64_t step = unit / 1000 * units[i].thousandths;
        uint64_t steps = duration_ns / step + (duration_ns % step >= step / 2);
        uint64_t per_unit = 1000 / units[i].thousandths;
        text_u64(text, steps / per_unit);
        uint64_t fraction = steps % per_unit;
        if (fraction > 0) {
            text_byte(text, '.');
        }
        while (fraction > 0) {
            per_unit /= 10;
            text_byte(text, (char)('0' + fraction / per_unit));
            fraction %= per_unit;
        }
        text_string(text, units[i].name);
        break;
    }
    if (duration_ns < NS_PER_US) {
        text_u64(text, duration_ns);
        text_string(text, duration_ns == 0 ? " s" : " ns");
    }
    if (text->overflow) {
        text->bytes = start;
    }
}

/* The length of the well-formed UTF-8 sequence at `at`, or 0 (RFC 3629 section 4). */
static size_t utf8_length(const uint8_t *at, const uint8_t *end, uint32_t *out_point)
{
    static const uint32_t lowest[5] = {0, 0, 0x80, 0x800, 0x10000};
    uint8_t first = at[0];
    size_t length;
    uint32_t point;

    if (first < 0x80) {
        *out_point = first;
        return 1;
    }
    if (first < 0xc2) {
        return 0; /* a continuation byte, or longer than needed */
    }
    if (first < 0xe0) {
        length = 2;
        point = first & 0x1fU;
    } else if (first < 0xf0) {
        length = 3;
        point = first & 0x0fU;
    } else if (first < 0xf5) {
        length = 4;
        point = first & 0x07U;
    } else {
        return 0;
    }
    if ((size_t)(end - at) < length) {
        return 0;
    }
    for (size_t i = 1; i < length; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0;
        }
        point = point << 6 | (at[i] & 0x3fU);
    }
    if (point < lowest[length] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) {
        return 0;
    }
    *out_point = point;
    return length;
}

static bool turns_lines(uint32_t point)
{
    return point == 0x2028 || point == 0x2029 || (point >= 0x202a && point <= 0x202e) ||
           (point >= 0x2066 && point <= 0x2069);
}

static bool is_control(uint32_t point)
{
    return point < 0x20 || (point >= 0x7f && point <= 0x9f);
}

static void put_json_escape(struct text *text, uint32_t point)
{
    char short_form = 0;

    switch (point) {
    case '"':
    case '\\':
        short_form = (char)point;
        break;
    case '\b':
        short_form = 'b';
        break;
    case '\f':
        short_form = 'f';
        break;
    case '\n':
        short_form = 'n';
        break;
    case '\r':
        short_form = 'r';
        break;
    case '\t':
        short_form = 't';
        break;
    default:
        put(text, "\\u", 2);
        text_hex(text, point, 4);
        return;
    }
    text_byte(text, '\\');
    text_byte(text, short_form);
}

/* Writes the one character at `at` that is not plain; returns its bytes. */
static size_t put_json_special(struct text *text, const uint8_t *at, const uint8_t *end,
                               bool *valid)
{
    uint32_t point;
    size_t length = utf8_length(at, end, &point);

    if (length == 0) {
        char hex[5] = {'\\', '\\', 'x', "0123456789ABCDEF"[at[0] >> 4],
                       "0123456789ABCDEF"[at[0] & 15]};
        put(text, hex, sizeof hex);
        *valid = false;
        return 1;
    }
    if (is_control(point) || point == '"' || point == '\\' || turns_lines(point)) {
        put_json_escape(text, point);
    } else {
        put(text, at, length);
    }
    return length;
}

/* A bit in bit 7 of each byte that is not plain; exact up to the lowest one. */
static uint64_t not_plain(uint64_t word)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t quote = word ^ ones * '"';
    uint64_t slash = word ^ ones * '\\';
    uint64_t delete = word ^ ones * 0x7f;
    uint64_t low = (word - ones * 0x20) & ~word;

    quote = (quote - ones) & ~quote;
    slash = (slash - ones) & ~slash;
    delete = (delete - ones) & ~delete;
    return (word | low | quote | slash | delete) & ones * 0x80;
}

/* Copies the plain bytes at `at`; returns how many, 0 when the first one is special or nothing
 * fits. */
static size_t put_json_plain(struct text *text, const uint8_t *at, const uint8_t *end)
{
    const uint8_t *from = at;

    while (end - at >= 8 && text->capacity - text->bytes >= 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        /* Written whole, counted as far as it is plain: the rest is written over. */
        memcpy(text->at + text->bytes, &word, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        word = __builtin_bswap64(word);
#endif
        uint64_t special = not_plain(word);
        size_t plain = special == 0 ? 8 : (size_t)__builtin_ctzll(special) / 8;
        text->bytes += plain;
        at += plain;
        if (special != 0) {
            return (size_t)(at - from);
        }
    }
    while (at < end && *at >= 0x20 && *at < 0x7f && *at != '"' && *at != '\\' &&
           text->bytes < text->capacity) {
        text->at[text->bytes++] = (char)*at++;
    }
    return (size_t)(at - from);
}

bool text_json(struct text *text, struct slice part)
{
    const uint8_t *at = (const uint8_t *)part.at;
    const uint8_t *end = part.bytes == 0 ? at : at + part.bytes;
    size_t start = text->bytes;
    bool valid = true;

    while (at < end && !text->overflow) {
        at += put_json_plain(text, at, end);
        if (at < end) {
            at += put_json_special(text, at, end, &valid);
        }
    }
    if (text->overflow) {
        text->bytes = start;
    }
    return valid;
}

/* Beyond what turns lines: marks of direction, of zero width, and tags nobody can see. */
static bool is_invisible(uint32_t point)
{
    return turns_lines(point) || point == 0x061c || (point >= 0x200b && point <= 0x200f) ||
           (point >= 0x2060 && point <= 0x206f) || point == 0xfeff ||
           (point >= 0xfff9 && point <= 0xfffb) || (point >= 0xe0000 && point <= 0xe0fff);
}

void text_printable(struct text *text, struct slice part)
{
    const uint8_t *at = (const uint8_t *)part.at;
    const uint8_t *end = part.bytes == 0 ? at : at + part.bytes;
    size_t start = text->bytes;

    while (at < end && !text->overflow) {
        uint32_t point = 0;
        size_t length = utf8_length(at, end, &point);
        if (length > 0 && !is_control(point) && !is_invisible(point)) {
            put(text, at, length);
            at += length;
            continue;
        }
        for (size_t left = length == 0 ? 1 : length; left > 0; left--, at++) {
            char hex[4] = {'\\', 'x', "0123456789ABCDEF"[*at >> 4], "0123456789ABCDEF"[*at & 15]};
            put(text, hex, sizeof hex);
        }
    }
    if (text->overflow) {
        text->bytes = start;
    }
}

const char *text_terminate(struct text *text)
{
    assert(text->capacity > 0);
    if (text->bytes == text->capacity) {
        text->bytes--;
        text->overflow = true;
    }
    text->at[text->bytes] = '\0';
    return text->at;
}
