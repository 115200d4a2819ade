/* binding.c - 96 bytes for a registered phone, all in all: 32 of the table's head, 48 here, 16 of
 * the index.
 *
 *   cell  [IPv4, or cell of the wide slab 4][due 4][Contact tag 4][list before, after 4+4]
 *         [port 2][agent 2][domain 2][refreshes 2][flags 1][user bytes 1][user 18]
 *   wide  [IPv6 16][user 80]              for those who need it
 *
 * The first binding of an account stands under the account's hash, those of its further addresses
 * under (account, address). So one look-up tells whether an account is bound and where, and two
 * whether it is bound from here.
 *
 * RFC 3261 section 10 binds Contacts, not addresses. What a sensor must tell apart is whether the
 * same account now comes from elsewhere, and Contacts change with every restart of a phone: so the
 * address is the key, and the Contacts that the registrar lists in its 200 tell whether the old
 * address has been replaced (moved) or joined (added).
 *
 * Expiry: a ring of one-second lists through the cells, 4,096 of them; who expires later than one
 * turn is passed over. Lists keep the order of renewal, so the order of expiries follows packets
 * and no hash.
 *
 * Limits: two phones of one account behind one address are one binding. Contact: * removes the
 * account's first binding and that of the sender; others stay until they expire. Agent and domain
 * are forgotten when there are more than the names hold. */
#include "sensor/state/binding.h"

#include "base/clock.h"
#include "base/slab.h"
#include "sensor/state/account.h"
#include "sensor/state/names.h"
#include "sensor/state/shift.h"
#include "sensor/state/site.h"

enum { LISTS = 4096, USER_INSIDE = 18 };
enum { FLAG_WIDE = 1, FLAG_TEL = 2 };

struct cell {
    uint32_t place; /* IPv4 octets as they stand, or cell of the wide slab */
    uint32_t due_s;
    uint32_t contact_tag;
    uint32_t before;
    uint32_t after;
    uint16_t port;
    name_id agent;
    name_id domain;
    uint16_t refreshes;
    uint8_t flags;
    uint8_t user_bytes;
    char user[USER_INSIDE];
};
static_assert(sizeof(struct cell) == 48, "goal D1: 96 bytes with head and index");

struct wide {
    struct addr addr;
    char user[BINDING_USER_BYTES];
};

struct binding_table {
    struct table cells;
    struct slab wide;
    struct names names;
    struct hash_key key;
    uint64_t marked_s; /* seconds up to here have been looked through */
    uint32_t passed; /* the last one of list marked_s + 1 that was passed over; TABLE_NONE = none */
    uint32_t first[LISTS];
    uint32_t last[LISTS];
    char user[BINDING_USER_BYTES]; /* copies for those who are shown a binding */
    char domain[NAMES_TEXT_BYTES];
    char agent[NAMES_TEXT_BYTES];
};

static struct cell *cell_at(const struct binding_table *table, uint32_t at)
{
    return table_at(&table->cells, at);
}

/* --- lists --- */

static void list_leave(struct binding_table *table, const struct cell *cell)
{
    uint32_t list = cell->due_s % LISTS;

    if (cell->before != TABLE_NONE) {
        cell_at(table, cell->before)->after = cell->after;
    } else {
        table->first[list] = cell->after;
    }
    if (cell->after != TABLE_NONE) {
        cell_at(table, cell->after)->before = cell->before;
    } else {
        table->last[list] = cell->before;
    }
}

static void list_enter(struct binding_table *table, uint32_t at)
{
    struct cell *cell = cell_at(table, at);
    uint32_t list = cell->due_s % LISTS;

    cell->after = TABLE_NONE;
    cell->before = table->last[list];
    if (cell->before != TABLE_NONE) {
        cell_at(table, cell->before)->after = at;
    } else {
        table->first[list] = at;
    }
    table->last[list] = at;
}

/* Gives back what a cell holds outside of itself. */
static void release(struct binding_table *table, struct cell *cell)
{
    list_leave(table, cell);
    names_give(&table->names, cell->agent);
    names_give(&table->names, cell->domain);
    if ((cell->flags & FLAG_WIDE) != 0) {
        slab_give(&table->wide, cell->place);
    }
}

