/* stream_index.c - from a hash to a stream.
 *
 *   slot 8 bytes  [tag 32 | cell + 1 32]   0 = empty; linear probing, load <= 1/2, or 1/4 while small
 *
 * The tag is the upper half of the hash; its low bits give the home slot, so that removal (backward
 * shift) never touches a cell. The index begins small and doubles in place, put together anew from
 * the list by first packet: memory that a small capture does not need is never touched. The hot
 * line holds the whole hash, which is keyed; it is the identity. */
#include "sensor/flows/stream_cell.h"

uint32_t stream_index_find(const struct stream_table *table, uint64_t hash)
{
    const uint64_t *slots = stream_slots(table);
    uint32_t tag = stream_tag_of(hash);
    for (uint32_t at = tag & table->index_mask;; at = (at + 1) & table->index_mask) {
        uint64_t slot = slots[at];
        if (slot == 0) {
            return STREAM_NONE;
        }
        uint32_t cell = (uint32_t)slot - 1;
        if ((uint32_t)(slot >> 32) == tag && stream_hot_at(table, cell)->hash == hash) {
            return cell;
        }
    }
}

static void index_put(struct stream_table *table, uint64_t hash, uint32_t cell)
{
    uint64_t *slots = stream_slots(table);
    uint32_t at = stream_tag_of(hash) & table->index_mask;
    while (slots[at] != 0) {
        at = (at + 1) & table->index_mask;
    }
    slots[at] = (uint64_t)stream_tag_of(hash) << 32 | (cell + 1);
}

void stream_index_add(struct stream_table *table, uint64_t hash, uint32_t cell)
{
    size_t slots = (size_t)table->index_mask + 1;
    if (stream_index_share(slots) * ((size_t)table->used + 1) > slots) {
        memset(table->index.at, 0, slots * sizeof(uint64_t));
        table->index_mask = (uint32_t)(2 * slots - 1);
        const uint32_t *order = table->order.at;
        for (uint32_t place = 0; place < table->order_count; place++) {
            if (order[place] != STREAM_NONE) {
                index_put(table, stream_hot_at(table, order[place])->hash, order[place]);
            }
        }
    }
    index_put(table, hash, cell);
}

/* Backward shift: what stands behind the hole moves up if its home allows; entries are not touched.
 */
void stream_index_remove(struct stream_table *table, uint32_t cell)
{
    uint64_t *slots = stream_slots(table);
    uint32_t mask = table->index_mask;
    uint32_t hole = stream_tag_of(stream_hot_at(table, cell)->hash) & mask;
    while ((uint32_t)slots[hole] != cell + 1) {
        hole = (hole + 1) & mask;
    }
    for (uint32_t at = (hole + 1) & mask; slots[at] != 0; at = (at + 1) & mask) {
        uint32_t home = (uint32_t)(slots[at] >> 32) & mask;
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            slots[hole] = slots[at];
            hole = at;
        }
    }
    slots[hole] = 0;
}
