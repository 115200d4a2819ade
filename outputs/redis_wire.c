/* redis_wire.c - the protocol from hiredis, the connection from libevent.
 *
 * The asynchronous half of hiredis 0.14 is not used. It trusts its far end: an answer that was not
 * asked for ends the program in an assertion, a list of 2^31 items reserves 16 GiB at its first line,
 * and a long string grows its buffer to 512 MiB. So only its writer and its reader of the protocol are
 * here; the reader builds its answers in one place of ours, and is fed in pieces:
 *
 *     socket → evbuffer (at most WIRE_ANSWER_BYTES, then the kernel waits)
 *            → PIECE_BYTES at a time → redisReader (at most WIRE_ANSWER_BYTES) → one wire_answer */
/* First: their headers name what banned.h forbids. */
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <hiredis/hiredis.h>

#include "outputs/redis_wire.h"

#include "outputs/socket_address.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <sys/un.h>

enum { PIECE_BYTES = 4 << 10, WHY_BYTES = 160 };

struct redis_wire {
    struct bufferevent *stream;
    redisReader *reader;
    enum wire_state state;
    bool garbage; /* nothing of it is believed any more */
    struct wire_answer answer; /* what the reader builds */
    char why[WHY_BYTES];
};

static void wire_break(struct redis_wire *wire, const char *what, const char *more)
{
    if (wire->state == WIRE_BROKEN) {
        return;
    }
    struct text text = text_into(wire->why, sizeof wire->why - 1);
    text_string(&text, what);
    text_string(&text, more);
    (void)text_terminate(&text);
    wire->state = WIRE_BROKEN;
    (void)bufferevent_disable(wire->stream, EV_READ | EV_WRITE);
}

/* --- answers, as the reader finds them --- */

static void *on_string(const redisReadTask *task, char *at, size_t bytes)
{
    struct wire_answer *answer = task->privdata;

    answer->refused = task->type == REDIS_REPLY_ERROR;
    answer->bytes = (uint16_t)(bytes < WIRE_TEXT_BYTES ? bytes : WIRE_TEXT_BYTES);
    memcpy(answer->text, at, answer->bytes);
    return answer;
}

static void *on_list(const redisReadTask *task, int count)
{
    (void)task;
    (void)count;
    return NULL; /* the reader takes it for want of memory and stops */
}

static void *on_integer(const redisReadTask *task, long long value)
{
    struct wire_answer *answer = task->privdata;
    (void)value;

    answer->refused = false;
    answer->bytes = 0;
    return answer;
}

static void *on_nothing(const redisReadTask *task)
{
    return on_integer(task, 0);
}

static void on_free(void *answer)
{
    (void)answer; /* it is a part of the wire */
}

/* The reader keeps the pointer. */
static redisReplyObjectFunctions answer_functions = {
    .createString = on_string,
    .createArray = on_list,
    .createInteger = on_integer,
    .createNil = on_nothing,
    .freeObject = on_free,
};

/* One piece more for the reader; false when there is none. */
static bool feed(struct redis_wire *wire)
{
    char piece[PIECE_BYTES];
    int bytes = evbuffer_remove(bufferevent_get_input(wire->stream), piece, sizeof piece);

    if (bytes <= 0) {
        return false;
    }
    if (redisReaderFeed(wire->reader, piece, (size_t)bytes) != REDIS_OK) {
        wire->garbage = true;
        wire_break(wire, "no memory for its answer", "");
    } else if (wire->reader->len - wire->reader->pos > WIRE_ANSWER_BYTES) {
        wire->garbage = true;
        wire_break(wire, "its answer does not end", "");
    }
    return !wire->garbage;
}

bool redis_wire_next(struct redis_wire *wire, struct wire_answer *out_answer)
{
    while (!wire->garbage) {
        void *reply = NULL;
        if (redisReaderGetReply(wire->reader, &reply) != REDIS_OK) {
            wire->garbage = true;
            wire_break(wire, "what answers there is no Redis", "");
        } else if (reply != NULL) {
            *out_answer = wire->answer;
            return true;
        } else if (!feed(wire)) {
            return false;
        }
    }
    return false;
}

