/* server.c - a cell for each address that requests go to, and the list of those with something to
 * say this second.
 *
 *   request   destination ──▶ cell: counts of the second | what waits for an answer
 *   answer    source ───────▶ cell: counts, the wait is over
 *   refusal   destination ──▶ cell: one more in a row
 *   mark      list: cell, cell, ... ──▶ CHANGE_SERVER for each that is worth it ──▶ counts to 0
 *
 * The list is in order of first events, so no order follows a hash. A cell stays in it while it owes
 * an answer (told each second for a minute, then every ten; at most OWING_NS_MAX after the last
 * request), and for good once it has sent SERVER_LIVED calls itself (told each minute).
 *
 * Sources are counted without a table of sources. A map of bits, cleared each second, says whether
 * this source asked this server already: where two fall together the count is too low, never too
 * high. A table of the minutes in which sources were first seen, without chains, says who is new;
 * there a flood overwrites what others left, so that more look new than are.
 *
 * A call that fails by an error of the service is remembered for ten seconds by who calls whom:
 * where the same two succeed through another server in time, it was not lost. It failed at the
 * server that said so, not at a proxy that passed it on. */
#include "sensor/state/server.h"

#include "sensor/state/shift.h"

enum {
    ASKED_BITS = 1 << 18,
    FIRST_SLOTS = 1 << 16,
    CALM_UNKNOWN = 20, /* more requests of unknown sources in a second, and it is not calm */
    USUAL_PART = 32, /* a second counts one in so many */
    OWING_REQUESTS = 3,
    OWING_EACH_S = 60,
    OWING_STEP_S = 10,
    CALLER_STEP_S = 60,
    FAILED_AT_MAX = 2,
};
#define OWING_NS_MAX (10 * NS_PER_MINUTE)
#define ROUTE_NS NS_PER_MINUTE

/* Who calls whom, and where that failed. */
struct failing {
    uint64_t server[FAILED_AT_MAX];
    uint32_t count[FAILED_AT_MAX];
};

struct first_seen {
    uint16_t tag;
    uint16_t minute; /* modulo 2^16 */
};

/* Who asked last, and how many servers he got his last answer from within the last minute. */
struct route {
    uint64_t asker;
    uint32_t servers; /* 0 = free */
};

/* Open addressing, half full at most; made when it is first asked for at a mark. */
struct routes {
    bool known;
    uint32_t mask;
    struct route *slots;
};

struct server_table {
    struct table cells;
    struct table failing;
    struct region maps; /* the two below, and the slots of `routes` */
    uint64_t *asked; /* bits */
    struct first_seen *first;
    struct routes *routes;
    uint32_t head; /* of the list */
    uint32_t tail;
    bool asked_any;
    uint64_t requests; /* to servers that lived */
    uint64_t answers; /* of any */
    uint64_t calls; /* INVITEs without To tag, of any */
    uint64_t now_ns;
    uint64_t shifted_ns; /* all clock jumps so far */
    struct hash_key key;
    struct change_sink sink;
};

static struct server *server_at(const struct server_table *table, uint32_t cell)
{
    return table_at(&table->cells, cell);
}

/* --- the list --- */

static void list_leave(struct server_table *table, struct server *server)
{
    if (server->before == TABLE_NONE) {
        table->head = server->next;
    } else {
        server_at(table, server->before)->next = server->next;
    }
    if (server->next == TABLE_NONE) {
        table->tail = server->before;
    } else {
        server_at(table, server->next)->before = server->before;
    }
    server->listed = false;
}

static void list_enter(struct server_table *table, uint32_t cell, struct server *server)
{
    server->listed = true;
    server->before = table->tail;
    server->next = TABLE_NONE;
    if (table->tail == TABLE_NONE) {
        table->head = cell;
    } else {
        server_at(table, table->tail)->next = cell;
    }
    table->tail = cell;
    /* Once a second is enough for an order of idleness. */
    table_touch(&table->cells, cell, table->now_ns);
}

static void forget(void *owner, uint32_t cell, void *at)
{
    struct server *server = at;
    (void)cell;

    if (server->listed) {
        list_leave(owner, server);
    }
}

