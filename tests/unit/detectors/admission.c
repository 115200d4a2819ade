/* Admission: a million forged sources, who is kept, who still gets in, and that quiet tables turn
 * nobody away. */
#include "facts.h"

#include "detectors/frame/admission.h"

enum { ENTRIES = 4096, SHARE = ENTRIES / 4, FORGED = 1000000 };

static void open_it(struct bench *bench, const char *names)
{
    struct frame_limits limits = {.incidents_max = 200, .closed_max = 200, .key = HASH_KEY_FIXED};

    for (unsigned kind = 0; kind < KEY_COUNT; kind++) {
        limits.entries[kind] = ENTRIES;
    }
    bench_open_limits(bench, names, &limits);
}

/* Never twice the same, each from a site of its own. */
static struct fact_party forged_party(uint32_t number)
{
    struct fact_party source = party_number(0, 5060);
    uint32_t mixed = number * 2654435761U;

    memcpy(&source.endpoint.addr.octets[2], &mixed, sizeof mixed);
    source.endpoint.addr.octets[0] = 0x2a;
    return source;
}

static void tell_forged(struct bench *bench, uint32_t from, uint32_t count, uint64_t span_ns)
{
    uint64_t start_ns = bench->now_ns;

    for (uint32_t i = 0; i < count; i++) {
        bench->now_ns = start_ns + span_ns * i / count;
        bench_tell(bench, fact_request(forged_party(from + i), party("192.0.2.10", 5060)));
    }
    bench->now_ns = start_ns + span_ns;
}

static struct frame_counts counts_of(const struct bench *bench)
{
    struct frame_counts counts;

    frame_counts(bench->frame, &counts);
    return counts;
}

/* He asks an address every five minutes, proves nothing, and looks like a monitor. Twelve in an
 * hour tell him, to the unit, with a million forged sources between his questions. */
static void test_slow_one_stays(void **state)
{
    (void)state;
    struct bench bench;
    struct fact_party slow = party("203.0.113.50", 5060);

    open_it(&bench, "scan");
    for (uint32_t target = 0; target < 12; target++) {
        assert_int_equal(bench.count, 0);
        bench_tell(&bench, fact_request(slow, party_number(target, 5060)));
        if (target < 11) {
            tell_forged(&bench, target * (FORGED / 11), FORGED / 11, 5 * NS_PER_MINUTE - NS_PER_S);
        }
    }
    const struct incident *told = bench_must(&bench, "scan");
    assert_string_equal(told->entity, "203.0.113.50");
    assert_int_equal(told->observed, 12);
    struct frame_counts counts = counts_of(&bench);
    assert_int_equal(counts.evicted, 0);
    assert_in_range(counts.entries, SHARE, ENTRIES);
    assert_in_range(counts.refused_new, FORGED - ENTRIES, FORGED);
    bench_close(&bench);
}

/* Who comes new into the flood is told two targets later; at once by a tool's mark, at once when he
 * is proven. */
static void test_newcomers(void **state)
{
    (void)state;
    static const struct {
        const char *slug;
        uint32_t targets; /* until it is told */
        bool proven;
        bool marked;
    } rows[] = {
        {"scan", 10, false, false},
        {"scan", 8, true, false},
        {"scan", 8, false, true},
        {"scanner-fingerprint", 1, false, true},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct bench bench;
        struct fact_party client = party("203.0.113.50", 5060);
        client.proven = rows[i].proven;
        open_it(&bench, "scan,scanner-fingerprint");
        tell_forged(&bench, 0, 100000, NS_PER_MINUTE);
        for (uint32_t target = 0; target < rows[i].targets; target++) {
            if (bench_last(&bench, rows[i].slug) != NULL) {
                fail_msg("row %zu: told after %u", i, target);
            }
            struct fact fact = fact_request(client, party_number(target, 5060));
            if (rows[i].marked) {
                fact.is.message.from_tag = SLICE("70c00e8c");
            }
            bench_tell(&bench, fact);
            tell_forged(&bench, 200000 + target * 5000, 5000, 5 * NS_PER_S);
        }
        assert_int_equal(bench_must(&bench, rows[i].slug)->state, INCIDENT_OPEN);
        bench_close(&bench);
    }
}

