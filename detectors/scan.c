/* scan.c - one source looks for SIP services on several of our addresses or ports.
 *
 *      lane   handle of the cell | walk, times ... | the target of who has asked one only
 *      cell   targets[40]  {address and port, hashed | last and first asked | answered, failed ...}
 *
 * Nearly every source of a flood asks one target: it needs no cell, which is taken at the second.
 *
 * Exact and sliding: the last 40 targets with the time of the last question each; how many lie
 * within a window is counted when a target is new to it. Four thresholds: three windows, and a
 * random walk over first contacts (Jung, Paxson, Berger, Balakrishnan, IEEE S&P 2004: with honest
 * 0.8, hostile 0.2, errors 1 % the walk needs 4 more failed first contacts than answered ones),
 * which finds who asks one dark address an hour.
 *
 * Honest sources ask many targets too. A monitor or load balancer asks servers that answer, and
 * comes back: while four of five targets have answered the incident stays at severity 1; it rises
 * when they stop answering, or when the source goes on to new targets for ten minutes and never
 * comes back. A proxy that calls phones of which some are switched off is a server itself: silence
 * of most of them is needed to name it.
 *
 * Who asks an address that was never in use looks for something: addresses in the networks that the
 * operator calls dark count three times, and each is a failed first contact at once. One that
 * answers after all is not dark.
 *
 * Limits: what is dark is only known from the option. An address that was silent so far may be one
 * that the capture has not come to yet; learning it would make every first minute a scan. TCP
 * connections that are refused are not heard of. */
#include "detectors/frame/limit.h"
#include "detectors/frame/remembered.h"

enum { TARGETS_MAX = 40, WALK_LIMIT = 4, DARK_WEIGHT = 3 };
enum { ANSWERED = 1, FAILED = 2, AGAIN = 4, ASKED = 8, DARK = 16, SERVER = 32 };
#define SETTLE_MS 1000U /* an answer that takes longer is missing */
#define ROUND_MS (10U * 60U * 1000U) /* a monitor is back by then */

struct conf {
    uint64_t targets;
    uint64_t window_ns;
    uint64_t targets_hour;
    uint64_t targets_day;
    uint64_t sources;
    struct option_networks dark;
};

/* clang-format off */
static const struct option options[] = {
    OPTION("targets", COUNT, conf, targets, "2", "8", "40", "endpoints asked within the window that make a scan"),
    OPTION("window", DURATION_NS, conf, window_ns, "1s", "60s", "1h", "length of the fast window"),
    OPTION("targets_hour", COUNT, conf, targets_hour, "2", "12", "40", "endpoints asked within an hour that make a scan"),
    OPTION("targets_day", COUNT, conf, targets_day, "2", "20", "40", "endpoints asked within a day that make a scan"),
    OPTION("dark", NETWORKS, conf, dark, NULL, "", NULL, "networks of ours that nobody uses: an endpoint in them counts three times"),
    OPTION_TABLE_SIZE("sources", COUNT, conf, sources, "64", "65536", "1M", "sources of which more than one target is remembered"),
    {.kind = OPTION_END},
};
/* clang-format on */

struct target {
    struct remembered is;
    uint32_t flags;
};

struct lane {
    uint32_t handle; /* 0: all that there is is `only` */
    uint32_t used; /* targets */
    uint64_t last_ns;
    uint32_t walk; /* failed first contacts minus answered ones, never below 0 */
    uint16_t darks; /* dark targets that were ever among them, saturating */
    uint8_t raised; /* severity that was raised in this life of the lane */
    struct target only;
};
static_assert(sizeof(struct lane) <= DETECTOR_LANE_BYTES, "it must fit into a lane");

struct cell {
    struct target targets[TARGETS_MAX];
};

/* Who asks, wherever his targets are. */
struct source {
    struct lane *lane;
    struct target *targets;
};

/* What lies within one window. */
struct tally {
    uint32_t targets;
    uint32_t weight; /* the same, dark ones thrice */
    uint32_t dark;
    uint32_t answered;
    uint32_t silent; /* no answer, and time enough for one */
    uint32_t servers; /* no answer to him, but there is a server: for his other ports, too */
    uint32_t again;
    uint32_t oldest_ms; /* age of the first question to any of them */
};

