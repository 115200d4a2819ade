/* flow.h - five-tuples with originator, counts and a verdict: what is none of our media.
 *
 * Owns      the flows of one worker, in the tables of its shards.
 * Borrows   the datagram during the call.
 * Time      packet time in ns.
 * Bounds    flows_max over FLOW_SHARDS shards; a full shard forgets the longest idle flow (counted,
 *           told as ended).
 * Errors    open only.
 * Thread    one worker.
 *
 * A flow remembers whether it has carried SIP, whether RTCP or STUN was seen, and what nDPI thinks
 * where our decoders have no opinion. Packets of RTP streams do not come here: their stream is
 * their record. */
#ifndef SENSOR_FLOWS_FLOW_H
#define SENSOR_FLOWS_FLOW_H

#include "sensor/flows/sighting.h"
#include "sensor/flows/unwrap.h"

struct flow_table;
struct classify;

struct flow_options {
    uint32_t flows_max;
    uint64_t idle_ns; /* 300 s */
    struct hash_key key;
    bool classify; /* ask nDPI about flows that are none of ours */
    bool classify_shared; /* live: classify_share() */
    void (*on_sighting)(void *owner, const struct flow_sighting *sighting);
    void (*on_reason)(void *owner, enum reason reason);
    void *owner;
};

/* What the packet's way needs to know of a flow. */
struct flow_view {
    uint8_t application; /* enum flow_application so far */
    bool is_new;
    uint8_t tcp_flags; /* all seen, of both directions */
    bool tells_proof; /* this TCP segment of a SIP flow is one of the first of its direction that
                       * send or acknowledge data: worth a proof sighting */
};

MUST_USE enum status flow_open(const struct flow_options *options, struct flow_table **out_table,
                               struct error *error);
void flow_close(struct flow_table *table);
size_t flow_bytes_max(const struct flow_options *options);
/* Has this five-tuple carried SIP? (either direction; without counting the packet) */
bool flow_is_sip(const struct flow_table *table, const struct datagram *datagram);
/* Counts the packet under its flow, `application` = what our decoders made of it (UNKNOWN:
 * nothing). */
struct flow_view flow_see(struct flow_table *table, const struct datagram *datagram,
                          enum flow_application application);
/* The same for a packet that a stream may claim yet: nDPI is asked only once there have been more
 * of them than streams need to be told. */
struct flow_view flow_see_unsettled(struct flow_table *table, const struct datagram *datagram);
void flow_mark(struct flow_table *table, uint64_t mark_s, uint64_t number, uint64_t shift_ns);
void flow_end(struct flow_table *table, uint64_t number);
uint64_t flow_count(const struct flow_table *table); /* flows ever */

#endif
