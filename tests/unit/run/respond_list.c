/* respond_list: whom the configuration protects, by itself and by what it says of the site. */
#include "tests/unit/base/unit.h"

#include "sensor/run/respond_list.h"

static struct config *config;
static struct protected_list *list;
static struct error error;

static enum status open_with(const char *const *assignments)
{
    struct settings settings;
    settings_start(&settings);
    for (size_t i = 0; assignments[i] != NULL; i++) {
        assert_int_equal(settings_set(&settings, assignments[i], &error), STATUS_OK);
    }
    enum status status = config_open(&settings, &config, &error);
    settings_close(&settings);
    return status == STATUS_OK ? respond_list_open(config, false, &list, &error) : status;
}

static void close_all(void)
{
    protected_close(list);
    config_close(config);
    list = NULL;
    config = NULL;
}

static bool keeps(enum response_target_type type, const char *value)
{
    struct response_target target;
    assert_true(response_target_parse(type, slice_of_string(value), &target));
    return protected_why(list, &target) != NULL;
}

static void emergency_numbers_of_the_country_are_kept(void **state)
{
    (void)state;
    const char *const nowhere[] = {NULL};
    const char *const austria[] = {"site.country=AT", "site.emergency=1414", NULL};
    assert_int_equal(open_with(nowhere), STATUS_OK);
    assert_true(keeps(RESPONSE_TARGET_NUMBER, "112"));
    assert_false(keeps(RESPONSE_TARGET_NUMBER, "144"));
    close_all();
    assert_int_equal(open_with(austria), STATUS_OK);
    assert_true(keeps(RESPONSE_TARGET_NUMBER, "144"));
    assert_true(keeps(RESPONSE_TARGET_ACCOUNT, "144@pbx.example"));
    assert_true(keeps(RESPONSE_TARGET_NUMBER, "1414"));
    assert_false(keeps(RESPONSE_TARGET_NUMBER, "145"));
    close_all();
}

static void far_ends_of_outputs_are_kept(void **state)
{
    (void)state;
    const char *const places[] = {
        "outputs.a.type=kafka", "outputs.a.brokers=[192.0.2.30:9092, broker.example:9092]",
        "outputs.b.type=syslog", "outputs.b.address=::ffff:198.51.100.31", NULL};
    assert_int_equal(open_with(places), STATUS_OK);
    assert_true(keeps(RESPONSE_TARGET_IP, "192.0.2.30"));
    assert_true(keeps(RESPONSE_TARGET_IP, "198.51.100.31"));
    assert_false(keeps(RESPONSE_TARGET_IP, "192.0.2.31"));
    close_all();
}

static void a_name_that_protects_nobody_is_refused(void **state)
{
    (void)state;
    static const char *const good[] = {"alice", "alice@pbx.example", "alice@[2001:db8::1]"};
    static const char *const bad[] = {"sip:alice@pbx.example", "alice@pbx.example:5060", "@x",
                                      "<alice>"};
    for (size_t i = 0; i < sizeof good / sizeof good[0] + sizeof bad / sizeof bad[0]; i++) {
        bool is_good = i < sizeof good / sizeof good[0];
        char set[64];
        const char *const accounts[] = {set, NULL};
        (void)snprintf(set, sizeof set, "response.protect_accounts=%s",
                       is_good ? good[i] : bad[i - sizeof good / sizeof good[0]]);
        assert_int_equal(open_with(accounts), is_good ? STATUS_OK : STATUS_USAGE);
        if (is_good) {
            close_all();
        }
    }
    const char *const number[] = {"response.protect_numbers=+1 555-0100", NULL};
    assert_int_equal(open_with(number), STATUS_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(emergency_numbers_of_the_country_are_kept),
        cmocka_unit_test(far_ends_of_outputs_are_kept),
        cmocka_unit_test(a_name_that_protects_nobody_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
