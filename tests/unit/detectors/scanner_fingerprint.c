/* Scanner-fingerprint: each mark alone, pairs of weak ones, and honest messages that come near. */
#include "facts.h"

static const char *const slug = "scanner-fingerprint";

/* "100@192.0.2.10", the byte 01, "3000104729", as hexadecimal text. */
#define HEX_TAG                                                                                    \
    SLICE("313030403139322e302e322e313001"                                                         \
          "33303030313034373239")

struct row {
    const char *name;
    void (*change)(struct fact_message *message);
    unsigned copies; /* how often it is sent */
    unsigned severity;
    unsigned confidence; /* 0 = whatever */
};

static void honest(struct fact_message *message)
{
    (void)message;
}

static void hex_tag(struct fact_message *message)
{
    message->from_tag = HEX_TAG;
}

static void hex_tag_honest(struct fact_message *message)
{
    message->from_tag = SLICE("9f83ab17c4de0012"); /* random hexadecimal, as many phones have */
}

static void hex_tag_odd(struct fact_message *message)
{
    message->from_tag = SLICE("313030403139322e302e322e31300133303030313034373");
}

static void hex_tag_nothing_before(struct fact_message *message)
{
    message->from_tag = SLICE("01"
                              "3330303030313034373239");
}

static void hex_tag_few_digits(struct fact_message *message)
{
    message->from_tag = SLICE("313030403139322e302e322e313001"
                              "333030");
}

static void hex_tag_no_digits(struct fact_message *message)
{
    message->from_tag = SLICE("313030403139322e302e322e313001"
                              "6162636465666768");
}

static void sippts_branch(struct fact_message *message)
{
    message->has_branch_cookie = false;
    message->branch =
        SLICE("abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz012345678");
}

static void sippts_branch_short(struct fact_message *message)
{
    sippts_branch(message);
    message->branch.bytes--;
}

static void metasploit_tag(struct fact_message *message)
{
    message->from_tag = SLICE("70c00e8c");
}

static void metasploit_via(struct fact_message *message)
{
    message->max_forwards = 20;
    message->via_parameters = SLICE(";branch=z9hG4bK123;rport;alias");
}

static void metasploit_hops_only(struct fact_message *message)
{
    message->max_forwards = 20;
    message->via_parameters = SLICE(";branch=z9hG4bK123;rport");
}

static void digits(struct fact_message *message)
{
    message->branch = SLICE("z9hG4bK-5071938246");
}

static void digits_twice(struct fact_message *message)
{
    message->branch = SLICE("z9hG4bK-5071938245");
}

static void agent(struct fact_message *message)
{
    message->user_agent = SLICE("Friendly-Scanner");
}

static void no_cookie(struct fact_message *message)
{
    message->has_branch_cookie = false;
}

static void from_is_to(struct fact_message *message)
{
    message->to_user = message->from_user;
}

static void ones(struct fact_message *message)
{
    message->from_host = SLICE("1.1.1.1");
}

static void from_is_to_and_ones(struct fact_message *message)
{
    from_is_to(message);
    ones(message);
    message->to_host = SLICE("1.1.1.1");
}

static void agent_and_no_cookie(struct fact_message *message)
{
    agent(message);
    no_cookie(message);
}

static void from_is_to_register(struct fact_message *message)
{
    from_is_to(message); /* every REGISTER is so */
    message->method = FACT_METHOD_REGISTER;
    message->has_branch_cookie = false;
}

static void test_marks(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"honest", honest, 3, 0, 0},
        {"hex text in the tag", hex_tag, 1, 1, 55},
        {"random hex in the tag", hex_tag_honest, 3, 0, 0},
        {"half a byte missing", hex_tag_odd, 3, 0, 0},
        {"nothing before the 01", hex_tag_nothing_before, 3, 0, 0},
        {"three digits behind it", hex_tag_few_digits, 3, 0, 0},
        {"letters behind it", hex_tag_no_digits, 3, 0, 0},
        {"sippts", sippts_branch, 1, 1, 55},
        {"sippts, one short", sippts_branch_short, 3, 0, 0},
        {"metasploit tag", metasploit_tag, 1, 1, 55},
        {"metasploit via", metasploit_via, 1, 1, 55},
        {"20 hops alone", metasploit_hops_only, 3, 0, 0},
        {"ten digits once", digits, 1, 0, 0},
        {"ten digits twice", digits, 2, 1, 55},
        {"ten digits, one of them twice", digits_twice, 5, 0, 0},
        {"agent alone", agent, 1, 1, 40},
        {"no cookie alone", no_cookie, 5, 0, 0}, /* RFC 2543 devices; H31 */
        {"From = To alone", from_is_to, 5, 0, 0},
        {"1.1.1.1 alone", ones, 5, 0, 0},
        {"two weak", from_is_to_and_ones, 1, 1, 55},
        {"agent and no cookie", agent_and_no_cookie, 1, 1, 55},
        {"REGISTER of an old phone", from_is_to_register, 3, 0, 0},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct bench bench;
        bench_open(&bench, slug);
        for (unsigned copy = 0; copy < rows[i].copies; copy++) {
            struct fact fact = fact_request(party("203.0.113.66", 5060), party("192.0.2.10", 5060));
            fact.is.message.cseq = copy + 1;
            rows[i].change(&fact.is.message);
            bench_tell(&bench, fact);
            bench.now_ns += NS_PER_S;
        }
        if (bench_severity(&bench, slug) != rows[i].severity) {
            fail_msg("%s: severity %u", rows[i].name, bench_severity(&bench, slug));
        }
        if (rows[i].confidence != 0 &&
            bench_must(&bench, slug)->confidence.value != rows[i].confidence) {
            fail_msg("%s: confidence %u", rows[i].name, bench_must(&bench, slug)->confidence.value);
        }
        bench_close(&bench);
    }
}

