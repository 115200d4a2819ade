/* trunk_down.c - a trunk that does not answer, answers nothing but 503, or sends no calls.
 *
 *      lane   503 of the last minute, since when there was nothing else | this hour's calls
 *      cell   hour-of-week baseline of the calls that it sends in an hour
 *
 * A trunk here is a server that servers ask: who waits for its answers is himself asked by more than
 * one, as a PBX is by its phones. A phone that the PBX asks is none: accounts log in from there. A
 * server that never lived is none either: a drained back end, a keep-alive into the void.
 *
 *   silence  requests without an answer, one after the other: state keeps them (struct fact_server)
 *   refused  the same, where ICMP or a reset says why: not so long a wait, and connections count too
 *   503      of its own, not passed on; any other final answer starts anew
 *   quiet    no INVITE from it for a quarter of an hour in which the site has other calls
 *
 * The last route is the one beside which nobody else answers those who wait. One of many routes that
 * is only probed, not called, is a back end of a pool: somebody took it out. */
#include "base/window.h"
#include "detectors/frame/method.h"
#include "detectors/frame/usual.h"

enum {
    LIVED = 20,
    REQUESTS_MIN = 2,
    ELSEWHERE_MIN = 10,
    POOL_ROUTES = 8,
    BUSY_ANSWERS = 5,
    CALLS_ELSEWHERE = 5,
};
#define BUSY_NS NS_PER_MINUTE
#define TIMER_NS (32 * NS_PER_S) /* timers B and F: RFC 3261 section 17.1 */

struct conf {
    uint64_t probes;
    uint64_t requests;
    uint64_t silence_ns;
    uint64_t refusals;
    uint64_t refused_ns;
    uint64_t quiet_ns;
    uint64_t calls;
    uint64_t trunks;
};

/* clang-format off */
static const struct option options[] = {
    OPTION("probes", COUNT, conf, probes, "2", "3", "1000", "requests in a row without an answer, the first 32 s ago (timers B and F)"),
    OPTION("requests", COUNT, conf, requests, "2", "5", "1000", "requests in a row without an answer within a shorter time"),
    OPTION("silence", DURATION_NS, conf, silence_ns, "2s", "10s", "5m", "that shorter time"),
    OPTION("refusals", COUNT, conf, refusals, "2", "3", "1000", "times in a row that requests or connections are refused (ICMP, TCP reset)"),
    OPTION("refused", DURATION_NS, conf, refused_ns, "1s", "5s", "5m", "how long ago the first of them must be"),
    OPTION("quiet", DURATION_NS, conf, quiet_ns, "1m", "15m", "1d", "time without a call from the trunk"),
    OPTION("calls", COUNT, conf, calls, "4", "20", "100000", "calls an hour that must be usual for quiet to mean something"),
    OPTION_TABLE_SIZE("trunks", COUNT, conf, trunks, "16", "256", "16384", "trunks whose usual calls are learnt"),
    {.kind = OPTION_END},
};
/* clang-format on */

struct lane {
    uint32_t handle;
    uint32_t calls; /* of this hour */
    struct window busy; /* 503 */
    uint64_t busy_since_ns; /* 0 = the last final answer was another */
    uint64_t hour_since_ns;
    uint8_t hour_of_week;
    bool has_hour;
};

struct cell {
    struct baseline usual;
};

static bool trunk_down_heeds(const struct fact *fact)
{
    if (fact->kind != FACT_SERVER) {
        const struct fact_transaction *asked = &fact->is.transaction;
        bool counts =
            asked->status != 503 || (!asked->passed_on && asked->server.good_accounts == 0);
        return asked->method == FACT_METHOD_INVITE && asked->client.is_server &&
               asked->status >= 200 && counts && !asked->challenged && !fact->forced;
    }
    const struct fact_server *server = &fact->is.server;
    return server->server.good_accounts == 0 && !server->one_way &&
           (server->last_call_ns != 0 ||
            (server->answered_before >= LIVED &&
             (server->unanswered >= REQUESTS_MIN || server->refusals >= REQUESTS_MIN)));
}

/* --- silence --- */

