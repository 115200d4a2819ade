/* What ICMP says of a request: whose, to whom, why; and which errors say nothing. */
#include "tests/unit/decoders/frame.h"

#include "decoders/icmp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { LINK_RAW = 101, QUOTE_ALL = 4096 };

static const char request[] = "OPTIONS sip:198.51.100.2 SIP/2.0\r\n";

/* The IP packet inside, and the first `quote` bytes of it behind the header of an ICMP message. */
static void frame_icmp(struct frame *frame, uint8_t type, uint8_t code, uint32_t quote)
{
    if (frame_bytes(frame) > quote) {
        uint32_t cut = frame_bytes(frame) - quote;
        memmove(frame_at(frame) + cut, frame_at(frame), quote);
        frame->begin += cut;
    }
    frame_be32(frame, 0);
    frame_be16(frame, 0x1234);
    frame_be16(frame, (uint32_t)type << 8 | code);
}

/* 203.0.113.9 to 192.0.2.LAST */
static void frame_ip4_back(struct frame *frame, uint8_t last)
{
    const uint8_t addresses[] = {203, 0, 113, 9, 192, 0, 2, last};
    frame_ip4(frame, 1);
    memcpy(frame_at(frame) + 12, addresses, sizeof addresses);
}

static enum undelivered why_of(struct frame *frame, struct layers *layers)
{
    assert_int_equal(frame_decode(frame, LINK_RAW, layers), REASON_ICMP);
    assert_int_equal(layers->payload_bytes, 0);
    return (enum undelivered)layers->undelivered;
}

static void errors_name_the_request(void **state)
{
    static const struct {
        uint8_t type;
        uint8_t code;
        uint32_t quote;
        enum undelivered why;
    } rows[] = {
        {3, 0, QUOTE_ALL, UNDELIVERED_NETWORK},
        {3, 1, QUOTE_ALL, UNDELIVERED_HOST},
        {3, 2, QUOTE_ALL, UNDELIVERED_PORT},
        {3, 3, QUOTE_ALL, UNDELIVERED_PORT},
        {3, 3, 28, UNDELIVERED_PORT}, /* the least that RFC 792 wants */
        {3, 3, 27, UNDELIVERED_NOT},
        {3, 4, QUOTE_ALL, UNDELIVERED_NOT}, /* too big: it may arrive in pieces */
        {3, 10, QUOTE_ALL, UNDELIVERED_PROHIBITED},
        {3, 13, QUOTE_ALL, UNDELIVERED_PROHIBITED},
        {3, 200, QUOTE_ALL, UNDELIVERED_HOST},
        {4, 0, QUOTE_ALL, UNDELIVERED_NOT}, /* source quench */
        {11, 0, QUOTE_ALL, UNDELIVERED_NOT}, /* too long on its way: RFC 3261 section 18.4 */
        {8, 0, QUOTE_ALL, UNDELIVERED_NOT},
    };
    (void)state;
    for (size_t index = 0; index < sizeof rows / sizeof rows[0]; index++) {
        struct frame frame;
        struct layers layers;
        frame_start(&frame, request, sizeof request - 1);
        frame_udp(&frame, 5070, 5060);
        frame_ip4(&frame, PROTOCOL_UDP);
        frame_icmp(&frame, rows[index].type, rows[index].code, rows[index].quote);
        frame_ip4_back(&frame, 1);
        if (why_of(&frame, &layers) != rows[index].why) {
            fail_msg("type %u code %u: %u", rows[index].type, rows[index].code, layers.undelivered);
        }
        if (rows[index].why == UNDELIVERED_NOT) {
            assert_int_equal(layers.protocol, PROTOCOL_NONE);
            assert_int_equal(layers.source.octets[12], 203);
            continue;
        }
        assert_int_equal(layers.protocol, PROTOCOL_UDP);
        assert_int_equal(layers.source.octets[12], 192);
        assert_int_equal(layers.destination.octets[12], 198);
        assert_int_equal(layers.source_port, 5070);
        assert_int_equal(layers.destination_port, 5060);
        assert_int_equal(layers.tcp_sequence, (8 + sizeof request - 1) << 16 | 0x1234);
        assert_int_equal(layers.ip[12], 203); /* who said so */
    }
}

