/* media_sdp.c - why it is built so.
 *
 * Offers and answers are not matched with each other (RFC 3264): each description says where its
 * own sender receives, and that is all that joining needs. It works with one direction of the
 * signalling, with a late offer, with early media, and when an answer is lost.
 *
 * NAT: a party behind one names its private address, and its media comes to the address its
 * signalling comes from. That address with the named port is claimed too, weaker, when the message
 * stands at its first hop: a request with one Via, or the first copy of an answer that we see. */
#include "sensor/state/media_inside.h"

static bool carries_a_description(const struct sip_message *message)
{
    uint8_t method = message->cseq_method;

    if (!sip_is_response(message)) {
        method = message->method;
    } else if (message->status <= 100 || message->status >= 300) {
        return false; /* a refusal tells what it could do, not what it does */
    }
    return method == SIP_METHOD_INVITE || method == SIP_METHOD_ACK || method == SIP_METHOD_PRACK ||
           method == SIP_METHOD_UPDATE;
}

static uint8_t security_rank(uint8_t security)
{
    static const uint8_t ranks[] = {
        [SDP_CLEAR] = 0, [SDP_BEST_EFFORT] = 1, [SDP_SDES] = 2, [SDP_DTLS] = 3};
    return security < sizeof ranks ? ranks[security] : 0;
}

static void claim_alias(struct media_table *table, const struct sip_sighting *sip,
                        const struct sdp_media *media, uint32_t call, struct endpoint_claim *line)
{
    const struct sighting *head = &sip->head;
    bool first_hop = sip_is_response(&sip->message) || sip->message.vias == 1;
    bool hidden = !media->has_address || (addr_is_private(&media->rtp.addr) &&
                                          !addr_equal(&media->rtp.addr, &head->source));

    if (first_hop && hidden) {
        struct endpoint seen = {head->source, media->rtp.port};
        line->flags = ENDPOINT_ALIAS;
        endpoint_claim(&table->endpoints, &seen, call, line, head->state_ns);
    }
}

static void claim_line(struct media_table *table, const struct sip_sighting *sip,
                       const struct sdp_media *media, uint32_t call, uint8_t side)
{
    struct endpoint_claim line;
    uint64_t now_ns = sip->head.state_ns;
    bool fresh = true;

    if (!media->is_rtp || media->rtp.port == 0) {
        return;
    }
    endpoint_of_media(&table->endpoints, media, side, &line);
    if (media->has_address && !addr_is_unspecified(&media->rtp.addr)) {
        fresh = endpoint_claim(&table->endpoints, &media->rtp, call, &line, now_ns);
        struct endpoint next = {media->rtp.addr, (uint16_t)(media->rtp.port + 1)};
        if (media->rtcp.port != 0 && !endpoint_equal(&media->rtcp, &media->rtp) &&
            !endpoint_equal(&media->rtcp, &next)) {
            struct endpoint_claim control = line;
            control.flags = ENDPOINT_RTCP;
            endpoint_claim(&table->endpoints, &media->rtcp, call, &control, now_ns);
        }
    }
    if (fresh && !(media->has_address && addr_is_unspecified(&media->rtp.addr))) {
        claim_alias(table, sip, media, call, &line);
    }
}

static bool is_t38(const struct sdp_media *media)
{
    if (media->kind == SDP_IMAGE && media->rtp.port != 0) {
        return true;
    }
    for (unsigned i = 0; i < media->format_count; i++) {
        const char *codec = media->formats[i].codec;
        if ((codec[0] | 0x20) == 't' && slice_equal_nocase(slice_of_string(codec), SLICE("t38"))) {
            return true;
        }
    }
    return false;
}

/* Is it about a dialog that stands, or does it set one up? A call that begins one-sided is not on
 * hold. */
static bool is_in_dialog(const struct call_cell *cell, const struct call_more *more,
                         const struct sip_message *message)
{
    uint8_t method = sip_is_response(message) ? message->cseq_method : message->method;
    bool asks = !sip_is_response(message) && method != SIP_METHOD_ACK;

    return cell->answered_ns != 0 && message->to_tag.bytes > 0 &&
           (asks || method == SIP_METHOD_UPDATE || more->mark != 0);
}

/* The first audio line says whether its sender holds. An offer also takes back what the other side
 * said: its answer says it anew. */
static void note_hold(struct call_table *calls, struct call_cell *cell,
                      const struct sdp_media *media, uint8_t side, bool is_request)
{
    uint32_t own = side == ENDPOINT_CALLER ? CELL_HELD_CALLER : CELL_HELD_CALLEE;
    uint32_t both = CELL_HELD_CALLER | CELL_HELD_CALLEE;
    bool was_held = (cell->flags & both) != 0;

    cell->flags &= ~(is_request ? both : own);
    if (media->hold || media->direction != SDP_SENDRECV) {
        cell->flags |= own;
    }
    if (!was_held && (cell->flags & both) != 0 && call_more(calls, cell)->holds < UINT16_MAX) {
        call_more_take(calls, cell)->holds++;
    }
}

void media_prefetch(const struct media_table *table, const struct sip_sighting *sip)
{
    for (uint8_t i = 0; i < sip->sdp->media_count && i < SDP_MEDIA_MAX; i++) {
        const struct sdp_media *media = &sip->sdp->media[i];
        if (media->has_address && media->rtp.port != 0) {
            endpoint_prefetch(&table->endpoints, &media->rtp);
        }
    }
}

void media_see_sdp(struct media_table *table, const struct sip_sighting *sip, uint32_t call)
{
    if (!sip->has_sdp || call == TABLE_NONE || !carries_a_description(&sip->message)) {
        return;
    }
    struct call_cell *cell = call_cell_at(table->calls, call);
    const struct sdp *sdp = sip->sdp;
    uint8_t side = dialog_from_caller(cell, sip) ? ENDPOINT_CALLER : ENDPOINT_CALLEE;
    bool has_audio = false;
    if (sdp->ice) {
        cell->flags |= CELL_ELSEWHERE;
    }
    for (uint8_t i = 0; i < sdp->media_count && i < SDP_MEDIA_MAX; i++) {
        const struct sdp_media *media = &sdp->media[i];
        claim_line(table, sip, media, call, side);
        if (media->has_address && addr_is_multicast(&media->rtp.addr)) {
            cell->flags |= CELL_ELSEWHERE;
        }
        if (media->kind == SDP_AUDIO && media->rtp.port != 0 && !has_audio) {
            has_audio = true;
            if (is_in_dialog(cell, call_more(table->calls, cell), &sip->message)) {
                note_hold(table->calls, cell, media, side, !sip_is_response(&sip->message));
            }
        }
        if (media->rtp.port != 0 && security_rank(media->security) >
                                        security_rank(call_more(table->calls, cell)->security)) {
            call_more_take(table->calls, cell)->security = media->security;
        }
        if (is_t38(media)) {
            cell->flags |= CELL_T38;
        }
    }
}
