/* Transactions: what is a copy, what ends one, what the end says. */
#include "wire.h"

struct ended {
    struct transaction transaction; /* texts are checked while they stand */
    char call_id[300];
    char uri_user[64];
    bool forced;
    bool has_sip;
    uint64_t time_ns;
};

struct stage {
    struct transaction_table *table;
    struct transaction_view view;
    uint64_t number;
    struct ended ended[WIRE_LOG];
    unsigned ended_count;
};

static void copy_text(char *out, size_t room, struct slice text)
{
    size_t bytes = text.bytes < room - 1 ? text.bytes : room - 1;
    if (bytes > 0) {
        memcpy(out, text.at, bytes);
    }
    out[bytes] = '\0';
}

static void on_change(void *owner, const struct change *change)
{
    struct stage *stage = owner;

    assert_int_equal(change->kind, CHANGE_TRANSACTION_ENDED);
    assert_true(stage->ended_count < WIRE_LOG);
    struct ended *ended = &stage->ended[stage->ended_count++];
    ended->transaction = *change->transaction;
    ended->transaction.id = transaction_id(change->transaction);
    ended->forced = change->forced;
    ended->has_sip = change->sip != NULL;
    ended->time_ns = change->time_ns;
    copy_text(ended->call_id, sizeof ended->call_id, change->transaction->call_id);
    copy_text(ended->uri_user, sizeof ended->uri_user, change->transaction->uri_user);
}

static void stage_open(struct stage *stage, uint32_t transactions_max)
{
    struct transaction_limits limits = {.transactions_max = transactions_max,
                                        .key = HASH_KEY_FIXED};
    struct change_sink sink = {.on_change = on_change, .owner = stage};
    struct error error;

    memset(stage, 0, sizeof *stage);
    assert_int_equal(transaction_open(&limits, sink, &stage->table, &error), STATUS_OK);
}

static const struct transaction_view *say(struct stage *stage, struct wire wire)
{
    transaction_see(stage->table, wire_sip(&wire, ++stage->number), &stage->view);
    return &stage->view;
}

#define SAY(stage, ...) say(stage, (struct wire){__VA_ARGS__})

static void wait_until(struct stage *stage, uint32_t from_s, uint32_t to_s)
{
    for (uint32_t second = from_s; second <= to_s; second++) {
        transaction_mark(stage->table, wire_second(second), 0);
    }
}

#define CREDENTIALS                                                                                \
    "Authorization: Digest username=\"2001\", realm=\"pbx\", nonce=\"n1\", uri=\"sip:pbx\", "      \
    "response=\"aa\"\r\n"
#define CREDENTIALS_OF(nonce, response)                                                            \
    "Authorization: Digest username=\"2001\", realm=\"pbx\", nonce=\"" nonce                       \
    "\", uri=\"sip:pbx\", response=\"" response "\"\r\n"
#define CHALLENGE(nonce) "WWW-Authenticate: Digest realm=\"pbx\", nonce=\"" nonce "\"\r\n"
#define CHALLENGE_STALE(nonce)                                                                     \
    "WWW-Authenticate: Digest realm=\"pbx\", nonce=\"" nonce "\", stale=TRUE\r\n"

static void answered(void **unused)
{
    static struct stage stage;
    (void)unused;

    stage_open(&stage, 16);
    assert_false(SAY(&stage, .what = "OPTIONS", .headers = CREDENTIALS)->is_retransmission);
    assert_true(
        SAY(&stage, .at_ms = 500, .what = "OPTIONS", .headers = CREDENTIALS)->is_retransmission);
    const struct transaction_view *view = SAY(&stage, .at_ms = 700, .what = "200 OPTIONS");
    assert_true(view->is_first_final);
    assert_false(view->is_retransmission);
    assert_text(view->transaction->call_id, "c1@pbx.example");
    assert_int_equal(stage.ended_count, 1);
    const struct transaction *ended = &stage.ended[0].transaction;
    assert_int_equal(ended->status, 200);
    assert_int_equal(ended->retransmits_request, 1);
    assert_int_equal(ended->number, 1);
    assert_int_equal(ended->final_ns - ended->started_ns, 700 * NS_PER_MS);
    assert_true(ended->has_credentials && ended->ended && ended->user_exists);
    assert_false(ended->auth_failure || ended->challenged || ended->timeout);
    assert_string_equal(stage.ended[0].call_id, "c1@pbx.example");
    assert_string_equal(stage.ended[0].uri_user, "2001");
    assert_true(ended->id.high != 0 || ended->id.low != 0);
    assert_true(stage.ended[0].has_sip);
    /* copies behind the end change nothing */
    view = SAY(&stage, .at_ms = 900, .what = "200 OPTIONS");
    assert_true(view->is_retransmission && !view->is_first_final);
    assert_int_equal(view->transaction->retransmits_response, 1);
    assert_true(SAY(&stage, .at_ms = 950, .what = "OPTIONS")->is_retransmission);
    view = SAY(&stage, .at_ms = 990, .what = "500 OPTIONS");
    assert_false(view->is_first_final || view->is_retransmission);
    wait_until(&stage, 1, 70);
    assert_int_equal(stage.ended_count, 1);
    assert_int_equal(transaction_used(stage.table), 0);
    transaction_close(stage.table);
}

