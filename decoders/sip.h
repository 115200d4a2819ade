/* sip.h - one SIP message: start line, the values that state needs, anomalies, verdict. No copy.
 *
 * Owns      nothing.
 * Borrows   the message's bytes: every part is an offset into `raw`, so the struct may be copied as
 *           long as the bytes stay.
 * Time      none.
 * Bounds    SIP_HEADERS_MAX header lines are looked at, values above SIP_VALUE_BYTES are cut for
 *           display, never in keys: then message-capped. One pass over the header, no input costs
 *           more than 50 us per KiB.
 * Errors    REASON_SIP_NOT where the bytes are no SIP, REASON_SIP_PARTIAL where a stream must bring
 *           more; anything else is a message, however bad: its verdict says so.
 * Thread    any.
 *
 * Leniency and anomaly kinds: RFC 3261, 4475, 5118 and the table that reasons.def repeats. Lines
 * may end with CRLF, LF or CR; names are matched without case, in compact form too; folding is
 * undone where a value is read. */
#ifndef DECODERS_SIP_H
#define DECODERS_SIP_H

#include "decoders/reason.h"

enum {
    SIP_HEADERS_MAX = 1024,
    SIP_VALUE_BYTES = 4096,
    SIP_ANOMALIES_MAX = 30, /* kinds kept of one message; each kind stands once */
    SIP_MESSAGE_BYTES_MAX = 64 << 10,
};

enum sip_method {
    SIP_METHOD_NONE = 0, /* a response without CSeq, or nothing readable */
    SIP_METHOD_OTHER, /* a token of no RFC that is known here */
    SIP_METHOD_INVITE,
    SIP_METHOD_ACK,
    SIP_METHOD_BYE,
    SIP_METHOD_CANCEL,
    SIP_METHOD_OPTIONS,
    SIP_METHOD_REGISTER,
    SIP_METHOD_PRACK,
    SIP_METHOD_SUBSCRIBE,
    SIP_METHOD_NOTIFY,
    SIP_METHOD_PUBLISH,
    SIP_METHOD_INFO,
    SIP_METHOD_REFER,
    SIP_METHOD_MESSAGE,
    SIP_METHOD_UPDATE,
    SIP_METHOD_COUNT
};

enum sip_verdict { SIP_VALID, SIP_LENIENT, SIP_INVALID };

enum sip_transport { SIP_UDP, SIP_TCP, SIP_WEBSOCKET };

enum sip_scheme {
    SIP_SCHEME_NONE,
    SIP_SCHEME_SIP,
    SIP_SCHEME_SIPS,
    SIP_SCHEME_TEL,
    SIP_SCHEME_OTHER
};

/* Offset into the message; at == 0 and bytes == 0: absent (no value begins at offset 0 but the
 * start line's first word, which is never absent). An empty value has at > 0. */
struct part {
    uint32_t at;
    uint32_t bytes;
};

/* A From, To, Contact or request URI, taken apart (RFC 3261 section 19.1, RFC 3966). */
struct sip_uri {
    struct part whole; /* the addr-spec, without brackets */
    struct part user; /* as sent; of tel: the number. Absent where there is none */
    struct part host; /* without port; brackets of an IPv6 reference stay */
    uint16_t port; /* 0 = none */
    uint8_t scheme; /* enum sip_scheme */
    bool user_is_phone; /* ;user=phone, or tel: */
};

enum sip_flag {
    SIP_FLAG_RESPONSE = 1 << 0,
    SIP_FLAG_CREDENTIALS = 1 << 1, /* Authorization or Proxy-Authorization with a non-empty response
                                    * (an empty one is an identity hint of IMS, no attempt) */
    SIP_FLAG_CHALLENGE = 1 << 2, /* WWW- or Proxy-Authenticate */
    SIP_FLAG_STALE = 1 << 3, /* a challenge with stale=true */
    SIP_FLAG_COOKIE = 1 << 4, /* the branch begins with z9hG4bK and has more */
    SIP_FLAG_SDP = 1 << 5, /* a body (or a part of a multipart body) of application/sdp that can be
                            * an offer or answer: not packed, and of a known method */
    SIP_FLAG_CUT = 1 << 6, /* cut by the snap length or by SIP_MESSAGE_BYTES_MAX */
    SIP_FLAG_CONTACT_STAR = 1 << 7,
    SIP_FLAG_RETRY_AFTER = 1 << 8,
    SIP_FLAG_REPLACES = 1 << 9,
    SIP_FLAG_TRAILING_SIP =
        1 << 10, /* what follows the message in its datagram looks like another one */
    SIP_FLAG_AUTS =
        1 << 11, /* credentials with auts: an AKA resync (RFC 3310), no failed attempt */
    SIP_FLAG_CR_LINES = 1 << 12, /* CR alone ends the lines of this message */
    SIP_FLAG_SESSION = 1 << 13, /* has a Session-Expires */
};

