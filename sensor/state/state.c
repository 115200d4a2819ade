/* state.c - a sighting's way through the tables.
 *
 *   SIP     proof (who sent it hears us?) -> transaction -> proof (its answer) -> server -> MESSAGE
 *           -> transaction's own change -> registration -> call -> SDP
 *           -> what a success or failure says of account, device and source
 *   stream, RTCP, flow, proof: the table that they belong to
 *
 * Message first, then what it meant: the transaction must be known before CHANGE_MESSAGE can be put
 * (is it a copy?), yet its change comes behind it. So the transaction table puts into a single
 * place here, which is passed on when the message has been told; its entry stays until the table's
 * next call. One message ends one transaction at most. The other tables are fed behind that and put
 * straight into the sink.
 *
 * What a success says of accounts and sources is learnt behind all changes of the message, so that
 * the facts tell what was known before it: a first login from a device is not "known device" by its
 * own success. A failure is counted before the registration is fed, which tells how many there have
 * been. Transactions of upper hops are left out of both.
 *
 * One-way capture: after ONE_WAY_MESSAGES of one direction and none of the other, and while one is
 * missing (direction.c). Lossy: more than
 * one message in LOSS_ONE_IN was cut by the capture. */
#include "sensor/state/state.h"

#include "sensor/state/binding.h"

enum { ONE_WAY_MESSAGES = 20, LOSS_ONE_IN = 200 };

struct state {
    struct transaction_table *transactions;
    struct registration_table *registrations;
    struct call_table *calls;
    struct media_table *media;
    struct proof_table *proof;
    struct device_table *devices;
    struct destination_table *destinations;
    struct server_table *servers;
    struct {
        const struct table *transactions;
        const struct table *calls;
        const struct table *sources;
        const struct table *heard;
        const struct table *servers;
    } ahead; /* where the look-ahead looks */
    struct change_sink sink;
    struct change held; /* of the transaction table, until its message has been told */
    bool holds;
    bool holding;
    uint64_t requests;
    uint64_t responses;
    uint64_t cut; /* of both */
    struct facts_view view;
};

/* --- open and close --- */

static struct transaction_limits transaction_limits_of(const struct state_limits *limits)
{
    return (struct transaction_limits){.transactions_max = limits->transactions_max,
                                       .key = limits->key};
}

static struct registration_limits registration_limits_of(const struct state_limits *limits)
{
    return (struct registration_limits){.attempts_max = limits->attempts_max,
                                        .bindings_max = limits->bindings_max,
                                        .key = limits->key};
}

static struct call_limits call_limits_of(const struct state_limits *limits)
{
    return (struct call_limits){
        .calls_max = limits->calls_max, .age_max_ns = limits->call_age_max_ns, .key = limits->key};
}

static struct media_limits media_limits_of(const struct state_limits *limits)
{
    return (struct media_limits){.endpoints_max = limits->endpoints_max,
                                 .streams_max = limits->streams_max,
                                 .key = limits->key};
}

static void hold(void *owner, const struct change *change)
{
    struct state *state = owner;

    if (!state->holding) {
        state->sink.on_change(state->sink.owner, change);
        return;
    }
    assert(!state->holds);
    state->held = *change;
    state->holds = true;
    /* Its fact will ask for the account, and the message goes first. */
    device_prefetch(state->devices, change->transaction->account_hash, false);
}

enum status state_open(const struct state_limits *limits, struct change_sink sink,
                       struct state **out_state, struct error *error)
{
    struct state *state = calloc(1, sizeof *state);

    if (state == NULL) {
        return error_system(error, STATUS_FAILED, "memory", "cannot make the state");
    }
    state->sink = sink;
    struct change_sink holder = {.on_change = hold, .owner = state};
    struct transaction_limits transactions = transaction_limits_of(limits);
    struct registration_limits registrations = registration_limits_of(limits);
    struct call_limits calls = call_limits_of(limits);
    struct media_limits media = media_limits_of(limits);

