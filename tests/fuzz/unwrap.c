/* Frames through layers, reassembly and mirror copies: the input is a run of frames, each with a
 * length byte pair. The sum rule must hold: frames = decoded + ignored + malformed. */
#include "tests/fuzz/fuzz.h"

#include "sensor/flows/unwrap.h"

static uint8_t kept[1 << 17];

static uint8_t *keep(void *owner, uint64_t number, uint32_t bytes)
{
    (void)owner;
    (void)number;
    assert(bytes <= sizeof kept);
    return kept;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
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
    struct cursor cursor = cursor_over(data, size);
    uint64_t number = 0;
    while (cursor_left(&cursor) > 3) {
        uint16_t step = cursor_be16(&cursor);
        size_t bytes = step & 0x3ff;
        bytes = bytes < cursor_left(&cursor) ? bytes : cursor_left(&cursor);
        const uint8_t *at = cursor_take(&cursor, bytes);
        uint64_t now = NS_PER_S * 1000 + number * NS_PER_MS * (step >> 10);
        struct datagram datagram;
        if (unwrap_see(unwrap, (step & 1) != 0 ? 101 : 1, 0, ++number, now, now, at,
                       (uint32_t)bytes, (uint32_t)bytes, &datagram)) {
            assert(datagram.payload_bytes <= datagram.payload_wire);
            assert(datagram.number == number);
        }
    }
    const struct unwrap_counts *counts = unwrap_counts(unwrap);
    assert(counts->frames == number);
    assert(counts->frames == counts->decoded + counts->ignored + counts->malformed);
    unwrap_close(unwrap);
    return 0;
}
