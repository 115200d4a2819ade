/* no_audio.c - answered calls in which nobody is heard, where other calls are.
 *
 *      cell   calls with audio both ways, and without any, within the window
 *
 * Silence of one call says little: its media may simply not pass by here. So it counts only where
 * four of five other calls of the last quarter of an hour were heard both ways. Which direction of
 * one call is missing is the matter of one-way-audio. */
#include "detectors/detector.h"
#include "detectors/frame/key.h"

#include "base/window.h"

struct conf {
    uint64_t window_ns;
    uint64_t packets;
    uint64_t share_ppm;
    uint64_t others;
    uint64_t calls;
    uint64_t sites;
};

/* clang-format off */
static const struct option options[] = {
    OPTION("packets", COUNT, conf, packets, "1", "5", "100", "packets in 5 s below which a direction is not heard"),
    OPTION("window", DURATION_NS, conf, window_ns, "1m", "15m", "1d", "length of the sliding window"),
    OPTION("share", PPM, conf, share_ppm, "50%", "80%", "100%", "share of the other calls that must have been heard both ways"),
    OPTION("others", COUNT, conf, others, "2", "5", "1000", "other calls there must be"),
    OPTION("calls", COUNT, conf, calls, "2", "5", "256", "silent calls that make it urgent"),
    OPTION_TABLE_SIZE("sites", COUNT, conf, sites, "1", "1", "1", "sites that are remembered"),
    {.kind = OPTION_END},
};
/* clang-format on */

struct lane {
    uint32_t handle;
};

struct cell {
    bool deaf; /* we hear one direction only, or an interface is silent */
    struct window judged;
    struct window both;
    struct window silent;
    uint64_t first_ns; /* of this row of silent calls */
    uint64_t last_ns;
};

static bool no_audio_heeds(const struct fact *fact)
{
    const struct fact_call *call = &fact->is.call;

    if (fact->kind == FACT_SECOND) {
        return true;
    }
    return call->event == FACT_CALL_MEDIA && !fact->forced && !call->held && !call->media_unclear &&
           call->sides[0].named && call->sides[1].named && call->sides[0].sends &&
           call->sides[0].receives && call->sides[1].sends && call->sides[1].receives;
}

static void tell(struct detector_context *context, const struct cell *cell, const struct conf *conf,
                 const struct fact *fact, uint64_t silent)
{
    const struct fact_call *call = &fact->is.call;
    char buffer[200];
    char name[160];
    struct text detail = text_into(buffer, sizeof buffer);
    struct text target = text_into(name, sizeof name);
    struct finding finding = {.severity = silent >= conf->calls ? 3 : 2,
                              .names_nobody = true,
                              .count = silent,
                              .observed = silent,
                              .threshold =
                                  silent >= conf->calls ? conf->calls : 0, /* one is enough */
                              .window_ns = conf->window_ns,
                              .unit = "calls",
                              .span_ns = time_since(fact->time_ns, cell->first_ns)};

    text_slice_put(&target, slice_part(call->to_user, 0, 64));
    text_string(&target, "@");
    text_slice_put(&target, slice_part(call->to_host, 0, 64));
    finding.target = text_slice(&target);
    confidence_start(&finding.confidence, 60, "condition met");
    confidence_margin(&finding.confidence, silent, conf->calls);
    text_format(&detail, "has %" PRIu64 " answered call%s in which nobody is heard", silent,
                silent == 1 ? "" : "s");
    if (silent < conf->calls) {
        text_format(&detail, " (urgent from %" PRIu64 " in ", conf->calls);
        text_duration(&detail, conf->window_ns);
        text_string(&detail, ")");
    }
    text_string(&detail, silent == 1 ? ", from " : ", the last from ");
    key_write_name(&detail, call->from_user, 24);
    text_string(&detail, " to ");
    key_write_name(&detail, call->to_user, 24);
    finding.detail = text_slice(&detail);
    detector_raise(context, &finding);
}

static void no_audio_on_fact(struct detector_context *context, void *lane, void *memory,
                             const void *configuration, const struct fact *fact)
{
    const struct fact_call_side *sides = fact->is.call.sides;
    const struct conf *conf = configuration;
    struct cell *cell = memory;
    uint64_t now_ns = fact->time_ns;
    (void)lane;

    if (cell == NULL) {
        return;
    }
    if (fact->kind == FACT_SECOND) {
        cell->deaf = fact->is.second.one_way_capture || fact->is.second.silent_capture;
        return;
    }
    if (cell->deaf) {
        return;
    }
    uint64_t judged = window_sum(&cell->judged, now_ns, conf->window_ns);
    uint64_t both = window_sum(&cell->both, now_ns, conf->window_ns);
    (void)window_add(&cell->judged, now_ns, conf->window_ns, 1);
    if (sides[0].packets >= conf->packets && sides[1].packets >= conf->packets) {
        (void)window_add(&cell->both, now_ns, conf->window_ns, 1);
        return;
    }
    bool silent = !sides[0].spoke && !sides[1].spoke &&
                  sides[0].packets + sides[0].stray < conf->packets &&
                  sides[1].packets + sides[1].stray < conf->packets;
    if (!silent || judged < conf->others || both * 1000000 < conf->share_ppm * judged) {
        return;
    }
    uint64_t calls = window_add(&cell->silent, now_ns, conf->window_ns, 1);
    if (calls == 1 || time_since(now_ns, cell->last_ns) > conf->window_ns) {
        cell->first_ns = now_ns;
    }
    cell->last_ns = now_ns;
    tell(context, cell, conf, fact, calls);
}

const struct detector detector_no_audio = {
    .slug = "no-audio",
    .title = "calls in which nobody is heard",
    .category = "quality",
    .sees = "answered calls without audio in either direction ten seconds after the answer, where "
            "four of five other calls of the last 15 minutes were heard both ways",
    .blind = "sites where the media of most calls does not pass by the sensor",
    .false_alarms = "calls whose media goes directly from phone to phone while that of the others "
                    "comes past the sensor",
    .advice = "Compare the ports and addresses in the session descriptions of these calls with "
              "what firewall and NAT let through.",
    .example =
        "The site has 1 answered call in which nobody is heard (urgent from 5 in 15 min), from "
        "1006 to 2006. Compare the ports and addresses in the session descriptions of these "
        "calls with what firewall and NAT let through.",
    .severity = 2,
    .key = KEY_SITE,
    .wants = FACT_BIT(CALL) | FACT_BIT(SECOND),
    .call_events = 1 << FACT_CALL_MEDIA,
    .lane_bytes = sizeof(struct lane),
    .conf_bytes = sizeof(struct conf),
    .slab_bytes = sizeof(struct cell),
    .slab_option = "sites",
    .options = options,
    .heeds = no_audio_heeds,
    .on_fact = no_audio_on_fact,
};