    enum status status = proof_open(limits->sources_max, limits->key, &state->proof, error);
    if (status == STATUS_OK) {
        status = device_open(limits->accounts_max, limits->key, &state->devices, error);
    }
    if (status == STATUS_OK) {
        status =
            destination_open(limits->destinations_max, limits->key, &state->destinations, error);
    }
    if (status == STATUS_OK) {
        status = server_open(limits->servers_max, limits->key, sink, &state->servers, error);
    }
    if (status == STATUS_OK) {
        status = transaction_open(&transactions, holder, &state->transactions, error);
    }
    if (status == STATUS_OK) {
        status =
            registration_open(&registrations, sink, state->devices, &state->registrations, error);
    }
    if (status == STATUS_OK) {
        status = call_open(&calls, sink, &state->calls, error);
    }
    if (status == STATUS_OK) {
        status = media_open(&media, state->calls, sink, &state->media, error);
    }
    if (status != STATUS_OK) {
        state_close(state);
        return status;
    }
    state->ahead.transactions = transaction_index(state->transactions);
    state->ahead.calls = call_index(state->calls);
    state->ahead.sources = proof_sources(state->proof);
    state->ahead.heard = proof_heard(state->proof);
    state->ahead.servers = server_index(state->servers);
    state->view.proof = state->proof;
    state->view.devices = state->devices;
    state->view.destinations = state->destinations;
    state->view.registrations = state->registrations;
    state->view.servers = state->servers;
    state->view.key = limits->key;
    *out_state = state;
    return STATUS_OK;
}

void state_close(struct state *state)
{
    if (state == NULL) {
        return;
    }
    if (state->media != NULL) {
        media_close(state->media);
    }
    if (state->calls != NULL) {
        call_close(state->calls);
    }
    registration_close(state->registrations);
    transaction_close(state->transactions);
    destination_close(state->destinations);
    server_close(state->servers);
    device_close(state->devices);
    proof_close(state->proof);
    free(state);
}

void state_budget(const struct state_limits *limits, struct budget *budget)
{
    struct transaction_limits transactions = transaction_limits_of(limits);
    struct registration_limits registrations = registration_limits_of(limits);
    struct call_limits calls = call_limits_of(limits);
    struct media_limits media = media_limits_of(limits);

    budget_add(budget, "addresses", limits->sources_max, proof_bytes_max(limits->sources_max));
    budget_add(budget, "accounts", limits->accounts_max, device_bytes_max(limits->accounts_max));
    budget_add(budget, "destinations", limits->destinations_max,
               destination_bytes_max(limits->destinations_max));
    budget_add(budget, "servers", limits->servers_max, server_bytes_max(limits->servers_max));
    budget_add(budget, "transactions", limits->transactions_max,
               transaction_bytes_max(&transactions));
    budget_add(budget, "attempts and bindings",
               (uint64_t)limits->attempts_max + limits->bindings_max,
               registration_bytes_max(&registrations));
    budget_add(budget, "calls", limits->calls_max, call_bytes_max(&calls));
    budget_add(budget, "media endpoints and streams",
               (uint64_t)limits->endpoints_max + limits->streams_max, media_bytes_max(&media));
}

/* --- SIP --- */

static void put(struct state *state, const struct change *change)
{
    state->sink.on_change(state->sink.owner, change);
}

/* State time never goes back; what streams and flows tell of themselves may lie behind it. */
static void move(struct state *state, uint64_t now_ns)
{
    if (now_ns > state->view.now_ns) {
        state->view.now_ns = now_ns;
    }
}

static void judge_direction(struct state *state)
{
    uint64_t fewer = state->requests < state->responses ? state->requests : state->responses;
    uint64_t more = state->requests + state->responses - fewer;

    state->view.one_way_capture =
        (fewer == 0 && more >= ONE_WAY_MESSAGES) || state->view.direction.one_way;
}

/* Who sent it is looked up only while one kind seems to be missing. */
static bool is_known(const struct state *state, const struct sighting *head, bool is_answer)
{
    struct proof_view known = {0};

    if (direction_doubts(&state->view.direction, is_answer)) {
        proof_ask(state->proof, &head->source, head->state_ns, &known);
    }
    return known.proven || known.good_accounts > 0 || known.is_server;
}

static void see_direction(struct state *state, const struct sip_sighting *sip, bool is_copy)
{
    direction_see(&state->view.direction, &sip->message, sip->head.transport == SIP_UDP, is_copy,
                  is_known(state, &sip->head, sip_is_response(&sip->message)));
}

static void see_answered(struct state *state, const struct sighting *head)
{
    direction_see_answered(&state->view.direction, is_known(state, head, false));
}

/* What the messages say of the capture itself. */
static void see_capture(struct state *state, const struct sip_message *message)
{
    if (sip_is_response(message)) {
        state->responses++;
    } else {
        state->requests++;
    }
    judge_direction(state);
    if ((message->flags & SIP_FLAG_CUT) != 0 &&
        sip_has_anomaly(message, ANOMALY_CAPTURE_TRUNCATED)) {
        state->cut++;
    }
    state->view.cut_messages = state->cut * LOSS_ONE_IN > state->requests + state->responses;
}

