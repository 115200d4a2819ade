/* table.c - why it is built so.
 *
 * The index holds nothing but tag and cell number, so a look-up that misses touches one line, a hit
 * two. The tag is the upper half of the hash; its low bits give the home slot. Therefore deletion
 * (backward shift) and doubling never touch a cell: at a million entries a doubling is one pass
 * over 16 MiB in a row instead of a million cache misses.
 *
 * Doubling in place: n slots become 2n in the same reserved memory, the upper half is zero. Old
 * slots are emptied in probe order, beginning behind an empty one, and each entry is put in again.
 * An entry at slot p with home h goes to h or h + n; all between its home and p has been moved
 * already, so it lands at or before p (or p + n), never behind an entry that is still to be moved.
 * No entry is moved twice and no probe path gets a hole.
 *
 * Eviction looks at the TABLE_EVICT_LOOK oldest. Those that stay are the same ones next time, so
 * they are in the cache; the one that comes in is asked for ahead. */
#include "base/table.h"

enum { INDEX_SLOTS_FIRST = 1024, WEAK = 0, STRONG = 1 };
enum { FLAG_USED = 1, FLAG_STRONG = 2 };
#define GROUP_NONE UINT16_MAX

static_assert(TABLE_GROUPS < GROUP_NONE, "buckets must fit");

static struct table_head *used_head_of(const struct table *table, uint32_t cell)
{
    struct table_head *head = table_head_at(table, cell);
    assert_hot((head->flags & FLAG_USED) != 0);
    return head;
}

static uint32_t stride_of(uint32_t cell_bytes)
{
    uint32_t stride = (TABLE_HEAD_BYTES + cell_bytes + 15) & ~UINT32_C(15);
    /* 48 would lie across two lines every second time. */
    return stride == 48 ? 64 : stride;
}

static uint64_t slots_max_of(uint32_t cells_max)
{
    uint64_t slots = 2;

    while (slots < 2 * (uint64_t)cells_max) {
        slots <<= 1;
    }
    return slots;
}

static size_t index_bytes(uint64_t slots)
{
    return slots * sizeof(uint64_t) + TABLE_GROUPS * sizeof(uint32_t);
}

size_t table_bytes_max(const struct table_options *options)
{
    return (size_t)options->cells_max * stride_of(options->cell_bytes) +
           index_bytes(slots_max_of(options->cells_max));
}

enum status table_open(struct table *table, const struct table_options *options,
                       struct error *error)
{
    assert(options->cells_max > 0 && options->cells_max <= UINT32_MAX / 2);
    assert(options->cell_bytes <= UINT32_MAX / 2 && options->weak_ppm <= 1000000);
    memset(table, 0, sizeof *table);
    table->options = *options;
    table->cell_stride = stride_of(options->cell_bytes);
    table->free_head = TABLE_NONE;
    for (unsigned queue = WEAK; queue <= STRONG; queue++) {
        table->oldest[queue] = TABLE_NONE;
        table->newest[queue] = TABLE_NONE;
    }
    uint64_t slots_max = slots_max_of(options->cells_max);
    table->index_mask =
        (uint32_t)(slots_max < INDEX_SLOTS_FIRST ? slots_max : INDEX_SLOTS_FIRST) - 1;
    enum status status =
        region_open((size_t)options->cells_max * table->cell_stride, &table->cells, error);
    if (status != STATUS_OK) {
        return status;
    }
    status = region_open(index_bytes(slots_max), &table->index, error);
    if (status != STATUS_OK) {
        region_close(&table->cells);
        return status;
    }
    table->weak_groups = (uint32_t *)((uint64_t *)table->index.at + slots_max);
    return STATUS_OK;
}

void table_close(struct table *table)
{
    region_show(table->cells.at, (size_t)table->high_water * table->cell_stride);
    region_close(&table->cells);
    region_close(&table->index);
    memset(table, 0, sizeof *table);
}

/* --- index --- */

static uint32_t tag_of_hash(uint64_t hash)
{
    return (uint32_t)(hash >> 32);
}

static uint32_t tag_of_slot(uint64_t slot)
{
    return (uint32_t)(slot >> 32);
}

static uint64_t *slots_of(const struct table *table)
{
    return table->index.at;
}

static void index_put(struct table *table, uint64_t slot)
{
    uint64_t *slots = slots_of(table);
    uint32_t at = tag_of_slot(slot) & table->index_mask;

    while (slots[at] != 0) {
        at = (at + 1) & table->index_mask;
    }
    slots[at] = slot;
}

