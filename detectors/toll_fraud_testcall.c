/* toll_fraud_testcall.c - somebody tries out whether a costly number can be reached from here.
 *
 *      lane   when the site's first call to the block was | calls answered since | told
 *
 * Who wants to pump calls to a number that pays him tries it first: one short call, or two within
 * minutes, to a block that nobody here ever called. Its first day is judged; when it is over the
 * block is like any other. An honest first call is neither short nor repeated, or is made in
 * working hours from a known device by somebody who knows the number. So a doubt about hour, device
 * or source must come to it. */
#include "detectors/detector.h"
#include "detectors/frame/costly.h"
#include "detectors/frame/key.h"

struct conf {
    uint64_t risk;
    uint64_t length_ns;
    uint64_t window_ns;
    uint64_t calls;
    uint64_t prefixes;
};

/* clang-format off */
static const struct option options[] = {
    OPTION("risk", COUNT, conf, risk, "1", "40", "60", "points of the destination from which a first call may be a test"),
    OPTION("length", DURATION_NS, conf, length_ns, "1s", "30s", "10m", "a call that is shorter is a short one"),
    OPTION("window", DURATION_NS, conf, window_ns, "1m", "10m", "1d", "within it calls to the block are repeated ones"),
    OPTION("calls", COUNT, conf, calls, "2", "2", "100", "calls within the window that are repeated ones"),
    OPTION("prefixes", COUNT, conf, prefixes, "2", "3", "7", "ways to dial the same number within an hour that show somebody who does not know the dial plan"),
    {.kind = OPTION_END},
};
/* clang-format on */

struct lane {
    uint64_t first_ns; /* of the site's first answered call to the block; 0 = none */
    uint64_t last_ns;
    uint64_t last_call; /* its number, + 1 */
    uint32_t calls; /* answered, in a row no gap of which is longer than the window */
};

static bool toll_fraud_testcall_heeds(const struct fact *fact)
{
    return !fact->forced && fact->is.call.answered_ns != 0 &&
           costly_points(&fact->is.call.called) > 0 &&
           (fact->is.call.event == FACT_CALL_ANSWERED || fact->is.call.event == FACT_CALL_ENDED);
}

/* Who calls and when, in words; none: nothing is odd about it. */
static void write_doubts(struct detector_context *context, const struct conf *conf,
                         const struct fact *fact, struct text *text)
{
    const struct fact_call *call = &fact->is.call;

    if (costly_is_night(fact->hour_of_week)) {
        text_string(text, ", at night");
    } else if (call->hour == FACT_HOUR_RARE) {
        text_string(text, ", at a rare hour");
    }
    if (costly_is_stranger(call)) {
        text_string(text, ", neither registered nor logged in");
    } else if (call->account_known && !call->device_known) {
        text_string(text, ", from a new device");
    }
    if (call->prefixes_tried >= conf->prefixes) {
        text_format(text, ", after %u ways to dial it", call->prefixes_tried);
    }
    if (detector_recent(context, "enumeration", fact, NS_PER_DAY)) {
        text_string(text, ", after asking for names");
    }
}

/* Counts an answered call once. */
static void count(struct lane *lane, const struct conf *conf, const struct fact *fact)
{
    const struct fact_call *call = &fact->is.call;

    if (lane->last_call == call->call_number + 1 || call->event != FACT_CALL_ANSWERED) {
        return;
    }
    if (time_since(fact->time_ns, lane->last_ns) >= conf->window_ns) {
        lane->calls = 0;
    }
    lane->calls++;
    lane->last_call = call->call_number + 1;
    lane->last_ns = fact->time_ns;
}