/* About 400 bytes; crosses to the analyst as it is. */
struct sip_message {
    const char *raw;
    uint32_t raw_bytes; /* start line to the end of the body */
    uint32_t header_bytes; /* up to and with the empty line */
    uint32_t body_at; /* = header_bytes; the body is [body_at, body_at + body_bytes) */
    uint32_t body_bytes; /* min(Content-Length, what is there); all that is there without
                            Content-Length */
    uint32_t flags; /* enum sip_flag */
    uint16_t status; /* 0 for a request, and where it is out of range */
    uint16_t vias; /* values over all lines */
    uint8_t method; /* enum sip_method: of the start line; of a response: of its CSeq */
    uint8_t cseq_method; /* enum sip_method */
    uint8_t verdict; /* enum sip_verdict */
    uint8_t transport; /* enum sip_transport, as seen */
    uint8_t anomaly_count;
    uint8_t anomalies[SIP_ANOMALIES_MAX]; /* enum anomaly in order of discovery */
    bool has_cseq; /* cseq holds a number */
    uint32_t cseq;
    uint32_t expires; /* header Expires; UINT32_MAX = absent or not readable */
    uint32_t contact_expires; /* ;expires of the first Contact; UINT32_MAX = absent */
    uint32_t max_forwards; /* UINT32_MAX = absent */
    struct part method_text; /* request: the token; response: CSeq's token */
    struct part version;
    struct part reason; /* reason phrase */
    struct sip_uri uri; /* request URI */
    struct sip_uri from;
    struct sip_uri to;
    struct part from_display;
    struct part to_display;
    struct part from_tag;
    struct part to_tag;
    struct part call_id;
    struct part branch; /* of the topmost Via, with the cookie */
    struct part sent_by; /* host[:port] of the topmost Via, trimmed */
    struct part via_transport; /* of the topmost Via */
    struct part via_received;
    struct sip_uri contact; /* of the first Contact */
    struct part user_agent; /* User-Agent, else Server */
    struct part content_type;
    /* first Authorization or Proxy-Authorization of a request (Digest), quotes removed */
    struct part auth_username;
    struct part auth_realm; /* of a challenge too */
    struct part auth_nonce; /* of a challenge too */
    struct part auth_response;
    struct part auth_uri;
    struct part auth_cnonce;
    struct part auth_nc;
    struct part auth_algorithm;
    struct part session_id; /* RFC 7989 */
    struct part reason_header; /* Reason (RFC 3326), first value line */
    struct part replaces;
    struct part refer_to;
    struct part diversion;
};

static inline struct slice sip_part(const struct sip_message *message, struct part part)
{
    return part.at == 0 && part.bytes == 0 ? SLICE_NONE
                                           : slice_of(message->raw + part.at, part.bytes);
}

static inline bool sip_is_response(const struct sip_message *message)
{
    return (message->flags & SIP_FLAG_RESPONSE) != 0;
}

/* Is this the beginning of SIP? For a datagram or the bytes of a stream so far. SIP_NOT,
 * SIP_PARTIAL (a stream may still become SIP; up to 4 KiB), or NONE. `known` = the flow has carried
 * SIP before or the port is 5060/5061: then also what has the shape of SIP only (a request line
 * with a sip:, sips: or tel: URI and no version ...). */
enum reason sip_recognise(const uint8_t *at, size_t bytes, bool stream, bool known);

/* Decodes one message. `bytes` is the datagram, or for a stream exactly one framed message;
 * `wire_bytes` > bytes says that the capture cut it. Leading CRLFs of a datagram are skipped (and
 * noted). */
enum reason sip_decode(const uint8_t *at, size_t bytes, size_t wire_bytes,
                       enum sip_transport transport, bool known, struct sip_message *out_message);

/* The same, and where the message has a session description (SIP_FLAG_SDP) it is decoded into
 * out_sdp, which may be NULL; without one out_sdp->media_count is 0. Saves reading it twice. */
struct sdp;
enum reason sip_decode_with_sdp(const uint8_t *at, size_t bytes, size_t wire_bytes,
                                enum sip_transport transport, bool known,
                                struct sip_message *out_message, struct sdp *out_sdp);

/* Framing of a stream (RFC 3261 section 18.3): looks for the end of the headers and the
 * Content-Length. */
struct sip_frame {
    uint32_t
        skip; /* bytes before the start line: CRLFs (keep-alives) or, after lost framing, junk */
    uint32_t keepalives; /* CRLFCRLF pings and CRLF pongs among them */
    uint32_t header_bytes; /* up to and with the empty line; 0 while that has not come */
    uint32_t message_bytes; /* header and body; 0 while header_bytes is */
    bool whole; /* the message ends inside `bytes` */
    bool lost; /* skip holds junk: stream-resync */
    bool length_missing; /* no or no valid Content-Length: it ends with its headers */
};
/* REASON_NONE with out_frame set (whole or not), SIP_PARTIAL (not even a start line yet; skip may
 * be > 0), SIP_NOT (no start line within what is there: skip says how much can be dropped).
 * `known`: as in sip_recognise(). */
enum reason sip_frame_next(const uint8_t *at, size_t bytes, bool known,
                           struct sip_frame *out_frame);

/* Adds a kind (once) and brings the verdict up to its class. For kinds that callers find
 * (stream-resync ...). */
void sip_anomaly(struct sip_message *message, enum anomaly kind);
bool sip_has_anomaly(const struct sip_message *message, enum anomaly kind);

enum sip_method sip_method_of(struct slice token); /* case-sensitive; OTHER for an unknown token */
const char *sip_method_name(enum sip_method method); /* "INVITE"; "other" for OTHER */

#endif
