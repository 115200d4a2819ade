/* wordhash.h - keyed hashes of a few words that are already in registers.
 *
 * Owns      nothing; a struct wordhash belongs to who opened it.
 * Borrows   nothing.
 * Time      none.
 * Bounds    WORDHASH_SECRETS secrets.
 * Errors    none.
 * Thread    any; read-only once open.
 *
 * XXH3 does the same (64 x 64 bits to 128, both halves folded), but wants its input gathered in
 * memory, asks how long it is, and is called: 170 instructions a packet for what takes 60 here.
 * Strength as there: two inputs meet in one of 2^64 for who does not know the key. A word is only
 * ever multiplied by something that holds a secret, so no word can be chosen that wipes out
 * another. */
#ifndef SENSOR_FLOWS_WORDHASH_H
#define SENSOR_FLOWS_WORDHASH_H

#include "base/hash.h"

enum { WORDHASH_SECRETS = 12 };

struct wordhash {
    uint64_t secrets[WORDHASH_SECRETS];
};

static inline void wordhash_open(struct wordhash *hash, struct hash_key key)
{
    for (uint64_t index = 0; index < WORDHASH_SECRETS; index++) {
        hash->secrets[index] = hash_bytes(key, &index, sizeof index);
    }
}

/* Two words with the secrets `pair` and `pair` + 1; sums of such pairs are hashes of all of them.
 */
static inline uint64_t wordhash_pair(const struct wordhash *hash, size_t pair, uint64_t one,
                                     uint64_t other)
{
    return hash_fold(one ^ hash->secrets[pair], other ^ hash->secrets[pair + 1]);
}

/* With the first two secrets, so that one key gives one hash of an address to all who ask. Loaded
 * in halves, as the decoder has just stored it: a wider load would wait until both have left the
 * store buffer (6 ns a packet). */
static inline uint64_t wordhash_addr(const struct wordhash *hash, const struct addr *addr)
{
    uint64_t first;
    uint64_t second;
    memcpy(&first, addr->octets, sizeof first);
    memcpy(&second, addr->octets + sizeof first, sizeof second);
    return wordhash_pair(hash, 0, first, second);
}

#endif
