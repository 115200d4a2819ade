/* sensor_blind.c - when it is us who do not hear.
 *
 * Judged at every tenth second from the figures of the ten seconds before, live only: what a capture
 * lacks is told by the report as it is. Whatever holds is told in one sentence; the worst of it
 * gives the severity:
 *
 *      3   frames lost by kernel or card; frames cut; one direction missing; an interface silent
 *          that brought traffic; a table of what goes on full
 *      2   an interface that never brought anything: maybe a spare path, maybe no mirror at all;
 *          the wall clock was set: figures across the step are wrong, what follows is right
 *      1   a mirror that doubles: copies are left out of all figures, they cost capacity only
 *
 * Nobody is named: it is about our own ears. */
#include "detectors/detector.h"

#define ADVICE                                                                                     \
    "Look at the mirror port and at the sensor's own load before you believe that anything ended."

enum {
    EVERY_S = 10,
    SEVERITY_DEAF = 3,
    SEVERITY_DOUBT = 2,
    SEVERITY_COPIES = 1,
    DETAIL_BYTES = 250, /* what an incident keeps */
    PARTS_BYTES = DETAIL_BYTES - 10,
};

struct conf {
    uint64_t lost_ppm;
    uint64_t cut_ppm;
    uint64_t frames;
    uint64_t silence_ns;
    uint64_t mute_ns;
    uint64_t full_ppm;
    uint64_t copies_ppm;
};

/* clang-format off */
static const struct option options[] = {
    OPTION("lost", PPM, conf, lost_ppm, "0.01%", "0.5%", "100%", "share of frames lost by kernel and card in 10 s above which we are blind"),
    OPTION("cut", PPM, conf, cut_ppm, "0.01%", "0.5%", "100%", "share of frames that were captured in part in 10 s above which we are blind"),
    OPTION("frames", COUNT, conf, frames, "1", "100", "1M", "frames in 10 s that there must be to judge shares of them"),
    OPTION("silence", DURATION_NS, conf, silence_ns, "5s", "30s", "1d", "how long an interface that brought 10 frames a second may be silent"),
    OPTION("mute", DURATION_NS, conf, mute_ns, "10s", "5m", "1d", "how long after the start an interface may have brought nothing at all"),
    OPTION("full", PPM, conf, full_ppm, "50%", "95%", "100%", "share of a table's entries in use from which it is as good as full"),
    OPTION("copies", PPM, conf, copies_ppm, "10%", "40%", "100%", "share of mirror copies in 10 s from which a mirror doubles"),
    {.kind = OPTION_END},
};
/* clang-format on */

struct lane {
    uint64_t first_ns; /* when this began */
    uint64_t seconds; /* that it has held */
};

/* What is said of ten seconds. */
struct verdict {
    struct text text;
    uint8_t severity;
};

static bool sensor_blind_heeds(const struct fact *fact)
{
    return fact->is.second.live && fact->is.second.second % EVERY_S == 0;
}

/* Begins a part of the sentence. The worst is judged first. */
static struct text *find(struct verdict *verdict, uint8_t severity)
{
    if (verdict->severity == 0) {
        verdict->severity = severity;
    } else {
        text_string(&verdict->text, "; ");
    }
    return &verdict->text;
}

static uint64_t share_ppm(uint64_t part, uint64_t whole)
{
    return whole == 0 ? 0 : part * 1000000 / whole;
}

static void write_share(struct text *text, uint64_t ppm)
{
    text_format(text, "%" PRIu64 ".%02" PRIu64 " %%", ppm / 10000, ppm % 10000 / 100);
}

static void judge_frames(struct verdict *verdict, const struct conf *conf,
                         const struct fact_second *is)
{
    uint64_t offered = is->frames + is->dropped;
    uint64_t lost_ppm = share_ppm(is->dropped, offered);
    uint64_t cut_ppm = share_ppm(is->cut, is->frames);

    if (offered >= conf->frames && lost_ppm > conf->lost_ppm) {
        struct text *text = find(verdict, SEVERITY_DEAF);
        text_format(text, "kernel or card lost %" PRIu64 " of %" PRIu64 " frames (", is->dropped,
                    offered);
        write_share(text, lost_ppm);
        text_string(text, ") in 10 s");
    }
    if (is->frames >= conf->frames && cut_ppm > conf->cut_ppm) {
        struct text *text = find(verdict, SEVERITY_DEAF);
        text_format(text, "%" PRIu64 " of %" PRIu64 " frames were captured in part (", is->cut,
                    is->frames);
        write_share(text, cut_ppm);
        text_string(text, ") in 10 s");
    }
}

