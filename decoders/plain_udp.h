/* plain_udp.h - the one common shape of a frame: Ethernet, at most one VLAN tag, IPv4 without
 * options, whole, UDP that fills it, on no tunnel's port.
 *
 * Owns      nothing.
 * Borrows   the frame's bytes.
 * Time      none.
 * Bounds    one check of what was captured; nothing is read behind the UDP header.
 * Errors    none: false leaves the frame to layers_decode(), which is the truth about every frame.
 * Thread    any.
 *
 * Nine frames in ten of telephony look so. Here it takes 40 instructions to know, and the view stays
 * in registers; struct layers is three lines of memory. A test holds both to the same answers. */
#ifndef DECODERS_PLAIN_UDP_H
#define DECODERS_PLAIN_UDP_H

#include "decoders/decoder.h"

enum {
    PLAIN_LINK_ETHERNET = 1,
    PLAIN_ETHERNET_BYTES = 14,
    PLAIN_TAG_BYTES = 4,
    PLAIN_IP_BYTES = 20,
    PLAIN_HEADER_BYTES = PLAIN_IP_BYTES + 8, /* of IP and UDP */
    PLAIN_BYTES = PLAIN_ETHERNET_BYTES + PLAIN_TAG_BYTES + PLAIN_HEADER_BYTES,
};

struct plain_udp {
    const uint8_t *ip;
    uint64_t marks; /* plain_marks() of the IP id, UDP's length and its checksum */
    uint32_t payload_bytes; /* captured */
    uint32_t payload_wire;
    uint16_t source_port;
    uint16_t destination_port;
    uint16_t ip_id;
    uint16_t checksum; /* of UDP */
    uint16_t vlan; /* id + 1; 0 = none */
    uint8_t tag_bytes; /* also with the id 0, which is no VLAN but a priority */
};

static inline uint16_t plain_be16(const uint8_t *at)
{
    return (uint16_t)((unsigned)at[0] << 8 | at[1]);
}

static inline uint64_t plain_be64(const uint8_t *at)
{
    return (uint64_t)at[0] << 56 | (uint64_t)at[1] << 48 | (uint64_t)at[2] << 40 |
           (uint64_t)at[3] << 32 | (uint64_t)at[4] << 24 | (uint64_t)at[5] << 16 |
           (uint64_t)at[6] << 8 | at[7];
}

static inline uint16_t plain_vlan_of(const uint8_t *tag)
{
    unsigned id = plain_be16(tag) & 0x0fff;
    return (uint16_t)(id == 0 ? 0 : id + 1);
}

/* The source MAC folded, as in struct layers. */
static inline uint64_t plain_link_hash_input(const uint8_t *frame)
{
    return plain_be64(frame + 4) & UINT64_C(0xffffffffffff);
}

/* What parts one packet of a flow from the next, as one word. */
static inline uint64_t plain_marks(uint16_t ip_id, uint32_t udp_length, uint16_t checksum)
{
    return (uint64_t)ip_id << 48 ^ (uint64_t)udp_length << 16 ^ checksum;
}

/* True: the frame has the shape, and *out is all of it. The link is Ethernet; wire >= captured. */
static inline __attribute__((always_inline)) bool plain_udp_is(const uint8_t *at, uint32_t captured,
                                                               uint32_t wire, struct plain_udp *out)
{
    const uint64_t whole = UINT64_C(0xff00000000003fff); /* version and words; "more" and offset */
    if (captured < PLAIN_BYTES) {
        return false;
    }
    const uint8_t *ip = at + PLAIN_ETHERNET_BYTES;
    out->vlan = 0;
    out->tag_bytes = 0;
    if (plain_be16(at + 12) != 0x0800) {
        if (plain_be16(at + 12) != 0x8100 || plain_be16(at + 16) != 0x0800) {
            return false;
        }
        ip += PLAIN_TAG_BYTES;
        out->vlan = plain_vlan_of(at + 14);
        out->tag_bytes = PLAIN_TAG_BYTES;
        captured -= PLAIN_TAG_BYTES;
        wire -= PLAIN_TAG_BYTES;
    }
    uint64_t head =
        plain_be64(ip); /* version 4, words 4, service 8, total 16, id 16, fragment 16 */
    uint64_t udp = plain_be64(ip + PLAIN_IP_BYTES); /* ports 16 and 16, length 16, checksum 16 */
    uint32_t total = (uint32_t)(head >> 32) & 0xffff;
    uint32_t length = (uint32_t)(udp >> 16) & 0xffff;
    if ((head & whole) != UINT64_C(0x45) << 56 || ip[9] != PROTOCOL_UDP ||
        total > wire - PLAIN_ETHERNET_BYTES || length + PLAIN_IP_BYTES != total ||
        total < PLAIN_HEADER_BYTES) {
        return false;
    }
    out->ip = ip;
    out->payload_wire = total - PLAIN_HEADER_BYTES;
    uint32_t there = captured - PLAIN_ETHERNET_BYTES - PLAIN_HEADER_BYTES;
    out->payload_bytes = there < out->payload_wire ? there : out->payload_wire;
    out->marks = (head & UINT32_C(0xffff0000)) << 32 | (uint32_t)udp;
    out->ip_id = (uint16_t)(head >> 16);
    out->checksum = (uint16_t)udp;
    out->source_port = (uint16_t)(udp >> 48);
    out->destination_port = (uint16_t)(udp >> 32);
    return !tunnel_port(out->source_port) && !tunnel_port(out->destination_port);
}

#endif
