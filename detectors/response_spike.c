/* response_spike.c - a server whose answers go bad.
 *
 *      lane   answers of this minute, until they are worth a cell
 *      cell   totals[3]   final answers of a minute to INVITE, to REGISTER, to the others
 *             rows[8]     one for each (group, code): how many in a minute, who with whom
 *             lost        calls that failed here and nowhere succeeded
 *             usual[3][2] hour-of-week baselines of the failing share, by group and class
 *
 * What an error is. The called party's doing is none: 480, 486, 487, 600, 603; nor is a redirect, a
 * first challenge, an old nonce, a wrong password (other rules have it), nor what is asked again at
 * once. 404, 484 and the like are a class of their own: numbers that nobody has, severity 2 at most.
 * All others are the service's: 4xx that refuse, 5xx, 6xx, and no answer while others get one.
 *
 * Who answered. A refusal counts at the server that said it. A proxy that passed it on has only one
 * more answer: the hop behind it is a fact of its own.
 *
 * Whose requests count. Sources without any past success are left out whole: a scanner's 404 and
 * 403 say nothing about the service, nor does a flood in the names of our accounts. And one caller
 * with one callee is no spike (a monitor's test call that always gets 603, a wrong speed dial): a
 * code counts once three different pairs met it.
 *
 * Severity 3 is for what users feel: a fifth of the calls lost, that is failed by the service's
 * error and not taken by another route within ten seconds (state keeps the pairs), or 30 % of the
 * registrations answered with 5xx. So a trunk whose calls go over the other one stays 2 (H8). */
#include "base/window.h"
#include "detectors/frame/key.h"
#include "detectors/frame/method.h"
#include "detectors/frame/usual.h"

enum {
    GROUPS = 3, /* of methods */
    CLASSES = 2,
    ROWS = 8,
    PAIRS = 3,
    PHRASE_BYTES = 30,
    MAD_TIMES = 6,
    USUAL_TIMES = 2,
    EVENTS_SMALL = 8,
    SHARE_SMALL_PPM = 500000,
    SHARE_MIN_PPM = 50000, /* below, no history makes it a spike */
    SHARE_LOST_PPM = 200000,
    SHARE_5XX_PPM = 300000,
    CELL_ANSWERS = 8, /* in a minute, or CELL_ERRORS: then a server is worth a cell */
    CELL_ERRORS = 2,
    MILLION = 1000000,
};
#define WINDOW_NS NS_PER_MINUTE

enum group { GROUP_CALLS, GROUP_REGISTRATIONS, GROUP_OTHERS };
enum class { CLASS_SERVICE, CLASS_NOBODY, CLASS_NONE };

struct conf {
    uint64_t events;
    uint64_t share_ppm;
    uint64_t servers;
};

/* clang-format off */
static const struct option options[] = {
    OPTION("events", COUNT, conf, events, "8", "20", "100000", "errors within a minute; 8 are enough where they are half of the answers"),
    OPTION("share", PPM, conf, share_ppm, "1%", "20%", "100%", "share of errors where nothing is known of this hour of the week"),
    OPTION_TABLE_SIZE("servers", COUNT, conf, servers, "16", "256", "16384", "servers whose answers are counted"),
    {.kind = OPTION_END},
};
/* clang-format on */

struct lane {
    uint32_t handle;
    uint32_t minute;
    uint32_t pair; /* of the error that came before the cell: who with whom, and what */
    uint16_t code;
    uint16_t answers;
    uint8_t group;
    uint8_t errors;
};

struct row {
    struct window count;
    uint32_t pair[PAIRS]; /* hashes of account and target that met it lately */
    uint32_t pair_s[PAIRS]; /* when */
    uint16_t code; /* 0 = no answer */
    uint8_t group;
    bool used;
    uint16_t q850; /* of the last answer that named one */
    char phrase[PHRASE_BYTES];
};

struct cell {
    struct window totals[GROUPS];
    struct window lost;
    struct row rows[ROWS];
    struct baseline usual[GROUPS][CLASSES];
    uint32_t minute;
};

static enum group group_of(uint8_t method)
{
    return method == FACT_METHOD_INVITE     ? GROUP_CALLS
           : method == FACT_METHOD_REGISTER ? GROUP_REGISTRATIONS
                                            : GROUP_OTHERS;
}

static const char *group_name(enum group group)
{
    return group == GROUP_CALLS ? "INVITE" : group == GROUP_REGISTRATIONS ? "REGISTER" : "requests";
}

static enum class class_of(uint16_t status) {
    switch (status){
        case 404 : case 410 : case 484 : case 485 : case 604 : return CLASS_NOBODY;
        case 412 : case 422 : case 423 : case 480 : case 481 : case 486 : case 487 : case 491 :
            case 600 : case 603 : case 607 : case 608 : return CLASS_NONE;
        default : return status == 0 || status >= 400 ? CLASS_SERVICE : CLASS_NONE;
    }
}

