/* geo.h - an address -> country and autonomous system, from MaxMind databases.
 *
 * Owns      copies of the files in memory; paths are copied.
 * Borrows   configuration and addresses during the call.
 * Time      none; who calls geo_is_stale() decides when.
 * Bounds    GEO_FILES_MAX files of each kind, GEO_FILE_BYTES_MAX each; GEO_CACHE answers are kept.
 * Errors    a file that cannot be read, or is no database, is said once and gives no answers.
 * Thread    open, is_stale and close: one that may wait for a disk. look: the analyst's, on the geo
 *           that it was given; nothing else of that geo is touched meanwhile.
 *
 * Both layouts in the wild are understood and told apart at open: nested (country.iso_code) and flat
 * (country_code); autonomous systems are flat in both. */
#ifndef SENSOR_LOOKUP_GEO_H
#define SENSOR_LOOKUP_GEO_H

#include "base/addr.h"
#include "base/option.h"

enum { GEO_FILES_MAX = 4, GEO_CACHE = 4096, GEO_FILE_BYTES_MAX = 512 << 20 };

/* Some publishers part IPv4 and IPv6: the first file that knows an address answers. */
struct geo_conf {
    struct option_list country_files;
    struct option_list as_files;
    uint64_t check_ns; /* live: how often geo_is_stale() is asked */
};
extern const struct option geo_options[];

struct geo_answer {
    uint16_t country; /* two capital letters, the first in the high byte; 0 = unknown */
    uint32_t as_number; /* 0 = unknown */
    char as_name[64]; /* NUL-terminated, "" = unknown */
};

struct geo;

/* What the configuration names and can be read. Files that are as they were in `before` (NULL: none)
 * are not read again; one that was replaced by something worse goes on as it was. Both may be used
 * and closed in any order, by one thread. */
MUST_USE enum status geo_open(const struct geo_conf *conf, const struct geo *before,
                              struct geo **out_geo, struct error *error);
void geo_close(struct geo *geo); /* NULL is none */
/* A file is not the one that was read, or the configuration names others. */
bool geo_is_stale(const struct geo *geo, const struct geo_conf *conf);
/* No file could be read: nothing will ever be known. */
bool geo_is_empty(const struct geo *geo);
/* Valid until the next call. Private, local and other addresses that are nobody's are never looked
 * up. */
const struct geo_answer *geo_look(struct geo *geo, const struct addr *addr);
size_t geo_bytes(const struct geo_conf *conf); /* of the files as they are now, and the cache */

#endif
