/* Changes and incidents become records: valid by the schema, with a stable identity, in gapless
 * sequences, and only those that were asked for. */
#include "telemetry_test.h"

/* --- reading --- */

static void assert_text(const struct record *record, enum field field, const char *expected)
{
    struct record_value value;
    bool has = record_get(record, field, &value);

    if (expected == NULL) {
        assert_false(has);
        return;
    }
    if (!has || !slice_equal(value.text, slice_of_string(expected))) {
        fail_msg("%s: %.*s instead of %s", field_rows[field].name, has ? (int)value.text.bytes : 4,
                 has ? value.text.at : "none", expected);
    }
}

static void assert_number(const struct record *record, enum field field, int64_t expected)
{
    struct record_value value;
    if (!record_get(record, field, &value)) {
        fail_msg("%s is missing", field_rows[field].name);
    }
    assert_int_equal(value.number, expected);
}

static void assert_absent(const struct record *record, enum field field)
{
    struct record_value value;
    assert_false(record_get(record, field, &value));
}

/* --- tests --- */

static void records_are_valid_by_the_schema(void **state)
{
    struct heap heap = {0};
    struct telemetry *telemetry = open_telemetry(&heap, "offline", TELEMETRY_SIP_MESSAGES, true);
    const struct record_identity identity = {.observer = "offline", .version = "0.1.0"};
    char schema[] = "/tmp/earshot-schema-XXXXXX";
    char records[] = "/tmp/earshot-records-XXXXXX";
    char command[256];
    static char out[ENCODE_JSON_BYTES_MAX];
    struct encode_json *encoder;
    struct error error;
    (void)state;

    tell_all(telemetry);
    assert_int_equal(heap.count, 9);
    assert_int_equal(encode_json_open(&identity, &encoder, &error), STATUS_OK);
    FILE *file = fdopen(mkstemp(schema), "w");
    assert_non_null(file);
    schema_print(file);
    (void)fclose(file);
    file = fdopen(mkstemp(records), "w");
    assert_non_null(file);
    for (unsigned i = 0; i < heap.count; i++) {
        size_t bytes = encode_json(encoder, record_at(&heap, i), 0, out);
        assert_null(memmem(out, bytes, "SECRET", 6)); /* nonces and keys are never written */
        assert_null(memmem(out, bytes, "0123456789abcdef0123456789abcdef", 32));
        (void)fwrite(out, 1, bytes, file);
        (void)fputc('\n', file);
    }
    (void)fclose(file);
    if (getenv("EARSHOT_SHOW") != NULL) {
        (void)snprintf(command, sizeof command, "cat %s", records);
        assert_int_equal(system(command), 0);
    }
    (void)snprintf(command, sizeof command, "python3 tests/check/validate_records.py %s %s", schema,
                   records);
    fflush(NULL);
    int status = system(command);
    (void)unlink(schema);
    (void)unlink(records);
    encode_json_close(encoder);
    heap_clear(&heap);
    telemetry_close(telemetry);
    if (WEXITSTATUS(status) == 77) {
        skip();
    }
    assert_int_equal(status, 0);
}

