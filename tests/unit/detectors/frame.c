/* The frame: who hears what in which order, lanes and cells, depth of the queue, a clock that
 * jumped. */
#include "synthetic.h"

static struct fact message_from(uint32_t number)
{
    return fact_request(party_number(number, 5060), party("192.0.2.10", 5060));
}

static void test_order_and_heed(void **state)
{
    (void)state;
    struct bench bench;

    synthetic_reset();
    bench_open(&bench, NULL);
    bench_tell(&bench, message_from(1));
    assert_int_equal(heard_count, 2);
    assert_string_equal(heard[0].slug, "source");
    assert_string_equal(heard[1].slug, "slab");
    struct fact answer = fact_answer(party_number(1, 5060), party("192.0.2.10", 5060), 200);
    bench_tell(&bench, answer);
    assert_int_equal(heard_count, 3);
    assert_string_equal(heard[2].slug, "slab");
    /* of the same source: lane and cell as before */
    assert_ptr_equal(heard[2].lane, heard[1].lane);
    assert_ptr_equal(heard[2].cell, heard[1].cell);
    assert_int_equal(*(uint64_t *)heard[1].cell, 2);
    bench_close(&bench);
}

/* Before a fact is whole: which kinds, which events of calls, and does anybody heed it? */
static void test_first_look(void **state)
{
    (void)state;
    struct bench bench;
    struct fact answer = fact_answer(party_number(1, 5060), party("192.0.2.10", 5060), 200);
    struct fact question = message_from(1);
    struct fact second = {.kind = FACT_SECOND};
    struct fact flow = {.kind = FACT_FLOW};

    synthetic_reset();
    bench_open(&bench, "source");
    assert_int_equal(frame_wants(bench.frame), FACT_BIT(MESSAGE) | FACT_BIT(SECOND));
    assert_int_equal(frame_call_events(bench.frame), 0);
    assert_true(frame_heeds(bench.frame, &question));
    assert_false(frame_heeds(bench.frame, &answer));
    assert_false(frame_heeds(bench.frame, &flow));
    assert_true(frame_heeds(bench.frame, &second)); /* incidents end then */
    /* a clock that jumped: who heeds is seen with the times that he will see */
    frame_shift(bench.frame, NS_PER_DAY);
    assert_true(frame_heeds(bench.frame, &answer));
    frame_tell(bench.frame, &answer);
    assert_int_equal(heard_count, 0);
    bench_close(&bench);

    synthetic_crowd();
    bench_open(&bench, NULL);
    assert_int_equal(frame_call_events(bench.frame), (1 << FACT_CALL_EVENTS) - 1);
    assert_int_equal(frame_message_steps(bench.frame), (1 << FACT_MESSAGE_STEPS) - 1);
    assert_int_equal(frame_transaction_ends(bench.frame), (1 << FACT_TRANSACTION_ENDS) - 1);
    bench_close(&bench);
    for (unsigned i = 0; i < CROWD; i++) {
        crowd[i].call_events = i % 2 == 0 ? 1 << FACT_CALL_ENDED : 1 << FACT_CALL_STARTED;
    }
    bench_open(&bench, NULL);
    assert_int_equal(frame_call_events(bench.frame), 1 << FACT_CALL_ENDED | 1 << FACT_CALL_STARTED);
    bench_close(&bench);
    synthetic_list[4] = NULL;
}

static void test_no_key_no_delivery(void **state)
{
    (void)state;
    struct bench bench;
    struct fact fact = fact_transaction(party_number(1, 5060), 401);

    synthetic_reset();
    bench_open(&bench, NULL);
    fact.is.transaction.account = SLICE_NONE;
    bench_tell(&bench, fact);
    assert_int_equal(heard_count, 0);
    fact.is.transaction.account = SLICE("a@example.com");
    bench_tell(&bench, fact);
    assert_int_equal(heard_count, 1);
    bench_close(&bench);
}

static void test_disabled(void **state)
{
    (void)state;
    struct bench bench;
    struct frame_counts counts;

    synthetic_reset();
    bench_open(&bench, "pair");
    bench_tell(&bench, message_from(1));
    assert_int_equal(heard_count, 0);
    frame_counts(bench.frame, &counts);
    assert_int_equal(counts.entries, 0);
    bench_close(&bench);
}

