/* Scan: thresholds to the unit, sliding windows, the random walk, and who only looks like a
 * scanner. */
#include "limits.h"

static const char *const slug = "scan";

static void ask(struct bench *bench, struct fact_party client, uint32_t target)
{
    bench_tell(bench, fact_request(client, party_number(target, 5060)));
}

static void answer(struct bench *bench, struct fact_party client, uint32_t target)
{
    bench_tell(bench, fact_answer(client, party_number(target, 5060), 200));
}

static struct fact silence(struct fact_party client, uint32_t target)
{
    struct fact fact = fact_transaction(client, 0);

    fact.is.transaction.method = FACT_METHOD_OPTIONS;
    fact.is.transaction.server = party_number(target, 5060);
    return fact;
}

static void ask_one(struct bench *bench, const struct limit_row *row, struct fact_party client,
                    uint32_t target)
{
    (void)row;
    ask(bench, client, target);
}

/* What was asked in one go is judged by the next word of the source. */
static void ask_again(struct bench *bench, const struct limit_row *row, struct fact_party client,
                      uint32_t target)
{
    (void)row;
    (void)target;
    bench->now_ns += 2 * NS_PER_S;
    ask(bench, client, 0);
}

static void test_thresholds(void **state)
{
    (void)state;
    static const struct limit_row rows[] = {
        {"one", 1, NS_PER_S, true, 0, 0, 0},
        {"seven in a minute", 7, NS_PER_S, true, 0, 0, 0},
        {"eight in a minute", 8, NS_PER_S, true, 2, 0, 0},
        {"eight, unproven", 8, NS_PER_S, false, 1, 0, 0},
        {"eight, the first a minute ago", 8, 60 * NS_PER_S / 7 + NS_PER_MS, true, 0, 0, 0},
        {"eleven in an hour", 11, 5 * NS_PER_MINUTE, true, 0, 0, 0},
        {"twelve in an hour", 12, 5 * NS_PER_MINUTE, true, 2, 0, 0},
        {"nineteen in a day", 19, NS_PER_HOUR, true, 0, 0, 0},
        {"twenty in a day", 20, NS_PER_HOUR, true, 2, 0, 0},
        {"many at once", 200, NS_PER_MS, true, 2, 0, 0},
    };

    limit_rows(slug, "203.0.113.50", rows, COUNT_OF(rows), ask_one, ask_again);
}

static void test_sentence(void **state)
{
    (void)state;
    struct bench bench;

    bench_open(&bench, slug);
    for (uint32_t target = 1; target <= 8; target++) {
        ask(&bench, party("203.0.113.50", 5060), target);
        bench.now_ns += 2 * NS_PER_S;
    }
    const struct incident *told = bench_must(&bench, slug);
    assert_int_equal(told->observed, 8);
    assert_int_equal(told->threshold, 8);
    assert_int_equal(told->count, 8);
    assert_string_equal(told->entity, "203.0.113.50");
    assert_string_equal(
        told->message,
        "A source that claims to be 203.0.113.50 asked 8 SIP endpoints (0 answered), the last one "
        "[2001:db8::8]:5060 (in 14 s; limit 8 targets in 1 min). Block the address at the edge and "
        "check that the endpoints that answered are meant to be reachable.");
    bench_close(&bench);
}

/* Copies, requests inside dialogs, ACK and CANCEL, and other people's addresses are no questions.
 */
static void test_what_is_no_question(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < 6; kind++) {
        struct bench bench;
        bench_open(&bench, slug);
        for (uint32_t target = 0; target < 20; target++) {
            struct fact fact =
                fact_request(party("203.0.113.50", 5060), party_number(target, 5060));
            fact.is.message.is_retransmission = kind == 1;
            fact.is.message.in_dialog = kind == 2;
            fact.is.message.method = kind == 3   ? FACT_METHOD_ACK
                                     : kind == 4 ? FACT_METHOD_CANCEL
                                                 : FACT_METHOD_OPTIONS;
            fact.is.message.server.side = kind == 5 ? FACT_FOREIGN : FACT_OWN;
            bench_tell(&bench, fact);
            bench.now_ns += NS_PER_S;
        }
        assert_int_equal(bench_count(&bench, slug, INCIDENT_OPEN), kind == 0 ? 1 : 0);
        bench_close(&bench);
    }
}

