/* slab.c - cells from one region, the last given back taken first (its lines are still warm).
 *
 *   region  [cell 0][cell 1] ...                 touched up to high_water only
 *   meta    [u32   ][u32   ] ...    out: OUT | generation        in: next free + 1, 0 = end
 *
 * Generations count all takes of the slab, not those of a cell: so the word of a free cell can hold
 * the link. A stale handle is mistaken only if its cell comes round after exactly k * 2^31 takes.
 *
 * Limits: 2^31 - 1 cells. */
#include "base/slab.h"

#define OUT (UINT32_C(1) << 31)

static uint32_t *meta_of(const struct slab *slab)
{
    return slab->meta.at;
}

enum status slab_open(struct slab *slab, uint32_t cells_max, uint32_t cell_bytes,
                      struct error *error)
{
    assert(cells_max > 0 && cells_max < OUT && cell_bytes > 0 && cell_bytes <= UINT32_MAX - 7);
    *slab = (struct slab){
        .cell_bytes = (cell_bytes + 7) & ~UINT32_C(7),
        .cells_max = cells_max,
    };
    enum status status = region_open((size_t)cells_max * slab->cell_bytes, &slab->region, error);
    if (status != STATUS_OK) {
        return status;
    }
    status = region_open((size_t)cells_max * sizeof(uint32_t), &slab->meta, error);
    if (status != STATUS_OK) {
        region_close(&slab->region);
    }
    return status;
}

void slab_close(struct slab *slab)
{
    region_show(slab->region.at, (size_t)slab->high_water * slab->cell_bytes);
    region_close(&slab->region);
    region_close(&slab->meta);
    *slab = (struct slab){.cells_max = 0};
}

uint32_t slab_take(struct slab *slab)
{
    uint32_t *meta = meta_of(slab);
    uint32_t cell;

    if (slab->free_head != 0) {
        cell = slab->free_head - 1;
        slab->free_head = meta[cell];
        region_show(slab_at(slab, cell), slab->cell_bytes);
        memset(slab_at(slab, cell), 0, slab->cell_bytes);
    } else if (slab->high_water < slab->cells_max) {
        cell = slab->high_water++; /* fresh from the kernel: zeroed */
    } else {
        return SLAB_NONE;
    }
    slab->generation = (slab->generation + 1) & ~OUT;
    meta[cell] = OUT | slab->generation;
    slab->cells_out++;
    return cell;
}

void slab_give(struct slab *slab, uint32_t cell)
{
    uint32_t *meta = meta_of(slab);

    assert(cell < slab->high_water && (meta[cell] & OUT) != 0);
    meta[cell] = slab->free_head;
    slab->free_head = cell + 1;
    region_hide(slab_at(slab, cell), slab->cell_bytes);
    slab->cells_out--;
}

slab_handle slab_handle_of(const struct slab *slab, uint32_t cell)
{
    assert(cell < slab->high_water && (meta_of(slab)[cell] & OUT) != 0);
    return (uint64_t)meta_of(slab)[cell] << 32 | cell;
}

uint32_t slab_resolve(const struct slab *slab, slab_handle handle)
{
    uint32_t cell = (uint32_t)handle;

    if (handle == 0 || cell >= slab->high_water || meta_of(slab)[cell] != handle >> 32) {
        return SLAB_NONE;
    }
    return cell;
}
