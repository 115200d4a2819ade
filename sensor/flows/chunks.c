/* chunks.c - a list of cells, sorted by position behind `base`, without overlaps.
 *
 *   base ──▶ [cell 0 ......][cell 1 ...]      gap      [cell 2 ...]
 *            └── ready ────────────────┘
 *
 * Cells have one size, so holding a segment never asks the allocator; the price is that a segment
 * of one byte takes a cell. CHUNKS_MAX bounds that for each stream, the slab for all. Walks go over
 * at most CHUNKS_MAX cells. */
#include "sensor/flows/chunks.h"

struct chunk {
    uint64_t time_ns;
    uint32_t next; /* SLAB_NONE = last */
    uint32_t sequence;
    uint32_t bytes;
    uint32_t shared; /* bytes of more than one segment */
    uint8_t data[CHUNK_DATA_BYTES];
};

static_assert(sizeof(struct chunk) == CHUNK_CELL_BYTES, "a chunk is a cell");

static struct chunk *chunk_at(const struct slab *slab, uint32_t cell)
{
    return slab_at(slab, cell);
}

void chunks_clear(struct slab *slab, struct chunks *chunks)
{
    while (chunks->first != SLAB_NONE) {
        uint32_t next = chunk_at(slab, chunks->first)->next;
        slab_give(slab, chunks->first);
        chunks->first = next;
    }
    chunks->count = 0;
    chunks->bytes = 0;
}

/* A new cell between `previous` (SLAB_NONE: at the front) and what follows it. */
static uint32_t insert(struct slab *slab, struct chunks *chunks, uint32_t previous,
                       uint32_t sequence, uint64_t time_ns)
{
    uint32_t cell = slab_take(slab);

    if (cell == SLAB_NONE) {
        return SLAB_NONE;
    }
    struct chunk *chunk = chunk_at(slab, cell);
    uint32_t *link = previous == SLAB_NONE ? &chunks->first : &chunk_at(slab, previous)->next;
    chunk->time_ns = time_ns;
    chunk->sequence = sequence;
    chunk->bytes = 0;
    chunk->shared = 0;
    chunk->next = *link;
    *link = cell;
    chunks->count++;
    return cell;
}

static uint32_t smaller(uint32_t one, uint32_t other)
{
    return one < other ? one : other;
}

enum chunks_result chunks_hold(struct slab *slab, struct chunks *chunks, uint32_t sequence,
                               const uint8_t *at, uint32_t bytes, uint64_t time_ns, bool append,
                               bool *out_conflict)
{
    uint32_t previous = SLAB_NONE;
    uint32_t cell = chunks->first;
    uint32_t offset = sequence - chunks->base;
    bool fresh = false; /* the cell before was made by this call */

    while (bytes > 0) {
        struct chunk *chunk = cell == SLAB_NONE ? NULL : chunk_at(slab, cell);
        uint32_t start = chunk == NULL ? 0 : chunk->sequence - chunks->base;
        if (chunk != NULL && start + chunk->bytes <= offset) {
            previous = cell;
            cell = chunk->next;
            fresh = false;
            continue;
        }
        uint32_t count = bytes;
        if (chunk != NULL && start <= offset) { /* held already */
            count = smaller(bytes, start + chunk->bytes - offset);
            if (memcmp(chunk->data + (offset - start), at, count) != 0) {
                *out_conflict = true;
            }
        } else {
            count = chunk == NULL ? bytes : smaller(bytes, start - offset);
            struct chunk *into = previous == SLAB_NONE ? NULL : chunk_at(slab, previous);
            bool joins = into != NULL && into->bytes < CHUNK_DATA_BYTES && (fresh || append) &&
                         into->sequence - chunks->base + into->bytes == offset;
            if (!joins) {
                if (chunks->count >= CHUNKS_MAX) {
                    return CHUNKS_TOO_MANY;
                }
                uint32_t made = insert(slab, chunks, previous, chunks->base + offset, time_ns);
                if (made == SLAB_NONE) {
                    return CHUNKS_NO_CELL;
                }
                previous = made;
                fresh = true;
                into = chunk_at(slab, made);
            }
            count = smaller(count, CHUNK_DATA_BYTES - into->bytes);
            memcpy(into->data + into->bytes, at, count);
            into->bytes += count;
            chunks->bytes += count;
            into->shared |= fresh ? 0 : 1;
        }
        at += count;
        offset += count;
        bytes -= count;
    }
    return CHUNKS_HELD;
}

/* The first cell that does not join those before it. */
static uint32_t first_apart(const struct slab *slab, const struct chunks *chunks,
                            uint32_t *out_ready)
{
    uint32_t ready = 0;
    uint32_t cell = chunks->first;

    while (cell != SLAB_NONE) {
        const struct chunk *chunk = chunk_at(slab, cell);
        if (chunk->sequence - chunks->base != ready) {
            break;
        }
        ready += chunk->bytes;
        cell = chunk->next;
    }
    *out_ready = ready;
    return cell;
}

uint32_t chunks_ready(const struct slab *slab, const struct chunks *chunks)
{
    uint32_t ready = 0;

    (void)first_apart(slab, chunks, &ready);
    return ready;
}

uint32_t chunks_gap(const struct slab *slab, const struct chunks *chunks)
{
    uint32_t ready = 0;
    uint32_t cell = first_apart(slab, chunks, &ready);

    return cell == SLAB_NONE ? 0 : chunk_at(slab, cell)->sequence - chunks->base - ready;
}

void chunks_copy(const struct slab *slab, const struct chunks *chunks, uint8_t *out, uint32_t bytes)
{
    for (uint32_t cell = chunks->first; bytes > 0;) {
        const struct chunk *chunk = chunk_at(slab, cell);
        uint32_t count = smaller(bytes, chunk->bytes);
        memcpy(out, chunk->data, count);
        out += count;
        bytes -= count;
        cell = chunk->next;
    }
}

void chunks_drop(struct slab *slab, struct chunks *chunks, uint32_t bytes, uint64_t now_ns)
{
    uint32_t base = chunks->base;

    chunks->base += bytes;
    while (chunks->first != SLAB_NONE) {
        uint32_t cell = chunks->first;
        struct chunk *chunk = chunk_at(slab, cell);
        uint32_t start = chunk->sequence - base;
        if (start >= bytes) {
            return;
        }
        uint32_t count = smaller(bytes - start, chunk->bytes);
        chunks->bytes -= count;
        if (count < chunk->bytes) {
            chunk->bytes -= count;
            chunk->sequence += count;
            chunk->time_ns = chunk->shared != 0 ? now_ns : chunk->time_ns;
            memmove(chunk->data, chunk->data + count, chunk->bytes);
            return;
        }
        chunks->first = chunk->next;
        chunks->count--;
        slab_give(slab, cell);
    }
}

uint64_t chunks_time(const struct slab *slab, const struct chunks *chunks, uint32_t offset)
{
    uint64_t time_ns = 0;

    for (uint32_t cell = chunks->first; cell != SLAB_NONE;) {
        const struct chunk *chunk = chunk_at(slab, cell);
        if (chunk->sequence - chunks->base > offset) {
            break;
        }
        time_ns = chunk->time_ns;
        cell = chunk->next;
    }
    return time_ns;
}
