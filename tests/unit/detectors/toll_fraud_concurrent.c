/* Costly calls at once: how many, after what history, and who is a machine. */
#include "costly_facts.h"

static const char *const slug = "toll-fraud-concurrent";

static struct fact answered(struct bench *bench, uint64_t call, struct fact_number called)
{
    struct fact fact = costly_call(bench, call, called);

    tell_event(bench, &fact, FACT_CALL_ANSWERED);
    bench->now_ns += NS_PER_S;
    return fact;
}

/* So many at once, and all end. */
static void episode(struct bench *bench, uint64_t first, uint32_t calls, struct fact_number called)
{
    static struct fact facts[64];

    for (uint32_t i = 0; i < calls; i++) {
        facts[i] = answered(bench, first + i, called);
    }
    for (uint32_t i = 0; i < calls; i++) {
        tell_event(bench, &facts[i], FACT_CALL_ENDED);
    }
}

static struct fact_number number_home(void)
{
    return (struct fact_number){
        .e164 = 12025550100, .block = 1202555, .class = FACT_NUMBER_NATIONAL};
}

static void test_limits(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t before; /* calls at once of an earlier episode */
        uint64_t since_ns;
        uint32_t calls;
        bool low;
        unsigned severity;
    } rows[] = {
        {"two", 0, 0, 2, false, 0},
        {"three", 0, 0, 3, false, 3},
        {"three, one at a time before", 1, NS_PER_DAY, 3, false, 3},
        {"three, two at once before", 2, NS_PER_DAY, 3, false, 0},
        {"five, two at once before", 2, NS_PER_DAY, 5, false, 0},
        {"six, two at once before", 2, NS_PER_DAY, 6, false, 3},
        {"three, two at once 70 days before", 2, 70 * NS_PER_DAY, 3, false, 3},
        {"three, of low risk", 0, 0, 3, true, 0},
        {"thirty, of low risk (H11)", 0, 0, 30, true, 0},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct bench bench;
        bench_open(&bench, slug);
        if (rows[i].before > 0) {
            episode(&bench, 1, rows[i].before, number_somalia());
            bench.now_ns += rows[i].since_ns;
            if (rows[i].since_ns > 30 * NS_PER_DAY) {
                episode(&bench, 50, 1, number_somalia());
                bench.now_ns += 31 * NS_PER_DAY;
            }
        }
        assert_int_equal(bench.count, 0);
        episode(&bench, 100, rows[i].calls, rows[i].low ? number_britain() : number_somalia());
        if (bench_severity(&bench, slug) != rows[i].severity) {
            fail_msg("%s: severity %u", rows[i].name, bench_severity(&bench, slug));
        }
        bench_close(&bench);
    }
}

/* After guessing, places of low risk count too. */
static void test_after_attack(void **state)
{
    (void)state;
    for (uint32_t failures = 9; failures < 11; failures++) {
        struct bench bench;
        bench_open(&bench, "registration-bruteforce,toll-fraud-concurrent");
        for (uint32_t attempt = 0; attempt < failures; attempt++) {
            bench_tell(&bench, fact_failure(party("203.0.113.54", 5060), attempt));
            bench.now_ns += NS_PER_S;
        }
        episode(&bench, 1, 3, number_britain());
        assert_int_equal(bench_severity(&bench, slug), failures < 10 ? 0 : 3);
        bench_close(&bench);
    }
}

/* An attack is not what the account is used to afterwards. */
static void test_attack_does_not_teach(void **state)
{
    (void)state;
    struct bench bench;

    bench_open(&bench, slug);
    episode(&bench, 1, 5, number_somalia());
    bench_wait(&bench, 12 * NS_PER_HOUR);
    assert_int_equal(bench_count(&bench, slug, INCIDENT_CLOSE), 1);
    episode(&bench, 10, 3, number_somalia());
    assert_int_equal(bench_count(&bench, slug, INCIDENT_OPEN), 2);
    bench_close(&bench);
}