/* --- calls that fail --- */

/* They are counted with the servers that they failed at. */
static void lose(void *owner, uint32_t cell, void *at)
{
    struct server_table *table = owner;
    const struct failing *failing = at;
    (void)cell;

    for (unsigned i = 0; i < FAILED_AT_MAX && failing->count[i] > 0; i++) {
        uint32_t found = table_find(&table->cells, failing->server[i]);
        if (found != TABLE_NONE) {
            struct server *server = server_at(table, found);
            server->second.calls_lost += failing->count[i];
            if (!server->listed) {
                list_enter(table, found, server);
            }
        }
    }
}

static void see_failure(struct server_table *table, uint64_t pair, uint64_t server)
{
    bool is_new;
    uint32_t cell = table_take(&table->failing, pair, 0, table->now_ns, &is_new);
    struct failing *failing = table_at(&table->failing, cell);

    for (unsigned i = 0; i < FAILED_AT_MAX; i++) {
        if (failing->count[i] == 0 || failing->server[i] == server) {
            failing->server[i] = server;
            failing->count[i]++;
            return;
        }
    }
}

static void expire_failing(struct server_table *table)
{
    uint32_t cell = table->failing.oldest[0];

    while (cell != TABLE_NONE &&
           time_since(table->now_ns, table_touched_ns(&table->failing, cell)) >=
               SERVER_OTHER_ROUTE_NS) {
        lose(table, cell, table_at(&table->failing, cell));
        table_give(&table->failing, cell);
        cell = table->failing.oldest[0];
    }
}

/* An error of the service: not what the called party does, not a name that nobody has, and nothing
 * that is asked for again. */
static bool is_service_error(uint16_t status)
{
    switch (status) {
    case 401:
    case 404:
    case 407:
    case 410:
    case 480:
    case 484:
    case 485:
    case 486:
    case 487:
    case 491:
    case 600:
    case 603:
    case 604:
    case 607:
    case 608:
        return false;
    default:
        return status >= 400;
    }
}

static void see_call_end(struct server_table *table, const struct sip_sighting *sip,
                         const struct proof_table *proof)
{
    const struct sip_message *message = &sip->message;
    bool failed = is_service_error(message->status);
    struct proof_view caller;

    if (!failed && (table->failing.used == 0 || message->status >= 300)) {
        return;
    }
    uint64_t pair = hash_mix(hash_slice(table->key, sip_part(message, message->from.user)),
                             hash_slice(table->key, sip_part(message, message->to.user)));
    if (failed) {
        proof_ask_hash(proof, sip->keys.destination, table->now_ns, &caller);
        if (caller.is_server || caller.good_accounts > 0) {
            see_failure(table, pair, sip->keys.source);
        }
        return;
    }
    uint32_t cell = table_find(&table->failing, pair);
    if (cell != TABLE_NONE) {
        table_give(&table->failing, cell);
    }
}

/* --- open and close --- */

static struct table_options cells_options(uint32_t servers_max, struct server_table *table)
{
    return (struct table_options){.name = "servers",
                                  .cells_max = servers_max,
                                  .cell_bytes = sizeof(struct server),
                                  .weak_ppm = 250000,
                                  .on_evict = forget,
                                  .owner = table};
}

static struct table_options failing_options(struct server_table *table)
{
    return (struct table_options){.name = "failing calls",
                                  .cells_max = SERVER_FAILING_MAX,
                                  .cell_bytes = sizeof(struct failing),
                                  .on_evict = lose,
                                  .owner = table};
}

enum { ASKED_BYTES = ASKED_BITS / 8, FIRST_BYTES = FIRST_SLOTS * (int)sizeof(struct first_seen) };

static uint32_t route_slots(uint32_t servers_max)
{
    uint32_t slots = 2;

    while (slots / 2 < servers_max) {
        slots *= 2;
    }
    return slots;
}

static size_t maps_bytes(uint32_t servers_max)
{
    return ASKED_BYTES + FIRST_BYTES + sizeof(struct routes) +
           (size_t)route_slots(servers_max) * sizeof(struct route);
}

