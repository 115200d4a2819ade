/* selfdoc.h - the program about itself: lists, explanations, the generated pages of docs/.
 *
 * Owns      nothing; all comes from the tables of options, fields, facts, reasons, detectors (law
 *           6).
 * Borrows   the configuration.
 * Time      none.
 * Bounds    none.
 * Errors    an unknown subject: STATUS_USAGE with what there is.
 * Thread    main. */
#ifndef SENSOR_RUN_SELFDOC_H
#define SENSOR_RUN_SELFDOC_H

#include "sensor/run/config.h"

/* --list detectors | decoders | outputs | options | records | memory */
MUST_USE enum status selfdoc_list(const char *what, const struct config *config, unsigned workers,
                                  FILE *out, struct error *error);
/* --explain SLUG: a detection, an anomaly kind, a reason, an option or a record field, in full. */
MUST_USE enum status selfdoc_explain(const char *slug, const struct config *config, FILE *out,
                                     struct error *error);
/* --docs options | records | reasons | detections | schema | man */
MUST_USE enum status selfdoc_page(const char *page, const struct config *config, FILE *out,
                                  struct error *error);

#endif
