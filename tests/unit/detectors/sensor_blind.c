/* What the sensor says of its own ears: each limit from both sides, live only, and never of itself
 * in doubt. */
#include "facts.h"

static const char *const blind = "sensor-blind";
extern const struct detector detector_sensor_blind;

/* Ten seconds that are as they should be. */
static struct fact_second whole(void)
{
    return (struct fact_second){.live = true,
                                .requests = 500,
                                .answers = 900,
                                .frames = 100000,
                                .full_ppm = 400000,
                                .full_table = SLICE("calls")};
}

static void tell_ten(struct bench *bench, struct fact_second second)
{
    bench->now_ns += 10 * NS_PER_S;
    struct fact fact = {.kind = FACT_SECOND, .time_ns = bench->now_ns};
    second.second = time_second(bench->now_ns);
    fact.is.second = second;
    frame_fact(bench->frame, &fact);
}

static unsigned severity_of(struct fact_second second)
{
    struct bench bench;
    bench_open(&bench, blind);
    tell_ten(&bench, second);
    unsigned severity = bench_severity(&bench, blind);
    bench_close(&bench);
    return severity;
}

static void lost_frames(void **state)
{
    struct fact_second second = whole();
    (void)state;

    second.frames = 99500;
    second.dropped = 500;
    assert_int_equal(severity_of(second), 0); /* 0.5 % */
    second.dropped = 501;
    assert_int_equal(severity_of(second), 3);
    second.live = false;
    assert_int_equal(severity_of(second), 0);
    second = whole();
    second.frames = 90;
    second.dropped = 9; /* too few to judge */
    assert_int_equal(severity_of(second), 0);
    second.dropped = 10;
    assert_int_equal(severity_of(second), 3);
    second.frames = 0; /* nothing came through */
    second.dropped = 100;
    assert_int_equal(severity_of(second), 3);
}

static void cut_frames(void **state)
{
    struct fact_second second = whole();
    (void)state;

    second.cut = 500;
    assert_int_equal(severity_of(second), 0);
    second.cut = 501;
    assert_int_equal(severity_of(second), 3);
    second.frames = 99;
    second.cut = 99;
    assert_int_equal(severity_of(second), 0);
}

static void a_silent_interface(void **state)
{
    struct fact_second second = whole();
    (void)state;

    second.silent_interface = SLICE("mirror1");
    second.silent_capture = true;
    second.silent_s = 29;
    assert_int_equal(severity_of(second), 0);
    second.silent_s = 30;
    assert_int_equal(severity_of(second), 3);
}

static void one_direction(void **state)
{
    struct fact_second second = whole();
    (void)state;

    second.one_way_capture = true;
    second.answers = 3;
    assert_int_equal(severity_of(second), 3);
    second.requests = second.answers = 0; /* nobody talks: nothing new to say */
    assert_int_equal(severity_of(second), 0);
}

static void full_tables_clocks_and_copies(void **state)
{
    struct fact_second second = whole();
    (void)state;

    second.full_ppm = 949999;
    assert_int_equal(severity_of(second), 0);
    second.full_ppm = 950000;
    assert_int_equal(severity_of(second), 3);
    second = whole();
    second.mute_interface = SLICE("mirror2");
    second.mute_s = 299;
    assert_int_equal(severity_of(second), 0);
    second.mute_s = 300;
    assert_int_equal(severity_of(second), 2);
    second = whole();
    second.clock_steps = 1;
    assert_int_equal(severity_of(second), 2);
    second = whole();
    second.copies = 39999;
    assert_int_equal(severity_of(second), 0);
    second.copies = 40000;
    assert_int_equal(severity_of(second), 1);
}

/* What there is no room for is left out whole, and that is said. */
static void all_at_once(void **state)
{
    struct bench bench;
    struct fact_second second = whole();
    (void)state;

    second.frames = UINT32_MAX;
    second.dropped = UINT32_MAX;
    second.cut = UINT32_MAX;
    second.silent_s = 86400;
    second.silent_interface = SLICE("enp129s0f0np0v0");
    second.one_way_capture = true;
    second.full_ppm = 1000000;
    second.clock_steps = 1;
    bench_open(&bench, blind);
    tell_ten(&bench, second);
    assert_non_null(strstr(bench_must(&bench, blind)->message, " for 86400 s; and more. Look at"));
    bench_close(&bench);
}

static void only_every_tenth_second(void **state)
{
    struct bench bench;
    struct fact fact = {.kind = FACT_SECOND};
    (void)state;

    bench_open(&bench, blind);
    fact.is.second = whole();
    fact.is.second.dropped = 90000;
    for (uint64_t i = 1; i < 10; i++) {
        fact.time_ns = START_NS + i * NS_PER_S;
        fact.is.second.second = time_second(fact.time_ns);
        frame_fact(bench.frame, &fact);
    }
    assert_int_equal(bench.count, 0);
    bench_close(&bench);
}

static void the_sentence_says_what_is_lost(void **state)
{
    struct bench bench;
    struct fact_second second = whole();
    (void)state;

    bench_open(&bench, blind);
    second.frames = 38800;
    second.dropped = 1200;
    tell_ten(&bench, second);
    assert_string_equal(bench_must(&bench, blind)->message, detector_sensor_blind.example);
    bench_close(&bench);
}

/* Several at once stand in one sentence, the worst says how bad it is; nobody is named, and being
 * blind is no doubt about being blind. It closes when it is over. */
static void one_incident(void **state)
{
    struct bench bench;
    struct fact_second second = whole();
    (void)state;

    bench_open(&bench, blind);
    second.copies = 60000;
    tell_ten(&bench, second);
    assert_int_equal(bench_must(&bench, blind)->severity, 1);
    second.one_way_capture = second.lossy_capture = second.silent_capture = true;
    second.dropped = 90000;
    for (unsigned i = 0; i < 8; i++) {
        tell_ten(&bench, second);
    }
    const struct incident *told = bench_must(&bench, blind);
    assert_int_equal(told->severity, 3);
    assert_true(addr_is_unspecified(&told->source.addr));
    assert_non_null(strstr(told->message, "kernel or card lost"));
    assert_non_null(strstr(told->message, "only one direction"));
    assert_non_null(strstr(told->message, "the mirror doubles"));
    assert_int_equal(told->confidence.value, 70);
    assert_int_equal(bench_count(&bench, blind, INCIDENT_OPEN), 1);
    for (unsigned i = 0; i < 60; i++) {
        tell_ten(&bench, whole());
    }
    assert_int_equal(bench_count(&bench, blind, INCIDENT_CLOSE), 1);
    bench_close(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lost_frames),
        cmocka_unit_test(cut_frames),
        cmocka_unit_test(a_silent_interface),
        cmocka_unit_test(one_direction),
        cmocka_unit_test(full_tables_clocks_and_copies),
        cmocka_unit_test(all_at_once),
        cmocka_unit_test(only_every_tenth_second),
        cmocka_unit_test(the_sentence_says_what_is_lost),
        cmocka_unit_test(one_incident),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
