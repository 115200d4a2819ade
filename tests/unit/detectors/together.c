/* All detectors at once: the list itself, forged floods, mirrored copies, a story from scan to
 * breach. */
#include "facts.h"

/* Each row of detectors.def says all that --explain and the docs print, and fits the frame. */
static void test_declarations(void **state)
{
    (void)state;
    assert_true(detector_count() > 0);
    for (size_t i = 0; i < detector_count(); i++) {
        const struct detector *it = detectors[i];
        const char *const texts[] = {it->slug,  it->title,        it->category, it->sees,
                                     it->blind, it->false_alarms, it->advice};
        for (size_t j = 0; j < COUNT_OF(texts); j++) {
            assert_non_null(texts[j]);
            assert_true(strlen(texts[j]) > 2);
        }
        assert_true(it->severity >= 1 && it->severity <= 4);
        assert_true(it->stage <= 5);
        assert_true(it->key < KEY_COUNT);
        assert_true(it->wants != 0 && it->wants < UINT32_C(1) << FACT_COUNT);
        assert_true(it->lane_bytes <= DETECTOR_LANE_BYTES);
        assert_non_null(it->on_fact);
        assert_int_equal(it->attack[0] == NULL, it->tactic[0] == NULL);
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(it->slug, detectors[j]->slug);
        }
    }
}

/* A million forged sources fail to log in on accounts of all kinds; one who is real guesses once in
 * five minutes. */
static void test_forged_flood(void **state)
{
    (void)state;
    static char names[64][24];
    struct bench bench;
    struct frame_limits limits = {.incidents_max = 200, .closed_max = 200, .key = HASH_KEY_FIXED};
    enum { TRIES = 62, FORGED = 1000000 / TRIES };
    uint32_t forged = 0;

    for (unsigned kind = 0; kind < KEY_COUNT; kind++) {
        limits.entries[kind] = 2048;
    }
    bench_open_limits(&bench, "registration-bruteforce", &limits);
    for (uint32_t attempt = 0; attempt < TRIES; attempt++) {
        struct fact fact = fact_failure(party("203.0.113.9", 5060), attempt);
        fact.is.transaction.account = SLICE("victim@example.com");
        bench_tell(&bench, fact);
        for (uint32_t i = 0; i < FORGED; i++, forged++) {
            struct fact_party source = party_number(forged * 2654435761U >> 8, 5060);
            memcpy(&source.endpoint.addr.octets[8], &forged, sizeof forged); /* none comes twice */
            fact = fact_failure(source, forged);
            fact.is.transaction.client.proven = false;
            fact.is.transaction.account =
                text_number(names[forged % 64], sizeof names[0], "", forged, "@example.com");
            bench_tell(&bench, fact);
            bench.now_ns += 5 * NS_PER_MINUTE / FORGED;
        }
    }
    struct frame_counts counts;
    frame_counts(bench.frame, &counts);
    /* Nearly all were turned away at the door: a quarter of the entries is theirs. */
    assert_in_range(counts.entries, 512, 1024);
    assert_int_equal(counts.evicted, 0);
    assert_in_range(counts.refused_new + counts.refused_crowded, 990000, 1000000);
    assert_int_equal(bench_count(&bench, "registration-bruteforce", INCIDENT_OPEN), 1);
    frame_end(bench.frame, bench.now_ns);
    const struct incident *told = bench_must(&bench, "registration-bruteforce");
    assert_string_equal(told->account, "victim@example.com");
    assert_int_equal(told->observed, 62);
    assert_int_equal(told->severity, 3);
    bench_close(&bench);
}

/* Scan, names, guesses, in: four incidents, one chain, the story in its order. */
static void test_story(void **state)
{
    (void)state;
    static char users[15][16];
    struct bench bench;
    struct fact_party thief = party("203.0.113.66", 5060);

    bench_open(&bench, NULL);
    for (uint32_t target = 0; target < 10; target++) {
        bench_tell(&bench, fact_request(thief, party_number(target, 5060)));
        bench.now_ns += NS_PER_S;
    }
    bench_wait(&bench, NS_PER_HOUR);
    for (uint32_t user = 0; user < 15; user++) {
        struct fact fact = fact_transaction(thief, user == 1 ? 401 : 404);
        fact.is.transaction.target_user =
            text_number(users[user], sizeof users[0], "", 1000 + user, "");
        fact.is.transaction.user_exists = user == 1;
        bench_tell(&bench, fact);
    }
    bench_wait(&bench, NS_PER_HOUR);
    for (uint32_t attempt = 0; attempt < 12; attempt++) {
        bench_tell(&bench, fact_failure(thief, attempt));
    }
    thief.proven = true;
    bench_tell(&bench, fact_registration(thief));
    const struct incident *told = bench_must(&bench, "registration-breach");
    assert_int_equal(told->severity, 4);
    assert_string_equal(
        told->chain_text,
        "2026-01-05T08:00:07Z: search for SIP services on many endpoints, "
        "203.0.113.66. 2026-01-05T09:00:10Z: search for user names, 203.0.113.66. "
        "2026-01-05T10:00:10Z: password guessing against one account, 203.0.113.66. "
        "2026-01-05T10:00:10Z: login after password guessing, 1001@example.com.");
    assert_true(told->chain_id.low == bench_must(&bench, "scan")->id.low);
    assert_int_equal(told->chain_severity, 4);
    bench_close(&bench);
}

