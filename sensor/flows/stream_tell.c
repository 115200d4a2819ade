/* stream_tell.c - fills the sighting of a stream: whole, and since the interval before.
 *
 * What an interval holds is the difference of two totals, so nothing is counted twice on the
 * packet's way; the total at the last interval stands in the cold part. Lost packets may become
 * fewer (late ones fill the gap): an interval's loss is never negative, and the total is always
 * right.
 *
 * Between two intervals the streams that are heard are listed each second, 64 bytes for each: who
 * must know at once whether one goes on (a BYE was forged, all media stopped) cannot tell a worker,
 * which knows no calls. An interval each second cost 24 % of all instructions of pure RTP, this 0.7 to 0.9 %. */
#include "sensor/flows/stream_cell.h"

static uint64_t grown(uint64_t now, uint64_t before)
{
    return now > before ? now - before : 0;
}

static uint32_t delta_us(const struct stream_hot *hot)
{
    /* Kept rounded down to 1,024 ns: the middle of what it may have been, to the nearest us. */
    uint64_t middle_ns = hot->delta_max == 0 ? 0 : (uint64_t)hot->delta_max * 1024 + 512;
    uint64_t us = (middle_ns + NS_PER_US / 2) / NS_PER_US;
    return us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
}

static void tell_counts(const struct stream_parts *parts, struct stream_sighting *sighting)
{
    const struct stream_hot *hot = parts->hot;
    const struct stream_cold *cold = parts->cold;
    const struct stream_counts *told = &cold->told;
    struct stream_counts total = {.packets = stream_packets_of(parts),
                                  .bytes = cold->bytes + hot->pending_bytes};
    uint32_t interval_longest = 0;
    stream_sequence_counts(hot, cold, total.packets, &total, &interval_longest);
    uint32_t interval_delta = delta_us(hot);
    total.delta_max_us = interval_delta > cold->delta_max_us ? interval_delta : cold->delta_max_us;
    sighting->total = total;
    sighting->interval = (struct stream_counts){
        .packets = total.packets - told->packets,
        .bytes = total.bytes - told->bytes,
        .expected = grown(total.expected, told->expected),
        .lost = grown(total.lost, told->lost),
        .duplicates = total.duplicates - told->duplicates,
        .mirrored = total.mirrored - told->mirrored,
        .reordered = total.reordered - told->reordered,
        .late = total.late - told->late,
        .resets = total.resets - told->resets,
        .longest_loss = interval_longest,
        .loss_runs = (uint32_t)grown(total.loss_runs, told->loss_runs),
        .delta_max_us = interval_delta,
    };
}

static void tell_head(const struct stream_cold *cold, const struct stream_telling *telling,
                      struct sighting *head)
{
    *head = (struct sighting){
        .bytes = sizeof(struct stream_sighting),
        .kind = SIGHTING_STREAM,
        .transport = PROTOCOL_UDP,
        .interface = cold->interface,
        .key = telling->key,
        .sub = telling->sub,
        .time_ns = telling->time_ns,
        .state_ns = telling->state_ns,
        .source = cold->source,
        .destination = cold->destination,
        .source_port = cold->source_port,
        .destination_port = cold->destination_port,
        .vlan_outer = cold->vlan_outer,
        .vlan_inner = cold->vlan_inner,
        .vni = cold->vni,
        .ttl = cold->ttl,
    };
}

static void tell_type(struct stream_parts *parts, struct stream_sighting *sighting)
{
    const struct stream_hot *hot = parts->hot;
    const struct stream_cold *cold = parts->cold;
    sighting->payload_type = stream_type_main(parts);
    sighting->payload_types = cold->types_seen;
    uint8_t clock = stream_clock_of(sighting->payload_type);
    bool runs_side = (hot->flags & STREAM_FLAG_SIDE) != 0;
    sighting->clock_is_static =
        hot->clock != STREAM_CLOCK_NONE && (clock != STREAM_CLOCK_NONE || !runs_side);
    clock = clock == STREAM_CLOCK_NONE ? hot->clock : clock;
    sighting->clock_rate = sighting->clock_is_static ? stream_clock_values[clock] : 0;
    sighting->slope_rate = stream_slope_see(parts);
    uint32_t rate = sighting->clock_is_static ? sighting->clock_rate : sighting->slope_rate;
    sighting->ptime_us = rate == 0 ? 0 : (uint32_t)((uint64_t)hot->ts_step * 1000000 / rate);
    uint64_t mean_bytes = sighting->total.bytes / sighting->total.packets;
    sighting->payload_bytes_typical = (uint32_t)grown(mean_bytes, cold->overhead);
    sighting->dtmf_events = cold->dtmf_events;
    sighting->comfort_noise = cold->comfort_noise;
    for (size_t index = 0; index < STREAM_TYPES; index++) {
        sighting->secondary_types |= cold->types[index].used && cold->types[index].secondary;
    }
}

