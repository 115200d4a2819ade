/* responder_job.c - from a decision to its end.
 *
 * Nothing is asked of a hook that is not in the journal before; nothing is believed that was not read
 * back. What was asked once and did not come out well may be there all the same, so it is taken back
 * like what did. Taking back is tried for ever; from the third failure on it is an alarm each time.
 *
 * Order of work: what is to be taken back first, then what is to be done, the oldest first; at most
 * RESPONDER_RUNNING_MAX hooks at once, and one for each target. */
#include "outputs/responder_inside.h"

#include "base/log.h"

enum { TRIES = 5, ALARM_AFTER = 3, PUT_BACK_MAX = 5 };
enum { ALERT_KEPT_BYTES = 256 + 6 * RESPONSE_RULE_BYTES }; /* a rule escaped, and words */
#define LIST_SOON_NS (2 * NS_PER_S) /* what was just done is looked for in the list */

/* Before the next attempt. */
static uint64_t pause_ns(uint32_t attempt, bool revokes)
{
    static const uint64_t pauses_s[] = {1, 5, 30, 120, 300};
    uint32_t last = sizeof pauses_s / sizeof pauses_s[0] - 1;
    uint32_t index = attempt == 0 ? 0 : attempt - 1;

    index = index < last ? index : last - !revokes;
    return pauses_s[index] * NS_PER_S;
}

static struct response_decision *decision_of(const struct job *job)
{
    struct responder *it = job->responder;

    return &it->decisions[job - it->jobs];
}

struct hook *responder_hook(struct responder *it, const struct response_decision *decision)
{
    const char *name = it->options.bindings[decision->binding].hook;

    for (uint32_t i = 0; i < it->hook_count; i++) {
        if (strcmp(it->hooks[i].name, name) == 0) {
            return &it->hooks[i];
        }
    }
    assert(false); /* every binding's hook was opened */
    return NULL;
}

struct journal_now responder_now(const struct responder *it)
{
    struct timespec wall = {0};

    (void)clock_gettime(CLOCK_REALTIME, &wall);
    return (struct journal_now){.boot_ns = hook_clock_ns(),
                                .wall_ns =
                                    (uint64_t)wall.tv_sec * NS_PER_S + (uint64_t)wall.tv_nsec,
                                .boot = it->boot};
}

/* As the log may say it: no name and no number stands there, whatever privacy says. */
static const char *whom(uint8_t type, const char *value)
{
    switch ((enum response_target_type)type) {
    case RESPONSE_TARGET_IP:
        return value;
    case RESPONSE_TARGET_ACCOUNT:
        return "an account";
    case RESPONSE_TARGET_NUMBER:
        return "a number";
    case RESPONSE_TARGET_NONE:
    case RESPONSE_TARGET_TYPES:
        break;
    }
    return "something";
}

static const char *protected_because(const struct job *job)
{
    return protected_why(job->responder->options.protected_list, &decision_of(job)->target);
}

/* --- the end of a job --- */

static void drop_alert(struct job *job)
{
    job->responder->alert_bytes -= job->alert_bytes;
    free(job->alert);
    job->alert = NULL;
    job->alert_bytes = 0;
}

static void give_back(struct job *job)
{
    struct responder *it = job->responder;
    struct error error = {0};
    struct hash128 id = decision_of(job)->id;

    if (job->journaled && !journal_end(it->journal, id, &error)) {
        log_error_struct(&error); /* the next start takes it back once more */
    }
    drop_alert(job);
    response_release(it->gate, decision_of(job));
    *job = (struct job){.responder = it};
}

static void tell(struct job *job, enum step step, const char *reason,
                 const struct hook_result *result)
{
    struct response_step told = responder_step_of(job->responder, job, step);

    (void)snprintf(told.reason, sizeof told.reason, "%s", reason);
    if (result != NULL) {
        responder_step_result(&told, result);
    }
    responder_tell(job->responder, &told);
}

