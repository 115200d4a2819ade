/* SIP messages: what is recognised, what is read from them, and each anomaly kind by a message that
 * has it. The rows follow the torture messages of RFC 4475 and RFC 5118 and the anomaly table;
 * every message is decoded from memory of exactly its size, so that a sanitizer sees a read beyond
 * it. */
#include "decoders/sdp.h"
#include "decoders/sip_header.h"
#include "tests/fuzz/sip_padded.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define START "OPTIONS sip:bob@example.com SIP/2.0\r\n"
#define VIA "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK77\r\n"
#define FROM "From: <sip:alice@example.com>;tag=88\r\n"
#define TO "To: <sip:bob@example.com>\r\n"
#define CALL_ID "Call-ID: a1@192.0.2.1\r\n"
#define CSEQ "CSeq: 7 OPTIONS\r\n"
#define FORWARDS "Max-Forwards: 70\r\n"
#define CONTACT "Contact: <sip:alice@192.0.2.1>\r\n"
#define LENGTH "Content-Length: 0\r\n"
#define REST VIA FROM TO CALL_ID CSEQ FORWARDS LENGTH
#define END "\r\n"
#define INVITE_START "INVITE sip:bob@example.com SIP/2.0\r\n"
#define INVITE_REST VIA FROM TO CALL_ID "CSeq: 7 INVITE\r\n" FORWARDS CONTACT
#define REGISTER_REST VIA FROM TO CALL_ID "CSeq: 7 REGISTER\r\n" FORWARDS LENGTH
#define REGISTER_START "REGISTER sip:example.com SIP/2.0\r\n"
#define OK_REST VIA FROM "To: <sip:bob@example.com>;tag=9\r\n" CALL_ID CSEQ LENGTH
#define SDP                                                                                        \
    "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 "       \
    "RTP/AVP 0\r\n"

/* A copy without a byte to spare. */
static uint8_t *exact(const char *text, size_t bytes)
{
    uint8_t *copy = malloc(bytes == 0 ? 1 : bytes);
    assert_non_null(copy);
    memcpy(copy, text, bytes);
    return copy;
}

static void list_anomalies(const struct sip_message *message, char *out, size_t room)
{
    struct text text = text_into(out, room);
    for (unsigned i = 0; i < message->anomaly_count; i++) {
        text_string(&text, i == 0 ? "" : ",");
        text_string(&text, anomaly_rows[message->anomalies[i]].slug);
    }
    (void)text_terminate(&text);
}

struct row {
    const char *name;
    const char *text;
    size_t bytes;
    const char *anomalies; /* in order of discovery */
    enum sip_transport transport;
};
#define ROW(name, anomalies, text)                                                                 \
    {                                                                                              \
        name, text, sizeof(text) - 1, anomalies, SIP_UDP                                           \
    }
#define TCP_ROW(name, anomalies, text)                                                             \
    {                                                                                              \
        name, text, sizeof(text) - 1, anomalies, SIP_TCP                                           \
    }

