/* The response process over its socket: a thousand alerts in one breath, each with an answer. (What
 * hooks do to it: tests/check/respond.py.) */
#include "tests/unit/base/unit.h"

#include "outputs/journal.h"
#include "outputs/responder_link.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ALERTS = 1000, UNREAD = 6000, WAIT_MS = 20000 };

static char folder[64];
static char hook[96];
static struct response_conf conf;
static struct response_binding binding;
static struct protected_list *list;
static struct responder_link *link_;
static struct error error;

/* Says that it changes nothing, and that all is well. */
static const char script[] =
    "#!/bin/sh\n"
    "case $1 in\n"
    "check) echo '{\"ok\":true,\"targets\":[\"ip\"],\"changes\":false}';;\n"
    "*) cat >/dev/null; echo '{\"applied\":true,\"verified\":true}';;\n"
    "esac\n";

static void write_hook(const char *text)
{
    int fd = open(hook, O_WRONLY | O_CREAT | O_TRUNC, 0700);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(close(fd), 0);
}

static int begin(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof folder, "/tmp/earshot-responder-XXXXXX");
    if (mkdtemp(folder) == NULL || protected_open(&list, &error) != STATUS_OK) {
        return -1;
    }
    (void)snprintf(hook, sizeof hook, "%s/say", folder);
    option_presets(response_options, &conf);
    option_presets(response_binding_options, &binding);
    (void)snprintf(conf.hooks, sizeof conf.hooks, "%s", folder);
    (void)snprintf(conf.stop_file, sizeof conf.stop_file, "%s/stop", folder);
    (void)snprintf(binding.name, sizeof binding.name, "tell");
    (void)snprintf(binding.hook, sizeof binding.hook, "say");
    binding.mode = RESPONSE_AUTO;
    binding.target = RESPONSE_TARGET_IP;
    write_hook(script);
    return 0;
}

static int end(void **state)
{
    char journal[96];
    (void)state;
    responder_link_close(link_);
    link_ = NULL;
    protected_close(list);
    option_clear(option_find(response_options, SLICE("protect_numbers")), &conf);
    (void)snprintf(journal, sizeof journal, "%s/responses", folder);
    (void)unlink(journal);
    (void)unlink(hook);
    return rmdir(folder);
}

static enum status start(void)
{
    struct responder_options options = {.conf = &conf,
                                        .bindings = &binding,
                                        .binding_count = 1,
                                        .protected_list = list,
                                        .state = folder};
    return responder_link_start(&options, &link_, &error);
}

static struct response_alert alert_of(uint32_t number)
{
    struct response_alert alert = {.id = {.high = 3, .low = number},
                                   .level = 3,
                                   .opens = true,
                                   .attack = true,
                                   .has_source = true,
                                   .proven = true,
                                   .echoed = true,
                                   .rule = "scan"};
    uint8_t four[4] = {203, 0, (uint8_t)(112 + number / 256), (uint8_t)number};
    alert.source = addr_from_v4(four);
    return alert;
}

struct tally {
    uint32_t refused;
    uint32_t proposed;
    uint32_t active;
    uint32_t dry;
};

static void count(struct tally *tally)
{
    struct response_step step;
    while (responder_link_next(link_, &step)) {
        tally->refused += step.step == STEP_REFUSED;
        tally->proposed += step.step == STEP_PROPOSED;
        tally->active += step.step == STEP_ACTIVE;
        tally->dry += step.step == STEP_DRY_RUN;
        assert_true(step.step != STEP_FAILED);
        assert_true(step.step != STEP_REFUSED || step.guard == GUARD_CAPS);
    }
}

static void each_alert_has_an_answer(void **state)
{
    static const struct timespec pause = {.tv_nsec = 1000000};
    struct tally tally = {0};
    uint32_t sent = 0;
    uint32_t not_taken = 0;
    const char *why;
    (void)state;
    assert_int_equal(start(), STATUS_OK);
    for (uint32_t i = 0; i < ALERTS; i++) {
        struct response_alert alert = alert_of(i);
        bool taken =
            responder_link_send(link_, &alert, SLICE("{\"rule\":{\"id\":\"scan\"}}"), &why);
        sent += taken;
        not_taken += !taken;
        count(&tally);
    }
    for (unsigned ms = 0;
         ms < WAIT_MS && (tally.refused + tally.proposed < sent || tally.active < tally.proposed);
         ms++) {
        count(&tally);
        (void)nanosleep(&pause, NULL);
    }
    assert_int_equal(sent + not_taken, ALERTS);
    assert_int_equal(tally.refused + tally.proposed, sent);
    assert_int_equal(tally.proposed, conf.per_minute);
    assert_int_equal(tally.active, conf.per_minute);
    responder_link_stop(link_);
    for (unsigned ms = 0; ms < WAIT_MS && !responder_link_is_over(link_); ms++) {
        (void)nanosleep(&pause, NULL);
    }
    assert_true(responder_link_is_over(link_));
}

