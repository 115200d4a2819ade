#include "tests/fuzz/fuzz.h"

#include "decoders/rtp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) {
        return 0;
    }
    uint32_t bytes = (uint32_t)size - 1;
    struct rtp_view view;
    if (rtp_decode(data + 1, bytes, bytes + data[0], &view) == REASON_NONE) {
        assert(view.payload_type < 128);
        assert((uint64_t)view.header_bytes + view.payload_bytes <= (uint64_t)bytes + data[0]);
    }
    return 0;
}