/* clang-format off */
static const struct row rows[] = {
    ROW("clean", "", START REST END),
    ROW("clean response", "", "SIP/2.0 200 OK\r\n" OK_REST END),
    ROW("clean invite", "", INVITE_START INVITE_REST "Content-Type: application/sdp\r\nContent-Length: 87\r\n\r\n" SDP),
    ROW("no version", "start-line-malformed", "OPTIONS sip:bob@example.com\r\n" REST END),
    ROW("protocol as version", "start-line-malformed", "OPTIONS sip:bob@example.com SIP/2.0/UDP\r\n" REST END),
    ROW("no URI", "start-line-malformed", "OPTIONS SIP/2.0\r\n" REST END),
    ROW("method is no token", "method-unknown,start-line-malformed,cseq-method-mismatch", "OPT@IONS sip:bob@example.com SIP/2.0\r\n" REST END),
    ROW("code is no number", "start-line-malformed", "SIP/2.0 2x0 OK\r\n" OK_REST END),
    ROW("two spaces", "startline-sp", "OPTIONS sip:bob@example.com  SIP/2.0\r\n" REST END),
    ROW("space at the end", "startline-sp", "OPTIONS sip:bob@example.com SIP/2.0 \r\n" REST END),
    ROW("tab", "startline-sp", "OPTIONS\tsip:bob@example.com SIP/2.0\r\n" REST END),
    ROW("version 7", "version-unsupported", "OPTIONS sip:bob@example.com SIP/7.0\r\n" REST END),
    ROW("version in lower case", "version-case", "OPTIONS sip:bob@example.com sip/2.0\r\n" REST END),
    ROW("new method", "method-unknown", "FETCH sip:bob@example.com SIP/2.0\r\n" VIA FROM TO CALL_ID "CSeq: 7 FETCH\r\n" FORWARDS LENGTH END),
    ROW("method in lower case", "method-case", "options sip:bob@example.com SIP/2.0\r\n" REST END),
    ROW("status 99", "status-range", "SIP/2.0 099 Low\r\n" OK_REST END),
    ROW("status 700", "status-range", "SIP/2.0 700 High\r\n" OK_REST END),
    ROW("status 2^32+5", "status-range", "SIP/2.0 4294967301 better not break\r\n" OK_REST END),
    ROW("status without SP", "status-no-sp", "SIP/2.0 200\r\n" OK_REST END),
    ROW("empty reason", "", "SIP/2.0 200 \r\n" OK_REST END),
    ROW("URI in brackets", "ruri-brackets", "OPTIONS <sip:bob@example.com> SIP/2.0\r\n" REST END),
    ROW("space in the URI", "ruri-lws", "OPTIONS sip:bob@example.com; lr SIP/2.0\r\n" REST END),
    ROW("headers in the URI", "ruri-headers", "OPTIONS sip:bob@example.com?Route=%3Csip:a%3E SIP/2.0\r\n" REST END),
    ROW("URI without scheme", "uri-malformed", START VIA FROM "To: bob@example.com\r\n" CALL_ID CSEQ FORWARDS LENGTH END),
    ROW("URI without host", "uri-malformed", "OPTIONS sip:bob@ SIP/2.0\r\n" REST END),
    ROW("port 65536", "uri-malformed", "OPTIONS sip:bob@example.com:65536 SIP/2.0\r\n" REST END),
    ROW("foreign scheme", "uri-scheme-unknown", "OPTIONS soap.beep://192.0.2.3:3002 SIP/2.0\r\n" REST END),
    ROW("escape malformed", "uri-escape-malformed", "OPTIONS sip:b%G1b@example.com SIP/2.0\r\n" REST END),
    ROW("escape cut", "uri-escape-malformed", "OPTIONS sip:bob@example.com;a=%4 SIP/2.0\r\n" REST END),
    ROW("escaped NUL", "uri-escape-nul", "OPTIONS sip:b%00b@example.com SIP/2.0\r\n" REST END),
    ROW("escaped CRLF", "uri-escape-crlf", "OPTIONS sip:b%0d%0aVia:b@example.com SIP/2.0\r\n" REST END),
    ROW("IPv6 bare", "uri-ipv6-unbracketed", "OPTIONS sip:2001:db8::10 SIP/2.0\r\n" REST END),
    ROW("IPv6 reference", "", "OPTIONS sip:bob@[2001:db8::10]:5070 SIP/2.0\r\n" REST END),
    ROW("IPv6 malformed", "uri-ipv6-malformed", "OPTIONS sip:bob@[2001:db8:::192.0.2.1] SIP/2.0\r\n" REST END),
    ROW("space in brackets", "addr-spec-lws", START VIA FROM "To: \"Watson, Thomas\" < sip:bob@example.com >\r\n" CALL_ID CSEQ FORWARDS LENGTH END),
    ROW("bare URI with headers", "addr-spec-needs-brackets", REGISTER_START REGISTER_REST "Contact: sip:bob@example.com?Route=%3Csip:a%3E\r\n" END),
    ROW("comma in a bare URI", "addr-spec-needs-brackets", START VIA "From: sip:a,b@example.com;tag=1\r\n" TO CALL_ID CSEQ FORWARDS LENGTH END),
    ROW("display name with a comma", "display-name-unquoted", START VIA "From: Bell, Alexander <sip:a@example.com>;tag=1\r\n" TO CALL_ID CSEQ FORWARDS LENGTH END),
    ROW("display name of tokens", "", START VIA "From: token1~` token2'+_ token3*%!.- <sip:a@example.com>;tag=1\r\n" TO CALL_ID CSEQ FORWARDS LENGTH END),
    ROW("quote not closed", "name-addr-quote", START VIA FROM "To: \"Mr. User <sip:bob@example.com>\r\n" CALL_ID CSEQ FORWARDS LENGTH END),
    ROW("two quoted strings", "name-addr-quote", START VIA "From: \"A,\" \"B, ,\"<sip:a@example.com>;tag=1\r\n" TO CALL_ID CSEQ FORWARDS LENGTH END),
    ROW("quoted controls", "quoted-control", START VIA FROM "To: \"BEL:\\\x07 NUL:\\\0 DEL:\\\x7f\" <sip:bob@example.com>\r\n" CALL_ID CSEQ FORWARDS LENGTH END),
    ROW("control", "control-char", START REST "Subject: a\x01z\r\n" END),
    ROW("NUL in quotes", "control-char", START VIA FROM "To: \"a\0b\" <sip:bob@example.com>\r\n" CALL_ID CSEQ FORWARDS LENGTH END),
    ROW("UTF-8", "", START REST "Subject: \xe2\x82\xac \xf0\x9f\x93\x9e\r\n" END),
    ROW("Latin 1", "non-utf8", START REST "Subject: caf\xe9 au lait\r\n" END),
    ROW("overlong UTF-8", "non-utf8", START REST "Subject: \xc0\xaf\r\n" END),
    ROW("surrogate", "non-utf8", START REST "Subject: \xed\xa0\x80\r\n" END),
    ROW("LF only", "crlf-bare-lf", "OPTIONS sip:bob@example.com SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK7\nFrom: <sip:a@example.com>;tag=8\nTo: <sip:b@example.com>\nCall-ID: a\nCSeq: 1 OPTIONS\nMax-Forwards: 1\n\n"),
    ROW("CR only", "crlf-bare-cr", "OPTIONS sip:bob@example.com SIP/2.0\rVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK7\rFrom: <sip:a@example.com>;tag=8\rTo: <sip:b@example.com>\rCall-ID: a\rCSeq: 1 OPTIONS\rMax-Forwards: 1\r\r"),
    ROW("CR CR LF", "crlf-bare-cr", START VIA "From: <sip:a@example.com>;tag=1\r\r\n" TO CALL_ID CSEQ FORWARDS LENGTH END),
    ROW("empty lines before", "leading-crlf", "\r\n\r\n" START REST END),
    ROW("no empty line", "no-eom", START REST),
    ROW("no last line end", "no-eom", START VIA FROM TO CALL_ID FORWARDS LENGTH "CSeq: 7 OPTIONS"),
    ROW("fold", "header-fold", START VIA FROM TO CALL_ID "CSeq: 7\r\n  OPTIONS\r\n" FORWARDS LENGTH END),
    ROW("no colon", "header-line-malformed", START REST "text/plain\r\n" END),
    ROW("space in a name", "header-line-malformed", START REST "Call Info: x\r\n" END),
    ROW("empty name", "header-line-malformed", START REST ": x\r\n" END),
    ROW("space before the colon", "", START VIA FROM TO CALL_ID CSEQ FORWARDS "Content-Length \t: 0\r\n" END),
    ROW("fold behind the start line", "header-line-malformed", START " lost\r\n" REST END),
    ROW("Call-ID with a space", "header-value-malformed", START VIA FROM TO "Call-ID: a b\r\n" CSEQ FORWARDS LENGTH END),
    ROW("junk behind the brackets", "header-value-malformed", START VIA FROM "To: <sip:bob@example.com> x: y\r\n" CALL_ID CSEQ FORWARDS LENGTH END),
    ROW("Content-Type", "header-value-malformed", START REST "Content-Type: text\r\n" END),
    ROW("empty Warning", "header-value-malformed", START REST "Warning:\r\n" END),
    ROW("Route without brackets", "header-value-malformed", START REST "Route: sip:a\r\n" END),
    ROW("lower Via", "header-value-malformed", START VIA "Via: SIP/2.0/UDP\r\n" FROM TO CALL_ID CSEQ FORWARDS LENGTH END),
    ROW("two Call-IDs", "dup-identity", START REST "i: b\r\n" END),
    ROW("the same Call-ID twice", "dup-singleton", START REST CALL_ID END),
    ROW("Max-Forwards twice", "dup-singleton", START REST FORWARDS END),
    ROW("Content-Length twice", "dup-singleton", START REST "l: 0\r\n" END),
    ROW("nothing", "missing-call-id,missing-cseq,missing-from,missing-to,missing-via,missing-max-forwards,missing-contact", INVITE_START END),
    ROW("empty identity", "missing-call-id,missing-cseq,missing-from,missing-to", START VIA "From:\r\nTo: \r\nCall-ID:\r\nCSeq: \r\n" FORWARDS LENGTH END),
    ROW("no Max-Forwards", "missing-max-forwards", START VIA FROM TO CALL_ID CSEQ LENGTH END),
    ROW("2xx without Contact", "missing-contact", "SIP/2.0 202 OK\r\n" VIA FROM "To: <sip:b@example.com>;tag=1\r\n" CALL_ID "CSeq: 1 INVITE\r\n" LENGTH END),
    ROW("no tags", "missing-from-tag,missing-to-tag", "SIP/2.0 180 Ringing\r\n" VIA "From: <sip:a@example.com>\r\n" TO CALL_ID CSEQ LENGTH END),
    ROW("100 needs no To tag", "", "SIP/2.0 100 Trying\r\n" VIA FROM TO CALL_ID CSEQ LENGTH END),
    ROW("tag of the URI", "missing-from-tag", START VIA "From: <sip:a@example.com;tag=1>\r\n" TO CALL_ID CSEQ FORWARDS LENGTH END),
    ROW("no branch", "missing-branch", START "Via: SIP/2.0/UDP 192.0.2.1\r\n" FROM TO CALL_ID CSEQ FORWARDS LENGTH END),
    ROW("branch of RFC 2543", "branch-no-cookie", START "Via: SIP/2.0/UDP 192.0.2.1;branch=77\r\n" FROM TO CALL_ID CSEQ FORWARDS LENGTH END),
    ROW("branch without text", "branch-empty", START "Via: SIP/2.0/UDP 192.0.2.1;branch=\r\n" FROM TO CALL_ID CSEQ FORWARDS LENGTH END),
    ROW("cookie only", "branch-empty", START "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK\r\n" FROM TO CALL_ID CSEQ FORWARDS LENGTH END),
    ROW("tag without text", "tag-empty", START VIA "From: <sip:a@example.com>;tag=\r\n" TO CALL_ID CSEQ FORWARDS LENGTH END),
    ROW("Via of RFC 4475", "missing-branch,via-malformed", START "Via: SIP/2.0/UDP 192.0.2.15;;,;,,\r\n" FROM TO CALL_ID CSEQ FORWARDS LENGTH END),
    ROW("Via without host", "via-malformed", START "Via: SIP/2.0/UDP ;branch=z9hG4bK7\r\n" FROM TO CALL_ID CSEQ FORWARDS LENGTH END),
    ROW("Via port", "via-malformed", START "Via: SIP/2.0/UDP 192.0.2.1:70000;branch=z9hG4bK7\r\n" FROM TO CALL_ID CSEQ FORWARDS LENGTH END),
    ROW("Via with space everywhere", "header-fold", START "v : SIP  /\t2.0\r\n / UDP  192.0.2.1 : 5060 ; branch = z9hG4bK7\r\n" FROM TO CALL_ID CSEQ FORWARDS LENGTH END),
    ROW("Via says TCP", "via-transport-mismatch", START "Via: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK7\r\n" FROM TO CALL_ID CSEQ FORWARDS LENGTH END),
    TCP_ROW("Via says TLS", "", START "Via: SIP/2.0/TLS 192.0.2.1;branch=z9hG4bK7\r\n" FROM TO CALL_ID CSEQ FORWARDS LENGTH END),
    ROW("broadcast", "via-broadcast", START VIA "Via: SIP/2.0/UDP 255.255.255.255;branch=z9hG4bK7\r\n" FROM TO CALL_ID CSEQ FORWARDS LENGTH END),
    ROW("multicast", "via-broadcast", START "Via: SIP/2.0/UDP [ff02::1];branch=z9hG4bK7\r\n" FROM TO CALL_ID CSEQ FORWARDS LENGTH END),
    ROW("received in brackets", "via-received-brackets", "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1;received=[2001:db8::9];branch=z9hG4bK7\r\n" FROM "To: <sip:b@example.com>;tag=1\r\n" CALL_ID CSEQ LENGTH END),
    ROW("received by the sender", "via-received-spoof", START "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK7;received=198.51.100.1\r\n" FROM TO CALL_ID CSEQ FORWARDS LENGTH END),
    ROW("received by a proxy", "", START VIA "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK7;received=198.51.100.1\r\n" FROM TO CALL_ID CSEQ FORWARDS LENGTH END),
    ROW("rport asked for", "", START "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK7;rport\r\n" FROM TO CALL_ID CSEQ FORWARDS LENGTH END),
    ROW("CSeq without method", "cseq-malformed", START VIA FROM TO CALL_ID "CSeq: 7\r\n" FORWARDS LENGTH END),
    ROW("CSeq without number", "cseq-malformed", START VIA FROM TO CALL_ID "CSeq: OPTIONS\r\n" FORWARDS LENGTH END),
    ROW("CSeq 2^32-1", "cseq-31bit", START VIA FROM TO CALL_ID "CSeq: 4294967295 OPTIONS\r\n" FORWARDS LENGTH END),
    ROW("CSeq 2^32", "cseq-overflow", START VIA FROM TO CALL_ID "CSeq: 4294967296 OPTIONS\r\n" FORWARDS LENGTH END),
    ROW("CSeq 2^31-1", "", START VIA FROM TO CALL_ID "CSeq: 2147483647 OPTIONS\r\n" FORWARDS LENGTH END),
    ROW("CSeq of another method", "cseq-method-mismatch", START VIA FROM TO CALL_ID "CSeq: 7 INVITE\r\n" FORWARDS LENGTH END),
    ROW("Max-Forwards 0", "max-forwards-zero", START VIA FROM TO CALL_ID CSEQ "Max-Forwards: 0\r\n" LENGTH END),
    ROW("Max-Forwards 255", "", START VIA FROM TO CALL_ID CSEQ "Max-Forwards: 0255\r\n" LENGTH END),
    ROW("Max-Forwards 256", "max-forwards-range", START VIA FROM TO CALL_ID CSEQ "Max-Forwards: 256\r\n" LENGTH END),
    ROW("Max-Forwards text", "max-forwards-range", START VIA FROM TO CALL_ID CSEQ "Max-Forwards: ten\r\n" LENGTH END),
    ROW("Expires", "expires-range", REGISTER_START REGISTER_REST CONTACT "Expires: 4294967296\r\n" END),
    ROW("expires of a Contact", "expires-range", REGISTER_START REGISTER_REST "Contact: <sip:a@192.0.2.1>;expires=280297596632815\r\n" END),
    ROW("q above 1", "scalar-range", REGISTER_START REGISTER_REST "Contact: <sip:a@192.0.2.1>;q=1.1\r\n" END),
    ROW("q", "", REGISTER_START REGISTER_REST "Contact: <sip:a@192.0.2.1>;q=0.333, <sip:b@192.0.2.1>;q=1.000\r\n" END),
    ROW("Warning of 4 digits", "scalar-range", START REST "Warning: 1812 overture \"In Progress\"\r\n" END),
    ROW("Retry-After", "scalar-range", START REST "Retry-After: 949302838503028349304023988\r\n" END),
    ROW("Retry-After with a comment", "", START REST "Retry-After: 120 (I'm in a meeting);duration=3600\r\n" END),
    ROW("ttl", "scalar-range", START "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK7;ttl=256\r\n" FROM TO CALL_ID CSEQ FORWARDS LENGTH END),
    ROW("Date in EST", "date-malformed", START REST "Date: Fri, 01 Jan 2010 16:00:00 EST\r\n" END),
    ROW("Date", "", START REST "Date: Sat, 13 Nov 2010 23:29:00 GMT\r\n" END),
    ROW("Contact of RFC 4475", "contact-malformed", INVITE_START VIA FROM TO CALL_ID "CSeq: 7 INVITE\r\n" FORWARDS LENGTH "Contact: \"Joe\" <sip:joe@example.org>;;;;\r\n" END),
    ROW("Contact without bracket", "contact-malformed", INVITE_START VIA FROM TO CALL_ID "CSeq: 7 INVITE\r\n" FORWARDS LENGTH "Contact: <sip:joe@example.org\r\n" END),
    ROW("Contact * without Expires", "contact-star", REGISTER_START REGISTER_REST "Contact: *\r\n" END),
    ROW("Contact * and another", "contact-star", REGISTER_START REGISTER_REST "Contact: *\r\nm: <sip:a@192.0.2.1>\r\nExpires: 0\r\n" END),
    ROW("Contact *", "", REGISTER_START REGISTER_REST "Contact: *\r\nExpires: 0\r\n" END),
    ROW("Require", "require-unknown", START REST "Require: 100rel\r\nRequire: timer, nothingSupportsThis\r\n" END),
    ROW("Require known", "", START REST "Require: 100REL, timer\r\n" END),
    ROW("unknown scheme", "auth-scheme-unknown", START REST "Authorization: NoOneKnowsThis opaque=here\r\n" END),
    ROW("Digest without nonce", "auth-malformed", START REST "Authorization: Digest username=\"a\", uri=\"sip:b\", response=\"1\"\r\n" END),
    ROW("nc without qop", "auth-malformed", START REST "Authorization: Digest username=\"a\", uri=\"sip:b\", nonce=\"1\", response=\"1\", nc=1\r\n" END),
    ROW("challenge without nonce", "auth-malformed", "SIP/2.0 401 No\r\n" OK_REST "WWW-Authenticate: Digest realm=\"a\"\r\n" END),
    ROW("PASSporT", "", START REST "Identity: eyJh.eyJk.c2ln-_;info=<https://192.0.2.1/c>;alg=ES256\r\n" END),
    ROW("PASSporT compact", "", START REST "y: ..c2ln-_;alg=ES256\r\n" END),
    ROW("Identity of RFC 4474", "", START REST "Identity: r5mwreLuyDRYBi/0TiPwEsY3+A==\r\n" END),
    ROW("PASSporT without info", "identity-malformed", START REST "Identity: eyJh.eyJk.c2ln;alg=ES256\r\n" END),
    ROW("PASSporT of two parts", "identity-malformed", START REST "Identity: eyJh.c2ln;info=<https://192.0.2.1/c>\r\n" END),
    ROW("body too short", "clen-short-body", START VIA FROM TO CALL_ID CSEQ FORWARDS "Content-Type: text/plain\r\nContent-Length: 5\r\n\r\nfour"),
    ROW("negative length", "clen-invalid", START VIA FROM TO CALL_ID CSEQ FORWARDS "Content-Length: -999\r\n" END),
    ROW("length with a sign", "clen-invalid", START VIA FROM TO CALL_ID CSEQ FORWARDS "Content-Length: +0\r\n" END),
    ROW("length 2^32", "clen-invalid", START VIA FROM TO CALL_ID CSEQ FORWARDS "Content-Length: 4294967296\r\n" END),
    ROW("two lengths", "trailing-octets,clen-conflict", START VIA FROM TO CALL_ID CSEQ FORWARDS "Content-Type: text/plain\r\nContent-Length: 2\r\nl: 3\r\n\r\n1234"),
    TCP_ROW("no length over TCP", "via-transport-mismatch,clen-missing-stream", START VIA FROM TO CALL_ID CSEQ FORWARDS END),
    ROW("octets behind", "trailing-octets", START REST "\r\nhello"),
    ROW("body without type", "body-no-type", START VIA FROM TO CALL_ID CSEQ FORWARDS "\r\nhello"),
    ROW("line ends are no body", "", START VIA FROM TO CALL_ID CSEQ FORWARDS "\r\n\r\n\r\n"),
    ROW("multipart without boundary", "multipart-malformed", START VIA FROM TO CALL_ID CSEQ FORWARDS "Content-Type: multipart/mixed\r\n\r\n--a\r\n\r\nx\r\n--a--\r\n"),
    ROW("multipart not closed", "multipart-malformed", START VIA FROM TO CALL_ID CSEQ FORWARDS "Content-Type: multipart/mixed;boundary=a\r\n\r\n--a\r\n\r\nx\r\n"),
    ROW("SDP without t=", "sdp-malformed", INVITE_START INVITE_REST "Content-Type: application/sdp\r\n\r\nv=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nm=audio 4000 RTP/AVP 0\r\n"),
    ROW("SDP of an unknown method", "method-unknown", "FETCH sip:bob@example.com SIP/2.0\r\n" VIA FROM TO CALL_ID "CSeq: 7 FETCH\r\n" FORWARDS "Content-Type: application/sdp\r\n\r\nv=0\r\n"),
    ROW("SDP packed", "", INVITE_START INVITE_REST "Content-Type: application/sdp\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b"),
};
/* clang-format on */

