/* Mirror copies: a ring of the packets seen last, found again through chains by hash.
 *
 *    heads  [number of the newest packet of its chain] x HEADS       index: top bits of the hash
 *    ring   [hash | time | where | number before it in the chain] x CELLS   index: number, low bits
 *
 * Numbers count packets, so a link is stale when it is more than CELLS behind (0 is, at the start):
 * nothing is ever deleted from a chain, old packets fall off the ring. (After 2^32 packets a stale
 * link may look fresh: it leads to cells whose whole hash differs.) What is forgotten follows the
 * order of packets alone. (Buckets that evict their own oldest would be simpler, but then the seed
 * of the hash decides who is forgotten; docs/architecture.md.) The walk along a chain takes half a step
 * on average whatever comes: cells are half as many as heads, and nobody without the key can aim at
 * a chain; of a packet's own twins the newest is met first, and decides.
 *
 * What makes two packets the same: addresses, ports, protocol, IP id, lengths, checksum, TCP's
 * numbers, and the payload. Of the payload the first 32 bytes are hashed where UDP's or TCP's
 * checksum is there, for it covers the rest; two payloads that differ only behind 32 bytes and
 * still have the same checksum, length and IP id are one in 65,536, and then only within 50 ms
 * (RTP's header lies within the 32 anyway). Without a checksum (0, and fragments) all captured
 * bytes count. TTL, VLAN, VNI, MAC and port are left out: they differ between the mirrors.
 *
 * A twin that is two windows old is none; two, because a stamp may lie before the one before it. For
 * a stamp that does not, one window is enough, and links to packets before `recent` are not
 * followed: at the rates of most taps few packets are younger, so most look-ups end at the head,
 * without a cell (a cache line) of the ring. `recent` is brought up to date once a batch; between,
 * it is behind, and who is met decides for himself.
 *
 * A copy is measured against the first of its kind, not against the copy before: a loop does not
 * hide packets for longer than the window. */
#include "sensor/flows/duplicate_cell.h"

#include "decoders/plain_udp.h"

enum { UDP_BYTES = 8 }; /* of its header, which its length counts */

enum status duplicate_table_open(struct hash_key key, struct duplicate_table **out_table,
                                 struct error *error)
{
    struct duplicate_table *table = calloc(1, sizeof *table);
    if (table == NULL) {
        return error_system(error, STATUS_FAILED, "", "no memory for the table of mirror copies");
    }
    table->key = key;
    wordhash_open(&table->words, key);
    table->number = DUPLICATE_CELLS;
    table->recent = DUPLICATE_CELLS + 1;
    table->live = DUPLICATE_CELLS + 1;
    enum status status =
        region_open(DUPLICATE_CELLS * sizeof(struct duplicate_cell), &table->ring_region, error);
    if (status != STATUS_OK) {
        goto free_table;
    }
    status = region_open(DUPLICATE_HEADS * sizeof(uint32_t), &table->heads_region, error);
    if (status != STATUS_OK) {
        goto close_ring;
    }
    table->ring = table->ring_region.at;
    table->heads = table->heads_region.at;
    *out_table = table;
    return STATUS_OK;

close_ring:
    region_close(&table->ring_region);
free_table:
    free(table);
    return status;
}

void duplicate_table_close(struct duplicate_table *table)
{
    if (table == NULL) {
        return;
    }
    region_close(&table->heads_region);
    region_close(&table->ring_region);
    free(table);
}

size_t duplicate_table_bytes_max(void)
{
    return sizeof(struct duplicate_table) + DUPLICATE_CELLS * sizeof(struct duplicate_cell) +
           DUPLICATE_HEADS * sizeof(uint32_t);
}

