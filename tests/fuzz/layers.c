/* From the link to UDP or TCP: the first two bytes choose the link type, the next says how much the
 * snap length cut. The view must stay inside the bytes, and be the same by the short cut as by the
 * general way. */
#include "tests/fuzz/fuzz.h"

#include "decoders/icmp.h"

static const uint16_t links[] = {1,  0,  108, 101, 12,  228, 229, 113, 276, 9,
                                 50, 51, 104, 107, 226, 105, 127, 122, 197, 300};

static void compare_with_general(const uint8_t *at, uint32_t captured, uint32_t wire,
                                 const struct layers *layers, enum reason reason)
{
    struct layers general;
    memset(&general, 0, sizeof general);
    assert(link_decode(1, cursor_over(at, captured), wire, &general) == reason);
    assert(memcmp(&general, layers, sizeof general) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    uint32_t captured = (uint32_t)size - 2;
    struct layers layers;
    uint16_t link_type = links[data[0] % (sizeof links / sizeof links[0])];
    enum reason reason = layers_decode(link_type, data + 2, captured, captured + data[1], &layers);
    assert(reason < REASON_COUNT);
    if (link_type == 1) {
        compare_with_general(data + 2, captured, captured + data[1], &layers, reason);
    }
    if (reason == REASON_NONE && !layers.fragment) {
        assert(layers.payload_bytes == 0 || (layers.payload >= data + 2 &&
                                             layers.payload + layers.payload_bytes <= data + size));
        assert(layers.payload_bytes <= layers.payload_wire);
    }
    if (layers.undelivered != UNDELIVERED_NOT) { /* who said so is read behind that */
        assert(reason == REASON_ICMP && layers.payload_bytes == 0);
        assert(layers.ip >= data + 2 && layers.ip + layers.ip_bytes <= data + size);
        assert(layers.ip_bytes >= (layers.ip[0] >> 4 == 4 ? 20 : 40));
    }
    if (reason == REASON_NONE && layers.fragment) {
        assert(layers.fragment_bytes == 0 ||
               (layers.fragment_at >= data + 2 &&
                layers.fragment_at + layers.fragment_bytes <= data + size));
    }
    return 0;
}
