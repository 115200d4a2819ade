/* packet.h - datagrams for the tests of flows: addresses, hashes as unwrap makes them, RTP headers.
 */
#ifndef TESTS_UNIT_FLOWS_PACKET_H
#define TESTS_UNIT_FLOWS_PACKET_H

#include "tests/unit/base/unit.h"

#include "base/clock.h"
#include "base/hash.h"
#include "sensor/flows/unwrap.h"

#define START_NS (UINT64_C(1700000000) * NS_PER_S)
enum { RTP_HEADER_BYTES = 12, PACKET_BYTES = 1500 };

struct packet {
    struct datagram datagram;
    uint8_t bytes[PACKET_BYTES];
};

static inline struct addr packet_addr(uint32_t host)
{
    uint8_t octets[4] = {198, 51, (uint8_t)(host >> 8), (uint8_t)host};
    return addr_from_v4(octets);
}

/* The flow hash, symmetric over the five-tuple and keyed, and which end has sent it. */
static inline void packet_hash(struct datagram *datagram)
{
    struct endpoint one = {.addr = datagram->source, .port = datagram->source_port};
    struct endpoint other = {.addr = datagram->destination, .port = datagram->destination_port};
    uint64_t first = hash_endpoint(HASH_KEY_FIXED, &one);
    uint64_t second = hash_endpoint(HASH_KEY_FIXED, &other);
    uint64_t low = first < second ? first : second;
    uint64_t high = first < second ? second : first;
    datagram->flow_hash = hash_mix(hash_mix(low, high), datagram->protocol);
    datagram->flags = first > second ? DATAGRAM_UPPER : 0;
}

static inline void packet_start(struct packet *packet, uint32_t from_host, uint16_t from_port,
                                uint32_t to_host, uint16_t to_port, uint8_t protocol)
{
    memset(packet, 0, sizeof *packet);
    struct datagram *datagram = &packet->datagram;
    datagram->source = packet_addr(from_host);
    datagram->destination = packet_addr(to_host);
    datagram->source_port = from_port;
    datagram->destination_port = to_port;
    datagram->protocol = protocol;
    datagram->ttl = 64;
    packet_hash(datagram);
    datagram->payload = packet->bytes;
}

static inline void packet_payload(struct packet *packet, const void *at, size_t bytes)
{
    assert_true(bytes <= sizeof packet->bytes);
    memcpy(packet->bytes, at, bytes);
    packet->datagram.payload_bytes = (uint32_t)bytes;
    packet->datagram.payload_wire = (uint32_t)bytes;
    packet->datagram.ip_wire = (uint32_t)bytes + 28;
}

static inline void packet_at(struct packet *packet, uint64_t number, uint64_t time_ns)
{
    packet->datagram.number = number;
    packet->datagram.time_ns = time_ns;
    packet->datagram.state_ns = time_ns;
}

/* An RTP packet's header in front of `payload_bytes` bytes. */
static inline void packet_rtp(struct packet *packet, uint8_t payload_type, uint16_t sequence,
                              uint32_t timestamp, uint32_t ssrc, uint32_t payload_bytes)
{
    uint8_t *at = packet->bytes;
    at[0] = 0x80;
    at[1] = payload_type;
    at[2] = (uint8_t)(sequence >> 8);
    at[3] = (uint8_t)sequence;
    for (int byte = 0; byte < 4; byte++) {
        at[4 + byte] = (uint8_t)(timestamp >> (24 - 8 * byte));
        at[8 + byte] = (uint8_t)(ssrc >> (24 - 8 * byte));
    }
    packet->datagram.payload_bytes = RTP_HEADER_BYTES + payload_bytes;
    packet->datagram.payload_wire = packet->datagram.payload_bytes;
    packet->datagram.ip_wire = packet->datagram.payload_bytes + 28;
}

#endif
