/* queue.h - records that wait for a far end: the oldest goes first, the least valuable is given up
 * first.
 *
 * Owns      its items and their bytes.
 * Borrows   the tally of the output, which it keeps true; record and texts during queue_put().
 * Time      none.
 * Bounds    bytes_max, items with their heads counted; an eighth of it is for alerts, responses and
 *           the sensor's own records alone.
 * Errors    open: memory. A record for which there is no memory is dropped, and counted.
 * Thread    the writer's.
 *
 * An item is waiting, then taken (on its way: its bytes stay where they are), then acknowledged, or
 * waiting again. Where there is no room for a new one, waiting items make it: media intervals first,
 * then flows, messages, media, transactions, registrations, calls, the oldest of a kind first; never
 * an alert, a response or a record of the sensor. A new one that is worth less than all that waits is
 * dropped itself. What is dropped is counted by dataset. With -r nothing is dropped: the queue is
 * full (but what is larger than the whole queue is dropped there, too).
 *
 * queue_take() gives items in the order in which they came, over all datasets; what was given back
 * comes again in its old place. So the order of each key holds. */
#ifndef OUTPUTS_QUEUE_H
#define OUTPUTS_QUEUE_H

#include "outputs/output.h"

struct queue;

struct queue_item {
    struct slice key; /* as given to queue_put(); valid as long as the item */
    struct slice text; /* head and text in a row */
    uint64_t time_ns; /* @timestamp */
    struct hash128 id; /* event.id */
    uint16_t dataset;
    bool repeated; /* it was given back: the far end may have it */
};

struct queue_options {
    size_t bytes_max;
    bool live; /* drops for room; else OUTPUT_FULL */
    struct output_tally *tally;
};

/* Whether nothing of the kind is given up for another: alerts, responses, the sensor's own. */
bool queue_keeps(enum dataset dataset);

MUST_USE enum status queue_open(const struct queue_options *options, struct queue **out_queue,
                                struct error *error);
void queue_close(struct queue *queue); /* what is left is dropped, and counted */
/* The same, but the bytes of what is taken stay for ever: somebody else may still read them. */
void queue_leave(struct queue *queue);

/* Counts it as accepted whatever becomes of it, unless OUTPUT_FULL. */
enum output_result queue_put(struct queue *queue, const struct record *record, struct slice key,
                             struct slice head, struct slice text);
/* The oldest that waits, taken now; NULL = none. One whose `repeated` is set counts as repeated. */
struct queue_item *queue_take(struct queue *queue);
void queue_acknowledge(struct queue *queue, struct queue_item *item); /* frees it */
void queue_drop(struct queue *queue, struct queue_item *item); /* frees it, counted as dropped */
/* `sent`: the far end may have got it. */
void queue_give_back(struct queue *queue, struct queue_item *item, bool sent);
void queue_give_all_back(struct queue *queue, bool sent); /* that are taken */
uint32_t queue_taken(const struct queue *queue); /* how many */
size_t
queue_taken_bytes(const struct queue *queue); /* of them, heads counted: they cannot make room */

#endif
