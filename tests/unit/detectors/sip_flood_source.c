/* Floods of one source: proven, unknown, and above its own. */
#include "facts.h"

static const char *const slug = "sip-flood-source";

struct source_row {
    const char *name;
    uint32_t rate; /* a second, for 8 s */
    uint16_t good;
    bool proven;
    bool is_server;
    uint64_t age_ns; /* of the sensor */
    unsigned severity;
};

static void send(struct bench *bench, const struct source_row *row, uint32_t rate, uint32_t seconds)
{
    for (uint32_t i = 0; i < rate * seconds; i++) {
        struct fact fact = fact_request(party("203.0.113.60", 5060), party("192.0.2.10", 5060));
        fact.is.message.client.proven = row->proven;
        fact.is.message.client.good_accounts = row->good;
        fact.is.message.client.is_server = row->is_server;
        bench_tell(bench, fact);
        bench->now_ns += NS_PER_S / rate;
    }
}

static void begin(struct bench *bench, uint64_t age_ns)
{
    bench_open(bench, slug);
    bench_tell(bench, fact_request(party("192.0.2.99", 5060), party("192.0.2.10", 5060)));
    bench->now_ns = START_NS + age_ns;
}

static void test_rows(void **state)
{
    (void)state;
    static const struct source_row rows[] = {
        {"twenty a second", 20, 0, true, false, NS_PER_HOUR, 0},
        {"twenty-one", 21, 0, true, false, NS_PER_HOUR, 3},
        {"not proven", 60, 0, false, false, NS_PER_HOUR, 0},
        {"a server", 500, 0, true, true, NS_PER_HOUR, 0},
        {"many accounts", 500, 10, true, false, NS_PER_HOUR, 0},
        {"a server that runs wild", 520, 0, true, true, NS_PER_HOUR, 2},
        {"a dialler", 60, 1, true, false, NS_PER_HOUR, 0},
        {"an account that runs wild", 110, 1, true, false, NS_PER_HOUR, 2},
        {"it has proven nothing of late", 110, 1, false, false, NS_PER_HOUR, 1},
        {"the sensor is young", 60, 0, true, false, 9 * NS_PER_MINUTE, 0},
        {"the sensor is ten minutes old", 60, 0, true, false, 10 * NS_PER_MINUTE, 3},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct bench bench;
        begin(&bench, rows[i].age_ns);
        send(&bench, &rows[i], rows[i].rate, 8);
        if (bench_severity(&bench, slug) != rows[i].severity) {
            fail_msg("%s: severity %u", rows[i].name, bench_severity(&bench, slug));
        }
        bench_close(&bench);
    }
}

/* H7: who always sends 15 a second may send 140, not 200. */
static void test_own_rate(void **state)
{
    (void)state;
    static const struct source_row dialler = {.good = 1, .proven = true};
    struct bench bench;

    begin(&bench, NS_PER_HOUR);
    send(&bench, &dialler, 15, 600);
    send(&bench, &dialler, 140, 10);
    assert_int_equal(bench.count, 0);
    send(&bench, &dialler, 200, 10);
    assert_int_equal(bench_severity(&bench, slug), 2);
    bench_close(&bench);
}

/* Who grows slowly does not teach his way to any rate. */
static void test_ramp(void **state)
{
    (void)state;
    static const struct source_row stranger = {.proven = true};
    struct bench bench;

    begin(&bench, NS_PER_HOUR);
    for (uint32_t rate = 15; rate < 500; rate += rate / 2) {
        send(&bench, &stranger, rate, 300);
        assert_int_equal(bench.count, 0);
    }
    send(&bench, &stranger, 550, 10);
    assert_int_equal(bench_severity(&bench, slug), 3);
    bench_close(&bench);
}

/* In a dialog, copies, answers: no new question. */
static void test_what_counts(void **state)
{
    (void)state;
    struct bench bench;

    begin(&bench, NS_PER_HOUR);
    for (uint32_t i = 0; i < 1000; i++) {
        struct fact fact = fact_request(party("203.0.113.60", 5060), party("192.0.2.10", 5060));
        struct fact_message *message = &fact.is.message;
        message->client.proven = true;
        message->in_dialog = i % 4 == 0;
        message->is_retransmission = i % 4 == 1;
        message->is_response = i % 4 == 2;
        message->method = i % 4 == 3 ? FACT_METHOD_BYE : FACT_METHOD_INVITE;
        bench_tell(&bench, fact);
        bench.now_ns += 5 * NS_PER_MS;
    }
    assert_int_equal(bench.count, 0);
    bench_close(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_own_rate),
        cmocka_unit_test(test_ramp),
        cmocka_unit_test(test_what_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