enum status server_open(uint32_t servers_max, struct hash_key key, struct change_sink sink,
                        struct server_table **out_table, struct error *error)
{
    struct server_table *table = calloc(1, sizeof *table);

    if (table == NULL) {
        return error_system(error, STATUS_FAILED, "memory", "cannot make the table of servers");
    }
    table->key = key;
    table->sink = sink;
    table->head = TABLE_NONE;
    table->tail = TABLE_NONE;
    struct table_options cells = cells_options(servers_max, table);
    struct table_options failing = failing_options(table);
    enum status status = table_open(&table->cells, &cells, error);
    if (status != STATUS_OK) {
        goto no_cells;
    }
    status = table_open(&table->failing, &failing, error);
    if (status != STATUS_OK) {
        goto no_failing;
    }
    status = region_open(maps_bytes(servers_max), &table->maps, error);
    if (status != STATUS_OK) {
        goto no_maps;
    }
    table->asked = table->maps.at;
    table->first = (void *)((uint8_t *)table->maps.at + ASKED_BYTES);
    table->routes = (void *)((uint8_t *)table->maps.at + ASKED_BYTES + FIRST_BYTES);
    table->routes->mask = route_slots(servers_max) - 1;
    table->routes->slots = (void *)(table->routes + 1);
    *out_table = table;
    return STATUS_OK;

no_maps:
    table_close(&table->failing);
no_failing:
    table_close(&table->cells);
no_cells:
    free(table);
    return status;
}

void server_close(struct server_table *table)
{
    if (table == NULL) {
        return;
    }
    region_close(&table->maps);
    table_close(&table->failing);
    table_close(&table->cells);
    free(table);
}

size_t server_bytes_max(uint32_t servers_max)
{
    struct table_options cells = cells_options(servers_max, NULL);
    struct table_options failing = failing_options(NULL);

    return sizeof(struct server_table) + table_bytes_max(&cells) + table_bytes_max(&failing) +
           maps_bytes(servers_max);
}

const struct table *server_index(const struct server_table *table)
{
    return &table->cells;
}

/* --- requests --- */

/* First seen in this minute or the one before. */
static bool is_new_source(struct server_table *table, uint64_t source)
{
    struct first_seen *first = &table->first[source % FIRST_SLOTS];
    uint16_t tag = (uint16_t)(source >> 16 | 1); /* 0 = never used */
    uint16_t minute = (uint16_t)(time_since(table->now_ns, table->shifted_ns) / NS_PER_MINUTE);

    if (first->tag != tag) {
        *first = (struct first_seen){.tag = tag, .minute = minute};
    }
    return (uint16_t)(minute - first->minute) <= 1;
}

static void count_source(struct server_table *table, struct server *server,
                         const struct sip_keys *keys, bool known)
{
    uint64_t bit = (keys->source + keys->destination * 5) % ASKED_BITS;
    uint64_t mask = UINT64_C(1) << bit % 64;
    uint64_t *word = &table->asked[bit / 64];

    if ((*word & mask) == 0) {
        *word |= mask;
        table->asked_any = true;
        server->second.sources++;
        server->second.sources_new += !known && is_new_source(table, keys->source);
    }
}

static bool is_waiting(const struct server *server, uint64_t asker)
{
    for (uint32_t i = 0; i < server->waiting.askers; i++) {
        if (server->waiting.asker[i] == asker) {
            return true;
        }
    }
    return false;
}

/* For an answer, or for a connection. */
static void wait(const struct server_table *table, struct server *server, uint64_t asker)
{
    struct server_waiting *waiting = &server->waiting;

    if (waiting->askers == 0) {
        waiting->elsewhere_requests = table->requests;
        waiting->elsewhere_answers = table->answers;
    }
    if (waiting->askers < SERVER_ASKERS && !is_waiting(server, asker)) {
        waiting->asker[waiting->askers++] = asker;
    }
}

