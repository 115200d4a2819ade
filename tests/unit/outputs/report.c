/* The report, from made-up records: exact keys, joined entries, order of first packets, bounded
 * memory, and a page that reads as it was once read and liked (report.expect; EARSHOT_BLESS=1
 * writes it anew). */
#include "outputs_test.h"

#include "outputs/report.h"

#include <malloc.h>

static struct bench bench;

static struct addr addr_of(const char *text)
{
    struct addr addr;
    assert_true(addr_parse(slice_of_string(text), &addr));
    return addr;
}

static const struct record *end_record(void)
{
    record_end(&bench.maker, (struct hash128){.high = 1}, 0);
    return bench.maker.record;
}

struct made_call {
    uint64_t number;
    const char *id;
    const char *from;
    const char *to;
    const char *outcome;
    const char *status;
    uint64_t start_s;
    uint64_t seconds;
    int64_t mos_min; /* 0 = none */
    bool one_way;
};

#define DAY_S UINT64_C(1767323045) /* 2026-01-02T03:04:05Z */

static void see_call(struct report *report, const struct made_call *call)
{
    struct record_maker *maker = &bench.maker;
    uint64_t start_ns = (DAY_S + call->start_s) * NS_PER_S;
    uint64_t end_ns = start_ns + call->seconds * NS_PER_S + 250 * NS_PER_MS;

    record_begin(maker, bench.memory, DATASET_CALL, end_ns, call->number);
    record_date(maker, FIELD_ID_EVENT_START, start_ns);
    record_date(maker, FIELD_ID_EVENT_END, end_ns);
    record_string(maker, FIELD_ID_SIP_CODE, call->status);
    record_string(maker, FIELD_ID_SIP_CALL_ID, call->id);
    record_string(maker, FIELD_ID_EARSHOT_CALLER_USER, call->from);
    record_string(maker, FIELD_ID_EARSHOT_CALLEE_USER, call->to);
    record_string(maker, FIELD_ID_EARSHOT_CALL_OUTCOME, call->outcome);
    if (strcmp(call->outcome, "answered") == 0) {
        record_decimal(maker, FIELD_ID_EARSHOT_CALL_TALK_MS, (int64_t)call->seconds * 1000000);
        if (call->one_way) {
            record_bool(maker, FIELD_ID_EARSHOT_CALL_MEDIA_ONE_WAY, true);
        }
        record_bool(maker, FIELD_ID_EARSHOT_CALL_MEDIA_NO_MEDIA, call->mos_min == 0);
        if (call->mos_min != 0) {
            record_decimal(maker, FIELD_ID_EARSHOT_CALL_MEDIA_MOS_MIN, call->mos_min);
        }
    }
    report_see(report, end_record());
}

struct made_stream {
    uint64_t number;
    const char *source;
    uint16_t source_port;
    const char *destination;
    uint16_t destination_port;
    const char *ssrc;
    const char *codec;
    const char *call;
    uint64_t first_s;
    uint64_t last_s;
    int64_t packets;
    int64_t expected;
    int64_t lost;
    int64_t duplicates;
    int64_t jitter_mean; /* -1 = not known */
    int64_t mos; /* 0 = none */
};

