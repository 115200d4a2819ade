/* costly.h - which calls can run up a bill, and what is said of where they go.
 *
 * Owns      nothing.
 * Borrows   the fact during the call.
 * Time      none.
 * Bounds    none.
 * Errors    none.
 * Thread    the analyst's.
 *
 * Every detector of toll fraud asks here, so that one call is the same to all of them
 * (docs/definitions.md, Costly calls). Emergency calls are none, whatever they cost. */
#ifndef DETECTORS_FRAME_COSTLY_H
#define DETECTORS_FRAME_COSTLY_H

#include "base/option.h"
#include "detectors/fact.h"

enum { COSTLY_POINTS_MAX = 60, COSTLY_RISKY = 20 };

/* For where it is and what it is, up to COSTLY_POINTS_MAX. */
unsigned costly_points(const struct fact_number *number);
/* One of our accounts calls: registered from there, with a password, or with success before. */
bool costly_is_ours(const struct fact_call *call);
/* The caller is nobody that we know: not registered, no password, no peer, no known device. */
bool costly_is_stranger(const struct fact_call *call);
/* The number cannot be one of our own, whatever is configured: an international prefix was dialled,
 * or it is a premium or satellite one. Of another country than site.country is not enough where a
 * number calls a number without a prefix: so carriers bring calls to offices abroad. */
bool costly_is_outside(const struct fact_call *call);
/* A costly number, called by one of ours or outside. A server that passes on the call of somebody
 * else makes none: the caller's own leg is the one to judge. */
bool costly_is(const struct fact_call *call);
/* 22 to 6, site time. */
bool costly_is_night(uint8_t hour_of_week);
/* Is the account in that list, whole or by its user alone? */
bool costly_is_listed(const struct option_list *list, struct slice account);
/* "+252611234567 (SO, mobile)" */
void costly_write(struct text *text, const struct fact_number *number);

#endif
