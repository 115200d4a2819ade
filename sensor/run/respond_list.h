/* respond_list.h - the never-block list of this run, out of the configuration and the machine.
 *
 * Owns      nothing; the list is the caller's, closed with protected_close().
 * Borrows   the configuration during the call.
 * Time      none.
 * Bounds    PROTECTED_MAX entries.
 * Errors    STATUS_USAGE: more than fits; STATUS_FAILED: memory.
 * Thread    start. */
#ifndef SENSOR_RUN_RESPOND_LIST_H
#define SENSOR_RUN_RESPOND_LIST_H

#include "outputs/protected.h"
#include "sensor/run/config.h"

/* Live the machine's own surroundings are on it too; with -r the configuration alone, so that the same
 * capture gets the same answers on any machine. */
MUST_USE enum status respond_list_open(const struct config *config, bool live,
                                       struct protected_list **out_list, struct error *error);

#endif
