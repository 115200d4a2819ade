/* redis_wire.h - one connection to a Redis server: commands go out, answers are asked for.
 *
 * Owns      the socket, what is not sent yet, an answer that is not whole yet.
 * Borrows   the loop for its life; words of a command during the call.
 * Time      none: who waits for it has the clock.
 * Bounds    WIRE_ANSWER_BYTES of answers that nobody has asked for yet, and as much of one that is not
 *           whole; a longer one breaks the connection, a list does too: none of our commands has one.
 *           What is not sent is the caller's to bound: redis_wire_unsent().
 * Errors    open: memory. All else is a broken wire, and why in words.
 * Thread    the writer's.
 *
 * No callbacks: events of the loop only change its state, so it may be closed at any time. */
#ifndef OUTPUTS_REDIS_WIRE_H
#define OUTPUTS_REDIS_WIRE_H

#include "base/addr.h"

struct event_base;
struct redis_wire;

enum { WIRE_ANSWER_BYTES = 64 << 10, WIRE_TEXT_BYTES = 256, WIRE_WORDS_MAX = 16 };

enum wire_state { WIRE_CONNECTING, WIRE_UP, WIRE_BROKEN };

struct wire_target {
    struct endpoint endpoint;
    const char *path; /* of a Unix socket; NULL: the endpoint */
};

struct wire_answer {
    bool refused; /* an error of Redis */
    uint16_t bytes;
    char text[WIRE_TEXT_BYTES]; /* the beginning, as it came */
};

/* Begins to connect. */
MUST_USE enum status redis_wire_open(struct event_base *loop, const struct wire_target *target,
                                     struct redis_wire **out_wire, struct error *error);
void redis_wire_close(struct redis_wire *wire);
enum wire_state redis_wire_state(const struct redis_wire *wire);
bool redis_wire_lied(const struct redis_wire *wire); /* it sent what Redis does not send */
const char *redis_wire_why(const struct redis_wire *wire); /* of a broken one */
/* One command; on a broken wire nothing. */
void redis_wire_send(struct redis_wire *wire, const struct slice *words, size_t count);
size_t redis_wire_unsent(const struct redis_wire *wire);
/* The next answer that is whole, also what came before the wire broke; false = none. */
bool redis_wire_next(struct redis_wire *wire, struct wire_answer *out_answer);

#endif
