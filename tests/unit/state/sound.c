/* The sound of a call: its path, who is heard ten seconds after the answer, who ended it. */
#include "tests/unit/state/scene.h"

#define ALICE_SDP "192.0.2.1 4000 sendrecv"
#define BOB_SDP "192.0.2.2 5000 sendrecv"
#define ALICE "192.0.2.1:4000"
#define BOB "192.0.2.2:5000"

/* The sound is a part of the call's cell, so it is looked at when the change is told. */
struct listener {
    struct scene scene;
    struct call_sound sound; /* of the last MEDIA or TORN */
    uint32_t heard[2];
    uint32_t stray[2];
    bool elsewhere;
    unsigned judged;
    unsigned torn;
    uint64_t number;
};

static struct listener listener;

/* The scene's own log wants nothing of these. */
static void on_change(void *owner, const struct change *change)
{
    (void)owner;
    if (change->kind == CHANGE_CALL_MEDIA) {
        listener.judged++;
    } else if (change->kind == CHANGE_CALL_TORN) {
        listener.torn++;
    } else {
        return;
    }
    listener.sound = *change->call->sound;
    memcpy(listener.heard, change->call->heard, sizeof listener.heard);
    memcpy(listener.stray, change->call->heard_stray, sizeof listener.stray);
    listener.elsewhere = change->call->elsewhere;
    listener.number = change->number;
}

static void stage_open_for(uint32_t calls)
{
    struct call_limits limits = {
        .calls_max = calls, .age_max_ns = 24 * NS_PER_HOUR, .key = HASH_KEY_FIXED};
    struct media_limits media = {
        .endpoints_max = 4 * calls, .streams_max = calls, .key = HASH_KEY_FIXED};
    struct change_sink sink = {.on_change = on_change};
    struct error error;

    memset(&listener, 0, sizeof listener);
    listener.scene.call_id = "call-1@192.0.2.1";
    assert_int_equal(call_open(&limits, sink, &listener.scene.calls, &error), STATUS_OK);
    assert_int_equal(media_open(&media, listener.scene.calls, sink, &listener.scene.media, &error),
                     STATUS_OK);
}

static void stage_open(void)
{
    stage_open_for(64);
}

static void say(struct said said)
{
    scene_say(&listener.scene, &said);
}

static void tell_stream(const char *from, const char *to, double from_s, double to_s,
                        unsigned packets, enum stream_event event)
{
    static struct stream_sighting sighting;
    struct endpoint source = scene_endpoint(from);
    struct endpoint destination = scene_endpoint(to);

    memset(&sighting, 0, sizeof sighting);
    sighting.head.kind = SIGHTING_STREAM;
    sighting.head.key = ++listener.scene.number << 1;
    sighting.head.time_ns = scene_ns(to_s);
    sighting.head.state_ns = scene_ns(to_s);
    sighting.head.source = source.addr;
    sighting.head.source_port = source.port;
    sighting.head.destination = destination.addr;
    sighting.head.destination_port = destination.port;
    sighting.stream_number = 1000U * source.port + destination.port;
    sighting.event = (uint8_t)event;
    sighting.clock_is_static = true;
    sighting.clock_rate = 8000;
    sighting.ssrc = 0x1234;
    sighting.ptime_us = 20000;
    sighting.first_ns = scene_ns(1.2);
    sighting.last_ns = scene_ns(to_s);
    sighting.interval_from_ns = scene_ns(from_s);
    sighting.interval_to_ns = scene_ns(to_s);
    sighting.total.packets = sighting.interval.packets = packets;
    sighting.total.expected = sighting.interval.expected = packets;
    media_see_stream(listener.scene.media, &sighting, false);
}

/* An interval of a stream, told at `to_s`. */
static void hear(const char *from, const char *to, double from_s, double to_s, unsigned packets)
{
    tell_stream(from, to, from_s, to_s, packets, STREAM_INTERVAL);
}

/* That it began. */
static void begin(const char *from, const char *to, double at_s)
{
    tell_stream(from, to, 1.2, at_s, 0, STREAM_BEGUN);
}

static void talk(void)
{
    say((struct said)SAID_WITH(0, "INVITE", 1, "a", NULL, .sdp = ALICE_SDP));
    say((struct said)SAID_WITH(1, "200 INVITE", 1, "a", "b", .source = "192.0.2.2:5060",
                               .sdp = BOB_SDP));
    say((struct said)SAID(1.1, "ACK", 1, "a", "b"));
}

