/* Link types of captures (tcpdump.org/linktypes.html): what each put before the packet is read
 * here, and the rest goes to link.c or ip.c. A type that is not in the list carries no IP, or none
 * that a telephony capture ever came in.
 *
 *    SLL     | packet type 2 | ARPHRD 2 | address length 2 | address 8 | type 2 |
 *    SLL2    | type 2 | 0 2 | interface 4 | ARPHRD 2 | packet type 1 | length 1 | address 8 |
 *    ERF     | time 8 | type 1 | flags 1 | record length 2 | 2 | wire length 2 | extensions of 8 |
 *    802.11  | control 2 | duration 2 | address 6, 6, 6 | sequence 2 | address 6 | QoS 2 | HT 4 |
 *
 * Limits: 802.11 fragments, aggregates (A-MSDU) and protected frames are left out; of multilink
 * Frame Relay (FRF.16) only frames that are whole are read. */
#include "decoders/decoder.h"

enum link_type {
    LINK_NULL = 0,
    LINK_ETHERNET = 1,
    LINK_PPP = 9,
    LINK_RAW_BSD = 12,
    LINK_RAW_OPENBSD = 14,
    LINK_PPP_SERIAL = 50,
    LINK_PPPOE = 51,
    LINK_RAW = 101,
    LINK_CISCO_HDLC = 104,
    LINK_WIFI = 105,
    LINK_FRAME_RELAY = 107,
    LINK_LOOP = 108,
    LINK_LINUX_COOKED = 113,
    LINK_IP_OVER_FC = 122,
    LINK_RADIOTAP = 127,
    LINK_MULTILINK_FRAME_RELAY = 182,
    LINK_PPI = 192,
    LINK_ERF = 197,
    LINK_IPNET = 226,
    LINK_IP4 = 228,
    LINK_IP6 = 229,
    LINK_LINUX_COOKED2 = 276,
};

enum {
    ETHERTYPE_LENGTH_MAX = 1500
}; /* at most this is a length, not a type (IEEE 802.3 section 3.2.6) */

/* Address families as the writing machine numbers them: 2 everywhere, IPv6 by its system. */
static enum reason link_type_family(uint32_t family, struct cursor cursor, uint32_t wire,
                                    struct layers *layers)
{
    switch (family) {
    case 2:
    case 10: /* Linux */
    case 24: /* NetBSD, OpenBSD */
    case 26: /* Solaris */
    case 28: /* FreeBSD */
    case 30: /* macOS */
        return ip_decode(cursor, wire, layers);
    default:
        layers->unknown_type = (uint16_t)(family & 0xffff);
        return REASON_ETHERTYPE_UNKNOWN;
    }
}

/* NULL and LOOP: four bytes of address family in the order of the machine that wrote them, or of
 * the network. */
static enum reason link_type_null(struct cursor cursor, uint32_t wire, struct layers *layers)
{
    uint32_t family = cursor_be32(&cursor);
    if (!cursor_ok(&cursor)) {
        return layers_short(wire, 4, REASON_LINK_SHORT);
    }
    if (family > 0xffff) {
        family = __builtin_bswap32(family);
    }
    return link_type_family(family, cursor, wire - 4, layers);
}

/* Solaris: | version 1 | family 1 | type 2 | length 4 | interfaces 4, 4 | zones 4, 4 | */
static enum reason link_type_ipnet(struct cursor cursor, uint32_t wire, struct layers *layers)
{
    cursor_skip(&cursor, 1);
    uint8_t family = cursor_u8(&cursor);
    cursor_skip(&cursor, 22);
    if (!cursor_ok(&cursor)) {
        return layers_short(wire, 24, REASON_LINK_SHORT);
    }
    return link_type_family(family, cursor, wire - 24, layers);
}

/* Both kinds of Linux's cooked capture. The packet type (to us, from us ...) and the interface
 * stand in for the port of a mirror: the same packet on two of them is a copy. */
