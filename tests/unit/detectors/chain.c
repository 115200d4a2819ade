/* Chains: what links, what does not, which id speaks, and the story that comes out. */
#include "facts.h"

#include "detectors/frame/chain.h"

static struct chains chains;

static void open_it(uint32_t chains_max)
{
    struct error error;

    assert_int_equal(chain_open(&chains, chains_max, HASH_KEY_FIXED, &error), STATUS_OK);
}

static uint64_t join(uint64_t source, uint64_t account, uint64_t hours, uint8_t stage, uint64_t id)
{
    struct chain_link link = {.entities = {source, 0, account},
                              .now_ns = START_NS + hours * NS_PER_HOUR,
                              .opened_ns = START_NS + hours * NS_PER_HOUR,
                              .id = {.low = id},
                              .title = "attack",
                              .name = SLICE("192.0.2.1"),
                              .stage = stage};

    return chain_join(&chains, &link);
}

static uint64_t id_of(uint64_t number)
{
    struct hash128 id;

    assert_true(chain_id(&chains, number, &id));
    return id.low;
}

static const char *story(uint64_t number)
{
    static char room[INCIDENT_TEXT_BYTES];
    struct text text = text_into(room, sizeof room - 1);

    chain_write(&chains, number, &text);
    return text_terminate(&text);
}

static void test_alone(void **state)
{
    (void)state;
    open_it(100);
    uint64_t one = join(11, 0, 0, 1, 1);
    uint64_t other = join(12, 0, 0, 1, 2);
    assert_int_equal(id_of(one), 1);
    assert_int_equal(id_of(other), 2);
    assert_string_equal(story(one), "");
    assert_string_equal(story(other), "");
    chain_close(&chains);
}

static void test_story(void **state)
{
    (void)state;
    open_it(100);
    uint64_t last = join(11, 0, 2, 3, 3);
    (void)join(11, 0, 3, 1, 4);
    (void)join(11, 0, 4, 1, 5);
    assert_int_equal(id_of(last), 3); /* of the oldest */
    /* Stages in their order, whatever the order of opening. */
    assert_string_equal(story(last), "2026-01-05T11:00:00Z: attack, 192.0.2.1 and 1 more. "
                                     "2026-01-05T10:00:00Z: attack, 192.0.2.1.");
    chain_close(&chains);
}

/* Two stories become one when an incident shares with both; the older id speaks for all. */
static void test_union(void **state)
{
    (void)state;
    open_it(100);
    uint64_t young = join(0, 22, 5, 3, 50);
    uint64_t old = join(11, 0, 1, 1, 10);
    uint64_t link = join(11, 22, 6, 4, 60);
    assert_int_equal(id_of(young), 10);
    assert_int_equal(id_of(old), 10);
    assert_int_equal(id_of(link), 10);
    assert_string_equal(story(young), story(old));
    /* the other way round: the account's story is the older one */
    (void)join(0, 23, 1, 3, 70);
    (void)join(13, 0, 5, 1, 80);
    assert_int_equal(id_of(join(13, 23, 6, 4, 90)), 70);
    /* and in a row of unions */
    for (uint64_t i = 0; i < 40; i++) {
        (void)join(100 + i, 0, 7 + i, 1, 100 + i);
    }
    for (uint64_t i = 0; i < 39; i++) {
        (void)join(100 + i, 101 + i, 50, 2, 200 + i);
        struct chain_link both = {.entities = {100 + i, 101 + i, 0},
                                  .now_ns = START_NS + 51 * NS_PER_HOUR,
                                  .opened_ns = START_NS + 51 * NS_PER_HOUR,
                                  .id = {.low = 300 + i},
                                  .title = "both",
                                  .name = SLICE("x"),
                                  .stage = 2};
        assert_int_equal(id_of(chain_join(&chains, &both)), 100);
    }
    chain_close(&chains);
}

static void test_seven_days(void **state)
{
    (void)state;
    for (unsigned late = 0; late < 2; late++) {
        open_it(100);
        (void)join(11, 0, 0, 1, 1);
        uint64_t other = join(11, 0, 7 * 24 + late, 2, 2);
        assert_int_equal(id_of(other), late == 0 ? 1 : 2);
        chain_close(&chains);
    }
}

/* A provider's address is in too many stories to link them. */
static void test_shared(void **state)
{
    (void)state;
    open_it(1000);
    uint64_t number = 0;
    for (uint64_t i = 0; i <= CHAIN_SHARED_MAX; i++) {
        number = join(11, 1000 + i, 0, 1, i + 1);
        assert_int_equal(id_of(number), 1);
    }
    number = join(11, 2000, 0, 1, 99);
    assert_int_equal(id_of(number), 99);
    /* its accounts link still */
    assert_int_equal(id_of(join(12, 2000, 0, 2, 100)), 99);
    chain_close(&chains);
}

/* Bounded: what was idle longest is forgotten, and a number never comes back for another story. */
static void test_forgotten(void **state)
{
    (void)state;
    struct hash128 id;

    open_it(4);
    uint64_t first = join(11, 0, 0, 1, 1);
    for (uint64_t i = 0; i < 10; i++) {
        (void)join(100 + i, 0, 1 + i, 1, 100 + i);
    }
    assert_false(chain_id(&chains, first, &id));
    assert_string_equal(story(first), "");
    uint64_t again = join(11, 0, 20, 1, 2);
    assert_int_not_equal(again, first);
    assert_int_equal(id_of(again), 2);
    chain_close(&chains);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alone),  cmocka_unit_test(test_story),
        cmocka_unit_test(test_union),  cmocka_unit_test(test_seven_days),
        cmocka_unit_test(test_shared), cmocka_unit_test(test_forgotten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
