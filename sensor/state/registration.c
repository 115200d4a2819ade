/* registration.c - attempts for the figures, chains for what is told, bindings for who is where.
 *
 *   attempts   (Call-ID, CSeq)   flags, last final status; 64 B, stays until the table is full
 *   chains     Call-ID           the request in flight, its failures; 160 B, goes after 32 s of quiet
 *   refusals   texts of a chain whose refusal is told later: a slab, a quarter of the chains
 *   bindings   binding.c
 *
 * The figures (attempts, succeeded, failed) are sums over attempts and change when a later answer
 * of the same attempt changes what it counts for: another hop, a fork, a registrar that thinks
 * again. An attempt is one whatever number of hops shows it. A failure with an old nonce counts
 * until the same Call-ID succeeds: the chain remembers how many of those there are and takes them
 * back; `epoch` tells an attempt that this has happened.
 *
 * A chain that holds such failures is made strong in its table and stays beyond its 32 s, until it
 * is evicted.
 *
 * Challenges, redirections and Retry-After class answers (302, 305, 420, 423, 439, 494, 503) end
 * nothing: the client is expected to come again. An answer without its request still makes a
 * binding: where only answers are seen, the 200 tells who is where.
 *
 * Limits: two REGISTERs of one Call-ID in flight at once share the chain's values of the later one.
 */
#include "sensor/state/registration_inside.h"

#include "sensor/state/account.h"
#include "sensor/state/shift.h"
#include "sensor/state/site.h"

enum attempt_flag {
    ATTEMPT_REQUEST = 1 << 0,
    ATTEMPT_CREDENTIALS = 1 << 1,
    ATTEMPT_SUCCESS = 1 << 2,
    ATTEMPT_OLD_NONCE = 1 << 3,
    ATTEMPT_EXCUSED = 1 << 4,
    /* what it is counted as */
    ATTEMPT_IS_ATTEMPT = 1 << 5,
    ATTEMPT_IS_SUCCESS = 1 << 6,
    ATTEMPT_IS_FAILURE = 1 << 7,
};

struct attempt {
    uint16_t flags;
    uint16_t status; /* last final; 0 = none */
    uint16_t epoch; /* of the chain when it failed */
    uint16_t reserved;
};

#define QUIET_NS TRANSACTION_TIMEOUT_NS
#define TELL_AGAIN_NS NS_PER_MINUTE

/* --- open and close --- */

static void forget_chain(void *owner, uint32_t at, void *user)
{
    struct registration_table *table = owner;
    struct chain *chain = user;
    (void)at;

    if (chain->refusal != 0) {
        slab_give(&table->refusals, chain->refusal - 1);
        chain->refusal = 0;
    }
}

static struct table_options attempts_of(const struct registration_limits *limits)
{
    return (struct table_options){
        .name = "registration attempts",
        .cells_max = limits->attempts_max,
        .cell_bytes = sizeof(struct attempt),
    };
}

static struct table_options chains_of(const struct registration_limits *limits,
                                      struct registration_table *table)
{
    return (struct table_options){
        .name = "registration chains",
        .cells_max = limits->attempts_max,
        .cell_bytes = sizeof(struct chain),
        .on_evict = forget_chain,
        .owner = table,
    };
}

static uint32_t refusals_max(const struct registration_limits *limits)
{
    return limits->attempts_max / 4 + 1;
}

enum status registration_open(const struct registration_limits *limits, struct change_sink sink,
                              struct device_table *devices, struct registration_table **out_table,
                              struct error *error)
{
    struct registration_table *table = calloc(1, sizeof *table);

