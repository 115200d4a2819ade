/* A datagram's way: what it becomes, in which order it is told, and that it does not depend on the
 * number of workers. */
#include "tests/unit/flows/packet.h"

#include "sensor/flows/worker_state.h"

enum { WORKERS_MAX = 4, TOLD_MAX = 65536, TOLD_BYTES = 48 << 20 };

/* A worker with its ring, emptied into one place. */
struct worker {
    struct worker_state *state;
    struct ring ring;
    uint64_t key;
    uint64_t sub;
};

struct scene {
    struct worker workers[WORKERS_MAX];
    uint32_t worker_count;
    _Alignas(16) uint8_t bytes[TOLD_BYTES]; /* sightings one after the other */
    size_t used;
    const struct sighting *told[TOLD_MAX];
    size_t told_count;
    uint64_t counts[COUNT_TOTAL];
    uint64_t number;
    uint32_t waits;
    bool call_id_is_port; /* messages are looked at when they are taken, as the analyst does */
};

static struct scene scene;
static struct packet packet;

static void add_counts(const struct counts_sighting *counts)
{
    for (uint32_t index = 0; index < counts->delta_count; index++) {
        scene.counts[counts->deltas[index].id] += counts->deltas[index].amount;
    }
}

static void look_at_call_id(const struct sip_sighting *sip)
{
    char port[8];
    (void)snprintf(port, sizeof port, "%u", sip->head.source_port);
    assert_slice(sip_part(&sip->message, sip->message.call_id), port);
}

static void drain(struct worker *worker)
{
    size_t bytes;
    ring_publish(&worker->ring, true);
    for (const struct sighting *at = ring_peek(&worker->ring, &bytes); at != NULL && bytes > 0;
         at = ring_peek(&worker->ring, &bytes)) {
        assert_true(at->key > worker->key || (at->key == worker->key && at->sub >= worker->sub));
        worker->key = at->key;
        worker->sub = at->sub;
        assert_int_equal(at->bytes % 16, 0);
        assert_true(scene.used + at->bytes <= TOLD_BYTES && scene.told_count < TOLD_MAX);
        memcpy(scene.bytes + scene.used, at, at->bytes);
        const struct sighting *kept = (const void *)(scene.bytes + scene.used);
        scene.used += at->bytes;
        if (at->kind == SIGHTING_SIP && scene.call_id_is_port) {
            look_at_call_id((const void *)at);
        }
        if (at->kind == SIGHTING_COUNTS) {
            add_counts((const void *)at);
        } else {
            scene.told[scene.told_count++] = kept;
        }
        ring_advance(&worker->ring, at->bytes);
        ring_release(&worker->ring);
    }
}

static void wait_for_room(void *owner)
{
    assert_true(scene.waits < 1000); /* what is waited for comes */
    scene.waits++;
    drain(owner);
}

static uint64_t analyst_position(void *owner)
{
    (void)owner;
    return scene.number == 0 ? 0 : scene.number - 1;
}

static void open_workers(uint32_t count, uint32_t streams_max, uint32_t flows_max)
{
    struct error error;
    memset(scene.workers, 0, sizeof scene.workers);
    memset(scene.counts, 0, sizeof scene.counts);
    scene.used = 0;
    scene.told_count = 0;
    scene.number = 0;
    scene.waits = 0;
    scene.call_id_is_port = false;
    scene.worker_count = count;
    struct worker_limits limits = {.streams_max = streams_max,
                                   .flows_max = flows_max,
                                   .tcp_streams_max = 256,
                                   .tcp_bytes_max = 32 << 20,
                                   .stream_idle_ns = 300 * NS_PER_S,
                                   .flow_idle_ns = 300 * NS_PER_S,
                                   .key = HASH_KEY_FIXED};
    struct budget budget = {.bytes = 0};
    worker_state_budget(&limits, &budget);
    assert_true(budget.bytes > 1000000);
    for (uint32_t index = 0; index < count; index++) {
        struct worker *worker = &scene.workers[index];
        struct worker_hooks hooks = {.sightings = &worker->ring,
                                     .wait_for_room = wait_for_room,
                                     .analyst_position = analyst_position,
                                     .owner = worker};
        assert_int_equal(ring_open(&worker->ring, 256 << 10, NULL, NULL, &error), STATUS_OK);
        assert_int_equal(worker_state_open(&limits, &hooks, &worker->state, &error), STATUS_OK);
    }
}

