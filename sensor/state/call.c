/* call.c - why it is built so.
 *
 * The table, time and the telling; what a message means to its call stands in dialog.c, the picture
 * of a call's memory in call_cell.h.
 *
 * Time-outs are first-in first-out queues, one for each delay: state time never goes back, so what
 * was queued first is due first, and no wheel is needed. A call stands in exactly one of them:
 *
 *   SETUP --200--> UP --BYE--> SOON (5 s) --told--> STREAMS (while some are open) --> LINGER --> gone
 *     \--final, CANCEL--> SOON, RETRY (32 s: another INVITE may follow), CHALLENGE (180 s) --told--/
 *
 * The end is told 5 s late, because the last intervals of its streams are told at the next mark
 * that is divisible by 5, and forks and retries change what it says. A told call lingers for 310 s:
 * a stream is told when it was silent for 300 s, a candidate only then. At most CALL_LINGER_MAX do,
 * so that signalling alone cannot fill the memory with them.
 *
 * One Call-ID is one entry until it is told. An INVITE that comes later begins a new instance,
 * unless it is a late copy of the old one (RFC 3261 timer B: up to 32 s). */
#include "sensor/state/call_cell.h"

#include "sensor/state/shift.h"
#include "sensor/state/site.h"

#define SETUP_LOOK_NS (30 * NS_PER_S)
#define SETUP_SILENT_NS (200 * NS_PER_S) /* timer C is more than 3 minutes */
#define FINAL_SILENT_NS (32 * NS_PER_S) /* 64 x T1 */
#define CHALLENGE_NS (180 * NS_PER_S) /* 51 s were seen between 407 and the password */
#define UP_LOOK_NS (10 * NS_PER_S)
#define UP_MEDIA_NS (60 * NS_PER_S)
#define LINGER_NS (310 * NS_PER_S)

enum { CHUNKS_OF_CALL = 8, WEAK_PPM = 600000, SOUNDS_MIN = 64 };

static const uint64_t queue_delay_ns[QUEUE_COUNT] = {
    [QUEUE_SETUP] = SETUP_LOOK_NS,   [QUEUE_UP] = UP_LOOK_NS,          [QUEUE_SOON] = CALL_LATE_NS,
    [QUEUE_RETRY] = FINAL_SILENT_NS, [QUEUE_CHALLENGE] = CHALLENGE_NS, [QUEUE_STREAMS] = UINT64_MAX,
    [QUEUE_LINGER] = LINGER_NS,
};

/* --- queues --- */

static void queue_leave(struct call_table *table, struct call_cell *cell)
{
    struct call_queue *queue = &table->queues[cell->queue];

    if (cell->queue == QUEUE_NONE) {
        return;
    }
    if (cell->queue_before == TABLE_NONE) {
        queue->first = cell->queue_after;
    } else {
        call_cell_at(table, cell->queue_before)->queue_after = cell->queue_after;
    }
    if (cell->queue_after == TABLE_NONE) {
        queue->last = cell->queue_before;
    } else {
        call_cell_at(table, cell->queue_after)->queue_before = cell->queue_before;
    }
    queue->count--;
    cell->queue = QUEUE_NONE;
}

static uint32_t due_of(uint64_t now_ns, enum call_queue_kind kind)
{
    uint64_t due_ns = time_add(time_add(now_ns, queue_delay_ns[kind]), NS_PER_S - 1);
    uint64_t due_s = time_second(due_ns);
    return due_s > UINT32_MAX ? UINT32_MAX : (uint32_t)due_s;
}

void call_queue_move(struct call_table *table, uint32_t index, enum call_queue_kind kind)
{
    struct call_cell *cell = call_cell_at(table, index);
    struct call_queue *queue = &table->queues[kind];

    if ((cell->flags & CELL_TOLD) != 0 && kind < QUEUE_STREAMS) {
        return; /* a told call waits for nothing but its streams */
    }
    queue_leave(table, cell);
    cell->queue = (uint8_t)kind;
    cell->due_s = due_of(table->now_ns, kind);
    cell->queue_before = queue->last;
    cell->queue_after = TABLE_NONE;
    if (queue->last == TABLE_NONE) {
        queue->first = index;
    } else {
        call_cell_at(table, queue->last)->queue_after = index;
    }
    queue->last = index;
    queue->count++;
}

/* --- changes --- */

