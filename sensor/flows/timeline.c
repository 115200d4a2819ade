/* State time out of the stamps of frames (docs/definitions.md, Time).
 *
 *    stamp - now    what it is                 marks
 *    below 0        a step back, clamped       none
 *    0 .. 7 days    silence, believed at once  the first 32 seconds, then 2, 4, 8 ... on, the last
 *      .. 68 years  the same, where a file begins behind others
 *    beyond         a suspect clock            none, until 8 in a row within 60 s: one, and a shift
 *
 * 7 days are 604,800 s: 32 single marks, then distances 2, 4, 8 ... of which 18 fit, and the last
 * second: 51; 68 years make 62. Both are below TIMELINE_MARKS_MAX, so no stamp makes more work than
 * that. One forged stamp moves nothing: a suspect frame does not count as the one before, so the
 * sane frame behind it is no step back either.
 *
 * Limits: the first frame of a file is believed whatever its stamp: captures of two months are
 * no clock that jumps, and what is open at the end of one must not move to the other. If that stamp
 * lies in the future, time stands until the others reach it. */
#include "sensor/flows/timeline.h"

enum { MARKS_SINGLE = 32 };

/* Marks the seconds after timeline->mark_s up to `second`. */
static void timeline_mark(struct timeline *timeline, uint64_t second, struct timeline_step *step)
{
    uint64_t marked = timeline->mark_s;
    uint64_t distance = 1;
    while (marked < second) {
        if (step->mark_count >= MARKS_SINGLE) {
            distance *= 2;
        }
        marked = second - marked > distance ? marked + distance : second;
        assert(step->mark_count < TIMELINE_MARKS_MAX);
        step->marks[step->mark_count] = marked;
        step->mark_count++;
    }
    timeline->mark_s = second;
}

/* Counts a stamp beyond the silence limit; true: it is the eighth of a row that lies together. */
static bool timeline_suspect(struct timeline *timeline, uint64_t frame_ns)
{
    uint64_t low_ns = frame_ns < timeline->suspect_low_ns ? frame_ns : timeline->suspect_low_ns;
    uint64_t high_ns = frame_ns > timeline->suspect_ns ? frame_ns : timeline->suspect_ns;
    if (timeline->suspects == 0 || high_ns - low_ns > TIMELINE_CONFIRM_NS) {
        timeline->suspect_low_ns = frame_ns;
        timeline->suspect_ns = frame_ns;
        timeline->suspects = 1;
        return false;
    }
    timeline->suspect_low_ns = low_ns;
    timeline->suspect_ns = high_ns;
    timeline->suspects++;
    return timeline->suspects >= TIMELINE_CONFIRM;
}

static void timeline_jump(struct timeline *timeline, struct timeline_step *step)
{
    step->shift_ns = timeline->suspect_ns - timeline->now_ns - TIMELINE_CONFIRM_NS;
    step->note = REASON_TIME_JUMP;
    timeline->now_ns = timeline->suspect_ns;
    timeline->mark_s = time_second(timeline->now_ns);
    step->marks[0] = timeline->mark_s;
    step->mark_count = 1;
    timeline->suspects = 0;
}

size_t timeline_see_run(struct timeline *timeline, const struct captured *frames, size_t count)
{
    uint64_t low_ns = timeline->now_ns > timeline->last_ns ? timeline->now_ns : timeline->last_ns;
    uint64_t second_ns = timeline->mark_s * NS_PER_S;
    size_t run = 0;
    if (timeline->now_ns == 0) {
        return 0;
    }
    while (run < count && frames[run].time_ns >= low_ns &&
           frames[run].time_ns - second_ns < NS_PER_S) {
        low_ns = frames[run].time_ns;
        run++;
    }
    if (run > 0) {
        timeline->suspects = 0;
        timeline->last_ns = low_ns;
        timeline->now_ns = low_ns;
    }
    return run;
}

void timeline_see(struct timeline *timeline, uint64_t frame_ns, bool begins,
                  struct timeline_step *out_step)
{
    /* The array of marks stays as it is: clearing it would cost more than all the rest. */
    out_step->mark_count = 0;
    out_step->shift_ns = 0;
    out_step->note = REASON_NONE;
    if (timeline->now_ns == 0) {
        *timeline = (struct timeline){
            .now_ns = frame_ns, .mark_s = time_second(frame_ns), .last_ns = frame_ns};
        out_step->now_ns = frame_ns;
        return;
    }
    uint64_t silence_ns = begins ? TIMELINE_GAP_NS : TIMELINE_SILENCE_NS;
    if (time_since(frame_ns, timeline->now_ns) > silence_ns) {
        out_step->note = REASON_TIME_SUSPECT;
        if (timeline_suspect(timeline, frame_ns)) {
            timeline_jump(timeline, out_step);
            timeline->last_ns = frame_ns;
        }
        out_step->now_ns = timeline->now_ns;
        return;
    }
    timeline->suspects = 0;
    if (frame_ns < timeline->last_ns) {
        out_step->note = REASON_TIME_BACKWARDS;
    }
    timeline->last_ns = frame_ns;
    if (frame_ns > timeline->now_ns) {
        timeline->now_ns = frame_ns;
        timeline_mark(timeline, time_second(frame_ns), out_step);
    }
    out_step->now_ns = timeline->now_ns;
}

void timeline_tick(struct timeline *timeline, uint64_t now_ns, struct timeline_step *out_step)
{
    out_step->mark_count = 0;
    out_step->shift_ns = 0;
    out_step->note = REASON_NONE;
    if (timeline->now_ns == 0) {
        timeline->mark_s = time_second(now_ns);
        timeline->now_ns = now_ns;
    }
    if (now_ns > timeline->now_ns && now_ns - timeline->now_ns <= TIMELINE_SILENCE_NS) {
        timeline->now_ns = now_ns;
        timeline_mark(timeline, time_second(now_ns), out_step);
    }
    out_step->now_ns = timeline->now_ns;
}
