/* table.h - a hash table of equal cells: hard capacity, evicts the longest idle, fair per group.
 *
 * Owns      cells and index, in reserved regions; both are touched only as the table fills (the
 *           index doubles up to its ceiling).
 * Borrows   nothing. Keys are 64-bit keyed hashes; a table hashes nothing itself.
 * Time      packet time in ns, always an argument.
 * Bounds    `cells_max`. Full is a normal case: take() evicts and counts.
 * Errors    open only.
 * Thread    one owner.
 *
 *   index   [tag 32 | cell+1 32]  linear probing, load <= 1/2, deletion by backward shift
 *   cells   [head 32 | the user's bytes]  dense, linked in two idle queues (weak, strong)
 *
 * Eviction (docs/architecture.md): an entry is *weak* until its owner calls
 * table_strengthen() (a source that has proven itself, a call that was answered ...). When the
 * table is full, a weak newcomer may only push out weak entries once weak ones hold more than
 * weak_ppm of the cells; among the EVICT_LOOK oldest candidates the one goes whose group (source
 * prefix) holds the most cells, the oldest of equals. So entries in bulk push out each other. Below
 * its share a newcomer pushes out the longest idle of both queues. Group 0 is no group: such
 * entries count as one each. */
#ifndef BASE_TABLE_H
#define BASE_TABLE_H

#include "base/region.h"

#define TABLE_NONE UINT32_MAX

enum { TABLE_EVICT_LOOK = 16, TABLE_GROUPS = 4096, TABLE_HEAD_BYTES = 32, TABLE_LINE_BYTES = 64 };

/* In front of each cell; private to this module. */
struct table_head {
    uint64_t hash;
    uint64_t touched_ns;
    uint32_t older; /* in the idle queue; of a free cell: the next free one */
    uint32_t newer;
    uint32_t generation;
    uint16_t group; /* bucket, or none */
    uint16_t flags;
};
static_assert(sizeof(struct table_head) == TABLE_HEAD_BYTES, "the user's part must be aligned");

struct table_options {
    const char *name; /* for --list memory and the counters */
    uint32_t cells_max; /* >= 1 */
    uint32_t cell_bytes; /* the user's part */
    uint32_t weak_ppm; /* share of the cells that weak entries may hold once it is full; 0 = all */
    /* Called before a cell is evicted (not for table_give): the owner closes what it holds. May be
     * NULL. Must not take or give cells of this table. */
    void (*on_evict)(void *owner, uint32_t cell, void *at);
    void *owner;
};

struct table {
    struct table_options options;
    struct region cells;
    struct region index;
    uint32_t cell_stride;
    uint32_t index_mask; /* slots in use - 1 */
    uint32_t used;
    uint32_t high_water;
    uint32_t free_head;
    uint32_t weak_used;
    uint64_t evicted; /* in all, counted here, said by the owner's record */
    uint32_t oldest[2]; /* idle queues: 0 weak, 1 strong; TABLE_NONE = empty */
    uint32_t newest[2];
    uint32_t groups[TABLE_GROUPS]; /* cells of a group, by its hash */
    uint32_t *weak_groups; /* weak ones of them; behind the index, touched with its first group */
};

MUST_USE enum status table_open(struct table *table, const struct table_options *options,
                                struct error *error);
void table_close(struct table *table);
size_t table_bytes_max(const struct table_options *options); /* for --list memory */

static inline struct table_head *table_head_at(const struct table *table, uint32_t cell)
{
    assert_hot(cell < table->high_water);
    return (struct table_head *)(void *)((uint8_t *)table->cells.at +
                                         (size_t)cell * table->cell_stride);
}

