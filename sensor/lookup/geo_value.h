/* geo_value.h - one value of a record of a MaxMind database, by its path.
 *
 * Owns      nothing.
 * Borrows   the data section; a text points into it.
 * Time      none.
 * Bounds    GEO_VALUE_STEPS values of a record are looked at.
 * Errors    a record that is none, or larger, has no such value.
 * Thread    any. */
#ifndef SENSOR_LOOKUP_GEO_VALUE_H
#define SENSOR_LOOKUP_GEO_VALUE_H

#include "base/slice.h"

enum { GEO_VALUE_STEPS = 4096 }; /* the largest records in the wild have some 300 values */

enum geo_value_kind { GEO_VALUE_OTHER, GEO_VALUE_TEXT, GEO_VALUE_NUMBER };

struct geo_value {
    enum geo_value_kind kind;
    struct slice text;
    uint64_t number; /* UINT16, UINT32, UINT64 */
};

/* `path`: names from the outermost map on, then NULL. True: it is there, and of any kind. */
bool geo_value_find(const uint8_t *data, size_t bytes, size_t offset, const char *const *path,
                    struct geo_value *out_value);

#endif
