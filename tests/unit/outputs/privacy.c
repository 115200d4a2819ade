/* Privacy: every class of field in every mode, an alert's own fields, what a record says of itself,
 * records that are full. */
#include "outputs_test.h"

#include "outputs/privacy.h"
#include "outputs/reduce.h"

#define KEY "0123456789abcdef"
#define ALICE "u-fdbf8b1cacd3d578"
#define NUMBER "n-8168b73935369d20" /* of +15550100 */

static struct privacy *open_with(enum reduce_mode numbers, enum reduce_mode users)
{
    struct privacy_conf conf = {.numbers = numbers, .users = users, .key = KEY};
    struct privacy *privacy = NULL;
    struct error error;

    assert_int_equal(privacy_open(&conf, &privacy, &error), STATUS_OK);
    return privacy;
}

static void expect(const struct record *record, enum field field, const char *wanted)
{
    struct record_value value;

    if (!record_get(record, field, &value) || !slice_equal(value.text, slice_of_string(wanted))) {
        fail_msg("%s is '%.*s', wanted '%s'", field_rows[field].name, (int)value.text.bytes,
                 value.text.at, wanted);
    }
}

static const struct record *make_call(struct bench *bench)
{
    struct record_maker *maker = bench_begin(bench, DATASET_CALL);

    record_string(maker, FIELD_ID_EVENT_REASON, "Busy alice");
    record_string(maker, FIELD_ID_SIP_URI_ORIGINAL, "sip:+1-555-0100@pbx.example;user=phone");
    record_string(maker, FIELD_ID_SIP_CALL_ID, "alice-1@192.0.2.1");
    record_string(maker, FIELD_ID_SIP_FROM_DISPLAY_INFO, "Alice");
    record_string(maker, FIELD_ID_SIP_FROM_URI_USERNAME, "alice");
    record_string(maker, FIELD_ID_SIP_FROM_URI_HOST, "pbx.example");
    record_string(maker, FIELD_ID_SIP_TO_URI_USERNAME, "+15550100");
    record_string(maker, FIELD_ID_USER_NAME, "alice");
    record_string(maker, FIELD_ID_RELATED_USER, "+15550100");
    record_string(maker, FIELD_ID_RELATED_USER, "alice");
    record_string(maker, FIELD_ID_EARSHOT_SIP_DIVERSION, "\"Alice\" <sip:%61lice@pbx.example>");
    record_string(maker, FIELD_ID_EARSHOT_CALLER_USER, "%61lice");
    record_string(maker, FIELD_ID_EARSHOT_CALLEE_USER, "+1-555-0100");
    record_long(maker, FIELD_ID_EARSHOT_CALL_Q850, 17);
    return bench_end(bench);
}

static void hashes_every_class(void **state)
{
    static struct bench bench;
    struct privacy *privacy = open_with(REDUCE_HASH, REDUCE_HASH);
    const struct record *record = privacy_apply(privacy, make_call(&bench));
    struct record_value value;
    (void)state;

    expect(record, FIELD_ID_EVENT_REASON, "Busy alice");
    expect(record, FIELD_ID_SIP_URI_ORIGINAL, "sip:" NUMBER "@pbx.example;user=phone");
    expect(record, FIELD_ID_SIP_CALL_ID, "alice-1@192.0.2.1");
    expect(record, FIELD_ID_SIP_FROM_DISPLAY_INFO, ALICE);
    expect(record, FIELD_ID_SIP_FROM_URI_USERNAME, ALICE);
    expect(record, FIELD_ID_SIP_FROM_URI_HOST, "pbx.example");
    expect(record, FIELD_ID_SIP_TO_URI_USERNAME, NUMBER);
    expect(record, FIELD_ID_USER_NAME, ALICE);
    expect(record, FIELD_ID_RELATED_USER, NUMBER);
    expect(record, FIELD_ID_EARSHOT_SIP_DIVERSION, "\"" ALICE "\" <sip:" ALICE "@pbx.example>");
    expect(record, FIELD_ID_EARSHOT_CALLER_USER, ALICE);
    expect(record, FIELD_ID_EARSHOT_CALLEE_USER, NUMBER);
    assert_true(record_get(record, FIELD_ID_EARSHOT_CALL_Q850, &value) && value.number == 17);
    assert_true(record->dataset == DATASET_CALL && record->sequence == 42 && record->number == 7 &&
                record->time_ns == AT_NS && record->id.high == 0x0123456789abcdefU);
    privacy_close(privacy);
}

