/* standing.h - how a far end stands: when it is tried again, and when that is worth a line.
 *
 * Owns      nothing.
 * Borrows   nothing.
 * Time      the steady clock, as an argument.
 * Bounds    a pause of 0.5 s doubling to 30 s; two lines in five seconds at first, in ten minutes in
 *           the end.
 * Errors    none.
 * Thread    the writer's.
 *
 * A far end that lets in and throws out again each second is away all that time: it is said once. So
 * it is back only when it has worked, without an end, for a while: 5 s, and each time that it did not
 * hold twice as long, up to ten minutes. */
#ifndef OUTPUTS_STANDING_H
#define OUTPUTS_STANDING_H

#include "base/clock.h"

struct standing {
    bool away; /* said */
    bool works; /* it took something since it fell */
    uint64_t works_ns; /* since when */
    uint64_t pause_ns; /* before the last try */
    uint64_t steady_ns; /* so long it must work */
};

/* It cannot be reached, refuses or broke off; true: say so. */
bool standing_fell(struct standing *standing);
/* The pause before it is tried again. */
uint64_t standing_pause(struct standing *standing);
/* It took something: the next pause is short again. */
void standing_took(struct standing *standing, uint64_t now_ns);
/* Asked again and again while it works; true: say that it is back. At the end of all, with
 * UINT64_MAX, what works is back. */
bool standing_is_back(struct standing *standing, uint64_t now_ns);

#endif
