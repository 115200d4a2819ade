/* A live run from start to end.
 *
 * No arrow waits for ever. Between kernel and listener there is the kernel's ring, which counts
 * what it has no room for; the analyst drops records that the writer cannot take, and counts them;
 * the writer drops what an output does not take. So a disk that hangs costs records, never
 * packets, and whatever is lost has a count in the sensor record.
 *
 * Signals are taken by main alone, one at a time, with a look at the run in between: threads see
 * none. After the first SIGINT or SIGTERM their default action holds again.
 *
 * SIGHUP: the configuration is read again from where it came. A mistake keeps the one in force and
 * says where it is. A good one goes to the analyst, which takes it up at the next mark, for all
 * detections at once; then the one before is freed. What waits for a restart is said, key by key
 * (reload.c). Capturing goes on meanwhile.
 *
 * The end: all listeners stop their rings, take what the kernel still has, and tell what is open
 * under one number that lies beyond all frames, so that the order of the last records does not
 * depend on which worker was first. */
#include "sensor/run/live.h"

#include "base/log.h"
#include "outputs/responder_link.h"
#include "sensor/capture/filter.h"
#include "sensor/run/listen.h"
#include "sensor/run/reload.h"
#include "sensor/run/respond.h"
#include "sensor/run/threads.h"

#include <signal.h>
#include <sys/random.h>
#include <unistd.h>

enum { CONTROL_MS = 100 };

struct live {
    const struct run_options *options;
    struct listen_shared shared;
    struct listener listeners[RUN_WORKERS_MAX];
    unsigned listener_count;
    uint32_t rings;
    struct ring records;
    struct analyst *analyst;
    struct writer *writer;
    struct protected_list *protected_list; /* of the response process, borrowed by its link */
    struct responder_link *responder; /* NULL: no response is configured */
    struct snapshot *snapshot; /* NULL = nothing is kept */
    struct hash_key key;
    char name[OPTION_TEXT_BYTES];
    const char *faults[SOURCE_INTERFACES_MAX];
    struct config *current; /* after a reload; NULL: that of the start */
    struct config *coming; /* on its way to the analyst */
    bool reload_wanted;
    struct geo *geo; /* that the analyst looks into */
    struct geo *geo_coming; /* on its way to it */
    uint64_t geo_looked_ns; /* when it was last asked whether the files are the same */
};

/* --- opening --- */

/* Live the key is drawn, so that nobody can aim at a table; `secret` makes a run repeatable. What is
 * kept from run to run is found again by the same key only: the state folder has it. */
static enum status choose_key(struct live *live, struct error *error)
{
    if (live->options->config->sensor.secret[0] != '\0') {
        live->key = run_hash_key(live->options->config);
        return STATUS_OK;
    }
    if (getrandom(&live->key.seed, sizeof live->key.seed, 0) != sizeof live->key.seed) {
        return error_system(error, STATUS_FAILED, "", "no random key can be drawn");
    }
    return STATUS_OK;
}

static enum status open_state(struct live *live, struct error *error)
{
    enum status status = run_open_state(live->options, true, live->key, &live->snapshot, error);
    if (status == STATUS_OK && live->snapshot != NULL) {
        live->key = snapshot_key(live->snapshot);
    }
    return status;
}

static uint32_t share(uint32_t entries, unsigned count)
{
    uint32_t part = entries / count;
    return part < FLOW_SHARDS ? FLOW_SHARDS : part;
}

/* The tables of the workers together are as large as the options say. */
static struct worker_limits limits_of(const struct live *live)
{
    struct worker_limits limits = run_worker_limits(live->options->config, live->key);
    limits.classify_shared = true;
    limits.live = true;
    limits.streams_max = share(limits.streams_max, live->listener_count);
    limits.flows_max = share(limits.flows_max, live->listener_count);
    limits.tcp_streams_max = share(limits.tcp_streams_max, live->listener_count);
    limits.tcp_bytes_max /= live->listener_count;
    limits.tcp_bytes_max = limits.tcp_bytes_max < 1 << 20 ? 1 << 20 : limits.tcp_bytes_max;
    return limits;
}

static void drain_writer(void *owner)
{
    struct live *live = owner;
    writer_drain(live->writer);
}

static void drain_analyst(void *owner)
{
    struct live *live = owner;
    analyst_drain(live->analyst);
    writer_drain(live->writer);
}

