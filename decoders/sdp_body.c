/* sdp_body.c - the session description in a SIP body (RFC 3261 section 7.4.1, RFC 2046
 * section 5.1).
 *
 *   --boundary CRLF part headers CRLF CRLF part --boundary ... --boundary--
 *
 * A part is opaque up to the next line that begins with the delimiter. Of nested multiparts the
 * first is followed, at most NESTING_MAX deep. */
#include "decoders/sip_inside.h"

enum {
    NESTING_MAX = 4,
    BOUNDARY_BYTES_MAX = 256, /* RFC 2046 allows 70 */
};

/* type/subtype without its parameters and white space */
static struct slice bare_type(struct slice content_type)
{
    return slice_trim(slice_part(content_type, 0, slice_find(content_type, ';')));
}

static bool is_sdp(struct slice content_type)
{
    struct slice type = bare_type(content_type);

    return SIP_SAME(type.at, type.bytes, "application/sdp");
}

static bool is_multipart(struct slice content_type)
{
    return slice_starts_with_nocase(bare_type(content_type), SLICE("multipart/"));
}

/* Where the next line begins that starts with --boundary; text.bytes where there is none. */
static size_t find_delimiter(struct slice text, struct slice boundary)
{
    size_t at = 0;

    while (at + boundary.bytes + 2 <= text.bytes) {
        if (text.at[at] == '-' && text.at[at + 1] == '-' &&
            memcmp(text.at + at + 2, boundary.at, boundary.bytes) == 0) {
            return at;
        }
        const char *end = memchr(text.at + at, '\n', text.bytes - at);
        if (end == NULL) {
            break;
        }
        at = (size_t)(end - text.at) + 1;
    }
    return text.bytes;
}

/* Headers of a part: its Content-Type (SLICE_NONE: none), and the part is left without them. */
static struct slice part_type(struct slice *part)
{
    struct slice found = SLICE_NONE;

    while (part->bytes > 0) {
        const char *end = memchr(part->at, '\n', part->bytes);
        size_t bytes = end == NULL ? part->bytes : (size_t)(end - part->at);
        struct slice line = slice_trim(slice_part(*part, 0, bytes));
        *part = slice_from(*part, bytes + 1);
        if (line.bytes == 0) {
            break;
        }
        struct slice name = slice_trim(slice_part(line, 0, slice_find(line, ':')));
        if (sip_header_of(name) == SIP_HEADER_CONTENT_TYPE) {
            found = slice_trim(slice_from(line, slice_find(line, ':') + 1));
        }
    }
    return found;
}

/* The first part that is a session description, else the first that is a multipart again. */
static bool find_part(struct slice boundary, struct slice body, struct slice *out_type,
                      struct slice *out_part, bool *out_malformed)
{
    bool found = false;
    bool closed = false;
    size_t at = find_delimiter(body, boundary);

    while (at < body.bytes && !closed) {
        size_t after = at + 2 + boundary.bytes;
        closed = body.bytes - after >= 2 && memcmp(body.at + after, "--", 2) == 0;
        size_t from = after + slice_find(slice_from(body, after), '\n') + 1;
        struct slice rest = slice_from(body, from);
        size_t part_bytes = find_delimiter(rest, boundary);
        if (!closed && !(found && is_sdp(*out_type))) {
            struct slice part = slice_part(rest, 0, part_bytes);
            struct slice type = part_type(&part);
            if (is_sdp(type) || (!found && is_multipart(type))) {
                found = true;
                *out_type = type;
                *out_part = part;
            }
        }
        at = body.bytes - rest.bytes + part_bytes;
    }
    *out_malformed = *out_malformed || !closed;
    return found;
}

struct slice sdp_in_body(struct slice content_type, struct slice body,
                         bool *out_multipart_malformed)
{
    *out_multipart_malformed = false;
    if (SIP_SAME(content_type.at, content_type.bytes, "application/sdp")) {
        return body; /* nearly always */
    }
    for (unsigned depth = 0; depth <= NESTING_MAX; depth++) {
        if (is_sdp(content_type)) {
            return body;
        }
        if (!is_multipart(content_type)) {
            return SLICE_NONE;
        }
        struct slice boundary = SLICE_NONE;
        if (!sip_parameter(content_type, SLICE("boundary"), &boundary) || boundary.bytes == 0 ||
            boundary.bytes > BOUNDARY_BYTES_MAX) {
            *out_multipart_malformed = true;
            return SLICE_NONE;
        }
        if (!find_part(boundary, body, &content_type, &body, out_multipart_malformed)) {
            return SLICE_NONE;
        }
    }
    return SLICE_NONE;
}
