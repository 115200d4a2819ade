/* duplicate.h - mirror copies of a packet, left out of all figures.
 *
 * Owns      a ring of the packets of the last DUPLICATE_WINDOW_NS, by hash.
 * Borrows   the packet during the call.
 * Time      packet time in ns, an argument.
 * Bounds    DUPLICATE_CELLS packets; when more come in a window, the oldest are forgotten and
 *           copies of them count as packets (never the other way round).
 * Errors    open only.
 * Thread    one owner: the dealer with -r, else a worker.
 *
 * The same packet again (addresses, ports, protocol, IP id, lengths, checksum, payload) within 50
 * ms is a copy; the TTL may differ (mirrored before and after a router). IPv4 id 0 and IPv6 have no
 * id: then the window is 2 ms and port, VLAN, TTL or MAC must differ. Never by payload alone: SIP
 * retransmissions come 500 ms later, and RTP duplicates are a real fault (docs/definitions.md).
 */
#ifndef SENSOR_FLOWS_DUPLICATE_H
#define SENSOR_FLOWS_DUPLICATE_H

#include "base/clock.h"
#include "base/hash.h"
#include "decoders/decoder.h"
#include "sensor/flows/wordhash.h"

enum { DUPLICATE_CELLS = 16384 };
#define DUPLICATE_WINDOW_NS (50 * NS_PER_MS)
#define DUPLICATE_WINDOW_NO_ID_NS (2 * NS_PER_MS)

struct duplicate_table;

MUST_USE enum status duplicate_table_open(struct hash_key key, struct duplicate_table **out_table,
                                          struct error *error);
void duplicate_table_close(struct duplicate_table *table);
size_t duplicate_table_bytes_max(void); /* for --list memory */
/* True: a copy of a packet seen before. `interface` is where it was captured. Fragments are
 * compared too (their bytes), so that a doubled mirror does not break reassembly. */
bool duplicate_see(struct duplicate_table *table, const struct layers *layers, uint16_t interface,
                   uint64_t now_ns);
/* The same in passes over a batch: hash all, forget the old ones, see each.
 * `ends` are those of the packet, which the caller needs too; of the table's key. */
uint64_t duplicate_hash(const struct duplicate_table *table, const struct layers *layers,
                        const struct wordhash_ends *ends);
bool duplicate_see_hashed(struct duplicate_table *table, const struct layers *layers, uint64_t hash,
                          uint16_t interface, uint64_t now_ns);
/* Forgets what is too old for any window; the answers are the same without. */
void duplicate_forget(struct duplicate_table *table);

#endif
