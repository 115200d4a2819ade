/* Tunnels: the mirrored or carried packet inside GRE and inside UDP.
 *
 *    GRE v0     | C R K S s, 0 8, version 3 | protocol 2 | checksum, offset 4 | key 4 |
 *               | sequence 4 | routing ... |
 *    GRE v1     | the same | payload length 2 | call id 2 | sequence 4 | acknowledgement 4 |
 *               (PPTP, RFC 2637)
 *    ERSPAN II  | version 4, VLAN 12 | class 3, en 2, T, session 10 | 0 12, index 20 |
 *    ERSPAN III | the same two | time 4 | group 2 | P, frame type 5, hardware 6, D, 2, O |
 *    VXLAN      | flags 1 | 0 3 | VNI 3 | 0 1 |              (RFC 7348; GPE: next protocol at 3)
 *    GENEVE     | version 2, words 6 | O, C, 0 6 | protocol 2 | VNI 3 | 0 1 | options ... |
 *    GTP-U      | version 3, 1, 0, E, S, PN | type 1 | length 2 | TEID 4 |
 *               | sequence 2, N-PDU 1, next 1 | extensions ... |
 *    L2TP       | T, L, 0 2, S, 0, O, P, 0 4, version 4 | length 2 | tunnel 2 | session 2 |
 *               | sequence 4 | offset 2 ... |
 *    CAPWAP     | 0 8 | words 5, radio 5, binding 5, T | F, L, W, M, K, 0 3 | fragment 2 |
 *               | offset 13, 0 3 | ... |
 *    TZSP       | version 1 | type 1 | protocol 2 | tags: type 1, length 1, value ... |
 *
 * A port proves nothing: telephones send RTP from any even port, some of them a tunnel's. So what
 * is on a tunnel's port is opened on a copy of the view: reserved bits must be zero, lengths must
 * agree, and what is inside must decode without a contradiction; else the view is put back and the
 * datagram stays the plain UDP that it was. A tunnel that holds something well formed that is not
 * read (ARP, ICMP ...) is a tunnel, and its frame is ignored for that reason.
 *
 * ERSPAN's T says that the switch cut the mirrored frame: how long it was is then known from the IP
 * inside only.
 *
 * Limits: no GTP inside that is not IP, no L2TPv3, no DTLS in CAPWAP. The VLAN of an ERSPAN header
 * is no label, since the two directions of one call may carry two. */
#include "decoders/decoder.h"

enum tunnel_protocol {
    PROTOCOL_IP4 = 0x0800,
    PROTOCOL_IP6 = 0x86dd,
    PROTOCOL_BRIDGED = 0x6558,
    PROTOCOL_MPLS = 0x8847,
    PROTOCOL_MPLS_MULTICAST = 0x8848,
    PROTOCOL_PPP = 0x880b,
    PROTOCOL_NSH = 0x894f,
    PROTOCOL_ERSPAN = 0x88be,
    PROTOCOL_ERSPAN3 = 0x22eb,
};

enum { LINK_ETHERNET = 1, LINK_WIFI = 105, LINK_RADIOTAP = 127 };

/* As much as an Ethernet frame with an IP packet can have: for a mirrored frame whose length was
 * lost. */
enum { WIRE_UNKNOWN = 18 + 65535 };

/* Label + 1 fits but for the one TEID or key of all ones, which shares with its neighbour. */
static void tunnel_label(struct layers *layers, uint32_t label)
{
    layers->vni = label == UINT32_MAX ? label : label + 1;
}

/* --- GRE and ERSPAN --- */

static enum reason tunnel_erspan(uint32_t bytes, struct cursor cursor, uint32_t wire,
                                 struct layers *layers)
{
    cursor_skip(&cursor, 2);
    uint16_t session = cursor_be16(&cursor);
    cursor_skip(&cursor, 4);
    uint16_t type = 0;
    if (bytes == 12) {
        cursor_skip(&cursor, 2);
        type = cursor_be16(&cursor);
        if ((type & 1) != 0) { /* O: a platform's eight bytes more */
            cursor_skip(&cursor, 8);
            bytes += 8;
        }
    }
    if (!cursor_ok(&cursor)) {
        return layers_short(wire, bytes, REASON_ERSPAN_SHORT);
    }
    tunnel_label(layers, session & 0x3ff);
    wire = (session & 0x0400) != 0 ? WIRE_UNKNOWN : wire - bytes;
    return (type >> 10 & 0x1f) == 2 ? ip_decode(cursor, wire, layers)
                                    : link_ethernet(cursor, wire, layers);
}

/* Type I has no header of its own and no sequence number in GRE; II has both, and its version is 1.
 */
