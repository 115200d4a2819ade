/* account.h - what an account is called: user@host of an address of record.
 *
 * Owns      nothing.
 * Borrows   the texts during the call.
 * Time      none.
 * Bounds    the buffer of the caller.
 * Errors    what does not fit is left out (text overflow).
 * Thread    any.
 *
 * RFC 3261 section 10.3: scheme, parameters and port do not belong to it, the host is folded,
 * escapes in the user are undone. The hash is the same for every spelling that prints alike. */
#ifndef SENSOR_STATE_ACCOUNT_H
#define SENSOR_STATE_ACCOUNT_H

#include "base/hash.h"

/* 0 where there is neither user nor host. */
uint64_t account_hash(struct hash_key key, struct slice user, struct slice host);
/* "user@host", or "host" without a user, or the number alone of a tel: URI. */
void account_print(struct text *text, struct slice user, struct slice host);

#endif
