/* reason.h - why bytes were refused, and what was odd about those that were not.
 *
 * Owns      the lists, made from reasons.def.
 * Borrows   nothing.
 * Time      none.
 * Bounds    REASON_COUNT, ANOMALY_COUNT.
 * Errors    an enum reason is never an error and never logged: it is counted.
 * Thread    any; read-only. */
#ifndef DECODERS_REASON_H
#define DECODERS_REASON_H

#include "base/slice.h"

enum reason {
    REASON_NONE = 0,
#define REASON(id, slug, verdict, text) REASON_##id,
#define ANOMALY(id, slug, class, suspicion, text)
#include "decoders/reasons.def"
#undef REASON
#undef ANOMALY
    REASON_COUNT
};

enum anomaly {
#define REASON(id, slug, verdict, text)
#define ANOMALY(id, slug, class, suspicion, text) ANOMALY_##id,
#include "decoders/reasons.def"
#undef REASON
#undef ANOMALY
    ANOMALY_COUNT
};

enum frame_verdict { FRAME_DECODED, FRAME_IGNORED, FRAME_MALFORMED, FRAME_NOTED };
enum anomaly_class { ANOMALY_CLASS_I, ANOMALY_CLASS_L, ANOMALY_CLASS_X };

struct reason_row {
    const char *slug;
    enum frame_verdict verdict;
    const char *text;
};

struct anomaly_row {
    const char *slug;
    enum anomaly_class class;
    uint8_t suspicion;
    const char *text;
};

extern const struct reason_row reason_rows[REASON_COUNT]; /* row 0 is REASON_NONE */
extern const struct anomaly_row anomaly_rows[ANOMALY_COUNT];

#endif
