/* Many accounts refused at once: how many, of how many, and whose. */
#include "limits.h"

static const char *const slug = "registration-failure-spike";

static struct fact login(uint32_t account, bool good)
{
    struct fact_party client = party_number(account, 5060);
    struct fact fact = good ? fact_transaction(client, 200) : fact_failure(client, account);

    fact.is.transaction.account = limit_name(account, "@example.com");
    fact.is.transaction.account_known = true;
    fact.is.transaction.place_known = true;
    return fact;
}

static void log_in(struct bench *bench, uint32_t accounts)
{
    for (uint32_t i = 0; i < accounts; i++) {
        bench_tell(bench, login(i, true));
    }
    bench->now_ns += NS_PER_MINUTE;
}

static void test_rows(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t population;
        uint32_t failing;
        uint64_t gap_ns;
        unsigned severity;
    } rows[] = {
        {"nine", 60, 9, NS_PER_S, 0},
        {"ten", 60, 10, NS_PER_S, 2},
        {"ten, 6 s apart", 60, 10, 6 * NS_PER_S, 2},
        {"ten, 7 s apart", 60, 10, 7 * NS_PER_S, 0},
        {"ten within half a window", 60, 10, 3 * NS_PER_S, 2},
        {"forty-nine of 60", 60, 49, NS_PER_MS, 2},
        {"fifty of 60", 60, 50, NS_PER_MS, 3},
        {"fifteen of 1000: less than 2 %", 1000, 15, NS_PER_MS, 0},
        {"forty of 1000", 1000, 40, NS_PER_MS, 2},
        {"sixty of 1000: less than 10 %", 1000, 60, NS_PER_MS, 2}, /* H22 */
        {"130 of 1000", 1000, 130, NS_PER_MS, 3},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct bench bench;
        bench_open(&bench, slug);
        log_in(&bench, rows[i].population);
        for (uint32_t account = 0; account < rows[i].failing; account++) {
            bench_tell(&bench, login(account, false));
            bench.now_ns += rows[i].gap_ns;
        }
        if (bench_severity(&bench, slug) != rows[i].severity) {
            fail_msg("%s: severity %u", rows[i].name, bench_severity(&bench, slug));
        }
        bench_close(&bench);
    }
}

/* What is estimated is not told as counted. */
static void test_about(void **state)
{
    (void)state;

    for (unsigned large = 0; large < 2; large++) {
        struct bench bench;
        bench_open(&bench, slug);
        log_in(&bench, large == 1 ? 210 : 60);
        for (uint32_t account = 0; account < 10; account++) {
            bench_tell(&bench, login(account, false));
        }
        assert_non_null(strstr(bench_must(&bench, slug)->message,
                               large == 1 ? " refuses 10 of about 2" : " refuses 10 of 60 known "));
        bench_close(&bench);
    }
}

/* Own devices that are there: what forged sources and guessers have not, each for itself. */
static void test_whose(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool account_known;
        bool place_known;
        bool proven;
        uint16_t good_accounts;
        unsigned severity;
    } rows[] = {
        {"echoed a nonce", true, true, true, 0, 3},
        {"refused unasked where it used to log in", true, true, false, 1, 3},
        {"forged, in the network of the account's phone", true, true, false, 0, 0},
        {"one source, many accounts, the agent of their phones", true, false, true, 0, 0},
        {"the same from behind an office's address", true, false, true, 9, 0},
        {"nobody's account", false, false, true, 0, 0},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct bench bench;
        bench_open(&bench, slug);
        log_in(&bench, 60);
        for (uint32_t account = 0; account < 60; account++) {
            struct fact fact = login(account, false);
            struct fact_transaction *asked = &fact.is.transaction;
            asked->account_known = rows[i].account_known;
            asked->device_known = true; /* an agent is soon copied */
            asked->place_known = rows[i].place_known;
            asked->client.proven = rows[i].proven;
            asked->client.good_accounts = rows[i].good_accounts;
            bench_tell(&bench, fact);
        }
        if (bench_severity(&bench, slug) != rows[i].severity) {
            fail_msg("%s: severity %u", rows[i].name, bench_severity(&bench, slug));
        }
        bench_close(&bench);
    }
}

/* Each is changed in one way that makes it no failure of a known account. */
static void test_what_counts(void **state)
{
    (void)state;
    struct bench bench;

    bench_open(&bench, slug);
    log_in(&bench, 60);
    for (uint32_t account = 0; account < 60; account++) {
        struct fact fact = login(account, false);
        struct fact_transaction *asked = &fact.is.transaction;
        switch (account % 6) {
        case 0:
            asked->account_known = false; /* a guesser's */
            break;
        case 1:
            asked->challenged = true;
            break;
        case 2:
            asked->stale = true;
            break;
        case 3:
            asked->status = 503; /* H6 */
            break;
        case 4:
            fact.forced = true;
            break;
        default:
            asked->method = FACT_METHOD_INVITE;
            break;
        }
        bench_tell(&bench, fact);
    }
    for (uint32_t attempt = 0; attempt < 2880; attempt++) { /* H1 */
        bench_tell(&bench, login(7, false));
        bench.now_ns += NS_PER_S;
    }
    assert_int_equal(bench.count, 0);
    bench_close(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_about),
        cmocka_unit_test(test_whose),
        cmocka_unit_test(test_what_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