static void a_message_is_taken_apart(void **state)
{
    struct heap heap = {0};
    struct telemetry *telemetry = open_telemetry(&heap, "offline", TELEMETRY_SIP_MESSAGES, false);
    struct record_value value;
    (void)state;

    tell_message(telemetry, invite);
    const struct record *record = record_at(&heap, 0);
    assert_text(record, FIELD_ID_EVENT_CATEGORY, "network");
    assert_text(record, FIELD_ID_EVENT_ACTION, "sip-invite");
    assert_text(record, FIELD_ID_SIP_TYPE, "request");
    assert_text(record, FIELD_ID_SIP_METHOD, "INVITE");
    assert_text(record, FIELD_ID_SIP_CODE, NULL);
    assert_text(record, FIELD_ID_SIP_VERSION, "2.0");
    assert_text(record, FIELD_ID_SIP_URI_ORIGINAL, "sip:0012025550142@pbx.example;user=phone");
    assert_text(record, FIELD_ID_SIP_URI_SCHEME, "sip");
    assert_text(record, FIELD_ID_SIP_FROM_URI_USERNAME, "20001"); /* %30 is 0 */
    assert_text(record, FIELD_ID_SIP_FROM_URI_ORIGINAL, "sip:20%3001@pbx.example");
    assert_text(record, FIELD_ID_SIP_CSEQ_CODE, "2");
    assert_text(record, FIELD_ID_SIP_CSEQ_METHOD, "INVITE");
    assert_text(record, FIELD_ID_SIP_CONTACT_TRANSPORT, "udp");
    assert_text(record, FIELD_ID_SIP_CONTACT_Q, "0.5");
    assert_text(record, FIELD_ID_SIP_CONTACT_EXPIRES, "60");
    assert_text(record, FIELD_ID_SIP_VIA_TRANSPORT, "udp");
    assert_text(record, FIELD_ID_SIP_VIA_SENT_BY_ADDRESS, "203.0.113.66");
    assert_text(record, FIELD_ID_SIP_VIA_SENT_BY_PORT, "5071");
    assert_text(record, FIELD_ID_SIP_VIA_RECEIVED_ADDRESS, "203.0.113.67");
    assert_text(record, FIELD_ID_SIP_AUTH_SCHEME, "Digest");
    assert_text(record, FIELD_ID_SIP_AUTH_REALM, "pbx.example");
    assert_number(record, FIELD_ID_SIP_CONTENT_LENGTH, 176);
    assert_number(record, FIELD_ID_SIP_MAX_FORWARDS, 70);
    assert_text(record, FIELD_ID_SIP_SDP_CONNECTION_ADDRESS, "198.51.100.20");
    assert_text(record, FIELD_ID_USER_NAME, "2001");
    assert_text(record, FIELD_ID_NETWORK_VLAN_ID, "100");
    assert_number(record, FIELD_ID_EARSHOT_VNI, 7);
    assert_number(record, FIELD_ID_EARSHOT_SIP_ROUTE_COUNT, 2);
    assert_text(record, FIELD_ID_EARSHOT_SIP_ASSERTED_URI_USERNAME, "+12025550101");
    assert_text(record, FIELD_ID_EARSHOT_SIP_ASSERTED_URI_SCHEME, "tel");
    assert_number(record, FIELD_ID_EARSHOT_SIP_VIAS, 2);
    assert_true(record_get(record, FIELD_ID_EARSHOT_SDP_MEDIA, &value));
    struct record_member_view member;
    uint32_t at = 0;
    const char *const expected[] = {"audio", "", "RTP/SAVP", "8 101", "sendrecv", "sdes"};
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        assert_true(record_object_next(value.text, &at, &member));
        assert_true(slice_equal(member.text, slice_of_string(expected[i])) ||
                    member.number == 16384);
    }
    heap_clear(&heap);
    telemetry_close(telemetry);
}

static void related_is_sorted_and_unique(void **state)
{
    struct heap heap = {0};
    struct telemetry *telemetry = open_telemetry(&heap, "offline", TELEMETRY_SIP_MESSAGES, false);
    static const char *const users[] = {"+12025550101", "0012025550142", "2001", "20001"};
    struct record_value value;
    struct addr last = {{0}};
    unsigned ips = 0;
    unsigned user = 0;
    uint32_t at = 0;
    (void)state;

    tell_message(telemetry, invite);
    while (record_next(record_at(&heap, 0), &at, &value)) {
        if (value.field == FIELD_ID_RELATED_IP) {
            assert_true(addr_compare(&last, &value.address) < 0);
            last = value.address;
            ips++;
        } else if (value.field == FIELD_ID_RELATED_USER) {
            bool known = false;
            for (size_t i = 0; i < sizeof users / sizeof users[0]; i++) {
                known |= slice_equal(value.text, slice_of_string(users[i]));
            }
            assert_true(known);
            user++;
        }
    }
    assert_int_equal(ips, 4); /* source, destination, received, media */
    assert_in_range(user, 3, 4);
    heap_clear(&heap);
    telemetry_close(telemetry);
}

