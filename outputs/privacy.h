/* privacy.h - records without the users and numbers that are to stay here.
 *
 * Owns      one record in memory of its own, and the reducer of names.
 * Borrows   the record during the call; what is returned stands until the next one.
 * Time      none.
 * Bounds    RECORD_BYTES_MAX, as any record: what a longer text drives out is named in
 *           earshot.truncated.
 * Errors    open only.
 * Thread    the writer's.
 *
 * One pass from record to record, before encoders and report: so all of them say the same. What
 * asks for the clear target (response) reads the record before it. docs/privacy.md. */
#ifndef OUTPUTS_PRIVACY_H
#define OUTPUTS_PRIVACY_H

#include "base/option.h"
#include "outputs/record.h"

struct privacy_conf {
    unsigned numbers; /* enum reduce_mode */
    unsigned users;
    char key[OPTION_TEXT_BYTES];
};

extern const struct option privacy_options[]; /* under "privacy." */

/* STATUS_USAGE, with the option's key as `where`, for a hash without a key. */
MUST_USE enum status privacy_check(const struct privacy_conf *conf, struct error *error);

struct privacy;

MUST_USE enum status privacy_open(const struct privacy_conf *conf, struct privacy **out_privacy,
                                  struct error *error);
void privacy_close(struct privacy *privacy);
/* The record itself where all is clear. */
const struct record *privacy_apply(struct privacy *privacy, const struct record *record);

#endif
