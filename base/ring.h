/* ring.h - a bounded queue of bytes between one producer and one consumer thread.
 *
 * Owns      the memory (mapped twice in a row, so that every record is contiguous) and its
 *           doorbells.
 * Borrows   nothing.
 * Time      none.
 * Bounds    `bytes`, a power of two; a record takes at most a quarter of it.
 * Errors    open only.
 * Thread    one producer, one consumer; each function says whose it is.
 *
 * Records are 16-byte aligned and stay valid until the consumer takes the next step of
 * ring_release(). Publishing is lazy: the producer publishes at 1/4 full, when told to, or before
 * it waits; nobody spins and nobody is woken for less than RING_WAKE_BYTES of work unless
 * ring_publish(..., true) says so.
 *
 * A thread that may sleep does, in this order: heard = bell_listen(); look at all its rings; where
 * there was nothing, bell_wait(heard). No ring of the bell in between is lost. A struct ring in
 * memory of the heap wants aligned_alloc(64). */
#ifndef BASE_RING_H
#define BASE_RING_H

#include "base/region.h"

#include <stdatomic.h>

enum { RING_ALIGN = 16, RING_WAKE_BYTES = 64 << 10 };

/* A place to sleep until somebody has news: a futex word. One sleeper, many callers. A sleeper that
 * waits for other things too, in an event loop, has a descriptor of its own that becomes readable. */
struct bell {
    _Atomic uint32_t rung;
    _Atomic uint32_t sleeping;
    _Atomic int descriptor; /* an eventfd behind bell_use(); 0 = none */
};

/* From now on the sleeper sleeps elsewhere, looking at `descriptor` (never 0) too: between
 * bell_doze() and bell_awake(), instead of bell_wait(). Before anybody rings. */
void bell_use(struct bell *bell, int descriptor);
bool bell_doze(struct bell *bell, uint32_t heard); /* false: it rang since, do not sleep */
void bell_awake(struct bell *bell);

void bell_ring(struct bell *bell); /* wakes the sleeper, if any */
uint32_t bell_listen(const struct bell *bell); /* read before looking for work ... */
void bell_wait(struct bell *bell, uint32_t heard, uint64_t timeout_ns); /* ... sleep if nothing rang
                                                                         * since; 0 = no time-out */

struct ring {
    struct region region;
    size_t bytes;
    size_t mask;
    struct bell *consumer_bell; /* rung when there is work; NULL when both ends are one thread */
    struct bell *producer_bell; /* rung when there is room; may be NULL likewise */
    /* line of the producer's publications */
    _Alignas(64) _Atomic uint64_t tail; /* bytes published */
    _Atomic uint64_t position; /* see ring_position(): order key below which all is published */
    /* line of the producer alone */
    _Alignas(64) uint64_t written; /* bytes written, >= tail */
    uint64_t head_seen;
    uint64_t woken_at;
    /* line of the consumer's publications */
    _Alignas(64) _Atomic uint64_t head; /* bytes released */
    /* line of the consumer alone */
    _Alignas(64) uint64_t read; /* bytes read, >= head */
    uint64_t tail_seen;
};

MUST_USE enum status ring_open(struct ring *ring, size_t bytes, struct bell *consumer_bell,
                               struct bell *producer_bell, struct error *error);
void ring_close(struct ring *ring);

/* --- producer --- */
/* Room for `bytes` in a row (rounded up to RING_ALIGN by commit), or NULL when there is none now:
 * then all that was committed has been published and the consumer been rung, so the producer may
 * wait. */
void *ring_reserve(struct ring *ring, size_t bytes);
void ring_commit(struct ring *ring, size_t bytes); /* of the last reservation; not yet published */
/* Makes all that was committed visible. `wake` rings the consumer whatever the amount. */
void ring_publish(struct ring *ring, bool wake);
/* Publishes, then says: nothing below `key` will come any more. */
void ring_set_position(struct ring *ring, uint64_t key);
/* The consumer has released all that was published. No bell tells of it: wait with a time-out. */
bool ring_is_drained(const struct ring *ring);

/* --- consumer --- */
/* What can be read now, from the read cursor on: at most what was published; NULL when nothing. */
const void *ring_peek(struct ring *ring, size_t *out_bytes);
void ring_advance(struct ring *ring, size_t bytes); /* read cursor only, rounded up like commit;
                                                     * bytes stay valid */
void ring_release(struct ring *ring); /* gives everything read so far back */
uint64_t ring_position(const struct ring *ring); /* acquire: read it before ring_peek() */

#endif
