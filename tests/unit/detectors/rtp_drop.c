/* Drops of media: how many, of how many, how close together, and what is none. */
#include "facts.h"

static const char *const rule = "rtp-drop";
enum { LOOK = 5, STREAMS_MAX = 200 };

/* A site with streams, fed second by second. */
struct stage {
    struct bench bench;
    uint64_t second; /* since START_NS */
    bool interface_silent;
    uint64_t heard_s; /* signalling until then; UINT64_MAX = all the time */
    uint64_t flows_ns; /* newest packet of a stream that flows */
    uint32_t streams;
    uint64_t stops_s[STREAMS_MAX]; /* first second without packets; 0 = flows on */
    uint64_t back_s[STREAMS_MAX];
    uint64_t born_s[STREAMS_MAX];
    bool pauses[STREAMS_MAX];
    bool held[STREAMS_MAX];
    bool follows[STREAMS_MAX];
    bool down[STREAMS_MAX];
    uint32_t ears; /* they go to so many ports of calls; 0 = each to its own */
    uint32_t senders; /* they share so many servers; 0 = each has its own sender */
};

static void stage_open(struct stage *stage, uint32_t streams)
{
    memset(stage, 0, sizeof *stage);
    bench_open(&stage->bench, rule);
    stage->streams = streams;
    stage->heard_s = UINT64_MAX;
}

static uint64_t at_ns(uint64_t second)
{
    return START_NS + second * NS_PER_S;
}

static struct fact stream_fact(const struct stage *stage, uint32_t i, uint8_t event)
{
    uint32_t sender = stage->senders == 0 ? 1000 + i : 2000 + i % stage->senders;
    struct fact fact =
        fact_interval(party_number(sender, 20000), party_number(5000 + i, 30000), i + 1);
    if (stage->ears != 0) {
        fact.is.stream.receiver = party_number(5000 + i % stage->ears, 30000);
        fact.is.stream.call_number = 1 + i % stage->ears;
    }

    fact.time_ns = at_ns(stage->second);
    fact.is.stream.event = event;
    fact.is.stream.started_ns = at_ns(stage->born_s[i]);
    fact.is.stream.last_ns = at_ns(stage->second) - 10 * NS_PER_MS;
    fact.is.stream.pauses = stage->pauses[i];
    fact.is.stream.index = (uint16_t)((stage->second - stage->born_s[i] - 1) / LOOK);
    fact.is.stream.held = stage->held[i];
    fact.is.stream.call_is_up = !stage->down[i];
    return fact;
}

static void one_stream(struct stage *stage, uint32_t i)
{
    uint64_t now = stage->second;
    uint64_t stop = stage->stops_s[i];
    uint64_t back = stage->back_s[i];
    bool stopped = stop != 0 && now > stop && (back == 0 || now <= back);
    bool last_interval = stopped && now - stop < LOOK && now / LOOK * LOOK == now;

    if (now < stage->born_s[i] + 1) {
        return;
    }
    if (now == stage->born_s[i] + 1) {
        struct fact fact = stream_fact(stage, i, FACT_STREAM_BEGUN);
        fact.is.stream.follows = stage->follows[i];
        frame_fact(stage->bench.frame, &fact);
    }
    if (back != 0 && now == back + 1) {
        struct fact fact = stream_fact(stage, i, FACT_STREAM_RESUMED);
        fact.is.stream.silent_ns = at_ns(stop) - 10 * NS_PER_MS;
        fact.is.stream.gap_ns = (back - stop) * NS_PER_S;
        frame_fact(stage->bench.frame, &fact);
    } else if (!stopped && stage->flows_ns < at_ns(now) - 10 * NS_PER_MS) {
        stage->flows_ns = at_ns(now) - 10 * NS_PER_MS;
    }
    if (now % LOOK == 0 && (!stopped || last_interval)) {
        struct fact fact = stream_fact(stage, i, FACT_STREAM_INTERVAL);
        fact.is.stream.last_ns = stopped ? at_ns(stop) - 10 * NS_PER_MS : fact.is.stream.last_ns;
        frame_fact(stage->bench.frame, &fact);
    }
    if (stop != 0 && now == stop + 3) {
        struct fact fact = stream_fact(stage, i, FACT_STREAM_SILENT);
        fact.is.stream.last_ns = at_ns(stop) - 10 * NS_PER_MS;
        fact.is.stream.silent_ns = fact.is.stream.last_ns;
        frame_fact(stage->bench.frame, &fact);
    }
}

