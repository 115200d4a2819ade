/* Session descriptions, alone and inside multipart bodies. */
#include "tests/fuzz/fuzz.h"

#include "decoders/sdp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) {
        return 0;
    }
    struct slice text = slice_of(data + 1, size - 1);
    struct sdp sdp;
    if (sdp_decode(text, (data[0] & 1) != 0, &sdp) == REASON_NONE) {
        assert(sdp.media_count <= SDP_MEDIA_MAX);
        for (size_t i = 0; i < sdp.media_count; i++) {
            assert(sdp.media[i].format_count <= SDP_FORMATS_MAX);
            for (size_t f = 0; f < sdp.media[i].format_count; f++) {
                assert(memchr(sdp.media[i].formats[f].codec, 0, SDP_CODEC_BYTES) != NULL);
                assert(sdp.media[i].formats[f].payload_type <= 127);
            }
        }
    }
    bool malformed = false;
    struct slice part = sdp_in_body(SLICE("multipart/mixed;boundary=b"), text, &malformed);
    assert(part.bytes <= text.bytes);
    return 0;
}
