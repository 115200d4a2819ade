/* Every link type, tag and label: a hand-made frame with the view that it must give; then the same
 * frame cut at every byte, which must never be called malformed. */
#include "tests/unit/decoders/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

struct row {
    const char *name;
    uint16_t link_type;
    void (*build)(struct frame *frame); /* around the packet of frame_packet() */
    uint16_t vlan_outer;
    uint16_t vlan_inner;
};

/* Puts a string of bytes without its NUL. */
#define PUT(frame, literal) frame_put(frame, literal, sizeof literal - 1)

static void plain(struct frame *frame)
{
    (void)frame;
}

static void ethernet(struct frame *frame)
{
    frame_ethernet(frame, 0x0800);
}

static void ethernet_padded(struct frame *frame)
{
    frame_pad(frame, 9);
    frame_ethernet(frame, 0x0800);
}

static void vlan(struct frame *frame)
{
    frame_vlan(frame, 0xe064, 0x0800); /* priority 7, id 100 */
    frame_ethernet(frame, 0x8100);
}

static void vlan_priority_only(struct frame *frame)
{
    frame_vlan(frame, 0xa000, 0x0800);
    frame_ethernet(frame, 0x8100);
}

static void vlan_double(struct frame *frame)
{
    frame_vlan(frame, 20, 0x0800);
    frame_vlan(frame, 4095, 0x8100);
    frame_ethernet(frame, 0x88a8);
}

static void vlan_old(struct frame *frame)
{
    frame_vlan(frame, 1, 0x0800);
    frame_vlan(frame, 2, 0x9300);
    frame_vlan(frame, 3, 0x9200);
    frame_ethernet(frame, 0x9100);
}

static void llc_snap(struct frame *frame)
{
    PUT(frame, "\xaa\xaa\x03\x00\x00\x00\x08\x00");
    frame_ethernet(frame, frame_bytes(frame));
}

static void llc_snap_padded(struct frame *frame)
{
    PUT(frame, "\xaa\xaa\x03\x00\x00\x00\x08\x00");
    uint32_t length = frame_bytes(frame);
    frame_pad(frame, 7);
    frame_ethernet(frame, length);
}

static void llc_ip(struct frame *frame)
{
    PUT(frame, "\x06\x06\x03");
    frame_ethernet(frame, frame_bytes(frame));
}

static void vlan_llc(struct frame *frame)
{
    PUT(frame, "\xaa\xaa\x03\x00\x00\x00\x08\x00");
    frame_vlan(frame, 5, frame_bytes(frame));
    frame_ethernet(frame, 0x8100);
}

static void backbone(struct frame *frame)
{
    frame_ethernet(frame, 0x0800);
    frame_be32(frame, 0x00123456);
    frame_vlan(frame, 7, 0x88e7);
    frame_ethernet(frame, 0x88a8);
}

static void mpls(struct frame *frame)
{
    frame_be32(frame, 0x00010140); /* bottom */
    frame_be32(frame, 0x00020040);
    frame_ethernet(frame, 0x8847);
}

static void mpls_control_word(struct frame *frame)
{
    frame_ethernet(frame, 0x0800);
    frame_be32(frame, 0x00000001);
    frame_be32(frame, 0x00010140);
    frame_ethernet(frame, 0x8848);
}

static void mpls_ethernet(struct frame *frame)
{
    frame_ethernet(frame, 0x0800); /* its first nibble is 0, as a control word's */
    frame_be32(frame, 0x00010140);
    frame_ethernet(frame, 0x8847);
}

static void mpls_ethernet_like_ip(struct frame *frame)
{
    frame_ethernet(frame, 0x0800);
    frame_at(frame)[0] = 0x46; /* an address that reads as IPv4 of 24 bytes header ... */
    frame_at(frame)[2] = 0xff; /* ... but far too long */
    frame_be32(frame, 0x00010140);
    frame_ethernet(frame, 0x8847);
}

static void pppoe(struct frame *frame)
{
    frame_be16(frame, 0x0021);
    frame_be16(frame, frame_bytes(frame));
    PUT(frame, "\x11\x00\x12\x34");
    frame_ethernet(frame, 0x8864);
}