/* It is to be taken back from now on. */
static void begin_end(struct job *job, const char *reason)
{
    struct error error = {0};

    if (job->journaled && !journal_ending(job->responder->journal, decision_of(job)->id, &error)) {
        log_error_struct(&error); /* a next start would put it back for the time that is left */
    }
    job->state = JOB_ENDING;
    job->attempt = 0;
    job->due_ns = hook_clock_ns();
    tell(job, STEP_EXPIRING, reason, NULL);
}

/* No more attempts: what may be there is taken back, what cannot be is forgotten. */
static void give_up(struct job *job, const char *reason, const struct hook_result *result)
{
    struct response_step told = responder_step_of(job->responder, job, STEP_FAILED);

    (void)snprintf(told.reason, sizeof told.reason, "%s", reason);
    if (result != NULL) {
        responder_step_result(&told, result);
    }
    if (responder_is_stopped(job->responder)) {
        told.guard = GUARD_KILL_SWITCH;
    } else if (protected_because(job) != NULL) {
        told.guard = GUARD_NEVER_BLOCK;
    }
    responder_tell(job->responder, &told);
    if (job->may_be_there && job->journaled) {
        begin_end(job, "it may have been done in part");
    } else {
        give_back(job);
    }
}

/* --- apply --- */

static void applied_well(struct job *job, const struct hook *hook, struct response_step *told)
{
    told->step = STEP_ACTIVE;
    if (job->again) {
        told->step = STEP_RECONCILED;
        (void)snprintf(told->reason, sizeof told->reason,
                       "the hook did not list it any more; it was put back");
    }
    responder_tell(job->responder, told);
    drop_alert(job);
    if (!hook->changes || !job->journaled) {
        give_back(job); /* a message was sent: there is nothing to take back */
        return;
    }
    job->state = JOB_ACTIVE;
    job->active_ns = hook_clock_ns();
    job->attempt = 0;
    job->again = false;
}

static void apply_failed(struct job *job, const char *reason, const struct hook_result *result)
{
    uint64_t now_ns = hook_clock_ns();
    bool for_good = result != NULL &&
                    (result->exit_code == HOOK_REFUSED || result->exit_code == HOOK_MISCONFIGURED);

    if (for_good || job->attempt >= TRIES || job->responder->stopping) {
        job->may_be_there = job->may_be_there && !(for_good && job->attempt == 1);
        give_up(job, reason, result);
        return;
    }
    tell(job, STEP_FAILED, reason, result);
    job->state = JOB_WAITING;
    job->due_ns = now_ns + pause_ns(job->attempt, false);
}

static void on_applied(void *owner, const struct hook_result *result)
{
    struct job *job = owner;
    struct responder *it = job->responder;
    struct hook *hook = responder_hook(it, decision_of(job));
    struct response_step told = responder_step_of(it, job, STEP_ACTIVE);
    bool applied;
    bool verified;
    bool done = result->exit_code == HOOK_DONE || result->exit_code == HOOK_ALREADY_SO;
    bool understood = hook_answer_done(result->output, &applied, &verified);

    job->run = NULL;
    it->running--;
    hook->list_due_ns = hook->changes ? hook_clock_ns() + LIST_SOON_NS : hook->list_due_ns;
    told.has_verified = understood;
    told.verified = understood && verified;
    responder_step_result(&told, result);
    if (done && (!hook->changes || (understood && applied && verified))) {
        applied_well(job, hook, &told);
    } else if (done) {
        apply_failed(job, "the hook says that it is done, but has not read it back", result);
    } else {
        apply_failed(job, "the hook did not do it", result);
    }
    responder_work(it);
}

static uint64_t left_s(const struct response_decision *decision)
{
    uint64_t now_ns = hook_clock_ns();
    uint64_t left_ns = decision->expires_ns > now_ns ? decision->expires_ns - now_ns : 0;

    left_ns = left_ns < decision->ttl_ns ? left_ns : decision->ttl_ns;
    return (left_ns + NS_PER_S - 1) / NS_PER_S;
}

