#include "tests/unit/base/unit.h"

#include "base/ring.h"

#include <pthread.h>
#include <unistd.h>

/* A record of the tests: its length, its number, and bytes that follow from the number. */
struct record {
    uint32_t bytes;
    uint32_t number;
    uint8_t filling[];
};

static uint8_t filling_of(uint32_t number, size_t at)
{
    return (uint8_t)(number * 31 + at);
}

static void fill(struct record *record, uint32_t number, uint32_t bytes)
{
    record->bytes = bytes;
    record->number = number;
    for (size_t i = 0; i < bytes - sizeof *record; i++) {
        record->filling[i] = filling_of(number, i);
    }
}

static void check(const struct record *record, uint32_t number, size_t bytes_left)
{
    assert_int_equal(record->number, number);
    assert_in_range(record->bytes, sizeof *record, bytes_left);
    for (size_t i = 0; i < record->bytes - sizeof *record; i++) {
        assert_int_equal(record->filling[i], filling_of(number, i));
    }
}

static void records_of_all_sizes_pass_in_order(void **state)
{
    static struct ring ring;
    struct error error;
    uint64_t seed = 1;
    uint32_t written = 0;
    uint32_t published = 0;
    uint32_t read = 0;

    (void)state;
    assert_int_equal(ring_open(&ring, 4096, NULL, NULL, &error), STATUS_OK);
    assert_int_equal(ring.bytes, 4096);
    for (unsigned step = 0; step < 200000; step++) {
        uint32_t bytes = 8 + random_below(&seed, random_below(&seed, 10) == 0 ? 1017 : 60);
        size_t left;
        switch (random_below(&seed, 4)) {
        case 0:
        case 1: {
            struct record *record = ring_reserve(&ring, bytes);
            if (record == NULL) {
                published = written; /* a full ring shows all it has */
                break;
            }
            assert_int_equal((uintptr_t)record % RING_ALIGN, 0);
            fill(record, written++, bytes);
            ring_commit(&ring, bytes);
            break;
        }
        case 2:
            ring_publish(&ring, false);
            published = written;
            break;
        default: {
            const struct record *record = ring_peek(&ring, &left);
            if (record == NULL) {
                assert_true(left == 0 && read >= published);
                break;
            }
            while (left > 0 && random_below(&seed, 5) != 0) {
                check(record, read++, left);
                size_t units = (record->bytes + 15U) / 16 * 16;
                ring_advance(&ring, record->bytes);
                left -= units;
                record = (const struct record *)(const void *)((const uint8_t *)record + units);
            }
            assert_true(read <= written);
            if (random_below(&seed, 2) == 0) {
                ring_release(&ring);
            }
            break;
        }
        }
    }
    assert_true(read > 10000);
    ring_close(&ring);
}

static void it_is_full_when_full(void **state)
{
    static struct ring ring;
    struct error error;
    size_t left;

    (void)state;
    assert_int_equal(ring_open(&ring, 4096, NULL, NULL, &error), STATUS_OK);
    assert_null(ring_peek(&ring, &left));
    assert_true(ring_is_drained(&ring));
    for (unsigned i = 0; i < 4; i++) {
        assert_non_null(ring_reserve(&ring, 1024));
        ring_commit(&ring, 1009); /* rounded up to 1,024 */
    }
    assert_null(ring_reserve(&ring, 1));
    assert_false(ring_is_drained(&ring));
    assert_non_null(ring_peek(&ring, &left));
    assert_int_equal(left, 4096);
    ring_advance(&ring, 1);
    assert_null(ring_reserve(&ring, 1)); /* read, but not given back */
    ring_release(&ring);
    assert_non_null(ring_reserve(&ring, 16));
    assert_null(ring_reserve(&ring, 17));
    ring_advance(&ring, 4080);
    assert_null(ring_peek(&ring, &left));
    ring_release(&ring);
    assert_true(ring_is_drained(&ring));
    ring_close(&ring);
}

static void nothing_is_seen_before_it_is_published(void **state)
{
    static struct ring ring;
    struct error error;
    size_t left;

    (void)state;
    assert_int_equal(ring_open(&ring, 4096, NULL, NULL, &error), STATUS_OK);
    assert_non_null(ring_reserve(&ring, 1000));
    ring_commit(&ring, 1000);
    assert_null(ring_peek(&ring, &left));
    assert_non_null(ring_reserve(&ring, 16));
    ring_commit(&ring, 16); /* 1,024: a quarter, so it shows by itself */
    assert_non_null(ring_peek(&ring, &left));
    assert_int_equal(left, 1024);
    assert_non_null(ring_reserve(&ring, 16));
    ring_commit(&ring, 16);
    ring_advance(&ring, 1024);
    assert_null(ring_peek(&ring, &left));
    ring_set_position(&ring, 77); /* publishes first */
    assert_int_equal(ring_position(&ring), 77);
    assert_non_null(ring_peek(&ring, &left));
    assert_int_equal(left, 16);
    ring_close(&ring);
}

