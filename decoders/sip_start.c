/* sip_start.c - is this SIP, and what does its first line say (RFC 3261 section 7.1, 7.2).
 *
 * SIP is told by content, never by its port: HTTP, RTSP and SSDP share its methods and its look, so
 * a method word proves nothing; the version does. On a flow that has carried SIP (or on port 5060)
 * the shape is enough, so that the broken messages of scanners are seen. The start line is cut at
 * the first white space and at the last word, because between them stands the URI, with whatever a
 * sender put there. */
#include "decoders/sip_inside.h"

static const char *const method_names[SIP_METHOD_COUNT] = {
    [SIP_METHOD_NONE] = "none",       [SIP_METHOD_OTHER] = "other",
    [SIP_METHOD_INVITE] = "INVITE",   [SIP_METHOD_ACK] = "ACK",
    [SIP_METHOD_BYE] = "BYE",         [SIP_METHOD_CANCEL] = "CANCEL",
    [SIP_METHOD_OPTIONS] = "OPTIONS", [SIP_METHOD_REGISTER] = "REGISTER",
    [SIP_METHOD_PRACK] = "PRACK",     [SIP_METHOD_SUBSCRIBE] = "SUBSCRIBE",
    [SIP_METHOD_NOTIFY] = "NOTIFY",   [SIP_METHOD_PUBLISH] = "PUBLISH",
    [SIP_METHOD_INFO] = "INFO",       [SIP_METHOD_REFER] = "REFER",
    [SIP_METHOD_MESSAGE] = "MESSAGE", [SIP_METHOD_UPDATE] = "UPDATE",
};

/* The one method that a word could be, by its length and first letter. */
static enum sip_method method_guess(const char *at, size_t bytes)
{
    unsigned first = (unsigned)(uint8_t)at[0] | 0x20;

    switch (bytes) {
    case 3:
        return first == 'a' ? SIP_METHOD_ACK : SIP_METHOD_BYE;
    case 4:
        return SIP_METHOD_INFO;
    case 5:
        return first == 'p' ? SIP_METHOD_PRACK : SIP_METHOD_REFER;
    case 6:
        return first == 'i'   ? SIP_METHOD_INVITE
               : first == 'c' ? SIP_METHOD_CANCEL
               : first == 'n' ? SIP_METHOD_NOTIFY
                              : SIP_METHOD_UPDATE;
    case 7:
        return first == 'o'   ? SIP_METHOD_OPTIONS
               : first == 'm' ? SIP_METHOD_MESSAGE
                              : SIP_METHOD_PUBLISH;
    case 8:
        return SIP_METHOD_REGISTER;
    case 9:
        return SIP_METHOD_SUBSCRIBE;
    default:
        return SIP_METHOD_OTHER;
    }
}

enum sip_method sip_method_of(struct slice token)
{
    if (token.bytes == 0) {
        return SIP_METHOD_NONE;
    }
    enum sip_method guess = method_guess(token.at, token.bytes);
    bool same =
        guess != SIP_METHOD_OTHER && sip_equal_words(token.at, method_names[guess], token.bytes);
    return same ? guess : SIP_METHOD_OTHER;
}

enum sip_method sip_method_nocase(struct slice token)
{
    if (token.bytes == 0) {
        return SIP_METHOD_NONE;
    }
    enum sip_method guess = method_guess(token.at, token.bytes);
    bool same = guess != SIP_METHOD_OTHER &&
                slice_equal_nocase(token, slice_of(method_names[guess], token.bytes));
    return same ? guess : SIP_METHOD_OTHER;
}

const char *sip_method_name(enum sip_method method)
{
    return (unsigned)method < SIP_METHOD_COUNT ? method_names[method]
                                               : method_names[SIP_METHOD_OTHER];
}

/* --- recognition --- */
static bool is_space(char byte)
{
    return byte == ' ' || byte == '\t';
}

static const char *skip_spaces(const char *at, const char *to)
{
    while (at < to && is_space(*at)) {
        at++;
    }
    return at;
}

static const char *skip_word(const char *at, const char *to)
{
    while (at < to && !is_space(*at)) {
        at++;
    }
    return at;
}

static const char *skip_digits(const char *at, const char *to)
{
    while (at < to && sip_is(*at, SIP_DIGIT)) {
        at++;
    }
    return at;
}

static const char *skip_token(const char *at, const char *to)
{
    while (at < to && sip_is(*at, SIP_TOKEN)) {
        at++;
    }
    return at;
}

static const char *trim_line(const char *from, const char *to)
{
    while (to > from && (is_space(to[-1]) || to[-1] == '\r')) {
        to--;
    }
    return to;
}