static void errors_of_version_6(void **state)
{
    static const enum undelivered whys[] = {
        UNDELIVERED_NETWORK, UNDELIVERED_PROHIBITED, UNDELIVERED_HOST,      UNDELIVERED_HOST,
        UNDELIVERED_PORT,    UNDELIVERED_PROHIBITED, UNDELIVERED_PROHIBITED};
    (void)state;
    for (uint8_t code = 0; code < sizeof whys / sizeof whys[0]; code++) {
        struct frame frame;
        struct layers layers;
        frame_start(&frame, request, sizeof request - 1);
        frame_udp(&frame, 5070, 5060);
        frame_ip6(&frame, PROTOCOL_UDP);
        frame_icmp(&frame, 1, code, QUOTE_ALL);
        frame_ip6(&frame, 58);
        frame_at(&frame)[39] = 1; /* back to the sender */
        assert_int_equal(why_of(&frame, &layers), whys[code]);
        assert_int_equal(layers.source.octets[15], 1);
        assert_int_equal(layers.destination.octets[15], 2);
        assert_int_equal(layers.source_port, 5070);
        frame_at(&frame)[40] = 3; /* time exceeded */
        assert_int_equal(why_of(&frame, &layers), UNDELIVERED_NOT);
    }
}

static void a_connection_is_named(void **state)
{
    (void)state;
    struct frame frame;
    struct layers layers;
    frame_start(&frame, "", 0);
    frame_tcp(&frame, 40000, 5060, 5, TCP_SYN);
    frame_ip4(&frame, PROTOCOL_TCP);
    frame_icmp(&frame, 3, 1, 28);
    frame_ip4_back(&frame, 1);
    assert_int_equal(why_of(&frame, &layers), UNDELIVERED_HOST);
    assert_int_equal(layers.protocol, PROTOCOL_TCP);
    assert_int_equal(layers.source_port, 40000);
    assert_int_equal(layers.tcp_sequence, 0xa0b0c0d0);
}

/* What is no request, or not for whom it went. */
static void others_are_left_alone(void **state)
{
    static const struct {
        const char *name;
        const char *payload;
        uint8_t to; /* 192.0.2.TO */
        uint32_t position; /* of fragments, in the quoted packet */
        uint8_t protocol;
    } rows[] = {
        {"a response", "SIP/2.0 200 OK\r\n", 1, 0x4000, PROTOCOL_UDP},
        {"RTP", "\x80\x00\x01\x02", 1, 0x4000, PROTOCOL_UDP},
        {"somebody else is told", "OPTIONS sip:a SIP/2.0\r\n", 7, 0x4000, PROTOCOL_UDP},
        {"a later fragment", "OPTIONS sip:a SIP/2.0\r\n", 1, 0x0010, PROTOCOL_UDP},
        {"neither UDP nor TCP", "OPTIONS sip:a SIP/2.0\r\n", 1, 0x4000, 50},
    };
    (void)state;
    for (size_t index = 0; index < sizeof rows / sizeof rows[0]; index++) {
        struct frame frame;
        struct layers layers;
        frame_start(&frame, rows[index].payload, strlen(rows[index].payload));
        frame_udp(&frame, 5070, 5060);
        frame_ip4_as(&frame, rows[index].protocol, 1, rows[index].position, 1);
        frame_icmp(&frame, 3, 3, QUOTE_ALL);
        frame_ip4_back(&frame, rows[index].to);
        if (why_of(&frame, &layers) != UNDELIVERED_NOT) {
            fail_msg("%s", rows[index].name);
        }
    }
}

/* The version of the quoted packet is that of the packet around it. */
static void versions_do_not_mix(void **state)
{
    (void)state;
    struct frame frame;
    struct layers layers;
    frame_start(&frame, request, sizeof request - 1);
    frame_udp(&frame, 5070, 5060);
    frame_ip4(&frame, PROTOCOL_UDP);
    frame_icmp(&frame, 1, 4, QUOTE_ALL);
    frame_ip6(&frame, 58);
    assert_int_equal(why_of(&frame, &layers), UNDELIVERED_NOT);
    frame_start(&frame, request, sizeof request - 1);
    frame_udp(&frame, 5070, 5060);
    frame_ip4(&frame, PROTOCOL_UDP);
    frame_icmp(&frame, 3, 3, QUOTE_ALL);
    frame_ip4_back(&frame, 1);
    frame_at(&frame)[9] = 58; /* ICMPv6 in IPv4 */
    assert_int_equal(why_of(&frame, &layers), UNDELIVERED_NOT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_name_the_request), cmocka_unit_test(errors_of_version_6),
        cmocka_unit_test(a_connection_is_named),   cmocka_unit_test(others_are_left_alone),
        cmocka_unit_test(versions_do_not_mix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