/* The record where it is still there, else what the decision has of it: also after a restart. */
static struct slice alert_of(const struct job *job, struct text *text)
{
    const struct response_decision *decision = decision_of(job);

    if (job->alert_bytes > 0) {
        return slice_of(job->alert, job->alert_bytes);
    }
    text_string(text, "{\"event\":{\"dataset\":\"earshot.alert\"},\"rule\":{\"id\":\"");
    (void)text_json(text, slice_of_string(decision->rule));
    text_string(text, "\"},\"earshot\":{\"alert\":{\"id\":\"");
    text_hash128(text, decision->alert_id);
    text_format(text, "\",\"level\":%u}}}", (unsigned)decision->level);
    assert(!text->overflow);
    return text_slice(text);
}

static void apply(struct responder *it, struct job *job)
{
    char room[ALERT_KEPT_BYTES];
    struct text kept = text_into(room, sizeof room);
    const struct response_decision *decision = decision_of(job);
    struct error error = {0};
    struct order wanted = {.action = "apply",
                           .decision = decision->id,
                           .target = &decision->target,
                           .ttl_s = left_s(decision),
                           .alert = alert_of(job, &kept)};
    struct hook_request request = {.verb = "apply",
                                   .input = responder_order(it, &wanted),
                                   .on_done = on_applied,
                                   .owner = job};

    job->state = JOB_APPLYING;
    job->attempt++;
    tell(job, STEP_APPLYING, "", NULL);
    if (!responder_ask(it, responder_hook(it, decision), &request, &job->run, &error)) {
        struct hook_result result = {.exit_code = HOOK_TRY_AGAIN, .error = error.message};
        apply_failed(job, "the hook could not be started", &result);
        return;
    }
    job->may_be_there = true;
}

/* --- revoke --- */

static void revoke_failed(struct job *job, const struct hook_result *result)
{
    const struct response_decision *decision = decision_of(job);

    tell(job, STEP_FAILED, "it was not taken back and will be tried again", result);
    if (job->attempt >= ALARM_AFTER) {
        log_line(LOG_ERROR, "hook %s: %s could not be taken back for the %" PRIu32 "th time: %s",
                 responder_hook(job->responder, decision)->name,
                 whom(decision->target.type, decision->target.value), job->attempt,
                 decision->target.type == RESPONSE_TARGET_IP ? result->error
                                                             : "its record says why");
    }
    job->state = JOB_ENDING;
    job->due_ns = hook_clock_ns() + pause_ns(job->attempt, true);
}

static void on_revoked(void *owner, const struct hook_result *result)
{
    struct job *job = owner;
    struct responder *it = job->responder;
    bool applied = false;
    bool verified = false;
    bool understood = hook_answer_done(result->output, &applied, &verified);
    bool nothing =
        result->exit_code == HOOK_NOTHING_TO_UNDO || result->exit_code == HOOK_ALREADY_SO;

    job->run = NULL;
    it->running--;
    if (nothing || (result->exit_code == HOOK_DONE && understood && verified)) {
        struct response_step told = responder_step_of(it, job, STEP_REVOKED);
        told.has_verified = understood;
        told.verified = verified;
        responder_step_result(&told, result);
        responder_tell(it, &told);
        give_back(job);
    } else {
        revoke_failed(job, result);
    }
    responder_work(it);
}

static void revoke(struct responder *it, struct job *job)
{
    char room[ALERT_KEPT_BYTES];
    struct text kept = text_into(room, sizeof room);
    const struct response_decision *decision = decision_of(job);
    struct error error = {0};
    struct order wanted = {.action = "revoke",
                           .decision = decision->id,
                           .target = &decision->target,
                           .alert = alert_of(job, &kept)};
    struct hook_request request = {.verb = "revoke",
                                   .input = responder_order(it, &wanted),
                                   .on_done = on_revoked,
                                   .owner = job};

    job->state = JOB_REVOKING;
    job->attempt++;
    if (!responder_ask(it, responder_hook(it, decision), &request, &job->run, &error)) {
        struct hook_result result = {.exit_code = HOOK_TRY_AGAIN, .error = error.message};
        revoke_failed(job, &result);
    }
}

