/* call_record.c - earshot.call: one call when it ended, with what was seen of its signalling and
 * its media.
 *
 * `outcome` is the report's word; `disposition` refines it by the status. What was not seen stays
 * absent: without BYE there is no talk time, without media no MOS. earshot.caller.user and
 * callee.user are as sent, sip.*.username follows the output rule: who compares with the wire wants
 * the first, who reads wants the second. */
#include "sensor/telemetry/envelope.h"

static const char *const outcomes[] = {
    [CALL_ATTEMPTED] = "attempted", [CALL_RINGING] = "ringing", [CALL_ANSWERED] = "answered",
    [CALL_CANCELLED] = "cancelled", [CALL_FAILED] = "failed",
};

static const struct {
    uint16_t first;
    uint16_t last;
    const char *word;
} dispositions[] = {
    {300, 399, "redirected"},     {401, 401, "auth_failed"}, {403, 403, "forbidden"},
    {404, 404, "not_found"},      {407, 407, "auth_failed"}, {408, 408, "timeout"},
    {410, 410, "not_found"},      {480, 480, "no_answer"},   {484, 485, "not_found"},
    {486, 486, "busy"},           {487, 487, "no_answer"},   {504, 504, "timeout"},
    {500, 599, "server_failure"}, {600, 600, "busy"},        {604, 604, "not_found"},
    {400, 699, "rejected"},
};

/* The first row that holds the status: single codes stand before their class. */
static const char *disposition_of(const struct call *call, bool forced)
{
    switch ((enum call_outcome)call->outcome) {
    case CALL_ANSWERED:
        return "answered";
    case CALL_CANCELLED:
        return "cancelled";
    case CALL_ATTEMPTED:
    case CALL_RINGING:
        return forced ? NULL : call->outcome == CALL_RINGING ? "no_answer" : "abandoned";
    case CALL_FAILED:
        break;
    }
    for (size_t i = 0; i < sizeof dispositions / sizeof dispositions[0]; i++) {
        if (call->status >= dispositions[i].first && call->status <= dispositions[i].last) {
            return dispositions[i].word;
        }
    }
    return NULL;
}

static void put_end_reason(struct telemetry *telemetry, const struct call *call)
{
    static const char *const words[] = {[CALL_END_OWN] = NULL,
                                        [CALL_END_INFERRED] = "inferred",
                                        [CALL_END_EVICTED] = "evicted",
                                        [CALL_END_CAPTURE] = "capture_end"};

    record_string(&telemetry->maker, FIELD_ID_EARSHOT_END_REASON, words[call->end_reason]);
    if (call->one_way) {
        record_bool(&telemetry->maker, FIELD_ID_EARSHOT_CAPTURE_QUALITY_ONE_SIDED, true);
    }
}

static void put_sip(struct telemetry *telemetry, const struct call *call)
{
    struct record_maker *maker = &telemetry->maker;

    if (call->status != 0) {
        record_text(maker, FIELD_ID_SIP_CODE, envelope_number(telemetry, call->status));
    }
    record_text(maker, FIELD_ID_SIP_STATUS, call->reason);
    record_text(maker, FIELD_ID_SIP_URI_ORIGINAL, call->uri);
    record_text(maker, FIELD_ID_SIP_CALL_ID, call->call_id);
    record_text(maker, FIELD_ID_SIP_CSEQ_CODE, envelope_number(telemetry, call->cseq));
    record_string(maker, FIELD_ID_SIP_CSEQ_METHOD, "INVITE");
    envelope_user_host(telemetry, FIELD_ID_SIP_FROM_URI_USERNAME, call->from_user, call->from_host);
    record_text(maker, FIELD_ID_SIP_FROM_TAG, call->from_tag);
    envelope_user_host(telemetry, FIELD_ID_SIP_TO_URI_USERNAME, call->to_user, call->to_host);
    record_text(maker, FIELD_ID_SIP_TO_TAG, call->to_tag);
    record_text(maker, FIELD_ID_SIP_USER_AGENT_ORIGINAL, call->user_agent);
}

static void put_span(struct telemetry *telemetry, enum field field, uint64_t from_ns,
                     uint64_t to_ns)
{
    if (from_ns != 0 && to_ns >= from_ns) {
        envelope_ms(telemetry, field, to_ns - from_ns);
    }
}

