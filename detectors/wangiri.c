/* wangiri.c - one-ring calls lure our users into calling back.
 *
 *      cell   numbers[32]  {called number, hashed | second}      last[4]  {caller | second}
 *             rings and answered calls of the block within a day
 *
 * Counted are calls that rang, were given up within some seconds, and came from outside; and how
 * many different numbers of ours they were made to. A machine that talks to people is another
 * matter: where one call in five of the block is answered it is a dialler.
 *
 * A call is counted when its caller gives up, and not five seconds later when its end is told. Where
 * only phones behind a proxy are heard, a call that goes on to the next phone looks like that too;
 * its end says so, and takes its number out again.
 *
 * A hunt group looks alike: ten phones ring for one caller, and all are cancelled when he hangs up
 * or one of them answers. But its legs begin together, and a person calls once at a time: of one
 * caller's calls that begin within the longest such ring only the first counts. */
#include "detectors/detector.h"
#include "detectors/frame/costly.h"

#include "base/window.h"

enum { NUMBERS = 32, LAST = 4, ANSWERED_ONE_IN = 5 };

struct conf {
    uint64_t numbers;
    uint64_t window_ns;
    uint64_t numbers_day;
    uint64_t ring_ns;
    uint64_t blocks;
};

/* clang-format off */
static const struct option options[] = {
    OPTION("numbers", COUNT, conf, numbers, "2", "10", "32", "own numbers rung once within the window that raise the alarm"),
    OPTION("window", DURATION_NS, conf, window_ns, "1m", "1h", "12h", "length of the window"),
    OPTION("numbers_day", COUNT, conf, numbers_day, "2", "20", "32", "own numbers rung once within a day"),
    OPTION("ring", DURATION_NS, conf, ring_ns, "1s", "8s", "30s", "a call that is cancelled sooner is a one-ring call"),
    OPTION_TABLE_SIZE("blocks", COUNT, conf, blocks, "16", "16384", "1M", "blocks with one-ring calls that are remembered"),
    {.kind = OPTION_END},
};
/* clang-format on */

struct lane {
    uint32_t handle;
};

struct seen {
    uint32_t name;
    uint32_t at_s; /* 0 = free */
};

struct cell {
    struct seen numbers[NUMBERS];
    struct seen last[LAST];
    struct window rings;
    struct window answered;
};

/* What was given up, and the end of what was answered or was given up too soon. */
static bool wangiri_heeds(const struct fact *fact)
{
    const struct fact_call *call = &fact->is.call;
    bool given_up = call->event == FACT_CALL_GIVEN_UP;
    bool ended = call->event == FACT_CALL_ENDED && (call->answered_ns != 0 || call->given_up);

    return (given_up || ended) && !fact->forced;
}

static uint32_t name_of(struct detector_context *context, const void *at, size_t bytes)
{
    uint32_t name = (uint32_t)hash_bytes(detector_hash_key(context), at, bytes);

    return name == 0 ? 1 : name;
}

/* The place of that name, else the one that was filled longest ago. */
static struct seen *place_of(struct seen *seen, unsigned count, uint32_t name)
{
    struct seen *oldest = &seen[0];

    for (unsigned i = 0; i < count; i++) {
        if (seen[i].at_s != 0 && seen[i].name == name) {
            return &seen[i];
        }
        if (seen[i].at_s < oldest->at_s) {
            oldest = &seen[i];
        }
    }
    return oldest;
}

static uint32_t count_within(const struct cell *cell, uint32_t now_s, uint64_t window_ns,
                             uint32_t *out_first_s)
{
    uint32_t count = 0;

    *out_first_s = now_s;
    for (unsigned i = 0; i < NUMBERS; i++) {
        uint32_t at_s = cell->numbers[i].at_s;
        if (at_s != 0 && (at_s > now_s || now_s - at_s < window_ns / NS_PER_S)) {
            count++;
            *out_first_s = at_s < *out_first_s ? at_s : *out_first_s;
        }
    }
    return count;
}

/* Is it another leg of a call that was counted? */
static bool is_leg(struct detector_context *context, struct cell *cell, const struct conf *conf,
                   const struct fact_call *call)
{
    uint32_t caller = name_of(context, &call->calling.e164, sizeof call->calling.e164);
    uint32_t started_s = (uint32_t)time_second(call->started_ns);
    struct seen *place = place_of(cell->last, LAST, caller);
    bool same = place->at_s != 0 && place->name == caller;
    uint32_t apart_s = started_s > place->at_s ? started_s - place->at_s : place->at_s - started_s;

    if (same && apart_s < conf->ring_ns / NS_PER_S) {
        return true;
    }
    *place = (struct seen){caller, started_s};
    return false;
}

