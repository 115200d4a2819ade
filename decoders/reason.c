/* Reasons and anomalies as arrays: both come from reasons.def and nowhere else, so that enum,
 * counter, report and docs cannot disagree. Row 0 of the reasons is REASON_NONE: a frame that was
 * decoded. */
#include "decoders/reason.h"

const struct reason_row reason_rows[REASON_COUNT] = {
    [REASON_NONE] = {.slug = "none", .verdict = FRAME_DECODED, .text = "decoded"},
/* clang-format off */
#define REASON(id, slug_, verdict_, text_) \
    [REASON_##id] = {.slug = slug_, .verdict = FRAME_##verdict_, .text = text_},
#define ANOMALY(id, slug, class, suspicion, text)
/* clang-format on */
#include "decoders/reasons.def"
#undef REASON
#undef ANOMALY
};

const struct anomaly_row anomaly_rows[ANOMALY_COUNT] = {
/* clang-format off */
#define REASON(id, slug, verdict, text)
#define ANOMALY(id, slug_, class_, suspicion_, text_) \
    [ANOMALY_##id] = {.slug = slug_, .class = ANOMALY_CLASS_##class_, .suspicion = suspicion_, .text = text_},
/* clang-format on */
#include "decoders/reasons.def"
#undef REASON
#undef ANOMALY
};
