/* direction.h - does the capture hear both directions of the talk, or one only?
 *
 * Owns      counts of the last DIRECTION_SECONDS.
 * Borrows   the message during the call.
 * Time      marks.
 * Bounds    fixed.
 * Errors    none.
 * Thread    the analyst's.
 *
 * A mirror that lost one direction and a server that died look alike at first: requests, and no
 * answers. They differ in what the clients do (docs/definitions.md, Hearing). */
#ifndef SENSOR_STATE_DIRECTION_H
#define SENSOR_STATE_DIRECTION_H

#include "base/clock.h"
#include "decoders/sip.h"

enum { DIRECTION_SECONDS = 10, DIRECTION_WINDOW = 6 };

struct direction_counts {
    uint32_t requests;
    uint32_t answers;
    /* of those, from senders that are known, as far as somebody had doubts: */
    uint32_t acks; /* of calls and of TCP: each says that an answer was heard by who sent it */
    uint32_t fresh; /* other requests over UDP, first copies */
    uint32_t repeated; /* copies of such */
    uint32_t known_answers;
};

struct direction {
    struct direction_counts seconds[DIRECTION_SECONDS]; /* by second */
    struct direction_counts sum; /* of them all */
    uint64_t second; /* of the last mark */
    bool one_way; /* at the last mark */
};

/* Are messages of the other kind so few that direction_see() wants to know who sent this one? Only
 * then is that worth a look. */
bool direction_doubts(const struct direction *direction, bool is_answer);
/* `known`: the sender has shown before that it hears, has logged in, or has answered. */
void direction_see(struct direction *direction, const struct sip_message *message, bool is_udp,
                   bool is_copy, bool known);
/* Its sender acknowledges what came over TCP behind its request. */
void direction_see_answered(struct direction *direction, bool known);
void direction_mark(struct direction *direction, uint64_t second);

#endif
