#include "tests/unit/flows/packet.h"

#include "sensor/flows/flow.h"

enum { TOLD_MAX = 256 };

struct scene {
    struct flow_table *table;
    struct flow_sighting told[TOLD_MAX];
    size_t told_count;
    uint32_t reasons[REASON_COUNT];
    uint64_t number;
};

static struct scene scene;
static struct packet packet;

static void on_sighting(void *owner, const struct flow_sighting *sighting)
{
    struct scene *into = owner;
    assert_true(into->told_count < TOLD_MAX);
    into->told[into->told_count++] = *sighting;
}

static void on_reason(void *owner, enum reason reason)
{
    ((struct scene *)owner)->reasons[reason]++;
}

static void open_flows(uint32_t flows_max, bool classify)
{
    struct error error;
    memset(&scene, 0, sizeof scene);
    struct flow_options options = {.flows_max = flows_max,
                                   .idle_ns = 300 * NS_PER_S,
                                   .key = HASH_KEY_FIXED,
                                   .classify = classify,
                                   .on_sighting = on_sighting,
                                   .on_reason = on_reason,
                                   .owner = &scene};
    assert_int_equal(flow_open(&options, &scene.table, &error), STATUS_OK);
}

static struct flow_view see(uint64_t after_ns, enum flow_application application)
{
    packet_at(&packet, ++scene.number, START_NS + after_ns);
    return flow_see(scene.table, &packet.datagram, application);
}

static void forward(void)
{
    packet_start(&packet, 1, 4000, 2, 5060, PROTOCOL_UDP);
    packet_payload(&packet, "hello", 5);
}

static void backward(void)
{
    packet_start(&packet, 2, 5060, 1, 4000, PROTOCOL_UDP);
    packet_payload(&packet, "world!", 6);
}

static void both_directions_are_one_flow(void **state)
{
    (void)state;
    open_flows(1024, false);
    forward();
    assert_true(see(0, FLOW_UNKNOWN).is_new);
    assert_false(flow_is_sip(scene.table, &packet.datagram));
    backward();
    assert_false(see(NS_PER_S, FLOW_SIP).is_new);
    assert_true(flow_is_sip(scene.table, &packet.datagram));
    forward();
    assert_true(flow_is_sip(scene.table, &packet.datagram));
    assert_int_equal(see(2 * NS_PER_S, FLOW_UNKNOWN).application, FLOW_SIP);
    packet_start(&packet, 1, 4001, 2, 5060, PROTOCOL_UDP);
    assert_false(flow_is_sip(scene.table, &packet.datagram));
    flow_end(scene.table, scene.number + 1);
    assert_int_equal(scene.told_count, 1);
    const struct flow_sighting *got = &scene.told[0];
    assert_int_equal(got->flow_number, 1);
    assert_int_equal(got->head.source_port, 4000); /* the originator */
    assert_int_equal(got->forward_packets, 2);
    assert_int_equal(got->forward_bytes, 2 * 33);
    assert_int_equal(got->backward_packets, 1);
    assert_int_equal(got->backward_bytes, 34);
    assert_int_equal(got->first_ns, START_NS);
    assert_int_equal(got->last_ns, START_NS + 2 * NS_PER_S);
    assert_int_equal(got->application, FLOW_SIP);
    assert_int_equal(got->end_reason, STREAM_END_CAPTURE);
    assert_int_equal(flow_count(scene.table), 1);
    flow_close(scene.table);
}

static void signalling_outranks_what_else_was_seen(void **state)
{
    (void)state;
    static const struct {
        enum flow_application seen[3];
        enum flow_application told;
    } rows[] = {
        {{FLOW_UNKNOWN, FLOW_STUN, FLOW_UNKNOWN}, FLOW_STUN},
        {{FLOW_STUN, FLOW_RTP, FLOW_STUN}, FLOW_RTP},
        {{FLOW_RTCP, FLOW_STUN, FLOW_UNKNOWN}, FLOW_RTCP},
        {{FLOW_STUN, FLOW_SIP, FLOW_RTP}, FLOW_SIP},
    };
    for (size_t index = 0; index < COUNT_OF(rows); index++) {
        open_flows(1024, false);
        forward();
        for (size_t at = 0; at < 3; at++) {
            (void)see(at, rows[index].seen[at]);
        }
        flow_end(scene.table, scene.number + 1);
        assert_int_equal(scene.told[0].application, rows[index].told);
        flow_close(scene.table);
    }
}