/* One second before the time-out, at it, and what rang. */
static void timed_out(void **unused)
{
    static struct stage stage;
    (void)unused;

    stage_open(&stage, 16);
    SAY(&stage, .what = "INVITE");
    SAY(&stage, .at_ms = 10, .what = "OPTIONS", .call_id = "b");
    SAY(&stage, .at_ms = 20, .what = "MESSAGE", .call_id = "c");
    SAY(&stage, .at_ms = 25, .what = "100 MESSAGE", .call_id = "c");
    SAY(&stage, .at_ms = 30, .what = "INVITE", .call_id = "d");
    SAY(&stage, .at_ms = 2000, .what = "180 INVITE", .call_id = "d");
    wait_until(&stage, 1, 31);
    assert_int_equal(stage.ended_count, 0);
    wait_until(&stage, 32, 33);
    assert_int_equal(stage.ended_count, 3);
    static const char *order[] = {"c1@pbx.example", "b", "c"};
    for (unsigned i = 0; i < 3; i++) {
        assert_string_equal(stage.ended[i].call_id, order[i]);
        assert_true(stage.ended[i].transaction.timeout && !stage.ended[i].forced);
        assert_int_equal(stage.ended[i].transaction.status, 0);
        assert_false(stage.ended[i].has_sip);
    }
    /* an answer that comes too late ends nothing a second time */
    const struct transaction_view *view =
        SAY(&stage, .at_ms = 33500, .what = "200 OPTIONS", .call_id = "b");
    assert_false(view->is_first_final);
    assert_true(view->transaction->timeout);
    wait_until(&stage, 34, 181);
    assert_int_equal(stage.ended_count, 3);
    wait_until(&stage, 182, 214);
    assert_int_equal(stage.ended_count, 4);
    assert_string_equal(stage.ended[3].call_id, "d");
    assert_int_equal(stage.ended[3].transaction.provisional_count, 1);
    assert_int_equal(stage.ended[3].transaction.provisional[0], 180);
    assert_true(stage.ended[3].transaction.user_exists);
    transaction_close(stage.table);
}

static void invited(void **unused)
{
    static struct stage stage;
    (void)unused;

    stage_open(&stage, 16);
    SAY(&stage, .what = "INVITE");
    SAY(&stage, .at_ms = 1, .what = "100 INVITE");
    assert_false(SAY(&stage, .at_ms = 2, .what = "180 INVITE")->is_retransmission);
    assert_true(SAY(&stage, .at_ms = 3, .what = "180 INVITE")->is_retransmission);
    assert_true(SAY(&stage, .at_ms = 4, .what = "200 INVITE", .to_tag = "a")->is_first_final);
    const struct transaction_view *view =
        SAY(&stage, .at_ms = 5, .what = "200 INVITE", .to_tag = "b");
    assert_false(view->is_first_final || view->is_retransmission); /* another branch of a fork */
    view = SAY(&stage, .at_ms = 6, .what = "200 INVITE", .to_tag = "a");
    assert_true(view->is_retransmission);
    assert_null(SAY(&stage, .at_ms = 7, .what = "ACK", .branch = "z9hG4bK-new")->transaction);
    assert_int_equal(stage.ended_count, 1);
    assert_int_equal(stage.ended[0].transaction.provisional_count, 2);
    assert_int_equal(stage.ended[0].transaction.retransmits_response, 1);

    /* cancelled: three transactions' worth of messages are two, and an ACK */
    SAY(&stage, .at_ms = 100, .what = "INVITE", .call_id = "x");
    SAY(&stage, .at_ms = 200, .what = "CANCEL", .call_id = "x");
    assert_true(SAY(&stage, .at_ms = 201, .what = "200 CANCEL", .call_id = "x")->is_first_final);
    view = SAY(&stage, .at_ms = 202, .what = "487 INVITE", .call_id = "x");
    assert_true(view->is_first_final && view->transaction->cancelled);
    assert_false(SAY(&stage, .at_ms = 203, .what = "ACK", .call_id = "x")->is_retransmission);
    assert_true(SAY(&stage, .at_ms = 204, .what = "ACK", .call_id = "x")->is_retransmission);
    assert_int_equal(stage.ended_count, 3);
    assert_int_equal(stage.ended[1].transaction.method, SIP_METHOD_CANCEL);
    transaction_close(stage.table);
}