static void nsh_ip(struct frame *frame)
{
    frame_zeros(frame, 16);
    PUT(frame, "\x00\x06\x02\x01\x00\x00\x01\xff"); /* 6 words, next IPv4 */
    frame_ethernet(frame, 0x894f);
}

static void nsh_ethernet(struct frame *frame)
{
    frame_ethernet(frame, 0x0800);
    PUT(frame, "\x0f\xc2\x01\x03\x00\x00\x01\xff"); /* 2 words, next Ethernet */
    frame_ethernet(frame, 0x894f);
}

static void vn_tag(struct frame *frame)
{
    frame_be16(frame, 0x0800);
    frame_be32(frame, 0x80010002);
    frame_ethernet(frame, 0x8926);
}

static void e_tag(struct frame *frame)
{
    frame_be16(frame, 0x0800);
    PUT(frame, "\xe0\x00\x10\x01\x00\x00");
    frame_ethernet(frame, 0x893f);
}

static void fabricpath(struct frame *frame)
{
    frame_ethernet(frame, 0x0800);
    frame_be16(frame, 0x0060);
    frame_ethernet(frame, 0x8903);
}

static void cisco_metadata(struct frame *frame)
{
    frame_be16(frame, 0x0800);
    PUT(frame, "\x01\x01\x00\x01\x00\x2a");
    frame_ethernet(frame, 0x8909);
}

static void trill(struct frame *frame)
{
    frame_ethernet(frame, 0x0800);
    PUT(frame, "\xde\xad\xbe\xef"); /* one word of options */
    PUT(frame, "\x00\x7f\x00\x01\x00\x02");
    frame_ethernet(frame, 0x22f3);
}

static void family_little(struct frame *frame)
{
    PUT(frame, "\x02\x00\x00\x00");
}

static void family_big(struct frame *frame)
{
    PUT(frame, "\x00\x00\x00\x02");
}

static void cooked(struct frame *frame)
{
    PUT(frame, "\x00\x04\x00\x01\x00\x06\x02\x00\x00\x00\x00\x01\x00\x00\x08\x00");
}

static void cooked_vlan(struct frame *frame)
{
    frame_vlan(frame, 100, 0x0800);
    PUT(frame, "\x00\x04\x00\x01\x00\x06\x02\x00\x00\x00\x00\x01\x00\x00\x81\x00");
}

static void cooked_llc(struct frame *frame)
{
    PUT(frame, "\xaa\xaa\x03\x00\x00\x00\x08\x00");
    PUT(frame, "\x00\x00\x00\x01\x00\x06\x02\x00\x00\x00\x00\x01\x00\x00\x00\x04");
}

static void cooked2(struct frame *frame)
{
    PUT(frame, "\x08\x00\x00\x00\x00\x00\x00\x03\x00\x01\x04\x06\x02\x00\x00\x00\x00\x01\x00\x00");
}

static void ppp_bare(struct frame *frame)
{
    frame_be16(frame, 0x0021);
}

static void ppp_framed(struct frame *frame)
{
    PUT(frame, "\xff\x03\x00\x21");
}

static void ppp_compressed(struct frame *frame)
{
    PUT(frame, "\x21");
}

static void ppp_mpls(struct frame *frame)
{
    frame_be32(frame, 0x00010140);
    PUT(frame, "\xff\x03\x02\x81");
}

static void ppp_hdlc(struct frame *frame)
{
    PUT(frame, "\x0f\x00\x08\x00");
}

static void pppoe_bare(struct frame *frame)
{
    frame_be16(frame, 0x0021);
    frame_be16(frame, frame_bytes(frame));
    PUT(frame, "\x11\x00\x12\x34");
}

static void hdlc(struct frame *frame)
{
    PUT(frame, "\x8f\x00\x08\x00");
}

static void frame_relay_ietf(struct frame *frame)
{
    PUT(frame, "\x18\x41\x03\xcc");
}

static void frame_relay_padded(struct frame *frame)
{
    PUT(frame, "\x18\x40\x40\x41\x03\x00\xcc"); /* four bytes of address, a pad */
}

static void frame_relay_cisco(struct frame *frame)
{
    PUT(frame, "\x18\x41\x08\x00");
}

static void frame_relay_snap(struct frame *frame)
{
    PUT(frame, "\x18\x41\x03\x00\x80\x00\x00\x00\x08\x00");
}

