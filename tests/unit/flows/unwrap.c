/* From frames to datagrams: counts that add up, reassembly, copies, flow hashes. */
#include "sensor/flows/unwrap.h"
#include "tests/unit/decoders/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define NOW (UINT64_C(1800000000) * NS_PER_S)

enum { LINK_ETHERNET = 1, LINK_RAW = 101, ROOM_BYTES = 1 << 20 };

/* Memory that lives as long as a test. */
struct room {
    uint8_t bytes[ROOM_BYTES];
    size_t used;
    uint64_t number; /* of the datagram asked for last */
};

static struct room room;

static uint8_t *keep(void *owner, uint64_t number, uint32_t bytes)
{
    struct room *from = owner;
    assert_true(from->used + bytes <= sizeof from->bytes);
    uint8_t *at = from->bytes + from->used;
    from->used += bytes;
    from->number = number;
    return at;
}

static struct unwrap *open_unwrap(uint64_t seed, bool drop_duplicates)
{
    struct unwrap_options options = {.key = {.seed = seed},
                                     .fragment_bytes_max = 8 << 20,
                                     .drop_duplicates = drop_duplicates,
                                     .keep = keep,
                                     .owner = &room};
    struct unwrap *unwrap = NULL;
    struct error error;
    room.used = 0;
    assert_int_equal(unwrap_open(&options, &unwrap, &error), STATUS_OK);
    assert_true(unwrap_bytes_max(&options) > 8 << 20);
    return unwrap;
}

static struct captured captured_of(uint16_t link_type, struct frame *frame, uint64_t number,
                                   uint64_t time_ns)
{
    return (struct captured){.time_ns = time_ns,
                             .number = number,
                             .at = frame_at(frame),
                             .captured = frame_bytes(frame),
                             .wire_bytes = frame_bytes(frame),
                             .link_type = link_type};
}

static bool see(struct unwrap *unwrap, uint16_t link_type, struct frame *frame, uint64_t number,
                uint64_t time_ns, struct datagram *out_datagram)
{
    struct captured captured = captured_of(link_type, frame, number, time_ns);
    return unwrap_see_one(unwrap, &captured, time_ns, out_datagram);
}

static void check_sum(const struct unwrap *unwrap)
{
    const struct unwrap_counts *counts = unwrap_counts(unwrap);
    assert_int_equal(counts->frames, counts->decoded + counts->ignored + counts->malformed);
    uint64_t by_verdict[4] = {0};
    for (size_t index = 1; index < REASON_COUNT; index++) {
        by_verdict[reason_rows[index].verdict] += counts->reasons[index];
    }
    assert_true(by_verdict[FRAME_IGNORED] >= counts->ignored);
    assert_true(by_verdict[FRAME_MALFORMED] >= counts->malformed);
}

static void a_frame_becomes_a_datagram(void **state)
{
    (void)state;
    struct unwrap *unwrap = open_unwrap(1, true);
    struct frame frame;
    struct datagram datagram;
    frame_packet(&frame);
    frame_pad(&frame, 4);
    frame_vlan(&frame, 100, 0x0800);
    frame_ethernet(&frame, 0x8100);
    struct captured captured = captured_of(LINK_ETHERNET, &frame, 17, NOW);
    captured.interface = 3;
    assert_true(unwrap_see_one(unwrap, &captured, NOW + 5, &datagram));
    assert_int_equal(datagram.time_ns, NOW);
    assert_int_equal(datagram.state_ns, NOW + 5);
    assert_int_equal(datagram.number, 17);
    assert_int_equal(datagram.interface, 3);
    assert_int_equal(datagram.source_port, 5060);
    assert_int_equal(datagram.destination_port, 5062);
    assert_int_equal(datagram.source.octets[12], 192);
    assert_int_equal(datagram.destination.octets[12], 198);
    assert_int_equal(datagram.protocol, PROTOCOL_UDP);
    assert_int_equal(datagram.ttl, 61);
    assert_int_equal(datagram.fragments, 0);
    assert_int_equal(datagram.vlan_outer, 101);
    assert_int_equal(datagram.frame_overhead, 14 + 4 + 28);
    assert_ptr_equal(datagram.payload, frame_at(&frame) + 46);
    assert_int_equal(datagram.payload_bytes, FRAME_PAYLOAD_BYTES);
    assert_int_equal(datagram.payload_wire, FRAME_PAYLOAD_BYTES);
    assert_int_equal(datagram.ip_wire, 28 + FRAME_PAYLOAD_BYTES);
    assert_ptr_equal(datagram.ip, frame_at(&frame) + 18);
    assert_int_equal(datagram.ip_bytes, 28 + FRAME_PAYLOAD_BYTES);
    assert_int_equal(unwrap_counts(unwrap)->bytes, frame_bytes(&frame));
    assert_int_equal(unwrap_counts(unwrap)->decoded, 1);
    check_sum(unwrap);
    unwrap_close(unwrap);
}