static void see(struct packet *one, uint64_t time_ns)
{
    packet_at(one, ++scene.number, time_ns);
    uint32_t index = datagram_shard(&one->datagram) % scene.worker_count;
    worker_state_see(scene.workers[index].state, &one->datagram, 1);
}

static void mark(uint64_t second)
{
    for (uint32_t index = 0; index < scene.worker_count; index++) {
        worker_state_mark(scene.workers[index].state, second, scene.number + 1, 0);
    }
}

static void end(void)
{
    for (uint32_t index = 0; index < scene.worker_count; index++) {
        worker_state_end(scene.workers[index].state, scene.number + 1);
        drain(&scene.workers[index]);
        worker_state_close(scene.workers[index].state);
        ring_close(&scene.workers[index].ring);
    }
}

static uint32_t count_kind(enum sighting_kind kind)
{
    uint32_t count = 0;
    for (size_t index = 0; index < scene.told_count; index++) {
        count += scene.told[index]->kind == kind;
    }
    return count;
}

static const struct sighting *find_kind(enum sighting_kind kind)
{
    for (size_t index = 0; index < scene.told_count; index++) {
        if (scene.told[index]->kind == kind) {
            return scene.told[index];
        }
    }
    fail_msg("no sighting of kind %d", kind);
    return NULL;
}

static void udp(const void *payload, size_t bytes, uint16_t from_port, uint16_t to_port)
{
    packet_start(&packet, 1, from_port, 2, to_port, PROTOCOL_UDP);
    packet_payload(&packet, payload, bytes);
    see(&packet, START_NS + scene.number * NS_PER_MS);
}

/* --- SIP --- */

#define SDP_BODY                                                                                   \
    "v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\n"                    \
    "m=audio 40000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n"

#define INVITE                                                                                     \
    "INVITE sip:bob@192.0.2.9 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK1\r\n"           \
    "Max-Forwards: 70\r\nFrom: <sip:alice@192.0.2.7>;tag=a\r\nTo: <sip:bob@192.0.2.9>\r\n"         \
    "Call-ID: one@192.0.2.7\r\nCSeq: 1 INVITE\r\nContact: <sip:alice@192.0.2.7>\r\n"               \
    "Content-Type: application/sdp\r\nContent-Length: 127\r\n\r\n" SDP_BODY

#define OPTIONS                                                                                    \
    "OPTIONS sip:bob@192.0.2.9 SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.7;branch=z9hG4bK2\r\n"          \
    "Max-Forwards: 70\r\nFrom: <sip:alice@192.0.2.7>;tag=a\r\nTo: <sip:bob@192.0.2.9>\r\n"         \
    "Call-ID: two@192.0.2.7\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"

static void a_message_is_told_where_it_stands(void **state)
{
    (void)state;
    static_assert(sizeof(SDP_BODY) - 1 == 127, "the stated length");
    open_workers(1, 256, 256);
    udp(INVITE, sizeof(INVITE) - 1, 7777, 8888); /* no SIP port: the content decides */
    drain(&scene.workers[0]);
    assert_int_equal(scene.told_count, 1);
    const struct sip_sighting *got = (const void *)find_kind(SIGHTING_SIP);
    assert_ptr_equal(got->message.raw, packet.bytes); /* not copied */
    assert_int_equal(got->message.method, SIP_METHOD_INVITE);
    assert_slice(sip_part(&got->message, got->message.call_id), "one@192.0.2.7");
    assert_int_equal(got->head.transport, SIP_UDP);
    assert_int_equal(got->head.key, 1 << 1 | 1);
    assert_int_equal(got->head.sub, 0);
    assert_int_equal(got->wire_bytes, sizeof(INVITE) - 1 + 28);
    assert_true(got->has_sdp);
    assert_int_equal(got->sdp->media_count, 1);
    assert_int_equal(got->sdp->media[0].rtp.port, 40000);
    size_t used = sizeof *got + offsetof(struct sdp, media) + sizeof(struct sdp_media);
    assert_int_equal(got->head.bytes, (used + 15) / 16 * 16); /* cut behind the last media line */
    end();
    assert_int_equal(scene.counts[COUNT_SIP_MESSAGES], 1);
    assert_int_equal(scene.counts[COUNT_SIP_MALFORMED], 0);
    assert_int_equal(scene.counts[COUNT_REQUEST_FIRST + SIP_METHOD_INVITE], 1);
    const struct flow_sighting *flow = (const void *)find_kind(SIGHTING_FLOW);
    assert_int_equal(flow->application, FLOW_SIP);
}

