/* stream_type.c - the payload types of one stream: which is the media, which are signals beside it.
 *
 * A stream may carry telephone-events (RFC 4733) and comfort noise (RFC 3389) between its audio,
 * change its codec, or hold a single packet of something else. None of that splits it (its identity
 * is the SSRC), but the clock and the figures are those of its main type: the most frequent one
 * that is no signal.
 *
 * Signals are told by content, for without SDP a dynamic type has no name: types 13 and 19 are
 * comfort noise; a type above 63 whose first packet has the 4 bytes of an event (or, beside other
 * media, 4 bytes and an SRTP tag) is an event until a packet of more than 16 bytes shows that it is
 * not. Event digits are not read, only their end is counted. */
#include "sensor/flows/stream_cell.h"

enum { TYPE_COMFORT_NOISE = 13, TYPE_COMFORT_NOISE_OLD = 19, TYPE_DYNAMIC_FIRST = 64 };
enum { EVENT_BYTES = 4, EVENT_SIGNAL_MAX = 16, EVENT_END = 0x80 };

static bool is_noise(uint8_t payload_type)
{
    return payload_type == TYPE_COMFORT_NOISE || payload_type == TYPE_COMFORT_NOISE_OLD;
}

static bool has_media(const struct stream_cold *cold)
{
    for (size_t index = 0; index < STREAM_TYPES; index++) {
        if (cold->types[index].used && !cold->types[index].secondary) {
            return true;
        }
    }
    return false;
}

static bool looks_like_event(const struct stream_cold *cold, const struct rtp_view *view)
{
    if (view->payload_type < TYPE_DYNAMIC_FIRST) {
        return false;
    }
    uint32_t tag_bytes = view->payload_bytes - EVENT_BYTES;
    return tag_bytes == 0 || ((tag_bytes == 4 || tag_bytes == 10) && has_media(cold));
}

/* The type's slot; the last one is shared by all that come when the others are taken. */
static struct stream_type *type_slot(struct stream_cold *cold, uint8_t payload_type)
{
    for (size_t index = 0; index < STREAM_TYPES; index++) {
        struct stream_type *type = &cold->types[index];
        if (!type->used || type->payload_type == payload_type || index == STREAM_TYPES - 1) {
            return type;
        }
    }
    assert(false);
    return NULL;
}

static struct stream_type *type_take(struct stream_cold *cold, const struct rtp_view *view)
{
    struct stream_type *type = type_slot(cold, view->payload_type);
    if (!type->used || type->payload_type != view->payload_type) {
        bool secondary = is_noise(view->payload_type) || looks_like_event(cold, view);
        uint64_t packets = type->packets;
        *type = (struct stream_type){.packets = type->used ? packets : 0,
                                     .payload_type = view->payload_type,
                                     .secondary = secondary,
                                     .used = true};
        cold->types_seen = (uint8_t)(cold->types_seen + (cold->types_seen < UINT8_MAX));
    }
    return type;
}

static bool has_dynamic_media(const struct stream_cold *cold)
{
    for (size_t index = 0; index < STREAM_TYPES; index++) {
        const struct stream_type *type = &cold->types[index];
        if (type->used && !type->secondary &&
            stream_clock_of(type->payload_type) == STREAM_CLOCK_NONE) {
            return true;
        }
    }
    return false;
}

/* A media packet of this type: which recursions run from here on. */
static void choose_clock(struct stream_parts *parts, uint8_t payload_type)
{
    struct stream_hot *hot = parts->hot;
    uint8_t clock = stream_clock_of(payload_type);
    bool runs_side = (hot->flags & STREAM_FLAG_SIDE) != 0;
    if (clock == STREAM_CLOCK_NONE) {
        if (!runs_side) {
            stream_jitter_start_side(parts);
        }
        return;
    }
    if (hot->clock == STREAM_CLOCK_NONE && runs_side) {
        stream_jitter_adopt(parts, clock);
    }
    hot->clock = clock;
    if (runs_side && !has_dynamic_media(parts->cold)) {
        hot->flags &= (uint8_t)~STREAM_FLAG_SIDE;
    }
}

static void count_signal(struct stream_cold *cold, const struct rtp_view *view,
                         const struct datagram *datagram)
{
    if (is_noise(view->payload_type)) {
        cold->comfort_noise++;
        return;
    }
    struct cursor cursor = cursor_over(datagram->payload, datagram->payload_bytes);
    cursor_skip(&cursor, view->header_bytes + 1u);
    uint8_t bits = cursor_u8(&cursor);
    bool ends = cursor_ok(&cursor) && view->payload_bytes == EVENT_BYTES && (bits & EVENT_END) != 0;
    if (ends && (!cold->has_event || cold->event_ts != view->timestamp)) {
        /* The end is sent three times with one time stamp: one event. */
        cold->has_event = true;
        cold->event_ts = view->timestamp;
        cold->dtmf_events++;
    }
}

static bool type_note(struct stream_parts *parts, const struct rtp_view *view,
                      const struct datagram *datagram, bool changed)
{
    struct stream_hot *hot = parts->hot;
    struct stream_type *type = type_take(parts->cold, view);
    bool was_secondary = type->secondary;
    if (was_secondary && !is_noise(view->payload_type) && view->payload_bytes > EVENT_SIGNAL_MAX) {
        type->secondary = false;
    }
    if (type->secondary) {
        hot->flags |= STREAM_FLAG_SECONDARY;
        count_signal(parts->cold, view, datagram);
        return true;
    }
    hot->flags &= (uint8_t)~STREAM_FLAG_SECONDARY;
    if (changed || was_secondary) {
        choose_clock(parts, view->payload_type);
    }
    return false;
}

bool stream_type_see(struct stream_parts *parts, const struct rtp_view *view,
                     const struct datagram *datagram)
{
    struct stream_hot *hot = parts->hot;
    struct stream_cold *cold = parts->cold;
    bool changed = view->payload_type != hot->payload_type;
    if (!changed && (hot->flags & STREAM_FLAG_SECONDARY) == 0) {
        return false;
    }
    if (changed) {
        uint64_t packets = stream_packets_of(parts);
        type_slot(cold, hot->payload_type)->packets += packets - cold->type_from;
        cold->type_from = packets;
        hot->payload_type = view->payload_type;
    }
    return type_note(parts, view, datagram, changed);
}

void stream_type_begin(struct stream_parts *parts, const struct rtp_view *view,
                       const struct datagram *datagram)
{
    parts->hot->payload_type = view->payload_type;
    parts->hot->clock = STREAM_CLOCK_NONE;
    (void)type_note(parts, view, datagram, true);
    if (parts->hot->clock == STREAM_CLOCK_NONE && (parts->hot->flags & STREAM_FLAG_SIDE) == 0) {
        stream_jitter_start_side(parts);
    }
}

uint8_t stream_type_main(const struct stream_parts *parts)
{
    const struct stream_cold *cold = parts->cold;
    uint8_t current = parts->hot->payload_type;
    uint64_t pending = stream_packets_of(parts) - cold->type_from;
    uint8_t best = current;
    uint64_t best_packets = 0;
    bool best_secondary = true;
    for (size_t index = 0; index < STREAM_TYPES; index++) {
        const struct stream_type *type = &cold->types[index];
        if (!type->used) {
            continue;
        }
        uint64_t packets = type->packets + (type->payload_type == current ? pending : 0);
        bool better = best_secondary == type->secondary ? packets > best_packets : best_secondary;
        if (better) {
            best = type->payload_type;
            best_packets = packets;
            best_secondary = type->secondary;
        }
    }
    return best;
}