static void frame_relay_bridged(struct frame *frame)
{
    frame_ethernet(frame, 0x0800);
    PUT(frame, "\x18\x41\x03\x00\x80\x00\x80\xc2\x00\x07");
}

static void frame_relay_ppp(struct frame *frame)
{
    PUT(frame, "\x18\x41\x03\xcf\x00\x21");
}

static void multilink(struct frame *frame)
{
    PUT(frame, "\xc0\x07\x18\x41\x03\xcc");
}

static void ipnet(struct frame *frame)
{
    frame_zeros(frame, 22);
    PUT(frame, "\x01\x02");
}

static void fibre_channel(struct frame *frame)
{
    PUT(frame, "\xaa\xaa\x03\x00\x00\x00\x08\x00");
    frame_zeros(frame, 16);
}

static void wifi_addresses(struct frame *frame)
{
    frame_zeros(frame, 2); /* sequence */
    PUT(frame, "\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02\x02\x00\x00\x00\x00\x03");
    frame_zeros(frame, 2); /* duration */
}

static void wifi(struct frame *frame)
{
    PUT(frame, "\xaa\xaa\x03\x00\x00\x00\x08\x00");
    wifi_addresses(frame);
    PUT(frame, "\x08\x01");
}

static void wifi_quality(struct frame *frame)
{
    PUT(frame, "\xaa\xaa\x03\x00\x00\x00\x08\x00");
    frame_zeros(frame, 4); /* HT control */
    frame_zeros(frame, 2);
    wifi_addresses(frame);
    PUT(frame, "\x88\x81");
}

static void wifi_bridge(struct frame *frame)
{
    PUT(frame, "\xaa\xaa\x03\x00\x00\x00\x08\x00");
    frame_zeros(frame, 6); /* fourth address */
    wifi_addresses(frame);
    PUT(frame, "\x08\x03");
}

static void radiotap(struct frame *frame)
{
    wifi(frame);
    PUT(frame, "\x00\x00\x08\x00\x00\x00\x00\x00");
}

static void radiotap_padded(struct frame *frame)
{
    PUT(frame, "\xaa\xaa\x03\x00\x00\x00\x08\x00");
    frame_zeros(frame, 2); /* to a word: 26 bytes of header come before */
    frame_zeros(frame, 2);
    wifi_addresses(frame);
    PUT(frame, "\x88\x01");
    /* two words of fields, so that the time is moved to a multiple of 8; then the flags */
    PUT(frame, "\x00\x00\x19\x00\x03\x00\x00\x80\x00\x00\x00\x00\x00\x00\x00\x00"
               "\x01\x02\x03\x04\x05\x06\x07\x08\x20");
}

static void ppi(struct frame *frame)
{
    wifi(frame);
    PUT(frame, "\x00\x00\x0c\x00\x69\x00\x00\x00\x01\x02\x03\x04");
}

static void erf_head(struct frame *frame, uint8_t type)
{
    uint32_t length = frame_bytes(frame);
    frame_be16(frame, length);
    frame_be16(frame, 0);
    frame_be16(frame, length + 16);
    frame_be16(frame, (uint32_t)type << 8);
    frame_zeros(frame, 8);
}

static void endace(struct frame *frame)
{
    frame_ethernet(frame, 0x0800);
    frame_be16(frame, 0);
    erf_head(frame, 2);
}

static void erf_extended(struct frame *frame)
{
    frame_ethernet(frame, 0x0800);
    frame_be16(frame, 0);
    PUT(frame, "\x04\0\0\0\0\0\0\0"); /* the last extension */
    PUT(frame, "\x84\0\0\0\0\0\0\0");
    erf_head(frame, 0x82);
}

static void erf_ppp(struct frame *frame)
{
    PUT(frame, "\xff\x03\x00\x21");
    erf_head(frame, 1);
}

static void erf_ip(struct frame *frame)
{
    erf_head(frame, 22);
}

