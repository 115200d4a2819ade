/* sketch.h - distinct counts, heavy hitters, the last N: bounded answers to unbounded questions.
 *
 * Owns      nothing: plain structs, zeroed memory is a valid start.
 * Borrows   nothing; members are 64-bit keyed hashes (a chosen input drives an unkeyed HyperLogLog
 *           anywhere: ePrint 2021/1139).
 * Time      none; owners reset by window.
 * Bounds    fixed sizes below.
 * Errors    none.
 * Thread    one owner. */
#ifndef BASE_SKETCH_H
#define BASE_SKETCH_H

#include "base/status.h"

enum {
    DISTINCT_EXACT = 64,
    DISTINCT_REGISTERS = 512,
    TOP_CELLS = 32,
    COUNT_MIN_ROWS = 4,
    COUNT_MIN_COLUMNS = 65536,
    COUNT_MIN_BITS = 8, /* of a counter; it stays at 255 */
};

/* Exact up to 64 members, then HyperLogLog with 512 registers (about 4.6 % error), then said with
 * two significant digits: a figure that is an estimate must look like one. */
struct distinct {
    uint32_t count; /* exact members, or the rounded estimate */
    bool estimated;
    uint16_t empty; /* registers at 0, once estimated */
    uint64_t sum; /* of 2^(24 - r) over the registers r > 0: kept, so that counting scans nothing */
    union {
        uint32_t members[DISTINCT_EXACT]; /* keyed 32-bit hashes */
        uint8_t registers[DISTINCT_REGISTERS];
    } in;
};

/* True: certainly seen for the first time. In the exact part every new one gives true, later some
 * do. */
bool distinct_add(struct distinct *distinct, uint64_t hash);
uint32_t distinct_count(const struct distinct *distinct);
/* Can it be used? For one that came from a file. */
bool distinct_is_sound(const struct distinct *distinct);

/* The same up to `room` members only, in memory of the caller: for slots that must stay small. Full
 * and still growing: *count stops at room and the return says "new" no more. */
bool small_set_add(uint32_t *members, uint16_t *count, uint16_t room, uint64_t hash);
bool small_set_has(const uint32_t *members, uint16_t count, uint64_t hash);

/* Space-saving (Metwally et al. 2005): the keys that came most often; counts are upper bounds with
 * their error beside them. Ties go to the lower cell, so answers repeat. */
struct top {
    struct top_cell {
        uint64_t key;
        uint64_t count;
        uint64_t error;
    } cells[TOP_CELLS];
    uint32_t used;
};

void top_add(struct top *top, uint64_t key, uint64_t amount);
/* Cells sorted by count, then by cell (not by key: no order may follow a hash); returns how many.
 */
uint32_t top_sorted(const struct top *top, struct top_cell *out, uint32_t room);

/* How often each of very many keys came (count-min, Cormode and Muthukrishnan 2005): never too low,
 * up to 255. An addition raises only the counters that are lowest (Estan and Varghese 2002), which
 * puts off the day when all keys look frequent; halving takes it back. */
struct count_min {
    uint8_t counters[COUNT_MIN_ROWS][COUNT_MIN_COLUMNS];
};

uint32_t count_min_add(struct count_min *counts, uint64_t hash); /* the count with this one */
void count_min_halve(struct count_min *counts);

#endif
