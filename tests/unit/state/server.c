/* Servers: what is told of whom, when an answer is owed, and that sweeps and forged sources make
 * neither facts nor room. */
#include "wire.h"

#include "sensor/state/proof.h"
#include "sensor/state/server.h"

enum { TOLD_MAX = 512 };

struct told {
    struct server server;
    struct server_around around;
    uint64_t second;
};

struct stage {
    struct server_table *servers;
    struct transaction_table *transactions;
    struct proof_table *proof;
    struct told told[TOLD_MAX];
    unsigned count;
    uint64_t number;
    uint64_t mark_s;
};

static void on_change(void *owner, const struct change *change)
{
    struct stage *stage = owner;

    if (change->kind != CHANGE_SERVER) {
        return;
    }
    struct told *told = &stage->told[stage->count++ % TOLD_MAX];
    told->server = *change->server;
    told->second = change->second;
    server_around(stage->servers, change->server, stage->proof, &told->around);
}

static void stage_open(struct stage *stage, uint32_t servers_max)
{
    struct change_sink sink = {.on_change = on_change, .owner = stage};
    struct transaction_limits limits = {.transactions_max = 4096, .key = HASH_KEY_FIXED};
    struct error error;

    memset(stage, 0, sizeof *stage);
    assert_int_equal(server_open(servers_max, HASH_KEY_FIXED, sink, &stage->servers, &error),
                     STATUS_OK);
    assert_int_equal(transaction_open(&limits, sink, &stage->transactions, &error), STATUS_OK);
    assert_int_equal(proof_open(1024, HASH_KEY_FIXED, &stage->proof, &error), STATUS_OK);
    assert_true(server_bytes_max(servers_max) > server_bytes_max(servers_max / 2));
}

static void stage_close(struct stage *stage)
{
    server_close(stage->servers);
    transaction_close(stage->transactions);
    proof_close(stage->proof);
}

static void say(struct stage *stage, struct wire wire)
{
    const struct sip_sighting *sip = wire_sip(&wire, ++stage->number);
    struct transaction_view view;

    transaction_see(stage->transactions, sip, &view);
    if (sip_is_response(&sip->message) && view.transaction != NULL &&
        view.transaction->started_ns != 0) {
        proof_see_answer(stage->proof, sip, view.transaction->in_dialog);
    }
    server_see(stage->servers, sip, &view, stage->proof);
}

#define SAY(stage, ...) say(stage, (struct wire){__VA_ARGS__})

/* So many seconds after the start. */
static void mark(struct stage *stage, uint32_t second)
{
    stage->mark_s = time_second(WIRE_START_NS) + second;
    server_mark(stage->servers, stage->mark_s, 0);
}

static const struct told *last(const struct stage *stage)
{
    assert_true(stage->count > 0);
    return &stage->told[(stage->count - 1) % TOLD_MAX];
}

static void know(struct stage *stage, const char *client)
{
    struct endpoint who = wire_endpoint(client);

    proof_good_account(stage->proof, &who.addr, 77, WIRE_START_NS);
}

/* `count` requests from `from` on, each its own transaction. */
static void ask(struct stage *stage, const char *client, const char *server, uint32_t from,
                uint32_t count, uint32_t at_ms, bool answered)
{
    char call_id[32];

    for (uint32_t i = from; i < from + count; i++) {
        (void)snprintf(call_id, sizeof call_id, "%u-%.15s", i, client);
        SAY(stage, .at_ms = at_ms, .what = "OPTIONS", .cseq = i + 1, .call_id = call_id,
            .client = client, .server = server);
        if (answered) {
            SAY(stage, .at_ms = at_ms + 100, .what = "200 OPTIONS", .cseq = i + 1,
                .call_id = call_id, .client = client, .server = server);
        }
    }
}

