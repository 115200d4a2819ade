/* stream_jitter.c - RFC 3550 A.8 in integers, for one known clock or six possible ones side by
 * side.
 *
 *   D = (arrival - arrival before) - (time stamp - time stamp before) / clock      J += (|D| - J) /
 * 16
 *
 * J is kept in 1/256 ns: a whole-nanosecond J would stand still below 16 ns. A tick of a clock is a
 * constant with 14 bits of fraction, so there is no division; 44,100, 48,000 and 90,000 Hz err by 3
 * ns a second. Time stamps are differences of signed 32 bits, arrivals of signed 64 bits: packets
 * may come from before.
 *
 * Two figures come from the same recursion (protocols by RFC 3550 section 6.4.1 and A.8):
 *   jitter      takes every packet in order of arrival; comparable with other tools
 *   variation   leaves out what says nothing about the network: packets that share a time stamp
 * (all but the first), the first after a marker or a pause of the sender, reordered ones, changes
 * of payload type, comfort noise, telephone-events, restarts, clocks that step back by more than a
 * second As long as nothing has been left out both are equal, and only one is kept; the first
 * packet that is left out splits them (STREAM_FLAG_SPLIT), and from then on variation has its own
 * values in the cold part.
 *
 * A type without a static clock runs six recursions in the side cell, from its first packet; the
 * analyst, who knows the SDP, picks one. Telephone-events, comfort noise and single packets of
 * other types are measured with the clock of the stream's main type. Where the main type turns out
 * to have a static clock after all (events came first), its recursion is taken over from the side
 * cell. */
#include "sensor/flows/stream_cell.h"

const uint32_t stream_clock_rates[STREAM_CLOCKS] = {8000, 16000, 32000, 44100, 48000, 90000};
const uint32_t stream_clock_values[STREAM_CLOCK_COUNT] = {8000,  16000, 32000, 44100,
                                                          48000, 90000, 11025, 22050};

#define TICK(rate) ((uint32_t)(((NS_PER_S << STREAM_TICK_BITS) + (rate) / 2) / (rate)))
const uint32_t stream_tick_ns[STREAM_CLOCK_COUNT] = {TICK(8000),  TICK(16000), TICK(32000),
                                                     TICK(44100), TICK(48000), TICK(90000),
                                                     TICK(11025), TICK(22050)};

/* RFC 3551 tables 4 and 5; 0 = none. G.722 says 8000 although it samples at 16000. */
static const uint16_t static_rates_100[35] = {
    [0] = 80,   [1] = 80,   [2] = 80,   [3] = 80,   [4] = 80,   [5] = 80,   [6] = 160,
    [7] = 80,   [8] = 80,   [9] = 80,   [10] = 441, [11] = 441, [12] = 80,  [13] = 80,
    [14] = 900, [15] = 80,  [18] = 80,  [19] = 80,  [25] = 900, [26] = 900, [28] = 900,
    [31] = 900, [32] = 900, [33] = 900, [34] = 900,
};
enum { TYPE_DVI4_11025 = 16, TYPE_DVI4_22050 = 17 };
enum { SLOPE_PACKETS = 50 };
#define BACKWARDS_NS (-(int64_t)NS_PER_S)
/* A 90 kHz time stamp wraps in 13 hours; the slope is settled long before. */
#define SLOPE_NS_MAX (6 * NS_PER_HOUR)

uint8_t stream_clock_of(uint8_t payload_type)
{
    if (payload_type == TYPE_DVI4_11025) {
        return STREAM_CLOCK_11025;
    }
    if (payload_type == TYPE_DVI4_22050) {
        return STREAM_CLOCK_22050;
    }
    size_t known = sizeof static_rates_100 / sizeof static_rates_100[0];
    uint32_t rate = payload_type < known ? static_rates_100[payload_type] * 100u : 0;
    for (uint8_t clock = 0; clock < STREAM_CLOCKS; clock++) {
        if (stream_clock_rates[clock] == rate) {
            return clock;
        }
    }
    return STREAM_CLOCK_NONE;
}

/* The static recursion as the others are kept. */
static struct stream_recursion known_of(const struct stream_hot *hot)
{
    return (struct stream_recursion){
        .value = hot->jitter, .sum = hot->jitter_sum, .max = hot->jitter_max};
}