static enum reason tunnel_erspan_guess(bool sequenced, struct cursor cursor, uint32_t wire,
                                       struct layers *layers)
{
    uint8_t first = cursor_peek(&cursor, 0);
    if (!cursor_ok(&cursor)) {
        return layers_short(wire, 1, REASON_ERSPAN_SHORT);
    }
    if (sequenced && first >> 4 == 1) {
        return tunnel_erspan(8, cursor, wire, layers);
    }
    return link_ethernet(cursor, wire, layers);
}

static enum reason tunnel_gre_inner(uint16_t protocol, bool sequenced, struct cursor cursor,
                                    uint32_t wire, struct layers *layers)
{
    switch (protocol) {
    case PROTOCOL_IP4:
    case PROTOCOL_IP6:
        return ip_decode(cursor, wire, layers);
    case PROTOCOL_BRIDGED:
        return link_ethernet(cursor, wire, layers);
    case PROTOCOL_PPP:
        return link_ppp(cursor, wire, layers);
    case PROTOCOL_MPLS:
    case PROTOCOL_MPLS_MULTICAST:
    case PROTOCOL_NSH:
        return link_ethertype(protocol, cursor, wire, layers);
    case PROTOCOL_ERSPAN:
        return tunnel_erspan_guess(sequenced, cursor, wire, layers);
    case PROTOCOL_ERSPAN3:
        return tunnel_erspan(12, cursor, wire, layers);
    default:
        layers->unknown_type = protocol;
        return REASON_GRE_OTHER;
    }
}

/* RFC 1701: entries of | family 2 | offset 1 | length 1 | ... up to one of family and length 0. */
static uint32_t tunnel_gre_routing(struct cursor *cursor)
{
    uint32_t bytes = 0;
    while (cursor_ok(cursor)) {
        uint16_t family = cursor_be16(cursor);
        cursor_skip(cursor, 1);
        uint32_t length = cursor_u8(cursor);
        cursor_skip(cursor, length);
        bytes += 4 + length;
        if (family == 0 && length == 0) {
            break;
        }
    }
    return bytes;
}

enum reason tunnel_gre(struct cursor cursor, uint32_t wire, struct layers *layers)
{
    enum { CHECKSUM = 0x8000, ROUTING = 0x4000, KEY = 0x2000, SEQUENCE = 0x1000, ACK = 0x0080 };
    if (!layers_step(layers)) {
        return REASON_LAYERS;
    }
    layers->tunnels++;
    uint16_t flags = cursor_be16(&cursor);
    uint16_t protocol = cursor_be16(&cursor);
    uint32_t bytes = 4;
    bool pptp = (flags & 7) == 1;
    bool has_key = (flags & KEY) != 0;
    uint32_t key = 0;
    if (!pptp && (flags & (CHECKSUM | ROUTING)) != 0) {
        cursor_skip(&cursor, 4);
        bytes += 4;
    }
    if (has_key) {
        key = cursor_be32(&cursor);
        bytes += 4;
    }
    if ((flags & SEQUENCE) != 0) {
        cursor_skip(&cursor, 4);
        bytes += 4;
    }
    if (pptp && (flags & ACK) != 0) {
        cursor_skip(&cursor, 4);
        bytes += 4;
    }
    if (!pptp && (flags & ROUTING) != 0) {
        bytes += tunnel_gre_routing(&cursor);
    }
    if (!cursor_ok(&cursor)) {
        return layers_short(wire, bytes, REASON_GRE_SHORT);
    }
    wire -= bytes;
    if ((flags & 7) > 1 || (pptp && (flags & SEQUENCE) == 0)) { /* an acknowledgement alone */
        layers->unknown_type = protocol;
        return REASON_GRE_OTHER;
    }
    if (pptp) {
        if (key >> 16 > wire) {
            return REASON_GRE_SHORT;
        }
        wire = key >> 16;
        cursor_limit(&cursor, wire);
        key &= 0xffff;
    }
    if (has_key) {
        tunnel_label(layers, key);
    }
    return tunnel_gre_inner(protocol, (flags & SEQUENCE) != 0, cursor, wire, layers);
}

/* --- tunnels in UDP: each opens one datagram. A reason of verdict NOTED, MALFORMED or SNAP_CUT: it
 * is none --- */