static enum reason link_type_cooked(bool second, struct cursor cursor, uint32_t wire,
                                    struct layers *layers)
{
    enum { ARPHRD_NETLINK = 824, COOKED_BYTES = 16, COOKED2_BYTES = 20, TYPE_LLC = 4 };
    uint32_t bytes = second ? COOKED2_BYTES : COOKED_BYTES;
    uint16_t first = cursor_be16(&cursor); /* protocol or packet type */
    uint32_t interface = 0;
    if (second) {
        cursor_skip(&cursor, 2);
        interface = cursor_be32(&cursor);
    }
    uint16_t hardware = cursor_be16(&cursor);
    uint16_t lengths = cursor_be16(&cursor); /* second: packet type and address length */
    uint64_t address = cursor_be64(&cursor);
    uint16_t protocol = second ? first : cursor_be16(&cursor);
    if (!cursor_ok(&cursor)) {
        return layers_short(wire, bytes, REASON_LINK_SHORT);
    }
    uint16_t packet_type = second ? lengths >> 8 : first;
    layers->link_hash_input = (address >> 16) ^ (uint64_t)packet_type << 56 ^
                              (uint64_t)hardware << 48 ^ (uint64_t)interface << 32;
    if (hardware == ARPHRD_NETLINK) {
        return REASON_LINK_UNKNOWN;
    }
    wire -= bytes;
    if (protocol == TYPE_LLC) {
        return link_llc(cursor, wire, layers);
    }
    if (protocol <= ETHERTYPE_LENGTH_MAX) {
        layers->unknown_type = protocol;
        return REASON_ETHERTYPE_UNKNOWN;
    }
    return link_ethertype(protocol, cursor, wire, layers);
}

/* Cisco: | address 0F or 8F | 00 | ethertype | */
static enum reason link_type_hdlc(struct cursor cursor, uint32_t wire, struct layers *layers)
{
    cursor_skip(&cursor, 2);
    uint16_t ethertype = cursor_be16(&cursor);
    if (!cursor_ok(&cursor)) {
        return layers_short(wire, 4, REASON_LINK_SHORT);
    }
    if (ethertype <= ETHERTYPE_LENGTH_MAX) {
        layers->unknown_type = ethertype;
        return REASON_ETHERTYPE_UNKNOWN;
    }
    return link_ethertype(ethertype, cursor, wire - 4, layers);
}

/* PPP or Cisco HDLC on a serial line: the first byte tells (RFC 1662, RFC 1547). */
static enum reason link_type_serial(struct cursor cursor, uint32_t wire, struct layers *layers)
{
    uint8_t first = cursor_peek(&cursor, 0);
    if (!cursor_ok(&cursor)) {
        return layers_short(wire, 1, REASON_LINK_SHORT);
    }
    return first == 0x0f || first == 0x8f ? link_type_hdlc(cursor, wire, layers)
                                          : link_ppp(cursor, wire, layers);
}

/* Q.922 address (2 to 4 bytes, the last has bit 0), then RFC 2427 (03, NLPID) or Cisco's ethertype.
 */
static enum reason link_type_frame_relay(struct cursor cursor, uint32_t wire, struct layers *layers)
{
    enum { ADDRESS_BYTES_MAX = 4, NLPID_SNAP = 0x80, NLPID_IP6 = 0x8e, NLPID_IP4 = 0xcc };
    uint32_t bytes = 0;
    bool last = false;
    while (!last && bytes < ADDRESS_BYTES_MAX) {
        last = (cursor_u8(&cursor) & 1) != 0;
        bytes++;
    }
    uint8_t control = cursor_u8(&cursor);
    uint8_t protocol = cursor_u8(&cursor);
    bytes += 2;
    if (control == 0x03 && protocol == 0) { /* a pad before the protocol */
        protocol = cursor_u8(&cursor);
        bytes++;
    }
    if (!cursor_ok(&cursor)) {
        return layers_short(wire, bytes, REASON_LINK_SHORT);
    }
    wire -= bytes;
    if (control != 0x03) {
        uint16_t ethertype = (uint16_t)(control << 8 | protocol);
        if (ethertype > ETHERTYPE_LENGTH_MAX) {
            return link_ethertype(ethertype, cursor, wire, layers);
        }
        layers->unknown_type = ethertype;
        return REASON_ETHERTYPE_UNKNOWN;
    }
    switch (protocol) {
    case NLPID_IP4:
    case NLPID_IP6:
        return ip_decode(cursor, wire, layers);
    case 0xcf: /* RFC 1973 */
        return link_ppp(cursor, wire, layers);
    case NLPID_SNAP: {
        uint32_t organisation = cursor_be24(&cursor);
        uint16_t type = cursor_be16(&cursor);
        if (!cursor_ok(&cursor)) {
            return layers_short(wire, 5, REASON_LINK_SHORT);
        }
        if (organisation == 0 && type > ETHERTYPE_LENGTH_MAX) {
            return link_ethertype(type, cursor, wire - 5, layers);
        }
        if (organisation == 0x0080c2 && (type == 1 || type == 7)) {
            return link_ethernet(cursor, wire - 5, layers);
        }
        layers->unknown_type = type;
        return REASON_LLC_OTHER;
    }
    default:
        layers->unknown_type = protocol;
        return REASON_LLC_OTHER;
    }
}

