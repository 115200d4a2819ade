/* transaction.h - requests matched with their answers: retransmissions, final code, latency.
 *
 * Owns      every open and lately finished transaction and its text; the nonces lately issued.
 * Borrows   sightings during the call; kept strings are copied.
 * Time      state time, an argument; time-outs fall at marks.
 * Bounds    transactions_max entries; when full the longest idle ends as forgotten (counted). Text
 *           of one: TRANSACTION_TEXT_BYTES.
 * Errors    open only.
 * Thread    the analyst's.
 *
 * Key (RFC 3261 section 17.1.3, 17.2.3): topmost branch, sent-by without case, CSeq method with ACK
 * as INVITE; without the magic cookie the rule of RFC 2543 (Call-ID, From tag, CSeq number, top
 * Via). Call-ID and CSeq number are part of both: they are equal where the RFC's key is, and tools
 * that use one branch for all requests do not melt into one transaction. No addresses in keys.
 * CANCEL is its own transaction; an ACK to a non-2xx belongs to the INVITE's. A finished one stays
 * 32 s for late copies (timers B, F, H; section 17, table 4). A response may come before its
 * request: it waits. */
#ifndef SENSOR_STATE_TRANSACTION_H
#define SENSOR_STATE_TRANSACTION_H

#include "base/table.h"
#include "sensor/state/change.h"

enum { TRANSACTION_TEXT_BYTES = 448, TRANSACTION_PROVISIONALS = 4, TRANSACTION_FURTHER = 4 };
#define TRANSACTION_TIMEOUT_NS (32 * NS_PER_S)
#define TRANSACTION_RINGING_NS                                                                     \
    (180 * NS_PER_S) /* timer C, behind the last provisional answer to INVITE */

/* One transaction, as changes show it. Texts are slices into its own memory, cut at sensible
 * lengths. A message that promotes or ends it shows all; any other shows identity, start, flags,
 * status, counts of copies and the device, and the rest is zero. */
struct transaction {
    uint64_t hash;
    uint64_t number; /* packet of the request (or of the first answer, when that came first) */
    uint64_t started_ns; /* first copy of the request; 0 = request not seen */
    uint64_t final_ns; /* first final answer; 0 = none */
    uint64_t last_ns; /* last message of it that changed it */
    struct endpoint client; /* sender of the request */
    struct endpoint server;
    struct hash128 id; /* ask transaction_id() */
    uint32_t cseq;
    bool has_cseq;
    bool has_credentials; /* of the request */
    bool credentials_asked; /* accepted ones, by a challenge that we heard */
    bool challenged; /* final 401/407 without credentials */
    bool stale;
    bool auth_failure; /* as fact_transaction */
    bool user_exists;
    bool cancelled; /* a CANCEL for it was seen */
    bool timeout; /* ended without a final answer */
    bool request_invalid; /* verdict X: provisional until answered (docs/definitions.md) */
    bool ended;
    bool upper_hop; /* the same request was seen with fewer Vias: detectors do not count this one */
    bool passed_on; /* the final answer came from a hop further on */
    bool in_dialog; /* the request had a To tag */
    uint8_t method; /* enum sip_method: CSeq's */
    uint8_t transport;
    uint16_t status; /* final; 0 = none */
    uint16_t interface;
    uint16_t vlan_outer;
    uint16_t vias; /* of the request: hop number */
    uint16_t provisional[TRANSACTION_PROVISIONALS];
    uint8_t provisional_count;
    uint32_t retransmits_request;
    uint32_t retransmits_response;
    uint64_t call_id_hash;
    uint64_t device_hash;
    uint64_t nonce_hash;
    uint64_t response_hash;
    uint64_t proof_key;
    uint64_t account_hash;
    /* texts */
    struct slice call_id;
    struct slice branch;
    struct slice sent_by;
    struct slice uri; /* request URI as sent */
    struct slice uri_user;
    struct slice uri_host;
    struct slice from_user;
    struct slice from_host;
    struct slice to_user;
    struct slice to_host;
    struct slice auth_user;
    struct slice realm;
    struct slice algorithm;
    struct slice user_agent;
    struct slice reason; /* phrase of the final answer */
};

/* Part of event.id: Call-ID, sent-by, branch, CSeq, first ns. Made when a record asks; zero unless
 * all is shown. */
struct hash128 transaction_id(const struct transaction *shown);

struct transaction_table;

struct transaction_limits {
    uint32_t transactions_max;
    struct hash_key key;
};

MUST_USE enum status transaction_open(const struct transaction_limits *limits,
                                      struct change_sink sink, struct transaction_table **out_table,
                                      struct error *error);
void transaction_close(struct transaction_table *table);
size_t transaction_bytes_max(const struct transaction_limits *limits);

/* What the message was to its transaction. */
struct transaction_view {
    const struct transaction
        *transaction; /* NULL: none (no Call-ID, ACK to a 2xx ...); valid until the next call */
    bool is_retransmission;
    bool is_first_answer; /* of any class, to a request that was seen */
    bool is_first_final; /* this response ended it */
    bool promoted; /* an invalid request that the addressed element accepted */
};

/* By sip_keys.transaction; to look ahead in, no more. */
const struct table *transaction_index(const struct transaction_table *table);
/* The last step: brings what the cell names into the cache. */
void transaction_prefetch(const struct transaction_table *table, const struct sip_sighting *sip);
/* Feeds one message. Puts CHANGE_TRANSACTION_ENDED when a final answer came. */
void transaction_see(struct transaction_table *table, const struct sip_sighting *sip,
                     struct transaction_view *out_view);
/* A CANCEL was seen for this INVITE's branch (the table marks it cancelled itself). */
void transaction_mark(struct transaction_table *table, uint64_t mark_s, uint64_t shift_ns);
/* Ends all that is open, forced, in the order of first packets; now_ns is the time of the last
 * packet. */
void transaction_end(struct transaction_table *table, uint64_t now_ns);
uint64_t transaction_evicted(const struct transaction_table *table);
uint32_t transaction_used(const struct transaction_table *table);

#endif
