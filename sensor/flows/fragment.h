/* fragment.h - IPv4 and IPv6 fragments put together.
 *
 * Owns      the table of open datagrams and the bytes they hold.
 * Borrows   fragments during the call; what is needed is copied.
 * Time      packet time in ns, always an argument.
 * Bounds    FRAGMENT_DATAGRAMS_MAX open datagrams, of one source at most FRAGMENT_SOURCE_MAX;
 *           bytes_max in all; 64 KiB each; FRAGMENT_TIMEOUT_NS. What is forgotten is counted.
 * Errors    open only; a bad fragment is an enum reason.
 * Thread    one owner: the dealer with -r, else a worker.
 *
 * Key: innermost source, destination, id, protocol, VLAN and VNI (docs/definitions.md). IPv4:
 * bytes that came first win. IPv6: overlapping fragments drop the datagram (RFC 5722). An exact
 * copy is no overlap. Overlap with other bytes is the anomaly ip-frag-overlap. */
#ifndef SENSOR_FLOWS_FRAGMENT_H
#define SENSOR_FLOWS_FRAGMENT_H

#include "base/hash.h"
#include "base/clock.h"
#include "decoders/decoder.h"

enum { FRAGMENT_DATAGRAMS_MAX = 4096, FRAGMENT_SOURCE_MAX = 256, FRAGMENT_DATAGRAM_BYTES = 65535 };
#define FRAGMENT_TIMEOUT_NS (30 * NS_PER_S)

struct fragment_table;

struct fragment_result {
    bool whole; /* the datagram is complete: at, bytes, fragments, first_ns are set */
    bool overlap; /* an overlap with other bytes was met: told once a datagram */
    const uint8_t *at; /* valid until the next call */
    uint32_t bytes;
    uint32_t fragments; /* how many made it, copies not counted */
    uint64_t first_ns; /* time of the first that came */
};

MUST_USE enum status fragment_table_open(size_t bytes_max, struct hash_key key,
                                         struct fragment_table **out_table, struct error *error);
void fragment_table_close(struct fragment_table *table);
size_t fragment_table_bytes_max(size_t bytes_max); /* for --list memory */
/* Feeds one fragment (layers->fragment). REASON_NONE also while the datagram is not whole. A
 * fragment cut by the snap length makes a datagram that is never whole. */
enum reason fragment_see(struct fragment_table *table, const struct layers *layers, uint64_t now_ns,
                         struct fragment_result *out_result);
/* Forgets datagrams older than the time-out; returns how many. */
uint32_t fragment_expire(struct fragment_table *table, uint64_t now_ns);
uint64_t fragment_evicted(const struct fragment_table *table); /* so far, by want of room */

#endif
