/* syslog_tcp.c - messages over one TCP connection (RFC 6587).
 *
 * Syslog has no acknowledgement, so what the far end has is taken from its TCP: TCP_INFO tells how
 * many bytes its kernel has confirmed, also when the connection is broken already (SIOCOUTQ does
 * not). A record is acknowledged when all of its bytes are. The receiver may die before it reads
 * them; so the last unacked_window bytes of such messages are kept (resend.c), and behind every
 * broken connection they come first, marked, then what was never confirmed (marked where a byte of
 * it had left), then the rest, all in their old order.
 *
 *   |-- kept --|-- in flight: taken from the queue --|-- waiting in the queue --|
 *              ^ confirmed by their kernel
 *
 * States: AWAY until the timer fires (0.5 s, doubling to 30 s until something is confirmed),
 * CONNECTING for 5 s at most, UP. The kernel's own buffer is held at SEND_BUFFER_BYTES, so a far end
 * that does not read is noticed where records are counted: in the queue. One whose kernel confirms
 * nothing for 60 s is given up (TCP_USER_TIMEOUT), and tried again.
 *
 * What the far end says is read and thrown away: only its end matters. All bytes pass write_some(), so
 * a cipher has one place to stand. */
/* First: its headers name what banned.h forbids. */
#include <event2/event.h>

#include "outputs/syslog_link.h"

#include "base/log.h"
#include "outputs/resend.h"
#include "outputs/syslog_head.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <unistd.h>

enum {
    SENT_MAX = 8192, /* messages in flight */
    BATCH_BYTES = 64 << 10,
    FRAME_EXTRA_BYTES = 64, /* length, mark, end */
    SEND_BUFFER_BYTES = 256 << 10,
    CONNECT_S = 5,
    UNCONFIRMED_MS_MAX = 60000,
};

enum state { STATE_AWAY, STATE_CONNECTING, STATE_UP };

struct sent {
    struct queue_item *item;
    uint64_t begin; /* of its frame, in bytes of the connection */
    uint64_t end;
};

struct syslog_tcp {
    struct syslog_link_options options;
    struct resend *resend;
    enum state state;
    int socket;
    struct event *readable;
    struct event *writable;
    struct event *again; /* the timer of the back-off */
    struct standing standing;
    uint64_t confirmed_before; /* by the handshake */
    uint64_t framed; /* bytes of this connection put into the buffer */
    uint64_t written; /* of them, handed to the kernel */
    uint32_t sent_first;
    uint32_t sent_count;
    struct sent sent[SENT_MAX];
    size_t from; /* of the buffer, not written yet */
    size_t end;
    char buffer[];
};

/* --- what the far end has --- */

/* Bytes that its kernel has confirmed, what the connection began with included. */
static uint64_t confirmed_bytes(int socket)
{
    struct tcp_info info = {0};
    socklen_t bytes = sizeof info;

    return getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &bytes) == 0 ? info.tcpi_bytes_acked
                                                                         : 0;
}

static void learn_confirmed(struct syslog_tcp *tcp)
{
    if (tcp->sent_count == 0) {
        return;
    }
    uint64_t confirmed = confirmed_bytes(tcp->socket);
    while (tcp->sent_count > 0 &&
           tcp->sent[tcp->sent_first].end + tcp->confirmed_before <= confirmed) {
        struct queue_item *item = tcp->sent[tcp->sent_first].item;
        resend_keep(tcp->resend, item->key, item->text);
        queue_acknowledge(tcp->options.queue, item);
        tcp->sent_first = (tcp->sent_first + 1) % SENT_MAX;
        tcp->sent_count--;
        standing_took(&tcp->standing, live_clock_steady_ns());
    }
}

/* --- the end of a connection --- */

static void forget_events(struct syslog_tcp *tcp)
{
    if (tcp->readable != NULL) {
        event_free(tcp->readable);
    }
    if (tcp->writable != NULL) {
        event_free(tcp->writable);
    }
    tcp->readable = NULL;
    tcp->writable = NULL;
}

/* What is in flight waits again, in its old place. */
static void give_back(struct syslog_tcp *tcp)
{
    while (tcp->sent_count > 0) {
        const struct sent *sent = &tcp->sent[(tcp->sent_first + --tcp->sent_count) % SENT_MAX];
        queue_give_back(tcp->options.queue, sent->item, sent->begin < tcp->written);
    }
    resend_begin(tcp->resend);
    tcp->framed = 0;
    tcp->written = 0;
    tcp->from = 0;
    tcp->end = 0;
}

static void say_away(struct syslog_tcp *tcp, const char *why)
{
    tcp->options.host->tally->away = true;
    if (standing_fell(&tcp->standing)) {
        log_seldom(LOG_WARN, "output %s: no connection to %s (%s); records wait, it is tried again",
                   tcp->options.host->name, tcp->options.place, why);
    }
}

