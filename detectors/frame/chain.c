/* chain.c - union-find over chains: an incident that opens joins the chains of its entities.
 *
 *      entity (source, its site, account) ──▶ number ──▶ chain {id of the oldest | a row a stage}
 *                                                          │ parent: the older one it was joined to
 *                                                          ▼
 *                                                        chain
 *
 * A row a stage is enough for the story ("one sentence a stage") and keeps a chain at a fixed size
 * however many incidents it gathers. Numbers are given in order and never again, so a link to a
 * chain that was forgotten leads nowhere instead of into another's story. Which of two chains lives
 * on is a matter of age, never of a hash.
 *
 * How bad the story is: as bad as its worst incident, and one step more where three stages stand in
 * order (scan, then names, then passwords ...), because each of them alone is what any scanner does
 * and the row of them is somebody who means us. An order is read from the first and the last
 * opening of each stage. A story in which all that blames somebody blames an address that may be
 * forged never exceeds 2, as its incidents: nobody is woken by what one can play with forged
 * packets.
 *
 * An address behind which a whole provider lives would melt everything into one story: an entity
 * that has tied more than 50 chains together stops linking. Only what would have been a chain of
 * its own is counted: a scan that begins again every hour shares its address with itself. */
#include "detectors/frame/chain.h"

#include "detectors/frame/key.h"

enum { STAGES_IN_ORDER = 3, SEVERITY_UNCERTAIN = 2 };

struct stage_row {
    uint64_t opened_ns; /* the first incident */
    uint64_t last_ns; /* the last one's opening */
    const char *title;
    uint32_t incidents; /* 0 = none yet */
    bool is_name; /* the name is an account or a number */
    char name[CHAIN_NAME_BYTES];
};

struct chain_cell {
    uint64_t number;
    uint64_t parent; /* 0 = stands for itself */
    uint64_t opened_ns;
    struct hash128 id;
    uint32_t incidents;
    uint8_t severity; /* the highest of them */
    bool certain; /* one of them is */
    struct stage_row stages[CHAIN_STAGES];
};

struct entity_cell {
    uint64_t chain;
    uint64_t last_ns;
    uint32_t chains; /* that it has tied together */
};

static struct table_options chain_options(uint32_t chains_max)
{
    return (struct table_options){
        .name = "chains", .cells_max = chains_max, .cell_bytes = sizeof(struct chain_cell)};
}

static struct table_options entity_options(uint32_t chains_max)
{
    return (struct table_options){.name = "chain entities",
                                  .cells_max = chains_max * CHAIN_ENTITIES,
                                  .cell_bytes = sizeof(struct entity_cell)};
}

static uint32_t bounded(uint32_t chains_max)
{
    const uint32_t ceiling = UINT32_MAX / 8;

    return chains_max < 1 ? 1 : chains_max < ceiling ? chains_max : ceiling;
}

size_t chain_bytes_max(uint32_t chains_max)
{
    struct table_options chains = chain_options(bounded(chains_max));
    struct table_options entities = entity_options(bounded(chains_max));

    return table_bytes_max(&chains) + table_bytes_max(&entities);
}

size_t chain_kept_bytes_max(uint32_t chains_max)
{
    size_t chain = sizeof(struct chain_cell) + (1 + CHAIN_STAGES) * sizeof(uint64_t);
    size_t entity = sizeof(struct entity_cell) + sizeof(struct snapshot_entry);

    return 16 + bounded(chains_max) * (chain + CHAIN_ENTITIES * entity);
}

enum status chain_open(struct chains *chains, uint32_t chains_max, struct hash_key key,
                       struct error *error)
{
    struct table_options chain = chain_options(bounded(chains_max));
    struct table_options entity = entity_options(bounded(chains_max));

    *chains = (struct chains){.next_number = 1, .key = key};
    enum status status = table_open(&chains->chains, &chain, error);
    if (status != STATUS_OK) {
        return status;
    }
    status = table_open(&chains->entities, &entity, error);
    if (status != STATUS_OK) {
        table_close(&chains->chains);
    }
    return status;
}