static void judge_hearing(struct verdict *verdict, const struct conf *conf,
                          const struct fact_second *is)
{
    if (is->silent_s * NS_PER_S >= conf->silence_ns) {
        struct text *text = find(verdict, SEVERITY_DEAF);
        text_slice_put(text, slice_part(is->silent_interface, 0, 32));
        text_format(text, ", which brought traffic, has brought no frame for %" PRIu32 " s",
                    is->silent_s);
    }
    if (is->one_way_capture && is->requests + is->answers > 0) {
        struct text *text = find(verdict, SEVERITY_DEAF);
        text_format(text,
                    "only one direction is heard: %" PRIu32 " requests and %" PRIu32
                    " answers in 10 s",
                    is->requests, is->answers);
    }
    if (is->full_ppm >= conf->full_ppm) {
        struct text *text = find(verdict, SEVERITY_DEAF);
        text_string(text, "the table of ");
        text_slice_put(text, is->full_table);
        text_format(text, " is %" PRIu32 " %% full (tables.%.*s.entries)", is->full_ppm / 10000,
                    (int)is->full_table.bytes, is->full_table.at);
    }
}

static void judge_rest(struct verdict *verdict, const struct conf *conf,
                       const struct fact_second *is)
{
    uint64_t copies_ppm = share_ppm(is->copies, is->frames);

    if (is->mute_s * NS_PER_S >= conf->mute_ns) {
        struct text *text = find(verdict, SEVERITY_DOUBT);
        text_slice_put(text, slice_part(is->mute_interface, 0, 32));
        text_format(text, " has brought no frame at all in the %" PRIu32 " s since the start",
                    is->mute_s);
    }
    if (is->clock_steps > 0) {
        struct text *text = find(verdict, SEVERITY_DOUBT);
        text_string(text, "the wall clock of this host was set by more than a second");
    }
    if (is->frames >= conf->frames && copies_ppm >= conf->copies_ppm) {
        struct text *text = find(verdict, SEVERITY_COPIES);
        text_format(text,
                    "the mirror doubles: %" PRIu64 " of %" PRIu64
                    " frames are copies; they are left out of all figures",
                    is->copies, is->frames);
    }
}

/* Parts that there was no room for are left out whole. */
static void close_parts(struct text *text)
{
    if (!text->overflow) {
        return;
    }
    while (text->bytes > 0 && text->at[text->bytes - 1] != ';') {
        text->bytes--;
    }
    *text = (struct text){.at = text->at, .capacity = DETAIL_BYTES, .bytes = text->bytes};
    text_string(text, " and more");
}

static void sensor_blind_on_fact(struct detector_context *context, void *memory, void *cell,
                                 const void *conf, const struct fact *fact)
{
    const struct fact_second *is = &fact->is.second;
    struct lane *lane = memory;
    char buffer[DETAIL_BYTES];
    struct verdict verdict = {.text = text_into(buffer, PARTS_BYTES)};
    (void)cell;

    judge_frames(&verdict, conf, is);
    judge_hearing(&verdict, conf, is);
    judge_rest(&verdict, conf, is);
    close_parts(&verdict.text);
    if (verdict.severity == 0) {
        *lane = (struct lane){0};
        return;
    }
    if (lane->seconds == 0) {
        lane->first_ns = fact->time_ns - EVERY_S * NS_PER_S;
    }
    lane->seconds += EVERY_S;
    struct finding finding = {.severity = verdict.severity,
                              .names_nobody = true,
                              .about_hearing = true,
                              .count = lane->seconds,
                              .observed = lane->seconds,
                              .threshold = EVERY_S,
                              .unit = "seconds",
                              .window_ns = EVERY_S * NS_PER_S,
                              .span_ns = time_since(fact->time_ns, lane->first_ns),
                              .detail = text_slice(&verdict.text)};
    confidence_start(&finding.confidence, 60, "condition met");
    confidence_margin(&finding.confidence, finding.observed, finding.threshold);
    detector_raise(context, &finding);
}

static void sensor_blind_sentence(struct text *text, const struct finding *finding,
                                  struct slice entity)
{
    (void)entity;
    text_string(text, "This sensor may be missing attacks: ");
    text_slice_put(text, finding->detail);
    text_string(text, ". " ADVICE);
}

const struct detector detector_sensor_blind = {
    .slug = "sensor-blind",
    .title = "the sensor does not hear all",
    .category = "availability",
    .sees =
        "frames lost or cut before they reach the sensor, a mirror with one direction, a mirror "
        "that doubles or is silent, a wall clock that was set, tables that are full",
    .blind =
        "a mirror that never brought the traffic in question, and what the switch drops before "
        "its mirror port",
    .false_alarms = "a site that goes from busy to wholly silent; two mirrors that show the same "
                    "traffic on purpose (severity 1)",
    .advice = ADVICE,
    .example = "This sensor may be missing attacks: kernel or card lost 1200 of 40000 frames "
               "(3.00 %) in 10 s. Look at the mirror port and at the sensor's own load before you "
               "believe that anything ended.",
    .severity = SEVERITY_DEAF,
    .key = KEY_SITE,
    .wants = FACT_BIT(SECOND),
    .lane_bytes = sizeof(struct lane),
    .conf_bytes = sizeof(struct conf),
    .options = options,
    .heeds = sensor_blind_heeds,
    .on_fact = sensor_blind_on_fact,
    .sentence = sensor_blind_sentence,
};
