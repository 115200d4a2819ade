/* endpoint.c - why it is built so.
 *
 * Claims of one address and port stand in the table under hash(endpoint, 0), (endpoint, 1) ... up
 * to ENDPOINT_CLAIMS: no list to follow, no collision rule, and a look-up is a few index slots in a
 * row: the place is added above bit 32, where the table takes a slot's home from. The claims of a
 * call hang in a list from its cell, so that they go with it.
 *
 *   call cell --endpoints--> claim --next--> claim --next--> none
 *
 * Formats: only dynamic payload types that can be the codec of a stream are kept; static ones stand
 * in the RFC's table, telephone-event and its like never name a stream.
 *
 * Limits: beyond ENDPOINT_FORMATS kept formats a line's further ones are unknown. */
#include "sensor/state/endpoint.h"

static struct endpoint_claim *claim_at(const struct endpoint_table *table, uint32_t claim)
{
    return table_at(&table->claims, claim);
}

static bool belongs_to(const struct endpoint_table *table, const struct endpoint_claim *claim,
                       uint32_t call)
{
    return claim->call == call && claim->generation == call_generation(table->calls, call);
}

static bool is_alive(const struct endpoint_table *table, const struct endpoint_claim *claim)
{
    return (call_cell_at(table->calls, claim->call)->flags & CELL_LIVE) != 0 &&
           belongs_to(table, claim, claim->call);
}

static void unlink_claim(struct endpoint_table *table, uint32_t index)
{
    const struct endpoint_claim *gone = claim_at(table, index);

    if (!is_alive(table, gone)) {
        return;
    }
    uint32_t *at = &call_cell_at(table->calls, gone->call)->endpoints;
    while (*at != TABLE_NONE && *at != index) {
        at = &claim_at(table, *at)->next;
    }
    if (*at == index) {
        *at = gone->next;
    }
}

static void on_evict(void *owner, uint32_t index, void *at)
{
    (void)at;
    unlink_claim(owner, index);
}

static uint64_t hash_of(const struct endpoint_table *table, const struct endpoint *endpoint)
{
    return hash_join(table->key, sip_keys_addr(table->key, &endpoint->addr), endpoint->port);
}

static uint64_t place_hash(uint64_t endpoint_hash, unsigned place)
{
    return endpoint_hash + ((uint64_t)place << 32);
}

void endpoint_prefetch(const struct endpoint_table *table, const struct endpoint *endpoint)
{
    table_prefetch(&table->claims, place_hash(hash_of(table, endpoint), 0));
}

/* The place of this call's claim, else a free one, else that of the call which is over or began
 * first. */
static unsigned place_of(const struct endpoint_table *table, uint64_t endpoint_hash, uint32_t call,
                         uint32_t *out_claim)
{
    unsigned chosen = 0;
    bool chosen_over = false;
    uint64_t chosen_number = UINT64_MAX;
    bool has_free = false;

    for (unsigned place = 0; place < ENDPOINT_CLAIMS; place++) {
        uint32_t index = table_find(&table->claims, place_hash(endpoint_hash, place));
        if (index == TABLE_NONE) {
            chosen = has_free ? chosen : place;
            has_free = true;
            continue;
        }
        if (belongs_to(table, claim_at(table, index), call)) {
            *out_claim = index;
            return place;
        }
        const struct call_cell *cell = call_cell_at(table->calls, claim_at(table, index)->call);
        bool over = (cell->flags & CELL_OVER) != 0;
        if (!has_free &&
            (over > chosen_over || (over == chosen_over && cell->number < chosen_number))) {
            chosen = place;
            chosen_over = over;
            chosen_number = cell->number;
        }
    }
    *out_claim = TABLE_NONE;
    return chosen;
}

static void drop_oldest_of(struct endpoint_table *table, uint32_t call)
{
    uint32_t count = 0;
    uint32_t last = TABLE_NONE;

    for (uint32_t i = call_cell_at(table->calls, call)->endpoints; i != TABLE_NONE;
         i = claim_at(table, i)->next) {
        last = i;
        count++;
    }
    if (count >= ENDPOINT_OF_CALL) {
        unlink_claim(table, last);
        table_give(&table->claims, last);
    }
}

bool endpoint_claim(struct endpoint_table *table, const struct endpoint *endpoint, uint32_t call,
                    const struct endpoint_claim *line, uint64_t now_ns)
{
    uint64_t endpoint_hash = hash_of(table, endpoint);
    uint32_t index;
    unsigned place = place_of(table, endpoint_hash, call, &index);
    bool known = index != TABLE_NONE;

    if (!known) {
        uint64_t hash = place_hash(endpoint_hash, place);
        uint32_t other = table_find(&table->claims, hash);

        if (other != TABLE_NONE) {
            unlink_claim(table, other);
            table_give(&table->claims, other);
        }
        drop_oldest_of(table, call);
        index = table_add(&table->claims, hash, 0, now_ns);
    } else if ((claim_at(table, index)->flags & ENDPOINT_ALIAS) == 0 &&
               (line->flags & ENDPOINT_ALIAS) != 0) {
        return false; /* what the SDP says itself is stronger */
    }
    struct endpoint_claim *claim = claim_at(table, index);
    struct call_cell *cell = call_cell_at(table->calls, call);
    uint32_t next = known ? claim->next : cell->endpoints;
    *claim = *line;
    claim->call = call;
    claim->generation = call_generation(table->calls, call);
    claim->next = next;
    if (!known) {
        cell->endpoints = index;
    }
    table_touch(&table->claims, index, now_ns);
    return !known;
}

