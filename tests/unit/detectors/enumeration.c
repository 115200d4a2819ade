/* Enumeration: thresholds to the unit, what confirms a user, and all the honest who ask for many.
 */
#include "limits.h"

static const char *const slug = "enumeration";

static struct fact question(struct fact_party client, uint32_t user, uint16_t status)
{
    struct fact fact = fact_transaction(client, status);
    struct fact_transaction *asked = &fact.is.transaction;

    asked->target_user = limit_name(user, "");
    asked->account = SLICE("x@example.com"); /* is looked at for who is known only */
    asked->call_id_hash = 100 + user;
    asked->challenged = status == 401;
    asked->user_exists = status == 401;
    return fact;
}

/* The first `of` exist. */
static void ask(struct bench *bench, const struct limit_row *row, struct fact_party client,
                uint32_t user)
{
    bench_tell(bench, question(client, user * 3, user < row->of ? 401 : 404));
}

static void test_thresholds(void **state)
{
    (void)state;
    static const struct limit_row rows[] = {
        {"fourteen", 14, NS_PER_S, true, 0, 2, 0},
        {"fifteen", 15, NS_PER_S, true, 3, 2, 0},
        {"fifteen, unproven", 15, NS_PER_S, false, 2, 2, 0},
        {"fifteen, none confirmed", 15, NS_PER_S, true, 2, 0, 0},
        {"fifteen, all challenged alike", 15, NS_PER_S, true, 2, 15, 0},
        {"fifteen, the first a minute ago", 15, 60 * NS_PER_S / 14 + NS_PER_MS, true, 0, 2, 0},
        {"24 in an hour", 24, 2 * NS_PER_MINUTE, true, 0, 0, 0},
        {"25 in an hour", 25, 2 * NS_PER_MINUTE, true, 2, 0, 0},
        {"49 in a day", 49, 20 * NS_PER_MINUTE, true, 0, 0, 0},
        {"50 in a day", 50, 20 * NS_PER_MINUTE, true, 2, 0, 0},
        {"as fast as svwar", 250, 7 * NS_PER_MS, true, 3, 4, 0},
    };

    limit_rows(slug, "203.0.113.51", rows, COUNT_OF(rows), ask, NULL);
}

static void test_sentence(void **state)
{
    (void)state;
    struct bench bench;

    bench_open(&bench, slug);
    for (uint32_t user = 1; user <= 15; user++) {
        bench_tell(&bench, question(party("203.0.113.51", 5060), user, user < 3 ? 401 : 404));
        bench.now_ns += NS_PER_S / 2;
    }
    const struct incident *told = bench_must(&bench, slug);
    assert_string_equal(
        told->message,
        "A source that claims to be 203.0.113.51 asked 192.0.2.10 for 15 user names (2 exist: "
        "1001, "
        "1002) (in 7 s; limit 15 users in 1 min). Block the address at the edge and let the server "
        "answer unknown and known users alike.");
    assert_string_equal(told->secondary, "192.0.2.10");
    assert_int_equal(told->stage, 2);
    /* names follow each other, and answers tell users apart */
    assert_int_equal(told->confidence.value, 40 + 15 + 15);
    bench_close(&bench);
}

/* Of a name that does not fit the beginning is told, whole characters and escapes only. */
static void test_hostile_names(void **state)
{
    (void)state;
    static const char *const users[] = {
        "\x1b[2J\x1b[31m\x07\x08\x7f\xff\xfe",
        "\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9",
    };
    struct bench bench;

    bench_open(&bench, slug);
    for (uint32_t user = 0; user < 15; user++) {
        struct fact fact = question(party("203.0.113.51", 5060), user, user < 2 ? 401 : 404);
        if (user < 2) {
            fact.is.transaction.target_user = slice_of_string(users[user]);
        }
        bench_tell(&bench, fact);
    }
    const struct incident *told = bench_must(&bench, slug);
    assert_non_null(strstr(told->message,
                           "(2 exist: \\x1B[2J\\x1B[31m\\x07\\x08, "
                           "\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9)"));
    bench_close(&bench);
}

static void test_by_method(void **state)
{
    (void)state;
    static const struct {
        uint8_t method;
        uint16_t status;
        bool user_exists;
        unsigned severity; /* of a proven source */
    } rows[] = {
        {FACT_METHOD_OPTIONS, 404, false, 2},
        {FACT_METHOD_OPTIONS, 200, true, 2},
        {FACT_METHOD_INVITE, 404, false, 2},
        {FACT_METHOD_INVITE, 407, true, 2},
        {FACT_METHOD_SUBSCRIBE, 404, false, 2},
        {FACT_METHOD_INVITE, 486, true, 0}, /* calls (H7, H10) */
        {FACT_METHOD_INVITE, 200, true, 0},
        {FACT_METHOD_INVITE, 480, true, 0},
        {FACT_METHOD_MESSAGE, 404, false, 0},
        {FACT_METHOD_NOTIFY, 404, false, 0},
        {FACT_METHOD_REGISTER, 0, false, 0}, /* no answer teaches nothing */
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct bench bench;
        struct fact_party client = party("203.0.113.51", 5060);
        client.proven = true;
        bench_open(&bench, slug);
        for (uint32_t user = 0; user < 40; user++) {
            struct fact fact = question(client, user, rows[i].status);
            fact.is.transaction.method = rows[i].method;
            fact.is.transaction.user_exists = rows[i].user_exists;
            bench_tell(&bench, fact);
            bench.now_ns += NS_PER_S;
        }
        if (bench_severity(&bench, slug) != rows[i].severity) {
            fail_msg("row %zu: severity %u", i, bench_severity(&bench, slug));
        }
        bench_close(&bench);
    }
}

