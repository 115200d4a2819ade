/* split.h - live: flows whose packets reach the sensor by more than one ring.
 *
 * Owns      the ring of the SPLIT_CELLS flows seen last.
 * Borrows   the sighting during the call.
 * Time      none.
 * Bounds    fixed; a flow that was forgotten and comes back may be counted once more.
 * Errors    none.
 * Thread    the analyst's. */
#ifndef SENSOR_RUN_SPLIT_H
#define SENSOR_RUN_SPLIT_H

#include "sensor/flows/sighting.h"

enum { SPLIT_CELLS = 8192 };

struct split_cell {
    uint32_t tag; /* of the flow's hash; 0 = free */
    uint8_t ring;
    bool split;
};

struct split {
    struct split_cell cells[SPLIT_CELLS];
};

/* True: this sighting is the first that shows its flow to be split. */
bool split_see(struct split *split, const struct sighting *sighting, uint32_t ring);

#endif