/* The final answer counts for account and source: the first one, at the lowest hop. */
static bool decides(const struct transaction_view *view)
{
    return view->is_first_final && view->transaction->ended && !view->transaction->upper_hop &&
           !view->transaction->request_invalid;
}

static void learn_success(struct state *state, const struct sip_sighting *sip,
                          const struct transaction *ended)
{
    const struct sip_message *message = &sip->message;
    uint64_t now_ns = sip->head.state_ns;
    bool binds = ended->method == SIP_METHOD_REGISTER && message->expires != 0 &&
                 message->contact.whole.bytes != 0 && message->contact_expires != 0;

    /* Who answers everybody does not look at a password: one that nobody asked for proves nothing,
     * and OPTIONS is answered to anybody. */
    bool accepted = ended->credentials_asked && ended->method != SIP_METHOD_OPTIONS;
    if (ended->status / 100 != 2 || (!accepted && !binds)) {
        return;
    }
    uint64_t agent =
        ended->user_agent.bytes == 0 ? 0 : hash_slice(state->view.key, ended->user_agent);
    device_success(state->devices, ended->account_hash, &ended->client.addr, ended->device_hash,
                   now_ns);
    if (agent != 0 && agent != ended->device_hash) {
        /* Known by its instance when it registers, and by its agent when it calls. */
        device_success(state->devices, ended->account_hash, &ended->client.addr, agent, now_ns);
    }
    struct proof_view known;
    proof_ask_hash(state->proof, sip->keys.destination, now_ns, &known);
    if (known.good_accounts == 0) {
        server_login(state->servers, sip->keys.source);
    }
    proof_good_account(state->proof, &ended->client.addr, ended->account_hash, now_ns);
}

static void see_sip(struct state *state, const struct sip_sighting *sip, bool forced)
{
    struct transaction_view view;

    see_capture(state, &sip->message);
    proof_see_sip(state->proof, sip);
    state->holding = true;
    transaction_see(state->transactions, sip, &view);
    state->holding = false;
    if (sip_is_response(&sip->message) && view.transaction != NULL &&
        view.transaction->started_ns != 0) {
        proof_see_answer(state->proof, sip, view.transaction->in_dialog);
    }
    server_see(state->servers, sip, &view, state->proof);
    see_direction(state, sip, view.is_retransmission);
    const struct change change = {
        .kind = CHANGE_MESSAGE,
        .forced = forced,
        .is_retransmission = view.is_retransmission,
        .time_ns = sip->head.state_ns,
        .number = sighting_number(&sip->head),
        .sip = sip,
        .transaction = view.transaction,
    };
    put(state, &change);
    if (state->holds) {
        state->holds = false;
        put(state, &state->held);
    }
    bool decided = decides(&view);
    if (decided && view.transaction->auth_failure) {
        device_failure(state->devices, view.transaction->account_hash,
                       &view.transaction->client.addr, sip->head.state_ns);
    }
    registration_see(state->registrations, sip, &view);
    uint32_t call = call_see(state->calls, sip, &view);
    if (sip->has_sdp && call != TABLE_NONE) {
        media_see_sdp(state->media, sip, call);
    }
    if (decided) {
        learn_success(state, sip, view.transaction);
    }
}

/* Misses of the cache are most of what a message costs here, and they need not wait for each other:
 * first the slots of all indexes, then the cells that they name, then what the cells name. */
void state_prefetch(struct state *state, const struct sighting *sighting, enum state_step step)
{
    const struct sip_sighting *sip = (const void *)sighting;

    if (sighting->kind != SIGHTING_SIP) {
        return;
    }
    const struct sip_keys *keys = &sip->keys;
    uint64_t heard = keys->heard_nonce != 0 ? keys->heard_nonce : keys->heard_tag;
    uint64_t asked = sip_is_response(&sip->message) ? keys->source : keys->destination;
    switch (step) {
    case STATE_FAR:
        table_prefetch(state->ahead.transactions, keys->transaction);
        table_prefetch(state->ahead.calls, keys->call_id);
        table_prefetch(state->ahead.sources, keys->source);
        table_prefetch(state->ahead.heard, heard);
        table_prefetch(state->ahead.servers, asked);
        if (sip->has_sdp) {
            media_prefetch(state->media, sip);
        }
        break;
    case STATE_NEAR:
        table_prefetch_cell(state->ahead.transactions, keys->transaction);
        table_prefetch_cell(state->ahead.calls, keys->call_id);
        table_prefetch_cell(state->ahead.sources, keys->source);
        table_prefetch_cell(state->ahead.heard, heard);
        break;
    case STATE_NEXT:
        transaction_prefetch(state->transactions, sip);
        call_prefetch(state->calls, sip);
        break;
    }
}

