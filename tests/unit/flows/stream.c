/* A stream's life: probation, sequence, types, intervals, eviction. Exact figures over many seeds:
 * stream_truth.c. */
#include "tests/unit/flows/stream_scene.h"

enum { STEP_NS = 20000000, TS_STEP = 160, SSRC = 0x5eed };

static struct scene scene;
static struct packet packet;

static void open_stream(uint16_t from_port, uint16_t to_port)
{
    scene_open(&scene, 256);
    packet_start(&packet, 1, from_port, 2, to_port, PROTOCOL_UDP);
}

/* One packet of the stream, `place` steps after its first. */
static enum stream_seen send_at(uint8_t type, uint16_t sequence, uint32_t timestamp,
                                uint64_t after_ns)
{
    packet_rtp(&packet, type, sequence, timestamp, SSRC, 160);
    return scene_see(&scene, &packet, START_NS + after_ns);
}

static enum stream_seen send(uint32_t place)
{
    return send_at(0, (uint16_t)place, place * TS_STEP, (uint64_t)place * STEP_NS);
}

/* --- probation --- */

struct probe {
    uint8_t type;
    uint16_t sequence;
    uint32_t timestamp;
    uint32_t after_ms;
};

struct probation_row {
    const char *name;
    struct probe probes[8];
    size_t count;
    size_t confirmed_at; /* which packet confirms, from 1; 0 = none */
};

/* clang-format off */
static const struct probation_row probation_rows[] = {
    {"three packets", {{0, 1, 0, 0}, {0, 2, 160, 20}, {0, 3, 320, 40}}, 3, 0},
    {"four packets", {{0, 1, 0, 0}, {0, 2, 160, 20}, {0, 3, 320, 40}, {0, 4, 480, 60}}, 4, 4},
    {"sequence over its end", {{0, 65534, 0, 0}, {0, 65535, 160, 20}, {0, 0, 320, 40}, {0, 1, 480, 60}}, 4, 4},
    {"time stamp over its end", {{0, 1, 0xffffff00, 0}, {0, 2, 0xffffffa0, 20}, {0, 3, 0x40, 40}, {0, 4, 0xe0, 60}}, 4, 4},
    {"steps of 50", {{0, 1, 0, 0}, {0, 51, 160, 20}, {0, 101, 320, 40}, {0, 151, 480, 60}}, 4, 4},
    {"a step of 51", {{0, 1, 0, 0}, {0, 52, 160, 20}, {0, 53, 320, 40}, {0, 54, 480, 60}}, 4, 0},
    {"a step of 51, then four", {{0, 1, 0, 0}, {0, 52, 160, 20}, {0, 53, 320, 40}, {0, 54, 480, 60}, {0, 55, 640, 80}}, 5, 5},
    {"one sequence number twice", {{0, 1, 0, 0}, {0, 1, 160, 20}, {0, 2, 320, 40}, {0, 3, 480, 60}}, 4, 0},
    {"sequence backwards", {{0, 9, 0, 0}, {0, 8, 160, 20}, {0, 7, 320, 40}, {0, 6, 480, 60}, {0, 5, 640, 80}}, 5, 0},
    {"time stamps backwards", {{0, 1, 900, 0}, {0, 2, 740, 20}, {0, 3, 580, 40}, {0, 4, 420, 60}}, 4, 0},
    {"one time stamp for all", {{0, 1, 7, 0}, {0, 2, 7, 20}, {0, 3, 7, 40}, {0, 4, 7, 60}, {0, 5, 7, 80}}, 5, 0},
    {"constants of another protocol", {{0, 1, 7, 0}, {0, 1, 7, 20}, {0, 1, 7, 40}, {0, 1, 7, 60}, {0, 1, 7, 80}}, 5, 0},
    {"clock 20 % fast", {{96, 1, 0, 0}, {96, 2, 200, 20}, {96, 3, 400, 40}, {96, 4, 600, 60}}, 4, 4},
    {"clock of 10.7 kHz", {{96, 1, 0, 0}, {96, 2, 214, 20}, {96, 3, 428, 40}, {96, 4, 642, 60}}, 4, 0},
    {"clock of 48 kHz", {{111, 1, 0, 0}, {111, 2, 960, 20}, {111, 3, 1920, 40}, {111, 4, 2880, 60}}, 4, 4},
    {"clock of 1 MHz", {{96, 1, 0, 0}, {96, 2, 20000, 20}, {96, 3, 40000, 40}, {96, 4, 60000, 60}}, 4, 0},
    {"500 a second", {{96, 1, 0, 0}, {96, 2, 16, 2}, {96, 3, 32, 4}, {96, 4, 48, 6}}, 4, 4},
    {"1000 a second", {{96, 1, 0, 0}, {96, 2, 8, 1}, {96, 3, 16, 2}, {96, 4, 24, 3}}, 4, 0},
    {"5 a second", {{96, 1, 0, 0}, {96, 2, 1600, 200}, {96, 3, 3200, 400}, {96, 4, 4800, 600}}, 4, 4},
    {"4 a second", {{96, 1, 0, 0}, {96, 2, 2000, 250}, {96, 3, 4000, 500}, {96, 4, 6000, 750}}, 4, 0},
    {"another type between", {{0, 1, 0, 0}, {8, 2, 160, 20}, {0, 3, 320, 40}, {8, 4, 480, 60}}, 4, 0},
    {"comfort noise between", {{0, 1, 0, 0}, {13, 2, 160, 20}, {0, 3, 320, 40}, {0, 4, 480, 60}}, 4, 4},
    {"clumps of two", {{96, 1, 0, 0}, {96, 2, 160, 0}, {96, 3, 320, 40}, {96, 4, 480, 40}, {96, 5, 640, 80},
                       {96, 6, 800, 80}, {96, 7, 960, 120}, {96, 8, 1120, 120}}, 8, 5},
    {"a burst among them", {{0, 1, 0, 0}, {0, 2, 160, 100}, {0, 3, 320, 101}, {0, 4, 480, 102}, {0, 5, 640, 103}, {0, 6, 800, 104}}, 6, 6},
};
/* clang-format on */

