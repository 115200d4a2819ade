/* GRE, ERSPAN and the tunnels in UDP: each opened, cut at every byte, and left plain when it does
 * not check out. */
#include "tests/unit/decoders/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { LINK_RAW = 101 };

#define PUT(frame, literal) frame_put(frame, literal, sizeof literal - 1)

struct row {
    const char *name;
    void (*build)(struct frame *frame); /* around the packet of frame_packet() */
    uint32_t vni;
};

static void gre_with(struct frame *frame, uint32_t flags, uint32_t protocol)
{
    frame_be16(frame, protocol);
    frame_be16(frame, flags);
    frame_ip4_outer(frame, 47);
}

static void gre(struct frame *frame)
{
    gre_with(frame, 0, 0x0800);
}

static void gre_all_fields(struct frame *frame)
{
    frame_zeros(frame, 4); /* the end of the routing */
    PUT(frame, "\x08\x00\x00\x04wxyz"); /* one routing entry */
    frame_be32(frame, 9); /* sequence */
    frame_be32(frame, 76); /* key */
    frame_be32(frame, 0x12340000); /* checksum, offset */
    gre_with(frame, 0xf000, 0x0800);
}

static void gre_bridged(struct frame *frame)
{
    frame_ethernet(frame, 0x0800);
    frame_be32(frame, 0);
    gre_with(frame, 0x2000, 0x6558);
}

static void gre_mpls(struct frame *frame)
{
    frame_be32(frame, 0x00010140);
    gre_with(frame, 0, 0x8847);
}

static void gre_ppp(struct frame *frame)
{
    PUT(frame, "\xff\x03\x00\x21");
    gre_with(frame, 0, 0x880b);
}

static void gre_pptp(struct frame *frame)
{
    PUT(frame, "\xff\x03\x00\x21");
    uint32_t length = frame_bytes(frame);
    frame_be32(frame, 3); /* acknowledgement */
    frame_be32(frame, 2); /* sequence */
    frame_be32(frame, length << 16 | 76);
    gre_with(frame, 0x3081, 0x880b);
}

static void erspan1(struct frame *frame)
{
    frame_ethernet(frame, 0x0800);
    gre_with(frame, 0, 0x88be);
}

static void erspan2(struct frame *frame)
{
    frame_ethernet(frame, 0x0800);
    frame_be32(frame, 0);
    frame_be32(frame, 0x1064004c); /* version 1, VLAN 100, session 76 */
    frame_be32(frame, 1);
    gre_with(frame, 0x1000, 0x88be);
}

static void erspan3(struct frame *frame)
{
    frame_ethernet(frame, 0x0800);
    frame_be32(frame, 0);
    frame_be32(frame, 0);
    frame_be32(frame, 0x2064004c);
    frame_be32(frame, 1);
    gre_with(frame, 0x1000, 0x22eb);
}

static void erspan3_platform(struct frame *frame)
{
    frame_zeros(frame, 8);
    frame_be32(frame, 0x00000801); /* frame type IP, O */
    frame_be32(frame, 0);
    frame_be32(frame, 0x2064004c);
    frame_be32(frame, 1);
    gre_with(frame, 0x1000, 0x22eb);
}

static void in_udp(struct frame *frame, uint32_t port)
{
    frame_udp(frame, 50000, port);
    frame_ip4_outer(frame, PROTOCOL_UDP);
}

static void vxlan(struct frame *frame)
{
    frame_ethernet(frame, 0x0800);
    PUT(frame, "\x08\0\0\0\0\0\x4c\0");
    in_udp(frame, 4789);
}

static void vxlan_policy(struct frame *frame)
{
    frame_ethernet(frame, 0x0800);
    PUT(frame, "\x88\x48\x12\x34\0\0\x4c\0");
    in_udp(frame, 8472);
}

static void vxlan_answer(struct frame *frame)
{
    frame_ethernet(frame, 0x0800);
    PUT(frame, "\x08\0\0\0\0\0\x4c\0");
    frame_udp(frame, 4789, 50000);
    frame_ip4_outer(frame, PROTOCOL_UDP);
}

static void gpe_ip(struct frame *frame)
{
    PUT(frame, "\x0c\0\0\x01\0\0\x4c\0");
    in_udp(frame, 4790);
}

static void gpe_ethernet(struct frame *frame)
{
    frame_ethernet(frame, 0x0800);
    PUT(frame, "\x0c\0\0\x03\0\0\x4c\0");
    in_udp(frame, 4790);
}

