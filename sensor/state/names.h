/* names.h - texts that many entries share, kept once: user agents, domains.
 *
 * Owns      each text, as long as somebody holds it.
 * Borrows   the text during names_take().
 * Time      none.
 * Bounds    names_max texts of at most NAMES_TEXT_BYTES (longer ones are cut); when full, a new
 *           text is not kept.
 * Errors    open only.
 * Thread    the analyst's. */
#ifndef SENSOR_STATE_NAMES_H
#define SENSOR_STATE_NAMES_H

#include "base/hash.h"
#include "base/table.h"

enum { NAMES_TEXT_BYTES = 88, NAMES_MAX = UINT16_MAX - 1 };

/* 0 = none. */
typedef uint16_t name_id;

struct names {
    struct table table;
    struct hash_key key;
};

MUST_USE enum status names_open(struct names *names, uint32_t names_max, struct hash_key key,
                                struct error *error);
void names_close(struct names *names);
size_t names_bytes_max(uint32_t names_max);
/* Holds the text once more; 0 for an empty text and when there is no room. */
name_id names_take(struct names *names, struct slice text);
void names_give(struct names *names, name_id id);
struct slice names_text(const struct names *names, name_id id);

#endif
