/* stream.c - the streams of one worker: found, begun, evicted, swept at marks.
 *
 *   index  hash --> cell: stream_index.c          hot [cell]   cold [cell]   side [cell]
 *   order  cells by their first packet, with holes where streams ended; closed up when half is holes
 *   shard  two lists, candidates and confirmed streams, each in the order in which they came to it
 *
 * The common packet (next number, usual step, same type, confirmed) goes a short way: one line of
 * memory where the clock is static, one more where variation has parted from jitter, two more where
 * six clocks run (stream_short.h, and stream_run.c for batches, which fetches them in passes before).
 * Everything else goes the long way through stream_type.c, stream_sequence.c, stream_probation.c
 * and stream_jitter.c.
 *
 * Capacities are per shard, and a shard's packets come in the same order whoever works on them, so
 * what is evicted does not depend on the number of workers. A newcomer pushes out a candidate as
 * long as there is one: bogus packets push out each other. No order of output follows the index.
 *
 * Timers are read at marks only, from the state time of a stream's newest packet; that is kept to a
 * mark's precision (own stamps may lie anywhere), so a stream's end falls at the same mark for
 * every number of workers. */
#include "sensor/flows/stream_short.h"

enum { EVICT_LOOK = 16, INTERVAL_S = 5, SWEEP_AHEAD = 8 };
#define SILENT_NS (3 * NS_PER_S)
#define CANDIDATE_IDLE_NS                                                                          \
    (60 * NS_PER_S) /* of one that could not be told; keep-alives come every 30 s */
#define MIRROR_NS NS_PER_MS
#define LATE_NS (200 * NS_PER_MS) /* beyond what jitter buffers hold */
#define SHIFT_NS (60 * NS_PER_S)
#define ALIVE_BYTES                                                                                \
    (sizeof(struct alive_sighting) + ALIVE_STREAMS_MAX * sizeof(struct alive_stream))

/* --- memory --- */

static uint32_t cells_for(const struct stream_options *options)
{
    uint32_t per_shard = (options->streams_max + FLOW_SHARDS - 1) / FLOW_SHARDS;
    return (per_shard == 0 ? 1 : per_shard) * FLOW_SHARDS;
}

static size_t index_slots_for(uint32_t cells)
{
    size_t slots = STREAM_INDEX_SLOTS_MIN;
    while (slots < stream_index_share(slots) * cells) {
        slots *= 2;
    }
    return slots;
}

size_t stream_bytes_max(const struct stream_options *options)
{
    size_t cells = cells_for(options);
    return sizeof(struct stream_table) + ALIVE_BYTES +
           index_slots_for((uint32_t)cells) * sizeof(uint64_t) +
           cells * (sizeof(struct stream_hot) + sizeof(struct stream_cold) +
                    sizeof(struct stream_side) + 2 * sizeof(uint32_t));
}

enum status stream_open(const struct stream_options *options, struct stream_table **out_table,
                        struct error *error)
{
    struct stream_table *table = calloc(1, sizeof *table);
    struct alive_sighting *alive = calloc(1, ALIVE_BYTES);
    if (table == NULL || alive == NULL) {
        free(table);
        free(alive);
        return error_set(error, STATUS_FAILED, "streams", "no memory for the table");
    }
    table->alive = alive;
    table->options = *options;
    wordhash_open(&table->words, options->key);
    table->cells_max = cells_for(options);
    table->shard_max = table->cells_max / FLOW_SHARDS;
    table->index_mask = STREAM_INDEX_SLOTS_MIN - 1;
    table->free_head = STREAM_NONE;
    for (size_t shard = 0; shard < FLOW_SHARDS; shard++) {
        table->shards[shard].candidates = (struct stream_list){STREAM_NONE, STREAM_NONE};
        table->shards[shard].confirmed = (struct stream_list){STREAM_NONE, STREAM_NONE};
    }
    size_t cells = table->cells_max;
    struct {
        struct region *region;
        size_t bytes;
    } parts[] = {
        {&table->hot, cells * sizeof(struct stream_hot)},
        {&table->cold, cells * sizeof(struct stream_cold)},
        {&table->side, cells * sizeof(struct stream_side)},
        {&table->index, index_slots_for(table->cells_max) * sizeof(uint64_t)},
        {&table->order, 2 * cells * sizeof(uint32_t)},
    };
    for (size_t part = 0; part < sizeof parts / sizeof parts[0]; part++) {
        enum status status = region_open(parts[part].bytes, parts[part].region, error);
        if (status != STATUS_OK) {
            stream_close(table);
            return status;
        }
    }
    *out_table = table;
    return STATUS_OK;
}

