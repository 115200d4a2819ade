#include "tests/fuzz/fuzz.h"

#include "decoders/stun.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct stun_view view;
    if (stun_decode(data, (uint32_t)size, &view) == REASON_NONE) {
        const uint8_t *at = (const uint8_t *)view.username.at;
        assert(view.username.bytes == 0 || (at >= data && at + view.username.bytes <= data + size));
    }
    return 0;
}
