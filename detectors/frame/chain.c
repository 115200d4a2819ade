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
 * An address behind which a whole provider lives would melt everything into one story: an entity
 * named by more than 50 incidents stops linking. */
#include "detectors/frame/chain.h"

struct stage_row {
    uint64_t opened_ns;
    const char *title;
    uint32_t incidents; /* 0 = none yet */
    char name[CHAIN_NAME_BYTES];
};

struct chain_cell {
    uint64_t number;
    uint64_t parent; /* 0 = stands for itself */
    uint64_t opened_ns;
    struct hash128 id;
    uint32_t incidents;
    struct stage_row stages[CHAIN_STAGES];
};

struct entity_cell {
    uint64_t chain;
    uint64_t last_ns;
    uint32_t incidents;
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

    if (row->incidents == 0 || (other->incidents != 0 && other->opened_ns < row->opened_ns)) {
        *row = *other;
    }
    row->incidents = incidents;
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
    younger->parent = older->number;
    return older;
}

static void add_incident(struct chain_cell *chain, const struct chain_link *link)
{
    struct stage_row row = {.opened_ns = link->opened_ns, .title = link->title, .incidents = 1};
    size_t bytes = link->name.bytes < sizeof row.name ? link->name.bytes : sizeof row.name - 1;

    assert(link->stage >= 1 && link->stage <= CHAIN_STAGES);
    if (bytes > 0) {
        memcpy(row.name, link->name.at, bytes);
    }
    row_add(&chain->stages[link->stage - 1], &row);
    chain->incidents++;
}

/* The chain of an entity that may still link. */
static struct chain_cell *chain_of_entity(struct chains *chains, uint64_t hash, uint64_t now_ns)
{
    uint32_t cell = hash == 0 ? TABLE_NONE : table_find(&chains->entities, hash);

    if (cell == TABLE_NONE) {
        return NULL;
    }
    const struct entity_cell *entity = table_at(&chains->entities, cell);
    if (entity->incidents > CHAIN_SHARED_MAX ||
        time_since(now_ns, entity->last_ns) > CHAIN_AGE_NS) {
        return NULL;
    }
    return root_of(chains, entity->chain);
}

static void name_entity(struct chains *chains, uint64_t hash, uint64_t number, uint64_t now_ns)
{
    bool is_new;

    if (hash == 0) {
        return;
    }
    uint32_t cell = table_take(&chains->entities, hash, 0, now_ns, &is_new);
    struct entity_cell *entity = table_at(&chains->entities, cell);
    if (time_since(now_ns, entity->last_ns) > CHAIN_AGE_NS) {
        entity->incidents = 0;
    }
    entity->chain = number;
    entity->last_ns = now_ns;
    entity->incidents++;
    table_touch(&chains->entities, cell, now_ns);
}

uint64_t chain_join(struct chains *chains, const struct chain_link *link)
{
    struct chain_cell *chain = NULL;

    for (unsigned i = 0; i < CHAIN_ENTITIES; i++) {
        struct chain_cell *found = chain_of_entity(chains, link->entities[i], link->now_ns);
        if (found != NULL) {
            chain = chain == NULL ? found : join(chain, found);
        }
    }
    if (chain == NULL) {
        chain = begin(chains, link);
    }
    touch(chains, chain, link->now_ns);
    add_incident(chain, link);
    for (unsigned i = 0; i < CHAIN_ENTITIES; i++) {
        name_entity(chains, link->entities[i], chain->number, link->now_ns);
    }
    return chain->number;
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
        text_string(&sentence, row->name);
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
