/* shift.h - time that moves in one step: a table's own stamps follow.
 *
 * Owns      nothing.
 * Borrows   the table during the call.
 * Time      a confirmed jump of the clock (sensor/flows/timeline.h) as `shift_ns`.
 * Bounds    every cell once.
 * Errors    none.
 * Thread    the analyst's.
 *
 * After a jump nothing may look aged by more than the 60 s that the timeline leaves: whoever
 * remembers a time moves it forward by the shift. This does it for the stamps that base/table keeps
 * for its idle queues, without changing their order; what a cell holds is the owner's to move. */
#ifndef SENSOR_STATE_SHIFT_H
#define SENSOR_STATE_SHIFT_H

#include "base/clock.h"
#include "base/table.h"

static inline void shift_table(struct table *table, uint64_t shift_ns)
{
    for (unsigned queue = 0; queue < 2; queue++) {
        /* Each cell is taken from the old end and put to the young one, as often as there are
         * cells. */
        uint32_t count = queue == 0 ? table->weak_used : table->used - table->weak_used;
        for (uint32_t i = 0; i < count; i++) {
            uint32_t cell = table->oldest[queue];
            table_touch(table, cell, time_add(table_touched_ns(table, cell), shift_ns));
        }
    }
}

/* A remembered time; 0 stays "none". */
static inline void shift_time(uint64_t *time_ns, uint64_t shift_ns)
{
    if (*time_ns != 0) {
        *time_ns = time_add(*time_ns, shift_ns);
    }
}

#endif
