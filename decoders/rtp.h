/* rtp.h - the RTP header (RFC 3550 section 5.1).
 *
 * Owns      nothing.
 * Borrows   the bytes during the call.
 * Time      none.
 * Bounds    reads at most the fixed header, CSRCs, the extension's length and the last byte.
 * Errors    enum reason.
 * Thread    any. */
#ifndef DECODERS_RTP_H
#define DECODERS_RTP_H

#include "base/cursor.h"
#include "decoders/reason.h"

struct rtp_view {
    uint32_t ssrc;
    uint32_t timestamp;
    uint16_t sequence;
    uint16_t header_bytes; /* fixed header, CSRCs and extension */
    uint32_t payload_bytes; /* on the wire, without header and padding */
    uint8_t payload_type;
    bool marker;
    bool has_extension;
    bool has_padding;
};

/* `wire_bytes` is the datagram's length on the wire, `bytes` what was captured of it: padding of a
 * cut datagram is not looked at. */
enum reason rtp_decode(const uint8_t *at, uint32_t bytes, uint32_t wire_bytes,
                       struct rtp_view *out_view);

#endif
