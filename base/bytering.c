/* bytering.c - contiguous bytes that live until a position has passed their key.
 *
 *   not wrapped   |....[head  in use  tail)........|   next: behind tail, else at 0 in front of head
 *   wrapped       |in use  tail)......[head  in use|   next: behind tail, in front of head
 *
 * A taking never wraps: what is left at the end of the memory is skipped and belongs to the taking
 * before it. Takings of one key share a mark; with all marks out the newest one is given the newer
 * key, so that its bytes stay a little longer instead of being refused. tail == head means full
 * while marks are out, so a taking never fills up to head. */
#include "base/bytering.h"

enum { ALIGN = 16 };

enum status bytering_open(struct bytering *ring, size_t bytes, struct error *error)
{
    memset(ring, 0, sizeof *ring);
    return region_open(bytes, &ring->region, error);
}

void bytering_close(struct bytering *ring)
{
    region_close(&ring->region);
    memset(ring, 0, sizeof *ring);
}

/* Where `bytes` can stand now; SIZE_MAX = nowhere. */
static size_t bytering_place(const struct bytering *ring, size_t bytes)
{
    if (ring->mark_count > 0 && ring->tail <= ring->head) {
        return ring->head - ring->tail > bytes ? ring->tail : SIZE_MAX;
    }
    if (ring->region.bytes - ring->tail >= bytes) {
        return ring->tail;
    }
    return ring->head > bytes ? 0 : SIZE_MAX;
}

uint8_t *bytering_take(struct bytering *ring, size_t bytes, uint64_t key)
{
    if (bytes > ring->region.bytes / 2) {
        return NULL;
    }
    bytes = bytes == 0 ? ALIGN : (bytes + ALIGN - 1) / ALIGN * ALIGN;
    if (ring->mark_count == 0) {
        ring->head = 0;
        ring->tail = 0;
    }
    size_t place = bytering_place(ring, bytes);
    if (place == SIZE_MAX) {
        return NULL;
    }
    ring->tail = place + bytes;
    uint32_t newest = (ring->mark_first + ring->mark_count - 1) % BYTERING_MARKS;
    if (ring->mark_count > 0 && key < ring->marks[newest].key) {
        /* Asked for late (a batch that was unwrapped before it was seen): it stays as long as its
         * neighbour. */
        key = ring->marks[newest].key;
    }
    bool shares = ring->mark_count == BYTERING_MARKS ||
                  (ring->mark_count > 0 && ring->marks[newest].key == key);
    if (!shares) {
        ring->mark_count++;
        newest = (ring->mark_first + ring->mark_count - 1) % BYTERING_MARKS;
    }
    ring->marks[newest].key = key;
    ring->marks[newest].end = ring->tail;
    return (uint8_t *)ring->region.at + place;
}

void bytering_release(struct bytering *ring, uint64_t position)
{
    while (ring->mark_count > 0 && ring->marks[ring->mark_first].key <= position) {
        ring->head = ring->marks[ring->mark_first].end;
        ring->mark_first = (ring->mark_first + 1) % BYTERING_MARKS;
        ring->mark_count--;
    }
}