void stream_close(struct stream_table *table)
{
    if (table == NULL) {
        return;
    }
    region_close(&table->hot);
    region_close(&table->cold);
    region_close(&table->side);
    region_close(&table->index);
    region_close(&table->order);
    free(table->alive);
    free(table);
}

/* --- lists --- */

static void list_append(struct stream_table *table, struct stream_list *list, uint32_t cell)
{
    struct stream_cold *cold = stream_cold_at(table, cell);
    cold->previous = list->newest;
    cold->next = STREAM_NONE;
    if (list->newest == STREAM_NONE) {
        list->oldest = cell;
    } else {
        stream_cold_at(table, list->newest)->next = cell;
    }
    list->newest = cell;
}

static void list_remove(struct stream_table *table, struct stream_list *list, uint32_t cell)
{
    struct stream_cold *cold = stream_cold_at(table, cell);
    if (cold->previous == STREAM_NONE) {
        list->oldest = cold->next;
    } else {
        stream_cold_at(table, cold->previous)->next = cold->next;
    }
    if (cold->next == STREAM_NONE) {
        list->newest = cold->previous;
    } else {
        stream_cold_at(table, cold->next)->previous = cold->previous;
    }
}

static struct stream_list *list_of(struct stream_table *table, uint32_t cell)
{
    struct stream_shard *shard = &table->shards[stream_cold_at(table, cell)->shard];
    bool confirmed = (stream_hot_at(table, cell)->flags & STREAM_FLAG_CONFIRMED) != 0;
    return confirmed ? &shard->confirmed : &shard->candidates;
}

static void order_append(struct stream_table *table, uint32_t cell)
{
    uint32_t *order = table->order.at;
    if (table->order_count == 2 * table->cells_max) {
        uint32_t kept = 0;
        for (uint32_t place = 0; place < table->order_count; place++) {
            if (order[place] != STREAM_NONE) {
                stream_cold_at(table, order[place])->order = kept;
                order[kept++] = order[place];
            }
        }
        table->order_count = kept;
    }
    stream_cold_at(table, cell)->order = table->order_count;
    order[table->order_count++] = cell;
}

/* --- begin and end of a stream --- */

static void cell_free(struct stream_table *table, uint32_t cell)
{
    struct stream_cold *cold = stream_cold_at(table, cell);
    stream_index_remove(table, cell);
    list_remove(table, list_of(table, cell), cell);
    ((uint32_t *)table->order.at)[cold->order] = STREAM_NONE;
    table->shards[cold->shard].used--;
    table->used--;
    cold->next = table->free_head;
    table->free_head = cell;
    stream_hot_at(table, cell)->hash = 0; /* no hint finds it any more */
}

static void stream_finish(struct stream_table *table, uint32_t cell, enum stream_end reason,
                          uint64_t key, uint64_t sub_bits, uint64_t time_ns, uint64_t state_ns)
{
    struct stream_parts parts = stream_parts_at(table, cell);
    bool confirmed = (parts.hot->flags & STREAM_FLAG_CONFIRMED) != 0;
    if (confirmed || stream_packets_of(&parts) >= STREAM_CANDIDATE_PACKETS) {
        struct stream_telling telling = {.event = confirmed ? STREAM_ENDED : STREAM_CANDIDATE,
                                         .end_reason = reason,
                                         .key = key,
                                         .sub = sub_bits | parts.cold->number,
                                         .time_ns = time_ns,
                                         .state_ns = state_ns};
        stream_tell(table, cell, &telling);
    } else {
        table->options.on_reason(table->options.owner, REASON_STREAM_CANDIDATE);
    }
    cell_free(table, cell);
}

