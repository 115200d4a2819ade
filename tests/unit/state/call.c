/* Calls: outcome and status by docs/definitions.md, what is told when, ends that nobody
 * saw, bounds. */
#include "tests/unit/state/scene.h"

enum { STEPS_MAX = 12 };
#define INVITE_1 SAID(0, "INVITE", 1, "a", NULL)
#define CREDENTIALS                                                                                \
    "Authorization: Digest username=\"alice\", realm=\"r\", nonce=\"n\", uri=\"sip:b\", "          \
    "response=\"0f\"\r\n"
#define TOO_LONG "Content-Length: 4000\r\n"

struct outcome_row {
    const char *label;
    enum call_outcome outcome;
    unsigned status;
    enum call_ended_by by;
    struct said steps[STEPS_MAX];
};

/* clang-format off */
static const struct outcome_row outcome_rows[] = {
    {"only an INVITE", CALL_ATTEMPTED, 0, 0, {INVITE_1}},
    {"100 is no ringing", CALL_ATTEMPTED, 0, 0, {INVITE_1, SAID(.1, "100 INVITE", 1, "a", NULL)}},
    {"ringing", CALL_RINGING, 0, 0, {INVITE_1, SAID(.1, "180 INVITE", 1, "a", "b")}},
    {"183 is ringing", CALL_RINGING, 0, 0, {INVITE_1, SAID(.1, "183 INVITE", 1, "a", "b")}},
    {"answered", CALL_ANSWERED, 200, CALL_ENDED_BY_CALLER,
     {INVITE_1, SAID(1, "200 INVITE", 1, "a", "b"), SAID(1.1, "ACK", 1, "a", "b"), SAID(3, "BYE", 2, "a", "b")}},
    {"answered, the callee hangs up", CALL_ANSWERED, 200, CALL_ENDED_BY_CALLEE,
     {INVITE_1, SAID(1, "200 INVITE", 1, "a", "b"), SAID(3, "BYE", 7, "b", "a")}},
    {"202 answers", CALL_ANSWERED, 202, 0, {INVITE_1, SAID(1, "202 INVITE", 1, "a", "b")}},
    {"200 to BYE or OPTIONS is no answer", CALL_RINGING, 0, 0,
     {INVITE_1, SAID(.1, "180 INVITE", 1, "a", "b"), SAID(.2, "200 OPTIONS", 2, "a", "b")}},
    {"a challenge, then an answer", CALL_ANSWERED, 200, 0,
     {INVITE_1, SAID(.1, "401 INVITE", 1, "a", "x"), SAID_WITH(.2, "INVITE", 2, "a", NULL, .headers = CREDENTIALS),
      SAID(1, "200 INVITE", 2, "a", "b")}},
    {"a challenge that nobody answers", CALL_FAILED, 407, CALL_ENDED_BY_NETWORK,
     {INVITE_1, SAID(.1, "407 INVITE", 1, "a", "x")}},
    {"a challenge and an INVITE without credentials", CALL_FAILED, 407, 0,
     {INVITE_1, SAID(.1, "407 INVITE", 1, "a", "x"), SAID(.2, "INVITE", 2, "a", NULL)}},
    {"credentials without an answer", CALL_ATTEMPTED, 0, 0,
     {INVITE_1, SAID(.1, "407 INVITE", 1, "a", "x"), SAID_WITH(.2, "INVITE", 2, "a", NULL, .headers = CREDENTIALS)}},
    {"a late copy of the challenge", CALL_ATTEMPTED, 0, 0,
     {INVITE_1, SAID(.1, "407 INVITE", 1, "a", "x"), SAID_WITH(.2, "INVITE", 2, "a", NULL, .headers = CREDENTIALS),
      SAID(.3, "407 INVITE", 1, "a", "x")}},
    {"credentials refused by a second challenge", CALL_FAILED, 401, CALL_ENDED_BY_NETWORK,
     {INVITE_1, SAID(.1, "401 INVITE", 1, "a", "x"), SAID_WITH(.2, "INVITE", 2, "a", NULL, .headers = CREDENTIALS),
      SAID(.3, "401 INVITE", 2, "a", "x")}},
    {"busy", CALL_FAILED, 486, CALL_ENDED_BY_CALLEE, {INVITE_1, SAID(.1, "486 INVITE", 1, "a", "b")}},
    {"the last final counts", CALL_FAILED, 404, CALL_ENDED_BY_NETWORK,
     {INVITE_1, SAID(.1, "302 INVITE", 1, "a", "b"), SAID(.2, "INVITE", 2, "a", NULL),
      SAID(.3, "404 INVITE", 2, "a", "b")}},
    {"403 after credentials", CALL_FAILED, 403, CALL_ENDED_BY_NETWORK,
     {INVITE_1, SAID(.1, "401 INVITE", 1, "a", "x"), SAID_WITH(.2, "INVITE", 2, "a", NULL, .headers = CREDENTIALS),
      SAID(.3, "403 INVITE", 2, "a", "b")}},
    {"cancelled", CALL_CANCELLED, 487, CALL_ENDED_BY_CALLER,
     {INVITE_1, SAID(.1, "180 INVITE", 1, "a", "b"), SAID(.2, "CANCEL", 1, "a", NULL),
      SAID(.3, "200 CANCEL", 1, "a", "b"), SAID(.4, "487 INVITE", 1, "a", "b")}},
    {"cancelled, the 487 was not seen", CALL_CANCELLED, 0, CALL_ENDED_BY_CALLER,
     {INVITE_1, SAID(.2, "CANCEL", 1, "a", NULL)}},
    {"487 alone", CALL_CANCELLED, 487, CALL_ENDED_BY_CALLER, {INVITE_1, SAID(.4, "487 INVITE", 1, "a", "b")}},
    {"CANCEL and another final", CALL_FAILED, 408, CALL_ENDED_BY_CALLER,
     {INVITE_1, SAID(.2, "CANCEL", 1, "a", NULL), SAID(.4, "408 INVITE", 1, "a", "b")}},
    {"CANCEL crosses 200", CALL_ANSWERED, 200, CALL_ENDED_BY_CALLER,
     {INVITE_1, SAID(.2, "CANCEL", 1, "a", NULL), SAID(.3, "200 INVITE", 1, "a", "b"), SAID(.4, "BYE", 2, "a", "b")}},
    {"one fork refuses, the other answers", CALL_ANSWERED, 200, 0,
     {INVITE_1, SAID(.1, "486 INVITE", 1, "a", "b"), SAID(.2, "200 INVITE", 1, "a", "c")}},
    {"a refused re-INVITE changes nothing", CALL_ANSWERED, 200, 0,
     {INVITE_1, SAID(.1, "200 INVITE", 1, "a", "b"), SAID(2, "INVITE", 2, "a", "b"), SAID(2.1, "488 INVITE", 2, "a", "b")}},
    {"481 to a re-INVITE ends it", CALL_ANSWERED, 200, CALL_ENDED_BY_NETWORK,
     {INVITE_1, SAID(.1, "200 INVITE", 1, "a", "b"), SAID(2, "INVITE", 2, "a", "b"), SAID(2.1, "481 INVITE", 2, "a", "b")}},
    {"the answer before the request", CALL_ANSWERED, 200, 0,
     {SAID(0, "200 INVITE", 1, "a", "b"), SAID(.001, "INVITE", 1, "a", NULL)}},
    {"invalid and never accepted", CALL_ATTEMPTED, 0, CALL_ENDED_BY_SENSOR,
     {SAID_WITH(0, "INVITE", 1, "a", NULL, .headers = TOO_LONG), SAID(.1, "400 INVITE", 1, "a", "b")}},
    {"invalid and refused by 5xx", CALL_ATTEMPTED, 0, CALL_ENDED_BY_SENSOR,
     {SAID_WITH(0, "INVITE", 1, "a", NULL, .headers = TOO_LONG), SAID(.1, "503 INVITE", 1, "a", "b")}},
    {"invalid and accepted all the same", CALL_ANSWERED, 200, 0,
     {SAID_WITH(0, "INVITE", 1, "a", NULL, .headers = TOO_LONG), SAID(.1, "200 INVITE", 1, "a", "b")}},
    {"invalid, refused by who it was for", CALL_FAILED, 486, CALL_ENDED_BY_CALLEE,
     {SAID_WITH(0, "INVITE", 1, "a", NULL, .headers = TOO_LONG), SAID(.1, "486 INVITE", 1, "a", "b")}},
    {"200 to a BYE that was not seen", CALL_ANSWERED, 200, CALL_ENDED_BY_CALLER,
     {INVITE_1, SAID(.1, "200 INVITE", 1, "a", "b"), SAID(2, "200 BYE", 2, "a", "b")}},
};
/* clang-format on */

