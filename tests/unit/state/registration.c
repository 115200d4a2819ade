/* Registrations: the figures of docs/definitions.md, what becomes of bindings, how refusals are
 * told. */
#include "wire.h"

struct told {
    struct registration registration;
    char aor[128];
    char contact[128];
    char auth_user[64];
    char agent[128];
    char before_agent[128];
    char call_id[128];
    char realm[64];
    bool forced;
    bool has_sip;
};

struct stage {
    struct device_table *devices;
    struct transaction_table *transactions;
    struct registration_table *registrations;
    uint64_t number;
    uint32_t marked_s;
    struct told told[WIRE_LOG];
    unsigned told_count;
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

    if (change->kind != CHANGE_REGISTRATION) {
        return;
    }
    assert_true(stage->told_count < WIRE_LOG);
    struct told *told = &stage->told[stage->told_count++];
    const struct registration *registration = change->registration;
    told->registration = *registration;
    told->forced = change->forced;
    told->has_sip = change->sip != NULL;
    copy_text(told->aor, sizeof told->aor, registration->aor);
    copy_text(told->contact, sizeof told->contact, registration->contacts[0]);
    copy_text(told->auth_user, sizeof told->auth_user, registration->auth_user);
    copy_text(told->agent, sizeof told->agent, registration->user_agent);
    copy_text(told->before_agent, sizeof told->before_agent, registration->previous_user_agent);
    copy_text(told->call_id, sizeof told->call_id, registration->call_id);
    copy_text(told->realm, sizeof told->realm, registration->realm);
}

static void stage_open(struct stage *stage, uint32_t max)
{
    struct transaction_limits transactions = {.transactions_max = 256, .key = HASH_KEY_FIXED};
    struct registration_limits limits = {
        .attempts_max = max, .bindings_max = max, .key = HASH_KEY_FIXED};
    struct change_sink sink = {.on_change = on_change, .owner = stage};
    struct error error;

    memset(stage, 0, sizeof *stage);
    assert_int_equal(device_open(64, HASH_KEY_FIXED, &stage->devices, &error), STATUS_OK);
    assert_int_equal(transaction_open(&transactions, sink, &stage->transactions, &error),
                     STATUS_OK);
    assert_int_equal(
        registration_open(&limits, sink, stage->devices, &stage->registrations, &error), STATUS_OK);
}

static void stage_close(struct stage *stage)
{
    registration_close(stage->registrations);
    transaction_close(stage->transactions);
    device_close(stage->devices);
}

static void stage_mark(struct stage *stage, uint32_t to_s)
{
    for (; stage->marked_s < to_s; stage->marked_s++) {
        transaction_mark(stage->transactions, wire_second(stage->marked_s + 1), 0);
        registration_mark(stage->registrations, wire_second(stage->marked_s + 1), 0);
    }
}

static void say(struct stage *stage, struct wire wire)
{
    struct transaction_view view;

    stage_mark(stage, wire.at_ms / 1000);
    const struct sip_sighting *sip = wire_sip(&wire, ++stage->number);
    transaction_see(stage->transactions, sip, &view);
    registration_see(stage->registrations, sip, &view);
}

#define SAY(stage, ...) say(stage, (struct wire){__VA_ARGS__})
#define USES(nonce)                                                                                \
    "Authorization: Digest username=\"u\", realm=\"pbx\", nonce=\"" nonce                          \
    "\", uri=\"sip:pbx\", response=\"aa\"\r\n"
#define CHALLENGE(nonce) "WWW-Authenticate: Digest realm=\"pbx\", nonce=\"" nonce "\"\r\n"
#define CONTACT "Contact: <sip:2001@192.0.2.10:5060>\r\n"

enum { MESSAGES = 8 };

