/* stream.h - one SSRC of one direction: sequence, loss, reordering, jitter, clock, in intervals.
 *
 * Owns      the streams of one worker, in cells of its shards; hot and cold parts apart.
 * Borrows   the packet during the call.
 * Time      packet time in ns, always an argument.
 * Bounds    streams_max over FLOW_SHARDS shards; a full shard closes the longest idle of its oldest
 *           16 streams (counted, told as ended). Candidates and streams share the room; candidates
 *           go first. A candidate that ends with fewer than STREAM_CANDIDATE_PACKETS is counted,
 *           not told.
 * Errors    open only.
 * Thread    one worker.
 *
 * Key: innermost source, destination, ports, VLANs, VNI, SSRC (docs/definitions.md). Acceptance
 * by content, probation, re-basing, the bitmap window of 512, and the figures are defined there and
 * in docs/architecture.md; the report's figures by docs/definitions.md: expected = highest
 * extended - first + 1, lost = expected - distinct, jitter over all packets in arrival order.
 *
 * Picture and layout of a cell: stream.c. Streams are told in the order of their first packet. */
#ifndef SENSOR_FLOWS_STREAM_H
#define SENSOR_FLOWS_STREAM_H

#include "decoders/rtp.h"
#include "sensor/flows/sighting.h"
#include "sensor/flows/unwrap.h"

struct stream_table;

enum { STREAM_CANDIDATE_PACKETS = 3 };

struct stream_options {
    uint32_t streams_max; /* over all shards */
    uint64_t idle_ns; /* 300 s */
    struct hash_key key;
    /* Called for everything a stream tells. The sighting is complete but for what the ring adds; it
     * is valid during the call. `key` and `sub` of the head are set. */
    void (*on_sighting)(void *owner, const struct stream_sighting *sighting);
    void (*on_alive)(void *owner, const struct alive_sighting *sighting); /* the same */
    void (*on_reason)(void *owner, enum reason reason);
    void *owner;
};

MUST_USE enum status stream_open(const struct stream_options *options,
                                 struct stream_table **out_table, struct error *error);
void stream_close(struct stream_table *table);
size_t stream_bytes_max(const struct stream_options *options);

/* What a first look at a datagram of a batch found. */
struct stream_lane {
    uint64_t hash; /* of flow, direction and SSRC; 0 = it is no RTP */
    uint32_t
        hint; /* where the stream seems to be: saves a look-up; need not hold when it is seen */
};
/* Work in batches of packets: look at all, which fetches what they will touch; then let runs go the
 * short way, and see() what stands between them. */
void stream_look(const struct stream_table *table, const struct datagram *batch, size_t count,
                 struct stream_lane *lanes);
/* Counts packets from `from` on that are the next of their confirmed stream; the first that is not,
 * or `count`. */
size_t stream_see_run(struct stream_table *table, const struct datagram *batch,
                      const struct stream_lane *lanes, size_t from, size_t count);
uint64_t stream_hash(const struct stream_table *table, const struct datagram *datagram,
                     uint32_t ssrc);
/* Is this SSRC of this direction a confirmed stream? For RTCP on the same port. */
bool stream_knows(const struct stream_table *table, uint64_t hash);

/* A port of another well-known protocol: there RTP is believed only if an SDP says so. */
bool stream_port_excluded(uint16_t port);
/* SSRC 0 and 1, constants of other protocols at this place (ONC RPC): the same. */
bool stream_ssrc_excluded(uint32_t ssrc);

enum stream_seen {
    STREAM_SEEN_CANDIDATE, /* a candidate's; with an excluded port or SSRC it stays one */
    STREAM_SEEN_CONFIRMS, /* the packet with which the stream passes probation */
    STREAM_SEEN_CONFIRMED,
};
/* Counts the packet; a stream that is not known is begun. `hint` as in a lane, or UINT32_MAX. */
enum stream_seen stream_see(struct stream_table *table, const struct datagram *datagram,
                            const struct rtp_view *view, uint64_t hash, uint32_t hint);
/* A mark: what began, intervals at seconds divisible by 5, silence of 3 s and its end, ends after
 * idle_ns, in order of first packets; and who is alive. */
void stream_mark(struct stream_table *table, uint64_t mark_s, uint64_t number, uint64_t shift_ns);
void stream_end(struct stream_table *table,
                uint64_t number); /* all that is open is told ENDED (or CANDIDATE) */
uint64_t stream_confirmed(const struct stream_table *table); /* streams ever confirmed */
uint64_t stream_packets(const struct stream_table *table); /* packets of confirmed streams */

#endif
