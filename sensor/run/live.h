/* live.h - a live run: listeners on interfaces, the analyst, the writer, signals.
 *
 * Owns      everything of the run; its threads.
 * Borrows   the options for the run.
 * Time      starts at the second of the wall clock; then packet time (listen.h).
 * Bounds    those of its parts: capture.buffer a ring, LISTEN_BLOCKS blocks a ring, rings of
 *           run.h.
 * Errors    STATUS_INPUT: an interface that cannot be opened, or none is left.
 * Thread    run_live() is called by main, controls, and returns when all is done.
 *
 *   listener x N --sightings--> analyst --records--> writer
 *
 * SIGINT and SIGTERM end it with everything reported; a second one ends it at once. N = 0: all in
 * the calling thread. */
#ifndef SENSOR_RUN_LIVE_H
#define SENSOR_RUN_LIVE_H

#include "sensor/run/run.h"

MUST_USE enum status run_live(const struct run_options *options, struct error *error);
/* Whether capture.filter compiles: what only opening, long after a test, would find out. */
MUST_USE enum status live_check_filter(const struct config *config, struct error *error);

#endif