static void forget(void *owner, uint32_t at, void *user)
{
    (void)at;
    release(owner, user);
}

/* --- open and close --- */

static struct table_options options_of(uint32_t bindings_max, struct binding_table *table)
{
    return (struct table_options){
        .name = "bindings",
        .cells_max = bindings_max,
        .cell_bytes = sizeof(struct cell),
        .on_evict = forget,
        .owner = table,
    };
}

enum status binding_open(uint32_t bindings_max, struct hash_key key,
                         struct binding_table **out_table, struct error *error)
{
    struct binding_table *table = calloc(1, sizeof *table);

    if (table == NULL) {
        return error_system(error, STATUS_FAILED, "memory", "cannot make the table of bindings");
    }
    table->key = key;
    table->passed = TABLE_NONE;
    for (unsigned list = 0; list < LISTS; list++) {
        table->first[list] = TABLE_NONE;
        table->last[list] = TABLE_NONE;
    }
    struct table_options options = options_of(bindings_max, table);
    enum status status = table_open(&table->cells, &options, error);
    if (status != STATUS_OK) {
        goto no_cells;
    }
    status = slab_open(&table->wide, bindings_max, sizeof(struct wide), error);
    if (status != STATUS_OK) {
        goto no_wide;
    }
    status = names_open(&table->names, 2 * bindings_max, key, error);
    if (status != STATUS_OK) {
        goto no_names;
    }
    *out_table = table;
    return STATUS_OK;

no_names:
    slab_close(&table->wide);
no_wide:
    table_close(&table->cells);
no_cells:
    free(table);
    return status;
}

void binding_close(struct binding_table *table)
{
    if (table != NULL) {
        names_close(&table->names);
        slab_close(&table->wide);
        table_close(&table->cells);
        free(table);
    }
}

size_t binding_bytes_max(uint32_t bindings_max)
{
    struct table_options options = options_of(bindings_max, NULL);

    return sizeof(struct binding_table) + table_bytes_max(&options) +
           (size_t)bindings_max * (sizeof(struct wide) + sizeof(uint32_t)) +
           names_bytes_max(2 * bindings_max);
}

/* --- cells --- */

static uint64_t further_key(const struct binding_table *table, uint64_t account_hash,
                            const struct addr *addr)
{
    return hash_mix(account_hash, hash_addr(table->key, addr));
}

static struct addr addr_of(const struct binding_table *table, const struct cell *cell)
{
    if ((cell->flags & FLAG_WIDE) != 0) {
        const struct wide *wide = slab_at(&table->wide, cell->place);
        return wide->addr;
    }
    uint8_t octets[4];
    memcpy(octets, &cell->place, 4);
    return addr_from_v4(octets);
}

/* The binding of the account from this address, or TABLE_NONE; *out_first is the account's first
 * one. */
static uint32_t find(const struct binding_table *table, uint64_t account_hash,
                     const struct addr *addr, uint32_t *out_first)
{
    *out_first = table_find(&table->cells, account_hash);
    if (*out_first != TABLE_NONE) {
        struct addr known = addr_of(table, cell_at(table, *out_first));
        if (addr_equal(&known, addr)) {
            return *out_first;
        }
    }
    return table_find(&table->cells, further_key(table, account_hash, addr));
}

static struct slice copy(char *buffer, size_t room, struct slice text)
{
    size_t bytes = text.bytes < room ? text.bytes : room;

    if (bytes > 0) {
        memcpy(buffer, text.at, bytes);
    }
    return slice_of(buffer, bytes);
}