/* The longest idle of the oldest 16, candidates before streams. */
static void shard_evict(struct stream_table *table, struct stream_shard *shard,
                        const struct datagram *datagram)
{
    uint32_t cell = shard->candidates.oldest != STREAM_NONE ? shard->candidates.oldest
                                                            : shard->confirmed.oldest;
    uint32_t victim = cell;
    for (int looked = 0; looked < EVICT_LOOK && cell != STREAM_NONE; looked++) {
        if (stream_hot_at(table, cell)->last_ns < stream_hot_at(table, victim)->last_ns) {
            victim = cell;
        }
        cell = stream_cold_at(table, cell)->next;
    }
    table->options.on_reason(table->options.owner, REASON_TABLE_STREAM);
    stream_finish(table, victim, STREAM_END_EVICTED, datagram->number << 1 | 1, SUB_ENDED,
                  datagram->time_ns, datagram->state_ns);
}

static uint32_t cell_take(struct stream_table *table, const struct datagram *datagram)
{
    struct stream_shard *shard = &table->shards[datagram_shard(datagram)];
    if (shard->used == table->shard_max) {
        shard_evict(table, shard, datagram);
    }
    uint32_t cell = table->free_head;
    if (cell != STREAM_NONE) {
        table->free_head = stream_cold_at(table, cell)->next;
    } else {
        cell = table->cells_high++;
    }
    assert(cell < table->cells_max);
    shard->used++;
    return cell;
}

static __attribute__((noinline)) void stream_begin(struct stream_table *table,
                                                   const struct datagram *datagram,
                                                   const struct rtp_view *view, uint64_t hash)
{
    uint32_t cell = cell_take(table, datagram);
    struct stream_parts parts = stream_parts_at(table, cell);
    *parts.hot = (struct stream_hot){.hash = hash,
                                     .last_ns = datagram->time_ns,
                                     .last_ts = view->timestamp,
                                     .pending_packets = 1,
                                     .pending_bytes = datagram->ip_wire};
    memset(parts.cold, 0, sizeof *parts.cold);
    struct stream_cold *cold = parts.cold;
    cold->number = datagram->number;
    cold->first_ns = datagram->time_ns;
    cold->active_ns = datagram->state_ns;
    cold->interval_from_ns = datagram->time_ns;
    cold->source = datagram->source;
    cold->destination = datagram->destination;
    cold->source_port = datagram->source_port;
    cold->destination_port = datagram->destination_port;
    cold->ssrc = view->ssrc;
    cold->vni = datagram->vni;
    cold->vlan_outer = datagram->vlan_outer;
    cold->vlan_inner = datagram->vlan_inner;
    cold->interface = datagram->interface;
    uint32_t overhead = (uint32_t)time_since(datagram->ip_wire, view->payload_bytes);
    cold->overhead = (uint16_t)(overhead > UINT16_MAX ? UINT16_MAX : overhead);
    cold->ttl = datagram->ttl;
    cold->shard = (uint8_t)datagram_shard(datagram);
    if (stream_ssrc_excluded(view->ssrc) || stream_port_excluded(datagram->source_port) ||
        stream_port_excluded(datagram->destination_port)) {
        parts.hot->flags |= STREAM_FLAG_EXCLUDED;
    }
    struct stream_tick tick = {.time_ns = datagram->time_ns, .timestamp = view->timestamp};
    stream_sequence_begin(parts.hot, cold, view->sequence);
    stream_type_begin(&parts, view, datagram);
    tick.secondary = (parts.hot->flags & STREAM_FLAG_SECONDARY) != 0;
    stream_jitter_begin(&parts, &tick);
    (void)stream_probation_see(&parts, view, &tick, 0, false);
    /* The index first: when it grows it takes over all that stand in the order. */
    stream_index_add(table, hash, cell);
    order_append(table, cell);
    list_append(table, &table->shards[cold->shard].candidates, cell);
    table->used++;
}

