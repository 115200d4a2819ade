/* reduce.h - one name made unreadable, the same wherever it stands.
 *
 * Owns      the key's state of the hash, a cache of recent names, the names of one record.
 * Borrows   texts during the call; names of a record until reduce_forget().
 * Time      none.
 * Bounds    a cache of REDUCE_NAME_ROWS names (512 KiB); REDUCE_NAMES_MAX names of a record.
 * Errors    open: STATUS_FAILED when the hash cannot be had. What does not fit into `out` overflows
 *           it; nothing is ever put in clear instead.
 * Thread    the writer's.
 *
 * What a number is, what a user, and what becomes of them: docs/definitions.md, Numbers and users. */
#ifndef OUTPUTS_REDUCE_H
#define OUTPUTS_REDUCE_H

#include "base/hash.h"
#include "base/text.h"

enum reduce_mode { REDUCE_CLEAR, REDUCE_HASH, REDUCE_MASK };

enum {
    REDUCE_NAMES_MAX = 96,
    REDUCE_NAME_ROWS = 8192, /* of the cache; a power of two */
    REDUCE_NAME_BYTES = 32, /* of one that is kept */
    REDUCE_NAME_BYTES_MAX = 18, /* of what becomes of a user or number */
    REDUCE_TEXT_BYTES_MAX = 2048, /* of what becomes of a keyword or URI */
    REDUCE_SENTENCE_BYTES_MAX = 16384, /* ... of a sentence of 1,024 bytes */
};

struct reducer;

MUST_USE enum status reduce_open(enum reduce_mode numbers, enum reduce_mode users, struct slice key,
                                 struct reducer **out_reducer, struct error *error);
void reduce_close(struct reducer *reducer);

/* A user, a number, or either with its domain behind an @, which stays; an address stays too. */
void reduce_name(struct reducer *reducer, struct slice name, struct text *out);
/* Is it a number that stands where a host should (sip:2001)? */
bool reduce_is_host_number(struct slice host);
/* A URI, an address as headers have it ("Name" <sip:user@host>;parameters), or what was meant to be
 * one: scheme, host, port and harmless parameters stay. */
void reduce_uri(struct reducer *reducer, struct slice uri, struct text *out);

/* An identity that was made of names: anybody could try names until it fits. Without a key it stays.
 */
struct hash128 reduce_identity(struct reducer *reducer, struct hash128 identity);

/* Sentences: every name that was remembered is reduced where it stands as a whole word. */
void reduce_forget(struct reducer *reducer);
void reduce_remember(struct reducer *reducer, struct slice name);
void reduce_sentence(struct reducer *reducer, struct slice sentence, struct text *out);
/* What somebody else wrote: a name of three bytes and more also inside of a word, whatever the case. */
void reduce_foreign(struct reducer *reducer, struct slice text, struct text *out);

#endif
