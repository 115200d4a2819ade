/* sip_flood.c - more requests than a service can be asked honestly.
 *
 * A server, by its seconds. What counts are requests of unknown sources: who has logged in or
 * answered before is no part of a flood. A registrar that starts anew on a sensor that started
 * with it looks alike, but its phones log in at once: each first login takes LOGIN_REQUESTS away
 * again, for the challenge, the answer and one more try.
 *
 *      lane   net[5]   requests of unknown sources, less those that led to a login; a second each
 *             surplus  of those the part above three tenths of the limit, summed up, never below 0
 *      cell   hour-of-week baseline of the mean of five seconds, once it is worth one
 *
 * The five seconds must be full ones: each above half the limit, together above five times the
 * limit. Nobody is named: sources of a flood are forged. What the flood does to the service raises
 * it: answers three times slower than in calm seconds, or none to those who are known. Who has proven
 * that he hears us is named by sip-flood-source.
 *
 * A flood may stay below the limit and go on. So each second's surplus is added up and each calm one's
 * room taken away again (a cumulative sum: Page 1954): what honest traffic has too much in one minute
 * it has too little in the next. Only seconds add to it whose sources have no past and prove nothing:
 * one scanner, or many phones behind a server that refuses them, last longer than that. */
#include "detectors/frame/method.h"
#include "detectors/frame/usual.h"

enum {
    SECONDS = 5,
    LOGIN_REQUESTS = 3,
    PEAK_TIMES = 4, /* of the hour's highest */
    CELL_RATE = 10, /* a second: below, no baseline can lift the limit */
    SLOW_TIMES = 3,
    SLOW_SECONDS = 3,
    LIVED = 20,
    SILENT_REQUESTS = 10,
    FORGED_SOURCES = 5,
    PASSES_TENTHS = 3, /* of the limit: what adds nothing to the surplus */
    FOLLOWED_IN = 20, /* of so many requests one goes on from an answer: answers are missing */
    SURPLUS_TIMES = 2, /* of its limit: the most that is remembered */
};
#define SLOW_NS_MIN (100 * NS_PER_MS)
#define SILENT_NS (3 * NS_PER_S)

struct conf {
    uint64_t rate;
    uint64_t rate_max;
    uint64_t forged_ppm;
    uint64_t surplus;
    uint64_t servers;
};

/* clang-format off */
static const struct option options[] = {
    OPTION("rate", COUNT, conf, rate, "10", "50", "100000", "requests of unknown sources a second that are a flood where no more is usual"),
    OPTION("rate_max", COUNT, conf, rate_max, "10", "2000", "1M", "requests a second that are a flood whatever is usual"),
    OPTION("forged", PPM, conf, forged_ppm, "10%", "80%", "100%", "share of sources without any past from which they are called forged"),
    OPTION("surplus", COUNT, conf, surplus, "50", "3000", "1M", "requests above three tenths of the limit, summed up second by second, that are a slow flood"),
    OPTION_TABLE_SIZE("servers", COUNT, conf, servers, "16", "256", "16384", "servers whose usual load is learnt"),
    {.kind = OPTION_END},
};
/* clang-format on */

struct lane {
    uint32_t handle;
    uint32_t newest; /* second */
    int32_t net[SECONDS]; /* by second modulo SECONDS */
    uint32_t surplus; /* requests */
    uint32_t surplus_first; /* second in which it began */
    uint32_t surplus_asked; /* requests of those seconds that added to it */
    uint8_t slow; /* seconds in a row, this one included */
};
static_assert(sizeof(struct lane) <= DETECTOR_LANE_BYTES, "a lane");

struct cell {
    struct baseline usual;
};

struct flood {
    uint32_t limit; /* a second */
    uint32_t sum; /* of the five seconds */
    uint8_t method; /* the most frequent */
    uint32_t method_count; /* of this second */
    uint32_t asked; /* of this second, all methods */
    uint32_t gap; /* seconds since the one that was told before */
    bool creeps; /* it is one by its surplus alone */
    bool silent; /* no answers to those who are known */
};

/* While no answers are heard nobody can be known. But who gets answers goes on: with his password, an
 * ACK, in a dialog. Where nobody does, the answers are not missing, there are none. OPTIONS leads to
 * nothing, so it says nothing then. */
static bool counts_method(const struct fact_server *server, uint8_t method)
{
    return method_asks(method) && (!server->one_way || method != FACT_METHOD_OPTIONS);
}

static bool sip_flood_heeds(const struct fact *fact)
{
    const struct fact_server *server = &fact->is.server;
    uint64_t asked = 0;

    for (uint8_t method = 0; method < FACT_METHOD_COUNT; method++) {
        asked += counts_method(server, method) ? server->unknown_requests[method] : 0;
    }
    return !server->one_way || server->followed * (uint64_t)FOLLOWED_IN < asked;
}

/* --- one server --- */