static void four_in_a_row_confirm(void **state)
{
    (void)state;
    for (size_t index = 0; index < COUNT_OF(probation_rows); index++) {
        const struct probation_row *row = &probation_rows[index];
        open_stream(4000, 5000);
        size_t confirmed_at = 0;
        for (size_t at = 0; at < row->count; at++) {
            const struct probe *probe = &row->probes[at];
            enum stream_seen seen = send_at(probe->type, probe->sequence, probe->timestamp,
                                            probe->after_ms * NS_PER_MS);
            confirmed_at = seen == STREAM_SEEN_CONFIRMS ? at + 1 : confirmed_at;
        }
        if (confirmed_at != row->confirmed_at) {
            fail_msg("%s: confirmed at packet %zu, wanted %zu", row->name, confirmed_at,
                     row->confirmed_at);
        }
        /* Figures count from the first packet, whichever confirmed. */
        const struct stream_sighting *got = scene_end(&scene);
        assert_int_equal(got->event, confirmed_at > 0 ? STREAM_ENDED : STREAM_CANDIDATE);
        assert_int_equal(got->total.packets, row->count);
        assert_int_equal(stream_packets(scene.table), confirmed_at > 0 ? row->count : 0);
        scene_close(&scene);
    }
}

static void reserved_sources_and_excluded_ports(void **state)
{
    (void)state;
    for (uint32_t ssrc = 0; ssrc < 3; ssrc++) {
        open_stream(4000, 5000);
        for (uint16_t place = 0; place < 20; place++) {
            packet_rtp(&packet, 0, place, place * TS_STEP, ssrc, 160);
            (void)scene_see(&scene, &packet, START_NS + place * (uint64_t)STEP_NS);
        }
        const struct stream_sighting *got = scene_end(&scene);
        assert_int_equal(got->event, ssrc < 2 ? STREAM_CANDIDATE : STREAM_ENDED);
        assert_int_equal(got->total.packets, 20);
        scene_close(&scene);
    }
    static const uint16_t ports[] = {53, 67, 69, 123, 137, 161, 443, 500, 1900, 3478};
    for (size_t index = 0; index < 2 * COUNT_OF(ports); index++) {
        uint16_t port = ports[index / 2];
        open_stream(index % 2 == 0 ? port : 4000, index % 2 == 0 ? 5000 : port);
        for (uint32_t place = 0; place < 20; place++) {
            assert_int_equal(send(place), STREAM_SEEN_CANDIDATE);
        }
        const struct stream_sighting *got = scene_end(&scene);
        assert_int_equal(got->event, STREAM_CANDIDATE);
        assert_int_equal(got->total.packets, 20);
        scene_close(&scene);
    }
}

static void candidates_below_three_are_only_counted(void **state)
{
    (void)state;
    for (uint32_t packets = 1; packets <= 3; packets++) {
        open_stream(4000, 5000);
        for (uint32_t place = 0; place < packets; place++) {
            assert_int_equal(send(place), STREAM_SEEN_CANDIDATE);
        }
        stream_end(scene.table, scene.number + 1);
        assert_int_equal(scene.told_count, packets == 3 ? 1 : 0);
        assert_int_equal(scene.reasons[REASON_STREAM_CANDIDATE], packets == 3 ? 0 : 1);
        scene_close(&scene);
    }
}

