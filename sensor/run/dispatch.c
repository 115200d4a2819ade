/* The dealer's work, whoever's thread it is in.
 *
 * For each frame: the timeline (marks first), then unwrapping, then the lane of its shard.
 * Datagrams wait in batches of 32 for each lane, so that a worker can prefetch; a batch is handed
 * on when it is full, before a mark, and at the end of a block. The order within a lane is the
 * order of frames, so nothing depends on where a batch was cut.
 *
 * Before that, 32 frames at a time are looked at by their bytes alone, so that what the search for
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
    struct datagram made[UNWRAP_AHEAD];
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

/* Marks, notes and bounds of time that a frame brings; state time. */
static uint64_t see_step(struct dispatch *dispatch, const struct captured *frame)
{
    struct timeline_step *step = &dispatch->step;
    uint64_t time_ns = frame->time_ns;
    timeline_see(&dispatch->timeline, time_ns, frame->begins, step);
    tell_marks(dispatch);
    dispatch->notes[step->note] += step->note != REASON_NONE;
    if (dispatch->options.order != NULL && time_ns < dispatch->options.order->told_ns) {
        dispatch->notes[REASON_TIME_LATE]++;
    }
    if (dispatch->first_ns == 0 || time_ns < dispatch->first_ns) {
        dispatch->first_ns = time_ns;
    }
    if (time_ns > dispatch->last_ns) {
        dispatch->last_ns = time_ns;
    }
    return step->now_ns;
}

/* Deals what was unwrapped into `made`; with one lane it stands in its batch already. */
static void deal(struct dispatch *dispatch, const struct datagram *made, size_t count)
{
    uint32_t lanes = dispatch->options.lane_count;
    if (lanes == 1) {
        dispatch->pending->count += (uint32_t)count;
        if (dispatch->pending->count == DISPATCH_BATCH) {
            hand_on(dispatch, 0);
        }
        return;
    }
    for (size_t i = 0; i < count; i++) {
        uint32_t index = datagram_shard(&made[i]) % lanes;
        struct pending *pending = &dispatch->pending[index];
        pending->batch[pending->count++] = made[i];
        if (pending->count == DISPATCH_BATCH) {
            hand_on(dispatch, index);
        }
    }
}

/* A frame of any kind. */
static void see_frame(struct dispatch *dispatch, const struct captured *frames, size_t place,
                      uint64_t state_ns)
{
    const struct captured *frame = &frames[place];
    if (dispatch->options.filter != NULL && !filter_matches(dispatch->options.filter, frame)) {
        dispatch->filtered++;
        dispatch->filtered_bytes += frame->wire_bytes;
        return;
    }
    /* Not into its batch: while it waits for memory the batch may be flushed. */
    struct datagram *made = dispatch->made;
    if (unwrap_see(dispatch->unwrap, frames, place, state_ns, made)) {
        if (dispatch->options.lane_count == 1) {
            dispatch->pending->batch[dispatch->pending->count] = *made;
        }
        deal(dispatch, made, 1);
    }
}

/* Frames from `place` to `end` whose state time is their stamp. */
static void see_run(struct dispatch *dispatch, const struct captured *frames, size_t place,
                    size_t end)
{
    while (place < end) {
        struct datagram *made = dispatch->made;
        size_t room = end - place;
        if (dispatch->options.lane_count == 1) {
            made = &dispatch->pending->batch[dispatch->pending->count];
            size_t free = DISPATCH_BATCH - dispatch->pending->count;
            room = room < free ? room : free;
        }
        size_t count = 0;
        size_t seen = unwrap_see_run(dispatch->unwrap, frames, place, place + room, made, &count);
        if (seen > place) {
            dispatch->next_number = frames[seen - 1].number;
            deal(dispatch, made, count);
        }
        if (seen < place + room) { /* not plain */
            dispatch->next_number = frames[seen].number;
            see_frame(dispatch, frames, seen, frames[seen].time_ns);
            seen++;
        }
        place = seen;
    }
}

