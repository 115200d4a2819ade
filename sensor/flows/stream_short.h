/* stream_short.h - the next packet of a known stream as it should be: the short way.
 *
 * Owns      nothing.
 * Borrows   the stream's cell and the packet during the call.
 * Time      the packet's stamp.
 * Bounds    none.
 * Errors    none: false is "the long way", and then nothing was changed.
 * Thread    one worker.
 *
 * Here, because it is the way of nine packets in ten, alone (stream.c) and in runs (stream_run.c). */
#ifndef SENSOR_FLOWS_STREAM_SHORT_H
#define SENSOR_FLOWS_STREAM_SHORT_H

#include "sensor/flows/stream_cell.h"

#define STREAM_PENDING_BYTES_MAX (UINT32_C(1) << 31)

/* What the short way wants to know of a packet. */
struct stream_packet {
    uint64_t time_ns;
    uint32_t timestamp;
    uint32_t ip_wire;
    uint16_t sequence;
    uint8_t marker_and_type; /* the header's second byte */
};

static inline void stream_advance(struct stream_hot *hot, uint64_t time_ns, uint32_t timestamp,
                                  uint32_t ip_wire, int64_t gap_ns)
{
    uint64_t delta = gap_ns < 0 ? 0 : (uint64_t)gap_ns >> 10;
    delta = delta > UINT32_MAX ? UINT32_MAX : delta;
    hot->delta_max = delta > hot->delta_max ? (uint32_t)delta : hot->delta_max;
    hot->last_ns = time_ns;
    hot->last_ts = timestamp;
    hot->pending_packets++;
    hot->pending_bytes += ip_wire;
}

/* Of a packet that is as it should be. */
static inline void stream_count_next(struct stream_hot *hot, uint64_t time_ns, uint32_t ip_wire,
                                     uint64_t gap_ns)
{
    if (hot->clock != STREAM_CLOCK_NONE) {
        stream_jitter_step(hot, (int64_t)gap_ns, hot->ts_step);
    }
    hot->max_ext++;
    stream_advance(hot, time_ns, hot->last_ts + hot->ts_step, ip_wire, (int64_t)gap_ns);
}

/* stream.c: the same of a stream that has more than the one recursion in the hot line. Apart, and
 * given values, so that the common way keeps nothing over a call and nothing in memory. */
bool stream_see_others(struct stream_table *table, uint32_t cell, uint64_t time_ns,
                       uint32_t ip_wire, uint64_t gap_ns);

static inline __attribute__((always_inline)) bool
stream_see_short(struct stream_table *table, uint32_t cell, struct stream_hot *hot,
                 const struct stream_packet *packet)
{
    const uint8_t plain = STREAM_FLAG_CONFIRMED | STREAM_FLAG_PROBING | STREAM_FLAG_SECONDARY;
    const uint8_t others = STREAM_FLAG_SPLIT | STREAM_FLAG_SIDE;
    uint64_t gap_ns = packet->time_ns - hot->last_ns; /* a step back is a huge gap */
    uint32_t ts_step = packet->timestamp - hot->last_ts;
    /* A type is below 128: with the marker set it is not the stream's. */
    if ((uint16_t)(packet->sequence - hot->max_ext) != 1 || ts_step != hot->ts_step ||
        ts_step == 0 || packet->marker_and_type != hot->payload_type ||
        gap_ns > (uint64_t)STREAM_GAP_MAX || (hot->flags & plain) != STREAM_FLAG_CONFIRMED ||
        hot->pending_bytes >= STREAM_PENDING_BYTES_MAX) {
        return false;
    }
    if (__builtin_expect((hot->flags & others) != 0, false)) {
        return stream_see_others(table, cell, packet->time_ns, packet->ip_wire, gap_ns);
    }
    stream_count_next(hot, packet->time_ns, packet->ip_wire, gap_ns);
    return true;
}

#endif