/* FRF.16: | begin, end, control, sequence 4 | sequence 8 | then a frame, or a part of one */
static enum reason link_type_multilink(struct cursor cursor, uint32_t wire, struct layers *layers)
{
    uint16_t head = cursor_be16(&cursor);
    if (!cursor_ok(&cursor)) {
        return layers_short(wire, 2, REASON_LINK_SHORT);
    }
    return (head & 0xe000) == 0xc000 ? link_type_frame_relay(cursor, wire - 2, layers)
                                     : REASON_LLC_OTHER;
}

/* IEEE 802.11: clear data frames only. The transmitter stands for the port: what the station sends
 * and the access point repeats is one packet. `padded`: the header is filled up to a word
 * (radiotap's flags say so). */
static enum reason link_type_wifi(bool padded, struct cursor cursor, uint32_t wire,
                                  struct layers *layers)
{
    enum { TO_DS = 1, FROM_DS = 2, MORE = 4, PROTECTED = 0x40, ORDER = 0x80 };
    uint8_t type = cursor_u8(&cursor);
    uint8_t flags = cursor_u8(&cursor);
    bool swapped = (type & 3) != 0 && (flags & 0x0f) == 0x08;
    if (swapped) { /* some controllers send all words the other way round through CAPWAP */
        uint8_t first = type;
        type = flags;
        flags = first;
    }
    cursor_skip(&cursor, 8);
    uint64_t transmitter = (uint64_t)cursor_be16(&cursor) << 32;
    transmitter |= cursor_be32(&cursor);
    cursor_skip(&cursor, 6);
    uint16_t sequence = swapped ? cursor_be16(&cursor) : cursor_le16(&cursor);
    uint32_t bytes = 24;
    if (cursor_ok(&cursor) && (type & 0x0f) != 0x08) {
        return REASON_WIFI_OTHER;
    }
    if ((flags & (TO_DS | FROM_DS)) == (TO_DS | FROM_DS)) {
        cursor_skip(&cursor, 6);
        bytes += 6;
    }
    uint8_t quality = 0;
    if ((type & 0x80) != 0) {
        uint32_t more = (flags & ORDER) != 0 ? 4 : 0; /* HT control */
        quality = cursor_u8(&cursor);
        cursor_skip(&cursor, 1 + more);
        bytes += 2 + more;
    }
    if (padded && bytes % 4 != 0) {
        cursor_skip(&cursor, 2);
        bytes += 2;
    }
    if (!cursor_ok(&cursor)) {
        return layers_short(wire, bytes, REASON_LINK_SHORT);
    }
    if ((type & 0x40) != 0 || (flags & (MORE | PROTECTED)) != 0 || (sequence & 0x0f) != 0 ||
        (quality & 0x80) != 0) {
        return REASON_WIFI_OTHER;
    }
    layers->link_hash_input = transmitter;
    return link_llc(cursor, wire - bytes, layers);
}

/* radiotap.org: little endian; bit 0 of `present` a time of 8 aligned bytes, bit 1 the flags. */
static enum reason link_type_radiotap(struct cursor cursor, uint32_t wire, struct layers *layers)
{
    enum { HEAD_BYTES = 8, HAS_TIME = 1, HAS_FLAGS = 2, FLAG_PADDED = 0x20 };
    struct cursor fields = cursor;
    cursor_skip(&cursor, 2);
    uint32_t length = cursor_le16(&cursor);
    uint32_t present = cursor_le32(&cursor);
    if (!cursor_ok(&cursor)) {
        return layers_short(wire, HEAD_BYTES, REASON_LINK_SHORT);
    }
    if (length < HEAD_BYTES || length > wire) {
        return REASON_LINK_SHORT;
    }
    cursor_skip(&cursor, length - HEAD_BYTES);
    if (!cursor_ok(&cursor)) {
        return REASON_SNAP_CUT;
    }
    cursor_limit(&fields, length);
    cursor_skip(&fields, 4);
    uint32_t words = 1;
    while ((cursor_le32(&fields) & 0x80000000u) != 0) { /* ends: a cursor that failed reads 0 */
        words++;
    }
    bool padded = false;
    if ((present & HAS_FLAGS) != 0) {
        uint32_t aligned = words % 2 == 0 ? 4 : 0; /* the time begins at a multiple of 8 */
        cursor_skip(&fields, (present & HAS_TIME) != 0 ? aligned + 8 : 0);
        padded = (cursor_u8(&fields) & FLAG_PADDED) != 0;
    }
    return link_type_wifi(padded, cursor, wire - length, layers);
}

