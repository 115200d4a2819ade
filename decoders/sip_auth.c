/* sip_auth.c - credentials, challenges and signed identities, as far as they are odd or needed
 * later (RFC 3261 section 20.7, 20.44; RFC 8760; RFC 3310; RFC 8224).
 *
 *   Digest username="alice", realm="example.com", nonce="84f1", response="7587", qop=auth, nc=01
 *
 * Values come quoted or bare whatever the grammar says, so quotes are taken off where they stand.
 * Empty nonce and response are how an IMS telephone names itself before it is challenged: present,
 * and no attempt. Nothing is computed or kept here: the parts point into the message. */
#include "decoders/sip_inside.h"

/* name = value, cut at commas outside quotes. Returns behind the comma, or `to`. */
static const char *scan_pair(const char *at, const char *to, struct sip_parameter *out_pair)
{
    at = sip_skip_space(at, to);
    out_pair->name = at;
    while (at < to && sip_is(*at, SIP_TOKEN)) {
        at++;
    }
    out_pair->name_bytes = (uint32_t)(at - out_pair->name);
    at = sip_skip_space(at, to);
    out_pair->has_value = at < to && *at == '=';
    out_pair->quoted = false;
    out_pair->value = at;
    out_pair->value_bytes = 0;
    if (out_pair->has_value) {
        at = sip_skip_space(at + 1, to);
        out_pair->value = at;
        if (at < to && *at == '"') {
            const char *close = sip_skip_quoted(at + 1, to);
            out_pair->quoted = true;
            out_pair->value = at + 1;
            at = close == NULL ? to : close;
            out_pair->value_bytes = (uint32_t)(at - out_pair->value) - (close == NULL ? 0 : 1);
        } else {
            while (at < to && *at != ',') {
                at++;
            }
            out_pair->value_bytes = (uint32_t)(sip_trim_end(out_pair->value, at) - out_pair->value);
        }
    }
    while (at < to && *at != ',') {
        at++;
    }
    return at < to ? at + 1 : to;
}

/* The scheme and where its parameters begin. */
static const char *scan_scheme(struct slice value, struct slice *out_scheme)
{
    const char *to = value.at + value.bytes;
    const char *from = sip_skip_space(value.at, to);
    const char *at = from;

    while (at < to && sip_is(*at, SIP_TOKEN)) {
        at++;
    }
    *out_scheme = slice_of(from, (size_t)(at - from));
    return at;
}

bool sip_auth_parameter(struct slice value, struct slice name, struct slice *out_value)
{
    struct slice scheme;
    const char *to = value.at + value.bytes;
    const char *at = value.bytes == 0 ? to : scan_scheme(value, &scheme);

    while (at < to) {
        struct sip_parameter pair;
        at = scan_pair(at, to, &pair);
        if (pair.has_value && slice_equal_nocase(slice_of(pair.name, pair.name_bytes), name)) {
            *out_value = slice_of(pair.value, pair.value_bytes);
            return true;
        }
    }
    return false;
}

enum digest {
    DIGEST_USERNAME,
    DIGEST_REALM,
    DIGEST_NONCE,
    DIGEST_RESPONSE,
    DIGEST_URI,
    DIGEST_CNONCE,
    DIGEST_NC,
    DIGEST_ALGORITHM,
    DIGEST_QOP,
    DIGEST_STALE,
    DIGEST_AUTS,
    DIGEST_COUNT
};

