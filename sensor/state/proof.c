/* proof.c - five tables, all keyed by hashes:
 *
 *   sources    hash(address), hash(site)       when it was last proven, whether it answers, accounts
 *                                              with success
 *   heard      hash(address, kind, nonce|tag|STUN id)   nothing: that it is there says "sent there"
 *              hash(nonce)                     who got it; some servers give one nonce to all who ask
 *                                              within a second
 *   accounts   hash(address or site, account)  which entry of sources counts it; gone after 30 days
 *   segments   hash(TCP endpoints, this direction)      highest byte sent
 *   reports    hash(address, SSRC)             LSR values of the last SRs of that SSRC sent there
 *
 * A source gets its entry when something becomes known of it, never for a bare request: a flood of
 * forged requests leaves no trace here. What a proof rests on was chosen at random by the other
 * side and went to the address only, so a sender who cannot read what is sent there does not know
 * it.
 *
 * TCP: a segment that acknowledges what the other side has sent (at most TCP_WINDOW_MAX behind it)
 * proves its sender: he knows the other's sequence numbers. Both directions come as sightings of
 * their own, in any order.
 *
 * Doubt: credentials that come in an address's name with a nonce that was not sent there, or also to
 * somebody else, may be anybody's. So what that address seems to have done then is not held against
 * it (docs/definitions.md, echoed). Proven it may be all the same: somebody there is.
 *
 * Limits: doubt is only kept of an address that has an entry. A proof by RTCP wants one of the last REPORT_KEPT SRs of the stream. The count of
 * accounts is exact while their entries last; when they are evicted it falls. */
#include "sensor/state/proof.h"

#include "sensor/state/shift.h"
#include "sensor/state/site.h"

enum { REPORT_KEPT = 4, TCP_WINDOW_MAX = 1 << 20 };
enum { SALT_STUN = 3, SALT_HOLDER = 4 }; /* sip_keys.h has the other two */

struct source {
    uint64_t proven_ns; /* 0 = never */
    uint64_t doubted_ns; /* 0 = never */
    uint16_t good_accounts;
    bool is_server;
    bool is_peer;
};

/* Of a nonce: the hash of who got it, and of the proxy that passed it on to him. */
struct heard {
    uint64_t via; /* 0 = nobody */
    uint64_t end; /* SHARED: more than one got it */
};

#define SHARED UINT64_MAX

struct good {
    uint64_t source; /* hash of the entry that counts it */
};

struct segment {
    uint32_t sequence_end;
};

struct report {
    uint32_t sent[REPORT_KEPT]; /* 0 = none */
    uint32_t next;
};

struct proof_table {
    struct table sources;
    struct table heard;
    struct table accounts;
    struct table segments;
    struct table reports;
    struct hash_key key;
    uint64_t changes; /* of sources */
};

enum { TABLES = 5 };

static void forget_account(void *owner, uint32_t cell, void *at);

/* Table `index` of the struct and its shape; `table` may be NULL where only the shape is wanted. */
static struct table_options options_of(unsigned index, uint32_t sources_max,
                                       struct proof_table *table)
{
    static const struct {
        const char *name;
        uint32_t cell_bytes;
    } rows[TABLES] = {
        {"sources", sizeof(struct source)},           {"sent to sources", sizeof(struct heard)},
        {"accounts of sources", sizeof(struct good)}, {"TCP of sources", sizeof(struct segment)},
        {"RTCP of sources", sizeof(struct report)},
    };
    return (struct table_options){
        .name = rows[index].name,
        .cells_max = sources_max,
        .cell_bytes = rows[index].cell_bytes,
        .on_evict = index == 2 ? forget_account : NULL,
        .owner = table,
    };
}

static struct table *table_of(struct proof_table *table, unsigned index)
{
    struct table *tables[TABLES] = {&table->sources, &table->heard, &table->accounts,
                                    &table->segments, &table->reports};
    return tables[index];
}

enum status proof_open(uint32_t sources_max, struct hash_key key, struct proof_table **out_table,
                       struct error *error)
{
    struct proof_table *table = calloc(1, sizeof *table);

    if (table == NULL) {
        return error_system(error, STATUS_FAILED, "memory", "cannot make the table of sources");
    }
    table->key = key;
    table->changes = 1;
    for (unsigned index = 0; index < TABLES; index++) {
        struct table_options options = options_of(index, sources_max, table);
        enum status status = table_open(table_of(table, index), &options, error);
        if (status != STATUS_OK) {
            while (index > 0) {
                table_close(table_of(table, --index));
            }
            free(table);
            return status;
        }
    }
    *out_table = table;
    return STATUS_OK;
}

