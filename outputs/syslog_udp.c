/* syslog_udp.c - each message a datagram (RFC 5426).
 *
 * Nobody confirms a datagram: a record is acknowledged when the kernel took it. All that can be
 * learnt is a refusal, by ICMP, which the kernel tells with the next call. So at the start and behind
 * every refusal one message goes alone, as a probe: it is acknowledged when 200 ms have passed without
 * a word, and only then the others follow; else it waits again with them (0.5 s, doubling to 30 s). A
 * receiver that is away costs what was sent between its end and the first refusal: how much that was
 * nobody knows, at least the one datagram that was refused.
 *
 *   PROBING ──silence──▶ OPEN ──refused, no route──▶ AWAY ──timer──▶ PROBING
 *
 * A full buffer of the kernel is no failure: the socket tells when there is room. */
/* First: its headers name what banned.h forbids. */
#include <event2/event.h>

#include "outputs/syslog_link.h"

#include "base/log.h"
#include "outputs/syslog_head.h"

#include <errno.h>
#include <sys/uio.h>
#include <unistd.h>

enum { ROUND_MESSAGES = 512 }; /* in one call: the loop has others to serve */
#define PROBE_NS (200 * NS_PER_MS)

enum state { STATE_PROBING, STATE_OPEN, STATE_AWAY };

struct syslog_udp {
    struct syslog_link_options options;
    int socket;
    enum state state;
    struct event *writable;
    struct event *again;
    struct standing standing;
    struct queue_item *probe; /* on its way, NULL = none */
    uint64_t probed_ns;
};

static void go_away(struct syslog_udp *udp, int failed)
{
    uint64_t pause_ns = standing_pause(&udp->standing);
    struct timeval wait = {.tv_sec = (time_t)(pause_ns / NS_PER_S),
                           .tv_usec = (suseconds_t)(pause_ns % NS_PER_S / NS_PER_US)};

    if (udp->probe != NULL) {
        queue_give_back(udp->options.queue, udp->probe, true);
        udp->probe = NULL;
    }
    udp->options.host->tally->away = true;
    if (standing_fell(&udp->standing)) {
        log_seldom(LOG_WARN,
                   "output %s: %s cannot be reached (%s); records wait, it is tried again%s",
                   udp->options.host->name, udp->options.place, strerror(failed),
                   udp->state == STATE_OPEN ? ", the last ones sent may be lost" : "");
    }
    udp->state = STATE_AWAY;
    (void)event_add(udp->again, &wait);
}

static void go_open(struct syslog_udp *udp)
{
    queue_acknowledge(udp->options.queue, udp->probe);
    udp->probe = NULL;
    udp->state = STATE_OPEN;
    standing_took(&udp->standing, live_clock_steady_ns());
    udp->options.host->tally->away = false;
}

static void say_steady(struct syslog_udp *udp, uint64_t now_ns)
{
    if (standing_is_back(&udp->standing, now_ns)) {
        log_seldom(LOG_INFO, "output %s: %s takes records again", udp->options.host->name,
                   udp->options.place);
    }
}

static int send_item(const struct syslog_udp *udp, const struct queue_item *item)
{
    struct iovec parts[4] = {
        {.iov_base = (void *)(uintptr_t)item->key.at, .iov_len = item->key.bytes},
        {.iov_base = (void *)(uintptr_t)SYSLOG_HEAD_REPEATED,
         .iov_len = item->repeated ? sizeof SYSLOG_HEAD_REPEATED - 1 : 0},
        {.iov_base = (void *)(uintptr_t)SYSLOG_HEAD_END, .iov_len = sizeof SYSLOG_HEAD_END - 1},
        {.iov_base = (void *)(uintptr_t)item->text.at, .iov_len = item->text.bytes},
    };
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 4};

    while (sendmsg(udp->socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
        if (errno != EINTR) {
            return errno;
        }
    }
    return 0;
}

/* Asks for a route, too: one may have come since. */
static int point(const struct syslog_udp *udp)
{
    int failed =
        connect(udp->socket, (const struct sockaddr *)&udp->options.to, udp->options.to_bytes);

    return failed == 0 ? 0 : errno;
}

