/* Brute force and the failing device: one stream of failures, told by the one or the other or
 * neither. */
#include "facts.h"

static const char *const brute = "registration-bruteforce";
static const char *const device = "registration-device-failing";
static const char *const both = "registration-bruteforce,registration-device-failing";

enum looks { GUESSER, PHONE, CRACKER };

/* GUESSER: a new Call-ID each time. PHONE: one Call-ID, CSeq rising. CRACKER: one Call-ID, CSeq 2
 * for ever. */
static struct fact failure(enum looks looks, uint32_t attempt)
{
    struct fact fact = fact_failure(party("203.0.113.53", 5060), attempt);

    if (looks != GUESSER) {
        fact.is.transaction.call_id_hash = 1;
        fact.is.transaction.cseq = looks == PHONE ? 2 * attempt + 2 : 2;
    }
    return fact;
}

struct row {
    const char *name;
    enum looks looks;
    uint32_t failures;
    uint64_t gap_ns;
    bool foreign;
    bool device_known;
    bool proven;
    unsigned brute;
    unsigned device;
    bool copied; /* known by the name of its agent alone */
};

static void test_table(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"nine in 45 s", GUESSER, 9, 5 * NS_PER_S, false, false, true, 0, 0, false},
        {"ten in 45 s", GUESSER, 10, 5 * NS_PER_S, false, false, true, 3, 0, false},
        {"ten, unproven", GUESSER, 10, 5 * NS_PER_S, false, false, false, 2, 0, false},
        {"ten from a known device", GUESSER, 10, 5 * NS_PER_S, false, true, true, 2, 0, false},
        {"ten, one Call-ID, CSeq 2", CRACKER, 10, 6 * NS_PER_MS, false, false, true, 3, 0, false},
        {"19 in 10 min", GUESSER, 19, 30 * NS_PER_S, false, false, true, 0, 0, false},
        {"20 in 10 min", GUESSER, 20, 30 * NS_PER_S, false, false, true, 3, 0, false},
        {"59 in a day", GUESSER, 59, 20 * NS_PER_MINUTE, false, false, true, 0, 0, false},
        {"60 in a day", GUESSER, 60, 20 * NS_PER_MINUTE, false, false, true, 3, 0, false},
        {"70 in a day, known device", GUESSER, 70, 20 * NS_PER_MINUTE, false, true, true, 0, 0,
         false},
        {"ten with the agent of the phone", GUESSER, 10, 5 * NS_PER_S, false, true, true, 3, 0,
         true},
        {"60 with it", GUESSER, 60, 20 * NS_PER_MINUTE, false, true, true, 3, 0, true},
        {"phone that moved", PHONE, 100, 30 * NS_PER_S, true, true, true, 0, 1, true},
        {"149 in a week", GUESSER, 149, NS_PER_HOUR, false, false, true, 0, 0, false},
        {"150 in a week", GUESSER, 150, NS_PER_HOUR, false, false, true, 3, 0, false},
        {"one in five minutes (F)", GUESSER, 60, 5 * NS_PER_MINUTE, false, false, true, 3, 0,
         false},
        /* H1: a phone with a wrong password all day */
        {"phone, four", PHONE, 4, 30 * NS_PER_S, false, true, true, 0, 0, false},
        {"phone, five", PHONE, 5, 30 * NS_PER_S, false, true, true, 0, 1, false},
        {"phone all day", PHONE, 2880, 30 * NS_PER_S, false, true, true, 0, 1, false},
        {"phone all day, no zones, unknown", PHONE, 2880, 30 * NS_PER_S, false, false, true, 0, 1,
         false},
        {"foreign unknown phone all day", PHONE, 2880, 30 * NS_PER_S, true, false, true, 2, 0,
         false},
        {"foreign known phone all day", PHONE, 2880, 30 * NS_PER_S, true, true, true, 0, 1, false},
        {"phone too fast for one", PHONE, 20, 5 * NS_PER_S, false, false, true, 3, 0, false},
        {"phone every ten seconds", PHONE, 20, 10 * NS_PER_S, false, true, true, 0, 1, false},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct bench bench;
        bench_open(&bench, both);
        for (uint32_t attempt = 0; attempt < rows[i].failures; attempt++) {
            struct fact fact = failure(rows[i].looks, attempt);
            fact.is.transaction.client.proven = rows[i].proven;
            fact.is.transaction.client.side = rows[i].foreign ? FACT_FOREIGN : FACT_OWN;
            fact.is.transaction.device_known = rows[i].device_known;
            fact.is.transaction.place_known = rows[i].device_known && !rows[i].copied;
            fact.is.transaction.account_known = true;
            bench_tell(&bench, fact);
            bench.now_ns += rows[i].gap_ns;
        }
        if (bench_severity(&bench, brute) != rows[i].brute ||
            bench_severity(&bench, device) != rows[i].device) {
            fail_msg("%s: %u and %u", rows[i].name, bench_severity(&bench, brute),
                     bench_severity(&bench, device));
        }
        bench_close(&bench);
    }
}