/* The same SSRC on both ways of a five-tuple is two streams: also on one host, also between equal
 * ports. */
static void directions_are_streams_of_their_own(void **state)
{
    (void)state;
    static const struct {
        uint32_t hosts[2];
        uint16_t ports[2];
    } rows[] = {{{1, 2}, {4000, 5000}}, {{1, 1}, {4000, 5000}}, {{1, 2}, {4000, 4000}}};
    for (size_t index = 0; index < COUNT_OF(rows); index++) {
        scene_open(&scene, 256);
        for (uint32_t place = 0; place < 10; place++) {
            for (size_t from = 0; from < 2; from++) {
                packet_start(&packet, rows[index].hosts[from], rows[index].ports[from],
                             rows[index].hosts[1 - from], rows[index].ports[1 - from],
                             PROTOCOL_UDP);
                (void)send(place);
            }
        }
        const struct stream_sighting *got = scene_end(&scene);
        assert_int_equal(scene.told_count, 2);
        assert_int_equal(got->total.packets, 10);
        assert_int_equal(got->total.duplicates, 0);
        scene_close(&scene);
    }
}

/* --- sequence --- */

struct sequence_row {
    const char *name;
    int32_t steps[6]; /* from the packet before, behind 600 good ones */
    size_t count;
    uint64_t expected; /* beyond those 600 */
    uint64_t lost;
    uint64_t duplicates;
    uint64_t reordered;
    uint32_t resets;
};

/* clang-format off */
static const struct sequence_row sequence_rows[] = {
    {"next", {1, 1}, 2, 2, 0, 0, 0, 0},
    {"one missing", {2}, 1, 2, 1, 0, 0, 0},
    {"one late", {2, -1, 2}, 3, 3, 0, 0, 1, 0},
    {"the same again", {0}, 1, 0, 0, 1, 0, 0},
    {"an older one again", {-10, 11}, 2, 1, 0, 1, 0, 0},
    {"100 back", {-100, 101}, 2, 1, 0, 1, 0, 0},
    {"101 back: probed, then placed", {-101, 102}, 2, 1, 0, 1, 0, 0},
    {"late by 101 after a gap", {102, -101, 102}, 3, 103, 100, 0, 1, 0},
    {"late by 511 after a gap", {512, -511, 512}, 3, 513, 510, 0, 1, 0},
    {"late together", {202, -200, 1, 1, 199}, 5, 203, 198, 0, 3, 0},
    {"late by 512: out of the window", {513, -512, 513}, 3, 514, 512, 0, 0, 0},
    {"3000 ahead is loss", {3000}, 1, 3000, 2999, 0, 0, 0},
    {"3001 ahead alone is a stray", {3001}, 1, 0, 0, 0, 0, 0},
    {"a stray between", {20000, -19999}, 2, 1, 0, 0, 0, 0},
    {"a restart ahead", {3001, 1, 1}, 3, 3, 0, 0, 0, 1},
    {"a restart back", {-101, 1, 1}, 3, 3, 0, 0, 0, 1},
    {"a restart far away", {30000, 1, 2}, 3, 4, 1, 0, 0, 1},
    {"two strays", {9000, 9000, -17999}, 3, 1, 0, 0, 0, 0},
};
/* clang-format on */

static void steps_are_gaps_repeats_or_restarts(void **state)
{
    (void)state;
    for (size_t index = 0; index < COUNT_OF(sequence_rows); index++) {
        const struct sequence_row *row = &sequence_rows[index];
        open_stream(4000, 5000);
        uint32_t place = 0;
        for (; place < 600; place++) {
            (void)send_at(0, (uint16_t)(65300 + place), place * TS_STEP, place * (uint64_t)STEP_NS);
        }
        int32_t sequence = 65300 + 599;
        for (size_t at = 0; at < row->count; at++, place++) {
            sequence += row->steps[at];
            (void)send_at(0, (uint16_t)sequence, place * TS_STEP, place * (uint64_t)STEP_NS);
        }
        const struct stream_sighting *got = scene_end(&scene);
        const struct stream_counts *total = &got->total;
        if (total->packets != 600 + row->count || total->expected != 600 + row->expected ||
            total->lost != row->lost || total->duplicates != row->duplicates ||
            total->reordered != row->reordered || total->resets != row->resets) {
            fail_msg("%s: expected %" PRIu64 ", lost %" PRIu64 ", duplicates %" PRIu64
                     ", reordered %" PRIu64 ", resets %u",
                     row->name, total->expected - 600, total->lost, total->duplicates,
                     total->reordered, total->resets);
        }
        scene_close(&scene);
    }
}

