/* stun.h - STUN and TURN by content (RFC 8489, 8656): kind, transaction, the attributes that others
 * need.
 *
 * Owns      nothing.
 * Borrows   the bytes.
 * Time      none.
 * Bounds    64 attributes.
 * Errors    enum reason.
 * Thread    any. */
#ifndef DECODERS_STUN_H
#define DECODERS_STUN_H

#include "base/addr.h"
#include "base/cursor.h"
#include "decoders/reason.h"

struct stun_view {
    uint16_t type; /* method and class, as on the wire */
    bool is_request;
    bool is_response; /* success or error */
    bool use_candidate;
    uint8_t transaction[12];
    struct slice username; /* "" where there is none; ICE: remote:local ufrag */
    bool has_mapped;
    struct endpoint mapped; /* XOR-MAPPED-ADDRESS, else MAPPED-ADDRESS */
};

enum reason stun_decode(const uint8_t *at, uint32_t bytes, struct stun_view *out_view);

#endif
