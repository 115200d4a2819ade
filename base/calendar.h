/* calendar.h - local hours from packet time by a POSIX time-zone rule; own arithmetic.
 *
 * Owns      nothing: the struct is plain.
 * Borrows   the rule's text during the call.
 * Time      packet time, an argument; the host's zone and its files are never asked.
 * Bounds    rules of IEEE Std 1003.1 (XBD 8.3, TZ): fixed offsets and one change to and from
 *           summer time by Mm.w.d, Jn or n.
 * Errors    a rule that does not parse: STATUS_USAGE.
 * Thread    any. */
#ifndef BASE_CALENDAR_H
#define BASE_CALENDAR_H

#include "base/clock.h"
#include "base/slice.h"
#include "base/status.h"

enum { CALENDAR_HOURS_OF_WEEK = 168 };

struct calendar_change { /* when summer time begins or ends, every year */
    uint8_t kind; /* 0 = Mm.w.d, 1 = Jn (no 29 February), 2 = n (from 0) */
    uint8_t month; /* 1 to 12 */
    uint8_t week; /* 1 to 5; 5 = last */
    uint16_t day; /* of the week (0 = Sunday), or of the year */
    int32_t at_s; /* local seconds after midnight */
};

/* Zeroed = UTC. */
struct calendar {
    int32_t east_s; /* of UTC, in winter */
    int32_t summer_east_s;
    bool has_summer;
    struct calendar_change begins;
    struct calendar_change ends;
};

/* "CET-1CEST,M3.5.0,M10.5.0/3", "UTC0", "" = UTC. `where` names the place for the error text. */
MUST_USE enum status calendar_parse(struct slice rule, const char *where, struct calendar *out,
                                    struct error *error);
/* 0 = Monday 00:00 to 00:59. */
uint8_t calendar_hour_of_week(const struct calendar *calendar, uint64_t time_ns);

#endif