void proof_close(struct proof_table *table)
{
    if (table == NULL) {
        return;
    }
    for (unsigned index = 0; index < TABLES; index++) {
        table_close(table_of(table, index));
    }
    free(table);
}

size_t proof_bytes_max(uint32_t sources_max)
{
    size_t bytes = sizeof(struct proof_table);

    for (unsigned index = 0; index < TABLES; index++) {
        struct table_options options = options_of(index, sources_max, NULL);
        bytes += table_bytes_max(&options);
    }
    return bytes;
}

/* --- sources --- */

static uint64_t source_key(const struct proof_table *table, const struct addr *addr)
{
    return sip_keys_addr(table->key, addr);
}

static struct source *source_take(struct proof_table *table, uint64_t hash, const struct addr *addr,
                                  uint64_t now_ns)
{
    uint32_t cell = table_find(&table->sources, hash);

    if (cell == TABLE_NONE) {
        cell = table_add(&table->sources, hash, site_hash(table->key, addr), now_ns);
        table->changes++; /* another may have gone for it */
        table_strengthen(&table->sources, cell);
    } else if (time_since(now_ns, table_touched_ns(&table->sources, cell)) >= NS_PER_S) {
        /* Once a second is enough for an order of idleness. */
        table_touch(&table->sources, cell, now_ns);
    }
    return table_at(&table->sources, cell);
}

static void prove(struct proof_table *table, uint64_t hash, const struct addr *addr,
                  uint64_t now_ns)
{
    struct source *source = source_take(table, hash, addr, now_ns);

    source->proven_ns = now_ns == 0 ? 1 : now_ns;
    table->changes++;
}

/* --- what was sent to whom --- */

static void hear(struct proof_table *table, uint64_t key, const struct addr *addr, uint64_t now_ns)
{
    if (table_find(&table->heard, key) == TABLE_NONE) {
        table_add(&table->heard, key, site_hash(table->key, addr), now_ns);
    }
}

/* What came from the address was sent there before. */
static bool was_heard(const struct proof_table *table, uint64_t key)
{
    return table_find(&table->heard, key) != TABLE_NONE;
}

static uint64_t holder_key(const struct proof_table *table, uint64_t nonce)
{
    return sip_keys_heard(table->key, 0, SALT_HOLDER, nonce);
}

/* A nonce is on its way: to its end, or from a proxy further on to it. */
static void hold(struct proof_table *table, const struct sip_sighting *sip)
{
    const struct sip_keys *keys = &sip->keys;
    bool is_new;
    uint32_t cell =
        table_take(&table->heard, holder_key(table, keys->nonce),
                   site_hash(table->key, &sip->head.destination), sip->head.state_ns, &is_new);
    struct heard *heard = table_at(&table->heard, cell);

    if (is_new) {
        *heard = (struct heard){.end = keys->destination};
    } else if (keys->source == heard->end) {
        *heard = (struct heard){.via = heard->end, .end = keys->destination};
    } else if (keys->destination != heard->end && keys->destination != heard->via) {
        heard->end = SHARED;
    }
}

static bool is_shared(const struct proof_table *table, uint64_t nonce)
{
    uint32_t cell = table_find(&table->heard, holder_key(table, nonce));

    return cell != TABLE_NONE &&
           ((const struct heard *)table_at(&table->heard, cell))->end == SHARED;
}

static void doubt(struct proof_table *table, uint64_t hash, uint64_t now_ns)
{
    uint32_t cell = table_find(&table->sources, hash);

    if (cell != TABLE_NONE) {
        ((struct source *)table_at(&table->sources, cell))->doubted_ns = now_ns == 0 ? 1 : now_ns;
        table->changes++;
    }
}

const struct table *proof_sources(const struct proof_table *table)
{
    return &table->sources;
}

const struct table *proof_heard(const struct proof_table *table)
{
    return &table->heard;
}

void proof_see_sip(struct proof_table *table, const struct sip_sighting *sip)
{
    const struct sip_message *message = &sip->message;
    const struct sip_keys *keys = &sip->keys;
    bool with_nonce = (message->flags & SIP_FLAG_CREDENTIALS) != 0 && keys->heard_nonce != 0;

    if (sip_is_response(message)) {
        return;
    }
    bool echoes = with_nonce && was_heard(table, keys->heard_nonce);
    if ((keys->heard_tag != 0 && was_heard(table, keys->heard_tag)) || echoes) {
        prove(table, keys->source, &sip->head.source, sip->head.state_ns);
    }
    if ((message->flags & SIP_FLAG_CREDENTIALS) != 0 &&
        (!echoes || is_shared(table, keys->nonce))) {
        doubt(table, keys->source, sip->head.state_ns);
    }
}

