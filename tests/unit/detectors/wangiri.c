/* One-ring calls: how many numbers, how short, and who only looks like it. And who calls back. */
#include "costly_facts.h"

static const char *const slug = "wangiri";
static const char *const back = "wangiri-callback";

/* A carrier brings a call to one of our numbers. */
static struct fact from_outside(struct bench *bench, uint64_t call, uint32_t caller,
                                uint32_t called)
{
    static char names[64][16];
    struct fact fact = fact_call(FACT_CALL_ENDED, 0);

    fact.is.call.caller = party("198.51.100.20", 5060);
    fact.is.call.calling = number_somalia();
    fact.is.call.calling.e164 += caller;
    fact.is.call.call_number = call;
    fact.is.call.started_ns = bench->now_ns;
    fact.is.call.rang = true;
    fact.is.call.ended_by_caller = true;
    fact.is.call.dialled =
        text_number(names[called % 64], sizeof names[0], "1202555", 1000 + called, "");
    fact.is.call.account = SLICE("+252612345678@carrier.example");
    return fact;
}

static void ring(struct bench *bench, struct fact fact, uint64_t length_ns)
{
    struct fact_call *call = &fact.is.call;

    call->ended_ns = call->started_ns + length_ns;
    bench->now_ns = call->ended_ns;
    call->given_up = call->rang && call->ended_by_caller && call->answered_ns == 0;
    if (call->given_up) {
        call->event = FACT_CALL_GIVEN_UP;
        bench_tell(bench, fact);
        call->event = FACT_CALL_ENDED;
    }
    bench->now_ns = call->ended_ns + 37 * NS_PER_S; /* an end is told late */
    bench_tell(bench, fact);
}

struct row {
    const char *name;
    uint32_t rings;
    uint32_t numbers; /* of ours */
    uint32_t callers;
    uint64_t length_ns;
    uint64_t gap_ns;
    unsigned severity;
};

static void test_limits(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"nine", 9, 9, 9, 2 * NS_PER_S, 0, 0},
        {"ten", 10, 10, 10, 2 * NS_PER_S, 0, 2},
        {"ten of one caller", 10, 10, 1, 2 * NS_PER_S, 0, 2},
        {"ten to nine numbers", 10, 9, 10, 2 * NS_PER_S, 0, 0},
        {"five hundred to one number (H33)", 500, 1, 50, 2 * NS_PER_S, 0, 0},
        {"eight seconds", 10, 10, 10, 8 * NS_PER_S, 0, 2},
        {"nine seconds", 10, 10, 10, 9 * NS_PER_S, 0, 0},
        {"ten in two hours", 10, 10, 10, 2 * NS_PER_S, 11 * NS_PER_MINUTE, 0},
        {"nineteen in a day", 19, 19, 19, 2 * NS_PER_S, 65 * NS_PER_MINUTE, 0},
        {"twenty in a day", 20, 20, 20, 2 * NS_PER_S, 65 * NS_PER_MINUTE, 2},
        {"twenty in two days", 20, 20, 20, 2 * NS_PER_S, 140 * NS_PER_MINUTE, 0},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct bench bench;
        bench_open(&bench, slug);
        for (uint32_t call = 0; call < rows[i].rings; call++) {
            ring(&bench, from_outside(&bench, call, call % rows[i].callers, call % rows[i].numbers),
                 rows[i].length_ns);
            bench.now_ns += rows[i].gap_ns;
        }
        if (bench_severity(&bench, slug) != rows[i].severity) {
            fail_msg("%s: severity %u", rows[i].name, bench_severity(&bench, slug));
        }
        bench_close(&bench);
    }
}

/* H7: a dialler of whose calls some are answered. */
static void test_dialler(void **state)
{
    (void)state;
    for (unsigned every = 4; every < 8; every++) {
        struct bench bench;
        bench_open(&bench, slug);
        for (uint32_t call = 0; call < 40; call++) {
            struct fact fact = from_outside(&bench, call, call, call);
            if (call % every == every - 1) {
                fact.is.call.answered_ns = bench.now_ns + NS_PER_S;
            }
            ring(&bench, fact, 4 * NS_PER_S);
        }
        assert_int_equal(bench.count > 0, every > 4);
        bench_close(&bench);
    }
}

