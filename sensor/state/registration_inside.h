/* registration_inside.h - between registration.c (attempts, figures, time) and registration_tell.c
 * (what is told).
 *
 * Owns      nothing.
 * Borrows   cells of the tables.
 * Time      packet time, an argument.
 * Bounds    an attempt is 8 bytes, a chain 128, a refusal 448: see registration.c.
 * Errors    none.
 * Thread    the analyst's. */
#ifndef SENSOR_STATE_REGISTRATION_INSIDE_H
#define SENSOR_STATE_REGISTRATION_INSIDE_H

#include "base/slab.h"
#include "base/table.h"
#include "sensor/state/binding.h"
#include "sensor/state/order.h"
#include "sensor/state/registration.h"

enum chain_flag {
    CHAIN_NAT = 1 << 0,
    CHAIN_STALE = 1 << 1,
    CHAIN_CREDENTIALS = 1 << 2,
    CHAIN_REMOVES = 1 << 3, /* the request asks for removal: expires 0 */
    CHAIN_STAR = 1 << 4, /* ... of all: Contact * */
    CHAIN_ASKS = 1 << 5, /* no Contact: only a question */
    CHAIN_REFUSED = 1 << 6, /* wrong credentials, not told yet */
};

/* All REGISTERs of one Call-ID; the request in flight is its latest. */
struct chain {
    uint64_t number; /* packet of the first request since it last ended */
    uint64_t started_ns; /* its time; 0 = nothing since then */
    uint64_t first_failure_ns;
    uint64_t told_ns; /* the refusal that was told last, or the first one since */
    uint64_t account_hash;
    uint64_t device_hash;
    struct endpoint client; /* of the hop with the fewest Vias */
    struct endpoint server;
    uint32_t cseq;
    uint32_t attempts; /* since the last success */
    uint32_t requested_expires_s;
    uint32_t contact_tag;
    uint32_t excusable; /* failures that count until the chain succeeds: their nonces were old */
    uint32_t refusal; /* slab cell + 1 of what is to be told; 0 = none */
    uint16_t status;
    uint16_t interface;
    uint16_t vias;
    uint16_t epoch; /* successes so far, modulo */
    uint8_t rounds;
    uint8_t transport;
    uint8_t flags; /* enum chain_flag */
};
static_assert(sizeof(struct chain) <= 128, "a chain with its head is 160 bytes");

enum refusal_word {
    REFUSAL_USER,
    REFUSAL_HOST,
    REFUSAL_AUTH_USER,
    REFUSAL_REALM,
    REFUSAL_ALGORITHM,
    REFUSAL_AGENT,
    REFUSAL_CALL_ID,
    REFUSAL_REASON,
    REFUSAL_WORDS
};
enum { REFUSAL_TEXT_BYTES = 424 };

/* What a refusal that is told later needs. */
struct refusal {
    uint16_t ends[REFUSAL_WORDS];
    bool is_tel;
    char text[REFUSAL_TEXT_BYTES];
};

enum { AOR_BYTES = 640 };

struct registration_table {
    struct table attempts;
    struct table chains;
    struct slab refusals;
    struct order order;
    struct binding_table *bindings;
    struct device_table *devices;
    struct change_sink sink;
    struct hash_key key;
    struct registration_counts counts;
    uint64_t now_ns;
    struct registration shown;
    char aor[AOR_BYTES];
};

/* What is told of a message. `transaction` may be NULL. */
struct registration_step {
    const struct sip_sighting *sip;
    const struct transaction *transaction;
    struct chain *chain;
    bool in_flight; /* the chain's values are of this very request */
};

/* The first 2xx of an attempt: bindings change, and what became of them is told. */
void registration_tell_success(struct registration_table *table,
                               const struct registration_step *step);
/* A refusal, told at once. */
void registration_tell_refusal(struct registration_table *table,
                               const struct registration_step *step);
/* Keeps what a later registration_tell_kept() needs; false: no room, tell it now. */
bool registration_tell_keep(struct registration_table *table, const struct registration_step *step);
void registration_tell_kept(struct registration_table *table, struct chain *chain, bool forced);
void registration_tell_expired(struct registration_table *table, const struct binding *binding);
/* Of a Contact: user, host and port, without case where there is none. */
uint32_t registration_contact_tag(const struct registration_table *table, const char *base,
                                  const struct sip_uri *uri);

#endif
