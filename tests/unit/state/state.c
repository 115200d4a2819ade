/* The way through the tables: the order of what is told, what is known when, one direction, the
 * end. */
#include "wire.h"

#include "sensor/state/state.h"

struct one {
    enum change_kind kind;
    struct fact fact;
    bool has_fact;
    bool has_transaction;
    bool is_retransmission;
    bool forced;
};

struct stage {
    struct state *state;
    uint64_t number;
    struct one all[WIRE_LOG];
    unsigned count;
};

static void on_change(void *owner, const struct change *change)
{
    struct stage *stage = owner;

    assert_true(stage->count < WIRE_LOG);
    struct one *one = &stage->all[stage->count++];
    one->kind = (enum change_kind)change->kind;
    one->has_transaction = change->transaction != NULL;
    one->is_retransmission = change->is_retransmission;
    one->forced = change->forced;
    one->has_fact = facts_begin(state_facts_view(stage->state), change, &one->fact);
    if (one->has_fact) {
        facts_finish(state_facts_view(stage->state), change, &one->fact);
    }
}

static const struct state_limits limits = {
    .transactions_max = 64,
    .attempts_max = 64,
    .bindings_max = 64,
    .accounts_max = 64,
    .calls_max = 64,
    .destinations_max = 64,
    .endpoints_max = 64,
    .streams_max = 64,
    .sources_max = 64,
    .servers_max = 64,
    .call_age_max_ns = NS_PER_DAY,
};

static void stage_open(struct stage *stage)
{
    struct change_sink sink = {.on_change = on_change, .owner = stage};
    struct error error;

    memset(stage, 0, sizeof *stage);
    struct state_limits keyed = limits;
    keyed.key = HASH_KEY_FIXED; /* as the sightings' keys */
    assert_int_equal(state_open(&keyed, sink, &stage->state, &error), STATUS_OK);
    struct budget budget = {.bytes = 0};
    state_budget(&limits, &budget);
    assert_true(budget.bytes > 1000000);
}

static void say(struct stage *stage, struct wire wire)
{
    stage->count = 0;
    state_see(stage->state, &wire_sip(&wire, ++stage->number)->head, false);
}

#define SAY(stage, ...) say(stage, (struct wire){__VA_ARGS__})
#define USES(nonce)                                                                                \
    "Authorization: Digest username=\"u\", realm=\"pbx\", nonce=\"" nonce                          \
    "\", uri=\"sip:pbx\", response=\"aa\"\r\n"
#define CHALLENGE(nonce) "WWW-Authenticate: Digest realm=\"pbx\", nonce=\"" nonce "\"\r\n"
#define CONTACT "Contact: <sip:2001@192.0.2.10:5060>\r\n"

static void in_order(void **unused)
{
    static struct stage stage;
    (void)unused;

    stage_open(&stage);
    SAY(&stage, .what = "REGISTER");
    assert_int_equal(stage.count, 1);
    assert_int_equal(stage.all[0].kind, CHANGE_MESSAGE);
    assert_true(stage.all[0].has_transaction);
    SAY(&stage, .at_ms = 1, .what = "REGISTER");
    assert_true(stage.all[0].is_retransmission);
    SAY(&stage, .at_ms = 2, .what = "401 REGISTER", .headers = CHALLENGE("n1"));
    assert_int_equal(stage.count, 2);
    assert_int_equal(stage.all[0].kind, CHANGE_MESSAGE);
    assert_int_equal(stage.all[1].kind, CHANGE_TRANSACTION_ENDED);
    assert_true(stage.all[1].fact.is.transaction.server.is_server); /* by this very answer */
    assert_false(stage.all[1].fact.is.transaction.client.proven);
    SAY(&stage, .at_ms = 3, .cseq = 2, .what = "REGISTER", .headers = CONTACT USES("n1"));
    assert_true(stage.all[0].fact.is.message.client.proven); /* he has read the nonce */
    SAY(&stage, .at_ms = 4, .cseq = 2, .what = "200 REGISTER", .headers = CONTACT);
    assert_int_equal(stage.count, 3);
    assert_int_equal(stage.all[1].kind, CHANGE_TRANSACTION_ENDED);
    assert_int_equal(stage.all[2].kind, CHANGE_REGISTRATION);
    /* known only behind it */
    assert_false(stage.all[1].fact.is.transaction.device_known);
    assert_false(stage.all[2].fact.is.registration.account_known);
    SAY(&stage, .at_ms = 5, .cseq = 3, .what = "OPTIONS");
    SAY(&stage, .at_ms = 6, .cseq = 3, .what = "200 OPTIONS");
    assert_true(stage.all[1].fact.is.transaction.device_known);
    assert_int_equal(stage.all[1].fact.is.transaction.client.good_accounts, 1);
    struct state_counts counts;
    state_counts(stage.state, &counts);
    assert_int_equal(counts.registrations.attempts, 2);
    assert_int_equal(counts.registrations.succeeded, 1);
    assert_int_equal(counts.bindings, 1);
    assert_int_equal(counts.transactions, 3);
    assert_int_equal(counts.evicted, 0);
    state_close(stage.state);
}

