/* sip_identity.c - who and which: From, To, Call-ID, CSeq and Contact (RFC 3261
 * section 20.8, 20.10, 20.16, 20.20).
 *
 * These make the keys of all state, so they are read in every message and their oddities decide
 * whether the message may have state at all. Tags and Call-ID are opaque bytes: nothing here folds
 * their case or takes out a byte. */
#include "decoders/sip_inside.h"

void sip_findings_tell(struct sip_message *message, const struct sip_findings *findings)
{
    for (unsigned i = 0; i < findings->count; i++) {
        sip_anomaly(message, (enum anomaly)findings->kinds[i]);
    }
}

bool sip_number_long(struct slice text, uint64_t *out_value)
{
    enum { SAFE_DIGITS = 19 }; /* as many nines fit */
    uint64_t value = 0;
    size_t at = 0;

    while (at < text.bytes && at < SAFE_DIGITS && sip_is(text.at[at], SIP_DIGIT)) {
        value = value * 10 + (uint64_t)(text.at[at++] - '0');
    }
    for (; at < text.bytes && sip_is(text.at[at], SIP_DIGIT); at++) {
        uint64_t digit = (uint64_t)(text.at[at] - '0');
        value = value > (UINT64_MAX - digit) / 10 ? UINT64_MAX : value * 10 + digit;
    }
    if (at == 0 || at < text.bytes) {
        return false;
    }
    *out_value = value;
    return true;
}

static __attribute__((noinline)) bool address_judge(struct sip_work *work, struct slice value,
                                                    struct sip_uri *out_uri,
                                                    struct part *out_display, struct part *out_tag)
{
    struct sip_message *message = work->message;
    struct sip_findings findings = {.count = 0};
    struct sip_address address;

    if (value.bytes == 0) {
        return false;
    }
    if (!sip_address_scan(work->raw, value.at, value.at + value.bytes, false, &address,
                          &findings)) {
        sip_anomaly(message, ANOMALY_URI_MALFORMED);
    }
    sip_findings_tell(message, &findings);
    if ((address.notes & SIP_NOTE_ODD) != 0 || address.name.star) {
        sip_anomaly(message, ANOMALY_HEADER_VALUE_MALFORMED);
    }
    if ((address.notes & SIP_NOTE_EMPTY_TAG) != 0) {
        sip_anomaly(message, ANOMALY_TAG_EMPTY);
    }
    *out_uri = address.name.uri;
    *out_display = address.name.display;
    *out_tag = address.name.tag;
    return true;
}

static ALWAYS_INLINE bool address_check(struct sip_work *work, enum sip_header header,
                                        struct sip_uri *out_uri, struct part *out_display,
                                        struct part *out_tag)
{
    SIP_UNINITIALIZED struct sip_plain rest;

    if (!sip_has(work, header) || work->first[header].bytes == 0) {
        return false;
    }
    if (sip_plain_address(work->marks, work->first[header], out_uri, out_display, out_tag, &rest)) {
        return true;
    }
    return address_judge(work, sip_first(work, header), out_uri, out_display, out_tag);
}

static void call_id_check(struct sip_work *work)
{
    struct part value = work->first[SIP_HEADER_CALL_ID];
    const char *text = work->raw + value.at;
    uint32_t to = value.at + value.bytes;
    bool marked = to < work->marks->bytes;
    unsigned fits = SIP_WORD;
    unsigned signs = 0;

    for (uint32_t at = value.at; at < to; at++) {
        at = marked ? sip_mark_next(work->marks, at) : at;
        bool sign = work->raw[at] == '@';
        fits &= at == to ? SIP_WORD : sip_classes[(uint8_t)work->raw[at]] | (sign ? SIP_WORD : 0U);
        signs += sign;
    }
    if (fits == 0 || signs > 1 ||
        (signs == 1 && (text[0] == '@' || text[value.bytes - 1] == '@'))) {
        sip_anomaly(work->message, ANOMALY_HEADER_VALUE_MALFORMED);
    }
    work->message->call_id = value;
}

