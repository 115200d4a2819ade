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

struct extent {
    uint32_t header_bytes;
    uint32_t payload_bytes;
};

/* CSRCs, extension and padding; `rest` begins behind the fixed header. False: beyond the packet. */
static bool rtp_measure(uint8_t first, struct cursor rest, uint32_t wire_bytes,
                        struct extent *out_extent)
{
    uint32_t header_bytes = HEADER_BYTES + (uint32_t)(first & BITS_CSRC) * WORD_BYTES;
    bool is_cut = HEADER_BYTES + cursor_left(&rest) < wire_bytes;
    if ((first & BIT_EXTENSION) != 0) {
        struct cursor extension = rest;
        cursor_skip(&extension, header_bytes - HEADER_BYTES + 2);
        uint32_t words = cursor_be16(&extension);
        if (!cursor_ok(&extension) && !is_cut) {
            return false;
        }
        header_bytes += EXTENSION_BYTES + words * WORD_BYTES;
    }
    if (header_bytes > wire_bytes || header_bytes > UINT16_MAX) {
        return false;
    }
    uint32_t payload_bytes = wire_bytes - header_bytes;
    if ((first & BIT_PADDING) != 0 && !is_cut) {
        size_t left = cursor_left(&rest);
        uint8_t padding = left == 0 ? 0 : cursor_peek(&rest, left - 1);
        if (padding == 0 || padding > payload_bytes) {
            return false;
        }
        payload_bytes -= padding;
    }
    *out_extent = (struct extent){.header_bytes = header_bytes, .payload_bytes = payload_bytes};
    return true;
}

/* Field by field: a struct on the stack that is copied costs a third of this. */
static inline __attribute__((always_inline)) void rtp_fill(const uint8_t *fixed,
                                                           uint32_t header_bytes,
                                                           uint32_t payload_bytes,
                                                           struct rtp_view *out_view)
{
    struct cursor header = cursor_over(fixed, HEADER_BYTES);
    uint8_t first = cursor_u8(&header);
    uint8_t second = cursor_u8(&header);
    out_view->sequence = cursor_be16(&header);
    out_view->timestamp = cursor_be32(&header);
    out_view->ssrc = cursor_be32(&header);
    out_view->header_bytes = (uint16_t)header_bytes;
    out_view->payload_bytes = payload_bytes;
    out_view->payload_type = (uint8_t)(second & ~BIT_MARKER);
    out_view->marker = (second & BIT_MARKER) != 0;
    out_view->has_extension = (first & BIT_EXTENSION) != 0;
    out_view->has_padding = (first & BIT_PADDING) != 0;
}

/* A header with more than the fixed part. Not inlined: the plain one would save registers for it.
 */
static __attribute__((noinline)) enum reason
rtp_decode_long(const uint8_t *at, uint32_t bytes, uint32_t wire_bytes, struct rtp_view *out_view)
{
    struct cursor rest = cursor_over(at, bytes);
    cursor_skip(&rest, HEADER_BYTES);
    struct extent extent;
    if (!rtp_measure(at[0], rest, wire_bytes, &extent)) {
        return REASON_RTP_LENGTH;
    }
    rtp_fill(at, extent.header_bytes, extent.payload_bytes, out_view);
    return REASON_NONE;
}

enum reason rtp_decode(const uint8_t *at, uint32_t bytes, uint32_t wire_bytes,
                       struct rtp_view *out_view)
{
    struct cursor cursor = cursor_over(at, bytes);
    const uint8_t *fixed = cursor_take(&cursor, HEADER_BYTES);
    if (fixed == NULL || wire_bytes < HEADER_BYTES) {
        return REASON_RTP_SHORT;
    }
    uint8_t payload_type = (uint8_t)(fixed[1] & ~BIT_MARKER);
    if (fixed[0] >> 6 != 2) {
        return REASON_RTP_VERSION;
    }
    if (payload_type >= PAYLOAD_TYPE_RTCP_FIRST && payload_type <= PAYLOAD_TYPE_RTCP_LAST) {
        return REASON_RTP_PAYLOAD_TYPE;
    }
    if ((fixed[0] & (BIT_PADDING | BIT_EXTENSION | BITS_CSRC)) != 0) {
        return rtp_decode_long(fixed, bytes, wire_bytes, out_view);
    }
    rtp_fill(fixed, HEADER_BYTES, wire_bytes - HEADER_BYTES, out_view);
    return REASON_NONE;
}
