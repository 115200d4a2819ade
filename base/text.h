/* text.h - a bounded writer of text into memory of the caller.
 *
 * Owns      nothing: the buffer is the caller's.
 * Borrows   the buffer for the life of the struct.
 * Time      prints times, reads none.
 * Bounds    capacity; what does not fit is left out whole and `overflow` sticks.
 * Errors    none: ask text->overflow once at the end.
 * Thread    one at a time for each struct. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include "base/slice.h"

struct text {
    char *at;
    size_t capacity;
    size_t bytes; /* written so far; never above capacity; not NUL-terminated */
    bool overflow;
};

static inline struct text text_into(char *at, size_t capacity)
{
    return (struct text){.at = at, .capacity = capacity};
}

static inline struct slice text_slice(const struct text *text)
{
    return slice_of(text->at, text->bytes);
}

void text_byte(struct text *text, char byte);
void text_slice_put(struct text *text, struct slice part);
void text_string(struct text *text, const char *part);
void text_u64(struct text *text, uint64_t value);
void text_i64(struct text *text, int64_t value);
void text_hex(struct text *text, uint64_t value,
              unsigned digits); /* lower case, `digits` of them */
/* value / 10^decimals, without trailing zeros but at least one decimal: 1500 at 3 gives 1.5,
 * 2000 gives 2.0. The only way a fraction is printed: no floating point reaches an output. */
void text_decimal(struct text *text, int64_t value, unsigned decimals);
void text_format(struct text *text, const char *format, ...) PRINTF_LIKE(2, 3);

/* RFC 3339 in UTC, "2026-01-02T03:04:05.678901234Z"; `digits` of the fraction, 0 to 9. */
void text_time(struct text *text, uint64_t time_ns, unsigned digits);
/* 1500000000 gives "1.5 s", 250000 gives "0.25 ms", 7200000000000 gives "2 h": for people. */
void text_duration(struct text *text, uint64_t duration_ns);

/* The inside of a JSON string, without the quotes: RFC 8259 escapes, C0 controls as \u00XX, bytes
 * that are no UTF-8 as the text \xNN (upper case); returns false when there were such bytes. */
bool text_json(struct text *text, struct slice part);
/* For a terminal or a log line: what is printable UTF-8, all else as \xNN; never a control byte, a
 * bidi override or a line break. */
void text_printable(struct text *text, struct slice part);

/* NUL-terminates inside the capacity (cutting the last byte if it is full) and returns text->at. */
const char *text_terminate(struct text *text);

#endif
