/* transaction_inside.h - what the files of the transaction table share: transaction.c (matching,
 * time-outs), transaction_detail.c (texts, view), transaction_below.c, transaction_judge.c.
 *
 * Owns      nothing.
 * Borrows   cells and details of the table.
 * Time      packet time, an argument.
 * Bounds    a cell is 56 bytes, a detail 192, 256, or its text and what few have.
 * Errors    none.
 * Thread    the analyst's. */
#ifndef SENSOR_STATE_TRANSACTION_INSIDE_H
#define SENSOR_STATE_TRANSACTION_INSIDE_H

#include "base/slab.h"
#include "base/table.h"
#include "sensor/state/nonces.h"
#include "sensor/state/order.h"
#include "sensor/state/transaction.h"

enum transaction_flag {
    TRANSACTION_REQUEST = 1 << 0, /* the request was seen */
    TRANSACTION_CREDENTIALS = 1 << 1,
    TRANSACTION_IN_DIALOG = 1 << 2,
    TRANSACTION_INVALID = 1 << 3, /* the request's verdict, until it is promoted */
    TRANSACTION_UPPER = 1 << 4,
    TRANSACTION_CANCELLED = 1 << 5,
    TRANSACTION_ACKED = 1 << 6,
    TRANSACTION_RANG = 1 << 7, /* 18x */
    TRANSACTION_ENDED = 1 << 8,
    TRANSACTION_TIMED_OUT = 1 << 9,
    TRANSACTION_AUTS = 1 << 10,
    TRANSACTION_PASSED_ON = 1 << 11,
};

/* What stays as long as late copies may come. */
struct transaction_cell {
    uint64_t first_ns; /* request, or the first answer where that came first */
    uint64_t number;
    uint32_t detail; /* slab cell + 1, class in the lowest two bits; 0 = none */
    uint32_t final_ms; /* first_ns to the final answer, saturating */
    uint32_t server_tag; /* of the address that the request went to */
    uint32_t answer_tag; /* of the To tag of the first final answer */
    uint16_t flags;
    uint16_t status;
    uint16_t provisional_s; /* first_ns to the last provisional answer, saturating */
    uint16_t copies_request;
    uint16_t copies_response;
    uint8_t method;
    uint8_t provisional_count;
    uint8_t provisional[TRANSACTION_PROVISIONALS]; /* status - 100 */
    uint16_t further[TRANSACTION_FURTHER]; /* final answers of hops further on; 0 = none */
};
static_assert(sizeof(struct transaction_cell) <= 56, "with the table's head: within 96 bytes");

enum transaction_word {
    WORD_CALL_ID,
    WORD_FROM_USER,
    WORD_FROM_HOST,
    WORD_TO_USER,
    WORD_TO_HOST,
    WORD_URI,
    WORD_AUTH_USER,
    WORD_REALM,
    WORD_SENT_BY,
    WORD_BRANCH,
    WORD_AGENT,
    WORD_ALGORITHM,
    WORD_REASON,
    WORD_COUNT
};

/* Details come in four sizes: most requests have little text, and a flood has most of them. */
enum detail_class { DETAIL_SMALL, DETAIL_MIDDLE, DETAIL_USUAL, DETAIL_BIG, DETAIL_CLASSES };

enum detail_flag {
    DETAIL_FROM_HOST = 1 << 0, /* left out: it is the To host */
    DETAIL_TO_USER = 1 << 1, /* ... the URI's user */
    DETAIL_TO_HOST = 1 << 2, /* ... the URI's host */
    DETAIL_CSEQ = 1 << 3, /* has one */
    DETAIL_CLIENT_V4 = 1 << 4, /* four bytes stand for the address */
    DETAIL_SERVER_V4 = 1 << 5,
};

/* What only some have; at the end of a usual or a big one. */
struct transaction_extra {
    uint64_t nonce_hash; /* these of the credentials */
    uint64_t response_hash;
    uint64_t proof_key;
    uint64_t user_hash;
    struct hash128 id; /* set when the text was cut */
    uint32_t scheme_tag; /* realm and algorithm of the credentials */
};

/* What goes once the final answer came. */
struct transaction_detail {
    uint64_t call_id_hash;
    uint64_t device_hash;
    uint64_t account_hash;
    uint32_t cseq;
    uint16_t client_port;
    uint16_t server_port;
    uint16_t interface;
    uint16_t vlan_outer;
    uint16_t vias;
    uint8_t uri_user_at; /* inside WORD_URI */
    uint8_t uri_user_bytes;
    uint8_t uri_host_at;
    uint8_t uri_host_bytes;
    uint8_t transport;
    uint8_t flags; /* enum detail_flag */
    uint8_t bytes[WORD_COUNT];
    uint8_t text[]; /* address of the client, of the server, the words */
};

struct transaction_table {
    struct table cells;
    struct slab details[DETAIL_CLASSES];
    struct nonce_table *nonces;
    struct order order;
    struct change_sink sink;
    struct hash_key key;
    uint64_t now_ns;
    uint32_t to_give; /* detail of the transaction that ended last: `shown` points into it */
    struct transaction shown;
    bool shown_whole; /* and not only what every message asks for */
};

/* What a cell keeps of the hash of an address or a tag. */
static inline uint32_t transaction_tag(uint64_t hash)
{
    return (uint32_t)(hash >> 32);
}

/* --- transaction_below.c --- */
/* The cell of the nearest hop below that was seen, by the Vias under the topmost one of a request
 * or an answer; TABLE_NONE where there is none. */
uint32_t transaction_below(const struct transaction_table *table, const struct sip_sighting *sip);
/* The final answer of this hop, told to the hop below. True: there is one, so this is an upper. */
bool transaction_tell_below(struct transaction_table *table, const struct sip_sighting *sip,
                            uint16_t status);
/* Is this status what a hop further on said? */
bool transaction_passed_on(const struct transaction_cell *cell, uint16_t status);

/* --- transaction_detail.c --- */
/* Takes the text and the values of a message that opens a transaction (or joins an answer that came
 * first). */
void transaction_detail_take(struct transaction_table *table, struct transaction_cell *cell,
                             const struct sip_sighting *sip);
void transaction_detail_give(struct transaction_table *table, uint32_t detail);
void transaction_detail_prefetch(const struct transaction_table *table, uint32_t detail);
struct transaction_detail *transaction_detail_at(const struct transaction_table *table,
                                                 uint32_t detail);
uint32_t transaction_detail_bytes(enum detail_class size);
/* Makes `shown` of a cell: what every message asks for, or all of it where a change is put. */
void transaction_show(struct transaction_table *table, uint32_t at, bool whole);
/* What goes with credentials; all zero where there is none. */
const struct transaction_extra *transaction_extra_of(const struct transaction_table *table,
                                                     uint32_t detail);

/* --- transaction_judge.c --- */
/* Sets challenged, stale, auth_failure, user_exists of `shown` from the first final answer, and
 * feeds the nonces. */
void transaction_judge(struct transaction_table *table, const struct transaction_cell *cell,
                       const struct sip_sighting *sip);
/* Hash of realm and algorithm, as credentials and challenges give them. */
uint32_t transaction_scheme_tag(const struct transaction_table *table, struct slice realm,
                                struct slice algorithm);

#endif