uint64_t duplicate_hash(const struct duplicate_table *table, const struct layers *layers,
                        const struct wordhash_ends *ends)
{
    const struct wordhash *words = &table->words;
    uint32_t lengths = layers->payload_wire;
    const uint8_t *payload = layers->payload;
    uint32_t bytes = layers->payload_bytes;
    bool head_decides = bytes >= DUPLICATE_HEAD_BYTES && layers->checksum != 0;
    uint64_t sum = duplicate_sum_ends(ends);
    if (layers->fragment) {
        payload = layers->fragment_at;
        bytes = layers->fragment_bytes;
        lengths = layers->fragment_wire;
        uint32_t kind = UINT32_C(1) << 31 | (uint32_t)layers->fragment_protocol << 17 |
                        (uint32_t)layers->more_fragments << 16 | layers->fragment_offset;
        sum += wordhash_pair(words, 4, layers->fragment_id, kind);
        head_decides = false;
    }
    if ((layers->tcp_sequence | layers->tcp_acknowledgement) != 0) {
        sum += wordhash_pair(words, 6, layers->tcp_sequence, layers->tcp_acknowledgement);
    }
    if (head_decides) {
        sum += duplicate_sum_payload(words, payload);
    } else if (bytes > 0) {
        sum += wordhash_pair(words, 8, hash_bytes(table->key, payload, bytes), 0);
    }
    uint64_t marks = plain_marks(layers->ip_id, lengths + UDP_BYTES, layers->checksum);
    return duplicate_fold(words, sum, marks);
}

/* From `first` on, the first packet that is still there and not older than `age_ns`. Stamps differ,
 * but the newest only grows: what is passed over once would be passed over at any later time, so it
 * does not matter when this is asked. */
static uint32_t duplicate_pass_over(const struct duplicate_table *table, uint32_t first,
                                    uint64_t age_ns)
{
    uint32_t number = table->number + 1; /* of the next packet, which takes the cell of ... */
    if (number - first > DUPLICATE_CELLS) {
        first = number - DUPLICATE_CELLS; /* ... this one */
    }
    uint64_t limit_ns = time_since(table->newest_ns, age_ns);
    const struct duplicate_cell *ring = table->ring;
    while (first != number && ring[first & (DUPLICATE_CELLS - 1)].time_ns < limit_ns) {
        first++;
    }
    return first;
}

void duplicate_forget(struct duplicate_table *table)
{
    table->recent = duplicate_pass_over(table, table->recent, DUPLICATE_WINDOW_NS);
}

bool duplicate_is_copy(struct duplicate_table *table, uint32_t number, bool has_id, uint32_t where,
                       uint64_t now_ns)
{
    uint32_t next = table->number + 1;
    table->live = duplicate_pass_over(table, table->live, 2 * DUPLICATE_WINDOW_NS);
    if (next - number > next - table->live) {
        return false;
    }
    const struct duplicate_cell *cell = &table->ring[number & (DUPLICATE_CELLS - 1)];
    uint64_t apart_ns = now_ns > cell->time_ns ? now_ns - cell->time_ns : cell->time_ns - now_ns;
    if (has_id) {
        return apart_ns <= DUPLICATE_WINDOW_NS;
    }
    return apart_ns <= DUPLICATE_WINDOW_NO_ID_NS && cell->where != where;
}

bool duplicate_see(struct duplicate_table *table, const struct layers *layers, uint16_t interface,
                   uint64_t now_ns)
{
    struct wordhash_ends ends =
        wordhash_ends_of(wordhash_addr(&table->words, &layers->source), layers->source_port,
                         wordhash_addr(&table->words, &layers->destination),
                         layers->destination_port, layers->protocol);
    uint64_t hash = duplicate_hash(table, layers, &ends);
    return duplicate_see_hashed(table, layers, hash, interface, now_ns);
}

bool duplicate_see_hashed(struct duplicate_table *table, const struct layers *layers, uint64_t hash,
                          uint16_t interface, uint64_t now_ns)
{
    /* An IPv6 fragment has an id too, but a sender's own: it repeats it in no other packet. */
    bool has_id = layers->ip_id != 0 || (layers->fragment && layers->fragment_id != 0);
    uint32_t where =
        duplicate_where(&table->words, interface, layers->vlan_outer, layers->vlan_inner,
                        layers->ttl, layers->link_hash_input, layers->vni);
    return duplicate_see_hash(table, hash, has_id, where, now_ns);
}