static void go_away(struct syslog_tcp *tcp, const char *why)
{
    learn_confirmed(tcp); /* and perhaps that it is worth to try soon */
    uint64_t pause_ns = standing_pause(&tcp->standing);
    struct timeval wait = {.tv_sec = (time_t)(pause_ns / NS_PER_S),
                           .tv_usec = (suseconds_t)(pause_ns % NS_PER_S / NS_PER_US)};
    forget_events(tcp);
    if (tcp->socket >= 0) {
        (void)close(tcp->socket);
        tcp->socket = -1;
    }
    give_back(tcp);
    say_away(tcp, why);
    tcp->state = STATE_AWAY;
    if (event_add(tcp->again, &wait) != 0) {
        log_line(LOG_ERROR, "output %s: no timer, %s is not tried again", tcp->options.host->name,
                 tcp->options.place);
    }
}

/* --- while it stands --- */

static void say_steady(struct syslog_tcp *tcp, uint64_t now_ns)
{
    if (standing_is_back(&tcp->standing, now_ns)) {
        log_seldom(LOG_INFO, "output %s: %s takes records again", tcp->options.host->name,
                   tcp->options.place);
    }
}

/* Puts the next message into the buffer; false when there is none. */
static bool frame_next(struct syslog_tcp *tcp)
{
    struct text out =
        text_into(tcp->buffer + tcp->end, tcp->options.message_bytes_max + FRAME_EXTRA_BYTES);
    struct queue_item *item = NULL;
    struct slice head;
    struct slice text;
    bool repeated = resend_next(tcp->resend, &head, &text);

    if (repeated) {
        tcp->options.host->tally->repeated++;
    } else {
        item = tcp->sent_count < SENT_MAX ? queue_take(tcp->options.queue) : NULL;
        if (item == NULL) {
            return false;
        }
        head = item->key;
        text = item->text;
        repeated = item->repeated;
    }
    struct slice mark = repeated ? SLICE(SYSLOG_HEAD_REPEATED) : SLICE_NONE;
    if (tcp->options.octet_counting) {
        text_u64(&out, head.bytes + mark.bytes + sizeof SYSLOG_HEAD_END - 1 + text.bytes);
        text_byte(&out, ' ');
    }
    text_slice_put(&out, head);
    text_slice_put(&out, mark);
    text_string(&out, SYSLOG_HEAD_END);
    text_slice_put(&out, text);
    if (!tcp->options.octet_counting) {
        text_byte(&out, '\n');
    }
    assert(!out.overflow);
    tcp->end += out.bytes;
    if (item != NULL) {
        tcp->sent[(tcp->sent_first + tcp->sent_count++) % SENT_MAX] =
            (struct sent){.item = item, .begin = tcp->framed, .end = tcp->framed + out.bytes};
    }
    tcp->framed += out.bytes;
    return true;
}

/* 0, or the errno that stopped it. */
static int write_some(struct syslog_tcp *tcp)
{
    while (tcp->from < tcp->end) {
        ssize_t bytes = send(tcp->socket, tcp->buffer + tcp->from, tcp->end - tcp->from,
                             MSG_NOSIGNAL | MSG_DONTWAIT);
        if (bytes >= 0) {
            tcp->from += (size_t)bytes;
            tcp->written += (uint64_t)bytes;
        } else if (errno != EINTR) {
            return errno;
        }
    }
    tcp->from = 0;
    tcp->end = 0;
    return 0;
}

static void write_out(struct syslog_tcp *tcp)
{
    int failed = 0;

    while (failed == 0) {
        failed = write_some(tcp);
        while (failed == 0 && tcp->end < BATCH_BYTES && frame_next(tcp)) {
        }
        if (failed == 0 && tcp->end == 0) {
            return;
        }
    }
    if (failed != EAGAIN) {
        go_away(tcp, strerror(failed));
    } else if (event_add(tcp->writable, NULL) != 0) {
        go_away(tcp, "no memory");
    }
}

void syslog_tcp_work(struct syslog_tcp *tcp)
{
    if (tcp->state == STATE_UP) {
        say_steady(tcp, live_clock_steady_ns());
        learn_confirmed(tcp);
        write_out(tcp);
    }
}

static void on_readable(evutil_socket_t socket, short what, void *owner)
{
    struct syslog_tcp *tcp = owner;
    char garbage[4096];
    (void)what;

    ssize_t bytes = recv(socket, garbage, sizeof garbage, MSG_DONTWAIT);
    if (bytes == 0) {
        go_away(tcp, "the far end closed it");
    } else if (bytes < 0 && errno != EAGAIN && errno != EINTR) {
        go_away(tcp, strerror(errno));
    }
}

/* --- the beginning of a connection --- */

