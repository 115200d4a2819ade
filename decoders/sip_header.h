/* sip_header.h - header lines of a decoded message, read when somebody asks: names, values,
 * parameters.
 *
 * Owns      nothing.
 * Borrows   the message's bytes.
 * Time      none.
 * Bounds    SIP_HEADERS_MAX lines; a walk always advances.
 * Errors    a value that is not there is SLICE_NONE or false.
 * Thread    any.
 *
 * The hot values stand in struct sip_message already; this is for records (route count, diversion,
 * Via list, Allow, Supported ...) and for state that needs lists (Contacts of a 200 to REGISTER).
 */
#ifndef DECODERS_SIP_HEADER_H
#define DECODERS_SIP_HEADER_H

#include "decoders/sip.h"

/* clang-format off */
#define SIP_HEADER_LIST(X)                                                                              \
    X(ALLOW, "allow") X(AUTHENTICATION_INFO, "authentication-info") X(AUTHORIZATION, "authorization")   \
    X(CALL_ID, "call-id") X(CONTACT, "contact") X(CONTENT_ENCODING, "content-encoding")                \
    X(CONTENT_LENGTH, "content-length") X(CONTENT_TYPE, "content-type") X(CSEQ, "cseq")                \
    X(DATE, "date") X(DIVERSION, "diversion") X(EVENT, "event") X(EXPIRES, "expires") X(FROM, "from")  \
    X(HISTORY_INFO, "history-info") X(IDENTITY, "identity") X(MAX_FORWARDS, "max-forwards")            \
    X(MIN_EXPIRES, "min-expires") X(P_ASSERTED_IDENTITY, "p-asserted-identity")                        \
    X(P_ASSOCIATED_URI, "p-associated-uri") X(P_CHARGING_VECTOR, "p-charging-vector")                  \
    X(P_PREFERRED_IDENTITY, "p-preferred-identity") X(PATH, "path") X(PRIVACY, "privacy")              \
    X(PROXY_AUTHENTICATE, "proxy-authenticate") X(PROXY_AUTHORIZATION, "proxy-authorization")          \
    X(PROXY_REQUIRE, "proxy-require") X(RACK, "rack") X(REASON, "reason")                              \
    X(RECORD_ROUTE, "record-route") X(REFER_TO, "refer-to") X(REFERRED_BY, "referred-by")              \
    X(REMOTE_PARTY_ID, "remote-party-id") X(REPLACES, "replaces") X(REQUIRE, "require")                \
    X(RETRY_AFTER, "retry-after") X(ROUTE, "route") X(RSEQ, "rseq") X(SERVER, "server")                \
    X(SERVICE_ROUTE, "service-route") X(SESSION_EXPIRES, "session-expires") X(SESSION_ID, "session-id") \
    X(SUBJECT, "subject") X(SUPPORTED, "supported") X(TARGET_DIALOG, "target-dialog") X(TO, "to")      \
    X(UNSUPPORTED, "unsupported") X(USER_AGENT, "user-agent") X(VIA, "via") X(WARNING, "warning")      \
    X(WWW_AUTHENTICATE, "www-authenticate") X(IN_REPLY_TO, "in-reply-to") X(ORGANIZATION, "organization") \
    X(MIN_SE, "min-se") X(ACCEPT, "accept") X(CONTENT_DISPOSITION, "content-disposition")              \
    X(MIME_VERSION, "mime-version") X(JOIN, "join") X(IDENTITY_INFO, "identity-info")
/* clang-format on */

enum sip_header {
    SIP_HEADER_OTHER = 0,
#define X(id, name) SIP_HEADER_##id,
    SIP_HEADER_LIST(X)
#undef X
        SIP_HEADER_COUNT
};

enum sip_header sip_header_of(struct slice name); /* long or compact, any case */

/* Walks the header lines in order; start with *at = 0. Values are trimmed; folds stay inside (CR,
 * LF and white space): readers treat them as white space. */
struct sip_line {
    enum sip_header header;
    struct slice name;
    struct slice value;
};
bool sip_line_next(const struct sip_message *message, uint32_t *at, struct sip_line *out_line);
/* The next value of one header over all its lines, commas split where its grammar allows lists;
 * start with a zeroed walk. */
struct sip_walk {
    uint32_t at;
    struct slice rest;
};
bool sip_value_next(const struct sip_message *message, enum sip_header header,
                    struct sip_walk *walk, struct slice *out_value);
/* First value of a header, or SLICE_NONE. */
struct slice sip_value(const struct sip_message *message, enum sip_header header);

/* A parameter ;name=value of a header value (behind the brackets of a name-addr) or a
 * comma-separated auth parameter: found without case, quotes removed. */
bool sip_parameter(struct slice value, struct slice name, struct slice *out_value);
/* Q.850 cause in the Reason header (RFC 3326), 1 to 127; 0 = none. */
uint16_t sip_q850(const struct sip_message *message);
bool sip_auth_parameter(struct slice value, struct slice name, struct slice *out_value);

#endif
