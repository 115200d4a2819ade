/* number_plan.h - what the numbering plans of the world say: country and kind of an E.164 number, and
 * how people of a country dial.
 *
 * Owns      nothing: the tables are static, made by tools/numbers from libphonenumber's metadata.
 * Borrows   digits during the call.
 * Time      none.
 * Bounds    one step a digit, 15 at most.
 * Errors    none; a number that no plan has is told as such.
 * Thread    any. */
#ifndef SENSOR_LOOKUP_NUMBER_PLAN_H
#define SENSOR_LOOKUP_NUMBER_PLAN_H

#include "sensor/lookup/numbers.h"

/* Lists are texts with spaces between, longest first; x in them is any digit. */
struct plan_region {
    char country[3]; /* ISO 3166 alpha-2; "" = a network or service of no country */
    const char *name; /* in English; "" = a network of no country */
    uint8_t area_digits; /* a local number of so many digits lacks `area`; 0 = none */
    uint16_t code; /* calling code */
    uint32_t local_lengths; /* bit n: n digits may be a number inside one area */
    const char *area;
    const char *trunk; /* what stands before a national number */
    const char *abroad; /* what stands before an international one */
    const char *emergency;
};

struct plan_answer {
    const struct plan_region *region; /* NULL = no such calling code */
    uint8_t type; /* enum number_type; NUMBER_INVALID = no range of the plan */
};

/* `digits` from the calling code on. */
struct plan_answer plan_look(struct slice digits);
const struct plan_region *plan_region_of(const char *country); /* NULL = unknown */
/* Bytes at the beginning of `digits` that an entry of the list takes up: the longest; 0 = none. */
size_t plan_list_take(const char *list, struct slice digits);
/* The same for each entry that fits, one call after the other; `list` goes on behind it. */
size_t plan_list_next(const char **list, struct slice digits);
/* An entry of the list is all of `digits`. */
bool plan_list_has(const char *list, struct slice digits);

#endif