static void count_methods(const struct fact_server *server, struct flood *flood)
{
    for (uint8_t method = 0; method < FACT_METHOD_COUNT; method++) {
        uint32_t count = server->unknown_requests[method];
        if (!counts_method(server, method)) {
            continue;
        }
        flood->asked += count;
        if (count > flood->method_count) {
            flood->method = method;
            flood->method_count = count;
        }
    }
}

static void count_second(struct lane *lane, const struct fact *fact, struct flood *flood)
{
    uint32_t second = (uint32_t)time_second(fact->time_ns);
    int64_t sum = 0;

    count_methods(&fact->is.server, flood);
    if (second - lane->newest >= SECONDS) {
        memset(lane->net, 0, sizeof lane->net);
    }
    for (uint32_t gone = lane->newest + 1; gone < second && gone < lane->newest + SECONDS; gone++) {
        lane->net[gone % SECONDS] = 0;
    }
    flood->gap = lane->newest == 0 ? 1 : second - lane->newest;
    lane->newest = second;
    int64_t net = (int64_t)flood->asked - LOGIN_REQUESTS * (int64_t)fact->is.server.logins;
    lane->net[second % SECONDS] = (int32_t)net;
    for (unsigned i = 0; i < SECONDS; i++) {
        sum += lane->net[i];
    }
    flood->sum = sum < 0 ? 0 : (uint32_t)sum;
}

static bool is_full(const struct lane *lane, uint32_t limit)
{
    for (unsigned i = 0; i < SECONDS; i++) {
        if (lane->net[i] * INT64_C(2) <= (int64_t)limit) {
            return false;
        }
    }
    return true;
}

static bool is_slow(const struct fact_server *server)
{
    return server->usual_answer_ns != 0 && server->first_answer_ns_mean >= SLOW_NS_MIN &&
           server->first_answer_ns_mean >= SLOW_TIMES * server->usual_answer_ns;
}

static bool is_silent(const struct fact *fact)
{
    const struct fact_server *server = &fact->is.server;

    return server->answered_before >= LIVED && server->unanswered >= SILENT_REQUESTS &&
           time_since(fact->time_ns, server->unanswered_since_ns) >= SILENT_NS;
}

static uint32_t limit_of(const struct baseline_usual *usual, const struct conf *conf)
{
    uint64_t limit = conf->rate;

    if (usual->known && PEAK_TIMES * (uint64_t)usual->highest > limit) {
        limit = PEAK_TIMES * (uint64_t)usual->highest;
    }
    return (uint32_t)(limit < conf->rate_max ? limit : conf->rate_max);
}

static bool is_forged(const struct fact_server *server, const struct conf *conf)
{
    return server->sources >= FORGED_SOURCES &&
           server->sources_new * UINT64_C(1000000) >= conf->forged_ppm * server->sources;
}

static int64_t smaller(int64_t one, int64_t other)
{
    return one < other ? one : other;
}

/* True: this second added to a surplus that is too much. It adds the limit at most: what is faster is
 * no slow flood, and a burst of a second is none at all. */
static bool is_creeping(struct lane *lane, const struct fact *fact, const struct conf *conf,
                        const struct flood *flood)
{
    int64_t net = smaller(lane->net[lane->newest % SECONDS], flood->limit);
    int64_t adds = net > 0 && !is_forged(&fact->is.server, conf) ? 0 : net;
    int64_t passes = (int64_t)flood->limit * PASSES_TENTHS / 10;
    int64_t surplus = (int64_t)lane->surplus + adds - passes * (int64_t)flood->gap;

    if (surplus <= 0) {
        lane->surplus = 0;
        lane->surplus_asked = 0;
        return false;
    }
    lane->surplus_first = lane->surplus == 0 ? lane->newest : lane->surplus_first;
    lane->surplus = (uint32_t)smaller(surplus, (int64_t)conf->surplus * SURPLUS_TIMES);
    if (adds > 0) {
        lane->surplus_asked =
            (uint32_t)smaller((int64_t)lane->surplus_asked + flood->asked, UINT32_MAX);
    }
    return adds > passes && lane->surplus > conf->surplus;
}

static void tell_detail(struct text *detail, const struct fact_server *server,
                        const struct flood *flood, const struct lane *lane, bool forged)
{
    uint32_t span_s = lane->newest - lane->surplus_first + 1;

    text_format(detail,
                "is asked %" PRIu32 " times a second by unknown sources (%" PRIu32
                " sources in the last second, %s %" PRIu32 " %%)",
                flood->creeps ? lane->surplus_asked / span_s : flood->sum / SECONDS,
                server->sources, method_name(flood->method),
                flood->asked == 0 ? 0
                                  : (uint32_t)(flood->method_count * UINT64_C(100) / flood->asked));
    if (flood->creeps) {
        text_string(detail, ", less than a flood but on and on");
    }
    if (forged) {
        text_format(detail,
                    "; forged: %" PRIu32
                    " %% of the sources were never seen before and have proven nothing",
                    (uint32_t)(server->sources_new * UINT64_C(100) / server->sources));
    }
    if (flood->silent) {
        text_string(detail, "; those who are known get no answers");
    } else if (lane->slow >= SLOW_SECONDS) {
        text_format(detail, "; it answers %" PRIu64 " times slower than usual",
                    server->first_answer_ns_mean / server->usual_answer_ns);
    }
}

