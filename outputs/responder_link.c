/* responder_link.c - two forks at the beginning, and one socket. */
#include "outputs/responder_link.h"

#include "base/log.h"
#include "outputs/hook_run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SOCKET_BYTES = 1 << 20, PAUSE_S_MAX = 60, POLL_MS = 200, END_MS_MAX = 2000 };
enum { LEFT_BYTES = 4095, LEFT_ROUNDS = 5 };
#define START_SLACK_NS (10 * NS_PER_S)

struct responder_link {
    int fd;
    pid_t starter;
    struct protected_list *protected_list; /* as the process has it */
    struct protected_share *share;
    uint64_t timeout_ns;
    bool gone;
    bool stopping; /* its end is what we asked for */
    bool ready_before;
    bool full_said;
    uint32_t lost; /* steps that the process could not send, as it told last */
    uint64_t refused;
    union wire wire;
};

/* --- the starter --- */

/* true: the sensor is gone. Waits at most that long. */
static bool sensor_is_gone(int fd, unsigned wait_ms)
{
    struct pollfd look = {.fd = fd, .events = 0};

    return poll(&look, 1, (int)wait_ms) > 0 && (look.revents & (POLLHUP | POLLERR)) != 0;
}

static void ignore_signals(void)
{
    (void)signal(SIGINT, SIG_IGN);
    (void)signal(SIGTERM, SIG_IGN);
    (void)signal(SIGHUP, SIG_IGN);
    (void)signal(SIGQUIT, SIG_IGN);
}

/* Whoever reads our standard output must not wait for us. */
static void leave_terminal(void)
{
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (nothing >= 0) {
        (void)dup2(nothing, STDIN_FILENO);
        (void)dup2(nothing, STDOUT_FILENO);
        (void)close(nothing);
    }
}

/* What hooks left behind comes to us (PR_SET_CHILD_SUBREAPER) and is reaped with it. */
static int reap_until(pid_t child)
{
    int status = 0;
    pid_t ended;

    do {
        ended = waitpid(-1, &status, 0);
    } while (ended != child && (ended >= 0 || errno == EINTR));
    return ended == child ? status : -1;
}

/* A hook that runs when its response process dies is ended: nobody else knows its time limit. What has
 * gone to a session of its own meant to stay. */
static void end_left(void)
{
    char path[64];
    char text[LEFT_BYTES + 1];

    (void)snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t bytes = fd < 0 ? -1 : read(fd, text, LEFT_BYTES);
    if (fd >= 0) {
        (void)close(fd);
    }
    struct slice rest = slice_of(text, bytes > 0 ? (size_t)bytes : 0);
    while (rest.bytes > 0) {
        uint64_t pid = 0;
        if (!slice_u64(slice_split(&rest, ' '), &pid) || pid <= 1 || pid > INT32_MAX ||
            getsid((pid_t)pid) != getsid(0)) {
            continue;
        }
        pid_t group = getpgid((pid_t)pid);
        if (group > 1 && group != getpgrp()) {
            (void)kill(-group, SIGKILL);
        }
        (void)kill((pid_t)pid, SIGKILL);
    }
}

/* The exit status of one response process; -1: it could not be started, or was killed. */
static int run_one(const struct responder_options *options, int fd, bool first)
{
    pid_t child = fork();

    if (child == 0) {
        (void)prctl(PR_SET_NAME, "earshot-respond", 0, 0, 0);
        _exit(responder_run(options, fd, first));
    }
    if (child < 0) {
        return -1;
    }
    int status = reap_until(child);
    if (WIFEXITED(status)) {
        return WEXITSTATUS(status);
    }
    for (unsigned round = 0; round < LEFT_ROUNDS; round++) {
        const struct timespec rest = {.tv_nsec = (long)(POLL_MS * NS_PER_MS / 10)};
        end_left(); /* children of those that it ends come to us too */
        (void)nanosleep(&rest, NULL);
        while (waitpid(-1, NULL, WNOHANG) > 0) {
        }
    }
    return -1;
}