/* Ports of one address are endpoints of their own; the same endpoint again is not. */
static void test_ports(void **state)
{
    (void)state;
    struct bench bench;

    bench_open(&bench, slug);
    for (unsigned i = 0; i < 100; i++) {
        bench_tell(&bench, fact_request(party("203.0.113.50", 5060),
                                        party("192.0.2.10", (uint16_t)(5060 + i % 7))));
        bench.now_ns += NS_PER_S / 2;
    }
    assert_int_equal(bench.count, 0);
    bench_tell(&bench, fact_request(party("203.0.113.50", 5060), party("192.0.2.10", 5070)));
    assert_int_equal(bench_count(&bench, slug, INCIDENT_OPEN), 1);
    bench_close(&bench);
}

/* Two sources share no targets. */
static void test_sources_apart(void **state)
{
    (void)state;
    struct bench bench;

    bench_open(&bench, slug);
    for (uint32_t target = 0; target < 14; target++) {
        ask(&bench, party(target % 2 == 0 ? "203.0.113.50" : "203.0.113.51", 5060), target);
        bench.now_ns += NS_PER_S;
    }
    assert_int_equal(bench.count, 0);
    bench_close(&bench);
}

/* Four first contacts in vain, an hour apart: no window sees them. */
static void test_walk(void **state)
{
    (void)state;
    struct bench bench;

    for (unsigned failed = 3; failed <= 4; failed++) {
        for (unsigned one_way = 0; one_way < 2; one_way++) {
            bench_open(&bench, slug);
            struct fact_party client = party("203.0.113.50", 5060);
            client.proven = true;
            for (uint32_t target = 0; target < failed; target++) {
                ask(&bench, client, target);
                bench.now_ns += 32 * NS_PER_S;
                struct fact fact = silence(client, target);
                fact.is.transaction.one_way = one_way == 1;
                bench_tell(&bench, fact);
                bench_tell(&bench, fact); /* asked again and silent again: no new contact */
                bench.now_ns += NS_PER_HOUR;
            }
            assert_int_equal(bench_severity(&bench, slug), failed == 4 && one_way == 0 ? 2 : 0);
            bench_close(&bench);
        }
    }
}

static void set_option(struct bench *bench, const char *key, const char *text)
{
    struct error error;

    for (size_t i = 0; i < detector_count(); i++) {
        if (strcmp(detectors[i]->slug, slug) == 0) {
            assert_int_equal(option_parse(option_find(detectors[i]->options, slice_of_string(key)),
                                          slice_of_string(text),
                                          (void *)(uintptr_t)bench->confs[i].conf, "", key, &error),
                             STATUS_OK);
        }
    }
}

/* The first `of` are dark; with `good` set they answer after all. The others do. */
static void ask_dark(struct bench *bench, const struct limit_row *row, struct fact_party client,
                     uint32_t target)
{
    bool dark = target < row->of;
    uint32_t number = dark ? target : 0x10000 + target;

    if (target == 0) {
        set_option(bench, "dark", "2001:db8:0:0::/64");
    }
    ask(bench, client, number);
    if (!dark || row->good != 0) {
        answer(bench, client, number);
    }
}

/* Dark endpoints count three times in windows and once, at once, in the walk. */
static void test_dark(void **state)
{
    (void)state;
    static const struct limit_row rows[] = {
        {"two dark, one live: seven", 3, NS_PER_S, true, 0, 2, 0},
        {"two dark, two live: eight", 4, NS_PER_S, true, 2, 2, 0},
        {"three dark: nine", 3, NS_PER_S, true, 2, 3, 0},
        {"three dark that answer", 3, NS_PER_S, true, 0, 3, 1},
        {"three dark that answer, four live", 7, NS_PER_S, true, 0, 3, 1},
        {"three dark in an hour", 3, 20 * NS_PER_MINUTE - 1, true, 0, 3, 0},
        {"three dark, two live in an hour", 5, 14 * NS_PER_MINUTE, true, 0, 3, 0},
        {"three dark, three live in an hour", 6, 11 * NS_PER_MINUTE, true, 2, 3, 0},
        {"three dark in a day", 3, 5 * NS_PER_HOUR, true, 0, 3, 0},
        {"four dark in a day: the walk", 4, 5 * NS_PER_HOUR, true, 2, 4, 0},
    };

    limit_rows(slug, "203.0.113.50", rows, COUNT_OF(rows), ask_dark, NULL);
}

