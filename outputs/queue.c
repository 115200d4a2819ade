/* queue.c - one allocation a record, a line for each rank, and a line of what is on its way.
 *
 *   rank            back (given back)      fresh (never taken)
 *   kept            4 ─ 9                  17 ─ 20           alerts, responses, the sensor's own
 *   interval                               12 ─ 13 ─ 19      given up first
 *   ...             3                      15
 *   call                                   18                given up last
 *   taken           5 ─ 6 ─ 7 ─ 8 ─ 10 ─ 11 ─ 14 ─ 16
 *
 * Every item has a running number. A line is in their order, so the oldest of all is the lowest of
 * eight heads, and the oldest of the least valuable rank is the head of one line. Within a rank
 * items are taken in order, so all that was given back is older than all that is fresh: an item
 * that comes back looks for its place among its like only. Far ends fail in order or all at once,
 * so that place is one of the two ends; in any other order it is walked to.
 *
 * An item lies in one block: head, key, text. What malloc adds is counted as BLOCK_BYTES. Nothing
 * is given up for a record that does not fit afterwards either. */
#include "outputs/queue.h"

enum { BLOCK_BYTES = 16, KEPT_SHARE = 8 };

/* What is given up first stands first. 0 is what is never given up, so a dataset that nobody has
 * put here is kept. */
enum rank {
    RANK_KEPT,
    RANK_INTERVAL,
    RANK_FLOW,
    RANK_SIP,
    RANK_MEDIA,
    RANK_TRANSACTION,
    RANK_REGISTRATION,
    RANK_CALL,
    RANK_COUNT,
};

static const uint8_t ranks[DATASET_COUNT] = {
    [DATASET_MEDIA_INTERVAL] = RANK_INTERVAL,
    [DATASET_FLOW] = RANK_FLOW,
    [DATASET_SIP] = RANK_SIP,
    [DATASET_MEDIA] = RANK_MEDIA,
    [DATASET_TRANSACTION] = RANK_TRANSACTION,
    [DATASET_REGISTRATION] = RANK_REGISTRATION,
    [DATASET_CALL] = RANK_CALL,
};

struct held {
    struct queue_item item; /* first: an item is its held */
    struct held *next;
    struct held *previous;
    uint64_t number;
    size_t bytes; /* of the block */
    uint8_t rank;
    bool taken;
    char texts[];
};

struct line {
    struct held *first;
    struct held *last;
};

struct queue {
    struct queue_options options;
    struct line fresh[RANK_COUNT];
    struct line back[RANK_COUNT];
    struct line taken;
    size_t waiting_bytes[RANK_COUNT]; /* not taken */
    size_t bytes; /* all, the taken too */
    size_t lesser_bytes; /* of all that is not kept */
    uint64_t number; /* of the next */
    uint32_t taken_count;
    size_t taken_bytes;
};

/* --- lines --- */

static void line_insert(struct line *line, struct held *held, struct held *before)
{
    held->next = before;
    held->previous = before == NULL ? line->last : before->previous;
    if (held->previous == NULL) {
        line->first = held;
    } else {
        held->previous->next = held;
    }
    if (before == NULL) {
        line->last = held;
    } else {
        before->previous = held;
    }
}

static void line_remove(struct line *line, struct held *held)
{
    if (held->previous == NULL) {
        line->first = held->next;
    } else {
        held->previous->next = held->next;
    }
    if (held->next == NULL) {
        line->last = held->previous;
    } else {
        held->next->previous = held->previous;
    }
}

/* The one before which it belongs; NULL = at the end. */
static struct held *line_place(const struct line *line, uint64_t number)
{
    if (line->first != NULL && number < line->first->number) {
        return line->first;
    }
    struct held *after = line->last;
    while (after != NULL && after->number > number) {
        after = after->previous;
    }
    return after == NULL ? NULL : after->next;
}

/* --- life of an item --- */

