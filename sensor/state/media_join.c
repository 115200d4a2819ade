/* media_join.c - why it is built so.
 *
 * Whose stream is it? Destination and source are looked up among the claims; up to ENDPOINT_CLAIMS
 * calls may have named either. In this order (docs/definitions.md):
 *
 *   1  the newest call that named both ends: no doubt left
 *   2  the only call that named the destination
 *   3  several named the destination (a media server's port, SIPp's fixed port): the newest that
 *      named the source, else the newest of them
 *   4  nobody named the destination: the newest that named the source (symmetric RTP, NAT)
 *
 * A call must fit in time: a stream that began more than 5 s after its end, or was silent 2 s
 * before its beginning, belongs to somebody else who used the port. "Newest" is the packet number
 * of the first INVITE, never the order of a table.
 *
 * Once joined a stream stays with its call; when that is over for more than 5 s and packets still
 * come, it is looked up again (a transfer keeps the 5-tuple). */
#include "sensor/state/media_inside.h"

#define EARLY_NS (2 * NS_PER_S)

struct ends {
    struct endpoint_found to;
    struct endpoint_found from;
};

static struct endpoint destination_of(const struct sighting *head)
{
    return (struct endpoint){head->destination, head->destination_port};
}

static struct endpoint source_of(const struct sighting *head)
{
    return (struct endpoint){head->source, head->source_port};
}

static bool fits(const struct media_table *table, const struct endpoint_claim *claim,
                 const struct stream_sighting *sighting)
{
    const struct call_cell *cell = call_cell_at(table->calls, claim->call);
    bool too_late = (cell->flags & CELL_OVER) != 0 &&
                    sighting->first_ns > time_add(cell->ended_ns, CALL_LATE_NS);
    bool too_early = time_add(sighting->last_ns, EARLY_NS) < cell->started_ns;

    return (claim->flags & ENDPOINT_RTCP) == 0 && !too_late && !too_early;
}

static void keep_fitting(const struct media_table *table, const struct stream_sighting *sighting,
                         struct endpoint_found *found)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < found->count; i++) {
        if (fits(table, found->claims[i], sighting)) {
            found->claims[kept++] = found->claims[i];
        }
    }
    found->count = kept;
}

static const struct endpoint_claim *of_call(const struct endpoint_found *found, uint32_t call)
{
    for (uint32_t i = 0; i < found->count; i++) {
        if (found->claims[i]->call == call) {
            return found->claims[i];
        }
    }
    return NULL;
}

/* Which claim decides; *out_towards: it is one of the destination. */
static const struct endpoint_claim *choose(const struct ends *ends, bool *out_towards)
{
    *out_towards = true;
    for (uint32_t i = 0; i < ends->to.count; i++) {
        if (of_call(&ends->from, ends->to.claims[i]->call) != NULL) {
            return ends->to.claims[i];
        }
    }
    if (ends->to.count == 1 || (ends->to.count > 1 && ends->from.count == 0)) {
        return ends->to.claims[0];
    }
    *out_towards = false;
    return ends->from.count > 0 ? ends->from.claims[0] : NULL;
}

/* Did this side name any endpoint at all? */
static bool side_has_claims(const struct media_table *table, uint32_t call, uint8_t side)
{
    const struct endpoint_table *endpoints = &table->endpoints;

    for (uint32_t i = call_cell_at(table->calls, call)->endpoints; i != TABLE_NONE;) {
        const struct endpoint_claim *claim = table_at(&endpoints->claims, i);
        if (claim->side == side) {
            return true;
        }
        i = claim->next;
    }
    return false;
}

bool media_has_call(const struct media_table *table, const struct open_stream *stream)
{
    return stream->call != TABLE_NONE &&
           (call_cell_at(table->calls, stream->call)->flags & CELL_LIVE) != 0 &&
           call_generation(table->calls, stream->call) == stream->generation;
}

bool media_join(struct media_table *table, const struct stream_sighting *sighting,
                struct open_stream *stream)
{
    struct endpoint destination = destination_of(&sighting->head);
    struct endpoint source = source_of(&sighting->head);
    struct ends ends;
    bool towards;

    endpoint_find(&table->endpoints, &destination, &ends.to);
    endpoint_find(&table->endpoints, &source, &ends.from);
    keep_fitting(table, sighting, &ends.to);
    keep_fitting(table, sighting, &ends.from);
    const struct endpoint_claim *claim = choose(&ends, &towards);
    if (claim == NULL || (claim->call == stream->call && media_has_call(table, stream))) {
        return false;
    }
    bool alias = (claim->flags & ENDPOINT_ALIAS) != 0;
    bool from_caller = towards == (claim->side == ENDPOINT_CALLEE);
    uint8_t sender = from_caller ? ENDPOINT_CALLER : ENDPOINT_CALLEE;
    bool source_named = of_call(&ends.from, claim->call) != NULL;
    stream->call = claim->call;
    stream->generation = claim->generation;
    stream->security = claim->security;
    stream->flags &= OPEN_BEGUN;
    stream->flags |= from_caller ? OPEN_FROM_CALLER : 0;
    stream->flags |= towards && !alias ? OPEN_EXPECTED : OPEN_LEARNED;
    stream->flags |= !source_named && side_has_claims(table, claim->call, sender) ? OPEN_NAT : 0;
    return true;
}

const struct endpoint_claim *media_claim(const struct media_table *table,
                                         const struct sighting *head,
                                         const struct open_stream *stream, bool towards)
{
    struct endpoint endpoint = towards ? destination_of(head) : source_of(head);
    struct endpoint_found found;

    if (!media_has_call(table, stream)) {
        return NULL;
    }
    endpoint_find(&table->endpoints, &endpoint, &found);
    const struct endpoint_claim *claim = of_call(&found, stream->call);
    return claim != NULL && (claim->flags & ENDPOINT_RTCP) == 0 ? claim : NULL;
}

static uint32_t newest_open(const struct media_table *table, struct endpoint endpoint)
{
    struct endpoint_found found;

    endpoint_find(&table->endpoints, &endpoint, &found);
    for (uint32_t i = 0; i < found.count; i++) {
        if ((call_cell_at(table->calls, found.claims[i]->call)->flags & CELL_OVER) == 0) {
            return found.claims[i]->call;
        }
    }
    return TABLE_NONE;
}

uint32_t media_call_of_rtcp(const struct media_table *table, const struct sighting *head)
{
    struct endpoint ends[4] = {destination_of(head), destination_of(head), source_of(head),
                               source_of(head)};

    ends[1].port--;
    ends[3].port--;
    for (unsigned i = 0; i < 4; i++) {
        uint32_t call = newest_open(table, ends[i]);
        if (call != TABLE_NONE) {
            return call;
        }
    }
    return TABLE_NONE;
}
