/* roundtrip.h - what RTCP says about each stream: round trip seen from the tap, loss and jitter as
 * the receiver reports.
 *
 * Owns      one entry for each (SSRC, sender's address, receiver's address) that RTCP named.
 * Borrows   sightings during the call.
 * Time      the packets' own stamps for figures, state time for forgetting.
 * Bounds    entries_max; the longest idle goes, as does what was silent for 300 s.
 * Errors    open only.
 * Thread    the analyst's.
 *
 * docs/definitions.md: no NTP is needed at a tap. An SR passes at t1 with NTP time n; a report
 * that quotes n comes back at t2 and says that its sender held it for DLSR: t2 - t1 - DLSR is the
 * way from the tap to the receiver and back. The same for the other direction; both together are
 * the round trip of the call. */
#ifndef SENSOR_STATE_ROUNDTRIP_H
#define SENSOR_STATE_ROUNDTRIP_H

#include "base/hash.h"
#include "base/table.h"
#include "sensor/flows/sighting.h"

struct roundtrip_table {
    struct table entries;
    struct hash_key key;
    uint64_t shifted_ns; /* by jumps of the clock, in all */
};

struct roundtrip_view {
    uint64_t mean_ns; /* both halves, or the one that is known; 0 = none */
    uint64_t max_ns;
    uint64_t jitter_max; /* time-stamp units of the stream's clock */
    int64_t lost; /* last cumulative minus first */
    uint32_t reports;
    uint32_t fraction_max; /* of 256 */
};

MUST_USE enum status roundtrip_open(uint32_t entries_max, struct hash_key key,
                                    struct roundtrip_table *table, struct error *error);
void roundtrip_close(struct roundtrip_table *table);
size_t roundtrip_bytes_max(uint32_t entries_max);
void roundtrip_see(struct roundtrip_table *table, const struct rtcp_sighting *sighting);
void roundtrip_get(const struct roundtrip_table *table, const struct addr *source,
                   const struct addr *destination, uint32_t ssrc, struct roundtrip_view *out_view);
void roundtrip_mark(struct roundtrip_table *table, uint64_t mark_s, uint64_t shift_ns);

#endif