static void tell(struct detector_context *context, const struct cell *cell, const struct conf *conf,
                 const struct fact *fact)
{
    uint32_t now_s = (uint32_t)time_second(fact->time_ns);
    uint32_t first_s;
    uint32_t day_first_s;
    uint32_t count = count_within(cell, now_s, conf->window_ns, &first_s);
    uint32_t day_count = count_within(cell, now_s, NS_PER_DAY, &day_first_s);
    bool fast = count >= conf->numbers;
    char room[160];
    struct text detail = text_into(room, sizeof room);

    if (!fast && day_count < conf->numbers_day) {
        return;
    }
    struct finding finding = {.severity = 2,
                              .names_nobody = true,
                              .count = fast ? count : day_count,
                              .observed = fast ? count : day_count,
                              .threshold = fast ? conf->numbers : conf->numbers_day,
                              .window_ns = fast ? conf->window_ns : NS_PER_DAY,
                              .unit = "numbers",
                              .span_ns = (now_s - (fast ? first_s : day_first_s)) * NS_PER_S};
    confidence_start(&finding.confidence, 60, "condition met");
    confidence_margin(&finding.confidence, finding.observed, finding.threshold);
    text_format(&detail, "rang %" PRIu64 " numbers of ours once and hung up, the last as ",
                finding.observed);
    costly_write(&detail, &fact->is.call.calling);
    finding.detail = text_slice(&detail);
    detector_raise(context, &finding);
}

static bool is_one_ring(const struct fact_call *call, const struct conf *conf)
{
    return call->answered_ns == 0 && call->ended_by_caller &&
           time_since(call->ended_ns, call->started_ns) <= conf->ring_ns;
}

static void on_end(struct detector_context *context, struct cell *cell, const struct conf *conf,
                   const struct fact *fact)
{
    const struct fact_call *call = &fact->is.call;
    uint32_t name = name_of(context, call->dialled.at, call->dialled.bytes);

    if (call->answered_ns != 0) {
        (void)window_add(&cell->answered, fact->time_ns, NS_PER_DAY, 1);
    }
    struct seen *place = place_of(cell->numbers, NUMBERS, name);
    if (call->given_up && !is_one_ring(call, conf) && place->name == name) {
        *place = (struct seen){.at_s = 0};
    }
}

static void wangiri_on_fact(struct detector_context *context, void *lane, void *memory,
                            const void *configuration, const struct fact *fact)
{
    const struct conf *conf = configuration;
    const struct fact_call *call = &fact->is.call;
    struct cell *cell = memory;

    if (costly_is_ours(call) || call->called.class == FACT_NUMBER_EMERGENCY) {
        return;
    }
    if (call->event == FACT_CALL_ENDED) {
        if (cell != NULL) {
            on_end(context, cell, conf, fact);
        }
        return;
    }
    if (!is_one_ring(call, conf)) {
        return;
    }
    cell = cell == NULL ? detector_cell(context, lane) : cell;
    if (cell == NULL || is_leg(context, cell, conf, call)) {
        return;
    }
    uint32_t name = name_of(context, call->dialled.at, call->dialled.bytes);
    *place_of(cell->numbers, NUMBERS, name) =
        (struct seen){name, (uint32_t)time_second(fact->time_ns)};
    uint32_t rings = window_add(&cell->rings, fact->time_ns, NS_PER_DAY, 1);
    uint32_t answered = window_sum(&cell->answered, fact->time_ns, NS_PER_DAY);
    if (answered * (ANSWERED_ONE_IN - 1) < rings) {
        tell(context, cell, conf, fact);
    }
}

const struct detector detector_wangiri = {
    .slug = "wangiri",
    .title = "one-ring calls that want to be called back",
    .category = "fraud",
    .sees = "callers of one number block who ring many of our numbers once and hang up",
    .blind = "callers whose number differs in the first seven digits from call to call",
    .false_alarms = "a partner's dialler that gives up after one ring",
    .advice = "Bar calls to this number block and tell the users not to call back.",
    .example =
        "Callers of the number block +2526123 rang 10 numbers of ours once and hung up, the last "
        "as +252612345679 (Somalia, mobile) (in 2.6 min; limit 10 numbers in 1 h). Bar calls to "
        "this number block and tell the users not to call back.",
    .tactic = {"TA0043", "Reconnaissance"},
    .attack = {"T1598.004"},
    .severity = 2,
    .key = KEY_CALLER_BLOCK,
    .wants = FACT_BIT(CALL),
    .call_events = 1 << FACT_CALL_GIVEN_UP | 1 << FACT_CALL_ENDED,
    .lane_bytes = sizeof(struct lane),
    .conf_bytes = sizeof(struct conf),
    .slab_bytes = sizeof(struct cell),
    .slab_option = "blocks",
    .slab_on_demand = true,
    .kept = 1,
    .options = options,
    .heeds = wangiri_heeds,
    .on_fact = wangiri_on_fact,
};