static void put_nonzero(struct telemetry *telemetry, enum field field, uint64_t value)
{
    if (value != 0) {
        record_long(&telemetry->maker, field, (int64_t)value);
    }
}

static void put_own(struct telemetry *telemetry, const struct call *call, bool forced)
{
    static const char *const ended_by[] = {[CALL_ENDED_BY_NOBODY] = NULL,
                                           [CALL_ENDED_BY_CALLER] = "caller",
                                           [CALL_ENDED_BY_CALLEE] = "callee",
                                           [CALL_ENDED_BY_NETWORK] = "network",
                                           [CALL_ENDED_BY_SENSOR] = "sensor_timeout"};
    struct record_maker *maker = &telemetry->maker;

    record_text(maker, FIELD_ID_EARSHOT_CALLER_USER, call->from_user);
    record_text(maker, FIELD_ID_EARSHOT_CALLEE_USER, call->to_user);
    record_string(maker, FIELD_ID_EARSHOT_CALL_OUTCOME, outcomes[call->outcome]);
    record_string(maker, FIELD_ID_EARSHOT_CALL_DISPOSITION, disposition_of(call, forced));
    record_string(maker, FIELD_ID_EARSHOT_CALL_ENDED_BY, ended_by[call->ended_by]);
    put_nonzero(telemetry, FIELD_ID_EARSHOT_CALL_Q850, call->q850);
    if (call->ringing_ns != 0) {
        put_span(telemetry, FIELD_ID_EARSHOT_CALL_PDD_MS, call->started_ns, call->ringing_ns);
    }
    if (call->answered_ns != 0) {
        put_span(telemetry, FIELD_ID_EARSHOT_CALL_RING_MS, call->ringing_ns, call->answered_ns);
        put_span(telemetry, FIELD_ID_EARSHOT_CALL_ANSWER_MS, call->started_ns, call->answered_ns);
    }
    if (call->ended_ns != 0) {
        put_span(telemetry, FIELD_ID_EARSHOT_CALL_TALK_MS, call->answered_ns, call->ended_ns);
    }
    record_long(maker, FIELD_ID_EARSHOT_CALL_CHALLENGES, call->challenges);
    record_long(maker, FIELD_ID_EARSHOT_CALL_RETRANSMITS, call->retransmits);
    record_long(maker, FIELD_ID_EARSHOT_CALL_REINVITES, call->reinvites);
    put_nonzero(telemetry, FIELD_ID_EARSHOT_CALL_HOLDS, call->holds);
    put_nonzero(telemetry, FIELD_ID_EARSHOT_CALL_FORKS, call->forks);
    put_nonzero(telemetry, FIELD_ID_EARSHOT_CALL_HOPS, call->hops);
    put_nonzero(telemetry, FIELD_ID_EARSHOT_CALL_TRANSFER_COUNT, call->transfers);
    record_text(maker, FIELD_ID_EARSHOT_CALL_REPLACES, call->replaces);
    record_text(maker, FIELD_ID_EARSHOT_CALL_SESSION_ID, call->session_id);
    record_bool(maker, FIELD_ID_EARSHOT_CALL_CREDENTIALS, call->has_credentials);
    if (call->accepted_invalid) {
        record_bool(maker, FIELD_ID_EARSHOT_CALL_ACCEPTED_INVALID, true);
    }
}

