/* frame.h - frames for tests, built from the inside out.
 *
 * Owns      the bytes, in the struct.
 * Borrows   what is put is copied.
 * Time      none.
 * Bounds    FRAME_ROOM; more is a failed assertion.
 * Errors    none.
 * Thread    any.
 *
 * Every call puts a header before what is there, so that lengths come out right by themselves:
 * frame_start(), frame_udp(), frame_ip4(), frame_ethernet(). */
#ifndef TESTS_UNIT_DECODERS_FRAME_H
#define TESTS_UNIT_DECODERS_FRAME_H

#include "decoders/decoder.h"

enum { FRAME_ROOM = 2048 };

struct frame {
    uint8_t room[FRAME_ROOM];
    size_t begin; /* the frame ends with the room */
};

static inline uint8_t *frame_at(struct frame *frame)
{
    return frame->room + frame->begin;
}

static inline uint32_t frame_bytes(const struct frame *frame)
{
    return (uint32_t)(FRAME_ROOM - frame->begin);
}

static inline void frame_put(struct frame *frame, const void *at, size_t bytes)
{
    assert(frame->begin >= bytes);
    frame->begin -= bytes;
    memcpy(frame_at(frame), at, bytes);
}

static inline void frame_be16(struct frame *frame, uint32_t value)
{
    const uint8_t bytes[] = {(uint8_t)(value >> 8), (uint8_t)value};
    frame_put(frame, bytes, sizeof bytes);
}

static inline void frame_be32(struct frame *frame, uint32_t value)
{
    frame_be16(frame, value & 0xffff);
    frame_be16(frame, value >> 16);
}

static inline void frame_zeros(struct frame *frame, size_t bytes)
{
    assert(frame->begin >= bytes);
    frame->begin -= bytes;
    memset(frame_at(frame), 0, bytes);
}

static inline void frame_start(struct frame *frame, const void *payload, size_t bytes)
{
    frame->begin = FRAME_ROOM;
    frame_put(frame, payload, bytes);
}

/* Bytes behind the frame, as Ethernet pads. */
static inline void frame_pad(struct frame *frame, size_t bytes)
{
    assert(frame->begin >= bytes);
    memmove(frame_at(frame) - bytes, frame_at(frame), frame_bytes(frame));
    frame->begin -= bytes;
    memset(frame->room + FRAME_ROOM - bytes, 0x5a, bytes);
}

static inline void frame_udp(struct frame *frame, uint32_t source_port, uint32_t destination_port)
{
    uint32_t length = frame_bytes(frame) + 8;
    frame_be16(frame, 0x1234); /* checksum: nobody looks */
    frame_be16(frame, length);
    frame_be16(frame, destination_port);
    frame_be16(frame, source_port);
}

static inline void frame_tcp(struct frame *frame, uint32_t source_port, uint32_t destination_port,
                             uint8_t words, uint8_t flags)
{
    frame_zeros(frame, (words - 5u) * 4u);
    frame_be32(frame, 0x56780000); /* checksum, urgent */
    frame_be16(frame, 1024);
    frame_be16(frame, (uint32_t)words << 12 | flags);
    frame_be32(frame, 0x01020304);
    frame_be32(frame, 0xa0b0c0d0);
    frame_be16(frame, destination_port);
    frame_be16(frame, source_port);
}

/* 192.0.2.LAST to 198.51.100.2; `position` is the field of flags and offset. */
static inline void frame_ip4_as(struct frame *frame, uint8_t protocol, uint32_t id,
                                uint32_t position, uint8_t last)
{
    uint32_t total = frame_bytes(frame) + 20;
    const uint8_t addresses[] = {192, 0, 2, last, 198, 51, 100, 2};
    frame_put(frame, addresses, sizeof addresses);
    frame_be16(frame, 0);
    frame_be16(frame, 61u << 8 | protocol);
    frame_be16(frame, position);
    frame_be16(frame, id);
    frame_be16(frame, total);
    frame_be16(frame, 0x4500);
}

static inline void frame_ip4(struct frame *frame, uint8_t protocol)
{
    frame_ip4_as(frame, protocol, 0x4711, 0x4000, 1);
}

