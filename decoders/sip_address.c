/* sip_address.c - URIs, name-addr and parameters, each in one walk (RFC 3261
 * section 19.1, 20.10, 25.1; RFC 3966).
 *
 *   "Alice \"A\"" <sip:+1-555;ext=1:secret@[2001:db8::1]:5060;user=phone?Subject=x> ;tag=88
 *    display           user        password  host       port  parameters  headers   of the header
 *
 * The user ends at the last @ before the host: it may hold ; ? / : & = + $ and , unescaped, so the
 * URI is not cut at its first semicolon. Without angle brackets a semicolon begins the parameters
 * of the header, not of the URI (section 20), and a comma or question mark has no right to stand
 * there at all. White space is told and skipped. What breaks the grammar is told once, and whatever
 * can be found in the rest is found: a sensor that drops an odd address does not see the fraud that
 * came with it. */
#include "decoders/sip_inside.h"

static void find(struct sip_findings *findings, enum anomaly kind)
{
    for (unsigned i = 0; i < findings->count; i++) {
        if (findings->kinds[i] == kind) {
            return;
        }
    }
    if (findings->count < sizeof findings->kinds) {
        findings->kinds[findings->count++] = (uint8_t)kind;
    }
}

static int hex_digit(char byte)
{
    if (sip_is(byte, SIP_DIGIT)) {
        return byte - '0';
    }
    return sip_is(byte, SIP_HEX) ? (byte | 0x20) - 'a' + 10 : -1;
}

