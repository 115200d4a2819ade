/* The analyst: one thread that remembers.
 *
 *   rings --merge--> state --change--> facts --> detectors --incident--> telemetry --> record ring
 *                                 '--> telemetry --------------------------'
 *
 * Each change goes first to the detectors, then to telemetry; what they raise comes out in that
 * order too. Facts are handed over one by one at once (docs/decisions/002), and made only as far as
 * somebody heeds them. */
#include "sensor/run/analyst.h"

#include "sensor/run/hearing.h"
#include "sensor/run/split.h"
#include "sensor/run/vitals.h"

#include "sensor/state/state.h"
#include "sensor/telemetry/telemetry.h"

enum { SENSOR_RECORD_EVERY_S = 10, LOSS_ONE_IN = 200 };
#define PATIENCE_NS NS_PER_S
#define ALERT_PATIENCE_NS (10 * NS_PER_S)

/* How many sightings of a ring lie between a step of the look-ahead and the head. */
enum { FAR_AHEAD = 12, NEAR_AHEAD = 6, NEXT_AHEAD = 3, AHEAD = 16, LINE_BYTES = 64 };

struct producer {
    struct ring *ring;
    const struct sighting *head; /* NULL: nothing to read now */
    size_t bytes; /* that can be read from the head on */
    size_t taken; /* before the head, not given back yet */
    uint64_t count; /* sightings taken */
    uint64_t seen; /* ... and looked at ahead, with them */
    size_t seen_bytes; /* from the head on */
    const struct sighting *coming[AHEAD]; /* by count */
    uint64_t position;
    bool ended;
};

struct analyst {
    struct analyst_options options;
    struct state *state;
    struct detectors_frame *frame;
    struct telemetry *telemetry;
    struct producer producers[RUN_WORKERS_MAX + 1];
    uint32_t ended;
    bool finished;
    uint32_t fact_changes; /* CHANGE_BIT()s of what makes facts that are wanted */
    uint64_t mark_key; /* key and sub of the last mark that was acted on: equal ones are dropped */
    uint64_t mark_sub;
    uint64_t now_ns; /* state time */
    uint64_t first_ns;
    uint64_t last_ns;
    uint64_t begun_ns; /* live: of the clock since boot */
    uint64_t stalled_ns; /* live: since when the record ring has had no room; 0 = it has */
    uint64_t counts[COUNT_TOTAL];
    struct snapshot_part parts[FRAME_PARTS + STATE_PARTS]; /* what is kept over a restart */
    uint32_t part_count;
    bool taken_up; /* what the last run kept */
    uint64_t seen; /* sightings: whatever is kept may have changed with each */
    uint64_t frames_before; /* counts as they were ten seconds ago */
    uint64_t lost_before;
    struct hearing hearing;
    struct split split; /* live, several rings */
};

static void wait_for_writer(struct analyst *analyst)
{
    if (analyst->options.drain_records != NULL) {
        analyst->options.drain_records(analyst->options.owner);
        return;
    }
    struct bell *bell = &analyst->options.shared->analyst_bell;
    uint32_t heard = bell_listen(bell);
    ring_publish(analyst->options.records, true);
    bell_wait(bell, heard, NS_PER_S / 10);
}

/* Live: an output that hangs must not make the sensor deaf. Alerts are waited for longest; once a
 * stall has lasted, records are dropped at once until there is room. */
static bool gives_up(struct analyst *analyst, const struct record *record)
{
    if (!analyst->options.live) {
        return false;
    }
    struct timespec clock = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &clock);
    uint64_t now_ns = (uint64_t)clock.tv_sec * NS_PER_S + (uint64_t)clock.tv_nsec;
    if (analyst->stalled_ns == 0) {
        analyst->stalled_ns = now_ns;
    }
    uint64_t patience_ns = record->dataset == DATASET_ALERT ? ALERT_PATIENCE_NS : PATIENCE_NS;
    bool gives_up = time_since(now_ns, analyst->stalled_ns) >= patience_ns;
    analyst->counts[COUNT_RECORDS_DROPPED] += gives_up;
    return gives_up;
}

