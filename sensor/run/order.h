/* order.h - live: numbers for frames and marks out of time, so that N rings need no word to each
 * other.
 *
 * Owns      a few numbers.
 * Borrows   nothing.
 * Time      state time, an argument; ticks of 256 ns since the second of the start.
 * Bounds    54 bits of number: 9 years from the start of the sensor. 3.9 M frames a second on one
 *           ring; what is faster runs ahead of the clock, and state time follows it.
 * Errors    none.
 * Thread    one owner: the worker of the ring.
 *
 *   number   | ticks since the start, 50 bits | ring, 4 bits |
 *
 * With -r a frame's number is its place in the file. Live there is no such place: two workers see
 * two frames at once. So the key of a sighting is its time, then the ring, then the order within
 * the ring (a second frame within a tick takes the next one), and all that lives on numbers
 * (identity of streams, blocks that are free again, the analyst's merge) works as it does with -r. A
 * second is a whole number of ticks: the mark of a second has the same number on every ring, below
 * all frames of that second. */
#ifndef SENSOR_RUN_ORDER_H
#define SENSOR_RUN_ORDER_H

#include "base/clock.h"

enum { ORDER_TICK_NS = 256, ORDER_RING_BITS = 4, ORDER_STEP = 1 << ORDER_RING_BITS };
#define ORDER_SECOND ((NS_PER_S / ORDER_TICK_NS) << ORDER_RING_BITS)
static_assert(NS_PER_S % ORDER_TICK_NS == 0, "a mark falls on a tick");

struct order {
    uint64_t origin_s; /* second of the start; no time lies before it */
    uint64_t last; /* number of the last frame */
    uint64_t told_ns; /* nothing earlier was expected any more */
    uint64_t end_s; /* second beyond all frames: the end has one number on all rings */
    uint32_t ring; /* below ORDER_STEP */
};

/* The lowest number at that time. */
static inline uint64_t order_at(const struct order *order, uint64_t time_ns)
{
    return time_since(time_ns, order->origin_s * NS_PER_S) / ORDER_TICK_NS << ORDER_RING_BITS;
}

/* Number that the mark of a second stands before. */
static inline uint64_t order_mark(const struct order *order, uint64_t second)
{
    return second > order->origin_s ? (second - order->origin_s) * ORDER_SECOND : 0;
}

static inline uint64_t order_second(const struct order *order, uint64_t number)
{
    return order->origin_s + number / ORDER_SECOND;
}

/* Number of a frame at state time now_ns. */
static inline uint64_t order_next(struct order *order, uint64_t now_ns)
{
    uint64_t number = order_at(order, now_ns) | order->ring;
    if (number <= order->last) {
        number = order->last + ORDER_STEP;
    }
    order->last = number;
    return number;
}

/* Number of the end. */
static inline uint64_t order_end(const struct order *order)
{
    uint64_t number = order_mark(order, order->end_s);
    return number > order->last ? number : order->last + 1;
}

#endif
