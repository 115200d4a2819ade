/* IP reassembly by pages: bytes lie where they belong from the moment they come.
 *
 *    table     keyed hash of (source, destination, id, protocol, version, VLANs, VNI) -> datagram
 *    datagram  64 page numbers, its end if known, how many units have come; in two lists by age
 *    page      1 KiB of the datagram, and a bit for each unit of 8 bytes that has come
 *    source    how many datagrams and pages it holds, its datagrams by age
 *
 * Offsets are multiples of 8 and so are all lengths but the last one's: a bit for 8 bytes is exact
 * once the last fragment has said where the end is, and a fragment that contradicts a known end is
 * refused before it writes. So tiny, repeated and overlapping fragments cost a unit's compare, and
 * no list of holes can grow.
 *
 * Which bytes win differs from system to system; here, IPv4: those that came first; IPv6: none, the
 * datagram is dropped and stays dropped until its time-out (RFC 5722). A fragment of which every
 * unit has come already with the same bytes is a copy (mirrors send them) and no overlap. A whole
 * datagram is remembered for DONE_NS, so that the mirror's copy of its last fragment does not open
 * a datagram that never ends.
 *
 * Room: 4,096 datagrams, 256 of one source, pages for bytes_max, a quarter of them for one source.
 * Who needs room takes it from the oldest: of the same source where that is at its share, else of
 * all. A page holds 1 KiB for what may be 8 bytes: a sender of sparse fragments gets 128 times less
 * than bytes_max, but no one else's share.
 *
 * Limits: a fragment that the snap length cut spoils its datagram, for what is missing never comes.
 */
#include "sensor/flows/fragment.h"

#include "base/slab.h"
#include "base/table.h"

enum {
    UNIT_BYTES = 8,
    PAGE_BYTES = 1024,
    PAGE_UNITS = PAGE_BYTES / UNIT_BYTES,
    PAGES_MAX = (FRAGMENT_DATAGRAM_BYTES + PAGE_BYTES - 1) / PAGE_BYTES,
    SOURCE_PAGES_PART = 4,
};
#define END_UNKNOWN UINT32_MAX
#define DONE_NS (100 * NS_PER_MS)

/* Only open datagrams hold pages. The others are kept until their time is up, so that what comes
 * late of them opens nothing: spoilt by the snap length, dropped for an overlap, done. */
enum fragment_state { STATE_OPEN, STATE_SPOILT, STATE_DROPPED, STATE_DONE };

/* A datagram stands in two lists: of those that are open or of those that are not, and of its
 * source. */
enum fragment_links { LINKS_AGE, LINKS_SOURCE, LINKS_COUNT };

struct page {
    uint64_t present[PAGE_UNITS / 64];
    uint8_t bytes[PAGE_BYTES];
};

struct fragment_list {
    uint32_t oldest; /* cells of the datagrams' table; TABLE_NONE = none */
    uint32_t newest;
};

struct fragment_source {
    uint32_t datagrams;
    uint32_t pages;
    struct fragment_list list;
};

struct fragment_datagram {
    uint64_t first_ns;
    uint32_t source; /* cell of the sources' table */
    uint32_t older[LINKS_COUNT];
    uint32_t newer[LINKS_COUNT];
    uint32_t end; /* bytes of the whole; END_UNKNOWN before the last fragment came */
    uint32_t reached; /* highest byte that came */
    uint32_t units; /* of 8 bytes that came */
    uint32_t fragments;
    uint8_t state; /* enum fragment_state */
    bool ip6;
    bool overlap; /* told already */
    uint32_t pages[PAGES_MAX]; /* cell in the slab + 1; 0 = none */
};

struct fragment_table {
    struct hash_key key;
    struct table datagrams;
    struct table sources;
    struct slab pages;
    uint32_t source_pages_max;
    struct fragment_list open;
    struct fragment_list closed;
    uint64_t evicted;
    uint32_t
        overdue; /* time-outs that a later datagram of the same id found; told by the next expire */
    uint8_t whole[(size_t)PAGES_MAX * PAGE_BYTES];
};

/* What fragments of one datagram share, without padding. */
struct fragment_identity {
    struct addr source;
    struct addr destination;
    uint32_t id;
    uint32_t vni;
    uint16_t vlan_outer;
    uint16_t vlan_inner;
    uint16_t protocol;
    uint16_t ip6;
};

static_assert(sizeof(struct fragment_identity) == 48, "no padding in what is hashed");

/* --- open and close --- */

