/* The worker's thread and its lanes.
 *
 * Dealer and worker share a ring of runs: up to 32 datagrams each, marks, positions, the end. A
 * position is passed on to the analyst behind the sightings of all that came before it. Before a
 * worker sleeps, for deals or for room, it publishes what it has and wakes the analyst; so nobody
 * waits for something that lies unpublished with a sleeper. */
#include "sensor/run/worker.h"

/* Nothing below this key will come once all frames below `number` are done. */
static uint64_t position_key(uint64_t number)
{
    return number == UINT64_MAX ? UINT64_MAX : number << 1;
}

void worker_position(struct worker *worker, uint64_t number, bool wake)
{
    worker->number = number;
    ring_set_position(&worker->sightings, position_key(number));
    if (wake) {
        ring_publish(&worker->sightings, true);
    }
}

/* For room in the ring, or for the analyst to pass what is kept. */
static void wait_for_room(void *owner)
{
    struct worker *worker = owner;
    if (worker->inline_analyst) {
        worker_position(worker, worker->number, false);
        worker->drain(worker->drain_owner);
        return;
    }
    struct run_shared *shared = worker->shared;
    uint32_t heard = bell_listen(worker->bell);
    atomic_fetch_add_explicit(&shared->position_waiters, 1, memory_order_acq_rel);
    worker_position(worker, worker->number, true);
    uint64_t done = atomic_load_explicit(&shared->analyst_done, memory_order_acquire);
    if (done == worker->done_seen) {
        bell_wait(worker->bell, heard, NS_PER_S / 10);
    }
    worker->done_seen = done;
    atomic_fetch_sub_explicit(&shared->position_waiters, 1, memory_order_acq_rel);
}

static uint64_t analyst_position(void *owner)
{
    const struct worker *worker = owner;
    return atomic_load_explicit(&worker->shared->analyst_done, memory_order_acquire);
}

enum status worker_open(struct worker *worker, const struct worker_limits *limits,
                        struct run_shared *shared, struct bell *bell, bool dealt,
                        struct error *error)
{
    *worker = (struct worker){.shared = shared, .bell = bell};
    struct bell *analyst_bell = bell == NULL ? NULL : &shared->analyst_bell;
    enum status status =
        ring_open(&worker->sightings, RUN_SIGHTING_RING_BYTES, analyst_bell, bell, error);
    if (status == STATUS_OK && dealt) {
        status = ring_open(&worker->deals, RUN_DEAL_RING_BYTES, bell, &shared->dealer_bell, error);
    }
    if (status == STATUS_OK) {
        struct worker_hooks hooks = {.sightings = &worker->sightings,
                                     .wait_for_room = wait_for_room,
                                     .analyst_position = analyst_position,
                                     .owner = worker};
        status = worker_state_open(limits, &hooks, &worker->state, error);
    }
    if (status != STATUS_OK) {
        worker_close(worker);
    }
    return status;
}

void worker_close(struct worker *worker)
{
    if (worker->state != NULL) {
        worker_state_close(worker->state);
    }
    ring_close(&worker->deals);
    ring_close(&worker->sightings);
    *worker = (struct worker){0};
}

uint8_t *worker_keep(void *owner, uint64_t number, uint32_t bytes)
{
    struct worker *worker = owner;
    return worker_state_keep(worker->state, number, bytes);
}

/* --- the same thread --- */

static void direct_datagrams(void *owner, const struct datagram *batch, size_t count)
{
    struct worker *worker = owner;
    worker->number = batch[0].number;
    worker_state_see(worker->state, batch, count);
}

static void direct_mark(void *owner, uint64_t second, uint64_t number, uint64_t shift_ns)
{
    struct worker *worker = owner;
    worker_state_mark(worker->state, second, number, shift_ns);
}

static void direct_position(void *owner, uint64_t number)
{
    worker_position(owner, number, false);
    run_tell_reader(((struct worker *)owner)->shared, number - 1);
}

static void direct_end(void *owner, uint64_t number)
{
    struct worker *worker = owner;
    worker_state_end(worker->state, number);
    worker_position(worker, UINT64_MAX, !worker->inline_analyst);
}