static void gpe_nsh(struct frame *frame)
{
    PUT(frame, "\x0f\xc2\x01\x01\x00\x00\x01\xff");
    PUT(frame, "\x0c\0\0\x04\0\0\x4c\0");
    in_udp(frame, 4790);
}

static void geneve(struct frame *frame)
{
    frame_ethernet(frame, 0x0800);
    PUT(frame, "\x01\x03\x80\x01\xde\xad\xbe\xef");
    PUT(frame, "\x02\x40\x65\x58\0\0\x4c\0");
    in_udp(frame, 6081);
}

static void geneve_ip(struct frame *frame)
{
    PUT(frame, "\0\0\x08\0\0\0\x4c\0");
    in_udp(frame, 6081);
}

static void gtp_head(struct frame *frame, uint8_t flags, uint8_t type)
{
    uint32_t length = frame_bytes(frame);
    frame_be32(frame, 76);
    frame_be16(frame, length);
    frame_be16(frame, (uint32_t)flags << 8 | type);
}

static void gtp(struct frame *frame)
{
    gtp_head(frame, 0x30, 255);
    in_udp(frame, 2152);
}

static void gtp_extended(struct frame *frame)
{
    PUT(frame, "\x02\0\0\0\0\0\0\0"); /* two words, none behind */
    PUT(frame, "\x01\x10\x20\x85"); /* one word, another behind */
    PUT(frame, "\x00\x09\x00\x85"); /* sequence, N-PDU, an extension */
    gtp_head(frame, 0x37, 255);
    in_udp(frame, 2152);
}

static void gtp_sequence(struct frame *frame)
{
    PUT(frame, "\x00\x09\x00\x85"); /* without E the last byte says nothing */
    gtp_head(frame, 0x32, 255);
    in_udp(frame, 2152);
}

static void l2tp(struct frame *frame)
{
    PUT(frame, "\xff\x03\x00\x21");
    PUT(frame, "\x00\x02\x00\x00\x00\x4c");
    in_udp(frame, 1701);
}

static void l2tp_all_fields(struct frame *frame)
{
    PUT(frame, "\x21");
    PUT(frame, "\x00\x03\xee\xee\xee"); /* offset */
    PUT(frame, "\x00\x00\x00\x4c\x00\x01\x00\x02"); /* ids, sequence */
    frame_be16(frame, frame_bytes(frame) + 4);
    PUT(frame, "\x4a\x02");
    in_udp(frame, 1701);
}

static void capwap_ethernet(struct frame *frame)
{
    frame_ethernet(frame, 0x0800);
    PUT(frame, "\x00\x10\x02\x00\0\0\0\0");
    in_udp(frame, 5247);
}

static void wifi(struct frame *frame, const char *control)
{
    PUT(frame, "\xaa\xaa\x03\x00\x00\x00\x08\x00");
    PUT(frame, "\0\0\2\0\0\0\0\1\2\0\0\0\0\2\2\0\0\0\0\3\x10\x06");
    frame_put(frame, control, 2);
}

static void capwap_wifi(struct frame *frame)
{
    wifi(frame, "\x08\x01");
    frame_at(frame)[22] = 0; /* fragment number 0, sequence 6 */
    frame_zeros(frame, 8); /* wireless information */
    PUT(frame, "\x00\x20\x03\x20\0\0\0\0");
    in_udp(frame, 5247);
}

static void capwap_wifi_swapped(struct frame *frame)
{
    wifi(frame, "\x11\x08");
    frame_at(frame)[22] = 0x06;
    frame_at(frame)[23] = 0x10; /* in this order a fragment number 0 */
    PUT(frame, "\x00\x10\x03\x00\0\0\0\0");
    in_udp(frame, 5247);
}

static void tzsp(struct frame *frame)
{
    frame_ethernet(frame, 0x0800);
    PUT(frame, "\x01\x00\x00\x01\x0a\x01\x33\x00\x01");
    in_udp(frame, 37008);
}

