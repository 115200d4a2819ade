/* incidents_kept.c - open incidents and what is remembered, over a restart.
 *
 *   open     [opened 8][count 4]  [hash 8][slug hash 8][unit 32][cell]     in order of opening
 *   recent   [count 4]            [head of the entry][cell]                in order of idleness
 *
 * A run that ends closes its incidents, because nobody will speak of them until it is started again.
 * The next one takes them up as they were before that: the same id, the same counts. So a guesser
 * who goes on is told by an update of the incident that is known, not by a second alert.
 *
 * What does not survive: packet numbers of the evidence, which lead nowhere in another capture; the
 * incident about many keys of a storm, whose keys are forgotten; and of more than
 * INCIDENTS_KEPT_MAX the oldest, because a cell is 7 KB and all of them would hold up the analyst.
 *
 * A cell is copied whole. Its pointers are made anew (the rule by its slug, the unit from a list of
 * texts of our own), and its counts and truths are brought into their bounds: a file holds what it
 * likes. */
#include "detectors/frame/incidents.h"

enum { HEAD_BYTES = 2 * sizeof(uint64_t) + INCIDENTS_UNIT_BYTES };

static uint64_t slug_hash(const struct detector *detector)
{
    return hash_slice(HASH_KEY_FIXED, slice_of_string(detector->slug));
}

/* --- open incidents --- */

/* Without pointers, which say nothing to another run, and nothing to a reader of the file. */
static void save_one(const struct incidents *incidents, uint32_t cell, struct snapshot_out *out)
{
    struct incident_cell it = *(const struct incident_cell *)table_at(&incidents->table, cell);
    char unit[INCIDENTS_UNIT_BYTES] = {0};

    if (it.told.unit != NULL) {
        (void)snprintf(unit, sizeof unit, "%s", it.told.unit);
    }
    snapshot_put_u64(out, table_hash_of(&incidents->table, cell));
    snapshot_put_u64(out, slug_hash(it.told.rule));
    snapshot_put(out, unit, sizeof unit);
    it.told.rule = NULL;
    it.told.unit = NULL;
    it.last.unit = NULL;
    snapshot_put(out, &it, sizeof it);
}

/* The first of those that are kept: the youngest INCIDENTS_KEPT_MAX. */
static uint32_t first_kept(const struct incidents *incidents, uint32_t *out_count)
{
    uint32_t first = TABLE_NONE;
    uint32_t cell = incidents->all.tail;

    *out_count = 0;
    while (cell != TABLE_NONE && *out_count < INCIDENTS_KEPT_MAX) {
        const struct incident_cell *it = table_at(&incidents->table, cell);
        *out_count += !it->told.many;
        first = cell;
        cell = it->before[0];
    }
    return first;
}

static void save_open(const void *owner, struct snapshot_out *out)
{
    const struct incidents *incidents = owner;
    uint32_t count;
    uint32_t cell = first_kept(incidents, &count);

    snapshot_put_u64(out, incidents->opened);
    snapshot_put_count(out, count);
    while (cell != TABLE_NONE) {
        const struct incident_cell *it = table_at(&incidents->table, cell);
        if (!it->told.many) {
            save_one(incidents, cell, out);
        }
        cell = it->next[0];
    }
}

/* A text that stays as long as the incidents: nobody owns one that came out of a file. */
static const char *unit_of(struct incidents *incidents, const char *unit)
{
    for (unsigned i = 0; i < INCIDENTS_UNITS; i++) {
        char *own = incidents->units[i];
        if (own[0] == '\0') {
            memcpy(own, unit, INCIDENTS_UNIT_BYTES);
            own[INCIDENTS_UNIT_BYTES - 1] = '\0';
        }
        if (strncmp(own, unit, INCIDENTS_UNIT_BYTES - 1) == 0) {
            return own;
        }
    }
    return "events";
}

static void end_text(char *text, size_t bytes)
{
    text[bytes - 1] = '\0';
}

static void mend_party(struct fact_party *party)
{
    snapshot_truth(&party->proven);
    snapshot_truth(&party->is_server);
    snapshot_truth(&party->is_peer);
}

static void mend_told(struct incident *told)
{
    snapshot_truth(&told->source_proven);
    snapshot_truth(&told->source_echoed);
    snapshot_truth(&told->source_server);
    snapshot_truth(&told->device_known);
    snapshot_truth(&told->many);
    end_text(told->entity, sizeof told->entity);
    end_text(told->secondary, sizeof told->secondary);
    end_text(told->account, sizeof told->account);
    end_text(told->target, sizeof told->target);
    end_text(told->message, sizeof told->message);
    end_text(told->chain_text, sizeof told->chain_text);
    told->names = NULL;
    told->name_count = 0;
    end_text(told->confidence.why, sizeof told->confidence.why);
    for (unsigned i = 0; i < INCIDENT_ACCOUNTS_MAX; i++) {
        end_text(told->accounts[i], sizeof told->accounts[i]);
    }
    for (unsigned i = 0; i < DETECTOR_EVIDENCE_MAX; i++) {
        end_text(told->evidence[i].call_id, sizeof told->evidence[i].call_id);
        told->evidence[i].number = 0;
    }
    told->number = 0;
}

static void mend_last(struct incident_cell *it)
{
    snapshot_truth(&it->last.proven_needed);
    snapshot_truth(&it->last.names_nobody);
    snapshot_truth(&it->last.succeeded);
    snapshot_truth(&it->last.only_rise);
    snapshot_truth(&it->last.about_hearing);
    snapshot_truth(&it->last.one_source);
    it->last.unit = it->told.unit;
    it->last.account = SLICE_NONE;
    it->last.target = SLICE_NONE;
    it->last.detail = SLICE_NONE;
    it->last.accounts = NULL;
    it->last.account_count = 0;
    end_text(it->last.confidence.why, sizeof it->last.confidence.why);
    end_text(it->detail, sizeof it->detail);
}