static void outcomes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof outcome_rows / sizeof outcome_rows[0]; i++) {
        const struct outcome_row *row = &outcome_rows[i];
        static struct scene scene;
        scene_open(&scene);
        for (unsigned k = 0; k < STEPS_MAX && row->steps[k].what != NULL; k++) {
            scene_say(&scene, &row->steps[k]);
        }
        if (row->by != 0) {
            scene_wait(&scene, 1, 230);
            assert_int_equal(scene_count(&scene, CHANGE_CALL_ENDED), 1);
        }
        call_end(scene.calls);
        const struct told *told = scene_last(&scene, CHANGE_CALL_ENDED);
        if (told->call.outcome != row->outcome || told->call.status != row->status ||
            told->call.ended_by != row->by || told->forced != (row->by == 0)) {
            print_error("%s: outcome %u status %u ended by %u\n", row->label, told->call.outcome,
                        told->call.status, told->call.ended_by);
            fail();
        }
        assert_int_equal(scene_count(&scene, CHANGE_CALL_ENDED), 1);
        assert_string_equal(told->from_user, "alice");
        assert_string_equal(told->to_user, "bob");
        assert_string_equal(told->uri, "sip:bob@example.com");
        scene_close(&scene);
    }
}

static void each_change_once(void **state)
{
    (void)state;
    static const struct said steps[] = {
        INVITE_1,
        SAID_WITH(.5, "INVITE", 1, "a", NULL, .copy = true),
        SAID_WITH(.6, "INVITE", 1, "a", NULL, .vias = 2),
        SAID_WITH(.7, "180 INVITE", 1, "a", "b", .vias = 2),
        SAID(.8, "180 INVITE", 1, "a", "b"),
        SAID(.9, "183 INVITE", 1, "a", "c"),
        SAID_WITH(2, "200 INVITE", 1, "a", "b", .vias = 2),
        SAID(2.1, "200 INVITE", 1, "a", "b"),
        SAID_WITH(2.2, "200 INVITE", 1, "a", "b", .copy = true),
        SAID(2.3, "ACK", 1, "a", "b"),
        SAID(9, "INVITE", 2, "a", "b"),
        SAID_WITH(9.1, "INVITE", 2, "a", "b", .vias = 2),
        SAID(9.2, "200 INVITE", 2, "a", "b"),
        SAID(10, "REFER", 3, "a", "b"),
        SAID_WITH(12, "BYE", 4, "a", "b",
                  .headers = "Reason: SIP;cause=200, Q.850;cause=16;text=\"x\"\r\n"),
        SAID_WITH(12.1, "BYE", 4, "a", "b", .vias = 2),
        SAID(12.2, "200 BYE", 4, "a", "b"),
    };
    static struct scene scene;
    scene_open(&scene);
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        scene_say(&scene, &steps[i]);
    }
    assert_int_equal(scene.told_count, 3);
    scene_wait(&scene, 13, 16);
    assert_int_equal(scene_count(&scene, CHANGE_CALL_ENDED), 0);
    scene_mark(&scene, 17);
    assert_int_equal(scene.told_count, 4);
    assert_int_equal(scene.told[0].kind, CHANGE_CALL_STARTED);
    assert_int_equal(scene.told[1].kind, CHANGE_CALL_RINGING);
    assert_int_equal(scene.told[2].kind, CHANGE_CALL_ANSWERED);
    assert_int_equal(scene.told[3].kind, CHANGE_CALL_ENDED);
    const struct call *call = &scene.told[3].call;
    assert_int_equal(call->started_ns, scene_ns(0));
    assert_int_equal(call->ringing_ns, scene_ns(.7));
    assert_int_equal(call->answered_ns, scene_ns(2));
    assert_int_equal(call->ended_ns, scene_ns(12));
    assert_int_equal(call->hops, 2);
    assert_int_equal(call->forks, 1);
    assert_int_equal(call->reinvites, 1);
    assert_int_equal(call->transfers, 1);
    assert_int_equal(call->retransmits, 2);
    assert_int_equal(call->q850, 16);
    assert_true(call->seen_invite && call->seen_final && call->seen_ack && call->seen_bye &&
                call->ended && !call->one_way && !call->partial);
    assert_string_equal(scene.told[3].to_tag, "b");
    assert_string_equal(scene.told[3].reason, "Phrase");
    assert_int_equal(call->end_reason, CALL_END_OWN);
    call_end(scene.calls);
    assert_int_equal(scene.told_count, 4);
    scene_close(&scene);
}

