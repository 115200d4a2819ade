/* responder_inside.h - what the files of the response process share. Inside responder*.c only.
 *
 * Owns      struct responder: jobs, hooks, the loop.
 * Borrows   what struct responder_options names.
 * Time      hook_clock_ns().
 * Bounds    those of responder.h.
 * Errors    none.
 * Thread    the process has one. */
#ifndef OUTPUTS_RESPONDER_INSIDE_H
#define OUTPUTS_RESPONDER_INSIDE_H

#include "outputs/hook_answer.h"
#include "outputs/hook_run.h"
#include "outputs/journal.h"
#include "outputs/responder.h"
#include "outputs/response_wire.h"

struct event;

/*      WAITING ──▶ APPLYING ──▶ ACTIVE ──time is up──▶ ENDING ──▶ REVOKING ──▶ (given back)
 *         ▲           │  ▲        │ not listed            ▲          │
 *         └─try again─┘  └────────┘                       └─try again┘                        */
enum job_state { JOB_NONE, JOB_WAITING, JOB_APPLYING, JOB_ACTIVE, JOB_ENDING, JOB_REVOKING };

/* What is done about one decision; at the same index as its cell in the gate. */
struct job {
    uint8_t state; /* enum job_state */
    bool journaled;
    bool again; /* it was there before, and is put back */
    bool may_be_there; /* a hook was asked for it at least once */
    uint32_t attempt;
    uint32_t put_back; /* how often it was not listed */
    uint64_t due_ns; /* of WAITING and ENDING: not before */
    uint64_t active_ns; /* since when it is ACTIVE */
    uint32_t judged; /* by so many entries that were added to the never-block list */
    struct hook_run *run;
    char *alert; /* the record as JSON; NULL = given up for room, or not known any more */
    size_t alert_bytes;
    struct responder *responder;
};

/* A target that a hook lists and nobody wants. */
struct surplus {
    struct response_target target;
    struct hook_run *run;
    bool waits;
    struct hook *hook;
};

enum hook_state { HOOK_UNCHECKED, HOOK_CHECKING, HOOK_GOOD, HOOK_BAD };

struct hook {
    char name[OPTION_TEXT_BYTES];
    uint32_t binding; /* the first that names it */
    bool is_auto; /* some response uses it so */
    bool changes;
    bool listed_badly; /* said */
    uint8_t state; /* enum hook_state */
    struct hook_run *run; /* check or list */
    uint64_t list_due_ns;
    uint64_t list_begun_ns;
    struct surplus surplus[RESPONDER_SURPLUS_MAX];
    struct hook_check check;
    char why[HOOK_WHY_BYTES * 2]; /* not good: why */
    struct responder *responder;
};

enum { RESPONDER_ORDER_BYTES = WIRE_JSON_BYTES_MAX + 4096 };

struct responder {
    struct responder_options options;
    int fd;
    struct event_base *loop;
    struct event *readable;
    struct event *tick;
    struct response *gate;
    struct response_decision *decisions;
    struct job *jobs;
    uint32_t job_count;
    struct journal *journal;
    struct hash128 boot;
    struct hook hooks[RESPONSE_BINDINGS_MAX];
    uint32_t hook_count;
    uint32_t running;
    uint32_t added; /* entries of the never-block list that were taken over */
    size_t alert_bytes; /* of all jobs */
    uint32_t steps_lost;
    bool deaf; /* no alert is taken until what waits has been told */
    uint32_t untold_first;
    uint32_t untold_count;
    struct response_step untold[RESPONDER_UNTOLD_MAX]; /* as a ring: the sensor had no room */
    uint64_t refused; /* messages of the sensor that were not sound */
    uint64_t refused_said;
    bool starter_gone_said;
    int starter;
    bool stopping; /* by itself: the sensor said so */
    bool gone; /* the sensor is */
    uint64_t stop_by_ns;
    const union wire *incoming; /* the alert that the gate is asked about */
    union wire wire;
    char order[RESPONDER_ORDER_BYTES];
};

/* --- responder_step.c: words to the sensor --- */
void responder_tell(struct responder *it, const struct response_step *step);
/* What found no room before; true: nothing waits any more. */
bool responder_tell_waiting(struct responder *it);
struct response_step responder_step_of(const struct responder *it, const struct job *job,
                                       enum step step);
/* A step of what was taken from a hook although no decision names it. */
struct response_step responder_surplus_step(const struct responder *it,
                                            const struct surplus *surplus);
/* What a run says of itself. */
void responder_step_result(struct response_step *step, const struct hook_result *result);
bool responder_is_stopped(void *owner); /* is the stop file there? */

/* --- responder_job.c: from a decision to its end --- */
/* The gate's answer to the incoming alert. */
void responder_on_step(void *owner, const struct response_step *step);
void responder_restore(struct responder *it);
/* Starts what is due; called at every tick and whenever a hook has ended. */
void responder_work(struct responder *it);
void responder_stop_jobs(struct responder *it);
/* Takes over what has been added to the never-block list. */
void responder_protect(struct responder *it);
bool responder_has_work(const struct responder *it);
uint32_t responder_ending(const struct responder *it); /* to be taken back, and not yet */
struct journal_now responder_now(const struct responder *it);
/* The hook of a decision. */
struct hook *responder_hook(struct responder *it, const struct response_decision *decision);
bool responder_target_is_busy(const struct responder *it, const struct hook *hook,
                              const struct response_target *target);
void responder_drop_runs(struct responder *it);

/* --- responder_hook.c: check, list, and what is to be taken away --- */
bool responder_hooks_open(struct responder *it);
void responder_hooks_check(struct responder *it);
/* The first reason against a start; false: all is good. */
bool responder_hooks_refuse(const struct responder *it, char out[WIRE_TEXT_BYTES]);
void responder_hooks_list(struct responder *it, uint64_t now_ns);
bool responder_surplus_work(struct responder *it);
/* Starts a run of a hook with the order for it. false: said in *error. */
bool responder_ask(struct responder *it, struct hook *hook, const struct hook_request *request,
                   struct hook_run **out_run, struct error *error);
/* The order as JSON, until the next one. */
struct order {
    const char *action;
    struct hash128 decision;
    const struct response_target *target;
    uint64_t ttl_s;
    struct slice alert;
};
struct slice responder_order(struct responder *it, const struct order *order);

#endif
