/* hearing.c - differences of counters that only grow.
 *
 * An interface is known to bring traffic by a mean of its frames that moves by a 32nd each second.
 * The mean stands still while nothing comes, so that a silence of any length is measured against
 * what was before it; when something comes again, the silence enters the mean. */
#include "sensor/run/hearing.h"

enum { MEAN_OF = 32, MEAN_GAP_MAX = 256, SILENT_RATE_MILLI = 10000 };

static struct hearing_sums sums_of(const uint64_t *counts)
{
    const uint64_t *reasons = counts + COUNT_REASON_FIRST;

    return (struct hearing_sums){
        .frames = counts[COUNT_FRAMES],
        .dropped = counts[COUNT_KERNEL_DROPPED] + counts[COUNT_INTERFACE_DROPPED],
        .cut = reasons[REASON_SNAP_CUT] + reasons[REASON_IP_TRIMMED] + reasons[REASON_FRAME_CUT],
        .copies = counts[COUNT_DUPLICATES],
        .clock_steps = counts[COUNT_CLOCK_STEPS],
    };
}

static void move_mean(struct hearing_interface *interface, uint64_t frames)
{
    uint64_t now_milli = frames * 1000;

    if (now_milli >= interface->rate_milli) {
        interface->rate_milli += (now_milli - interface->rate_milli) / MEAN_OF;
    } else {
        interface->rate_milli -= (interface->rate_milli - now_milli + MEAN_OF - 1) / MEAN_OF;
    }
}

static void see_interface(struct hearing_interface *interface, uint64_t second, uint64_t frames)
{
    uint64_t came = frames - interface->frames;

    interface->frames = frames;
    if (came == 0) {
        return;
    }
    uint64_t gap = interface->heard_s == 0 ? 1 : time_since(second, interface->heard_s);
    gap = gap > MEAN_GAP_MAX ? MEAN_GAP_MAX : gap;
    for (uint64_t i = 1; i < gap; i++) {
        move_mean(interface, 0);
    }
    move_mean(interface, came);
    interface->heard_s = second;
}

static uint32_t seconds(uint64_t now_s, uint64_t then_s)
{
    uint64_t span_s = time_since(now_s, then_s);
    return span_s > UINT32_MAX ? UINT32_MAX : (uint32_t)span_s;
}

static void find_silent(struct hearing *hearing, const char *const *names, size_t name_count,
                        struct fact_second *out)
{
    for (size_t i = 0; i < name_count; i++) {
        const struct hearing_interface *interface = &hearing->interfaces[i];
        uint32_t silent_s = seconds(hearing->second, interface->heard_s);
        if (interface->heard_s == 0 && out->mute_s == 0) {
            out->mute_s = seconds(hearing->second, hearing->begun_s);
            out->mute_interface = slice_of_string(names[i]);
        } else if (interface->rate_milli >= SILENT_RATE_MILLI && silent_s > out->silent_s) {
            out->silent_s = silent_s;
            out->silent_interface = slice_of_string(names[i]);
        }
    }
    out->silent_capture = out->silent_s >= FACT_SILENT_S;
}

/* The sums of ten seconds before `second`; seconds without a mark are as the last one. */
static struct hearing_sums slide(struct hearing *hearing, uint64_t second)
{
    struct hearing_sums last = hearing->before[hearing->second % HEARING_SECONDS];
    uint64_t gap = hearing->second == 0 ? 1 : time_since(second, hearing->second);

    hearing->begun_s = hearing->second == 0 ? second : hearing->begun_s;
    for (uint64_t i = 1; i < gap && i < HEARING_SECONDS; i++) {
        hearing->before[(second - i) % HEARING_SECONDS] = last;
    }
    hearing->second = second;
    return gap >= HEARING_SECONDS ? last : hearing->before[second % HEARING_SECONDS];
}

void hearing_mark(struct hearing *hearing, uint64_t second, const uint64_t *counts,
                  const char *const *names, size_t name_count, struct fact_second *out)
{
    struct hearing_sums now = sums_of(counts);
    struct hearing_sums then = slide(hearing, second);

    hearing->before[second % HEARING_SECONDS] = now;
    out->frames = now.frames - then.frames;
    out->dropped = now.dropped - then.dropped;
    out->cut = now.cut - then.cut;
    out->copies = now.copies - then.copies;
    out->clock_steps = now.clock_steps - then.clock_steps;
    out->silent_s = 0;
    out->silent_interface = SLICE_NONE;
    out->mute_s = 0;
    out->mute_interface = SLICE_NONE;
    assert(name_count <= COUNT_INTERFACES);
    for (size_t i = 0; i < name_count; i++) {
        see_interface(&hearing->interfaces[i], second, counts[COUNT_INTERFACE_FIRST + i]);
    }
    find_silent(hearing, names, name_count, out);
}

static void move(uint64_t *second, uint64_t shift_s)
{
    *second += *second == 0 ? 0 : shift_s;
}

void hearing_shift(struct hearing *hearing, uint64_t shift_ns)
{
    const struct hearing_sums last = hearing->before[hearing->second % HEARING_SECONDS];
    uint64_t shift_s = time_second(shift_ns);

    for (unsigned i = 0; i < HEARING_SECONDS; i++) {
        hearing->before[i] = last; /* they stand by their seconds, which are others now */
    }
    move(&hearing->second, shift_s);
    move(&hearing->begun_s, shift_s);
    for (unsigned i = 0; i < COUNT_INTERFACES; i++) {
        move(&hearing->interfaces[i].heard_s, shift_s);
    }
}