static inline __attribute__((always_inline)) bool starts(const char *at, const char *to,
                                                         const char *word, size_t word_bytes)
{
    return (size_t)(to - at) >= word_bytes && sip_same(at, word_bytes, word, word_bytes);
}
#define STARTS(at, to, literal) starts(at, to, literal, sizeof(literal) - 1)

/* "token SP something SP SIP/2.0" */
static bool is_request_line(const char *from, const char *to)
{
    static const size_t version_bytes = sizeof "SIP/2.0" - 1;

    if ((size_t)(to - from) < version_bytes + 4) {
        return false;
    }
    const char *version = to - version_bytes;
    if (!is_space(version[-1]) || !STARTS(version, to, "sip/2.0")) {
        return false;
    }
    const char *token_end = skip_token(from, to);
    return token_end > from && token_end < version && is_space(*token_end) &&
           skip_spaces(token_end, version) < version;
}

/* "token SP [<]sip:" and the like: SIP in shape only. */
static bool has_shape(const char *from, const char *to)
{
    const char *token_end = skip_token(from, to);

    if (token_end > from && token_end < to && is_space(*token_end)) {
        const char *uri = skip_spaces(token_end, to);
        uri += uri < to && *uri == '<' ? 1 : 0;
        if (STARTS(uri, to, "sip:") || STARTS(uri, to, "sips:") || STARTS(uri, to, "tel:")) {
            return true;
        }
    }
    if (to - from > 7 && is_space(to[-8]) && STARTS(to - 7, to, "sip/2.0")) {
        return true; /* a method that is no token, or no URI */
    }
    return STARTS(from, to, "sip/") && to - from > 4 && sip_is(from[4], SIP_DIGIT);
}

/* "SIP/2.0 ddd", whatever follows. False says nothing. */
static inline bool is_usual_response(const char *from, const char *to)
{
    return to - from > 10 && memcmp(from, "SIP/2.0 ", 8) == 0 && sip_is(from[8], SIP_DIGIT) &&
           sip_is(from[9], SIP_DIGIT) && sip_is(from[10], SIP_DIGIT);
}

/* "METHOD URI SIP/2.0", all of the line. False says nothing. */
static inline bool is_usual_request(const char *from, const char *to)
{
    if (to - from < 12 || memcmp(to - 8, " SIP/2.0", 8) != 0) {
        return false;
    }
    const char *end = from;
    while (end < to - 8 && sip_is(*end, SIP_TOKEN)) {
        end++;
    }
    return end > from && *end == ' ' && end + 1 < to - 8 && !is_space(end[1]);
}

bool sip_start_fits(const char *from, const char *to, bool known)
{
    if (is_usual_response(from, to) || is_usual_request(from, to)) {
        return true;
    }
    to = trim_line(from, to);
    if (STARTS(from, to, "sip/2.0")) {
        const char *code = skip_spaces(from + 7, to);
        if (code > from + 7 && skip_digits(code, to) - code >= 3) {
            return true;
        }
    }
    return is_request_line(from, to) || (known && has_shape(from, to));
}

/* May what is there of a line, so far without its end, become a start line? */
static bool may_become(const char *from, const char *to)
{
    const char *at = skip_token(from, to);

    if (at < to && *at == '/') { /* SIP/2.0 200 */
        return at - from == 3 && STARTS(from, to, "sip");
    }
    if (at < to && (at == from || !is_space(*at))) {
        return false;
    }
    for (; at < to; at++) {
        uint8_t byte = (uint8_t)*at;
        if (byte == 0x7f || (byte < 0x20 && byte != '\t' && byte != '\r')) {
            return false;
        }
    }
    return true;
}

/* The end of the first line; `to` where there is none. CR alone counts where no LF follows the
 * first run of CRs. */
static const char *first_line(const char *from, const char *to)
{
    const char *stray = sip_line_end(from, from, to);
    const char *next = stray;

    while (next < to && *next == '\r') {
        next++;
    }
    if (next < to) {
        return *next == '\n' ? next : stray;
    }
    return to;
}

/* On a stream that nobody knows a start line alone is not enough: HTTP servers answer with SIP/2.0
 * to slip past filters. The next line, if it is there, must be a header or empty. */
bool sip_start_likely(const char *from, const char *end, const char *to)
{
    const char *next = end < to ? end + 1 : to;
    const char *next_end = next < to ? memchr(next, '\n', (size_t)(to - next)) : NULL;

    if (!sip_start_fits(from, end, false)) {
        return false;
    }
    return next_end == NULL || trim_line(next, next_end) == next ||
           memchr(next, ':', (size_t)(next_end - next)) != NULL;
}

