/* One offline run: opens the chain, starts its threads, joins them in the order of the packet's
 * way.
 *
 * Blocks go round in a fixed pool. The reader fills block n when the analyst has passed the last
 * frame of its former use: no reference counts, and whatever refers into a block (datagrams,
 * messages in sightings) is safe until then (docs/architecture.md). The reader tells full blocks
 * through a counter, the consumer takes them in order. */
#include "sensor/run/run.h"

#include "base/log.h"
#include "outputs/responder.h"
#include "sensor/flows/timeline.h"
#include "sensor/run/listen.h"
#include "sensor/run/threads.h"
#include "sensor/run/worker.h"

#include <unistd.h>

struct run {
    const struct run_options *options;
    struct run_shared shared;
    struct source *source;
    struct filter *filter; /* NULL = none */
    struct block blocks[RUN_BLOCKS];
    uint64_t block_last[RUN_BLOCKS]; /* number of the last frame of its present use */
    _Alignas(64) _Atomic uint64_t blocks_full; /* filled so far */
    struct bell *full_bell; /* who waits for full blocks */
    struct error reader_error;
    struct worker workers[RUN_WORKERS_MAX];
    struct worker teller; /* N > 1: the dealer's counts of frames, and its kept bytes */
    struct lane lanes[RUN_WORKERS_MAX];
    struct dispatch *dispatch;
    struct ring records;
    struct analyst *analyst;
    struct writer *writer;
    struct geo *geo;
    struct snapshot *snapshot; /* NULL = nothing is kept */
    struct hash_key key;
    char *faults_text[SOURCE_FILES_MAX];
    const char *faults[SOURCE_FILES_MAX];
    uint32_t fault_count;
    uint64_t progress_shown;
};

struct hash_key run_hash_key(const struct config *config)
{
    struct slice secret = slice_of_string(config->sensor.secret);
    return secret.bytes == 0 ? HASH_KEY_FIXED
                             : (struct hash_key){.seed = hash_slice(HASH_KEY_FIXED, secret)};
}

enum status run_open_state(const struct run_options *options, bool live, struct hash_key preset,
                           struct snapshot **out_snapshot, struct error *error)
{
    if (options->state == NULL) {
        return STATUS_OK;
    }
    struct snapshot_options snapshot = {.folder = options->state,
                                        .live = live,
                                        .has_secret = options->config->sensor.secret[0] != '\0',
                                        .key = preset,
                                        .bytes_max = analyst_kept_bytes_max(options->config)};
    return snapshot_open(&snapshot, out_snapshot, error);
}

struct worker_limits run_worker_limits(const struct config *config, struct hash_key key)
{
    return (struct worker_limits){.streams_max = (uint32_t)config->tables[CONFIG_TABLE_STREAMS],
                                  .flows_max = (uint32_t)config->tables[CONFIG_TABLE_FLOWS],
                                  .tcp_streams_max =
                                      (uint32_t)config->tables[CONFIG_TABLE_TCP_STREAMS],
                                  .tcp_bytes_max = config->sensor.tcp_bytes,
                                  .stream_idle_ns = config->sensor.stream_idle_ns,
                                  .flow_idle_ns = config->sensor.flow_idle_ns,
                                  .classify = config->sensor.classify,
                                  .key = key};
}

/* --- progress, on a terminal only --- */

static void show_progress(struct run *run, bool end)
{
    if (!run->options->progress) {
        return;
    }
    uint64_t done = 0;
    uint64_t total = 0;
    source_progress(run->source, &done, &total);
    if (end) {
        if (run->progress_shown > 0) {
            fputs("\r\033[K", stderr);
        }
        return;
    }
    if (total < (64u << 20) || done - run->progress_shown < total / 100) {
        return;
    }
    run->progress_shown = done;
    fprintf(stderr, "\rread %" PRIu64 " of %" PRIu64 " MiB (%" PRIu64 " %%)", done >> 20,
            total >> 20, done * 100 / total);
}

/* --- the reader --- */

/* Number up to which nobody looks at frames any more. Media brings few sightings: where a worker's
 * ring is empty, its position counts, and the analyst need not be woken to say the same. */
static uint64_t frames_done(const struct run *run)
{
    uint64_t done = atomic_load_explicit(&run->shared.analyst_done, memory_order_acquire);
    uint64_t lowest = UINT64_MAX;

    for (unsigned i = 0; i < run->options->workers; i++) {
        const struct ring *ring = &run->workers[i].sightings;
        uint64_t position = ring_position(ring); /* before what may still lie in the ring */
        if (!ring_is_drained(ring)) {
            return done;
        }
        lowest = position < lowest ? position : lowest;
    }
    uint64_t passed = lowest == UINT64_MAX ? lowest : lowest >> 1;
    return passed > done + 1 ? passed - 1 : done;
}

