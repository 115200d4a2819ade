/* pcapng_file.c - pcapng: blocks, each framed by its length in front and behind
 * (draft-ietf-opsawg-pcapng).
 *
 *    0        4              8                               length-4        length
 *   | type   | total length | body ..., options ...         | total length |
 *
 *   section header (0a0d0d0a)  byte-order magic, major, minor, section length (not used: writers
 *                              that stream put -1, others wrong figures)
 *   interface (1)              link type 16, reserved 16, snap length 32, options
 *   packet, obsolete (2)       interface 16, drops 16, ticks high, ticks low, captured, wire, bytes
 *   simple packet (3)          wire, bytes
 *   enhanced packet (6)        interface 32, ticks high, ticks low, captured, wire, bytes, options
 *
 * libpcap stops where a second interface has another link type or snap length; here each frame
 * carries the link type of its own interface, and interfaces are numbered over the whole run. Every
 * section has its own byte order and its own list of interfaces.
 *
 * A block is read whole, and its two lengths compared, before its frame is believed: so a file cut
 * in the middle gives the same frames as other readers do. Blocks too long for that (only such
 * without a frame, or with a frame that is cut anyway) are stepped over as their bytes come.
 *
 * Damage ends the file: lengths that differ, a body that its own fields overrun, a packet of an
 * interface that nobody described. Options of an interface that overrun their block are ignored
 * from there on, for what they say (resolution, offset) was read before or never stood there. */
#include "sensor/capture/pcapng_file.h"

#include "base/cursor.h"

enum {
    BLOCK_SECTION = 0x0a0d0d0a,
    BLOCK_INTERFACE = 1,
    BLOCK_PACKET = 2,
    BLOCK_SIMPLE = 3,
    BLOCK_ENHANCED = 6,
    BYTE_ORDER_MAGIC = 0x1a2b3c4d,
    HEAD_BYTES = 8,
    FRAME_HEAD_BYTES = HEAD_BYTES + 20, /* of an enhanced or obsolete packet block */
    TRAILER_BYTES = 4,
    SECTION_BYTES_MIN = HEAD_BYTES + 16 + TRAILER_BYTES,
    OPTION_END = 0,
    OPTION_RESOLUTION = 9,
    OPTION_OFFSET = 14,
    RESOLUTION_PRESET = 6, /* microseconds */
    RESOLUTION_BINARY = 0x80,
};
static_assert((int)SECTION_BYTES_MIN == (int)PCAPNG_HEADER_BYTES,
              "open looks at a smallest section header");
static_assert((int)FRAME_HEAD_BYTES + TRAILER_BYTES <= (int)RECORD_HEAD_MAX,
              "a frame must fit into a block");

struct pcapng_interface {
    int64_t offset_s;
    uint64_t tick_ns; /* 0: not whole, or with an offset: pcapng_file_time() is asked */
    uint64_t ticks_max; /* above would not fit */
    uint32_t snap_bytes; /* 0: no limit */
    uint16_t link_type;
    uint16_t index; /* over all interfaces of the run */
    uint8_t resolution;
};

/* Numbers in the byte order of the section. */
static uint32_t take_32(const struct pcapng_file *pcapng, struct cursor *cursor)
{
    return pcapng->big_endian ? cursor_be32(cursor) : cursor_le32(cursor);
}

static uint16_t take_16(const struct pcapng_file *pcapng, struct cursor *cursor)
{
    return pcapng->big_endian ? cursor_be16(cursor) : cursor_le16(cursor);
}

static uint64_t take_ticks(const struct pcapng_file *pcapng, struct cursor *cursor)
{
    uint64_t high = take_32(pcapng, cursor);
    return high << 32 | take_32(pcapng, cursor);
}

static uint64_t power_of_ten(unsigned exponent)
{
    uint64_t power = 1;
    while (exponent-- > 0) {
        power *= 10;
    }
    return power;
}

