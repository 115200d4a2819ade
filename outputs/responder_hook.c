/* responder_hook.c - a hook as a whole: is it fit, what does it hold, what of that is nobody's.
 *
 *     want = decisions that are ACTIVE      have = what the hook lists (only its own)
 *         wanted, not had ──▶ asked again, with the time that is left
 *         had, not wanted ──▶ taken away
 *
 * Asked at the start, soon after each apply, and every 30 s: so what a restart of the far end forgot, a
 * flush by somebody else, or a crash between journal and act left behind is put right by the same few
 * lines. */
#include "outputs/responder_inside.h"

#include "base/log.h"
#include "outputs/hook_file.h"

static bool is_named(const struct hook *hook, const char *name)
{
    return strcmp(hook->name, name) == 0;
}

bool responder_hooks_open(struct responder *it)
{
    for (uint32_t i = 0; i < it->options.binding_count; i++) {
        const struct response_binding *binding = &it->options.bindings[i];
        struct hook *hook = it->hooks;
        while (hook < it->hooks + it->hook_count && !is_named(hook, binding->hook)) {
            hook++;
        }
        if (hook == it->hooks + it->hook_count) {
            it->hook_count++;
            (void)snprintf(hook->name, sizeof hook->name, "%s", binding->hook);
            hook->binding = i;
            hook->responder = it;
        }
        hook->is_auto |= binding->mode == RESPONSE_AUTO;
    }
    return it->hook_count > 0;
}

/* --- asking --- */

bool responder_ask(struct responder *it, struct hook *hook, const struct hook_request *request,
                   struct hook_run **out_run, struct error *error)
{
    char path[HOOK_PATH_BYTES];
    struct hook_request with_path = *request;

    with_path.path = path;
    with_path.timeout_ns = it->options.conf->timeout_ns;
    if (hook_file_check(it->options.conf->hooks, hook->name, path, error) != STATUS_OK ||
        hook_run_start(it->loop, &with_path, out_run, error) != STATUS_OK) {
        return false;
    }
    it->running++;
    return true;
}

struct slice responder_order(struct responder *it, const struct order *order)
{
    struct text text = text_into(it->order, sizeof it->order);

    text_format(&text, "{\"schema\":1,\"action\":\"%s\"", order->action);
    if (order->target != NULL) {
        text_string(&text, ",\"decision\":\"");
        text_hash128(&text, order->decision);
        text_format(&text, "\",\"target\":{\"type\":\"%s\",\"value\":\"",
                    response_target_word((enum response_target_type)order->target->type));
        (void)text_json(&text, slice_of_string(order->target->value));
        text_format(&text, "\"},\"ttl_s\":%" PRIu64 ",\"mode\":\"auto\",\"alert\":", order->ttl_s);
        text_slice_put(&text, order->alert.bytes > 0 ? order->alert : SLICE("{}"));
    }
    text_string(&text, "}");
    assert(!text.overflow);
    return text_slice(&text);
}

/* --- check --- */

static void bad(struct hook *hook, const char *why)
{
    hook->state = HOOK_BAD;
    (void)snprintf(hook->why, sizeof hook->why, "%s", why);
}

/* What the responses want of a hook must be what it says of itself. */
static void judge_bindings(struct hook *hook)
{
    const struct responder_options *options = &hook->responder->options;
    char why[HOOK_WHY_BYTES];

    for (uint32_t i = 0; i < options->binding_count; i++) {
        const struct response_binding *binding = &options->bindings[i];
        if (binding->mode != RESPONSE_AUTO || !is_named(hook, binding->hook)) {
            continue;
        }
        const char *word = response_target_word((enum response_target_type)binding->target);
        if (binding->target == RESPONSE_TARGET_NONE && hook->check.changes) {
            (void)snprintf(why, sizeof why,
                           "responses.%s.target is none, but the hook changes the world: name whom",
                           binding->name);
            bad(hook, why);
        } else if (!hook->check.targets[binding->target]) {
            (void)snprintf(why, sizeof why,
                           "responses.%s.target: the hook does not act on targets of type %s",
                           binding->name, word);
            bad(hook, why);
        }
    }
}