static enum status open_interfaces(struct live *live, struct error *error)
{
    const struct config_sensor *sensor = &live->options->config->sensor;
    enum status status = STATUS_OK;
    for (size_t i = 0; i < live->options->interface_count && status == STATUS_OK; i++) {
        struct source_live_options options = {.interface = live->options->interfaces[i],
                                              .index = (uint16_t)i,
                                              .buffer_bytes = sensor->buffer_bytes,
                                              .snap_bytes = (uint32_t)sensor->snap_bytes,
                                              .timeout_ms =
                                                  (uint32_t)(sensor->timeout_ns / NS_PER_MS),
                                              .promiscuous = sensor->promiscuous,
                                              .filter = sensor->filter};
        struct source_live *rings[RUN_WORKERS_MAX] = {NULL};
        status = source_live_open(&options, live->listener_count, rings, error);
        for (unsigned k = 0; k < live->listener_count && status == STATUS_OK; k++) {
            live->listeners[k].intakes[i].source = rings[k];
            live->rings++;
        }
    }
    atomic_store(&live->shared.rings_open, live->rings);
    return status;
}

static enum status open_listeners(struct live *live, struct error *error)
{
    const struct config *config = live->options->config;
    bool threaded = live->options->workers > 0;
    struct listen_options options = {
        .shared = &live->shared,
        .start_s = time_second(listen_clock_ns()) - 1,
        .interface_count = (uint32_t)live->options->interface_count,
        .limits = limits_of(live),
        .unwrap = {.key = live->key,
                   .fragment_bytes_max = config->sensor.fragment_bytes / live->listener_count,
                   .drop_duplicates = config->sensor.mirror_copies_drop != 0},
        .inline_analyst = !threaded,
        .drain = drain_analyst,
        .drain_owner = live};
    enum status status = STATUS_OK;
    for (unsigned i = 0; i < live->listener_count && status == STATUS_OK; i++) {
        options.ring = i;
        status = listen_open(&live->listeners[i], &options, error);
    }
    return status;
}

static void at_end(void *owner, bool *out_truncated, const char *const **out_faults,
                   uint32_t *out_count)
{
    struct live *live = owner;
    *out_truncated = false;
    *out_count = 0;
    for (size_t i = 0; i < live->options->interface_count; i++) {
        if (atomic_load_explicit(&live->shared.gone[i], memory_order_acquire)) {
            live->faults[(*out_count)++] = live->shared.why_gone[i];
        }
    }
    *out_faults = live->faults;
}

static enum status open_ends(struct live *live, struct error *error)
{
    const struct run_options *options = live->options;
    struct run_shared *run = &live->shared.run;
    bool threaded = options->workers > 0;
    struct ring *producers[RUN_WORKERS_MAX];
    for (unsigned i = 0; i < live->listener_count; i++) {
        producers[i] = &live->listeners[i].worker.sightings;
    }
    enum status status =
        ring_open(&live->records, RUN_RECORD_RING_BYTES, threaded ? &run->writer_bell : NULL,
                  threaded ? &run->analyst_bell : NULL, error);
    struct analyst_options analyst = {.config = options->config,
                                      .key = live->key,
                                      .snapshot = live->snapshot,
                                      .observer_name = live->name,
                                      .shared = run,
                                      .producers = producers,
                                      .producer_count = live->listener_count,
                                      .records = &live->records,
                                      .drain_records = threaded ? NULL : drain_writer,
                                      .owner = live,
                                      .interfaces = options->interfaces,
                                      .interface_count = options->interface_count,
                                      .live = true,
                                      .at_end = at_end};
    if (status == STATUS_OK) {
        status = geo_open(&options->config->geo, NULL, &live->geo, error);
        atomic_store(&run->geo_next, live->geo);
        live->geo_looked_ns = listen_clock_ns();
    }
    if (status == STATUS_OK) {
        status = analyst_open(&analyst, &live->analyst, error);
    }
    struct writer_options writer = {.config = options->config,
                                    .observer_name = live->name,
                                    .records = options->records,
                                    .deliver = true,
                                    .report = run_report_form(options->report),
                                    .ring = &live->records,
                                    .shared = run,
                                    .threaded = threaded,
                                    .live = true,
                                    .responder = live->responder};
    return status == STATUS_OK ? writer_open(&writer, &live->writer, error) : status;
}

static void choose_name(struct live *live)
{
    const char *name = live->options->config->sensor.name;
    if (name[0] != '\0') {
        (void)snprintf(live->name, sizeof live->name, "%s", name);
    } else if (gethostname(live->name, sizeof live->name - 1) != 0 || live->name[0] == '\0') {
        (void)snprintf(live->name, sizeof live->name, "earshot");
    }
}

/* Nothing is captured before all is ready to take it. */
static enum status open_live(struct live *live, struct error *error)
{
    choose_name(live);
    enum status status = choose_key(live, error);
    if (status == STATUS_OK) {
        status = open_state(live, error);
    }
    if (status == STATUS_OK) {
        status = open_listeners(live, error);
    }
    if (status == STATUS_OK) {
        status = open_ends(live, error);
    }
    return status == STATUS_OK ? open_interfaces(live, error) : status;
}