static void show(struct binding_table *table, const struct cell *cell, struct binding *out)
{
    struct slice user = slice_of(cell->user, cell->user_bytes);

    if ((cell->flags & FLAG_WIDE) != 0) {
        const struct wide *wide = slab_at(&table->wide, cell->place);
        user.at = wide->user;
    }
    *out = (struct binding){
        .client = {.addr = addr_of(table, cell), .port = cell->port},
        .user = copy(table->user, sizeof table->user, user),
        .domain =
            copy(table->domain, sizeof table->domain, names_text(&table->names, cell->domain)),
        .agent = copy(table->agent, sizeof table->agent, names_text(&table->names, cell->agent)),
        .contact_tag = cell->contact_tag,
        .due_s = cell->due_s,
        .refreshes = cell->refreshes,
        .is_tel = (cell->flags & FLAG_TEL) != 0,
    };
    out->account_hash = account_hash(table->key, out->user, out->domain);
}

/* Fills a cell that is in no list and holds nothing. */
static void fill(struct binding_table *table, uint32_t at, const struct binding *binding)
{
    struct cell *cell = cell_at(table, at);
    size_t user_bytes =
        binding->user.bytes < BINDING_USER_BYTES ? binding->user.bytes : BINDING_USER_BYTES;
    char *user = cell->user;

    cell->flags = binding->is_tel ? FLAG_TEL : 0;
    if (user_bytes > USER_INSIDE || !addr_is_v4(&binding->client.addr)) {
        uint32_t place = slab_take(&table->wide);
        assert(place != SLAB_NONE); /* one for each binding */
        struct wide *wide = slab_at(&table->wide, place);
        wide->addr = binding->client.addr;
        user = wide->user;
        cell->place = place;
        cell->flags |= FLAG_WIDE;
    } else {
        memcpy(&cell->place, binding->client.addr.octets + 12, 4);
    }
    if (user_bytes > 0) {
        memcpy(user, binding->user.at, user_bytes);
    }
    cell->user_bytes = (uint8_t)user_bytes;
    cell->port = binding->client.port;
    cell->agent = names_take(&table->names, binding->agent);
    cell->domain = names_take(&table->names, binding->domain);
    cell->contact_tag = binding->contact_tag;
    cell->due_s = binding->due_s;
    list_enter(table, at);
}

static uint32_t take(struct binding_table *table, uint64_t hash, const struct binding *binding,
                     uint64_t now_ns)
{
    bool is_new;
    uint32_t at = table_take(&table->cells, hash, site_hash(table->key, &binding->client.addr),
                             now_ns, &is_new);

    if (!is_new) {
        release(table, cell_at(table, at));
        table_touch(&table->cells, at, now_ns);
    }
    fill(table, at, binding);
    return at;
}

/* --- public --- */

static bool is_listed(uint32_t tag, const uint32_t *tags, size_t tag_count)
{
    for (size_t i = 0; i < tag_count; i++) {
        if (tags[i] == tag) {
            return true;
        }
    }
    return false;
}

enum binding_outcome binding_keep(struct binding_table *table, const struct binding *binding,
                                  const uint32_t *tags, size_t tag_count, uint64_t now_ns,
                                  struct binding *out_before)
{
    uint32_t first;
    uint32_t at = find(table, binding->account_hash, &binding->client.addr, &first);

    if (at != TABLE_NONE) {
        uint16_t refreshes = cell_at(table, at)->refreshes;
        show(table, cell_at(table, at), out_before);
        at = take(table, table_hash_of(&table->cells, at), binding, now_ns);
        cell_at(table, at)->refreshes = refreshes < UINT16_MAX ? refreshes + 1 : UINT16_MAX;
        return BINDING_KEPT;
    }
    if (first == TABLE_NONE) {
        take(table, binding->account_hash, binding, now_ns);
        return BINDING_NEW;
    }
    show(table, cell_at(table, first), out_before);
    if (is_listed(out_before->contact_tag, tags, tag_count) &&
        out_before->contact_tag != binding->contact_tag) {
        take(table, further_key(table, binding->account_hash, &binding->client.addr), binding,
             now_ns);
        return BINDING_ADDED;
    }
    at = take(table, binding->account_hash, binding, now_ns);
    cell_at(table, at)->refreshes = 0;
    return BINDING_MOVED;
}

static void remove_cell(struct binding_table *table, uint32_t at)
{
    release(table, cell_at(table, at));
    table_give(&table->cells, at);
}