static void run(struct stage *stage, uint64_t until)
{
    for (; stage->second <= until; stage->second++) {
        for (uint32_t i = 0; i < stage->streams; i++) {
            one_stream(stage, i);
        }
        uint64_t heard = stage->second < stage->heard_s ? stage->second : stage->heard_s;
        struct fact fact = {.kind = FACT_SECOND, .time_ns = at_ns(stage->second)};
        fact.is.second.second = time_second(fact.time_ns);
        fact.is.second.heard_ns = at_ns(heard);
        fact.is.second.flows_ns = stage->flows_ns;
        fact.is.second.silent_capture = stage->interface_silent;
        frame_fact(stage->bench.frame, &fact);
    }
}

static void stop(struct stage *stage, uint32_t from, uint32_t to, uint64_t second)
{
    for (uint32_t i = from; i < to; i++) {
        stage->stops_s[i] = second;
    }
}

/* Ten and a third: one fewer of either is none. Nearly all is worse. */
static void test_limits(void **state)
{
    (void)state;
    static const struct {
        uint32_t streams;
        uint32_t stop;
        unsigned severity;
    } rows[] = {{30, 10, 3},  {30, 9, 0},  {33, 10, 3}, {34, 10, 0}, {100, 30, 3},
                {100, 29, 0}, {10, 10, 4}, {20, 18, 3}, {20, 19, 4}};

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        for (uint64_t at = 21; at < 27; at++) {
            struct stage stage;
            stage_open(&stage, rows[i].streams);
            stop(&stage, 0, rows[i].stop, at);
            run(&stage, at + 9);
            if (bench_severity(&stage.bench, rule) != rows[i].severity) {
                fail_msg("%u of %u at %u: severity %u", rows[i].stop, rows[i].streams, (unsigned)at,
                         bench_severity(&stage.bench, rule));
            }
            bench_close(&stage.bench);
        }
    }
}

/* It is told with the silence; what stopped a second later is added. */
static void test_when(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t late; /* of twenty: stop a second later */
        uint32_t each; /* 0 = all in one moment; so many a second */
        uint64_t told_s; /* behind the first */
    } rows[] = {{"all in one moment", 0, 0, 3},
                {"nine a second later", 9, 0, 3},
                {"eleven a second later", 11, 0, 4},
                {"four a second", 0, 4, 0}};

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        for (uint64_t at = 21; at < 27; at++) {
            struct stage stage;
            stage_open(&stage, 30);
            stop(&stage, 0, 20, at);
            stop(&stage, 0, rows[i].late, at + 1);
            for (uint32_t n = 0; rows[i].each != 0 && n < 20; n++) {
                stage.stops_s[n] = at + n / rows[i].each;
            }
            run(&stage, at + rows[i].told_s - (rows[i].told_s != 0));
            assert_int_equal(bench_severity(&stage.bench, rule), 0);
            run(&stage, at + (rows[i].told_s != 0 ? rows[i].told_s : 12));
            if (bench_severity(&stage.bench, rule) != (rows[i].told_s != 0 ? 3 : 0)) {
                fail_msg("%s, from %u: severity %u", rows[i].name, (unsigned)at,
                         bench_severity(&stage.bench, rule));
            }
            run(&stage, at + 40);
            if (rows[i].told_s != 0) {
                frame_end(stage.bench.frame, at_ns(at + 40));
                assert_non_null(
                    strstr(bench_must(&stage.bench, rule)->message, "lost 20 of 30 media"));
            }
            bench_close(&stage.bench);
        }
    }
}

/* Nine at once are too few; with what trickles after them they are a drop when nothing more follows. */
static void test_nine_at_once(void **state)
{
    (void)state;
    struct stage stage;

    stage_open(&stage, 30);
    stop(&stage, 0, 9, 22);
    for (uint32_t i = 9; i < 15; i++) {
        stage.stops_s[i] = 23 + (i - 9) / 2;
    }
    run(&stage, 28);
    assert_int_equal(bench_severity(&stage.bench, rule), 0);
    run(&stage, 30);
    assert_int_equal(bench_severity(&stage.bench, rule), 0); /* half of all: it may be the mirror */
    run(&stage, 36);
    assert_int_equal(bench_severity(&stage.bench, rule), 3);
    bench_close(&stage.bench);
}

