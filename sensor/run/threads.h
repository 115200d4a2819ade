/* threads.h - the threads of a run, started one by one and joined all at once.
 *
 * Owns      the threads between start and join.
 * Borrows   what their bodies work on, until they are joined.
 * Time      none.
 * Bounds    THREADS_MAX.
 * Errors    a thread that cannot be started; those before it run on until they are told to end.
 * Thread    main's. */
#ifndef SENSOR_RUN_THREADS_H
#define SENSOR_RUN_THREADS_H

#include "sensor/run/analyst.h"
#include "sensor/run/writer.h"

#include <pthread.h>

enum { THREADS_MAX = RUN_WORKERS_MAX + 4 };

struct threads {
    pthread_t ids[THREADS_MAX];
    size_t count;
};

MUST_USE enum status threads_start(struct threads *threads, void *(*body)(void *), void *owner,
                                   struct error *error);
/* The two that every run has, whatever feeds them. */
MUST_USE enum status threads_start_ends(struct threads *threads, struct analyst *analyst,
                                        struct writer *writer, struct error *error);
/* Of a run of which some thread could not be started: says so to all that may be waiting. */
void threads_give_up(struct run_shared *shared);
void threads_join(struct threads *threads); /* the last one started first */

#endif
