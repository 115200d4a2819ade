/* frame.c - delivery: each fact to all detectors that want it, in the order of detectors.def.
 *
 *      fact ──▶ rules that want its kind ──▶ heeds? ──▶ key, entry (once a kind) ──▶ on_fact
 *      finding ──▶ incidents ──▶ INCIDENT fact ──▶ queue, delivered behind its cause
 *
 * Rules are sorted by fact kind at open. Who heeds is asked first, of all: most facts end there, for
 * a few comparisons and no memory access outside this file, and before what is dear in them is made.
 * Keys are computed when the first rule of their kind needs one.
 *
 * A confirmed clock jump: detectors keep times in lanes of which the frame knows nothing. So not
 * their times are moved but the clock that they see: from then on facts are given to them with the
 * jump taken off, and it is added again where a time is told. */
#include "detectors/frame/frame.h"

#include "detectors/frame/incidents.h"
#include "detectors/frame/slots.h"

/* Of calls, messages and transactions each event, step and end has a list of its own: who wants few
 * is not asked of the others, which spares two fifths of all asking. */
enum {
    LIST_CALL = FACT_COUNT,
    LIST_MESSAGE = LIST_CALL + FACT_CALL_EVENTS,
    LIST_TRANSACTION = LIST_MESSAGE + FACT_MESSAGE_STEPS,
    LISTS = LIST_TRANSACTION + FACT_TRANSACTION_ENDS
};
enum { QUEUE_MAX = 64, QUEUE_TEXT_BYTES = INCIDENT_ACCOUNT_BYTES };