static void test_sentence(void **state)
{
    (void)state;
    struct bench bench;

    bench_open(&bench, brute);
    for (uint32_t attempt = 0; attempt < 10; attempt++) {
        bench_tell(&bench, failure(GUESSER, attempt));
        bench.now_ns += 790 * NS_PER_MS;
    }
    const struct incident *told = bench_must(&bench, brute);
    assert_string_equal(
        told->message,
        "203.0.113.53 failed 10 logins on account 1001@example.com (in 7.11 s; limit "
        "10 failures in 1 min). Block the address at the edge and give the account "
        "a new, long password.");
    assert_string_equal(told->entity, "203.0.113.53");
    assert_string_equal(told->secondary, "1001@example.com");
    assert_string_equal(told->account, "1001@example.com");
    assert_true(told->source_proven);
    assert_int_equal(told->severity, 3);
    /* 40 met, 20 proven, 15 the account never had success */
    assert_int_equal(told->confidence.value, 75);
    bench_close(&bench);
}

/* What a response must know: the attack's own proof, until one event comes without it; who the source is. */
static void test_source(void **state)
{
    (void)state;
    struct bench bench;

    bench_open(&bench, brute);
    for (uint32_t attempt = 0; attempt < 60; attempt++) {
        struct fact fact = failure(GUESSER, attempt);
        fact.is.transaction.echoed =
            attempt != 5 && attempt < 30; /* the sixth is below the limit */
        fact.is.transaction.client.good_accounts = attempt < 15 ? 2 : 1;
        fact.is.transaction.client.is_peer = attempt == 35;
        bench_tell(&bench, fact);
        const struct incident *told = bench_last(&bench, brute);
        if (attempt == 9) {
            assert_non_null(told);
            assert_true(told->source_echoed && !told->source_server);
            assert_int_equal(told->source_accounts, 2);
        }
        bench.now_ns += 2 * NS_PER_S;
    }
    const struct incident *told = bench_last(&bench, brute);
    assert_true(told->update > 0);
    assert_false(told->source_echoed);
    assert_true(told->source_server);
    assert_int_equal(told->source_accounts, 2); /* the most that was seen */
    bench_close(&bench);
}

/* Guesses in its name came before with a nonce that was not sent there: its own one, that crosses the
 * limit, is no proof against it. */
static void test_forged_before(void **state)
{
    (void)state;
    static const struct {
        uint64_t before_ns; /* 0 = never */
        bool echoed;
    } rows[] = {{0, true}, {NS_PER_S, false}, {4 * NS_PER_MINUTE, false}, {NS_PER_HOUR, true}};

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct bench bench;
        bench_open(&bench, brute);
        for (uint32_t attempt = 0; attempt < 10; attempt++) {
            struct fact fact = failure(GUESSER, attempt);
            fact.is.transaction.echoed = attempt == 9;
            fact.is.transaction.client.doubted_ns =
                rows[i].before_ns == 0 ? 0 : bench.now_ns - rows[i].before_ns;
            bench_tell(&bench, fact);
            bench.now_ns += NS_PER_S;
        }
        assert_int_equal(bench_last(&bench, brute)->source_echoed, rows[i].echoed);
        bench_close(&bench);
    }
}

/* The first challenge, stale nonces, other people's failures and forced ends are none. */
static void test_what_is_no_failure(void **state)
{
    (void)state;
    struct bench bench;

    bench_open(&bench, both);
    for (uint32_t attempt = 0; attempt < 100; attempt++) {
        struct fact fact = failure(GUESSER, attempt);
        fact.is.transaction.auth_failure = false;
        fact.is.transaction.stale = true;
        bench_tell(&bench, fact);
        fact = failure(GUESSER, attempt);
        fact.forced = true;
        bench_tell(&bench, fact);
    }
    assert_int_equal(bench.count, 0);
    bench_close(&bench);
}

/* Two accounts, or two sources, are two counts. */
static void test_pairs_apart(void **state)
{
    (void)state;
    struct bench bench;

    bench_open(&bench, brute);
    for (uint32_t attempt = 0; attempt < 27; attempt++) {
        struct fact fact = failure(GUESSER, attempt);
        fact.is.transaction.account =
            attempt % 3 == 0 ? SLICE("1001@example.com") : SLICE("1002@example.com");
        if (attempt % 3 == 1) {
            fact.is.transaction.client = party("203.0.113.54", 5060);
        }
        bench_tell(&bench, fact);
    }
    assert_int_equal(bench.count, 0);
    bench_close(&bench);
}

