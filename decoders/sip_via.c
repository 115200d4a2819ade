/* sip_via.c - the way a message came (RFC 3261 section 20.42): how many hops, and what the topmost
 * one says.
 *
 *   SIP / 2.0 / UDP  192.0.2.1:5060 ;branch=z9hG4bK77 ;received=198.51.100.7 ;rport=1024 ,
 * SIP/2.0/TCP ... protocol, transport, sent-by, parameters: white space and folds may stand between
 * any two of them
 *
 * The topmost Via names the transaction, so what cannot be read in it makes the message invalid;
 * below it oddities are told and the value still counts as a hop. */
#include "decoders/sip_inside.h"

/* The transport of "name / version / transport"; NULL where that is not what stands there. */
static const char *scan_protocol(const char *at, const char *to, const char **out_transport)
{
    if (to - at > 8 && memcmp(at, "SIP/2.0/", 8) == 0 && !sip_is(at[8], SIP_SPACE)) {
        at += 8;
    } else {
        for (unsigned slashes = 0; slashes < 2; slashes++) {
            const char *word = at;
            while (at < to && sip_is(*at, SIP_TOKEN)) {
                at++;
            }
            const char *slash = sip_skip_space(at, to);
            if (at == word || slash == to || *slash != '/') {
                return NULL;
            }
            at = sip_skip_space(slash + 1, to);
        }
    }
    *out_transport = at;
    while (at < to && sip_is(*at, SIP_TOKEN)) {
        at++;
    }
    return at == *out_transport ? NULL : at;
}

/* host [: port]; NULL where there is none. White space may stand around the colon. */
static const char *scan_sent_by(const char *at, const char *to, const char **out_host_end)
{
    const char *host = at;

    if (at < to && *at == '[') {
        const char *close = memchr(at, ']', (size_t)(to - at));
        struct addr addr;
        if (close == NULL || !addr_parse(slice_of(at, (size_t)(close + 1 - at)), &addr)) {
            return NULL;
        }
        at = close + 1;
    } else {
        while (at < to && sip_is(*at, SIP_HOST)) {
            at++;
        }
    }
    *out_host_end = at;
    if (at == host) {
        return NULL;
    }
    const char *colon = sip_skip_space(at, to);
    if (colon == to || *colon != ':') {
        return at;
    }
    at = sip_skip_space(colon + 1, to);
    const char *digits = at;
    uint32_t port = 0;
    while (at < to && sip_is(*at, SIP_DIGIT)) {
        port = port > UINT16_MAX ? port : port * 10 + (uint32_t)(*at - '0');
        at++;
    }
    return at == digits || port > UINT16_MAX ? NULL : at;
}

/* Broadcast, multicast or no address at all as the place for answers (RFC 4475 section 3.3.10):
 * from 224 on, 0 or IPv6. */
static bool is_broadcast(const char *from, const char *to)
{
    struct addr addr;

    if (*from != '0' && *from != '[' &&
        (*from != '2' || to - from < 7 || from[1] < '2' || from[1] > '5')) {
        return false;
    }
    return addr_parse(slice_of(from, (size_t)(to - from)), &addr) &&
           (addr_is_broadcast(&addr) || addr_is_multicast(&addr) || addr_is_unspecified(&addr));
}

static ALWAYS_INLINE bool transport_fits(struct slice name, enum sip_transport transport)
{
    switch (transport) {
    case SIP_UDP:
        return SIP_SAME(name.at, name.bytes, "udp");
    case SIP_TCP: /* TLS: a mirror behind the far end of the encryption shows it as TCP */
        return SIP_SAME(name.at, name.bytes, "tcp") || SIP_SAME(name.at, name.bytes, "tls");
    case SIP_WEBSOCKET:
    default:
        return SIP_SAME(name.at, name.bytes, "ws") || SIP_SAME(name.at, name.bytes, "wss");
    }
}

/* One value taken apart. */
struct via {
    const char *transport;
    const char *transport_end;
    const char *host;
    const char *host_end;
    const char *end; /* of host and port; NULL = there is no protocol or no host */
    struct slice branch;
    struct slice received;
    bool has_branch;
    bool has_received;
    bool has_rport; /* with a value */
    bool odd;
};

static void take_parameter(struct sip_message *message, struct slice name, struct slice value,
                           struct via *via)
{
    uint64_t ttl;