static void figures(void **unused)
{
    /* clang-format off */
    static const struct {
        const char *what;
        struct wire messages[MESSAGES];
        struct registration_counts counts;
    } rows[] = {
        {"nothing else is a registration", {{.what = "OPTIONS"}, {.what = "200 OPTIONS"}}, {0, 0, 0}},
        {"unanswered", {{.what = "REGISTER"}}, {1, 0, 0}},
        {"challenge and success", {{.what = "REGISTER"}, {.what = "401 REGISTER", .headers = CHALLENGE("n1")},
            {.cseq = 2, .what = "REGISTER", .headers = USES("n1")}, {.cseq = 2, .what = "200 REGISTER"}}, {2, 1, 0}},
        {"copies", {{.what = "REGISTER"}, {.what = "REGISTER"}, {.what = "200 REGISTER"}, {.what = "200 REGISTER"}}, {1, 1, 0}},
        {"provisional", {{.what = "REGISTER"}, {.what = "100 REGISTER"}}, {1, 0, 0}},
        {"wrong password", {{.what = "REGISTER"}, {.what = "401 REGISTER", .headers = CHALLENGE("n1")},
            {.cseq = 2, .what = "REGISTER", .headers = USES("n1")}, {.cseq = 2, .what = "401 REGISTER", .headers = CHALLENGE("n2")}}, {2, 0, 1}},
        {"refused", {{.what = "REGISTER"}, {.what = "403 REGISTER"}}, {1, 0, 1}},
        {"redirected", {{.what = "REGISTER"}, {.what = "302 REGISTER"}}, {1, 0, 1}},
        {"proxy's challenge", {{.what = "REGISTER"}, {.what = "407 REGISTER"}}, {1, 0, 0}},
        {"old nonce, then success", {{.what = "REGISTER", .headers = USES("n0")}, {.what = "401 REGISTER", .headers = CHALLENGE("n1")},
            {.cseq = 2, .what = "REGISTER", .headers = USES("n1")}, {.cseq = 2, .what = "200 REGISTER"}}, {2, 1, 0}},
        {"old nonce, then nothing", {{.what = "REGISTER", .headers = USES("n0")}, {.what = "401 REGISTER", .headers = CHALLENGE("n1")}}, {1, 0, 1}},
        {"old nonce, then success of another", {{.what = "REGISTER", .headers = USES("n0")}, {.what = "401 REGISTER", .headers = CHALLENGE("n1")},
            {.cseq = 2, .what = "REGISTER", .call_id = "b", .headers = USES("n1")}, {.cseq = 2, .what = "200 REGISTER", .call_id = "b"}}, {2, 1, 1}},
        {"wrong password, then success", {{.what = "REGISTER"}, {.what = "401 REGISTER", .headers = CHALLENGE("n1")},
            {.cseq = 2, .what = "REGISTER", .headers = USES("n1")}, {.cseq = 2, .what = "401 REGISTER", .headers = CHALLENGE("n2")},
            {.cseq = 3, .what = "REGISTER", .headers = USES("n2")}, {.cseq = 3, .what = "200 REGISTER"}}, {3, 1, 1}},
        {"the last final counts", {{.what = "REGISTER"}, {.what = "403 REGISTER"}, {.what = "200 REGISTER"}}, {1, 1, 0}},
        {"both, in the other order", {{.what = "REGISTER"}, {.what = "200 REGISTER"}, {.what = "403 REGISTER"}}, {1, 1, 1}},
        {"two hops", {{.what = "REGISTER"}, {.what = "REGISTER", .vias = 2, .client = WIRE_SERVER, .server = "192.0.2.5:5060"},
            {.what = "403 REGISTER", .vias = 2, .client = WIRE_SERVER, .server = "192.0.2.5:5060"}, {.what = "403 REGISTER"}}, {1, 0, 1}},
        {"answer first", {{.what = "200 REGISTER", .headers = CONTACT}, {.what = "REGISTER", .headers = CONTACT}}, {1, 1, 0}},
        {"answers alone", {{.what = "200 REGISTER", .headers = CONTACT}, {.what = "403 REGISTER", .cseq = 2}}, {0, 0, 0}},
        {"one CSeq for all", {{.what = "REGISTER", .branch = "z9hG4bK-a", .headers = USES("n0")}, {.what = "403 REGISTER", .branch = "z9hG4bK-a"},
            {.what = "REGISTER", .branch = "z9hG4bK-b", .headers = USES("n0")}, {.what = "403 REGISTER", .branch = "z9hG4bK-b"}}, {1, 0, 1}},
        {"invalid", {{.what = "REGISTER", .invalid = true}}, {0, 0, 0}},
        {"invalid and refused", {{.what = "REGISTER", .invalid = true}, {.what = "400 REGISTER"}}, {0, 0, 0}},
        {"invalid and accepted", {{.what = "REGISTER", .invalid = true}, {.what = "200 REGISTER", .headers = CONTACT}}, {1, 1, 0}},
    };
    /* clang-format on */
    (void)unused;

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        static struct stage stage;
        struct registration_counts counts;
        stage_open(&stage, 64);
        for (uint32_t k = 0; k < MESSAGES && rows[i].messages[k].what != NULL; k++) {
            struct wire wire = rows[i].messages[k];
            wire.at_ms = 10 * k;
            say(&stage, wire);
        }
        registration_counts(stage.registrations, &counts);
        if (counts.attempts != rows[i].counts.attempts ||
            counts.succeeded != rows[i].counts.succeeded ||
            counts.failed != rows[i].counts.failed) {
            fail_msg("%s: %" PRIu64 "/%" PRIu64 "/%" PRIu64, rows[i].what, counts.attempts,
                     counts.succeeded, counts.failed);
        }
        stage_close(&stage);
    }
}

