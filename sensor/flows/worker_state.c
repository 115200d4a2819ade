/* worker_state.c - a datagram's way through one worker.
 *
 *   UDP, first byte      0-3      STUN, if the magic cookie is there
 *   (RFC 7983, 5761)     128-191  RTCP, if the second byte is 192-223 and the lengths say so; else
 *                                 RTP
 *                        9-127    SIP, if it has a start line (a media port may carry SIP, so no
 *                                 port decides)
 *                        else     none of ours: a flow
 *   TCP                  bytestream.c puts it in order and finds messages; always a flow too
 *   ICMP                 only what it says was not delivered
 *
 * Nine packets in ten are RTP of a confirmed stream. They go through four passes over a batch (read
 * the header and prefetch the index; prefetch the stream; prefetch its rest; count), and touch
 * nothing else: no flow, no counter. A candidate's packets count as a flow as well until it is
 * confirmed, because it may turn out to be something else.
 *
 * RTCP between hosts has a port of its own, which no stream here can vouch for (the media's flow
 * may belong to another worker). So a whole compound that begins with a report is believed by its
 * shape, and anything weaker (reduced size, damage behind the first packet) only where its sender
 * is a confirmed stream of the same five-tuple, or both ports are odd as RTCP's are by convention.
 *
 * Limit: TURN channel data (first byte 64-79) is not opened; its media is a flow. */
#include "sensor/flows/worker_inside.h"

#include "decoders/rtcp.h"
#include "decoders/stun.h"

enum { SIP_PORT = 5060, SIPS_PORT = 5061, PORT_USER_FIRST = 1024 };
enum { BYTE_STUN_LAST = 3, BYTE_SIP_FIRST = 9, BYTE_SIP_LAST = 127 };
enum { KEPT_BYTES = 4 << 20 };

void worker_state_budget(const struct worker_limits *limits, struct budget *budget)
{
    struct stream_options streams = {.streams_max = limits->streams_max};
    struct flow_options flows = {.flows_max = limits->flows_max};
    struct bytestream_options bytestreams = {.streams_max = limits->tcp_streams_max,
                                             .bytes_max = limits->tcp_bytes_max};
    budget_add(budget, "messages kept for the analyst", 0,
               sizeof(struct worker_state) + KEPT_BYTES);
    budget_add(budget, "RTP streams", limits->streams_max, stream_bytes_max(&streams));
    budget_add(budget, "flows", limits->flows_max, flow_bytes_max(&flows));
    budget_add(budget, "TCP streams and what is held of them", limits->tcp_streams_max,
               bytestream_bytes_max(&bytestreams));
}

enum status worker_state_open(const struct worker_limits *limits, const struct worker_hooks *hooks,
                              struct worker_state **out_state, struct error *error)
{
    struct worker_state *state = calloc(1, sizeof *state);
    if (state == NULL) {
        return error_set(error, STATUS_FAILED, "worker", "no memory for its state");
    }
    state->limits = *limits;
    state->hooks = *hooks;
    struct stream_options streams = {.streams_max = limits->streams_max,
                                     .idle_ns = limits->stream_idle_ns,
                                     .key = limits->key,
                                     .on_sighting = worker_tell_stream,
                                     .on_alive = worker_tell_alive,
                                     .on_reason = worker_tell_reason,
                                     .owner = state};
    struct flow_options flows = {.flows_max = limits->flows_max,
                                 .idle_ns = limits->flow_idle_ns,
                                 .key = limits->key,
                                 .classify = limits->classify,
                                 .classify_shared = limits->classify_shared,
                                 .on_sighting = worker_tell_flow,
                                 .on_reason = worker_tell_reason,
                                 .owner = state};
    struct bytestream_options bytestreams = {.streams_max = limits->tcp_streams_max,
                                             .bytes_max = limits->tcp_bytes_max,
                                             .key = limits->key,
                                             .on_message = worker_see_message,
                                             .on_reason = worker_tell_reason,
                                             .on_answered = worker_see_answered,
                                             .on_anomaly = worker_see_anomaly,
                                             .owner = state};
    enum status status = bytering_open(&state->kept, KEPT_BYTES, error);
    if (status == STATUS_OK) {
        status = stream_open(&streams, &state->streams, error);
    }
    if (status == STATUS_OK) {
        status = flow_open(&flows, &state->flows, error);
    }
    if (status == STATUS_OK) {
        status = bytestream_open(&bytestreams, &state->bytestreams, error);
    }
    if (status != STATUS_OK) {
        worker_state_close(state);
        return status;
    }
    *out_state = state;
    return STATUS_OK;
}

