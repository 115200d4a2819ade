/* report.h - what -r says at its end, made from records alone.
 *
 * Owns      its lists: unlinked temporary files, so memory does not grow with the capture. Of a run
 *           without an end they have a limit; what comes behind it is counted.
 * Borrows   records during the call.
 * Time      the records'.
 * Bounds    memory: less than 1 MiB while it gathers, 8 MiB while it sorts; the text form shows 20
 *           of each list.
 * Errors    open and print: STATUS_FAILED (temporary files, the output).
 * Thread    the writer's.
 *
 * report_text.c is for a person, report_json.c prints one JSON object. */
#ifndef OUTPUTS_REPORT_H
#define OUTPUTS_REPORT_H

#include "outputs/record.h"

enum report_form { REPORT_NONE, REPORT_TEXT, REPORT_JSON };

struct report;

MUST_USE enum status report_open(enum report_form form, struct report **out_report,
                                 struct error *error);
/* What the slugs of reasons and anomalies mean, for the text form; without it slugs stand alone. */
void report_words(struct report *report, const char *(*meaning)(struct slice slug));
/* For each list. */
void report_limit(struct report *report, uint64_t list_bytes_max);
void report_see(struct report *report, const struct record *record);
/* `colour` and `width` are for the text form. */
MUST_USE enum status report_print(struct report *report, FILE *out, bool colour, unsigned width,
                                  struct error *error);
void report_close(struct report *report);

#endif