static void a_first_packet_may_come_second(void **state)
{
    (void)state;
    static const uint16_t order[] = {2, 1, 3, 4, 5, 6};
    open_stream(4000, 5000);
    for (uint32_t at = 0; at < COUNT_OF(order); at++) {
        (void)send_at(0, order[at], order[at] * TS_STEP, at * (uint64_t)STEP_NS);
    }
    const struct stream_sighting *got = scene_end(&scene);
    assert_int_equal(got->total.expected, 6);
    assert_int_equal(got->total.lost, 0);
    assert_int_equal(got->total.reordered, 1);
    scene_close(&scene);
}

static void mirrored_copies_are_told_apart(void **state)
{
    (void)state;
    open_stream(4000, 5000);
    for (uint32_t place = 0; place < 10; place++) {
        uint64_t after_ns = place * (uint64_t)STEP_NS;
        (void)send_at(0, (uint16_t)place, place * TS_STEP, after_ns);
        if (place == 5) {
            (void)send_at(0, 5, 5 * TS_STEP, after_ns + NS_PER_MS); /* a mirror's */
            (void)send_at(0, 5, 5 * TS_STEP, after_ns + 2 * NS_PER_MS + 1); /* too late for one */
        }
        if (place == 7) {
            packet.datagram.ttl = 63;
            (void)send_at(0, 7, 7 * TS_STEP, after_ns + 10); /* another hop's */
            packet.datagram.ttl = 64;
        }
    }
    const struct stream_sighting *got = scene_end(&scene);
    assert_int_equal(got->total.duplicates, 3);
    assert_int_equal(got->total.mirrored, 1);
    assert_int_equal(got->total.lost, 0);
    scene_close(&scene);
}

/* Own stamps may lie anywhere in 64 bits: figures become odd, nothing else. */
static void stamps_from_anywhere(void **state)
{
    (void)state;
    static const uint64_t stamps[] = {0, UINT64_MAX, 1, UINT64_MAX / 2, UINT64_MAX / 2 + 2};
    open_stream(4000, 5000);
    for (uint32_t place = 0; place < 50; place++) {
        (void)send(place);
        /* late, doubled and next ones with a stamp of their own */
        uint32_t other = place % 3 == 0 ? place : place + 2 - place % 3;
        packet_rtp(&packet, 0, (uint16_t)other, other * TS_STEP, SSRC, 160);
        (void)scene_see(&scene, &packet, stamps[place % COUNT_OF(stamps)]);
    }
    const struct stream_sighting *got = scene_end(&scene);
    assert_int_equal(got->total.packets, 100);
    assert_int_equal(got->total.lost, 0);
    assert_true(got->jitter[0].max_ns > NS_PER_S);
    scene_close(&scene);
}

/* --- types and clocks --- */

static void send_event(uint8_t type, uint32_t place, uint32_t timestamp, bool ends)
{
    packet_rtp(&packet, type, (uint16_t)place, timestamp, SSRC, 4);
    packet.bytes[RTP_HEADER_BYTES] = 5;
    packet.bytes[RTP_HEADER_BYTES + 1] = ends ? 0x8a : 0x0a;
    (void)scene_see(&scene, &packet, START_NS + place * (uint64_t)STEP_NS);
}

static void events_keep_the_clock_of_their_audio(void **state)
{
    (void)state;
    for (int events_first = 0; events_first < 2; events_first++) {
        open_stream(4000, 5000);
        uint32_t place = 0;
        for (uint32_t turn = 0; turn < 4; turn++) {
            bool is_event = (turn % 2 == 0) == (events_first == 1);
            for (uint32_t at = 0; at < 10; at++, place++) {
                if (is_event) {
                    send_event(101, place, (place - at) * TS_STEP, at >= 7); /* end sent 3 times */
                } else {
                    (void)send_at(0, (uint16_t)place, place * TS_STEP, place * (uint64_t)STEP_NS);
                }
            }
        }
        const struct stream_sighting *got = scene_end(&scene);
        assert_int_equal(got->event, STREAM_ENDED);
        assert_int_equal(got->payload_type, 0);
        assert_int_equal(got->payload_types, 2);
        assert_true(got->secondary_types);
        assert_int_equal(got->dtmf_events, 2);
        assert_true(got->clock_is_static);
        assert_int_equal(got->clock_rate, 8000);
        /* Events stand still at their first time stamp: jitter takes that, variation does not. */
        assert_true(got->jitter[0].max_ns > 5 * NS_PER_MS);
        assert_in_range(got->variation[0].max_ns, 0, 16);
        scene_close(&scene);
    }
}

