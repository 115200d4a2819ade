/* telemetry_test.h - what state and detectors would tell, made up, and a heap for the records. */
#ifndef TESTS_UNIT_TELEMETRY_TEST_H
#define TESTS_UNIT_TELEMETRY_TEST_H

#include <setjmp.h>
#include <stdarg.h>

#include "outputs/encode_json.h"
#include "outputs/schema.h"
#include "sensor/telemetry/telemetry.h"

#include <cmocka.h>
#include <sys/wait.h>
#include <unistd.h>

#define AT_NS UINT64_C(1795166102113405678)

/* --- where records go --- */

enum { RECORDS_MAX = 64 };

struct heap {
    unsigned count;
    void *records[RECORDS_MAX];
};

static inline void on_record(void *owner, const struct record *record)
{
    struct heap *heap = owner;
    assert_true(heap->count < RECORDS_MAX);
    heap->records[heap->count] = malloc(record->bytes);
    memcpy(heap->records[heap->count++], record, record->bytes);
}

static inline const struct record *record_at(const struct heap *heap, unsigned index)
{
    assert_true(index < heap->count);
    return heap->records[index];
}

static inline void heap_clear(struct heap *heap)
{
    while (heap->count > 0) {
        free(heap->records[--heap->count]);
    }
}

static inline struct telemetry *open_telemetry(struct heap *heap, const char *observer,
                                               enum telemetry_sip sip, bool all)
{
    struct telemetry_options options = {.observer_name = observer,
                                        .sip = sip,
                                        .media_interval = all,
                                        .flow = all,
                                        .refreshes = all,
                                        .on_record = on_record,
                                        .owner = heap};
    struct telemetry *telemetry;
    struct error error;
    assert_int_equal(telemetry_open(&options, &telemetry, &error), STATUS_OK);
    return telemetry;
}

/* --- what state would tell --- */

static const char invite[] =
    "INVITE sip:0012025550142@pbx.example;user=phone SIP/2.0\r\n"
    "Via: SIP/2.0/UDP 203.0.113.66:5071;branch=z9hG4bK-77;received=203.0.113.67\r\n"
    "Via: SIP/2.0/TCP edge.example;branch=z9hG4bK-76\r\n"
    "Route: <sip:edge.example;lr>, <sip:192.0.2.9;lr>\r\n"
    "From: \"Bob \\\"the\\\" <b>\" <sip:20%3001@pbx.example>;tag=b1\r\n"
    "To: <sip:0012025550142@pbx.example>\r\n"
    "Contact: <sip:2001@203.0.113.66:5071;transport=UDP>;q=0.5;expires=60\r\n"
    "Call-ID: c77@203.0.113.66\r\n"
    "CSeq: 2 INVITE\r\n"
    "Max-Forwards: 70\r\n"
    "User-Agent: Desk 2.1\r\n"
    "Allow: INVITE, ACK,BYE\r\n"
    "Supported: 100rel\r\n"
    "P-Asserted-Identity: <tel:+12025550101>\r\n"
    "Diversion: <sip:2002@pbx.example>;reason=no-answer\r\n"
    "Authorization: Digest username=\"2001\", realm=\"pbx.example\", nonce=\"SECRETNONCE\", "
    "uri=\"sip:pbx.example\", "
    "response=\"0123456789abcdef0123456789abcdef\", algorithm=MD5\r\n"
    "Content-Type: application/sdp\r\n"
    "Content-Length: 176\r\n"
    "\r\n"
    "v=0\r\no=- 1 1 IN IP4 198.51.100.20\r\ns=-\r\nc=IN IP4 198.51.100.20\r\nt=0 0\r\n"
    "m=audio 16384 RTP/SAVP 8 101\r\n"
    "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:SECRETKEY\r\na=rtpmap:8 PCMA/8000\r\n";

static inline struct endpoint endpoint_of(const char *text, uint16_t port)
{
    struct endpoint endpoint = {.port = port};
    assert_true(addr_parse(slice_of_string(text), &endpoint.addr));
    return endpoint;
}

struct sip_bench {
    _Alignas(16) uint8_t bytes[sizeof(struct sip_sighting) + sizeof(struct sdp)];
};