static void on_record(void *owner, const struct record *record)
{
    struct analyst *analyst = owner;
    void *at = ring_reserve(analyst->options.records, record->bytes);
    while (at == NULL) {
        if (atomic_load_explicit(&analyst->options.shared->failed, memory_order_relaxed) ||
            gives_up(analyst, record)) {
            return;
        }
        wait_for_writer(analyst);
        at = ring_reserve(analyst->options.records, record->bytes);
    }
    analyst->stalled_ns = 0;
    memcpy(at, record, record->bytes);
    ring_commit(analyst->options.records, record->bytes);
    ring_publish(analyst->options.records, false);
}

static void on_incident(void *owner, const struct incident *incident)
{
    struct analyst *analyst = owner;
    telemetry_incident(analyst->telemetry, incident);
}

/* The changes that make facts of the kinds that are wanted. */
static uint32_t fact_changes(const struct detectors_frame *frame)
{
    uint32_t facts = frame_wants(frame);
    uint32_t events = (facts & FACT_BIT(CALL)) != 0 ? frame_call_events(frame) : 0;
    uint32_t changes = CHANGE_BIT(SECOND);

    changes |= (facts & FACT_BIT(MESSAGE)) != 0 ? CHANGE_BIT(MESSAGE) : 0;
    changes |= (facts & FACT_BIT(TRANSACTION)) != 0 ? CHANGE_BIT(TRANSACTION_ENDED) : 0;
    changes |= (facts & FACT_BIT(REGISTRATION)) != 0 ? CHANGE_BIT(REGISTRATION) : 0;
    changes |= (events >> FACT_CALL_STARTED & 1) != 0 ? CHANGE_BIT(CALL_STARTED) : 0;
    changes |= (events >> FACT_CALL_RINGING & 1) != 0 ? CHANGE_BIT(CALL_RINGING) : 0;
    changes |= (events >> FACT_CALL_ANSWERED & 1) != 0 ? CHANGE_BIT(CALL_ANSWERED) : 0;
    changes |= (events >> FACT_CALL_GIVEN_UP & 1) != 0 ? CHANGE_BIT(CALL_GIVEN_UP) : 0;
    changes |= (events >> FACT_CALL_ENDED & 1) != 0 ? CHANGE_BIT(CALL_ENDED) : 0;
    changes |= (events >> FACT_CALL_MEDIA & 1) != 0 ? CHANGE_BIT(CALL_MEDIA) : 0;
    changes |= (events >> FACT_CALL_TORN & 1) != 0 ? CHANGE_BIT(CALL_TORN) : 0;
    if ((facts & FACT_BIT(STREAM)) != 0) {
        changes |= CHANGE_BIT(STREAM_INTERVAL) | CHANGE_BIT(STREAM_SILENT) |
                   CHANGE_BIT(STREAM_BEGUN) | CHANGE_BIT(STREAM_RESUMED) | CHANGE_BIT(STREAM_ENDED);
    }
    changes |= (facts & FACT_BIT(FLOW)) != 0 ? CHANGE_BIT(FLOW_ENDED) : 0;
    changes |= (facts & FACT_BIT(SERVER)) != 0 ? CHANGE_BIT(SERVER) : 0;
    return changes;
}

static void skip_unheard(struct analyst *analyst)
{
    struct facts_view *view = state_facts_view(analyst->state);

    view->unheard_steps = ~frame_message_steps(analyst->frame);
    view->unheard_ends = ~frame_transaction_ends(analyst->frame);
}

static void tell_detectors(struct analyst *analyst, const struct change *change)
{
    struct facts_view *view = state_facts_view(analyst->state);
    /* Half a kilobyte, filled by facts_begin(): clearing it before, as hardened builds do, is paid
     * for each change. */
    struct fact fact UNCLEARED;

    if (facts_begin(view, change, &fact) && frame_heeds(analyst->frame, &fact)) {
        facts_finish(view, change, &fact);
        frame_tell(analyst->frame, &fact);
    }
}

static void on_change(void *owner, const struct change *change)
{
    struct analyst *analyst = owner;

    if ((analyst->fact_changes >> change->kind & 1) != 0) {
        tell_detectors(analyst, change);
    }
    telemetry_change(analyst->telemetry, change);
}