/* Answers take back what silence gave. */
static void test_walk_with_answers(void **state)
{
    (void)state;
    struct bench bench;
    struct fact_party client = party("203.0.113.50", 5060);

    bench_open(&bench, slug);
    for (uint32_t target = 0; target < 10; target++) {
        ask(&bench, client, target);
        if (target % 2 == 0) {
            bench_tell(&bench, silence(client, target));
        } else {
            answer(&bench, client, target);
        }
        bench.now_ns += NS_PER_HOUR;
    }
    assert_int_equal(bench.count, 0);
    bench_close(&bench);
}

/* Three in vain, one answered, one in vain: three ahead; one more is enough. */
static void test_walk_is_net(void **state)
{
    (void)state;
    struct bench bench;
    struct fact_party client = party("203.0.113.50", 5060);

    bench_open(&bench, slug);
    for (uint32_t target = 0; target < 6; target++) {
        assert_int_equal(bench.count, 0);
        ask(&bench, client, target);
        if (target == 3) {
            answer(&bench, client, target);
        } else {
            bench_tell(&bench, silence(client, target));
        }
        bench.now_ns += NS_PER_HOUR;
    }
    assert_int_equal(bench_count(&bench, slug, INCIDENT_OPEN), 1);
    bench_close(&bench);
}

static void test_forced_is_no_silence(void **state)
{
    (void)state;
    struct bench bench;
    struct fact_party client = party("203.0.113.50", 5060);

    bench_open(&bench, slug);
    for (uint32_t target = 0; target < 7; target++) {
        ask(&bench, client, target);
    }
    for (uint32_t target = 0; target < 7; target++) {
        struct fact fact = silence(client, target);
        fact.forced = true;
        bench_tell(&bench, fact);
    }
    assert_int_equal(bench.count, 0);
    bench_close(&bench);
}

/* H4: one keep-alive for weeks to a server that never answers. */
static void test_keep_alive(void **state)
{
    (void)state;
    struct bench bench;
    struct fact_party client = party("203.0.113.50", 5060);

    bench_open(&bench, slug);
    for (unsigned i = 0; i < 5000; i++) {
        ask(&bench, client, 1);
        bench_tell(&bench, silence(client, 1));
        bench.now_ns += 30 * NS_PER_S;
    }
    assert_int_equal(bench.count, 0);
    bench_close(&bench);
}

/* H9: 60 back ends each 2 s, 6 of them drained; H16: 24 addresses to 6 of ours; H5: a monitor's
 * round each minute. */
static void test_probers(void **state)
{
    (void)state;
    struct bench bench;
    struct fact_party client = party("192.0.2.5", 5060);

    client.proven = true;
    bench_open(&bench, slug);
    for (unsigned round = 0; round < 50; round++) {
        for (uint32_t target = 0; target < 60; target++) {
            ask(&bench, client, target);
        }
        for (uint32_t target = 6; target < 60; target++) {
            answer(&bench, client, target);
        }
        for (uint32_t target = 0; target < 6 && round > 15; target++) {
            bench_tell(&bench, silence(client, target));
        }
        bench.now_ns += 2 * NS_PER_S;
    }
    assert_true(bench_severity(&bench, slug) <= 1);
    for (unsigned round = 0; round < 20; round++) {
        for (uint16_t port = 0; port < 24; port++) {
            for (uint32_t target = 0; target < 6; target++) {
                struct fact_party provider = party("198.51.100.1", 5060);
                provider.endpoint.addr.octets[15] = (uint8_t)(1 + port);
                ask(&bench, provider, target);
                answer(&bench, provider, target);
            }
        }
        bench.now_ns += NS_PER_MINUTE;
    }
    assert_int_equal(bench_count(&bench, slug, INCIDENT_OPEN),
                     1); /* the balancer's, at severity 1 */
    bench_close(&bench);
}

/* Targets that all answer are a monitor's until the source goes on and never comes back. */
static void test_wanderer(void **state)
{
    (void)state;
    struct bench bench;
    struct fact_party client = party("203.0.113.50", 5060);

    client.proven = true;
    bench_open(&bench, slug);
    for (uint32_t target = 0; target < 8; target++) {
        ask(&bench, client, target);
        answer(&bench, client, target);
        bench.now_ns += NS_PER_S;
    }
    assert_int_equal(bench_severity(&bench, slug), 1);
    for (uint32_t target = 8; target < 30; target++) {
        ask(&bench, client, target);
        answer(&bench, client, target);
        bench.now_ns += 5 * NS_PER_MINUTE;
    }
    assert_int_equal(bench_severity(&bench, slug), 2);
    bench_close(&bench);
}

