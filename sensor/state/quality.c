/* quality.c - why it is built so.
 *
 * R = R0 - Is - Id - Ie,eff (ITU-T G.107), with the defaults R0 - Is = 93.2 and no advantage
 * factor. Ie,eff = Ie + (95 - Ie) Ppl / (Ppl / BurstR + Bpl)      Ppl in percent of what is judged
 *   Id     = 0.024 Ta + 0.11 (Ta - 177.3) [Ta > 177.3]       Cole and Rosenbluth, 2001
 *   MOS    = 1 + 0.035 R + R (R - 60)(100 - R) 7e-6          1 below, 4.5 above
 * Wideband codecs (G.107.1) start at 129; R / 1.29 goes into the same MOS, so that there is one MOS
 * scale, and the scale of R is told. The simple Id stands within 0.2 of the full one up to 300 ms.
 *
 * Ta, mouth to ear: half the round trip, one packet, the codec's look-ahead and a jitter buffer of
 * twice the mean delay variation, between 40 and 200 ms. A round trip that nobody reported counts
 * as none and is told as assumed.
 *
 * Limits: Speex and Opus rows are no Recommendation's (quality_codecs.def says which are); a codec
 * without a row has no score, because a default of 4.5 would be a lie. */
#include "sensor/state/quality.h"

#include "base/clock.h"
#include "base/text.h"

#include <math.h>

enum {
    PACKETS_MIN = 100,
    BUFFER_MIN_MS = 40,
    BUFFER_MAX_MS = 200,
    AMR_HEAD_BITS = 14, /* CMR, one table of contents and the padding behind them (RFC 4867) */
};

#define R_NARROWBAND 93.2
#define R_WIDEBAND 129.0
#define WIDEBAND_TO_MOS 1.29

struct codec_row {
    const char *name;
    uint32_t bit_rate;
    enum quality_scale scale;
    uint16_t ie_milli;
    uint16_t bpl_milli;
    uint16_t look_ahead_us;
    bool preset;
    const char *basis;
};