/* One Call-ID, CSeq 1 and 2 for ever (svcrack), against a phone that counts up and a proxy that
 * forks. */
static void test_cseq(void **state)
{
    (void)state;
    struct bench bench;

    for (unsigned who = 0; who < 3; who++) {
        bench_open(&bench, slug);
        for (uint32_t i = 0; i < 20; i++) {
            struct fact fact = fact_request(party("203.0.113.66", 5060), party("192.0.2.10", 5060));
            fact.is.message.method = FACT_METHOD_REGISTER;
            fact.is.message.from_host = SLICE("1.1.1.1"); /* the second weak mark */
            fact.is.message.cseq = who == 1 ? i + 1 : 2;
            fact.is.message.vias = who == 2 ? 2 : 1;
            bench_tell(&bench, fact);
        }
        assert_int_equal(bench_severity(&bench, slug), who == 0 ? 1 : 0);
        bench_close(&bench);
    }
}

/* Severity 2 when it is answered, and only for a source that has proven itself. */
static void test_answered(void **state)
{
    (void)state;
    struct bench bench;

    for (unsigned proven = 0; proven < 2; proven++) {
        bench_open(&bench, slug);
        struct fact_party client = party("203.0.113.66", 5060);
        client.proven = proven == 1;
        struct fact fact = fact_request(client, party("192.0.2.10", 5060));
        hex_tag(&fact.is.message);
        bench_tell(&bench, fact);
        assert_int_equal(bench_severity(&bench, slug), 1);
        bench_tell(&bench, fact_answer(client, party("192.0.2.10", 5060), 200));
        assert_int_equal(bench_severity(&bench, slug), proven == 1 ? 2 : 1);
        bench_close(&bench);
    }
}

/* The tag of svcrack holds the password that was tried: no word of it leaves. */
static void test_tag_is_not_told(void **state)
{
    (void)state;
    struct bench bench;
    struct fact fact = fact_request(party("203.0.113.66", 5060), party("192.0.2.10", 5060));

    /* 100:2103 01 ... */
    fact.is.message.from_tag = SLICE("3130303a3231303301"
                                     "33303030313034373239");
    bench_open(&bench, slug);
    bench_tell(&bench, fact);
    const struct incident *told = bench_must(&bench, slug);
    assert_null(strstr(told->message, "2103"));
    assert_null(strstr(told->message, "3130303a"));
    assert_non_null(strstr(told->message, "From tag that is hex text (SIPVicious)"));
    bench_close(&bench);
}

static void test_retransmissions(void **state)
{
    (void)state;
    struct bench bench;
    struct fact fact = fact_request(party("203.0.113.66", 5060), party("192.0.2.10", 5060));

    agent(&fact.is.message);
    bench_open(&bench, slug);
    bench_tell(&bench, fact);
    fact.is.message.is_retransmission = true;
    for (unsigned i = 0; i < 10; i++) {
        bench_tell(&bench, fact);
    }
    frame_end(bench.frame, bench.now_ns);
    assert_int_equal(bench_must(&bench, slug)->count, 1);
    bench_close(&bench);
}

/* An agent that wants to write on the terminal. */
static void test_hostile_agent(void **state)
{
    (void)state;
    struct bench bench;
    struct fact fact = fact_request(party("203.0.113.66", 5060), party("192.0.2.10", 5060));

    fact.is.message.user_agent = SLICE("sipvicious\x1b[31m\r\n\"");
    bench_open(&bench, slug);
    bench_tell(&bench, fact);
    const struct incident *told = bench_must(&bench, slug);
    assert_null(strchr(told->message, '\x1b'));
    assert_null(strchr(told->message, '\n'));
    assert_non_null(strstr(told->message, "sipvicious\\x1B[31m"));
    bench_close(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_marks),           cmocka_unit_test(test_cseq),
        cmocka_unit_test(test_answered),        cmocka_unit_test(test_tag_is_not_told),
        cmocka_unit_test(test_retransmissions), cmocka_unit_test(test_hostile_agent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