/* --- from the gate --- */

static bool write_down(struct responder *it, struct job *job, struct error *error)
{
    const struct response_decision *decision = decision_of(job);
    const struct response_binding *binding = &it->options.bindings[decision->binding];
    struct journal_entry entry = {.id = decision->id,
                                  .alert_id = decision->alert_id,
                                  .begun = responder_now(it),
                                  .ttl_ns = decision->ttl_ns,
                                  .target_type = decision->target.type,
                                  .level = decision->level};

    static_assert(sizeof entry.response == sizeof binding->name, "the name fits");
    static_assert(sizeof entry.rule == sizeof decision->rule, "the rule fits");
    static_assert(sizeof entry.hook == sizeof binding->hook, "the hook fits");
    static_assert(sizeof entry.value == sizeof decision->target.value, "the target fits");
    memcpy(entry.response, binding->name, sizeof entry.response);
    memcpy(entry.rule, decision->rule, sizeof entry.rule);
    memcpy(entry.hook, binding->hook, sizeof entry.hook);
    memcpy(entry.value, decision->target.value, sizeof entry.value);
    job->journaled = journal_hold(it->journal, &entry, error);
    return job->journaled;
}

static void keep_alert(struct responder *it, struct job *job)
{
    size_t bytes = it->incoming->alert.json_bytes;

    if (bytes <= sizeof "{}" - 1 || /* it was too long for the line */
        it->alert_bytes + bytes > RESPONDER_ALERT_BYTES_MAX ||
        (job->alert = malloc(bytes)) == NULL) {
        return; /* the hook is told what the decision has of it */
    }
    memcpy(job->alert, it->incoming->alert.json, bytes);
    job->alert_bytes = bytes;
    it->alert_bytes += bytes;
}

static struct job *job_of(struct responder *it, struct hash128 decision)
{
    for (uint32_t i = 0; i < it->job_count; i++) {
        const struct response_decision *held = &it->decisions[i];
        if (held->held && !held->dry && held->id.high == decision.high &&
            held->id.low == decision.low && it->jobs[i].state == JOB_NONE) {
            return &it->jobs[i];
        }
    }
    return NULL;
}

void responder_on_step(void *owner, const struct response_step *step)
{
    struct responder *it = owner;
    struct error error = {0};

    if (step->step != STEP_PROPOSED) {
        responder_tell(it, step);
        return;
    }
    struct job *job = job_of(it, step->decision);
    assert(job != NULL);
    *job = (struct job){.state = JOB_WAITING, .responder = it, .due_ns = hook_clock_ns()};
    bool lasts = responder_hook(it, decision_of(job))->changes;
    if (lasts && !write_down(it, job, &error)) {
        struct hook_result result = {.error = error.message};
        give_up(job, "the journal cannot be written, so nothing is done", &result);
        return;
    }
    keep_alert(it, job);
    responder_tell(it, step);
}

/* --- over a restart --- */

static const struct response_binding *binding_of(const struct responder *it,
                                                 const struct journal_entry *entry)
{
    const struct response_binding *like = NULL;

    for (uint32_t i = 0; i < it->options.binding_count; i++) {
        const struct response_binding *binding = &it->options.bindings[i];
        if (strcmp(binding->hook, entry->hook) != 0) {
            continue;
        }
        if (strcmp(binding->name, entry->response) == 0) {
            return binding;
        }
        like = binding;
    }
    return like;
}