static struct line *waiting_line(struct queue *queue, enum rank rank)
{
    return queue->back[rank].first != NULL ? &queue->back[rank] : &queue->fresh[rank];
}

static void release(struct queue *queue, struct held *held)
{
    queue->bytes -= held->bytes;
    queue->lesser_bytes -= held->rank == RANK_KEPT ? 0 : held->bytes;
    queue->options.tally->waiting--;
    queue->options.tally->waiting_bytes = queue->bytes;
    free(held);
}

static void take_off(struct queue *queue, struct held *held)
{
    assert(held->taken);
    line_remove(&queue->taken, held);
    queue->taken_count--;
    queue->taken_bytes -= held->bytes;
}

static void evict(struct queue *queue, enum rank rank)
{
    struct line *line = waiting_line(queue, rank);
    struct held *held = line->first;

    line_remove(line, held);
    queue->waiting_bytes[rank] -= held->bytes;
    queue->options.tally->dropped[held->item.dataset]++;
    release(queue, held);
}

/* --- room --- */

/* What an empty queue has for the rank. */
static size_t limit_of(const struct queue *queue, enum rank rank)
{
    size_t all = queue->options.bytes_max;

    return rank == RANK_KEPT ? all : all - all / KEPT_SHARE;
}

/* Whether `bytes` more would fit if `freed` of the lesser ones were given up. */
static bool fits(const struct queue *queue, enum rank rank, size_t bytes, size_t freed)
{
    return queue->bytes - freed + bytes <= queue->options.bytes_max &&
           (rank == RANK_KEPT || queue->lesser_bytes - freed + bytes <= limit_of(queue, rank));
}

/* The highest rank that may be given up for it: its own, for a kept one all others. */
static enum rank lesser_to(enum rank rank)
{
    return rank == RANK_KEPT ? RANK_CALL : rank;
}

static bool make_room(struct queue *queue, enum rank rank, size_t bytes)
{
    size_t freed = 0;

    for (enum rank lesser = RANK_INTERVAL; lesser <= lesser_to(rank); lesser++) {
        freed += queue->waiting_bytes[lesser];
    }
    if (!fits(queue, rank, bytes, freed)) {
        return false;
    }
    enum rank lesser = RANK_INTERVAL;
    while (!fits(queue, rank, bytes, 0)) {
        if (queue->waiting_bytes[lesser] == 0) {
            lesser++;
        } else {
            evict(queue, lesser);
        }
    }
    return true;
}

/* --- public --- */

bool queue_keeps(enum dataset dataset)
{
    return ranks[dataset] == RANK_KEPT;
}

enum status queue_open(const struct queue_options *options, struct queue **out_queue,
                       struct error *error)
{
    struct queue *queue = calloc(1, sizeof *queue);

    if (queue == NULL) {
        return error_set(error, STATUS_FAILED, "", "no memory for the queue of an output");
    }
    queue->options = *options;
    *out_queue = queue;
    return STATUS_OK;
}

void queue_close(struct queue *queue)
{
    queue_give_all_back(queue, false);
    for (enum rank rank = RANK_KEPT; rank < RANK_COUNT; rank++) {
        while (queue->waiting_bytes[rank] > 0) {
            evict(queue, rank);
        }
    }
    assert(queue->bytes == 0);
    free(queue);
}

void queue_leave(struct queue *queue)
{
    struct output_tally *tally = queue->options.tally;

    for (struct held *held = queue->taken.first; held != NULL; held = held->next) {
        tally->dropped[held->item.dataset]++;
        tally->waiting--;
        queue->bytes -= held->bytes;
    }
    queue->taken = (struct line){0};
    queue->taken_count = 0;
    queue->taken_bytes = 0;
    queue_close(queue);
}

static struct slice put_text(char **at, struct slice text)
{
    struct slice copy = slice_of(*at, text.bytes);