static enum reason tunnel_vxlan(struct cursor cursor, uint32_t wire, struct layers *layers)
{
    uint32_t flags = cursor_be32(&cursor);
    uint32_t vni = cursor_be32(&cursor);
    /* VNI valid; the group policy extension adds its bit and an id, nothing else may be set */
    if (!cursor_ok(&cursor) || (vni & 0xff) != 0 ||
        (flags != 0x08000000 && (flags & 0xffb70000) != 0x88000000)) {
        return REASON_TUNNEL_OTHER;
    }
    tunnel_label(layers, vni >> 8);
    return link_ethernet(cursor, wire - 8, layers);
}

static enum reason tunnel_vxlan_gpe(struct cursor cursor, uint32_t wire, struct layers *layers)
{
    enum { VERSION = 0x30, INSTANCE = 0x08, OAM = 0x01 };
    uint8_t flags = cursor_u8(&cursor);
    uint16_t reserved = cursor_be16(&cursor);
    uint8_t next = cursor_u8(&cursor);
    uint32_t vni = cursor_be32(&cursor);
    if (!cursor_ok(&cursor) || reserved != 0 || (vni & 0xff) != 0 || (flags & INSTANCE) == 0 ||
        (flags & (0xc0 | VERSION | OAM)) != 0) {
        return REASON_TUNNEL_OTHER;
    }
    tunnel_label(layers, vni >> 8);
    wire -= 8;
    switch (next) {
    case 1:
    case 2:
        return ip_decode(cursor, wire, layers);
    case 0:
    case 3:
        return link_ethernet(cursor, wire, layers);
    case 4:
        return link_ethertype(PROTOCOL_NSH, cursor, wire, layers);
    case 5:
        return link_ethertype(PROTOCOL_MPLS, cursor, wire, layers);
    default:
        return REASON_TUNNEL_OTHER;
    }
}

static enum reason tunnel_geneve(struct cursor cursor, uint32_t wire, struct layers *layers)
{
    uint8_t first = cursor_u8(&cursor);
    uint8_t flags = cursor_u8(&cursor);
    uint16_t protocol = cursor_be16(&cursor);
    uint32_t vni = cursor_be32(&cursor);
    uint32_t options = (first & 0x3fu) * 4;
    cursor_skip(&cursor, options);
    if (!cursor_ok(&cursor) || first >> 6 != 0 || (flags & 0xbf) != 0 || (vni & 0xff) != 0) {
        return REASON_TUNNEL_OTHER; /* also a control packet: O */
    }
    tunnel_label(layers, vni >> 8);
    wire -= 8 + options;
    switch (protocol) {
    case PROTOCOL_IP4:
    case PROTOCOL_IP6:
    case PROTOCOL_BRIDGED:
    case PROTOCOL_MPLS:
    case PROTOCOL_MPLS_MULTICAST:
    case PROTOCOL_NSH:
        return link_ethertype(protocol, cursor, wire, layers);
    default:
        return REASON_TUNNEL_OTHER;
    }
}

/* 3GPP TS 29.281 section 5.1; only a G-PDU (255) carries a user's packet. */
static enum reason tunnel_gtp(struct cursor cursor, uint32_t wire, struct layers *layers)
{
    enum { EXTENSION = 4, OPTIONAL = 7, USER_PACKET = 255 };
    uint8_t flags = cursor_u8(&cursor);
    uint8_t type = cursor_u8(&cursor);
    uint32_t length = cursor_be16(&cursor);
    uint32_t teid = cursor_be32(&cursor);
    if (!cursor_ok(&cursor) || (flags & 0xf8) != 0x30 || length + 8 > wire) {
        return REASON_TUNNEL_OTHER;
    }
    if (type != USER_PACKET) {
        return REASON_GTP_OTHER;
    }
    cursor_limit(&cursor, length);
    wire = length;
    if ((flags & OPTIONAL) != 0) {
        cursor_skip(&cursor, 3);
        uint8_t next = cursor_u8(&cursor);
        uint32_t bytes = 4;
        while ((flags & EXTENSION) != 0 && next != 0) {
            uint32_t words = cursor_u8(&cursor);
            if (!layers_step(layers)) {
                return REASON_LAYERS;
            }
            if (words == 0) {
                return REASON_TUNNEL_OTHER;
            }
            cursor_skip(&cursor, words * 4 - 2);
            next = cursor_u8(&cursor);
            bytes += words * 4;
        }
        if (!cursor_ok(&cursor)) {
            return REASON_TUNNEL_OTHER;
        }
        wire -= bytes;
    }
    tunnel_label(layers, teid);
    return ip_decode(cursor, wire, layers);
}

/* RFC 4380 section 5.1.1: an authentication and an origin indication may stand before the IPv6
 * packet, which takes all the rest of the datagram. */