static void restore(struct responder *it, const struct journal_entry *entry)
{
    struct journal_now now = responder_now(it);
    const struct response_binding *binding = binding_of(it, entry);
    uint64_t left_ns = journal_left_ns(entry, &now);
    char reason[RESPONSE_REASON_BYTES];
    struct response_decision decision = {.id = entry->id,
                                         .alert_id = entry->alert_id,
                                         .level = entry->level,
                                         .begun_ns = now.boot_ns,
                                         .expires_ns = now.boot_ns + left_ns,
                                         .ttl_ns = entry->ttl_ns};
    bool known =
        binding != NULL && response_target_parse((enum response_target_type)entry->target_type,
                                                 slice_of_string(entry->value), &decision.target);

    if (!known) {
        log_line(LOG_ERROR,
                 "response %s holds %s by hook %s, which no response uses any more: take it back "
                 "by hand, or name the hook again",
                 entry->response, whom(entry->target_type, entry->value), entry->hook);
        return;
    }
    decision.binding = (uint32_t)(binding - it->options.bindings);
    memcpy(decision.rule, entry->rule, sizeof decision.rule);
    struct response_decision *cell = response_restore(it->gate, &decision);
    if (cell == NULL) {
        log_line(LOG_ERROR, "no room for %s, which hook %s holds",
                 whom(entry->target_type, entry->value), entry->hook);
        return;
    }
    struct job *job = &it->jobs[cell - it->decisions];
    *job =
        (struct job){.state = JOB_ACTIVE, .journaled = true, .may_be_there = true, .responder = it};
    responder_hook(it, cell)->changes = true; /* what is in the journal can be taken back */
    const char *why = protected_why(it->options.protected_list, &decision.target);
    if (entry->ending != 0) {
        begin_end(job, "it was to be taken back when the sensor stopped");
    } else if (why != NULL) {
        (void)snprintf(reason, sizeof reason, "the target is protected now: %s", why);
        begin_end(job, reason);
    } else if (binding->mode != RESPONSE_AUTO) {
        begin_end(job, "the response is not auto any more");
    }
}

void responder_restore(struct responder *it)
{
    uint32_t count = 0;
    const struct journal_entry *held =
        it->journal == NULL ? NULL : journal_held(it->journal, &count);

    for (uint32_t i = 0; i < count; i++) {
        restore(it, &held[i]);
    }
    if (it->journal != NULL && journal_rotten(it->journal) > 0) {
        log_line(LOG_ERROR,
                 "%" PRIu64 " entries of the journal of responses could not be read; what they "
                 "held is taken back",
                 journal_rotten(it->journal));
    }
}

/* --- what is due --- */

bool responder_target_is_busy(const struct responder *it, const struct hook *hook,
                              const struct response_target *target)
{
    for (uint32_t i = 0; i < it->job_count; i++) {
        if (it->jobs[i].run != NULL && target->type != RESPONSE_TARGET_NONE &&
            response_target_equal(&it->decisions[i].target, target)) {
            return true;
        }
    }
    for (uint32_t i = 0; i < RESPONDER_SURPLUS_MAX; i++) {
        if (hook->surplus[i].run != NULL &&
            response_target_equal(&hook->surplus[i].target, target)) {
            return true;
        }
    }
    return false;
}

/* The one of that state that has been due longest, of targets that no hook is at work on. */
static struct job *due(struct responder *it, enum job_state state, uint64_t now_ns)
{
    struct job *found = NULL;

    for (uint32_t i = 0; i < it->job_count; i++) {
        struct job *job = &it->jobs[i];
        if (job->state != state || job->due_ns > now_ns ||
            (found != NULL && found->due_ns <= job->due_ns)) {
            continue;
        }
        const struct response_decision *decision = &it->decisions[i];
        if (!responder_target_is_busy(it, responder_hook(it, decision), &decision->target)) {
            found = job;
        }
    }
    return found;
}

/* What was added to the never-block list is for what is done already, too. */
static void look_at_protected(struct responder *it)
{
    char reason[RESPONSE_REASON_BYTES];

    for (uint32_t i = 0; i < it->job_count; i++) {
        struct job *job = &it->jobs[i];
        bool holds = job->state == JOB_ACTIVE || job->state == JOB_WAITING;
        if (!holds || job->judged == it->added) {
            continue;
        }
        job->judged = it->added;
        const char *why = protected_because(job);
        if (why == NULL) {
            continue;
        }
        (void)snprintf(reason, sizeof reason, "the target is protected now: %s", why);
        if (job->state == JOB_WAITING) {
            give_up(job, reason, NULL);
        } else {
            begin_end(job, reason);
        }
    }
}

