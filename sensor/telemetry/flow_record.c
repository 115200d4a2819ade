/* flow_record.c - earshot.flow: one conversation that is not media, when it ended.
 *
 * The application is our own decoder's word first, then nDPI's; what nDPI only guessed from the
 * port is marked so. */
#include "sensor/telemetry/envelope.h"

static struct slice fixed_text(const char *at, size_t bytes)
{
    return slice_of(at, strnlen(at, bytes));
}

static void put_ends(struct telemetry *telemetry, const struct flow_sighting *flow)
{
    struct record_maker *maker = &telemetry->maker;
    const struct endpoint source = {.addr = flow->head.source, .port = flow->head.source_port};
    const struct endpoint destination = {.addr = flow->head.destination,
                                         .port = flow->head.destination_port};

    envelope_source(telemetry, &source);
    record_long(maker, FIELD_ID_SOURCE_BYTES, (int64_t)flow->forward_bytes);
    record_long(maker, FIELD_ID_SOURCE_PACKETS, (int64_t)flow->forward_packets);
    envelope_destination(telemetry, &destination);
    record_long(maker, FIELD_ID_DESTINATION_BYTES, (int64_t)flow->backward_bytes);
    record_long(maker, FIELD_ID_DESTINATION_PACKETS, (int64_t)flow->backward_packets);
    envelope_key_endpoint(telemetry, &source);
    envelope_key_endpoint(telemetry, &destination);
    hash_id_u64(&telemetry->id, flow->head.transport);
    hash_id_u64(&telemetry->id, flow->first_ns);
}

void flow_record(struct telemetry *telemetry, const struct change *change)
{
    static const char *const applications[] = {[FLOW_UNKNOWN] = NULL,
                                               [FLOW_SIP] = "sip",
                                               [FLOW_RTP] = "rtp",
                                               [FLOW_RTCP] = "rtcp",
                                               [FLOW_STUN] = "stun"};
    static const char *const reasons[] = {[STREAM_END_IDLE] = "idle",
                                          [STREAM_END_EVICTED] = "evicted",
                                          [STREAM_END_CAPTURE] = "capture_end"};
    const struct flow_sighting *flow = change->flow;
    struct record_maker *maker = &telemetry->maker;
    struct slice app = fixed_text(flow->ndpi_app, sizeof flow->ndpi_app);
    struct slice master = fixed_text(flow->ndpi_master, sizeof flow->ndpi_master);
    char line[sizeof flow->ndpi_app + 1];
    struct text application = text_into(line, sizeof line);

    envelope_begin(telemetry, DATASET_FLOW, flow->last_ns, flow->flow_number);
    if (applications[flow->application] != NULL) {
        text_string(&application, applications[flow->application]);
    } else {
        text_slice_put(&application, envelope_lower(telemetry, slice_is_empty(app) ? master : app));
    }
    record_string(maker, FIELD_ID_EVENT_ACTION, "flow-end");
    envelope_span(telemetry, flow->first_ns, flow->last_ns);
    envelope_interface(telemetry, flow->head.interface);
    put_ends(telemetry, flow);
    envelope_network(telemetry, flow->head.transport, &flow->head.source,
                     text_terminate(&application));
    record_long(maker, FIELD_ID_NETWORK_BYTES,
                (int64_t)(flow->forward_bytes + flow->backward_bytes));
    record_long(maker, FIELD_ID_NETWORK_PACKETS,
                (int64_t)(flow->forward_packets + flow->backward_packets));
    envelope_vlans(telemetry, flow->head.vlan_outer, flow->head.vlan_inner);
    envelope_put_related(telemetry);
    record_string(maker, FIELD_ID_EARSHOT_END_REASON, reasons[flow->end_reason]);
    envelope_vni(telemetry, flow->head.vni);
    if (flow->tcp_flags != 0) {
        record_long(maker, FIELD_ID_EARSHOT_FLOW_TCP_FLAGS, flow->tcp_flags);
    }
    record_text(maker, FIELD_ID_EARSHOT_FLOW_NDPI_MASTER, master);
    record_text(maker, FIELD_ID_EARSHOT_FLOW_NDPI_APP, app);
    if (!slice_is_empty(master) || !slice_is_empty(app)) {
        record_string(maker, FIELD_ID_EARSHOT_FLOW_NDPI_CONFIDENCE,
                      flow->ndpi_guessed ? "guessed" : "dpi");
    }
    envelope_end(telemetry);
}
