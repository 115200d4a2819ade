/* Streams joined to calls: whose, which way, which clock and codec, how good; what a call sums up
 * of them. */
#include "tests/unit/state/scene.h"

#define ALICE_SDP "192.0.2.1 4000 sendrecv"
#define BOB_SDP "192.0.2.2 5000 sendrecv"
#define ALICE "192.0.2.1:4000"
#define BOB "192.0.2.2:5000"

/* A stream as a worker tells it. */
struct heard {
    const char *source;
    const char *destination;
    double from_s;
    double to_s; /* also when it is told */
    unsigned event;
    unsigned payload_type;
    bool dynamic;
    unsigned packets;
    unsigned lost;
    unsigned slope_rate;
    uint64_t stream_number;
    uint32_t ssrc;
    unsigned dtmf;
};

#define HEARD(from, to, start, end)                                                                \
    {                                                                                              \
        .source = from, .destination = to, .from_s = start, .to_s = end                            \
    }
#define HEARD_WITH(from, to, start, end, ...)                                                      \
    {                                                                                              \
        .source = from, .destination = to, .from_s = start, .to_s = end, __VA_ARGS__               \
    }

static void hear(struct scene *scene, const struct heard *heard)
{
    static struct stream_sighting sighting;
    struct endpoint source = scene_endpoint(heard->source);
    struct endpoint destination = scene_endpoint(heard->destination);

    memset(&sighting, 0, sizeof sighting);
    sighting.head.kind = SIGHTING_STREAM;
    sighting.head.key = ++scene->number << 1;
    sighting.head.time_ns = scene_ns(heard->to_s);
    sighting.head.state_ns = scene_ns(heard->to_s);
    sighting.head.source = source.addr;
    sighting.head.source_port = source.port;
    sighting.head.destination = destination.addr;
    sighting.head.destination_port = destination.port;
    sighting.stream_number = heard->stream_number == 0 ? 77 : heard->stream_number;
    sighting.event = (uint8_t)heard->event;
    sighting.payload_type = (uint8_t)heard->payload_type;
    sighting.clock_is_static = !heard->dynamic;
    sighting.clock_rate = heard->dynamic ? 0 : 8000;
    sighting.slope_rate = heard->slope_rate;
    sighting.ssrc = heard->ssrc == 0 ? 0x1234 : heard->ssrc;
    sighting.ptime_us = 20000;
    sighting.first_ns = scene_ns(heard->from_s);
    sighting.last_ns = scene_ns(heard->to_s);
    sighting.interval_from_ns = scene_ns(heard->to_s > 5 ? heard->to_s - 5 : 0);
    sighting.interval_to_ns = scene_ns(heard->to_s);
    sighting.dtmf_events = heard->dtmf;
    uint64_t packets = heard->packets == 0 ? 250 : heard->packets;
    struct stream_counts counts = {
        .packets = packets, .expected = packets + heard->lost, .lost = heard->lost};
    sighting.total = counts;
    sighting.interval = counts;
    for (unsigned i = 0; i < STREAM_CLOCKS; i++) {
        sighting.jitter[i].max_ns = (i + 1) * NS_PER_MS;
    }
    media_see_stream(scene->media, &sighting, false);
}

static void talk(struct scene *scene)
{
    scene_say(scene, &(struct said)SAID_WITH(0, "INVITE", 1, "a", NULL, .sdp = ALICE_SDP));
    scene_say(scene, &(struct said)SAID_WITH(1, "200 INVITE", 1, "a", "b",
                                             .source = "192.0.2.2:5060", .sdp = BOB_SDP));
    scene_say(scene, &(struct said)SAID(1.1, "ACK", 1, "a", "b"));
}

static void both_directions_join(void **state)
{
    (void)state;
    static struct scene scene;
    scene_open(&scene);
    talk(&scene);
    hear(&scene, &(struct heard)HEARD_WITH(ALICE, BOB, 1, 5, .stream_number = 10));
    assert_int_equal(scene.stream_kind, CHANGE_STREAM_INTERVAL);
    assert_string_equal(scene.stream_call, "call-1@192.0.2.1");
    assert_true(scene.stream.from_caller && scene.stream.expected_by_sdp);
    assert_false(scene.stream.nat || scene.stream.learned || scene.stream.held);
    assert_string_equal(scene.stream.codec, "PCMU");
    assert_int_equal(scene.stream.clock_basis, MEDIA_CLOCK_STATIC);
    assert_int_equal(scene.stream.clock_index, 0);
    assert_int_equal(scene.stream.interval.mos_milli, 4380);
    assert_int_equal(scene.stream.ptime_ms, 20);
    assert_false(call_at(scene.calls, scene.cell)->media_both_ways);
    hear(&scene, &(struct heard)HEARD_WITH(BOB, ALICE, 1, 5, .stream_number = 11, .lost = 10,
                                           .payload_type = 8));
    assert_false(scene.stream.from_caller);
    assert_true(scene.stream.interval.mos_milli < 4380);
    const struct call *call = call_at(scene.calls, scene.cell);
    assert_true(call->media_both_ways);
    assert_int_equal(call->streams, 2);
    assert_int_equal(call->streams_open, 2);
    assert_int_equal(call->first_rtp_ns, scene_ns(1));
    assert_int_equal(call->media_last_ns, scene_ns(5));
    assert_int_equal(call->codec_count, 2);
    assert_string_equal(call->codec_names[1], "PCMA");
    assert_int_equal(media_used(scene.media), 2);
    scene_close(&scene);
}

