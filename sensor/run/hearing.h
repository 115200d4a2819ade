/* hearing.h - what of the network reaches the sensor: figures of the last ten seconds.
 *
 * Owns      the counts of the last HEARING_SECONDS marks.
 * Borrows   the analyst's counts during the call.
 * Time      marks.
 * Bounds    HEARING_SECONDS, COUNT_INTERFACES.
 * Errors    none.
 * Thread    the analyst's. */
#ifndef SENSOR_RUN_HEARING_H
#define SENSOR_RUN_HEARING_H

#include "detectors/fact.h"
#include "sensor/flows/sighting.h"

enum { HEARING_SECONDS = 10 };

struct hearing_sums {
    uint64_t frames; /* that reached us */
    uint64_t dropped; /* by kernel and card */
    uint64_t cut; /* that reached us in part */
    uint64_t copies;
    uint64_t clock_steps;
};

struct hearing_interface {
    uint64_t frames; /* so far */
    uint64_t heard_s; /* second of the last one; 0 = none */
    uint64_t rate_milli; /* frames a second, mean of about half a minute, while it was heard */
};

struct hearing {
    uint64_t second; /* of the last mark; 0 = none */
    uint64_t begun_s; /* of the first */
    struct hearing_sums before[HEARING_SECONDS]; /* as they were, by second */
    struct hearing_interface interfaces[COUNT_INTERFACES];
};

/* At a mark: `counts` are all that was told so far ([COUNT_TOTAL]); `names` of the interfaces, none
 * = not live. Fills the figures of the last ten seconds. */
void hearing_mark(struct hearing *hearing, uint64_t second, const uint64_t *counts,
                  const char *const *names, size_t name_count, struct fact_second *out);
/* A confirmed clock jump, before its mark: nobody was silent for as long as that. */
void hearing_shift(struct hearing *hearing, uint64_t shift_ns);

#endif
