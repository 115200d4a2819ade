/* Toll fraud of an account: points, what holds them back, and what adds up. */
#include "costly_facts.h"

static const char *const slug = "toll-fraud-account";

/* One first call, and what is changed about it. */
static void change_nothing(struct fact *fact)
{
    (void)fact;
}
static void change_low(struct fact *fact)
{
    fact->is.call.called = number_britain();
}
static void change_satellite(struct fact *fact)
{
    fact->is.call.called = number_satellite();
}
static void change_premium(struct fact *fact)
{
    fact->is.call.called = number_abroad(979123456789, "", FACT_NUMBER_PREMIUM, 50, 0);
}
static void change_stranger(struct fact *fact)
{
    make_stranger(fact);
    fact->is.call.early_media = true;
}
static void change_stranger_180(struct fact *fact)
{
    make_stranger(fact);
}
static void change_stranger_satellite(struct fact *fact)
{
    change_stranger(fact);
    fact->is.call.called = number_satellite();
}
static void change_peer(struct fact *fact)
{
    change_stranger_satellite(fact);
    fact->is.call.caller.is_peer = true;
}
static void change_device(struct fact *fact)
{
    fact->is.call.called = number_satellite();
    fact->is.call.device_known = false;
}
static void change_device_low(struct fact *fact)
{
    fact->is.call.called = number_britain();
    fact->is.call.device_known = false;
    fact->hour_of_week = 23;
}
static void change_rare(struct fact *fact)
{
    fact->is.call.called = number_satellite();
    fact->is.call.hour = FACT_HOUR_RARE;
}
static void change_night(struct fact *fact)
{
    fact->hour_of_week = 23;
}
static void change_night_satellite(struct fact *fact)
{
    fact->is.call.called = number_satellite();
    fact->hour_of_week = 5;
}
static void change_colleagues(struct fact *fact)
{
    fact->is.call.block_accounts = 2;
}
static void change_colleague(struct fact *fact)
{
    fact->is.call.block_accounts = 1;
}
static void change_colleagues_low(struct fact *fact)
{
    fact->is.call.called = number_britain();
    fact->is.call.block_accounts = 3;
}
static void change_weeks(struct fact *fact)
{
    fact->is.call.called = number_satellite();
    fact->is.call.weeks_called = 3;
}
static void change_allowed(struct fact *fact)
{
    fact->is.call.called = number_satellite();
    fact->is.call.called.allowed = true;
}
static void change_emergency(struct fact *fact)
{
    change_stranger_satellite(fact);
    fact->is.call.called.class = FACT_NUMBER_EMERGENCY;
}
static void change_toll_free(struct fact *fact)
{
    change_stranger(fact);
    fact->is.call.called.type = FACT_NUMBER_TOLL_FREE;
}
static void change_inbound(struct fact *fact)
{
    change_stranger(fact);
    fact->is.call.called = number_britain();
    fact->is.call.called.dialled_abroad = false;
}
static void change_inbound_risky(struct fact *fact)
{
    change_stranger(fact); /* a carrier brings a call to a site in a country of risk */
    fact->is.call.called.dialled_abroad = false;
}
static void change_failed(struct fact *fact)
{
    fact->is.call.called = number_satellite();
    fact->is.call.rang = false;
    fact->is.call.event = FACT_CALL_ENDED;
    fact->is.call.ended_ns = START_NS + NS_PER_S;
}

struct row {
    const char *name;
    void (*change)(struct fact *fact);
    unsigned severity;
    unsigned score; /* where it speaks */
    bool held; /* at 65 */
};

