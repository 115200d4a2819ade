/* IPv4 (RFC 791), IPv6 with its extension headers (RFC 8200), and the IP protocols that wrap
 * another packet.
 *
 * Lengths: what IP says is the packet, what was captured behind it (Ethernet padding, frame check
 * sequence, a tap's time stamp) is not. A total length of 0 is a segment that the sending host's
 * card was to cut up (TSO): then the frame is the packet; likewise an IPv6 payload length of 0 (RFC
 * 2675, BIG TCP). Header checksums are not looked at: a capture on the sending host sees them
 * before its card fills them in.
 *
 *    IPv4  0 |version 4|words 4| tos | length 16    IPv6  0 |version 4|class 8|flow label 20
 *          4 | identification 16 |0|DF|MF| offset          4 | payload length 16 | next | hops
 *          8 | ttl | protocol | checksum 16                8 | source 128
 *         12 | source 32                                  24 | destination 128
 *         16 | destination 32
 *
 * A fragment ends the way here; the flow's fragment table brings it back through layers_resume().
 * Fragments of protocols that nobody reads behind (ICMP, OSPF ...) are told by their protocol at
 * once: they must not fill the table.
 *
 * ESP (RFC 4303) is encrypted unless proven otherwise: with NULL encryption (RFC 2410, common in
 * IMS) the trailer holds padding 1, 2, 3 ..., its length and the next header, in front of an
 * integrity value whose length only the peers know. All of these must fit, and the length (UDP, IP)
 * or the checksum (TCP) inside too.
 *
 * ICMP is no traffic; of a request that it says was not delivered icmp.c makes the view.
 *
 * Limits: routing headers are skipped, so the destination is that of the current hop; a mobility or
 * HIP header with something behind it is walked like any other. */
#include "decoders/icmp.h"

enum {
    IP4_BYTES = 20,
    IP6_BYTES = 40,
    IP_BYTES_MAX = 65535,
    MORE_FRAGMENTS = 0x2000,
    OFFSET_MASK = 0x1fff,
};

/* IANA's numbers of the protocols that matter here. */
enum ip_number {
    IP_HOP_BY_HOP = 0,
    IP_ICMP = 1,
    IP_IGMP = 2,
    IP_IP4 = 4,
    IP_TCP = 6,
    IP_UDP = 17,
    IP_IP6 = 41,
    IP_ROUTING = 43,
    IP_FRAGMENT = 44,
    IP_GRE = 47,
    IP_ESP = 50,
    IP_AH = 51,
    IP_ICMP6 = 58,
    IP_OPTIONS = 60,
    IP_ETHERIP = 97,
    IP_SCTP = 132,
    IP_MOBILITY = 135,
    IP_MPLS = 137,
    IP_HIP = 139,
    IP_SHIM6 = 140,
};

/* Is there anything behind a fragment of this protocol that would be read once it is whole? */
static bool ip_wants_whole(uint8_t protocol, bool ip6)
{
    switch (protocol) {
    case IP_TCP:
    case IP_UDP:
    case IP_IP4:
    case IP_IP6:
    case IP_GRE:
    case IP_ESP:
    case IP_AH:
    case IP_ETHERIP:
    case IP_MPLS:
        return true;
    case IP_HOP_BY_HOP:
    case IP_ROUTING:
    case IP_OPTIONS:
    case IP_MOBILITY:
    case IP_HIP:
    case IP_SHIM6:
        return ip6;
    default:
        return false;
    }
}

/* Why a protocol that wraps nothing that is read ends the way. */
static enum reason ip_refusal(uint8_t protocol, struct layers *layers)
{
    layers->unknown_type = protocol;
    switch (protocol) {
    case IP_ICMP:
    case IP_ICMP6:
        return REASON_ICMP;
    case IP_IGMP:
        return REASON_IGMP;
    case IP_SCTP:
        return REASON_SCTP;
    case IP_ESP:
        return REASON_ESP;
    default:
        return REASON_IP_PROTOCOL;
    }
}

/* A fragment: `wire` bytes of the datagram's payload begin at the cursor. */
static enum reason ip_fragment(uint8_t protocol, uint32_t offset, bool more, uint32_t id,
                               struct cursor cursor, uint32_t wire, struct layers *layers)
{
    if (!ip_wants_whole(protocol, layers->fragment_ip6)) {
        return ip_refusal(protocol, layers);
    }
    if (more && wire % 8 != 0) {
        return REASON_FRAGMENT_SHORT;
    }
    if (offset + wire > IP_BYTES_MAX) {
        return REASON_FRAGMENT_RANGE;
    }
    layers->fragment = true;
    layers->more_fragments = more;
    layers->fragment_protocol = protocol;
    layers->fragment_offset = (uint16_t)offset;
    layers->fragment_id = id;
    layers->fragment_at = cursor.at;
    layers->fragment_bytes = (uint32_t)cursor_left(&cursor);
    layers->fragment_wire = wire;
    return REASON_NONE;
}

