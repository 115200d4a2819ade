/* URIs, name-addr and the output rule for users; and the text as an address of a message, read in
 * both ways. */
#include "tests/fuzz/fuzz.h"

#include "decoders/sip_address.h"
#include "decoders/sip_header.h"
#include "tests/fuzz/sip_padded.h"

static void put(struct text *text, const char *name, struct slice value)
{
    text_string(text, name);
    text_slice_put(text, value);
    text_string(text, "\r\n");
}

/* The same text wherever an address may stand, in a Via and in credentials. */
static void check_message(struct slice value)
{
    static char room[8192];
    struct text text = text_into(room, sizeof room);

    if (value.bytes > 1000) {
        return;
    }
    put(&text, "INVITE sip:a@b SIP/2.0\r\nFrom: ", value);
    put(&text, "To: ", value);
    put(&text, "Contact: ", value);
    put(&text, "Call-ID: ", value);
    put(&text, "CSeq: ", value);
    put(&text, "Via: SIP/2.0/UDP ", value);
    put(&text, "Proxy-Authorization: Digest ", value);
    text_string(&text, "\r\n");
    assert(sip_padded_same((const uint8_t *)room, text.bytes, SIP_UDP, true));
}

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
    check_message(text);
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