/* It lived, and who waits are servers. */
static bool is_trunk(const struct fact_server *server)
{
    return server->answered_before >= LIVED && server->unanswered_servers > 0 &&
           server->unanswered_servers >= server->unanswered_sources;
}

static bool is_silent(const struct fact *fact, const struct conf *conf)
{
    const struct fact_server *server = &fact->is.server;
    uint64_t silent_ns = time_since(fact->time_ns, server->unanswered_since_ns);
    uint64_t asked_ns = time_since(server->unanswered_last_ns, server->unanswered_since_ns);
    bool others_asked = server->elsewhere_requests >= ELSEWHERE_MIN;

    if (server->unanswered_since_ns == 0 || !is_trunk(server) ||
        (others_asked && server->elsewhere_answers == 0)) {
        return false;
    }
    return (server->unanswered >= conf->probes && silent_ns >= TIMER_NS &&
            asked_ns >= TIMER_NS / 2) ||
           (server->unanswered >= conf->requests && silent_ns >= conf->silence_ns &&
            asked_ns >= conf->silence_ns / 2);
}

static uint8_t severity_of(const struct fact_server *server)
{
    bool pool = server->routes >= POOL_ROUTES && !server->unanswered_calls;

    return pool ? 1 : server->routes == 0 ? 4 : 3;
}

static void put_routes(struct text *detail, const struct fact_server *server)
{
    if (server->routes == 0) {
        text_string(detail, "; no other route is heard to answer");
    } else {
        text_format(detail, "; %" PRIu32 " other %s", server->routes,
                    server->routes == 1 ? "route answers" : "routes answer");
    }
}

static void say_silent(struct detector_context *context, const struct fact *fact,
                       const struct conf *conf)
{
    const struct fact_server *server = &fact->is.server;
    char buffer[200];
    struct text detail = text_into(buffer, sizeof buffer);
    struct finding finding = {.severity = severity_of(server),
                              .names_nobody = true,
                              .count = server->unanswered,
                              .observed = server->unanswered,
                              .threshold = conf->probes,
                              .window_ns = TIMER_NS,
                              .unit = "requests without an answer",
                              .span_ns = time_since(fact->time_ns, server->unanswered_since_ns),
                              .only_rise = method_sum(server->requests) == 0};

    confidence_start(&finding.confidence, 60, "condition met");
    if (server->elsewhere_answers > 0) {
        confidence_add(&finding.confidence, 15, "other servers are heard to answer");
    }
    confidence_margin(&finding.confidence, finding.observed, finding.threshold);
    text_string(&detail, "has not answered our servers since ");
    text_time(&detail, detector_told_ns(context, server->unanswered_since_ns), 0);
    text_format(&detail, ": %" PRIu32 " requests in a row%s", server->unanswered,
                server->unanswered_calls ? ", calls among them" : "");
    put_routes(&detail, server);
    finding.detail = text_slice(&detail);
    detector_raise(context, &finding);
}

/* --- refused --- */

/* As long as a restart takes it is none: hence the time. */
static bool is_refused(const struct fact *fact, const struct conf *conf)
{
    const struct fact_server *server = &fact->is.server;

    return server->refusals >= conf->refusals && is_trunk(server) &&
           time_since(fact->time_ns, server->refused_since_ns) >= conf->refused_ns &&
           time_since(server->refused_last_ns, server->refused_since_ns) >= conf->refused_ns / 2;
}

static void put_refusal(struct text *detail, const struct fact_server *server)
{
    static const char *const words[FACT_REFUSALS] = {
        [FACT_REFUSAL_NONE] = "",
        [FACT_REFUSAL_NETWORK] = "its network cannot be reached",
        [FACT_REFUSAL_HOST] = "its host cannot be reached",
        [FACT_REFUSAL_PORT] = "its port is closed",
        [FACT_REFUSAL_PROHIBITED] = "a filter forbids it",
        [FACT_REFUSAL_CONNECTION] = "it refuses connections",
        [FACT_REFUSAL_RESET] = "it resets connections",
    };

    text_string(detail, words[server->refusal < FACT_REFUSALS ? server->refusal : 0]);
    if (server->refusal < FACT_REFUSAL_CONNECTION) {
        text_string(detail, ", says ");
        text_addr(detail, &server->refused_by);
        text_string(detail, " by ICMP");
    }
}

