/* json_read.c - RFC 8259 by one function that steps over a value; all else is made of it.
 *
 * A text is checked whole before anything of it is looked at, so what finds members later only ever
 * walks over good text. Recursion is rule zero's exception: a value holds values, and its depth is
 * bounded. */
#include "outputs/json_read.h"

static size_t skip_blanks(struct slice text, size_t at)
{
    while (at < text.bytes && (text.at[at] == ' ' || text.at[at] == '\t' || text.at[at] == '\n' ||
                               text.at[at] == '\r')) {
        at++;
    }
    return at;
}

static bool is_digit(struct slice text, size_t at)
{
    return at < text.bytes && text.at[at] >= '0' && text.at[at] <= '9';
}

static bool is_hex(struct slice text, size_t at)
{
    return is_digit(text, at) || (at < text.bytes && ((text.at[at] >= 'a' && text.at[at] <= 'f') ||
                                                      (text.at[at] >= 'A' && text.at[at] <= 'F')));
}

/* Each gives the place behind the value, 0 where there is none. */
static size_t skip_text(struct slice text, size_t at)
{
    for (at++; at < text.bytes; at++) {
        unsigned char byte = (unsigned char)text.at[at];
        if (byte == '"') {
            return at + 1;
        }
        if (byte < 0x20) {
            return 0;
        }
        if (byte == '\\') {
            at++;
            bool unicode = at < text.bytes && text.at[at] == 'u';
            for (size_t i = 1; unicode && i <= 4; i++) {
                if (!is_hex(text, at + i)) {
                    return 0;
                }
            }
            if (at >= text.bytes || strchr("\"\\/bfnrtu", text.at[at]) == NULL ||
                text.at[at] == '\0') {
                return 0;
            }
        }
    }
    return 0;
}

static size_t skip_digits(struct slice text, size_t at)
{
    while (is_digit(text, at)) {
        at++;
    }
    return at;
}

static size_t skip_number(struct slice text, size_t at)
{
    at += text.at[at] == '-';
    if (!is_digit(text, at) || (text.at[at] == '0' && is_digit(text, at + 1))) {
        return 0;
    }
    at = skip_digits(text, at);
    if (at < text.bytes && text.at[at] == '.') {
        if (!is_digit(text, at + 1)) {
            return 0;
        }
        at = skip_digits(text, at + 1);
    }
    if (at < text.bytes && (text.at[at] == 'e' || text.at[at] == 'E')) {
        at++;
        at += at < text.bytes && (text.at[at] == '+' || text.at[at] == '-');
        if (!is_digit(text, at)) {
            return 0;
        }
        at = skip_digits(text, at);
    }
    return at;
}

static size_t skip_word(struct slice text, size_t at, struct slice word)
{
    return slice_starts_with(slice_from(text, at), word) ? at + word.bytes : 0;
}

static size_t skip_value(struct slice text, size_t at, unsigned depth);

/* Members or items up to `close`. */
static size_t skip_inside(struct slice text, size_t at, char close, unsigned depth)
{
    at = skip_blanks(text, at + 1);
    if (at < text.bytes && text.at[at] == close) {
        return at + 1;
    }
    for (;;) {
        if (close == '}') {
            at = at < text.bytes && text.at[at] == '"' ? skip_text(text, at) : 0;
            at = at == 0 ? 0 : skip_blanks(text, at);
            if (at == 0 || at >= text.bytes || text.at[at] != ':') {
                return 0;
            }
            at = skip_blanks(text, at + 1);
        }
        at = skip_value(text, at, depth + 1);
        at = at == 0 ? 0 : skip_blanks(text, at);
        if (at == 0 || at >= text.bytes) {
            return 0;
        }
        if (text.at[at] == close) {
            return at + 1;
        }
        if (text.at[at] != ',') {
            return 0;
        }
        at = skip_blanks(text, at + 1);
    }
}

static size_t skip_value(struct slice text, size_t at, unsigned depth)
{
    if (at >= text.bytes || depth > JSON_READ_DEPTH) {
        return 0;
    }
    switch (text.at[at]) {
    case '{':
        return skip_inside(text, at, '}', depth);
    case '[':
        return skip_inside(text, at, ']', depth);
    case '"':
        return skip_text(text, at);
    case 't':
        return skip_word(text, at, SLICE("true"));
    case 'f':
        return skip_word(text, at, SLICE("false"));
    case 'n':
        return skip_word(text, at, SLICE("null"));
    default:
        return text.at[at] == '-' || is_digit(text, at) ? skip_number(text, at) : 0;
    }
}

static struct json_value value_at(struct slice text, size_t from, size_t to)
{
    struct json_value value = {.text = slice_part(text, from, to)};

    switch (text.at[from]) {
    case '{':
        value.kind = JSON_OBJECT;
        break;
    case '[':
        value.kind = JSON_ARRAY;
        break;
    case '"':
        value.kind = JSON_TEXT;
        value.text = slice_part(text, from + 1, to - 1);
        break;
    case 't':
        value.kind = JSON_TRUE;
        break;
    case 'f':
        value.kind = JSON_FALSE;
        break;
    case 'n':
        value.kind = JSON_NULL;
        break;
    default:
        value.kind = JSON_NUMBER;
        break;
    }
    return value;
}

struct json_value json_read(struct slice text)
{
    size_t from = skip_blanks(text, 0);
    size_t to = skip_value(text, from, 0);

    if (to == 0 || skip_blanks(text, to) != text.bytes) {
        return (struct json_value){.kind = JSON_NONE};
    }
    return value_at(text, from, to);
}

struct json_value json_member(struct json_value object, const char *name)
{
    struct json_value found = {.kind = JSON_NONE};
    struct slice text = object.text;
    size_t at = 1;

    while (object.kind == JSON_OBJECT) {
        at = skip_blanks(text, at);
        if (text.at[at] != '"') {
            break; /* the end of an empty one */
        }
        size_t end = skip_text(text, at);
        struct slice key = slice_part(text, at + 1, end - 1);
        size_t from = skip_blanks(text, skip_blanks(text, end) + 1);
        size_t to = skip_value(text, from, 1);
        if (slice_equal(key, slice_of_string(name))) {
            found = value_at(text, from, to);
        }
        at = skip_blanks(text, to);
        if (text.at[at] != ',') {
            break;
        }
        at++;
    }
    return found;
}

bool json_item(struct json_value array, size_t *at, struct json_value *out_item)
{
    if (array.kind != JSON_ARRAY) {
        return false;
    }
    size_t from = skip_blanks(array.text, *at + 1); /* behind the bracket, or the comma */
    if (from >= array.text.bytes || array.text.at[from] == ']') {
        return false;
    }
    size_t to = skip_value(array.text, from, 1);
    *out_item = value_at(array.text, from, to);
    *at = skip_blanks(array.text, to);
    return true;
}

bool json_whole(struct json_value value, uint64_t *out)
{
    return value.kind == JSON_NUMBER && slice_u64(value.text, out);
}
