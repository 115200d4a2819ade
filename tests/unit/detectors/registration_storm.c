/* Storms: the limit to the request, who must be known, and when it hurts. */
#include "seconds.h"

static const char *const slug = "registration-storm";

static struct fact asked(uint32_t requests, uint32_t unknown)
{
    struct fact fact = fact_second_of("192.0.2.10");
    struct fact_server *server = &fact.is.server;

    server->requests[FACT_METHOD_REGISTER] = requests;
    server->unknown_requests[FACT_METHOD_REGISTER] = unknown;
    server->answers = requests;
    server->first_answers = requests;
    return fact;
}

static void test_rows(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t requests;
        uint32_t unknown;
        uint32_t logins;
        uint32_t seconds;
        unsigned severity;
    } rows[] = {
        {"twenty a second", 20, 0, 0, 30, 0},
        {"twenty-one", 21, 0, 0, 30, 1},
        {"twenty-one for nine seconds", 21, 0, 0, 9, 0},
        {"seventy percent known", 100, 30, 0, 12, 1},
        {"sixty-nine", 100, 31, 0, 12, 0},
        {"they become known", 100, 100, 48, 12, 1},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct bench bench;
        struct fact fact = asked(rows[i].requests, rows[i].unknown);
        fact.is.server.logins = rows[i].logins;
        bench_open(&bench, slug);
        second_repeat(&bench, &fact, rows[i].seconds);
        if (bench_severity(&bench, slug) != rows[i].severity) {
            fail_msg("%s: severity %u", rows[i].name, bench_severity(&bench, slug));
        }
        bench_close(&bench);
    }
}

/* H6: 503 with Retry-After is an answer. Missing or slow ones for half a minute are not. */
static void test_suffers(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t first_answers;
        uint32_t slow;
        uint32_t retry_after;
        uint32_t seconds;
        unsigned severity;
    } rows[] = {
        {"all well", 100, 0, 0, 60, 1},
        {"half refused for later", 100, 0, 50, 60, 1},
        {"half without answer", 50, 0, 0, 60, 1},
        {"more than half", 49, 0, 0, 60, 3},
        {"more than half, shortly", 49, 0, 0, 30, 1},
        {"a third slow", 100, 30, 0, 60, 3},
        {"less than that", 100, 29, 0, 60, 1},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct bench bench;
        struct fact fact = asked(100, 0);
        fact.is.server.first_answers = rows[i].first_answers;
        fact.is.server.slow_answers = rows[i].slow;
        fact.is.server.retry_after = rows[i].retry_after;
        bench_open(&bench, slug);
        second_repeat(&bench, &fact, rows[i].seconds);
        if (bench_severity(&bench, slug) != rows[i].severity) {
            fail_msg("%s: severity %u", rows[i].name, bench_severity(&bench, slug));
        }
        bench_close(&bench);
    }
}

/* Five times the usual where that is known. */
static void test_baseline(void **state)
{
    (void)state;
    struct bench bench;
    struct fact usual = asked(10, 0);
    struct fact busy = asked(48, 0);
    struct fact storm = asked(55, 0);

    bench_open(&bench, slug);
    second_teach(&bench, &usual);
    second_repeat(&bench, &busy, 30);
    assert_int_equal(bench.count, 0);
    second_repeat(&bench, &storm, 12);
    assert_int_equal(bench_severity(&bench, slug), 1);
    bench_close(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_suffers),
        cmocka_unit_test(test_baseline),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