/* H13: ten phones ring for one caller, and he hangs up; a hundred callers do so. */
static void test_hunt_group(void **state)
{
    (void)state;
    struct bench bench;

    bench_open(&bench, slug);
    uint64_t start_ns = bench.now_ns;
    for (uint32_t leg = 0; leg < 30; leg++) {
        struct fact fact = from_outside(&bench, leg, 0, leg);
        fact.is.call.started_ns = start_ns + leg * 20 * NS_PER_MS;
        ring(&bench, fact, 5 * NS_PER_S);
        bench.now_ns = start_ns;
    }
    assert_int_equal(bench.count, 0);
    bench_close(&bench);
}

static void test_not_judged(void **state)
{
    (void)state;
    struct bench bench;

    bench_open(&bench, slug);
    for (uint32_t call = 0; call < 50; call++) {
        struct fact fact = from_outside(&bench, call, call, call);
        fact.is.call.has_credentials = true; /* one of ours */
        fact.is.call.called = number_britain();
        ring(&bench, fact, 2 * NS_PER_S);
        fact = from_outside(&bench, 100 + call, call, call);
        fact.is.call.rang = false;
        ring(&bench, fact, 2 * NS_PER_S);
        fact = from_outside(&bench, 200 + call, call, call);
        fact.is.call.ended_by_caller = false; /* busy */
        ring(&bench, fact, 2 * NS_PER_S);
        fact = from_outside(&bench, 300 + call, call, call);
        fact.is.call.called.class = FACT_NUMBER_EMERGENCY;
        ring(&bench, fact, 2 * NS_PER_S);
        fact = from_outside(&bench, 400 + call, call, call);
        fact.forced = true;
        ring(&bench, fact, 2 * NS_PER_S);
        fact = from_outside(&bench, 500 + call, call, call);
        fact.is.call.calling.block = call; /* another block each time */
        ring(&bench, fact, 2 * NS_PER_S);
    }
    assert_int_equal(bench.count, 0);
    bench_close(&bench);
}

/* Only the phones behind a proxy are heard: nine calls are given up, and the tenth goes on to the next
 * phone, where it is answered, busy, or given up late. */
static void test_taken_up_again(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint64_t answered_ns;
        uint64_t length_ns;
        bool ended_by_caller;
        unsigned severity; /* of ten calls */
    } rows[] = {
        {"given up for good", 0, 4 * NS_PER_S, true, 2},
        {"answered", 6 * NS_PER_S, 60 * NS_PER_S, true, 0},
        {"busy", 0, 6 * NS_PER_S, false, 0},
        {"given up late", 0, 20 * NS_PER_S, true, 0},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct bench bench;
        bench_open(&bench, slug);
        for (uint32_t call = 0; call < 10; call++) {
            struct fact fact = from_outside(&bench, call, call, call);
            if (call == 5) {
                fact.is.call.event = FACT_CALL_GIVEN_UP;
                fact.is.call.ended_ns = fact.is.call.started_ns + 4 * NS_PER_S;
                bench_tell(&bench, fact);
                fact.is.call.event = FACT_CALL_ENDED;
                fact.is.call.given_up = true;
                fact.is.call.ended_by_caller = rows[i].ended_by_caller;
                fact.is.call.answered_ns =
                    rows[i].answered_ns == 0 ? 0 : bench.now_ns + rows[i].answered_ns;
                fact.is.call.ended_ns = fact.is.call.started_ns + rows[i].length_ns;
                bench.now_ns = fact.is.call.ended_ns + 5 * NS_PER_S;
                bench_tell(&bench, fact);
            } else {
                ring(&bench, fact, 2 * NS_PER_S);
            }
        }
        if (bench_severity(&bench, slug) != rows[i].severity) {
            fail_msg("%s: severity %u", rows[i].name, bench_severity(&bench, slug));
        }
        bench_close(&bench);
    }
}

