/* wangiri_callback.c - one of ours calls back where a one-ring call came from.
 *
 *      lane   when wangiri last spoke of the block | when a risky number of it rang once
 *
 * Key is the block of the far end: of who calls us, and of whom one of ours calls (frame/key.c). So
 * the lure and the call back meet in one lane. */
#include "detectors/detector.h"
#include "detectors/frame/costly.h"
#include "detectors/frame/key.h"

struct conf {
    uint64_t window_ns;
    uint64_t ring_ns;
    uint64_t risk;
};

/* clang-format off */
static const struct option options[] = {
    OPTION("window", DURATION_NS, conf, window_ns, "1h", "48h", "30d", "how long after the lure a call back is told"),
    OPTION("ring", DURATION_NS, conf, ring_ns, "1s", "8s", "30s", "a call that is cancelled sooner is a one-ring call"),
    OPTION("risk", COUNT, conf, risk, "1", "20", "60", "points of a caller's number from which one one-ring call is a lure"),
    {.kind = OPTION_END},
};
/* clang-format on */

struct lane {
    uint64_t incident_ns; /* 0 = never */
    uint64_t ring_ns;
    uint64_t last_call; /* number + 1 */
    uint32_t calls;
};

static bool wangiri_callback_heeds(const struct fact *fact)
{
    if (fact->forced) {
        return false;
    }
    if (fact->kind == FACT_INCIDENT) {
        return fact->is.incident.key_kind == KEY_CALLER_BLOCK &&
               strcmp(fact->is.incident.rule, "wangiri") == 0;
    }
    const struct fact_call *call = &fact->is.call;
    return (call->event == FACT_CALL_RINGING && call->called.block != 0) ||
           (call->event == FACT_CALL_ANSWERED && call->called.block != 0) ||
           (call->event == FACT_CALL_ENDED && call->answered_ns == 0 && call->rang &&
            call->ended_by_caller);
}

static bool is_within(uint64_t then_ns, uint64_t now_ns, uint64_t window_ns)
{
    return then_ns != 0 && time_since(now_ns, then_ns) <= window_ns;
}

static void on_outside_call(struct lane *lane, const struct conf *conf, const struct fact *fact)
{
    const struct fact_call *call = &fact->is.call;

    if (call->event == FACT_CALL_ENDED && costly_points(&call->calling) >= conf->risk &&
        time_since(call->ended_ns, call->started_ns) <= conf->ring_ns) {
        lane->ring_ns = fact->time_ns;
    }
}

static void on_own_call(struct detector_context *context, struct lane *lane,
                        const struct conf *conf, const struct fact *fact)
{
    const struct fact_call *call = &fact->is.call;
    bool campaign = is_within(lane->incident_ns, fact->time_ns, conf->window_ns);
    bool again = lane->last_call == call->call_number + 1;
    char room[250];
    struct text detail = text_into(room, sizeof room);

    if (call->event == FACT_CALL_ENDED ||
        (!campaign && !is_within(lane->ring_ns, fact->time_ns, conf->window_ns)) ||
        call->called.allowed || call->called.class == FACT_NUMBER_EMERGENCY) {
        return;
    }
    lane->last_call = call->call_number + 1;
    lane->calls += !again;
    uint64_t lure_ns = campaign ? lane->incident_ns : lane->ring_ns;
    struct finding finding = {.severity = 3,
                              .stage = 5,
                              .names_nobody = true,
                              .succeeded = call->answered_ns != 0,
                              .count = lane->calls,
                              .observed = lane->calls,
                              .window_ns = NS_PER_HOUR,
                              .account = call->account,
                              .only_rise = again};
    confidence_start(&finding.confidence, 60, "condition met");
    if (campaign) {
        confidence_add(&finding.confidence, 15, "many numbers were rung");
    }
    text_string(&detail, "were called back by ");
    key_write_name(&detail, call->account, 64);
    text_string(&detail, " at ");
    costly_write(&detail, &call->called);
    text_string(&detail, ", ");
    text_duration(&detail, time_since(fact->time_ns, lure_ns));
    text_string(&detail, campaign ? " after they rang many numbers of ours once"
                                  : " after they rang once and hung up");
    finding.detail = text_slice(&detail);
    detector_raise(context, &finding);
}

static void wangiri_callback_on_fact(struct detector_context *context, void *memory, void *cell,
                                     const void *configuration, const struct fact *fact)
{
    const struct conf *conf = configuration;
    struct lane *lane = memory;
    (void)cell;

    if (fact->kind == FACT_INCIDENT) {
        lane->incident_ns = fact->time_ns;
    } else if (costly_is_ours(&fact->is.call)) {
        on_own_call(context, lane, conf, fact);
    } else {
        on_outside_call(lane, conf, fact);
    }
}

/* Numbers of calls are those of packets: another run has others. */
static bool wangiri_callback_take_up(void *memory, void *cell)
{
    struct lane *lane = memory;
    (void)cell;

    lane->last_call = 0;
    return true;
}

const struct detector detector_wangiri_callback = {
    .slug = "wangiri-callback",
    .title = "call back to a one-ring caller",
    .category = "fraud",
    .sees = "one of our accounts that calls a number block from which our numbers were rung once, "
            "within two days",
    .blind = "a call back from a mobile phone, and one to another block than the caller showed",
    .false_alarms = "a customer in a country of risk who hung up after one ring and is called back",
    .advice = "Tell the user to hang up, and bar calls to this number block.",
    .example =
        "Callers of the number block +2526123 were called back by 1001@voice.example.com at "
        "+252612345678 (Somalia, mobile), 1 h after they rang once and hung up. Tell the user to "
        "hang up, and bar calls to this number block.",
    .tactic = {"TA0040", "Impact"},
    .attack = {"T1598.004"},
    .severity = 3,
    .stage = 5,
    .key = KEY_CALLER_BLOCK,
    .wants = FACT_BIT(CALL) | FACT_BIT(INCIDENT),
    .call_events = 1 << FACT_CALL_RINGING | 1 << FACT_CALL_ANSWERED | 1 << FACT_CALL_ENDED,
    .lane_bytes = sizeof(struct lane),
    .conf_bytes = sizeof(struct conf),
    .kept = 1,
    .take_up = wangiri_callback_take_up,
    .options = options,
    .heeds = wangiri_callback_heeds,
    .on_fact = wangiri_callback_on_fact,
};