void call_tell(struct call_table *table, uint32_t index, enum change_kind kind, bool forced)
{
    bool ended = kind == CHANGE_CALL_ENDED;

    if (ended && table->on_figures != NULL) {
        table->on_figures(table->media, index);
    }
    if (!ended && (table->sink.unwanted >> kind & 1) != 0) {
        return; /* a view costs more than all else that a call does here */
    }
    if (kind == CHANGE_CALL_RINGING && table->sink.no_extensions &&
        (call_cell_at(table, index)->flags & (CELL_EXTENSION | CELL_EARLY_MEDIA)) ==
            CELL_EXTENSION) {
        return; /* no detector wants these, and they are 1 % of what a SIP message costs */
    }
    struct change change = {
        .kind = (uint8_t)kind,
        .forced = forced,
        .time_ns = table->now_ns,
        .number = ended ? 0 : table->now_number,
        .sip = ended ? NULL : table->sip,
        .call = call_view_make(table, index),
    };
    if (ended) {
        call_cell_at(table, index)->flags |= CELL_TOLD;
    }
    table->sink.on_change(table->sink.owner, &change);
}

/* At once: whoever waits for the end learns it five seconds later. A queue of phones behind a proxy
 * looks the same until the next one rings, so an end that says something else takes it back. */
static void tell_given_up(struct call_table *table, uint32_t index)
{
    struct call_cell *cell = call_cell_at(table, index);
    bool rang = call_more(table, cell)->ringing_ns != 0;

    if (rang && cell->answered_ns == 0 && cell->ended_by == CALL_ENDED_BY_CALLER &&
        (cell->flags & (CELL_STARTED | CELL_GIVEN_UP)) == CELL_STARTED) {
        call_tell(table, index, CHANGE_CALL_GIVEN_UP, false);
        cell->flags |= CELL_GIVEN_UP;
    }
}

void call_over(struct call_table *table, uint32_t index, enum call_ended_by by,
               enum call_end_reason reason, uint64_t ended_ns, enum call_queue_kind kind)
{
    struct call_cell *cell = call_cell_at(table, index);

    if ((cell->flags & CELL_TOLD) != 0) {
        return;
    }
    cell->flags |= CELL_OVER;
    cell->ended_ns = ended_ns;
    cell->ended_by = (uint8_t)by;
    cell->end_reason = (uint8_t)reason;
    call_queue_move(table, index, kind);
    tell_given_up(table, index);
}

/* --- what few have --- */

const struct call_more call_no_more = {.streams_head = TABLE_NONE};

struct call_more *call_more_take(struct call_table *table, struct call_cell *cell)
{
    if (cell->more == 0) {
        uint32_t taken = slab_take(&table->more);
        assert(taken != SLAB_NONE); /* as many as cells */
        cell->more = taken + 1;
        struct call_more *more = slab_at(&table->more, taken);
        more->streams_head = TABLE_NONE;
    }
    return slab_at(&table->more, cell->more - 1);
}

/* --- the end of a cell --- */

/* Is there an end to be told? Of a call whose INVITE was seen, once. */
static bool is_untold(const struct call_cell *cell)
{
    return (cell->flags & (CELL_LIVE | CELL_INVITE | CELL_PARTIAL | CELL_TOLD)) ==
           (CELL_LIVE | CELL_INVITE);
}

static uint64_t last_sign_of(const struct call_table *table, const struct call_cell *cell)
{
    uint64_t media_ns = call_more(table, cell)->media_last_ns;

    return media_ns > cell->last_ns ? media_ns : cell->last_ns;
}

static void let_go(struct call_table *table, uint32_t index)
{
    struct call_cell *cell = call_cell_at(table, index);

    if (table->on_release != NULL) {
        table->on_release(table->media, index);
    }
    queue_leave(table, cell);
    call_text_give(table, cell);
    call_sound_release(table, cell);
    if (cell->more != 0) {
        slab_give(&table->more, cell->more - 1);
        cell->more = 0;
    }
    cell->flags = 0;
}

static void release(struct call_table *table, uint32_t index)
{
    let_go(table, index);
    table_give(&table->cells, index);
}