static struct state_limits state_limits_of(const struct config *config, struct hash_key key)
{
    const uint64_t *tables = config->tables;
    return (struct state_limits){.transactions_max = (uint32_t)tables[CONFIG_TABLE_TRANSACTIONS],
                                 .attempts_max = (uint32_t)tables[CONFIG_TABLE_ATTEMPTS],
                                 .bindings_max = (uint32_t)tables[CONFIG_TABLE_BINDINGS],
                                 .accounts_max = (uint32_t)tables[CONFIG_TABLE_ACCOUNTS],
                                 .calls_max = (uint32_t)tables[CONFIG_TABLE_CALLS],
                                 .destinations_max = (uint32_t)tables[CONFIG_TABLE_DESTINATIONS],
                                 .endpoints_max = (uint32_t)tables[CONFIG_TABLE_ENDPOINTS],
                                 .streams_max = (uint32_t)tables[CONFIG_TABLE_STREAMS],
                                 .sources_max = (uint32_t)tables[CONFIG_TABLE_ADDRESSES],
                                 .servers_max = (uint32_t)tables[CONFIG_TABLE_SERVERS],
                                 .call_age_max_ns = config->sensor.call_age_max_ns,
                                 .key = key};
}

static struct frame_limits frame_limits_of(const struct config *config, struct hash_key key)
{
    struct frame_limits limits = {.incidents_max = (uint32_t)config->tables[CONFIG_TABLE_INCIDENTS],
                                  .closed_max = (uint32_t)config->tables[CONFIG_TABLE_CLOSED],
                                  .key = key};
    for (unsigned kind = 0; kind < KEY_COUNT; kind++) {
        limits.entries[kind] = (uint32_t)config->key_entries[kind];
    }
    return limits;
}

void analyst_budget(const struct config *config, struct budget *budget)
{
    struct state_limits state = state_limits_of(config, HASH_KEY_FIXED);
    struct frame_limits frame = frame_limits_of(config, HASH_KEY_FIXED);
    numbers_budget(&config->site.numbers, budget);
    state_budget(&state, budget);
    frame_budget(&frame, config->detectors, budget);
}

size_t analyst_kept_bytes_max(const struct config *config)
{
    struct state_limits state = state_limits_of(config, HASH_KEY_FIXED);
    struct frame_limits frame = frame_limits_of(config, HASH_KEY_FIXED);
    return state_kept_bytes_max(&state) + frame_kept_bytes_max(&frame, config->detectors);
}

static struct telemetry_options telemetry_options_of(const struct analyst_options *options,
                                                     const struct config *config)
{
    return (struct telemetry_options){.observer_name = options->observer_name,
                                      .sip = (enum telemetry_sip)config->records.sip,
                                      .media_interval = config->records.media_interval,
                                      .flow = config->records.flow,
                                      .refreshes = config->records.refreshes,
                                      .live = options->live,
                                      .interfaces = options->interfaces,
                                      .on_record = on_record};
}

/* The files that say where addresses are, handed over as a configuration is. */
static void take_geo(struct analyst *analyst)
{
    struct run_shared *shared = analyst->options.shared;
    struct geo *geo = atomic_load_explicit(&shared->geo_next, memory_order_acquire);
    if (geo == atomic_load_explicit(&shared->geo_taken, memory_order_relaxed)) {
        return;
    }
    struct geo *used = geo_is_empty(geo) ? NULL : geo;
    state_facts_view(analyst->state)->geo = used;
    telemetry_set_geo(analyst->telemetry, used);
    atomic_store_explicit(&shared->geo_taken, geo, memory_order_release);
}

/* What lookups need of the configuration; an hour that was told by the clock before is forgotten. */
static void set_site(struct analyst *analyst, const struct config *config)
{
    struct facts_view *view = state_facts_view(analyst->state);

    view->numbers = config->numbers;
    view->calendar = config->calendar;
    view->quarter = 0;
}