static void stream_confirm(struct stream_table *table, uint32_t cell)
{
    struct stream_parts parts = stream_parts_at(table, cell);
    struct stream_shard *shard = &table->shards[parts.cold->shard];
    list_remove(table, &shard->candidates, cell);
    parts.hot->flags |= STREAM_FLAG_CONFIRMED;
    list_append(table, &shard->confirmed, cell);
    table->confirmed++;
    table->packets += stream_packets_of(&parts);
}

/* --- packets --- */

bool stream_knows(const struct stream_table *table, uint64_t hash)
{
    uint32_t cell = stream_index_find(table, hash);
    return cell != STREAM_NONE && (stream_hot_at(table, cell)->flags & STREAM_FLAG_CONFIRMED) != 0;
}

static uint32_t add_saturating(uint32_t sum, uint32_t more)
{
    return more > UINT32_MAX - sum ? UINT32_MAX : sum + more;
}

static void stream_fold(struct stream_hot *hot, struct stream_cold *cold)
{
    cold->packets += hot->pending_packets;
    cold->interval_packets = add_saturating(cold->interval_packets, hot->pending_packets);
    cold->bytes += hot->pending_bytes;
    hot->pending_packets = 0;
    hot->pending_bytes = 0;
}

/* What a number at or below the highest says about the network. */
static void judge_repeat(struct stream_parts *parts, const struct datagram *datagram,
                         const struct stream_tick *tick, int32_t sequence_step, int64_t gap_ns)
{
    struct stream_hot *hot = parts->hot;
    if (tick->place == STREAM_DUPLICATE && sequence_step == 0 && gap_ns >= 0 &&
        gap_ns <= (int64_t)MIRROR_NS && datagram->ttl == parts->cold->ttl) {
        parts->cold->mirrored++;
    }
    if (tick->place == STREAM_LATE && hot->clock != STREAM_CLOCK_NONE) {
        int32_t back = (int32_t)(hot->last_ts - tick->timestamp);
        int64_t media_ns = (int64_t)back * stream_tick_ns[hot->clock] / (1 << STREAM_TICK_BITS);
        parts->cold->late += gap_ns > (int64_t)LATE_NS - media_ns;
    }
}

/* Not inlined, nor is stream_begin(): the short way would save registers for them. */
static __attribute__((noinline)) enum stream_seen stream_see_long(struct stream_table *table,
                                                                  uint32_t cell,
                                                                  const struct datagram *datagram,
                                                                  const struct rtp_view *view)
{
    struct stream_parts parts = stream_parts_at(table, cell);
    struct stream_hot *hot = parts.hot;
    bool was_secondary = (hot->flags & STREAM_FLAG_SECONDARY) != 0;
    bool was_confirmed = (hot->flags & STREAM_FLAG_CONFIRMED) != 0;
    int64_t gap_ns = time_difference(datagram->time_ns, hot->last_ns);
    int32_t sequence_step = (int16_t)(uint16_t)(view->sequence - hot->max_ext);
    struct stream_tick tick = {
        .time_ns = datagram->time_ns,
        .timestamp = view->timestamp,
        .marker = view->marker,
        .type_changed = view->payload_type != hot->payload_type,
    };
    tick.secondary = stream_type_see(&parts, view, datagram);
    tick.place = stream_sequence_see(hot, parts.cold, view->sequence);
    judge_repeat(&parts, datagram, &tick, sequence_step, gap_ns);
    bool passes =
        !was_confirmed && stream_probation_see(&parts, view, &tick, sequence_step, was_secondary);
    stream_jitter_see(&parts, &tick);
    stream_advance(hot, datagram->time_ns, view->timestamp, datagram->ip_wire, gap_ns);
    if (hot->pending_bytes >= STREAM_PENDING_BYTES_MAX) {
        stream_fold(hot, parts.cold);
    }
    if (passes) {
        stream_confirm(table, cell);
        return STREAM_SEEN_CONFIRMS;
    }
    table->packets += was_confirmed;
    return was_confirmed ? STREAM_SEEN_CONFIRMED : STREAM_SEEN_CANDIDATE;
}