static void stage_close(void)
{
    scene_close(&listener.scene);
}

/* --- who is heard --- */

static void both_ways_once(void **state)
{
    (void)state;
    stage_open();
    talk();
    for (unsigned mark = 5; mark <= 30; mark += 5) {
        hear(ALICE, BOB, mark - 5, mark, 240 + mark);
        hear(BOB, ALICE, mark - 5, mark, 140 + mark);
        scene_wait(&listener.scene, mark, mark + 4);
    }
    assert_int_equal(listener.judged, 1);
    assert_int_equal(listener.heard[0], 250); /* of the interval that ended at 10 */
    assert_int_equal(listener.heard[1], 150);
    uint8_t usual = CALL_SIDE_NAMED | CALL_SIDE_SENDS | CALL_SIDE_RECEIVES;
    assert_int_equal(listener.sound.sides[0], usual);
    assert_int_equal(listener.sound.sides[1], usual);
    stage_close();
}

/* What was heard until the answer, or in the interval before, is none of now. */
static void only_the_last_interval(void **state)
{
    (void)state;
    stage_open();
    talk();
    hear(ALICE, BOB, 0, 5, 250);
    hear(BOB, ALICE, 0, 5, 250);
    scene_wait(&listener.scene, 5, 9);
    hear(ALICE, BOB, 5, 10, 250);
    scene_wait(&listener.scene, 10, 12);
    assert_int_equal(listener.judged, 1);
    assert_int_equal(listener.heard[0], 250);
    assert_int_equal(listener.heard[1], 0);
    stage_close();
}

static void to_a_port_that_nobody_named(void **state)
{
    (void)state;
    stage_open();
    talk();
    hear(ALICE, BOB, 5, 10, 250);
    hear(BOB, "192.0.2.1:4444", 5, 10, 250);
    scene_wait(&listener.scene, 10, 12);
    assert_int_equal(listener.heard[1], 0);
    assert_int_equal(listener.stray[1], 250);
    assert_int_equal(listener.sound.ways[1].named_ns, 0);
    assert_int_equal(listener.sound.ways[0].named_ns, scene_ns(10));
    assert_true(listener.sound.ways[1].stray_to != listener.sound.ways[0].from);
    stage_close();

    /* unless it is what she sends from */
    stage_open();
    talk();
    hear("192.0.2.1:4444", BOB, 5, 10, 250);
    hear(BOB, "192.0.2.1:4444", 5, 10, 250);
    scene_wait(&listener.scene, 10, 12);
    assert_int_equal(listener.stray[1], 250);
    assert_int_equal(listener.sound.ways[1].stray_to, listener.sound.ways[0].from);
    stage_close();
}

static void what_sides_agree_on(void **state)
{
    (void)state;
    static const struct {
        const char *sdp;
        uint8_t flags;
        bool elsewhere;
    } rows[] = {
        {"192.0.2.1 4000 sendonly", CALL_SIDE_NAMED | CALL_SIDE_SENDS, false},
        {"192.0.2.1 4000 recvonly", CALL_SIDE_NAMED | CALL_SIDE_RECEIVES, false},
        {"192.0.2.1 4000 inactive", CALL_SIDE_NAMED, false},
        {"10.0.0.1 4000 sendrecv",
         CALL_SIDE_NAMED | CALL_SIDE_SENDS | CALL_SIDE_RECEIVES | CALL_SIDE_HIDDEN, false},
        {"239.1.1.1 4000 sendrecv", CALL_SIDE_NAMED | CALL_SIDE_SENDS | CALL_SIDE_RECEIVES, true},
        {"192.0.2.1 4000 sendrecv|0|a=ice-ufrag:abcd|a=ice-pwd:asd88fgpdd777uzjYhagZg",
         CALL_SIDE_NAMED | CALL_SIDE_SENDS | CALL_SIDE_RECEIVES, true},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        stage_open();
        say((struct said)SAID_WITH(0, "INVITE", 1, "a", NULL, .sdp = rows[i].sdp));
        say((struct said)SAID_WITH(1, "200 INVITE", 1, "a", "b", .source = "192.0.2.2:5060",
                                   .sdp = BOB_SDP));
        scene_wait(&listener.scene, 1, 12);
        assert_int_equal(listener.judged, 1);
        assert_int_equal(listener.sound.sides[0], rows[i].flags);
        assert_int_equal(listener.elsewhere, rows[i].elsewhere);
        stage_close();
    }
}

