/* live_clock.h - the two clocks of what is live: back-off and time-outs, and the time of day.
 *
 * Owns      nothing.
 * Borrows   nothing.
 * Time      this is where outputs ask for it; no figure of a record comes from here.
 * Bounds    none.
 * Errors    none: Linux has both clocks.
 * Thread    any. */
#ifndef OUTPUTS_LIVE_CLOCK_H
#define OUTPUTS_LIVE_CLOCK_H

#include "base/clock.h"

static inline uint64_t live_clock_ns(clockid_t which)
{
    struct timespec now = {0};

    (void)clock_gettime(which, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* Steps neither back nor forth. */
static inline uint64_t live_clock_steady_ns(void)
{
    return live_clock_ns(CLOCK_MONOTONIC);
}

/* Since the epoch, as this machine believes. */
static inline uint64_t live_clock_wall_ns(void)
{
    return live_clock_ns(CLOCK_REALTIME);
}

#endif
