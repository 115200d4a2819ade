/* response_target.c - what is not exactly one is none.
 *
 * Networks, ranges, names and octets with leading zeros are refused; what is left is printed anew, so
 * that two ways of writing one address are one target, and nothing that an attacker wrote reaches a
 * hook as he wrote it. An account is user@host without blanks, quotes or control bytes. A number is
 * digits, with a + before them or not: visual separators have been taken away where it was made. */
#include "outputs/response_target.h"

enum { NUMBER_DIGITS_MIN = 2, NUMBER_DIGITS_MAX = 32 };

static const char *const words[RESPONSE_TARGET_TYPES] = {
    [RESPONSE_TARGET_NONE] = "none",
    [RESPONSE_TARGET_IP] = "ip",
    [RESPONSE_TARGET_ACCOUNT] = "account",
    [RESPONSE_TARGET_NUMBER] = "number",
};

const char *response_target_word(enum response_target_type type)
{
    assert(type < RESPONSE_TARGET_TYPES);
    return words[type];
}

enum response_target_type response_target_of_word(struct slice word)
{
    unsigned type = 0;

    while (type < RESPONSE_TARGET_TYPES && !slice_equal(word, slice_of_string(words[type]))) {
        type++;
    }
    return (enum response_target_type)type;
}

void response_target_of_addr(const struct addr *addr, struct response_target *out_target)
{
    *out_target = (struct response_target){.type = RESPONSE_TARGET_IP, .addr = *addr};
    struct text text = text_into(out_target->value, sizeof out_target->value - 1);
    text_addr(&text, addr);
}

static bool is_account(struct slice text)
{
    size_t at = slice_find_last(text, '@');

    for (size_t i = 0; i < text.bytes; i++) {
        unsigned char byte = (unsigned char)text.at[i];
        if (byte <= ' ' || byte == 0x7f || strchr("\"'`\\<>,;", byte) != NULL) {
            return false;
        }
    }
    return at > 0 && at + 1 < text.bytes && slice_find(text, '@') == at;
}

static bool is_number(struct slice text)
{
    struct slice digits = slice_from(text, slice_starts_with(text, SLICE("+")) ? 1 : 0);

    for (size_t i = 0; i < digits.bytes; i++) {
        if (digits.at[i] < '0' || digits.at[i] > '9') {
            return false;
        }
    }
    return digits.bytes >= NUMBER_DIGITS_MIN && digits.bytes <= NUMBER_DIGITS_MAX;
}

static bool is_text_of(enum response_target_type type, struct slice text)
{
    switch (type) {
    case RESPONSE_TARGET_NONE:
        return text.bytes == 0;
    case RESPONSE_TARGET_ACCOUNT:
        return is_account(text);
    case RESPONSE_TARGET_NUMBER:
        return is_number(text);
    case RESPONSE_TARGET_IP:
    case RESPONSE_TARGET_TYPES:
        break;
    }
    return false;
}

bool response_target_parse(enum response_target_type type, struct slice text,
                           struct response_target *out_target)
{
    struct addr addr;

    if (type == RESPONSE_TARGET_IP) {
        if (slice_find(text, '[') < text.bytes || !addr_parse(text, &addr)) {
            return false;
        }
        response_target_of_addr(&addr, out_target);
        return true;
    }
    if (!is_text_of(type, text) || text.bytes >= sizeof out_target->value) {
        return false;
    }
    *out_target = (struct response_target){.type = (uint8_t)type};
    if (text.bytes > 0) {
        memcpy(out_target->value, text.at, text.bytes);
    }
    return true;
}

/* Users are told apart by case, hosts are not (RFC 3261 section 19.1.4). */
static bool same_account(struct slice one, struct slice other)
{
    size_t at = slice_find_last(one, '@');

    return at == slice_find_last(other, '@') &&
           slice_equal(slice_part(one, 0, at), slice_part(other, 0, at)) &&
           slice_equal_nocase(slice_from(one, at), slice_from(other, at));
}

bool response_target_equal(const struct response_target *one, const struct response_target *other)
{
    if (one->type != other->type) {
        return false;
    }
    if (one->type == RESPONSE_TARGET_IP) {
        return addr_equal(&one->addr, &other->addr);
    }
    struct slice left = slice_of_string(one->value);
    struct slice right = slice_of_string(other->value);
    return one->type == RESPONSE_TARGET_ACCOUNT ? same_account(left, right)
                                                : slice_equal(left, right);
}
