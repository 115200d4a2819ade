/* sip.c - one SIP message taken apart: one walk over its lines, then the headers in a fixed order.
 *
 *   lines (sip_line.c) --> first value of each header, a bit for each seen --> checks, fixed order
 *                      |                                                      --> body
 *                      '-> second and later lines are judged as they come
 *
 * Why two steps: which header comes next differs from sender to sender, so a jump by header name is
 * guessed wrong by the processor nearly every time, while "is there a Contact" in a fixed place is
 * guessed right (measured: the jump was a fifth of the whole). The set of headers seen is one
 * 64-bit word; values are offsets, and nothing is copied.
 *
 * Verdict: the worst class among the anomalies (reasons.def). An invalid message is decoded as far
 * as it goes, because real servers accept much of what RFC 3261 asks them to refuse.
 *
 * Limits: header lines beyond SIP_HEADERS_MAX are not read; a status line with a version other
 * than 2.0 is SIP only where SIP is expected. */
#include "decoders/sip_inside.h"

void sip_anomaly(struct sip_message *message, enum anomaly kind)
{
    uint8_t verdict =
        (uint8_t)anomaly_rows[kind].class; /* I, L, X are in the order of the verdicts */

    if (sip_has_anomaly(message, kind)) {
        return;
    }
    if (message->anomaly_count < SIP_ANOMALIES_MAX) {
        message->anomalies[message->anomaly_count++] = (uint8_t)kind;
    }
    message->verdict = message->verdict > verdict ? message->verdict : verdict;
}

bool sip_has_anomaly(const struct sip_message *message, enum anomaly kind)
{
    return memchr(message->anomalies, (int)kind, message->anomaly_count) != NULL;
}

static_assert((int)ANOMALY_CLASS_I == (int)SIP_VALID && (int)ANOMALY_CLASS_L == (int)SIP_LENIENT &&
                  (int)ANOMALY_CLASS_X == (int)SIP_INVALID,
              "classes and verdicts are the same scale");
static_assert(ANOMALY_COUNT <= UINT8_MAX, "kinds are kept in bytes");

/* One header line: remembered if it is the first of its name, else judged now. */
static inline void take_row(struct sip_work *work, const struct sip_row *row)
{
    if (row->value.bytes > SIP_VALUE_BYTES && !row->malformed) {
        sip_anomaly(work->message, ANOMALY_MESSAGE_CAPPED);
    }
    if (row->header == SIP_HEADER_OTHER) {
        if (row->malformed) {
            sip_anomaly(work->message, ANOMALY_HEADER_LINE_MALFORMED);
        }
        return;
    }
    uint64_t header = row->header;
    if ((work->seen >> header & 1) == 0) {
        work->seen |= UINT64_C(1) << header;
        work->first[header] = row->value;
    } else {
        sip_check_repeated(work, (enum sip_header)row->header,
                           slice_of(work->raw + row->value.at, row->value.bytes));
    }
}

/* All header lines behind the first batch's start line. */
static void take_lines(struct sip_work *work, struct sip_lines *lines)
{
    uint32_t room = SIP_HEADERS_MAX;

    for (uint32_t first = 1;; first = 0) {
        /* A last line that the capture cut may have lost the rest of its value: it is not read. */
        uint32_t count = lines->count - (lines->unended && work->cut && lines->count > first);
        const struct sip_row *row = &lines->rows[first];
        const struct sip_row *end = &lines->rows[count];
        if (count - first > room) { /* only the end of the headers is still looked for */
            end = row + room;
        }
        bool capped = end < &lines->rows[count];
        room -= (uint32_t)(end - row);
        for (; row < end; row++) {
            take_row(work, row);
        }
        if (capped) {
            sip_anomaly(work->message, ANOMALY_MESSAGE_CAPPED);
        }
        if (lines->ended) {
            return;
        }
        sip_lines_next(lines);
    }
}