/* A sender whose time stands still while the call is on hold: A.8 takes all of it. */
static void a_long_hold_counts_whole(void **state)
{
    (void)state;
    open_stream(4000, 5000);
    for (uint32_t place = 0; place < 60; place++) {
        uint64_t hold_ns = place < 30 ? 0 : 200 * NS_PER_S;
        (void)send_at(0, (uint16_t)place, place * TS_STEP, hold_ns + place * (uint64_t)STEP_NS);
    }
    const struct stream_sighting *got = scene_end(&scene);
    assert_in_range(got->jitter[0].max_ns, 12499999000, 12500000000); /* 200 s / 16 */
    assert_int_equal(got->total.delta_max_us, 200020000);
    assert_in_range(got->interval.delta_max_us, 20000, 200020000);
    scene_close(&scene);
}

static void dynamic_types_carry_all_clocks(void **state)
{
    (void)state;
    open_stream(4000, 5000);
    for (uint32_t place = 0; place < 60; place++) {
        (void)send_at(111, (uint16_t)place, place * 960, place * (uint64_t)STEP_NS);
    }
    const struct stream_sighting *got = scene_end(&scene);
    assert_false(got->clock_is_static);
    assert_int_equal(got->clock_rate, 0);
    assert_int_equal(got->slope_rate, 48000);
    assert_int_equal(got->ptime_us, 20000);
    assert_int_equal(got->total.delta_max_us, 20000);
    assert_in_range(got->jitter[4].max_ns, 0, 200); /* 48,000 */
    assert_true(got->jitter[0].mean_ns > 50 * NS_PER_MS); /* 8,000: 120 ms a packet */
    assert_in_range(got->variation[4].max_ns, 0, 200);
    scene_close(&scene);
}

static void static_types_have_their_clocks(void **state)
{
    (void)state;
    static const struct {
        uint8_t type;
        uint32_t rate;
    } rows[] = {{0, 8000},   {3, 8000},   {5, 8000},   {6, 16000},  {9, 8000},
                {10, 44100}, {11, 44100}, {13, 8000},  {14, 90000}, {16, 11025},
                {17, 22050}, {18, 8000},  {26, 90000}, {34, 90000}, {35, 0},
                {95, 0},     {96, 0},     {127, 0},    {24, 0}};
    for (size_t index = 0; index < COUNT_OF(rows); index++) {
        open_stream(4000, 5000);
        uint32_t step = rows[index].rate == 0 ? 160 : rows[index].rate / 50;
        for (uint32_t place = 0; place < 10; place++) {
            (void)send_at(rows[index].type, (uint16_t)place, place * step,
                          place * (uint64_t)STEP_NS);
        }
        const struct stream_sighting *got = scene_end(&scene);
        if (rows[index].type != 13 && got->clock_rate != rows[index].rate) {
            fail_msg("type %u: %u", rows[index].type, got->clock_rate);
        }
        scene_close(&scene);
    }
}

static void pauses_of_the_sender_are_no_variation(void **state)
{
    (void)state;
    open_stream(4000, 5000);
    uint32_t timestamp = 0;
    uint64_t after_ns = 0;
    for (uint32_t place = 0; place < 100; place++) {
        bool pauses = place == 50; /* silence of 2 s, and it goes on 300 ms late */
        timestamp += pauses ? 16000 : TS_STEP;
        after_ns += pauses ? 2300 * NS_PER_MS : STEP_NS;
        (void)send_at(0, (uint16_t)place, timestamp, after_ns);
    }
    const struct stream_sighting *got = scene_end(&scene);
    assert_int_equal(got->total.lost, 0);
    assert_in_range(got->jitter[0].max_ns, 18 * NS_PER_MS, 19 * NS_PER_MS); /* 300 / 16 */
    assert_in_range(got->variation[0].max_ns, 0, 16);
    scene_close(&scene);
}

/* --- marks --- */