/* What is one transaction and what are two. Two messages each: does the second find the first? */
static void keys(void **unused)
{
    /* clang-format off */
    static const struct {
        const char *what;
        struct wire one;
        struct wire other;
        bool same;
    } rows[] = {
        {"answer", {.what = "OPTIONS"}, {.what = "200 OPTIONS"}, true},
        {"method", {.what = "OPTIONS", .branch = "z9hG4bK-x"}, {.what = "200 INFO", .branch = "z9hG4bK-x"}, false},
        {"unknown method", {.what = "FOO", .branch = "z9hG4bK-x"}, {.what = "200 FOO", .branch = "z9hG4bK-x"}, true},
        {"unknown methods", {.what = "FOO", .branch = "z9hG4bK-x"}, {.what = "200 BAR", .branch = "z9hG4bK-x"}, false},
        {"CSeq number", {.what = "OPTIONS", .branch = "z9hG4bK-x"}, {.what = "200 OPTIONS", .cseq = 2, .branch = "z9hG4bK-x"}, false},
        {"branch for all", {.what = "OPTIONS", .branch = "z9hG4bK-x"}, {.what = "200 OPTIONS", .call_id = "o", .branch = "z9hG4bK-x"}, false},
        {"branch", {.what = "OPTIONS", .branch = "z9hG4bK-x"}, {.what = "200 OPTIONS", .branch = "z9hG4bK-y"}, false},
        {"RFC 2543", {.what = "OPTIONS", .branch = ""}, {.what = "200 OPTIONS", .branch = ""}, true},
        {"no cookie", {.what = "OPTIONS", .branch = "1"}, {.what = "200 OPTIONS", .branch = "1"}, true},
        {"addresses", {.what = "OPTIONS"}, {.what = "200 OPTIONS", .server = "198.51.100.7:5070"}, true},
    };
    /* clang-format on */
    (void)unused;

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        static struct stage stage;
        stage_open(&stage, 16);
        say(&stage, rows[i].one);
        const struct transaction_view *view = say(&stage, rows[i].other);
        if ((stage.ended_count == 1) != rows[i].same || !view->is_first_final) {
            fail_msg("%s: ended %u", rows[i].what, stage.ended_count);
        }
        transaction_close(stage.table);
    }
}

/* One template sent to many servers is no retransmission; the same to the same is. */
static void templates(void **unused)
{
    static struct stage stage;
    (void)unused;

    stage_open(&stage, 16);
    SAY(&stage, .what = "OPTIONS");
    assert_false(SAY(&stage, .what = "OPTIONS", .server = "192.0.2.2:5060")->is_retransmission);
    assert_true(SAY(&stage, .what = "OPTIONS", .server = "192.0.2.1:5070")->is_retransmission);
    transaction_close(stage.table);
}

static void answer_first(void **unused)
{
    static struct stage stage;
    (void)unused;

    stage_open(&stage, 16);
    assert_true(SAY(&stage, .what = "403 REGISTER")->is_first_final);
    assert_int_equal(stage.ended_count, 0);
    const struct transaction_view *view =
        SAY(&stage, .at_ms = 1, .what = "REGISTER", .headers = CREDENTIALS);
    assert_false(view->is_retransmission || view->is_first_final);
    assert_int_equal(stage.ended_count, 1);
    assert_int_equal(stage.ended[0].transaction.status, 403);
    assert_true(stage.ended[0].transaction.auth_failure);
    assert_true(stage.ended[0].transaction.started_ns != 0);
    assert_false(stage.ended[0].has_sip);
    /* one whose request never comes: told, and said so */
    SAY(&stage, .at_ms = 10, .what = "200 OPTIONS", .call_id = "y");
    SAY(&stage, .at_ms = 11, .what = "180 INVITE", .call_id = "z");
    wait_until(&stage, 1, 40);
    assert_int_equal(stage.ended_count, 2);
    assert_int_equal(stage.ended[1].transaction.started_ns, 0);
    assert_int_equal(stage.ended[1].transaction.status, 200);
    assert_false(stage.ended[1].transaction.timeout);
    /* provisional first, then request, then final */
    SAY(&stage, .at_ms = 50000, .what = "180 INVITE", .call_id = "w");
    SAY(&stage, .at_ms = 50001, .what = "INVITE", .call_id = "w");
    SAY(&stage, .at_ms = 50002, .what = "200 INVITE", .call_id = "w");
    assert_int_equal(stage.ended_count, 3);
    assert_int_equal(stage.ended[2].transaction.provisional_count, 1);
    transaction_close(stage.table);
}