static void see_batch(struct dispatch *dispatch, const struct captured *frames, size_t count)
{
    size_t place = 0;
    while (place < count) {
        size_t run = 0;
        if (dispatch->first_ns != 0 && dispatch->options.filter == NULL) {
            run = timeline_see_run(&dispatch->timeline, frames + place, count - place);
        }
        if (run == 0) {
            dispatch->next_number = frames[place].number;
            uint64_t state_ns = see_step(dispatch, frames + place);
            see_frame(dispatch, frames, place, state_ns);
            place++;
            continue;
        }
        uint64_t last_ns = frames[place + run - 1].time_ns; /* not below first_ns: time has begun */
        dispatch->last_ns = last_ns > dispatch->last_ns ? last_ns : dispatch->last_ns;
        see_run(dispatch, frames, place, place + run);
        place += run;
    }
}

/* --- live: numbers out of time --- */

/* A frame by itself. Where frames came faster than ticks, or the clock stood still, its number is
 * ahead of the clock; a second that it has reached is marked before it. */
static void see_frame_live(struct dispatch *dispatch, struct captured *frames, size_t place,
                           uint64_t state_ns)
{
    struct order *order = dispatch->options.order;
    frames[place].number = order_next(order, state_ns);
    unwrap_number(dispatch->unwrap, place, frames[place].number);
    uint64_t second = order_second(order, frames[place].number);
    if (second > dispatch->timeline.mark_s) {
        timeline_tick(&dispatch->timeline, second * NS_PER_S, &dispatch->step);
        tell_marks(dispatch);
        state_ns = dispatch->step.now_ns;
    }
    dispatch->next_number = frames[place].number;
    see_frame(dispatch, frames, place, state_ns);
}

/* Frames of one second whose state time is their stamp. */
static void see_run_live(struct dispatch *dispatch, struct captured *frames, size_t place,
                         size_t end)
{
    struct order *order = dispatch->options.order;
    uint64_t last = order->last;
    for (size_t i = place; i < end; i++) {
        frames[i].number = order_next(order, frames[i].time_ns);
        unwrap_number(dispatch->unwrap, i, frames[i].number);
    }
    if (order_second(order, order->last) <= dispatch->timeline.mark_s) {
        see_run(dispatch, frames, place, end);
        return;
    }
    order->last = last; /* the numbers run over the second's end: one by one */
    for (size_t i = place; i < end; i++) {
        uint64_t now_ns = dispatch->timeline.now_ns;
        see_frame_live(dispatch, frames, i,
                       time_second(now_ns) > time_second(frames[i].time_ns) ? now_ns
                                                                            : frames[i].time_ns);
    }
}

static void see_batch_live(struct dispatch *dispatch, struct captured *frames, size_t count)
{
    size_t place = 0;
    while (place < count) {
        size_t run = dispatch->first_ns == 0
                         ? 0
                         : timeline_see_run(&dispatch->timeline, frames + place, count - place);
        if (run == 0) {
            see_frame_live(dispatch, frames, place, see_step(dispatch, frames + place));
            place++;
            continue;
        }
        uint64_t last_ns = frames[place + run - 1].time_ns;
        dispatch->last_ns = last_ns > dispatch->last_ns ? last_ns : dispatch->last_ns;
        see_run_live(dispatch, frames, place, place + run);
        place += run;
    }
}

/* --- blocks --- */

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
        struct captured *frames = &block->frames[from];
        uint32_t left = block->frame_count - from;
        uint32_t count = left < UNWRAP_AHEAD ? left : UNWRAP_AHEAD;
        unwrap_look(dispatch->unwrap, frames, count);
        if (dispatch->options.order == NULL) {
            see_batch(dispatch, frames, count);
        } else {
            see_batch_live(dispatch, frames, count);
        }
    }
    if (block->frame_count > 0) {
        dispatch->next_number = block->frames[block->frame_count - 1].number + 1;
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