static void counts(void **unused)
{
    struct stage stage;

    (void)unused;
    stage_open(&stage, 64);
    know(&stage, "192.0.2.30:5060");
    ask(&stage, "192.0.2.30:5060", WIRE_SERVER, 0, 6, 100, true);
    ask(&stage, "192.0.2.31:5060", WIRE_SERVER, 0, 3, 200, false);
    SAY(&stage, .at_ms = 210, .what = "OPTIONS", .cseq = 1, .call_id = "0-192.0.2.31:5060",
        .client = "192.0.2.31:5060"); /* a copy */
    SAY(&stage, .at_ms = 220, .what = "ACK", .call_id = "none");
    mark(&stage, 1);
    assert_int_equal(stage.count, 1);
    const struct server *server = &last(&stage)->server;
    assert_int_equal(server->second.requests[SIP_METHOD_OPTIONS], 9);
    assert_int_equal(server->second.unknown[SIP_METHOD_OPTIONS], 3);
    assert_int_equal(server->second.requests[SIP_METHOD_ACK], 0);
    assert_int_equal(server->second.sources, 2);
    assert_int_equal(server->second.sources_new, 1);
    assert_int_equal(server->second.first_answers, 6);
    assert_int_equal(server->second.first_answer_ns_sum, 600 * NS_PER_MS);
    assert_int_equal(server->answered, 6);
    assert_int_equal(server->waiting.requests, 0); /* who waits is nobody */
    mark(&stage, 2);
    assert_int_equal(stage.count, 1);
    stage_close(&stage);
}

/* A sweep of dark addresses, from as many forged sources, tells nothing and pushes out nobody who
 * answered. */
static void sweep(void **unused)
{
    struct stage stage;
    char server[24];
    char client[24];

    (void)unused;
    stage_open(&stage, 64);
    ask(&stage, "192.0.2.30:5060", WIRE_SERVER, 0, 2, 0, true);
    for (uint32_t i = 0; i < 5000; i++) {
        (void)snprintf(server, sizeof server, "10.%u.%u.1:5060", i / 250, i % 250);
        (void)snprintf(client, sizeof client, "10.%u.%u.2:5060", 100 + i / 250, i % 250);
        ask(&stage, client, server, i, 1, 10 + i / 10, false);
    }
    mark(&stage, 1);
    assert_int_equal(stage.count, 0);
    assert_true(server_used(stage.servers) <= 64);
    assert_true(server_evicted(stage.servers) > 4000);
    ask(&stage, "192.0.2.30:5060", WIRE_SERVER, 2, 18, 1100, true);
    mark(&stage, 2);
    assert_int_equal(last(&stage)->server.answered, 20); /* it is still the same entry */
    stage_close(&stage);
}

/* It lived and owes an answer: told each second for a minute, then every ten, until nobody has
 * asked for ten minutes. An answer ends it. */
static void owing(void **unused)
{
    struct stage stage;

    (void)unused;
    stage_open(&stage, 64);
    know(&stage, "192.0.2.30:5060");
    know(&stage, "192.0.2.31:5060");
    ask(&stage, "192.0.2.30:5060", WIRE_SERVER, 0, 20, 0, true);
    mark(&stage, 1);
    stage.count = 0;
    ask(&stage, "192.0.2.30:5060", WIRE_SERVER, 100, 2, 1100, false);
    ask(&stage, "192.0.2.31:5060", WIRE_SERVER, 200, 1, 1200, false);
    for (uint32_t second = 2; second <= 1000; second++) {
        mark(&stage, second);
    }
    assert_in_range(stage.count, 60 + 52, 60 + 56);
    assert_int_equal(last(&stage)->server.waiting.requests, 3);
    assert_int_equal(last(&stage)->server.waiting.askers, 2);
    ask(&stage, "192.0.2.30:5060", WIRE_SERVER, 300, 3, 1000100, false);
    for (uint32_t second = 1001; second <= 1010; second++) {
        mark(&stage, second);
    }
    assert_int_equal(last(&stage)->server.waiting.requests, 6);
    ask(&stage, "192.0.2.30:5060", WIRE_SERVER, 400, 1, 1010100, true);
    stage.count = 0;
    for (uint32_t second = 1011; second <= 1030; second++) {
        mark(&stage, second);
    }
    assert_int_equal(stage.count, 0);
    stage_close(&stage);
}

/* The asker is a server that others ask; another trunk of his is a route; what happens elsewhere is
 * counted from the silence on. */
