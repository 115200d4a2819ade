/* limit.h - so many within so long: what a rule holds against what it remembers.
 *
 * Owns      nothing.
 * Borrows   the unit, which is static.
 * Time      none.
 * Bounds    LIMITS windows of one rule, the fastest first.
 * Errors    none.
 * Thread    any. */
#ifndef DETECTORS_FRAME_LIMIT_H
#define DETECTORS_FRAME_LIMIT_H

#include "detectors/detector.h"

enum { LIMITS = 3 };

/* A fast window and two slow ones: attackers throttle. */
struct limit {
    uint64_t window_ns;
    uint64_t threshold;
};

/* What a finding says of the limit that was crossed: by how many, and since when. */
static inline void limit_tell(const struct limit *limit, uint32_t observed, uint32_t oldest_ms,
                              const char *unit, struct finding *finding)
{
    uint64_t span_ns = oldest_ms * NS_PER_MS;

    finding->count = observed;
    finding->observed = observed;
    finding->threshold = limit->threshold;
    finding->window_ns = limit->window_ns;
    finding->unit = unit;
    /* A thing that was met again may have been known for longer than the window. */
    finding->span_ns = span_ns < limit->window_ns ? span_ns : limit->window_ns;
}

#endif