static void wait_for_answer(struct server_table *table, struct server *server, uint64_t asker)
{
    struct server_waiting *waiting = &server->waiting;

    wait(table, server, asker);
    if (waiting->since_ns == 0) {
        waiting->since_ns = table->now_ns;
    }
    waiting->last_ns = table->now_ns;
    waiting->requests++;
    table->requests += server->answered >= SERVER_LIVED;
}

/* The caller, where requests went to it too: a trunk, a PBX, a phone that is called. */
static void see_call(struct server_table *table, uint64_t source)
{
    uint32_t cell = table_find(&table->cells, source);

    table->calls++;
    if (cell == TABLE_NONE) {
        return;
    }
    struct server *caller = server_at(table, cell);
    caller->calls++;
    caller->calls_untold++;
    caller->last_call_ns = table->now_ns;
    caller->calls_elsewhere = table->calls;
    if (!caller->listed) {
        list_enter(table, cell, caller);
    }
}

static struct server *take(struct server_table *table, const struct sip_sighting *sip)
{
    const struct sip_keys *keys = &sip->keys;
    uint32_t cell = table_find(&table->cells, keys->destination);

    if (cell == TABLE_NONE) {
        /* Who asks so many that they push out others pushes out his own. */
        cell = table_add(&table->cells, keys->destination, keys->source, table->now_ns);
        server_at(table, cell)->endpoint.addr = sip->head.destination;
    }
    struct server *server = server_at(table, cell);
    if (!server->listed) {
        list_enter(table, cell, server);
    }
    if (server->answered == 0) {
        server->endpoint.port = sip->head.destination_port;
    }
    return server;
}

/* What a service is asked by; the others belong to a dialog that is there already. */
static bool begins(const struct sip_message *message)
{
    return (1U << message->method &
            (1U << SIP_METHOD_INVITE | 1U << SIP_METHOD_REGISTER | 1U << SIP_METHOD_OPTIONS |
             1U << SIP_METHOD_SUBSCRIBE | 1U << SIP_METHOD_MESSAGE)) != 0;
}

static void see_asker(struct server_table *table, struct server *server,
                      const struct sip_sighting *sip, const struct transaction_view *view,
                      const struct proof_table *proof)
{
    const struct sip_message *message = &sip->message;
    const struct sip_keys *keys = &sip->keys;
    bool calls = message->method == SIP_METHOD_INVITE && message->to_tag.bytes == 0;
    struct proof_view asker;

    proof_ask_hash(proof, keys->source, table->now_ns, &asker);
    bool unknown = !asker.is_server && asker.good_accounts == 0;
    if (unknown) {
        server->second.unknown[message->method]++;
        server->second.unknown_total++;
    }
    count_source(table, server, keys, !unknown || asker.proven);
    if ((!unknown || asker.proven) && view->transaction != NULL &&
        !view->transaction->request_invalid) {
        wait_for_answer(table, server, keys->source);
        server->waiting.calls |= calls;
    }
    if (calls) {
        see_call(table, keys->source);
    }
}

static void see_request(struct server_table *table, const struct sip_sighting *sip,
                        const struct transaction_view *view, const struct proof_table *proof)
{
    struct server *server = take(table, sip);

    if (view->is_retransmission) {
        if (server->waiting.since_ns != 0) {
            server->waiting.last_ns = table->now_ns;
        }
        return;
    }
    server->last_number = sighting_number(&sip->head);
    server->second.requests[sip->message.method]++;
    server->second.total++;
    server->second.followed +=
        sip->message.to_tag.bytes > 0 || (sip->message.flags & SIP_FLAG_CREDENTIALS) != 0;
    if (begins(&sip->message)) {
        see_asker(table, server, sip, view, proof);
    }
}

/* An ACK follows a final answer. */
static void see_ack(struct server_table *table, const struct sip_sighting *sip)
{
    uint32_t cell = table_find(&table->cells, sip->keys.destination);

    if (cell != TABLE_NONE && server_at(table, cell)->listed) {
        server_at(table, cell)->second.followed++;
    }
}

/* --- answers --- */