static void responses_are_counted_by_status(void **state)
{
    (void)state;
    static const char busy[] =
        "SIP/2.0 486 Busy Here\r\nVia: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK1\r\n"
        "From: <sip:alice@192.0.2.7>;tag=a\r\nTo: <sip:bob@192.0.2.9>;tag=b\r\n"
        "Call-ID: one@192.0.2.7\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n";
    static const char broken[] = "INVITE sip:bob@192.0.2.9 SIP/2.0\r\nCall-ID: x\r\n\r\n";
    open_workers(1, 256, 256);
    udp(busy, sizeof busy - 1, 5060, 5060);
    udp(broken, sizeof broken - 1, 5060, 5060);
    end();
    assert_int_equal(scene.counts[COUNT_SIP_MESSAGES], 2);
    assert_int_equal(scene.counts[COUNT_SIP_MALFORMED], 1);
    assert_int_equal(scene.counts[COUNT_RESPONSE_FIRST + 386], 1);
    assert_int_equal(scene.counts[COUNT_SIP_ANOMALY_FIRST + ANOMALY_MISSING_VIA], 1);
}

static void tcp(const char *payload, size_t bytes, uint32_t sequence, uint64_t after_ms)
{
    packet_start(&packet, 1, 40000, 2, 5060, PROTOCOL_TCP);
    packet_payload(&packet, payload, bytes);
    packet.datagram.tcp_flags = TCP_ACK;
    packet.datagram.tcp_sequence = sequence;
    packet.datagram.tcp_acknowledgement = 77;
    see(&packet, START_NS + after_ms * NS_PER_MS);
}

static void messages_of_tcp_get_a_place(void **state)
{
    (void)state;
    static const char two[] = OPTIONS OPTIONS;
    open_workers(1, 256, 256);
    tcp(two, sizeof two - 1, 1000, 0); /* both in one segment */
    drain(&scene.workers[0]);
    assert_int_equal(count_kind(SIGHTING_SIP), 2);
    const struct sip_sighting *first = (const void *)scene.told[0];
    const struct sip_sighting *second = (const void *)scene.told[1];
    assert_ptr_equal(first->message.raw, packet.bytes);
    assert_ptr_equal(second->message.raw, packet.bytes + sizeof(OPTIONS) - 1);
    assert_int_equal(first->head.sub, 0);
    assert_int_equal(second->head.sub, 1);
    assert_int_equal(first->head.transport, SIP_TCP);
    uint32_t at = 1000 + sizeof two - 1;
    tcp(OPTIONS, 100, at, 10); /* one over two segments */
    tcp(&OPTIONS[100], sizeof(OPTIONS) - 101, at + 100, 30);
    drain(&scene.workers[0]);
    assert_int_equal(count_kind(SIGHTING_SIP), 3);
    const struct sip_sighting *third = NULL;
    for (size_t index = 0; index < scene.told_count; index++) {
        if (scene.told[index]->kind == SIGHTING_SIP && scene.told[index]->key == (3 << 1 | 1)) {
            third = (const void *)scene.told[index];
        }
    }
    assert_non_null(third);
    if (third != NULL) {
        assert_true((const uint8_t *)third->message.raw < packet.bytes ||
                    (const uint8_t *)third->message.raw >= packet.bytes + sizeof packet.bytes);
        assert_slice(sip_part(&third->message, third->message.call_id), "two@192.0.2.7");
        assert_int_equal(third->head.sub, 0);
        assert_int_equal(third->first_byte_ns, START_NS + 10 * NS_PER_MS);
        assert_int_equal(third->head.time_ns, START_NS + 30 * NS_PER_MS);
    }
    end();
    assert_int_equal(scene.counts[COUNT_SIP_MESSAGES], 3);
    const struct proof_sighting *proof = (const void *)find_kind(SIGHTING_PROOF);
    assert_int_equal(proof->proof, PROOF_TCP);
    assert_int_equal(proof->sequence_end, at);
    assert_int_equal(proof->acknowledged, 77);
}

