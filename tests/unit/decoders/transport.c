/* UDP and TCP: lengths, options, ports. */
#include "tests/unit/decoders/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { LINK_RAW = 101 };

/* In an IPv4 packet, with the reason that the row expects; true where it is taken. */
static bool decodes(struct frame *frame, uint8_t protocol, const char *row, enum reason expected,
                    struct layers *layers)
{
    frame_ip4(frame, protocol);
    enum reason reason = frame_decode(frame, LINK_RAW, layers);
    if (reason != expected) {
        fail_msg("%s: %s", row, reason_rows[reason].slug);
    }
    return reason == REASON_NONE;
}

struct udp_row {
    const char *name;
    uint16_t length;
    uint32_t bytes; /* of UDP in the packet */
    enum reason reason;
    uint32_t payload;
};

static void lengths_of_udp_are_checked(void **state)
{
    static const struct udp_row rows[] = {
        {"right", 18, 18, REASON_NONE, 10},
        {"no payload", 8, 8, REASON_NONE, 0},
        {"shorter than its packet", 12, 18, REASON_NONE, 4},
        {"only the header of a longer packet", 8, 18, REASON_NONE, 0},
        {"below the header", 7, 18, REASON_UDP_LENGTH, 0},
        {"zero", 0, 18, REASON_UDP_LENGTH, 0},
        {"one beyond the packet", 19, 18, REASON_UDP_LENGTH, 0},
        {"far beyond the packet", 65535, 18, REASON_UDP_LENGTH, 0},
        {"seven bytes", 7, 7, REASON_UDP_SHORT, 0},
        {"none", 0, 0, REASON_UDP_SHORT, 0},
    };
    (void)state;
    for (size_t index = 0; index < sizeof rows / sizeof rows[0]; index++) {
        struct frame frame;
        struct layers layers;
        uint8_t udp[18] = {0x13, 0xc4, 0x13, 0xc6, 0, 0, 0xab, 0xcd, '0', '1', '2', '3'};
        udp[4] = (uint8_t)(rows[index].length >> 8);
        udp[5] = (uint8_t)rows[index].length;
        frame_start(&frame, udp, rows[index].bytes);
        if (decodes(&frame, PROTOCOL_UDP, rows[index].name, rows[index].reason, &layers)) {
            assert_int_equal(layers.payload_bytes, rows[index].payload);
            assert_int_equal(layers.payload_wire, rows[index].payload);
            assert_int_equal(layers.checksum, 0xabcd);
            assert_ptr_equal(layers.payload, frame_at(&frame) + 28);
        }
    }
}

static void a_cut_datagram_keeps_its_size(void **state)
{
    (void)state;
    struct frame frame;
    struct layers layers;
    frame_packet(&frame);
    uint32_t wire = frame_bytes(&frame);
    for (uint32_t captured = 0; captured <= wire; captured++) {
        enum reason reason = frame_decode_cut(&frame, LINK_RAW, captured, wire, &layers);
        assert_int_equal(reason, captured < 28 ? REASON_SNAP_CUT : REASON_NONE);
        if (reason == REASON_NONE) {
            assert_int_equal(layers.payload_bytes, captured - 28);
            assert_int_equal(layers.payload_wire, FRAME_PAYLOAD_BYTES);
        }
    }
    /* a writer that says less than it gives is not believed */
    assert_int_equal(frame_decode_cut(&frame, LINK_RAW, wire, 0, &layers), REASON_NONE);
    assert_int_equal(layers.payload_bytes, FRAME_PAYLOAD_BYTES);
}

static void a_jumbogram_has_no_length(void **state)
{
    (void)state;
    enum { BYTES = 70000 };
    uint8_t *packet = calloc(1, 40 + BYTES);
    assert_non_null(packet);
    packet[0] = 0x60;
    packet[6] = PROTOCOL_UDP;
    packet[41] = 1;
    packet[43] = 2;
    struct layers layers;
    assert_int_equal(layers_decode(LINK_RAW, packet, 40 + BYTES, 40 + BYTES, &layers), REASON_NONE);
    assert_int_equal(layers.payload_bytes, BYTES - 8);
    free(packet);
}