/* --- commands --- */

void redis_wire_send(struct redis_wire *wire, const struct slice *words, size_t count)
{
    const char *at[WIRE_WORDS_MAX];
    size_t bytes[WIRE_WORDS_MAX];
    char *command = NULL;

    assert(count <= WIRE_WORDS_MAX);
    if (wire->state == WIRE_BROKEN) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        at[i] = words[i].bytes == 0 ? "" : words[i].at;
        bytes[i] = words[i].bytes;
    }
    int total = redisFormatCommandArgv(&command, (int)count, at, bytes);
    if (total < 0 || bufferevent_write(wire->stream, command, (size_t)total) != 0) {
        wire_break(wire, "no memory for a command", "");
    }
    if (total >= 0) {
        redisFreeCommand(command);
    }
}

size_t redis_wire_unsent(const struct redis_wire *wire)
{
    return evbuffer_get_length(bufferevent_get_output(wire->stream));
}

/* --- the connection --- */

static void on_event(struct bufferevent *stream, short what, void *owner)
{
    struct redis_wire *wire = owner;
    int failed = errno;
    int yes = 1;

    if ((what & BEV_EVENT_CONNECTED) != 0) {
        wire->state = WIRE_UP;
        /* Where there is no TCP below, these say so and change nothing. */
        evutil_socket_t socket = bufferevent_getfd(stream);
        (void)setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        (void)setsockopt(socket, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof yes);
    } else if ((what & BEV_EVENT_EOF) != 0) {
        wire_break(wire, "it closed the connection", "");
    } else if ((what & BEV_EVENT_ERROR) != 0) {
        wire_break(wire, wire->state == WIRE_CONNECTING ? "cannot connect: " : "connection lost: ",
                   strerror(failed));
    }
}

static int connect_to(struct redis_wire *wire, const struct wire_target *target)
{
    struct sockaddr_storage to;
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    socklen_t bytes = sizeof local;

    if (target->path != NULL) {
        struct text text = text_into(local.sun_path, sizeof local.sun_path - 1);
        text_string(&text, target->path);
        memcpy(&to, &local, sizeof local);
    } else {
        bytes = socket_address(&target->endpoint, &to);
    }
    return bufferevent_socket_connect(wire->stream, (const struct sockaddr *)&to, (int)bytes);
}

enum status redis_wire_open(struct event_base *loop, const struct wire_target *target,
                            struct redis_wire **out_wire, struct error *error)
{
    struct redis_wire *wire = calloc(1, sizeof *wire);

    if (wire != NULL) {
        wire->stream = bufferevent_socket_new(loop, -1, BEV_OPT_CLOSE_ON_FREE);
        wire->reader = redisReaderCreateWithFunctions(&answer_functions);
    }
    if (wire == NULL || wire->stream == NULL || wire->reader == NULL) {
        redis_wire_close(wire);
        return error_set(error, STATUS_FAILED, "", "no memory for a connection");
    }
    wire->reader->privdata = &wire->answer;
    bufferevent_setcb(wire->stream, NULL, NULL, on_event, wire);
    bufferevent_setwatermark(wire->stream, EV_READ, 0, WIRE_ANSWER_BYTES);
    (void)bufferevent_enable(wire->stream, EV_READ | EV_WRITE);
    if (connect_to(wire, target) != 0) {
        wire_break(wire, "cannot connect: ", strerror(errno));
    }
    *out_wire = wire;
    return STATUS_OK;
}

void redis_wire_close(struct redis_wire *wire)
{
    if (wire == NULL) {
        return;
    }
    if (wire->reader != NULL) {
        redisReaderFree(wire->reader);
    }
    if (wire->stream != NULL) {
        bufferevent_free(wire->stream);
    }
    free(wire);
}

enum wire_state redis_wire_state(const struct redis_wire *wire)
{
    return wire->state;
}

bool redis_wire_lied(const struct redis_wire *wire)
{
    return wire->garbage;
}

const char *redis_wire_why(const struct redis_wire *wire)
{
    return wire->why;
}
