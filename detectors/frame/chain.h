/* chain.h - incidents that tell one story: who was scanned, guessed and robbed by whom.
 *
 * Owns      the chains and the entities that link them.
 * Borrows   texts during the call.
 * Time      state time of the frame, an argument; what is older than 7 days links nothing.
 * Bounds    chains_max chains, three entities each; the longest idle are forgotten first.
 * Errors    open only.
 * Thread    the analyst's. */
#ifndef DETECTORS_FRAME_CHAIN_H
#define DETECTORS_FRAME_CHAIN_H

#include "base/snapshot.h"
#include "detectors/frame/incident.h"

enum {
    CHAIN_STAGES = 5,
    CHAIN_ENTITIES = 3,
    CHAIN_SHARED_MAX = 50,
    CHAIN_NAME_BYTES = 64,
    CHAIN_SEVERITY_MAX = 4,
};
#define CHAIN_AGE_NS (7 * NS_PER_DAY)

struct chains {
    struct table chains; /* by number */
    struct table entities; /* by hash */
    uint64_t next_number;
    struct hash_key key;
};

/* What opens. Entities: hashes of source address, its site prefix, account; 0 = none. */
struct chain_link {
    uint64_t entities[CHAIN_ENTITIES];
    uint64_t now_ns;
    uint64_t opened_ns; /* as told */
    struct hash128 id;
    const char *title;
    struct slice name; /* the incident's entity */
    bool is_name; /* it is an account or a number */
    uint8_t stage; /* 1 to CHAIN_STAGES */
    uint8_t severity; /* 1 to 4 */
    bool certain; /* blames nobody, or someone who has proven that he hears us */
};

MUST_USE enum status chain_open(struct chains *chains, uint32_t chains_max, struct hash_key key,
                                struct error *error);
void chain_close(struct chains *chains);
size_t chain_bytes_max(uint32_t chains_max);

/* Joins every chain that shares an entity, or begins one; returns its number, never 0. */
uint64_t chain_join(struct chains *chains, const struct chain_link *link);
/* One of its incidents is that severe, or that certain, by now. */
void chain_raise(struct chains *chains, uint64_t number, uint8_t severity, bool certain);
/* The highest of its incidents, one more where three stages stand in order; 0 = forgotten. */
MUST_USE uint8_t chain_severity(struct chains *chains, uint64_t number);
/* The id of the oldest incident of that chain; false when the chain has been forgotten. */
MUST_USE bool chain_id(struct chains *chains, uint64_t number, struct hash128 *out_id);
/* Over a restart. */
size_t chain_kept_bytes_max(uint32_t chains_max);
void chain_part(struct chains *chains, struct snapshot_part *out_part);
/* One sentence a stage, in the order of stages; nothing while the incident stands alone. */
void chain_write(struct chains *chains, uint64_t number, struct text *text);

#endif
