/* worker_sip.c - from the bytes of a SIP message to its sighting.
 *
 * A message is decoded straight into the ring; nothing of it is copied but the values that state
 * needs. Its bytes stay where they are (a block, or memory of a reassembled datagram) and the
 * sighting points at them. Only a message that was put together from several TCP segments has no
 * such place: its bytes go into the worker's ring of bytes, once, before it is decoded.
 *
 * What counts as SIP is decided by content. The port, or a flow that has carried SIP, only lets in
 * what has merely the shape of SIP (sip_recognise); such messages are invalid, and counted. */
#include "sensor/flows/worker_inside.h"

enum { MESSAGE_INDEX_BITS = 8 };
enum { RESPONSE_STATUS_FIRST = 100, RESPONSE_OUT_OF_RANGE = 600, KEEPALIVE_BYTES_MAX = 32 };

static void count_message(struct worker_state *state, const struct sip_message *message)
{
    worker_count(state, COUNT_SIP_MESSAGES);
    if (message->verdict == SIP_INVALID) {
        worker_count(state, COUNT_SIP_MALFORMED);
    }
    if (sip_is_response(message)) {
        uint32_t place = message->status < RESPONSE_STATUS_FIRST
                             ? (uint32_t)RESPONSE_OUT_OF_RANGE
                             : (uint32_t)message->status - RESPONSE_STATUS_FIRST;
        place = place > RESPONSE_OUT_OF_RANGE ? RESPONSE_OUT_OF_RANGE : place;
        worker_count(state, COUNT_RESPONSE_FIRST + place);
    } else {
        worker_count(state, COUNT_REQUEST_FIRST + message->method);
    }
    for (size_t index = 0; index < message->anomaly_count; index++) {
        worker_count(state, COUNT_SIP_ANOMALY_FIRST + message->anomalies[index]);
    }
}

/* Where and how a message was found. */
struct found {
    const uint8_t *at;
    uint32_t bytes;
    uint32_t wire_bytes;
    enum sip_transport transport;
    bool known;
    bool resync;
    uint64_t first_byte_ns;
};

static bool tell_message(struct worker_state *state, const struct datagram *datagram,
                         const struct found *found)
{
    struct sip_sighting *sighting = worker_reserve(state, sizeof *sighting + sizeof(struct sdp));
    enum reason reason =
        sip_decode_with_sdp(found->at, found->bytes, found->wire_bytes, found->transport,
                            found->known, &sighting->message, sighting->sdp);
    if (reason != REASON_NONE) {
        worker_count_reason(state, reason);
        return false;
    }
    worker_head(state, datagram, SIGHTING_SIP, &sighting->head);
    sighting->head.transport = (uint8_t)found->transport;
    if (state->in_mark) {
        /* Its TCP stream was given up at the mark: it falls there, not at an earlier packet. The
         * number is that of the stream's first packet, and they come in its order. */
        uint64_t place = datagram->number << MESSAGE_INDEX_BITS & (SUB_MESSAGES - 1);
        uint64_t sub = SUB_MESSAGES | place; /* live numbers are long: their low part */
        state->mark_sub = sub > state->mark_sub ? sub : state->mark_sub + 1;
        sighting->head.key = state->mark_number << 1;
        sighting->head.sub = state->mark_sub | state->mark_ordinal << SUB_MARK_SHIFT;
        if (state->mark_ns != 0) { /* the end is no mark: time stays at the last segment */
            sighting->head.time_ns = state->mark_ns;
            sighting->head.state_ns = state->mark_ns;
        }
    }
    sighting->first_byte_ns = found->first_byte_ns;
    sighting->wire_bytes = datagram->ip_wire;
    sighting->has_sdp = sighting->sdp->media_count > 0;
    memset(sighting->reserved, 0, sizeof sighting->reserved);
    sip_keys_make(state->limits.key, &sighting->head.source, &sighting->head.destination,
                  &sighting->message, &sighting->keys);
    if (found->resync) {
        sip_anomaly(&sighting->message, ANOMALY_STREAM_RESYNC);
    }
    /* The description stands behind the message, cut behind its last media line. */
    size_t media_bytes = sighting->sdp->media_count * sizeof sighting->sdp->media[0];
    size_t sdp_bytes = sighting->has_sdp ? offsetof(struct sdp, media) + media_bytes : 0;
    count_message(state, &sighting->message);
    worker_commit(state, sighting, sizeof *sighting + sdp_bytes);
    return true;
}

bool worker_see_sip(struct worker_state *state, const struct datagram *datagram, bool known)
{
    enum reason reason = sip_recognise(datagram->payload, datagram->payload_bytes, false, known);
    if (reason != REASON_NONE) {
        return false;
    }
    struct found found = {.at = datagram->payload,
                          .bytes = datagram->payload_bytes,
                          .wire_bytes = datagram->payload_wire,
                          .transport = SIP_UDP,
                          .known = known,
                          .first_byte_ns = datagram->time_ns};
    return tell_message(state, datagram, &found);
}

/* A mark may tell more than there is room for: thousands of TCP streams end at once, all under one
 * number, which the analyst passes only behind the mark. So what it has taken from the ring must do,
 * and nothing else that is kept matters then; but for the packet at work, whose own bytes may be
 * kept. */
static uint8_t *keep_message(struct worker_state *state, uint32_t bytes)
{
    uint64_t number = state->in_mark ? state->mark_number : state->packet_number;

    return worker_keep_until(state, number, state->in_mark ? number : number - 1, bytes);
}

void worker_see_message(void *owner, const struct datagram *segment, const uint8_t *at,
                        uint32_t bytes, bool cut, bool resync, uint64_t first_byte_ns)
{
    struct worker_state *state = owner;
    bool in_segment = !state->in_mark && segment->payload_bytes > 0 && at >= segment->payload &&
                      at + bytes <= segment->payload + segment->payload_bytes;
    if (!in_segment) {
        uint8_t *copy = keep_message(state, bytes);
        memcpy(copy, at, bytes);
        at = copy;
    }
    struct found found = {.at = at,
                          .bytes = bytes,
                          .wire_bytes = cut ? bytes + 1 : bytes,
                          .transport = SIP_TCP,
                          .known = worker_knows_sip(state, segment),
                          .resync = resync,
                          .first_byte_ns = first_byte_ns};
    if (tell_message(state, segment, &found)) {
        state->segment_is_sip = true;
    }
}

void worker_see_answered(void *owner, const struct datagram *segment)
{
    struct worker_state *state = owner;
    (void)segment; /* told behind its messages */
    state->segment_answers = true;
}

void worker_see_anomaly(void *owner, const struct datagram *segment, enum anomaly kind)
{
    (void)segment;
    worker_count(owner, COUNT_FRAME_ANOMALY_FIRST + (uint32_t)kind);
}

bool worker_is_keepalive(const struct datagram *datagram)
{
    struct slice text = slice_of(datagram->payload, datagram->payload_bytes);
    if (text.bytes == 0 || text.bytes > KEEPALIVE_BYTES_MAX) {
        return false;
    }
    /* RFC 5626 says CRLF; devices send spaces and NULs too, and words of their own. */
    bool is_blank = true;
    for (size_t index = 0; index < text.bytes; index++) {
        char byte = text.at[index];
        is_blank = is_blank && (byte == '\r' || byte == '\n' || byte == '\0' || byte == ' ');
    }
    return is_blank || slice_starts_with(text, SLICE("jaK")) ||
           slice_starts_with_nocase(text, SLICE("Cirpack KeepAlive")) ||
           slice_equal_nocase(slice_trim(text), SLICE("hello"));
}