/* --- everything --- */

static void see_flow(struct state *state, const struct flow_sighting *flow, bool forced)
{
    const struct change change = {
        .kind = CHANGE_FLOW_ENDED,
        .forced = forced,
        .time_ns = state->view.now_ns,
        .flow = flow,
    };

    put(state, &change);
}

static void see_alive(struct state *state, const struct alive_sighting *alive)
{
    if (alive->newest_ns > state->view.flows_ns) {
        state->view.flows_ns = alive->newest_ns;
    }
    media_see_alive(state->media, alive);
}

void state_see(struct state *state, const struct sighting *sighting, bool forced)
{
    const void *whole = sighting;

    move(state, sighting->state_ns);
    if (sighting->kind != SIGHTING_STREAM && (sighting->key & 1) != 0) {
        state->view.heard_ns = state->view.now_ns;
    }
    switch ((enum sighting_kind)sighting->kind) {
    case SIGHTING_SIP:
        see_sip(state, whole, forced);
        break;
    case SIGHTING_STREAM:
        media_see_stream(state->media, whole, forced);
        break;
    case SIGHTING_ALIVE:
        see_alive(state, whole);
        break;
    case SIGHTING_RTCP:
        proof_see_rtcp(state->proof, whole);
        media_see_rtcp(state->media, whole);
        break;
    case SIGHTING_FLOW:
        see_flow(state, whole, forced);
        break;
    case SIGHTING_PROOF:
        proof_see_sighting(state->proof, whole);
        break;
    case SIGHTING_REFUSED:
        server_see_refused(state->servers, whole, state->proof);
        break;
    case SIGHTING_ANSWERED:
        see_answered(state, sighting);
        break;
    case SIGHTING_COUNTS:
    case SIGHTING_MARK:
    case SIGHTING_END:
        assert(false); /* these belong to the analyst */
        break;
    }
}

void state_mark(struct state *state, const struct mark_sighting *mark)
{
    move(state, mark->second * NS_PER_S);
    direction_mark(&state->view.direction, mark->second);
    judge_direction(state);
    if (mark->shift_ns != 0) {
        proof_shift(state->proof, mark->shift_ns);
        device_shift(state->devices, mark->shift_ns);
        destination_shift(state->destinations, mark->shift_ns);
    }
    transaction_mark(state->transactions, mark->second, mark->shift_ns);
    registration_mark(state->registrations, mark->second, mark->shift_ns);
    call_mark(state->calls, mark->second, mark->shift_ns);
    media_mark(state->media, mark->second, mark->shift_ns);
    server_mark(state->servers, mark->second, mark->shift_ns);
    const struct change change = {
        .kind = CHANGE_SECOND,
        .time_ns = mark->second * NS_PER_S,
        .second = mark->second,
    };
    put(state, &change);
}

void state_end(struct state *state, uint64_t now_ns)
{
    move(state, now_ns);
    transaction_end(state->transactions, now_ns);
    registration_end(state->registrations, now_ns);
    call_end(state->calls);
}

void state_counts(const struct state *state, struct state_counts *out_counts)
{
    *out_counts = (struct state_counts){
        .calls = call_used(state->calls),
        .bindings = registration_used(state->registrations),
        .transactions = transaction_used(state->transactions),
        .streams = media_used(state->media),
        .sources = proof_used(state->proof),
        .evicted = transaction_evicted(state->transactions) +
                   registration_evicted(state->registrations) + call_evicted(state->calls) +
                   media_evicted(state->media) + proof_evicted(state->proof) +
                   device_evicted(state->devices) + destination_evicted(state->destinations) +
                   server_evicted(state->servers),
    };
    registration_counts(state->registrations, &out_counts->registrations);
}

uint32_t state_parts(struct state *state, struct snapshot_part *parts, uint32_t room)
{
    assert(room >= STATE_PARTS);
    proof_part(state->proof, &parts[0]);
    device_part(state->devices, &parts[1]);
    registration_part(state->registrations, &parts[2]);
    destination_part(state->destinations, &parts[3]);
    return STATE_PARTS;
}

size_t state_kept_bytes_max(const struct state_limits *limits)
{
    return proof_kept_bytes_max(limits->sources_max) + device_kept_bytes_max(limits->accounts_max) +
           binding_kept_bytes_max(limits->bindings_max) +
           destination_kept_bytes_max(limits->destinations_max);
}

struct facts_view *state_facts_view(struct state *state)
{
    return &state->view;
}
