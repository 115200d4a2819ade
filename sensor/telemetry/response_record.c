/* response_record.c - earshot.response: what was asked, refused, done and taken back.
 *
 * Each step of a decision is a record of its own, and says by itself who, whom, by which hook, for how
 * long, or which guard said no and why. They are made where the records are written, not where packets
 * are looked at: a hook answers when it likes. With -r the time is the alert's, so the same capture
 * gives the same records. */
#include "sensor/telemetry/envelope.h"

static const char *action_of(const struct response_step *step)
{
    switch ((enum step)step->step) {
    case STEP_REFUSED:
        return "refuse";
    case STEP_DRY_RUN:
        return "dry-run";
    case STEP_PROPOSED:
    case STEP_APPLYING:
    case STEP_ACTIVE:
    case STEP_FAILED:
    case STEP_EXPIRING:
    case STEP_REVOKED:
    case STEP_RECONCILED:
    case STEPS:
        break;
    }
    if (step->target.type == RESPONSE_TARGET_NONE) {
        return "notify";
    }
    return step->revokes ? "unblock" : "block";
}

static const char *outcome_of(enum step step)
{
    bool done = step == STEP_DRY_RUN || step == STEP_ACTIVE || step == STEP_REVOKED ||
                step == STEP_RECONCILED;
    bool not_done = step == STEP_FAILED || step == STEP_REFUSED;

    return done ? "success" : not_done ? "failure" : "unknown";
}

/* In the words of ECS: an address that is kept out is denied, one that is let in again allowed. */
static void put_type(struct record_maker *maker, const struct response_step *step)
{
    bool touches = step->target.type != RESPONSE_TARGET_NONE;

    if (touches && step->step == STEP_ACTIVE) {
        record_string(maker, FIELD_ID_EVENT_TYPE, "denied");
    } else if (touches && step->step == STEP_REVOKED) {
        record_string(maker, FIELD_ID_EVENT_TYPE, "allowed");
    }
}

/* --- the sentence --- */

static void write_whom(struct text *text, const struct response_step *step)
{
    if (step->target.type == RESPONSE_TARGET_NONE) {
        return;
    }
    text_string(text, " for ");
    if (step->target.value[0] == '\0') {
        text_format(text, "an unknown %s",
                    response_target_word((enum response_target_type)step->target.type));
    } else {
        text_printable(text, slice_of_string(step->target.value));
    }
}

static void write_span(struct text *text, const struct response_step *step, uint64_t span_ns)
{
    if (step->target.type != RESPONSE_TARGET_NONE && span_ns != 0) {
        text_string(text, ", to last ");
        text_duration(text, span_ns);
    }
}

static void write_verb(struct text *text, const struct response_step *step, const char *hook)
{
    static const char *const verbs[STEPS] = {
        [STEP_PROPOSED] = "Will ask ",
        [STEP_REFUSED] = "Did not ask ",
        [STEP_DRY_RUN] = "Dry run: would have asked ",
        [STEP_APPLYING] = "Asks ",
        [STEP_ACTIVE] = "Done by ",
        [STEP_FAILED] = "Not done by ",
        [STEP_EXPIRING] = "Time is up, to be taken back by ",
        [STEP_REVOKED] = "Taken back by ",
        [STEP_RECONCILED] = "Put right by ",
    };
    bool asks_back = step->revokes && (step->step == STEP_APPLYING || step->step == STEP_FAILED);

    text_string(text, asks_back && step->step == STEP_APPLYING ? "Asks to take back, "
                      : asks_back                              ? "Not taken back by "
                                                               : verbs[step->step]);
    text_printable(text, slice_of_string(hook));
}

static void write_sentence(struct text *text, const struct response_step *step,
                           const struct response_binding *binding)
{
    bool runs = step->step == STEP_APPLYING || step->step == STEP_FAILED;

    write_verb(text, step, binding->hook);
    write_whom(text, step);
    if (!step->revokes) {
        write_span(text, step, step->step == STEP_REFUSED ? 0 : step->ttl_ns);
    }
    if (runs && step->attempt > 1) {
        text_format(text, ", attempt %" PRIu32, step->attempt);
    }
    if (step->guard != GUARD_NONE) {
        text_format(text, ": guard %s", response_guard_word((enum guard)step->guard));
    }
    if (step->reason[0] != '\0') {
        text_string(text, ": ");
        text_printable(text, slice_of_string(step->reason));
    }
    text_format(text, ". Response %s", binding->name);
    if (step->rule[0] != '\0') { /* what a hook lists and nobody asked for has none */
        text_format(text, ", rule %s", step->rule);
    }
    text_string(text, ".");
}

/* --- fields --- */