/* Two legs name the same endpoints: what flows joins the newer one. */
static void two_legs(void **state)
{
    (void)state;
    for (unsigned legs = 1; legs <= 2; legs++) {
        stage_open();
        talk();
        if (legs == 2) {
            listener.scene.call_id = "call-2@192.0.2.1";
            say((struct said)SAID_WITH(1.2, "INVITE", 1, "c", NULL, .sdp = ALICE_SDP));
            say((struct said)SAID_WITH(1.3, "180 INVITE", 1, "c", "d", .source = "192.0.2.2:5060",
                                       .sdp = "192.0.2.3 6000 sendrecv"));
        }
        scene_wait(&listener.scene, 2, 12);
        assert_int_equal(listener.judged, 1);
        assert_int_equal((listener.sound.sides[0] & CALL_SIDE_SHARED) != 0, legs == 2);
        assert_int_equal((listener.sound.sides[1] & CALL_SIDE_SHARED) != 0, false);
        stage_close();
    }
}

/* --- who ended it --- */

#define FORGER "203.0.113.66:5060"

/* A BYE in the caller's name, its 200 half a second later, and audio of either side up to so long
 * behind that. */
struct row {
    const char *name;
    const char *source;
    double caller_s;
    double callee_s;
    bool answered;
    enum call_torn torn;
};

static void audio_until(double until_s, bool of_caller)
{
    for (double mark = 5; mark < until_s + 5; mark += 5) {
        double to_s = mark < until_s ? mark : until_s;
        double from_s = mark == 5 ? 1.2 : mark - 5;
        if (to_s > from_s) {
            hear(of_caller ? ALICE : BOB, of_caller ? BOB : ALICE, from_s, to_s,
                 (unsigned)((to_s - from_s) * 50));
        }
    }
}

static void ends(void **state)
{
    (void)state;
    enum { ACCEPTED_S = 6 };
    static const struct row rows[] = {
        {"a stranger, he talks on", FORGER, 3, 0, true, CALL_TORN_SENDER_GOES_ON},
        {"a stranger, 2 s", FORGER, 2.1, 0, true, CALL_TORN_SENDER_GOES_ON},
        {"a stranger, 1.9 s", FORGER, 1.9, 0, true, CALL_TORN_NOT},
        {"a stranger, the other talks on", FORGER, 0, 3, true, CALL_TORN_NOT},
        {"a stranger, not answered", FORGER, 30, 30, false, CALL_TORN_NOT},
        {"another port, 4 s (H37)", "192.0.2.1:5066", 4, 0, true, CALL_TORN_NOT},
        {"another port, 6 s", "192.0.2.1:5066", 6, 0, true, CALL_TORN_SENDER_GOES_ON},
        {"himself, 9 s", "192.0.2.1:5060", 9, 9, true, CALL_TORN_NOT},
        {"himself, both for 11 s", "192.0.2.1:5060", 11, 11, true, CALL_TORN_BOTH_GO_ON},
        {"himself, one for 20 s", "192.0.2.1:5060", 20, 9, true, CALL_TORN_NOT},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct row *row = &rows[i];
        stage_open();
        talk();
        say((struct said)SAID_WITH(5.5, "BYE", 2, "a", "b", .source = row->source));
        if (row->answered) {
            say((struct said)SAID_WITH(ACCEPTED_S, "200 BYE", 2, "a", "b",
                                       .source = "192.0.2.2:5060"));
        }
        audio_until(ACCEPTED_S + row->caller_s, true);
        audio_until(ACCEPTED_S + row->callee_s, false);
        if (listener.torn != (row->torn != CALL_TORN_NOT) ||
            (listener.torn > 0 && listener.sound.torn != row->torn)) {
            fail_msg("%s: told %u, as %u", row->name, listener.torn, listener.sound.torn);
        }
        if (listener.torn > 0) {
            assert_int_equal(listener.number, 4); /* the BYE, our fourth message */
            struct endpoint ender = scene_endpoint(row->source);
            assert_true(endpoint_equal(&ender, &listener.sound.ender));
        }
        stage_close();
    }
}

/* The clock jumps by eleven days while both hang up: nobody talked on for that long. */
static void ends_as_time_jumps(void **state)
{
    (void)state;
    stage_open();
    talk();
    say((struct said)SAID(5.5, "BYE", 2, "a", "b"));
    say((struct said)SAID_WITH(6, "200 BYE", 2, "a", "b", .source = "192.0.2.2:5060"));
    hear(ALICE, BOB, 5, 1e6, 250);
    hear(BOB, ALICE, 5, 1e6, 250);
    assert_int_equal(listener.torn, 0);
    stage_close();
}

