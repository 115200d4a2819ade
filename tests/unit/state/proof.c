/* Proof: what comes back with something that was sent to that address, and nothing else. */
#include "wire.h"

#include "sensor/state/proof.h"

#define CLIENT_OTHER "192.0.2.77:5060"
#define PROXY "192.0.2.99:5060"

static struct proof_table *open_table(uint32_t sources_max)
{
    struct proof_table *table = NULL;
    struct error error;

    assert_int_equal(proof_open(sources_max, HASH_KEY_FIXED, &table, &error), STATUS_OK);
    return table;
}

static struct proof_view ask(const struct proof_table *table, const char *endpoint, uint64_t now_ns)
{
    struct endpoint who = wire_endpoint(endpoint);
    struct proof_view view;

    proof_ask(table, &who.addr, now_ns, &view);
    return view;
}

static unsigned ask_site(const struct proof_table *table, const char *endpoint)
{
    struct endpoint who = wire_endpoint(endpoint);

    return proof_ask_site(table, &who.addr);
}

static void request(struct proof_table *table, struct wire wire)
{
    proof_see_sip(table, wire_sip(&wire, 1));
}

static void answer(struct proof_table *table, struct wire wire, bool in_dialog)
{
    const struct sip_sighting *sip = wire_sip(&wire, 1);

    proof_see_sip(table, sip);
    proof_see_answer(table, sip, in_dialog);
}

#define CHALLENGE "WWW-Authenticate: Digest realm=\"pbx\", nonce=\"n1\"\r\n"
#define CHALLENGE_2 "WWW-Authenticate: Digest realm=\"pbx\", nonce=\"n2\"\r\n"
#define USES(nonce)                                                                                \
    "Authorization: Digest username=\"u\", realm=\"pbx\", nonce=\"" nonce                          \
    "\", uri=\"sip:pbx\", response=\"aa\"\r\n"

/* A nonce is somebody's: it was sent to him, and to nobody else. */
static void what_was_sent_to_whom(void **unused)
{
    struct wire challenge = {.what = "401 REGISTER", .headers = CHALLENGE};
    struct wire uses = {.what = "REGISTER", .headers = USES("n1")};
    struct wire invents = {.what = "REGISTER", .headers = USES("n2")};
    struct proof_table *table = open_table(64);
    struct addr client = wire_endpoint(WIRE_CLIENT).addr;
    struct addr other = wire_endpoint(CLIENT_OTHER).addr;
    (void)unused;

    answer(table, challenge, false);
    uint64_t nonce = wire_sip(&uses, 1)->keys.nonce;
    assert_true(proof_was_sent(table, &client, nonce));
    assert_false(proof_was_sent(table, &other, nonce));
    assert_false(proof_was_sent(table, &client, wire_sip(&invents, 1)->keys.nonce));
    assert_false(proof_was_sent(table, &client, 0));
    proof_close(table);
}

/* Credentials in its name that need not be its own: a nonce of nobody's, or one that others got too. */
static void makes_doubt(void **unused)
{
    static const struct {
        const char *what;
        struct wire answers[4];
        const char *headers;
        bool doubted;
    } rows[] = {
        {"its own", {{0}}, USES("n1"), false},
        {"made up", {{0}}, USES("n2"), true},
        {"none", {{0}}, "", false},
        {"another got it too",
         {{.what = "401 REGISTER", .headers = CHALLENGE, .client = CLIENT_OTHER}},
         USES("n1"),
         true},
        {"it got it twice", {{.what = "401 REGISTER", .headers = CHALLENGE}}, USES("n1"), false},
        {"a proxy passed it on, twice",
         {{.what = "401 REGISTER", .headers = CHALLENGE_2, .client = PROXY},
          {.what = "401 REGISTER", .headers = CHALLENGE_2, .server = PROXY},
          {.what = "401 REGISTER", .headers = CHALLENGE_2, .client = PROXY},
          {.what = "401 REGISTER", .headers = CHALLENGE_2, .server = PROXY}},
         USES("n2"),
         false},
        {"a proxy passed it on, and to another",
         {{.what = "401 REGISTER", .headers = CHALLENGE_2, .client = PROXY},
          {.what = "401 REGISTER", .headers = CHALLENGE_2, .server = PROXY},
          {.what = "401 REGISTER", .headers = CHALLENGE_2, .client = PROXY},
          {.what = "401 REGISTER",
           .headers = CHALLENGE_2,
           .server = PROXY,
           .client = CLIENT_OTHER}},
         USES("n2"),
         true},
    };
    (void)unused;

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct proof_table *table = open_table(64);
        answer(table, (struct wire){.what = "401 REGISTER", .headers = CHALLENGE}, false);
        request(table, (struct wire){.what = "REGISTER", .headers = USES("n1")});
        assert_int_equal(ask(table, WIRE_CLIENT, WIRE_START_NS).doubted_ns, 0);
        for (size_t k = 0; k < 4 && rows[i].answers[k].what != NULL; k++) {
            answer(table, rows[i].answers[k], false);
        }
        request(table, (struct wire){.what = "REGISTER", .headers = rows[i].headers});
        struct proof_view view = ask(table, WIRE_CLIENT, WIRE_START_NS);
        if ((view.doubted_ns != 0) != rows[i].doubted || !view.proven) {
            fail_msg("%s", rows[i].what);
        }
        proof_close(table);
    }
}

