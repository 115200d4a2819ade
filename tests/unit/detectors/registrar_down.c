/* A registrar that is down: how many, how long, and all that looks alike. */
#include "seconds.h"

static const char *const slug = "registrar-down";

struct down_row {
    const char *name;
    uint32_t unanswered;
    uint32_t sources;
    uint32_t silent_s;
    uint32_t asked_s; /* from the first to the last that waits */
    uint64_t answered;
    uint32_t elsewhere_requests;
    uint32_t elsewhere_answers;
    bool one_way;
    unsigned severity;
};

static void test_rows(void **state)
{
    (void)state;
    static const struct down_row rows[] = {
        {"ten of five in ten seconds", 10, 5, 10, 9, 20, 0, 0, false, 4},
        {"nine", 9, 5, 10, 9, 20, 0, 0, false, 0},
        {"of four", 10, 4, 10, 9, 20, 0, 0, false, 0},
        {"for nine seconds", 10, 5, 9, 9, 20, 0, 0, false, 0},
        {"it never lived", 10, 5, 10, 9, 19, 0, 0, false, 0},
        {"one direction is heard", 10, 5, 10, 9, 20, 0, 0, true, 0},
        {"nobody asks any more: the capture paused", 10, 5, 3600, 1, 20, 0, 0, false, 0},
        {"they asked for half of the time", 10, 5, 10, 5, 20, 0, 0, false, 4},
        {"no server answers any more: the mirror", 10, 5, 10, 9, 20, 10, 0, false, 0},
        {"others are hardly asked", 10, 5, 10, 9, 20, 9, 0, false, 4},
        {"others answer", 10, 5, 10, 9, 20, 10, 8, false, 4},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct down_row *row = &rows[i];
        struct bench bench;
        struct fact fact = fact_second_of("192.0.2.10");
        struct fact_server *server = &fact.is.server;
        server->unanswered = row->unanswered;
        server->unanswered_sources = row->sources;
        server->unanswered_since_ns = START_NS;
        server->unanswered_last_ns = START_NS + row->asked_s * NS_PER_S;
        server->answered_before = row->answered;
        server->elsewhere_requests = row->elsewhere_requests;
        server->elsewhere_answers = row->elsewhere_answers;
        server->one_way = row->one_way;
        bench_open(&bench, slug);
        bench.now_ns = START_NS + (row->silent_s - 1) * NS_PER_S;
        second_tell(&bench, fact);
        if (bench_severity(&bench, slug) != row->severity) {
            fail_msg("%s: severity %u", row->name, bench_severity(&bench, slug));
        }
        bench_close(&bench);
    }
}

/* It closes once answers come again, and stays one incident until then. */
static void test_life(void **state)
{
    (void)state;
    struct bench bench;
    struct fact fact = fact_second_of("192.0.2.10");

    bench_open(&bench, slug);
    for (uint32_t i = 1; i <= 1200; i++) {
        fact.is.server.unanswered = 20 + i;
        fact.is.server.unanswered_sources = 8;
        fact.is.server.unanswered_since_ns = START_NS;
        fact.is.server.unanswered_last_ns = START_NS + i * NS_PER_S;
        second_tell(&bench, fact);
    }
    assert_int_equal(bench_count(&bench, slug, INCIDENT_OPEN), 1);
    assert_int_equal(bench_count(&bench, slug, INCIDENT_CLOSE), 0);
    bench_wait(&bench, 6 * NS_PER_MINUTE);
    assert_int_equal(bench_count(&bench, slug, INCIDENT_CLOSE), 1);
    bench_close(&bench);
}

/* After a clock jump the sentence still says since when, on the clock of the packets. */
static void test_jump(void **state)
{
    (void)state;
    const uint64_t shift_ns = 365 * NS_PER_DAY;
    struct bench bench;
    struct fact fact = fact_second_of("192.0.2.10");

    bench_open(&bench, slug);
    frame_shift(bench.frame, shift_ns);
    bench.now_ns = START_NS + shift_ns + 19 * NS_PER_S;
    fact.is.server.unanswered = 10;
    fact.is.server.unanswered_sources = 5;
    fact.is.server.unanswered_since_ns = START_NS + shift_ns;
    fact.is.server.unanswered_last_ns = START_NS + shift_ns + 19 * NS_PER_S;
    second_tell(&bench, fact);
    const struct incident *told = bench_must(&bench, slug);
    assert_non_null(strstr(told->message, "since 2027-01-05T08:00:00Z"));
    assert_non_null(strstr(told->message, "in 20 s"));
    bench_close(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_life),
        cmocka_unit_test(test_jump),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