/* OPTIONS: 200 tells users apart only where 404 is said too. */
static void test_options_differ(void **state)
{
    (void)state;
    struct bench bench;
    struct fact_party client = party("203.0.113.51", 5060);

    client.proven = true;
    bench_open(&bench, slug);
    for (uint32_t user = 0; user < 20; user++) {
        struct fact fact = question(client, user, user % 4 == 3 ? 200 : 404);
        fact.is.transaction.method = FACT_METHOD_OPTIONS;
        fact.is.transaction.user_exists = user % 4 == 3;
        bench_tell(&bench, fact);
    }
    assert_int_equal(bench_severity(&bench, slug), 3);
    bench_close(&bench);
}

/* H7, H11, H25: who has a login, or is a server, may ask. */
static void test_not_strangers(void **state)
{
    (void)state;
    struct bench bench;

    bench_open(&bench, slug);
    for (uint32_t user = 0; user < 100; user++) {
        struct fact fact = question(party("203.0.113.51", 5060), user, 404);
        fact.is.transaction.client.is_server = user % 2 == 0;
        fact.is.transaction.client.good_accounts = user % 2 == 0 ? 0 : 1;
        bench_tell(&bench, fact);
    }
    assert_int_equal(bench.count, 0);
    bench_close(&bench);
}

/* H3, H6: 300 phones behind one address after a restart: challenged, then in; the first success
 * comes late. */
static void test_phones_behind_nat(void **state)
{
    (void)state;
    struct bench bench;

    bench_open(&bench, slug);
    for (uint32_t phone = 0; phone < 200; phone++) {
        struct fact_party client = party("203.0.113.51", (uint16_t)(20000 + phone));
        bench_tell(&bench, question(client, phone, 401));
        bench.now_ns += 50 * NS_PER_MS;
    }
    for (uint32_t phone = 0; phone < 200; phone++) {
        struct fact_party client = party("203.0.113.51", (uint16_t)(20000 + phone));
        struct fact fact = question(client, phone, 200);
        fact.is.transaction.has_credentials = true;
        bench_tell(&bench, fact);
    }
    assert_int_equal(bench.count, 0);
    bench_close(&bench);
}

/* One port, all challenged and all logged in: a gateway with many lines. */
static void test_logins_take_back(void **state)
{
    (void)state;
    struct bench bench;

    bench_open(&bench, slug);
    for (uint32_t line = 0; line < 60; line++) {
        struct fact fact = question(party("203.0.113.51", 5060), line, 401);
        bench_tell(&bench, fact);
        fact.is.transaction.status = line % 10 == 0 ? 401 : 200; /* some with a wrong password */
        fact.is.transaction.has_credentials = true;
        fact.is.transaction.cseq = 2;
        bench_tell(&bench, fact);
        bench.now_ns += 10 * NS_PER_MS;
    }
    assert_int_equal(bench.count, 0);
    bench_close(&bench);
}

/* H7 on a sensor that has just started: a dialler whose calls, each challenged, ring for long. */
static void test_dialler(void **state)
{
    (void)state;
    struct bench bench;

    bench_open(&bench, slug);
    for (uint32_t call = 0; call < 100; call++) {
        struct fact challenge = question(party("203.0.113.51", 5060), call, 407);
        challenge.is.transaction.method = FACT_METHOD_INVITE;
        challenge.is.transaction.challenged = true;
        challenge.is.transaction.user_exists = true;
        bench_tell(&bench, challenge);
        struct fact again =
            fact_request(party("203.0.113.51", 5060), challenge.is.transaction.server);
        again.is.message.method = FACT_METHOD_INVITE;
        again.is.message.has_credentials = true;
        again.is.message.uri_user = limit_name(call, "");
        bench_tell(&bench, again);
        bench.now_ns += 50 * NS_PER_MS;
    }
    assert_int_equal(bench.count, 0);
    bench_close(&bench);
}

/* Accounts that log in elsewhere are not counted, but that they are challenged and others are not
 * says which users exist. At home they are phones. */
static void test_known_accounts(void **state)
{
    (void)state;

    for (unsigned at_home = 0; at_home < 2; at_home++) {
        struct bench bench;
        bench_open(&bench, slug);
        for (uint32_t user = 0; user < 12 + 15; user++) {
            struct fact fact = question(party("203.0.113.51", 5060), user, user < 12 ? 401 : 404);
            fact.is.transaction.account_known = user < 12;
            fact.is.transaction.place_known = user < 12 && at_home == 1;
            fact.is.transaction.client.proven = true;
            assert_int_equal(bench.count, 0);
            bench_tell(&bench, fact);
            bench.now_ns += NS_PER_S;
        }
        assert_int_equal(bench_severity(&bench, slug), at_home == 1 ? 2 : 3);
        bench_close(&bench);
    }
}