/* clang-format off */
static const struct row rows[] = {
    {"ethernet", 1, ethernet, 0, 0},
    {"ethernet, padded", 1, ethernet_padded, 0, 0},
    {"vlan", 1, vlan, 101, 0},
    {"vlan, priority only", 1, vlan_priority_only, 0, 0},
    {"vlan, double", 1, vlan_double, 4096, 21},
    {"vlan, old types", 1, vlan_old, 4, 2},
    {"llc snap", 1, llc_snap, 0, 0},
    {"llc snap, padded", 1, llc_snap_padded, 0, 0},
    {"llc ip", 1, llc_ip, 0, 0},
    {"vlan with llc", 1, vlan_llc, 6, 0},
    {"provider backbone", 1, backbone, 8, 0},
    {"mpls", 1, mpls, 0, 0},
    {"mpls, control word", 1, mpls_control_word, 0, 0},
    {"mpls, ethernet", 1, mpls_ethernet, 0, 0},
    {"mpls, ethernet that looks like ip", 1, mpls_ethernet_like_ip, 0, 0},
    {"pppoe", 1, pppoe, 0, 0},
    {"nsh, ip", 1, nsh_ip, 0, 0},
    {"nsh, ethernet", 1, nsh_ethernet, 0, 0},
    {"vn-tag", 1, vn_tag, 0, 0},
    {"e-tag", 1, e_tag, 0, 0},
    {"fabricpath", 1, fabricpath, 0, 0},
    {"cisco metadata", 1, cisco_metadata, 0, 0},
    {"trill", 1, trill, 0, 0},
    {"null, little", 0, family_little, 0, 0},
    {"null, big", 0, family_big, 0, 0},
    {"loop", 108, family_big, 0, 0},
    {"raw 12", 12, plain, 0, 0},
    {"raw 14", 14, plain, 0, 0},
    {"raw 101", 101, plain, 0, 0},
    {"ipv4", 228, plain, 0, 0},
    {"cooked", 113, cooked, 0, 0},
    {"cooked, vlan", 113, cooked_vlan, 101, 0},
    {"cooked, llc", 113, cooked_llc, 0, 0},
    {"cooked 2", 276, cooked2, 0, 0},
    {"ppp", 9, ppp_bare, 0, 0},
    {"ppp, framed", 9, ppp_framed, 0, 0},
    {"ppp, compressed", 9, ppp_compressed, 0, 0},
    {"ppp, mpls", 50, ppp_mpls, 0, 0},
    {"ppp serial, hdlc", 50, ppp_hdlc, 0, 0},
    {"pppoe without ethernet", 51, pppoe_bare, 0, 0},
    {"cisco hdlc", 104, hdlc, 0, 0},
    {"frame relay", 107, frame_relay_ietf, 0, 0},
    {"frame relay, padded", 107, frame_relay_padded, 0, 0},
    {"frame relay, cisco", 107, frame_relay_cisco, 0, 0},
    {"frame relay, snap", 107, frame_relay_snap, 0, 0},
    {"frame relay, bridged", 107, frame_relay_bridged, 0, 0},
    {"frame relay, ppp", 107, frame_relay_ppp, 0, 0},
    {"frame relay, multilink", 182, multilink, 0, 0},
    {"ipnet", 226, ipnet, 0, 0},
    {"fibre channel", 122, fibre_channel, 0, 0},
    {"802.11", 105, wifi, 0, 0},
    {"802.11, quality and ht", 105, wifi_quality, 0, 0},
    {"802.11, four addresses", 105, wifi_bridge, 0, 0},
    {"radiotap", 127, radiotap, 0, 0},
    {"radiotap, padded", 127, radiotap_padded, 0, 0},
    {"ppi", 192, ppi, 0, 0},
    {"erf", 197, endace, 0, 0},
    {"erf, extended", 197, erf_extended, 0, 0},
    {"erf, ppp", 197, erf_ppp, 0, 0},
    {"erf, ip", 197, erf_ip, 0, 0},
};
/* clang-format on */

enum { ROWS = sizeof rows / sizeof rows[0] };

static void build(const struct row *row, struct frame *frame)
{
    frame_packet(frame);
    row->build(frame);
}

