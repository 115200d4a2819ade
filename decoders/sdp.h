/* sdp.h - a session description: what media goes where (RFC 8866, 3264, 3605, 5761, 4568, 5763).
 *
 * Owns      nothing: a plain struct, text copied in small fixed fields.
 * Borrows   the text during the call.
 * Time      none.
 * Bounds    SDP_MEDIA_MAX media lines, SDP_FORMATS_MAX payload types with a map each; more are
 *           counted in media_beyond and formats_beyond, attributes above 512 end the reading.
 * Errors    REASON_SDP_NOT where there is no v= or m= line at all; oddities set `malformed`.
 * Thread    any.
 *
 * Inline keys of a=crypto are never kept. */
#ifndef DECODERS_SDP_H
#define DECODERS_SDP_H

#include "base/addr.h"
#include "decoders/reason.h"

enum { SDP_MEDIA_MAX = 8, SDP_FORMATS_MAX = 16, SDP_CODEC_BYTES = 16 };

enum sdp_kind {
    SDP_AUDIO,
    SDP_VIDEO,
    SDP_IMAGE,
    SDP_TEXT,
    SDP_APPLICATION,
    SDP_MESSAGE,
    SDP_OTHER
};
enum sdp_direction { SDP_SENDRECV, SDP_SENDONLY, SDP_RECVONLY, SDP_INACTIVE };
enum sdp_security {
    SDP_CLEAR,
    SDP_SDES,
    SDP_DTLS,
    SDP_BEST_EFFORT
}; /* AVP with crypto or fingerprint */

struct sdp_format {
    uint8_t payload_type;
    uint8_t channels;
    uint32_t clock_rate; /* 0 = not given and not static */
    char codec[SDP_CODEC_BYTES]; /* as in rtpmap, cut; "" = not given and not static; NUL-terminated
                                  */
};

struct sdp_media {
    struct endpoint rtp; /* address of its own c=, else of the session; port 0 = rejected (unless
                            bundle-only) */
    struct endpoint rtcp; /* a=rtcp, else port + 1; = rtp with rtcp-mux */
    uint8_t kind; /* enum sdp_kind */
    uint8_t direction; /* enum sdp_direction */
    uint8_t security; /* enum sdp_security */
    bool is_rtp; /* RTP profile; false for udptl, MSRP, BFCP ... */
    bool rtcp_mux;
    bool hold; /* c= 0.0.0.0 */
    bool has_address; /* the address is an IP literal (not a name) */
    uint8_t format_count;
    uint16_t ptime_ms; /* 0 = not given */
    struct sdp_format formats[SDP_FORMATS_MAX];
};

struct sdp {
    uint8_t media_count;
    uint8_t media_beyond;
    bool formats_beyond;
    bool malformed; /* sdp-malformed */
    bool ice; /* ice-ufrag seen: addresses are only the default candidate */
    bool bundle;
    uint64_t session_version; /* of o=, 0 = not readable */
    struct sdp_media media[SDP_MEDIA_MAX];
};

/* `cut`: the capture cut the text, so a missing end is nobody's fault. */
enum reason sdp_decode(struct slice text, bool cut, struct sdp *out_sdp);

/* Only judges: true where sdp-malformed is to be told. `out_sdp` is filled like by sdp_decode(), or
 * NULL: then nothing is written, which is cheaper. */
bool sdp_check(struct slice text, bool cut, struct sdp *out_sdp);

/* Codec and clock of the static payload types (RFC 3551 tables 4 and 5); NULL for others. */
const struct sdp_format *sdp_static_format(uint8_t payload_type);

/* The session description in a SIP body: the body itself, or the first such part of a multipart
 * body. */
struct slice sdp_in_body(struct slice content_type, struct slice body,
                         bool *out_multipart_malformed);

#endif
