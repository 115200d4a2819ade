/* window.h - sliding counts and decayed rates in fixed memory.
 *
 * Owns      nothing: the structs are plain, zeroed memory is a valid start, they may be copied and
 *           saved.
 * Borrows   nothing.
 * Time      packet time in ns; a step back counts into the newest bucket.
 * Bounds    a sliding count errs by at most one bucket (1/12 of its length) and never under-counts
 *           what is inside, which takes one bucket more than 12; counts saturate at 65,535 a
 *           bucket.
 * Errors    none.
 * Thread    one owner. */
#ifndef BASE_WINDOW_H
#define BASE_WINDOW_H

#include "base/clock.h"

enum { WINDOW_BUCKETS = 12 };

/* 32 bytes. */
struct window {
    uint16_t count[WINDOW_BUCKETS + 1];
    uint16_t length_mark; /* 0 = never used, else a mark of the length that it was used with */
    uint32_t newest; /* number of the newest bucket since the epoch, modulo 13 * 2^28 */
};

/* Counts `amount` and returns the sum over the last `length_ns`. When the length has changed (a
 * reload), all that was counted so far moves into the newest bucket. */
uint32_t window_add(struct window *window, uint64_t now_ns, uint64_t length_ns, uint32_t amount);
uint32_t window_sum(const struct window *window, uint64_t now_ns, uint64_t length_ns);

/* A rate that halves every half_life_ns: value in 1/65536 units, integer arithmetic only. 16 bytes.
 */
struct decay {
    uint64_t value_q16;
    uint64_t at_ns;
};

uint64_t decay_add(struct decay *decay, uint64_t now_ns, uint64_t half_life_ns, uint32_t amount);
uint64_t decay_value(const struct decay *decay, uint64_t now_ns, uint64_t half_life_ns);

#endif
