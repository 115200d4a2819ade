/* vitals.h - what only a live sensor can say of itself: age, processor time, memory, lag, outputs.
 *
 * Owns      nothing.
 * Borrows   what the threads share, during the call.
 * Time      the wall clock and the clock since boot; of live runs only.
 * Bounds    none.
 * Errors    none: a figure that this machine does not give is 0.
 * Thread    the analyst's. */
#ifndef SENSOR_RUN_VITALS_H
#define SENSOR_RUN_VITALS_H

#include "sensor/run/run.h"
#include "sensor/telemetry/telemetry.h"

uint64_t vitals_begin(void); /* the clock since boot, for `begun_ns` */
void vitals_look(const struct run_shared *shared, uint64_t begun_ns, uint64_t mark_ns,
                 struct telemetry_live *out_live);

#endif
