/* Facts: what a change tells detectors, and which change tells nothing. */
#include "wire.h"

#include "sensor/state/facts.h"

struct stage {
    struct facts_view view;
    struct proof_table *proof;
    struct device_table *devices;
    struct registration_table *registrations;
    struct fact fact;
};

static void ignore(void *owner, const struct change *change)
{
    (void)owner;
    (void)change;
}

static void stage_open(struct stage *stage)
{
    struct registration_limits limits = {
        .attempts_max = 16, .bindings_max = 16, .key = HASH_KEY_FIXED};
    struct change_sink sink = {.on_change = ignore};
    struct error error;

    memset(stage, 0, sizeof *stage);
    assert_int_equal(proof_open(64, HASH_KEY_FIXED, &stage->proof, &error), STATUS_OK);
    assert_int_equal(device_open(64, HASH_KEY_FIXED, &stage->devices, &error), STATUS_OK);
    assert_int_equal(
        registration_open(&limits, sink, stage->devices, &stage->registrations, &error), STATUS_OK);
    stage->view.proof = stage->proof;
    stage->view.devices = stage->devices;
    stage->view.registrations = stage->registrations;
    stage->view.key = HASH_KEY_FIXED;
}

static void stage_close(struct stage *stage)
{
    registration_close(stage->registrations);
    device_close(stage->devices);
    proof_close(stage->proof);
}

static bool make(struct stage *stage, struct change change)
{
    change.time_ns = WIRE_START_NS;
    change.number = 9;
    bool made = facts_begin(&stage->view, &change, &stage->fact);
    if (made) {
        facts_finish(&stage->view, &change, &stage->fact);
        assert_int_equal(stage->fact.time_ns, WIRE_START_NS);
        assert_int_equal(stage->fact.number, 9);
    }
    return made;
}

static void message(void **unused)
{
    static struct stage stage;
    (void)unused;

    stage_open(&stage);
    struct wire wire = {.what = "INVITE", .headers = "Expires: 30\r\n"};
    assert_true(make(&stage, (struct change){.kind = CHANGE_MESSAGE, .sip = wire_sip(&wire, 1)}));
    const struct fact_message *told = &stage.fact.is.message;
    assert_int_equal(stage.fact.kind, FACT_MESSAGE);
    assert_int_equal(told->method, FACT_METHOD_INVITE);
    struct endpoint client = wire_endpoint(WIRE_CLIENT);
    assert_true(endpoint_equal(&told->client.endpoint, &client));
    assert_true(told->starts_dialog && told->has_branch_cookie);
    assert_int_equal(told->step, FACT_MESSAGE_ASKS);
    assert_false(told->is_response || told->in_dialog || told->invalid || told->has_credentials);
    assert_int_equal(told->cseq, 1);
    assert_int_equal(told->max_forwards, 70);
    assert_int_equal(told->expires, 30);
    assert_int_equal(told->vias, 1);
    assert_text(told->from_user, "2001");
    assert_text(told->uri_host, "pbx.example");
    assert_text(told->from_tag, "f1");
    assert_text(told->user_agent, "Phone 1.0");
    assert_text(told->branch, "z9hG4bK-INVITE-1-0");
    assert_text(told->via_parameters, ";branch=z9hG4bK-INVITE-1-0");

    /* a copy starts nothing; an answer keeps the roles */
    struct change copy = {.kind = CHANGE_MESSAGE, .is_retransmission = true};
    copy.sip = wire_sip(&wire, 2);
    assert_true(make(&stage, copy));
    assert_true(told->is_retransmission);
    assert_false(told->starts_dialog);
    assert_int_equal(told->step, FACT_MESSAGE_GOES_ON);
    wire = (struct wire){.what = "200 INVITE"};
    assert_true(make(&stage, (struct change){.kind = CHANGE_MESSAGE, .sip = wire_sip(&wire, 3)}));
    assert_true(told->is_response);
    assert_int_equal(told->status, 200);
    assert_true(endpoint_equal(&told->client.endpoint, &client));
    assert_int_equal(told->expires, UINT32_MAX);
    assert_int_equal(told->step, FACT_MESSAGE_ANSWERS);
    assert_true(slice_is_empty(told->from_user) && slice_is_empty(told->via_parameters));
    /* an answer to what stands in a dialog goes on with it; what nobody wants is not told */
    struct transaction asked = {.in_dialog = true};
    struct change later = {.kind = CHANGE_MESSAGE, .transaction = &asked};
    later.sip = wire_sip(&wire, 3);
    assert_true(make(&stage, later));
    assert_int_equal(told->step, FACT_MESSAGE_GOES_ON);
    stage.view.unheard_steps = 1 << FACT_MESSAGE_GOES_ON;
    assert_false(make(&stage, later));
    stage.view.unheard_steps = 0;
    /* an invalid one says so, with its worst suspicion */
    wire = (struct wire){.what = "BYE", .to_tag = "t", .invalid = true};
    assert_true(make(&stage, (struct change){.kind = CHANGE_MESSAGE, .sip = wire_sip(&wire, 4)}));
    assert_true(told->invalid && told->in_dialog);
    assert_int_equal(told->suspicion, anomaly_rows[ANOMALY_VERSION_UNSUPPORTED].suspicion);
    stage_close(&stage);
}