/* Ringing is told with the first 18x, and once more when media comes behind it. */
static void early_media(void **state)
{
    static const struct said plain = SAID(1, "180 INVITE", 1, "a", "b");
    static const struct said media =
        SAID_WITH(2, "183 INVITE", 1, "a", "b", .sdp = "192.0.2.2 30000 sendrecv");
    (void)state;

    for (unsigned plain_first = 0; plain_first < 2; plain_first++) {
        struct scene scene;
        scene_open(&scene);
        scene_say(&scene, &(struct said)INVITE_1);
        if (plain_first == 1) {
            scene_say(&scene, &plain);
            assert_int_equal(scene.told[1].kind, CHANGE_CALL_RINGING);
            assert_false(scene.told[1].call.early_media);
        }
        scene_say(&scene, &media);
        scene_say(&scene, &media);
        scene_say(&scene, &plain);
        assert_int_equal(scene_count(&scene, CHANGE_CALL_RINGING), 1 + plain_first);
        assert_true(scene.told[1 + plain_first].call.early_media);
        call_end(scene.calls);
        scene_close(&scene);
    }
}

/* What nobody wants is not told; the end always is. */
static void unwanted_changes_are_kept_back(void **state)
{
    struct scene scene;
    (void)state;

    scene_open_sink(&scene, 64, 64,
                    CHANGE_BIT(CALL_STARTED) | CHANGE_BIT(CALL_RINGING) | CHANGE_BIT(CALL_ENDED),
                    false);
    scene_say(&scene, &(struct said)INVITE_1);
    scene_say(&scene, &(struct said)SAID(1, "180 INVITE", 1, "a", "b"));
    scene_say(&scene, &(struct said)SAID(2, "200 INVITE", 1, "a", "b"));
    scene_say(&scene, &(struct said)SAID(3, "BYE", 2, "a", "b"));
    scene_wait(&scene, 4, 10);
    assert_int_equal(scene_count(&scene, CHANGE_CALL_STARTED), 0);
    assert_int_equal(scene_count(&scene, CHANGE_CALL_RINGING), 0);
    assert_int_equal(scene_count(&scene, CHANGE_CALL_ANSWERED), 1);
    assert_int_equal(scene_count(&scene, CHANGE_CALL_ENDED), 1);
    scene_close(&scene);
}

