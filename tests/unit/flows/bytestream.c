/* TCP: bytes in any order and any cut give the same messages; what is missing, forged or too much
 * is told. */
#include "sensor/flows/bytestream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define MESSAGE(name)                                                                              \
    "OPTIONS sip:" name "@example.com SIP/2.0\r\nCall-ID: " name "\r\nContent-Length: "            \
    "4\r\n\r\nbody"
#define BASE UINT32_C(0xffffff00) /* the sequence wraps within the first messages */
#define START_NS (UINT64_C(1800000000) * NS_PER_S)

struct told {
    char text[256]; /* first bytes of each message */
    uint32_t bytes;
    uint64_t number;
    uint64_t first_byte_ns;
    bool cut;
    bool resync;
    bool in_segment; /* not copied */
};

struct scene {
    struct bytestream_table *table;
    struct told told[64];
    unsigned count;
    unsigned reasons[REASON_COUNT];
    unsigned conflicts;
    unsigned answered;
    uint32_t acknowledged;
    uint64_t number;
    uint64_t now_ns;
    uint16_t port;
};

static void on_message(void *owner, const struct datagram *segment, const uint8_t *at,
                       uint32_t bytes, bool cut, bool resync, uint64_t first_byte_ns)
{
    struct scene *scene = owner;
    assert_true(scene->count < sizeof scene->told / sizeof scene->told[0]);
    struct told *told = &scene->told[scene->count++];
    size_t kept = bytes < sizeof told->text - 1 ? bytes : sizeof told->text - 1;
    memcpy(told->text, at, kept);
    told->text[kept] = '\0';
    told->bytes = bytes;
    told->number = segment->number;
    told->first_byte_ns = first_byte_ns;
    told->cut = cut;
    told->resync = resync;
    told->in_segment = segment->payload != NULL && at >= segment->payload &&
                       at + bytes <= segment->payload + segment->payload_bytes;
}

static void on_reason(void *owner, enum reason reason)
{
    ((struct scene *)owner)->reasons[reason]++;
}

static void on_answered(void *owner, const struct datagram *segment)
{
    (void)segment;
    ((struct scene *)owner)->answered++;
}

static void on_anomaly(void *owner, const struct datagram *segment, enum anomaly kind)
{
    (void)segment;
    assert_int_equal(kind, ANOMALY_TCP_OVERLAP_CONFLICT);
    ((struct scene *)owner)->conflicts++;
}

static void scene_open(struct scene *scene, uint32_t streams, size_t bytes)
{
    struct bytestream_options options = {.streams_max = streams,
                                         .bytes_max = bytes,
                                         .key = HASH_KEY_FIXED,
                                         .on_message = on_message,
                                         .on_reason = on_reason,
                                         .on_answered = on_answered,
                                         .on_anomaly = on_anomaly,
                                         .owner = scene};
    struct error error;
    memset(scene, 0, sizeof *scene);
    scene->now_ns = START_NS;
    scene->port = 5060;
    assert_int_equal(bytestream_open(&options, &scene->table, &error), STATUS_OK);
    assert_true(bytestream_bytes_max(&options) > bytes);
}

static void scene_close(struct scene *scene)
{
    bytestream_end(scene->table);
    bytestream_close(scene->table);
}

/* One segment in memory of exactly its size. `lost` bytes of its end were cut by the snap length.
 */
static bool send_cut(struct scene *scene, uint32_t offset, const char *text, size_t bytes,
                     uint8_t flags, uint32_t lost)
{
    static const uint8_t source[] = {192, 0, 2, 1};
    static const uint8_t destination[] = {192, 0, 2, 2};
    uint8_t *payload = malloc(bytes + 1);
    assert_non_null(payload);
    memcpy(payload + 1, text, bytes);
    struct datagram segment = {.time_ns = scene->now_ns,
                               .state_ns = scene->now_ns,
                               .number = ++scene->number,
                               .flow_hash = UINT64_C(0x1234567890) * scene->port,
                               .source = addr_from_v4(source),
                               .destination = addr_from_v4(destination),
                               .source_port = 40000,
                               .destination_port = scene->port,
                               .protocol = PROTOCOL_TCP,
                               .tcp_flags = flags,
                               .tcp_sequence = BASE + offset,
                               .tcp_acknowledgement = scene->acknowledged,
                               .payload = payload + 1,
                               .payload_bytes = (uint32_t)bytes,
                               .payload_wire = (uint32_t)bytes + lost};
    bool sip = bytestream_see(scene->table, &segment);
    free(payload);
    return sip;
}

