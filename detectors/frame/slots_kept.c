/* slots_kept.c - lanes and cells over a restart.
 *
 *   image of a kind   [kept rules: n] n x [slug hash 8, kept 4, lane 4, cell 4]
 *                     [entries: n]    n x [head of the entry] for each kept rule:
 *                                         [bytes behind it 4: lane, or lane and cell, or 0][...]
 *
 * Entries stand in their order of idleness, also those of which nothing is kept: they take their
 * turn when room is made. A rule that is not there any more, or keeps something else by now, is
 * passed over; a lane that is not as its rule would have left it is dropped, and its entry stays.
 *
 * Entries that were touched after the time at which the new run begins are left out: what lies in
 * their lanes would seem fresh until time has come there again. */
#include "detectors/frame/slots.h"

enum { RULE_BYTES = 20, ENTRY_BYTES = sizeof(struct snapshot_entry) };

/* A rule as the image has it, and the one of this run that takes it up; NULL = none. */
struct kept_rule {
    struct slots_rule *rule;
    uint32_t lane_bytes;
    uint32_t cell_bytes;
};

struct kept_rules {
    uint32_t count;
    struct kept_rule rules[64];
};

static uint64_t slug_hash(const struct detector *detector)
{
    return hash_slice(HASH_KEY_FIXED, slice_of_string(detector->slug));
}

static bool is_kept(const struct slots_rule *rule, enum key_kind kind)
{
    return rule->enabled && rule->detector->key == kind && rule->detector->kept != 0;
}

/* --- out --- */

static bool has_bytes(const void *at, size_t bytes)
{
    const uint8_t *byte = at;

    for (size_t i = 0; i < bytes; i++) {
        if (byte[i] != 0) {
            return true;
        }
    }
    return false;
}

static void save_lane(const struct slots_rule *rule, const uint8_t *entry, struct snapshot_out *out)
{
    const struct detector *detector = rule->detector;
    const void *lane = entry + rule->lane_offset;
    const void *cell = detector->slab_bytes == 0 ? NULL : slots_cell(rule, lane);
    uint32_t bytes = detector->lane_bytes + (cell == NULL ? 0 : detector->slab_bytes);

    if (cell == NULL && !has_bytes(lane, detector->lane_bytes)) {
        snapshot_put_u32(out, 0);
        return;
    }
    snapshot_put_u32(out, bytes);
    snapshot_put(out, lane, detector->lane_bytes);
    snapshot_put(out, cell, cell == NULL ? 0 : detector->slab_bytes);
}

static void save_rules(const struct slots *slots, enum key_kind kind, struct snapshot_out *out)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < slots->rule_count; i++) {
        count += is_kept(&slots->rules[i], kind);
    }
    snapshot_put_u32(out, count);
    for (uint32_t i = 0; i < slots->rule_count; i++) {
        const struct detector *detector = slots->rules[i].detector;
        if (is_kept(&slots->rules[i], kind)) {
            snapshot_put_u64(out, slug_hash(detector));
            snapshot_put_u32(out, detector->kept);
            snapshot_put_u32(out, detector->lane_bytes);
            snapshot_put_u32(out, detector->slab_bytes);
        }
    }
}

static void save(const void *owner, struct snapshot_out *out)
{
    const struct slots_kind *kind = owner;
    const struct slots *slots = kind->slots;
    const struct table *table = &kind->table;

    save_rules(slots, kind->kind, out);
    snapshot_put_count(out, table->used);
    for (uint32_t cell = snapshot_next_entry(table, TABLE_NONE); cell != TABLE_NONE;
         cell = snapshot_next_entry(table, cell)) {
        snapshot_put_entry(out, table, cell);
        for (uint32_t i = 0; i < slots->rule_count; i++) {
            if (is_kept(&slots->rules[i], kind->kind)) {
                save_lane(&slots->rules[i], table_at(table, cell), out);
            }
        }
    }
}

/* --- in --- */

static struct slots_rule *rule_of(struct slots *slots, enum key_kind kind, uint64_t slug,
                                  uint32_t version)
{
    for (uint32_t i = 0; i < slots->rule_count; i++) {
        struct slots_rule *rule = &slots->rules[i];
        if (is_kept(rule, kind) && slug_hash(rule->detector) == slug &&
            rule->detector->kept == version) {
            return rule;
        }
    }
    return NULL;
}

static bool load_rules(struct slots_kind *kind, struct snapshot_in *in, struct kept_rules *kept)
{
    kept->count = snapshot_get_u32(in);
    if (kept->count > sizeof kept->rules / sizeof kept->rules[0]) {
        return false;
    }
    for (uint32_t i = 0; i < kept->count; i++) {
        uint64_t slug = snapshot_get_u64(in);
        uint32_t version = snapshot_get_u32(in);
        struct kept_rule *it = &kept->rules[i];
        it->lane_bytes = snapshot_get_u32(in);
        it->cell_bytes = snapshot_get_u32(in);
        it->rule = rule_of(kind->slots, kind->kind, slug, version);
        if (it->rule != NULL && (it->rule->detector->lane_bytes != it->lane_bytes ||
                                 it->rule->detector->slab_bytes != it->cell_bytes)) {
            it->rule = NULL;
        }
    }
    return !in->failed;
}

