/* sensor_record.c - earshot.sensor: what the sensor itself saw and missed, cumulative, every 10 s
 * of packet time.
 *
 * capture.packets = decoded + ignored + malformed: the identity is made here by adding up, never by
 * counting twice, and the tests of the whole sensor hold the frames against it. Maps name only what
 * has happened; their order is that of the lists they come from, so equal input gives equal bytes.
 */
#include "sensor/telemetry/envelope.h"

enum { INTERVAL_S = 10, RESPONSES = 601 };

static void put_reasons(struct telemetry *telemetry, enum field field, const uint64_t *counts,
                        enum frame_verdict verdict)
{
    for (unsigned i = 1; i < REASON_COUNT; i++) {
        if (reason_rows[i].verdict == verdict && counts[COUNT_REASON_FIRST + i] != 0) {
            record_count(&telemetry->maker, field, slice_of_string(reason_rows[i].slug),
                         counts[COUNT_REASON_FIRST + i]);
        }
    }
}

static void put_anomalies(struct telemetry *telemetry, enum field field, const uint64_t *counts)
{
    for (unsigned i = 0; i < ANOMALY_COUNT; i++) {
        if (counts[i] != 0) {
            record_count(&telemetry->maker, field, slice_of_string(anomaly_rows[i].slug),
                         counts[i]);
        }
    }
}

static void put_capture(struct telemetry *telemetry, const struct telemetry_sensor *sensor)
{
    struct record_maker *maker = &telemetry->maker;
    const uint64_t *counts = sensor->counts;
    uint64_t packets = counts[COUNT_DECODED] + counts[COUNT_IGNORED] + counts[COUNT_MALFORMED];

    record_long(maker, FIELD_ID_EARSHOT_SENSOR_CAPTURE_PACKETS, (int64_t)packets);
    record_long(maker, FIELD_ID_EARSHOT_SENSOR_CAPTURE_BYTES, (int64_t)counts[COUNT_BYTES]);
    if (sensor->first_ns != 0) {
        record_date(maker, FIELD_ID_EARSHOT_SENSOR_CAPTURE_START, sensor->first_ns);
        record_date(maker, FIELD_ID_EARSHOT_SENSOR_CAPTURE_END, sensor->last_ns);
    }
    record_bool(maker, FIELD_ID_EARSHOT_SENSOR_CAPTURE_TRUNCATED, sensor->truncated);
    for (uint32_t i = 0; i < sensor->fault_count; i++) {
        record_string(maker, FIELD_ID_EARSHOT_SENSOR_CAPTURE_FAULTS, sensor->faults[i]);
    }
    if (telemetry->options.live) {
        record_long(maker, FIELD_ID_EARSHOT_SENSOR_CAPTURE_OFFERED,
                    (int64_t)counts[COUNT_KERNEL_OFFERED]);
        record_long(maker, FIELD_ID_EARSHOT_SENSOR_DROPS_KERNEL,
                    (int64_t)counts[COUNT_KERNEL_DROPPED]);
        record_long(maker, FIELD_ID_EARSHOT_SENSOR_DROPS_NIC,
                    (int64_t)counts[COUNT_INTERFACE_DROPPED]);
        record_long(maker, FIELD_ID_EARSHOT_SENSOR_DROPS_QUEUE,
                    (int64_t)counts[COUNT_RECORDS_DROPPED]);
    }
}

/* One map: a figure of each output by its name; nothing where all are 0. */
static void put_outputs(struct telemetry *telemetry, enum field field,
                        const struct telemetry_live *live, size_t offset)
{
    for (uint32_t i = 0; i < live->output_count; i++) {
        uint64_t count = 0;
        memcpy(&count, (const uint8_t *)&live->outputs[i] + offset, sizeof count);
        if (count != 0) {
            record_count(&telemetry->maker, field, slice_of_string(live->outputs[i].name), count);
        }
    }
}

