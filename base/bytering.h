/* bytering.h - contiguous bytes that live until a position has passed their key.
 *
 * Owns      the memory, one reserved region, touched as used.
 * Borrows   nothing.
 * Time      none.
 * Bounds    `bytes`; one taking is at most half of it.
 * Errors    open only; no room is NULL.
 * Thread    one owner; the position is an argument, read elsewhere.
 *
 * For messages that do not stand whole in a block: put together from fragments or a TCP stream,
 * they are copied here once and referred to by sightings. Keys ascend; what was taken first is free
 * first. */
#ifndef BASE_BYTERING_H
#define BASE_BYTERING_H

#include "base/region.h"

enum { BYTERING_MARKS = 4096 };

struct bytering {
    struct region region;
    size_t head; /* oldest byte in use */
    size_t tail; /* next free byte */
    struct {
        uint64_t key;
        size_t end;
    } marks[BYTERING_MARKS]; /* takings still alive, oldest first, a ring */
    uint32_t mark_first;
    uint32_t mark_count;
};

MUST_USE enum status bytering_open(struct bytering *ring, size_t bytes, struct error *error);
void bytering_close(struct bytering *ring);
/* `bytes` in a row that stay until bytering_release() is told a position >= key; NULL when there is
 * no room. */
uint8_t *bytering_take(struct bytering *ring, size_t bytes, uint64_t key);
void bytering_release(struct bytering *ring, uint64_t position);

#endif
