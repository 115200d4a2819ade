/* resend.h - the last messages that a connection carried, to be sent again behind a broken one.
 *
 * Owns      copies of the messages.
 * Borrows   what is kept, during the call.
 * Time      none.
 * Bounds    bytes_max of messages; the oldest make room.
 * Errors    open: memory.
 * Thread    the writer's.
 *
 * A stream has no acknowledgement: what the far end's kernel took, its program may never have read.
 * So whole messages are kept here for a while, and given again, oldest first, after resend_begin(). */
#ifndef OUTPUTS_RESEND_H
#define OUTPUTS_RESEND_H

#include "base/slice.h"

struct resend;

/* Holds nothing where `bytes_max` is 0. */
MUST_USE enum status resend_open(size_t bytes_max, struct resend **out_resend, struct error *error);
void resend_close(struct resend *resend);
/* Not while there is something to give. */
void resend_keep(struct resend *resend, struct slice head, struct slice text);
void resend_begin(struct resend *resend); /* all that is kept shall be given, from the oldest */
/* The next one, valid until the next call; false when all were given. They stay kept. */
bool resend_next(struct resend *resend, struct slice *out_head, struct slice *out_text);

#endif