/* clang-format off */
static const struct row rows[] = {
    {"gre", gre, 0},
    {"gre, all fields", gre_all_fields, 77},
    {"gre, bridged", gre_bridged, 1},
    {"gre, mpls", gre_mpls, 0},
    {"gre, ppp", gre_ppp, 0},
    {"gre, pptp", gre_pptp, 77},
    {"erspan 1", erspan1, 0},
    {"erspan 2", erspan2, 77},
    {"erspan 3", erspan3, 77},
    {"erspan 3, platform header, ip", erspan3_platform, 77},
    {"vxlan", vxlan, 77},
    {"vxlan, policy", vxlan_policy, 77},
    {"vxlan, answer", vxlan_answer, 77},
    {"vxlan-gpe, ip", gpe_ip, 77},
    {"vxlan-gpe, ethernet", gpe_ethernet, 77},
    {"vxlan-gpe, nsh", gpe_nsh, 77},
    {"geneve, options", geneve, 77},
    {"geneve, ip", geneve_ip, 77},
    {"gtp", gtp, 77},
    {"gtp, extended", gtp_extended, 77},
    {"gtp, sequence", gtp_sequence, 77},
    {"l2tp", l2tp, 77},
    {"l2tp, all fields", l2tp_all_fields, 77},
    {"capwap, ethernet", capwap_ethernet, 0},
    {"capwap, 802.11", capwap_wifi, 0},
    {"capwap, 802.11 swapped", capwap_wifi_swapped, 0},
    {"tzsp", tzsp, 0},
};
/* clang-format on */

enum { ROWS = sizeof rows / sizeof rows[0] };

static bool is_inner(const struct layers *layers)
{
    const uint8_t source[] = {192, 0, 2, 1};
    struct addr expected = addr_from_v4(source);
    return addr_equal(&layers->source, &expected);
}

static void every_tunnel_is_opened(void **state)
{
    (void)state;
    for (size_t index = 0; index < ROWS; index++) {
        struct frame frame;
        struct layers layers;
        frame_packet(&frame);
        rows[index].build(&frame);
        enum reason reason = frame_decode(&frame, LINK_RAW, &layers);
        if (reason != REASON_NONE || !is_inner(&layers) || layers.source_port != 5060 ||
            layers.vni != rows[index].vni || layers.tunnels != 1) {
            fail_msg("%s: %s, label %u, port %u", rows[index].name, reason_rows[reason].slug,
                     (unsigned)layers.vni, (unsigned)layers.source_port);
        }
        assert_int_equal(layers.notes[0], REASON_NONE);
        assert_int_equal(layers.payload_wire, FRAME_PAYLOAD_BYTES);
        assert_memory_equal(layers.payload, FRAME_PAYLOAD, FRAME_PAYLOAD_BYTES);
        assert_true(frame_view_fits(&frame, &layers));
    }
}

static void a_cut_tunnel_is_never_malformed(void **state)
{
    (void)state;
    for (size_t index = 0; index < ROWS; index++) {
        struct frame frame;
        struct layers layers;
        frame_packet(&frame);
        rows[index].build(&frame);
        uint32_t wire = frame_bytes(&frame);
        for (uint32_t captured = 0; captured < wire; captured++) {
            enum reason reason = frame_decode_cut(&frame, LINK_RAW, captured, wire, &layers);
            if (reason_rows[reason].verdict == FRAME_MALFORMED) {
                fail_msg("%s cut at %u: %s", rows[index].name, captured, reason_rows[reason].slug);
            }
            assert_true(frame_view_fits(&frame, &layers));
        }
    }
}

/* Whole frames, but with less inside: the lengths outside still agree, those inside do not. */
static void a_tunnel_must_agree_with_itself(void **state)
{
    (void)state;
    for (size_t index = 0; index < ROWS; index++) {
        for (size_t missing = 1; missing <= FRAME_PAYLOAD_BYTES + 28; missing++) {
            struct frame frame;
            struct layers layers;
            frame_packet(&frame);
            struct frame shorter;
            frame_start(&shorter, frame_at(&frame), frame_bytes(&frame) - missing);
            rows[index].build(&shorter);
            enum reason reason = frame_decode(&shorter, LINK_RAW, &layers);
            assert_true(frame_view_fits(&shorter, &layers));
            bool in_udp = frame_at(&shorter)[9] == PROTOCOL_UDP;
            if (in_udp) {
                assert_int_equal(reason, REASON_NONE);
                assert_false(is_inner(&layers));
                assert_int_equal(layers.tunnels, 0);
                assert_int_equal(layers.vni, 0);
                assert_true(frame_noted(&layers, REASON_TUNNEL_OTHER));
                assert_int_equal(layers.payload_bytes, frame_bytes(&shorter) - 28);
            } else {
                assert_true(reason != REASON_NONE || frame_noted(&layers, REASON_IP_TRIMMED));
            }
        }
    }
}

struct plain_row {
    const char *name;
    uint16_t port;
    const char *bytes;
    size_t count;
    enum reason note;
};

