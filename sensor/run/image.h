/* image.h - the bytes of a state file, in memory: built part by part, checked, taken apart.
 *
 * Owns      nothing: the memory is the caller's.
 * Borrows   the parts during a call; the bytes while they are looked at.
 * Time      state time of the sensor, an argument.
 * Bounds    the memory that was given; IMAGE_SECTIONS sections.
 * Errors    what is wrong with foreign bytes is a text for the operator.
 * Thread    one at a time: built by the analyst, sealed by who writes it.
 *
 *   head      magic · byte order · format · mark of the hash key · state time · bytes · sections
 *             · version of the program, for people
 *   section   name · version · layout · entries · bytes · checksum, then the bytes, padded to 8
 *   ...
 *   tail      checksum of all that stands before it
 *
 * Numbers stand as in memory: a state file stays on its machine, and its byte order is checked. The
 * checksums are XXH3-64 under the sensor's key, so that nobody can make a file without it. */
#ifndef SENSOR_RUN_IMAGE_H
#define SENSOR_RUN_IMAGE_H

#include "base/hash.h"
#include "base/snapshot.h"

enum { IMAGE_SECTIONS = 64, IMAGE_VERSION_BYTES = 32 };

struct image {
    uint8_t *at;
    size_t room;
    size_t bytes;
    uint32_t sections;
    bool overflow; /* a part did not fit, against what it had said: it is not in the image */
};

/* What memory an image of parts with so many bytes together wants. */
size_t image_bytes_max(size_t parts_bytes);

void image_begin(struct image *image, void *at, size_t room, uint64_t saved_ns);
void image_add(struct image *image, const struct snapshot_part *part);
/* Checksums and head: from now on it may be written. */
void image_seal(struct image *image, struct hash_key key);

/* NULL: all of it is as it was sealed, by this key. Else what is wrong with it. */
MUST_USE const char *image_fault(const void *at, size_t bytes, struct hash_key key);

/* What became of a section of the file. */
enum image_outcome {
    IMAGE_TAKEN,
    IMAGE_UNKNOWN, /* no part of that name */
    IMAGE_OTHER, /* another version or layout */
    IMAGE_BROKEN, /* its part could not read it to the end */
};
struct image_told {
    struct slice name;
    enum image_outcome outcome;
    uint64_t entries;
    uint64_t future; /* left out because they come from after `now` */
};
/* Gives each section to its part. Order is that of the parts, so that one may build on another. */
void image_load(const void *at, size_t bytes, const struct snapshot_part *parts, uint32_t count,
                uint64_t now_ns, void (*tell)(void *owner, const struct image_told *told),
                void *owner);

#endif