/* TABLE_NONE when absent. */
static inline uint32_t table_find(const struct table *table, uint64_t hash)
{
    const uint64_t *slots = table->index.at;
    uint32_t tag = (uint32_t)(hash >> 32);

    for (uint32_t at = tag & table->index_mask; slots[at] != 0; at = (at + 1) & table->index_mask) {
        if ((uint32_t)(slots[at] >> 32) == tag) {
            uint32_t cell = (uint32_t)slots[at] - 1;
            if (table_head_at(table, cell)->hash == hash) {
                return cell;
            }
        }
    }
    return TABLE_NONE;
}

/* Finds, or takes a zeroed cell (evicting if full); *out_new tells which. Never fails. `group` is a
 * hash of what fairness is counted by (0 where there is none). Does not touch an entry it found. */
uint32_t table_take(struct table *table, uint64_t hash, uint64_t group, uint64_t now_ns,
                    bool *out_new);
/* The same for a hash that table_find() has just not found. */
uint32_t table_add(struct table *table, uint64_t hash, uint64_t group, uint64_t now_ns);
void table_give(struct table *table, uint32_t cell);
/* Evicts the weak entry that was idle longest, if that is since `before_ns`. */
bool table_evict_idle(struct table *table, uint64_t before_ns);
void table_touch(struct table *table, uint32_t cell,
                 uint64_t now_ns); /* now the youngest of its queue */
/* To the young end of the strong queue; what was strong stays so. Does not touch. */
void table_strengthen(struct table *table, uint32_t cell);
bool table_is_strong(const struct table *table, uint32_t cell);
/* The user's bytes: 16-byte aligned, zeroed when taken. */
static inline void *table_at(const struct table *table, uint32_t cell)
{
    assert_hot(cell < table->high_water);
    return (uint8_t *)table->cells.at + (size_t)cell * table->cell_stride + TABLE_HEAD_BYTES;
}
/* Weak entries of that group, and of those whose hash falls into the same of TABLE_GROUPS. */
uint32_t table_weak_of_group(const struct table *table, uint64_t group);
static inline uint64_t table_hash_of(const struct table *table, uint32_t cell)
{
    return table_head_at(table, cell)->hash;
}

static inline uint64_t table_touched_ns(const struct table *table, uint32_t cell)
{
    return table_head_at(table, cell)->touched_ns;
}

/* Differs after reuse; never 0. */
static inline uint32_t table_generation(const struct table *table, uint32_t cell)
{
    return table_head_at(table, cell)->generation;
}

/* The index slot ... */
static inline void table_prefetch(const struct table *table, uint64_t hash)
{
    const uint64_t *slots = table->index.at;
    __builtin_prefetch(slots + ((uint32_t)(hash >> 32) & table->index_mask));
}

/* ... then what it points to: two lines. */
static inline void table_prefetch_cell(const struct table *table, uint64_t hash)
{
    const uint64_t *slots = table->index.at;
    uint32_t tag = (uint32_t)(hash >> 32);

    for (uint32_t at = tag & table->index_mask; slots[at] != 0; at = (at + 1) & table->index_mask) {
        if ((uint32_t)(slots[at] >> 32) == tag) {
            const uint8_t *head = (const void *)table_head_at(table, (uint32_t)slots[at] - 1);
            __builtin_prefetch(head);
            __builtin_prefetch(head +
                               (table->cell_stride > TABLE_LINE_BYTES ? TABLE_LINE_BYTES : 0));
            return;
        }
    }
}

/* Walks a queue from its old end: what is put into an empty table in this order, weak ones first, is
 * evicted as it would have been here. Ends with TABLE_NONE. */
static inline uint32_t table_idle(const struct table *table, bool strong)
{
    return table->oldest[strong ? 1 : 0];
}

static inline uint32_t table_idle_next(const struct table *table, uint32_t cell)
{
    return table_head_at(table, cell)->newer;
}

/* A group of the same fairness as the entry's; 0 = none. */
uint64_t table_group_of(const struct table *table, uint32_t cell);
/* Walks all cells in order of their number (not of any hash): start with 0, ends with TABLE_NONE.
 */
uint32_t table_next(const struct table *table, uint32_t from);

#endif
