/* The list of detectors as an array, in the order of detectors.def: the order of the report and of
 * delivery. */
#include "detectors/detector.h"

#define DETECTOR(name) extern const struct detector detector_##name;
#include "detectors/detectors.def"
#undef DETECTOR

const struct detector *const detectors[] = {
#define DETECTOR(name) &detector_##name,
#include "detectors/detectors.def"
#undef DETECTOR
    NULL,
};

size_t detector_count(void)
{
    return sizeof detectors / sizeof detectors[0] - 1;
}