/* A hundred connections of 60 KB each that end at one mark, or at the end, without an empty line. */
static void begin_without_end(void)
{
    char text[1400];
    for (uint16_t port = 40000; port < 40100; port++) {
        uint32_t sequence = 1000;
        for (uint32_t i = 0; i < 43; i++) {
            memset(text, 'a', sizeof text);
            memcpy(text, "X: ", 3);
            if (i == 0) {
                (void)snprintf(text, sizeof text,
                               "OPTIONS sip:bob@192.0.2.9 SIP/2.0\r\n"
                               "Via: SIP/2.0/TCP 192.0.2.7;branch=z9hG4bK2\r\n"
                               "From: <sip:alice@192.0.2.7>;tag=a\r\nTo: <sip:bob@192.0.2.9>\r\n"
                               "Call-ID: %u\r\nCSeq: 1 OPTIONS\r\nX: ",
                               port);
                text[strlen(text)] = 'a';
            }
            memcpy(text + sizeof text - 2, "\r\n", 2);
            packet_start(&packet, 1, port, 2, 5060, PROTOCOL_TCP);
            packet_payload(&packet, text, sizeof text);
            packet.datagram.tcp_flags = i == 42 ? TCP_ACK | TCP_FIN : TCP_ACK;
            packet.datagram.tcp_sequence = sequence;
            sequence += sizeof text;
            see(&packet, START_NS);
        }
    }
}

static void a_mark_tells_more_than_there_is_room_for(void **state)
{
    (void)state;
    open_workers(1, 256, 256);
    scene.call_id_is_port = true;
    begin_without_end();
    assert_int_equal(count_kind(SIGHTING_SIP), 0);
    mark(time_second(START_NS) + 3);
    drain(&scene.workers[0]);
    assert_int_equal(count_kind(SIGHTING_SIP), 100);
    assert_true(scene.waits > 0);
    begin_without_end();
    end();
    assert_int_equal(count_kind(SIGHTING_SIP), 200);
}

/* --- what did not get there --- */

static void segment(uint16_t source, uint16_t destination, uint8_t flags, uint32_t sequence)
{
    bool asks = source == 40000;
    packet_start(&packet, asks ? 1 : 2, source, asks ? 2 : 1, destination, PROTOCOL_TCP);
    packet_payload(&packet, "", 0);
    packet.datagram.tcp_flags = flags;
    packet.datagram.tcp_sequence = sequence;
    see(&packet, START_NS + scene.number * NS_PER_MS);
}

static const struct refused_sighting *refused_by(uint8_t flags, uint32_t sequence)
{
    size_t before = count_kind(SIGHTING_REFUSED);
    segment(5080, 40000, flags, sequence);
    drain(&scene.workers[0]);
    return count_kind(SIGHTING_REFUSED) == before ? NULL
                                                  : (const void *)scene.told[scene.told_count - 1];
}

