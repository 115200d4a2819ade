/* response_wire.c - the length is checked against the type, then every member against its range; texts
 * are ended where their room ends. A text that came unterminated was no accident, and is refused. */
#include "outputs/response_wire.h"

#include "outputs/json_read.h"

#include <errno.h>
#include <sys/socket.h>

#define WIRE_MAGIC UINT32_C(0x31575345)

static enum wire_result send_bytes(int fd, const void *at, size_t bytes)
{
    ssize_t sent;

    do {
        sent = send(fd, at, bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    if (sent == (ssize_t)bytes) {
        return WIRE_OK;
    }
    return errno == EAGAIN || errno == ENOBUFS ? WIRE_FULL : WIRE_GONE;
}

static struct wire_head head_of(enum wire_type type, size_t bytes, uint32_t lost)
{
    return (struct wire_head){
        .magic = WIRE_MAGIC, .type = (uint32_t)type, .bytes = (uint32_t)bytes, .lost = lost};
}

enum wire_result wire_send_alert(int fd, const struct response_alert *alert, struct slice json)
{
    static struct wire_alert message; /* large, and one sends at a time */

    if (json.bytes > sizeof message.json) {
        json = SLICE("{}");
    }
    size_t bytes = offsetof(struct wire_alert, json) + json.bytes;
    message.head = head_of(WIRE_ALERT, bytes, 0);
    message.alert = *alert;
    message.json_bytes = (uint32_t)json.bytes;
    memcpy(message.json, json.at, json.bytes);
    return send_bytes(fd, &message, bytes);
}

enum wire_result wire_send_step(int fd, const struct response_step *step, uint32_t lost)
{
    struct wire_step message = {.head = head_of(WIRE_STEP, sizeof message, lost), .step = *step};

    return send_bytes(fd, &message, sizeof message);
}

enum wire_result wire_send_text(int fd, enum wire_type type, const char *where, const char *text)
{
    struct wire_text message = {.head = head_of(type, sizeof message, 0)};

    (void)snprintf(message.where, sizeof message.where, "%s", where);
    (void)snprintf(message.text, sizeof message.text, "%s", text);
    return send_bytes(fd, &message, sizeof message);
}

/* --- what came --- */

#define ENDS(text) (memchr((text), '\0', sizeof(text)) != NULL)

/* A truth is 0 or 1: any other byte in a bool is undefined. */
static bool are_truths(const bool *const *truths, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint8_t byte;
        memcpy(&byte, truths[i], sizeof byte);
        if (byte > 1) {
            return false;
        }
    }
    return true;
}

static bool is_sound_alert(const struct wire_alert *message)
{
    const struct response_alert *alert = &message->alert;
    const bool *truths[] = {&alert->opens,  &alert->attack, &alert->has_source,
                            &alert->proven, &alert->echoed, &alert->server};

    return message->head.bytes >= offsetof(struct wire_alert, json) &&
           message->json_bytes == message->head.bytes - offsetof(struct wire_alert, json) &&
           are_truths(truths, sizeof truths / sizeof truths[0]) && alert->level >= 1 &&
           alert->level <= 4 && ENDS(alert->rule) && ENDS(alert->account) && ENDS(alert->called) &&
           json_read(slice_of(message->json, message->json_bytes)).kind == JSON_OBJECT;
}

static bool is_sound_step(const struct wire_step *message)
{
    const struct response_step *step = &message->step;
    const bool *truths[] = {&step->dry, &step->revokes, &step->has_exit, &step->has_verified,
                            &step->verified};

    return message->head.bytes == sizeof *message &&
           are_truths(truths, sizeof truths / sizeof truths[0]) && step->step < STEPS &&
           step->guard < GUARDS && step->binding < RESPONSE_BINDINGS_MAX &&
           step->target.type < RESPONSE_TARGET_TYPES && ENDS(step->target.value) &&
           ENDS(step->rule) && ENDS(step->reason) && ENDS(step->error);
}

static bool is_sound(const union wire *wire, size_t bytes)
{
    if (bytes < sizeof wire->head || wire->head.magic != WIRE_MAGIC || wire->head.bytes != bytes) {
        return false;
    }
    switch (wire->head.type) {
    case WIRE_ALERT:
        return is_sound_alert(&wire->alert);
    case WIRE_STEP:
        return is_sound_step(&wire->step);
    case WIRE_STOP:
    case WIRE_READY:
    case WIRE_REFUSED:
        return bytes == sizeof wire->text && ENDS(wire->text.where) && ENDS(wire->text.text);
    default:
        return false;
    }
}

enum wire_result wire_receive(int fd, union wire *out_wire, uint64_t *refused)
{
    for (;;) {
        ssize_t got = recv(fd, out_wire, sizeof *out_wire, MSG_DONTWAIT | MSG_TRUNC);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return errno == EAGAIN ? WIRE_FULL : WIRE_GONE;
        }
        if (got == 0) {
            return WIRE_GONE;
        }
        if ((size_t)got <= sizeof *out_wire && is_sound(out_wire, (size_t)got)) {
            return WIRE_OK;
        }
        (*refused)++;
    }
}
