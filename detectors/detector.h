/* detector.h - what a detector declares; the frame owns everything else.
 *
 * Owns      nothing: declarations are static, tables and slabs belong to the frame.
 * Borrows   the fact during on_fact.
 * Time      the fact's, nothing else.
 * Bounds    a lane of at most DETECTOR_LANE_BYTES in the entry of its key kind; what needs more
 *           declares slab_bytes and the option that bounds how many. What few keys need more for
 *           takes its cell when one does.
 * Errors    none: on_fact does no I/O and allocates nothing.
 * Thread    the analyst's.
 *
 * One file = one judgement; it may declare several detectors (rules) over one kind of key. Slug =
 * rule id = YAML key = case prefix, with '-'; file, page (.md) and line in detectors.def = the slug
 * with '_'. */
#ifndef DETECTORS_DETECTOR_H
#define DETECTORS_DETECTOR_H

#include "base/option.h"
#include "detectors/fact.h"

enum { DETECTOR_LANE_BYTES = 64, DETECTOR_EVIDENCE_MAX = 8, DETECTOR_REASON_BYTES = 320 };

/* What an incident is about. The frame makes the key of a fact for each kind; a fact that has none
 * (no account ...) is not delivered to detectors of that kind. */
enum key_kind {
#define KEY(id, name, help) KEY_##id,
#include "detectors/keys.def"
#undef KEY
    KEY_COUNT
};

struct detector_context;

/* How sure, and why: added up from 40 or 60 by docs/definitions.md. */
struct confidence {
    uint8_t value; /* 0 to 100 */
    char why[DETECTOR_REASON_BYTES]; /* "condition met 40, proven two-way 20, ..." */
};

/* What on_fact says when its condition is met (or still holds: the incident frame decides open,
 * update, silence). */
struct finding {
    uint8_t severity; /* 1 to 4, before the frame's caps (W1, confidence) */
    uint8_t stage; /* of a chain: 0 none, 1 scan .. 5 fraud */
    bool proven_needed; /* class W1: an unproven source costs severity and response */
    bool one_source; /* all counted events came from the fact's source, although the key is wider */
    bool names_nobody; /* class W0: it is about our own; the fact's source is not put down for it */
    bool succeeded; /* the attack reached its aim */
    uint64_t count; /* events so far in the window that fired */
    uint64_t observed; /* the figure that is compared with ... */
    uint64_t threshold; /* ... this */
    uint64_t window_ns;
    const char *unit; /* "targets", "users", "failures" */
    uint64_t span_ns; /* from the first counted event to this one */
    struct confidence confidence;
    struct slice account; /* named accounts and targets, where there are some */
    struct slice target;
    struct slice detail; /* middle part of the sentence: what exactly, in words and numbers */
    /* More accounts that it names, taken when the incident opens; NULL = none. */
    const struct slice *accounts;
    uint32_t account_count;
    /* Nothing new happened: only a higher severity or confidence is worth a word. */
    bool only_rise;
    /* It is about what the sensor hears: not doubted for the same. */
    bool about_hearing;
};