/* RFC 3261 answers: role and direction are two things. */
static void an_answer_keeps_its_roles(void **state)
{
    static const char answer[] =
        "SIP/2.0 401 Unauthorized\r\nVia: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK-1\r\n"
        "From: <sip:a@b.example>;tag=1\r\nTo: <sip:a@b.example>;tag=2\r\nCall-ID: x\r\n"
        "CSeq: 1 REGISTER\r\nContent-Length: 0\r\n\r\n";
    struct heap heap = {0};
    struct telemetry *telemetry = open_telemetry(&heap, "offline", TELEMETRY_SIP_MESSAGES, false);
    struct record_value source;
    struct record_value server;
    (void)state;

    tell_message(telemetry, answer);
    const struct record *record = record_at(&heap, 0);
    assert_true(record_get(record, FIELD_ID_SOURCE_IP, &source) &&
                record_get(record, FIELD_ID_SERVER_IP, &server));
    assert_true(addr_equal(&source.address, &server.address));
    assert_text(record, FIELD_ID_SIP_CODE, "401");
    assert_text(record, FIELD_ID_SIP_METHOD, NULL);
    assert_text(record, FIELD_ID_EVENT_ACTION, "sip-register");
    assert_text(record, FIELD_ID_EVENT_OUTCOME, "failure");
    heap_clear(&heap);
    telemetry_close(telemetry);
}

static void failures_are_failures_only(void **state)
{
    static const struct {
        uint16_t status;
        bool challenged;
        bool stale;
        bool forced;
        const char *outcome;
    } rows[] = {
        {200, false, false, false, "success"}, {302, false, false, false, "success"},
        {401, true, false, false, "unknown"},  {401, false, true, false, "unknown"},
        {401, false, false, false, "failure"}, {486, false, false, false, "failure"},
        {0, false, false, false, "failure"},   {0, false, false, true, "unknown"},
    };
    (void)state;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct transaction transaction = make_transaction(rows[i].status);
        transaction.challenged = rows[i].challenged;
        transaction.stale = rows[i].stale;
        for (enum telemetry_sip level = TELEMETRY_SIP_OFF; level <= TELEMETRY_SIP_MESSAGES;
             level++) {
            struct heap heap = {0};
            struct telemetry *telemetry = open_telemetry(&heap, "offline", level, false);
            bool failure = strcmp(rows[i].outcome, "failure") == 0;
            tell_transaction(telemetry, &transaction, rows[i].forced);
            assert_int_equal(heap.count, level >= TELEMETRY_SIP_TRANSACTIONS ||
                                             (level == TELEMETRY_SIP_FAILURES && failure));
            if (heap.count != 0) {
                assert_text(record_at(&heap, 0), FIELD_ID_EVENT_OUTCOME, rows[i].outcome);
                assert_text(record_at(&heap, 0), FIELD_ID_SIP_URI_PORT, "5080");
            }
            heap_clear(&heap);
            telemetry_close(telemetry);
        }
    }
}

static void options_leave_out(void **state)
{
    struct heap heap = {0};
    struct telemetry *telemetry = open_telemetry(&heap, "offline", TELEMETRY_SIP_OFF, false);
    struct registration refreshed = make_registration(REGISTRATION_REFRESHED);
    struct call partial = make_call(CALL_ANSWERED);
    struct telemetry_sensor sensor = make_sensor();
    (void)state;

    tell_all(telemetry); /* no message, transaction, interval, flow */
    assert_int_equal(heap.count, 5);
    partial.partial = true;
    tell_call(telemetry, &partial);
    tell_registration(telemetry, &refreshed);
    tell_registration(telemetry, &refreshed);
    assert_int_equal(heap.count, 5);
    telemetry_sensor(telemetry, &sensor);
    assert_number(record_at(&heap, 5), FIELD_ID_EARSHOT_SENSOR_REGISTRATIONS_REFRESHED, 2);
    heap_clear(&heap);
    telemetry_close(telemetry);
}

