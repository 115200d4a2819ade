/* admission.h - who gets an entry while strangers crowd a table.
 *
 * Owns      nothing: a plain struct inside the slots; zeroed memory is a valid start.
 * Borrows   the table during the call.
 * Time      state time of the facts.
 * Bounds    256 KiB of counters for all kinds of keys together.
 * Errors    none; who is refused is counted.
 * Thread    the analyst's. */
#ifndef DETECTORS_FRAME_ADMISSION_H
#define DETECTORS_FRAME_ADMISSION_H

#include "base/sketch.h"
#include "base/table.h"
#include "detectors/detector.h"

enum { ADMISSION_FACTS = 3, ADMISSION_PREFIX_MAX = 64, ADMISSION_FADE_FACTS = COUNT_MIN_COLUMNS };
#define ADMISSION_FADE_NS (6 * NS_PER_HOUR)
#define ADMISSION_IDLE_NS NS_PER_DAY

struct admission {
    struct count_min seen; /* facts of keys without an entry, while their table was crowded */
    uint64_t faded_ns;
    uint32_t added; /* since it faded */
    uint64_t refused_new; /* facts of keys that were not seen often enough */
    uint64_t refused_crowded; /* facts of keys whose /24 or /48 has its share */
};

/* A key that has proven nothing and has no entry yet. */
struct admission_stranger {
    enum key_kind kind;
    uint64_t hash;
    uint64_t group; /* its /24 or /48; 0 = none */
    const struct fact *fact;
    bool marked; /* the fact alone is worth an entry */
};

/* Strangers have filled their share of the table: from here on not everyone gets an entry. */
static inline bool admission_is_crowded(const struct table *table)
{
    uint64_t share = (uint64_t)table->options.cells_max * table->options.weak_ppm / 1000000;

    return table->weak_used > 0 && table->weak_used >= share;
}

/* Of a crowded table: may it have an entry? A stranger who has been silent for a day makes room. */
MUST_USE bool admission_admits(struct admission *admission, struct table *table,
                               const struct admission_stranger *stranger);

#endif
