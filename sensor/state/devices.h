/* devices.h - accounts and devices known by past success.
 *
 * Owns      one entry for each account; in it the DEVICE_MARKS sites and devices that succeeded
 *           last.
 * Borrows   text during the call.
 * Time      packet time, an argument.
 * Bounds    accounts_max; accounts that never succeeded push out each other, then the longest idle
 *           goes.
 * Errors    open only.
 * Thread    the analyst's.
 *
 * Known device (docs/definitions.md): (account, /24 or /48) or (account, +sip.instance or
 * User-Agent hash) with a 2xx to credentials, or to a REGISTER, within 30 days. Of an account the
 * last device is remembered that came to it when it had others. */
#ifndef SENSOR_STATE_DEVICES_H
#define SENSOR_STATE_DEVICES_H

#include "base/hash.h"
#include "base/snapshot.h"

#define DEVICE_KNOWN_NS (30 * NS_PER_DAY)
#define DEVICE_NEW_NS NS_PER_DAY

enum { DEVICE_MARKS = 8 };

struct device_table;

struct device_view {
    bool account_known;
    bool device_known;
    bool place_known; /* by the site: an agent's name is soon copied */
    bool device_new; /* it came within DEVICE_NEW_NS, to an account that had logged in elsewhere */
    uint32_t failures; /* authentication failures of the account since its last success */
};

MUST_USE enum status device_open(uint32_t accounts_max, struct hash_key key,
                                 struct device_table **out_table, struct error *error);
void device_close(struct device_table *table);
size_t device_bytes_max(uint32_t accounts_max);
/* account_hash 0 is no account: nothing happens. device_hash 0: only the site is remembered. */
void device_success(struct device_table *table, uint64_t account_hash, const struct addr *addr,
                    uint64_t device_hash, uint64_t now_ns);
void device_failure(struct device_table *table, uint64_t account_hash, const struct addr *addr,
                    uint64_t now_ns);
void device_ask(const struct device_table *table, uint64_t account_hash, const struct addr *addr,
                uint64_t device_hash, uint64_t now_ns, struct device_view *out_view);
/* Brings into the cache what device_ask() will look at: the index, then the cell. */
void device_prefetch(const struct device_table *table, uint64_t account_hash, bool cell);
void device_shift(struct device_table *table, uint64_t shift_ns); /* a confirmed clock jump */
/* Over a restart: all of it. Times after the new run's are brought to it. */
void device_part(struct device_table *table, struct snapshot_part *out_part);
size_t device_kept_bytes_max(uint32_t accounts_max);
uint64_t device_evicted(const struct device_table *table);
uint32_t device_used(const struct device_table *table);

#endif
