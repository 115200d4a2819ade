/* nonces.h - was a refused nonce old, or was the password wrong?
 *
 * Owns      nonces lately issued, and for each (address, account) the last one.
 * Borrows   nothing: nonces come as hashes.
 * Time      packet time, an argument.
 * Bounds    nonces_max of each; the longest idle goes.
 * Errors    open only.
 * Thread    the analyst's.
 *
 * docs/definitions.md: registrars that leave out stale=true challenge again all the same. Such a
 * 401 is no failure if the nonce is older than the last one issued to that client, or had a success
 * before. An excuse is cheap to provoke, so it is rationed: see nonces.c. */
#ifndef SENSOR_STATE_NONCES_H
#define SENSOR_STATE_NONCES_H

#include "base/hash.h"
#include "base/table.h"

struct nonce_table;

/* Who was challenged. */
struct nonce_client {
    struct addr addr;
    uint64_t account_hash;
};

MUST_USE enum status nonce_open(uint32_t nonces_max, struct hash_key key,
                                struct nonce_table **out_table, struct error *error);
void nonce_close(struct nonce_table *table);
size_t nonce_bytes_max(uint32_t nonces_max);
void nonce_issue(struct nonce_table *table, uint64_t nonce_hash, const struct nonce_client *client,
                 uint64_t now_ns);
/* It was seen in a challenge; 0 = none. */
bool nonce_was_issued(const struct nonce_table *table, uint64_t nonce_hash);
/* A request with this nonce (0 = none) and user was accepted. */
void nonce_accept(struct nonce_table *table, uint64_t nonce_hash, const struct nonce_client *client,
                  uint64_t user_hash, uint64_t now_ns);
/* The refused nonce is old by the rules above. */
bool nonce_is_old(const struct nonce_table *table, uint64_t nonce_hash,
                  const struct nonce_client *client, uint64_t user_hash);
/* Counts one excuse; false when there have been too many since the last success. */
bool nonce_excuse(struct nonce_table *table, const struct nonce_client *client, uint64_t now_ns);
/* A success with this nonce and user came before: such an excuse is free. */
bool nonce_had_success(const struct nonce_table *table, uint64_t nonce_hash, uint64_t user_hash);
void nonce_shift(struct nonce_table *table, uint64_t shift_ns); /* a confirmed clock jump */
uint64_t nonce_evicted(const struct nonce_table *table);

#endif
