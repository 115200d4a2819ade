/* capture_file.h - one open capture, whatever its format: frames out of a window of its bytes.
 *
 * Owns      the open file and the state of its format; capture_file_close() frees them.
 * Borrows   the path during open, the window's memory during calls; frames point into it.
 * Time      the frames' stamps.
 * Bounds    a window never needs more than BLOCK_CAPACITY.
 * Errors    open: STATUS_INPUT and a message without the name (it is in error->where). frames: only
 *           when reading fails; damage and an early end are `truncated`.
 * Thread    one at a time. */
#ifndef SENSOR_CAPTURE_CAPTURE_FILE_H
#define SENSOR_CAPTURE_CAPTURE_FILE_H

#include "sensor/capture/inflate.h"
#include "sensor/capture/pcap_file.h"
#include "sensor/capture/pcapng_file.h"

/* Bytes of a file: [at, filled) is not used yet, what lies before it belongs to frames given out.
 */
struct window {
    uint8_t *bytes;
    size_t capacity;
    size_t at;
    size_t filled;
    size_t fill_to; /* how full a read may make it, if no single record needs more */
    bool may_grow; /* `bytes` is malloc'd and may be replaced by a larger one */
    bool patient; /* short reads are repeated: what is ahead must not depend on a pipe's mood */
};

struct capture_file {
    struct inflate *inflate;
    bool is_pcapng;
    union {
        struct pcap_file pcap;
        struct pcapng_file pcapng;
    };
    uint8_t head[PCAP_HEADER_MAX]; /* read at open, not yet in a window */
    size_t head_bytes;
    bool at_end; /* of the bytes */
    bool ended; /* no frame will come any more */
    bool truncated; /* valid when ended */
    uint64_t frames_cut;
    uint64_t blocks_skipped;
};
static_assert((int)PCAP_HEADER_MAX >= (int)PCAPNG_HEADER_BYTES, "one buffer for both");

/* Opens and reads the file header. `interface_next` counts interfaces over all files of the run. */
MUST_USE enum status capture_file_open(struct capture_file *file, const char *path,
                                       uint16_t *interface_next, struct error *error);
/* Whether the file begins like a capture; one that cannot be opened does too, so that it is named.
 */
bool capture_file_sniff(const char *path);
/* The next frames, at least one unless file->ended; at most one read goes ahead of what is needed.
 */
MUST_USE enum status capture_file_frames(struct capture_file *file, struct window *window,
                                         struct captured *frames, uint32_t frames_max,
                                         uint32_t *out_count, struct error *error);
void capture_file_close(struct capture_file *file);

#endif
