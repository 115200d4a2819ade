/* threads.c - writer and analyst are started before what feeds them: nobody then waits for a
 * consumer that is not there. */
#include "sensor/run/threads.h"

static void *analyst_thread(void *owner)
{
    analyst_run(owner);
    return NULL;
}

static void *writer_thread(void *owner)
{
    writer_run(owner);
    return NULL;
}

enum status threads_start(struct threads *threads, void *(*body)(void *), void *owner,
                          struct error *error)
{
    assert(threads->count < THREADS_MAX);
    int failed = pthread_create(&threads->ids[threads->count], NULL, body, owner);
    if (failed != 0) {
        return error_set(error, STATUS_FAILED, "", "a thread cannot be started (%s)",
                         strerror(failed));
    }
    threads->count++;
    return STATUS_OK;
}

enum status threads_start_ends(struct threads *threads, struct analyst *analyst,
                               struct writer *writer, struct error *error)
{
    enum status status = threads_start(threads, writer_thread, writer, error);
    return status == STATUS_OK ? threads_start(threads, analyst_thread, analyst, error) : status;
}

void threads_give_up(struct run_shared *shared)
{
    atomic_store(&shared->failed, true);
    for (unsigned i = 0; i < RUN_WORKERS_MAX; i++) {
        bell_ring(&shared->worker_bells[i]);
    }
    bell_ring(&shared->analyst_bell);
}

void threads_join(struct threads *threads)
{
    while (threads->count > 0) {
        threads->count--;
        pthread_join(threads->ids[threads->count], NULL);
    }
}
