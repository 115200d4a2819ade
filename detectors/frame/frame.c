/* frame.c - delivery: each fact to all detectors that want it, in the order of detectors.def.
 *
 *      fact ──▶ rules that want its kind ──▶ heeds? ──▶ key, entry (once a kind) ──▶ on_fact
 *      finding ──▶ incidents ──▶ INCIDENT fact ──▶ queue, delivered behind its cause
 *
 * Keys are computed when the first rule of their kind asks, so a fact that nobody heeds costs a few
 * comparisons and no memory access outside this file. Rules are sorted by fact kind at open.
 *
 * A confirmed clock jump: detectors keep times in lanes of which the frame knows nothing. So not
 * their times are moved but the clock that they see: from then on facts are given to them with the
 * jump taken off, and it is added again where a time is told. */
#include "detectors/frame/frame.h"

#include "detectors/frame/incidents.h"
#include "detectors/frame/slots.h"

enum { QUEUE_MAX = 64, QUEUE_TEXT_BYTES = INCIDENT_ACCOUNT_BYTES };

struct queued {
    struct fact fact;
    char account[QUEUE_TEXT_BYTES];
    char target[QUEUE_TEXT_BYTES];
};

/* The key of the fact that is being delivered, where fact_number says so. Not on the stack: it
 * would be zeroed for every fact. */
struct frame_key {
    uint64_t fact_number;
    uint64_t hash;
    uint8_t *entry;
};

struct detectors_frame {
    struct slots slots;
    struct incidents incidents;
    struct hash_key key;
    uint32_t *wanting[FACT_COUNT]; /* rules that want the kind, in order */
    uint32_t wanting_count[FACT_COUNT];
    uint64_t fact_number; /* delivered so far */
    struct frame_key keys[KEY_COUNT];
    uint64_t shift_ns;
    uint64_t alerts;
    uint64_t facts_lost;
    void (*on_incident)(void *owner, const struct incident *incident);
    void *owner;
    uint32_t queue_first;
    uint32_t queue_count;
    struct queued queue[QUEUE_MAX];
};

struct detector_context {
    struct detectors_frame *frame;
    const struct fact *fact;
    uint64_t key_hash;
    uint32_t rule;
};

static const struct {
    const char *name;
    const char *help;
} key_kinds[KEY_COUNT] = {
#define KEY(id, name_, help_) [KEY_##id] = {.name = name_, .help = help_},
#include "detectors/keys.def"
#undef KEY
};

const char *key_kind_name(enum key_kind kind)
{
    assert(kind < KEY_COUNT);
    return key_kinds[kind].name;
}

const char *key_kind_help(enum key_kind kind)
{
    assert(kind < KEY_COUNT);
    return key_kinds[kind].help;
}

uint32_t frame_entries_preset(enum key_kind kind)
{
    /* The ceilings of the catalogue's entries; memory comes with use. */
    switch (kind) {
    case KEY_SOURCE_PREFIX:
    case KEY_SOURCE_SERVER:
        return 32768;
    case KEY_SITE:
        return 1;
    case KEY_SOURCE:
    case KEY_ACCOUNT:
    case KEY_SOURCE_ACCOUNT:
    case KEY_ACCOUNT_DEVICE:
    case KEY_STREAM:
    case KEY_COUNT:
        break;
    }
    return 65536;
}

/* --- incidents come back here --- */

static void on_incident(void *owner, const struct incident *incident)
{
    struct detectors_frame *frame = owner;

    frame->alerts += incident->state == INCIDENT_OPEN;
    frame->on_incident(frame->owner, incident);
}

static struct slice keep(char *at, struct slice text)
{
    size_t bytes = text.bytes < QUEUE_TEXT_BYTES ? text.bytes : QUEUE_TEXT_BYTES;

    if (bytes > 0) {
        memcpy(at, text.at, bytes);
    }
    return slice_of(at, bytes);
}

static void on_raised(void *owner, const struct fact *fact)
{
    struct detectors_frame *frame = owner;

    if (frame->wanting_count[FACT_INCIDENT] == 0) {
        return;
    }
    if (frame->queue_count == QUEUE_MAX) {
        frame->facts_lost++;
        return;
    }
    struct queued *entry = &frame->queue[(frame->queue_first + frame->queue_count) % QUEUE_MAX];
    entry->fact = *fact;
    entry->fact.is.incident.account = keep(entry->account, fact->is.incident.account);
    entry->fact.is.incident.target = keep(entry->target, fact->is.incident.target);
    frame->queue_count++;
}

/* --- life --- */

