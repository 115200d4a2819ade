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
 * Links to packets that are two windows old are not followed: at the rates of most taps few packets
 * are younger, so most look-ups end at the head, without a cell (a cache line) of the ring. Two
 * windows, because a stamp may lie before the one before it.
 *
 * A copy is measured against the first of its kind, not against the copy before: a loop does not
 * hide packets for longer than the window. */
#include "sensor/flows/duplicate.h"

#include "base/region.h"
#include "sensor/flows/wordhash.h"

enum {
    HEADS = 2 * DUPLICATE_CELLS,
    HEAD_SHIFT = 64 - 15,
    PAYLOAD_BYTES = 32,
};

static_assert(HEADS == 1 << (64 - HEAD_SHIFT), "the top bits of a hash choose its head");
static_assert((DUPLICATE_CELLS & (DUPLICATE_CELLS - 1)) == 0, "a number's cell is its low bits");

struct duplicate_cell {
    uint64_t hash;
    uint64_t time_ns;
    uint32_t where; /* port, VLANs, TTL, MAC, mixed: what differs between mirrors */
    uint32_t before; /* number of the packet before it in its chain; 0 = none */
};

struct duplicate_table {
    struct hash_key key;
    struct wordhash words;
    uint32_t number; /* of the newest packet; begins where a link of 0 is stale */
    uint32_t live; /* packets before this number are too old for any window */
    uint64_t newest_ns;
    struct region ring;
    struct region heads;
};

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
    table->live = DUPLICATE_CELLS + 1;
    enum status status =
        region_open(DUPLICATE_CELLS * sizeof(struct duplicate_cell), &table->ring, error);
    if (status != STATUS_OK) {
        goto free_table;
    }
    status = region_open(HEADS * sizeof(uint32_t), &table->heads, error);
    if (status != STATUS_OK) {
        goto close_ring;
    }
    *out_table = table;
    return STATUS_OK;

close_ring:
    region_close(&table->ring);
free_table:
    free(table);
    return status;
}

void duplicate_table_close(struct duplicate_table *table)
{
    if (table == NULL) {
        return;
    }
    region_close(&table->heads);
    region_close(&table->ring);
    free(table);
}

size_t duplicate_table_bytes_max(void)
{
    return sizeof(struct duplicate_table) + DUPLICATE_CELLS * sizeof(struct duplicate_cell) +
           HEADS * sizeof(uint32_t);
}