static void test_each_anomaly(void **state)
{
    (void)state;
    bool seen[ANOMALY_COUNT] = {false};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct row *row = &rows[i];
        struct sip_message message;
        char have[512];
        uint8_t *text = exact(row->text, row->bytes);
        assert_int_equal(sip_decode(text, row->bytes, row->bytes, row->transport, true, &message),
                         REASON_NONE);
        list_anomalies(&message, have, sizeof have);
        if (strcmp(have, row->anomalies) != 0) {
            fail_msg("%s: got \"%s\", expected \"%s\"", row->name, have, row->anomalies);
        }
        if (!sip_padded_same(text, row->bytes, row->transport, true)) {
            fail_msg("%s: not the same behind many bytes", row->name);
        }
        enum anomaly_class worst = ANOMALY_CLASS_I;
        for (unsigned k = 0; k < message.anomaly_count; k++) {
            enum anomaly_class class = anomaly_rows[message.anomalies[k]].class;
            seen[message.anomalies[k]] = true;
            worst = class > worst ? class : worst;
        }
        assert_int_equal(message.verdict, worst);
        free(text);
    }
    /* These come from other layers, or have a test of their own below. */
    seen[ANOMALY_IP_FRAG_OVERLAP] = seen[ANOMALY_TCP_OVERLAP_CONFLICT] = true;
    seen[ANOMALY_STREAM_RESYNC] = true;
    seen[ANOMALY_CAPTURE_TRUNCATED] = seen[ANOMALY_MESSAGE_CAPPED] = true;
    for (unsigned kind = 0; kind < ANOMALY_COUNT; kind++) {
        if (!seen[kind]) {
            fail_msg("no message here shows %s", anomaly_rows[kind].slug);
        }
    }
}