/* Whose number has at most six digits rings unheard, until he is heard. */
static void extensions_ring_unheard(void **state)
{
    static const struct {
        const char *uri;
        bool no_extensions;
        unsigned rings; /* 180 alone, then with media */
    } rows[] = {
        {"sip:200100@example.com", true, 1},
        {"sip:200100@example.com", false, 2},
        {"sip:2001000@example.com", true, 2},
        {"sip:+20010@example.com", true, 2},
        {"sip:2001;phone-context=+44@example.com", true, 2},
        {"sip:bob@example.com", true, 2},
        {"tel:112", true, 1},
        {"tel:112;phone-context=+44", true, 2},
    };
    (void)state;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct scene scene;
        scene_open_sink(&scene, 64, 64, 0, rows[i].no_extensions);
        scene_say(&scene, &(struct said)SAID_WITH(0, "INVITE", 1, "a", NULL, .uri = rows[i].uri));
        scene_say(&scene, &(struct said)SAID(1, "180 INVITE", 1, "a", "b"));
        assert_int_equal(scene_count(&scene, CHANGE_CALL_RINGING), rows[i].rings - 1);
        scene_say(&scene, &(struct said)SAID_WITH(2, "183 INVITE", 1, "a", "b",
                                                  .sdp = "192.0.2.2 30000 sendrecv"));
        assert_int_equal(scene_count(&scene, CHANGE_CALL_RINGING), rows[i].rings);
        call_end(scene.calls);
        scene_close(&scene);
    }
}

static void a_lost_fork_does_not_hang_up(void **state)
{
    (void)state;
    static struct scene scene;
    scene_open(&scene);
    scene_say(&scene, &(struct said)INVITE_1);
    scene_say(&scene, &(struct said)SAID(1, "200 INVITE", 1, "a", "b"));
    scene_say(&scene, &(struct said)SAID(1.1, "200 INVITE", 1, "a", "c"));
    scene_say(&scene, &(struct said)SAID(1.2, "BYE", 2, "a", "c"));
    scene_wait(&scene, 2, 20);
    assert_int_equal(scene_count(&scene, CHANGE_CALL_ENDED), 0);
    scene_say(&scene, &(struct said)SAID(30, "BYE", 3, "a", "b"));
    scene_wait(&scene, 31, 36);
    assert_int_equal(scene_last(&scene, CHANGE_CALL_ENDED)->call.ended_ns, scene_ns(30));
    assert_int_equal(scene_last(&scene, CHANGE_CALL_ENDED)->call.forks, 1);
    scene_close(&scene);
}

/* Two branches are open: the refusal of one ends nothing yet. */
static void open_branches_keep_a_call_open(void **state)
{
    (void)state;
    static struct scene scene;
    scene_open(&scene);
    scene_say(&scene, &(struct said)SAID_WITH(0, "INVITE", 1, "a", NULL, .has_transaction = true));
    scene_say(&scene, &(struct said)SAID_WITH(.1, "INVITE", 1, "a", NULL, .has_transaction = true,
                                              .vias = 2));
    scene_say(&scene, &(struct said)SAID_WITH(.2, "486 INVITE", 1, "a", "b",
                                              .has_transaction = true, .first_final = true));
    scene_wait(&scene, 1, 20);
    assert_int_equal(scene_count(&scene, CHANGE_CALL_ENDED), 0);
    scene_say(&scene, &(struct said)SAID_WITH(20, "200 INVITE", 1, "a", "c",
                                              .has_transaction = true, .first_final = true));
    assert_int_equal(scene_last(&scene, CHANGE_CALL_ANSWERED)->call.outcome, CALL_ANSWERED);
    scene_close(&scene);

    /* The last answer never came: 32 s after the last message it is over all the same. */
    scene_open(&scene);
    scene_say(&scene, &(struct said)SAID_WITH(0, "INVITE", 1, "a", NULL, .has_transaction = true));
    scene_say(&scene, &(struct said)SAID_WITH(.1, "INVITE", 1, "a", NULL, .has_transaction = true,
                                              .vias = 2));
    scene_say(&scene, &(struct said)SAID_WITH(2, "486 INVITE", 1, "a", "b", .has_transaction = true,
                                              .first_final = true));
    scene_wait(&scene, 3, 70);
    const struct told *told = scene_last(&scene, CHANGE_CALL_ENDED);
    assert_int_equal(told->call.status, 486);
    assert_int_equal(told->call.ended_ns, scene_ns(2));
    scene_close(&scene);
}