/* A rule as delivery sees it: what it needs of one lies side by side. */
struct hearer {
    bool (*heeds)(const struct fact *fact);
    void (*on_fact)(struct detector_context *context, void *lane, void *cell, const void *conf,
                    const struct fact *fact);
    const void *conf;
    struct slots_rule *slab; /* whose slab it has, or NULL */
    uint32_t rule;
    uint16_t lane_offset;
    uint8_t key;
    bool slab_on_demand;
};

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
    struct hearer *hearers[LISTS]; /* rules that want the kind, or the event, in order */
    uint32_t hearer_count[LISTS];
    const struct hearer **heeding; /* those of the fact at hand, in order */
    uint32_t heeding_count;
    uint64_t fact_number; /* delivered so far */
    struct frame_key keys[KEY_COUNT];
    uint64_t shift_ns;
    uint64_t first_ns; /* of the first fact, on the clock that detectors see; 0 = none yet */
    bool *raised; /* rules that ever raised a finding */
    bool raised_any;
    uint64_t alerts;
    uint64_t facts_lost;
    bool one_way_capture; /* of the last second */
    bool lossy_capture;
    bool silent_capture;
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
    case KEY_SERVER:
    case KEY_NUMBER_BLOCK:
    case KEY_CALLER_BLOCK:
        return 16384;
    case KEY_SITE:
        return 1;
    case KEY_SOURCE:
    case KEY_ACCOUNT:
    case KEY_SOURCE_ACCOUNT:
    case KEY_ACCOUNT_DEVICE:
    case KEY_CALL:
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

    if (frame->hearer_count[FACT_INCIDENT] == 0) {
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

static void list_hearer(struct detectors_frame *frame, unsigned list, uint32_t index)
{
    struct slots_rule *rule = &frame->slots.rules[index];
    const struct detector *detector = rule->detector;

    frame->hearers[list][frame->hearer_count[list]++] = (struct hearer){
        .heeds = detector->heeds,
        .on_fact = detector->on_fact,
        .conf = rule->conf,
        .slab = detector->slab_bytes == 0 ? NULL : rule,
        .rule = index,
        .lane_offset = rule->lane_offset,
        .key = (uint8_t)detector->key,
        .slab_on_demand = detector->slab_on_demand,
    };
}

static bool is_among(uint8_t wanted, unsigned event)
{
    return wanted == 0 || (wanted >> event & 1) != 0;
}

static bool wants_list(const struct detector *detector, unsigned list)
{
    if (list >= LIST_TRANSACTION) {
        return (detector->wants & FACT_BIT(TRANSACTION)) != 0 &&
               is_among(detector->transaction_ends, list - LIST_TRANSACTION);
    }
    if (list >= LIST_MESSAGE) {
        return (detector->wants & FACT_BIT(MESSAGE)) != 0 &&
               is_among(detector->message_steps, list - LIST_MESSAGE);
    }
    if (list >= LIST_CALL) {
        return (detector->wants & FACT_BIT(CALL)) != 0 &&
               is_among(detector->call_events, list - LIST_CALL);
    }
    return (detector->wants >> list & 1) != 0;
}

static void fill_hearers(struct detectors_frame *frame)
{
    for (unsigned list = 0; list < LISTS; list++) {
        frame->hearer_count[list] = 0;
        for (uint32_t i = 0; i < frame->slots.rule_count; i++) {
            const struct slots_rule *rule = &frame->slots.rules[i];
            if (rule->heard && wants_list(rule->detector, list)) {
                list_hearer(frame, list, i);
            }
        }
    }
}

static enum status list_hearers(struct detectors_frame *frame, struct error *error)
{
    frame->heeding = calloc(detector_count() + 1, sizeof *frame->heeding);
    frame->raised = calloc(detector_count() + 1, sizeof *frame->raised);
    if (frame->heeding == NULL || frame->raised == NULL) {
        return error_system(error, STATUS_FAILED, "memory", "cannot list the detectors");
    }
    for (unsigned list = 0; list < LISTS; list++) {
        frame->hearers[list] = calloc(detector_count() + 1, sizeof *frame->hearers[list]);
        if (frame->hearers[list] == NULL) {
            return error_system(error, STATUS_FAILED, "memory", "cannot list the detectors");
        }
    }
    fill_hearers(frame);
    return STATUS_OK;
}

static void free_hearers(struct detectors_frame *frame)
{
    free(frame->heeding);
    free(frame->raised);
    for (unsigned list = 0; list < LISTS; list++) {
        free(frame->hearers[list]);
    }
}

void frame_reload(struct detectors_frame *frame, const struct frame_conf *confs)
{
    slots_reload(&frame->slots, confs);
    fill_hearers(frame);
}

uint32_t frame_wants(const struct detectors_frame *frame)
{
    uint32_t wants = FACT_BIT(SECOND);

    for (unsigned kind = 0; kind < FACT_COUNT; kind++) {
        wants |= (uint32_t)(frame->hearer_count[kind] > 0) << kind;
    }
    return wants;
}

/* The lists of those from `first` on that anybody is in. */
static uint32_t heard_of(const struct detectors_frame *frame, unsigned first, unsigned count)
{
    uint32_t heard = 0;

    for (unsigned i = 0; i < count; i++) {
        heard |= (uint32_t)(frame->hearer_count[first + i] > 0) << i;
    }
    return heard;
}

uint32_t frame_call_events(const struct detectors_frame *frame)
{
    return heard_of(frame, LIST_CALL, FACT_CALL_EVENTS);
}

uint32_t frame_message_steps(const struct detectors_frame *frame)
{
    return heard_of(frame, LIST_MESSAGE, FACT_MESSAGE_STEPS);
}

uint32_t frame_transaction_ends(const struct detectors_frame *frame)
{
    return heard_of(frame, LIST_TRANSACTION, FACT_TRANSACTION_ENDS);
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
    status = list_hearers(frame, error);
    if (status != STATUS_OK) {
        goto no_hearers;
    }
    status = incidents_open(&frame->incidents, &options, error);
    if (status != STATUS_OK) {
        goto no_hearers;
    }
    *out_frame = frame;
    return STATUS_OK;

no_hearers:
    free_hearers(frame);
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
    free_hearers(frame);
    slots_close(&frame->slots);
    free(frame);
}

void frame_budget(const struct frame_limits *limits, const struct frame_conf *confs,
                  struct budget *budget)
{
    struct incidents_options options = incidents_options_of(limits);

    slots_budget(limits, confs, budget);
    budget_add(budget, "incidents", (uint64_t)limits->incidents_max + limits->closed_max,
               sizeof(struct detectors_frame) + incidents_bytes_max(&options));
}

/* --- over a restart --- */

static void move_clock(struct detectors_frame *frame, uint64_t shift_ns)
{
    frame->shift_ns = shift_ns;
    frame->incidents.shift_ns = shift_ns;
    frame->slots.shift_ns = shift_ns;
}

/* What was taken off the times that detectors see: theirs are kept so. */
static void save_clock(const void *owner, struct snapshot_out *out)
{
    const struct detectors_frame *frame = owner;

    out->entries = 1;
    snapshot_put_u64(out, frame->shift_ns);
}

/* A new run has other rules that have raised: those that are remembered have. */
static bool load_clock(void *owner, struct snapshot_in *in)
{
    struct detectors_frame *frame = owner;

    move_clock(frame, snapshot_get_u64(in));
    for (uint32_t i = 0; i < frame->slots.rule_count; i++) {
        frame->raised[i] = true;
    }
    frame->raised_any = true;
    return !in->failed;
}

uint32_t frame_parts(struct detectors_frame *frame, struct snapshot_part *parts, uint32_t room)
{
    uint32_t count = 0;

    assert(room >= FRAME_PARTS);
    parts[count++] = (struct snapshot_part){.name = "clock of the detectors",
                                            .version = 1,
                                            .owner = frame,
                                            .bytes_max = sizeof(uint64_t),
                                            .save = save_clock,
                                            .load = load_clock};
    chain_part(&frame->incidents.chains, &parts[count++]);
    incidents_parts(&frame->incidents, &parts[count], &parts[count + 1]);
    count += 2;
    for (unsigned kind = 0; kind < KEY_COUNT; kind++) {
        count += slots_part(&frame->slots, (enum key_kind)kind, &parts[count]);
    }
    return count;
}

size_t frame_kept_bytes_max(const struct frame_limits *limits, const struct frame_conf *confs)
{
    struct incidents_options options = incidents_options_of(limits);

    return sizeof(uint64_t) + slots_kept_bytes_max(limits, confs) +
           incidents_kept_bytes_max(&options) + chain_kept_bytes_max(options.closed_max);
}

/* --- delivery --- */

/* An entry that attackers in bulk may not push out. */
static bool is_strong(enum key_kind kind, const struct fact *fact, const struct fact_party *source)
{
    return (source != NULL && (source->proven || source->good_accounts > 0)) ||
           kind == KEY_STREAM || kind == KEY_SITE || kind == KEY_SERVER || key_account_known(fact);
}

static __attribute__((noinline)) void look_up(struct detectors_frame *frame, enum key_kind kind,
                                              const struct fact *fact)
{
    struct frame_key *key = &frame->keys[kind];
    const struct fact_party *source = key_source(fact);
    bool there = source != NULL;

    key->fact_number = frame->fact_number;
    key->entry = NULL;
    if (kind == KEY_SOURCE && there) { /* what nearly every message is asked for */
        key->hash = key_hash_source(frame->key, source);
    } else {
        there = key_of(kind, fact, frame->key, &key->hash);
    }
    if (there) {
        key->entry =
            slots_take(&frame->slots, kind, key->hash, fact, is_strong(kind, fact, source));
    }
}

/* The entry of that kind of key, looked up once a fact; NULL where the fact has none. */
static inline uint8_t *entry_of(struct detectors_frame *frame, enum key_kind kind,
                                const struct fact *fact)
{
    if (frame->keys[kind].fact_number != frame->fact_number) {
        look_up(frame, kind, fact);
    }
    return frame->keys[kind].entry;
}

static unsigned list_of(const struct fact *fact)
{
    return fact->kind == FACT_MESSAGE       ? LIST_MESSAGE + fact->is.message.step
           : fact->kind == FACT_TRANSACTION ? LIST_TRANSACTION + fact->is.transaction.end
           : fact->kind == FACT_CALL        ? LIST_CALL + fact->is.call.event
                                            : fact->kind;
}

static void find_heeding(struct detectors_frame *frame, const struct fact *fact)
{
    unsigned list = list_of(fact);
    const struct hearer *hearer = frame->hearers[list];
    const struct hearer *end = hearer + frame->hearer_count[list];
    uint32_t count = 0;

    for (; hearer < end; hearer++) {
        if (hearer->heeds == NULL || hearer->heeds(fact)) {
            frame->heeding[count++] = hearer;
        }
    }
    frame->heeding_count = count;
}

static void *cell_of(struct detectors_frame *frame, const struct hearer *hearer, void *lane)
{
    void *cell = slots_cell(hearer->slab, lane);

    return cell != NULL || hearer->slab_on_demand
               ? cell
               : slots_take_cell(&frame->slots, hearer->slab, lane);
}

static void deliver(struct detectors_frame *frame, const struct fact *fact)
{
    struct detector_context context = {.frame = frame, .fact = fact};

    frame->fact_number++;
    for (uint32_t i = 0; i < frame->heeding_count; i++) {
        const struct hearer *hearer = frame->heeding[i];
        uint8_t *entry = entry_of(frame, (enum key_kind)hearer->key, fact);
        if (entry == NULL) {
            continue;
        }
        void *lane = entry + hearer->lane_offset;
        void *cell = hearer->slab == NULL ? NULL : cell_of(frame, hearer, lane);
        context.rule = hearer->rule;
        context.key_hash = frame->keys[hearer->key].hash;
        hearer->on_fact(&context, lane, cell, hearer->conf, fact);
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
        find_heeding(frame, &entry.fact);
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
        moved.is.call.ended_ns = time_since(fact->is.call.ended_ns, shift_ns);
        break;
    case FACT_FLOW:
        moved.is.flow.first_ns = time_since(fact->is.flow.first_ns, shift_ns);
        break;
    case FACT_SECOND:
        moved.is.second.second = time_second(moved.time_ns);
        moved.is.second.heard_ns = time_since(fact->is.second.heard_ns, shift_ns);
        moved.is.second.flows_ns = time_since(fact->is.second.flows_ns, shift_ns);
        break;
    case FACT_STREAM:
        moved.is.stream.started_ns = time_since(fact->is.stream.started_ns, shift_ns);
        moved.is.stream.last_ns = time_since(fact->is.stream.last_ns, shift_ns);
        moved.is.stream.silent_ns = time_since(fact->is.stream.silent_ns, shift_ns);
        break;
    case FACT_SERVER:
        moved.is.server.unanswered_since_ns =
            time_since(fact->is.server.unanswered_since_ns, shift_ns);
        moved.is.server.unanswered_last_ns =
            time_since(fact->is.server.unanswered_last_ns, shift_ns);
        moved.is.server.refused_since_ns = time_since(fact->is.server.refused_since_ns, shift_ns);
        moved.is.server.refused_last_ns = time_since(fact->is.server.refused_last_ns, shift_ns);
        moved.is.server.last_call_ns = time_since(fact->is.server.last_call_ns, shift_ns);
        break;
    case FACT_MESSAGE:
    case FACT_TRANSACTION:
    case FACT_HOP:
    case FACT_REGISTRATION:
    case FACT_INCIDENT:
    case FACT_COUNT:
        break;
    }
    return moved;
}

static void take_fact(struct detectors_frame *frame, const struct fact *fact)
{
    if (frame->first_ns == 0) {
        frame->first_ns = fact->time_ns;
    }
    deliver(frame, fact);
    drain(frame);
    if (fact->kind == FACT_SECOND) {
        frame->one_way_capture = fact->is.second.one_way_capture;
        frame->lossy_capture = fact->is.second.lossy_capture;
        frame->silent_capture = fact->is.second.silent_capture;
        while (incidents_expire(&frame->incidents, fact->time_ns)) {
            drain(frame);
        }
    }
}

/* Who heeds is asked again: he may look at a time. */
static void take_shifted(struct detectors_frame *frame, const struct fact *fact)
{
    struct fact moved = unshifted(fact, frame->shift_ns);

    find_heeding(frame, &moved);
    take_fact(frame, &moved);
}

bool frame_heeds(struct detectors_frame *frame, const struct fact *fact)
{
    assert(fact->kind < FACT_COUNT);
    find_heeding(frame, fact);
    return frame->heeding_count > 0 || frame->shift_ns != 0 || fact->kind == FACT_SECOND;
}

void frame_tell(struct detectors_frame *frame, const struct fact *fact)
{
    if (frame->shift_ns != 0) {
        take_shifted(frame, fact);
    } else {
        take_fact(frame, fact);
    }
}

void frame_fact(struct detectors_frame *frame, const struct fact *fact)
{
    if (frame_heeds(frame, fact)) {
        frame_tell(frame, fact);
    }
}

void frame_shift(struct detectors_frame *frame, uint64_t shift_ns)
{
    move_clock(frame, time_add(frame->shift_ns, shift_ns));
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
                                        .evicted = frame->slots.cells_missed,
                                        .refused_new = frame->slots.admission.refused_new,
                                        .refused_crowded = frame->slots.admission.refused_crowded};
    for (unsigned kind = 0; kind < KEY_COUNT; kind++) {
        if (frame->slots.kinds[kind].open) {
            out_counts->evicted += frame->slots.kinds[kind].table.evicted;
            out_counts->entries += frame->slots.kinds[kind].table.used;
        }
    }
}