static enum reason tunnel_teredo(struct cursor cursor, uint32_t wire, struct layers *layers)
{
    enum { AUTHENTICATION = 1, ORIGIN = 0, IP6_BYTES = 40 };
    struct cursor ahead = cursor;
    if (cursor_be16(&ahead) == AUTHENTICATION) {
        uint32_t client = cursor_u8(&ahead);
        uint32_t value = cursor_u8(&ahead);
        cursor_skip(&ahead, client + value + 9); /* and nonce, confirmation */
        if (!cursor_ok(&ahead)) {
            return REASON_TUNNEL_OTHER;
        }
        wire -= client + value + 13;
        cursor = ahead;
    }
    ahead = cursor;
    if (cursor_be16(&ahead) == ORIGIN) {
        cursor_skip(&ahead, 6);
        if (!cursor_ok(&ahead)) {
            return REASON_TUNNEL_OTHER;
        }
        wire -= 8;
        cursor = ahead;
    }
    ahead = cursor;
    uint32_t first = cursor_be32(&ahead);
    uint32_t length = cursor_be16(&ahead);
    if (!cursor_ok(&ahead) || first >> 28 != 6 || length + IP6_BYTES != wire) {
        return REASON_TUNNEL_OTHER;
    }
    return ip_decode(cursor, wire, layers);
}

/* RFC 2661 section 3.1 */
static enum reason tunnel_l2tp(struct cursor cursor, uint32_t wire, struct layers *layers)
{
    enum { CONTROL = 0x8000, LENGTH = 0x4000, SEQUENCE = 0x0800, OFFSET = 0x0200 };
    uint16_t flags = cursor_be16(&cursor);
    uint32_t bytes = 6;
    if (!cursor_ok(&cursor) || (flags & 0x34ff) != 2) {
        return REASON_TUNNEL_OTHER;
    }
    if ((flags & CONTROL) != 0) {
        return REASON_L2TP_CONTROL;
    }
    if ((flags & LENGTH) != 0) {
        uint32_t length = cursor_be16(&cursor);
        if (length > wire || length < 8) {
            return REASON_TUNNEL_OTHER;
        }
        cursor_limit(&cursor, length - 4);
        wire = length;
        bytes += 2;
    }
    uint32_t identifiers = cursor_be32(&cursor);
    if ((flags & SEQUENCE) != 0) {
        cursor_skip(&cursor, 4);
        bytes += 4;
    }
    if ((flags & OFFSET) != 0) {
        uint32_t offset = cursor_be16(&cursor);
        cursor_skip(&cursor, offset);
        bytes += 2 + offset;
    }
    if (!cursor_ok(&cursor)) {
        return REASON_TUNNEL_OTHER;
    }
    tunnel_label(layers, identifiers);
    return link_ppp(cursor, wire - bytes, layers);
}

/* RFC 5415 section 4.3; its fragments are put together like those of IP, under their own protocol
 * numbers. */
static enum reason tunnel_capwap(struct cursor cursor, uint32_t wire, struct layers *layers)
{
    enum { FRAGMENT = 0x80, LAST = 0x40, KEEPALIVE = 0x08, WIFI_BINDING = 1 };
    uint8_t preamble = cursor_u8(&cursor);
    uint16_t head = cursor_be16(&cursor);
    uint8_t flags = cursor_u8(&cursor);
    uint16_t id = cursor_be16(&cursor);
    uint16_t position = cursor_be16(&cursor);
    uint32_t bytes = (uint32_t)(head >> 11) * 4;
    /* head: words 5, radio 5, binding 5, T 1; T is its lowest bit */
    bool native = (head & 1) != 0;
    if (!cursor_ok(&cursor) || preamble != 0 || bytes < 8 || bytes > wire || (flags & 7) != 0 ||
        (flags & KEEPALIVE) != 0 || (native && (head >> 1 & 0x1f) != WIFI_BINDING)) {
        return REASON_TUNNEL_OTHER;
    }
    cursor_skip(&cursor, bytes - 8);
    if (!cursor_ok(&cursor)) {
        return REASON_TUNNEL_OTHER;
    }
    wire -= bytes;
    uint8_t inside = native ? FRAGMENT_CAPWAP_WIFI : FRAGMENT_CAPWAP_ETHERNET;
    if ((flags & FRAGMENT) == 0) {
        return tunnel_resume(inside, cursor, wire, layers);
    }
    bool more = (flags & LAST) == 0;
    uint32_t offset = position & 0xfff8u;
    if ((more && wire % 8 != 0) || offset + wire > UINT16_MAX) {
        return REASON_TUNNEL_OTHER;
    }
    layers->fragment = true;
    layers->more_fragments = more;
    layers->fragment_protocol = inside;
    layers->fragment_offset = (uint16_t)offset;
    layers->fragment_id = id;
    layers->fragment_at = cursor.at;
    layers->fragment_bytes = (uint32_t)cursor_left(&cursor);
    layers->fragment_wire = wire;
    return REASON_NONE;
}