static bool response_spike_heeds(const struct fact *fact)
{
    if (fact->kind == FACT_SERVER) {
        return fact->is.server.calls_lost > 0;
    }
    const struct fact_transaction *asked = &fact->is.transaction;
    return !fact->forced && method_asks(asked->method) && !asked->challenged && !asked->stale &&
           !asked->auth_failure && (asked->status != 0 || (asked->timeout && !asked->one_way)) &&
           (asked->client.is_server || asked->client.good_accounts > 0 ||
            (asked->account_known && asked->client.proven));
}

/* --- counting --- */

static struct row *row_of(struct cell *cell, enum group group, uint16_t code, uint64_t now_ns)
{
    struct row *least = cell->rows;
    uint32_t least_count = UINT32_MAX;

    for (unsigned i = 0; i < ROWS; i++) {
        struct row *row = &cell->rows[i];
        if (row->used && row->code == code && row->group == group) {
            return row;
        }
        uint32_t count = row->used ? window_sum(&row->count, now_ns, WINDOW_NS) : 0;
        if (count < least_count) {
            least = row;
            least_count = count;
        }
    }
    *least = (struct row){.code = code, .group = (uint8_t)group, .used = true};
    return least;
}

static void keep_pair(struct row *row, uint32_t pair, uint32_t now_s)
{
    unsigned oldest = 0;

    for (unsigned i = 0; i < PAIRS; i++) {
        if (row->pair_s[i] != 0 && row->pair[i] == pair) {
            row->pair_s[i] = now_s;
            return;
        }
        if (row->pair_s[i] < row->pair_s[oldest]) {
            oldest = i;
        }
    }
    row->pair[oldest] = pair;
    row->pair_s[oldest] = now_s;
}

static bool has_pairs(const struct row *row, uint32_t now_s)
{
    for (unsigned i = 0; i < PAIRS; i++) {
        if (row->pair_s[i] == 0 || now_s - row->pair_s[i] > WINDOW_NS / NS_PER_S) {
            return false;
        }
    }
    return true;
}

/* Who may not call somewhere may not call elsewhere either: of a client that is no server, 403 is
 * about the caller alone. */
static uint32_t pair_of(struct detector_context *context, const struct fact_transaction *asked)
{
    struct hash_key key = detector_hash_key(context);
    bool caller_alone = asked->status == 403 && !asked->client.is_server;

    return (uint32_t)hash_mix(hash_slice(key, asked->account),
                              caller_alone ? 0 : hash_slice(key, asked->target_user));
}

static struct row *add_error(struct cell *cell, enum group group, uint16_t code, uint32_t pair,
                             uint64_t now_ns)
{
    struct row *row = row_of(cell, group, code, now_ns);

    (void)window_add(&row->count, now_ns, WINDOW_NS, 1);
    keep_pair(row, pair, (uint32_t)time_second(now_ns));
    return row;
}

static void count_error(struct detector_context *context, struct cell *cell,
                        const struct fact *fact)
{
    const struct fact_transaction *asked = &fact->is.transaction;
    struct row *row = add_error(cell, group_of(asked->method), asked->status,
                                pair_of(context, asked), fact->time_ns);
    struct text phrase = text_into(row->phrase, sizeof row->phrase - 1);

    row->q850 = asked->q850 != 0 ? asked->q850 : row->q850;
    key_write_printable(&phrase, asked->reason);
    (void)text_terminate(&phrase);
}

/* --- judging --- */

struct tally {
    uint32_t errors; /* of the class in the group */
    uint32_t total;
    uint32_t answers_5xx;
    uint32_t lost;
    uint64_t share_ppm;
    const struct row *most; /* the most frequent of those that several met */
    uint32_t most_count;
};

static struct tally tally_of(const struct cell *cell, enum group group, enum class class,
                             uint64_t now_ns)
{
    struct tally tally = {.total = window_sum(&cell->totals[group], now_ns, WINDOW_NS),
                          .lost = window_sum(&cell->lost, now_ns, WINDOW_NS)};

    for (unsigned i = 0; i < ROWS; i++) {
        const struct row *row = &cell->rows[i];
        if (!row->used || row->group != group || class_of(row->code) != class ||
            !has_pairs(row, (uint32_t)time_second(now_ns))) {
            continue;
        }
        uint32_t count = window_sum(&row->count, now_ns, WINDOW_NS);
        tally.errors += count;
        tally.answers_5xx += row->code / 100 == 5 ? count : 0;
        if (count > tally.most_count) {
            tally.most = row;
            tally.most_count = count;
        }
    }
    tally.share_ppm = tally.total == 0 ? 0 : tally.errors * (uint64_t)MILLION / tally.total;
    return tally;
}

