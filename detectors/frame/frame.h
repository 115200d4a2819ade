/* frame.h - all detectors together: tables of keys, lanes, delivery of facts, incidents, chains.
 *
 * Owns      a table for each kind of key, slabs, open incidents, chains.
 * Borrows   facts during the call; configurations until others are given.
 * Time      of the facts.
 * Bounds    entries of each kind, cells of each slab, incidents: frame_limits; frame_budget()
 *           names them.
 * Errors    open only.
 * Thread    the analyst's.
 *
 * Facts are delivered one by one, each to all that want it, in the order of detectors.def; the
 * INCIDENT facts that it raised follow at once, at most 64 deep (more is counted). */
#ifndef DETECTORS_FRAME_FRAME_H
#define DETECTORS_FRAME_FRAME_H

#include "base/budget.h"
#include "base/snapshot.h"
#include "detectors/frame/incident.h"

struct frame_limits {
    uint32_t entries[KEY_COUNT]; /* of each table: tables.KIND.entries */
    uint32_t incidents_max; /* open ones */
    uint32_t closed_max; /* remembered for chains */
    struct hash_key key;
};

/* One row a detector, in the order of detectors[]. */
struct frame_conf {
    bool enabled;
    const void *conf; /* conf_bytes, filled through its options */
};

struct detectors_frame;

MUST_USE enum status frame_open(const struct frame_limits *limits, const struct frame_conf *confs,
                                void (*on_incident)(void *owner, const struct incident *incident),
                                void *owner, struct detectors_frame **out_frame,
                                struct error *error);
void frame_close(struct detectors_frame *frame);
void frame_budget(const struct frame_limits *limits, const struct frame_conf *confs,
                  struct budget *budget);
/* Other configurations from now on, `confs` instead of those of open(): slots and incidents are
 * kept. A detector that was not enabled at open() stays silent. */
void frame_reload(struct detectors_frame *frame, const struct frame_conf *confs);
/* Which kinds of facts are worth making: FACT_BIT()s of what enabled detectors want, and SECOND, at
 * which incidents end. */
uint32_t frame_wants(const struct detectors_frame *frame);
/* Of CALL facts, 1 << enum fact_call_event. */
uint32_t frame_call_events(const struct detectors_frame *frame);
/* Of MESSAGE facts, 1 << enum fact_message_step. */
uint32_t frame_message_steps(const struct detectors_frame *frame);
/* Of TRANSACTION facts, 1 << enum fact_transaction_end. */
uint32_t frame_transaction_ends(const struct detectors_frame *frame);
/* Does any detector heed this fact? For most none does, and then it need not be made whole. */
bool frame_heeds(struct detectors_frame *frame, const struct fact *fact);
/* Gives the fact that was asked about, whole now, to those who heed it, and what follows from it. */
void frame_tell(struct detectors_frame *frame, const struct fact *fact);
/* Both, for a fact that is whole from the start. */
void frame_fact(struct detectors_frame *frame, const struct fact *fact);
/* What is kept over a restart: writes at most `room` parts, returns how many. To be loaded, in this
 * order, before the first fact. */
enum { FRAME_PARTS = KEY_COUNT + 4 };
uint32_t frame_parts(struct detectors_frame *frame, struct snapshot_part *parts, uint32_t room);
/* Bytes of all their images together. */
size_t frame_kept_bytes_max(const struct frame_limits *limits, const struct frame_conf *confs);
/* A confirmed clock jump: all remembered times move forward. */
void frame_shift(struct detectors_frame *frame, uint64_t shift_ns);
/* The end of input: open incidents close with outcome unknown, in the order in which they were
 * opened. */
void frame_end(struct detectors_frame *frame, uint64_t now_ns);

struct frame_counts {
    uint64_t alerts; /* incidents opened */
    uint64_t suppressed; /* findings folded into an open one or a storm */
    uint64_t facts_lost; /* INCIDENT facts deeper than 64 */
    uint64_t evicted;
    uint64_t
        refused_new; /* facts of unproven keys not seen often enough, while a table was crowded */
    uint64_t refused_crowded; /* the same of keys whose /24 or /48 had its share */
    uint64_t entries; /* in use */
};
void frame_counts(const struct detectors_frame *frame, struct frame_counts *out_counts);

/* Default number of entries for each kind (and what --list memory says of it). */
uint32_t frame_entries_preset(enum key_kind kind);
const char *key_kind_name(enum key_kind kind);
const char *key_kind_help(enum key_kind kind);

#endif
