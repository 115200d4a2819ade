/* The stream table under any packets of few streams: figures stay consistent, each stream is told
 * ended once, sightings come in ascending order of (key, sub). Input: four bytes a packet (stream
 * and payload type, step, time, kind). */
#include "tests/fuzz/fuzz.h"

#include "sensor/flows/stream.h"

enum { NUMBERS = 1 << 20 };

struct seen {
    uint64_t key;
    uint64_t sub;
    uint64_t ended;
    uint8_t told[NUMBERS / 8];
};

static void on_sighting(void *owner, const struct stream_sighting *sighting)
{
    struct seen *seen = owner;
    assert(sighting->head.key > seen->key ||
           (sighting->head.key == seen->key && sighting->head.sub >= seen->sub));
    seen->key = sighting->head.key;
    seen->sub = sighting->head.sub;
    const struct stream_counts *total = &sighting->total;
    assert(total->packets > 0 && total->duplicates < total->packets);
    assert(total->lost <= total->expected);
    assert(total->reordered < total->packets);
    assert(sighting->last_ns != 0 && sighting->stream_number > 0);
    if (sighting->event == STREAM_ENDED || sighting->event == STREAM_CANDIDATE) {
        uint64_t number = sighting->stream_number % NUMBERS;
        assert((seen->told[number / 8] >> (number % 8) & 1) == 0);
        seen->told[number / 8] |= (uint8_t)(1 << (number % 8));
        seen->ended++;
    }
}

static void on_alive(void *owner, const struct alive_sighting *sighting)
{
    struct seen *seen = owner;
    assert(sighting->head.key > seen->key ||
           (sighting->head.key == seen->key && sighting->head.sub >= seen->sub));
    seen->key = sighting->head.key;
    seen->sub = sighting->head.sub;
    assert(sighting->stream_count <= ALIVE_STREAMS_MAX);
    for (uint32_t i = 0; i < sighting->stream_count; i++) {
        assert(sighting->streams[i].packets > 0);
        assert(i == 0 ||
               sighting->streams[i - 1].stream_number < sighting->streams[i].stream_number);
    }
}

static void on_reason(void *owner, enum reason reason)
{
    (void)owner;
    assert(reason < REASON_COUNT);
}

struct sender {
    uint16_t sequence;
    uint32_t timestamp;
};

static void send(struct stream_table *table, struct sender *senders, struct cursor *cursor,
                 uint64_t number, uint64_t *now)
{
    uint8_t which = cursor_u8(cursor);
    uint8_t step = cursor_u8(cursor);
    uint8_t gap = cursor_u8(cursor);
    uint8_t kind = cursor_u8(cursor);
    struct sender *sender = &senders[which & 7];
    sender->sequence = (uint16_t)(sender->sequence + ((kind & 1) != 0   ? (int8_t)step
                                                      : (kind & 2) != 0 ? step * 977
                                                                        : 1));
    sender->timestamp += (kind & 4) != 0 ? step * 0x01010101u : 160;
    *now += (uint64_t)gap * NS_PER_MS + (uint64_t)((kind & 8) != 0) * gap * NS_PER_S;
    struct rtp_view view = {.ssrc = 0x1000u + (which & 7),
                            .timestamp = sender->timestamp,
                            .sequence = sender->sequence,
                            .header_bytes = 12,
                            .payload_bytes = 160,
                            .payload_type = (kind & 16) != 0 ? (uint8_t)(96 + (which >> 6)) : 0,
                            .marker = (kind & 32) != 0};
    struct datagram datagram = {.time_ns = (kind & 64) != 0 && *now > NS_PER_S ? *now - NS_PER_S / 2
                                                                               : *now,
                                .state_ns = *now,
                                .number = number,
                                .flow_hash = (uint64_t)(which & 7) << 60,
                                .source_port = (uint16_t)(20000 + (which & 7)),
                                .destination_port = 30000,
                                .protocol = PROTOCOL_UDP,
                                .ttl = 64,
                                .payload_bytes = 172,
                                .payload_wire = 172,
                                .ip_wire = 200};
    const uint8_t header[12] = {0x80,
                                (uint8_t)((view.marker ? 0x80 : 0) | view.payload_type),
                                (uint8_t)(view.sequence >> 8),
                                (uint8_t)view.sequence,
                                (uint8_t)(view.timestamp >> 24),
                                (uint8_t)(view.timestamp >> 16),
                                (uint8_t)(view.timestamp >> 8),
                                (uint8_t)view.timestamp,
                                0,
                                0,
                                (uint8_t)(view.ssrc >> 8),
                                (uint8_t)view.ssrc};
    datagram.payload = header;
    datagram.payload_bytes = sizeof header;
    struct stream_lane lane;
    stream_look(table, &datagram, 1, &lane);
    assert(lane.hash == stream_hash(table, &datagram, view.ssrc));
    if (stream_see_run(table, &datagram, &lane, 0, 1) == 0) {
        (void)stream_see(table, &datagram, &view, lane.hash, lane.hint);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct seen seen;
    memset(&seen, 0, sizeof seen);
    struct stream_options options = {.streams_max = 16 * 4,
                                     .idle_ns = 300 * NS_PER_S,
                                     .key = HASH_KEY_FIXED,
                                     .on_sighting = on_sighting,
                                     .on_alive = on_alive,
                                     .on_reason = on_reason,
                                     .owner = &seen};
    struct stream_table *table = NULL;
    struct error error;
    if (stream_open(&options, &table, &error) != STATUS_OK) {
        abort();
    }
    struct sender senders[8] = {{.sequence = 65530}, {.sequence = 5}};
    struct cursor cursor = cursor_over(data, size);
    uint64_t now = 1000 * NS_PER_S;
    uint64_t mark = 1000;
    uint64_t number = 0;
    while (cursor_left(&cursor) >= 4 && number < NUMBERS - 2) {
        number++;
        /* Marks come before the packet; as in the timeline, not every second of a long silence has one. */
        unsigned marks = 0;
        while (mark < time_second(now)) {
            mark = ++marks < 32 ? mark + 1 : time_second(now);
            seen.sub = 0;
            stream_mark(table, mark, number, 0);
        }
        send(table, senders, &cursor, number, &now);
    }
    stream_end(table, number + 1);
    stream_close(table);
    return 0;
}
