/* split.c - the kernel parts frames among the rings by a hash of their outermost flow. Fragments
 * have no ports to be hashed by, and a tunnel shows two directions of one flow as two; so parts of
 * one flow may come to different workers. That is no harm to what state keeps, for all of it meets
 * here; but what a worker counts by itself (flows, intervals of streams) then stands in two records.
 * How many there are is counted, so that nobody wonders.
 *
 * A table without chains: a flow takes the place of another with the same place. Both directions
 * have one hash: the ends enter by a sum. */
#include "sensor/run/split.h"

#include "decoders/decoder.h"

static_assert((SPLIT_CELLS & (SPLIT_CELLS - 1)) == 0, "a mask chooses the place");

static uint64_t flow_hash(const struct sighting *head)
{
    const struct endpoint source = {.addr = head->source, .port = head->source_port};
    const struct endpoint destination = {.addr = head->destination, .port = head->destination_port};
    bool is_udp =
        head->kind == SIGHTING_SIP ? head->transport == SIP_UDP : head->transport == PROTOCOL_UDP;
    uint64_t labels = (uint64_t)head->vni << 32 | (uint64_t)head->vlan_outer << 16 |
                      (uint64_t)head->vlan_inner << 1 | is_udp;

    return hash_mix(hash_endpoint(HASH_KEY_FIXED, &source) +
                        hash_endpoint(HASH_KEY_FIXED, &destination),
                    labels + 1);
}

bool split_see(struct split *split, const struct sighting *sighting, uint32_t ring)
{
    uint64_t hash = flow_hash(sighting);
    struct split_cell *cell = &split->cells[hash & (SPLIT_CELLS - 1)];
    uint32_t tag = (uint32_t)(hash >> 32) | 1;

    if (cell->tag != tag) {
        *cell = (struct split_cell){.tag = tag, .ring = (uint8_t)ring};
        return false;
    }
    bool is_first = cell->ring != ring && !cell->split;
    cell->split = cell->split || is_first;
    return is_first;
}