void worker_state_close(struct worker_state *state)
{
    if (state == NULL) {
        return;
    }
    if (state->bytestreams != NULL) {
        bytestream_close(state->bytestreams);
    }
    flow_close(state->flows);
    stream_close(state->streams);
    bytering_close(&state->kept);
    free(state);
}

uint8_t *worker_keep_until(struct worker_state *state, uint64_t number, uint64_t taken,
                           uint32_t bytes)
{
    assert(bytes <= KEPT_BYTES / 2);
    for (bool waited = false;; waited = true) {
        uint64_t done = state->hooks.analyst_position(state->hooks.owner);
        /* Whoever waits has published all that he told. */
        if (waited && taken > done && ring_is_drained(state->hooks.sightings)) {
            done = taken;
        }
        bytering_release(&state->kept, done);
        uint8_t *at = bytering_take(&state->kept, bytes, number);
        if (at != NULL) {
            return at;
        }
        state->hooks.wait_for_room(state->hooks.owner);
    }
}

uint8_t *worker_state_keep(struct worker_state *state, uint64_t number, uint32_t bytes)
{
    return worker_keep_until(state, number, 0, bytes);
}

/* --- UDP --- */

static bool has_rtp_version(const struct datagram *datagram)
{
    return datagram->payload_bytes > 1 && datagram->payload[0] >> 6 == 2;
}

static bool is_sip_port(const struct datagram *datagram)
{
    return datagram->source_port == SIP_PORT || datagram->destination_port == SIP_PORT ||
           datagram->source_port == SIPS_PORT || datagram->destination_port == SIPS_PORT;
}

bool worker_knows_sip(const struct worker_state *state, const struct datagram *datagram)
{
    return is_sip_port(datagram) || flow_is_sip(state->flows, datagram);
}

static bool is_rtcp_port(uint16_t port)
{
    return port % 2 == 1 && port > PORT_USER_FIRST;
}

static bool rtcp_is_plausible(const struct worker_state *state, const struct datagram *datagram,
                              const struct rtcp_view *view)
{
    if (!view->reduced && !view->damaged) {
        return true;
    }
    if (is_rtcp_port(datagram->source_port) && is_rtcp_port(datagram->destination_port)) {
        return true;
    }
    return stream_knows(state->streams, stream_hash(state->streams, datagram, view->sender));
}

static bool see_rtcp(struct worker_state *state, const struct datagram *datagram)
{
    struct rtcp_sighting *sighting = worker_reserve(state, sizeof *sighting);
    enum reason reason = rtcp_decode(datagram->payload, datagram->payload_bytes,
                                     datagram->payload_wire, &sighting->view);
    if (reason != REASON_NONE) {
        worker_count_reason(state, reason);
        return false;
    }
    if (!rtcp_is_plausible(state, datagram, &sighting->view)) {
        return false;
    }
    sighting->view.cname_count = 0;
    memset(sighting->view.cnames, 0, sizeof sighting->view.cnames);
    worker_head(state, datagram, SIGHTING_RTCP, &sighting->head);
    worker_commit(state, sighting, sizeof *sighting);
    worker_count(state, COUNT_RTCP_PACKETS);
    return true;
}

