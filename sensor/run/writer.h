/* writer.h - records to their places: encoded once a format, handed to each output that wants them.
 *
 * Owns      the outputs' instances and tallies, the loop that they hang in, the report, the encoders.
 * Borrows   the record ring; the configuration.
 * Time      none with -r; live the wall clock: event.created, and a flush each second.
 * Bounds    one encoded record at a time; what an output holds is its own bound.
 * Errors    open; an output that fails at run time is counted and said, the others go on.
 * Thread    one: its own, or the only one (N = 0). It sleeps in the loop. */
#ifndef SENSOR_RUN_WRITER_H
#define SENSOR_RUN_WRITER_H

#include "outputs/report.h"
#include "sensor/run/run.h"

struct writer;
struct responder_link;

struct writer_options {
    const struct config *config;
    const char *observer_name;
    const char *records; /* --records FILE or "-", NULL */
    bool deliver; /* the configured outputs too */
    enum report_form report;
    struct ring *ring;
    struct run_shared *shared;
    bool threaded; /* wakes the analyst when room was made */
    bool live;
    struct responder_link *responder; /* live; NULL: no response is configured */
};

MUST_USE enum status writer_open(const struct writer_options *options, struct writer **out_writer,
                                 struct error *error);
/* Takes all that can be taken; true at the end. */
bool writer_drain(struct writer *writer);
void writer_run(struct writer *writer);
/* After the end: flushes outputs, prints the report. */
MUST_USE enum status writer_finish(struct writer *writer, bool colour, unsigned width,
                                   struct error *error);
void writer_close(struct writer *writer);

#endif
