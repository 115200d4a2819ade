/* media_record.c - earshot.media and earshot.media_interval: one RTP stream, whole or five seconds
 * of it.
 *
 * Packets, loss and delay come from the worker's sighting, what the stream is (call, codec, clock,
 * score) from state. A figure that needs the clock is absent where the clock is not known: no
 * default ever stands for it. */
#include "sensor/telemetry/envelope.h"

const char *media_security_name(uint8_t security)
{
    static const char *const names[] = {[SDP_CLEAR] = "none",
                                        [SDP_SDES] = "sdes",
                                        [SDP_DTLS] = "dtls",
                                        [SDP_BEST_EFFORT] = "unknown"};

    return security < sizeof names / sizeof names[0] ? names[security] : NULL;
}

static void begin(struct telemetry *telemetry, enum dataset dataset,
                  const struct media_stream *stream, const struct stream_sighting *sighting,
                  uint64_t time_ns)
{
    const struct sighting *head = &sighting->head;

    envelope_begin(telemetry, dataset, time_ns, sighting->stream_number);
    envelope_key_endpoint(telemetry, &stream->source);
    envelope_key_endpoint(telemetry, &stream->destination);
    hash_id_u64(&telemetry->id, 17);
    hash_id_u64(&telemetry->id, stream->ssrc);
    hash_id_u64(&telemetry->id, head->vlan_outer);
    hash_id_u64(&telemetry->id, head->vlan_inner);
    hash_id_u64(&telemetry->id, head->vni);
    hash_id_u64(&telemetry->id, sighting->first_ns);
}

static void put_ends(struct telemetry *telemetry, const struct media_stream *stream,
                     const struct stream_sighting *sighting, const struct stream_counts *counts)
{
    struct record_maker *maker = &telemetry->maker;

    envelope_interface(telemetry, sighting->head.interface);
    envelope_source(telemetry, &stream->source);
    record_long(maker, FIELD_ID_SOURCE_BYTES, (int64_t)counts->bytes);
    record_long(maker, FIELD_ID_SOURCE_PACKETS, (int64_t)counts->packets);
    envelope_destination(telemetry, &stream->destination);
    envelope_network(telemetry, 17, &stream->source.addr, "rtp");
    record_long(maker, FIELD_ID_NETWORK_BYTES, (int64_t)counts->bytes);
    record_long(maker, FIELD_ID_NETWORK_PACKETS, (int64_t)counts->packets);
    envelope_vlans(telemetry, sighting->head.vlan_outer, sighting->head.vlan_inner);
    if (stream->call != NULL) {
        record_text(maker, FIELD_ID_SIP_CALL_ID, stream->call->call_id);
    }
}

static void put_what(struct telemetry *telemetry, const struct media_stream *stream,
                     const struct stream_sighting *sighting)
{
    static const char *const clocks[] = {[MEDIA_CLOCK_STATIC] = "static",
                                         [MEDIA_CLOCK_SDP] = "sdp",
                                         [MEDIA_CLOCK_SLOPE] = "slope",
                                         [MEDIA_CLOCK_UNSUPPORTED] = "unsupported",
                                         [MEDIA_CLOCK_UNKNOWN] = NULL};
    struct record_maker *maker = &telemetry->maker;
    char line[16];
    struct text text = text_into(line, sizeof line);

    text_string(&text, "0x");
    text_hex(&text, stream->ssrc, 8);
    record_text(maker, FIELD_ID_RTP_SSRC, text_slice(&text));
    record_long(maker, FIELD_ID_RTP_PAYLOAD_TYPE, sighting->payload_type);
    record_text(maker, FIELD_ID_RTP_CODEC,
                slice_of(stream->codec, strnlen(stream->codec, sizeof stream->codec)));
    if (stream->clock_rate != 0) {
        record_long(maker, FIELD_ID_RTP_CLOCK_RATE, stream->clock_rate);
    }
    record_string(maker, FIELD_ID_RTP_CLOCK, clocks[stream->clock_basis]);
    if (stream->ptime_ms != 0) {
        record_decimal(maker, FIELD_ID_RTP_PTIME_MS, stream->ptime_ms * INT64_C(1000));
    } else if (sighting->ptime_us != 0) {
        record_decimal(maker, FIELD_ID_RTP_PTIME_MS, sighting->ptime_us);
    }
    record_long(maker, FIELD_ID_RTP_PAYLOAD_TYPES, sighting->payload_types);
}

