/* usual.h - rules that compare with the hour of the week: what they do while nothing is known of it.
 *
 * Owns      nothing.
 * Borrows   baseline, confidence and text during the call.
 * Time      of the fact, an argument.
 * Bounds    none.
 * Errors    none.
 * Thread    any.
 *
 * Without three weeks of this hour a rule holds its floor alone; it says so, and its confidence is
 * 15 less. What was met while an incident was open is not learnt. */
#ifndef DETECTORS_FRAME_USUAL_H
#define DETECTORS_FRAME_USUAL_H

#include "base/baseline.h"
#include "detectors/detector.h"

enum { USUAL_UNKNOWN_POINTS = -15 };

/* `baseline` may be NULL: nothing is known. */
static inline struct baseline_usual usual_of(const struct baseline *baseline,
                                             const struct fact *fact)
{
    struct baseline_usual usual = {.known = false};

    if (baseline != NULL) {
        baseline_usual(baseline, fact->hour_of_week, &usual);
    }
    return usual;
}

/* This figure belongs to the hour; below `harmless` it is no attack by the rule's own words. */
static inline void usual_learn(struct baseline *baseline, const struct fact *fact, uint32_t figure,
                               uint32_t harmless)
{
    if (baseline != NULL) {
        baseline->harmless = harmless;
        baseline_see(baseline, fact->time_ns, fact->hour_of_week, figure);
    }
}

static inline void usual_taint(struct baseline *baseline, const struct fact *fact)
{
    if (baseline != NULL) {
        baseline_taint(baseline, fact->time_ns, fact->hour_of_week);
    }
}

/* At the end of a detail. */
static inline void usual_tell(const struct baseline_usual *usual, struct confidence *confidence,
                              struct text *detail)
{
    if (!usual->known) {
        confidence_add(confidence, USUAL_UNKNOWN_POINTS, "no baseline yet");
        text_string(detail, " (no baseline yet)");
    }
}

#endif