/* The same stream between two intervals: what the interval that goes on holds so far. */
static void alive(const char *from, const char *to, double from_s, double to_s, unsigned packets)
{
    static union {
        struct alive_sighting sighting;
        uint8_t bytes[sizeof(struct alive_sighting) + sizeof(struct alive_stream)];
    } told;
    struct endpoint source = scene_endpoint(from);
    struct endpoint destination = scene_endpoint(to);

    memset(&told, 0, sizeof told);
    told.sighting.head.kind = SIGHTING_ALIVE;
    told.sighting.head.state_ns = scene_ns(to_s);
    told.sighting.stream_count = 1;
    told.sighting.streams[0] =
        (struct alive_stream){.stream_number = 1000U * source.port + destination.port,
                              .from_ns = scene_ns(from_s),
                              .last_ns = scene_ns(to_s),
                              .source = source.addr,
                              .destination = destination.addr,
                              .source_port = source.port,
                              .destination_port = destination.port,
                              .packets = packets};
    media_see_alive(listener.scene.media, &told.sighting);
}

/* Both sides' audio of the second that ends at `now_s`. */
static void tell_second(unsigned now_s, unsigned rate, bool callee_too)
{
    unsigned from_s = (now_s - 1) / 5 * 5;
    unsigned packets = (now_s - from_s) * rate;
    void (*tell)(const char *, const char *, double, double, unsigned) =
        now_s % 5 == 0 ? hear : alive;

    tell(ALICE, BOB, from_s, now_s, packets);
    if (callee_too) {
        tell(BOB, ALICE, from_s, now_s, packets);
    }
}

/* Its audio has told no interval yet. */
static void ends_at_once(void **state)
{
    (void)state;
    stage_open();
    talk();
    begin(ALICE, BOB, 2);
    say((struct said)SAID_WITH(1.5, "BYE", 2, "a", "b", .source = FORGER));
    say((struct said)SAID_WITH(1.5, "200 BYE", 2, "a", "b", .source = "192.0.2.2:5060"));
    alive(ALICE, BOB, 1.2, 3, 90);
    scene_mark(&listener.scene, 3);
    assert_int_equal(listener.torn, 0);
    alive(ALICE, BOB, 1.2, 4, 140);
    scene_mark(&listener.scene, 4);
    assert_int_equal(listener.torn, 1);
    stage_close();
}

/* A proof is told with the second that completes it, and packets count once. */
static void ends_by_the_second(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *source;
        double accepted_s;
        unsigned rate; /* packets a second */
        bool callee_too;
        unsigned torn_s; /* 0 = never */
    } rows[] = {
        {"a stranger", FORGER, 6.0, 50, false, 8},
        {"a stranger, just before an interval ends", FORGER, 9.9, 50, false, 12},
        {"a stranger, an interval completes it", FORGER, 7.5, 50, false, 10},
        {"a stranger, 15 packets a second", FORGER, 6.0, 15, false, 9},
        {"another port", "192.0.2.1:5066", 6.0, 50, false, 11},
        {"himself, both go on", "192.0.2.1:5060", 6.0, 50, true, 16},
        {"himself, both go on, nine packets a second", "192.0.2.1:5060", 6.0, 9, true, 18},
        {"himself alone", "192.0.2.1:5060", 6.0, 50, false, 0},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        unsigned torn_s = 0;
        stage_open();
        talk();
        tell_second(5, rows[i].rate, rows[i].callee_too);
        for (unsigned now_s = 6; now_s <= 40; now_s++) {
            if (rows[i].accepted_s < now_s && rows[i].accepted_s >= now_s - 1) {
                say((struct said)SAID_WITH(rows[i].accepted_s, "BYE", 2, "a", "b",
                                           .source = rows[i].source));
                say((struct said)SAID_WITH(rows[i].accepted_s, "200 BYE", 2, "a", "b",
                                           .source = "192.0.2.2:5060"));
            }
            tell_second(now_s, rows[i].rate, rows[i].callee_too);
            scene_mark(&listener.scene, now_s);
            torn_s = torn_s == 0 && listener.torn > 0 ? now_s : torn_s;
        }
        if (torn_s != rows[i].torn_s || listener.torn > 1) {
            fail_msg("%s: told %u times, first after %u s", rows[i].name, listener.torn, torn_s);
        }
        stage_close();
    }
}

