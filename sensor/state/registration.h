/* registration.h - who registered where, and how each attempt ended.
 *
 * Owns      attempts, bindings, their texts.
 * Borrows   sightings during the call.
 * Time      state time, an argument; expiries fall at marks.
 * Bounds    attempts_max and bindings_max; the longest idle goes and is counted.
 * Errors    open only.
 * Thread    the analyst's.
 *
 * docs/definitions.md: AOR = To URI (host folded, parameters dropped). A challenge is no
 * failure; stale nonces and renegotiations are none either. The figures attempts, succeeded, failed
 * are defined there: distinct (Call-ID, CSeq); failed = last final >= 300 except a
 * challenge to a request without credentials, and except an old nonce where the same Call-ID then
 * succeeds.
 *
 * REGISTERED, MOVED, REFRESHED, UNREGISTERED come with the 200, once for each (Call-ID, CSeq)
 * whatever the number of hops; a 200 to a REGISTER that only asks is REFRESHED and changes no
 * binding. REJECTED comes once a chain: at once for a refusal that invites no other try (403, 404
 * ...), for wrong credentials when the chain was quiet for 32 s, or once a minute while it goes on.
 * EXPIRED comes at the mark behind the expiry. */
#ifndef SENSOR_STATE_REGISTRATION_H
#define SENSOR_STATE_REGISTRATION_H

#include "sensor/state/change.h"
#include "sensor/state/devices.h"
#include "sensor/state/transaction.h"

enum registration_action {
    REGISTRATION_REGISTERED,
    REGISTRATION_REFRESHED,
    REGISTRATION_UNREGISTERED,
    REGISTRATION_EXPIRED,
    REGISTRATION_REJECTED,
    REGISTRATION_MOVED, /* the same account, now from another address */
};

enum { REGISTRATION_CONTACTS_MAX = 8 };

struct registration {
    uint8_t action; /* enum registration_action */
    bool has_credentials;
    bool stale;
    bool nat; /* Contact or Via name another address than the packet's */
    bool account_known; /* before this attempt */
    bool device_known;
    bool place_known;
    uint8_t rounds; /* challenges in this attempt chain */
    uint16_t status;
    uint16_t interface;
    uint64_t number; /* packet that decided */
    uint64_t started_ns; /* first REGISTER of the chain */
    uint64_t first_failure_ns; /* 0 = none */
    uint64_t account_hash;
    uint64_t device_hash;
    uint32_t
        attempts; /* REGISTERs of the chain (one Call-ID) since its last success, without copies */
    uint32_t failures; /* authentication failures of the account since its last success */
    uint32_t expires_s; /* granted */
    uint32_t requested_expires_s; /* UINT32_MAX = not asked for */
    uint32_t refresh_count;
    uint32_t cseq;
    struct endpoint client;
    struct endpoint server;
    uint8_t transport;
    uint8_t contact_count;
    struct slice contacts[REGISTRATION_CONTACTS_MAX]; /* of the 200; URIs */
    struct slice aor; /* "sip:user@host" */
    struct slice account; /* "user@host" */
    struct slice user;
    struct slice domain;
    struct slice auth_user;
    struct slice realm;
    struct slice algorithm;
    struct slice user_agent;
    struct slice call_id;
    struct slice reason;
    struct endpoint previous; /* of the binding before; port 0 = none */
    struct slice previous_user_agent;
    bool changed_ip;
    bool changed_user_agent;
};

struct registration_counts {
    uint64_t attempts;
    uint64_t succeeded;
    uint64_t failed;
};

struct registration_table;

struct registration_limits {
    uint32_t attempts_max;
    uint32_t bindings_max;
    struct hash_key key;
};

MUST_USE enum status registration_open(const struct registration_limits *limits,
                                       struct change_sink sink, struct device_table *devices,
                                       struct registration_table **out_table, struct error *error);
void registration_close(struct registration_table *table);
size_t registration_bytes_max(const struct registration_limits *limits);
/* A REGISTER or its answer (others are ignored), with what transaction_see() said of it. */
void registration_see(struct registration_table *table, const struct sip_sighting *sip,
                      const struct transaction_view *transaction);
void registration_mark(struct registration_table *table, uint64_t mark_s, uint64_t shift_ns);
/* Tells the refusals that are kept, forced, in the order of first packets; now_ns is the time of
 * the last packet. */
void registration_end(struct registration_table *table, uint64_t now_ns);
/* Has the account a binding from this address now? */
bool registration_is_bound(const struct registration_table *table, uint64_t account_hash,
                           const struct addr *addr);
/* Over a restart: the bindings. Attempts and what was not told yet are not kept. */
void registration_part(struct registration_table *table, struct snapshot_part *out_part);
void registration_counts(const struct registration_table *table,
                         struct registration_counts *out_counts);
uint64_t registration_evicted(const struct registration_table *table);
uint32_t registration_used(const struct registration_table *table);

#endif
