/* account.c - the hash is taken for every request, the text for few: so the hash reads the user as
 * it stands unless it holds an escape, and only then prints it first. Users are compared with case
 * (RFC 3261 section 19.1.4), hosts without.
 *
 * Limits: a tel: number keeps its visual separators here; what stands behind the first
 * USER_BYTES_MAX bytes of an escaped user is hashed as sent. */
#include "sensor/state/account.h"

#include "decoders/sip_address.h"

enum { USER_BYTES_MAX = 128, PRINTED_BYTES_MAX = 4 * USER_BYTES_MAX };

uint64_t account_hash(struct hash_key key, struct slice user, struct slice host)
{
    if (user.bytes == 0 && host.bytes == 0) {
        return 0;
    }
    uint64_t hash;
    if (!account_user_is_plain(user)) {
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
    if (account_user_is_plain(user)) {
        text_slice_put(text, user);
    } else {
        sip_user_print(text, user);
    }
    if (user.bytes != 0 && host.bytes != 0) {
        text_byte(text, '@');
    }
    put_folded(text, host);
}