/* DIGEST_COUNT where nobody needs it. */
static enum digest digest_of(const char *name, size_t bytes)
{
    switch (bytes) {
    case 2:
        return SIP_SAME(name, 2, "nc") ? DIGEST_NC : DIGEST_COUNT;
    case 3:
        return SIP_SAME(name, 3, "uri")   ? DIGEST_URI
               : SIP_SAME(name, 3, "qop") ? DIGEST_QOP
                                          : DIGEST_COUNT;
    case 4:
        return SIP_SAME(name, 4, "auts") ? DIGEST_AUTS : DIGEST_COUNT;
    case 5:
        return SIP_SAME(name, 5, "realm")   ? DIGEST_REALM
               : SIP_SAME(name, 5, "nonce") ? DIGEST_NONCE
               : SIP_SAME(name, 5, "stale") ? DIGEST_STALE
                                            : DIGEST_COUNT;
    case 6:
        return SIP_SAME(name, 6, "cnonce") ? DIGEST_CNONCE : DIGEST_COUNT;
    case 8:
        return SIP_SAME(name, 8, "username")   ? DIGEST_USERNAME
               : SIP_SAME(name, 8, "response") ? DIGEST_RESPONSE
                                               : DIGEST_COUNT;
    case 9:
        return SIP_SAME(name, 9, "algorithm") ? DIGEST_ALGORITHM : DIGEST_COUNT;
    default:
        return DIGEST_COUNT;
    }
}

/* name=value, or name="value" without a backslash, from mark to mark. *at is moved behind its comma,
 * or to `to`. False: to be scanned, and nothing is moved. */
static bool plain_pair(const struct sip_marks *marks, uint32_t *at, uint32_t to,
                       struct sip_plain_parameter *out_pair)
{
    const char *text = marks->text;
    uint32_t name = *at;

    if (to >= marks->bytes) {
        return false;
    }
    name += text[name] == ' ' ? 1 : 0;
    uint32_t end = sip_mark_next(marks, name);
    if (end >= to || text[end] != '=') {
        return false;
    }
    out_pair->name = (struct part){.at = name, .bytes = end - name};
    uint32_t value = end + 1;
    end = sip_mark_next(marks, value);
    if (end == value && end < to && text[end] == '"') {
        value++;
        do {
            end = sip_mark_next(marks, end + 1);
        } while (end < to && text[end] != '"' && text[end] != '\\');
        out_pair->value = (struct part){.at = value, .bytes = end - value};
        if (end >= to || text[end] != '"') {
            return false;
        }
        end++;
    } else {
        while (end < to && text[end] != ',' && !sip_is(text[end], SIP_SPACE)) {
            end = sip_mark_next(marks, end + 1);
        }
        out_pair->value = (struct part){.at = value, .bytes = end - value};
    }
    if (end < to && text[end] != ',') {
        return false;
    }
    *at = end < to ? end + 1 : to;
    return true;
}

/* Returns the set of parameters seen; of each the first counts. */
static unsigned scan_digest(const struct sip_marks *marks, uint32_t at, uint32_t to,
                            struct part values[DIGEST_COUNT])
{
    const char *base = marks->text;
    unsigned seen = 0;

    while (at < to) {
        struct sip_plain_parameter plain;
        bool has_value = true;
        if (!plain_pair(marks, &at, to, &plain)) {
            struct sip_parameter pair;
            at = (uint32_t)(scan_pair(base + at, base + to, &pair) - base);
            plain.name = sip_part_of(base, pair.name, pair.name + pair.name_bytes);
            plain.value = sip_part_of(base, pair.value, pair.value + pair.value_bytes);
            has_value = pair.has_value;
        }
        enum digest digest = digest_of(base + plain.name.at, plain.name.bytes);
        if (digest != DIGEST_COUNT && has_value && (seen & 1U << digest) == 0) {
            seen |= 1U << digest;
            values[digest] = plain.value;
        }
    }
    return seen;
}

static void take_credentials(struct sip_message *message, const struct part *values, unsigned seen)
{
    static const unsigned needed =
        1U << DIGEST_USERNAME | 1U << DIGEST_NONCE | 1U << DIGEST_URI | 1U << DIGEST_RESPONSE;

    if ((seen & needed) != needed ||
        ((seen & 1U << DIGEST_NC) != 0 && (seen & 1U << DIGEST_QOP) == 0)) {
        sip_anomaly(message, ANOMALY_AUTH_MALFORMED);
    }
    if (values[DIGEST_RESPONSE].bytes > 0) {
        message->flags |= SIP_FLAG_CREDENTIALS;
    }
    if (values[DIGEST_AUTS].bytes > 0) {
        message->flags |= SIP_FLAG_AUTS;
    }
    if (message->auth_nonce.at != 0 && message->auth_nonce.at < values[DIGEST_NONCE].at) {
        return; /* the first credentials of the message stay, of whichever header they are */
    }
    message->auth_username = values[DIGEST_USERNAME];
    message->auth_realm = values[DIGEST_REALM];
    message->auth_nonce = values[DIGEST_NONCE];
    message->auth_response = values[DIGEST_RESPONSE];
    message->auth_uri = values[DIGEST_URI];
    message->auth_cnonce = values[DIGEST_CNONCE];
    message->auth_nc = values[DIGEST_NC];
    message->auth_algorithm = values[DIGEST_ALGORITHM];
}

