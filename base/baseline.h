/* baseline.h - what is usual at this hour of the week, in a way that an attack cannot teach.
 *
 * Owns      nothing: the struct is plain, zeroed memory is a valid start, it may be copied and
 *           saved.
 * Borrows   nothing.
 * Time      packet time in ns and the local hour of the week, arguments.
 * Bounds    BASELINE_WEEKS samples for each of 168 hours; a sample keeps 12 significant bits,
 *           rounded down.
 * Errors    none.
 * Thread    one owner.
 *
 * One figure a baseline (requests in the busiest 5 s, failing share in ppm, ...): the owner says it
 * as often as it likes, the highest of an hour is that hour's sample; when the hour is over it is
 * learnt, unless the hour was tainted (an incident of severity 2 or more was open in it). An hour in
 * which nothing was said leaves no sample: silence is a figure too, 0, and the owner says it. What
 * is learnt raises its slot's usual by at most a quarter a week (docs/definitions.md). The mean
 * could be taught by one attack; median and median absolute deviation of six weeks cannot
 * (Rubinstein et al., ANTIDOTE, IMC 2009). */
#ifndef BASE_BASELINE_H
#define BASE_BASELINE_H

#include "base/calendar.h"

enum { BASELINE_WEEKS = 6, BASELINE_ENOUGH = 3 };

struct baseline {
    uint64_t begun_ns; /* first word of the hour that is being taken; 0 = none yet */
    uint32_t highest; /* of this hour */
    /* Set by the owner, or 0: figures up to here are no attack by any of its rules, so that they
     * are learnt as they are. Without it a slot of zeros could never learn an honest new habit. */
    uint32_t harmless;
    uint8_t hour_of_week; /* of the hour that is being taken */
    uint8_t tainted; /* 1 = nothing is learnt from it */
    uint8_t count[CALENDAR_HOURS_OF_WEEK]; /* samples of each slot, up to BASELINE_WEEKS */
    uint16_t day[CALENDAR_HOURS_OF_WEEK]; /* since the epoch, modulo 2^16: newest sample's */
    uint16_t samples[CALENDAR_HOURS_OF_WEEK][BASELINE_WEEKS]; /* oldest first */
};

struct baseline_usual {
    bool known; /* BASELINE_ENOUGH samples of this hour of the week */
    uint8_t samples;
    uint32_t median;
    uint32_t deviation; /* median absolute deviation */
    uint32_t highest; /* of the samples */
};

/* This hour's figure so far. Closes the hour before when a new one has begun. */
void baseline_see(struct baseline *baseline, uint64_t now_ns, uint8_t hour_of_week,
                  uint32_t figure);
/* Nothing is learnt from this hour. */
void baseline_taint(struct baseline *baseline, uint64_t now_ns, uint8_t hour_of_week);
/* What this hour of the week is used to, without the present hour. */
void baseline_usual(const struct baseline *baseline, uint8_t hour_of_week,
                    struct baseline_usual *out);
/* median + factor x deviation; UINT32_MAX where nothing is known. */
uint32_t baseline_limit(const struct baseline_usual *usual, uint32_t factor);
/* The same, never below `floor` and never above `ceiling`, which nothing that was learnt can move;
 * the floor where nothing is known. */
uint32_t baseline_threshold(const struct baseline_usual *usual, uint32_t factor, uint32_t floor,
                            uint32_t ceiling);

#endif
