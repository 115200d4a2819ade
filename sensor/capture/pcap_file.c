/* pcap_file.c - pcap: a file header, then records (draft-ietf-opsawg-pcap).
 *
 *    0                4        6        8          12         16         20             24
 *   | magic          | major  | minor  | zone     | figures  | snaplen  | FCS | link type |
 *
 *    0            4            8              12             16
 *   | seconds    | fraction   | captured     | on the wire  | bytes ...
 *
 * The magic tells byte order, resolution and variant:
 *   a1b2c3d4             microseconds
 *   a1b23c4d             nanoseconds
 *   a1b2cd34             "modified": 8 bytes more in each record header (Kuznetsov's Linux patch)
 *   1c0001ac, 1c0001ab   Ixia hardware (ns) and software (us): 4 bytes more in the file header
 *
 * Before version 2.3 (and in 543.0) the two lengths of a record stand in the other order, in 2.3 in
 * either: there the smaller one is the captured length. The upper half of the link type states the
 * length of the frame check sequence and is no part of the type.
 *
 * A captured length above the snapshot length is believed (Solaris and others write such) as long
 * as it is one that a frame can have; else the record header is garbage and nothing behind it can
 * be found.
 *
 * The walk is the cost of reading: ~1,000 records a block, each header a line of memory that
 * read(2) has just filled, but that may have left the first cache since. */
#include "sensor/capture/pcap_file.h"

enum { HEADER_BYTES = 24, RECORD_BYTES = 16, RECORD_BYTES_MODIFIED = 24, WALK_AHEAD = 6 };
static_assert((int)RECORD_BYTES_MODIFIED <= (int)RECORD_HEAD_MAX, "a record must fit into a block");

struct variant {
    uint32_t magic;
    uint32_t tick_ns;
    uint32_t header_bytes; /* of the file */
    uint32_t record_bytes; /* of a record's header */
};

/* clang-format off */
static const struct variant variants[] = {
    {0xa1b2c3d4, 1000, HEADER_BYTES,     RECORD_BYTES},
    {0xa1b23c4d, 1,    HEADER_BYTES,     RECORD_BYTES},
    {0xa1b2cd34, 1000, HEADER_BYTES,     RECORD_BYTES_MODIFIED},
    {0x1c0001ac, 1,    HEADER_BYTES + 4, RECORD_BYTES},
    {0x1c0001ab, 1000, HEADER_BYTES + 4, RECORD_BYTES},
};
/* clang-format on */
static_assert((int)HEADER_BYTES + 4 == (int)PCAP_HEADER_MAX, "the longest file header");

static inline uint32_t read_32(const uint8_t *at, bool big_endian)
{
    uint32_t value;
    memcpy(&value, at, sizeof(value));
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    return big_endian ? __builtin_bswap32(value) : value;
#else
    return big_endian ? value : __builtin_bswap32(value);
#endif
}

static const struct variant *variant_of(const uint8_t *at, bool *out_big_endian)
{
    for (size_t i = 0; i < sizeof(variants) / sizeof(variants[0]); i++) {
        for (int big_endian = 0; big_endian <= 1; big_endian++) {
            if (read_32(at, big_endian == 1) == variants[i].magic) {
                *out_big_endian = big_endian == 1;
                return &variants[i];
            }
        }
    }
    return NULL;
}

bool pcap_file_is(const uint8_t *at, size_t bytes)
{
    bool big_endian = false;
    return bytes >= 4 && variant_of(at, &big_endian) != NULL;
}

size_t pcap_file_header_bytes(const uint8_t *at)
{
    bool big_endian = false;
    const struct variant *variant = variant_of(at, &big_endian);
    assert(variant != NULL);
    return variant->header_bytes;
}

bool pcap_file_open(struct pcap_file *pcap, const uint8_t *at, uint16_t interface,
                    const char **out_fault)
{
    bool big_endian = false;
    const struct variant *variant = variant_of(at, &big_endian);
    assert(variant != NULL);
    uint32_t version = read_32(at + 4, big_endian);
    uint32_t major = big_endian ? version >> 16 : version & 0xffff;
    uint32_t minor = big_endian ? version & 0xffff : version >> 16;
    bool ancient = major == 543 && minor == 0;
    if (!ancient && (major != 2 || minor > 4)) {
        *out_fault = "is pcap of a version that is not known (2.0 to 2.4 are)";
        return false;
    }
    uint16_t link_type = walk_link_type(read_32(at + 20, big_endian));
    *pcap = (struct pcap_file){
        .big_endian = big_endian,
        .lengths_swapped = minor < 3, /* 543.0 too */
        .lengths_maybe_swapped = !ancient && minor == 3,
        .link_type = link_type,
        .interface = interface,
        .tick_ns = variant->tick_ns,
        .captured_max = walk_captured_max(link_type),
        .header_bytes = variant->record_bytes,
    };
    return true;
}