enum status analyst_open(const struct analyst_options *options, struct analyst **out_analyst,
                         struct error *error)
{
    struct analyst *analyst = calloc(1, sizeof *analyst);
    if (analyst == NULL) {
        return error_set(error, STATUS_FAILED, "", "no memory for the analyst");
    }
    analyst->options = *options;
    analyst->begun_ns = vitals_begin();
    analyst->mark_key = UINT64_MAX;
    for (uint32_t i = 0; i < options->producer_count; i++) {
        analyst->producers[i].ring = options->producers[i];
    }
    const struct config *config = options->config;
    struct state_limits state = state_limits_of(config, options->key);
    struct frame_limits frame = frame_limits_of(config, options->key);
    struct telemetry_options telemetry = telemetry_options_of(options, config);
    telemetry.owner = analyst;
    struct change_sink sink = {.on_change = on_change, .owner = analyst, .no_extensions = true};
    enum status status = telemetry_open(&telemetry, &analyst->telemetry, error);
    if (status == STATUS_OK) {
        status =
            frame_open(&frame, config->detectors, on_incident, analyst, &analyst->frame, error);
    }
    if (status == STATUS_OK) {
        analyst->fact_changes = fact_changes(analyst->frame);
        sink.unwanted = ~(analyst->fact_changes | telemetry_wants(analyst->telemetry));
        status = state_open(&state, sink, &analyst->state, error);
    }
    if (status != STATUS_OK) {
        analyst_close(analyst);
        return status;
    }
    take_geo(analyst);
    set_site(analyst, config);
    skip_unheard(analyst);
    analyst->part_count = state_parts(analyst->state, analyst->parts, STATE_PARTS);
    analyst->part_count +=
        frame_parts(analyst->frame, analyst->parts + analyst->part_count, FRAME_PARTS);
    *out_analyst = analyst;
    return STATUS_OK;
}

void analyst_close(struct analyst *analyst)
{
    if (analyst == NULL) {
        return;
    }
    if (analyst->state != NULL) {
        state_close(analyst->state);
    }
    if (analyst->frame != NULL) {
        frame_close(analyst->frame);
    }
    if (analyst->telemetry != NULL) {
        telemetry_close(analyst->telemetry);
    }
    free(analyst);
}

/* --- what sightings do --- */

static void add_counts(struct analyst *analyst, const struct counts_sighting *counts)
{
    for (uint32_t i = 0; i < counts->delta_count; i++) {
        assert(counts->deltas[i].id < COUNT_TOTAL);
        analyst->counts[counts->deltas[i].id] += counts->deltas[i].amount;
    }
    if (counts->first_ns != 0 && (analyst->first_ns == 0 || counts->first_ns < analyst->first_ns)) {
        analyst->first_ns = counts->first_ns;
    }
    if (counts->last_ns > analyst->last_ns) {
        analyst->last_ns = counts->last_ns;
    }
}

static void tell_sensor(struct analyst *analyst, uint64_t time_ns, bool last)
{
    struct telemetry_sensor sensor = {.time_ns = time_ns,
                                      .first_ns = analyst->first_ns,
                                      .last_ns = analyst->last_ns,
                                      .last = last,
                                      .counts = analyst->counts};
    struct telemetry_live live;

    state_counts(analyst->state, &sensor.state);
    frame_counts(analyst->frame, &sensor.detectors);
    if (analyst->options.live) {
        vitals_look(analyst->options.shared, analyst->begun_ns, time_ns, &live);
        sensor.live = &live;
    }
    if (last) {
        analyst->options.at_end(analyst->options.owner, &sensor.truncated, &sensor.faults,
                                &sensor.fault_count);
    }
    telemetry_sensor(analyst->telemetry, &sensor);
}

/* The first time of the run: only now what is kept has an age. */
static void take_up(struct analyst *analyst, uint64_t now_ns)
{
    analyst->taken_up = true;
    if (analyst->options.snapshot != NULL) {
        snapshot_take_up(analyst->options.snapshot, analyst->parts, analyst->part_count, now_ns);
    }
}

/* A configuration that was handed over takes effect for all detectors at once. */
static void take_config(struct analyst *analyst)
{
    struct run_shared *shared = analyst->options.shared;
    const struct config *config = atomic_load_explicit(&shared->config_next, memory_order_acquire);
    if (config == atomic_load_explicit(&shared->config_taken, memory_order_relaxed)) {
        return;
    }
    struct telemetry_options telemetry = telemetry_options_of(&analyst->options, config);
    frame_reload(analyst->frame, config->detectors);
    telemetry_reload(analyst->telemetry, &telemetry);
    set_site(analyst, config);
    analyst->fact_changes = fact_changes(analyst->frame);
    skip_unheard(analyst);
    atomic_store_explicit(&shared->config_taken, config, memory_order_release);
}

