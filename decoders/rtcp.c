/* rtcp.c - compound RTCP (RFC 3550 section 6; reduced size RFC 5506; SRTCP RFC 3711 section 3.4).
 *
 *   |V=2|P|  RC/FMT |   type 192-223 |   length in words - 1     |   one packet; a compound is
 *   |                     SSRC of the sender                     |   several in a row
 *
 *   SR 200    NTP (64), RTP time, packets, bytes, then RC report blocks of 24 bytes
 *   RR 201    RC report blocks
 *   SDES 202  RC chunks: SSRC, items (type, length, text), end 0, padded to 4
 *   BYE 203   RC sources
 *   APP 204, RTPFB 205, PSFB 206, XR 207 and others: walked by their length
 *
 * A compound is recognised by its shape: SR or RR first, every length inside the datagram, the last
 * one ending with it. Without SR or RR in front (reduced size) every length must add up and the
 * contents of its type must fit. Behind a good first packet there may be bytes that are no RTCP:
 * SRTCP leaves only the first 8 bytes in clear and appends a word with the E bit and a tag of 4, 10
 * or 16 bytes; anything else is damage. Then only the first header counts. */
#include "decoders/rtcp.h"

enum { HEADER_BYTES = 8, REPORT_BYTES = 24, SENDER_BYTES = 20, SHORT_BYTES = 4 };
enum {
    TYPE_SR = 200,
    TYPE_RR = 201,
    TYPE_SDES = 202,
    TYPE_BYE = 203,
    TYPE_APP = 204,
    TYPE_RTPFB = 205,
    TYPE_PSFB = 206,
    TYPE_XR = 207,
};
enum { SDES_END = 0, SDES_CNAME = 1, CHUNKS_MAX = 31, SRTCP_INDEX_MAX = 1 << 24 };

/* One packet of a compound. */
struct unit {
    uint8_t count; /* RC, SC or FMT */
    uint8_t type;
    bool padding;
    uint32_t bytes;
    struct cursor body; /* behind the first four bytes, as far as captured */
};

static bool unit_next(struct cursor cursor, uint32_t wire_left, struct unit *out_unit)
{
    uint8_t first = cursor_u8(&cursor);
    uint8_t type = cursor_u8(&cursor);
    uint32_t bytes = ((uint32_t)cursor_be16(&cursor) + 1) * 4;
    if (!cursor_ok(&cursor) || first >> 6 != 2 || !rtcp_is_type(type) || bytes > wire_left) {
        return false;
    }
    *out_unit = (struct unit){
        .count = first & 0x1f, .type = type, .padding = (first & 0x20) != 0, .bytes = bytes};
    out_unit->body = cursor;
    cursor_limit(&out_unit->body, bytes - SHORT_BYTES);
    return true;
}

static void read_reports(struct cursor *body, unsigned count, struct rtcp_view *view)
{
    for (unsigned index = 0; index < count; index++) {
        struct rtcp_report report = {.ssrc = cursor_be32(body)};
        report.fraction_lost = cursor_u8(body);
        uint32_t lost = cursor_be24(body);
        report.cumulative_lost = (int32_t)lost - ((lost & 0x800000) != 0 ? 0x1000000 : 0);
        report.highest_sequence = cursor_be32(body);
        report.jitter = cursor_be32(body);
        report.last_sr = cursor_be32(body);
        report.delay_since_sr = cursor_be32(body);
        if (!cursor_ok(body)) {
            return;
        }
        if (view->report_count < RTCP_REPORTS_MAX) {
            view->reports[view->report_count++] = report;
        } else if (view->beyond < UINT8_MAX) {
            view->beyond++;
        }
    }
}

static void read_sender(struct cursor *body, struct rtcp_view *view)
{
    uint64_t ntp = cursor_be64(body);
    uint32_t rtp_timestamp = cursor_be32(body);
    uint32_t packets = cursor_be32(body);
    uint32_t bytes = cursor_be32(body);
    if (cursor_ok(body)) {
        view->has_sender_info = true;
        view->ntp = ntp;
        view->rtp_timestamp = rtp_timestamp;
        view->sender_packets = packets;
        view->sender_bytes = bytes;
    }
}

/* Items of one chunk up to its end, which is padded to a multiple of 4; false when they do not fit.
 */
static bool read_items(struct cursor *body, uint32_t ssrc, struct rtcp_view *view)
{
    size_t left_before = cursor_left(body);
    for (;;) {
        uint8_t item = cursor_u8(body);
        if (!cursor_ok(body)) {
            return false;
        }
        if (item == SDES_END) {
            size_t used = left_before - cursor_left(body);
            cursor_skip(body, (4 - used % 4) % 4);
            return cursor_ok(body);
        }
        uint8_t bytes = cursor_u8(body);
        const uint8_t *text = cursor_take(body, bytes);
        if (text == NULL) {
            return false;
        }
        if (item == SDES_CNAME && view->cname_count < RTCP_SOURCES_MAX) {
            view->cnames[view->cname_count].ssrc = ssrc;
            view->cnames[view->cname_count].cname = slice_of(text, bytes);
            view->cname_count++;
        }
    }
}

static bool read_sdes(struct cursor body, unsigned chunk_count, struct rtcp_view *view)
{
    for (unsigned chunk = 0; chunk < chunk_count; chunk++) {
        uint32_t ssrc = cursor_be32(&body);
        if (!cursor_ok(&body) || !read_items(&body, ssrc, view)) {
            return false;
        }
    }
    return true;
}

