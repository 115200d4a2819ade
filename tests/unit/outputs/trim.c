/* A record without its least fields: what goes at which stage, in order, and what stays. */
#include "outputs_test.h"

#include "outputs/trim.h"

static struct trim *trim;
static struct encode_json *encoder;
static char text[ENCODE_JSON_BYTES_MAX + 1];
static _Alignas(8) uint8_t lesser[RECORD_BYTES_MAX];

static int open_trim(void **state)
{
    const struct record_identity identity = {.observer = "edge-1", .version = "0.1.0"};
    struct error error;
    (void)state;
    return trim_open(&trim, &error) == STATUS_OK &&
                   encode_json_open(&identity, &encoder, &error) == STATUS_OK
               ? 0
               : -1;
}

static int close_trim(void **state)
{
    (void)state;
    trim_close(trim);
    encode_json_close(encoder);
    return 0;
}

static const char *json_at(const struct record *record, unsigned stage)
{
    const struct record *shown = stage == 0 ? record : trim_record(trim, record, stage, lesser);

    text[encode_json(encoder, shown, 0, text)] = 0;
    return text;
}

static const struct record *alert(struct bench *bench)
{
    struct record_maker *maker = bench_begin(bench, DATASET_ALERT);
    const uint8_t four[4] = {192, 0, 2, 66};
    struct addr source = addr_from_v4(four);

    record_string(maker, FIELD_ID_EVENT_ACTION, "scan");
    record_string(maker, FIELD_ID_MESSAGE, "a sentence");
    record_string(maker, FIELD_ID_RULE_ID, "scan");
    record_string(maker, FIELD_ID_RULE_NAME, "a name");
    record_address(maker, FIELD_ID_SOURCE_IP, &source);
    record_string(maker, FIELD_ID_SOURCE_GEO_COUNTRY_ISO_CODE, "NL");
    record_string(maker, FIELD_ID_NETWORK_TRANSPORT, "udp");
    record_string(maker, FIELD_ID_RELATED_USER, "2001");
    record_string(maker, FIELD_ID_RELATED_USER, "2002");
    record_string(maker, FIELD_ID_EARSHOT_ALERT_STATE, "open");
    record_string(maker, FIELD_ID_EARSHOT_ALERT_ADVICE, "what to do");
    record_string(maker, FIELD_ID_EARSHOT_ALERT_EVIDENCE_CALL_IDS, "a\xff@192.0.2.66");
    return bench_end(bench);
}

static void drops_groups_in_order(void **state)
{
    static const char *const goes[] = {NULL,         "call_ids",    "\"related\":{", "country",
                                       "what to do", "\"network\"", "a sentence"};
    static struct bench bench;
    const struct record *record = alert(&bench);
    (void)state;

    for (unsigned stage = 0; stage <= TRIM_STAGES; stage++) {
        const char *json = json_at(record, stage);
        for (unsigned i = 1; i <= TRIM_STAGES; i++) {
            assert_int_equal(strstr(json, goes[i]) == NULL, i <= stage);
        }
        assert_non_null(strstr(json, "\"rule\":{\"id\":\"scan\""));
        assert_non_null(strstr(json, "\"ip\":\"192.0.2.66\""));
        assert_non_null(strstr(json, "\"tags\":[\"invalid_utf8\"]"));
    }
}

static void names_what_went(void **state)
{
    static struct bench bench;
    const struct record *record = alert(&bench);
    (void)state;

    assert_null(strstr(json_at(record, 0), "truncated"));
    assert_non_null(strstr(json_at(record, 1), "\"truncated\":[\"earshot.alert.evidence\"]"));
    assert_non_null(strstr(json_at(record, 3), "\"truncated\":[\"earshot.alert.evidence\","
                                               "\"related\",\"source.geo\"]"));
    assert_non_null(strstr(json_at(record, 5), "\"truncated\":[\"*\"]"));
}

/* What was cut before is still said; what had nothing to lose says nothing. */
static void keeps_what_was_said_before(void **state)
{
    static struct bench bench;
    static char large[RECORD_TEXT_MAX + 1];
    struct record_maker *maker = bench_begin(&bench, DATASET_CALL);
    (void)state;

    memset(large, 'x', sizeof large);
    record_text(maker, FIELD_ID_SIP_CALL_ID, slice_of(large, sizeof large));
    record_string(maker, FIELD_ID_RELATED_USER, "2001");
    const struct record *record = bench_end(&bench);
    assert_non_null(strstr(json_at(record, 1), "\"truncated\":[\"sip.call_id\"]"));
    assert_non_null(strstr(json_at(record, 2), "\"truncated\":[\"sip.call_id\",\"related\"]"));
}

static void put_any(struct record_maker *maker, enum field field)
{
    static const char value[60] =
        "at least as long as the name that stands for it"; /* zeros, too */
    const struct addr addr = {{0}};

    switch (field_rows[field].type) {
    case FIELD_KEYWORD:
    case FIELD_TEXT:
        record_text(maker, field, slice_of(value, sizeof value));
        break;
    case FIELD_ADDRESS:
        record_address(maker, field, &addr);
        break;
    case FIELD_LONG:
        record_long(maker, field, 1);
        break;
    case FIELD_DECIMAL:
        record_decimal(maker, field, 1);
        break;
    case FIELD_BOOL:
        record_bool(maker, field, true);
        break;
    case FIELD_DATE:
        record_date(maker, field, 1);
        break;
    case FIELD_COUNTS:
        record_count(maker, field, slice_of(value, sizeof value), 1);
        break;
    case FIELD_OBJECTS:
        record_object(
            maker, field,
            &(struct record_member){.name = "type", .text = slice_of(value, sizeof value)}, 1);
        break;
    case FIELD_HASH:
        record_hash(maker, field, (struct hash128){0});
        break;
    }
}

/* A record of all fields that there are: each stage leaves less, in order, and the last one little. */
static void shrinks_with_each_stage(void **state)
{
    static struct bench bench;
    struct record_maker *maker = bench_begin(&bench, DATASET_ALERT);
    (void)state;

    for (unsigned i = 0; i < FIELD_COUNT; i++) {
        if (!field_rows[i].head) {
            put_any(maker, (enum field)i);
        }
    }
    const struct record *record = bench_end(&bench);
    size_t before = record->bytes;
    for (unsigned stage = 1; stage <= TRIM_STAGES; stage++) {
        const struct record *shown = trim_record(trim, record, stage, lesser);
        struct record_raw raw;
        uint32_t at = 0;
        uint16_t last = 0;
        assert_true(shown->bytes < before);
        while (record_raw_next(shown, &at, &raw)) {
            assert_true(raw.field >= last);
            last = raw.field;
        }
        assert_int_equal(at, shown->bytes);
        before = shown->bytes;
    }
    assert_true(record->bytes > 5 * before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(drops_groups_in_order),
        cmocka_unit_test(names_what_went),
        cmocka_unit_test(keeps_what_was_said_before),
        cmocka_unit_test(shrinks_with_each_stage),
    };
    return cmocka_run_group_tests(tests, open_trim, close_trim);
}