/* An answer, then a request: proven or not? */
static void by_sip(void **unused)
{
    static const struct {
        const char *what;
        struct wire answer;
        bool in_dialog;
        struct wire request;
        bool proven;
    } rows[] = {
        {"nonce",
         {.what = "401 REGISTER", .headers = CHALLENGE},
         false,
         {.what = "REGISTER", .headers = USES("n1")},
         true},
        {"nonce sent to another",
         {.what = "401 REGISTER", .headers = CHALLENGE, .client = CLIENT_OTHER},
         false,
         {.what = "REGISTER", .headers = USES("n1")},
         false},
        {"other nonce",
         {.what = "401 REGISTER", .headers = CHALLENGE},
         false,
         {.what = "REGISTER", .headers = USES("n2")},
         false},
        {"bare request",
         {.what = "401 REGISTER", .headers = CHALLENGE},
         false,
         {.what = "REGISTER"},
         false},
        {"tag of a 200", {.what = "200 INVITE"}, false, {.what = "ACK", .to_tag = "t1"}, true},
        {"tag of a 404", {.what = "404 INVITE"}, false, {.what = "ACK", .to_tag = "t1"}, true},
        {"tag of a 180", {.what = "180 INVITE"}, false, {.what = "PRACK", .to_tag = "t1"}, true},
        {"tag of a 100",
         {.what = "100 INVITE", .to_tag = "t1"},
         false,
         {.what = "BYE", .to_tag = "t1"},
         false},
        {"other tag", {.what = "200 INVITE"}, false, {.what = "BYE", .to_tag = "t2"}, false},
        {"own tag sent back", {.what = "481 INVITE"}, true, {.what = "ACK", .to_tag = "t1"}, false},
        {"tag of an OPTIONS",
         {.what = "200 OPTIONS"},
         false,
         {.what = "BYE", .to_tag = "t1"},
         false},
        {"tag of a subscription",
         {.what = "200 SUBSCRIBE"},
         false,
         {.what = "SUBSCRIBE", .to_tag = "t1"},
         true},
        {"other port of the address",
         {.what = "200 INVITE"},
         false,
         {.what = "BYE", .to_tag = "t1", .client = "192.0.2.10:9999"},
         true},
    };
    (void)unused;

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct proof_table *table = open_table(64);
        answer(table, rows[i].answer, rows[i].in_dialog);
        assert_false(ask(table, WIRE_CLIENT, WIRE_START_NS).proven);
        request(table, rows[i].request);
        if (ask(table, WIRE_CLIENT, WIRE_START_NS).proven != rows[i].proven) {
            fail_msg("%s: proven is not %d", rows[i].what, rows[i].proven);
        }
        assert_true(ask(table, WIRE_SERVER, WIRE_START_NS).is_server);
        assert_false(ask(table, WIRE_CLIENT, WIRE_START_NS).is_server);
        /* who answers inside a dialog only was not chosen by anybody */
        assert_int_equal(ask(table, WIRE_SERVER, WIRE_START_NS).is_peer, !rows[i].in_dialog);
        proof_close(table);
    }
}

static void expires(void **unused)
{
    struct proof_table *table = open_table(64);
    (void)unused;

    answer(table, (struct wire){.what = "200 INVITE"}, false);
    request(table, (struct wire){.at_ms = 1000, .what = "ACK", .to_tag = "t1"});
    uint64_t proven_ns = WIRE_START_NS + NS_PER_S;
    assert_true(ask(table, WIRE_CLIENT, proven_ns + PROOF_VALID_NS).proven);
    assert_false(ask(table, WIRE_CLIENT, proven_ns + PROOF_VALID_NS + 1).proven);
    proof_shift(table, 10 * NS_PER_DAY);
    assert_true(ask(table, WIRE_CLIENT, proven_ns + 10 * NS_PER_DAY + PROOF_VALID_NS).proven);
    proof_close(table);
}

