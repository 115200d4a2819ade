/* call_teardown.c - calls that somebody ended in the name of one who talks.
 *
 *      lane   calls that this sender ended, by the minute
 *
 * State proves it and tells each such call once: a BYE that was accepted came from where nobody of
 * the call is, and who is said to have hung up still sends audio, or hangs up himself later; or
 * both sides talk on for ten seconds; or the caller goes on behind a CANCEL in his name. The answer
 * of our own side is part of the evidence, so the sender is named.
 *
 * Who forged an address of the call itself is not known. His calls are counted together under
 * nobody's name: the address in them is the victim's. */
#include "detectors/detector.h"
#include "detectors/frame/key.h"

#include "base/window.h"

struct conf {
    uint64_t window_ns;
    uint64_t calls;
};

/* clang-format off */
static const struct option options[] = {
    OPTION("window", DURATION_NS, conf, window_ns, "1m", "10m", "1d", "length of the sliding window"),
    OPTION("calls", COUNT, conf, calls, "2", "3", "1000", "calls that one sender ended, from which it is an attack on all"),
    {.kind = OPTION_END},
};
/* clang-format on */

struct lane {
    struct window calls;
    uint64_t first_ns;
    uint64_t last_ns;
};
static_assert(sizeof(struct lane) <= DETECTOR_LANE_BYTES, "a lane");

static bool call_teardown_heeds(const struct fact *fact)
{
    return fact->is.call.event == FACT_CALL_TORN && !fact->forced;
}

static bool call_teardown_marks(const void *conf, const struct fact *fact)
{
    (void)conf;
    return call_teardown_heeds(fact);
}

static void write_evidence(struct text *detail, const struct fact_call *call)
{
    static const char *const words[] = {
        [FACT_TORN_NOT] = "",
        [FACT_TORN_SENDER_GOES_ON] = "; who is said to have hung up sent audio for ",
        [FACT_TORN_BOTH_GO_ON] = "; both sides talked on for ",
        [FACT_TORN_SECOND_BYE] = "; who is said to have hung up did so himself after ",
        [FACT_TORN_CANCEL] = "; who is said to have cancelled went on after ",
    };

    text_string(detail, words[call->torn]);
    text_duration(detail, call->torn_after_ns);
    if (call->torn == FACT_TORN_SENDER_GOES_ON || call->torn == FACT_TORN_BOTH_GO_ON) {
        text_string(detail, " more");
    }
}

static void write_detail(struct text *detail, const struct fact_call *call, uint64_t calls)
{
    const char *what = call->torn == FACT_TORN_CANCEL ? "CANCEL" : "BYE";

    text_format(detail, "ended %" PRIu64 " call%s with a forged %s", calls, calls == 1 ? "" : "s",
                what);
    text_string(detail, calls == 1 ? ": " : ", the last: ");
    key_write_name(detail, call->from_user, 24);
    text_string(detail, " to ");
    key_write_name(detail, call->to_user, 24);
    write_evidence(detail, call);
    if (!call->ender_on_path && !call->ender.proven) {
        text_string(detail, " (the address has not shown that it hears us)");
    }
}

static void call_teardown_on_fact(struct detector_context *context, void *memory, void *cell,
                                  const void *configuration, const struct fact *fact)
{
    const struct fact_call *call = &fact->is.call;
    const struct conf *conf = configuration;
    struct lane *lane = memory;
    (void)cell;

    uint64_t calls = window_add(&lane->calls, fact->time_ns, conf->window_ns, 1);
    if (calls == 1 || time_since(fact->time_ns, lane->last_ns) > conf->window_ns) {
        lane->first_ns = fact->time_ns;
    }
    lane->last_ns = fact->time_ns;
    char buffer[240];
    char name[160];
    struct text detail = text_into(buffer, sizeof buffer);
    struct text target = text_into(name, sizeof name);
    struct finding finding = {.severity = calls >= conf->calls ? 4 : 3,
                              .stage = 5,
                              .names_nobody = call->ender_on_path,
                              .succeeded = true,
                              .count = calls,
                              .observed = calls,
                              .threshold = conf->calls,
                              .window_ns = conf->window_ns,
                              .unit = "calls",
                              .span_ns = time_since(fact->time_ns, lane->first_ns)};

    text_slice_put(&target, slice_part(call->to_user, 0, 64));
    text_string(&target, "@");
    text_slice_put(&target, slice_part(call->to_host, 0, 64));
    finding.target = text_slice(&target);
    confidence_start(&finding.confidence, 40, "condition met");
    confidence_add(&finding.confidence, 15, "our own side's answer confirms");
    confidence_add(&finding.confidence, 15, "what went on behind it");
    if (!call->ender_on_path) {
        confidence_source(&finding.confidence, &call->ender);
    }
    write_detail(&detail, call, calls);
    finding.detail = text_slice(&detail);
    detector_raise(context, &finding);
}

static void call_teardown_sentence(struct text *text, const struct finding *finding,
                                   struct slice entity)
{
    if (finding->names_nobody) {
        text_string(text, "Somebody who forged the address of another");
    } else {
        text_printable(text, entity);
    }
    text_string(text, " ");
    text_slice_put(text, finding->detail);
    text_format(text, " (urgent from %" PRIu64 " calls in ", finding->threshold);
    text_duration(text, finding->window_ns);
    text_string(text, "). Keep signalling from strangers out at the edge, and protect it with TLS: "
                      "who forges it must have read it.");
}

const struct detector detector_call_teardown = {
    .slug = "call-teardown",
    .title = "calls ended by a forged BYE or CANCEL",
    .category = "availability",
    .sees = "calls that a BYE or CANCEL ended which did not come from who is said to have sent it: "
            "he goes on talking, hangs up again himself, or both sides talk on for ten seconds",
    .blind = "a BYE with the true address, port and distance in a call whose media we do not see "
             "or whose media stops at once, and most forged CANCELs",
    .false_alarms = "two devices that both go on sending for more than ten seconds after a call",
    .advice = "Keep signalling from strangers out at the edge, and protect it with TLS: who forges "
              "it must have read it.",
    .example =
        "203.0.113.66 ended 1 call with a forged BYE: 1001 to 2001; who is said to have hung up "
        "sent audio for 3.133 s more (the address has not shown that it hears us) (urgent from 3 "
        "calls in 10 min). Keep signalling from strangers out at the edge, and protect it with "
        "TLS: who forges it must have read it.",
    .tactic = {"TA0040", "Impact"},
    .attack = {"T1499.003", "T1565.002"},
    .severity = 3,
    .stage = 5,
    .key = KEY_SOURCE,
    .wants = FACT_BIT(CALL),
    .call_events = 1 << FACT_CALL_TORN,
    .lane_bytes = sizeof(struct lane),
    .conf_bytes = sizeof(struct conf),
    .options = options,
    .heeds = call_teardown_heeds,
    .marks = call_teardown_marks,
    .on_fact = call_teardown_on_fact,
    .sentence = call_teardown_sentence,
};