static void a_segment_carries_its_numbers(void **state)
{
    (void)state;
    struct unwrap *unwrap = open_unwrap(1, true);
    struct frame frame;
    struct datagram datagram;
    frame_start(&frame, "abc", 3);
    frame_tcp(&frame, 5060, 40000, 5, TCP_ACK | TCP_PSH);
    frame_ip4(&frame, PROTOCOL_TCP);
    assert_true(see(unwrap, LINK_RAW, &frame, 1, NOW, &datagram));
    assert_int_equal(datagram.protocol, PROTOCOL_TCP);
    assert_int_equal(datagram.tcp_flags, TCP_ACK | TCP_PSH);
    assert_int_equal(datagram.tcp_sequence, 0xa0b0c0d0);
    assert_int_equal(datagram.tcp_acknowledgement, 0x01020304);
    assert_int_equal(datagram.payload_bytes, 3);
    unwrap_close(unwrap);
}

static void every_frame_is_counted_once(void **state)
{
    (void)state;
    struct unwrap *unwrap = open_unwrap(1, true);
    struct frame frame;
    struct datagram datagram;
    frame_start(&frame, "\0\1", 2);
    frame_ethernet(&frame, 0x0806);
    assert_false(see(unwrap, LINK_ETHERNET, &frame, 1, NOW, &datagram));
    frame_start(&frame, "\x45", 1);
    assert_false(see(unwrap, LINK_RAW, &frame, 2, NOW, &datagram));
    frame_start(&frame, "", 0);
    assert_false(see(unwrap, 147, &frame, 3, NOW, &datagram));
    frame_packet(&frame);
    assert_true(see(unwrap, LINK_RAW, &frame, 4, NOW, &datagram));
    assert_false(see(unwrap, LINK_RAW, &frame, 5, NOW, &datagram)); /* a copy */
    frame_start(&frame, "x", 1);
    frame_udp(&frame, 0, 2152);
    frame_ip4(&frame, PROTOCOL_UDP);
    assert_true(see(unwrap, LINK_RAW, &frame, 6, NOW, &datagram)); /* two notes */
    const struct unwrap_counts *counts = unwrap_counts(unwrap);
    assert_int_equal(counts->frames, 6);
    assert_int_equal(counts->ignored, 2);
    assert_int_equal(counts->malformed, 1);
    assert_int_equal(counts->decoded, 3);
    assert_int_equal(counts->duplicates, 1);
    assert_int_equal(counts->reasons[REASON_ARP], 1);
    assert_int_equal(counts->reasons[REASON_IP_SHORT], 1);
    assert_int_equal(counts->reasons[REASON_LINK_UNKNOWN], 1);
    assert_int_equal(counts->reasons[REASON_DUPLICATE], 1);
    assert_int_equal(counts->reasons[REASON_PORT_ZERO], 1);
    assert_int_equal(counts->reasons[REASON_TUNNEL_OTHER], 1);
    check_sum(unwrap);
    unwrap_close(unwrap);
}