static bool see_stun(struct worker_state *state, const struct datagram *datagram)
{
    struct stun_view view;
    enum reason reason = stun_decode(datagram->payload, datagram->payload_bytes, &view);
    if (reason != REASON_NONE) {
        if (reason == REASON_STUN_LENGTH) {
            worker_count_reason(state, reason);
        }
        return false;
    }
    if (!worker_knows_sip(state, datagram)) {
        return true;
    }
    /* RFC 5626 section 4.4.2: a keep-alive of a phone. Its answer shows that the asked address
     * hears us. */
    worker_count_reason(state, REASON_KEEPALIVE);
    if (view.is_request || view.is_response) {
        struct proof_sighting *proof = worker_reserve(state, sizeof *proof);
        memset(proof, 0, sizeof *proof);
        worker_head(state, datagram, SIGHTING_PROOF, &proof->head);
        proof->proof = PROOF_STUN;
        proof->answer = view.is_response;
        memcpy(proof->transaction, view.transaction, sizeof proof->transaction);
        worker_commit(state, proof, sizeof *proof);
    }
    return true;
}

static bool see_text(struct worker_state *state, const struct datagram *datagram)
{
    bool known = worker_knows_sip(state, datagram);
    if (worker_see_sip(state, datagram, known)) {
        return true;
    }
    if (known) {
        worker_count_reason(state,
                            worker_is_keepalive(datagram) ? REASON_KEEPALIVE : REASON_SIP_NOT);
    }
    return false;
}

/* RTP's ports are even by convention (RFC 3550 section 11). What only begins like RTP on others, as
 * IAX does, is shown to nDPI from its first packet on. */
static bool is_rtp_port(uint16_t port)
{
    return port % 2 == 0 && port > PORT_USER_FIRST && !stream_port_excluded(port);
}

/* What the flow is told of a datagram. */
struct claim {
    enum flow_application application;
    bool is_candidate; /* a stream may claim it yet */
};

/* True: the packet is its stream's alone and no flow's. */
static bool see_rtp(struct worker_state *state, const struct datagram *datagram,
                    const struct rtp_view *view, uint64_t hash, uint32_t hint,
                    struct claim *out_claim)
{
    enum stream_seen seen = stream_see(state->streams, datagram, view, hash, hint);
    /* The flow learns at the packet that confirms the stream, and is not asked again. */
    out_claim->application = seen == STREAM_SEEN_CONFIRMS ? FLOW_RTP : FLOW_UNKNOWN;
    out_claim->is_candidate = seen == STREAM_SEEN_CANDIDATE && !stream_ssrc_excluded(view->ssrc) &&
                              is_rtp_port(datagram->source_port) &&
                              is_rtp_port(datagram->destination_port);
    return seen == STREAM_SEEN_CONFIRMED;
}

/* Reads the header as RTP, which the lane of its batch may have done before; a refusal is counted.
 */
static bool see_rtp_version(struct worker_state *state, const struct datagram *datagram,
                            const struct stream_lane *lane, struct claim *out_claim)
{
    struct rtp_view view;
    enum reason reason =
        rtp_decode(datagram->payload, datagram->payload_bytes, datagram->payload_wire, &view);
    if (reason != REASON_NONE) {
        worker_count_reason(state, reason);
        return false;
    }
    if (lane->hash != 0) {
        return see_rtp(state, datagram, &view, lane->hash, lane->hint, out_claim);
    }
    uint64_t hash = stream_hash(state->streams, datagram, view.ssrc);
    return see_rtp(state, datagram, &view, hash, UINT32_MAX, out_claim);
}

static void see_udp(struct worker_state *state, const struct datagram *datagram,
                    const struct stream_lane *lane)
{
    struct claim claim = {.application = FLOW_UNKNOWN};
    uint8_t first = datagram->payload_bytes > 0 ? datagram->payload[0] : UINT8_MAX;
    if (has_rtp_version(datagram)) {
        if (rtcp_is_type(datagram->payload[1]) && see_rtcp(state, datagram)) {
            claim.application = FLOW_RTCP;
        } else if (see_rtp_version(state, datagram, lane, &claim)) {
            return; /* also types 64 to 95 with the marker, which look like RTCP types */
        }
    } else if (first <= BYTE_STUN_LAST && see_stun(state, datagram)) {
        claim.application = FLOW_STUN;
    } else if (first >= BYTE_SIP_FIRST && first <= BYTE_SIP_LAST) {
        claim.application = see_text(state, datagram) ? FLOW_SIP : FLOW_UNKNOWN;
    } else if (worker_knows_sip(state, datagram) && worker_is_keepalive(datagram)) {
        worker_count_reason(state, REASON_KEEPALIVE);
    }
    if (claim.is_candidate) {
        (void)flow_see_unsettled(state->flows, datagram);
    } else {
        (void)flow_see(state->flows, datagram, claim.application);
    }
}