static void check_view(const struct row *row, struct frame *frame, const struct layers *layers)
{
    const uint8_t source[] = {192, 0, 2, 1};
    struct addr expected = addr_from_v4(source);
    if (!addr_equal(&layers->source, &expected) || layers->source_port != 5060 ||
        layers->destination_port != 5062 || layers->protocol != PROTOCOL_UDP) {
        fail_msg("%s: not the packet inside", row->name);
    }
    assert_int_equal(layers->payload_bytes, FRAME_PAYLOAD_BYTES);
    assert_int_equal(layers->payload_wire, FRAME_PAYLOAD_BYTES);
    assert_memory_equal(layers->payload, FRAME_PAYLOAD, FRAME_PAYLOAD_BYTES);
    assert_int_equal(layers->ttl, 61);
    assert_int_equal(layers->ip_id, 0x4711);
    assert_int_equal(layers->checksum, 0x1234);
    assert_int_equal(layers->ip_wire, 28 + FRAME_PAYLOAD_BYTES);
    assert_int_equal(layers->ip_bytes, 28 + FRAME_PAYLOAD_BYTES);
    assert_int_equal(layers->tunnels, 0);
    if (layers->vlan_outer != row->vlan_outer || layers->vlan_inner != row->vlan_inner) {
        fail_msg("%s: VLANs %d %d", row->name, layers->vlan_outer, layers->vlan_inner);
    }
    assert_true(frame_view_fits(frame, layers));
}

static void every_link_leads_to_the_packet(void **state)
{
    (void)state;
    for (size_t index = 0; index < ROWS; index++) {
        struct frame frame;
        struct layers layers;
        build(&rows[index], &frame);
        enum reason reason = frame_decode(&frame, rows[index].link_type, &layers);
        if (reason != REASON_NONE) {
            fail_msg("%s: %s", rows[index].name, reason_rows[reason].slug);
        }
        check_view(&rows[index], &frame, &layers);
    }
}

static void a_cut_frame_is_never_malformed(void **state)
{
    (void)state;
    for (size_t index = 0; index < ROWS; index++) {
        struct frame frame;
        struct layers layers;
        build(&rows[index], &frame);
        uint32_t wire = frame_bytes(&frame);
        for (uint32_t captured = 0; captured < wire; captured++) {
            enum reason reason =
                frame_decode_cut(&frame, rows[index].link_type, captured, wire, &layers);
            if (reason_rows[reason].verdict == FRAME_MALFORMED) {
                fail_msg("%s cut at %u: %s", rows[index].name, captured, reason_rows[reason].slug);
            }
            assert_true(frame_view_fits(&frame, &layers));
            if (reason == REASON_NONE) {
                assert_int_equal(layers.payload_wire, FRAME_PAYLOAD_BYTES);
            }
        }
    }
}

static void a_short_frame_is_never_read_beyond(void **state)
{
    (void)state;
    for (size_t index = 0; index < ROWS; index++) {
        struct frame frame;
        struct layers layers;
        build(&rows[index], &frame);
        for (uint32_t bytes = 0; bytes < frame_bytes(&frame); bytes++) {
            enum reason reason =
                frame_decode_cut(&frame, rows[index].link_type, bytes, bytes, &layers);
            assert_true(frame_view_fits(&frame, &layers));
            if (rows[index].link_type == 197) {
                continue; /* ERF knows better than the capture how long the frame was */
            }
            bool whole = layers.payload_bytes == layers.payload_wire;
            assert_true(reason != REASON_NONE || whole || frame_noted(&layers, REASON_IP_TRIMMED));
            assert_true(reason != REASON_SNAP_CUT);
        }
    }
}

struct refusal {
    const char *name;
    uint16_t link_type;
    const char *bytes;
    size_t count;
    enum reason reason;
    uint16_t unknown_type;
};

#define BYTES(literal) literal, sizeof literal - 1
#define MACS "\2\0\0\0\0\2\2\0\0\0\0\1"

