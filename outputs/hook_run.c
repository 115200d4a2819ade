/* hook_run.c - a child at the end of three pipes.
 *
 *            stdin ◀── input ──┐                    every end is an event of the loop; so are the end of
 *     hook   stdout ── 64 KiB ─▶ run ──▶ on_done    the process (a pidfd) and the time limit
 *            stderr ── 1 KiB ──▶
 *
 * The run is over when the first process has ended. Then its group is killed before it is reaped: as
 * long as it is a zombie its number is not given to anybody else. What stands in the pipes at that
 * moment is taken, and nothing is waited for: a grandchild that holds them open holds nobody up.
 *
 * The limits are set from outside right after the start (prlimit): posix_spawn cannot carry them, and
 * setting them here before it would be setting them for ourselves. What runs in between is the dynamic
 * linker. */
/* First: its headers name what banned.h forbids. */
#include <event2/event.h>

#include "outputs/hook_run.h"

#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* The kernel counts all tasks of the user against PROCESSES, those of the sensor and of others too: so
 * it is far above what a hook needs, and there to end a hook that forks without end. */
enum { CPU_SECONDS = 5, PROCESSES = 4096 };
#define ADDRESS_BYTES ((rlim_t)256 << 20)
#define FILE_BYTES ((rlim_t)1 << 20)

enum { PIPE_IN, PIPE_OUT, PIPE_ERR, PIPES };

struct hook_run {
    struct hook_request request;
    struct event_base *loop;
    pid_t pid;
    int pidfd;
    int pipes[PIPES]; /* our ends; -1 = closed */
    struct event *events[PIPES];
    struct event *ended;
    struct event *limit;
    uint64_t begun_ns;
    bool told_to_end; /* SIGTERM was sent */
    bool flooded;
    size_t written; /* of the input */
    size_t input_bytes;
    char *input;
    size_t output_bytes;
    size_t said_bytes;
    char output[HOOK_OUTPUT_BYTES];
    char said[HOOK_SAID_BYTES];
};

uint64_t hook_clock_ns(void)
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* The group, and the first process by itself: it may have gone to another group. */
static void signal_all(const struct hook_run *run, int number)
{
    (void)kill(-run->pid, number);
    (void)kill(run->pid, number);
}

/* --- closing --- */

static void close_pipe(struct hook_run *run, unsigned which)
{
    if (run->events[which] != NULL) {
        event_free(run->events[which]);
        run->events[which] = NULL;
    }
    if (run->pipes[which] >= 0) {
        (void)close(run->pipes[which]);
        run->pipes[which] = -1;
    }
}

static void free_run(struct hook_run *run)
{
    for (unsigned i = 0; i < PIPES; i++) {
        close_pipe(run, i);
    }
    if (run->ended != NULL) {
        event_free(run->ended);
    }
    if (run->limit != NULL) {
        event_free(run->limit);
    }
    if (run->pidfd >= 0) {
        (void)close(run->pidfd);
    }
    free(run->input);
    free(run);
}

void hook_run_drop(struct hook_run *run)
{
    signal_all(run, SIGKILL);
    while (waitpid(run->pid, NULL, 0) < 0 && errno == EINTR) {
    }
    free_run(run);
}

/* --- what it says --- */

static void end_group(struct hook_run *run)
{
    struct timeval grace = {.tv_sec = HOOK_GRACE_NS / NS_PER_S};

    signal_all(run, run->told_to_end ? SIGKILL : SIGTERM);
    run->told_to_end = true;
    (void)event_add(run->limit, &grace);
}

/* Takes what is there; what does not fit is read and dropped. true: more may come. */
static bool take(int fd, char *room, size_t *bytes, size_t capacity, bool *out_full)
{
    char spill[4096];

    for (unsigned rounds = 0; rounds < 32; rounds++) {
        size_t left = capacity - *bytes;
        ssize_t got = left > 0 ? read(fd, room + *bytes, left) : read(fd, spill, sizeof spill);
        if (got < 0) {
            return errno == EAGAIN || errno == EINTR;
        }
        if (got == 0) {
            return false;
        }
        if (left > 0) {
            *bytes += (size_t)got;
        } else {
            *out_full = true;
        }
    }
    return true;
}

static void on_output(evutil_socket_t fd, short what, void *owner)
{
    struct hook_run *run = owner;
    bool full = false;

    (void)what;
    bool more = take(fd, run->output, &run->output_bytes, sizeof run->output, &full);
    if (full && !run->flooded) {
        run->flooded = true;
        if (!run->told_to_end) {
            end_group(run);
        }
    }
    if (!more || full) {
        close_pipe(run, PIPE_OUT);
    }
}