/* Sleeps until half of the blocks are free: a reader that is woken for each would sleep as often.
 * False: the run has failed and nobody will read the block any more. */
static bool wait_for_block(struct run *run, uint64_t index)
{
    struct run_shared *shared = &run->shared;

    if (index < RUN_BLOCKS || frames_done(run) >= run->block_last[index % RUN_BLOCKS]) {
        return true;
    }
    uint64_t wanted = run->block_last[(index + RUN_BLOCKS / 2 - 1) % RUN_BLOCKS];
    for (;;) {
        uint32_t heard = bell_listen(&shared->reader_bell);
        atomic_exchange_explicit(&shared->reader_wants, wanted, memory_order_acq_rel);
        if (frames_done(run) >= wanted) {
            break;
        }
        if (atomic_load_explicit(&shared->failed, memory_order_relaxed)) {
            return false;
        }
        bell_wait(&shared->reader_bell, heard, NS_PER_S / 10);
    }
    atomic_store_explicit(&shared->reader_wants, UINT64_MAX, memory_order_relaxed);
    return true;
}

/* From here on a time of 0 is none that is known. A capture whose times count from 0 begins a
 * nanosecond later; packets without a stamp before the first that has one get its time. */
static void begin_behind_zero(const struct run *run, struct block *block)
{
    struct source_counts counts;
    uint64_t known_ns = 0;

    source_counts(run->source, &counts);
    if (counts.first_ns != 0) {
        return;
    }
    for (uint32_t i = 0; i < block->frame_count && known_ns == 0; i++) {
        known_ns = block->frames[i].time_ns;
    }
    for (uint32_t i = 0; i < block->frame_count; i++) {
        if (block->frames[i].time_ns == 0) {
            block->frames[i].time_ns = known_ns > TIMELINE_SILENCE_NS ? known_ns : 1;
        }
    }
}

/* Fills block `index`; false when there is nothing to go on with. */
static bool fill_block(struct run *run, uint64_t index)
{
    struct block *block = &run->blocks[index % RUN_BLOCKS];
    block->end = true;
    block->frame_count = 0;
    if (source_next(run->source, block, &run->reader_error) != STATUS_OK) {
        block->end = true;
    }
    if (block->frame_count > 0) {
        begin_behind_zero(run, block);
        run->block_last[index % RUN_BLOCKS] = block->frames[block->frame_count - 1].number;
    }
    show_progress(run, block->end);
    return !block->end;
}

static void *reader_thread(void *owner)
{
    struct run *run = owner;
    bool more = true;
    for (uint64_t index = 0; more && wait_for_block(run, index); index++) {
        more = fill_block(run, index);
        atomic_store_explicit(&run->blocks_full, index + 1, memory_order_release);
        bell_ring(run->full_bell);
    }
    return NULL;
}

/* --- who takes blocks: the dealer, or the only worker --- */

static void before_sleep(struct run *run)
{
    if (run->options->workers == 1) {
        ring_publish(&run->workers[0].sightings, true);
        return;
    }
    ring_publish(&run->teller.sightings, true);
    for (unsigned i = 0; i < run->options->workers; i++) {
        ring_publish(&run->workers[i].deals, true);
    }
}

static void take_blocks(struct run *run)
{
    for (uint64_t index = 0;; index++) {
        for (;;) {
            uint32_t heard = bell_listen(run->full_bell);
            if (atomic_load_explicit(&run->blocks_full, memory_order_acquire) > index) {
                break;
            }
            if (atomic_load_explicit(&run->shared.failed, memory_order_relaxed)) {
                return;
            }
            before_sleep(run);
            bell_wait(run->full_bell, heard, NS_PER_S / 10);
        }
        const struct block *block = &run->blocks[index % RUN_BLOCKS];
        bool end = block->end;
        dispatch_block(run->dispatch, block);
        if (run->options->workers > 1 && block->frame_count > 0) {
            /* The teller is a producer like the workers: without its position nobody may be merged.
             */
            worker_position(&run->teller, block->frames[block->frame_count - 1].number + 1, true);
        }
        if (end) {
            dispatch_end(run->dispatch);
            return;
        }
    }
}

static void *taker_thread(void *owner)
{
    take_blocks(owner);
    return NULL;
}

static void *worker_thread(void *owner)
{
    worker_run(owner);
    return NULL;
}

