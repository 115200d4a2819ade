/* response.c - bindings, guards in a row, and the decisions that hold.
 *
 *     alert --rule, level--> binding --target--> guards --all passed--> a cell: who carries it out
 *                                                  '-- the first that is not --> a step, no more
 *
 * A decision keeps its cell until it has been taken back. Dry-run decisions keep theirs for their time
 * to live, so that the caps and the dedupe of a dry run answer as those of auto would; they are
 * counted apart and never take room from auto.
 *
 * An alert that opens proposes; an update does where its level is above all that was proposed for it.
 * Levels of RESPONSE_SEEN_MAX alerts are kept, the oldest goes first.
 *
 * Two-way proof: an address is proven by anything that it sent back, and that may have been somebody
 * honest there: a phone that registers, a stranger who called us once. So the counted events
 * themselves must have echoed. Whoever only asks (a scan, a flood) is not blocked: it could be in
 * any name. */
#include "outputs/response.h"

#include <stdarg.h>

enum { LEVELS = 4 };

/* clang-format off */
const struct option response_options[] = {
    OPTION("hooks", TEXT, response_conf, hooks, NULL, "/etc/earshot/hooks", NULL,
           "folder of the hooks; it and its files belong to root or to the sensor, and nobody else may write them"),
    OPTION("stop_file", TEXT, response_conf, stop_file, NULL, "/etc/earshot/response.stop", NULL,
           "while this file is there nothing new is done; what was done is still taken back"),
    OPTION("protect", NETWORKS, response_conf, protect, NULL, "", NULL,
           "addresses and networks that no response touches: own servers, trunks, gateways, management; what is taken off the list stays on it until a restart"),
    OPTION("protect_accounts", LIST, response_conf, protect_accounts, NULL, "", NULL,
           "accounts that no response touches, user@domain, or a user at any domain; taken off: after a restart"),
    OPTION("protect_numbers", LIST, response_conf, protect_numbers, NULL,
           "110, 112, 118, 911, 999, 000, 100, 101, 102, 108, 111, 119, 120, 122, 190, 192, 193, 988", NULL,
           "numbers that no response touches, beside the emergency numbers of site.country and site.emergency; taken off: after a restart"),
    OPTION("allow_private", NETWORKS, response_conf, allow_private, NULL, "", NULL,
           "private networks whose addresses may be touched"),
    OPTION("active", COUNT, response_conf, active, "1", "200", "1000",
           "decisions that hold at the same time, at most"),
    OPTION("per_minute", COUNT, response_conf, per_minute, "1", "10", "1000",
           "new decisions in a minute, at most; messages (target none) are counted by themselves"),
    OPTION("timeout", DURATION_NS, response_conf, timeout_ns, "1s", "10s", "1m",
           "how long a hook may run before it is ended"),
    OPTION("accounts_behind", COUNT, response_conf, accounts_behind, "0", "3", "1000",
           "an address behind which more accounts than this have logged in is not touched"),
    OPTION("undo_at_stop", BOOL, response_conf, undo_at_stop, NULL, "false", NULL,
           "take everything back when the sensor stops; false: it holds until its end, and the next start goes on with it"),
    {.kind = OPTION_END},
};

const struct option response_binding_options[] = {
    OPTION("rules", LIST, response_binding, rules, NULL, "", NULL,
           "detections that it is for; empty: all, but where somebody is the target only those of attacks: a phone with an old password is no attacker"),
    OPTION_CHOICE("severity", response_binding, severity, "high", "low|medium|high|critical|1|2|3|4",
                  "alerts of this severity and above"),
    OPTION("hook", TEXT, response_binding, hook, NULL, "", NULL,
           "name of the hook's file in response.hooks"),
    OPTION_CHOICE("target", response_binding, target, "source", "none|source|account|number",
                  "whom it is done to: nobody (a message), the source address, the account, the called number"),
    OPTION_CHOICE("mode", response_binding, mode, "dry-run", "off|dry-run|auto",
                  "off; dry-run: only a record of what would be done; auto: it is done"),
    OPTION("ttl", DURATION_NS, response_binding, ttl_ns, "1s", "10m", "1h",
           "after this it is taken back"),
    {.kind = OPTION_END},
};
/* clang-format on */

struct seen {
    struct hash128 id;
    uint8_t level;
};

/* Times of the last decisions, as a ring. */
struct minute {
    uint64_t at_ns[RESPONSE_WAITING_MAX]; /* 0 = none yet */
    uint32_t next;
};

