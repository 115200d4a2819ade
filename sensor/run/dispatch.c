/* The dealer's work, whoever's thread it is in.
 *
 * For each frame: the timeline (marks first), then unwrapping, then the lane of its shard.
 * Datagrams wait in batches of 32 for each lane, so that a worker can prefetch; a batch is handed
 * on when it is full, before a mark, and at the end of a block. The order within a lane is the
 * order of frames, so nothing depends on where a batch was cut.
 *
 * Before that, 16 frames at a time are looked at by their bytes alone, so that what the search for
 * copies will touch is on its way when the first of them is worked on. */
#include "sensor/run/dispatch.h"

struct pending {
    struct datagram batch[DISPATCH_BATCH];
    uint32_t count;
};

struct dispatch {
    struct dispatch_options options;
    struct unwrap *unwrap;
    struct timeline timeline;
    uint64_t next_number; /* number of the frame being looked at, then of the next one */
    uint64_t first_ns;
    uint64_t last_ns;
    uint64_t notes[REASON_COUNT]; /* of the timeline */
    /* Kept here because locals of their size would be cleared for every frame. */
    struct timeline_step step;
    struct datagram made;
    uint64_t filtered; /* frames that the filter left out, and their bytes */
    uint64_t filtered_bytes;
    struct unwrap_counts told; /* the unwrapper's counts and the timeline's together */
    struct pending *pending; /* [lane_count] */
};

enum status dispatch_open(const struct dispatch_options *options, struct dispatch **out_dispatch,
                          struct error *error)
{
    struct dispatch *dispatch = calloc(1, sizeof *dispatch);
    struct pending *pending = calloc(options->lane_count, sizeof *pending);
    if (dispatch == NULL || pending == NULL) {
        free(dispatch);
        free(pending);
        return error_set(error, STATUS_FAILED, "", "no memory for the dealer");
    }
    *dispatch = (struct dispatch){.options = *options, .pending = pending, .next_number = 1};
    enum status status = unwrap_open(&options->unwrap, &dispatch->unwrap, error);
    if (status != STATUS_OK) {
        free(pending);
        free(dispatch);
        return status;
    }
    *out_dispatch = dispatch;
    return STATUS_OK;
}

void dispatch_close(struct dispatch *dispatch)
{
    if (dispatch != NULL) {
        unwrap_close(dispatch->unwrap);
        free(dispatch->pending);
        free(dispatch);
    }
}

static void hand_on(struct dispatch *dispatch, uint32_t index)
{
    struct pending *pending = &dispatch->pending[index];
    if (pending->count > 0) {
        const struct lane *lane = &dispatch->options.lanes[index];
        uint32_t count = pending->count;
        pending->count = 0; /* first: the lane may come back through dispatch_flush() */
        lane->datagrams(lane->owner, pending->batch, count);
    }
}

static void hand_on_all(struct dispatch *dispatch)
{
    for (uint32_t i = 0; i < dispatch->options.lane_count; i++) {
        hand_on(dispatch, i);
    }
}

static void tell_counts(struct dispatch *dispatch, uint64_t second, bool end)
{
    dispatch->told = *unwrap_counts(dispatch->unwrap);
    dispatch->told.frames += dispatch->filtered;
    dispatch->told.bytes += dispatch->filtered_bytes;
    dispatch->told.ignored += dispatch->filtered;
    dispatch->told.reasons[REASON_FILTERED] += dispatch->filtered;
    for (size_t i = 0; i < REASON_COUNT; i++) {
        dispatch->told.reasons[i] += dispatch->notes[i];
    }
    dispatch->options.counts(dispatch->options.owner, &dispatch->told, dispatch->first_ns,
                             dispatch->last_ns, second, dispatch->next_number, end);
}

static void mark(struct dispatch *dispatch, uint64_t second, uint64_t shift_ns)
{
    hand_on_all(dispatch);
    if (dispatch->options.order != NULL) {
        dispatch->next_number = order_mark(dispatch->options.order, second);
    }
    unwrap_mark(dispatch->unwrap, second * NS_PER_S);
    tell_counts(dispatch, second, false);
    for (uint32_t i = 0; i < dispatch->options.lane_count; i++) {
        const struct lane *lane = &dispatch->options.lanes[i];
        lane->mark(lane->owner, second, dispatch->next_number, shift_ns);
    }
}

static void tell_marks(struct dispatch *dispatch)
{
    const struct timeline_step *step = &dispatch->step;
    for (uint32_t i = 0; i < step->mark_count; i++) {
        mark(dispatch, step->marks[i], i == 0 ? step->shift_ns : 0);
    }
}

