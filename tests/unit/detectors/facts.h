/* facts.h - what the tests of detectors share: a frame with presets, makers of facts, and all that
 * was told. */
#ifndef TESTS_UNIT_DETECTORS_FACTS_H
#define TESTS_UNIT_DETECTORS_FACTS_H

/* cmocka wants these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "detectors/frame/frame.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
#define START_NS (UINT64_C(1767600000) * NS_PER_S)

enum { DETECTORS_MAX = 128, TOLD_MAX = 4096 };

struct bench {
    struct detectors_frame *frame;
    struct frame_limits limits;
    struct frame_conf confs[DETECTORS_MAX];
    struct incident *told;
    size_t count;
    uint64_t now_ns;
    uint64_t number;
};

static inline void bench_on_incident(void *owner, const struct incident *incident)
{
    struct bench *bench = owner;

    assert_true(bench->count < TOLD_MAX);
    bench->told[bench->count++] = *incident;
}

/* With the named detectors (between commas), or all for NULL. */
static inline void bench_open_limits(struct bench *bench, const char *names,
                                     const struct frame_limits *limits)
{
    struct error error;

    *bench = (struct bench){.limits = *limits, .now_ns = START_NS};
    bench->told = malloc(TOLD_MAX * sizeof *bench->told);
    assert_non_null(bench->told);
    for (size_t i = 0; i < detector_count(); i++) {
        const struct detector *detector = detectors[i];
        struct slice rest = slice_of_string(names);
        bool wanted = names == NULL;
        while (rest.bytes > 0 && !wanted) {
            wanted = slice_equal(slice_split(&rest, ','), slice_of_string(detector->slug));
        }
        void *conf = calloc(1, detector->conf_bytes + 1U);
        assert_non_null(conf);
        if (detector->options != NULL) {
            option_presets(detector->options, conf);
        }
        bench->confs[i] = (struct frame_conf){.enabled = wanted, .conf = conf};
    }
    assert_int_equal(
        frame_open(&bench->limits, bench->confs, bench_on_incident, bench, &bench->frame, &error),
        STATUS_OK);
}

static inline void bench_open(struct bench *bench, const char *names)
{
    struct frame_limits limits = {.incidents_max = 1000, .closed_max = 1000, .key = HASH_KEY_FIXED};

    for (unsigned kind = 0; kind < KEY_COUNT; kind++) {
        limits.entries[kind] = 4096;
    }
    bench_open_limits(bench, names, &limits);
}

static inline void bench_close(struct bench *bench)
{
    frame_close(bench->frame);
    for (size_t i = 0; i < detector_count(); i++) {
        char *conf = (char *)(uintptr_t)bench->confs[i].conf;
        for (const struct option *option = detectors[i]->options;
             option != NULL && option->kind != OPTION_END; option++) {
            option_clear(option, conf);
        }
        free(conf);
    }
    free(bench->told);
}

/* Time goes on, a mark a second (or a minute, where that is enough for timers). */
static inline void bench_wait(struct bench *bench, uint64_t span_ns)
{
    uint64_t end_ns = bench->now_ns + span_ns;
    uint64_t step_ns = span_ns > NS_PER_HOUR ? NS_PER_MINUTE : NS_PER_S;

    while (bench->now_ns / step_ns < end_ns / step_ns) {
        bench->now_ns = (bench->now_ns / step_ns + 1) * step_ns;
        struct fact fact = {.kind = FACT_SECOND, .time_ns = bench->now_ns};
        fact.is.second.second = time_second(bench->now_ns);
        frame_fact(bench->frame, &fact);
    }
    bench->now_ns = end_ns;
}

static inline void bench_tell(struct bench *bench, struct fact fact)
{
    fact.time_ns = bench->now_ns;
    fact.number = ++bench->number;
    frame_fact(bench->frame, &fact);
}

/* The last told of that rule, or NULL. */
static inline const struct incident *bench_last(const struct bench *bench, const char *slug)
{
    for (size_t i = bench->count; i > 0; i--) {
        if (strcmp(bench->told[i - 1].rule->slug, slug) == 0) {
            return &bench->told[i - 1];
        }
    }
    return NULL;
}

/* The same, and it must be there. */
static inline const struct incident *bench_must(const struct bench *bench, const char *slug)
{
    const struct incident *last = bench_last(bench, slug);

    if (last == NULL) {
        fail_msg("%s told nothing", slug);
        abort(); /* fail does not say that it never returns */
    }
    return last;
}

static inline size_t bench_count(const struct bench *bench, const char *slug,
                                 enum incident_state state)
{
    size_t count = 0;

    for (size_t i = 0; i < bench->count; i++) {
        count += strcmp(bench->told[i].rule->slug, slug) == 0 && bench->told[i].state == state;
    }
    return count;
}

/* The highest severity told of that rule; 0 = silent. */
static inline unsigned bench_severity(const struct bench *bench, const char *slug)
{
    unsigned severity = 0;

    for (size_t i = 0; i < bench->count; i++) {
        if (strcmp(bench->told[i].rule->slug, slug) == 0 && bench->told[i].severity > severity) {
            severity = bench->told[i].severity;
        }
    }
    return severity;
}

static inline unsigned bench_worst(const struct bench *bench)
{
    unsigned severity = 0;

    for (size_t i = 0; i < bench->count; i++) {
        severity = bench->told[i].severity > severity ? bench->told[i].severity : severity;
    }
    return severity;
}

/* --- facts --- */

static inline struct fact_party party(const char *addr, uint16_t port)
{
    struct fact_party party = {.side = FACT_SIDE_UNKNOWN};

    assert_true(addr_parse(slice_of_string(addr), &party.endpoint.addr));
    party.endpoint.port = port;
    return party;
}