struct response {
    struct response_options_open options;
    struct response_decision *decisions;
    uint32_t decision_count; /* cells */
    struct minute minutes[2][2]; /* [dry][a message]: neither takes room from the other */
    struct seen seen[RESPONSE_SEEN_MAX];
    uint32_t seen_next;
};

static const char *const guard_words[GUARDS] = {
    [GUARD_NONE] = "",
    [GUARD_KILL_SWITCH] = "kill-switch",
    [GUARD_NEVER_BLOCK] = "never-block",
    [GUARD_TWO_WAY_PROOF] = "two-way-proof",
    [GUARD_EXACT_SCOPE] = "exact-scope",
    [GUARD_CAPS] = "caps",
    [GUARD_DEDUPE] = "dedupe",
    [GUARD_TTL] = "ttl",
};

static const char *const step_words[STEPS] = {
    [STEP_PROPOSED] = "proposed", [STEP_REFUSED] = "refused", [STEP_DRY_RUN] = "dry-run",
    [STEP_APPLYING] = "applying", [STEP_ACTIVE] = "active",   [STEP_FAILED] = "failed",
    [STEP_EXPIRING] = "expiring", [STEP_REVOKED] = "revoked", [STEP_RECONCILED] = "reconciled",
};

const char *response_guard_word(enum guard guard)
{
    assert(guard < GUARDS);
    return guard_words[guard];
}

const char *response_step_word(enum step step)
{
    assert(step < STEPS);
    return step_words[step];
}

uint8_t response_level_of(unsigned severity)
{
    return (uint8_t)(severity % LEVELS + 1);
}

/* --- names that must be kept --- */

/* alice, alice@pbx.example or alice@[2001:db8::1], as alerts name accounts: no scheme, no port. */
static bool is_account_name(struct slice name)
{
    struct response_target ignored;
    char whole[RESPONSE_VALUE_BYTES];
    struct text text = text_into(whole, sizeof whole);
    size_t at = slice_find_last(name, '@');
    struct slice host = slice_from(name, at + 1);

    text_slice_put(&text, name);
    text_string(&text, at == name.bytes ? "@host" : "");
    return !text.overflow && slice_find(name, ':') >= at &&
           (slice_find(host, ':') == host.bytes || slice_starts_with(host, SLICE("["))) &&
           slice_find(host, ']') + 1 >= host.bytes &&
           response_target_parse(RESPONSE_TARGET_ACCOUNT, text_slice(&text), &ignored);
}

/* Digits, as people dial: no separators. */
static bool is_dialled(struct slice number)
{
    size_t from = slice_starts_with(number, SLICE("+")) ? 1 : 0;

    for (size_t i = from; i < number.bytes; i++) {
        if (strchr("0123456789*#", number.at[i]) == NULL || number.at[i] == '\0') {
            return false;
        }
    }
    return number.bytes > from;
}

static enum status check_names(const struct option_list *list, bool (*is_name)(struct slice name),
                               const char *key, const char *wanted, struct error *error)
{
    for (uint32_t i = 0; i < list->count; i++) {
        if (!is_name(slice_of_string(list->items[i]))) {
            return error_set(error, STATUS_USAGE, key, "found '%s', which would protect nobody: %s",
                             list->items[i], wanted);
        }
    }
    return STATUS_OK;
}

enum status response_check(const struct response_conf *conf, struct error *error)
{
    enum status status =
        check_names(&conf->protect_accounts, is_account_name, "response.protect_accounts",
                    "write user@domain, or user for any domain, without sip: and port", error);

    return status != STATUS_OK
               ? status
               : check_names(&conf->protect_numbers, is_dialled, "response.protect_numbers",
                             "write digits, with a + before them or not", error);
}

/* --- opening --- */

static uint32_t cells_of(const struct response_conf *conf)
{
    return 2 * (uint32_t)conf->active + RESPONSE_WAITING_MAX;
}

size_t response_bytes_max(const struct response_conf *conf)
{
    return sizeof(struct response) + cells_of(conf) * sizeof(struct response_decision);
}

enum status response_open(const struct response_options_open *options,
                          struct response **out_response, struct error *error)
{
    struct response *response = calloc(1, sizeof *response);
    uint32_t cells = cells_of(options->conf);

    if (response != NULL) {
        response->decisions = calloc(cells, sizeof *response->decisions);
    }
    if (response == NULL || response->decisions == NULL) {
        free(response);
        return error_set(error, STATUS_FAILED, "response", "no memory for its decisions");
    }
    response->options = *options;
    response->decision_count = cells;
    *out_response = response;
    return STATUS_OK;
}

void response_close(struct response *response)
{
    if (response != NULL) {
        free(response->decisions);
        free(response);
    }
}

