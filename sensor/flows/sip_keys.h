/* sip_keys.h - the hashes by which state finds what a message belongs to, each made once.
 *
 * Owns      nothing: they travel in the sighting.
 * Borrows   the message and its head during the call.
 * Time      none.
 * Bounds    none.
 * Errors    none.
 * Thread    any; the worker makes them, where the message is in the cache.
 *
 * A transaction's key (RFC 3261 section 17.1.3, docs/definitions.md) is made of
 *
 *   hop: branch, sent-by (topmost Via) | rest: Call-ID, CSeq number | method
 *
 * hashed apart, because a CANCEL and an ACK look for their INVITE, which differs in the method
 * only, and a request that came through proxies looks for itself under its lower Vias, which differ
 * in the hop only. Without the magic cookie the rule of RFC 2543 holds: the From tag joins the rest.
 *
 * Texts that an attacker chooses go through XXH3 with the secret seed. All of it stands here, so
 * that state needs nothing of this folder but headers. */
#ifndef SENSOR_FLOWS_SIP_KEYS_H
#define SENSOR_FLOWS_SIP_KEYS_H

#include "base/hash.h"
#include "decoders/sip.h"

enum { SIP_KEYS_SALT_NONCE = 1, SIP_KEYS_SALT_TAG = 2, SIP_KEYS_SALT_OLD = 7 };

struct sip_keys {
    uint64_t call_id; /* 0 = none */
    uint64_t rest;
    uint64_t hop;
    uint64_t transaction; /* of an ACK: its INVITE's; 0 = belongs to none */
    uint64_t from_tag; /* 0 = none */
    uint64_t to_tag;
    uint64_t nonce; /* of the credentials or of the challenge; 0 = none */
    uint64_t source; /* addresses */
    uint64_t destination;
    /* The client's address with the To tag, with the nonce: what an answer brings there and what a
     * request brings back from there; 0 = none. */
    uint64_t heard_tag;
    uint64_t heard_nonce;
};

/* Of an address, here and in state's tables of addresses. */
static inline uint64_t sip_keys_addr(struct hash_key key, const struct addr *addr)
{
    uint64_t first;
    uint64_t second;

    memcpy(&first, addr->octets, sizeof first);
    memcpy(&second, addr->octets + sizeof first, sizeof second);
    return hash_words(key, first, second);
}

static inline uint64_t sip_keys_part(struct hash_key key, const struct sip_message *message,
                                     struct part part)
{
    return part.bytes == 0 ? 0 : hash_slice(key, sip_part(message, part));
}

static inline uint64_t sip_keys_hop(struct hash_key key, struct slice branch, struct slice sent_by)
{
    return hash_join(key, hash_slice(key, branch), hash_slice_nocase(key, sent_by));
}

/* The transaction that `keys` would belong to with this method; of SIP_METHOD_OTHER the message
 * names it. */
static inline uint64_t sip_keys_transaction(struct hash_key key, const struct sip_keys *keys,
                                            const struct sip_message *message, uint8_t method)
{
    uint64_t hash = hash_join(key, hash_join(key, keys->hop, keys->rest), method);

    if (method == SIP_METHOD_OTHER) {
        hash = hash_join(key, hash, hash_slice(key, sip_part(message, message->method_text)));
    }
    return hash;
}

/* An address and what was sent there. */
static inline uint64_t sip_keys_heard(struct hash_key key, uint64_t addr_hash, uint64_t salt,
                                      uint64_t what)
{
    return hash_join(key, addr_hash + salt, what);
}

static inline void sip_keys_make_transaction(struct hash_key key, const struct sip_message *message,
                                             struct sip_keys *keys)
{
    uint8_t method = message->method == SIP_METHOD_ACK ? SIP_METHOD_INVITE : message->method;

    keys->rest = hash_join(key, keys->call_id, message->has_cseq ? message->cseq : UINT64_MAX);
    keys->hop =
        sip_keys_hop(key, sip_part(message, message->branch), sip_part(message, message->sent_by));
    if ((message->flags & SIP_FLAG_COOKIE) == 0) {
        keys->rest = hash_join(key, hash_join(key, keys->rest, keys->from_tag), SIP_KEYS_SALT_OLD);
    }
    keys->transaction = sip_keys_transaction(key, keys, message, method);
}

static inline void sip_keys_make(struct hash_key key, const struct addr *source,
                                 const struct addr *destination, const struct sip_message *message,
                                 struct sip_keys *out_keys)
{
    *out_keys = (struct sip_keys){
        .call_id = sip_keys_part(key, message, message->call_id),
        .from_tag = sip_keys_part(key, message, message->from_tag),
        .to_tag = sip_keys_part(key, message, message->to_tag),
        .nonce = sip_keys_part(key, message, message->auth_nonce),
        .source = sip_keys_addr(key, source),
        .destination = sip_keys_addr(key, destination),
    };
    uint64_t client = sip_is_response(message) ? out_keys->destination : out_keys->source;
    if (out_keys->to_tag != 0) {
        out_keys->heard_tag = sip_keys_heard(key, client, SIP_KEYS_SALT_TAG, out_keys->to_tag);
    }
    if (out_keys->nonce != 0) {
        out_keys->heard_nonce = sip_keys_heard(key, client, SIP_KEYS_SALT_NONCE, out_keys->nonce);
    }
    if (message->call_id.bytes != 0 && message->method != SIP_METHOD_NONE) {
        sip_keys_make_transaction(key, message, out_keys);
    }
}

#endif