static void trunks(void **unused)
{
    struct stage stage;
    const char *pbx = "192.0.2.10:5060";

    (void)unused;
    stage_open(&stage, 64);
    ask(&stage, "192.0.2.30:5060", pbx, 0, 12, 0, true);
    ask(&stage, "192.0.2.31:5060", pbx, 0, 12, 0, true);
    ask(&stage, pbx, "198.51.100.1:5060", 100, 20, 100, true);
    ask(&stage, pbx, "198.51.100.2:5060", 200, 20, 100, true);
    mark(&stage, 1);
    ask(&stage, pbx, "198.51.100.1:5060", 300, 3, 1100, false);
    ask(&stage, pbx, "198.51.100.2:5060", 400, 2, 1200, true);
    stage.count = 0;
    mark(&stage, 2);
    assert_int_equal(stage.count, 1);
    const struct told *told = last(&stage);
    assert_int_equal(told->server.waiting.requests, 3);
    assert_int_equal(told->around.waiting_servers, 1);
    assert_int_equal(told->around.routes, 1);
    assert_int_equal(told->around.elsewhere_requests, 2);
    assert_int_equal(told->around.elsewhere_answers, 2);
    ask(&stage, pbx, "198.51.100.2:5060", 500, 3, 2100, false); /* no way out either */
    mark(&stage, 3);
    assert_int_equal(last(&stage)->around.routes, 0);
    stage_close(&stage);
}

static void refuse(struct stage *stage, const char *client, const char *server, uint8_t transport,
                   enum undelivered why, uint32_t at_ms)
{
    struct endpoint source = wire_endpoint(client);
    struct endpoint destination = wire_endpoint(server);
    struct refused_sighting refused = {.head = {.kind = SIGHTING_REFUSED,
                                                .transport = transport,
                                                .key = ++stage->number << 1 | 1,
                                                .state_ns = WIRE_START_NS + at_ms * NS_PER_MS,
                                                .source = source.addr,
                                                .source_port = source.port,
                                                .destination = destination.addr,
                                                .destination_port = destination.port},
                                       .told_by = destination.addr,
                                       .why = (uint8_t)why};

    server_see_refused(stage->servers, &refused, stage->proof);
}

/* Refusals count where a request waits, or a connection is wanted by somebody known; told from the
 * second on; an answer ends them. */