/* H21: 40 deleted users' phones at one site keep registering for weeks. */
static void test_forgotten_phones(void **state)
{
    (void)state;
    struct bench bench;

    bench_open(&bench, slug);
    for (uint32_t round = 0; round < 200; round++) {
        for (uint32_t phone = 0; phone < 40; phone++) {
            struct fact fact =
                question(party("203.0.113.51", (uint16_t)(30000 + phone)), phone, 404);
            fact.is.transaction.cseq = round + 1;
            bench_tell(&bench, fact);
            bench.now_ns += 10 * NS_PER_MS;
        }
        bench.now_ns += 10 * NS_PER_MINUTE;
    }
    assert_int_equal(bench.count, 0);
    bench_close(&bench);
}

/* Who comes back under its own Call-ID is a phone; a tool that uses one for its whole run is none.
 */
static void test_call_ids(void **state)
{
    (void)state;
    for (unsigned tool = 0; tool < 2; tool++) {
        struct bench bench;
        struct fact_party client = party("203.0.113.51", 5060);
        client.proven = true;
        bench_open(&bench, slug);
        for (uint32_t round = 0; round < 2; round++) {
            for (uint32_t user = 0; user < (round == 0 ? 13 : 25); user++) {
                struct fact fact = question(client, user, 404);
                fact.is.transaction.call_id_hash = tool == 1 ? 1 : 100 + user;
                fact.is.transaction.cseq = 1 + 100 * round + user;
                bench_tell(&bench, fact);
                bench.now_ns += 10 * NS_PER_S;
            }
        }
        assert_int_equal(bench_severity(&bench, slug), tool == 1 ? 2 : 0);
        bench_close(&bench);
    }
}

/* Users from ports of their own for which no phone came back: an attacker's after 35 minutes. */
static void test_spread_ports(void **state)
{
    (void)state;
    struct bench bench;
    struct fact_party client = party("203.0.113.51", 5060);

    client.proven = true;
    bench_open(&bench, slug);
    for (uint32_t user = 0; user < 80; user++) {
        client.endpoint.port = (uint16_t)(30000 + user);
        bench_tell(&bench, question(client, user, 404));
        bench.now_ns += NS_PER_S;
    }
    assert_int_equal(bench.count, 0);
    bench.now_ns += 36 * NS_PER_MINUTE;
    client.endpoint.port = 40000;
    bench_tell(&bench, question(client, 100, 404));
    assert_int_equal(bench_severity(&bench, slug), 2);
    bench_close(&bench);
}

/* One user again and again is no search; with a new Call-ID each time neither. */
static void test_same_users(void **state)
{
    (void)state;
    struct bench bench;

    bench_open(&bench, slug);
    for (uint32_t i = 0; i < 400; i++) {
        struct fact fact = question(party("203.0.113.51", 5060), i % 14, 404);
        fact.is.transaction.call_id_hash = 10000 + i;
        bench_tell(&bench, fact);
        bench.now_ns += NS_PER_MS;
    }
    assert_int_equal(bench.count, 0);
    bench_close(&bench);
}

/* Retransmissions are not told as transactions; a forced end is no answer. */
static void test_forced(void **state)
{
    (void)state;
    struct bench bench;

    bench_open(&bench, slug);
    for (uint32_t user = 0; user < 30; user++) {
        struct fact fact = question(party("203.0.113.51", 5060), user, 404);
        fact.forced = true;
        bench_tell(&bench, fact);
    }
    assert_int_equal(bench.count, 0);
    bench_close(&bench);
}

/* Two servers are two searches: no server was asked for enough. */
static void test_servers_apart(void **state)
{
    (void)state;
    struct bench bench;

    bench_open(&bench, slug);
    for (uint32_t user = 0; user < 28; user++) {
        struct fact fact = question(party("203.0.113.51", 5060), user, 404);
        fact.is.transaction.server = party(user % 2 == 0 ? "192.0.2.10" : "192.0.2.11", 5060);
        bench_tell(&bench, fact);
    }
    assert_int_equal(bench.count, 0);
    bench_close(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_thresholds),       cmocka_unit_test(test_sentence),
        cmocka_unit_test(test_by_method),        cmocka_unit_test(test_options_differ),
        cmocka_unit_test(test_not_strangers),    cmocka_unit_test(test_phones_behind_nat),
        cmocka_unit_test(test_logins_take_back), cmocka_unit_test(test_forgotten_phones),
        cmocka_unit_test(test_spread_ports),     cmocka_unit_test(test_call_ids),
        cmocka_unit_test(test_same_users),       cmocka_unit_test(test_forced),
        cmocka_unit_test(test_servers_apart),    cmocka_unit_test(test_hostile_names),
        cmocka_unit_test(test_dialler),          cmocka_unit_test(test_known_accounts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