static void begin_interval(struct stream_parts *parts, const struct stream_sighting *sighting)
{
    struct stream_cold *cold = parts->cold;
    cold->told = sighting->total;
    cold->delta_max_us = sighting->total.delta_max_us;
    cold->interval_longest = 0;
    cold->interval_ext = parts->hot->max_ext + 1;
    cold->interval_from_ns = sighting->interval_to_ns;
    cold->second_packets_max = 0;
    cold->interval_packets = 0;
    cold->interval_index++;
    parts->hot->delta_max = 0;
    stream_jitter_interval(parts);
}

void stream_tell(struct stream_table *table, uint32_t cell, const struct stream_telling *telling)
{
    struct stream_parts parts = stream_parts_at(table, cell);
    struct stream_cold *cold = parts.cold;
    if (telling->event == STREAM_ENDED || telling->event == STREAM_CANDIDATE) {
        stream_sequence_settle(parts.hot, cold);
    }
    struct stream_sighting *sighting = &table->sighting;
    memset(sighting, 0, sizeof *sighting);
    tell_head(cold, telling, &sighting->head);
    sighting->stream_number = cold->number;
    sighting->event = (uint8_t)telling->event;
    sighting->end_reason = (uint8_t)telling->end_reason;
    sighting->index = cold->interval_index;
    sighting->ssrc = cold->ssrc;
    sighting->second_packets_max = cold->second_packets_max > parts.hot->pending_packets
                                       ? cold->second_packets_max
                                       : parts.hot->pending_packets;
    sighting->first_ns = cold->first_ns;
    sighting->last_ns = parts.hot->last_ns;
    sighting->interval_from_ns = cold->interval_from_ns;
    sighting->interval_to_ns =
        telling->event == STREAM_INTERVAL ? telling->state_ns : parts.hot->last_ns;
    tell_counts(&parts, sighting);
    tell_type(&parts, sighting);
    stream_jitter_tell(&parts, sighting);
    table->options.on_sighting(table->options.owner, sighting);
    if (telling->event == STREAM_INTERVAL) {
        begin_interval(&parts, sighting);
    }
}

void stream_tell_turn(struct stream_table *table, uint32_t cell,
                      const struct stream_telling *telling)
{
    struct stream_parts parts = stream_parts_at(table, cell);
    struct stream_sighting *sighting = &table->sighting;
    uint64_t packets = stream_packets_of(&parts);

    memset(sighting, 0, sizeof *sighting);
    tell_head(parts.cold, telling, &sighting->head);
    sighting->stream_number = parts.cold->number;
    sighting->event = (uint8_t)telling->event;
    sighting->index = parts.cold->interval_index;
    sighting->payload_type = parts.hot->payload_type;
    sighting->ssrc = parts.cold->ssrc;
    sighting->first_ns = parts.cold->first_ns;
    sighting->last_ns = parts.hot->last_ns;
    sighting->interval_from_ns = parts.cold->interval_from_ns;
    sighting->interval_to_ns = parts.hot->last_ns;
    sighting->total.packets = packets;
    sighting->interval.delta_max_us = delta_us(parts.hot);
    table->options.on_sighting(table->options.owner, sighting);
}

void stream_alive_add(struct stream_table *table, uint32_t cell, bool named, bool resumed,
                      const struct stream_telling *telling)
{
    const struct stream_hot *hot = stream_hot_at(table, cell);
    const struct stream_cold *cold = stream_cold_at(table, cell);
    struct alive_sighting *alive = table->alive;

    if (!resumed && cold->active_ns > alive->newest_ns) {
        alive->newest_ns = cold->active_ns;
    }
    if (!named) {
        return;
    }
    alive->streams[alive->stream_count++] =
        (struct alive_stream){.stream_number = cold->number,
                              .from_ns = cold->interval_from_ns,
                              .last_ns = hot->last_ns,
                              .source = cold->source,
                              .destination = cold->destination,
                              .source_port = cold->source_port,
                              .destination_port = cold->destination_port,
                              .packets = cold->interval_packets};
    if (alive->stream_count == ALIVE_STREAMS_MAX) {
        stream_alive_flush(table, telling);
    }
}

void stream_alive_flush(struct stream_table *table, const struct stream_telling *telling)
{
    struct alive_sighting *alive = table->alive;

    if (alive->stream_count > 0 || alive->newest_ns > 0) {
        size_t bytes = sizeof *alive + alive->stream_count * sizeof(struct alive_stream);
        alive->head = (struct sighting){.bytes = (uint32_t)bytes,
                                        .kind = SIGHTING_ALIVE,
                                        .transport = PROTOCOL_UDP,
                                        .key = telling->key,
                                        .sub = telling->sub,
                                        .time_ns = telling->time_ns,
                                        .state_ns = telling->state_ns};
        table->options.on_alive(table->options.owner, alive);
        alive->stream_count = 0;
        alive->newest_ns = 0;
    }
}