static void on_evict(void *owner, uint32_t index, void *at)
{
    struct call_table *table = owner;
    struct call_cell *cell = at;

    if (is_untold(cell)) {
        if ((cell->flags & CELL_OVER) == 0) {
            cell->ended_ns = last_sign_of(table, cell);
            cell->ended_by = CALL_ENDED_BY_SENSOR;
            cell->end_reason = CALL_END_EVICTED;
        }
        call_tell(table, index, CHANGE_CALL_ENDED, false);
    }
    let_go(table, index);
}

static void tell_end(struct call_table *table, uint32_t index, bool forced)
{
    struct call_cell *cell = call_cell_at(table, index);

    if (is_untold(cell)) {
        call_tell(table, index, CHANGE_CALL_ENDED, forced);
    }
    cell->flags |= CELL_TOLD;
    if (call_more(table, cell)->streams_open > 0) {
        call_queue_move(table, index, QUEUE_STREAMS);
    } else {
        call_linger(table, index);
    }
}

void call_linger(struct call_table *table, uint32_t index)
{
    call_queue_move(table, index, QUEUE_LINGER);
    if (table->queues[QUEUE_LINGER].count > table->linger_max) {
        release(table, table->queues[QUEUE_LINGER].first);
    }
}

/* --- messages --- */

/* Does this message show an INVITE dialog that began before us (or an answer that overtook its
 * request)? */
static bool opens_partial(const struct sip_sighting *sip)
{
    const struct sip_message *message = &sip->message;

    if (message->verdict == SIP_INVALID) {
        return false;
    }
    if (sip_is_response(message)) {
        return (message->cseq_method == SIP_METHOD_INVITE && message->status > 100) ||
               (sip->has_sdp && message->status > 100 && message->status < 300 &&
                (message->cseq_method == SIP_METHOD_UPDATE ||
                 message->cseq_method == SIP_METHOD_PRACK));
    }
    return message->method == SIP_METHOD_INVITE ||
           (sip->has_sdp && message->to_tag.bytes > 0 &&
            (message->method == SIP_METHOD_UPDATE || message->method == SIP_METHOD_PRACK ||
             message->method == SIP_METHOD_ACK));
}

static uint32_t create(struct call_table *table, const struct sip_sighting *sip, uint64_t hash)
{
    bool response = sip_is_response(&sip->message);
    const struct addr *client = response ? &sip->head.destination : &sip->head.source;
    uint32_t index =
        table_add(&table->cells, hash, site_hash(table->limits.key, client), table->now_ns);
    struct call_cell *cell = call_cell_at(table, index);

    cell->flags = CELL_LIVE;
    cell->number = sighting_number(&sip->head);
    cell->started_ns = table->now_ns;
    cell->interface = sip->head.interface;
    cell->queue_before = TABLE_NONE;
    cell->queue_after = TABLE_NONE;
    cell->text_first = CALL_TEXT_NONE;
    cell->text_last = CALL_TEXT_NONE;
    cell->endpoints = TABLE_NONE;
    return index;
}

/* An INVITE for a Call-ID whose call has been told: a new instance, or a late copy of the old one.
 */
static bool is_new_instance(const struct call_table *table, uint32_t index,
                            const struct sip_sighting *sip,
                            const struct transaction_view *transaction)
{
    const struct sip_message *message = &sip->message;
    const struct call_cell *cell = call_cell_at(table, index);

    if ((cell->flags & CELL_TOLD) == 0 || !dialog_is_first_invite(message)) {
        return false;
    }
    if ((cell->flags & CELL_PARTIAL) != 0) {
        return true;
    }
    bool copy =
        transaction->is_retransmission ||
        (message->cseq == cell->cseq && dialog_tag_of(sip->keys.from_tag) == cell->from_tag);
    return !copy || time_since(table->now_ns, cell->ended_ns) > FINAL_SILENT_NS;
}

const struct table *call_index(const struct call_table *table)
{
    return &table->cells;
}

/* Answers to INVITE are what tells of a call before its end. */
void call_prefetch(const struct call_table *table, const struct sip_sighting *sip)
{
    if (sip->message.cseq_method != SIP_METHOD_INVITE || sip->message.status <= 100) {
        return;
    }
    uint32_t index = table_find(&table->cells, sip->keys.call_id);
    if (index != TABLE_NONE) {
        const struct call_cell *cell = call_cell_at(table, index);
        call_text_prefetch(table, cell);
        const uint8_t *more = (const void *)call_more(table, cell);
        __builtin_prefetch(more);
        __builtin_prefetch(more + 64);
    }
}