static void idle_flows_end_in_the_order_of_first_packets(void **state)
{
    (void)state;
    open_flows(1024, false);
    for (uint16_t port = 1; port <= 100; port++) {
        packet_start(&packet, 1, port, 2, 9999, PROTOCOL_UDP);
        (void)see(port * NS_PER_MS, FLOW_UNKNOWN);
    }
    packet_start(&packet, 1, 50, 2, 9999, PROTOCOL_UDP); /* this one goes on */
    (void)see(200 * NS_PER_S, FLOW_UNKNOWN);
    uint64_t second = START_NS / NS_PER_S;
    for (uint64_t at = 201; at <= 300; at++) {
        flow_mark(scene.table, second + at, scene.number + 1, 0);
    }
    assert_int_equal(scene.told_count, 0);
    for (uint64_t at = 301; at <= 305; at++) {
        flow_mark(scene.table, second + at, scene.number + 1, 0);
    }
    assert_int_equal(scene.told_count, 99);
    for (size_t index = 0; index < scene.told_count; index++) {
        assert_int_equal(scene.told[index].flow_number, index < 49 ? index + 1 : index + 2);
        assert_int_equal(scene.told[index].head.sub, SUB_FLOWS | scene.told[index].flow_number);
        assert_int_equal(scene.told[index].end_reason, STREAM_END_IDLE);
    }
    /* A jump of the clock by a year ages nobody. */
    flow_mark(scene.table, second + 306 + 31536000, scene.number + 1, 31536000 * NS_PER_S);
    assert_int_equal(scene.told_count, 99);
    flow_end(scene.table, scene.number + 1);
    assert_int_equal(scene.told_count, 100);
    flow_close(scene.table);
}

static void a_full_shard_forgets_the_longest_idle(void **state)
{
    (void)state;
    open_flows(16 * 2, false);
    uint16_t port = 1000;
    for (uint32_t flow = 0; flow < 3; flow++) {
        do {
            packet_start(&packet, 1, ++port, 2, 9999, PROTOCOL_UDP);
        } while (datagram_shard(&packet.datagram) != 9);
        (void)see(flow * NS_PER_S, FLOW_UNKNOWN);
    }
    assert_int_equal(scene.told_count, 1);
    assert_int_equal(scene.told[0].flow_number, 1);
    assert_int_equal(scene.told[0].end_reason, STREAM_END_EVICTED);
    assert_int_equal(scene.told[0].head.key, 3 << 1 | 1);
    assert_int_equal(scene.told[0].head.sub, SUB_ENDED | SUB_FLOWS | 1);
    assert_int_equal(scene.reasons[REASON_TABLE_FLOW], 1);
    flow_end(scene.table, scene.number + 1);
    assert_int_equal(scene.told_count, 3);
    flow_close(scene.table);
}

/* Churn beyond the list's room: it closes up, and nothing is told twice or out of order. */
static void many_flows_come_and_go(void **state)
{
    (void)state;
    open_flows(64, false);
    uint64_t before = 0;
    for (uint32_t round = 0; round < 20000; round++) {
        packet_start(&packet, round / 60000, (uint16_t)(round % 60000), 2, 9999, PROTOCOL_UDP);
        (void)see(round, FLOW_UNKNOWN);
        scene.told_count = 0;
    }
    flow_end(scene.table, scene.number + 1);
    assert_int_equal(scene.told_count, 64);
    for (size_t index = 0; index < scene.told_count; index++) {
        assert_true(scene.told[index].flow_number > before);
        before = scene.told[index].flow_number;
    }
    assert_int_equal(flow_count(scene.table), 20000);
    flow_close(scene.table);
}

struct segment {
    bool from_client;
    uint8_t flags;
    uint32_t sequence;
    uint32_t acknowledged;
    uint32_t bytes;
    enum flow_application application;
    bool tells;
};

