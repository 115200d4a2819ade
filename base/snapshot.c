/* Entries of tables in an image. Their order is that of the idle queues, so that the table which
 * takes them up evicts in the order in which the saved one would have. */
#include "base/snapshot.h"

uint32_t snapshot_next_entry(const struct table *table, uint32_t cell)
{
    if (cell == TABLE_NONE) {
        uint32_t weak = table_idle(table, false);
        return weak != TABLE_NONE ? weak : table_idle(table, true);
    }
    uint32_t next = table_idle_next(table, cell);
    return next == TABLE_NONE && !table_is_strong(table, cell) ? table_idle(table, true) : next;
}

void snapshot_put_entry(struct snapshot_out *out, const struct table *table, uint32_t cell)
{
    const struct snapshot_entry entry = {.hash = table_hash_of(table, cell),
                                         .touched_ns = table_touched_ns(table, cell),
                                         .group = (uint32_t)table_group_of(table, cell),
                                         .strong = table_is_strong(table, cell)};

    snapshot_put(out, &entry, sizeof entry);
}

uint32_t snapshot_take_entry(struct table *table, const struct snapshot_entry *entry)
{
    if (table_find(table, entry->hash) != TABLE_NONE) {
        return TABLE_NONE;
    }
    uint32_t cell = table_add(table, entry->hash, entry->group, entry->touched_ns);
    if (entry->strong != 0) {
        table_strengthen(table, cell);
    }
    return cell;
}