uint32_t call_see(struct call_table *table, const struct sip_sighting *sip,
                  const struct transaction_view *transaction)
{
    static const struct transaction_view unknown = {0};
    const struct sip_message *message = &sip->message;
    uint64_t hash = sip->keys.call_id;

    if (hash == 0) {
        return TABLE_NONE;
    }
    if (transaction == NULL) {
        transaction = &unknown;
    }
    table->now_ns = sip->head.state_ns > table->now_ns ? sip->head.state_ns : table->now_ns;
    table->now_number = sighting_number(&sip->head);
    uint32_t index = table_find(&table->cells, hash);
    if (index != TABLE_NONE && is_new_instance(table, index, sip, transaction)) {
        release(table, index);
        index = TABLE_NONE;
    }
    bool fresh = index == TABLE_NONE;
    if (fresh) {
        if (!dialog_is_first_invite(message) && !opens_partial(sip)) {
            return TABLE_NONE;
        }
        index = create(table, sip, hash);
    }
    struct dialog_step step = {
        .table = table,
        .message = message,
        .sip = sip,
        .transaction = transaction,
        .at = call_cell_at(table, index),
        .cell = index,
        .fresh = fresh,
    };
    table->sip = sip;
    dialog_see(&step);
    table->sip = NULL;
    call_touch(table, index, table->now_ns);
    return index;
}

/* The idle queue needs no order finer than a second, and each move costs three cells. */
void call_touch(struct call_table *table, uint32_t index, uint64_t now_ns)
{
    if (time_since(now_ns, table_touched_ns(&table->cells, index)) >= NS_PER_S) {
        table_touch(&table->cells, index, now_ns);
    }
}

/* --- marks --- */

static void look_at_setup(struct call_table *table, uint32_t index)
{
    struct call_cell *cell = call_cell_at(table, index);
    uint64_t silent_ns = time_since(table->now_ns, last_sign_of(table, cell));
    bool has_final = cell->status != 0 || cell->challenge != 0;

    if (silent_ns < (has_final ? FINAL_SILENT_NS : SETUP_SILENT_NS)) {
        call_queue_move(table, index, QUEUE_SETUP);
    } else {
        call_over(table, index, has_final ? CALL_ENDED_BY_NETWORK : CALL_ENDED_BY_SENSOR,
                  has_final ? CALL_END_OWN : CALL_END_INFERRED, cell->last_ns, QUEUE_SOON);
    }
}

/* A BYE that was lost (docs/definitions.md): no media for 60 s, no refresh of the session, too
 * old. */
static bool is_silently_over(const struct call_table *table, const struct call_cell *cell)
{
    uint64_t silent_ns = time_since(table->now_ns, last_sign_of(table, cell));
    bool held = (cell->flags & (CELL_HELD_CALLER | CELL_HELD_CALLEE)) != 0;
    const struct call_more *more = call_more(table, cell);

    if (time_since(table->now_ns, cell->started_ns) >= table->limits.age_max_ns) {
        return true;
    }
    if (more->media_last_ns != 0 && !held && silent_ns >= UP_MEDIA_NS) {
        return true;
    }
    return more->session_s != 0 && silent_ns >= more->session_s * NS_PER_S;
}

static void look_at_up(struct call_table *table, uint32_t index)
{
    struct call_cell *cell = call_cell_at(table, index);
    bool partial = (cell->flags & CELL_PARTIAL) != 0;
    bool stale = partial && time_since(table->now_ns, last_sign_of(table, cell)) >= SETUP_SILENT_NS;

    call_sound_judge(table, index);
    if (!stale && !is_silently_over(table, cell)) {
        call_queue_move(table, index, QUEUE_UP);
        return;
    }
    uint64_t media_ns = call_more(table, cell)->media_last_ns;
    uint64_t ended_ns = media_ns != 0 ? media_ns : cell->last_ns;
    call_over(table, index, CALL_ENDED_BY_SENSOR, CALL_END_INFERRED,
              ended_ns > cell->answered_ns ? ended_ns : cell->answered_ns, QUEUE_SOON);
}

