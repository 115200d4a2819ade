/* What stands around the gate: targets, what an alert says, what hooks answer, the machine's
 * surroundings, messages between the two processes. */
#include "tests/unit/base/unit.h"

#include "tests/unit/outputs/outputs_test.h"

#include "outputs/hook_answer.h"
#include "outputs/protected_share.h"
#include "outputs/response_wire.h"
#include "outputs/surroundings.h"

#include <sys/socket.h>

/* --- targets --- */

static void an_address_is_one_address(void **state)
{
    static const struct {
        const char *text;
        const char *as; /* NULL = none */
    } rows[] = {
        {"203.0.113.66", "203.0.113.66"},
        {"::ffff:203.0.113.66", "203.0.113.66"},
        {"2001:DB8::1", "2001:db8::1"},
        {"203.0.113.66/32", NULL},
        {"203.0.113.66/31", NULL},
        {"203.0.113.066", NULL},
        {"203.0.113", NULL},
        {"0xcb007142", NULL},
        {"host.example", NULL},
        {"203.0.113.1-203.0.113.9", NULL},
        {"[2001:db8::1]", NULL},
        {"fe80::1%eth0", NULL},
        {" 203.0.113.66", NULL},
        {"203.0.113.66; drop", NULL},
        {"", NULL},
    };
    struct response_target target;
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        bool is_one =
            response_target_parse(RESPONSE_TARGET_IP, slice_of_string(rows[i].text), &target);
        assert_int_equal(is_one, rows[i].as != NULL);
        if (is_one) {
            assert_string_equal(target.value, rows[i].as);
        }
    }
}

static void a_number_is_digits(void **state)
{
    struct response_target target;
    (void)state;
    assert_true(response_target_parse(RESPONSE_TARGET_NUMBER, SLICE("+15550199"), &target));
    assert_true(response_target_parse(RESPONSE_TARGET_NUMBER, SLICE("112"), &target));
    assert_false(response_target_parse(RESPONSE_TARGET_NUMBER, SLICE("+"), &target));
    assert_false(response_target_parse(RESPONSE_TARGET_NUMBER, SLICE("1555-0199"), &target));
    assert_false(response_target_parse(RESPONSE_TARGET_NUMBER, SLICE("15550199*"), &target));
    assert_true(response_target_parse(RESPONSE_TARGET_NONE, SLICE(""), &target));
    assert_false(response_target_parse(RESPONSE_TARGET_NONE, SLICE("x"), &target));
}

/* --- alerts --- */

static const struct record *alert_record_of(struct bench *bench, const char *alert_state,
                                            int64_t accounts)
{
    struct record_maker *maker = bench_begin(bench, DATASET_ALERT);
    uint8_t four[4] = {203, 0, 113, 66};
    struct addr source = addr_from_v4(four);

    record_string(maker, FIELD_ID_RULE_ID, "scan");
    record_address(maker, FIELD_ID_SOURCE_IP, &source);
    record_hash(maker, FIELD_ID_EARSHOT_ALERT_ID, (struct hash128){.high = 5, .low = 6});
    record_string(maker, FIELD_ID_EARSHOT_ALERT_STATE, alert_state);
    record_long(maker, FIELD_ID_EARSHOT_ALERT_LEVEL, 3);
    record_bool(maker, FIELD_ID_EARSHOT_ALERT_SOURCE_PROVEN, true);
    record_long(maker, FIELD_ID_EARSHOT_ALERT_SOURCE_ACCOUNTS, 2);
    record_string(maker, FIELD_ID_EARSHOT_ALERT_ACCOUNTS, "alice@pbx.example");
    record_long(maker, FIELD_ID_EARSHOT_ALERT_ACCOUNT_COUNT, accounts);
    return bench_end(bench);
}

static void an_alert_is_read(void **state)
{
    static struct bench bench;
    struct response_alert alert;
    (void)state;
    assert_true(response_read_alert(alert_record_of(&bench, "open", 1), &alert));
    assert_true(alert.opens && alert.has_source && alert.proven && !alert.echoed && !alert.server);
    assert_int_equal(alert.level, 3);
    assert_int_equal(alert.source_accounts, 2);
    assert_int_equal(alert.id.low, 6);
    assert_string_equal(alert.rule, "scan");
    assert_string_equal(alert.account, "alice@pbx.example");
    assert_true(response_read_alert(alert_record_of(&bench, "update", 2), &alert));
    assert_false(alert.opens);
    assert_string_equal(alert.account, ""); /* one of two is not the account */
    assert_false(response_read_alert(alert_record_of(&bench, "close", 1), &alert));
    bench_begin(&bench, DATASET_CALL);
    assert_false(response_read_alert(bench_end(&bench), &alert));
}

/* --- answers --- */

