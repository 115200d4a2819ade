/* The gate: each guard refuses what it must, lets pass what it may, and the first one is named. */
#include "tests/unit/base/unit.h"

#include "outputs/response.h"

enum { STEPS_MAX = 4096 };

struct scene {
    struct response_conf conf;
    struct response_binding bindings[3];
    uint32_t binding_count;
    struct protected_list *list;
    struct response *gate;
    bool stopped;
    bool dry_only;
    uint32_t step_count;
    struct response_step steps[STEPS_MAX];
};

static struct scene scene;

static bool is_stopped(void *owner)
{
    (void)owner;
    return scene.stopped;
}

static void on_step(void *owner, const struct response_step *step)
{
    (void)owner;
    assert_true(scene.step_count < STEPS_MAX);
    scene.steps[scene.step_count++] = *step;
}

static void bind(const char *name, const char *hook, enum response_target_type target,
                 enum response_mode mode)
{
    struct response_binding *binding = &scene.bindings[scene.binding_count++];

    option_presets(response_binding_options, binding);
    (void)snprintf(binding->name, sizeof binding->name, "%s", name);
    (void)snprintf(binding->hook, sizeof binding->hook, "%s", hook);
    binding->target = target;
    binding->mode = mode;
}

static int begin(void **state)
{
    struct error error;

    (void)state;
    memset(&scene, 0, sizeof scene);
    option_presets(response_options, &scene.conf);
    bind("block", "wall", RESPONSE_TARGET_IP, RESPONSE_AUTO);
    return protected_open(&scene.list, &error) == STATUS_OK ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    response_close(scene.gate);
    protected_close(scene.list);
    for (const struct option *row = response_options; row->kind != OPTION_END; row++) {
        option_clear(row, &scene.conf);
    }
    for (uint32_t i = 0; i < scene.binding_count; i++) {
        option_list_clear(&scene.bindings[i].rules);
    }
    return 0;
}

static void open_gate(void)
{
    struct response_options_open options = {.conf = &scene.conf,
                                            .bindings = scene.bindings,
                                            .binding_count = scene.binding_count,
                                            .protected_list = scene.list,
                                            .dry_only = scene.dry_only,
                                            .stopped = is_stopped,
                                            .on_step = on_step,
                                            .owner = &scene};
    struct error error;
    assert_int_equal(response_open(&options, &scene.gate, &error), STATUS_OK);
}

/* An alert that all guards let pass. */
static struct response_alert alert_of(uint32_t number)
{
    struct response_alert alert = {.id = {.high = 1, .low = number},
                                   .level = 3,
                                   .opens = true,
                                   .attack = true,
                                   .has_source = true,
                                   .proven = true,
                                   .echoed = true};
    uint8_t four[4] = {203, 0, 113, 1};

    four[2] = (uint8_t)(number >> 8);
    four[3] = (uint8_t)number;
    alert.source = addr_from_v4(four);
    (void)snprintf(alert.rule, sizeof alert.rule, "scan");
    (void)snprintf(alert.account, sizeof alert.account, "alice@pbx.example");
    (void)snprintf(alert.called, sizeof alert.called, "+15550199");
    return alert;
}

static const struct response_step *see(struct response_alert alert, uint64_t now_s)
{
    uint32_t before = scene.step_count;

    response_see(scene.gate, &alert, now_s * NS_PER_S);
    return scene.step_count > before ? &scene.steps[before] : NULL;
}

static void is_refused(const struct response_step *step, enum guard guard)
{
    assert_non_null(step);
    assert_string_equal(response_guard_word((enum guard)step->guard), response_guard_word(guard));
    assert_int_equal(step->step, STEP_REFUSED);
    assert_true(step->reason[0] != '\0');
}

static void is_proposed(const struct response_step *step)
{
    assert_non_null(step);
    assert_string_equal(response_step_word((enum step)step->step), "proposed");
    assert_int_equal(step->guard, GUARD_NONE);
}

static void add(const char *text)
{
    struct prefix prefix;
    assert_true(prefix_parse(slice_of_string(text), &prefix));
    assert_true(protected_add(scene.list, &prefix, "of a test"));
}

