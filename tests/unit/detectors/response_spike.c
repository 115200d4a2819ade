/* Spikes of errors: how many, of how many, which codes, whose calls. */
#include "limits.h"
#include "seconds.h"

static const char *const slug = "response-spike";

static struct fact answer(uint8_t method, uint16_t status, uint32_t number)
{
    struct fact fact = fact_transaction(party("192.0.2.21", 5060), status);
    struct fact_transaction *asked = &fact.is.transaction;

    asked->method = method;
    asked->account_known = true;
    asked->client.proven = true;
    asked->account = limit_name(number % 8, "@example.com");
    asked->target_user = limit_name(100 + number % 8, "");
    asked->reason = SLICE("Phrase");
    return fact;
}

struct spike_row {
    const char *name;
    uint32_t good;
    uint32_t bad;
    uint16_t status;
    uint8_t method;
    unsigned severity;
};

static void tell_row(struct bench *bench, const struct spike_row *row)
{
    uint32_t total = row->good + row->bad;

    for (uint32_t i = 0; i < total; i++) {
        /* Errors spread evenly over the good ones. */
        bool bad = (i + 1) * row->bad / total > i * row->bad / total;
        bench_tell(bench, answer(row->method, bad ? row->status : 200, bad ? i / 4 : i));
        bench->now_ns += 40 * NS_PER_S / total;
    }
}

static void test_rows(void **state)
{
    (void)state;
    static const struct spike_row rows[] = {
        {"seven of ten", 3, 7, 503, FACT_METHOD_INVITE, 0},
        {"eight of ten", 2, 8, 503, FACT_METHOD_INVITE, 2},
        {"eight of 20", 12, 8, 503, FACT_METHOD_INVITE, 0},
        {"nineteen of 60", 41, 19, 503, FACT_METHOD_INVITE, 0},
        {"twenty-two of 60", 38, 22, 503, FACT_METHOD_INVITE, 2},
        {"30 of 200: less than a fifth", 170, 30, 503, FACT_METHOD_INVITE, 0},
        {"45 of 200", 155, 45, 500, FACT_METHOD_INVITE, 2},
        {"numbers that nobody has", 0, 60, 404, FACT_METHOD_INVITE, 2},
        {"busy, declined, away, hung up (H7, H24)", 20, 180, 486, FACT_METHOD_INVITE, 0},
        {"declined", 20, 180, 603, FACT_METHOD_INVITE, 0},
        {"away", 20, 180, 480, FACT_METHOD_INVITE, 0},
        {"hung up (H13)", 20, 180, 487, FACT_METHOD_INVITE, 0},
        {"moved", 20, 180, 302, FACT_METHOD_INVITE, 0},
        {"registrations refused", 70, 30, 403, FACT_METHOD_REGISTER, 2},
        {"a quarter of them with 5xx", 75, 25, 500, FACT_METHOD_REGISTER, 2},
        {"a third of them with 5xx", 66, 34, 500, FACT_METHOD_REGISTER, 3},
        {"a dialog's business", 0, 90, 481, FACT_METHOD_BYE, 0},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct bench bench;
        bench_open(&bench, slug);
        tell_row(&bench, &rows[i]);
        if (bench_severity(&bench, slug) != rows[i].severity) {
            fail_msg("%s: severity %u", rows[i].name, bench_severity(&bench, slug));
        }
        bench_close(&bench);
    }
}

/* H8: the calls went over the other trunk. Lost ones raise it. */
static void test_lost(void **state)
{
    (void)state;
    static const struct spike_row row = {"trunk", 20, 80, 503, FACT_METHOD_INVITE, 2};
    struct bench bench;
    struct fact lost = fact_second_of("192.0.2.10");

    bench_open(&bench, slug);
    tell_row(&bench, &row);
    lost.is.server.calls_lost = 19;
    second_tell(&bench, lost);
    assert_int_equal(bench_severity(&bench, slug), 2);
    lost.is.server.calls_lost = 1;
    second_tell(&bench, lost);
    assert_int_equal(bench_severity(&bench, slug), 3);
    assert_int_equal(bench_count(&bench, slug, INCIDENT_OPEN), 1);
    bench_close(&bench);
}

/* The proxy passes on what the carrier says: the carrier is told of, and not when the proxy's other
 * carrier takes the calls (H8). What the proxy says itself is its own. */
static void test_hops(void **state)
{
    (void)state;
    struct bench bench;

    for (unsigned own = 0; own < 2; own++) {
        bench_open(&bench, slug);
        for (uint32_t i = 0; i < 40; i++) {
            struct fact further = answer(FACT_METHOD_INVITE, 503, i);
            further.kind = FACT_HOP;
            further.is.transaction.client = party("192.0.2.10", 5060);
            further.is.transaction.client.is_server = true;
            further.is.transaction.server = party("203.0.113.20", 5060);
            bench_tell(&bench, further);
            struct fact below = answer(FACT_METHOD_INVITE, 503, i);
            below.is.transaction.passed_on = own == 0;
            bench_tell(&bench, below);
            bench.now_ns += NS_PER_S;
        }
        assert_int_equal(bench_count(&bench, slug, INCIDENT_OPEN), own + 1);
        assert_string_equal(bench.told[0].entity, "203.0.113.20");
        bench_close(&bench);
    }
    /* They count among its answers: eight of its own are not half of all. */
    bench_open(&bench, slug);
    for (uint32_t i = 0; i < 18; i++) {
        struct fact below = answer(FACT_METHOD_INVITE, 503, i);
        below.is.transaction.passed_on = i < 10;
        bench_tell(&bench, below);
    }
    assert_int_equal(bench.count, 0);
    bench_close(&bench);
}

