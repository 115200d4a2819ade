/* sip_user.c - how users and addresses-of-record are printed and compared.
 *
 * One form for all: what a server would take as the same user prints the same. %XX is undone once,
 * never twice
 * (%2541 is the text %41), and only where a printable character comes out; what would hurt a reader
 * (controls, NUL, the percent sign itself, half UTF-8) stays escaped, in upper case. */
#include "decoders/sip_address.h"

static int hex_value(char byte)
{
    if (byte >= '0' && byte <= '9') {
        return byte - '0';
    }
    char lower = slice_lower(byte);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* The byte that stands at `at`, escaped or plain, and how long it is there. */
static uint8_t byte_at(struct slice user, size_t at, size_t *out_length)
{
    *out_length = 1;
    if (user.at[at] == '%' && at + 2 < user.bytes) {
        int high = hex_value(user.at[at + 1]);
        int low = hex_value(user.at[at + 2]);
        if (high >= 0 && low >= 0) {
            *out_length = 3;
            return (uint8_t)(high << 4 | low);
        }
    }
    return (uint8_t)user.at[at];
}

/* The UTF-8 character whose first byte stands at `at`: its bytes in `out`, what it takes in the
 * text in *out_length. 0 where there is none, or none that is printable (C1 controls). */
static unsigned character_at(struct slice user, size_t at, uint8_t out[4], size_t *out_length)
{
    size_t length = 0;
    uint8_t first = byte_at(user, at, &length);
    unsigned bytes = first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;

    out[0] = first;
    for (unsigned i = 1; i < bytes; i++) {
        size_t step = 0;
        if (at + length >= user.bytes) {
            return 0;
        }
        out[i] = byte_at(user, at + length, &step);
        if ((out[i] & 0xc0) != 0x80) {
            return 0;
        }
        length += step;
    }
    if (bytes == 0 || (first == 0xe0 && out[1] < 0xa0) || (first == 0xed && out[1] > 0x9f) ||
        (first == 0xf0 && out[1] < 0x90) || (first == 0xf4 && out[1] > 0x8f) ||
        (first == 0xc2 && out[1] < 0xa0)) {
        return 0;
    }
    *out_length = length;
    return bytes;
}

static void put_escaped(struct text *text, uint8_t byte)
{
    static const char digits[] = "0123456789ABCDEF";

    text_byte(text, '%');
    text_byte(text, digits[byte >> 4]);
    text_byte(text, digits[byte & 15]);
}

void sip_user_print(struct text *text, struct slice user)
{
    size_t length = 0;

    for (size_t at = 0; at < user.bytes; at += length) {
        uint8_t byte = byte_at(user, at, &length);
        if (byte >= 0x80) {
            uint8_t character[4];
            unsigned bytes = character_at(user, at, character, &length);
            if (bytes > 0) {
                text_slice_put(text, slice_of(character, bytes));
            } else {
                put_escaped(text, byte);
            }
        } else if (byte < 0x20 || byte == 0x7f || (byte == '%' && length == 3)) {
            put_escaped(text, byte);
        } else {
            text_byte(text, (char)byte);
        }
    }
}

static void put_number(struct text *text, struct slice number)
{
    for (size_t i = 0; i < number.bytes; i++) {
        char byte = number.at[i];
        if (byte != '-' && byte != '.' && byte != '(' && byte != ')') { /* RFC 3966 section 3 */
            text_byte(text, byte);
        }
    }
}

void sip_aor_print(struct text *text, struct slice user, struct slice host, enum sip_scheme scheme)
{
    if (scheme == SIP_SCHEME_TEL) {
        text_string(text, "tel:");
        put_number(text, user);
        return;
    }
    text_string(text, "sip:");
    if (user.bytes > 0) {
        sip_user_print(text, user);
        text_byte(text, '@');
    }
    for (size_t i = 0; i < host.bytes; i++) {
        text_byte(text, slice_lower(host.at[i]));
    }
}
