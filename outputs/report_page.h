/* report_page.h - a page of text for a person: headings, wrapped sentences, colour if wanted.
 *
 * Owns      one line.
 * Borrows   the stream.
 * Time      none.
 * Bounds    a paragraph holds PAGE_LINE_BYTES; what does not fit is left out. Lines are wrapped at
 *           `columns`, counted in characters.
 * Errors    those of the stream: ask ferror() of it.
 * Thread    one.
 *
 * Text of the wire goes through page_wire() only: it leaves printable characters and nothing that
 * moves a cursor. */
#ifndef OUTPUTS_REPORT_PAGE_H
#define OUTPUTS_REPORT_PAGE_H

#include "base/addr.h"

enum {
    PAGE_LINE_BYTES = 8192,
    PAGE_COLUMNS_MIN = 60,
    PAGE_COLUMNS_MAX = 100,
    PAGE_COLUMNS_PRESET = 80
};

enum page_ink {
    PAGE_PLAIN,
    PAGE_BOLD,
    PAGE_DIM,
    PAGE_RED,
    PAGE_RED_BOLD,
    PAGE_YELLOW,
    PAGE_CYAN,
    PAGE_GREEN
};

struct page {
    FILE *out;
    unsigned columns;
    bool colour;
    unsigned first; /* column at which the paragraph begins */
    unsigned hanging; /* column of its further lines; may be set after page_begin() */
    struct text text; /* the paragraph so far */
    char line[PAGE_LINE_BYTES];
};

void page_open(struct page *page, FILE *out, bool colour, unsigned columns);
/* An empty line and a heading, then `rest` in plain ink. */
void page_heading(struct page *page, const char *heading);
/* Begins a paragraph: `label` in `ink` in a column of `indent` characters, following lines under
 * its text. */
void page_begin(struct page *page, const char *label, unsigned indent, enum page_ink ink);
void page_end(struct page *page);
/* Into the paragraph. */
void page_string(struct page *page, const char *text);
void page_wire(struct page *page, struct slice text, size_t characters_max);
void page_count(struct page *page, uint64_t value); /* 1,234,567 */
/* "1 call", "2 calls": the plural is the word and an s. */
void page_counted(struct page *page, uint64_t value, const char *word);
void page_bytes(struct page *page, uint64_t bytes); /* 24.1 MiB */
void page_decimal(struct page *page, int64_t thousandths); /* two digits behind the point at most */
void page_percent(struct page *page, uint64_t part, uint64_t whole);
void page_date(struct page *page, uint64_t time_ns); /* 2026-01-02 03:04:05 */
void page_clock(struct page *page, uint64_t time_ns); /* 03:04:05 */
bool page_is_same_day(uint64_t one_ns, uint64_t other_ns); /* else a clock alone says nothing */
void page_span(struct page *page, uint64_t span_ns);
void page_endpoint(struct page *page, const struct endpoint *endpoint);
/* Fills up with spaces to this character column of the first line. */
void page_column(struct page *page, unsigned column);

#endif