#define BYTES(literal) literal, sizeof literal - 1
#define RTP                                                                                        \
    "\x80\x00\x12\x34\0\0\0\xa0\xde\xad\xbe\xef"                                                   \
    "voicevoicevoicevoicevoicevoice"

/* clang-format off */
static const struct plain_row plain_rows[] = {
    {"rtp on l2tp", 1701, BYTES(RTP), REASON_TUNNEL_OTHER},
    {"rtp on gtp", 2152, BYTES(RTP), REASON_TUNNEL_OTHER},
    {"rtp on teredo", 3544, BYTES(RTP), REASON_TUNNEL_OTHER},
    {"rtp on vxlan", 4789, BYTES(RTP), REASON_TUNNEL_OTHER},
    {"rtp on vxlan-gpe", 4790, BYTES(RTP), REASON_TUNNEL_OTHER},
    {"rtp on capwap", 5247, BYTES(RTP), REASON_TUNNEL_OTHER},
    {"rtp on geneve", 6081, BYTES(RTP), REASON_TUNNEL_OTHER},
    {"rtp on vxlan of linux", 8472, BYTES(RTP), REASON_TUNNEL_OTHER},
    {"rtp on tzsp", 37008, BYTES(RTP), REASON_TUNNEL_OTHER},
    {"sip on gtp", 2152, BYTES(FRAME_PAYLOAD), REASON_TUNNEL_OTHER},
    {"empty on gtp", 2152, BYTES(""), REASON_TUNNEL_OTHER},
    {"gtp echo", 2152, BYTES("\x32\x01\x00\x04\0\0\0\0\0\1\0\0"), REASON_GTP_OTHER},
    {"gtp longer than its datagram", 2152, BYTES("\x30\xff\x00\x02\0\0\0\1\x45"), REASON_TUNNEL_OTHER},
    {"gtp, extension of no length", 2152, BYTES("\x34\xff\x00\x08\0\0\0\1\0\0\0\x85\0\0\0\0"), REASON_TUNNEL_OTHER},
    {"l2tp control", 1701, BYTES("\xc8\x02\x00\x0c\0\0\0\0\0\0\0\0"), REASON_L2TP_CONTROL},
    {"l2tp version 3", 1701, BYTES("\x00\x03\0\0\0\0\0\1\x45"), REASON_TUNNEL_OTHER},
    {"vxlan without its bit", 4789, BYTES("\0\0\0\0\0\0\1\0" "22222222222222"), REASON_TUNNEL_OTHER},
    {"vxlan with a reserved byte", 4789, BYTES("\x08\0\0\0\0\0\1\1" "22222222222222"), REASON_TUNNEL_OTHER},
    {"vxlan of seven bytes", 4789, BYTES("\x08\0\0\0\0\0\1"), REASON_TUNNEL_OTHER},
    {"geneve control", 6081, BYTES("\0\x80\x65\x58\0\0\1\0" "22222222222222"), REASON_TUNNEL_OTHER},
    {"geneve version 1", 6081, BYTES("\x40\0\x65\x58\0\0\1\0" "22222222222222"), REASON_TUNNEL_OTHER},
    {"geneve options beyond", 6081, BYTES("\x3f\0\x65\x58\0\0\1\0" "22222222222222"), REASON_TUNNEL_OTHER},
    {"capwap keep-alive", 5247, BYTES("\0\x10\x02\x08\0\0\0\0"), REASON_TUNNEL_OTHER},
    {"capwap in dtls", 5247, BYTES("\1\0\0\0\x16\xfe\xff\0"), REASON_TUNNEL_OTHER},
    {"capwap header of four bytes", 5247, BYTES("\0\x08\x02\0\0\0\0\0"), REASON_TUNNEL_OTHER},
    {"tzsp keep-alive", 37008, BYTES("\1\4\0\0"), REASON_TUNNEL_OTHER},
    {"tzsp without an end", 37008, BYTES("\1\0\0\1\0\0\x0a"), REASON_TUNNEL_OTHER},
};
/* clang-format on */

