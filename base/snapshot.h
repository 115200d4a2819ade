/* snapshot.h - what a part of the sensor keeps over a restart: bytes out, bytes in.
 *
 * Owns      nothing.
 * Borrows   the image: memory that is written to, or bytes of a file that are read.
 * Time      of the image, and of the run that takes it up, as packet time.
 * Bounds    an image has room for what was said before it was opened; what does not fit is left out
 *           (overflow).
 * Errors    an image that is too short fails at the first read and at every later one.
 * Thread    the owner of the part.
 *
 * A part is one section of a state file (sensor/run/snapshot.h): it has a name, a version of what
 * it writes, and the size of what it copies whole, which guards against another layout of the same
 * version. The file's checksum says that its bytes are those that were written; a part still
 * believes nothing: a count may be too high, a truth may be neither 0 nor 1, a text may not end. */
#ifndef BASE_SNAPSHOT_H
#define BASE_SNAPSHOT_H

#include "base/clock.h"
#include "base/table.h"

enum { SNAPSHOT_NAME_BYTES = 32 };

/* A clock that is set back by less is believed to go on. */
#define SNAPSHOT_BACK_NS (60 * NS_PER_S)

struct snapshot_out {
    uint8_t *at;
    size_t bytes;
    size_t room;
    uint64_t entries; /* counted by the part */
    bool overflow;
};

struct snapshot_in {
    const uint8_t *at;
    size_t bytes; /* that are left */
    uint64_t entries; /* as the part counted them when it saved */
    uint64_t saved_ns; /* state time of the image */
    uint64_t now_ns; /* first time of this run */
    uint64_t future; /* entries left out because they come from after `now`; counted by the part */
    bool failed;
};

struct snapshot_part {
    const char *name; /* shorter than SNAPSHOT_NAME_BYTES */
    uint32_t version;
    uint32_t layout; /* sizes of the structs that are copied whole, mixed */
    void *owner;
    size_t bytes_max; /* of its image */
    void (*save)(const void *owner, struct snapshot_out *out);
    /* Into tables that are empty. False: the bytes are not what save() writes; what was taken in
     * before stays. */
    bool (*load)(void *owner, struct snapshot_in *in);
};

/* --- out --- */

static inline void snapshot_put(struct snapshot_out *out, const void *at, size_t bytes)
{
    if (out->overflow || out->room - out->bytes < bytes) {
        out->overflow = true;
        return;
    }
    if (bytes > 0) {
        memcpy(out->at + out->bytes, at, bytes);
    }
    out->bytes += bytes;
}

static inline void snapshot_put_u64(struct snapshot_out *out, uint64_t value)
{
    snapshot_put(out, &value, sizeof value);
}

static inline void snapshot_put_u32(struct snapshot_out *out, uint32_t value)
{
    snapshot_put(out, &value, sizeof value);
}

/* --- in --- */

/* Where `bytes` of the image begin, or NULL when there are fewer. */
static inline const void *snapshot_take(struct snapshot_in *in, size_t bytes)
{
    if (in->failed || in->bytes < bytes) {
        in->failed = true;
        return NULL;
    }
    const uint8_t *at = in->at;
    in->at += bytes;
    in->bytes -= bytes;
    return at;
}

/* *out is left alone where the image is too short. */
MUST_USE static inline bool snapshot_get(struct snapshot_in *in, void *out, size_t bytes)
{
    const void *at = snapshot_take(in, bytes);

    if (at != NULL && bytes > 0) {
        memcpy(out, at, bytes);
    }
    return at != NULL;
}

static inline uint64_t snapshot_get_u64(struct snapshot_in *in) /* 0 where it is too short */
{
    uint64_t value = 0;
    (void)!snapshot_get(in, &value, sizeof value);
    return value;
}

static inline uint32_t snapshot_get_u32(struct snapshot_in *in)
{
    uint32_t value = 0;
    (void)!snapshot_get(in, &value, sizeof value);
    return value;
}

/* After `now` by more than a clock's correction: learnt while the clock was wrong, or from packets
 * that are younger than those of this run. */
static inline bool snapshot_is_future(const struct snapshot_in *in, uint64_t time_ns)
{
    return time_ns > time_add(in->now_ns, SNAPSHOT_BACK_NS);
}

/* A truth that was copied with its struct: whatever its byte holds, it is true or false now. */
static inline void snapshot_truth(bool *truth)
{
    uint8_t byte;

    memcpy(&byte, truth, sizeof byte);
    *truth = byte != 0;
}

/* --- entries of a table: the head of each, then what the part writes of it --- */

struct snapshot_entry {
    uint64_t hash;
    uint64_t touched_ns;
    uint32_t group;
    uint32_t strong; /* 0 or 1 */
};

/* The number of entries, as the head of all. */
static inline void snapshot_put_count(struct snapshot_out *out, uint32_t count)
{
    out->entries += count;
    snapshot_put_u32(out, count);
}

/* Weak entries first, each queue from its old end: start with TABLE_NONE, ends with it. */
uint32_t snapshot_next_entry(const struct table *table, uint32_t cell);
void snapshot_put_entry(struct snapshot_out *out, const struct table *table, uint32_t cell);
/* The entry in the other table: the youngest of its queue. Its cell, or TABLE_NONE where one of that
 * hash is there. A table that is smaller than the one that was saved evicts, as ever. */
uint32_t snapshot_take_entry(struct table *table, const struct snapshot_entry *entry);

/* For .layout: sizes one after another. */
static inline uint32_t snapshot_layout(uint32_t layout, size_t bytes)
{
    return (layout ^ (uint32_t)bytes) * UINT32_C(0x01000193);
}

#endif