static struct response_alert from(const char *source)
{
    struct response_alert alert = alert_of(1);
    assert_true(addr_parse(slice_of_string(source), &alert.source));
    return alert;
}

/* --- bindings --- */

static void an_alert_finds_its_responses(void **state)
{
    struct response_alert alert = alert_of(1);
    (void)state;
    open_gate();
    alert.level = 2; /* severity: high */
    assert_null(see(alert, 1));
    alert.level = 3;
    is_proposed(see(alert, 1));
    scene.bindings[0].mode = RESPONSE_OFF;
    assert_null(see(alert_of(2), 1));
    scene.bindings[0].mode = RESPONSE_AUTO;
    const struct option *rules = option_find(response_binding_options, SLICE("rules"));
    struct error error;
    assert_int_equal(
        option_parse(rules, SLICE("enumeration, wangiri"), &scene.bindings[0], "", "", &error),
        STATUS_OK);
    assert_null(see(alert_of(3), 1));
    alert = alert_of(4);
    (void)snprintf(alert.rule, sizeof alert.rule, "wangiri");
    is_proposed(see(alert, 1));
}

/* A fault of an honest phone is for messages, unless its rule is named. */
static void a_fault_is_no_attack(void **state)
{
    struct response_alert alert = alert_of(1);
    const struct option *rules = option_find(response_binding_options, SLICE("rules"));
    struct error error;
    (void)state;
    alert.attack = false;
    open_gate();
    assert_null(see(alert, 1));
    scene.bindings[0].target = RESPONSE_TARGET_NONE;
    is_proposed(see(alert, 1));
    scene.bindings[0].target = RESPONSE_TARGET_IP;
    assert_int_equal(option_parse(rules, SLICE("scan"), &scene.bindings[0], "", "", &error),
                     STATUS_OK);
    alert.id.low = 2;
    is_proposed(see(alert, 1));
}

static void words_and_numbers_of_severity_are_the_same(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        assert_int_equal(response_level_of(i), i % 4 + 1);
    }
}

/* One alert proposes once, and again when it has become worse. */
static void an_update_proposes_when_it_is_worse(void **state)
{
    struct response_alert alert = alert_of(1);
    (void)state;
    scene.bindings[0].target = RESPONSE_TARGET_NONE;
    open_gate();
    is_proposed(see(alert, 1));
    alert.opens = false;
    assert_null(see(alert, 2));
    alert.level = 4;
    is_proposed(see(alert, 3));
    assert_null(see(alert, 4));
}

static void a_dry_run_is_a_dry_run(void **state)
{
    (void)state;
    scene.bindings[0].mode = RESPONSE_DRY_RUN;
    open_gate();
    const struct response_step *step = see(alert_of(1), 1);
    assert_int_equal(step->step, STEP_DRY_RUN);
    assert_true(step->dry);
    assert_int_equal(step->left_ns, 600 * NS_PER_S);
    scene.bindings[0].mode = RESPONSE_AUTO;
    response_close(scene.gate);
    scene.dry_only = true; /* -r */
    open_gate();
    step = see(alert_of(1), 1);
    assert_int_equal(step->step, STEP_DRY_RUN);
    assert_int_equal(step->time_ns, NS_PER_S);
}

/* --- guards --- */

static void the_stop_file_stops(void **state)
{
    (void)state;
    open_gate();
    scene.stopped = true;
    is_refused(see(alert_of(1), 1), GUARD_KILL_SWITCH);
    scene.stopped = false;
    is_proposed(see(alert_of(2), 1));
}

static void protected_addresses_are_not_touched(void **state)
{
    static const char *const kept[] = {
        "192.0.2.10",      "192.0.2.255",       "2001:db8:1::5", "10.1.2.3",    "192.168.7.7",
        "172.16.0.1",      "100.64.1.1",        "127.0.0.1",     "169.254.1.1", "224.0.0.1",
        "255.255.255.255", "fe80::1",           "fd00::1",       "::1",         "ff02::1",
        "0.0.0.0",         "::ffff:192.0.2.10",
    };
    (void)state;
    add("192.0.2.0/24");
    add("2001:db8:1::/48");
    open_gate();
    for (size_t i = 0; i < COUNT_OF(kept); i++) {
        struct response_alert alert = from(kept[i]);
        alert.id.low = 100 + i;
        is_refused(see(alert, 1), GUARD_NEVER_BLOCK);
    }
    is_proposed(see(from("203.0.113.9"), 1));
    struct response_alert alert = from("2001:db8:2::5");
    alert.id.low = 99;
    is_proposed(see(alert, 1));
}