static void what_is_no_tunnel_stays_plain_udp(void **state)
{
    (void)state;
    for (size_t index = 0; index < sizeof plain_rows / sizeof plain_rows[0]; index++) {
        const struct plain_row *row = &plain_rows[index];
        struct frame frame;
        struct layers layers;
        frame_start(&frame, row->bytes, row->count);
        frame_udp(&frame, 16384, row->port);
        frame_ip4(&frame, PROTOCOL_UDP);
        enum reason reason = frame_decode(&frame, LINK_RAW, &layers);
        if (reason != REASON_NONE || !frame_noted(&layers, row->note)) {
            fail_msg("%s: %s, note %s", row->name, reason_rows[reason].slug,
                     reason_rows[layers.notes[0]].slug);
        }
        assert_int_equal(layers.destination_port, row->port);
        assert_int_equal(layers.payload_bytes, row->count);
        assert_int_equal(layers.vni, 0);
        assert_int_equal(layers.depth, 1);
    }
}

static void teredo_is_opened(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < 4; kind++) {
        struct frame frame;
        struct layers layers;
        frame_start(&frame, FRAME_PAYLOAD, FRAME_PAYLOAD_BYTES);
        frame_udp(&frame, 5060, 5062);
        frame_ip6(&frame, PROTOCOL_UDP);
        if ((kind & 1) != 0) {
            PUT(&frame, "\0\0\x12\x34\xc0\0\2\1"); /* origin */
        }
        if ((kind & 2) !=
            0) { /* authentication: client of one byte, value of two, nonce, confirmation */
            PUT(&frame, "\0\1\1\2cvv\1\2\3\4\5\6\7\x08\0");
        }
        frame_udp(&frame, 50000, 3544);
        frame_ip4_outer(&frame, PROTOCOL_UDP);
        assert_int_equal(frame_decode(&frame, LINK_RAW, &layers), REASON_NONE);
        assert_false(addr_is_v4(&layers.source));
        assert_int_equal(layers.source_port, 5060);
        assert_int_equal(layers.tunnels, 1);
    }
    struct frame frame;
    struct layers layers;
    frame_start(&frame, FRAME_PAYLOAD, FRAME_PAYLOAD_BYTES);
    frame_udp(&frame, 5060, 5062);
    frame_ip6(&frame, PROTOCOL_UDP);
    frame_pad(&frame, 1); /* Teredo has nothing behind the packet */
    frame_udp(&frame, 50000, 3544);
    frame_ip4_outer(&frame, PROTOCOL_UDP);
    assert_int_equal(frame_decode(&frame, LINK_RAW, &layers), REASON_NONE);
    assert_int_equal(layers.destination_port, 3544);
    assert_true(frame_noted(&layers, REASON_TUNNEL_OTHER));
}

static void a_tunnel_of_something_else_is_ignored(void **state)
{
    (void)state;
    struct frame frame;
    struct layers layers;
    frame_start(&frame, "\0\1\x08\0\6\4\0\1", 8);
    frame_ethernet(&frame, 0x0806);
    PUT(&frame, "\x08\0\0\0\0\0\x4c\0");
    frame_udp(&frame, 50000, 4789);
    frame_ip4(&frame, PROTOCOL_UDP);
    assert_int_equal(frame_decode(&frame, LINK_RAW, &layers), REASON_ARP);

    frame_start(&frame, "\x08\0\0\0\0\0\0\0", 8);
    frame_ip4(&frame, 1);
    gtp_head(&frame, 0x30, 255);
    frame_udp(&frame, 2152, 2152);
    frame_ip4(&frame, PROTOCOL_UDP);
    assert_int_equal(frame_decode(&frame, LINK_RAW, &layers), REASON_ICMP);
}

struct gre_row {
    const char *name;
    const char *bytes;
    size_t count;
    enum reason reason;
};

static void gre_is_checked(void **state)
{
    /* clang-format off */
    static const struct gre_row gre_rows[] = {
        {"three bytes", BYTES("\0\0\x08"), REASON_GRE_SHORT},
        {"key beyond", BYTES("\x20\0\x08\0\0\0\0"), REASON_GRE_SHORT},
        {"routing that never ends", BYTES("\x40\0\x08\0\0\0\0\0\x08\0\0\4wxyz"), REASON_GRE_SHORT},
        {"keep-alive", BYTES("\0\0\0\0"), REASON_GRE_OTHER},
        {"version 2", BYTES("\0\2\x08\0\x45\0\0\0"), REASON_GRE_OTHER},
        {"pptp acknowledgement", BYTES("\x20\x81\x88\x0b\0\0\0\1\0\0\0\1"), REASON_GRE_OTHER},
        {"pptp longer than its packet", BYTES("\x30\x01\x88\x0b\0\x09\0\1\0\0\0\1\xff\3\0\x21"), REASON_GRE_SHORT},
        {"erspan 2 of seven bytes", BYTES("\x10\0\x88\xbe\0\0\0\1\x10\0\0\1\0\0\0"), REASON_ERSPAN_SHORT},
        {"erspan 3 of eleven bytes", BYTES("\x10\0\x22\xeb\0\0\0\1\x20\0\0\1\0\0\0\0\0\0\0"), REASON_ERSPAN_SHORT},
        {"erspan without anything", BYTES("\0\0\x88\xbe"), REASON_ERSPAN_SHORT},
        {"nothing inside", BYTES("\0\0\x08\0"), REASON_IP_SHORT},
    };
    /* clang-format on */
    (void)state;
    for (size_t index = 0; index < sizeof gre_rows / sizeof gre_rows[0]; index++) {
        struct frame frame;
        struct layers layers;
        frame_start(&frame, gre_rows[index].bytes, gre_rows[index].count);
        frame_ip4(&frame, 47);
        enum reason reason = frame_decode(&frame, LINK_RAW, &layers);
        if (reason != gre_rows[index].reason) {
            fail_msg("%s: %s", gre_rows[index].name, reason_rows[reason].slug);
        }
    }
}

