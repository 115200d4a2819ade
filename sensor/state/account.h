/* account.h - what an account is called: user@host of an address of record.
 *
 * Owns      nothing.
 * Borrows   the texts during the call.
 * Time      none.
 * Bounds    the buffer of the caller.
 * Errors    what does not fit is left out (text overflow).
 * Thread    any.
 *
 * RFC 3261 section 10.3: scheme, parameters and port do not belong to it, the host is folded,
 * escapes in the user are undone. The hash is the same for every spelling that prints alike. */
#ifndef SENSOR_STATE_ACCOUNT_H
#define SENSOR_STATE_ACCOUNT_H

#include "base/hash.h"

/* 0 where there is neither user nor host. */
uint64_t account_hash(struct hash_key key, struct slice user, struct slice host);
/* "user@host", or "host" without a user, or the number alone of a tel: URI. */
void account_print(struct text *text, struct slice user, struct slice host);

/* --- does it print as it stands? Nearly every user and host does. --- */

/* Bit 7 of each byte of a user that is not printed as it is: controls, beyond ASCII, '%'. The lowest
 * one is exact. */
static inline uint64_t account_odd_in_user(uint64_t word)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t percent = word ^ ones * '%';
    uint64_t delete = word ^ ones * 0x7f;

    return (word | (word - ones * 0x20) | ((percent - ones) & ~percent) |
            ((delete - ones) & ~delete)) &
           ones * 0x80;
}

/* Bit 7 of each byte from A to Z, or beyond ASCII. */
static inline uint64_t account_odd_in_host(uint64_t word)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t low = word & ones * 0x7f;

    return (word | ((low + ones * (0x80 - 'A')) & ~(low + ones * (0x80 - 'Z' - 1)))) & ones * 0x80;
}

/* Looks at eight bytes at a time, some of them twice. */
static inline bool account_is_plain(struct slice text, uint64_t (*odd_in)(uint64_t word))
{
    uint64_t word = UINT64_C(0x3030303030303030);
    uint64_t odd = 0;
    uint32_t halves[2];

    if (text.bytes >= 8) {
        for (size_t at = 0; at + 8 < text.bytes; at += 8) {
            memcpy(&word, text.at + at, 8);
            odd |= odd_in(word);
        }
        memcpy(&word, text.at + text.bytes - 8, 8);
    } else if (text.bytes >= 4) {
        memcpy(&halves[0], text.at, 4);
        memcpy(&halves[1], text.at + text.bytes - 4, 4);
        memcpy(&word, halves, 8);
    } else if (text.bytes > 0) {
        char few[8] = {
            text.at[0], text.at[text.bytes / 2], text.at[text.bytes - 1], '0', '0', '0', '0', '0'};
        memcpy(&word, few, 8);
    }
    return (odd | odd_in(word)) == 0;
}

/* No escape, no control, nothing beyond ASCII. */
static inline bool account_user_is_plain(struct slice user)
{
    return account_is_plain(user, account_odd_in_user);
}

/* Nothing to fold, nothing beyond ASCII. */
static inline bool account_host_is_plain(struct slice host)
{
    return account_is_plain(host, account_odd_in_host);
}

#endif
