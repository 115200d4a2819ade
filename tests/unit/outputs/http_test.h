/* http_test.h - what the tests of the pages share: records of the sensor and of incidents, a host with
 * two outputs. */
#ifndef TESTS_UNIT_HTTP_TEST_H
#define TESTS_UNIT_HTTP_TEST_H

#include "outputs_test.h"

#include "outputs/http_page.h"

#define S NS_PER_S

static struct bench bench;
static struct http_view *view;
static uint32_t place_count = 2;
static struct output file_type = {.type = "file"};
static struct output_place places[OUTPUT_PLACES_MAX];
static struct output_host host;
static struct health_watch watch;
static struct health health;

static inline int view_begin(void **state)
{
    struct error error;
    (void)state;

    memset(places, 0, sizeof places);
    memset(&watch, 0, sizeof watch);
    place_count = 2;
    places[0] = (struct output_place){.name = "lines", .type = &file_type};
    places[1] = (struct output_place){.name = "pages", .type = &file_type};
    host = (struct output_host){.name = "pages",
                                .identity = {.observer = "edge-1", .version = "0.1.0"},
                                .live = true,
                                .places = places,
                                .place_count = &place_count};
    watch.lost_ppm = 1000;
    watch.started_ns = 100 * S;
    return http_view_open(&view, &error) == STATUS_OK ? 0 : -1;
}

static inline int view_end(void **state)
{
    (void)state;
    http_view_close(view);
    return 0;
}

/* Cumulative figures, as the sensor tells them. */
struct told {
    int64_t packets;
    int64_t kernel;
    int64_t nic;
    int64_t records;
};

static inline void tell_sensor(struct told told, uint64_t steady_ns)
{
    struct record_maker *maker = bench_begin(&bench, DATASET_SENSOR);

    record_long(maker, FIELD_ID_EARSHOT_SENSOR_CAPTURE_PACKETS, told.packets);
    record_long(maker, FIELD_ID_EARSHOT_SENSOR_DROPS_KERNEL, told.kernel);
    record_long(maker, FIELD_ID_EARSHOT_SENSOR_DROPS_NIC, told.nic);
    record_long(maker, FIELD_ID_EARSHOT_SENSOR_DROPS_QUEUE, told.records);
    record_count(maker, FIELD_ID_EARSHOT_SENSOR_SIP_REQUESTS, SLICE("INVITE"), 7);
    record_count(maker, FIELD_ID_EARSHOT_SENSOR_SIP_RESPONSES, SLICE("180"), 2);
    record_count(maker, FIELD_ID_EARSHOT_SENSOR_SIP_RESPONSES, SLICE("183"), 3);
    record_count(maker, FIELD_ID_EARSHOT_SENSOR_SIP_RESPONSES, SLICE("other"), 1);
    http_view_see(view, bench_end(&bench), steady_ns, AT_NS + 70 * NS_PER_MS);
}

struct incident_told {
    uint64_t id;
    const char *state;
    const char *rule;
    int64_t level;
    const char *sentence;
};

static inline void tell_incident(struct incident_told told)
{
    struct record_maker *maker = bench_begin(&bench, DATASET_ALERT);

    record_string(maker, FIELD_ID_MESSAGE, told.sentence);
    record_string(maker, FIELD_ID_RULE_ID, told.rule);
    record_string(maker, FIELD_ID_RULE_NAME, told.sentence);
    record_hash(maker, FIELD_ID_EARSHOT_ALERT_ID, (struct hash128){.high = told.id, .low = 1});
    record_string(maker, FIELD_ID_EARSHOT_ALERT_STATE, told.state);
    record_long(maker, FIELD_ID_EARSHOT_ALERT_LEVEL, told.level);
    record_date(maker, FIELD_ID_EARSHOT_ALERT_FIRST_SEEN, AT_NS);
    record_long(maker, FIELD_ID_EARSHOT_ALERT_COUNT, 5);
    http_view_see(view, bench_end(&bench), S, 0);
}

static inline void judge(uint64_t steady_ns)
{
    health_watch_look(&watch, &host, steady_ns);
    health_judge(&watch, view, &host, steady_ns, &health);
}

#endif