/* A sensor that does not read for a while: what finds no room is refused where it is said, not lost. */
static void nothing_is_lost_while_nobody_reads(void **state)
{
    static const struct timespec pause = {.tv_nsec = 1000000};
    static const struct timespec busy = {.tv_nsec = 200000};
    struct tally tally = {0};
    uint32_t sent = 0;
    const char *why;
    (void)state;
    binding.mode = RESPONSE_DRY_RUN;
    assert_int_equal(start(), STATUS_OK);
    for (uint32_t i = 0; i < UNREAD; i++) {
        struct response_alert alert = alert_of(i % (3 * ALERTS));
        alert.id.low = i;
        sent += responder_link_send(link_, &alert, SLICE("{}"), &why);
        (void)nanosleep(&busy, NULL);
    }
    for (unsigned ms = 0; ms < WAIT_MS && tally.refused + tally.dry < sent; ms++) {
        count(&tally);
        (void)nanosleep(&pause, NULL);
    }
    assert_int_equal(tally.refused + tally.dry, sent);
    assert_true(sent < UNREAD);
    struct response_alert after = alert_of(UNREAD); /* it hears again */
    after.id.low = UNREAD;
    assert_true(responder_link_send(link_, &after, SLICE("{}"), &why));
    for (unsigned ms = 0; ms < WAIT_MS && tally.refused + tally.dry == sent; ms++) {
        count(&tally);
        (void)nanosleep(&pause, NULL);
    }
    assert_int_equal(tally.refused + tally.dry, sent + 1);
}

/* Read until the process has told that step; its reason is looked for. */
static bool tells(enum step wanted, const char *reason)
{
    static const struct timespec pause = {.tv_nsec = 1000000};
    struct response_step step;

    for (unsigned ms = 0; ms < WAIT_MS; ms++) {
        while (responder_link_next(link_, &step)) {
            if (step.step == wanted && strstr(step.reason, reason) != NULL) {
                return true;
            }
        }
        (void)nanosleep(&pause, NULL);
    }
    return false;
}

/* Who was blocked by mistake is put into response.protect, and the sensor started again. */
static void who_is_protected_now_is_let_go(void **state)
{
    struct journal *before = NULL;
    struct prefix prefix;
    struct journal_entry entry = {.id = {.high = 1, .low = 2},
                                  .begun = {.wall_ns = UINT64_MAX}, /* the clock was set back */
                                  .ttl_ns = NS_PER_HOUR,
                                  .target_type = RESPONSE_TARGET_IP,
                                  .level = 3,
                                  .response = "tell",
                                  .rule = "scan",
                                  .hook = "say",
                                  .value = "203.0.113.9"};
    (void)state;
    assert_int_equal(journal_open(folder, true, &before, &error), STATUS_OK);
    assert_true(journal_hold(before, &entry, &error));
    journal_close(before);
    assert_true(prefix_parse(SLICE("203.0.113.0/24"), &prefix));
    assert_true(protected_add(list, &prefix, "in response.protect"));
    assert_int_equal(start(), STATUS_OK);
    assert_true(tells(STEP_EXPIRING, "in response.protect"));
    assert_true(tells(STEP_REVOKED, ""));
}

static void a_bad_hook_is_told_at_the_start(void **state)
{
    (void)state;
    write_hook("#!/bin/sh\necho no gate here >&2\nexit 50\n");
    assert_int_equal(start(), STATUS_USAGE);
    assert_non_null(strstr(error.message, "no gate here"));
    write_hook("rubbish that nobody can run");
    assert_int_equal(start(), STATUS_USAGE);
    assert_non_null(strstr(error.message, "cannot be started"));
    write_hook(script);
    binding.target = RESPONSE_TARGET_NUMBER;
    assert_int_equal(start(), STATUS_USAGE);
    assert_non_null(strstr(error.message, "targets of type number"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_alert_has_an_answer, begin, end),
        cmocka_unit_test_setup_teardown(nothing_is_lost_while_nobody_reads, begin, end),
        cmocka_unit_test_setup_teardown(who_is_protected_now_is_let_go, begin, end),
        cmocka_unit_test_setup_teardown(a_bad_hook_is_told_at_the_start, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