/* A device that writes sip:2001 puts a number where a host stands. */
static void hides_numbers_where_hosts_stand(void **state)
{
    static struct bench bench;
    struct privacy *privacy = open_with(REDUCE_MASK, REDUCE_MASK);
    struct record_maker *maker = bench_begin(&bench, DATASET_CALL);
    (void)state;

    record_string(maker, FIELD_ID_SIP_URI_ORIGINAL, "sip:+15550100");
    record_string(maker, FIELD_ID_SIP_URI_HOST, "+15550100");
    record_string(maker, FIELD_ID_SIP_FROM_URI_HOST, "192.0.2.1");
    record_string(maker, FIELD_ID_SIP_TO_URI_HOST, "pbx.example");
    record_string(maker, FIELD_ID_USER_DOMAIN, "asterisk");
    record_string(maker, FIELD_ID_RELATED_HOSTS, "+15550100");
    const struct record *record = privacy_apply(privacy, bench_end(&bench));
    expect(record, FIELD_ID_SIP_URI_ORIGINAL, "sip:+1555****");
    expect(record, FIELD_ID_SIP_URI_HOST, "+1555****");
    expect(record, FIELD_ID_SIP_FROM_URI_HOST, "192.0.2.1");
    expect(record, FIELD_ID_SIP_TO_URI_HOST, "pbx.example");
    expect(record, FIELD_ID_USER_DOMAIN, "asterisk");
    expect(record, FIELD_ID_RELATED_HOSTS, "+1555****");
    privacy_close(privacy);
}

static void masks_one_of_the_two(void **state)
{
    static struct bench bench;
    struct privacy *privacy = open_with(REDUCE_MASK, REDUCE_CLEAR);
    const struct record *record = privacy_apply(privacy, make_call(&bench));
    (void)state;

    expect(record, FIELD_ID_SIP_URI_ORIGINAL, "sip:+1555****@pbx.example;user=phone");
    expect(record, FIELD_ID_SIP_TO_URI_USERNAME, "+1555****");
    expect(record, FIELD_ID_EARSHOT_CALLEE_USER, "+1555****");
    expect(record, FIELD_ID_EARSHOT_CALLER_USER, "%61lice");
    expect(record, FIELD_ID_USER_NAME, "alice");
    privacy_close(privacy);
}

static void clear_is_the_record_itself(void **state)
{
    static struct bench bench;
    struct privacy *privacy = open_with(REDUCE_CLEAR, REDUCE_CLEAR);
    const struct record *record = make_call(&bench);
    (void)state;

    assert_ptr_equal(privacy_apply(privacy, record), record);
    privacy_close(privacy);
}

static const struct record *make_alert(struct bench *bench, const char *type, const char *entity,
                                       const char *secondary, const char *target, bool many)
{
    struct record_maker *maker = bench_begin(bench, DATASET_ALERT);

    record_string(maker, FIELD_ID_MESSAGE, "Account alice@pbx.example called bob (limit 2). Ask.");
    record_string(maker, FIELD_ID_RELATED_USER, "alice");
    record_string(maker, FIELD_ID_RELATED_USER, "bob");
    record_hash(maker, FIELD_ID_EARSHOT_ALERT_ID, (struct hash128){.high = 1});
    record_hash(maker, FIELD_ID_EARSHOT_ALERT_CHAIN_ID, (struct hash128){.high = 1});
    record_string(maker, FIELD_ID_EARSHOT_ALERT_CHAIN_TEXT, "Scan. Login, alice@pbx.example.");
    if (many) {
        record_bool(maker, FIELD_ID_EARSHOT_ALERT_MANY, true);
    }
    record_string(maker, FIELD_ID_EARSHOT_ALERT_ENTITY_TYPE, type);
    record_string(maker, FIELD_ID_EARSHOT_ALERT_ENTITY_VALUE, entity);
    record_string(maker, FIELD_ID_EARSHOT_ALERT_SECONDARY, secondary);
    record_string(maker, FIELD_ID_EARSHOT_ALERT_TARGET, target);
    record_string(maker, FIELD_ID_EARSHOT_ALERT_ADVICE, "Ask alice.");
    return bench_end(bench);
}