static void private_networks_can_be_allowed_by_name(void **state)
{
    const struct option *allow = option_find(response_options, SLICE("allow_private"));
    struct error error;
    (void)state;
    assert_int_equal(option_parse(allow, SLICE("10.9.0.0/16"), &scene.conf, "", "", &error),
                     STATUS_OK);
    protected_allow(scene.list, &scene.conf.allow_private);
    open_gate();
    is_proposed(see(from("10.9.1.1"), 1));
    struct response_alert alert = from("10.8.1.1");
    alert.id.low = 2;
    is_refused(see(alert, 1), GUARD_NEVER_BLOCK);
}

static void a_learnt_server_is_not_touched(void **state)
{
    struct response_alert alert = alert_of(1);
    (void)state;
    open_gate();
    alert.server = true;
    is_refused(see(alert, 1), GUARD_NEVER_BLOCK);
}

static void protected_accounts_and_numbers_are_not_touched(void **state)
{
    static const struct {
        const char *account;
        bool kept;
    } rows[] = {
        {"alice@pbx.example", true},    {"alice@PBX.example", true}, {"Alice@pbx.example", false},
        {"alice@other.example", false}, {"boss@any.example", true},  {"112@pbx.example", true},
        {"1122@pbx.example", false},
    };
    (void)state;
    scene.bindings[0].target = RESPONSE_TARGET_ACCOUNT;
    bind("bar", "wall", RESPONSE_TARGET_NUMBER, RESPONSE_AUTO);
    assert_true(protected_add_account(scene.list, SLICE("alice@pbx.example")));
    assert_true(protected_add_account(scene.list, SLICE("boss")));
    assert_true(protected_add_number(scene.list, SLICE("112")));
    assert_true(protected_add_number(scene.list, SLICE("+15550100")));
    open_gate();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct response_alert alert = alert_of((uint32_t)i + 1);
        (void)snprintf(alert.account, sizeof alert.account, "%s", rows[i].account);
        (void)snprintf(alert.called, sizeof alert.called, i == 0 ? "15550100" : "+1555020%zu", i);
        const struct response_step *step = see(alert, 60 * i + 1);
        assert_int_equal(step[0].guard, rows[i].kept ? GUARD_NEVER_BLOCK : GUARD_NONE);
        assert_int_equal(step[1].guard, i == 0 ? GUARD_NEVER_BLOCK : GUARD_NONE);
    }
}

static void only_proven_sources_are_touched(void **state)
{
    struct response_alert alert = alert_of(1);
    (void)state;
    open_gate();
    alert.proven = false;
    is_refused(see(alert, 1), GUARD_TWO_WAY_PROOF);
    alert = alert_of(2);
    alert.has_source = false;
    is_refused(see(alert, 1), GUARD_TWO_WAY_PROOF);
    /* A flood in the name of a phone that registers: proven by the phone, not by the flood. */
    alert = alert_of(3);
    alert.source_accounts = 1;
    alert.echoed = false;
    is_refused(see(alert, 1), GUARD_TWO_WAY_PROOF);
    /* The same in the name of a stranger who called once. */
    alert = alert_of(5);
    alert.echoed = false;
    is_refused(see(alert, 1), GUARD_TWO_WAY_PROOF);
    alert = alert_of(4);
    alert.source_accounts = 1;
    alert.echoed = true;
    is_proposed(see(alert, 1));
}

/* It harms nobody: not proven, protected, of any scope. */
static void a_message_needs_no_proof(void **state)
{
    struct response_alert alert = from("127.0.0.1");
    (void)state;
    scene.bindings[0].target = RESPONSE_TARGET_NONE;
    open_gate();
    alert.proven = false;
    alert.server = true;
    is_proposed(see(alert, 1));
}