static const struct codec_row codec_rows[] = {
#define CODEC(name, bit_rate, scale, ie, bpl, look_ahead, preset, basis)                           \
    {name, bit_rate, QUALITY_##scale, ie, bpl, look_ahead, preset, basis},
#include "sensor/state/quality_codecs.def"
#undef CODEC
};

enum { CODEC_ROWS = sizeof codec_rows / sizeof codec_rows[0] };

/* The first letter parts nearly all: the table is walked for each interval of each stream. */
static bool row_is(const struct codec_row *row, const char *codec)
{
    const unsigned case_bit = 0x20;
    return (((unsigned)row->name[0] ^ (unsigned)codec[0]) & ~case_bit) == 0 &&
           slice_equal_nocase(slice_of_string(row->name), slice_of_string(codec));
}

/* Bits a second of the codec's own, 0 where they cannot be told. */
static uint32_t bit_rate_of(const struct quality_input *input)
{
    uint64_t bits = (uint64_t)input->payload_bytes * 8;

    if (bits == 0 || input->ptime_ns == 0) {
        return 0;
    }
    if (slice_starts_with_nocase(slice_of_string(input->codec), SLICE("AMR")) &&
        bits > AMR_HEAD_BITS) {
        bits -= AMR_HEAD_BITS;
    }
    uint64_t rate = bits * NS_PER_S / input->ptime_ns;
    return rate > UINT32_MAX ? UINT32_MAX : (uint32_t)rate;
}

static uint32_t distance(uint32_t one, uint32_t other)
{
    return one > other ? one - other : other - one;
}

static const struct codec_row *row_of(const struct quality_input *input)
{
    const struct codec_row *found = NULL;
    uint32_t rate = bit_rate_of(input);

    for (unsigned i = 0; i < CODEC_ROWS; i++) {
        const struct codec_row *row = &codec_rows[i];
        if (!row_is(row, input->codec)) {
            continue;
        }
        if (rate == 0 ? row->preset
                      : found == NULL ||
                            distance(row->bit_rate, rate) < distance(found->bit_rate, rate)) {
            found = row;
        }
    }
    bool wide_speex = found != NULL && input->clock_rate > 8000 &&
                      slice_equal_nocase(slice_of_string(found->name), SLICE("speex"));
    return wide_speex ? NULL : found;
}

bool quality_knows(const char *codec)
{
    for (unsigned i = 0; i < CODEC_ROWS; i++) {
        if (row_is(&codec_rows[i], codec)) {
            return true;
        }
    }
    return false;
}

double quality_ie_eff(double ie, double bpl, double loss_percent, double burst_ratio)
{
    return ie + (95.0 - ie) * loss_percent / (loss_percent / burst_ratio + bpl);
}

double quality_id(double delay_ms)
{
    double late = delay_ms > 177.3 ? 0.11 * (delay_ms - 177.3) : 0.0;
    return 0.024 * delay_ms + late;
}

double quality_idd(double delay_ms)
{
    if (delay_ms <= 100.0) {
        return 0.0;
    }
    double x = log2(delay_ms / 100.0);
    return 25.0 * (pow(1.0 + pow(x, 6), 1.0 / 6) - 3.0 * pow(1.0 + pow(x / 3, 6), 1.0 / 6) + 2.0);
}

double quality_mos(double r)
{
    if (r <= 0.0) {
        return 1.0;
    }
    if (r >= 100.0) {
        return 4.5;
    }
    double mos = 1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6;
    return mos < 1.0 ? 1.0 : mos;
}

static double delay_of(const struct quality_input *input, const struct codec_row *row)
{
    double buffer = BUFFER_MIN_MS;

    if (input->variation_ns != UINT64_MAX) {
        buffer = 2.0 * (double)input->variation_ns / 1e6;
        buffer = buffer < BUFFER_MIN_MS   ? BUFFER_MIN_MS
                 : buffer > BUFFER_MAX_MS ? BUFFER_MAX_MS
                                          : buffer;
    }
    double packet = input->ptime_ns == 0 ? 20.0 : (double)input->ptime_ns / 1e6;
    return (double)input->round_trip_ns / 2e6 + packet + row->look_ahead_us / 1e3 + buffer;
}

/* Mean run of lost packets against what chance would give, never below 1. */
static double burst_ratio_of(const struct quality_input *input, double loss_percent)
{
    if (input->loss_runs == 0 || input->lost == 0) {
        return 1.0;
    }
    double run = (double)input->lost / (double)input->loss_runs;
    double ratio = run * (1.0 - loss_percent / 100.0);
    return ratio < 1.0 ? 1.0 : ratio;
}

void quality_score(const struct quality_input *input, struct quality_score *out_score)
{
    memset(out_score, 0, sizeof *out_score);
    if (input->codec == NULL || input->packets < PACKETS_MIN || input->expected == 0) {
        return;
    }
    const struct codec_row *row = row_of(input);
    if (row == NULL) {
        return;
    }
    uint64_t lost = input->lost < input->expected ? input->lost : input->expected;
    double loss_percent = 100.0 * (double)lost / (double)input->expected;
    double ie_eff = quality_ie_eff(row->ie_milli / 1e3, row->bpl_milli / 1e3, loss_percent,
                                   burst_ratio_of(input, loss_percent));
    double delay = delay_of(input, row);
    double delay_ms = delay < UINT16_MAX ? delay : UINT16_MAX;
    double impaired = quality_id(delay_ms) + ie_eff;
    bool wide = row->scale == QUALITY_WIDEBAND;
    double r = (wide ? R_WIDEBAND : R_NARROWBAND) - impaired;

    out_score->r_milli = (int32_t)lround(r * 1e3);
    out_score->mos_milli = (uint32_t)lround(quality_mos(wide ? r / WIDEBAND_TO_MOS : r) * 1e3);
    out_score->scale = (uint8_t)row->scale;
    out_score->delay_assumed = input->round_trip_ns == 0;
    out_score->delay_ms = (uint16_t)lround(delay_ms);
    out_score->ie_milli = row->ie_milli;
    struct text basis = text_into(out_score->basis, sizeof out_score->basis);
    text_format(&basis, "%s/%s/%s/delay=%ums", wide ? "g107.1" : "g107", row->name, row->basis,
                (unsigned)out_score->delay_ms);
    text_terminate(&basis);
}
