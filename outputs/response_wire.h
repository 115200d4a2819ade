/* response_wire.h - what the sensor and its response process say to each other.
 *
 * Owns      nothing.
 * Borrows   messages during a call.
 * Time      none.
 * Bounds    WIRE_BYTES_MAX a message.
 * Errors    a message that is not what it claims is refused whole.
 * Thread    each end its own.
 *
 *      sensor ── alert (what it says, and the record as JSON) ──▶ response process
 *             ◀── step ── ready ── refused ──
 *
 * Datagrams in order (SEQPACKET) between two processes of one program, so structs cross as they are.
 * Neither believes the other: lengths, ranges and the ends of texts are checked, the JSON is read
 * whole. The sensor can only propose: which response, which hook, how long and whether at all is said
 * by the configuration that the other process has of its own. */
#ifndef OUTPUTS_RESPONSE_WIRE_H
#define OUTPUTS_RESPONSE_WIRE_H

#include "outputs/response.h"

enum { WIRE_JSON_BYTES_MAX = 64 << 10, WIRE_TEXT_BYTES = 1024 };

enum wire_type {
    WIRE_ALERT = 1, /* to the response process */
    WIRE_STOP, /* the sensor ends by itself: nothing more will come */
    WIRE_STEP, /* to the sensor */
    WIRE_READY, /* hooks were checked, the journal is open */
    WIRE_REFUSED, /* it cannot start: why */
};

struct wire_head {
    uint32_t magic;
    uint32_t type; /* enum wire_type */
    uint32_t bytes; /* of all */
    uint32_t lost; /* steps that found no room, so far */
};

struct wire_alert {
    struct wire_head head;
    struct response_alert alert;
    uint32_t json_bytes;
    uint32_t unused;
    char json[WIRE_JSON_BYTES_MAX];
};

struct wire_step {
    struct wire_head head;
    struct response_step step;
};

struct wire_text {
    struct wire_head head;
    char where[256];
    char text[WIRE_TEXT_BYTES];
};

union wire {
    struct wire_head head;
    struct wire_alert alert;
    struct wire_step step;
    struct wire_text text;
};

enum wire_result { WIRE_OK, WIRE_FULL, WIRE_GONE };

/* Each sends without waiting. */
enum wire_result wire_send_alert(int fd, const struct response_alert *alert, struct slice json);
enum wire_result wire_send_step(int fd, const struct response_step *step, uint32_t lost);
enum wire_result wire_send_text(int fd, enum wire_type type, const char *where, const char *text);
/* WIRE_FULL: nothing there now. What is not sound is skipped, and counted in *refused. */
enum wire_result wire_receive(int fd, union wire *out_wire, uint64_t *refused);

#endif