/* A failure with an old nonce is taken back however late the success of its Call-ID comes, and
 * once. */
static void excused_late(void **unused)
{
    static struct stage stage;
    struct registration_counts counts;
    (void)unused;

    stage_open(&stage, 64);
    SAY(&stage, .what = "REGISTER", .headers = USES("n0"));
    SAY(&stage, .at_ms = 1, .what = "401 REGISTER", .headers = CHALLENGE("n1"));
    stage_mark(&stage, 600);
    registration_counts(stage.registrations, &counts);
    assert_int_equal(counts.failed, 1);
    for (uint32_t i = 1; i <= 2; i++) {
        SAY(&stage, .at_ms = 600000 * i, .cseq = 1 + i, .what = "REGISTER", .headers = CONTACT);
        SAY(&stage, .at_ms = 600000 * i + 1, .cseq = 1 + i, .what = "200 REGISTER",
            .headers = CONTACT);
        /* a late copy of the failure from another hop does not bring it back */
        SAY(&stage, .at_ms = 600000 * i + 2, .what = "401 REGISTER", .vias = 2,
            .headers = CHALLENGE("n1"));
        registration_counts(stage.registrations, &counts);
        assert_int_equal(counts.failed, 0);
    }
    stage_close(&stage);
}

/* One REGISTER with its 200, and what it was called. */
struct step {
    const char *client;
    const char *request;
    const char *answer;
    const char *agent;
    enum registration_action action;
    bool changed_ip;
    bool changed_agent;
    uint32_t bindings;
};

enum { STEPS = 5 };
#define OTHER_PLACE "198.51.100.7:5060"
#define CONTACT_B "Contact: <sip:2001@198.51.100.7:5060>\r\n"