static void known_set(struct stream_hot *hot, const struct stream_recursion *recursion)
{
    hot->jitter = recursion->value;
    hot->jitter_sum = recursion->sum;
    hot->jitter_max = recursion->max;
}

static struct stream_recursion six_of(const struct stream_six *six, size_t clock)
{
    return (struct stream_recursion){
        .value = six->value[clock], .sum = six->sum[clock], .max = six->max[clock]};
}

static void six_set(struct stream_six *six, size_t clock, const struct stream_recursion *recursion)
{
    six->value[clock] = recursion->value;
    six->sum[clock] = recursion->sum;
    six->max[clock] = recursion->max;
}

static uint64_t updates_of(uint64_t packets)
{
    return packets > 0 ? packets - 1 : 0;
}

static void split(struct stream_parts *parts)
{
    struct stream_cold *cold = parts->cold;
    parts->hot->flags |= STREAM_FLAG_SPLIT;
    cold->variation = known_of(parts->hot);
    cold->variation_told = cold->jitter_told;
    cold->variation_count = updates_of(stream_packets_of(parts));
    cold->variation_count_told = updates_of(cold->told.packets);
    cold->reference_ns = parts->hot->last_ns;
    cold->reference_ts = parts->hot->last_ts;
    if ((parts->hot->flags & STREAM_FLAG_SIDE) != 0) {
        parts->side->variation = parts->side->jitter;
        memcpy(parts->side->variation_told, parts->side->jitter_told,
               sizeof parts->side->variation_told);
    }
}

void stream_jitter_start_side(struct stream_parts *parts)
{
    struct stream_recursion known = known_of(parts->hot);
    for (size_t clock = 0; clock < STREAM_CLOCKS; clock++) {
        six_set(&parts->side->jitter, clock, &known);
        six_set(&parts->side->variation, clock, &parts->cold->variation);
        parts->side->jitter_told[clock] = parts->cold->jitter_told;
        parts->side->variation_told[clock] = parts->cold->variation_told;
    }
    parts->hot->flags |= STREAM_FLAG_SIDE;
}

void stream_jitter_adopt(struct stream_parts *parts, uint8_t clock)
{
    if (clock < STREAM_CLOCKS) {
        struct stream_recursion known = six_of(&parts->side->jitter, clock);
        known_set(parts->hot, &known);
        parts->cold->variation = six_of(&parts->side->variation, clock);
        parts->cold->jitter_told = parts->side->jitter_told[clock];
        parts->cold->variation_told = parts->side->variation_told[clock];
    }
}

void stream_jitter_begin(struct stream_parts *parts, const struct stream_tick *tick)
{
    parts->cold->slope_ts = tick->timestamp;
    parts->cold->slope_ns = tick->time_ns;
}

/* What the sender's steps usually are, so that a pause can be told: the smallest, or a larger one
 * that repeats. */
static void learn_step(struct stream_parts *parts, const struct stream_tick *tick, int32_t ts_step)
{
    struct stream_hot *hot = parts->hot;
    if (tick->place != STREAM_NEXT || tick->secondary || tick->type_changed || ts_step <= 0 ||
        ts_step > UINT16_MAX) {
        return;
    }
    uint16_t step = (uint16_t)ts_step;
    if (hot->ts_step == 0 || step < hot->ts_step || step == parts->cold->step_other) {
        hot->ts_step = step;
        parts->cold->step_other = 0;
    } else if (step != hot->ts_step) {
        parts->cold->step_other = step;
    }
}

static bool is_regular(const struct stream_parts *parts, const struct stream_tick *tick,
                       int64_t gap_ns, int32_t ts_step)
{
    bool in_order = tick->place == STREAM_NEXT || tick->place == STREAM_GAP;
    bool is_video = (parts->hot->flags & STREAM_FLAG_FRAMES) != 0;
    if (!in_order || tick->secondary || tick->type_changed || ts_step == 0 ||
        gap_ns < BACKWARDS_NS || (tick->marker && !is_video)) {
        return false;
    }
    bool paused = tick->place == STREAM_NEXT && parts->hot->ts_step != 0 && !is_video &&
                  ts_step > 2 * (int32_t)parts->hot->ts_step;
    return !paused;
}