/* %XX at `at`, or -1. */
static int escape_at(const char *at, const char *to)
{
    if (to - at < 3) {
        return -1;
    }
    int high = hex_digit(at[1]);
    int low = hex_digit(at[2]);
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

static __attribute__((noinline)) void check_escapes(const char *from, const char *to,
                                                    struct sip_findings *findings)
{
    for (const char *at = from; at < to; at++) {
        if (*at != '%') {
            continue;
        }
        int byte = escape_at(at, to);
        if (byte < 0) {
            find(findings, ANOMALY_URI_ESCAPE_MALFORMED);
        } else if (byte == 0) {
            find(findings, ANOMALY_URI_ESCAPE_NUL);
        } else if (byte == '\r' || byte == '\n') {
            find(findings, ANOMALY_URI_ESCAPE_CRLF);
        }
    }
}

/* --- host and port --- */
/* A host with more than one colon and without brackets: an IPv6 address, or nothing. */
static __attribute__((noinline)) bool is_bare_ip6(const char *from, const char *to)
{
    unsigned colons = 0;

    for (const char *at = from; at < to; at++) {
        colons += *at == ':';
        if (*at != ':' && *at != '.' && !sip_is(*at, SIP_HEX)) {
            return false;
        }
    }
    return colons >= 2;
}

/* Reads host and port from `at`; returns where they end. */
static const char *scan_host(const char *base, const char *at, const char *to, struct sip_uri *uri,
                             struct sip_findings *findings)
{
    const char *host = at;

    if (at < to && *at == '[') {
        const char *close = memchr(at, ']', (size_t)(to - at));
        struct addr addr;
        if (close == NULL || !addr_parse(slice_of(at, (size_t)(close + 1 - at)), &addr)) {
            find(findings, ANOMALY_URI_IPV6_MALFORMED);
        }
        at = close == NULL ? to : close + 1;
    } else {
        while (at < to && sip_is(*at, SIP_HOST)) {
            at++;
        }
    }
    uri->host = sip_part_of(base, host, at);
    if (at == host) {
        find(findings, ANOMALY_URI_MALFORMED);
        return at;
    }
    if (at == to || *at != ':') {
        return at;
    }
    const char *digits = at + 1;
    const char *end = digits;
    uint32_t port = 0;
    while (end < to && sip_is(*end, SIP_DIGIT)) {
        port = port > UINT16_MAX ? port : port * 10 + (uint32_t)(*end - '0');
        end++;
    }
    if (end < to && !sip_is(*end, SIP_SPACE) && *end != ';' && *end != '?' && *end != '@') {
        const char *close = end;
        while (close < to && !sip_is(*close, SIP_SPACE) && *close != ';' && *close != '?') {
            close++;
        }
        if (is_bare_ip6(host, close)) {
            find(findings, ANOMALY_URI_IPV6_UNBRACKETED);
            uri->host = sip_part_of(base, host, close);
            return close;
        }
    }
    if (end == digits || port > UINT16_MAX) {
        find(findings, ANOMALY_URI_MALFORMED);
    } else {
        uri->port = (uint16_t)port;
    }
    return end;
}

/* --- URI --- */
static void scan_user(const char *base, const char *from, const char *to, unsigned classes,
                      struct sip_uri *uri, struct sip_findings *findings)
{
    const char *end = to;

    if ((classes & SIP_COLON) != 0) {
        end = memchr(from, ':', (size_t)(to - from)); /* a password: nobody keeps it */
        end = end == NULL ? to : end;
    }
    if (end == from) {
        find(findings, ANOMALY_URI_MALFORMED);
    }
    uri->user = sip_part_of(base, from, end);
}

/* Behind the last @ before the host: parameters and headers may hold some too, but behind a
 * semicolon or question mark. `at` stands behind the first one. */
static __attribute__((noinline)) const char *last_sign(const char *at, const char *to,
                                                       struct sip_findings *findings)
{
    const char *host = at;

    for (; at < to && *at != ';' && *at != '?'; at++) {
        if (*at == '@') {
            find(findings, ANOMALY_URI_MALFORMED);
            host = at + 1;
        }
    }
    return host;
}

bool sip_uri_is_phone(const char *at, const char *to)
{
    for (; to - at >= 11 && (at = memchr(at, ';', (size_t)(to - at))) != NULL; at++) {
        if (to - at >= 11 && SIP_SAME(at + 1, 5, "user=") && SIP_SAME(at + 6, 5, "phone") &&
            (to - at == 11 || !sip_is(at[11], SIP_TOKEN))) {
            return true;
        }
    }
    return false;
}

/* What follows host and port: parameters and headers. Returns their character classes. */
static unsigned scan_rest(const char *at, const char *to, struct sip_uri *uri, unsigned *notes)
{
    const char *from = at;
    unsigned all = 0;

    while (at < to && *at != '?') {
        all |= sip_classes[(uint8_t)*at++];
    }
    uri->user_is_phone = sip_uri_is_phone(from, at);
    *notes |= at < to ? SIP_NOTE_HEADERS : 0;
    while (at < to) {
        all |= sip_classes[(uint8_t)*at++];
    }
    return all;
}

/* [user[:password]@]host[:port][;parameters][?headers] */
static void scan_sip(const char *base, const char *from, const char *to, struct sip_uri *uri,
                     struct sip_findings *findings, unsigned *notes)
{
    unsigned all = 0;
    const char *at = from;
    const char *host = from;

    while (at < to && *at != '@') {
        all |= sip_classes[(uint8_t)*at++];
    }
    if (at < to) {
        host = at + 1;
        if (memchr(host, '@', (size_t)(to - host)) != NULL) {
            host = last_sign(host, to, findings);
            all |= host - 1 > at ? SIP_COLON | SIP_PERCENT : 0;
        }
        scan_user(base, from, host - 1, all, uri, findings);
    }
    all &= SIP_SPACE | SIP_PERCENT;
    at = (all & SIP_SPACE) != 0 ? sip_skip_space(host, to) : host;
    at = scan_host(base, at, to, uri, findings);
    if (at < to) {
        all |= scan_rest(at, to, uri, notes);
        at = (all & SIP_SPACE) != 0 ? sip_skip_space(at, to) : at;
        if (at < to && *at != ';' && *at != '?') {
            find(findings, ANOMALY_URI_MALFORMED);
        }
    }
    if ((all & SIP_SPACE) != 0) {
        *notes |= SIP_NOTE_SPACE;
    }
    if ((all & SIP_PERCENT) != 0) {
        check_escapes(from, to, findings);
    }
}

static void scan_tel(const char *base, const char *from, const char *to, struct sip_uri *uri,
                     struct sip_findings *findings, unsigned *notes)
{
    const char *at = from;

    while (at < to && *at != ';' && *at != '?' && !sip_is(*at, SIP_SPACE)) {
        at++;
    }
    uri->user = sip_part_of(base, from, at);
    uri->user_is_phone = true;
    if (at == from) {
        find(findings, ANOMALY_URI_MALFORMED);
    }
    for (; at < to; at++) {
        *notes |= sip_is(*at, SIP_SPACE) ? SIP_NOTE_SPACE : 0;
        *notes |= *at == '?' ? SIP_NOTE_HEADERS : 0;
    }
    check_escapes(from, to, findings);
}

/* A scheme of somebody else, or none. */
static void scan_other(const char *from, const char *to, struct sip_uri *uri,
                       struct sip_findings *findings, unsigned *notes)
{
    const char *at = from;

    while (at < to && sip_is(*at, SIP_SCHEME)) {
        at++;
    }
    if (at == from || at == to || *at != ':' || sip_is(*from, SIP_DIGIT)) {
        find(findings, ANOMALY_URI_MALFORMED);
    } else {
        uri->scheme = SIP_SCHEME_OTHER;
        find(findings, ANOMALY_URI_SCHEME_UNKNOWN);
    }
    for (; at < to; at++) {
        *notes |= sip_is(*at, SIP_SPACE) ? SIP_NOTE_SPACE : 0;
    }
}

void sip_uri_scan(const char *base, const char *from, const char *to, struct sip_uri *out_uri,
                  struct sip_findings *findings, unsigned *notes)
{
    size_t bytes = (size_t)(to - from);

    *out_uri = (struct sip_uri){.whole = sip_part_of(base, from, to)};
    if (bytes >= 4 && SIP_SAME(from, 4, "sip:")) {
        out_uri->scheme = SIP_SCHEME_SIP;
        scan_sip(base, from + 4, to, out_uri, findings, notes);
    } else if (bytes >= 5 && SIP_SAME(from, 5, "sips:")) {
        out_uri->scheme = SIP_SCHEME_SIPS;
        scan_sip(base, from + 5, to, out_uri, findings, notes);
    } else if (bytes >= 4 && SIP_SAME(from, 4, "tel:")) {
        out_uri->scheme = SIP_SCHEME_TEL;
        scan_tel(base, from + 4, to, out_uri, findings, notes);
    } else {
        scan_other(from, to, out_uri, findings, notes);
    }
}

void sip_uri_decode(const char *base, struct slice text, struct sip_uri *out_uri,
                    struct sip_findings *findings)
{
    const char *from = sip_skip_space(text.at, text.at + text.bytes);
    unsigned notes = 0;

    sip_uri_scan(base, from, sip_trim_end(from, text.at + text.bytes), out_uri, findings, &notes);
    if ((notes & SIP_NOTE_SPACE) != 0) {
        find(findings, ANOMALY_ADDR_SPEC_LWS);
    }
}

/* --- parameters --- */
/* To where the next parameter or value begins: behind what breaks the grammar. */
static __attribute__((noinline)) const char *skip_odd(const char *at, const char *to,
                                                      unsigned *notes)
{
    *notes |= SIP_NOTE_ODD;
    while (at < to && *at != ';' && *at != ',') {
        if (*at++ == '"') {
            const char *close = sip_skip_quoted(at, to);
            at = close == NULL ? to : close;
        }
    }
    return at;
}

const char *sip_parameter_scan(const char *at, const char *to, struct sip_parameter *out_parameter,
                               unsigned *notes)
{
    assert_hot(at < to && *at == ';');
    at = sip_skip_space(at + 1, to);
    out_parameter->name = at;
    while (at < to && sip_is(*at, SIP_TOKEN)) {
        at++;
    }
    out_parameter->name_bytes = (uint32_t)(at - out_parameter->name);
    out_parameter->has_value = false;
    out_parameter->quoted = false;
    out_parameter->value = at;
    out_parameter->value_bytes = 0;
    at = sip_skip_space(at, to);
    if (at < to && *at == '=') {
        at = sip_skip_space(at + 1, to);
        out_parameter->has_value = true;
        out_parameter->value = at;
        if (at < to && *at == '"') {
            const char *close = sip_skip_quoted(at + 1, to);
            out_parameter->quoted = true;
            out_parameter->value = at + 1;
            *notes |= close == NULL ? SIP_NOTE_ODD : 0;
            at = close == NULL ? to : close;
            out_parameter->value_bytes =
                (uint32_t)(at - out_parameter->value) - (close == NULL ? 0 : 1);
        } else {
            while (at < to && !sip_is(*at, SIP_VALUE_END)) {
                at++;
            }
            out_parameter->value_bytes = (uint32_t)(at - out_parameter->value);
        }
        at = sip_skip_space(at, to);
    }
    if (out_parameter->name_bytes == 0 || (at < to && *at != ';' && *at != ',')) {
        at = skip_odd(at, to, notes);
    }
    return at;
}

/* --- name-addr --- */
static void take_parameter(const char *base, const struct sip_parameter *parameter,
                           struct sip_address *address)
{
    struct slice value = slice_of(parameter->value, parameter->value_bytes);

    if (parameter->name_bytes == 3 && SIP_SAME(parameter->name, 3, "tag")) {
        if (value.bytes == 0) {
            address->notes |= SIP_NOTE_EMPTY_TAG;
        }
        if (address->name.tag.at == 0) {
            address->name.tag = sip_part_of(base, value.at, value.at + value.bytes);
        }
    } else if (parameter->name_bytes == 7 && SIP_SAME(parameter->name, 7, "expires")) {
        address->expires = value;
    } else if (parameter->name_bytes == 1 && (*parameter->name | 0x20) == 'q') {
        address->q = value;
    }
}

/* The header parameters, from the end of the address on. */
static const char *scan_parameters(const char *base, const char *at, const char *to, bool list,
                                   struct sip_address *address)
{
    at = sip_skip_space(at, to);
    if (at < to && *at != ';' && !(list && *at == ',')) {
        at = skip_odd(at, to, &address->notes);
    }
    const char *from = at;
    while (at < to && *at != ',') {
        struct sip_parameter parameter;
        at = sip_parameter_scan(at, to, &parameter, &address->notes);
        take_parameter(base, &parameter, address);
        if (at < to && *at == ',' && !list) {
            at = skip_odd(at + 1, to, &address->notes); /* one address only: the comma is junk */
            while (at < to && *at == ',') {
                at = skip_odd(at + 1, to, &address->notes);
            }
        }
    }
    if (at > from) {
        address->name.parameters = sip_part_of(base, from, at);
    }
    return at;
}

/* The opening bracket behind a display name, or NULL: then there is none. Quoted strings are
 * skipped; one that is not closed was meant to end before the bracket (RFC 4475 section 3.1.2.6).
 */
static const char *find_bracket(const char *at, const char *to, bool list, unsigned *out_quotes,
                                bool *out_unclosed)
{
    *out_quotes = 0;
    *out_unclosed = false;
    while (at < to && *at != '<') {
        if (*at == '"') {
            const char *close = sip_skip_quoted(at + 1, to);
            if (close == NULL) {
                *out_unclosed = true;
                return memchr(at, '<', (size_t)(to - at));
            }
            ++*out_quotes;
            at = close;
        } else if (*at == ',' && list) {
            return NULL;
        } else {
            at++;
        }
    }
    return at < to ? at : NULL;
}

/* What stands before the bracket. */
static void scan_display(const char *base, const char *from, const char *bracket, unsigned quotes,
                         bool unclosed, struct sip_name_addr *name, struct sip_findings *findings)
{
    const char *to = sip_trim_end(from, bracket);

    if (*from == '"') {
        const char *close = unclosed ? to : sip_skip_quoted(from + 1, to);
        bool odd = unclosed || quotes > 1;
        name->display = sip_part_of(base, from + 1, unclosed || close == NULL ? to : close - 1);
        if (odd) {
            find(findings, ANOMALY_NAME_ADDR_QUOTE);
        } else if (close != to) {
            find(findings, ANOMALY_DISPLAY_NAME_UNQUOTED);
        }
        return;
    }
    name->display = sip_part_of(base, from, to);
    if (quotes > 0 || unclosed) {
        find(findings, ANOMALY_NAME_ADDR_QUOTE);
        return;
    }
    for (const char *at = from; at < to; at++) {
        if (!sip_is(*at, SIP_TOKEN | SIP_SPACE)) {
            find(findings, ANOMALY_DISPLAY_NAME_UNQUOTED);
            return;
        }
    }
}

/* <sip:...>; returns where the header parameters begin. */
static const char *scan_bracketed(const char *base, const char *bracket, const char *to,
                                  struct sip_address *address, struct sip_findings *findings)
{
    const char *close = memchr(bracket, '>', (size_t)(to - bracket));
    const char *end = close == NULL ? to : close;
    const char *from = sip_skip_space(bracket + 1, end);
    const char *uri_end = sip_trim_end(from, end);
    unsigned notes = 0;

    if (close == NULL) {
        address->notes |= SIP_NOTE_ODD;
    }
    if (from < uri_end) {
        sip_uri_scan(base, from, uri_end, &address->name.uri, findings, &notes);
    }
    if ((notes & SIP_NOTE_SPACE) != 0 || from > bracket + 1 || uri_end < end) {
        find(findings, ANOMALY_ADDR_SPEC_LWS);
    }
    return close == NULL ? to : close + 1;
}

/* A URI without brackets: it ends at the first semicolon or space. */
static const char *scan_bare(const char *base, const char *from, const char *to, bool list,
                             struct sip_address *address, struct sip_findings *findings)
{
    const char *at = from;
    bool odd = false;
    unsigned notes = 0;

    while (at < to && *at != ';' && !sip_is(*at, SIP_SPACE) && !(list && *at == ',')) {
        odd = odd || *at == ',' || *at == '?';
        at++;
    }
    sip_uri_scan(base, from, at, &address->name.uri, findings, &notes);
    if (odd) {
        find(findings, ANOMALY_ADDR_SPEC_NEEDS_BRACKETS);
    }
    return at;
}

bool sip_address_scan(const char *base, const char *from, const char *to, bool list,
                      struct sip_address *out_address, struct sip_findings *findings)
{
    *out_address = (struct sip_address){.stop = to};
    from = sip_skip_space(from, to);
    if (from == to || (list && *from == ',')) {
        out_address->stop = from;
        return false;
    }
    const char *at;
    const char *bracket = from;
    unsigned quotes = 0;
    bool unclosed = false;
    if (*from != '<') {
        bracket = find_bracket(from, to, list, &quotes, &unclosed);
    }
    if (bracket != NULL) {
        if (bracket > from) {
            scan_display(base, from, bracket, quotes, unclosed, &out_address->name, findings);
        }
        at = scan_bracketed(base, bracket, to, out_address, findings);
    } else if (*from == '*' && (to - from == 1 || !sip_is(from[1], SIP_TOKEN))) {
        out_address->name.star = true;
        at = from + 1;
    } else if (sip_is(*from, SIP_TOKEN)) {
        at = scan_bare(base, from, to, list, out_address, findings);
    } else {
        at = from;
    }
    /* Behind a string that is never closed there is no list: else each value would look for its end
     * anew. */
    out_address->stop = scan_parameters(base, at, to, list && !unclosed, out_address);
    return out_address->name.star || out_address->name.uri.whole.bytes > 0;
}

bool sip_name_addr_decode(const char *base, struct slice text, struct sip_name_addr *out_address,
                          struct sip_findings *findings)
{
    struct sip_address address;
    const char *to = text.at + text.bytes;

    if (text.bytes == 0 ||
        !sip_address_scan(base, text.at, sip_trim_end(text.at, to), false, &address, findings)) {
        return false;
    }
    if ((address.notes & SIP_NOTE_ODD) != 0) {
        find(findings, ANOMALY_HEADER_VALUE_MALFORMED);
    }
    if ((address.notes & SIP_NOTE_EMPTY_TAG) != 0) {
        find(findings, ANOMALY_TAG_EMPTY);
    }
    *out_address = address.name;
    return true;
}
