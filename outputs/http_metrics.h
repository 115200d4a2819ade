/* http_metrics.h - the figures in the text format that Prometheus reads.
 *
 * Owns      nothing.
 * Borrows   what it prints, during the call.
 * Time      the steady clock, as an argument.
 * Bounds    one sample for each row, reason, rule and output: METRICS_BYTES_MAX holds them all,
 *           with names of outputs as long as they can be. No
 *           label holds an address, a user or a Call-ID.
 * Errors    none.
 * Thread    the writer's. */
#ifndef OUTPUTS_HTTP_METRICS_H
#define OUTPUTS_HTTP_METRICS_H

#include "outputs/http_health.h"

enum { METRICS_BYTES_MAX = 2 << 20 };

void http_metrics_print(const struct http_view *view, const struct output_host *host,
                        const struct health *health, uint64_t steady_ns, struct text *text);

#endif