static bool scan_heeds(const struct fact *fact)
{
    if (fact->kind == FACT_TRANSACTION) {
        return fact->is.transaction.status == 0 && !fact->forced && !fact->is.transaction.one_way;
    }
    const struct fact_message *message = &fact->is.message;
    if (message->is_response) {
        return true;
    }
    return !message->in_dialog && !message->is_retransmission &&
           message->method != FACT_METHOD_ACK && message->method != FACT_METHOD_CANCEL &&
           message->server.side != FACT_FOREIGN &&
           !addr_is_multicast(&message->server.endpoint.addr) &&
           !addr_is_broadcast(&message->server.endpoint.addr);
}

static const struct fact_party *client_of(const struct fact *fact)
{
    return fact->kind == FACT_MESSAGE ? &fact->is.message.client : &fact->is.transaction.client;
}

static const struct fact_party *server_of(const struct fact *fact)
{
    return fact->kind == FACT_MESSAGE ? &fact->is.message.server : &fact->is.transaction.server;
}

static struct target *find(const struct source *source, uint32_t hash)
{
    return remembered_find(source->targets, source->lane->used, sizeof source->targets[0], hash);
}

static struct tally tally_of(const struct source *source, uint32_t now_ms, uint64_t window_ns)
{
    struct tally tally = {0};

    for (uint32_t i = 0; i < source->lane->used; i++) {
        const struct target *target = &source->targets[i];
        uint32_t age_ms = remembered_age_ms(&target->is, now_ms);
        if (!remembered_within(&target->is, now_ms, window_ns, NS_PER_DAY)) {
            continue;
        }
        tally.targets++;
        tally.dark += (target->flags & DARK) != 0;
        if ((target->flags & ANSWERED) != 0) {
            tally.answered++;
        } else if ((target->flags & SERVER) != 0) {
            tally.servers++;
        } else if ((target->flags & FAILED) != 0 || age_ms >= SETTLE_MS) {
            tally.silent++;
        }
        tally.again += (target->flags & AGAIN) != 0;
        tally.oldest_ms = remembered_older(age_ms, tally.oldest_ms);
    }
    tally.weight = tally.targets + tally.dark * (DARK_WEIGHT - 1);
    return tally;
}

/* 0 = honest enough to say nothing. */
static uint8_t severity_of(const struct tally *tally, const struct fact_party *client)
{
    if (client->is_server) {
        return tally->silent * 5 > tally->targets * 4 ? 2 : 0;
    }
    if (tally->silent * 5 > tally->targets) {
        return 2;
    }
    bool wanders = tally->oldest_ms >= ROUND_MS && tally->again * 2 < tally->targets;
    return wanders ? 2 : 1;
}

static void say(struct detector_context *context, const struct fact *fact, struct lane *lane,
                const struct tally *tally, struct finding *finding)
{
    char buffer[192];
    struct text detail = text_into(buffer, sizeof buffer);

    confidence_start(&finding->confidence, 40, "condition met");
    confidence_source(&finding->confidence, client_of(fact));
    if (detector_recent(context, "scanner-fingerprint", fact, NS_PER_DAY)) {
        confidence_add(&finding->confidence, 15, "bears the marks of a tool");
    }
    if (tally->silent * 2 > tally->targets) {
        confidence_add(&finding->confidence, 15, "most targets do not answer");
    } else if ((tally->answered + tally->servers) * 2 > tally->targets) {
        confidence_add(&finding->confidence, -20, "the targets answer, as a monitor's do");
    }
    confidence_margin(&finding->confidence, finding->observed, finding->threshold);
    text_format(&detail, "asked %" PRIu32 " SIP endpoints (%" PRIu32 " answered", tally->targets,
                tally->answered);
    if (tally->dark > 0) {
        text_format(&detail, ", %" PRIu32 " dark that count %d times each", tally->dark,
                    DARK_WEIGHT);
    }
    text_string(&detail, "), the last one ");
    text_endpoint(&detail, &server_of(fact)->endpoint);
    finding->stage = 1;
    finding->proven_needed = true;
    finding->detail = text_slice(&detail);
    lane->raised = finding->severity > lane->raised ? finding->severity : lane->raised;
    detector_raise(context, finding);
}

/* True when a window is over its threshold, whether or not it was told. `only_rise`: nothing new
 * happened, so only a higher severity is worth a word. */
