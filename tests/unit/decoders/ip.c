/* IPv4, IPv6, extension headers, fragments, and IP in IP: views and refusals. */
#include "tests/unit/decoders/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { LINK_RAW = 101 };

#define PUT(frame, literal) frame_put(frame, literal, sizeof literal - 1)

static void packet6(struct frame *frame)
{
    frame_start(frame, FRAME_PAYLOAD, FRAME_PAYLOAD_BYTES);
    frame_udp(frame, 5060, 5062);
}

static void lengths_of_ip_hold(void **state)
{
    (void)state;
    struct frame frame;
    struct layers layers;
    frame_packet(&frame);
    frame_pad(&frame, 30); /* padding and a tap's trailer are no payload */
    assert_int_equal(frame_decode(&frame, LINK_RAW, &layers), REASON_NONE);
    assert_int_equal(layers.payload_bytes, FRAME_PAYLOAD_BYTES);
    assert_int_equal(layers.ip_bytes, 28 + FRAME_PAYLOAD_BYTES);

    /* total length 0: the card was to cut it up, the frame is the packet */
    frame_start(&frame, "0123456789", 10);
    frame_tcp(&frame, 5060, 40000, 5, TCP_ACK);
    frame_ip4(&frame, PROTOCOL_TCP);
    frame_at(&frame)[2] = 0;
    frame_at(&frame)[3] = 0;
    assert_int_equal(frame_decode(&frame, LINK_RAW, &layers), REASON_NONE);
    assert_int_equal(layers.payload_bytes, 10);
    assert_int_equal(layers.ip_wire, 50);

    packet6(&frame);
    frame_ip6(&frame, PROTOCOL_UDP);
    frame_at(&frame)[4] = 0;
    frame_at(&frame)[5] = 0;
    assert_int_equal(frame_decode(&frame, LINK_RAW, &layers), REASON_NONE);
    assert_int_equal(layers.payload_bytes, FRAME_PAYLOAD_BYTES);
}

struct header4 {
    const char *name;
    uint8_t first; /* version and words */
    uint16_t total;
    uint32_t captured;
    enum reason reason;
    bool trimmed;
};

static void headers_of_ip4_are_checked(void **state)
{
    static const struct header4 rows[] = {
        {"right", 0x45, 33, 33, REASON_NONE, false},
        {"version 3", 0x35, 33, 33, REASON_IP_VERSION, false},
        {"version 0", 0x05, 33, 33, REASON_IP_VERSION, false},
        {"four words", 0x44, 33, 33, REASON_IP_LENGTH, false},
        {"no words", 0x40, 33, 33, REASON_IP_LENGTH, false},
        {"words beyond the total length", 0x4f, 33, 33, REASON_IP_LENGTH, false},
        {"total length below the header", 0x45, 19, 33, REASON_IP_LENGTH, false},
        {"total length of the header", 0x45, 20, 33, REASON_UDP_SHORT, false},
        {"total length one short of UDP", 0x45, 27, 33, REASON_UDP_SHORT, false},
        {"total length without payload", 0x45, 28, 33, REASON_UDP_LENGTH, false},
        {"total length one below", 0x45, 32, 33, REASON_UDP_LENGTH, false},
        {"total length one beyond", 0x45, 34, 33, REASON_NONE, true},
        {"total length far beyond", 0x45, 65535, 33, REASON_NONE, true},
        {"far beyond, ports lost", 0x45, 65535, 27, REASON_IP_LENGTH, true},
        {"far beyond, nothing left", 0x45, 65535, 20, REASON_IP_LENGTH, true},
        {"19 bytes", 0x45, 33, 19, REASON_IP_SHORT, false},
        {"one byte", 0x45, 33, 1, REASON_IP_SHORT, false},
        {"none", 0x45, 33, 0, REASON_IP_SHORT, false},
    };
    (void)state;
    for (size_t index = 0; index < sizeof rows / sizeof rows[0]; index++) {
        struct frame frame;
        struct layers layers;
        frame_start(&frame, "hello", 5);
        frame_udp(&frame, 1000, 2000);
        frame_ip4(&frame, PROTOCOL_UDP);
        frame_at(&frame)[0] = rows[index].first;
        frame_at(&frame)[2] = (uint8_t)(rows[index].total >> 8);
        frame_at(&frame)[3] = (uint8_t)rows[index].total;
        enum reason reason =
            frame_decode_cut(&frame, LINK_RAW, rows[index].captured, rows[index].captured, &layers);
        if (reason != rows[index].reason ||
            frame_noted(&layers, REASON_IP_TRIMMED) != rows[index].trimmed) {
            fail_msg("%s: %s", rows[index].name, reason_rows[reason].slug);
        }
    }
}