static void take_challenge(struct sip_message *message, const struct part *values, unsigned seen)
{
    static const unsigned needed = 1U << DIGEST_REALM | 1U << DIGEST_NONCE;
    struct slice stale = sip_part(message, values[DIGEST_STALE]);

    if ((seen & needed) != needed) {
        sip_anomaly(message, ANOMALY_AUTH_MALFORMED);
    }
    if (SIP_SAME(stale.at, stale.bytes, "true")) {
        message->flags |= SIP_FLAG_STALE;
    }
    if (message->auth_nonce.at == 0) {
        message->auth_realm = values[DIGEST_REALM];
        message->auth_nonce = values[DIGEST_NONCE];
        message->auth_algorithm = values[DIGEST_ALGORITHM];
    }
}

static bool is_known_scheme(struct slice scheme)
{
    return SIP_SAME(scheme.at, scheme.bytes, "basic") ||
           SIP_SAME(scheme.at, scheme.bytes, "bearer");
}

/* An Identity of RFC 8224 is header.payload.signature;info=<...> or ..signature; one of RFC 4474 is
 * one signature in base64 and still seen. */
static void identity_check(struct sip_message *message, struct slice value)
{
    const char *to = value.at + value.bytes;
    const char *end = value.at;
    unsigned dots = 0;
    bool quoted = value.bytes > 0 && *value.at == '"';
    bool odd = value.bytes == 0;

    for (end += quoted; end < to && *end != ';' && *end != ','; end++) {
        dots += *end == '.';
        bool fits = sip_is(*end, SIP_BASE64URL | SIP_SPACE) || *end == '.' || *end == '+' ||
                    *end == '/' || (quoted && *end == '"');
        odd = odd || !fits;
    }
    bool full = dots == 2 && *value.at != '.';
    if (full) {
        struct slice info;
        odd = odd ||
              !sip_parameter(slice_of(value.at, (size_t)(to - value.at)), SLICE("info"), &info);
    }
    if (odd || (dots != 2 && dots != 0)) {
        sip_anomaly(message, ANOMALY_IDENTITY_MALFORMED);
    }
}

void sip_auth_check(struct sip_work *work, enum sip_header header, struct slice value)
{
    struct sip_message *message = work->message;
    struct slice scheme;

    if (header == SIP_HEADER_IDENTITY) {
        identity_check(message, value);
        return;
    }
    bool challenge =
        header == SIP_HEADER_WWW_AUTHENTICATE || header == SIP_HEADER_PROXY_AUTHENTICATE;
    const char *at = scan_scheme(value, &scheme);
    if (challenge) {
        message->flags |= SIP_FLAG_CHALLENGE;
    }
    if (!SIP_SAME(scheme.at, scheme.bytes, "digest")) {
        if (!is_known_scheme(scheme)) {
            sip_anomaly(message, ANOMALY_AUTH_SCHEME_UNKNOWN);
        } else if (!challenge && value.bytes > scheme.bytes) {
            message->flags |= SIP_FLAG_CREDENTIALS;
        }
        return;
    }
    struct part values[DIGEST_COUNT] = {{0}};
    unsigned seen = scan_digest(work->marks, (uint32_t)(at - work->raw),
                                (uint32_t)(value.at + value.bytes - work->raw), values);
    if (challenge) {
        take_challenge(message, values, seen);
    } else {
        take_credentials(message, values, seen);
    }
}
