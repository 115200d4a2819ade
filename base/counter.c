/* counter.c - counters are plain memory of one thread; what leaves it are differences, so nobody
 * reads a word that another writes, and a difference that is sent twice cannot happen. */
#include "base/counter.h"

size_t counter_deltas(const uint64_t *now, uint64_t *told, size_t count, struct counter_delta *out,
                      size_t room)
{
    size_t used = 0;

    assert(count <= (size_t)UINT16_MAX + 1);
    for (size_t id = 0; id < count && used < room; id++) {
        if (now[id] != told[id]) {
            assert_hot(now[id] > told[id]);
            out[used++] = (struct counter_delta){.id = (uint16_t)id, .amount = now[id] - told[id]};
            told[id] = now[id];
        }
    }
    return used;
}
