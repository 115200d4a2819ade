/* Media quality: each limit to the unit, three of four, and when it becomes the site's matter. */
#include "facts.h"

static const char *const stream = "media-quality";
static const char *const site = "media-quality-site";

struct row {
    const char *name;
    void (*change)(struct fact_stream *stream);
    bool bad;
};

static void whole(struct fact_stream *it)
{
    (void)it;
}
static void loss_at(struct fact_stream *it)
{
    it->loss_ppm = 10000;
}
static void loss_over(struct fact_stream *it)
{
    it->loss_ppm = 10001;
}
static void burst_under(struct fact_stream *it)
{
    it->longest_loss = 4;
}
static void burst_at(struct fact_stream *it)
{
    it->longest_loss = 5;
}
static void variation_at(struct fact_stream *it)
{
    it->variation_mean_ns = 30 * NS_PER_MS;
}
static void variation_over(struct fact_stream *it)
{
    it->variation_mean_ns = 30 * NS_PER_MS + 1;
}
static void variation_unknown(struct fact_stream *it)
{
    it->variation_mean_ns = UINT64_MAX;
}
static void overtaken_few(struct fact_stream *it)
{
    it->jitter_mean_ns = 80 * NS_PER_MS;
    it->reordered = it->expected / 20;
}
static void overtaken(struct fact_stream *it)
{
    overtaken_few(it);
    it->reordered++;
}
static void overtaken_softly(struct fact_stream *it)
{
    overtaken(it);
    it->jitter_mean_ns = 30 * NS_PER_MS;
}
static void r_at(struct fact_stream *it)
{
    it->r_factor_milli = 70000;
}
static void r_under(struct fact_stream *it)
{
    it->r_factor_milli = 69999;
}
static void r_unknown(struct fact_stream *it)
{
    it->r_factor_milli = UINT32_MAX;
}
static void delay_at(struct fact_stream *it)
{
    it->round_trip_ns = 300 * NS_PER_MS;
}
static void delay_over(struct fact_stream *it)
{
    it->round_trip_ns = 300 * NS_PER_MS + 2;
}
static void held(struct fact_stream *it)
{
    loss_over(it);
    it->held = true;
}
static void our_loss(struct fact_stream *it)
{
    loss_over(it);
    it->suspect_capture = true;
}
static void few_packets(struct fact_stream *it)
{
    loss_over(it);
    it->expected = 49;
}
static void enough_packets(struct fact_stream *it)
{
    loss_over(it);
    it->expected = 50;
}
static void silent(struct fact_stream *it)
{
    loss_over(it);
    it->event = FACT_STREAM_SILENT;
}
static void ended(struct fact_stream *it)
{
    loss_over(it);
    it->event = FACT_STREAM_ENDED;
}

static struct fact bad_interval(uint64_t number)
{
    struct fact fact =
        fact_interval(party("192.0.2.21", 20000), party("192.0.2.10", 30000), number);

    fact.is.stream.loss_ppm = 52000;
    fact.is.stream.lost = 13;
    fact.is.stream.longest_loss = 2;
    fact.is.stream.r_factor_milli = 62500;
    return fact;
}

static void test_limits(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"whole", whole, false},
        {"loss at the limit", loss_at, false},
        {"loss over it", loss_over, true},
        {"four in a row", burst_under, false},
        {"five in a row", burst_at, true},
        {"variation at the limit", variation_at, false},
        {"variation over it", variation_over, true},
        {"variation unknown", variation_unknown, false},
        {"much jitter, one in twenty overtaken", overtaken_few, false},
        {"much jitter, more are", overtaken, true},
        {"they are, by little", overtaken_softly, false},
        {"R at the limit", r_at, false},
        {"R under it", r_under, true},
        {"R unknown", r_unknown, false},
        {"delay at the limit", delay_at, false},
        {"delay over it", delay_over, true},
        {"held (H54)", held, false},
        {"our own loss", our_loss, false},
        {"too few packets", few_packets, false},
        {"just enough packets", enough_packets, true},
        {"silent", silent, false},
        {"ended", ended, false},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct bench bench;
        bench_open(&bench, stream);
        for (unsigned interval = 0; interval < 4; interval++) {
            struct fact fact =
                fact_interval(party("192.0.2.21", 20000), party("192.0.2.10", 30000), 1);
            rows[i].change(&fact.is.stream);
            bench.now_ns += 5 * NS_PER_S;
            bench_tell(&bench, fact);
        }
        if (bench_severity(&bench, stream) != (rows[i].bad ? 1 : 0)) {
            fail_msg("%s: severity %u", rows[i].name, bench_severity(&bench, stream));
        }
        bench_close(&bench);
    }
}