static void tell_from(struct bench *bench, enum looks looks, uint32_t attempt, const char *addr)
{
    struct fact fact = failure(looks, attempt);

    fact.is.transaction.client = party(addr, 5060);
    fact.is.transaction.client.proven = true;
    fact.is.transaction.echoed = true;
    bench_tell(bench, fact);
}

/* Who has a /64 takes a new address for each try; an IPv4 neighbour is somebody else. */
static void test_new_address_each_time(void **state)
{
    (void)state;
    static const struct {
        const char *before;
        const char *after;
        unsigned severity;
    } rows[] = {{"2001:db8:1:2::", "", 3}, {"2001:db8:1:", "::3", 0}, {"203.0.113.", "", 0}};

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct bench bench;
        bench_open(&bench, brute);
        for (uint32_t attempt = 0; attempt < 10; attempt++) {
            char addr[40];
            struct text text = text_into(addr, sizeof addr);
            text_string(&text, rows[i].before);
            text_format(&text, "%" PRIu32, attempt + 1);
            text_string(&text, rows[i].after);
            tell_from(&bench, GUESSER, attempt, text_terminate(&text));
            bench.now_ns += 5 * NS_PER_S;
        }
        assert_int_equal(bench_severity(&bench, brute), rows[i].severity);
        bench_close(&bench);
    }
}

/* Of several addresses none is named, and none may be touched; one that did all of it is. */
static void test_who_is_named(void **state)
{
    (void)state;
    static const char *const addrs[] = {"2001:db8:1:2::3", "2001:db8:1:2::4"};

    for (uint32_t several = 0; several < 2; several++) {
        struct bench bench;
        bench_open(&bench, brute);
        for (uint32_t attempt = 0; attempt < 10; attempt++) {
            tell_from(&bench, GUESSER, attempt, addrs[attempt % 2 * several]);
            bench.now_ns += 5 * NS_PER_S;
        }
        const struct incident *told = bench_must(&bench, brute);
        assert_string_equal(told->entity, "2001:db8:1:2::/64");
        assert_int_equal(addr_is_unspecified(&told->source.addr), several);
        assert_int_equal(told->source_echoed, !several);
        assert_memory_equal(told->message,
                            several ? "Sources in 2001:db8:1:2::/64 failed"
                                    : "2001:db8:1:2::3 failed",
                            several ? 35 : 22);
        bench_close(&bench);
    }
}

/* The user's phones side by side in his /64, all with his old password: four, and a fifth. */
static void test_phones_in_one_network(void **state)
{
    (void)state;

    for (uint32_t phones = 1; phones <= 5; phones++) {
        struct bench bench;
        bench_open(&bench, both);
        for (uint32_t attempt = 0; attempt < 400; attempt++) {
            char addr[40];
            struct text text = text_into(addr, sizeof addr);
            text_format(&text, "2001:db8:1:2::%" PRIu32, attempt % phones + 1);
            struct fact fact = failure(PHONE, attempt / phones);
            fact.is.transaction.client = party(text_terminate(&text), 5060);
            fact.is.transaction.client.proven = true;
            fact.is.transaction.call_id_hash = 1 + attempt % phones;
            fact.is.transaction.device_hash = 70 + attempt % phones;
            bench_tell(&bench, fact);
            bench.now_ns += 30 * NS_PER_S / phones;
        }
        assert_int_equal(bench_severity(&bench, brute), phones == 5 ? 3 : 0);
        assert_int_equal(bench_severity(&bench, device), 1);
        bench_close(&bench);
    }
}

/* The same behind one IPv4 address: a desk phone and a softphone, and one who takes a new name each time. */
static void test_phones_behind_one_address(void **state)
{
    (void)state;

    for (uint32_t phones = 1; phones <= 5; phones++) {
        struct bench bench;
        bench_open(&bench, both);
        for (uint32_t attempt = 0; attempt < 400; attempt++) {
            struct fact fact = failure(PHONE, attempt / phones);
            fact.is.transaction.call_id_hash = 1 + attempt % phones;
            fact.is.transaction.device_hash = 70 + attempt % phones;
            bench_tell(&bench, fact);
            bench.now_ns += 30 * NS_PER_S / phones;
        }
        assert_int_equal(bench_severity(&bench, brute), phones == 5 ? 3 : 0);
        bench_close(&bench);
    }
}

