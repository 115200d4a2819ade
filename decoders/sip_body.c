/* sip_body.c - where the message ends, and what its body is (RFC 3261 section 7.4, 18.3, 20.14).
 *
 * A datagram ends where it ends: Content-Length may say less (the rest is not ours, but is searched
 * for a start line, because two servers may not agree about it) or more (then bytes are missing,
 * and that is an error of the sender unless the capture cut the packet). Over a stream the framing
 * has decided already. */
#include "decoders/sip_inside.h"

void sip_length_check(struct sip_work *work, struct slice value)
{
    uint64_t length = 0;
    bool fits = sip_number(value, &length) && length <= UINT32_MAX;

    if (!fits) {
        work->bad_length = true;
    } else if (!work->has_length) {
        work->has_length = true;
        work->length = length;
    } else if (length != work->length) {
        work->lengths_differ = true;
    } else {
        sip_anomaly(work->message, ANOMALY_DUP_SINGLETON);
    }
}

/* A start line at the beginning of a line in what follows the message. */
static bool holds_start_line(const char *at, const char *to)
{
    while (at < to) {
        const char *end = memchr(at, '\n', (size_t)(to - at));
        end = end == NULL ? to : end;
        if (sip_start_fits(at, end, false)) {
            return true;
        }
        at = end + 1;
    }
    return false;
}

static void extent_check(struct sip_work *work)
{
    struct sip_message *message = work->message;
    uint32_t rest = work->bytes - message->header_bytes;
    bool stream = message->transport == SIP_TCP;

    message->body_at = message->header_bytes;
    message->body_bytes = rest;
    if (work->has_length && work->length < rest) {
        const char *end = work->raw + message->body_at + work->length;
        message->body_bytes = (uint32_t)work->length;
        sip_anomaly(message, ANOMALY_TRAILING_OCTETS);
        if (holds_start_line(end, work->raw + work->bytes)) {
            message->flags |= SIP_FLAG_TRAILING_SIP;
        }
    }
    message->raw_bytes = message->body_at + message->body_bytes;
    if (stream && work->has_length && work->length > rest &&
        message->body_at + work->length > SIP_MESSAGE_BYTES_MAX && !work->cut) {
        work->cut = true; /* by the framing, behind the headers: it never holds more */
        message->flags |= SIP_FLAG_CUT;
        sip_anomaly(message, ANOMALY_MESSAGE_CAPPED);
    }
    if (work->cut) {
        return;
    }
    if (work->bad_length) {
        sip_anomaly(message, ANOMALY_CLEN_INVALID);
    }
    if (work->lengths_differ) {
        sip_anomaly(message, ANOMALY_CLEN_CONFLICT);
    }
    if (work->has_length && work->length > rest) {
        sip_anomaly(message, ANOMALY_CLEN_SHORT_BODY);
    }
    if (stream && !work->has_length && !work->bad_length) {
        sip_anomaly(message, ANOMALY_CLEN_MISSING_STREAM);
    }
}

/* Line ends alone are no body. */
static bool has_content(struct slice body)
{
    for (size_t i = 0; i < body.bytes; i++) {
        if (body.at[i] != '\r' && body.at[i] != '\n') {
            return true;
        }
    }
    return false;
}

/* A body that is packed, or that comes with a method that nobody knows, says nothing about media
 * (RFC 3264). */
static bool is_offer_or_answer(const struct sip_work *work)
{
    struct slice encoding = sip_first(work, SIP_HEADER_CONTENT_ENCODING);
    bool plain = !sip_has(work, SIP_HEADER_CONTENT_ENCODING) ||
                 SIP_SAME(encoding.at, encoding.bytes, "identity");

    return plain && (sip_is_response(work->message) || work->message->method != SIP_METHOD_OTHER);
}

void sip_body_check(struct sip_work *work, bool whole, struct sdp *out_sdp)
{
    struct sip_message *message = work->message;

    if ((work->seen & ~work->done & SIP_BIT(CONTENT_LENGTH)) != 0) {
        sip_length_check(work, sip_first(work, SIP_HEADER_CONTENT_LENGTH));
    }
    extent_check(work);
    struct slice body = slice_of(work->raw + message->body_at, message->body_bytes);
    if (body.bytes == 0 || (work->cut && !whole)) {
        return;
    }
    if ((work->seen & SIP_BIT(CONTENT_TYPE)) == 0) {
        if (has_content(body)) {
            sip_anomaly(message, ANOMALY_BODY_NO_TYPE);
        }
        return;
    }
    bool multipart_malformed = false;
    struct slice sdp =
        sdp_in_body(sip_part(message, message->content_type), body, &multipart_malformed);
    if (multipart_malformed && !work->cut) {
        sip_anomaly(message, ANOMALY_MULTIPART_MALFORMED);
    }
    if (sdp.at == NULL || !is_offer_or_answer(work)) {
        return;
    }
    message->flags |= SIP_FLAG_SDP;
    if (sdp_check(sdp, work->cut, out_sdp)) {
        sip_anomaly(message, ANOMALY_SDP_MALFORMED);
    }
}