static struct transaction ended(void)
{
    struct endpoint client = wire_endpoint(WIRE_CLIENT);
    struct endpoint server = wire_endpoint(WIRE_SERVER);

    return (struct transaction){
        .started_ns = WIRE_START_NS,
        .final_ns = WIRE_START_NS + 5,
        .client = client,
        .server = server,
        .method = SIP_METHOD_INVITE,
        .status = 403,
        .cseq = 4,
        .has_credentials = true,
        .auth_failure = true,
        .account_hash = 77,
        .device_hash = 5,
        .from_user = SLICE("2001"),
        .from_host = SLICE("PBX.example"),
        .to_user = SLICE("2002"),
        .to_host = SLICE("pbx.example"),
        .uri_user = SLICE("2003"),
        .uri_host = SLICE("192.0.2.1"),
        .auth_user = SLICE("u"),
        .call_id = SLICE("c1"),
    };
}

static void transaction(void **unused)
{
    static struct stage stage;
    struct transaction what = ended();
    struct change change = {.kind = CHANGE_TRANSACTION_ENDED, .transaction = &what};
    (void)unused;

    stage_open(&stage);
    assert_true(make(&stage, change));
    const struct fact_transaction *told = &stage.fact.is.transaction;
    assert_int_equal(stage.fact.kind, FACT_TRANSACTION);
    assert_text(told->account, "2001@pbx.example");
    assert_text(told->target_user, "2003");
    assert_text(told->auth_user, "u");
    assert_int_equal(told->response_ns, 5);
    assert_true(told->auth_failure && told->has_credentials);
    assert_false(told->account_known || told->device_known || told->timeout || told->one_way);

    what.method = SIP_METHOD_REGISTER;
    device_success(stage.devices, 77, &what.client.addr, 5, WIRE_START_NS);
    stage.view.one_way_capture = true;
    assert_true(make(&stage, change));
    assert_text(told->account, "2002@pbx.example");
    assert_text(told->target_user, "2002");
    assert_true(told->account_known && told->device_known && told->one_way);
    assert_true(told->auth_failure && told->place_known);
    what.method = SIP_METHOD_INVITE; /* who logs in from here may not call there */
    assert_true(make(&stage, change));
    assert_false(told->auth_failure);
    assert_int_equal(told->end, FACT_TRANSACTION_ANSWERED);
    what.status = 407;
    assert_true(make(&stage, change));
    assert_true(told->auth_failure);
    what.status = 403;
    what.method = SIP_METHOD_REGISTER;
    /* with the answer at hand the account is whole */
    struct wire wire = {.what = "403 REGISTER",
                        .user = "3001",
                        .headers = "Reason: SIP;cause=403, Q.850;cause=21\r\n"};
    change.sip = wire_sip(&wire, 1);
    assert_true(make(&stage, change));
    assert_int_equal(told->q850, 21);
    assert_text(told->account, "3001@pbx.example");
    change.sip = NULL;
    /* no answer counts only where the server is seen to answer others */
    what.timeout = true;
    what.status = 0;
    assert_true(make(&stage, change));
    assert_false(told->timeout);
    assert_int_equal(told->response_ns, 0);
    proof_see_answer(stage.proof, wire_sip(&wire, 1), false);
    assert_true(make(&stage, change));
    assert_true(told->timeout && told->server.is_server);
    /* a hop further on: another kind, and only with an answer */
    what.timeout = false;
    what.status = 503;
    what.upper_hop = true;
    what.passed_on = true;
    proof_good_account(stage.proof, &what.server.addr, 77, WIRE_START_NS);
    assert_true(make(&stage, change));
    assert_int_equal(stage.fact.kind, FACT_TRANSACTION); /* he is no proxy */
    struct wire asked = {.what = "200 OPTIONS", .client = WIRE_SERVER, .server = WIRE_CLIENT};
    proof_see_answer(stage.proof, wire_sip(&asked, 1), false);
    assert_true(make(&stage, change));
    assert_int_equal(stage.fact.kind, FACT_HOP);
    assert_true(told->passed_on && told->server.is_server);
    assert_int_equal(told->server.good_accounts, 1);
    what.upper_hop = false;
    assert_true(make(&stage, change));
    assert_int_equal(stage.fact.kind, FACT_TRANSACTION);
    what.status = 0;
    /* what tells nothing */
    what.upper_hop = true;
    assert_false(make(&stage, change));
    what.upper_hop = false;
    what.request_invalid = true;
    assert_false(make(&stage, change));
    what.request_invalid = false;
    what.started_ns = 0;
    assert_false(make(&stage, change));
    stage_close(&stage);
}