static struct proof_sighting segment(const char *from, const char *to, uint32_t sent,
                                     uint32_t acknowledged)
{
    struct endpoint source = wire_endpoint(from);
    struct endpoint destination = wire_endpoint(to);

    return (struct proof_sighting){
        .head = {.source = source.addr,
                 .source_port = source.port,
                 .destination = destination.addr,
                 .destination_port = destination.port,
                 .state_ns = WIRE_START_NS},
        .proof = PROOF_TCP,
        .sequence_end = sent,
        .acknowledged = acknowledged,
    };
}

static void by_tcp(void **unused)
{
    static const struct {
        const char *what;
        uint32_t server_sent;
        uint32_t acknowledged;
        bool proven;
    } rows[] = {
        {"all acknowledged", 5000, 5000, true},
        {"some in flight", 5000, 4000, true},
        {"wrapped", 100, UINT32_MAX - 100, true},
        {"nothing acknowledged", 5000, 0, false},
        {"more than was sent", 5000, 5001, false},
        {"window", 5000 + (1 << 20), 5000, true},
        {"beyond the window", 5001 + (1 << 20), 5000, false},
    };
    (void)unused;

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct proof_table *table = open_table(64);
        struct proof_sighting server = segment(WIRE_SERVER, WIRE_CLIENT, rows[i].server_sent, 0);
        struct proof_sighting client = segment(WIRE_CLIENT, WIRE_SERVER, 77, rows[i].acknowledged);
        proof_see_sighting(table, &client);
        assert_false(ask(table, WIRE_CLIENT, WIRE_START_NS).proven); /* nobody sent him anything */
        proof_see_sighting(table, &server);
        proof_see_sighting(table, &client);
        if (ask(table, WIRE_CLIENT, WIRE_START_NS).proven != rows[i].proven) {
            fail_msg("%s: proven is not %d", rows[i].what, rows[i].proven);
        }
        proof_close(table);
    }
}

static void by_stun(void **unused)
{
    struct proof_table *table = open_table(64);
    struct proof_sighting asked = segment(WIRE_SERVER, WIRE_CLIENT, 0, 0);
    struct proof_sighting answered = segment(WIRE_CLIENT, WIRE_SERVER, 0, 0);
    (void)unused;

    asked.proof = PROOF_STUN;
    answered.proof = PROOF_STUN;
    answered.answer = true;
    asked.transaction[11] = 9;
    proof_see_sighting(table, &asked);
    proof_see_sighting(table, &answered);
    assert_false(ask(table, WIRE_CLIENT, WIRE_START_NS).proven);
    answered.transaction[11] = 9;
    proof_see_sighting(table, &answered);
    assert_true(ask(table, WIRE_CLIENT, WIRE_START_NS).proven);
    assert_false(ask(table, WIRE_SERVER, WIRE_START_NS).proven);
    proof_close(table);
}

static struct rtcp_sighting rtcp(const char *from, const char *to)
{
    struct proof_sighting ends = segment(from, to, 0, 0);

    return (struct rtcp_sighting){.head = ends.head};
}

static void by_rtcp(void **unused)
{
    static const struct {
        const char *what;
        uint32_t ssrc;
        uint32_t last_sr;
        unsigned reports_since;
        bool proven;
    } rows[] = {
        {"the last", 7, 0x00020003, 0, true},
        {"the fourth last", 7, 0x00020003, 3, true},
        {"the fifth last", 7, 0x00020003, 4, false},
        {"another", 7, 0x00020004, 0, false},
        {"none", 7, 0, 0, false},
        {"about another", 8, 0x00020003, 0, false},
    };
    (void)unused;

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct proof_table *table = open_table(64);
        struct rtcp_sighting sent = rtcp(WIRE_SERVER, WIRE_CLIENT);
        struct rtcp_sighting back = rtcp(WIRE_CLIENT, WIRE_SERVER);
        sent.view.sender = 7;
        sent.view.has_sender_info = true;
        sent.view.ntp = UINT64_C(0x0001000200030004);
        proof_see_rtcp(table, &sent);
        for (unsigned k = 0; k < rows[i].reports_since; k++) {
            sent.view.ntp += UINT64_C(0x0000000500000000);
            proof_see_rtcp(table, &sent);
        }
        back.view.report_count = 1;
        back.view.reports[0] =
            (struct rtcp_report){.ssrc = rows[i].ssrc, .last_sr = rows[i].last_sr};
        proof_see_rtcp(table, &back);
        if (ask(table, WIRE_CLIENT, WIRE_START_NS).proven != rows[i].proven) {
            fail_msg("%s: proven is not %d", rows[i].what, rows[i].proven);
        }
        proof_close(table);
    }
}

