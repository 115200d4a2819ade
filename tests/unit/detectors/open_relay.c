/* Open relay: what our server's answer proves, of whom, and where to. */
#include "costly_facts.h"

static const char *const slug = "open-relay";

static struct fact relayed(struct bench *bench, uint64_t call)
{
    struct fact fact = costly_call(bench, call, number_somalia());

    make_stranger(&fact);
    fact.is.call.early_media = true;
    return fact;
}

static void change_nothing(struct fact *fact)
{
    (void)fact;
}
static void change_plain_180(struct fact *fact)
{
    fact->is.call.early_media = false;
}
static void change_answer(struct fact *fact)
{
    fact->is.call.early_media = false;
    fact->is.call.event = FACT_CALL_ANSWERED;
    fact->is.call.answered_ns = START_NS;
}
static void change_ended(struct fact *fact)
{
    fact->is.call.event = FACT_CALL_ENDED;
}
static void change_credentials(struct fact *fact)
{
    fact->is.call.has_credentials = true;
}
static void change_challenged(struct fact *fact)
{
    change_credentials(fact);
    fact->is.call.challenged = true;
}
static void change_nonce_of_before(struct fact *fact)
{
    change_credentials(fact);
    fact->is.call.caller.proven = true;
}
static void change_registered(struct fact *fact)
{
    fact->is.call.caller_registered = true;
}
static void change_peer(struct fact *fact)
{
    fact->is.call.caller.is_peer = true;
}
static void change_bye(struct fact *fact)
{
    fact->is.call.caller.is_server = true;
}
static void change_device(struct fact *fact)
{
    fact->is.call.device_known = true;
}
static void change_accounts(struct fact *fact)
{
    fact->is.call.caller.good_accounts = 1;
}
static void change_plus(struct fact *fact)
{
    fact->is.call.called.dialled_abroad = false;
}
static void change_plus_probed(struct fact *fact)
{
    fact->is.call.called.dialled_abroad = false;
    fact->is.call.prefixes_tried = 3;
}
static void change_plus_low(struct fact *fact)
{
    fact->is.call.called = number_britain();
    fact->is.call.called.dialled_abroad = false;
    fact->is.call.prefixes_tried = 3;
}
static void change_plain_abroad(struct fact *fact)
{
    fact->is.call.called = number_britain(); /* site.country is another */
    fact->is.call.dialled = SLICE("+442079460001");
}
static void change_carrier_abroad(struct fact *fact)
{
    change_plain_abroad(fact);
    fact->is.call.calling = number_britain();
}
static void change_low(struct fact *fact)
{
    fact->is.call.called = number_britain();
}
static void change_satellite(struct fact *fact)
{
    fact->is.call.called = number_satellite();
    fact->is.call.called.dialled_abroad = false;
}
static void change_reception(struct fact *fact)
{
    fact->is.call.called = (struct fact_number){.class = FACT_NUMBER_NONE};
}
static void change_own(struct fact *fact)
{
    fact->is.call.called.class = FACT_NUMBER_INTERNAL;
}
static void change_invalid(struct fact *fact)
{
    fact->is.call.called = number_abroad(12025550100, "US", FACT_NUMBER_INVALID, 15, 10);
    fact->is.call.called.dialled_abroad = false;
}
static void change_emergency(struct fact *fact)
{
    fact->is.call.called.class = FACT_NUMBER_EMERGENCY;
}
static void change_near(struct fact *fact)
{
    fact->is.call.caller = party("192.0.2.99", 5060);
}
static void change_private(struct fact *fact)
{
    fact->is.call.caller = party("10.1.2.3", 5060);
}
static void change_forced(struct fact *fact)
{
    fact->forced = true;
}