/* False: the long way is needed. */
bool stream_see_others(struct stream_table *table, uint32_t cell, uint64_t time_ns,
                       uint32_t ip_wire, uint64_t gap_ns)
{
    struct stream_parts parts = stream_parts_at(table, cell);
    struct stream_hot *hot = parts.hot;
    struct stream_cold *cold = parts.cold;
    bool has_side = (hot->flags & STREAM_FLAG_SIDE) != 0;
    if ((hot->flags & STREAM_FLAG_SPLIT) != 0) {
        /* The packet before is what variation compares with: then both figures take the same step.
         */
        if (cold->reference_ns != hot->last_ns || cold->reference_ts != hot->last_ts) {
            return false;
        }
        cold->variation_count++;
        cold->reference_ns += gap_ns;
        cold->reference_ts += hot->ts_step;
        if (hot->clock != STREAM_CLOCK_NONE) {
            stream_recursion_step(
                &cold->variation.value, &cold->variation.sum, &cold->variation.max,
                stream_distance((int64_t)gap_ns, hot->ts_step, stream_tick_ns[hot->clock]));
        }
        if (has_side) {
            stream_six_step(&parts.side->variation, (int64_t)gap_ns, hot->ts_step);
        }
    }
    if (has_side) {
        stream_six_step(&parts.side->jitter, (int64_t)gap_ns, hot->ts_step);
    }
    stream_count_next(hot, time_ns, ip_wire, gap_ns);
    return true;
}

enum stream_seen stream_see(struct stream_table *table, const struct datagram *datagram,
                            const struct rtp_view *view, uint64_t hash, uint32_t hint)
{
    uint32_t cell = hint;
    if (hint == STREAM_NONE || stream_hot_at(table, hint)->hash != hash) {
        cell = stream_index_find(table, hash);
    }
    if (cell == STREAM_NONE) {
        stream_begin(table, datagram, view, hash);
        return STREAM_SEEN_CANDIDATE;
    }
    struct stream_packet packet = {
        .time_ns = datagram->time_ns,
        .timestamp = view->timestamp,
        .ip_wire = datagram->ip_wire,
        .sequence = view->sequence,
        .marker_and_type = (uint8_t)((view->marker ? 0x80 : 0) | view->payload_type),
    };
    if (stream_see_short(table, cell, stream_hot_at(table, cell), &packet)) {
        table->packets++;
        return STREAM_SEEN_CONFIRMED;
    }
    return stream_see_long(table, cell, datagram, view);
}

/* --- marks --- */

/* What happened since the mark before: its packets were seen in [before, now). */
static void mark_fold(struct stream_hot *hot, struct stream_cold *cold, uint64_t before_ns,
                      uint64_t mark_ns, uint64_t shift_ns)
{
    if (hot->pending_packets > 0) {
        cold->second_packets_max = hot->pending_packets > cold->second_packets_max
                                       ? hot->pending_packets
                                       : cold->second_packets_max;
        stream_fold(hot, cold);
        uint64_t latest = time_since(mark_ns, shift_ns);
        uint64_t active = hot->last_ns < before_ns ? before_ns : hot->last_ns;
        active = active > latest ? latest : active;
        cold->active_ns = active > cold->active_ns ? active : cold->active_ns;
    }
    if (shift_ns > 0) {
        cold->active_ns = time_add(cold->active_ns, shift_ns);
        if (time_add(hot->last_ns, SHIFT_NS) < mark_ns) {
            /* The clock jumped after its last packet; others have met the new time already. */
            hot->last_ns = time_add(hot->last_ns, shift_ns);
        }
    }
}

/* Of a stream that got packets since the mark before. */
static void mark_alive(struct stream_table *table, uint32_t cell, uint64_t mark_s,
                       struct stream_telling *telling)
{
    struct stream_parts parts = stream_parts_at(table, cell);
    bool resumed = (parts.hot->flags & STREAM_FLAG_SILENT) != 0;

