/* geo.h - an address -> country and autonomous system, from MaxMind databases.
 *
 * Owns      the open databases.
 * Borrows   paths and addresses during the call.
 * Time      none of packets; live the files are looked at again every minute by the caller's clock.
 * Bounds    two databases, mapped; GEO_CACHE answers are kept.
 * Errors    a file that is no database is said once and gives no answers; so does an absent one.
 * Thread    the analyst's.
 *
 * Both layouts in the wild are understood and told apart at open: nested (country.iso_code,
 * autonomous_system_number) and flat (country_code). */
#ifndef SENSOR_LOOKUP_GEO_H
#define SENSOR_LOOKUP_GEO_H

#include "base/addr.h"
#include "base/option.h"

struct geo_conf {
    char country_file[OPTION_TEXT_BYTES]; /* "" = none */
    char as_file[OPTION_TEXT_BYTES];
};
extern const struct option geo_options[];

struct geo_answer {
    uint16_t country; /* two letters, the first in the high byte; 0 = unknown */
    uint32_t as_number; /* 0 = unknown */
    char as_name[64]; /* NUL-terminated, "" = unknown */
};

struct geo;

MUST_USE enum status geo_open(const struct geo_conf *conf, struct geo **out_geo,
                              struct error *error);
void geo_close(struct geo *geo);
/* Files that were replaced are opened anew; what cannot be read is said and the old one kept. */
void geo_refresh(struct geo *geo);
/* NULL geo: nothing is known. Private and other special addresses are never looked up. */
void geo_look(struct geo *geo, const struct addr *addr, struct geo_answer *out_answer);

#endif