void chain_close(struct chains *chains)
{
    table_close(&chains->entities);
    table_close(&chains->chains);
}

static uint64_t hash_of(const struct chains *chains, uint64_t number)
{
    return hash_bytes(chains->key, &number, sizeof number);
}

static struct chain_cell *chain_at(struct chains *chains, uint64_t number)
{
    uint32_t cell = number == 0 ? TABLE_NONE : table_find(&chains->chains, hash_of(chains, number));
    struct chain_cell *chain = cell == TABLE_NONE ? NULL : table_at(&chains->chains, cell);

    return chain != NULL && chain->number == number ? chain : NULL;
}

/* The chain that speaks for this one; paths are halved on the way. NULL when it was forgotten. */
static struct chain_cell *root_of(struct chains *chains, uint64_t number)
{
    struct chain_cell *chain = chain_at(chains, number);

    while (chain != NULL && chain->parent != 0) {
        struct chain_cell *parent = chain_at(chains, chain->parent);
        if (parent != NULL && parent->parent != 0) {
            chain->parent = parent->parent;
        }
        chain = parent;
    }
    return chain;
}

static void touch(struct chains *chains, const struct chain_cell *chain, uint64_t now_ns)
{
    table_touch(&chains->chains, table_find(&chains->chains, hash_of(chains, chain->number)),
                now_ns);
}

static struct chain_cell *begin(struct chains *chains, const struct chain_link *link)
{
    bool is_new;
    uint64_t number = chains->next_number++;
    uint32_t cell = table_take(&chains->chains, hash_of(chains, number), 0, link->now_ns, &is_new);
    struct chain_cell *chain = table_at(&chains->chains, cell);

    *chain = (struct chain_cell){.number = number, .opened_ns = link->opened_ns, .id = link->id};
    return chain;
}

/* The row of a stage speaks of its first incident. */
static void row_add(struct stage_row *row, const struct stage_row *other)
{
    uint32_t incidents = row->incidents + other->incidents;
    uint64_t last_ns = row->last_ns > other->last_ns ? row->last_ns : other->last_ns;

    if (row->incidents == 0 || (other->incidents != 0 && other->opened_ns < row->opened_ns)) {
        *row = *other;
    }
    row->incidents = incidents;
    row->last_ns = last_ns;
}

static void raise(struct chain_cell *chain, uint8_t severity, bool certain)
{
    chain->severity = severity > chain->severity ? severity : chain->severity;
    chain->certain = chain->certain || certain;
}

/* The younger one becomes part of the older one. */
static struct chain_cell *join(struct chain_cell *one, struct chain_cell *other)
{
    bool swap = other->opened_ns < one->opened_ns ||
                (other->opened_ns == one->opened_ns && other->number < one->number);
    struct chain_cell *older = swap ? other : one;
    struct chain_cell *younger = swap ? one : other;

    if (older == younger) {
        return older;
    }
    for (unsigned i = 0; i < CHAIN_STAGES; i++) {
        row_add(&older->stages[i], &younger->stages[i]);
    }
    older->incidents += younger->incidents;
    raise(older, younger->severity, younger->certain);
    younger->parent = older->number;
    return older;
}

static void add_incident(struct chain_cell *chain, const struct chain_link *link)
{
    struct stage_row row = {.opened_ns = link->opened_ns,
                            .last_ns = link->opened_ns,
                            .title = link->title,
                            .is_name = link->is_name,
                            .incidents = 1};
    size_t bytes = link->name.bytes < sizeof row.name ? link->name.bytes : sizeof row.name - 1;

    assert(link->stage >= 1 && link->stage <= CHAIN_STAGES);
    if (bytes > 0) {
        memcpy(row.name, link->name.at, bytes);
    }
    row_add(&chain->stages[link->stage - 1], &row);
    chain->incidents++;
    raise(chain, link->severity, link->certain);
}