/* An ICMP message is ignored and counted so, and still tells of a request; a mirror copy does not. */
static void a_refused_request_goes_on(void **state)
{
    static const uint8_t addresses[] = {198, 51, 100, 2, 192, 0, 2, 1};
    (void)state;
    struct unwrap *unwrap = open_unwrap(1, true);
    struct frame frame;
    struct datagram datagram;
    frame_start(&frame, "OPTIONS sip:a SIP/2.0\r\n", 23);
    frame_udp(&frame, 5060, 5062);
    frame_ip4(&frame, PROTOCOL_UDP);
    frame_be32(&frame, 0);
    frame_be32(&frame, UINT32_C(0x03031234));
    frame_ip4_as(&frame, 1, 0x0815, 0, 9);
    memcpy(frame_at(&frame) + 12, addresses, sizeof addresses);
    assert_true(see(unwrap, LINK_RAW, &frame, 1, NOW, &datagram));
    assert_int_equal(datagram.undelivered, UNDELIVERED_PORT);
    assert_int_equal(datagram.destination_port, 5062);
    assert_int_equal(datagram.payload_bytes, 0);
    assert_ptr_equal(datagram.ip, frame_at(&frame));
    assert_false(see(unwrap, LINK_RAW, &frame, 2, NOW + 1000, &datagram));
    frame_at(&frame)[5]++; /* another message about the same packet sent again */
    assert_true(see(unwrap, LINK_RAW, &frame, 3, NOW + 2000, &datagram));
    frame_at(&frame)[20] = 11; /* time exceeded */
    assert_false(see(unwrap, LINK_RAW, &frame, 4, NOW + 3000, &datagram));
    frame_packet(&frame);
    assert_true(see(unwrap, LINK_RAW, &frame, 5, NOW + 4000, &datagram));
    assert_int_equal(datagram.undelivered, UNDELIVERED_NOT);
    assert_int_equal(unwrap_counts(unwrap)->reasons[REASON_ICMP], 4);
    assert_int_equal(unwrap_counts(unwrap)->ignored, 4);
    assert_int_equal(unwrap_counts(unwrap)->decoded, 1);
    assert_int_equal(unwrap_counts(unwrap)->duplicates, 0);
    check_sum(unwrap);
    unwrap_close(unwrap);
}

/* A UDP datagram of `bytes` of payload, as fragments of `step` bytes. */
static void part_of(const struct frame *datagram, uint32_t offset, uint32_t step, uint32_t id,
                    struct frame *out_frame)
{
    uint32_t all = frame_bytes(datagram);
    uint32_t bytes = offset + step < all ? step : all - offset;
    bool more = offset + bytes < all;
    frame_start(out_frame, datagram->room + datagram->begin + offset, bytes);
    frame_ip4_as(out_frame, PROTOCOL_UDP, id, (more ? 0x2000u : 0) | offset / 8, 1);
}

