/* incidents.c - the life of an alert.
 *
 *      finding ──▶ open one of (rule, key)? ──no──▶ storm? ──no──▶ room? ──▶ open ──told
 *                    │ yes                            │ yes          └─ fold the lowest, oldest
 *                    ▼                                ▼
 *              note, perhaps told               the one about many
 *
 * Timers are lazy: a finding only moves `last_at_ns`; when the wheel fires, the incident is closed
 * or set anew. Lists by (rule, severity) in order of opening make folding a look at their heads;
 * one list of all gives the order of the end.
 *
 * Folding follows severity, so the table never evicts by itself: room is made before a cell is
 * taken, and incidents of severity 4 are never folded (a newcomer is dropped and counted instead).
 *
 * The 24 hours: who is closed by age leaves his id under (rule, key); the next finding opens a new
 * one that says `continues`. A second table remembers when each rule last spoke of a source, its
 * site and an account: that is what a detector asks with detector_recent(). */
#include "detectors/frame/incidents.h"

enum { ALL = 0, RANK = 1 };
enum { SALT_SOURCE = 1, SALT_SITE, SALT_ACCOUNT, SALT_KEY, SALT_MANY };

uint32_t incidents_recent_max(const struct incidents_options *options)
{
    uint32_t closed = options->closed_max < UINT32_MAX / 16 ? options->closed_max : UINT32_MAX / 16;

    return closed * 4 + 64;
}

static struct table_options open_options(const struct incidents_options *options)
{
    return (struct table_options){.name = "incidents",
                                  .cells_max = options->incidents_max,
                                  .cell_bytes = sizeof(struct incident_cell)};
}

static struct table_options recent_options(const struct incidents_options *options)
{
    return (struct table_options){.name = "incident memory",
                                  .cells_max = incidents_recent_max(options),
                                  .cell_bytes = sizeof(struct recent_cell)};
}

size_t incidents_bytes_max(const struct incidents_options *options)
{
    struct table_options open = open_options(options);
    struct table_options recent = recent_options(options);
    const size_t timer_bytes = 48;

    return table_bytes_max(&open) + table_bytes_max(&recent) +
           chain_bytes_max(options->closed_max) + options->incidents_max * timer_bytes +
           options->rules * (sizeof(struct storm) + sizeof(uint32_t) +
                             INCIDENTS_SEVERITIES * sizeof(struct incident_list));
}

enum status incidents_open(struct incidents *incidents, const struct incidents_options *options,
                           struct error *error)
{
    struct table_options open = open_options(options);
    struct table_options recent = recent_options(options);
    size_t ranks = (size_t)options->rules * INCIDENTS_SEVERITIES;

    *incidents = (struct incidents){.options = *options, .all = {TABLE_NONE, TABLE_NONE}};
    incidents->storms = calloc(options->rules + 1, sizeof *incidents->storms);
    incidents->open_count = calloc(options->rules + 1, sizeof *incidents->open_count);
    incidents->by_rank = malloc((ranks + 1) * sizeof *incidents->by_rank);
    if (incidents->storms == NULL || incidents->open_count == NULL || incidents->by_rank == NULL) {
        (void)error_system(error, STATUS_FAILED, "memory", "cannot make room for incidents");
        goto no_lists;
    }
    for (size_t i = 0; i < ranks; i++) {
        incidents->by_rank[i] = (struct incident_list){TABLE_NONE, TABLE_NONE};
    }
    if (table_open(&incidents->table, &open, error) != STATUS_OK) {
        goto no_lists;
    }
    if (table_open(&incidents->recent, &recent, error) != STATUS_OK) {
        goto no_recent;
    }
    if (wheel_open(&incidents->wheel, options->incidents_max, 0, error) != STATUS_OK) {
        goto no_wheel;
    }
    if (chain_open(&incidents->chains, options->closed_max, options->key, error) != STATUS_OK) {
        goto no_chains;
    }
    return STATUS_OK;

no_chains:
    wheel_close(&incidents->wheel);
no_wheel:
    table_close(&incidents->recent);
no_recent:
    table_close(&incidents->table);
no_lists:
    free(incidents->storms);
    free(incidents->open_count);
    free(incidents->by_rank);
    return STATUS_FAILED;
}

void incidents_close(struct incidents *incidents)
{
    chain_close(&incidents->chains);
    wheel_close(&incidents->wheel);
    table_close(&incidents->recent);
    table_close(&incidents->table);
    free(incidents->storms);
    free(incidents->open_count);
    free(incidents->by_rank);
}

