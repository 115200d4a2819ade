/* duplicate_cell.h - the table of mirror copies from inside, for duplicate.c and for the short way
 * of the plain frame in unwrap.c.
 *
 * Owns      nothing: the struct is duplicate.c's to open and close.
 * Borrows   nothing.
 * Time      packet time in ns, an argument.
 * Bounds    as in duplicate.h.
 * Errors    none.
 * Thread    one owner.
 *
 * A packet that has no twin, and most have not, costs its hash, a head and a cell: that is here. What
 * a twin means is in duplicate.c, which also has the picture. */
#ifndef SENSOR_FLOWS_DUPLICATE_CELL_H
#define SENSOR_FLOWS_DUPLICATE_CELL_H

#include "base/region.h"
#include "sensor/flows/duplicate.h"

enum {
    DUPLICATE_HEADS = 2 * DUPLICATE_CELLS,
    DUPLICATE_HEAD_SHIFT = 64 - 15,
    DUPLICATE_HEAD_BYTES = 32, /* of the payload, where a checksum covers the rest */
};

static_assert(DUPLICATE_HEADS == 1 << (64 - DUPLICATE_HEAD_SHIFT),
              "the top bits of a hash choose its head");
static_assert((DUPLICATE_CELLS & (DUPLICATE_CELLS - 1)) == 0, "a number's cell is its low bits");

struct duplicate_cell {
    uint64_t hash;
    uint64_t time_ns;
    uint32_t where; /* port, VLANs, TTL, MAC, mixed: what differs between mirrors; anything where
                       an id decides */
    uint32_t before; /* number of the packet before it in its chain; 0 = none */
};

struct duplicate_table {
    uint32_t number; /* of the newest packet; begins where a link of 0 is stale */
    uint32_t recent; /* packets before this number are a window older than the newest stamp ... */
    uint32_t live; /* ... and before this one two windows: all that were when it was looked at */
    uint64_t newest_ns;
    struct duplicate_cell *ring;
    uint32_t *heads;
    struct hash_key key;
    struct wordhash words;
    struct region ring_region;
    struct region heads_region;
};

/* --- the hash: a sum of what nobody can choose, and what the headers say --- */

/* A direction is not its other: the sender is in it twice. */
static inline uint64_t duplicate_sum_ends(const struct wordhash_ends *ends)
{
    return ends->both + ends->from;
}

static inline uint64_t duplicate_sum_payload(const struct wordhash *words, const uint8_t *payload)
{
    static_assert(DUPLICATE_HEAD_BYTES == 32, "four words");
    return wordhash_pair(words, 8, wordhash_at(payload), wordhash_at(payload + 8)) +
           wordhash_pair(words, 10, wordhash_at(payload + 16), wordhash_at(payload + 24));
}

/* `marks` as of plain_marks(). */
static inline uint64_t duplicate_fold(const struct wordhash *words, uint64_t sum, uint64_t marks)
{
    return hash_fold(sum ^ marks, words->odd);
}

/* Only asked for where no id tells a copy from a packet sent again. */
static inline uint32_t duplicate_where(const struct wordhash *words, uint16_t interface,
                                       uint16_t vlan_outer, uint16_t vlan_inner, uint8_t ttl,
                                       uint64_t link_hash_input, uint32_t vni)
{
    uint64_t where =
        (uint64_t)interface << 48 | (uint64_t)vlan_outer << 32 | (uint64_t)vlan_inner << 16 | ttl;
    return (uint32_t)wordhash_pair(words, 0, where, link_hash_input ^ (uint64_t)vni << 24);
}

/* --- the table --- */

/* duplicate.c: is the packet a copy of its twin `number`, which was met in the chain? */
bool duplicate_is_copy(struct duplicate_table *table, uint32_t number, bool has_id, uint32_t where,
                       uint64_t now_ns);

/* True: a copy. Else the packet is remembered. `where` may be anything with `has_id`. */
static inline bool duplicate_see_hash(struct duplicate_table *table, uint64_t hash, bool has_id,
                                      uint32_t where, uint64_t now_ns)
{
    uint32_t *head = &table->heads[hash >> DUPLICATE_HEAD_SHIFT];
    uint32_t number = table->number + 1;
    uint32_t seen = *head;
    /* `recent` may be behind, never ahead: who is found decides whether he is too old. It says
     * nothing to a stamp that lies before others. */
    uint32_t reach = now_ns < table->newest_ns ? DUPLICATE_CELLS : number - table->recent;
    reach = reach < DUPLICATE_CELLS ? reach : DUPLICATE_CELLS;
    table->newest_ns = now_ns > table->newest_ns ? now_ns : table->newest_ns;
    /* Ends: what a cell links to is older than it. */
    for (uint32_t twin = seen; number - twin <= reach;) {
        const struct duplicate_cell *cell = &table->ring[twin & (DUPLICATE_CELLS - 1)];
        if (__builtin_expect(cell->hash == hash, false)) { /* the twin seen last decides */
            if (duplicate_is_copy(table, twin, has_id, where, now_ns)) {
                return true;
            }
            break;
        }
        twin = cell->before;
    }
    table->number = number;
    struct duplicate_cell *cell = &table->ring[number & (DUPLICATE_CELLS - 1)];
    cell->hash = hash;
    cell->time_ns = now_ns;
    cell->where = where;
    cell->before = seen;
    *head = number;
    return false;
}

static inline void duplicate_prefetch(const struct duplicate_table *table, uint64_t hash)
{
    __builtin_prefetch(&table->heads[hash >> DUPLICATE_HEAD_SHIFT], 1);
}

/* When the head is there: the cell that it leads to. At 100,000 packets a second every third packet
 * looks at one, and waiting for it was half of all that the search took. */
static inline void duplicate_prefetch_cell(const struct duplicate_table *table, uint64_t hash)
{
    uint32_t newest = table->heads[hash >> DUPLICATE_HEAD_SHIFT];
    if (table->number - newest <= table->number - table->recent) {
        __builtin_prefetch(&table->ring[newest & (DUPLICATE_CELLS - 1)]);
    }
}

#endif
