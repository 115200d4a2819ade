/* trim.h - a record without its least fields, for places that take no long ones.
 *
 * Owns      what was decided at open: when each field goes.
 * Borrows   the record; the copy lies in memory of the caller.
 * Time      none.
 * Bounds    TRIM_STAGES steps; a copy is never larger than its record and a few names.
 * Errors    open: memory.
 * Thread    any, one at a time for each instance. */
#ifndef OUTPUTS_TRIM_H
#define OUTPUTS_TRIM_H

#include "outputs/record.h"

/* What goes with each stage, all that went before included: lists and maps that only prove or detail
 * (1), related.* (2), countries and networks, client and server (3), long texts and the ATT&CK names
 * (4), all but who, whom, what and how bad (5), the free texts of those (6). */
enum { TRIM_STAGES = 6 };

struct trim;

MUST_USE enum status trim_open(struct trim **out_trim, struct error *error);
void trim_close(struct trim *trim);
/* The record in `memory` (RECORD_BYTES_MAX, 8-aligned) without what goes at `stage`, 1 to
 * TRIM_STAGES; the groups that it lost stand in earshot.truncated, "*" for nearly all. */
const struct record *trim_record(const struct trim *trim, const struct record *record,
                                 unsigned stage, void *memory);

#endif