static void marks_tell_intervals_silence_and_the_end(void **state)
{
    (void)state;
    open_stream(4000, 5000);
    uint64_t second = START_NS / NS_PER_S;
    uint32_t place = 0;
    for (uint64_t at = 0; at < 12; at++) {
        for (int packets = 0; packets < 50; packets++, place++) {
            (void)send(place);
        }
        scene_mark(&scene, second + at + 1, 0);
    }
    /* START_NS is divisible by 5 s: intervals at +5 and +10. */
    assert_int_equal(scene.told_count, 2);
    for (size_t index = 0; index < 2; index++) {
        const struct stream_sighting *got = &scene.told[index];
        assert_int_equal(got->event, STREAM_INTERVAL);
        assert_int_equal(got->index, index);
        assert_int_equal(got->interval.packets, 250);
        assert_int_equal(got->interval_to_ns, START_NS + (index + 1) * 5 * NS_PER_S);
        assert_int_equal(got->second_packets_max, 50);
        assert_int_equal(got->head.key & 1, 0);
        assert_int_equal(got->head.sub, 1);
    }
    for (uint64_t at = 13; at <= 311; at++) {
        scene_mark(&scene, second + at, 0);
    }
    /* The last packet came 11.98 s after the start: silent at 15 (behind the interval of that
     * mark), ended at 312. */
    assert_int_equal(scene.told_count, 4);
    assert_int_equal(scene.told[2].event, STREAM_INTERVAL);
    assert_int_equal(scene.told[2].interval.packets, 100);
    assert_int_equal(scene.told[3].event, STREAM_SILENT);
    assert_int_equal(scene.told[3].head.state_ns, START_NS + 15 * NS_PER_S);
    scene_mark(&scene, second + 312, 0);
    assert_int_equal(scene.told_count, 5);
    assert_int_equal(scene.told[4].event, STREAM_ENDED);
    assert_int_equal(scene.told[4].end_reason, STREAM_END_IDLE);
    assert_int_equal(scene.told[4].total.packets, 600);
    assert_int_equal(scene.told[4].interval.packets, 0);
    stream_end(scene.table, scene.number + 1);
    assert_int_equal(scene.told_count, 5);
    scene_close(&scene);
}

/* Between two intervals each stream that was heard in the second is named, with what its interval holds. */
static void marks_name_who_is_alive(void **state)
{
    (void)state;
    open_stream(4000, 5000);
    uint64_t second = START_NS / NS_PER_S;
    uint32_t place = 0;
    for (uint64_t at = 1; at <= 8; at++) {
        for (int packets = 0; packets < 50; packets++, place++) {
            (void)send(place);
        }
        scene.alive_count = 0;
        scene_mark(&scene, second + at, 0);
        uint64_t in_interval = at > 5 ? at - 5 : at;
        assert_int_equal(scene.alive_count, at != 5);
        assert_int_equal(scene.newest_ns, START_NS + (place - 1) * (uint64_t)STEP_NS);
        if (at != 5) {
            assert_int_equal(scene.alive[0].stream_number, 1);
            assert_int_equal(scene.alive[0].packets, in_interval * 50);
            assert_int_equal(scene.alive[0].from_ns, START_NS + (at > 5 ? 5 * NS_PER_S : 0));
            assert_int_equal(scene.alive[0].last_ns, START_NS + (place - 1) * (uint64_t)STEP_NS);
            assert_int_equal(scene.alive[0].source_port, 4000);
            assert_int_equal(scene.alive[0].destination_port, 5000);
        }
    }
    uint32_t told = scene.alive_sightings;
    scene_mark(&scene, second + 9, 0); /* nobody */
    assert_int_equal(scene.alive_sightings, told);
    stream_end(scene.table, scene.number + 1);
    scene_close(&scene);
}

/* It began, and was heard again after it was told silent: each once, and the second is no sign of life. */
static void marks_tell_turns(void **state)
{
    (void)state;
    open_stream(4000, 5000);
    uint64_t second = START_NS / NS_PER_S;
    for (uint32_t burst = 0; burst < 2; burst++) {
        for (uint32_t at = 0; at < 60; at++) { /* 1.2 s */
            uint32_t place = burst * 350 + at; /* the second 7 s later */
            (void)send_at(0, (uint16_t)(burst * 60 + at), place * TS_STEP,
                          place * (uint64_t)STEP_NS);
            if (at == 49) {
                scene.newest_ns = 0;
                scene_mark(&scene, second + burst * 7 + 1, 0);
                assert_int_equal(scene.turn_count, burst + 1);
                assert_int_equal(scene.turns[burst].event,
                                 burst == 0 ? STREAM_BEGUN : STREAM_RESUMED);
                assert_int_equal(scene.newest_ns > 0, burst == 0);
            }
        }
        for (uint64_t at = 2; at <= 7; at++) {
            scene_mark(&scene, second + burst * 7 + at, 0);
        }
    }
    assert_int_equal(scene.turn_count, 2);
    assert_int_equal(scene.turns[0].first_ns, START_NS);
    assert_in_range(scene.turns[1].interval.delta_max_us, 5800000, 5820000);
    stream_end(scene.table, scene.number + 1);
    scene_close(&scene);
}

