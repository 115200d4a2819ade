/* devices.c - one entry for an account, with the sites and devices of its last successes inside.
 *
 *   account  [last success 8][failures 4][newest 4][mark 8] x 8  mark = [tag 32 | last second 32]
 *                                                    newest = [when 26 | its device 3 | its site 3]
 *
 * A table of (account, site) and (account, device) pairs would cost two cells of 64 bytes for the
 * usual phone; here the usual phone fills two of eight marks. Tags are 32 bits of a keyed hash: a
 * stranger is taken for a known device once in 2^29 tries, and he cannot see when.
 *
 * Accounts that only ever failed are weak: somebody who guesses names pushes out his own guesses,
 * not the phones.
 *
 * Limits: the ninth site or device of an account makes it forget the one that succeeded longest
 * ago. */
#include "sensor/state/devices.h"

#include "sensor/state/shift.h"
#include "sensor/state/site.h"

enum { WEAK_PPM = 500000, SALT_SITE = 1, SALT_DEVICE = 2, NEWEST_STEP_S = 64, PLACE_BITS = 3 };
static_assert(DEVICE_MARKS <= 1 << PLACE_BITS, "the place of a mark");

struct mark {
    uint32_t tag; /* 0 = free */
    uint32_t last_s;
};

struct account {
    uint64_t success_ns; /* 0 = never */
    uint32_t failures; /* since then */
    uint32_t newest; /* the last device that came to an account that had one; 0 = none */
    struct mark marks[DEVICE_MARKS];
};

struct device_table {
    struct table accounts;
    struct hash_key key;
};

static struct table_options options_of(uint32_t accounts_max)
{
    return (struct table_options){
        .name = "accounts",
        .cells_max = accounts_max,
        .cell_bytes = sizeof(struct account),
        .weak_ppm = WEAK_PPM,
    };
}

enum status device_open(uint32_t accounts_max, struct hash_key key, struct device_table **out_table,
                        struct error *error)
{
    struct device_table *table = calloc(1, sizeof *table);

    if (table == NULL) {
        return error_system(error, STATUS_FAILED, "memory", "cannot make the table of accounts");
    }
    table->key = key;
    struct table_options options = options_of(accounts_max);
    enum status status = table_open(&table->accounts, &options, error);
    if (status != STATUS_OK) {
        free(table);
        return status;
    }
    *out_table = table;
    return STATUS_OK;
}

void device_close(struct device_table *table)
{
    if (table != NULL) {
        table_close(&table->accounts);
        free(table);
    }
}

size_t device_bytes_max(uint32_t accounts_max)
{
    struct table_options options = options_of(accounts_max);

    return sizeof(struct device_table) + table_bytes_max(&options);
}

static uint32_t second_of(uint64_t now_ns)
{
    uint64_t second = time_second(now_ns);

    return second > UINT32_MAX ? UINT32_MAX : (uint32_t)second;
}

static uint32_t tag_of(uint64_t hash, uint64_t salt)
{
    uint32_t tag = (uint32_t)hash_mix(hash, salt);

    return tag == 0 ? 1 : tag;
}

static uint32_t site_tag(const struct device_table *table, const struct addr *addr)
{
    return tag_of(site_hash(table->key, addr), SALT_SITE);
}

/* Where it was put. */
static unsigned mark_put(struct account *account, uint32_t tag, uint32_t now_s)
{
    struct mark *place = &account->marks[0];

    for (unsigned i = 0; i < DEVICE_MARKS; i++) {
        struct mark *mark = &account->marks[i];
        if (mark->tag == tag) {
            mark->last_s = now_s;
            return i;
        }
        if (place->tag != 0 && (mark->tag == 0 || mark->last_s < place->last_s)) {
            place = mark;
        }
    }
    *place = (struct mark){.tag = tag, .last_s = now_s};
    return (unsigned)(place - account->marks);
}

static bool mark_holds(const struct account *account, uint32_t tag, uint32_t now_s)
{
    for (unsigned i = 0; i < DEVICE_MARKS; i++) {
        const struct mark *mark = &account->marks[i];
        if (mark->tag == tag) {
            return now_s - mark->last_s <= DEVICE_KNOWN_NS / NS_PER_S || now_s < mark->last_s;
        }
    }
    return false;
}