static void close_live(struct live *live)
{
    writer_close(live->writer);
    responder_link_close(live->responder);
    protected_close(live->protected_list);
    analyst_close(live->analyst);
    geo_close(live->geo);
    geo_close(live->geo_coming);
    snapshot_close(live->snapshot);
    ring_close(&live->records);
    for (unsigned i = 0; i < live->listener_count; i++) {
        listen_close(&live->listeners[i]);
    }
    config_close(live->current);
    config_close(live->coming);
    free(live);
}

/* --- control --- */

static void signals_hold(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, set, NULL);
}

/* From now on a second signal ends the program at once. */
static void signals_let_go(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static void stop(struct live *live)
{
    signals_let_go();
    atomic_store_explicit(&live->shared.end_s, time_second(listen_clock_ns()) + 3,
                          memory_order_release);
    atomic_store_explicit(&live->shared.stop, true, memory_order_release);
}

static void say_waiting(void *owner, const char *key)
{
    (void)owner;
    log_line(LOG_WARN, "%s: the change waits for a restart", key);
}

enum status live_check_filter(const struct config *config, struct error *error)
{
    struct filter *filter = NULL;
    enum status status = filter_open(config->sensor.filter, &filter, error);
    filter_close(filter);
    return status;
}

static void reload(struct live *live)
{
    struct error error = {0};
    struct config *config = NULL;
    log_flush(); /* every reload is said in full */
    enum status status = live->options->reload(live->options->reload_owner, &config, &error);
    if (status == STATUS_OK) {
        status = live_check_filter(config, &error);
    }
    if (status == STATUS_OK) {
        status = respond_reload(config, live->responder, &error);
    }
    if (status != STATUS_OK) {
        log_error_struct(&error);
        log_line(LOG_ERROR, "the new configuration is refused, the one before stays in force");
        config_close(config);
        return;
    }
    reload_differences(config, live->options->config, say_waiting, live);
    live->coming = config;
    atomic_store_explicit(&live->shared.run.config_next, config, memory_order_release);
}

/* The analyst has taken up what came: nobody looks at the one before any more. True: just now. */
static bool finish_reload(struct live *live)
{
    if (live->coming != NULL && atomic_load_explicit(&live->shared.run.config_taken,
                                                     memory_order_acquire) == live->coming) {
        config_close(live->current);
        live->current = live->coming;
        live->coming = NULL;
        log_line(LOG_INFO, "the new configuration is in force");
        return true;
    }
    return false;
}

/* The analyst looks into what came: the geo before is nobody's any more. */
static void finish_geo(struct live *live)
{
    if (live->geo_coming != NULL &&
        atomic_load_explicit(&live->shared.run.geo_taken, memory_order_acquire) ==
            live->geo_coming) {
        geo_close(live->geo);
        live->geo = live->geo_coming;
        live->geo_coming = NULL;
        log_line(LOG_INFO, "the files that say where addresses are were read again");
    }
}

/* Files that were replaced are read here, where nobody waits for it. */
static void look_at_geo(struct live *live)
{
    const struct config *config = live->current != NULL ? live->current : live->options->config;
    uint64_t now_ns = listen_clock_ns();
    uint64_t since_ns = now_ns > live->geo_looked_ns ? now_ns - live->geo_looked_ns
                                                     : config->geo.check_ns; /* it was set back */
    struct error error = {0};

    finish_geo(live);
    if (live->geo_coming != NULL || since_ns < config->geo.check_ns) {
        return;
    }
    live->geo_looked_ns = now_ns;
    if (!geo_is_stale(live->geo, &config->geo)) {
        return;
    }
    if (geo_open(&config->geo, live->geo, &live->geo_coming, &error) == STATUS_OK) {
        atomic_store_explicit(&live->shared.run.geo_next, live->geo_coming, memory_order_release);
    } else {
        log_error_struct(&error);
    }
}

/* One look at signals and at what is left; true: the run has been told to stop. */
static bool control(struct live *live, const sigset_t *set, unsigned wait_ms)
{
    struct timespec wait = {.tv_nsec = (long)(wait_ms * NS_PER_MS)};
    int signal = sigtimedwait(set, NULL, &wait);
    if (finish_reload(live)) {
        live->geo_looked_ns = 0;
    }
    look_at_geo(live);
    live->reload_wanted = live->reload_wanted || signal == SIGHUP;
    if (live->reload_wanted && live->coming == NULL) {
        live->reload_wanted = false;
        reload(live);
    }
    bool over = signal == SIGINT || signal == SIGTERM ||
                atomic_load_explicit(&live->shared.rings_open, memory_order_acquire) == 0;
    if (over) {
        stop(live);
    }
    return over;
}

/* --- threads --- */

static void *listener_thread(void *owner)
{
    listen_run(owner);
    return NULL;
}

static enum status run_threads(struct live *live, const sigset_t *set, struct error *error)
{
    struct threads threads = {.count = 0};
    enum status status = threads_start_ends(&threads, live->analyst, live->writer, error);
    for (unsigned i = 0; i < live->listener_count && status == STATUS_OK; i++) {
        status = threads_start(&threads, listener_thread, &live->listeners[i], error);
    }
    if (status == STATUS_OK) {
        while (!control(live, set, CONTROL_MS)) {
        }
    } else {
        threads_give_up(&live->shared.run);
    }
    threads_join(&threads);
    return status;
}

/* Everything in the calling thread: a round, then all that follows from it. */
static void run_inline(struct live *live, const sigset_t *set)
{
    bool stopped = false;
    bool ended = false;
    while (!ended) {
        stopped = stopped || control(live, set, 0);
        ended = listen_round(&live->listeners[0]);
        drain_analyst(live);
    }
    while (!analyst_drain(live->analyst)) {
        writer_drain(live->writer);
    }
    writer_drain(live->writer);
}

static void say_start(const struct live *live)
{
    char names[512];
    size_t bytes = 0;
    names[0] = '\0';
    for (size_t i = 0; i < live->options->interface_count && bytes < sizeof names; i++) {
        int put = snprintf(names + bytes, sizeof names - bytes, "%s%s", i == 0 ? "" : ", ",
                           live->options->interfaces[i]);
        bytes += put < 0 ? sizeof names : (size_t)put;
    }
    log_line(LOG_INFO, "listening on %s, workers: %u", names, live->options->workers);
    if (live->snapshot == NULL && !live->options->state_is_said) {
        log_line(LOG_WARN, "what is learnt now is forgotten at the end: make " SNAPSHOT_FOLDER
                           ", or say --state FOLDER (or --state none)");
    }
}

static enum status check_interfaces(const struct run_options *options, struct error *error)
{
    if (options->interface_count > SOURCE_INTERFACES_MAX) {
        return error_set(error, STATUS_USAGE, "-i", "more than %d interfaces",
                         (int)SOURCE_INTERFACES_MAX);
    }
    for (size_t i = 0; i < options->interface_count; i++) {
        for (size_t k = 0; k < i; k++) {
            if (strcmp(options->interfaces[i], options->interfaces[k]) == 0) {
                return error_set(error, STATUS_USAGE, "-i", "%s is given twice",
                                 options->interfaces[i]);
            }
        }
    }
    return STATUS_OK;
}

/* What was learnt is kept whatever became of the records: a far end that is away when the sensor
 * is stopped must not make it forget. The last of two errors is the caller's to say. */
static enum status finish(struct live *live, struct error *error)
{
    const struct run_options *options = live->options;
    enum status written = writer_finish(live->writer, options->colour, options->width, error);
    if (live->snapshot == NULL) {
        return written;
    }
    struct error failed = {0};
    enum status kept = snapshot_finish(live->snapshot, &failed);
    if (kept == STATUS_OK) {
        return written;
    }
    if (written != STATUS_OK) {
        log_error_struct(error);
    }
    *error = failed;
    return kept;
}

enum status run_live(const struct run_options *options, struct error *error)
{
    if (check_interfaces(options, error) != STATUS_OK) {
        return error->code;
    }
    struct live *live = aligned_alloc(64, (sizeof *live + 63) & ~(size_t)63);
    if (live == NULL) {
        return error_set(error, STATUS_FAILED, "", "no memory for the run");
    }
    memset(live, 0, sizeof *live);
    live->options = options;
    /* First of all: while there is no thread and no table, a fork is cheap and safe. */
    if (respond_start(options->config, options->state, &live->protected_list, &live->responder,
                      error) != STATUS_OK) {
        free(live);
        return error->code;
    }
    live->shared.run.reader_wants = UINT64_MAX;
    live->listener_count = options->workers == 0 ? 1 : options->workers;
    sigset_t set;
    signals_hold(&set);
    enum status status = open_live(live, error);
    if (status == STATUS_OK) {
        say_start(live);
        if (options->workers == 0) {
            run_inline(live, &set);
        } else {
            status = run_threads(live, &set, error);
        }
    }
    if (status == STATUS_OK) {
        status = finish(live, error);
    }
    if (status == STATUS_OK && atomic_load(&live->shared.rings_open) == 0) {
        status = error_set(error, STATUS_INPUT, "", "no interface is left to listen on");
    }
    close_live(live);
    return status;
}