/* Lanes are zeroed, apart, and given anew after eviction; cells come back with their entry. */
static void test_lanes_and_cells(void **state)
{
    (void)state;
    struct bench bench;
    struct frame_counts counts;
    struct frame_limits limits = {.incidents_max = 4, .closed_max = 4, .key = HASH_KEY_FIXED};

    for (unsigned kind = 0; kind < KEY_COUNT; kind++) {
        limits.entries[kind] = 3;
    }
    synthetic_reset();
    bench_open_limits(&bench, NULL, &limits);
    for (uint32_t i = 0; i < 100; i++) {
        struct fact fact = message_from(i * 256); /* each from another site */
        fact.is.message.client.proven = true; /* so that it gets an entry however full it is */
        bench_tell(&bench, fact);
        const struct heard *source = &heard[heard_count - 2];
        const struct heard *slab = &heard[heard_count - 1];
        assert_ptr_not_equal(source->lane, slab->lane);
        /* Two cells for three entries: who takes the place of the one without has none either. */
        assert_int_equal(slab->cell == NULL, i % 3 == 2);
        if (slab->cell != NULL) {
            assert_int_equal(*(uint64_t *)slab->cell, 1); /* zeroed before */
        }
        assert_int_equal(*(uint64_t *)source->lane, 0);
        memset(source->lane, 0xff, 8);
        heard_count = 0;
        bench.now_ns += NS_PER_S;
    }
    frame_counts(bench.frame, &counts);
    assert_int_equal(counts.entries, 3);
    assert_true(counts.evicted >= 97);
    bench_close(&bench);
}

static const struct heard *slab_hears(struct bench *bench, uint32_t source)
{
    struct fact fact = message_from(source * 256);

    fact.is.message.client.proven = true;
    bench_tell(bench, fact);
    bench->now_ns += NS_PER_S;
    return &heard[(heard_count - 1) % HEARD_MAX];
}

/* A cell only for who asked; what was not asked for is not missed. */
static void test_cells_on_demand(void **state)
{
    (void)state;
    struct bench bench;
    struct frame_counts counts;
    struct frame_limits limits = {.incidents_max = 4, .closed_max = 4, .key = HASH_KEY_FIXED};

    for (unsigned kind = 0; kind < KEY_COUNT; kind++) {
        limits.entries[kind] = 4;
    }
    synthetic_reset();
    detector_slab.slab_on_demand = true;
    bench_open_limits(&bench, "slab", &limits);
    for (uint32_t source = 0; source < 3; source++) {
        assert_null(slab_hears(&bench, source)->cell);
        assert_null(slab_hears(&bench, source)->cell);
    }
    asks = true;
    for (uint32_t source = 0; source < 4; source++) { /* two cells: the last two get none */
        assert_null(slab_hears(&bench, source)->cell);
        const uint64_t *cell = slab_hears(&bench, source)->cell;
        assert_int_equal(cell == NULL, source >= 2);
        assert_true(cell == NULL || *cell == 2);
    }
    frame_counts(bench.frame, &counts);
    assert_int_equal(counts.evicted, 4);
    /* In the place of the first, with its cell, zeroed. */
    assert_null(slab_hears(&bench, 4)->cell);
    const uint64_t *cell = slab_hears(&bench, 4)->cell;
    assert_non_null(cell);
    assert_int_equal(*cell, 2);
    bench_close(&bench);
    synthetic_reset();
}

/* What a fact raised is heard behind it, before the next fact, with texts that are still whole. */
static void test_incident_facts(void **state)
{
    (void)state;
    struct bench bench;
    char account[40] = "1001@example.com";

    synthetic_reset();
    bench_open(&bench, NULL);
    raises = true;
    ready.account = slice_of_string(account);
    bench_tell(&bench, message_from(1));
    memset(account, 'x', sizeof account);
    assert_int_equal(heard_count, 3);
    assert_string_equal(heard[1].slug, "slab"); /* the fact goes on to those behind */
    assert_string_equal(heard[2].slug, "incident");
    assert_string_equal(heard[2].incident.rule, "source");
    assert_string_equal(heard[2].account, "1001@example.com");
    assert_int_equal(heard[2].incident.event, 0);
    assert_int_equal(heard[2].incident.key_kind, KEY_SOURCE);
    assert_true(addr_equal(&heard[2].incident.source.endpoint.addr, &bench.told[0].source.addr));
    bench_close(&bench);
}

