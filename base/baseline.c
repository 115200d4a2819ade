/* Hour-of-week samples in 16 bits each.
 *
 *   samples[slot]   | oldest |  ...  | newest |        168 slots (Monday 00 to Sunday 23)
 *                     count[slot] of them, newest from day[slot]
 *
 *   a sample        | exponent 5 | mantissa 11 |       exponent 0: the mantissa, 0 to 2047
 *                                                      else (2048 + mantissa) << (exponent - 1)
 *
 * The code grows with the value, so codes sort as their values do. A value is rounded down: a
 * bound that was kept before stays kept.
 *
 * Against teaching. A slot that knows its usual learns nothing above 1.25 x median (or `harmless`,
 * where that is more), and what it learnt before is brought under the same bound: then no order of
 * samples can lift the median by more than a quarter, also not when an old low one falls out. A slot
 * learns once in six days at most, so that neither the hour that comes twice in autumn nor a clock
 * that is set to and fro makes a week shorter. Six, not seven: an hour earlier in summer is less than
 * seven days after the one in winter. */
#include "base/baseline.h"

enum {
    MANTISSA_BITS = 11,
    MANTISSA_ONE = 1 << MANTISSA_BITS, /* the bit that is not stored */
    SAMPLE_GAP_DAYS = 6,
};

/* The longest that one local hour can last: it comes twice when summer time ends, by rules of up to
 * two hours. */
static const uint64_t sample_ns_max = 3 * NS_PER_HOUR;

static uint16_t sample_of(uint32_t value)
{
    uint32_t exponent = 0;

    if (value < MANTISSA_ONE) {
        return (uint16_t)value;
    }
    while (value >> exponent >= 2 * MANTISSA_ONE) {
        exponent++;
    }
    return (uint16_t)((exponent + 1) << MANTISSA_BITS | ((value >> exponent) & (MANTISSA_ONE - 1)));
}

static uint32_t value_of(uint16_t sample)
{
    uint32_t exponent = (uint32_t)sample >> MANTISSA_BITS;
    uint32_t mantissa = sample & (MANTISSA_ONE - 1);

    if (exponent == 0) {
        return mantissa;
    }
    uint64_t value = (uint64_t)(MANTISSA_ONE + mantissa) << (exponent - 1);
    return value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
}

/* Insertion: there are six at most. */
static void sort(uint32_t *values, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        uint32_t value = values[i];
        size_t at = i;
        for (; at > 0 && values[at - 1] > value; at--) {
            values[at] = values[at - 1];
        }
        values[at] = value;
    }
}

/* Of sorted values; of an even number the middle between two, rounded down. */
static uint32_t median_of(const uint32_t *values, size_t count)
{
    uint64_t low = values[(count - 1) / 2];
    uint64_t high = values[count / 2];

    return (uint32_t)((low + high) / 2);
}

static size_t samples_of(const struct baseline *baseline, uint8_t slot)
{
    return baseline->count[slot] < BASELINE_WEEKS ? baseline->count[slot] : BASELINE_WEEKS;
}

void baseline_usual(const struct baseline *baseline, uint8_t hour_of_week,
                    struct baseline_usual *out)
{
    uint32_t values[BASELINE_WEEKS];
    uint32_t away[BASELINE_WEEKS];
    uint8_t slot = hour_of_week % CALENDAR_HOURS_OF_WEEK;
    size_t count = samples_of(baseline, slot);

    *out = (struct baseline_usual){.samples = (uint8_t)count, .known = count >= BASELINE_ENOUGH};
    if (count == 0) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        values[i] = value_of(baseline->samples[slot][i]);
    }
    sort(values, count);
    out->median = median_of(values, count);
    out->highest = values[count - 1];
    for (size_t i = 0; i < count; i++) {
        away[i] = values[i] > out->median ? values[i] - out->median : out->median - values[i];
    }
    sort(away, count);
    out->deviation = median_of(away, count);
}

/* As high as a sample may be learnt. Below 4 a quarter is nothing: one more is allowed. */
static uint32_t bound_of(const struct baseline *baseline, uint32_t median)
{
    uint64_t bound = (uint64_t)median + (median < 4 ? 1 : median / 4);

    bound = bound < baseline->harmless ? baseline->harmless : bound;
    return bound > UINT32_MAX ? UINT32_MAX : (uint32_t)bound;
}

static void learn(struct baseline *baseline)
{
    struct baseline_usual usual;
    uint8_t slot = baseline->hour_of_week % CALENDAR_HOURS_OF_WEEK;
    uint16_t *samples = baseline->samples[slot];
    size_t count = samples_of(baseline, slot);
    uint16_t day = (uint16_t)(baseline->begun_ns / NS_PER_DAY);
    int16_t since = (int16_t)(uint16_t)(day - baseline->day[slot]);

    /* A sample from the future was learnt while the clock was wrong: it does not stop the others. */
    if (count > 0 && since < SAMPLE_GAP_DAYS && since > -SAMPLE_GAP_DAYS) {
        return;
    }
    baseline_usual(baseline, slot, &usual);
    if (count == BASELINE_WEEKS) {
        memmove(samples, samples + 1, (BASELINE_WEEKS - 1) * sizeof *samples);
        count--;
    }
    samples[count] = sample_of(baseline->highest);
    count++;
    uint16_t bound = usual.known ? sample_of(bound_of(baseline, usual.median)) : UINT16_MAX;
    for (size_t i = 0; i < count; i++) {
        samples[i] = samples[i] < bound ? samples[i] : bound;
    }
    baseline->count[slot] = (uint8_t)count;
    baseline->day[slot] = day;
}

/* Makes `now` belong to the hour that is being taken; what was before is learnt. An hour that began
 * after now was taken by a clock that has been set back since: it says nothing. */
static void turn(struct baseline *baseline, uint64_t now_ns, uint8_t slot)
{
    bool back = now_ns < baseline->begun_ns;

    if (baseline->begun_ns != 0 && !back && slot == baseline->hour_of_week &&
        now_ns - baseline->begun_ns < sample_ns_max) {
        return;
    }
    if (baseline->begun_ns != 0 && !back && baseline->tainted == 0) {
        learn(baseline);
    }
    baseline->begun_ns = now_ns == 0 ? 1 : now_ns;
    baseline->hour_of_week = slot;
    baseline->highest = 0;
    baseline->tainted = 0;
}

void baseline_see(struct baseline *baseline, uint64_t now_ns, uint8_t hour_of_week, uint32_t figure)
{
    turn(baseline, now_ns, hour_of_week % CALENDAR_HOURS_OF_WEEK);
    if (figure > baseline->highest) {
        baseline->highest = figure;
    }
}

void baseline_taint(struct baseline *baseline, uint64_t now_ns, uint8_t hour_of_week)
{
    turn(baseline, now_ns, hour_of_week % CALENDAR_HOURS_OF_WEEK);
    baseline->tainted = 1;
}

uint32_t baseline_limit(const struct baseline_usual *usual, uint32_t factor)
{
    if (!usual->known) {
        return UINT32_MAX;
    }
    uint64_t limit = usual->median + (uint64_t)factor * usual->deviation;
    return limit > UINT32_MAX ? UINT32_MAX : (uint32_t)limit;
}

uint32_t baseline_threshold(const struct baseline_usual *usual, uint32_t factor, uint32_t floor,
                            uint32_t ceiling)
{
    uint32_t limit = usual->known ? baseline_limit(usual, factor) : floor;

    limit = limit < floor ? floor : limit;
    return limit > ceiling ? ceiling : limit;
}