static void test_first_call(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"Somalia 20 + new 25", change_nothing, 0, 0, false},
        {"low risk (H39)", change_low, 0, 0, false},
        {"satellite 45 + 25 is held", change_satellite, 2, 65, true},
        {"premium 50 + 25 is held", change_premium, 2, 65, true},
        {"no login", change_stranger, 2, 65, false},
        {"no login, 180 without media", change_stranger_180, 0, 0, false},
        {"no login, satellite", change_stranger_satellite, 4, 90, false},
        {"a peer passes it on", change_peer, 0, 0, false},
        {"new device, satellite", change_device, 3, 85, false},
        {"new device at night, low risk (H26)", change_device_low, 0, 0, false},
        {"rare hour, satellite", change_rare, 3, 80, false},
        {"night", change_night, 2, 50, false},
        {"night, satellite, is held", change_night_satellite, 2, 65, true},
        {"two colleagues", change_colleagues, 2, 65, false},
        {"one colleague", change_colleague, 0, 0, false},
        {"colleagues, low risk (H57)", change_colleagues_low, 0, 0, false},
        {"called in three weeks (H40)", change_weeks, 0, 0, false},
        {"allowed", change_allowed, 0, 0, false},
        {"emergency", change_emergency, 0, 0, false},
        {"toll-free", change_toll_free, 0, 0, false},
        {"a number that may be ours", change_inbound, 0, 0, false},
        {"a number that may be ours, in a country of risk", change_inbound_risky, 0, 0, false},
        {"failed", change_failed, 0, 0, false},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct bench bench;
        bench_open(&bench, slug);
        struct fact fact = costly_call(&bench, 1, number_somalia());
        rows[i].change(&fact);
        bench_tell(&bench, fact);
        if (bench_severity(&bench, slug) != rows[i].severity) {
            fail_msg("%s: severity %u", rows[i].name, bench_severity(&bench, slug));
        }
        if (rows[i].severity > 0) {
            const struct incident *told = bench_must(&bench, slug);
            assert_int_equal(told->observed, rows[i].score);
            assert_int_equal(strstr(told->message, "score 65 (held") != NULL, rows[i].held);
        }
        bench_close(&bench);
    }
}

/* Guessing, breach, first 18x: before anybody pays. */
static void test_first_ringing_call(void **state)
{
    (void)state;
    struct bench bench;

    bench_open(&bench, NULL);
    for (uint32_t attempt = 0; attempt < 12; attempt++) {
        bench_tell(&bench, fact_failure(party("203.0.113.54", 5060), attempt));
        bench.now_ns += 3 * NS_PER_S;
    }
    bench_tell(&bench, fact_registration(party("203.0.113.54", 5060)));
    struct fact fact = costly_call(&bench, 1, number_satellite());
    fact.is.call.caller = party("203.0.113.54", 5060);
    bench.now_ns += NS_PER_S;
    bench_tell(&bench, fact);
    const struct incident *told = bench_must(&bench, slug);
    assert_int_equal(told->severity, 4);
    assert_int_equal(told->stage, 5);
    assert_string_equal(
        told->message,
        "Account 1001@example.com called +88161234567 (satellite): score 100 = destination 45 + "
        "first call abroad 10 + country new to account 10 + country new to site 5 + login after "
        "guessing 40; account score 100 by 1 costly call (in 1 s; limit 50 points in 1 h). Bar "
        "international and premium calls of the account, end what is up, and change its password.");
    assert_string_equal(told->target, "+88161234567");
    bench_close(&bench);
}

/* An attack before weighs more than what the account is used to. */
static void test_credits_have_a_floor(void **state)
{
    (void)state;
    struct bench bench;

    bench_open(&bench, NULL);
    for (uint32_t attempt = 0; attempt < 12; attempt++) {
        bench_tell(&bench, fact_failure(party("192.0.2.21", 5060), attempt));
        bench.now_ns += 3 * NS_PER_S;
    }
    struct fact fact = costly_call(&bench, 1, number_somalia());
    fact.is.call.weeks_called = 3;
    bench_tell(&bench, fact);
    assert_int_equal(bench_must(&bench, slug)->observed, 50);
    bench_close(&bench);
}

static void up(struct bench *bench, uint64_t call, struct fact_number called, bool usual)
{
    struct fact fact = usual ? usual_call(bench, call, called) : costly_call(bench, call, called);

    tell_event(bench, &fact, FACT_CALL_RINGING);
    tell_event(bench, &fact, FACT_CALL_ANSWERED);
    bench->now_ns += 700 * NS_PER_S;
}