static void answers_are_read(void **state)
{
    static struct hook_listed items[HOOK_LISTED_MAX];
    struct hook_check check;
    uint32_t count;
    bool applied;
    bool verified;
    (void)state;
    assert_true(hook_answer_check(
        SLICE("{\"ok\":true,\"targets\":[\"ip\",\"cow\"],\"changes\":true}"), &check));
    assert_true(check.ok && check.changes && check.targets[RESPONSE_TARGET_IP]);
    assert_false(check.targets[RESPONSE_TARGET_ACCOUNT] || check.targets[RESPONSE_TARGET_NONE]);
    assert_true(hook_answer_check(SLICE("{\"ok\":true,\"changes\":false}"), &check));
    assert_true(check.targets[RESPONSE_TARGET_NONE]);
    /* What does not say that it changes nothing changes the world. */
    assert_true(hook_answer_check(SLICE("{\"ok\":\"true\",\"error\":\"\\u001b[31m\"}"), &check));
    assert_true(!check.ok && check.changes);
    assert_false(hook_answer_check(SLICE("yes"), &check));
    assert_true(
        hook_answer_done(SLICE("{\"applied\":true,\"verified\":true}"), &applied, &verified));
    assert_true(applied && verified);
    assert_true(
        hook_answer_done(SLICE("{\"applied\":1,\"verified\":\"true\"}"), &applied, &verified));
    assert_false(applied || verified);
    assert_false(hook_answer_done(SLICE(""), &applied, &verified));
    assert_true(hook_answer_list(
        SLICE("{\"targets\":[{\"type\":\"ip\",\"value\":\"203.0.113.1\",\"expires_s\":9},"
              "{\"type\":\"ip\",\"value\":\"203.0.113.0/24\"},{\"type\":\"none\",\"value\":\"\"},3,"
              "{\"type\":\"number\",\"value\":\"112\"}]}"),
        items, &count));
    assert_int_equal(count, 2);
    assert_string_equal(items[0].target.value, "203.0.113.1");
    assert_int_equal(items[0].expires_s, 9);
    assert_false(hook_answer_list(SLICE("{\"targets\":{}}"), items, &count));
    assert_false(hook_answer_list(SLICE("[]"), items, &count));
}

/* --- surroundings --- */

static const char *why(const struct protected_list *list, const char *text)
{
    struct response_target target;
    assert_true(response_target_parse(RESPONSE_TARGET_IP, slice_of_string(text), &target));
    return protected_why(list, &target);
}

static void the_kernels_texts_are_understood(void **state)
{
    struct protected_list *list = NULL;
    struct error error;
    (void)state;
    assert_int_equal(protected_open(&list, &error), STATUS_OK);
    assert_true(surroundings_routes(
        list, SLICE("Iface\tDestination\tGateway \tFlags\n"
                    "eth0\t00000000\t017100CB\t0003\n" /* 203.0.113.1, the bytes as in memory */
                    "eth0\t006433C6\t00000000\t0001\n"
                    "rubbish\n\n")));
    assert_true(surroundings_routes6(
        list,
        SLICE("00000000000000000000000000000000 00 00000000000000000000000000000000 00 "
              "20010db8000000000000000000000001 00000400 00000001 00000000 00000003     eth0\n"
              "short line\n")));
    assert_true(surroundings_resolvers(
        list, SLICE("# a comment\nnameserver 198.51.100.53\nnameserver\t2001:db8::53%eth0\r\n"
                    "search pbx.example\nnameserver rubbish\n")));
    assert_string_equal(why(list, "203.0.113.1"), "the default gateway");
    assert_string_equal(why(list, "2001:db8::1"), "a gateway");
    assert_string_equal(why(list, "198.51.100.53"), "a name server");
    assert_string_equal(why(list, "2001:db8::53"), "a name server");
    assert_null(why(list, "203.0.113.2"));
    assert_int_equal(protected_networks(list), 4);
    assert_int_equal(surroundings_add(list, &error), STATUS_OK);
    assert_non_null(why(list, "127.0.0.1"));
    protected_close(list);
}

static void a_full_list_is_refused(void **state)
{
    struct protected_list *list = NULL;
    struct error error;
    struct prefix prefix = {.bits = 128};
    (void)state;
    assert_int_equal(protected_open(&list, &error), STATUS_OK);
    for (uint32_t i = 0; i < PROTECTED_MAX; i++) {
        prefix.addr.octets[14] = (uint8_t)(i >> 8);
        prefix.addr.octets[15] = (uint8_t)i;
        assert_true(protected_add(list, &prefix, "one of many"));
    }
    assert_true(protected_add(list, &prefix, "there already"));
    prefix.addr.octets[0] = 1;
    assert_false(protected_add(list, &prefix, "one too many"));
    protected_close(list);
}

/* --- what is added while the response process runs --- */

struct gained {
    struct protected_list *mirror;
    struct protected_share *share;
};

