/* The whole way: the short cut against the general way, nesting, bytes at random. */
#include "tests/unit/decoders/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { LINK_ETHERNET = 1, LINK_RAW = 101 };

/* A generator of our own: the same on every machine (xorshift64). */
static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static uint32_t random_below(uint64_t *seed, uint32_t limit)
{
    return (uint32_t)(next_random(seed) >> 33) % limit;
}

/* Frames near the short cut's shape: right, then with one or two bytes of the headers changed, and
 * with lengths, tunnels' ports, tags, trailers and cuts. */
static void near_common(uint64_t *seed, struct frame *frame, uint32_t *out_captured,
                        uint32_t *out_wire)
{
    static const uint8_t payload[300] = {0x80};
    static const uint32_t ports[] = {0, 5060, 4789, 2152, 1701, 3544, 16384, 65535, 8472, 6081};
    enum { PORTS = sizeof ports / sizeof ports[0] };
    frame_start(frame, payload, random_below(seed, sizeof payload));
    frame_udp(frame, ports[random_below(seed, PORTS)], ports[random_below(seed, PORTS)]);
    frame_ip4(frame, PROTOCOL_UDP);
    frame_pad(frame, random_below(seed, 3) == 0 ? random_below(seed, 20) : 0);
    bool is_tagged = random_below(seed, 3) == 0;
    if (is_tagged) {
        frame_vlan(frame, random_below(seed, 4), 0x0800);
    }
    frame_ethernet(frame, is_tagged ? 0x8100 : 0x0800);
    for (uint32_t changes = random_below(seed, 3); changes > 0; changes--) {
        frame_at(frame)[random_below(seed, is_tagged ? 46 : 42)] = (uint8_t)next_random(seed);
    }
    if (random_below(seed, 4) == 0) { /* a length that is nearly right */
        uint32_t at = (random_below(seed, 2) == 0 ? 17u : 39u) + (is_tagged ? 4 : 0);
        frame_at(frame)[at] = (uint8_t)(frame_at(frame)[at] + random_below(seed, 5) - 2);
    }
    *out_wire = frame_bytes(frame);
    *out_captured =
        random_below(seed, 3) == 0 ? random_below(seed, frame_bytes(frame) + 1) : *out_wire;
    if (random_below(seed, 8) == 0) {
        *out_wire = random_below(seed, 2 * frame_bytes(frame));
    }
}

static void the_short_cut_gives_the_same_view(void **state)
{
    (void)state;
    uint64_t seed = UINT64_C(0x9e3779b97f4a7c15);
    uint32_t reached = 0;
    for (uint32_t turn = 0; turn < 200000; turn++) {
        struct frame frame;
        uint32_t captured = 0;
        uint32_t wire = 0;
        near_common(&seed, &frame, &captured, &wire);
        struct layers quick;
        struct layers general;
        memset(&quick, 0xa5, sizeof quick);
        memset(&general, 0, sizeof general);
        enum reason reason = layers_decode(LINK_ETHERNET, frame_at(&frame), captured, wire, &quick);
        enum reason expected = link_decode(LINK_ETHERNET, cursor_over(frame_at(&frame), captured),
                                           wire < captured ? captured : wire, &general);
        assert_int_equal(reason, expected);
        assert_memory_equal(&quick, &general, sizeof quick);
        reached += reason == REASON_NONE ? 1 : 0;
    }
    assert_in_range(reached, 60000, 180000); /* the loop tests both sides */
}

static void tags_up_to_sixteen_layers(void **state)
{
    (void)state;
    for (uint32_t tags = 0; tags <= 40; tags++) {
        struct frame frame;
        struct layers layers;
        frame_packet(&frame);
        for (uint32_t tag = 0; tag < tags; tag++) {
            frame_vlan(&frame, tag + 1, tag == 0 ? 0x0800 : 0x8100);
        }
        frame_ethernet(&frame, tags == 0 ? 0x0800 : 0x8100);
        enum reason reason = frame_decode(&frame, LINK_ETHERNET, &layers);
        assert_int_equal(reason, tags <= 15 ? REASON_NONE : REASON_LAYERS);
        assert_int_equal(layers.depth, tags <= 15 ? tags + 1 : 16);
    }
}