static void say_refused(struct detector_context *context, const struct fact *fact,
                        const struct conf *conf)
{
    const struct fact_server *server = &fact->is.server;
    char buffer[240];
    struct text detail = text_into(buffer, sizeof buffer);
    struct finding finding = {.severity = severity_of(server),
                              .names_nobody = true,
                              .count = server->refusals,
                              .observed = server->refusals,
                              .threshold = conf->refusals,
                              .window_ns = conf->refused_ns,
                              .unit = "refusals",
                              .span_ns = time_since(fact->time_ns, server->refused_since_ns),
                              .only_rise = server->refused_last_ns + NS_PER_S <= fact->time_ns};

    confidence_start(&finding.confidence, 60, "condition met");
    confidence_add(&finding.confidence, 15, "the network says so");
    confidence_margin(&finding.confidence, finding.observed, finding.threshold);
    text_string(&detail, "has refused our servers since ");
    text_time(&detail, detector_told_ns(context, server->refused_since_ns), 0);
    text_string(&detail, ": ");
    put_refusal(&detail, server);
    put_routes(&detail, server);
    finding.detail = text_slice(&detail);
    detector_raise(context, &finding);
}

/* --- calls that it sends --- */

static bool is_quiet(const struct lane *lane, const struct fact *fact, const struct conf *conf,
                     const struct baseline_usual *usual)
{
    const struct fact_server *server = &fact->is.server;

    return usual->known && usual->median >= conf->calls && server->last_call_ns != 0 &&
           time_since(fact->time_ns, server->last_call_ns) >= conf->quiet_ns &&
           time_since(fact->time_ns, lane->hour_since_ns) >= conf->quiet_ns &&
           server->calls_elsewhere >= CALLS_ELSEWHERE;
}

static void say_quiet(struct detector_context *context, const struct fact *fact,
                      const struct conf *conf, const struct baseline_usual *usual)
{
    const struct fact_server *server = &fact->is.server;
    uint64_t quiet_ns = time_since(fact->time_ns, server->last_call_ns);
    char buffer[200];
    struct text detail = text_into(buffer, sizeof buffer);
    bool probed = server->unanswered > 0 &&
                  time_since(fact->time_ns, server->unanswered_since_ns) >= TIMER_NS;
    struct finding finding = {.severity = probed ? 3 : 2,
                              .names_nobody = true,
                              .count = quiet_ns / NS_PER_MINUTE,
                              .observed = quiet_ns / NS_PER_MINUTE,
                              .threshold = conf->quiet_ns / NS_PER_MINUTE,
                              .window_ns = conf->quiet_ns,
                              .unit = "minutes without a call",
                              .span_ns = quiet_ns};

    confidence_start(&finding.confidence, 60, "condition met");
    text_string(&detail, "has sent no call since ");
    text_time(&detail, detector_told_ns(context, server->last_call_ns), 0);
    text_format(&detail, ", where %" PRIu32 " an hour are usual%s", usual->median,
                probed ? ", and does not answer" : "");
    finding.detail = text_slice(&detail);
    detector_raise(context, &finding);
}

static void on_server(struct detector_context *context, struct lane *lane, struct cell *cell,
                      const struct conf *conf, const struct fact *fact)
{
    const struct fact_server *server = &fact->is.server;

    if (!lane->has_hour || lane->hour_of_week != fact->hour_of_week) {
        lane->has_hour = true;
        lane->hour_of_week = fact->hour_of_week;
        lane->hour_since_ns = fact->time_ns;
        lane->calls = 0;
    }
    lane->calls += server->calls_sent;
    if (cell == NULL && server->calls_sent > 0) {
        cell = detector_cell(context, lane);
    }
    struct baseline *baseline = cell == NULL ? NULL : &cell->usual;
    struct baseline_usual usual = usual_of(baseline, fact);
    usual_learn(baseline, fact, lane->calls, UINT32_MAX);
    if (is_refused(fact, conf)) {
        usual_taint(baseline, fact);
        say_refused(context, fact, conf);
    } else if (is_silent(fact, conf)) {
        usual_taint(baseline, fact);
        say_silent(context, fact, conf);
    } else if (is_quiet(lane, fact, conf, &usual)) {
        usual_taint(baseline, fact);
        say_quiet(context, fact, conf, &usual);
    }
}