static void fragments_become_one_datagram(void **state)
{
    static uint8_t payload[1000];
    (void)state;
    struct unwrap *unwrap = open_unwrap(1, true);
    struct frame whole;
    struct frame frame;
    struct datagram datagram;
    for (size_t index = 0; index < sizeof payload; index++) {
        payload[index] = (uint8_t)(index * 7);
    }
    frame_start(&whole, payload, sizeof payload);
    frame_udp(&whole, 5060, 5062);
    uint64_t number = 0;
    for (uint32_t offset = 0; offset < 1008; offset += 400) {
        part_of(&whole, offset, 400, 9, &frame);
        number++;
        bool done = see(unwrap, LINK_RAW, &frame, number, NOW + number, &datagram);
        assert_int_equal(done, offset == 800);
        /* the mirror's copy of each, also of the one that completed it */
        number++;
        assert_false(see(unwrap, LINK_RAW, &frame, number, NOW + number, &datagram));
    }
    assert_int_equal(datagram.number, 5);
    assert_int_equal(room.number, 5);
    assert_int_equal(datagram.time_ns, NOW + 1); /* of the first fragment */
    assert_int_equal(datagram.state_ns, NOW + 5);
    assert_int_equal(datagram.fragments, 3);
    assert_int_equal(datagram.source_port, 5060);
    assert_int_equal(datagram.payload_bytes, sizeof payload);
    assert_int_equal(datagram.payload_wire, sizeof payload);
    assert_int_equal(datagram.ip_wire, 1008 + 3 * 20);
    assert_null(datagram.ip);
    assert_true(datagram.payload >= room.bytes && datagram.payload < room.bytes + room.used);
    memset(&frame, 0, sizeof frame); /* nothing points into the frame any more */
    assert_memory_equal(datagram.payload, payload, sizeof payload);
    const struct unwrap_counts *counts = unwrap_counts(unwrap);
    assert_int_equal(counts->decoded, 6);
    assert_int_equal(counts->duplicates, 3);
    check_sum(unwrap);
    unwrap_close(unwrap);
}

static void copies_of_fragments_do_no_harm_when_they_are_wanted(void **state)
{
    (void)state;
    struct unwrap *unwrap = open_unwrap(1, false);
    struct frame whole;
    struct frame frame;
    struct datagram datagram;
    uint32_t datagrams = 0;
    frame_start(&whole, FRAME_PAYLOAD, FRAME_PAYLOAD_BYTES);
    frame_udp(&whole, 5060, 5062);
    for (uint32_t offset = 0; offset < frame_bytes(&whole); offset += 16) {
        part_of(&whole, offset, 16, 9, &frame);
        for (uint32_t copy = 0; copy < 2; copy++) {
            datagrams += see(unwrap, LINK_RAW, &frame, 1, NOW, &datagram) ? 1 : 0;
        }
    }
    assert_int_equal(datagrams, 1);
    assert_int_equal(datagram.fragments, 3);
    unwrap_mark(unwrap, NOW + NS_PER_HOUR);
    assert_int_equal(unwrap_counts(unwrap)->reasons[REASON_FRAGMENT_TIMEOUT], 0);
    unwrap_close(unwrap);
}

/* A tunnel whose outer packet came in fragments, with a fragment inside it. */
static void fragments_in_fragments_are_put_together(void **state)
{
    (void)state;
    struct unwrap *unwrap = open_unwrap(1, true);
    struct frame whole;
    struct frame inner;
    struct frame outer;
    struct frame frame;
    struct datagram datagram;
    uint32_t datagrams = 0;
    frame_start(&whole, FRAME_PAYLOAD, FRAME_PAYLOAD_BYTES);
    frame_udp(&whole, 5060, 5062);
    for (uint32_t part = 0; part < 3; part++) {
        part_of(&whole, part * 16, 16, 9, &inner);
        frame_ip4_outer(&inner, 4); /* the outer datagram holds IP in IP */
        frame_start(&outer, frame_at(&inner) + 20, frame_bytes(&inner) - 20);
        for (uint32_t offset = 0; offset < frame_bytes(&outer); offset += 24) {
            part_of(&outer, offset, 24, 100 + part, &frame);
            frame_at(&frame)[9] = 4;
            datagrams += see(unwrap, LINK_RAW, &frame, 1, NOW, &datagram) ? 1 : 0;
        }
    }
    assert_int_equal(datagrams, 1);
    assert_int_equal(datagram.payload_bytes, FRAME_PAYLOAD_BYTES);
    assert_memory_equal(datagram.payload, FRAME_PAYLOAD, FRAME_PAYLOAD_BYTES);
    assert_int_equal(datagram.source.octets[15], 1);
    check_sum(unwrap);
    unwrap_close(unwrap);
}

