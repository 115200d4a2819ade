/* slice.h - borrowed text: a pointer and a length, passed by value.
 *
 * Owns      nothing.
 * Borrows   the bytes; they must outlive the slice. Not NUL-terminated, may hold any byte.
 * Time      none.
 * Bounds    every function stays inside the slice it was given.
 * Errors    none; a number that does not parse is a false return.
 * Thread    any. */
#ifndef BASE_SLICE_H
#define BASE_SLICE_H

#include "base/status.h"

struct slice {
    const char *at; /* NULL only together with bytes == 0: "absent" */
    size_t bytes;
};

#define SLICE(literal) ((struct slice){.at = "" literal, .bytes = sizeof(literal) - 1})
#define SLICE_NONE ((struct slice){.at = NULL, .bytes = 0})

static inline struct slice slice_of(const void *at, size_t bytes)
{
    return (struct slice){.at = at, .bytes = bytes};
}

static inline bool slice_is_empty(struct slice text)
{
    return text.bytes == 0;
}

/* The part [from, to) of a slice; both ends are brought inside it. */
static inline struct slice slice_part(struct slice text, size_t from, size_t to)
{
    to = to < text.bytes ? to : text.bytes;
    from = from < to ? from : to;
    return (struct slice){.at = text.at == NULL ? NULL : text.at + from, .bytes = to - from};
}

static inline struct slice slice_from(struct slice text, size_t from)
{
    return slice_part(text, from, text.bytes);
}

static inline bool slice_equal(struct slice one, struct slice other)
{
    return one.bytes == other.bytes && (one.bytes == 0 || memcmp(one.at, other.at, one.bytes) == 0);
}

struct slice slice_of_string(const char *text); /* up to its NUL; NULL gives SLICE_NONE */

/* ASCII only: bytes outside A-Z are never folded, so opaque tokens stay what they are. */
char slice_lower(char byte);
bool slice_equal_nocase(struct slice one, struct slice other);
bool slice_starts_with(struct slice text, struct slice prefix);
bool slice_starts_with_nocase(struct slice text, struct slice prefix);
bool slice_contains_nocase(struct slice text, struct slice part);
int slice_compare(struct slice one, struct slice other); /* by bytes, then by length */

/* Position of the first such byte, or text.bytes where there is none. */
size_t slice_find(struct slice text, char byte);
size_t slice_find_last(struct slice text, char byte);

/* Without leading and trailing SP, HTAB, CR and LF. */
struct slice slice_trim(struct slice text);

/* Cuts *rest at the first `separator`: returns what stands before it, leaves what stands after.
 * Without one returns all and leaves SLICE_NONE. */
struct slice slice_split(struct slice *rest, char separator);

/* The whole slice must be digits; a value that does not fit is false and leaves *out alone. */
MUST_USE bool slice_u64(struct slice text, uint64_t *out);
MUST_USE bool slice_u32(struct slice text, uint32_t *out);
MUST_USE bool slice_hex32(struct slice text, uint32_t *out);

#endif
