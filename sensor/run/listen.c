/* One worker of a live run.
 *
 *   ring of eth0 --copy--> blocks --.
 *   ring of eth1 --copy--> blocks --+-- by time --> dispatch --> worker state --> sightings
 *
 * No dealer: the kernel parts the frames of an interface among the workers, each unwraps its own.
 * What the kernel parts wrongly (a tunnel's two directions) is no harm: nothing here needs both.
 *
 * A round polls, copies what the rings hold, and hands it on. With one ring its frames are in
 * order. With several, frames wait until every ring has shown a later one or has been found empty
 * LISTEN_HOLD_NS after their time: two taps of one line stamp request and answer within
 * microseconds, but hand them over in blocks, up to the kernel's time-out apart. What comes later
 * still is taken when it comes (time.late).
 *
 * Silence: a ring that was found empty has nothing earlier than LISTEN_HOLD_NS ago. Then time goes
 * on by the wall clock: marks fall, intervals, time-outs and sensor records are told, and the
 * position lets the analyst merge the others.
 *
 * When the analyst is behind, blocks are not free and the sighting ring is full: the worker waits,
 * the kernel's ring takes what comes, and what does not fit there is counted by the kernel: one
 * place to lose, one count. The analyst itself never waits for ever (analyst.c).
 *
 * A block is free when the analyst has passed the last frame that was handed on from it, or has
 * released all of this worker's sightings. */
#include "sensor/run/listen.h"

#include "base/log.h"

#include <poll.h>

enum { ROUND_MS = 10, WAIT_MS = 2 };
static_assert((int)COUNT_INTERFACES == (int)SOURCE_INTERFACES_MAX, "each interface has its count");
#define WAKE_NS (10 * NS_PER_MS)
#define STOP_NS (2 * NS_PER_S)