static void what_fragments_hold_may_be_refused(void **state)
{
    (void)state;
    struct unwrap *unwrap = open_unwrap(1, true);
    struct frame whole;
    struct frame frame;
    struct datagram datagram;
    frame_start(&whole, FRAME_PAYLOAD, FRAME_PAYLOAD_BYTES);
    frame_udp(&whole, 5060, 0); /* a note */
    frame_at(&whole)[4] = 0x7f; /* and far too long */
    for (uint32_t offset = 0; offset < frame_bytes(&whole); offset += 24) {
        part_of(&whole, offset, 24, 9, &frame);
        assert_false(see(unwrap, LINK_RAW, &frame, 1, NOW, &datagram));
    }
    const struct unwrap_counts *counts = unwrap_counts(unwrap);
    assert_int_equal(counts->decoded, 2);
    assert_int_equal(counts->malformed, 0);
    assert_int_equal(counts->reasons[REASON_UDP_LENGTH], 1);

    frame_at(&whole)[4] = 0; /* right, but for the port */
    for (uint32_t offset = 0; offset < frame_bytes(&whole); offset += 24) {
        part_of(&whole, offset, 24, 8, &frame);
        assert_int_equal(see(unwrap, LINK_RAW, &frame, 1, NOW, &datagram), offset > 0);
    }
    assert_int_equal(counts->reasons[REASON_PORT_ZERO], 1);

    part_of(&whole, 0, 24, 10, &frame); /* never whole */
    assert_false(see(unwrap, LINK_RAW, &frame, 2, NOW + NS_PER_S, &datagram));
    unwrap_mark(unwrap, NOW + NS_PER_S + FRAGMENT_TIMEOUT_NS);
    assert_int_equal(counts->reasons[REASON_FRAGMENT_TIMEOUT], 1);

    frame_start(&frame, "01234567", 8); /* different bytes in the same place */
    frame_ip4_as(&frame, PROTOCOL_UDP, 11, 0x2000, 1);
    assert_false(see(unwrap, LINK_RAW, &frame, 3, NOW, &datagram));
    frame_start(&frame, "76543210", 8);
    frame_ip4_as(&frame, PROTOCOL_UDP, 11, 0x2000, 1);
    assert_false(see(unwrap, LINK_RAW, &frame, 4, NOW, &datagram));
    assert_int_equal(counts->overlaps, 1);

    for (uint32_t id = 0; id <= FRAGMENT_SOURCE_MAX; id++) {
        part_of(&whole, 0, 24, 1000 + id, &frame);
        assert_false(see(unwrap, LINK_RAW, &frame, 5, NOW, &datagram));
    }
    assert_int_equal(counts->reasons[REASON_FRAGMENT_TABLE], 2); /* with the one of id 11 */
    check_sum(unwrap);
    unwrap_close(unwrap);
}

static uint64_t hash_of(uint64_t seed, uint32_t source_port, uint32_t destination_port, bool back,
                        uint32_t vlan, uint8_t protocol)
{
    struct unwrap *unwrap = open_unwrap(seed, false);
    struct frame frame;
    struct datagram datagram;
    frame_start(&frame, "x", 1);
    if (protocol == PROTOCOL_UDP) {
        frame_udp(&frame, source_port, destination_port);
    } else {
        frame_tcp(&frame, source_port, destination_port, 5, 0);
    }
    frame_ip4(&frame, protocol);
    if (back) {
        uint8_t source[4];
        memcpy(source, frame_at(&frame) + 12, sizeof source);
        memmove(frame_at(&frame) + 12, frame_at(&frame) + 16, sizeof source);
        memcpy(frame_at(&frame) + 16, source, sizeof source);
    }
    frame_vlan(&frame, vlan, 0x0800);
    frame_ethernet(&frame, 0x8100);
    assert_true(see(unwrap, LINK_ETHERNET, &frame, 1, NOW, &datagram));
    assert_true(datagram_shard(&datagram) < FLOW_SHARDS);
    unwrap_close(unwrap);
    return datagram.flow_hash;
}