/* clang-format off */
static const struct refusal refusals[] = {
    {"no link type", 147, BYTES("\x45\x00"), REASON_LINK_UNKNOWN, 147},
    {"nothing at all", 147, BYTES(""), REASON_LINK_UNKNOWN, 147},
    {"empty ethernet", 1, BYTES(""), REASON_LINK_SHORT, 0},
    {"13 bytes", 1, BYTES(MACS "\x08"), REASON_LINK_SHORT, 0},
    {"14 bytes", 1, BYTES(MACS "\x08\x00"), REASON_IP_SHORT, 0},
    {"arp", 1, BYTES(MACS "\x08\x06\x00\x01"), REASON_ARP, 0},
    {"lldp", 1, BYTES(MACS "\x88\xcc\x00\x01"), REASON_ETHERTYPE_UNKNOWN, 0x88cc},
    {"neither type nor length", 1, BYTES(MACS "\x05\xff\x00\x01"), REASON_ETHERTYPE_UNKNOWN, 0x05ff},
    {"spanning tree", 1, BYTES(MACS "\x00\x03\x42\x42\x03"), REASON_LLC_OTHER, 0x4242},
    {"cisco snap", 1, BYTES(MACS "\x00\x08\xaa\xaa\x03\x00\x00\x0c\x20\x00"), REASON_LLC_OTHER, 0x2000},
    {"length beyond the frame", 1, BYTES(MACS "\x00\x09\xaa\xaa\x03\x00\x00\x0c\x20\x00"), REASON_LINK_SHORT, 0},
    {"llc of two bytes", 1, BYTES(MACS "\x00\x02\xaa\xaa"), REASON_LINK_SHORT, 0},
    {"snap of seven bytes", 1, BYTES(MACS "\x00\x07\xaa\xaa\x03\x00\x00\x00\x08"), REASON_LINK_SHORT, 0},
    {"vlan of three bytes", 1, BYTES(MACS "\x81\x00\x00\x01\x08"), REASON_VLAN_SHORT, 0},
    {"vn-tag of five bytes", 1, BYTES(MACS "\x89\x26\x00\x01\x08\x00\x00"), REASON_TAG_SHORT, 0},
    {"nsh of one word", 1, BYTES(MACS "\x89\x4f\x00\x01\x01\x01"), REASON_TAG_SHORT, 0},
    {"nsh beyond the frame", 1, BYTES(MACS "\x89\x4f\x00\x03\x01\x01\0\0\0\0"), REASON_TAG_SHORT, 0},
    {"mpls without a bottom", 1, BYTES(MACS "\x88\x47\x00\x01\x00\x40"), REASON_MPLS_SHORT, 0},
    {"mpls and nothing", 1, BYTES(MACS "\x88\x47\x00\x01\x01\x40"), REASON_MPLS_SHORT, 0},
    {"pppoe discovery", 1, BYTES(MACS "\x88\x63\x11\x09\0\0\0\0"), REASON_PPPOE_CONTROL, 0},
    {"pppoe with a code", 1, BYTES(MACS "\x88\x64\x11\xa7\0\0\0\0"), REASON_PPPOE_CONTROL, 0},
    {"pppoe beyond the frame", 1, BYTES(MACS "\x88\x64\x11\x00\0\0\0\x03\x00\x21"), REASON_LINK_SHORT, 0},
    {"lcp", 9, BYTES("\xff\x03\xc0\x21\x01"), REASON_PPP_OTHER, 0xc021},
    {"ppp of nothing", 9, BYTES("\xff\x03"), REASON_LINK_SHORT, 0},
    {"family of something else", 0, BYTES("\x00\x00\x00\x07\x45"), REASON_ETHERTYPE_UNKNOWN, 7},
    {"hdlc keep-alive", 104, BYTES("\x8f\x00\x80\x35"), REASON_ARP, 0},
    {"q.933", 107, BYTES("\x00\x01\x03\x08\x00"), REASON_LLC_OTHER, 8},
    {"802.11 beacon", 105, BYTES("\x80\x00" "22" "333333" "444444" "555555" "\0\0"), REASON_WIFI_OTHER, 0},
    {"802.11 protected", 105, BYTES("\x08\x41" "22" "333333" "444444" "555555" "\0\0"), REASON_WIFI_OTHER, 0},
    {"802.11 null data", 105, BYTES("\x48\x01" "22" "333333" "444444" "555555" "\0\0"), REASON_WIFI_OTHER, 0},
    {"802.11 fragment", 105, BYTES("\x08\x01" "22" "333333" "444444" "555555" "\1\0"), REASON_WIFI_OTHER, 0},
    {"802.11 of 23 bytes", 105, BYTES("\x08\x01" "22" "333333" "444444" "555555" "\1"), REASON_LINK_SHORT, 0},
    {"radiotap beyond the frame", 127, BYTES("\0\0\x09\0\0\0\0\0"), REASON_LINK_SHORT, 0},
    {"radiotap of seven", 127, BYTES("\0\0\x07\0\0\0\0\0"), REASON_LINK_SHORT, 0},
    {"ppi of a link beyond 16 bits", 192, BYTES("\0\0\x08\0\x01\0\x01\0"), REASON_LINK_UNKNOWN, 0},
    {"netlink", 113, BYTES("\0\x04\x03\x38\0\0\0\0\0\0\0\0\0\0\x08\0\x45"), REASON_LINK_UNKNOWN, 0},
    {"erf of infiniband", 197, BYTES("\0\0\0\0\0\0\0\0\x15\0\0\0\0\0\0\0"), REASON_LINK_UNKNOWN, 21},
    {"erf whose extensions never end", 197, BYTES("\0\0\0\0\0\0\0\0\x82\0\0\0\0\0\0\0\x84\0\0\0\0\0\0\0\x84"), REASON_LINK_SHORT, 0},
    {"fragment of multilink", 182, BYTES("\x80\x01\x18\x41\x03\xcc"), REASON_LLC_OTHER, 0},
};
/* clang-format on */