/* The last cause that was named stands beside the code. */
static void test_cause(void **state)
{
    (void)state;
    struct bench bench;

    bench_open(&bench, slug);
    for (uint32_t i = 0; i < 20; i++) {
        struct fact fact = answer(FACT_METHOD_INVITE, 503, i);
        fact.is.transaction.q850 = i == 18 ? 38 : i == 3 ? 34 : 0;
        bench_tell(&bench, fact);
    }
    assert_non_null(strstr(bench.told[0].message, "answered 503 Phrase, Q.850 cause 34, to "));
    bench_wait(&bench, 20 * NS_PER_MINUTE);
    assert_non_null(strstr(bench_must(&bench, slug)->message, "cause 38"));
    bench_close(&bench);
}

/* A scanner's errors are his; one pair's are theirs (H5). */
static void test_whose(void **state)
{
    (void)state;
    struct bench bench;

    bench_open(&bench, slug);
    for (uint32_t i = 0; i < 300; i++) {
        struct fact fact = answer(FACT_METHOD_INVITE, 403, i);
        fact.is.transaction.account_known = false;
        bench_tell(&bench, fact);
        fact = answer(FACT_METHOD_INVITE, 403, i); /* forged */
        fact.is.transaction.client.proven = false;
        fact.is.transaction.device_known = true;
        bench_tell(&bench, fact);
        fact = answer(FACT_METHOD_INVITE, 403, i % 2); /* two pairs */
        bench_tell(&bench, fact);
        fact = answer(FACT_METHOD_INVITE, 503, i);
        fact.forced = true;
        bench_tell(&bench, fact);
        bench.now_ns += 100 * NS_PER_MS;
    }
    assert_int_equal(bench.count, 0);
    bench_tell(&bench, answer(FACT_METHOD_INVITE, 403, 2));
    assert_int_equal(bench_severity(&bench, slug), 2);
    bench_close(&bench);
}

/* 403 is about who calls: one caller may call nobody, a trunk refuses us all. */
static void test_barred(void **state)
{
    (void)state;

    for (unsigned server = 0; server < 2; server++) {
        struct bench bench;
        bench_open(&bench, slug);
        for (uint32_t i = 0; i < 40; i++) {
            struct fact fact = answer(FACT_METHOD_INVITE, 403, i);
            fact.is.transaction.account = SLICE("2001@example.com");
            fact.is.transaction.client.is_server = server == 1;
            bench_tell(&bench, fact);
            bench.now_ns += NS_PER_S;
        }
        assert_int_equal(bench_severity(&bench, slug), server == 1 ? 2 : 0);
        bench_close(&bench);
    }
}

/* A share that this hour is used to is none; more than twice as much is. */
static void test_baseline(void **state)
{
    (void)state;
    struct bench bench;

    bench_open(&bench, slug);
    for (uint32_t week = 0; week < 5; week++) {
        for (uint32_t minute = 0; minute < 61; minute++) {
            bench.now_ns = START_NS + week * 7 * NS_PER_DAY + minute * NS_PER_MINUTE;
            for (uint32_t i = 0; i < 200; i++) {
                struct fact fact = answer(FACT_METHOD_INVITE, i % 8 == 0 ? 500 : 200, i / 8);
                fact.hour_of_week = minute < 60 ? 0 : 1;
                bench_tell(&bench, fact);
                bench.now_ns += 200 * NS_PER_MS;
            }
        }
    }
    assert_int_equal(bench.count, 0);
    bench.now_ns = START_NS + 5 * 7 * NS_PER_DAY;
    for (uint32_t i = 0; i < 200; i++) {
        bench_tell(&bench, answer(FACT_METHOD_INVITE, i % 4 == 0 ? 500 : 200, i / 4));
        bench.now_ns += 200 * NS_PER_MS;
    }
    assert_int_equal(bench.count, 0); /* not above twice 12.5 % yet: 25 % */
    for (uint32_t i = 0; i < 200; i++) {
        bench_tell(&bench, answer(FACT_METHOD_INVITE, i % 2 == 0 ? 500 : 200, i / 2));
        bench.now_ns += 200 * NS_PER_MS;
    }
    const struct incident *told = bench_must(&bench, slug);
    assert_null(strstr(told->confidence.why, "no baseline yet"));
    bench_close(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),     cmocka_unit_test(test_lost),
        cmocka_unit_test(test_hops),     cmocka_unit_test(test_cause),
        cmocka_unit_test(test_whose),    cmocka_unit_test(test_barred),
        cmocka_unit_test(test_baseline),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
