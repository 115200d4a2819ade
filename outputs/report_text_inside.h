/* report_text_inside.h - between the two files of the text form.
 *
 * Owns      nothing.
 * Borrows   entries during the call.
 * Time      none.
 * Bounds    REPORT_SHOWN entries.
 * Errors    none.
 * Thread    the writer's. */
#ifndef OUTPUTS_REPORT_TEXT_INSIDE_H
#define OUTPUTS_REPORT_TEXT_INSIDE_H

#include "outputs/report_page.h"
#include "outputs/report_parts.h"

enum { REPORT_SHOWN = 20, REPORT_INDENT = 15 };

/* The entries with the largest ranks, largest first; of equal ranks the earlier stands first. */
struct best {
    size_t count;
    uint64_t ranks[REPORT_SHOWN];
    uint8_t
        *entries; /* REPORT_SHOWN of LIST_ENTRY_MAX, in the order of their ranks, largest first */
};

void best_see(struct best *best, const struct list_entry *entry, uint64_t rank);
const struct list_entry *best_at(const struct best *best, size_t index);

/* "... calls: 20 of 1,204; --report json has all"; nothing where all are shown. */
void report_text_more(struct page *page, uint64_t all, size_t shown, const char *what);
/* A space and the words of a status code, where it has some. */
void report_text_status(struct page *page, unsigned status);
void report_text_calls(struct page *page, struct report *report, struct best *best);
void report_text_registrations(struct page *page, const struct report *report);
void report_text_media(struct page *page, struct report *report, struct best *best);

#endif