static void sequences_have_no_gaps(void **state)
{
    struct heap heap = {0};
    struct telemetry *telemetry = open_telemetry(&heap, "offline", TELEMETRY_SIP_FAILURES, false);
    uint64_t next[DATASET_COUNT] = {0};
    struct transaction good = make_transaction(200);
    (void)state;

    for (unsigned i = 0; i < 5; i++) {
        tell_transaction(telemetry, &good, false); /* left out: takes no number */
        tell_all(telemetry);
    }
    for (unsigned i = 0; i < heap.count; i++) {
        const struct record *record = record_at(&heap, i);
        assert_int_equal(record->sequence, next[record->dataset]);
        next[record->dataset]++;
    }
    heap_clear(&heap);
    telemetry_close(telemetry);
}

/* Live the sensor says how its outputs stand, by name; what is 0 is left out. */
static void a_live_sensor_tells_of_its_outputs(void **state)
{
    struct heap heap = {0};
    struct telemetry *telemetry = open_telemetry(&heap, "edge-1", TELEMETRY_SIP_OFF, false);
    struct telemetry_sensor sensor = make_sensor();
    struct telemetry_live live = {.uptime_s = 7,
                                  .lag_ns = 1500 * NS_PER_US,
                                  .output_count = 2,
                                  .outputs = {{.name = "siem", .acknowledged = 5, .dropped = 2},
                                              {.name = "disk", .waiting = 3}}};
    uint32_t at = 0;
    struct record_value value;
    char told[256];
    struct text text = text_into(told, sizeof told - 1);
    (void)state;

    sensor.live = &live;
    telemetry_sensor(telemetry, &sensor);
    assert_number(record_at(&heap, 0), FIELD_ID_EARSHOT_SENSOR_UPTIME_S, 7);
    assert_number(record_at(&heap, 0), FIELD_ID_EARSHOT_SENSOR_LAG_MS, 1500);
    while (record_next(record_at(&heap, 0), &at, &value)) {
        if (value.field >= FIELD_ID_EARSHOT_SENSOR_OUTPUTS_WAITING &&
            value.field <= FIELD_ID_EARSHOT_SENSOR_OUTPUTS_DROPPED) {
            text_format(&text, "%u:%.*s=%d ",
                        value.field - (unsigned)FIELD_ID_EARSHOT_SENSOR_OUTPUTS_WAITING,
                        (int)value.text.bytes, value.text.at, (int)value.number);
        }
    }
    told[text.bytes] = '\0';
    assert_string_equal(told, "0:disk=3 1:siem=5 3:siem=2 ");
    heap_clear(&heap);
    telemetry_close(telemetry);
}

static bool same_id(const struct record *one, const struct record *other)
{
    return one->id.high == other->id.high && one->id.low == other->id.low;
}

/* The same input gives the same ids; another observer, dataset or moment another one. */
static void identities_are_stable_and_distinct(void **state)
{
    struct heap heap = {0};
    struct telemetry *one = open_telemetry(&heap, "offline", TELEMETRY_SIP_MESSAGES, true);
    struct telemetry *two = open_telemetry(&heap, "offline", TELEMETRY_SIP_MESSAGES, true);
    struct telemetry *other = open_telemetry(&heap, "edge-1", TELEMETRY_SIP_MESSAGES, true);
    (void)state;

    tell_all(one);
    tell_all(two);
    tell_all(other);
    unsigned each = heap.count / 3;
    for (unsigned i = 0; i < each; i++) {
        assert_true(same_id(record_at(&heap, i), record_at(&heap, each + i)));
        assert_memory_equal(record_at(&heap, i), record_at(&heap, each + i),
                            record_at(&heap, i)->bytes);
        for (unsigned k = 0; k < heap.count; k++) {
            if (k != i && k != each + i) {
                assert_false(same_id(record_at(&heap, i), record_at(&heap, k)));
            }
        }
    }
    heap_clear(&heap);
    telemetry_close(one);
    telemetry_close(two);
    telemetry_close(other);
}