struct detector {
    const char *slug;
    const char *title; /* a noun phrase: "password guessing against one account" */
    /* rule.category: authentication, reconnaissance, quality, fraud, availability */
    const char *category;
    const char *sees; /* one sentence each, for --explain and docs */
    const char *blind;
    const char *false_alarms;
    const char *advice; /* what to do, a sentence that one understands at 3 a.m. */
    const char
        *example; /* the sentence of such an alert, word for word as one of its cases has it */
    const char *tactic[2]; /* ATT&CK id and name */
    const char *attack[3]; /* technique ids, NULL-terminated within 3 */
    uint8_t severity; /* the usual one */
    uint8_t stage;
    enum key_kind key;
    uint32_t wants; /* FACT_BIT(...) | ... */
    /* 1 << enum fact_call_event: the only ones of CALL facts that it could heed; 0 = any. It spares
     * making the others; heeds() decides all the same. */
    uint8_t call_events;
    uint8_t message_steps; /* the same of MESSAGE facts: 1 << enum fact_message_step; 0 = any */
    uint8_t transaction_ends; /* ... of TRANSACTION facts: 1 << enum fact_transaction_end */
    uint16_t lane_bytes; /* of its zeroed lane, <= DETECTOR_LANE_BYTES; 0 = none */
    uint16_t conf_bytes; /* of its configuration struct, which options describe */
    uint32_t slab_bytes; /* of one slab cell; its lane begins with a uint32_t handle. 0 = no slab */
    const char *slab_option; /* key of the COUNT option that bounds the cells */
    /* A key has no cell before detector_cell() asked for one: a flood is of keys that say too little
     * for it. Else it is taken at the first fact. */
    bool slab_on_demand;
    const struct option *options; /* "enabled" is added by the frame */
    bool off_by_default;
    /* Version of what lane and cell hold, to be kept over restarts (--state); 0 = not kept. Another
     * layout or another meaning is another version. */
    uint16_t kept;
    /* Of a kept one: lane and cell (NULL = none) have come from a file. False: counts and places are
     * not such as on_fact() leaves them. What does not outlive a run, calls that were up and numbers
     * of packets, is put right here. NULL = any bytes will do. */
    bool (*take_up)(void *lane, void *cell);
    /* A cheap look before any table is touched: false = this fact says nothing to it. NULL = hears
     * all that it wants. Transactions and incidents come whole; of other facts it may look at
     * numbers, truths, endpoints and what a call dialled: what must be looked up (what is known of
     * parties and accounts, suspicion) and the texts that need work come only with on_fact. */
    bool (*heeds)(const struct fact *fact);
    /* This fact alone says enough of its key to give it an entry while forged sources crowd the
     * table. NULL = none does. */
    bool (*marks)(const void *conf, const struct fact *fact);
    /* `lane` (and `cell`, where it has a slab: NULL when the slab is used up, or nothing was asked
     * for yet) belong to the fact's key. */
    void (*on_fact)(struct detector_context *context, void *lane, void *cell, const void *conf,
                    const struct fact *fact);
    /* The sentence of its alerts; NULL = the frame's own from the finding. */
    void (*sentence)(struct text *text, const struct finding *finding, struct slice entity);
};

/* From inside on_fact. */
void detector_raise(struct detector_context *context, const struct finding *finding);
/* Is an incident of that rule open (or was it, within `within_ns`) that shares this fact's source
 * address, its site prefix or account? For chains such as breach after brute force. */
bool detector_recent(const struct detector_context *context, const char *rule_slug,
                     const struct fact *fact, uint64_t within_ns);
/* Since the first fact of all: what is known of addresses and accounts is no older. */
uint64_t detector_age_ns(const struct detector_context *context);
/* A time of the facts as it is told outside: they differ after a clock jump. */
uint64_t detector_told_ns(const struct detector_context *context, uint64_t time_ns);
struct hash_key detector_hash_key(const struct detector_context *context);
/* The cell of that lane, which has none yet: zeroed, NULL when the slab is used up (counted). */
void *detector_cell(struct detector_context *context, void *lane);

void confidence_start(struct confidence *confidence, uint8_t base, const char *why);
void confidence_add(struct confidence *confidence, int points, const char *why);
/* The points that any detector can give: two-way proof, honest accounts behind the source. */
void confidence_source(struct confidence *confidence, const struct fact_party *source);
/* - 15 while the sensor does not hear all that there is: the frame's, for every finding. */
void confidence_hearing(struct confidence *confidence, bool one_way, bool lossy, bool silent);
/* + 10 from three times the threshold on. */
void confidence_margin(struct confidence *confidence, uint64_t observed, uint64_t threshold);

/* In the order of detectors.def, NULL-terminated. */
extern const struct detector *const detectors[];
size_t detector_count(void);

#endif
