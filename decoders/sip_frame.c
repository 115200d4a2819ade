/* sip_frame.c - where the next message of a stream begins and ends (RFC 3261 section 18.3, RFC 5626
 * section 3.5.1).
 *
 *   CR LF CR LF   INVITE ... Content-Length: 142 CR LF CR LF <142 bytes>   CR LF   SIP/2.0 200 ...
 *   ping          message                                                  pong    message
 *
 * Content-Length wins over every guess. Where a start line should stand and none does, framing is
 * lost: the next line that is a start line by content begins anew, and what lies between is junk.
 * Nothing is remembered here: the caller holds the bytes and asks again when there are more. */
#include "decoders/sip_inside.h"

enum { START_BYTES_MAX = 4096 };

/* CRs and LFs before the message. */
static uint32_t skip_keepalives(const char *at, uint32_t bytes, struct sip_frame *frame)
{
    uint32_t skip = 0;
    uint32_t lines = 0;

    while (skip < bytes && (at[skip] == '\r' || at[skip] == '\n')) {
        lines += at[skip] == '\n';
        skip++;
    }
    frame->keepalives =
        (lines + 1) / 2; /* CRLFCRLF is one ping, a CRLF that is left over one pong */
    return skip;
}

/* The first line from `from` on that is a start line by content; where the last unended line begins
 * if none is. */
static uint32_t find_start(const char *at, uint32_t from, uint32_t bytes, bool *out_found)
{
    *out_found = false;
    while (from < bytes) {
        const char *end = memchr(at + from, '\n', bytes - from);
        if (end == NULL) {
            return bytes - from > START_BYTES_MAX ? bytes : from;
        }
        if (sip_start_likely(at + from, end, at + bytes)) {
            *out_found = true;
            return from;
        }
        from = (uint32_t)(end - at) + 1;
    }
    return bytes;
}

/* Headers and Content-Length of the message at `at`, which has a start line. */
static void read_message(const char *at, uint32_t bytes, struct sip_frame *frame)
{
    SIP_UNINITIALIZED struct sip_lines lines;
    bool valid = false;
    bool seen = false;
    uint64_t length = 0;

    sip_lines_start(&lines, (const uint8_t *)at, bytes);
    do {
        sip_lines_next(&lines);
        for (uint32_t i = 0; i < lines.count && !seen; i++) {
            const struct sip_row *row = &lines.rows[i];
            if (row->malformed || row->header != SIP_HEADER_CONTENT_LENGTH) {
                continue;
            }
            seen = true;
            valid = sip_number(slice_of(at + row->value.at, row->value.bytes), &length) &&
                    length <= UINT32_MAX - SIP_MESSAGE_BYTES_MAX;
        }
    } while (!lines.ended);
    /* A CR at the very end may be half of a CRLF: the end of the headers is not sure yet. */
    if (!lines.whole || (lines.body_at == bytes && at[bytes - 1] == '\r')) {
        return;
    }
    frame->header_bytes = lines.body_at;
    frame->length_missing = !valid;
    frame->message_bytes = lines.body_at + (valid ? (uint32_t)length : 0);
    frame->whole = frame->message_bytes <= bytes;
}

enum reason sip_frame_next(const uint8_t *at, size_t bytes, bool known, struct sip_frame *out_frame)
{
    const char *text = (const char *)at;
    uint32_t all = bytes < UINT32_MAX / 2 ? (uint32_t)bytes : UINT32_MAX / 2;
    bool found = true;

    *out_frame = (struct sip_frame){.skip = 0};
    uint32_t skip = skip_keepalives(text, all, out_frame);
    out_frame->skip = skip;
    if (skip == all) {
        return REASON_SIP_PARTIAL;
    }
    enum reason reason = sip_recognise(at + skip, all - skip, true, known);
    if (reason == REASON_SIP_PARTIAL) {
        return REASON_SIP_PARTIAL;
    }
    if (reason != REASON_NONE) {
        out_frame->lost = true;
        skip = find_start(text, skip, all, &found);
        out_frame->skip = skip;
        if (!found) {
            return REASON_SIP_NOT;
        }
    }
    read_message(text + skip, all - skip, out_frame);
    return REASON_NONE;
}
