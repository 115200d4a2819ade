/* sip_header.c - lines, values and parameters of a message, looked up when somebody asks.
 *
 * No index is kept: a record asks for two or three headers of one message in a hundred, and a walk
 * over 700 bytes is cheaper than an index for all. Lines end here as they ended when the message
 * was decoded (sip_line.c). */
#include "decoders/sip_inside.h"

/* Where the line that begins at `from` ends, and where the next begins. A fold goes on. */
static uint32_t line_end(const struct sip_message *message, uint32_t from, bool cr_lines,
                         uint32_t *out_next)
{
    const char *raw = message->raw;
    uint32_t to = message->header_bytes;
    uint32_t at = from;

    while (at < to) {
        if (!cr_lines) {
            const char *feed = memchr(raw + at, '\n', to - at);
            at = feed == NULL ? to : (uint32_t)(feed - raw);
        } else if (raw[at] != '\n' && raw[at] != '\r') {
            at++;
            continue;
        }
        if (at == to) {
            break;
        }
        uint32_t next = at + 1;
        if (cr_lines && raw[at] == '\r' && next < to && raw[next] == '\n') {
            next++;
        }
        if (next < to && from > 0 && (raw[next] == ' ' || raw[next] == '\t')) {
            at = next;
            continue;
        }
        *out_next = next;
        return at;
    }
    *out_next = to;
    return to;
}

bool sip_line_next(const struct sip_message *message, uint32_t *at, struct sip_line *out_line)
{
    bool cr_lines = (message->flags & SIP_FLAG_CR_LINES) != 0;
    uint32_t next = *at;

    if (*at == 0) {
        (void)line_end(message, 0, cr_lines, &next);
    }
    while (next < message->header_bytes) {
        uint32_t from = next;
        uint32_t end = line_end(message, from, cr_lines, &next);
        struct slice line = slice_of(message->raw + from, end - from);
        size_t colon = slice_find(line, ':');
        if (colon == line.bytes) { /* no header, or the empty line at the end */
            continue;
        }
        out_line->name = slice_trim(slice_part(line, 0, colon));
        out_line->value = slice_trim(slice_from(line, colon + 1));
        out_line->header = sip_header_of(out_line->name);
        *at = next;
        return true;
    }
    *at = message->header_bytes;
    return false;
}

/* --- values --- */
/* Headers whose commas do not separate values (protocols: dates, credentials, texts). */
#define WHOLE_LINE                                                                                 \
    (SIP_BIT(WWW_AUTHENTICATE) | SIP_BIT(PROXY_AUTHENTICATE) | SIP_BIT(AUTHORIZATION) |            \
     SIP_BIT(PROXY_AUTHORIZATION) | SIP_BIT(AUTHENTICATION_INFO) | SIP_BIT(DATE) |                 \
     SIP_BIT(SUBJECT) | SIP_BIT(USER_AGENT) | SIP_BIT(SERVER) | SIP_BIT(CALL_ID) | SIP_BIT(FROM) | \
     SIP_BIT(TO) | SIP_BIT(CSEQ) | SIP_BIT(ORGANIZATION) | SIP_BIT(CONTENT_TYPE) |                 \
     SIP_BIT(SESSION_ID) | SIP_BIT(REFER_TO) | SIP_BIT(REFERRED_BY) | SIP_BIT(REPLACES) |          \
     SIP_BIT(RETRY_AFTER) | SIP_BIT(P_CHARGING_VECTOR))

/* Signs that matter where a value may end; all others only go by. */
static const bool value_signs[256] = {
    [','] = true, ['"'] = true, ['<'] = true, ['>'] = true, ['('] = true, [')'] = true,
};

/* Cuts the first value off: a comma inside quotes, <> or a comment does not separate. */
static struct slice cut_value(struct slice *rest)
{
    const char *to = rest->at + rest->bytes;
    const char *at = rest->at;
    unsigned brackets = 0;
    unsigned comments = 0;

    for (; at < to && !(*at == ',' && brackets == 0 && comments == 0); at++) {
        if (!value_signs[(uint8_t)*at]) {
            continue;
        }
        if (*at == '"' && comments == 0) {
            const char *close = sip_skip_quoted(at + 1, to);
            if (close == NULL) { /* never closed: the rest is one value */
                at = to;
                break;
            }
            at = close - 1;
        } else if (*at == '<' && comments == 0) {
            brackets = 1;
        } else if (*at == '>' && comments == 0) {
            brackets = 0;
        } else if (*at == '(' && brackets == 0) {
            comments++;
        } else if (*at == ')' && comments > 0) {
            comments--;
        }
    }
    struct slice value = slice_trim(slice_of(rest->at, (size_t)(at - rest->at)));
    *rest = at < to ? slice_of(at + 1, (size_t)(to - at - 1)) : SLICE_NONE;
    return value;
}

bool sip_value_next(const struct sip_message *message, enum sip_header header,
                    struct sip_walk *walk, struct slice *out_value)
{
    struct sip_line line;

    for (;;) {
        while (walk->rest.bytes > 0) {
            struct slice value = cut_value(&walk->rest);
            if (value.bytes > 0) {
                *out_value = value;
                return true;
            }
        }
        do {
            if (!sip_line_next(message, &walk->at, &line)) {
                return false;
            }
        } while (line.header != header);
        if (header < SIP_HEADER_COUNT && (UINT64_C(1) << header & WHOLE_LINE) != 0) {
            *out_value = line.value;
            return true;
        }
        walk->rest = line.value;
    }
}

struct slice sip_value(const struct sip_message *message, enum sip_header header)
{
    struct sip_walk walk = {.at = 0};
    struct slice value;

    return sip_value_next(message, header, &walk, &value) ? value : SLICE_NONE;
}

/* --- parameters --- */
/* Where the parameters begin: at the first semicolon outside quotes and brackets. */
static const char *find_parameters(const char *at, const char *to)
{
    bool bracket = false;

    for (; at < to && (*at != ';' || bracket); at++) {
        if (*at == '"') {
            const char *close = sip_skip_quoted(at + 1, to);
            if (close == NULL) {
                return to;
            }
            at = close - 1;
        } else if (*at == '<' || *at == '>') {
            bracket = *at == '<';
        }
    }
    return at;
}

bool sip_parameter(struct slice value, struct slice name, struct slice *out_value)
{
    const char *to = value.at + value.bytes;
    const char *at = value.bytes == 0 ? to : find_parameters(value.at, to);
    unsigned notes = 0;

    while (at < to) {
        struct sip_parameter parameter;
        if (*at != ';') {
            at++; /* a comma: the next value is not ours, but this one's parameters may follow junk
                   */
            continue;
        }
        at = sip_parameter_scan(at, to, &parameter, &notes);
        if (slice_equal_nocase(slice_of(parameter.name, parameter.name_bytes), name)) {
            *out_value = slice_of(parameter.value, parameter.value_bytes);
            return true;
        }
    }
    return false;
}

uint16_t sip_q850(const struct sip_message *message)
{
    struct slice rest = sip_part(message, message->reason_header);

    while (!slice_is_empty(rest)) {
        struct slice value = slice_trim(slice_split(&rest, ','));
        struct slice cause;
        uint32_t number;
        if (slice_starts_with_nocase(value, SLICE("Q.850")) &&
            sip_parameter(value, SLICE("cause"), &cause) && slice_u32(cause, &number) &&
            number > 0 && number < 128) {
            return (uint16_t)number;
        }
    }
    return 0;
}
