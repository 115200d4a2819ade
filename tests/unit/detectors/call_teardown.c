/* Forged ends of calls: who is named, who is not, and when it is an attack on all. */
#include "facts.h"

static const char *const rule = "call-teardown";

static struct fact torn(const char *ender, uint8_t how)
{
    struct fact fact = {.kind = FACT_CALL};

    fact.is.call = (struct fact_call){.caller = party("192.0.2.21", 5060),
                                      .callee = party("192.0.2.22", 5060),
                                      .event = FACT_CALL_TORN,
                                      .torn = how,
                                      .torn_after_ns = 4 * NS_PER_S,
                                      .call_number = 7,
                                      .from_user = SLICE("1001"),
                                      .from_host = SLICE("example.com"),
                                      .to_user = SLICE("1002"),
                                      .to_host = SLICE("example.com"),
                                      .call_id = SLICE("call-1@192.0.2.1")};
    if (ender == NULL) {
        fact.is.call.ender_on_path = true;
    } else {
        fact.is.call.ender = party(ender, 5060);
    }
    return fact;
}

static void test_one_call(void **state)
{
    (void)state;
    struct bench bench;

    bench_open(&bench, rule);
    bench_tell(&bench, torn("203.0.113.66", FACT_TORN_SENDER_GOES_ON));
    const struct incident *told = bench_must(&bench, rule);
    assert_int_equal(told->severity, 3);
    assert_int_equal(told->stage, 5);
    assert_string_equal(told->entity, "203.0.113.66");
    assert_string_equal(told->target, "1002@example.com");
    assert_string_equal(
        told->message,
        "203.0.113.66 ended 1 call with a forged BYE: 1001 to 1002; who is said to have hung up "
        "sent audio for 4 s more (the address has not shown that it hears us) (urgent from 3 calls "
        "in 10 min). Keep signalling from strangers out at the edge, and protect it with TLS: who "
        "forges it must have read it.");
    bench_close(&bench);
}

/* The address in it is the victim's: no alert may hold it. */
static void test_nobody_is_named(void **state)
{
    (void)state;
    struct bench bench;

    bench_open(&bench, rule);
    bench_tell(&bench, torn(NULL, FACT_TORN_BOTH_GO_ON));
    const struct incident *told = bench_must(&bench, rule);
    assert_int_equal(told->severity, 3);
    assert_string_equal(told->entity, "unknown");
    assert_true(addr_is_unspecified(&told->source.addr));
    assert_null(strstr(told->message, "192.0.2.2"));
    assert_non_null(strstr(told->message, "Somebody who forged the address of another"));
    bench_close(&bench);
}

/* Three calls of one sender within ten minutes. */
static void test_an_attack_on_all(void **state)
{
    (void)state;
    static const struct {
        const char *enders[3];
        uint64_t apart_ns;
        unsigned severity;
    } rows[] = {
        {{"203.0.113.66", "203.0.113.66", "203.0.113.66"}, NS_PER_MINUTE, 4},
        {{"203.0.113.66", "203.0.113.66", "203.0.113.66"}, 6 * NS_PER_MINUTE, 3},
        {{"203.0.113.66", "203.0.113.67", "203.0.113.66"}, NS_PER_MINUTE, 3},
        {{NULL, NULL, NULL}, NS_PER_MINUTE, 4},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct bench bench;
        bench_open(&bench, rule);
        for (unsigned call = 0; call < 3; call++) {
            bench_wait(&bench, rows[i].apart_ns);
            bench_tell(&bench, torn(rows[i].enders[call], FACT_TORN_SENDER_GOES_ON));
        }
        assert_int_equal(bench_severity(&bench, rule), rows[i].severity);
        bench_close(&bench);
    }
}

static void test_evidence_in_words(void **state)
{
    (void)state;
    static const char *const words[] = {
        [FACT_TORN_SENDER_GOES_ON] = "sent audio for 4 s more",
        [FACT_TORN_BOTH_GO_ON] = "both sides talked on for 4 s more",
        [FACT_TORN_SECOND_BYE] = "did so himself after 4 s",
        [FACT_TORN_CANCEL] = "forged CANCEL: 1001 to 1002; who is said to have cancelled went on",
    };

    for (uint8_t how = FACT_TORN_SENDER_GOES_ON; how <= FACT_TORN_CANCEL; how++) {
        struct bench bench;
        bench_open(&bench, rule);
        bench_tell(&bench, torn("203.0.113.66", how));
        assert_non_null(strstr(bench_must(&bench, rule)->message, words[how]));
        bench_close(&bench);
    }
}

/* Other events of calls, and what the end of the capture closed. */
static void test_other_facts(void **state)
{
    (void)state;
    struct bench bench;

    bench_open(&bench, rule);
    bench_tell(&bench, fact_call(FACT_CALL_ENDED, START_NS));
    bench_tell(&bench, fact_call(FACT_CALL_MEDIA, START_NS));
    struct fact fact = torn("203.0.113.66", FACT_TORN_BOTH_GO_ON);
    fact.forced = true;
    bench_tell(&bench, fact);
    assert_int_equal(bench.count, 0);
    bench_close(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_call),         cmocka_unit_test(test_nobody_is_named),
        cmocka_unit_test(test_an_attack_on_all), cmocka_unit_test(test_evidence_in_words),
        cmocka_unit_test(test_other_facts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
