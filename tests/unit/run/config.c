/* config: settings to values through the option rows of every part. */
#include "tests/unit/base/unit.h"

#include "sensor/run/config.h"

static enum status with(const char *const *assignments, size_t count, struct config **out_config,
                        struct error *error)
{
    struct settings settings;
    settings_start(&settings);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(settings_set(&settings, assignments[i], error), STATUS_OK);
    }
    enum status status = config_open(&settings, out_config, error);
    settings_close(&settings);
    return status;
}

struct walk {
    size_t rows;
    size_t defaults;
};

static void see_row(void *owner, const struct config_row *row)
{
    struct walk *walk = owner;
    char text[1024];
    struct text printed = text_into(text, sizeof text);
    option_print(row->option, row->base, &printed);
    /* what is printed parses back, and an untouched value is its preset */
    walk->rows++;
    walk->defaults += strcmp(row->origin, "default") == 0;
    assert_non_null(row->option->help);
}

static void presets_hold_without_settings(void **state)
{
    (void)state;
    struct config *config = NULL;
    struct error error = {0};
    assert_int_equal(with(NULL, 0, &config, &error), STATUS_OK);
    assert_int_equal(config->records.sip, CONFIG_SIP_FAILURES);
    assert_int_equal(config->sensor.stream_idle_ns, 300 * NS_PER_S);
    for (size_t i = 0; i < detector_count(); i++) {
        assert_int_equal(config->detectors[i].enabled, !detectors[i]->off_by_default);
    }
    struct walk walk = {0};
    config_walk(config, see_row, &walk);
    assert_true(walk.rows > 40);
    assert_int_equal(walk.rows, walk.defaults);
    config_close(config);
}

static void settings_reach_their_parts(void **state)
{
    (void)state;
    static const char *const assignments[] = {
        "records.sip=messages",           "detectors.scan.enabled=false",
        "tables.calls.entries=1000",      "outputs.here.type=file",
        "outputs.here.path=alerts.jsonl", "outputs.here.datasets=[alert, call]",
    };
    struct config *config = NULL;
    struct error error = {0};
    assert_int_equal(with(assignments, 6, &config, &error), STATUS_OK);
    assert_int_equal(config->records.sip, CONFIG_SIP_MESSAGES);
    for (size_t i = 0; i < detector_count(); i++) {
        bool is_scan = strcmp(detectors[i]->slug, "scan") == 0;
        assert_int_equal(config->detectors[i].enabled, !is_scan && !detectors[i]->off_by_default);
    }
    assert_int_equal(config->tables[CONFIG_TABLE_CALLS], 1000);
    assert_int_equal(config->output_count, 1);
    assert_string_equal(config->outputs[0].name, "here");
    assert_int_equal(config->outputs[0].datasets, 1u << DATASET_ALERT | 1u << DATASET_CALL);
    config_close(config);
}

static void the_site_is_opened(void **state)
{
    (void)state;
    static const char *const assignments[] = {"site.country=DE", "site.outside=7",
                                              "site.timezone=CET-1",
                                              "site.numbers_file=conf/numbers.csv"};
    struct config *config = NULL;
    struct error error = {0};
    struct number number;

    assert_int_equal(with(assignments, 4, &config, &error), STATUS_OK);
    number_look(config->numbers, SLICE("700442079460000"), &number);
    assert_int_equal(number.e164, UINT64_C(442079460000));
    assert_int_equal(calendar_hour_of_week(&config->calendar, 0), 3 * 24 + 1);
    config_close(config);
}