static void see_variation(struct stream_parts *parts, const struct stream_tick *tick,
                          int64_t gap_ns, int32_t ts_step, bool regular)
{
    struct stream_hot *hot = parts->hot;
    struct stream_cold *cold = parts->cold;
    if (regular) {
        cold->variation_count++;
        if (hot->clock != STREAM_CLOCK_NONE) {
            stream_recursion_step(&cold->variation.value, &cold->variation.sum,
                                  &cold->variation.max,
                                  stream_distance(gap_ns, ts_step, stream_tick_ns[hot->clock]));
        }
        if ((hot->flags & STREAM_FLAG_SIDE) != 0) {
            stream_six_step(&parts->side->variation, gap_ns, ts_step);
        }
    }
    bool leads =
        tick->place == STREAM_NEXT || tick->place == STREAM_GAP || tick->place == STREAM_RESTART;
    if (leads && !tick->secondary && ts_step != 0) {
        cold->reference_ns = tick->time_ns;
        cold->reference_ts = tick->timestamp;
    }
}

static int64_t gap_between(uint64_t later_ns, uint64_t earlier_ns)
{
    int64_t gap_ns = time_difference(later_ns, earlier_ns);
    return gap_ns > STREAM_GAP_MAX ? STREAM_GAP_MAX
                                   : (gap_ns < -STREAM_GAP_MAX ? -STREAM_GAP_MAX : gap_ns);
}

void stream_jitter_see(struct stream_parts *parts, const struct stream_tick *tick)
{
    struct stream_hot *hot = parts->hot;
    int64_t gap_ns = gap_between(tick->time_ns, hot->last_ns);
    int32_t ts_step = (int32_t)(tick->timestamp - hot->last_ts);
    if (ts_step == 0 && tick->place == STREAM_NEXT && !tick->secondary) {
        hot->flags |= STREAM_FLAG_FRAMES;
    }
    if (tick->place == STREAM_RESTART) {
        parts->cold->slope_ts = tick->timestamp;
        parts->cold->slope_ns = tick->time_ns;
    }
    bool is_split = (hot->flags & STREAM_FLAG_SPLIT) != 0;
    int64_t reference_gap =
        is_split ? gap_between(tick->time_ns, parts->cold->reference_ns) : gap_ns;
    int32_t reference_step =
        is_split ? (int32_t)(tick->timestamp - parts->cold->reference_ts) : ts_step;
    bool regular = is_regular(parts, tick, reference_gap, reference_step);
    if (!regular && !is_split) {
        split(parts);
        is_split = true;
    }
    if (is_split) {
        see_variation(parts, tick, reference_gap, reference_step, regular);
    }
    if (hot->clock != STREAM_CLOCK_NONE) {
        stream_jitter_step(hot, gap_ns, ts_step);
    }
    if ((hot->flags & STREAM_FLAG_SIDE) != 0) {
        stream_six_step(&parts->side->jitter, gap_ns, ts_step);
    }
    learn_step(parts, tick, ts_step);
}

/* The nearest clock to what the time stamps did, by ratio: the borders are geometric means of
 * neighbours. */
uint32_t stream_slope_see(struct stream_parts *parts)
{
    static const uint32_t borders[STREAM_CLOCKS - 1] = {11314, 22627, 37566, 46009, 65727};
    struct stream_cold *cold = parts->cold;
    /* Its newest packet in order; the last to arrive may be a late one. */
    bool is_split = (parts->hot->flags & STREAM_FLAG_SPLIT) != 0;
    uint64_t newest_ns = is_split ? cold->reference_ns : parts->hot->last_ns;
    uint32_t newest_ts = is_split ? cold->reference_ts : parts->hot->last_ts;
    uint64_t span_ns = time_since(newest_ns, cold->slope_ns);
    uint64_t ticks = (uint32_t)(newest_ts - cold->slope_ts);
    if (stream_packets_of(parts) < SLOPE_PACKETS || span_ns < NS_PER_S || ticks > INT32_MAX ||
        ticks == 0 || span_ns > SLOPE_NS_MAX) {
        return cold->slope_rate;
    }
    uint64_t slope = ticks * NS_PER_S / span_ns;
    size_t clock = 0;
    while (clock < STREAM_CLOCKS - 1 && slope > borders[clock]) {
        clock++;
    }
    cold->slope_rate = stream_clock_rates[clock];
    return cold->slope_rate;
}