/* Everything in the calling thread: a block through the whole chain, then the next. */
static void run_inline(struct run *run)
{
    bool more = true;
    for (uint64_t index = 0; more; index++) {
        more = fill_block(run, index);
        dispatch_block(run->dispatch, &run->blocks[index % RUN_BLOCKS]);
        analyst_drain(run->analyst);
        writer_drain(run->writer);
    }
    dispatch_end(run->dispatch);
    while (!analyst_drain(run->analyst)) {
        writer_drain(run->writer);
    }
    writer_drain(run->writer);
}

static void drain_analyst(void *owner)
{
    struct run *run = owner;
    analyst_drain(run->analyst);
}

static void drain_writer(void *owner)
{
    struct run *run = owner;
    writer_drain(run->writer);
}

/* --- counts of frames: who unwraps tells them --- */

/* The worker that speaks for the frames: the only one, or the dealer's teller. */
static struct worker *frame_teller(struct run *run)
{
    return run->options->workers > 1 ? &run->teller : &run->workers[0];
}

static void tell_frames(void *owner, const struct unwrap_counts *counts, uint64_t first_ns,
                        uint64_t last_ns, uint64_t second, uint64_t number, bool end)
{
    struct run *run = owner;
    struct worker *teller = frame_teller(run);
    worker_state_add_frames(teller->state, counts, first_ns, last_ns);
    if (teller != &run->teller) {
        return; /* its lane brings the mark or the end */
    }
    teller->number = number;
    if (end) {
        worker_state_end(teller->state, number);
        worker_position(teller, UINT64_MAX, true);
    } else {
        worker_state_mark(teller->state, second, number, 0);
    }
}

static uint8_t *keep(void *owner, uint64_t number, uint32_t bytes)
{
    struct run *run = owner;
    dispatch_flush(run->dispatch); /* what is held back must not be what we wait for */
    struct worker *teller = frame_teller(run);
    if (teller == &run->teller) {
        worker_position(teller, number, false);
        before_sleep(run); /* it may have to wait for what the workers have not heard of */
    }
    return worker_keep(teller, number, bytes);
}

static void at_end(void *owner, bool *out_truncated, const char *const **out_faults,
                   uint32_t *out_count)
{
    struct run *run = owner;
    struct source_counts counts;
    source_counts(run->source, &counts);
    *out_truncated = counts.truncated;
    for (uint32_t i = 0; i < SOURCE_FILES_MAX && source_fault(run->source, i) != NULL; i++) {
        run->faults[run->fault_count++] = source_fault(run->source, i);
    }
    *out_faults = run->faults;
    *out_count = run->fault_count;
}

/* --- opening and closing --- */

static enum status open_workers(struct run *run, struct error *error)
{
    const struct run_options *options = run->options;
    struct worker_limits limits = run_worker_limits(options->config, run->key);
    unsigned count = options->workers == 0 ? 1 : options->workers;
    bool dealt = options->workers > 1;
    enum status status = STATUS_OK;
    for (unsigned i = 0; i < count && status == STATUS_OK; i++) {
        status =
            worker_open(&run->workers[i], &limits, &run->shared,
                        options->workers == 0 ? NULL : &run->shared.worker_bells[i], dealt, error);
    }
    if (dealt && status == STATUS_OK) {
        /* The teller sees no datagram: its tables stay as small as they may be. */
        struct worker_limits small = limits;
        small.streams_max = small.flows_max = small.tcp_streams_max = FLOW_SHARDS;
        small.tcp_bytes_max = 1 << 20;
        small.classify = false;
        status =
            worker_open(&run->teller, &small, &run->shared, &run->shared.dealer_bell, false, error);
    }
    if (options->workers == 0 && status == STATUS_OK) {
        run->workers[0].inline_analyst = true;
        run->workers[0].drain = drain_analyst;
        run->workers[0].drain_owner = run;
    }
    return status;
}

static enum status open_dispatch(struct run *run, struct error *error)
{
    const struct config *config = run->options->config;
    struct lane *lanes = run->lanes;
    unsigned count = run->options->workers == 0 ? 1 : run->options->workers;
    for (unsigned i = 0; i < count; i++) {
        lanes[i] = run->options->workers > 1 ? worker_lane_ring(&run->workers[i])
                                             : worker_lane_direct(&run->workers[i]);
    }
    struct dispatch_options options = {
        .lanes = lanes,

