/* UDP (RFC 768) and TCP (RFC 9293): the end of the way, ports and payload.
 *
 *    UDP  0 | source port | destination port |    TCP  0 | source port | destination port |
 *         4 | length      | checksum         |         4 | sequence number                |
 *                                                      8 | acknowledgement number         |
 *                                                     12 | words 4 | 0 | flags | window   |
 *                                                     16 | checksum | urgent              |
 *
 * Checksums are kept, never judged: a capture on the sending host sees them before its card fills
 * them in, and a wrong one says nothing about an attack. The length that UDP states may be shorter
 * than its packet (what follows is no payload), never longer. */
#include "decoders/decoder.h"

enum { UDP_BYTES = 8, TCP_BYTES = 20, UDP_LENGTH_MAX = 65535 };

static void transport_set(struct layers *layers, enum protocol protocol, uint16_t source_port,
                          uint16_t destination_port, uint16_t checksum)
{
    layers->source_port = source_port;
    layers->destination_port = destination_port;
    layers->protocol = (uint8_t)protocol;
    layers->checksum = checksum;
    if (source_port == 0 || destination_port == 0) {
        layers_note(layers, REASON_PORT_ZERO);
    }
}

/* The payload is what the lengths say, as far as it was captured. */
static void transport_payload(struct layers *layers, struct cursor cursor, uint32_t wire)
{
    cursor_limit(&cursor, wire);
    layers->payload = cursor.at;
    layers->payload_bytes = (uint32_t)cursor_left(&cursor);
    layers->payload_wire = wire;
}

enum reason transport_udp(struct cursor cursor, uint32_t wire, struct layers *layers)
{
    uint16_t source_port = cursor_be16(&cursor);
    uint16_t destination_port = cursor_be16(&cursor);
    uint32_t length = cursor_be16(&cursor);
    uint16_t checksum = cursor_be16(&cursor);
    if (!cursor_ok(&cursor)) {
        return layers_short(wire, UDP_BYTES, REASON_UDP_SHORT);
    }
    if (length == 0 && wire > UDP_LENGTH_MAX) { /* a jumbogram's length does not fit (RFC 2675) */
        length = wire;
    }
    if (length < UDP_BYTES || length > wire) {
        return REASON_UDP_LENGTH;
    }
    cursor_limit(&cursor, length - UDP_BYTES);
    if (tunnel_port(destination_port) || tunnel_port(source_port)) {
        enum reason reason = REASON_NONE;
        layers->source_port = source_port;
        layers->destination_port = destination_port;
        if (tunnel_udp(cursor, length - UDP_BYTES, layers, &reason)) {
            return reason;
        }
    }
    transport_set(layers, PROTOCOL_UDP, source_port, destination_port, checksum);
    transport_payload(layers, cursor, length - UDP_BYTES);
    return REASON_NONE;
}

enum reason transport_tcp(struct cursor cursor, uint32_t wire, struct layers *layers)
{
    uint16_t source_port = cursor_be16(&cursor);
    uint16_t destination_port = cursor_be16(&cursor);
    uint32_t sequence = cursor_be32(&cursor);
    uint32_t acknowledgement = cursor_be32(&cursor);
    uint32_t header = (uint32_t)(cursor_u8(&cursor) >> 4) * 4;
    uint8_t flags = cursor_u8(&cursor);
    cursor_skip(&cursor, 2);
    uint16_t checksum = cursor_be16(&cursor);
    cursor_skip(&cursor, 2);
    if (!cursor_ok(&cursor)) {
        return layers_short(wire, TCP_BYTES, REASON_TCP_SHORT);
    }
    if (header < TCP_BYTES || header > wire) {
        return REASON_TCP_LENGTH;
    }
    transport_set(layers, PROTOCOL_TCP, source_port, destination_port, checksum);
    layers->tcp_flags = flags;
    layers->tcp_sequence = sequence;
    layers->tcp_acknowledgement = acknowledgement;
    /* Options that the snap length cut take what there is: the payload is then empty but known in
     * size. */
    size_t options = header - TCP_BYTES;
    cursor_skip(&cursor, options < cursor_left(&cursor) ? options : cursor_left(&cursor));
    transport_payload(layers, cursor, wire - header);
    return REASON_NONE;
}
