/* analyst.h - merges what the workers saw, keeps state, judges, makes records.
 *
 * Owns      state, detectors' frame, telemetry, the sums of all counters.
 * Borrows   the producers' rings; the record ring; the configuration.
 * Time      state time of the sightings; marks.
 * Bounds    those of its tables.
 * Errors    open only.
 * Thread    one: its own, or the only one (N = 0).
 *
 * The merge takes the smallest (key, sub) of all heads, and only when every other ring has a head
 * or a position beyond that key: so the order of everything above is free of the number of workers.
 */
#ifndef SENSOR_RUN_ANALYST_H
#define SENSOR_RUN_ANALYST_H

#include "sensor/run/run.h"
#include "sensor/run/snapshot.h"

struct analyst;

struct analyst_options {
    const struct config *config;
    struct hash_key key;
    const char *observer_name;
    struct run_shared *shared;
    struct ring **producers; /* sighting rings: workers, then the dealer's if there is one */
    uint32_t producer_count;
    struct ring *records; /* towards the writer */
    /* N = 0: makes room in the record ring; NULL: wait on the analyst's bell */
    void (*drain_records)(void *owner);
    void *owner;
    const char *const *interfaces; /* live: their names */
    size_t interface_count;
    struct snapshot *snapshot; /* what is kept from run to run; NULL = nothing */
    bool live; /* no wait is for ever: a record that finds no room is dropped and counted */
    /* At the end: what only the source knows. */
    void (*at_end)(void *owner, bool *out_truncated, const char *const **out_faults,
                   uint32_t *out_count);
};

MUST_USE enum status analyst_open(const struct analyst_options *options,
                                  struct analyst **out_analyst, struct error *error);
void analyst_close(struct analyst *analyst);
/* Takes all that can be taken now; true when the end was reached and everything is closed. */
bool analyst_drain(struct analyst *analyst);
void analyst_run(struct analyst *analyst); /* until the end */
void analyst_budget(const struct config *config, struct budget *budget);
size_t analyst_kept_bytes_max(const struct config *config); /* images of all that is kept */

#endif
