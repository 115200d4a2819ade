/* Ethernet, its tags, and PPP: from a link's header to an IP header.
 *
 * link_ethertype() is the switch that all links share (link_type.c has the others): IP, tags
 * (802.1Q and 802.1ad, 802.1ah, 802.1BR, VN-tag, Cisco metadata, FabricPath, TRILL), label stacks
 * (MPLS, RFC 3032; NSH, RFC 8300) and PPPoE (RFC 2516). Tags that only stand before another
 * ethertype are a loop; what holds a whole frame is a call one layer deeper.
 *
 *    Ethernet   | destination 6 | source 6 | type 2 |     type up to 1500: 802.3 length, then LLC
 *    802.1Q     | priority 3, 1, VLAN id 12 | type 2 |
 *    MPLS       | label 20 | class 3 | bottom 1 | ttl 8 |      repeated until the bottom
 *    LLC, SNAP  | AA | AA | 03 | OUI 3 | type 2 |
 *
 * VLAN id 0 is a priority only, no VLAN: phones send it in one direction of a call and it must not
 * part the flow. What is below MPLS is not written anywhere: a packet that reads as IP is IP, else
 * a pseudowire's Ethernet.
 *
 * Limits: LLC's one-byte control field only; of PPP no multilink and no compression but that of its
 * own header. */
#include "decoders/decoder.h"

enum ethertype {
    ETHERTYPE_LENGTH_MAX = 1500, /* a length, not a type (IEEE 802.3 section 3.2.6) */
    ETHERTYPE_IP4 = 0x0800,
    ETHERTYPE_ARP = 0x0806,
    ETHERTYPE_TRILL = 0x22f3,
    ETHERTYPE_BRIDGED = 0x6558,
    ETHERTYPE_RARP = 0x8035,
    ETHERTYPE_VLAN = 0x8100,
    ETHERTYPE_IP6 = 0x86dd,
    ETHERTYPE_PPP = 0x880b,
    ETHERTYPE_MPLS = 0x8847,
    ETHERTYPE_MPLS_MULTICAST = 0x8848,
    ETHERTYPE_PPPOE_DISCOVERY = 0x8863,
    ETHERTYPE_PPPOE = 0x8864,
    ETHERTYPE_PROVIDER = 0x88a8,
    ETHERTYPE_BACKBONE = 0x88e7,
    ETHERTYPE_FABRICPATH = 0x8903,
    ETHERTYPE_CISCO_METADATA = 0x8909,
    ETHERTYPE_VN_TAG = 0x8926,
    ETHERTYPE_E_TAG = 0x893f,
    ETHERTYPE_NSH = 0x894f,
    ETHERTYPE_QINQ_OLD = 0x9100,
    ETHERTYPE_QINQ_OLD2 = 0x9200,
    ETHERTYPE_QINQ_OLD3 = 0x9300,
};

enum { ETHERNET_BYTES = 14, LABEL_BYTES = 4 };

/* --- tags --- */

static void link_vlan(struct layers *layers, uint16_t id)
{
    if (id == 0) {
        return;
    }
    if (layers->vlan_outer == 0) {
        layers->vlan_outer = (uint16_t)(id + 1);
    } else {
        layers->vlan_inner = (uint16_t)(id + 1);
    }
}

/* A tag of `bytes` behind its ethertype, whose last two are the next ethertype. */
static enum reason link_tag(uint32_t bytes, struct cursor *cursor, uint32_t *wire,
                            uint16_t *out_ethertype)
{
    cursor_skip(cursor, bytes - 2);
    uint16_t next = cursor_be16(cursor);
    if (!cursor_ok(cursor)) {
        return layers_short(*wire, bytes, REASON_TAG_SHORT);
    }
    *wire -= bytes;
    *out_ethertype = next;
    return REASON_NONE;
}

/* `bytes` of a tag behind which a whole Ethernet frame stands. */
static enum reason link_ethernet_behind(uint32_t bytes, struct cursor cursor, uint32_t wire,
                                        struct layers *layers)
{
    cursor_skip(&cursor, bytes);
    if (!cursor_ok(&cursor)) {
        return layers_short(wire, bytes, REASON_TAG_SHORT);
    }
    return link_ethernet(cursor, wire - bytes, layers);
}

