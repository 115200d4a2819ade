/* wheel.h - time-outs in whole seconds of packet time, driven by marks.
 *
 * Owns      its nodes (one a timer).
 * Borrows   nothing.
 * Time      seconds of packet time; a timer fires at the first advance() that reaches its second.
 * Bounds    `timers_max`; adding beyond it is a bug of the owner (size it by the table it serves).
 * Errors    open only.
 * Thread    one owner.
 *
 * Three levels of 256 slots (1 s, 256 s, 65,536 s); what is 2^24 s away or more waits in a list
 * behind them. Timers of one second fire in the order in which they were set: no output order
 * depends on the slots. A timer due before the second at which the wheel stands counts as due at
 * that second. */
#ifndef BASE_WHEEL_H
#define BASE_WHEEL_H

#include "base/slab.h"

enum { WHEEL_SLOTS = 256, WHEEL_LEVELS = 3 };
#define WHEEL_NONE UINT32_MAX

struct wheel {
    struct slab nodes;
    uint32_t *head; /* [WHEEL_LEVELS * WHEEL_SLOTS + 1]: the last one is of those beyond */
    uint32_t *tail;
    uint64_t now_s; /* nothing due before it is left */
    uint32_t active;
};

MUST_USE enum status wheel_open(struct wheel *wheel, uint32_t timers_max, uint64_t now_s,
                                struct error *error);
void wheel_close(struct wheel *wheel);

/* A timer that carries `tag`; due in the past fires at the next advance. Returns its id, which is
 * free for reuse once the timer has fired or was cancelled: forget it then. */
uint32_t wheel_set(struct wheel *wheel, uint64_t due_s, uint64_t tag);
void wheel_cancel(struct wheel *wheel, uint32_t timer); /* WHEEL_NONE is allowed */
/* The next timer due at or before to_s, in order of (due, set); false when there is none left, and
 * then the wheel stands at to_s. The timer is gone when this returns true. */
MUST_USE bool wheel_advance(struct wheel *wheel, uint64_t to_s, uint64_t *out_tag,
                            uint64_t *out_due_s);

#endif
