/* nonces.c - nonces by order of issue, and a ration of excuses.
 *
 *   nonces    hash of the nonce            -> [order of issue 32 | user of its last success 32]
 *   clients   hash of (address, account)   -> [order of the last one issued 32 | excuses 16]
 *             hash of (address)            -> [                                | excuses 16]
 *
 * A nonce is old when
 *   - it succeeded before, for the same user; or
 *   - a later one was issued to this address for this account; or
 *   - nobody was ever seen to get it, and this client got none so far: the capture began in the
 * middle. A nonce that nobody got and a client that got others is no excuse: whoever guesses
 * passwords could make up nonces.
 *
 * Why a ration. Somebody who guesses could collect nonces first and use each when a newer one is
 * out: every guess would look old. An honest client that is told so succeeds with the next request,
 * which gives its ration back. So a client has EXCUSES_CLIENT and an address EXCUSES_ADDRESS of
 * them between two successes; beyond that a 401 counts. A success with the same nonce and user
 * needs no excuse: its password is known to be right.
 *
 * Limits: an order of issue wraps after 2^31 challenges; then an old nonce may count as new. */
#include "sensor/state/nonces.h"

#include "sensor/state/shift.h"
#include "sensor/state/site.h"

enum { EXCUSES_CLIENT = 3, EXCUSES_ADDRESS = 64 };

struct nonce {
    uint32_t order;
    uint32_t success_user; /* low half of the user's hash | 1; 0 = none */
};

struct client {
    uint32_t last_order;
    uint16_t excuses;
    bool was_issued;
};

struct nonce_table {
    struct table nonces;
    struct table clients;
    struct hash_key key;
    uint32_t order; /* of the last challenge */
};

static struct table_options nonces_of(uint32_t nonces_max)
{
    return (struct table_options){
        .name = "nonces", .cells_max = nonces_max, .cell_bytes = sizeof(struct nonce)};
}

static struct table_options clients_of(uint32_t nonces_max)
{
    return (struct table_options){
        .name = "nonce clients", .cells_max = nonces_max, .cell_bytes = sizeof(struct client)};
}

enum status nonce_open(uint32_t nonces_max, struct hash_key key, struct nonce_table **out_table,
                       struct error *error)
{
    struct nonce_table *table = calloc(1, sizeof *table);

    if (table == NULL) {
        return error_system(error, STATUS_FAILED, "memory", "cannot make the table of nonces");
    }
    table->key = key;
    struct table_options nonces = nonces_of(nonces_max);
    enum status status = table_open(&table->nonces, &nonces, error);
    if (status != STATUS_OK) {
        goto no_nonces;
    }
    struct table_options clients = clients_of(nonces_max);
    status = table_open(&table->clients, &clients, error);
    if (status != STATUS_OK) {
        goto no_clients;
    }
    *out_table = table;
    return STATUS_OK;

no_clients:
    table_close(&table->nonces);
no_nonces:
    free(table);
    return status;
}

void nonce_close(struct nonce_table *table)
{
    if (table != NULL) {
        table_close(&table->nonces);
        table_close(&table->clients);
        free(table);
    }
}

size_t nonce_bytes_max(uint32_t nonces_max)
{
    struct table_options nonces = nonces_of(nonces_max);
    struct table_options clients = clients_of(nonces_max);

    return sizeof(struct nonce_table) + table_bytes_max(&nonces) + table_bytes_max(&clients);
}

static uint64_t address_key(const struct nonce_table *table, const struct nonce_client *client)
{
    return hash_addr(table->key, &client->addr);
}

static uint64_t client_key(const struct nonce_table *table, const struct nonce_client *client)
{
    /* An account of 0 must not give the address' own key. */
    return hash_mix(address_key(table, client), client->account_hash + 1);
}

static struct client *client_take(struct nonce_table *table, uint64_t hash,
                                  const struct nonce_client *client, uint64_t now_ns)
{
    uint32_t cell = table_find(&table->clients, hash);

    if (cell == TABLE_NONE) {
        cell = table_add(&table->clients, hash, site_hash(table->key, &client->addr), now_ns);
    } else {
        table_touch(&table->clients, cell, now_ns);
    }
    return table_at(&table->clients, cell);
}