static struct incidents_options incidents_options_of(const struct frame_limits *limits)
{
    return (struct incidents_options){
        .incidents_max = limits->incidents_max < 1 ? 1 : limits->incidents_max,
        .closed_max = limits->closed_max < 1 ? 1 : limits->closed_max,
        .rules = (uint32_t)detector_count(),
        .key = limits->key,
        .on_incident = on_incident,
        .on_fact = on_raised,
    };
}

static void fill_wants(struct detectors_frame *frame)
{
    for (unsigned kind = 0; kind < FACT_COUNT; kind++) {
        frame->wanting_count[kind] = 0;
        for (uint32_t i = 0; i < frame->slots.rule_count; i++) {
            const struct slots_rule *rule = &frame->slots.rules[i];
            if (rule->heard && (rule->detector->wants >> kind & 1) != 0) {
                frame->wanting[kind][frame->wanting_count[kind]++] = i;
            }
        }
    }
}

static enum status list_wants(struct detectors_frame *frame, struct error *error)
{
    for (unsigned kind = 0; kind < FACT_COUNT; kind++) {
        frame->wanting[kind] = calloc(detector_count() + 1, sizeof *frame->wanting[kind]);
        if (frame->wanting[kind] == NULL) {
            return error_system(error, STATUS_FAILED, "memory", "cannot list the detectors");
        }
    }
    fill_wants(frame);
    return STATUS_OK;
}

static void free_wants(struct detectors_frame *frame)
{
    for (unsigned kind = 0; kind < FACT_COUNT; kind++) {
        free(frame->wanting[kind]);
    }
}

enum status frame_open(const struct frame_limits *limits, const struct frame_conf *confs,
                       void (*incident_owner)(void *owner, const struct incident *incident),
                       void *owner, struct detectors_frame **out_frame, struct error *error)
{
    struct incidents_options options = incidents_options_of(limits);
    struct detectors_frame *frame = calloc(1, sizeof *frame);

    if (frame == NULL) {
        return error_system(error, STATUS_FAILED, "memory", "cannot make room for detectors");
    }
    frame->key = limits->key;
    frame->on_incident = incident_owner;
    frame->owner = owner;
    options.owner = frame;
    options.frame = frame;
    enum status status = slots_open(&frame->slots, limits, confs, error);
    if (status != STATUS_OK) {
        goto no_slots;
    }
    status = list_wants(frame, error);
    if (status != STATUS_OK) {
        goto no_wants;
    }
    status = incidents_open(&frame->incidents, &options, error);
    if (status != STATUS_OK) {
        goto no_wants;
    }
    *out_frame = frame;
    return STATUS_OK;

no_wants:
    free_wants(frame);
    slots_close(&frame->slots);
no_slots:
    free(frame);
    return status;
}

void frame_close(struct detectors_frame *frame)
{
    if (frame == NULL) {
        return;
    }
    incidents_close(&frame->incidents);
    free_wants(frame);
    slots_close(&frame->slots);
    free(frame);
}

void frame_reload(struct detectors_frame *frame, const struct frame_conf *confs)
{
    slots_reload(&frame->slots, confs);
    fill_wants(frame);
}

size_t frame_bytes_max(const struct frame_limits *limits, const struct frame_conf *confs)
{
    struct incidents_options options = incidents_options_of(limits);

    return sizeof(struct detectors_frame) + slots_bytes_max(limits, confs) +
           incidents_bytes_max(&options);
}

/* --- delivery --- */

/* An entry that attackers in bulk may not push out. */
static bool is_strong(enum key_kind kind, const struct fact *fact)
{
    const struct fact_party *source = key_source(fact);

    return kind == KEY_STREAM || kind == KEY_SITE || key_account_known(fact) ||
           (source != NULL && (source->proven || source->good_accounts > 0));
}

/* The entry of that kind of key, looked up once a fact; NULL where the fact has none. */
static uint8_t *entry_of(struct detectors_frame *frame, enum key_kind kind, const struct fact *fact)
{
    struct frame_key *key = &frame->keys[kind];

    if (key->fact_number != frame->fact_number) {
        key->fact_number = frame->fact_number;
        key->entry = NULL;
        if (key_of(kind, fact, frame->key, &key->hash)) {
            key->entry = slots_take(&frame->slots, kind, key->hash, fact, is_strong(kind, fact));
        }
    }
    return key->entry;
}

