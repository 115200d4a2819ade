/* The life of an incident: open, update, close, a day, a storm, no room, the end; caps, evidence,
 * accounts. */
#include "synthetic.h"

static struct fact message_from(uint32_t number)
{
    return fact_request(party_number(number, 5060), party("192.0.2.10", 5060));
}

static void open_it(struct bench *bench, uint32_t incidents_max)
{
    struct frame_limits limits = {
        .incidents_max = incidents_max, .closed_max = 1000, .key = HASH_KEY_FIXED};

    for (unsigned kind = 0; kind < KEY_COUNT; kind++) {
        limits.entries[kind] = 4096;
    }
    synthetic_reset();
    raises = true;
    bench_open_limits(bench, "source,pair,incident", &limits);
}

static void raise_with(struct bench *bench, uint32_t source, uint64_t count)
{
    ready.count = count;
    ready.observed = count;
    bench_tell(bench, message_from(source));
}

static void test_open(void **state)
{
    (void)state;
    struct bench bench;

    open_it(&bench, 100);
    raise_with(&bench, 1, 10);
    assert_int_equal(bench.count, 1);
    const struct incident *told = &bench.told[0];
    assert_int_equal(told->state, INCIDENT_OPEN);
    assert_int_equal(told->outcome, INCIDENT_ONGOING);
    assert_int_equal(told->severity, 3);
    assert_int_equal(told->update, 0);
    assert_int_equal(told->number, 1);
    assert_int_equal(told->opened_ns, bench.now_ns);
    assert_int_equal(told->told_ns, bench.now_ns);
    assert_int_equal(told->first_ns, bench.now_ns - 7 * NS_PER_S);
    assert_int_equal(told->count, 10);
    assert_int_equal(told->peak, 10);
    assert_string_equal(told->entity, "2001:db8::1");
    assert_string_equal(told->secondary, "");
    assert_string_equal(told->target, "192.0.2.10");
    assert_string_equal(told->chain_text, "");
    assert_true(told->id.high == told->chain_id.high && told->id.low == told->chain_id.low);
    assert_int_equal(told->continues.high | told->continues.low, 0);
    assert_int_equal(told->evidence_count, 1);
    assert_string_equal(told->evidence[0].call_id, "call-1@192.0.2.1");
    assert_string_equal(told->message,
                        "2001:db8::1 did 10 things (in 7 s; limit 10 things in 1 min). Do it.");
    bench_close(&bench);
}

/* Doubled, and a minute later; a rise of severity at once, but once only. */
static void test_updates(void **state)
{
    (void)state;
    struct bench bench;

    open_it(&bench, 100);
    ready.severity = 1;
    raise_with(&bench, 1, 10);
    bench.now_ns += NS_PER_S;
    raise_with(&bench, 1, 40); /* doubled, but within the minute */
    assert_int_equal(bench.count, 1);
    bench.now_ns += 58 * NS_PER_S;
    raise_with(&bench, 1, 41);
    assert_int_equal(bench.count, 1);
    bench.now_ns += NS_PER_S;
    raise_with(&bench, 1, 42);
    assert_int_equal(bench.count, 2);
    assert_int_equal(bench.told[1].update, 1);
    assert_int_equal(bench.told[1].count, 42);
    bench.now_ns += 2 * NS_PER_MINUTE;
    ready.window_ns = NS_PER_HOUR;
    raise_with(&bench, 1, 83); /* one short of twice */
    assert_int_equal(bench.count, 2);
    raise_with(&bench, 1, 84);
    assert_int_equal(bench.count, 3);
    ready.severity = 2;
    raise_with(&bench, 1, 85); /* rises: exempt */
    assert_int_equal(bench.count, 4);
    assert_int_equal(bench.told[3].severity, 2);
    ready.severity = 3;
    raise_with(&bench, 1, 86); /* rises again: not exempt any more */
    assert_int_equal(bench.count, 4);
    bench.now_ns += NS_PER_MINUTE;
    ready.severity = 1;
    raise_with(&bench, 1, 87);
    assert_int_equal(bench.count, 5);
    assert_int_equal(bench.told[4].severity, 3); /* it never falls */
    bench.now_ns += NS_PER_MINUTE;
    ready.confidence.value = 69;
    raise_with(&bench, 1, 88);
    assert_int_equal(bench.count, 5);
    ready.confidence.value = 70;
    raise_with(&bench, 1, 89);
    assert_int_equal(bench.count, 6);
    struct frame_counts counts;
    frame_counts(bench.frame, &counts);
    assert_int_equal(counts.alerts, 1);
    assert_int_equal(counts.suppressed, 5);
    bench_close(&bench);
}

