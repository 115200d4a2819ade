/* The front half of a packet's way, for every frame:
 *
 *    frame -> layers_decode -+-> copy? -----------------------------------------------> datagram
 *                            +-> fragment -> copy? -> fragment_see -> layers_resume ----^
 *                                                          ^---------- a fragment? -----+
 *
 * Copies of fragments are found before they are put together, copies of all else by their datagram.
 * The frame is counted once, by what it was on the wire: a fragment is decoded even if what it
 * completes is not (that has its own reason beside it).
 *
 * The flow hash is symmetric: the endpoint whose bytes compare lower stands first. It also carries
 * VLANs and VNI, for tenants use the same private addresses; so two directions of a GTP tunnel, whose TEIDs differ,
 * are two flows, and nothing below needs both directions of one.
 *
 * Frames may be looked at ahead of their turn: what their bytes say depends on no other frame, and
 * the lines of memory that the search for copies will touch can be fetched for many at once. Taken
 * one by one, waiting for them is a tenth of the whole way of an RTP packet. */
#include "sensor/flows/unwrap.h"

#include "sensor/flows/wordhash.h"

/* What is known of a frame by its bytes alone. */
struct unwrap_look {
    struct layers layers;
    /* only with REASON_NONE: */
    uint64_t source; /* hashes of the addresses */
    uint64_t destination;
    uint64_t flow_hash;
    uint64_t hash; /* of duplicate.h, when copies are looked for */
    enum reason reason;
};

/* What fragments gave, on the way to a datagram. */
struct unwrap_joined {
    uint64_t time_ns;
    uint32_t fragments;
    uint32_t ip_wire;
};

struct unwrap {
    struct unwrap_options options;
    struct wordhash words; /* for addresses */
    struct fragment_table *fragments;
    struct duplicate_table *duplicates; /* NULL: copies are not looked for */
    uint64_t evicted; /* of fragments, as counted so far */
    struct unwrap_counts counts;
    /* Here, not on the stack, where the compiler would clear it for every frame. */
    struct unwrap_look looks[UNWRAP_AHEAD];
    struct unwrap_joined joined; /* of the datagram that was put together last */
};

enum status unwrap_open(const struct unwrap_options *options, struct unwrap **out_unwrap,
                        struct error *error)
{
    assert(options->keep != NULL);
    struct unwrap *unwrap = calloc(1, sizeof *unwrap);
    if (unwrap == NULL) {
        return error_system(error, STATUS_FAILED, "", "no memory for unwrapping frames");
    }
    unwrap->options = *options;
    wordhash_open(&unwrap->words, options->key);
    enum status status =
        fragment_table_open(options->fragment_bytes_max, options->key, &unwrap->fragments, error);
    if (status != STATUS_OK) {
        goto free_unwrap;
    }
    if (options->drop_duplicates) {
        status = duplicate_table_open(options->key, &unwrap->duplicates, error);
        if (status != STATUS_OK) {
            goto close_fragments;
        }
    }
    *out_unwrap = unwrap;
    return STATUS_OK;

close_fragments:
    fragment_table_close(unwrap->fragments);
free_unwrap:
    free(unwrap);
    return status;
}

void unwrap_close(struct unwrap *unwrap)
{
    if (unwrap == NULL) {
        return;
    }
    duplicate_table_close(unwrap->duplicates);
    fragment_table_close(unwrap->fragments);
    free(unwrap);
}

size_t unwrap_bytes_max(const struct unwrap_options *options)
{
    return sizeof(struct unwrap) + fragment_table_bytes_max(options->fragment_bytes_max) +
           (options->drop_duplicates ? duplicate_table_bytes_max() : 0);
}

const struct unwrap_counts *unwrap_counts(const struct unwrap *unwrap)
{
    return &unwrap->counts;
}

void unwrap_mark(struct unwrap *unwrap, uint64_t mark_ns)
{
    unwrap->counts.reasons[REASON_FRAGMENT_TIMEOUT] += fragment_expire(unwrap->fragments, mark_ns);
}

/* --- counts --- */

/* Counts what was noted, and clears it: the same view may go on behind a fragment. */
static inline void unwrap_count_notes(struct unwrap_counts *counts, struct layers *layers)
{
    uint64_t any = 0;
    static_assert(sizeof any == sizeof layers->notes, "all notes at once");
    memcpy(&any, layers->notes, sizeof any);
    if (any == 0) {
        return;
    }
    for (size_t index = 0; index < sizeof layers->notes / sizeof layers->notes[0]; index++) {
        if (layers->notes[index] != REASON_NONE) {
            counts->reasons[layers->notes[index]]++;
            layers->notes[index] = REASON_NONE;
        }
    }
}