static struct incident_cell *cell_at(const struct incidents *incidents, uint32_t cell)
{
    return table_at(&incidents->table, cell);
}

/* --- lists --- */

static struct incident_list *list_of(struct incidents *incidents, const struct incident_cell *it,
                                     unsigned which)
{
    return which == ALL
               ? &incidents->all
               : &incidents->by_rank[it->rule * INCIDENTS_SEVERITIES + it->listed_severity];
}

/* Behind all that were opened before it: at the end, but for one whose severity rose. */
static void list_enter(struct incidents *incidents, uint32_t cell, unsigned which)
{
    struct incident_cell *it = cell_at(incidents, cell);
    struct incident_list *list = list_of(incidents, it, which);
    uint32_t before = list->tail;

    while (before != TABLE_NONE && cell_at(incidents, before)->order > it->order) {
        before = cell_at(incidents, before)->before[which];
    }
    uint32_t next = before == TABLE_NONE ? list->head : cell_at(incidents, before)->next[which];
    it->before[which] = before;
    it->next[which] = next;
    if (before == TABLE_NONE) {
        list->head = cell;
    } else {
        cell_at(incidents, before)->next[which] = cell;
    }
    if (next == TABLE_NONE) {
        list->tail = cell;
    } else {
        cell_at(incidents, next)->before[which] = cell;
    }
}

static void list_leave(struct incidents *incidents, uint32_t cell, unsigned which)
{
    const struct incident_cell *it = cell_at(incidents, cell);
    struct incident_list *list = list_of(incidents, it, which);

    if (it->before[which] == TABLE_NONE) {
        list->head = it->next[which];
    } else {
        cell_at(incidents, it->before[which])->next[which] = it->next[which];
    }
    if (it->next[which] == TABLE_NONE) {
        list->tail = it->before[which];
    } else {
        cell_at(incidents, it->next[which])->before[which] = it->before[which];
    }
}

/* --- what is remembered --- */

static uint64_t rule_hash(const struct incidents *incidents, const char *slug)
{
    return hash_slice(incidents->options.key, slice_of_string(slug));
}

static void entities_of(const struct incidents *incidents, const struct fact *fact,
                        bool names_nobody, uint64_t *out)
{
    const struct fact_party *source = names_nobody ? NULL : key_source(fact);
    struct slice account = key_account(fact);
    struct hash_key key = incidents->options.key;

    memset(out, 0, CHAIN_ENTITIES * sizeof *out);
    if (source != NULL) {
        out[0] = hash_mix(hash_addr(key, &source->endpoint.addr), SALT_SOURCE);
        out[1] = hash_mix(key_hash_site(key, &source->endpoint.addr), SALT_SITE);
    }
    if (account.bytes > 0) {
        out[2] = hash_mix(hash_slice(key, account), SALT_ACCOUNT);
    }
}

static struct recent_cell *recent_take(struct incidents *incidents, uint64_t hash, uint64_t now_ns)
{
    bool is_new;
    uint32_t cell = table_take(&incidents->recent, hash, 0, now_ns, &is_new);

    table_touch(&incidents->recent, cell, now_ns);
    return table_at(&incidents->recent, cell);
}

static void remember(struct incidents *incidents, const char *slug, const uint64_t *entities,
                     uint64_t now_ns)
{
    uint64_t rule = rule_hash(incidents, slug);

    for (unsigned i = 0; i < CHAIN_ENTITIES; i++) {
        if (entities[i] != 0) {
            recent_take(incidents, hash_mix(rule, entities[i]), now_ns)->last_ns = now_ns;
        }
    }
}

bool incidents_recent(const struct incidents *incidents, const char *rule_slug,
                      const struct fact *fact, uint64_t within_ns)
{
    uint64_t rule = rule_hash(incidents, rule_slug);
    uint64_t entities[CHAIN_ENTITIES];

    entities_of(incidents, fact, false, entities);
    for (unsigned i = 0; i < CHAIN_ENTITIES; i++) {
        uint32_t cell = entities[i] == 0
                            ? TABLE_NONE
                            : table_find(&incidents->recent, hash_mix(rule, entities[i]));
        if (cell == TABLE_NONE) {
            continue;
        }
        const struct recent_cell *recent = table_at(&incidents->recent, cell);
        if (time_since(fact->time_ns, recent->last_ns) <= within_ns) {
            return true;
        }
    }
    return false;
}

/* --- closing --- */

