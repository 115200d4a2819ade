/* ring.c - one producer, one consumer, bytes in a row.
 *
 *       0        head       read      tail      written          bytes, counted for ever
 *       |---------|xxxxxxxxxx|#########|+++++++++|---------
 *        released   being read  published  committed   free (up to head + size)
 *
 * Cursors are 64-bit counts of bytes and never wrap; place = cursor & mask; the memory is mapped
 * twice, so a record that crosses the end lies in a row. Each end keeps a copy of the other's
 * cursor and looks at the other's line only when the copy is used up.
 *
 * Why no wake-up is lost. A sleeper reads the bell, looks, and sleeps only if the bell is
 * unchanged: the kernel compares once more under its own lock. So it is enough that whoever makes
 * work rings *after* making it visible, and that it knows when to ring:
 *   - Producer out of room: it stores tail, then loads head; the consumer's release stores head,
 * then loads tail (all four sequentially consistent). One of the two must see the other's store:
 * either the producer finds the room, or the consumer finds the ring more than three quarters full
 * and rings. Since no record takes more than a quarter, that is every case in which a producer can
 * be waiting.
 *   - Consumer out of work: bytes below RING_WAKE_BYTES may stay unannounced, on purpose. The
 * producer announces them at the latest when it finds no room itself, or by ring_publish(...,
 * true), which it owes before it sleeps for any other reason. Sequentially consistent accesses
 * instead of fences: ThreadSanitizer knows no fences. */
#include "base/ring.h"

#include <linux/futex.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

/* --- bells --- */

static_assert(sizeof(_Atomic uint32_t) == sizeof(uint32_t), "a futex is a plain word");