    if (table == NULL) {
        return error_system(error, STATUS_FAILED, "memory",
                            "cannot make the table of registrations");
    }
    table->sink = sink;
    table->key = limits->key;
    table->devices = devices;
    struct table_options attempts = attempts_of(limits);
    enum status status = table_open(&table->attempts, &attempts, error);
    if (status != STATUS_OK) {
        goto no_attempts;
    }
    struct table_options chains = chains_of(limits, table);
    status = table_open(&table->chains, &chains, error);
    if (status != STATUS_OK) {
        goto no_chains;
    }
    status = slab_open(&table->refusals, refusals_max(limits), sizeof(struct refusal), error);
    if (status != STATUS_OK) {
        goto no_refusals;
    }
    status = binding_open(limits->bindings_max, limits->key, &table->bindings, error);
    if (status != STATUS_OK) {
        goto no_bindings;
    }
    status = order_open(limits->attempts_max, &table->order, error);
    if (status != STATUS_OK) {
        goto no_order;
    }
    *out_table = table;
    return STATUS_OK;

no_order:
    binding_close(table->bindings);
no_bindings:
    slab_close(&table->refusals);
no_refusals:
    table_close(&table->chains);
no_chains:
    table_close(&table->attempts);
no_attempts:
    free(table);
    return status;
}

void registration_close(struct registration_table *table)
{
    if (table == NULL) {
        return;
    }
    order_close(&table->order);
    binding_close(table->bindings);
    slab_close(&table->refusals);
    table_close(&table->chains);
    table_close(&table->attempts);
    free(table);
}

size_t registration_bytes_max(const struct registration_limits *limits)
{
    struct table_options attempts = attempts_of(limits);
    struct table_options chains = chains_of(limits, NULL);

    return sizeof(struct registration_table) + table_bytes_max(&attempts) +
           table_bytes_max(&chains) +
           (size_t)refusals_max(limits) * (sizeof(struct refusal) + sizeof(uint32_t)) +
           binding_bytes_max(limits->bindings_max) + order_bytes_max(limits->attempts_max);
}

/* --- figures --- */

static bool is_challenge(uint16_t status)
{
    return status == 401 || status == 407;
}

static void count_as(struct attempt *attempt, uint16_t flag, bool is, uint64_t *count)
{
    if (is && (attempt->flags & flag) == 0) {
        attempt->flags |= flag;
        (*count)++;
    } else if (!is && (attempt->flags & flag) != 0) {
        attempt->flags &= (uint16_t)~flag;
        (*count)--;
    }
}

/* Brings the sums up to what the attempt is now. */
static void count(struct registration_table *table, struct attempt *attempt, struct chain *chain)
{
    uint16_t flags = attempt->flags;
    bool seen = (flags & ATTEMPT_REQUEST) != 0;
    bool counted = (flags & ATTEMPT_IS_FAILURE) != 0;
    bool excusable = counted && (flags & ATTEMPT_OLD_NONCE) != 0;

    if (excusable && attempt->epoch != chain->epoch) {
        /* The chain has taken it back. */
        attempt->flags = (uint16_t)((flags & ~ATTEMPT_IS_FAILURE) | ATTEMPT_EXCUSED);
        excusable = false;
    }
    count_as(attempt, ATTEMPT_IS_ATTEMPT, seen, &table->counts.attempts);
    count_as(attempt, ATTEMPT_IS_SUCCESS, seen && (flags & ATTEMPT_SUCCESS) != 0,
             &table->counts.succeeded);
    bool failed = seen && attempt->status >= 300 &&
                  !(is_challenge(attempt->status) && (flags & ATTEMPT_CREDENTIALS) == 0) &&
                  (attempt->flags & ATTEMPT_EXCUSED) == 0;
    count_as(attempt, ATTEMPT_IS_FAILURE, failed, &table->counts.failed);
    bool now_excusable =
        (attempt->flags & ATTEMPT_IS_FAILURE) != 0 && (attempt->flags & ATTEMPT_OLD_NONCE) != 0;
    if (now_excusable && !excusable) {
        attempt->epoch = chain->epoch;
        chain->excusable++;
    } else if (excusable && !now_excusable) {
        chain->excusable--;
    }
}

/* --- cells --- */

static struct attempt *attempt_of(struct registration_table *table, uint64_t call_id_hash,
                                  const struct sip_sighting *sip)
{
    const struct sip_message *message = &sip->message;
    const struct addr *client =
        sip_is_response(message) ? &sip->head.destination : &sip->head.source;
    uint64_t cseq = message->has_cseq ? message->cseq : UINT64_MAX;
    bool is_new;
    uint32_t at = table_take(&table->attempts, hash_mix(call_id_hash, cseq),
                             site_hash(table->key, client), table->now_ns, &is_new);

    if (!is_new) {
        table_touch(&table->attempts, at, table->now_ns);
    }
    return table_at(&table->attempts, at);
}

