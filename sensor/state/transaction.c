/* transaction.c - one cell of 56 bytes for each key, and a detail with texts while the answer is
 * awaited.
 *
 *   table: hash -> cell [first time, number, status, flags, counts]
 *                    \-> detail [endpoints, hashes | Call-ID From To URI ...], until the final answer
 *
 * Timers without a wheel: nothing touches a cell after it was taken, so the table's idle queue is a
 * queue by first packet. A mark looks at those that stand in it for 32 s: they time out, go, or are
 * put to its young end for another 32 s (an INVITE that rang, a finished one whose copies may still
 * come). So a transaction goes at latest 64 s after its end, an unanswered INVITE 180 to 212 s
 * after its last provisional answer (timer C says more than 180), and the order of time-outs is the
 * order of first packets.
 *
 * A finished one must wait for copies until 64*T1 - T1 = 31.5 s after its end: the last ones that
 * the timers send (RFC 3261 section 17.1.1.2, 17.2.1).
 *
 * An answer is a copy when its status was seen before; a 2xx with another To tag is another branch
 * of a fork and neither a copy nor the first final (RFC 3261 section 13.2.2.4). A request is a copy
 * when it went to the same address as the first: tools that send one template to many servers
 * repeat the key and are no retransmission.
 *
 * Limits: answers to an ACK or to a request without Call-ID belong to nothing. */
#include "sensor/state/transaction_inside.h"

#include "sensor/state/shift.h"
#include "sensor/state/site.h"

#define LINGER_NS (TRANSACTION_TIMEOUT_NS - NS_PER_S / 2)

/* --- open and close --- */

static void forget(void *owner, uint32_t at, void *user)
{
    struct transaction_table *table = owner;
    struct transaction_cell *cell = user;
    (void)at;

    transaction_detail_give(table, cell->detail);
    cell->detail = 0;
}

static struct table_options options_of(const struct transaction_limits *limits,
                                       struct transaction_table *table)
{
    return (struct table_options){
        .name = "transactions",
        .cells_max = limits->transactions_max,
        .cell_bytes = sizeof(struct transaction_cell),
        .on_evict = forget,
        .owner = table,
    };
}

/* One more than there are cells: the detail of the one that ended last waits until the next call.
 * What finds no big one takes a usual one. */
static uint32_t details_max(const struct transaction_limits *limits, enum detail_class size)
{
    return size == DETAIL_BIG ? limits->transactions_max / 4 + 1 : limits->transactions_max + 1;
}

static void close_details(struct transaction_table *table)
{
    for (unsigned size = 0; size < DETAIL_CLASSES; size++) {
        slab_close(&table->details[size]);
    }
}

static enum status open_details(struct transaction_table *table,
                                const struct transaction_limits *limits, struct error *error)
{
    enum status status = STATUS_OK;

    for (unsigned size = 0; status == STATUS_OK && size < DETAIL_CLASSES; size++) {
        status = slab_open(&table->details[size], details_max(limits, (enum detail_class)size),
                           transaction_detail_bytes((enum detail_class)size), error);
    }
    if (status != STATUS_OK) {
        close_details(table);
    }
    return status;
}

enum status transaction_open(const struct transaction_limits *limits, struct change_sink sink,
                             struct transaction_table **out_table, struct error *error)
{
    struct transaction_table *table = calloc(1, sizeof *table);

    if (table == NULL) {
        return error_system(error, STATUS_FAILED, "memory",
                            "cannot make the table of transactions");
    }
    table->sink = sink;
    table->key = limits->key;
    struct table_options options = options_of(limits, table);
    enum status status = table_open(&table->cells, &options, error);
    if (status != STATUS_OK) {
        goto no_cells;
    }
    status = open_details(table, limits, error);
    if (status != STATUS_OK) {
        goto no_details;
    }
    status = nonce_open(limits->transactions_max, limits->key, &table->nonces, error);
    if (status != STATUS_OK) {
        goto no_nonces;
    }
    status = order_open(limits->transactions_max, &table->order, error);
    if (status != STATUS_OK) {
        goto no_order;
    }
    *out_table = table;
    return STATUS_OK;

no_order:
    nonce_close(table->nonces);
no_nonces:
    close_details(table);
no_details:
    table_close(&table->cells);
no_cells:
    free(table);
    return status;
}