static void bells_ring_when_it_is_worth_it(void **state)
{
    static struct ring ring;
    static struct bell consumer;
    static struct bell producer;
    struct error error;
    size_t left;
    const size_t quarter = 64 << 10;

    (void)state;
    assert_int_equal(ring_open(&ring, 4 * quarter, &consumer, &producer, &error), STATUS_OK);
    uint32_t heard = bell_listen(&consumer);
    assert_non_null(ring_reserve(&ring, 100));
    ring_commit(&ring, 100);
    ring_publish(&ring, false);
    assert_int_equal(bell_listen(&consumer), heard); /* too little */
    ring_publish(&ring, true);
    assert_int_equal(bell_listen(&consumer), heard + 1);
    assert_non_null(ring_reserve(&ring, quarter - 128));
    ring_commit(&ring, quarter - 128);
    ring_publish(&ring, false);
    assert_int_equal(bell_listen(&consumer), heard + 1); /* 65,408 since */
    assert_non_null(ring_reserve(&ring, 128));
    ring_commit(&ring, 128);
    ring_publish(&ring, false);
    assert_int_equal(bell_listen(&consumer), heard + 2); /* 65,536 since */
    while (ring_reserve(&ring, quarter) != NULL) {
        ring_commit(&ring, quarter);
    }
    heard = bell_listen(&producer);
    assert_non_null(ring_peek(&ring, &left));
    ring_advance(&ring, 16);
    ring_release(&ring);
    assert_int_equal(bell_listen(&producer), heard + 1); /* it was nearly full: someone may wait */
    while (ring_peek(&ring, &left) != NULL && left > 2 * quarter) {
        ring_advance(&ring, 16);
    }
    ring_release(&ring);
    heard = bell_listen(&producer);
    assert_non_null(ring_peek(&ring, &left));
    ring_advance(&ring, 16);
    ring_release(&ring);
    assert_int_equal(bell_listen(&producer), heard); /* there was room before */
    ring_advance(&ring, quarter);
    ring_release(&ring);
    assert_int_equal(bell_listen(&producer), heard + 1); /* a quarter at once */
    ring_close(&ring);
}

/* In a ring smaller than RING_WAKE_BYTES, half full is enough. */
static void a_small_ring_wakes_at_half(void **state)
{
    static struct ring ring;
    static struct bell consumer;
    struct error error;

    (void)state;
    assert_int_equal(ring_open(&ring, 4096, &consumer, NULL, &error), STATUS_OK);
    assert_non_null(ring_reserve(&ring, 1024));
    ring_commit(&ring, 1024);
    assert_int_equal(bell_listen(&consumer), 0);
    assert_non_null(ring_reserve(&ring, 1024));
    ring_commit(&ring, 1024);
    assert_int_equal(bell_listen(&consumer), 1);
    ring_publish(&ring, false);
    assert_int_equal(bell_listen(&consumer), 1); /* nothing new since */
    ring_close(&ring);
}

/* A consumer that has read all but keeps it, asleep; a producer that cannot go on: the rest must be
 * shown and told, or both sleep for ever. */
static void a_producer_without_room_shows_all(void **state)
{
    static struct ring ring;
    static struct bell consumer;
    struct error error;
    size_t left;

    (void)state;
    assert_int_equal(ring_open(&ring, 4096, &consumer, NULL, &error), STATUS_OK);
    for (unsigned i = 0; i < 3; i++) {
        assert_non_null(ring_reserve(&ring, 1024));
        ring_commit(&ring, 1024);
    }
    assert_non_null(ring_peek(&ring, &left));
    ring_advance(&ring, left);
    assert_non_null(ring_reserve(&ring, 512));
    ring_commit(&ring, 512);
    assert_null(ring_peek(&ring, &left));
    uint32_t heard = bell_listen(&consumer);
    assert_null(ring_reserve(&ring, 1024));
    assert_int_equal(bell_listen(&consumer), heard + 1);
    assert_non_null(ring_peek(&ring, &left));
    assert_int_equal(left, 512);
    assert_null(ring_reserve(&ring, 1024));
    assert_int_equal(bell_listen(&consumer), heard + 1); /* nothing new to tell */
    ring_close(&ring);
}

