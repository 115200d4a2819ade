/* What the pages remember: sums, the last record of the sensor, the incidents that matter. */
#include "http_test.h"

static void incidents_stand_worst_and_newest_first(void **state)
{
    const struct view_incident *sorted[VIEW_INCIDENTS];
    (void)state;

    tell_incident((struct incident_told){1, "open", "scan", 1, "one"});
    tell_incident((struct incident_told){2, "open", "scan", 3, "two"});
    tell_incident((struct incident_told){3, "open", "scan", 1, "three"});
    tell_incident((struct incident_told){4, "open", "scan", 4, "four"});
    tell_incident((struct incident_told){4, "close", "scan", 4, "four, closed"});
    assert_int_equal(http_view_sorted(view, sorted), 4);
    assert_int_equal(sorted[0]->id.high, 2);
    assert_int_equal(sorted[1]->id.high, 3);
    assert_int_equal(sorted[2]->id.high, 1);
    assert_int_equal(sorted[3]->id.high, 4);
    assert_memory_equal(sorted[3]->sentence, "four, closed", 12);
    assert_int_equal(sorted[3]->sentence_bytes, 12);
    assert_int_equal(view->open_count, 3);
}

/* Sixty incidents: what makes room is closed ones first, then the oldest; the count knows all. */
static void the_least_missed_makes_room(void **state)
{
    const struct view_incident *sorted[VIEW_INCIDENTS];
    (void)state;

    for (uint64_t i = 1; i <= VIEW_INCIDENTS; i++) {
        tell_incident((struct incident_told){i, "open", "scan", 2, "open"});
    }
    tell_incident((struct incident_told){30, "close", "scan", 2, "closed"});
    tell_incident((struct incident_told){100, "open", "scan", 2, "open"}); /* instead of 30 */
    tell_incident((struct incident_told){101, "open", "scan", 2, "open"}); /* instead of 1 */
    assert_int_equal(view->open_count, VIEW_INCIDENTS + 1);
    assert_int_equal(http_view_sorted(view, sorted), VIEW_INCIDENTS);
    assert_int_equal(sorted[0]->id.high, 101);
    assert_int_equal(sorted[1]->id.high, 100);
    for (unsigned i = 0; i < VIEW_INCIDENTS; i++) {
        assert_true(sorted[i]->open);
        assert_int_not_equal(sorted[i]->id.high, 30);
        assert_int_not_equal(sorted[i]->id.high, 1);
    }
}

/* An incident that an earlier run opened may close here: the count does not go below nothing. */
static void a_close_without_an_open_is_no_debt(void **state)
{
    (void)state;
    tell_incident((struct incident_told){9, "close", "scan", 2, "closed"});
    assert_int_equal(view->open_count, 0);
    tell_incident((struct incident_told){10, "open", "scan", 2, "open"});
    assert_int_equal(view->open_count, 1);
}

static void rules_are_bounded(void **state)
{
    char slug[32];
    uint64_t sum = 0;
    (void)state;

    for (uint64_t i = 0; i < 2 * VIEW_RULES; i++) {
        (void)snprintf(slug, sizeof slug, "rule-%d", (int)i);
        tell_incident((struct incident_told){i, "open", slug, 2, "open"});
    }
    assert_int_equal(view->rule_count, VIEW_RULES);
    assert_string_equal(view->rules[0].slug, "rule-0");
    assert_string_equal(view->rules[VIEW_RULES - 1].slug, "other");
    for (uint32_t i = 0; i < view->rule_count; i++) {
        sum += view->rules[i].opened[2];
    }
    assert_int_equal(sum, 2 * VIEW_RULES);
}

static void steps_of_responses_are_counted_by_hook(void **state)
{
    char hook[32];
    uint64_t sum = 0;
    (void)state;

    for (unsigned i = 0; i < 3 * VIEW_STEPS; i++) {
        struct record_maker *maker = bench_begin(&bench, DATASET_RESPONSE);
        (void)snprintf(hook, sizeof hook, "hook-%u", i / 3);
        record_string(maker, FIELD_ID_EARSHOT_RESPONSE_STEP, i % 3 == 0 ? "proposed" : "refused");
        record_string(maker, FIELD_ID_EARSHOT_RESPONSE_HOOK, hook);
        http_view_see(view, bench_end(&bench), S, 0);
    }
    assert_int_equal(view->step_count, VIEW_STEPS);
    assert_string_equal(view->steps[1].hook, "hook-0");
    assert_string_equal(view->steps[1].step, "refused");
    assert_int_equal(view->steps[1].count, 2);
    assert_string_equal(view->steps[VIEW_STEPS - 1].hook, "other");
    for (uint32_t i = 0; i < view->step_count; i++) {
        sum += view->steps[i].count;
    }
    assert_int_equal(sum, 3 * VIEW_STEPS);
}

