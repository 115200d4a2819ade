/* Password spray: thresholds to the unit, networks of ours, and phones that fail together. */
#include "limits.h"

static const char *const slug = "password-spray";

static struct fact try(struct fact_party client, uint32_t account, uint32_t attempt)
{
    struct fact fact = fact_failure(client, attempt);

    fact.is.transaction.account = limit_name(account, "@example.com");
    return fact;
}

/* Each `of` times. */
static void try_each(struct bench *bench, const struct limit_row *row, struct fact_party client,
                     uint32_t account)
{
    for (uint32_t j = 0; j < row->of; j++) {
        struct fact fact = try(client, account, account * row->of + j);
        fact.is.transaction.client.proven = row->proven;
        bench_tell(bench, fact);
    }
}

static void test_thresholds(void **state)
{
    (void)state;
    static const struct limit_row rows[] = {
        {"five", 5, 20 * NS_PER_S, true, 0, 1, 0},
        {"six", 6, 20 * NS_PER_S, true, 3, 1, 0},
        {"six, unproven", 6, 20 * NS_PER_S, false, 2, 1, 0},
        {"six, three tries each", 6, 20 * NS_PER_S, true, 3, 3, 0},
        {"six, the first ten minutes ago", 6, 120 * NS_PER_S + NS_PER_MS, true, 0, 1, 0},
        {"nine in a day", 9, 2 * NS_PER_HOUR, true, 0, 1, 0},
        {"ten in a day", 10, 2 * NS_PER_HOUR, true, 3, 1, 0},
        {"nineteen in a week", 19, 8 * NS_PER_HOUR, true, 0, 1, 0},
        {"twenty in a week", 20, 8 * NS_PER_HOUR, true, 3, 1, 0},
        {"one good account among seven", 6, 20 * NS_PER_S, true, 3, 1, 1},
        {"two good accounts among eight (ours)", 6, 20 * NS_PER_S, true, 0, 1, 2},
        {"more than are remembered", 120, NS_PER_S, true, 3, 1, 0},
    };

    limit_rows(slug, "203.0.113.52", rows, COUNT_OF(rows), try_each, NULL);
}

/* A tenth try makes it another attack's account; where no other is tried from its port, a fourth. */
static void test_many_tries_each(void **state)
{
    (void)state;

    for (unsigned own_ports = 0; own_ports < 2; own_ports++) {
        struct bench bench;
        uint32_t attempt = 0;
        bench_open(&bench, slug);
        for (uint32_t account = 0; account < 5; account++) {
            uint16_t port = own_ports == 1 ? (uint16_t)(20000 + account) : 5060;
            for (uint32_t j = 0; j < (own_ports == 1 ? 4U : 10U); j++) {
                bench_tell(&bench, try(party("203.0.113.52", port), account, attempt++));
            }
        }
        for (uint32_t account = 5; account < 10; account++) {
            bench_tell(&bench, try(party("203.0.113.52", 5060), account, attempt++));
        }
        assert_int_equal(bench.count, 0);
        bench_tell(&bench, try(party("203.0.113.52", 5060), 10, attempt++));
        assert_int_equal(bench_severity(&bench, slug), 3);
        bench_close(&bench);
    }
}

/* A short list of passwords on one account after the other. */
static void test_short_lists(void **state)
{
    (void)state;
    struct bench bench;
    uint32_t attempt = 0;

    bench_open(&bench, slug);
    for (uint32_t account = 0; account < 6; account++) {
        for (uint32_t j = 0; j < 9; j++) {
            assert_int_equal(bench.count, 0);
            bench_tell(&bench, try(party("203.0.113.52", 5060), account, attempt++));
            bench.now_ns += NS_PER_S;
            if (account == 5) {
                break;
            }
        }
    }
    assert_int_equal(bench_severity(&bench, slug), 3);
    bench_close(&bench);
}

/* Neighbours of a guesser: whose try crosses the limit is not whom to blame, unless all were his. */
static void test_neighbour(void **state)
{
    (void)state;

    for (unsigned alone = 0; alone < 2; alone++) {
        struct bench bench;
        bench_open(&bench, slug);
        for (uint32_t account = 0; account < 6; account++) {
            const char *from = account < 5 || alone == 1 ? "203.0.113.52" : "203.0.113.7";
            struct fact fact = try(party(from, 5060), account, account);
            fact.is.transaction.echoed = true;
            bench_tell(&bench, fact);
        }
        assert_int_equal(bench_last(&bench, slug)->source_echoed, alone == 1);
        bench_close(&bench);
    }
}

/* Four addresses of one /24 work together; the alert names no single one, but all accounts. */
static void test_network(void **state)
{
    (void)state;
    struct bench bench;

    bench_open(&bench, slug);
    for (uint32_t account = 0; account < 8; account++) {
        struct fact_party client = party("203.0.113.52", 5060);
        client.endpoint.addr.octets[15] = (uint8_t)(52 + account % 4);
        bench_tell(&bench, try(client, account, account));
        bench.now_ns += NS_PER_S;
    }
    const struct incident *told = bench_must(&bench, slug);
    assert_int_equal(bench_severity(&bench, slug), 3);
    assert_string_equal(told->entity, "203.0.113.0/24");
    assert_int_equal(told->account_count, 6); /* when it was told */
    assert_string_equal(told->accounts[0], "1000@example.com");
    assert_string_equal(told->accounts[5], "1005@example.com");
    assert_string_equal(told->account, "");
    frame_end(bench.frame, bench.now_ns);
    told = bench_must(&bench, slug);
    assert_int_equal(told->account_count, 8);
    assert_true(addr_is_unspecified(&told->source.addr));
    bench_close(&bench);
}