static void test_table(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        void (*change)(struct fact *fact);
        unsigned severity;
    } rows[] = {
        {"18x with media", change_nothing, 4},
        {"18x without", change_plain_180, 0},
        {"200", change_answer, 4},
        {"ended", change_ended, 0},
        {"credentials that the server asked for", change_challenged, 0},
        {"credentials by a challenge of before", change_nonce_of_before, 0},
        {"credentials that nobody asked for", change_credentials, 2},
        {"registered", change_registered, 0},
        {"peer (H10)", change_peer, 0},
        {"answered a BYE only", change_bye, 4},
        {"known device", change_device, 0},
        {"address with good accounts", change_accounts, 0},
        {"plain + into a country of risk", change_plus, 2},
        {"the same after trying prefixes", change_plus_probed, 4},
        {"plain + of low risk: ours?", change_plus_low, 0},
        {"dialled abroad, low risk", change_low, 4},
        {"another country, plain, by an extension", change_plain_abroad, 4},
        {"another country, plain, by a number: our office there?", change_carrier_abroad, 0},
        {"satellite", change_satellite, 4},
        {"reception (H32)", change_reception, 0},
        {"our own number", change_own, 0},
        {"a number that does not exist", change_invalid, 0},
        {"emergency", change_emergency, 0},
        {"beside the server", change_near, 2},
        {"private address", change_private, 2},
        {"forced", change_forced, 0},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct bench bench;
        bench_open(&bench, slug);
        struct fact fact = relayed(&bench, 1);
        rows[i].change(&fact);
        bench_tell(&bench, fact);
        if (bench_severity(&bench, slug) != rows[i].severity) {
            fail_msg("%s: severity %u", rows[i].name, bench_severity(&bench, slug));
        }
        bench_close(&bench);
    }
}

/* H10: a carrier by address, of whom we only ever saw the calls that come in. */
static void test_harmless_before(void **state)
{
    (void)state;
    for (unsigned calls = 9; calls < 11; calls++) {
        struct bench bench;
        bench_open(&bench, slug);
        for (uint64_t call = 1; call <= calls; call++) {
            struct fact fact = relayed(&bench, call);
            change_own(&fact);
            tell_event(&bench, &fact, FACT_CALL_RINGING);
            tell_event(&bench, &fact, FACT_CALL_ANSWERED);
            bench.now_ns += NS_PER_MINUTE;
        }
        bench_tell(&bench, relayed(&bench, 100));
        assert_int_equal(bench_severity(&bench, slug), calls < 10 ? 4 : 2);
        bench_close(&bench);
    }
}

static void test_sentence(void **state)
{
    (void)state;
    struct bench bench;

    bench_open(&bench, slug);
    for (uint64_t call = 1; call < 3; call++) {
        struct fact fact = relayed(&bench, call);
        tell_event(&bench, &fact, FACT_CALL_RINGING);
        bench.now_ns += 40 * NS_PER_S;
        tell_event(&bench, &fact, FACT_CALL_ANSWERED);
        bench.now_ns += 40 * NS_PER_S;
    }
    assert_string_equal(bench.told[0].message,
                        "203.0.113.66 was let through to +252612345678 (SO, mobile) by "
                        "192.0.2.10 without registration or password, dialled as 00252612345678; "
                        "it hears early media. Close the dial plan for callers without a password "
                        "at once, block the "
                        "address, and look at the bill.");
    assert_int_equal(bench.told[0].stage, 4);
    frame_end(bench.frame, bench.now_ns);
    assert_int_equal(bench_must(&bench, slug)->count, 2);
    assert_non_null(
        strstr(bench_must(&bench, slug)->message, "; it was answered, 2 such calls (in 2 min"));
    bench_close(&bench);
}

static void test_any_name(void **state)
{
    (void)state;
    char name[200];
    struct bench bench;

    memset(name, 1, sizeof name);
    bench_open(&bench, slug);
    struct fact fact = relayed(&bench, 1);
    fact.is.call.dialled = slice_of(name, sizeof name);
    bench_tell(&bench, fact);
    assert_non_null(strstr(bench_must(&bench, slug)->message, "; it hears early media. Close"));
    bench_close(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_harmless_before),
        cmocka_unit_test(test_sentence),
        cmocka_unit_test(test_any_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
