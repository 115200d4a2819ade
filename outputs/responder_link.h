/* responder_link.h - the sensor's end: starts the response process and hears from it.
 *
 * Owns      the socket; the starter, which is waited for at the end.
 * Borrows   the options for the life of the processes: they get a copy by fork.
 * Time      the start waits as long as the hooks may take for their check.
 * Bounds    one message at a time; what the socket has no room for is refused, and said.
 * Errors    start: why the response process refuses, or cannot be.
 * Thread    start: main, before there is another thread; protect: main. The others: the writer's.
 *
 *     sensor ──fork, at the very beginning──▶ starter ──fork──▶ response process
 *        └──────────────── one pair of sockets ───────────────────┘
 *
 * The starter is a copy of the sensor from when it was small: no thread, no table, no capture. It does
 * nothing but start the response process again, with a growing pause, when it dies; so the sensor
 * never forks while it is large, and a crash over there does not disturb capture. Both hold the same
 * end of the socket, so what was sent meanwhile waits in it. Rejected: starting ourselves anew (exec)
 * would read the configuration a second time, and it may have changed since it was checked. */
#ifndef OUTPUTS_RESPONDER_LINK_H
#define OUTPUTS_RESPONDER_LINK_H

#include "outputs/responder.h"
#include "outputs/response_wire.h"

struct responder_link;

MUST_USE enum status responder_link_start(const struct responder_options *options,
                                          struct responder_link **out_link, struct error *error);
/* Adds what `list` has to the never-block list of the process, at once and also for what is done
 * already; nothing is ever taken off. *out_added: so many are new; *out_stay: so many hold on
 * although `list` has them not. false: there is no room. */
MUST_USE bool responder_link_protect(struct responder_link *link, const struct protected_list *list,
                                     uint32_t *out_added, uint32_t *out_stay);
/* false: it was not taken; `out_why` says so. */
bool responder_link_send(struct responder_link *link, const struct response_alert *alert,
                         struct slice json, const char **out_why);
/* The next step that came; false: none now. What else it says is logged. */
bool responder_link_next(struct responder_link *link, struct response_step *out_step);
/* The sensor ends: says so; then steps may still come until responder_link_is_over(). */
void responder_link_stop(struct responder_link *link);
bool responder_link_is_over(struct responder_link *link);
/* How long the end may take. */
uint64_t responder_link_stop_ns(const struct responder_link *link);
void responder_link_close(struct responder_link *link); /* NULL is allowed */

#endif
