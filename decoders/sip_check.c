/* sip_check.c - the headers that are neither identity nor way: ranges, dates, option tags, and what
 * stands twice.
 *
 * A header is judged when its grammar or a range of RFC 3261 section 20 says something that a
 * sender can break; what nobody acts upon (Subject, Organization, Accept ...) is not read at all.
 * Lists are judged line by line in the order of the message, singletons by their first line. */
#include "decoders/sip_inside.h"

/* Option tags of the IANA registry, and mediasec of 3GPP. */
/* clang-format off */
static const char *const option_tags[] = {
    "100rel", "answermode", "early-session", "eventlist", "explicitsub", "from-change",
    "geolocation-http", "geolocation-sip", "gin", "gruu", "histinfo", "ice", "join", "mediasec",
    "multiple-refer", "norefersub", "nosub", "outbound", "path", "policy", "precondition", "pref",
    "privacy", "recipient-list-invite", "recipient-list-message", "recipient-list-subscribe",
    "record-aware", "replaces", "resource-priority", "sdp-anat", "sec-agree", "siprec", "tdialog",
    "timer", "trickle-ice", "uui",
};
/* clang-format on */

static bool is_option_tag(struct slice tag)
{
    for (size_t i = 0; i < sizeof option_tags / sizeof option_tags[0]; i++) {
        if (slice_equal_nocase(tag, slice_of_string(option_tags[i]))) {
            return true;
        }
    }
    return false;
}

static void require_check(struct sip_message *message, struct slice value)
{
    while (value.bytes > 0) {
        struct slice tag = slice_trim(slice_split(&value, ','));
        if (tag.bytes > 0 && !is_option_tag(tag)) {
            sip_anomaly(message, ANOMALY_REQUIRE_UNKNOWN);
            return;
        }
    }
}

static void max_forwards_check(struct sip_message *message, struct slice value)
{
    uint64_t number;

    if (!sip_number(value, &number)) {
        sip_anomaly(message, ANOMALY_MAX_FORWARDS_RANGE);
        return;
    }
    message->max_forwards = number < UINT32_MAX ? (uint32_t)number : UINT32_MAX - 1;
    if (number > 255) {
        sip_anomaly(message, ANOMALY_MAX_FORWARDS_RANGE);
    } else if (number == 0) {
        sip_anomaly(message, ANOMALY_MAX_FORWARDS_ZERO);
    }
}

static void expires_check(struct sip_message *message, struct slice value)
{
    uint64_t number;

    if (!sip_number(value, &number) || number > UINT32_MAX) {
        sip_anomaly(message, ANOMALY_EXPIRES_RANGE);
    } else {
        message->expires = (uint32_t)number;
    }
}

/* Seconds or a sequence number at the beginning; a comment or parameters may follow. */
static void scalar_check(struct sip_message *message, struct slice value)
{
    uint64_t number;
    size_t digits = 0;

    while (digits < value.bytes && sip_is(value.at[digits], SIP_DIGIT)) {
        digits++;
    }
    bool ends = digits == value.bytes || sip_is(value.at[digits], SIP_SPACE) ||
                value.at[digits] == ';' || value.at[digits] == '(';
    if (!sip_number(slice_part(value, 0, digits), &number) || number > UINT32_MAX || !ends) {
        sip_anomaly(message, ANOMALY_SCALAR_RANGE);
    }
}

/* warn-code SP warn-agent SP "text", the first of the line (RFC 3261 section 20.43). */
static void warning_check(struct sip_message *message, struct slice value)
{
    size_t digits = 0;

    while (digits < value.bytes && sip_is(value.at[digits], SIP_DIGIT)) {
        digits++;
    }
    if (digits == 0 || digits == value.bytes || !sip_is(value.at[digits], SIP_SPACE)) {
        sip_anomaly(message, ANOMALY_HEADER_VALUE_MALFORMED);
    } else if (digits != 3) {
        sip_anomaly(message, ANOMALY_SCALAR_RANGE);
    }
}

