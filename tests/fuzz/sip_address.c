/* URIs, name-addr and the output rule for users. */
#include "tests/fuzz/fuzz.h"

#include "decoders/sip_address.h"
#include "decoders/sip_header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = slice_of(data, size);
    struct sip_uri uri;
    struct sip_findings findings = {.count = 0};
    sip_uri_decode(text.at, text, &uri, &findings);
    assert((size_t)uri.whole.at + uri.whole.bytes <= size);
    assert((size_t)uri.user.at + uri.user.bytes <= size);
    struct sip_name_addr address;
    findings.count = 0;
    if (sip_name_addr_decode(text.at, text, &address, &findings)) {
        assert((size_t)address.display.at + address.display.bytes <= size);
        assert((size_t)address.tag.at + address.tag.bytes <= size);
    }
    assert(findings.count <= 8);
    struct slice value;
    (void)sip_auth_parameter(text, SLICE("nonce"), &value);
    char out[512];
    struct text printed = text_into(out, sizeof out);
    sip_user_print(&printed, text);
    struct text aor = text_into(out, sizeof out);
    sip_aor_print(&aor, text, slice_part(text, 0, size / 2), SIP_SCHEME_TEL);
    assert(aor.bytes <= aor.capacity);
    return 0;
}
