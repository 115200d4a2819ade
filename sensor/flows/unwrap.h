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

#include "base/captured.h"
#include "decoders/icmp.h"
#include "sensor/flows/duplicate.h"
#include "sensor/flows/fragment.h"

enum { FLOW_SHARDS = 16, UNWRAP_AHEAD = 32 };

/* One UDP datagram or TCP segment on its way to a worker. All pointers live until the analyst's
 * position has passed `number` (docs/architecture.md).
 *
 * The first line is what the next packet of a known stream needs, the second what all others need
 * too. Of a plain frame (decoders/plain_udp.h) only the first is filled: it is DATAGRAM_OPEN until
 * somebody wants the second and calls datagram_complete(), which takes it from the bytes at `ip`. */
struct datagram {
    uint64_t time_ns; /* the frame's own stamp: figures use it. Of a reassembled one: of its first
                         fragment */
    uint64_t state_ns; /* state time: max(its time, time so far) */
    uint64_t number; /* of the frame that completed it */
    uint64_t flow_hash; /* keyed, symmetric over (innermost 5-tuple, VLANs, VNI) */
    const uint8_t *payload;
    const uint8_t *ip; /* innermost IP header; NULL after reassembly */
    uint32_t payload_bytes; /* captured */
    uint32_t payload_wire; /* > payload_bytes: cut by the snap length */
    uint32_t ip_wire; /* IP total length(s): for bytes in records */
    uint16_t interface;
    uint8_t protocol; /* enum protocol */
    uint8_t flags; /* enum datagram_flag */

    struct addr source;
    struct addr destination;
    uint16_t source_port;
    uint16_t destination_port;
    uint8_t ttl;
    uint8_t tcp_flags;
    uint8_t fragments; /* 0: came whole; else how many, saturating */
    uint8_t
        undelivered; /* enum undelivered; not none: no traffic, but ICMP that tells of this packet */
    uint16_t vlan_outer; /* as in struct layers */
    uint16_t vlan_inner;
    uint16_t frame_overhead; /* wire bytes of the frame before the payload, saturating */
    uint32_t vni;
    uint32_t tcp_sequence;
    uint32_t tcp_acknowledgement;
    uint32_t ip_bytes; /* captured bytes at ip */
};
enum { DATAGRAM_LINE_BYTES = 64 };
static_assert(sizeof(struct datagram) == 128 &&
                  offsetof(struct datagram, source) == DATAGRAM_LINE_BYTES,
              "two lines of the cache");

enum datagram_flag {
    DATAGRAM_OPEN = 1 << 0, /* the second line is not there yet */
    DATAGRAM_UPPER =
        1 << 1, /* which of the flow's two ends sent it: one of both directions has it */
    DATAGRAM_TAGGED = 1 << 2, /* of an open one: a VLAN tag stands before `ip` */
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

/* Looks at up to UNWRAP_AHEAD frames by their bytes alone and fetches what that leads to; then all
 * are seen, in order, each by its place among them. */
void unwrap_look(struct unwrap *unwrap, const struct captured *frames, size_t count);
/* Live: the number of a frame that has been looked at, made of its state time only now. */
void unwrap_number(struct unwrap *unwrap, size_t place, uint64_t number);
/* Sees plain frames, whose state time is their stamp, from `place` on; the first that is not plain,
 * or `end`. Those that are no copies become *out_count datagrams, all DATAGRAM_OPEN. */
size_t unwrap_see_run(struct unwrap *unwrap, const struct captured *frames, size_t place,
                      size_t end, struct datagram *out_datagrams, size_t *out_count);
/* Any frame. True: *out_datagram is the next datagram or segment, maybe DATAGRAM_OPEN. False: the
 * frame was counted and gives nothing now. */
bool unwrap_see(struct unwrap *unwrap, const struct captured *frames, size_t place,
                uint64_t state_ns, struct datagram *out_datagram);
/* One frame, and a datagram that is complete. */
bool unwrap_see_one(struct unwrap *unwrap, const struct captured *frame, uint64_t state_ns,
                    struct datagram *out_datagram);
/* Fills the second line of an open datagram. */
void datagram_complete(struct datagram *datagram);
void unwrap_mark(struct unwrap *unwrap, uint64_t mark_ns); /* time-outs of fragments */
const struct unwrap_counts *unwrap_counts(const struct unwrap *unwrap);

#endif
