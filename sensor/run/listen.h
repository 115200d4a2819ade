/* listen.h - live: one worker with its rings, from the kernel to its sightings.
 *
 * Owns      its rings, the blocks that their frames are copied into, its dispatcher and worker.
 * Borrows   the shared struct of the run.
 * Time      packet time; the wall clock says that nothing earlier will come.
 * Bounds    LISTEN_BLOCKS blocks a ring; a frame waits for those of other rings LISTEN_HOLD_NS at
 *           most.
 * Errors    open only; a ring whose interface is gone is told and left.
 * Thread    listen_run() is the thread's body; open and close are main's. */
#ifndef SENSOR_RUN_LISTEN_H
#define SENSOR_RUN_LISTEN_H

#include "sensor/capture/source_live.h"
#include "sensor/run/steady.h"
#include "sensor/run/worker.h"

enum { LISTEN_BLOCKS = 8 };
#define LISTEN_HOLD_NS (50 * NS_PER_MS)

/* What the listeners of a run and its control share. */
struct listen_shared {
    struct run_shared run;
    _Atomic bool stop; /* take what is there, then end */
    _Atomic uint64_t end_s; /* second that lies beyond all frames; valid with stop */
    _Atomic uint32_t rings_open;
    /* Interfaces that are gone: the first ring that notices says it. */
    _Atomic bool gone[SOURCE_INTERFACES_MAX];
    char why_gone[SOURCE_INTERFACES_MAX][sizeof(struct error)];
};

struct intake {
    struct source_live *source; /* NULL: its interface is gone */
    struct block blocks[LISTEN_BLOCKS];
    uint64_t last[LISTEN_BLOCKS]; /* number of the last frame that was handed on from it */
    uint64_t filling; /* block that is being filled, counted on */
    uint32_t taken; /* frames of it that were handed on */
    bool full;
    bool silent; /* the last look at the ring brought nothing */
    struct source_live_counts left; /* of a source that is gone */
};

struct listener {
    struct listen_shared *shared;
    struct worker worker;
    struct lane lane;
    struct dispatch *dispatch;
    struct order order;
    struct steady steady;
    struct intake intakes[SOURCE_INTERFACES_MAX];
    uint32_t intake_count;
    struct block merged; /* frames of several rings in order of time; no bytes of its own */
    uint64_t sampled_ns;
    uint64_t dropped_said;
    uint64_t woken_ns; /* when the analyst was last woken */
};

struct listen_options {
    struct listen_shared *shared;
    uint32_t ring; /* which worker */
    uint32_t interface_count;
    uint64_t start_s;
    struct worker_limits limits;
    struct unwrap_options unwrap; /* keep and owner are filled here */
    bool inline_analyst; /* --workers 0 */
    void (*drain)(void *owner);
    void *drain_owner;
};

/* Each intakes[i] gets its source before it runs; until then it is as one that is gone. */
MUST_USE enum status listen_open(struct listener *listener, const struct listen_options *options,
                                 struct error *error);
void listen_close(struct listener *listener);
uint64_t listen_clock_ns(void); /* the wall clock */
/* Takes what is there, waits up to 10 ms where that is nothing; true when it is over. */
bool listen_round(struct listener *listener);
void listen_run(struct listener *listener);

#endif