static void see_first_answer(struct server_table *table, uint32_t cell, struct server *server,
                             const struct sip_sighting *sip, const struct transaction *request)
{
    uint64_t took_ns = time_since(table->now_ns, request->started_ns);
    uint64_t asker = sip->keys.destination;

    server->second.first_answers++;
    server->second.slow_answers += took_ns > SERVER_SLOW_NS;
    server->second.first_answer_ns_sum += took_ns;
    if (server->answered++ == 0) {
        table_strengthen(&table->cells, cell);
        server->first_asker = asker;
    }
    server->serves_many |= server->first_asker != asker;
    server->last_asker = asker;
    server->answers_tcp |= sip->head.transport != SIP_UDP;
    if (addr_equal(&request->server.addr, &server->endpoint.addr)) {
        server->endpoint.port = request->server.port;
    }
}

static void see_answer(struct server_table *table, const struct sip_sighting *sip,
                       const struct transaction_view *view, const struct proof_table *proof)
{
    const struct sip_message *message = &sip->message;
    uint32_t cell = table_find(&table->cells, sip->keys.source);

    if (cell == TABLE_NONE) {
        return; /* another address was asked */
    }
    struct server *server = server_at(table, cell);
    if (!server->listed) {
        list_enter(table, cell, server);
    }
    server->waiting.since_ns = 0;
    server->waiting.requests = 0;
    server->waiting.refusals = 0;
    server->waiting.refused_since_ns = 0;
    server->waiting.askers = 0;
    server->waiting.calls = false;
    server->last_answer_ns = table->now_ns;
    if (view->is_retransmission) {
        return;
    }
    table->answers++;
    server->second.answers++;
    server->second.retry_after +=
        message->status == 503 && (message->flags & SIP_FLAG_RETRY_AFTER) != 0;
    if (view->is_first_answer) {
        see_first_answer(table, cell, server, sip, view->transaction);
    }
    if (view->is_first_final && message->method == SIP_METHOD_INVITE &&
        !view->transaction->in_dialog && !view->transaction->passed_on) {
        see_call_end(table, sip, proof);
    }
}

void server_see(struct server_table *table, const struct sip_sighting *sip,
                const struct transaction_view *view, const struct proof_table *proof)
{
    if (sip->head.state_ns > table->now_ns) {
        table->now_ns = sip->head.state_ns;
    }
    table->routes->known = false;
    if (!sip_is_response(&sip->message)) {
        if (sip->message.method != SIP_METHOD_ACK) {
            see_request(table, sip, view, proof);
        } else {
            see_ack(table, sip);
        }
    } else if (view->transaction != NULL && view->transaction->started_ns != 0) {
        see_answer(table, sip, view, proof);
    }
}

/* --- refusals --- */

/* Of a request that waits; or of a connection that somebody wants who is no stranger. That a server
 * which only ever answered over UDP takes no connection says nothing: many speak UDP alone, and are
 * tried with TCP by monitors, and by who has a large request (RFC 3261 section 18.1.1). */
static bool is_believed(const struct server_table *table, const struct server *server,
                        const struct refused_sighting *refused, uint64_t asker,
                        const struct proof_table *proof)
{
    struct proof_view known;

    if (server->answered < SERVER_LIVED ||
        server->endpoint.port != refused->head.destination_port) {
        return false;
    }
    if (refused->head.transport == PROTOCOL_UDP || refused->why == UNDELIVERED_RESET ||
        !server->answers_tcp) {
        return server->waiting.requests > 0 && is_waiting(server, asker);
    }
    proof_ask_hash(proof, asker, table->now_ns, &known);
    return known.is_server || known.good_accounts > 0;
}

void server_see_refused(struct server_table *table, const struct refused_sighting *refused,
                        const struct proof_table *proof)
{
    const struct sighting *head = &refused->head;
    uint64_t asker = sip_keys_addr(table->key, &head->source);
    uint32_t cell = table_find(&table->cells, sip_keys_addr(table->key, &head->destination));

    if (head->state_ns > table->now_ns) {
        table->now_ns = head->state_ns;
    }
    if (cell == TABLE_NONE) {
        return;
    }
    struct server *server = server_at(table, cell);
    struct server_waiting *waiting = &server->waiting;
    if (!is_believed(table, server, refused, asker, proof)) {
        return;
    }
    if (!server->listed) {
        list_enter(table, cell, server);
    }
    wait(table, server, asker);
    if (waiting->refusals == 0) {
        waiting->refused_since_ns = table->now_ns;
    }
    waiting->refused_last_ns = table->now_ns;
    waiting->refusals++;
    waiting->refusal = refused->why;
    waiting->refused_by = refused->told_by;
    server->last_number = sighting_number(head);
}