static void the_target_is_exactly_one(void **state)
{
    static const char *const none[] = {
        "",      "alice",          "alice@", "@pbx.example", "a b@pbx.example", "a'@pbx.example",
        "a@b@c", "a@pbx.example\n"};
    struct response_alert alert = alert_of(1);
    (void)state;
    scene.bindings[0].target = RESPONSE_TARGET_ACCOUNT;
    bind("nat", "wall", RESPONSE_TARGET_IP, RESPONSE_AUTO);
    open_gate();
    for (size_t i = 0; i < COUNT_OF(none); i++) {
        alert = alert_of((uint32_t)i + 1);
        (void)snprintf(alert.account, sizeof alert.account, "%s", none[i]);
        is_refused(see(alert, 1), GUARD_EXACT_SCOPE);
    }
    alert = alert_of(100);
    alert.echoed = true;
    alert.source_accounts = 4; /* accounts_behind: 3 */
    const struct response_step *step = see(alert, 200);
    is_proposed(&step[0]); /* its account is one all the same */
    is_refused(&step[1], GUARD_EXACT_SCOPE);
    alert = alert_of(101);
    alert.echoed = true;
    alert.source_accounts = 3;
    (void)snprintf(alert.account, sizeof alert.account, "other@pbx.example");
    is_proposed(&see(alert, 300)[1]);
}

static void no_more_than_so_many_in_a_minute(void **state)
{
    uint32_t proposed = 0;
    (void)state;
    open_gate();
    for (uint32_t i = 0; i < 1000; i++) { /* in one second */
        const struct response_step *step = see(alert_of(i + 1), 10);
        proposed += step->step == STEP_PROPOSED;
        assert_true(step->step == STEP_PROPOSED || step->guard == GUARD_CAPS);
    }
    assert_int_equal(proposed, scene.conf.per_minute);
    assert_int_equal(scene.step_count, 1000); /* each has its answer */
    is_refused(see(alert_of(2000), 69), GUARD_CAPS);
    is_proposed(see(alert_of(2001), 70));
}

/* An alert of low severity that is only told must not keep a worse one from being acted on. */
static void messages_take_no_room(void **state)
{
    (void)state;
    scene.bindings[0].target = RESPONSE_TARGET_NONE;
    open_gate();
    for (uint32_t i = 0; i < scene.conf.per_minute; i++) {
        is_proposed(see(alert_of(i + 1), 10));
    }
    is_refused(see(alert_of(100), 11), GUARD_CAPS);
    scene.bindings[0].target = RESPONSE_TARGET_IP;
    is_proposed(see(alert_of(101), 12));
}

static void no_more_than_so_many_at_once(void **state)
{
    (void)state;
    scene.conf.active = 3;
    scene.conf.per_minute = 1000;
    open_gate();
    for (uint32_t i = 1; i <= 3; i++) {
        is_proposed(see(alert_of(i), 1));
    }
    is_refused(see(alert_of(4), 1), GUARD_CAPS);
    uint32_t count;
    struct response_decision *decisions = response_decisions(scene.gate, &count);
    response_release(scene.gate, &decisions[0]);
    is_proposed(see(alert_of(5), 1));
    is_refused(see(alert_of(6), 1), GUARD_CAPS);
}

/* A dry run answers as auto would, and takes no room from it. */
static void dry_runs_have_caps_of_their_own(void **state)
{
    (void)state;
    scene.conf.active = 2;
    scene.bindings[0].mode = RESPONSE_DRY_RUN;
    bind("auto", "wall", RESPONSE_TARGET_IP, RESPONSE_AUTO);
    open_gate();
    for (uint32_t i = 1; i <= 2; i++) {
        const struct response_step *step = see(alert_of(i), 1);
        assert_int_equal(step[0].step, STEP_DRY_RUN);
        assert_int_equal(step[1].step, STEP_PROPOSED);
    }
    const struct response_step *step = see(alert_of(3), 1);
    is_refused(&step[0], GUARD_CAPS);
    is_refused(&step[1], GUARD_CAPS);
    step = see(alert_of(4), 601); /* ten minutes on, dry ones have ended by themselves */
    assert_int_equal(step[0].step, STEP_DRY_RUN);
    is_refused(&step[1], GUARD_CAPS);
}

