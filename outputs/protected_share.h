/* protected_share.h - what is added to the never-block list while the response process runs.
 *
 * Owns      memory that both processes see, from open until the last of them has ended.
 * Borrows   entries during a call.
 * Time      none.
 * Bounds    PROTECTED_SHARE_MAX entries.
 * Errors    open: memory. Add: false, it is full.
 * Thread    one adds (the sensor's main thread); whoever takes has a place of its own in the row.
 *
 * Entries are only ever added: who writes here can keep a target from being touched, and never give
 * one free. It is no message, so there is no moment in which an alert is judged by the list of
 * before: also not by a process that was started again. */
#ifndef OUTPUTS_PROTECTED_SHARE_H
#define OUTPUTS_PROTECTED_SHARE_H

#include "outputs/protected.h"

enum { PROTECTED_SHARE_MAX = 3 * PROTECTED_MAX };

struct protected_share;

size_t protected_share_bytes_max(void); /* for --list memory */
MUST_USE enum status protected_share_open(struct protected_share **out_share, struct error *error);
void protected_share_close(struct protected_share *share); /* NULL is allowed */
MUST_USE bool protected_share_add(struct protected_share *share,
                                  const struct protected_entry *entry);
/* Puts into `list` what has come since *at, and moves *at; true: something has. What is not sound
 * is left out; where `list` has no room it stops. */
bool protected_share_take(struct protected_share *share, uint32_t *at, struct protected_list *list);

#endif
