/* sketch.c - distinct counts: a short list first, then HyperLogLog (Flajolet et al. 2007) with 512
 * registers over 32-bit hashes: 9 bits choose the register, the rest gives the rank 1 to 24.
 *
 * The estimator is Ertl's (arXiv 1702.01284): without the bias that the first one has between 2 and
 * 5 times the registers, and with the four operations and no logarithm, so that every machine says
 * the same. It needs the number of empty registers and the sum of 2^-r of the others; both are kept
 * as integers while adding. His term for registers that are full to the last rank is left out: that
 * is beyond 10^9 members.
 *
 * Limits: 32-bit hashes collide; a million members are under-counted by about a hundred, far below
 * the error that is said anyway.
 *
 * Space-saving: Metwally, Agrawal, El Abbadi 2005. 32 cells are scanned; that is 12 lines in a row.
 */
#include "base/sketch.h"

enum { REGISTER_BITS = 9, RANK_MAX = 32 - REGISTER_BITS + 1 };
static_assert(1 << REGISTER_BITS == DISTINCT_REGISTERS, "9 bits choose the register");

static uint32_t fold(uint64_t hash)
{
    return (uint32_t)(hash ^ hash >> 32);
}

bool small_set_has(const uint32_t *members, uint16_t count, uint64_t hash)
{
    uint32_t member = fold(hash);

    for (unsigned i = 0; i < count; i++) {
        if (members[i] == member) {
            return true;
        }
    }
    return false;
}

bool small_set_add(uint32_t *members, uint16_t *count, uint16_t room, uint64_t hash)
{
    if (*count >= room || small_set_has(members, *count, hash)) {
        return false;
    }
    members[(*count)++] = fold(hash);
    return true;
}

/* --- distinct --- */

/* Contribution of the empty registers: sum of x^(2^k) * 2^(k-1), for x < 1. */
static double sigma(double x)
{
    double sum = x;
    double weight = 1;
    double before;

    do {
        x *= x;
        before = sum;
        sum += x * weight;
        weight += weight;
    } while (sum > before);
    return sum;
}

/* Two significant digits, rounded half up. */
static uint32_t round_to_two(double estimate)
{
    uint64_t value = estimate >= (double)UINT32_MAX ? UINT32_MAX : (uint64_t)(estimate + 0.5);
    uint64_t scale = 1;

    while (value / scale >= 100) {
        scale *= 10;
    }
    value = (value + scale / 2) / scale * scale;
    return value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
}

static uint32_t estimate(const struct distinct *distinct)
{
    const double registers = DISTINCT_REGISTERS;
    const double alpha = 0.72134752044448170368; /* 1 / (2 ln 2) */
    double sum = (double)distinct->sum / (double)(UINT32_C(1) << RANK_MAX);

    sum += registers * sigma((double)distinct->empty / registers);
    return round_to_two(alpha * registers * registers / sum);
}

static bool register_raise(struct distinct *distinct, uint32_t member)
{
    uint32_t slot = member >> (32 - REGISTER_BITS);
    uint32_t rest = member << REGISTER_BITS;
    uint8_t rank = (uint8_t)(rest == 0 ? RANK_MAX : __builtin_clz(rest) + 1);
    uint8_t before = distinct->in.registers[slot];

    if (rank <= before) {
        return false;
    }
    if (before == 0) {
        distinct->empty--;
    } else {
        distinct->sum -= UINT64_C(1) << (RANK_MAX - before);
    }
    distinct->sum += UINT64_C(1) << (RANK_MAX - rank);
    distinct->in.registers[slot] = rank;
    return true;
}

static void promote(struct distinct *distinct)
{
    uint32_t members[DISTINCT_EXACT];

    memcpy(members, distinct->in.members, sizeof members);
    memset(&distinct->in, 0, sizeof distinct->in);
    distinct->estimated = true;
    distinct->empty = DISTINCT_REGISTERS;
    distinct->sum = 0;
    for (unsigned i = 0; i < DISTINCT_EXACT; i++) {
        (void)register_raise(distinct, members[i]);
    }
}