void transaction_close(struct transaction_table *table)
{
    if (table == NULL) {
        return;
    }
    order_close(&table->order);
    nonce_close(table->nonces);
    close_details(table);
    table_close(&table->cells);
    free(table);
}

size_t transaction_bytes_max(const struct transaction_limits *limits)
{
    struct table_options options = options_of(limits, NULL);

    size_t bytes = sizeof(struct transaction_table) + table_bytes_max(&options) +
                   nonce_bytes_max(limits->transactions_max) +
                   order_bytes_max(limits->transactions_max);

    for (unsigned size = 0; size < DETAIL_CLASSES; size++) {
        bytes += (size_t)details_max(limits, (enum detail_class)size) *
                 (transaction_detail_bytes((enum detail_class)size) + sizeof(uint32_t));
    }
    return bytes;
}

/* --- small things --- */

static void count_up(uint16_t *count)
{
    if (*count < UINT16_MAX) {
        (*count)++;
    }
}

static struct transaction_cell *cell_at(const struct transaction_table *table, uint32_t at)
{
    return table_at(&table->cells, at);
}

/* --- ends --- */

static uint32_t milliseconds(uint64_t span_ns)
{
    uint64_t span = span_ns / NS_PER_MS;

    return span > UINT32_MAX ? UINT32_MAX : (uint32_t)span;
}

static uint64_t end_of(const struct transaction_cell *cell)
{
    return time_add(cell->first_ns, cell->final_ms * NS_PER_MS);
}

/* Tells that it ended. Its detail stays for those who read `shown`, until the next call. */
static void tell(struct transaction_table *table, struct transaction_cell *cell,
                 const struct sip_sighting *sip, uint64_t number, bool forced)
{
    const struct change change = {
        .kind = CHANGE_TRANSACTION_ENDED,
        .forced = forced,
        .time_ns = table->now_ns,
        .number = number,
        .sip = sip,
        .transaction = &table->shown,
    };

    table->sink.on_change(table->sink.owner, &change);
    table->to_give = cell->detail;
    cell->detail = 0;
}

static void begin(struct transaction_table *table, uint64_t now_ns)
{
    table->now_ns = now_ns;
    transaction_detail_give(table, table->to_give);
    table->to_give = 0;
}

/* The cell of a message's transaction; fairness counts by the client's site. */
static uint32_t take(struct transaction_table *table, const struct sip_sighting *sip,
                     const struct addr *client, bool *out_new)
{
    uint32_t at = table_find(&table->cells, sip->keys.transaction);

    *out_new = at == TABLE_NONE;
    return at != TABLE_NONE ? at
                            : table_add(&table->cells, sip->keys.transaction,
                                        site_hash(table->key, client), table->now_ns);
}

/* --- requests --- */

static void fill_request(struct transaction_table *table, struct transaction_cell *cell,
                         const struct sip_sighting *sip)
{
    const struct sip_message *message = &sip->message;
    uint16_t flags = TRANSACTION_REQUEST;

    if ((message->flags & SIP_FLAG_CREDENTIALS) != 0) {
        flags |= TRANSACTION_CREDENTIALS;
    }
    if ((message->flags & SIP_FLAG_AUTS) != 0) {
        flags |= TRANSACTION_AUTS;
    }
    if (message->to_tag.bytes != 0) {
        flags |= TRANSACTION_IN_DIALOG;
    }
    if (message->verdict == SIP_INVALID) {
        flags |= TRANSACTION_INVALID;
    }
    cell->server_tag = transaction_tag(sip->keys.destination);
    if (message->vias > 1 && transaction_below(table, sip) != TABLE_NONE) {
        flags |= TRANSACTION_UPPER;
    }
    cell->flags |= flags;
    cell->method = message->method;
    transaction_detail_take(table, cell, sip);
}

static void see_cancel(struct transaction_table *table, const struct sip_sighting *sip)
{
    uint32_t at = table_find(&table->cells, sip_keys_transaction(table->key, &sip->keys,
                                                                 &sip->message, SIP_METHOD_INVITE));

    if (at != TABLE_NONE) {
        cell_at(table, at)->flags |= TRANSACTION_CANCELLED;
    }
}