/* The other ports of a server that we know: that it answers others does not say that they did. */
static void test_ports_of_a_server(void **state)
{
    (void)state;
    struct bench bench;

    bench_open(&bench, slug);
    for (uint16_t port = 5060; port < 5070; port++) {
        struct fact fact = fact_request(party("203.0.113.50", 5060), party("192.0.2.10", port));
        fact.is.message.server.is_server = true;
        bench_tell(&bench, fact);
        bench.now_ns += NS_PER_S;
    }
    assert_int_equal(bench_severity(&bench, slug), 1);
    assert_non_null(
        strstr(bench_must(&bench, slug)->message, "asked 8 SIP endpoints (0 answered)"));
    bench_close(&bench);
}

/* A proxy that calls phones (H13), a third of them switched off. */
static void test_proxy(void **state)
{
    (void)state;
    struct bench bench;
    struct fact_party proxy = party("192.0.2.10", 5060);

    proxy.is_server = true;
    bench_open(&bench, slug);
    for (uint32_t target = 0; target < 300; target++) {
        ask(&bench, proxy, target);
        if (target % 3 != 0) {
            answer(&bench, proxy, target);
        } else {
            bench_tell(&bench, silence(proxy, target));
        }
        bench.now_ns += NS_PER_S;
    }
    assert_int_equal(bench.count, 0);
    bench_close(&bench);
}

/* --- one target lies in the lane, more in a cell --- */

/* With 64 cells, the fewest that there can be. */
static void open_small(struct bench *bench, uint32_t entries)
{
    struct frame_limits limits = {.incidents_max = 1000, .closed_max = 1000, .key = HASH_KEY_FIXED};
    struct error error;

    for (unsigned kind = 0; kind < KEY_COUNT; kind++) {
        limits.entries[kind] = entries;
    }
    bench_open_limits(bench, slug, &limits);
    set_option(bench, "sources", "64");
    frame_close(bench->frame);
    assert_int_equal(
        frame_open(&bench->limits, bench->confs, bench_on_incident, bench, &bench->frame, &error),
        STATUS_OK);
}

static uint64_t evicted(const struct bench *bench)
{
    struct frame_counts counts;

    frame_counts(bench->frame, &counts);
    return counts.evicted;
}

static struct fact_party stranger(uint32_t number)
{
    struct fact_party party = party_number(number * 256, 5060); /* each of another site */

    party.proven = true;
    return party;
}

static void ask_all(struct bench *bench, struct fact_party client, uint32_t targets)
{
    for (uint32_t target = 0; target < targets; target++) {
        ask(bench, client, target);
    }
}

/* What was learned of the first target, alone and beside others, counts as of any other. */
static void test_first_target_moves(void **state)
{
    (void)state;
    static const struct {
        const char *dark;
        unsigned answered_at; /* with so many targets known; 0 = never */
        uint32_t targets; /* that are told */
        const char *words;
    } rows[] = {
        {"", 0, 8, "asked 8 SIP endpoints (0 answered), "},
        {"", 1, 8, "asked 8 SIP endpoints (1 answered), "},
        {"", 2, 8, "asked 8 SIP endpoints (1 answered), "},
        {"2001:db8::/128", 0, 6, "asked 6 SIP endpoints (0 answered, 1 dark that count 3 times "},
        {"2001:db8::/128", 1, 8, "asked 8 SIP endpoints (1 answered), "},
        {"2001:db8::/128", 2, 8, "asked 8 SIP endpoints (1 answered), "},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct bench bench;
        struct fact_party client = party("203.0.113.50", 5060);
        bench_open(&bench, slug);
        set_option(&bench, "dark", rows[i].dark);
        for (uint32_t target = 0; target < rows[i].targets; target++) {
            assert_int_equal(bench.count, 0);
            ask(&bench, client, target);
            if (target + 1 == rows[i].answered_at) {
                answer(&bench, client, 0);
            }
        }
        assert_int_equal(bench.count, 1);
        assert_non_null(strstr(bench.told[0].message, rows[i].words));
        bench_close(&bench);
    }
}

/* As many as there is room for, the first among them. */
static void test_forty_targets(void **state)
{
    (void)state;
    struct bench bench;

    bench_open(&bench, slug);
    set_option(&bench, "targets", "40");
    set_option(&bench, "targets_hour", "40");
    set_option(&bench, "targets_day", "40");
    ask_all(&bench, party("203.0.113.50", 5060), 39);
    assert_int_equal(bench.count, 0);
    ask_all(&bench, party("203.0.113.50", 5060), 40);
    assert_int_equal(bench_count(&bench, slug, INCIDENT_OPEN), 1);
    bench_close(&bench);
}

