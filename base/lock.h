/* lock.h - one at a time through a library that keeps global state.
 *
 * Owns      nothing; a lock is static memory of its user, zeroed is open.
 * Borrows   nothing.
 * Time      none.
 * Bounds    none: hold it briefly.
 * Errors    none.
 * Thread    any.
 *
 * No lock stands on the way of a packet (docs/architecture.md). This is for what happens once: making
 * and ending objects of libraries whose start-up is not safe in two threads at once. */
#ifndef BASE_LOCK_H
#define BASE_LOCK_H

#include <stdatomic.h>

struct lock {
    atomic_flag taken;
};

#define LOCK_OPEN                                                                                  \
    {                                                                                              \
        ATOMIC_FLAG_INIT                                                                           \
    }

void lock_take(struct lock *lock);
void lock_give(struct lock *lock);

#endif