/* With its final answer: it may be an upper hop that was seen before the lower one, and its answer
 * is looked for by the hop below. */
static void end_hop(struct transaction_table *table, struct transaction_cell *cell,
                    const struct sip_sighting *sip)
{
    if (sip->message.vias > 1 && transaction_tell_below(table, sip, cell->status)) {
        cell->flags |= TRANSACTION_UPPER;
    }
    if (cell->further[0] != 0 && transaction_passed_on(cell, cell->status)) {
        cell->flags |= TRANSACTION_PASSED_ON;
    }
}

/* The request of an answer that came first. */
static void join(struct transaction_table *table, uint32_t at, const struct sip_sighting *sip)
{
    struct transaction_cell *cell = cell_at(table, at);
    uint64_t answered_ns = end_of(cell);

    transaction_detail_give(table, cell->detail);
    cell->detail = 0;
    fill_request(table, cell, sip);
    cell->first_ns = sip->head.state_ns;
    cell->number = sighting_number(&sip->head);
    if (cell->status == 0) {
        transaction_show(table, at, false);
        return;
    }
    cell->final_ms = milliseconds(time_since(answered_ns, cell->first_ns));
    cell->flags |= TRANSACTION_ENDED;
    end_hop(table, cell, sip);
    transaction_show(table, at, true);
    bool is_challenge = cell->status == 401 || cell->status == 407;
    table->shown.challenged = is_challenge && (cell->flags & TRANSACTION_CREDENTIALS) == 0;
    table->shown.user_exists = is_challenge || cell->status / 100 == 2;
    /* Without the challenge at hand nobody can say that the nonce was old: no failure is claimed.
     */
    table->shown.stale = is_challenge && !table->shown.challenged;
    table->shown.auth_failure = cell->status == 403 && (cell->flags & TRANSACTION_CREDENTIALS) != 0;
    tell(table, cell, NULL, sighting_number(&sip->head), false);
}

static void see_request(struct transaction_table *table, const struct sip_sighting *sip,
                        struct transaction_view *view)
{
    const struct sip_message *message = &sip->message;
    bool is_new;
    uint32_t at = take(table, sip, &sip->head.source, &is_new);
    struct transaction_cell *cell = cell_at(table, at);

    view->transaction = &table->shown;
    if (is_new) {
        cell->first_ns = table->now_ns;
        cell->number = sighting_number(&sip->head);
        fill_request(table, cell, sip);
        if (message->method == SIP_METHOD_CANCEL) {
            see_cancel(table, sip);
        }
    } else if ((cell->flags & TRANSACTION_REQUEST) == 0) {
        join(table, at, sip);
        return;
    } else if (cell->server_tag == transaction_tag(sip->keys.destination)) {
        count_up(&cell->copies_request);
        view->is_retransmission = true;
    }
    transaction_show(table, at, false);
}

/* An ACK has no answer and no cell: one to a non-2xx belongs to its INVITE, one to a 2xx to
 * nothing. */
static void see_ack(struct transaction_table *table, const struct sip_sighting *sip,
                    struct transaction_view *view)
{
    uint32_t at = table_find(&table->cells, sip->keys.transaction);

    if (at == TABLE_NONE) {
        return;
    }
    struct transaction_cell *cell = cell_at(table, at);
    view->is_retransmission = (cell->flags & TRANSACTION_ACKED) != 0;
    cell->flags |= TRANSACTION_ACKED;
    transaction_show(table, at, false);
    view->transaction = &table->shown;
}

/* --- answers --- */

static bool promotes(const struct transaction_cell *cell, const struct sip_sighting *sip,
                     uint32_t source_tag)
{
    uint16_t status = sip->message.status;

    return (cell->flags & TRANSACTION_INVALID) != 0 && cell->server_tag == source_tag &&
           status != 400 && status != 416 && status != 481 && status / 100 != 5;
}