/* Frames that did not reach us whole, in the ten seconds since the workers told their counts. */
static void judge_loss(struct analyst *analyst)
{
    const uint64_t *reasons = analyst->counts + COUNT_REASON_FIRST;
    uint64_t dropped = analyst->counts[COUNT_KERNEL_DROPPED] + /* live only */
                       analyst->counts[COUNT_INTERFACE_DROPPED];
    uint64_t frames = analyst->counts[COUNT_FRAMES] + dropped;
    uint64_t lost =
        reasons[REASON_SNAP_CUT] + reasons[REASON_IP_TRIMMED] + reasons[REASON_FRAME_CUT] + dropped;

    state_facts_view(analyst->state)->lost_frames =
        (lost - analyst->lost_before) * LOSS_ONE_IN > frames - analyst->frames_before;
    analyst->frames_before = frames;
    analyst->lost_before = lost;
}

/* The fullest of the tables that hold what goes on now. One of what was (addresses, accounts) is
 * full when it has worked long enough, and no sign of anything. */
static void find_fullest(const struct analyst *analyst, struct fact_second *out)
{
    struct state_counts state;
    state_counts(analyst->state, &state);
    const struct {
        const char *name;
        enum config_table table;
        uint64_t used;
    } rows[] = {
        {"calls", CONFIG_TABLE_CALLS, state.calls},
        {"transactions", CONFIG_TABLE_TRANSACTIONS, state.transactions},
        {"streams", CONFIG_TABLE_STREAMS, state.streams},
        {"bindings", CONFIG_TABLE_BINDINGS, state.bindings},
    };
    out->full_ppm = 0;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint64_t entries = analyst->options.config->tables[rows[i].table];
        uint32_t ppm = (uint32_t)(rows[i].used * 1000000 / entries);
        if (ppm > out->full_ppm) {
            out->full_ppm = ppm;
            out->full_table = slice_of_string(rows[i].name);
        }
    }
}

/* What reaches the sensor, for the fact of this second. */
static void listen_to_itself(struct analyst *analyst, uint64_t second)
{
    struct fact_second *hearing = &state_facts_view(analyst->state)->hearing;

    hearing->live = analyst->options.live;
    hearing_mark(&analyst->hearing, second, analyst->counts, analyst->options.interfaces,
                 analyst->options.interface_count, hearing);
    find_fullest(analyst, hearing);
}

static void take_mark(struct analyst *analyst, const struct mark_sighting *mark)
{
    if (mark->head.key == analyst->mark_key && mark->head.sub == analyst->mark_sub) {
        return;
    }
    analyst->mark_key = mark->head.key;
    analyst->mark_sub = mark->head.sub;
    if (!analyst->taken_up) {
        take_up(analyst, mark->second * NS_PER_S);
    }
    if (mark->shift_ns != 0) {
        frame_shift(analyst->frame, mark->shift_ns);
        hearing_shift(&analyst->hearing, mark->shift_ns);
    }
    analyst->now_ns = mark->second * NS_PER_S;
    take_config(analyst);
    take_geo(analyst);
    if (mark->second % SENSOR_RECORD_EVERY_S == 0) {
        judge_loss(analyst);
    }
    listen_to_itself(analyst, mark->second);
    state_mark(analyst->state, mark);
    if (mark->second % SENSOR_RECORD_EVERY_S == 0) {
        tell_sensor(analyst, analyst->now_ns, false);
    }
    if (analyst->options.snapshot != NULL) {
        snapshot_mark(analyst->options.snapshot, analyst->parts, analyst->part_count,
                      analyst->now_ns, analyst->seen);
    }
}

static void take_end(struct analyst *analyst)
{
    analyst->ended++;
    if (analyst->ended < analyst->options.producer_count) {
        return;
    }
    if (analyst->options.snapshot != NULL) {
        /* As it is while things are open: the next run goes on from there. */
        snapshot_end(analyst->options.snapshot, analyst->parts, analyst->part_count,
                     analyst->now_ns);
    }
    state_end(analyst->state, analyst->now_ns);
    frame_end(analyst->frame, analyst->now_ns);
    /* Live time may have gone on in silence. */
    tell_sensor(analyst, analyst->now_ns > analyst->last_ns ? analyst->now_ns : analyst->last_ns,
                true);
    ring_set_position(analyst->options.records, UINT64_MAX);
    ring_publish(analyst->options.records, true);
    analyst->finished = true;
}