static void refusals(void **unused)
{
    struct stage stage;
    const char *pbx = "192.0.2.10:5060";
    const char *trunk = "198.51.100.1:5060";

    (void)unused;
    stage_open(&stage, 64);
    ask(&stage, "192.0.2.30:5060", pbx, 0, 20, 0, true);
    ask(&stage, "192.0.2.31:5060", pbx, 0, 2, 0, true);
    ask(&stage, pbx, trunk, 100, 19, 100, true);
    refuse(&stage, pbx, trunk, PROTOCOL_TCP, UNDELIVERED_CONNECTION, 250); /* it has not lived */
    ask(&stage, pbx, trunk, 200, 1, 300, true);
    mark(&stage, 1);
    stage.count = 0;
    refuse(&stage, pbx, trunk, PROTOCOL_UDP, UNDELIVERED_PORT, 1100); /* nothing waits */
    ask(&stage, pbx, trunk, 300, 1, 1200, false);
    refuse(&stage, "192.0.2.99:5060", trunk, PROTOCOL_UDP, UNDELIVERED_PORT, 1210); /* not his */
    refuse(&stage, pbx, "198.51.100.1:5070", PROTOCOL_UDP, UNDELIVERED_PORT, 1220);
    refuse(&stage, "192.0.2.99:40000", trunk, PROTOCOL_TCP, UNDELIVERED_CONNECTION, 1230);
    refuse(&stage, pbx, trunk, PROTOCOL_UDP, UNDELIVERED_PORT, 1300);
    mark(&stage, 2);
    assert_int_equal(stage.count, 0); /* one is none */
    refuse(&stage, "192.0.2.10:40000", trunk, PROTOCOL_TCP, UNDELIVERED_CONNECTION, 2100);
    mark(&stage, 3);
    assert_int_equal(stage.count, 1);
    const struct server_waiting *waiting = &last(&stage)->server.waiting;
    assert_int_equal(waiting->requests, 1);
    assert_int_equal(waiting->refusals, 2);
    assert_int_equal(waiting->refusal, UNDELIVERED_CONNECTION);
    assert_int_equal(waiting->refused_since_ns, WIRE_START_NS + 1300 * NS_PER_MS);
    assert_int_equal(waiting->refused_last_ns, WIRE_START_NS + 2100 * NS_PER_MS);
    assert_int_equal(waiting->askers, 1);
    assert_int_equal(last(&stage)->around.waiting_servers, 1);
    assert_int_equal(last(&stage)->server.last_number, stage.number);
    ask(&stage, pbx, trunk, 400, 1, 3100, true);
    refuse(&stage, "192.0.2.10:40000", trunk, PROTOCOL_TCP, UNDELIVERED_CONNECTION, 3200);
    refuse(&stage, "192.0.2.10:40000", trunk, PROTOCOL_TCP, UNDELIVERED_CONNECTION, 3210);
    mark(&stage, 4);
    assert_int_equal(stage.count, 1); /* it answers over UDP, and nobody waits */
    SAY(&stage, .at_ms = 4010, .what = "OPTIONS", .cseq = 1, .call_id = "tcp", .client = pbx,
        .server = trunk, .by_tcp = true);
    SAY(&stage, .at_ms = 4020, .what = "200 OPTIONS", .cseq = 1, .call_id = "tcp", .client = pbx,
        .server = trunk, .by_tcp = true);
    refuse(&stage, pbx, trunk, PROTOCOL_TCP, UNDELIVERED_RESET, 4030); /* an idle connection */
    refuse(&stage, "192.0.2.10:40001", trunk, PROTOCOL_TCP, UNDELIVERED_CONNECTION, 4100);
    refuse(&stage, "192.0.2.10:40002", trunk, PROTOCOL_TCP, UNDELIVERED_CONNECTION, 4200);
    mark(&stage, 5); /* connections alone */
    assert_int_equal(stage.count, 2);
    assert_int_equal(last(&stage)->server.waiting.requests, 0);
    assert_int_equal(last(&stage)->server.waiting.refusals, 2);
    assert_int_equal(last(&stage)->around.waiting_servers, 1);
    for (uint32_t second = 6; second <= 1000; second++) {
        mark(&stage, second);
    }
    assert_in_range(stage.count, 60 + 52, 60 + 57); /* as what owes an answer */
    stage_close(&stage);
}

/* The port of a service is where it answers: a stranger's request to another moves it nowhere. */
static void strangers_move_no_port(void **unused)
{
    struct stage stage;
    const char *pbx = "192.0.2.10:5060";
    const char *trunk = "198.51.100.1:5080";

    (void)unused;
    stage_open(&stage, 64);
    ask(&stage, "192.0.2.30:5060", pbx, 0, 20, 0, true);
    ask(&stage, "203.0.113.66:5060", "198.51.100.1:9", 90, 1, 50, false);
    ask(&stage, pbx, trunk, 100, 20, 100, true);
    mark(&stage, 1);
    ask(&stage, "203.0.113.66:5060", "198.51.100.1:9", 91, 1, 1100,
        false); /* first of its second */
    ask(&stage, pbx, trunk, 300, 1, 1200, false);
    refuse(&stage, pbx, trunk, PROTOCOL_UDP, UNDELIVERED_PORT, 1300);
    refuse(&stage, pbx, trunk, PROTOCOL_UDP, UNDELIVERED_PORT, 1400);
    stage.count = 0;
    mark(&stage, 2);
    assert_int_equal(stage.count, 1);
    assert_int_equal(last(&stage)->server.waiting.refusals, 2);
    assert_int_equal(last(&stage)->server.endpoint.port, 5080);
    stage_close(&stage);
}

