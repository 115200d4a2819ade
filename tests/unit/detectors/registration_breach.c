/* Breach: what went before decides whether a login is one. */
#include "facts.h"

static const char *const slug = "registration-breach";

struct row {
    const char *name;
    uint32_t failures;
    uint64_t gap_ns;
    bool phone; /* one Call-ID, CSeq rising */
    bool other_source; /* the success comes from elsewhere */
    bool device_known; /* by where it is, or (copied) by the name of its agent alone */
    bool invite; /* success is a call, not a registration */
    uint64_t wait_ns; /* between the last failure and success */
    unsigned severity;
    bool copied;
};

static void fail_logins(struct bench *bench, const struct row *row)
{
    for (uint32_t attempt = 0; attempt < row->failures; attempt++) {
        struct fact fact = fact_failure(party("203.0.113.54", 5060), attempt);
        if (row->phone) {
            fact.is.transaction.call_id_hash = 1;
            fact.is.transaction.cseq = 2 * attempt + 2;
        }
        bench_tell(bench, fact);
        bench->now_ns += row->gap_ns;
    }
}

static struct fact success(const struct row *row)
{
    struct fact_party client = party(row->other_source ? "198.51.100.9" : "203.0.113.54", 5060);
    struct fact fact = fact_registration(client);

    fact.is.registration.device_known = row->device_known;
    fact.is.registration.place_known = row->device_known && !row->copied;
    if (row->invite) {
        fact = fact_transaction(client, 200);
        fact.is.transaction.method = FACT_METHOD_INVITE;
        fact.is.transaction.has_credentials = true;
        fact.is.transaction.device_known = row->device_known;
        fact.is.transaction.place_known = row->device_known && !row->copied;
    }
    return fact;
}

static void test_table(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"no failure", 0, 0, false, false, false, false, 0, 0, false},
        {"nine (H2)", 9, 5 * NS_PER_S, false, false, false, false, 0, 0, false},
        {"ten", 10, 5 * NS_PER_S, false, false, false, false, 0, 4, false},
        {"ten, by a call", 10, 5 * NS_PER_S, false, false, false, true, 0, 4, false},
        {"ten, success elsewhere", 10, 5 * NS_PER_S, false, true, false, false, 0, 4, false},
        {"ten, the account's own device", 10, 5 * NS_PER_S, false, false, true, false, 0, 0, false},
        {"ten, its own device, a call", 10, 5 * NS_PER_S, false, false, true, true, 0, 0, false},
        {"ten too slow for guessing, but many", 10, NS_PER_HOUR, false, false, false, false, 0, 4,
         false},
        {"ten, two days ago", 10, 5 * NS_PER_S, false, false, false, false, 2 * NS_PER_DAY, 0,
         false},
        {"ten, with the agent of the phone", 10, 5 * NS_PER_S, false, false, true, false, 0, 4,
         true},
        {"ten, with it, a call", 10, 5 * NS_PER_S, false, false, true, true, 0, 4, true},
        {"ten, the user travels", 10, 5 * NS_PER_S, false, true, true, false, 0, 0, true},
        {"ten of a patient phone that moved", 10, 5 * NS_PER_MINUTE, true, false, true, false, 0, 0,
         true},
        /* H1, H22: the phone whose password was corrected at last */
        {"phone, known", 2880, 30 * NS_PER_S, true, false, true, false, 0, 0, false},
        {"phone, never seen", 100, 30 * NS_PER_S, true, false, false, false, 0, 2, false},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct bench bench;
        bench_open(&bench, NULL);
        fail_logins(&bench, &rows[i]);
        bench.now_ns += rows[i].wait_ns;
        bench_tell(&bench, success(&rows[i]));
        if (bench_severity(&bench, slug) != rows[i].severity) {
            fail_msg("%s: severity %u", rows[i].name, bench_severity(&bench, slug));
        }
        bench_close(&bench);
    }
}

