/* The key of a record: what it is about, the same for all records of one thing. */
#include "outputs_test.h"

#include "outputs/record_key.h"

static const struct record_identity identity = {.observer = "edge-1"};
static struct community_id *community;
static struct bench bench;
static char out[RECORD_KEY_BYTES];

static void key_is(const char *wanted)
{
    struct slice key = record_key(bench_end(&bench), &identity, community, out);

    if (!slice_equal(key, slice_of_string(wanted))) {
        fail_msg("got '%.*s', wanted '%s'", (int)key.bytes, key.at, wanted);
    }
}

static struct addr v4(uint8_t last)
{
    uint8_t bytes[4] = {192, 0, 2, last};

    return addr_from_v4(bytes);
}

static void put_ends(struct record_maker *maker, bool ports)
{
    struct addr source = v4(10), destination = v4(20);

    record_address(maker, FIELD_ID_SOURCE_IP, &source);
    if (ports) {
        record_long(maker, FIELD_ID_SOURCE_PORT, 4000);
    }
    record_address(maker, FIELD_ID_DESTINATION_IP, &destination);
    if (ports) {
        record_long(maker, FIELD_ID_DESTINATION_PORT, 5000);
    }
    record_string(maker, FIELD_ID_NETWORK_TRANSPORT, "udp");
}

static void what_belongs_to_a_call_has_its_call_id(void **state)
{
    static const enum dataset datasets[] = {DATASET_SIP, DATASET_TRANSACTION, DATASET_CALL,
                                            DATASET_MEDIA, DATASET_MEDIA_INTERVAL};
    (void)state;

    for (size_t i = 0; i < sizeof datasets / sizeof datasets[0]; i++) {
        struct record_maker *maker = bench_begin(&bench, datasets[i]);
        put_ends(maker, true);
        record_string(maker, FIELD_ID_SIP_CALL_ID, "c77@203.0.113.66");
        record_string(maker, FIELD_ID_RTP_SSRC, "0x1234abcd");
        key_is("c77@203.0.113.66");
    }
}

static void a_stream_without_call_has_its_ends(void **state)
{
    (void)state;

    struct record_maker *maker = bench_begin(&bench, DATASET_MEDIA);
    put_ends(maker, true);
    record_string(maker, FIELD_ID_RTP_SSRC, "0x1234abcd");
    key_is("192.0.2.10:4000 192.0.2.20:5000 udp 0x1234abcd");
    maker = bench_begin(&bench, DATASET_MEDIA_INTERVAL);
    put_ends(maker, false);
    key_is("edge-1");
}

static void others_have_what_they_are_about(void **state)
{
    (void)state;

    struct record_maker *maker = bench_begin(&bench, DATASET_REGISTRATION);
    record_string(maker, FIELD_ID_EARSHOT_REGISTRATION_AOR, "sip:2001@pbx.example");
    key_is("sip:2001@pbx.example");
    maker = bench_begin(&bench, DATASET_ALERT);
    record_string(maker, FIELD_ID_SIP_CALL_ID, "c77@203.0.113.66");
    record_string(maker, FIELD_ID_EARSHOT_ALERT_ENTITY_VALUE, "203.0.113.66");
    key_is("203.0.113.66");
    maker = bench_begin(&bench, DATASET_RESPONSE);
    record_string(maker, FIELD_ID_EARSHOT_RESPONSE_TARGET_VALUE, "203.0.113.66");
    key_is("203.0.113.66");
    (void)bench_begin(&bench, DATASET_SENSOR);
    key_is("edge-1");
    (void)bench_begin(&bench, DATASET_CALL); /* no Call-ID in it */
    key_is("edge-1");
}

/* A Call-ID of an attacker, as long as it can be, to a terminal that shows keys. */
static void nothing_in_a_key_can_act(void **state)
{
    char evil[RECORD_TEXT_MAX];
    (void)state;

    record_string(bench_begin(&bench, DATASET_CALL), FIELD_ID_SIP_CALL_ID,
                  "a\x1b]0;b\n\xff\xc3\xa9");
    key_is("a\\x1B]0;b\\x0A\\xFF\xc3\xa9");
    memset(evil, 0x1b, sizeof evil);
    record_text(bench_begin(&bench, DATASET_CALL), FIELD_ID_SIP_CALL_ID,
                slice_of(evil, sizeof evil));
    struct slice key = record_key(bench_end(&bench), &identity, community, out);
    assert_int_equal(key.bytes, 4 * sizeof evil);
    assert_memory_equal(key.at, "\\x1B\\x1B", 8);
}

/* The same name as in the record, from both ends. */
static void a_flow_has_its_community_id(void **state)
{
    (void)state;

    put_ends(bench_begin(&bench, DATASET_FLOW), true);
    struct endpoint source = {.addr = v4(10), .port = 4000};
    struct endpoint destination = {.addr = v4(20), .port = 5000};
    char wanted[COMMUNITY_ID_BYTES + 1] = {0};
    memcpy(wanted, community_id_of(community, 17, &destination, &source).at, COMMUNITY_ID_BYTES);
    assert_memory_equal(wanted, "1:", 2);
    key_is(wanted);
    put_ends(bench_begin(&bench, DATASET_FLOW), false);
    key_is("edge-1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_belongs_to_a_call_has_its_call_id),
        cmocka_unit_test(a_stream_without_call_has_its_ends),
        cmocka_unit_test(others_have_what_they_are_about),
        cmocka_unit_test(nothing_in_a_key_can_act),
        cmocka_unit_test(a_flow_has_its_community_id),
    };
    struct error error;

    if (community_id_open(&community, &error) != STATUS_OK) {
        return 1;
    }
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    community_id_close(community);
    return failed;
}
