/* response.h - the only gate to a hook: which alert asks for what, and which guard says no.
 *
 * Owns      the decisions that are held, the levels of alerts that were seen.
 * Borrows   the configuration and the never-block list for its life; an alert during the call.
 * Time      an argument: with -r packet time, live CLOCK_BOOTTIME. No clock is read here.
 * Bounds    RESPONSE_WAITING_MAX decisions that wait for a hook, response.active that hold;
 *           RESPONSE_SEEN_MAX alerts remembered.
 * Errors    open: memory. After that a refusal is an answer, told as a step.
 * Thread    one at a time: the writer's with -r, the response process live.
 *
 * The guards, in order; the first that is not passed is named in the step:
 *
 *   kill-switch     the stop file is there
 *   never-block     the target is on the never-block list, or has been learnt as a server
 *   two-way-proof   the source has not shown that it hears us, or its address has and not the attack
 *   exact-scope     the target is not exactly one, or stands for too many accounts
 *   caps            too many held at once, too many in a minute, too many waiting
 *   dedupe          the same hook does the same to the same target already
 *   ttl             it would not end, or last too long */
#ifndef OUTPUTS_RESPONSE_H
#define OUTPUTS_RESPONSE_H

#include "outputs/protected.h"
#include "outputs/record.h"

enum {
    RESPONSE_BINDINGS_MAX = 64,
    RESPONSE_NAME_BYTES = 64,
    RESPONSE_RULE_BYTES = 64,
    RESPONSE_REASON_BYTES = 192,
    RESPONSE_ERROR_BYTES = 1024,
    RESPONSE_WAITING_MAX = 1000,
    RESPONSE_SEEN_MAX = 1024,
};
#define RESPONSE_TTL_NS_MAX NS_PER_HOUR

enum response_mode { RESPONSE_OFF, RESPONSE_DRY_RUN, RESPONSE_AUTO, RESPONSE_MODES };

enum guard {
    GUARD_NONE, /* all were passed */
    GUARD_KILL_SWITCH,
    GUARD_NEVER_BLOCK,
    GUARD_TWO_WAY_PROOF,
    GUARD_EXACT_SCOPE,
    GUARD_CAPS,
    GUARD_DEDUPE,
    GUARD_TTL,
    GUARDS
};

enum step {
    STEP_PROPOSED, /* all guards passed, in the journal, waits for its hook */
    STEP_REFUSED,
    STEP_DRY_RUN,
    STEP_APPLYING, /* the hook is being asked */
    STEP_ACTIVE, /* done, and read back */
    STEP_FAILED,
    STEP_EXPIRING, /* its time is up: the hook is asked to take it back */
    STEP_REVOKED,
    STEP_RECONCILED, /* what the hook lists was not what should be; put right */
    STEPS
};

/* "response:" */
struct response_conf {
    char hooks[OPTION_TEXT_BYTES];
    char stop_file[OPTION_TEXT_BYTES];
    struct option_networks protect;
    struct option_list protect_accounts;
    struct option_list protect_numbers;
    struct option_networks allow_private;
    uint64_t active;
    uint64_t per_minute;
    uint64_t timeout_ns;
    uint64_t accounts_behind;
    bool undo_at_stop;
};

/* "responses.NAME:" */
struct response_binding {
    char name[RESPONSE_NAME_BYTES];
    struct option_list rules; /* empty: all */
    unsigned severity; /* index of the word: response_level_of() */
    char hook[OPTION_TEXT_BYTES]; /* name of its file in response.hooks */
    unsigned target; /* enum response_target_type */
    unsigned mode; /* enum response_mode */
    uint64_t ttl_ns;
};

extern const struct option response_options[];
extern const struct option response_binding_options[];
/* A name on the never-block list that could never be a target's is an error; where = the key. */
MUST_USE enum status response_check(const struct response_conf *conf, struct error *error);
uint8_t response_level_of(unsigned severity); /* 1 to 4 */

