/* Records: what is put comes back, in order, bounded; what is put out of order is a bug and stops
 * us. */
#include "outputs_test.h"

static void gives_back_every_type(void **state)
{
    static struct bench bench;
    struct record_maker *maker = bench_begin(&bench, DATASET_CALL);
    const uint8_t four[4] = {192, 0, 2, 1};
    struct addr addr = addr_from_v4(four);
    struct record_value value;
    uint32_t at = 0;
    (void)state;

    record_date(maker, FIELD_ID_EVENT_START, UINT64_MAX);
    record_string(maker, FIELD_ID_MESSAGE, "hello");
    record_address(maker, FIELD_ID_SOURCE_IP, &addr);
    record_long(maker, FIELD_ID_SOURCE_PORT, -5);
    record_decimal(maker, FIELD_ID_RTP_MOS, 4123);
    record_hash(maker, FIELD_ID_EARSHOT_TRANSACTION_ID, (struct hash128){.high = 1, .low = 2});
    record_bool(maker, FIELD_ID_EARSHOT_CALL_COMPLETE_BYE, true);
    record_count(maker, FIELD_ID_EARSHOT_SENSOR_SIP_REQUESTS, SLICE("ACK"), 3);
    record_count(maker, FIELD_ID_EARSHOT_SENSOR_SIP_REQUESTS, SLICE("BYE"), 4);
    const struct record *record = bench_end(&bench);

    assert_true(record_next(record, &at, &value) && value.field == FIELD_ID_EVENT_START);
    assert_true((uint64_t)value.number == UINT64_MAX);
    assert_true(record_next(record, &at, &value) && slice_equal(value.text, SLICE("hello")));
    assert_true(record_next(record, &at, &value) && addr_equal(&value.address, &addr));
    assert_true(record_next(record, &at, &value) && value.number == -5);
    assert_true(record_next(record, &at, &value) && value.type == FIELD_DECIMAL &&
                value.number == 4123);
    assert_true(record_next(record, &at, &value) && value.hash.high == 1 && value.hash.low == 2);
    assert_true(record_next(record, &at, &value) && value.type == FIELD_BOOL && value.number == 1);
    assert_true(record_next(record, &at, &value) && slice_equal(value.text, SLICE("ACK")) &&
                value.number == 3);
    assert_true(record_next(record, &at, &value) && slice_equal(value.text, SLICE("BYE")) &&
                value.number == 4);
    assert_false(record_next(record, &at, &value));
    assert_int_equal(at, record->bytes);
    assert_int_equal(record->sequence, 42);
    assert_int_equal(record->number, 7);

    assert_true(record_get(record, FIELD_ID_RTP_MOS, &value) && value.number == 4123);
    assert_false(record_get(record, FIELD_ID_RTP_MOS_MIN, &value));
    assert_false(record_get(record, FIELD_ID_TAGS, &value));
}

static void gives_back_objects(void **state)
{
    static struct bench bench;
    struct record_maker *maker = bench_begin(&bench, DATASET_SIP);
    const struct record_member members[] = {
        {.name = "type", .type = MEMBER_TEXT, .text = SLICE("audio")},
        {.name = "port", .type = MEMBER_NUMBER, .number = -1},
        {.name = "proto", .type = MEMBER_TEXT}, /* empty: left out */
        {.name = "payloads", .type = MEMBER_WORDS, .text = SLICE("0 8 101")},
    };
    struct record_value value;
    struct record_member_view member;
    uint32_t at = 0;
    (void)state;

    record_object(maker, FIELD_ID_EARSHOT_SDP_MEDIA, members, 4);
    assert_true(record_get(bench_end(&bench), FIELD_ID_EARSHOT_SDP_MEDIA, &value));
    assert_true(record_object_next(value.text, &at, &member) &&
                slice_equal(member.name, SLICE("type")));
    assert_true(slice_equal(member.text, SLICE("audio")));
    assert_true(record_object_next(value.text, &at, &member) && member.number == -1);
    assert_true(record_object_next(value.text, &at, &member) && member.type == MEMBER_WORDS);
    assert_true(slice_equal(member.text, SLICE("0 8 101")));
    assert_false(record_object_next(value.text, &at, &member));
}

static void puts_backwards(void)
{
    static struct bench bench;
    struct record_maker *maker = bench_begin(&bench, DATASET_CALL);
    record_string(maker, FIELD_ID_SIP_CALL_ID, "a");
    record_string(maker, FIELD_ID_MESSAGE, "b");
}

static void puts_twice(void)
{
    static struct bench bench;
    struct record_maker *maker = bench_begin(&bench, DATASET_CALL);
    record_string(maker, FIELD_ID_SIP_CALL_ID, "a");
    record_string(maker, FIELD_ID_SIP_CALL_ID, "b");
}

static void puts_wrong_type(void)
{
    static struct bench bench;
    record_long(bench_begin(&bench, DATASET_CALL), FIELD_ID_SIP_CALL_ID, 1);
}

static void puts_list(void)
{
    static struct bench bench;
    struct record_maker *maker = bench_begin(&bench, DATASET_CALL);
    record_string(maker, FIELD_ID_SIP_ALLOW, "a");
    record_string(maker, FIELD_ID_SIP_ALLOW, "b");
}

