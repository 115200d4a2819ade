/* toll_fraud_concurrent.c - one person has more costly calls at once than a person can have.
 *
 *      lane   up (costly, risky, all) | this episode's highest | highest of 30 days, two generations
 *
 * An episode lasts from the first answered costly call to the end of the last. What it reached
 * becomes the account's history when it is over, unless it raised an alert: an attack does not
 * teach, neither that so many are usual nor that the account is a machine's. Three calls are too many for an account that never had more than one; six are for anybody
 * who is no machine. A machine shows itself: 20 calls of any kind at once, in an earlier episode or
 * now beside the costly ones (a dialler, a conference bridge, a trunk).
 *
 * Calls to places of low risk alone say nothing unless an attack on the account went before:
 * offices of a company abroad, a dialler, and a bridge that dials thirty participants in three
 * countries on the day on which the sensor was started look the same. */
#include "detectors/detector.h"
#include "detectors/frame/costly.h"

#define GENERATION_S (30 * 24 * 60 * 60)

struct conf {
    uint64_t calls;
    uint64_t usual;
    uint64_t always;
    uint64_t machine;
    struct option_list exempt;
};

/* clang-format off */
static const struct option options[] = {
    OPTION("calls", COUNT, conf, calls, "2", "3", "1000", "answered costly calls at once that are too many for an account that never had more than `usual`"),
    OPTION("usual", COUNT, conf, usual, "0", "1", "1000", "the account's highest of 30 days up to which `calls` holds"),
    OPTION("always", COUNT, conf, always, "2", "6", "1000", "answered costly calls at once that are too many whatever was before"),
    OPTION("machine", COUNT, conf, machine, "2", "20", "10000", "calls of any kind at once that show a dialler, a bridge or a trunk, which is not judged"),
    OPTION("exempt", LIST, conf, exempt, NULL, "", NULL, "accounts that are never judged, user@host or user"),
    {.kind = OPTION_END},
};
/* clang-format on */

struct lane {
    uint64_t first_ns; /* of this episode */
    uint32_t generation_s; /* when the present one began; 0 = not yet */
    uint16_t up; /* costly calls, answered and not ended */
    uint16_t risky; /* of them */
    uint16_t all; /* calls of any kind */
    uint16_t all_peak; /* since `all` was last 0 */
    uint16_t peak; /* of this episode */
    uint16_t peak_max[2]; /* of earlier episodes */
    uint16_t all_max[2];
    uint16_t raised; /* 1: in this episode */
    uint16_t all_raised; /* 1: since `all` was last 0 */
};
static_assert(sizeof(struct lane) <= DETECTOR_LANE_BYTES, "it must fit into a lane");

static bool toll_fraud_concurrent_heeds(const struct fact *fact)
{
    return !fact->forced &&
           (fact->is.call.event == FACT_CALL_ANSWERED ||
            (fact->is.call.event == FACT_CALL_ENDED && fact->is.call.answered_ns != 0));
}

static uint16_t higher(uint16_t one, uint16_t other)
{
    return one > other ? one : other;
}

static void turn_generation(struct lane *lane, uint64_t now_ns)
{
    uint32_t now_s = (uint32_t)time_second(now_ns);

    if (lane->generation_s == 0) {
        lane->generation_s = now_s;
    }
    if (now_s - lane->generation_s < GENERATION_S || now_s < lane->generation_s) {
        return;
    }
    lane->peak_max[1] = lane->peak_max[0];
    lane->all_max[1] = lane->all_max[0];
    lane->peak_max[0] = 0;
    lane->all_max[0] = 0;
    lane->generation_s = now_s;
}

static void count_up(uint16_t *count)
{
    *count = *count == UINT16_MAX ? UINT16_MAX : (uint16_t)(*count + 1);
}

static void count_down(uint16_t *count)
{
    *count = *count == 0 ? 0 : (uint16_t)(*count - 1);
}

static void begin(struct lane *lane, bool costly, bool risky, uint64_t now_ns)
{
    count_up(&lane->all);
    lane->all_peak = higher(lane->all_peak, lane->all);
    if (!costly) {
        return;
    }
    if (lane->up == 0) {
        lane->first_ns = now_ns;
    }
    count_up(&lane->up);
    lane->peak = higher(lane->peak, lane->up);
    if (risky) {
        count_up(&lane->risky);
    }
}

static void end(struct lane *lane, bool costly, bool risky)
{
    count_down(&lane->all);
    if (lane->all == 0) {
        lane->all_max[0] =
            lane->all_raised != 0 ? lane->all_max[0] : higher(lane->all_max[0], lane->all_peak);
        lane->all_peak = 0;
        lane->all_raised = 0;
    }
    if (!costly) {
        return;
    }
    count_down(&lane->up);
    if (risky) {
        count_down(&lane->risky);
    }
    if (lane->up == 0) {
        lane->peak_max[0] =
            lane->raised != 0 ? lane->peak_max[0] : higher(lane->peak_max[0], lane->peak);
        lane->peak = 0;
        lane->risky = 0;
        lane->raised = 0;
    }
}

static bool is_machine(const struct lane *lane, const struct conf *conf)
{
    uint16_t before = higher(lane->all_max[0], lane->all_max[1]);
    uint64_t beside = lane->all > lane->up ? (uint64_t)lane->all - lane->up : 0;

    return before >= conf->machine || beside >= conf->machine;
}

