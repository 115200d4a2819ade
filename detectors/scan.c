/* scan.c - one source looks for SIP services on several of our addresses or ports.
 *
 *      cell   targets[40]  {address and port, hashed | last and first asked | answered, failed ...}
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
enum { ANSWERED = 1, FAILED = 2, AGAIN = 4, ASKED = 8, DARK = 16 };
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
    OPTION_TABLE_SIZE("sources", COUNT, conf, sources, "64", "65536", "1M", "sources whose targets are remembered"),
    {.kind = OPTION_END},
};
/* clang-format on */

struct lane {
    uint32_t handle;
};

struct target {
    struct remembered is;
    uint32_t flags;
};

struct cell {
    uint64_t last_ns;
    uint32_t used;
    uint32_t walk; /* failed first contacts minus answered ones, never below 0 */
    uint32_t raised; /* severity that was raised in this life of the cell */
    uint32_t darks; /* dark targets that were ever among them */
    struct target targets[TARGETS_MAX];
};

/* What lies within one window. */
struct tally {
    uint32_t targets;
    uint32_t weight; /* the same, dark ones thrice */
    uint32_t dark;
    uint32_t answered;
    uint32_t silent; /* no answer, and time enough for one */
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

static const struct fact_party *source_of(const struct fact *fact)
{
    return fact->kind == FACT_MESSAGE ? &fact->is.message.client : &fact->is.transaction.client;
}

static const struct fact_party *server_of(const struct fact *fact)
{
    return fact->kind == FACT_MESSAGE ? &fact->is.message.server : &fact->is.transaction.server;
}

static struct target *find(struct cell *cell, uint32_t hash)
{
    return remembered_find(cell->targets, cell->used, sizeof cell->targets[0], hash);
}

static struct tally tally_of(const struct cell *cell, uint32_t now_ms, uint64_t window_ns)
{
    struct tally tally = {0};

