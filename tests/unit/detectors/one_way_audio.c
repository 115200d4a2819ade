/* Who hears nothing: each limit to the packet, what is none, and when it is a matter of the place. */
#include "facts.h"

static const char *const one = "one-way-audio";
static const char *const none = "no-audio";

/* A call of phone `number` through the proxy, as state tells of its audio. */
static struct fact media(uint32_t number, uint32_t from_caller, uint32_t from_callee)
{
    struct fact fact = {.kind = FACT_CALL};
    struct fact_call_side side = {.named = true, .sends = true, .receives = true};

    fact.is.call = (struct fact_call){.caller = party_number(number, 5060),
                                      .callee = party("192.0.2.10", 5060),
                                      .event = FACT_CALL_MEDIA,
                                      .answered_ns = START_NS,
                                      .call_number = number,
                                      .sides = {side, side},
                                      .from_user = SLICE("1001"),
                                      .from_host = SLICE("example.com"),
                                      .to_user = SLICE("1002"),
                                      .to_host = SLICE("example.com"),
                                      .call_id = SLICE("call-1@192.0.2.1")};
    fact.is.call.sides[0].packets = from_caller;
    fact.is.call.sides[1].packets = from_callee;
    return fact;
}

static void heard(struct bench *bench, unsigned calls)
{
    for (unsigned i = 0; i < calls; i++) {
        bench_tell(bench, media(0x900000 + i * 256, 250, 250));
    }
}

static void test_limits(void **state)
{
    (void)state;
    static const struct {
        uint32_t from_caller;
        uint32_t from_callee;
        bool one;
    } rows[] = {{250, 4, true},  {250, 5, false}, {250, 0, true}, {4, 250, true},
                {5, 250, false}, {50, 0, true},   {49, 0, false}, {0, 0, false}};

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct bench bench;
        bench_open(&bench, one);
        heard(&bench, 1);
        bench_tell(&bench, media(1, rows[i].from_caller, rows[i].from_callee));
        if (bench_severity(&bench, one) != (rows[i].one ? 2 : 0)) {
            fail_msg("%u and %u", rows[i].from_caller, rows[i].from_callee);
        }
        bench_close(&bench);
    }
}

static void as_it_is(struct fact *fact)
{
    (void)fact;
}
static void held(struct fact *fact)
{
    fact->is.call.held = true;
}
static void unclear(struct fact *fact)
{
    fact->is.call.media_unclear = true;
}
static void forced(struct fact *fact)
{
    fact->forced = true;
}
static void spoke(struct fact *fact)
{
    fact->is.call.sides[1].spoke = true;
}
static void sends_nothing(struct fact *fact)
{
    fact->is.call.sides[1].sends = false;
}
static void takes_nothing(struct fact *fact)
{
    fact->is.call.sides[0].receives = false;
}
static void named_nothing(struct fact *fact)
{
    fact->is.call.sides[1].named = false;
}
static void stray(struct fact *fact)
{
    fact->is.call.sides[1].stray = 250;
}
static void hidden(struct fact *fact)
{
    fact->is.call.sides[0].hidden = true;
}
static void secure(struct fact *fact)
{
    fact->is.call.sides[1].secure = true;
}

static void test_exceptions(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        void (*change)(struct fact *fact);
        const char *says; /* NULL = silent */
    } rows[] = {{"deaf", as_it_is, "nothing of it reaches us"},
                {"H41: held", held, NULL},
                {"fax, ICE, transfer", unclear, NULL},
                {"end of capture", forced, NULL},
                {"H36: he spoke, and pauses", spoke, NULL},
                {"H54: paging", sends_nothing, NULL},
                {"one that takes nothing", takes_nothing, NULL},
                {"no description", named_nothing, NULL},
                {"wrong port", stray, "a port that nobody named"},
                {"private address", hidden, "named a private address"},
                {"one side encrypts", secure, "only one side wants encrypted media"}};

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct bench bench;
        struct fact fact = media(1, 250, 0);
        bench_open(&bench, one);
        heard(&bench, 1);
        rows[i].change(&fact);
        bench_tell(&bench, fact);
        if (rows[i].says == NULL ? bench.count > 0
                                 : strstr(bench_must(&bench, one)->message, rows[i].says) == NULL) {
            fail_msg("%s", rows[i].name);
        }
        bench_close(&bench);
    }
}

/* A mirror of one direction hears half of every call: that is no fault of the calls. */
static void test_half_a_mirror(void **state)
{
    (void)state;
    struct bench bench;

    for (unsigned epoch = 0; epoch < 2; epoch++) { /* a capture may begin at second 0 */
        bench_open(&bench, one);
        bench.now_ns = epoch == 0 ? NS_PER_S : bench.now_ns;
        for (uint32_t i = 0; i < 100; i++) {
            bench_tell(&bench, media(i, 250, 0));
        }
        assert_int_equal(bench.count, 0);
        if (epoch == 0) {
            bench_close(&bench);
        }
    }
    heard(&bench, 1);
    bench_wait(&bench, 25 * NS_PER_HOUR);
    bench_tell(&bench, media(1, 250, 0));
    assert_int_equal(bench.count, 0);
    bench_close(&bench);
}