enum reason sip_recognise(const uint8_t *at, size_t bytes, bool stream, bool known)
{
    enum { START_BYTES_MAX = 4096 };
    const char *from = (const char *)at;
    const char *to = from + bytes;

    while (from < to && (*from == '\r' || *from == '\n')) {
        from++;
    }
    if (from == to) {
        return stream && bytes <= START_BYTES_MAX ? REASON_SIP_PARTIAL : REASON_SIP_NOT;
    }
    if (!known && !sip_is(*from, SIP_TOKEN)) {
        return REASON_SIP_NOT;
    }
    if (!stream && is_usual_response(from, to)) {
        return REASON_NONE;
    }
    const char *end = first_line(from, to);
    if (stream && end == to) {
        bool open = to - from < START_BYTES_MAX && may_become(from, to);
        return open ? REASON_SIP_PARTIAL : REASON_SIP_NOT;
    }
    bool fits =
        stream && !known ? sip_start_likely(from, end, to) : sip_start_fits(from, end, known);
    return fits ? REASON_NONE : REASON_SIP_NOT;
}

/* --- decoding --- */
/* "SIP/2.0": fine; another number or case is told, anything else makes the start line malformed. */
static void version_decode(struct sip_message *message, const char *from, const char *to)
{
    message->version = sip_part_of(message->raw, from, to);
    if (to - from == 7 && memcmp(from, "SIP/2.0", 7) == 0) {
        return;
    }
    const char *major = from + 4;
    const char *dot = STARTS(from, to, "sip/") ? skip_digits(major, to) : to;
    if (dot == major || dot == to || *dot != '.' || dot + 1 == to ||
        skip_digits(dot + 1, to) != to) {
        sip_anomaly(message, ANOMALY_START_LINE_MALFORMED);
        return;
    }
    if (memcmp(from, "SIP/", 4) != 0) {
        sip_anomaly(message, ANOMALY_VERSION_CASE);
    }
    if (to - major != 3 || memcmp(major, "2.0", 3) != 0) {
        sip_anomaly(message, ANOMALY_VERSION_UNSUPPORTED);
    }
}

static void status_line(struct sip_message *message, const char *from, const char *to)
{
    const char *version_end = skip_word(from, to);
    const char *code = skip_spaces(version_end, to);
    const char *code_end = skip_digits(code, to);

    message->flags |= SIP_FLAG_RESPONSE;
    version_decode(message, from, version_end);
    if (code == to || code_end == code || (code_end < to && !is_space(*code_end))) {
        sip_anomaly(message, ANOMALY_START_LINE_MALFORMED);
        return;
    }
    if (code - version_end != 1 || *version_end != ' ' || (code_end < to && *code_end != ' ')) {
        sip_anomaly(message, ANOMALY_STARTLINE_SP);
    }
    unsigned status = 0;
    if (code_end - code == 3) {
        status = (unsigned)(code[0] - '0') * 100 + (unsigned)(code[1] - '0') * 10 +
                 (unsigned)(code[2] - '0');
    }
    if (status < 100 || status > 699) {
        sip_anomaly(message, ANOMALY_STATUS_RANGE);
    } else {
        message->status = (uint16_t)status;
    }
    if (code_end == to) {
        sip_anomaly(message, ANOMALY_STATUS_NO_SP);
    } else {
        message->reason = sip_part_of(message->raw, code_end + 1, to);
    }
}

static void request_uri(struct sip_message *message, const char *from, const char *to)
{
    struct sip_findings findings = {.count = 0};
    unsigned notes = 0;

    if (*from == '<') {
        sip_anomaly(message, ANOMALY_RURI_BRACKETS);
        from++;
        to -= to > from && to[-1] == '>' ? 1 : 0;
    }
    sip_uri_scan(message->raw, from, to, &message->uri, &findings, &notes);
    if ((notes & SIP_NOTE_SPACE) != 0) {
        sip_anomaly(message, ANOMALY_RURI_LWS);
    }
    if ((notes & SIP_NOTE_HEADERS) != 0) {
        sip_anomaly(message, ANOMALY_RURI_HEADERS);
    }
    sip_findings_tell(message, &findings);
}

static void method_decode(struct sip_message *message, const char *from, const char *to)
{
    struct slice token = slice_of(from, (size_t)(to - from));
    enum sip_method method = sip_method_of(token);

    message->method_text = sip_part_of(message->raw, from, to);
    if (method == SIP_METHOD_OTHER) {
        method = sip_method_nocase(token); /* what a lenient server takes it for */
        sip_anomaly(message,
                    method == SIP_METHOD_OTHER ? ANOMALY_METHOD_UNKNOWN : ANOMALY_METHOD_CASE);
    }
    message->method = (uint8_t)method;
}