static const struct mark *newest_site(const struct account *account)
{
    return &account->marks[account->newest % DEVICE_MARKS];
}

static const struct mark *newest_device(const struct account *account)
{
    return &account->marks[(account->newest >> PLACE_BITS) % DEVICE_MARKS];
}

static uint32_t newest_s(const struct account *account)
{
    return (account->newest >> 2 * PLACE_BITS) * NEWEST_STEP_S;
}

/* A device without a name has its site's place twice. */
static void newest_put(struct account *account, uint32_t when_s, unsigned device, unsigned site)
{
    account->newest = when_s / NEWEST_STEP_S << 2 * PLACE_BITS | device << PLACE_BITS | site;
}

/* At the site where it came, or by its name at one that is not known. */
static bool is_newest(const struct account *account, uint32_t site, uint32_t device,
                      bool place_known, uint32_t now_s)
{
    uint32_t since_s = newest_s(account);

    if (account->newest == 0 || now_s >= since_s + DEVICE_NEW_NS / NS_PER_S) {
        return false;
    }
    return newest_site(account)->tag == site ||
           (!place_known && newest_device(account)->tag == device);
}

static struct account *account_take(struct device_table *table, uint64_t account_hash,
                                    const struct addr *addr, uint64_t now_ns, uint32_t *out_cell)
{
    uint32_t cell = table_find(&table->accounts, account_hash);

    if (cell == TABLE_NONE) {
        cell = table_add(&table->accounts, account_hash, site_hash(table->key, addr), now_ns);
    } else {
        table_touch(&table->accounts, cell, now_ns);
    }
    *out_cell = cell;
    return table_at(&table->accounts, cell);
}

void device_success(struct device_table *table, uint64_t account_hash, const struct addr *addr,
                    uint64_t device_hash, uint64_t now_ns)
{
    uint32_t cell;

    if (account_hash == 0) {
        return;
    }
    struct account *account = account_take(table, account_hash, addr, now_ns, &cell);
    if (account->success_ns == 0) {
        table_strengthen(&table->accounts, cell);
    }
    uint32_t now_s = second_of(now_ns);
    uint32_t site = site_tag(table, addr);
    uint32_t device = device_hash == 0 ? site : tag_of(device_hash, SALT_DEVICE);
    bool is_new = account->success_ns != 0 && !mark_holds(account, site, now_s) &&
                  !mark_holds(account, device, now_s);
    account->success_ns = now_ns == 0 ? 1 : now_ns;
    account->failures = 0;
    unsigned site_place = mark_put(account, site, now_s);
    unsigned device_place = mark_put(account, device, now_s);
    if (is_new) {
        newest_put(account, now_s, device_place, site_place);
    }
}

void device_failure(struct device_table *table, uint64_t account_hash, const struct addr *addr,
                    uint64_t now_ns)
{
    uint32_t cell;

    if (account_hash == 0) {
        return;
    }
    struct account *account = account_take(table, account_hash, addr, now_ns, &cell);
    if (account->failures != UINT32_MAX) {
        account->failures++;
    }
}

void device_ask(const struct device_table *table, uint64_t account_hash, const struct addr *addr,
                uint64_t device_hash, uint64_t now_ns, struct device_view *out_view)
{
    *out_view = (struct device_view){.failures = 0};
    uint32_t cell = account_hash == 0 ? TABLE_NONE : table_find(&table->accounts, account_hash);
    if (cell == TABLE_NONE) {
        return;
    }
    const struct account *account = table_at(&table->accounts, cell);
    uint32_t now_s = second_of(now_ns);
    out_view->account_known = account->success_ns != 0;
    out_view->failures = account->failures;
    out_view->place_known =
        out_view->account_known && mark_holds(account, site_tag(table, addr), now_s);
    out_view->device_known =
        out_view->place_known || (out_view->account_known && device_hash != 0 &&
                                  mark_holds(account, tag_of(device_hash, SALT_DEVICE), now_s));
    out_view->device_new =
        out_view->device_known && is_newest(account, site_tag(table, addr),
                                            device_hash == 0 ? 0 : tag_of(device_hash, SALT_DEVICE),
                                            out_view->place_known, now_s);
}

