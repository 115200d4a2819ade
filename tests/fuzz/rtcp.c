#include "tests/fuzz/fuzz.h"

#include "decoders/rtcp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) {
        return 0;
    }
    uint32_t bytes = (uint32_t)size - 1;
    struct rtcp_view view;
    if (rtcp_decode(data + 1, bytes, bytes + data[0], &view) == REASON_NONE) {
        assert(view.report_count <= RTCP_REPORTS_MAX);
        assert(view.cname_count <= RTCP_SOURCES_MAX);
        for (size_t i = 0; i < view.cname_count; i++) {
            const uint8_t *at = (const uint8_t *)view.cnames[i].cname.at;
            assert(view.cnames[i].cname.bytes == 0 ||
                   (at >= data && at + view.cnames[i].cname.bytes <= data + size));
        }
    }
    return 0;
}