static void bindings(void **unused)
{
    /* clang-format off */
    static const struct {
        const char *what;
        struct step steps[STEPS];
    } rows[] = {
        {"refresh", {
            {WIRE_CLIENT, CONTACT, CONTACT, "A", REGISTRATION_REGISTERED, false, false, 1},
            {WIRE_CLIENT, CONTACT, CONTACT, "A", REGISTRATION_REFRESHED, false, false, 1}}},
        {"other port", {
            {WIRE_CLIENT, CONTACT, CONTACT, "A", REGISTRATION_REGISTERED, false, false, 1},
            {"192.0.2.10:9999", CONTACT, CONTACT, "A", REGISTRATION_REFRESHED, false, false, 1}}},
        {"other agent", {
            {WIRE_CLIENT, CONTACT, CONTACT, "A", REGISTRATION_REGISTERED, false, false, 1},
            {WIRE_CLIENT, CONTACT, CONTACT, "AB", REGISTRATION_REFRESHED, false, true, 1}}},
        {"moved", {
            {WIRE_CLIENT, CONTACT, CONTACT, "A", REGISTRATION_REGISTERED, false, false, 1},
            {OTHER_PLACE, CONTACT_B, CONTACT_B, "B", REGISTRATION_MOVED, true, true, 1},
            {OTHER_PLACE, CONTACT_B, CONTACT_B, "B", REGISTRATION_REFRESHED, false, false, 1}}},
        {"second device", {
            {WIRE_CLIENT, CONTACT, CONTACT, "A", REGISTRATION_REGISTERED, false, false, 1},
            {OTHER_PLACE, CONTACT_B, CONTACT CONTACT_B, "B", REGISTRATION_REGISTERED, true, true, 2},
            {WIRE_CLIENT, CONTACT, CONTACT CONTACT_B, "A", REGISTRATION_REFRESHED, false, false, 2},
            {OTHER_PLACE, CONTACT_B, CONTACT CONTACT_B, "B", REGISTRATION_REFRESHED, false, false, 2}}},
        {"removed", {
            {WIRE_CLIENT, CONTACT, CONTACT, "A", REGISTRATION_REGISTERED, false, false, 1},
            {WIRE_CLIENT, CONTACT "Expires: 0\r\n", NULL, "A", REGISTRATION_UNREGISTERED, false, false, 0},
            {WIRE_CLIENT, CONTACT, CONTACT, "A", REGISTRATION_REGISTERED, false, false, 1}}},
        {"removed by its Contact", {
            {WIRE_CLIENT, CONTACT, CONTACT, "A", REGISTRATION_REGISTERED, false, false, 1},
            {WIRE_CLIENT, "Contact: <sip:2001@192.0.2.10:5060>;expires=0\r\n", NULL, "A", REGISTRATION_UNREGISTERED, false, false, 0}}},
        {"removed from elsewhere", {
            {WIRE_CLIENT, CONTACT, CONTACT, "A", REGISTRATION_REGISTERED, false, false, 1},
            {OTHER_PLACE, "Contact: *\r\nExpires: 0\r\n", NULL, "B", REGISTRATION_UNREGISTERED, true, true, 0}}},
        {"never there", {
            {WIRE_CLIENT, CONTACT "Expires: 0\r\n", NULL, "A", REGISTRATION_UNREGISTERED, false, false, 0}}},
        {"question", {
            {WIRE_CLIENT, CONTACT, CONTACT, "A", REGISTRATION_REGISTERED, false, false, 1},
            {OTHER_PLACE, NULL, CONTACT, "B", REGISTRATION_REFRESHED, false, false, 1},
            {WIRE_CLIENT, CONTACT, CONTACT, "A", REGISTRATION_REFRESHED, false, false, 1}}},
        {"IPv6", {
            {"[2001:db8::9]:5060", "Contact: <sip:2001@[2001:db8::9]:5060>\r\n", "Contact: <sip:2001@[2001:db8::9]:5060>\r\n", "A", REGISTRATION_REGISTERED, false, false, 1},
            {"[2001:db8::9]:5060", "Contact: <sip:2001@[2001:db8::9]:5060>\r\n", "Contact: <sip:2001@[2001:db8::9]:5060>\r\n", "A", REGISTRATION_REFRESHED, false, false, 1},
            {WIRE_CLIENT, CONTACT, CONTACT, "A", REGISTRATION_MOVED, true, false, 1}}},
    };
    /* clang-format on */
    (void)unused;

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        static struct stage stage;
        stage_open(&stage, 64);
        for (uint32_t k = 0; k < STEPS && rows[i].steps[k].client != NULL; k++) {
            const struct step *step = &rows[i].steps[k];
            SAY(&stage, .at_ms = 1000 * k, .cseq = k + 1, .what = "REGISTER",
                .client = step->client, .headers = step->request, .agent = step->agent);
            SAY(&stage, .at_ms = 1000 * k + 10, .cseq = k + 1, .what = "200 REGISTER",
                .client = step->client, .headers = step->answer);
            const struct registration *told = &stage.told[k].registration;
            if (stage.told_count != k + 1 || told->action != step->action ||
                told->changed_ip != step->changed_ip ||
                told->changed_user_agent != step->changed_agent ||
                registration_used(stage.registrations) != step->bindings) {
                fail_msg("%s, step %u: told %u, action %u, changed %d %d, bindings %u",
                         rows[i].what, k, stage.told_count, told->action, told->changed_ip,
                         told->changed_user_agent, registration_used(stage.registrations));
            }
        }
        stage_close(&stage);
    }
}

