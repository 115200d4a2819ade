/* Frames through layers, reassembly and mirror copies: the input is a run of frames, each with a
 * length byte pair. The sum rule must hold: frames = decoded + ignored + malformed. A plain frame
 * must give what the general way gives: that takes the same frame behind two tags without a VLAN. */
#include "tests/fuzz/fuzz.h"

#include "decoders/plain_udp.h"
#include "sensor/flows/unwrap.h"

enum { FRAME_BYTES = 0x3ff, MAC_BYTES = 12, TAGS_BYTES = 8 };

static uint8_t kept[1 << 17];

static uint8_t *keep(void *owner, uint64_t number, uint32_t bytes)
{
    (void)owner;
    (void)number;
    assert(bytes <= sizeof kept);
    return kept;
}

static struct unwrap *open_unwrap(void)
{
    struct unwrap_options options = {.key = HASH_KEY_FIXED,
                                     .fragment_bytes_max = 1 << 18,
                                     .drop_duplicates = true,
                                     .keep = keep};
    struct unwrap *unwrap = NULL;
    struct error error;
    if (unwrap_open(&options, &unwrap, &error) != STATUS_OK) {
        abort();
    }
    return unwrap;
}

static bool is_plain(const struct captured *frame)
{
    struct plain_udp plain;
    return frame->link_type == PLAIN_LINK_ETHERNET &&
           plain_udp_is(frame->at, frame->captured, frame->wire_bytes, &plain);
}

static void see_both(struct unwrap *unwrap, struct unwrap *general, const struct captured *frame)
{
    static uint8_t bytes[FRAME_BYTES + TAGS_BYTES];
    struct captured other = *frame;
    uint32_t more = 0;
    if (is_plain(frame)) {
        more = TAGS_BYTES;
        memcpy(bytes, frame->at, MAC_BYTES);
        memcpy(bytes + MAC_BYTES, "\x81\0\0\0\x81\0\0\0", TAGS_BYTES);
        memcpy(bytes + MAC_BYTES + TAGS_BYTES, frame->at + MAC_BYTES, frame->captured - MAC_BYTES);
        other.at = bytes;
        other.captured += more;
        other.wire_bytes += more;
    }
    struct datagram one;
    struct datagram two;
    memset(&one, 0, sizeof one);
    memset(&two, 0, sizeof two);
    bool is_datagram = unwrap_see_one(unwrap, frame, frame->time_ns, &one);
    assert(unwrap_see_one(general, &other, other.time_ns, &two) == is_datagram);
    if (!is_datagram) {
        return;
    }
    assert(one.payload_bytes <= one.payload_wire);
    assert(one.number == frame->number);
    if (more > 0) {
        assert(one.payload - frame->at + more == two.payload - other.at);
        assert(one.ip - frame->at + more == two.ip - other.at);
        two.payload = one.payload;
        two.ip = one.ip;
        two.frame_overhead = (uint16_t)(two.frame_overhead - more);
    }
    assert(memcmp(&one, &two, sizeof one) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct unwrap *unwrap = open_unwrap();
    struct unwrap *general = open_unwrap();
    struct cursor cursor = cursor_over(data, size);
    uint64_t number = 0;
    while (cursor_left(&cursor) > 3) {
        uint16_t step = cursor_be16(&cursor);
        size_t bytes = step & FRAME_BYTES;
        bytes = bytes < cursor_left(&cursor) ? bytes : cursor_left(&cursor);
        uint64_t now = NS_PER_S * 1000 + number * NS_PER_MS * (step >> 10);
        struct captured frame = {.time_ns = now,
                                 .number = ++number,
                                 .at = cursor_take(&cursor, bytes),
                                 .captured = (uint32_t)bytes,
                                 .wire_bytes = (uint32_t)bytes,
                                 .link_type = (step & 1) != 0 ? 101 : 1};
        see_both(unwrap, general, &frame);
    }
    const struct unwrap_counts *counts = unwrap_counts(unwrap);
    assert(counts->frames == number);
    assert(counts->frames == counts->decoded + counts->ignored + counts->malformed);
    assert(counts->duplicates == unwrap_counts(general)->duplicates);
    unwrap_close(unwrap);
    unwrap_close(general);
    return 0;
}