/* More are in doubt than are watched (256): the others are judged by their intervals. And who is
 * watched no longer makes room. */
static void more_than_are_watched(void **state)
{
    (void)state;
    enum { CALLS = 300, WATCHED = 256, PORT = 20000 };
    char names[2][64];

    stage_open_for(2 * CALLS); /* half of them may be answered at once */
    for (unsigned step = 0; step < 5; step++) {
        for (unsigned i = 0; i < CALLS; i++) {
            char id[32];
            (void)snprintf(id, sizeof id, "call-%u", i);
            (void)snprintf(names[0], sizeof names[0], "192.0.2.1%c%u%s", step == 0 ? ' ' : ':',
                           PORT + i, step == 0 ? " sendrecv" : "");
            (void)snprintf(names[1], sizeof names[1], "192.0.2.2%c%u%s", step == 0 ? ' ' : ':',
                           PORT + i, step == 0 ? " sendrecv" : "");
            listener.scene.call_id = id;
            if (step == 0) {
                say((struct said)SAID_WITH(0, "INVITE", 1, "a", NULL, .sdp = names[0]));
                say((struct said)SAID_WITH(1, "200 INVITE", 1, "a", "b", .source = "192.0.2.2:5060",
                                           .sdp = names[1]));
            } else if (step == 1) {
                hear(names[0], names[1], 1.2, 5, 190);
            } else if (step == 2) {
                say((struct said)SAID_WITH(6, "BYE", 2, "a", "b", .source = FORGER));
                say((struct said)SAID_WITH(6, "200 BYE", 2, "a", "b", .source = "192.0.2.2:5060"));
            } else if (step == 3) {
                alive(names[0], names[1], 5, 9, 200);
            } else {
                hear(names[0], names[1], 5, 10, 250);
            }
        }
        scene_mark(&listener.scene, step == 0 ? 2 : step == 1 ? 5 : step == 2 ? 6 : 6 + step);
        assert_int_equal(listener.torn, step < 3 ? 0 : step == 3 ? WATCHED : CALLS);
    }
    stage_close();
}

/* A new address is known once a re-INVITE from it was accepted (H15), and the Contact of the answer. */
static void known_addresses(void **state)
{
    (void)state;
    static const char *const sources[] = {"198.51.100.7:5060", "192.0.2.77:5060", "192.0.2.78:9"};
    static const bool strange[] = {false, false, true};

    for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++) {
        stage_open();
        say((struct said)SAID_WITH(0, "INVITE", 1, "a", NULL, .sdp = ALICE_SDP));
        say((struct said)SAID_WITH(1, "200 INVITE", 1, "a", "b", .source = "192.0.2.2:5060",
                                   .contact = "192.0.2.77", .sdp = BOB_SDP));
        say((struct said)SAID_WITH(3, "INVITE", 2, "a", "b", .source = "198.51.100.7:5060"));
        say((struct said)SAID_WITH(3.1, "200 INVITE", 2, "a", "b", .source = "198.51.100.7:5060"));
        say((struct said)SAID_WITH(5, "BYE", 3, "a", "b", .source = sources[i]));
        say((struct said)SAID_WITH(5.1, "200 BYE", 3, "a", "b", .source = "192.0.2.2:5060"));
        hear(ALICE, BOB, 5.2, 10, 240);
        assert_int_equal(listener.torn, strange[i]);
        stage_close();
    }
}

/* H12: the port goes on under another call. */
static void a_port_that_went_on(void **state)
{
    (void)state;
    stage_open();
    talk();
    hear(ALICE, BOB, 1.2, 3.5, 115);
    listener.scene.call_id = "call-2@192.0.2.1";
    say((struct said)SAID_WITH(4, "INVITE", 1, "c", NULL, .sdp = ALICE_SDP));
    say((struct said)SAID_WITH(4.1, "200 INVITE", 1, "c", "d", .source = "192.0.2.2:5060",
                               .sdp = BOB_SDP));
    listener.scene.call_id = "call-1@192.0.2.1";
    say((struct said)SAID_WITH(5.1, "BYE", 2, "a", "b", .source = FORGER));
    say((struct said)SAID_WITH(5.2, "200 BYE", 2, "a", "b", .source = "192.0.2.2:5060"));
    hear(ALICE, BOB, 5.3, 10, 240);
    assert_int_equal(listener.torn, 0);
    stage_close();
}