/* What a worker says of a flow is known to be of that flow alone, and which ring brought it. */
static void see_ring(struct analyst *analyst, const struct producer *producer)
{
    bool split =
        split_see(&analyst->split, producer->head, (uint32_t)(producer - analyst->producers));
    analyst->counts[COUNT_REASON_FIRST + REASON_FLOW_SPLIT] += split;
}

static void take(struct analyst *analyst, const struct producer *producer)
{
    const struct sighting *sighting = producer->head;

    switch ((enum sighting_kind)sighting->kind) {
    case SIGHTING_COUNTS:
        add_counts(analyst, (const struct counts_sighting *)(const void *)sighting);
        return;
    case SIGHTING_MARK:
        take_mark(analyst, (const struct mark_sighting *)(const void *)sighting);
        return;
    case SIGHTING_END:
        take_end(analyst);
        return;
    case SIGHTING_ALIVE:
        state_see(analyst->state, sighting, false);
        return;
    case SIGHTING_SIP:
    case SIGHTING_STREAM:
    case SIGHTING_RTCP:
    case SIGHTING_FLOW:
    case SIGHTING_PROOF:
    case SIGHTING_REFUSED:
    case SIGHTING_ANSWERED:
        break;
    }
    if (!analyst->taken_up) {
        take_up(analyst, sighting->state_ns);
    }
    analyst->seen++;
    if (analyst->options.live && analyst->options.producer_count > 1 &&
        sighting->kind != SIGHTING_REFUSED) { /* ICMP comes by a way of its own */
        see_ring(analyst, producer);
    }
    if (sighting->state_ns > analyst->now_ns) {
        analyst->now_ns = sighting->state_ns;
    }
    bool forced = false;
    if (sighting->kind == SIGHTING_STREAM) {
        const struct stream_sighting *stream = (const void *)sighting;
        forced = stream->event >= STREAM_ENDED && stream->end_reason == STREAM_END_CAPTURE;
    } else if (sighting->kind == SIGHTING_FLOW) {
        const struct flow_sighting *flow = (const void *)sighting;
        forced = flow->end_reason == STREAM_END_CAPTURE;
    }
    state_see(analyst->state, sighting, forced);
}

/* --- the merge --- */

static void look(struct producer *producer)
{
    if (producer->head == NULL) {
        /* the position first: all that was below it is then in the ring that is read after it */
        producer->position = ring_position(producer->ring);
        producer->head = ring_peek(producer->ring, &producer->bytes);
    }
}

static bool comes_before(const struct sighting *one, const struct sighting *other)
{
    return one->key != other->key ? one->key < other->key : one->sub < other->sub;
}

/* The producer whose head may be taken now, or NULL. */
static struct producer *eligible(struct analyst *analyst)
{
    struct producer *best = NULL;
    uint64_t lowest = UINT64_MAX; /* position of the rings without a head */
    for (uint32_t i = 0; i < analyst->options.producer_count; i++) {
        struct producer *producer = &analyst->producers[i];
        look(producer);
        if (producer->head == NULL) {
            if (producer->position < lowest) {
                lowest = producer->position;
            }
        } else if (best == NULL || comes_before(producer->head, best->head)) {
            best = producer;
        }
    }
    return best != NULL && (best->head->key < lowest || lowest == UINT64_MAX) ? best : NULL;
}

/* What the analyst is done with: blocks and kept bytes up to there are free again. `took`:
 * sightings were taken, which a worker may wait for that tells more at one mark than it has room
 * for. */
