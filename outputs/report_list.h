/* report_list.h - entries that may be more than memory: kept and sorted in a temporary file.
 *
 * Owns      its file and buffers.
 * Borrows   entries during the call; what next() gives lives until the next call.
 * Time      none.
 * Bounds    memory: LIST_CHUNK_BYTES and LIST_FAN_IN read buffers while it sorts, two buffers
 *           otherwise. Disk: the entries, twice while it sorts; what comes behind a limit is
 *           counted and left out.
 * Errors    open and sort; a write that fails sticks and is told by sort.
 * Thread    one at a time for each list. */
#ifndef OUTPUTS_REPORT_LIST_H
#define OUTPUTS_REPORT_LIST_H

#include "base/hash.h"

enum {
    LIST_ENTRY_MAX = 4096,
    LIST_BUFFER_BYTES = 64 << 10,
    LIST_CHUNK_BYTES = 4 << 20,
    LIST_FAN_IN = 32,
};

/* What every entry begins with. */
struct list_entry {
    uint32_t bytes; /* all of it, a multiple of 8 */
    uint32_t reserved;
    struct hash128 key; /* entries with one key are to be joined */
    uint64_t order; /* place in the report */
    uint64_t
        serial; /* running number: ties keep the order in which they came, never that of a hash */
};

enum list_order { LIST_BY_KEY, LIST_BY_ORDER };

struct report_list;

MUST_USE enum status report_list_open(struct report_list **out_list, struct error *error);
void report_list_close(struct report_list *list);
void report_list_limit(struct report_list *list, uint64_t bytes_max); /* none before it is set */
void report_list_add(struct report_list *list, const struct list_entry *entry);
uint64_t
report_list_count(const struct report_list *list); /* of what was added, the left out too */
uint64_t report_list_left_out(const struct report_list *list);
/* Sorts and goes to the start; by key: (key, serial), by order: (order, serial). */
MUST_USE enum status report_list_sort(struct report_list *list, enum list_order order,
                                      struct error *error);
void report_list_rewind(struct report_list *list);
/* NULL at the end. */
const struct list_entry *report_list_next(struct report_list *list);

#endif