static void hops(void **unused)
{
    static struct stage stage;
    (void)unused;

    stage_open(&stage, 16);
    SAY(&stage, .what = "INVITE");
    SAY(&stage, .at_ms = 1, .what = "INVITE", .vias = 2, .client = "192.0.2.1:5060",
        .server = "192.0.2.5:5060");
    SAY(&stage, .at_ms = 2, .what = "INVITE", .vias = 3, .client = "192.0.2.5:5060",
        .server = "192.0.2.6:5060");
    SAY(&stage, .at_ms = 3, .what = "486 INVITE", .vias = 3);
    SAY(&stage, .at_ms = 4, .what = "486 INVITE", .vias = 2);
    SAY(&stage, .at_ms = 5, .what = "486 INVITE");
    assert_int_equal(stage.ended_count, 3);
    assert_true(stage.ended[0].transaction.upper_hop);
    assert_true(stage.ended[1].transaction.upper_hop);
    assert_false(stage.ended[2].transaction.upper_hop);
    assert_int_equal(stage.ended[0].transaction.vias, 3);
    /* only the upper hop is tapped: then it is the lowest that was seen */
    SAY(&stage, .at_ms = 9, .what = "INVITE", .vias = 2, .call_id = "u");
    SAY(&stage, .at_ms = 10, .what = "486 INVITE", .vias = 2, .call_id = "u");
    assert_false(stage.ended[3].transaction.upper_hop);
    transaction_close(stage.table);
}

#define PHONE "192.0.2.10:5060"
#define PROXY "192.0.2.11:5060"
#define CARRIER "203.0.113.20:5060"
#define OTHER_CARRIER "203.0.113.30:5060"
#define UNDER_PHONE "Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK-INVITE-1-0\r\n"

/* The proxy's second branch of the same request. */
static void say_branch(struct stage *stage, const char *what)
{
    SAY(stage, .at_ms = 3, .what = what, .branch = "z9hG4bK-second", .headers = UNDER_PHONE,
        .client = PROXY, .server = OTHER_CARRIER);
}

/* Phone, proxy, one carrier or two: is what the proxy says its own? */
static void passed_on(void **unused)
{
    static const struct {
        const char *first; /* answer of a carrier; NULL = not asked */
        const char *second;
        const char *proxy;
        bool passed_on;
    } rows[] = {
        {"503 INVITE", NULL, "503 INVITE", true},
        {"404 INVITE", NULL, "404 INVITE", true},
        {"503 INVITE", NULL, "500 INVITE", true}, /* RFC 3261 section 16.7, step 6 */
        {"500 INVITE", NULL, "503 INVITE", false},
        {"503 INVITE", NULL, "480 INVITE", false},
        {"503 INVITE", "200 INVITE", "200 INVITE", true},
        {"503 INVITE", "404 INVITE", "503 INVITE", true},
        {"503 INVITE", "200 INVITE", "408 INVITE", false},
        {NULL, NULL, "503 INVITE", false},
    };
    (void)unused;

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        static struct stage stage;
        stage_open(&stage, 16);
        SAY(&stage, .what = "INVITE", .client = PHONE, .server = PROXY);
        if (rows[i].first != NULL) {
            SAY(&stage, .at_ms = 1, .what = "INVITE", .vias = 2, .client = PROXY,
                .server = CARRIER);
            SAY(&stage, .at_ms = 2, .what = rows[i].first, .vias = 2, .client = PROXY,
                .server = CARRIER);
            SAY(&stage, .at_ms = 2, .what = rows[i].first, .vias = 2, .client = PROXY,
                .server = CARRIER); /* a copy */
        }
        if (rows[i].second != NULL) {
            say_branch(&stage, "INVITE");
            say_branch(&stage, rows[i].second);
        }
        SAY(&stage, .at_ms = 5, .what = rows[i].proxy, .client = PHONE, .server = PROXY);
        unsigned hops = 1U + (rows[i].first != NULL) + (rows[i].second != NULL);
        assert_int_equal(stage.ended_count, hops);
        for (unsigned hop = 0; hop < hops; hop++) {
            bool last = hop == hops - 1;
            assert_int_equal(stage.ended[hop].transaction.upper_hop, !last);
            assert_int_equal(stage.ended[hop].transaction.passed_on, last && rows[i].passed_on);
        }
        transaction_close(stage.table);
    }
}