/* --- 503 --- */

static void on_answer(struct detector_context *context, struct lane *lane, const struct fact *fact)
{
    if (fact->is.transaction.status != 503) {
        lane->busy_since_ns = 0;
        lane->busy = (struct window){.newest = 0};
        return;
    }
    if (lane->busy_since_ns == 0) {
        lane->busy_since_ns = fact->time_ns;
    }
    uint32_t count = window_add(&lane->busy, fact->time_ns, BUSY_NS, 1);
    uint64_t span_ns = time_since(fact->time_ns, lane->busy_since_ns);
    if (count < BUSY_ANSWERS || span_ns < BUSY_NS) {
        return;
    }
    char buffer[160];
    struct text detail = text_into(buffer, sizeof buffer);
    struct finding finding = {.severity = 3,
                              .names_nobody = true,
                              .count = count,
                              .observed = count,
                              .threshold = BUSY_ANSWERS,
                              .window_ns = BUSY_NS,
                              .unit = "calls refused with 503 and none taken",
                              .span_ns = span_ns};

    confidence_start(&finding.confidence, 60, "condition met");
    confidence_add(&finding.confidence, 15, "its own answers say so");
    confidence_margin(&finding.confidence, count, BUSY_ANSWERS);
    text_string(&detail, "has answered every call with 503 since ");
    text_time(&detail, detector_told_ns(context, lane->busy_since_ns), 0);
    finding.detail = text_slice(&detail);
    detector_raise(context, &finding);
}

static void trunk_down_on_fact(struct detector_context *context, void *memory, void *slab,
                               const void *conf, const struct fact *fact)
{
    if (fact->kind != FACT_SERVER) {
        on_answer(context, memory, fact);
    } else {
        on_server(context, memory, slab, conf, fact);
    }
}

static bool trunk_down_take_up(void *memory, void *cell)
{
    const struct lane *lane = memory;
    uint8_t has_hour;
    (void)cell;

    memcpy(&has_hour, &lane->has_hour, sizeof has_hour);
    return has_hour <= 1;
}

const struct detector detector_trunk_down = {
    .slug = "trunk-down",
    .title = "trunk that does not work",
    .category = "availability",
    .sees = "a server that our servers ask and that no longer answers, refuses requests or "
            "connections, answers every call with 503, or sends no calls at an hour at which it "
            "always did",
    .blind =
        "a trunk that is neither asked nor usually sends calls; a trunk that answers and loses "
        "the audio",
    .false_alarms = "planned work on a trunk; a gateway of a single phone that never logged in",
    .advice = "Call the provider; route around the trunk until it answers again.",
    .example =
        "Server 198.51.100.1 has not answered our servers since 2026-01-05T09:00:25Z: 4 requests "
        "in a row; no other route is heard to answer (in 32.308 s; limit 3 requests without an "
        "answer in 32 s). Call the provider; route around the trunk until it answers again.",
    .severity = 3,
    .key = KEY_SERVER,
    .wants = FACT_BIT(SERVER) | FACT_BIT(TRANSACTION) | FACT_BIT(HOP),
    .transaction_ends = 1 << FACT_TRANSACTION_LOGIN_FAILED | 1 << FACT_TRANSACTION_ANSWERED,
    .lane_bytes = sizeof(struct lane),
    .conf_bytes = sizeof(struct conf),
    .slab_bytes = sizeof(struct cell),
    .slab_option = "trunks",
    .slab_on_demand = true,
    .kept = 1,
    .take_up = trunk_down_take_up,
    .options = options,
    .heeds = trunk_down_heeds,
    .on_fact = trunk_down_on_fact,
};