/* --- which binding --- */

/* Who names no rules means all; but not that an honest phone, of which a fault is told, be blocked. */
bool response_binds(const struct response_binding *binding, const struct response_alert *alert)
{
    bool named =
        binding->rules.count == 0 && (alert->attack || binding->target == RESPONSE_TARGET_NONE);

    for (uint32_t i = 0; i < binding->rules.count && !named; i++) {
        named = strcmp(binding->rules.items[i], alert->rule) == 0;
    }
    return named && binding->mode != RESPONSE_OFF &&
           alert->level >= response_level_of(binding->severity);
}

static struct seen *seen_of(struct response *response, const struct response_alert *alert)
{
    for (uint32_t i = 0; i < RESPONSE_SEEN_MAX; i++) {
        struct seen *seen = &response->seen[i];
        if (seen->level != 0 && seen->id.high == alert->id.high && seen->id.low == alert->id.low) {
            return seen;
        }
    }
    return NULL;
}

bool response_wants(const struct response *response, const struct response_alert *alert)
{
    for (uint32_t i = 0; i < response->options.binding_count; i++) {
        if (response_binds(&response->options.bindings[i], alert)) {
            return true;
        }
    }
    return false;
}

/* --- one case on its way through the guards --- */

struct proposal {
    const struct response_alert *alert;
    const struct response_binding *binding;
    uint32_t index; /* of the binding */
    bool dry;
    bool exact; /* `target` is one */
    uint64_t now_ns;
    struct response_target target;
    char why[RESPONSE_REASON_BYTES];
};

static void PRINTF_LIKE(2, 3) because(struct proposal *it, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    (void)vsnprintf(it->why, sizeof it->why, format, values);
    va_end(values);
}

static void find_target(struct proposal *it)
{
    const struct response_alert *alert = it->alert;
    enum response_target_type type = (enum response_target_type)it->binding->target;

    it->target = (struct response_target){.type = (uint8_t)type};
    switch (type) {
    case RESPONSE_TARGET_NONE:
        it->exact = true;
        break;
    case RESPONSE_TARGET_IP:
        if (alert->has_source) {
            response_target_of_addr(&alert->source, &it->target);
            it->exact = true;
        }
        break;
    case RESPONSE_TARGET_ACCOUNT:
        it->exact = response_target_parse(type, slice_of_string(alert->account), &it->target);
        break;
    case RESPONSE_TARGET_NUMBER:
        it->exact = response_target_parse(type, slice_of_string(alert->called), &it->target);
        break;
    case RESPONSE_TARGET_TYPES:
        break;
    }
}

/* --- the guards: true = passed --- */

static bool kill_switch(struct response *response, struct proposal *it)
{
    if (response->options.stopped == NULL || !response->options.stopped(response->options.owner)) {
        return true;
    }
    because(it, "the stop file is there");
    return false;
}

static bool never_block(struct response *response, struct proposal *it)
{
    const char *why =
        it->exact ? protected_why(response->options.protected_list, &it->target) : NULL;

    if (why != NULL) {
        because(it, "the target is protected: %s", why);
        return false;
    }
    if (it->target.type == RESPONSE_TARGET_IP && it->alert->server) {
        because(it, "the target was learnt as a server: it has answered requests of others");
        return false;
    }
    return true;
}

/* Nobody is harmed by a message. */
static bool two_way_proof(struct response *response, struct proposal *it)
{
    const struct response_alert *alert = it->alert;

    (void)response;
    if (it->target.type == RESPONSE_TARGET_NONE) {
        return true;
    }
    if (!alert->has_source) {
        because(it, "the alert names no single source that could be proven");
        return false;
    }
    if (!alert->proven) {
        because(it, "the source has not shown that it hears us: its address may be forged");
        return false;
    }
    if (!alert->echoed) {
        because(it, alert->source_accounts > 0
                        ? "honest accounts live at the source, and the attack in its name proved "
                          "nothing"
                        : "the source hears us, but the attack in its name has not shown that it "
                          "does: it may be forged");
        return false;
    }
    return true;
}

static bool exact_scope(struct response *response, struct proposal *it)
{
    uint64_t most = response->options.conf->accounts_behind;

    if (!it->exact) {
        because(it, "the alert names no single %s",
                it->target.type == RESPONSE_TARGET_IP ? "address"
                                                      : response_target_word(it->target.type));
        return false;
    }
    if (it->target.type == RESPONSE_TARGET_IP && it->alert->source_accounts > most) {
        because(it,
                "%" PRIu32 " accounts live behind the address, more than response.accounts_behind",
                it->alert->source_accounts);
        return false;
    }
    return true;
}

