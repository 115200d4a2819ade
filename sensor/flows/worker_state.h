/* worker_state.h - one worker's whole memory, and a datagram's way through it.
 *
 * Owns      streams, flows, TCP streams, the SIP scratch, its counters; the ring of bytes for
 *           messages that do not stand whole in a block.
 * Borrows   datagrams during the call; the sighting ring of its thread.
 * Time      packet time, an argument.
 * Bounds    those of its tables; --list memory prints them.
 * Errors    open only.
 * Thread    one worker. No locks, no word to other workers; nothing here needs both directions.
 *
 *   datagram --> UDP: SIP?  RTP/RTCP?  STUN?  else flow (nDPI)          sightings --> ring
 *            --> TCP: bytestream --> SIP;  flow
 */
#ifndef SENSOR_FLOWS_WORKER_STATE_H
#define SENSOR_FLOWS_WORKER_STATE_H

#include "base/budget.h"
#include "base/ring.h"
#include "sensor/flows/sighting.h"
#include "sensor/flows/unwrap.h"

enum { WORKER_BATCH = 32 };

struct worker_limits {
    uint32_t streams_max;
    uint32_t flows_max;
    uint32_t tcp_streams_max;
    size_t tcp_bytes_max;
    uint64_t stream_idle_ns;
    uint64_t flow_idle_ns;
    bool classify;
    bool classify_shared; /* live: one nDPI module, made at open */
    bool live; /* counts are told at every mark */
    struct hash_key key; /* the analyst's too: sightings bring keys that are made with it */
};

struct worker_state;

/* What the thread around a worker gives it. */
struct worker_hooks {
    struct ring *sightings;
    /* ring_reserve() gave nothing, or there was no room for bytes: returns when there may be some.
     */
    void (*wait_for_room)(void *owner);
    /* Packet number up to which the analyst is done: bytes kept for numbers <= it are free again.
     */
    uint64_t (*analyst_position)(void *owner);
    void *owner;
};

MUST_USE enum status worker_state_open(const struct worker_limits *limits,
                                       const struct worker_hooks *hooks,
                                       struct worker_state **out_state, struct error *error);
void worker_state_close(struct worker_state *state);
void worker_state_budget(const struct worker_limits *limits, struct budget *budget);

/* Up to WORKER_BATCH datagrams, in order of their numbers. */
void worker_state_see(struct worker_state *state, const struct datagram *batch, size_t count);
/* A mark before frame `number`: tells what falls at it, then COUNTS (when the second is divisible
 * by 10) and MARK. */
void worker_state_mark(struct worker_state *state, uint64_t mark_s, uint64_t number,
                       uint64_t shift_ns);
/* The end of input, after frame number - 1: tells all that is open, COUNTS, END. */
void worker_state_end(struct worker_state *state, uint64_t number);
/* Counts of frames belong to who unwraps them: it adds its own here before a mark (single worker),
 * or tells them through its own ring (dealer), with the same function. */
void worker_state_add_frames(struct worker_state *state, const struct unwrap_counts *counts,
                             uint64_t first_ns, uint64_t last_ns);
/* Live: what the kernel says of this worker's rings, cumulative. */
struct worker_capture {
    uint64_t offered;
    uint64_t dropped;
    uint64_t interface_dropped;
    uint64_t clock_steps;
    uint64_t interfaces[COUNT_INTERFACES]; /* frames taken from each */
};
void worker_state_set_capture(struct worker_state *state, const struct worker_capture *capture);
/* Memory for a reassembled datagram or message that stays until the analyst's position has passed
 * `number`; waits for room, never NULL. */
uint8_t *worker_state_keep(struct worker_state *state, uint64_t number, uint32_t bytes);

#endif