static void retries_wait_longer_than_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        unsigned told_s;
    } rows[] = {{"404 INVITE", 5},  {"603 INVITE", 5},  {"401 INVITE", 180},
                {"302 INVITE", 32}, {"503 INVITE", 32}, {"487 INVITE", 5}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        static struct scene scene;
        scene_open(&scene);
        scene_say(&scene, &(struct said)INVITE_1);
        scene_say(&scene, &(struct said)SAID(0, rows[i].what, 1, "a", "b"));
        scene_wait(&scene, 1, rows[i].told_s - 1);
        assert_int_equal(scene_count(&scene, CHANGE_CALL_ENDED), 0);
        scene_mark(&scene, rows[i].told_s);
        assert_int_equal(scene_count(&scene, CHANGE_CALL_ENDED), 1);
        assert_int_equal(scene_last(&scene, CHANGE_CALL_ENDED)->call.ended_ns, scene_ns(0));
        scene_close(&scene);
    }
}

static void nobody_answers(void **state)
{
    (void)state;
    static struct scene scene;
    scene_open(&scene);
    scene_say(&scene, &(struct said)INVITE_1);
    scene_say(&scene, &(struct said)SAID(1, "180 INVITE", 1, "a", "b"));
    scene_wait(&scene, 2, 200);
    assert_int_equal(scene_count(&scene, CHANGE_CALL_ENDED), 0);
    scene_wait(&scene, 201, 260);
    const struct told *told = scene_last(&scene, CHANGE_CALL_ENDED);
    assert_int_equal(told->call.end_reason, CALL_END_INFERRED);
    assert_int_equal(told->call.ended_by, CALL_ENDED_BY_SENSOR);
    assert_int_equal(told->call.outcome, CALL_RINGING);
    assert_int_equal(told->call.ended_ns, scene_ns(1));
    assert_false(told->forced);
    scene_close(&scene);
}

static void session_and_age_run_out(void **state)
{
    (void)state;
    static struct scene scene;
    scene_open(&scene);
    scene_say(&scene, &(struct said)INVITE_1);
    scene_say(&scene, &(struct said)SAID_WITH(1, "200 INVITE", 1, "a", "b",
                                              .headers = "Session-Expires: 90;refresher=uac\r\n"));
    scene_say(&scene, &(struct said)SAID(61, "UPDATE", 2, "a", "b"));
    scene_wait(&scene, 62, 140);
    assert_int_equal(scene_count(&scene, CHANGE_CALL_ENDED), 0);
    scene_wait(&scene, 141, 180);
    assert_int_equal(scene_count(&scene, CHANGE_CALL_ENDED), 1);
    assert_int_equal(scene_last(&scene, CHANGE_CALL_ENDED)->call.ended_ns, scene_ns(61));
    scene_close(&scene);

    /* No session timer, no media seen: it may last for a day. */
    scene_open(&scene);
    scene_say(&scene, &(struct said)INVITE_1);
    scene_say(&scene, &(struct said)SAID(1, "200 INVITE", 1, "a", "b"));
    for (unsigned second = 10; second < 24 * 3600; second += 60) {
        scene_mark(&scene, second);
    }
    assert_int_equal(scene_count(&scene, CHANGE_CALL_ENDED), 0);
    for (unsigned second = 24 * 3600; second < 24 * 3600 + 60; second += 5) {
        scene_mark(&scene, second);
    }
    assert_int_equal(scene_count(&scene, CHANGE_CALL_ENDED), 1);
    scene_close(&scene);
}

static void call_id_used_again(void **state)
{
    (void)state;
    static struct scene scene;
    scene_open(&scene);
    scene_say(&scene, &(struct said)INVITE_1);
    scene_say(&scene, &(struct said)SAID(1, "200 INVITE", 1, "a", "b"));
    scene_say(&scene, &(struct said)SAID(2, "BYE", 2, "a", "b"));
    /* Not told yet: it stays one entry. */
    scene_say(&scene, &(struct said)SAID(3, "INVITE", 1, "z", NULL));
    scene_wait(&scene, 3, 10);
    assert_int_equal(scene_count(&scene, CHANGE_CALL_STARTED), 1);
    assert_int_equal(scene_count(&scene, CHANGE_CALL_ENDED), 1);
    /* Told: a late copy is nothing ... */
    scene_say(&scene, &(struct said)SAID(11, "INVITE", 1, "a", NULL));
    assert_int_equal(scene_count(&scene, CHANGE_CALL_STARTED), 1);
    /* ... another From tag is a new instance. */
    scene_say(&scene, &(struct said)SAID(12, "INVITE", 1, "y", NULL));
    scene_say(&scene, &(struct said)SAID(13, "486 INVITE", 1, "y", "b"));
    assert_int_equal(scene_count(&scene, CHANGE_CALL_STARTED), 2);
    scene_wait(&scene, 14, 20);
    assert_int_equal(scene_count(&scene, CHANGE_CALL_ENDED), 2);
    assert_int_equal(scene_last(&scene, CHANGE_CALL_ENDED)->call.outcome, CALL_FAILED);
    assert_int_equal(scene_last(&scene, CHANGE_CALL_ENDED)->call.started_ns, scene_ns(12));
    /* The same From tag and CSeq, but 33 s after the end. */
    scene_say(&scene, &(struct said)SAID(46, "INVITE", 1, "y", NULL));
    assert_int_equal(scene_count(&scene, CHANGE_CALL_STARTED), 3);
    scene_close(&scene);
}