static inline const struct sip_sighting *make_sip(struct sip_bench *bench, const char *text)
{
    struct sip_sighting *sip = (struct sip_sighting *)(void *)bench->bytes;
    bool malformed;

    memset(bench, 0, sizeof *bench);
    sip->head.kind = SIGHTING_SIP;
    sip->head.transport = SIP_UDP;
    sip->head.key = 100 << 1 | 1;
    sip->head.time_ns = AT_NS;
    sip->head.state_ns = AT_NS;
    sip->head.source = endpoint_of("203.0.113.66", 0).addr;
    sip->head.destination = endpoint_of("192.0.2.10", 0).addr;
    sip->head.source_port = 5071;
    sip->head.destination_port = 5060;
    sip->head.vlan_outer = 101;
    sip->head.vni = 8;
    assert_int_equal(
        sip_decode((const uint8_t *)text, strlen(text), strlen(text), SIP_UDP, true, &sip->message),
        REASON_NONE);
    struct slice body = slice_of(sip->message.raw + sip->message.body_at, sip->message.body_bytes);
    struct slice sdp =
        sdp_in_body(sip_part(&sip->message, sip->message.content_type), body, &malformed);
    if (!slice_is_empty(sdp)) {
        assert_int_equal(sdp_decode(sdp, false, &sip->sdp[0]), REASON_NONE);
        sip->has_sdp = true;
    }
    return sip;
}

static inline struct transaction make_transaction(uint16_t status)
{
    return (struct transaction){.number = 100,
                                .started_ns = AT_NS,
                                .final_ns = AT_NS + 2404 * NS_PER_US,
                                .client = endpoint_of("203.0.113.66", 5071),
                                .server = endpoint_of("192.0.2.10", 5060),
                                .id = {.high = 11, .low = 12},
                                .cseq = 7,
                                .has_cseq = true,
                                .has_credentials = true,
                                .method = SIP_METHOD_REGISTER,
                                .transport = SIP_UDP,
                                .status = status,
                                .provisional = {100},
                                .provisional_count = 1,
                                .call_id = SLICE("8f1e-2@203.0.113.66"),
                                .branch = SLICE("z9hG4bK-77"),
                                .uri = SLICE("sip:pbx.example:5080"),
                                .from_user = SLICE("2001"),
                                .from_host = SLICE("pbx.example"),
                                .to_user = SLICE("2001"),
                                .to_host = SLICE("pbx.example"),
                                .auth_user = SLICE("2001"),
                                .realm = SLICE("pbx.example"),
                                .user_agent = SLICE("PBX \xff 1.0"),
                                .reason = SLICE("Unauthorized")};
}

static inline struct registration make_registration(enum registration_action action)
{
    return (struct registration){.action = (uint8_t)action,
                                 .nat = true,
                                 .status = action == REGISTRATION_REJECTED ? 403 : 200,
                                 .started_ns = AT_NS,
                                 .attempts = 214,
                                 .failures = 213,
                                 .first_failure_ns = AT_NS,
                                 .expires_s = 3600,
                                 .requested_expires_s = UINT32_MAX,
                                 .cseq = 9,
                                 .client = endpoint_of("203.0.113.66", 5071),
                                 .server = endpoint_of("192.0.2.10", 5060),
                                 .transport = SIP_TCP,
                                 .contact_count = 1,
                                 .contacts = {SLICE("sip:2001@[2001:db8::66]:5071;ob")},
                                 .aor = SLICE("sip:2001@pbx.example"),
                                 .user = SLICE("2001"),
                                 .domain = SLICE("pbx.example"),
                                 .call_id = SLICE("r1@203.0.113.66"),
                                 .reason = SLICE("OK"),
                                 .previous = endpoint_of("198.51.100.20", 5060),
                                 .changed_ip = true};
}

static inline struct call make_call(enum call_outcome outcome)
{
    return (struct call){.number = 100,
                         .started_ns = AT_NS,
                         .ringing_ns = AT_NS + 800 * NS_PER_MS,
                         .answered_ns = outcome == CALL_ANSWERED ? AT_NS + 1205 * NS_PER_MS : 0,
                         .ended_ns = AT_NS + 61205 * NS_PER_MS,
                         .last_ns = AT_NS + 61205 * NS_PER_MS,
                         .outcome = (uint8_t)outcome,
                         .ended_by = CALL_ENDED_BY_CALLER,
                         .status = outcome == CALL_ANSWERED ? 200
                                   : outcome == CALL_FAILED ? 486
                                                            : 0,
                         .q850 = 16,
                         .seen_invite = true,
                         .caller = endpoint_of("203.0.113.66", 5071),
                         .callee = endpoint_of("192.0.2.10", 5060),
                         .cseq = 2,
                         .call_id = SLICE("c77@203.0.113.66"),
                         .from_user = SLICE("%41lice%00"),
                         .from_host = SLICE("pbx.example"),
                         .to_user = SLICE("0012025550142"),
                         .to_host = SLICE("192.0.2.10"),
                         .streams = 2,
                         .mos_min_milli = 4100,
                         .mos_sum_milli = 8300,
                         .mos_count = 2,
                         .loss_ppm_max = 4400,
                         .codecs = {8},
                         .codec_names = {"PCMA"},
                         .codec_count = 1,
                         .media_both_ways = true};
}