/* Quiet for max(5 min, two windows), at a mark. */
static void test_close(void **state)
{
    (void)state;
    static const struct {
        uint64_t window_ns;
        uint64_t quiet_ns;
    } rows[] = {{0, 5 * NS_PER_MINUTE},
                {NS_PER_MINUTE, 5 * NS_PER_MINUTE},
                {150 * NS_PER_S, 5 * NS_PER_MINUTE},
                {10 * NS_PER_MINUTE, 20 * NS_PER_MINUTE},
                {NS_PER_HOUR, 2 * NS_PER_HOUR}};

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct bench bench;
        open_it(&bench, 100);
        ready.window_ns = rows[i].window_ns;
        raise_with(&bench, 1, 10);
        bench_wait(&bench, rows[i].quiet_ns - NS_PER_S);
        raise_with(&bench, 1, 11); /* the quiet begins anew */
        bench_wait(&bench, rows[i].quiet_ns - NS_PER_S);
        assert_int_equal(bench_count(&bench, "source", INCIDENT_CLOSE), 0);
        bench_wait(&bench, 2 * NS_PER_MINUTE);
        const struct incident *told = bench_must(&bench, "source");
        assert_int_equal(told->state, INCIDENT_CLOSE);
        assert_int_equal(told->outcome, INCIDENT_STOPPED);
        assert_int_equal(told->number, 0);
        assert_int_equal(told->count, i == 0 ? 11 : told->count);
        assert_non_null(strstr(told->message, " in all. Do it."));
        /* The next finding is another incident, which does not continue this one. */
        raise_with(&bench, 1, 10);
        told = bench_must(&bench, "source");
        assert_int_equal(told->state, INCIDENT_OPEN);
        assert_int_equal(told->continues.high, 0);
        assert_true(told->id.low != bench.told[0].id.low);
        bench_close(&bench);
    }
}

static void test_succeeded(void **state)
{
    (void)state;
    struct bench bench;

    open_it(&bench, 100);
    ready.succeeded = true;
    raise_with(&bench, 1, 10);
    bench_wait(&bench, 6 * NS_PER_MINUTE);
    assert_int_equal(bench_must(&bench, "source")->outcome, INCIDENT_SUCCEEDED);
    bench_close(&bench);
}

/* A day is the longest life; who goes on after it continues. */
static void test_day(void **state)
{
    (void)state;
    struct bench bench;

    open_it(&bench, 100);
    for (unsigned minute = 0; minute < 25 * 60; minute++) {
        raise_with(&bench, 1, 10);
        bench_wait(&bench, NS_PER_MINUTE);
    }
    assert_int_equal(bench_count(&bench, "source", INCIDENT_OPEN), 2);
    assert_int_equal(bench_count(&bench, "source", INCIDENT_CLOSE), 1);
    for (size_t i = 0; i < bench.count; i++) {
        if (bench.told[i].state == INCIDENT_CLOSE) {
            assert_int_equal(bench.told[i].outcome, INCIDENT_UNKNOWN);
            assert_int_equal(bench.told[i].told_ns - bench.told[i].opened_ns, NS_PER_DAY);
        } else if (bench.told[i].state == INCIDENT_OPEN && i > 0) {
            assert_true(bench.told[i].continues.low == bench.told[0].id.low);
            assert_true(bench.told[i].continues.high == bench.told[0].id.high);
        }
    }
    /* about 11 updates a day, each at twice the count: no flood of tellings */
    assert_true(bench.count < 20);
    bench_close(&bench);
}