static void in_dialog_only_is_partial(void **state)
{
    (void)state;
    static struct scene scene;
    scene_open(&scene);
    assert_int_equal(scene_say(&scene, &(struct said)SAID(0, "BYE", 9, "a", "b")), TABLE_NONE);
    assert_int_equal(scene_say(&scene, &(struct said)SAID(0, "200 REGISTER", 9, "a", "b")),
                     TABLE_NONE);
    assert_int_equal(scene_say(&scene, &(struct said)SAID(0, "ACK", 9, "a", "b")), TABLE_NONE);
    uint32_t cell = scene_say(&scene, &(struct said)SAID(1, "INVITE", 10, "a", "b"));
    assert_int_not_equal(cell, TABLE_NONE);
    assert_true(call_at(scene.calls, cell)->partial);
    assert_false(call_at(scene.calls, cell)->seen_invite);
    scene_say(&scene, &(struct said)SAID(1.1, "200 INVITE", 10, "a", "b"));
    scene_say(&scene, &(struct said)SAID(5, "BYE", 11, "a", "b"));
    scene_wait(&scene, 6, 20);
    call_end(scene.calls);
    assert_int_equal(scene.told_count, 0);
    scene_wait(&scene, 20, 400);
    assert_int_equal(call_used(scene.calls), 0);
    scene_close(&scene);
}

static void told_calls_go(void **state)
{
    (void)state;
    static struct scene scene;
    scene_open(&scene);
    uint32_t cell = scene_say(&scene, &(struct said)INVITE_1);
    uint32_t generation = call_generation(scene.calls, cell);
    scene_say(&scene, &(struct said)SAID(1, "486 INVITE", 1, "a", "b"));
    scene_wait(&scene, 2, 315);
    assert_int_equal(call_used(scene.calls), 1);
    scene_wait(&scene, 316, 330);
    assert_int_equal(call_used(scene.calls), 0);
    assert_int_equal(scene_say(&scene, &(struct said)SAID(331, "INVITE", 1, "a", NULL)), cell);
    assert_int_not_equal(call_generation(scene.calls, cell), generation);
    scene_close(&scene);
}

/* What comes behind the telling changes no record and leaves nothing behind. */
static void answers_after_the_telling(void **state)
{
    (void)state;
    static struct scene scene;
    scene_open(&scene);
    scene_say(&scene, &(struct said)SAID_WITH(0, "INVITE", 1, "a", NULL, .headers = TOO_LONG));
    scene_wait(&scene, 1, 40);
    assert_int_equal(scene_count(&scene, CHANGE_CALL_ENDED), 1);
    scene_say(&scene, &(struct said)SAID(41, "200 INVITE", 1, "a", "b"));
    scene_say(&scene, &(struct said)SAID(42, "BYE", 2, "a", "b"));
    scene_wait(&scene, 43, 400);
    assert_int_equal(scene.told_count, 1);
    assert_int_equal(call_used(scene.calls), 0);
    scene_close(&scene);
}

static void few_told_calls_linger(void **state)
{
    (void)state;
    static struct scene scene;
    char call_id[32];
    scene_open_with(&scene, 16, 8); /* a quarter and one of them */
    for (unsigned i = 0; i < 12; i++) {
        struct text text = text_into(call_id, sizeof call_id);
        text_format(&text, "call-%u", i);
        scene.call_id = text_terminate(&text);
        scene_say(&scene, &(struct said)SAID(0, "INVITE", 1, "a", NULL));
        scene_say(&scene, &(struct said)SAID(1, "486 INVITE", 1, "a", "b"));
    }
    scene_wait(&scene, 2, 20);
    assert_int_equal(scene_count(&scene, CHANGE_CALL_ENDED), 12);
    assert_int_equal(call_used(scene.calls), 5);
    assert_int_equal(call_evicted(scene.calls), 0);
    scene_close(&scene);
}