        .lane_count = count,
        .filter = run->filter,
        .unwrap = {.key = run->key,
                   .fragment_bytes_max = config->sensor.fragment_bytes,
                   .drop_duplicates = config->sensor.mirror_copies_drop != 0,
                   .keep = keep,
                   .owner = run},
        .counts = tell_frames,
        .owner = run};
    return dispatch_open(&options, &run->dispatch, error);
}

enum report_form run_report_form(const char *name)
{
    return strcmp(name, "json") == 0   ? REPORT_JSON
           : strcmp(name, "none") == 0 ? REPORT_NONE
                                       : REPORT_TEXT;
}

static enum status open_ends(struct run *run, struct error *error)
{
    const struct run_options *options = run->options;
    const char *name =
        options->config->sensor.name[0] == '\0' ? "offline" : options->config->sensor.name;
    bool threaded = options->workers > 0;
    enum status status =
        ring_open(&run->records, RUN_RECORD_RING_BYTES, threaded ? &run->shared.writer_bell : NULL,
                  threaded ? &run->shared.analyst_bell : NULL, error);
    if (status != STATUS_OK) {
        return status;
    }
    struct ring *producers[RUN_WORKERS_MAX + 1];
    uint32_t count = 0;
    for (unsigned i = 0; i < (options->workers == 0 ? 1 : options->workers); i++) {
        producers[count++] = &run->workers[i].sightings;
    }
    if (options->workers > 1) {
        producers[count++] = &run->teller.sightings;
    }
    struct analyst_options analyst = {.config = options->config,
                                      .key = run->key,
                                      .snapshot = run->snapshot,
                                      .observer_name = name,
                                      .shared = &run->shared,
                                      .producers = producers,
                                      .producer_count = count,
                                      .records = &run->records,
                                      .drain_records = threaded ? NULL : drain_writer,
                                      .owner = run,
                                      .at_end = at_end};
    struct writer_options writer = {.config = options->config,
                                    .observer_name = name,
                                    .records = options->records,
                                    .deliver = options->deliver,
                                    .report = run_report_form(options->report),
                                    .ring = &run->records,
                                    .shared = &run->shared,
                                    .threaded = threaded};
    status = geo_open(&options->config->geo, NULL, &run->geo, error);
    atomic_store(&run->shared.geo_next, run->geo);
    if (status == STATUS_OK) {
        status = analyst_open(&analyst, &run->analyst, error);
    }
    return status == STATUS_OK ? writer_open(&writer, &run->writer, error) : status;
}

static enum status open_run(struct run *run, struct error *error)
{
    run->key = run_hash_key(run->options->config);
    enum status status = run_open_state(run->options, false, run->key, &run->snapshot, error);
    if (status == STATUS_OK && run->snapshot != NULL) {
        run->key = snapshot_key(run->snapshot);
    }
    if (status == STATUS_OK) {
        status =
            source_open_files(run->options->paths, run->options->path_count, &run->source, error);
    }
    if (status == STATUS_OK && run->options->config->sensor.filter[0] != '\0') {
        status = filter_open(run->options->config->sensor.filter, &run->filter, error);
    }
    for (size_t i = 0; i < RUN_BLOCKS && status == STATUS_OK; i++) {
        status = block_open(&run->blocks[i], error);
    }
    if (status == STATUS_OK) {
        status = open_workers(run, error);
    }
    if (status == STATUS_OK) {
        status = open_dispatch(run, error);
    }
    if (status == STATUS_OK) {
        status = open_ends(run, error);
    }
    return status;
}

static void close_run(struct run *run)
{
    writer_close(run->writer);
    analyst_close(run->analyst);
    geo_close(run->geo);
    snapshot_close(run->snapshot);
    ring_close(&run->records);
    dispatch_close(run->dispatch);
    for (size_t i = 0; i < RUN_WORKERS_MAX; i++) {
        worker_close(&run->workers[i]);
    }
    worker_close(&run->teller);
    for (size_t i = 0; i < RUN_BLOCKS; i++) {
        block_close(&run->blocks[i]);
    }
    filter_close(run->filter);
    if (run->source != NULL) {
        source_close(run->source);
    }
    free(run);
}

/* --- threads --- */

static enum status run_threads(struct run *run, struct error *error)
{
    unsigned workers = run->options->workers;
    run->full_bell = workers == 1 ? &run->shared.worker_bells[0] : &run->shared.dealer_bell;
    struct threads threads = {.count = 0};
    enum status status = threads_start_ends(&threads, run->analyst, run->writer, error);
    for (unsigned i = 0; workers > 1 && i < workers && status == STATUS_OK; i++) {
        status = threads_start(&threads, worker_thread, &run->workers[i], error);
    }
    if (status == STATUS_OK) {
        status = threads_start(&threads, taker_thread, run, error);
    }
    if (status == STATUS_OK) {
        reader_thread(run);
    } else {
        threads_give_up(&run->shared);
    }
    threads_join(&threads);
    return status;
}