/* The lengths of old versions; also the place where a wire length below the captured one is mended.
 */
static void mend_lengths(const struct pcap_file *pcap, uint32_t *captured, uint32_t *wire)
{
    if (pcap->lengths_swapped || (pcap->lengths_maybe_swapped && *captured > *wire)) {
        uint32_t other = *captured;
        *captured = *wire;
        *wire = other;
    }
}

/* Drops what is left of a record that was cut; false: all of the window belongs to it. */
static bool skip_rest(uint64_t *skip_bytes, struct walk *walk)
{
    size_t left = walk->bytes - walk->used;
    size_t part = *skip_bytes < left ? (size_t)*skip_bytes : left;
    walk->used += part;
    *skip_bytes -= part;
    return *skip_bytes == 0;
}

/* Records as nearly all are, as long as they are whole; what stops it is looked at again by the
 * general walk. Inlined for each byte order. */
static inline __attribute__((always_inline)) void
walk_plain(const struct pcap_file *pcap, struct walk *walk, uint32_t captured_max, bool big_endian)
{
    const uint32_t head = pcap->header_bytes;
    const uint32_t tick_ns = pcap->tick_ns;
    const uint32_t link_type = pcap->link_type;
    const uint32_t interface = pcap->interface;
    const uint8_t *at = walk->at + walk->used;
    const uint8_t *end = walk->at + walk->bytes;
    struct captured *frame = walk->frames + walk->frame_count;
    const struct captured *frames_end = walk->frames + walk->frames_max;
    while (frame < frames_end && (size_t)(end - at) >= head) {
        uint32_t captured = read_32(at + 8, big_endian);
        uint32_t wire = read_32(at + 12, big_endian);
        if (captured > captured_max || (size_t)(end - at) - head < captured) {
            break;
        }
        frame->time_ns =
            read_32(at, big_endian) * NS_PER_S + (uint64_t)read_32(at + 4, big_endian) * tick_ns;
        frame->at = at + head;
        frame->captured = captured;
        frame->wire_bytes = wire > captured ? wire : captured;
        frame->link_type = (uint16_t)link_type;
        frame->interface = (uint16_t)interface;
        frame++;
        /* Most records are as long as those before them. */
        __builtin_prefetch(at + (size_t)WALK_AHEAD * (head + captured));
        at += head + captured;
    }
    walk->frame_count = (uint32_t)(frame - walk->frames);
    walk->used = (size_t)(at - walk->at);
}

void pcap_file_walk(struct pcap_file *pcap, struct walk *walk)
{
    const uint32_t head = pcap->header_bytes;
    const bool big_endian = pcap->big_endian;
    const bool old = pcap->lengths_swapped || pcap->lengths_maybe_swapped;
    if (!old && pcap->skip_bytes == 0) {
        uint32_t captured_max =
            pcap->captured_max < FRAME_BYTES_MAX ? pcap->captured_max : FRAME_BYTES_MAX;
        if (big_endian) {
            walk_plain(pcap, walk, captured_max, true);
        } else {
            walk_plain(pcap, walk, captured_max, false);
        }
    }
    while (walk->frame_count < walk->frames_max) {
        walk->between = false;
        walk->want = 1;
        if (pcap->skip_bytes > 0 && !skip_rest(&pcap->skip_bytes, walk)) {
            return;
        }
        const uint8_t *at = walk->at + walk->used;
        size_t left = walk->bytes - walk->used;
        walk->between = left == 0;
        walk->want = head;
        if (left < head) {
            return;
        }
        uint32_t captured = read_32(at + 8, big_endian);
        uint32_t wire = read_32(at + 12, big_endian);
        if (old) {
            mend_lengths(pcap, &captured, &wire);
        }
        if (captured > pcap->captured_max) {
            walk->damaged = true;
            return;
        }
        uint32_t kept = captured < FRAME_BYTES_MAX ? captured : FRAME_BYTES_MAX;
        if (left - head < kept) {
            walk->want = (size_t)head + kept;
            return;
        }
        uint64_t seconds = read_32(at, big_endian);
        uint64_t fraction = read_32(at + 4, big_endian);
        walk->frames[walk->frame_count++] = (struct captured){
            .time_ns = seconds * NS_PER_S + fraction * pcap->tick_ns,
            .at = at + head,
            .captured = kept,
            .wire_bytes = wire > captured ? wire : captured,
            .link_type = pcap->link_type,
            .interface = pcap->interface,
        };
        walk->used += (size_t)head + kept;
        if (captured > kept) {
            walk->frames_cut++;
            pcap->skip_bytes = captured - kept;
        }
    }
    walk->between = pcap->skip_bytes == 0 && walk->used == walk->bytes;
    walk->want = 1;
}