static void tunnels_up_to_sixteen_layers(void **state)
{
    (void)state;
    for (uint32_t tunnels = 0; tunnels <= 40; tunnels++) {
        struct frame frame;
        struct layers layers;
        frame_packet(&frame);
        for (uint32_t tunnel = 0; tunnel < tunnels; tunnel++) {
            frame_ip4_outer(&frame, 4);
        }
        enum reason reason = frame_decode(&frame, LINK_RAW, &layers);
        assert_int_equal(reason, tunnels <= 15 ? REASON_NONE : REASON_LAYERS);
        assert_int_equal(layers.tunnels, tunnels <= 15 ? tunnels : 15);
    }
}

/* VXLAN in VXLAN: each takes two layers, and what is opened on a copy nests too. */
static void tunnels_on_a_copy_nest(void **state)
{
    (void)state;
    for (uint32_t tunnels = 0; tunnels <= 20; tunnels++) {
        struct frame frame;
        struct layers layers;
        frame_packet(&frame);
        for (uint32_t tunnel = 0; tunnel < tunnels; tunnel++) {
            frame_ethernet(&frame, 0x0800);
            frame_put(&frame, "\x08\0\0\0\0\0\x4c\0", 8);
            frame_udp(&frame, 50000, 4789);
            frame_ip4_outer(&frame, PROTOCOL_UDP);
        }
        enum reason reason = frame_decode(&frame, LINK_RAW, &layers);
        assert_int_equal(reason, tunnels <= 7 ? REASON_NONE : REASON_LAYERS);
        assert_int_equal(layers.tunnels, tunnels <= 7 ? tunnels : 8);
    }
}

static void mpls_and_extensions_count_as_layers(void **state)
{
    (void)state;
    struct frame frame;
    struct layers layers;
    frame_packet(&frame);
    for (uint32_t label = 0; label < 16; label++) {
        frame_be32(&frame, label == 0 ? 0x140 : 0x40);
    }
    frame_ethernet(&frame, 0x8847);
    assert_int_equal(frame_decode(&frame, LINK_ETHERNET, &layers), REASON_LAYERS);
    frame_start(&frame, "x", 1);
    for (uint32_t header = 0; header < 16; header++) {
        frame_put(&frame, "\x3c\0\0\0\0\0\0\0", 8);
    }
    frame_ip6(&frame, 60);
    assert_int_equal(frame_decode(&frame, LINK_RAW, &layers), REASON_LAYERS);
}

static void a_fragment_goes_on_when_it_is_whole(void **state)
{
    (void)state;
    struct frame whole;
    struct frame first;
    struct layers layers;
    frame_packet(&whole);
    const uint8_t *payload = frame_at(&whole) + 20;
    uint32_t bytes = frame_bytes(&whole) - 20;
    frame_start(&first, payload, 16);
    frame_ip4_as(&first, PROTOCOL_UDP, 7, 0x2000, 1);
    frame_vlan(&first, 100, 0x0800);
    frame_ethernet(&first, 0x8100);
    assert_int_equal(frame_decode(&first, LINK_ETHERNET, &layers), REASON_NONE);
    assert_true(layers.fragment);
    assert_int_equal(layers_resume(&layers, payload, bytes), REASON_NONE);
    assert_false(layers.fragment);
    assert_int_equal(layers.source_port, 5060);
    assert_int_equal(layers.vlan_outer, 101);
    assert_int_equal(layers.payload_bytes, FRAME_PAYLOAD_BYTES);
    assert_null(layers.ip);
    /* the UDP inside that is longer than what was put together */
    assert_int_equal(frame_decode(&first, LINK_ETHERNET, &layers), REASON_NONE);
    assert_int_equal(layers_resume(&layers, payload, bytes - 1), REASON_UDP_LENGTH);
}

static void notes_beyond_four_are_dropped(void **state)
{
    (void)state;
    struct layers layers;
    memset(&layers, 0, sizeof layers);
    for (uint32_t note = 0; note < 6; note++) {
        layers_note(&layers, REASON_PORT_ZERO);
    }
    assert_int_equal(layers.notes[3], REASON_PORT_ZERO);
    assert_int_equal(layers.payload_bytes, 0);
}