/* Each part of each natural key counts; what is no part does not. */
static void each_part_of_a_key_counts(void **state)
{
    struct heap heap = {0};
    struct telemetry *telemetry = open_telemetry(&heap, "offline", TELEMETRY_SIP_MESSAGES, true);
    struct call call = make_call(CALL_ANSWERED);
    struct detector rule = make_rule();
    struct incident incident = make_incident(&rule, INCIDENT_OPEN);
    struct telemetry_sensor sensor = make_sensor();
    (void)state;

    tell_call(telemetry, &call); /* 0 */
    call.call_id = SLICE("other");
    tell_call(telemetry, &call);
    call.started_ns++;
    tell_call(telemetry, &call);
    telemetry_incident(telemetry, &incident); /* 3 */
    incident.state = INCIDENT_UPDATE;
    telemetry_incident(telemetry, &incident);
    incident.update++;
    telemetry_incident(telemetry, &incident);
    incident.id.low++;
    telemetry_incident(telemetry, &incident);
    telemetry_sensor(telemetry, &sensor); /* 7 */
    sensor.time_ns += 10 * NS_PER_S;
    telemetry_sensor(telemetry, &sensor);
    sensor.last = true;
    telemetry_sensor(telemetry, &sensor);
    make_stream(&stream_bench); /* 10 */
    tell_stream(telemetry, CHANGE_STREAM_ENDED);
    stream_bench.stream.ssrc++;
    tell_stream(telemetry, CHANGE_STREAM_ENDED);
    stream_bench.sighting.head.vlan_outer++;
    tell_stream(telemetry, CHANGE_STREAM_ENDED);
    stream_bench.sighting.head.vni++;
    tell_stream(telemetry, CHANGE_STREAM_ENDED);
    stream_bench.stream.source.port++;
    tell_stream(telemetry, CHANGE_STREAM_ENDED);
    stream_bench.sighting.first_ns++;
    tell_stream(telemetry, CHANGE_STREAM_ENDED);
    tell_stream(telemetry, CHANGE_STREAM_INTERVAL); /* 16 */
    stream_bench.sighting.index++;
    tell_stream(telemetry, CHANGE_STREAM_INTERVAL);
    for (unsigned i = 0; i < heap.count; i++) {
        for (unsigned k = 0; k < i; k++) {
            assert_false(same_id(record_at(&heap, i), record_at(&heap, k)));
        }
    }
    unsigned before = heap.count;
    stream_bench.sighting.total.packets++;
    tell_stream(telemetry, CHANGE_STREAM_INTERVAL);
    assert_true(same_id(record_at(&heap, before - 1), record_at(&heap, before)));
    heap_clear(&heap);
    telemetry_close(telemetry);
}

static void a_call_tells_what_it_knows(void **state)
{
    static const struct {
        enum call_outcome outcome;
        uint16_t status;
        const char *outcome_word;
        const char *disposition;
        const char *event_outcome;
    } rows[] = {
        {CALL_ANSWERED, 200, "answered", "answered", "success"},
        {CALL_CANCELLED, 487, "cancelled", "cancelled", "unknown"},
        {CALL_FAILED, 486, "failed", "busy", "failure"},
        {CALL_FAILED, 302, "failed", "redirected", "failure"},
        {CALL_FAILED, 401, "failed", "auth_failed", "failure"},
        {CALL_FAILED, 403, "failed", "forbidden", "failure"},
        {CALL_FAILED, 404, "failed", "not_found", "failure"},
        {CALL_FAILED, 408, "failed", "timeout", "failure"},
        {CALL_FAILED, 488, "failed", "rejected", "failure"},
        {CALL_FAILED, 503, "failed", "server_failure", "failure"},
        {CALL_FAILED, 504, "failed", "timeout", "failure"},
        {CALL_FAILED, 603, "failed", "rejected", "failure"},
        {CALL_RINGING, 0, "ringing", "no_answer", "unknown"},
        {CALL_ATTEMPTED, 0, "attempted", "abandoned", "unknown"},
    };
    struct heap heap = {0};
    struct telemetry *telemetry = open_telemetry(&heap, "offline", TELEMETRY_SIP_OFF, false);
    (void)state;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct call call = make_call(rows[i].outcome);
        call.status = rows[i].status;
        tell_call(telemetry, &call);
        const struct record *record = record_at(&heap, 0);
        assert_text(record, FIELD_ID_EARSHOT_CALL_OUTCOME, rows[i].outcome_word);
        assert_text(record, FIELD_ID_EARSHOT_CALL_DISPOSITION, rows[i].disposition);
        assert_text(record, FIELD_ID_EVENT_OUTCOME, rows[i].event_outcome);
        assert_text(record, FIELD_ID_SIP_FROM_URI_USERNAME, "Alice%00");
        assert_text(record, FIELD_ID_EARSHOT_CALLER_USER, "%41lice%00"); /* as sent */
        assert_number(record, FIELD_ID_EARSHOT_CALL_PDD_MS, 800000);
        if (rows[i].outcome == CALL_ANSWERED) {
            assert_number(record, FIELD_ID_EARSHOT_CALL_TALK_MS, 60000000);
            assert_number(record, FIELD_ID_EARSHOT_CALL_MEDIA_MOS_AVG, 4150);
            assert_number(record, FIELD_ID_EARSHOT_CALL_MEDIA_LOSS_PCT_MAX,
                          440); /* 4400 ppm = 0.44 % */
        } else {
            assert_absent(record, FIELD_ID_EARSHOT_CALL_TALK_MS);
        }
        heap_clear(&heap);
    }
    telemetry_close(telemetry);
}