/* b = bad, g = good; what is told after the last of them. */
static void test_three_of_four(void **state)
{
    (void)state;
    static const struct {
        const char *intervals;
        bool told;
    } rows[] = {
        {"b", false},      {"bb", false},         {"bbb", true},        {"bgbb", true},
        {"bbgb", true},    {"bbgg", false},       {"bggbggbgg", false}, {"bbggbbggbbgg", false},
        {"ggggbbb", true}, {"bgbgbgbgbg", false},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct bench bench;
        bench_open(&bench, stream);
        for (const char *at = rows[i].intervals; *at != '\0'; at++) {
            struct fact fact = bad_interval(1);
            fact.is.stream.loss_ppm = *at == 'b' ? 52000 : 0;
            fact.is.stream.r_factor_milli = 90000;
            bench.now_ns += 5 * NS_PER_S;
            bench_tell(&bench, fact);
        }
        if ((bench.count > 0) != rows[i].told) {
            fail_msg("%s", rows[i].intervals);
        }
        bench_close(&bench);
    }
}

static void test_sentence(void **state)
{
    (void)state;
    struct bench bench;

    bench_open(&bench, stream);
    for (unsigned interval = 0; interval < 3; interval++) {
        bench.now_ns += 5 * NS_PER_S;
        bench_tell(&bench, bad_interval(1));
    }
    assert_string_equal(
        bench_must(&bench, stream)->message,
        "The stream 192.0.2.21:20000 to 192.0.2.10:30000 ssrc 0x1234abcd sounds bad (sent by "
        "1001@example.com), at worst 5.2 % lost, 2 in a row, delay variation 2.0 ms, R 62.5 (in "
        "15 s; limit 3 bad intervals in 20 s). Compare with other streams of the same link; if "
        "only one "
        "device suffers, look at its network first.");
    bench_close(&bench);
}

static void test_forced(void **state)
{
    (void)state;
    struct bench bench;

    bench_open(&bench, stream);
    for (unsigned interval = 0; interval < 8; interval++) {
        struct fact fact = bad_interval(1);
        fact.forced = true;
        bench_tell(&bench, fact);
    }
    assert_int_equal(bench.count, 0);
    bench_close(&bench);
}

/* Makes a stream bad; `phones` says which ends are registered phones. */
static void spoil(struct bench *bench, uint64_t number, uint32_t from, uint32_t to, uint64_t call,
                  bool phones)
{
    for (unsigned interval = 0; interval < 3; interval++) {
        struct fact fact = bad_interval(number);
        fact.is.stream.sender = party_number(from, 20000);
        fact.is.stream.receiver = party_number(to, 30000);
        fact.is.stream.sender.good_accounts = phones && from != 0;
        fact.is.stream.receiver.good_accounts = phones && to != 0;
        fact.is.stream.sender.is_server = from == 0;
        fact.is.stream.receiver.is_server = to == 0;
        fact.is.stream.call_number = call;
        bench_tell(bench, fact);
    }
}

static void answer_calls(struct bench *bench, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        bench_tell(bench, fact_call(FACT_CALL_ANSWERED, bench->now_ns));
    }
}

/* Devices: 2 or 3 phones on a media server (address 0), both directions bad. */
static void test_devices(void **state)
{
    (void)state;
    struct bench bench;

    for (uint32_t phones = 1; phones <= 3; phones++) {
        for (unsigned registered = 0; registered < 2; registered++) {
            bench_open(&bench, "media-quality,media-quality-site");
            answer_calls(&bench, 100);
            for (uint32_t phone = 1; phone <= phones; phone++) {
                /* once the phone's own stream goes bad first, once the server's */
                spoil(&bench, phone * 2, registered * phone, (1 - registered) * phone, phone,
                      registered == 1);
                spoil(&bench, phone * 2 + 1, (1 - registered) * phone, registered * phone, phone,
                      registered == 1);
                bench.now_ns += NS_PER_MINUTE;
            }
            assert_int_equal(bench_severity(&bench, site), phones == 3 ? 2 : 0);
            bench_close(&bench);
        }
    }
}

/* Three devices within 15 minutes, not within an hour. */
static void test_window(void **state)
{
    (void)state;
    struct bench bench;

    bench_open(&bench, "media-quality,media-quality-site");
    answer_calls(&bench, 100);
    for (uint32_t phone = 1; phone <= 20; phone++) {
        spoil(&bench, phone, phone, 0, phone, true);
        bench_wait(&bench, 8 * NS_PER_MINUTE);
    }
    assert_int_equal(bench_severity(&bench, site), 0);
    bench_close(&bench);
}

/* H52: one user on bad Wi-Fi talks all day to many others. */
static void test_one_bad_user(void **state)
{
    (void)state;
    struct bench bench;

    bench_open(&bench, "media-quality,media-quality-site");
    answer_calls(&bench, 100);
    for (uint32_t call = 0; call < 30; call++) {
        spoil(&bench, call * 2, 1, 100 + call, call, true);
        spoil(&bench, call * 2 + 1, 100 + call, 1, call, true);
        bench_wait(&bench, 2 * NS_PER_MINUTE);
    }
    assert_int_equal(bench_severity(&bench, site), 0);
    assert_int_equal(bench_severity(&bench, stream), 1);
    bench_close(&bench);
}