/* A packet that says it is longer than its frame was cut by whoever wrote the capture without
 * saying so (taps and converters do): it is read as one that the snap length cut, and noted.
 * Malformed only where that hides UDP or TCP. */
static bool ip_is_trimmed(uint32_t length, uint32_t wire, struct layers *layers)
{
    if (length <= wire) {
        return false;
    }
    layers_note(layers, REASON_IP_TRIMMED);
    return true;
}

static enum reason ip_v4(struct cursor cursor, uint32_t wire, struct layers *layers)
{
    const uint8_t *start = cursor.at;
    uint32_t header = (cursor_u8(&cursor) & 0x0fu) * 4;
    cursor_skip(&cursor, 1);
    uint32_t total = cursor_be16(&cursor);
    uint16_t id = cursor_be16(&cursor);
    uint16_t flags = cursor_be16(&cursor);
    uint8_t ttl = cursor_u8(&cursor);
    uint8_t protocol = cursor_u8(&cursor);
    cursor_skip(&cursor, 2);
    const uint8_t *addresses = cursor_take(&cursor, 8);
    if (addresses == NULL) {
        return layers_short(wire, IP4_BYTES, REASON_IP_SHORT);
    }
    if (total == 0) {
        total = wire;
    }
    if (header < IP4_BYTES || total < header) {
        return REASON_IP_LENGTH;
    }
    bool trimmed = ip_is_trimmed(total, wire, layers);
    layers->source = addr_from_v4(addresses);
    layers->destination = addr_from_v4(addresses + 4);
    layers->ttl = ttl;
    layers->ip_id = id;
    layers->fragment_ip6 = false;
    layers->ip = start;
    layers->ip_wire = total;
    cursor_limit(&cursor, total - IP4_BYTES);
    layers->ip_bytes = IP4_BYTES + (uint32_t)cursor_left(&cursor);
    cursor_skip(&cursor, header - IP4_BYTES);
    if (!cursor_ok(&cursor)) {
        return trimmed ? REASON_IP_LENGTH : REASON_SNAP_CUT;
    }
    if ((flags & (MORE_FRAGMENTS | OFFSET_MASK)) != 0) {
        return ip_fragment(protocol, (flags & OFFSET_MASK) * 8u, (flags & MORE_FRAGMENTS) != 0, id,
                           cursor, total - header, layers);
    }
    enum reason reason = ip_protocol(protocol, cursor, total - header, layers);
    return trimmed && reason == REASON_SNAP_CUT ? REASON_IP_LENGTH : reason;
}

static enum reason ip_v6(struct cursor cursor, uint32_t wire, struct layers *layers)
{
    const uint8_t *start = cursor.at;
    cursor_skip(&cursor, 4);
    uint32_t length = cursor_be16(&cursor);
    uint8_t next = cursor_u8(&cursor);
    uint8_t hops = cursor_u8(&cursor);
    const uint8_t *addresses = cursor_take(&cursor, 32);
    if (addresses == NULL) {
        return layers_short(wire, IP6_BYTES, REASON_IP_SHORT);
    }
    if (length == 0) {
        length = wire - IP6_BYTES;
    }
    bool trimmed = ip_is_trimmed(length, wire - IP6_BYTES, layers);
    layers->source = addr_from_v6(addresses);
    layers->destination = addr_from_v6(addresses + 16);
    layers->ttl = hops;
    layers->ip_id = 0;
    layers->fragment_ip6 = true;
    layers->ip = start;
    layers->ip_wire = IP6_BYTES + length;
    cursor_limit(&cursor, length);
    layers->ip_bytes = IP6_BYTES + (uint32_t)cursor_left(&cursor);
    enum reason reason = ip_protocol(next, cursor, length, layers);
    return trimmed && reason == REASON_SNAP_CUT ? REASON_IP_LENGTH : reason;
}