static uint64_t due_ns(const struct incident_cell *it)
{
    uint64_t quiet = time_add(it->last_at_ns, it->quiet_ns);
    uint64_t aged = time_add(it->opened_at_ns, INCIDENT_LIFE_NS_MAX);

    return quiet < aged ? quiet : aged;
}

static void set_timer(struct incidents *incidents, uint32_t cell)
{
    struct incident_cell *it = cell_at(incidents, cell);

    it->timer = wheel_set(&incidents->wheel, time_second(due_ns(it)) + 1, cell);
}

/* The timer has fired already or is cancelled here. */
static void end_one(struct incidents *incidents, uint32_t cell, enum incident_outcome outcome,
                    uint64_t now_ns)
{
    struct incident_cell *it = cell_at(incidents, cell);

    bool succeeded = it->succeeded && !incidents->ended;
    it->told.outcome = (uint8_t)(succeeded ? INCIDENT_SUCCEEDED : outcome);
    incident_tell(incidents, it, INCIDENT_CLOSE, 0, now_ns);
    if (it->told.many) {
        incidents->storms[it->rule].active = false;
    }
    wheel_cancel(&incidents->wheel, it->timer);
    list_leave(incidents, cell, ALL);
    list_leave(incidents, cell, RANK);
    incidents->open_count[it->rule]--;
    table_give(&incidents->table, cell);
}

/* Quiet for long enough, or a day old: then it closes. */
static bool end_if_over(struct incidents *incidents, uint32_t cell, uint64_t now_ns)
{
    const struct incident_cell *it = cell_at(incidents, cell);
    bool quiet = time_since(now_ns, it->last_at_ns) >= it->quiet_ns;
    bool aged = time_since(now_ns, it->opened_at_ns) >= INCIDENT_LIFE_NS_MAX;

    if (!quiet && !aged) {
        return false;
    }
    if (!quiet) {
        uint64_t hash = hash_mix(table_hash_of(&incidents->table, cell), SALT_KEY);
        struct recent_cell *recent = recent_take(incidents, hash, now_ns);
        *recent = (struct recent_cell){.last_ns = now_ns, .continues = it->told.id};
    }
    end_one(incidents, cell, quiet ? INCIDENT_STOPPED : INCIDENT_UNKNOWN, now_ns);
    return true;
}

bool incidents_expire(struct incidents *incidents, uint64_t now_ns)
{
    uint64_t tag;
    uint64_t due_s;

    while (wheel_advance(&incidents->wheel, time_second(now_ns), &tag, &due_s)) {
        uint32_t cell = (uint32_t)tag;
        cell_at(incidents, cell)->timer = WHEEL_NONE;
        if (end_if_over(incidents, cell, now_ns)) {
            return true;
        }
        set_timer(incidents, cell);
    }
    return false;
}

void incidents_end(struct incidents *incidents, uint64_t now_ns)
{
    incidents->ended = true;
    while (incidents->all.head != TABLE_NONE) {
        end_one(incidents, incidents->all.head, INCIDENT_UNKNOWN, now_ns);
    }
}

/* --- opening --- */

/* The oldest of the lowest severity, not above `severity`; of one rule or of all. TABLE_NONE: no
 * one may go. */
static uint32_t to_fold(const struct incidents *incidents, uint32_t rule_from, uint32_t rule_to,
                        uint8_t severity)
{
    for (uint8_t rank = 1; rank <= severity && rank < INCIDENTS_SEVERITIES - 1; rank++) {
        uint32_t oldest = TABLE_NONE;
        for (uint32_t rule = rule_from; rule < rule_to; rule++) {
            uint32_t head = incidents->by_rank[rule * INCIDENTS_SEVERITIES + rank].head;
            if (head != TABLE_NONE &&
                (oldest == TABLE_NONE ||
                 cell_at(incidents, head)->order < cell_at(incidents, oldest)->order)) {
                oldest = head;
            }
        }
        if (oldest != TABLE_NONE) {
            return oldest;
        }
    }
    return TABLE_NONE;
}

static bool make_room(struct incidents *incidents, uint32_t rule, uint8_t severity, uint64_t now_ns)
{
    bool rule_full = incidents->open_count[rule] >= INCIDENTS_RULE_MAX;
    uint32_t victim;

    if (!rule_full && incidents->table.used < incidents->options.incidents_max) {
        return true;
    }
    victim = to_fold(incidents, rule_full ? rule : 0,
                     rule_full ? rule + 1 : incidents->options.rules, severity);
    if (victim == TABLE_NONE) {
        return false;
    }
    incidents->suppressed++;
    end_one(incidents, victim, INCIDENT_UNKNOWN, now_ns);
    return true;
}

