/* telemetry.c - which change makes which record, and which records the configuration leaves out.
 *
 * Records are made from the entries of state at the moment of the change, one at a time, in one
 * scratch; nothing here remembers a call or a stream. Numbers in sequence are given after the
 * choice, so that a gap at the consumer is always a loss and never an option. */
#include "sensor/telemetry/envelope.h"

enum status telemetry_open(const struct telemetry_options *options,
                           struct telemetry **out_telemetry, struct error *error)
{
    struct telemetry *telemetry = calloc(1, sizeof *telemetry);

    if (telemetry == NULL) {
        return error_set(error, STATUS_FAILED, "telemetry", "no memory");
    }
    telemetry->options = *options;
    telemetry->observer = slice_of_string(options->observer_name);
    *out_telemetry = telemetry;
    return STATUS_OK;
}

void telemetry_close(struct telemetry *telemetry)
{
    free(telemetry);
}

void telemetry_reload(struct telemetry *telemetry, const struct telemetry_options *options)
{
    telemetry->options.sip = options->sip;
    telemetry->options.media_interval = options->media_interval;
    telemetry->options.flow = options->flow;
    telemetry->options.refreshes = options->refreshes;
}

static bool wants_transaction(const struct telemetry *telemetry, const struct change *change)
{
    switch (telemetry->options.sip) {
    case TELEMETRY_SIP_OFF:
        return false;
    case TELEMETRY_SIP_FAILURES:
        return transaction_failed(change->transaction, change->forced);
    case TELEMETRY_SIP_TRANSACTIONS:
    case TELEMETRY_SIP_MESSAGES:
        break;
    }
    return true;
}

static bool wants_registration(struct telemetry *telemetry, const struct change *change)
{
    bool refreshed = change->registration->action == REGISTRATION_REFRESHED;

    telemetry->refreshed += refreshed;
    return !refreshed || telemetry->options.refreshes;
}

void telemetry_change(struct telemetry *telemetry, const struct change *change)
{
    switch ((enum change_kind)change->kind) {
    case CHANGE_MESSAGE:
        if (telemetry->options.sip == TELEMETRY_SIP_MESSAGES) {
            message_record(telemetry, change);
        }
        break;
    case CHANGE_TRANSACTION_ENDED:
        if (wants_transaction(telemetry, change)) {
            transaction_record(telemetry, change);
        }
        break;
    case CHANGE_REGISTRATION:
        if (wants_registration(telemetry, change)) {
            registration_record(telemetry, change);
        }
        break;
    case CHANGE_CALL_ENDED:
        if (!change->call->partial) {
            call_record(telemetry, change);
        }
        break;
    case CHANGE_STREAM_INTERVAL:
        if (telemetry->options.media_interval) {
            interval_record(telemetry, change);
        }
        break;
    case CHANGE_STREAM_ENDED:
        media_record(telemetry, change);
        break;
    case CHANGE_FLOW_ENDED:
        if (telemetry->options.flow) {
            flow_record(telemetry, change);
        }
        break;
    case CHANGE_CALL_STARTED:
    case CHANGE_CALL_RINGING:
    case CHANGE_CALL_ANSWERED:
    case CHANGE_STREAM_SILENT:
    case CHANGE_SECOND:
        break;
    }
}

void telemetry_incident(struct telemetry *telemetry, const struct incident *incident)
{
    alert_record(telemetry, incident);
}

void telemetry_sensor(struct telemetry *telemetry, const struct telemetry_sensor *sensor)
{
    sensor_record(telemetry, sensor);
}

const char *telemetry_meaning(struct slice slug)
{
    for (unsigned i = 1; i < REASON_COUNT; i++) {
        if (slice_equal(slug, slice_of_string(reason_rows[i].slug))) {
            return reason_rows[i].text;
        }
    }
    for (unsigned i = 0; i < ANOMALY_COUNT; i++) {
        if (slice_equal(slug, slice_of_string(anomaly_rows[i].slug))) {
            return anomaly_rows[i].text;
        }
    }
    return NULL;
}
