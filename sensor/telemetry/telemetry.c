/* telemetry.c - which change makes which record, and which records the configuration leaves out.
 *
 * Records are made from the entries of state at the moment of the change, one at a time, in one
 * scratch; nothing here remembers a call or a stream. Numbers in sequence are given after the
 * choice, so that a gap at the consumer is always a loss and never an option. */
#include "sensor/telemetry/envelope.h"

/* CHANGE_BIT()s of the changes that can make a record. */
static uint32_t wants_of(const struct telemetry_options *options)
{
    uint32_t wants = CHANGE_BIT(REGISTRATION) | CHANGE_BIT(CALL_ENDED) | CHANGE_BIT(STREAM_ENDED);

    wants |= options->sip == TELEMETRY_SIP_MESSAGES ? CHANGE_BIT(MESSAGE) : 0;
    wants |= options->sip != TELEMETRY_SIP_OFF ? CHANGE_BIT(TRANSACTION_ENDED) : 0;
    wants |= options->media_interval ? CHANGE_BIT(STREAM_INTERVAL) : 0;
    wants |= options->flow ? CHANGE_BIT(FLOW_ENDED) : 0;
    return wants;
}

enum status telemetry_open(const struct telemetry_options *options,
                           struct telemetry **out_telemetry, struct error *error)
{
    struct telemetry *telemetry = calloc(1, sizeof *telemetry);

    if (telemetry == NULL) {
        return error_set(error, STATUS_FAILED, "telemetry", "no memory");
    }
    telemetry->options = *options;
    telemetry->wants = wants_of(options);
    telemetry->observer = slice_of_string(options->observer_name);
    for (unsigned i = 0; i < DATASET_COUNT; i++) {
        telemetry->datasets[i] = slice_of_string(dataset_rows[i].name);
    }
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
    telemetry->wants = wants_of(&telemetry->options);
}

static bool wants_transaction(const struct telemetry *telemetry, const struct change *change)
{
    return telemetry->options.sip != TELEMETRY_SIP_FAILURES ||
           transaction_failed(change->transaction, change->forced);
}

static bool wants_registration(struct telemetry *telemetry, const struct change *change)
{
    bool refreshed = change->registration->action == REGISTRATION_REFRESHED;

    telemetry->refreshed += refreshed;
    return !refreshed || telemetry->options.refreshes;
}

void telemetry_set_geo(struct telemetry *telemetry, struct geo *geo)
{
    telemetry->geo = geo;
}

uint32_t telemetry_wants(const struct telemetry *telemetry)
{
    return telemetry->wants;
}

void telemetry_change(struct telemetry *telemetry, const struct change *change)
{
    if ((telemetry->wants >> change->kind & 1) == 0) {
        return;
    }
    switch ((enum change_kind)change->kind) {
    case CHANGE_MESSAGE:
        message_record(telemetry, change);
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
        interval_record(telemetry, change);
        break;
    case CHANGE_STREAM_ENDED:
        media_record(telemetry, change);
        break;
    case CHANGE_FLOW_ENDED:
        flow_record(telemetry, change);
        break;
    case CHANGE_CALL_STARTED:
    case CHANGE_CALL_RINGING:
    case CHANGE_CALL_ANSWERED:
    case CHANGE_CALL_MEDIA: /* for detectors only */
    case CHANGE_CALL_TORN:
    case CHANGE_CALL_GIVEN_UP:
    case CHANGE_STREAM_SILENT:
    case CHANGE_STREAM_BEGUN:
    case CHANGE_STREAM_RESUMED:
    case CHANGE_SERVER:
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