/* What a message or a transaction is to the conversation, and that nothing is made of what nobody
 * wants. */
static void unheard(void **unused)
{
    static const struct {
        uint8_t method;
        uint16_t status;
        bool auth_failure;
        uint8_t end;
    } rows[] = {
        {SIP_METHOD_INVITE, 407, true, FACT_TRANSACTION_LOGIN_FAILED},
        {SIP_METHOD_BYE, 403, true, FACT_TRANSACTION_LOGIN_FAILED},
        {SIP_METHOD_BYE, 0, false, FACT_TRANSACTION_SILENT},
        {SIP_METHOD_INVITE, 200, false, FACT_TRANSACTION_ANSWERED},
        {SIP_METHOD_NOTIFY, 200, false, FACT_TRANSACTION_ANSWERED},
        {SIP_METHOD_BYE, 200, false, FACT_TRANSACTION_WENT_ON},
        {SIP_METHOD_CANCEL, 481, false, FACT_TRANSACTION_WENT_ON},
    };
    static struct stage stage;
    (void)unused;

    stage_open(&stage);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct transaction what = ended();
        what.method = rows[i].method;
        what.status = rows[i].status;
        what.auth_failure = rows[i].auth_failure;
        struct change change = {.kind = CHANGE_TRANSACTION_ENDED, .transaction = &what};
        stage.view.unheard_ends = ~(UINT32_C(1) << rows[i].end);
        assert_true(make(&stage, change));
        assert_int_equal(stage.fact.is.transaction.end, rows[i].end);
        stage.view.unheard_ends = UINT32_C(1) << rows[i].end;
        assert_false(make(&stage, change));
    }
    stage_close(&stage);
}

