/* surroundings.h - what this machine lives on: its own addresses, its gateways, its name servers.
 *
 * Owns      nothing.
 * Borrows   the list during the call.
 * Time      none.
 * Bounds    files are read up to SURROUNDINGS_BYTES.
 * Errors    what cannot be read is said and left out; a list that is full is STATUS_FAILED.
 * Thread    at the start of the response process.
 *
 * Read from the kernel, never asked of the network. */
#ifndef OUTPUTS_SURROUNDINGS_H
#define OUTPUTS_SURROUNDINGS_H

#include "outputs/protected.h"

enum { SURROUNDINGS_BYTES = 64 << 10 };

MUST_USE enum status surroundings_add(struct protected_list *list, struct error *error);

/* Parts of it, for texts in the kernel's form: /proc/net/route, /proc/net/ipv6_route,
 * /etc/resolv.conf. false: the list is full. */
MUST_USE bool surroundings_routes(struct protected_list *list, struct slice text);
MUST_USE bool surroundings_routes6(struct protected_list *list, struct slice text);
MUST_USE bool surroundings_resolvers(struct protected_list *list, struct slice text);

#endif
