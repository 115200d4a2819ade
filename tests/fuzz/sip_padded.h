/* sip_padded.h - a message decoded twice: as it is, and with lines before its headers that push them
 * behind what is marked (SIP_MARKED_BYTES). There nothing is read from mark to mark, so this holds
 * the two ways of reading against each other.
 *
 * Owns, Borrows, Time: nothing. Bounds: messages of SIP_PADDED_BYTES_MAX. Errors: true or false.
 * Thread: any. */
#ifndef TESTS_FUZZ_SIP_PADDED_H
#define TESTS_FUZZ_SIP_PADDED_H

#include "decoders/sip.h"

enum { SIP_PADDED_BYTES_MAX = 16384, SIP_PAD_LINES = 3, SIP_PAD_LINE_BYTES = 4000 };

static inline bool sip_padded_part(const struct sip_message *one, struct part part,
                                   const struct sip_message *other, struct part moved)
{
    uint32_t shift = other->header_bytes - one->header_bytes;
    const char *end = memchr(one->raw, '\n', one->raw_bytes);
    bool first = end != NULL && part.at <= (uint32_t)(end - one->raw);

    return part.bytes == moved.bytes &&
           (part.at == 0 ? 0 : part.at + (first ? 0 : shift)) == moved.at;
}

static inline bool sip_padded_uri(const struct sip_message *one, const struct sip_uri *uri,
                                  const struct sip_message *other, const struct sip_uri *moved)
{
    return sip_padded_part(one, uri->whole, other, moved->whole) &&
           sip_padded_part(one, uri->user, other, moved->user) &&
           sip_padded_part(one, uri->host, other, moved->host) && uri->port == moved->port &&
           uri->scheme == moved->scheme && uri->user_is_phone == moved->user_is_phone;
}

static inline bool sip_padded_equal(const struct sip_message *one, const struct sip_message *other)
{
#define SAME(member) sip_padded_part(one, one->member, other, other->member)
    return one->flags == other->flags && one->status == other->status && one->vias == other->vias &&
           one->method == other->method && one->cseq_method == other->cseq_method &&
           one->verdict == other->verdict && one->anomaly_count == other->anomaly_count &&
           memcmp(one->anomalies, other->anomalies, one->anomaly_count) == 0 &&
           one->has_cseq == other->has_cseq && one->cseq == other->cseq &&
           one->expires == other->expires && one->contact_expires == other->contact_expires &&
           one->max_forwards == other->max_forwards && one->body_bytes == other->body_bytes &&
           SAME(method_text) && SAME(version) && SAME(reason) &&
           sip_padded_uri(one, &one->uri, other, &other->uri) &&
           sip_padded_uri(one, &one->from, other, &other->from) &&
           sip_padded_uri(one, &one->to, other, &other->to) &&
           sip_padded_uri(one, &one->contact, other, &other->contact) && SAME(from_display) &&
           SAME(to_display) && SAME(from_tag) && SAME(to_tag) && SAME(call_id) && SAME(branch) &&
           SAME(sent_by) && SAME(via_transport) && SAME(via_received) && SAME(user_agent) &&
           SAME(content_type) && SAME(auth_username) && SAME(auth_realm) && SAME(auth_nonce) &&
           SAME(auth_response) && SAME(auth_uri) && SAME(auth_cnonce) && SAME(auth_nc) &&
           SAME(auth_algorithm) && SAME(session_id) && SAME(reason_header) && SAME(replaces) &&
           SAME(refer_to) && SAME(diversion);
#undef SAME
}

/* Where the headers begin, if the first line ends with CRLF and a line may be put behind it; else
 * 0. */
static inline size_t sip_padded_start(const uint8_t *at, size_t bytes)
{
    size_t end = 0;

    while (end < bytes && at[end] != '\r' && at[end] != '\n') {
        end++;
    }
    bool fits = end > 0 && bytes - end > 2 && memcmp(at + end, "\r\n", 2) == 0 &&
                at[end + 2] != ' ' && at[end + 2] != '\t';
    return fits ? end + 2 : 0;
}

/* False where the two ways differ; true too where there are no two ways. */
static inline bool sip_padded_same(const uint8_t *at, size_t bytes, enum sip_transport transport,
                                   bool known)
{
    static uint8_t padded[SIP_PADDED_BYTES_MAX + SIP_PAD_LINES * SIP_PAD_LINE_BYTES];
    struct sip_message one;
    struct sip_message other;
    size_t start = bytes > SIP_PADDED_BYTES_MAX ? 0 : sip_padded_start(at, bytes);

    if (start == 0 || sip_decode(at, bytes, bytes, transport, known, &one) != REASON_NONE ||
        sip_has_anomaly(&one, ANOMALY_MESSAGE_CAPPED)) {
        return true;
    }
    size_t used = start;
    memcpy(padded, at, start);
    for (unsigned i = 0; i < SIP_PAD_LINES; i++) {
        memset(padded + used, 'x', SIP_PAD_LINE_BYTES);
        memcpy(padded + used, "X-Pad: ", 7);
        memcpy(padded + used + SIP_PAD_LINE_BYTES - 2, "\r\n", 2);
        used += SIP_PAD_LINE_BYTES;
    }
    memcpy(padded + used, at + start, bytes - start);
    used += bytes - start;
    if (sip_decode(padded, used, used, transport, known, &other) != REASON_NONE) {
        return false;
    }
    /* Three lines more can be too many. */
    return sip_has_anomaly(&other, ANOMALY_MESSAGE_CAPPED) || sip_padded_equal(&one, &other);
}

#endif