/* A method of another case than in the start line is the same sloppiness, and told there. */
static ALWAYS_INLINE void cseq_method_check(struct sip_message *message, struct slice token)
{
    struct slice method = sip_part(message, message->method_text);

    if (message->method > SIP_METHOD_OTHER && method.bytes == token.bytes && token.bytes > 2 &&
        sip_equal_words(method.at, token.at, token.bytes)) {
        message->cseq_method = message->method; /* of a request, as nearly always */
        return;
    }
    message->cseq_method = (uint8_t)sip_method_of(token);
    if (message->cseq_method == SIP_METHOD_OTHER) {
        message->cseq_method = (uint8_t)sip_method_nocase(token);
    }
    if (sip_is_response(message)) {
        message->method = message->cseq_method;
        message->method_text = sip_part_of(message->raw, token.at, token.at + token.bytes);
        return;
    }
    if (!slice_equal(method, token) && !slice_equal_nocase(method, token)) {
        sip_anomaly(message, ANOMALY_CSEQ_METHOD_MISMATCH);
    }
}

static __attribute__((noinline)) void cseq_judge(struct sip_work *work)
{
    struct sip_message *message = work->message;
    struct slice value = sip_first(work, SIP_HEADER_CSEQ);
    const char *at = value.at;
    const char *to = value.at + value.bytes;
    uint64_t number = 0;

    while (at < to && sip_is(*at, SIP_DIGIT)) {
        at++;
    }
    if (!sip_number(slice_of(value.at, (size_t)(at - value.at)), &number)) {
        sip_anomaly(message, ANOMALY_CSEQ_MALFORMED);
    } else if (number > UINT32_MAX) {
        sip_anomaly(message, ANOMALY_CSEQ_OVERFLOW);
    } else {
        message->has_cseq = true;
        message->cseq = (uint32_t)number;
        if (number > INT32_MAX) {
            sip_anomaly(message, ANOMALY_CSEQ_31BIT);
        }
    }
    const char *token = sip_skip_space(at, to);
    const char *end = token;
    while (end < to && sip_is(*end, SIP_TOKEN)) {
        end++;
    }
    if (token == at || end == token || end != to) {
        sip_anomaly(message, ANOMALY_CSEQ_MALFORMED);
    }
    if (token > at && end > token) {
        cseq_method_check(message, slice_of(token, (size_t)(end - token)));
    }
}

/* "number method" with one space between them, from mark to mark. */
static ALWAYS_INLINE bool cseq_plain(struct sip_work *work)
{
    const struct sip_marks *marks = work->marks;
    struct part value = work->first[SIP_HEADER_CSEQ];
    uint32_t to = value.at + value.bytes;
    uint64_t number = 0;

    if (to >= marks->bytes) {
        return false;
    }
    uint32_t space = sip_mark_next(marks, value.at);
    if (to - space < 2 || space > to || marks->text[space] != ' ' || space - value.at > 9 ||
        !sip_number(slice_of(marks->text + value.at, space - value.at), &number) ||
        sip_mark_next(marks, space + 1) != to) {
        return false;
    }
    work->message->has_cseq = true;
    work->message->cseq = (uint32_t)number;
    cseq_method_check(work->message, slice_of(marks->text + space + 1, to - space - 1));
    return true;
}