    switch (name.bytes) {
    case 3:
        if (SIP_SAME(name.at, 3, "ttl") && (!sip_number(value, &ttl) || ttl > 255)) {
            sip_anomaly(message, ANOMALY_SCALAR_RANGE);
        }
        break;
    case 5:
        via->has_rport = via->has_rport || (SIP_SAME(name.at, 5, "rport") && value.bytes > 0);
        break;
    case 6:
        if (SIP_SAME(name.at, 6, "branch") && !via->has_branch) {
            via->has_branch = true;
            via->branch = value;
        }
        break;
    case 8:
        if (SIP_SAME(name.at, 8, "received")) {
            via->has_received = true;
            via->received = value;
            if (value.bytes > 0 && *value.at == '[') {
                sip_anomaly(message, ANOMALY_VIA_RECEIVED_BRACKETS);
            }
        }
        break;
    default:
        break;
    }
}

static void judge_branch(struct sip_message *message, const struct via *via)
{
    static const size_t cookie_bytes = sizeof "z9hG4bK" - 1;
    struct slice branch = via->branch;

    if (!via->has_branch) {
        if ((message->flags & SIP_FLAG_CUT) == 0) {
            sip_anomaly(message, ANOMALY_MISSING_BRANCH);
        }
        return;
    }
    message->branch = sip_part_of(message->raw, branch.at, branch.at + branch.bytes);
    bool cookie = branch.bytes >= cookie_bytes &&
                  SIP_SAME(branch.at, cookie_bytes, "z9hg4bk"); /* tokens have no case */
    if (branch.bytes == 0 || (cookie && branch.bytes == cookie_bytes)) {
        sip_anomaly(message, ANOMALY_BRANCH_EMPTY);
    } else if (cookie) {
        message->flags |= SIP_FLAG_COOKIE;
    } else {
        sip_anomaly(message, ANOMALY_BRANCH_NO_COOKIE);
    }
}

/* One value, whatever it holds; returns where its comma or the end stands. */
static __attribute__((noinline)) const char *scan_value(struct sip_message *message, const char *at,
                                                        const char *to, struct via *via)
{
    const char *transport_end = scan_protocol(at, to, &via->transport);
    const char *host = transport_end == NULL ? at : sip_skip_space(transport_end, to);
    unsigned notes = 0;

    via->transport_end = transport_end;
    via->host = host;
    via->end = transport_end == NULL || host == transport_end
                   ? NULL
                   : scan_sent_by(host, to, &via->host_end);
    const char *rest = via->end;
    if (rest == NULL) {
        via->odd = true;
        for (rest = host; rest < to && *rest != ';' && *rest != ','; rest++) {
        }
    } else if (is_broadcast(host, via->host_end)) {
        sip_anomaly(message, ANOMALY_VIA_BROADCAST);
    }
    rest = sip_skip_space(rest, to);
    if (rest < to && *rest != ';' && *rest != ',') {
        via->odd = true;
        while (rest < to && *rest != ';' && *rest != ',') {
            rest++;
        }
    }
    while (rest < to && *rest == ';') {
        struct sip_parameter parameter;
        rest = sip_parameter_scan(rest, to, &parameter, &notes);
        take_parameter(message, slice_of(parameter.name, parameter.name_bytes),
                       slice_of(parameter.value, parameter.value_bytes), via);
    }
    via->odd = via->odd || notes != 0;
    return rest;
}

/* What the topmost value says. */
static void take_topmost(struct sip_work *work, const struct via *via)
{
    struct sip_message *message = work->message;
    const char *raw = message->raw;

    if (via->end != NULL) {
        struct slice name = slice_of(via->transport, (size_t)(via->transport_end - via->transport));
        message->via_transport = sip_part_of(raw, via->transport, via->transport_end);
        message->sent_by = sip_part_of(raw, via->host, via->end);
        if (!transport_fits(name, (enum sip_transport)message->transport)) {
            sip_anomaly(message, ANOMALY_VIA_TRANSPORT_MISMATCH);
        }
    }
    if (via->has_received) {
        message->via_received =
            sip_part_of(raw, via->received.at, via->received.at + via->received.bytes);
    }
    judge_branch(message, via);
    work->via_stamped = via->has_received || via->has_rport;
}

static bool may_be_broadcast(const char *host)
{
    return *host == '0' || (*host == '2' && host[1] >= '2' && host[1] <= '5');
}

