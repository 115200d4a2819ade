/* registry.c - the outputs as an array, in the order of outputs.def: the only place that knows them
 * by name. */
#include "outputs/output.h"

/* clang-format off */
#define OUTPUT(name) extern const struct output output_##name;
#include "outputs/outputs.def"
#undef OUTPUT

const struct output *const outputs[] = {
#define OUTPUT(name) &output_##name,
#include "outputs/outputs.def"
#undef OUTPUT
    NULL,
};
/* clang-format on */

uint64_t output_dropped(const struct output_tally *tally)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < DATASET_COUNT; i++) {
        sum += tally->dropped[i];
    }
    return sum;
}
