/* region.c - reserved address space: a table's ceiling costs nothing until it is used, and growing
 * never moves anything. MAP_NORESERVE, because the sum of all ceilings may exceed the machine; what
 * is used is what counts.
 *
 * A ring's memory is mapped twice in a row:
 *
 *      memfd          |0 ......... n|
 *      addresses      |0 ......... n|0 ......... n|      so a record across n lies in a row
 *
 * The address space for both is reserved first; the two maps are then put over it, so no other
 * thread can slip into the gap. */
#include "base/region.h"

#include <sys/mman.h>
#include <unistd.h>

/* From here on a region gets huge pages: below, one would round a small table up to 2 MiB. */
#define HUGE_FROM_BYTES ((size_t)64 << 20)

static size_t page_bytes(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

enum status region_open(size_t bytes, struct region *out_region, struct error *error)
{
    size_t page = page_bytes();

    assert(bytes > 0);
    if (bytes > SIZE_MAX - page) {
        return error_set(error, STATUS_FAILED, "memory", "a region of %zu bytes cannot exist",
                         bytes);
    }
    bytes = (bytes + page - 1) / page * page;
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) {
        return error_system(error, STATUS_FAILED, "memory",
                            "cannot reserve %zu bytes of address space (see ulimit -v, or make the "
                            "tables smaller)",
                            bytes);
    }
    if (bytes >= HUGE_FROM_BYTES) {
        /* A wish only: without huge pages all is slower and nothing else. */
        (void)madvise(at, bytes, MADV_HUGEPAGE);
    }
    *out_region = (struct region){.at = at, .bytes = bytes};
    return STATUS_OK;
}

static size_t power_of_two(size_t bytes)
{
    size_t power = page_bytes();

    while (power < bytes) {
        power <<= 1;
    }
    return power;
}

enum status region_open_twice(size_t bytes, struct region *out_region, struct error *error)
{
    enum status status = STATUS_OK;

    assert(bytes > 0);
    if (bytes > SIZE_MAX / 8) {
        return error_set(error, STATUS_FAILED, "memory", "a ring of %zu bytes cannot exist", bytes);
    }
    bytes = power_of_two(bytes);
    int file = memfd_create("ring", MFD_CLOEXEC);
    if (file < 0) {
        return error_system(error, STATUS_FAILED, "memory", "cannot create the memory of a ring");
    }
    if (ftruncate(file, (off_t)bytes) != 0) {
        status =
            error_system(error, STATUS_FAILED, "memory", "cannot size a ring to %zu bytes", bytes);
        goto close_file;
    }
    uint8_t *at =
        mmap(NULL, 2 * bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) {
        status = error_system(error, STATUS_FAILED, "memory",
                              "cannot reserve %zu bytes of address space for a ring", 2 * bytes);
        goto close_file;
    }
    for (unsigned half = 0; half < 2; half++) {
        void *mapped =
            mmap(at + half * bytes, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, 0);
        if (mapped == MAP_FAILED) {
            status = error_system(error, STATUS_FAILED, "memory", "cannot map a ring of %zu bytes",
                                  bytes);
            (void)munmap(at, 2 * bytes);
            goto close_file;
        }
    }
    *out_region = (struct region){.at = at, .bytes = 2 * bytes};
close_file:
    (void)close(file); /* the maps keep the memory */
    return status;
}

void region_close(struct region *region)
{
    if (region->at != NULL) {
        int result = munmap(region->at, region->bytes);
        assert(result == 0);
        (void)result;
    }
    *region = (struct region){.at = NULL};
}