static void full_table_tells_whom_it_forgets(void **state)
{
    (void)state;
    static struct scene scene;
    char call_id[32];
    scene_open_with(&scene, 8, 8);
    for (unsigned i = 0; i < 12; i++) {
        struct text text = text_into(call_id, sizeof call_id);
        text_format(&text, "call-%u", i);
        scene.call_id = text_terminate(&text);
        scene_say(&scene, &(struct said)SAID(i, "INVITE", 1, "a", NULL));
        if (i == 0) {
            scene_say(&scene, &(struct said)SAID(i, "200 INVITE", 1, "a", "b"));
        }
    }
    assert_int_equal(call_evicted(scene.calls), 4);
    assert_int_equal(call_used(scene.calls), 8);
    assert_int_equal(scene_count(&scene, CHANGE_CALL_ENDED), 4);
    const struct told *told = scene_last(&scene, CHANGE_CALL_ENDED);
    /* call-0 was answered, so it is strong: call-1 to call-4 went. */
    assert_string_equal(told->call_id, "call-4");
    assert_int_equal(told->call.end_reason, CALL_END_EVICTED);
    call_end(scene.calls);
    assert_int_equal(scene_count(&scene, CHANGE_CALL_ENDED), 12);
    scene_close(&scene);
}

static void the_end_comes_in_order_of_first_packets(void **state)
{
    (void)state;
    static struct scene scene;
    char call_id[32];
    scene_open_with(&scene, 40, 8);
    for (unsigned i = 0; i < 30; i++) {
        struct text text = text_into(call_id, sizeof call_id);
        text_format(&text, "call-%u", i * 7 % 30);
        scene.call_id = text_terminate(&text);
        scene_say(&scene, &(struct said)SAID(i, "INVITE", 1, "a", NULL));
    }
    scene.told_count = 0;
    call_end(scene.calls);
    assert_int_equal(scene.told_count, 30);
    for (unsigned i = 0; i < 30; i++) {
        assert_int_equal(scene.told[i].call.number, i + 1);
        assert_true(scene.told[i].forced);
        assert_int_equal(scene.told[i].call.end_reason, CALL_END_CAPTURE);
        assert_false(scene.told[i].call.ended);
    }
    scene_close(&scene);
}

static void a_jump_of_the_clock_ages_nothing(void **state)
{
    (void)state;
    static struct scene scene;
    scene_open(&scene);
    scene_say(&scene, &(struct said)INVITE_1);
    uint64_t mark_s = time_second(scene_ns(10)) + 30 * 86400;
    call_mark(scene.calls, mark_s, 30 * NS_PER_DAY);
    assert_int_equal(scene_count(&scene, CHANGE_CALL_ENDED), 0);
    scene_say(&scene, &(struct said)SAID(30 * 86400 + 11, "200 INVITE", 1, "a", "b"));
    const struct call *call = &scene_last(&scene, CHANGE_CALL_ANSWERED)->call;
    assert_int_equal(call->answered_ns - call->started_ns, 11 * NS_PER_S);
    scene_close(&scene);
}

/* Seconds are kept in 32 bits: at their end a look that is put off is due again at once, and is taken
 * at the next mark all the same. */
static void the_end_of_seconds_ends_a_mark(void **state)
{
    (void)state;
    static struct scene scene;
    scene_open(&scene);
    scene_say(&scene, &(struct said)INVITE_1);
    uint64_t shift_s = UINT32_MAX - time_second(scene_ns(10));
    call_mark(scene.calls, UINT32_MAX, shift_s * NS_PER_S);
    call_mark(scene.calls, (uint64_t)UINT32_MAX + 1, 0);
    assert_int_equal(scene_count(&scene, CHANGE_CALL_ENDED), 0);
    call_mark(scene.calls, (uint64_t)UINT32_MAX + 3600, 0);
    assert_int_equal(scene_count(&scene, CHANGE_CALL_ENDED), 1);
    scene_close(&scene);
}

static void long_texts_are_cut(void **state)
{
    (void)state;
    static struct scene scene;
    static char long_id[400];
    scene_open(&scene);
    for (unsigned bytes = 255; bytes <= 257; bytes++) {
        memset(long_id, 'x', bytes);
        long_id[bytes] = 0;
        scene.call_id = long_id;
        uint32_t cell = scene_say(&scene, &(struct said)INVITE_1);
        assert_int_equal(call_at(scene.calls, cell)->call_id.bytes, bytes < 256 ? bytes : 256);
    }
    /* The key hashes all of it: three calls. */
    assert_int_equal(scene_count(&scene, CHANGE_CALL_STARTED), 3);
    scene_close(&scene);
}

static void bytes_of_a_call(void **state)
{
    (void)state;
    struct call_limits small = {.calls_max = 1000, .key = HASH_KEY_FIXED};
    struct call_limits large = {.calls_max = 2000, .key = HASH_KEY_FIXED};
    size_t each = (call_bytes_max(&large) - call_bytes_max(&small)) / 1000;
    /* The ceiling: cell, index, eight chunks of text, and half of a call's sound. */
    assert_true(each <= 704);
}