static bool judge_windows(struct detector_context *context, const struct fact *fact,
                          const struct source *source, const struct conf *conf, bool only_rise)
{
    const struct limit limits[LIMITS] = {{conf->window_ns, conf->targets},
                                         {NS_PER_HOUR, conf->targets_hour},
                                         {NS_PER_DAY, conf->targets_day}};
    uint32_t now_ms = remembered_ms(fact->time_ns);

    for (size_t i = 0; i < LIMITS; i++) {
        struct tally tally = tally_of(source, now_ms, limits[i].window_ns);
        if (tally.weight < limits[i].threshold) {
            continue;
        }
        uint8_t severity = severity_of(&tally, client_of(fact));
        if (severity == 0 || (only_rise && severity <= source->lane->raised)) {
            return true;
        }
        struct finding finding = {.severity = severity, .only_rise = only_rise};
        limit_tell(&limits[i], tally.weight, tally.oldest_ms, "targets", &finding);
        finding.count = tally.targets;
        say(context, fact, source->lane, &tally, &finding);
        return true;
    }
    return false;
}

static void judge_walk(struct detector_context *context, const struct fact *fact,
                       const struct source *source)
{
    uint32_t now_ms = remembered_ms(fact->time_ns);
    struct tally tally = tally_of(source, now_ms, NS_PER_DAY);

    if (source->lane->walk < WALK_LIMIT || client_of(fact)->is_server ||
        tally.silent < WALK_LIMIT || severity_of(&tally, client_of(fact)) < 2) {
        return;
    }
    struct finding finding = {.severity = 2,
                              .count = tally.targets,
                              .observed = tally.silent,
                              .threshold = WALK_LIMIT,
                              .span_ns = tally.oldest_ms * NS_PER_MS,
                              .unit = "first contacts without an answer"};
    say(context, fact, source->lane, &tally, &finding);
}

static void on_answer(const struct source *source, uint32_t hash)
{
    struct target *target = find(source, hash);

    if (target != NULL && (target->flags & ANSWERED) == 0) {
        bool dark = (target->flags & DARK) != 0;
        target->flags = (target->flags & ~(uint32_t)DARK) | ANSWERED;
        source->lane->walk -= source->lane->walk > 0 && (target->flags & SERVER) == 0 &&
                              (dark || (target->flags & FAILED) == 0);
    }
}

/* An answer to who asked nobody else: nearly everybody, and nothing is left to note. */
static bool is_settled(const struct source *source, const struct fact *fact)
{
    return fact->kind == FACT_MESSAGE && fact->is.message.is_response &&
           (source->lane->used == 0 ||
            (source->lane->used == 1 && (source->targets[0].flags & ANSWERED) != 0));
}

static void on_silence(struct detector_context *context, const struct source *source,
                       const struct conf *conf, const struct fact *fact, uint32_t hash)
{
    struct target *target = find(source, hash);

    if (target == NULL || (target->flags & (ANSWERED | FAILED | SERVER)) != 0) {
        return;
    }
    target->flags |= FAILED;
    source->lane->walk++;
    if (!judge_windows(context, fact, source, conf, true)) {
        judge_walk(context, fact, source);
    }
}

/* Somebody is at home there, or nobody ever was. */
static void begin_target(struct lane *lane, struct target *target, const struct conf *conf,
                         const struct fact_party *server)
{
    if (server->is_server) {
        target->flags |= SERVER; /* that we know: nobody strays there */
    } else if (option_networks_have(&conf->dark, &server->endpoint.addr)) {
        target->flags |= DARK | FAILED;
        lane->darks = lane->darks < UINT16_MAX ? (uint16_t)(lane->darks + 1) : lane->darks;
        lane->walk++;
    }
}

/* A source of few targets is never judged. */
static bool may_be_over(const struct lane *lane, const struct conf *conf)
{
    uint64_t most = lane->used + (uint64_t)lane->darks * (DARK_WEIGHT - 1);

    return most >= conf->targets || most >= conf->targets_hour || most >= conf->targets_day;
}

/* Room for one more target; the second moves the first into a cell. NULL: there is none. */
static struct target *place(struct detector_context *context, struct source *source,
                            uint32_t now_ms)
{
    struct lane *lane = source->lane;

    if (lane->used == 1 && lane->handle == 0) {
        struct cell *cell = detector_cell(context, lane);
        if (cell == NULL) {
            return NULL;
        }
        cell->targets[0] = lane->only;
        source->targets = cell->targets;
    }
    return remembered_place(source->targets, &lane->used, TARGETS_MAX, sizeof(struct target),
                            now_ms);
}