/* Sat, 13 Nov 2010 23:29:00 GMT: the only form that SIP allows (RFC 3261 section 20.17). */
static void date_check(struct sip_message *message, struct slice value)
{
    static const char shape[] = "aaa, 00 aaa 0000 00:00:00 GMT";
    bool fits = value.bytes == sizeof shape - 1;

    for (size_t i = 0; fits && i < value.bytes; i++) {
        char byte = value.at[i];
        if (shape[i] == 'a') {
            fits = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
        } else {
            fits = shape[i] == '0' ? sip_is(byte, SIP_DIGIT) : byte == shape[i];
        }
    }
    if (!fits) {
        sip_anomaly(message, ANOMALY_DATE_MALFORMED);
    }
}

/* type/subtype;parameters */
static void content_type_check(struct sip_work *work, struct slice value)
{
    size_t at = 0;
    size_t slash = 0;

    work->message->content_type = sip_part_of(work->raw, value.at, value.at + value.bytes);
    if (SIP_SAME(value.at, value.bytes, "application/sdp")) {
        return;
    }
    while (at < value.bytes && sip_is(value.at[at], SIP_TOKEN)) {
        at++;
    }
    slash = at;
    while (at < value.bytes && (sip_is(value.at[at], SIP_TOKEN) || value.at[at] == '/')) {
        at++;
    }
    bool ends = at == value.bytes || value.at[at] == ';' || sip_is(value.at[at], SIP_SPACE);
    if (slash == 0 || at < slash + 2 || value.at[slash] != '/' || !ends) {
        sip_anomaly(work->message, ANOMALY_HEADER_VALUE_MALFORMED);
    }
}

/* Route and its like hold name-addr only, so there is a bracket (RFC 3261 section 20.34). */
static void route_check(struct sip_message *message, struct slice value)
{
    if (slice_find(value, '<') == value.bytes || slice_find(value, '>') == value.bytes) {
        sip_anomaly(message, ANOMALY_HEADER_VALUE_MALFORMED);
    }
}

/* One line of a header that is judged line by line. */
static ALWAYS_INLINE void line_check(struct sip_work *work, enum sip_header header,
                                     struct slice value)
{
    struct sip_message *message = work->message;

    if (header == SIP_HEADER_VIA) {
        sip_via_check(work, value, message->vias == 0);
    } else if (header == SIP_HEADER_CONTACT) {
        sip_contact_check(work, value);
    } else if (header == SIP_HEADER_WARNING) {
        warning_check(message, value);
    } else if (header == SIP_HEADER_REQUIRE || header == SIP_HEADER_PROXY_REQUIRE) {
        require_check(message, value);
    } else if (header == SIP_HEADER_ROUTE || header == SIP_HEADER_RECORD_ROUTE ||
               header == SIP_HEADER_PATH || header == SIP_HEADER_SERVICE_ROUTE) {
        route_check(message, value);
    } else {
        sip_auth_check(work, header, value);
    }
}

#define BY_LINE                                                                                    \
    (SIP_BIT(WARNING) | SIP_BIT(REQUIRE) | SIP_BIT(PROXY_REQUIRE) | SIP_BIT(ROUTE) |               \
     SIP_BIT(RECORD_ROUTE) | SIP_BIT(PATH) | SIP_BIT(SERVICE_ROUTE) | SIP_BIT(CONTACT) |           \
     SIP_BIT(VIA) | SIP_BIT(AUTHORIZATION) | SIP_BIT(PROXY_AUTHORIZATION) |                        \
     SIP_BIT(WWW_AUTHENTICATE) | SIP_BIT(PROXY_AUTHENTICATE) | SIP_BIT(IDENTITY))
