/* worker.h - a worker's thread, and the lanes that lead to it.
 *
 * Owns      its worker state and sighting ring; with several workers its deal ring.
 * Borrows   the shared struct of the run.
 * Time      packet time, carried by what it is dealt.
 * Bounds    RUN_SIGHTING_RING_BYTES, RUN_DEAL_RING_BYTES.
 * Errors    open only.
 * Thread    worker_run() is the thread's body; lanes are used by the dealer's. */
#ifndef SENSOR_RUN_WORKER_H
#define SENSOR_RUN_WORKER_H

#include "sensor/run/dispatch.h"
#include "sensor/run/run.h"

struct worker {
    struct run_shared *shared;
    struct worker_state *state;
    struct ring sightings;
    struct ring deals; /* N > 1 only */
    struct bell *bell; /* its own */
    uint64_t number; /* frames below it have been seen: its position */
    uint64_t done_seen; /* where the analyst stood when this worker last waited */
    bool inline_analyst; /* N = 0: room is made by draining, not by waiting */
    void (*drain)(void *owner);
    void *drain_owner;
};

/* `dealt`: it gets a deal ring. `bell`: where it sleeps; NULL with N = 0. */
MUST_USE enum status worker_open(struct worker *worker, const struct worker_limits *limits,
                                 struct run_shared *shared, struct bell *bell, bool dealt,
                                 struct error *error);
void worker_close(struct worker *worker);
/* The lane of a worker in the same thread (N <= 1), and of one behind its deal ring (N > 1). */
struct lane worker_lane_direct(struct worker *worker);
struct lane worker_lane_ring(struct worker *worker);
/* Reads its deal ring until the end (N > 1). */
void worker_run(struct worker *worker);
/* Publishes all and gives position `number`; `wake` the analyst whatever the amount. */
void worker_position(struct worker *worker, uint64_t number, bool wake);
/* Memory that stays until the analyst has passed `number`: unwrap_options.keep, owner = struct
 * worker. */
uint8_t *worker_keep(void *owner, uint64_t number, uint32_t bytes);

#endif