static void keep_running(const struct responder_options *options, int fd)
{
    unsigned pause_s = 1;

    (void)prctl(PR_SET_NAME, "earshot-starter", 0, 0, 0);
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    ignore_signals();
    leave_terminal();
    for (bool first = true; run_one(options, fd, first) != 0; first = false) {
        log_line(LOG_ERROR, "the response process died and is started again in %u s", pause_s);
        for (unsigned waited_ms = 0; waited_ms < pause_s * 1000; waited_ms += POLL_MS) {
            const struct timespec rest = {.tv_nsec = (long)(POLL_MS * NS_PER_MS)};
            if (sensor_is_gone(fd, 0)) {
                return;
            }
            (void)nanosleep(&rest, NULL);
        }
        pause_s = pause_s * 2 < PAUSE_S_MAX ? pause_s * 2 : PAUSE_S_MAX;
    }
}

/* --- the start --- */

static enum status await_ready(struct responder_link *link, uint64_t limit_ns, struct error *error)
{
    uint64_t until_ns = hook_clock_ns() + limit_ns;
    struct pollfd look = {.fd = link->fd, .events = POLLIN};

    while (hook_clock_ns() < until_ns) {
        (void)poll(&look, 1, POLL_MS);
        enum wire_result result = wire_receive(link->fd, &link->wire, &link->refused);
        if (result == WIRE_GONE) {
            break;
        }
        if (result == WIRE_OK && link->wire.head.type == WIRE_READY) {
            link->ready_before = true;
            return STATUS_OK;
        }
        if (result == WIRE_OK && link->wire.head.type == WIRE_REFUSED) {
            return error_set(error, STATUS_USAGE, link->wire.text.where, "%.700s",
                             link->wire.text.text);
        }
    }
    return error_set(error, STATUS_FAILED, "responses", "the response process does not start");
}

enum status responder_link_start(const struct responder_options *options,
                                 struct responder_link **out_link, struct error *error)
{
    struct responder_options its = *options;
    struct responder_link *link = calloc(1, sizeof *link);
    int ends[2];
    int room = SOCKET_BYTES;

    if (link == NULL || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
        free(link);
        return error_system(error, STATUS_FAILED, "responses", "no socket for its process");
    }
    if (protected_share_open(&link->share, error) != STATUS_OK) {
        (void)close(ends[0]);
        (void)close(ends[1]);
        free(link);
        return error->code;
    }
    its.share = link->share;
    link->protected_list = options->protected_list;
    (void)setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    (void)setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    link->fd = ends[0];
    link->timeout_ns = options->conf->timeout_ns;
    (void)fflush(NULL);
    link->starter = fork();
    if (link->starter == 0) {
        (void)close(ends[0]);
        keep_running(&its, ends[1]);
        _exit(0);
    }
    (void)close(ends[1]);
    enum status status = STATUS_OK;
    if (link->starter < 0) {
        status = error_system(error, STATUS_FAILED, "responses", "its process cannot be started");
    } else {
        uint64_t rounds = options->binding_count / RESPONDER_RUNNING_MAX + 1;
        status =
            await_ready(link, rounds * (link->timeout_ns + HOOK_GRACE_NS) + START_SLACK_NS, error);
    }
    if (status != STATUS_OK) {
        responder_link_close(link);
        return status;
    }
    *out_link = link;
    return STATUS_OK;
}

/* --- while the sensor runs --- */

static void is_gone(struct responder_link *link)
{
    if (!link->gone && !link->stopping) {
        log_line(LOG_ERROR, "the response process is gone for good: nothing is done about alerts "
                            "until the sensor is restarted");
    }
    link->gone = true;
}

struct additions {
    struct responder_link *link;
    uint32_t count;
};

