#include "tests/unit/base/unit.h"

#include "base/bytering.h"

enum { RING_BYTES = 4096, LIVE_MAX = 4096 };

/* A taking that must stay as it was written until it is released. */
struct taking {
    uint8_t *at;
    size_t bytes;
    uint64_t key;
};

static void takings_stay_until_they_are_released(void **state)
{
    (void)state;
    static struct bytering ring;
    static struct taking live[LIVE_MAX];
    struct error error;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        uint64_t random = seed * 77777;
        size_t first = 0;
        size_t count = 0;
        uint64_t key = 0;
        uint32_t refused = 0;
        uint32_t taken = 0;
        assert_int_equal(bytering_open(&ring, RING_BYTES, &error), STATUS_OK);
        for (int step = 0; step < 3000; step++) {
            size_t bytes = 1 + random_below(&random, step % 7 == 0 ? RING_BYTES / 2 : 200);
            key += random_below(&random, 3);
            uint8_t *at = bytering_take(&ring, bytes, key);
            if (at == NULL) {
                refused++;
            } else {
                taken++;
                memset(at, (int)(key & 0xff), bytes);
                live[(first + count) % LIVE_MAX] = (struct taking){at, bytes, key};
                count++;
            }
            if (at == NULL || random_below(&random, 4) == 0) {
                uint64_t position = key - (key < 4 ? key : random_below(&random, 4));
                bytering_release(&ring, position);
                while (count > 0 && live[first].key <= position) {
                    first = (first + 1) % LIVE_MAX;
                    count--;
                }
            }
            for (size_t index = 0; index < count; index++) {
                const struct taking *one = &live[(first + index) % LIVE_MAX];
                assert_int_equal(one->at[0], one->key & 0xff);
                assert_int_equal(one->at[one->bytes - 1], one->key & 0xff);
            }
        }
        assert_true(taken > 1000);
        assert_true(refused > 0);
        bytering_close(&ring);
    }
}

static void sizes_at_the_limits(void **state)
{
    (void)state;
    static struct bytering ring;
    struct error error;
    assert_int_equal(bytering_open(&ring, RING_BYTES, &error), STATUS_OK);
    size_t half = ring.region.bytes / 2;
    assert_null(bytering_take(&ring, half + 1, 1));
    assert_non_null(bytering_take(&ring, half, 1));
    assert_non_null(bytering_take(&ring, half, 2));
    assert_null(bytering_take(&ring, 1, 3));
    assert_null(bytering_take(&ring, 0, 3));
    bytering_release(&ring, 0);
    assert_null(bytering_take(&ring, 1, 3));
    bytering_release(&ring, 1);
    assert_non_null(bytering_take(&ring, 1, 3));
    assert_non_null(bytering_take(&ring, 0, 3));
    bytering_release(&ring, UINT64_MAX);
    assert_int_equal(ring.mark_count, 0);
    assert_non_null(bytering_take(&ring, half, 4));
    bytering_close(&ring);
}

/* More takings than marks: the newest mark grows, so bytes stay longer, never shorter. */
static void more_takings_than_marks(void **state)
{
    (void)state;
    static struct bytering ring;
    struct error error;
    assert_int_equal(bytering_open(&ring, 1 << 20, &error), STATUS_OK);
    for (uint64_t key = 1; key <= BYTERING_MARKS + 10; key++) {
        assert_non_null(bytering_take(&ring, 16, key));
    }
    assert_int_equal(ring.mark_count, BYTERING_MARKS);
    bytering_release(&ring, BYTERING_MARKS - 1);
    assert_int_equal(ring.mark_count, 1);
    bytering_release(&ring, BYTERING_MARKS + 9);
    assert_int_equal(ring.mark_count, 1);
    bytering_release(&ring, BYTERING_MARKS + 10);
    assert_int_equal(ring.mark_count, 0);
    bytering_close(&ring);
}

/* A taking with an older key stays until the newer one in front of it is free. */
static void a_late_key_stays_longer(void **state)
{
    (void)state;
    static struct bytering ring;
    struct error error;
    assert_int_equal(bytering_open(&ring, RING_BYTES, &error), STATUS_OK);
    size_t half = ring.region.bytes / 2;
    assert_non_null(bytering_take(&ring, half, 9));
    assert_non_null(bytering_take(&ring, half, 5));
    bytering_release(&ring, 8);
    assert_null(bytering_take(&ring, 1, 10));
    bytering_release(&ring, 9);
    assert_non_null(bytering_take(&ring, half, 10));
    bytering_close(&ring);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takings_stay_until_they_are_released),
        cmocka_unit_test(sizes_at_the_limits),
        cmocka_unit_test(more_takings_than_marks),
        cmocka_unit_test(a_late_key_stays_longer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