/* --- values --- */
static const char full[] =
    "INVITE sip:+15550100@proxy.example.com:5062;user=phone SIP/2.0\r\n"
    "Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK7f;rport,SIP/2.0/UDP "
    "192.0.2.11;branch=z9hG4bK1\r\n"
    "v: SIP/2.0/TCP host.example.com\r\n"
    "Max-Forwards: 70\r\n"
    "f: \"Alice \\\"A\\\"\" <sips:alice:secret@example.com>;x=\"a;tag=no\" ; tag=8f\r\n"
    "t: tel:+1-555-0100;phone-context=x;tag=7\r\n"
    "i: 5b1f@192.0.2.10\r\n"
    "CSeq: 0010 INVITE\r\n"
    "m: <sip:@192.0.2.10:5061>;expires=60, <sip:second@192.0.2.10>;expires=61\r\n"
    "User-Agent: Example Phone 4.2\r\n"
    "Server: not this\r\n"
    "Proxy-Authorization: Digest username=\"al,ice\",realm=example.com , nonce=\"n\",\r\n"
    " uri=\"sip:x\", response=\"abc\", algorithm=\"MD5\", cnonce=c, qop=\"auth\", nc=00000001\r\n"
    "Authorization: Digest username=\"other\", nonce=\"1\", uri=\"1\", response=\"1\"\r\n"
    "Expires: 120\r\n"
    "Session-ID: 47755a9de7794ba387653f2099600ef2;remote=0\r\n"
    "Replaces: a@b;to-tag=1;from-tag=2\r\n"
    "Retry-After: 5\r\n"
    "Reason: Q.850;cause=16\r\n"
    "c: application/sdp\r\n"
    "l: 87\r\n"
    "\r\n" SDP "OPTIONS sip:x@example.com SIP/2.0\r\n\r\n";

