/* journal.h - what hooks were asked to do, on the disk before they are asked.
 *
 * Owns      the file FOLDER/responses, locked; the entries that still hold, in memory.
 * Borrows   entries during a call.
 * Time      an argument: what the clocks said. None is read here.
 * Bounds    JOURNAL_HELD_MAX entries that hold; the file is written anew when most of it is past.
 * Errors    open: STATUS_USAGE for a file or folder that others could write, or that is in use.
 *           Writing: false, with the reason; then nothing may be done.
 * Thread    the response process.
 *
 * An entry is a slot of fixed size with a checksum. What a crash left half written at the end is cut
 * off; a slot that rotted in the middle is skipped and counted, and those behind it are read. */
#ifndef OUTPUTS_JOURNAL_H
#define OUTPUTS_JOURNAL_H

#include "base/clock.h"
#include "base/hash.h"

enum {
    JOURNAL_HELD_MAX = 4096,
    JOURNAL_NAME_BYTES = 64,
    JOURNAL_HOOK_BYTES = 256,
    JOURNAL_VALUE_BYTES = 256,
};

/* What the clocks say. Within one boot the clock since boot is believed, which nobody sets; across
 * boots only the wall clock is left. */
struct journal_now {
    uint64_t boot_ns; /* CLOCK_BOOTTIME */
    uint64_t wall_ns;
    struct hash128 boot; /* which boot */
};

struct journal_entry {
    struct hash128 id; /* of the decision */
    struct hash128 alert_id;
    struct journal_now begun;
    uint64_t ttl_ns;
    uint8_t target_type; /* enum response_target_type */
    uint8_t level;
    uint8_t ending; /* 1: it is to be taken back, whatever time is left */
    uint8_t unused[5];
    char response[JOURNAL_NAME_BYTES];
    char rule[JOURNAL_NAME_BYTES];
    char hook[JOURNAL_HOOK_BYTES];
    char value[JOURNAL_VALUE_BYTES];
};

#define JOURNAL_FILE "responses" /* in its folder */

struct journal;

/* `fresh`: it must be possible to write it anew now. Else one that can only be read is good enough
 * to end what it holds; why it cannot be written is said by what comes next. */
MUST_USE enum status journal_open(const char *folder, bool fresh, struct journal **out_journal,
                                  struct error *error);
void journal_close(struct journal *journal); /* NULL is allowed */
/* On the disk when it returns true. */
MUST_USE bool journal_hold(struct journal *journal, const struct journal_entry *entry,
                           struct error *error);
/* From now on it is to be taken back, also by a next run; one that is not known is no error. */
MUST_USE bool journal_ending(struct journal *journal, struct hash128 id, struct error *error);
/* It holds no longer; one that is not known is no error. */
MUST_USE bool journal_end(struct journal *journal, struct hash128 id, struct error *error);
/* Those that hold, in the order in which they began. */
const struct journal_entry *journal_held(const struct journal *journal, uint32_t *out_count);
uint64_t journal_rotten(const struct journal *journal); /* slots that could not be read at open */
/* What is left of an entry's time: never more than it had, 0 when it is over. */
uint64_t journal_left_ns(const struct journal_entry *entry, const struct journal_now *now);

#endif