static void on_question(struct detector_context *context, struct source *source,
                        const struct conf *conf, const struct fact *fact, uint32_t hash)
{
    uint32_t now_ms = remembered_ms(fact->time_ns);
    struct target *target = find(source, hash);
    bool fresh = target == NULL || now_ms - target->is.last_ms >= conf->window_ns / NS_PER_MS;

    if (target == NULL) {
        target = place(context, source, now_ms);
        if (target == NULL) {
            return;
        }
        *target = (struct target){.is = {.hash = hash, .first_ms = now_ms}, .flags = ASKED};
        begin_target(source->lane, target, conf, &fact->is.message.server);
    } else if (remembered_age_ms(&target->is, now_ms) >= SETTLE_MS) {
        target->flags |= AGAIN;
    }
    target->is.last_ms = now_ms;
    /* A known target adds nothing but, perhaps, missing answers. */
    bool over = may_be_over(source->lane, conf) && (fresh || source->lane->raised == 1) &&
                judge_windows(context, fact, source, conf, !fresh);
    if (!over && fresh && (target->flags & DARK) != 0) {
        judge_walk(context, fact, source);
    }
}

static void scan_on_fact(struct detector_context *context, void *lane_at, void *memory,
                         const void *configuration, const struct fact *fact)
{
    const struct conf *conf = configuration;
    struct lane *lane = lane_at;
    struct cell *cell = memory;
    struct source source = {lane, cell == NULL ? &lane->only : cell->targets};

    if (time_since(fact->time_ns, lane->last_ns) > NS_PER_DAY) {
        /* before milliseconds could wrap */
        *lane = (struct lane){.handle = lane->handle};
    }
    lane->last_ns = fact->time_ns;
    if (is_settled(&source, fact)) {
        return;
    }
    uint32_t hash = (uint32_t)hash_endpoint(detector_hash_key(context), &server_of(fact)->endpoint);
    if (fact->kind == FACT_TRANSACTION) {
        on_silence(context, &source, conf, fact, hash);
    } else if (fact->is.message.is_response) {
        on_answer(&source, hash);
    } else {
        on_question(context, &source, conf, fact, hash);
    }
}

static bool scan_take_up(void *memory, void *cell)
{
    const struct lane *lane = memory;

    return lane->used <= (cell == NULL ? 1 : TARGETS_MAX);
}

const struct detector detector_scan = {
    .slug = "scan",
    .title = "search for SIP services on many endpoints",
    .category = "reconnaissance",
    .sees = "one source that asks many of our addresses or ports for SIP, fast or over a day",
    .blind = "scans that send no SIP (bare TCP connections), sources that share the work, and one "
             "question a day",
    .false_alarms = "monitors and load balancers on their first round; they stay at severity 1 as "
                    "long as their targets "
                    "answer",
    .advice = "Block the address at the edge and check that the endpoints that answered are meant "
              "to be reachable.",
    .example =
        "A source that claims to be 203.0.113.50 asked 8 SIP endpoints (0 answered), the last "
        "one 192.0.2.8:5060 (in 14.007 s; limit 8 targets in 1 min). Block the address at the "
        "edge and check that the endpoints that answered are meant to be reachable.",
    .tactic = {"TA0043", "Reconnaissance"},
    .attack = {"T1595.001", "T1046"},
    .severity = 2,
    .stage = 1,
    .key = KEY_SOURCE,
    .wants = FACT_BIT(MESSAGE) | FACT_BIT(TRANSACTION),
    .transaction_ends = 1 << FACT_TRANSACTION_SILENT,
    .message_steps = 1 << FACT_MESSAGE_ASKS | 1 << FACT_MESSAGE_ANSWERS,
    .lane_bytes = sizeof(struct lane),
    .conf_bytes = sizeof(struct conf),
    .slab_bytes = sizeof(struct cell),
    .slab_option = "sources",
    .slab_on_demand = true,
    .options = options,
    .kept = 1,
    .take_up = scan_take_up,
    .heeds = scan_heeds,
    .on_fact = scan_on_fact,
};