static void told_in_full(void **unused)
{
    static struct stage stage;
    (void)unused;

    stage_open(&stage, 64);
    SAY(&stage, .what = "REGISTER", .headers = CONTACT "Expires: 7200\r\n");
    SAY(&stage, .at_ms = 10, .what = "401 REGISTER", .headers = CHALLENGE("n1"));
    SAY(&stage, .at_ms = 20, .cseq = 2, .what = "REGISTER",
        .headers = CONTACT "Expires: 7200\r\n" USES("n1"));
    SAY(&stage, .at_ms = 30, .cseq = 2, .what = "200 REGISTER",
        .headers =
            "Contact: <sip:x@192.0.2.99>;expires=60, <sip:2001@192.0.2.10:5060>;expires=1800\r\n");
    SAY(&stage, .at_ms = 31, .cseq = 2, .what = "200 REGISTER", .headers = CONTACT);
    assert_int_equal(stage.told_count, 1);
    const struct told *told = &stage.told[0];
    const struct registration *registration = &told->registration;
    assert_int_equal(registration->action, REGISTRATION_REGISTERED);
    assert_string_equal(told->aor, "sip:2001@pbx.example");
    assert_string_equal(told->contact, "sip:x@192.0.2.99");
    assert_string_equal(told->auth_user, "u");
    assert_string_equal(told->realm, "pbx");
    assert_string_equal(told->agent, "Phone 1.0");
    assert_string_equal(told->call_id, "c1@pbx.example");
    assert_int_equal(registration->contact_count, 2);
    assert_int_equal(registration->expires_s, 1800);
    assert_int_equal(registration->requested_expires_s, 7200);
    assert_int_equal(registration->attempts, 2);
    assert_int_equal(registration->rounds, 1);
    assert_int_equal(registration->status, 200);
    assert_int_equal(registration->started_ns, WIRE_START_NS);
    assert_true(registration->has_credentials);
    assert_false(registration->nat || registration->stale || registration->account_known);
    struct endpoint client = wire_endpoint(WIRE_CLIENT);
    assert_true(endpoint_equal(&registration->client, &client));
    assert_true(
        registration_is_bound(stage.registrations, registration->account_hash, &client.addr));
    struct endpoint other = wire_endpoint(OTHER_PLACE);
    assert_false(
        registration_is_bound(stage.registrations, registration->account_hash, &other.addr));
    /* behind a NAT the Contact names another address than the packet */
    SAY(&stage, .at_ms = 40, .cseq = 3, .what = "REGISTER", .client = OTHER_PLACE,
        .headers = CONTACT);
    SAY(&stage, .at_ms = 50, .cseq = 3, .what = "200 REGISTER", .client = OTHER_PLACE,
        .headers = CONTACT);
    assert_true(stage.told[1].registration.nat);
    stage_close(&stage);
}

static void expired(void **unused)
{
    static const struct {
        const char *what;
        const char *request;
        const char *answer;
        uint32_t expires_s;
    } rows[] = {
        {"Contact", CONTACT "Expires: 900\r\n",
         "Contact: <sip:2001@192.0.2.10:5060>;expires=60\r\nExpires: 300\r\n", 60},
        {"header", CONTACT "Expires: 900\r\n", CONTACT "Expires: 300\r\n", 300},
        {"request", CONTACT "Expires: 900\r\n", CONTACT, 900},
        {"default", CONTACT, CONTACT, 3600},
        {"more than a turn", CONTACT, CONTACT "Expires: 10000\r\n", 10000},
    };
    (void)unused;

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        static struct stage stage;
        stage_open(&stage, 64);
        SAY(&stage, .what = "REGISTER", .headers = rows[i].request);
        SAY(&stage, .at_ms = 10, .what = "200 REGISTER", .headers = rows[i].answer);
        assert_int_equal(stage.told[0].registration.expires_s, rows[i].expires_s);
        stage_mark(&stage, rows[i].expires_s - 1);
        assert_int_equal(stage.told_count, 1);
        stage_mark(&stage, rows[i].expires_s);
        if (stage.told_count != 2 || stage.told[1].registration.action != REGISTRATION_EXPIRED) {
            fail_msg("%s: did not expire at %u", rows[i].what, rows[i].expires_s);
        }
        assert_string_equal(stage.told[1].aor, "sip:2001@pbx.example");
        assert_string_equal(stage.told[1].before_agent, "Phone 1.0");
        assert_false(stage.told[1].has_sip);
        assert_int_equal(registration_used(stage.registrations), 0);
        stage_close(&stage);
    }
}