static void options_of_ip4_are_skipped(void **state)
{
    (void)state;
    struct frame frame;
    struct layers layers;
    frame_start(&frame, FRAME_PAYLOAD, FRAME_PAYLOAD_BYTES);
    frame_udp(&frame, 5060, 5062);
    frame_zeros(&frame, 40);
    frame_ip4(&frame, PROTOCOL_UDP);
    frame_at(&frame)[0] = 0x4f;
    assert_int_equal(frame_decode(&frame, LINK_RAW, &layers), REASON_NONE);
    assert_int_equal(layers.source_port, 5060);
    assert_int_equal(layers.payload_bytes, FRAME_PAYLOAD_BYTES);
    for (uint32_t captured = 0; captured < 68; captured++) { /* inside options and UDP */
        enum reason reason =
            frame_decode_cut(&frame, LINK_RAW, captured, frame_bytes(&frame), &layers);
        assert_int_equal(reason, REASON_SNAP_CUT);
    }
}

/* One extension header of each kind in a row. */
static void packet6_extended(struct frame *frame)
{
    packet6(frame);
    PUT(frame, "\x11\x04\0\0\0\0\0\1\0\0\0\2\0\0\0\0\0\0\0\0\0\0\0\0"); /* AH, 24 bytes */
    PUT(frame, "\x33\0\0\0\0\0\0\0"); /* destination options */
    PUT(frame, "\x3c\0\0\0\0\0\0\7"); /* atomic fragment */
    PUT(frame, "\x2c\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0"); /* routing, 16 bytes */
    PUT(frame, "\x2b\0\1\4\0\0\0\0"); /* hop by hop */
    frame_ip6(frame, 0);
}

static void extension_headers_are_walked(void **state)
{
    (void)state;
    struct frame frame;
    struct layers layers;
    packet6_extended(&frame);
    assert_int_equal(frame_decode(&frame, LINK_RAW, &layers), REASON_NONE);
    assert_int_equal(layers.source_port, 5060);
    assert_int_equal(layers.ttl, 59);
    assert_int_equal(layers.ip_id, 0);
    assert_int_equal(layers.depth, 6); /* the link and five extension headers */
    assert_false(layers.fragment);
    assert_memory_equal(layers.payload, FRAME_PAYLOAD, FRAME_PAYLOAD_BYTES);
    uint32_t wire = frame_bytes(&frame);
    for (uint32_t captured = 0; captured < wire; captured++) {
        enum reason reason = frame_decode_cut(&frame, LINK_RAW, captured, wire, &layers);
        assert_int_not_equal(reason_rows[reason].verdict, FRAME_MALFORMED);
        assert_true(frame_view_fits(&frame, &layers));
    }
}

static void extension_headers_beyond_the_packet_are_malformed(void **state)
{
    (void)state;
    struct frame frame;
    struct layers layers;
    frame_start(&frame, "\x11\x01\0\0\0\0\0\0", 8); /* says 16 */
    frame_ip6(&frame, 60);
    assert_int_equal(frame_decode(&frame, LINK_RAW, &layers), REASON_IP6_EXTENSION);
    frame_start(&frame, "\x11", 1);
    frame_ip6(&frame, 43);
    assert_int_equal(frame_decode(&frame, LINK_RAW, &layers), REASON_IP6_EXTENSION);
    frame_start(&frame, "\x11\0\0\0\0\0\0", 7);
    frame_ip6(&frame, 44);
    assert_int_equal(frame_decode(&frame, LINK_RAW, &layers), REASON_IP6_EXTENSION);
    frame_start(&frame, "\x11\x00\0\0\0\0\0\0", 8); /* AH of eight bytes */
    frame_ip6(&frame, 51);
    assert_int_equal(frame_decode(&frame, LINK_RAW, &layers), REASON_AH_SHORT);
    frame_start(&frame, "\x11\x04\0\0\0\0\0\0\0\0\0\0", 12); /* AH that says 24 */
    frame_ip4(&frame, 51);
    assert_int_equal(frame_decode(&frame, LINK_RAW, &layers), REASON_AH_SHORT);
    /* the same numbers mean nothing in IPv4 */
    frame_start(&frame, "\x11\x00\0\0\0\0\0\0", 8);
    frame_ip4(&frame, 44);
    assert_int_equal(frame_decode(&frame, LINK_RAW, &layers), REASON_IP_PROTOCOL);
    assert_int_equal(layers.unknown_type, 44);
}

