/* order.h - what is still open at the end of input, in the order of first packets.
 *
 * Owns      its entries; the owner's cells are named by number.
 * Borrows   nothing.
 * Time      none.
 * Bounds    `entries_max`, reserved at open and touched only at the end.
 * Errors    open only.
 * Thread    the analyst's. */
#ifndef SENSOR_STATE_ORDER_H
#define SENSOR_STATE_ORDER_H

#include "base/region.h"

/* The number stands here too, so that sorting touches no cell. */
struct order_entry {
    uint64_t number; /* of the first packet */
    uint32_t cell;
};

struct order {
    struct region region;
    size_t count;
    bool is_sorted;
};

MUST_USE enum status order_open(uint32_t entries_max, struct order *order, struct error *error);
void order_close(struct order *order); /* a closed or zeroed one is allowed */
size_t order_bytes_max(uint32_t entries_max);
void order_put(struct order *order, uint64_t number, uint32_t cell);
/* By number, then by cell. What is returned has `count` entries. */
const struct order_entry *order_sort(struct order *order);

#endif