/* Refreshing moves the expiry; a jump of marks and of the clock both hold it. */
static void expiry_moves(void **unused)
{
    static struct stage stage;
    (void)unused;

    stage_open(&stage, 64);
    SAY(&stage, .what = "REGISTER", .headers = CONTACT "Expires: 100\r\n");
    SAY(&stage, .at_ms = 10, .what = "200 REGISTER", .headers = CONTACT);
    SAY(&stage, .at_ms = 90000, .cseq = 2, .what = "REGISTER",
        .headers = CONTACT "Expires: 100\r\n");
    SAY(&stage, .at_ms = 90010, .cseq = 2, .what = "200 REGISTER", .headers = CONTACT);
    assert_int_equal(stage.told[1].registration.refresh_count, 1);
    stage_mark(&stage, 189);
    assert_int_equal(stage.told_count, 2);
    registration_mark(stage.registrations, wire_second(1000190 - 60), UINT64_C(1000000) * NS_PER_S);
    assert_int_equal(stage.told_count, 2);
    registration_mark(stage.registrations, wire_second(1000189), 0);
    assert_int_equal(stage.told_count, 2);
    registration_mark(stage.registrations, wire_second(5000000), 0);
    assert_int_equal(stage.told_count, 3);
    stage_close(&stage);
}

/* When a refusal is told, and how often. */
static void refused(void **unused)
{
    static struct stage stage;
    (void)unused;

    /* 403: at once */
    stage_open(&stage, 64);
    SAY(&stage, .what = "REGISTER");
    SAY(&stage, .at_ms = 1, .what = "403 REGISTER");
    SAY(&stage, .at_ms = 2, .what = "403 REGISTER");
    assert_int_equal(stage.told_count, 1);
    assert_int_equal(stage.told[0].registration.action, REGISTRATION_REJECTED);
    assert_true(stage.told[0].has_sip);
    stage_mark(&stage, 100);
    assert_int_equal(stage.told_count, 1);
    stage_close(&stage);

    /* wrong credentials: after 32 s of quiet, once for all tries */
    stage_open(&stage, 64);
    for (uint32_t i = 0; i < 5; i++) {
        char challenge[128];
        char uses[256];
        (void)snprintf(challenge, sizeof challenge, CHALLENGE("n%u"), i + 1);
        (void)snprintf(uses, sizeof uses, USES("n%u"), i);
        SAY(&stage, .at_ms = 1000 * i, .cseq = i + 1, .what = "REGISTER",
            .headers = i == 0 ? NULL : uses);
        SAY(&stage, .at_ms = 1000 * i + 1, .cseq = i + 1, .what = "401 REGISTER",
            .headers = challenge);
    }
    stage_mark(&stage, 36);
    assert_int_equal(stage.told_count, 0);
    stage_mark(&stage, 38);
    assert_int_equal(stage.told_count, 1);
    const struct told *told = &stage.told[0];
    assert_int_equal(told->registration.action, REGISTRATION_REJECTED);
    assert_int_equal(told->registration.attempts, 5);
    assert_int_equal(told->registration.rounds, 5);
    assert_int_equal(told->registration.status, 401);
    assert_int_equal(told->registration.first_failure_ns, WIRE_START_NS + 1001 * NS_PER_MS);
    assert_string_equal(told->auth_user, "u");
    assert_string_equal(told->call_id, "c1@pbx.example");
    assert_string_equal(told->aor, "sip:2001@pbx.example");
    assert_false(told->forced || told->has_sip);
    stage_close(&stage);
}

/* A chain that never gets quiet is told once a minute; a success ends it without a refusal; the end
 * forces it. */