/* More than fit into one sighting are told in several. */
static void many_are_alive(void **state)
{
    (void)state;
    enum { STREAMS = 2 * ALIVE_STREAMS_MAX + 7 };
    scene_open(&scene, 65536);
    for (uint32_t place = 0; place < 10; place++) {
        for (uint32_t stream = 0; stream < STREAMS; stream++) {
            packet_start(&packet, 1 + stream, 4000, 2, 5000, PROTOCOL_UDP);
            packet_rtp(&packet, 0, (uint16_t)place, place * TS_STEP, 0xabc, 160);
            (void)scene_see(&scene, &packet, START_NS + place * (uint64_t)STEP_NS + stream * 1000);
        }
    }
    scene_mark(&scene, START_NS / NS_PER_S + 1, 0);
    assert_int_equal(scene.alive_sightings, 3);
    assert_int_equal(scene.alive_count, STREAMS);
    for (uint32_t stream = 0; stream < STREAMS; stream++) {
        assert_int_equal(scene.alive[stream].stream_number, 1 + stream);
        assert_int_equal(scene.alive[stream].packets, 10);
    }
    scene_close(&scene);
}

/* A hole leaves the window of 512 numbers ten seconds after it was told. */
static void a_hole_is_told_with_its_interval_only(void **state)
{
    static const uint32_t longest[] = {20, 0, 3, 0, 0};
    (void)state;
    open_stream(4000, 5000);
    uint64_t second = START_NS / NS_PER_S;
    uint32_t place = 0;
    for (uint64_t at = 0; at < 25; at++) {
        for (int packets = 0; packets < 50; packets++, place++) {
            bool missing = (place >= 200 && place < 220) || (place >= 600 && place < 603);
            if (!missing) {
                (void)send(place);
            }
        }
        scene_mark(&scene, second + at + 1, 0);
    }
    assert_int_equal(scene.told_count, COUNT_OF(longest));
    for (size_t index = 0; index < COUNT_OF(longest); index++) {
        const struct stream_sighting *got = &scene.told[index];
        assert_int_equal(got->event, STREAM_INTERVAL);
        assert_int_equal(got->interval.longest_loss, longest[index]);
        assert_int_equal(got->interval.lost, longest[index]);
        assert_int_equal(got->total.longest_loss, 20);
    }
    (void)scene_end(&scene);
    scene_close(&scene);
}

static void a_voice_that_returns_is_silent_again(void **state)
{
    (void)state;
    open_stream(4000, 5000);
    uint64_t second = START_NS / NS_PER_S;
    uint32_t silent = 0;
    for (uint32_t burst = 0; burst < 2; burst++) {
        for (uint32_t at = 0; at < 10; at++) {
            uint32_t place = burst * 400 + at; /* 8 s later */
            (void)send_at(0, (uint16_t)(burst * 10 + at), place * TS_STEP,
                          place * (uint64_t)STEP_NS);
        }
        for (uint64_t at = 1; at <= 7; at++) {
            scene_mark(&scene, second + burst * 8 + at, 0);
        }
    }
    for (size_t index = 0; index < scene.told_count; index++) {
        silent += scene.told[index].event == STREAM_SILENT;
    }
    assert_int_equal(silent, 2);
    scene_close(&scene);
}

/* A clock that jumped by a year and was believed: nobody has been silent for a year. */
static void a_jump_of_the_clock_ages_nobody(void **state)
{
    (void)state;
    const uint64_t year_ns = 365 * NS_PER_DAY;
    open_stream(4000, 5000);
    for (uint32_t place = 0; place < 40; place++) {
        (void)send(place);
    }
    scene_mark(&scene, START_NS / NS_PER_S + 1, 0);
    scene_mark(&scene, (START_NS + year_ns) / NS_PER_S + 2, year_ns);
    assert_int_equal(scene.told_count, 0);
    (void)send_at(0, 40, 40 * TS_STEP, year_ns + 40 * (uint64_t)STEP_NS);
    const struct stream_sighting *got = scene_end(&scene);
    assert_int_equal(got->total.packets, 41);
    assert_in_range(got->jitter[0].max_ns, 0, 16);
    scene_close(&scene);
}

/* --- room --- */

/* Streams of one shard: ports are tried until the hash fits. */
static void packet_in_shard(uint32_t shard, uint16_t *port)
{
    do {
        packet_start(&packet, 1, ++*port, 2, 5000, PROTOCOL_UDP);
    } while (datagram_shard(&packet.datagram) != shard);
}

