/* state.h - all that the analyst remembers above the packet: the tables in their order.
 *
 * Owns      every table of this folder.
 * Borrows   sightings during the call.
 * Time      state time of the sightings.
 * Bounds    those of the tables; state_budget() names them for --list memory.
 * Errors    open only.
 * Thread    the analyst's.
 *
 * One way for every sighting: proof -> transaction -> server -> registration -> call -> media; each change
 * goes to the sink in the order in which it happened. CHANGE_MESSAGE comes after the changes that
 * the message caused are known and before them in the sink: message first, then what it meant. */
#ifndef SENSOR_STATE_STATE_H
#define SENSOR_STATE_STATE_H

#include "base/budget.h"
#include "sensor/state/facts.h"

struct state_limits {
    uint32_t transactions_max;
    uint32_t attempts_max;
    uint32_t bindings_max;
    uint32_t accounts_max;
    uint32_t calls_max;
    uint32_t destinations_max;
    uint32_t endpoints_max;
    uint32_t streams_max;
    uint32_t sources_max;
    uint32_t servers_max;
    uint64_t call_age_max_ns;
    struct hash_key key; /* the workers' too: sightings bring keys that they made */
};

struct state;

/* Gauges and counts for the sensor record. */
struct state_counts {
    struct registration_counts registrations;
    uint32_t calls;
    uint32_t bindings;
    uint32_t transactions;
    uint32_t streams;
    uint32_t sources;
    uint64_t evicted; /* of all tables */
};

MUST_USE enum status state_open(const struct state_limits *limits, struct change_sink sink,
                                struct state **out_state, struct error *error);
void state_close(struct state *state);
void state_budget(const struct state_limits *limits, struct budget *budget);
/* Looks ahead: called for coming sightings, in order, once for each step, farthest first, before
 * they are seen; some may miss a step. Only speed depends on it. */
enum state_step { STATE_FAR, STATE_NEAR, STATE_NEXT };
void state_prefetch(struct state *state, const struct sighting *sighting, enum state_step step);
/* Any sighting but COUNTS, MARK and END. `forced`: the end of input tells it, so the changes are
 * forced. */
void state_see(struct state *state, const struct sighting *sighting, bool forced);
void state_mark(struct state *state,
                const struct mark_sighting *mark); /* time-outs, then CHANGE_SECOND */
void state_end(struct state *state,
               uint64_t now_ns); /* everything open, in the order of first packets, forced */
void state_counts(const struct state *state, struct state_counts *out_counts);
/* What is kept over a restart: writes at most `room` parts, returns how many. To be loaded, in this
 * order, before the first sighting. */
enum { STATE_PARTS = 4 };
uint32_t state_parts(struct state *state, struct snapshot_part *parts, uint32_t room);
size_t state_kept_bytes_max(const struct state_limits *limits); /* of all their images together */
struct facts_view *state_facts_view(struct state *state);

#endif
