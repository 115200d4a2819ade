/* Floods: the limit to the request, who counts, what raises it, and what is learnt. */
#include "seconds.h"

static const char *const slug = "sip-flood";

static struct fact asked(uint32_t unknown, uint32_t sources, uint32_t fresh)
{
    struct fact fact = fact_second_of("192.0.2.10");
    struct fact_server *server = &fact.is.server;

    server->requests[FACT_METHOD_REGISTER] = unknown;
    server->unknown_requests[FACT_METHOD_REGISTER] = unknown;
    server->sources = sources;
    server->sources_new = fresh;
    return fact;
}

static void test_rows(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t unknown;
        uint32_t seconds;
        uint32_t sources;
        uint32_t fresh;
        uint32_t logins;
        unsigned severity;
    } rows[] = {
        {"fifty a second", 50, 10, 50, 50, 0, 0},
        {"fifty-one", 51, 10, 51, 51, 0, 3},
        {"fifty-one for four seconds", 51, 4, 51, 51, 0, 0},
        {"a burst of one second", 400, 1, 400, 400, 0, 0},
        {"from one source", 51, 10, 1, 1, 0, 3},
        {"phones that log in at once", 370, 10, 170, 170, 165, 0},
        {"a few of them do", 370, 10, 370, 370, 20, 3},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct bench bench;
        struct fact fact = asked(rows[i].unknown, rows[i].sources, rows[i].fresh);
        fact.is.server.logins = rows[i].logins;
        bench_open(&bench, slug);
        second_repeat(&bench, &fact, rows[i].seconds);
        if (bench_severity(&bench, slug) != rows[i].severity) {
            fail_msg("%s: severity %u", rows[i].name, bench_severity(&bench, slug));
        }
        bench_close(&bench);
    }
}

/* A gap in the seconds is calm; half a limit in one of them too. */
static void test_full_seconds(void **state)
{
    (void)state;
    struct bench bench;
    struct fact loud = asked(80, 80, 0);
    struct fact calm = asked(25, 25, 25);

    bench_open(&bench, slug);
    for (uint32_t i = 0; i < 8; i++) {
        second_repeat(&bench, &loud, 4);
        bench.now_ns += NS_PER_S; /* nothing was told of this second */
        second_repeat(&bench, &loud, 4);
        second_repeat(&bench, &calm, 1);
    }
    assert_int_equal(bench.count, 0);
    second_repeat(&bench, &loud, 5);
    assert_int_equal(bench_severity(&bench, slug), 3);
    bench_close(&bench);
}

/* Only what begins something counts, and only of unknown sources. */
static void test_who_counts(void **state)
{
    (void)state;
    struct bench bench;
    struct fact fact = asked(0, 300, 0);

    fact.is.server.requests[FACT_METHOD_INVITE] = 500;
    fact.is.server.unknown_requests[FACT_METHOD_BYE] = 500;
    fact.is.server.unknown_requests[FACT_METHOD_NOTIFY] = 500;
    bench_open(&bench, slug);
    second_repeat(&bench, &fact, 20);
    fact = asked(500, 500, 500);
    fact.is.server.one_way = true; /* nobody can be known */
    fact.is.server.followed = 25;
    second_repeat(&bench, &fact, 20);
    assert_int_equal(bench.count, 0);
    bench_close(&bench);
}

/* No answer is heard: there is none where nobody goes on from one. OPTIONS never does. */
static void test_unanswered(void **state)
{
    (void)state;
    struct bench bench;
    struct fact fact = asked(0, 500, 500);

    fact.is.server.one_way = true;
    fact.is.server.requests[FACT_METHOD_OPTIONS] = 500;
    fact.is.server.unknown_requests[FACT_METHOD_OPTIONS] = 500;
    bench_open(&bench, slug);
    second_repeat(&bench, &fact, 20);
    assert_int_equal(bench.count, 0);
    fact = asked(500, 500, 500);
    fact.is.server.one_way = true;
    fact.is.server.followed = 24;
    second_repeat(&bench, &fact, 20);
    assert_int_equal(bench_severity(&bench, slug), 3);
    bench_close(&bench);
}

/* Nobody is named, whoever forged what; one incident for the server. */
static void test_names_nobody(void **state)
{
    (void)state;
    struct bench bench;
    struct fact fact = asked(20000, 20000, 19000);

    bench_open(&bench, slug);
    second_repeat(&bench, &fact, 30);
    assert_int_equal(bench_count(&bench, slug, INCIDENT_OPEN), 1);
    const struct incident *told = bench_must(&bench, slug);
    assert_true(addr_is_unspecified(&told->source.addr));
    assert_string_equal(told->entity, "192.0.2.10");
    assert_int_equal(bench_count(&bench, slug, INCIDENT_CLOSE), 0);
    bench_close(&bench);
}