void responder_protect(struct responder *it)
{
    if (it->options.share != NULL) {
        (void)protected_share_take(it->options.share, &it->added, it->options.protected_list);
    }
}

static void look_at_time(struct responder *it, uint64_t now_ns)
{
    for (uint32_t i = 0; i < it->job_count; i++) {
        struct job *job = &it->jobs[i];
        bool is_over = it->decisions[i].held && it->decisions[i].expires_ns <= now_ns;
        if (!is_over || !job->journaled) {
            continue;
        }
        if (job->state == JOB_ACTIVE) {
            begin_end(job, "");
        } else if (job->state == JOB_WAITING) {
            give_up(job, "its time was over before the hook did it", NULL);
        }
    }
}

static void start(struct responder *it, struct job *job)
{
    if (responder_is_stopped(it)) {
        give_up(job, "the stop file is there", NULL);
    } else if (job->put_back > PUT_BACK_MAX) {
        give_up(job, "the hook says again and again that it is done, and does not list it", NULL);
    } else {
        apply(it, job);
    }
}

void responder_work(struct responder *it)
{
    uint64_t now_ns = hook_clock_ns();
    struct job *job;

    if (it->gone && !it->stopping) {
        return;
    }
    responder_protect(it);
    look_at_protected(it);
    look_at_time(it, now_ns);
    while (it->running < RESPONDER_RUNNING_MAX && (job = due(it, JOB_ENDING, now_ns)) != NULL) {
        revoke(it, job);
    }
    if (!it->stopping && !responder_surplus_work(it)) {
        return;
    }
    while (it->running < RESPONDER_RUNNING_MAX && (job = due(it, JOB_WAITING, now_ns)) != NULL) {
        start(it, job);
    }
    responder_hooks_list(it, now_ns);
}

/* --- the end --- */

void responder_stop_jobs(struct responder *it)
{
    for (uint32_t i = 0; i < it->job_count; i++) {
        struct job *job = &it->jobs[i];
        bool undo = it->options.conf->undo_at_stop;
        if (job->state == JOB_WAITING && !job->may_be_there) {
            give_up(job, "the sensor stops", NULL);
        } else if (undo && (job->state == JOB_ACTIVE || job->state == JOB_WAITING)) {
            begin_end(job, "the sensor stops");
        }
    }
}

uint32_t responder_ending(const struct responder *it)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < it->job_count; i++) {
        count += it->jobs[i].state == JOB_ENDING || it->jobs[i].state == JOB_REVOKING;
    }
    return count;
}

/* A hook that runs is heard out, within its time limit; so is what waits to be told. */
bool responder_has_work(const struct responder *it)
{
    if (it->untold_count > 0) {
        return true;
    }
    for (uint32_t i = 0; i < it->job_count; i++) {
        enum job_state state = (enum job_state)it->jobs[i].state;
        bool runs = state == JOB_APPLYING || state == JOB_REVOKING;
        if (runs || (state == JOB_ENDING && it->options.conf->undo_at_stop)) {
            return true;
        }
    }
    return false;
}

void responder_drop_runs(struct responder *it)
{
    for (uint32_t i = 0; i < it->job_count; i++) {
        if (it->jobs[i].run != NULL) {
            hook_run_drop(it->jobs[i].run);
        }
        free(it->jobs[i].alert);
    }
    for (uint32_t i = 0; i < it->hook_count; i++) {
        struct hook *hook = &it->hooks[i];
        if (hook->run != NULL) {
            hook_run_drop(hook->run);
        }
        for (uint32_t k = 0; k < RESPONDER_SURPLUS_MAX; k++) {
            if (hook->surplus[k].run != NULL) {
                hook_run_drop(hook->surplus[k].run);
            }
        }
    }
}