uint64_t pcapng_file_time(uint64_t ticks, uint8_t resolution, int64_t offset_s)
{
    enum { TEN_MAX = 19, TICKS_NS = 9, BINARY_EXACT = 34 };

    unsigned exponent = resolution & 0x7f;
    uint64_t seconds = 0;
    uint64_t rest_ns = 0;
    if ((resolution & RESOLUTION_BINARY) != 0) {
        if (exponent <= 63) {
            seconds = ticks >> exponent;
            ticks -= seconds << exponent;
        }
        if (exponent > BINARY_EXACT) { /* finer than 0.06 ns: dropped, so that the product fits */
            unsigned drop = exponent - BINARY_EXACT;
            ticks = drop <= 63 ? ticks >> drop : 0;
            exponent = BINARY_EXACT;
        }
        rest_ns = ticks * NS_PER_S >> exponent;
    } else if (exponent <= TEN_MAX) {
        uint64_t ticks_per_second = power_of_ten(exponent);
        seconds = ticks / ticks_per_second;
        ticks -= seconds * ticks_per_second;
        rest_ns = exponent <= TICKS_NS ? ticks * power_of_ten(TICKS_NS - exponent)
                                       : ticks / power_of_ten(exponent - TICKS_NS);
    } else { /* less than two seconds in all */
        unsigned drop = exponent - TICKS_NS;
        rest_ns = drop <= TEN_MAX ? ticks / power_of_ten(drop) : 0;
    }
    if (offset_s < 0) {
        uint64_t back = ~(uint64_t)offset_s + 1;
        if (back > seconds) {
            return 0;
        }
        seconds -= back;
    } else {
        seconds = time_add(seconds, (uint64_t)offset_s);
    }
    uint64_t seconds_max = PCAPNG_TIME_MAX / NS_PER_S;
    return seconds >= seconds_max ? PCAPNG_TIME_MAX : seconds * NS_PER_S + rest_ns;
}

/* Resolution and offset; unknown options are stepped over. */
static void read_options(const struct pcapng_file *pcapng, struct cursor options,
                         struct pcapng_interface *interface)
{
    while (cursor_left(&options) > 0) {
        uint16_t code = take_16(pcapng, &options);
        uint16_t bytes = take_16(pcapng, &options);
        const uint8_t *value = cursor_take(&options, bytes);
        cursor_skip(&options, (4u - bytes % 4u) % 4u);
        if (value == NULL || code == OPTION_END) {
            return;
        }
        if (code == OPTION_RESOLUTION && bytes >= 1) {
            interface->resolution = value[0];
        } else if (code == OPTION_OFFSET && bytes >= 8) {
            struct cursor number = cursor_over(value, 8);
            uint64_t offset = pcapng->big_endian ? cursor_be64(&number) : cursor_le64(&number);
            memcpy(&interface->offset_s, &offset, sizeof(offset));
        }
    }
}

/* The usual clocks, 10^-9 s and coarser without an offset: one multiplication a packet. */
static void prepare_clock(struct pcapng_interface *interface)
{
    enum { NANOSECONDS = 9 };

    if (interface->resolution <= NANOSECONDS && interface->offset_s == 0) {
        interface->tick_ns = power_of_ten(NANOSECONDS - interface->resolution);
        interface->ticks_max = PCAPNG_TIME_MAX / interface->tick_ns;
    }
}

static uint64_t time_of(const struct pcapng_interface *interface, uint64_t ticks)
{
    if (interface->tick_ns != 0 && ticks <= interface->ticks_max) {
        return ticks * interface->tick_ns;
    }
    return pcapng_file_time(ticks, interface->resolution, interface->offset_s);
}

static bool make_room(struct pcapng_file *pcapng)
{
    if (pcapng->interface_count < pcapng->interface_room) {
        return true;
    }
    if (pcapng->interface_room >= PCAPNG_INTERFACES_MAX) {
        return false;
    }
    uint32_t room = pcapng->interface_room == 0 ? 4 : pcapng->interface_room * 2;
    struct pcapng_interface *grown = realloc(pcapng->interfaces, room * sizeof(*grown));
    if (grown == NULL) {
        pcapng->out_of_memory = true;
        return false;
    }
    pcapng->interfaces = grown;
    pcapng->interface_room = room;
    return true;
}

static bool read_interface(struct pcapng_file *pcapng, struct cursor body)
{
    struct pcapng_interface interface = {.resolution = RESOLUTION_PRESET};
    interface.link_type = walk_link_type(take_16(pcapng, &body));
    cursor_skip(&body, 2);
    interface.snap_bytes = take_32(pcapng, &body);
    if (!cursor_ok(&body) || !make_room(pcapng)) {
        return false;
    }
    read_options(pcapng, body, &interface);
    prepare_clock(&interface);
    interface.index = *pcapng->interface_next;
    *pcapng->interface_next = walk_interface_after(interface.index);
    pcapng->interfaces[pcapng->interface_count++] = interface;
    return true;
}

