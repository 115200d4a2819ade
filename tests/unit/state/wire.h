/* What the tests of transactions, registrations, proof, facts and state share: SIP in shorthand
 * becomes sightings, and a log keeps what was told. */
#ifndef TESTS_UNIT_STATE_WIRE_H
#define TESTS_UNIT_STATE_WIRE_H

#include "sensor/state/registration.h"
#include "sensor/state/transaction.h"

/* cmocka wants these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
#define WIRE_START_NS (UINT64_C(1767323045) * NS_PER_S)
#define WIRE_CLIENT "192.0.2.10:5060"
#define WIRE_SERVER "192.0.2.1:5060"

enum { WIRE_TEXT = 8192, WIRE_LOG = 256 };

/* One message. What is left out has a usual value. */
struct wire {
    uint32_t at_ms;
    const char *what; /* "REGISTER", or "401 REGISTER": status and CSeq method */
    uint32_t cseq; /* 0 = 1 */
    const char *branch; /* NULL: by method and CSeq; "" = none */
    const char *call_id;
    const char *client; /* who sends the request */
    const char *server;
    const char *user; /* of From and To */
    const char *to_tag; /* NULL: "t1" in answers above 100, none in requests */
    const char *headers; /* more lines, each with its CRLF */
    const char *agent;
    uint32_t vias; /* 0 = 1; lower hops stand under the topmost */
    bool invalid; /* the start line is wrong: verdict X */
    bool cut; /* the capture kept the first half of it */
    bool by_tcp;
};

static inline struct endpoint wire_endpoint(const char *text)
{
    struct endpoint endpoint = {.port = 0};
    struct slice whole = slice_of_string(text);
    size_t colon = slice_find_last(whole, ':');
    uint32_t port = 0;

    assert_true(addr_parse(slice_part(whole, 0, colon), &endpoint.addr));
    assert_true(slice_u32(slice_from(whole, colon + 1), &port));
    endpoint.port = (uint16_t)port;
    return endpoint;
}

static inline void wire_via(struct text *text, const struct wire *wire, const char *method,
                            uint32_t cseq, uint32_t hop)
{
    const char *branch_of = strcmp(method, "ACK") == 0      ? "INVITE"
                            : strcmp(method, "CANCEL") == 0 ? "INVITE"
                                                            : method;
    text_format(text, "Via: SIP/2.0/UDP 192.0.2.%u:5060", 10 + hop);
    if (wire->branch == NULL) {
        text_format(text, ";branch=z9hG4bK-%s-%u-%u", branch_of, cseq, hop);
    } else if (wire->branch[0] != '\0') {
        text_format(text, ";branch=%s%s", wire->branch, hop == 0 ? "" : "-up");
    }
    text_string(text, "\r\n");
}

static inline void wire_write(const struct wire *wire, struct text *text)
{
    bool is_response = wire->what[0] >= '0' && wire->what[0] <= '9';
    const char *method = is_response ? strchr(wire->what, ' ') + 1 : wire->what;
    const char *user = wire->user == NULL ? "2001" : wire->user;
    uint32_t cseq = wire->cseq == 0 ? 1 : wire->cseq;
    const char *to_tag = wire->to_tag;

    if (is_response) {
        text_format(text, "SIP/2.0 %.3s Phrase\r\n", wire->what);
        if (to_tag == NULL && strncmp(wire->what, "100", 3) != 0) {
            to_tag = "t1";
        }
    } else {
        text_format(text, "%s sip:%s@pbx.example SIP/%s\r\n", method, user,
                    wire->invalid ? "7.0" : "2.0");
    }
    uint32_t vias = wire->vias == 0 ? 1 : wire->vias;
    for (uint32_t hop = vias; hop > 0; hop--) {
        wire_via(text, wire, method, cseq, hop - 1);
    }
    text_format(text, "From: <sip:%s@pbx.example>;tag=f1\r\nTo: <sip:%s@pbx.example>%s%s\r\n", user,
                user,
                to_tag == NULL || to_tag[0] == '\0' ? "" : ";tag=", to_tag == NULL ? "" : to_tag);
    text_format(text, "Call-ID: %s\r\nCSeq: %u %s\r\nMax-Forwards: 70\r\n",
                wire->call_id == NULL ? "c1@pbx.example" : wire->call_id, cseq, method);
    if (!is_response) {
        text_format(text, "User-Agent: %s\r\n", wire->agent == NULL ? "Phone 1.0" : wire->agent);
    }
    text_format(text, "%sContent-Length: 0\r\n\r\n", wire->headers == NULL ? "" : wire->headers);
    assert_false(text->overflow);
}

/* The sighting of a message; it and its bytes stay until the next call. */
static inline const struct sip_sighting *wire_sip(const struct wire *wire, uint64_t number)
{
    static char memory[WIRE_TEXT];
    static struct sip_sighting sip;
    struct text text = text_into(memory, sizeof memory);
    struct endpoint client = wire_endpoint(wire->client == NULL ? WIRE_CLIENT : wire->client);
    struct endpoint server = wire_endpoint(wire->server == NULL ? WIRE_SERVER : wire->server);

    memset(&sip, 0, sizeof sip);
    wire_write(wire, &text);
    size_t kept = wire->cut ? text.bytes / 2 : text.bytes;
    assert_int_equal(
        sip_decode((const uint8_t *)text.at, kept, text.bytes, SIP_UDP, true, &sip.message),
        REASON_NONE);
    bool is_response = sip_is_response(&sip.message);
    sip.head = (struct sighting){
        .bytes = sizeof sip,
        .kind = SIGHTING_SIP,
        .transport = wire->by_tcp ? SIP_TCP : SIP_UDP,
        .key = number << 1 | 1,
        .time_ns = WIRE_START_NS + wire->at_ms * NS_PER_MS,
        .state_ns = WIRE_START_NS + wire->at_ms * NS_PER_MS,
        .source = is_response ? server.addr : client.addr,
        .source_port = is_response ? server.port : client.port,
        .destination = is_response ? client.addr : server.addr,
        .destination_port = is_response ? client.port : server.port,
    };
    sip.first_byte_ns = sip.head.time_ns;
    sip_keys_make(HASH_KEY_FIXED, &sip.head.source, &sip.head.destination, &sip.message, &sip.keys);
    return &sip;
}

static inline uint64_t wire_second(uint32_t at_s)
{
    return WIRE_START_NS / NS_PER_S + at_s;
}

#define assert_text(got, wanted) wire_assert_text(got, wanted, __FILE__, __LINE__)

static inline void wire_assert_text(struct slice got, const char *wanted, const char *file,
                                    int line)
{
    if (!slice_equal(got, slice_of_string(wanted))) {
        print_error("got '%.*s', wanted '%s'\n", (int)got.bytes, got.bytes == 0 ? "" : got.at,
                    wanted);
        _fail(file, line);
    }
}

#endif
