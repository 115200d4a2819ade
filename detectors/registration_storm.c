/* registration_storm.c - phones that come back all at once, after a restart or a cut link.
 *
 *      lane   asked[10], unknown[10]   REGISTER of the last seconds
 *      cell   hour-of-week baseline of the mean of ten seconds, once it is worth one
 *
 * Known devices make it a storm and no flood. On a sensor that is as young as the storm they become
 * known by their logins: each takes LOGIN_REQUESTS unknown ones away. A storm is news, no alarm,
 * while the registrar keeps up, and 503 with Retry-After is keeping up: it is an answer. When
 * answers are missing or slow for half a minute, it is an alarm.
 *
 * No other rule needs to be told to be patient: floods and sprays do not count known devices. */
#include "detectors/frame/method.h"
#include "detectors/frame/usual.h"

enum {
    SECONDS = 10,
    LOGIN_REQUESTS = 2,
    USUAL_TIMES = 5,
    CELL_RATE = 4, /* a second: below, no baseline can lift the limit */
    SLOW_TENTHS = 3, /* so many tenths of the first answers are slow */
    BAD_SECONDS_MAX = 255,
};

struct conf {
    uint64_t rate;
    uint64_t rate_max;
    uint64_t known_ppm;
    uint64_t suffers_ns;
    uint64_t servers;
};

/* clang-format off */
static const struct option options[] = {
    OPTION("rate", COUNT, conf, rate, "5", "20", "100000", "REGISTER a second that are a storm where no more is usual"),
    OPTION("rate_max", COUNT, conf, rate_max, "5", "1000", "1M", "REGISTER a second that are a storm whatever is usual"),
    OPTION("known", PPM, conf, known_ppm, "10%", "70%", "100%", "share of known devices that makes it a storm"),
    OPTION("suffers", DURATION_NS, conf, suffers_ns, "5s", "30s", "4m", "answers missing or slow for so long make it urgent"),
    OPTION_TABLE_SIZE("servers", COUNT, conf, servers, "16", "256", "16384", "servers whose usual load is learnt"),
    {.kind = OPTION_END},
};
/* clang-format on */

struct lane {
    uint32_t handle;
    uint32_t newest; /* second */
    uint16_t asked[SECONDS]; /* by second modulo SECONDS */
    uint16_t unknown[SECONDS];
    uint8_t bad; /* seconds in a row that answers were missing or slow */
};

struct cell {
    struct baseline usual;
};

struct sums {
    uint32_t asked;
    uint32_t unknown;
};

static bool registration_storm_heeds(const struct fact *fact)
{
    return !fact->is.server.one_way && fact->is.server.requests[FACT_METHOD_REGISTER] > 0;
}

static uint16_t to_u16(uint32_t value)
{
    return value < UINT16_MAX ? (uint16_t)value : UINT16_MAX;
}

static struct sums count_second(struct lane *lane, const struct fact *fact)
{
    const struct fact_server *server = &fact->is.server;
    uint32_t second = (uint32_t)time_second(fact->time_ns);
    uint32_t unknown = server->unknown_requests[FACT_METHOD_REGISTER];
    uint32_t became_known = LOGIN_REQUESTS * server->logins;
    struct sums sums = {0, 0};

    if (second - lane->newest >= SECONDS) {
        memset(lane->asked, 0, sizeof lane->asked);
        memset(lane->unknown, 0, sizeof lane->unknown);
        lane->bad = 0;
    }
    for (uint32_t gone = lane->newest + 1; gone < second && gone < lane->newest + SECONDS; gone++) {
        lane->asked[gone % SECONDS] = 0;
        lane->unknown[gone % SECONDS] = 0;
    }
    lane->newest = second;
    lane->asked[second % SECONDS] = to_u16(server->requests[FACT_METHOD_REGISTER]);
    lane->unknown[second % SECONDS] = to_u16(unknown > became_known ? unknown - became_known : 0);
    for (unsigned i = 0; i < SECONDS; i++) {
        sums.asked += lane->asked[i];
        sums.unknown += lane->unknown[i];
    }
    return sums;
}

/* This second the registrar did not keep up. */
static bool is_bad(const struct fact_server *server)
{
    return server->first_answers * UINT64_C(2) < method_sum(server->requests) ||
           server->slow_answers * UINT64_C(10) >= server->first_answers * (uint64_t)SLOW_TENTHS;
}