static void put_live(struct telemetry *telemetry, const struct telemetry_live *live)
{
    struct record_maker *maker = &telemetry->maker;

    record_long(maker, FIELD_ID_EARSHOT_SENSOR_UPTIME_S, (int64_t)live->uptime_s);
    record_long(maker, FIELD_ID_EARSHOT_SENSOR_CPU_MS, (int64_t)live->cpu_ms);
    record_long(maker, FIELD_ID_EARSHOT_SENSOR_RSS_BYTES, (int64_t)live->rss_bytes);
    envelope_ms(telemetry, FIELD_ID_EARSHOT_SENSOR_LAG_MS, live->lag_ns);
    put_outputs(telemetry, FIELD_ID_EARSHOT_SENSOR_OUTPUTS_WAITING, live,
                offsetof(struct telemetry_output, waiting));
    put_outputs(telemetry, FIELD_ID_EARSHOT_SENSOR_OUTPUTS_ACKNOWLEDGED, live,
                offsetof(struct telemetry_output, acknowledged));
    put_outputs(telemetry, FIELD_ID_EARSHOT_SENSOR_OUTPUTS_REPEATED, live,
                offsetof(struct telemetry_output, repeated));
    put_outputs(telemetry, FIELD_ID_EARSHOT_SENSOR_OUTPUTS_DROPPED, live,
                offsetof(struct telemetry_output, dropped));
}

static void put_packets(struct telemetry *telemetry, const uint64_t *counts)
{
    struct record_maker *maker = &telemetry->maker;

    record_long(maker, FIELD_ID_EARSHOT_SENSOR_PACKETS_DECODED, (int64_t)counts[COUNT_DECODED]);
    record_long(maker, FIELD_ID_EARSHOT_SENSOR_PACKETS_IGNORED, (int64_t)counts[COUNT_IGNORED]);
    record_long(maker, FIELD_ID_EARSHOT_SENSOR_PACKETS_MALFORMED, (int64_t)counts[COUNT_MALFORMED]);
    record_long(maker, FIELD_ID_EARSHOT_SENSOR_PACKETS_DUPLICATES,
                (int64_t)counts[COUNT_DUPLICATES]);
    put_reasons(telemetry, FIELD_ID_EARSHOT_SENSOR_PACKETS_IGNORED_BY, counts, FRAME_IGNORED);
    put_reasons(telemetry, FIELD_ID_EARSHOT_SENSOR_PACKETS_MALFORMED_BY, counts, FRAME_MALFORMED);
    put_reasons(telemetry, FIELD_ID_EARSHOT_SENSOR_PACKETS_NOTES, counts, FRAME_NOTED);
    put_anomalies(telemetry, FIELD_ID_EARSHOT_SENSOR_PACKETS_ANOMALIES,
                  counts + COUNT_FRAME_ANOMALY_FIRST);
}

static void put_sip(struct telemetry *telemetry, const uint64_t *counts)
{
    struct record_maker *maker = &telemetry->maker;
    char line[8];

    record_long(maker, FIELD_ID_EARSHOT_SENSOR_SIP_MESSAGES, (int64_t)counts[COUNT_SIP_MESSAGES]);
    record_long(maker, FIELD_ID_EARSHOT_SENSOR_SIP_MALFORMED, (int64_t)counts[COUNT_SIP_MALFORMED]);
    for (unsigned i = SIP_METHOD_OTHER; i < SIP_METHOD_COUNT; i++) {
        if (counts[COUNT_REQUEST_FIRST + i] != 0) {
            record_count(maker, FIELD_ID_EARSHOT_SENSOR_SIP_REQUESTS,
                         slice_of_string(sip_method_name((enum sip_method)i)),
                         counts[COUNT_REQUEST_FIRST + i]);
        }
    }
    for (unsigned i = 0; i < RESPONSES; i++) {
        if (counts[COUNT_RESPONSE_FIRST + i] != 0) {
            struct text text = text_into(line, sizeof line);
            if (i == RESPONSES - 1) {
                text_string(&text, "other");
            } else {
                text_u64(&text, 100 + i);
            }
            record_count(maker, FIELD_ID_EARSHOT_SENSOR_SIP_RESPONSES, text_slice(&text),
                         counts[COUNT_RESPONSE_FIRST + i]);
        }
    }
    put_anomalies(telemetry, FIELD_ID_EARSHOT_SENSOR_SIP_ANOMALIES,
                  counts + COUNT_SIP_ANOMALY_FIRST);
}