/* What an alert is about is a name where its type says so, and else stays. */
static void knows_what_an_alert_is_about(void **state)
{
    static struct bench bench;
    struct privacy *privacy = open_with(REDUCE_MASK, REDUCE_MASK);
    static const struct {
        const char *type;
        const char *given[3]; /* entity, secondary, target */
        const char *wanted[3];
        bool many;
    } rows[] = {
        {"account",
         {"alice@pbx.example", "", "192.0.2.1"},
         {"a***@pbx.example", "", "192.0.2.1"},
         0},
        {"account", {"+15550100", "", "bob@pbx.example"}, {"+1555****", "", "b***@pbx.example"}, 0},
        {"account", {"many", "", "+15550100"}, {"many", "", "+1555****"}, 1},
        {"account-device",
         {"2001@pbx.example", "Phone 5.2", ""},
         {"****@pbx.example", "Phone 5.2", ""},
         0},
        {"source-account",
         {"192.0.2.7", "2001@pbx.example", ""},
         {"192.0.2.7", "****@pbx.example", ""},
         0},
        {"source-server", {"192.0.2.7", "192.0.2.1", ""}, {"192.0.2.7", "192.0.2.1", ""}, 0},
        {"source", {"2001:db8::7", "", "2001:db8::1"}, {"2001:db8::7", "", "2001:db8::1"}, 0},
        {"source-prefix", {"192.0.2.0/24", "", ""}, {"192.0.2.0/24", "", ""}, 0},
        {"number-block", {"+1555010", "", ""}, {"+155****", "", ""}, 0},
        {"caller-block", {"+1555010", "", ""}, {"+155****", "", ""}, 0},
        {"call", {"alice-1@192.0.2.1", "", ""}, {"alice-1@192.0.2.1", "", ""}, 0},
        {"stream",
         {"192.0.2.1:5 to 192.0.2.2:6", "", "2001@pbx.example"},
         {"192.0.2.1:5 to 192.0.2.2:6", "", "****@pbx.example"},
         0},
        {"site", {"site", "", ""}, {"site", "", ""}, 0},
    };
    static const enum field fields[] = {FIELD_ID_EARSHOT_ALERT_ENTITY_VALUE,
                                        FIELD_ID_EARSHOT_ALERT_SECONDARY,
                                        FIELD_ID_EARSHOT_ALERT_TARGET};
    (void)state;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct record *record =
            privacy_apply(privacy, make_alert(&bench, rows[i].type, rows[i].given[0],
                                              rows[i].given[1], rows[i].given[2], rows[i].many));
        for (unsigned j = 0; j < 3; j++) {
            if (rows[i].wanted[j][0] != '\0') {
                expect(record, fields[j], rows[i].wanted[j]);
            }
        }
        expect(record, FIELD_ID_EARSHOT_ALERT_ENTITY_TYPE, rows[i].type);
    }
    privacy_close(privacy);
}

static void hides_the_names_of_sentences(void **state)
{
    static struct bench bench;
    struct privacy *privacy = open_with(REDUCE_HASH, REDUCE_MASK);
    const struct record *record =
        privacy_apply(privacy, make_alert(&bench, "site", "site", "", "", false));
    struct record_value id;
    struct record_value chain;
    (void)state;

    expect(record, FIELD_ID_MESSAGE, "Account a***@pbx.example called b*** (limit 2). Ask.");
    expect(record, FIELD_ID_EARSHOT_ALERT_CHAIN_TEXT, "Scan. Login, a***@pbx.example.");
    expect(record, FIELD_ID_EARSHOT_ALERT_ADVICE, "Ask alice.");
    assert_true(record_get(record, FIELD_ID_EARSHOT_ALERT_ID, &id));
    assert_true(record_get(record, FIELD_ID_EARSHOT_ALERT_CHAIN_ID, &chain));
    assert_true(id.hash.high != 1 && id.hash.high == chain.hash.high);
    assert_true(record->id.high != 0x0123456789abcdefU);
    privacy_close(privacy);
}