static void put_counts(struct telemetry *telemetry, const struct stream_counts *counts)
{
    struct record_maker *maker = &telemetry->maker;

    record_long(maker, FIELD_ID_RTP_PACKETS, (int64_t)counts->packets);
    record_long(maker, FIELD_ID_RTP_EXPECTED, (int64_t)counts->expected);
    record_long(maker, FIELD_ID_RTP_LOST, (int64_t)counts->lost);
    envelope_percent(telemetry, FIELD_ID_RTP_LOST_PCT, counts->lost, counts->expected);
    record_long(maker, FIELD_ID_RTP_DUPLICATES, (int64_t)counts->duplicates);
    if (counts->mirrored != 0) {
        record_long(maker, FIELD_ID_RTP_MIRRORED, (int64_t)counts->mirrored);
    }
    record_long(maker, FIELD_ID_RTP_REORDERED, (int64_t)counts->reordered);
    record_long(maker, FIELD_ID_RTP_LATE, (int64_t)counts->late);
    record_long(maker, FIELD_ID_RTP_SEQ_RESETS, counts->resets);
    record_long(maker, FIELD_ID_RTP_MAX_GAP, counts->longest_loss);
    record_long(maker, FIELD_ID_RTP_LOSS_RUNS, counts->loss_runs);
}

static void put_delays(struct telemetry *telemetry, const struct media_stream *stream,
                       const struct stream_jitter *jitter, const struct stream_jitter *variation,
                       const struct stream_counts *counts)
{
    unsigned clock = stream->clock_index;

    if (clock < STREAM_CLOCKS) {
        envelope_ms(telemetry, FIELD_ID_RTP_JITTER_MS_MEAN, jitter[clock].mean_ns);
        envelope_ms(telemetry, FIELD_ID_RTP_JITTER_MS_MAX, jitter[clock].max_ns);
        envelope_ms(telemetry, FIELD_ID_RTP_DELAY_VARIATION_MS_MEAN, variation[clock].mean_ns);
        envelope_ms(telemetry, FIELD_ID_RTP_DELAY_VARIATION_MS_MAX, variation[clock].max_ns);
    }
    if (counts->packets > 1) {
        record_decimal(&telemetry->maker, FIELD_ID_RTP_DELTA_MS_MAX, counts->delta_max_us);
    }
}

static void put_score(struct telemetry *telemetry, const struct quality_score *score,
                      uint32_t mos_min_milli)
{
    struct record_maker *maker = &telemetry->maker;

    if (score->mos_milli == 0) {
        return;
    }
    record_decimal(maker, FIELD_ID_RTP_R_FACTOR, score->r_milli);
    record_decimal(maker, FIELD_ID_RTP_MOS, score->mos_milli);
    if (mos_min_milli != 0) {
        record_decimal(maker, FIELD_ID_RTP_MOS_MIN, mos_min_milli);
    }
    record_text(maker, FIELD_ID_RTP_MOS_BASIS,
                slice_of(score->basis, strnlen(score->basis, sizeof score->basis)));
}

static void put_rtcp(struct telemetry *telemetry, const struct media_stream *stream)
{
    struct record_maker *maker = &telemetry->maker;

    if (stream->rtcp_reports == 0) {
        return;
    }
    record_long(maker, FIELD_ID_RTP_RTCP_REPORTS, stream->rtcp_reports);
    record_long(maker, FIELD_ID_RTP_RTCP_LOST, stream->rtcp_lost);
    envelope_percent(telemetry, FIELD_ID_RTP_RTCP_FRACTION_LOST_MAX, stream->rtcp_fraction_max,
                     256);
    if (stream->rtcp_jitter_max_ns != 0) {
        envelope_ms(telemetry, FIELD_ID_RTP_RTCP_JITTER_MS_MAX, stream->rtcp_jitter_max_ns);
    }
    if (stream->round_trip_mean_ns != 0) {
        envelope_ms(telemetry, FIELD_ID_RTP_RTCP_RTT_MS_MEAN, stream->round_trip_mean_ns);
        envelope_ms(telemetry, FIELD_ID_RTP_RTCP_RTT_MS_MAX, stream->round_trip_max_ns);
    }
}