/* --- what did not get there --- */

static struct addr ip_source(const struct datagram *datagram)
{
    return datagram->ip[0] >> 4 == 4 ? addr_from_v4(datagram->ip + 12)
                                     : addr_from_v6(datagram->ip + 8);
}

static struct refused_sighting *refused_begin(struct worker_state *state,
                                              const struct datagram *datagram, uint8_t why,
                                              struct addr told_by)
{
    struct refused_sighting *refused = worker_reserve(state, sizeof *refused);

    memset(refused, 0, sizeof *refused);
    worker_head(state, datagram, SIGHTING_REFUSED, &refused->head);
    refused->told_by = told_by;
    refused->why = why;
    return refused;
}

/* What ICMP quotes is no packet of its flow, which another listener may have. */
static void see_quoted(struct worker_state *state, const struct datagram *quoted)
{
    struct refused_sighting *refused =
        refused_begin(state, quoted, quoted->undelivered, ip_source(quoted));

    worker_commit(state, refused, sizeof *refused);
}

/* A reset in answer to a SYN has sequence 0 (RFC 9293 section 3.10.7.1), and nothing has gone over
 * that connection. Another one counts where SIP has. */
static enum undelivered why_reset(const struct datagram *segment, const struct flow_view *flow)
{
    if ((segment->tcp_flags & TCP_RST) == 0) {
        return UNDELIVERED_NOT;
    }
    if ((segment->tcp_flags & TCP_ACK) != 0 && segment->tcp_sequence == 0 &&
        (flow->tcp_flags & (TCP_SYN | TCP_PSH | TCP_FIN)) == TCP_SYN) {
        return UNDELIVERED_CONNECTION;
    }
    return flow->application == FLOW_SIP ? UNDELIVERED_RESET : UNDELIVERED_NOT;
}

/* Who is reset was refused. */
static void see_reset(struct worker_state *state, const struct datagram *segment,
                      enum undelivered why)
{
    struct refused_sighting *refused = refused_begin(state, segment, (uint8_t)why, segment->source);
    struct sighting *head = &refused->head;

    head->sub = SUB_REFUSED;
    head->source = segment->destination;
    head->source_port = segment->destination_port;
    head->destination = segment->source;
    head->destination_port = segment->source_port;
    worker_commit(state, refused, sizeof *refused);
}

/* --- TCP --- */

static void see_tcp(struct worker_state *state, const struct datagram *segment)
{
    state->segment_is_sip = false;
    state->segment_answers = false;
    (void)bytestream_see(state->bytestreams, segment);
    struct flow_view view =
        flow_see(state->flows, segment, state->segment_is_sip ? FLOW_SIP : FLOW_UNKNOWN);
    if (view.tells_proof) {
        struct proof_sighting *proof = worker_reserve(state, sizeof *proof);
        memset(proof, 0, sizeof *proof);
        worker_head(state, segment, SIGHTING_PROOF, &proof->head);
        proof->head.sub = SUB_PROOF;
        proof->proof = PROOF_TCP;
        proof->sequence_end = segment->tcp_sequence + segment->payload_wire;
        proof->acknowledged =
            (segment->tcp_flags & TCP_ACK) != 0 ? segment->tcp_acknowledgement : 0;
        worker_commit(state, proof, sizeof *proof);
    }
    enum undelivered why = why_reset(segment, &view);
    if (why != UNDELIVERED_NOT) {
        see_reset(state, segment, why);
    }
    if (state->segment_answers) {
        struct sighting *answered = worker_reserve(state, sizeof *answered);
        memset(answered, 0, sizeof *answered);
        worker_head(state, segment, SIGHTING_ANSWERED, answered);
        answered->sub = SUB_ANSWERED;
        worker_commit(state, answered, sizeof *answered);
    }
}