static void registration(void **unused)
{
    static const struct {
        enum registration_action action;
        bool told;
        bool success;
        bool removed;
        bool refreshed;
    } rows[] = {
        {REGISTRATION_REGISTERED, true, true, false, false},
        {REGISTRATION_REFRESHED, true, true, false, true},
        {REGISTRATION_MOVED, true, true, false, false},
        {REGISTRATION_UNREGISTERED, true, true, true, false},
        {REGISTRATION_REJECTED, true, false, false, false},
        {REGISTRATION_EXPIRED, false, false, false, false},
    };
    static struct stage stage;
    (void)unused;

    stage_open(&stage);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct registration what = {
            .action = (uint8_t)rows[i].action,
            .client = wire_endpoint(WIRE_CLIENT),
            .account = SLICE("2001@pbx.example"),
            .contact_count = 1,
            .contacts = {SLICE("sip:2001@192.0.2.10")},
            .failures = 3,
        };
        struct change change = {
            .kind = CHANGE_REGISTRATION, .registration = &what, .forced = i % 2 == 0};
        assert_int_equal(make(&stage, change), rows[i].told);
        if (!rows[i].told) {
            continue;
        }
        const struct fact_registration *told = &stage.fact.is.registration;
        assert_int_equal(told->success, rows[i].success);
        assert_int_equal(told->removed, rows[i].removed);
        assert_int_equal(told->refreshed, rows[i].refreshed);
        assert_int_equal(stage.fact.forced, i % 2 == 0);
        assert_int_equal(told->failures, 3);
        assert_text(told->contact, "sip:2001@192.0.2.10");
        what.changed_user_agent = true;
        assert_true(make(&stage, change));
        assert_false(told->refreshed);
    }
    stage_close(&stage);
}

static void call(void **unused)
{
    static struct stage stage;
    struct call what = {
        .caller = wire_endpoint(WIRE_CLIENT),
        .callee = wire_endpoint(WIRE_SERVER),
        .status = 200,
        .number = 12,
        .answered_ns = WIRE_START_NS,
        .ended_by = CALL_ENDED_BY_CALLER,
        .from_user = SLICE("2001"),
        .from_host = SLICE("pbx.example"),
    };
    struct change change = {.kind = CHANGE_CALL_ENDED, .call = &what};
    (void)unused;

    stage_open(&stage);
    assert_true(make(&stage, change));
    const struct fact_call *told = &stage.fact.is.call;
    assert_int_equal(told->event, FACT_CALL_ENDED);
    assert_int_equal(told->call_number, 12);
    assert_true(told->ended_by_caller);
    assert_false(told->caller_registered);
    assert_text(told->account, "2001@pbx.example");
    /* from where the account is bound it is a registered caller */
    struct wire wire = {.what = "200 REGISTER", .headers = "Contact: <sip:2001@192.0.2.10>\r\n"};
    struct transaction transaction = ended();
    struct transaction_view view = {.transaction = &transaction, .is_first_final = true};
    registration_see(stage.registrations, wire_sip(&wire, 1), &view);
    change.kind = CHANGE_CALL_STARTED;
    assert_true(make(&stage, change));
    assert_int_equal(told->event, FACT_CALL_STARTED);
    assert_true(told->caller_registered);
    what.partial = true;
    assert_false(make(&stage, change));
    what.partial = false;
    what.invalid_only = true;
    assert_false(make(&stage, change));
    stage_close(&stage);
}

static struct geo *open_geo(void)
{
    char country[][OPTION_TEXT_BYTES] = {"tests/cases/geo-files/country.mmdb"};
    char systems[][OPTION_TEXT_BYTES] = {"tests/cases/geo-files/as.mmdb"};
    struct geo_conf conf = {.country_files = {.count = 1, .items = country},
                            .as_files = {.count = 1, .items = systems}};
    struct geo *geo = NULL;
    struct error error;
    assert_int_equal(geo_open(&conf, NULL, &geo, &error), STATUS_OK);
    return geo;
}

