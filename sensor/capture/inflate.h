/* inflate.h - bytes of a plain, gzip or zstd file, whichever it is.
 *
 * Owns      the file descriptor (unless it is standard input) and the decoder's memory.
 * Borrows   the path during open.
 * Time      none.
 * Bounds    zstd windows up to 128 MiB; output is only what the caller asks for, so bombs cost
 *           time, not memory.
 * Errors    open and read fail with STATUS_INPUT; damaged compressed data ends the file as
 *           truncated.
 * Thread    one at a time. */
#ifndef SENSOR_CAPTURE_INFLATE_H
#define SENSOR_CAPTURE_INFLATE_H

#include "base/slice.h"

struct inflate;

MUST_USE enum status inflate_open(const char *path, struct inflate **out_inflate,
                                  struct error *error);
/* Up to `bytes`; *out_bytes = 0 is the end. */
MUST_USE enum status inflate_read(struct inflate *inflate, void *at, size_t bytes,
                                  size_t *out_bytes, struct error *error);
bool inflate_is_damaged(
    const struct inflate *inflate); /* the compressed data ended early or is broken */
void inflate_progress(const struct inflate *inflate, uint64_t *out_done, uint64_t *out_total);
void inflate_close(struct inflate *inflate);

#endif
