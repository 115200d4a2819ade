/* counter.h - named counters: declared once, counted in place, told as differences.
 *
 * Owns      nothing: a set is an array of uint64_t of its thread, named by a table that its owner
 *           declares.
 * Borrows   the names.
 * Time      none.
 * Bounds    the number of names.
 * Errors    none.
 * Thread    each set has one owner; differences travel through rings, so no counter is shared. */
#ifndef BASE_COUNTER_H
#define BASE_COUNTER_H

#include "base/status.h"

struct counter_delta {
    uint16_t id;
    uint64_t amount;
};

/* Writes what has grown in `now` since `told` (both of `count` counters) into `out` and brings
 * `told` up to date; at most `room` entries a call, so call until it returns less than room. */
size_t counter_deltas(const uint64_t *now, uint64_t *told, size_t count, struct counter_delta *out,
                      size_t room);

#endif