/* A response and the alert that asked for it still name each other. */
static void joins_responses_with_alerts(void **state)
{
    static struct bench bench;
    struct privacy *privacy = open_with(REDUCE_HASH, REDUCE_HASH);
    struct record_value alert;
    struct record_value response;
    (void)state;

    const struct record *record =
        privacy_apply(privacy, make_alert(&bench, "site", "site", "", "", false));
    assert_true(record_get(record, FIELD_ID_EARSHOT_ALERT_ID, &alert));
    struct record_maker *maker = bench_begin(&bench, DATASET_RESPONSE);
    record_string(maker, FIELD_ID_ERROR_MESSAGE,
                  "no account alice@pbx.example here, nor alice.acl");
    record_hash(maker, FIELD_ID_EARSHOT_RESPONSE_ID, (struct hash128){.low = 9});
    record_hash(maker, FIELD_ID_EARSHOT_RESPONSE_ALERT_ID, (struct hash128){.high = 1});
    record_string(maker, FIELD_ID_EARSHOT_RESPONSE_TARGET_TYPE, "account");
    record_string(maker, FIELD_ID_EARSHOT_RESPONSE_TARGET_VALUE, "alice@pbx.example");
    record = privacy_apply(privacy, bench_end(&bench));
    assert_true(record_get(record, FIELD_ID_EARSHOT_RESPONSE_ALERT_ID, &response));
    assert_true(alert.hash.high == response.hash.high && alert.hash.low == response.hash.low);
    assert_true(record_get(record, FIELD_ID_EARSHOT_RESPONSE_ID, &response));
    assert_true(response.hash.low != 9 && record->id.high != 0x0123456789abcdefU);
    expect(record, FIELD_ID_EARSHOT_RESPONSE_TARGET_VALUE, ALICE "@pbx.example");
    expect(record, FIELD_ID_ERROR_MESSAGE,
           "no account " ALICE "@pbx.example here, nor " ALICE ".acl");
    privacy_close(privacy);
}

/* What was cut and what was no text is still said, once, and at its place. */
static void keeps_what_a_record_says_of_itself(void **state)
{
    static struct bench bench;
    struct privacy *privacy = open_with(REDUCE_HASH, REDUCE_HASH);
    struct record_maker *maker = bench_begin(&bench, DATASET_CALL);
    char longest[2 * RECORD_TEXT_MAX];
    struct record_value value;
    uint32_t at = 0;
    unsigned told = 0;
    (void)state;

    memset(longest, 'x', sizeof longest);
    record_text(maker, FIELD_ID_SIP_CALL_ID, slice_of(longest, sizeof longest));
    record_text(maker, FIELD_ID_USER_NAME, slice_of(longest, sizeof longest));
    record_string(maker, FIELD_ID_EARSHOT_CALLER_USER, "a\xff");
    const struct record *record = privacy_apply(privacy, bench_end(&bench));
    while (record_next(record, &at, &value)) {
        told += value.field == FIELD_ID_EARSHOT_TRUNCATED;
    }
    assert_int_equal(told, 2);
    expect(record, FIELD_ID_EARSHOT_TRUNCATED, "sip.call_id");
    expect(record, FIELD_ID_TAGS, "invalid_utf8");
    assert_true(record_get(record, FIELD_ID_USER_NAME, &value) && value.text.bytes == 18);
    privacy_close(privacy);
}

/* Hashes are longer than short users: what has no room any more is named. */
static void a_full_record_stays_bounded(void **state)
{
    static struct bench bench;
    struct privacy *privacy = open_with(REDUCE_HASH, REDUCE_HASH);
    struct record_maker *maker = bench_begin(&bench, DATASET_ALERT);
    char name[8];
    struct record_value value;
    (void)state;

    record_string(maker, FIELD_ID_MESSAGE, "u1 and user11");
    for (unsigned i = 0; !maker->overflow; i++) {
        (void)snprintf(name, sizeof name, "u%u", i % 100000);
        record_string(maker, FIELD_ID_RELATED_USER, name);
    }
    const struct record *record = privacy_apply(privacy, bench_end(&bench));
    assert_true(record->bytes <= RECORD_BYTES_MAX);
    assert_true(record_get(record, FIELD_ID_EARSHOT_TRUNCATED, &value));
    expect(record, FIELD_ID_EARSHOT_TRUNCATED, "related.user");
    privacy_close(privacy);
}

