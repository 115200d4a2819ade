/* The front half of a packet's way, for every frame:
 *
 *    frame -> plain? ----------> copy? -----------------------------------------------> datagram
 *          -> layers_decode -+-> copy? ----------------------------------------------------^
 *                            +-> fragment -> copy? -> fragment_see -> layers_resume ----^
 *                                                          ^---------- a fragment? -----+
 *
 * Copies of fragments are found before they are put together, copies of all else by their datagram.
 * The frame is counted once, by what it was on the wire: a fragment is decoded even if what it
 * completes is not (that has its own reason beside it).
 *
 * The flow hash is symmetric. It also carries VLANs and VNI, for tenants use the same private
 * addresses; so two directions of a GTP tunnel, whose TEIDs differ, are two flows, and nothing below
 * needs both directions of one.
 *
 * Frames may be looked at ahead of their turn: what their bytes say depends on no other frame, and
 * the lines of memory that the search for copies will touch can be fetched for many at once. Taken
 * one by one, waiting for them is a tenth of the whole way of an RTP packet.
 *
 * A plain frame (plain_udp.h) is neither made a view of nor a whole datagram: what the next packet of
 * a known stream needs is one line of each. Both ways give the same hashes and the same datagram (a
 * test sends each frame both ways). */
#include "sensor/flows/unwrap.h"

#include "decoders/plain_udp.h"
#include "sensor/flows/duplicate_cell.h"

/* What is known of a frame by its bytes alone. */
struct unwrap_look {
    struct datagram datagram; /* of a plain frame its first line; else flow hash and flags */
    uint64_t hash; /* of duplicate.h, when copies are looked for */
    enum reason reason; /* of `layers` */
    struct layers layers; /* of a frame that is not plain */
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
    if (unwrap->duplicates != NULL) {
        duplicate_mark(unwrap->duplicates, mark_ns);
    }
}

/* --- counts --- */

/* Counts what was noted, and clears it: the same view may go on behind a fragment. */
static void unwrap_count_notes(struct unwrap_counts *counts, struct layers *layers)
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

