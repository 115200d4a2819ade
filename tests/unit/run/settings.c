/* settings: YAML to dotted keys with their places, and what is refused. */
#include "tests/unit/base/unit.h"

#include "sensor/run/settings.h"

#include <sys/mman.h>
#include <unistd.h>

static enum status read_text(struct settings *settings, const char *text, struct error *error)
{
    char path[64];
    int file = memfd_create("settings", 0);
    assert_true(file >= 0);
    assert_int_equal(write(file, text, strlen(text)), (ssize_t)strlen(text));
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    settings_start(settings);
    enum status status = settings_read(settings, path, error);
    close(file);
    return status;
}

static const struct setting *find(const struct settings *settings, const char *key)
{
    for (uint32_t i = 0; i < settings->count; i++) {
        if (strcmp(settings->items[i].key, key) == 0) {
            return &settings->items[i];
        }
    }
    return NULL;
}

static void keys_are_dotted(void **state)
{
    (void)state;
    struct settings settings;
    struct error error = {0};
    const char *text = "# comment\n"
                       "records: {sip: off, flow: true}\n"
                       "detectors:\n"
                       "  scan:\n"
                       "    window: 60s\n"
                       "    exempt: [192.0.2.1, '198.51.100.0/24']\n"
                       "outputs:\n"
                       "secret: \"a: b\"\n";
    assert_int_equal(read_text(&settings, text, &error), STATUS_OK);
    assert_int_equal(settings.count, 6);
    assert_string_equal(find(&settings, "records.sip")->values[0], "off");
    assert_string_equal(find(&settings, "detectors.scan.window")->values[0], "60s");
    assert_string_equal(find(&settings, "secret")->values[0], "a: b");
    const struct setting *list = find(&settings, "detectors.scan.exempt");
    assert_true(list->is_list);
    assert_int_equal(list->value_count, 2);
    assert_string_equal(list->values[1], "198.51.100.0/24");
    assert_true(find(&settings, "outputs")->is_empty);
    assert_non_null(strstr(find(&settings, "detectors.scan.window")->where, ":5:13"));
    assert_non_null(strstr(find(&settings, "detectors.scan.window")->key_where, ":5:5"));
    settings_close(&settings);
}

static void refuses(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *place;
        const char *word;
    } rows[] = {
        {"a: 1\na: 2\n", ":2:1", "twice"},
        {"a: {b: 1, b: 2}\n", ":1:11", "twice"},
        {"a: &x 1\nb: *x\n", ":2:4", "aliases"},
        {"- 1\n", ":1:1", "list"},
        {"a: [{b: 1}]\n", ":1:5", "plain values"},
        {"a: [[1]]\n", ":1:5", "list"},
        {"word\n", ":1:1", "bare word"},
        {"a: [1\n", ":2:1", "expected"},
        {"a.b: 1\n", ":1:1", "dots"},
        {"{a: 1}: 2\n", ":1:1", ""},
        {"a: {a: {a: {a: {a: {a: {a: {a: {a: 1}}}}}}}}\n", "", "deeply"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct settings settings;
        struct error error = {0};
        enum status status = read_text(&settings, rows[i].text, &error);
        if (status != STATUS_USAGE || strstr(error.where, rows[i].place) == NULL ||
            strstr(error.message, rows[i].word) == NULL) {
            fail_msg("'%s': status %d at %s: %s", rows[i].text, (int)status, error.where,
                     error.message);
        }
        settings_close(&settings);
    }
}

static void set_overrides_and_says_so(void **state)
{
    (void)state;
    struct settings settings;
    struct error error = {0};
    assert_int_equal(read_text(&settings, "records: {sip: off}\n", &error), STATUS_OK);
    assert_int_equal(settings_set(&settings, "records.sip=messages", &error), STATUS_OK);
    assert_int_equal(settings_set(&settings, "a.b=[x, y ,z]", &error), STATUS_OK);
    assert_int_equal(settings_set(&settings, "records.sip=failures", &error), STATUS_OK);
    const struct setting *setting = find(&settings, "records.sip");
    assert_string_equal(setting->values[0], "failures");
    assert_int_equal(setting->value_count, 1);
    assert_non_null(setting->replaced);
    assert_int_equal(find(&settings, "a.b")->value_count, 3);
    assert_string_equal(find(&settings, "a.b")->values[1], "y");
    assert_int_equal(settings_set(&settings, "=x", &error), STATUS_USAGE);
    assert_int_equal(settings_set(&settings, "novalue", &error), STATUS_USAGE);
    settings_close(&settings);
}

static void empty_files_are_good(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "\n", "# only a comment\n", "---\n", "{}\n"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct settings settings;
        struct error error = {0};
        assert_int_equal(read_text(&settings, texts[i], &error), STATUS_OK);
        assert_int_equal(settings.count, 0);
        settings_close(&settings);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_dotted),
        cmocka_unit_test(refuses),
        cmocka_unit_test(set_overrides_and_says_so),
        cmocka_unit_test(empty_files_are_good),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