/* Three hops: each is asked for by the one below, also where one of them is not seen. */
static void passed_on_twice(void **unused)
{
    static struct stage stage;
    (void)unused;

    for (unsigned middle = 0; middle < 2; middle++) {
        stage_open(&stage, 16);
        SAY(&stage, .what = "INVITE", .client = PHONE, .server = PROXY);
        if (middle == 1) {
            SAY(&stage, .at_ms = 1, .what = "INVITE", .vias = 2, .client = PROXY,
                .server = "192.0.2.12:5060");
        }
        SAY(&stage, .at_ms = 2, .what = "INVITE", .vias = 3, .client = "192.0.2.12:5060",
            .server = CARRIER);
        SAY(&stage, .at_ms = 3, .what = "503 INVITE", .vias = 3, .client = "192.0.2.12:5060",
            .server = CARRIER);
        assert_false(stage.ended[0].transaction.passed_on);
        if (middle == 1) {
            SAY(&stage, .at_ms = 4, .what = "503 INVITE", .vias = 2, .client = PROXY,
                .server = "192.0.2.12:5060");
            assert_true(stage.ended[1].transaction.passed_on);
        }
        SAY(&stage, .at_ms = 5, .what = "503 INVITE", .client = PHONE, .server = PROXY);
        assert_int_equal(stage.ended_count, middle + 2);
        assert_true(stage.ended[middle + 1].transaction.passed_on);
        transaction_close(stage.table);
    }
}

/* The mirror tells the hop further on first, or its answer before its request. */
static void hops_out_of_order(void **unused)
{
    static struct stage stage;
    (void)unused;

    stage_open(&stage, 16);
    SAY(&stage, .what = "INVITE", .vias = 2, .client = PROXY, .server = CARRIER);
    SAY(&stage, .at_ms = 1, .what = "INVITE", .client = PHONE, .server = PROXY);
    SAY(&stage, .at_ms = 2, .what = "503 INVITE", .vias = 2, .client = PROXY, .server = CARRIER);
    SAY(&stage, .at_ms = 3, .what = "503 INVITE", .client = PHONE, .server = PROXY);
    assert_int_equal(stage.ended_count, 2);
    assert_true(stage.ended[0].transaction.upper_hop);
    assert_true(stage.ended[1].transaction.passed_on && !stage.ended[1].transaction.upper_hop);
    SAY(&stage, .at_ms = 10, .what = "INVITE", .cseq = 2, .client = PHONE, .server = PROXY);
    SAY(&stage, .at_ms = 11, .what = "503 INVITE", .cseq = 2, .vias = 2, .client = PROXY,
        .server = CARRIER);
    SAY(&stage, .at_ms = 12, .what = "INVITE", .cseq = 2, .vias = 2, .client = PROXY,
        .server = CARRIER);
    SAY(&stage, .at_ms = 13, .what = "503 INVITE", .cseq = 2, .client = PHONE, .server = PROXY);
    assert_int_equal(stage.ended_count, 4);
    assert_true(stage.ended[2].transaction.upper_hop);
    assert_true(stage.ended[3].transaction.passed_on);
    transaction_close(stage.table);
}

/* Nobody is a hop of himself: a guesser would be heard once. But a host may ask itself. */
static void no_hop(void **unused)
{
    static struct stage stage;
    (void)unused;

    stage_open(&stage, 16);
    SAY(&stage, .what = "REGISTER", .client = PHONE, .server = PROXY);
    SAY(&stage, .at_ms = 1, .what = "REGISTER", .vias = 2, .client = PHONE, .server = PROXY);
    SAY(&stage, .at_ms = 2, .what = "403 REGISTER", .vias = 2, .client = PHONE, .server = PROXY);
    assert_false(stage.ended[0].transaction.upper_hop);
    SAY(&stage, .at_ms = 3, .what = "INVITE", .headers = UNDER_PHONE, .server = PROXY);
    SAY(&stage, .at_ms = 4, .what = "403 INVITE", .headers = UNDER_PHONE, .server = PROXY);
    assert_false(stage.ended[1].transaction.upper_hop || stage.ended[1].transaction.passed_on);
    SAY(&stage, .at_ms = 5, .what = "OPTIONS", .client = PHONE, .server = PROXY);
    SAY(&stage, .at_ms = 6, .what = "OPTIONS", .vias = 2, .client = PROXY,
        .server = "192.0.2.11:5080");
    SAY(&stage, .at_ms = 7, .what = "200 OPTIONS", .vias = 2, .client = PROXY,
        .server = "192.0.2.11:5080");
    assert_true(stage.ended[2].transaction.upper_hop);
    SAY(&stage, .at_ms = 8, .what = "INVITE", .headers = UNDER_PHONE, .call_id = "itself",
        .client = PROXY, .server = "192.0.2.11:5080");
    SAY(&stage, .at_ms = 9, .what = "403 INVITE", .headers = UNDER_PHONE, .call_id = "itself",
        .client = PROXY, .server = "192.0.2.11:5080");
    assert_false(stage.ended[3].transaction.upper_hop || stage.ended[3].transaction.passed_on);
    transaction_close(stage.table);
}

