/* Trunks: silence, nothing but 503, no calls; and who is no trunk. */
#include "seconds.h"

static const char *const slug = "trunk-down";

struct trunk_row {
    const char *name;
    uint32_t unanswered;
    uint32_t silent_s;
    uint32_t asked_s;
    uint32_t routes;
    bool calls;
    unsigned severity;
};

static struct fact silent(const struct trunk_row *row)
{
    struct fact fact = fact_second_of("198.51.100.1");
    struct fact_server *server = &fact.is.server;

    server->unanswered = row->unanswered;
    server->unanswered_sources = 1;
    server->unanswered_servers = 1;
    server->unanswered_calls = row->calls;
    server->routes = row->routes;
    server->unanswered_since_ns = START_NS;
    server->unanswered_last_ns = START_NS + row->asked_s * NS_PER_S;
    return fact;
}

static unsigned severity_at(struct fact fact, uint32_t silent_s)
{
    struct bench bench;

    bench_open(&bench, slug);
    bench.now_ns = START_NS + (silent_s - 1) * NS_PER_S;
    second_tell(&bench, fact);
    unsigned severity = bench_severity(&bench, slug);
    bench_close(&bench);
    return severity;
}

static void test_silence(void **state)
{
    (void)state;
    static const struct trunk_row rows[] = {
        {"three probes, the last route", 3, 32, 30, 0, false, 4},
        {"three probes, another route", 3, 32, 30, 1, false, 3},
        {"two probes", 2, 60, 30, 0, false, 0},
        {"three probes for 31 s", 3, 31, 30, 0, false, 0},
        {"four in ten seconds", 4, 12, 11, 0, true, 0},
        {"five in ten seconds", 5, 10, 9, 1, true, 3},
        {"five in nine seconds", 5, 9, 9, 1, true, 0},
        {"one of a pool, probed (H9)", 5, 40, 39, 8, false, 1},
        {"one of a pool, called", 5, 40, 39, 8, true, 3},
        {"the capture paused", 5, 3600, 1, 0, true, 0},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        unsigned severity = severity_at(silent(&rows[i]), rows[i].silent_s);
        if (severity != rows[i].severity) {
            fail_msg("%s: severity %u", rows[i].name, severity);
        }
    }
}

/* Three refusals over five seconds; a restart is shorter, a burst is no time. */
static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t refusals;
        uint32_t for_s;
        uint32_t last_ms; /* after the first */
        uint32_t routes;
        uint32_t unanswered;
        unsigned severity;
    } rows[] = {
        {"three, the last route", 3, 5, 2500, 0, 1, 4},
        {"three, another route", 3, 5, 2500, 1, 1, 3},
        {"connections alone", 3, 5, 2500, 1, 0, 3},
        {"two", 2, 60, 5000, 0, 1, 0},
        {"for four seconds", 3, 4, 2500, 0, 1, 0},
        {"at once, and no more", 9, 60, 2499, 0, 1, 0},
        {"one of a pool (H9)", 3, 5, 2500, 8, 1, 1},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct trunk_row row = {
            .unanswered = rows[i].unanswered, .asked_s = 1, .routes = rows[i].routes};
        struct fact fact = silent(&row);
        struct fact_server *server = &fact.is.server;
        server->unanswered_since_ns = rows[i].unanswered == 0 ? 0 : START_NS;
        server->refusals = rows[i].refusals;
        server->refusal = FACT_REFUSAL_PORT;
        server->refused_since_ns = START_NS;
        server->refused_last_ns = START_NS + rows[i].last_ms * NS_PER_MS;
        unsigned severity = severity_at(fact, rows[i].for_s);
        if (severity != rows[i].severity) {
            fail_msg("%s: severity %u", rows[i].name, severity);
        }
        server->unanswered_sources = 2; /* a phone is refused, too: no trunk */
        assert_int_equal(severity_at(fact, rows[i].for_s), 0);
        server->unanswered_sources = 1;
        server->answered_before = 19;
        assert_int_equal(severity_at(fact, rows[i].for_s), 0);
    }
}

/* What looks alike, each by one figure. */
static void test_no_trunk(void **state)
{
    (void)state;
    static const struct trunk_row row = {"down", 5, 40, 39, 0, true, 4};
    struct fact fact = silent(&row);

    assert_int_equal(severity_at(fact, 40), 4);
    fact.is.server.answered_before = 19; /* H4, H9 */
    assert_int_equal(severity_at(fact, 40), 0);
    fact = silent(&row);
    fact.is.server.server.good_accounts = 1; /* a phone, or our PBX at its provider (H56) */
    assert_int_equal(severity_at(fact, 40), 0);
    fact = silent(&row);
    fact.is.server.unanswered_servers = 0; /* phones ask */
    assert_int_equal(severity_at(fact, 40), 0);
    fact = silent(&row);
    fact.is.server.unanswered_sources = 2; /* a phone asks too: a registrar */
    assert_int_equal(severity_at(fact, 40), 0);
    fact = silent(&row);
    fact.is.server.one_way = true;
    assert_int_equal(severity_at(fact, 40), 0);
    fact = silent(&row);
    fact.is.server.elsewhere_requests = 10; /* nobody answers: the mirror */
    assert_int_equal(severity_at(fact, 40), 0);
}