static void see_stream(struct report *report, const struct made_stream *stream)
{
    struct record_maker *maker = &bench.maker;
    struct addr source = addr_of(stream->source);
    struct addr destination = addr_of(stream->destination);

    record_begin(maker, bench.memory, DATASET_MEDIA, (DAY_S + stream->last_s) * NS_PER_S,
                 stream->number);
    record_date(maker, FIELD_ID_EVENT_START, (DAY_S + stream->first_s) * NS_PER_S);
    record_date(maker, FIELD_ID_EVENT_END, (DAY_S + stream->last_s) * NS_PER_S);
    record_address(maker, FIELD_ID_SOURCE_IP, &source);
    record_long(maker, FIELD_ID_SOURCE_PORT, stream->source_port);
    record_address(maker, FIELD_ID_DESTINATION_IP, &destination);
    record_long(maker, FIELD_ID_DESTINATION_PORT, stream->destination_port);
    record_string(maker, FIELD_ID_SIP_CALL_ID, stream->call);
    record_string(maker, FIELD_ID_RTP_SSRC, stream->ssrc);
    record_long(maker, FIELD_ID_RTP_PAYLOAD_TYPE, stream->codec == NULL ? 96 : 8);
    record_string(maker, FIELD_ID_RTP_CODEC, stream->codec);
    record_long(maker, FIELD_ID_RTP_PACKETS, stream->packets);
    record_long(maker, FIELD_ID_RTP_EXPECTED, stream->expected);
    record_long(maker, FIELD_ID_RTP_LOST, stream->lost);
    record_long(maker, FIELD_ID_RTP_DUPLICATES, stream->duplicates);
    record_long(maker, FIELD_ID_RTP_REORDERED, 3);
    if (stream->jitter_mean >= 0) {
        record_decimal(maker, FIELD_ID_RTP_JITTER_MS_MEAN, stream->jitter_mean);
        record_decimal(maker, FIELD_ID_RTP_JITTER_MS_MAX, stream->jitter_mean * 3);
    }
    record_decimal(maker, FIELD_ID_RTP_DELTA_MS_MAX, 61200);
    if (stream->mos != 0) {
        record_decimal(maker, FIELD_ID_RTP_MOS, stream->mos);
    }
    report_see(report, end_record());
}

struct made_alert {
    uint64_t id;
    const char *rule;
    const char *message;
    const char *source;
    const char *target;
    const char *outcome;
    int level;
    int confidence;
    int64_t count;
};

static void see_alert(struct report *report, const struct made_alert *alert)
{
    struct record_maker *maker = &bench.maker;

    record_begin(maker, bench.memory, DATASET_ALERT, (DAY_S + 60) * NS_PER_S, 0);
    record_string(maker, FIELD_ID_MESSAGE, alert->message);
    record_string(maker, FIELD_ID_RULE_ID, alert->rule);
    if (alert->source != NULL) {
        struct addr source = addr_of(alert->source);
        record_address(maker, FIELD_ID_SOURCE_IP, &source);
    }
    struct addr destination = addr_of("192.0.2.10");
    record_address(maker, FIELD_ID_DESTINATION_IP, &destination);
    record_hash(maker, FIELD_ID_EARSHOT_ALERT_ID, (struct hash128){.low = alert->id});
    record_string(maker, FIELD_ID_EARSHOT_ALERT_OUTCOME, alert->outcome);
    record_hash(maker, FIELD_ID_EARSHOT_ALERT_CHAIN_ID, (struct hash128){.low = alert->id});
    record_long(maker, FIELD_ID_EARSHOT_ALERT_CHAIN_LEVEL, alert->level);
    record_long(maker, FIELD_ID_EARSHOT_ALERT_LEVEL, alert->level);
    record_long(maker, FIELD_ID_EARSHOT_ALERT_CONFIDENCE, alert->confidence);
    if (alert->source != NULL) {
        record_bool(maker, FIELD_ID_EARSHOT_ALERT_SOURCE_PROVEN, alert->confidence > 50);
    }
    record_string(maker, FIELD_ID_EARSHOT_ALERT_TARGET, alert->target);
    for (int64_t i = 0; alert->count == 12 && i < 10; i++) {
        char account[32];
        snprintf(account, sizeof account, "%d@example.com", (int)(2001 + i));
        record_string(maker, FIELD_ID_EARSHOT_ALERT_ACCOUNTS, account);
    }
    record_long(maker, FIELD_ID_EARSHOT_ALERT_ACCOUNT_COUNT, alert->count);
    record_date(maker, FIELD_ID_EARSHOT_ALERT_FIRST_SEEN, (DAY_S + 10) * NS_PER_S);
    uint64_t later_ns = alert->count == 12 ? NS_PER_DAY : 0; /* one goes on over midnight */
    record_date(maker, FIELD_ID_EARSHOT_ALERT_LAST_SEEN, (DAY_S + 47) * NS_PER_S + later_ns);
    record_long(maker, FIELD_ID_EARSHOT_ALERT_COUNT, alert->count);
    record_long(maker, FIELD_ID_EARSHOT_ALERT_PEAK, alert->count > 100 ? alert->count : 3);
    record_string(maker, FIELD_ID_EARSHOT_ALERT_UNIT, "failures");
    record_string(
        maker, FIELD_ID_EARSHOT_ALERT_ADVICE,
        "Block the address at the edge and change the password of every account that it got into.");
    record_long(maker, FIELD_ID_EARSHOT_ALERT_EVIDENCE_PACKETS, 12);
    record_long(maker, FIELD_ID_EARSHOT_ALERT_EVIDENCE_PACKETS, 1017);
    report_see(report, end_record());
}