/* An invalid request is held until the addressed element takes it up. */
static void invalid(void **unused)
{
    static const struct {
        const char *answer;
        const char *server;
        bool promoted;
    } rows[] = {
        {"200 INVITE", WIRE_SERVER, true},  {"100 INVITE", WIRE_SERVER, true},
        {"403 INVITE", WIRE_SERVER, true},  {"400 INVITE", WIRE_SERVER, false},
        {"416 INVITE", WIRE_SERVER, false}, {"481 INVITE", WIRE_SERVER, false},
        {"505 INVITE", WIRE_SERVER, false}, {"500 INVITE", WIRE_SERVER, false},
        {"600 INVITE", WIRE_SERVER, true},  {"200 INVITE", "198.51.100.9:5060", false},
    };
    (void)unused;

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        static struct stage stage;
        stage_open(&stage, 16);
        const struct transaction_view *view = SAY(&stage, .what = "INVITE", .invalid = true);
        assert_non_null(view->transaction);
        assert_true(view->transaction->request_invalid);
        view = SAY(&stage, .at_ms = 5, .what = rows[i].answer, .server = rows[i].server);
        if (view->promoted != rows[i].promoted ||
            view->transaction->request_invalid == rows[i].promoted) {
            fail_msg("%s from %s: promoted %d", rows[i].answer, rows[i].server, view->promoted);
        }
        if (rows[i].promoted) {
            assert_text(view->transaction->uri_user, "2001");
        }
        transaction_close(stage.table);
    }
    static struct stage stage;
    stage_open(&stage, 16);
    SAY(&stage, .what = "INVITE", .invalid = true);
    wait_until(&stage, 1, 70);
    assert_int_equal(stage.ended_count, 0);
    assert_int_equal(transaction_used(stage.table), 0);
    transaction_close(stage.table);
}

struct round {
    const char *request; /* more headers */
    const char *answer; /* status */
    const char *headers;
};

/* Each row is a dialogue of one account; the last round is the one that is judged. */
static void judged(void **unused)
{
    /* clang-format off */
    static const struct {
        const char *what;
        struct round rounds[4];
        bool challenged;
        bool stale;
        bool failure;
    } rows[] = {
        {"challenge", {{NULL, "401", CHALLENGE("n1")}}, true, false, false},
        {"wrong password", {{NULL, "401", CHALLENGE("n1")}, {CREDENTIALS_OF("n1", "aa"), "401", CHALLENGE("n2")}}, false, false, true},
        {"wrong password, same nonce again", {{NULL, "401", CHALLENGE("n1")}, {CREDENTIALS_OF("n1", "aa"), "401", CHALLENGE("n1")}}, false, false, true},
        {"forbidden", {{NULL, "401", CHALLENGE("n1")}, {CREDENTIALS_OF("n1", "aa"), "403", NULL}}, false, false, true},
        {"forbidden without credentials", {{NULL, "403", NULL}}, false, false, false},
        {"said stale", {{NULL, "401", CHALLENGE("n1")}, {CREDENTIALS_OF("n1", "aa"), "401", CHALLENGE_STALE("n2")}}, false, true, false},
        {"older than the last", {{NULL, "401", CHALLENGE("n1")}, {NULL, "401", CHALLENGE("n2")}, {CREDENTIALS_OF("n1", "aa"), "401", CHALLENGE("n3")}}, false, true, false},
        {"older, and issued again", {{NULL, "401", CHALLENGE("n1")}, {NULL, "401", CHALLENGE("n2")}, {CREDENTIALS_OF("n1", "aa"), "401", CHALLENGE("n1")}}, false, false, true},
        {"had success", {{NULL, "401", CHALLENGE("n1")}, {CREDENTIALS_OF("n1", "aa"), "200", NULL}, {CREDENTIALS_OF("n1", "ab"), "401", CHALLENGE("n2")}}, false, true, false},
        {"from before the capture", {{CREDENTIALS_OF("n0", "aa"), "401", CHALLENGE("n1")}}, false, true, false},
        {"made up", {{NULL, "401", CHALLENGE("n1")}, {CREDENTIALS_OF("n0", "aa"), "401", CHALLENGE("n2")}}, false, false, true},
        {"other realm", {{"Authorization: Digest username=\"2001\", realm=\"old\", nonce=\"n1\", uri=\"sip:pbx\", response=\"aa\"\r\n", "401", CHALLENGE("n1")}}, false, true, false},
        {"other algorithm", {{NULL, "401", CHALLENGE("n1")}, {CREDENTIALS_OF("n1", "aa"), "401", "WWW-Authenticate: Digest realm=\"pbx\", nonce=\"n2\", algorithm=SHA-256\r\n"}}, false, true, false},
        {"one of several algorithms", {{NULL, "401", CHALLENGE("n1")}, {CREDENTIALS_OF("n1", "aa"), "401", "WWW-Authenticate: Digest realm=\"pbx\", nonce=\"n2\", algorithm=SHA-256\r\n" CHALLENGE("n2")}}, false, false, true},
        {"AKA resync", {{NULL, "401", CHALLENGE("n1")}, {"Authorization: Digest username=\"2001\", realm=\"pbx\", nonce=\"n1\", uri=\"sip:pbx\", response=\"aa\", auts=\"bb\"\r\n", "401", CHALLENGE("n2")}}, false, true, false},
        {"no challenge in it", {{NULL, "401", CHALLENGE("n1")}, {NULL, "401", CHALLENGE("n2")}, {CREDENTIALS_OF("n1", "aa"), "401", NULL}}, false, false, true},
    };
    /* clang-format on */
    (void)unused;

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        static struct stage stage;
        unsigned last = 0;
        stage_open(&stage, 64);
        for (uint32_t round = 0;
             round < COUNT_OF(rows[i].rounds) && rows[i].rounds[round].answer != NULL; round++) {
            char answer[32];
            (void)snprintf(answer, sizeof answer, "%s REGISTER", rows[i].rounds[round].answer);
            SAY(&stage, .at_ms = 100 * round, .cseq = round + 1, .what = "REGISTER",
                .headers = rows[i].rounds[round].request);
            SAY(&stage, .at_ms = 100 * round + 10, .cseq = round + 1, .what = answer,
                .headers = rows[i].rounds[round].headers);
            last = round;
        }
        const struct transaction *ended = &stage.ended[last].transaction;
        if (ended->challenged != rows[i].challenged || ended->stale != rows[i].stale ||
            ended->auth_failure != rows[i].failure) {
            fail_msg("%s: challenged %d stale %d failure %d", rows[i].what, ended->challenged,
                     ended->stale, ended->auth_failure);
        }
        transaction_close(stage.table);
    }
}