/* One address for each number below 2^24; 256 of them share a site prefix. */
static inline struct fact_party party_number(uint32_t number, uint16_t port)
{
    uint8_t sixteen[16] = {0x20, 0x01, 0x0d, 0xb8, (uint8_t)(number >> 16), (uint8_t)(number >> 8)};
    struct fact_party party = {.side = FACT_SIDE_UNKNOWN};

    sixteen[15] = (uint8_t)number;
    party.endpoint = (struct endpoint){.addr = addr_from_v6(sixteen), .port = port};
    return party;
}

static inline struct fact fact_request(struct fact_party client, struct fact_party server)
{
    struct fact fact = {.kind = FACT_MESSAGE};

    fact.is.message = (struct fact_message){
        .client = client,
        .server = server,
        .method = FACT_METHOD_OPTIONS,
        .has_branch_cookie = true,
        .vias = 1,
        .cseq = 1,
        .max_forwards = 70,
        .expires = UINT32_MAX,
        .call_id = SLICE("call-1@192.0.2.1"),
        .from_user = SLICE("monitor"),
        .from_host = SLICE("example.com"),
        .from_tag = SLICE("9f83ab1z"),
        .to_user = SLICE("ping"),
        .to_host = SLICE("example.com"),
        .user_agent = SLICE("ExampleMonitor 1.0"),
        .branch = SLICE("z9hG4bK776asdhds"),
    };
    return fact;
}

static inline struct fact fact_answer(struct fact_party client, struct fact_party server,
                                      uint16_t status)
{
    struct fact fact = fact_request(client, server);

    fact.is.message.is_response = true;
    fact.is.message.step = FACT_MESSAGE_ANSWERS;
    fact.is.message.status = status;
    return fact;
}

/* A REGISTER with its final answer; account 1001@example.com until told otherwise. */
static inline struct fact fact_transaction(struct fact_party client, uint16_t status)
{
    struct fact fact = {.kind = FACT_TRANSACTION};

    fact.is.transaction = (struct fact_transaction){
        .client = client,
        .server = party("192.0.2.10", 5060),
        .method = FACT_METHOD_REGISTER,
        .end = status == 0 ? FACT_TRANSACTION_SILENT : FACT_TRANSACTION_ANSWERED,
        .status = status,
        .cseq = 1,
        .response_ns = 3 * NS_PER_MS,
        .device_hash = 77,
        .call_id_hash = 1,
        .account = SLICE("1001@example.com"),
        .target_user = SLICE("1001"),
        .target_host = SLICE("example.com"),
        .call_id = SLICE("reg-1@192.0.2.1"),
        .user_agent = SLICE("ExamplePhone 5.2"),
    };
    return fact;
}

/* A refused login. `attempt` makes Call-ID, nonce and response its own. */
static inline struct fact fact_failure(struct fact_party client, uint32_t attempt)
{
    struct fact fact = fact_transaction(client, 401);
    struct fact_transaction *try = &fact.is.transaction;

    try->has_credentials = true;
    try->auth_failure = true;
    try->end = FACT_TRANSACTION_LOGIN_FAILED;
    try->user_exists = true;
    try->client.proven = true;
    try->call_id_hash = 1000 + attempt;
    try->nonce_hash = 5000 + attempt;
    try->proof_key = 6000 + attempt;
    try->response_hash = 7000 + attempt;
    return fact;
}

static inline struct fact fact_registration(struct fact_party client)
{
    struct fact fact = {.kind = FACT_REGISTRATION};

    fact.is.registration = (struct fact_registration){
        .client = client,
        .server = party("192.0.2.10", 5060),
        .success = true,
        .has_credentials = true,
        .status = 200,
        .device_hash = 77,
        .account = SLICE("1001@example.com"),
        .call_id = SLICE("reg-1@192.0.2.1"),
        .user_agent = SLICE("ExamplePhone 5.2"),
    };
    return fact;
}

static inline struct fact fact_interval(struct fact_party sender, struct fact_party receiver,
                                        uint64_t stream)
{
    struct fact fact = {.kind = FACT_STREAM};

    fact.is.stream = (struct fact_stream){
        .sender = sender,
        .receiver = receiver,
        .event = FACT_STREAM_INTERVAL,
        .call_is_up = true,
        .codec_known = true,
        .ssrc = 0x1234abcd,
        .packets = 250,
        .expected = 250,
        .variation_mean_ns = 2 * NS_PER_MS,
        .r_factor_milli = 93000,
        .mos_milli = 4400,
        .stream_number = stream,
        .call_number = stream,
        .call_id = SLICE("call-1@192.0.2.1"),
        .codec = SLICE("PCMU"),
        .device = SLICE("1001@example.com"),
    };
    return fact;
}

static inline struct fact fact_call(uint8_t event, uint64_t answered_ns)
{
    struct fact fact = {.kind = FACT_CALL};

    fact.is.call = (struct fact_call){.caller = party("192.0.2.21", 5060),
                                      .callee = party("192.0.2.10", 5060),
                                      .event = event,
                                      .answered_ns = answered_ns};
    return fact;
}

/* A text that lives as long as the test: "1007@example.com" for ("%u@example.com", 7). */
static inline struct slice text_number(char *room, size_t bytes, const char *before,
                                       uint32_t number, const char *behind)
{
    struct text text = text_into(room, bytes);

    text_string(&text, before);
    text_u64(&text, number);
    text_string(&text, behind);
    assert_false(text.overflow);
    return text_slice(&text);
}

#endif