/* As many as the share holds: all of them at once, and the next one is turned away. */
static void test_share(void **state)
{
    (void)state;
    struct bench bench;

    open_it(&bench, "scan");
    tell_forged(&bench, 0, SHARE, NS_PER_S);
    assert_int_equal(counts_of(&bench).entries, SHARE);
    assert_int_equal(counts_of(&bench).refused_new, 0);
    tell_forged(&bench, SHARE, 1, NS_PER_S);
    assert_int_equal(counts_of(&bench).entries, SHARE);
    assert_int_equal(counts_of(&bench).refused_new, 1);
    /* He comes back, and again: the third time he is in. */
    tell_forged(&bench, SHARE, 1, NS_PER_S);
    assert_int_equal(counts_of(&bench).entries, SHARE);
    tell_forged(&bench, SHARE, 1, NS_PER_S);
    assert_int_equal(counts_of(&bench).entries, SHARE + 1);
    assert_int_equal(counts_of(&bench).refused_new, 2);
    bench_close(&bench);
}

/* An answer is not a word of the source: what our servers say to forged questions admits nobody. */
static void test_answers_do_not_count(void **state)
{
    (void)state;
    struct bench bench;
    struct fact_party server = party("192.0.2.10", 5060);

    open_it(&bench, "scan");
    tell_forged(&bench, 0, SHARE, NS_PER_S);
    for (uint32_t i = 0; i < 1000; i++) {
        struct fact_party source = forged_party(SHARE + i);
        bench_tell(&bench, fact_request(source, server));
        bench_tell(&bench, fact_answer(source, server, 100));
        bench_tell(&bench, fact_answer(source, server, 200));
    }
    assert_int_equal(counts_of(&bench).entries, SHARE);
    assert_int_equal(counts_of(&bench).refused_new, 3000);
    bench_close(&bench);
}

/* Who was silent for a day leaves his place to the next, who is judged from his first fact on. */
static void test_noise_makes_room(void **state)
{
    (void)state;
    struct bench bench;

    open_it(&bench, "scan");
    tell_forged(&bench, 0, SHARE, NS_PER_HOUR);
    bench.now_ns += NS_PER_DAY - NS_PER_HOUR;
    tell_forged(&bench, SHARE, SHARE, NS_PER_HOUR);
    assert_in_range(counts_of(&bench).refused_new, 0, 1); /* the first came on the dot of a day */
    assert_in_range(counts_of(&bench).evicted, SHARE - 1, SHARE);
    assert_int_equal(counts_of(&bench).entries, SHARE);
    bench_close(&bench);
}

/* One site gets 64 entries of a crowded table, whatever it says; what has proven itself is not
 * counted among them. */
static void test_one_site(void **state)
{
    (void)state;
    struct bench bench;
    struct fact_party server = party("192.0.2.10", 5060);

    open_it(&bench, "scan,scanner-fingerprint");
    tell_forged(&bench, 0, SHARE, NS_PER_S);
    for (uint32_t i = 0; i < 256; i++) {
        struct fact fact = fact_request(party_number(i, 5060), server);
        fact.is.message.from_tag = SLICE("70c00e8c");
        fact.is.message.client.proven = i < 100;
        bench_tell(&bench, fact);
    }
    assert_in_range(counts_of(&bench).entries, SHARE + 100 + ADMISSION_PREFIX_MAX - 2,
                    SHARE + 100 + ADMISSION_PREFIX_MAX); /* a forged one may share the bucket */
    assert_in_range(counts_of(&bench).refused_crowded, 156 - ADMISSION_PREFIX_MAX,
                    158 - ADMISSION_PREFIX_MAX);
    bench_close(&bench);
}

/* Two words before a quiet night are forgotten by the morning. */
static void test_fades(void **state)
{
    (void)state;
    for (unsigned hours = 0; hours <= 13; hours += 13) {
        struct bench bench;
        open_it(&bench, "scan");
        tell_forged(&bench, 0, SHARE, NS_PER_S);
        tell_forged(&bench, SHARE, 1, NS_PER_S);
        tell_forged(&bench, SHARE, 1, NS_PER_S);
        bench.now_ns += hours * NS_PER_HOUR;
        tell_forged(&bench, SHARE, 1, NS_PER_S);
        assert_int_equal(counts_of(&bench).entries, hours == 0 ? SHARE + 1 : SHARE);
        bench_close(&bench);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slow_one_stays),
        cmocka_unit_test(test_newcomers),
        cmocka_unit_test(test_share),
        cmocka_unit_test(test_answers_do_not_count),
        cmocka_unit_test(test_noise_makes_room),
        cmocka_unit_test(test_one_site),
        cmocka_unit_test(test_fades),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
