/* endpoint.h - who said in an SDP that it wants to receive where, and what its payload types mean.
 *
 * Owns      the claims.
 * Borrows   media lines during the call.
 * Time      state time, an argument.
 * Bounds    endpoints_max claims, ENDPOINT_CLAIMS of one address and port, ENDPOINT_OF_CALL of one
 *           call; the oldest goes.
 * Errors    open only.
 * Thread    the analyst's.
 *
 * An address and port may be claimed by several calls: a port that is used again, both legs of a
 * back-to-back agent, a media server. All claims stay until their call goes; who asks gets them all
 * and chooses (media.c). */
#ifndef SENSOR_STATE_ENDPOINT_H
#define SENSOR_STATE_ENDPOINT_H

#include "base/table.h"
#include "decoders/sdp.h"
#include "sensor/state/call_cell.h"

enum { ENDPOINT_CLAIMS = 4, ENDPOINT_FORMATS = 8, ENDPOINT_OF_CALL = 32 };

enum endpoint_side { ENDPOINT_CALLER, ENDPOINT_CALLEE };
enum endpoint_flag {
    ENDPOINT_RTCP = 1, /* a=rtcp named it: no media */
    ENDPOINT_ALIAS = 2, /* the signalling address with the media port (NAT) */
};

struct endpoint_claim {
    uint32_t call;
    uint32_t generation;
    uint32_t next; /* claim of the same call */
    uint8_t side : 1; /* who receives here */
    uint8_t flags : 2; /* enum endpoint_flag */
    uint8_t direction : 2;
    uint8_t security : 2;
    uint8_t kind; /* enum sdp_kind */
    uint8_t ptime_ms;
    uint8_t format_count;
    struct {
        uint8_t payload_type;
        uint8_t codec;
    } formats[ENDPOINT_FORMATS]; /* what is not in the static table, secondary types left out */
};

static_assert(sizeof(struct endpoint_claim) <= 32, "with the table's head one line");

struct endpoint_table {
    struct table claims;
    struct call_table *calls;
    struct hash_key key;
};

/* What is claimed of one address and port, newest call first. */
struct endpoint_found {
    uint32_t count;
    const struct endpoint_claim *claims[ENDPOINT_CLAIMS];
};

MUST_USE enum status endpoint_open(uint32_t endpoints_max, struct hash_key key,
                                   struct call_table *calls, struct endpoint_table *table,
                                   struct error *error);
void endpoint_close(struct endpoint_table *table);
size_t endpoint_bytes_max(uint32_t endpoints_max);

/* Looks ahead for endpoint_claim(). */
void endpoint_prefetch(const struct endpoint_table *table, const struct endpoint *endpoint);
/* The call's side says that it receives this media line at `endpoint`. True: it had not said so
 * before. */
bool endpoint_claim(struct endpoint_table *table, const struct endpoint *endpoint, uint32_t call,
                    const struct endpoint_claim *line, uint64_t now_ns);
/* Kind, direction, ptime and formats of a media line. */
void endpoint_of_media(struct endpoint_table *table, const struct sdp_media *media,
                       enum endpoint_side side, struct endpoint_claim *out_line);
void endpoint_find(const struct endpoint_table *table, const struct endpoint *endpoint,
                   struct endpoint_found *out_found);
/* Codec number of a dynamic payload type towards `side` of the call: as its media lines name it.
 * CODEC_NONE: none. */
uint8_t endpoint_codec(const struct endpoint_table *table, uint32_t call, enum endpoint_side side,
                       uint8_t payload_type);
/* Has another call that is up claimed the endpoint of this claim too? */
bool endpoint_is_shared(const struct endpoint_table *table, uint32_t claim);
uint8_t endpoint_claim_codec(const struct endpoint_claim *claim, uint8_t payload_type);
void endpoint_release(struct endpoint_table *table, uint32_t call); /* all of a call that goes */

#endif