static void the_same_is_not_done_twice(void **state)
{
    struct response_alert again = alert_of(1);
    (void)state;
    bind("other", "fence", RESPONSE_TARGET_IP, RESPONSE_AUTO);
    open_gate();
    is_proposed(&see(alert_of(1), 1)[1]);
    again.id.low = 77; /* another alert about the same source */
    const struct response_step *step = see(again, 2);
    is_refused(&step[0], GUARD_DEDUPE);
    is_refused(&step[1], GUARD_DEDUPE);
    scene.bindings[1].mode = RESPONSE_OFF;
    uint32_t count;
    struct response_decision *decisions = response_decisions(scene.gate, &count);
    response_release(scene.gate, &decisions[0]);
    again.id.low = 78;
    is_proposed(see(again, 3));
}

static void everything_ends(void **state)
{
    (void)state;
    open_gate();
    scene.bindings[0].ttl_ns = 2 * NS_PER_HOUR; /* no configuration can say so */
    is_refused(see(alert_of(1), 1), GUARD_TTL);
    scene.bindings[0].ttl_ns = 0;
    is_refused(see(alert_of(2), 1), GUARD_TTL);
    scene.bindings[0].ttl_ns = NS_PER_HOUR;
    is_proposed(see(alert_of(3), 1));
}

/* The first guard that is not passed is the one that is named: all at once, then one less each time. */
static void guards_are_asked_in_order(void **state)
{
    struct response_alert alert = from("10.0.0.1");
    (void)state;
    open_gate();
    scene.stopped = true;
    alert.proven = false;
    alert.source_accounts = 9;
    alert.echoed = true;
    is_refused(see(alert, 1), GUARD_KILL_SWITCH);
    scene.stopped = false;
    alert.id.low++;
    is_refused(see(alert, 1), GUARD_NEVER_BLOCK);
    assert_true(addr_parse(SLICE("203.0.113.9"), &alert.source));
    alert.id.low++;
    is_refused(see(alert, 1), GUARD_TWO_WAY_PROOF);
    alert.proven = true;
    alert.id.low++;
    is_refused(see(alert, 1), GUARD_EXACT_SCOPE);
}

static void the_same_alert_gives_the_same_decision(void **state)
{
    (void)state;
    open_gate();
    struct hash128 id = see(alert_of(1), 1)->decision;
    response_close(scene.gate);
    open_gate();
    const struct response_step *step = see(alert_of(1), 500);
    assert_int_equal(step->decision.high, id.high);
    assert_int_equal(step->decision.low, id.low);
}

static void a_decision_of_an_earlier_run_counts(void **state)
{
    struct response_decision before = {.expires_ns = 900 * NS_PER_S};
    struct response_alert alert = alert_of(1);
    (void)state;
    open_gate();
    response_target_of_addr(&alert.source, &before.target);
    assert_non_null(response_restore(scene.gate, &before));
    is_refused(see(alert, 1), GUARD_DEDUPE);
}

#define SCENE(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE(an_alert_finds_its_responses),
        SCENE(a_fault_is_no_attack),
        SCENE(words_and_numbers_of_severity_are_the_same),
        SCENE(an_update_proposes_when_it_is_worse),
        SCENE(a_dry_run_is_a_dry_run),
        SCENE(the_stop_file_stops),
        SCENE(protected_addresses_are_not_touched),
        SCENE(private_networks_can_be_allowed_by_name),
        SCENE(a_learnt_server_is_not_touched),
        SCENE(protected_accounts_and_numbers_are_not_touched),
        SCENE(only_proven_sources_are_touched),
        SCENE(a_message_needs_no_proof),
        SCENE(the_target_is_exactly_one),
        SCENE(no_more_than_so_many_in_a_minute),
        SCENE(messages_take_no_room),
        SCENE(no_more_than_so_many_at_once),
        SCENE(dry_runs_have_caps_of_their_own),
        SCENE(the_same_is_not_done_twice),
        SCENE(everything_ends),
        SCENE(guards_are_asked_in_order),
        SCENE(the_same_alert_gives_the_same_decision),
        SCENE(a_decision_of_an_earlier_run_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