static void test_parallel(void **state)
{
    (void)state;
    struct bench bench;

    /* known places, two calls at once: 20 + 10, and half of the other 20 */
    bench_open(&bench, slug);
    up(&bench, 1, number_somalia(), true);
    up(&bench, 2, number_somalia(), true);
    assert_int_equal(bench.count, 0);
    up(&bench, 3, number_somalia(), true);
    assert_int_equal(bench_severity(&bench, slug), 2);
    up(&bench, 4, number_somalia(), true);
    up(&bench, 5, number_somalia(), true);
    assert_int_equal(bench_severity(&bench, slug), 4);
    bench_close(&bench);
    /* to places of low risk it says nothing by itself (H7, H11) ... */
    bench_open(&bench, slug);
    for (uint64_t call = 1; call < 12; call++) {
        up(&bench, call, number_britain(), false);
    }
    assert_true(bench_severity(&bench, slug) <= 1);
    bench_close(&bench);
    /* ... but beside an attack it does */
    bench_open(&bench, NULL);
    for (uint32_t attempt = 0; attempt < 12; attempt++) {
        bench_tell(&bench, fact_failure(party("192.0.2.21", 5060), attempt));
        bench.now_ns += NS_PER_S;
    }
    up(&bench, 1, number_britain(), true);
    bench_tell(&bench, costly_call(&bench, 2, number_britain()));
    assert_int_equal(bench_must(&bench, slug)->observed, 85); /* 10 + 25 + 10 + 25, half of 30 */
    bench_close(&bench);
}

/* One after the other: only who rings in a row towards a new block of risk adds up. */
static void test_in_a_row(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t calls;
        uint64_t gap_ns;
        uint64_t step; /* from number to number */
        bool usual;
        unsigned severity;
    } rows[] = {
        {"two numbers", 2, 60 * NS_PER_S, 1, false, 0},
        {"three numbers", 3, 60 * NS_PER_S, 1, false, 3},
        {"three, far apart", 3, 1300 * NS_PER_S, 1, false, 0},
        {"three, of a known block", 3, 60 * NS_PER_S, 1, true, 0},
        {"one number, short, and again", 2, 60 * NS_PER_S, 0, false, 2},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct bench bench;
        bench_open(&bench, slug);
        for (uint32_t call = 0; call < rows[i].calls; call++) {
            struct fact_number number = number_somalia();
            number.e164 += call * rows[i].step;
            struct fact fact = rows[i].usual || call > 0 ? usual_call(&bench, call, number)
                                                         : costly_call(&bench, call, number);
            tell_whole(&bench, fact, rows[i].step == 0 ? 10 * NS_PER_S : 40 * NS_PER_S);
            bench.now_ns += rows[i].gap_ns;
        }
        if (bench_severity(&bench, slug) != rows[i].severity) {
            fail_msg("%s: severity %u", rows[i].name, bench_severity(&bench, slug));
        }
        bench_close(&bench);
    }
}

/* H39: six more in the week; H23: four wrong ways, then the right one. */
static void test_honest(void **state)
{
    (void)state;
    struct bench bench;

    bench_open(&bench, slug);
    tell_whole(&bench, costly_call(&bench, 1, number_britain()), 720 * NS_PER_S);
    for (uint64_t call = 2; call < 8; call++) {
        bench.now_ns += 20 * NS_PER_HOUR;
        tell_whole(&bench, usual_call(&bench, call, number_britain()), 720 * NS_PER_S);
    }
    assert_int_equal(bench.count, 0);
    bench_close(&bench);
    bench_open(&bench, slug);
    for (uint64_t call = 1; call < 5; call++) {
        struct fact fact = costly_call(&bench, call, number_britain());
        fact.is.call.rang = false;
        tell_event(&bench, &fact, FACT_CALL_ENDED);
    }
    struct fact fact = costly_call(&bench, 5, number_britain());
    bench_tell(&bench, fact);
    assert_true(bench_worst(&bench) <= 2);
    bench_close(&bench);
}