static void see_registrations(struct report *report)
{
    static const char *const actions[] = {"registered", "registered", "rejected", "moved",
                                          "expired"};

    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
        struct record_maker *maker = bench_begin(&bench, DATASET_REGISTRATION);
        record_string(maker, FIELD_ID_EVENT_ACTION, actions[i]);
        record_bool(maker, FIELD_ID_EARSHOT_REGISTRATION_ACCOUNT_KNOWN, true);
        report_see(report, end_record());
    }
}

static void see_sensor(struct report *report, int64_t scale)
{
    struct record_maker *maker = bench_begin(&bench, DATASET_SENSOR);

    record_long(maker, FIELD_ID_EARSHOT_SENSOR_CAPTURE_PACKETS, 120331 * scale);
    record_long(maker, FIELD_ID_EARSHOT_SENSOR_CAPTURE_BYTES, 25270000 * scale);
    record_date(maker, FIELD_ID_EARSHOT_SENSOR_CAPTURE_START, DAY_S * NS_PER_S + 678901234);
    record_date(maker, FIELD_ID_EARSHOT_SENSOR_CAPTURE_END, (DAY_S + 604) * NS_PER_S + 678901235);
    record_bool(maker, FIELD_ID_EARSHOT_SENSOR_CAPTURE_TRUNCATED, true);
    record_string(maker, FIELD_ID_EARSHOT_SENSOR_CAPTURE_FAULTS,
                  "b.pcap: no capture file \x1b[31m");
    record_long(maker, FIELD_ID_EARSHOT_SENSOR_PACKETS_DECODED, 118201 * scale);
    record_long(maker, FIELD_ID_EARSHOT_SENSOR_PACKETS_IGNORED, 2129 * scale);
    record_long(maker, FIELD_ID_EARSHOT_SENSOR_PACKETS_MALFORMED, 1 * scale);
    record_count(maker, FIELD_ID_EARSHOT_SENSOR_PACKETS_IGNORED_BY, SLICE("arp"), 129);
    record_count(maker, FIELD_ID_EARSHOT_SENSOR_PACKETS_IGNORED_BY, SLICE("icmp"), 2000);
    record_count(maker, FIELD_ID_EARSHOT_SENSOR_PACKETS_MALFORMED_BY, SLICE("ip.length"), 1);
    record_count(maker, FIELD_ID_EARSHOT_SENSOR_PACKETS_ANOMALIES, SLICE("ip-frag-overlap"), 2);
    record_long(maker, FIELD_ID_EARSHOT_SENSOR_SIP_MESSAGES, 1204 * scale);
    record_long(maker, FIELD_ID_EARSHOT_SENSOR_SIP_MALFORMED, 3);
    record_count(maker, FIELD_ID_EARSHOT_SENSOR_SIP_REQUESTS, SLICE("other"), 2);
    record_count(maker, FIELD_ID_EARSHOT_SENSOR_SIP_REQUESTS, SLICE("INVITE"), 120);
    record_count(maker, FIELD_ID_EARSHOT_SENSOR_SIP_RESPONSES, SLICE("200"), 1080);
    record_count(maker, FIELD_ID_EARSHOT_SENSOR_SIP_ANOMALIES, SLICE("missing-max-forwards"), 40);
    record_long(maker, FIELD_ID_EARSHOT_SENSOR_REGISTRATIONS_ATTEMPTS, 40);
    record_long(maker, FIELD_ID_EARSHOT_SENSOR_REGISTRATIONS_SUCCEEDED, 39);
    record_long(maker, FIELD_ID_EARSHOT_SENSOR_REGISTRATIONS_FAILED, 1);
    record_long(maker, FIELD_ID_EARSHOT_SENSOR_RTCP_PACKETS, 17);
    record_long(maker, FIELD_ID_EARSHOT_SENSOR_TABLES_EVICTED, 5);
    report_see(report, end_record());
}