/* Who was dialled and who is shown, whatever the form of the request URI. */
/* Who is heard, and who tore it down. */
static void sound(void **unused)
{
    static struct stage stage;
    struct call_sound sound = {
        .sides = {CALL_SIDE_NAMED | CALL_SIDE_SENDS, CALL_SIDE_NAMED | CALL_SIDE_HIDDEN},
        .ways = {{.stray_to = 5, .from = 6, .named_ns = WIRE_START_NS + NS_PER_S + 1},
                 {.stray_to = 7, .from = 8, .named_ns = WIRE_START_NS + NS_PER_S}},
        .ender = wire_endpoint(WIRE_CLIENT)};
    struct call what = {.caller = wire_endpoint(WIRE_CLIENT),
                        .callee = wire_endpoint(WIRE_SERVER),
                        .answered_ns = WIRE_START_NS,
                        .from_user = SLICE("2001"),
                        .from_host = SLICE("pbx.example"),
                        .heard = {250, 3},
                        .heard_stray = {0, 100},
                        .sound = &sound};
    struct change change = {.kind = CHANGE_CALL_MEDIA, .call = &what};
    (void)unused;

    stage_open(&stage);
    const struct fact_call *told = &stage.fact.is.call;
    assert_true(make(&stage, change));
    assert_int_equal(told->event, FACT_CALL_MEDIA);
    assert_true(told->sides[0].sends && !told->sides[0].receives && !told->sides[0].hidden);
    assert_true(told->sides[1].named && told->sides[1].hidden && !told->sides[1].sends);
    assert_true(told->sides[0].spoke && !told->sides[1].spoke);
    assert_int_equal(told->sides[0].packets, 250);
    assert_int_equal(told->sides[1].packets, 3);
    assert_int_equal(told->sides[1].stray, 100);
    assert_false(told->media_unclear);
    /* symmetric RTP: it goes to where the other way comes from */
    sound.ways[1].stray_to = 6;
    assert_true(make(&stage, change));
    assert_int_equal(told->sides[1].packets, 103);
    assert_int_equal(told->sides[1].stray, 0);
    bool *const unclear[] = {&what.t38, &what.elsewhere};
    for (size_t i = 0; i < 2; i++) {
        *unclear[i] = true;
        assert_true(make(&stage, change) && told->media_unclear);
        *unclear[i] = false;
    }
    what.reinvites = 1;
    assert_true(make(&stage, change) && told->media_unclear);
    what.reinvites = 0;
    sound.sides[1] |= CALL_SIDE_SHARED;
    assert_true(make(&stage, change) && told->media_unclear);

    change.kind = CHANGE_CALL_TORN;
    sound.torn = CALL_TORN_SENDER_GOES_ON;
    sound.doubt = CALL_HOP_STRANGER;
    sound.accepted_ns = WIRE_START_NS - 9 * NS_PER_S;
    sound.ways[1].last_ns = WIRE_START_NS - 5 * NS_PER_S;
    assert_true(make(&stage, change));
    assert_int_equal(told->torn, FACT_TORN_SENDER_GOES_ON);
    assert_true(endpoint_equal(&told->ender.endpoint, &sound.ender) && !told->ender_on_path);
    assert_int_equal(told->torn_after_ns, 4 * NS_PER_S);
    /* a known address is a victim's */
    sound.doubt = CALL_HOP_PORT;
    assert_true(make(&stage, change));
    assert_true(addr_is_unspecified(&told->ender.endpoint.addr) && told->ender_on_path);
    stage_close(&stage);
}

/* Comfort noise, or a gap without loss: it pauses by nature. A gap in which packets were lost is an
 * outage. */
static void pauses(void **unused)
{
    static struct stage stage;
    static struct stream_sighting sighting;
    static const struct {
        uint32_t comfort_noise;
        uint32_t gap_us;
        uint32_t lost;
        bool pauses;
    } rows[] = {{0, 999999, 0, false},  {0, 1000000, 0, true},   {0, 9000000, 450, false},
                {0, 9000000, 20, true}, {0, 9000000, 224, true}, {0, 9000000, 225, false},
                {1, 20000, 0, true}};
    struct media_stream what = {.source = wire_endpoint(WIRE_CLIENT),
                                .destination = wire_endpoint(WIRE_SERVER),
                                .clock_index = STREAM_CLOCKS};
    struct change change = {
        .kind = CHANGE_STREAM_INTERVAL, .stream = &what, .stream_sighting = &sighting};
    (void)unused;

    stage_open(&stage);
    sighting.ptime_us = 20000;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        sighting.comfort_noise = rows[i].comfort_noise;
        sighting.total.delta_max_us = rows[i].gap_us;
        sighting.total.longest_loss = rows[i].lost;
        assert_true(make(&stage, change));
        assert_int_equal(stage.fact.is.stream.pauses, rows[i].pauses);
    }
    stage_close(&stage);
}