static void take_continues(struct incidents *incidents, uint64_t hash, struct incident_cell *it,
                           uint64_t now_ns)
{
    uint32_t cell = table_find(&incidents->recent, hash_mix(hash, SALT_KEY));

    if (cell == TABLE_NONE) {
        return;
    }
    const struct recent_cell *recent = table_at(&incidents->recent, cell);
    if (time_since(now_ns, recent->last_ns) < INCIDENT_LIFE_NS_MAX) {
        it->told.continues = recent->continues;
    }
    table_give(&incidents->recent, cell);
}

static void join_chain(struct incidents *incidents, struct incident_cell *it,
                       const struct incidents_report *report)
{
    struct chain_link link = {.now_ns = report->fact->time_ns,
                              .opened_ns = it->told.opened_ns,
                              .id = it->told.id,
                              .title = report->detector->title,
                              .name = slice_of_string(it->told.entity),
                              .is_name = key_is_name(report->detector->key),
                              .stage = it->told.stage,
                              .severity = it->told.severity,
                              .certain = incident_is_certain(it)};

    if (link.stage < 1 || link.stage > CHAIN_STAGES || it->told.many) {
        return;
    }
    memcpy(link.entities, it->entities, sizeof link.entities);
    it->chain = chain_join(&incidents->chains, &link);
}

/* A cell with its place in lists and wheel; the caller has made room. */
static uint32_t open_cell(struct incidents *incidents, uint64_t hash,
                          const struct incidents_report *report)
{
    uint64_t now_ns = report->fact->time_ns;
    bool is_new;
    uint32_t cell = table_take(&incidents->table, hash, 0, now_ns, &is_new);
    struct incident_cell *it = cell_at(incidents, cell);

    assert(is_new);
    *it = (struct incident_cell){.key_hash = report->key_hash,
                                 .rule = report->rule,
                                 .order = incidents->opened++,
                                 .opened_at_ns = now_ns,
                                 .last_at_ns = now_ns};
    incidents->open_count[report->rule]++;
    return cell;
}

static void place(struct incidents *incidents, uint32_t cell, uint64_t now_ns)
{
    struct incident_cell *it = cell_at(incidents, cell);

    it->listed_severity = it->told.severity;
    list_enter(incidents, cell, ALL);
    list_enter(incidents, cell, RANK);
    if (incidents->wheel.active == 0) {
        uint64_t tag;
        uint64_t due_s;
        /* Nothing is set: the wheel only moves to where time is. */
        (void)!wheel_advance(&incidents->wheel, time_second(now_ns), &tag, &due_s);
    }
    set_timer(incidents, cell);
}

bool incidents_reopen(struct incidents *incidents, uint64_t hash, const struct incident_cell *kept,
                      uint64_t now_ns)
{
    if (incidents->table.used == incidents->options.incidents_max ||
        incidents->open_count[kept->rule] >= INCIDENTS_RULE_MAX ||
        table_find(&incidents->table, hash) != TABLE_NONE) {
        return false;
    }
    uint32_t cell = table_add(&incidents->table, hash, 0, kept->last_at_ns);
    struct incident_cell *it = cell_at(incidents, cell);
    *it = *kept;
    it->order = incidents->opened++;
    incidents->open_count[it->rule]++;
    place(incidents, cell, now_ns);
    return true;
}

static void begin(struct incidents *incidents, uint32_t cell, const struct incidents_report *report)
{
    struct incident_cell *it = cell_at(incidents, cell);

    place(incidents, cell, report->fact->time_ns);
    incident_tell(incidents, it, INCIDENT_OPEN, report->fact->number, report->fact->time_ns);
}

/* A severity that rose moves the incident to another list. */
static void rank_anew(struct incidents *incidents, uint32_t cell)
{
    struct incident_cell *it = cell_at(incidents, cell);

    if (it->listed_severity != it->told.severity) {
        list_leave(incidents, cell, RANK);
        it->listed_severity = it->told.severity;
        list_enter(incidents, cell, RANK);
        chain_raise(&incidents->chains, it->chain, it->told.severity, incident_is_certain(it));
    }
}