static void assert_part(const struct sip_message *message, struct part part, const char *text)
{
    struct slice have = sip_part(message, part);
    if (!slice_equal(have, slice_of_string(text))) {
        fail_msg("got \"%.*s\", expected \"%s\"", (int)have.bytes, have.at, text);
    }
}

static void test_values(void **state)
{
    (void)state;
    struct sip_message message;
    struct sdp sdp;
    uint8_t *text = exact(full, sizeof full - 1);
    assert_int_equal(
        sip_decode_with_sdp(text, sizeof full - 1, sizeof full - 1, SIP_UDP, false, &message, &sdp),
        REASON_NONE);
    assert_int_equal(message.method, SIP_METHOD_INVITE);
    assert_int_equal(message.cseq_method, SIP_METHOD_INVITE);
    assert_int_equal(message.cseq, 10);
    assert_true(message.has_cseq);
    assert_int_equal(message.vias, 3);
    assert_int_equal(message.max_forwards, 70);
    assert_int_equal(message.expires, 120);
    assert_int_equal(message.contact_expires, 60);
    assert_int_equal(message.uri.port, 5062);
    assert_true(message.uri.user_is_phone);
    assert_int_equal(message.from.scheme, SIP_SCHEME_SIPS);
    assert_int_equal(message.to.scheme, SIP_SCHEME_TEL);
    assert_int_equal(message.contact.port, 5061);
    assert_int_equal(message.body_bytes, sizeof SDP - 1);
    assert_int_equal(message.raw_bytes, message.header_bytes + sizeof SDP - 1);
    assert_part(&message, message.method_text, "INVITE");
    assert_part(&message, message.version, "SIP/2.0");
    assert_part(&message, message.uri.user, "+15550100");
    assert_part(&message, message.uri.host, "proxy.example.com");
    assert_part(&message, message.from.user, "alice");
    assert_part(&message, message.from.host, "example.com");
    assert_part(&message, message.from_display, "Alice \\\"A\\\"");
    assert_part(&message, message.from_tag, "8f");
    assert_part(&message, message.to.user, "+1-555-0100");
    assert_part(&message, message.to_tag, "7");
    assert_part(&message, message.call_id, "5b1f@192.0.2.10");
    assert_part(&message, message.branch, "z9hG4bK7f");
    assert_part(&message, message.sent_by, "192.0.2.10:5060");
    assert_part(&message, message.via_transport, "UDP");
    assert_part(&message, message.contact.host, "192.0.2.10");
    assert_part(&message, message.user_agent, "Example Phone 4.2");
    assert_part(&message, message.content_type, "application/sdp");
    assert_part(&message, message.auth_username, "al,ice");
    assert_part(&message, message.auth_realm, "example.com");
    assert_part(&message, message.auth_nonce, "n");
    assert_part(&message, message.auth_response, "abc");
    assert_part(&message, message.auth_uri, "sip:x");
    assert_part(&message, message.auth_cnonce, "c");
    assert_part(&message, message.auth_nc, "00000001");
    assert_part(&message, message.auth_algorithm, "MD5");
    assert_part(&message, message.session_id, "47755a9de7794ba387653f2099600ef2;remote=0");
    assert_part(&message, message.replaces, "a@b;to-tag=1;from-tag=2");
    assert_part(&message, message.reason_header, "Q.850;cause=16");
    assert_int_equal(message.flags, SIP_FLAG_CREDENTIALS | SIP_FLAG_COOKIE | SIP_FLAG_SDP |
                                        SIP_FLAG_RETRY_AFTER | SIP_FLAG_REPLACES |
                                        SIP_FLAG_TRAILING_SIP);
    assert_int_equal(sdp.media_count, 1);
    assert_int_equal(sdp.media[0].rtp.port, 4000);
    free(text);
}