static void both_directions_are_one_flow(void **state)
{
    (void)state;
    uint64_t hash = hash_of(1, 5060, 5062, false, 7, PROTOCOL_UDP);
    assert_true(hash == hash_of(1, 5060, 5062, false, 7, PROTOCOL_UDP));
    assert_true(hash == hash_of(1, 5062, 5060, true, 7, PROTOCOL_UDP));
    assert_true(hash !=
                hash_of(1, 5062, 5060, false, 7, PROTOCOL_UDP)); /* ports stay with theirs */
    assert_true(hash != hash_of(1, 5060, 5062, true, 7, PROTOCOL_UDP));
    assert_true(hash != hash_of(1, 5060, 5063, false, 7, PROTOCOL_UDP));
    assert_true(hash != hash_of(1, 5060, 5062, false, 8, PROTOCOL_UDP));
    assert_true(hash != hash_of(1, 5060, 5062, false, 7, PROTOCOL_TCP));
    assert_true(hash != hash_of(2, 5060, 5062, false, 7, PROTOCOL_UDP));
    assert_true(hash_of(1, 9, 9, false, 7, PROTOCOL_UDP) ==
                hash_of(1, 9, 9, true, 7, PROTOCOL_UDP));
}

/* One host talking to itself: the ports alone order the two ends. */
static void the_same_address_twice_is_one_flow(void **state)
{
    (void)state;
    uint64_t hashes[2] = {0};
    for (uint32_t turn = 0; turn < 2; turn++) {
        struct unwrap *unwrap = open_unwrap(1, false);
        struct frame frame;
        struct datagram datagram;
        frame_start(&frame, "x", 1);
        frame_udp(&frame, turn == 0 ? 1000 : 2000, turn == 0 ? 2000 : 1000);
        frame_ip4(&frame, PROTOCOL_UDP);
        memcpy(frame_at(&frame) + 16, frame_at(&frame) + 12, 4);
        assert_true(see(unwrap, LINK_RAW, &frame, 1, NOW, &datagram));
        hashes[turn] = datagram.flow_hash;
        unwrap_close(unwrap);
    }
    assert_true(hashes[0] == hashes[1]);
}

/* Shards fill evenly enough for their fixed shares. */
static void shards_are_even(void **state)
{
    enum { FLOWS = 16000 };
    (void)state;
    struct unwrap *unwrap = open_unwrap(1, false);
    uint32_t shards[FLOW_SHARDS] = {0};
    for (uint32_t flow = 0; flow < FLOWS; flow++) {
        struct frame frame;
        struct datagram datagram;
        frame_start(&frame, "x", 1);
        frame_udp(&frame, 16384 + 2 * flow, 5062);
        frame_ip4(&frame, PROTOCOL_UDP);
        assert_true(see(unwrap, LINK_RAW, &frame, flow, NOW, &datagram));
        shards[datagram_shard(&datagram)]++;
    }
    for (uint32_t shard = 0; shard < FLOW_SHARDS; shard++) {
        assert_in_range(shards[shard], 850, 1150);
    }
    unwrap_close(unwrap);
}

/* Anything at all, on every link, with copies and fragments: counts add up and views fit. */
static void anything_is_counted(void **state)
{
    static const uint16_t links[] = {0, 1, 9, 101, 104, 105, 107, 113, 127, 192, 197, 276};
    (void)state;
    struct unwrap *unwrap = open_unwrap(1, true);
    uint64_t random = 3;
    for (uint32_t turn = 0; turn < 40000; turn++) {
        struct frame frame;
        struct datagram datagram;
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
        frame_packet(&frame);
        if ((random >> 60 & 1) != 0) {
            frame_ethernet(&frame, 0x0800);
        }
        for (uint32_t change = (uint32_t)(random >> 50) % 4; change > 0; change--) {
            random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
            frame_at(&frame)[(random >> 33) % frame_bytes(&frame)] = (uint8_t)(random >> 24);
        }
        room.used = 0;
        uint16_t link = links[(random >> 20) % (sizeof links / sizeof links[0])];
        struct captured captured = captured_of(link, &frame, turn, NOW + turn);
        captured.captured -= (uint32_t)(random >> 45) % 4 * 10;
        if (unwrap_see_one(unwrap, &captured, NOW + turn, &datagram)) {
            assert_true(datagram.payload_bytes <= datagram.payload_wire);
            assert_true(datagram.protocol == PROTOCOL_UDP || datagram.protocol == PROTOCOL_TCP);
        }
    }
    assert_int_equal(unwrap_counts(unwrap)->frames, 40000);
    check_sum(unwrap);
    unwrap_close(unwrap);
    unwrap_close(NULL);
}

