/* number_dial.h - what was dialled -> a number from its calling code on, and whose it is.
 *
 * Owns      the lists of a struct dialling, made from the options under "site.".
 * Borrows   texts during the call.
 * Time      none.
 * Bounds    DIAL_BYTES digits and marks; what is longer is no number.
 * Errors    an option that is no list of digits: STATUS_USAGE.
 * Thread    made at start and reload, read by the analyst. */
#ifndef SENSOR_LOOKUP_NUMBER_DIAL_H
#define SENSOR_LOOKUP_NUMBER_DIAL_H

#include "sensor/lookup/number_plan.h"

enum { DIAL_BYTES = 40 };

/* How people dial here. Lists as in struct plan_region. */
struct dialling {
    const struct plan_region *home; /* NULL = site.country was not said */
    char *outside;
    uint16_t outside_digits; /* bit n: a digit of theirs */
    char *abroad; /* "" = those of the country, 00 and 011 */
    char *emergency;
    char *own; /* beginnings of the site's numbers */
};

struct dialled {
    char digits[NUMBERS_DIGITS + 1]; /* E.164 without +; "" = not brought into that form */
    uint8_t count;
    uint8_t class; /* enum number_class */
    bool prefixed; /* an international prefix stood before it */
    struct plan_answer plan; /* of digits */
};

MUST_USE enum status dialling_open(const struct numbers_conf *conf, struct dialling *out,
                                   struct error *error);
void dialling_close(struct dialling *dialling);
void dial_read(const struct dialling *dialling, struct slice user, struct dialled *out);

/* Options that are lists of digits, perhaps with + before them: one text, longest first. */
MUST_USE enum status dial_list(const struct option_list *items, const char *key, char **out_list,
                               struct error *error);

#endif