bool binding_drop(struct binding_table *table, uint64_t account_hash, const struct addr *addr,
                  bool all, struct binding *out_before)
{
    uint32_t first;
    uint32_t at = find(table, account_hash, addr, &first);

    if (at == TABLE_NONE && all) {
        at = first;
    }
    if (at == TABLE_NONE) {
        return false;
    }
    show(table, cell_at(table, at), out_before);
    remove_cell(table, at);
    if (all && first != TABLE_NONE && first != at) {
        remove_cell(table, first);
    }
    return true;
}

bool binding_is_there(const struct binding_table *table, uint64_t account_hash,
                      const struct addr *addr)
{
    uint32_t first;

    return find(table, account_hash, addr, &first) != TABLE_NONE;
}

bool binding_expire(struct binding_table *table, uint64_t mark_s, struct binding *out_binding)
{
    if (mark_s > LISTS && table->marked_s < mark_s - LISTS) {
        table->marked_s = mark_s - LISTS; /* one turn sees every list */
    }
    while (table->marked_s < mark_s) {
        uint32_t list = (uint32_t)((table->marked_s + 1) % LISTS);
        uint32_t at =
            table->passed == TABLE_NONE ? table->first[list] : cell_at(table, table->passed)->after;
        while (at != TABLE_NONE && cell_at(table, at)->due_s > mark_s) {
            table->passed = at;
            at = cell_at(table, at)->after;
        }
        if (at != TABLE_NONE) {
            show(table, cell_at(table, at), out_binding);
            remove_cell(table, at);
            return true;
        }
        table->passed = TABLE_NONE;
        table->marked_s++;
    }
    return false;
}

void binding_shift(struct binding_table *table, uint64_t shift_ns)
{
    uint64_t shift_s = shift_ns / NS_PER_S;
    uint64_t turn = table->marked_s + 1;

    shift_table(&table->cells, shift_ns);
    /* All lists into one, by the order in which they would have come up; then out again by their
     * new seconds. */
    uint32_t head = TABLE_NONE;
    uint32_t tail = TABLE_NONE;
    for (unsigned i = 0; i < LISTS; i++) {
        uint32_t list = (uint32_t)((turn + i) % LISTS);
        if (table->first[list] != TABLE_NONE) {
            if (head == TABLE_NONE) {
                head = table->first[list];
            } else {
                cell_at(table, tail)->after = table->first[list];
            }
            tail = table->last[list];
        }
        table->first[list] = TABLE_NONE;
        table->last[list] = TABLE_NONE;
    }
    while (head != TABLE_NONE) {
        struct cell *cell = cell_at(table, head);
        uint32_t next = cell->after;
        uint64_t due_s = cell->due_s + shift_s;
        cell->due_s = due_s > UINT32_MAX ? UINT32_MAX : (uint32_t)due_s;
        list_enter(table, head);
        head = next;
    }
    table->marked_s += shift_s;
}

/* --- over a restart --- */

/* What stands in an image behind the head of an entry, and before the three texts. */
struct kept {
    struct addr addr;
    uint32_t due_s;
    uint32_t contact_tag;
    uint16_t port;
    uint16_t refreshes;
    uint8_t is_tel;
    uint8_t user_bytes;
    uint8_t domain_bytes;
    uint8_t agent_bytes;
};

static void save_one(const struct binding_table *table, uint32_t at, struct snapshot_out *out)
{
    const struct cell *cell = cell_at(table, at);
    struct slice domain = names_text(&table->names, cell->domain);
    struct slice agent = names_text(&table->names, cell->agent);
    const char *user = cell->user;
    const struct kept kept = {.addr = addr_of(table, cell),
                              .due_s = cell->due_s,
                              .contact_tag = cell->contact_tag,
                              .port = cell->port,
                              .refreshes = cell->refreshes,
                              .is_tel = (cell->flags & FLAG_TEL) != 0,
                              .user_bytes = cell->user_bytes,
                              .domain_bytes = (uint8_t)domain.bytes,
                              .agent_bytes = (uint8_t)agent.bytes};

    if ((cell->flags & FLAG_WIDE) != 0) {
        const struct wide *wide = slab_at(&table->wide, cell->place);
        user = wide->user;
    }
    snapshot_put_entry(out, &table->cells, at);
    snapshot_put(out, &kept, sizeof kept);
    snapshot_put(out, user, kept.user_bytes);
    snapshot_put(out, domain.at, domain.bytes);
    snapshot_put(out, agent.at, agent.bytes);
}