/* 70 rules open on one fact: 64 are heard of, six are counted. */
static void test_depth(void **state)
{
    (void)state;
    struct bench bench;
    struct frame_counts counts;

    synthetic_reset();
    synthetic_crowd();
    bench_open(&bench, NULL);
    bench_tell(&bench, fact_call(FACT_CALL_STARTED, 0));
    assert_int_equal(bench.count, CROWD);
    assert_int_equal(heard_count, 64);
    assert_string_equal(heard[0].incident.rule, "crowd-00");
    assert_string_equal(heard[63].incident.rule, "crowd-63");
    frame_counts(bench.frame, &counts);
    assert_int_equal(counts.facts_lost, CROWD - 64);
    assert_int_equal(counts.alerts, CROWD);
    /* Closing is heard of one by one: nothing is lost then. */
    heard_count = 0;
    bench_wait(&bench, 10 * NS_PER_MINUTE);
    assert_int_equal(heard_count, CROWD);
    frame_counts(bench.frame, &counts);
    assert_int_equal(counts.facts_lost, CROWD - 64);
    bench_close(&bench);
    synthetic_list[4] = NULL;
}

/* A jump of 30 days forward that the clock took back to a minute: nothing ages by it. */
static void test_shift(void **state)
{
    (void)state;
    struct bench bench;
    const uint64_t shift_ns = 30 * NS_PER_DAY;

    synthetic_reset();
    bench_open(&bench, NULL);
    raises = true;
    bench_tell(&bench, message_from(1));
    uint64_t opened_ns = bench.now_ns;
    frame_shift(bench.frame, shift_ns);
    bench.now_ns += shift_ns + NS_PER_MINUTE;
    ready.count = 20;
    bench_tell(&bench, message_from(1));
    assert_int_equal(bench.count, 2); /* an update of the same, not another */
    assert_int_equal(bench.told[1].state, INCIDENT_UPDATE);
    assert_int_equal(bench.told[1].opened_ns, opened_ns);
    assert_int_equal(bench.told[1].told_ns, bench.now_ns); /* told in the wire's time */
    assert_int_equal(bench.told[1].last_ns, bench.now_ns);
    assert_int_equal(heard[heard_count - 1].time_ns, opened_ns + NS_PER_MINUTE);
    bench_wait(&bench, 4 * NS_PER_MINUTE);
    assert_int_equal(bench.count, 2);
    bench_wait(&bench, 2 * NS_PER_MINUTE);
    assert_int_equal(bench.count, 3);
    assert_int_equal(bench.told[2].state, INCIDENT_CLOSE);
    bench_close(&bench);
}

static void test_bytes_and_names(void **state)
{
    (void)state;
    struct bench bench;
    struct frame_limits small;

    synthetic_reset();
    bench_open(&bench, NULL);
    small = bench.limits;
    small.entries[KEY_SOURCE] = 16;
    struct budget budget = {.bytes = 0};
    struct budget less = {.bytes = 0};
    frame_budget(&bench.limits, bench.confs, &budget);
    frame_budget(&small, bench.confs, &less);
    assert_true(less.bytes < budget.bytes);
    bench_close(&bench);
    for (unsigned kind = 0; kind < KEY_COUNT; kind++) {
        assert_true(frame_entries_preset(kind) >= 1);
        assert_true(strlen(key_kind_name(kind)) > 0);
        assert_true(strlen(key_kind_help(kind)) > 0);
    }
    assert_string_equal(key_kind_name(KEY_SOURCE_ACCOUNT), "source-account");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_and_heed),
        cmocka_unit_test(test_first_look),
        cmocka_unit_test(test_no_key_no_delivery),
        cmocka_unit_test(test_disabled),
        cmocka_unit_test(test_lanes_and_cells),
        cmocka_unit_test(test_cells_on_demand),
        cmocka_unit_test(test_incident_facts),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_shift),
        cmocka_unit_test(test_bytes_and_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