static bool is_attacked(const struct detector_context *context, const struct fact *fact)
{
    return detector_recent(context, "registration-breach", fact, NS_PER_DAY) ||
           detector_recent(context, "registration-bruteforce", fact, NS_PER_DAY);
}

static void rate_confidence(const struct fact *fact, bool attacked, struct finding *finding)
{
    confidence_start(&finding->confidence, 40, "condition met");
    confidence_source(&finding->confidence, &fact->is.call.caller);
    confidence_add(&finding->confidence, 15, "the calls were answered");
    if (attacked) {
        confidence_add(&finding->confidence, 15, "attacks went before");
    } else if (fact->is.call.device_known) {
        confidence_add(&finding->confidence, -20, "known device");
    }
    confidence_margin(&finding->confidence, finding->observed, finding->threshold);
}

static void judge(struct detector_context *context, struct lane *lane, const struct conf *conf,
                  const struct fact *fact)
{
    uint16_t before = higher(lane->peak_max[0], lane->peak_max[1]);
    bool unusual = lane->up >= conf->calls && before <= conf->usual;
    char room[160];
    struct text detail = text_into(room, sizeof room);

    if ((!unusual && lane->up < conf->always) || is_machine(lane, conf)) {
        return;
    }
    bool attacked = is_attacked(context, fact);
    if (lane->risky == 0 && !attacked) {
        return;
    }
    struct finding finding = {.severity = 3,
                              .stage = 5,
                              .succeeded = true,
                              .count = lane->up,
                              .observed = lane->up,
                              .threshold = unusual ? conf->calls : conf->always,
                              .unit = "calls at once",
                              .span_ns = time_since(fact->time_ns, lane->first_ns)};
    lane->raised = 1;
    lane->all_raised = 1;
    rate_confidence(fact, attacked, &finding);
    text_format(&detail, "has %" PRIu16 " answered costly calls at once, the last to ", lane->up);
    costly_write(&detail, &fact->is.call.called);
    if (before == 0) { /* we may have listened for an hour only */
        text_string(&detail, "; we know of none before");
    } else {
        text_format(&detail, "; in 30 days before it had at most %" PRIu16, before);
    }
    finding.detail = text_slice(&detail);
    detector_raise(context, &finding);
}

static void toll_fraud_concurrent_on_fact(struct detector_context *context, void *memory,
                                          void *cell, const void *configuration,
                                          const struct fact *fact)
{
    const struct conf *conf = configuration;
    const struct fact_call *call = &fact->is.call;
    struct lane *lane = memory;
    bool costly = costly_is(call);
    bool risky = costly_points(&call->called) >= COSTLY_RISKY;
    (void)cell;

    if (call->called.class == FACT_NUMBER_EMERGENCY || (!costly && !costly_is_ours(call))) {
        return;
    }
    turn_generation(lane, fact->time_ns);
    if (call->event == FACT_CALL_ENDED) {
        end(lane, costly, risky);
        return;
    }
    begin(lane, costly, risky, fact->time_ns);
    if (costly && !costly_is_listed(&conf->exempt, call->account)) {
        judge(context, lane, conf, fact);
    }
}

/* Of calls that were up when a run ended nobody will say that they have: what is usual stays, and
 * what they reached becomes usual unless it was an attack. */
static bool toll_fraud_concurrent_take_up(void *memory, void *cell)
{
    struct lane *lane = memory;
    (void)cell;

    lane->peak = lane->raised != 0 ? 0 : lane->peak;
    lane->all_peak = lane->all_raised != 0 ? 0 : lane->all_peak;
    lane->up = 0;
    lane->risky = 0;
    lane->all = 0;
    lane->raised = 0;
    lane->all_raised = 0;
    return true;
}

const struct detector detector_toll_fraud_concurrent = {
    .slug = "toll-fraud-concurrent",
    .title = "more costly calls at once than a person can have",
    .category = "fraud",
    .sees = "three answered international or premium calls of one account at once where it never "
            "had more than one, and six of any account that is no machine",
    .blind = "calls one after the other, and an account that a machine uses",
    .false_alarms = "a conference bridge or dialler on a fresh sensor; exempt its account",
    .advice = "Ask the user; if he knows nothing of it, end the calls, bar the account and change "
              "its password.",
    .example =
        "Account 1001@voice.example.com has 3 answered costly calls at once, the last to "
        "+252612345672 (Somalia, mobile); we know of none before (in 14.61 s; limit 3 calls at "
        "once). Ask the user; if he knows nothing of it, end the calls, bar the account and "
        "change its password.",
    .tactic = {"TA0040", "Impact"},
    .attack = {"T1657", "T1496", "T1078"},
    .severity = 3,
    .stage = 5,
    .key = KEY_ACCOUNT,
    .wants = FACT_BIT(CALL),
    .call_events = 1 << FACT_CALL_ANSWERED | 1 << FACT_CALL_ENDED,
    .lane_bytes = sizeof(struct lane),
    .conf_bytes = sizeof(struct conf),
    .kept = 2,
    .take_up = toll_fraud_concurrent_take_up,
    .options = options,
    .heeds = toll_fraud_concurrent_heeds,
    .on_fact = toll_fraud_concurrent_on_fact,
};
