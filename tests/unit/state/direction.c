/* One direction or both: a mirror that lost one is told from a server that died and from a scan of
 * addresses that never answer. */
#include "wire.h"

#include "sensor/state/direction.h"

enum { START_S = 1000 };

struct stage {
    struct direction direction;
    uint64_t second;
};

static void stage_open(struct stage *stage)
{
    *stage = (struct stage){.second = START_S};
    direction_mark(&stage->direction, START_S);
}

static void see(struct stage *stage, const char *what, unsigned count, bool is_copy, bool known)
{
    struct wire wire = {.what = what};
    const struct sip_sighting *sip = wire_sip(&wire, 1);

    for (unsigned i = 0; i < count; i++) {
        direction_see(&stage->direction, &sip->message, true, is_copy, known);
    }
}

static void wait(struct stage *stage, unsigned seconds)
{
    for (unsigned i = 0; i < seconds; i++) {
        direction_mark(&stage->direction, ++stage->second);
    }
}

static void two_directions(void **unused)
{
    struct stage stage;
    (void)unused;

    stage_open(&stage);
    see(&stage, "INVITE", 100, false, true);
    see(&stage, "200 INVITE", 6, false, true);
    see(&stage, "ACK", 100, false, true);
    wait(&stage, 1);
    assert_false(stage.direction.one_way); /* one answer in twenty is heard */
    assert_true(direction_doubts(&stage.direction, false)); /* 6 to 200: worth a look */
}

/* TCP does not repeat, but it acknowledges. */
static void answered_over_tcp(void **unused)
{
    struct stage stage;
    (void)unused;

    stage_open(&stage);
    see(&stage, "REGISTER", 90, false, false);
    for (unsigned i = 0; i < 94; i++) {
        direction_see_answered(&stage.direction, i < 4); /* strangers say nothing */
    }
    wait(&stage, 1);
    assert_false(stage.direction.one_way);
    direction_see_answered(&stage.direction, true);
    wait(&stage, 1);
    assert_true(stage.direction.one_way);
}

static void acknowledged_by_who_is_not_heard(void **unused)
{
    struct stage stage;
    (void)unused;

    stage_open(&stage);
    see(&stage, "INVITE", 9, true, false);
    see(&stage, "ACK", 4, false, true);
    see(&stage, "ACK", 90, false, false); /* strangers say nothing */
    see(&stage, "ACK", 90, true, true); /* nor do copies */
    wait(&stage, 1);
    assert_false(stage.direction.one_way);
    see(&stage, "ACK", 1, false, true);
    wait(&stage, 1);
    assert_true(stage.direction.one_way);
    wait(&stage, 3600); /* silence is no proof of the contrary */
    assert_true(stage.direction.one_way);
    see(&stage, "INVITE", 3, false, true);
    see(&stage, "200 INVITE", 3, false, true);
    wait(&stage, 1);
    assert_false(stage.direction.one_way);
}

static void calm_clients_are_answered(void **unused)
{
    struct stage stage;
    (void)unused;

    stage_open(&stage);
    see(&stage, "REGISTER", 4, false, true);
    wait(&stage, 3);
    assert_false(stage.direction.one_way);
    see(&stage, "REGISTER", 1, false, true);
    wait(&stage, 2);
    assert_false(stage.direction.one_way); /* the last one may still be repeated */
    wait(&stage, 1);
    assert_true(stage.direction.one_way);
    see(&stage, "REGISTER", 4, true, true);
    wait(&stage, 1);
    assert_true(stage.direction.one_way);
    see(&stage, "REGISTER", 1, true, true); /* nobody answers after all */
    wait(&stage, 1);
    assert_false(stage.direction.one_way);
}

/* A hundred phones at once, the moment before a mark. */
static void a_burst_at_a_dead_server(void **unused)
{
    struct stage stage;
    (void)unused;

    stage_open(&stage);
    see(&stage, "REGISTER", 100, false, true);
    wait(&stage, 1);
    assert_false(stage.direction.one_way);
    see(&stage, "REGISTER", 100, true, true);
    for (unsigned i = 0; i < 12; i++) {
        wait(&stage, 1);
        assert_false(stage.direction.one_way);
    }
}

static void a_dead_server_is_no_mirror(void **unused)
{
    struct stage stage;
    (void)unused;

    stage_open(&stage);
    for (unsigned i = 0; i < 60; i++) { /* ten phones a second, each repeats itself */
        see(&stage, "REGISTER", 10, false, true);
        see(&stage, "REGISTER", 2, true, true);
        wait(&stage, 1);
        assert_false(stage.direction.one_way);
    }
}

static void a_scan_is_no_mirror(void **unused)
{
    struct stage stage;
    (void)unused;

    stage_open(&stage);
    for (unsigned i = 0; i < 60; i++) { /* of strangers, who do not repeat themselves */
        see(&stage, "OPTIONS", 1000, false, false);
        see(&stage, "ACK", 1000, false, false);
        wait(&stage, 1);
        assert_false(stage.direction.one_way);
    }
}

static void answers_without_requests(void **unused)
{
    struct stage stage;
    (void)unused;

    stage_open(&stage);
    see(&stage, "200 INVITE", 9999, false, false); /* a flood of forged answers */
    see(&stage, "200 INVITE", 99, false, true);
    assert_true(direction_doubts(&stage.direction, true));
    wait(&stage, 1);
    assert_false(stage.direction.one_way);
    see(&stage, "200 INVITE", 1, false, true);
    wait(&stage, 1);
    assert_true(stage.direction.one_way);
}

static void only_the_last_seconds_count(void **unused)
{
    struct stage stage;
    (void)unused;

    stage_open(&stage);
    see(&stage, "ACK", 4, false, true);
    wait(&stage, 6);
    see(&stage, "ACK", 4, false, true);
    wait(&stage, 1);
    assert_false(stage.direction.one_way);
    assert_int_equal(stage.direction.sum.acks, 8); /* figures are of ten */
    wait(&stage, 3);
    assert_int_equal(stage.direction.sum.acks, 4);
    direction_mark(&stage.direction, stage.second + 100000);
    assert_int_equal(stage.direction.sum.acks, 0);
    assert_int_equal(stage.direction.sum.requests, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_directions),
        cmocka_unit_test(answered_over_tcp),
        cmocka_unit_test(acknowledged_by_who_is_not_heard),
        cmocka_unit_test(calm_clients_are_answered),
        cmocka_unit_test(a_dead_server_is_no_mirror),
        cmocka_unit_test(a_burst_at_a_dead_server),
        cmocka_unit_test(a_scan_is_no_mirror),
        cmocka_unit_test(answers_without_requests),
        cmocka_unit_test(only_the_last_seconds_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