static void fill(struct report *report)
{
    static const struct made_call calls[] = {
        {40, "c3@pbx", "2003", "%2B12025550142", "answered", "200", 30, 541, 4100, false},
        {10, "c1@pbx", "2001", "2002", "answered", "200", 2, 61, 3210, true},
        {20, "c2@pbx", "2001", "0012025550142", "failed", "486", 9, 4, 0, false},
        {50, "c4@pbx", "attacker\x1b]0;x\x07 \xe2\x80\xae",
         "a-very-long-user-name-that-does-not-fit", "cancelled", "487", 40, 1, 0, false},
        {60, "c5@pbx", "2004", "2005", "ringing", NULL, 50, 12, 0, false},
        {65, "c2@pbx", "2001", "0012025550142", "attempted", NULL, 300, 4, 0,
         false}, /* its Call-ID again */
        {70, "c6\"\\\n", NULL, NULL, "attempted", NULL, 55, 0, 0, false},
    };
    static const struct made_stream streams[] = {
        {44, "198.51.100.20", 16384, "192.0.2.20", 30002, "0x9f3a11c2", "PCMA", "c3@pbx", 31, 570,
         27498, 27510, 12, 0, 1900, 4300},
        {12, "2001:db8::20", 16384, "2001:db8::10", 30004, "0x00000001", "opus", NULL, 3, 60, 2900,
         3000, 100, 0, -1, 3210},
        {13, "192.0.2.20", 30002, "198.51.100.20", 16384, "0x00000002", NULL, "c3@pbx", 31, 570,
         100, 100, 0, 0, -1, 0},
        /* the same stream on two VLANs at once: copies of each other */
        {14, "192.0.2.20", 4000, "198.51.100.20", 5000, "0x00000003", "PCMU", "c1@pbx", 3, 60, 998,
         1000, 2, 0, 1000, 4000},
        {15, "192.0.2.20", 4000, "198.51.100.20", 5000, "0x00000003", "PCMU", "c1@pbx", 3, 60, 999,
         1000, 1, 0, 3000, 4100},
        /* and one that went on after silence: parts of one */
        {16, "192.0.2.20", 4002, "198.51.100.20", 5002, "0x00000004", "PCMU", NULL, 3, 60, 100, 110,
         10, 0, 1000, 0},
        {17, "192.0.2.20", 4002, "198.51.100.20", 5002, "0x00000004", "PCMU", NULL, 400, 460, 300,
         300, 0, 1, 2000, 0},
    };
    static const struct made_alert alerts[] = {
        {7, "media-quality",
         "Calls from 198.51.100.20 sound bad: MOS 3.21, 3.3 % of the packets lost", NULL, NULL,
         NULL, 2, 60, 3},
        {3, "registration-bruteforce",
         "203.0.113.66 failed 10 REGISTER attempts on account 2001 in 7.1 s (limit 10 in 60 s)",
         "203.0.113.66", "2001@pbx.example", NULL, 3, 75, 10},
        {3, "registration-bruteforce",
         "203.0.113.66 failed 214 REGISTER attempts on account 2001 in 37 s (limit 10 in 60 s)",
         "203.0.113.66", "2001@pbx.example", "succeeded", 4, 90, 214},
        {9, "scan", "203.0.113.99 claims to be the sender of OPTIONS to 12 hosts", "203.0.113.99",
         NULL, "stopped", 1, 40, 12},
        {7, "media-quality",
         "Calls from 198.51.100.20 sound bad: MOS 3.21, 3.3 % of the packets lost", NULL, NULL,
         NULL, 2, 60, 4}, /* after another one: joined all the same */
    };

    see_sensor(report, 0);
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        see_call(report, &calls[i]);
    }
    for (size_t i = 0; i < sizeof streams / sizeof streams[0]; i++) {
        see_stream(report, &streams[i]);
    }
    for (size_t i = 0; i < sizeof alerts / sizeof alerts[0]; i++) {
        see_alert(report, &alerts[i]);
    }
    see_registrations(report);
    see_sensor(report, 1);
}

static const char *meaning(struct slice slug)
{
    return slice_equal(slug, SLICE("arp")) ? "address resolution (RFC 826)"
           : slice_equal(slug, SLICE("missing-max-forwards"))
               ? "request without Max-Forwards (RFC 3261 section "
                 "8.1.1.6), a sentence that is too long for one line"
               : NULL;
}

