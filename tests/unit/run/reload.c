/* reload: which changes wait for a restart. */
#include "tests/unit/base/unit.h"

#include "sensor/run/reload.h"

enum { KEYS_MAX = 16, KEY_BYTES = 128 };

struct said {
    char keys[KEYS_MAX][KEY_BYTES];
    size_t count;
};

static void say(void *owner, const char *key)
{
    struct said *said = owner;
    assert_true(said->count < KEYS_MAX);
    snprintf(said->keys[said->count++], KEY_BYTES, "%s", key);
}

static struct config *with(const char *const *assignments)
{
    struct settings settings;
    struct config *config = NULL;
    struct error error = {0};
    settings_start(&settings);
    for (size_t i = 0; assignments[i] != NULL; i++) {
        assert_int_equal(settings_set(&settings, assignments[i], &error), STATUS_OK);
    }
    assert_int_equal(config_open(&settings, &config, &error), STATUS_OK);
    settings_close(&settings);
    return config;
}

static void compare(const char *const *started, const char *const *wanted, struct said *out_said)
{
    struct config *old = with(started);
    struct config *new = with(wanted);
    *out_said = (struct said){.count = 0};
    reload_differences(new, old, say, out_said);
    config_close(new);
    config_close(old);
}

static void what_is_taken_up_is_not_said(void **state)
{
    (void)state;
    struct said said;
    const char *const started[] = {"detectors.scan.targets=9", "outputs.a.type=file", NULL};
    const char *const wanted[] = {"detectors.scan.targets=10",
                                  "detectors.enumeration.enabled=false",
                                  "records.sip=messages",
                                  "geo.country_files=a.mmdb",
                                  "geo.check=10s",
                                  "response.protect=203.0.113.9",
                                  "response.protect_accounts=alice",
                                  "outputs.a.type=file",
                                  NULL};
    compare(started, wanted, &said);
    assert_int_equal(said.count, 0);
}

static void what_was_sized_or_opened_waits(void **state)
{
    (void)state;
    const char *const nothing[] = {NULL};
    static const char *const keys[] = {"capture.filter=udp",
                                       "capture.buffer=8MiB",
                                       "tables.calls.entries=100",
                                       "observer.name=edge",
                                       "secret=x",
                                       "detectors.registration-bruteforce.pairs=100"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        const char *const wanted[] = {keys[i], NULL};
        struct said said;
        compare(nothing, wanted, &said);
        assert_int_equal(said.count, 1);
        assert_memory_equal(said.keys[0], keys[i], strlen(said.keys[0]));
    }
}

/* Sixty-four networks are longer than two thousand bytes. */
static void the_end_of_a_long_list_is_looked_at(void **state)
{
    (void)state;
    static char lists[2][8192];
    struct said said;
    for (size_t k = 0; k < 2; k++) {
        struct text text = text_into(lists[k], sizeof lists[k] - 1);
        text_string(&text, "response.allow_private=[");
        for (unsigned i = 0; i < 64; i++) {
            text_format(&text, "fd00:1111:2222:3333:4444:5555:6666:%zx/128%s",
                        i == 63 ? 99 + k : (size_t)i, i == 63 ? "]" : ", ");
        }
        (void)text_terminate(&text);
    }
    const char *const one[] = {lists[0], NULL};
    const char *const other[] = {lists[1], NULL};
    compare(one, one, &said);
    assert_int_equal(said.count, 0);
    compare(one, other, &said);
    assert_int_equal(said.count, 1);
    assert_string_equal(said.keys[0], "response.allow_private");
}

static void a_detection_that_was_off_waits(void **state)
{
    (void)state;
    struct said said;
    const char *const off[] = {"detectors.scan.enabled=false", NULL};
    const char *const on[] = {"detectors.scan.enabled=true", NULL};
    compare(off, on, &said);
    assert_int_equal(said.count, 1);
    compare(on, off, &said);
    assert_int_equal(said.count, 0);
}

static void outputs_that_come_and_go_wait(void **state)
{
    (void)state;
    struct said came;
    struct said went;
    const char *const none[] = {NULL};
    const char *const one[] = {"outputs.a.type=file", NULL};
    compare(none, one, &came);
    compare(one, none, &went);
    assert_true(came.count > 0);
    assert_int_equal(came.count, went.count);
    assert_string_equal(came.keys[0], "outputs.a.type");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_taken_up_is_not_said),
        cmocka_unit_test(what_was_sized_or_opened_waits),
        cmocka_unit_test(the_end_of_a_long_list_is_looked_at),
        cmocka_unit_test(a_detection_that_was_off_waits),
        cmocka_unit_test(outputs_that_come_and_go_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