static void resets_refuse(void **state)
{
    (void)state;
    open_workers(1, 256, 256);
    assert_null(refused_by(TCP_RST | TCP_ACK, 0)); /* nobody has asked */
    segment(40000, 5080, TCP_SYN, 1000);
    assert_null(refused_by(TCP_ACK, 0));
    const struct refused_sighting *refused = refused_by(TCP_RST | TCP_ACK, 0);
    assert_non_null(refused);
    if (refused != NULL) {
        assert_int_equal(refused->why, UNDELIVERED_CONNECTION);
        assert_int_equal(refused->head.source_port, 40000); /* who asks */
        assert_int_equal(refused->head.destination_port, 5080);
        assert_true(addr_equal(&refused->told_by, &refused->head.destination));
        assert_int_equal(refused->head.sub, SUB_REFUSED);
    }
    assert_null(refused_by(TCP_RST | TCP_ACK, 7)); /* no answer to a SYN, and no SIP here */
    packet_start(&packet, 1, 40000, 2, 5080, PROTOCOL_TCP);
    packet_payload(&packet, OPTIONS, sizeof(OPTIONS) - 1);
    packet.datagram.tcp_flags = TCP_ACK | TCP_PSH;
    packet.datagram.tcp_sequence = 1001;
    see(&packet, START_NS + scene.number * NS_PER_MS);
    drain(&scene.workers[0]);
    refused = refused_by(TCP_RST, 7);
    assert_non_null(refused);
    if (refused != NULL) {
        assert_int_equal(refused->why, UNDELIVERED_RESET);
    }
    end();
}

static void icmp_is_no_traffic(void **state)
{
    static const uint8_t ip4[20] = {0x45, [12] = 203, 0, 113, 9};
    (void)state;
    open_workers(1, 256, 256);
    packet_start(&packet, 1, 5060, 2, 5060, PROTOCOL_UDP);
    packet_payload(&packet, "", 0);
    packet.datagram.undelivered = UNDELIVERED_PORT;
    packet.datagram.ip = ip4;
    see(&packet, START_NS);
    drain(&scene.workers[0]);
    const struct refused_sighting *refused = (const void *)find_kind(SIGHTING_REFUSED);
    assert_non_null(refused);
    assert_int_equal(refused->why, UNDELIVERED_PORT);
    assert_int_equal(refused->head.destination_port, 5060);
    assert_int_equal(refused->told_by.octets[12], 203);
    end();
    assert_int_equal(count_kind(SIGHTING_FLOW), 0);
}

/* --- other datagrams --- */