static uint64_t clock_ns(clockid_t which)
{
    struct timespec now = {0};
    (void)clock_gettime(which, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

uint64_t listen_clock_ns(void)
{
    return clock_ns(CLOCK_REALTIME);
}

static uint64_t look_at_clock(struct listener *listener)
{
    uint64_t stepped_ns = 0;
    uint64_t now_ns =
        steady_see(&listener->steady, listen_clock_ns(), clock_ns(CLOCK_BOOTTIME), &stepped_ns);
    if (stepped_ns > 0) {
        log_line(LOG_WARN,
                 "the wall clock was set back by %" PRIu64 " s: packet time goes on as before",
                 stepped_ns / NS_PER_S);
    }
    return now_ns;
}

/* --- opening --- */

static void tell_frames(void *owner, const struct unwrap_counts *counts, uint64_t first_ns,
                        uint64_t last_ns, uint64_t second, uint64_t number, bool end)
{
    struct listener *listener = owner;
    (void)second;
    (void)number;
    (void)end; /* the lane brings mark and end */
    worker_state_add_frames(listener->worker.state, counts, first_ns, last_ns);
}

static uint8_t *keep(void *owner, uint64_t number, uint32_t bytes)
{
    struct listener *listener = owner;
    dispatch_flush(listener->dispatch); /* what is held back must not be what we wait for */
    return worker_keep(&listener->worker, number, bytes);
}

static enum status open_blocks(struct listener *listener, struct error *error)
{
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < listener->intake_count; i++) {
        for (size_t k = 0; k < LISTEN_BLOCKS && status == STATUS_OK; k++) {
            status = block_open(&listener->intakes[i].blocks[k], error);
        }
    }
    if (status == STATUS_OK && listener->intake_count > 1) {
        listener->merged.frames = calloc(BLOCK_FRAMES_MAX, sizeof(struct captured));
        if (listener->merged.frames == NULL) {
            status = error_set(error, STATUS_FAILED, "", "no memory for the order of frames");
        }
    }
    return status;
}

enum status listen_open(struct listener *listener, const struct listen_options *options,
                        struct error *error)
{
    struct run_shared *run = &options->shared->run;
    listener->shared = options->shared;
    listener->intake_count = options->interface_count;
    listener->order = (struct order){.origin_s = options->start_s, .ring = options->ring};
    enum status status = open_blocks(listener, error);
    if (status == STATUS_OK) {
        status = worker_open(&listener->worker, &options->limits, run,
                             options->inline_analyst ? NULL : &run->worker_bells[options->ring],
                             false, error);
    }
    if (status == STATUS_OK) {
        listener->worker.inline_analyst = options->inline_analyst;
        listener->worker.drain = options->drain;
        listener->worker.drain_owner = options->drain_owner;
        listener->lane = worker_lane_direct(&listener->worker);
        struct dispatch_options dispatch = {.lanes = &listener->lane,
                                            .lane_count = 1,
                                            .unwrap = options->unwrap,
                                            .order = &listener->order,
                                            .counts = tell_frames,
                                            .owner = listener};
        dispatch.unwrap.keep = keep;
        dispatch.unwrap.owner = listener;
        status = dispatch_open(&dispatch, &listener->dispatch, error);
    }
    if (status == STATUS_OK) {
        dispatch_time(listener->dispatch, options->start_s * NS_PER_S);
    }
    return status;
}

void listen_close(struct listener *listener)
{
    for (uint32_t i = 0; i < listener->intake_count; i++) {
        source_live_close(listener->intakes[i].source);
        for (size_t k = 0; k < LISTEN_BLOCKS; k++) {
            block_close(&listener->intakes[i].blocks[k]);
        }
    }
    free(listener->merged.frames);
    dispatch_close(listener->dispatch);
    worker_close(&listener->worker);
    *listener = (struct listener){0};
}

/* --- counts of the kernel --- */

static void sample(struct listener *listener)
{
    struct worker_capture sum = {0};
    for (uint32_t i = 0; i < listener->intake_count; i++) {
        struct intake *intake = &listener->intakes[i];
        if (intake->source != NULL) {
            source_live_sample(intake->source);
            intake->left = *source_live_counts(intake->source);
        }
        sum.offered += intake->left.offered;
        sum.dropped += intake->left.dropped;
        sum.interface_dropped += intake->left.interface_dropped;
        sum.interfaces[i] = intake->left.taken;
    }
    sum.clock_steps = listener->order.ring == 0 ? listener->steady.steps : 0; /* all see the same */
    worker_state_set_capture(listener->worker.state, &sum);
    if (sum.dropped > listener->dropped_said) {
        listener->dropped_said = sum.dropped;
        log_line(LOG_WARN,
                 "worker %" PRIu32 " has lost %" PRIu64 " of %" PRIu64 " frames: the ring of the "
                 "kernel was full; more workers, or a larger capture.buffer",
                 listener->order.ring, sum.dropped, sum.offered);
    }
}

/* --- taking --- */

static struct block *filling_block(struct intake *intake)
{
    return &intake->blocks[intake->filling % LISTEN_BLOCKS];
}

/* Number up to which nobody looks at frames any more. */
static uint64_t frames_done(const struct listener *listener)
{
    if (ring_is_drained(&listener->worker.sightings)) { /* a round ends with all published */
        return UINT64_MAX;
    }
    return atomic_load_explicit(&listener->shared->run.analyst_done, memory_order_acquire);
}

/* A block to go on with; false: the analyst has still to pass it. */
static bool has_room(const struct listener *listener, struct intake *intake)
{
    if (!intake->full) {
        return true;
    }
    if (intake->taken < filling_block(intake)->frame_count) {
        return false; /* frames of other rings come first */
    }
    uint64_t next = intake->filling + 1;
    if (next >= LISTEN_BLOCKS && frames_done(listener) < intake->last[next % LISTEN_BLOCKS]) {
        return false;
    }
    intake->filling = next;
    intake->taken = 0;
    intake->full = false;
    filling_block(intake)->frame_count = 0;
    return true;
}

static void leave(struct listener *listener, uint32_t interface, const struct error *error)
{
    struct listen_shared *shared = listener->shared;
    struct intake *intake = &listener->intakes[interface];
    sample(listener);
    source_live_close(intake->source);
    intake->source = NULL;
    if (!atomic_exchange_explicit(&shared->gone[interface], true, memory_order_acq_rel)) {
        char *why = shared->why_gone[interface];
        (void)snprintf(why, sizeof shared->why_gone[0], "%s: %s", error->where, error->message);
        log_line(LOG_ERROR, "%s", why);
    }
    atomic_fetch_sub_explicit(&shared->rings_open, 1, memory_order_acq_rel);
}

/* Stamps of new frames onto the steady clock. */
static void steady_frames(const struct listener *listener, struct block *block, uint32_t from,
                          uint64_t looked_ns)
{
    if (listener->steady.ahead_ns == 0) {
        return;
    }
    for (uint32_t i = from; i < block->frame_count; i++) {
        block->frames[i].time_ns =
            steady_stamp(&listener->steady, block->frames[i].time_ns, looked_ns);
    }
}

/* True: some ring has more. */
static bool take_all(struct listener *listener, uint64_t looked_ns, bool *out_blocked)
{
    bool more = false;
    for (uint32_t i = 0; i < listener->intake_count; i++) {
        struct intake *intake = &listener->intakes[i];
        intake->silent = true;
        if (intake->source == NULL) {
            continue;
        }
        if (!has_room(listener, intake)) {
            intake->silent = false;
            *out_blocked = true;
            continue;
        }
        struct error error = {0};
        struct block *block = filling_block(intake);
        uint32_t before = block->frame_count;
        if (source_live_take(intake->source, block, &intake->full, &error) != STATUS_OK) {
            leave(listener, i, &error);
        }
        steady_frames(listener, block, before, looked_ns);
        intake->silent = block->frame_count == before;
        more = more || intake->full;
    }
    return more;
}

/* --- handing on --- */

static void hand_on_block(struct listener *listener, const struct block *block)
{
    dispatch_block(listener->dispatch, block);
    for (uint32_t i = 0; i < listener->intake_count; i++) {
        struct intake *intake = &listener->intakes[i];
        intake->last[intake->filling % LISTEN_BLOCKS] = listener->order.last;
    }
}

static bool has_frame(struct intake *intake)
{
    return intake->taken < filling_block(intake)->frame_count;
}

static const struct captured *next_frame(struct intake *intake)
{
    return &filling_block(intake)->frames[intake->taken];
}

/* Up to which time no ring can bring an earlier frame. */
static uint64_t horizon(struct listener *listener, uint64_t looked_ns)
{
    uint64_t lowest = UINT64_MAX;
    uint64_t full_ns = 0;
    for (uint32_t i = 0; i < listener->intake_count; i++) {
        struct intake *intake = &listener->intakes[i];
        const struct block *block = filling_block(intake);
        uint64_t newest_ns = has_frame(intake) ? block->frames[block->frame_count - 1].time_ns : 0;
        uint64_t shown_ns = intake->silent ? looked_ns - LISTEN_HOLD_NS : newest_ns;
        shown_ns = shown_ns < newest_ns ? newest_ns : shown_ns;
        if (intake->source != NULL || has_frame(intake)) {
            lowest = shown_ns < lowest ? shown_ns : lowest;
        }
        if (intake->full && newest_ns > full_ns) {
            full_ns = newest_ns; /* no room to wait for the others */
        }
    }
    return lowest < full_ns ? full_ns : lowest;
}

/* Frames up to that time, of the ring with the earliest first. */
static void merge(struct listener *listener, uint64_t until_ns)
{
    struct block *merged = &listener->merged;
    for (;;) {
        struct intake *earliest = NULL;
        for (uint32_t i = 0; i < listener->intake_count; i++) {
            struct intake *intake = &listener->intakes[i];
            if (has_frame(intake) && next_frame(intake)->time_ns <= until_ns &&
                (earliest == NULL || next_frame(intake)->time_ns < next_frame(earliest)->time_ns)) {
                earliest = intake;
            }
        }
        if (earliest != NULL) {
            merged->frames[merged->frame_count++] = *next_frame(earliest);
            earliest->taken++;
        }
        if (merged->frame_count > 0 &&
            (earliest == NULL || merged->frame_count == BLOCK_FRAMES_MAX)) {
            hand_on_block(listener, merged);
            merged->frame_count = 0;
        }
        if (earliest == NULL) {
            return;
        }
    }
}

static void hand_on(struct listener *listener, uint64_t looked_ns)
{
    if (listener->intake_count == 1) {
        struct intake *intake = &listener->intakes[0];
        struct block block = *filling_block(intake);
        if (intake->taken < block.frame_count) {
            block.frames += intake->taken;
            block.frame_count -= intake->taken;
            intake->taken += block.frame_count;
            hand_on_block(listener, &block);
        }
        if (intake->silent) {
            dispatch_time(listener->dispatch, looked_ns - LISTEN_HOLD_NS);
        }
        return;
    }
    uint64_t until_ns = horizon(listener, looked_ns);
    merge(listener, until_ns);
    if (until_ns != UINT64_MAX && until_ns > listener->order.told_ns) {
        dispatch_time(listener->dispatch, until_ns);
    }
}

/* --- rounds --- */

static void wake_analyst(struct listener *listener, uint64_t now_ns)
{
    if (!listener->worker.inline_analyst && now_ns - listener->woken_ns >= WAKE_NS &&
        !ring_is_drained(&listener->worker.sightings)) {
        listener->woken_ns = now_ns;
        ring_publish(&listener->worker.sightings, true);
    }
}

static void wait_for_frames(struct listener *listener)
{
    struct pollfd ready[SOURCE_INTERFACES_MAX];
    nfds_t count = 0;
    for (uint32_t i = 0; i < listener->intake_count; i++) {
        if (listener->intakes[i].source != NULL) {
            ready[count++] = (struct pollfd){
                .fd = source_live_descriptor(listener->intakes[i].source), .events = POLLIN};
        }
    }
    (void)poll(ready, count, ROUND_MS);
}

/* For the analyst to pass some block. */
static void wait_for_room(struct listener *listener)
{
    struct worker *worker = &listener->worker;
    struct run_shared *run = &listener->shared->run;
    if (worker->inline_analyst) {
        worker->drain(worker->drain_owner);
        return;
    }
    uint32_t heard = bell_listen(worker->bell);
    atomic_fetch_add_explicit(&run->position_waiters, 1, memory_order_acq_rel);
    ring_publish(&worker->sightings, true);
    bell_wait(worker->bell, heard, WAIT_MS * NS_PER_MS);
    atomic_fetch_sub_explicit(&run->position_waiters, 1, memory_order_acq_rel);
}

static bool is_drained(struct listener *listener)
{
    sample(listener);
    for (uint32_t i = 0; i < listener->intake_count; i++) {
        const struct intake *intake = &listener->intakes[i];
        if (intake->source != NULL &&
            intake->left.taken < intake->left.offered - intake->left.dropped) {
            return false;
        }
    }
    return true;
}

/* Everything that the kernel has for us, then the end. */
static void end(struct listener *listener)
{
    for (uint32_t i = 0; i < listener->intake_count; i++) {
        if (listener->intakes[i].source != NULL) {
            source_live_stop(listener->intakes[i].source);
        }
    }
    uint64_t begun_ns = look_at_clock(listener);
    for (;;) {
        bool blocked = false;
        uint64_t now_ns = look_at_clock(listener);
        bool more = take_all(listener, now_ns, &blocked);
        hand_on(listener, now_ns);
        if (blocked) {
            wait_for_room(listener);
        } else if (!more) {
            if (is_drained(listener) || time_since(now_ns, begun_ns) > STOP_NS) {
                break;
            }
            wait_for_frames(listener); /* the kernel's last block is handed over at its time-out */
        }
    }
    if (listener->intake_count > 1) {
        merge(listener, UINT64_MAX);
    }
    sample(listener);
    listener->order.end_s = atomic_load_explicit(&listener->shared->end_s, memory_order_acquire);
    dispatch_end(listener->dispatch);
}

bool listen_round(struct listener *listener)
{
    if (atomic_load_explicit(&listener->shared->stop, memory_order_acquire)) {
        end(listener);
        return true;
    }
    bool blocked = false;
    /* First the clock, then the rings: what was not there came after it. */
    uint64_t looked_ns = look_at_clock(listener);
    bool more = take_all(listener, looked_ns, &blocked);
    hand_on(listener, looked_ns);
    if (looked_ns - listener->sampled_ns >= NS_PER_S) {
        listener->sampled_ns = looked_ns;
        sample(listener);
    }
    wake_analyst(listener, looked_ns);
    if (blocked) {
        wait_for_room(listener);
    } else if (!more) {
        wait_for_frames(listener);
    }
    return false;
}

void listen_run(struct listener *listener)
{
    while (!atomic_load_explicit(&listener->shared->run.failed, memory_order_relaxed) &&
           !listen_round(listener)) {
    }
}