static bool send(struct scene *scene, uint32_t offset, const char *text, size_t bytes)
{
    return send_cut(scene, offset, text, bytes, TCP_ACK, 0);
}

static void pass(struct scene *scene, uint64_t span_ns)
{
    scene->now_ns += span_ns;
    bytestream_mark(scene->table, scene->now_ns, scene->number + 1);
}

static const char three[] = MESSAGE("one") "\r\n\r\n" MESSAGE("two") MESSAGE("three");

static void assert_three(const struct scene *scene)
{
    assert_int_equal(scene->count, 3);
    assert_string_equal(scene->told[0].text, MESSAGE("one"));
    assert_string_equal(scene->told[1].text, MESSAGE("two"));
    assert_string_equal(scene->told[2].text, MESSAGE("three"));
    for (unsigned i = 0; i < 3; i++) {
        assert_false(scene->told[i].cut);
        assert_false(scene->told[i].resync);
    }
    assert_int_equal(scene->conflicts, 0);
}

static void test_whole_in_place(void **state)
{
    (void)state;
    static struct scene scene;
    scene_open(&scene, 64, 1 << 20);
    assert_true(send(&scene, 0, three, sizeof three - 1));
    assert_three(&scene);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(scene.told[i].in_segment);
    }
    assert_int_equal(scene.reasons[REASON_KEEPALIVE], 1);
    scene_close(&scene);
}

/* Two segments, cut at every byte; the message that lies over the cut has the time of its first
 * byte. */
static void test_every_cut(void **state)
{
    (void)state;
    for (size_t cut = 1; cut < sizeof three - 1; cut++) {
        static struct scene scene;
        scene_open(&scene, 64, 1 << 20);
        (void)send(&scene, 0, three, cut);
        scene.now_ns += 1000;
        (void)send(&scene, (uint32_t)cut, three + cut, sizeof three - 1 - cut);
        assert_three(&scene);
        assert_int_equal(scene.told[0].first_byte_ns, START_NS);
        assert_int_equal(scene.told[2].number, 2);
        size_t last = sizeof three - sizeof MESSAGE("three");
        assert_int_equal(scene.told[2].first_byte_ns, START_NS + (cut > last ? 0 : 1000));
        scene_close(&scene);
    }
}

static void test_small_segments(void **state)
{
    (void)state;
    for (size_t size = 1; size < 40; size++) {
        static struct scene scene;
        scene_open(&scene, 64, 1 << 20);
        for (size_t at = 0; at < sizeof three - 1; at += size) {
            size_t left = sizeof three - 1 - at;
            (void)send(&scene, (uint32_t)at, three + at, left < size ? left : size);
        }
        assert_three(&scene);
        scene_close(&scene);
    }
}

/* Every order of five pieces behind a SYN, each also with a copy of what came before. */
static void test_every_order(void **state)
{
    (void)state;
    enum { PIECES = 5, ORDERS = 120 };
    for (unsigned order = 0; order < ORDERS; order++) {
        unsigned left[PIECES] = {0, 1, 2, 3, 4};
        unsigned code = order;
        static struct scene scene;
        scene_open(&scene, 64, 1 << 20);
        (void)send_cut(&scene, UINT32_MAX, "", 0, TCP_SYN, 0);
        for (unsigned i = PIECES; i > 0; i--) {
            unsigned pick = code % i;
            unsigned piece = left[pick];
            code /= i;
            left[pick] = left[i - 1];
            size_t from = piece * (sizeof three - 1) / PIECES;
            size_t to = (piece + 1) * (sizeof three - 1) / PIECES;
            size_t back = from < 7 ? from : 7; /* overlaps the piece before, with the same bytes */
            (void)send(&scene, (uint32_t)(from - back), three + from - back, to - from + back);
            (void)send(&scene, (uint32_t)from, three + from, to - from);
        }
        assert_three(&scene);
        scene_close(&scene);
    }
}

