/* pcapng_file.h - the block-structured capture format.
 *
 * Owns      the table of a section's interfaces; pcapng_file_close() frees it.
 * Borrows   bytes during the call; frames point into them.
 * Time      ticks of each interface (10^-n or 2^-n s, with an offset in seconds) to ns; saturates
 *           at PCAPNG_TIME_MAX, and what lies before 1970 is 1970. A simple packet block has no
 *           time: it gets that of the frame before it in the file (0 for the first).
 * Bounds    PCAPNG_INTERFACES_MAX interfaces a section, 32 bytes each; grown as they come.
 * Errors    open says what is wrong with the first block; later damage ends the walk.
 * Thread    one at a time. */
#ifndef SENSOR_CAPTURE_PCAPNG_FILE_H
#define SENSOR_CAPTURE_PCAPNG_FILE_H

#include "sensor/capture/walk.h"

#define PCAPNG_TIME_MAX ((uint64_t)INT64_MAX) /* the year 2262 */
enum { PCAPNG_INTERFACES_MAX = 65536, PCAPNG_HEADER_BYTES = 28 };

struct pcapng_interface;

struct pcapng_file {
    struct pcapng_interface *interfaces; /* of this section */
    uint32_t interface_count;
    uint32_t interface_room;
    uint16_t *interface_next; /* index over all interfaces of the run */
    uint64_t last_ns;
    uint64_t skip_bytes; /* of a block that is not read whole */
    uint32_t trailer_length; /* what the length behind those bytes must be; 0: none open */
    bool big_endian;
    bool out_of_memory; /* an interface found no room: told as damage */
};

bool pcapng_file_is(const uint8_t *at, size_t bytes);
/* Looks at the first PCAPNG_HEADER_BYTES of a file; nothing is used up. False: *out_fault says why
 * not. `interface_next` is counted up for each interface that is described. */
MUST_USE bool pcapng_file_open(struct pcapng_file *pcapng, const uint8_t *at,
                               uint16_t *interface_next, const char **out_fault);
void pcapng_file_walk(struct pcapng_file *pcapng, struct walk *walk);
void pcapng_file_close(struct pcapng_file *pcapng);

/* Ticks since the offset to ns; public for its test. `resolution` is the octet of if_tsresol. */
uint64_t pcapng_file_time(uint64_t ticks, uint8_t resolution, int64_t offset_s);

#endif