/* Who rang and hung up is told at once, and once. */
static void given_up(void **state)
{
    (void)state;
#define RINGS INVITE_1, SAID(.1, "180 INVITE", 1, "a", "b")
#define CANCELS SAID(2, "CANCEL", 1, "a", NULL), SAID(2.1, "200 CANCEL", 1, "a", "b")
    static const struct {
        const char *label;
        unsigned at_once; /* with the last step */
        unsigned whole; /* when all is told */
        struct said steps[STEPS_MAX];
    } rows[] = {
        {"answered CANCEL", 1, 1, {RINGS, CANCELS, SAID(2.2, "487 INVITE", 1, "a", "b")}},
        {"487 without a CANCEL", 1, 1, {RINGS, SAID(2.2, "487 INVITE", 1, "a", "b")}},
        {"CANCEL without an answer", 0, 1, {RINGS, SAID(2, "CANCEL", 1, "a", NULL)}},
        {"CANCEL sent again",
         1,
         1,
         {RINGS, SAID(2, "CANCEL", 1, "a", NULL),
          SAID_WITH(2.5, "CANCEL", 1, "a", NULL, .copy = true),
          SAID(2.6, "487 INVITE", 1, "a", "b"),
          SAID_WITH(3.1, "487 INVITE", 1, "a", "b", .copy = true)}},
        {"200 crosses the CANCEL",
         0,
         0,
         {RINGS, CANCELS, SAID(2.2, "200 INVITE", 1, "a", "b"), SAID(2.3, "ACK", 1, "a", "b"),
          SAID(2.4, "BYE", 2, "a", "b")}},
        {"nobody was rung", 0, 0, {INVITE_1, CANCELS, SAID(2.2, "487 INVITE", 1, "a", "b")}},
        {"busy", 0, 0, {RINGS, SAID(2.2, "486 INVITE", 1, "a", "b")}},
        {"BYE before the answer", 1, 1, {RINGS, SAID(2, "BYE", 2, "a", "b")}},
        {"two forks, both hung up",
         1,
         1,
         {RINGS, SAID(.2, "180 INVITE", 1, "a", "c"), CANCELS, SAID(2.2, "487 INVITE", 1, "a", "b"),
          SAID(2.3, "487 INVITE", 1, "a", "c")}},
        {"one fork is told to go, the other answers",
         0,
         0,
         {RINGS, SAID(.2, "180 INVITE", 1, "a", "c"), SAID(2, "200 INVITE", 1, "a", "c"),
          SAID(2.1, "CANCEL", 1, "a", NULL), SAID(2.2, "487 INVITE", 1, "a", "b"),
          SAID(3, "BYE", 2, "a", "c")}},
        {"another phone rings, and is given up too",
         1,
         1,
         {RINGS, CANCELS, SAID(2.2, "487 INVITE", 1, "a", "b"), SAID(2.3, "INVITE", 2, "a", NULL),
          SAID(2.4, "180 INVITE", 2, "a", "c"), SAID(4, "487 INVITE", 2, "a", "c")}},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct scene scene;
        scene_open(&scene);
        for (unsigned n = 0; n < STEPS_MAX && rows[i].steps[n].what != NULL; n++) {
            scene_say(&scene, &rows[i].steps[n]);
        }
        unsigned at_once = scene_count(&scene, CHANGE_CALL_GIVEN_UP);
        scene_wait(&scene, 5, 60);
        unsigned whole = scene_count(&scene, CHANGE_CALL_GIVEN_UP);
        if (at_once != rows[i].at_once || whole != rows[i].whole) {
            fail_msg("%s: told %u times at once, %u times in all", rows[i].label, at_once, whole);
        }
        const struct call *end = &scene_last(&scene, CHANGE_CALL_ENDED)->call;
        assert_int_equal(scene_count(&scene, CHANGE_CALL_ENDED), 1);
        assert_int_equal(end->given_up, whole > 0);
        scene_close(&scene);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_up),
        cmocka_unit_test(outcomes),
        cmocka_unit_test(each_change_once),
        cmocka_unit_test(early_media),
        cmocka_unit_test(unwanted_changes_are_kept_back),
        cmocka_unit_test(extensions_ring_unheard),
        cmocka_unit_test(a_lost_fork_does_not_hang_up),
        cmocka_unit_test(open_branches_keep_a_call_open),
        cmocka_unit_test(retries_wait_longer_than_refusals),
        cmocka_unit_test(nobody_answers),
        cmocka_unit_test(session_and_age_run_out),
        cmocka_unit_test(call_id_used_again),
        cmocka_unit_test(in_dialog_only_is_partial),
        cmocka_unit_test(told_calls_go),
        cmocka_unit_test(answers_after_the_telling),
        cmocka_unit_test(few_told_calls_linger),
        cmocka_unit_test(full_table_tells_whom_it_forgets),
        cmocka_unit_test(the_end_comes_in_order_of_first_packets),
        cmocka_unit_test(a_jump_of_the_clock_ages_nothing),
        cmocka_unit_test(the_end_of_seconds_ends_a_mark),
        cmocka_unit_test(long_texts_are_cut),
        cmocka_unit_test(bytes_of_a_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
