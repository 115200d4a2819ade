/* order.c - heap sort: no memory beside the entries, no recursion, no worst case. Cells are taken in
 * the order of packets mostly, so most of the time there is nothing to sort. */
#include "sensor/state/order.h"

static struct order_entry *entries_of(const struct order *order)
{
    return order->region.at;
}

enum status order_open(uint32_t entries_max, struct order *order, struct error *error)
{
    *order = (struct order){.is_sorted = true};
    return region_open(order_bytes_max(entries_max), &order->region, error);
}

void order_close(struct order *order)
{
    region_close(&order->region);
    *order = (struct order){.count = 0};
}

size_t order_bytes_max(uint32_t entries_max)
{
    return (size_t)entries_max * sizeof(struct order_entry);
}

static bool is_before(struct order_entry one, struct order_entry other)
{
    return one.number != other.number ? one.number < other.number : one.cell < other.cell;
}

void order_put(struct order *order, uint64_t number, uint32_t cell)
{
    struct order_entry *entries = entries_of(order);
    struct order_entry entry = {.number = number, .cell = cell};

    assert((order->count + 1) * sizeof entry <= order->region.bytes);
    order->is_sorted &= order->count == 0 || is_before(entries[order->count - 1], entry);
    entries[order->count++] = entry;
}

static void sift(struct order_entry *entries, size_t from, size_t count)
{
    for (size_t child = 2 * from + 1; child < count; child = 2 * from + 1) {
        if (child + 1 < count && is_before(entries[child], entries[child + 1])) {
            child++;
        }
        if (!is_before(entries[from], entries[child])) {
            return;
        }
        struct order_entry swapped = entries[from];
        entries[from] = entries[child];
        entries[child] = swapped;
        from = child;
    }
}

const struct order_entry *order_sort(struct order *order)
{
    struct order_entry *entries = entries_of(order);

    if (order->is_sorted) {
        return entries;
    }
    for (size_t i = order->count / 2; i > 0; i--) {
        sift(entries, i - 1, order->count);
    }
    for (size_t last = order->count; last > 1; last--) {
        struct order_entry swapped = entries[0];
        entries[0] = entries[last - 1];
        entries[last - 1] = swapped;
        sift(entries, 0, last - 1);
    }
    order->is_sorted = true;
    return entries;
}
