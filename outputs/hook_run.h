/* hook_run.h - one run of a hook: started, fed, listened to, and ended whatever it does.
 *
 * Owns      the process, its group, its pipes, what it said, from start until on_done.
 * Borrows   the loop for its life; the input until the hook has it (copied).
 * Time      CLOCK_BOOTTIME, for the time limit.
 * Bounds    HOOK_OUTPUT_BYTES of output, HOOK_SAID_BYTES of error text; the time limit and then
 *           HOOK_GRACE_NS; processor time, memory, file size and processes of the group.
 * Errors    start: what cannot be run. After that everything is a result.
 * Thread    the loop's.
 *
 * No shell: posix_spawn, argv of two words, an environment of four, standard input JSON, working
 * folder /, umask 077, no descriptor but 0 to 2, a process group of its own. When its first process
 * ends, the rest of the group is killed. A descendant that leaves the group (setsid) is not followed. */
#ifndef OUTPUTS_HOOK_RUN_H
#define OUTPUTS_HOOK_RUN_H

#include "base/clock.h"
#include "base/slice.h"

struct event_base;

enum { HOOK_OUTPUT_BYTES = 64 << 10, HOOK_SAID_BYTES = 1024 };
#define HOOK_GRACE_NS (2 * NS_PER_S) /* from SIGTERM to SIGKILL */

enum hook_exit {
    HOOK_DONE = 0,
    HOOK_ALREADY_SO = 10,
    HOOK_TRY_AGAIN = 20,
    HOOK_REFUSED = 30,
    HOOK_NOTHING_TO_UNDO = 40,
    HOOK_MISCONFIGURED = 50,
};

struct hook_result {
    int exit_code; /* as one of enum hook_exit; what is none of them, a signal or the limit: TRY_AGAIN */
    bool has_exit; /* it ended by itself, with `exit_status` */
    int exit_status;
    uint32_t pid;
    uint64_t duration_ns;
    struct slice output; /* what it said; none when it said too much */
    const char *error; /* its standard error, printable; or what ended it */
};

struct hook_request {
    const char *path;
    const char *verb; /* check, apply, revoke, list */
    struct slice input;
    uint64_t timeout_ns;
    /* The result is gone when it returns; the run too. */
    void (*on_done)(void *owner, const struct hook_result *result);
    void *owner;
};

struct hook_run;

MUST_USE enum status hook_run_start(struct event_base *loop, const struct hook_request *request,
                                    struct hook_run **out_run, struct error *error);
/* Kills it now, without on_done. */
void hook_run_drop(struct hook_run *run);
uint64_t hook_clock_ns(void); /* CLOCK_BOOTTIME */

#endif