/* Whoever collects nonces and uses each when a newer one is out is found out after a few. */
static void excuses_are_rationed(void **unused)
{
    static struct stage stage;
    unsigned failures = 0;
    (void)unused;

    stage_open(&stage, 256);
    for (uint32_t i = 0; i < 20; i++) {
        char challenge[128];
        (void)snprintf(challenge, sizeof challenge, CHALLENGE("%s%u"), "c", i);
        SAY(&stage, .at_ms = i, .cseq = 1 + i, .what = "REGISTER");
        SAY(&stage, .at_ms = i, .cseq = 1 + i, .what = "401 REGISTER", .headers = challenge);
    }
    for (uint32_t i = 0; i < 10; i++) {
        char request[256];
        char challenge[128];
        (void)snprintf(request, sizeof request, CREDENTIALS_OF("%s%u", "aa"), "c", i);
        (void)snprintf(challenge, sizeof challenge, CHALLENGE("%s%u"), "d", i);
        SAY(&stage, .at_ms = 100 + i, .cseq = 100 + i, .what = "REGISTER", .headers = request);
        SAY(&stage, .at_ms = 100 + i, .cseq = 100 + i, .what = "401 REGISTER",
            .headers = challenge);
        failures += stage.ended[stage.ended_count - 1].transaction.auth_failure;
    }
    assert_int_equal(failures, 7);
    /* a success gives the ration back */
    SAY(&stage, .at_ms = 200, .cseq = 200, .what = "REGISTER",
        .headers = CREDENTIALS_OF("d9", "aa"));
    SAY(&stage, .at_ms = 201, .cseq = 200, .what = "200 REGISTER");
    SAY(&stage, .at_ms = 202, .cseq = 201, .what = "REGISTER",
        .headers = CREDENTIALS_OF("c15", "aa"));
    SAY(&stage, .at_ms = 203, .cseq = 201, .what = "401 REGISTER", .headers = CHALLENGE("e"));
    assert_true(stage.ended[stage.ended_count - 1].transaction.stale);
    transaction_close(stage.table);
}

/* At the end everything open is told in the order of first packets, also when the queue has another
 * order. */