void bell_ring(struct bell *bell)
{
    atomic_fetch_add_explicit(&bell->rung, 1, memory_order_seq_cst);
    if (atomic_load_explicit(&bell->sleeping, memory_order_seq_cst) != 0) {
        int descriptor = atomic_load_explicit(&bell->descriptor, memory_order_relaxed);
        if (descriptor != 0) {
            (void)eventfd_write(descriptor, 1); /* full is as good: it is readable */
            return;
        }
        (void)syscall(SYS_futex, &bell->rung, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    }
}

uint32_t bell_listen(const struct bell *bell)
{
    return atomic_load_explicit(&bell->rung, memory_order_seq_cst);
}

void bell_wait(struct bell *bell, uint32_t heard, uint64_t timeout_ns)
{
    struct timespec limit = {.tv_sec = (time_t)(timeout_ns / 1000000000U),
                             .tv_nsec = (long)(timeout_ns % 1000000000U)};

    atomic_store_explicit(&bell->sleeping, 1, memory_order_seq_cst);
    if (atomic_load_explicit(&bell->rung, memory_order_seq_cst) == heard) {
        /* Ends at a ring, the time-out or a signal; the caller looks again in any case. */
        (void)syscall(SYS_futex, &bell->rung, FUTEX_WAIT_PRIVATE, heard,
                      timeout_ns == 0 ? NULL : &limit, NULL, 0);
    }
    atomic_store_explicit(&bell->sleeping, 0, memory_order_seq_cst);
}

void bell_use(struct bell *bell, int descriptor)
{
    assert(descriptor != 0);
    atomic_store_explicit(&bell->descriptor, descriptor, memory_order_relaxed);
}

bool bell_doze(struct bell *bell, uint32_t heard)
{
    atomic_store_explicit(&bell->sleeping, 1, memory_order_seq_cst);
    if (atomic_load_explicit(&bell->rung, memory_order_seq_cst) == heard) {
        return true;
    }
    bell_awake(bell);
    return false;
}

void bell_awake(struct bell *bell)
{
    atomic_store_explicit(&bell->sleeping, 0, memory_order_seq_cst);
}

/* --- ring --- */

enum status ring_open(struct ring *ring, size_t bytes, struct bell *consumer_bell,
                      struct bell *producer_bell, struct error *error)
{
    struct region region;
    enum status status = region_open_twice(bytes, &region, error);

    if (status != STATUS_OK) {
        return status;
    }
    memset(ring, 0, sizeof *ring);
    ring->region = region;
    ring->bytes = region.bytes / 2;
    ring->mask = ring->bytes - 1;
    ring->consumer_bell = consumer_bell;
    ring->producer_bell = producer_bell;
    return STATUS_OK;
}

void ring_close(struct ring *ring)
{
    region_close(&ring->region);
}

static uint64_t whole_units(size_t bytes)
{
    return (bytes + RING_ALIGN - 1) / RING_ALIGN * RING_ALIGN;
}

static uint64_t room_of(const struct ring *ring)
{
    return ring->bytes - (ring->written - ring->head_seen);
}

static void ring_consumer(struct ring *ring)
{
    ring->woken_at = ring->written;
    if (ring->consumer_bell != NULL) {
        bell_ring(ring->consumer_bell);
    }
}

/* The last way out of a full ring: all is shown, then head is read once more (see above). */
static bool find_room(struct ring *ring, uint64_t needed)
{
    ring->head_seen = atomic_load_explicit(&ring->head, memory_order_acquire);
    if (room_of(ring) >= needed) {
        return true;
    }
    atomic_store_explicit(&ring->tail, ring->written, memory_order_seq_cst);
    if (ring->woken_at != ring->written) {
        ring_consumer(ring);
    }
    ring->head_seen = atomic_load_explicit(&ring->head, memory_order_seq_cst);
    return room_of(ring) >= needed;
}

void *ring_reserve(struct ring *ring, size_t bytes)
{
    assert(bytes <= ring->bytes / 4);
    uint64_t needed = whole_units(bytes);

    if (room_of(ring) < needed && !find_room(ring, needed)) {
        return NULL;
    }
    return (uint8_t *)ring->region.at + (ring->written & ring->mask);
}

void ring_commit(struct ring *ring, size_t bytes)
{
    ring->written += whole_units(bytes);
    assert_hot(ring->written - ring->head_seen <= ring->bytes);
    if (ring->written - atomic_load_explicit(&ring->tail, memory_order_relaxed) >=
        ring->bytes / 4) {
        ring_publish(ring, false);
    }
}

void ring_publish(struct ring *ring, bool wake)
{
    if (atomic_load_explicit(&ring->tail, memory_order_relaxed) != ring->written) {
        atomic_store_explicit(&ring->tail, ring->written, memory_order_release);
    }
    uint64_t silent = ring->written - ring->woken_at;
    if (!wake && silent > 0 && silent < RING_WAKE_BYTES &&
        ring->written - ring->head_seen >= ring->bytes / 2) {
        ring->head_seen = atomic_load_explicit(&ring->head, memory_order_acquire);
        wake = ring->written - ring->head_seen >= ring->bytes / 2;
    }
    if (wake || silent >= RING_WAKE_BYTES) {
        ring_consumer(ring);
    }
}

void ring_set_position(struct ring *ring, uint64_t key)
{
    ring_publish(ring, false);
    atomic_store_explicit(&ring->position, key, memory_order_release);
}

bool ring_is_drained(const struct ring *ring)
{
    return atomic_load_explicit(&ring->head, memory_order_acquire) ==
           atomic_load_explicit(&ring->tail, memory_order_relaxed);
}

const void *ring_peek(struct ring *ring, size_t *out_bytes)
{
    if (ring->tail_seen == ring->read) {
        ring->tail_seen = atomic_load_explicit(&ring->tail, memory_order_acquire);
        if (ring->tail_seen == ring->read) {
            *out_bytes = 0;
            return NULL;
        }
    }
    *out_bytes = (size_t)(ring->tail_seen - ring->read);
    return (const uint8_t *)ring->region.at + (ring->read & ring->mask);
}

void ring_advance(struct ring *ring, size_t bytes)
{
    ring->read += whole_units(bytes);
    assert(ring->read <= ring->tail_seen);
}

void ring_release(struct ring *ring)
{
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);

    if (ring->read == head) {
        return;
    }
    if (ring->producer_bell == NULL) {
        atomic_store_explicit(&ring->head, ring->read, memory_order_release);
        return;
    }
    atomic_store_explicit(&ring->head, ring->read, memory_order_seq_cst);
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_seq_cst);
    if (ring->read - head >= ring->bytes / 4 || tail - head > ring->bytes / 4 * 3) {
        bell_ring(ring->producer_bell);
    }
}

uint64_t ring_position(const struct ring *ring)
{
    return atomic_load_explicit(&ring->position, memory_order_acquire);
}