static void test_flags(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        uint32_t flags;
    } cases[] = {
        {"WWW-Authenticate: Digest realm=\"a\", nonce=\"b\", stale=TRUE\r\n",
         SIP_FLAG_CHALLENGE | SIP_FLAG_STALE},
        {"WWW-Authenticate: Digest realm=\"a\", nonce=\"b\", stale=false\r\n", SIP_FLAG_CHALLENGE},
        /* how an IMS telephone names itself before it is challenged: no attempt */
        {"Authorization: Digest username=\"a\", nonce=\"\", uri=\"b\", response=\"\"\r\n", 0},
        {"Authorization: Digest username=\"a\", nonce=\"n\", uri=\"b\", response=\"r\", "
         "auts=\"x\"\r\n",
         SIP_FLAG_CREDENTIALS | SIP_FLAG_AUTS},
        {"Authorization: Basic YWxpY2U6c2VjcmV0\r\n", SIP_FLAG_CREDENTIALS},
        {"Contact: *\r\n", SIP_FLAG_CONTACT_STAR},
        {"Retry-After: 1\r\n", SIP_FLAG_RETRY_AFTER},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[1024];
        struct text into = text_into(text, sizeof text);
        struct sip_message message;
        text_string(&into, START REST);
        text_string(&into, cases[i].header);
        text_string(&into, END);
        assert_int_equal(
            sip_decode((const uint8_t *)text, into.bytes, into.bytes, SIP_UDP, true, &message),
            REASON_NONE);
        assert_int_equal(message.flags, cases[i].flags | SIP_FLAG_COOKIE);
    }
}

/* --- two ways of reading --- */
/* Values at the edge of the form that is read from mark to mark: just inside and just outside, both
 * ways say the same. */
static void test_both_ways(void **state)
{
    (void)state;
    static const char *const names[] = {"From: ",
                                        "To: ",
                                        "Contact: ",
                                        "m: ",
                                        "Via: SIP/2.0/UDP ",
                                        "Via: ",
                                        "Call-ID: ",
                                        "CSeq: ",
                                        "Authorization: Digest ",
                                        "WWW-Authenticate: "};
    static const char *const values[] = {
        "<sip:a@b>;tag=1",
        "<sip:a@b>",
        "<sip:b>;tag=1",
        "<sip:@b>;tag=1",
        "<sip:a@>;tag=1",
        "<sip:+4930@b>;tag=1",
        "<sip:+@b>",
        "<sip:+b>",
        "<sip:a+@b>;tag=1",
        "<sip:a:p@b>;tag=1",
        "<sip:a@b:5060>;tag=1",
        "<sip:a@b:>;tag=1",
        "<sip:a@b:0>;tag=1",
        "<sip:a@b:65535>",
        "<sip:a@b:65536>",
        "<sip:a@b:506x>",
        "<sip:a@b:050600>",
        "<sip:a@b:50-0>",
        "<sip:a@b;user=phone>;tag=1",
        "<sip:a@b;user=phones>",
        "<sip:a@b;x=@>",
        "<sip:a@b@c>",
        "<sip:a@b?s=1>",
        "<sip:a%20b@c>;tag=1",
        "<sip:a b@c>",
        "<sip:a@[2001:db8::1]:5060>",
        "<sips:a@b>;tag=1",
        "<tel:+4930>;tag=1",
        "<SIP:a@b>;TAG=x",
        "<sip:a@b",
        "sip:a@b;tag=1",
        "sip:a@b",
        "*",
        "<>",
        "<sip:>",
        "<sip:a@b>x",
        "<sip:a@b> ;tag=1",
        "<sip:a@b>; tag=1",
        "<sip:a@b>;tag =1",
        "<sip:a@b>;tag=",
        "<sip:a@b>;tag",
        "<sip:a@b>;tag=1;tag=2",
        "<sip:a@b>;tag=\"1\"",
        "<sip:a@b>;;tag=1",
        "<sip:a@b>;=1",
        "<sip:a@b>;tag=a+b~c",
        "<sip:a@b>;tag=1;",
        "<sip:a@b>;expires=60;q=0.5",
        "<sip:a@b>;expires=x",
        "<sip:a@b>;q=2",
        "<sip:a@b>;expires",
        "<sip:a@b>,<sip:c@d>",
        "<sip:a@b>;q=1,<sip:c@d>;q=x",
        "\"A\" <sip:a@b>;tag=1",
        "\"\" <sip:a@b>",
        "\"A\"<sip:a@b>",
        "\"A\"  <sip:a@b>",
        "\"A\"x <sip:a@b>",
        "\"A \\\" B\" <sip:a@b>",
        "\"A <sip:a@b>;tag=1",
        "\"A, <B>\" <sip:a@b>",
        "A B <sip:a@b>;tag=1",
        "A B<sip:a@b>",
        "A,B <sip:a@b>",
        "A \"B\" <sip:a@b>",
        "A\t<sip:a@b>",
        "\xc3\xa4 <sip:a@b>",
        "<sip:a@b>;tag=\xc3\xa4",
        "<sip:a@b>\r\n ;tag=1",
        "\"A\r\n B\" <sip:a@b>",
        "192.0.2.1:5060;branch=z9hG4bK1;rport",
        "192.0.2.1;branch=z9hG4bK",
        "b;branch=1",
        "b;branch=z9hG4bK1;branch=2",
        "b;BRANCH=Z9HG4BK1",
        "b;branch=",
        "b;branch",
        "b;rport=5",
        "b;received=192.0.2.1;branch=z9hG4bK1",
        "b;received=[::1]",
        "b;received=",
        "b;ttl=300",
        "b;ttl=1;branch=z9hG4bK1",
        "b:5060 ;branch=z9hG4bK1",
        "b :5060",
        "b:",
        "b:x",
        "b:70000",
        "b;branch=z9hG4bK+~=/",
        "b;branch=\"z\"",
        "b;branch=z9hG4bK1,SIP/2.0/TCP c",
        "[::1]:5060",
        "224.0.0.1",
        "255.255.255.255;branch=z9hG4bK1",
        "239.1.2.3",
        "203.0.113.1",
        "0.0.0.0",
        "2.3.4.5",
        "25.1.1.1",
        "SIP/2.0/UDP b;branch=z9hG4bK1",
        "SIP/2.0/TCP b",
        "SIP/2.0/ b",
        "SIP/2.0/UDP",
        "SIP/2.0/UDP  b",
        "SIP / 2.0 / UDP b",
        "SIP/2.0/udp b;branch=z9hG4bK1",
        "a@b",
        "@b",
        "a@",
        "a@b@c",
        "a b",
        "a",
        "1 INVITE",
        "1 OPTIONS",
        "1  OPTIONS",
        "1 options",
        "1 FETCH",
        "1",
        "1 ",
        "OPTIONS",
        "2147483648 OPTIONS",
        "999999999 OPTIONS",
        "4294967296 OPTIONS",
        "1 OPT@ONS",
        "01 OPTIONS",
        "1\tOPTIONS",
        "x OPTIONS",
        "username=\"a\", realm=\"b\", nonce=\"c\", uri=\"sip:d\", response=\"e\"",
        "username=a,realm=b,nonce=c,uri=sip:d,response=e,nc=1",
        "Digest realm=\"a\",nonce=\"\"",
        "Digest realm=\"a\\\"b\", nonce=\"c\"",
        "Digest realm=\"a\" x, nonce=\"b\"",
        "Digest realm = \"a\", nonce=b c , stale=TRUE",
        "Digest realm=\"a, nonce=\"b\"",
        "Digest  realm=\"a\",,nonce=\"b\",",
        "Digest nonce, realm=",
        "Digest qop=\"auth,auth-int\"",
    };
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        for (size_t k = 0; k < sizeof names / sizeof names[0]; k++) {
            char room[2048];
            struct text text = text_into(room, sizeof room);
            text_string(&text, START);
            text_string(&text, names[k]);
            text_string(&text, values[i]);
            text_string(&text, "\r\n" REST END);
            uint8_t *copy = exact(room, text.bytes);
            if (!sip_padded_same(copy, text.bytes, SIP_UDP, true)) {
                fail_msg("%s%s: not the same behind many bytes", names[k], values[i]);
            }
            free(copy);
        }
    }
}