enum reason tunnel_resume(uint8_t protocol, struct cursor cursor, uint32_t wire,
                          struct layers *layers)
{
    return link_decode(protocol == FRAGMENT_CAPWAP_WIFI ? LINK_WIFI : LINK_ETHERNET, cursor, wire,
                       layers);
}

static enum reason tunnel_tzsp(struct cursor cursor, uint32_t wire, struct layers *layers)
{
    enum { TAG_PADDING = 0, TAG_END = 1, TAG_LENGTH = 41, PACKETS_MAX = 1, WIFI = 18 };
    uint8_t version = cursor_u8(&cursor);
    uint8_t type = cursor_u8(&cursor);
    uint16_t protocol = cursor_be16(&cursor);
    if (!cursor_ok(&cursor) || version != 1 || type > PACKETS_MAX) {
        return REASON_TUNNEL_OTHER;
    }
    uint32_t bytes = 4;
    uint32_t original = 0;
    /* Ends: every turn takes a byte, and a cursor that failed reads 0 but is not ok. */
    for (uint8_t tag = TAG_PADDING; tag != TAG_END && cursor_ok(&cursor);) {
        tag = cursor_u8(&cursor);
        bytes++;
        if (tag == TAG_PADDING || tag == TAG_END) {
            continue;
        }
        uint32_t length = cursor_u8(&cursor);
        struct cursor value = cursor;
        cursor_skip(&cursor, length);
        bytes += 1 + length;
        if (tag == TAG_LENGTH && length == 2) {
            original = cursor_be16(&value);
        }
    }
    if (!cursor_ok(&cursor)) {
        return REASON_TUNNEL_OTHER;
    }
    wire -= bytes;
    wire = original > wire ? original : wire;
    switch (protocol) {
    case 1:
        return link_ethernet(cursor, wire, layers);
    case WIFI:
        return link_decode(LINK_WIFI, cursor, wire, layers);
    case LINK_RADIOTAP:
        return link_decode(LINK_RADIOTAP, cursor, wire, layers);
    default:
        return REASON_TUNNEL_OTHER;
    }
}

/* --- which port, which tunnel --- */

typedef enum reason tunnel_opener(struct cursor cursor, uint32_t wire, struct layers *layers);

/* Looked for as the destination first, then as the source: what the far end answers from. */
static const struct tunnel_row {
    uint16_t port;
    tunnel_opener *open;
} tunnel_rows[] = {
#define TUNNEL_ROW(port, name) {port, tunnel_##name},
    TUNNEL_PORTS(TUNNEL_ROW)
#undef TUNNEL_ROW
};

enum { TUNNEL_ROWS = sizeof tunnel_rows / sizeof tunnel_rows[0] };

static tunnel_opener *tunnel_opener_of(uint16_t port)
{
    for (size_t index = 0; index < TUNNEL_ROWS; index++) {
        if (tunnel_rows[index].port == port) {
            return tunnel_rows[index].open;
        }
    }
    return NULL;
}

/* How many packets of the way were longer than what holds them. */
static size_t tunnel_trimmed(const struct layers *layers)
{
    size_t count = 0;
    for (size_t index = 0; index < sizeof layers->notes / sizeof layers->notes[0]; index++) {
        count += layers->notes[index] == REASON_IP_TRIMMED ? 1 : 0;
    }
    return count;
}

bool tunnel_udp(struct cursor cursor, uint32_t wire, struct layers *layers, enum reason *out_reason)
{
    tunnel_opener *open = tunnel_opener_of(layers->destination_port);
    if (open == NULL) {
        open = tunnel_opener_of(layers->source_port);
    }
    if (open == NULL) {
        return false;
    }
    struct layers before = *layers;
    layers->source_port = 0;
    layers->destination_port = 0;
    layers->tunnels++;
    enum reason reason = layers_step(layers) ? open(cursor, wire, layers) : REASON_LAYERS;
    enum frame_verdict verdict = reason_rows[reason].verdict;
    if (verdict == FRAME_MALFORMED || verdict == FRAME_NOTED || reason == REASON_SNAP_CUT ||
        tunnel_trimmed(layers) > tunnel_trimmed(&before)) {
        *layers = before;
        layers_note(layers, verdict == FRAME_NOTED ? reason : REASON_TUNNEL_OTHER);
        return false;
    }
    *out_reason = reason;
    return true;
}