/* The call's record holds the figures of streams that are still open when it is told. */
static void the_call_sums_up(void **state)
{
    (void)state;
    static struct scene scene;
    scene_open(&scene);
    talk(&scene);
    hear(&scene, &(struct heard)HEARD_WITH(ALICE, BOB, 1, 5, .stream_number = 10, .dtmf = 3));
    hear(&scene,
         &(struct heard)HEARD_WITH(BOB, ALICE, 1, 5, .stream_number = 11, .lost = 250, .dtmf = 1));
    hear(&scene, &(struct heard)HEARD_WITH(BOB, ALICE, 1, 10, .stream_number = 11, .lost = 10,
                                           .dtmf = 1, .packets = 990));
    hear(&scene, &(struct heard)HEARD_WITH(ALICE, BOB, 1, 10, .event = STREAM_ENDED,
                                           .stream_number = 10, .dtmf = 4));
    scene_say(&scene, &(struct said)SAID(10, "BYE", 2, "a", "b"));
    scene_wait(&scene, 11, 15);
    const struct call *call = &scene_last(&scene, CHANGE_CALL_ENDED)->call;
    assert_int_equal(call->streams, 2);
    assert_int_equal(call->streams_open, 1);
    assert_int_equal(call->loss_ppm_max,
                     10000); /* of the whole stream, not of its worst interval */
    assert_int_equal(call->dtmf_events, 5);
    assert_int_equal(call->mos_count, 2);
    assert_true(call->mos_min_milli < 2200 && call->mos_min_milli >= 1000);
    assert_true(call->mos_sum_milli > 2 * 4000);
    assert_int_equal(call->jitter_max_ns, NS_PER_MS);
    /* The stream's own end comes long after, and still names the call. */
    scene_wait(&scene, 16, 310);
    hear(&scene,
         &(struct heard)HEARD_WITH(BOB, ALICE, 1, 10, .event = STREAM_ENDED, .stream_number = 11));
    assert_int_equal(scene.stream_kind, CHANGE_STREAM_ENDED);
    assert_string_equal(scene.stream_call, "call-1@192.0.2.1");
    assert_int_equal(media_used(scene.media), 0);
    assert_int_equal(scene_count(&scene, CHANGE_CALL_ENDED), 1);
    scene_close(&scene);
}

static void media_before_its_description(void **state)
{
    (void)state;
    static struct scene scene;
    scene_open(&scene);
    scene_say(&scene, &(struct said)SAID(0, "INVITE", 1, "a", NULL));
    hear(&scene, &(struct heard)HEARD(ALICE, BOB, 1, 5));
    assert_string_equal(scene.stream_call, "");
    assert_null(scene.stream.call);
    assert_int_equal(scene.stream.call_cell, TABLE_NONE);
    scene_say(&scene, &(struct said)SAID_WITH(6, "200 INVITE", 1, "a", "b", .sdp = BOB_SDP));
    scene_say(&scene, &(struct said)SAID_WITH(6.1, "ACK", 1, "a", "b", .sdp = ALICE_SDP));
    hear(&scene, &(struct heard)HEARD(ALICE, BOB, 1, 10));
    assert_string_equal(scene.stream_call, "call-1@192.0.2.1");
    assert_true(scene.stream.from_caller);
    assert_int_equal(call_at(scene.calls, scene.cell)->first_rtp_ns, scene_ns(1));
    scene_close(&scene);
}

