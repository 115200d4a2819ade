/* worker_tell.c - sightings into the ring, in ascending order of (key, sub).
 *
 * Order within one packet: its own sightings by index, streams and flows that it pushed out, what
 * it proves about TCP. Within a mark: streams, messages of TCP streams that the mark cut off,
 * flows, COUNTS, MARK. Each table tells its part in order of first packets, so the whole ascends
 * without sorting.
 *
 * Counters travel as differences, at marks divisible by 10 s (live: at each, for what must be noticed
 * soon) and at the end; what does not fit into
 * one sighting goes into the next with the same key. */
#include "sensor/flows/worker_inside.h"

enum { COUNTS_EVERY_S = 10, DELTAS_MAX = 512 };
static_assert(sizeof(struct counts_sighting) + DELTAS_MAX * sizeof(struct counter_delta) <=
                  SIGHTING_BYTES_MAX,
              "a full sighting of counts fits");

static size_t aligned(size_t bytes)
{
    return (bytes + RING_ALIGN - 1) / RING_ALIGN * RING_ALIGN;
}

void *worker_reserve(struct worker_state *state, size_t bytes)
{
    for (;;) {
        void *at = ring_reserve(state->hooks.sightings, aligned(bytes));
        if (at != NULL) {
            return at;
        }
        state->hooks.wait_for_room(state->hooks.owner);
    }
}

void worker_commit(struct worker_state *state, void *sighting, size_t bytes)
{
    struct sighting *head = sighting;
    head->bytes = (uint32_t)aligned(bytes);
    memset((uint8_t *)sighting + bytes, 0, head->bytes - bytes);
    ring_commit(state->hooks.sightings, head->bytes);
}

void worker_head(struct worker_state *state, const struct datagram *datagram,
                 enum sighting_kind kind, struct sighting *out_head)
{
    *out_head = (struct sighting){
        .kind = (uint8_t)kind,
        .transport = datagram->protocol,
        .interface = datagram->interface,
        .key = state->packet_number << 1 | 1,
        .sub = state->packet_sub,
        .time_ns = datagram->time_ns,
        .state_ns = datagram->state_ns,
        .source = datagram->source,
        .destination = datagram->destination,
        .source_port = datagram->source_port,
        .destination_port = datagram->destination_port,
        .vlan_outer = datagram->vlan_outer,
        .vlan_inner = datagram->vlan_inner,
        .vni = datagram->vni,
        .ttl = datagram->ttl,
        .fragments = datagram->fragments,
    };
    state->packet_sub++;
}

static void tell_copy(struct worker_state *state, const void *sighting, size_t bytes)
{
    struct sighting *at = worker_reserve(state, bytes);
    memcpy(at, sighting, bytes);
    if (state->in_mark) {
        at->sub |= state->mark_ordinal << SUB_MARK_SHIFT;
    }
    worker_commit(state, at, bytes);
}

void worker_tell_stream(void *owner, const struct stream_sighting *sighting)
{
    tell_copy(owner, sighting, sizeof *sighting);
}

void worker_tell_alive(void *owner, const struct alive_sighting *sighting)
{
    tell_copy(owner, sighting, sighting->head.bytes);
}

void worker_tell_flow(void *owner, const struct flow_sighting *sighting)
{
    tell_copy(owner, sighting, sizeof *sighting);
}

void worker_tell_reason(void *owner, enum reason reason)
{
    worker_count_reason(owner, reason);
}

/* A sighting that no packet tells. */
static struct sighting head_at(const struct worker_state *state, enum sighting_kind kind,
                               uint64_t number, uint64_t sub)
{
    uint64_t time_ns = state->mark_ns != 0 ? state->mark_ns : state->last_ns;
    return (struct sighting){.kind = (uint8_t)kind,
                             .key = number << 1,
                             .sub = sub | state->mark_ordinal << SUB_MARK_SHIFT,
                             .time_ns = time_ns,
                             .state_ns = time_ns};
}

void worker_tell_counts(struct worker_state *state, uint64_t number)
{
    state->counts[COUNT_RTP_PACKETS] = stream_packets(state->streams);
    state->counts[COUNT_STREAMS] = stream_confirmed(state->streams);
    state->counts[COUNT_FLOWS] = flow_count(state->flows);
    for (;;) {
        size_t bytes = sizeof(struct counts_sighting) + DELTAS_MAX * sizeof(struct counter_delta);
        struct counts_sighting *counts = worker_reserve(state, bytes);
        counts->head = head_at(state, SIGHTING_COUNTS, number, SUB_COUNTS);
        counts->first_ns = state->first_ns;
        counts->last_ns = state->last_ns;
        size_t delta_count =
            counter_deltas(state->counts, state->told, COUNT_TOTAL, counts->deltas, DELTAS_MAX);
        counts->delta_count = (uint32_t)delta_count;
        counts->reserved = 0;
        if (delta_count > 0) {
            worker_commit(state, counts,
                          sizeof *counts + delta_count * sizeof(struct counter_delta));
        }
        if (delta_count < DELTAS_MAX) {
            return;
        }
    }
}

void worker_tell_mark(struct worker_state *state, uint64_t mark_s, uint64_t shift_ns)
{
    if (state->limits.live || mark_s % COUNTS_EVERY_S == 0) {
        worker_tell_counts(state, state->mark_number);
    }
    struct mark_sighting *mark = worker_reserve(state, sizeof *mark);
    mark->head = head_at(state, SIGHTING_MARK, state->mark_number, SUB_MARK);
    mark->second = mark_s;
    mark->shift_ns = shift_ns;
    worker_commit(state, mark, sizeof *mark);
}

void worker_tell_end(struct worker_state *state, uint64_t number)
{
    worker_tell_counts(state, number);
    struct sighting *end = worker_reserve(state, sizeof *end);
    *end = head_at(state, SIGHTING_END, number, SUB_MARK);
    worker_commit(state, end, sizeof *end);
}