static void on_said(evutil_socket_t fd, short what, void *owner)
{
    struct hook_run *run = owner;
    bool full = false;

    (void)what;
    if (!take(fd, run->said, &run->said_bytes, sizeof run->said, &full)) {
        close_pipe(run, PIPE_ERR);
    }
}

static void on_hungry(evutil_socket_t fd, short what, void *owner)
{
    struct hook_run *run = owner;

    (void)what;
    ssize_t put = write(fd, run->input + run->written, run->input_bytes - run->written);
    run->written += put > 0 ? (size_t)put : 0;
    bool gone = put < 0 && errno != EAGAIN && errno != EINTR;
    if (gone || run->written == run->input_bytes) {
        close_pipe(run, PIPE_IN);
    }
}

/* --- the end --- */

static int exit_of(int status)
{
    switch (WIFEXITED(status) ? WEXITSTATUS(status) : -1) {
    case HOOK_DONE:
    case HOOK_ALREADY_SO:
    case HOOK_REFUSED:
    case HOOK_NOTHING_TO_UNDO:
    case HOOK_MISCONFIGURED:
        return WEXITSTATUS(status);
    default:
        return HOOK_TRY_AGAIN;
    }
}

static void say_end(const struct hook_run *run, int status, struct text *text)
{
    struct slice said = slice_trim(slice_of(run->said, run->said_bytes));

    if (run->flooded) {
        text_format(text, "it said more than %d bytes and was ended", (int)HOOK_OUTPUT_BYTES);
    } else if (run->told_to_end) {
        text_string(text, "it did not end within response.timeout and was ended");
    } else if (WIFSIGNALED(status)) {
        text_format(text, "signal %d ended it", WTERMSIG(status));
    }
    if (said.bytes > 0) {
        text_string(text, text->bytes > 0 ? "; it said: " : "");
        text_printable(text, said);
    }
}

static void on_ended(evutil_socket_t fd, short what, void *owner)
{
    struct hook_run *run = owner;
    char error[HOOK_SAID_BYTES * 4 + 128];
    struct text text = text_into(error, sizeof error - 1);
    int status = 0;
    bool full = false;

    (void)fd;
    (void)what;
    signal_all(run, SIGKILL); /* before it is reaped */
    if (run->pipes[PIPE_OUT] >= 0) {
        (void)take(run->pipes[PIPE_OUT], run->output, &run->output_bytes, sizeof run->output,
                   &full);
        run->flooded |= full;
    }
    if (run->pipes[PIPE_ERR] >= 0) {
        (void)take(run->pipes[PIPE_ERR], run->said, &run->said_bytes, sizeof run->said, &full);
    }
    while (waitpid(run->pid, &status, 0) < 0 && errno == EINTR) {
    }
    say_end(run, status, &text);
    bool cut_off = run->flooded || run->told_to_end;
    struct hook_result result = {
        .exit_code = cut_off ? HOOK_TRY_AGAIN : exit_of(status),
        .has_exit = WIFEXITED(status) && !cut_off,
        .exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 0,
        .pid = (uint32_t)run->pid,
        .duration_ns = hook_clock_ns() - run->begun_ns,
        .output = run->flooded ? SLICE_NONE : slice_of(run->output, run->output_bytes),
        .error = text_terminate(&text),
    };
    run->request.on_done(run->request.owner, &result);
    free_run(run);
}

static void on_limit(evutil_socket_t fd, short what, void *owner)
{
    (void)fd;
    (void)what;
    end_group(owner);
}

/* --- the start --- */

static bool make_pipes(int ours[PIPES], int theirs[PIPES])
{
    for (unsigned i = 0; i < PIPES; i++) {
        int ends[2];
        if (pipe2(ends, O_CLOEXEC) != 0) {
            return false;
        }
        unsigned own = i == PIPE_IN ? 1 : 0;
        ours[i] = ends[own];
        theirs[i] = ends[1 - own];
        if (fcntl(ours[i], F_SETFL, O_NONBLOCK) != 0) {
            return false;
        }
    }
    return true;
}

static void close_ends(int ends[PIPES])
{
    for (unsigned i = 0; i < PIPES; i++) {
        if (ends[i] >= 0) {
            (void)close(ends[i]);
            ends[i] = -1;
        }
    }
}

static void limit(pid_t pid, int resource, rlim_t most)
{
    struct rlimit limit = {.rlim_cur = most, .rlim_max = most};

    (void)prlimit(pid, (enum __rlimit_resource)resource, &limit, NULL);
}

