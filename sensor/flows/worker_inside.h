/* worker_inside.h - what the files of worker_state share; private to them.
 *
 * Owns      the struct; worker_state.c opens and closes it.
 * Borrows   the datagram under work, during one call.
 * Time      packet time, an argument.
 * Bounds    those of the tables inside.
 * Errors    none here.
 * Thread    one worker. */
#ifndef SENSOR_FLOWS_WORKER_INSIDE_H
#define SENSOR_FLOWS_WORKER_INSIDE_H

#include "base/bytering.h"
#include "base/clock.h"
#include "sensor/flows/bytestream.h"
#include "sensor/flows/flow.h"
#include "sensor/flows/stream.h"
#include "sensor/flows/worker_state.h"

struct worker_state {
    struct worker_limits limits;
    struct worker_hooks hooks;
    struct stream_table *streams;
    struct flow_table *flows;
    struct bytestream_table *bytestreams;
    struct bytering kept;
    uint64_t first_ns; /* smallest and largest stamp of frames; 0 = none */
    uint64_t last_ns;
    uint64_t packet_number; /* of the datagram under work */
    uint64_t packet_sub; /* index of the next sighting of the packet under work */
    uint64_t mark_number; /* frame that a mark stands before; valid while in_mark */
    uint64_t mark_ns; /* 0 at the end of input */
    uint64_t mark_ordinal; /* of the marks before that frame: 0, 1 ... */
    uint64_t mark_sub; /* last used of messages that this mark told */
    struct datagram completed; /* the datagram under work, where it came open */
    bool in_mark;
    bool segment_is_sip; /* the TCP segment under work completed a message */
    bool segment_answers; /* it acknowledges what its sender was told */
    struct unwrap_counts frames; /* as last added */
    uint64_t counts[COUNT_TOTAL];
    uint64_t told[COUNT_TOTAL];
};

static inline void worker_count(struct worker_state *state, uint32_t id)
{
    state->counts[id]++;
}

static inline void worker_count_reason(struct worker_state *state, enum reason reason)
{
    state->counts[COUNT_REASON_FIRST + (uint32_t)reason]++;
}

/* --- worker_state.c --- */
/* A SIP port, or a flow that has carried SIP: what has only the shape of SIP is let in. */
bool worker_knows_sip(const struct worker_state *state, const struct datagram *datagram);
/* worker_state_keep(), where kept bytes of numbers <= `taken` are of no use but to sightings: they are
 * free, too, when the analyst has taken all sightings from the ring. 0 = no such. */
uint8_t *worker_keep_until(struct worker_state *state, uint64_t number, uint64_t taken,
                           uint32_t bytes);

/* --- worker_tell.c: into the ring --- */
void *worker_reserve(struct worker_state *state, size_t bytes); /* waits for room */
void worker_commit(struct worker_state *state, void *sighting, size_t bytes);
/* Head of a sighting that a packet tells; takes the next index of the packet. */
void worker_head(struct worker_state *state, const struct datagram *datagram,
                 enum sighting_kind kind, struct sighting *out_head);
void worker_tell_stream(void *owner, const struct stream_sighting *sighting);
void worker_tell_alive(void *owner, const struct alive_sighting *sighting);
void worker_tell_flow(void *owner, const struct flow_sighting *sighting);
void worker_tell_reason(void *owner, enum reason reason);
void worker_tell_counts(struct worker_state *state, uint64_t number);
void worker_tell_mark(struct worker_state *state, uint64_t mark_s, uint64_t shift_ns);
void worker_tell_end(struct worker_state *state, uint64_t number);

/* --- worker_sip.c: messages --- */
/* A datagram; false: it holds no SIP message. */
bool worker_see_sip(struct worker_state *state, const struct datagram *datagram, bool known);
bool worker_is_keepalive(const struct datagram *datagram);
void worker_see_message(void *owner, const struct datagram *segment, const uint8_t *at,
                        uint32_t bytes, bool cut, bool resync, uint64_t first_byte_ns);
void worker_see_answered(void *owner, const struct datagram *segment);
void worker_see_anomaly(void *owner, const struct datagram *segment, enum anomaly kind);

#endif