struct protocol_row {
    uint8_t protocol;
    enum reason reason;
};

static void protocols_that_are_not_read_are_named(void **state)
{
    static const struct protocol_row rows[] = {
        {1, REASON_ICMP},          {58, REASON_ICMP},         {2, REASON_IGMP},
        {132, REASON_SCTP},        {50, REASON_ESP},          {89, REASON_IP_PROTOCOL},
        {103, REASON_IP_PROTOCOL}, {253, REASON_IP_PROTOCOL},
    };
    (void)state;
    for (size_t index = 0; index < sizeof rows / sizeof rows[0]; index++) {
        struct frame frame;
        struct layers layers;
        frame_packet(&frame); /* what an ICMP error quotes is no traffic */
        frame_zeros(&frame, 8);
        frame_ip4(&frame, rows[index].protocol);
        assert_int_equal(frame_decode(&frame, LINK_RAW, &layers), rows[index].reason);
        assert_int_equal(layers.source_port, 0);
        assert_int_equal(layers.protocol, PROTOCOL_NONE);
        /* neither whole nor as a fragment: it would only fill the table */
        frame_at(&frame)[6] = 0x20;
        assert_int_equal(frame_decode(&frame, LINK_RAW, &layers),
                         rows[index].protocol == 50 ? REASON_FRAGMENT_SHORT : rows[index].reason);
        assert_false(layers.fragment);
    }
}

static void fragments_are_shown(void **state)
{
    (void)state;
    struct frame frame;
    struct layers layers;
    frame_start(&frame, "0123456789abcdef", 16);
    frame_ip4_as(&frame, PROTOCOL_UDP, 0xbeef, 0x2000 | 185, 1);
    frame_pad(&frame, 10);
    assert_int_equal(frame_decode(&frame, LINK_RAW, &layers), REASON_NONE);
    assert_true(layers.fragment && layers.more_fragments && !layers.fragment_ip6);
    assert_int_equal(layers.fragment_offset, 1480);
    assert_int_equal(layers.fragment_id, 0xbeef);
    assert_int_equal(layers.fragment_protocol, PROTOCOL_UDP);
    assert_int_equal(layers.fragment_wire, 16);
    assert_int_equal(layers.fragment_bytes, 16);
    assert_memory_equal(layers.fragment_at, "0123456789abcdef", 16);
    assert_int_equal(layers.protocol, PROTOCOL_NONE);
    assert_int_equal(frame_decode_cut(&frame, LINK_RAW, 27, 46, &layers), REASON_NONE);
    assert_int_equal(layers.fragment_bytes, 7);
    assert_int_equal(layers.fragment_wire, 16);

    frame_start(&frame, "01234567", 8);
    PUT(&frame, "\x11\0\x05\xc9\xde\xad\xbe\xef");
    PUT(&frame, "\x2c\0\0\0\0\0\0\0");
    frame_ip6(&frame, 60);
    assert_int_equal(frame_decode(&frame, LINK_RAW, &layers), REASON_NONE);
    assert_true(layers.fragment && layers.more_fragments && layers.fragment_ip6);
    assert_int_equal(layers.fragment_offset, 0x05c8);
    assert_int_equal(layers.fragment_id, 0xdeadbeef);
    assert_int_equal(layers.fragment_protocol, PROTOCOL_UDP);
    assert_int_equal(layers.fragment_bytes, 8);
    frame_at(&frame)[40 + 8 + 2] = 0; /* the first, and the last one */
    frame_at(&frame)[40 + 8 + 3] = 1;
    assert_int_equal(frame_decode(&frame, LINK_RAW, &layers), REASON_NONE);
    assert_true(layers.fragment && layers.more_fragments && layers.fragment_offset == 0);
    frame_at(&frame)[40 + 8 + 3] = 8;
    assert_int_equal(frame_decode(&frame, LINK_RAW, &layers), REASON_NONE);
    assert_true(layers.fragment && !layers.more_fragments && layers.fragment_offset == 8);
}