/* The chain of an entity that may still link. */
static struct chain_cell *chain_of_entity(struct chains *chains, uint64_t hash, uint64_t now_ns)
{
    uint32_t cell = hash == 0 ? TABLE_NONE : table_find(&chains->entities, hash);

    if (cell == TABLE_NONE) {
        return NULL;
    }
    const struct entity_cell *entity = table_at(&chains->entities, cell);
    if (entity->chains > CHAIN_SHARED_MAX || time_since(now_ns, entity->last_ns) > CHAIN_AGE_NS) {
        return NULL;
    }
    return root_of(chains, entity->chain);
}

/* `ties`: without this entity the incident would belong to another chain, or begin one. */
static void name_entity(struct chains *chains, uint64_t hash, uint64_t number, uint64_t now_ns,
                        bool ties)
{
    bool is_new;

    if (hash == 0) {
        return;
    }
    uint32_t cell = table_take(&chains->entities, hash, 0, now_ns, &is_new);
    struct entity_cell *entity = table_at(&chains->entities, cell);
    if (time_since(now_ns, entity->last_ns) > CHAIN_AGE_NS) {
        entity->chains = 0;
    }
    entity->chain = number;
    entity->last_ns = now_ns;
    entity->chains += ties || entity->chains == 0;
    table_touch(&chains->entities, cell, now_ns);
}

uint64_t chain_join(struct chains *chains, const struct chain_link *link)
{
    struct chain_cell *chain = NULL;
    uint64_t found[CHAIN_ENTITIES] = {0}; /* chains as they were before this incident */
    bool ties[CHAIN_ENTITIES] = {false};

    for (unsigned i = 0; i < CHAIN_ENTITIES; i++) {
        const struct chain_cell *of = chain_of_entity(chains, link->entities[i], link->now_ns);
        found[i] = of == NULL ? 0 : of->number;
    }
    for (unsigned i = 0; i < CHAIN_ENTITIES; i++) {
        for (unsigned j = 0; j < CHAIN_ENTITIES; j++) {
            ties[i] = ties[i] || (link->entities[j] != 0 && found[j] != found[i]);
        }
        if (found[i] != 0) {
            struct chain_cell *of = root_of(chains, found[i]);
            chain = chain == NULL ? of : join(chain, of);
        }
    }
    if (chain == NULL) {
        chain = begin(chains, link);
    }
    touch(chains, chain, link->now_ns);
    add_incident(chain, link);
    for (unsigned i = 0; i < CHAIN_ENTITIES; i++) {
        name_entity(chains, link->entities[i], chain->number, link->now_ns, ties[i]);
    }
    return chain->number;
}

void chain_raise(struct chains *chains, uint64_t number, uint8_t severity, bool certain)
{
    struct chain_cell *chain = root_of(chains, number);

    if (chain != NULL) {
        raise(chain, severity, certain);
    }
}

/* The longest row of stages of which none is over before the one below it began. */
static unsigned stages_in_order(const struct chain_cell *chain)
{
    uint64_t end_ns[CHAIN_STAGES + 1] = {0}; /* [n]: when a row of n is complete at the earliest */
    unsigned longest = 0;

    for (unsigned n = 1; n <= CHAIN_STAGES; n++) {
        end_ns[n] = UINT64_MAX;
    }
    for (unsigned stage = 0; stage < CHAIN_STAGES; stage++) {
        const struct stage_row *row = &chain->stages[stage];
        for (unsigned n = stage + 1; row->incidents > 0 && n > 0; n--) {
            uint64_t from_ns = end_ns[n - 1];
            uint64_t at_ns = row->opened_ns >= from_ns ? row->opened_ns : row->last_ns;
            if (at_ns >= from_ns && at_ns < end_ns[n]) {
                end_ns[n] = at_ns;
                longest = n > longest ? n : longest;
            }
        }
    }
    return longest;
}