static struct chain *chain_of(struct registration_table *table, uint64_t call_id_hash,
                              const struct sip_sighting *sip)
{
    const struct addr *client =
        sip_is_response(&sip->message) ? &sip->head.destination : &sip->head.source;
    bool is_new;
    uint32_t at = table_take(&table->chains, call_id_hash, site_hash(table->key, client),
                             table->now_ns, &is_new);

    if (!is_new) {
        table_touch(&table->chains, at, table->now_ns);
    }
    return table_at(&table->chains, at);
}

/* --- requests --- */

/* host[:port] names an address that is not the packet's own. */
static bool is_other_address(struct slice host, const struct addr *own)
{
    struct addr named;
    struct slice bare = host;

    if (host.bytes > 0 && host.at[0] == '[') {
        bare = slice_part(host, 1, slice_find(host, ']'));
    } else {
        bare = slice_part(host, 0, slice_find(host, ':'));
    }
    return addr_parse(bare, &named) && !addr_equal(&named, own);
}

static void chain_start(struct registration_table *table, struct chain *chain,
                        const struct sip_sighting *sip)
{
    chain->started_ns = table->now_ns == 0 ? 1 : table->now_ns;
    chain->number = sighting_number(&sip->head);
    chain->first_failure_ns = 0;
    chain->rounds = 0;
    chain->flags = 0;
}

static void chain_request(struct registration_table *table, struct chain *chain,
                          const struct sip_sighting *sip, uint64_t device_hash)
{
    const struct sip_message *message = &sip->message;
    const struct sighting *head = &sip->head;

    chain->cseq = message->cseq;
    chain->vias = message->vias;
    chain->client = (struct endpoint){.addr = head->source, .port = head->source_port};
    chain->server = (struct endpoint){.addr = head->destination, .port = head->destination_port};
    chain->interface = head->interface;
    chain->transport = message->transport;
    chain->device_hash = device_hash;
    chain->requested_expires_s =
        message->contact_expires != UINT32_MAX ? message->contact_expires : message->expires;
    chain->contact_tag = message->contact.whole.bytes == 0
                             ? 0
                             : registration_contact_tag(table, message->raw, &message->contact);
    bool star = (message->flags & SIP_FLAG_CONTACT_STAR) != 0;
    bool asks = message->contact.whole.bytes == 0 && !star;
    bool nat = is_other_address(sip_part(message, message->contact.host), &head->source) ||
               (message->vias <= 1 &&
                is_other_address(sip_part(message, message->sent_by), &head->source));
    chain->flags &= CHAIN_STALE | CHAIN_REFUSED;
    chain->flags |=
        (uint8_t)((nat ? CHAIN_NAT : 0) | (star ? CHAIN_STAR : 0) | (asks ? CHAIN_ASKS : 0) |
                  (star || (!asks && chain->requested_expires_s == 0) ? CHAIN_REMOVES : 0) |
                  ((message->flags & SIP_FLAG_CREDENTIALS) != 0 ? CHAIN_CREDENTIALS : 0));
}

static void see_request(struct registration_table *table, const struct sip_sighting *sip,
                        uint64_t call_id_hash, const struct transaction *transaction)
{
    const struct sip_message *message = &sip->message;
    struct attempt *attempt = attempt_of(table, call_id_hash, sip);
    struct chain *chain = chain_of(table, call_id_hash, sip);
    bool first = (attempt->flags & ATTEMPT_REQUEST) == 0;
    uint64_t account = account_hash(table->key, sip_part(message, message->to.user),
                                    sip_part(message, message->to.host));
    uint64_t device = transaction == NULL ? 0 : transaction->device_hash;

    bool other_account = first && chain->started_ns != 0 && chain->account_hash != account;
    if (other_account && (chain->flags & CHAIN_REFUSED) != 0) {
        registration_tell_kept(table, chain, false);
    }
    if (other_account) {
        chain->attempts = 0; /* one Call-ID for many accounts: a chain for each */
    }
    if (chain->started_ns == 0 || other_account) {
        chain_start(table, chain, sip);
    }
    chain->account_hash = account;
    attempt->flags |= ATTEMPT_REQUEST;
    if ((message->flags & SIP_FLAG_CREDENTIALS) != 0) {
        attempt->flags |= ATTEMPT_CREDENTIALS;
    }
    /* A new transaction of the lowest hop is a new try, also with a CSeq that was there before. */
    bool same_hop = transaction != NULL && !transaction->upper_hop && message->vias >= chain->vias;
    if (first || same_hop) {
        chain->attempts++;
    }
    if (first || same_hop || (chain->cseq == message->cseq && message->vias < chain->vias)) {
        chain_request(table, chain, sip, device);
    }
    count(table, attempt, chain);
}