/* The head of a section; false: not one that is known. */
static bool read_section(struct pcapng_file *pcapng, const uint8_t *at, const char **out_fault)
{
    struct cursor body = cursor_over(at + HEAD_BYTES, 8);
    uint32_t magic = cursor_be32(&body);
    if (magic != BYTE_ORDER_MAGIC && __builtin_bswap32(magic) != BYTE_ORDER_MAGIC) {
        *out_fault = "begins like pcapng but has no byte-order magic";
        return false;
    }
    pcapng->big_endian = magic == BYTE_ORDER_MAGIC;
    pcapng->interface_count = 0;
    if (take_16(pcapng, &body) != 1) {
        *out_fault = "is pcapng of a version that is not known (1 is)";
        return false;
    }
    return true;
}

/* Puts one frame; the bytes are in the window. */
static void deliver(struct pcapng_file *pcapng, struct walk *walk, struct captured frame)
{
    if (frame.captured > FRAME_BYTES_MAX) {
        frame.captured = FRAME_BYTES_MAX;
        walk->frames_cut++;
    }
    pcapng->last_ns = frame.time_ns;
    walk->frames[walk->frame_count++] = frame;
}

/* `body` may end early where the block is longer than what is read of it: `body_bytes` is the
 * truth. */
static bool read_packet(struct pcapng_file *pcapng, struct walk *walk, struct cursor body,
                        uint64_t body_bytes, bool is_obsolete)
{
    uint32_t id = is_obsolete ? take_16(pcapng, &body) : take_32(pcapng, &body);
    cursor_skip(&body, is_obsolete ? 2 : 0);
    uint64_t ticks = take_ticks(pcapng, &body);
    uint32_t captured = take_32(pcapng, &body);
    uint32_t wire = take_32(pcapng, &body);
    if (!cursor_ok(&body) || id >= pcapng->interface_count ||
        captured > body_bytes - (FRAME_HEAD_BYTES - HEAD_BYTES)) {
        return false;
    }
    const struct pcapng_interface *interface = &pcapng->interfaces[id];
    struct captured frame = {
        .time_ns = time_of(interface, ticks),
        .at = body.at,
        .captured = captured,
        .wire_bytes = wire > captured ? wire : captured,
        .link_type = interface->link_type,
        .interface = interface->index,
    };
    deliver(pcapng, walk, frame);
    return true;
}

/* The bytes are as many as the wire had, or the snap length of the section's first interface, or
 * what the body holds (some writers cut without stating a snap length); padding follows them. */
static bool read_simple(struct pcapng_file *pcapng, struct walk *walk, struct cursor body,
                        uint64_t body_bytes)
{
    uint32_t wire = take_32(pcapng, &body);
    if (!cursor_ok(&body) || pcapng->interface_count == 0) {
        return false;
    }
    const struct pcapng_interface *interface = &pcapng->interfaces[0];
    uint32_t captured = wire;
    if (interface->snap_bytes != 0 && captured > interface->snap_bytes) {
        captured = interface->snap_bytes;
    }
    if (captured > body_bytes - 4) {
        captured = (uint32_t)(body_bytes - 4);
    }
    struct captured frame = {
        .time_ns = pcapng->last_ns,
        .at = body.at,
        .captured = captured,
        .wire_bytes = wire,
        .link_type = interface->link_type,
        .interface = interface->index,
    };
    deliver(pcapng, walk, frame);
    return true;
}

/* A block whose body (as far as it is read) lies in the window. */
static bool read_block(struct pcapng_file *pcapng, struct walk *walk, uint32_t type,
                       struct cursor body, uint64_t body_bytes)
{
    switch (type) {
    case BLOCK_INTERFACE:
        return read_interface(pcapng, body);
    case BLOCK_PACKET:
    case BLOCK_ENHANCED:
        return read_packet(pcapng, walk, body, body_bytes, type == BLOCK_PACKET);
    case BLOCK_SIMPLE:
        return read_simple(pcapng, walk, body, body_bytes);
    default:
        walk->blocks_skipped += type != BLOCK_SECTION;
        return true;
    }
}

static bool is_framed(const struct pcapng_file *pcapng, const uint8_t *at, uint32_t length)
{
    struct cursor trailer = cursor_over(at, TRAILER_BYTES);
    return take_32(pcapng, &trailer) == length;
}