static void unwrap_count_copy(struct unwrap_counts *counts)
{
    counts->duplicates++;
    counts->reasons[REASON_DUPLICATE]++;
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

/* --- hashes --- */

/* Which flow: the ends in any order, and the labels that part tenants. Most have none. */
static inline uint64_t unwrap_flow_hash(const struct wordhash *words,
                                        const struct wordhash_ends *ends, uint64_t labels)
{
    return labels == 0 ? ends->both : wordhash_pair(words, 2, ends->both, labels);
}

/* Which of the two has sent this. */
static inline uint8_t unwrap_end_flag(const struct wordhash_ends *ends)
{
    return ends->from > ends->to ? DATAGRAM_UPPER : 0;
}

static inline uint64_t unwrap_labels(uint16_t vlan_outer, uint16_t vlan_inner, uint32_t vni)
{
    return (uint64_t)vni << 32 | (uint64_t)vlan_outer << 16 | vlan_inner;
}

/* Of the view, when it has ports: at once, or when its fragments were put together. */
static struct wordhash_ends unwrap_hash_flow(const struct unwrap *unwrap, struct unwrap_look *look)
{
    const struct layers *layers = &look->layers;
    struct wordhash_ends ends =
        wordhash_ends_of(wordhash_addr(&unwrap->words, &layers->source), layers->source_port,
                         wordhash_addr(&unwrap->words, &layers->destination),
                         layers->destination_port, layers->protocol);
    look->datagram.flow_hash = unwrap_flow_hash(
        &unwrap->words, &ends, unwrap_labels(layers->vlan_outer, layers->vlan_inner, layers->vni));
    look->datagram.flags = unwrap_end_flag(&ends);
    return ends;
}

/* --- the plain frame --- */

/* True: the frame is plain, and looked at. A payload that its checksum does not vouch for, or that
 * is short, is left to the general way, which hashes all of it. */
static inline __attribute__((always_inline)) bool
unwrap_look_plain(struct unwrap *unwrap, const struct captured *frame, struct unwrap_look *look)
{
    const struct wordhash *words = &unwrap->words;
    struct plain_udp plain;
    if (frame->link_type != PLAIN_LINK_ETHERNET ||
        !plain_udp_is(frame->at, frame->captured, frame->wire_bytes, &plain) ||
        plain.payload_bytes < DUPLICATE_HEAD_BYTES || plain.checksum == 0) {
        return false;
    }
    struct wordhash_ends ends =
        wordhash_ends_of(wordhash_v4(words, plain.ip + 12), plain.source_port,
                         wordhash_v4(words, plain.ip + 16), plain.destination_port, PROTOCOL_UDP);
    const uint8_t *payload = plain.ip + PLAIN_HEADER_BYTES;
    struct datagram *datagram = &look->datagram;
    datagram->time_ns = frame->time_ns;
    datagram->state_ns = frame->time_ns;
    datagram->number = frame->number;
    datagram->flow_hash = unwrap_flow_hash(words, &ends, unwrap_labels(plain.vlan, 0, 0));
    datagram->payload = payload;
    datagram->ip = plain.ip;
    datagram->payload_bytes = plain.payload_bytes;
    datagram->payload_wire = plain.payload_wire;
    datagram->ip_wire = PLAIN_HEADER_BYTES + plain.payload_wire;
    datagram->interface = frame->interface;
    datagram->protocol = PROTOCOL_UDP;
    datagram->flags = (uint8_t)(unwrap_end_flag(&ends) | DATAGRAM_OPEN | plain.tag_bytes);
    if (unwrap->duplicates != NULL) {
        uint64_t sum = duplicate_sum_ends(&ends) + duplicate_sum_payload(words, payload);
        look->hash = duplicate_fold(words, sum, plain.marks);
        duplicate_prefetch(unwrap->duplicates, look->hash);
    }
    return true;
}

/* How the mirror port saw it, where no id tells a copy from a packet sent again. */
static uint32_t unwrap_plain_where(const struct unwrap *unwrap, const struct datagram *datagram,
                                   const struct captured *frame)
{
    const uint8_t *ip = datagram->ip;
    bool is_tagged = (datagram->flags & DATAGRAM_TAGGED) != 0;
    return duplicate_where(&unwrap->words, frame->interface,
                           is_tagged ? plain_vlan_of(ip - PLAIN_TAG_BYTES) : 0, 0, ip[8],
                           plain_link_hash_input(frame->at), 0);
}

static inline bool unwrap_plain_is_copy(struct unwrap *unwrap, const struct unwrap_look *look,
                                        const struct captured *frame)
{
    if (unwrap->duplicates == NULL) {
        return false;
    }
    bool has_id = plain_be16(look->datagram.ip + 4) != 0;
    uint32_t where = has_id ? 0 : unwrap_plain_where(unwrap, &look->datagram, frame);
    return duplicate_see_hash(unwrap->duplicates, look->hash, has_id, where, frame->time_ns);
}

static_assert((int)PLAIN_TAG_BYTES == (int)DATAGRAM_TAGGED, "a tag's length is its flag");

void datagram_complete(struct datagram *datagram)
{
    assert((datagram->flags & DATAGRAM_OPEN) != 0);
    const uint8_t *ip = datagram->ip;
    bool is_tagged = (datagram->flags & DATAGRAM_TAGGED) != 0;
    datagram->source = addr_from_v4(ip + 12);
    datagram->destination = addr_from_v4(ip + 16);
    datagram->source_port = plain_be16(ip + PLAIN_IP_BYTES);
    datagram->destination_port = plain_be16(ip + PLAIN_IP_BYTES + 2);
    datagram->ttl = ip[8];
    datagram->tcp_flags = 0;
    datagram->fragments = 0;
    datagram->undelivered = UNDELIVERED_NOT;
    datagram->vlan_outer = is_tagged ? plain_vlan_of(ip - PLAIN_TAG_BYTES) : 0;
    datagram->vlan_inner = 0;
    datagram->frame_overhead =
        (uint16_t)(PLAIN_ETHERNET_BYTES + PLAIN_HEADER_BYTES + (is_tagged ? PLAIN_TAG_BYTES : 0));
    datagram->vni = 0;
    datagram->tcp_sequence = 0;
    datagram->tcp_acknowledgement = 0;
    datagram->ip_bytes = PLAIN_HEADER_BYTES + datagram->payload_bytes;
    datagram->flags &= DATAGRAM_UPPER;
}

/* --- the way --- */

/* Not inlined: the plain frame would save registers for it. */
static __attribute__((noinline)) void
unwrap_look_walk(struct unwrap *unwrap, const struct captured *frame, struct unwrap_look *look)
{
    struct layers *layers = &look->layers;
    look->datagram.flags = 0;
    look->reason =
        layers_decode(frame->link_type, frame->at, frame->captured, frame->wire_bytes, layers);
    if (look->reason != REASON_NONE && layers->undelivered == UNDELIVERED_NOT) {
        return;
    }
    struct wordhash_ends ends = unwrap_hash_flow(unwrap, look);
    if (unwrap->duplicates != NULL) {
        look->hash = duplicate_hash(unwrap->duplicates, layers, &ends);
        duplicate_prefetch(unwrap->duplicates, look->hash);
    }
}

void unwrap_number(struct unwrap *unwrap, size_t place, uint64_t number)
{
    unwrap->looks[place].datagram.number = number;
}

void unwrap_look(struct unwrap *unwrap, const struct captured *frames, size_t count)
{
    assert(count <= UNWRAP_AHEAD);
    for (size_t place = 0; place < count; place++) {
        struct unwrap_look *look = &unwrap->looks[place];
        if (__builtin_expect(!unwrap_look_plain(unwrap, &frames[place], look), false)) {
            unwrap_look_walk(unwrap, &frames[place], look);
        }
    }
    struct duplicate_table *duplicates = unwrap->duplicates;
    if (duplicates == NULL) {
        return;
    }
    duplicate_forget(duplicates);
    for (size_t place = 0; place < count; place++) {
        duplicate_prefetch_cell(duplicates, unwrap->looks[place].hash);
    }
}

/* A frame that is not plain. */
static bool unwrap_see_walked(struct unwrap *unwrap, const struct captured *frame,
                              struct unwrap_look *look, uint64_t state_ns,
                              struct datagram *out_datagram)
{
    struct layers *layers = &look->layers;
    struct unwrap_counts *counts = &unwrap->counts;
    counts->frames++;
    counts->bytes += frame->wire_bytes;
    unwrap_count_notes(counts, layers);
    if (look->reason != REASON_NONE) {
        unwrap_count_refused(counts, look->reason);
        if (layers->undelivered == UNDELIVERED_NOT) {
            return false;
        }
    } else {
        counts->decoded++;
    }
    if (unwrap->duplicates != NULL && duplicate_see_hashed(unwrap->duplicates, layers, look->hash,
                                                           frame->interface, frame->time_ns)) {
        if (look->reason == REASON_NONE) { /* else it has been counted as ignored */
            unwrap_count_copy(counts);
        }
        return false;
    }
    uint64_t time_ns = frame->time_ns;
    const uint8_t *begin = layers->payload;
    uint8_t fragments = 0;
    if (layers->fragment) {
        begin = layers->fragment_at;
        unwrap->joined = (struct unwrap_joined){.time_ns = time_ns};
        if (!unwrap_join(unwrap, layers, frame->number, &unwrap->joined)) {
            return false;
        }
        (void)unwrap_hash_flow(unwrap, look); /* now there are ports */
        time_ns = unwrap->joined.time_ns;
        fragments =
            unwrap->joined.fragments > UINT8_MAX ? UINT8_MAX : (uint8_t)unwrap->joined.fragments;
    }
    /* Field by field: a struct on the stack would be cleared, then filled, then copied. */
    out_datagram->time_ns = time_ns;
    out_datagram->state_ns = state_ns;
    out_datagram->number = frame->number;
    out_datagram->flow_hash = look->datagram.flow_hash;
    out_datagram->payload = layers->payload;
    out_datagram->ip = layers->ip;
    out_datagram->payload_bytes = layers->payload_bytes;
    out_datagram->payload_wire = layers->payload_wire;
    out_datagram->ip_wire = layers->ip != NULL ? layers->ip_wire : unwrap->joined.ip_wire;
    out_datagram->interface = frame->interface;
    out_datagram->protocol = layers->protocol;
    out_datagram->flags = look->datagram.flags;
    out_datagram->source = layers->source;
    out_datagram->destination = layers->destination;
    out_datagram->source_port = layers->source_port;
    out_datagram->destination_port = layers->destination_port;
    out_datagram->ttl = layers->ttl;
    out_datagram->tcp_flags = layers->tcp_flags;
    out_datagram->fragments = fragments;
    out_datagram->undelivered = layers->undelivered;
    out_datagram->vlan_outer = layers->vlan_outer;
    out_datagram->vlan_inner = layers->vlan_inner;
    out_datagram->frame_overhead = saturate16((uint64_t)(begin - frame->at));
    out_datagram->vni = layers->vni;
    out_datagram->tcp_sequence = layers->tcp_sequence;
    out_datagram->tcp_acknowledgement = layers->tcp_acknowledgement;
    out_datagram->ip_bytes = layers->ip_bytes;
    return true;
}

size_t unwrap_see_run(struct unwrap *unwrap, const struct captured *frames, size_t place,
                      size_t end, struct datagram *out_datagrams, size_t *out_count)
{
    struct unwrap_counts *counts = &unwrap->counts;
    struct datagram *datagram = out_datagrams;
    uint64_t bytes = 0;
    size_t at = place;
    for (; at < end && (unwrap->looks[at].datagram.flags & DATAGRAM_OPEN) != 0; at++) {
        const struct unwrap_look *look = &unwrap->looks[at];
        const struct captured *frame = &frames[at];
        bytes += frame->wire_bytes;
        if (__builtin_expect(unwrap_plain_is_copy(unwrap, look, frame), false)) {
            unwrap_count_copy(counts);
            continue;
        }
        memcpy(datagram, &look->datagram, DATAGRAM_LINE_BYTES);
        datagram++;
    }
    counts->frames += at - place;
    counts->decoded += at - place;
    counts->bytes += bytes;
    *out_count = (size_t)(datagram - out_datagrams);
    return at;
}

bool unwrap_see(struct unwrap *unwrap, const struct captured *frames, size_t place,
                uint64_t state_ns, struct datagram *out_datagram)
{
    size_t count = 0;
    if (unwrap_see_run(unwrap, frames, place, place + 1, out_datagram, &count) == place) {
        return unwrap_see_walked(unwrap, &frames[place], &unwrap->looks[place], state_ns,
                                 out_datagram);
    }
    out_datagram->state_ns = state_ns;
    return count > 0;
}

bool unwrap_see_one(struct unwrap *unwrap, const struct captured *frame, uint64_t state_ns,
                    struct datagram *out_datagram)
{
    unwrap_look(unwrap, frame, 1);
    if (!unwrap_see(unwrap, frame, 0, state_ns, out_datagram)) {
        return false;
    }
    if ((out_datagram->flags & DATAGRAM_OPEN) != 0) {
        datagram_complete(out_datagram);
    }
    return true;
}