/* Of an account that does not fit the beginning is told. */
static void test_hostile_names(void **state)
{
    (void)state;
    struct bench bench;

    bench_open(&bench, slug);
    for (uint32_t account = 0; account < 6; account++) {
        struct fact fact = try(party("203.0.113.52", 5060), account, account);
        if (account == 0) {
            fact.is.transaction.account =
                SLICE("\x1b]0;owned\x07\x1b[2J\x1b[31m\x08\x08\x08\x08\x08"
                      "\x08\x08@example.com");
        }
        bench_tell(&bench, fact);
    }
    const struct incident *told = bench_must(&bench, slug);
    assert_string_equal(told->accounts[0],
                        "\\x1B]0;owned\\x07\\x1B[2J\\x1B[31m\\x08\\x08\\x08\\x08");
    bench_close(&bench);
}

/* Who did it is the network where it was several, from the first word on. */
static void test_several_sources(void **state)
{
    (void)state;
    static const char *const sources[] = {"203.0.113.1", "203.0.113.2", "203.0.113.3"};
    struct bench bench;

    bench_open(&bench, slug);
    for (uint32_t account = 0; account < 6; account++) {
        bench_tell(&bench, try(party(sources[account % 3], 5060), account, account));
        bench.now_ns += NS_PER_S;
    }
    const struct incident *told = bench_must(&bench, slug);
    assert_true(addr_is_unspecified(&told->source.addr));
    assert_non_null(strstr(told->message, "Sources in 203.0.113.0/24 failed to log in on 6 "));
    bench_close(&bench);
}

/* Accounts of this network never count (H3, H22); that they are tried with the agent of their phones
 * is no excuse. */
static void test_known_devices(void **state)
{
    (void)state;

    for (unsigned at_home = 0; at_home < 2; at_home++) {
        struct bench bench;
        bench_open(&bench, slug);
        for (uint32_t account = 0; account < 40; account++) {
            struct fact fact = try(party("203.0.113.52", 5060), account, account);
            fact.is.transaction.account_known = true;
            fact.is.transaction.device_known = true;
            fact.is.transaction.place_known = at_home == 1;
            bench_tell(&bench, fact);
        }
        assert_int_equal(bench_severity(&bench, slug), at_home == 1 ? 0 : 3);
        bench_close(&bench);
    }
}

/* H21 on a sensor that has just started: phones of deleted users, each from its own port, coming
 * back every minute. */
static void test_phones(void **state)
{
    (void)state;
    struct bench bench;

    bench_open(&bench, slug);
    for (uint32_t round = 0; round < 100; round++) {
        for (uint32_t phone = 0; phone < 40; phone++) {
            struct fact fact = try(party("203.0.113.52", (uint16_t)(20000 + phone)), phone, phone);
            fact.is.transaction.cseq = 2 * round + 2;
            bench_tell(&bench, fact);
            bench.now_ns += NS_PER_S;
        }
        bench_wait(&bench, 20 * NS_PER_S);
    }
    assert_true(bench_worst(&bench) <= 1);
    bench_close(&bench);
}

/* An address for each account, each tried once: low at first, in full when no phone came back. */
static void test_spread(void **state)
{
    (void)state;
    struct bench bench;

    bench_open(&bench, slug);
    for (uint32_t account = 0; account < 12; account++) {
        struct fact_party client = party("203.0.113.52", 5060);
        client.endpoint.addr.octets[15] = (uint8_t)(52 + account);
        bench_tell(&bench, try(client, account, account));
        bench.now_ns += NS_PER_S;
    }
    assert_int_equal(bench_severity(&bench, slug), 1);
    bench.now_ns += 36 * NS_PER_MINUTE;
    bench_tell(&bench, try(party("203.0.113.80", 5060), 20, 20));
    assert_int_equal(bench_severity(&bench, slug), 3);
    bench_close(&bench);
}

/* H2: one user, one account, eight typing mistakes. H17: three of them from fourteen networks. */
static void test_users(void **state)
{
    (void)state;
    struct bench bench;

    bench_open(&bench, slug);
    for (uint32_t attempt = 0; attempt < 8; attempt++) {
        bench_tell(&bench, try(party("203.0.113.52", 5060), 1, attempt));
    }
    for (uint32_t network = 0; network < 14; network++) {
        struct fact_party client = party_number(network << 8 | 7, 5060);
        bench_tell(&bench, try(client, 2, network));
    }
    assert_int_equal(bench.count, 0);
    bench_close(&bench);
}

static void test_forced(void **state)
{
    (void)state;
    struct bench bench;

    bench_open(&bench, slug);
    for (uint32_t account = 0; account < 20; account++) {
        struct fact fact = try(party("203.0.113.52", 5060), account, account);
        fact.forced = true;
        bench_tell(&bench, fact);
    }
    assert_int_equal(bench.count, 0);
    bench_close(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_thresholds),      cmocka_unit_test(test_many_tries_each),
        cmocka_unit_test(test_short_lists),     cmocka_unit_test(test_network),
        cmocka_unit_test(test_neighbour),       cmocka_unit_test(test_known_devices),
        cmocka_unit_test(test_several_sources), cmocka_unit_test(test_phones),
        cmocka_unit_test(test_spread),          cmocka_unit_test(test_users),
        cmocka_unit_test(test_forced),          cmocka_unit_test(test_hostile_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