static void call_behind_message(void **unused)
{
    static struct stage stage;
    (void)unused;

    stage_open(&stage);
    SAY(&stage, .what = "INVITE", .headers = CONTACT);
    assert_int_equal(stage.count, 2);
    assert_int_equal(stage.all[0].kind, CHANGE_MESSAGE);
    assert_int_equal(stage.all[1].kind, CHANGE_CALL_STARTED);
    SAY(&stage, .at_ms = 10, .what = "200 INVITE");
    assert_int_equal(stage.count, 3);
    assert_int_equal(stage.all[1].kind, CHANGE_TRANSACTION_ENDED);
    assert_int_equal(stage.all[2].kind, CHANGE_CALL_ANSWERED);
    state_close(stage.state);
}

/* Failures are counted before the registration tells how many there were; an upper hop's are not.
 */
static void failures(void **unused)
{
    static struct stage stage;
    (void)unused;

    stage_open(&stage);
    for (uint32_t i = 1; i <= 3; i++) {
        SAY(&stage, .at_ms = 10 * i, .cseq = i, .what = "REGISTER", .headers = CONTACT USES("n1"));
        SAY(&stage, .at_ms = 10 * i, .cseq = i, .what = "REGISTER", .headers = CONTACT USES("n1"),
            .vias = 2, .client = WIRE_SERVER, .server = "192.0.2.5:5060");
        SAY(&stage, .at_ms = 10 * i, .cseq = i, .what = "403 REGISTER", .vias = 2,
            .client = WIRE_SERVER, .server = "192.0.2.5:5060");
        assert_int_equal(stage.count, 2);
        /* only who has answered somebody is known for a proxy */
        assert_int_equal(stage.all[1].fact.kind, i == 1 ? FACT_TRANSACTION : FACT_HOP);
        SAY(&stage, .at_ms = 10 * i, .cseq = i, .what = "403 REGISTER");
        assert_int_equal(stage.count, 3);
        assert_int_equal(stage.all[2].kind, CHANGE_REGISTRATION);
        assert_int_equal(stage.all[2].fact.is.registration.failures, i);
    }
    SAY(&stage, .at_ms = 50, .cseq = 4, .what = "REGISTER", .headers = CONTACT USES("n1"));
    SAY(&stage, .at_ms = 51, .cseq = 4, .what = "200 REGISTER", .headers = CONTACT);
    assert_int_equal(stage.all[2].fact.is.registration.failures, 3);
    SAY(&stage, .at_ms = 52, .cseq = 5, .what = "REGISTER", .headers = CONTACT USES("n1"));
    SAY(&stage, .at_ms = 53, .cseq = 5, .what = "200 REGISTER", .headers = CONTACT);
    assert_int_equal(stage.all[2].fact.is.registration.failures, 0);
    assert_true(stage.all[2].fact.is.registration.device_known);
    state_close(stage.state);
}

/* Nineteen messages of one direction say nothing, twenty do, and the first of the other takes it
 * back. */
static void one_way(void **unused)
{
    static const char *kinds[][2] = {{"OPTIONS", "200 OPTIONS"}, {"200 OPTIONS", "OPTIONS"}};
    (void)unused;

    for (size_t k = 0; k < COUNT_OF(kinds); k++) {
        static struct stage stage;
        stage_open(&stage);
        for (uint32_t i = 1; i <= 20; i++) {
            assert_false(state_facts_view(stage.state)->one_way_capture);
            SAY(&stage, .at_ms = i, .cseq = i, .what = kinds[k][0]);
        }
        assert_true(state_facts_view(stage.state)->one_way_capture);
        SAY(&stage, .at_ms = 30, .cseq = 1, .what = kinds[k][1]);
        assert_false(state_facts_view(stage.state)->one_way_capture);
        state_close(stage.state);
    }
}

/* Phones that are known register on and nobody is heard to answer: who does not repeat himself has
 * been answered. */