void server_login(struct server_table *table, uint64_t server_hash)
{
    uint32_t cell = table_find(&table->cells, server_hash);

    if (cell != TABLE_NONE) {
        server_at(table, cell)->second.logins++;
    }
}

/* --- marks --- */

static bool is_recent(const struct server_table *table, uint64_t time_ns)
{
    return time_since(table->now_ns, time_ns) <= OWING_NS_MAX;
}

/* An answer, or a connection. */
static bool owes(const struct server_table *table, const struct server *server)
{
    const struct server_waiting *waiting = &server->waiting;

    return server->answered >= SERVER_LIVED &&
           ((waiting->requests >= OWING_REQUESTS && is_recent(table, waiting->last_ns)) ||
            (waiting->refusals >= SERVER_REFUSALS && is_recent(table, waiting->refused_last_ns)));
}

static uint64_t owing_ns(const struct server_table *table, const struct server *server)
{
    uint64_t since_ns = server->waiting.since_ns;

    return time_since(table->now_ns, since_ns == 0 ? server->waiting.refused_since_ns : since_ns);
}

static bool is_worth_it(const struct server_table *table, const struct server *server,
                        uint64_t mark_s)
{
    if (server->second.total >= SERVER_BUSY || server->second.calls_lost > 0) {
        return true;
    }
    if (owes(table, server)) {
        return owing_ns(table, server) < OWING_EACH_S * NS_PER_S || mark_s % OWING_STEP_S == 0;
    }
    return server->calls >= SERVER_LIVED && mark_s % CALLER_STEP_S == 0;
}

/* Calm seconds teach what is usual. */
static void learn(struct server *server)
{
    const struct server_second *second = &server->second;

    if (second->first_answers == 0 || second->unknown_total >= CALM_UNKNOWN) {
        return;
    }
    uint64_t mean_ns = second->first_answer_ns_sum / second->first_answers;
    if (server->usual_answer_ns == 0) {
        server->usual_answer_ns = mean_ns + 1;
    } else if (mean_ns > server->usual_answer_ns) {
        server->usual_answer_ns += (mean_ns - server->usual_answer_ns) / USUAL_PART;
    } else {
        server->usual_answer_ns -= (server->usual_answer_ns - mean_ns) / USUAL_PART;
    }
}

static void end_second(struct server_table *table, struct server *server, uint64_t mark_s)
{
    if (is_worth_it(table, server, mark_s)) {
        const struct change change = {.kind = CHANGE_SERVER,
                                      .time_ns = table->now_ns,
                                      .number = server->last_number,
                                      .second = mark_s,
                                      .server = server};
        table->sink.on_change(table->sink.owner, &change);
        server->calls_untold = 0;
    }
    learn(server);
    server->second = (struct server_second){.total = 0};
    if (!owes(table, server) && server->calls < SERVER_LIVED) {
        list_leave(table, server);
    }
}

static void shift(struct server_table *table, uint64_t shift_ns)
{
    shift_table(&table->cells, shift_ns);
    shift_table(&table->failing, shift_ns);
    table->shifted_ns = time_add(table->shifted_ns, shift_ns);
    for (uint32_t cell = table_next(&table->cells, 0); cell != TABLE_NONE;
         cell = table_next(&table->cells, cell + 1)) {
        struct server *server = server_at(table, cell);
        shift_time(&server->waiting.since_ns, shift_ns);
        shift_time(&server->waiting.last_ns, shift_ns);
        shift_time(&server->waiting.refused_since_ns, shift_ns);
        shift_time(&server->waiting.refused_last_ns, shift_ns);
        shift_time(&server->last_answer_ns, shift_ns);
        shift_time(&server->last_call_ns, shift_ns);
    }
}

