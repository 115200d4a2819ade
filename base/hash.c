/* hash.c - XXH3, compiled in here and nowhere else: the keys of this sensor are 16 to 60 bytes,
 * where a call into the library costs as much as the hash. What is read word by word anyway (hosts
 * without case, addresses) is multiplied instead: see hash_words().
 *
 * XXH3 with a secret seed is no MAC. It is enough for tables: an attacker sees no hash and no order
 * that follows one, and a full table evicts instead of growing a chain. Identities are not keyed at
 * all. */
#include "base/hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

enum { DIGEST_BYTES = 16 };

uint64_t hash_bytes(struct hash_key key, const void *at, size_t bytes)
{
    return XXH3_64bits_withSeed(at, bytes, key.seed);
}

uint64_t hash_slice(struct hash_key key, struct slice text)
{
    return XXH3_64bits_withSeed(text.at, text.bytes, key.seed);
}

/* Bit 5 for every byte of the word that is A to Z; bytes above 0x7f keep clear of it. */
static uint64_t fold_word(uint64_t word)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t low = word & ones * 0x7f;
    uint64_t from_a = low + ones * (0x80 - 'A');
    uint64_t beyond_z = low + ones * (0x80 - 'Z' - 1);

    return word | ((from_a & ~beyond_z & ~word & ones * 0x80) >> 2);
}

static uint64_t load_eight(const char *at)
{
    uint64_t word;

    memcpy(&word, at, sizeof word);
    return fold_word(word);
}

static uint64_t load_four(const char *at)
{
    uint32_t word;

    memcpy(&word, at, sizeof word);
    return fold_word(word);
}

/* The last 16 bytes at most, as two words that may overlap: the length is part of the hash. */
static void load_tail(const char *at, size_t bytes, uint64_t *out_one, uint64_t *out_other)
{
    *out_one = 0;
    *out_other = 0;
    if (bytes >= 8) {
        *out_one = load_eight(at);
        *out_other = load_eight(at + bytes - 8);
    } else if (bytes >= 4) {
        *out_one = load_four(at);
        *out_other = load_four(at + bytes - 4);
    } else if (bytes > 0) {
        uint8_t first = (uint8_t)slice_lower(at[0]);
        uint8_t middle = (uint8_t)slice_lower(at[bytes / 2]);
        uint8_t last = (uint8_t)slice_lower(at[bytes - 1]);
        *out_one = (uint64_t)first << 16 | (uint64_t)middle << 8 | last;
    }
}

/* Host names: folded in registers, as XXH3 would want a folded copy. */
uint64_t hash_slice_nocase(struct hash_key key, struct slice text)
{
    const char *at = text.at;
    size_t bytes = text.bytes;
    uint64_t hash = hash_secret_two(key) ^ bytes;
    uint64_t one;
    uint64_t other;

    for (; bytes > 16; at += 16, bytes -= 16) {
        hash = hash_fold(load_eight(at) ^ hash_secret_one(key), load_eight(at + 8) ^ hash);
    }
    load_tail(at, bytes, &one, &other);
    return hash_fold(hash_fold(one ^ hash_secret_one(key), other ^ hash), hash_secret_two(key));
}

uint64_t hash_addr(struct hash_key key, const struct addr *addr)
{
    return XXH3_64bits_withSeed(addr->octets, sizeof addr->octets, key.seed);
}

uint64_t hash_endpoint(struct hash_key key, const struct endpoint *endpoint)
{
    uint8_t bytes[18];

    memcpy(bytes, endpoint->addr.octets, 16);
    bytes[16] = (uint8_t)(endpoint->port >> 8);
    bytes[17] = (uint8_t)endpoint->port;
    return XXH3_64bits_withSeed(bytes, sizeof bytes, key.seed);
}

static void digest(const void *at, size_t bytes, uint8_t *out_digest)
{
    XXH128_canonical_t canonical;

    XXH128_canonicalFromHash(&canonical, XXH3_128bits(at, bytes));
    memcpy(out_digest, canonical.digest, DIGEST_BYTES);
}

void hash_id_start(struct hash_id *id)
{
    id->used = 0;
}

/* Room for `bytes`; where there is none, all so far is replaced by its digest (high byte first). */
static void make_room(struct hash_id *id, size_t bytes)
{
    if (bytes > sizeof id->bytes - id->used) {
        uint8_t so_far[DIGEST_BYTES];
        digest(id->bytes, id->used, so_far);
        memcpy(id->bytes, so_far, DIGEST_BYTES);
        id->used = DIGEST_BYTES;
    }
}

/* Of the bytes of a number the lower ones, lowest first. Shifts, so that compilers make one store of
 * it wherever the machine has that order. */
static inline void append_le(struct hash_id *id, uint64_t value, unsigned bytes)
{
    uint8_t *at = id->bytes + id->used;

    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
    at[2] = (uint8_t)(value >> 16);
    at[3] = (uint8_t)(value >> 24);
    if (bytes == 8) {
        at[4] = (uint8_t)(value >> 32);
        at[5] = (uint8_t)(value >> 40);
        at[6] = (uint8_t)(value >> 48);
        at[7] = (uint8_t)(value >> 56);
    }
    id->used += bytes;
}

void hash_id_slice(struct hash_id *id, struct slice text)
{
    if (text.bytes <= sizeof id->bytes - id->used &&
        4 + text.bytes <= sizeof id->bytes - id->used) {
        append_le(id, text.bytes, 4);
        if (text.bytes > 0) {
            memcpy(id->bytes + id->used, text.at, text.bytes);
        }
        id->used += text.bytes;
        return;
    }
    make_room(id, 4 + DIGEST_BYTES);
    append_le(id, text.bytes, 4);
    digest(text.at, text.bytes, id->bytes + id->used);
    id->used += DIGEST_BYTES;
}

void hash_id_u64(struct hash_id *id, uint64_t value)
{
    make_room(id, 8);
    append_le(id, value, 8);
}

struct hash128 hash_id_end(const struct hash_id *id)
{
    XXH128_hash_t hash = XXH3_128bits(id->bytes, id->used);

    return (struct hash128){.high = hash.high64, .low = hash.low64};
}

void text_hash128(struct text *text, struct hash128 hash)
{
    char line[HASH128_TEXT_BYTES];
    struct text whole = text_into(line, sizeof line);

    text_hex(&whole, hash.high, 16);
    text_hex(&whole, hash.low, 16);
    text_slice_put(text, text_slice(&whole));
}