static void put_event(struct telemetry *telemetry, const struct response_step *step,
                      const struct response_binding *binding)
{
    struct record_maker *maker = &telemetry->maker;
    char sentence[RECORD_SENTENCE_MAX];
    struct text text = text_into(sentence, sizeof sentence);

    put_type(maker, step);
    record_string(maker, FIELD_ID_EVENT_ACTION, action_of(step));
    record_string(maker, FIELD_ID_EVENT_OUTCOME, outcome_of((enum step)step->step));
    record_string(maker, FIELD_ID_EVENT_REASON, step->reason);
    write_sentence(&text, step, binding);
    record_text(maker, FIELD_ID_MESSAGE, text_slice(&text));
    record_string(maker, FIELD_ID_RULE_ID, step->rule);
    record_string(maker, FIELD_ID_RULE_RULESET, "earshot");
    if (step->target.type == RESPONSE_TARGET_IP && step->target.value[0] != '\0') {
        struct endpoint source = {.addr = step->target.addr};
        envelope_source(telemetry, &source);
    }
    if (step->pid != 0) {
        record_long(maker, FIELD_ID_PROCESS_PID, step->pid);
    }
    if (step->has_exit) {
        record_long(maker, FIELD_ID_PROCESS_EXIT_CODE, step->exit_code);
    }
    record_string(maker, FIELD_ID_ERROR_MESSAGE, step->error);
}

static void put_account(struct telemetry *telemetry, const struct response_step *step)
{
    struct slice account = slice_of_string(step->target.value);

    if (step->target.type == RESPONSE_TARGET_ACCOUNT) {
        account = slice_part(account, 0, slice_find_last(account, '@'));
        record_text(&telemetry->maker, FIELD_ID_USER_NAME, envelope_user(telemetry, account));
        envelope_relate_user(telemetry, account);
    }
    envelope_put_related(telemetry);
}

static void put_decision(struct record_maker *maker, const struct response_step *step,
                         const struct response_binding *binding)
{
    record_hash(maker, FIELD_ID_EARSHOT_RESPONSE_ID, step->decision);
    if ((step->alert_id.high | step->alert_id.low) != 0) {
        record_hash(maker, FIELD_ID_EARSHOT_RESPONSE_ALERT_ID, step->alert_id);
    }
    record_string(maker, FIELD_ID_EARSHOT_RESPONSE_NAME, binding->name);
    record_string(maker, FIELD_ID_EARSHOT_RESPONSE_STEP, response_step_word((enum step)step->step));
    record_string(maker, FIELD_ID_EARSHOT_RESPONSE_HOOK, binding->hook);
    record_string(maker, FIELD_ID_EARSHOT_RESPONSE_ACTION, step->revokes ? "revoke" : "apply");
    record_string(maker, FIELD_ID_EARSHOT_RESPONSE_MODE, step->dry ? "dry-run" : "auto");
    record_string(maker, FIELD_ID_EARSHOT_RESPONSE_TARGET_TYPE,
                  response_target_word((enum response_target_type)step->target.type));
    record_string(maker, FIELD_ID_EARSHOT_RESPONSE_TARGET_VALUE, step->target.value);
}

static void put_course(struct record_maker *maker, const struct response_step *step,
                       uint64_t time_ns)
{
    bool judged =
        step->step == STEP_REFUSED || step->step == STEP_DRY_RUN || step->step == STEP_PROPOSED;

    bool ends = step->target.type != RESPONSE_TARGET_NONE;

    if (ends) {
        record_long(maker, FIELD_ID_EARSHOT_RESPONSE_TTL_S, (int64_t)(step->ttl_ns / NS_PER_S));
    }
    if (ends && step->left_ns != 0) {
        record_date(maker, FIELD_ID_EARSHOT_RESPONSE_EXPIRES_AT, time_add(time_ns, step->left_ns));
    }
    if (judged) {
        record_string(maker, FIELD_ID_EARSHOT_RESPONSE_GUARD_RESULT,
                      step->guard == GUARD_NONE ? "approved" : "refused");
    }
    record_string(maker, FIELD_ID_EARSHOT_RESPONSE_GUARD_FAILED,
                  response_guard_word((enum guard)step->guard));
    if (step->attempt != 0) {
        record_long(maker, FIELD_ID_EARSHOT_RESPONSE_ATTEMPT, step->attempt);
    }
    if (step->has_verified) {
        record_bool(maker, FIELD_ID_EARSHOT_RESPONSE_VERIFIED, step->verified);
    }
    if (step->pid != 0) {
        record_decimal(maker, FIELD_ID_EARSHOT_RESPONSE_DURATION_MS,
                       (int64_t)(step->duration_ns / NS_PER_US));
    }
}

void telemetry_response(struct telemetry *telemetry, const struct response_step *step,
                        const struct response_binding *binding, uint64_t time_ns)
{
    struct record_maker *maker = &telemetry->maker;

    envelope_begin(telemetry, DATASET_RESPONSE, time_ns, step->number);
    hash_id_u64(&telemetry->id, step->decision.high);
    hash_id_u64(&telemetry->id, step->decision.low);
    hash_id_u64(&telemetry->id, step->step);
    hash_id_u64(&telemetry->id, step->attempt);
    hash_id_u64(&telemetry->id, time_ns);
    put_event(telemetry, step, binding);
    put_account(telemetry, step);
    put_decision(maker, step, binding);
    put_course(maker, step, time_ns);
    envelope_end(telemetry);
}