/* What the line scan saw on its way. */
static void tell_lines(struct sip_work *work, const struct sip_lines *lines)
{
    struct sip_message *message = work->message;

    if ((lines->saw & SIP_SAW_BARE_LF) != 0) {
        sip_anomaly(message, ANOMALY_CRLF_BARE_LF);
    }
    if ((lines->saw & SIP_SAW_BARE_CR) != 0) {
        message->flags |= lines->cr_lines ? SIP_FLAG_CR_LINES : 0;
        sip_anomaly(message, ANOMALY_CRLF_BARE_CR);
    }
    if ((lines->saw & SIP_SAW_FOLD) != 0) {
        sip_anomaly(message, ANOMALY_HEADER_FOLD);
    }
    if ((lines->saw & (SIP_SAW_CONTROL | SIP_SAW_HIGH)) != 0) {
        sip_text_check(work, message->header_bytes, lines->saw);
    }
}

static void start_message(struct sip_message *message, const uint8_t *at,
                          enum sip_transport transport)
{
    memset(message, 0, sizeof *message);
    message->raw = (const char *)at;
    message->transport = (uint8_t)transport;
    message->expires = UINT32_MAX;
    message->contact_expires = UINT32_MAX;
    message->max_forwards = UINT32_MAX;
}

/* All but `first`, which is read only where `seen` says that it was written. */
static void start_work(struct sip_work *work, struct sip_message *message,
                       const struct sip_marks *marks, uint32_t bytes, bool cut)
{
    work->message = message;
    work->marks = marks;
    work->raw = message->raw;
    work->bytes = bytes;
    work->cut = cut;
    work->via_odd = false;
    work->via_stamped = false;
    work->contact_star = false;
    work->has_length = false;
    work->bad_length = false;
    work->lengths_differ = false;
    work->seen = 0;
    work->done = 0;
    work->length = 0;
    work->contacts = 0;
}

enum reason sip_decode_with_sdp(const uint8_t *at, size_t bytes, size_t wire_bytes,
                                enum sip_transport transport, bool known,
                                struct sip_message *out_message, struct sdp *out_sdp)
{
    size_t skip = 0;
    size_t all = bytes > wire_bytes ? bytes : wire_bytes;
    size_t kept = bytes < SIP_MESSAGE_BYTES_MAX ? bytes : SIP_MESSAGE_BYTES_MAX;
    SIP_UNINITIALIZED struct sip_lines lines;
    SIP_UNINITIALIZED struct sip_work work;

    if (out_sdp != NULL) {
        out_sdp->media_count = 0;
    }
    while (skip < kept && (at[skip] == '\r' || at[skip] == '\n')) {
        skip++;
    }
    if (skip == kept || (!known && !sip_is((char)at[skip], SIP_TOKEN))) {
        return REASON_SIP_NOT;
    }
    at += skip;
    sip_lines_start(&lines, at, kept - skip);
    sip_lines_next(&lines);
    const char *start_end = (const char *)at + lines.start_end;
    if (lines.count == 0 || (!sip_start_fits_plain(&lines.marks, lines.start_end) &&
                             !sip_start_fits((const char *)at, start_end, known))) {
        return REASON_SIP_NOT;
    }
    start_message(out_message, at, transport);
    start_work(&work, out_message, &lines.marks, (uint32_t)(kept - skip), kept < all);
    if (skip > 0 && transport != SIP_TCP) {
        sip_anomaly(out_message, ANOMALY_LEADING_CRLF);
    }
    if (work.cut) {
        out_message->flags |= SIP_FLAG_CUT;
        sip_anomaly(out_message, all > SIP_MESSAGE_BYTES_MAX ? ANOMALY_MESSAGE_CAPPED
                                                             : ANOMALY_CAPTURE_TRUNCATED);
    }
    sip_start_decode(out_message, &lines.marks, work.raw, start_end,
                     work.cut && lines.unended && lines.count == 1);
    take_lines(&work, &lines);
    out_message->header_bytes = lines.body_at;
    tell_lines(&work, &lines);
    if (!lines.whole && !work.cut) {
        sip_anomaly(out_message, ANOMALY_NO_EOM);
    }
    sip_identity_check(&work);
    sip_check_headers(&work);
    sip_body_check(&work, lines.whole, out_sdp);
    return REASON_NONE;
}

enum reason sip_decode(const uint8_t *at, size_t bytes, size_t wire_bytes,
                       enum sip_transport transport, bool known, struct sip_message *out_message)
{
    return sip_decode_with_sdp(at, bytes, wire_bytes, transport, known, out_message, NULL);
}