static bool share(void *owner, const struct protected_entry *entry)
{
    struct gained *it = owner;
    return protected_add_entry(it->mirror, entry) && protected_share_add(it->share, entry);
}

static struct protected_list *list_of(const char *network, const char *account, const char *number)
{
    struct protected_list *list = NULL;
    struct prefix prefix;
    struct error error;
    assert_int_equal(protected_open(&list, &error), STATUS_OK);
    assert_true(prefix_parse(slice_of_string(network), &prefix));
    assert_true(protected_add(list, &prefix, "named"));
    assert_true(protected_add_account(list, slice_of_string(account)));
    assert_true(protected_add_number(list, slice_of_string(number)));
    return list;
}

static const char *why_of(const struct protected_list *list, enum response_target_type type,
                          const char *text)
{
    struct response_target target;
    assert_true(response_target_parse(type, slice_of_string(text), &target));
    return protected_why(list, &target);
}

static void what_is_added_reaches_the_other_list(void **state)
{
    struct protected_list *theirs = list_of("198.51.100.0/24", "alice", "112");
    struct protected_list *wanted = list_of("2001:db8::/32", "bob@pbx.example", "+15550100");
    struct gained it = {.mirror = list_of("198.51.100.0/24", "alice", "112")};
    struct error error;
    uint32_t at = 0;
    uint32_t stay = 0;
    (void)state;
    assert_int_equal(protected_share_open(&it.share, &error), STATUS_OK);
    assert_true(protected_missing(it.mirror, wanted, share, &it, &stay));
    assert_int_equal(stay, 3);
    assert_null(why(theirs, "2001:db8::7"));
    assert_true(protected_share_take(it.share, &at, theirs));
    assert_int_equal(at, 3);
    assert_string_equal(why(theirs, "2001:db8::7"), "named");
    assert_non_null(why_of(theirs, RESPONSE_TARGET_ACCOUNT, "bob@PBX.example"));
    assert_non_null(why_of(theirs, RESPONSE_TARGET_NUMBER, "15550100"));
    assert_non_null(why(theirs, "::ffff:198.51.100.9")); /* what was there stays */
    assert_non_null(why_of(theirs, RESPONSE_TARGET_ACCOUNT, "alice@pbx.example"));
    assert_true(protected_missing(it.mirror, wanted, share, &it, &stay)); /* nothing twice */
    assert_false(protected_share_take(it.share, &at, theirs));
    protected_share_close(it.share);
    protected_close(theirs);
    protected_close(wanted);
    protected_close(it.mirror);
}

static void what_is_added_is_not_believed(void **state)
{
    struct protected_list *list = list_of("198.51.100.0/24", "alice", "112");
    struct protected_entry wide = {.kind = PROTECTED_NETWORK, .prefix = {.bits = 129}};
    struct protected_entry strange = {.kind = PROTECTED_KINDS};
    struct protected_entry endless = {.kind = PROTECTED_ACCOUNT};
    struct protected_entry good = {.kind = PROTECTED_ACCOUNT, .text = "bob"};
    struct protected_share *row = NULL;
    struct error error;
    uint32_t at = 0;
    (void)state;
    memset(endless.text, 'a', sizeof endless.text);
    assert_int_equal(protected_share_open(&row, &error), STATUS_OK);
    assert_true(protected_share_add(row, &wide));
    assert_true(protected_share_add(row, &strange));
    assert_true(protected_share_add(row, &endless));
    assert_true(protected_share_add(row, &good));
    assert_true(protected_share_take(row, &at, list));
    assert_int_equal(at, 4);
    assert_int_equal(protected_networks(list), 1);
    assert_non_null(why_of(list, RESPONSE_TARGET_ACCOUNT, "bob@pbx.example"));
    while (protected_share_add(row, &good)) {
        at++;
    }
    assert_int_equal(at, PROTECTED_SHARE_MAX);
    protected_share_close(row);
    protected_close(list);
}

/* --- messages --- */

static union wire wire;
static int ends[2];
static uint64_t refused;

static int open_ends(void **state)
{
    (void)state;
    refused = 0;
    return socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends);
}

static int close_ends(void **state)
{
    (void)state;
    return close(ends[0]) + close(ends[1]);
}

static struct response_alert good_alert(void)
{
    return (struct response_alert){.level = 3, .opens = true, .rule = "scan"};
}