struct stream_bench {
    struct call call;
    struct media_stream stream;
    struct stream_sighting sighting;
};

static inline void make_stream(struct stream_bench *bench)
{
    memset(bench, 0, sizeof *bench);
    bench->call = make_call(CALL_ANSWERED);
    bench->stream = (struct media_stream){
        .source = endpoint_of("198.51.100.20", 16384),
        .destination = endpoint_of("192.0.2.20", 30002),
        .ssrc = 0x9f3a11c2,
        .clock_rate = 48000,
        .clock_basis = MEDIA_CLOCK_SDP,
        .clock_index = 4,
        .codec = "opus",
        .call = &bench->call,
        .total = {.mos_milli = 4300, .r_milli = 91800, .basis = "g107/opus"},
        .interval = {.mos_milli = 4200, .r_milli = 90000, .basis = "g107/opus"},
        .mos_min_milli = 4200,
        .rtcp_reports = 3,
        .rtcp_lost = -2,
        .round_trip_mean_ns = 34 * NS_PER_MS,
        .round_trip_max_ns = 61 * NS_PER_MS};
    bench->sighting.head = (struct sighting){.kind = SIGHTING_STREAM, .transport = 17};
    bench->sighting.stream_number = 120;
    bench->sighting.payload_type = 111;
    bench->sighting.payload_types = 1;
    bench->sighting.index = 1;
    bench->sighting.first_ns = AT_NS;
    bench->sighting.last_ns = AT_NS + 10 * NS_PER_S;
    bench->sighting.interval_from_ns = AT_NS;
    bench->sighting.interval_to_ns = AT_NS + 5 * NS_PER_S;
    bench->sighting.total = (struct stream_counts){
        .packets = 498, .bytes = 99600, .expected = 500, .lost = 2, .delta_max_us = 61234};
    bench->sighting.interval =
        (struct stream_counts){.packets = 250, .bytes = 50000, .expected = 250};
    bench->sighting.jitter[4] = (struct stream_jitter){.mean_ns = 1900400, .max_ns = 6200600};
    bench->sighting.jitter[0] = (struct stream_jitter){.mean_ns = 1, .max_ns = 1};
}

static inline struct detector make_rule(void)
{
    return (struct detector){.slug = "registration-bruteforce",
                             .title = "password guessing against one account",
                             .category = "authentication",
                             .advice = "Block the source.",
                             .tactic = {"TA0006", "Credential Access"},
                             .attack = {"T1110.001", "T1110.003"},
                             .severity = 3};
}

static inline struct incident make_incident(const struct detector *rule, enum incident_state kind)
{
    return (struct incident){
        .rule = rule,
        .state = (uint8_t)kind,
        .outcome = kind == INCIDENT_CLOSE ? INCIDENT_SUCCEEDED : INCIDENT_ONGOING,
        .severity = 3,
        .stage = 3,
        .source_proven = true,
        .update = (uint32_t)kind,
        .id = {.high = 3, .low = 4},
        .chain_id = {.high = 3, .low = 4},
        .number = 17,
        .opened_ns = AT_NS,
        .first_ns = AT_NS - 7 * NS_PER_S,
        .last_ns = AT_NS,
        .told_ns = AT_NS,
        .count = 10,
        .observed = 10,
        .threshold = 10,
        .window_ns = 60 * NS_PER_S,
        .peak = 10,
        .unit = "failures",
        .confidence = {.value = 75, .why = "condition met 40, proven two-way 20"},
        .key_kind = KEY_SOURCE_ACCOUNT,
        .entity = "203.0.113.66",
        .secondary = "2001@pbx.example",
        .source = endpoint_of("203.0.113.66", 5071),
        .destination = endpoint_of("192.0.2.10", 5060),
        .account = "2001@pbx.example",
        .account_count = 1,
        .accounts = {"2001@pbx.example"},
        .evidence_count = 1,
        .evidence = {{.number = 12, .call_id = "8f1e-2@203.0.113.66"}},
        .transport = 17,
        .message = "203.0.113.66 failed 10 REGISTER attempts on account 2001"};
}