static void look_at(struct call_table *table, uint32_t index)
{
    struct call_cell *cell = call_cell_at(table, index);

    switch ((enum call_queue_kind)cell->queue) {
    case QUEUE_SETUP:
        look_at_setup(table, index);
        break;
    case QUEUE_UP:
        look_at_up(table, index);
        break;
    case QUEUE_SOON:
    case QUEUE_RETRY:
    case QUEUE_CHALLENGE:
        if ((cell->flags & CELL_OVER) == 0) {
            bool cancelled = (cell->flags & CELL_CANCEL) != 0;
            call_over(table, index, cancelled ? CALL_ENDED_BY_CALLER : CALL_ENDED_BY_SENSOR,
                      cancelled ? CALL_END_OWN : CALL_END_INFERRED, cell->last_ns, QUEUE_SOON);
        }
        tell_end(table, index, false);
        break;
    case QUEUE_LINGER:
        release(table, index);
        break;
    case QUEUE_NONE:
    case QUEUE_STREAMS:
    case QUEUE_COUNT:
        assert(false);
        break;
    }
}

/* Remembered times follow a confirmed jump of the clock: nothing ages by it. */
static void shift(struct call_table *table, uint64_t shift_ns)
{
    uint64_t shift_s = time_second(shift_ns);

    for (uint32_t i = table_next(&table->cells, 0); i != TABLE_NONE;
         i = table_next(&table->cells, i + 1)) {
        struct call_cell *cell = call_cell_at(table, i);
        shift_time(&cell->started_ns, shift_ns);
        shift_time(&cell->answered_ns, shift_ns);
        shift_time(&cell->ended_ns, shift_ns);
        shift_time(&cell->last_ns, shift_ns);
        if (cell->more != 0) {
            struct call_more *more = slab_at(&table->more, cell->more - 1);
            shift_time(&more->ringing_ns, shift_ns);
            shift_time(&more->media_last_ns, shift_ns);
            shift_time(&more->first_rtp_ns, shift_ns);
        }
        struct call_sound *sound = call_sound_of(table, cell);
        if (sound != NULL) {
            call_sound_shift(sound, shift_ns);
        }
        uint64_t due_s = cell->due_s + shift_s;
        cell->due_s = due_s > UINT32_MAX ? UINT32_MAX : (uint32_t)due_s;
    }
    shift_table(&table->cells, shift_ns);
}

/* The next of the queue came into the cache when this one was looked at; its text and the one after
 * it are asked for now. */
static void prefetch_behind(const struct call_table *table, uint32_t index)
{
    uint32_t next = call_cell_at(table, index)->queue_after;

    if (next == TABLE_NONE) {
        return;
    }
    const struct call_cell *cell = call_cell_at(table, next);
    call_text_prefetch(table, cell);
    if (cell->queue_after != TABLE_NONE) {
        const uint8_t *after = (const uint8_t *)call_cell_at(table, cell->queue_after);
        for (size_t line = 0; line < sizeof *cell; line += 64) {
            __builtin_prefetch(after + line);
        }
    }
}

void call_mark(struct call_table *table, uint64_t mark_s, uint64_t shift_ns)
{
    uint64_t mark_ns = mark_s > UINT64_MAX / NS_PER_S ? UINT64_MAX : mark_s * NS_PER_S;

    if (shift_ns != 0) {
        shift(table, shift_ns);
    }
    table->now_ns = mark_ns > table->now_ns ? mark_ns : table->now_ns;
    table->now_number = 0;
    call_sound_mark(table);
    for (unsigned kind = QUEUE_SETUP; kind < QUEUE_COUNT; kind++) {
        const struct call_queue *queue = &table->queues[kind];
        /* Each is looked at once: behind 2106 nothing falls due later than now. */
        uint32_t left = kind == QUEUE_STREAMS ? 0 : queue->count;
        for (; left > 0 && queue->first != TABLE_NONE &&
               call_cell_at(table, queue->first)->due_s <= mark_s;
             left--) {
            prefetch_behind(table, queue->first);
            look_at(table, queue->first);
        }
    }
}

/* --- the end --- */

void call_end(struct call_table *table)
{
    for (uint32_t i = table_next(&table->cells, 0); i != TABLE_NONE;
         i = table_next(&table->cells, i + 1)) {
        if (is_untold(call_cell_at(table, i))) {
            order_put(&table->order, call_cell_at(table, i)->number, i);
        }
    }
    const struct order_entry *open = order_sort(&table->order);
    for (size_t i = 0; i < table->order.count; i++) {
        struct call_cell *cell = call_cell_at(table, open[i].cell);
        bool forced = (cell->flags & CELL_OVER) == 0;
        if (forced) {
            cell->ended_ns = last_sign_of(table, cell);
            cell->end_reason = CALL_END_CAPTURE;
        }
        tell_end(table, open[i].cell, forced);
    }
    order_close(&table->order);
}