uint8_t chain_severity(struct chains *chains, uint64_t number)
{
    const struct chain_cell *chain = root_of(chains, number);

    if (chain == NULL) {
        return 0;
    }
    uint8_t ceiling = chain->certain ? CHAIN_SEVERITY_MAX : SEVERITY_UNCERTAIN;
    uint8_t risen = (uint8_t)(chain->severity + (stages_in_order(chain) >= STAGES_IN_ORDER));
    ceiling = chain->severity > ceiling ? chain->severity : ceiling;
    return risen < ceiling ? risen : ceiling;
}

bool chain_id(struct chains *chains, uint64_t number, struct hash128 *out_id)
{
    const struct chain_cell *chain = root_of(chains, number);

    if (chain == NULL) {
        return false;
    }
    *out_id = chain->id;
    return true;
}

void chain_write(struct chains *chains, uint64_t number, struct text *text)
{
    const struct chain_cell *chain = root_of(chains, number);

    if (chain == NULL || chain->incidents < 2) {
        return;
    }
    for (unsigned i = 0; i < CHAIN_STAGES; i++) {
        const struct stage_row *row = &chain->stages[i];
        if (row->incidents == 0) {
            continue;
        }
        struct text sentence = *text; /* whole or not at all */
        text_string(&sentence, sentence.bytes == 0 ? "" : " ");
        text_time(&sentence, row->opened_ns, 0);
        text_string(&sentence, ": ");
        text_string(&sentence, row->title);
        text_string(&sentence, ", ");
        if (row->is_name) {
            key_write_name(&sentence, slice_of_string(row->name), CHAIN_NAME_BYTES);
        } else {
            text_string(&sentence, row->name);
        }
        if (row->incidents > 1) {
            text_string(&sentence, " and ");
            text_u64(&sentence, row->incidents - 1);
            text_string(&sentence, " more");
        }
        text_string(&sentence, ".");
        if (!sentence.overflow) {
            *text = sentence;
        }
    }
}

/* --- over a restart --- */

/* Chains, then entities: [number 8][count 4] [cell][slug hash 8 a stage] ... [count 4] [head][cell]
 * A title is a pointer to the declaration of the rule that opened the stage: its slug is kept. */

static const struct detector *rule_of(const char *title, uint64_t slug)
{
    for (size_t i = 0; i < detector_count(); i++) {
        if (title != NULL
                ? detectors[i]->title == title
                : hash_slice(HASH_KEY_FIXED, slice_of_string(detectors[i]->slug)) == slug) {
            return detectors[i];
        }
    }
    return NULL;
}

static uint64_t slug_of(const char *title)
{
    const struct detector *rule = title == NULL ? NULL : rule_of(title, 0);

    return rule == NULL ? 0 : hash_slice(HASH_KEY_FIXED, slice_of_string(rule->slug));
}

static void save(const void *owner, struct snapshot_out *out)
{
    const struct chains *chains = owner;

    snapshot_put_u64(out, chains->next_number);
    snapshot_put_count(out, chains->chains.used);
    for (uint32_t cell = snapshot_next_entry(&chains->chains, TABLE_NONE); cell != TABLE_NONE;
         cell = snapshot_next_entry(&chains->chains, cell)) {
        struct chain_cell chain = *(const struct chain_cell *)table_at(&chains->chains, cell);
        snapshot_put_u64(out, table_touched_ns(&chains->chains, cell));
        for (unsigned i = 0; i < CHAIN_STAGES; i++) {
            snapshot_put_u64(out, slug_of(chain.stages[i].title));
            chain.stages[i].title = NULL;
        }
        snapshot_put(out, &chain, sizeof chain);
    }
    snapshot_put_count(out, chains->entities.used);
    for (uint32_t cell = snapshot_next_entry(&chains->entities, TABLE_NONE); cell != TABLE_NONE;
         cell = snapshot_next_entry(&chains->entities, cell)) {
        snapshot_put_entry(out, &chains->entities, cell);
        snapshot_put(out, table_at(&chains->entities, cell), sizeof(struct entity_cell));
    }
}

