/* syslog_link.h - what the two ways to a syslog receiver share, and how they are driven.
 *
 * Owns      an instance owns its socket, its events and its buffer.
 * Borrows   host, queue and place for its life.
 * Time      the monotonic clock: time-outs and back-off.
 * Bounds    TCP has a buffer of 64 KiB and a message, UDP none.
 * Errors    open: memory. A far end that is away is said once, and tried again.
 * Thread    the writer's; nothing here waits.
 *
 * Both take items from the queue and acknowledge them or give them back. An item's key is the head
 * of its message, its text what stands behind the head. */
#ifndef OUTPUTS_SYSLOG_LINK_H
#define OUTPUTS_SYSLOG_LINK_H

#include "outputs/live_clock.h"
#include "outputs/queue.h"
#include "outputs/standing.h"

#include <sys/socket.h>

struct syslog_link_options {
    const struct output_host *host;
    struct queue *queue;
    const char *place; /* address and port, for messages */
    struct sockaddr_storage to;
    socklen_t to_bytes;
    size_t message_bytes_max;
    size_t unacked_window; /* TCP: bytes that are sent again behind a broken connection */
    bool octet_counting; /* TCP: RFC 6587 section 3.4.1, else a line feed behind each */
};

struct syslog_udp;
struct syslog_tcp;

MUST_USE enum status syslog_udp_open(const struct syslog_link_options *options,
                                     struct syslog_udp **out_udp, struct error *error);
void syslog_udp_work(struct syslog_udp *udp); /* sends what can be sent now */
void syslog_udp_close(struct syslog_udp *udp);

MUST_USE enum status syslog_tcp_open(const struct syslog_link_options *options,
                                     struct syslog_tcp **out_tcp, struct error *error);
void syslog_tcp_work(struct syslog_tcp *tcp);
void syslog_tcp_close(struct syslog_tcp *tcp);

#endif