/* The same at a small site, where the other's stream goes bad first: two calls of 28, and he has a
 * part in both. Two calls of four people are the site's matter. */
static void test_one_bad_user_in_few_calls(void **state)
{
    (void)state;
    struct bench bench;

    for (uint32_t common = 0; common < 2; common++) {
        bench_open(&bench, "media-quality,media-quality-site");
        answer_calls(&bench, 28);
        for (uint32_t call = 0; call < 2; call++) {
            uint32_t user = common == 1 ? 1 : 1 + call;
            spoil(&bench, call * 2, 100 + call, user, call + 1, true);
            spoil(&bench, call * 2 + 1, user, 100 + call, call + 1, true);
            bench_wait(&bench, 10 * NS_PER_MINUTE);
        }
        assert_int_equal(bench_severity(&bench, site), common == 1 ? 0 : 2);
        bench_close(&bench);
    }
}

/* H53: twenty seconds of congestion hit twelve of forty calls at once: 2 is right, 3 is not. */
static void test_congestion(void **state)
{
    (void)state;
    struct bench bench;

    bench_open(&bench, "media-quality,media-quality-site");
    answer_calls(&bench, 40);
    for (uint32_t phone = 1; phone <= 12; phone++) {
        spoil(&bench, phone, phone, 0, phone, true);
        bench.now_ns += NS_PER_S;
    }
    assert_int_equal(bench_severity(&bench, site), 2);
    bench_close(&bench);
}

/* A fifth of the calls and ten of them, for longer than two minutes. */
static void test_urgent(void **state)
{
    (void)state;
    static const struct {
        unsigned calls;
        uint32_t bad;
        unsigned severity;
    } rows[] = {{40, 9, 2}, {50, 10, 3}, {51, 10, 2}, {20, 2, 2}, {41, 2, 0}, {5, 1, 0}};

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct bench bench;
        bench_open(&bench, "media-quality,media-quality-site");
        answer_calls(&bench, rows[i].calls);
        for (uint32_t phone = 1; phone <= rows[i].bad; phone++) {
            spoil(&bench, phone, phone, 0, phone, true);
            bench.now_ns += 20 * NS_PER_S;
        }
        if (bench_severity(&bench, site) != rows[i].severity) {
            fail_msg("%u of %u: severity %u", rows[i].bad, rows[i].calls,
                     bench_severity(&bench, site));
        }
        bench_close(&bench);
    }
}

/* Sixty calls of two hundred go bad at once: a storm of incidents, of which the site hears every one. */
static void test_storm(void **state)
{
    (void)state;
    struct bench bench;

    bench_open(&bench, "media-quality,media-quality-site");
    answer_calls(&bench, 200);
    for (uint32_t phone = 1; phone <= 60; phone++) {
        spoil(&bench, phone, phone, 0, phone, true);
        bench.now_ns += 3 * NS_PER_S;
    }
    assert_int_equal(bench_severity(&bench, site), 3);
    frame_end(bench.frame, bench.now_ns);
    assert_non_null(strstr(bench_must(&bench, site)->message, "at 60 devices and in 60 of 200"));
    bench_close(&bench);
}

/* Calls that ended long ago are no calls of now. */
static void test_calls_end(void **state)
{
    (void)state;
    struct bench bench;

    bench_open(&bench, "media-quality,media-quality-site");
    answer_calls(&bench, 100);
    for (unsigned i = 0; i < 95; i++) {
        bench_tell(&bench, fact_call(FACT_CALL_ENDED, bench.now_ns));
        bench_tell(&bench, fact_call(FACT_CALL_ENDED, 0)); /* never answered: was never counted */
    }
    bench_wait(&bench, NS_PER_HOUR);
    spoil(&bench, 1, 1, 0, 1, true);
    spoil(&bench, 2, 2, 0, 2, true);
    assert_int_equal(bench_severity(&bench, site), 2);
    assert_non_null(strstr(bench_must(&bench, site)->message, "in 2 of 5 calls"));
    bench_close(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limits),       cmocka_unit_test(test_three_of_four),
        cmocka_unit_test(test_sentence),     cmocka_unit_test(test_forced),
        cmocka_unit_test(test_devices),      cmocka_unit_test(test_window),
        cmocka_unit_test(test_one_bad_user), cmocka_unit_test(test_congestion),
        cmocka_unit_test(test_urgent),       cmocka_unit_test(test_calls_end),
        cmocka_unit_test(test_storm),        cmocka_unit_test(test_one_bad_user_in_few_calls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
