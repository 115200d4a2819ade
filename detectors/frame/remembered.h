/* remembered.h - the last things that one key dealt with: targets, user names, accounts.
 *
 * Owns      nothing: arrays in the cells of detectors; zeroed memory is a valid start.
 * Borrows   the array during the call; what is returned points into it.
 * Time      of the facts, in milliseconds that wrap after 49 days: only ages are taken. A cell that
 *           was idle for longer than the longest window must be cleared by its owner.
 * Bounds    the owner's array; full, the thing that was idle longest gives way.
 * Errors    none.
 * Thread    the analyst's.
 *
 * A detector's own struct begins with `struct remembered`; arrays are walked by their stride. Here
 * and not in a .c, because the compiler then knows the stride and walks as if it were written out.
 * The array is short (40 to 64) and lies in a row: no index pays. */
#ifndef DETECTORS_FRAME_REMEMBERED_H
#define DETECTORS_FRAME_REMEMBERED_H

#include "base/clock.h"

struct remembered {
    uint32_t hash; /* which one */
    uint32_t last_ms; /* when it was met last */
    uint32_t first_ms; /* and first */
};

static inline uint32_t remembered_ms(uint64_t time_ns)
{
    return (uint32_t)(time_ns / NS_PER_MS);
}

static inline struct remembered *remembered_at(void *things, uint32_t index, size_t stride)
{
    return (struct remembered *)(void *)((uint8_t *)things + index * stride);
}

/* NULL: not among them. */
static inline void *remembered_find(void *things, uint32_t used, size_t stride, uint32_t hash)
{
    for (uint32_t i = 0; i < used; i++) {
        struct remembered *thing = remembered_at(things, i, stride);
        if (thing->hash == hash) {
            return thing;
        }
    }
    return NULL;
}

/* A free place, or that of the one idle longest; the caller fills it. */
static inline void *remembered_place(void *things, uint32_t *used, uint32_t max, size_t stride,
                                     uint32_t now_ms)
{
    struct remembered *oldest = things;

    if (*used < max) {
        return remembered_at(things, (*used)++, stride);
    }
    for (uint32_t i = 1; i < max; i++) {
        struct remembered *thing = remembered_at(things, i, stride);
        if (now_ms - thing->last_ms > now_ms - oldest->last_ms) {
            oldest = thing;
        }
    }
    return oldest;
}

/* Met within the window; never after `life_ns`, which is the longest one. */
static inline bool remembered_within(const struct remembered *thing, uint32_t now_ms,
                                     uint64_t window_ns, uint64_t life_ns)
{
    uint32_t age_ms = now_ms - thing->last_ms;

    return age_ms < window_ns / NS_PER_MS && age_ms < life_ns / NS_PER_MS;
}

/* Known for so long. */
static inline uint32_t remembered_age_ms(const struct remembered *thing, uint32_t now_ms)
{
    return now_ms - thing->first_ms;
}

static inline uint32_t remembered_older(uint32_t one_ms, uint32_t other_ms)
{
    return one_ms > other_ms ? one_ms : other_ms;
}

#endif
