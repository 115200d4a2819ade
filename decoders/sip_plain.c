/* sip_plain.c - addresses in the form that nearly all senders write, read from sign to sign.
 *
 *   "Alice A" <sip:alice@example.com:5060;transport=udp>;tag=88
 *   ^       ^ ^   ^     ^           ^    ^         ^   ^^   ^  ^   marks (struct sip_marks)
 *
 * No escape, no white space but between words, nothing that could be odd: then there is nothing to
 * find, and a step for each sign gives all parts. Whatever is not so is left to sip_address.c,
 * which alone knows what is odd; it gives the same for what is taken here (the fuzz targets hold
 * both against each other).
 *
 * Bytes behind a mark are read only where the mark is no white space: so nothing is read behind the
 * end of the text, which is a mark, and white space or a line end. */
#include "decoders/sip_inside.h"

uint32_t sip_plain_port_seldom(const struct sip_marks *marks, uint32_t at, uint32_t end,
                               uint16_t *out_port)
{
    enum { PORT_DIGITS = 5 };
    uint32_t bytes = end - at - 1;
    uint64_t port = 0;

    if (bytes > PORT_DIGITS || !sip_number(slice_of(marks->text + at + 1, bytes), &port) ||
        port > UINT16_MAX) {
        return 0;
    }
    *out_port = (uint16_t)port;
    return end;
}

/* The parameters of a URI from the semicolon at `at` on; returns where they end. */
static uint32_t uri_parameters(const struct sip_marks *marks, uint32_t at)
{
    do {
        at = sip_mark_next(marks, at + 1);
    } while (marks->text[at] == ';' || marks->text[at] == '=');
    return at;
}

/* Writes *out_uri also where it returns 0. */
static ALWAYS_INLINE uint32_t plain_uri(const struct sip_marks *marks, uint32_t from,
                                        struct sip_uri *out_uri)
{
    const char *text = marks->text;
    uint32_t at = from + 4;
    uint32_t end = sip_mark_next(marks, at);

    out_uri->scheme = SIP_SCHEME_SIP;
    out_uri->port = 0;
    out_uri->user_is_phone = false;
    out_uri->user = (struct part){.at = 0};
    while (text[end] == '+') { /* of a user that is a telephone number */
        end = sip_mark_next(marks, end + 1);
    }
    if (text[end] == '@') {
        out_uri->user = (struct part){.at = at, .bytes = end - at};
        if (end == at) {
            return 0;
        }
        at = end + 1;
        end = sip_mark_next(marks, at);
    } else if (sip_mark_next(marks, at) != end) {
        return 0;
    }
    out_uri->host = (struct part){.at = at, .bytes = end - at};
    if (end == at) {
        return 0;
    }
    if (text[end] == ':') {
        end = sip_plain_port(marks, end, &out_uri->port);
        if (end == 0) {
            return 0;
        }
    }
    if (text[end] == ';') {
        at = end;
        end = uri_parameters(marks, at);
        out_uri->user_is_phone = sip_uri_is_phone(text + at, text + end);
    }
    out_uri->whole = (struct part){.at = from, .bytes = end - from};
    return end;
}

/* sip: at the beginning, in any case */
static ALWAYS_INLINE bool is_sip(const char *text)
{
    return SIP_SAME(text, 4, "sip:");
}

bool sip_plain_uri(const struct sip_marks *marks, uint32_t from, uint32_t to,
                   struct sip_uri *out_uri)
{
    return to < marks->bytes && to - from > 4 && is_sip(marks->text + from) &&
           plain_uri(marks, from, out_uri) == to;
}

/* Behind the display name, where the bracket stands; 0 = it is not plain. */
static ALWAYS_INLINE uint32_t plain_display(const struct sip_marks *marks, uint32_t from,
                                            uint32_t to, struct part *out_display)
{
    const char *text = marks->text;
    uint32_t at = from;

    if (text[from] == '"') {
        do {
            at = sip_mark_next(marks, at + 1);
        } while (at < to && text[at] != '"' && text[at] != '\\');
        if (at >= to || text[at] != '"') {
            return 0;
        }
        *out_display = (struct part){.at = from + 1, .bytes = at - from - 1};
        at++;
        at += at < to && text[at] == ' ' ? 1 : 0;
    } else {
        at = sip_mark_next(marks, at);
        while (at < to && text[at] == ' ') {
            at = sip_mark_next(marks, at + 1);
        }
        uint32_t end = at;
        while (end > from && text[end - 1] == ' ') {
            end--;
        }
        *out_display = (struct part){.at = from, .bytes = end - from};
    }
    return at < to && text[at] == '<' ? at : 0;
}

bool sip_plain_address(const struct sip_marks *marks, struct part value, struct sip_uri *out_uri,
                       struct part *out_display, struct part *out_tag, struct sip_plain *out_rest)
{
    const char *text = marks->text;
    const uint32_t to = value.at + value.bytes;
    uint32_t at = value.at;
    struct part tag = {.at = 0};

    if (to >= marks->bytes || value.bytes < 8) {
        return false;
    }
    *out_display = (struct part){.at = 0};
    *out_rest = (struct sip_plain){.q.at = 0};
    if (text[at] != '<') {
        at = plain_display(marks, at, to, out_display);
        if (at == 0) {
            return false;
        }
    }
    if (to - at < 6 || !is_sip(text + at + 1)) {
        return false;
    }
    at = plain_uri(marks, at + 1, out_uri);
    if (at == 0 || text[at] != '>') {
        return false;
    }
    for (at++; at < to;) {
        struct sip_plain_parameter parameter;
        if (!sip_plain_parameter(marks, &at, to, &parameter)) {
            return false;
        }
        const char *name = text + parameter.name.at;
        if (parameter.name.bytes == 3 && SIP_SAME(name, 3, "tag")) {
            if (parameter.value.bytes == 0) {
                return false;
            }
            tag = tag.at == 0 ? parameter.value : tag;
        } else if (parameter.name.bytes == 7 && SIP_SAME(name, 7, "expires")) {
            out_rest->expires = parameter.value;
        } else if (parameter.name.bytes == 1 && (*name | 0x20) == 'q') {
            out_rest->q = parameter.value;
        }
    }
    *out_tag = tag;
    return true;
}