static void index_double(struct table *table)
{
    uint64_t *slots = slots_of(table);
    uint32_t old_mask = table->index_mask;
    uint32_t start = 0;

    while (slots[start] != 0) {
        start++; /* ends: at most half of the slots are taken */
    }
    table->index_mask = old_mask * 2 + 1;
    for (uint32_t i = 1; i <= old_mask; i++) {
        uint32_t at = (start + i) & old_mask;
        uint64_t slot = slots[at];
        if (slot != 0) {
            slots[at] = 0;
            index_put(table, slot);
        }
    }
}

static void index_remove(struct table *table, uint64_t hash, uint32_t cell)
{
    uint64_t *slots = slots_of(table);
    uint32_t mask = table->index_mask;
    uint64_t wanted = (uint64_t)tag_of_hash(hash) << 32 | (cell + 1);
    uint32_t hole = tag_of_hash(hash) & mask;

    while (slots[hole] != wanted) {
        assert_hot(slots[hole] != 0);
        hole = (hole + 1) & mask;
    }
    for (uint32_t at = (hole + 1) & mask; slots[at] != 0; at = (at + 1) & mask) {
        uint32_t home = tag_of_slot(slots[at]) & mask;
        /* Moves back unless its home lies behind the hole. */
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            slots[hole] = slots[at];
            hole = at;
        }
    }
    slots[hole] = 0;
}

/* --- idle queues --- */

static unsigned queue_of(const struct table_head *head)
{
    return (head->flags & FLAG_STRONG) != 0 ? STRONG : WEAK;
}

static void queue_leave(struct table *table, const struct table_head *head)
{
    unsigned queue = queue_of(head);

    if (head->older != TABLE_NONE) {
        table_head_at(table, head->older)->newer = head->newer;
    } else {
        table->oldest[queue] = head->newer;
    }
    if (head->newer != TABLE_NONE) {
        table_head_at(table, head->newer)->older = head->older;
    } else {
        table->newest[queue] = head->older;
    }
}

static void queue_enter(struct table *table, uint32_t cell, struct table_head *head)
{
    unsigned queue = queue_of(head);

    head->older = table->newest[queue];
    head->newer = TABLE_NONE;
    if (head->older != TABLE_NONE) {
        table_head_at(table, head->older)->newer = cell;
    } else {
        table->oldest[queue] = cell;
    }
    table->newest[queue] = cell;
}

/* --- eviction --- */

static uint32_t weight_of(const struct table *table, const struct table_head *head)
{
    return head->group == GROUP_NONE ? 1 : table->groups[head->group];
}

/* The one that will be looked at next time, and the head of the one after it. Those that stay are
 * there because they are light, so the one that comes in is often the one that goes. */
static void prefetch_candidate(const struct table *table, uint32_t cell)
{
    if (cell == TABLE_NONE) {
        return;
    }
    const struct table_head *head = table_head_at(table, cell);
    table_prefetch(table, head->hash);
    for (uint32_t line = TABLE_LINE_BYTES; line < table->cell_stride; line += TABLE_LINE_BYTES) {
        __builtin_prefetch((const uint8_t *)head + line);
    }
    if (head->newer != TABLE_NONE) {
        __builtin_prefetch(table_head_at(table, head->newer));
    }
}

/* Merges both queues from their old ends (weak before strong at equal times); see table.h. */
static uint32_t choose_victim(const struct table *table)
{
    uint32_t weak = table->oldest[WEAK];
    uint32_t strong = table->oldest[STRONG];
    uint64_t weak_max = (uint64_t)table->options.cells_max * table->options.weak_ppm / 1000000;
    uint32_t victim = TABLE_NONE;
    uint32_t heaviest = 0;

    if (table->options.weak_ppm != 0 && table->weak_used > weak_max) {
        strong = TABLE_NONE;
    }
    for (unsigned i = 0; i < TABLE_EVICT_LOOK; i++) {
        bool take_weak = weak != TABLE_NONE &&
                         (strong == TABLE_NONE || table_head_at(table, weak)->touched_ns <=
                                                      table_head_at(table, strong)->touched_ns);
        uint32_t cell = take_weak ? weak : strong;
        if (cell == TABLE_NONE) {
            break;
        }
        const struct table_head *head = table_head_at(table, cell);
        uint32_t weight = weight_of(table, head);
        if (weight > heaviest) {
            heaviest = weight;
            victim = cell;
        }
        if (take_weak) {
            weak = head->newer;
        } else {
            strong = head->newer;
        }
    }
    prefetch_candidate(table, weak);
    prefetch_candidate(table, strong);
    return victim;
}

static void weak_leave(struct table *table, const struct table_head *head)
{
    table->weak_used--;
    if (head->group != GROUP_NONE) {
        table->weak_groups[head->group]--;
    }
}

/* Takes the cell out of index, queue and counts; it is neither free nor used then. */
static void retire(struct table *table, uint32_t cell)
{
    struct table_head *head = used_head_of(table, cell);

    index_remove(table, head->hash, cell);
    queue_leave(table, head);
    if (head->group != GROUP_NONE) {
        table->groups[head->group]--;
    }
    if (queue_of(head) == WEAK) {
        weak_leave(table, head);
    }
    table->used--;
    head->flags = 0;
}