static void take_lane(struct slots *slots, const struct kept_rule *kept, uint8_t *entry,
                      const uint8_t *lane, const uint8_t *cell)
{
    const struct detector *detector = kept->rule->detector;
    /* Aligned copies: in the image they stand anywhere. */
    _Alignas(16) uint8_t lane_copy[DETECTOR_LANE_BYTES] = {0};
    uint32_t no_handle = 0;
    void *own = entry + kept->rule->lane_offset;
    void *place = NULL;

    memcpy(lane_copy, lane, kept->lane_bytes);
    if (detector->slab_bytes != 0) {
        memcpy(lane_copy, &no_handle, sizeof no_handle);
    }
    if (cell != NULL) {
        place = slots_take_cell(slots, kept->rule, own);
        if (place == NULL) {
            return;
        }
        memcpy(place, cell, kept->cell_bytes);
        memcpy(lane_copy, own, sizeof no_handle);
    }
    if (detector->take_up == NULL || detector->take_up(lane_copy, place)) {
        memcpy(own, lane_copy, kept->lane_bytes);
    } else if (place != NULL) {
        uint32_t handle;
        memcpy(&handle, own, sizeof handle);
        slab_give(&kept->rule->slab, handle - 1);
        memset(own, 0, kept->lane_bytes);
    }
}

/* `entry` is NULL where it is left out. */
static bool load_lanes(struct slots *slots, const struct kept_rules *kept, uint8_t *entry,
                       struct snapshot_in *in)
{
    for (uint32_t i = 0; i < kept->count; i++) {
        const struct kept_rule *it = &kept->rules[i];
        uint32_t bytes = snapshot_get_u32(in);
        const uint8_t *lane = snapshot_take(in, bytes);
        bool with_cell = bytes == (uint64_t)it->lane_bytes + it->cell_bytes && it->cell_bytes != 0;
        if (in->failed || (bytes != 0 && bytes != it->lane_bytes && !with_cell)) {
            return false;
        }
        if (bytes != 0 && entry != NULL && it->rule != NULL) {
            take_lane(slots, it, entry, lane, with_cell ? lane + it->lane_bytes : NULL);
        }
    }
    return true;
}

static bool load(void *owner, struct snapshot_in *in)
{
    struct slots_kind *kind = owner;
    struct slots *slots = kind->slots;
    struct kept_rules kept;
    /* The times of lanes are those that detectors see. */
    uint64_t now_ns = in->now_ns;
    bool good = load_rules(kind, in, &kept);
    uint32_t count = good ? snapshot_get_u32(in) : 0;

    in->now_ns = time_since(now_ns, slots->shift_ns);
    for (uint32_t i = 0; i < count && good; i++) {
        struct snapshot_entry head;
        good = snapshot_get(in, &head, sizeof head);
        bool future = good && snapshot_is_future(in, head.touched_ns);
        uint32_t cell = good && !future ? snapshot_take_entry(&kind->table, &head) : TABLE_NONE;
        in->future += future;
        good = good && load_lanes(slots, &kept,
                                  cell == TABLE_NONE ? NULL : table_at(&kind->table, cell), in);
    }
    in->now_ns = now_ns;
    return good && !in->failed;
}

/* --- parts --- */

/* Of a rule in a table of so many entries: each has a cell at most. */
static size_t rule_bytes_max(const struct detector *detector, size_t entries, size_t cells)
{
    size_t lanes = entries * (sizeof(uint32_t) + detector->lane_bytes);

    return RULE_BYTES + lanes + (cells < entries ? cells : entries) * detector->slab_bytes;
}

size_t slots_kept_bytes_max(const struct frame_limits *limits, const struct frame_conf *confs)
{
    size_t bytes = 0;

    for (unsigned kind = 0; kind < KEY_COUNT; kind++) {
        size_t entries = slots_entries(limits, (enum key_kind)kind);
        size_t rules = 0;
        for (size_t i = 0; i < detector_count(); i++) {
            const struct detector *detector = detectors[i];
            if (detector->kept == 0 || detector->key != kind || !confs[i].enabled) {
                continue;
            }
            size_t cells =
                detector->slab_bytes == 0 ? 0 : slots_slab_cells(detector, confs[i].conf);
            rules += rule_bytes_max(detector, entries, cells);
        }
        bytes += rules == 0 ? 0 : 2 * sizeof(uint32_t) + entries * ENTRY_BYTES + rules;
    }
    return bytes;
}

static size_t bytes_max_of(const struct slots_kind *kind)
{
    size_t entries = kind->table.options.cells_max;
    size_t bytes = 2 * sizeof(uint32_t) + entries * ENTRY_BYTES;

    for (uint32_t i = 0; i < kind->slots->rule_count; i++) {
        const struct slots_rule *rule = &kind->slots->rules[i];
        if (is_kept(rule, kind->kind)) {
            bytes += rule_bytes_max(rule->detector, entries, rule->slab.cells_max);
        }
    }
    return bytes;
}

bool slots_part(struct slots *slots, enum key_kind kind, struct snapshot_part *out_part)
{
    struct slots_kind *it = &slots->kinds[kind];
    bool kept = false;

    for (uint32_t i = 0; i < slots->rule_count; i++) {
        kept = kept || is_kept(&slots->rules[i], kind);
    }
    if (!kept) {
        return false;
    }
    *out_part = (struct snapshot_part){.name = key_kind_name(kind),
                                       .version = 1,
                                       .layout = snapshot_layout(0, ENTRY_BYTES),
                                       .owner = it,
                                       .bytes_max = bytes_max_of(it),
                                       .save = save,
                                       .load = load};
    return true;
}