/* The T bit: the switch cut the frame, so its length inside is no contradiction. */
static void a_frame_that_the_switch_cut_is_not_trimmed(void **state)
{
    (void)state;
    struct frame frame;
    struct frame shorter;
    struct layers layers;
    frame_packet(&frame);
    frame_start(&shorter, frame_at(&frame), 28 + 5);
    erspan2(&shorter);
    frame_at(&shorter)[20 + 8 + 2] |= 0x04;
    assert_int_equal(frame_decode(&shorter, LINK_RAW, &layers), REASON_NONE);
    assert_int_equal(layers.payload_bytes, 5);
    assert_int_equal(layers.payload_wire, FRAME_PAYLOAD_BYTES);
    assert_int_equal(layers.notes[0], REASON_NONE);
}

static void the_length_that_tzsp_tells_holds(void **state)
{
    (void)state;
    struct frame frame;
    struct layers layers;
    frame_packet(&frame);
    frame_ethernet(&frame, 0x0800);
    uint32_t original = frame_bytes(&frame);
    struct frame shorter;
    frame_start(&shorter, frame_at(&frame), original - 10);
    PUT(&shorter, "\x01");
    frame_be16(&shorter, original);
    PUT(&shorter, "\x01\x00\x00\x01\x29\x02");
    in_udp(&shorter, 37008);
    assert_int_equal(frame_decode(&shorter, LINK_RAW, &layers), REASON_NONE);
    assert_true(is_inner(&layers));
    assert_int_equal(layers.payload_bytes, FRAME_PAYLOAD_BYTES - 10);
    assert_int_equal(layers.payload_wire, FRAME_PAYLOAD_BYTES);
}

static void fragments_of_capwap_are_shown(void **state)
{
    (void)state;
    struct frame frame;
    struct layers layers;
    frame_packet(&frame);
    frame_ethernet(&frame, 0x0800);
    struct frame part;
    frame_start(&part, frame_at(&frame), 48);
    PUT(&part, "\x00\x10\x02\x80\x12\x34\x00\x00");
    in_udp(&part, 5247);
    assert_int_equal(frame_decode(&part, LINK_RAW, &layers), REASON_NONE);
    assert_true(layers.fragment && layers.more_fragments);
    assert_int_equal(layers.fragment_id, 0x1234);
    assert_int_equal(layers.fragment_wire, 48);
    assert_int_equal(layers.protocol, PROTOCOL_NONE);
    assert_int_equal(layers.source_port, 0);
    /* put together elsewhere, it goes on with Ethernet */
    assert_int_equal(layers_resume(&layers, frame_at(&frame), frame_bytes(&frame)), REASON_NONE);
    assert_true(is_inner(&layers));
    assert_false(layers.fragment);
    assert_int_equal(layers.source_port, 5060);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_tunnel_is_opened),
        cmocka_unit_test(a_cut_tunnel_is_never_malformed),
        cmocka_unit_test(a_tunnel_must_agree_with_itself),
        cmocka_unit_test(what_is_no_tunnel_stays_plain_udp),
        cmocka_unit_test(teredo_is_opened),
        cmocka_unit_test(a_tunnel_of_something_else_is_ignored),
        cmocka_unit_test(gre_is_checked),
        cmocka_unit_test(a_frame_that_the_switch_cut_is_not_trimmed),
        cmocka_unit_test(the_length_that_tzsp_tells_holds),
        cmocka_unit_test(fragments_of_capwap_are_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