/* RFC 6325 section 3.7: the header's length in words of four is in its first two bytes. */
static enum reason link_trill(struct cursor cursor, uint32_t wire, struct layers *layers)
{
    uint32_t options = (uint32_t)(cursor_be16(&cursor) >> 6) & 0x1f;
    if (!cursor_ok(&cursor)) {
        return layers_short(wire, 2, REASON_TAG_SHORT);
    }
    return link_ethernet_behind(4 + options * 4, cursor, wire - 2, layers);
}

/* RFC 8300 section 2.2 */
static enum reason link_nsh(struct cursor cursor, uint32_t wire, struct layers *layers)
{
    uint16_t first = cursor_be16(&cursor);
    cursor_skip(&cursor, 1);
    uint8_t next = cursor_u8(&cursor);
    uint32_t bytes = (first & 0x3fu) * 4;
    if (!cursor_ok(&cursor)) {
        return layers_short(wire, 4, REASON_TAG_SHORT);
    }
    if (bytes < 8 || bytes > wire) {
        return REASON_TAG_SHORT;
    }
    cursor_skip(&cursor, bytes - 4);
    if (!cursor_ok(&cursor)) {
        return REASON_SNAP_CUT;
    }
    switch (next) {
    case 1:
    case 2:
        return ip_decode(cursor, wire - bytes, layers);
    case 3:
        return link_ethernet(cursor, wire - bytes, layers);
    case 4:
        return link_ethertype(ETHERTYPE_NSH, cursor, wire - bytes, layers);
    case 5:
        return link_ethertype(ETHERTYPE_MPLS, cursor, wire - bytes, layers);
    default:
        layers->unknown_type = next;
        return REASON_ETHERTYPE_UNKNOWN;
    }
}

/* Does an Ethernet frame that somebody would label begin at `offset`? */
static bool link_ethernet_likely(struct cursor cursor, uint32_t offset)
{
    cursor_skip(&cursor, (size_t)offset + 12);
    switch (cursor_be16(&cursor)) {
    case ETHERTYPE_IP4:
    case ETHERTYPE_IP6:
    case ETHERTYPE_ARP:
    case ETHERTYPE_VLAN:
    case ETHERTYPE_PROVIDER:
    case ETHERTYPE_MPLS:
    case ETHERTYPE_PPPOE:
        return true;
    default:
        return false;
    }
}

/* Do the lengths of an IP header at the cursor agree with the packet? */
static bool link_ip_likely(struct cursor cursor, uint32_t wire)
{
    uint8_t first = cursor_u8(&cursor);
    cursor_skip(&cursor, 1);
    uint32_t total = cursor_be16(&cursor);
    uint32_t length6 = cursor_be16(&cursor);
    if (first >> 4 == 4) {
        return (first & 0x0f) >= 5 && total <= wire && (total == 0 || total >= 20);
    }
    return first >> 4 == 6 && length6 + 40 <= wire;
}

/* RFC 3032 down to the bottom; what follows is told by its first bits (RFC 4928, RFC 4385, RFC
 * 4448). */
static enum reason link_mpls(struct cursor cursor, uint32_t wire, struct layers *layers)
{
    bool bottom = false;
    while (!bottom) {
        if (!layers_step(layers)) {
            return REASON_LAYERS;
        }
        uint32_t label = cursor_be32(&cursor);
        if (!cursor_ok(&cursor)) {
            return layers_short(wire, LABEL_BYTES, REASON_MPLS_SHORT);
        }
        bottom = (label & 0x100) != 0;
        wire -= LABEL_BYTES;
    }
    uint8_t first = cursor_peek(&cursor, 0);
    if (!cursor_ok(&cursor)) {
        return layers_short(wire, 1, REASON_MPLS_SHORT);
    }
    bool version = first >> 4 == 4 || first >> 4 == 6;
    if (version && (link_ip_likely(cursor, wire) || !link_ethernet_likely(cursor, 0))) {
        return ip_decode(cursor, wire, layers);
    }
    if (first >> 4 == 0 &&
        (link_ethernet_likely(cursor, LABEL_BYTES) || !link_ethernet_likely(cursor, 0))) {
        return link_ethernet_behind(LABEL_BYTES, cursor, wire, layers);
    }
    return link_ethernet(cursor, wire, layers);
}

