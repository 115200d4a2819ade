/* syslog_head.h - what stands before a record in a syslog message (RFC 5424).
 *
 * Owns      the parts that are the same in every message, put together at open.
 * Borrows   the record; the head is written into memory of the caller.
 * Time      the record's; none is read.
 * Bounds    SYSLOG_HEAD_BYTES_MAX holds any head.
 * Errors    none.
 * Thread    any, one at a time for each instance. */
#ifndef OUTPUTS_SYSLOG_HEAD_H
#define OUTPUTS_SYSLOG_HEAD_H

#include "outputs/record.h"

enum { SYSLOG_HEAD_BYTES_MAX = 2048, SYSLOG_HOST_BYTES = 255, SYSLOG_APP_BYTES = 48 };

/* What may stand between the head and the message. */
#define SYSLOG_HEAD_REPEATED " maybe_dup=\"true\""
#define SYSLOG_HEAD_END "] "

struct syslog_head {
    unsigned facility; /* 0 to 23 */
    size_t names_bytes;
    char names[SYSLOG_HOST_BYTES + SYSLOG_APP_BYTES + 32]; /*  host app procid  */
    size_t observer_bytes;
    char observer[4 * RECORD_TEXT_MAX]; /*  observer="edge-1" */
};

/* `process`: 0 = none. Bytes of host and app that a head cannot hold become underscores. */
void syslog_head_open(struct syslog_head *head, unsigned facility, struct slice host,
                      struct slice app, uint64_t process, struct slice observer);
/* The head up to its last element: SYSLOG_HEAD_REPEATED may follow, SYSLOG_HEAD_END must.
 * `truncated`: the message says less than the record. Returns its bytes. */
size_t syslog_head_put(const struct syslog_head *head, const struct record *record, bool truncated,
                       char out[SYSLOG_HEAD_BYTES_MAX]);

#endif