/* What is looked at in a batch gives the same as one by one; every third frame is a copy. */
static void looking_ahead_changes_nothing(void **state)
{
    (void)state;
    struct unwrap *batched = open_unwrap(1, true);
    struct unwrap *single = open_unwrap(1, true);
    struct frame frames[UNWRAP_AHEAD];
    struct captured captured[UNWRAP_AHEAD];
    uint64_t time_ns = NOW;
    for (uint32_t turn = 0; turn < 50; turn++) {
        for (uint32_t place = 0; place < UNWRAP_AHEAD; place++, time_ns += NS_PER_MS) {
            struct frame *frame = &frames[place];
            bool is_plain = turn % 2 == 1 && place % 5 != 4;
            frame_packet(frame);
            frame_at(frame)[4] = (uint8_t)turn; /* the IP id: a copy of the frame before, or not */
            frame_at(frame)[5] = (uint8_t)(place - (place % 3 == 2));
            if (is_plain) {
                frame_ethernet(frame, 0x0800);
            }
            captured[place] = captured_of(is_plain ? LINK_ETHERNET : LINK_RAW, frame,
                                          (uint64_t)turn * UNWRAP_AHEAD + place + 1, time_ns);
        }
        unwrap_look(batched, captured, UNWRAP_AHEAD);
        for (uint32_t place = 0; place < UNWRAP_AHEAD; place++) {
            struct datagram one;
            struct datagram other;
            memset(&one, 0, sizeof one);
            memset(&other, 0, sizeof other);
            bool is_datagram =
                unwrap_see_one(single, &captured[place], captured[place].time_ns, &one);
            assert_int_equal(is_datagram, place % 3 != 2);
            assert_int_equal(is_datagram,
                             unwrap_see(batched, captured, place, captured[place].time_ns, &other));
            if ((other.flags & DATAGRAM_OPEN) != 0) {
                datagram_complete(&other);
            }
            assert_memory_equal(&one, &other, sizeof one);
        }
    }
    assert_memory_equal(unwrap_counts(batched), unwrap_counts(single),
                        sizeof(struct unwrap_counts));
    unwrap_close(batched);
    unwrap_close(single);
}

/* A frame of the plain shape, or nearly: tagged or not, with and without id and checksum, cut. */
static struct captured nearly_plain(struct frame *frame, uint64_t *random)
{
    static const uint8_t payload[80] = {0x80};
    *random = *random * UINT64_C(6364136223846793005) + 1442695040888963407u;
    uint32_t bits = (uint32_t)(*random >> 32);
    frame_start(frame, payload, 20 + bits % 60);
    frame_udp(frame, 16384 + 2 * (bits >> 6 & 3), (bits >> 8 & 15) == 0 ? 4789 : 5062);
    frame_ip4_as(frame, PROTOCOL_UDP, (bits >> 12 & 1) != 0 ? 0 : bits >> 13 & 3, 0, 61);
    if ((bits >> 15 & 7) == 0) {
        frame_at(frame)[26] = frame_at(frame)[27] = 0; /* no checksum */
    }
    frame_at(frame)[8] = (uint8_t)(60 + (bits >> 18 & 1)); /* hops */
    frame_pad(frame, (bits >> 19 & 3) == 0 ? 6 : 0);
    bool is_tagged = (bits >> 21 & 1) != 0;
    if (is_tagged) {
        frame_vlan(frame, bits >> 22 & 3, 0x0800);
    }
    frame_ethernet(frame, is_tagged ? 0x8100 : 0x0800);
    struct captured captured = captured_of(LINK_ETHERNET, frame, 0, 0);
    captured.captured -= (bits >> 24 & 3) == 0 ? bits >> 26 & 31 : 0;
    captured.interface = (uint16_t)(bits >> 31);
    return captured;
}