/* Marks, notes and bounds of time that a frame brings. */
static void see_time(struct dispatch *dispatch, const struct frame *frame)
{
    struct timeline_step *step = &dispatch->step;
    if (dispatch->first_ns != 0 && timeline_is_plain(&dispatch->timeline, frame->time_ns)) {
        step->now_ns = frame->time_ns; /* not below first_ns: time has begun */
        dispatch->last_ns = frame->time_ns > dispatch->last_ns ? frame->time_ns : dispatch->last_ns;
        return;
    }
    timeline_see(&dispatch->timeline, frame->time_ns, step);
    tell_marks(dispatch);
    dispatch->notes[step->note] += step->note != REASON_NONE;
    if (dispatch->options.order != NULL && frame->time_ns < dispatch->options.order->told_ns) {
        dispatch->notes[REASON_TIME_LATE]++;
    }
    if (dispatch->first_ns == 0 || frame->time_ns < dispatch->first_ns) {
        dispatch->first_ns = frame->time_ns;
    }
    if (frame->time_ns > dispatch->last_ns) {
        dispatch->last_ns = frame->time_ns;
    }
}

/* Live: a number out of time. Where frames came faster than ticks, or the clock stood still, the
 * number is ahead of the clock; a second that it has reached is marked before it. */
static uint64_t number_live(struct dispatch *dispatch)
{
    struct order *order = dispatch->options.order;
    uint64_t number = order_next(order, dispatch->step.now_ns);
    uint64_t second = order_second(order, number);
    if (second > dispatch->timeline.mark_s) {
        timeline_tick(&dispatch->timeline, second * NS_PER_S, &dispatch->step);
        tell_marks(dispatch);
    }
    dispatch->next_number = number;
    return number;
}

/* A frame that unwrap_look() has put at `place`. */
static void see_frame(struct dispatch *dispatch, const struct frame *frame, size_t place)
{
    see_time(dispatch, frame);
    if (dispatch->options.filter != NULL && !filter_matches(dispatch->options.filter, frame)) {
        dispatch->filtered++;
        dispatch->filtered_bytes += frame->wire_bytes;
        return;
    }
    uint64_t number = dispatch->options.order == NULL ? frame->number : number_live(dispatch);
    uint32_t lanes = dispatch->options.lane_count;
    struct pending *pending = dispatch->pending;
    /* With one lane the slot is known before the datagram is, and nothing is copied. */
    struct datagram *made = lanes == 1 ? &pending->batch[pending->count] : &dispatch->made;
    if (!unwrap_see_looked(dispatch->unwrap, place, frame->interface, number, frame->time_ns,
                           dispatch->step.now_ns, frame->at, frame->captured, frame->wire_bytes,
                           made)) {
        return;
    }
    uint32_t index = lanes == 1 ? 0 : datagram_shard(made) % lanes;
    pending = &dispatch->pending[index];
    struct datagram *slot = &pending->batch[pending->count++];
    if (slot != made) { /* also where waiting for memory has flushed the batch meanwhile */
        *slot = *made;
    }
    if (pending->count == DISPATCH_BATCH) {
        hand_on(dispatch, index);
    }
}

void dispatch_flush(struct dispatch *dispatch)
{
    hand_on_all(dispatch);
    for (uint32_t i = 0; i < dispatch->options.lane_count; i++) {
        const struct lane *lane = &dispatch->options.lanes[i];
        lane->position(lane->owner, dispatch->next_number);
    }
}

void dispatch_block(struct dispatch *dispatch, const struct block *block)
{
    for (uint32_t from = 0; from < block->frame_count; from += UNWRAP_AHEAD) {
        const struct frame *frames = &block->frames[from];
        uint32_t left = block->frame_count - from;
        uint32_t count = left < UNWRAP_AHEAD ? left : UNWRAP_AHEAD;
        for (uint32_t i = 0; i < count; i++) {
            unwrap_look(dispatch->unwrap, i, frames[i].link_type, frames[i].at, frames[i].captured,
                        frames[i].wire_bytes);
        }
        unwrap_prefetch(dispatch->unwrap, count);
        for (uint32_t i = 0; i < count; i++) {
            dispatch->next_number =
                frames[i].number; /* live: of the frame before, until it is made */
            see_frame(dispatch, &frames[i], i);
        }
    }
    if (block->frame_count > 0) {
        dispatch->next_number = dispatch->options.order == NULL
                                    ? block->frames[block->frame_count - 1].number + 1
                                    : dispatch->options.order->last + 1;
    }
    dispatch_flush(dispatch);
}

void dispatch_time(struct dispatch *dispatch, uint64_t now_ns)
{
    struct order *order = dispatch->options.order;
    timeline_tick(&dispatch->timeline, now_ns, &dispatch->step);
    tell_marks(dispatch);
    order->told_ns = dispatch->step.now_ns;
    uint64_t number = order_at(order, order->told_ns);
    dispatch->next_number = number > order->last ? number : order->last + 1;
    dispatch_flush(dispatch);
}

void dispatch_end(struct dispatch *dispatch)
{
    hand_on_all(dispatch);
    if (dispatch->options.order != NULL) {
        dispatch->next_number = order_end(dispatch->options.order);
    }
    tell_counts(dispatch, time_second(dispatch->timeline.now_ns), true);
    for (uint32_t i = 0; i < dispatch->options.lane_count; i++) {
        const struct lane *lane = &dispatch->options.lanes[i];
        lane->end(lane->owner, dispatch->next_number);
    }
}
