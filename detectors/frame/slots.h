/* slots.h - where detectors keep what they remember: a table a kind of key, a lane a detector.
 *
 * Owns      the tables, the slabs.
 * Borrows   the configurations.
 * Time      of the facts.
 * Bounds    entries of each kind; cells of each slab by the detector's own option.
 * Errors    open only. A slab that is used up gives no cell (counted).
 * Thread    the analyst's. */
#ifndef DETECTORS_FRAME_SLOTS_H
#define DETECTORS_FRAME_SLOTS_H

#include "base/slab.h"
#include "base/snapshot.h"
#include "base/table.h"
#include "detectors/frame/admission.h"
#include "detectors/frame/frame.h"
#include "detectors/frame/key.h"

struct slots_rule {
    const struct detector *detector;
    const void *conf;
    struct slab slab;
    uint16_t lane_offset;
    bool enabled; /* at the start: it has its lane */
    bool heard; /* and facts go to it */
};

struct slots_kind {
    struct table table;
    bool open; /* an enabled detector wants it */
    uint32_t rules; /* how many of them have a slab */
    struct slots *slots; /* for eviction */
    enum key_kind kind;
};

struct slots {
    struct slots_kind kinds[KEY_COUNT];
    struct slots_rule *rules; /* in the order of detectors[] */
    uint32_t rule_count;
    struct hash_key key;
    uint64_t cells_missed; /* slabs used up */
    uint64_t shift_ns; /* what was taken off the times that detectors see */
    struct admission admission;
};

MUST_USE enum status slots_open(struct slots *slots, const struct frame_limits *limits,
                                const struct frame_conf *confs, struct error *error);
void slots_close(struct slots *slots);
/* Other configurations for the same rules; what a rule remembers stays. */
void slots_reload(struct slots *slots, const struct frame_conf *confs);
void slots_budget(const struct frame_limits *limits, const struct frame_conf *confs,
                  struct budget *budget);

/* The entry of that key of the fact, found or made, as its lanes; touched, and strengthened where
 * `strong`. NULL: it is not `strong`, has none yet, and the table is crowded (counted). */
void *slots_take(struct slots *slots, enum key_kind kind, uint64_t hash, const struct fact *fact,
                 bool strong);
/* The rule's slab cell of that entry, NULL if it has none. */
static inline void *slots_cell(const struct slots_rule *rule, const void *lane)
{
    uint32_t handle;

    memcpy(&handle, lane, sizeof handle);
    return handle == 0 ? NULL : slab_at(&rule->slab, handle - 1);
}

/* slots_kept.c: what detectors keep over a restart, a part for each kind of key that one of them
 * keeps something of. False: none does. */
MUST_USE bool slots_part(struct slots *slots, enum key_kind kind, struct snapshot_part *out_part);
size_t slots_kept_bytes_max(const struct frame_limits *limits, const struct frame_conf *confs);
/* of --list memory: entries and cells by the options */
uint32_t slots_entries(const struct frame_limits *limits, enum key_kind kind);
uint32_t slots_slab_cells(const struct detector *detector, const void *conf);

/* The same of one that has none: a fresh cell, zeroed, NULL when the slab is used up. */
void *slots_take_cell(struct slots *slots, struct slots_rule *rule, void *lane);

#endif
