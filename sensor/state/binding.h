/* binding.h - where accounts can be reached now, until when.
 *
 * Owns      one entry for each (account, address of the registrant) and its texts.
 * Borrows   texts during the call.
 * Time      packet time, an argument; expiries fall at marks.
 * Bounds    bindings_max; the longest idle goes and is counted, without being told.
 * Errors    open only.
 * Thread    the analyst's. */
#ifndef SENSOR_STATE_BINDING_H
#define SENSOR_STATE_BINDING_H

#include "base/addr.h"
#include "base/hash.h"
#include "base/snapshot.h"

enum { BINDING_USER_BYTES = 80 };

struct binding_table;

/* A binding as it is made or shown. Shown texts are copies that stay until the next call. */
struct binding {
    uint64_t account_hash;
    struct endpoint client;
    struct slice user; /* cut at BINDING_USER_BYTES */
    struct slice domain;
    struct slice agent;
    uint32_t contact_tag; /* of the Contact that was bound */
    uint32_t due_s; /* when it expires */
    uint32_t refreshes;
    bool is_tel; /* the AOR is a tel: URI */
};

enum binding_outcome {
    BINDING_NEW, /* the account had none */
    BINDING_KEPT, /* the same account from the same address */
    BINDING_ADDED, /* another address, and the registrar still lists the one before */
    BINDING_MOVED, /* another address, and the registrar lists the one before no more */
};

MUST_USE enum status binding_open(uint32_t bindings_max, struct hash_key key,
                                  struct binding_table **out_table, struct error *error);
void binding_close(struct binding_table *table);
size_t binding_bytes_max(uint32_t bindings_max);
/* Makes or renews a binding. `tags` are the Contacts that the registrar lists. out_before is the
 * binding of that account as it was (of its other address for ADDED and MOVED); undefined for NEW.
 */
enum binding_outcome binding_keep(struct binding_table *table, const struct binding *binding,
                                  const uint32_t *tags, size_t tag_count, uint64_t now_ns,
                                  struct binding *out_before);
/* Removes that of the address, and with `all` the account's first one too. False: there was none.
 */
bool binding_drop(struct binding_table *table, uint64_t account_hash, const struct addr *addr,
                  bool all, struct binding *out_before);
bool binding_is_there(const struct binding_table *table, uint64_t account_hash,
                      const struct addr *addr);
/* Takes out what is due by mark_s, one at a time; to be called until it is false: nothing is left.
 */
bool binding_expire(struct binding_table *table, uint64_t mark_s, struct binding *out_binding);
void binding_shift(struct binding_table *table, uint64_t shift_ns); /* a confirmed clock jump */
/* Over a restart. Those that have expired meanwhile are told by the first binding_expire(). */
void binding_part(struct binding_table *table, struct snapshot_part *out_part);
size_t binding_kept_bytes_max(uint32_t bindings_max);
uint64_t binding_evicted(const struct binding_table *table);
uint32_t binding_used(const struct binding_table *table);

#endif