/* The same with two tags that name no VLAN before the rest: by that the general way is taken. */
static struct captured tagged_twice(const struct captured *captured, uint8_t *bytes)
{
    enum { MACS = 12, TAGS = 8 };
    struct captured other = *captured;
    memcpy(bytes, captured->at, MACS);
    memcpy(bytes + MACS, "\x81\0\0\0\x81\0\0\0", TAGS);
    memcpy(bytes + MACS + TAGS, captured->at + MACS, captured->captured - MACS);
    other.at = bytes;
    other.captured += TAGS;
    other.wire_bytes += TAGS;
    return other;
}

static void plain_frames_give_what_the_general_way_gives(void **state)
{
    (void)state;
    struct unwrap *plain = open_unwrap(1, true);
    struct unwrap *general = open_unwrap(1, true);
    uint64_t random = 11;
    for (uint32_t turn = 1; turn <= 40000; turn++) {
        static uint8_t bytes[FRAME_ROOM];
        struct frame frame;
        struct datagram one;
        struct datagram other;
        memset(&one, 0, sizeof one);
        memset(&other, 0, sizeof other);
        struct captured captured = nearly_plain(&frame, &random);
        captured.number = turn;
        captured.time_ns = NOW + turn * (NS_PER_MS / 10);
        struct captured twice = tagged_twice(&captured, bytes);
        bool is_datagram = unwrap_see_one(plain, &captured, captured.time_ns, &one);
        assert_int_equal(is_datagram, unwrap_see_one(general, &twice, twice.time_ns, &other));
        if (is_datagram) {
            assert_int_equal(one.payload - captured.at + 8, other.payload - twice.at);
            assert_int_equal(one.ip - captured.at + 8, other.ip - twice.at);
            assert_int_equal(one.frame_overhead + 8, other.frame_overhead);
            other.payload = one.payload;
            other.ip = one.ip;
            other.frame_overhead = one.frame_overhead;
            assert_memory_equal(&one, &other, sizeof one);
        }
    }
    const struct unwrap_counts *counts = unwrap_counts(plain);
    assert_in_range(counts->duplicates, 1000, 39000);
    assert_int_equal(counts->duplicates, unwrap_counts(general)->duplicates);
    assert_memory_equal(counts->reasons, unwrap_counts(general)->reasons, sizeof counts->reasons);
    unwrap_close(plain);
    unwrap_close(general);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame_becomes_a_datagram),
        cmocka_unit_test(a_segment_carries_its_numbers),
        cmocka_unit_test(every_frame_is_counted_once),
        cmocka_unit_test(a_refused_request_goes_on),
        cmocka_unit_test(fragments_become_one_datagram),
        cmocka_unit_test(copies_of_fragments_do_no_harm_when_they_are_wanted),
        cmocka_unit_test(fragments_in_fragments_are_put_together),
        cmocka_unit_test(what_fragments_hold_may_be_refused),
        cmocka_unit_test(both_directions_are_one_flow),
        cmocka_unit_test(the_same_address_twice_is_one_flow),
        cmocka_unit_test(shards_are_even),
        cmocka_unit_test(anything_is_counted),
        cmocka_unit_test(looking_ahead_changes_nothing),
        cmocka_unit_test(plain_frames_give_what_the_general_way_gives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