/* 60 sources at once: 20 of their own, one about many. */
static void test_storm(void **state)
{
    (void)state;
    struct bench bench;

    open_it(&bench, 1000);
    for (uint32_t source = 0; source < 60; source++) {
        raise_with(&bench, source, 10);
        bench.now_ns += 100 * NS_PER_MS;
    }
    assert_int_equal(bench_count(&bench, "source", INCIDENT_OPEN), 21);
    /* Detectors hear of all sixty, and of none twice. */
    assert_int_equal(heard_count, 120);
    assert_int_equal(heard[119].incident.event, 0);
    struct fact_party last = party_number(59, 5060);
    assert_true(addr_equal(&heard[119].incident.source.endpoint.addr, &last.endpoint.addr));
    const struct incident *many = &bench.told[20];
    assert_true(many->many);
    assert_string_equal(many->entity, "many");
    assert_true(addr_is_unspecified(&many->source.addr));
    /* The one with most findings is named first. */
    for (unsigned i = 0; i < 50; i++) {
        raise_with(&bench, 42, 10);
    }
    bench_wait(&bench, 2 * NS_PER_MINUTE);
    raise_with(&bench, 43, 10); /* folded before, folded still */
    many = bench_must(&bench, "source");
    assert_true(many->many);
    assert_int_equal(many->state, INCIDENT_UPDATE);
    assert_non_null(strstr(many->message, "40 keys of kind source at once: test of one source."));
    assert_non_null(strstr(many->message, "Most often: 2001:db8::2a ("));
    /* A newcomer after the storm stands alone. */
    raise_with(&bench, 500, 10);
    assert_int_equal(bench_count(&bench, "source", INCIDENT_OPEN), 22);
    bench_wait(&bench, 10 * NS_PER_MINUTE);
    assert_int_equal(bench_count(&bench, "source", INCIDENT_CLOSE), 22);
    raise_with(&bench, 43, 10); /* and so does who was folded, once it is over */
    assert_string_equal(bench_must(&bench, "source")->entity, "2001:db8::2b");
    bench_close(&bench);
}

/* Twenty in a minute are no storm, nor are many over an hour. */
static void test_no_storm(void **state)
{
    (void)state;
    struct bench bench;

    open_it(&bench, 1000);
    for (uint32_t source = 0; source < 20; source++) {
        raise_with(&bench, source, 10);
    }
    for (uint32_t source = 20; source < 100; source++) {
        bench.now_ns += 10 * NS_PER_S;
        raise_with(&bench, source, 10);
        assert_false(bench.told[bench.count - 1].many && source > 30);
    }
    bench_close(&bench);
}

/* Full: the lowest severity goes first, of equals the oldest; severity 4 never; who is lower still
 * does not enter. */
static void test_no_room(void **state)
{
    (void)state;
    static const uint8_t severities[] = {3, 2, 4, 2};
    struct bench bench;

    open_it(&bench, 4);
    for (uint32_t i = 0; i < COUNT_OF(severities); i++) {
        ready.severity = severities[i];
        raise_with(&bench, i, 10);
        bench.now_ns += NS_PER_S;
    }
    assert_int_equal(bench.count, 4);
    ready.severity = 1;
    raise_with(&bench, 10, 10); /* lower than all: dropped */
    assert_int_equal(bench.count, 4);
    ready.severity = 2;
    raise_with(&bench, 11, 10); /* folds the older 2 */
    assert_int_equal(bench.count, 6);
    assert_string_equal(bench.told[4].entity, "2001:db8::1");
    assert_int_equal(bench.told[4].state, INCIDENT_CLOSE);
    assert_int_equal(bench.told[4].outcome, INCIDENT_UNKNOWN);
    ready.severity = 4;
    raise_with(&bench, 12, 10);
    assert_string_equal(bench.told[6].entity, "2001:db8::3");
    raise_with(&bench, 13, 10);
    assert_string_equal(bench.told[8].entity, "2001:db8::b");
    raise_with(&bench, 14, 10);
    assert_string_equal(bench.told[10].entity, "2001:db8::"); /* the 3 */
    assert_int_equal(bench.count, 12);
    raise_with(&bench, 15, 10); /* four of severity 4: nobody goes */
    assert_int_equal(bench.count, 12);
    struct frame_counts counts;
    frame_counts(bench.frame, &counts);
    assert_int_equal(counts.suppressed, 6);
    bench_close(&bench);
}