static void put_media(struct telemetry *telemetry, const struct call *call)
{
    struct record_maker *maker = &telemetry->maker;
    bool answered = call->outcome == CALL_ANSWERED;

    for (unsigned i = 0; i < call->codec_count && i < 4; i++) {
        record_text(maker, FIELD_ID_EARSHOT_CALL_MEDIA_CODECS,
                    slice_of(call->codec_names[i],
                             strnlen(call->codec_names[i], sizeof call->codec_names[i])));
    }
    record_long(maker, FIELD_ID_EARSHOT_CALL_MEDIA_STREAMS, call->streams);
    if (answered && call->streams != 0) {
        record_bool(maker, FIELD_ID_EARSHOT_CALL_MEDIA_ONE_WAY, !call->media_both_ways);
    }
    if (answered) {
        record_bool(maker, FIELD_ID_EARSHOT_CALL_MEDIA_NO_MEDIA, call->streams == 0);
    }
    put_nonzero(telemetry, FIELD_ID_EARSHOT_CALL_MEDIA_DTMF_COUNT, call->dtmf_events);
    if (call->streams != 0) {
        record_string(maker, FIELD_ID_EARSHOT_CALL_MEDIA_SRTP, media_security_name(call->security));
    }
    if (call->t38) {
        record_bool(maker, FIELD_ID_EARSHOT_CALL_MEDIA_T38, true);
    }
    if (call->first_rtp_ns != 0) {
        put_span(telemetry, FIELD_ID_EARSHOT_CALL_MEDIA_FIRST_RTP_MS, call->started_ns,
                 call->first_rtp_ns);
    }
    if (call->mos_count != 0) {
        record_decimal(maker, FIELD_ID_EARSHOT_CALL_MEDIA_MOS_MIN, call->mos_min_milli);
        record_decimal(maker, FIELD_ID_EARSHOT_CALL_MEDIA_MOS_AVG,
                       (call->mos_sum_milli + call->mos_count / 2) / call->mos_count);
    }
    if (call->streams != 0) {
        record_decimal(maker, FIELD_ID_EARSHOT_CALL_MEDIA_LOSS_PCT_MAX, call->loss_ppm_max / 10);
    }
    if (call->jitter_max_ns != 0) {
        envelope_ms(telemetry, FIELD_ID_EARSHOT_CALL_MEDIA_JITTER_MS_MAX, call->jitter_max_ns);
    }
}

void call_record(struct telemetry *telemetry, const struct change *change)
{
    const struct call *call = change->call;
    struct record_maker *maker = &telemetry->maker;
    uint64_t end_ns = call->ended_ns != 0 ? call->ended_ns : call->last_ns;

    /* The identity of the call is its first packet: the report's order of equal times. */
    envelope_begin(telemetry, DATASET_CALL, end_ns, call->number);
    hash_id_slice(&telemetry->id, call->call_id);
    hash_id_u64(&telemetry->id, call->started_ns);
    hash_id_slice(&telemetry->id, SLICE("call-end"));
    hash_id_u64(&telemetry->id, 0);
    record_string(maker, FIELD_ID_EVENT_ACTION, "call-end");
    record_string(maker, FIELD_ID_EVENT_OUTCOME,
                  call->outcome == CALL_ANSWERED ? "success"
                  : call->outcome == CALL_FAILED ? "failure"
                                                 : "unknown");
    record_text(maker, FIELD_ID_EVENT_REASON, call->reason);
    envelope_span(telemetry, call->started_ns, end_ns);
    envelope_source(telemetry, &call->caller);
    envelope_destination(telemetry, &call->callee);
    envelope_roles(telemetry, &call->caller, &call->callee);
    envelope_network(telemetry, envelope_protocol(call->transport), &call->caller.addr, "sip");
    envelope_vlans(telemetry, call->vlan_outer, 0);
    put_sip(telemetry, call);
    struct slice user = envelope_user(telemetry, slice_is_empty(call->auth_user) ? call->from_user
                                                                                 : call->auth_user);
    record_text(maker, FIELD_ID_USER_NAME, user);
    envelope_relate_user(telemetry, user);
    record_text(maker, FIELD_ID_USER_AGENT_ORIGINAL, call->user_agent);
    envelope_put_related(telemetry);
    put_end_reason(telemetry, call);
    put_own(telemetry, call, change->forced || call->end_reason == CALL_END_CAPTURE);
    put_media(telemetry, call);
    record_bool(maker, FIELD_ID_EARSHOT_CALL_COMPLETE_INVITE, call->seen_invite);
    record_bool(maker, FIELD_ID_EARSHOT_CALL_COMPLETE_FINAL, call->seen_final);
    record_bool(maker, FIELD_ID_EARSHOT_CALL_COMPLETE_ACK, call->seen_ack);
    record_bool(maker, FIELD_ID_EARSHOT_CALL_COMPLETE_BYE, call->seen_bye);
    envelope_end(telemetry);
}