/* No clock, no jitter; no score, no MOS: absent, never zero. */
static void a_stream_leaves_out_what_is_unknown(void **state)
{
    struct heap heap = {0};
    struct telemetry *telemetry = open_telemetry(&heap, "offline", TELEMETRY_SIP_OFF, false);
    (void)state;

    make_stream(&stream_bench);
    tell_stream(telemetry, CHANGE_STREAM_ENDED);
    const struct record *record = record_at(&heap, 0);
    assert_text(record, FIELD_ID_RTP_SSRC, "0x9f3a11c2");
    assert_number(record, FIELD_ID_RTP_JITTER_MS_MEAN, 1900);
    assert_number(record, FIELD_ID_RTP_JITTER_MS_MAX, 6201);
    assert_number(record, FIELD_ID_RTP_DELTA_MS_MAX, 61234);
    assert_number(record, FIELD_ID_RTP_LOST_PCT, 400);
    assert_number(record, FIELD_ID_RTP_RTCP_LOST, -2);
    assert_text(record, FIELD_ID_SIP_CALL_ID, "c77@203.0.113.66");
    stream_bench.stream.clock_index = STREAM_CLOCKS;
    stream_bench.stream.clock_basis = MEDIA_CLOCK_UNKNOWN;
    stream_bench.stream.clock_rate = 0;
    stream_bench.stream.codec[0] = 0;
    stream_bench.stream.call = NULL;
    stream_bench.stream.total.mos_milli = 0;
    stream_bench.sighting.total.expected = 0;
    tell_stream(telemetry, CHANGE_STREAM_ENDED);
    record = record_at(&heap, 1);
    static const enum field gone[] = {FIELD_ID_RTP_JITTER_MS_MEAN,
                                      FIELD_ID_RTP_JITTER_MS_MAX,
                                      FIELD_ID_RTP_CLOCK_RATE,
                                      FIELD_ID_RTP_CLOCK,
                                      FIELD_ID_RTP_CODEC,
                                      FIELD_ID_RTP_MOS,
                                      FIELD_ID_RTP_MOS_BASIS,
                                      FIELD_ID_RTP_LOST_PCT,
                                      FIELD_ID_SIP_CALL_ID,
                                      FIELD_ID_RTP_ENCRYPTION,
                                      FIELD_ID_EARSHOT_MEDIA_DIRECTION};
    for (size_t i = 0; i < sizeof gone / sizeof gone[0]; i++) {
        assert_absent(record, gone[i]);
    }
    heap_clear(&heap);
    telemetry_close(telemetry);
}