static void numbers(void **unused)
{
    static const struct {
        const char *uri;
        uint64_t called;
    } rows[] = {
        {"sip:+442079460000@pbx.example", UINT64_C(442079460000)},
        {"sip:00442079460000;phone-context=pbx.example@pbx.example;user=phone",
         UINT64_C(442079460000)},
        {"sips:9011442079460000:secret@pbx.example", UINT64_C(442079460000)},
        {"tel:+44-20-7946-0000", UINT64_C(442079460000)},
        {"TEL:2079460000;phone-context=+44", UINT64_C(442079460000)},
        {"sip:2001@pbx.example", 0},
        {"sip:pbx.example", 0},
    };
    static struct stage stage;
    static struct numbers_conf conf;
    struct numbers *opened = NULL;
    struct error error;
    (void)unused;

    stage_open(&stage);
    option_presets(numbers_options, &conf);
    assert_int_equal(numbers_open(&conf, &opened, &error), STATUS_OK);
    stage.view.numbers = opened;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct call what = {.uri = slice_of_string(rows[i].uri), .from_user = SLICE("+4930123456")};
        struct change change = {.kind = CHANGE_CALL_STARTED, .call = &what};
        assert_true(make(&stage, change));
        const struct fact_call *told = &stage.fact.is.call;
        /* from one of ours to one of ours: at its end only */
        assert_int_equal(told->calling.block, rows[i].called == 0 ? 0 : 4930123);
        change.kind = CHANGE_CALL_ENDED;
        assert_true(make(&stage, change));
        assert_int_equal(told->called.e164, rows[i].called);
        assert_string_equal(told->called.country, rows[i].called == 0 ? "" : "GB");
        assert_int_equal(told->calling.block, 4930123);
        assert_int_equal(told->calling.class, FACT_NUMBER_INTERNATIONAL);
    }
    numbers_close(opened);
    for (const struct option *row = numbers_options; row->kind != OPTION_END; row++) {
        option_clear(row, &conf);
    }
    stage_close(&stage);
}

static void assert_place(const struct fact_party *party, const char *country, uint32_t as_number)
{
    assert_int_equal(party->country, (unsigned)country[0] << 8 | (unsigned)country[1]);
    assert_int_equal(party->as_number, as_number);
}

static bool make_at(struct stage *stage, struct change change, uint64_t time_ns)
{
    change.time_ns = time_ns;
    bool made = facts_begin(&stage->view, &change, &stage->fact);
    if (made) {
        facts_finish(&stage->view, &change, &stage->fact);
    }
    return made;
}

/* What was called before: an answered call of ours teaches when it has ended, a call from outside
 * and an attempt never. */
