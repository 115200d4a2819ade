/* The device gate and the confidence: small bricks of all rules on passwords. */
#include "facts.h"

#include "detectors/frame/gate.h"

struct row {
    const char *name;
    uint32_t tries;
    uint64_t gap_ns;
    uint32_t call_every; /* a new Call-ID after so many; 0 = never */
    uint32_t device_every;
    bool cseq_stays;
    bool holds;
};

static void test_gate(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"none", 0, 0, 0, 0, false, false},
        {"one", 1, NS_PER_MINUTE, 0, 0, false, false},
        {"two", 2, 10 * NS_PER_S, 0, 0, false, true},
        {"two, too fast", 2, 10 * NS_PER_S - NS_PER_MS, 0, 0, false, false},
        {"a week", 20160, 30 * NS_PER_S, 0, 0, false, true},
        {"a new Call-ID each time", 20, 30 * NS_PER_S, 1, 0, false, false},
        {"a new Call-ID every seventh", 70, 30 * NS_PER_S, 7, 0, false, false},
        {"a new Call-ID every ninth", 90, 30 * NS_PER_S, 9, 0, false, true},
        {"so many that a byte would wrap", 260, 30 * NS_PER_S, 1, 0, false, false},
        {"another device each time", 20, 30 * NS_PER_S, 0, 1, false, false},
        {"CSeq stays", 20, 30 * NS_PER_S, 0, 0, true, false},
        {"more than 16 bits", 70000, 30 * NS_PER_S, 9, 0, false, true},
        {"more than 16 bits of guessing", 70000, NS_PER_S, 1, 0, false, false},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct gate gate = {0};
        for (uint32_t j = 0; j < rows[i].tries; j++) {
            struct fact fact = fact_failure(party("203.0.113.1", 5060), 0);
            fact.time_ns = START_NS + j * rows[i].gap_ns;
            fact.is.transaction.call_id_hash =
                rows[i].call_every == 0 ? 1 : 1 + j / rows[i].call_every;
            fact.is.transaction.device_hash =
                rows[i].device_every == 0 ? 1 : 1 + j / rows[i].device_every;
            fact.is.transaction.cseq = rows[i].cseq_stays ? 2 : 2 + j;
            gate_see(&gate, &fact);
        }
        if (gate_holds(&gate) != rows[i].holds) {
            fail_msg("%s", rows[i].name);
        }
    }
}

/* The median decides, not a single fast try. */
static void test_median(void **state)
{
    (void)state;
    for (unsigned fast = 4; fast <= 6; fast++) {
        struct gate gate = {0};
        uint64_t now_ns = START_NS;
        for (uint32_t j = 0; j < 11; j++) {
            struct fact fact = fact_failure(party("203.0.113.1", 5060), 0);
            fact.time_ns = now_ns;
            fact.is.transaction.cseq = j + 1;
            gate_see(&gate, &fact);
            now_ns += j < fast ? NS_PER_S : NS_PER_MINUTE;
        }
        assert_int_equal(gate_holds(&gate), fast <= 5);
    }
}

static void test_confidence(void **state)
{
    (void)state;
    struct confidence confidence;
    struct fact_party source = party("203.0.113.1", 5060);

    confidence_start(&confidence, 40, "condition met");
    assert_string_equal(confidence.why, "condition met 40");
    confidence_source(&confidence, &source);
    assert_int_equal(confidence.value, 40);
    source.proven = true;
    source.good_accounts = 9;
    confidence_source(&confidence, &source);
    assert_int_equal(confidence.value, 60);
    source.proven = false;
    source.good_accounts = 10;
    confidence_source(&confidence, &source);
    assert_int_equal(confidence.value, 40);
    assert_string_equal(confidence.why, "condition met 40, source proven two-way +20, many honest "
                                        "accounts behind the source -20");
    confidence_margin(&confidence, 29, 10);
    assert_int_equal(confidence.value, 40);
    confidence_margin(&confidence, 30, 10);
    assert_int_equal(confidence.value, 50);
    confidence_margin(&confidence, 30, 0);
    assert_int_equal(confidence.value, 50);
    confidence_add(&confidence, 70, "sure");
    assert_int_equal(confidence.value, 100);
    confidence_add(&confidence, -120, "no");
    assert_int_equal(confidence.value, 0);
    for (unsigned i = 0; i < 100; i++) {
        confidence_add(&confidence, 1, "a reason");
    }
    assert_int_equal(confidence.value, 100);
    assert_true(strlen(confidence.why) < sizeof confidence.why);
    assert_string_equal(confidence.why + strlen(confidence.why) - 12, " a reason +1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gate),
        cmocka_unit_test(test_median),
        cmocka_unit_test(test_confidence),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