/* A flood of sources that ask one target each takes no cell from who asks more. */
static void test_one_target_takes_no_cell(void **state)
{
    (void)state;
    struct bench bench;

    open_small(&bench, 4096);
    for (uint32_t source = 1; source <= 1000; source++) {
        ask_all(&bench, stranger(source), 1);
        ask_all(&bench, stranger(source), 1);
    }
    ask_all(&bench, party("203.0.113.50", 5060), 8);
    bench.now_ns += 2 * NS_PER_S;
    ask(&bench, party("203.0.113.50", 5060), 0);
    assert_int_equal(bench_count(&bench, slug, INCIDENT_OPEN), 1);
    assert_int_equal(evicted(&bench), 0);
    bench_close(&bench);
}

/* Without a cell only the first target is known, and each that was not noted is counted. */
static void test_cells_used_up(void **state)
{
    (void)state;
    struct bench bench;

    open_small(&bench, 4096);
    for (uint32_t source = 1; source <= 64; source++) {
        ask_all(&bench, stranger(source), 2);
    }
    assert_int_equal(evicted(&bench), 0);
    ask_all(&bench, stranger(65), 20);
    bench_tell(&bench, silence(stranger(65), 0));
    bench_tell(&bench, silence(stranger(65), 1));
    assert_int_equal(bench.count, 0);
    assert_int_equal(evicted(&bench), 19);
    ask_all(&bench, stranger(1), 9); /* who has one goes on */
    bench.now_ns += 2 * NS_PER_S;
    ask(&bench, stranger(1), 0);
    assert_int_equal(bench_count(&bench, slug, INCIDENT_OPEN), 1);
    bench_close(&bench);
}

/* Who is forgotten leaves his cell to the next and begins anew. */
static void test_cell_given_back(void **state)
{
    (void)state;
    struct bench bench;

    open_small(&bench, 64);
    for (uint32_t source = 1; source <= 65; source++) {
        ask_all(&bench, stranger(source), 7);
        bench.now_ns += NS_PER_MS;
    }
    assert_int_equal(evicted(&bench), 1); /* an entry, no cell */
    bench.now_ns += 2 * NS_PER_S;
    ask(&bench, stranger(65), 7);
    assert_int_equal(bench_count(&bench, slug, INCIDENT_OPEN), 1);
    ask(&bench, stranger(1), 7);
    ask(&bench, stranger(64), 7);
    assert_int_equal(bench_count(&bench, slug, INCIDENT_OPEN), 2);
    assert_int_equal(evicted(&bench), 2);
    bench_close(&bench);
}

/* After a day of silence a source begins anew, in the cell that it has. */
static void test_cell_outlives_silence(void **state)
{
    (void)state;
    struct bench bench;

    open_small(&bench, 64);
    for (unsigned day = 0; day < 130; day += 2) {
        ask_all(&bench, stranger(1), 7);
        bench.now_ns += 2 * NS_PER_DAY;
    }
    assert_int_equal(bench.count, 0);
    ask_all(&bench, stranger(1), 8);
    assert_int_equal(bench_count(&bench, slug, INCIDENT_OPEN), 1);
    assert_int_equal(evicted(&bench), 0);
    bench_close(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_thresholds),
        cmocka_unit_test(test_sentence),
        cmocka_unit_test(test_what_is_no_question),
        cmocka_unit_test(test_ports),
        cmocka_unit_test(test_sources_apart),
        cmocka_unit_test(test_walk),
        cmocka_unit_test(test_dark),
        cmocka_unit_test(test_walk_with_answers),
        cmocka_unit_test(test_walk_is_net),
        cmocka_unit_test(test_forced_is_no_silence),
        cmocka_unit_test(test_keep_alive),
        cmocka_unit_test(test_probers),
        cmocka_unit_test(test_wanderer),
        cmocka_unit_test(test_proxy),
        cmocka_unit_test(test_ports_of_a_server),
        cmocka_unit_test(test_first_target_moves),
        cmocka_unit_test(test_forty_targets),
        cmocka_unit_test(test_one_target_takes_no_cell),
        cmocka_unit_test(test_cells_used_up),
        cmocka_unit_test(test_cell_given_back),
        cmocka_unit_test(test_cell_outlives_silence),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
