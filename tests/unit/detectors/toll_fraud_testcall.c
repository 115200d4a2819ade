/* Test calls: a costly block, for the first time, short or repeated, and something odd about it. */
#include "costly_facts.h"

static const char *const slug = "toll-fraud-testcall";

struct row {
    const char *name;
    uint64_t talk_ns;
    uint32_t calls;
    uint64_t gap_ns;
    uint8_t risk;
    uint8_t hour_of_week;
    uint8_t prefixes;
    bool known; /* the block, before */
    bool device_new;
    bool stranger;
    bool rare;
    bool allowed;
    unsigned severity;
};

static void tell_row(struct bench *bench, const struct row *row)
{
    for (uint32_t call = 0; call < row->calls; call++) {
        struct fact fact = costly_call(bench, 1 + bench->number, number_satellite());
        fact.is.call.called.risk_type = row->risk;
        fact.is.call.called.allowed = row->allowed;
        fact.is.call.block_new_site = !row->known && call == 0;
        fact.is.call.device_known = !row->device_new;
        fact.is.call.prefixes_tried = row->prefixes;
        fact.is.call.hour = row->rare ? FACT_HOUR_RARE : FACT_HOUR_USUAL;
        fact.hour_of_week = row->hour_of_week;
        if (row->stranger) {
            make_stranger(&fact);
        }
        tell_whole(bench, fact, row->talk_ns);
        bench->now_ns += row->gap_ns;
    }
}

static void test_table(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"short, at night", 10 * NS_PER_S, 1, 0, 40, 23, 0, .severity = 3},
        {"short, in the morning before six", 10 * NS_PER_S, 1, 0, 40, 29, 0, .severity = 3},
        {"short, at six", 10 * NS_PER_S, 1, 0, 40, 30, 0, .severity = 0},
        {"short, in office hours (H39)", 10 * NS_PER_S, 1, 0, 40, 10, 0, .severity = 0},
        {"30 s, at night", 30 * NS_PER_S, 1, 0, 40, 23, 0, .severity = 0},
        {"29 s, at night", 29 * NS_PER_S, 1, 0, 40, 23, 0, .severity = 3},
        {"risk 39", 10 * NS_PER_S, 1, 0, 39, 23, 0, .severity = 0},
        {"known block (H40)", 10 * NS_PER_S, 1, 0, 45, 23, 0, .known = true, .severity = 0},
        {"known block, long, twice in 10 min", 120 * NS_PER_S, 2, NS_PER_MINUTE, 45, 23, 0,
         .known = true, .severity = 0},
        {"new device", 10 * NS_PER_S, 1, 0, 45, 10, 0, .device_new = true, .severity = 3},
        {"stranger", 10 * NS_PER_S, 1, 0, 45, 10, 0, .stranger = true, .severity = 3},
        {"rare hour", 10 * NS_PER_S, 1, 0, 45, 10, 0, .rare = true, .severity = 3},
        {"two ways to dial", 10 * NS_PER_S, 1, 0, 45, 10, 2, .severity = 0},
        {"three ways to dial", 10 * NS_PER_S, 1, 0, 45, 10, 3, .severity = 3},
        {"long, twice in 10 min", 120 * NS_PER_S, 2, NS_PER_MINUTE, 45, 23, 0, .severity = 3},
        {"long, twice, too far apart", 120 * NS_PER_S, 2, 10 * NS_PER_MINUTE, 45, 23, 0,
         .severity = 0},
        {"allowed", 10 * NS_PER_S, 1, 0, 45, 23, 0, .allowed = true, .severity = 0},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct bench bench;
        bench_open(&bench, slug);
        tell_row(&bench, &rows[i]);
        if (bench_severity(&bench, slug) != rows[i].severity) {
            fail_msg("%s: severity %u", rows[i].name, bench_severity(&bench, slug));
        }
        bench_close(&bench);
    }
}

/* A day after its first call a block is like any other. */
static void test_first_day(void **state)
{
    (void)state;
    struct bench bench;

    bench_open(&bench, slug);
    static const struct row first = {"", 300 * NS_PER_S, 1, 0, 45, 10, 0, .severity = 0};
    static const struct row later = {
        "", 300 * NS_PER_S, 2, NS_PER_MINUTE, 45, 23, 0, .known = true, .severity = 0};
    tell_row(&bench, &first);
    bench.now_ns += NS_PER_DAY;
    tell_row(&bench, &later);
    assert_int_equal(bench.count, 0);
    bench_close(&bench);
}

/* What the site has forgotten is new again, whatever the lane remembers. */
static void test_forgotten_block(void **state)
{
    (void)state;
    struct bench bench;

    bench_open(&bench, slug);
    static const struct row honest = {"", 300 * NS_PER_S, 1, 0, 45, 10, 0, .severity = 0};
    static const struct row tried = {"", 10 * NS_PER_S, 1, 0, 45, 23, 0, .severity = 3};
    tell_row(&bench, &honest);
    assert_int_equal(bench.count, 0);
    bench.now_ns += 200 * NS_PER_DAY;
    tell_row(&bench, &tried);
    assert_int_equal(bench_severity(&bench, slug), 3);
    bench_close(&bench);
}

static void test_sentence(void **state)
{
    (void)state;
    struct bench bench;
    static const struct row row = {"", 8 * NS_PER_S, 1, 0, 45, 23, 4, .device_new = true};

    bench_open(&bench, slug);
    tell_row(&bench, &row);
    assert_string_equal(
        bench_must(&bench, slug)->message,
        "The number block +8816123 was called for the first time: +88161234567 (satellite), risk "
        "45 (limit 40), by 1001@example.com for 8 s, at night, from a new device, after 4 ways to "
        "dial it. "
        "Ask the caller; if he knows nothing of it, bar the destination before the pumping "
        "begins.");
    assert_string_equal(bench_must(&bench, slug)->account, "1001@example.com");
    bench_close(&bench);
}

/* A stranger chooses his name: no name hides what is odd about the call. */
static void test_any_name(void **state)
{
    (void)state;
    char name[200];
    struct bench bench;

    memset(name, 1, sizeof name);
    bench_open(&bench, slug);
    struct fact fact = costly_call(&bench, 1, number_satellite());
    make_stranger(&fact);
    fact.is.call.account = slice_of(name, sizeof name);
    fact.is.call.called.e164 = 881612345678901;
    fact.is.call.called.country_name = "South Georgia and the South Sandwich Islands";
    fact.is.call.prefixes_tried = 7;
    fact.is.call.hour = FACT_HOUR_RARE;
    tell_whole(&bench, fact, 8 * NS_PER_S);
    const struct incident *told = bench_must(&bench, slug);
    assert_non_null(strstr(
        told->message,
        "for 8 s, at a rare hour, neither registered nor logged in, after 7 ways to dial it."));
    bench_close(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),           cmocka_unit_test(test_first_day),
        cmocka_unit_test(test_forgotten_block), cmocka_unit_test(test_sentence),
        cmocka_unit_test(test_any_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