/* A severity that rose saves from being folded. */
static void test_rank_follows(void **state)
{
    (void)state;
    struct bench bench;

    open_it(&bench, 2);
    ready.severity = 1;
    raise_with(&bench, 1, 10);
    raise_with(&bench, 2, 10);
    ready.severity = 3;
    raise_with(&bench, 1, 11);
    ready.severity = 2;
    raise_with(&bench, 3, 10);
    assert_string_equal(bench.told[bench.count - 2].entity, "2001:db8::2");
    assert_int_equal(bench.told[bench.count - 2].state, INCIDENT_CLOSE);
    bench_close(&bench);
}

/* The end closes all in the order of opening, outcome unknown, and makes no facts any more. */
static void test_end(void **state)
{
    (void)state;
    struct bench bench;

    open_it(&bench, 100);
    for (uint32_t source = 0; source < 15; source++) {
        ready.severity = (uint8_t)(1 + source % 4);
        ready.succeeded = source == 3;
        raise_with(&bench, 15 - source, 10);
    }
    size_t heard_before = heard_count;
    frame_end(bench.frame, bench.now_ns);
    assert_int_equal(bench.count, 30);
    for (size_t i = 0; i < 15; i++) {
        assert_int_equal(bench.told[15 + i].state, INCIDENT_CLOSE);
        assert_int_equal(bench.told[15 + i].outcome, INCIDENT_UNKNOWN);
        assert_string_equal(bench.told[15 + i].entity, bench.told[i].entity);
    }
    assert_int_equal(heard_count, heard_before);
    bench_close(&bench);
}

/* W1 and confidence: severity in, severity out. */
static void test_caps(void **state)
{
    (void)state;
    static const struct {
        uint8_t severity;
        uint8_t confidence;
        bool needed;
        bool proven;
        unsigned out;
    } rows[] = {
        {1, 60, true, true, 1},  {2, 60, true, true, 2},  {3, 60, true, true, 3},
        {4, 60, true, true, 4},  {1, 60, true, false, 1}, {2, 60, true, false, 1},
        {3, 60, true, false, 2}, {4, 60, true, false, 2}, {4, 60, false, false, 4},
        {4, 50, true, true, 4},  {4, 49, true, true, 2},  {3, 49, false, false, 2},
        {2, 0, true, true, 2},   {1, 0, false, false, 1}, {9, 60, true, true, 4},
        {0, 60, true, true, 1},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct bench bench;
        struct fact fact = message_from(1);
        open_it(&bench, 100);
        ready.severity = rows[i].severity;
        ready.confidence.value = rows[i].confidence;
        ready.proven_needed = rows[i].needed;
        fact.is.message.client.proven = rows[i].proven;
        bench_tell(&bench, fact);
        const struct incident *told = bench_must(&bench, "source");
        if (told->severity != rows[i].out) {
            fail_msg("row %zu: %u", i, told->severity);
        }
        bool claims = strstr(told->message, "A source that claims to be 2001:db8::1 ") != NULL;
        assert_int_equal(claims, rows[i].needed && !rows[i].proven);
        assert_int_equal(told->source_proven, rows[i].proven);
        bench_close(&bench);
    }
}

