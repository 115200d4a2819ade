/* incidents.h - all incidents: opened, told, folded, closed, remembered.
 *
 * Owns      the open incidents, timers, storms, chains, and when each rule last spoke of whom.
 * Borrows   facts and findings during the call.
 * Time      of the facts, as the frame gives it; `shift_ns` is added where a time is told.
 * Bounds    incidents_max open ones, INCIDENTS_RULE_MAX of one rule; closed_max chains.
 * Errors    open only.
 * Thread    the analyst's. */
#ifndef DETECTORS_FRAME_INCIDENTS_H
#define DETECTORS_FRAME_INCIDENTS_H

#include "base/sketch.h"
#include "base/snapshot.h"
#include "base/wheel.h"
#include "base/window.h"
#include "detectors/frame/chain.h"
#include "detectors/frame/frame.h"
#include "detectors/frame/key.h"

enum {
    INCIDENTS_RULE_MAX = 5000,
    INCIDENTS_DETAIL_BYTES = 256,
    INCIDENTS_SEVERITIES = 5, /* 1 to 4; 0 is never used */
    INCIDENTS_KEPT_MAX = 8192, /* over a restart */
    INCIDENTS_UNITS = 32,
    INCIDENTS_UNIT_BYTES = 32,
    STORM_OPENS_MAX = 20,
    STORM_TOP = 10,
    STORM_NAME_BYTES = 48,
    STORM_FOLDED_BITS = 16384,
};
#define STORM_WINDOW_NS NS_PER_MINUTE
#define INCIDENT_QUIET_NS_MIN (5 * NS_PER_MINUTE)
#define INCIDENT_LIFE_NS_MAX NS_PER_DAY
#define INCIDENT_UPDATE_NS_MIN NS_PER_MINUTE

/* Too many keys of one rule at once: the largest of them by space-saving. */
struct storm {
    struct window opens;
    bool active;
    uint32_t cell; /* of the incident about many, while active */
    uint32_t used;
    struct distinct keys;
    uint64_t folded[STORM_FOLDED_BITS / 64]; /* a Bloom filter: keys that belong to it */
    struct storm_row {
        uint64_t key_hash;
        uint64_t count;
        char name[STORM_NAME_BYTES];
    } top[STORM_TOP];
};

/* One open incident. Times without a word are the frame's own, those in `told` are the wire's. */
struct incident_cell {
    struct incident told;
    struct finding last; /* slices empty: texts are here and in `told` */
    struct fact_party source;
    struct fact_party destination;
    uint64_t call_number;
    struct distinct accounts;
    char detail[INCIDENTS_DETAIL_BYTES];
    uint64_t key_hash;
    uint64_t entities[CHAIN_ENTITIES];
    uint64_t opened_at_ns;
    uint64_t last_at_ns;
    uint64_t told_at_ns;
    uint64_t quiet_ns;
    uint64_t told_count;
    uint64_t chain; /* 0 = none */
    uint64_t order; /* how many were opened before */
    uint32_t rule;
    uint32_t timer;
    uint32_t next[2]; /* [0] all, by opening; [1] of its rule and severity, by opening */
    uint32_t before[2];
    uint8_t told_severity;
    uint8_t told_confidence;
    uint8_t listed_severity;
    bool rise_used; /* a rise of severity was told within the minute once */
    bool succeeded;
};

/* In `recent`: when a rule last spoke of a source, its site or an account. */
struct recent_cell {
    uint64_t last_ns;
    struct hash128 continues; /* of a key that was closed by age */
};

struct incident_list {
    uint32_t head;
    uint32_t tail;
};

struct incidents_options {
    uint32_t incidents_max;
    uint32_t closed_max;
    uint32_t rules;
    struct hash_key key;
    void (*on_incident)(void *owner, const struct incident *incident);
    void *owner;
    void (*on_fact)(void *frame, const struct fact *fact); /* an INCIDENT fact to be delivered */
    void *frame;
};

struct incidents {
    struct incidents_options options;
    struct table table;
    struct table recent; /* (rule, entity) -> when it last spoke */
    struct wheel wheel;
    struct chains chains;
    struct storm *storms; /* a rule each */
    struct incident_list *by_rank; /* [rule][severity] */
    uint32_t *open_count; /* of a rule */
    struct incident_list all;
    uint64_t opened;
    uint64_t suppressed;
    uint64_t shift_ns;
    bool ended; /* the end of input: no facts any more */
    struct slice names[INCIDENT_NAMES_MAX]; /* of the sentences that are being told */
    char units[INCIDENTS_UNITS][INCIDENTS_UNIT_BYTES]; /* of incidents out of a state file */
};

/* What a detector said, and of what. */
struct incidents_report {
    const struct detector *detector;
    uint32_t rule;
    uint64_t key_hash;
    const struct fact *fact;
    const struct finding *finding;
};

MUST_USE enum status incidents_open(struct incidents *incidents,
                                    const struct incidents_options *options, struct error *error);
void incidents_close(struct incidents *incidents);
size_t incidents_bytes_max(const struct incidents_options *options);
uint32_t incidents_recent_max(const struct incidents_options *options); /* entries of `recent` */

void incidents_raise(struct incidents *incidents, const struct incidents_report *report);
/* One incident that is due at or before now closes; false when there is none left. */
MUST_USE bool incidents_expire(struct incidents *incidents, uint64_t now_ns);
void incidents_end(struct incidents *incidents, uint64_t now_ns);
bool incidents_recent(const struct incidents *incidents, const char *rule_slug,
                      const struct fact *fact, uint64_t within_ns);

/* An incident of a former run, open again: as `kept` under that hash, without being told. False:
 * there is no room for it. */
MUST_USE bool incidents_reopen(struct incidents *incidents, uint64_t hash,
                               const struct incident_cell *kept, uint64_t now_ns);
size_t incidents_kept_bytes_max(const struct incidents_options *options);
/* incidents_kept.c: over a restart. Two parts: what is open, and what is remembered of it. */
void incidents_parts(struct incidents *incidents, struct snapshot_part *out_open,
                     struct snapshot_part *out_recent);

/* Nobody is blamed, or somebody who has proven that he hears us. */
static inline bool incident_is_certain(const struct incident_cell *it)
{
    return !it->last.proven_needed || it->told.source_proven;
}

/* incident_tell.c: fills what is told and tells it. */
void incident_tell(struct incidents *incidents, struct incident_cell *cell,
                   enum incident_state state, uint64_t number, uint64_t now_ns);
/* Detectors hear of each key that is folded into a storm, as if it had opened one of its own. */
void incident_tell_folded(struct incidents *incidents, const struct incident_cell *many,
                          const struct incidents_report *report);
/* incident_note.c: takes a finding in: figures, accounts, evidence. */
void incident_note_first(struct incidents *incidents, struct incident_cell *cell,
                         const struct incidents_report *report);
void incident_note(struct incidents *incidents, struct incident_cell *cell,
                   const struct incidents_report *report);
uint8_t incident_note_severity(const struct incidents_report *report);
/* storm.c */
/* True: this key belongs to the storm; *out_new: it did not before. */
bool storm_takes(struct storm *storm, uint64_t key_hash, uint64_t now_ns, bool *out_new);
void storm_note(struct storm *storm, uint64_t key_hash, struct slice name);
/* `are_names`: the keys are accounts or numbers. */
void storm_write(const struct storm *storm, bool are_names, struct text *text);

#endif