static uint32_t fragment_page_count(size_t bytes_max)
{
    size_t count = bytes_max / sizeof(struct page);
    count = count < PAGES_MAX ? PAGES_MAX : count; /* room for one datagram at least */
    size_t most = (size_t)FRAGMENT_DATAGRAMS_MAX * PAGES_MAX;
    return (uint32_t)(count < most ? count : most);
}

static struct table_options fragment_datagram_options(void)
{
    return (struct table_options){.name = "fragment.datagrams",
                                  .cells_max = FRAGMENT_DATAGRAMS_MAX,
                                  .cell_bytes = sizeof(struct fragment_datagram)};
}

static struct table_options fragment_source_options(void)
{
    return (struct table_options){.name = "fragment.sources",
                                  .cells_max = FRAGMENT_DATAGRAMS_MAX,
                                  .cell_bytes = sizeof(struct fragment_source)};
}

enum status fragment_table_open(size_t bytes_max, struct hash_key key,
                                struct fragment_table **out_table, struct error *error)
{
    struct table_options datagrams = fragment_datagram_options();
    struct table_options sources = fragment_source_options();
    struct fragment_table *table = calloc(1, sizeof *table);
    if (table == NULL) {
        return error_system(error, STATUS_FAILED, "", "no memory for the table of IP fragments");
    }
    table->key = key;
    table->open = (struct fragment_list){.oldest = TABLE_NONE, .newest = TABLE_NONE};
    table->closed = table->open;
    table->source_pages_max = fragment_page_count(bytes_max) / SOURCE_PAGES_PART;
    if (table->source_pages_max < PAGES_MAX) {
        table->source_pages_max = PAGES_MAX;
    }
    enum status status = table_open(&table->datagrams, &datagrams, error);
    if (status != STATUS_OK) {
        goto free_table;
    }
    status = table_open(&table->sources, &sources, error);
    if (status != STATUS_OK) {
        goto close_datagrams;
    }
    status = slab_open(&table->pages, fragment_page_count(bytes_max), sizeof(struct page), error);
    if (status != STATUS_OK) {
        goto close_sources;
    }
    *out_table = table;
    return STATUS_OK;

close_sources:
    table_close(&table->sources);
close_datagrams:
    table_close(&table->datagrams);
free_table:
    free(table);
    return status;
}

void fragment_table_close(struct fragment_table *table)
{
    if (table == NULL) {
        return;
    }
    slab_close(&table->pages);
    table_close(&table->sources);
    table_close(&table->datagrams);
    free(table);
}

size_t fragment_table_bytes_max(size_t bytes_max)
{
    struct table_options datagrams = fragment_datagram_options();
    struct table_options sources = fragment_source_options();
    return sizeof(struct fragment_table) + table_bytes_max(&datagrams) + table_bytes_max(&sources) +
           (size_t)fragment_page_count(bytes_max) * (sizeof(struct page) + sizeof(uint32_t));
}

uint64_t fragment_evicted(const struct fragment_table *table)
{
    return table->evicted;
}

/* --- a datagram's life --- */

static struct fragment_datagram *fragment_at(const struct fragment_table *table, uint32_t cell)
{
    return table_at(&table->datagrams, cell);
}

static struct fragment_source *fragment_source_at(const struct fragment_table *table, uint32_t cell)
{
    return table_at(&table->sources, cell);
}

static void fragment_append(const struct fragment_table *table, struct fragment_list *list,
                            enum fragment_links links, uint32_t cell)
{
    struct fragment_datagram *datagram = fragment_at(table, cell);
    datagram->older[links] = list->newest;
    datagram->newer[links] = TABLE_NONE;
    if (list->newest == TABLE_NONE) {
        list->oldest = cell;
    } else {
        fragment_at(table, list->newest)->newer[links] = cell;
    }
    list->newest = cell;
}

static void fragment_remove(const struct fragment_table *table, struct fragment_list *list,
                            enum fragment_links links, uint32_t cell)
{
    const struct fragment_datagram *datagram = fragment_at(table, cell);
    uint32_t older = datagram->older[links];
    uint32_t newer = datagram->newer[links];
    if (older == TABLE_NONE) {
        list->oldest = newer;
    } else {
        fragment_at(table, older)->newer[links] = newer;
    }
    if (newer == TABLE_NONE) {
        list->newest = older;
    } else {
        fragment_at(table, newer)->older[links] = older;
    }
}