/* What is heard in part is believed in part: 15 points, once, from one mark to another. */
static void test_hearing(void **state)
{
    (void)state;
    static const struct {
        bool one_way;
        bool lossy;
        uint8_t confidence;
        unsigned severity;
        const char *why;
    } rows[] = {
        {false, false, 60, 3, ""},
        {true, false, 45, 2, "only one direction is heard -15"},
        {false, true, 45, 2, "the sensor misses packets -15"},
        {true, true, 45, 2, "only one direction is heard -15"},
        {false, false, 60, 3, ""},
    };
    struct bench bench;

    open_it(&bench, 100);
    ready.severity = 3;
    for (uint32_t i = 0; i < COUNT_OF(rows); i++) {
        struct fact second = {.kind = FACT_SECOND};
        second.is.second.one_way_capture = rows[i].one_way;
        second.is.second.lossy_capture = rows[i].lossy;
        bench_tell(&bench, second);
        ready.confidence = (struct confidence){.value = 60};
        bench_tell(&bench, message_from(i * 256));
        const struct incident *told = bench_must(&bench, "source");
        assert_int_equal(told->state, INCIDENT_OPEN);
        assert_int_equal(told->confidence.value, rows[i].confidence);
        assert_int_equal(told->severity, rows[i].severity);
        assert_string_equal(told->confidence.why, rows[i].why);
    }
    bench_close(&bench);
}

/* The first four and the last four packets; one packet once; a mark is none. */
static void test_evidence(void **state)
{
    (void)state;
    struct bench bench;

    open_it(&bench, 100);
    for (unsigned i = 0; i < 20; i++) {
        bench_tell(&bench, message_from(1));
        bench.number--; /* the same packet brings another fact */
        bench_tell(&bench, message_from(1));
    }
    frame_end(bench.frame, bench.now_ns);
    const struct incident *told = bench_must(&bench, "source");
    static const uint64_t wanted[] = {1, 2, 3, 4, 17, 18, 19, 20};
    assert_int_equal(told->evidence_count, COUNT_OF(wanted));
    for (size_t i = 0; i < COUNT_OF(wanted); i++) {
        assert_int_equal(told->evidence[i].number, wanted[i]);
    }
    bench_close(&bench);
}

static void test_accounts(void **state)
{
    (void)state;
    static char names[40][24];
    static const struct slice more[] = {{"a@example.com", 13}, {"b@example.com", 13}};
    struct bench bench;

    open_it(&bench, 100);
    ready.account = SLICE("a@example.com");
    raise_with(&bench, 1, 10);
    assert_string_equal(bench.told[0].account, "a@example.com");
    assert_int_equal(bench.told[0].account_count, 1);
    ready.accounts = more;
    ready.account_count = 2;
    raise_with(&bench, 2, 10);
    assert_int_equal(bench.told[1].account_count, 2);
    assert_string_equal(bench.told[1].accounts[1], "b@example.com");
    assert_string_equal(bench.told[1].account, "");
    ready.account_count = 0;
    for (uint32_t i = 0; i < 40; i++) {
        ready.account = text_number(names[i], sizeof names[0], "", i, "\x1b@example.com");
        raise_with(&bench, 3, 10);
    }
    frame_end(bench.frame, bench.now_ns);
    const struct incident *told = bench_must(&bench, "source");
    assert_int_equal(told->account_count, 40);
    assert_string_equal(told->accounts[15], "15\\x1B@example.com");
    bench_close(&bench);
}

/* Long names are cut, not lost, and stay printable. */
static void test_long_texts(void **state)
{
    (void)state;
    struct bench bench;
    char account[400];

    memset(account, 0xff, sizeof account);
    open_it(&bench, 100);
    struct fact fact = fact_transaction(party_number(1, 5060), 401);
    fact.is.transaction.account = slice_of(account, sizeof account);
    fact.is.transaction.call_id = slice_of(account, sizeof account);
    bench_tell(&bench, fact);
    const struct incident *told = bench_must(&bench, "pair");
    assert_int_equal(strlen(told->secondary) % 4, 0);
    assert_true(strlen(told->secondary) > INCIDENT_ENTITY_BYTES - 8);
    assert_true(strncmp(told->secondary, "\\xFF\\xFF", 8) == 0);
    assert_true(strlen(told->evidence[0].call_id) > INCIDENT_CALL_ID_BYTES - 8);
    bench_close(&bench);
}