/* --- PPP --- */

enum reason link_ppp(struct cursor cursor, uint32_t wire, struct layers *layers)
{
    if (!layers_step(layers)) {
        return REASON_LAYERS;
    }
    if (cursor_left(&cursor) >= 2 && cursor.at[0] == 0xff && cursor.at[1] == 0x03) {
        cursor_skip(&cursor, 2); /* address and control, unless they were negotiated away */
        wire -= 2;
    }
    uint32_t bytes = 1; /* an odd first byte is the whole protocol (RFC 1661 section 6.5) */
    uint16_t protocol = cursor_u8(&cursor);
    if ((protocol & 1) == 0) {
        protocol = (uint16_t)(protocol << 8 | cursor_u8(&cursor));
        bytes = 2;
    }
    if (!cursor_ok(&cursor)) {
        return layers_short(wire, bytes, REASON_LINK_SHORT);
    }
    switch (protocol) {
    case 0x0021:
    case 0x0057:
        return ip_decode(cursor, wire - bytes, layers);
    case 0x0281:
    case 0x0283:
        return link_mpls(cursor, wire - bytes, layers);
    default:
        layers->unknown_type = protocol;
        return REASON_PPP_OTHER;
    }
}

/* RFC 2516: | version and type 0x11 | code 0 | session 2 | length 2 | PPP */
enum reason link_pppoe(struct cursor cursor, uint32_t wire, struct layers *layers)
{
    cursor_skip(&cursor, 1);
    uint8_t code = cursor_u8(&cursor);
    cursor_skip(&cursor, 2);
    uint32_t length = cursor_be16(&cursor);
    if (!cursor_ok(&cursor)) {
        return layers_short(wire, 6, REASON_LINK_SHORT);
    }
    if (code != 0) {
        return REASON_PPPOE_CONTROL;
    }
    if (length > wire - 6) {
        return REASON_LINK_SHORT;
    }
    cursor_limit(&cursor, length);
    return link_ppp(cursor, length, layers);
}

/* --- Ethernet --- */

/* 802.2: SNAP names an ethertype, 06 is IP, the rest is spanning tree and the like. */
enum reason link_llc(struct cursor cursor, uint32_t wire, struct layers *layers)
{
    uint8_t destination = cursor_u8(&cursor);
    uint8_t source = cursor_u8(&cursor);
    uint8_t control = cursor_u8(&cursor);
    if (!cursor_ok(&cursor)) {
        return layers_short(wire, 3, REASON_LINK_SHORT);
    }
    if (destination == 0x06 && source == 0x06 && control == 0x03) {
        return ip_decode(cursor, wire - 3, layers);
    }
    if (destination != 0xaa || source != 0xaa || control != 0x03) {
        layers->unknown_type = (uint16_t)(destination << 8 | source);
        return REASON_LLC_OTHER;
    }
    uint32_t organisation = cursor_be24(&cursor);
    uint16_t type = cursor_be16(&cursor);
    if (!cursor_ok(&cursor)) {
        return layers_short(wire, 8, REASON_LINK_SHORT);
    }
    if (organisation == 0x0080c2 && (type == 1 || type == 7)) { /* bridged Ethernet (RFC 2427) */
        return link_ethernet(cursor, wire - 8, layers);
    }
    if ((organisation == 0 || organisation == 0x0000f8) && type > ETHERTYPE_LENGTH_MAX) {
        return link_ethertype(type, cursor, wire - 8, layers);
    }
    layers->unknown_type = type;
    return REASON_LLC_OTHER;
}

static enum reason link_length(uint16_t length, struct cursor cursor, uint32_t wire,
                               struct layers *layers)
{
    if (length > wire) {
        return REASON_LINK_SHORT;
    }
    cursor_limit(&cursor, length);
    return length == 0 ? REASON_LLC_OTHER : link_llc(cursor, length, layers);
}