static void blindness_is_remembered(void **state)
{
    (void)state;
    tell_incident((struct incident_told){1, "open", "scan", 2, "no"});
    assert_false(view->blind);
    tell_incident((struct incident_told){2, "open", "sensor-blind", 3, "deaf"});
    tell_incident((struct incident_told){2, "update", "sensor-blind", 3, "deaf"});
    tell_incident((struct incident_told){1, "close", "scan", 2, "no"});
    assert_true(view->blind);
    tell_incident((struct incident_told){2, "close", "sensor-blind", 3, "deaf"});
    assert_false(view->blind);
}

static void calls_and_media_are_summed(void **state)
{
    static const struct {
        const char *outcome;
        int64_t mos;
    } rows[] = {{"answered", 4400}, {"answered", 4500}, {"answered", 1000},
                {"failed", 0},      {"answered", 4501}, {"unheard of", 0}};
    (void)state;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct record_maker *maker = bench_begin(&bench, DATASET_CALL);
        record_string(maker, FIELD_ID_EARSHOT_CALL_OUTCOME, rows[i].outcome);
        if (rows[i].mos != 0) {
            record_decimal(maker, FIELD_ID_EARSHOT_CALL_MEDIA_MOS_MIN, rows[i].mos);
        }
        http_view_see(view, bench_end(&bench), S, 0);
    }
    struct record_maker *maker = bench_begin(&bench, DATASET_MEDIA);
    record_long(maker, FIELD_ID_RTP_EXPECTED, 500);
    record_long(maker, FIELD_ID_RTP_LOST, 20);
    http_view_see(view, bench_end(&bench), S, 0);
    assert_int_equal(view->outcomes[0], 4);
    assert_int_equal(view->outcomes[1], 1);
    assert_int_equal(view->outcomes[VIEW_OUTCOMES - 1], 1);
    assert_int_equal(view->mos_count, 4);
    assert_int_equal(view->mos_sum, 14401);
    assert_int_equal(view->mos_counts[0], 1);
    assert_int_equal(view->mos_counts[VIEW_MOS_BOUNDS - 1], 2); /* at most 4.5 */
    assert_int_equal(view->mos_counts[VIEW_MOS_BOUNDS], 1);
    assert_int_equal(view->rtp_lost, 20);
    assert_int_equal(view->records[DATASET_CALL], 6);
}

static void the_sensors_figures_are_compared(void **state)
{
    (void)state;
    assert_int_equal(http_view_figure(view, FIELD_ID_EARSHOT_SENSOR_CAPTURE_PACKETS), 0);
    tell_sensor((struct told){100, 1, 2, 0}, 5 * S);
    tell_sensor((struct told){300, 4, 2, 1}, 15 * S);
    assert_int_equal(view->heard_ns, 15 * S);
    assert_int_equal(view->lag_ns, 70 * NS_PER_MS);
    assert_int_equal(view->before.packets, 100);
    assert_int_equal(view->now.packets, 300);
    assert_int_equal(view->now.dropped_kernel - view->before.dropped_kernel, 3);
    assert_int_equal(http_view_figure(view, FIELD_ID_EARSHOT_SENSOR_CAPTURE_PACKETS), 300);
}

int main(void)
{
#define WITH_VIEW(test) cmocka_unit_test_setup_teardown(test, view_begin, view_end)
    const struct CMUnitTest tests[] = {
        WITH_VIEW(incidents_stand_worst_and_newest_first),
        WITH_VIEW(the_least_missed_makes_room),
        WITH_VIEW(a_close_without_an_open_is_no_debt),
        WITH_VIEW(rules_are_bounded),
        WITH_VIEW(steps_of_responses_are_counted_by_hook),
        WITH_VIEW(blindness_is_remembered),
        WITH_VIEW(calls_and_media_are_summed),
        WITH_VIEW(the_sensors_figures_are_compared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
