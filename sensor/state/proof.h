/* proof.h - what is known of addresses: who hears us, who answers, whose accounts live there.
 *
 * Owns      one entry for each address and each site prefix that something is known of, in bounded
 *           tables; hashes of what was sent to whom.
 * Borrows   sightings during the call.
 * Time      packet time, an argument.
 * Bounds    sources_max entries of each table (addresses that something is known of are strong:
 *           forged bulk, which proves nothing, never gets an entry).
 * Errors    open only.
 * Thread    the analyst's.
 *
 * Proof that an address is not forged (docs/definitions.md; any one, valid 5 min): TCP data
 * acknowledged by both sides; an Authorization with a nonce that we saw sent to that address; an
 * in-dialog request (ACK, PRACK, BYE ...) with the To tag of an answer sent there; a STUN answer
 * with our transaction id; RTCP whose LSR matches an SR sent there.
 *
 * Only answers that match a request count: proof_see_answer() comes after transaction_see(). */
#ifndef SENSOR_STATE_PROOF_H
#define SENSOR_STATE_PROOF_H

#include "base/hash.h"
#include "base/snapshot.h"
#include "sensor/flows/sighting.h"

#define PROOF_VALID_NS (5 * NS_PER_MINUTE)
#define PROOF_GOOD_NS (30 * NS_PER_DAY)

struct proof_table;

struct proof_view {
    bool proven;
    uint64_t
        doubted_ns; /* credentials came in its name that need not have been its own; 0 = never */
    bool is_server; /* has answered a request */
    bool is_peer; /* has answered one outside a dialog: somebody chose to ask it */
    uint16_t good_accounts; /* accounts with a success from this address (saturating; about the last
                               30 days) */
};

MUST_USE enum status proof_open(uint32_t sources_max, struct hash_key key,
                                struct proof_table **out_table, struct error *error);
void proof_close(struct proof_table *table);
size_t proof_bytes_max(uint32_t sources_max);
/* By sip_keys.source, and by sip_keys.heard_tag and heard_nonce; to look ahead in, no more. */
const struct table *proof_sources(const struct proof_table *table);
const struct table *proof_heard(const struct proof_table *table);
/* A message was seen: a request that comes back with a nonce or tag sent to its source proves it;
 * credentials with another's nonce, or one that others have as well, make doubt about it. */
void proof_see_sip(struct proof_table *table, const struct sip_sighting *sip);
/* The message is an answer to a request that was seen. Its sender is a server; its nonce is
 * remembered, and its To tag unless the request brought one (`in_dialog`): whoever sent a tag
 * himself has not heard it. */
void proof_see_answer(struct proof_table *table, const struct sip_sighting *sip, bool in_dialog);
void proof_see_sighting(struct proof_table *table, const struct proof_sighting *sighting);
void proof_see_rtcp(struct proof_table *table, const struct rtcp_sighting *sighting);
void proof_good_account(struct proof_table *table, const struct addr *addr, uint64_t account_hash,
                        uint64_t now_ns);
void proof_ask(const struct proof_table *table, const struct addr *addr, uint64_t now_ns,
               struct proof_view *out_view);
/* The same by sip_keys.source or destination. */
void proof_ask_hash(const struct proof_table *table, uint64_t addr_hash, uint64_t now_ns,
                    struct proof_view *out_view);
/* The nonce (sip_keys.nonce; 0 = none) was sent there. */
bool proof_was_sent(const struct proof_table *table, const struct addr *addr, uint64_t nonce);
/* Accounts with a success from its /24 or /48, saturating. */
uint16_t proof_ask_site(const struct proof_table *table, const struct addr *addr);
void proof_shift(struct proof_table *table, uint64_t shift_ns); /* a confirmed clock jump */
/* Over a restart: who answers, whose accounts succeeded where, and proofs that still hold. What was
 * sent to whom is not kept. */
void proof_part(struct proof_table *table, struct snapshot_part *out_part);
size_t proof_kept_bytes_max(uint32_t sources_max);
/* Grows with every change of what proof_ask() tells but the passing of time; never 0. */
uint64_t proof_changes(const struct proof_table *table);
uint64_t proof_evicted(const struct proof_table *table);
uint32_t proof_used(const struct proof_table *table);

#endif