/* --- open and close --- */

static struct table_options cells_of(const struct call_limits *limits, struct call_table *table)
{
    return (struct table_options){
        .name = "calls",
        .cells_max = limits->calls_max,
        .cell_bytes = sizeof(struct call_cell),
        .weak_ppm = WEAK_PPM,
        .on_evict = on_evict,
        .owner = table,
    };
}

/* Half of the calls that there may be are answered at once, the others are being set up or linger;
 * where there may be few, all. */
static uint32_t sounds_of(const struct call_limits *limits)
{
    uint32_t half = limits->calls_max / 2 + SOUNDS_MIN;
    return half < limits->calls_max ? half : limits->calls_max;
}

static uint32_t chunks_of(const struct call_limits *limits)
{
    uint64_t chunks = (uint64_t)limits->calls_max * CHUNKS_OF_CALL + CALL_TEXT_BYTES;
    return chunks > UINT32_MAX / 2 ? UINT32_MAX / 2 : (uint32_t)chunks;
}

enum status call_open(const struct call_limits *limits, struct change_sink sink,
                      struct call_table **out_table, struct error *error)
{
    struct call_table *table = calloc(1, sizeof *table);

    if (table == NULL) {
        return error_system(error, STATUS_FAILED, "calls", "no memory for the table of calls");
    }
    table->limits = *limits;
    table->sink = sink;
    uint32_t quarter = limits->calls_max / 4 + 1;
    table->linger_max = quarter < CALL_LINGER_MAX ? quarter : CALL_LINGER_MAX;
    codec_open(&table->codecs);
    for (unsigned kind = 0; kind < QUEUE_COUNT; kind++) {
        table->queues[kind].first = TABLE_NONE;
        table->queues[kind].last = TABLE_NONE;
    }
    struct table_options options = cells_of(limits, table);
    enum status status = table_open(&table->cells, &options, error);
    if (status != STATUS_OK) {
        goto free_table;
    }
    status = call_text_open(&table->texts, chunks_of(limits), error);
    if (status != STATUS_OK) {
        goto close_cells;
    }
    status = slab_open(&table->more, limits->calls_max, sizeof(struct call_more), error);
    if (status != STATUS_OK) {
        goto close_texts;
    }
    status = slab_open(&table->sounds, sounds_of(limits), sizeof(struct call_sound), error);
    if (status != STATUS_OK) {
        goto close_more;
    }
    status = order_open(limits->calls_max, &table->order, error);
    if (status != STATUS_OK) {
        goto close_sounds;
    }
    *out_table = table;
    return STATUS_OK;

close_sounds:
    slab_close(&table->sounds);
close_more:
    slab_close(&table->more);
close_texts:
    call_text_close(&table->texts);
close_cells:
    table_close(&table->cells);
free_table:
    free(table);
    return status;
}

void call_close(struct call_table *table)
{
    if (table == NULL) {
        return;
    }
    order_close(&table->order);
    slab_close(&table->sounds);
    slab_close(&table->more);
    call_text_close(&table->texts);
    table_close(&table->cells);
    free(table);
}

size_t call_bytes_max(const struct call_limits *limits)
{
    struct table_options options = cells_of(limits, NULL);

    return sizeof(struct call_table) + table_bytes_max(&options) +
           call_text_bytes_max(chunks_of(limits)) + order_bytes_max(limits->calls_max) +
           (size_t)limits->calls_max * (sizeof(struct call_more) + sizeof(uint32_t)) +
           (size_t)sounds_of(limits) * (sizeof(struct call_sound) + sizeof(uint32_t));
}

struct call *call_at(struct call_table *table, uint32_t cell)
{
    return call_view_make(table, cell);
}

uint32_t call_find(struct call_table *table, uint64_t call_id_hash)
{
    return table_find(&table->cells, call_id_hash);
}

uint32_t call_generation(const struct call_table *table, uint32_t cell)
{
    return table_generation(&table->cells, cell);
}

uint64_t call_evicted(const struct call_table *table)
{
    return table->cells.evicted + table->sounds_missed;
}

uint32_t call_used(const struct call_table *table)
{
    return table->cells.used;
}