static void past(void **unused)
{
    static struct stage stage;
    static const struct {
        const char *uri;
        bool credentials;
        bool answered;
        bool forced;
        bool learnt;
    } rows[] = {
        {"sip:00252612345678@pbx.example", true, true, false, true},
        {"sip:00252612345678@pbx.example", true, false, false, false},
        {"sip:00252612345678@pbx.example", true, true, true, false},
        {"sip:00252612345678@pbx.example", false, true, false, true}, /* clearly abroad */
        {"sip:+442079460001@pbx.example", true, true, false, true},
        {"sip:+442079460001@pbx.example", false, true, false, false}, /* may be a number of ours */
    };
    struct numbers_conf conf = {.country = ""};
    struct numbers *numbers;
    struct error error;
    (void)unused;

    assert_int_equal(numbers_open(&conf, &numbers, &error), STATUS_OK);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint64_t now_ns = WIRE_START_NS;
        struct call what = {.caller = wire_endpoint(WIRE_CLIENT),
                            .callee = wire_endpoint(WIRE_SERVER),
                            .number = 12,
                            .started_ns = now_ns,
                            .ringing_ns = now_ns,
                            .answered_ns = rows[i].answered ? now_ns + NS_PER_S : 0,
                            .ended_ns = now_ns + NS_PER_MINUTE,
                            .has_credentials = rows[i].credentials,
                            .early_media = true,
                            .uri = slice_of_string(rows[i].uri),
                            .from_user = SLICE("2001"),
                            .from_host = SLICE("pbx.example")};
        const struct fact_call *told = &stage.fact.is.call;
        stage_open(&stage);
        stage.view.numbers = numbers;
        assert_int_equal(destination_open(64, HASH_KEY_FIXED, &stage.view.destinations, &error),
                         STATUS_OK);
        struct change change = {.kind = CHANGE_CALL_RINGING, .call = &what};
        assert_true(make_at(&stage, change, now_ns));
        assert_true(told->rang && told->early_media);
        assert_int_equal(told->ended_ns, now_ns + NS_PER_MINUTE);
        bool asked = told->block_new_site;
        change.kind = CHANGE_CALL_ENDED;
        change.forced = rows[i].forced;
        now_ns += NS_PER_MINUTE;
        assert_true(make_at(&stage, change, now_ns));
        assert_int_equal(told->block_new_site, asked); /* as it was when the call started */
        change.kind = CHANGE_CALL_RINGING;
        what.has_credentials = true;
        what.started_ns = now_ns + NS_PER_MINUTE;
        assert_true(make_at(&stage, change, what.started_ns));
        assert_int_equal(told->block_new_site, !rows[i].learnt);
        assert_int_equal(told->weeks_called, rows[i].learnt);
        destination_close(stage.view.destinations);
        stage_close(&stage);
    }
    numbers_close(numbers);
}

/* Transactions, registrations and calls say where both parties are; nothing where no file says it. */
static void places(void **unused)
{
    static struct stage stage;
    struct endpoint client = {.port = 5060};
    struct endpoint server = {.port = 5060};
    (void)unused;

    assert_true(addr_parse(SLICE("203.0.113.66"), &client.addr));
    assert_true(addr_parse(SLICE("192.0.2.10"), &server.addr));
    struct transaction transaction = ended();
    struct registration registration = {.action = REGISTRATION_REGISTERED};
    struct call call = {.status = 200, .from_user = SLICE("2001")};
    struct change changes[] = {{.kind = CHANGE_TRANSACTION_ENDED, .transaction = &transaction},
                               {.kind = CHANGE_REGISTRATION, .registration = &registration},
                               {.kind = CHANGE_CALL_STARTED, .call = &call}};
    transaction.client = registration.client = call.caller = client;
    transaction.server = registration.server = call.callee = server;
    const struct fact_party *sides[][2] = {
        {&stage.fact.is.transaction.client, &stage.fact.is.transaction.server},
        {&stage.fact.is.registration.client, &stage.fact.is.registration.server},
        {&stage.fact.is.call.caller, &stage.fact.is.call.callee}};
    stage_open(&stage);
    struct geo *geo = open_geo();
    for (size_t i = 0; i < COUNT_OF(changes); i++) {
        stage.view.geo = NULL;
        assert_true(make(&stage, changes[i]));
        assert_place(sides[i][0], "\0\0", 0);
        stage.view.geo = geo;
        assert_true(make(&stage, changes[i]));
        assert_place(sides[i][0], "NL", 64500);
        assert_place(sides[i][1], "GB", 64502);
    }
    geo_close(geo);
    stage_close(&stage);
}