static void say(struct detector_context *context, const struct lane *lane, const struct fact *fact,
                const struct conf *conf, const struct flood *flood,
                const struct baseline_usual *usual)
{
    const struct fact_server *server = &fact->is.server;
    char buffer[256];
    struct text detail = text_into(buffer, sizeof buffer);
    bool hurts = flood->silent || lane->slow >= SLOW_SECONDS;
    bool forged = is_forged(server, conf);
    struct finding finding = {.severity = hurts ? 4 : 3,
                              .names_nobody = true,
                              .count = flood->sum,
                              .observed = flood->sum,
                              .threshold = (uint64_t)flood->limit * SECONDS,
                              .window_ns = SECONDS * NS_PER_S,
                              .unit = "requests",
                              .span_ns = SECONDS * NS_PER_S};
    if (flood->creeps) {
        finding.severity = hurts ? 4 : 2;
        finding.count = lane->surplus_asked;
        finding.observed = lane->surplus;
        finding.threshold = conf->surplus;
        finding.window_ns = 0;
        finding.unit = "surplus requests";
        finding.span_ns = (lane->newest - lane->surplus_first + 1) * NS_PER_S;
    }

    confidence_start(&finding.confidence, 60, "condition met");
    if (forged) {
        confidence_add(&finding.confidence, 15, "sources without any past");
    } else if (flood->method_count * UINT64_C(10) >= flood->asked * UINT64_C(9)) {
        confidence_add(&finding.confidence, 15, "all requests of one kind");
    }
    if (hurts) {
        confidence_add(&finding.confidence, 15, "the service suffers");
    }
    confidence_margin(&finding.confidence, finding.observed, finding.threshold);
    tell_detail(&detail, server, flood, lane, forged);
    usual_tell(usual, &finding.confidence, &detail);
    finding.detail = text_slice(&detail);
    detector_raise(context, &finding);
}

static void sip_flood_on_fact(struct detector_context *context, void *memory, void *slab,
                              const void *configuration, const struct fact *fact)
{
    const struct conf *conf = configuration;
    struct lane *lane = memory;
    struct cell *cell = slab;
    struct flood flood = {.limit = 0};

    count_second(lane, fact, &flood);
    uint32_t rate = flood.sum / SECONDS;
    if (cell == NULL && rate >= CELL_RATE) {
        cell = detector_cell(context, lane);
    }
    struct baseline *baseline = cell == NULL ? NULL : &cell->usual;
    struct baseline_usual usual = usual_of(baseline, fact);
    usual_learn(baseline, fact, rate, (uint32_t)conf->rate);
    lane->slow = !is_slow(&fact->is.server) ? 0
                 : lane->slow == UINT8_MAX  ? lane->slow
                                            : (uint8_t)(lane->slow + 1);
    flood.limit = limit_of(&usual, conf);
    flood.silent = is_silent(fact);
    bool creeps = is_creeping(lane, fact, conf, &flood);
    bool fast = flood.sum > (uint64_t)flood.limit * SECONDS && is_full(lane, flood.limit);
    flood.creeps = creeps && !fast;
    if (creeps || fast) {
        usual_taint(baseline, fact);
        say(context, lane, fact, conf, &flood, &usual);
    }
}

const struct detector detector_sip_flood = {
    .slug = "sip-flood",
    .title = "flood of requests",
    .category = "availability",
    .sees = "a server that unknown sources ask more often than it can be asked honestly, for five "
            "seconds, or less often but on and on, from forged sources",
    .blind = "a flood that is slower than three tenths of the limit, and one whose sources are "
             "known: phones that were taken over",
    .false_alarms = "a load test; thousands of phones that find a restarted registrar silent, on a "
                    "sensor that has just started",
    .advice = "Limit requests of sources without a registration at the edge; do not block single "
              "addresses, they are likely forged. Look whether calls and registrations still pass.",
    .example =
        "Server 192.0.2.10 is asked 55 times a second by unknown sources (60 sources in the last "
        "second, REGISTER 100 %); forged: 100 % of the sources were never seen before and have "
        "proven nothing (no baseline yet) (in 5 s; limit 250 requests in 5 s). Limit requests of "
        "sources without a registration at the edge; do not block single addresses, they are "
        "likely forged. Look whether calls and registrations still pass.",
    .tactic = {"TA0040", "Impact"},
    .attack = {"T1499.002", "T1498.001"},
    .severity = 3,
    .key = KEY_SERVER,
    .wants = FACT_BIT(SERVER),
    .lane_bytes = sizeof(struct lane),
    .conf_bytes = sizeof(struct conf),
    .slab_bytes = sizeof(struct cell),
    .slab_option = "servers",
    .slab_on_demand = true,
    .kept = 2,
    .options = options,
    .heeds = sip_flood_heeds,
    .on_fact = sip_flood_on_fact,
};