static void see_provisional(struct transaction_table *table, struct transaction_cell *cell,
                            uint16_t status, struct transaction_view *view)
{
    uint8_t code = (uint8_t)(status - 100);

    for (unsigned i = 0; i < cell->provisional_count; i++) {
        if (cell->provisional[i] == code) {
            count_up(&cell->copies_response);
            view->is_retransmission = true;
        }
    }
    if (!view->is_retransmission && cell->provisional_count < TRANSACTION_PROVISIONALS) {
        cell->provisional[cell->provisional_count++] = code;
    }
    uint64_t second = time_since(table->now_ns, cell->first_ns) / NS_PER_S;
    cell->provisional_s = second > UINT16_MAX ? UINT16_MAX : (uint16_t)second;
    if (status >= 180 && status < 190) {
        cell->flags |= TRANSACTION_RANG;
    }
}

static void see_final(struct transaction_table *table, uint32_t at, const struct sip_sighting *sip,
                      struct transaction_view *view)
{
    struct transaction_cell *cell = cell_at(table, at);
    const struct sip_message *message = &sip->message;
    uint32_t tag = transaction_tag(sip->keys.to_tag);

    if (cell->status != 0) {
        bool is_copy = cell->status == message->status && cell->answer_tag == tag;
        if (is_copy) {
            count_up(&cell->copies_response);
        }
        view->is_retransmission = is_copy;
        transaction_show(table, at, view->promoted);
        return;
    }
    bool late = (cell->flags & TRANSACTION_TIMED_OUT) != 0;
    cell->status = message->status;
    cell->answer_tag = tag;
    cell->final_ms = milliseconds(time_since(table->now_ns, cell->first_ns));
    view->is_first_final = !late;
    if (late || (cell->flags & TRANSACTION_REQUEST) == 0) {
        transaction_show(table, at, !late);
        return;
    }
    cell->flags |= TRANSACTION_ENDED;
    end_hop(table, cell, sip);
    transaction_show(table, at, true);
    table->shown.final_ns = table->now_ns; /* the cell knows it to the millisecond only */
    table->shown.reason = sip_part(message, message->reason);
    transaction_judge(table, cell, sip);
    tell(table, cell, sip, sighting_number(&sip->head), false);
}

static void see_response(struct transaction_table *table, const struct sip_sighting *sip,
                         struct transaction_view *view)
{
    const struct sip_message *message = &sip->message;

    if (message->status < 100 || message->method == SIP_METHOD_ACK) {
        return;
    }
    bool is_new;
    uint32_t at = take(table, sip, &sip->head.destination, &is_new);
    struct transaction_cell *cell = cell_at(table, at);
    if (is_new) {
        cell->first_ns = table->now_ns;
        cell->number = sighting_number(&sip->head);
        cell->method = message->method;
        transaction_detail_take(table, cell, sip);
    }
    view->transaction = &table->shown;
    view->is_first_answer = cell->status == 0 && cell->provisional_count == 0 &&
                            (cell->flags & TRANSACTION_REQUEST) != 0;
    if ((cell->flags & TRANSACTION_INVALID) != 0 &&
        promotes(cell, sip, transaction_tag(sip->keys.source))) {
        cell->flags &= (uint16_t)~TRANSACTION_INVALID;
        view->promoted = true;
    }
    if (message->status >= 200) {
        see_final(table, at, sip, view);
        return;
    }
    if (cell->status == 0) {
        see_provisional(table, cell, message->status, view);
    }
    transaction_show(table, at, view->promoted);
}

void transaction_see(struct transaction_table *table, const struct sip_sighting *sip,
                     struct transaction_view *out_view)
{
    const struct sip_message *message = &sip->message;

    *out_view = (struct transaction_view){.transaction = NULL};
    begin(table, sip->head.state_ns);
    if (sip->keys.transaction == 0) {
        return;
    }
    if (sip_is_response(message)) {
        see_response(table, sip, out_view);
    } else if (message->method == SIP_METHOD_ACK) {
        see_ack(table, sip, out_view);
    } else {
        see_request(table, sip, out_view);
    }
}

const struct table *transaction_index(const struct transaction_table *table)
{
    return &table->cells;
}

void transaction_prefetch(const struct transaction_table *table, const struct sip_sighting *sip)
{
    uint32_t at = table_find(&table->cells, sip->keys.transaction);

    if (at != TABLE_NONE) {
        transaction_detail_prefetch(table, cell_at(table, at)->detail);
    }
}