static void a_wait_ends_at_its_time_or_at_a_ring(void **state)
{
    static struct bell bell;
    uint32_t heard = bell_listen(&bell);

    (void)state;
    bell_wait(&bell, heard, 2000000); /* nobody rings: 2 ms */
    assert_int_equal(bell_listen(&bell), heard);
    bell_ring(&bell);
    bell_wait(&bell, heard, 0); /* rung since: does not sleep, although without time-out */
    assert_int_equal(bell_listen(&bell), heard + 1);
}

/* --- two threads --- */

struct race {
    struct ring ring;
    struct bell consumer_bell;
    struct bell producer_bell;
    uint32_t records;
    uint32_t bytes_max;
    uint64_t seed;
    bool positions;
};

static void *produce(void *argument)
{
    struct race *race = argument;
    uint64_t seed = race->seed;

    for (uint32_t number = 0; number < race->records; number++) {
        uint32_t bytes = 8 + random_below(&seed, race->bytes_max - 7);
        struct record *record = ring_reserve(&race->ring, bytes);
        while (record == NULL) {
            uint32_t heard = bell_listen(&race->producer_bell);
            record = ring_reserve(&race->ring, bytes);
            if (record == NULL) {
                bell_wait(&race->producer_bell, heard, 0);
            }
        }
        fill(record, number, bytes);
        ring_commit(&race->ring, bytes);
        if (race->positions && random_below(&seed, 7) == 0) {
            ring_set_position(&race->ring, number + 1);
        }
        if (random_below(&seed, 100) == 0) {
            ring_publish(&race->ring, random_below(&seed, 2) == 0);
        }
    }
    ring_set_position(&race->ring, race->records);
    ring_publish(&race->ring, true);
    return NULL;
}

/* Sleeps without a time-out on both sides: a lost wake-up would stand until the alarm. */
static void consume(struct race *race)
{
    uint32_t read = 0;
    uint64_t seed = race->seed + 1;

    while (read < race->records) {
        uint32_t heard = bell_listen(&race->consumer_bell);
        uint64_t position = ring_position(&race->ring);
        size_t left;
        const struct record *record = ring_peek(&race->ring, &left);
        if (record == NULL) {
            assert_true(read >= position); /* all below the position was there to be read */
            bell_wait(&race->consumer_bell, heard, 0);
            continue;
        }
        while (left > 0) {
            check(record, read++, left);
            size_t units = (record->bytes + 15U) / 16 * 16;
            ring_advance(&race->ring, record->bytes);
            left -= units;
            record = (const struct record *)(const void *)((const uint8_t *)record + units);
            if (random_below(&seed, 4) == 0) {
                ring_release(&race->ring);
            }
        }
        ring_release(&race->ring);
    }
}

static void one_race(uint32_t records, uint32_t bytes_max, uint64_t seed, bool positions)
{
    static struct race race;
    struct error error;
    pthread_t thread;

    memset(&race, 0, sizeof race);
    race.records = records;
    race.bytes_max = bytes_max;
    race.seed = seed;
    race.positions = positions;
    assert_int_equal(ring_open(&race.ring, 4096, &race.consumer_bell, &race.producer_bell, &error),
                     STATUS_OK);
    (void)alarm(100);
    assert_int_equal(pthread_create(&thread, NULL, produce, &race), 0);
    consume(&race);
    assert_int_equal(pthread_join(thread, NULL), 0);
    (void)alarm(0);
    assert_true(ring_is_drained(&race.ring));
    ring_close(&race.ring);
}

static void two_threads_lose_nothing_and_never_hang(void **state)
{
    (void)state;
    one_race(60000, 1024, 1, false); /* a full ring after every four records: both sides sleep */
    one_race(100000, 40, 2, true);
    one_race(60000, 300, 3, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_of_all_sizes_pass_in_order),
        cmocka_unit_test(it_is_full_when_full),
        cmocka_unit_test(nothing_is_seen_before_it_is_published),
        cmocka_unit_test(bells_ring_when_it_is_worth_it),
        cmocka_unit_test(a_small_ring_wakes_at_half),
        cmocka_unit_test(a_producer_without_room_shows_all),
        cmocka_unit_test(a_wait_ends_at_its_time_or_at_a_ring),
        cmocka_unit_test(two_threads_lose_nothing_and_never_hang),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
