/* account.c - the hash is taken for every request, the text for few: so the hash reads the user as
 * it stands unless it holds an escape, and only then prints it first. Users are compared with case
 * (RFC 3261 section 19.1.4), hosts without.
 *
 * Limits: a tel: number keeps its visual separators here; what stands behind the first
 * USER_BYTES_MAX bytes of an escaped user is hashed as sent. */
#include "sensor/state/account.h"

#include "decoders/sip_address.h"

enum { USER_BYTES_MAX = 128, PRINTED_BYTES_MAX = 4 * USER_BYTES_MAX };

/* A bit for each of eight bytes that does not print as it stands: an escape, a control, what is
 * beyond ASCII. */
static uint64_t odd_bits(uint64_t word)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t low = word & ones * 0x7f;
    uint64_t from_space = low + ones * (0x80 - 0x20);
    uint64_t is_delete = low + ones;
    uint64_t not_percent = (low ^ ones * '%') + ones * 0x7f;

    return (word | ~from_space | is_delete | ~not_percent) & ones * 0x80;
}

static uint64_t odd_bits_at(const char *at, size_t bytes)
{
    uint64_t word = UINT64_C(0x3030303030303030);

    memcpy(&word, at, bytes);
    return odd_bits(word);
}

/* Prints as it stands: the usual user. */
static bool is_plain(struct slice user)
{
    uint64_t odd = 0;
    size_t at = 0;

    for (; at + 8 <= user.bytes; at += 8) {
        odd |= odd_bits_at(user.at + at, 8);
    }
    if (user.bytes >= 8) {
        return (odd | odd_bits_at(user.at + user.bytes - 8, 8)) == 0;
    }
    if (user.bytes >= 4) {
        return (odd_bits_at(user.at, 4) | odd_bits_at(user.at + user.bytes - 4, 4)) == 0;
    }
    for (; at < user.bytes; at++) {
        odd |= odd_bits_at(user.at + at, 1);
    }
    return odd == 0;
}

uint64_t account_hash(struct hash_key key, struct slice user, struct slice host)
{
    if (user.bytes == 0 && host.bytes == 0) {
        return 0;
    }
    uint64_t hash;
    if (!is_plain(user)) {
        char buffer[PRINTED_BYTES_MAX];
        struct text printed = text_into(buffer, sizeof buffer);
        sip_user_print(&printed, slice_part(user, 0, USER_BYTES_MAX));
        hash = hash_slice(key, text_slice(&printed));
        if (user.bytes > USER_BYTES_MAX) {
            hash = hash_mix(hash, hash_slice(key, slice_from(user, USER_BYTES_MAX)));
        }
    } else {
        hash = hash_slice(key, user);
    }
    return hash_mix(hash, hash_slice_nocase(key, host));
}

static void put_folded(struct text *text, struct slice host)
{
    if (host.bytes > text->capacity - text->bytes) {
        text->overflow = true; /* left out whole */
        return;
    }
    char *to = text->at + text->bytes;
    for (size_t i = 0; i < host.bytes; i++) {
        char byte = host.at[i];
        to[i] = byte >= 'A' && byte <= 'Z' ? (char)(byte | 0x20) : byte;
    }
    text->bytes += host.bytes;
}

void account_print(struct text *text, struct slice user, struct slice host)
{
    if (is_plain(user)) {
        text_slice_put(text, user);
    } else {
        sip_user_print(text, user);
    }
    if (user.bytes != 0 && host.bytes != 0) {
        text_byte(text, '@');
    }
    put_folded(text, host);
}