/* What an alert says that matters here. Plain memory: it crosses to the response process. */
struct response_alert {
    struct hash128 id;
    uint64_t time_ns;
    uint64_t number; /* packet that brought it */
    uint32_t source_accounts; /* that succeeded from the source */
    uint8_t level; /* 1 to 4 */
    bool opens; /* state open; else update */
    bool attack; /* the rule tells of an attack, not of a fault: it has a technique of ATT&CK */
    bool has_source;
    bool proven;
    bool echoed; /* by the counted events themselves */
    bool server; /* the source answers others */
    struct addr source;
    char rule[RESPONSE_RULE_BYTES];
    char account[RESPONSE_VALUE_BYTES]; /* where it names exactly one */
    char called[RESPONSE_VALUE_BYTES]; /* what was attacked, where it has a name */
};

/* false: it proposes nothing (closed, or no alert). */
bool response_read_alert(const struct record *record, struct response_alert *out_alert);

/* A decision that passed all guards. `state` is of whoever carries it out. */
struct response_decision {
    struct hash128 id;
    struct hash128 alert_id;
    uint32_t binding;
    bool held; /* this cell is in use */
    bool dry; /* held only so that caps and dedupe answer as they would */
    uint8_t level;
    struct response_target target;
    char rule[RESPONSE_RULE_BYTES];
    uint64_t begun_ns;
    uint64_t expires_ns; /* of dry ones and of notifications: when the cell is free again */
    uint64_t ttl_ns;
};

/* One step of a decision; from it a record is made. Plain memory: it crosses back. */
struct response_step {
    uint8_t step; /* enum step */
    uint8_t guard; /* enum guard */
    uint8_t level;
    bool dry;
    bool revokes; /* the hook was asked to take it back */
    bool has_exit;
    bool has_verified;
    bool verified;
    uint32_t binding;
    uint32_t attempt;
    int32_t exit_code;
    uint32_t pid; /* 0 = no hook ran */
    struct hash128 decision;
    struct hash128 alert_id;
    struct response_target target;
    uint64_t time_ns; /* 0: the wall clock of whoever makes the record */
    uint64_t number;
    uint64_t ttl_ns;
    uint64_t left_ns; /* until it ends; 0 = not known */
    uint64_t duration_ns;
    char rule[RESPONSE_RULE_BYTES];
    char reason[RESPONSE_REASON_BYTES]; /* why refused, in words */
    char error[RESPONSE_ERROR_BYTES];
};

const char *response_guard_word(enum guard guard);
const char *response_step_word(enum step step);

struct response_options_open {
    const struct response_conf *conf;
    const struct response_binding *bindings;
    uint32_t binding_count;
    const struct protected_list *protected_list;
    bool dry_only; /* -r: what is auto is dry-run */
    bool (*stopped)(void *owner); /* is the kill switch on? NULL: never */
    /* Every verdict, and of a decision its cell; it may be given back from within. */
    void (*on_step)(void *owner, const struct response_step *step);
    void *owner;
};

struct response;

MUST_USE enum status response_open(const struct response_options_open *options,
                                   struct response **out_response, struct error *error);
void response_close(struct response *response);
/* What is told where the gate could not even be asked. */
struct response_step response_refusal(const struct response_binding *binding, uint32_t index,
                                      const struct response_alert *alert, const char *why);
size_t response_bytes_max(const struct response_conf *conf); /* for --list memory */

/* Is this response for such an alert? */
bool response_binds(const struct response_binding *binding, const struct response_alert *alert);
/* Does any response want it? To be asked before a copy of it is made. */
bool response_wants(const struct response *response, const struct response_alert *alert);
/* Told at most one step for each response that the alert's rule and level concern. */
void response_see(struct response *response, const struct response_alert *alert, uint64_t now_ns);

/* The cells, for whoever carries decisions out: all of them, held or not. */
struct response_decision *response_decisions(struct response *response, uint32_t *out_count);
/* A decision of an earlier run, as the journal has it: no guard is asked, only room. NULL: none. */
struct response_decision *response_restore(struct response *response,
                                           const struct response_decision *decision);
void response_release(struct response *response, struct response_decision *decision);
/* What a step about a decision begins with. */
struct response_step response_step_of(const struct response_decision *decision, enum step step);

#endif