void device_prefetch(const struct device_table *table, uint64_t account_hash, bool cell)
{
    if (account_hash == 0) {
        return;
    }
    if (cell) {
        table_prefetch_cell(&table->accounts, account_hash);
    } else {
        table_prefetch(&table->accounts, account_hash);
    }
}

void device_shift(struct device_table *table, uint64_t shift_ns)
{
    shift_table(&table->accounts, shift_ns);
    for (uint32_t cell = table_next(&table->accounts, 0); cell != TABLE_NONE;
         cell = table_next(&table->accounts, cell + 1)) {
        struct account *account = table_at(&table->accounts, cell);
        shift_time(&account->success_ns, shift_ns);
        if (account->newest != 0) {
            uint64_t moved = time_add(newest_s(account) * NS_PER_S, shift_ns);
            newest_put(account, second_of(moved),
                       account->newest >> PLACE_BITS & (DEVICE_MARKS - 1),
                       account->newest & (DEVICE_MARKS - 1));
        }
        for (unsigned i = 0; i < DEVICE_MARKS; i++) {
            if (account->marks[i].tag != 0) {
                uint64_t moved = time_add(account->marks[i].last_s * NS_PER_S, shift_ns);
                account->marks[i].last_s = second_of(moved);
            }
        }
    }
}

/* --- over a restart --- */

static void save(const void *owner, struct snapshot_out *out)
{
    const struct device_table *table = owner;

    snapshot_put_count(out, table->accounts.used);
    for (uint32_t cell = snapshot_next_entry(&table->accounts, TABLE_NONE); cell != TABLE_NONE;
         cell = snapshot_next_entry(&table->accounts, cell)) {
        snapshot_put_entry(out, &table->accounts, cell);
        snapshot_put(out, table_at(&table->accounts, cell), sizeof(struct account));
    }
}

/* A success that lies ahead would be younger than 30 days for longer than that. */
static void bring_back(struct account *account, struct snapshot_entry *head, struct snapshot_in *in)
{
    uint32_t now_s = second_of(in->now_ns);

    in->future += snapshot_is_future(in, head->touched_ns);
    head->touched_ns = head->touched_ns < in->now_ns ? head->touched_ns : in->now_ns;
    account->success_ns = account->success_ns < in->now_ns ? account->success_ns : in->now_ns;
    account->newest = newest_s(account) <= now_s ? account->newest : 0;
    for (unsigned i = 0; i < DEVICE_MARKS; i++) {
        struct mark *mark = &account->marks[i];
        mark->last_s = mark->last_s < now_s ? mark->last_s : now_s;
    }
}

static bool load(void *owner, struct snapshot_in *in)
{
    struct device_table *table = owner;
    uint32_t count = snapshot_get_u32(in);
    bool good = !in->failed;

    for (uint32_t i = 0; i < count && good; i++) {
        struct snapshot_entry head;
        struct account account;
        good = snapshot_get(in, &head, sizeof head) && snapshot_get(in, &account, sizeof account);
        if (!good) {
            break;
        }
        bring_back(&account, &head, in);
        uint32_t cell = snapshot_take_entry(&table->accounts, &head);
        if (cell != TABLE_NONE) {
            *(struct account *)table_at(&table->accounts, cell) = account;
        }
    }
    return good;
}

size_t device_kept_bytes_max(uint32_t accounts_max)
{
    return sizeof(uint32_t) +
           accounts_max * (sizeof(struct snapshot_entry) + sizeof(struct account));
}

void device_part(struct device_table *table, struct snapshot_part *out_part)
{
    *out_part = (struct snapshot_part){.name = "accounts and devices",
                                       .version = 1,
                                       .layout = snapshot_layout(0, sizeof(struct account)),
                                       .owner = table,
                                       .bytes_max =
                                           device_kept_bytes_max(table->accounts.options.cells_max),
                                       .save = save,
                                       .load = load};
}

uint64_t device_evicted(const struct device_table *table)
{
    return table->accounts.evicted;
}

uint32_t device_used(const struct device_table *table)
{
    return table->accounts.used;
}
