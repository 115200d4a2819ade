/* steady.h - live: a wall clock that never steps back.
 *
 * Owns      a few numbers.
 * Borrows   nothing.
 * Time      ns; both clocks are arguments.
 * Bounds    steps below a second are left to the timeline, which clamps them.
 * Errors    none.
 * Thread    one owner.
 *
 * State time cannot go back, so a wall clock that is set back by an hour would hold every timer and
 * alert for an hour. The clock that counts since the boot tells a step from slewing: what the wall
 * clock was set back is added from then on, until it is set forward again. Intervals stay true;
 * stamps in records are ahead of the wall clock by that much. */
#ifndef SENSOR_RUN_STEADY_H
#define SENSOR_RUN_STEADY_H

#include "base/clock.h"

struct steady {
    bool begun;
    uint64_t wall_ns; /* at the last look */
    uint64_t boot_ns;
    uint64_t ahead_ns; /* what is added */
    uint64_t steps; /* by more than a second, either way */
};

/* The steady time; *out_stepped: how far the wall clock has just been set back, 0 = not. */
static inline uint64_t steady_see(struct steady *steady, uint64_t wall_ns, uint64_t boot_ns,
                                  uint64_t *out_stepped)
{
    *out_stepped = 0;
    if (steady->begun) {
        uint64_t expected_ns = steady->wall_ns + time_since(boot_ns, steady->boot_ns);
        uint64_t back_ns = time_since(expected_ns, wall_ns);
        uint64_t forward_ns = time_since(wall_ns, expected_ns);
        if (back_ns > NS_PER_S) {
            steady->steps++;
            steady->ahead_ns += back_ns;
            *out_stepped = back_ns;
        } else if (forward_ns > NS_PER_S) {
            steady->steps++;
            steady->ahead_ns -= forward_ns < steady->ahead_ns ? forward_ns : steady->ahead_ns;
        }
    }
    steady->begun = true;
    steady->wall_ns = wall_ns;
    steady->boot_ns = boot_ns;
    return wall_ns + steady->ahead_ns;
}

/* A stamp of the wall clock, seen at steady time now_ns. One from before the step lies ahead of now
 * once the step is added: it stands as it is. */
static inline uint64_t steady_stamp(const struct steady *steady, uint64_t stamp_ns, uint64_t now_ns)
{
    uint64_t time_ns = stamp_ns + steady->ahead_ns;
    if (time_ns > now_ns + NS_PER_S) {
        time_ns = stamp_ns < now_ns ? stamp_ns : now_ns;
    }
    return time_ns;
}

#endif
