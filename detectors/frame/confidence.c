/* confidence.c - how sure, and why: a figure that explains itself.
 *
 * It starts at 40 (someone is blamed) or 60 (our own asset is the matter) and every point is
 * written down beside its reason, so that an analyst can argue with it. Below 50 the frame caps
 * severity at 2. */
#include "detectors/detector.h"

enum {
    CONFIDENCE_MAX = 100,
    POINTS_PROVEN = 20,
    POINTS_MARGIN = 10,
    POINTS_SHARED = -20,
    POINTS_HEARING = -15,
    SHARED_ACCOUNTS = 10,
    MARGIN_TIMES = 3,
};

static void confidence_write(struct confidence *confidence, const char *why, int points, bool signs)
{
    size_t used = strlen(confidence->why);
    struct text text = text_into(confidence->why + used, sizeof confidence->why - used - 1);
    struct text attempt = text;

    if (used > 0) {
        text_string(&attempt, ", ");
    }
    text_string(&attempt, why);
    text_string(&attempt, !signs ? " " : points < 0 ? " " : " +");
    text_i64(&attempt, points);
    confidence->why[used + (attempt.overflow ? 0 : attempt.bytes)] = '\0';
}

void confidence_start(struct confidence *confidence, uint8_t base, const char *why)
{
    *confidence = (struct confidence){.value = base < CONFIDENCE_MAX ? base : CONFIDENCE_MAX};
    confidence_write(confidence, why, base, false);
}

void confidence_add(struct confidence *confidence, int points, const char *why)
{
    int value = (int)confidence->value + points;

    confidence->value = (uint8_t)(value < 0 ? 0 : value > CONFIDENCE_MAX ? CONFIDENCE_MAX : value);
    confidence_write(confidence, why, points, true);
}

void confidence_source(struct confidence *confidence, const struct fact_party *source)
{
    if (source->proven) {
        confidence_add(confidence, POINTS_PROVEN, "source proven two-way");
    }
    if (source->good_accounts >= SHARED_ACCOUNTS) {
        confidence_add(confidence, POINTS_SHARED, "many honest accounts behind the source");
    }
}

void confidence_hearing(struct confidence *confidence, bool one_way, bool lossy, bool silent)
{
    if (one_way) {
        confidence_add(confidence, POINTS_HEARING, "only one direction is heard");
    } else if (lossy) {
        confidence_add(confidence, POINTS_HEARING, "the sensor misses packets");
    } else if (silent) {
        confidence_add(confidence, POINTS_HEARING, "an interface has fallen silent");
    }
}

void confidence_margin(struct confidence *confidence, uint64_t observed, uint64_t threshold)
{
    if (threshold > 0 && observed / MARGIN_TIMES >= threshold) {
        confidence_add(confidence, POINTS_MARGIN, "three times the limit");
    }
}
