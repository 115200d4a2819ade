/* pcap_file.h - the classic capture format, in all its variants.
 *
 * Owns      nothing: the struct is plain memory of the caller.
 * Borrows   bytes during the call; frames point into them.
 * Time      microseconds or nanoseconds of the file, to ns.
 * Bounds    a record above walk_captured_max() is damage.
 * Errors    open says what is wrong with the file header; a walk has none.
 * Thread    one at a time. */
#ifndef SENSOR_CAPTURE_PCAP_FILE_H
#define SENSOR_CAPTURE_PCAP_FILE_H

#include "sensor/capture/walk.h"

enum { PCAP_HEADER_MAX = 28 };

struct pcap_file {
    bool big_endian;
    bool lengths_maybe_swapped;
    bool lengths_swapped;
    uint16_t link_type;
    uint16_t interface;
    uint32_t tick_ns; /* 1000 or 1 */
    uint32_t captured_max; /* above is damage */
    uint32_t header_bytes; /* of a record: 16, modified 24 */
    uint64_t skip_bytes; /* of a record that was cut */
};

/* Whether these first bytes of a file (4 are enough) are a magic of this format. */
bool pcap_file_is(const uint8_t *at, size_t bytes);
/* Bytes of the file header, from its first 4 bytes. */
size_t pcap_file_header_bytes(const uint8_t *at);
/* Reads the file header, pcap_file_header_bytes() long. False: *out_fault says why not. */
MUST_USE bool pcap_file_open(struct pcap_file *pcap, const uint8_t *at, uint16_t interface,
                             const char **out_fault);
void pcap_file_walk(struct pcap_file *pcap, struct walk *walk);

#endif