/* --- marks and the end --- */

/* Ends one that has no final answer, or whose request never came. */
static void give_up(struct transaction_table *table, uint32_t at, bool forced)
{
    struct transaction_cell *cell = cell_at(table, at);
    bool has_request = (cell->flags & TRANSACTION_REQUEST) != 0;

    /* An invalid request that nobody took up was none; a provisional answer without a request says
     * nothing. */
    if ((cell->flags & TRANSACTION_INVALID) != 0 || (!has_request && cell->status == 0)) {
        transaction_detail_give(table, cell->detail);
        cell->detail = 0;
        return;
    }
    if (cell->status == 0) {
        cell->flags |= forced ? 0 : TRANSACTION_TIMED_OUT;
        cell->final_ms = milliseconds(time_since(table->now_ns, cell->first_ns));
    }
    cell->flags |= TRANSACTION_ENDED;
    transaction_show(table, at, true);
    tell(table, cell, NULL, 0, forced);
    transaction_detail_give(table, table->to_give);
    table->to_give = 0;
}

/* At the old end of the queue for 32 s: it goes, or it is put to the young end. */
static void check(struct transaction_table *table, uint32_t at)
{
    struct transaction_cell *cell = cell_at(table, at);
    uint64_t now_ns = table->now_ns;

    if ((cell->flags & TRANSACTION_ENDED) == 0) {
        uint64_t ringing_ns =
            time_add(cell->first_ns, cell->provisional_s * NS_PER_S + TRANSACTION_RINGING_NS);
        if (cell->method == SIP_METHOD_INVITE && cell->provisional_count > 0 && cell->status == 0 &&
            now_ns < ringing_ns) {
            table_touch(&table->cells, at, now_ns);
            return;
        }
        give_up(table, at, false);
        if ((cell->flags & TRANSACTION_TIMED_OUT) != 0) {
            table_touch(&table->cells, at, now_ns); /* late answers shall not look like the first */
            return;
        }
    } else if (time_since(now_ns, end_of(cell)) < LINGER_NS) {
        table_touch(&table->cells, at, now_ns);
        return;
    }
    table_give(&table->cells, at);
}

static void shift(struct transaction_table *table, uint64_t shift_ns)
{
    shift_table(&table->cells, shift_ns);
    nonce_shift(table->nonces, shift_ns);
    for (uint32_t at = table_next(&table->cells, 0); at != TABLE_NONE;
         at = table_next(&table->cells, at + 1)) {
        shift_time(&cell_at(table, at)->first_ns, shift_ns);
    }
}

void transaction_mark(struct transaction_table *table, uint64_t mark_s, uint64_t shift_ns)
{
    begin(table, mark_s * NS_PER_S);
    if (shift_ns != 0) {
        shift(table, shift_ns);
    }
    for (uint32_t at = table->cells.oldest[0];
         at != TABLE_NONE &&
         time_since(table->now_ns, table_touched_ns(&table->cells, at)) >= TRANSACTION_TIMEOUT_NS;
         at = table->cells.oldest[0]) {
        check(table, at);
    }
}

void transaction_end(struct transaction_table *table, uint64_t now_ns)
{
    begin(table, now_ns);
    for (uint32_t at = table_next(&table->cells, 0); at != TABLE_NONE;
         at = table_next(&table->cells, at + 1)) {
        if ((cell_at(table, at)->flags & TRANSACTION_ENDED) == 0) {
            order_put(&table->order, cell_at(table, at)->number, at);
        }
    }
    const struct order_entry *open = order_sort(&table->order);
    for (size_t i = 0; i < table->order.count; i++) {
        give_up(table, open[i].cell, true);
    }
    order_close(&table->order);
    while (table->cells.oldest[0] != TABLE_NONE) {
        forget(table, table->cells.oldest[0], cell_at(table, table->cells.oldest[0]));
        table_give(&table->cells, table->cells.oldest[0]);
    }
}

uint64_t transaction_evicted(const struct transaction_table *table)
{
    return table->cells.evicted + nonce_evicted(table->nonces);
}

uint32_t transaction_used(const struct transaction_table *table)
{
    return table->cells.used;
}