static void messages_cross(void **state)
{
    struct response_alert alert = good_alert();
    struct response_step step = {.step = STEP_ACTIVE, .binding = 3, .reason = "well"};
    (void)state;
    assert_int_equal(wire_receive(ends[1], &wire, &refused), WIRE_FULL);
    assert_int_equal(wire_send_alert(ends[0], &alert, SLICE("{\"a\":1}")), WIRE_OK);
    assert_int_equal(wire_receive(ends[1], &wire, &refused), WIRE_OK);
    assert_int_equal(wire.head.type, WIRE_ALERT);
    assert_string_equal(wire.alert.alert.rule, "scan");
    assert_memory_equal(wire.alert.json, "{\"a\":1}", 7);
    assert_int_equal(wire_send_step(ends[1], &step, 7), WIRE_OK);
    assert_int_equal(wire_receive(ends[0], &wire, &refused), WIRE_OK);
    assert_int_equal(wire.head.lost, 7);
    assert_string_equal(wire.step.step.reason, "well");
    assert_int_equal(wire_send_text(ends[1], WIRE_REFUSED, "here", "why"), WIRE_OK);
    assert_int_equal(wire_receive(ends[0], &wire, &refused), WIRE_OK);
    assert_string_equal(wire.text.text, "why");
    assert_int_equal(refused, 0);
    assert_int_equal(shutdown(ends[0], SHUT_WR), 0);
    assert_int_equal(wire_receive(ends[1], &wire, &refused), WIRE_GONE);
}

/* An alert whose record breaks out of its place in the order could name another target. */
static void an_alert_is_one_object(void **state)
{
    static const char *const bad[] = {"",     "{", "[]", "{},\"target\":{\"type\":\"ip\"}",
                                      "{}{}", "1"};
    struct response_alert alert = good_alert();
    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_int_equal(wire_send_alert(ends[0], &alert, slice_of_string(bad[i])), WIRE_OK);
    }
    assert_int_equal(wire_receive(ends[1], &wire, &refused), WIRE_FULL);
    assert_int_equal(refused, COUNT_OF(bad));
}

static void what_is_not_sound_is_refused(void **state)
{
    struct response_alert alert = good_alert();
    struct response_step step = {.step = STEPS};
    (void)state;
    alert.level = 5;
    assert_int_equal(wire_send_alert(ends[0], &alert, SLICE("{}")), WIRE_OK);
    alert = good_alert();
    memset(alert.rule, 'x', sizeof alert.rule);
    assert_int_equal(wire_send_alert(ends[0], &alert, SLICE("{}")), WIRE_OK);
    alert = good_alert();
    memset(&alert.proven, 2, 1);
    assert_int_equal(wire_send_alert(ends[0], &alert, SLICE("{}")), WIRE_OK);
    assert_int_equal(wire_send_step(ends[0], &step, 0), WIRE_OK);
    step = (struct response_step){.binding = RESPONSE_BINDINGS_MAX};
    assert_int_equal(wire_send_step(ends[0], &step, 0), WIRE_OK);
    step = (struct response_step){.guard = GUARDS};
    assert_int_equal(wire_send_step(ends[0], &step, 0), WIRE_OK);
    assert_int_equal(send(ends[0], "rubbish", 7, 0), 7);
    assert_int_equal(wire_receive(ends[1], &wire, &refused), WIRE_FULL);
    assert_int_equal(refused, 7);
}

/* Every bit of an alert turned once: taken or refused, never believed beyond its ranges. */
static void no_bit_does_harm(void **state)
{
    static struct wire_alert message;
    struct response_alert alert = good_alert();
    (void)state;
    assert_int_equal(wire_send_alert(ends[0], &alert, SLICE("{\"a\":[1,2]}")), WIRE_OK);
    ssize_t bytes = recv(ends[1], &message, sizeof message, 0);
    assert_true(bytes > 0);
    for (size_t bit = 0; bit < (size_t)bytes * 8; bit++) {
        uint8_t *byte = (uint8_t *)&message + bit / 8;
        *byte = (uint8_t)(*byte ^ 1U << bit % 8);
        assert_int_equal(send(ends[0], &message, (size_t)bytes, 0), bytes);
        *byte = (uint8_t)(*byte ^ 1U << bit % 8);
        if (wire_receive(ends[1], &wire, &refused) == WIRE_OK) {
            assert_int_equal(wire.head.type, WIRE_ALERT);
            assert_in_range(wire.alert.alert.level, 1, 4);
        }
    }
    assert_true(refused > 100);
}

#define OVER_ENDS(test) cmocka_unit_test_setup_teardown(test, open_ends, close_ends)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_is_one_address),
        cmocka_unit_test(a_number_is_digits),
        cmocka_unit_test(an_alert_is_read),
        cmocka_unit_test(answers_are_read),
        cmocka_unit_test(the_kernels_texts_are_understood),
        cmocka_unit_test(a_full_list_is_refused),
        cmocka_unit_test(what_is_added_reaches_the_other_list),
        cmocka_unit_test(what_is_added_is_not_believed),
        OVER_ENDS(messages_cross),
        OVER_ENDS(an_alert_is_one_object),
        OVER_ENDS(what_is_not_sound_is_refused),
        OVER_ENDS(no_bit_does_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