void server_mark(struct server_table *table, uint64_t mark_s, uint64_t shift_ns)
{
    if (shift_ns != 0) {
        shift(table, shift_ns);
    }
    table->now_ns = mark_s * NS_PER_S;
    table->routes->known = false;
    expire_failing(table);
    for (uint32_t cell = table->head; cell != TABLE_NONE;) {
        struct server *server = server_at(table, cell);
        cell = server->next;
        end_second(table, server, mark_s);
    }
    if (table->asked_any) {
        memset(table->asked, 0, ASKED_BYTES);
        table->asked_any = false;
    }
}

/* --- questions --- */

/* It answered within the last minute, owes nothing and has lived; no device, for nobody logs in from a
 * trunk. */
static bool is_route(const struct server_table *table, const struct server *server,
                     const struct proof_table *proof)
{
    struct proof_view known;

    if (server->answered < SERVER_LIVED ||
        time_since(table->now_ns, server->last_answer_ns) > ROUTE_NS || owes(table, server)) {
        return false;
    }
    proof_ask(proof, &server->endpoint.addr, table->now_ns, &known);
    return known.good_accounts == 0;
}

static struct route *route_of(const struct routes *routes, uint64_t asker)
{
    uint32_t at = (uint32_t)(asker >> 32) & routes->mask;

    while (routes->slots[at].servers != 0 && routes->slots[at].asker != asker) {
        at = (at + 1) & routes->mask;
    }
    return &routes->slots[at];
}

/* Once a mark: at an outage thousands of servers ask, and each would look through all others. */
static void find_routes(const struct server_table *table, const struct proof_table *proof)
{
    struct routes *routes = table->routes;

    memset(routes->slots, 0, ((size_t)routes->mask + 1) * sizeof *routes->slots);
    for (uint32_t cell = table_next(&table->cells, 0); cell != TABLE_NONE;
         cell = table_next(&table->cells, cell + 1)) {
        const struct server *server = server_at(table, cell);
        if (is_route(table, server, proof)) {
            struct route *route = route_of(routes, server->last_asker);
            route->asker = server->last_asker;
            route->servers++;
        }
    }
    routes->known = true;
}

/* Other servers where the same askers get answers. */
static uint32_t count_routes(const struct server_table *table, const struct server *server,
                             const struct proof_table *proof)
{
    uint32_t routes = 0;

    if (!table->routes->known) {
        find_routes(table, proof);
    }
    for (uint32_t i = 0; i < server->waiting.askers; i++) {
        routes += route_of(table->routes, server->waiting.asker[i])->servers;
    }
    return routes - (is_waiting(server, server->last_asker) && is_route(table, server, proof));
}

void server_around(const struct server_table *table, const struct server *server,
                   const struct proof_table *proof, struct server_around *out_around)
{
    const struct server_waiting *waiting = &server->waiting;

    *out_around = (struct server_around){.waiting_servers = 0};
    if (server->last_call_ns != 0) {
        out_around->calls_elsewhere = table->calls - server->calls_elsewhere;
    }
    if (!owes(table, server)) {
        return;
    }
    for (uint32_t i = 0; i < waiting->askers; i++) {
        uint32_t cell = table_find(&table->cells, waiting->asker[i]);
        const struct server *asker = cell == TABLE_NONE ? NULL : server_at(table, cell);
        out_around->waiting_servers +=
            asker != NULL && asker->serves_many && asker->answered >= SERVER_LIVED;
    }
    out_around->elsewhere_requests =
        table->requests - waiting->elsewhere_requests - waiting->requests;
    out_around->elsewhere_answers = table->answers - waiting->elsewhere_answers;
    if (out_around->waiting_servers > 0) {
        out_around->routes = count_routes(table, server, proof);
    }
}

uint64_t server_evicted(const struct server_table *table)
{
    return table->cells.evicted + table->failing.evicted;
}

uint32_t server_used(const struct server_table *table)
{
    return table->cells.used;
}
