/* A lock that is nearly never waited for: whoever finds it taken sleeps a millisecond and asks
 * again. Waiting well would need a queue; what it guards takes some ms, a few times a run. */
#include "base/lock.h"

#include "base/clock.h"

void lock_take(struct lock *lock)
{
    const struct timespec pause = {.tv_nsec = (long)NS_PER_MS};
    while (atomic_flag_test_and_set_explicit(&lock->taken, memory_order_acquire)) {
        nanosleep(&pause, NULL);
    }
}

void lock_give(struct lock *lock)
{
    atomic_flag_clear_explicit(&lock->taken, memory_order_release);
}