enum reason ip_decode(struct cursor cursor, uint32_t wire, struct layers *layers)
{
    uint8_t first = cursor_peek(&cursor, 0);
    if (!cursor_ok(&cursor)) {
        return layers_short(wire, 1, REASON_IP_SHORT);
    }
    switch (first >> 4) {
    case 4:
        return ip_v4(cursor, wire, layers);
    case 6:
        return ip_v6(cursor, wire, layers);
    default:
        return REASON_IP_VERSION;
    }
}

/* One's complement sum over a payload and its pseudo header (RFC 9293 section 3.1). An IPv4 address
 * is summed as the mapped one: its two words of ones are zero in this arithmetic. */
static bool ip_checksum_fits(const uint8_t *at, uint32_t bytes, uint8_t protocol,
                             const struct layers *layers)
{
    uint64_t sum = (uint64_t)protocol + bytes;
    for (size_t index = 0; index < sizeof layers->source.octets; index += 2) {
        sum += (uint32_t)layers->source.octets[index] << 8 | layers->source.octets[index + 1];
        sum += (uint32_t)layers->destination.octets[index] << 8 |
               layers->destination.octets[index + 1];
    }
    for (uint32_t index = 0; index < bytes; index++) {
        sum += (index & 1) != 0 ? at[index] : (uint32_t)at[index] << 8;
    }
    return sum % 0xffff == 0;
}

/* Does `payload` look like what a clear ESP packet would hold for this next header? */
static bool ip_esp_inner_fits(uint8_t next, const uint8_t *payload, uint32_t bytes,
                              const struct layers *layers)
{
    switch (next) {
    case IP_UDP:
        return bytes >= 8 && ((uint32_t)payload[4] << 8 | payload[5]) == bytes;
    case IP_TCP:
        return bytes >= 20 && payload[12] >> 4 >= 5 && (payload[12] >> 4) * 4u <= bytes &&
               ip_checksum_fits(payload, bytes, IP_TCP, layers);
    case IP_IP4:
        return bytes >= IP4_BYTES && payload[0] >> 4 == 4 &&
               ((uint32_t)payload[2] << 8 | payload[3]) == bytes;
    case IP_IP6:
        return bytes >= IP6_BYTES && payload[0] >> 4 == 6 &&
               ((uint32_t)payload[4] << 8 | payload[5]) + IP6_BYTES == bytes;
    default:
        return false;
    }
}

/* Tries the lengths of integrity values that are in use; true: the payload of `*out_bytes` at the
 * cursor behind the eight bytes of SPI and sequence number is clear, and of protocol *out_next. */
static bool ip_esp_is_clear(const uint8_t *at, uint32_t bytes, const struct layers *layers,
                            uint8_t *out_next, uint32_t *out_bytes)
{
    static const uint8_t integrity[] = {12, 16, 0, 8, 24, 32};
    enum { ESP_HEAD = 8, ESP_TAIL = 2 };
    for (size_t index = 0; index < sizeof integrity; index++) {
        if (bytes < ESP_HEAD + ESP_TAIL + (uint32_t)integrity[index]) {
            continue;
        }
        const uint8_t *body = at + ESP_HEAD;
        uint32_t body_bytes = bytes - ESP_HEAD - integrity[index];
        uint8_t next = body[body_bytes - 1];
        uint32_t padding = body[body_bytes - 2];
        if (body_bytes % 4 != 0 || padding + ESP_TAIL > body_bytes) {
            continue;
        }
        uint32_t payload_bytes = body_bytes - ESP_TAIL - padding;
        bool ascending = true;
        for (uint32_t pad = 0; pad < padding && ascending; pad++) {
            ascending = body[payload_bytes + pad] == pad + 1;
        }
        if (ascending && ip_esp_inner_fits(next, body, payload_bytes, layers)) {
            *out_next = next;
            *out_bytes = payload_bytes;
            return true;
        }
    }
    return false;
}

static enum reason ip_esp(struct cursor cursor, uint32_t wire, struct layers *layers)
{
    uint8_t next = 0;
    uint32_t bytes = 0;
    if (cursor_left(&cursor) < wire || !ip_esp_is_clear(cursor.at, wire, layers, &next, &bytes)) {
        return ip_refusal(IP_ESP, layers);
    }
    if (!layers_step(layers)) {
        return REASON_LAYERS;
    }
    cursor_skip(&cursor, 8);
    cursor_limit(&cursor, bytes);
    /* Recursion (rule zero): each level took a layer, so it is at most LAYERS_MAX deep. */
    return ip_protocol(next, cursor, bytes, layers);
}