static void refused_for_long(void **unused)
{
    static struct stage stage;
    (void)unused;

    stage_open(&stage, 256);
    SAY(&stage, .what = "REGISTER");
    SAY(&stage, .at_ms = 1, .what = "401 REGISTER", .headers = CHALLENGE("n1"));
    uint32_t i = 1;
    for (; i < 130; i++) {
        SAY(&stage, .at_ms = 1000 * i, .cseq = i + 1, .what = "REGISTER", .headers = USES("n1"));
        SAY(&stage, .at_ms = 1000 * i + 1, .cseq = i + 1, .what = "401 REGISTER",
            .headers = CHALLENGE("n1"));
    }
    assert_int_equal(stage.told_count, 2);
    registration_end(stage.registrations, WIRE_START_NS + 131 * NS_PER_S);
    assert_int_equal(stage.told_count, 3);
    assert_true(stage.told[2].forced);
    SAY(&stage, .at_ms = 1000 * i, .cseq = i + 1, .what = "REGISTER",
        .headers = CONTACT USES("n1"));
    SAY(&stage, .at_ms = 1000 * i + 1, .cseq = i + 1, .what = "200 REGISTER", .headers = CONTACT);
    assert_int_equal(stage.told_count, 4);
    assert_int_equal(stage.told[3].registration.action, REGISTRATION_REGISTERED);
    assert_int_equal(stage.told[3].registration.attempts, 131);
    stage_mark(&stage, 300);
    assert_int_equal(stage.told_count, 4);
    stage_close(&stage);
}

/* One Call-ID that tries account after account: each is told. */
static void sprayed(void **unused)
{
    static const char *users[] = {"100", "101", "102"};
    static struct stage stage;
    (void)unused;

    stage_open(&stage, 64);
    for (uint32_t i = 0; i < 3; i++) {
        SAY(&stage, .at_ms = 100 * i, .cseq = 2 * i + 1, .what = "REGISTER", .user = users[i]);
        SAY(&stage, .at_ms = 100 * i + 1, .cseq = 2 * i + 1, .what = "401 REGISTER",
            .user = users[i], .headers = CHALLENGE("n1"));
        SAY(&stage, .at_ms = 100 * i + 2, .cseq = 2 * i + 2, .what = "REGISTER", .user = users[i],
            .headers = USES("n1"));
        SAY(&stage, .at_ms = 100 * i + 3, .cseq = 2 * i + 2, .what = "401 REGISTER",
            .user = users[i], .headers = CHALLENGE("n1"));
    }
    stage_mark(&stage, 60);
    assert_int_equal(stage.told_count, 3);
    for (unsigned i = 0; i < 3; i++) {
        char aor[64];
        (void)snprintf(aor, sizeof aor, "sip:%s@pbx.example", users[i]);
        assert_string_equal(stage.told[i].aor, aor);
        assert_int_equal(stage.told[i].registration.attempts, 2);
    }
    stage_close(&stage);
}

/* What is expected to come again ends nothing. */
static void retried(void **unused)
{
    static const char *answers[] = {"401 REGISTER", "407 REGISTER", "302 REGISTER",
                                    "305 REGISTER", "420 REGISTER", "423 REGISTER",
                                    "439 REGISTER", "494 REGISTER", "503 REGISTER"};
    (void)unused;

    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        static struct stage stage;
        stage_open(&stage, 64);
        SAY(&stage, .what = "REGISTER");
        SAY(&stage, .at_ms = 1, .what = answers[i]);
        stage_mark(&stage, 60);
        registration_end(stage.registrations, WIRE_START_NS + 61 * NS_PER_S);
        if (stage.told_count != 0) {
            fail_msg("%s was told", answers[i]);
        }
        stage_close(&stage);
    }
}

