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
    uint64_t odd; /* the factor of a last fold */
};

static inline void wordhash_open(struct wordhash *hash, struct hash_key key)
{
    for (uint64_t index = 0; index < WORDHASH_SECRETS; index++) {
        hash->secrets[index] = hash_bytes(key, &index, sizeof index);
    }
    hash->odd = hash->secrets[7] | 1;
}

static inline uint64_t wordhash_at(const uint8_t *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return word;
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
    return wordhash_pair(hash, 0, wordhash_at(addr->octets), wordhash_at(addr->octets + 8));
}

/* The same of an IPv4 address as it stands in a header: its mapped form, made in registers. */
static inline uint64_t wordhash_v4(const struct wordhash *hash, const uint8_t *four)
{
    uint32_t last;
    memcpy(&last, four, sizeof last);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    uint64_t second = (uint64_t)last << 32 | UINT32_C(0xffff0000);
#else
    uint64_t second = UINT64_C(0x0000ffff) << 32 | last;
#endif
    return wordhash_pair(hash, 0, 0, second);
}

/* The two ends of a packet: each one number that nobody without the key can choose, and one for
 * both and the protocol that does not know which was first. */
struct wordhash_ends {
    uint64_t from;
    uint64_t to;
    uint64_t both;
};

/* `source` and `destination` are the hashes of addresses. A product needs no order of its factors,
 * so nothing is compared. */
static inline struct wordhash_ends wordhash_ends_of(uint64_t source, uint16_t source_port,
                                                    uint64_t destination, uint16_t destination_port,
                                                    uint8_t protocol)
{
    uint64_t from = source + source_port;
    uint64_t to = destination + destination_port;
    return (struct wordhash_ends){.from = from, .to = to, .both = hash_fold(from, to) + protocol};
}

#endif
