/* clock.h - nanosecond arithmetic and constants; reads no clock.
 *
 * Owns      nothing.
 * Borrows   nothing.
 * Time      uint64_t nanoseconds since the epoch, UTC. Differences are signed where they can be.
 * Bounds    differences and sums saturate instead of wrapping.
 * Errors    none.
 * Thread    any. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include "base/status.h"

#define NS_PER_US UINT64_C(1000)
#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S UINT64_C(1000000000)
#define NS_PER_MINUTE (60 * NS_PER_S)
#define NS_PER_HOUR (60 * NS_PER_MINUTE)
#define NS_PER_DAY (24 * NS_PER_HOUR)
#define TIME_END UINT64_MAX /* beyond every time: nothing earlier will come */

/* later - earlier, 0 where that would be negative. */
static inline uint64_t time_since(uint64_t later_ns, uint64_t earlier_ns)
{
    return later_ns > earlier_ns ? later_ns - earlier_ns : 0;
}

static inline uint64_t time_add(uint64_t time_ns, uint64_t span_ns)
{
    return span_ns > UINT64_MAX - time_ns ? UINT64_MAX : time_ns + span_ns;
}

/* Signed difference, brought into the range of int64_t. */
static inline int64_t time_difference(uint64_t later_ns, uint64_t earlier_ns)
{
    if (later_ns >= earlier_ns) {
        uint64_t span = later_ns - earlier_ns;
        return span > INT64_MAX ? INT64_MAX : (int64_t)span;
    }
    uint64_t span = earlier_ns - later_ns;
    return span > INT64_MAX ? INT64_MIN : -(int64_t)span;
}

static inline uint64_t time_second(uint64_t time_ns)
{
    return time_ns / NS_PER_S;
}

#endif
