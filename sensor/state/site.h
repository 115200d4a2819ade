/* site.h - what tables of this room count fairness and "the same site" by: the /24 or /48 of an
 * address.
 *
 * Owns      nothing.
 * Borrows   the address during the call.
 * Time      none.
 * Bounds    none.
 * Errors    none.
 * Thread    any. */
#ifndef SENSOR_STATE_SITE_H
#define SENSOR_STATE_SITE_H

#include "base/hash.h"

/* Never 0: group 0 of a table means "no group". Put together byte by byte, so that it is the same
 * on any machine. */
static inline uint64_t site_hash(struct hash_key key, const struct addr *addr)
{
    const uint8_t *at = addr->octets;
    uint64_t site;

    if (addr_is_v4(addr)) {
        site = UINT64_C(1) << 63 | (uint64_t)at[12] << 16 | (uint64_t)at[13] << 8 | at[14];
    } else {
        site = (uint64_t)at[0] << 40 | (uint64_t)at[1] << 32 | (uint64_t)at[2] << 24 |
               (uint64_t)at[3] << 16 | (uint64_t)at[4] << 8 | at[5];
    }
    return hash_mix(key.seed, site) | 1;
}

#endif
