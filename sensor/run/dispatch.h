/* dispatch.h - frames in, datagrams dealt: time, marks, unwrapping, shards.
 *
 * Owns      the timeline, the unwrapper, the datagrams that wait to be handed on, its own counts of
 *           frames.
 * Borrows   blocks during the call; lanes for its life.
 * Time      makes state time from the frames' stamps.
 * Bounds    DISPATCH_BATCH datagrams a lane.
 * Errors    open only.
 * Thread    one: the dealer (N > 1), the worker (N = 1), or the only one (N = 0).
 *
 * A lane is a way to a worker: a ring, or the worker's state itself when it is the same thread.
 * Marks go to every lane before the frame that crossed the second; a position to every lane after
 * each block. */
#ifndef SENSOR_RUN_DISPATCH_H
#define SENSOR_RUN_DISPATCH_H

#include "sensor/capture/filter.h"
#include "sensor/capture/source.h"
#include "sensor/flows/timeline.h"
#include "sensor/flows/worker_state.h"
#include "sensor/run/order.h"

enum { DISPATCH_BATCH = WORKER_BATCH };

/* Records in a deal ring. */
enum deal_kind { DEAL_DATAGRAMS, DEAL_MARK, DEAL_POSITION, DEAL_END };

struct deal {
    uint32_t bytes; /* of the record */
    uint16_t kind; /* enum deal_kind */
    uint16_t count; /* of datagrams that follow */
    uint64_t number; /* MARK, POSITION, END: frames before this one are done */
    uint64_t second; /* MARK */
    uint64_t shift_ns;
};

/* What a lane can do; `datagrams` are in order of number. */
struct lane {
    void (*datagrams)(void *owner, const struct datagram *batch, size_t count);
    void (*mark)(void *owner, uint64_t second, uint64_t number, uint64_t shift_ns);
    void (*position)(void *owner, uint64_t number); /* all frames below number have been given */
    void (*end)(void *owner, uint64_t number);
    void *owner;
};

struct dispatch;

struct dispatch_options {
    const struct lane *lanes;
    uint32_t lane_count;
    struct unwrap_options unwrap;
    struct filter *filter; /* NULL = every frame */
    struct order
        *order; /* live: makes the numbers of frames and marks; NULL: frames bring theirs */
    /* Before each mark and at the end: the counts of frames so far are told (to the ring of who
     * owns them). */
    void (*counts)(void *owner, const struct unwrap_counts *counts, uint64_t first_ns,
                   uint64_t last_ns, uint64_t second, uint64_t number, bool end);
    void *owner;
};

MUST_USE enum status dispatch_open(const struct dispatch_options *options,
                                   struct dispatch **out_dispatch, struct error *error);
void dispatch_close(struct dispatch *dispatch);
void dispatch_block(struct dispatch *dispatch, const struct block *block);
/* Live: it is now_ns, and nothing earlier is expected; marks and a position follow. */
void dispatch_time(struct dispatch *dispatch, uint64_t now_ns);
void dispatch_end(struct dispatch *dispatch);
/* Hands on what waits and gives a position in the middle of a block: for who must wait for the
 * analyst. */
void dispatch_flush(struct dispatch *dispatch);

#endif