static struct fragment_list *fragment_list_of(struct fragment_table *table,
                                              const struct fragment_datagram *datagram)
{
    return datagram->state == STATE_OPEN ? &table->open : &table->closed;
}

static void fragment_give_pages(struct fragment_table *table, struct fragment_datagram *datagram)
{
    struct fragment_source *source = fragment_source_at(table, datagram->source);
    for (size_t index = 0; index < PAGES_MAX; index++) {
        if (datagram->pages[index] != 0) {
            slab_give(&table->pages, datagram->pages[index] - 1);
            datagram->pages[index] = 0;
            source->pages--;
        }
    }
}

/* No more bytes are taken: gives the pages back, keeps the entry. */
static void fragment_close(struct fragment_table *table, uint32_t cell, enum fragment_state state)
{
    struct fragment_datagram *datagram = fragment_at(table, cell);
    assert(datagram->state == STATE_OPEN && state != STATE_OPEN);
    fragment_give_pages(table, datagram);
    fragment_remove(table, &table->open, LINKS_AGE, cell);
    fragment_append(table, &table->closed, LINKS_AGE, cell);
    datagram->state = (uint8_t)state;
}

static void fragment_forget(struct fragment_table *table, uint32_t cell)
{
    struct fragment_datagram *datagram = fragment_at(table, cell);
    uint32_t source_cell = datagram->source;
    struct fragment_source *source = fragment_source_at(table, source_cell);
    fragment_give_pages(table, datagram);
    fragment_remove(table, fragment_list_of(table, datagram), LINKS_AGE, cell);
    fragment_remove(table, &source->list, LINKS_SOURCE, cell);
    table_give(&table->datagrams, cell);
    source->datagrams--;
    if (source->datagrams == 0) {
        assert(source->pages == 0);
        table_give(&table->sources, source_cell);
    }
}

/* Forgets for want of room: counted where that loses something. */
static void fragment_evict(struct fragment_table *table, uint32_t cell)
{
    if (fragment_at(table, cell)->state == STATE_OPEN) {
        table->evicted++;
    }
    fragment_forget(table, cell);
}

/* Makes room in the source's share and in the table; what is closed goes first. */
static void fragment_make_room(struct fragment_table *table, uint64_t source_hash)
{
    uint32_t source_cell = table_find(&table->sources, source_hash);
    if (source_cell != TABLE_NONE) {
        const struct fragment_source *source = fragment_source_at(table, source_cell);
        if (source->datagrams >= FRAGMENT_SOURCE_MAX) {
            fragment_evict(table, source->list.oldest);
        }
    }
    if (table->datagrams.used >= FRAGMENT_DATAGRAMS_MAX) {
        fragment_evict(table, table->closed.oldest != TABLE_NONE ? table->closed.oldest
                                                                 : table->open.oldest);
    }
}

/* A new datagram, the youngest of all and of its source. */
static uint32_t fragment_open(struct fragment_table *table, const struct layers *layers,
                              uint64_t hash, uint64_t now_ns)
{
    uint64_t source_hash = hash_addr(table->key, &layers->source);
    fragment_make_room(table, source_hash);
    bool fresh = false;
    uint32_t source_cell = table_take(&table->sources, source_hash, 0, now_ns, &fresh);
    struct fragment_source *source = fragment_source_at(table, source_cell);
    if (fresh) {
        source->list = (struct fragment_list){.oldest = TABLE_NONE, .newest = TABLE_NONE};
    }
    uint32_t cell = table_take(&table->datagrams, hash, 0, now_ns, &fresh);
    assert(fresh);
    struct fragment_datagram *datagram = fragment_at(table, cell);
    *datagram = (struct fragment_datagram){
        .first_ns = now_ns,
        .source = source_cell,
        .end = END_UNKNOWN,
        .ip6 = layers->fragment_ip6,
    };
    fragment_append(table, &table->open, LINKS_AGE, cell);
    fragment_append(table, &source->list, LINKS_SOURCE, cell);
    source->datagrams++;
    return cell;
}

/* The source's oldest datagram that is open, `keep` left out; its list holds FRAGMENT_SOURCE_MAX at
 * most. */
static uint32_t fragment_oldest_of(const struct fragment_table *table, uint32_t keep,
                                   const struct fragment_source *source)
{
    uint32_t cell = source->list.oldest;
    while (cell != TABLE_NONE && (cell == keep || fragment_at(table, cell)->state != STATE_OPEN)) {
        cell = fragment_at(table, cell)->newer[LINKS_SOURCE];
    }
    return cell;
}

