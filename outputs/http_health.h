/* http_health.h - whether what the sensor tells can be relied on now, and why not, in words.
 *
 * Owns      nothing but what the caller holds.
 * Borrows   the view and the places during the calls.
 * Time      the steady clock, as an argument.
 * Bounds    HEALTH_REASONS reasons, further ones are left out and the last says so.
 * Errors    none.
 * Thread    the writer's. */
#ifndef OUTPUTS_HTTP_HEALTH_H
#define OUTPUTS_HTTP_HEALTH_H

#include "outputs/http_view.h"

enum { HEALTH_REASONS = 16, HEALTH_REASON_BYTES = 512 };

/* What must be looked at all the time, not only when somebody asks. */
struct health_watch {
    uint64_t started_ns;
    uint64_t lost_ppm; /* share of frames lost in 10 s from which it is not healthy */
    struct {
        uint64_t away_since_ns; /* 0: not away */
        uint64_t dropped;
        uint64_t dropped_ns; /* when that figure last rose; 0: never */
    } places[OUTPUT_PLACES_MAX];
};

struct health {
    bool good;
    uint32_t count;
    char reasons[HEALTH_REASONS][HEALTH_REASON_BYTES]; /* printable; there can be some while good */
};

void health_watch_look(struct health_watch *watch, const struct output_host *host,
                       uint64_t steady_ns);
void health_judge(const struct health_watch *watch, const struct http_view *view,
                  const struct output_host *host, uint64_t steady_ns, struct health *out_health);
/* {"status":"ok","reasons":["..."]} and a line end. */
void health_print(const struct health *health, struct text *text);

#endif