bool proof_was_sent(const struct proof_table *table, const struct addr *addr, uint64_t nonce)
{
    return nonce != 0 && was_heard(table, sip_keys_heard(table->key, source_key(table, addr),
                                                         SIP_KEYS_SALT_NONCE, nonce));
}

void proof_see_answer(struct proof_table *table, const struct sip_sighting *sip, bool in_dialog)
{
    const struct sip_message *message = &sip->message;
    const struct sip_keys *keys = &sip->keys;
    const struct addr *to = &sip->head.destination;
    uint64_t now_ns = sip->head.state_ns;

    struct source *server = source_take(table, keys->source, &sip->head.source, now_ns);
    if (!server->is_server) {
        server->is_server = true;
        table->changes++;
    }
    if (!in_dialog && !server->is_peer) {
        /* Any stranger whose call was taken is sent a BYE, and answers it. */
        server->is_peer = true;
        table->changes++;
    }
    bool makes_dialog =
        message->method == SIP_METHOD_INVITE || message->method == SIP_METHOD_SUBSCRIBE;
    if (makes_dialog && !in_dialog && message->status > 100 && keys->heard_tag != 0) {
        hear(table, keys->heard_tag, to, now_ns);
    }
    if ((message->flags & SIP_FLAG_CHALLENGE) != 0 && keys->heard_nonce != 0) {
        hear(table, keys->heard_nonce, to, now_ns);
        hold(table, sip);
    }
}

/* --- TCP and STUN --- */

static uint64_t segment_key(const struct proof_table *table, const struct addr *from,
                            uint16_t from_port, const struct addr *to, uint16_t to_port)
{
    struct endpoint sender = {.addr = *from, .port = from_port};
    struct endpoint receiver = {.addr = *to, .port = to_port};

    return hash_mix(hash_endpoint(table->key, &sender), hash_endpoint(table->key, &receiver));
}

static void see_tcp(struct proof_table *table, const struct proof_sighting *sighting)
{
    const struct sighting *head = &sighting->head;
    bool is_new;

    uint32_t cell = table_take(&table->segments,
                               segment_key(table, &head->source, head->source_port,
                                           &head->destination, head->destination_port),
                               site_hash(table->key, &head->source), head->state_ns, &is_new);
    if (!is_new) {
        table_touch(&table->segments, cell, head->state_ns);
    }
    struct segment *sent = table_at(&table->segments, cell);
    sent->sequence_end = sighting->sequence_end;
    cell =
        table_find(&table->segments, segment_key(table, &head->destination, head->destination_port,
                                                 &head->source, head->source_port));
    if (cell == TABLE_NONE || sighting->acknowledged == 0) {
        return;
    }
    const struct segment *other = table_at(&table->segments, cell);
    if (other->sequence_end - sighting->acknowledged <= TCP_WINDOW_MAX) {
        prove(table, source_key(table, &head->source), &head->source, head->state_ns);
    }
}

void proof_see_sighting(struct proof_table *table, const struct proof_sighting *sighting)
{
    const struct sighting *head = &sighting->head;

    if (sighting->proof == PROOF_TCP) {
        see_tcp(table, sighting);
        return;
    }
    uint64_t transaction =
        hash_bytes(table->key, sighting->transaction, sizeof sighting->transaction);
    const struct addr *told = sighting->answer ? &head->source : &head->destination;
    uint64_t key = sip_keys_heard(table->key, source_key(table, told), SALT_STUN, transaction);
    if (!sighting->answer) {
        hear(table, key, told, head->state_ns);
    } else if (was_heard(table, key)) {
        prove(table, source_key(table, &head->source), &head->source, head->state_ns);
    }
}

/* --- RTCP --- */

static uint64_t report_key(const struct proof_table *table, const struct addr *addr, uint32_t ssrc)
{
    return hash_mix(source_key(table, addr), ssrc);
}