static void forced(void **unused)
{
    static const char *ids[] = {"a", "b", "c"};
    static struct stage stage;
    (void)unused;

    stage_open(&stage, 16);
    SAY(&stage, .what = "INVITE", .call_id = "a");
    SAY(&stage, .at_ms = 1, .what = "180 INVITE", .call_id = "a");
    SAY(&stage, .at_ms = 30000, .what = "OPTIONS", .call_id = "b");
    SAY(&stage, .at_ms = 30001, .what = "OPTIONS", .call_id = "done");
    SAY(&stage, .at_ms = 30002, .what = "200 OPTIONS", .call_id = "done");
    wait_until(&stage, 31, 33); /* "a" goes behind the others in the queue */
    SAY(&stage, .at_ms = 33500, .what = "OPTIONS", .call_id = "c");
    assert_int_equal(stage.ended_count, 1);
    transaction_end(stage.table, WIRE_START_NS + 34 * NS_PER_S);
    assert_int_equal(stage.ended_count, 4);
    for (unsigned i = 0; i < 3; i++) {
        assert_string_equal(stage.ended[1 + i].call_id, ids[i]);
        assert_true(stage.ended[1 + i].forced);
        assert_false(stage.ended[1 + i].transaction.timeout);
        assert_int_equal(stage.ended[1 + i].time_ns, WIRE_START_NS + 34 * NS_PER_S);
    }
    assert_int_equal(transaction_used(stage.table), 0);
    transaction_close(stage.table);
}

/* Capacity 1, and a flood through 8: the oldest go, counted, told as nothing. */
static void full(void **unused)
{
    static const uint32_t sizes[] = {1, 8};
    (void)unused;

    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        static struct stage stage;
        stage_open(&stage, sizes[i]);
        char id[16];
        for (uint32_t call = 0; call < 100; call++) {
            (void)snprintf(id, sizeof id, "f%u", call);
            SAY(&stage, .at_ms = call, .what = "INVITE", .call_id = id);
        }
        assert_int_equal(transaction_used(stage.table), sizes[i]);
        assert_true(transaction_evicted(stage.table) >= 100 - sizes[i]);
        SAY(&stage, .at_ms = 200, .what = "200 INVITE", .call_id = "f99");
        assert_int_equal(stage.ended_count, 1);
        transaction_end(stage.table, WIRE_START_NS + NS_PER_S);
        assert_int_equal(stage.ended_count, sizes[i]);
        transaction_close(stage.table);
    }
}

/* Long texts are cut, the key and the id are not. */
static void long_texts(void **unused)
{
    static char call_id[2][2001];
    static struct stage stage;
    (void)unused;

    for (unsigned i = 0; i < 2; i++) {
        memset(call_id[i], 'x', 2000);
        call_id[i][1999] = i == 0 ? 'a' : 'b';
    }
    stage_open(&stage, 64);
    for (unsigned i = 0; i < 2; i++) {
        SAY(&stage, .at_ms = 0, .what = "OPTIONS", .call_id = call_id[i], .agent = call_id[0]);
        SAY(&stage, .at_ms = 1, .what = "200 OPTIONS", .call_id = call_id[i]);
    }
    assert_int_equal(stage.ended_count, 2);
    assert_int_equal(strlen(stage.ended[0].call_id), 96);
    assert_string_equal(stage.ended[0].call_id, stage.ended[1].call_id);
    assert_int_not_equal(stage.ended[0].transaction.id.low, stage.ended[1].transaction.id.low);
    /* all big cells are taken: then it is cut further, and still there */
    for (uint32_t i = 0; i < 40; i++) {
        char id[600];
        (void)snprintf(id, sizeof id, "%u-%.500s", i, call_id[0]);
        SAY(&stage, .at_ms = 2, .what = "OPTIONS", .call_id = id, .agent = call_id[0]);
    }
    transaction_end(stage.table, WIRE_START_NS + NS_PER_S);
    assert_int_equal(stage.ended_count, 42);
    assert_int_equal(strlen(stage.ended[41].call_id), 96);
    transaction_close(stage.table);
}

/* A confirmed jump of the clock ages nothing. */
static void jumped(void **unused)
{
    static struct stage stage;
    (void)unused;

    stage_open(&stage, 16);
    SAY(&stage, .at_ms = 500, .what = "OPTIONS");
    transaction_mark(stage.table, wire_second(1000000), 999999 * NS_PER_S);
    assert_int_equal(stage.ended_count, 0);
    transaction_mark(stage.table, wire_second(1000031), 0);
    assert_int_equal(stage.ended_count, 0);
    transaction_mark(stage.table, wire_second(1000033), 0);
    assert_int_equal(stage.ended_count, 1);
    transaction_close(stage.table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answered),
        cmocka_unit_test(timed_out),
        cmocka_unit_test(invited),
        cmocka_unit_test(keys),
        cmocka_unit_test(templates),
        cmocka_unit_test(answer_first),
        cmocka_unit_test(hops),
        cmocka_unit_test(passed_on),
        cmocka_unit_test(passed_on_twice),
        cmocka_unit_test(hops_out_of_order),
        cmocka_unit_test(no_hop),
        cmocka_unit_test(invalid),
        cmocka_unit_test(judged),
        cmocka_unit_test(excuses_are_rationed),
        cmocka_unit_test(forced),
        cmocka_unit_test(full),
        cmocka_unit_test(long_texts),
        cmocka_unit_test(jumped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
