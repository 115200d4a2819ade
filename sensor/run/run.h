/* run.h - one run of the sensor: the threads, what they share, and how they end.
 *
 * Owns      source, blocks, rings, worker states, analyst, writer, their threads.
 * Borrows   the configuration and the command line for the run.
 * Time      packet time only (-r).
 * Bounds    RUN_BLOCKS blocks of 256 KiB, sighting rings of 512 KiB, one record ring of 256 KiB.
 * Errors    open and run: named in struct error; the exit status is its code.
 * Thread    run_files() is called by main and returns when all is done.
 *
 *   reader --blocks--> dealer --datagrams--> worker x N --sightings--> analyst --records--> writer
 *
 * N = 0: all in the calling thread, rings drained after each block. N = 1: no dealing, the worker
 * unwraps itself behind a reader that reads ahead. N > 1: the dealer unwraps and deals by shard.
 * Every arrow waits (offline nothing is dropped); whoever is about to sleep first publishes what it
 * has, so no ring size can lock the chain. */
#ifndef SENSOR_RUN_RUN_H
#define SENSOR_RUN_RUN_H

#include "base/ring.h"
#include "outputs/report.h"
#include "sensor/capture/source.h"
#include "sensor/flows/worker_state.h"
#include "sensor/run/config.h"

#include <stdatomic.h>

enum {
    RUN_WORKERS_MAX = 16,
    RUN_BLOCKS = 8,
    RUN_SIGHTING_RING_BYTES = 512 << 10,
    RUN_DEAL_RING_BYTES = 256 << 10,
    RUN_RECORD_RING_BYTES = 256 << 10,
};

/* How an output stands: told by the writer, read by the analyst for the sensor's record. */
struct run_output {
    const char *name; /* outlives the run */
    _Atomic uint64_t waiting;
    _Atomic uint64_t acknowledged;
    _Atomic uint64_t repeated;
    _Atomic uint64_t dropped;
};

/* What threads tell each other beside their rings. */
struct run_shared {
    /* Packet number up to which the analyst is done: blocks and kept bytes up to it are free again.
     */
    _Alignas(64) _Atomic uint64_t analyst_done;
    /* What sleepers wait for, so that nobody wakes them for less. Written and read by
     * read-modify-write: of sleeper and caller one sees what the other did before. */
    _Alignas(64) _Atomic uint64_t reader_wants; /* frames up to it done; UINT64_MAX = awake */
    _Atomic uint32_t position_waiters; /* workers that wait for the analyst to move */
    /* Live: the configuration that the analyst shall take up at the next mark, and the one that it
     * has taken up; NULL before the first. */
    _Atomic(const struct config *) config_next;
    _Atomic(const struct config *) config_taken;
    /* Where addresses are: what the analyst shall look into from the next mark on, and what it
     * looks into. */
    _Atomic(struct geo *) geo_next;
    _Atomic(struct geo *) geo_taken;
    _Alignas(64) _Atomic bool failed; /* some thread cannot go on: everybody ends */
    struct bell reader_bell; /* half of the blocks are free */
    struct bell dealer_bell; /* a block is full, or a deal ring has room, or the analyst moved */
    struct bell worker_bells[RUN_WORKERS_MAX];
    struct bell analyst_bell;
    struct bell writer_bell;
    uint32_t output_count; /* set before any thread starts */
    struct run_output outputs[OUTPUT_PLACES_MAX];
};

/* Frames up to `done` are done for somebody: wakes the reader if that is what it waits for. */
static inline void run_tell_reader(struct run_shared *shared, uint64_t done)
{
    if (atomic_fetch_or_explicit(&shared->reader_wants, 0, memory_order_acq_rel) <= done) {
        bell_ring(&shared->reader_bell);
    }
}

struct run_options {
    const char *const *paths;
    size_t path_count;
    const char *const *interfaces; /* live */
    size_t interface_count;
    unsigned workers; /* 0 to 16 */
    const struct config *config; /* at the start */
    /* Live: reads the configuration again, from where it came. */
    enum status (*reload)(void *owner, struct config **out_config, struct error *error);
    void *reload_owner;
    const char *records; /* FILE, "-" or NULL */
    const char *report; /* text, json, none */
    const char *state; /* folder of what is kept from run to run; NULL = none */
    bool state_is_said; /* on the command line, were it to keep nothing */
    bool deliver; /* use the configured outputs */
    bool progress; /* show progress on standard error */
    bool colour; /* colour in the text report */
    unsigned width; /* columns of the text report */
};

/* What the configuration says, for both kinds of run. */
struct hash_key run_hash_key(const struct config *config);
struct worker_limits run_worker_limits(const struct config *config, struct hash_key key);
/* The state folder, and the key of all hashes: its own, or `preset`. NULL where there is none. */
struct snapshot;
MUST_USE enum status run_open_state(const struct run_options *options, bool live,
                                    struct hash_key preset, struct snapshot **out_snapshot,
                                    struct error *error);
enum report_form run_report_form(const char *name);

MUST_USE enum status run_files(const struct run_options *options, struct error *error);

/* --list memory: what each table may grow to. */
void run_list_memory(const struct config *config, unsigned workers, FILE *out);

#endif