static enum reason ip_tunnel(uint8_t protocol, struct cursor cursor, uint32_t wire,
                             struct layers *layers)
{
    if (!layers_step(layers)) {
        return REASON_LAYERS;
    }
    layers->tunnels++;
    if (protocol == IP_MPLS) {
        return link_ethertype(0x8847, cursor, wire, layers);
    }
    if (protocol ==
        IP_ETHERIP) { /* RFC 3378: version 3 in four bits, twelve of zero, then Ethernet */
        uint16_t head = cursor_be16(&cursor);
        if (!cursor_ok(&cursor)) {
            return layers_short(wire, 2, REASON_TUNNEL_SHORT);
        }
        return head == 0x3000 ? link_ethernet(cursor, wire - 2, layers)
                              : ip_refusal(protocol, layers);
    }
    return ip_decode(cursor, wire, layers);
}

/* The header that stands before another one: extension headers of IPv6, AH in both. False:
 * *out_reason says why. */
static bool ip_skip_extension(uint8_t *protocol, struct cursor *cursor, uint32_t *wire,
                              struct layers *layers, enum reason *out_reason)
{
    bool ah = *protocol == IP_AH;
    if (!layers_step(layers)) {
        *out_reason = REASON_LAYERS;
        return false;
    }
    uint8_t next = cursor_u8(cursor);
    uint32_t length = cursor_u8(cursor);
    enum reason reason = ah ? REASON_AH_SHORT : REASON_IP6_EXTENSION;
    if (!cursor_ok(cursor)) {
        *out_reason = layers_short(*wire, 2, reason);
        return false;
    }
    length =
        ah ? (length + 2) * 4 : (length + 1) * 8; /* RFC 4302 section 2.2, RFC 8200 section 4 */
    cursor_skip(cursor, length - 2);
    if (!cursor_ok(cursor) || (ah && length < 12)) {
        *out_reason = ah && length < 12 ? reason : layers_short(*wire, length, reason);
        return false;
    }
    *protocol = next;
    *wire -= length;
    return true;
}

/* RFC 8200 section 4.5; an atomic fragment (RFC 6946) is the whole packet and goes on. */
static bool ip_fragment_header(uint8_t *protocol, struct cursor *cursor, uint32_t *wire,
                               struct layers *layers, enum reason *out_reason)
{
    if (!layers_step(layers)) {
        *out_reason = REASON_LAYERS;
        return false;
    }
    uint8_t next = cursor_u8(cursor);
    cursor_skip(cursor, 1);
    uint16_t position = cursor_be16(cursor);
    uint32_t id = cursor_be32(cursor);
    if (!cursor_ok(cursor)) {
        *out_reason = layers_short(*wire, 8, REASON_IP6_EXTENSION);
        return false;
    }
    *wire -= 8;
    if ((position & 0xfff9) == 0) {
        *protocol = next;
        return true;
    }
    *out_reason =
        ip_fragment(next, position & 0xfff8u, (position & 1) != 0, id, *cursor, *wire, layers);
    return false;
}

enum reason ip_protocol(uint8_t protocol, struct cursor cursor, uint32_t wire,
                        struct layers *layers)
{
    enum reason reason = REASON_NONE;
    /* Ends: every turn takes a layer. */
    for (;;) {
        switch (protocol) {
        case IP_UDP:
            return transport_udp(cursor, wire, layers);
        case IP_TCP:
            return transport_tcp(cursor, wire, layers);
        case IP_ICMP:
        case IP_ICMP6:
            layers->unknown_type = protocol;
            return (protocol == IP_ICMP6) == layers->fragment_ip6 ? icmp_decode(cursor, layers)
                                                                  : REASON_ICMP;
        case IP_IP4:
        case IP_IP6:
        case IP_ETHERIP:
        case IP_MPLS:
            return ip_tunnel(protocol, cursor, wire, layers);
        case IP_GRE:
            return tunnel_gre(cursor, wire, layers);
        case IP_ESP:
            return ip_esp(cursor, wire, layers);
        case IP_AH:
            break;
        case IP_HOP_BY_HOP:
        case IP_ROUTING:
        case IP_OPTIONS:
        case IP_MOBILITY:
        case IP_HIP:
        case IP_SHIM6:
        case IP_FRAGMENT:
            if (layers->fragment_ip6) {
                break;
            }
            return ip_refusal(protocol, layers);
        default:
            return ip_refusal(protocol, layers);
        }
        if (protocol == IP_FRAGMENT
                ? !ip_fragment_header(&protocol, &cursor, &wire, layers, &reason)
                : !ip_skip_extension(&protocol, &cursor, &wire, layers, &reason)) {
            return reason;
        }
    }
}