/* While we hear in part nothing is concluded from what we do not hear. */
static void test_deaf_sensor(void **state)
{
    (void)state;
    for (unsigned row = 0; row < 3; row++) {
        struct bench bench;
        struct fact second = {.kind = FACT_SECOND};
        bench_open(&bench, "one-way-audio,no-audio");
        heard(&bench, 10);
        second.is.second.one_way_capture = row == 1;
        second.is.second.silent_capture = row == 2;
        bench_tell(&bench, second);
        bench_tell(&bench, media(1, 250, 0));
        bench_tell(&bench, media(2, 0, 0));
        assert_int_equal(bench_severity(&bench, one), row == 0 ? 2 : 0);
        assert_int_equal(bench_severity(&bench, none), row == 0 ? 2 : 0);
        bench_close(&bench);
    }
}

/* Five calls within 15 minutes: of one network, through one server, of a site of so many calls. */
static void test_places(void **state)
{
    (void)state;
    static const struct {
        uint32_t step; /* between callers: 1 = one network, 256 = one each */
        bool own_servers;
        unsigned deaf;
        unsigned others;
        uint64_t apart_ns;
        unsigned severity;
        const char *says;
    } rows[] = {
        {1, true, 5, 1000, NS_PER_S, 3, "all in 2001:db8::/48"},
        {1, true, 4, 1, NS_PER_S, 2, "1001 does not hear 1002"},
        {1, true, 5, 1000, 5 * NS_PER_MINUTE, 2, "1001 does not hear 1002"},
        {256, false, 5, 1000, NS_PER_S, 3, "all through 192.0.2.10"},
        {256, true, 5, 45, NS_PER_S, 3, "has 5 calls"},
        {256, true, 5, 46, NS_PER_S, 2, "has 5 calls"},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct bench bench;
        bench_open(&bench, one);
        heard(&bench, rows[i].others);
        for (uint32_t call = 0; call < rows[i].deaf; call++) {
            struct fact fact = media(call * rows[i].step, 250, 0);
            if (rows[i].own_servers) {
                fact.is.call.callee = party_number(0x800000 + call * 256, 5060);
            }
            bench_wait(&bench, rows[i].apart_ns);
            bench_tell(&bench, fact);
        }
        frame_end(bench.frame, bench.now_ns);
        if (bench_severity(&bench, one) != rows[i].severity ||
            strstr(bench_must(&bench, one)->message, rows[i].says) == NULL) {
            fail_msg("row %zu: severity %u, %s", i, bench_severity(&bench, one),
                     bench_must(&bench, one)->message);
        }
        bench_close(&bench);
    }
}

static void test_sentence(void **state)
{
    (void)state;
    struct bench bench;

    bench_open(&bench, one);
    heard(&bench, 1);
    bench_tell(&bench, media(1, 0, 250));
    const struct incident *told = bench_must(&bench, one);
    assert_string_equal(
        told->message,
        "The site has 1 call in which one side hears nothing (urgent from 5 in 15 min): "
        "1001 is not heard by 1002; nothing "
        "of it reaches us: a blocked port, or a sender that is mute. Look "
        "at the firewall and NAT between the deaf side and the sender: ports of the media, private "
        "addresses in the session description, SIP ALG.");
    assert_string_equal(told->target, "1002@example.com");
    assert_true(addr_is_unspecified(&told->source.addr));
    bench_close(&bench);
}

/* Nobody is heard in one call, where four of five others are. */
static void test_no_audio(void **state)
{
    (void)state;
    static const struct {
        unsigned both;
        unsigned half;
        unsigned silent;
        unsigned severity;
    } rows[] = {{5, 0, 1, 2},  {4, 0, 1, 0},  {4, 1, 1, 2}, {7, 2, 1, 0},
                {0, 0, 50, 0}, {50, 0, 4, 2}, {50, 0, 5, 3}};

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct bench bench;
        bench_open(&bench, none);
        heard(&bench, rows[i].both);
        for (uint32_t call = 0; call < rows[i].half; call++) {
            bench_tell(&bench, media(call, 250, 0));
        }
        for (uint32_t call = 0; call < rows[i].silent; call++) {
            bench_tell(&bench, media(call, 4, 4));
        }
        if (bench_severity(&bench, none) != rows[i].severity) {
            fail_msg("row %zu: severity %u", i, bench_severity(&bench, none));
        }
        bench_close(&bench);
    }
}

static void test_no_audio_exceptions(void **state)
{
    (void)state;
    static void (*const changes[])(struct fact * fact) = {
        spoke, held, unclear, forced, sends_nothing, takes_nothing, named_nothing, stray};

    for (size_t i = 0; i < COUNT_OF(changes); i++) {
        struct bench bench;
        struct fact fact = media(1, 0, 0);
        bench_open(&bench, none);
        heard(&bench, 10);
        changes[i](&fact);
        bench_tell(&bench, fact);
        assert_int_equal(bench.count, 0);
        bench_close(&bench);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limits),        cmocka_unit_test(test_exceptions),
        cmocka_unit_test(test_half_a_mirror), cmocka_unit_test(test_places),
        cmocka_unit_test(test_deaf_sensor),   cmocka_unit_test(test_sentence),
        cmocka_unit_test(test_no_audio),      cmocka_unit_test(test_no_audio_exceptions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