void proof_see_rtcp(struct proof_table *table, const struct rtcp_sighting *sighting)
{
    const struct sighting *head = &sighting->head;
    const struct rtcp_view *view = &sighting->view;

    if (view->encrypted) {
        return;
    }
    for (unsigned i = 0; i < view->report_count; i++) {
        const struct rtcp_report *about = &view->reports[i];
        uint32_t cell =
            about->last_sr == 0
                ? TABLE_NONE
                : table_find(&table->reports, report_key(table, &head->source, about->ssrc));
        const struct report *report = cell == TABLE_NONE ? NULL : table_at(&table->reports, cell);
        for (unsigned k = 0; report != NULL && k < REPORT_KEPT; k++) {
            if (report->sent[k] == about->last_sr) {
                prove(table, source_key(table, &head->source), &head->source, head->state_ns);
                break;
            }
        }
    }
    uint32_t middle = (uint32_t)(view->ntp >> 16);
    if (view->has_sender_info && middle != 0) {
        bool is_new;
        uint32_t cell =
            table_take(&table->reports, report_key(table, &head->destination, view->sender),
                       site_hash(table->key, &head->destination), head->state_ns, &is_new);
        if (!is_new) {
            table_touch(&table->reports, cell, head->state_ns);
        }
        struct report *report = table_at(&table->reports, cell);
        report->sent[report->next++ % REPORT_KEPT] = middle;
    }
}

/* --- accounts with success --- */

static void forget_account(void *owner, uint32_t cell, void *at)
{
    struct proof_table *table = owner;
    const struct good *good = at;
    (void)cell;

    table->changes++;
    uint32_t source = table_find(&table->sources, good->source);
    if (source != TABLE_NONE) {
        struct source *counted = table_at(&table->sources, source);
        if (counted->good_accounts > 0) {
            counted->good_accounts--;
        }
    }
}

static void count_account(struct proof_table *table, uint64_t source_hash, const struct addr *addr,
                          uint64_t account_hash, uint64_t now_ns)
{
    uint64_t hash = hash_mix(source_hash, account_hash);
    uint32_t cell = table_find(&table->accounts, hash);

    if (cell != TABLE_NONE) {
        table_touch(&table->accounts, cell, now_ns);
        return;
    }
    cell = table_add(&table->accounts, hash, site_hash(table->key, addr), now_ns);
    table->changes++;
    struct good *good = table_at(&table->accounts, cell);
    good->source = source_hash;
    struct source *source = source_take(table, source_hash, addr, now_ns);
    if (source->good_accounts < UINT16_MAX) {
        source->good_accounts++;
    }
}

void proof_good_account(struct proof_table *table, const struct addr *addr, uint64_t account_hash,
                        uint64_t now_ns)
{
    for (uint32_t oldest = table->accounts.oldest[0];
         oldest != TABLE_NONE &&
         time_since(now_ns, table_touched_ns(&table->accounts, oldest)) > PROOF_GOOD_NS;
         oldest = table->accounts.oldest[0]) {
        forget_account(table, oldest, table_at(&table->accounts, oldest));
        table_give(&table->accounts, oldest);
    }
    if (account_hash != 0) {
        count_account(table, source_key(table, addr), addr, account_hash, now_ns);
        count_account(table, site_hash(table->key, addr), addr, account_hash, now_ns);
    }
}

/* --- questions --- */

void proof_ask_hash(const struct proof_table *table, uint64_t addr_hash, uint64_t now_ns,
                    struct proof_view *out_view)
{
    *out_view = (struct proof_view){.good_accounts = 0};
    uint32_t cell = table_find(&table->sources, addr_hash);
    if (cell != TABLE_NONE) {
        const struct source *source = table_at(&table->sources, cell);
        out_view->proven =
            source->proven_ns != 0 && time_since(now_ns, source->proven_ns) <= PROOF_VALID_NS;
        out_view->doubted_ns = source->doubted_ns;
        out_view->is_server = source->is_server;
        out_view->is_peer = source->is_peer;
        out_view->good_accounts = source->good_accounts;
    }
}

void proof_ask(const struct proof_table *table, const struct addr *addr, uint64_t now_ns,
               struct proof_view *out_view)
{
    proof_ask_hash(table, source_key(table, addr), now_ns, out_view);
}

uint16_t proof_ask_site(const struct proof_table *table, const struct addr *addr)
{
    uint32_t cell = table_find(&table->sources, site_hash(table->key, addr));
    const struct source *site = cell == TABLE_NONE ? NULL : table_at(&table->sources, cell);

    return site == NULL ? 0 : site->good_accounts;
}

void proof_shift(struct proof_table *table, uint64_t shift_ns)
{
    for (unsigned index = 0; index < TABLES; index++) {
        shift_table(table_of(table, index), shift_ns);
    }
    for (uint32_t cell = table_next(&table->sources, 0); cell != TABLE_NONE;
         cell = table_next(&table->sources, cell + 1)) {
        struct source *source = table_at(&table->sources, cell);
        shift_time(&source->proven_ns, shift_ns);
        shift_time(&source->doubted_ns, shift_ns);
    }
    table->changes++;
}

/* --- over a restart --- */

