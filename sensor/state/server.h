/* server.h - addresses that requests go to: what each was asked and answered, second by second.
 *
 * Owns      one entry for each such address, and the calls that failed within the last 10 s.
 * Borrows   sightings and the proof table during the call.
 * Time      state time of the sightings; seconds end at marks.
 * Bounds    servers_max entries. Who has answered is strong; addresses that never did hold a quarter
 *           of a full table, so that sweeps push out each other. SERVER_FAILING_MAX failed calls.
 * Errors    open only.
 * Thread    the analyst's.
 *
 * A server here is a role: a phone that is called is one too. What its fact needs to be kept small
 * is decided here: CHANGE_SERVER is put at a mark for those that were asked SERVER_BUSY times in the
 * second, that owe an answer or refuse after a life of answering, that lost calls, and once a minute
 * for those that call us. A sweep of dark addresses makes none. */
#ifndef SENSOR_STATE_SERVER_H
#define SENSOR_STATE_SERVER_H

#include "sensor/state/change.h"
#include "sensor/state/proof.h"
#include "sensor/state/transaction.h"

enum {
    SERVER_BUSY = 8, /* requests in a second that are worth a word */
    SERVER_LIVED = 20, /* answered requests after which silence means something */
    SERVER_ASKERS = 8, /* different addresses that are remembered as waiting */
    SERVER_REFUSALS = 2, /* in a row that are worth a word */
    SERVER_FAILING_MAX = 4096,
};
#define SERVER_SLOW_NS (NS_PER_S / 2) /* T1 (RFC 3261 section 17.1.1.1): clients ask again */
#define SERVER_OTHER_ROUTE_NS (10 * NS_PER_S)

/* Of one second. */
struct server_second {
    uint32_t requests[SIP_METHOD_COUNT]; /* without copies */
    /* of those that begin something: from who never logged in or answered */
    uint32_t unknown[SIP_METHOD_COUNT];
    uint32_t total; /* of all methods; ACK is never counted */
    uint32_t unknown_total;
    uint32_t followed; /* requests, and ACKs, that only an answer brings: it was heard elsewhere */
    uint32_t answers; /* of any class, without copies */
    uint32_t retry_after; /* 503 with Retry-After */
    uint32_t first_answers;
    uint32_t slow_answers; /* first answers after more than SERVER_SLOW_NS */
    uint32_t sources;
    uint32_t sources_new;
    uint32_t logins; /* first success of an address that had none */
    uint32_t calls_lost;
    uint64_t first_answer_ns_sum;
};

/* Since its last answer; only requests that begin something, of who is known or proven: a flood that
 * the server does not answer is no outage. A refusal (ICMP, a reset) is of a request that waits, or of
 * a connection that somebody known wants to the port that requests go to: where it has answered over
 * TCP, or he waits. */
struct server_waiting {
    uint32_t requests; /* without copies */
    uint32_t refusals; /* of requests sent again, too */
    uint32_t askers; /* different addresses of both, up to SERVER_ASKERS */
    uint8_t refusal; /* the last: enum undelivered, and who said so */
    struct addr refused_by;
    bool calls; /* an INVITE is among them */
    uint64_t asker[SERVER_ASKERS]; /* their hashes */
    uint64_t since_ns; /* of the first; 0 = nothing waits */
    uint64_t last_ns; /* of the last, copies included */
    uint64_t refused_since_ns; /* first and last refusal; 0 = none */
    uint64_t refused_last_ns;
    uint64_t elsewhere_requests; /* state of the table's counts when it began */
    uint64_t elsewhere_answers;
};

/* One server, as changes show it. */
struct server {
    struct server_second second;
    struct server_waiting waiting;
    struct endpoint endpoint; /* port: of the last request that was answered, or of any before it */
    uint64_t answered; /* requests with an answer, in all */
    uint64_t first_asker; /* hash of the first address that was answered */
    uint64_t last_asker; /* the last one */
    uint64_t last_answer_ns;
    uint64_t usual_answer_ns; /* request to first answer in calm seconds; 0 = not known */
    uint64_t calls; /* INVITEs that it sent itself, in all */
    uint64_t last_call_ns;
    uint64_t calls_elsewhere; /* the table's count at that time */
    uint64_t last_number; /* packet of the last request: it is named as proof */
    uint32_t calls_untold;
    uint32_t before; /* in the list of this second */
    uint32_t next;
    bool listed;
    bool answers_tcp; /* it has answered over TCP */
    bool serves_many; /* answered more than one address */
};

/* What a fact adds to it. */
struct server_around {
    uint32_t waiting_servers; /* of the waiting: servers themselves, asked by more than one */
    uint32_t
        routes; /* other servers, no devices, that answered one of the waiting in the last minute */
    uint64_t elsewhere_requests; /* to other servers that lived, since it owes an answer */
    uint64_t elsewhere_answers;
    uint64_t calls_elsewhere; /* INVITEs of others since its last one */
};

struct server_table;

MUST_USE enum status server_open(uint32_t servers_max, struct hash_key key, struct change_sink sink,
                                 struct server_table **out_table, struct error *error);
void server_close(struct server_table *table);
size_t server_bytes_max(uint32_t servers_max);
/* By the hash of an address, to look ahead in, no more. */
const struct table *server_index(const struct server_table *table);
/* One message, behind transaction_see(). */
void server_see(struct server_table *table, const struct sip_sighting *sip,
                const struct transaction_view *view, const struct proof_table *proof);
/* A request, or a connection for some, did not get there. */
void server_see_refused(struct server_table *table, const struct refused_sighting *refused,
                        const struct proof_table *proof);
/* An address without a success so far has had its first from the server with that hash. */
void server_login(struct server_table *table, uint64_t server_hash);
/* The second is over. */
void server_mark(struct server_table *table, uint64_t mark_s, uint64_t shift_ns);
void server_around(const struct server_table *table, const struct server *server,
                   const struct proof_table *proof, struct server_around *out_around);
uint64_t server_evicted(const struct server_table *table);
uint32_t server_used(const struct server_table *table);

#endif