static void test_first_bytes_win(void **state)
{
    (void)state;
    static const char one[] = MESSAGE("one");
    static const char forged[] = MESSAGE("bad");
    static struct scene scene;
    scene_open(&scene, 64, 1 << 20);
    (void)send_cut(&scene, UINT32_MAX, "", 0, TCP_SYN, 0);
    (void)send(&scene, 10, one + 10, sizeof one - 1 - 10);
    (void)send(&scene, 0, forged, sizeof forged - 1); /* only its first 10 bytes are news */
    assert_int_equal(scene.count, 1);
    assert_string_equal(scene.told[0].text, MESSAGE("one"));
    assert_int_equal(scene.conflicts, 1);
    /* A retransmission of what was told already: the same bytes are fine, others are not. */
    (void)send(&scene, 0, forged, sizeof forged - 1);
    assert_int_equal(scene.conflicts, 1);
    (void)send(&scene, 0, one, sizeof one - 1);
    assert_int_equal(scene.conflicts, 2);
    assert_int_equal(scene.count, 1);
    /* TCP's keep-alive repeats one byte, of any value. */
    (void)send(&scene, sizeof one - 2, "?", 1);
    assert_int_equal(scene.conflicts, 2);
    scene_close(&scene);
}

static void test_gap_by_time(void **state)
{
    (void)state;
    static const char one[] = MESSAGE("one");
    static const char two[] = MESSAGE("two");
    static struct scene scene;
    uint32_t second = sizeof one - 1;
    scene_open(&scene, 64, 1 << 20);
    (void)send(&scene, 0, one, 50); /* the headers are not whole */
    (void)send(&scene, second + 20, two + 20, sizeof two - 1 - 20);
    pass(&scene, 2 * NS_PER_S);
    assert_int_equal(scene.count, 0); /* may still be filled */
    pass(&scene, 1);
    assert_int_equal(scene.count, 1);
    assert_true(scene.told[0].cut);
    assert_int_equal(scene.told[0].bytes, 50);
    assert_int_equal(scene.told[0].number, 1); /* the stream's first packet: order at a mark */
    (void)send(&scene, second + sizeof two - 1, "\r\n" MESSAGE("three"),
               sizeof MESSAGE("three") + 1);
    assert_int_equal(scene.count, 2); /* "two" has no start line */
    assert_string_equal(scene.told[1].text, MESSAGE("three"));
    assert_true(scene.told[1].resync);
    scene_close(&scene);
}

/* The message before the gap says by its length where the next one begins: nothing is searched. */
static void test_gap_within_a_body(void **state)
{
    (void)state;
    static const char one[] = MESSAGE("one");
    static struct scene scene;
    uint32_t end = sizeof one - 1;
    scene_open(&scene, 64, 1 << 20);
    (void)send(&scene, 0, one, end - 3);
    (void)send(&scene, end - 1, "y", 1);
    pass(&scene, 3 * NS_PER_S);
    (void)send(&scene, end, MESSAGE("two"), sizeof MESSAGE("two") - 1);
    assert_int_equal(scene.count, 2);
    assert_true(scene.told[0].cut);
    assert_false(scene.told[1].cut);
    assert_false(scene.told[1].resync);
    scene_close(&scene);
}

static void test_gap_by_bytes(void **state)
{
    (void)state;
    static char junk[66000];
    static struct scene scene;
    scene_open(&scene, 64, 4 << 20);
    memset(junk, 'j', sizeof junk);
    (void)send(&scene, 0, MESSAGE("one"), 50);
    (void)send(&scene, 1000, junk, 60000);
    assert_int_equal(scene.count, 0);
    (void)send(&scene, 61000, junk, 6000);
    assert_int_equal(scene.count, 1);
    assert_true(scene.told[0].cut);
    scene_close(&scene);
}

static void test_snap_length(void **state)
{
    (void)state;
    static const char one[] = MESSAGE("one");
    static struct scene scene;
    scene_open(&scene, 64, 1 << 20);
    for (unsigned i = 0; i < 3; i++) {
        (void)send_cut(&scene, i * (sizeof one - 1), one, 40, TCP_ACK, sizeof one - 1 - 40);
    }
    assert_int_equal(scene.count, 3);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(scene.told[i].cut);
        assert_false(scene.told[i].resync);
        assert_int_equal(scene.told[i].bytes, 40);
    }
    scene_close(&scene);
}