static void tcp_tells_what_proves_hearing(void **state)
{
    (void)state;
    static const struct segment segments[] = {
        {true, TCP_SYN, 100, 0, 0, FLOW_UNKNOWN, false},
        {false, TCP_SYN | TCP_ACK, 500, 101, 0, FLOW_UNKNOWN, false},
        {true, TCP_ACK, 101, 501, 0, FLOW_UNKNOWN, false},
        {true, TCP_ACK, 101, 501, 400, FLOW_SIP, true}, /* its first data */
        {false, TCP_ACK, 501, 301, 0, FLOW_UNKNOWN, true}, /* acknowledges 200 of them */
        {false, TCP_ACK, 501, 301, 0, FLOW_UNKNOWN, false}, /* nothing new */
        {false, TCP_ACK, 501, 501, 300, FLOW_SIP, true},
        {true, TCP_ACK, 501, 801, 0, FLOW_UNKNOWN, true},
        {true, TCP_ACK, 501, 801, 100, FLOW_UNKNOWN, false}, /* data, but no message ends */
        {true, TCP_ACK, 601, 801, 100, FLOW_SIP, true},
        {true, TCP_ACK, 701, 801, 100, FLOW_SIP, true},
        {true, TCP_ACK, 801, 801, 100, FLOW_SIP, true},
        {true, TCP_ACK, 901, 801, 100, FLOW_SIP, false}, /* four are enough */
    };
    open_flows(64, false);
    for (size_t index = 0; index < COUNT_OF(segments); index++) {
        const struct segment *segment = &segments[index];
        packet_start(&packet, segment->from_client ? 1 : 2, segment->from_client ? 4000 : 5060,
                     segment->from_client ? 2 : 1, segment->from_client ? 5060 : 4000,
                     PROTOCOL_TCP);
        packet.datagram.tcp_flags = segment->flags;
        packet.datagram.tcp_sequence = segment->sequence;
        packet.datagram.tcp_acknowledgement = segment->acknowledged;
        packet.datagram.payload_wire = segment->bytes;
        struct flow_view view = see(index, segment->application);
        if (view.tells_proof != segment->tells) {
            fail_msg("segment %zu: %d", index, view.tells_proof);
        }
    }
    flow_close(scene.table);
}

/* Examinations are rationed by shard and second, and those of others do not suffer. */
static void examinations_are_rationed(void **state)
{
    (void)state;
    open_flows(4096, true);
    uint16_t port = 1000;
    for (uint32_t flow = 0; flow < 100; flow++) {
        do {
            packet_start(&packet, 1, ++port, 2, 9999, PROTOCOL_UDP);
        } while (datagram_shard(&packet.datagram) != 2);
        packet_payload(&packet, "nobody's protocol", 17);
        (void)see(flow, FLOW_UNKNOWN);
    }
    assert_int_equal(scene.reasons[REASON_FLOW_UNCLASSIFIED], 100 - 32);
    forward();
    (void)see(200, FLOW_SIP); /* ours is not shown at all */
    assert_int_equal(scene.reasons[REASON_FLOW_UNCLASSIFIED], 100 - 32);
    flow_mark(scene.table, START_NS / NS_PER_S + 1, scene.number + 1, 0);
    do {
        packet_start(&packet, 1, ++port, 2, 9999, PROTOCOL_UDP);
    } while (datagram_shard(&packet.datagram) != 2);
    (void)see(NS_PER_S, FLOW_UNKNOWN);
    assert_int_equal(scene.reasons[REASON_FLOW_UNCLASSIFIED], 100 - 32);
    flow_close(scene.table); /* with examinations open */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_directions_are_one_flow),
        cmocka_unit_test(signalling_outranks_what_else_was_seen),
        cmocka_unit_test(idle_flows_end_in_the_order_of_first_packets),
        cmocka_unit_test(a_full_shard_forgets_the_longest_idle),
        cmocka_unit_test(many_flows_come_and_go),
        cmocka_unit_test(tcp_tells_what_proves_hearing),
        cmocka_unit_test(examinations_are_rationed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
