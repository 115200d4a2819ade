/* bytestream.h - TCP in order, and the SIP messages in it.
 *
 * Owns      the streams of its shards and the bytes they hold.
 * Borrows   segments during the call.
 * Time      packet time in ns, always an argument.
 * Bounds    streams_max directions and bytes_max held bytes, both cut by FLOW_SHARDS; one direction
 *           holds at most SIP_MESSAGE_BYTES_MAX plus one segment. A stream that is not SIP in its
 *           first 4 KiB is dropped and remembered as such. When full, the longest idle goes and is
 *           counted.
 * Errors    open only.
 * Thread    one worker.
 *
 * Each direction stands for itself: nothing here needs both. Bytes that came first win; a
 * retransmission with other bytes is tcp-overlap-conflict. Streams may begin in the middle; a gap
 * that is not filled within 2 s or 64 KiB is given up: the message in it is told truncated, then
 * framing is found again (stream-resync). A message has the time and the position of the segment
 * that completed it and the time of its first byte (docs/definitions.md). */
#ifndef SENSOR_FLOWS_BYTESTREAM_H
#define SENSOR_FLOWS_BYTESTREAM_H

#include "decoders/sip.h"
#include "sensor/flows/unwrap.h"

struct bytestream_table;

enum { BYTESTREAM_ANSWER_BYTES = 100 }; /* a keep-alive is shorter, no response is */

struct bytestream_options {
    uint32_t streams_max; /* directions, over all shards */
    size_t bytes_max; /* held bytes, over all shards */
    struct hash_key key;
    /* A message of the stream: its bytes are valid during the call only; they lie in the segment's
     * payload where nothing had to be put together. `cut`: a gap or the end took its rest. A
     * message that is longer than SIP_MESSAGE_BYTES_MAX comes with its headers only and is not
     * `cut`: sip_decode() sees from its Content-Length that it was capped. During bytestream_mark()
     * and bytestream_end() `segment` is the last one of the stream, without payload, and its number
     * that of the first packet of the stream: what falls at a mark is told in that order. Where a
     * stream is pushed out for want of room, its message falls to the packet that did it. */
    void (*on_message)(void *owner, const struct datagram *segment, const uint8_t *at,
                       uint32_t bytes, bool cut, bool resync, uint64_t first_byte_ns);
    /* Who sent the request before has got BYTESTREAM_ANSWER_BYTES or more since then, as the segment
     * acknowledges: once for a request, before what the segment brings. Whether those bytes were heard
     * here is not asked. */
    void (*on_answered)(void *owner, const struct datagram *segment);
    /* enum reason (KEEPALIVE, TABLE_BYTESTREAM, BYTESTREAM_BYTES) to be counted */
    void (*on_reason)(void *owner, enum reason reason);
    void (*on_anomaly)(void *owner, const struct datagram *segment, enum anomaly kind);
    void *owner;
};

MUST_USE enum status bytestream_open(const struct bytestream_options *options,
                                     struct bytestream_table **out_table, struct error *error);
void bytestream_close(struct bytestream_table *table);
size_t bytestream_bytes_max(const struct bytestream_options *options);
/* One segment. Returns true when its stream carries (or may still carry) SIP, false when it is
 * known not to. */
bool bytestream_see(struct bytestream_table *table, const struct datagram *segment);
void bytestream_mark(struct bytestream_table *table, uint64_t mark_ns,
                     uint64_t number); /* gaps, idle streams */
void bytestream_end(
    struct bytestream_table *table); /* what is open is told, in the order of first packets */

#endif
