/* addr.c - addresses as text. Own parsers instead of inet_pton: texts on the wire are slices
 * without a NUL, brackets are part of the grammar of SIP (RFC 3261 section 25.1), and what is
 * accepted must not depend on the C library.
 *
 * Refused on purpose: octets with leading zeros (read as octal by some), zone ids (RFC 4007: they
 * mean nothing off their host), names of any kind. */
#include "base/addr.h"

int addr_compare(const struct addr *one, const struct addr *other)
{
    return memcmp(one->octets, other->octets, sizeof one->octets);
}

static bool all_zero(const uint8_t *at, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        if (at[i] != 0) {
            return false;
        }
    }
    return true;
}

bool addr_is_multicast(const struct addr *addr)
{
    return addr_is_v4(addr) ? addr->octets[12] >> 4 == 0xe : addr->octets[0] == 0xff;
}

bool addr_is_loopback(const struct addr *addr)
{
    static const struct addr six = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};

    return addr_is_v4(addr) ? addr->octets[12] == 127 : addr_equal(addr, &six);
}

bool addr_is_broadcast(const struct addr *addr)
{
    static const uint8_t ones[4] = {0xff, 0xff, 0xff, 0xff};
    return addr_is_v4(addr) && memcmp(addr->octets + 12, ones, 4) == 0;
}

bool addr_is_private(const struct addr *addr)
{
    const uint8_t *octets = addr->octets;

    if (addr_is_v4(addr)) {
        unsigned first = octets[12];
        unsigned second = octets[13];
        return first == 10 || first == 127 || (first == 172 && second >> 4 == 1) ||
               (first == 192 && second == 168) || (first == 100 && second >> 6 == 1) ||
               (first == 169 && second == 254);
    }
    return (octets[0] & 0xfe) == 0xfc || (octets[0] == 0xfe && octets[1] >> 6 == 2) ||
           (all_zero(octets, 15) && octets[15] == 1);
}

static bool parse_v4(struct slice text, uint8_t *out_four)
{
    uint8_t four[4];
    const char *at = text.at;
    const char *to = text.bytes == 0 ? at : at + text.bytes;

    for (size_t i = 0; i < 4; i++) {
        const char *from = at;
        unsigned value = 0;
        for (; at < to && value <= 255; at++) {
            unsigned digit = (unsigned)(uint8_t)*at - '0';
            if (digit > 9) {
                break;
            }
            value = value * 10 + digit;
        }
        if (at == from || value > 255 || (at - from > 1 && *from == '0') ||
            (at == to) != (i == 3) || (i < 3 && *at != '.')) {
            return false;
        }
        at++;
        four[i] = (uint8_t)value;
    }
    memcpy(out_four, four, 4);
    return true;
}

/* One group between colons, or the dotted quad at the end. Returns the octets written, 0 = refused.
 */
static size_t parse_group(struct slice part, bool last, size_t used, uint8_t *out)
{
    uint32_t value;

    if (last && slice_find(part, '.') < part.bytes) {
        return used <= 12 && parse_v4(part, out) ? 4 : 0;
    }
    if (used > 14 || part.bytes > 4 || !slice_hex32(part, &value)) {
        return 0;
    }
    out[0] = (uint8_t)(value >> 8);
    out[1] = (uint8_t)value;
    return 2;
}

/* RFC 4291 section 2.2: groups, at most one "::", perhaps a dotted quad at the end. */
static bool parse_v6(struct slice text, uint8_t *out_sixteen)
{
    uint8_t octets[16] = {0};
    size_t used = 0;
    size_t gap = SIZE_MAX; /* octets before the "::" */

    if (slice_starts_with(text, SLICE("::"))) {
        gap = 0;
        text = slice_from(text, 2);
    }
    while (text.bytes > 0) {
        size_t colon = slice_find(text, ':');
        bool last = colon == text.bytes;
        size_t octets_read = parse_group(slice_part(text, 0, colon), last, used, octets + used);
        if (octets_read == 0) {
            return false;
        }
        used += octets_read;
        if (last) {
            break;
        }
        text = slice_from(text, colon + 1);
        if (text.bytes == 0) {
            return false; /* ends with a single colon */
        }
        if (text.at[0] == ':') {
            if (gap != SIZE_MAX) {
                return false;
            }
            gap = used;
            text = slice_from(text, 1);
        }
    }
    if (gap == SIZE_MAX) {
        if (used != 16) {
            return false;
        }
    } else {
        if (used > 14) {
            return false; /* a "::" stands for at least one group */
        }
        memmove(octets + 16 - (used - gap), octets + gap, used - gap);
        memset(octets + gap, 0, 16 - used);
    }
    memcpy(out_sixteen, octets, 16);
    return true;
}

bool addr_parse(struct slice text, struct addr *out)
{
    uint8_t octets[16];

    if (text.bytes >= 2 && text.at[0] == '[' && text.at[text.bytes - 1] == ']') {
        text = slice_part(text, 1, text.bytes - 1);
    } else if (parse_v4(text, octets)) {
        *out = addr_from_v4(octets);
        return true;
    }
    if (!parse_v6(text, octets)) {
        return false;
    }
    *out = addr_from_v6(octets);
    return true;
}

