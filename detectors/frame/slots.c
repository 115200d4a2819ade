/* slots.c - one look-up a fact and kind of key, whatever the number of detectors.
 *
 *      entry of a kind    [lane of rule a | lane of rule b | ...]    offsets by open, 8-byte aligned
 *      lane with a slab   [handle + 1 : 32 | the detector's own]     0 = no cell yet
 *
 * Lanes of one key lie side by side, so that a fact that three detectors want costs one cache miss.
 * What is larger than a lane lies in the detector's slab; it is taken at the first delivery, or when
 * the detector asks, and given back with the entry.
 *
 * A quarter of the entries is for keys that have not proven anything: a million forged sources push
 * out each other, never a slow attacker who has shown that he hears our answers. Once that quarter
 * is used, admission.c says who of the unproven gets an entry at all: so they do not push out a
 * slow attacker who has shown nothing either. */
#include "detectors/frame/slots.h"

enum { WEAK_PPM = 250000, LANE_ALIGNMENT = 8 };

uint32_t slots_entries(const struct frame_limits *limits, enum key_kind kind)
{
    uint32_t entries = limits->entries[kind];

    return entries == 0 ? frame_entries_preset(kind) : entries;
}

uint32_t slots_slab_cells(const struct detector *detector, const void *conf)
{
    const struct option *option =
        option_find(detector->options, slice_of_string(detector->slab_option));
    uint64_t cells;

    assert(option != NULL && option->kind == OPTION_COUNT);
    memcpy(&cells, (const char *)conf + option->offset, sizeof cells);
    return cells < 1 ? 1 : cells > UINT32_MAX / 2 ? UINT32_MAX / 2 : (uint32_t)cells;
}

/* Bytes of an entry of the kind; offsets go to `rules` where that is not NULL. 0 = nobody wants the
 * kind. */
static uint32_t layout(enum key_kind kind, const struct frame_conf *confs, struct slots_rule *rules)
{
    uint32_t bytes = 0;
    bool wanted = false;

    for (size_t i = 0; i < detector_count(); i++) {
        const struct detector *detector = detectors[i];
        assert(detector->lane_bytes <= DETECTOR_LANE_BYTES);
        assert(detector->slab_bytes == 0 || detector->lane_bytes >= sizeof(uint32_t));
        if (detector->key != kind || !confs[i].enabled) {
            continue;
        }
        wanted = true;
        if (rules != NULL) {
            rules[i].lane_offset = (uint16_t)bytes;
        }
        bytes += (detector->lane_bytes + LANE_ALIGNMENT - 1U) & ~(LANE_ALIGNMENT - 1U);
    }
    return wanted && bytes == 0 ? LANE_ALIGNMENT : bytes;
}

static void *lane_of(const struct slots_rule *rule, void *entry)
{
    return (uint8_t *)entry + rule->lane_offset;
}

static void on_evict(void *owner, uint32_t cell, void *at)
{
    const struct slots_kind *kind = owner;
    (void)cell;

    for (uint32_t i = 0; kind->rules > 0 && i < kind->slots->rule_count; i++) {
        struct slots_rule *rule = &kind->slots->rules[i];
        if (!rule->enabled || rule->detector->key != kind->kind ||
            rule->detector->slab_bytes == 0) {
            continue;
        }
        uint32_t handle;
        memcpy(&handle, lane_of(rule, at), sizeof handle);
        if (handle != 0) {
            slab_give(&rule->slab, handle - 1);
        }
    }
}

static struct table_options table_options_of(const struct frame_limits *limits, enum key_kind kind,
                                             uint32_t cell_bytes)
{
    return (struct table_options){.name = key_kind_name(kind),
                                  .cells_max = slots_entries(limits, kind),
                                  .cell_bytes = cell_bytes,
                                  .weak_ppm = WEAK_PPM,
                                  .on_evict = on_evict};
}

static enum status open_kind(struct slots *slots, enum key_kind kind,
                             const struct frame_limits *limits, const struct frame_conf *confs,
                             struct error *error)
{
    struct slots_kind *it = &slots->kinds[kind];
    uint32_t bytes = layout(kind, confs, slots->rules);

    it->slots = slots;
    it->kind = kind;
    if (bytes == 0) {
        return STATUS_OK;
    }
    struct table_options options = table_options_of(limits, kind, bytes);
    options.owner = it;
    enum status status = table_open(&it->table, &options, error);
    it->open = status == STATUS_OK;
    return status;
}

static enum status open_rule(struct slots *slots, uint32_t index, const struct frame_conf *conf,
                             struct error *error)
{
    struct slots_rule *rule = &slots->rules[index];

    rule->detector = detectors[index];
    rule->conf = conf->conf;
    if (!conf->enabled) {
        return STATUS_OK;
    }
    assert(conf->conf != NULL || rule->detector->conf_bytes == 0);
    if (rule->detector->slab_bytes != 0) {
        enum status status = slab_open(&rule->slab, slots_slab_cells(rule->detector, rule->conf),
                                       rule->detector->slab_bytes, error);
        if (status != STATUS_OK) {
            return status;
        }
        slots->kinds[rule->detector->key].rules++;
    }
    rule->enabled = true;
    rule->heard = true;
    return STATUS_OK;
}