/* The parameters from `at` to `to`: those that are needed. False where one could be odd. */
static ALWAYS_INLINE bool plain_parameters(const struct sip_marks *marks, uint32_t at, uint32_t to,
                                           struct part *out_branch, struct part *out_received,
                                           bool *out_stamped)
{
    const char *text = marks->text;

    while (at < to) {
        struct sip_plain_parameter parameter;
        if (!sip_plain_parameter(marks, &at, to, &parameter)) {
            return false;
        }
        const char *name = text + parameter.name.at;
        struct part value = parameter.value;
        if (parameter.name.bytes == 6 && SIP_SAME(name, 6, "branch")) {
            if (out_branch->at == 0) {
                *out_branch = value;
            }
        } else if (parameter.name.bytes == 5 && SIP_SAME(name, 5, "rport")) {
            *out_stamped = *out_stamped || value.bytes > 0;
        } else if (parameter.name.bytes == 8 && SIP_SAME(name, 8, "received")) {
            if (value.bytes == 0 || text[value.at] == '[') {
                return false;
            }
            *out_received = value;
            *out_stamped = true;
        } else if (parameter.name.bytes == 3) {
            return false; /* a ttl has a range */
        }
    }
    return true;
}

/* The usual form, one value that fills the line: SIP/2.0/UDP host[:port];branch=z9hG4bK..., from
 * mark to mark. False: to be scanned, and nothing is written. */
static bool via_plain(struct sip_work *work, uint32_t at, uint32_t to, bool topmost)
{
    const struct sip_marks *marks = work->marks;
    struct sip_message *message = work->message;
    const char *text = marks->text;
    struct part branch = {.at = 0};
    struct part received = {.at = 0};
    bool stamped = false;

    if (to >= marks->bytes || to - at < 14 || memcmp(text + at, "SIP/2.0/", 8) != 0) {
        return false;
    }
    uint32_t transport = at + 8;
    uint32_t space = sip_mark_next(marks, transport);
    uint32_t host = space + 1;
    if (space == transport || space >= to || text[space] != ' ' || may_be_broadcast(text + host)) {
        return false;
    }
    uint32_t end = sip_mark_next(marks, host);
    if (end == host) {
        return false;
    }
    if (text[end] == ':') {
        uint16_t port;
        end = sip_plain_port(marks, end, &port);
        if (end == 0) {
            return false;
        }
    }
    if (!plain_parameters(marks, end, to, &branch, &received, &stamped)) {
        return false;
    }
    if (topmost) {
        struct slice name = slice_of(text + transport, space - transport);
        if (branch.bytes < 8 || !SIP_SAME(text + branch.at, 7, "z9hg4bk") ||
            !transport_fits(name, (enum sip_transport)message->transport)) {
            return false;
        }
        message->via_transport = (struct part){.at = transport, .bytes = space - transport};
        message->sent_by = (struct part){.at = host, .bytes = end - host};
        message->branch = branch;
        message->via_received = received;
        message->flags |= SIP_FLAG_COOKIE;
        work->via_stamped = stamped;
    }
    message->vias = message->vias < UINT16_MAX ? message->vias + 1 : message->vias;
    return true;
}

static __attribute__((noinline)) void via_judge(struct sip_work *work, struct slice value,
                                                bool topmost)
{
    struct sip_message *message = work->message;
    const char *at = value.at;
    const char *to = value.at + value.bytes;

    do {
        struct via via = {.odd = false};
        at = scan_value(message, sip_skip_space(at, to), to, &via);
        message->vias = message->vias < UINT16_MAX ? message->vias + 1 : message->vias;
        if (topmost) {
            take_topmost(work, &via);
        }
        if (via.odd && topmost) {
            sip_anomaly(message, ANOMALY_VIA_MALFORMED);
            work->via_odd = true;
        } else if (via.odd && !work->via_odd) {
            sip_anomaly(message, ANOMALY_HEADER_VALUE_MALFORMED);
        }
        topmost = false;
    } while (at++ < to);
}

void sip_via_check(struct sip_work *work, struct slice value, bool topmost)
{
    uint32_t at = (uint32_t)(value.at - work->raw);

    if (!via_plain(work, at, at + (uint32_t)value.bytes, topmost)) {
        via_judge(work, value, topmost);
    }
}
