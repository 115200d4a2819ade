/* stream_sequence.c - sequence numbers: extended, missing, repeated, late, restarted (RFC 3550 A.1,
 * RFC 4737).
 *
 *   base_ext                     judged_ext              run_from              max_ext
 *      |------- judged -------------|-- window of 512 ------|==== all there =======|
 *
 * Numbers are extended to 32 bits; the first one gets 65,536 on top, so that packets before it have
 * a place. Most packets are the next one, and for them only max_ext moves: that everything from
 * run_from on has been received is known without a bit each. The bitmap holds the 512 numbers below
 * run_from; it is written when a run ends at a gap. A number is judged (a loss run counted) when it
 * leaves the window, so a packet that comes late within 512 numbers is reordered, not lost; what is
 * asked for before that is judged as it stands now, on the side.
 *
 * A step of more than 3,000 ahead or 100 back is probed: the packet counts, but has no place yet.
 * Not so a number that the window misses: it is late, and so are those that follow it.
 * If the next number follows it, the sender has restarted: a new base, nothing lost. If not, it is
 * placed in the window as duplicate or late, and where it lies outside it stays a stray: received,
 * but neither expected nor lost. RFC 3550 forgets such packets; here packets = distinct +
 * duplicates + strays always holds.
 *
 * Limit: after a restart back into the window, repeats of the old numbers are not recognised. */
#include "sensor/flows/stream_cell.h"

enum { EXTENDED_FIRST = 1 << 16 };

static void window_set(uint64_t *window, uint32_t from, uint32_t count, bool received)
{
    count = count > STREAM_WINDOW ? STREAM_WINDOW : count;
    while (count > 0) {
        uint32_t bit = from % 64;
        uint32_t span = 64 - bit < count ? 64 - bit : count;
        uint64_t mask = (span == 64 ? UINT64_MAX : (UINT64_C(1) << span) - 1) << bit;
        uint64_t *word = &window[from / 64 % (STREAM_WINDOW / 64)];
        *word = received ? *word | mask : *word & ~mask;
        from += span;
        count -= span;
    }
}

static bool is_received(const struct stream_cold *cold, uint32_t ext)
{
    if ((int32_t)(ext - cold->run_from) >= 0) {
        return true;
    }
    return (cold->window[ext / 64 % (STREAM_WINDOW / 64)] >> ext % 64 & 1) != 0;
}

/* A hole of the window, behind the first packet: what was held up on its way comes together. */
static bool is_missing(const struct stream_hot *hot, const struct stream_cold *cold, int32_t step)
{
    uint32_t ext = hot->max_ext + (uint32_t)step;

    return step > -STREAM_WINDOW && (int32_t)(ext - cold->base_ext) > 0 && !is_received(cold, ext);
}

/* Loss runs, as they are judged. */
struct judge {
    uint32_t missing;
    uint32_t longest;
    uint32_t interval_ext;
    uint32_t interval_longest;
    uint32_t runs;
};

/* A hole is told with the interval in which the packet behind it came, and not again when it leaves
 * the window: it never lies in two, because the highest number of each interval was received. */
static void judge_run(struct judge *judge, uint32_t missing, uint32_t last)
{
    judge->missing += missing;
    judge->longest = judge->missing > judge->longest ? judge->missing : judge->longest;
    if (judge->missing > judge->interval_longest && (int32_t)(last - judge->interval_ext) >= 0) {
        judge->interval_longest = judge->missing;
    }
}

/* All numbers below `to`; at most 512 of them are looked at one by one. */
static void judge_window(const struct stream_cold *cold, uint32_t to, struct judge *judge)
{
    for (uint32_t ext = cold->judged_ext; (int32_t)(ext - to) < 0; ext++) {
        if (is_received(cold, ext)) {
            judge->runs += judge->missing > 0;
            judge->missing = 0;
            if ((int32_t)(ext - cold->run_from) >= 0) {
                return;
            }
        } else {
            judge_run(judge, 1, ext);
        }
    }
}

static struct judge judge_of(const struct stream_cold *cold)
{
    return (struct judge){.missing = cold->run_missing,
                          .longest = cold->longest_loss,
                          .interval_ext = cold->interval_ext,
                          .interval_longest = cold->interval_longest,
                          .runs = cold->loss_runs};
}

static void judge_keep(struct stream_cold *cold, const struct judge *judge, uint32_t judged_ext)
{
    cold->run_missing = judge->missing;
    cold->longest_loss = judge->longest;
    cold->interval_longest = judge->interval_longest;
    cold->loss_runs = judge->runs;
    cold->judged_ext = judged_ext;
}

static void begin_at(struct stream_hot *hot, struct stream_cold *cold, uint32_t ext)
{
    memset(cold->window, 0, sizeof cold->window);
    hot->max_ext = ext;
    cold->base_ext = ext;
    cold->run_from = ext;
    cold->judged_ext = ext;
    cold->run_missing = 0;
}

void stream_sequence_begin(struct stream_hot *hot, struct stream_cold *cold, uint16_t sequence)
{
    begin_at(hot, cold, EXTENDED_FIRST + sequence);
}