static bool add_entry(void *owner, const struct protected_entry *entry)
{
    struct additions *additions = owner;
    struct responder_link *link = additions->link;

    additions->count++;
    return protected_add_entry(link->protected_list, entry) &&
           protected_share_add(link->share, entry);
}

bool responder_link_protect(struct responder_link *link, const struct protected_list *list,
                            uint32_t *out_added, uint32_t *out_stay)
{
    struct additions additions = {.link = link};
    bool room = protected_missing(link->protected_list, list, add_entry, &additions, out_stay);

    *out_added = additions.count;
    return room;
}

bool responder_link_send(struct responder_link *link, const struct response_alert *alert,
                         struct slice json, const char **out_why)
{
    enum wire_result result = link->gone ? WIRE_GONE : wire_send_alert(link->fd, alert, json);

    if (result == WIRE_GONE) {
        is_gone(link);
        *out_why = "the response process is gone";
    } else if (result == WIRE_FULL) {
        if (!link->full_said) {
            log_line(LOG_ERROR, "the response process does not keep up: alerts are refused");
        }
        link->full_said = true;
        *out_why = "the response process does not keep up";
    } else {
        link->full_said = false;
    }
    return result == WIRE_OK;
}

static void note_lost(struct responder_link *link, uint32_t lost)
{
    if (lost > link->lost) {
        log_line(LOG_ERROR, "%" PRIu32 " steps of responses found no room and have no record",
                 lost - link->lost);
    }
    link->lost = lost; /* a new process begins at 0 */
}

bool responder_link_next(struct responder_link *link, struct response_step *out_step)
{
    while (!link->gone) {
        enum wire_result result = wire_receive(link->fd, &link->wire, &link->refused);
        if (result == WIRE_FULL) {
            return false;
        }
        if (result == WIRE_GONE) {
            is_gone(link);
            return false;
        }
        if (link->wire.head.type == WIRE_STEP) {
            note_lost(link, link->wire.head.lost);
            *out_step = link->wire.step.step;
            return true;
        }
        if (link->wire.head.type == WIRE_READY) {
            log_line(LOG_WARN, "the response process was started again");
        }
    }
    return false;
}

/* --- the end --- */

void responder_link_stop(struct responder_link *link)
{
    if (!link->gone) {
        (void)wire_send_text(link->fd, WIRE_STOP, "", "");
        (void)shutdown(link->fd, SHUT_WR);
        link->stopping = true;
    }
}

bool responder_link_is_over(struct responder_link *link)
{
    struct pollfd look = {.fd = link->fd, .events = 0};

    return link->gone || (poll(&look, 1, 0) > 0 && (look.revents & (POLLHUP | POLLERR)) != 0);
}

uint64_t responder_link_stop_ns(const struct responder_link *link)
{
    return link->timeout_ns + HOOK_GRACE_NS + 5 * NS_PER_S;
}

/* A response process that stands still (a disk that does not answer) keeps its starter. It is left
 * alone: it ends by itself when it goes on, and the sensor ends now. */
static void end_starter(pid_t starter)
{
    const struct timespec rest = {.tv_nsec = (long)(POLL_MS * NS_PER_MS / 10)};
    pid_t ended = 0;

    for (unsigned waited_ms = 0; ended == 0 && waited_ms < END_MS_MAX; waited_ms += POLL_MS / 10) {
        ended = waitpid(starter, NULL, WNOHANG);
        if (ended == 0) {
            (void)nanosleep(&rest, NULL);
        }
    }
    if (ended == 0) {
        log_line(LOG_ERROR, "the response process stands still and is left alone: what it was "
                            "doing is taken up by the next start");
        (void)kill(starter, SIGKILL);
        while (waitpid(starter, NULL, 0) < 0 && errno == EINTR) {
        }
    }
}

void responder_link_close(struct responder_link *link)
{
    if (link == NULL) {
        return;
    }
    (void)close(link->fd); /* both end with it */
    if (link->starter > 0) {
        end_starter(link->starter);
    }
    protected_share_close(link->share);
    free(link);
}
