/* lock: two threads that add to one number lose nothing. */
#include "unit.h"

#include "base/lock.h"

#include <pthread.h>

enum { ROUNDS = 20000 };

static struct lock door = LOCK_OPEN;
static unsigned inside;
static unsigned sum;

static void *enter(void *unused)
{
    (void)unused;
    for (unsigned i = 0; i < ROUNDS; i++) {
        lock_take(&door);
        inside++;
        if (inside == 1) {
            sum++;
        }
        inside--;
        lock_give(&door);
    }
    return NULL;
}

static void one_at_a_time(void **state)
{
    (void)state;
    pthread_t threads[4];
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, enter, NULL), 0);
    }
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_int_equal(sum, ROUNDS * COUNT_OF(threads));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(one_at_a_time)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