    for (uint32_t i = 0; i < cell->used; i++) {
        const struct target *target = &cell->targets[i];
        uint32_t age_ms = remembered_age_ms(&target->is, now_ms);
        if (!remembered_within(&target->is, now_ms, window_ns, NS_PER_DAY)) {
            continue;
        }
        tally.targets++;
        tally.dark += (target->flags & DARK) != 0;
        if ((target->flags & ANSWERED) != 0) {
            tally.answered++;
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
static uint8_t severity_of(const struct tally *tally, const struct fact_party *source)
{
    if (source->is_server) {
        return tally->silent * 5 > tally->targets * 4 ? 2 : 0;
    }
    if (tally->silent * 5 > tally->targets) {
        return 2;
    }
    bool wanders = tally->oldest_ms >= ROUND_MS && tally->again * 2 < tally->targets;
    return wanders ? 2 : 1;
}

static void say(struct detector_context *context, const struct fact *fact, struct cell *cell,
                const struct tally *tally, struct finding *finding)
{
    char buffer[192];
    struct text detail = text_into(buffer, sizeof buffer);

    confidence_start(&finding->confidence, 40, "condition met");
    confidence_source(&finding->confidence, source_of(fact));
    if (detector_recent(context, "scanner-fingerprint", fact, NS_PER_DAY)) {
        confidence_add(&finding->confidence, 15, "bears the marks of a tool");
    }
    if (tally->silent * 2 > tally->targets) {
        confidence_add(&finding->confidence, 15, "most targets do not answer");
    } else if (tally->answered * 2 > tally->targets) {
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
    cell->raised = finding->severity > cell->raised ? finding->severity : cell->raised;
    detector_raise(context, finding);
}

/* True when a window is over its threshold, whether or not it was told. `only_rise`: nothing new
 * happened, so only a higher severity is worth a word. */
static bool judge_windows(struct detector_context *context, const struct fact *fact,
                          struct cell *cell, const struct conf *conf, bool only_rise)
{
    const struct limit limits[LIMITS] = {{conf->window_ns, conf->targets},
                                         {NS_PER_HOUR, conf->targets_hour},
                                         {NS_PER_DAY, conf->targets_day}};
    uint32_t now_ms = remembered_ms(fact->time_ns);

    for (size_t i = 0; i < LIMITS; i++) {
        struct tally tally = tally_of(cell, now_ms, limits[i].window_ns);
        if (tally.weight < limits[i].threshold) {
            continue;
        }
        uint8_t severity = severity_of(&tally, source_of(fact));
        if (severity == 0 || (only_rise && severity <= cell->raised)) {
            return true;
        }
        struct finding finding = {.severity = severity, .only_rise = only_rise};
        limit_tell(&limits[i], tally.weight, tally.oldest_ms, "targets", &finding);
        finding.count = tally.targets;
        say(context, fact, cell, &tally, &finding);
        return true;
    }
    return false;
}

static void judge_walk(struct detector_context *context, const struct fact *fact, struct cell *cell)
{
    uint32_t now_ms = remembered_ms(fact->time_ns);
    struct tally tally = tally_of(cell, now_ms, NS_PER_DAY);

    if (cell->walk < WALK_LIMIT || source_of(fact)->is_server || tally.silent < WALK_LIMIT ||
        severity_of(&tally, source_of(fact)) < 2) {
        return;
    }
    struct finding finding = {.severity = 2,
                              .count = tally.targets,
                              .observed = tally.silent,
                              .threshold = WALK_LIMIT,
                              .span_ns = tally.oldest_ms * NS_PER_MS,
                              .unit = "first contacts without an answer"};
    say(context, fact, cell, &tally, &finding);
}

static void on_answer(struct cell *cell, uint32_t hash)
{
    struct target *target = find(cell, hash);

    if (target != NULL && (target->flags & ANSWERED) == 0) {
        bool dark = (target->flags & DARK) != 0;
        target->flags = (target->flags & ~(uint32_t)DARK) | ANSWERED;
        cell->walk -= cell->walk > 0 && (dark || (target->flags & FAILED) == 0);
    }
}

static void on_silence(struct detector_context *context, struct cell *cell, const struct conf *conf,
                       const struct fact *fact, uint32_t hash)
{
    struct target *target = find(cell, hash);

    if (target == NULL || (target->flags & (ANSWERED | FAILED)) != 0) {
        return;
    }
    target->flags |= FAILED;
    cell->walk++;
    if (!judge_windows(context, fact, cell, conf, true)) {
        judge_walk(context, fact, cell);
    }
}

/* Somebody is at home there, or nobody ever was. */
static void begin_target(struct cell *cell, struct target *target, const struct conf *conf,
                         const struct fact_party *server)
{
    if (server->is_server) {
        target->flags |= ANSWERED; /* a server that we know: it would answer */
    } else if (option_networks_have(&conf->dark, &server->endpoint.addr)) {
        target->flags |= DARK | FAILED;
        cell->darks++;
        cell->walk++;
    }
}

/* A source of few targets is never judged. */
static bool may_be_over(const struct cell *cell, const struct conf *conf)
{
    uint64_t most = cell->used + (uint64_t)cell->darks * (DARK_WEIGHT - 1);

    return most >= conf->targets || most >= conf->targets_hour || most >= conf->targets_day;
}

static void on_question(struct detector_context *context, struct cell *cell,
                        const struct conf *conf, const struct fact *fact, uint32_t hash)
{
    uint32_t now_ms = remembered_ms(fact->time_ns);
    struct target *target = find(cell, hash);
    bool fresh = target == NULL || now_ms - target->is.last_ms >= conf->window_ns / NS_PER_MS;

    if (target == NULL) {
        target = remembered_place(cell->targets, &cell->used, TARGETS_MAX, sizeof *target, now_ms);
        *target = (struct target){.is = {.hash = hash, .first_ms = now_ms}, .flags = ASKED};
        begin_target(cell, target, conf, &fact->is.message.server);
    } else if (remembered_age_ms(&target->is, now_ms) >= SETTLE_MS) {
        target->flags |= AGAIN;
    }
    target->is.last_ms = now_ms;
    /* A known target adds nothing but, perhaps, missing answers. */
    bool over = may_be_over(cell, conf) && (fresh || cell->raised == 1) &&
                judge_windows(context, fact, cell, conf, !fresh);
    if (!over && fresh && (target->flags & DARK) != 0) {
        judge_walk(context, fact, cell);
    }
}

static void scan_on_fact(struct detector_context *context, void *lane, void *memory,
                         const void *configuration, const struct fact *fact)
{
    const struct conf *conf = configuration;
    struct cell *cell = memory;
    const struct endpoint *server = fact->kind == FACT_MESSAGE
                                        ? &fact->is.message.server.endpoint
                                        : &fact->is.transaction.server.endpoint;
    (void)lane;

    if (cell == NULL) {
        return;
    }
    if (time_since(fact->time_ns, cell->last_ns) > NS_PER_DAY) {
        *cell = (struct cell){.used = 0}; /* before milliseconds could wrap */
    }
    cell->last_ns = fact->time_ns;
    uint32_t hash = (uint32_t)hash_endpoint(detector_hash_key(context), server);
    if (fact->kind == FACT_TRANSACTION) {
        on_silence(context, cell, conf, fact, hash);
    } else if (fact->is.message.is_response) {
        on_answer(cell, hash);
    } else {
        on_question(context, cell, conf, fact, hash);
    }
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
    .tactic = {"TA0043", "Reconnaissance"},
    .attack = {"T1595.001", "T1046"},
    .severity = 2,
    .stage = 1,
    .key = KEY_SOURCE,
    .wants = FACT_BIT(MESSAGE) | FACT_BIT(TRANSACTION),
    .lane_bytes = sizeof(struct lane),
    .conf_bytes = sizeof(struct conf),
    .slab_bytes = sizeof(struct cell),
    .slab_option = "sources",
    .options = options,
    .heeds = scan_heeds,
    .on_fact = scan_on_fact,
};