static void mistakes_of_the_site_name_the_key_or_the_file(void **state)
{
    (void)state;
    static const struct {
        const char *assignment;
        const char *where;
        const char *word;
    } rows[] = {
        {"site.country=Germany", "--set", "site.country: found 'Germany'"},
        {"site.neighbours=[AT, X]", "--set", "site.neighbours: found 'X'"},
        {"site.outside=zero", "--set", "site.outside: found 'zero'"},
        {"site.timezone=noon", "--set", "noon"},
        {"site.numbers_file=conf/earshot.yaml", "conf/earshot.yaml:4:1", "first line"},
        {"site.numbers_file=/nonexistent", "/nonexistent", "cannot be read"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct config *config = NULL;
        struct error error = {0};
        assert_int_equal(with(&rows[i].assignment, 1, &config, &error), STATUS_USAGE);
        assert_string_equal(error.where, rows[i].where);
        assert_non_null(strstr(error.message, rows[i].word));
    }
}

static void mistakes_are_told(void **state)
{
    (void)state;
    static const struct {
        const char *assignment;
        const char *word;
    } rows[] = {
        {"record.sip=off", "records.sip"},
        {"records.sip=some", "failures"},
        {"detectors.scan.windw=1s", "detectors.scan.window"},
        {"tables.calls.entries=0", "tables.calls.entries"},
        {"records.flow=maybe", "records.flow"},
        {"outputs.x.type=nowhere", "file"},
        {"outputs.x.path=y", "type"},
        {"nonsense=1", "--list options"},
        {"records.flow=[true, false]", "list"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct config *config = NULL;
        struct error error = {0};
        enum status status = with(&rows[i].assignment, 1, &config, &error);
        if (status != STATUS_USAGE || strstr(error.message, rows[i].word) == NULL) {
            fail_msg("%s: status %d, %s", rows[i].assignment, (int)status, error.message);
        }
    }
}

/* What only the output itself knows is found with the rest, not when it is opened. */
static void an_output_checks_its_keys(void **state)
{
    static const struct {
        const char *type;
        const char *assignment;
        const char *where;
        const char *says;
    } rows[] = {
        {"outputs.x.type=redis", "outputs.x.address=redis.example", "--set", "outputs.x.address: "},
        {"outputs.x.type=redis", "outputs.x.user=sensor", "--set", "outputs.x.user: "},
        {"outputs.x.type=syslog", "outputs.x.address=siem.example", "--set", "outputs.x.address: "},
        {"outputs.x.type=http", "outputs.x.address=0.0.0.0", "--set", "allow_remote: true"},
        {"outputs.x.type=kafka", "outputs.x.brokers=[192.0.2.1:0]", "--set", "outputs.x.brokers: "},
        {"outputs.x.type=kafka", "outputs.x.linger=1s", "", "name at least one broker"},
        {"outputs.-x.type=file", "outputs.-x.path=a", "--set", "does not begin with -"},
    };
    (void)state;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *const both[] = {rows[i].type, rows[i].assignment};
        struct config *config = NULL;
        struct error error = {0};
        enum status status = with(both, 2, &config, &error);
        if (status != STATUS_USAGE || strcmp(error.where, rows[i].where) != 0 ||
            strstr(error.message, rows[i].says) == NULL) {
            fail_msg("%s: status %d, %s: %s", rows[i].assignment, (int)status, error.where,
                     error.message);
        }
    }
}

static void responses_are_maps_by_name(void **state)
{
    static const char *const good[] = {
        "responses.block.hook=wall",      "responses.block.rules=[scan, wangiri]",
        "responses.block.severity=2",     "responses.tell.hook=notify",
        "responses.tell.target=none",     "responses.tell.severity=critical",
        "response.protect=[192.0.2.0/24]"};
    static const struct {
        const char *assignments[2];
        const char *says;
    } bad[] = {
        {{"responses.a.hook=wall", "responses.a.rules=[scann]"}, "'scann' is no detection"},
        {{"responses.a.mode=auto", "responses.a.ttl=5m"},
         "responses.a.hook: the name of a hook is missing"},
        {{"responses.a.hook=../wall", "responses.a.ttl=5m"}, "responses.a.hook: found '../wall'"},
        {{"responses.a.hook=.wall", "responses.a.ttl=5m"}, "responses.a.hook: found '.wall'"},
        {{"responses.a.hook=wall", "responses.a.ttl=2h"}, "responses.a.ttl"},
        {{"responses.a.hook=wall", "responses.a.hok=wall"}, "did you mean 'responses.a.hook'"},
        {{"responses.A_b.hook=wall", "responses.A_b.ttl=5m"}, "made of a-z, 0-9 and -"},
        {{"response.protect=[192.0.2]", "response.active=1"}, "response.protect"},
    };
    struct config *config = NULL;
    struct error error = {0};
    (void)state;
    assert_int_equal(with(good, COUNT_OF(good), &config, &error), STATUS_OK);
    assert_int_equal(config->response_count, 2);
    assert_string_equal(config->responses[0].name, "block");
    assert_int_equal(response_level_of(config->responses[0].severity), 2);
    assert_int_equal(config->responses[0].mode, RESPONSE_DRY_RUN);
    assert_int_equal(config->responses[0].target, RESPONSE_TARGET_IP);
    assert_int_equal(response_level_of(config->responses[1].severity), 4);
    assert_int_equal(config->responses[1].target, RESPONSE_TARGET_NONE);
    assert_int_equal(config->response.protect.count, 1);
    config_close(config);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_int_equal(with(bad[i].assignments, 2, &config, &error), STATUS_USAGE);
        if (strstr(error.message, bad[i].says) == NULL) {
            fail_msg("'%s' does not say '%s'", error.message, bad[i].says);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(presets_hold_without_settings),
        cmocka_unit_test(responses_are_maps_by_name),
        cmocka_unit_test(settings_reach_their_parts),
        cmocka_unit_test(the_site_is_opened),
        cmocka_unit_test(mistakes_of_the_site_name_the_key_or_the_file),
        cmocka_unit_test(mistakes_are_told),
        cmocka_unit_test(an_output_checks_its_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
