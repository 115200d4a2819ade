/* region.h - address space reserved at start and touched only as it is used.
 *
 * Owns      the mapping; region_close() gives it back.
 * Borrows   nothing.
 * Time      none.
 * Bounds    `bytes` fixed at open: the ceiling of a table is known at start, its pages come with
 *           use.
 * Errors    open can fail (address space); after that a page that the kernel refuses ends the
 *           process.
 * Thread    open and close: one. The memory itself has the owner's rules. */
#ifndef BASE_REGION_H
#define BASE_REGION_H

#include "base/status.h"

#if defined(__SANITIZE_ADDRESS__)
#define REGION_HIDES
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define REGION_HIDES
#endif
#endif
#ifdef REGION_HIDES
#include <sanitizer/asan_interface.h>
#endif

struct region {
    void *at; /* zeroed, 4 KiB aligned; huge pages are asked for from 64 MiB on */
    size_t bytes;
};

MUST_USE enum status region_open(size_t bytes, struct region *out_region, struct error *error);
/* `bytes` (rounded up to a page, power of two) mapped twice in a row, so that a ring never wraps;
 * the region's `bytes` are those of both maps together. */
MUST_USE enum status region_open_twice(size_t bytes, struct region *out_region,
                                       struct error *error);
void region_close(struct region *region); /* of either kind; a zeroed struct is allowed */

/* Under AddressSanitizer a touch of hidden bytes is an error: so it sees the use of a cell that was
 * given back. In any other build these are nothing. Shown again before the region is closed. */
#ifdef REGION_HIDES
static inline void region_hide(void *at, size_t bytes)
{
    __asan_poison_memory_region(at, bytes);
}
static inline void region_show(void *at, size_t bytes)
{
    __asan_unpoison_memory_region(at, bytes);
}
#else
static inline void region_hide(void *at, size_t bytes)
{
    (void)at;
    (void)bytes;
}
static inline void region_show(void *at, size_t bytes)
{
    (void)at;
    (void)bytes;
}
#endif

#endif
