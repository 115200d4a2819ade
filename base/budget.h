/* budget.h - what memory may be used for at most, by name: what --list memory prints.
 *
 * Owns      nothing.
 * Borrows   names: they outlive the row.
 * Time      none.
 * Bounds    none.
 * Errors    none.
 * Thread    start only.
 *
 * Each part says its tables with the same limits that it is opened with. */
#ifndef BASE_BUDGET_H
#define BASE_BUDGET_H

#include <stddef.h>
#include <stdint.h>

struct budget {
    /* NULL = only the sum is wanted */
    void (*on_row)(void *owner, const char *name, uint64_t entries, size_t bytes);
    void *owner;
    size_t bytes; /* of all rows so far */
};

/* entries 0: what is not counted in entries. */
static inline void budget_add(struct budget *budget, const char *name, uint64_t entries,
                              size_t bytes)
{
    budget->bytes += bytes;
    if (budget->on_row != NULL) {
        budget->on_row(budget->owner, name, entries, bytes);
    }
}

#endif