struct tcp_row {
    const char *name;
    uint8_t words;
    uint32_t bytes;
    enum reason reason;
    uint32_t payload;
};

static void headers_of_tcp_are_checked(void **state)
{
    static const struct tcp_row rows[] = {
        {"right", 5, 30, REASON_NONE, 10},
        {"options", 7, 30, REASON_NONE, 2},
        {"options and nothing else", 15, 60, REASON_NONE, 0},
        {"four words", 4, 30, REASON_TCP_LENGTH, 0},
        {"no words", 0, 30, REASON_TCP_LENGTH, 0},
        {"options beyond the packet", 8, 30, REASON_TCP_LENGTH, 0},
        {"19 bytes", 5, 19, REASON_TCP_SHORT, 0},
        {"none", 5, 0, REASON_TCP_SHORT, 0},
    };
    (void)state;
    for (size_t index = 0; index < sizeof rows / sizeof rows[0]; index++) {
        struct frame frame;
        struct layers layers;
        uint8_t tcp[60] = {0x13, 0xc4, 0x13, 0xc6, 1, 2, 3, 4, 5, 6, 7, 8};
        tcp[12] = (uint8_t)(rows[index].words << 4);
        tcp[13] = TCP_SYN | TCP_PSH;
        tcp[16] = 0xab;
        tcp[17] = 0xcd;
        frame_start(&frame, tcp, rows[index].bytes);
        if (decodes(&frame, PROTOCOL_TCP, rows[index].name, rows[index].reason, &layers)) {
            assert_int_equal(layers.payload_bytes, rows[index].payload);
            assert_int_equal(layers.payload_wire, rows[index].payload);
            assert_int_equal(layers.tcp_sequence, 0x01020304);
            assert_int_equal(layers.tcp_acknowledgement, 0x05060708);
            assert_int_equal(layers.tcp_flags, TCP_SYN | TCP_PSH);
            assert_int_equal(layers.checksum, 0xabcd);
        }
    }
}

static void options_that_were_cut_leave_the_size(void **state)
{
    (void)state;
    struct frame frame;
    struct layers layers;
    frame_start(&frame, "0123456789", 10);
    frame_tcp(&frame, 5060, 40000, 10, TCP_ACK);
    frame_ip4(&frame, PROTOCOL_TCP);
    uint32_t wire = frame_bytes(&frame);
    for (uint32_t captured = 40; captured <= wire; captured++) {
        assert_int_equal(frame_decode_cut(&frame, LINK_RAW, captured, wire, &layers), REASON_NONE);
        assert_int_equal(layers.payload_bytes, captured < 60 ? 0 : captured - 60);
        assert_int_equal(layers.payload_wire, 10);
    }
    assert_int_equal(frame_decode_cut(&frame, LINK_RAW, 39, wire, &layers), REASON_SNAP_CUT);
}

static void port_zero_is_noted(void **state)
{
    (void)state;
    struct frame frame;
    struct layers layers;
    frame_start(&frame, "x", 1);
    frame_udp(&frame, 0, 5060);
    frame_ip4(&frame, PROTOCOL_UDP);
    frame_ethernet(&frame, 0x0800);
    assert_int_equal(frame_decode(&frame, 1, &layers), REASON_NONE);
    assert_true(frame_noted(&layers, REASON_PORT_ZERO));
    frame_start(&frame, "x", 1);
    frame_tcp(&frame, 5060, 0, 5, 0);
    frame_ip4(&frame, PROTOCOL_TCP);
    assert_int_equal(frame_decode(&frame, LINK_RAW, &layers), REASON_NONE);
    assert_true(frame_noted(&layers, REASON_PORT_ZERO));
    frame_packet(&frame);
    assert_int_equal(frame_decode(&frame, LINK_RAW, &layers), REASON_NONE);
    assert_false(frame_noted(&layers, REASON_PORT_ZERO));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lengths_of_udp_are_checked),
        cmocka_unit_test(a_cut_datagram_keeps_its_size),
        cmocka_unit_test(a_jumbogram_has_no_length),
        cmocka_unit_test(headers_of_tcp_are_checked),
        cmocka_unit_test(options_that_were_cut_leave_the_size),
        cmocka_unit_test(port_zero_is_noted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