static int spawn(const struct hook_request *request, const int theirs[PIPES], pid_t *out_pid)
{
    static char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
    static char lang[] = "LANG=C";
    static char schema[] = "EARSHOT_SCHEMA=1";
    char *environment[] = {path, lang, schema, NULL};
    char *argv[] = {(char *)(uintptr_t)request->path, (char *)(uintptr_t)request->verb, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    sigset_t all;

    sigemptyset(&none);
    sigfillset(&all);
    int failed = posix_spawn_file_actions_init(&actions);
    if (failed != 0) {
        return failed;
    }
    failed = posix_spawnattr_init(&attributes);
    for (int i = 0; failed == 0 && i < PIPES; i++) {
        failed = posix_spawn_file_actions_adddup2(&actions, theirs[i], i);
    }
    failed = failed != 0 ? failed : posix_spawn_file_actions_addclosefrom_np(&actions, PIPES);
    failed = failed != 0 ? failed : posix_spawn_file_actions_addchdir_np(&actions, "/");
    failed = failed != 0 ? failed : posix_spawnattr_setpgroup(&attributes, 0);
    failed = failed != 0 ? failed : posix_spawnattr_setsigmask(&attributes, &none);
    failed = failed != 0 ? failed : posix_spawnattr_setsigdefault(&attributes, &all);
    failed = failed != 0 ? failed
                         : posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP |
                                                                     POSIX_SPAWN_SETSIGMASK |
                                                                     POSIX_SPAWN_SETSIGDEF);
    failed = failed != 0
                 ? failed
                 : posix_spawn(out_pid, request->path, &actions, &attributes, argv, environment);
    (void)posix_spawnattr_destroy(&attributes);
    (void)posix_spawn_file_actions_destroy(&actions);
    return failed;
}

static bool listen_to(struct hook_run *run)
{
    struct timeval most = {.tv_sec = (time_t)(run->request.timeout_ns / NS_PER_S),
                           .tv_usec = (suseconds_t)(run->request.timeout_ns % NS_PER_S / 1000)};
    event_callback_fn readers[PIPES] = {on_hungry, on_output, on_said};

    for (unsigned i = 0; i < PIPES; i++) {
        short what = i == PIPE_IN ? EV_WRITE : EV_READ;
        run->events[i] =
            event_new(run->loop, run->pipes[i], (short)(what | EV_PERSIST), readers[i], run);
        if (run->events[i] == NULL || event_add(run->events[i], NULL) != 0) {
            return false;
        }
    }
    run->ended = event_new(run->loop, run->pidfd, EV_READ, on_ended, run);
    run->limit = event_new(run->loop, -1, 0, on_limit, run);
    return run->pidfd >= 0 && run->ended != NULL && run->limit != NULL &&
           event_add(run->ended, NULL) == 0 && event_add(run->limit, &most) == 0;
}

enum status hook_run_start(struct event_base *loop, const struct hook_request *request,
                           struct hook_run **out_run, struct error *error)
{
    struct hook_run *run = calloc(1, sizeof *run);
    int theirs[PIPES] = {-1, -1, -1};

    if (run == NULL || (run->input = malloc(request->input.bytes + 1)) == NULL) {
        free(run);
        return error_set(error, STATUS_FAILED, request->path, "no memory to run it");
    }
    memcpy(run->input, request->input.at, request->input.bytes);
    run->input_bytes = request->input.bytes;
    run->request = *request;
    run->request.input = SLICE_NONE;
    run->loop = loop;
    run->pidfd = run->pipes[0] = run->pipes[1] = run->pipes[2] = -1;
    run->begun_ns = hook_clock_ns();
    if (!make_pipes(run->pipes, theirs)) {
        (void)error_system(error, STATUS_FAILED, request->path, "no pipes to run it with");
        close_ends(theirs);
        free_run(run);
        return STATUS_FAILED;
    }
    int failed = spawn(request, theirs, &run->pid);
    close_ends(theirs);
    if (failed != 0) {
        free_run(run);
        return error_set(error, STATUS_FAILED, request->path, "it cannot be started (%s)",
                         strerror(failed));
    }
    limit(run->pid, RLIMIT_CPU, CPU_SECONDS);
    limit(run->pid, RLIMIT_AS, ADDRESS_BYTES);
    limit(run->pid, RLIMIT_NPROC, PROCESSES);
    limit(run->pid, RLIMIT_FSIZE, FILE_BYTES);
    run->pidfd = pidfd_open(run->pid, 0);
    if (!listen_to(run)) {
        hook_run_drop(run);
        return error_set(error, STATUS_FAILED, request->path, "it cannot be watched");
    }
    *out_run = run;
    return STATUS_OK;
}