static uint64_t limit_of(const struct baseline_usual *usual, const struct conf *conf)
{
    if (!usual->known) {
        return conf->share_ppm;
    }
    uint64_t limit = baseline_limit(usual, MAD_TIMES);
    uint64_t twice = USUAL_TIMES * (uint64_t)usual->median;
    limit = limit > twice ? limit : twice;
    return limit > SHARE_MIN_PPM ? limit : SHARE_MIN_PPM;
}

static uint8_t severity_of(const struct tally *tally, enum group group)
{
    bool lost = group == GROUP_CALLS && tally->lost >= EVENTS_SMALL &&
                tally->lost * (uint64_t)MILLION >= (uint64_t)SHARE_LOST_PPM * tally->total;
    bool refused = group == GROUP_REGISTRATIONS &&
                   tally->answers_5xx * (uint64_t)MILLION >= (uint64_t)SHARE_5XX_PPM * tally->total;

    return lost || refused ? 3 : 2;
}

static void say(struct detector_context *context, const struct tally *tally, enum group group,
                enum class class, const struct conf *conf, const struct baseline_usual *usual,
                bool lost_only)
{
    char buffer[240];
    struct text detail = text_into(buffer, sizeof buffer);
    struct finding finding = {.severity = class == CLASS_NOBODY ? 2 : severity_of(tally, group),
                              .names_nobody = true,
                              .count = tally->errors,
                              .observed = tally->errors,
                              .threshold =
                                  tally->share_ppm >= SHARE_SMALL_PPM ? EVENTS_SMALL : conf->events,
                              .window_ns = WINDOW_NS,
                              .unit = "errors",
                              .only_rise = lost_only};

    confidence_start(&finding.confidence, 60, "condition met");
    confidence_add(&finding.confidence, 15, "its own answers say so");
    confidence_margin(&finding.confidence, finding.observed, finding.threshold);
    if (tally->most->code == 0) {
        text_string(&detail, "gave no answer to ");
    } else {
        text_format(&detail, "answered %u %s", (unsigned)tally->most->code, tally->most->phrase);
        if (tally->most->q850 != 0) {
            text_format(&detail, ", Q.850 cause %u,", (unsigned)tally->most->q850);
        }
        text_string(&detail, " to ");
    }
    text_format(&detail, "%" PRIu32 " of %" PRIu32 " %s; errors are %" PRIu64 " %% of all",
                tally->most_count, tally->total, group_name(group), tally->share_ppm / 10000);
    if (usual->known) {
        text_format(&detail, ", %" PRIu32 " %% are usual", usual->median / 10000);
    }
    if (group == GROUP_CALLS && class == CLASS_SERVICE) {
        text_format(&detail, "; %" PRIu32 " %s lost", tally->lost,
                    tally->lost == 1 ? "call was" : "calls were");
    }
    usual_tell(usual, &finding.confidence, &detail);
    finding.detail = text_slice(&detail);
    detector_raise(context, &finding);
}

static void judge(struct detector_context *context, struct cell *cell, enum group group,
                  enum class class, const struct conf *conf, const struct fact *fact)
{
    struct tally tally = tally_of(cell, group, class, fact->time_ns);
    struct baseline *baseline = &cell->usual[group][class];
    bool enough = tally.errors >= conf->events ||
                  (tally.errors >= EVENTS_SMALL && tally.share_ppm >= SHARE_SMALL_PPM);

    if (tally.most == NULL || !enough) {
        return;
    }
    struct baseline_usual usual = usual_of(baseline, fact);
    usual_learn(baseline, fact, (uint32_t)tally.share_ppm, SHARE_MIN_PPM);
    uint64_t limit = limit_of(&usual, conf);
    if (tally.share_ppm >= limit || tally.share_ppm >= MILLION) { /* above all there is no above */
        usual_taint(baseline, fact);
        say(context, &tally, group, class, conf, &usual, fact->kind == FACT_SERVER);
    }
}

/* Once a minute: silence is a figure too. */
static void learn_calm(struct cell *cell, const struct fact *fact)
{
    uint32_t minute = (uint32_t)(fact->time_ns / NS_PER_MINUTE);

    if (cell->minute == minute) {
        return;
    }
    cell->minute = minute;
    for (unsigned group = 0; group < GROUPS; group++) {
        for (unsigned class = 0; class < CLASSES; class ++) {
            usual_learn(&cell->usual[group][class], fact, 0, SHARE_MIN_PPM);
        }
    }
}