/* The printed report; the caller frees it. */
static char *printed(enum report_form form, bool colour, unsigned width,
                     void (*filler)(struct report *report))
{
    struct report *report;
    struct error error;
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);

    assert_int_equal(report_open(form, &report, &error), STATUS_OK);
    report_words(report, meaning);
    filler(report);
    assert_int_equal(report_print(report, out, colour, width, &error), STATUS_OK);
    report_close(report);
    (void)fclose(out);
    return text;
}

static void nothing(struct report *report)
{
    (void)report;
}

/* Runs a python expression over the parsed report `r`. */
static void assert_python(const char *json, const char *expressions)
{
    char path[] = "/tmp/earshot-report-XXXXXX";
    char command[8192];
    FILE *file = fdopen(mkstemp(path), "w");

    assert_non_null(file);
    (void)fputs(json, file);
    (void)fclose(file);
    int bytes = snprintf(command, sizeof command,
                         "python3 - %s <<'END'\nimport json, sys\n"
                         "r = json.load(open(sys.argv[1], encoding='utf-8'))\n%s\nEND\n",
                         path, expressions);
    assert_in_range(bytes, 1, sizeof command - 1);
    int status = shell(command);
    (void)unlink(path);
    assert_int_equal(status, 0);
}

static void json_has_the_promised_keys(void **state)
{
    char *json = printed(REPORT_JSON, false, 0, fill);
    (void)state;

    assert_python(
        json, "assert list(r) == ['capture', 'packets', 'sip', 'calls', 'registrations', "
              "'streams', 'rtcp', 'alerts'], list(r)\n"
              "def has(o, keys):\n    assert list(o)[:len(keys.split())] == keys.split(), "
              "(list(o), keys)\n"
              "has(r['capture'], 'packets bytes start end seconds truncated')\n"
              "has(r['packets'], 'decoded ignored malformed')\n"
              "assert r['packets']['anomalies'] == {'ip-frag-overlap': 2}\n"
              "has(r['sip'], 'messages requests responses malformed anomalies')\n"
              "for c in r['calls']: has(c, 'id from to outcome status start seconds')\n"
              "has(r['registrations'], 'attempts succeeded failed')\n"
              "for s in r['streams']: has(s, 'source destination ssrc payload_type codec packets "
              "expected lost duplicates '\n"
              "    'reordered jitter_ms max_delta_ms mos call'); has(s['jitter_ms'], 'mean max')\n"
              "for a in r['alerts']: has(a, 'rule severity source target start count')\n"
              "assert r['capture']['packets'] == 120331 == sum(r['packets'][k] for k in "
              "('decoded', 'ignored', 'malformed'))\n"
              "assert r['capture']['start'] == '2026-01-02T03:04:05.678901234Z', r['capture']\n"
              "assert r['capture']['seconds'] == 604.000000001, r['capture']\n"
              "assert r['capture']['truncated'] is True\n"
              "assert r['capture']['faults'] == ['b.pcap: no capture file \\x1b[31m']\n"
              "assert r['sip']['requests'] == {'other': 2, 'INVITE': 120} and r['rtcp'] == "
              "{'packets': 17}\n"
              "assert r['registrations'] == {'attempts': 40, 'succeeded': 39, 'failed': 1}\n");
    free(json);
}

