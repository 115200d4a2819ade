/* TCP segments in any order with any overlap: messages that come out lie in what was sent, and
 * memory is bounded. Input: repeated (control byte, offset byte, length byte, bytes). */
#include "tests/fuzz/fuzz.h"

#include "sensor/flows/bytestream.h"

struct seen {
    uint64_t messages;
    uint64_t bytes;
};

static void on_reason(void *owner, enum reason reason)
{
    (void)owner;
    assert(reason < REASON_COUNT);
}

static void on_answered(void *owner, const struct datagram *segment)
{
    (void)owner;
    assert((segment->tcp_flags & TCP_ACK) != 0);
}

static void on_anomaly(void *owner, const struct datagram *segment, enum anomaly kind)
{
    (void)owner;
    (void)segment;
    assert(kind < ANOMALY_COUNT);
}

static void on_message(void *owner, const struct datagram *segment, const uint8_t *at,
                       uint32_t bytes, bool cut, bool resync, uint64_t first_byte_ns)
{
    struct seen *seen = owner;
    (void)cut;
    (void)resync;
    assert(bytes > 0 && bytes <= SIP_MESSAGE_BYTES_MAX + (64 << 10));
    assert(first_byte_ns <= segment->state_ns);
    struct sip_message message;
    seen->messages += sip_decode(at, bytes, bytes, SIP_TCP, true, &message) == REASON_NONE;
    seen->bytes += bytes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct seen seen = {0};
    struct bytestream_options options = {.streams_max = 64,
                                         .bytes_max = 1 << 20,
                                         .key = HASH_KEY_FIXED,
                                         .on_message = on_message,
                                         .on_reason = on_reason,
                                         .on_answered = on_answered,
                                         .on_anomaly = on_anomaly,
                                         .owner = &seen};
    struct bytestream_table *table = NULL;
    struct error error;
    if (bytestream_open(&options, &table, &error) != STATUS_OK) {
        abort();
    }
    struct cursor cursor = cursor_over(data, size);
    uint64_t number = 0;
    uint32_t base[4] = {0xffffff00, 1000, 0, 7};
    while (cursor_left(&cursor) > 3) {
        uint8_t control = cursor_u8(&cursor);
        uint8_t offset = cursor_u8(&cursor);
        size_t bytes = cursor_u8(&cursor);
        bytes = bytes < cursor_left(&cursor) ? bytes : cursor_left(&cursor);
        const uint8_t *at = cursor_take(&cursor, bytes);
        uint32_t *next = &base[control & 3];
        number++;
        struct datagram segment = {.time_ns = number * NS_PER_MS,
                                   .state_ns = number * NS_PER_MS,
                                   .number = number,
                                   .flow_hash = (uint64_t)(control & 3) << 60,
                                   .source_port = (uint16_t)(5060 + (control & 3)),
                                   .destination_port = 5060,
                                   .protocol = PROTOCOL_TCP,
                                   .tcp_flags = (uint8_t)(control >> 3),
                                   .tcp_sequence = *next + ((control & 4) != 0 ? offset : 0),
                                   .payload = at,
                                   .payload_bytes = (uint32_t)bytes,
                                   .payload_wire = (uint32_t)bytes};
        (void)bytestream_see(table, &segment);
        if ((control & 4) == 0) {
            *next += (uint32_t)bytes;
        }
        if (control == 0xff) {
            bytestream_mark(table, number * NS_PER_MS + offset * NS_PER_S, number);
        }
    }
    bytestream_end(table);
    bytestream_close(table);
    return 0;
}