static void unwrap_count_refused(struct unwrap_counts *counts, enum reason reason)
{
    counts->reasons[reason]++;
    switch (reason_rows[reason].verdict) {
    case FRAME_MALFORMED:
        counts->malformed++;
        break;
    case FRAME_IGNORED:
        counts->ignored++;
        break;
    case FRAME_DECODED:
    case FRAME_NOTED: /* no decoder ends a frame with a note */
        assert(false);
        break;
    }
}

static bool unwrap_is_copy(struct unwrap *unwrap, const struct unwrap_look *look,
                           uint16_t interface, uint64_t time_ns)
{
    if (unwrap->duplicates == NULL ||
        !duplicate_see_hashed(unwrap->duplicates, &look->layers, look->hash, interface, time_ns)) {
        return false;
    }
    unwrap->counts.duplicates++;
    unwrap->counts.reasons[REASON_DUPLICATE]++;
    return true;
}

/* --- from layers to a datagram --- */

/* Puts fragments together until a datagram is whole; false: more have to come, or it ends
 * otherwise. Not inlined: every frame would save registers for it. */
static __attribute__((noinline)) bool unwrap_join(struct unwrap *unwrap, struct layers *layers,
                                                  uint64_t number, struct unwrap_joined *joined)
{
    enum { IP4_BYTES = 20, IP6_FRAGMENT_BYTES = 48 };
    struct unwrap_counts *counts = &unwrap->counts;
    /* Ends: a fragment within a fragment has taken a layer. */
    while (layers->fragment) {
        struct fragment_result result;
        enum reason reason = fragment_see(unwrap->fragments, layers, joined->time_ns, &result);
        uint64_t evicted = fragment_evicted(unwrap->fragments);
        counts->reasons[REASON_FRAGMENT_TABLE] += evicted - unwrap->evicted;
        unwrap->evicted = evicted;
        counts->overlaps += result.overlap ? 1 : 0;
        if (reason != REASON_NONE) {
            counts->reasons[reason]++;
        }
        if (!result.whole) {
            return false;
        }
        uint8_t *kept = unwrap->options.keep(unwrap->options.owner, number, result.bytes);
        memcpy(kept, result.at, result.bytes);
        joined->time_ns = result.first_ns;
        joined->fragments += result.fragments;
        joined->ip_wire =
            result.bytes +
            result.fragments * (layers->fragment_ip6 ? IP6_FRAGMENT_BYTES : IP4_BYTES);
        reason = layers_resume(layers, kept, result.bytes);
        unwrap_count_notes(counts, layers);
        if (reason != REASON_NONE) {
            counts->reasons[reason]++;
            return false;
        }
    }
    return true;
}

static inline uint16_t saturate16(uint64_t value)
{
    return value > UINT16_MAX ? UINT16_MAX : (uint16_t)value;
}

/* --- the way --- */

/* An address as two words. Not copied as a whole: the decoder has just stored it in two halves, and
 * a wider load would wait until both have left the store buffer (6 ns a packet). */
struct halves {
    uint64_t first;
    uint64_t second;
};

static inline struct halves unwrap_halves(const struct addr *addr)
{
    struct halves halves;
    memcpy(&halves.first, addr->octets, sizeof halves.first);
    memcpy(&halves.second, addr->octets + sizeof halves.first, sizeof halves.second);
    return halves;
}

/* Symmetric: the endpoint that compares lower stands first. Any order will do that is the same on
 * every run. */
static inline uint64_t unwrap_flow_hash(struct hash_key key, const struct layers *layers)
{
    struct halves source = unwrap_halves(&layers->source);
    struct halves destination = unwrap_halves(&layers->destination);
    bool in_order = source.second != destination.second ? source.second < destination.second
                    : source.first != destination.first
                        ? source.first < destination.first
                        : layers->source_port <= layers->destination_port;
    struct halves low = in_order ? source : destination;
    struct halves high = in_order ? destination : source;
    uint64_t low_port = in_order ? layers->source_port : layers->destination_port;
    uint64_t high_port = in_order ? layers->destination_port : layers->source_port;
    const uint64_t identity[] = {
        low.first,
        low.second,
        high.first,
        high.second,
        low_port << 48 | high_port << 32 | layers->vni,
        (uint64_t)layers->vlan_outer << 32 | (uint64_t)layers->vlan_inner << 16 | layers->protocol,
    };
    return hash_bytes(key, identity, sizeof identity);
}

