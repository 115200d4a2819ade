/* addr.h - IP addresses, endpoints, prefixes: parse, print, match.
 *
 * Owns      nothing.
 * Borrows   nothing.
 * Time      none.
 * Bounds    ADDR_TEXT_BYTES and ENDPOINT_TEXT_BYTES hold any printed form.
 * Errors    a text that is no address is a false return.
 * Thread    any. */
#ifndef BASE_ADDR_H
#define BASE_ADDR_H

#include "base/text.h"

/* IPv6 in network order; IPv4 as ::ffff:a.b.c.d (RFC 4291 section 2.5.5.2), so that both compare
 * and hash alike. All zero = unspecified. */
struct addr {
    uint8_t octets[16];
};

struct endpoint {
    struct addr addr;
    uint16_t port; /* host order; 0 = none */
};

struct prefix {
    struct addr addr;
    uint8_t bits; /* of the 128: an IPv4 /24 has 120 */
};

enum { ADDR_TEXT_BYTES = 48, ENDPOINT_TEXT_BYTES = 56 };

static inline struct addr addr_from_v4(const uint8_t *four)
{
    struct addr addr = {{0}};
    addr.octets[10] = 0xff;
    addr.octets[11] = 0xff;
    memcpy(addr.octets + 12, four, 4);
    return addr;
}

static inline struct addr addr_from_v6(const uint8_t *sixteen)
{
    struct addr addr;
    memcpy(addr.octets, sixteen, 16);
    return addr;
}

static inline bool addr_is_v4(const struct addr *addr)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    return memcmp(addr->octets, mapped, sizeof mapped) == 0;
}

static inline bool addr_equal(const struct addr *one, const struct addr *other)
{
    return memcmp(one->octets, other->octets, sizeof one->octets) == 0;
}

/* 0.0.0.0, :: or all zero */
static inline bool addr_is_unspecified(const struct addr *addr)
{
    static const uint8_t mapped_zero[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0};
    static const uint8_t zero[16] = {0};
    return memcmp(addr->octets, mapped_zero, 16) == 0 || memcmp(addr->octets, zero, 16) == 0;
}

static inline bool endpoint_equal(const struct endpoint *one, const struct endpoint *other)
{
    return one->port == other->port && addr_equal(&one->addr, &other->addr);
}

int addr_compare(const struct addr *one, const struct addr *other); /* byte order */
bool addr_is_multicast(const struct addr *addr);
bool addr_is_loopback(const struct addr *addr); /* 127.0.0.0/8, ::1 */
bool addr_is_broadcast(const struct addr *addr); /* 255.255.255.255 */
bool addr_is_private(
    const struct addr *addr); /* RFC 1918, 6598, 3927, 4193, link-local, loopback */

/* Dotted quad, RFC 4291 text, with or without brackets; never a name, never resolved. */
MUST_USE bool addr_parse(struct slice text, struct addr *out);
/* "192.0.2.0/24", "2001:db8::/32", or a bare address (all bits). */
MUST_USE bool prefix_parse(struct slice text, struct prefix *out);
bool prefix_contains(const struct prefix *prefix, const struct addr *addr);
/* The network an address belongs to for fairness and for "the same site": /24 and /48. */
struct prefix addr_site_prefix(const struct addr *addr);

/* RFC 5952 form; IPv4 dotted. */
void text_addr(struct text *text, const struct addr *addr);
void text_prefix(struct text *text, const struct prefix *prefix);
void text_endpoint(struct text *text, const struct endpoint *endpoint); /* [addr]:port for IPv6 */

#endif