/* Tags that end with another ethertype: the bytes behind this one; 0 = no such tag. */
static uint32_t link_tag_bytes(uint16_t ethertype, struct cursor *cursor)
{
    switch (ethertype) {
    case ETHERTYPE_VLAN:
    case ETHERTYPE_PROVIDER:
    case ETHERTYPE_QINQ_OLD:
    case ETHERTYPE_QINQ_OLD2:
    case ETHERTYPE_QINQ_OLD3:
        return 4;
    case ETHERTYPE_VN_TAG:
        return 6;
    case ETHERTYPE_E_TAG:
        return 8;
    case ETHERTYPE_CISCO_METADATA: { /* | version 1 | words of four 1 | option, group ... | type 2 |
                                      */
        struct cursor ahead = *cursor;
        cursor_skip(&ahead, 1);
        uint32_t words = cursor_u8(&ahead);
        return 4 + 4 * (words == 0 ? 1 : words);
    }
    default:
        return 0;
    }
}

/* Ethertypes behind which no other ethertype stands. */
static enum reason link_payload(uint16_t ethertype, struct cursor cursor, uint32_t wire,
                                struct layers *layers)
{
    switch (ethertype) {
    case ETHERTYPE_IP4:
    case ETHERTYPE_IP6:
        return ip_decode(cursor, wire, layers);
    case ETHERTYPE_ARP:
    case ETHERTYPE_RARP:
        return REASON_ARP;
    case ETHERTYPE_MPLS:
    case ETHERTYPE_MPLS_MULTICAST:
        return link_mpls(cursor, wire, layers);
    case ETHERTYPE_PPPOE_DISCOVERY:
        return REASON_PPPOE_CONTROL;
    case ETHERTYPE_PPPOE:
        return layers_step(layers) ? link_pppoe(cursor, wire, layers) : REASON_LAYERS;
    case ETHERTYPE_PPP:
        return link_ppp(cursor, wire, layers);
    case ETHERTYPE_BRIDGED:
        return link_ethernet(cursor, wire, layers);
    case ETHERTYPE_BACKBONE: /* the service's tag; with both addresses and the type 18 bytes */
        return layers_step(layers) ? link_ethernet_behind(4, cursor, wire, layers) : REASON_LAYERS;
    case ETHERTYPE_FABRICPATH: /* tree and hops; with the outer addresses 16 bytes */
        return layers_step(layers) ? link_ethernet_behind(2, cursor, wire, layers) : REASON_LAYERS;
    case ETHERTYPE_TRILL:
        return layers_step(layers) ? link_trill(cursor, wire, layers) : REASON_LAYERS;
    case ETHERTYPE_NSH:
        return layers_step(layers) ? link_nsh(cursor, wire, layers) : REASON_LAYERS;
    default:
        layers->unknown_type = ethertype;
        return REASON_ETHERTYPE_UNKNOWN;
    }
}

enum reason link_ethertype(uint16_t ethertype, struct cursor cursor, uint32_t wire,
                           struct layers *layers)
{
    /* Ends: every turn takes a layer. */
    for (;;) {
        if (ethertype <= ETHERTYPE_LENGTH_MAX) {
            return link_length(ethertype, cursor, wire, layers);
        }
        uint32_t bytes = link_tag_bytes(ethertype, &cursor);
        if (bytes == 0) {
            return link_payload(ethertype, cursor, wire, layers);
        }
        if (!layers_step(layers)) {
            return REASON_LAYERS;
        }
        if (bytes == 4) {
            uint16_t tag = cursor_be16(&cursor);
            ethertype = cursor_be16(&cursor);
            if (!cursor_ok(&cursor)) {
                return layers_short(wire, bytes, REASON_VLAN_SHORT);
            }
            wire -= bytes;
            link_vlan(layers, tag & 0x0fff);
            continue;
        }
        enum reason reason = link_tag(bytes, &cursor, &wire, &ethertype);
        if (reason != REASON_NONE) {
            return reason;
        }
    }
}

enum reason link_ethernet(struct cursor cursor, uint32_t wire, struct layers *layers)
{
    if (!layers_step(layers)) {
        return REASON_LAYERS;
    }
    cursor_skip(&cursor, 6);
    uint64_t source = (uint64_t)cursor_be16(&cursor) << 32;
    source |= cursor_be32(&cursor);
    uint16_t ethertype = cursor_be16(&cursor);
    if (!cursor_ok(&cursor)) {
        return layers_short(wire, ETHERNET_BYTES, REASON_LINK_SHORT);
    }
    layers->link_hash_input = source;
    return link_ethertype(ethertype, cursor, wire - ETHERNET_BYTES, layers);
}
