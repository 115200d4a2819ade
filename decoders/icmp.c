/* icmp.c - errors that say that a packet cannot be delivered (RFC 792, RFC 4443), and which packet.
 *
 *    0 | type | code | checksum |    the quoted packet: its IP header and at least 8 bytes more,
 *    4 | unused                 |    mostly 500 to 1200 (RFC 1812 section 4.3.2.3, RFC 4443)
 *    8 | quoted packet ...      |
 *
 * Only "destination unreachable" is a refusal: a packet that was too big, or too long on its way, may
 * arrive the next time (RFC 3261 section 18.4). An error goes to who sent the quoted packet, so one
 * that goes elsewhere is not believed.
 *
 * Limits: quotes with extension headers of IPv6, quoted tunnels and quoted fragments behind the first
 * are left alone. */
#include "decoders/icmp.h"

enum { TYPE4_UNREACHABLE = 3, TYPE6_UNREACHABLE = 1, CODE4_TOO_BIG = 4 };
enum { OFFSET_MASK = 0x1fff, ADDRESS4_BYTES = 4, ADDRESS6_BYTES = 16 };

static enum undelivered why_v4(uint8_t code)
{
    switch (code) {
    case 0: /* net */
    case 6:
    case 11:
        return UNDELIVERED_NETWORK;
    case 2: /* protocol */
    case 3: /* port */
        return UNDELIVERED_PORT;
    case CODE4_TOO_BIG:
        return UNDELIVERED_NOT;
    case 9: /* administratively prohibited */
    case 10:
    case 13:
        return UNDELIVERED_PROHIBITED;
    default:
        return UNDELIVERED_HOST;
    }
}

static enum undelivered why_v6(uint8_t code)
{
    switch (code) {
    case 0: /* no route */
        return UNDELIVERED_NETWORK;
    case 1: /* administratively prohibited */
    case 5: /* source address failed a policy */
    case 6: /* reject route */
        return UNDELIVERED_PROHIBITED;
    case 4:
        return UNDELIVERED_PORT;
    default:
        return UNDELIVERED_HOST;
    }
}

struct quoted {
    struct addr source;
    struct addr destination;
    uint8_t protocol;
};

static bool quoted_v4(struct cursor *cursor, struct quoted *out_quoted)
{
    uint32_t first = cursor_u8(cursor);
    cursor_skip(cursor, 5);
    uint16_t offset = cursor_be16(cursor) & OFFSET_MASK;
    cursor_skip(cursor, 1);
    out_quoted->protocol = cursor_u8(cursor);
    cursor_skip(cursor, 2);
    const uint8_t *addresses = cursor_take(cursor, 2 * (size_t)ADDRESS4_BYTES);
    uint32_t header = (first & 0x0f) * 4;

    if (addresses == NULL || first >> 4 != 4 || header < 20 || offset != 0) {
        return false;
    }
    out_quoted->source = addr_from_v4(addresses);
    out_quoted->destination = addr_from_v4(addresses + ADDRESS4_BYTES);
    cursor_skip(cursor, header - 20);
    return true;
}

static bool quoted_v6(struct cursor *cursor, struct quoted *out_quoted)
{
    uint32_t first = cursor_u8(cursor);
    cursor_skip(cursor, 5);
    out_quoted->protocol = cursor_u8(cursor);
    cursor_skip(cursor, 1);
    const uint8_t *addresses = cursor_take(cursor, 2 * (size_t)ADDRESS6_BYTES);

    if (addresses == NULL || first >> 4 != 6) {
        return false;
    }
    out_quoted->source = addr_from_v6(addresses);
    out_quoted->destination = addr_from_v6(addresses + ADDRESS6_BYTES);
    return true;
}

/* A request begins with the name of its method, in capitals (RFC 3261 section 25.1), an answer with
 * "SIP/". A quote that ends before it may be either. */
static bool may_be_request(const struct cursor *cursor)
{
    size_t bytes = cursor_left(cursor);
    const uint8_t *at = cursor->at;

    return bytes == 0 || (*at >= 'A' && *at <= 'Z' && !(bytes >= 4 && memcmp(at, "SIP/", 4) == 0));
}

enum reason icmp_decode(struct cursor cursor, struct layers *layers)
{
    bool ip6 = layers->fragment_ip6;
    uint8_t type = cursor_u8(&cursor);
    uint8_t code = cursor_u8(&cursor);
    struct quoted quoted = {.protocol = PROTOCOL_NONE};

    if (type != (ip6 ? TYPE6_UNREACHABLE : TYPE4_UNREACHABLE)) {
        return REASON_ICMP;
    }
    enum undelivered why = ip6 ? why_v6(code) : why_v4(code);
    cursor_skip(&cursor, 6);
    bool is_quoted = ip6 ? quoted_v6(&cursor, &quoted) : quoted_v4(&cursor, &quoted);
    uint16_t source_port = cursor_be16(&cursor);
    uint16_t destination_port = cursor_be16(&cursor);
    /* UDP: length and checksum; TCP: sequence number. Both tell one packet from the next. */
    uint32_t mark = cursor_be32(&cursor);
    if (why == UNDELIVERED_NOT || !is_quoted || !cursor_ok(&cursor) || layers->ip == NULL ||
        !addr_equal(&quoted.source, &layers->destination) ||
        (quoted.protocol != PROTOCOL_TCP &&
         (quoted.protocol != PROTOCOL_UDP || !may_be_request(&cursor)))) {
        return REASON_ICMP;
    }
    layers->undelivered = (uint8_t)why;
    layers->source = quoted.source;
    layers->destination = quoted.destination;
    layers->source_port = source_port;
    layers->destination_port = destination_port;
    layers->protocol = quoted.protocol;
    layers->tcp_sequence = mark;
    layers->payload = cursor.at;
    return REASON_ICMP;
}