static void clear_host_bits(struct prefix *prefix)
{
    for (size_t i = 0; i < 16; i++) {
        size_t first_bit = i * 8;
        if (first_bit >= prefix->bits) {
            prefix->addr.octets[i] = 0;
        } else if (prefix->bits - first_bit < 8) {
            prefix->addr.octets[i] &= (uint8_t)(0xff00U >> (prefix->bits - first_bit));
        }
    }
}

bool prefix_parse(struct slice text, struct prefix *out)
{
    size_t slash = slice_find(text, '/');
    struct slice host = slice_part(text, 0, slash);
    struct prefix prefix;
    uint32_t bits = 0;

    if (!addr_parse(host, &prefix.addr)) {
        return false;
    }
    bool dotted = slice_find(host, ':') == host.bytes;
    uint32_t bits_max = dotted ? 32 : 128;
    if (slash == text.bytes) {
        bits = bits_max;
    } else if (!slice_u32(slice_from(text, slash + 1), &bits) || bits > bits_max) {
        return false;
    }
    prefix.bits = (uint8_t)(dotted ? bits + 96 : bits);
    clear_host_bits(&prefix);
    *out = prefix;
    return true;
}

bool prefix_contains(const struct prefix *prefix, const struct addr *addr)
{
    size_t octets = prefix->bits / 8;
    unsigned rest = prefix->bits % 8;

    /* "::/0" is every IPv6 address; that IPv4 is written inside that space is our own affair. */
    if (prefix->bits < 96 && addr_is_v4(addr)) {
        return false;
    }
    if (memcmp(prefix->addr.octets, addr->octets, octets) != 0) {
        return false;
    }
    return rest == 0 || (prefix->addr.octets[octets] ^ addr->octets[octets]) >> (8 - rest) == 0;
}

struct prefix addr_site_prefix(const struct addr *addr)
{
    bool dotted = addr_is_v4(addr);
    size_t octets = dotted ? 15 : 6;
    struct prefix prefix = {.bits = (uint8_t)(8 * octets)};

    memcpy(prefix.addr.octets, addr->octets, octets);
    return prefix;
}

static unsigned group_at(const struct addr *addr, unsigned group)
{
    return (unsigned)addr->octets[group * 2] << 8 | addr->octets[group * 2 + 1];
}

/* The longest run of zero groups, the first of equals; runs of one are not shortened
 * (RFC 5952 section 4.2). */
static unsigned longest_zeros(const struct addr *addr, unsigned *out_first)
{
    unsigned longest = 1;
    unsigned run = 0;

    *out_first = 8;
    for (unsigned group = 0; group < 8; group++) {
        run = group_at(addr, group) == 0 ? run + 1 : 0;
        if (run > longest) {
            longest = run;
            *out_first = group + 1 - run;
        }
    }
    return longest;
}

static void print_v6(struct text *text, const struct addr *addr)
{
    unsigned first;
    unsigned longest = longest_zeros(addr, &first);

    for (unsigned group = 0; group < 8; group++) {
        if (group == first) {
            text_string(text, "::");
            group += longest - 1;
            continue;
        }
        if (group != 0 && group != first + longest) {
            text_byte(text, ':');
        }
        unsigned value = group_at(addr, group);
        text_hex(text, value, value > 0xfff ? 4 : value > 0xff ? 3 : value > 0xf ? 2 : 1);
    }
}

static void print_v4(struct text *text, const struct addr *addr)
{
    for (unsigned i = 12; i < 16; i++) {
        if (i > 12) {
            text_byte(text, '.');
        }
        text_u64(text, addr->octets[i]);
    }
}

/* Composed beside the target, so that a text that is full gets all of it or nothing. */
static void print_addr(struct text *text, const struct addr *addr)
{
    if (addr_is_v4(addr)) {
        print_v4(text, addr);
    } else {
        print_v6(text, addr);
    }
}

void text_addr(struct text *text, const struct addr *addr)
{
    char line[ADDR_TEXT_BYTES];
    struct text whole = text_into(line, sizeof line);

    print_addr(&whole, addr);
    text_slice_put(text, text_slice(&whole));
}

void text_prefix(struct text *text, const struct prefix *prefix)
{
    char line[ADDR_TEXT_BYTES];
    struct text whole = text_into(line, sizeof line);
    bool dotted = prefix->bits >= 96 && addr_is_v4(&prefix->addr);

    print_addr(&whole, &prefix->addr);
    text_byte(&whole, '/');
    text_u64(&whole, dotted ? prefix->bits - 96U : prefix->bits);
    text_slice_put(text, text_slice(&whole));
}

void text_endpoint(struct text *text, const struct endpoint *endpoint)
{
    char line[ENDPOINT_TEXT_BYTES];
    struct text whole = text_into(line, sizeof line);
    bool brackets = endpoint->port != 0 && !addr_is_v4(&endpoint->addr);

    if (brackets) {
        text_byte(&whole, '[');
    }
    print_addr(&whole, &endpoint->addr);
    if (brackets) {
        text_byte(&whole, ']');
    }
    if (endpoint->port != 0) {
        text_byte(&whole, ':');
        text_u64(&whole, endpoint->port);
    }
    text_slice_put(text, text_slice(&whole));
}