/* Two passwords for one challenge: from five failures on, at confidence 95, gate or no gate. */
static void test_proof(void **state)
{
    (void)state;
    struct bench bench;

    for (uint32_t failures = 4; failures <= 5; failures++) {
        for (unsigned same_password = 0; same_password < 2; same_password++) {
            bench_open(&bench, brute);
            for (uint32_t attempt = 0; attempt < failures; attempt++) {
                struct fact fact = failure(PHONE, attempt);
                if (attempt < 2) {
                    fact.is.transaction.nonce_hash = 1;
                    fact.is.transaction.proof_key = 1;
                    fact.is.transaction.response_hash = same_password == 1 ? 9 : 9 + attempt;
                }
                bench_tell(&bench, fact);
                bench.now_ns += 30 * NS_PER_S;
            }
            bool wanted = failures == 5 && same_password == 0;
            assert_int_equal(bench_severity(&bench, brute), wanted ? 3 : 0);
            if (wanted) {
                assert_int_equal(bench_must(&bench, brute)->confidence.value, 95);
            }
            bench_close(&bench);
        }
    }
}

/* H1 with reboots: one Call-ID in ten changes. */
static void test_phone_that_reboots(void **state)
{
    (void)state;
    struct bench bench;

    bench_open(&bench, both);
    for (uint32_t attempt = 0; attempt < 500; attempt++) {
        struct fact fact = failure(PHONE, attempt);
        fact.is.transaction.call_id_hash = 1 + attempt / 20;
        fact.is.transaction.cseq = 2 * (attempt % 20) + 2;
        bench_tell(&bench, fact);
        bench.now_ns += 30 * NS_PER_S;
    }
    assert_int_equal(bench_severity(&bench, brute), 0);
    assert_int_equal(bench_severity(&bench, device), 1);
    assert_int_equal(bench_count(&bench, device, INCIDENT_OPEN), 1);
    bench_close(&bench);
}

/* H2: a user mistypes eight times, then gets it right. */
static void test_mistyped(void **state)
{
    (void)state;
    struct bench bench;

    bench_open(&bench, NULL);
    for (uint32_t attempt = 0; attempt < 8; attempt++) {
        bench_tell(&bench, failure(GUESSER, attempt));
        bench.now_ns += 4 * NS_PER_S;
    }
    bench_tell(&bench, fact_registration(party("203.0.113.53", 5060)));
    assert_int_equal(bench.count, 0);
    bench_close(&bench);
}

/* H13, H18: three devices of one account fail a little each. */
static void test_devices_apart(void **state)
{
    (void)state;
    struct bench bench;

    bench_open(&bench, both);
    for (uint32_t attempt = 0; attempt < 12; attempt++) {
        struct fact fact = failure(PHONE, attempt);
        fact.is.transaction.client = party_number(attempt % 3, 5060);
        fact.is.transaction.device_hash = 70 + attempt % 3;
        fact.is.transaction.call_id_hash = 1 + attempt % 3;
        bench_tell(&bench, fact);
        bench.now_ns += 10 * NS_PER_S;
    }
    assert_int_equal(bench.count, 0);
    bench_close(&bench);
}

/* H22: 200 phones fail for two hours after a change of passwords: each is shown, none pages. (That
 * the server refuses so many is registration-failure-spike's to tell.) */
static void test_rotation(void **state)
{
    (void)state;
    static char accounts[200][24];
    struct bench bench;

    bench_open(&bench, "registration-bruteforce,registration-device-failing,password-spray,"
                       "registration-breach,enumeration,scan");
    for (uint32_t round = 0; round < 120; round++) {
        for (uint32_t phone = 0; phone < 200; phone++) {
            struct fact fact = failure(PHONE, round);
            fact.is.transaction.client = party_number(phone * 7, 5060);
            fact.is.transaction.client.site_good_accounts = 200;
            fact.is.transaction.client.good_accounts = 1;
            fact.is.transaction.account_known = true;
            fact.is.transaction.device_known = true;
            fact.is.transaction.place_known = true;
            fact.is.transaction.call_id_hash = phone;
            fact.is.transaction.device_hash = 500 + phone;
            fact.is.transaction.account =
                text_number(accounts[phone], sizeof accounts[0], "", 2000 + phone, "@example.com");
            bench_tell(&bench, fact);
        }
        bench_wait(&bench, NS_PER_MINUTE);
    }
    assert_int_equal(bench_worst(&bench), 1);
    assert_true(bench_count(&bench, device, INCIDENT_OPEN) <= 21);
    bench_close(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_sentence),
        cmocka_unit_test(test_source),
        cmocka_unit_test(test_forged_before),
        cmocka_unit_test(test_what_is_no_failure),
        cmocka_unit_test(test_new_address_each_time),
        cmocka_unit_test(test_who_is_named),
        cmocka_unit_test(test_phones_in_one_network),
        cmocka_unit_test(test_phones_behind_one_address),
        cmocka_unit_test(test_pairs_apart),
        cmocka_unit_test(test_proof),
        cmocka_unit_test(test_phone_that_reboots),
        cmocka_unit_test(test_mistyped),
        cmocka_unit_test(test_devices_apart),
        cmocka_unit_test(test_rotation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
