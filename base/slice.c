/* slice.c - text without NULs, in ASCII where letters matter: no locale decides what equals what,
 * and bytes of other alphabets stay as they came. Searching is quadratic in the worst case on
 * purpose; the needles are header names and product names of a few bytes. */
#include "base/slice.h"

struct slice slice_of_string(const char *text)
{
    return text == NULL ? SLICE_NONE : slice_of(text, strlen(text));
}

char slice_lower(char byte)
{
    return byte >= 'A' && byte <= 'Z' ? (char)(byte | 0x20) : byte;
}

static bool same_nocase(const char *one, const char *other, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        if (one[i] != other[i] && slice_lower(one[i]) != slice_lower(other[i])) {
            return false;
        }
    }
    return true;
}

bool slice_equal_nocase(struct slice one, struct slice other)
{
    return one.bytes == other.bytes && same_nocase(one.at, other.at, one.bytes);
}

bool slice_starts_with(struct slice text, struct slice prefix)
{
    return text.bytes >= prefix.bytes && slice_equal(slice_part(text, 0, prefix.bytes), prefix);
}

bool slice_starts_with_nocase(struct slice text, struct slice prefix)
{
    return text.bytes >= prefix.bytes && same_nocase(text.at, prefix.at, prefix.bytes);
}

bool slice_contains_nocase(struct slice text, struct slice part)
{
    if (part.bytes == 0 || part.bytes > text.bytes) {
        return part.bytes == 0;
    }
    const char first = slice_lower(part.at[0]);
    const char *last = text.at + (text.bytes - part.bytes);
    for (const char *at = text.at; at <= last; at++) {
        if (slice_lower(*at) == first && same_nocase(at, part.at, part.bytes)) {
            return true;
        }
    }
    return false;
}

int slice_compare(struct slice one, struct slice other)
{
    size_t shared = one.bytes < other.bytes ? one.bytes : other.bytes;
    int order = shared == 0 ? 0 : memcmp(one.at, other.at, shared);

    if (order != 0) {
        return order;
    }
    return (one.bytes > other.bytes) - (one.bytes < other.bytes);
}

size_t slice_find(struct slice text, char byte)
{
    const char *found = text.bytes == 0 ? NULL : memchr(text.at, byte, text.bytes);

    return found == NULL ? text.bytes : (size_t)(found - text.at);
}

size_t slice_find_last(struct slice text, char byte)
{
    const char *found = text.bytes == 0 ? NULL : memrchr(text.at, byte, text.bytes);

    return found == NULL ? text.bytes : (size_t)(found - text.at);
}

static bool is_blank(char byte)
{
    /* Nearly every byte is none, and one comparison tells. */
    return (uint8_t)byte <= ' ' && (byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n');
}

struct slice slice_trim(struct slice text)
{
    size_t from = 0;
    size_t to = text.bytes;

    while (from < to && is_blank(text.at[from])) {
        from++;
    }
    while (to > from && is_blank(text.at[to - 1])) {
        to--;
    }
    return slice_part(text, from, to);
}

struct slice slice_split(struct slice *rest, char separator)
{
    struct slice whole = *rest;
    size_t at = slice_find(whole, separator);

    *rest = at == whole.bytes ? SLICE_NONE : slice_from(whole, at + 1);
    return slice_part(whole, 0, at);
}

bool slice_u64(struct slice text, uint64_t *out)
{
    uint64_t value = 0;

    if (text.bytes == 0) {
        return false;
    }
    for (size_t i = 0; i < text.bytes; i++) {
        unsigned digit = (unsigned)(unsigned char)text.at[i] - '0';
        if (digit > 9 || value > (UINT64_MAX - digit) / 10) {
            return false;
        }
        value = value * 10 + digit;
    }
    *out = value;
    return true;
}

bool slice_u32(struct slice text, uint32_t *out)
{
    uint64_t value;

    if (!slice_u64(text, &value) || value > UINT32_MAX) {
        return false;
    }
    *out = (uint32_t)value;
    return true;
}

bool slice_hex32(struct slice text, uint32_t *out)
{
    uint32_t value = 0;

    if (text.bytes == 0) {
        return false;
    }
    for (size_t i = 0; i < text.bytes; i++) {
        unsigned digit = (unsigned char)text.at[i];
        if (digit - '0' <= 9) {
            digit -= '0';
        } else if ((digit | 0x20) - 'a' <= 5) {
            digit = (digit | 0x20) - 'a' + 10;
        } else {
            return false;
        }
        if (value > UINT32_MAX >> 4) {
            return false;
        }
        value = value << 4 | digit;
    }
    *out = value;
    return true;
}
