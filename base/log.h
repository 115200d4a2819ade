/* log.h - the sensor speaking about itself, on standard error.
 *
 * Owns      nothing.
 * Borrows   the arguments during the call.
 * Time      none in the line: journald or the terminal adds it.
 * Bounds    one line of at most LOG_LINE_BYTES, printable only; each call site, but of log_seldom(),
 *           is limited to 5 lines, then says its 10th, 100th, 1,000th ... and counts what it did not
 *           say, told with the next one that is said (log_flush at the end).
 * Errors    none: what cannot be written is dropped.
 * Thread    any.
 *
 * error: act. warn: degraded. info: start, stop, reload. debug: for us. Nothing per packet, no
 * payload; findings are records. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/status.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };
enum { LOG_LINE_BYTES = 1024 };

void log_level_set(enum log_level level);
void log_line(enum log_level level, const char *format, ...) PRINTF_LIKE(2, 3);
/* Without the limit: for what its caller says seldom, by a rule of its own. What fails for the sixth
 * time in a year must be said. */
void log_seldom(enum log_level level, const char *format, ...) PRINTF_LIKE(2, 3);
void log_error_struct(
    const struct error *error); /* "where: message"; limited for each text by itself */
void log_flush(
    void); /* says how many lines were not said and not told of yet; starts counting anew */

#endif
