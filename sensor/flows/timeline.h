/* timeline.h - time as state sees it: never back, jumps believed only when confirmed, and its
 * marks.
 *
 * Owns      a few numbers.
 * Borrows   nothing.
 * Time      this makes it: state time from the stamps of frames, in frame order.
 * Bounds    at most TIMELINE_MARKS_MAX marks a frame, whatever its stamp.
 * Errors    none; oddities are enum reason for counting.
 * Thread    one owner: who numbers the frames.
 *
 * docs/definitions.md, Time: a mark is a second of packet time that the position passes. A step
 * forward of up to 7 days, or to the first frame of another file, is silence, believed at once:
 * marks fall at each of its first 32 seconds (short timers), then at distances that double, then at
 * its last second. A longer step is a suspect clock: the frame keeps its own time for its own
 * figures, state time stands until 8 frames in a row lie within 60 s of each other beyond it; then
 * time moves in one mark and nothing ages by more than 60 s: the difference is `shift_ns`, which
 * owners of time stamps are told with the mark. Steps back are counted and clamped. */
#ifndef SENSOR_FLOWS_TIMELINE_H
#define SENSOR_FLOWS_TIMELINE_H

#include "base/captured.h"
#include "base/clock.h"
#include "decoders/reason.h"

enum { TIMELINE_MARKS_MAX = 64, TIMELINE_CONFIRM = 8 };
#define TIMELINE_SILENCE_NS (7 * NS_PER_DAY)
#define TIMELINE_GAP_NS ((UINT64_C(1) << 31) * NS_PER_S) /* between two files */
#define TIMELINE_CONFIRM_NS (60 * NS_PER_S)

struct timeline {
    uint64_t now_ns; /* state time; 0 before the first frame */
    uint64_t mark_s; /* highest second that had its mark */
    uint64_t last_ns; /* stamp of the frame before */
    uint64_t suspect_ns; /* highest stamp of the row beyond the silence limit */
    uint64_t suspect_low_ns; /* and the lowest */
    uint32_t suspects; /* in a row, all within TIMELINE_CONFIRM_NS */
};

struct timeline_step {
    uint64_t now_ns; /* state time for this frame */
    uint64_t marks[TIMELINE_MARKS_MAX]; /* seconds to be marked before this frame, ascending */
    uint32_t mark_count;
    uint64_t
        shift_ns; /* with the first mark: how far all remembered times move forward; 0 = none */
    enum reason note; /* TIME_BACKWARDS, TIME_SUSPECT, TIME_JUMP or REASON_NONE */
};

/* Most frames come after all others and in the same second: nothing to tell, and state time is their
 * stamp. How many of these are so; the next one timeline_see() has to look at. */
size_t timeline_see_run(struct timeline *timeline, const struct captured *frames, size_t count);
/* `begins`: the first frame of a file that is not the first. */
void timeline_see(struct timeline *timeline, uint64_t frame_ns, bool begins,
                  struct timeline_step *out_step);
/* Live: time goes on although no frame came. A clock that steps forward beyond the silence limit is
 * left to the frames that confirm it. */
void timeline_tick(struct timeline *timeline, uint64_t now_ns, struct timeline_step *out_step);

#endif