void sip_identity_check(struct sip_work *work)
{
    struct sip_message *message = work->message;
    uint64_t missing = 0;

    if (!address_check(work, SIP_HEADER_FROM, &message->from, &message->from_display,
                       &message->from_tag)) {
        missing |= SIP_BIT(FROM);
    } else if (message->from_tag.at == 0 && !work->cut) {
        sip_anomaly(message, ANOMALY_MISSING_FROM_TAG);
    }
    if (!address_check(work, SIP_HEADER_TO, &message->to, &message->to_display, &message->to_tag)) {
        missing |= SIP_BIT(TO);
    } else if (message->to_tag.at == 0 && sip_is_response(message) && message->status != 100 &&
               !work->cut) {
        sip_anomaly(message, ANOMALY_MISSING_TO_TAG);
    }
    if (sip_has(work, SIP_HEADER_CALL_ID) && work->first[SIP_HEADER_CALL_ID].bytes > 0) {
        call_id_check(work);
    } else {
        missing |= SIP_BIT(CALL_ID);
    }
    if (sip_has(work, SIP_HEADER_CSEQ) && work->first[SIP_HEADER_CSEQ].bytes > 0) {
        if (!cseq_plain(work)) {
            cseq_judge(work);
        }
    } else {
        missing |= SIP_BIT(CSEQ);
    }
    if (missing == 0 || work->cut) {
        return;
    }
    if ((missing & SIP_BIT(CALL_ID)) != 0) {
        sip_anomaly(message, ANOMALY_MISSING_CALL_ID);
    }
    if ((missing & SIP_BIT(CSEQ)) != 0) {
        sip_anomaly(message, ANOMALY_MISSING_CSEQ);
    }
    if ((missing & SIP_BIT(FROM)) != 0) {
        sip_anomaly(message, ANOMALY_MISSING_FROM);
    }
    if ((missing & SIP_BIT(TO)) != 0) {
        sip_anomaly(message, ANOMALY_MISSING_TO);
    }
}

/* --- Contact --- */
/* q is 0 to 1 with at most three decimals */
static bool q_fits(struct slice q)
{
    if (q.bytes == 0 || q.bytes > 5 || (q.at[0] != '0' && q.at[0] != '1')) {
        return false;
    }
    for (size_t i = 1; i < q.bytes; i++) {
        bool fits = i == 1 ? q.at[i] == '.' : sip_is(q.at[i], SIP_DIGIT);
        if (!fits || (i > 1 && q.at[0] == '1' && q.at[i] != '0')) {
            return false;
        }
    }
    return true;
}

/* Parameters of one value; those that are not there are SLICE_NONE. */
static ALWAYS_INLINE void contact_take(struct sip_work *work, struct slice expires, struct slice q)
{
    struct sip_message *message = work->message;
    uint64_t seconds = UINT32_MAX;

    if (expires.at != NULL && (!sip_number(expires, &seconds) || seconds > UINT32_MAX)) {
        sip_anomaly(message, ANOMALY_EXPIRES_RANGE);
        seconds = UINT32_MAX;
    }
    if (q.at != NULL && !q_fits(q)) {
        sip_anomaly(message, ANOMALY_SCALAR_RANGE);
    }
    if (work->contacts++ == 0) {
        message->contact_expires = (uint32_t)seconds;
    }
}

static __attribute__((noinline)) void contacts_judge(struct sip_work *work, struct slice value)
{
    struct sip_findings findings = {.count = 0};
    const char *at = value.at;
    const char *to = value.at + value.bytes;

    do {
        struct sip_address address;
        bool fits = sip_address_scan(work->raw, at, to, true, &address, &findings);
        if (!fits || (address.notes & SIP_NOTE_ODD) != 0) {
            sip_anomaly(work->message, ANOMALY_CONTACT_MALFORMED);
        }
        if (fits) {
            if (work->contacts == 0) {
                work->message->contact = address.name.uri;
            }
            if (address.name.star) {
                work->contact_star = true;
                work->message->flags |= SIP_FLAG_CONTACT_STAR;
            }
            contact_take(work, address.expires, address.q);
        }
        at = address.stop;
    } while (at++ < to);
    sip_findings_tell(work->message, &findings);
}

void sip_contact_check(struct sip_work *work, struct slice value)
{
    SIP_UNINITIALIZED struct sip_plain rest;
    SIP_UNINITIALIZED struct part display;
    SIP_UNINITIALIZED struct part tag;
    SIP_UNINITIALIZED struct sip_uri further;
    struct sip_uri *uri = work->contacts == 0 ? &work->message->contact : &further;
    struct part part = sip_part_of(work->raw, value.at, value.at + value.bytes);

    if (sip_plain_address(work->marks, part, uri, &display, &tag, &rest)) {
        contact_take(work, sip_part(work->message, rest.expires), sip_part(work->message, rest.q));
        return;
    }
    *uri = (struct sip_uri){.port = 0};
    contacts_judge(work, value);
}