/* What came back from the network since the last call; 0 = nothing. */
static int refusal(const struct syslog_udp *udp)
{
    int failed = 0;
    socklen_t bytes = sizeof failed;

    return getsockopt(udp->socket, SOL_SOCKET, SO_ERROR, &failed, &bytes) != 0 ? errno : failed;
}

static void send_probe(struct syslog_udp *udp)
{
    udp->probe = queue_take(udp->options.queue);
    if (udp->probe == NULL) {
        return;
    }
    int failed = send_item(udp, udp->probe);
    udp->probed_ns = live_clock_steady_ns();
    if (failed != 0) {
        go_away(udp, failed);
    }
}

static void send_all(struct syslog_udp *udp)
{
    for (unsigned i = 0; i < ROUND_MESSAGES; i++) {
        struct queue_item *item = queue_take(udp->options.queue);
        if (item == NULL) {
            return;
        }
        int failed = send_item(udp, item);
        if (failed == 0) {
            queue_acknowledge(udp->options.queue, item);
        } else if (failed == EMSGSIZE) { /* larger than the network carries: never goes */
            log_line(LOG_ERROR,
                     "output %s: a message is too long for the way to %s, it is lost; lower "
                     "max_bytes",
                     udp->options.host->name, udp->options.place);
            queue_drop(udp->options.queue, item);
        } else {
            queue_give_back(udp->options.queue, item, false);
            if (failed != EAGAIN && failed != ENOBUFS) {
                go_away(udp, failed);
            } else if (failed == EAGAIN) {
                (void)event_add(udp->writable, NULL);
            }
            return;
        }
    }
    (void)event_add(udp->writable, NULL);
}

void syslog_udp_work(struct syslog_udp *udp)
{
    if (udp->state == STATE_AWAY) {
        return;
    }
    int failed = refusal(udp);
    if (failed != 0) {
        go_away(udp, failed);
        return;
    }
    if (udp->state == STATE_PROBING && udp->probe == NULL) {
        send_probe(udp);
    } else if (udp->state == STATE_PROBING && live_clock_steady_ns() - udp->probed_ns >= PROBE_NS) {
        go_open(udp);
    }
    if (udp->state == STATE_OPEN) {
        say_steady(udp, live_clock_steady_ns());
        send_all(udp);
    }
}

static void on_writable(evutil_socket_t socket, short what, void *owner)
{
    (void)socket;
    (void)what;
    syslog_udp_work(owner);
}

static void on_again(evutil_socket_t socket, short what, void *owner)
{
    struct syslog_udp *udp = owner;
    (void)socket;
    (void)what;

    udp->state = STATE_PROBING;
    (void)refusal(udp); /* of what was sent before */
    int failed = point(udp);
    if (failed != 0) {
        go_away(udp, failed);
        return;
    }
    syslog_udp_work(udp);
}

enum status syslog_udp_open(const struct syslog_link_options *options, struct syslog_udp **out_udp,
                            struct error *error)
{
    struct syslog_udp *udp = calloc(1, sizeof *udp);

    if (udp == NULL) {
        return error_set(error, STATUS_FAILED, options->host->name, "no memory");
    }
    udp->options = *options;
    udp->socket = socket(options->to.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (udp->socket < 0) {
        enum status status =
            error_system(error, STATUS_FAILED, options->host->name, "no socket for UDP");
        free(udp);
        return status;
    }
    udp->writable = event_new(options->host->loop, udp->socket, EV_WRITE, on_writable, udp);
    udp->again = event_new(options->host->loop, -1, 0, on_again, udp);
    if (udp->writable == NULL || udp->again == NULL) {
        syslog_udp_close(udp);
        return error_set(error, STATUS_FAILED, options->host->name, "no memory for its events");
    }
    int failed = point(udp);
    if (failed != 0) {
        go_away(udp, failed);
    }
    *out_udp = udp;
    return STATUS_OK;
}

void syslog_udp_close(struct syslog_udp *udp)
{
    if (udp == NULL) {
        return;
    }
    say_steady(udp, UINT64_MAX);
    if (udp->probe != NULL) {
        queue_give_back(udp->options.queue, udp->probe, true);
    }
    if (udp->writable != NULL) {
        event_free(udp->writable);
    }
    if (udp->again != NULL) {
        event_free(udp->again);
    }
    (void)close(udp->socket);
    free(udp);
}