/* The rest of a block that was not read whole. False: more bytes are needed, or damage. */
static bool finish_block(struct pcapng_file *pcapng, struct walk *walk)
{
    size_t left = walk->bytes - walk->used;
    size_t part = pcapng->skip_bytes < left ? (size_t)pcapng->skip_bytes : left;
    walk->used += part;
    pcapng->skip_bytes -= part;
    walk->want = pcapng->skip_bytes > 0 ? 1 : TRAILER_BYTES;
    if (left - part < walk->want) {
        return false;
    }
    walk->damaged = !is_framed(pcapng, walk->at + walk->used, pcapng->trailer_length);
    walk->used += TRAILER_BYTES;
    pcapng->trailer_length = 0;
    return !walk->damaged;
}

/* How much of a block must be in the window before it is read: all of it, as long as that can be.
 */
static size_t wanted_bytes(uint32_t type, uint32_t length)
{
    if (length <= RECORD_BYTES_MAX) {
        return length;
    }
    bool has_frame = type == BLOCK_PACKET || type == BLOCK_SIMPLE || type == BLOCK_ENHANCED;
    return has_frame ? FRAME_HEAD_BYTES + FRAME_BYTES_MAX : HEAD_BYTES;
}

/* One block. False: more bytes are needed, or damage. */
static bool walk_block(struct pcapng_file *pcapng, struct walk *walk)
{
    const uint8_t *at = walk->at + walk->used;
    size_t left = walk->bytes - walk->used;
    walk->between = left == 0;
    walk->want = HEAD_BYTES;
    if (left < HEAD_BYTES) {
        return false;
    }
    struct cursor head = cursor_over(at, HEAD_BYTES);
    uint32_t type = take_32(pcapng, &head);
    if (type == BLOCK_SECTION) { /* the same in both byte orders; its own is told inside */
        const char *fault = NULL;
        walk->want = SECTION_BYTES_MIN;
        if (left < SECTION_BYTES_MIN) {
            return false;
        }
        walk->damaged = !read_section(pcapng, at, &fault);
        head = cursor_over(at + 4, 4);
    }
    uint32_t length = take_32(pcapng, &head);
    uint32_t length_min = type == BLOCK_SECTION ? SECTION_BYTES_MIN : HEAD_BYTES + TRAILER_BYTES;
    bool too_long = type == BLOCK_INTERFACE && length > RECORD_BYTES_MAX;
    if (walk->damaged || length < length_min || too_long) {
        walk->damaged = true;
        return false;
    }
    size_t want = wanted_bytes(type, length);
    walk->want = want;
    if (left < want) {
        return false;
    }
    bool is_whole = want == length;
    struct cursor body = cursor_over(at, want - (is_whole ? TRAILER_BYTES : 0));
    cursor_skip(&body, HEAD_BYTES);
    if ((is_whole && !is_framed(pcapng, at + length - TRAILER_BYTES, length)) ||
        !read_block(pcapng, walk, type, body, (uint64_t)length - HEAD_BYTES - TRAILER_BYTES)) {
        walk->damaged = true;
        return false;
    }
    walk->used += want;
    if (!is_whole) {
        pcapng->skip_bytes = length - want - TRAILER_BYTES;
        pcapng->trailer_length = length;
    }
    return true;
}

bool pcapng_file_is(const uint8_t *at, size_t bytes)
{
    struct cursor cursor = cursor_over(at, bytes);
    return cursor_be32(&cursor) == BLOCK_SECTION;
}

bool pcapng_file_open(struct pcapng_file *pcapng, const uint8_t *at, uint16_t *interface_next,
                      const char **out_fault)
{
    *pcapng = (struct pcapng_file){.interface_next = interface_next};
    return read_section(pcapng, at, out_fault);
}

void pcapng_file_walk(struct pcapng_file *pcapng, struct walk *walk)
{
    while (walk->frame_count < walk->frames_max) {
        walk->between = false;
        if (pcapng->trailer_length != 0 && !finish_block(pcapng, walk)) {
            return;
        }
        if (!walk_block(pcapng, walk)) {
            return;
        }
    }
    walk->between = pcapng->trailer_length == 0 && walk->used == walk->bytes;
    walk->want = 1;
}

void pcapng_file_close(struct pcapng_file *pcapng)
{
    free(pcapng->interfaces);
    *pcapng = (struct pcapng_file){.interfaces = NULL};
}