static void see_gap(struct stream_hot *hot, struct stream_cold *cold, uint32_t step)
{
    uint32_t newest = hot->max_ext + step;
    uint32_t horizon = newest - (STREAM_WINDOW - 1);
    struct judge judge = judge_of(cold);
    uint32_t judged = cold->judged_ext;
    if ((int32_t)(horizon - judged) > 0) {
        uint32_t within = (int32_t)(horizon - hot->max_ext - 1) > 0 ? hot->max_ext + 1 : horizon;
        judge_window(cold, within, &judge);
        if (horizon != within) {
            judge_run(&judge, horizon - within, horizon - 1);
        }
        judged = horizon;
    }
    judge_keep(cold, &judge, judged);
    uint32_t run = hot->max_ext - cold->run_from + 1;
    run = run > STREAM_WINDOW ? STREAM_WINDOW : run;
    window_set(cold->window, hot->max_ext - run + 1, run, true);
    uint32_t missing = step - 1 > STREAM_WINDOW ? STREAM_WINDOW : step - 1;
    window_set(cold->window, newest - missing, missing, false);
    cold->run_from = newest;
    hot->max_ext = newest;
}

/* A number at or below the highest, inside the window. */
static enum stream_place see_behind(struct stream_cold *cold, uint32_t ext)
{
    if (is_received(cold, ext)) {
        cold->duplicates++;
        return STREAM_DUPLICATE;
    }
    window_set(cold->window, ext, 1, true);
    cold->reordered++;
    if ((int32_t)(ext - cold->base_ext) < 0) {
        /* The first packet was not the first: what lies between is expected too. */
        cold->base_ext = ext;
        cold->judged_ext = ext;
    }
    return STREAM_LATE;
}

void stream_sequence_settle(struct stream_hot *hot, struct stream_cold *cold)
{
    if ((hot->flags & STREAM_FLAG_PROBING) == 0) {
        return;
    }
    hot->flags &= (uint8_t)~STREAM_FLAG_PROBING;
    if (cold->probe_ext != 0 && hot->max_ext - cold->probe_ext < STREAM_WINDOW) {
        cold->strays--;
        (void)see_behind(cold, cold->probe_ext);
    }
}

static enum stream_place see_far(struct stream_hot *hot, struct stream_cold *cold,
                                 uint16_t sequence, int32_t step)
{
    hot->flags |= STREAM_FLAG_PROBING;
    cold->probe_next = (uint16_t)(sequence + 1);
    cold->probe_ext = step < 0 && step > -STREAM_WINDOW ? hot->max_ext + (uint32_t)step : 0;
    cold->strays++;
    return STREAM_STRAY;
}

static enum stream_place restart(struct stream_hot *hot, struct stream_cold *cold,
                                 uint16_t sequence)
{
    struct judge judge = judge_of(cold);
    judge_window(cold, hot->max_ext + 1, &judge);
    judge_keep(cold, &judge, hot->max_ext + 1);
    cold->expected_done += (uint64_t)(hot->max_ext - cold->base_ext) + 1;
    cold->strays--;
    cold->resets++;
    hot->flags &= (uint8_t)~STREAM_FLAG_PROBING;
    uint32_t newest = (((hot->max_ext >> 16) + 2) << 16) | sequence;
    begin_at(hot, cold, newest - 1);
    hot->max_ext = newest;
    return STREAM_RESTART;
}

enum stream_place stream_sequence_see(struct stream_hot *hot, struct stream_cold *cold,
                                      uint16_t sequence)
{
    if ((hot->flags & STREAM_FLAG_PROBING) != 0) {
        if (sequence == cold->probe_next) {
            return restart(hot, cold, sequence);
        }
        stream_sequence_settle(hot, cold);
    }
    int32_t step = (int16_t)(uint16_t)(sequence - hot->max_ext);
    if (step == 1) {
        hot->max_ext++;
        return STREAM_NEXT;
    }
    if (step > STREAM_AHEAD_MAX || (step < -STREAM_BEHIND_MAX && !is_missing(hot, cold, step))) {
        return see_far(hot, cold, sequence, step);
    }
    if (step > 0) {
        see_gap(hot, cold, (uint32_t)step);
        return STREAM_GAP;
    }
    return see_behind(cold, hot->max_ext + (uint32_t)step);
}

void stream_sequence_counts(const struct stream_hot *hot, const struct stream_cold *cold,
                            uint64_t packets, struct stream_counts *out_counts,
                            uint32_t *out_interval_longest)
{
    struct judge judge = judge_of(cold);
    judge_window(cold, hot->max_ext + 1, &judge);
    uint64_t distinct = packets - cold->duplicates - cold->strays;
    out_counts->expected = cold->expected_done + (uint64_t)(hot->max_ext - cold->base_ext) + 1;
    out_counts->lost = out_counts->expected > distinct ? out_counts->expected - distinct : 0;
    out_counts->duplicates = cold->duplicates;
    out_counts->mirrored = cold->mirrored;
    out_counts->reordered = cold->reordered;
    out_counts->late = cold->late;
    out_counts->resets = cold->resets;
    out_counts->longest_loss = judge.longest;
    out_counts->loss_runs = judge.runs;
    *out_interval_longest = judge.interval_longest;
}