static void lure(struct bench *bench, uint32_t rings, uint8_t risk)
{
    for (uint32_t call = 0; call < rings; call++) {
        struct fact fact = from_outside(bench, call, call, call);
        fact.is.call.calling.risk_country = risk;
        ring(bench, fact, 2 * NS_PER_S);
    }
}

static void test_callback(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t rings;
        uint8_t risk;
        uint64_t wait_ns;
        bool other_block;
        bool outside; /* no call of ours */
        unsigned severity;
    } rows[] = {
        {"risky number rang once", 1, 20, NS_PER_HOUR, false, false, 3},
        {"risk 19", 1, 19, NS_PER_HOUR, false, false, 0},
        {"nobody rang", 0, 20, NS_PER_HOUR, false, false, 0},
        {"another block", 1, 20, NS_PER_HOUR, true, false, 0},
        {"47 h later", 1, 20, 47 * NS_PER_HOUR, false, false, 3},
        {"49 h later", 1, 20, 49 * NS_PER_HOUR, false, false, 0},
        {"low risk, ten rang", 10, 10, NS_PER_HOUR, false, false, 3},
        {"low risk, nine rang", 9, 10, NS_PER_HOUR, false, false, 0},
        {"somebody else calls there", 1, 20, NS_PER_HOUR, false, true, 0},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct bench bench;
        bench_open(&bench, "wangiri,wangiri-callback");
        lure(&bench, rows[i].rings, rows[i].risk);
        bench.now_ns += rows[i].wait_ns;
        struct fact fact = usual_call(&bench, 1000, number_somalia());
        fact.is.call.called.block += rows[i].other_block;
        if (rows[i].outside) {
            make_stranger(&fact);
        }
        bench_tell(&bench, fact);
        if (bench_severity(&bench, back) != rows[i].severity) {
            fail_msg("%s: severity %u", rows[i].name, bench_severity(&bench, back));
        }
        bench_close(&bench);
    }
}

static void test_sentences(void **state)
{
    (void)state;
    struct bench bench;

    bench_open(&bench, "wangiri,wangiri-callback");
    lure(&bench, 10, 20);
    assert_string_equal(bench_must(&bench, slug)->message,
                        "Callers of the number block +2526123 rang 10 numbers of ours once and "
                        "hung up, the last as +252612345687 (SO, mobile) (in 5.85 min; limit 10 "
                        "numbers in 1 h). Bar calls to this number block and tell the users not "
                        "to call back.");
    assert_true(addr_is_unspecified(&bench_must(&bench, slug)->source.addr)); /* nobody's fault */
    bench.now_ns += NS_PER_HOUR;
    struct fact fact = usual_call(&bench, 1000, number_somalia());
    tell_whole(&bench, fact, NS_PER_MINUTE);
    assert_string_equal(
        bench_must(&bench, back)->message,
        "Callers of the number block +2526123 were called back by "
        "1001@example.com at +252612345678 (SO, mobile), 1.01 h after they rang "
        "many numbers of ours once. Tell the user to hang up, and bar calls to this "
        "number block.");
    frame_end(bench.frame, bench.now_ns);
    assert_int_equal(bench_must(&bench, back)->count, 1);
    bench_close(&bench);
}

/* Whatever the caller calls himself, the number and the time stand behind it. */
static void test_any_name(void **state)
{
    (void)state;
    char name[200];
    struct bench bench;

    memset(name, 1, sizeof name);
    bench_open(&bench, "wangiri,wangiri-callback");
    lure(&bench, 10, 20);
    bench.now_ns += NS_PER_HOUR;
    struct fact fact = usual_call(&bench, 1000, number_somalia());
    fact.is.call.account = slice_of(name, sizeof name);
    tell_whole(&bench, fact, NS_PER_MINUTE);
    assert_non_null(strstr(bench_must(&bench, back)->message,
                           " at +252612345678 (SO, mobile), 1.01 h after they rang many"));
    bench_close(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limits),     cmocka_unit_test(test_dialler),
        cmocka_unit_test(test_hunt_group), cmocka_unit_test(test_not_judged),
        cmocka_unit_test(test_callback),   cmocka_unit_test(test_sentences),
        cmocka_unit_test(test_any_name),   cmocka_unit_test(test_taken_up_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