/* No audio is seen, and he hangs up himself: later, not at once; he, not the other. */
static void a_second_bye(void **state)
{
    (void)state;
    static const struct {
        double at_s;
        const char *from_tag;
        const char *to_tag;
        const char *source;
        bool copy;
        bool torn;
    } rows[] = {
        {9, "a", "b", "192.0.2.1:5060", false, true},
        {5.9, "a", "b", "192.0.2.1:5060", false, false},
        {9, "b", "a", "192.0.2.2:5060", false, false},
        {9, "a", "b", FORGER, false, false},
        {9, "a", "b", "192.0.2.1:5060", true, false},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        stage_open();
        talk();
        say((struct said)SAID_WITH(5, "BYE", 9, "a", "b", .source = FORGER));
        say((struct said)SAID_WITH(5.1, "200 BYE", 9, "a", "b", .source = "192.0.2.2:5060"));
        say((struct said)SAID_WITH(rows[i].at_s, "BYE", 2, rows[i].from_tag, rows[i].to_tag,
                                   .source = rows[i].source, .copy = rows[i].copy));
        assert_int_equal(listener.torn, rows[i].torn);
        stage_close();
    }
}

/* A CANCEL has one Via. The caller's own later word shows that it was not his. */
static void a_cancel(void **state)
{
    (void)state;
    static const struct {
        const char *source;
        const char *behind;
        bool torn;
        const char *answer; /* NULL = 487 */
    } rows[] = {
        {FORGER, "PRACK", false, "180 INVITE"},
        {FORGER, "PRACK", true, NULL},
        {FORGER, "CANCEL", true, NULL},
        {FORGER, "ACK", false, NULL},
        {FORGER, NULL, false, NULL},
        {"192.0.2.1:5060", "PRACK", false, NULL},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        stage_open();
        say((struct said)SAID_WITH(0, "INVITE", 1, "a", NULL, .sdp = ALICE_SDP));
        say((struct said)SAID_WITH(1, "180 INVITE", 1, "a", "b", .source = "192.0.2.2:5060"));
        say((struct said)SAID_WITH(2, "CANCEL", 1, "a", NULL, .source = rows[i].source));
        say((struct said)SAID_WITH(2.1, rows[i].answer == NULL ? "487 INVITE" : rows[i].answer, 1,
                                   "a", "b", .source = "192.0.2.2:5060"));
        if (rows[i].behind != NULL) {
            say((struct said)SAID_WITH(3, rows[i].behind, 2, "a", "b", .source = "192.0.2.1:5060"));
        }
        assert_int_equal(listener.torn, rows[i].torn);
        stage_close();
    }
}

/* The same where addresses stand in brackets. */
static void a_cancel_of_ip6(void **state)
{
    (void)state;
    static const char caller[] = "[2001:db8::1]:5060";
    static const char forger[] = "[2001:db8:66::1]:5060";

    for (unsigned forged = 0; forged < 2; forged++) {
        const char *source = forged != 0 ? forger : caller;
        stage_open();
        say((struct said)SAID_WITH(0, "INVITE", 1, "a", NULL, .source = caller, .sent_by = caller));
        say((struct said)SAID_WITH(1, "180 INVITE", 1, "a", "b", .source = "192.0.2.2:5060",
                                   .sent_by = caller));
        say((struct said)SAID_WITH(2, "CANCEL", 1, "a", NULL, .source = source, .sent_by = caller));
        say((struct said)SAID_WITH(2.1, "487 INVITE", 1, "a", "b", .source = "192.0.2.2:5060",
                                   .sent_by = caller));
        say((struct said)SAID_WITH(3, "PRACK", 2, "a", "b", .source = caller, .sent_by = caller));
        assert_int_equal(listener.torn, forged);
        stage_close();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ways_once),
        cmocka_unit_test(only_the_last_interval),
        cmocka_unit_test(to_a_port_that_nobody_named),
        cmocka_unit_test(what_sides_agree_on),
        cmocka_unit_test(two_legs),
        cmocka_unit_test(ends),
        cmocka_unit_test(ends_by_the_second),
        cmocka_unit_test(ends_as_time_jumps),
        cmocka_unit_test(ends_at_once),
        cmocka_unit_test(more_than_are_watched),
        cmocka_unit_test(known_addresses),
        cmocka_unit_test(a_port_that_went_on),
        cmocka_unit_test(a_second_bye),
        cmocka_unit_test(a_cancel),
        cmocka_unit_test(a_cancel_of_ip6),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