/* A far end that is away now (the hook says: try again) is no reason not to listen: the sensor starts. */
static void on_checked(void *owner, const struct hook_result *result)
{
    struct hook *hook = owner;
    char why[HOOK_WHY_BYTES * 2];
    bool understood = hook_answer_check(result->output, &hook->check);

    hook->run = NULL;
    hook->responder->running--;
    hook->state = HOOK_GOOD;
    hook->changes = hook->check.changes;
    judge_bindings(hook);
    if (understood && hook->check.ok && result->exit_code == HOOK_DONE) {
        return;
    }
    (void)snprintf(why, sizeof why, "its check fails%s%.*s%s%.*s",
                   understood && hook->check.error[0] != '\0' ? ": " : "", HOOK_WHY_BYTES,
                   understood ? hook->check.error : ": its answer is no JSON",
                   result->error[0] == '\0' ? "" : ": ", HOOK_WHY_BYTES / 2, result->error);
    if (understood && result->has_exit && result->exit_status == HOOK_TRY_AGAIN) {
        log_line(LOG_WARN, "hook %s: %s; it may be better when it is needed", hook->name, why);
    } else {
        bad(hook, why);
    }
}

static void check(struct responder *it, struct hook *hook)
{
    struct error error = {0};
    struct order wanted = {.action = "check"};
    struct hook_request request = {.verb = "check",
                                   .input = responder_order(it, &wanted),
                                   .on_done = on_checked,
                                   .owner = hook};

    hook->state = HOOK_CHECKING;
    if (!responder_ask(it, hook, &request, &hook->run, &error)) {
        bad(hook, error.message);
    }
}

void responder_hooks_check(struct responder *it)
{
    for (uint32_t i = 0; i < it->hook_count && it->running < RESPONDER_RUNNING_MAX; i++) {
        struct hook *hook = &it->hooks[i];
        if (hook->is_auto && hook->state == HOOK_UNCHECKED) {
            check(it, hook);
        }
    }
}

bool responder_hooks_refuse(const struct responder *it, char out[WIRE_TEXT_BYTES])
{
    for (uint32_t i = 0; i < it->hook_count; i++) {
        if (it->hooks[i].state == HOOK_BAD) {
            (void)snprintf(out, WIRE_TEXT_BYTES, "hook %.64s: %.900s", it->hooks[i].name,
                           it->hooks[i].why);
            return true;
        }
    }
    return false;
}

/* --- list --- */

static bool wants(const struct responder *it, const struct hook *hook,
                  const struct response_target *target)
{
    for (uint32_t i = 0; i < it->job_count; i++) {
        const struct job *job = &it->jobs[i];
        const struct response_decision *decision = &it->decisions[i];
        if (job->state != JOB_NONE && response_target_equal(&decision->target, target) &&
            is_named(hook, it->options.bindings[decision->binding].hook)) {
            return true;
        }
    }
    return false;
}

static void note_surplus(struct hook *hook, const struct response_target *target)
{
    for (uint32_t i = 0; i < RESPONDER_SURPLUS_MAX; i++) {
        struct surplus *surplus = &hook->surplus[i];
        bool taken = surplus->waits || surplus->run != NULL;
        if (taken && response_target_equal(&surplus->target, target)) {
            return;
        }
    }
    for (uint32_t i = 0; i < RESPONDER_SURPLUS_MAX; i++) {
        struct surplus *surplus = &hook->surplus[i];
        if (!surplus->waits && surplus->run == NULL) {
            *surplus = (struct surplus){.target = *target, .waits = true, .hook = hook};
            return;
        }
    }
}

static bool is_listed(const struct hook_listed *items, uint32_t count,
                      const struct response_target *target)
{
    for (uint32_t i = 0; i < count; i++) {
        if (response_target_equal(&items[i].target, target)) {
            return true;
        }
    }
    return false;
}

