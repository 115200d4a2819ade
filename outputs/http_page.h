/* http_page.h - the status page: one page of HTML, and its style.
 *
 * Owns      nothing.
 * Borrows   what it prints, during the call.
 * Time      the steady clock, as an argument; times shown are those of the records, in UTC.
 * Bounds    HTTP_PAGE_BYTES_MAX holds VIEW_INCIDENTS incidents and OUTPUT_PLACES_MAX outputs with every
 *           byte escaped in the longest way.
 * Errors    none.
 * Thread    the writer's.
 *
 * No script, no resource but the style; every text that is not ours goes through http_page_escape(). */
#ifndef OUTPUTS_HTTP_PAGE_H
#define OUTPUTS_HTTP_PAGE_H

#include "outputs/http_health.h"

enum { HTTP_PAGE_BYTES_MAX = 1 << 20 };

extern const char http_page_style[];

void http_page_print(const struct http_view *view, const struct output_host *host,
                     const struct health *health, uint64_t steady_ns, struct text *text);
/* What is printable, with the five characters of HTML as references; all else as \xNN. */
void http_page_escape(struct text *text, struct slice value);

#endif
