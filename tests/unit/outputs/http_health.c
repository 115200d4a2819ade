/* When the sensor is healthy, and what it says when it is not. */
#include "http_test.h"

static bool says(const char *words)
{
    for (uint32_t i = 0; i < health.count; i++) {
        if (strstr(health.reasons[i], words) != NULL) {
            return true;
        }
    }
    return false;
}

static void a_start_is_not_healthy_yet(void **state)
{
    (void)state;
    judge(103 * S);
    assert_false(health.good);
    assert_true(says("no record of the sensor has come yet, 3 s after the start"));
    tell_sensor((struct told){100, 0, 0, 0}, 110 * S);
    judge(111 * S);
    assert_true(health.good);
    assert_int_equal(health.count, 0);
}

static void silence_is_not_healthy(void **state)
{
    (void)state;
    tell_sensor((struct told){100, 0, 0, 0}, 110 * S);
    judge(139 * S);
    assert_true(health.good);
    judge(140 * S);
    assert_false(health.good);
    assert_true(says("the last record of the sensor came 30 s ago"));
    host.live = false; /* packet time of a capture says nothing about now */
    judge(1000 * S);
    assert_true(health.good);
}

static void a_deaf_sensor_is_not_healthy(void **state)
{
    (void)state;
    tell_sensor((struct told){100, 0, 0, 0}, 110 * S);
    tell_incident((struct incident_told){2, "open", "sensor-blind", 3, "deaf"});
    judge(111 * S);
    assert_false(health.good);
    assert_true(says("sensor-blind"));
    tell_incident((struct incident_told){2, "close", "sensor-blind", 3, "deaf"});
    judge(112 * S);
    assert_true(health.good);
}

/* 0.1 % is the limit here. */
static void lost_frames_are_named(void **state)
{
    (void)state;
    tell_sensor((struct told){0, 0, 0, 0}, 110 * S);
    tell_sensor((struct told){99991, 5, 4, 0}, 120 * S);
    judge(121 * S);
    assert_true(health.good);
    assert_true(says("of 100000 frames of the last interval the kernel dropped 5 and the card 4 "
                     "(0.00 %)"));
    tell_sensor((struct told){100990, 6, 4, 0}, 130 * S);
    judge(131 * S);
    assert_false(health.good);
    assert_true(says("of 1000 frames of the last interval the kernel dropped 1"));
    tell_sensor((struct told){200990, 6, 4, 0}, 140 * S);
    judge(141 * S);
    assert_true(health.good);
    assert_int_equal(health.count, 0);
}

static void records_lost_inside_are_not_healthy(void **state)
{
    (void)state;
    tell_sensor((struct told){0, 0, 0, 0}, 110 * S);
    tell_sensor((struct told){10, 0, 0, 3}, 120 * S);
    judge(121 * S);
    assert_false(health.good);
    assert_true(says("3 records of the last interval were lost inside"));
}

static void an_output_that_loses_is_not_healthy(void **state)
{
    (void)state;
    tell_sensor((struct told){0, 0, 0, 0}, 110 * S);
    places[0].tally.away = true;
    places[0].tally.waiting = 7;
    judge(111 * S);
    assert_true(health.good); /* a moment */
    assert_int_equal(health.count, 0);
    tell_sensor((struct told){0, 0, 0, 0}, 165 * S);
    judge(171 * S);
    assert_true(health.good); /* what it has waits */
    assert_true(says("output lines has been away for 60 s, 7 records wait"));
    places[0].tally.dropped[DATASET_SIP] = 4;
    judge(172 * S);
    judge(175 * S);
    assert_false(health.good);
    assert_true(says("output lines has lost 4 records so far, the last 3 s ago; has been away for "
                     "64 s"));
    places[0].tally.away = false;
    tell_sensor((struct told){0, 0, 0, 0}, 230 * S);
    judge(231 * S);
    assert_false(health.good);
    judge(232 * S);
    assert_true(health.good);
}

/* Every output in trouble: bounded, and it says that there is more. */
static void reasons_are_bounded(void **state)
{
    (void)state;
    place_count = OUTPUT_PLACES_MAX;
    for (uint32_t i = 0; i < place_count; i++) {
        places[i] = (struct output_place){.name = "a \x1b[31m\"name\"", .type = &file_type};
        places[i].tally.dropped[DATASET_CALL] = 1;
    }
    tell_sensor((struct told){0, 0, 0, 0}, 110 * S);
    judge(111 * S);
    assert_false(health.good);
    assert_int_equal(health.count, HEALTH_REASONS);
    assert_string_equal(health.reasons[HEALTH_REASONS - 1], "and more");
    assert_true(says("output a \\x1B[31m\"name\" has lost 1 records"));
}

static void the_verdict_is_json(void **state)
{
    char out[4096];
    struct text text = text_into(out, sizeof out - 1);
    (void)state;

    tell_sensor((struct told){0, 0, 0, 0}, 110 * S);
    judge(111 * S);
    health_print(&health, &text);
    assert_string_equal(text_terminate(&text), "{\"status\":\"ok\",\"reasons\":[]}\n");
    places[0].name = "a\"b";
    places[0].tally.dropped[DATASET_CALL] = 1;
    judge(112 * S);
    text = text_into(out, sizeof out - 1);
    health_print(&health, &text);
    assert_string_equal(text_terminate(&text),
                        "{\"status\":\"unhealthy\",\"reasons\":[\"output a\\\"b has lost 1 records "
                        "so far, the last 0 s ago\"]}\n");
}

int main(void)
{
#define WITH_VIEW(test) cmocka_unit_test_setup_teardown(test, view_begin, view_end)
    const struct CMUnitTest tests[] = {
        WITH_VIEW(a_start_is_not_healthy_yet),
        WITH_VIEW(silence_is_not_healthy),
        WITH_VIEW(a_deaf_sensor_is_not_healthy),
        WITH_VIEW(lost_frames_are_named),
        WITH_VIEW(records_lost_inside_are_not_healthy),
        WITH_VIEW(an_output_that_loses_is_not_healthy),
        WITH_VIEW(reasons_are_bounded),
        WITH_VIEW(the_verdict_is_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