static void an_alert_names_its_techniques_once(void **state)
{
    struct heap heap = {0};
    struct telemetry *telemetry = open_telemetry(&heap, "offline", TELEMETRY_SIP_OFF, false);
    struct detector rule = make_rule();
    struct incident incident = make_incident(&rule, INCIDENT_CLOSE);
    struct record_value value;
    unsigned techniques = 0;
    unsigned parts = 0;
    uint32_t at = 0;
    (void)state;

    telemetry_incident(telemetry, &incident);
    const struct record *record = record_at(&heap, 0);
    while (record_next(record, &at, &value)) {
        techniques += value.field == FIELD_ID_THREAT_TECHNIQUE_ID;
        parts += value.field == FIELD_ID_THREAT_TECHNIQUE_SUBTECHNIQUE_ID;
    }
    assert_int_equal(techniques, 1);
    assert_int_equal(parts, 2);
    assert_text(record, FIELD_ID_THREAT_TECHNIQUE_ID, "T1110");
    assert_text(record, FIELD_ID_THREAT_TECHNIQUE_NAME, "Brute Force");
    assert_text(record, FIELD_ID_EARSHOT_ALERT_SEVERITY, "high");
    assert_number(record, FIELD_ID_EVENT_SEVERITY, 73);
    assert_text(record, FIELD_ID_EARSHOT_ALERT_STATE, "close");
    assert_text(record, FIELD_ID_EARSHOT_ALERT_OUTCOME, "succeeded");
    assert_text(record, FIELD_ID_EARSHOT_ALERT_ENTITY_TYPE, "source-account");
    heap_clear(&heap);
    telemetry_close(telemetry);
}

static void the_sensor_adds_up(void **state)
{
    struct heap heap = {0};
    struct telemetry *telemetry = open_telemetry(&heap, "offline", TELEMETRY_SIP_OFF, false);
    struct telemetry_sensor sensor = make_sensor();
    static const struct {
        enum field field;
        const char *name;
        int64_t count;
    } rows[] = {
        {FIELD_ID_EARSHOT_SENSOR_PACKETS_IGNORED_BY, "arp", 8},
        {FIELD_ID_EARSHOT_SENSOR_PACKETS_MALFORMED_BY, "ip.length", 2},
        {FIELD_ID_EARSHOT_SENSOR_PACKETS_NOTES, "keepalive", 3},
        {FIELD_ID_EARSHOT_SENSOR_SIP_REQUESTS, "other", 1},
        {FIELD_ID_EARSHOT_SENSOR_SIP_REQUESTS, "INVITE", 2},
        {FIELD_ID_EARSHOT_SENSOR_SIP_RESPONSES, "100", 1},
        {FIELD_ID_EARSHOT_SENSOR_SIP_RESPONSES, "486", 5},
        {FIELD_ID_EARSHOT_SENSOR_SIP_RESPONSES, "other", 6},
        {FIELD_ID_EARSHOT_SENSOR_SIP_ANOMALIES, "no-eom", 1},
    };
    struct record_value value;
    uint32_t at = 0;
    size_t row = 0;
    (void)state;

    telemetry_sensor(telemetry, &sensor);
    const struct record *record = record_at(&heap, 0);
    assert_number(record, FIELD_ID_EARSHOT_SENSOR_CAPTURE_PACKETS, 100);
    assert_number(record, FIELD_ID_EARSHOT_SENSOR_REGISTRATIONS_ATTEMPTS, 7);
    while (record_next(record, &at, &value)) {
        if (value.type == FIELD_COUNTS) {
            assert_true(row < sizeof rows / sizeof rows[0]);
            assert_int_equal(value.field, rows[row].field);
            assert_true(slice_equal(value.text, slice_of_string(rows[row].name)));
            assert_int_equal(value.number, rows[row].count);
            row++;
        }
    }
    assert_int_equal(row, sizeof rows / sizeof rows[0]);
    assert_string_equal(telemetry_meaning(SLICE("arp")), reason_rows[REASON_ARP].text);
    assert_string_equal(telemetry_meaning(SLICE("no-eom")), anomaly_rows[ANOMALY_NO_EOM].text);
    assert_null(telemetry_meaning(SLICE("none of these")));
    heap_clear(&heap);
    telemetry_close(telemetry);
}