static void test_fin_and_rst_start_a_clock(void **state)
{
    (void)state;
    static const char one[] = MESSAGE("one");
    static const uint8_t flags[] = {TCP_FIN | TCP_ACK, TCP_RST};
    for (size_t i = 0; i < sizeof flags; i++) {
        static struct scene scene;
        scene_open(&scene, 64, 1 << 20);
        (void)send(&scene, 0, one, 60);
        (void)send_cut(&scene, 60, "", 0, flags[i], 0); /* forged: the sender goes on */
        scene.now_ns += NS_PER_S;
        (void)send(&scene, 60, one + 60, sizeof one - 1 - 60);
        assert_int_equal(scene.count, 1);
        assert_false(scene.told[0].cut);
        (void)send(&scene, sizeof one - 1, one, 60);
        (void)send_cut(&scene, sizeof one - 1 + 60, "", 0, flags[i], 0);
        pass(&scene, 3 * NS_PER_S);
        assert_int_equal(scene.count, 2);
        assert_true(scene.told[1].cut);
        scene_close(&scene);
        assert_int_equal(scene.count, 2);
    }
}

static void test_new_connection_on_old_ports(void **state)
{
    (void)state;
    static const char one[] = MESSAGE("one");
    static struct scene scene;
    scene_open(&scene, 64, 1 << 20);
    (void)send(&scene, 0, one, 60);
    (void)send_cut(&scene, 0x40000000 - 1, "", 0, TCP_SYN, 0);
    assert_int_equal(scene.count, 0); /* a SYN alone proves nothing */
    (void)send(&scene, 0x40000000, one, sizeof one - 1);
    assert_int_equal(scene.count, 2);
    assert_true(scene.told[0].cut);
    assert_false(scene.told[1].cut);
    assert_false(scene.told[1].resync);
    /* A jump without a SYN is believed when a second segment continues it. */
    (void)send(&scene, 0x80000000, one, sizeof one - 1);
    assert_int_equal(scene.count, 2);
    (void)send(&scene, 0x80000000 + sizeof one - 1, one, sizeof one - 1);
    assert_int_equal(scene.count, 3);
    assert_true(scene.told[2].resync);
    scene_close(&scene);
}

static void test_not_sip(void **state)
{
    (void)state;
    static struct scene scene;
    static char page[5000];
    scene_open(&scene, 64, 1 << 20);
    scene.port = 80;
    memset(page, 'p', sizeof page);
    memcpy(page, "HTTP/1.1 200 OK\r\n", 17);
    assert_true(send(&scene, 0, page, 1000));
    assert_true(send(&scene, 1000, page, 1000));
    assert_false(send(&scene, 2000, page, 3000));
    assert_false(send(&scene, 5000, MESSAGE("one"), sizeof MESSAGE("one") - 1));
    assert_int_equal(scene.count, 0);
    /* A new connection is looked at again. */
    (void)send_cut(&scene, 0x40000000 - 1, "", 0, TCP_SYN, 0);
    assert_true(send(&scene, 0x40000000, MESSAGE("one"), sizeof MESSAGE("one") - 1));
    assert_int_equal(scene.count, 1);
    /* The answer of a web server that calls itself SIP. */
    scene.port = 81;
    (void)send(&scene, 0, "SIP/2.0 200 ok\r\nHTTP/1.1 200 ok\r\n\r\n", 35);
    assert_int_equal(scene.count, 1);
    scene_close(&scene);
}

static void test_pick_up_in_the_middle(void **state)
{
    (void)state;
    static struct scene scene;
    scene_open(&scene, 64, 1 << 20);
    (void)send(&scene, 0, "f a body\r\nwithout beginning\r\n" MESSAGE("one"),
               sizeof "f a body\r\nwithout beginning\r\n" MESSAGE("one") - 1);
    assert_int_equal(scene.count, 1);
    assert_string_equal(scene.told[0].text, MESSAGE("one"));
    scene_close(&scene);
}

static void test_capped(void **state)
{
    (void)state;
    static const char head[] = "OPTIONS sip:a@b SIP/2.0\r\nContent-Length: 70000\r\n\r\n";
    static char body[70000];
    static struct scene scene;
    struct sip_message message;
    uint32_t at = 0;
    scene_open(&scene, 64, 4 << 20);
    (void)send(&scene, at, head, sizeof head - 1);
    at += sizeof head - 1;
    for (unsigned i = 0; i < 70; i++, at += 1000) {
        (void)send(&scene, at, body + (size_t)i * 1000, 1000);
    }
    (void)send(&scene, at, MESSAGE("one"), sizeof MESSAGE("one") - 1);
    assert_int_equal(scene.count, 2);
    assert_int_equal(scene.told[0].bytes, sizeof head - 1);
    assert_false(scene.told[0].cut);
    assert_int_equal(sip_decode((const uint8_t *)scene.told[0].text, scene.told[0].bytes,
                                scene.told[0].bytes, SIP_TCP, true, &message),
                     REASON_NONE);
    assert_true(sip_has_anomaly(&message, ANOMALY_MESSAGE_CAPPED));
    assert_string_equal(scene.told[1].text, MESSAGE("one"));
    assert_false(scene.told[1].resync);
    scene_close(&scene);
}

