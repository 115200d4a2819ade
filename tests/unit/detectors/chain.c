/* Chains: what links, what does not, which id speaks, and the story that comes out. */
#include "facts.h"

#include "detectors/frame/chain.h"

static struct chains chains;

static void open_it(uint32_t chains_max)
{
    struct error error;

    assert_int_equal(chain_open(&chains, chains_max, HASH_KEY_FIXED, &error), STATUS_OK);
}

static uint64_t join_as(uint64_t source, uint64_t account, uint64_t hours, uint8_t stage,
                        uint64_t id, uint8_t severity, bool certain)
{
    struct chain_link link = {.entities = {source, 0, account},
                              .now_ns = START_NS + hours * NS_PER_HOUR,
                              .opened_ns = START_NS + hours * NS_PER_HOUR,
                              .id = {.low = id},
                              .title = "attack",
                              .name = SLICE("192.0.2.1"),
                              .stage = stage,
                              .severity = severity,
                              .certain = certain};

    return chain_join(&chains, &link);
}

static uint64_t join(uint64_t source, uint64_t account, uint64_t hours, uint8_t stage, uint64_t id)
{
    return join_as(source, account, hours, stage, id, 2, true);
}

static uint64_t id_of(uint64_t number)
{
    struct hash128 id;

    assert_true(chain_id(&chains, number, &id));
    return id.low;
}

static const char *story(uint64_t number)
{
    static char room[INCIDENT_STORY_BYTES];
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

struct order_row {
    const char *name;
    const char *stages; /* of incidents an hour apart */
    uint8_t highest;
    bool certain;
    uint8_t severity; /* of the chain */
};

/* The highest, and one more from three stages in order on. */
static void test_severity(void **state)
{
    (void)state;
    static const struct order_row rows[] = {
        {"one alone", "1", 2, true, 2},
        {"two stages", "13", 2, true, 2},
        {"two stages, often", "131313", 3, true, 3},
        {"three in order", "123", 2, true, 3},
        {"three in order with a gap", "135", 3, true, 4},
        {"three in order between others", "41235", 2, true, 3},
        {"backwards", "321", 2, true, 2},
        {"backwards, and again", "321321", 2, true, 2},
        {"backwards, then in order", "321323", 2, true, 3},
        {"two in order behind a third", "312", 2, true, 2},
        {"the first stage goes on", "2131", 2, true, 2},
        {"five in order", "12345", 2, true, 3},
        {"never above 4", "12345", 4, true, 4},
        {"nobody proven", "123", 2, false, 2},
        {"nobody proven, low", "123", 1, false, 2},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        open_it(100);
        uint64_t number = 0;
        for (uint64_t hour = 0; rows[i].stages[hour] != '\0'; hour++) {
            number = join_as(11, 0, hour, (uint8_t)(rows[i].stages[hour] - '0'), hour + 1,
                             hour == 0 ? rows[i].highest : 1, rows[i].certain);
        }
        if (chain_severity(&chains, number) != rows[i].severity) {
            fail_msg("%s: %u", rows[i].name, chain_severity(&chains, number));
        }
        chain_close(&chains);
    }
}

/* What an incident rises to later counts too, and so does the other half of a union. */
static void test_severity_later(void **state)
{
    (void)state;
    open_it(100);
    uint64_t scan = join_as(11, 0, 0, 1, 1, 1, false);
    uint64_t names = join_as(11, 0, 1, 2, 2, 1, false);
    uint64_t guess = join_as(0, 22, 2, 3, 3, 2, false);
    assert_int_equal(chain_severity(&chains, scan), 1);
    assert_int_equal(chain_severity(&chains, guess), 2);
    chain_raise(&chains, names, 2, false);
    assert_int_equal(chain_severity(&chains, scan), 2);
    (void)join_as(11, 22, 3, 1, 4, 1, false);
    assert_int_equal(chain_severity(&chains, scan), 2); /* in order, but who knows who it is */
    chain_raise(&chains, guess, 3, true);
    assert_int_equal(chain_severity(&chains, scan), 4);
    assert_int_equal(chain_severity(&chains, guess), 4);
    chain_raise(&chains, 0, 4, true); /* no chain */
    assert_int_equal(chain_severity(&chains, 0), 0);
    chain_close(&chains);
}

/* A scan that begins again all day is one story with itself, however often: the breach at its end
 * finds it. So do many accounts of one address, up to the limit. */
static void test_again_is_not_shared(void **state)
{
    (void)state;
    open_it(1000);
    for (uint64_t i = 0; i < 3 * CHAIN_SHARED_MAX; i++) {
        assert_int_equal(id_of(join(11, 0, i, 1, i + 1)), 1);
    }
    for (uint64_t i = 0; i < 3 * CHAIN_SHARED_MAX; i++) {
        assert_int_equal(id_of(join(11, 22, 150, 3, 1000 + i)), 1);
    }
    assert_int_equal(id_of(join(11, 22, 151, 4, 2000)), 1);
    chain_close(&chains);
}

/* Whole sentences of all five stages, however long their names. */
static void test_story_is_whole(void **state)
{
    (void)state;
    size_t longest = 0;

    for (size_t i = 0; i < detector_count(); i++) {
        size_t bytes = strlen(detectors[i]->title);
        longest = detectors[i]->stage != 0 && bytes > longest ? bytes : longest;
    }
    char title[128] = {0};
    char name[CHAIN_NAME_BYTES] = {0};
    assert_true(longest < sizeof title);
    memset(title, 't', longest);
    memset(name, 'n', sizeof name - 1);
    open_it(100);
    uint64_t number = 0;
    for (uint8_t stage = 1; stage <= CHAIN_STAGES; stage++) {
        for (unsigned i = 0; i < 1001; i++) {
            struct chain_link link = {.entities = {11, 0, 0},
                                      .now_ns = START_NS,
                                      .opened_ns = START_NS,
                                      .title = title,
                                      .name = slice_of_string(name),
                                      .stage = stage,
                                      .severity = 1};
            number = chain_join(&chains, &link);
        }
    }
    const char *text = story(number);
    unsigned sentences = 0;
    for (const char *at = text; (at = strstr(at, " and 1000 more.")) != NULL; at++) {
        sentences++;
    }
    assert_int_equal(sentences, CHAIN_STAGES);
    chain_close(&chains);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alone),
        cmocka_unit_test(test_story),
        cmocka_unit_test(test_union),
        cmocka_unit_test(test_seven_days),
        cmocka_unit_test(test_shared),
        cmocka_unit_test(test_forgotten),
        cmocka_unit_test(test_severity),
        cmocka_unit_test(test_severity_later),
        cmocka_unit_test(test_again_is_not_shared),
        cmocka_unit_test(test_story_is_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
