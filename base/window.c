/* window.c - counting "the last minute" without remembering the minute.
 *
 * Time is cut into buckets of a twelfth of the length. Thirteen are kept: the newest is still
 * filling, so twelve would cover less than the length and miss what is inside.
 *
 *      |--1--|--2--| ... |--12-|-13  :            sum = all thirteen:  length <= covered < length *
 * 13/12 now
 *
 * A decayed rate is exact in time: only as much time is taken off as the fraction of 1/65536
 * half-life could express, the rest stays for later. Otherwise many small steps would round to no
 * decay at all. */
#include "base/window.h"

enum { SLOTS = WINDOW_BUCKETS + 1 };
/* Bucket numbers run modulo a multiple of SLOTS, so that slots follow each other across the end
 * too. */
#define NUMBERS ((uint32_t)SLOTS << 28)

static_assert(sizeof(struct window) == 32, "lanes of detectors count on this");
static_assert(sizeof(struct decay) == 16, "lanes of detectors count on this");

static uint64_t bucket_ns(uint64_t length_ns)
{
    return length_ns <= WINDOW_BUCKETS ? 1 : (length_ns + WINDOW_BUCKETS - 1) / WINDOW_BUCKETS;
}

static uint16_t mark_of(uint64_t length_ns)
{
    return (uint16_t)(1 + length_ns % 65521); /* a prime: near lengths differ */
}

static void count_into(uint16_t *count, uint32_t amount)
{
    uint32_t room = UINT16_MAX - (uint32_t)*count;

    *count = (uint16_t)(*count + (amount < room ? amount : room));
}

static uint32_t sum_of(const struct window *window)
{
    uint32_t sum = 0;

    for (unsigned slot = 0; slot < SLOTS; slot++) {
        sum += window->count[slot];
    }
    return sum;
}

/* How many buckets have begun since the newest; 0 also for a step back. */
static uint32_t buckets_since(const struct window *window, uint64_t now_ns, uint64_t length_ns,
                              uint32_t *out_bucket)
{
    uint32_t bucket = (uint32_t)(now_ns / bucket_ns(length_ns) % NUMBERS);
    uint32_t since =
        bucket >= window->newest ? bucket - window->newest : bucket + (NUMBERS - window->newest);

    *out_bucket = bucket;
    return since > NUMBERS / 2 ? 0 : since;
}

uint32_t window_add(struct window *window, uint64_t now_ns, uint64_t length_ns, uint32_t amount)
{
    uint32_t bucket;
    uint32_t since = buckets_since(window, now_ns, length_ns, &bucket);

    if (window->length_mark != mark_of(length_ns)) {
        uint32_t before = window->length_mark == 0 ? 0 : sum_of(window);
        memset(window->count, 0, sizeof window->count);
        window->length_mark = mark_of(length_ns);
        window->newest = bucket;
        count_into(&window->count[bucket % SLOTS], before);
    } else if (since > 0) {
        uint32_t slot = window->newest % SLOTS;
        for (uint32_t i = since < SLOTS ? since : SLOTS; i > 0; i--) {
            slot = slot + 1 < SLOTS ? slot + 1 : 0;
            window->count[slot] = 0;
        }
        window->newest = bucket;
    }
    count_into(&window->count[window->newest % SLOTS], amount);
    return sum_of(window);
}

uint32_t window_sum(const struct window *window, uint64_t now_ns, uint64_t length_ns)
{
    uint32_t bucket;
    uint32_t since = buckets_since(window, now_ns, length_ns, &bucket);
    uint32_t sum = sum_of(window);

    if (window->length_mark != mark_of(length_ns)) {
        return sum;
    }
    uint32_t slot = window->newest % SLOTS;
    for (uint32_t i = since < SLOTS ? since : SLOTS; i > 0; i--) {
        slot = slot + 1 < SLOTS ? slot + 1 : 0;
        sum -= window->count[slot];
    }
    return sum;
}

/* value * 2^(-fraction / 65536), by the roots of one half: bit k of the fraction stands for
 * 2^-(16-k). */
static uint64_t decay_fraction(uint64_t value, uint32_t fraction)
{
    /* 2^32 * 2^-(2^-i) for i = 1 to 16 */
    static const uint32_t roots_q32[16] = {
        3037000500U, 3611622603U, 3938502376U, 4112874773U, 4202935003U, 4248701965U,
        4271771996U, 4283353945U, 4289156690U, 4292061010U, 4293513907U, 4294240540U,
        4294603903U, 4294785595U, 4294876445U, 4294921870U,
    };

    for (unsigned i = 0; i < 16; i++) {
        if ((fraction >> (15 - i) & 1) != 0) {
            uint64_t low = (value & UINT32_MAX) * roots_q32[i] + (UINT64_C(1) << 31);
            value = (value >> 32) * roots_q32[i] + (low >> 32);
        }
    }
    return value;
}

/* Brings the value to now_ns, as near as 1/65536 of the half-life. */
static struct decay decay_to(struct decay decay, uint64_t now_ns, uint64_t half_life_ns)
{
    assert(half_life_ns > 0);
    if (now_ns <= decay.at_ns || decay.value_q16 == 0) {
        decay.at_ns = now_ns > decay.at_ns ? now_ns : decay.at_ns;
        return decay;
    }
    uint64_t span = now_ns - decay.at_ns;
    uint64_t halvings = span / half_life_ns;
    uint64_t rest = span % half_life_ns;
    /* Beyond 2^47 ns (39 hours) the half-life is measured in coarser steps, so that 16 bits fit. */
    unsigned coarse = 0;
    while (half_life_ns >> coarse >= UINT64_C(1) << 47) {
        coarse++;
    }
    uint64_t unit = half_life_ns >> coarse;
    uint32_t fraction = (uint32_t)(((rest >> coarse) << 16) / unit);
    if (fraction > UINT16_MAX) {
        fraction = UINT16_MAX;
    }
    decay.value_q16 = halvings >= 64 ? 0 : decay.value_q16 >> halvings;
    decay.value_q16 = decay_fraction(decay.value_q16, fraction);
    /* Rounded up, so that the next step finds this fraction used up and not still there. */
    decay.at_ns += halvings * half_life_ns + (((unit * fraction + UINT16_MAX) >> 16) << coarse);
    decay.at_ns = decay.at_ns < now_ns ? decay.at_ns : now_ns;
    return decay;
}

uint64_t decay_add(struct decay *decay, uint64_t now_ns, uint64_t half_life_ns, uint32_t amount)
{
    uint64_t added = (uint64_t)amount << 16;

    *decay = decay_to(*decay, now_ns, half_life_ns);
    decay->value_q16 =
        added > UINT64_MAX - decay->value_q16 ? UINT64_MAX : decay->value_q16 + added;
    return decay->value_q16;
}

uint64_t decay_value(const struct decay *decay, uint64_t now_ns, uint64_t half_life_ns)
{
    return decay_to(*decay, now_ns, half_life_ns).value_q16;
}