static void first_bytes_part_the_protocols(void **state)
{
    (void)state;
    static const uint8_t stun[20] = {0x01, 0x01, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3};
    static const uint8_t rr[8] = {0x80, 201, 0, 1, 0, 0, 0, 9};
    static const uint8_t feedback[12] = {0x81, 205, 0, 2, 0, 0, 0, 9, 0, 0, 0, 8};
    static const uint8_t marked[20] = {0x80, 0x80 | 70, 0, 1, 0, 0, 0, 1, 1, 2, 3, 4};
    static const char http[] = "GET / HTTP/1.1\r\nHost: example.org\r\n\r\n";
    static const char disguised[] = "SIP/2.0 200 OK\r\nContent-Type: text/html\r\n\r\n";
    static const struct {
        const char *name;
        const void *payload;
        size_t bytes;
        uint16_t from_port;
        uint16_t to_port;
        int kind; /* of the one sighting; -1 = none */
        enum count_id counted;
    } rows[] = {
        {"STUN on a SIP port", stun, 20, 5060, 40000, SIGHTING_PROOF,
         COUNT_REASON_FIRST + REASON_KEEPALIVE},
        {"STUN elsewhere", stun, 20, 40001, 40000, -1, COUNT_FLOWS},
        {"a receiver report", rr, 8, 40001, 40000, SIGHTING_RTCP, COUNT_RTCP_PACKETS},
        {"feedback between odd ports", feedback, 12, 40001, 50001, SIGHTING_RTCP,
         COUNT_RTCP_PACKETS},
        {"feedback of nobody known", feedback, 12, 40000, 50000, -1, COUNT_FLOWS},
        {"RTP of type 70 with its marker", marked, 20, 40000, 50000, -1,
         COUNT_REASON_FIRST + REASON_STREAM_CANDIDATE},
        {"CRLF on a SIP port", "\r\n\r\n", 4, 5060, 5060, -1,
         COUNT_REASON_FIRST + REASON_KEEPALIVE},
        {"NULs on a SIP port", "\0\0\0\0", 4, 5060, 5060, -1,
         COUNT_REASON_FIRST + REASON_KEEPALIVE},
        {"jaK", "jaK", 3, 5060, 5060, -1, COUNT_REASON_FIRST + REASON_KEEPALIVE},
        {"CRLF elsewhere", "\r\n\r\n", 4, 4000, 4000, -1, COUNT_FLOWS},
        {"text on a SIP port", "good morning", 12, 5060, 5060, -1,
         COUNT_REASON_FIRST + REASON_SIP_NOT},
        {"HTTP", http, sizeof http - 1, 80, 5000, -1, COUNT_FLOWS},
        {"a status line and nothing that SIP needs: counted, invalid", disguised,
         sizeof disguised - 1, 80, 5000, SIGHTING_SIP, COUNT_SIP_MALFORMED},
        {"nothing", "", 0, 5060, 5000, -1, COUNT_FLOWS},
    };
    for (size_t index = 0; index < COUNT_OF(rows); index++) {
        open_workers(1, 256, 256);
        udp(rows[index].payload, rows[index].bytes, rows[index].from_port, rows[index].to_port);
        drain(&scene.workers[0]);
        int kind = scene.told_count == 0 ? -1 : scene.told[0]->kind;
        size_t told = scene.told_count;
        end();
        if (kind != rows[index].kind || told != (rows[index].kind < 0 ? 0u : 1u) ||
            scene.counts[rows[index].counted] != 1) {
            fail_msg("%s: %zu told, first of kind %d, counted %" PRIu64, rows[index].name, told,
                     kind, scene.counts[rows[index].counted]);
        }
    }
}

static void media_leaves_the_flow_alone(void **state)
{
    (void)state;
    open_workers(1, 256, 256);
    packet_start(&packet, 1, 40000, 2, 50000, PROTOCOL_UDP);
    for (uint32_t place = 0; place < 200; place++) {
        packet_rtp(&packet, 0, (uint16_t)place, place * 160, 0xfeed, 160);
        see(&packet, START_NS + place * 20 * NS_PER_MS);
    }
    /* muxed RTCP of the same sender: weak by itself, but the stream vouches for it */
    static const uint8_t feedback[12] = {0x81, 205, 0, 2, 0, 0, 0xfe, 0xed, 0, 0, 0, 8};
    packet_payload(&packet, feedback, sizeof feedback);
    see(&packet, START_NS + 4 * NS_PER_S);
    end();
    assert_int_equal(count_kind(SIGHTING_RTCP), 1);
    const struct flow_sighting *flow = (const void *)find_kind(SIGHTING_FLOW);
    assert_int_equal(flow->application, FLOW_RTP);
    assert_int_equal(flow->forward_packets, 5); /* four until it was confirmed, and RTCP */
    assert_int_equal(scene.counts[COUNT_RTP_PACKETS], 200);
    assert_int_equal(scene.counts[COUNT_STREAMS], 1);
}

/* --- marks, counts --- */

static void marks_before_one_frame_stay_apart(void **state)
{
    (void)state;
    open_workers(1, 256, 256);
    udp("x", 1, 4000, 4001);
    uint64_t second = START_NS / NS_PER_S;
    for (uint64_t at = 1; at <= 12; at++) {
        mark(second + at); /* before the same frame: ascending all the same, drain() checks */
        drain(&scene.workers[0]);
    }
    assert_int_equal(count_kind(SIGHTING_MARK), 12);
    assert_int_equal(scene.counts[COUNT_FLOWS], 1); /* told at the second that 10 divides */
    const struct mark_sighting *first = (const void *)scene.told[0];
    assert_int_equal(first->second, second + 1);
    assert_int_equal(first->head.key, 2 << 1);
    assert_int_equal(first->head.sub, SUB_MARK);
    assert_int_equal(scene.told[11]->sub, SUB_MARK | UINT64_C(11) << SUB_MARK_SHIFT);
    udp("x", 1, 4000, 4001);
    mark(second + 13);
    end();
    assert_int_equal(count_kind(SIGHTING_END), 1);
}