/* As begin() and add_incident() leave it; an older chain leads to an even older one, so no way of
 * links comes back to itself. */
static bool chain_mend(struct chain_cell *chain, const uint64_t *slugs, uint64_t next_number)
{
    snapshot_truth(&chain->certain);
    for (unsigned i = 0; i < CHAIN_STAGES; i++) {
        struct stage_row *row = &chain->stages[i];
        const struct detector *rule = rule_of(NULL, slugs[i]);
        row->name[sizeof row->name - 1] = '\0';
        snapshot_truth(&row->is_name);
        row->title = rule == NULL ? NULL : rule->title;
        if (rule == NULL) {
            *row = (struct stage_row){.incidents = 0};
        }
    }
    return chain->number != 0 && chain->number < next_number && chain->parent < next_number &&
           chain->severity <= CHAIN_SEVERITY_MAX;
}

static bool load_chain(struct chains *chains, struct snapshot_in *in)
{
    uint64_t slugs[CHAIN_STAGES];
    struct chain_cell chain;
    uint64_t touched_ns = snapshot_get_u64(in);

    if (!snapshot_get(in, slugs, sizeof slugs) || !snapshot_get(in, &chain, sizeof chain)) {
        return false;
    }
    if (snapshot_is_future(in, touched_ns)) {
        in->future++;
        return true;
    }
    if (chain_mend(&chain, slugs, chains->next_number) && chain_at(chains, chain.number) == NULL) {
        const struct snapshot_entry entry = {.hash = hash_of(chains, chain.number),
                                             .touched_ns = touched_ns};
        uint32_t cell = snapshot_take_entry(&chains->chains, &entry);
        if (cell != TABLE_NONE) {
            *(struct chain_cell *)table_at(&chains->chains, cell) = chain;
        }
    }
    return true;
}

/* Links that come back to where they were would be followed for ever. */
static void cut_circles(struct chains *chains)
{
    for (uint32_t cell = table_next(&chains->chains, 0); cell != TABLE_NONE;
         cell = table_next(&chains->chains, cell + 1)) {
        struct chain_cell *chain = table_at(&chains->chains, cell);
        const struct chain_cell *parent = chain_at(chains, chain->parent);
        if (parent != NULL &&
            (parent->opened_ns > chain->opened_ns ||
             (parent->opened_ns == chain->opened_ns && parent->number >= chain->number))) {
            chain->parent = 0;
        }
    }
}

static bool load(void *owner, struct snapshot_in *in)
{
    struct chains *chains = owner;
    uint64_t next_number = snapshot_get_u64(in);
    uint32_t count = snapshot_get_u32(in);
    bool good = !in->failed;

    chains->next_number = next_number < 1 ? 1 : next_number;
    for (uint32_t i = 0; i < count && good; i++) {
        good = load_chain(chains, in);
    }
    cut_circles(chains);
    count = good ? snapshot_get_u32(in) : 0;
    for (uint32_t i = 0; i < count && good; i++) {
        struct snapshot_entry head;
        struct entity_cell entity;
        good = snapshot_get(in, &head, sizeof head) && snapshot_get(in, &entity, sizeof entity);
        bool future = good && snapshot_is_future(in, head.touched_ns);
        uint32_t cell =
            good && !future ? snapshot_take_entry(&chains->entities, &head) : TABLE_NONE;
        in->future += future;
        if (cell != TABLE_NONE) {
            *(struct entity_cell *)table_at(&chains->entities, cell) = entity;
        }
    }
    return good && !in->failed;
}

void chain_part(struct chains *chains, struct snapshot_part *out_part)
{
    uint32_t layout = snapshot_layout(0, sizeof(struct chain_cell));

    *out_part =
        (struct snapshot_part){.name = "chains",
                               .version = 2,
                               .layout = snapshot_layout(layout, sizeof(struct entity_cell)),
                               .owner = chains,
                               .bytes_max = chain_kept_bytes_max(chains->chains.options.cells_max),
                               .save = save,
                               .load = load};
}