struct fragment_row {
    const char *name;
    uint16_t position;
    size_t bytes;
    enum reason reason;
};

static void fragments_are_checked(void **state)
{
    static const struct fragment_row rows[] = {
        {"first", 0x2000, 8, REASON_NONE},
        {"not a multiple of 8", 0x2000, 9, REASON_FRAGMENT_SHORT},
        {"a multiple of 4 only", 0x2000, 12, REASON_FRAGMENT_SHORT},
        {"the last need not be", 0x0001, 9, REASON_NONE},
        {"empty, with more", 0x2000, 0, REASON_NONE},
        {"to the last byte", 8191, 7, REASON_NONE},
        {"one beyond", 8191, 8, REASON_FRAGMENT_RANGE},
        {"far beyond, with more", 0x2000 | 8191, 800, REASON_FRAGMENT_RANGE},
    };
    static const uint8_t zeros[1024];
    (void)state;
    for (size_t index = 0; index < sizeof rows / sizeof rows[0]; index++) {
        struct frame frame;
        struct layers layers;
        frame_start(&frame, zeros, rows[index].bytes);
        frame_ip4_as(&frame, PROTOCOL_UDP, 1, rows[index].position, 1);
        enum reason reason = frame_decode(&frame, LINK_RAW, &layers);
        if (reason != rows[index].reason) {
            fail_msg("%s: %s", rows[index].name, reason_rows[reason].slug);
        }
    }
}

static void ip_in_ip_gives_the_inner_packet(void **state)
{
    (void)state;
    struct frame frame;
    struct layers layers;
    const uint8_t inner[] = {192, 0, 2, 1};
    struct addr expected = addr_from_v4(inner);
    frame_packet(&frame);
    frame_ip4_outer(&frame, 4);
    assert_int_equal(frame_decode(&frame, LINK_RAW, &layers), REASON_NONE);
    assert_true(addr_equal(&layers.source, &expected));
    assert_int_equal(layers.ip_id, 0x4711);
    assert_int_equal(layers.tunnels, 1);
    assert_ptr_equal(layers.ip, frame_at(&frame) + 20);

    packet6(&frame);
    frame_ip6(&frame, PROTOCOL_UDP);
    frame_ip4_outer(&frame, 41);
    assert_int_equal(frame_decode(&frame, LINK_RAW, &layers), REASON_NONE);
    assert_false(addr_is_v4(&layers.source));
    assert_int_equal(layers.ip_id, 0); /* not the outer one's */

    frame_packet(&frame);
    frame_ip6(&frame, 4);
    assert_int_equal(frame_decode(&frame, LINK_RAW, &layers), REASON_NONE);
    assert_true(addr_equal(&layers.source, &expected));
    assert_false(layers.fragment_ip6);

    frame_packet(&frame);
    frame_ethernet(&frame, 0x0800);
    frame_be16(&frame, 0x3000);
    frame_ip4_outer(&frame, 97);
    assert_int_equal(frame_decode(&frame, LINK_RAW, &layers), REASON_NONE);
    assert_true(addr_equal(&layers.source, &expected));

    frame_packet(&frame);
    frame_be32(&frame, 0x00010140);
    frame_ip4_outer(&frame, 137);
    assert_int_equal(frame_decode(&frame, LINK_RAW, &layers), REASON_NONE);
    assert_true(addr_equal(&layers.source, &expected));
}