static void frames_are_added_once(void **state)
{
    (void)state;
    static struct unwrap_counts counts;
    open_workers(1, 256, 256);
    counts.frames = 10;
    counts.reasons[REASON_ARP] = 3;
    counts.overlaps = 1;
    worker_state_add_frames(scene.workers[0].state, &counts, 5, 50);
    mark(START_NS / NS_PER_S + 10);
    counts.frames = 15;
    worker_state_add_frames(scene.workers[0].state, &counts, 5, 60);
    end();
    assert_int_equal(scene.counts[COUNT_FRAMES], 15);
    assert_int_equal(scene.counts[COUNT_REASON_FIRST + REASON_ARP], 3);
    assert_int_equal(scene.counts[COUNT_FRAME_ANOMALY_FIRST + ANOMALY_IP_FRAG_OVERLAP], 1);
}

/* --- equal answers --- */

static int by_key(const void *one, const void *other)
{
    const struct sighting *a = *(const struct sighting *const *)one;
    const struct sighting *b = *(const struct sighting *const *)other;
    if (a->key != b->key) {
        return a->key < b->key ? -1 : 1;
    }
    if (a->sub != b->sub) {
        return a->sub < b->sub ? -1 : 1;
    }
    return a < b ? -1 : 1; /* of one worker, in the order in which it told them */
}

/* Of who is alive the order does not count, only at which mark each was. */
static uint64_t alive_hash(const struct sighting *told)
{
    const struct alive_sighting *alive = (const void *)told;
    uint64_t sum = 0;
    for (uint32_t i = 0; i < alive->stream_count; i++) {
        sum += hash_mix(hash_bytes(HASH_KEY_FIXED, &alive->streams[i], sizeof alive->streams[i]),
                        told->state_ns);
    }
    return sum;
}

/* All that was told, in order, marks and ends once, pointers left out: one hash. */
static uint64_t told_hash(void)
{
    uint64_t hash = 0;
    uint64_t alive = 0;
    qsort(scene.told, scene.told_count, sizeof scene.told[0], by_key);
    for (size_t index = 0; index < scene.told_count; index++) {
        const struct sighting *told = scene.told[index];
        if (told->kind == SIGHTING_MARK || told->kind == SIGHTING_END ||
            told->kind == SIGHTING_SIP) {
            continue;
        }
        if (told->kind == SIGHTING_ALIVE) {
            alive += alive_hash(told);
            continue;
        }
        hash = hash_mix(hash, hash_bytes(HASH_KEY_FIXED, told, told->bytes));
    }
    hash = hash_mix(hash, alive);
    for (size_t index = 0; index < COUNT_TOTAL; index++) {
        hash = hash_mix(hash, scene.counts[index]);
    }
    return hash;
}

/* Streams and noise of many five-tuples, more than there is room for. */
static uint64_t play(uint32_t workers, uint32_t streams_max, uint32_t flows_max,
                     uint64_t *out_evicted)
{
    enum { STREAMS = 120, STEPS = 400 };
    uint64_t random = 20240229;
    open_workers(workers, streams_max, flows_max);
    uint64_t second = START_NS / NS_PER_S;
    for (uint32_t step = 0; step < STEPS; step++) {
        uint64_t now_ns = START_NS + step * 20 * NS_PER_MS;
        if (now_ns / NS_PER_S > second) {
            mark(++second);
        }
        for (uint32_t stream = 0; stream < STREAMS; stream++) {
            uint32_t luck = random_below(&random, 100);
            if (luck < 3 || step < stream) { /* lost, or not begun */
                continue;
            }
            packet_start(&packet, stream, (uint16_t)(20000 + 2 * stream), 999, 30000, PROTOCOL_UDP);
            uint32_t ssrc = stream % 10 == 0 && luck < 50 ? 0x1000 + step : 0xabc; /* bogus ones */
            packet_rtp(&packet, stream % 3 == 0 ? 111 : 0, (uint16_t)step,
                       step * (stream % 3 == 0 ? 960u : 160u), ssrc, 160);
            see(&packet, now_ns + random_below(&random, 5000000));
        }
        packet_start(&packet, 7, (uint16_t)(1000 + random_below(&random, 3000)), 8, 53,
                     PROTOCOL_UDP);
        packet_payload(&packet, "?", 1);
        see(&packet, now_ns);
    }
    end();
    *out_evicted = scene.counts[COUNT_REASON_FIRST + REASON_TABLE_STREAM] +
                   scene.counts[COUNT_REASON_FIRST + REASON_TABLE_FLOW];
    return told_hash();
}

