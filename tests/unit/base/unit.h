/* unit.h - what the unit tests of base share: cmocka in the order it wants, and seeded numbers. */
#ifndef TESTS_UNIT_BASE_UNIT_H
#define TESTS_UNIT_BASE_UNIT_H

/* cmocka wants these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/slice.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* xorshift64*: the same numbers on every machine, so a failure repeats. */
static inline uint64_t random_next(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(0x2545f4914f6cdd1d);
}

static inline uint32_t random_below(uint64_t *state, uint32_t limit)
{
    return (uint32_t)((random_next(state) >> 32) % limit);
}

static inline void assert_slice(struct slice got, const char *wanted)
{
    if (got.bytes != strlen(wanted) || !slice_equal(got, slice_of_string(wanted))) {
        fail_msg("got '%.*s', wanted '%s'", (int)got.bytes, got.bytes == 0 ? "" : got.at, wanted);
    }
}

#endif
