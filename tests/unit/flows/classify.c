#include "tests/unit/flows/packet.h"

#include "sensor/flows/classify.h"

/* An IPv4 packet with UDP in front of the payload: nDPI reads from the IP header. */
struct whole {
    struct datagram datagram;
    uint8_t bytes[600];
};

static void whole_make(struct whole *whole, uint16_t from_port, uint16_t to_port,
                       const void *payload, size_t bytes)
{
    memset(whole, 0, sizeof *whole);
    uint8_t *at = whole->bytes;
    size_t total = 28 + bytes;
    assert_true(total <= sizeof whole->bytes);
    const uint8_t ip[20] = {0x45,
                            0,
                            (uint8_t)(total >> 8),
                            (uint8_t)total,
                            0,
                            1,
                            0,
                            0,
                            64,
                            17,
                            0,
                            0,
                            198,
                            51,
                            100,
                            1,
                            198,
                            51,
                            100,
                            2};
    const uint8_t udp[8] = {(uint8_t)(from_port >> 8),   (uint8_t)from_port,
                            (uint8_t)(to_port >> 8),     (uint8_t)to_port,
                            (uint8_t)((8 + bytes) >> 8), (uint8_t)(8 + bytes)};
    memcpy(at, ip, sizeof ip);
    memcpy(at + 20, udp, sizeof udp);
    memcpy(at + 28, payload, bytes);
    whole->datagram = (struct datagram){.state_ns = START_NS,
                                        .protocol = PROTOCOL_UDP,
                                        .ip = at,
                                        .ip_bytes = (uint32_t)total,
                                        .payload = at + 28,
                                        .payload_bytes = (uint32_t)bytes,
                                        .payload_wire = (uint32_t)bytes};
}

static const uint8_t dns_query[] = {0x12, 0x34, 1,   0,   0,   1,   0,   0,   0,   0,
                                    0,    0,    7,   'e', 'x', 'a', 'm', 'p', 'l', 'e',
                                    3,    'o',  'r', 'g', 0,   0,   1,   0,   1};

static void a_protocol_is_named_by_its_content(void **state)
{
    (void)state;
    struct classify *classify = classify_open();
    struct whole whole;
    struct classify_verdict verdict;
    assert_non_null(classify);
    uint32_t id = classify_begin(classify, 0);
    assert_int_not_equal(id, 0);
    whole_make(&whole, 40000, 53, dns_query, sizeof dns_query);
    classify_packet(classify, id, &whole.datagram, &verdict);
    assert_true(verdict.final);
    assert_false(verdict.guessed);
    char name[CLASSIFY_NAME_BYTES];
    classify_name(classify, verdict.master == 0 ? verdict.app : verdict.master, name);
    assert_string_equal(name, "DNS");
    classify_name(classify, 0, name);
    assert_string_equal(name, "");
    classify_end(classify, id);
    classify_close(classify);
}

/* nDPI says RTP or SIP too easily; our own decoders have judged that. */
static void our_protocols_are_never_taken_from_it(void **state)
{
    (void)state;
    static const char options[] = "OPTIONS sip:a@192.0.2.1 SIP/2.0\r\nCall-ID: 1\r\n\r\n";
    uint8_t rtp[172] = {0x80, 0, 0, 1, 0, 0, 0, 1, 1, 2, 3, 4};
    struct classify *classify = classify_open();
    struct classify_verdict verdict;
    struct whole whole;
    for (int kind = 0; kind < 2; kind++) {
        uint32_t id = classify_begin(classify, 0);
        if (kind == 0) {
            whole_make(&whole, 40000, 7777, options, sizeof options - 1);
        } else {
            whole_make(&whole, 40000, 7778, rtp, sizeof rtp);
        }
        classify_packet(classify, id, &whole.datagram, &verdict);
        assert_false(verdict.final);
        classify_give_up(classify, id, &verdict);
        assert_true(verdict.final);
        assert_int_equal(verdict.app, 0);
        classify_end(classify, id);
    }
    classify_close(classify);
}

static void a_port_alone_is_a_guess(void **state)
{
    (void)state;
    static const char junk[] = "\x01\x02 nothing that anybody knows \x7f";
    struct classify *classify = classify_open();
    struct classify_verdict verdict;
    struct whole whole;
    uint32_t id = classify_begin(classify, 0);
    whole_make(&whole, 40000, 1812, junk, sizeof junk - 1); /* RADIUS' port */
    for (int packet = 0; packet < CLASSIFY_PACKETS_UDP; packet++) {
        classify_packet(classify, id, &whole.datagram, &verdict);
        assert_false(verdict.final);
    }
    classify_give_up(classify, id, &verdict);
    assert_true(verdict.final);
    assert_true(verdict.guessed || verdict.app == 0);
    classify_end(classify, id);
    /* Without an IP header in one piece there is nothing to show. */
    id = classify_begin(classify, 0);
    whole_make(&whole, 40000, 53, dns_query, sizeof dns_query);
    whole.datagram.ip = NULL;
    classify_packet(classify, id, &whole.datagram, &verdict);
    assert_false(verdict.final);
    classify_end(classify, id);
    classify_close(classify);
}

static void states_are_bounded_and_come_back(void **state)
{
    (void)state;
    struct classify *classify = classify_open();
    uint32_t ids[CLASSIFY_FLOWS_MAX];
    for (size_t index = 0; index < CLASSIFY_FLOWS_MAX; index++) {
        ids[index] = classify_begin(classify, 0);
        assert_int_not_equal(ids[index], 0);
    }
    assert_int_equal(classify_begin(classify, 0), 0);
    classify_end(classify, ids[7]);
    assert_int_equal(classify_begin(classify, 0), ids[7]);
    assert_int_equal(classify_begin(classify, 0), 0);
    for (size_t index = 0; index < CLASSIFY_FLOWS_MAX; index++) {
        classify_end(classify, ids[index]);
    }
    classify_close(classify);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_protocol_is_named_by_its_content),
        cmocka_unit_test(our_protocols_are_never_taken_from_it),
        cmocka_unit_test(a_port_alone_is_a_guess),
        cmocka_unit_test(states_are_bounded_and_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