/* --- answers --- */

/* The client is expected to come again, changed. */
static bool invites_retry(uint16_t status)
{
    static const uint16_t kinds[] = {302, 305, 420, 423, 439, 494, 503};

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (kinds[i] == status) {
            return true;
        }
    }
    return false;
}

static void refuse(struct registration_table *table, const struct registration_step *step,
                   bool has_credentials)
{
    struct chain *chain = step->chain;
    uint16_t status = step->sip->message.status;

    if (is_challenge(status)) {
        if (chain->rounds < UINT8_MAX) {
            chain->rounds++;
        }
        if (!has_credentials) {
            return;
        }
        if (step->transaction != NULL && step->transaction->stale) {
            chain->flags |= CHAIN_STALE;
            return;
        }
    } else if (invites_retry(status)) {
        return;
    }
    if (chain->first_failure_ns == 0) {
        chain->first_failure_ns = table->now_ns;
    }
    if (!is_challenge(status)) {
        registration_tell_refusal(table, step);
        return;
    }
    if ((chain->flags & CHAIN_REFUSED) == 0) {
        chain->told_ns = table->now_ns;
    }
    if (!registration_tell_keep(table, step)) {
        registration_tell_refusal(table, step);
    } else if (time_since(table->now_ns, chain->told_ns) >= TELL_AGAIN_NS) {
        registration_tell_kept(table, chain, false);
    }
}

static void succeed(struct registration_table *table, const struct registration_step *step)
{
    struct chain *chain = step->chain;

    table->counts.failed -= chain->excusable;
    chain->excusable = 0;
    chain->epoch++;
    registration_tell_success(table, step);
    forget_chain(table, 0, chain);
    chain->started_ns = 0;
    chain->attempts = 0;
    chain->flags = 0;
    chain->rounds = 0;
    chain->first_failure_ns = 0;
}

static void see_final(struct registration_table *table, const struct sip_sighting *sip,
                      uint64_t call_id_hash, const struct transaction_view *view)
{
    const struct sip_message *message = &sip->message;
    const struct transaction *transaction = view->transaction;
    struct attempt *attempt = attempt_of(table, call_id_hash, sip);
    struct chain *chain = chain_of(table, call_id_hash, sip);
    bool success = message->status / 100 == 2;
    /* The client's own hop ends the try; other hops and copies only bear on the figures. */
    bool ends = view->is_first_final && !transaction->upper_hop;

    if (view->promoted) {
        /* The invalid request was taken up: now it is an attempt. */
        attempt->flags |= ATTEMPT_REQUEST;
        if (transaction->has_credentials) {
            attempt->flags |= ATTEMPT_CREDENTIALS;
        }
        chain->account_hash = transaction->account_hash;
        chain->attempts++;
    }
    struct registration_step step = {
        .sip = sip,
        .transaction = transaction,
        .chain = chain,
        .in_flight = chain->started_ns != 0 && chain->cseq == message->cseq &&
                     (attempt->flags & ATTEMPT_REQUEST) != 0 && !view->promoted,
    };
    if (chain->started_ns == 0) {
        chain_start(table, chain, sip);
    }
    attempt->status = message->status;
    if (success) {
        attempt->flags |= ATTEMPT_SUCCESS;
    } else if (transaction != NULL && transaction->stale) {
        attempt->flags |= ATTEMPT_OLD_NONCE;
    }
    chain->status = message->status;
    count(table, attempt, chain);
    if (ends && success) {
        succeed(table, &step);
    } else if (ends && (attempt->flags & ATTEMPT_REQUEST) != 0) {
        refuse(table, &step, transaction->has_credentials);
    }
}