static void a_full_shard_pushes_out_candidates_first(void **state)
{
    (void)state;
    uint16_t port = 10000;
    scene_open(&scene, 16 * 4); /* four a shard */
    for (uint32_t stream = 0; stream < 4; stream++) {
        packet_in_shard(3, &port);
        /* 0 and 1 are confirmed, 2 and 3 stay candidates; 2 is heard last. */
        for (uint32_t place = 0; place < (stream < 2 ? 4u : 3u); place++) {
            packet_rtp(&packet, 0, (uint16_t)place, place * TS_STEP, SSRC, 160);
            (void)scene_see(&scene, &packet,
                            START_NS + place * (uint64_t)STEP_NS + (4 - stream) * NS_PER_MS);
        }
    }
    assert_int_equal(stream_confirmed(scene.table), 2);
    static const uint64_t victims[] = {12, 9, 15};
    for (size_t round = 0; round < 3; round++) {
        packet_in_shard(3, &port);
        packet_rtp(&packet, 0, 1, 0, SSRC, 160);
        (void)scene_see(&scene, &packet, START_NS + NS_PER_S + round);
        if (round < 2) { /* first the one that was idle longest, then the other one */
            assert_int_equal(scene.told_count, round + 1);
            const struct stream_sighting *got = &scene.told[round];
            assert_int_equal(got->event, STREAM_CANDIDATE);
            assert_int_equal(got->end_reason, STREAM_END_EVICTED);
            assert_int_equal(got->stream_number, victims[round]);
            assert_int_equal(got->head.sub, SUB_ENDED | victims[round]);
            assert_int_equal(got->head.key, scene.number << 1 | 1);
        }
    }
    /* The third pushed out the first newcomer, of one packet: counted, not told. */
    assert_int_equal(scene.told_count, 2);
    assert_int_equal(scene.reasons[REASON_STREAM_CANDIDATE], 1);
    assert_int_equal(scene.reasons[REASON_TABLE_STREAM], 3);
    packet_in_shard(4, &port); /* another shard has room */
    packet_rtp(&packet, 0, 1, 0, SSRC, 160);
    (void)scene_see(&scene, &packet, START_NS + 2 * NS_PER_S);
    assert_int_equal(scene.reasons[REASON_TABLE_STREAM], 3);
    scene_close(&scene);
}

/* Thousands come and go: every one is found again, and ends are told in the order of first packets.
 */
static void many_streams_are_found_again(void **state)
{
    (void)state;
    enum { STREAMS = 20000 };
    static struct packet many;
    scene_open(&scene, 2 * STREAMS);
    for (uint32_t place = 0; place < 4; place++) {
        for (uint32_t stream = 0; stream < STREAMS; stream++) {
            packet_start(&many, stream % 200, (uint16_t)(2000 + stream / 200), 7, 5000,
                         PROTOCOL_UDP);
            packet_rtp(&many, 0, (uint16_t)place, place * TS_STEP, SSRC + stream, 160);
            uint64_t now_ns = START_NS + place * (uint64_t)STEP_NS + stream;
            assert_int_equal(scene_see(&scene, &many, now_ns),
                             place == 3 ? STREAM_SEEN_CONFIRMS : STREAM_SEEN_CANDIDATE);
        }
    }
    assert_int_equal(stream_confirmed(scene.table), STREAMS);
    assert_int_equal(stream_packets(scene.table), 4 * STREAMS);
    scene_close(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(four_in_a_row_confirm),
        cmocka_unit_test(reserved_sources_and_excluded_ports),
        cmocka_unit_test(candidates_below_three_are_only_counted),
        cmocka_unit_test(directions_are_streams_of_their_own),
        cmocka_unit_test(steps_are_gaps_repeats_or_restarts),
        cmocka_unit_test(a_first_packet_may_come_second),
        cmocka_unit_test(mirrored_copies_are_told_apart),
        cmocka_unit_test(stamps_from_anywhere),
        cmocka_unit_test(events_keep_the_clock_of_their_audio),
        cmocka_unit_test(a_long_hold_counts_whole),
        cmocka_unit_test(dynamic_types_carry_all_clocks),
        cmocka_unit_test(static_types_have_their_clocks),
        cmocka_unit_test(pauses_of_the_sender_are_no_variation),
        cmocka_unit_test(marks_tell_intervals_silence_and_the_end),
        cmocka_unit_test(marks_name_who_is_alive),
        cmocka_unit_test(marks_tell_turns),
        cmocka_unit_test(many_are_alive),
        cmocka_unit_test(a_hole_is_told_with_its_interval_only),
        cmocka_unit_test(a_voice_that_returns_is_silent_again),
        cmocka_unit_test(a_jump_of_the_clock_ages_nobody),
        cmocka_unit_test(a_full_shard_pushes_out_candidates_first),
        cmocka_unit_test(many_streams_are_found_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