/* Headers that never end are given up at the limit, and the work for it stays linear. */
static void test_endless_headers(void **state)
{
    (void)state;
    static struct scene scene;
    uint32_t at = 0;
    scene_open(&scene, 64, 4 << 20);
    (void)send(&scene, at, "OPTIONS sip:a@b SIP/2.0\r\n", 25);
    at += 25;
    for (; at < SIP_MESSAGE_BYTES_MAX + 100; at += 8) {
        (void)send(&scene, at, "X: y\r\nZ:", 8);
    }
    assert_int_equal(scene.count, 1);
    assert_int_equal(scene.told[0].bytes, SIP_MESSAGE_BYTES_MAX);
    assert_true(scene.told[0].cut);
    scene_close(&scene);
}

/* CPU time of segments of three bytes behind 57 KB of headers that have not ended. */
static uint64_t time_of_segments(const char *bytes)
{
    static struct scene scene;
    struct timespec before;
    struct timespec after;
    uint32_t at = 0;
    scene_open(&scene, 64, 4 << 20);
    (void)send(&scene, at, "OPTIONS sip:a@b SIP/2.0\r\n", 25);
    at += 25;
    for (; at < 57000; at += 5) {
        (void)send(&scene, at, "X:y\r\n", 5);
    }
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
    for (unsigned i = 0; i < 2000; i++, at += 3) {
        (void)send(&scene, at, bytes, 3);
    }
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
    assert_int_equal(scene.count, 0);
    scene_close(&scene);
    return (uint64_t)(after.tv_sec - before.tv_sec) * NS_PER_S + (uint64_t)after.tv_nsec -
           (uint64_t)before.tv_nsec;
}

/* What ends no headers has nobody look at all of them again: that took 500 times as long. */
static void test_stray_returns_cost_nothing(void **state)
{
    (void)state;
    uint64_t plain_ns = time_of_segments("aaa");
    uint64_t stray_ns = time_of_segments("\r\ra");
    assert_true(stray_ns < 20 * plain_ns + 5 * NS_PER_MS);
}

/* Where lines end with CR alone, an empty one does too. */
static void test_lines_of_returns(void **state)
{
    (void)state;
    static const char returns[] = "OPTIONS sip:a@b SIP/2.0\rCall-ID: 1\rContent-Length: 0\r\r";
    static struct scene scene;
    uint32_t at = 0;
    scene_open(&scene, 64, 1 << 20);
    for (; at < sizeof returns - 1; at++) {
        (void)send(&scene, at, returns + at, 1);
    }
    (void)send(&scene, at, MESSAGE("one"), sizeof MESSAGE("one") - 1);
    assert_int_equal(scene.count, 2);
    assert_string_equal(scene.told[0].text, returns);
    assert_string_equal(scene.told[1].text, MESSAGE("one"));
    scene_close(&scene);
}

static unsigned answered_at(struct scene *scene, uint32_t offset, uint32_t acknowledged)
{
    scene->acknowledged = acknowledged;
    (void)send(scene, offset, "", 0);
    return scene->answered;
}

/* Whoever acknowledges what came behind his request was answered, heard or not: once a request. */
static void test_answers_are_acknowledged(void **state)
{
    (void)state;
    static const char answer[] = "SIP/2.0 200 OK\r\nCall-ID: two\r\nContent-Length: 0\r\n\r\n";
    static struct scene scene;
    uint32_t at = sizeof MESSAGE("one") - 1;
    scene_open(&scene, 64, 1 << 20);
    assert_int_equal(answered_at(&scene, 0, 500), 0); /* nobody has asked */
    scene.acknowledged = UINT32_MAX - 9; /* it wraps */
    (void)send(&scene, 0, MESSAGE("one"), at);
    assert_int_equal(answered_at(&scene, at, BYTESTREAM_ANSWER_BYTES - 11), 0); /* keep-alives */
    assert_int_equal(answered_at(&scene, at, UINT32_MAX - 1000), 0); /* an older segment */
    assert_int_equal(answered_at(&scene, at, BYTESTREAM_ANSWER_BYTES - 10), 1);
    assert_int_equal(answered_at(&scene, at, 5000), 1);
    (void)send(&scene, at, MESSAGE("one"), at);
    scene.acknowledged = 6000;
    (void)send(&scene, 2 * at, answer, sizeof answer - 1); /* it brings the acknowledgement, too */
    assert_int_equal(scene.answered, 2);
    assert_int_equal(answered_at(&scene, 2 * at + sizeof answer - 1, 7000), 2); /* of an answer */
    assert_int_equal(scene.count, 3);
    scene_close(&scene);
}

