/* destinations.h - what the site and each account have called before.
 *
 * Owns      one region of plain arrays.
 * Borrows   what is asked and told, during the call.
 * Time      packet time, an argument.
 * Bounds    `entries_max` accounts, as many numbers, and as many called blocks in each of two
 *           generations; who called longest ago is forgotten first. What lasts an hour has a fixed
 *           size.
 * Errors    open only.
 * Thread    the analyst's.
 *
 * Learnt when a call that was answered has ended, never from attempts. What is asked is answered as
 * it was when the call started, so a call does not make its own destination known, and parallel
 * calls to one place are all the first (docs/definitions.md, Destinations). */
#ifndef SENSOR_STATE_DESTINATIONS_H
#define SENSOR_STATE_DESTINATIONS_H

#include "base/hash.h"
#include "base/snapshot.h"

#define DESTINATION_KNOWN_NS (90 * NS_PER_DAY)
#define DESTINATION_RECENT_NS NS_PER_HOUR

enum destination_hour { DESTINATION_HOUR_UNKNOWN, DESTINATION_HOUR_USUAL, DESTINATION_HOUR_RARE };

struct destination_call {
    uint64_t account; /* hash; 0 = none, or not one of ours */
    uint64_t source; /* hash of the caller's address */
    uint64_t e164; /* 0 = none */
    uint64_t block;
    const char *country; /* two letters; "" = none */
    struct slice dialled;
    bool abroad; /* another country, or none at all: satellite ... */
    uint8_t hour_of_week;
    uint64_t started_ns;
};

struct destination_view {
    bool first_abroad;
    bool country_new_account;
    bool country_new_site;
    bool block_new_site;
    uint8_t weeks_called; /* up to 3 */
    uint8_t hour; /* enum destination_hour; this and all below of a call with e164 */
    uint8_t block_accounts; /* other accounts within the last hour; up to 3 */
    uint8_t prefixes_tried; /* by this source before the same last digits; up to 7 */
};

struct destination_table;

MUST_USE enum status destination_open(uint32_t entries_max, struct hash_key key,
                                      struct destination_table **out_table, struct error *error);
void destination_close(struct destination_table *table);
size_t destination_bytes_max(uint32_t entries_max);

/* Somebody tries to call there. The same call may say so several times. */
void destination_try(struct destination_table *table, const struct destination_call *call,
                     uint64_t now_ns);
void destination_ask(const struct destination_table *table, const struct destination_call *call,
                     uint64_t now_ns, struct destination_view *out_view);
/* An answered call has ended. */
void destination_learn(struct destination_table *table, const struct destination_call *call,
                       uint64_t now_ns);
void destination_shift(struct destination_table *table,
                       uint64_t shift_ns); /* a confirmed clock jump */
uint64_t destination_evicted(const struct destination_table *table);
/* What is kept over a restart, into a table of the same size: its layout says so. */
void destination_part(struct destination_table *table, struct snapshot_part *out_part);
size_t destination_kept_bytes_max(uint32_t entries_max);

#endif