static void a_response_tells_each_step(void **state)
{
    struct heap heap = {0};
    struct telemetry *telemetry = open_telemetry(&heap, "edge-1", TELEMETRY_SIP_OFF, false);
    struct response_binding binding = {.name = "block", .hook = "nft-block"};
    struct response_step step = {.step = STEP_ACTIVE,
                                 .has_exit = true,
                                 .exit_code = 0,
                                 .has_verified = true,
                                 .verified = true,
                                 .pid = 4120,
                                 .attempt = 2,
                                 .ttl_ns = 600 * NS_PER_S,
                                 .left_ns = 590 * NS_PER_S,
                                 .duration_ns = 7900 * NS_PER_US,
                                 .rule = "scan",
                                 .decision = {.high = 1, .low = 2}};
    struct endpoint source = endpoint_of("203.0.113.66", 0);
    struct record_value value;
    (void)state;

    response_target_of_addr(&source.addr, &step.target);
    telemetry_response(telemetry, &step, &binding, AT_NS);
    const struct record *record = record_at(&heap, 0);
    assert_text(record, FIELD_ID_EVENT_ACTION, "block");
    assert_text(record, FIELD_ID_EVENT_OUTCOME, "success");
    assert_text(record, FIELD_ID_EVENT_TYPE, "denied");
    assert_text(record, FIELD_ID_MESSAGE,
                "Done by nft-block for 203.0.113.66, to last 10 min. Response block, rule scan.");
    assert_text(record, FIELD_ID_EARSHOT_RESPONSE_STEP, "active");
    assert_text(record, FIELD_ID_EARSHOT_RESPONSE_TARGET_VALUE, "203.0.113.66");
    assert_number(record, FIELD_ID_EARSHOT_RESPONSE_TTL_S, 600);
    assert_number(record, FIELD_ID_PROCESS_PID, 4120);
    assert_number(record, FIELD_ID_PROCESS_EXIT_CODE, 0);
    assert_false(record_get(record, FIELD_ID_EARSHOT_RESPONSE_GUARD_RESULT, &value));
    assert_int_equal(record->sequence, 0);

    step = (struct response_step){.step = STEP_REFUSED,
                                  .guard = GUARD_EXACT_SCOPE,
                                  .rule = "scan",
                                  .target = {.type = RESPONSE_TARGET_ACCOUNT},
                                  .reason = "the alert names no single account"};
    telemetry_response(telemetry, &step, &binding, AT_NS);
    record = record_at(&heap, 1);
    assert_text(record, FIELD_ID_EVENT_ACTION, "refuse");
    assert_text(record, FIELD_ID_EVENT_REASON, "the alert names no single account");
    assert_text(
        record, FIELD_ID_MESSAGE,
        "Did not ask nft-block for an unknown account: guard exact-scope: the alert names no "
        "single account. Response block, rule scan.");
    assert_text(record, FIELD_ID_EARSHOT_RESPONSE_GUARD_FAILED, "exact-scope");
    assert_false(record_get(record, FIELD_ID_EARSHOT_RESPONSE_TARGET_VALUE, &value));
    assert_int_equal(record->sequence, 1);

    step = (struct response_step){.step = STEP_REVOKED, .revokes = true}; /* nobody asked for it */
    response_target_of_addr(&source.addr, &step.target);
    telemetry_response(telemetry, &step, &binding, AT_NS);
    record = record_at(&heap, 2);
    assert_text(record, FIELD_ID_EVENT_ACTION, "unblock");
    assert_text(record, FIELD_ID_EVENT_TYPE, "allowed");
    assert_false(record_get(record, FIELD_ID_RULE_ID, &value));
    assert_text(record, FIELD_ID_MESSAGE,
                "Taken back by nft-block for 203.0.113.66. Response block.");
    heap_clear(&heap);
    telemetry_close(telemetry);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_are_valid_by_the_schema),
        cmocka_unit_test(a_message_is_taken_apart),
        cmocka_unit_test(related_is_sorted_and_unique),
        cmocka_unit_test(an_answer_keeps_its_roles),
        cmocka_unit_test(failures_are_failures_only),
        cmocka_unit_test(options_leave_out),
        cmocka_unit_test(sequences_have_no_gaps),
        cmocka_unit_test(a_live_sensor_tells_of_its_outputs),
        cmocka_unit_test(identities_are_stable_and_distinct),
        cmocka_unit_test(each_part_of_a_key_counts),
        cmocka_unit_test(a_call_tells_what_it_knows),
        cmocka_unit_test(a_stream_leaves_out_what_is_unknown),
        cmocka_unit_test(an_alert_names_its_techniques_once),
        cmocka_unit_test(a_response_tells_each_step),
        cmocka_unit_test(the_sensor_adds_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