static uint64_t limit_of(const struct baseline_usual *usual, const struct conf *conf)
{
    uint64_t limit = conf->rate;

    if (usual->known && USUAL_TIMES * (uint64_t)usual->median > limit) {
        limit = USUAL_TIMES * (uint64_t)usual->median;
    }
    return limit < conf->rate_max ? limit : conf->rate_max;
}

static void say(struct detector_context *context, const struct fact_server *server,
                const struct lane *lane, const struct conf *conf, const struct sums *sums,
                uint64_t limit, const struct baseline_usual *usual)
{
    char buffer[200];
    struct text detail = text_into(buffer, sizeof buffer);
    bool suffers = lane->bad * NS_PER_S >= conf->suffers_ns;
    struct finding finding = {.severity = suffers ? 3 : 1,
                              .names_nobody = true,
                              .count = sums->asked,
                              .observed = sums->asked,
                              .threshold = limit * SECONDS,
                              .window_ns = SECONDS * NS_PER_S,
                              .unit = "REGISTER",
                              .span_ns = SECONDS * NS_PER_S};

    confidence_start(&finding.confidence, 60, "condition met");
    if (suffers) {
        confidence_add(&finding.confidence, 15, "answers are missing or slow");
    }
    confidence_margin(&finding.confidence, finding.observed, finding.threshold);
    text_format(&detail, "gets %" PRIu32 " REGISTER a second, %" PRIu32 " %% from known devices",
                sums->asked / SECONDS,
                100 - (uint32_t)(sums->unknown * UINT64_C(100) / sums->asked));
    if (suffers) {
        text_format(&detail, "; answers have been missing or slow for %u s", (unsigned)lane->bad);
    }
    if (server->retry_after > 0) {
        text_format(&detail, "; %" PRIu32 " answers of the last second said to come later",
                    server->retry_after);
    }
    usual_tell(usual, &finding.confidence, &detail);
    finding.detail = text_slice(&detail);
    detector_raise(context, &finding);
}

static void registration_storm_on_fact(struct detector_context *context, void *memory, void *slab,
                                       const void *configuration, const struct fact *fact)
{
    const struct conf *conf = configuration;
    struct lane *lane = memory;
    struct cell *cell = slab;

    struct sums sums = count_second(lane, fact);
    uint32_t rate = sums.asked / SECONDS;
    if (cell == NULL && rate >= CELL_RATE) {
        cell = detector_cell(context, lane);
    }
    struct baseline *baseline = cell == NULL ? NULL : &cell->usual;
    struct baseline_usual usual = usual_of(baseline, fact);
    usual_learn(baseline, fact, rate, (uint32_t)conf->rate);
    uint64_t limit = limit_of(&usual, conf);
    if (sums.asked <= limit * SECONDS ||
        (sums.asked - sums.unknown) * UINT64_C(1000000) < conf->known_ppm * sums.asked) {
        lane->bad = 0;
        return;
    }
    if (!is_bad(&fact->is.server)) {
        lane->bad = 0;
    } else if (lane->bad < BAD_SECONDS_MAX) {
        lane->bad++;
    }
    if (lane->bad * NS_PER_S >= conf->suffers_ns) {
        usual_taint(baseline, fact);
    }
    say(context, &fact->is.server, lane, conf, &sums, limit, &usual);
}

const struct detector detector_registration_storm = {
    .slug = "registration-storm",
    .title = "avalanche of registrations",
    .category = "availability",
    .sees =
        "a registrar that known devices ask far more often than usual, all at once, and whether "
        "it keeps up",
    .blind =
        "a storm below twenty requests a second; devices that the sensor has never seen log in",
    .false_alarms = "none that would hurt: while the registrar answers, it is only noted",
    .advice = "Look for what came back: a restarted registrar, a link, a site with power again. If "
              "answers are missing, let the registrar refuse with 503 and Retry-After.",
    .example =
        "Server 192.0.2.10 gets 21 REGISTER a second, 100 % from known devices (no baseline yet) "
        "(in 10 s; limit 200 REGISTER in 10 s). Look for what came back: a restarted registrar, "
        "a link, a site with power again. If answers are missing, let the registrar refuse with "
        "503 and Retry-After.",
    .severity = 1,
    .key = KEY_SERVER,
    .wants = FACT_BIT(SERVER),
    .lane_bytes = sizeof(struct lane),
    .conf_bytes = sizeof(struct conf),
    .slab_bytes = sizeof(struct cell),
    .slab_option = "servers",
    .slab_on_demand = true,
    .kept = 1,
    .options = options,
    .heeds = registration_storm_heeds,
    .on_fact = registration_storm_on_fact,
};