/* A cell that nobody needs any more: dry ones end by themselves. */
static bool is_free(const struct response_decision *decision, uint64_t now_ns)
{
    return !decision->held || (decision->dry && decision->expires_ns <= now_ns);
}

static uint32_t held(const struct response *response, bool dry, uint64_t now_ns)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < response->decision_count; i++) {
        const struct response_decision *decision = &response->decisions[i];
        bool counts = decision->target.type != RESPONSE_TARGET_NONE;
        count += !is_free(decision, now_ns) && decision->dry == dry && counts;
    }
    return count;
}

static struct response_decision *free_cell(struct response *response, uint64_t now_ns)
{
    for (uint32_t i = 0; i < response->decision_count; i++) {
        if (is_free(&response->decisions[i], now_ns)) {
            return &response->decisions[i];
        }
    }
    return NULL;
}

static struct minute *minute_of(struct response *response, const struct proposal *it)
{
    return &response->minutes[it->dry][it->target.type == RESPONSE_TARGET_NONE];
}

/* Was the one that was made `per_minute` ago made within a minute? */
static bool minute_is_full(struct response *response, const struct proposal *it)
{
    const struct minute *minute = minute_of(response, it);
    uint32_t size = RESPONSE_WAITING_MAX;
    uint32_t most = (uint32_t)response->options.conf->per_minute;
    uint64_t oldest_ns = minute->at_ns[(minute->next + size - most) % size];

    return oldest_ns != 0 && it->now_ns < oldest_ns + NS_PER_MINUTE;
}

static bool caps(struct response *response, struct proposal *it)
{
    bool holds = it->target.type != RESPONSE_TARGET_NONE;

    if (holds && held(response, it->dry, it->now_ns) >= response->options.conf->active) {
        because(it, "as many hold already as response.active allows");
        return false;
    }
    if (minute_is_full(response, it)) {
        because(it, "as many were made within a minute as response.per_minute allows");
        return false;
    }
    if (free_cell(response, it->now_ns) == NULL) {
        because(it, "too many wait for their hooks");
        return false;
    }
    return true;
}

static bool same_work(const struct response *response, const struct response_decision *decision,
                      const struct proposal *it)
{
    const struct response_binding *other = &response->options.bindings[decision->binding];

    return !is_free(decision, it->now_ns) && decision->dry == it->dry &&
           decision->target.type != RESPONSE_TARGET_NONE &&
           strcmp(other->hook, it->binding->hook) == 0 &&
           response_target_equal(&decision->target, &it->target);
}

static bool dedupe(struct response *response, struct proposal *it)
{
    for (uint32_t i = 0; i < response->decision_count; i++) {
        if (same_work(response, &response->decisions[i], it)) {
            because(it, "%s does this to the target already", it->binding->hook);
            return false;
        }
    }
    return true;
}

static bool ttl(struct response *response, struct proposal *it)
{
    uint64_t ttl_ns = it->binding->ttl_ns;

    (void)response;
    if (ttl_ns == 0 || ttl_ns > RESPONSE_TTL_NS_MAX || it->now_ns > UINT64_MAX - ttl_ns) {
        because(it, "it would not end within an hour");
        return false;
    }
    return true;
}

static enum guard ask_guards(struct response *response, struct proposal *it)
{
    static const struct {
        enum guard guard;
        bool (*passes)(struct response *response, struct proposal *it);
    } guards[] = {
        {GUARD_KILL_SWITCH, kill_switch},
        {GUARD_NEVER_BLOCK, never_block},
        {GUARD_TWO_WAY_PROOF, two_way_proof},
        {GUARD_EXACT_SCOPE, exact_scope},
        {GUARD_CAPS, caps},
        {GUARD_DEDUPE, dedupe},
        {GUARD_TTL, ttl},
    };

    for (size_t i = 0; i < sizeof guards / sizeof guards[0]; i++) {
        if (!guards[i].passes(response, it)) {
            return guards[i].guard;
        }
    }
    return GUARD_NONE;
}

/* --- verdicts --- */

static struct hash128 decision_id(const struct proposal *it)
{
    struct hash_id id;

    hash_id_start(&id);
    hash_id_slice(&id, SLICE("earshot.decision"));
    hash_id_slice(&id, slice_of_string(it->binding->name));
    hash_id_u64(&id, it->alert->id.high);
    hash_id_u64(&id, it->alert->id.low);
    hash_id_u64(&id, it->alert->level);
    return hash_id_end(&id);
}