static void evict(struct table *table, uint32_t cell)
{
    assert(cell != TABLE_NONE);
    if (table->options.on_evict != NULL) {
        table->options.on_evict(table->options.owner, cell, table_at(table, cell));
    }
    retire(table, cell);
    table->evicted++;
}

/* --- cells --- */

static uint32_t cell_take(struct table *table)
{
    uint32_t cell;

    if (table->free_head != TABLE_NONE) {
        cell = table->free_head;
        table->free_head = table_head_at(table, cell)->older;
        if (table->free_head != TABLE_NONE) {
            __builtin_prefetch(table_head_at(table, table->free_head)); /* the next take's */
        }
        region_show(table_at(table, cell), table->cell_stride - TABLE_HEAD_BYTES);
    } else if (table->high_water < table->options.cells_max) {
        return table->high_water++; /* fresh from the kernel: zeroed */
    } else {
        cell = choose_victim(table);
        evict(table, cell);
    }
    memset(table_at(table, cell), 0, table->cell_stride - TABLE_HEAD_BYTES);
    return cell;
}

static uint16_t bucket_of(uint64_t group)
{
    return (uint16_t)((group ^ group >> 32) % TABLE_GROUPS);
}

uint64_t table_group_of(const struct table *table, uint32_t cell)
{
    uint16_t bucket = table_head_at(table, cell)->group;

    return bucket == GROUP_NONE ? 0 : (uint64_t)bucket + TABLE_GROUPS;
}

uint32_t table_weak_of_group(const struct table *table, uint64_t group)
{
    return table->weak_groups[bucket_of(group)];
}

uint32_t table_take(struct table *table, uint64_t hash, uint64_t group, uint64_t now_ns,
                    bool *out_new)
{
    uint32_t cell = table_find(table, hash);

    *out_new = cell == TABLE_NONE;
    return cell != TABLE_NONE ? cell : table_add(table, hash, group, now_ns);
}

uint32_t table_add(struct table *table, uint64_t hash, uint64_t group, uint64_t now_ns)
{
    uint32_t cell = cell_take(table);

    table->used++;
    table->weak_used++;
    if (table->used > table->index_mask / 2 + 1) {
        index_double(table);
    }
    index_put(table, (uint64_t)tag_of_hash(hash) << 32 | (cell + 1));
    struct table_head *head = table_head_at(table, cell);
    head->hash = hash;
    head->touched_ns = now_ns;
    head->generation = head->generation == UINT32_MAX ? 1 : head->generation + 1;
    head->flags = FLAG_USED;
    head->group = GROUP_NONE;
    if (group != 0) {
        head->group = bucket_of(group);
        table->groups[head->group]++;
        table->weak_groups[head->group]++;
    }
    queue_enter(table, cell, head);
    return cell;
}

static void make_free(struct table *table, uint32_t cell)
{
    struct table_head *head = table_head_at(table, cell);

    head->older = table->free_head;
    table->free_head = cell;
    region_hide(table_at(table, cell), table->cell_stride - TABLE_HEAD_BYTES);
}

void table_give(struct table *table, uint32_t cell)
{
    assert((table_head_at(table, cell)->flags & FLAG_USED) != 0);
    retire(table, cell);
    make_free(table, cell);
}

bool table_evict_idle(struct table *table, uint64_t before_ns)
{
    uint32_t cell = table->oldest[WEAK];

    if (cell == TABLE_NONE || table_head_at(table, cell)->touched_ns >= before_ns) {
        return false;
    }
    evict(table, cell);
    make_free(table, cell);
    return true;
}

void table_touch(struct table *table, uint32_t cell, uint64_t now_ns)
{
    struct table_head *head = used_head_of(table, cell);

    head->touched_ns = now_ns;
    if (head->newer != TABLE_NONE) {
        queue_leave(table, head);
        queue_enter(table, cell, head);
    }
}

void table_strengthen(struct table *table, uint32_t cell)
{
    struct table_head *head = used_head_of(table, cell);

    if (queue_of(head) == WEAK) {
        queue_leave(table, head);
        head->flags |= FLAG_STRONG;
        queue_enter(table, cell, head);
        weak_leave(table, head);
    }
}

bool table_is_strong(const struct table *table, uint32_t cell)
{
    return queue_of(used_head_of(table, cell)) == STRONG;
}

uint32_t table_next(const struct table *table, uint32_t from)
{
    for (uint32_t cell = from; cell < table->high_water; cell++) {
        if ((table_head_at(table, cell)->flags & FLAG_USED) != 0) {
            return cell;
        }
    }
    return TABLE_NONE;
}