#define IDENTITIES (SIP_BIT(FROM) | SIP_BIT(TO) | SIP_BIT(CALL_ID) | SIP_BIT(CSEQ))
#define SINGLETONS                                                                                 \
    (SIP_BIT(MAX_FORWARDS) | SIP_BIT(CONTENT_TYPE) | SIP_BIT(EXPIRES) | SIP_BIT(DATE) |            \
     SIP_BIT(EVENT) | SIP_BIT(MIN_EXPIRES) | SIP_BIT(SUBJECT) | SIP_BIT(USER_AGENT) |              \
     SIP_BIT(SERVER) | SIP_BIT(SESSION_EXPIRES) | SIP_BIT(MIN_SE) | SIP_BIT(RACK) |                \
     SIP_BIT(RSEQ) | SIP_BIT(RETRY_AFTER) | SIP_BIT(REFER_TO) | SIP_BIT(REFERRED_BY) |             \
     SIP_BIT(REPLACES) | SIP_BIT(JOIN) | SIP_BIT(TARGET_DIALOG) | SIP_BIT(ORGANIZATION) |          \
     SIP_BIT(MIME_VERSION) | SIP_BIT(CONTENT_DISPOSITION) | SIP_BIT(SESSION_ID) |                  \
     SIP_BIT(P_CHARGING_VECTOR))
/* Numbers and parts that are read from their first line. */
#define RARE                                                                                       \
    (SIP_BIT(RETRY_AFTER) | SIP_BIT(MIN_EXPIRES) | SIP_BIT(SESSION_EXPIRES) | SIP_BIT(MIN_SE) |    \
     SIP_BIT(RSEQ) | SIP_BIT(DATE) | SIP_BIT(SESSION_ID) | SIP_BIT(REASON) | SIP_BIT(REPLACES) |   \
     SIP_BIT(REFER_TO) | SIP_BIT(DIVERSION))

/* The second and later lines of a header. */
void sip_check_repeated(struct sip_work *work, enum sip_header header, struct slice value)
{
    uint64_t bit = UINT64_C(1) << header;

    if ((bit & BY_LINE) != 0) {
        if ((work->done & bit) == 0) {
            work->done |= bit;
            line_check(work, header, sip_first(work, header));
        }
        line_check(work, header, value);
    } else if ((bit & IDENTITIES) != 0) {
        bool same = slice_equal(value, sip_first(work, header));
        sip_anomaly(work->message, same ? ANOMALY_DUP_SINGLETON : ANOMALY_DUP_IDENTITY);
    } else if (header == SIP_HEADER_CONTENT_LENGTH) {
        if ((work->done & bit) == 0) {
            work->done |= bit;
            sip_length_check(work, sip_first(work, header));
        }
        sip_length_check(work, value);
    } else if ((bit & SINGLETONS) != 0) {
        sip_anomaly(work->message, ANOMALY_DUP_SINGLETON);
    }
}

static void rare_check(struct sip_work *work, uint64_t seen)
{
    struct sip_message *message = work->message;

    if ((seen & SIP_BIT(RETRY_AFTER)) != 0) {
        message->flags |= SIP_FLAG_RETRY_AFTER;
        scalar_check(message, sip_first(work, SIP_HEADER_RETRY_AFTER));
    }
    if ((seen & SIP_BIT(MIN_EXPIRES)) != 0) {
        scalar_check(message, sip_first(work, SIP_HEADER_MIN_EXPIRES));
    }
    if ((seen & SIP_BIT(SESSION_EXPIRES)) != 0) {
        message->flags |= SIP_FLAG_SESSION;
        scalar_check(message, sip_first(work, SIP_HEADER_SESSION_EXPIRES));
    }
    if ((seen & SIP_BIT(MIN_SE)) != 0) {
        scalar_check(message, sip_first(work, SIP_HEADER_MIN_SE));
    }
    if ((seen & SIP_BIT(RSEQ)) != 0) {
        scalar_check(message, sip_first(work, SIP_HEADER_RSEQ));
    }
    if ((seen & SIP_BIT(DATE)) != 0) {
        date_check(message, sip_first(work, SIP_HEADER_DATE));
    }
    if ((seen & SIP_BIT(SESSION_ID)) != 0) {
        message->session_id = work->first[SIP_HEADER_SESSION_ID];
    }
    if ((seen & SIP_BIT(REASON)) != 0) {
        message->reason_header = work->first[SIP_HEADER_REASON];
    }
    if ((seen & SIP_BIT(REPLACES)) != 0) {
        message->flags |= SIP_FLAG_REPLACES;
        message->replaces = work->first[SIP_HEADER_REPLACES];
    }
    if ((seen & SIP_BIT(REFER_TO)) != 0) {
        message->refer_to = work->first[SIP_HEADER_REFER_TO];
    }
    if ((seen & SIP_BIT(DIVERSION)) != 0) {
        message->diversion = work->first[SIP_HEADER_DIVERSION];
    }
}