static uint64_t max_ns(uint32_t units)
{
    return (uint64_t)units << STREAM_JITTER_MAX_BITS;
}

static struct stream_jitter tell_one(uint64_t sum, uint64_t count, uint64_t max, int64_t value)
{
    return (struct stream_jitter){.mean_ns = count == 0 ? 0 : (sum + count / 2) / count,
                                  .max_ns = max,
                                  .last_ns = (uint64_t)value >> STREAM_JITTER_BITS};
}

/* Updates of a figure, whole and up to the last interval told. */
struct updates {
    uint64_t all;
    uint64_t told;
};

static void tell_recursion(struct stream_recursion recursion, const struct stream_told *told,
                           struct updates updates, struct stream_jitter *out_total,
                           struct stream_jitter *out_interval)
{
    uint64_t interval_max = max_ns(recursion.max);
    uint64_t max = told->max_ns > interval_max ? told->max_ns : interval_max;
    *out_total = tell_one(recursion.sum, updates.all, max, recursion.value);
    *out_interval = tell_one(recursion.sum - told->sum, updates.all - updates.told, interval_max,
                             recursion.value);
}

void stream_jitter_tell(const struct stream_parts *parts, struct stream_sighting *sighting)
{
    const struct stream_cold *cold = parts->cold;
    const struct stream_side *side = parts->side;
    bool is_split = (parts->hot->flags & STREAM_FLAG_SPLIT) != 0;
    struct updates jitter = {.all = updates_of(stream_packets_of(parts)),
                             .told = updates_of(cold->told.packets)};
    struct updates variation = {.all = cold->variation_count, .told = cold->variation_count_told};
    variation = is_split ? variation : jitter;
    if (sighting->clock_is_static) {
        struct stream_recursion known = known_of(parts->hot);
        tell_recursion(known, &cold->jitter_told, jitter, &sighting->jitter[0],
                       &sighting->interval_jitter[0]);
        tell_recursion(is_split ? cold->variation : known,
                       is_split ? &cold->variation_told : &cold->jitter_told, variation,
                       &sighting->variation[0], &sighting->interval_variation[0]);
        return;
    }
    for (size_t clock = 0; clock < STREAM_CLOCKS; clock++) {
        struct stream_recursion all = six_of(&side->jitter, clock);
        tell_recursion(all, &side->jitter_told[clock], jitter, &sighting->jitter[clock],
                       &sighting->interval_jitter[clock]);
        tell_recursion(is_split ? six_of(&side->variation, clock) : all,
                       is_split ? &side->variation_told[clock] : &side->jitter_told[clock],
                       variation, &sighting->variation[clock],
                       &sighting->interval_variation[clock]);
    }
}

static void told_interval(struct stream_told *told, uint64_t sum, uint32_t *max)
{
    told->sum = sum;
    told->max_ns = max_ns(*max) > told->max_ns ? max_ns(*max) : told->max_ns;
    *max = 0;
}

void stream_jitter_interval(struct stream_parts *parts)
{
    struct stream_hot *hot = parts->hot;
    struct stream_cold *cold = parts->cold;
    struct stream_side *side = parts->side;
    told_interval(&cold->jitter_told, hot->jitter_sum, &hot->jitter_max);
    told_interval(&cold->variation_told, cold->variation.sum, &cold->variation.max);
    cold->variation_count_told = cold->variation_count;
    if ((hot->flags & STREAM_FLAG_SIDE) == 0) {
        return;
    }
    for (size_t clock = 0; clock < STREAM_CLOCKS; clock++) {
        told_interval(&side->jitter_told[clock], side->jitter.sum[clock], &side->jitter.max[clock]);
        told_interval(&side->variation_told[clock], side->variation.sum[clock],
                      &side->variation.max[clock]);
    }
}
