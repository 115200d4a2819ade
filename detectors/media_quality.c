/* media_quality.c - callers hear damage: three of four intervals of a stream are bad.
 *
 *      lane   the last four verdicts as bits · worst figures of the stream
 *
 * An interval is bad when any limit is passed: loss (net of reordering and duplicates), mean delay
 * variation (of all packets, where many overtake each other), a gap in a row, the E-model's R, half
 * the round trip by RTCP. It is not judged when the call is on hold, when our own loss may have
 * caused it, or when too few packets were due for a ratio to mean anything. One stream is severity
 * 1 however long it lasts: whether the site has a problem is media-quality-site's to say. */
#include "detectors/detector.h"
#include "detectors/frame/key.h"

enum { INTERVALS = 4, INTERVALS_BAD = 3, REORDERED_IN = 20 };
#define INTERVAL_NS (5 * NS_PER_S)

struct conf {
    uint64_t loss_ppm;
    uint64_t variation_ns;
    uint64_t burst;
    uint64_t r_milli;
    uint64_t delay_ns;
    uint64_t packets;
};

/* clang-format off */
static const struct option options[] = {
    OPTION("loss", PPM, conf, loss_ppm, "0.01%", "1%", "100%", "loss of an interval above which it is bad"),
    OPTION("variation", DURATION_NS, conf, variation_ns, "1ms", "30ms", "10s", "mean delay variation of an interval above which it is bad"),
    OPTION("burst", COUNT, conf, burst, "2", "5", "10000", "packets lost in a row that make an interval bad"),
    OPTION("r_factor", DECIMAL, conf, r_milli, "0", "70", "100", "rating by the E-model below which an interval is bad"),
    OPTION("delay", DURATION_NS, conf, delay_ns, "10ms", "150ms", "10s", "one-way delay by RTCP above which an interval is bad"),
    OPTION("packets", COUNT, conf, packets, "1", "50", "10000", "packets that must have been due for an interval to be judged"),
    {.kind = OPTION_END},
};
/* clang-format on */

struct lane {
    uint64_t first_ns;
    uint64_t variation_ns; /* worst of all */
    uint32_t loss_ppm;
    uint32_t r_milli; /* + 1; 0 = none */
    uint32_t longest_loss;
    uint32_t bad;
    uint8_t verdicts;
};

static bool media_quality_heeds(const struct fact *fact)
{
    const struct fact_stream *stream = &fact->is.stream;

    return stream->event == FACT_STREAM_INTERVAL && !fact->forced && !stream->held &&
           !stream->suspect_capture;
}

/* UINT64_MAX = unknown. What came behind a later packet is left out of it; where that is one in twenty
 * and more, what is left out is what is heard. */
static uint64_t variation_of(const struct fact_stream *stream)
{
    uint64_t variation_ns = stream->variation_mean_ns;

    if (stream->jitter_mean_ns == UINT64_MAX || variation_ns == UINT64_MAX ||
        (uint64_t)stream->reordered * REORDERED_IN <= stream->expected) {
        return variation_ns;
    }
    return stream->jitter_mean_ns > variation_ns ? stream->jitter_mean_ns : variation_ns;
}

static bool is_bad(const struct conf *conf, const struct fact_stream *stream)
{
    return stream->loss_ppm > conf->loss_ppm || stream->longest_loss >= conf->burst ||
           (variation_of(stream) != UINT64_MAX && variation_of(stream) > conf->variation_ns) ||
           (stream->r_factor_milli != UINT32_MAX && stream->r_factor_milli < conf->r_milli) ||
           stream->round_trip_ns / 2 > conf->delay_ns;
}

static void note_worst(struct lane *lane, const struct fact_stream *stream)
{
    lane->loss_ppm = stream->loss_ppm > lane->loss_ppm ? stream->loss_ppm : lane->loss_ppm;
    uint64_t variation_ns = variation_of(stream);
    if (variation_ns != UINT64_MAX && variation_ns > lane->variation_ns) {
        lane->variation_ns = variation_ns;
    }
    if (stream->longest_loss > lane->longest_loss) {
        lane->longest_loss = stream->longest_loss;
    }
    if (stream->r_factor_milli != UINT32_MAX &&
        (lane->r_milli == 0 || stream->r_factor_milli < lane->r_milli - 1)) {
        lane->r_milli = stream->r_factor_milli + 1;
    }
}