/* Slow abuse: calls of 45 points, far enough apart that none adds to another. */
static void test_week(void **state)
{
    (void)state;
    for (unsigned calls = 11; calls < 13; calls++) {
        struct bench bench;
        bench_open(&bench, slug);
        for (uint64_t call = 1; call <= calls; call++) {
            tell_whole(&bench, costly_call(&bench, call, number_somalia()), 60 * NS_PER_S);
            bench.now_ns += 8 * NS_PER_HOUR;
        }
        assert_int_equal(bench_severity(&bench, slug), calls < 12 ? 0 : 2);
        if (calls == 12) {
            assert_non_null(strstr(bench_must(&bench, slug)->message, "(limit 500 points in 7 d)"));
        }
        bench_close(&bench);
    }
}

static void tell_cost(struct bench *bench, uint64_t call, uint16_t cost_milli, uint64_t talk_ns)
{
    struct fact fact = usual_call(bench, call, number_britain());

    fact.is.call.called.cost_milli = cost_milli;
    tell_whole(bench, fact, talk_ns);
}

static void test_money(void **state)
{
    (void)state;
    struct bench bench;

    /* 3 a minute: 19.9, then a little more */
    bench_open(&bench, slug);
    tell_cost(&bench, 1, 3000, 398 * NS_PER_S);
    assert_int_equal(bench.count, 0);
    tell_cost(&bench, 2, 3000, 4 * NS_PER_S);
    assert_int_equal(bench_severity(&bench, slug), 1); /* nothing to compare with yet */
    const struct incident *told = bench_must(&bench, slug);
    assert_int_equal(told->observed, 20);
    assert_int_equal(told->threshold, 20);
    assert_non_null(strstr(told->message, "may have cost 20.1 in an hour; account score"));
    assert_non_null(strstr(told->message, "limit 20 currency units in 1 h)"));
    bench_close(&bench);
    /* an account that has been heard for more than a week, and spent 7 in an hour at most */
    for (unsigned before = 0; before < 2; before++) {
        bench_open(&bench, slug);
        tell_cost(&bench, 1, 3000, before == 0 ? 60 * NS_PER_S : 160 * NS_PER_S);
        bench.now_ns += 8 * NS_PER_DAY;
        tell_cost(&bench, 2, 3000, 430 * NS_PER_S); /* 21.5 */
        assert_int_equal(bench_severity(&bench, slug), before == 0 ? 3 : 0);
        bench_close(&bench);
    }
    /* 50 a day, in pieces of less than 20 an hour */
    bench_open(&bench, slug);
    for (uint64_t call = 1; call < 4; call++) {
        tell_cost(&bench, call, 3000, 380 * NS_PER_S);
        assert_int_equal(bench.count > 0, call == 3);
        bench.now_ns += 90 * NS_PER_MINUTE;
    }
    assert_non_null(strstr(bench_must(&bench, slug)->message, "today"));
    assert_non_null(strstr(bench_must(&bench, slug)->message, "limit 50 currency units in 1 d)"));
    bench_close(&bench);
}

/* The money of an attack is not what the account is used to. */
/* Two hours at 0.25 a minute are 15 an hour, not 30; and what ended is not more than what went on. */
static void test_money_of_a_long_call(void **state)
{
    (void)state;
    struct bench bench;

    bench_open(&bench, slug);
    tell_cost(&bench, 1, 250, 120 * NS_PER_MINUTE);
    assert_int_equal(bench.count, 0);
    tell_cost(&bench, 2, 3000, 110 * NS_PER_S); /* 5.5 more */
    assert_non_null(
        strstr(bench_must(&bench, slug)->message, "may have cost 20.5 in an hour; account score"));
    bench_close(&bench);
}