/* A call that failed here is lost, unless the same two meet elsewhere within ten seconds. */
static void lost_calls(void **unused)
{
    static const struct {
        uint32_t after_ms; /* the second try; 0 = none */
        const char *status;
        const char *first;
        unsigned lost;
    } rows[] = {
        {0, NULL, "503 INVITE", 1},
        {2000, "200 INVITE", "503 INVITE", 0},
        {2000, "503 INVITE", "503 INVITE", 1},
        {11000, "200 INVITE", "503 INVITE", 1},
        {0, NULL, "486 INVITE", 0},
        {0, NULL, "404 INVITE", 0},
    };

    (void)unused;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct stage stage;
        unsigned lost = 0;
        stage_open(&stage, 64);
        know(&stage, WIRE_CLIENT);
        SAY(&stage, .what = "INVITE", .call_id = "one");
        SAY(&stage, .at_ms = 50, .what = rows[i].first, .call_id = "one");
        for (uint32_t second = 1; second < 30; second++) {
            mark(&stage, second);
            if (rows[i].after_ms / 1000 == second) {
                SAY(&stage, .at_ms = rows[i].after_ms, .what = "INVITE", .call_id = "two",
                    .server = "198.51.100.2:5060");
                SAY(&stage, .at_ms = rows[i].after_ms + 50, .what = rows[i].status,
                    .call_id = "two", .server = "198.51.100.2:5060");
            }
        }
        for (unsigned told = 0; told < stage.count; told++) {
            struct endpoint server = wire_endpoint(WIRE_SERVER);
            if (addr_equal(&stage.told[told].server.endpoint.addr, &server.addr)) {
                lost += stage.told[told].server.second.calls_lost;
            }
        }
        assert_int_equal(lost, rows[i].lost);
        stage_close(&stage);
    }
}

/* A call is lost at the carrier that refused it, not at the proxy that said so to the phone. */
static void lost_further_on(void **unused)
{
    struct stage stage;
    unsigned lost = 0;

    (void)unused;
    stage_open(&stage, 64);
    know(&stage, WIRE_CLIENT);
    know(&stage, "192.0.2.11:5060");
    SAY(&stage, .what = "INVITE");
    SAY(&stage, .at_ms = 1, .what = "INVITE", .vias = 2, .client = "192.0.2.11:5060",
        .server = "203.0.113.20:5060");
    SAY(&stage, .at_ms = 2, .what = "503 INVITE", .vias = 2, .client = "192.0.2.11:5060",
        .server = "203.0.113.20:5060");
    SAY(&stage, .at_ms = 3, .what = "503 INVITE");
    for (uint32_t second = 1; second < 15; second++) {
        mark(&stage, second);
    }
    struct endpoint carrier = wire_endpoint("203.0.113.20:5060");
    for (unsigned told = 0; told < stage.count; told++) {
        const struct server *server = &stage.told[told].server;
        lost += server->second.calls_lost;
        assert_true(server->second.calls_lost == 0 ||
                    addr_equal(&server->endpoint.addr, &carrier.addr));
    }
    assert_int_equal(lost, 1);
    stage_close(&stage);
}

/* A confirmed clock jump: what is owed is no older by it. */
static void jump(void **unused)
{
    struct stage stage;

    (void)unused;
    stage_open(&stage, 64);
    know(&stage, "192.0.2.30:5060");
    ask(&stage, "192.0.2.30:5060", WIRE_SERVER, 0, 20, 0, true);
    ask(&stage, "192.0.2.30:5060", WIRE_SERVER, 100, 3, 900, false);
    mark(&stage, 1);
    server_mark(stage.servers, stage.mark_s + 365 * 86400, 365 * NS_PER_DAY);
    uint64_t now_ns = (stage.mark_s + 365 * 86400) * NS_PER_S;
    assert_true(time_since(now_ns, last(&stage)->server.waiting.since_ns) <= NS_PER_S);
    stage_close(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts),     cmocka_unit_test(sweep),
        cmocka_unit_test(owing),      cmocka_unit_test(trunks),
        cmocka_unit_test(refusals),   cmocka_unit_test(strangers_move_no_port),
        cmocka_unit_test(lost_calls), cmocka_unit_test(lost_further_on),
        cmocka_unit_test(jump),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