/* The scan of last week: a breach six days later finds it, one of eight days later does not. */
static void test_last_week(void **state)
{
    (void)state;
    for (unsigned days = 6; days <= 8; days += 2) {
        struct bench bench;
        struct fact_party thief = party("203.0.113.66", 5060);
        bench_open(&bench, NULL);
        for (uint32_t target = 0; target < 10; target++) {
            bench_tell(&bench, fact_request(thief, party_number(target, 5060)));
        }
        bench_wait(&bench, days * NS_PER_DAY);
        for (uint32_t attempt = 0; attempt < 12; attempt++) {
            bench_tell(&bench, fact_failure(thief, attempt));
        }
        thief.proven = true;
        bench_tell(&bench, fact_registration(thief));
        const struct incident *told = bench_must(&bench, "registration-breach");
        const struct incident *scan = bench_must(&bench, "scan");
        assert_int_equal(scan->state, INCIDENT_CLOSE);
        assert_int_equal(scan->severity, 1);
        assert_true((told->chain_id.low == scan->id.low) == (days == 6));
        assert_true((strstr(told->chain_text, "search for SIP services") != NULL) == (days == 6));
        bench_close(&bench);
    }
}

/* H34: each message is seen three times; copies are no questions, under the threshold or over it.
 */
static void test_copies(void **state)
{
    (void)state;
    for (uint32_t targets = 7; targets <= 8; targets++) {
        struct bench bench;
        bench_open(&bench, NULL);
        for (uint32_t target = 0; target < targets; target++) {
            struct fact fact = fact_request(party("203.0.113.5", 5060), party_number(target, 5060));
            bench_tell(&bench, fact);
            fact.is.message.is_retransmission = true;
            bench_tell(&bench, fact);
            bench_tell(&bench, fact);
            bench.now_ns += NS_PER_S;
        }
        frame_end(bench.frame, bench.now_ns);
        assert_int_equal(bench.count, targets == 8 ? 2 : 0);
        if (targets == 8) {
            assert_int_equal(bench_must(&bench, "scan")->count, 8);
            assert_int_equal(bench_must(&bench, "scan")->evidence[0].number, 22);
        }
        bench_close(&bench);
    }
}

/* H6: a registrar restarts and 2,000 phones of 2,000 addresses come back, a tenth with a stale
 * nonce. H20: with a new User-Agent. */
static void test_restart(void **state)
{
    (void)state;
    static char names[2000][24];
    struct bench bench;

    bench_open(&bench, NULL);
    for (uint32_t phone = 0; phone < 2000; phone++) {
        struct fact_party client = party_number(phone * 5, 5060);
        struct fact ask = fact_request(client, party("192.0.2.10", 5060));
        struct fact fact = fact_transaction(client, 401);
        ask.is.message.method = FACT_METHOD_REGISTER;
        bench_tell(&bench, ask);
        fact.is.transaction.account =
            text_number(names[phone], sizeof names[0], "", phone, "@example.com");
        fact.is.transaction.target_user = fact.is.transaction.account;
        fact.is.transaction.challenged = true;
        fact.is.transaction.user_exists = true;
        fact.is.transaction.call_id_hash = phone;
        bench_tell(&bench, fact);
        if (phone % 10 == 0) {
            fact.is.transaction.has_credentials = true;
            fact.is.transaction.stale = true;
            bench_tell(&bench, fact);
        }
        struct fact done = fact_registration(client);
        done.is.registration.account = fact.is.transaction.account;
        done.is.registration.device_hash = 9; /* the new firmware's */
        bench_tell(&bench, done);
        bench.now_ns += 30 * NS_PER_MS;
    }
    assert_int_equal(bench.count, 0);
    bench_close(&bench);
}

/* The same facts give the same tellings, whatever the key of the hashes. */
static void test_equal_answers(void **state)
{
    (void)state;
    struct bench benches[2];

    for (unsigned i = 0; i < 2; i++) {
        struct frame_limits limits = {.incidents_max = 50,
                                      .closed_max = 50,
                                      .key = {.seed = i == 0 ? 1 : UINT64_C(0x1234567890)}};
        for (unsigned kind = 0; kind < KEY_COUNT; kind++) {
            limits.entries[kind] = 4096;
        }
        struct bench *bench = &benches[i];
        bench_open_limits(bench, NULL, &limits);
        for (uint32_t n = 0; n < 3000; n++) {
            struct fact_party client = party_number(n % 90 * 300, 5060);
            client.proven = n % 2 == 0;
            if (n % 3 == 0) {
                bench_tell(bench, fact_request(client, party_number(n, 5060)));
            } else {
                bench_tell(bench, fact_failure(client, n));
            }
            bench->now_ns += 40 * NS_PER_MS;
        }
        bench_wait(bench, NS_PER_HOUR);
        frame_end(bench->frame, bench->now_ns);
    }
    assert_true(benches[0].count > 50);
    assert_int_equal(benches[0].count, benches[1].count);
    for (size_t i = 0; i < benches[0].count; i++) {
        const struct incident *one = &benches[0].told[i];
        const struct incident *other = &benches[1].told[i];
        assert_string_equal(one->message, other->message);
        assert_string_equal(one->chain_text, other->chain_text);
        assert_true(one->id.low == other->id.low && one->chain_id.low == other->chain_id.low);
        assert_int_equal(one->told_ns, other->told_ns);
        assert_int_equal(one->count, other->count);
    }
    bench_close(&benches[0]);
    bench_close(&benches[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_declarations),  cmocka_unit_test(test_forged_flood),
        cmocka_unit_test(test_story),         cmocka_unit_test(test_last_week),
        cmocka_unit_test(test_copies),        cmocka_unit_test(test_restart),
        cmocka_unit_test(test_equal_answers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
