/* source.h - where packets come from: frames in blocks, in order, numbered.
 *
 * Owns      an open source owns its files and buffers; source_close() frees it.
 * Borrows   paths during open. A block's bytes belong to the block's owner (the dealer's pool).
 * Time      the frame's stamp, ns since the epoch; no clock is read here.
 * Bounds    a block holds at most BLOCK_FRAMES_MAX frames and BLOCK_BYTES of their bytes; a frame
 *           is at most FRAME_BYTES_MAX captured bytes (a longer one is cut and counted).
 * Errors    open fails with STATUS_INPUT and one clear line. A capture that ends inside a record is
 *           no error: `truncated` says so. Damage inside a file ends that file and is told the same
 *           way.
 * Thread    one at a time (the reader).
 *
 * One source is what one run reads: a file, several merged by (time, file, number), or standard
 * input. One file is read in file order, without look-ahead. Nothing here looks past the capture
 * header. */
#ifndef SENSOR_CAPTURE_SOURCE_H
#define SENSOR_CAPTURE_SOURCE_H

#include "base/captured.h"
#include "base/clock.h"
#include "base/slice.h"

enum {
    BLOCK_FRAMES_MAX = 2048,
    BLOCK_BYTES = 256 << 10,
    FRAME_BYTES_MAX = 256 << 10,
    SOURCE_FILES_MAX = 4096,
};

/* Frames and their bytes, given by the caller and filled by source_next(). */
struct block {
    struct captured *frames; /* [BLOCK_FRAMES_MAX] */
    uint32_t frame_count;
    uint8_t *bytes; /* where frames may be put: BLOCK_BYTES + headroom, see block_open() */
    bool end; /* nothing follows; a block may be empty and the end at once */
};

MUST_USE enum status block_open(struct block *block, struct error *error);
void block_close(struct block *block);

/* Cumulative; valid after each source_next(). */
struct source_counts {
    uint64_t frames;
    uint64_t bytes; /* wire bytes */
    uint64_t first_ns; /* smallest and largest time stamp; 0 with no frame */
    uint64_t last_ns;
    uint64_t frames_cut; /* longer than FRAME_BYTES_MAX */
    uint64_t blocks_skipped; /* pcapng blocks that hold no packet (statistics, names, secrets) */
    uint32_t files;
    uint32_t files_bad; /* named in source_fault(), the others were read */
    bool truncated; /* some file ended inside a record, or was damaged behind its packets */
};

struct source;

/* Paths: files, folders (their files that are captures, sorted by name, not recursive; other files
 * in a folder are passed over in silence), "-" = standard input. Formats by magic bytes: pcap (us,
 * ns, both byte orders, modified), pcapng, each plain, gzip or zstd. One bad file among many:
 * counted and named, the others are read. All bad: STATUS_INPUT. A file that is a capture but holds
 * no packet is good. */
MUST_USE enum status source_open_files(const char *const *paths, size_t count,
                                       struct source **out_source, struct error *error);
/* Fills the block with the next frames. Fails only if reading itself fails (STATUS_FAILED); the end
 * is block->end. */
MUST_USE enum status source_next(struct source *source, struct block *block, struct error *error);
void source_counts(const struct source *source, struct source_counts *out_counts);
/* What was wrong with the n-th bad file ("NAME: why"), or NULL. */
const char *source_fault(const struct source *source, uint32_t index);
/* Name of a link type for people ("EN10MB", "LINUX_SLL"; "LINKTYPE 300" where unknown), by libpcap.
 */
const char *source_link_name(uint16_t link_type);
/* libpcap's number for a link type of the file format. */
int source_link_dlt(uint16_t link_type);
uint16_t source_link_of_dlt(int dlt);
/* Bytes read so far and bytes to read in all (compressed size counts; 0 = unknown): for progress.
 */
void source_progress(const struct source *source, uint64_t *out_done, uint64_t *out_total);
void source_close(struct source *source);

#endif
