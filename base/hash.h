/* hash.h - keyed 64-bit hashes for tables, unkeyed 128-bit hashes for identities.
 *
 * Owns      nothing.
 * Borrows   the bytes during the call.
 * Time      none.
 * Bounds    none.
 * Errors    none.
 * Thread    any; a struct hash_key is read-only after start.
 *
 * Attackers choose Call-IDs, so table hashes are keyed: live with a secret drawn once, with -r with
 * a fixed one (docs/architecture.md). No output order may follow a hash. Identities (event.id) are XXH3-128
 * with seed 0 and framed fields, so that any consumer can compute them again. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include "base/addr.h"

struct hash_key {
    uint64_t seed;
};

#define HASH_KEY_FIXED ((struct hash_key){.seed = UINT64_C(0x65617273686f7431)})

uint64_t hash_bytes(struct hash_key key, const void *at, size_t bytes);
uint64_t hash_slice(struct hash_key key, struct slice text);
/* ASCII-folded: "Example.COM" and "example.com" are one host. */
uint64_t hash_slice_nocase(struct hash_key key, struct slice text);
uint64_t hash_addr(struct hash_key key, const struct addr *addr);
uint64_t hash_endpoint(struct hash_key key, const struct endpoint *endpoint);
/* Mixes two hashes; order matters. */
static inline uint64_t hash_mix(uint64_t one, uint64_t other)
{
    uint64_t mixed = (one ^ (other + UINT64_C(0x9e3779b97f4a7c15) + (one << 12) + (one >> 4)));
    mixed ^= mixed >> 32;
    mixed *= UINT64_C(0xd6e8feb86659fd93);
    mixed ^= mixed >> 32;
    return mixed;
}

/* Two words that are in registers already, by one multiplication of 64 x 64 bits each way (the step
 * of wyhash and XXH3). A word is only ever multiplied by something that holds a secret, so none can
 * be chosen that wipes out the other. */
static inline uint64_t hash_fold(uint64_t one, uint64_t other)
{
    __extension__ typedef unsigned __int128 wide;
    union { /* of shifts gcc 12 makes a value on the stack */
        wide whole;
        uint64_t half[2];
    } product = {.whole = (wide)one * other};
    return product.half[0] ^ product.half[1];
}

static inline uint64_t hash_secret_one(struct hash_key key)
{
    return key.seed ^ UINT64_C(0xa0761d6478bd642f);
}

static inline uint64_t hash_secret_two(struct hash_key key)
{
    return (key.seed << 32 | key.seed >> 32) + UINT64_C(0xe7037ed1a0b428db);
}

/* Of two hashes; order matters. */
static inline uint64_t hash_join(struct hash_key key, uint64_t one, uint64_t other)
{
    return hash_fold(one ^ hash_secret_one(key), other ^ hash_secret_two(key));
}

/* Of two words that are no hashes. */
static inline uint64_t hash_words(struct hash_key key, uint64_t one, uint64_t other)
{
    uint64_t hash = hash_join(key, one, other);
    return hash_fold(hash ^ hash_secret_one(key), hash_secret_two(key));
}

/* A 128-bit identity, built field by field: strings as 4-byte length and bytes, integers as 8
 * bytes, little endian (docs/architecture.md). */
struct hash128 {
    uint64_t high;
    uint64_t low;
};

enum { HASH_ID_BYTES_MAX = 2048, HASH128_TEXT_BYTES = 32 };

struct hash_id {
    uint8_t bytes[HASH_ID_BYTES_MAX];
    size_t used;
};

void hash_id_start(struct hash_id *id);
void hash_id_slice(struct hash_id *id,
                   struct slice text); /* beyond the buffer: hashed to 16 bytes first */
void hash_id_u64(struct hash_id *id, uint64_t value);
struct hash128 hash_id_end(const struct hash_id *id);
void text_hash128(struct text *text, struct hash128 hash); /* 32 hex digits, high first */

#endif
