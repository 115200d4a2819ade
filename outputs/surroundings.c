/* surroundings.c - whoever blocks his own gateway has ended the discussion.
 *
 *   /proc/net/route        Iface Destination Gateway Flags ...   hexadecimal, in the order of this host
 *   /proc/net/ipv6_route   destination bits source bits gateway ...   32 hexadecimal digits each
 *   /etc/resolv.conf       nameserver ADDRESS */
#include "outputs/surroundings.h"

#include "base/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <unistd.h>

enum { HEX_DIGITS = 8 };

static bool add_addr(struct protected_list *list, const struct addr *addr, const char *why)
{
    struct prefix prefix = {.addr = *addr, .bits = 128};

    return addr_is_unspecified(addr) || protected_add(list, &prefix, why);
}

/* The next word of a line; blanks and tabs part them. */
static struct slice word(struct slice *rest)
{
    size_t from = 0;
    size_t to;

    while (from < rest->bytes && (rest->at[from] == ' ' || rest->at[from] == '\t')) {
        from++;
    }
    to = from;
    while (to < rest->bytes && rest->at[to] != ' ' && rest->at[to] != '\t') {
        to++;
    }
    struct slice found = slice_part(*rest, from, to);
    *rest = slice_from(*rest, to);
    return found;
}

bool surroundings_routes(struct protected_list *list, struct slice text)
{
    while (text.bytes > 0) {
        struct slice line = slice_split(&text, '\n');
        uint32_t to;
        uint32_t gateway;

        (void)word(&line);
        if (slice_hex32(word(&line), &to) && slice_hex32(word(&line), &gateway) && gateway != 0) {
            uint8_t four[4];
            memcpy(four, &gateway, sizeof four); /* as the kernel holds it: network order */
            struct addr addr = addr_from_v4(four);
            if (!add_addr(list, &addr, to == 0 ? "the default gateway" : "a gateway")) {
                return false;
            }
        }
    }
    return true;
}

static bool parse_v6(struct slice digits, struct addr *out)
{
    uint8_t octets[16];

    for (unsigned i = 0; i < 4; i++) {
        uint32_t part;
        if (digits.bytes != 32 ||
            !slice_hex32(slice_part(digits, i * HEX_DIGITS, (i + 1) * HEX_DIGITS), &part)) {
            return false;
        }
        part = htonl(part);
        memcpy(octets + i * 4, &part, sizeof part);
    }
    *out = addr_from_v6(octets);
    return true;
}

bool surroundings_routes6(struct protected_list *list, struct slice text)
{
    while (text.bytes > 0) {
        struct slice line = slice_split(&text, '\n');
        struct addr gateway;

        for (unsigned i = 0; i < 4; i++) {
            (void)word(&line);
        }
        if (parse_v6(word(&line), &gateway) && !add_addr(list, &gateway, "a gateway")) {
            return false;
        }
    }
    return true;
}

bool surroundings_resolvers(struct protected_list *list, struct slice text)
{
    while (text.bytes > 0) {
        struct slice line = slice_split(&text, '\n');
        struct addr addr;

        if (slice_equal(word(&line), SLICE("nameserver"))) {
            struct slice value = slice_trim(word(&line));
            value = slice_part(value, 0, slice_find(value, '%')); /* a zone names an interface */
            if (addr_parse(value, &addr) && !add_addr(list, &addr, "a name server")) {
                return false;
            }
        }
    }
    return true;
}

static bool add_own(struct protected_list *list)
{
    struct ifaddrs *all = NULL;
    bool room = true;

    if (getifaddrs(&all) != 0) {
        log_line(LOG_WARN, "the addresses of this machine cannot be read (%s)", strerror(errno));
        return true;
    }
    for (const struct ifaddrs *one = all; one != NULL && room; one = one->ifa_next) {
        struct addr addr;
        if (one->ifa_addr == NULL) {
            continue;
        }
        if (one->ifa_addr->sa_family == AF_INET) {
            struct sockaddr_in four;
            memcpy(&four, one->ifa_addr, sizeof four);
            addr = addr_from_v4((const uint8_t *)&four.sin_addr);
        } else if (one->ifa_addr->sa_family == AF_INET6) {
            struct sockaddr_in6 six;
            memcpy(&six, one->ifa_addr, sizeof six);
            addr = addr_from_v6((const uint8_t *)&six.sin6_addr);
        } else {
            continue;
        }
        room = add_addr(list, &addr, "an address of this machine");
    }
    freeifaddrs(all);
    return room;
}

static bool add_file(struct protected_list *list, const char *path,
                     bool (*read_text)(struct protected_list *list, struct slice text))
{
    char *text = malloc(SURROUNDINGS_BYTES);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool missing = fd < 0 && errno == ENOENT;
    ssize_t got = fd < 0 || text == NULL ? -1 : 1;
    size_t bytes = 0;

    while (got > 0 && bytes < SURROUNDINGS_BYTES) {
        got = read(fd, text + bytes, SURROUNDINGS_BYTES - bytes);
        bytes += got > 0 ? (size_t)got : 0;
    }
    if (got < 0 && !missing) {
        log_line(LOG_WARN, "%s cannot be read: what it names is not protected", path);
    }
    bool room = bytes == 0 || read_text(list, slice_of(text, bytes));
    if (fd >= 0) {
        (void)close(fd);
    }
    free(text);
    return room;
}

enum status surroundings_add(struct protected_list *list, struct error *error)
{
    bool room = add_own(list) && add_file(list, "/proc/net/route", surroundings_routes) &&
                add_file(list, "/proc/net/ipv6_route", surroundings_routes6) &&
                add_file(list, "/etc/resolv.conf", surroundings_resolvers);

    return room ? STATUS_OK
                : error_set(error, STATUS_FAILED, "response",
                            "this machine has more than %d addresses and gateways to protect",
                            (int)PROTECTED_MAX);
}