struct lane worker_lane_direct(struct worker *worker)
{
    return (struct lane){.datagrams = direct_datagrams,
                         .mark = direct_mark,
                         .position = direct_position,
                         .end = direct_end,
                         .owner = worker};
}

/* --- behind a ring: the dealer's side --- */

static void *deal_reserve(struct worker *worker, size_t bytes)
{
    void *at = ring_reserve(&worker->deals, bytes);
    while (at == NULL && !atomic_load_explicit(&worker->shared->failed, memory_order_relaxed)) {
        uint32_t heard = bell_listen(&worker->shared->dealer_bell);
        ring_publish(&worker->deals, true);
        at = ring_reserve(&worker->deals, bytes);
        if (at == NULL) {
            bell_wait(&worker->shared->dealer_bell, heard, NS_PER_S / 10);
            at = ring_reserve(&worker->deals, bytes);
        }
    }
    return at;
}

static void deal_put(struct worker *worker, struct deal deal, bool wake)
{
    deal.bytes = sizeof deal;
    struct deal *at = deal_reserve(worker, sizeof deal);
    if (at != NULL) {
        *at = deal;
        ring_commit(&worker->deals, sizeof deal);
        ring_publish(&worker->deals, wake);
    }
}

static void ring_datagrams(void *owner, const struct datagram *batch, size_t count)
{
    struct worker *worker = owner;
    size_t bytes =
        (sizeof(struct deal) + count * sizeof *batch + RING_ALIGN - 1) & ~(size_t)(RING_ALIGN - 1);
    struct deal *at = deal_reserve(worker, bytes);
    if (at != NULL) {
        *at = (struct deal){
            .bytes = (uint32_t)bytes, .kind = DEAL_DATAGRAMS, .count = (uint16_t)count};
        memcpy(at + 1, batch, count * sizeof *batch);
        ring_commit(&worker->deals, bytes);
        ring_publish(&worker->deals, false);
    }
}

static void ring_mark(void *owner, uint64_t second, uint64_t number, uint64_t shift_ns)
{
    deal_put(
        owner,
        (struct deal){.kind = DEAL_MARK, .number = number, .second = second, .shift_ns = shift_ns},
        false);
}

static void ring_position_put(void *owner, uint64_t number)
{
    deal_put(owner, (struct deal){.kind = DEAL_POSITION, .number = number}, false);
}

static void ring_end(void *owner, uint64_t number)
{
    deal_put(owner, (struct deal){.kind = DEAL_END, .number = number}, true);
}

struct lane worker_lane_ring(struct worker *worker)
{
    return (struct lane){.datagrams = ring_datagrams,
                         .mark = ring_mark,
                         .position = ring_position_put,
                         .end = ring_end,
                         .owner = worker};
}

/* --- behind a ring: the worker's side --- */

/* True at the end. */
static bool take_deal(struct worker *worker, const struct deal *deal)
{
    switch ((enum deal_kind)deal->kind) {
    case DEAL_DATAGRAMS: {
        const struct datagram *batch = (const void *)(deal + 1);
        worker->number = batch[0].number;
        worker_state_see(worker->state, batch, deal->count);
        return false;
    }
    case DEAL_MARK:
        worker_state_mark(worker->state, deal->second, deal->number, deal->shift_ns);
        return false;
    case DEAL_POSITION:
        worker_position(worker, deal->number, false);
        run_tell_reader(worker->shared, deal->number - 1);
        return false;
    case DEAL_END:
        worker_state_end(worker->state, deal->number);
        worker_position(worker, UINT64_MAX, true);
        return true;
    }
    return false;
}

void worker_run(struct worker *worker)
{
    bool end = false;
    while (!end && !atomic_load_explicit(&worker->shared->failed, memory_order_relaxed)) {
        uint32_t heard = bell_listen(worker->bell);
        size_t bytes = 0;
        const struct deal *deal = ring_peek(&worker->deals, &bytes);
        if (deal == NULL) {
            ring_publish(&worker->sightings, true);
            bell_wait(worker->bell, heard, NS_PER_S / 10);
            continue;
        }
        end = take_deal(worker, deal);
        ring_advance(&worker->deals, deal->bytes);
        ring_release(&worker->deals);
    }
    ring_publish(&worker->sightings, true);
}