static void stream(void **unused)
{
    static struct stage stage;
    static struct stream_sighting sighting;
    struct call up = {.answered_ns = 1,
                      .number = 12,
                      .call_id = SLICE("c1"),
                      .from_user = SLICE("2001"),
                      .from_host = SLICE("pbx.example"),
                      .to_user = SLICE("2002"),
                      .to_host = SLICE("pbx.example")};
    struct media_stream what = {.source = wire_endpoint(WIRE_CLIENT),
                                .destination = wire_endpoint(WIRE_SERVER),
                                .ssrc = 7,
                                .clock_index = 1,
                                .codec = "PCMU",
                                .call = &up,
                                .interval = {.mos_milli = 4100, .r_milli = 85000}};
    struct change change = {
        .kind = CHANGE_STREAM_INTERVAL, .stream = &what, .stream_sighting = &sighting};
    (void)unused;

    stage_open(&stage);
    sighting.interval = (struct stream_counts){.packets = 240, .expected = 250, .lost = 10};
    sighting.interval_variation[1].mean_ns = 1234;
    assert_true(make(&stage, change));
    const struct fact_stream *told = &stage.fact.is.stream;
    assert_int_equal(told->event, FACT_STREAM_INTERVAL);
    assert_int_equal(told->loss_ppm, 40000);
    assert_int_equal(told->variation_mean_ns, 1234);
    assert_int_equal(told->r_factor_milli, 85000);
    assert_int_equal(told->mos_milli, 4100);
    assert_true(told->codec_known && told->call_is_up);
    assert_text(told->device, "2002@pbx.example");
    what.from_caller = true;
    what.clock_index = STREAM_CLOCKS;
    what.interval = (struct quality_score){.mos_milli = 0};
    up.ended = true;
    assert_true(make(&stage, change));
    assert_text(told->device, "2001@pbx.example");
    assert_int_equal(told->variation_mean_ns, UINT64_MAX);
    assert_int_equal(told->r_factor_milli, UINT32_MAX);
    assert_false(told->call_is_up);
    what.call = NULL;
    what.interval = (struct quality_score){.mos_milli = 1000, .r_milli = -5};
    sighting.interval = (struct stream_counts){.packets = 0};
    change.kind = CHANGE_STREAM_SILENT;
    assert_true(make(&stage, change));
    assert_text(told->device, "192.0.2.10");
    assert_int_equal(told->r_factor_milli, 0);
    assert_int_equal(told->loss_ppm, 0);
    assert_int_equal(told->event, FACT_STREAM_SILENT);
    stage_close(&stage);
}

static void flow_and_second(void **unused)
{
    static struct stage stage;
    struct flow_sighting what = {.forward_packets = 3, .backward_packets = 0, .ndpi_app = "DNS"};
    struct change change = {.kind = CHANGE_FLOW_ENDED, .flow = &what};
    (void)unused;

    stage_open(&stage);
    assert_true(make(&stage, change));
    assert_text(stage.fact.is.flow.application, "DNS");
    assert_false(stage.fact.is.flow.answered);
    what.ndpi_guessed = true;
    what.backward_packets = 1;
    assert_true(make(&stage, change));
    assert_text(stage.fact.is.flow.application, "");
    assert_true(stage.fact.is.flow.answered);
    what.application = FLOW_STUN;
    assert_true(make(&stage, change));
    assert_text(stage.fact.is.flow.application, "stun");
    assert_true(make(&stage, (struct change){.kind = CHANGE_SECOND, .second = 5}));
    assert_int_equal(stage.fact.is.second.second, 5);
    /* no fact lies behind state time */
    stage.view.now_ns = WIRE_START_NS + 77;
    change.time_ns = WIRE_START_NS;
    assert_true(facts_begin(&stage.view, &change, &stage.fact));
    assert_int_equal(stage.fact.time_ns, WIRE_START_NS + 77);
    stage_close(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(message), cmocka_unit_test(transaction),
        cmocka_unit_test(unheard), cmocka_unit_test(registration),
        cmocka_unit_test(call),    cmocka_unit_test(sound),
        cmocka_unit_test(pauses),  cmocka_unit_test(past),
        cmocka_unit_test(numbers), cmocka_unit_test(places),
        cmocka_unit_test(stream),  cmocka_unit_test(flow_and_second),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