/* --- batches, marks, end --- */

/* A datagram that is not its stream's next packet. */
static void see_other(struct worker_state *state, const struct datagram *datagram,
                      const struct stream_lane *lane)
{
    if ((datagram->flags & DATAGRAM_OPEN) != 0) {
        state->completed = *datagram;
        datagram_complete(&state->completed);
        datagram = &state->completed;
    }
    state->packet_number = datagram->number;
    state->packet_sub = 0;
    if (datagram->undelivered != UNDELIVERED_NOT) {
        see_quoted(state, datagram);
    } else if (datagram->protocol == PROTOCOL_TCP) {
        see_tcp(state, datagram);
    } else {
        see_udp(state, datagram, lane);
    }
}

void worker_state_see(struct worker_state *state, const struct datagram *batch, size_t count)
{
    assert(count <= WORKER_BATCH);
    struct stream_lane lanes[WORKER_BATCH] UNCLEARED;
    stream_look(state->streams, batch, count, lanes);
    for (size_t index = 0;; index++) {
        index = stream_see_run(state->streams, batch, lanes, index, count);
        if (index == count) {
            return;
        }
        see_other(state, &batch[index], &lanes[index]);
    }
}

static void mark_begin(struct worker_state *state, uint64_t number, uint64_t mark_ns)
{
    state->mark_ordinal = state->mark_number == number ? state->mark_ordinal + 1 : 0;
    state->in_mark = true;
    state->mark_number = number;
    state->mark_ns = mark_ns;
    state->mark_sub = SUB_MESSAGES;
}

void worker_state_mark(struct worker_state *state, uint64_t mark_s, uint64_t number,
                       uint64_t shift_ns)
{
    mark_begin(state, number, mark_s * NS_PER_S);
    stream_mark(state->streams, mark_s, number, shift_ns);
    bytestream_mark(state->bytestreams, mark_s * NS_PER_S, number);
    flow_mark(state->flows, mark_s, number, shift_ns);
    worker_tell_mark(state, mark_s, shift_ns);
    state->in_mark = false;
}

void worker_state_end(struct worker_state *state, uint64_t number)
{
    mark_begin(state, number, 0);
    stream_end(state->streams, number);
    bytestream_end(state->bytestreams);
    flow_end(state->flows, number);
    worker_tell_end(state, number);
    state->in_mark = false;
}

void worker_state_add_frames(struct worker_state *state, const struct unwrap_counts *counts,
                             uint64_t first_ns, uint64_t last_ns)
{
    uint64_t *sums = state->counts;
    sums[COUNT_FRAMES] += counts->frames - state->frames.frames;
    sums[COUNT_BYTES] += counts->bytes - state->frames.bytes;
    sums[COUNT_DECODED] += counts->decoded - state->frames.decoded;
    sums[COUNT_IGNORED] += counts->ignored - state->frames.ignored;
    sums[COUNT_MALFORMED] += counts->malformed - state->frames.malformed;
    sums[COUNT_DUPLICATES] += counts->duplicates - state->frames.duplicates;
    sums[COUNT_FRAME_ANOMALY_FIRST + ANOMALY_IP_FRAG_OVERLAP] +=
        counts->overlaps - state->frames.overlaps;
    for (size_t reason = 0; reason < REASON_COUNT; reason++) {
        sums[COUNT_REASON_FIRST + reason] +=
            counts->reasons[reason] - state->frames.reasons[reason];
    }
    state->frames = *counts;
    state->first_ns = first_ns;
    state->last_ns = last_ns;
}

void worker_state_set_capture(struct worker_state *state, const struct worker_capture *capture)
{
    state->counts[COUNT_KERNEL_OFFERED] = capture->offered;
    state->counts[COUNT_KERNEL_DROPPED] = capture->dropped;
    state->counts[COUNT_INTERFACE_DROPPED] = capture->interface_dropped;
    state->counts[COUNT_CLOCK_STEPS] = capture->clock_steps;
    memcpy(&state->counts[COUNT_INTERFACE_FIRST], capture->interfaces, sizeof capture->interfaces);
}
