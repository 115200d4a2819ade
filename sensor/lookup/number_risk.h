/* number_risk.h - points and cost of a number by what it is and where it is.
 *
 * Owns      nothing: the lists are static.
 * Borrows   nothing.
 * Time      none.
 * Bounds    a few comparisons.
 * Errors    none.
 * Thread    any.
 *
 * The metadata know ranges, not what a call costs: satellite networks stand there as mobile, small
 * islands as ordinary. docs/definitions.md, Numbers, has the figures and where they come from. */
#ifndef SENSOR_LOOKUP_NUMBER_RISK_H
#define SENSOR_LOOKUP_NUMBER_RISK_H

#include "sensor/lookup/number_plan.h"

struct risk {
    uint8_t type; /* enum number_type, corrected */
    uint8_t points_type;
    uint8_t points_country;
    uint16_t cost_milli;
};

/* `near`: of the site's country or of a neighbour. */
struct risk risk_of(const struct plan_answer *plan, bool near);

enum {
    RISK_UNREADABLE = 10, /* somebody dialled abroad, but no number can be made of it */
    RISK_MAX = 60
};

#endif