/* A zeroed page for `cell`, taken from the oldest where none is free; NULL: there is no other to
 * take it from. */
static struct page *fragment_take_page(struct fragment_table *table, uint32_t cell, size_t index)
{
    struct fragment_datagram *datagram = fragment_at(table, cell);
    struct fragment_source *source = fragment_source_at(table, datagram->source);
    while (source->pages >= table->source_pages_max) {
        uint32_t victim = fragment_oldest_of(table, cell, source);
        if (victim == TABLE_NONE) {
            return NULL;
        }
        fragment_evict(table, victim);
    }
    uint32_t taken = slab_take(&table->pages);
    while (taken == SLAB_NONE) {
        uint32_t victim = table->open.oldest;
        if (victim == cell) {
            victim = datagram->newer[LINKS_AGE];
        }
        if (victim == TABLE_NONE) {
            return NULL;
        }
        fragment_evict(table, victim);
        taken = slab_take(&table->pages);
    }
    datagram->pages[index] = taken + 1;
    source->pages++;
    return slab_at(&table->pages, taken);
}

/* --- a fragment's bytes --- */

/* What putting a fragment down met. */
struct fragment_met {
    uint32_t fresh; /* units that had not come yet */
    uint32_t known; /* units that had */
    bool differs; /* some of those with other bytes */
    bool no_room;
};

static struct fragment_met fragment_put(struct fragment_table *table, uint32_t cell,
                                        uint32_t offset, const uint8_t *at, uint32_t bytes)
{
    struct fragment_datagram *datagram = fragment_at(table, cell);
    struct fragment_met met = {0};
    for (uint32_t done = 0; done < bytes; done += UNIT_BYTES) {
        uint32_t position = offset + done;
        uint32_t count = bytes - done < UNIT_BYTES ? bytes - done : UNIT_BYTES;
        uint32_t index = position / PAGE_BYTES;
        struct page *page = datagram->pages[index] != 0
                                ? slab_at(&table->pages, datagram->pages[index] - 1)
                                : fragment_take_page(table, cell, index);
        if (page == NULL) {
            met.no_room = true;
            return met;
        }
        uint32_t unit = position % PAGE_BYTES / UNIT_BYTES;
        uint8_t *to = page->bytes + (size_t)unit * UNIT_BYTES;
        uint64_t bit = UINT64_C(1) << (unit % 64);
        if ((page->present[unit / 64] & bit) != 0) {
            met.known++;
            met.differs = met.differs || memcmp(to, at + done, count) != 0;
        } else {
            met.fresh++;
            page->present[unit / 64] |= bit;
            memcpy(to, at + done, count);
        }
    }
    return met;
}

static uint32_t fragment_units(uint32_t bytes)
{
    return (bytes + UNIT_BYTES - 1) / UNIT_BYTES;
}

/* Does the fragment contradict where the datagram ends? Two ends, or bytes behind one. */
static bool fragment_end_conflicts(const struct fragment_datagram *datagram,
                                   const struct layers *layers, uint32_t end)
{
    if (!layers->more_fragments) {
        return datagram->end == END_UNKNOWN ? datagram->reached > end : datagram->end != end;
    }
    return datagram->end != END_UNKNOWN && end > datagram->end;
}

/* Copies the pages of a whole datagram together and leaves a mark that it was seen. */
static void fragment_finish(struct fragment_table *table, uint32_t cell, uint64_t now_ns,
                            struct fragment_result *result)
{
    struct fragment_datagram *datagram = fragment_at(table, cell);
    for (uint32_t index = 0; index * PAGE_BYTES < datagram->end; index++) {
        const struct page *page = slab_at(&table->pages, datagram->pages[index] - 1);
        memcpy(table->whole + (size_t)index * PAGE_BYTES, page->bytes, PAGE_BYTES);
    }
    result->whole = true;
    result->at = table->whole;
    result->bytes = datagram->end;
    result->fragments = datagram->fragments;
    result->first_ns = datagram->first_ns;
    fragment_close(table, cell, STATE_DONE);
    datagram->first_ns = now_ns;
}

static uint64_t fragment_hash(const struct fragment_table *table, const struct layers *layers)
{
    struct fragment_identity identity = {
        .source = layers->source,
        .destination = layers->destination,
        .id = layers->fragment_id,
        .vni = layers->vni,
        .vlan_outer = layers->vlan_outer,
        .vlan_inner = layers->vlan_inner,
        .protocol = layers->fragment_protocol,
        .ip6 = layers->fragment_ip6,
    };
    return hash_bytes(table->key, &identity, sizeof identity);
}