static void save(const void *owner, struct snapshot_out *out)
{
    const struct binding_table *table = owner;

    snapshot_put_count(out, table->cells.used);
    for (uint32_t at = snapshot_next_entry(&table->cells, TABLE_NONE); at != TABLE_NONE;
         at = snapshot_next_entry(&table->cells, at)) {
        save_one(table, at, out);
    }
}

/* The clock was set back: what was left of a binding is left of it still. */
static uint32_t due_from(const struct snapshot_in *in, uint32_t due_s)
{
    uint64_t saved_s = time_second(in->saved_ns);

    if (!snapshot_is_future(in, in->saved_ns)) {
        return due_s;
    }
    uint64_t left_s = due_s > saved_s ? due_s - saved_s : 0;
    uint64_t moved_s = time_second(in->now_ns) + left_s;
    return moved_s > UINT32_MAX ? UINT32_MAX : (uint32_t)moved_s;
}

static bool load_one(struct binding_table *table, struct snapshot_in *in)
{
    struct snapshot_entry head;
    struct kept kept;

    if (!snapshot_get(in, &head, sizeof head) || !snapshot_get(in, &kept, sizeof kept) ||
        kept.user_bytes > BINDING_USER_BYTES || kept.domain_bytes > NAMES_TEXT_BYTES ||
        kept.agent_bytes > NAMES_TEXT_BYTES) {
        return false;
    }
    struct binding binding = {.client = {.addr = kept.addr, .port = kept.port},
                              .user = slice_of(snapshot_take(in, kept.user_bytes), kept.user_bytes),
                              .contact_tag = kept.contact_tag,
                              .due_s = due_from(in, kept.due_s),
                              .is_tel = kept.is_tel != 0};
    binding.domain = slice_of(snapshot_take(in, kept.domain_bytes), kept.domain_bytes);
    binding.agent = slice_of(snapshot_take(in, kept.agent_bytes), kept.agent_bytes);
    if (in->failed) {
        return false;
    }
    in->future += snapshot_is_future(in, head.touched_ns);
    if (table_find(&table->cells, head.hash) == TABLE_NONE) {
        uint64_t touched_ns = head.touched_ns < in->now_ns ? head.touched_ns : in->now_ns;
        uint32_t at = take(table, head.hash, &binding, touched_ns);
        cell_at(table, at)->refreshes = kept.refreshes;
    }
    return true;
}

static bool load(void *owner, struct snapshot_in *in)
{
    struct binding_table *table = owner;
    uint32_t count = snapshot_get_u32(in);
    bool good = !in->failed;

    for (uint32_t i = 0; i < count && good; i++) {
        good = load_one(table, in);
    }
    return good;
}

size_t binding_kept_bytes_max(uint32_t bindings_max)
{
    return sizeof(uint32_t) +
           (size_t)bindings_max * (sizeof(struct snapshot_entry) + sizeof(struct kept) +
                                   BINDING_USER_BYTES + 2 * NAMES_TEXT_BYTES);
}

void binding_part(struct binding_table *table, struct snapshot_part *out_part)
{
    *out_part =
        (struct snapshot_part){.name = "bindings",
                               .version = 1,
                               .layout = snapshot_layout(0, sizeof(struct kept)),
                               .owner = table,
                               .bytes_max = binding_kept_bytes_max(table->cells.options.cells_max),
                               .save = save,
                               .load = load};
}

uint64_t binding_evicted(const struct binding_table *table)
{
    return table->cells.evicted;
}

uint32_t binding_used(const struct binding_table *table)
{
    return table->cells.used;
}