/* Least bytes of a packet of this type by its own count; types that are not known: the header. */
static uint32_t least_bytes(const struct unit *unit)
{
    switch (unit->type) {
    case TYPE_SR:
        return HEADER_BYTES + SENDER_BYTES + (uint32_t)unit->count * REPORT_BYTES;
    case TYPE_RR:
        return HEADER_BYTES + (uint32_t)unit->count * REPORT_BYTES;
    case TYPE_SDES:
        return SHORT_BYTES + (uint32_t)unit->count * 8;
    case TYPE_BYE:
        return SHORT_BYTES + (uint32_t)unit->count * 4;
    case TYPE_APP:
    case TYPE_RTPFB:
    case TYPE_PSFB:
        return HEADER_BYTES + 4;
    default:
        return SHORT_BYTES;
    }
}

static void read_unit(const struct unit *unit, struct rtcp_view *view)
{
    struct cursor body = unit->body;
    switch (unit->type) {
    case TYPE_SR:
        cursor_skip(&body, 4);
        read_sender(&body, view);
        read_reports(&body, unit->count, view);
        break;
    case TYPE_RR:
        cursor_skip(&body, 4);
        read_reports(&body, unit->count, view);
        break;
    case TYPE_SDES:
        (void)read_sdes(body, unit->count, view);
        break;
    case TYPE_BYE:
        view->has_bye = true;
        break;
    default:
        break;
    }
}

/* May a packet of this type stand alone (RFC 5506)? Its contents must be what the type asks for. */
static bool stands_alone(const struct unit *unit)
{
    struct rtcp_view ignored = {0};
    switch (unit->type) {
    case TYPE_SDES:
        return unit->count > 0 && read_sdes(unit->body, unit->count, &ignored);
    case TYPE_BYE:
        return unit->count > 0;
    case TYPE_APP:
        return true;
    case TYPE_RTPFB:
    case TYPE_PSFB:
        return unit->count >= 1 && unit->count <= 15;
    case TYPE_XR:
        return unit->bytes > HEADER_BYTES;
    default:
        return false;
    }
}

/* The word with the E bit and a small index, in front of a tag of 4, 10 or 16 bytes. */
static bool looks_encrypted(const uint8_t *at, uint32_t bytes)
{
    static const uint8_t tag_bytes[] = {10, 4, 16};
    for (size_t index = 0; index < sizeof tag_bytes; index++) {
        uint32_t trailer = tag_bytes[index] + 4u;
        if (bytes < HEADER_BYTES + trailer) {
            continue;
        }
        struct cursor cursor = cursor_over(at + bytes - trailer, 4);
        uint32_t word = cursor_be32(&cursor);
        if (word >> 31 == 1 && (word & INT32_MAX) < SRTCP_INDEX_MAX) {
            return true;
        }
    }
    return false;
}

/* The packets behind the first one; false when they are none. */
static bool walk(struct cursor *cursor, uint32_t *wire_left, const struct unit *first,
                 struct rtcp_view *view)
{
    bool padded = first->padding;
    while (*wire_left > 0 && cursor_left(cursor) > 0) {
        struct unit unit;
        if (padded || !unit_next(*cursor, *wire_left, &unit) || unit.bytes < least_bytes(&unit)) {
            return false;
        }
        view->packets = (uint8_t)(view->packets == UINT8_MAX ? UINT8_MAX : view->packets + 1);
        read_unit(&unit, view);
        padded = unit.padding;
        *wire_left -= unit.bytes;
        cursor_skip(cursor, unit.bytes);
    }
    return true;
}

enum reason rtcp_decode(const uint8_t *at, uint32_t bytes, uint32_t wire_bytes,
                        struct rtcp_view *out_view)
{
    struct cursor cursor = cursor_over(at, bytes);
    if (bytes < HEADER_BYTES || wire_bytes < HEADER_BYTES) {
        return REASON_RTCP_SHORT;
    }
    if (cursor_peek(&cursor, 0) >> 6 != 2) {
        return REASON_RTCP_VERSION;
    }
    struct unit first;
    if (!unit_next(cursor, wire_bytes, &first)) {
        return rtcp_is_type(cursor_peek(&cursor, 1)) ? REASON_RTCP_LENGTH : REASON_RTCP_TYPE;
    }
    bool is_report = first.type == TYPE_SR || first.type == TYPE_RR;
    if (first.bytes < HEADER_BYTES || first.bytes < least_bytes(&first)) {
        return REASON_RTCP_LENGTH;
    }
    if (!is_report && (first.type < TYPE_SDES || first.type > TYPE_XR || !stands_alone(&first))) {
        return REASON_RTCP_TYPE;
    }
    struct cursor sender = first.body;
    *out_view = (struct rtcp_view){.packets = 1, .sender = cursor_be32(&sender)};
    out_view->reduced = !is_report;
    struct rtcp_view clear = *out_view;
    read_unit(&first, out_view);
    uint32_t wire_left = wire_bytes - first.bytes;
    cursor_skip(&cursor, first.bytes);
    if (walk(&cursor, &wire_left, &first, out_view)) {
        return REASON_NONE;
    }
    if (!is_report) {
        return REASON_RTCP_LENGTH;
    }
    if (bytes == wire_bytes && looks_encrypted(at, bytes)) {
        *out_view = clear;
        out_view->encrypted = true;
    } else {
        out_view->damaged = true;
    }
    return REASON_NONE;
}