/* Nor does it make the account one of a machine, however many calls it had. */
static void test_attack_makes_no_machine(void **state)
{
    (void)state;
    for (uint64_t home = 0; home < 2; home++) {
        struct bench bench;
        struct fact last;
        bench_open(&bench, slug);
        if (home > 0) {
            last = answered(&bench, 500, number_home());
        }
        episode(&bench, 1, 25, number_somalia());
        if (home > 0) {
            tell_event(&bench, &last, FACT_CALL_ENDED); /* outlasts them */
        }
        bench_wait(&bench, 12 * NS_PER_HOUR);
        assert_int_equal(bench_count(&bench, slug, INCIDENT_CLOSE), 1);
        episode(&bench, 100, 25, number_somalia());
        assert_int_equal(bench_count(&bench, slug, INCIDENT_OPEN), 2);
        bench_close(&bench);
    }
}

/* H7, H11: a dialler shows itself by its other calls, now or before. */
static void test_machine(void **state)
{
    (void)state;
    for (unsigned home = 19; home < 22; home++) {
        struct bench bench;
        bench_open(&bench, slug);
        for (uint32_t call = 0; call < home; call++) {
            (void)answered(&bench, 1000 + call, number_home());
        }
        (void)answered(&bench, 1, number_somalia());
        (void)answered(&bench, 2, number_somalia());
        (void)answered(&bench, 3, number_somalia());
        assert_int_equal(bench.count > 0, home < 20);
        bench_close(&bench);
    }
    struct bench bench;
    bench_open(&bench, slug);
    episode(&bench, 1000, 20, number_home());
    episode(&bench, 1, 6, number_somalia());
    assert_int_equal(bench.count, 0);
    bench_close(&bench);
}

static void test_not_judged(void **state)
{
    (void)state;
    struct bench bench;

    bench_open(&bench, slug);
    for (uint64_t call = 1; call < 10; call++) {
        struct fact fact = costly_call(&bench, call, number_somalia());
        fact.is.call.called.class = FACT_NUMBER_EMERGENCY; /* H30 */
        tell_event(&bench, &fact, FACT_CALL_ANSWERED);
        fact = costly_call(&bench, 100 + call, number_somalia());
        fact.is.call.caller_registered = false; /* the second leg of a B2BUA */
        fact.is.call.caller.is_peer = true;
        tell_event(&bench, &fact, FACT_CALL_ANSWERED);
        fact = costly_call(&bench, 200 + call, number_somalia());
        fact.is.call.event = FACT_CALL_ANSWERED;
        fact.forced = true;
        bench_tell(&bench, fact);
        fact = costly_call(&bench, 300 + call, number_home());
        tell_event(&bench, &fact, FACT_CALL_ANSWERED);
    }
    assert_int_equal(bench.count, 0);
    bench_close(&bench);
}

static void test_sentence(void **state)
{
    (void)state;
    struct bench bench;

    bench_open(&bench, slug);
    episode(&bench, 1, 1, number_somalia());
    episode(&bench, 10, 3, number_somalia());
    assert_string_equal(
        bench_must(&bench, slug)->message,
        "Account 1001@example.com has 3 answered costly calls at once, the last to +252612345678 "
        "(SO, mobile); in 30 days before it had at most 1 (in 2 s; limit 3 calls at "
        "once). Ask the user; if he knows nothing of it, end the calls, bar the account and change "
        "its password.");
    bench_close(&bench);
    bench_open(&bench, slug);
    episode(&bench, 10, 3, number_somalia());
    assert_non_null(strstr(bench_must(&bench, slug)->message, "; we know of none before (in 2 s"));
    bench_close(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_after_attack),
        cmocka_unit_test(test_attack_does_not_teach),
        cmocka_unit_test(test_attack_makes_no_machine),
        cmocka_unit_test(test_machine),
        cmocka_unit_test(test_not_judged),
        cmocka_unit_test(test_sentence),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