static void joined_in_other_ways(void **state)
{
    (void)state;
    static const struct {
        const char *label;
        const char *source;
        const char *destination;
        bool joined, expected, learned, nat, from_caller;
    } rows[] = {
        {"destination, source unknown (NAT)", "203.0.113.9:1024", BOB, true, true, false, true,
         true},
        {"source only: symmetric", ALICE, "203.0.113.9:1024", true, false, true, false, true},
        {"source only, the other way", BOB, "203.0.113.9:1024", true, false, true, false, false},
        {"nobody's", "203.0.113.9:1", "203.0.113.9:2", false, false, false, false, false},
        {"the port beside", "203.0.113.9:1", "192.0.2.2:5002", false, false, false, false, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        static struct scene scene;
        scene_open(&scene);
        talk(&scene);
        hear(&scene, &(struct heard)HEARD(rows[i].source, rows[i].destination, 1, 5));
        if ((scene.stream.call != NULL) != rows[i].joined ||
            scene.stream.expected_by_sdp != rows[i].expected ||
            scene.stream.learned != rows[i].learned || scene.stream.nat != rows[i].nat ||
            scene.stream.from_caller != rows[i].from_caller) {
            print_error("%s\n", rows[i].label);
            fail();
        }
        scene_close(&scene);
    }
}

/* A private address in the SDP, a public one on the wire. */
static void behind_a_nat(void **state)
{
    (void)state;
    static struct scene scene;
    scene_open(&scene);
    scene_say(&scene,
              &(struct said)SAID_WITH(0, "INVITE", 1, "a", NULL, .source = "203.0.113.5:6060",
                                      .sdp = "10.0.0.5 4000"));
    hear(&scene, &(struct heard)HEARD("198.51.100.1:9000", "203.0.113.5:4000", 1, 5));
    assert_string_equal(scene.stream_call, "call-1@192.0.2.1");
    assert_true(scene.stream.learned && !scene.stream.expected_by_sdp && !scene.stream.from_caller);
    scene_close(&scene);
    /* The same message behind a proxy says nothing about where the party is. */
    scene_open(&scene);
    scene_say(&scene,
              &(struct said)SAID_WITH(0, "INVITE", 1, "a", NULL, .source = "203.0.113.5:6060",
                                      .sdp = "10.0.0.5 4000", .vias = 2));
    hear(&scene, &(struct heard)HEARD("198.51.100.1:9000", "203.0.113.5:4000", 1, 5));
    assert_string_equal(scene.stream_call, "");
    scene_close(&scene);
}

static void refusals_and_other_bodies_claim_nothing(void **state)
{
    (void)state;
    static const struct said rows[] = {
        SAID_WITH(1, "488 INVITE", 1, "a", "b", .sdp = BOB_SDP),
        SAID_WITH(1, "200 OPTIONS", 1, "a", "b", .sdp = BOB_SDP),
        SAID_WITH(1, "INFO", 2, "a", "b", .sdp = BOB_SDP),
        SAID_WITH(1, "200 INVITE", 1, "a", "b", .sdp = "192.0.2.2 0 sendrecv"),
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        static struct scene scene;
        scene_open(&scene);
        scene_say(&scene, &(struct said)SAID(0, "INVITE", 1, "a", NULL));
        scene_say(&scene, &rows[i]);
        hear(&scene, &(struct heard)HEARD("203.0.113.9:1024", BOB, 1, 5));
        assert_string_equal(scene.stream_call, "");
        scene_close(&scene);
    }
}

static void second_call(struct scene *scene, double at_s, const char *caller_sdp,
                        const char *callee_sdp)
{
    scene->call_id = "call-2@192.0.2.1";
    scene_say(scene, &(struct said)SAID_WITH(at_s, "INVITE", 1, "c", NULL, .sdp = caller_sdp));
    scene_say(scene, &(struct said)SAID_WITH(at_s, "200 INVITE", 1, "c", "d",
                                             .source = "192.0.2.2:5060", .sdp = callee_sdp));
}

static void a_port_used_again(void **state)
{
    (void)state;
    static struct scene scene;
    scene_open(&scene);
    talk(&scene);
    hear(&scene, &(struct heard)HEARD_WITH(ALICE, BOB, 1, 5, .stream_number = 10));
    scene_say(&scene, &(struct said)SAID(6, "BYE", 2, "a", "b"));
    second_call(&scene, 7, ALICE_SDP, BOB_SDP);
    /* The old stream trails on: it stays with its call. */
    hear(&scene, &(struct heard)HEARD_WITH(ALICE, BOB, 1, 10, .stream_number = 10));
    assert_string_equal(scene.stream_call, "call-1@192.0.2.1");
    /* A new one belongs to the newest call. */
    hear(&scene, &(struct heard)HEARD_WITH(ALICE, BOB, 7.5, 10, .stream_number = 20, .ssrc = 5));
    assert_string_equal(scene.stream_call, "call-2@192.0.2.1");
    /* One that was over before the second call began was the first one's. */
    hear(&scene, &(struct heard)HEARD_WITH(ALICE, BOB, 2, 4, .event = STREAM_CANDIDATE,
                                           .packets = 3, .stream_number = 9, .ssrc = 6));
    assert_string_equal(scene.stream_call, "call-1@192.0.2.1");
    /* And packets 5 s after the end of a call are not its. */
    hear(&scene, &(struct heard)HEARD_WITH(ALICE, BOB, 1, 20, .stream_number = 10));
    assert_string_equal(scene.stream_call, "call-2@192.0.2.1");
    scene_close(&scene);
}

static void streams_after_the_end(void **state)
{
    (void)state;
    static const struct {
        double first_s;
        bool joined;
    } rows[] = {{3, true}, {8, true}, {8.01, false}, {60, false}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        static struct scene scene;
        scene_open(&scene);
        talk(&scene);
        scene_say(&scene, &(struct said)SAID(3, "BYE", 2, "a", "b"));
        hear(&scene, &(struct heard)HEARD(ALICE, BOB, rows[i].first_s, 65));
        assert_int_equal(scene.stream.call != NULL, rows[i].joined);
        scene_close(&scene);
    }
}

static void both_ends_decide(void **state)
{
    (void)state;
    static struct scene scene;
    scene_open(&scene);
    talk(&scene);
    second_call(&scene, 2, "192.0.2.1 4444", BOB_SDP); /* the same port of a media server */
    hear(&scene, &(struct heard)HEARD_WITH(ALICE, BOB, 3, 5, .stream_number = 10));
    assert_string_equal(scene.stream_call, "call-1@192.0.2.1");
    hear(&scene, &(struct heard)HEARD_WITH("192.0.2.1:4444", BOB, 3, 5, .stream_number = 11));
    assert_string_equal(scene.stream_call, "call-2@192.0.2.1");
    hear(&scene, &(struct heard)HEARD_WITH("203.0.113.1:1", BOB, 3, 5, .stream_number = 12));
    assert_string_equal(scene.stream_call, "call-2@192.0.2.1");
    scene_close(&scene);
}

static void candidates_need_an_sdp(void **state)
{
    (void)state;
    static const struct {
        const char *destination;
        unsigned packets;
        bool told;
    } rows[] = {{BOB, 2, false}, {BOB, 3, true}, {"203.0.113.7:1", 50, false}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        static struct scene scene;
        scene_open(&scene);
        talk(&scene);
        scene_say(&scene, &(struct said)SAID(3, "BYE", 2, "a", "b"));
        scene_wait(&scene, 4, 303); /* a candidate is told when it was silent for 300 s */
        hear(&scene,
             &(struct heard)HEARD_WITH("203.0.113.7:9", rows[i].destination, 1, 2,
                                       .event = STREAM_CANDIDATE, .packets = rows[i].packets));
        assert_int_equal(scene.stream_count, rows[i].told ? 1 : 0);
        if (rows[i].told) {
            assert_int_equal(scene.stream_kind, CHANGE_STREAM_ENDED);
            assert_string_equal(scene.stream_call, "call-1@192.0.2.1");
        }
        assert_int_equal(media_used(scene.media), 0);
        scene_close(&scene);
    }
}

static void clocks_and_codecs(void **state)
{
    (void)state;
    static const struct {
        const char *label;
        const char *caller;
        const char *callee;
        unsigned payload_type, slope;
        enum media_clock_basis basis;
        unsigned rate, index;
        const char *codec;
    } rows[] = {
        {"the receiver's table", "192.0.2.1 4000 sendrecv|96|a=rtpmap:96 iLBC/8000",
         "192.0.2.2 5000 sendrecv|96|a=rtpmap:96 opus/48000/2", 96, 0, MEDIA_CLOCK_SDP, 48000, 4,
         "opus"},
        {"else the sender's", "192.0.2.1 4000 sendrecv|97|a=rtpmap:97 AMR-WB/16000", BOB_SDP, 97,
         8000, MEDIA_CLOCK_SDP, 16000, 1, "AMR-WB"},
        {"no description: the slope", ALICE_SDP, BOB_SDP, 98, 90000, MEDIA_CLOCK_SLOPE, 90000, 5,
         ""},
        {"nothing at all", ALICE_SDP, BOB_SDP, 98, 0, MEDIA_CLOCK_UNKNOWN, 0, STREAM_CLOCKS, ""},
        {"a rate beyond the six", ALICE_SDP, "192.0.2.2 5000 sendrecv|99|a=rtpmap:99 DVI4/11025",
         99, 8000, MEDIA_CLOCK_UNSUPPORTED, 11025, STREAM_CLOCKS, "DVI4"},
        {"telephone-event names nothing", ALICE_SDP,
         "192.0.2.2 5000 sendrecv|101|a=rtpmap:101 telephone-event/8000", 101, 8000,
         MEDIA_CLOCK_SLOPE, 8000, 0, ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        static struct scene scene;
        scene_open(&scene);
        scene_say(&scene,
                  &(struct said)SAID_WITH(0, "INVITE", 1, "a", NULL, .sdp = rows[i].caller));
        scene_say(&scene,
                  &(struct said)SAID_WITH(1, "200 INVITE", 1, "a", "b", .source = "192.0.2.2:5060",
                                          .sdp = rows[i].callee));
        hear(&scene, &(struct heard)HEARD_WITH(ALICE, BOB, 1, 5, .dynamic = true,
                                               .payload_type = rows[i].payload_type,
                                               .slope_rate = rows[i].slope));
        if (scene.stream.clock_basis != rows[i].basis || scene.stream.clock_rate != rows[i].rate ||
            scene.stream.clock_index != rows[i].index ||
            strcmp(scene.stream.codec, rows[i].codec) != 0) {
            print_error("%s: %u %u %u %s\n", rows[i].label, scene.stream.clock_basis,
                        scene.stream.clock_rate, scene.stream.clock_index, scene.stream.codec);
            fail();
        }
        scene_close(&scene);
    }
}

static void hold_and_resume(void **state)
{
    (void)state;
    static struct scene scene;
    scene_open(&scene);
    talk(&scene);
    hear(&scene, &(struct heard)HEARD(ALICE, BOB, 1, 5));
    assert_false(scene.stream.held);
    scene_say(&scene,
              &(struct said)SAID_WITH(6, "INVITE", 2, "a", "b", .sdp = "192.0.2.1 4000 sendonly"));
    scene_say(&scene,
              &(struct said)SAID_WITH(6.1, "200 INVITE", 2, "a", "b", .source = "192.0.2.2:5060",
                                      .sdp = "192.0.2.2 5000 recvonly"));
    hear(&scene, &(struct heard)HEARD(ALICE, BOB, 1, 10));
    assert_true(scene.stream.held);
    assert_int_equal(call_at(scene.calls, scene.cell)->holds, 1);
    /* Nobody expects media of a held call. */
    scene_wait(&scene, 11, 200);
    assert_int_equal(scene_count(&scene, CHANGE_CALL_ENDED), 0);
    scene_say(&scene, &(struct said)SAID_WITH(201, "INVITE", 3, "a", "b", .sdp = ALICE_SDP));
    scene_say(&scene, &(struct said)SAID_WITH(201.1, "200 INVITE", 3, "a", "b",
                                              .source = "192.0.2.2:5060", .sdp = BOB_SDP));
    assert_false(call_at(scene.calls, scene.cell)->held);
    scene_say(&scene, &(struct said)SAID_WITH(210, "INVITE", 4, "a", "b", .sdp = "0.0.0.0 4000"));
    assert_true(call_at(scene.calls, scene.cell)->held);
    assert_int_equal(call_at(scene.calls, scene.cell)->holds, 2);
    scene_close(&scene);
}

/* One-sided from the beginning: what is agreed on is no hold, what is not is unexpected. */
static void one_sided_is_no_hold(void **state)
{
    (void)state;
    static struct scene scene;
    scene_open(&scene);
    scene_say(&scene,
              &(struct said)SAID_WITH(0, "INVITE", 1, "a", NULL, .sdp = "192.0.2.1 4000 sendonly"));
    scene_say(&scene,
              &(struct said)SAID_WITH(1, "200 INVITE", 1, "a", "b", .source = "192.0.2.2:5060",
                                      .sdp = "192.0.2.2 5000 recvonly"));
    scene_say(&scene, &(struct said)SAID(1.1, "ACK", 1, "a", "b"));
    hear(&scene, &(struct heard)HEARD(ALICE, BOB, 1, 5));
    assert_false(scene.stream.held);
    assert_int_equal(call_at(scene.calls, scene.cell)->holds, 0);
    hear(&scene, &(struct heard)HEARD_WITH(BOB, ALICE, 1, 5, .stream_number = 5));
    assert_true(scene.stream.held);
    scene_close(&scene);
}

static void a_lost_bye(void **state)
{
    (void)state;
    static struct scene scene;
    scene_open(&scene);
    talk(&scene);
    for (unsigned second = 5; second <= 30; second += 5) {
        hear(&scene, &(struct heard)HEARD(ALICE, BOB, 1, second));
        scene_mark(&scene, second);
    }
    scene_wait(&scene, 31, 89);
    assert_int_equal(scene_count(&scene, CHANGE_CALL_ENDED), 0);
    scene_wait(&scene, 90, 110);
    assert_int_equal(scene_count(&scene, CHANGE_CALL_ENDED), 1);
    const struct call *call = &scene_last(&scene, CHANGE_CALL_ENDED)->call;
    assert_int_equal(call->end_reason, CALL_END_INFERRED);
    assert_int_equal(call->ended_by, CALL_ENDED_BY_SENSOR);
    assert_int_equal(call->ended_ns, scene_ns(30));
    assert_int_equal(call->outcome, CALL_ANSWERED);
    scene_close(&scene);
}

/* --- RTCP --- */

static void report(struct scene *scene, double at_s, const char *source, const char *destination,
                   const struct rtcp_view *view)
{
    static struct rtcp_sighting sighting;
    struct endpoint from = scene_endpoint(source);
    struct endpoint to = scene_endpoint(destination);

    memset(&sighting, 0, sizeof sighting);
    sighting.head.key = ++scene->number << 1 | 1;
    sighting.head.time_ns = scene_ns(at_s);
    sighting.head.state_ns = scene_ns(at_s);
    sighting.head.source = from.addr;
    sighting.head.source_port = from.port;
    sighting.head.destination = to.addr;
    sighting.head.destination_port = to.port;
    sighting.view = *view;
    media_see_rtcp(scene->media, &sighting);
}

static struct rtcp_view sender_report(uint32_t ssrc, uint32_t quotation)
{
    return (struct rtcp_view){
        .sender = ssrc, .has_sender_info = true, .ntp = (uint64_t)quotation << 16};
}

static struct rtcp_view receiver_report(uint32_t sender, uint32_t about, uint32_t quotation,
                                        uint32_t held)
{
    struct rtcp_view view = {.sender = sender, .report_count = 1};
    view.reports[0] = (struct rtcp_report){.ssrc = about,
                                           .last_sr = quotation,
                                           .delay_since_sr = held,
                                           .fraction_lost = 12,
                                           .cumulative_lost = 7,
                                           .jitter = 80};
    return view;
}

static void round_trip_at_the_tap(void **state)
{
    (void)state;
    static struct scene scene;
    scene_open(&scene);
    talk(&scene);
    struct rtcp_view view = sender_report(0xa, 0x1111);
    report(&scene, 2, "192.0.2.1:4001", "192.0.2.2:5001", &view);
    /* B holds it 0.5 s and answers; it passes again 600 ms later: 100 ms to B and back. */
    view = receiver_report(0xb, 0xa, 0x1111, 0x8000);
    report(&scene, 2.6, "192.0.2.2:5001", "192.0.2.1:4001", &view);
    hear(&scene, &(struct heard)HEARD_WITH(ALICE, BOB, 1, 5, .ssrc = 0xa));
    assert_int_equal(scene.stream.round_trip_mean_ns, 100 * NS_PER_MS);
    assert_int_equal(scene.stream.rtcp_reports, 1);
    assert_int_equal(scene.stream.rtcp_fraction_max, 12);
    assert_int_equal(scene.stream.rtcp_jitter_max_ns, 10 * NS_PER_MS);
    assert_false(scene.stream.interval.delay_assumed);
    assert_int_equal(scene.stream.interval.delay_ms, 110);
    /* The other direction: 40 ms to A and back. Both together: 140 ms. */
    view = sender_report(0xb, 0x2222);
    report(&scene, 6, "192.0.2.2:5001", "192.0.2.1:4001", &view);
    view = receiver_report(0xa, 0xb, 0x2222, 0x10000);
    report(&scene, 7.04, "192.0.2.1:4001", "192.0.2.2:5001", &view);
    hear(&scene, &(struct heard)HEARD_WITH(ALICE, BOB, 1, 10, .ssrc = 0xa));
    assert_int_equal(scene.stream.round_trip_mean_ns, 140 * NS_PER_MS);
    hear(&scene, &(struct heard)HEARD_WITH(BOB, ALICE, 1, 10, .ssrc = 0xb, .stream_number = 5));
    assert_int_equal(scene.stream.round_trip_mean_ns, 140 * NS_PER_MS);
    assert_int_equal(call_at(scene.calls, scene.cell)->media_last_ns, scene_ns(10));
    scene_close(&scene);
}

static void quotations_that_do_not_count(void **state)
{
    (void)state;
    static const struct {
        uint32_t quotation, held;
        double at_s;
    } rows[] = {
        {0, 0x8000, 2.6}, /* none */
        {0x1111, 0, 2.6}, /* none */
        {0x3333, 0x8000, 2.6}, /* not seen here */
        {0x1111, 0x8000, 2.4}, /* below zero */
        {0x1111, 1, 12.6}, /* above 10 s */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        static struct scene scene;
        scene_open(&scene);
        talk(&scene);
        struct rtcp_view view = sender_report(0xa, 0x1111);
        report(&scene, 2, "192.0.2.1:4001", "192.0.2.2:5001", &view);
        view = receiver_report(0xb, 0xa, rows[i].quotation, rows[i].held);
        report(&scene, rows[i].at_s, "192.0.2.2:5001", "192.0.2.1:4001", &view);
        hear(&scene, &(struct heard)HEARD_WITH(ALICE, BOB, 1, 15, .ssrc = 0xa));
        assert_int_equal(scene.stream.round_trip_mean_ns, 0);
        assert_true(scene.stream.interval.delay_assumed);
        assert_int_equal(scene.stream.rtcp_reports, 1);
        scene_close(&scene);
    }
}

static void rtcp_keeps_a_call_alive(void **state)
{
    (void)state;
    static struct scene scene;
    struct rtcp_view view = sender_report(0xa, 0x1111);
    scene_open(&scene);
    talk(&scene);
    hear(&scene, &(struct heard)HEARD(ALICE, BOB, 1, 5));
    for (unsigned second = 6; second < 300; second++) {
        if (second % 30 == 0) {
            report(&scene, second, "192.0.2.1:4001", "192.0.2.2:5001", &view);
        }
        scene_mark(&scene, second);
    }
    assert_int_equal(scene_count(&scene, CHANGE_CALL_ENDED), 0);
    scene_close(&scene);
}

/* --- bounds --- */

static void too_many_streams(void **state)
{
    (void)state;
    static struct scene scene;
    scene_open_with(&scene, 8, 4);
    talk(&scene);
    for (unsigned i = 0; i < 10; i++) {
        hear(&scene, &(struct heard)HEARD_WITH(ALICE, BOB, 1, 5 + i, .stream_number = 100 + i,
                                               .ssrc = 100 + i));
    }
    assert_int_equal(media_used(scene.media), 4);
    assert_int_equal(media_evicted(scene.media), 6);
    assert_int_equal(call_at(scene.calls, scene.cell)->streams_open, 4);
    assert_int_equal(call_at(scene.calls, scene.cell)->streams, 10);
    scene_say(&scene, &(struct said)SAID(16, "BYE", 2, "a", "b"));
    scene_wait(&scene, 17, 30);
    for (unsigned i = 0; i < 10; i++) {
        hear(&scene, &(struct heard)HEARD_WITH(ALICE, BOB, 1, 15, .event = STREAM_ENDED,
                                               .stream_number = 100 + i, .ssrc = 100 + i));
    }
    assert_int_equal(media_used(scene.media), 0);
    scene_wait(&scene, 31, 360);
    assert_int_equal(call_used(scene.calls), 0);
    scene_close(&scene);
}

static void too_many_endpoints(void **state)
{
    (void)state;
    static struct scene scene;
    char sdp[64];
    scene_open_with(&scene, 2, 4); /* 8 endpoints */
    scene_say(&scene, &(struct said)SAID(0, "INVITE", 1, "a", NULL));
    for (unsigned i = 0; i < 40; i++) {
        struct text text = text_into(sdp, sizeof sdp);
        text_format(&text, "192.0.2.2 %u", 5000 + 2 * i);
        scene_say(&scene,
                  &(struct said)SAID_WITH(1, "200 INVITE", 1, "a", "b", .source = "192.0.2.2:5060",
                                          .sdp = text_terminate(&text)));
    }
    assert_true(media_evicted(scene.media) > 0);
    hear(&scene, &(struct heard)HEARD("203.0.113.1:1", "192.0.2.2:5078", 1, 5));
    assert_string_equal(scene.stream_call, "call-1@192.0.2.1");
    hear(&scene,
         &(struct heard)HEARD_WITH("203.0.113.1:1", "192.0.2.2:5000", 1, 5, .stream_number = 5));
    assert_string_equal(scene.stream_call, "");
    scene_close(&scene);
}

/* What it was before the silence is told with its end. */
static void silence_and_resume(void **state)
{
    (void)state;
    static const struct {
        double last_s;
        unsigned event;
        enum change_kind kind;
        double silent_s;
    } rows[] = {{5, STREAM_INTERVAL, CHANGE_STREAM_INTERVAL, 0},
                {6, STREAM_SILENT, CHANGE_STREAM_SILENT, 6},
                {6, STREAM_INTERVAL, CHANGE_STREAM_INTERVAL, 6},
                {15, STREAM_RESUMED, CHANGE_STREAM_RESUMED, 6},
                {15, STREAM_INTERVAL, CHANGE_STREAM_INTERVAL, 6},
                {21, STREAM_SILENT, CHANGE_STREAM_SILENT, 21},
                {30, STREAM_RESUMED, CHANGE_STREAM_RESUMED, 21}};
    static struct scene scene;
    scene_open(&scene);
    talk(&scene);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        hear(&scene,
             &(struct heard)HEARD_WITH(ALICE, BOB, 1.2, rows[i].last_s, .event = rows[i].event));
        assert_int_equal(scene.stream_kind, rows[i].kind);
        assert_string_equal(scene.stream_call, "call-1@192.0.2.1");
        if (rows[i].silent_s > 0) {
            assert_int_equal(scene.stream.silent_ns, scene_ns(rows[i].silent_s));
        }
    }
    scene_close(&scene);
}

/* That it begins is said once: at once where its call is known, else with its first interval. */
static void begun_once(void **state)
{
    (void)state;
    for (unsigned known = 0; known < 2; known++) {
        static struct scene scene;
        scene_open(&scene);
        if (known != 0) {
            talk(&scene);
        }
        hear(&scene, &(struct heard)HEARD_WITH(ALICE, BOB, 1.2, 2, .event = STREAM_BEGUN));
        assert_int_equal(scene.stream_count, known);
        if (known != 0) {
            assert_int_equal(scene.stream_kind, CHANGE_STREAM_BEGUN);
            assert_true(scene.stream.is_new);
        } else {
            talk(&scene);
        }
        hear(&scene, &(struct heard)HEARD(ALICE, BOB, 1.2, 5));
        assert_int_equal(scene.stream_kind, CHANGE_STREAM_INTERVAL);
        assert_string_equal(scene.stream_call, "call-1@192.0.2.1");
        assert_int_equal(scene.stream.is_new, known == 0);
        scene_close(&scene);
    }
}

/* Calls come and go while their streams and claims are open; what is left must fit together. */
static void calls_go_first(void **state)
{
    (void)state;
    static struct scene scene;
    char call_id[32];
    scene_open_with(&scene, 4, 64);
    for (unsigned i = 0; i < 40; i++) {
        struct text text = text_into(call_id, sizeof call_id);
        text_format(&text, "call-%u", i);
        scene.call_id = text_terminate(&text);
        scene_say(&scene, &(struct said)SAID_WITH(i, "INVITE", 1, "a", NULL, .sdp = ALICE_SDP));
        scene_say(&scene, &(struct said)SAID_WITH(i, "200 INVITE", 1, "a", "b", .sdp = BOB_SDP));
        hear(&scene,
             &(struct heard)HEARD_WITH(ALICE, BOB, i, i, .stream_number = 100 + i, .ssrc = 1 + i));
        assert_string_equal(scene.stream_call, call_id);
    }
    assert_int_equal(call_evicted(scene.calls), 36);
    for (unsigned i = 0; i < 40; i++) {
        hear(&scene, &(struct heard)HEARD_WITH(ALICE, BOB, i, i, .event = STREAM_ENDED,
                                               .stream_number = 100 + i));
    }
    assert_int_equal(media_used(scene.media), 0);
    call_end(scene.calls);
    assert_int_equal(scene_count(&scene, CHANGE_CALL_ENDED) > 0, 1);
    scene_close(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_directions_join),
        cmocka_unit_test(the_call_sums_up),
        cmocka_unit_test(media_before_its_description),
        cmocka_unit_test(joined_in_other_ways),
        cmocka_unit_test(behind_a_nat),
        cmocka_unit_test(refusals_and_other_bodies_claim_nothing),
        cmocka_unit_test(a_port_used_again),
        cmocka_unit_test(streams_after_the_end),
        cmocka_unit_test(both_ends_decide),
        cmocka_unit_test(candidates_need_an_sdp),
        cmocka_unit_test(clocks_and_codecs),
        cmocka_unit_test(hold_and_resume),
        cmocka_unit_test(one_sided_is_no_hold),
        cmocka_unit_test(a_lost_bye),
        cmocka_unit_test(round_trip_at_the_tap),
        cmocka_unit_test(quotations_that_do_not_count),
        cmocka_unit_test(rtcp_keeps_a_call_alive),
        cmocka_unit_test(too_many_streams),
        cmocka_unit_test(too_many_endpoints),
        cmocka_unit_test(begun_once),
        cmocka_unit_test(silence_and_resume),
        cmocka_unit_test(calls_go_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
