/* socket_address.h - an endpoint as the kernel wants it.
 *
 * Owns      nothing.
 * Borrows   the endpoint during the call.
 * Time      none.
 * Bounds    none.
 * Errors    none: every endpoint has one.
 * Thread    any. */
#ifndef OUTPUTS_SOCKET_ADDRESS_H
#define OUTPUTS_SOCKET_ADDRESS_H

#include "base/addr.h"

#include <arpa/inet.h>
#include <sys/socket.h>

/* Its bytes; the family stands in out_address->ss_family. */
static inline socklen_t socket_address(const struct endpoint *endpoint,
                                       struct sockaddr_storage *out_address)
{
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(endpoint->port)};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(endpoint->port)};

    *out_address = (struct sockaddr_storage){0};
    if (addr_is_v4(&endpoint->addr)) {
        memcpy(&four.sin_addr, endpoint->addr.octets + 12, 4);
        memcpy(out_address, &four, sizeof four);
        return sizeof four;
    }
    memcpy(&six.sin6_addr, endpoint->addr.octets, 16);
    memcpy(out_address, &six, sizeof six);
    return sizeof six;
}

#endif