/* | version 1 | flags 1 | length 2 | link type 4 |, little endian, then fields up to the length */
static enum reason link_type_ppi(struct cursor cursor, uint32_t wire, struct layers *layers)
{
    cursor_skip(&cursor, 2);
    uint32_t length = cursor_le16(&cursor);
    uint32_t link_type = cursor_le32(&cursor);
    if (!cursor_ok(&cursor)) {
        return layers_short(wire, 8, REASON_LINK_SHORT);
    }
    if (length < 8 || length > wire) {
        return REASON_LINK_SHORT;
    }
    cursor_skip(&cursor, length - 8);
    if (!cursor_ok(&cursor)) {
        return REASON_SNAP_CUT;
    }
    if (link_type > UINT16_MAX) {
        return REASON_LINK_UNKNOWN;
    }
    return link_decode((uint16_t)link_type, cursor, wire - length, layers);
}

/* Endace: record types as in their ERF page; the wire length is the frame's own. */
static enum reason link_type_erf(struct cursor cursor, uint32_t wire, struct layers *layers)
{
    enum { HEAD_BYTES = 16, EXTENSION_BYTES = 8, EXTENDED = 0x80 };
    cursor_skip(&cursor, 8);
    uint8_t type = cursor_u8(&cursor);
    cursor_skip(&cursor, 5);
    uint32_t frame_wire = cursor_be16(&cursor);
    uint32_t bytes = HEAD_BYTES;
    bool extended = (type & EXTENDED) != 0;
    while (extended && cursor_ok(&cursor)) {
        extended = (cursor_u8(&cursor) & EXTENDED) != 0;
        cursor_skip(&cursor, EXTENSION_BYTES - 1);
        bytes += EXTENSION_BYTES;
    }
    if (!cursor_ok(&cursor)) {
        return layers_short(wire, bytes, REASON_LINK_SHORT);
    }
    wire -= bytes;
    wire = frame_wire > wire ? frame_wire : wire; /* the card may have cut it before the file did */
    switch (type & ~EXTENDED) {
    case 1: /* HDLC */
    case 10: /* with a colour */
    case 15: /* with a filter's result */
        return link_type_serial(cursor, wire, layers);
    case 2: /* Ethernet behind two bytes of offset and pad */
    case 11:
    case 16:
    case 20:
        cursor_skip(&cursor, 2);
        return cursor_ok(&cursor) ? link_ethernet(cursor, wire - 2, layers)
                                  : layers_short(wire, 2, REASON_LINK_SHORT);
    case 22:
    case 23:
        return ip_decode(cursor, wire, layers);
    default:
        layers->unknown_type = type;
        return REASON_LINK_UNKNOWN;
    }
}

/* Links of their own depth; Ethernet and PPP count themselves. */
static enum reason link_type_counted(uint16_t link_type, struct cursor cursor, uint32_t wire,
                                     struct layers *layers)
{
    if (!layers_step(layers)) {
        return REASON_LAYERS;
    }
    switch (link_type) {
    case LINK_NULL:
    case LINK_LOOP:
        return link_type_null(cursor, wire, layers);
    case LINK_RAW_BSD:
    case LINK_RAW_OPENBSD:
    case LINK_RAW:
    case LINK_IP4:
    case LINK_IP6:
        return ip_decode(cursor, wire, layers);
    case LINK_PPPOE:
        return link_pppoe(cursor, wire, layers);
    case LINK_CISCO_HDLC:
        return link_type_hdlc(cursor, wire, layers);
    case LINK_WIFI:
        return link_type_wifi(false, cursor, wire, layers);
    case LINK_FRAME_RELAY:
        return link_type_frame_relay(cursor, wire, layers);
    case LINK_LINUX_COOKED:
        return link_type_cooked(false, cursor, wire, layers);
    case LINK_IP_OVER_FC: /* RFC 2625: two addresses of eight bytes, then LLC */
        cursor_skip(&cursor, 16);
        return cursor_ok(&cursor) ? link_llc(cursor, wire - 16, layers)
                                  : layers_short(wire, 16, REASON_LINK_SHORT);
    case LINK_RADIOTAP:
        return link_type_radiotap(cursor, wire, layers);
    case LINK_MULTILINK_FRAME_RELAY:
        return link_type_multilink(cursor, wire, layers);
    case LINK_PPI:
        return link_type_ppi(cursor, wire, layers);
    case LINK_ERF:
        return link_type_erf(cursor, wire, layers);
    case LINK_IPNET:
        return link_type_ipnet(cursor, wire, layers);
    case LINK_LINUX_COOKED2:
        return link_type_cooked(true, cursor, wire, layers);
    default:
        layers->unknown_type = link_type;
        return REASON_LINK_UNKNOWN;
    }
}

enum reason link_decode(uint16_t link_type, struct cursor cursor, uint32_t wire,
                        struct layers *layers)
{
    switch (link_type) {
    case LINK_ETHERNET:
        return link_ethernet(cursor, wire, layers);
    case LINK_PPP:
    case LINK_PPP_SERIAL:
        return link_type_serial(cursor, wire, layers);
    default:
        return link_type_counted(link_type, cursor, wire, layers);
    }
}