/* Three seconds and a half of silence: what came back before it was judged is none. */
static void test_back_in_time(void **state)
{
    (void)state;
    struct stage stage;

    stage_open(&stage, 30);
    for (uint32_t i = 0; i < 20; i++) {
        stage.stops_s[i] = 22 + i / 6;
        stage.back_s[i] = 26;
    }
    run(&stage, 60);
    assert_int_equal(bench_severity(&stage.bench, rule), 0);
    bench_close(&stage.bench);
}

static void none(struct stage *stage)
{
    (void)stage;
}
static void calls_over(struct stage *stage)
{
    memset(stage->down, true, sizeof stage->down);
}
static void on_hold(struct stage *stage)
{
    memset(stage->held, true, sizeof stage->held);
}
static void quiet_talkers(struct stage *stage)
{
    memset(stage->pauses, true, sizeof stage->pauses);
}
static void young(struct stage *stage)
{
    for (uint32_t i = 0; i < STREAMS_MAX; i++) {
        stage->born_s[i] = 14;
    }
}
static void old_enough(struct stage *stage)
{
    for (uint32_t i = 0; i < STREAMS_MAX; i++) {
        stage->born_s[i] = 11;
    }
}
/* Announcements: four streams stop each second. */
static void here_and_there(struct stage *stage)
{
    for (uint32_t i = 0; i < stage->streams; i++) {
        stage->stops_s[i] = 18 + i / 4;
    }
}
static void within_five_seconds(struct stage *stage)
{
    for (uint32_t i = 0; i < 20; i++) {
        stage->stops_s[i] = i < 10 ? 22 : 22 + i % 5;
    }
}
static void an_interface_is_silent(struct stage *stage)
{
    stage->interface_silent = true;
}
/* The mirror dies: nothing at all is heard, and then all is back. */
static void mirror_stops(struct stage *stage)
{
    stop(stage, 0, stage->streams, 22);
    stage->heard_s = 22;
}
static void mirror_comes_back(struct stage *stage)
{
    stop(stage, 0, stage->streams, 22);
    for (uint32_t i = 0; i < stage->streams; i++) {
        stage->back_s[i] = 31;
    }
    stage->heard_s = 22;
}

/* Twenty of forty streams stop, and what that is. */
static void test_exceptions(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        void (*change)(struct stage *stage);
        unsigned severity;
    } rows[] = {{"a drop", none, 3},
                {"their calls are over", calls_over, 0},
                {"on hold", on_hold, 0},
                {"H36: they pause", quiet_talkers, 0},
                {"younger than ten seconds", young, 0},
                {"eleven seconds old", old_enough, 3},
                {"here and there", here_and_there, 0},
                {"within five seconds", within_five_seconds, 3},
                {"an interface is silent", an_interface_is_silent, 0},
                {"the mirror stops", mirror_stops, 0},
                {"the mirror comes back", mirror_comes_back, 0}};

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct stage stage;
        stage_open(&stage, 40);
        stop(&stage, 0, 20, 22);
        rows[i].change(&stage);
        run(&stage, 30);
        if (rows[i].change == mirror_comes_back) {
            stage.heard_s = UINT64_MAX;
        }
        run(&stage, 60);
        if (bench_severity(&stage.bench, rule) != rows[i].severity) {
            fail_msg("%s: severity %u", rows[i].name, bench_severity(&stage.bench, rule));
        }
        bench_close(&stage.bench);
    }
}

/* All streams stop, and only later does a message show that we hear: while they are still silent. */
static void test_waits_for_a_sign(void **state)
{
    (void)state;
    struct stage stage;

    stage_open(&stage, 12);
    stop(&stage, 0, 12, 22);
    stage.heard_s = 22;
    run(&stage, 44);
    assert_int_equal(bench_severity(&stage.bench, rule), 0);
    stage.heard_s = UINT64_MAX;
    run(&stage, 51);
    assert_int_equal(bench_severity(&stage.bench, rule), 4);
    bench_close(&stage.bench);
}

static void test_none_came_back(void **state)
{
    (void)state;
    struct stage stage;

    stage_open(&stage, 40);
    stop(&stage, 0, 20, 22);
    run(&stage, 70);
    frame_end(stage.bench.frame, at_ns(70));
    assert_non_null(strstr(bench_must(&stage.bench, rule)->message, "; none came back (in"));
    assert_int_equal(bench_count(&stage.bench, rule, INCIDENT_OPEN), 1);
    bench_close(&stage.bench);
}

