/* key.h - what a fact is about, for each kind of key: hash, fairness group, text.
 *
 * Owns      nothing.
 * Borrows   the fact during the call; what is returned points into it.
 * Time      none.
 * Bounds    none.
 * Errors    a fact that has no such key is a false return.
 * Thread    the analyst's. */
#ifndef DETECTORS_FRAME_KEY_H
#define DETECTORS_FRAME_KEY_H

#include "detectors/detector.h"

/* Who is looked at: sender of the request, caller, originator, sender of the stream; NULL = no one
 * (a second, an incident without a source). */
const struct fact_party *key_source(const struct fact *fact);
/* The other end, or NULL. */
const struct fact_party *key_destination(const struct fact *fact);
struct slice key_account(const struct fact *fact);
struct slice key_call_id(const struct fact *fact);
uint64_t key_device(const struct fact *fact); /* 0 = none */
uint64_t key_call_number(const struct fact *fact); /* 0 = none */
bool key_account_known(const struct fact *fact);

/* Does a key of that kind hold more addresses than this one: a network, not an address? */
bool key_is_wider(enum key_kind kind, const struct addr *addr);
/* The key of kind KEY_SOURCE, of a source that is there. */
static inline uint64_t key_hash_source(struct hash_key hash_key, const struct fact_party *source)
{
    return hash_addr(hash_key, &source->endpoint.addr);
}
MUST_USE bool key_of(enum key_kind kind, const struct fact *fact, struct hash_key hash_key,
                     uint64_t *out_hash);
/* What fairness is counted by: the source's site for kinds that begin with a source, else 0. Asked
 * for when an entry is made, not at every fact. */
uint64_t key_group(enum key_kind kind, const struct fact *fact, struct hash_key hash_key);
/* The site prefix of an address, hashed; what /24 and /48 entities are remembered under. */
uint64_t key_hash_site(struct hash_key hash_key, const struct addr *addr);

/* The key as people read it, and the second part of a pair ("" where there is none). Attacker's
 * texts are made printable and cut to what fits. */
void key_write(enum key_kind kind, const struct fact *fact, struct text *entity,
               struct text *secondary);
/* The longest beginning of `part` whose printable form fits into what is left of `text`. */
void key_write_printable(struct text *text, struct slice part);
/* The same in at most so many bytes: whatever the wire says, there is room for what comes behind. */
void key_write_cut(struct text *text, struct slice part, size_t bytes);

/* --- names in sentences: who reduces names (docs/privacy.md) must find them again. A name stands
 * between two control bytes, which no printable text holds, until the sentence is told. */
enum { KEY_NAME_BEGIN = 0x02, KEY_NAME_END = 0x03, KEY_NAME_MARKS = 2 };

/* Is the entity of that kind an account or a number? */
bool key_is_name(enum key_kind kind);
/* A user, an account or a number: as key_write_cut(), between marks. */
void key_write_name(struct text *text, struct slice part, size_t bytes);
/* key_write_printable() that leaves the marks of names alone. */
void key_write_marked(struct text *text, struct slice part);
/* Takes the marks out of a text, and gives back the names that stood between them, at most `room`. */
uint32_t key_take_names(struct text *text, struct slice *out_names, uint32_t room);

#endif