static void stops_on_our_own_mistakes(void **state)
{
    (void)state;
    assert_true(aborts(puts_backwards));
    assert_true(aborts(puts_twice));
    assert_true(aborts(puts_wrong_type));
    assert_false(aborts(puts_list));
}

static size_t text_bytes(const struct record *record, enum field field)
{
    struct record_value value;
    return record_get(record, field, &value) ? value.text.bytes : 0;
}

static void cuts_long_text_at_a_character(void **state)
{
    static const struct {
        const char *filler;
        size_t bytes;
        size_t kept;
        bool cut;
    } rows[] = {
        {"x", 1, 1, false},
        {"x", RECORD_TEXT_MAX - 1, RECORD_TEXT_MAX - 1, false},
        {"x", RECORD_TEXT_MAX, RECORD_TEXT_MAX, false},
        {"x", RECORD_TEXT_MAX + 1, RECORD_TEXT_MAX, true},
        {"\xe2\x82\xac", 300, 255, true}, /* 256 is inside the 86th euro sign */
        {"\xf0\x9f\x98\x80", 400, 256, true}, /* 256 is between two */
        {"\x80", 300, 256, true}, /* no text at all: cut where it must be */
    };
    char text[512];
    struct record_value value;
    (void)state;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        static struct bench bench;
        struct record_maker *maker = bench_begin(&bench, DATASET_CALL);
        size_t step = strlen(rows[i].filler);
        for (size_t at = 0; at < rows[i].bytes; at += step) {
            memcpy(text + at, rows[i].filler, step);
        }
        record_text(maker, FIELD_ID_SIP_CALL_ID, slice_of(text, rows[i].bytes));
        const struct record *record = bench_end(&bench);
        assert_int_equal(text_bytes(record, FIELD_ID_SIP_CALL_ID), rows[i].kept);
        assert_int_equal(record_get(record, FIELD_ID_EARSHOT_TRUNCATED, &value), rows[i].cut);
        if (rows[i].cut) {
            assert_true(slice_equal(value.text, SLICE("sip.call_id")));
        }
        assert_int_equal(record_get(record, FIELD_ID_TAGS, &value), rows[i].filler[0] == '\x80');
    }
}

static void leaves_out_what_does_not_fit(void **state)
{
    static struct bench bench;
    struct record_maker *maker = bench_begin(&bench, DATASET_CALL);
    char text[RECORD_TEXT_MAX];
    struct record_value value;
    unsigned count = 0;
    uint32_t at = 0;
    (void)state;

    memset(text, 'v', sizeof text);
    for (unsigned i = 0; i < 1000; i++) {
        record_text(maker, FIELD_ID_SIP_VIA_ORIGINAL, slice_of(text, sizeof text));
    }
    record_text(maker, FIELD_ID_SIP_VIA_BRANCH, slice_of(text, sizeof text));
    assert_true(maker->overflow);
    const struct record *record = bench_end(&bench);
    assert_true(record->bytes <= RECORD_BYTES_MAX);
    while (record_next(record, &at, &value)) {
        count += value.field == FIELD_ID_SIP_VIA_ORIGINAL;
    }
    assert_in_range(count, 200, 256);
    assert_true(record_get(record, FIELD_ID_EARSHOT_TRUNCATED, &value));
    assert_true(slice_equal(value.text, SLICE("sip.via.original")));
}

/* Every field cut, and the record full: what says so must still fit. */
static void says_so_when_all_is_cut(void **state)
{
    static struct bench bench;
    struct record_maker *maker = bench_begin(&bench, DATASET_SIP);
    char text[2048];
    struct record_value value;
    unsigned named = 0;
    uint32_t at = 0;
    (void)state;

    memset(text, 0xff, sizeof text);
    for (unsigned i = 0; i < FIELD_COUNT; i++) {
        if (field_rows[i].type == FIELD_KEYWORD && !field_rows[i].head &&
            i != FIELD_ID_EARSHOT_TRUNCATED && i != FIELD_ID_TAGS) {
            record_text(maker, (enum field)i, slice_of(text, sizeof text));
        }
    }
    const struct record *record = bench_end(&bench);
    while (record_next(record, &at, &value)) {
        named += value.field == FIELD_ID_EARSHOT_TRUNCATED;
    }
    assert_int_equal(named, RECORD_TRUNCATED_MAX);
    assert_true(record_get(record, FIELD_ID_TAGS, &value) &&
                slice_equal(value.text, SLICE("invalid_utf8")));
}

static void does_not_put_what_is_empty(void **state)
{
    static struct bench bench;
    struct record_maker *maker = bench_begin(&bench, DATASET_SIP);
    (void)state;

    record_text(maker, FIELD_ID_SIP_METHOD, SLICE_NONE);
    record_text(maker, FIELD_ID_SIP_CODE, SLICE(""));
    record_string(maker, FIELD_ID_SIP_STATUS, NULL);
    assert_int_equal(bench_end(&bench)->bytes, sizeof(struct record));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_back_every_type),
        cmocka_unit_test(gives_back_objects),
        cmocka_unit_test(stops_on_our_own_mistakes),
        cmocka_unit_test(cuts_long_text_at_a_character),
        cmocka_unit_test(leaves_out_what_does_not_fit),
        cmocka_unit_test(says_so_when_all_is_cut),
        cmocka_unit_test(does_not_put_what_is_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