/* H19: a firewall hands over to its twin; all streams go on 800 ms later, from new ports. */
static void test_hand_over(void **state)
{
    (void)state;
    for (uint32_t moved = 0; moved <= 20; moved += 5) {
        for (uint64_t at = 21; at < 26; at++) {
            struct stage stage;
            stage_open(&stage, 40 + moved);
            stop(&stage, 0, 20, at);
            for (uint32_t i = 40; i < 40 + moved; i++) {
                stage.born_s[i] = at + 1;
                stage.follows[i] = true;
            }
            run(&stage, 40);
            assert_int_equal(bench_severity(&stage.bench, rule), moved <= 5 ? 3 : 0);
            bench_close(&stage.bench);
        }
    }
}

/* One of ten servers loses all its twelve streams, a tenth of the site's; then eleven of twelve, nine of
 * twelve. */
/* Anybody can send to a port that a call listens at; audio and video of calls may share one. */
static void test_one_ear(void **state)
{
    (void)state;
    for (uint32_t ears = 9; ears < 12; ears++) {
        struct stage stage;
        stage_open(&stage, 33);
        stage.ears = ears < 11 ? ears / 2 : 40; /* 4 and 5, then one for each */
        stop(&stage, 0, 20, 20);
        run(&stage, 60);
        assert_int_equal(bench_severity(&stage.bench, rule), ears == 9 ? 0 : 3);
        bench_close(&stage.bench);
    }
}

static void test_a_server(void **state)
{
    (void)state;
    static const struct {
        uint32_t stop;
        bool told;
    } rows[] = {{12, true}, {11, true}, {10, false}, {9, false}};

    for (size_t row = 0; row < COUNT_OF(rows); row++) {
        struct stage stage;
        stage_open(&stage, 120);
        stage.senders = 10;
        for (uint32_t i = 0; i < rows[row].stop; i++) {
            stage.stops_s[i * 10 + 3] = 22;
        }
        run(&stage, 25); /* with the silence */
        assert_int_equal(bench_severity(&stage.bench, rule), rows[row].told ? 3 : 0);
        run(&stage, 35);
        assert_int_equal(bench_severity(&stage.bench, rule), rows[row].told ? 3 : 0);
        if (rows[row].told) {
            const struct incident *told = bench_must(&stage.bench, rule);
            assert_string_equal(told->target, "2001:db8:7::d3");
            assert_non_null(strstr(told->message, "all that 2001:db8:7::d3 sent"));
            assert_true(addr_is_unspecified(&told->source.addr));
        }
        bench_close(&stage.bench);
    }
}

static void test_what_came_back(void **state)
{
    (void)state;
    struct stage stage;

    stage_open(&stage, 40);
    stop(&stage, 0, 20, 22);
    for (uint32_t i = 0; i < 18; i++) {
        stage.back_s[i] = 41;
    }
    run(&stage, 60);
    frame_end(stage.bench.frame, at_ns(60));
    assert_string_equal(
        bench_must(&stage.bench, rule)->message,
        "The site lost 20 of 40 media streams at once, their calls up; 18 came back, after up to "
        "19 "
        "s (in 21 s; limit 10 streams in 5 s). Closed after 21 s, 20 in all. Look at the media "
        "server that is named, or at the link, firewall and switch that the silent streams share.");
    bench_close(&stage.bench);
}

/* Streams tell the wire's time, behind a jump of the clock too. */
static void test_behind_a_jump(void **state)
{
    (void)state;
    struct stage stage;
    const uint64_t jump_s = 30 * UINT64_C(86400);

    stage_open(&stage, 30);
    run(&stage, 10);
    frame_shift(stage.bench.frame, jump_s * NS_PER_S);
    stage.second = jump_s + 11;
    for (uint32_t i = 0; i < 30; i++) {
        stage.born_s[i] = stage.second;
    }
    stop(&stage, 0, 10, jump_s + 32);
    run(&stage, jump_s + 45);
    assert_int_equal(bench_severity(&stage.bench, rule), 3);
    bench_close(&stage.bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limits),           cmocka_unit_test(test_exceptions),
        cmocka_unit_test(test_waits_for_a_sign), cmocka_unit_test(test_a_server),
        cmocka_unit_test(test_what_came_back),   cmocka_unit_test(test_hand_over),
        cmocka_unit_test(test_none_came_back),   cmocka_unit_test(test_one_ear),
        cmocka_unit_test(test_behind_a_jump),    cmocka_unit_test(test_when),
        cmocka_unit_test(test_back_in_time),     cmocka_unit_test(test_nine_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
