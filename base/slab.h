/* slab.h - equal cells with a hard count and handles that notice reuse.
 *
 * Owns      the cells, one reserved region.
 * Borrows   nothing.
 * Time      none.
 * Bounds    `cells_max`; take() says SLAB_NONE when all are out.
 * Errors    open only.
 * Thread    one owner. */
#ifndef BASE_SLAB_H
#define BASE_SLAB_H

#include "base/region.h"

#define SLAB_NONE UINT32_MAX

struct slab {
    struct region region;
    struct region meta; /* one uint32_t a cell: generation when out, next free when in */
    uint32_t generation; /* of the latest take */
    uint32_t cell_bytes;
    uint32_t cells_max;
    uint32_t cells_out;
    uint32_t high_water; /* cells never taken begin here */
    uint32_t free_head; /* + 1; 0 = none */
};

/* A handle that outlives its cell: the generation tells. 0 = none. */
typedef uint64_t slab_handle;

MUST_USE enum status slab_open(struct slab *slab, uint32_t cells_max, uint32_t cell_bytes,
                               struct error *error);
void slab_close(struct slab *slab);

uint32_t slab_take(struct slab *slab); /* a zeroed cell, or SLAB_NONE */
void slab_give(struct slab *slab, uint32_t cell);

static inline void *slab_at(const struct slab *slab, uint32_t cell)
{
    assert_hot(cell < slab->high_water);
    return (uint8_t *)slab->region.at + (size_t)cell * slab->cell_bytes;
}

slab_handle slab_handle_of(const struct slab *slab, uint32_t cell);
/* The cell, or SLAB_NONE when it has been given back since. */
uint32_t slab_resolve(const struct slab *slab, slab_handle handle);

#endif