static void test_attack_does_not_teach(void **state)
{
    (void)state;
    struct bench bench;

    bench_open(&bench, slug);
    tell_cost(&bench, 1, 3000, 60 * NS_PER_S);
    bench_wait(&bench, 8 * NS_PER_DAY);
    for (uint64_t day = 0; day < 3; day++) {
        tell_cost(&bench, 2 + day, 3000, 500 * NS_PER_S); /* 25 */
        assert_int_equal(bench_count(&bench, slug, INCIDENT_OPEN), day + 1);
        bench_wait(&bench, NS_PER_DAY);
    }
    bench_close(&bench);
}

/* More calls at once than there is room for: each counts once all the same. */
static void test_forgotten_calls(void **state)
{
    (void)state;
    enum { AT_ONCE = 40 };
    static struct fact facts[AT_ONCE];
    struct bench bench;

    bench_open(&bench, slug);
    for (uint64_t call = 0; call < AT_ONCE; call++) {
        facts[call] = costly_call(&bench, 1 + call, number_satellite());
        tell_event(&bench, &facts[call], FACT_CALL_RINGING);
    }
    bench.now_ns += 3 * NS_PER_S;
    for (uint64_t call = 0; call < AT_ONCE; call++) {
        tell_event(&bench, &facts[call], FACT_CALL_ANSWERED);
    }
    bench.now_ns += 30 * NS_PER_S;
    for (uint64_t call = 0; call < AT_ONCE; call++) {
        tell_event(&bench, &facts[call], FACT_CALL_ENDED);
    }
    frame_end(bench.frame, bench.now_ns);
    assert_int_equal(bench_must(&bench, slug)->count, AT_ONCE);
    assert_non_null(strstr(bench_must(&bench, slug)->message, " by 40 costly calls"));
    bench_close(&bench);
}

static void test_other_country(void **state)
{
    (void)state;
    struct bench bench;
    const uint16_t home = 'D' << 8 | 'E';
    const uint16_t other = 'B' << 8 | 'R';

    bench_open(&bench, slug);
    struct fact fact = usual_call(&bench, 1, number_satellite());
    fact.is.call.caller.country = home;
    tell_whole(&bench, fact, 60 * NS_PER_S);
    assert_int_equal(bench.count, 0);
    bench.now_ns += NS_PER_DAY;
    fact = usual_call(&bench, 2, number_satellite());
    tell_whole(&bench, fact, 60 * NS_PER_S); /* unknown says nothing */
    bench.now_ns += NS_PER_DAY;
    assert_int_equal(bench.count, 0);
    fact = usual_call(&bench, 3, number_satellite());
    fact.is.call.caller.country = other;
    bench_tell(&bench, fact);
    assert_int_equal(bench_must(&bench, slug)->observed, 60);
    bench_close(&bench);
}

/* More calls than an account has room for; the call's own events count once. */
static void test_bounds(void **state)
{
    (void)state;
    struct bench bench;

    bench_open(&bench, slug);
    for (uint64_t call = 1; call < 200; call++) {
        struct fact fact = costly_call(&bench, call, number_satellite());
        fact.is.call.called.e164 += call;
        tell_event(&bench, &fact, FACT_CALL_RINGING);
        tell_event(&bench, &fact, FACT_CALL_RINGING);
        tell_event(&bench, &fact, FACT_CALL_ANSWERED);
        bench.now_ns += NS_PER_S;
    }
    frame_end(bench.frame, bench.now_ns);
    assert_int_equal(bench_must(&bench, slug)->count, 199);
    assert_int_equal(bench_severity(&bench, slug), 4);
    assert_true(strlen(bench_must(&bench, slug)->message) < 500);
    bench_close(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_call),
        cmocka_unit_test(test_first_ringing_call),
        cmocka_unit_test(test_credits_have_a_floor),
        cmocka_unit_test(test_parallel),
        cmocka_unit_test(test_in_a_row),
        cmocka_unit_test(test_honest),
        cmocka_unit_test(test_week),
        cmocka_unit_test(test_money),
        cmocka_unit_test(test_money_of_a_long_call),
        cmocka_unit_test(test_attack_does_not_teach),
        cmocka_unit_test(test_forgotten_calls),
        cmocka_unit_test(test_other_country),
        cmocka_unit_test(test_bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