static inline uint64_t word_at(const uint8_t *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

uint64_t duplicate_hash(const struct duplicate_table *table, const struct layers *layers,
                        uint64_t source, uint64_t destination)
{
    const struct wordhash *words = &table->words;
    uint64_t ports = (uint64_t)layers->source_port << 16 | layers->destination_port;
    uint64_t lengths = layers->payload_wire;
    uint64_t kind = layers->protocol; /* protocol, fragment and its position */
    const uint8_t *payload = layers->payload;
    uint32_t bytes = layers->payload_bytes;
    bool head_decides = bytes >= PAYLOAD_BYTES && layers->checksum != 0;
    if (__builtin_expect(layers->fragment, false)) {
        payload = layers->fragment_at;
        bytes = layers->fragment_bytes;
        lengths = layers->fragment_wire;
        ports = layers->fragment_id;
        kind = UINT64_C(1) << 31 | (uint64_t)layers->fragment_protocol << 17 |
               (uint64_t)layers->more_fragments << 16 | layers->fragment_offset;
        head_decides = false;
    }
    uint64_t id_checksum = (uint64_t)layers->ip_id << 16 | layers->checksum;
    uint64_t sum = source +
                   (destination << 1 | destination >> 63) + /* a direction is not its other */
                   wordhash_pair(words, 4, ports << 32 | lengths, id_checksum << 32 | kind);
    if ((layers->tcp_sequence | layers->tcp_acknowledgement) != 0) {
        sum += wordhash_pair(words, 6, layers->tcp_sequence, layers->tcp_acknowledgement);
    }
    if (__builtin_expect(head_decides, true)) {
        static_assert(PAYLOAD_BYTES == 32, "four words");
        sum += wordhash_pair(words, 8, word_at(payload), word_at(payload + 8)) +
               wordhash_pair(words, 10, word_at(payload + 16), word_at(payload + 24));
    } else if (bytes > 0) {
        sum += wordhash_pair(words, 8, hash_bytes(table->key, payload, bytes), 0);
    }
    return hash_fold(sum, words->secrets[7] | 1);
}

static inline uint32_t duplicate_where(const struct wordhash *words, const struct layers *layers,
                                       uint16_t interface)
{
    uint64_t where = (uint64_t)interface << 48 | (uint64_t)layers->vlan_outer << 32 |
                     (uint64_t)layers->vlan_inner << 16 | layers->ttl;
    return (uint32_t)wordhash_pair(words, 0, where,
                                   layers->link_hash_input ^ (uint64_t)layers->vni << 24);
}

/* Is the packet a copy of the one in `cell`, which has the same hash? */
static bool duplicate_is_copy(const struct duplicate_cell *cell, bool has_id, uint32_t where,
                              uint64_t now_ns)
{
    uint64_t apart_ns = now_ns > cell->time_ns ? now_ns - cell->time_ns : cell->time_ns - now_ns;
    if (has_id) {
        return apart_ns <= DUPLICATE_WINDOW_NS;
    }
    return apart_ns <= DUPLICATE_WINDOW_NO_ID_NS && cell->where != where;
}

/* How far back a link may point: what is older than two windows is of no use. */
static uint32_t duplicate_reach(struct duplicate_table *table, uint32_t number, uint64_t now_ns)
{
    const struct duplicate_cell *ring = table->ring.at;
    table->newest_ns = now_ns > table->newest_ns ? now_ns : table->newest_ns;
    while (table->live != number &&
           time_since(table->newest_ns, ring[table->live & (DUPLICATE_CELLS - 1)].time_ns) >
               2 * DUPLICATE_WINDOW_NS) {
        table->live++;
    }
    uint32_t reach = number - table->live;
    if (reach > DUPLICATE_CELLS) {
        table->live = number - DUPLICATE_CELLS;
        reach = DUPLICATE_CELLS;
    }
    return reach;
}

void duplicate_prefetch(const struct duplicate_table *table, uint64_t hash)
{
    __builtin_prefetch((const uint32_t *)table->heads.at + (hash >> HEAD_SHIFT), 1);
}

void duplicate_prefetch_cell(const struct duplicate_table *table, uint64_t hash)
{
    uint32_t newest = ((const uint32_t *)table->heads.at)[hash >> HEAD_SHIFT];
    if (table->number - newest <= table->number - table->live) {
        const struct duplicate_cell *ring = table->ring.at;
        __builtin_prefetch(&ring[newest & (DUPLICATE_CELLS - 1)]);
    }
}

bool duplicate_see(struct duplicate_table *table, const struct layers *layers, uint16_t interface,
                   uint64_t now_ns)
{
    uint64_t source = wordhash_addr(&table->words, &layers->source);
    uint64_t destination = wordhash_addr(&table->words, &layers->destination);
    uint64_t hash = duplicate_hash(table, layers, source, destination);
    return duplicate_see_hashed(table, layers, hash, interface, now_ns);
}

bool duplicate_see_hashed(struct duplicate_table *table, const struct layers *layers, uint64_t hash,
                          uint16_t interface, uint64_t now_ns)
{
    struct duplicate_cell *ring = table->ring.at;
    uint32_t *heads = table->heads.at;
    uint32_t *head = &heads[hash >> HEAD_SHIFT];
    uint32_t where = duplicate_where(&table->words, layers, interface);
    /* An IPv6 fragment has an id too, but a sender's own: it repeats it in no other packet. */
    bool has_id = layers->ip_id != 0 || (layers->fragment && layers->fragment_id != 0);
    uint32_t number = table->number + 1;
    uint32_t seen = *head;
    uint32_t reach = duplicate_reach(table, number, now_ns);
    while (number - seen <= reach) { /* ends: what a cell links to is older than it */
        const struct duplicate_cell *cell = &ring[seen & (DUPLICATE_CELLS - 1)];
        if (cell->hash == hash) {
            if (duplicate_is_copy(cell, has_id, where, now_ns)) {
                return true;
            }
            break; /* the twin seen last decides */
        }
        seen = cell->before;
    }
    table->number = number;
    ring[number & (DUPLICATE_CELLS - 1)] =
        (struct duplicate_cell){.hash = hash, .time_ns = now_ns, .where = where, .before = *head};
    *head = number;
    return false;
}
