/* responder.c - the life of the response process.
 *
 * One that is started again makes do with a journal that cannot be written (a full disk): nothing
 * new is done then, but what was done ends in time.
 *
 *     check every hook ──good──▶ journal, what it holds ──▶ serve: alerts in, steps out, hooks run
 *           '── bad: told to the sensor, the end                 │
 *     the sensor says stop: what waits is given up, what holds holds (or is taken back), the end
 *     the sensor is gone without a word: hooks are ended, the journal keeps what was; the end
 *
 * It ends only with the sensor: signals that a terminal or a service manager sends to all are not for
 * it, because the sensor has a last word to say. */
/* First: its headers name what banned.h forbids. */
#include <event2/event.h>

#include "outputs/responder_inside.h"

#include "base/log.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

enum { EXIT_GONE = 0, EXIT_AGAIN = 1, TICK_MS = 100, ROUND_MESSAGES = 64 };
#define STOP_NS (3 * NS_PER_S) /* beside the time limit of a hook */

/* --- messages --- */

static void stop(struct responder *it)
{
    it->stopping = true;
    it->stop_by_ns = hook_clock_ns() + it->options.conf->timeout_ns + HOOK_GRACE_NS + STOP_NS;
    responder_stop_jobs(it);
}

static void take_message(struct responder *it)
{
    switch (it->wire.head.type) {
    case WIRE_ALERT:
        responder_protect(it);
        it->incoming = &it->wire;
        response_see(it->gate, &it->wire.alert.alert, hook_clock_ns());
        it->incoming = NULL;
        break;
    case WIRE_STOP:
        stop(it);
        break;
    default:
        it->refused++;
        break;
    }
}

static void say_refused(struct responder *it)
{
    if (it->refused != it->refused_said) {
        log_line(LOG_ERROR, "%" PRIu64 " messages of the sensor were refused: they were not sound",
                 it->refused - it->refused_said);
        it->refused_said = it->refused;
    }
}

static void on_message(evutil_socket_t fd, short what, void *owner)
{
    struct responder *it = owner;

    (void)what;
    for (unsigned i = 0; i < ROUND_MESSAGES && !it->stopping && responder_tell_waiting(it); i++) {
        enum wire_result result = wire_receive(fd, &it->wire, &it->refused);
        if (result == WIRE_FULL) {
            break;
        }
        if (result == WIRE_GONE) {
            it->gone = true;
            break;
        }
        take_message(it);
    }
    it->deaf = it->untold_count > 0 && !it->gone;
    if (it->gone || it->stopping || it->deaf) {
        (void)event_del(it->readable); /* an end that is gone would be readable for ever */
    }
    say_refused(it);
    responder_work(it);
}

static void on_tick(evutil_socket_t fd, short what, void *owner)
{
    struct responder *it = owner;

    (void)fd;
    (void)what;
    if (getppid() != it->starter && !it->starter_gone_said) {
        it->starter_gone_said = true;
        log_line(LOG_WARN, "whoever starts the response process again is gone: restart the sensor");
    }
    if (responder_tell_waiting(it) && it->deaf && !it->stopping) {
        it->deaf = false;
        (void)event_add(it->readable, NULL);
    }
    responder_work(it);
}

size_t responder_bytes_max(const struct response_conf *conf)
{
    size_t cells = 2 * (size_t)conf->active + RESPONSE_WAITING_MAX;
    size_t runs = RESPONDER_RUNNING_MAX * (HOOK_OUTPUT_BYTES + RESPONDER_ORDER_BYTES);

    return sizeof(struct responder) + protected_share_bytes_max() + response_bytes_max(conf) +
           cells * sizeof(struct job) + JOURNAL_HELD_MAX * sizeof(struct journal_entry) +
           RESPONDER_ALERT_BYTES_MAX + runs + HOOK_LISTED_MAX * sizeof(struct hook_listed);
}

/* --- the start --- */

static struct hash128 boot_id(void)
{
    char text[64];
    struct hash_id id;
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t bytes = fd < 0 ? -1 : read(fd, text, sizeof text);

    if (fd >= 0) {
        (void)close(fd);
    }
    hash_id_start(&id);
    hash_id_slice(&id, bytes > 0 ? slice_of(text, (size_t)bytes) : SLICE("unknown"));
    return hash_id_end(&id);
}

static enum status open_gate(struct responder *it, struct error *error)
{
    struct response_options_open gate = {.conf = it->options.conf,
                                         .bindings = it->options.bindings,
                                         .binding_count = it->options.binding_count,
                                         .protected_list = it->options.protected_list,
                                         .stopped = responder_is_stopped,
                                         .on_step = responder_on_step,
                                         .owner = it};
    enum status status = response_open(&gate, &it->gate, error);