static void keep_formats(struct endpoint_table *table, const struct sdp_media *media,
                         struct endpoint_claim *line)
{
    for (unsigned i = 0; i < media->format_count && line->format_count < ENDPOINT_FORMATS; i++) {
        const struct sdp_format *format = &media->formats[i];
        if (sdp_static_format(format->payload_type) != NULL || codec_is_secondary(format->codec)) {
            continue;
        }
        uint8_t codec = codec_number(&table->calls->codecs, format->codec, format->clock_rate);
        if (codec != CODEC_NONE) {
            line->formats[line->format_count].payload_type = format->payload_type;
            line->formats[line->format_count].codec = codec;
            line->format_count++;
        }
    }
}

void endpoint_of_media(struct endpoint_table *table, const struct sdp_media *media,
                       enum endpoint_side side, struct endpoint_claim *out_line)
{
    *out_line = (struct endpoint_claim){
        .side = side & 1U,
        .kind = media->kind,
        .direction = (media->hold ? (unsigned)SDP_INACTIVE : (unsigned)media->direction) & 3U,
        .security = media->security & 3U,
        .ptime_ms = media->ptime_ms > UINT8_MAX ? UINT8_MAX : (uint8_t)media->ptime_ms,
    };
    keep_formats(table, media, out_line);
}

void endpoint_find(const struct endpoint_table *table, const struct endpoint *endpoint,
                   struct endpoint_found *out_found)
{
    uint64_t endpoint_hash = hash_of(table, endpoint);
    uint32_t count = 0;

    for (unsigned place = 0; place < ENDPOINT_CLAIMS; place++) {
        uint32_t index = table_find(&table->claims, place_hash(endpoint_hash, place));
        if (index == TABLE_NONE || !is_alive(table, claim_at(table, index))) {
            continue;
        }
        /* Newest call first: four at most, so insertion. */
        const struct endpoint_claim *claim = claim_at(table, index);
        uint64_t number = call_cell_at(table->calls, claim->call)->number;
        uint32_t at = count++;
        while (at > 0 &&
               call_cell_at(table->calls, out_found->claims[at - 1]->call)->number < number) {
            out_found->claims[at] = out_found->claims[at - 1];
            at--;
        }
        out_found->claims[at] = claim;
    }
    out_found->count = count;
}

/* Claims of one endpoint stand in neighbouring places of its hash. */
bool endpoint_is_shared(const struct endpoint_table *table, uint32_t claim)
{
    uint64_t hash = table_hash_of(&table->claims, claim);
    uint32_t call = claim_at(table, claim)->call;

    for (unsigned place = 1; place < 2 * ENDPOINT_CLAIMS; place++) {
        uint64_t neighbour = hash + ((uint64_t)place << 32) - ((uint64_t)ENDPOINT_CLAIMS << 32);
        uint32_t index = table_find(&table->claims, neighbour);
        if (index != TABLE_NONE && claim_at(table, index)->call != call &&
            is_alive(table, claim_at(table, index)) &&
            (call_cell_at(table->calls, claim_at(table, index)->call)->flags & CELL_OVER) == 0) {
            return true;
        }
    }
    return false;
}

uint8_t endpoint_claim_codec(const struct endpoint_claim *claim, uint8_t payload_type)
{
    for (unsigned i = 0; i < claim->format_count; i++) {
        if (claim->formats[i].payload_type == payload_type) {
            return claim->formats[i].codec;
        }
    }
    return CODEC_NONE;
}

uint8_t endpoint_codec(const struct endpoint_table *table, uint32_t call, enum endpoint_side side,
                       uint8_t payload_type)
{
    uint8_t codec = CODEC_NONE;

    for (uint32_t i = call_cell_at(table->calls, call)->endpoints;
         i != TABLE_NONE && codec == CODEC_NONE; i = claim_at(table, i)->next) {
        if (claim_at(table, i)->side == side) {
            codec = endpoint_claim_codec(claim_at(table, i), payload_type);
        }
    }
    return codec;
}

void endpoint_release(struct endpoint_table *table, uint32_t call)
{
    struct call_cell *cell = call_cell_at(table->calls, call);

    for (uint32_t i = cell->endpoints; i != TABLE_NONE;) {
        uint32_t next = claim_at(table, i)->next;
        table_give(&table->claims, i);
        i = next;
    }
    cell->endpoints = TABLE_NONE;
}

static struct table_options claims_of(uint32_t endpoints_max, struct endpoint_table *table)
{
    return (struct table_options){
        .name = "endpoints",
        .cells_max = endpoints_max,
        .cell_bytes = sizeof(struct endpoint_claim),
        .on_evict = on_evict,
        .owner = table,
    };
}

enum status endpoint_open(uint32_t endpoints_max, struct hash_key key, struct call_table *calls,
                          struct endpoint_table *table, struct error *error)
{
    struct table_options options = claims_of(endpoints_max, table);

    table->calls = calls;
    table->key = key;
    return table_open(&table->claims, &options, error);
}

void endpoint_close(struct endpoint_table *table)
{
    table_close(&table->claims);
}

size_t endpoint_bytes_max(uint32_t endpoints_max)
{
    struct table_options options = claims_of(endpoints_max, NULL);
    return table_bytes_max(&options);
}