static void good_accounts(void **unused)
{
    struct proof_table *table = open_table(64);
    struct endpoint one = wire_endpoint("192.0.2.10:1");
    struct endpoint other = wire_endpoint("192.0.2.11:1");
    (void)unused;

    proof_good_account(table, &one.addr, 1, WIRE_START_NS);
    proof_good_account(table, &one.addr, 1, WIRE_START_NS);
    proof_good_account(table, &one.addr, 2, WIRE_START_NS);
    proof_good_account(table, &other.addr, 3, WIRE_START_NS + NS_PER_DAY);
    proof_good_account(table, &other.addr, 0, WIRE_START_NS);
    assert_int_equal(ask(table, "192.0.2.10:1", WIRE_START_NS).good_accounts, 2);
    assert_int_equal(ask(table, "192.0.2.11:1", WIRE_START_NS).good_accounts, 1);
    assert_int_equal(ask(table, "192.0.2.12:1", WIRE_START_NS).good_accounts, 0);
    assert_int_equal(ask_site(table, "192.0.2.12:1"), 3);
    assert_int_equal(ask_site(table, "192.0.3.12:1"), 0);
    /* thirty days later the first two are forgotten */
    proof_good_account(table, &other.addr, 3, WIRE_START_NS + PROOF_GOOD_NS + NS_PER_S);
    assert_int_equal(ask(table, "192.0.2.10:1", WIRE_START_NS).good_accounts, 0);
    assert_int_equal(ask(table, "192.0.2.11:1", WIRE_START_NS).good_accounts, 1);
    assert_int_equal(ask_site(table, "192.0.2.12:1"), 1);
    proof_close(table);
}

/* Whoever remembers an answer of proof_ask() learns that it may be another one now. */
static void changes(void **unused)
{
    struct proof_table *table = open_table(64);
    struct endpoint server = wire_endpoint(WIRE_SERVER);
    uint64_t before = proof_changes(table);
    (void)unused;

    assert_int_not_equal(before, 0);
    proof_good_account(table, &server.addr, 1, WIRE_START_NS);
    assert_true(proof_changes(table) > before);
    before = proof_changes(table);
    answer(table, (struct wire){.what = "200 INVITE"}, false);
    assert_true(proof_changes(table) > before);
    before = proof_changes(table);
    answer(table, (struct wire){.what = "200 INVITE"}, false);
    assert_int_equal(proof_changes(table), before);
    request(table, (struct wire){.what = "ACK", .to_tag = "t1"});
    assert_true(proof_changes(table) > before);
    proof_close(table);
}

/* Forged requests in bulk leave nothing behind; a full table goes on. */
static void flood(void **unused)
{
    struct proof_table *table = open_table(4);
    char client[32];
    (void)unused;

    for (unsigned i = 0; i < 200; i++) {
        (void)snprintf(client, sizeof client, "203.0.113.%u:5060", i);
        request(table, (struct wire){.what = "REGISTER", .client = client, .headers = USES("x")});
    }
    assert_int_equal(proof_used(table), 0);
    for (unsigned i = 0; i < 20; i++) {
        (void)snprintf(client, sizeof client, "203.0.113.%u:5060", i);
        answer(table, (struct wire){.what = "200 INVITE", .client = client}, false);
        request(table, (struct wire){.what = "ACK", .to_tag = "t1", .client = client});
        assert_true(ask(table, client, WIRE_START_NS).proven);
    }
    assert_int_equal(proof_used(table), 4);
    assert_true(proof_evicted(table) > 0);
    proof_close(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_sent_to_whom),
        cmocka_unit_test(makes_doubt),
        cmocka_unit_test(by_sip),
        cmocka_unit_test(expires),
        cmocka_unit_test(by_tcp),
        cmocka_unit_test(by_stun),
        cmocka_unit_test(by_rtcp),
        cmocka_unit_test(good_accounts),
        cmocka_unit_test(flood),
        cmocka_unit_test(changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