static bool is_single_space(const char *from, const char *to)
{
    return to - from == 1 && *from == ' ';
}

/* The first line of a message of which the capture kept no more. */
static void start_cut(struct sip_message *message, const char *from, const char *to)
{
    const char *method_end = skip_token(from, to);
    const char *code = skip_spaces(skip_word(from, to), to);

    if (STARTS(from, to, "sip/")) {
        message->flags |= SIP_FLAG_RESPONSE;
        if (to - code > 3 && skip_digits(code, to) - code == 3 && *code >= '1' && *code <= '6') {
            message->status =
                (uint16_t)((code[0] - '0') * 100 + (code[1] - '0') * 10 + code[2] - '0');
        }
    } else if (method_end < to) {
        method_decode(message, from, method_end);
    }
}

/* "SIP/2.0 ddd reason" and "METHOD sip:... SIP/2.0" in the usual form, the whole of the line up to
 * `to`. False where it is not so; then all that may be written is the URI. */
static bool start_plain(struct sip_message *message, const struct sip_marks *marks, uint32_t to)
{
    const char *text = marks->text;

    if (to < 13 || to >= marks->bytes) {
        return false;
    }
    if (memcmp(text, "SIP/2.0 ", 8) == 0) {
        unsigned first = (unsigned)(uint8_t)text[8] - '0';
        unsigned second = (unsigned)(uint8_t)text[9] - '0';
        unsigned third = (unsigned)(uint8_t)text[10] - '0';
        if (first - 1 > 5 || second > 9 || third > 9 || text[11] != ' ') {
            return false;
        }
        message->flags |= SIP_FLAG_RESPONSE;
        message->version = (struct part){.at = 0, .bytes = 7};
        message->status = (uint16_t)(first * 100 + second * 10 + third);
        message->reason = (struct part){.at = 12, .bytes = to - 12};
        return true;
    }
    uint32_t end = sip_mark_next(marks, 0);
    enum sip_method method = sip_method_of(slice_of(text, end));
    if (text[end] != ' ' || method < SIP_METHOD_INVITE || end + 1 >= to - 8 ||
        memcmp(text + to - 8, " SIP/2.0", 8) != 0 ||
        !sip_plain_uri(marks, end + 1, to - 8, &message->uri)) {
        return false;
    }
    message->method = (uint8_t)method;
    message->method_text = (struct part){.at = 0, .bytes = end};
    message->version = (struct part){.at = to - 7, .bytes = 7};
    return true;
}

bool sip_start_fits_plain(const struct sip_marks *marks, uint32_t to)
{
    const char *text = marks->text;

    if (to < 13 || to >= marks->bytes) {
        return false;
    }
    if (text[3] == '/') {
        return is_usual_response(text, text + to);
    }
    uint32_t end = sip_mark_next(marks, 0);
    return end > 0 && end + 1 < to - 8 && text[end] == ' ' && !is_space(text[end + 1]) &&
           memcmp(text + to - 8, " SIP/2.0", 8) == 0;
}

void sip_start_decode(struct sip_message *message, const struct sip_marks *marks, const char *from,
                      const char *to, bool cut)
{
    if (cut) {
        start_cut(message, from, to);
        return;
    }
    if (start_plain(message, marks, (uint32_t)(to - from))) {
        return;
    }
    const char *end = trim_line(from, to);
    message->uri = (struct sip_uri){.port = 0};
    if (STARTS(from, end, "sip/")) {
        status_line(message, from, to); /* a reason phrase may end with SP */
        return;
    }
    const char *method_end = skip_word(from, end);
    const char *uri = skip_spaces(method_end, end);
    const char *version = end;
    while (version > uri && !is_space(version[-1])) {
        version--;
    }
    method_decode(message, from, method_end);
    if (!STARTS(version, end, "sip/")) { /* no version: all of it is the URI */
        sip_anomaly(message, ANOMALY_START_LINE_MALFORMED);
        version = end;
    } else {
        version_decode(message, version, end);
    }
    const char *uri_end = version;
    while (uri_end > uri && is_space(uri_end[-1])) {
        uri_end--;
    }
    if (uri == uri_end || method_end == from || skip_token(from, end) != method_end) {
        sip_anomaly(message, ANOMALY_START_LINE_MALFORMED);
    }
    if (!is_single_space(method_end, uri) || skip_spaces(end, to) != end ||
        (version < end && uri < version && !is_single_space(uri_end, version))) {
        sip_anomaly(message, ANOMALY_STARTLINE_SP);
    }
    if (uri_end > uri) {
        request_uri(message, uri, uri_end);
    }
}