/* Decisions that were active before the list was begun must be on it. */
static void put_back(struct responder *it, struct hook *hook, const struct hook_listed *items,
                     uint32_t count)
{
    uint64_t now_ns = hook_clock_ns();

    for (uint32_t i = 0; i < it->job_count; i++) {
        struct job *job = &it->jobs[i];
        const struct response_decision *decision = &it->decisions[i];
        if (job->state != JOB_ACTIVE || job->active_ns >= hook->list_begun_ns ||
            !is_named(hook, it->options.bindings[decision->binding].hook) ||
            is_listed(items, count, &decision->target) ||
            decision->expires_ns <= now_ns + 2 * NS_PER_S) {
            continue;
        }
        job->state = JOB_WAITING;
        job->again = true;
        job->put_back++;
        job->attempt = 0;
        job->due_ns = now_ns;
    }
}

static void on_listed(void *owner, const struct hook_result *result)
{
    static struct hook_listed items[HOOK_LISTED_MAX];
    struct hook *hook = owner;
    struct responder *it = hook->responder;
    uint32_t count = 0;

    hook->run = NULL;
    it->running--;
    if (result->exit_code != HOOK_DONE || !hook_answer_list(result->output, items, &count)) {
        if (!hook->listed_badly) {
            log_line(LOG_ERROR, "hook %s: it cannot say what it holds: %s", hook->name,
                     result->error[0] == '\0' ? "its answer is no list" : result->error);
        }
        hook->listed_badly = true;
        return;
    }
    hook->listed_badly = false;
    put_back(it, hook, items, count);
    for (uint32_t i = 0; i < count; i++) {
        if (!wants(it, hook, &items[i].target)) {
            note_surplus(hook, &items[i].target);
        }
    }
    responder_work(it);
}

static void list(struct responder *it, struct hook *hook, uint64_t now_ns)
{
    struct error error = {0};
    struct order wanted = {.action = "list"};
    struct hook_request request = {
        .verb = "list", .input = responder_order(it, &wanted), .on_done = on_listed, .owner = hook};

    hook->list_begun_ns = now_ns;
    hook->list_due_ns = now_ns + RESPONDER_LIST_NS;
    if (!responder_ask(it, hook, &request, &hook->run, &error)) {
        if (!hook->listed_badly) {
            log_error_struct(&error);
        }
        hook->listed_badly = true;
    }
}

void responder_hooks_list(struct responder *it, uint64_t now_ns)
{
    for (uint32_t i = 0; i < it->hook_count; i++) {
        struct hook *hook = &it->hooks[i];
        if (it->running < RESPONDER_RUNNING_MAX && hook->run == NULL && hook->changes &&
            !it->stopping && hook->list_due_ns <= now_ns) {
            list(it, hook, now_ns);
        }
    }
}

/* --- surplus --- */

static void on_taken(void *owner, const struct hook_result *result)
{
    struct surplus *surplus = owner;
    struct responder *it = surplus->hook->responder;
    bool applied;
    bool verified;
    bool done = result->exit_code == HOOK_NOTHING_TO_UNDO ||
                (result->exit_code == HOOK_DONE &&
                 hook_answer_done(result->output, &applied, &verified) && verified);
    struct response_step step = responder_surplus_step(it, surplus);

    surplus->run = NULL;
    it->running--;
    step.step = done ? STEP_RECONCILED : STEP_FAILED; /* the next list finds it again */
    responder_step_result(&step, result);
    responder_tell(it, &step);
    responder_work(it);
}

static void take_away(struct responder *it, struct surplus *surplus)
{
    struct error error = {0};
    struct order wanted = {.action = "revoke", .target = &surplus->target};
    struct hook_request request = {.verb = "revoke",
                                   .input = responder_order(it, &wanted),
                                   .on_done = on_taken,
                                   .owner = surplus};

    surplus->waits = false;
    if (!responder_ask(it, surplus->hook, &request, &surplus->run, &error)) {
        log_error_struct(&error);
    }
}

bool responder_surplus_work(struct responder *it)
{
    for (uint32_t i = 0; i < it->hook_count; i++) {
        for (uint32_t k = 0; k < RESPONDER_SURPLUS_MAX; k++) {
            struct surplus *surplus = &it->hooks[i].surplus[k];
            if (surplus->waits && wants(it, surplus->hook, &surplus->target)) {
                surplus->waits = false; /* somebody asked for it meanwhile */
            } else if (surplus->waits) {
                if (it->running >= RESPONDER_RUNNING_MAX) {
                    return false;
                }
                take_away(it, surplus);
            }
        }
    }
    return true;
}