bool distinct_add(struct distinct *distinct, uint64_t hash)
{
    if (!distinct->estimated) {
        if (small_set_has(distinct->in.members, (uint16_t)distinct->count, hash)) {
            return false;
        }
        if (distinct->count < DISTINCT_EXACT) {
            distinct->in.members[distinct->count++] = fold(hash);
            return true;
        }
        promote(distinct);
        distinct
            ->count++; /* this one is new for certain; an estimate below it would be a step back */
        (void)register_raise(distinct, fold(hash));
    } else if (!register_raise(distinct, fold(hash))) {
        return false;
    }
    uint32_t count = estimate(distinct);
    if (count > distinct->count) {
        distinct->count = count;
    }
    return true;
}

uint32_t distinct_count(const struct distinct *distinct)
{
    return distinct->count;
}

bool distinct_is_sound(const struct distinct *distinct)
{
    uint8_t estimated; /* a byte of a file: no truth may be read of it yet */

    memcpy(&estimated, &distinct->estimated, sizeof estimated);
    if (estimated == 0) {
        return distinct->count <= DISTINCT_EXACT;
    }
    for (unsigned i = 0; i < DISTINCT_REGISTERS; i++) {
        if (distinct->in.registers[i] > RANK_MAX) {
            return false;
        }
    }
    return estimated == 1 && distinct->empty <= DISTINCT_REGISTERS;
}

/* --- heavy hitters --- */

void top_add(struct top *top, uint64_t key, uint64_t amount)
{
    uint32_t lowest = 0;

    for (uint32_t i = 0; i < top->used; i++) {
        if (top->cells[i].key == key) {
            top->cells[i].count += amount;
            return;
        }
        if (top->cells[i].count < top->cells[lowest].count) {
            lowest = i;
        }
    }
    if (top->used < TOP_CELLS) {
        top->cells[top->used++] = (struct top_cell){.key = key, .count = amount};
        return;
    }
    struct top_cell *cell = &top->cells[lowest];
    *cell = (struct top_cell){.key = key, .count = cell->count + amount, .error = cell->count};
}

uint32_t top_sorted(const struct top *top, struct top_cell *out, uint32_t room)
{
    struct top_cell sorted[TOP_CELLS];

    for (uint32_t i = 0; i < top->used; i++) {
        uint32_t at = i;
        while (at > 0 && sorted[at - 1].count < top->cells[i].count) {
            sorted[at] = sorted[at - 1];
            at--;
        }
        sorted[at] = top->cells[i];
    }
    uint32_t count = top->used < room ? top->used : room;
    memcpy(out, sorted, count * sizeof *out);
    return count;
}

/* --- counts of many keys --- */

uint32_t count_min_add(struct count_min *counts, uint64_t hash)
{
    uint8_t *counters[COUNT_MIN_ROWS];
    uint8_t lowest = UINT8_MAX;

    static_assert(COUNT_MIN_ROWS * 16 == 64 && COUNT_MIN_COLUMNS == 1 << 16,
                  "16 bits of the hash choose the column of a row");
    for (unsigned row = 0; row < COUNT_MIN_ROWS; row++) {
        counters[row] = &counts->counters[row][(uint16_t)(hash >> row * 16)];
        lowest = *counters[row] < lowest ? *counters[row] : lowest;
    }
    if (lowest == UINT8_MAX) {
        return lowest;
    }
    for (unsigned row = 0; row < COUNT_MIN_ROWS; row++) {
        *counters[row] = (uint8_t)(*counters[row] + (*counters[row] == lowest));
    }
    return lowest + 1U;
}

void count_min_halve(struct count_min *counts)
{
    for (unsigned row = 0; row < COUNT_MIN_ROWS; row++) {
        for (unsigned column = 0; column < COUNT_MIN_COLUMNS; column++) {
            counts->counters[row][column] /= 2;
        }
    }
}