/* --- what detectors call --- */

/* What is heard in part is believed in part. */
static void raise_doubted(struct detectors_frame *frame, const struct incidents_report *report)
{
    struct finding doubted = *report->finding;
    struct incidents_report again = *report;

    confidence_hearing(&doubted.confidence, frame->one_way_capture, frame->lossy_capture,
                       frame->silent_capture);
    again.finding = &doubted;
    incidents_raise(&frame->incidents, &again);
}

void detector_raise(struct detector_context *context, const struct finding *finding)
{
    struct detectors_frame *frame = context->frame;
    struct incidents_report report = {.detector = frame->slots.rules[context->rule].detector,
                                      .rule = context->rule,
                                      .key_hash = context->key_hash,
                                      .fact = context->fact,
                                      .finding = finding};

    frame->raised[context->rule] = true;
    frame->raised_any = true;
    bool doubtful = frame->one_way_capture || frame->lossy_capture || frame->silent_capture;
    if (doubtful && !finding->about_hearing) {
        raise_doubted(frame, &report);
        return;
    }
    incidents_raise(&frame->incidents, &report);
}

/* Is there a rule of that name that has raised anything so far? */
static bool has_raised(const struct detectors_frame *frame, const char *slug)
{
    for (uint32_t i = 0; i < frame->slots.rule_count; i++) {
        const char *name = frame->slots.rules[i].detector->slug;
        if (frame->raised[i] && (name == slug || strcmp(name, slug) == 0)) {
            return true;
        }
    }
    return false;
}

bool detector_recent(const struct detector_context *context, const char *rule_slug,
                     const struct fact *fact, uint64_t within_ns)
{
    return context->frame->raised_any && has_raised(context->frame, rule_slug) &&
           incidents_recent(&context->frame->incidents, rule_slug, fact, within_ns);
}

uint64_t detector_age_ns(const struct detector_context *context)
{
    return time_since(context->fact->time_ns, context->frame->first_ns);
}

uint64_t detector_told_ns(const struct detector_context *context, uint64_t time_ns)
{
    return time_add(time_ns, context->frame->shift_ns);
}

struct hash_key detector_hash_key(const struct detector_context *context)
{
    return context->frame->key;
}

void *detector_cell(struct detector_context *context, void *lane)
{
    struct slots *slots = &context->frame->slots;

    assert(slots->rules[context->rule].detector->slab_on_demand);
    return slots_take_cell(slots, &slots->rules[context->rule], lane);
}
