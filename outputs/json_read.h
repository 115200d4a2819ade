/* json_read.h - a walk through one JSON text from a program that we do not trust.
 *
 * Owns      nothing.
 * Borrows   the text; slices point into it, escapes stand as they were written.
 * Time      none.
 * Bounds    JSON_READ_DEPTH of nesting; no allocation.
 * Errors    what is no JSON is JSON_NONE; a member or item that is not there likewise.
 * Thread    any, one at a time for each walk. */
#ifndef OUTPUTS_JSON_READ_H
#define OUTPUTS_JSON_READ_H

#include "base/slice.h"

enum { JSON_READ_DEPTH = 32 };

enum json_kind {
    JSON_NONE,
    JSON_OBJECT,
    JSON_ARRAY,
    JSON_TEXT,
    JSON_NUMBER,
    JSON_TRUE,
    JSON_FALSE,
    JSON_NULL
};

/* A value: of an object or array the whole text of it, of a text what stands between the quotes. */
struct json_value {
    enum json_kind kind;
    struct slice text;
};

/* The whole text is one value and nothing else but blanks; JSON_NONE: it is not. */
struct json_value json_read(struct slice text);
/* A member of an object by its name; of equal names the last, as most readers have it. */
struct json_value json_member(struct json_value object, const char *name);
/* The next item of an array; start with *at = 0. */
bool json_item(struct json_value array, size_t *at, struct json_value *out_item);
/* A whole number that is not negative; false for anything else. */
bool json_whole(struct json_value value, uint64_t *out);

#endif