static void tell_position(struct analyst *analyst, bool took)
{
    uint64_t lowest = UINT64_MAX;
    for (uint32_t i = 0; i < analyst->options.producer_count; i++) {
        struct producer *producer = &analyst->producers[i];
        look(producer); /* a position counts only where nothing is left to read */
        uint64_t key = producer->head != NULL ? producer->head->key : producer->position;
        if (key < lowest) {
            lowest = key;
        }
    }
    struct run_shared *shared = analyst->options.shared;
    uint64_t done = lowest == UINT64_MAX ? UINT64_MAX : (lowest >> 1) == 0 ? 0 : (lowest >> 1) - 1;
    bool passed = done > atomic_load_explicit(&shared->analyst_done, memory_order_relaxed);
    if (passed) {
        atomic_store_explicit(&shared->analyst_done, done, memory_order_release);
    }
    if ((!passed && !took) || analyst->options.drain_records != NULL) {
        return;
    }
    if (passed) {
        run_tell_reader(shared, done);
    }
    if (atomic_fetch_or_explicit(&shared->position_waiters, 0, memory_order_acq_rel) > 0) {
        bell_ring(&shared->dealer_bell);
        for (uint32_t i = 0; i < analyst->options.producer_count && i < RUN_WORKERS_MAX; i++) {
            bell_ring(&shared->worker_bells[i]);
        }
    }
}

/* Where few lie ahead, some miss a step: it helps, no more. */
static void look_at(struct analyst *analyst, const struct producer *producer, uint64_t ahead,
                    enum state_step step)
{
    uint64_t at = producer->count + ahead;

    if (at < producer->seen) {
        state_prefetch(analyst->state, producer->coming[at % AHEAD], step);
    }
}

/* Of the sighting behind the one that is looked at: its head and its keys. */
static void prefetch_head(const uint8_t *at)
{
    for (size_t line = 0; line < sizeof(struct sighting) + sizeof(struct sip_keys);
         line += LINE_BYTES) {
        __builtin_prefetch(at + line);
    }
}

static void look_ahead(struct analyst *analyst, struct producer *producer)
{
    while (producer->seen <= producer->count + FAR_AHEAD &&
           producer->seen_bytes < producer->bytes) {
        const struct sighting *coming =
            (const void *)((const uint8_t *)producer->head + producer->seen_bytes);
        state_prefetch(analyst->state, coming, STATE_FAR);
        producer->coming[producer->seen % AHEAD] = coming;
        producer->seen++;
        producer->seen_bytes += coming->bytes;
        prefetch_head((const uint8_t *)coming + coming->bytes);
    }
    look_at(analyst, producer, NEAR_AHEAD, STATE_NEAR);
    look_at(analyst, producer, NEXT_AHEAD, STATE_NEXT);
}

/* Gives back what was taken. Seldom: room and position are lines that other threads look at. */
static void give_back(struct producer *producer)
{
    if (producer->taken > 0) {
        ring_advance(producer->ring, producer->taken);
        ring_release(producer->ring);
        producer->taken = 0;
    }
}

static void go_on(struct analyst *analyst, struct producer *producer)
{
    size_t bytes = producer->head->bytes;

    producer->count++;
    producer->seen_bytes -= bytes;
    producer->taken += bytes;
    producer->bytes -= bytes;
    producer->head =
        producer->bytes == 0 ? NULL : (const void *)((const uint8_t *)producer->head + bytes);
    bool much = producer->taken >= RUN_SIGHTING_RING_BYTES / 4;
    if (producer->head == NULL || much) {
        give_back(producer);
    }
    if (much) {
        tell_position(analyst, true);
    }
}

bool analyst_drain(struct analyst *analyst)
{
    struct producer *producer;
    bool took = false;
    while (!analyst->finished && (producer = eligible(analyst)) != NULL) {
        took = true;
        look_ahead(analyst, producer); /* at least beyond the head */
        take(analyst, producer);
        go_on(analyst, producer);
    }
    for (uint32_t i = 0; i < analyst->options.producer_count; i++) {
        give_back(&analyst->producers[i]);
    }
    tell_position(analyst, took);
    return analyst->finished;
}

void analyst_run(struct analyst *analyst)
{
    struct run_shared *shared = analyst->options.shared;
    for (;;) {
        uint32_t heard = bell_listen(&shared->analyst_bell);
        if (analyst_drain(analyst) || atomic_load_explicit(&shared->failed, memory_order_relaxed)) {
            break;
        }
        ring_publish(analyst->options.records, false);
        bell_wait(&shared->analyst_bell, heard, NS_PER_S / 10);
    }
    ring_set_position(analyst->options.records, UINT64_MAX);
    ring_publish(analyst->options.records, true);
}