/* The outer packet of a tunnel: another source, so that a test sees which one was taken. */
static inline void frame_ip4_outer(struct frame *frame, uint8_t protocol)
{
    frame_ip4_as(frame, protocol, 0x0815, 0, 99);
}

/* 2001:db8::1 to 2001:db8::2 */
static inline void frame_ip6(struct frame *frame, uint8_t next)
{
    uint32_t length = frame_bytes(frame);
    const uint8_t destination[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 2};
    const uint8_t source[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};
    frame_put(frame, destination, sizeof destination);
    frame_put(frame, source, sizeof source);
    frame_be16(frame, (uint32_t)next << 8 | 59);
    frame_be16(frame, length);
    frame_be32(frame, 0x60000000);
}

static inline void frame_ethernet(struct frame *frame, uint32_t type)
{
    const uint8_t addresses[] = {0x02, 0, 0, 0, 0, 2, 0x02, 0, 0, 0, 0, 1};
    frame_be16(frame, type);
    frame_put(frame, addresses, sizeof addresses);
}

/* A tag that the ethertype before it announces. */
static inline void frame_vlan(struct frame *frame, uint32_t id, uint32_t type)
{
    frame_be16(frame, type);
    frame_be16(frame, id);
}

/* The packet of most tests: SIP-like bytes from 192.0.2.1:5060 to 198.51.100.2:5062. */
#define FRAME_PAYLOAD "OPTIONS sip:a@b SIP/2.0\r\n\r\n"
enum { FRAME_PAYLOAD_BYTES = sizeof FRAME_PAYLOAD - 1 };

static inline void frame_packet(struct frame *frame)
{
    frame_start(frame, FRAME_PAYLOAD, FRAME_PAYLOAD_BYTES);
    frame_udp(frame, 5060, 5062);
    frame_ip4(frame, PROTOCOL_UDP);
}

/* Decodes exactly `captured` bytes on the heap, so that a sanitizer sees any step beyond them. The
 * view's pointers are brought back into the frame. */
static inline enum reason frame_decode_cut(struct frame *frame, uint16_t link_type,
                                           uint32_t captured, uint32_t wire,
                                           struct layers *out_layers)
{
    uint8_t *copy = malloc(captured == 0 ? 1 : captured);
    assert(copy != NULL);
    memcpy(copy, frame_at(frame), captured);
    enum reason reason = layers_decode(link_type, copy, captured, wire, out_layers);
    const uint8_t **pointers[] = {&out_layers->payload, &out_layers->ip, &out_layers->fragment_at};
    for (size_t index = 0; index < sizeof pointers / sizeof pointers[0]; index++) {
        if (*pointers[index] != NULL) {
            assert(*pointers[index] >= copy && *pointers[index] <= copy + captured);
            *pointers[index] = frame_at(frame) + (*pointers[index] - copy);
        }
    }
    free(copy);
    return reason;
}

static inline enum reason frame_decode(struct frame *frame, uint16_t link_type,
                                       struct layers *out_layers)
{
    return frame_decode_cut(frame, link_type, frame_bytes(frame), frame_bytes(frame), out_layers);
}

/* Everything that a view points to must lie inside the frame and inside its own lengths. */
static inline bool frame_view_fits(struct frame *frame, const struct layers *layers)
{
    const uint8_t *begin = frame_at(frame);
    const uint8_t *end = frame->room + FRAME_ROOM;
    bool payload = layers->payload == NULL ||
                   (layers->payload >= begin && layers->payload + layers->payload_bytes <= end);
    bool ip = layers->ip == NULL || (layers->ip >= begin && layers->ip + layers->ip_bytes <= end);
    bool fragment =
        layers->fragment_at == NULL ||
        (layers->fragment_at >= begin && layers->fragment_at + layers->fragment_bytes <= end);
    return payload && ip && fragment && layers->payload_bytes <= layers->payload_wire &&
           layers->ip_bytes <= layers->ip_wire && layers->fragment_bytes <= layers->fragment_wire &&
           layers->depth <= LAYERS_MAX;
}

static inline bool frame_noted(const struct layers *layers, enum reason reason)
{
    for (size_t index = 0; index < sizeof layers->notes / sizeof layers->notes[0]; index++) {
        if (layers->notes[index] == (uint16_t)reason) {
            return true;
        }
    }
    return false;
}

#endif