static void json_joins_and_orders(void **state)
{
    char *json = printed(REPORT_JSON, false, 0, fill);
    (void)state;

    assert_python(
        json,
        "c = r['calls']\n"
        "assert [x['id'] for x in c] == ['c1@pbx', 'c2@pbx', 'c3@pbx', 'c4@pbx', 'c5@pbx', "
        "'c6\"\\\\\\n'], c\n"
        "assert c[1]['outcome'] == 'failed' and c[1]['status'] == 486 and c[1]['seconds'] == "
        "295.25, c[1]\n"
        "assert c[2]['to'] == '%2B12025550142'\n"
        "assert c[5]['from'] is None and c[5]['to'] is None and c[5]['status'] is None\n"
        "assert c[3]['from'] == 'attacker\\x1b]0;x\\x07 \\u202e'\n"
        "s = r['streams']\n"
        "assert [x['ssrc'] for x in s] == ['0x00000001', '0x00000002', '0x00000003', '0x00000004', "
        "'0x9f3a11c2'], s\n"
        "assert s[0]['source'] == '[2001:db8::20]:16384' and s[0]['jitter_ms'] == {'mean': None, "
        "'max': None}\n"
        "assert s[0]['call'] is None and s[1]['codec'] is None and s[1]['mos'] is None\n"
        "assert s[1]['payload_type'] == 96\n"
        "t = s[2]\n"
        "assert (t['packets'], t['expected'], t['lost'], t['duplicates']) == (1997, 1000, 1, 998), "
        "t\n"
        "assert 1.9 < t['jitter_ms']['mean'] < 2.1 and t['jitter_ms']['max'] == 9.0 and t['mos'] "
        "== 4.0, t\n"
        "t = s[3]\n"
        "assert (t['packets'], t['expected'], t['lost'], t['duplicates']) == (400, 410, 10, 1), t\n"
        "assert s[4]['max_delta_ms'] == 61.2 and s[4]['jitter_ms'] == {'mean': 1.9, 'max': 5.7}\n"
        "a = r['alerts']\n"
        "assert all(x['chain_severity'] == x['severity'] and len(x['chain']) == 32 for x in a)\n"
        "assert [(x['rule'], x['severity'], x['count']) for x in a] == [('media-quality', 2, 4),\n"
        "    ('registration-bruteforce', 4, 214), ('scan', 1, 12)], a\n"
        "assert a[0]['source'] is None and a[0]['target'] == '192.0.2.10' and a[1]['target'] == "
        "'2001@pbx.example'\n"
        "assert a[1]['source'] == '203.0.113.66' and a[1]['start'] == "
        "'2026-01-02T03:04:15.000000000Z'\n");
    free(json);
}

static void json_of_nothing_is_whole(void **state)
{
    char *json = printed(REPORT_JSON, false, 0, nothing);
    (void)state;

    assert_python(
        json,
        "assert r['capture']['packets'] == 0 and r['capture']['start'] is None and "
        "r['capture']['truncated'] is False\n"
        "assert r['calls'] == r['streams'] == r['alerts'] == [] and r['sip']['requests'] == {}\n");
    free(json);
}

/* As a person reads it. */
static void text_reads_as_expected(void **state)
{
    const char *path = "tests/unit/outputs/report.expect";
    char *text = printed(REPORT_TEXT, false, 90, fill);
    char *narrow = printed(REPORT_TEXT, false, 1, nothing);
    static char expected[64 << 10];
    char *both = NULL;
    (void)state;

    assert_true(asprintf(&both, "%s=====\n%s", text, narrow) > 0);
    if (getenv("EARSHOT_BLESS") != NULL) {
        FILE *bless = fopen(path, "w");
        assert_non_null(bless);
        (void)fputs(both, bless);
        (void)fclose(bless);
    }
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t bytes = fread(expected, 1, sizeof expected - 1, file);
    expected[bytes] = 0;
    (void)fclose(file);
    assert_string_equal(both, expected);
    free(text);
    free(narrow);
    free(both);
}

/* Nothing that moves a cursor, whatever the wire said; no line beyond the width. */
static void text_is_safe_for_a_terminal(void **state)
{
    static const unsigned widths[] = {1, 60, 80, 100, 1000};
    (void)state;

    for (size_t i = 0; i < sizeof widths / sizeof widths[0]; i++) {
        char *text = printed(REPORT_TEXT, false, widths[i], fill);
        size_t width = widths[i] < 60 ? 60 : widths[i] > 100 ? 100 : widths[i];
        size_t column = 0;
        for (const char *at = text; *at != 0; at++) {
            column = *at == '\n' ? 0 : column + (((uint8_t)*at & 0xc0) != 0x80);
            assert_true(*at == '\n' || ((uint8_t)*at >= 0x20 && *at != 0x7f));
            assert_true(column <= width);
        }
        assert_null(strstr(text, "\xe2\x80\xae"));
        free(text);
    }
    char *text = printed(REPORT_TEXT, true, 80, fill);
    assert_non_null(strstr(text, "\x1b[1;31m  critical\x1b[0m"));
    free(text);
}