/* The phone's own hop decides who registered, whatever the order of the answers. */
static void hops(void **unused)
{
    static struct stage stage;
    (void)unused;

    stage_open(&stage, 64);
    SAY(&stage, .what = "REGISTER", .headers = CONTACT);
    SAY(&stage, .at_ms = 1, .what = "REGISTER", .vias = 2, .client = WIRE_SERVER,
        .server = "192.0.2.5:5060", .headers = CONTACT);
    SAY(&stage, .at_ms = 2, .what = "200 REGISTER", .vias = 2, .client = WIRE_SERVER,
        .server = "192.0.2.5:5060", .headers = CONTACT);
    SAY(&stage, .at_ms = 3, .what = "200 REGISTER", .headers = CONTACT);
    assert_int_equal(stage.told_count, 1);
    struct endpoint client = wire_endpoint(WIRE_CLIENT);
    assert_true(endpoint_equal(&stage.told[0].registration.client, &client));
    assert_int_equal(stage.told[0].registration.attempts, 1);
    /* answers alone still say who is where */
    SAY(&stage, .at_ms = 4, .what = "200 REGISTER", .call_id = "z", .user = "2009",
        .headers = CONTACT);
    assert_int_equal(stage.told_count, 2);
    assert_string_equal(stage.told[1].aor, "sip:2009@pbx.example");
    assert_int_equal(registration_used(stage.registrations), 2);
    SAY(&stage, .at_ms = 5, .what = "200 REGISTER", .call_id = "y", .user = "2008");
    assert_int_equal(stage.told_count, 2); /* neither asked nor bound: nothing to tell */
    stage_close(&stage);
}

/* Full tables: the longest idle goes, the sums stay sums. */
static void full(void **unused)
{
    static const uint32_t sizes[] = {1, 4};
    (void)unused;

    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        static struct stage stage;
        struct registration_counts counts;
        stage_open(&stage, sizes[i]);
        for (uint32_t k = 0; k < 50; k++) {
            char user[48];
            char id[48];
            (void)snprintf(user, sizeof user, "user-with-a-long-name-%u", k);
            (void)snprintf(id, sizeof id, "id%u", k);
            SAY(&stage, .at_ms = k, .what = "REGISTER", .user = user, .call_id = id,
                .headers = CONTACT);
            SAY(&stage, .at_ms = k, .what = k % 2 == 0 ? "200 REGISTER" : "403 REGISTER",
                .user = user, .call_id = id, .headers = CONTACT);
        }
        registration_counts(stage.registrations, &counts);
        assert_int_equal(counts.attempts, 50);
        assert_int_equal(counts.succeeded, 25);
        assert_int_equal(counts.failed, 25);
        assert_int_equal(registration_used(stage.registrations), sizes[i]);
        assert_true(registration_evicted(stage.registrations) > 0);
        unsigned before = stage.told_count;
        stage_mark(&stage, 4000);
        assert_int_equal(stage.told_count - before, sizes[i]);
        char last[64];
        (void)snprintf(last, sizeof last, "sip:user-with-a-long-name-48@pbx.example");
        assert_string_equal(stage.told[stage.told_count - 1].aor, last);
        stage_close(&stage);
    }
}

/* Bindings that expire in one second do so in the order of their renewal. */
static void order_of_expiry(void **unused)
{
    static const char *users[] = {"3", "1", "2", "1"};
    static struct stage stage;
    (void)unused;

    stage_open(&stage, 64);
    for (uint32_t i = 0; i < 4; i++) {
        char id[8];
        (void)snprintf(id, sizeof id, "o%u", i);
        SAY(&stage, .at_ms = i, .what = "REGISTER", .user = users[i], .call_id = id,
            .headers = CONTACT);
        SAY(&stage, .at_ms = i, .what = "200 REGISTER", .user = users[i], .call_id = id,
            .headers = CONTACT "Expires: 60\r\n");
    }
    stage_mark(&stage, 61);
    assert_int_equal(stage.told_count, 7);
    assert_string_equal(stage.told[4].aor, "sip:3@pbx.example");
    assert_string_equal(stage.told[5].aor, "sip:2@pbx.example");
    assert_string_equal(stage.told[6].aor, "sip:1@pbx.example");
    stage_close(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figures),
        cmocka_unit_test(excused_late),
        cmocka_unit_test(bindings),
        cmocka_unit_test(told_in_full),
        cmocka_unit_test(expired),
        cmocka_unit_test(expiry_moves),
        cmocka_unit_test(refused),
        cmocka_unit_test(refused_for_long),
        cmocka_unit_test(sprayed),
        cmocka_unit_test(retried),
        cmocka_unit_test(hops),
        cmocka_unit_test(full),
        cmocka_unit_test(order_of_expiry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