    if (text.bytes > 0) {
        memcpy(*at, text.at, text.bytes);
        *at += text.bytes;
    }
    return copy;
}

static struct held *held_new(struct queue *queue, const struct record *record, size_t bytes,
                             struct slice key, struct slice head, struct slice text)
{
    struct held *held = malloc(bytes - BLOCK_BYTES);

    if (held == NULL) {
        return NULL;
    }
    *held = (struct held){
        .number = queue->number++,
        .bytes = bytes,
        .rank = ranks[record->dataset],
        .item = {.time_ns = record->time_ns, .id = record->id, .dataset = record->dataset}};
    char *at = held->texts;
    held->item.key = put_text(&at, key);
    held->item.text = put_text(&at, head);
    held->item.text.bytes += put_text(&at, text).bytes;
    return held;
}

enum output_result queue_put(struct queue *queue, const struct record *record, struct slice key,
                             struct slice head, struct slice text)
{
    struct output_tally *tally = queue->options.tally;
    enum rank rank = ranks[record->dataset];
    size_t bytes = sizeof(struct held) + key.bytes + head.bytes + text.bytes + BLOCK_BYTES;
    bool never = bytes > limit_of(queue, rank); /* nobody waits for that */

    if (!queue->options.live && !never && !fits(queue, rank, bytes, 0)) {
        return OUTPUT_FULL;
    }
    tally->accepted++;
    struct held *held = NULL;
    if (!never && make_room(queue, rank, bytes)) {
        held = held_new(queue, record, bytes, key, head, text);
    }
    if (held == NULL) {
        tally->dropped[record->dataset]++;
        return OUTPUT_ACCEPTED;
    }
    line_insert(&queue->fresh[rank], held, NULL);
    queue->waiting_bytes[rank] += bytes;
    queue->bytes += bytes;
    queue->lesser_bytes += rank == RANK_KEPT ? 0 : bytes;
    tally->waiting++;
    tally->waiting_bytes = queue->bytes;
    return OUTPUT_ACCEPTED;
}

struct queue_item *queue_take(struct queue *queue)
{
    struct line *from = NULL;

    for (enum rank rank = RANK_KEPT; rank < RANK_COUNT; rank++) {
        struct line *line = waiting_line(queue, rank);
        if (line->first != NULL && (from == NULL || line->first->number < from->first->number)) {
            from = line;
        }
    }
    if (from == NULL) {
        return NULL;
    }
    struct held *held = from->first;
    line_remove(from, held);
    line_insert(&queue->taken, held, NULL);
    held->taken = true;
    queue->waiting_bytes[held->rank] -= held->bytes;
    queue->taken_count++;
    queue->taken_bytes += held->bytes;
    queue->options.tally->repeated += held->item.repeated;
    return &held->item;
}

void queue_acknowledge(struct queue *queue, struct queue_item *item)
{
    struct held *held = (struct held *)item;

    take_off(queue, held);
    queue->options.tally->acknowledged++;
    release(queue, held);
}

void queue_drop(struct queue *queue, struct queue_item *item)
{
    struct held *held = (struct held *)item;

    take_off(queue, held);
    queue->options.tally->dropped[item->dataset]++;
    release(queue, held);
}

void queue_give_back(struct queue *queue, struct queue_item *item, bool sent)
{
    struct held *held = (struct held *)item;
    struct line *line = &queue->back[held->rank];

    take_off(queue, held);
    held->taken = false;
    item->repeated |= sent;
    line_insert(line, held, line_place(line, held->number));
    queue->waiting_bytes[held->rank] += held->bytes;
}

void queue_give_all_back(struct queue *queue, bool sent)
{
    while (queue->taken.last != NULL) {
        queue_give_back(queue, &queue->taken.last->item, sent);
    }
}

uint32_t queue_taken(const struct queue *queue)
{
    return queue->taken_count;
}

size_t queue_taken_bytes(const struct queue *queue)
{
    return queue->taken_bytes;
}
