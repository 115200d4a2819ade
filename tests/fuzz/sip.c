/* One SIP message as a datagram and as a stream: every part inside the message, framing always
 * advances, the walks over header lines end, and both ways of reading values say the same. */
#include "tests/fuzz/fuzz.h"

#include "decoders/sdp.h"
#include "decoders/sip_address.h"
#include "decoders/sip_header.h"
#include "tests/fuzz/sip_padded.h"

static void inside(const struct sip_message *message, struct part part)
{
    assert((size_t)part.at + part.bytes <= message->raw_bytes);
}

static void check(const struct sip_message *message)
{
    inside(message, message->call_id);
    inside(message, message->branch);
    inside(message, message->from.user);
    inside(message, message->to.host);
    inside(message, message->contact.whole);
    inside(message, message->auth_response);
    inside(message, message->user_agent);
    assert((size_t)message->body_at + message->body_bytes <= message->raw_bytes);
    assert(message->anomaly_count <= SIP_ANOMALIES_MAX);
    uint32_t at = 0;
    struct sip_line line;
    size_t lines = 0;
    while (sip_line_next(message, &at, &line)) {
        assert(++lines <= message->raw_bytes + 1);
    }
    struct sip_walk walk = {0};
    struct slice value;
    while (sip_value_next(message, SIP_HEADER_CONTACT, &walk, &value)) {
        struct sip_name_addr address;
        struct sip_findings findings = {.count = 0};
        (void)sip_name_addr_decode(message->raw, value, &address, &findings);
        struct slice tag;
        (void)sip_parameter(value, SLICE("expires"), &tag);
    }
    char out[4096];
    struct text text = text_into(out, sizeof out);
    sip_user_print(&text, sip_part(message, message->from.user));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) {
        return 0;
    }
    bool known = (data[0] & 1) != 0;
    size_t cut = data[0] >> 4;
    const uint8_t *at = data + 1;
    size_t bytes = size - 1;
    struct sip_message message;
    if (bytes <= SIP_MESSAGE_BYTES_MAX &&
        sip_decode(at, bytes, bytes + cut, SIP_UDP, known, &message) == REASON_NONE) {
        check(&message);
        assert(sip_padded_same(at, bytes, SIP_UDP, known));
    }
    while (bytes > 0) {
        struct sip_frame frame = {0};
        enum reason reason = sip_frame_next(at, bytes, known, &frame);
        assert(frame.skip <= bytes);
        if (reason != REASON_NONE || !frame.whole) {
            break;
        }
        assert(frame.message_bytes > 0 && (size_t)frame.skip + frame.message_bytes <= bytes);
        if (frame.message_bytes <= SIP_MESSAGE_BYTES_MAX &&
            sip_decode(at + frame.skip, frame.message_bytes, frame.message_bytes, SIP_TCP, true,
                       &message) == REASON_NONE) {
            check(&message);
        }
        at += frame.skip + frame.message_bytes;
        bytes -= frame.skip + frame.message_bytes;
    }
    return 0;
}