static void put_own(struct telemetry *telemetry, const struct media_stream *stream,
                    const struct stream_sighting *sighting)
{
    struct record_maker *maker = &telemetry->maker;

    if (stream->call != NULL) {
        record_string(maker, FIELD_ID_EARSHOT_MEDIA_DIRECTION,
                      stream->from_caller ? "caller" : "callee");
    }
    record_bool(maker, FIELD_ID_EARSHOT_MEDIA_EXPECTED_BY_SDP, stream->expected_by_sdp);
    if (stream->call != NULL) {
        record_bool(maker, FIELD_ID_EARSHOT_MEDIA_LEARNED, stream->learned);
        record_bool(maker, FIELD_ID_EARSHOT_MEDIA_NAT, stream->nat);
        record_bool(maker, FIELD_ID_EARSHOT_MEDIA_HELD, stream->held);
    }
    record_long(maker, FIELD_ID_EARSHOT_MEDIA_COMFORT_NOISE_PACKETS, sighting->comfort_noise);
    record_long(maker, FIELD_ID_EARSHOT_MEDIA_DTMF_EVENTS, sighting->dtmf_events);
}

void media_record(struct telemetry *telemetry, const struct change *change)
{
    static const char *const reasons[] = {[STREAM_END_IDLE] = "idle",
                                          [STREAM_END_EVICTED] = "evicted",
                                          [STREAM_END_CAPTURE] = "capture_end"};
    const struct media_stream *stream = change->stream;
    const struct stream_sighting *sighting = change->stream_sighting;
    struct record_maker *maker = &telemetry->maker;

    begin(telemetry, DATASET_MEDIA, stream, sighting, sighting->last_ns);
    record_string(maker, FIELD_ID_EVENT_ACTION, "stream-end");
    envelope_span(telemetry, sighting->first_ns, sighting->last_ns);
    put_ends(telemetry, stream, sighting, &sighting->total);
    put_what(telemetry, stream, sighting);
    put_counts(telemetry, &sighting->total);
    put_delays(telemetry, stream, sighting->jitter, sighting->variation, &sighting->total);
    put_score(telemetry, &stream->total, stream->mos_min_milli);
    put_rtcp(telemetry, stream);
    if (stream->call != NULL) {
        record_string(maker, FIELD_ID_RTP_ENCRYPTION, media_security_name(stream->security));
    }
    envelope_put_related(telemetry);
    record_string(maker, FIELD_ID_EARSHOT_END_REASON, reasons[sighting->end_reason]);
    envelope_vni(telemetry, sighting->head.vni);
    put_own(telemetry, stream, sighting);
    envelope_end(telemetry);
}

void interval_record(struct telemetry *telemetry, const struct change *change)
{
    const struct media_stream *stream = change->stream;
    const struct stream_sighting *sighting = change->stream_sighting;
    struct record_maker *maker = &telemetry->maker;

    begin(telemetry, DATASET_MEDIA_INTERVAL, stream, sighting, sighting->interval_to_ns);
    hash_id_u64(&telemetry->id, sighting->index);
    record_string(maker, FIELD_ID_EVENT_ACTION, "stream-interval");
    put_ends(telemetry, stream, sighting, &sighting->interval);
    put_what(telemetry, stream, sighting);
    put_counts(telemetry, &sighting->interval);
    record_decimal(
        maker, FIELD_ID_RTP_INTERVAL_S,
        (int64_t)(time_since(sighting->interval_to_ns, sighting->interval_from_ns) / NS_PER_MS));
    record_long(maker, FIELD_ID_RTP_INDEX, sighting->index);
    record_long(maker, FIELD_ID_RTP_SECOND_PACKETS_MAX, sighting->second_packets_max);
    record_long(maker, FIELD_ID_RTP_CUMULATIVE_PACKETS, (int64_t)sighting->total.packets);
    record_long(maker, FIELD_ID_RTP_CUMULATIVE_LOST, (int64_t)sighting->total.lost);
    put_delays(telemetry, stream, sighting->interval_jitter, sighting->interval_variation,
               &sighting->interval);
    put_score(telemetry, &stream->interval, 0);
    envelope_put_related(telemetry);
    envelope_vni(telemetry, sighting->head.vni);
    envelope_end(telemetry);
}
