/* telemetry.h - changes and incidents to records: the only place that fills them.
 *
 * Owns      its scratch, the sequence of each dataset.
 * Borrows   changes, incidents and counts during the call; the record during on_record.
 * Time      of what it is told.
 * Bounds    one record at a time in RECORD_BYTES_MAX of scratch.
 * Errors    open only.
 * Thread    the analyst's.
 *
 * Call, media, registration, alert and sensor records are always made (the report lives on them);
 * the others as `sip`, `media_interval`, `flow` and `refreshes` say. */
#ifndef SENSOR_TELEMETRY_TELEMETRY_H
#define SENSOR_TELEMETRY_TELEMETRY_H

#include "detectors/frame/frame.h"
#include "outputs/record.h"
#include "outputs/response.h"
#include "sensor/lookup/geo.h"
#include "sensor/state/state.h"

enum telemetry_sip {
    TELEMETRY_SIP_OFF,
    TELEMETRY_SIP_FAILURES,
    TELEMETRY_SIP_TRANSACTIONS,
    TELEMETRY_SIP_MESSAGES
};

struct telemetry_options {
    const char *observer_name; /* "offline" with -r unless configured */
    enum telemetry_sip sip;
    bool media_interval;
    bool flow;
    bool refreshes;
    bool live; /* figures of the kernel are known; packets have no place in a file */
    const char *const *interfaces; /* live: their names, by the index in sightings */
    void (*on_record)(void *owner, const struct record *record);
    void *owner;
};

struct telemetry;

MUST_USE enum status telemetry_open(const struct telemetry_options *options,
                                    struct telemetry **out_telemetry, struct error *error);
void telemetry_close(struct telemetry *telemetry);
/* Which records are made from now on: sip, media_interval, flow and refreshes of `options`. */
void telemetry_reload(struct telemetry *telemetry, const struct telemetry_options *options);

/* Where addresses are, from now on; NULL = not known. */
void telemetry_set_geo(struct telemetry *telemetry, struct geo *geo);

/* CHANGE_BIT()s of the changes that can make a record; others may be kept back. */
uint32_t telemetry_wants(const struct telemetry *telemetry);
void telemetry_change(struct telemetry *telemetry, const struct change *change);
void telemetry_incident(struct telemetry *telemetry, const struct incident *incident);

/* What only a live sensor can say of itself. */
struct telemetry_live {
    uint64_t uptime_s;
    uint64_t cpu_ms; /* of all threads, user and system */
    uint64_t rss_bytes;
    uint64_t lag_ns; /* wall clock behind the mark */
    uint32_t output_count;
    struct telemetry_output {
        const char *name;
        uint64_t waiting;
        uint64_t acknowledged;
        uint64_t repeated;
        uint64_t dropped;
    } outputs[OUTPUT_PLACES_MAX];
};

/* A step of a response, by a telemetry of its own: its sequence is that of whoever writes records. */
void telemetry_response(struct telemetry *telemetry, const struct response_step *step,
                        const struct response_binding *binding, uint64_t time_ns);

/* What the sensor itself saw and missed, cumulative. */
struct telemetry_sensor {
    uint64_t time_ns; /* the mark; at the end the last packet's time */
    uint64_t first_ns; /* smallest and largest stamp of a frame; 0 = no frame */
    uint64_t last_ns;
    bool last; /* the one at the end */
    bool truncated; /* known at the end only */
    const uint64_t *counts; /* [COUNT_TOTAL], enum count_id */
    struct state_counts state;
    struct frame_counts detectors;
    const char *const *faults; /* bad files, one text each; with `last` only */
    uint32_t fault_count;
    const struct telemetry_live *live; /* NULL with -r */
};

void telemetry_sensor(struct telemetry *telemetry, const struct telemetry_sensor *sensor);
/* What a reason or an anomaly kind means, by its slug; NULL for others. For report_words(). */
const char *telemetry_meaning(struct slice slug);

#endif