static void answers_are_equal_for_any_number_of_workers(void **state)
{
    (void)state;
    static const struct {
        uint32_t streams_max;
        uint32_t flows_max;
        bool evicts;
    } rows[] = {{65536, 65536, false}, {64, 64, true}, {16, 16, true}};
    for (size_t index = 0; index < COUNT_OF(rows); index++) {
        uint64_t evicted[3];
        uint64_t one = play(1, rows[index].streams_max, rows[index].flows_max, &evicted[0]);
        size_t told = scene.told_count;
        uint64_t two = play(2, rows[index].streams_max, rows[index].flows_max, &evicted[1]);
        uint64_t four = play(4, rows[index].streams_max, rows[index].flows_max, &evicted[2]);
        assert_true(told > 100);
        assert_int_equal(evicted[0] > 0, rows[index].evicts);
        assert_int_equal(evicted[0], evicted[1]);
        assert_int_equal(evicted[0], evicted[2]);
        assert_int_equal(one, two);
        assert_int_equal(one, four);
    }
}

/* What comes in batches is told as what comes one by one. */
static void batches_change_nothing(void **state)
{
    (void)state;
    enum { PACKETS = 4000 };
    static struct packet packets[WORKER_BATCH];
    uint64_t hashes[2];
    for (int batched = 0; batched < 2; batched++) {
        uint64_t random = 99;
        size_t waiting = 0;
        open_workers(1, 32, 4096);
        for (uint32_t at = 0; at < PACKETS; at++) {
            uint32_t stream = random_below(&random, 60);
            struct packet *one = &packets[waiting];
            packet_start(one, stream, 20000, 999, 30000, PROTOCOL_UDP);
            packet_rtp(one, 0, (uint16_t)at, at * 160, 0xabc, 160);
            packet_at(one, ++scene.number, START_NS + at * NS_PER_MS);
            waiting++;
            if (batched == 0 || waiting == WORKER_BATCH || at + 1 == PACKETS) {
                struct datagram datagrams[WORKER_BATCH];
                for (size_t index = 0; index < waiting; index++) {
                    datagrams[index] = packets[index].datagram;
                }
                worker_state_see(scene.workers[0].state, datagrams, waiting);
                waiting = 0;
            }
        }
        end();
        assert_true(scene.counts[COUNT_REASON_FIRST + REASON_TABLE_STREAM] > 100);
        hashes[batched] = told_hash();
    }
    assert_int_equal(hashes[0], hashes[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_is_told_where_it_stands),
        cmocka_unit_test(responses_are_counted_by_status),
        cmocka_unit_test(messages_of_tcp_get_a_place),
        cmocka_unit_test(resets_refuse),
        cmocka_unit_test(icmp_is_no_traffic),
        cmocka_unit_test(first_bytes_part_the_protocols),
        cmocka_unit_test(media_leaves_the_flow_alone),
        cmocka_unit_test(marks_before_one_frame_stay_apart),
        cmocka_unit_test(a_mark_tells_more_than_there_is_room_for),
        cmocka_unit_test(frames_are_added_once),
        cmocka_unit_test(answers_are_equal_for_any_number_of_workers),
        cmocka_unit_test(batches_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