static void test_streams_are_bounded(void **state)
{
    (void)state;
    static struct scene scene;
    scene_open(&scene, 16, 1 << 20); /* one a shard */
    for (unsigned i = 0; i < 64; i++) {
        scene.port = (uint16_t)(5060 + i);
        (void)send(&scene, 0, MESSAGE("one"), 60);
    }
    assert_true(scene.reasons[REASON_TABLE_BYTESTREAM] >= 64 - 16);
    /* What was pushed out is told at the packet that did it, never before an earlier one. */
    for (unsigned i = 1; i < scene.count; i++) {
        assert_true(scene.told[i].cut);
        assert_true(scene.told[i].number > scene.told[i - 1].number);
    }
    unsigned before = scene.count;
    bytestream_end(scene.table);
    assert_int_equal(scene.count, 64); /* each stream told its message, once */
    for (unsigned i = before + 1; i < scene.count; i++) {
        assert_true(scene.told[i].number > scene.told[i - 1].number);
    }
    bytestream_close(scene.table);
}

static void test_bytes_are_bounded(void **state)
{
    (void)state;
    static char body[4000];
    static struct scene scene;
    scene_open(&scene, 64, 16 * 2048); /* one chunk a shard */
    scene.port = 5060;
    (void)send(&scene, 0, "OPTIONS sip:a@b SIP/2.0\r\nContent-Length: 3900\r\n\r\n", 49);
    (void)send(&scene, 49, body, 3900);
    assert_int_equal(scene.count, 1);
    assert_true(scene.told[0].cut);
    assert_true(scene.reasons[REASON_BYTESTREAM_BYTES] > 0);
    (void)send(&scene, 3949, MESSAGE("one"), sizeof MESSAGE("one") - 1);
    assert_int_equal(scene.count, 2);
    assert_true(scene.told[1].resync);
    scene_close(&scene);
}

static void test_silence_and_end(void **state)
{
    (void)state;
    static struct scene scene;
    scene_open(&scene, 64, 1 << 20);
    (void)send(&scene, 0, MESSAGE("one"), 60);
    pass(&scene, 300 * NS_PER_S);
    assert_int_equal(scene.count, 0);
    pass(&scene, 1);
    assert_int_equal(scene.count, 1);
    assert_true(scene.told[0].cut);
    scene.port = 5061;
    (void)send(&scene, 0, MESSAGE("two"), 60);
    bytestream_end(scene.table);
    assert_int_equal(scene.count, 2);
    assert_int_equal(scene.told[1].number, 2);
    bytestream_end(scene.table);
    assert_int_equal(scene.count, 2);
    bytestream_close(scene.table);
    bytestream_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_in_place),
        cmocka_unit_test(test_every_cut),
        cmocka_unit_test(test_small_segments),
        cmocka_unit_test(test_every_order),
        cmocka_unit_test(test_first_bytes_win),
        cmocka_unit_test(test_gap_by_time),
        cmocka_unit_test(test_gap_within_a_body),
        cmocka_unit_test(test_gap_by_bytes),
        cmocka_unit_test(test_snap_length),
        cmocka_unit_test(test_fin_and_rst_start_a_clock),
        cmocka_unit_test(test_new_connection_on_old_ports),
        cmocka_unit_test(test_not_sip),
        cmocka_unit_test(test_pick_up_in_the_middle),
        cmocka_unit_test(test_capped),
        cmocka_unit_test(test_endless_headers),
        cmocka_unit_test(test_stray_returns_cost_nothing),
        cmocka_unit_test(test_lines_of_returns),
        cmocka_unit_test(test_answers_are_acknowledged),
        cmocka_unit_test(test_streams_are_bounded),
        cmocka_unit_test(test_bytes_are_bounded),
        cmocka_unit_test(test_silence_and_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