static void save(const void *owner, struct snapshot_out *out)
{
    const struct proof_table *table = owner;

    snapshot_put_count(out, table->sources.used);
    for (uint32_t cell = snapshot_next_entry(&table->sources, TABLE_NONE); cell != TABLE_NONE;
         cell = snapshot_next_entry(&table->sources, cell)) {
        const struct source *source = table_at(&table->sources, cell);
        snapshot_put_entry(out, &table->sources, cell);
        snapshot_put_u64(out, source->proven_ns);
        snapshot_put_u32(out, source->good_accounts);
        snapshot_put_u32(out, (uint32_t)source->is_server + 2U * source->is_peer);
    }
    snapshot_put_count(out, table->accounts.used);
    for (uint32_t cell = snapshot_next_entry(&table->accounts, TABLE_NONE); cell != TABLE_NONE;
         cell = snapshot_next_entry(&table->accounts, cell)) {
        const struct good *good = table_at(&table->accounts, cell);
        snapshot_put_entry(out, &table->accounts, cell);
        snapshot_put_u64(out, good->source);
    }
}

/* Nothing is younger than the run that takes it up. */
static bool get_head(struct snapshot_in *in, struct snapshot_entry *head)
{
    if (!snapshot_get(in, head, sizeof *head)) {
        return false;
    }
    in->future += snapshot_is_future(in, head->touched_ns);
    head->touched_ns = head->touched_ns < in->now_ns ? head->touched_ns : in->now_ns;
    return true;
}

static void load_source(struct proof_table *table, struct snapshot_in *in)
{
    struct snapshot_entry head = {.hash = 0};
    bool good = get_head(in, &head);
    uint64_t proven_ns = snapshot_get_u64(in);
    bool has_accounts = snapshot_get_u32(in) != 0;
    uint32_t answers = snapshot_get_u32(in);
    bool is_server = answers != 0;
    bool proven =
        proven_ns != 0 && proven_ns <= in->now_ns && in->now_ns - proven_ns <= PROOF_VALID_NS;

    if (!good || in->failed || (!proven && !has_accounts && !is_server)) {
        return;
    }
    uint32_t cell = snapshot_take_entry(&table->sources, &head);
    if (cell != TABLE_NONE) {
        struct source *source = table_at(&table->sources, cell);
        *source = (struct source){
            .proven_ns = proven ? proven_ns : 0, .is_server = is_server, .is_peer = answers >= 2};
    }
}

/* Accounts are counted again: so the count of a source is that of its entries. */
static void load_account(struct proof_table *table, struct snapshot_in *in)
{
    struct snapshot_entry head = {.hash = 0};
    bool good = get_head(in, &head);
    uint64_t hash = snapshot_get_u64(in);
    uint32_t source = table_find(&table->sources, hash);

    if (!good || in->failed || source == TABLE_NONE ||
        time_since(in->now_ns, head.touched_ns) > PROOF_GOOD_NS) {
        return;
    }
    uint32_t cell = snapshot_take_entry(&table->accounts, &head);
    if (cell != TABLE_NONE) {
        struct source *counted = table_at(&table->sources, source);
        ((struct good *)table_at(&table->accounts, cell))->source = hash;
        counted->good_accounts =
            (uint16_t)(counted->good_accounts + (counted->good_accounts < UINT16_MAX));
    }
}

static bool load(void *owner, struct snapshot_in *in)
{
    struct proof_table *table = owner;
    uint32_t count = snapshot_get_u32(in);

    for (uint32_t i = 0; i < count && !in->failed; i++) {
        load_source(table, in);
    }
    count = snapshot_get_u32(in);
    for (uint32_t i = 0; i < count && !in->failed; i++) {
        load_account(table, in);
    }
    table->changes++;
    return !in->failed;
}

size_t proof_kept_bytes_max(uint32_t sources_max)
{
    size_t source = sizeof(struct snapshot_entry) + 2 * sizeof(uint64_t);
    size_t account = sizeof(struct snapshot_entry) + sizeof(uint64_t);

    return 2 * sizeof(uint32_t) + sources_max * (source + account);
}

void proof_part(struct proof_table *table, struct snapshot_part *out_part)
{
    *out_part =
        (struct snapshot_part){.name = "addresses",
                               .version = 1,
                               .owner = table,
                               .bytes_max = proof_kept_bytes_max(table->sources.options.cells_max),
                               .save = save,
                               .load = load};
}

uint64_t proof_changes(const struct proof_table *table)
{
    return table->changes;
}

uint64_t proof_evicted(const struct proof_table *table)
{
    return table->sources.evicted + table->heard.evicted + table->accounts.evicted +
           table->segments.evicted + table->reports.evicted;
}

uint32_t proof_used(const struct proof_table *table)
{
    return table->sources.used;
}