/* A port of this machine that nobody listens on can be drawn as our own: then we hear ourselves. */
static bool is_own_echo(int socket)
{
    struct sockaddr_storage ours = {0};
    struct sockaddr_storage theirs = {0};
    socklen_t our_bytes = sizeof ours;
    socklen_t their_bytes = sizeof theirs;

    return getsockname(socket, (struct sockaddr *)&ours, &our_bytes) == 0 &&
           getpeername(socket, (struct sockaddr *)&theirs, &their_bytes) == 0 &&
           our_bytes == their_bytes && memcmp(&ours, &theirs, our_bytes) == 0;
}

static void on_writable(evutil_socket_t socket, short what, void *owner)
{
    struct syslog_tcp *tcp = owner;
    int failed = 0;
    socklen_t bytes = sizeof failed;

    if (tcp->state == STATE_UP) {
        syslog_tcp_work(tcp);
        return;
    }
    if ((what & EV_TIMEOUT) != 0) {
        go_away(tcp, "no answer in 5 s");
        return;
    }
    if (getsockopt(socket, SOL_SOCKET, SO_ERROR, &failed, &bytes) != 0) {
        failed = errno;
    }
    if (failed != 0 || is_own_echo(socket)) {
        go_away(tcp, strerror(failed != 0 ? failed : ECONNREFUSED));
        return;
    }
    if (event_add(tcp->readable, NULL) != 0) {
        go_away(tcp, "no memory");
        return;
    }
    tcp->state = STATE_UP;
    tcp->confirmed_before = confirmed_bytes(socket);
    tcp->options.host->tally->away = false;
    syslog_tcp_work(tcp);
}

static void set_number(int socket, int level, int option, int value)
{
    /* A kernel that knows none of these still carries messages. */
    (void)setsockopt(socket, level, option, &value, sizeof value);
}

static void connect_now(struct syslog_tcp *tcp)
{
    const struct timeval limit = {.tv_sec = CONNECT_S};
    struct event_base *loop = tcp->options.host->loop;

    tcp->socket = socket(tcp->options.to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (tcp->socket < 0) {
        go_away(tcp, strerror(errno));
        return;
    }
    set_number(tcp->socket, SOL_SOCKET, SO_SNDBUF, SEND_BUFFER_BYTES);
    set_number(tcp->socket, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_number(tcp->socket, IPPROTO_TCP, TCP_NODELAY, 1);
    set_number(tcp->socket, IPPROTO_TCP, TCP_USER_TIMEOUT, UNCONFIRMED_MS_MAX);
    tcp->state = STATE_CONNECTING;
    if (connect(tcp->socket, (const struct sockaddr *)&tcp->options.to, tcp->options.to_bytes) !=
            0 &&
        errno != EINPROGRESS) {
        go_away(tcp, strerror(errno));
        return;
    }
    tcp->readable = event_new(loop, tcp->socket, EV_READ | EV_PERSIST, on_readable, tcp);
    tcp->writable = event_new(loop, tcp->socket, EV_WRITE, on_writable, tcp);
    if (tcp->readable == NULL || tcp->writable == NULL || event_add(tcp->writable, &limit) != 0) {
        go_away(tcp, "no memory");
    }
}

static void on_again(evutil_socket_t socket, short what, void *owner)
{
    (void)socket;
    (void)what;
    connect_now(owner);
}

enum status syslog_tcp_open(const struct syslog_link_options *options, struct syslog_tcp **out_tcp,
                            struct error *error)
{
    struct syslog_tcp *tcp =
        calloc(1, sizeof *tcp + BATCH_BYTES + options->message_bytes_max + FRAME_EXTRA_BYTES);

    if (tcp == NULL) {
        return error_set(error, STATUS_FAILED, options->host->name, "no memory for its buffer");
    }
    tcp->options = *options;
    tcp->socket = -1;
    enum status status = resend_open(options->unacked_window, &tcp->resend, error);
    if (status == STATUS_OK) {
        tcp->again = event_new(options->host->loop, -1, 0, on_again, tcp);
        if (tcp->again == NULL) {
            status = error_set(error, STATUS_FAILED, options->host->name, "no memory for a timer");
        }
    }
    if (status != STATUS_OK) {
        syslog_tcp_close(tcp);
        return status;
    }
    connect_now(tcp);
    *out_tcp = tcp;
    return STATUS_OK;
}

void syslog_tcp_close(struct syslog_tcp *tcp)
{
    if (tcp == NULL) {
        return;
    }
    learn_confirmed(tcp);
    say_steady(tcp, UINT64_MAX);
    forget_events(tcp);
    if (tcp->again != NULL) {
        event_free(tcp->again);
    }
    if (tcp->socket >= 0) {
        (void)close(tcp->socket);
    }
    if (tcp->resend != NULL) {
        give_back(tcp);
        resend_close(tcp->resend);
    }
    free(tcp);
}