/* Any bytes on any link type: nothing is read beyond them, and what comes out fits. */
static void random_bytes_are_survived(void **state)
{
    static const uint16_t links[] = {0,   1,   9,   12,  14,  50,  51,  101, 104, 105, 107, 108,
                                     113, 122, 127, 182, 192, 197, 226, 228, 229, 276, 147};
    (void)state;
    uint64_t seed = 42;
    for (uint32_t turn = 0; turn < 60000; turn++) {
        struct frame frame;
        struct layers layers;
        uint32_t bytes = random_below(&seed, 200);
        frame.begin = FRAME_ROOM - bytes;
        for (uint32_t index = 0; index < bytes; index++) {
            /* few different values, so that headers come about */
            static const uint8_t likely[] = {0x00, 0x08, 0x45, 0x60, 0x81, 0x11, 0x06, 0xaa,
                                             0x03, 0x88, 0x47, 0x2f, 0x04, 0x29, 0x01, 0xff};
            uint64_t value = next_random(&seed);
            frame_at(&frame)[index] =
                (value & 3) == 0 ? (uint8_t)(value >> 8) : likely[value >> 32 & 15];
        }
        uint32_t wire = bytes + ((turn & 1) != 0 ? random_below(&seed, 2000) : 0);
        uint16_t link = links[turn % (sizeof links / sizeof links[0])];
        enum reason reason = frame_decode_cut(&frame, link, bytes, wire, &layers);
        assert_true(frame_view_fits(&frame, &layers));
        assert_int_not_equal(reason_rows[reason].verdict, FRAME_NOTED);
    }
}

/* Right frames with bytes changed at random: deeper than noise gets. */
static void changed_frames_are_survived(void **state)
{
    (void)state;
    uint64_t seed = 4711;
    for (uint32_t turn = 0; turn < 60000; turn++) {
        struct frame frame;
        struct layers layers;
        frame_packet(&frame);
        for (uint32_t layer = random_below(&seed, 4); layer > 0; layer--) {
            switch (random_below(&seed, 5)) {
            case 0:
                frame_ip4_outer(&frame, 4);
                break;
            case 1:
                frame_be32(&frame, 0x0800);
                frame_ip4_outer(&frame, 47);
                break;
            case 2:
                frame_put(&frame, "\x30\xff\0\0\0\0\0\1", 8);
                frame_at(&frame)[3] = (uint8_t)(frame_bytes(&frame) - 8);
                frame_udp(&frame, 2152, 2152);
                frame_ip4_outer(&frame, PROTOCOL_UDP);
                break;
            case 3:
                frame_put(&frame, "\x11\x04\0\0\0\0\0\1\0\0\0\2\0\0\0\0\0\0\0\0\0\0\0\0", 24);
                frame_at(&frame)[0] = 4;
                frame_ip6(&frame, 51);
                break;
            default:
                frame_put(&frame, "\0\0\x08\0\0\0\x4c\0", 8);
                frame_udp(&frame, 1, 6081);
                frame_ip4_outer(&frame, PROTOCOL_UDP);
                break;
            }
        }
        for (uint32_t changes = random_below(&seed, 4); changes > 0; changes--) {
            frame_at(&frame)[random_below(&seed, frame_bytes(&frame))] =
                (uint8_t)next_random(&seed);
        }
        uint32_t captured = frame_bytes(&frame) - random_below(&seed, 2) * random_below(&seed, 30);
        enum reason reason =
            frame_decode_cut(&frame, LINK_RAW, captured, frame_bytes(&frame), &layers);
        assert_true(frame_view_fits(&frame, &layers));
        assert_int_not_equal(reason_rows[reason].verdict, FRAME_NOTED);
    }
}

static void reasons_have_rows(void **state)
{
    (void)state;
    for (size_t index = 0; index < REASON_COUNT; index++) {
        assert_non_null(reason_rows[index].slug);
        assert_non_null(reason_rows[index].text);
        for (size_t other = 0; other < index; other++) {
            assert_string_not_equal(reason_rows[index].slug, reason_rows[other].slug);
        }
    }
    for (size_t index = 0; index < ANOMALY_COUNT; index++) {
        assert_non_null(anomaly_rows[index].slug);
        assert_in_range(anomaly_rows[index].suspicion, 0, 3);
        for (size_t other = 0; other < index; other++) {
            assert_string_not_equal(anomaly_rows[index].slug, anomaly_rows[other].slug);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_short_cut_gives_the_same_view),
        cmocka_unit_test(tags_up_to_sixteen_layers),
        cmocka_unit_test(tunnels_up_to_sixteen_layers),
        cmocka_unit_test(tunnels_on_a_copy_nest),
        cmocka_unit_test(mpls_and_extensions_count_as_layers),
        cmocka_unit_test(a_fragment_goes_on_when_it_is_whole),
        cmocka_unit_test(notes_beyond_four_are_dropped),
        cmocka_unit_test(random_bytes_are_survived),
        cmocka_unit_test(changed_frames_are_survived),
        cmocka_unit_test(reasons_have_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