/* Answers three times slower for three seconds, or none to those who are known. */
static void test_service_suffers(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint64_t usual_ms;
        uint64_t mean_ms;
        uint32_t unanswered;
        unsigned severity;
    } rows[] = {
        {"well", 50, 60, 0, 3},
        {"just below three times", 50, 149, 0, 3},
        {"three times", 50, 150, 0, 4},
        {"three times, but fast", 20, 70, 0, 3},
        {"nothing is usual yet", 0, 900, 0, 3},
        {"nine wait", 50, 60, 9, 3},
        {"ten wait", 50, 60, 10, 4},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct bench bench;
        struct fact fact = asked(100, 100, 100);
        fact.is.server.usual_answer_ns = rows[i].usual_ms * NS_PER_MS;
        fact.is.server.first_answer_ns_mean = rows[i].mean_ms * NS_PER_MS;
        fact.is.server.unanswered = rows[i].unanswered;
        fact.is.server.unanswered_since_ns = START_NS;
        bench_open(&bench, slug);
        second_repeat(&bench, &fact, 9);
        if (bench_severity(&bench, slug) != rows[i].severity) {
            fail_msg("%s: severity %u", rows[i].name, bench_severity(&bench, slug));
        }
        bench_close(&bench);
    }
}

/* Four times the hour's highest where that is known; confidence says what is not. */
static void test_baseline(void **state)
{
    (void)state;
    struct bench bench;
    struct fact usual = asked(30, 30, 0);
    struct fact busy = asked(115, 115, 115);
    struct fact flood = asked(125, 125, 125);

    bench_open(&bench, slug);
    second_teach(&bench, &usual);
    second_repeat(&bench, &busy, 20);
    assert_int_equal(bench.count, 0);
    second_repeat(&bench, &flood, 6);
    const struct incident *told = bench_must(&bench, slug);
    assert_null(strstr(told->confidence.why, "no baseline yet"));
    bench_close(&bench);

    bench_open(&bench, slug);
    second_repeat(&bench, &flood, 6);
    told = bench_must(&bench, slug);
    assert_non_null(strstr(told->confidence.why, "no baseline yet -15"));
    bench_close(&bench);
}

/* Below the limit, but on and on: 3,000 above 15 a second. */
static void test_slow(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t unknown;
        uint32_t seconds;
        uint32_t sources;
        uint32_t fresh;
        uint32_t logins;
        uint32_t calm_every; /* seconds; in one nothing is asked. 0 = never */
        unsigned severity;
    } rows[] = {
        {"25 a second, five minutes", 25, 300, 25, 25, 0, 0, 0},
        {"a second more", 25, 301, 25, 25, 0, 0, 2},
        {"45 a second, 100 s", 45, 100, 45, 45, 0, 0, 0},
        {"45 a second, 101 s", 45, 101, 45, 45, 0, 0, 2},
        {"15 a second, an hour", 15, 3600, 15, 15, 0, 0, 0},
        {"30 every other second, an hour", 30, 3600, 30, 30, 0, 2, 0},
        {"40 every other second, ten minutes and more", 40, 620, 40, 40, 0, 2, 2},
        {"one source in five has a past", 40, 3600, 40, 31, 0, 0, 0},
        {"four in five have none", 40, 3600, 40, 32, 0, 0, 2},
        {"bursts of four seconds", 6000, 4, 200, 200, 0, 0, 0},
        {"a scanner", 45, 3600, 1, 1, 0, 0, 0},
        {"four sources", 45, 3600, 4, 4, 0, 0, 0},
        {"phones that log in", 45, 3600, 20, 20, 10, 0, 0},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct bench bench;
        struct fact fact = asked(rows[i].unknown, rows[i].sources, rows[i].fresh);
        fact.is.server.logins = rows[i].logins;
        bench_open(&bench, slug);
        for (uint32_t second = 0; second < rows[i].seconds; second++) {
            if (rows[i].calm_every != 0 && second % rows[i].calm_every == 1) {
                bench.now_ns += NS_PER_S; /* nothing was told of it */
            } else {
                second_tell(&bench, fact);
            }
        }
        if (bench_severity(&bench, slug) != rows[i].severity) {
            fail_msg("%s: severity %u", rows[i].name, bench_severity(&bench, slug));
        }
        bench_close(&bench);
    }
}

/* It says how long and how much; a fast one on top of it is worse; when it is over nothing is said. */
static void test_slow_sentence(void **state)
{
    (void)state;
    struct bench bench;
    struct fact slow = asked(25, 25, 25);
    struct fact fast = asked(80, 80, 80);
    struct fact calm = asked(0, 0, 0);

    bench_open(&bench, slug);
    second_repeat(&bench, &slow, 301);
    assert_string_equal(
        bench_must(&bench, slug)->message,
        "Server 192.0.2.10 is asked 25 times a second by unknown sources (25 sources in the last "
        "second, REGISTER 100 %), less than a flood but on and on; forged: 100 % of the sources "
        "were never seen before and have proven nothing (no baseline yet) (in 5.02 min; limit "
        "3000 surplus requests). Limit requests of sources without a registration at the edge; do "
        "not block single addresses, they are likely forged. Look whether calls and registrations "
        "still pass.");
    size_t told = bench.count;
    second_repeat(&bench, &calm, 30);
    assert_int_equal(bench.count, told);
    second_repeat(&bench, &fast, 6);
    assert_int_equal(bench_severity(&bench, slug), 3);
    bench_close(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),          cmocka_unit_test(test_full_seconds),
        cmocka_unit_test(test_who_counts),    cmocka_unit_test(test_names_nobody),
        cmocka_unit_test(test_unanswered),    cmocka_unit_test(test_service_suffers),
        cmocka_unit_test(test_baseline),      cmocka_unit_test(test_slow),
        cmocka_unit_test(test_slow_sentence),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