/* ESP around `next`, with padding and an integrity value. */
static void esp(struct frame *frame, struct frame *inner, uint8_t next, size_t integrity)
{
    uint8_t trailer[64];
    size_t used = 0;
    size_t bytes = frame_bytes(inner);
    while ((bytes + used + 2) % 4 != 0 || used < 3) {
        trailer[used] = (uint8_t)(used + 1);
        used++;
    }
    trailer[used] = (uint8_t)used;
    trailer[used + 1] = next;
    memset(trailer + used + 2, 0xc7, integrity);
    frame_start(frame, trailer, used + 2 + integrity);
    frame_put(frame, frame_at(inner), bytes);
    frame_be32(frame, 17);
    frame_be32(frame, 0x1001);
}

static void clear_esp_is_opened(void **state)
{
    static const size_t lengths[] = {12, 16, 0, 8, 24, 32};
    (void)state;
    for (size_t index = 0; index < sizeof lengths / sizeof lengths[0]; index++) {
        struct frame inner;
        struct frame frame;
        struct layers layers;
        packet6(&inner);
        esp(&frame, &inner, PROTOCOL_UDP, lengths[index]);
        frame_ip4(&frame, 50);
        assert_int_equal(frame_decode(&frame, LINK_RAW, &layers), REASON_NONE);
        assert_int_equal(layers.source_port, 5060);
        assert_int_equal(layers.payload_bytes, FRAME_PAYLOAD_BYTES);
        assert_memory_equal(layers.payload, FRAME_PAYLOAD, FRAME_PAYLOAD_BYTES);
        uint32_t wire = frame_bytes(&frame);
        assert_int_equal(frame_decode_cut(&frame, LINK_RAW, wire - 1, wire, &layers), REASON_ESP);
        frame_at(&frame)[20 + 8 + 5]++; /* UDP's length does not fit any more */
        assert_int_equal(frame_decode(&frame, LINK_RAW, &layers), REASON_ESP);

        frame_packet(&inner);
        esp(&frame, &inner, 4, lengths[index]);
        frame_ip6(&frame, 50);
        assert_int_equal(frame_decode(&frame, LINK_RAW, &layers), REASON_NONE);
        assert_true(addr_is_v4(&layers.source));
    }
}

static void clear_esp_with_tcp_needs_its_checksum(void **state)
{
    (void)state;
    struct frame inner;
    struct frame frame;
    struct layers layers;
    frame_start(&inner, "odd", 3);
    frame_tcp(&inner, 5060, 40000, 5, TCP_ACK);
    /* the checksum over pseudo header and segment, as a sender would put it */
    uint32_t sum = 6 + 23 + 0xc000 + 0x0201 + 0xc633 + 0x6402;
    frame_at(&inner)[16] = 0;
    frame_at(&inner)[17] = 0;
    for (uint32_t index = 0; index < 23; index++) {
        sum += index % 2 == 0 ? (uint32_t)frame_at(&inner)[index] << 8 : frame_at(&inner)[index];
    }
    sum = (sum & 0xffff) + (sum >> 16);
    sum = ~((sum & 0xffff) + (sum >> 16)) & 0xffff;
    frame_at(&inner)[16] = (uint8_t)(sum >> 8);
    frame_at(&inner)[17] = (uint8_t)sum;
    esp(&frame, &inner, PROTOCOL_TCP, 12);
    frame_ip4(&frame, 50);
    assert_int_equal(frame_decode(&frame, LINK_RAW, &layers), REASON_NONE);
    assert_int_equal(layers.protocol, PROTOCOL_TCP);
    frame_at(&frame)[20 + 8 + 20] ^= 1;
    assert_int_equal(frame_decode(&frame, LINK_RAW, &layers), REASON_ESP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lengths_of_ip_hold),
        cmocka_unit_test(headers_of_ip4_are_checked),
        cmocka_unit_test(options_of_ip4_are_skipped),
        cmocka_unit_test(extension_headers_are_walked),
        cmocka_unit_test(extension_headers_beyond_the_packet_are_malformed),
        cmocka_unit_test(protocols_that_are_not_read_are_named),
        cmocka_unit_test(fragments_are_shown),
        cmocka_unit_test(fragments_are_checked),
        cmocka_unit_test(ip_in_ip_gives_the_inner_packet),
        cmocka_unit_test(clear_esp_is_opened),
        cmocka_unit_test(clear_esp_with_tcp_needs_its_checksum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