static void what_is_not_ours_is_named(void **state)
{
    (void)state;
    for (size_t index = 0; index < sizeof refusals / sizeof refusals[0]; index++) {
        const struct refusal *refusal = &refusals[index];
        struct frame frame;
        struct layers layers;
        frame_start(&frame, refusal->bytes, refusal->count);
        enum reason reason = frame_decode(&frame, refusal->link_type, &layers);
        if (reason != refusal->reason || layers.unknown_type != refusal->unknown_type) {
            fail_msg("%s: %s, type %x", refusal->name, reason_rows[reason].slug,
                     (unsigned)layers.unknown_type);
        }
    }
}

static void families_of_ipv6_are_known(void **state)
{
    static const uint8_t families[] = {10, 24, 26, 28, 30};
    (void)state;
    for (size_t index = 0; index < sizeof families; index++) {
        struct frame frame;
        struct layers layers;
        frame_start(&frame, "x", 1);
        frame_udp(&frame, 1, 2);
        frame_ip6(&frame, PROTOCOL_UDP);
        frame_be32(&frame, families[index]);
        assert_int_equal(frame_decode(&frame, 0, &layers), REASON_NONE);
        assert_false(addr_is_v4(&layers.source));
        frame_at(&frame)[0] = families[index];
        frame_at(&frame)[3] = 0;
        assert_int_equal(frame_decode(&frame, 0, &layers), REASON_NONE);
    }
}

/* What tells mirror copies apart must differ where the capture says anything of it. */
static void links_say_where_a_copy_came_from(void **state)
{
    (void)state;
    struct frame frame;
    struct layers one;
    struct layers other;
    frame_packet(&frame);
    cooked(&frame);
    assert_int_equal(frame_decode(&frame, 113, &one), REASON_NONE);
    frame_at(&frame)[1] = 0; /* to us instead of from us */
    assert_int_equal(frame_decode(&frame, 113, &other), REASON_NONE);
    assert_int_not_equal(one.link_hash_input, other.link_hash_input);
    frame_at(&frame)[1] = 4;
    frame_at(&frame)[3] = 2; /* other hardware */
    assert_int_equal(frame_decode(&frame, 113, &other), REASON_NONE);
    assert_int_not_equal(one.link_hash_input, other.link_hash_input);

    frame_packet(&frame);
    cooked2(&frame);
    assert_int_equal(frame_decode(&frame, 276, &one), REASON_NONE);
    frame_at(&frame)[7] = 4; /* another interface */
    assert_int_equal(frame_decode(&frame, 276, &other), REASON_NONE);
    assert_int_not_equal(one.link_hash_input, other.link_hash_input);

    frame_packet(&frame);
    ethernet(&frame);
    assert_int_equal(frame_decode(&frame, 1, &one), REASON_NONE);
    assert_int_equal(one.link_hash_input, UINT64_C(0x020000000001));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_link_leads_to_the_packet),
        cmocka_unit_test(a_cut_frame_is_never_malformed),
        cmocka_unit_test(a_short_frame_is_never_read_beyond),
        cmocka_unit_test(what_is_not_ours_is_named),
        cmocka_unit_test(families_of_ipv6_are_known),
        cmocka_unit_test(links_say_where_a_copy_came_from),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