/* One source and one target stay named; two do not. */
static void test_parties(void **state)
{
    (void)state;
    struct bench bench;

    open_it(&bench, 100);
    raise_with(&bench, 1, 10);
    struct fact fact = message_from(1);
    fact.is.message.server = party("192.0.2.11", 5060);
    fact.is.message.client.endpoint.port = 6000;
    bench_tell(&bench, fact);
    frame_end(bench.frame, bench.now_ns);
    const struct incident *told = bench_must(&bench, "source");
    assert_false(addr_is_unspecified(&told->source.addr));
    assert_int_equal(told->source.port, 0);
    assert_true(addr_is_unspecified(&told->destination.addr));
    assert_string_equal(told->target, "");
    bench_close(&bench);
}

/* detector_recent: by source, by its site, by account; within the time. */
static void test_recent(void **state)
{
    (void)state;
    static const struct {
        uint32_t source;
        uint64_t wait_ns;
        bool recent;
    } rows[] = {
        {1, 0, true},        {2, 0, true}, /* the same site prefix */
        {256 + 1, 0, false}, {1, NS_PER_HOUR, true}, {1, NS_PER_HOUR + 1, false},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct bench bench;
        open_it(&bench, 100);
        bench_tell(&bench, fact_transaction(party_number(1, 5060), 401));
        bench.now_ns += rows[i].wait_ns;
        bench_tell(&bench, message_from(rows[i].source));
        if (recent != rows[i].recent) {
            fail_msg("row %zu", i);
        }
        bench_close(&bench);
    }
}

/* Who was spoken of before a restart was spoken of. */
static void test_recent_is_kept(void **state)
{
    (void)state;
    struct snapshot_part from[FRAME_PARTS];
    struct snapshot_part to[FRAME_PARTS];
    struct bench first;
    struct bench second;

    open_it(&first, 100);
    open_it(&second, 100);
    bench_tell(&first, fact_transaction(party_number(1, 5060), 401));
    uint32_t count = frame_parts(first.frame, from, FRAME_PARTS);
    assert_int_equal(frame_parts(second.frame, to, FRAME_PARTS), count);
    for (uint32_t i = 0; i < count; i++) {
        struct snapshot_out out = {.at = malloc(from[i].bytes_max), .room = from[i].bytes_max};
        assert_non_null(out.at);
        from[i].save(from[i].owner, &out);
        struct snapshot_in in = {.at = out.at, .bytes = out.bytes, .now_ns = first.now_ns};
        assert_true(to[i].load(to[i].owner, &in));
        free(out.at);
    }
    recent = false;
    second.now_ns = first.now_ns;
    bench_tell(&second, message_from(1));
    assert_true(recent);
    bench_close(&second);
    bench_close(&first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open),         cmocka_unit_test(test_updates),
        cmocka_unit_test(test_close),        cmocka_unit_test(test_succeeded),
        cmocka_unit_test(test_day),          cmocka_unit_test(test_storm),
        cmocka_unit_test(test_no_storm),     cmocka_unit_test(test_no_room),
        cmocka_unit_test(test_rank_follows), cmocka_unit_test(test_end),
        cmocka_unit_test(test_caps),         cmocka_unit_test(test_hearing),
        cmocka_unit_test(test_evidence),     cmocka_unit_test(test_accounts),
        cmocka_unit_test(test_long_texts),   cmocka_unit_test(test_parties),
        cmocka_unit_test(test_recent),       cmocka_unit_test(test_recent_is_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
