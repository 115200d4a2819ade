/* chunks.h - bytes of a TCP stream held until what is missing before or behind them has come.
 *
 * Owns      nothing: chunks belong to the slab of a shard, a list to its stream.
 * Borrows   bytes during chunks_hold().
 * Time      packet time in ns, kept with the bytes.
 * Bounds    CHUNKS_MAX chunks a stream; all positions of a list lie within 2^31 behind its `base`.
 * Errors    chunks_hold() says what did not fit.
 * Thread    one worker.
 *
 * A chunk is a run of bytes at a sequence number; the list is in order and never overlaps: bytes
 * that came first win (RFC 9293 leaves that open, and servers differ; what counts is that a second
 * version is told). */
#ifndef SENSOR_FLOWS_CHUNKS_H
#define SENSOR_FLOWS_CHUNKS_H

#include "base/slab.h"

enum {
    CHUNK_CELL_BYTES = 2048,
    CHUNK_DATA_BYTES = CHUNK_CELL_BYTES - 24,
    CHUNKS_MAX = 80, /* 64 KiB of a message, one segment, and room for tiny segments out of order */
};

struct chunks {
    uint32_t base; /* sequence number that positions count from: nothing before it is held */
    uint32_t first; /* SLAB_NONE = empty */
    uint32_t count;
    uint32_t bytes; /* held in all */
};

enum chunks_result {
    CHUNKS_HELD,
    CHUNKS_NO_CELL, /* the shard's slab is used up: make room and call again with the same bytes */
    CHUNKS_TOO_MANY /* the stream holds CHUNKS_MAX already */
};

void chunks_clear(struct slab *slab, struct chunks *chunks);
/* Holds the bytes that are not held yet. `append`: they follow what is held without a gap, so they
 * may share the cell of the bytes before. *out_conflict is set (never cleared) where bytes held
 * already differ from these. */
enum chunks_result chunks_hold(struct slab *slab, struct chunks *chunks, uint32_t sequence,
                               const uint8_t *at, uint32_t bytes, uint64_t time_ns, bool append,
                               bool *out_conflict);
/* How many bytes from `base` on are there without a gap. */
uint32_t chunks_ready(const struct slab *slab, const struct chunks *chunks);
/* Copies the first `bytes` of them. */
void chunks_copy(const struct slab *slab, const struct chunks *chunks, uint8_t *out,
                 uint32_t bytes);
/* Gives back the first `bytes` and moves `base`. `now_ns` becomes the time of what is left of a
 * cell that several segments share: only the newest of them can be left. */
void chunks_drop(struct slab *slab, struct chunks *chunks, uint32_t bytes, uint64_t now_ns);
/* When the byte at `offset` came. */
uint64_t chunks_time(const struct slab *slab, const struct chunks *chunks, uint32_t offset);
/* How many bytes are missing behind those that are ready, before the next one held; 0 without a
 * gap. */
uint32_t chunks_gap(const struct slab *slab, const struct chunks *chunks);

#endif