    if (status == STATUS_OK) {
        it->decisions = response_decisions(it->gate, &it->job_count);
        it->jobs = calloc(it->job_count, sizeof *it->jobs);
        if (it->jobs == NULL) {
            return error_set(error, STATUS_FAILED, "response", "no memory for its jobs");
        }
    }
    return status;
}

static enum status open_loop(struct responder *it, struct error *error)
{
    struct timeval tick = {.tv_usec = TICK_MS * 1000};

    it->loop = event_base_new();
    if (it->loop != NULL) {
        it->readable = event_new(it->loop, it->fd, EV_READ | EV_PERSIST, on_message, it);
        it->tick = event_new(it->loop, -1, EV_PERSIST, on_tick, it);
    }
    if (it->readable == NULL || it->tick == NULL || event_add(it->tick, &tick) != 0) {
        return error_set(error, STATUS_FAILED, "response", "no memory for its loop");
    }
    return STATUS_OK;
}

static bool hooks_are_checked(const struct responder *it)
{
    for (uint32_t i = 0; i < it->hook_count; i++) {
        const struct hook *hook = &it->hooks[i];
        if (hook->state == HOOK_CHECKING || (hook->is_auto && hook->state == HOOK_UNCHECKED)) {
            return false;
        }
    }
    return true;
}

static enum status check_hooks(struct responder *it, struct error *error)
{
    char why[WIRE_TEXT_BYTES];

    while (!hooks_are_checked(it)) {
        responder_hooks_check(it);
        if (!hooks_are_checked(it)) {
            (void)event_base_loop(it->loop, EVLOOP_ONCE);
        }
    }
    return responder_hooks_refuse(it, why) ? error_set(error, STATUS_USAGE, "responses", "%s", why)
                                           : STATUS_OK;
}

static enum status open_all(struct responder *it, bool first, struct error *error)
{
    enum status status = open_gate(it, error);

    it->boot = boot_id();
    it->starter = getppid();
    (void)responder_hooks_open(it);
    if (status == STATUS_OK) {
        status = open_loop(it, error);
    }
    if (status == STATUS_OK && it->options.state != NULL) {
        status = journal_open(it->options.state, first, &it->journal, error);
    }
    if (status == STATUS_OK) {
        /* The tick would begin work while hooks are being looked at. */
        (void)event_del(it->tick);
        status = check_hooks(it, error);
    }
    return status;
}

static void say_left(const struct responder *it)
{
    uint32_t left = it->stopping ? responder_ending(it) : 0;

    if (left > 0) {
        log_line(LOG_ERROR,
                 "%" PRIu32 " %s not taken back before the end: the next start with this "
                 "--state does it, else see what the hook still holds",
                 left, left == 1 ? "decision was" : "decisions were");
    }
}

static void serve(struct responder *it)
{
    struct timeval tick = {.tv_usec = TICK_MS * 1000};

    responder_protect(it);
    responder_restore(it);
    (void)event_add(it->tick, &tick);
    (void)event_add(it->readable, NULL);
    responder_work(it);
    while (!it->gone && !it->stopping) {
        (void)event_base_loop(it->loop, EVLOOP_ONCE);
    }
    while (it->stopping && responder_has_work(it) && hook_clock_ns() < it->stop_by_ns) {
        (void)event_base_loop(it->loop, EVLOOP_ONCE);
    }
    say_left(it);
}

static void close_all(struct responder *it)
{
    responder_drop_runs(it);
    journal_close(it->journal);
    response_close(it->gate);
    free(it->jobs);
    if (it->readable != NULL) {
        event_free(it->readable);
    }
    if (it->tick != NULL) {
        event_free(it->tick);
    }
    if (it->loop != NULL) {
        event_base_free(it->loop);
    }
    free(it);
}

static void ignore_signals(void)
{
    static const int for_others[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGQUIT};

    for (size_t i = 0; i < sizeof for_others / sizeof for_others[0]; i++) {
        (void)signal(for_others[i], SIG_IGN);
    }
}

int responder_run(const struct responder_options *options, int fd, bool first)
{
    struct error error = {0};
    struct responder *it = calloc(1, sizeof *it);

    if (it == NULL) {
        return EXIT_AGAIN;
    }
    it->options = *options;
    it->fd = fd;
    ignore_signals();
    (void)umask(077);
    enum status status = open_all(it, first, &error);
    if (status == STATUS_OK) {
        (void)wire_send_text(fd, WIRE_READY, "", "");
        serve(it);
    } else if (first) {
        (void)wire_send_text(fd, WIRE_REFUSED, error.where, error.message);
    } else {
        log_error_struct(&error);
    }
    close_all(it);
    return status == STATUS_OK || first ? EXIT_GONE : EXIT_AGAIN;
}