static uint64_t counts[COUNT_TOTAL];

static inline struct telemetry_sensor make_sensor(void)
{
    counts[COUNT_DECODED] = 90;
    counts[COUNT_IGNORED] = 8;
    counts[COUNT_MALFORMED] = 2;
    counts[COUNT_BYTES] = 12345;
    counts[COUNT_SIP_MESSAGES] = 4;
    counts[COUNT_REASON_FIRST + REASON_ARP] = 8;
    counts[COUNT_REASON_FIRST + REASON_IP_LENGTH] = 2;
    counts[COUNT_REASON_FIRST + REASON_KEEPALIVE] = 3;
    counts[COUNT_SIP_ANOMALY_FIRST + ANOMALY_NO_EOM] = 1;
    counts[COUNT_REQUEST_FIRST + SIP_METHOD_OTHER] = 1;
    counts[COUNT_REQUEST_FIRST + SIP_METHOD_INVITE] = 2;
    counts[COUNT_RESPONSE_FIRST] = 1;
    counts[COUNT_RESPONSE_FIRST + 386] = 5;
    counts[COUNT_RESPONSE_FIRST + 600] = 6;
    return (struct telemetry_sensor){
        .time_ns = AT_NS,
        .first_ns = AT_NS - NS_PER_S,
        .last_ns = AT_NS,
        .counts = counts,
        .state = {.registrations = {.attempts = 7, .succeeded = 5, .failed = 1}}};
}

static inline struct change change_of(enum change_kind kind)
{
    return (struct change){.kind = (uint8_t)kind, .time_ns = AT_NS, .number = 100};
}

static struct sip_bench sip_bench;
static struct stream_bench stream_bench;

static inline void tell_message(struct telemetry *telemetry, const char *text)
{
    struct change change = change_of(CHANGE_MESSAGE);
    change.sip = make_sip(&sip_bench, text);
    telemetry_change(telemetry, &change);
}

static inline void tell_transaction(struct telemetry *telemetry,
                                    const struct transaction *transaction, bool forced)
{
    struct change change = change_of(CHANGE_TRANSACTION_ENDED);
    change.transaction = transaction;
    change.forced = forced;
    telemetry_change(telemetry, &change);
}

static inline void tell_registration(struct telemetry *telemetry,
                                     const struct registration *registration)
{
    struct change change = change_of(CHANGE_REGISTRATION);
    change.registration = registration;
    telemetry_change(telemetry, &change);
}

static inline void tell_call(struct telemetry *telemetry, const struct call *call)
{
    struct change change = change_of(CHANGE_CALL_ENDED);
    change.call = call;
    telemetry_change(telemetry, &change);
}

static inline void tell_stream(struct telemetry *telemetry, enum change_kind kind)
{
    struct change change = change_of(kind);
    change.stream = &stream_bench.stream;
    change.stream_sighting = &stream_bench.sighting;
    telemetry_change(telemetry, &change);
}

static inline void tell_flow(struct telemetry *telemetry)
{
    struct flow_sighting flow = {
        .head = {.transport = 6, .source_port = 1, .destination_port = 443},
        .first_ns = AT_NS,
        .last_ns = AT_NS + 1,
        .tcp_flags = 0x1b,
        .ndpi_master = "TLS"};
    struct change change = change_of(CHANGE_FLOW_ENDED);
    flow.head.source = endpoint_of("2001:db8::66", 0).addr;
    flow.head.destination = endpoint_of("2001:db8::10", 0).addr;
    change.flow = &flow;
    telemetry_change(telemetry, &change);
}

/* One record of each dataset, in the order of their names here. */
static inline void tell_all(struct telemetry *telemetry)
{
    struct transaction transaction = make_transaction(401);
    struct registration registration = make_registration(REGISTRATION_MOVED);
    struct call call = make_call(CALL_ANSWERED);
    struct detector rule = make_rule();
    struct incident incident = make_incident(&rule, INCIDENT_OPEN);
    struct telemetry_sensor sensor = make_sensor();

    make_stream(&stream_bench);
    tell_message(telemetry, invite);
    tell_transaction(telemetry, &transaction, false);
    tell_registration(telemetry, &registration);
    tell_call(telemetry, &call);
    tell_stream(telemetry, CHANGE_STREAM_ENDED);
    tell_stream(telemetry, CHANGE_STREAM_INTERVAL);
    tell_flow(telemetry);
    telemetry_incident(telemetry, &incident);
    telemetry_sensor(telemetry, &sensor);
}

#endif