static const struct client *client_find(const struct nonce_table *table, uint64_t hash)
{
    uint32_t cell = table_find(&table->clients, hash);

    return cell == TABLE_NONE ? NULL : table_at(&table->clients, cell);
}

void nonce_issue(struct nonce_table *table, uint64_t nonce_hash, const struct nonce_client *client,
                 uint64_t now_ns)
{
    bool is_new;
    uint32_t cell = table_take(&table->nonces, nonce_hash, site_hash(table->key, &client->addr),
                               now_ns, &is_new);
    struct nonce *nonce = table_at(&table->nonces, cell);

    if (is_new) {
        /* The next hop's copy of a challenge does not make its nonce younger. */
        nonce->order = ++table->order;
    }
    struct client *known = client_take(table, client_key(table, client), client, now_ns);
    known->last_order = nonce->order;
    known->was_issued = true;
}

void nonce_accept(struct nonce_table *table, uint64_t nonce_hash, const struct nonce_client *client,
                  uint64_t user_hash, uint64_t now_ns)
{
    uint32_t cell = nonce_hash == 0 ? TABLE_NONE : table_find(&table->nonces, nonce_hash);

    if (cell != TABLE_NONE) {
        struct nonce *nonce = table_at(&table->nonces, cell);
        nonce->success_user = (uint32_t)user_hash | 1;
        table_touch(&table->nonces, cell, now_ns);
    }
    uint64_t keys[2] = {client_key(table, client), address_key(table, client)};
    for (unsigned i = 0; i < 2; i++) {
        cell = table_find(&table->clients, keys[i]);
        if (cell != TABLE_NONE) {
            struct client *known = table_at(&table->clients, cell);
            known->excuses = 0;
        }
    }
}

bool nonce_was_issued(const struct nonce_table *table, uint64_t nonce_hash)
{
    return nonce_hash != 0 && table_find(&table->nonces, nonce_hash) != TABLE_NONE;
}

bool nonce_had_success(const struct nonce_table *table, uint64_t nonce_hash, uint64_t user_hash)
{
    uint32_t cell = table_find(&table->nonces, nonce_hash);

    if (cell == TABLE_NONE) {
        return false;
    }
    const struct nonce *nonce = table_at(&table->nonces, cell);
    return nonce->success_user == ((uint32_t)user_hash | 1);
}

bool nonce_is_old(const struct nonce_table *table, uint64_t nonce_hash,
                  const struct nonce_client *client, uint64_t user_hash)
{
    uint32_t cell = table_find(&table->nonces, nonce_hash);
    const struct client *known = client_find(table, client_key(table, client));
    bool was_issued = known != NULL && known->was_issued;

    if (cell == TABLE_NONE) {
        return !was_issued;
    }
    const struct nonce *nonce = table_at(&table->nonces, cell);
    if (nonce->success_user == ((uint32_t)user_hash | 1)) {
        return true;
    }
    return was_issued && (int32_t)(known->last_order - nonce->order) > 0;
}

bool nonce_excuse(struct nonce_table *table, const struct nonce_client *client, uint64_t now_ns)
{
    struct client *address = client_take(table, address_key(table, client), client, now_ns);
    if (address->excuses >= EXCUSES_ADDRESS) {
        return false;
    }
    /* Taking the second may evict the first: it is counted before. */
    address->excuses++;
    struct client *known = client_take(table, client_key(table, client), client, now_ns);
    if (known->excuses >= EXCUSES_CLIENT) {
        return false;
    }
    known->excuses++;
    return true;
}

void nonce_shift(struct nonce_table *table, uint64_t shift_ns)
{
    shift_table(&table->nonces, shift_ns);
    shift_table(&table->clients, shift_ns);
}

uint64_t nonce_evicted(const struct nonce_table *table)
{
    return table->nonces.evicted + table->clients.evicted;
}