struct response_step response_step_of(const struct response_decision *decision, enum step step)
{
    struct response_step told = {
        .step = (uint8_t)step,
        .level = decision->level,
        .dry = decision->dry,
        .binding = decision->binding,
        .decision = decision->id,
        .alert_id = decision->alert_id,
        .target = decision->target,
        .ttl_ns = decision->ttl_ns,
    };
    memcpy(told.rule, decision->rule, sizeof told.rule);
    return told;
}

static struct response_decision decision_of(const struct proposal *it)
{
    struct response_decision decision = {
        .id = decision_id(it),
        .alert_id = it->alert->id,
        .binding = it->index,
        .held = true,
        .dry = it->dry,
        .level = it->alert->level,
        .target = it->target,
        .begun_ns = it->now_ns,
        .expires_ns = it->now_ns + it->binding->ttl_ns,
        .ttl_ns = it->binding->ttl_ns,
    };
    memcpy(decision.rule, it->alert->rule, sizeof decision.rule);
    return decision;
}

struct response_step response_refusal(const struct response_binding *binding, uint32_t index,
                                      const struct response_alert *alert, const char *why)
{
    struct proposal it = {.alert = alert,
                          .binding = binding,
                          .index = index,
                          .dry = binding->mode == RESPONSE_DRY_RUN};

    find_target(&it);
    struct response_decision decision = decision_of(&it);
    struct response_step told = response_step_of(&decision, STEP_REFUSED);
    told.guard = GUARD_CAPS;
    (void)snprintf(told.reason, sizeof told.reason, "%s", why);
    return told;
}

static void tell(struct response *response, const struct proposal *it,
                 const struct response_decision *decision, enum guard guard)
{
    enum step step = guard != GUARD_NONE ? STEP_REFUSED : it->dry ? STEP_DRY_RUN : STEP_PROPOSED;
    struct response_step told = response_step_of(decision, step);

    told.guard = (uint8_t)guard;
    told.time_ns = response->options.dry_only ? it->now_ns : 0;
    told.number = response->options.dry_only ? it->alert->number : 0;
    told.left_ns = guard == GUARD_NONE ? decision->ttl_ns : 0;
    memcpy(told.reason, it->why, sizeof told.reason);
    response->options.on_step(response->options.owner, &told);
}

static void judge(struct response *response, struct proposal *it)
{
    find_target(it);
    enum guard guard = ask_guards(response, it);
    struct response_decision decision = decision_of(it);

    if (guard == GUARD_NONE) {
        struct minute *minute = minute_of(response, it);
        minute->at_ns[minute->next] = it->now_ns == 0 ? 1 : it->now_ns;
        minute->next = (minute->next + 1) % RESPONSE_WAITING_MAX;
        struct response_decision *cell = free_cell(response, it->now_ns);
        assert(cell != NULL); /* the caps have looked */
        *cell = decision;
    }
    tell(response, it, &decision, guard);
}

static bool is_news(struct response *response, const struct response_alert *alert)
{
    struct seen *seen = seen_of(response, alert);

    if (seen != NULL && alert->level <= seen->level) {
        return false;
    }
    if (seen == NULL) {
        seen = &response->seen[response->seen_next];
        response->seen_next = (response->seen_next + 1) % RESPONSE_SEEN_MAX;
    }
    *seen = (struct seen){.id = alert->id, .level = alert->level};
    return true;
}

void response_see(struct response *response, const struct response_alert *alert, uint64_t now_ns)
{
    const struct response_options_open *options = &response->options;

    if (!response_wants(response, alert) || !is_news(response, alert)) {
        return;
    }
    for (uint32_t i = 0; i < options->binding_count; i++) {
        const struct response_binding *binding = &options->bindings[i];
        if (!response_binds(binding, alert)) {
            continue;
        }
        struct proposal it = {.alert = alert,
                              .binding = binding,
                              .index = i,
                              .dry = options->dry_only || binding->mode == RESPONSE_DRY_RUN,
                              .now_ns = now_ns};
        judge(response, &it);
    }
}

/* --- for whoever carries decisions out --- */

struct response_decision *response_decisions(struct response *response, uint32_t *out_count)
{
    *out_count = response->decision_count;
    return response->decisions;
}

struct response_decision *response_restore(struct response *response,
                                           const struct response_decision *decision)
{
    struct response_decision *cell = free_cell(response, 0);

    if (cell != NULL) {
        *cell = *decision;
        cell->held = true;
    }
    return cell;
}

void response_release(struct response *response, struct response_decision *decision)
{
    assert(decision >= response->decisions &&
           decision < response->decisions + response->decision_count);
    *decision = (struct response_decision){.held = false};
}