static void test_sentence(void **state)
{
    (void)state;
    static const struct row row = {.failures = 12, .gap_ns = 3 * NS_PER_S};
    struct bench bench;

    bench_open(&bench, NULL);
    fail_logins(&bench, &row);
    bench_tell(&bench, success(&row));
    const struct incident *told = bench_must(&bench, slug);
    assert_string_equal(
        told->message,
        "Account 1001@example.com was logged in to, during or after an attack on passwords, from "
        "203.0.113.54, after 12 failed logins (in 36 s; limit 10 failures in 1 d). Disable the "
        "account, remove its bindings, set a new password, and look at the calls it made since.");
    assert_int_equal(told->stage, 4);
    /* the chain: guessed, then in */
    assert_non_null(
        strstr(told->chain_text, "password guessing against one account, 203.0.113.54."));
    assert_non_null(strstr(told->chain_text, "login after password guessing, 1001@example.com."));
    bench_wait(&bench, 3 * NS_PER_DAY);
    told = bench_must(&bench, slug);
    assert_int_equal(told->state, INCIDENT_CLOSE);
    assert_int_equal(told->outcome, INCIDENT_SUCCEEDED);
    bench_close(&bench);
}

/* One success is one breach; the next needs new failures. */
static void test_once(void **state)
{
    (void)state;
    static const struct row row = {.failures = 10, .gap_ns = 2 * NS_PER_HOUR};
    struct bench bench;

    bench_open(&bench, slug);
    fail_logins(&bench, &row);
    for (unsigned i = 0; i < 5; i++) {
        bench_tell(&bench, success(&row));
        bench.now_ns += NS_PER_MINUTE;
    }
    frame_end(bench.frame, bench.now_ns);
    assert_int_equal(bench_count(&bench, slug, INCIDENT_OPEN), 1);
    assert_int_equal(bench_must(&bench, slug)->count, 1);
    bench_close(&bench);
}

/* A success of another account by the source that guessed is one too; by a stranger it is not. */
static void test_other_account(void **state)
{
    (void)state;
    static const struct row row = {.failures = 12, .gap_ns = NS_PER_S};

    for (unsigned stranger = 0; stranger < 2; stranger++) {
        struct bench bench;
        bench_open(&bench, NULL);
        fail_logins(&bench, &row);
        struct fact fact =
            fact_registration(party(stranger == 1 ? "198.51.100.9" : "203.0.113.200", 5060));
        fact.is.registration.account = SLICE("2002@example.com");
        bench_tell(&bench, fact);
        assert_int_equal(bench_severity(&bench, slug), stranger == 1 ? 0 : 4);
        bench_close(&bench);
    }
}

/* Removals, open registrars and forced ends are no logins. */
static void test_what_is_no_login(void **state)
{
    (void)state;
    static const struct row row = {.failures = 12, .gap_ns = NS_PER_S};
    struct bench bench;

    bench_open(&bench, slug);
    fail_logins(&bench, &row);
    struct fact fact = success(&row);
    fact.is.registration.removed = true;
    bench_tell(&bench, fact);
    fact = success(&row);
    fact.is.registration.has_credentials = false;
    bench_tell(&bench, fact);
    fact = success(&row);
    fact.is.registration.success = false;
    bench_tell(&bench, fact);
    fact = success(&row);
    fact.forced = true;
    bench_tell(&bench, fact);
    assert_int_equal(bench.count, 0);
    bench_close(&bench);
}

/* H17, H26: the right password from fourteen networks, three mistakes. */
static void test_traveller(void **state)
{
    (void)state;
    struct bench bench;

    bench_open(&bench, NULL);
    for (uint32_t network = 0; network < 14; network++) {
        struct fact_party client = party_number(network << 8 | 7, 5060);
        if (network % 5 == 0) {
            bench_tell(&bench, fact_failure(client, network));
        }
        bench_tell(&bench, fact_registration(client));
        bench.now_ns += NS_PER_HOUR;
    }
    assert_int_equal(bench.count, 0);
    bench_close(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_sentence),
        cmocka_unit_test(test_once),
        cmocka_unit_test(test_other_account),
        cmocka_unit_test(test_what_is_no_login),
        cmocka_unit_test(test_traveller),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