/* --- recognition --- */
static void test_recognise(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum reason unknown; /* a datagram on any flow */
        enum reason known;
        enum reason stream; /* the first bytes of a stream that nobody knows */
    } cases[] = {
        {"OPTIONS sip:a@b SIP/2.0\r\n", REASON_NONE, REASON_NONE, REASON_NONE},
        {"OPTIONS sip:a@b SIP/2.0", REASON_NONE, REASON_NONE, REASON_SIP_PARTIAL},
        {"\r\n\r\nOPTIONS sip:a@b SIP/2.0\r\n", REASON_NONE, REASON_NONE, REASON_NONE},
        {"FETCH tel:+1 SIP/2.0\r\n", REASON_NONE, REASON_NONE, REASON_NONE},
        {"SIP/2.0 200 OK\r\n", REASON_NONE, REASON_NONE, REASON_NONE},
        {"SIP/2.0 4294967301 x\r\n", REASON_NONE, REASON_NONE, REASON_NONE},
        {"SIP/2.0 20", REASON_SIP_NOT, REASON_NONE, REASON_SIP_PARTIAL},
        {"sip/2.0 200 OK\n", REASON_NONE, REASON_NONE, REASON_NONE},
        {"OPTIONS sip:a@b SIP/3.0\r\n", REASON_SIP_NOT, REASON_NONE, REASON_SIP_NOT},
        {"OPTIONS sip:a@b\r\n", REASON_SIP_NOT, REASON_NONE, REASON_SIP_NOT},
        {"OPTIONS <sip:a@b>\r\n", REASON_SIP_NOT, REASON_NONE, REASON_SIP_NOT},
        {"SIP/3.0 200 OK\r\n", REASON_SIP_NOT, REASON_NONE, REASON_SIP_NOT},
        {"\xff\xfe sip:a@b SIP/2.0\r\n", REASON_SIP_NOT, REASON_NONE, REASON_SIP_NOT},
        {"OPTIONS  SIP/2.0\r\n", REASON_SIP_NOT, REASON_NONE, REASON_SIP_NOT},
        {"NOTIFY * HTTP/1.1\r\n", REASON_SIP_NOT, REASON_SIP_NOT, REASON_SIP_NOT},
        {"M-SEARCH * HTTP/1.1\r\n", REASON_SIP_NOT, REASON_SIP_NOT, REASON_SIP_NOT},
        {"OPTIONS rtsp://a/b RTSP/1.0\r\n", REASON_SIP_NOT, REASON_SIP_NOT, REASON_SIP_NOT},
        {"HTTP/1.1 200 OK\r\n", REASON_SIP_NOT, REASON_SIP_NOT, REASON_SIP_NOT},
        {"HTTP/1.1 20", REASON_SIP_NOT, REASON_SIP_NOT, REASON_SIP_NOT},
        {"GET /x SIP", REASON_SIP_NOT, REASON_SIP_NOT, REASON_SIP_PARTIAL},
        {"SIP/2.0 200 ok\r\nHTTP/1.1 200 ok\r\n", REASON_NONE, REASON_NONE, REASON_SIP_NOT},
        {"SIP/2.0 200 ok\r\nVia: x\r\n", REASON_NONE, REASON_NONE, REASON_NONE},
        {"\r\n\r\n", REASON_SIP_NOT, REASON_SIP_NOT, REASON_SIP_PARTIAL},
        {"", REASON_SIP_NOT, REASON_SIP_NOT, REASON_SIP_PARTIAL},
        {"jaK\r\n", REASON_SIP_NOT, REASON_SIP_NOT, REASON_SIP_NOT},
        {"\x16\x03\x01\x02", REASON_SIP_NOT, REASON_SIP_NOT, REASON_SIP_NOT},
        {"OPT\x01IONS", REASON_SIP_NOT, REASON_SIP_NOT, REASON_SIP_NOT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t bytes = strlen(cases[i].text);
        uint8_t *text = exact(cases[i].text, bytes);
        struct sip_message message;
        if (sip_recognise(text, bytes, false, false) != cases[i].unknown ||
            sip_recognise(text, bytes, false, true) != cases[i].known ||
            sip_recognise(text, bytes, true, false) != cases[i].stream) {
            fail_msg("row %zu: %s", i, cases[i].text);
        }
        assert_int_equal(sip_decode(text, bytes, bytes, SIP_UDP, false, &message),
                         cases[i].unknown);
        assert_int_equal(sip_decode(text, bytes, bytes, SIP_UDP, true, &message), cases[i].known);
        free(text);
    }
}

/* --- cut, capped, and every size --- */
/* Of a message that the capture cut only what is there is told: nothing missing, no end, no length.
 */
static void test_cut_everywhere(void **state)
{
    (void)state;
    for (size_t bytes = 0; bytes < sizeof full - 1; bytes++) {
        struct sip_message message;
        uint8_t *text = exact(full, bytes);
        enum reason reason = sip_decode(text, bytes, sizeof full - 1, SIP_UDP, true, &message);
        assert_true(reason == REASON_NONE || (bytes < 12 && reason == REASON_SIP_NOT));
        for (unsigned i = 0; reason == REASON_NONE && i < message.anomaly_count; i++) {
            enum anomaly kind = (enum anomaly)message.anomalies[i];
            const char *slug = anomaly_rows[kind].slug;
            if (strncmp(slug, "missing-", 8) == 0 || strncmp(slug, "clen-", 5) == 0 ||
                kind == ANOMALY_NO_EOM || anomaly_rows[kind].class == ANOMALY_CLASS_X) {
                fail_msg("%s told of a message cut at %zu", slug, bytes);
            }
        }
        if (reason == REASON_NONE) {
            assert_true(sip_has_anomaly(&message, ANOMALY_CAPTURE_TRUNCATED));
            assert_true((message.flags & SIP_FLAG_CUT) != 0);
            assert_int_equal(message.raw_bytes, message.body_at + message.body_bytes);
            assert_true(message.raw_bytes <= bytes);
        }
        free(text);
    }
}