static void a_full_run_stays_bounded(void **state)
{
    static struct bench bench;
    struct privacy *privacy = open_with(REDUCE_HASH, REDUCE_HASH);
    struct record_maker *maker = bench_begin(&bench, DATASET_SIP);
    (void)state;

    for (unsigned i = 0; i < 400; i++) {
        record_string(maker, FIELD_ID_RELATED_USER, "a");
    }
    while (!maker->overflow) {
        record_string(maker, FIELD_ID_EARSHOT_SIP_ANOMALIES, "an-anomaly-of-some-length");
    }
    const struct record *record = privacy_apply(privacy, bench_end(&bench));
    assert_true(record->bytes <= RECORD_BYTES_MAX);
    expect(record, FIELD_ID_EARSHOT_TRUNCATED, "earshot.sip.anomalies");
    privacy_close(privacy);
}

static void a_hash_needs_a_key(void **state)
{
    static const struct {
        struct privacy_conf conf;
        const char *where; /* NULL = taken */
    } rows[] = {
        {{.numbers = REDUCE_CLEAR, .users = REDUCE_CLEAR}, NULL},
        {{.numbers = REDUCE_MASK, .users = REDUCE_MASK}, NULL},
        {{.numbers = REDUCE_HASH, .users = REDUCE_MASK}, "privacy.numbers"},
        {{.numbers = REDUCE_MASK, .users = REDUCE_HASH}, "privacy.users"},
        {{.numbers = REDUCE_HASH, .users = REDUCE_HASH, .key = "short"}, "privacy.key"},
        {{.numbers = REDUCE_HASH, .users = REDUCE_HASH, .key = KEY}, NULL},
    };
    (void)state;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct privacy *privacy = NULL;
        struct error error;
        enum status status = privacy_open(&rows[i].conf, &privacy, &error);
        assert_int_equal(status, rows[i].where == NULL ? STATUS_OK : STATUS_USAGE);
        if (rows[i].where != NULL) {
            assert_string_equal(error.where, rows[i].where);
        }
        privacy_close(privacy);
    }
}

/* A field whose name says that it holds a person has a class: a new one is not forgotten. */
static void every_name_field_has_a_class(void **state)
{
    static const char *const ends[] = {
        ".username",  ".display_info", "user.name", "related.user", ".uri.original", ".user",
        ".diversion", ".refer_to",     ".aor",      ".contact",     ".accounts"};
    (void)state;

    for (unsigned i = 0; i < FIELD_COUNT; i++) {
        size_t bytes = strlen(field_rows[i].name);
        for (size_t j = 0; j < sizeof ends / sizeof ends[0]; j++) {
            size_t end = strlen(ends[j]);
            if (bytes >= end && strcmp(field_rows[i].name + bytes - end, ends[j]) == 0 &&
                field_rows[i].privacy == PRIVACY_NONE) {
                fail_msg("%s has no privacy class", field_rows[i].name);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes_every_class),
        cmocka_unit_test(hides_numbers_where_hosts_stand),
        cmocka_unit_test(masks_one_of_the_two),
        cmocka_unit_test(clear_is_the_record_itself),
        cmocka_unit_test(knows_what_an_alert_is_about),
        cmocka_unit_test(hides_the_names_of_sentences),
        cmocka_unit_test(joins_responses_with_alerts),
        cmocka_unit_test(keeps_what_a_record_says_of_itself),
        cmocka_unit_test(a_full_record_stays_bounded),
        cmocka_unit_test(a_full_run_stays_bounded),
        cmocka_unit_test(a_hash_needs_a_key),
        cmocka_unit_test(every_name_field_has_a_class),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