static void write_ms(struct text *text, uint64_t span_ns)
{
    text_decimal(text, (int64_t)((span_ns + 50 * NS_PER_US) / (100 * NS_PER_US)), 1);
    text_string(text, " ms");
}

static void write_detail(struct text *detail, const struct lane *lane,
                         const struct fact_stream *stream)
{
    text_string(detail, "sounds bad");
    if (stream->device.bytes > 0) {
        text_string(detail, " (sent by ");
        key_write_name(detail, stream->device, 48);
        text_string(detail, ")");
    }
    text_string(detail, ", at worst ");
    text_decimal(detail, (lane->loss_ppm + 500) / 1000, 1);
    text_format(detail, " %% lost, %" PRIu32 " in a row", lane->longest_loss);
    if (lane->variation_ns > 0) {
        text_string(detail, ", delay variation ");
        write_ms(detail, lane->variation_ns);
    }
    if (lane->r_milli > 0) {
        text_string(detail, ", R ");
        text_decimal(detail, (lane->r_milli - 1) / 100, 1);
    }
    if (stream->round_trip_ns > 0) {
        text_string(detail, ", round trip ");
        write_ms(detail, stream->round_trip_ns);
    }
}

static void media_quality_on_fact(struct detector_context *context, void *memory, void *cell,
                                  const void *configuration, const struct fact *fact)
{
    const struct fact_stream *stream = &fact->is.stream;
    const struct conf *conf = configuration;
    struct lane *lane = memory;
    (void)cell;

    if (stream->expected < conf->packets) {
        return;
    }
    bool bad = is_bad(conf, stream);
    lane->verdicts = (uint8_t)((lane->verdicts << 1 | bad) & ((1 << INTERVALS) - 1));
    if (!bad) {
        return;
    }
    note_worst(lane, stream);
    lane->first_ns = lane->bad == 0 ? time_since(fact->time_ns, INTERVAL_NS) : lane->first_ns;
    lane->bad++;
    unsigned bad_of_four = (unsigned)__builtin_popcount(lane->verdicts);
    if (bad_of_four < INTERVALS_BAD) {
        return;
    }
    char buffer[220];
    struct text detail = text_into(buffer, sizeof buffer);
    struct finding finding = {.severity = 1,
                              .count = lane->bad,
                              .observed = bad_of_four,
                              .threshold = INTERVALS_BAD,
                              .window_ns = INTERVALS * INTERVAL_NS,
                              .unit = "bad intervals",
                              .span_ns = time_since(fact->time_ns, lane->first_ns),
                              .target = stream->device};
    confidence_start(&finding.confidence, 60, "condition met");
    if (stream->call_is_up) {
        confidence_add(&finding.confidence, 15, "the call is up");
    }
    if (bad_of_four == INTERVALS) {
        confidence_add(&finding.confidence, 10, "every interval is bad");
    }
    write_detail(&detail, lane, stream);
    finding.detail = text_slice(&detail);
    detector_raise(context, &finding);
}

const struct detector detector_media_quality = {
    .slug = "media-quality",
    .title = "stream with audible damage",
    .category = "quality",
    .sees = "loss, delay variation, gaps and delay of a stream that stay beyond the limits for 15 "
            "of 20 seconds",
    .blind = "damage behind the place where we listen, unless RTCP tells of it, and what a codec "
             "itself does to speech",
    .false_alarms = "streams that our own capture lost packets of without telling",
    .advice = "Compare with other streams of the same link; if only one device suffers, look at "
              "its network first.",
    .example =
        "The stream 192.0.2.21:20000 to 192.0.2.10:30000 ssrc 0xbad00001 sounds bad (sent by "
        "1001@voice.example.com), at worst 5.2 % lost, 1 in a row, delay variation 2.8 ms, R "
        "62.5 (in 15 s; limit 3 bad intervals in 20 s). Compare with other streams of the same "
        "link; if only one device suffers, look at its network first.",
    .severity = 1,
    .key = KEY_STREAM,
    .wants = FACT_BIT(STREAM),
    .lane_bytes = sizeof(struct lane),
    .conf_bytes = sizeof(struct conf),
    .options = options,
    .heeds = media_quality_heeds,
    .on_fact = media_quality_on_fact,
};