void slots_reload(struct slots *slots, const struct frame_conf *confs)
{
    for (uint32_t i = 0; i < slots->rule_count; i++) {
        struct slots_rule *rule = &slots->rules[i];
        rule->conf = confs[i].conf;
        rule->heard = rule->enabled && confs[i].enabled;
    }
}

enum status slots_open(struct slots *slots, const struct frame_limits *limits,
                       const struct frame_conf *confs, struct error *error)
{
    memset(slots, 0, sizeof *slots); /* a quarter of a megabyte: no copy of it */
    slots->rule_count = (uint32_t)detector_count();
    slots->key = limits->key;
    slots->rules = calloc(detector_count() + 1, sizeof *slots->rules);
    if (slots->rules == NULL) {
        return error_system(error, STATUS_FAILED, "memory", "cannot list the detectors");
    }
    for (uint32_t i = 0; i < slots->rule_count; i++) {
        enum status status = open_rule(slots, i, &confs[i], error);
        if (status != STATUS_OK) {
            slots_close(slots);
            return status;
        }
    }
    for (unsigned kind = 0; kind < KEY_COUNT; kind++) {
        enum status status = open_kind(slots, kind, limits, confs, error);
        if (status != STATUS_OK) {
            slots_close(slots);
            return status;
        }
    }
    return STATUS_OK;
}

void slots_close(struct slots *slots)
{
    for (unsigned kind = 0; kind < KEY_COUNT; kind++) {
        if (slots->kinds[kind].open) {
            table_close(&slots->kinds[kind].table);
        }
    }
    for (uint32_t i = 0; slots->rules != NULL && i < slots->rule_count; i++) {
        if (slots->rules[i].enabled && slots->rules[i].detector->slab_bytes != 0) {
            slab_close(&slots->rules[i].slab);
        }
    }
    free(slots->rules);
    slots->rules = NULL;
}

void slots_budget(const struct frame_limits *limits, const struct frame_conf *confs,
                  struct budget *budget)
{
    for (unsigned kind = 0; kind < KEY_COUNT; kind++) {
        uint32_t cell_bytes = layout(kind, confs, NULL);
        if (cell_bytes != 0) {
            struct table_options options = table_options_of(limits, kind, cell_bytes);
            budget_add(budget, key_kind_name((enum key_kind)kind), limits->entries[kind],
                       table_bytes_max(&options));
        }
    }
    for (size_t i = 0; i < detector_count(); i++) {
        if (confs[i].enabled && detectors[i]->slab_bytes != 0) {
            uint32_t cells = slots_slab_cells(detectors[i], confs[i].conf);
            budget_add(budget, detectors[i]->slug, cells,
                       (size_t)cells * (detectors[i]->slab_bytes + sizeof(uint32_t)));
        }
    }
}

/* Some rule of the kind says that this fact alone is worth an entry. */
static bool is_marked(const struct slots *slots, enum key_kind kind, const struct fact *fact)
{
    for (uint32_t i = 0; i < slots->rule_count; i++) {
        const struct slots_rule *rule = &slots->rules[i];
        if (rule->enabled && rule->detector->key == kind && rule->detector->marks != NULL &&
            (rule->detector->wants >> fact->kind & 1) != 0 &&
            rule->detector->marks(rule->conf, fact)) {
            return true;
        }
    }
    return false;
}

static bool admits(struct slots *slots, enum key_kind kind, uint64_t hash, uint64_t group,
                   const struct fact *fact)
{
    struct table *table = &slots->kinds[kind].table;

    if (!admission_is_crowded(table)) {
        return true;
    }
    struct admission_stranger stranger = {.kind = kind,
                                          .hash = hash,
                                          .group = group,
                                          .fact = fact,
                                          .marked = is_marked(slots, kind, fact)};
    return admission_admits(&slots->admission, table, &stranger);
}

/* TABLE_NONE: the table is crowded. Apart, because most entries are there: what registers it needs is
 * not saved for them. */
static __attribute__((noinline)) uint32_t take_new(struct slots *slots, enum key_kind kind,
                                                   uint64_t hash, const struct fact *fact,
                                                   bool strong)
{
    uint64_t group = key_group(kind, fact, slots->key);
    bool is_new;

    if (!strong && !admits(slots, kind, hash, group, fact)) {
        return TABLE_NONE;
    }
    return table_take(&slots->kinds[kind].table, hash, group, fact->time_ns, &is_new);
}

void *slots_take(struct slots *slots, enum key_kind kind, uint64_t hash, const struct fact *fact,
                 bool strong)
{
    struct table *table = &slots->kinds[kind].table;
    uint32_t cell = table_find(table, hash);

    if (cell != TABLE_NONE) {
        table_touch(table, cell, fact->time_ns);
    } else {
        cell = take_new(slots, kind, hash, fact, strong);
        if (cell == TABLE_NONE) {
            return NULL;
        }
    }
    if (strong) {
        table_strengthen(table, cell);
    }
    return table_at(table, cell);
}

void *slots_take_cell(struct slots *slots, struct slots_rule *rule, void *lane)
{
    uint32_t cell = slab_take(&rule->slab);

    if (cell == SLAB_NONE) {
        slots->cells_missed++;
        return NULL;
    }
    uint32_t handle = cell + 1;
    memcpy(lane, &handle, sizeof handle);
    return slab_at(&rule->slab, cell);
}
