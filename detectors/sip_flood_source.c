/* sip_flood_source.c - one source that hears our answers and asks far too often.
 *
 *      lane   count[5]   requests of the last seconds | its own rate, of calm minutes
 *
 * Who has proven that it hears us is judged and named. What strangers send is counted by sip-flood,
 * for the server, which leaves out who has logged in: such a source is judged here, proof or none.
 * A registered account may be a dialler's (20 calls a second, each of them challenged), a server
 * and an address with many accounts ask for many: they have higher limits and are told with less
 * severity. In the first ten minutes of a sensor nobody is known, so nobody is judged. */
#include "detectors/frame/method.h"

enum {
    SECONDS = 5,
    OWN_TIMES = 10,
    SHARED_ACCOUNTS = 10,
    OWN_PART = 10, /* a minute counts one in so many */
};
#define YOUNG_NS (10 * NS_PER_MINUTE)

struct conf {
    uint64_t rate;
    uint64_t rate_known;
    uint64_t rate_shared;
};

/* clang-format off */
static const struct option options[] = {
    OPTION("rate", COUNT, conf, rate, "5", "20", "100000", "requests a second of a proven source that never logged in"),
    OPTION("rate_known", COUNT, conf, rate_known, "5", "100", "100000", "the same of one with a registered account: a dialler may be one"),
    OPTION("rate_shared", COUNT, conf, rate_shared, "5", "500", "1M", "the same of a server, or of an address with ten accounts and more"),
    {.kind = OPTION_END},
};
/* clang-format on */

struct lane {
    uint32_t newest; /* second */
    uint32_t minute;
    uint32_t minute_count;
    uint32_t own_milli; /* a second x 1000, of calm minutes */
    uint32_t told; /* second of the last word */
    uint32_t sum; /* of count */
    uint16_t count[SECONDS];
    bool loud; /* it was above the limit in this minute */
};

static bool sip_flood_source_heeds(const struct fact *fact)
{
    const struct fact_message *message = &fact->is.message;

    return !message->is_response && method_asks(message->method) && !message->is_retransmission &&
           !message->in_dialog;
}

/* Minutes that are over say what the source does by itself. */
static void end_minute(struct lane *lane, uint32_t minute)
{
    uint32_t gone = minute - lane->minute;

    if (lane->minute != 0 && !lane->loud) {
        uint32_t rate_milli = (uint32_t)(lane->minute_count * UINT64_C(1000) / 60);
        lane->own_milli = lane->own_milli == 0 ? rate_milli
                                               : lane->own_milli - lane->own_milli / OWN_PART +
                                                     rate_milli / OWN_PART;
    }
    if (gone > OWN_PART) {
        lane->own_milli /= 2;
    }
    lane->minute = minute;
    lane->minute_count = 0;
    lane->loud = false;
}

static void turn_second(struct lane *lane, uint32_t second)
{
    if (second / 60 != lane->minute) {
        end_minute(lane, second / 60);
    }
    for (uint32_t i = 0; i < SECONDS && lane->newest + i < second; i++) {
        uint16_t *gone = &lane->count[(second - i) % SECONDS];
        lane->sum -= *gone;
        *gone = 0;
    }
    lane->newest = second;
}

static uint32_t count_message(struct lane *lane, uint64_t now_ns)
{
    uint32_t second = (uint32_t)time_second(now_ns);

    if (second != lane->newest) {
        turn_second(lane, second);
    }
    uint16_t *count = &lane->count[second % SECONDS];
    lane->minute_count++;
    if (*count < UINT16_MAX) {
        (*count)++;
        lane->sum++;
    }
    return lane->sum;
}

static void say(struct detector_context *context, const struct fact *fact, uint32_t sum,
                uint64_t limit)
{
    const struct fact_party *source = &fact->is.message.client;
    char buffer[160];
    struct text detail = text_into(buffer, sizeof buffer);
    bool known = source->good_accounts > 0 || source->is_server;
    struct finding finding = {.severity = known ? 2 : 3,
                              .proven_needed = true,
                              .count = sum,
                              .observed = sum,
                              .threshold = limit * SECONDS,
                              .window_ns = SECONDS * NS_PER_S,
                              .unit = "requests",
                              .span_ns = SECONDS * NS_PER_S};

    confidence_start(&finding.confidence, 40, "condition met");
    confidence_source(&finding.confidence, source);
    if (known) {
        confidence_add(&finding.confidence, -20, "it has logged in or answered before");
    }
    confidence_margin(&finding.confidence, sum, finding.threshold);
    text_format(&detail, "sends %" PRIu32 " requests a second (%s), %s", sum / SECONDS,
                method_name(fact->is.message.method),
                known ? "more than ten times what it does by itself"
                      : "and has never logged in or answered");
    finding.detail = text_slice(&detail);
    detector_raise(context, &finding);
}

static uint64_t floor_of(const struct fact_party *source, const struct conf *conf)
{
    if (source->is_server || source->good_accounts >= SHARED_ACCOUNTS) {
        return conf->rate_shared;
    }
    return source->good_accounts > 0 ? conf->rate_known : conf->rate;
}

/* Its own rate may lift the limit, for all but servers not above theirs: else who sends a little
 * more every minute would teach us any rate. */
static uint64_t limit_of(const struct lane *lane, uint64_t floor, const struct conf *conf)
{
    uint64_t own = OWN_TIMES * (uint64_t)lane->own_milli / 1000;

    if (floor < conf->rate_shared && own > conf->rate_shared) {
        return conf->rate_shared;
    }
    return own > floor ? own : floor;
}

static void sip_flood_source_on_fact(struct detector_context *context, void *memory, void *slab,
                                     const void *configuration, const struct fact *fact)
{
    const struct conf *conf = configuration;
    const struct fact_party *source = &fact->is.message.client;
    struct lane *lane = memory;
    (void)slab;

    uint32_t sum = count_message(lane, fact->time_ns);
    uint64_t floor = floor_of(source, conf);
    bool judged = source->proven || source->good_accounts > 0 || source->is_server;
    if (sum <= floor * SECONDS || !judged || detector_age_ns(context) < YOUNG_NS) {
        return;
    }
    uint64_t limit = limit_of(lane, floor, conf);
    if (sum <= limit * SECONDS) {
        return;
    }
    lane->loud = true;
    if (lane->told != lane->newest) {
        lane->told = lane->newest;
        say(context, fact, sum, limit);
    }
}

const struct detector detector_sip_flood_source = {
    .slug = "sip-flood-source",
    .title = "flood of requests from one source",
    .category = "availability",
    .sees = "a source that hears our answers and asks far more often than it used to",
    .blind =
        "strangers that have proven nothing (sip-flood counts them), and the first ten minutes of "
        "a sensor",
    .false_alarms = "a load test, a provider's gateway that was never asked anything",
    .advice = "Limit the rate of this address at the edge; block it if it is nobody that you know.",
    .example =
        "203.0.113.60 sends 20 requests a second (OPTIONS), and has never logged in or answered "
        "(in 5 s; limit 100 requests in 5 s). Limit the rate of this address at the edge; block "
        "it if it is nobody that you know.",
    .tactic = {"TA0040", "Impact"},
    .attack = {"T1499.002"},
    .severity = 3,
    .key = KEY_SOURCE,
    .wants = FACT_BIT(MESSAGE),
    .message_steps = 1 << FACT_MESSAGE_ASKS,
    .lane_bytes = sizeof(struct lane),
    .conf_bytes = sizeof(struct conf),
    .options = options,
    .heeds = sip_flood_source_heeds,
    .on_fact = sip_flood_source_on_fact,
};