/* H8: 40 s of 503 are the provider's, 60 s are an outage; one other answer ends it. */
static void test_busy(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t span_s;
        uint32_t every_s;
        uint32_t taken_s; /* at this second a call is taken; 0 = none is */
        unsigned severity;
    } rows[] = {
        {"forty seconds", 40, 2, 0, 0},  {"a minute", 60, 2, 0, 3},
        {"too few", 120, 20, 0, 0},      {"one is taken", 100, 2, 50, 0},
        {"five a minute", 70, 12, 0, 3},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct bench bench;
        bench_open(&bench, slug);
        for (uint32_t s = 0; s <= rows[i].span_s; s += rows[i].every_s) {
            bool taken = rows[i].taken_s != 0 && s == rows[i].taken_s;
            struct fact fact = fact_transaction(party("192.0.2.10", 5060), taken ? 200 : 503);
            fact.is.transaction.method = FACT_METHOD_INVITE;
            fact.is.transaction.client.is_server = true;
            bench_tell(&bench, fact);
            bench.now_ns += rows[i].every_s * NS_PER_S;
        }
        if (bench_severity(&bench, slug) != rows[i].severity) {
            fail_msg("%s: severity %u", rows[i].name, bench_severity(&bench, slug));
        }
        bench_close(&bench);
    }
}

enum whose { WHOSE_OWN, WHOSE_FURTHER_ON, WHOSE_PASSED_ON, WHOSE_PHONE, WHOSE_NOT_OURS };

static unsigned severity_of_busy(enum whose whose)
{
    struct bench bench;

    bench_open(&bench, slug);
    for (uint32_t s = 0; s <= 70; s += 2) {
        struct fact fact = fact_transaction(party("192.0.2.11", 5060), 503);
        struct fact_transaction *asked = &fact.is.transaction;
        fact.kind = whose == WHOSE_FURTHER_ON ? FACT_HOP : FACT_TRANSACTION;
        asked->method = FACT_METHOD_INVITE;
        asked->client.is_server = whose != WHOSE_NOT_OURS;
        asked->passed_on = whose == WHOSE_PASSED_ON;
        asked->server.good_accounts = whose == WHOSE_PHONE;
        bench_tell(&bench, fact);
        bench.now_ns += 2 * NS_PER_S;
    }
    unsigned severity = bench_severity(&bench, slug);
    bench_close(&bench);
    return severity;
}

/* 503 counts at who says it: not at a proxy that passes it on, not at a phone. */
static void test_whose_busy(void **state)
{
    (void)state;
    assert_int_equal(severity_of_busy(WHOSE_OWN), 3);
    assert_int_equal(severity_of_busy(WHOSE_FURTHER_ON), 3);
    assert_int_equal(severity_of_busy(WHOSE_PASSED_ON), 0);
    assert_int_equal(severity_of_busy(WHOSE_PHONE), 0);
    assert_int_equal(severity_of_busy(WHOSE_NOT_OURS), 0);
}

/* Five weeks: 40 calls in that hour of the first four. */
static unsigned quiet(uint32_t calls_each, uint32_t silent_minutes, uint32_t elsewhere,
                      uint32_t unanswered)
{
    struct bench bench;
    unsigned severity;

    bench_open(&bench, slug);
    for (uint32_t week = 0; week < 5; week++) {
        for (uint32_t minute = 0; minute < (week < 4 ? 61 : 20 + silent_minutes); minute++) {
            struct fact fact = fact_second_of("198.51.100.1");
            struct fact_server *server = &fact.is.server;
            bool calls = week < 4 || minute < 20;
            bench.now_ns = START_NS + week * 7 * NS_PER_DAY + minute * NS_PER_MINUTE;
            fact.hour_of_week = minute < 60 ? 0 : 1;
            server->calls_sent = calls ? calls_each : 0;
            server->last_call_ns =
                calls ? bench.now_ns : START_NS + week * 7 * NS_PER_DAY + 19 * NS_PER_MINUTE;
            server->calls_elsewhere = calls ? 0 : elsewhere;
            if (!calls && unanswered > 0) {
                server->unanswered = unanswered;
                server->unanswered_since_ns = server->last_call_ns;
                server->unanswered_last_ns = server->last_call_ns;
            }
            second_tell(&bench, fact);
        }
    }
    severity = bench_severity(&bench, slug);
    bench_close(&bench);
    return severity;
}

static void test_quiet(void **state)
{
    (void)state;
    assert_int_equal(quiet(1, 14, 20, 0), 0); /* 60 an hour are usual */
    assert_int_equal(quiet(1, 16, 20, 0), 2);
    assert_int_equal(quiet(1, 16, 20, 1), 3); /* and a probe waits */
    assert_int_equal(quiet(1, 16, 4, 0), 0); /* H56: the whole site is quiet */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_silence),    cmocka_unit_test(test_refused),
        cmocka_unit_test(test_no_trunk),   cmocka_unit_test(test_busy),
        cmocka_unit_test(test_whose_busy), cmocka_unit_test(test_quiet),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