/* * removes all bindings: only alone and with Expires: 0 (RFC 3261 section 10.2.2). */
static void star_check(struct sip_work *work)
{
    if (work->contact_star && (work->contacts != 1 || work->message->expires != 0)) {
        sip_anomaly(work->message, ANOMALY_CONTACT_STAR);
    }
}

static bool needs_contact(const struct sip_message *message)
{
    if (sip_is_response(message)) {
        return message->status / 100 == 2 && message->cseq_method == SIP_METHOD_INVITE;
    }
    return message->method == SIP_METHOD_INVITE || message->method == SIP_METHOD_SUBSCRIBE ||
           message->method == SIP_METHOD_REFER;
}

static void missing_check(struct sip_work *work, uint64_t seen)
{
    struct sip_message *message = work->message;

    if ((seen & SIP_BIT(VIA)) == 0) {
        sip_anomaly(message, ANOMALY_MISSING_VIA);
    }
    if ((seen & SIP_BIT(MAX_FORWARDS)) == 0 && !sip_is_response(message)) {
        sip_anomaly(message, ANOMALY_MISSING_MAX_FORWARDS);
    }
    if ((seen & SIP_BIT(CONTACT)) == 0 && needs_contact(message)) {
        sip_anomaly(message, ANOMALY_MISSING_CONTACT);
    }
}

void sip_check_headers(struct sip_work *work)
{
    struct sip_message *message = work->message;
    uint64_t seen = work->seen;

    if ((seen & SIP_BIT(MAX_FORWARDS)) != 0) {
        max_forwards_check(message, sip_first(work, SIP_HEADER_MAX_FORWARDS));
    }
    if ((seen & SIP_BIT(EXPIRES)) != 0) {
        expires_check(message, sip_first(work, SIP_HEADER_EXPIRES));
    }
    if ((seen & SIP_BIT(CONTENT_TYPE)) != 0) {
        content_type_check(work, sip_first(work, SIP_HEADER_CONTENT_TYPE));
    }
    if ((seen & SIP_BIT(USER_AGENT)) != 0) {
        message->user_agent = work->first[SIP_HEADER_USER_AGENT];
    } else if ((seen & SIP_BIT(SERVER)) != 0) {
        message->user_agent = work->first[SIP_HEADER_SERVER];
    }
    if ((seen & RARE) != 0) {
        rare_check(work, seen);
    }
    for (uint64_t left = seen & BY_LINE & ~work->done; left != 0; left &= left - 1) {
        enum sip_header header = (enum sip_header)__builtin_ctzll(left);
        line_check(work, header, sip_first(work, header));
    }
    if (work->via_stamped && message->vias == 1 && !sip_is_response(message)) {
        sip_anomaly(message, ANOMALY_VIA_RECEIVED_SPOOF);
    }
    star_check(work);
    if (!work->cut) {
        missing_check(work, seen);
    }
}
