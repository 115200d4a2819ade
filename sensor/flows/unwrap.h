/* unwrap.h - from a captured frame to a datagram: layers, reassembly, mirror copies, counts.
 *
 * Owns      fragment table, duplicate table, the counters of frames.
 * Borrows   the frame's bytes; a datagram points into them, or into memory asked from `keep` when
 *           it was put together from fragments.
 * Time      packet time, an argument.
 * Bounds    those of its tables.
 * Errors    open only.
 * Thread    one owner: the dealer with -r, else a worker.
 *
 * This is the front half of a packet's way; worker_state.h is the back half. With one worker both
 * run in it, with several the dealer runs this one and deals datagrams by their shard. */
#ifndef SENSOR_FLOWS_UNWRAP_H
#define SENSOR_FLOWS_UNWRAP_H

#include "sensor/flows/duplicate.h"
#include "sensor/flows/fragment.h"

enum { FLOW_SHARDS = 16, UNWRAP_AHEAD = 16 };

/* One UDP datagram or TCP segment on its way to a worker. All pointers live until the analyst's
 * position has passed `number` (docs/architecture.md). */
struct datagram {
    uint64_t time_ns; /* the frame's own stamp: figures use it. Of a reassembled one: of its first
                         fragment */
    uint64_t state_ns; /* state time: max(its time, time so far) */
    uint64_t number; /* of the frame that completed it */
    uint64_t flow_hash; /* keyed, symmetric over (innermost 5-tuple, VLANs, VNI) */
    struct addr source;
    struct addr destination;
    uint16_t source_port;
    uint16_t destination_port;
    uint8_t protocol; /* enum protocol */
    uint8_t ttl;
    uint8_t tcp_flags;
    uint8_t fragments; /* 0: came whole; else how many, saturating */
    uint16_t vlan_outer; /* as in struct layers */
    uint16_t vlan_inner;
    uint32_t vni;
    uint16_t interface;
    uint16_t frame_overhead; /* wire bytes of the frame before the payload, saturating */
    uint32_t tcp_sequence;
    uint32_t tcp_acknowledgement;
    const uint8_t *payload;
    uint32_t payload_bytes; /* captured */
    uint32_t payload_wire; /* > payload_bytes: cut by the snap length */
    uint32_t ip_wire; /* IP total length(s): for bytes in records */
    uint32_t ip_bytes; /* captured bytes at ip */
    const uint8_t *ip; /* innermost IP header; NULL after reassembly */
};

static inline uint32_t datagram_shard(const struct datagram *datagram)
{
    return (uint32_t)(datagram->flow_hash >> 60);
}

/* Counters of frames: index = enum reason; totals beside them. */
struct unwrap_counts {
    uint64_t frames;
    uint64_t bytes; /* on the wire */
    uint64_t decoded;
    uint64_t ignored;
    uint64_t malformed; /* frames = decoded + ignored + malformed */
    uint64_t duplicates; /* part of decoded */
    uint64_t reasons[REASON_COUNT];
    uint64_t overlaps; /* anomaly ip-frag-overlap */
};

struct unwrap;

struct unwrap_options {
    struct hash_key key;
    size_t fragment_bytes_max;
    bool drop_duplicates;
    /* Memory for a reassembled datagram: `bytes` that live as long as datagram `number` needs them.
     * Never NULL (the caller waits for room). */
    uint8_t *(*keep)(void *owner, uint64_t number, uint32_t bytes);
    void *owner;
};

MUST_USE enum status unwrap_open(const struct unwrap_options *options, struct unwrap **out_unwrap,
                                 struct error *error);
void unwrap_close(struct unwrap *unwrap);
size_t unwrap_bytes_max(const struct unwrap_options *options);

/* True: *out_datagram is the next datagram or segment. False: the frame was counted and gives
 * nothing now. */
bool unwrap_see(struct unwrap *unwrap, uint16_t link_type, uint16_t interface, uint64_t number,
                uint64_t time_ns, uint64_t state_ns, const uint8_t *at, uint32_t captured,
                uint32_t wire_bytes, struct datagram *out_datagram);
/* The same in passes over a batch: look at all frames (their bytes alone), fetch what that leads
 * to, then see each, in order. Places are 0 to UNWRAP_AHEAD - 1. */
void unwrap_look(struct unwrap *unwrap, size_t place, uint16_t link_type, const uint8_t *at,
                 uint32_t captured, uint32_t wire_bytes);
void unwrap_prefetch(const struct unwrap *unwrap, size_t count);
bool unwrap_see_looked(struct unwrap *unwrap, size_t place, uint16_t interface, uint64_t number,
                       uint64_t time_ns, uint64_t state_ns, const uint8_t *at, uint32_t captured,
                       uint32_t wire_bytes, struct datagram *out_datagram);
void unwrap_mark(struct unwrap *unwrap, uint64_t mark_ns); /* time-outs of fragments */
const struct unwrap_counts *unwrap_counts(const struct unwrap *unwrap);

#endif