static uint64_t shuffled(uint64_t i)
{
    return i * UINT64_C(7919) % 100000; /* a permutation: 7919 and 100,000 share no factor */
}

static void many_calls(struct report *report)
{
    char id[64];
    struct made_call call = {
        .id = id, .from = "2001", .to = "2002", .status = "200", .seconds = 10};

    for (uint64_t i = 0; i < 100000; i++) {
        call.number = shuffled(i);
        call.start_s = call.number;
        call.outcome = call.number % 2 == 0 ? "answered" : "failed";
        (void)snprintf(id, sizeof id, "call-%" PRIu64 "@pbx.example", call.number);
        see_call(report, &call);
        if (i % 10 == 0) {
            see_call(report, &call); /* again: joined */
        }
    }
}

/* 100,000 calls and more, in any order: each once, in order, and memory does not grow with them. */
static void holds_many_calls_in_bounded_memory(void **state)
{
    struct report *report;
    struct error error;
    char path[] = "/tmp/earshot-report-XXXXXX";
    char line[1024];
    uint64_t next = 0;
    (void)state;

    FILE *out = fdopen(mkstemp(path), "w+");
    assert_non_null(out);
    size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
    assert_int_equal(report_open(REPORT_JSON, &report, &error), STATUS_OK);
    many_calls(report);
    assert_true(mallinfo2().uordblks + mallinfo2().hblkhd - before < (1 << 20));
    assert_int_equal(report_print(report, out, false, 0, &error), STATUS_OK);
    report_close(report);
    rewind(out);
    while (fgets(line, sizeof line, out) != NULL) {
        const char *id = strstr(line, "{\"id\":\"call-");
        if (id != NULL) {
            struct slice digits = slice_of_string(id + strlen("{\"id\":\"call-"));
            uint64_t number = UINT64_MAX;
            assert_true(slice_u64(slice_part(digits, 0, slice_find(digits, '@')), &number));
            assert_int_equal(number, next);
            next++;
        }
    }
    assert_int_equal(next, 100000);
    (void)fclose(out);
    (void)unlink(path);
}

static void more_than_the_lists_take(struct report *report)
{
    char id[64];
    struct made_call call = {.id = id,
                             .from = "2001",
                             .to = "2002",
                             .status = "200",
                             .outcome = "answered",
                             .seconds = 10};

    see_sensor(report, 1);
    report_limit(report, 100000);
    for (uint64_t i = 0; i < 1000; i++) {
        call.number = i;
        call.start_s = i;
        (void)snprintf(id, sizeof id, "call-%" PRIu64 "@pbx.example", i);
        see_call(report, &call);
    }
}

/* A run of weeks fills no disk; what is not listed is counted. */
static void lists_have_a_limit(void **state)
{
    (void)state;
    char *json = printed(REPORT_JSON, false, 0, more_than_the_lists_take);
    char *text = printed(REPORT_TEXT, false, 200, more_than_the_lists_take);

    assert_python(json, "100 < len(r['calls']) < 900 and "
                        "len(r['calls']) + r['capture']['not_listed']['calls'] == 1000 and "
                        "r['capture']['not_listed']['alerts'] == 0 and "
                        "r['calls'][0]['id'] == 'call-0@pbx.example'");
    assert_non_null(strstr(text, "  not listed "));
    free(json);
    free(text);
}

static void says_when_there_is_no_room(void **state)
{
    struct report *report;
    struct error error = {0};
    (void)state;

    assert_int_equal(setenv("TMPDIR", "/nowhere/at/all", 1), 0);
    assert_int_equal(report_open(REPORT_JSON, &report, &error), STATUS_FAILED);
    assert_non_null(strstr(error.message, "TMPDIR"));
    assert_int_equal(unsetenv("TMPDIR"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_has_the_promised_keys),
        cmocka_unit_test(json_joins_and_orders),
        cmocka_unit_test(json_of_nothing_is_whole),
        cmocka_unit_test(text_reads_as_expected),
        cmocka_unit_test(text_is_safe_for_a_terminal),
        cmocka_unit_test(holds_many_calls_in_bounded_memory),
        cmocka_unit_test(lists_have_a_limit),
        cmocka_unit_test(says_when_there_is_no_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