void unwrap_look(struct unwrap *unwrap, size_t place, uint16_t link_type, const uint8_t *at,
                 uint32_t captured, uint32_t wire_bytes)
{
    assert(place < UNWRAP_AHEAD);
    struct unwrap_look *look = &unwrap->looks[place];
    look->reason = layers_decode(link_type, at, captured, wire_bytes, &look->layers);
    if (look->reason != REASON_NONE) {
        return;
    }
    look->source = wordhash_addr(&unwrap->words, &look->layers.source);
    look->destination = wordhash_addr(&unwrap->words, &look->layers.destination);
    look->flow_hash = unwrap_flow_hash(unwrap->options.key, &look->layers);
    if (unwrap->duplicates != NULL) {
        look->hash =
            duplicate_hash(unwrap->duplicates, &look->layers, look->source, look->destination);
        duplicate_prefetch(unwrap->duplicates, look->hash);
    }
}

void unwrap_prefetch(const struct unwrap *unwrap, size_t count)
{
    assert(count <= UNWRAP_AHEAD);
    for (size_t place = 0; place < count && unwrap->duplicates != NULL; place++) {
        if (unwrap->looks[place].reason == REASON_NONE) {
            duplicate_prefetch_cell(unwrap->duplicates, unwrap->looks[place].hash);
        }
    }
}

bool unwrap_see(struct unwrap *unwrap, uint16_t link_type, uint16_t interface, uint64_t number,
                uint64_t time_ns, uint64_t state_ns, const uint8_t *at, uint32_t captured,
                uint32_t wire_bytes, struct datagram *out_datagram)
{
    unwrap_look(unwrap, 0, link_type, at, captured, wire_bytes);
    return unwrap_see_looked(unwrap, 0, interface, number, time_ns, state_ns, at, captured,
                             wire_bytes, out_datagram);
}

bool unwrap_see_looked(struct unwrap *unwrap, size_t place, uint16_t interface, uint64_t number,
                       uint64_t time_ns, uint64_t state_ns, const uint8_t *at, uint32_t captured,
                       uint32_t wire_bytes, struct datagram *out_datagram)
{
    struct unwrap_look *look = &unwrap->looks[place];
    struct layers *layers = &look->layers;
    struct unwrap_counts *counts = &unwrap->counts;
    counts->frames++;
    counts->bytes += wire_bytes > captured ? wire_bytes : captured;
    unwrap_count_notes(counts, layers);
    if (look->reason != REASON_NONE) {
        unwrap_count_refused(counts, look->reason);
        return false;
    }
    counts->decoded++;
    if (unwrap_is_copy(unwrap, look, interface, time_ns)) {
        return false;
    }
    const uint8_t *begin = layers->payload;
    uint8_t fragments = 0;
    if (__builtin_expect(layers->fragment, false)) {
        begin = layers->fragment_at;
        unwrap->joined = (struct unwrap_joined){.time_ns = time_ns};
        if (!unwrap_join(unwrap, layers, number, &unwrap->joined)) {
            return false;
        }
        look->flow_hash =
            unwrap_flow_hash(unwrap->options.key, &look->layers); /* now there are ports */
        time_ns = unwrap->joined.time_ns;
        fragments =
            unwrap->joined.fragments > UINT8_MAX ? UINT8_MAX : (uint8_t)unwrap->joined.fragments;
    }
    /* Field by field: a struct on the stack would be cleared, then filled, then copied. */
    out_datagram->time_ns = time_ns;
    out_datagram->state_ns = state_ns;
    out_datagram->number = number;
    out_datagram->flow_hash = look->flow_hash;
    out_datagram->source = layers->source;
    out_datagram->destination = layers->destination;
    out_datagram->source_port = layers->source_port;
    out_datagram->destination_port = layers->destination_port;
    out_datagram->protocol = layers->protocol;
    out_datagram->ttl = layers->ttl;
    out_datagram->tcp_flags = layers->tcp_flags;
    out_datagram->fragments = fragments;
    out_datagram->vlan_outer = layers->vlan_outer;
    out_datagram->vlan_inner = layers->vlan_inner;
    out_datagram->vni = layers->vni;
    out_datagram->interface = interface;
    out_datagram->frame_overhead = saturate16((uint64_t)(begin - at));
    out_datagram->tcp_sequence = layers->tcp_sequence;
    out_datagram->tcp_acknowledgement = layers->tcp_acknowledgement;
    out_datagram->payload = layers->payload;
    out_datagram->payload_bytes = layers->payload_bytes;
    out_datagram->payload_wire = layers->payload_wire;
    out_datagram->ip_wire = layers->ip != NULL ? layers->ip_wire : unwrap->joined.ip_wire;
    out_datagram->ip_bytes = layers->ip_bytes;
    out_datagram->ip = layers->ip;
    return true;
}