/* Is a datagram that old that its id has been taken for another one? In both directions of time. */
static bool fragment_is_over(const struct fragment_datagram *datagram, uint64_t now_ns)
{
    uint64_t limit_ns = datagram->state == STATE_DONE ? DONE_NS : FRAGMENT_TIMEOUT_NS;
    return time_since(now_ns, datagram->first_ns) >= limit_ns ||
           time_since(datagram->first_ns, now_ns) >= limit_ns;
}

/* The datagram of a fragment, found or opened. */
static uint32_t fragment_of(struct fragment_table *table, const struct layers *layers,
                            uint64_t now_ns)
{
    uint64_t hash = fragment_hash(table, layers);
    uint32_t cell = table_find(&table->datagrams, hash);
    if (cell != TABLE_NONE && fragment_is_over(fragment_at(table, cell), now_ns)) {
        table->overdue += fragment_at(table, cell)->state <= STATE_SPOILT ? 1 : 0;
        fragment_forget(table, cell);
        cell = TABLE_NONE;
    }
    return cell != TABLE_NONE ? cell : fragment_open(table, layers, hash, now_ns);
}

enum reason fragment_see(struct fragment_table *table, const struct layers *layers, uint64_t now_ns,
                         struct fragment_result *out_result)
{
    uint32_t end = layers->fragment_offset + layers->fragment_wire;
    *out_result = (struct fragment_result){.whole = false};
    if (end > FRAGMENT_DATAGRAM_BYTES) {
        return REASON_FRAGMENT_RANGE;
    }
    if (layers->fragment_offset % UNIT_BYTES != 0 ||
        (layers->more_fragments && layers->fragment_wire % UNIT_BYTES != 0)) {
        return REASON_FRAGMENT_SHORT;
    }
    uint32_t cell = fragment_of(table, layers, now_ns);
    struct fragment_datagram *datagram = fragment_at(table, cell);
    if (datagram->state == STATE_OPEN && layers->fragment_bytes < layers->fragment_wire) {
        fragment_close(table, cell, STATE_SPOILT);
    }
    if (datagram->state != STATE_OPEN) {
        return REASON_NONE;
    }
    bool conflict = fragment_end_conflicts(datagram, layers, end);
    struct fragment_met met = {0};
    if (!conflict) {
        met = fragment_put(table, cell, layers->fragment_offset, layers->fragment_at,
                           layers->fragment_wire);
    }
    if (met.no_room) {
        fragment_evict(table, cell);
        return REASON_NONE;
    }
    out_result->overlap = (conflict || met.differs) && !datagram->overlap;
    datagram->overlap = datagram->overlap || conflict || met.differs;
    if (datagram->ip6 && (conflict || met.differs || (met.known > 0 && met.fresh > 0))) {
        fragment_close(table, cell, STATE_DROPPED);
        return REASON_FRAGMENT_OVERLAP6;
    }
    if (conflict) {
        return REASON_NONE;
    }
    datagram->units += met.fresh;
    datagram->fragments += met.fresh > 0 ? 1 : 0;
    datagram->reached = end > datagram->reached ? end : datagram->reached;
    if (!layers->more_fragments) {
        datagram->end = end;
    }
    if (datagram->end != END_UNKNOWN && datagram->units == fragment_units(datagram->end)) {
        fragment_finish(table, cell, now_ns, out_result);
    }
    return REASON_NONE;
}

/* All of a list are looked at: stamps of frames may go back, so the lists by age are not sorted by
 * time. */
static uint32_t fragment_expire_list(struct fragment_table *table, const struct fragment_list *list,
                                     uint64_t now_ns)
{
    uint32_t expired = 0;
    for (uint32_t cell = list->oldest; cell != TABLE_NONE;) {
        const struct fragment_datagram *datagram = fragment_at(table, cell);
        uint32_t next = datagram->newer[LINKS_AGE];
        if (fragment_is_over(datagram, now_ns)) {
            expired += datagram->state <= STATE_SPOILT ? 1 : 0;
            fragment_forget(table, cell);
        }
        cell = next;
    }
    return expired;
}

uint32_t fragment_expire(struct fragment_table *table, uint64_t now_ns)
{
    uint32_t expired = table->overdue;
    table->overdue = 0;
    expired += fragment_expire_list(table, &table->open, now_ns);
    expired += fragment_expire_list(table, &table->closed, now_ns);
    return expired;
}
