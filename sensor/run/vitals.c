/* vitals.c - asked once every ten seconds, so a file of /proc may be read. */
#include "sensor/run/vitals.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

static uint64_t clock_ns(clockid_t which)
{
    struct timespec now = {0};
    (void)clock_gettime(which, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

uint64_t vitals_begin(void)
{
    return clock_ns(CLOCK_BOOTTIME);
}

static uint64_t cpu_ms(void)
{
    struct rusage usage;

    if (getrusage(RUSAGE_SELF, &usage) != 0) {
        return 0;
    }
    return ((uint64_t)usage.ru_utime.tv_sec + (uint64_t)usage.ru_stime.tv_sec) * 1000 +
           ((uint64_t)usage.ru_utime.tv_usec + (uint64_t)usage.ru_stime.tv_usec) / 1000;
}

/* The second number of statm, in pages. */
static uint64_t rss_bytes(void)
{
    char text[128];
    int descriptor = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t bytes = descriptor < 0 ? 0 : read(descriptor, text, sizeof text);
    uint64_t pages = 0;

    if (descriptor >= 0) {
        (void)close(descriptor);
    }
    struct slice line = slice_of(text, bytes > 0 ? (size_t)bytes : 0);
    struct slice rest = slice_from(line, slice_find(line, ' ') + 1);
    if (!slice_u64(slice_part(rest, 0, slice_find(rest, ' ')), &pages)) {
        return 0;
    }
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

void vitals_look(const struct run_shared *shared, uint64_t begun_ns, uint64_t mark_ns,
                 struct telemetry_live *out_live)
{
    uint64_t now_ns = clock_ns(CLOCK_REALTIME);

    *out_live =
        (struct telemetry_live){.uptime_s = (clock_ns(CLOCK_BOOTTIME) - begun_ns) / NS_PER_S,
                                .cpu_ms = cpu_ms(),
                                .rss_bytes = rss_bytes(),
                                .lag_ns = now_ns > mark_ns ? now_ns - mark_ns : 0,
                                .output_count = shared->output_count};
    for (uint32_t i = 0; i < shared->output_count; i++) {
        const struct run_output *output = &shared->outputs[i];
        out_live->outputs[i] = (struct telemetry_output){
            .name = output->name,
            .waiting = atomic_load_explicit(&output->waiting, memory_order_relaxed),
            .acknowledged = atomic_load_explicit(&output->acknowledged, memory_order_relaxed),
            .repeated = atomic_load_explicit(&output->repeated, memory_order_relaxed),
            .dropped = atomic_load_explicit(&output->dropped, memory_order_relaxed)};
    }
}