static void deliver(struct detectors_frame *frame, const struct fact *fact)
{
    struct detector_context context = {.frame = frame, .fact = fact};
    const uint32_t *wanting = frame->wanting[fact->kind];

    frame->fact_number++;
    for (uint32_t i = 0; i < frame->wanting_count[fact->kind]; i++) {
        struct slots_rule *rule = &frame->slots.rules[wanting[i]];
        const struct detector *detector = rule->detector;
        if (detector->heeds != NULL && !detector->heeds(fact)) {
            continue;
        }
        uint8_t *entry = entry_of(frame, detector->key, fact);
        if (entry == NULL) {
            continue;
        }
        void *lane = entry + rule->lane_offset;
        void *cell = detector->slab_bytes == 0 ? NULL : slots_cell(&frame->slots, rule, lane);
        context.rule = wanting[i];
        context.key_hash = frame->keys[detector->key].hash;
        detector->on_fact(&context, lane, cell, rule->conf, fact);
    }
}

static void drain_queue(struct detectors_frame *frame)
{
    while (frame->queue_count > 0) {
        struct queued entry = frame->queue[frame->queue_first];
        frame->queue_first = (frame->queue_first + 1) % QUEUE_MAX;
        frame->queue_count--;
        entry.fact.is.incident.account.at = entry.account;
        entry.fact.is.incident.target.at = entry.target;
        deliver(frame, &entry.fact);
    }
}

static void drain(struct detectors_frame *frame)
{
    if (frame->queue_count > 0) {
        drain_queue(frame);
    }
}

/* The fact as it was before the clock jumped. */
static struct fact unshifted(const struct fact *fact, uint64_t shift_ns)
{
    struct fact moved = *fact;

    moved.time_ns = time_since(fact->time_ns, shift_ns);
    switch ((enum fact_kind)fact->kind) {
    case FACT_CALL:
        moved.is.call.started_ns = time_since(fact->is.call.started_ns, shift_ns);
        moved.is.call.answered_ns = time_since(fact->is.call.answered_ns, shift_ns);
        break;
    case FACT_FLOW:
        moved.is.flow.first_ns = time_since(fact->is.flow.first_ns, shift_ns);
        break;
    case FACT_SECOND:
        moved.is.second.second = time_second(moved.time_ns);
        break;
    case FACT_MESSAGE:
    case FACT_TRANSACTION:
    case FACT_REGISTRATION:
    case FACT_STREAM:
    case FACT_INCIDENT:
    case FACT_COUNT:
        break;
    }
    return moved;
}

static void take_fact(struct detectors_frame *frame, const struct fact *fact)
{
    deliver(frame, fact);
    drain(frame);
    if (fact->kind == FACT_SECOND) {
        while (incidents_expire(&frame->incidents, fact->time_ns)) {
            drain(frame);
        }
    }
}

static void take_shifted(struct detectors_frame *frame, const struct fact *fact)
{
    struct fact moved = unshifted(fact, frame->shift_ns);

    take_fact(frame, &moved);
}

void frame_fact(struct detectors_frame *frame, const struct fact *fact)
{
    assert(fact->kind < FACT_COUNT);
    if (frame->shift_ns != 0) {
        take_shifted(frame, fact);
    } else {
        take_fact(frame, fact);
    }
}

void frame_shift(struct detectors_frame *frame, uint64_t shift_ns)
{
    frame->shift_ns = time_add(frame->shift_ns, shift_ns);
    frame->incidents.shift_ns = frame->shift_ns;
}

void frame_end(struct detectors_frame *frame, uint64_t now_ns)
{
    incidents_end(&frame->incidents, time_since(now_ns, frame->shift_ns));
}

void frame_counts(const struct detectors_frame *frame, struct frame_counts *out_counts)
{
    *out_counts = (struct frame_counts){.alerts = frame->alerts,
                                        .suppressed = frame->incidents.suppressed,
                                        .facts_lost = frame->facts_lost,
                                        .evicted = frame->slots.cells_missed};
    for (unsigned kind = 0; kind < KEY_COUNT; kind++) {
        if (frame->slots.kinds[kind].open) {
            out_counts->evicted += frame->slots.kinds[kind].table.evicted;
            out_counts->entries += frame->slots.kinds[kind].table.used;
        }
    }
}

/* --- what detectors call --- */

void detector_raise(struct detector_context *context, const struct finding *finding)
{
    struct detectors_frame *frame = context->frame;
    struct incidents_report report = {.detector = frame->slots.rules[context->rule].detector,
                                      .rule = context->rule,
                                      .key_hash = context->key_hash,
                                      .fact = context->fact,
                                      .finding = finding};

    incidents_raise(&frame->incidents, &report);
}

bool detector_recent(const struct detector_context *context, const char *rule_slug,
                     const struct fact *fact, uint64_t within_ns)
{
    return incidents_recent(&context->frame->incidents, rule_slug, fact, within_ns);
}

struct hash_key detector_hash_key(const struct detector_context *context)
{
    return context->frame->key;
}