static void put_tables(struct telemetry *telemetry, const struct telemetry_sensor *sensor)
{
    const struct state_counts *state = &sensor->state;
    struct record_maker *maker = &telemetry->maker;

    record_long(maker, FIELD_ID_EARSHOT_SENSOR_REGISTRATIONS_ATTEMPTS,
                (int64_t)state->registrations.attempts);
    record_long(maker, FIELD_ID_EARSHOT_SENSOR_REGISTRATIONS_SUCCEEDED,
                (int64_t)state->registrations.succeeded);
    record_long(maker, FIELD_ID_EARSHOT_SENSOR_REGISTRATIONS_FAILED,
                (int64_t)state->registrations.failed);
    record_long(maker, FIELD_ID_EARSHOT_SENSOR_REGISTRATIONS_REFRESHED,
                (int64_t)telemetry->refreshed);
    record_long(maker, FIELD_ID_EARSHOT_SENSOR_RTP_PACKETS,
                (int64_t)sensor->counts[COUNT_RTP_PACKETS]);
    record_long(maker, FIELD_ID_EARSHOT_SENSOR_RTP_STREAMS, (int64_t)sensor->counts[COUNT_STREAMS]);
    record_long(maker, FIELD_ID_EARSHOT_SENSOR_RTCP_PACKETS,
                (int64_t)sensor->counts[COUNT_RTCP_PACKETS]);
    record_long(maker, FIELD_ID_EARSHOT_SENSOR_TABLES_CALLS, state->calls);
    record_long(maker, FIELD_ID_EARSHOT_SENSOR_TABLES_REGISTRATIONS, state->bindings);
    record_long(maker, FIELD_ID_EARSHOT_SENSOR_TABLES_TRANSACTIONS, state->transactions);
    record_long(maker, FIELD_ID_EARSHOT_SENSOR_TABLES_STREAMS, state->streams);
    record_long(maker, FIELD_ID_EARSHOT_SENSOR_TABLES_SOURCES, state->sources);
    record_long(maker, FIELD_ID_EARSHOT_SENSOR_TABLES_EVICTED,
                (int64_t)(state->evicted + sensor->detectors.evicted));
    record_long(maker, FIELD_ID_EARSHOT_SENSOR_DETECTORS_ALERTS, (int64_t)sensor->detectors.alerts);
    record_long(maker, FIELD_ID_EARSHOT_SENSOR_DETECTORS_SUPPRESSED,
                (int64_t)sensor->detectors.suppressed);
    if (sensor->detectors.refused_new != 0) {
        record_long(maker, FIELD_ID_EARSHOT_SENSOR_DETECTORS_REFUSED_NEW,
                    (int64_t)sensor->detectors.refused_new);
    }
    if (sensor->detectors.refused_crowded != 0) {
        record_long(maker, FIELD_ID_EARSHOT_SENSOR_DETECTORS_REFUSED_CROWDED,
                    (int64_t)sensor->detectors.refused_crowded);
    }
    if (sensor->detectors.facts_lost != 0) {
        record_long(maker, FIELD_ID_EARSHOT_SENSOR_DETECTORS_FACTS_LOST,
                    (int64_t)sensor->detectors.facts_lost);
    }
}

void sensor_record(struct telemetry *telemetry, const struct telemetry_sensor *sensor)
{
    struct record_maker *maker = &telemetry->maker;

    envelope_begin(telemetry, DATASET_SENSOR, sensor->time_ns, 0);
    hash_id_u64(&telemetry->id, sensor->time_ns);
    hash_id_u64(&telemetry->id,
                sensor->last); /* the last one may fall on a mark that was told already */
    record_string(maker, FIELD_ID_EVENT_ACTION, "sensor-interval");
    record_long(maker, FIELD_ID_EARSHOT_SENSOR_INTERVAL_S, INTERVAL_S);
    record_bool(maker, FIELD_ID_EARSHOT_SENSOR_FINAL, sensor->last);
    put_capture(telemetry, sensor);
    if (sensor->live != NULL) {
        put_live(telemetry, sensor->live);
    }
    put_packets(telemetry, sensor->counts);
    put_sip(telemetry, sensor->counts);
    put_tables(telemetry, sensor);
    envelope_end(telemetry);
}