static void tell(struct detector_context *context, const struct lane *lane, const struct conf *conf,
                 const struct fact *fact, bool is_short)
{
    const struct fact_call *call = &fact->is.call;
    char room[250];
    char doubts_room[120];
    struct text detail = text_into(room, sizeof room);
    struct text doubts = text_into(doubts_room, sizeof doubts_room);

    write_doubts(context, conf, fact, &doubts);
    if (doubts.bytes == 0) {
        return;
    }
    text_string(&detail, "was called for the first time: ");
    costly_write(&detail, &call->called);
    text_format(&detail, ", risk %u (limit %" PRIu64 "), by ", costly_points(&call->called),
                conf->risk);
    /* The length and the doubts must stand behind it. */
    size_t taken = detail.bytes + doubts.bytes + 20 + KEY_NAME_MARKS;
    size_t left = taken < sizeof room ? sizeof room - taken : 0;
    key_write_name(&detail, call->account, left < 48 ? left : 48);
    if (is_short) {
        text_string(&detail, " for ");
        text_duration(&detail, time_since(call->ended_ns, call->answered_ns));
    }
    text_slice_put(&detail, text_slice(&doubts));
    struct finding finding = {.severity = 3,
                              .stage = 5,
                              .succeeded = true,
                              .count = lane->calls > 0 ? lane->calls : 1,
                              .observed = lane->calls,
                              .threshold = is_short ? 0 : conf->calls,
                              .window_ns = is_short ? 0 : conf->window_ns,
                              .unit = "calls",
                              .span_ns = is_short ? 0 : time_since(fact->time_ns, lane->first_ns),
                              .account = call->account,
                              .only_rise = call->event == FACT_CALL_ENDED};
    confidence_start(&finding.confidence, 40, "condition met");
    confidence_source(&finding.confidence, &call->caller);
    confidence_add(&finding.confidence, 15, "the call was answered");
    if (detector_recent(context, "registration-breach", fact, NS_PER_DAY) ||
        call->prefixes_tried >= conf->prefixes) {
        confidence_add(&finding.confidence, 15, "second indicator");
    }
    finding.detail = text_slice(&detail);
    detector_raise(context, &finding);
}

static void toll_fraud_testcall_on_fact(struct detector_context *context, void *memory, void *cell,
                                        const void *configuration, const struct fact *fact)
{
    const struct conf *conf = configuration;
    const struct fact_call *call = &fact->is.call;
    struct lane *lane = memory;
    (void)cell;

    if (costly_points(&call->called) < conf->risk || !costly_is(call) || call->called.allowed) {
        return;
    }
    /* A block that nobody called for 90 days is new again. */
    if (call->block_new_site &&
        (lane->first_ns == 0 || time_since(call->answered_ns, lane->first_ns) >= NS_PER_DAY)) {
        lane->first_ns = call->answered_ns;
    }
    if (lane->first_ns == 0 || time_since(fact->time_ns, lane->first_ns) >= NS_PER_DAY) {
        return;
    }
    count(lane, conf, fact);
    bool is_first = call->block_new_site;
    bool is_short = is_first && call->event == FACT_CALL_ENDED && call->ended_ns != 0 &&
                    time_since(call->ended_ns, call->answered_ns) < conf->length_ns;
    bool is_repeated = call->event == FACT_CALL_ANSWERED && lane->calls >= conf->calls;
    if (is_short || is_repeated) {
        tell(context, lane, conf, fact, is_short);
    }
}

/* Numbers of calls are those of packets: another run has others. */
static bool toll_fraud_testcall_take_up(void *memory, void *cell)
{
    struct lane *lane = memory;
    (void)cell;

    lane->last_call = 0;
    return true;
}

const struct detector detector_toll_fraud_testcall = {
    .slug = "toll-fraud-testcall",
    .title = "test call to a costly number block",
    .category = "fraud",
    .sees = "the first calls of the site to a costly number block, when they are short or repeated "
            "and made at night, from a new device or by somebody who tries out the dial plan",
    .blind = "a test call in working hours from a known device, and blocks that somebody of the "
             "site called in the last 90 days",
    .false_alarms = "a user on a new phone who reaches the wrong satellite or premium number",
    .advice = "Ask the caller; if he knows nothing of it, bar the destination before the pumping "
              "begins.",
    .example =
        "The number block +8816123 was called for the first time: +88161234567 (satellite), risk "
        "45 (limit 40), by 1001@voice.example.com for 8.002 s, after 4 ways to dial it. Ask the "
        "caller; if he knows nothing of it, bar the destination before the pumping begins.",
    .tactic = {"TA0040", "Impact"},
    .attack = {"T1657", "T1496", "T1078"},
    .severity = 3,
    .stage = 5,
    .key = KEY_NUMBER_BLOCK,
    .wants = FACT_BIT(CALL),
    .call_events = 1 << FACT_CALL_ANSWERED | 1 << FACT_CALL_ENDED,
    .lane_bytes = sizeof(struct lane),
    .conf_bytes = sizeof(struct conf),
    .kept = 1,
    .take_up = toll_fraud_testcall_take_up,
    .options = options,
    .heeds = toll_fraud_testcall_heeds,
    .on_fact = toll_fraud_testcall_on_fact,
};
