/* snapshot.h - the state folder: what the sensor knows, kept from run to run.
 *
 * Owns      the folder while it runs (locked), the image that is built, a thread that writes it.
 * Borrows   the parts during a call.
 * Time      state time, an argument; a live run saves every SNAPSHOT_EVERY_NS of it.
 * Bounds    two generations and SNAPSHOT_CORRUPT_MAX files set aside; the image has room for full
 *           tables, and its pages are given back when it has been written.
 * Errors    open: a folder that others could write into, or that another sensor uses: STATUS_USAGE.
 *           What cannot be read is said and left out, never an error. finish: what cannot be
 *           written.
 * Thread    open, finish and close: main. The others: the analyst, for whom nothing here waits for
 *           a disk but snapshot_end(), which waits for a writing that is under way.
 *
 *   FOLDER/key        the key of all hashes, drawn by the first live run (mode 0600)
 *   FOLDER/state      the newest snapshot (image.h); state.1 the one before
 *   FOLDER/state.new  one that is being written
 *   FOLDER/state.corrupt-1 ...  what could not be read
 *
 * A snapshot is taken over several marks, a part at each, so that no mark takes long: parts are
 * seconds apart, which slow windows do not notice. At the end all of it is taken at once, before
 * what is open is closed. */
#ifndef SENSOR_RUN_SNAPSHOT_H
#define SENSOR_RUN_SNAPSHOT_H

#include "base/hash.h"
#include "base/snapshot.h"

#define SNAPSHOT_FOLDER "/var/lib/earshot"
#define SNAPSHOT_EVERY_NS NS_PER_MINUTE
enum { SNAPSHOT_CORRUPT_MAX = 4 };

struct snapshot;

struct snapshot_options {
    const char *folder;
    bool live; /* it draws a key where there is none, and writes while it runs */
    bool has_secret; /* `key` is made of sensor.secret: none is drawn or read */
    struct hash_key key; /* where the folder has none */
    size_t bytes_max; /* of all parts together */
};

/* Live without --state: is the usual folder there, and ours to write into? */
bool snapshot_folder_is_there(void);
MUST_USE enum status snapshot_open(const struct snapshot_options *options,
                                   struct snapshot **out_snapshot, struct error *error);
void snapshot_close(struct snapshot *snapshot); /* NULL is allowed */
/* Of all hashes of this run. */
struct hash_key snapshot_key(const struct snapshot *snapshot);
size_t snapshot_bytes_max(size_t parts_bytes); /* for --list memory */

/* The first time of the run: the parts, still empty, get what was kept. */
void snapshot_take_up(struct snapshot *snapshot, const struct snapshot_part *parts, uint32_t count,
                      uint64_t now_ns);
/* Live, at every mark. `changes` grows with whatever may have changed. */
void snapshot_mark(struct snapshot *snapshot, const struct snapshot_part *parts, uint32_t count,
                   uint64_t now_ns, uint64_t changes);
/* The last one, whole. */
void snapshot_end(struct snapshot *snapshot, const struct snapshot_part *parts, uint32_t count,
                  uint64_t now_ns);
/* Writes the last one, when all threads have ended. */
MUST_USE enum status snapshot_finish(struct snapshot *snapshot, struct error *error);

#endif