    if (!parts.cold->begun) {
        parts.cold->begun = true;
        telling->event = STREAM_BEGUN;
        stream_tell_turn(table, cell, telling);
    }
    if (resumed) {
        parts.hot->flags &= (uint8_t)~STREAM_FLAG_SILENT;
        telling->event = STREAM_RESUMED;
        stream_tell_turn(table, cell, telling);
    }
    stream_alive_add(table, cell, mark_s % INTERVAL_S != 0, resumed, telling);
}

static void mark_confirmed(struct stream_table *table, uint32_t cell, uint64_t mark_s, bool alive,
                           struct stream_telling *telling)
{
    struct stream_parts parts = stream_parts_at(table, cell);

    if (alive) {
        mark_alive(table, cell, mark_s, telling);
    }
    if (mark_s % INTERVAL_S == 0 && parts.cold->packets > parts.cold->told.packets) {
        telling->event = STREAM_INTERVAL;
        stream_tell(table, cell, telling);
    }
    if (time_since(telling->state_ns, parts.cold->active_ns) >= SILENT_NS &&
        (parts.hot->flags & STREAM_FLAG_SILENT) == 0) {
        parts.hot->flags |= STREAM_FLAG_SILENT;
        telling->event = STREAM_SILENT;
        stream_tell(table, cell, telling);
    }
}

static void mark_stream(struct stream_table *table, uint32_t cell, uint64_t mark_s, bool alive,
                        struct stream_telling *telling)
{
    struct stream_parts parts = stream_parts_at(table, cell);
    uint64_t idle_ns = time_since(telling->state_ns, parts.cold->active_ns);
    uint64_t idle_max_ns = table->options.idle_ns;

    telling->sub = parts.cold->number;
    if ((parts.hot->flags & STREAM_FLAG_CONFIRMED) != 0) {
        mark_confirmed(table, cell, mark_s, alive, telling);
    } else if (parts.cold->packets < STREAM_CANDIDATE_PACKETS && idle_max_ns > CANDIDATE_IDLE_NS) {
        idle_max_ns = CANDIDATE_IDLE_NS;
    }
    if (idle_ns >= idle_max_ns) {
        stream_finish(table, cell, STREAM_END_IDLE, telling->key, 0, telling->time_ns,
                      telling->state_ns);
    }
}

void stream_mark(struct stream_table *table, uint64_t mark_s, uint64_t number, uint64_t shift_ns)
{
    const uint32_t *order = table->order.at;
    uint64_t mark_ns = mark_s * NS_PER_S;
    struct stream_telling telling = {.key = number << 1, .time_ns = mark_ns, .state_ns = mark_ns};
    for (uint32_t place = 0; place < table->order_count; place++) {
        if (place + SWEEP_AHEAD < table->order_count && order[place + SWEEP_AHEAD] != STREAM_NONE) {
            __builtin_prefetch(stream_hot_at(table, order[place + SWEEP_AHEAD]), 1);
            __builtin_prefetch(stream_cold_at(table, order[place + SWEEP_AHEAD]), 1);
        }
        uint32_t cell = order[place];
        if (cell == STREAM_NONE) {
            continue;
        }
        struct stream_hot *hot = stream_hot_at(table, cell);
        bool alive = hot->pending_packets > 0;
        mark_fold(hot, stream_cold_at(table, cell), table->mark_ns, mark_ns, shift_ns);
        mark_stream(table, cell, mark_s, alive, &telling);
    }
    telling.sub = SUB_ALIVE;
    stream_alive_flush(table, &telling);
    table->mark_ns = mark_ns;
}

void stream_end(struct stream_table *table, uint64_t number)
{
    const uint32_t *order = table->order.at;
    for (uint32_t place = 0; place < table->order_count; place++) {
        uint32_t cell = order[place];
        if (cell != STREAM_NONE) {
            uint64_t last_ns = stream_hot_at(table, cell)->last_ns;
            stream_finish(table, cell, STREAM_END_CAPTURE, number << 1, 0, last_ns, last_ns);
        }
    }
    table->order_count = 0;
}

uint64_t stream_confirmed(const struct stream_table *table)
{
    return table->confirmed;
}

uint64_t stream_packets(const struct stream_table *table)
{
    return table->packets;
}
