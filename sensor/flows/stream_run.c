/* stream_run.c - RTP in runs: the passes over a batch.
 *
 *   stream_look       header -> hash, index asked for    the line of the index is on its way
 *                     index -> cell, cell asked for      the hot line is on its way
 *                     cell -> what else it will touch    of streams with more than one recursion
 *   stream_see_run    one packet after the other, as long as they go the short way
 *
 * Each pass finds the lines of the one before already there. A header without CSRC, extension and
 * padding, as most are, is read as one word. */
#include "sensor/flows/stream_short.h"

#include "decoders/rtcp.h"

enum { RTP_FIXED_BYTES = 12 };

static inline uint64_t be64_at(const uint8_t *at)
{
    return (uint64_t)at[0] << 56 | (uint64_t)at[1] << 48 | (uint64_t)at[2] << 40 |
           (uint64_t)at[3] << 32 | (uint64_t)at[4] << 24 | (uint64_t)at[5] << 16 |
           (uint64_t)at[6] << 8 | at[7];
}

static inline uint32_t be32_at(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

uint64_t stream_hash(const struct stream_table *table, const struct datagram *datagram,
                     uint32_t ssrc)
{
    /* The flow hash is keyed and symmetric; its end makes it one direction's. */
    uint64_t end = (uint64_t)(datagram->flags & DATAGRAM_UPPER) << 32 | ssrc;
    return wordhash_pair(&table->words, 0, datagram->flow_hash, end) | 1;
}

/* A header that is more, or less, than the fixed part. False: it is no RTP. */
static __attribute__((noinline)) bool read_long(const struct datagram *datagram, uint32_t *out_ssrc)
{
    struct rtp_view view;
    if (datagram->protocol != PROTOCOL_UDP || datagram->payload_bytes <= 1 ||
        datagram->payload[0] >> 6 != 2 || rtcp_is_type(datagram->payload[1]) ||
        rtp_decode(datagram->payload, datagram->payload_bytes, datagram->payload_wire, &view) !=
            REASON_NONE) {
        return false;
    }
    *out_ssrc = view.ssrc;
    return true;
}

/* The hash of what reads as RTP, else 0. Types 64 to 95, with the marker or without, hold all that
 * is RTCP. */
static inline uint64_t read_header(const struct stream_table *table,
                                   const struct datagram *datagram)
{
    const uint8_t *at = datagram->payload;
    uint32_t ssrc;
    if (datagram->protocol == PROTOCOL_UDP && datagram->payload_bytes >= RTP_FIXED_BYTES &&
        at[0] == 0x80 && (at[1] & 0x60) != 0x40) {
        ssrc = be32_at(at + 8);
    } else if (!read_long(datagram, &ssrc)) {
        return 0;
    }
    return stream_hash(table, datagram, ssrc);
}

static inline uint32_t find_slot(const uint64_t *slots, uint32_t mask, uint64_t hash)
{
    uint32_t tag = stream_tag_of(hash);
    for (uint32_t at = tag & mask; slots[at] != 0; at = (at + 1) & mask) {
        if ((uint32_t)(slots[at] >> 32) == tag) {
            return (uint32_t)slots[at] - 1;
        }
    }
    return STREAM_NONE;
}

/* What a stream touches that has more than one recursion. */
static __attribute__((noinline)) void fetch_rest(const struct stream_table *table, uint32_t cell,
                                                 uint8_t flags)
{
    const struct stream_side *side = (const struct stream_side *)table->side.at + cell;
    if ((flags & STREAM_FLAG_SPLIT) != 0) {
        __builtin_prefetch(stream_cold_at(table, cell), 1);
    }
    if ((flags & STREAM_FLAG_SIDE) != 0) {
        __builtin_prefetch(&side->jitter, 1);
        __builtin_prefetch((const uint8_t *)&side->jitter + 64, 1);
    }
    if ((flags & STREAM_FLAG_SIDE) != 0 && (flags & STREAM_FLAG_SPLIT) != 0) {
        __builtin_prefetch(&side->variation, 1);
        __builtin_prefetch((const uint8_t *)&side->variation + 64, 1);
    }
}

void stream_look(const struct stream_table *table, const struct datagram *batch, size_t count,
                 struct stream_lane *lanes)
{
    const uint8_t others = STREAM_FLAG_SPLIT | STREAM_FLAG_SIDE;
    const uint64_t *slots = stream_slots(table);
    const struct stream_hot *hot = table->hot.at;
    uint32_t mask = table->index_mask;
    for (size_t index = 0; index < count; index++) {
        uint64_t hash = read_header(table, &batch[index]);
        lanes[index].hash = hash;
        __builtin_prefetch(&slots[stream_tag_of(hash) & mask]);
    }
    for (size_t index = 0; index < count; index++) {
        uint64_t hash = lanes[index].hash;
        uint32_t cell = hash == 0 ? STREAM_NONE : find_slot(slots, mask, hash);
        lanes[index].hint = cell;
        if (cell != STREAM_NONE) {
            __builtin_prefetch(&hot[cell], 1);
        }
    }
    for (size_t index = 0; index < count; index++) {
        uint32_t cell = lanes[index].hint;
        if (cell != STREAM_NONE && (hot[cell].flags & others) != 0) {
            fetch_rest(table, cell, hot[cell].flags);
        }
    }
}

size_t stream_see_run(struct stream_table *table, const struct datagram *batch,
                      const struct stream_lane *lanes, size_t from, size_t count)
{
    struct stream_hot *cells = table->hot.at;
    size_t index = from;
    for (; index < count && lanes[index].hint != STREAM_NONE; index++) {
        const struct datagram *datagram = &batch[index];
        struct stream_hot *hot = &cells[lanes[index].hint];
        uint64_t head = be64_at(datagram->payload);
        struct stream_packet packet = {
            .time_ns = datagram->time_ns,
            .timestamp = (uint32_t)head,
            .ip_wire = datagram->ip_wire,
            .sequence = (uint16_t)(head >> 32),
            .marker_and_type = (uint8_t)(head >> 48),
        };
        if (hot->hash != lanes[index].hash ||
            !stream_see_short(table, lanes[index].hint, hot, &packet)) {
            break;
        }
    }
    table->packets += index - from;
    return index;
}