void registration_see(struct registration_table *table, const struct sip_sighting *sip,
                      const struct transaction_view *transaction)
{
    const struct sip_message *message = &sip->message;

    if (message->method != SIP_METHOD_REGISTER || sip->keys.call_id == 0) {
        return;
    }
    table->now_ns = sip->head.state_ns;
    uint64_t hash = sip->keys.call_id;
    if (!sip_is_response(message)) {
        /* An invalid one waits in its transaction until somebody takes it up. */
        if (message->verdict != SIP_INVALID && !transaction->is_retransmission) {
            see_request(table, sip, hash, transaction->transaction);
        }
    } else if (message->status >= 200) {
        bool held = transaction->transaction != NULL && transaction->transaction->request_invalid;
        if (!held) {
            see_final(table, sip, hash, transaction);
        }
    }
}

/* --- marks and the end --- */

static void shift(struct registration_table *table, uint64_t shift_ns)
{
    shift_table(&table->attempts, shift_ns);
    shift_table(&table->chains, shift_ns);
    binding_shift(table->bindings, shift_ns);
    for (uint32_t at = table_next(&table->chains, 0); at != TABLE_NONE;
         at = table_next(&table->chains, at + 1)) {
        struct chain *chain = table_at(&table->chains, at);
        shift_time(&chain->started_ns, shift_ns);
        shift_time(&chain->first_failure_ns, shift_ns);
        shift_time(&chain->told_ns, shift_ns);
    }
}

void registration_mark(struct registration_table *table, uint64_t mark_s, uint64_t shift_ns)
{
    table->now_ns = mark_s * NS_PER_S;
    if (shift_ns != 0) {
        shift(table, shift_ns);
    }
    struct binding expired;
    while (binding_expire(table->bindings, mark_s, &expired)) {
        registration_tell_expired(table, &expired);
    }
    for (uint32_t at = table->chains.oldest[0];
         at != TABLE_NONE &&
         time_since(table->now_ns, table_touched_ns(&table->chains, at)) >= QUIET_NS;
         at = table->chains.oldest[0]) {
        struct chain *chain = table_at(&table->chains, at);
        if ((chain->flags & CHAIN_REFUSED) != 0) {
            registration_tell_kept(table, chain, false);
        }
        forget_chain(table, at, chain);
        if (chain->excusable > 0) {
            chain->started_ns = 0;
            table_strengthen(&table->chains, at);
        } else {
            table_give(&table->chains, at);
        }
    }
}

void registration_end(struct registration_table *table, uint64_t now_ns)
{
    table->now_ns = now_ns;
    for (uint32_t at = table_next(&table->chains, 0); at != TABLE_NONE;
         at = table_next(&table->chains, at + 1)) {
        const struct chain *chain = table_at(&table->chains, at);
        if ((chain->flags & CHAIN_REFUSED) != 0) {
            order_put(&table->order, chain->number, at);
        }
    }
    const struct order_entry *open = order_sort(&table->order);
    for (size_t i = 0; i < table->order.count; i++) {
        registration_tell_kept(table, table_at(&table->chains, open[i].cell), true);
    }
    order_close(&table->order);
}

/* --- questions --- */

void registration_part(struct registration_table *table, struct snapshot_part *out_part)
{
    binding_part(table->bindings, out_part);
}

bool registration_is_bound(const struct registration_table *table, uint64_t account_hash,
                           const struct addr *addr)
{
    return binding_is_there(table->bindings, account_hash, addr);
}

void registration_counts(const struct registration_table *table,
                         struct registration_counts *out_counts)
{
    *out_counts = table->counts;
}

uint64_t registration_evicted(const struct registration_table *table)
{
    return table->attempts.evicted + table->chains.evicted + binding_evicted(table->bindings);
}

uint32_t registration_used(const struct registration_table *table)
{
    return binding_used(table->bindings);
}