static bool update_due(const struct incident_cell *it, uint64_t now_ns, bool *out_exempt)
{
    bool rose = it->told.severity > it->told_severity;
    bool surer = it->told.confidence.value >= it->told_confidence + 10;
    bool doubled = it->told.count >= it->told_count * 2;

    *out_exempt = false;
    if (!rose && !surer && !doubled) {
        return false;
    }
    if (time_since(now_ns, it->told_at_ns) >= INCIDENT_UPDATE_NS_MIN) {
        return true;
    }
    *out_exempt = rose && !it->rise_used;
    return *out_exempt;
}

static void update(struct incidents *incidents, uint32_t cell,
                   const struct incidents_report *report)
{
    struct incident_cell *it = cell_at(incidents, cell);
    bool exempt;

    rank_anew(incidents, cell);
    if (!update_due(it, report->fact->time_ns, &exempt)) {
        incidents->suppressed++;
        return;
    }
    it->rise_used = it->rise_used || exempt;
    it->told.update++;
    incident_tell(incidents, it, INCIDENT_UPDATE, report->fact->number, report->fact->time_ns);
}

/* --- storms --- */

/* The rule's incident about many, opened where there is none; TABLE_NONE when there is no room. */
static uint32_t take_many(struct incidents *incidents, const struct incidents_report *report,
                          bool *out_new)
{
    uint64_t hash = hash_mix(rule_hash(incidents, report->detector->slug), SALT_MANY);
    uint32_t cell = table_find(&incidents->table, hash);

    *out_new = cell == TABLE_NONE;
    if (cell != TABLE_NONE) {
        return cell;
    }
    if (!make_room(incidents, report->rule, INCIDENTS_SEVERITIES - 1, report->fact->time_ns)) {
        return TABLE_NONE;
    }
    cell = open_cell(incidents, hash, report);
    cell_at(incidents, cell)->told.many = true;
    return cell;
}

/* A storm whose incident has been quiet is over. */
static void end_old_storm(struct incidents *incidents, const struct incidents_report *report)
{
    uint64_t hash = hash_mix(rule_hash(incidents, report->detector->slug), SALT_MANY);
    uint32_t cell = table_find(&incidents->table, hash);

    if (cell != TABLE_NONE) {
        (void)end_if_over(incidents, cell, report->fact->time_ns);
    }
}

static void fold(struct incidents *incidents, const struct incidents_report *report, bool new_key)
{
    struct storm *storm = &incidents->storms[report->rule];
    char buffer[INCIDENT_ENTITY_BYTES];
    char second[INCIDENT_ENTITY_BYTES];
    struct text name = text_into(buffer, sizeof buffer);
    struct text secondary = text_into(second, sizeof second);
    bool is_new;
    uint32_t cell = take_many(incidents, report, &is_new);

    if (cell == TABLE_NONE) {
        incidents->suppressed++;
        storm->active = false;
        return;
    }
    key_write(report->detector->key, report->fact, &name, &secondary);
    storm_note(storm, report->key_hash, text_slice(&name));
    if (is_new) {
        incident_note_first(incidents, cell_at(incidents, cell), report);
        begin(incidents, cell, report);
    } else {
        incident_note(incidents, cell_at(incidents, cell), report);
        update(incidents, cell, report);
    }
    if (new_key) {
        incident_tell_folded(incidents, cell_at(incidents, cell), report);
    }
}

void incidents_raise(struct incidents *incidents, const struct incidents_report *report)
{
    uint64_t now_ns = report->fact->time_ns;
    uint64_t hash = hash_mix(rule_hash(incidents, report->detector->slug), report->key_hash);
    uint64_t entities[CHAIN_ENTITIES];
    uint32_t cell = table_find(&incidents->table, hash);
    bool new_key;

    entities_of(incidents, report->fact, report->finding->names_nobody, entities);
    remember(incidents, report->detector->slug, entities, now_ns);
    if (cell != TABLE_NONE && !end_if_over(incidents, cell, now_ns)) {
        incident_note(incidents, cell_at(incidents, cell), report);
        update(incidents, cell, report);
        return;
    }
    end_old_storm(incidents, report);
    if (storm_takes(&incidents->storms[report->rule], report->key_hash, now_ns, &new_key)) {
        fold(incidents, report, new_key);
        return;
    }
    if (!make_room(incidents, report->rule, incident_note_severity(report), now_ns)) {
        incidents->suppressed++;
        return;
    }
    cell = open_cell(incidents, hash, report);
    struct incident_cell *it = cell_at(incidents, cell);
    memcpy(it->entities, entities, sizeof entities);
    incident_note_first(incidents, it, report);
    take_continues(incidents, hash, it, now_ns);
    join_chain(incidents, it, report);
    begin(incidents, cell, report);
}
