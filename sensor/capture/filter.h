/* filter.h - a BPF expression over frames of any link type, compiled by libpcap.
 *
 * Owns      one compiled program for each link type that was met.
 * Borrows   frames during the call.
 * Time      none.
 * Bounds    FILTER_LINKS_MAX link types; frames of further ones pass.
 * Errors    open: STATUS_USAGE with libpcap's words where the expression is none. A link type for
 *           which it makes no sense (no such header): frames of that type do not match.
 * Thread    one at a time.
 *
 * A filter by port alone loses the later fragments of large SIP messages: `port 5060 or ip[6:2] &
 * 0x1fff != 0` keeps them (README). What does not match is counted as ignored, never lost. */
#ifndef SENSOR_CAPTURE_FILTER_H
#define SENSOR_CAPTURE_FILTER_H

#include "sensor/capture/source.h"

enum { FILTER_LINKS_MAX = 16 };

struct filter;

MUST_USE enum status filter_open(const char *expression, struct filter **out_filter,
                                 struct error *error);
void filter_close(struct filter *filter);
bool filter_matches(struct filter *filter, const struct captured *frame);

#endif
