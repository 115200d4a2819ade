/* community_id.h - Community ID version 1: one name for a flow that other tools give it too.
 *
 * Owns      a digest context and a small cache of lately used flows.
 * Borrows   nothing.
 * Time      none.
 * Bounds    COMMUNITY_CACHE flows are remembered; of three that meet the oldest goes.
 * Errors    open: memory. A library without SHA-1 gives no names (logged once).
 * Thread    one at a time for each struct. */
#ifndef OUTPUTS_COMMUNITY_ID_H
#define OUTPUTS_COMMUNITY_ID_H

#include "base/addr.h"

enum { COMMUNITY_ID_BYTES = 30, COMMUNITY_CACHE = 4096 }; /* "1:" and 28 of base64 */

struct community_id;

MUST_USE enum status community_id_open(struct community_id **out_community, struct error *error);
void community_id_close(struct community_id *community);
/* COMMUNITY_ID_BYTES of text, valid until the next call; SLICE_NONE when the digest fails.
 * `protocol` as in the IP header: 6, 17. */
struct slice community_id_of(struct community_id *community, uint8_t protocol,
                             const struct endpoint *source, const struct endpoint *destination);

#endif