/* Before there is a cell: the answers of this minute, and one error. */
static void count_in_lane(struct detector_context *context, struct lane *lane,
                          const struct fact *fact, bool error)
{
    const struct fact_transaction *asked = &fact->is.transaction;
    uint32_t minute = (uint32_t)(fact->time_ns / NS_PER_MINUTE);

    if (lane->minute != minute) {
        lane->minute = minute;
        lane->answers = 0;
        lane->errors = 0;
    }
    lane->answers++;
    if (error) {
        lane->errors++;
        lane->code = asked->status;
        lane->group = (uint8_t)group_of(asked->method);
        lane->pair = pair_of(context, asked);
    }
}

/* Few servers are worth a cell: a phone that is called is a server too. What came before it is taken
 * over. */
static struct cell *take_cell(struct detector_context *context, struct lane *lane,
                              const struct fact *fact, bool error)
{
    if (lane->minute == (uint32_t)(fact->time_ns / NS_PER_MINUTE) &&
        (lane->answers >= CELL_ANSWERS - 1 || (error && lane->errors >= CELL_ERRORS - 1))) {
        struct cell *cell = detector_cell(context, lane);
        enum group group = group_of(fact->is.transaction.method);
        if (cell != NULL) {
            (void)window_add(&cell->totals[group], fact->time_ns, WINDOW_NS, lane->answers);
        }
        if (cell != NULL && lane->errors > 0) {
            (void)add_error(cell, (enum group)lane->group, lane->code, lane->pair, fact->time_ns);
        }
        return cell;
    }
    count_in_lane(context, lane, fact, error);
    return NULL;
}

static void response_spike_on_fact(struct detector_context *context, void *memory, void *slab,
                                   const void *conf, const struct fact *fact)
{
    struct lane *lane = memory;
    struct cell *cell = slab;

    if (fact->kind == FACT_SERVER) {
        if (cell != NULL) {
            (void)window_add(&cell->lost, fact->time_ns, WINDOW_NS, fact->is.server.calls_lost);
            judge(context, cell, GROUP_CALLS, CLASS_SERVICE, conf, fact);
        }
        return;
    }
    const struct fact_transaction *asked = &fact->is.transaction;
    enum class class = asked->passed_on ? CLASS_NONE : class_of(asked->status);
    enum group group = group_of(asked->method);
    if (cell == NULL) {
        cell = take_cell(context, lane, fact, class != CLASS_NONE);
    }
    if (cell == NULL) {
        return;
    }
    learn_calm(cell, fact);
    (void)window_add(&cell->totals[group], fact->time_ns, WINDOW_NS, 1);
    if (class != CLASS_NONE) {
        count_error(context, cell, fact);
        judge(context, cell, group, class, conf, fact);
    }
}

static bool response_spike_take_up(void *lane, void *memory)
{
    const struct cell *cell = memory;
    (void)lane;

    for (unsigned i = 0; cell != NULL && i < ROWS; i++) {
        if (memchr(cell->rows[i].phrase, '\0', PHRASE_BYTES) == NULL) {
            return false;
        }
    }
    return true;
}

const struct detector detector_response_spike = {
    .slug = "response-spike",
    .title = "server whose answers go bad",
    .category = "availability",
    .sees =
        "a share of error answers far above what is usual, who gave them, which code and cause, "
        "to what, and how many calls were lost by it",
    .blind = "requests of sources that never had success, errors that one caller alone meets, "
             "servers that answer fewer than eight errors a minute, and who stands behind a server "
             "that makes calls of its own of ours (B2BUA)",
    .false_alarms = "a number range that was taken out of service; a test of a load generator with "
                    "a registered account",
    .advice = "Look at the server that answers and at what it asks in turn: the code says where to "
              "begin. If calls are lost, route around it.",
    .example = "Server 192.0.2.10 answered 503 Service Unavailable to 14 of 14 INVITE; errors "
               "are 100 % of all; 8 calls were lost (no baseline yet) (limit 8 errors in 1 min). "
               "Look at the server that answers and at what it asks in turn: the code says where "
               "to begin. If calls are lost, route around it.",
    .severity = 2,
    .key = KEY_SERVER,
    .wants = FACT_BIT(TRANSACTION) | FACT_BIT(HOP) | FACT_BIT(SERVER),
    .transaction_ends = 1 << FACT_TRANSACTION_SILENT | 1 << FACT_TRANSACTION_ANSWERED,
    .lane_bytes = sizeof(struct lane),
    .conf_bytes = sizeof(struct conf),
    .slab_bytes = sizeof(struct cell),
    .slab_option = "servers",
    .slab_on_demand = true,
    .kept = 2,
    .take_up = response_spike_take_up,
    .options = options,
    .heeds = response_spike_heeds,
    .on_fact = response_spike_on_fact,
};