/* Some files could not be read: the others were, and the exit status says it. */
static enum status input_verdict(struct run *run, struct error *error)
{
    if (run->reader_error.code != STATUS_OK) {
        *error = run->reader_error;
        return error->code;
    }
    struct source_counts counts;
    source_counts(run->source, &counts);
    if (counts.files_bad > 0) {
        for (uint32_t i = 0; i < run->fault_count; i++) {
            log_line(LOG_ERROR, "%s", run->faults[i]);
        }
        return error_set(error, STATUS_INPUT, "",
                         "%" PRIu32 " of %" PRIu32 " captures could not be read", counts.files_bad,
                         counts.files);
    }
    return STATUS_OK;
}

enum status run_files(const struct run_options *options, struct error *error)
{
    struct run *run = aligned_alloc(64, (sizeof *run + 63) & ~(size_t)63);
    if (run == NULL) {
        return error_set(error, STATUS_FAILED, "", "no memory for the run");
    }
    memset(run, 0, sizeof *run);
    run->options = options;
    run->shared.reader_wants = UINT64_MAX;
    enum status status = open_run(run, error);
    if (status == STATUS_OK) {
        if (options->workers == 0) {
            run_inline(run);
        } else {
            status = run_threads(run, error);
        }
    }
    if (status == STATUS_OK) {
        status = writer_finish(run->writer, options->colour, options->width, error);
    }
    if (status == STATUS_OK && run->snapshot != NULL) {
        status = snapshot_finish(run->snapshot, error);
    }
    if (status == STATUS_OK) {
        status = input_verdict(run, error);
    }
    close_run(run);
    return status;
}

static void print_row(void *owner, const char *name, uint64_t entries, size_t bytes)
{
    char count[24] = "";

    if (entries > 0) {
        (void)snprintf(count, sizeof count, "%" PRIu64, entries);
    }
    fprintf(owner, "  %-38s %10s %12zu\n", name, count, (bytes + 1023) >> 10);
}

void run_list_memory(const struct config *config, unsigned workers, FILE *out)
{
    struct worker_limits worker = run_worker_limits(config, HASH_KEY_FIXED);
    struct unwrap_options unwrap = {.fragment_bytes_max = config->sensor.fragment_bytes};
    struct budget budget = {.on_row = print_row, .owner = out};
    size_t rings = workers == 0 ? 1 : workers;

    fprintf(out, "%-40s %10s %12s\n", "at most", "entries", "KiB");
    fputs("what workers keep, all together\n", out);
    budget_add(&budget, "blocks of frames", 0,
               RUN_BLOCKS * (size_t)(BLOCK_BYTES + FRAME_BYTES_MAX));
    budget_add(&budget, "fragments and mirror copies", 0, unwrap_bytes_max(&unwrap));
    worker_state_budget(&worker, &budget);
    budget_add(&budget, "rings", 0,
               rings * ((size_t)RUN_SIGHTING_RING_BYTES +
                        (workers > 1 ? (size_t)RUN_DEAL_RING_BYTES : 0)) +
                   RUN_RECORD_RING_BYTES);
    fputs("what the analyst keeps: state, then each kind of key and each detector\n", out);
    analyst_budget(config, &budget);
    budget_add(&budget, "countries: answers, and the files now", GEO_CACHE,
               geo_bytes(&config->geo));
    fprintf(out, "%-40s %10s %12zu\n", "all", "", budget.bytes >> 10);
    fputs("live, each interface beside that\n", out);
    budget_add(&budget, "ring of the kernel", 0, rings * (size_t)config->sensor.buffer_bytes);
    budget_add(&budget, "blocks", 0,
               rings * LISTEN_BLOCKS * (size_t)(BLOCK_BYTES + FRAME_BYTES_MAX));
    if (config->response_count > 0) {
        fputs("with responses beside that\n", out);
        budget_add(&budget, "the gate in the sensor", 0, response_bytes_max(&config->response));
        budget_add(&budget, "the response process", 0, responder_bytes_max(&config->response));
    }
    fputs("with --state beside that\n", out);
    budget_add(&budget, "image while it is written", 0,
               snapshot_bytes_max(analyst_kept_bytes_max(config)));
    fputs("Memory is touched as tables fill; --list options has the key of each.\n", out);
}
