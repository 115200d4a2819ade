/* rtp.c - the RTP header (RFC 3550 section 5.1).
 *
 *    0                   1                   2                   3
 *   |V=2|P|X|  CC   |M|     PT      |       sequence number         |
 *   |                           timestamp                           |
 *   |                             SSRC                              |
 *   |                    CSRC identifiers (CC words)                |
 *   |      defined by profile       |    words of extension         |  if X
 *
 * Stands on the way of nine packets in ten, so the fixed header is taken in one piece; the rest is
 * looked at only where a bit asks for it. Whether bytes that fit are RTP at all is not decided
 * here: that takes several packets (protocols that share the first bits are many), and is the
 * business of who remembers streams.
 *
 * Payload types 72 to 76 are the RTCP types 200 to 204 with the marker bit cut off: never RTP (RFC
 * 5761 section 4). What the snap length cut is believed as far as the wire length allows it. */
#include "decoders/rtp.h"

enum { HEADER_BYTES = 12, EXTENSION_BYTES = 4, WORD_BYTES = 4 };
enum { PAYLOAD_TYPE_RTCP_FIRST = 72, PAYLOAD_TYPE_RTCP_LAST = 76 };
enum { BIT_PADDING = 0x20, BIT_EXTENSION = 0x10, BITS_CSRC = 0x0f, BIT_MARKER = 0x80 };

/* CSRCs, extension and padding. */
static enum reason rtp_decode_rest(uint8_t first, struct cursor bytes, uint32_t wire_bytes,
                                   struct rtp_view *view)
{
    uint32_t header_bytes = HEADER_BYTES + (uint32_t)(first & BITS_CSRC) * WORD_BYTES;
    bool is_cut = HEADER_BYTES + cursor_left(&bytes) < wire_bytes;
    if (view->has_extension) {
        struct cursor extension = bytes;
        cursor_skip(&extension, header_bytes - HEADER_BYTES + 2);
        uint32_t words = cursor_be16(&extension);
        if (!cursor_ok(&extension) && !is_cut) {
            return REASON_RTP_LENGTH;
        }
        header_bytes += EXTENSION_BYTES + words * WORD_BYTES;
    }
    if (header_bytes > wire_bytes) {
        return REASON_RTP_LENGTH;
    }
    view->header_bytes = (uint16_t)(header_bytes > UINT16_MAX ? UINT16_MAX : header_bytes);
    view->payload_bytes = wire_bytes - header_bytes;
    if (view->has_padding && !is_cut) {
        size_t left = cursor_left(&bytes);
        uint8_t padding = left == 0 ? 0 : cursor_peek(&bytes, left - 1);
        if (padding == 0 || padding > view->payload_bytes) {
            return REASON_RTP_LENGTH;
        }
        view->payload_bytes -= padding;
    }
    return REASON_NONE;
}

enum reason rtp_decode(const uint8_t *at, uint32_t bytes, uint32_t wire_bytes,
                       struct rtp_view *out_view)
{
    struct cursor cursor = cursor_over(at, bytes);
    struct cursor header =
        cursor_over(cursor_take(&cursor, HEADER_BYTES), cursor_ok(&cursor) ? HEADER_BYTES : 0);
    uint8_t first = cursor_u8(&header);
    uint8_t second = cursor_u8(&header);
    struct rtp_view view = {
        .marker = (second & BIT_MARKER) != 0,
        .payload_type = (uint8_t)(second & ~BIT_MARKER),
        .has_extension = (first & BIT_EXTENSION) != 0,
        .has_padding = (first & BIT_PADDING) != 0,
        .header_bytes = HEADER_BYTES,
    };
    view.sequence = cursor_be16(&header);
    view.timestamp = cursor_be32(&header);
    view.ssrc = cursor_be32(&header);
    if (!cursor_ok(&header) || wire_bytes < HEADER_BYTES) {
        return REASON_RTP_SHORT;
    }
    if (first >> 6 != 2) {
        return REASON_RTP_VERSION;
    }
    if (view.payload_type >= PAYLOAD_TYPE_RTCP_FIRST &&
        view.payload_type <= PAYLOAD_TYPE_RTCP_LAST) {
        return REASON_RTP_PAYLOAD_TYPE;
    }
    view.payload_bytes = wire_bytes - HEADER_BYTES;
    if ((first & (BIT_PADDING | BIT_EXTENSION | BITS_CSRC)) != 0) {
        enum reason reason = rtp_decode_rest(first, cursor, wire_bytes, &view);
        if (reason != REASON_NONE) {
            return reason;
        }
    }
    *out_view = view;
    return REASON_NONE;
}