static void a_lost_direction(void **unused)
{
    (void)unused;

    for (unsigned repeats = 0; repeats < 2; repeats++) {
        static struct stage stage;
        struct mark_sighting mark = {.head = {.kind = SIGHTING_MARK},
                                     .second = WIRE_START_NS / NS_PER_S + 20};
        stage_open(&stage);
        SAY(&stage, .at_ms = 1, .cseq = 1, .what = "REGISTER", .headers = CONTACT USES("n1"));
        SAY(&stage, .at_ms = 2, .cseq = 1, .what = "200 REGISTER", .headers = CONTACT);
        state_mark(stage.state, &mark);
        for (uint32_t i = 2; i < 16; i++) {
            for (unsigned copy = 0; copy <= repeats; copy++) {
                SAY(&stage, .at_ms = 21000 + i * 100 + copy * 50, .cseq = i, .what = "REGISTER",
                    .headers = CONTACT USES("n1"));
            }
        }
        for (unsigned i = 0; i < 4; i++) {
            mark.second++;
            stage.count = 0;
            state_mark(stage.state, &mark);
        }
        const struct fact *last = &stage.all[stage.count - 1].fact;
        assert_int_equal(last->kind, FACT_SECOND);
        assert_int_equal(last->is.second.one_way_capture, repeats == 0);
        assert_int_equal(last->is.second.requests, repeats == 0 ? 14 : 28);
        assert_int_equal(last->is.second.answers, 0);
        state_close(stage.state);
    }
}

/* One message in two hundred may be cut, two may not; a hundred whole ones more make it good. What
 * the analyst knows of frames says the same. */
static void lossy(void **unused)
{
    static struct stage stage;
    struct mark_sighting mark = {.head = {.kind = SIGHTING_MARK}};
    (void)unused;

    stage_open(&stage);
    struct facts_view *view = state_facts_view(stage.state);
    for (uint32_t i = 1; i <= 600; i++) {
        SAY(&stage, .at_ms = i, .cseq = i, .what = "OPTIONS", .cut = i % 200 == 0 || i == 399);
        assert_int_equal(view->cut_messages, i >= 399);
    }
    for (uint32_t i = 601; i <= 800; i++) {
        SAY(&stage, .at_ms = i, .cseq = i, .what = "OPTIONS");
    }
    assert_false(view->cut_messages);
    for (unsigned i = 0; i < 2; i++) {
        stage.count = 0;
        view->lost_frames = i == 1;
        mark.second = WIRE_START_NS / NS_PER_S + 2 + i;
        state_mark(stage.state, &mark);
        const struct one *last = &stage.all[stage.count - 1];
        assert_int_equal(last->fact.kind, FACT_SECOND);
        assert_int_equal(last->fact.is.second.lossy_capture, i == 1);
    }
    state_close(stage.state);
}

static void marks_and_end(void **unused)
{
    static struct stage stage;
    struct mark_sighting mark = {.head = {.kind = SIGHTING_MARK}};
    (void)unused;

    stage_open(&stage);
    SAY(&stage, .what = "OPTIONS");
    SAY(&stage, .at_ms = 500, .what = "MESSAGE", .call_id = "m");
    stage.count = 0;
    mark.second = wire_second(32);
    state_mark(stage.state, &mark);
    assert_int_equal(stage.count, 2);
    assert_int_equal(stage.all[0].kind, CHANGE_TRANSACTION_ENDED);
    assert_int_equal(stage.all[1].kind, CHANGE_SECOND);
    stage.count = 0;
    state_end(stage.state, WIRE_START_NS + 32 * NS_PER_S);
    assert_int_equal(stage.count, 1);
    assert_true(stage.all[0].forced && stage.all[0].fact.forced);
    assert_int_equal(stage.all[0].fact.time_ns, WIRE_START_NS + 32 * NS_PER_S);
    state_close(stage.state);
}

/* A flow tells its own last packet; facts never go back. A jump moves what is remembered. */
static void time_goes_on(void **unused)
{
    static struct stage stage;
    struct flow_sighting flow = {.head = {.kind = SIGHTING_FLOW, .state_ns = WIRE_START_NS}};
    struct mark_sighting mark = {.head = {.kind = SIGHTING_MARK}};
    (void)unused;

    stage_open(&stage);
    SAY(&stage, .at_ms = 5000, .what = "200 INVITE");
    SAY(&stage, .at_ms = 5000, .what = "INVITE");
    stage.count = 0;
    state_see(stage.state, &flow.head, true);
    assert_int_equal(stage.all[0].kind, CHANGE_FLOW_ENDED);
    assert_true(stage.all[0].forced);
    assert_int_equal(stage.all[0].fact.time_ns, WIRE_START_NS + 5 * NS_PER_S);
    mark.second = wire_second(1000000);
    mark.shift_ns = 999900 * NS_PER_S;
    stage.count = 0;
    state_mark(stage.state, &mark);
    assert_int_equal(stage.all[stage.count - 1].kind, CHANGE_SECOND);
    state_close(stage.state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_order),         cmocka_unit_test(call_behind_message),
        cmocka_unit_test(failures),         cmocka_unit_test(one_way),
        cmocka_unit_test(a_lost_direction), cmocka_unit_test(lossy),
        cmocka_unit_test(marks_and_end),    cmocka_unit_test(time_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