static bool is_sound(const struct incident_cell *it)
{
    const struct incident *told = &it->told;
    bool ranked = told->severity >= 1 && told->severity < INCIDENTS_SEVERITIES;

    return ranked && told->stage <= CHAIN_STAGES && told->confidence.value <= 100 &&
           told->key_kind == told->rule->key && told->evidence_count <= DETECTOR_EVIDENCE_MAX &&
           told->outcome == INCIDENT_ONGOING && it->told_severity < INCIDENTS_SEVERITIES &&
           distinct_is_sound(&it->accounts) && !told->many;
}

/* The rule's place among those of this run; UINT32_MAX = it is gone. */
static uint32_t rule_of(uint64_t slug)
{
    for (uint32_t i = 0; i < detector_count(); i++) {
        if (slug_hash(detectors[i]) == slug) {
            return i;
        }
    }
    return UINT32_MAX;
}

static bool load_one(struct incidents *incidents, struct snapshot_in *in)
{
    char unit[INCIDENTS_UNIT_BYTES];
    struct incident_cell it;
    uint64_t hash = snapshot_get_u64(in);
    uint64_t slug = snapshot_get_u64(in);

    if (!snapshot_get(in, unit, sizeof unit) || !snapshot_get(in, &it, sizeof it)) {
        return false;
    }
    end_text(unit, sizeof unit);
    it.rule = rule_of(slug);
    if (it.rule == UINT32_MAX) {
        return true;
    }
    it.told.rule = detectors[it.rule];
    it.told.unit = unit[0] == '\0' ? NULL : unit_of(incidents, unit);
    mend_told(&it.told);
    mend_last(&it);
    mend_party(&it.source);
    mend_party(&it.destination);
    snapshot_truth(&it.rise_used);
    snapshot_truth(&it.succeeded);
    uint64_t now_ns = time_since(in->now_ns, incidents->shift_ns);
    if (it.last_at_ns > time_add(now_ns, SNAPSHOT_BACK_NS)) {
        in->future++;
    } else if (is_sound(&it)) {
        (void)!incidents_reopen(incidents, hash, &it, now_ns);
    }
    return true;
}

static bool load_open(void *owner, struct snapshot_in *in)
{
    struct incidents *incidents = owner;
    uint64_t opened = snapshot_get_u64(in);
    uint32_t count = snapshot_get_u32(in);
    bool good = !in->failed;

    for (uint32_t i = 0; i < count && good; i++) {
        good = load_one(incidents, in);
    }
    if (good && opened > incidents->opened && opened < UINT64_MAX / 2) {
        incidents->opened = opened;
    }
    return good;
}

/* --- what is remembered --- */

static void save_recent(const void *owner, struct snapshot_out *out)
{
    const struct incidents *incidents = owner;
    const struct table *table = &incidents->recent;

    snapshot_put_count(out, table->used);
    for (uint32_t cell = snapshot_next_entry(table, TABLE_NONE); cell != TABLE_NONE;
         cell = snapshot_next_entry(table, cell)) {
        snapshot_put_entry(out, table, cell);
        snapshot_put(out, table_at(table, cell), sizeof(struct recent_cell));
    }
}

static bool load_recent(void *owner, struct snapshot_in *in)
{
    struct incidents *incidents = owner;
    uint64_t now_ns = time_since(in->now_ns, incidents->shift_ns);
    uint32_t count = snapshot_get_u32(in);
    bool good = !in->failed;

    for (uint32_t i = 0; i < count && good; i++) {
        struct snapshot_entry head;
        struct recent_cell recent;
        good = snapshot_get(in, &head, sizeof head) && snapshot_get(in, &recent, sizeof recent);
        bool future = good && recent.last_ns > time_add(now_ns, SNAPSHOT_BACK_NS);
        uint32_t cell =
            good && !future ? snapshot_take_entry(&incidents->recent, &head) : TABLE_NONE;
        in->future += future;
        if (cell != TABLE_NONE) {
            *(struct recent_cell *)table_at(&incidents->recent, cell) = recent;
        }
    }
    return good;
}

static size_t open_bytes_max(const struct incidents_options *options)
{
    size_t count =
        options->incidents_max < INCIDENTS_KEPT_MAX ? options->incidents_max : INCIDENTS_KEPT_MAX;

    return 16 + count * (HEAD_BYTES + sizeof(struct incident_cell));
}

size_t incidents_kept_bytes_max(const struct incidents_options *options)
{
    size_t recent = sizeof(struct snapshot_entry) + sizeof(struct recent_cell);

    return open_bytes_max(options) + 16 + incidents_recent_max(options) * recent;
}

void incidents_parts(struct incidents *incidents, struct snapshot_part *out_open,
                     struct snapshot_part *out_recent)
{
    const struct incidents_options *options = &incidents->options;
    size_t recent = sizeof(struct snapshot_entry) + sizeof(struct recent_cell);

    *out_open =
        (struct snapshot_part){.name = "incidents",
                               .version = 2,
                               .layout = snapshot_layout(0, sizeof(struct incident_cell)),
                               .owner = incidents,
                               .bytes_max = 16 + (size_t)options->incidents_max *
                                                     (HEAD_BYTES + sizeof(struct incident_cell)),
                               .save = save_open,
                               .load = load_open};
    *out_recent = (struct snapshot_part){.name = "incident memory",
                                         .version = 1,
                                         .layout = snapshot_layout(0, sizeof(struct recent_cell)),
                                         .owner = incidents,
                                         .bytes_max = 16 + incidents_recent_max(options) * recent,
                                         .save = save_recent,
                                         .load = load_recent};
}