/* The line scan works in blocks of 64 bytes: a value that grows moves all that follows over every
 * border. */
static void test_every_alignment(void **state)
{
    (void)state;
    for (size_t grown = 0; grown < 200; grown++) {
        char text[1024];
        struct text into = text_into(text, sizeof text);
        text_string(&into, START "Subject: ");
        for (size_t i = 0; i < grown; i++) {
            text_byte(&into, 'x');
        }
        text_string(&into, "\r\n" VIA FROM
                           "To: <sip:bob@example.com>\r\n ;tag=5\r\n" CALL_ID CSEQ FORWARDS);
        text_string(&into, "Content-Type: text/plain\r\nContent-Length: 3\r\n\r\n\r\nx");
        uint8_t *copy = exact(text, into.bytes);
        struct sip_message message;
        assert_int_equal(sip_decode(copy, into.bytes, into.bytes, SIP_UDP, false, &message),
                         REASON_NONE);
        assert_int_equal(message.anomaly_count, 1);
        assert_true(sip_has_anomaly(&message, ANOMALY_HEADER_FOLD));
        assert_int_equal(message.body_bytes, 3);
        assert_part(&message, message.to_tag, "5");
        assert_part(&message, message.call_id, "a1@192.0.2.1");
        assert_int_equal(message.cseq, 7);
        assert_int_equal(message.max_forwards, 70);
        free(copy);
    }
}

static void test_caps(void **state)
{
    (void)state;
    static char text[SIP_MESSAGE_BYTES_MAX + 4096];
    struct sip_message message;
    static const struct {
        size_t lines; /* short header lines more than the usual */
        size_t value; /* bytes of one Call-ID */
        bool capped;
    } cases[] = {
        {SIP_HEADERS_MAX - 6, 1, false},
        {SIP_HEADERS_MAX - 5, 1, true},
        {0, SIP_VALUE_BYTES, false},
        {0, SIP_VALUE_BYTES + 1, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct text into = text_into(text, sizeof text);
        text_string(&into, START VIA FROM TO CSEQ FORWARDS "i: ");
        for (size_t k = 0; k < cases[i].value; k++) {
            text_byte(&into, 'c');
        }
        text_string(&into, "\r\n");
        for (size_t k = 0; k < cases[i].lines; k++) {
            text_string(&into, "X: y\r\n");
        }
        text_string(&into, "\r\n");
        assert_int_equal(
            sip_decode((const uint8_t *)text, into.bytes, into.bytes, SIP_UDP, true, &message),
            REASON_NONE);
        assert_int_equal(sip_has_anomaly(&message, ANOMALY_MESSAGE_CAPPED), cases[i].capped);
        assert_int_equal(message.call_id.bytes, cases[i].value); /* keys are never cut */
    }
    /* Longer than we take: its end is not missing, we left it out. */
    struct text into = text_into(text, sizeof text);
    text_string(&into, START REST "\r\n");
    memset(text + into.bytes, 'x', sizeof text - into.bytes);
    assert_int_equal(
        sip_decode((const uint8_t *)text, sizeof text, sizeof text, SIP_UDP, true, &message),
        REASON_NONE);
    assert_true(sip_has_anomaly(&message, ANOMALY_MESSAGE_CAPPED));
    assert_false(sip_has_anomaly(&message, ANOMALY_CAPTURE_TRUNCATED));
    assert_true(message.raw_bytes <= SIP_MESSAGE_BYTES_MAX);
    /* The framing of a stream gives the headers only of such a message. */
    into = text_into(text, sizeof text);
    text_string(&into, START VIA FROM TO CALL_ID CSEQ FORWARDS "Content-Length: 70000\r\n\r\n");
    assert_int_equal(
        sip_decode((const uint8_t *)text, into.bytes, into.bytes, SIP_TCP, true, &message),
        REASON_NONE);
    assert_true(sip_has_anomaly(&message, ANOMALY_MESSAGE_CAPPED));
    assert_false(sip_has_anomaly(&message, ANOMALY_CLEN_SHORT_BODY));
}

static void test_anomaly_once(void **state)
{
    (void)state;
    struct sip_message message;
    memset(&message, 0, sizeof message);
    sip_anomaly(&message, ANOMALY_STREAM_RESYNC);
    sip_anomaly(&message, ANOMALY_STREAM_RESYNC);
    assert_int_equal(message.anomaly_count, 1);
    assert_int_equal(message.verdict, SIP_VALID);
    sip_anomaly(&message, ANOMALY_CLEN_CONFLICT);
    sip_anomaly(&message, ANOMALY_NO_EOM);
    assert_int_equal(message.verdict, SIP_INVALID);
    for (unsigned kind = 0; kind < ANOMALY_COUNT; kind++) {
        sip_anomaly(&message, (enum anomaly)kind);
    }
    assert_int_equal(message.anomaly_count, SIP_ANOMALIES_MAX);
}

static void test_methods(void **state)
{
    (void)state;
    for (int method = SIP_METHOD_INVITE; method < SIP_METHOD_COUNT; method++) {
        const char *name = sip_method_name((enum sip_method)method);
        char other[16];
        assert_int_equal(sip_method_of(slice_of_string(name)), method);
        struct text into = text_into(other, sizeof other);
        text_string(&into, name);
        text_byte(&into, 'X');
        assert_int_equal(sip_method_of(text_slice(&into)), SIP_METHOD_OTHER);
        other[0] ^= 0x20;
        assert_int_equal(sip_method_of(slice_of(other, into.bytes - 1)), SIP_METHOD_OTHER);
    }
    assert_int_equal(sip_method_of(SLICE_NONE), SIP_METHOD_NONE);
    assert_string_equal(sip_method_name(SIP_METHOD_OTHER), "other");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_anomaly),   cmocka_unit_test(test_values),
        cmocka_unit_test(test_flags),          cmocka_unit_test(test_recognise),
        cmocka_unit_test(test_cut_everywhere), cmocka_unit_test(test_every_alignment),
        cmocka_unit_test(test_caps),           cmocka_unit_test(test_anomaly_once),
        cmocka_unit_test(test_methods),        cmocka_unit_test(test_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
