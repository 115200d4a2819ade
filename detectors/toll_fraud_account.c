/* toll_fraud_account.c - an account makes costly calls unlike its history.
 *
 *      cell   calls[16]   {call, number, started, answered, ended | score so far}
 *             best, sum   scores that halve every hour        account = best + (sum - best) / 2
 *             points of 7 days | cost of this hour, this day, and the highest of 30 days
 *
 * A call is scored when it rings, again when it is answered and when it ends, because some of what
 * speaks against it is known only then; only what it gained is added. So the alarm can come with
 * the first 18x, before anybody pays.
 *
 * Five groups of points, each with a ceiling, and credits:
 *
 *      D where it goes 60 | N what is new 25 | T when 15 | B how 40 | X what was before 40
 *
 * Hard evidence is what honest people rarely give: an attack before, no login; and towards places
 * of risk a rare hour, parallel calls, tries in a row, a new device, another country of the caller.
 * Without any of it no score exceeds 65 (45 towards places of low risk) and calls do not add up:
 * honest first calls never page anybody. Towards places of low risk what a call does beside others
 * counts only beside hard evidence: diallers and bridges do all of it. A night and colleagues who
 * call the same place give points and are not hard; nor is, towards places of low risk, a traveller
 * who calls home. A long talk counts only beside hard evidence: it is what honest people do.
 *
 * Who neither registered nor gave a password is judged when he hears the far end: a 180 without
 * media may be the answer of anything.
 *
 * Money is counted at what a minute may cost (guesses until the operator gives his rates). It
 * speaks whatever the score is when it is also more than three times the account's highest of
 * earlier days; while the account has been heard for less than a week there is nothing to compare
 * with, and it stays at severity 2, or 1 towards places of low risk. */
#include "detectors/detector.h"
#include "detectors/frame/costly.h"

#include "base/window.h"

enum {
    CALLS = 16,
    LEVEL_PLACE = 60,
    LEVEL_NEW = 25,
    LEVEL_TIME = 15,
    LEVEL_HOW = 40,
    LEVEL_BEFORE = 40,
    SCORE_SOFT = 65,
    SCORE_LOW = 45, /* the same towards places of low risk: no alert */
    SCORE_MAX = 100,
    TERMS = 24,
    TRIES = 3,
    PARALLEL_MAX = 3,
    USUAL_COUNTRIES = 2,
    COST_TIMES = 3,
    WEEK_SCORE_MIN = 30, /* a call below is everyday business */
    DETAIL_BYTES = 250,
    TAIL_BYTES = 128,
};
#define HALF_LIFE_NS NS_PER_HOUR
#define ROW_NS (10 * NS_PER_MINUTE)
#define SHORT_S 30
#define LONG_S (10 * 60)
#define UP_S_MAX (24 * 60 * 60)
#define HISTORY_S (7 * 24 * 60 * 60)
#define DAY_S (24 * 60 * 60)
#define HOUR_S (60 * 60)
#define COST_DAYS 30

struct conf {
    uint64_t notice;
    uint64_t alarm;
    uint64_t critical;
    uint64_t week;
    uint64_t cost_hour;
    uint64_t cost_day;
    uint64_t accounts;
    struct option_list exempt;
};

/* clang-format off */
static const struct option options[] = {
    OPTION("notice", COUNT, conf, notice, "1", "50", "100", "score of the account that makes an alert of severity 2"),
    OPTION("alarm", COUNT, conf, alarm, "1", "70", "100", "score that makes it severity 3"),
    OPTION("critical", COUNT, conf, critical, "1", "90", "100", "score that makes it severity 4"),
    OPTION("week", COUNT, conf, week, "100", "500", "100000", "points of 7 days that make an alert of severity 2"),
    OPTION("cost_hour", COUNT, conf, cost_hour, "1", "20", "100000", "estimated cost of an account in an hour, in currency units, that is too much"),
    OPTION("cost_day", COUNT, conf, cost_day, "1", "50", "100000", "estimated cost of an account in a day that is too much"),
    OPTION_TABLE_SIZE("accounts", COUNT, conf, accounts, "16", "16384", "1M", "accounts with costly calls that are remembered"),
    OPTION("exempt", LIST, conf, exempt, NULL, "", NULL, "accounts that are never judged, user@host or user: diallers, conference bridges"),
    {.kind = OPTION_END},
};
/* clang-format on */

struct lane {
    uint32_t handle;
};

struct entry {
    uint64_t call; /* 0 = free */
    uint64_t e164;
    uint64_t block;
    uint32_t started_s;
    uint32_t answered_s;
    uint32_t ended_s; /* 0 = goes on */
    uint16_t cost_milli; /* a minute */
    uint8_t score;
    uint8_t fresh; /* 1: its block was new to the site within the last day */
};

struct cell {
    struct entry calls[CALLS];
    struct decay best;
    struct decay sum;
    struct window week;
    struct window count; /* costly calls within an hour */
    struct window cost; /* within an hour, hundredths */
    uint64_t first_ns; /* of this row of costly calls */
    uint64_t last_ns;
    uint64_t hard_ns; /* hard evidence was seen then; 0 = never */
    uint32_t heard_s; /* the account's first costly call */
    uint32_t day; /* since the epoch, of the next two */
    uint32_t day_cost;
    uint32_t day_hour_cost; /* highest hour of it */
    uint32_t day_alarm; /* 1: it has raised severity 3, so it is not what is usual */
    uint32_t day_cost_max[2]; /* of earlier days, this generation and the one before */
    uint32_t hour_cost_max[2];
    uint32_t generation_day;
    uint32_t next; /* entry to be overwritten */
    uint16_t usual_countries[USUAL_COUNTRIES];
};

/* Points as they are given, each with its words. */
struct term {
    int points;
    const char *words;
};
struct score {
    struct term terms[TERMS];
    unsigned term_count;
    int total;
    int group_left;
    int behaviour; /* points of that group */
    bool hard;
    bool held; /* at SCORE_SOFT or SCORE_LOW */
    bool attacked; /* 25 points or more for what was before */
};

static bool toll_fraud_account_heeds(const struct fact *fact)
{
    const struct fact_call *call = &fact->is.call;
    const struct fact_number *called = &call->called;

    if (fact->forced || call->event == FACT_CALL_STARTED || call->event > FACT_CALL_ENDED) {
        return false;
    }
    /* Of attempts to find the way out state takes note with the fact. */
    bool tries = called->class == FACT_NUMBER_UNKNOWN && call->event == FACT_CALL_ENDED &&
                 call->answered_ns == 0;
    return tries || called->class == FACT_NUMBER_INTERNATIONAL || costly_points(called) > 0;
}

static uint32_t second_of(uint64_t time_ns)
{
    return (uint32_t)time_second(time_ns);
}

static uint32_t since(uint32_t now_s, uint32_t then_s)
{
    return now_s > then_s ? now_s - then_s : 0;
}

/* --- calls --- */

static struct entry *find(struct cell *cell, uint64_t call)
{
    for (unsigned i = 0; i < CALLS; i++) {
        if (cell->calls[i].call == call + 1) {
            return &cell->calls[i];
        }
    }
    return NULL;
}

/* Was a call of this account to that block the site's first, within a day? */
static bool is_fresh(const struct cell *cell, uint64_t block, uint32_t now_s)
{
    for (unsigned i = 0; i < CALLS; i++) {
        const struct entry *entry = &cell->calls[i];
        if (entry->call != 0 && entry->fresh != 0 && entry->block == block &&
            since(now_s, entry->started_s) < DAY_S) {
            return true;
        }
    }
    return false;
}

/* Over the oldest that has ended, or else the oldest. */
static struct entry *take(struct cell *cell, const struct fact_call *call, uint32_t now_s)
{
    bool fresh = call->block_new_site || is_fresh(cell, call->called.block, now_s);

    for (unsigned i = 0; i < CALLS && cell->calls[cell->next].call != 0; i++) {
        if (cell->calls[cell->next].ended_s != 0) {
            break;
        }
        cell->next = (cell->next + 1) % CALLS;
    }
    struct entry *entry = &cell->calls[cell->next];
    cell->next = (cell->next + 1) % CALLS;
    *entry = (struct entry){
        .call = call->call_number + 1,
        .e164 = call->called.e164,
        .block = call->called.block,
        .started_s = second_of(call->started_ns),
        .cost_milli = call->called.cost_milli,
        .fresh = fresh ? 1 : 0,
    };
    return entry;
}

static bool is_up(const struct entry *entry, uint32_t now_s)
{
    return entry->call != 0 && entry->ended_s == 0 && since(now_s, entry->started_s) < UP_S_MAX;
}

/* --- points --- */

static void open_group(struct score *score, int ceiling)
{
    score->group_left = ceiling;
}

static void give(struct score *score, int points, bool hard, const char *words)
{
    int given = points < score->group_left ? points : score->group_left;

    score->hard = score->hard || hard;
    if (given == 0 || score->term_count == TERMS) {
        return;
    }
    score->terms[score->term_count++] = (struct term){given, words};
    score->total += given;
    score->group_left -= given;
}

static void give_place(struct score *score, const struct fact_call *call)
{
    open_group(score, LEVEL_PLACE);
    give(score, (int)costly_points(&call->called), false, "destination");
    open_group(score, LEVEL_NEW);
    if (call->first_abroad) {
        give(score, 10, false, "first call abroad");
    }
    if (call->country_new_account) {
        give(score, 10, false, "country new to account");
    }
    if (call->country_new_site) {
        give(score, 10, false, "country new to site");
    }
    if (call->block_new_site) {
        give(score, 5, false, "block new");
    }
}

static void give_time(struct score *score, const struct fact *fact)
{
    open_group(score, LEVEL_TIME);
    if (fact->is.call.hour == FACT_HOUR_RARE) {
        give(score, 10, costly_points(&fact->is.call.called) >= COSTLY_RISKY, "rare hour");
    }
    if (costly_is_night(fact->hour_of_week)) {
        give(score, 5, false, "night");
    }
}

/* What the other calls of the account say about this one. */
struct row {
    unsigned up;
    unsigned tries; /* to the block within ROW_NS, this one included */
    unsigned numbers; /* different ones of the block, this one included */
    bool repeat; /* the number was called before, shortly */
};

static struct row look_around(const struct cell *cell, const struct entry *this, uint32_t now_s)
{
    struct row row = {.tries = 1, .numbers = 1};

    for (unsigned i = 0; i < CALLS; i++) {
        const struct entry *entry = &cell->calls[i];
        if (entry == this || entry->call == 0) {
            continue;
        }
        row.up += is_up(entry, now_s);
        if (entry->block != this->block ||
            since(this->started_s, entry->started_s) >= ROW_NS / NS_PER_S) {
            continue;
        }
        row.tries++;
        row.numbers += entry->e164 != this->e164;
        row.repeat = row.repeat ||
                     (entry->e164 == this->e164 && entry->answered_s != 0 && entry->ended_s != 0 &&
                      since(entry->ended_s, entry->answered_s) < SHORT_S);
    }
    return row;
}

static void give_behaviour(struct score *score, const struct cell *cell, const struct entry *this,
                           const struct fact *fact)
{
    const struct fact_call *call = &fact->is.call;
    uint32_t now_s = second_of(fact->time_ns);
    struct row row = look_around(cell, this, now_s);
    unsigned up = row.up < PARALLEL_MAX ? row.up : PARALLEL_MAX;
    bool risky = costly_points(&call->called) >= COSTLY_RISKY;

    open_group(score, LEVEL_HOW);
    if (up > 0) {
        give(score, 10 * (int)up, risky, "parallel calls");
    }
    if (this->fresh != 0 && row.tries >= TRIES) {
        give(score, 10, risky, "tries in a row");
    }
    if (this->fresh != 0 && row.repeat) {
        give(score, 10, risky, "short, then again");
    }
    if (this->fresh != 0 && row.numbers >= TRIES) {
        give(score, 10, risky, "number after number");
    }
    if (risky && this->fresh != 0 && call->block_accounts >= 2) {
        give(score, 20, false, "other accounts too");
    }
    score->behaviour = LEVEL_HOW - score->group_left;
}

/* Behind all that may be hard; in what is left of the group. */
static void give_length(struct score *score, const struct entry *this)
{
    if (score->hard && this->fresh != 0 && this->ended_s != 0 && this->answered_s != 0 &&
        since(this->ended_s, this->answered_s) > LONG_S) {
        open_group(score, LEVEL_HOW - score->behaviour);
        give(score, 10, false, "long call");
    }
}

static bool is_usual_country(const struct cell *cell, uint16_t country)
{
    bool known = false;

    for (unsigned i = 0; i < USUAL_COUNTRIES; i++) {
        known = known || cell->usual_countries[i] == country;
    }
    return country == 0 || cell->usual_countries[0] == 0 || known;
}

static void give_context(struct score *score, struct detector_context *context,
                         const struct cell *cell, const struct fact *fact)
{
    const struct fact_call *call = &fact->is.call;
    bool risky = costly_points(&call->called) >= COSTLY_RISKY;
    int before = score->total;

    open_group(score, LEVEL_BEFORE);
    if (detector_recent(context, "registration-breach", fact, NS_PER_DAY)) {
        give(score, 40, true, "login after guessing");
    }
    if (detector_recent(context, "registration-bruteforce", fact, NS_PER_DAY)) {
        give(score, 25, true, "passwords guessed");
    }
    if (costly_is_stranger(call)) {
        give(score, 20, true, "no login");
    }
    if (call->account_known && !call->device_known) {
        give(score, 15, risky, "new device");
    }
    if (!is_usual_country(cell, call->caller.country)) {
        give(score, 15, risky, "caller elsewhere");
    }
    if (detector_recent(context, "enumeration", fact, NS_PER_DAY)) {
        give(score, 10, true, "names asked");
    }
    score->attacked = score->total - before >= 25;
}

static void give_credits(struct score *score, const struct fact_call *call, const struct conf *conf)
{
    int before = score->total;
    int floor = (int)conf->notice;

    open_group(score, SCORE_MAX);
    if (call->weeks_called >= 3) {
        give(score, -30, false, "called in 3 weeks");
    }
    if (call->called.allowed) {
        give(score, -40, false, "allowed");
    }
    if (score->attacked && before >= floor && score->total < floor) {
        score->total = floor;
    }
}

static void score_call(struct score *score, struct detector_context *context,
                       const struct cell *cell, const struct entry *entry, const struct fact *fact,
                       const struct conf *conf)
{
    give_place(score, &fact->is.call);
    give_time(score, fact);
    bool risky = costly_points(&fact->is.call.called) >= COSTLY_RISKY;
    if (risky) {
        give_behaviour(score, cell, entry, fact);
    }
    give_context(score, context, cell, fact);
    if (!risky && score->hard) { /* else it is a dialler, a bridge or a company with extensions */
        give_behaviour(score, cell, entry, fact);
    }
    give_length(score, entry);
    give_credits(score, &fact->is.call, conf);
    score->total = score->total < 0 ? 0 : score->total > SCORE_MAX ? SCORE_MAX : score->total;
    int ceiling = risky ? SCORE_SOFT : SCORE_LOW;
    if (!score->hard && score->total > ceiling) {
        score->total = ceiling;
        score->held = true;
    }
}

/* Adds what the call gained, returns the score of the account. */
static unsigned account_score(struct cell *cell, struct entry *entry, const struct score *score,
                              bool risky, uint64_t now_ns)
{
    unsigned total = (unsigned)score->total;
    unsigned gained = total > entry->score ? total - entry->score : 0;
    uint64_t sum = decay_add(&cell->sum, now_ns, HALF_LIFE_NS, gained) >> 16;
    uint64_t best = decay_value(&cell->best, now_ns, HALF_LIFE_NS) >> 16;

    if (total > best) {
        best = total;
        cell->best = (struct decay){.value_q16 = (uint64_t)total << 16, .at_ns = now_ns};
    }
    if (total >= WEEK_SCORE_MIN && (risky || score->hard)) {
        (void)window_add(&cell->week, now_ns, 7 * NS_PER_DAY, gained);
    }
    entry->score = (uint8_t)(total > entry->score ? total : entry->score);
    if (score->hard) {
        cell->hard_ns = now_ns;
    }
    bool hard = cell->hard_ns != 0 && time_since(now_ns, cell->hard_ns) < HALF_LIFE_NS;
    uint64_t rest = hard && sum > best ? (sum - best) / 2 : 0;
    uint64_t ceiling = hard ? SCORE_MAX : SCORE_SOFT;
    return (unsigned)(best + rest < ceiling ? best + rest : ceiling);
}

/* --- money --- */

/* Of what was talked in the last `span_s` before `until_s`. */
static uint32_t cost_of(const struct entry *entry, uint32_t until_s, uint32_t span_s)
{
    if (entry->answered_s == 0) {
        return 0;
    }
    uint32_t talked_s = since(until_s, entry->answered_s);
    talked_s = talked_s < span_s ? talked_s : span_s;
    uint64_t cents = (uint64_t)talked_s * entry->cost_milli / 600;
    return cents > UINT16_MAX ? UINT16_MAX : (uint32_t)cents;
}

static uint32_t higher(uint32_t one, uint32_t other)
{
    return one > other ? one : other;
}

/* A day that is over becomes history, unless it was an attack: that would hide the next one. */
static void turn_day(struct cell *cell, uint32_t now_s)
{
    uint32_t day = now_s / DAY_S;

    if (cell->day == day) {
        return;
    }
    if (day - cell->generation_day >= COST_DAYS) {
        cell->day_cost_max[1] = cell->day_cost_max[0];
        cell->hour_cost_max[1] = cell->hour_cost_max[0];
        cell->day_cost_max[0] = 0;
        cell->hour_cost_max[0] = 0;
        cell->generation_day = day;
    }
    if (cell->day_alarm == 0) {
        cell->day_cost_max[0] = higher(cell->day_cost_max[0], cell->day_cost);
        cell->hour_cost_max[0] = higher(cell->hour_cost_max[0], cell->day_hour_cost);
    }
    cell->day = day;
    cell->day_cost = 0;
    cell->day_hour_cost = 0;
    cell->day_alarm = 0;
}

struct money {
    uint32_t hour; /* hundredths, calls that go on included */
    uint32_t day;
    uint32_t rate_milli; /* a minute, of what goes on */
    bool by_day; /* the day's limit is crossed, not the hour's */
    uint8_t severity;
};

/* Without a past to compare with, a machine that calls abroad all day looks like money lost. */
static struct money count_money(struct cell *cell, const struct conf *conf, bool risky,
                                uint64_t now_ns)
{
    uint32_t now_s = second_of(now_ns);
    struct money money = {.hour = window_sum(&cell->cost, now_ns, NS_PER_HOUR),
                          .day = cell->day_cost};

    for (unsigned i = 0; i < CALLS; i++) {
        const struct entry *entry = &cell->calls[i];
        if (is_up(entry, now_s) && entry->answered_s != 0) {
            money.hour += cost_of(entry, now_s, HOUR_S);
            money.day += cost_of(entry, now_s, UP_S_MAX);
            money.rate_milli += entry->cost_milli;
        }
    }
    cell->day_hour_cost = higher(cell->day_hour_cost, money.hour);
    uint32_t day_max = higher(cell->day_cost_max[0], cell->day_cost_max[1]);
    uint32_t hour_max = higher(cell->hour_cost_max[0], cell->hour_cost_max[1]);
    bool by_hour =
        money.hour >= conf->cost_hour * 100 && money.hour > COST_TIMES * (uint64_t)hour_max;
    bool by_day = money.day >= conf->cost_day * 100 && money.day > COST_TIMES * (uint64_t)day_max;
    if (by_hour || by_day) {
        money.by_day = !by_hour;
        money.severity = since(now_s, cell->heard_s) >= HISTORY_S ? 3 : risky ? 2 : 1;
    }
    return money;
}

static void end_call(struct cell *cell, struct entry *entry, const struct fact *fact)
{
    const struct fact_call *call = &fact->is.call;

    entry->ended_s = second_of(call->ended_ns != 0 ? call->ended_ns : fact->time_ns);
    (void)window_add(&cell->cost, fact->time_ns, NS_PER_HOUR,
                     cost_of(entry, entry->ended_s, HOUR_S));
    cell->day_cost += cost_of(entry, entry->ended_s, UINT32_MAX);
}

/* Where the account calls from, learnt from calls that said nothing. */
static void learn_country(struct cell *cell, uint16_t country)
{
    for (unsigned i = 0; i < USUAL_COUNTRIES && country != 0; i++) {
        if (cell->usual_countries[i] == country) {
            return;
        }
        if (cell->usual_countries[i] == 0) {
            cell->usual_countries[i] = country;
            return;
        }
    }
}

/* --- the finding --- */

/* As many terms as there is room for; the tail comes behind them. */
static void write_score(struct text *detail, const struct score *score)
{
    text_format(detail, ": score %d", score->total);
    if (score->held) {
        text_string(detail, " (held, no hard evidence)");
    }
    for (unsigned i = 0; i < score->term_count; i++) {
        const struct term *term = &score->terms[i];
        struct text longer = *detail;
        text_string(&longer, i == 0 ? " = " : term->points < 0 ? " - " : " + ");
        text_string(&longer, term->words);
        text_format(&longer, " %d", term->points < 0 ? -term->points : term->points);
        if (longer.overflow) {
            return;
        }
        *detail = longer;
    }
}

/* The frame says in what time, and against which limit. */
static void write_tail(struct text *tail, const struct money *money, unsigned account,
                       uint64_t calls)
{
    if (money->hour > 0 || money->by_day) {
        text_string(tail, "; may have cost ");
        text_decimal(tail, money->by_day ? money->day : money->hour, 2);
        text_string(tail, money->by_day ? " today" : " in an hour");
    }
    if (money->rate_milli > 0) {
        text_string(tail, ", now ");
        text_decimal(tail, money->rate_milli, 3);
        text_string(tail, " a minute");
    }
    text_format(tail, "; account score %u by %" PRIu64 " costly call%s", account, calls,
                calls == 1 ? "" : "s");
}

static void rate_confidence(struct detector_context *context, const struct fact *fact,
                            const struct score *score, struct finding *finding)
{
    const struct fact_call *call = &fact->is.call;

    confidence_start(&finding->confidence, 40, "condition met");
    confidence_source(&finding->confidence, &call->caller);
    confidence_add(&finding->confidence, 15,
                   call->answered_ns != 0 ? "the call was answered" : "the call was put through");
    if (score->attacked || detector_recent(context, "scanner-fingerprint", fact, NS_PER_DAY)) {
        confidence_add(&finding->confidence, 15, "attacks went before");
    }
    if (call->device_known && !score->attacked) { /* else it is known by the attack */
        confidence_add(&finding->confidence, -20, "known device");
    }
}

/* Which of the limits is crossed: of the score, of money, or of the week. */
static void choose_limit(struct finding *finding, const struct conf *conf, const struct cell *cell,
                         unsigned account, const struct money *money, uint64_t now_ns)
{
    uint64_t week = window_sum(&cell->week, now_ns, 7 * NS_PER_DAY);
    uint8_t severity = account >= conf->critical ? 4
                       : account >= conf->alarm  ? 3
                       : account >= conf->notice ? 2
                                                 : 0;

    finding->severity = severity;
    finding->observed = account;
    finding->threshold = conf->notice;
    finding->window_ns = NS_PER_HOUR;
    finding->unit = "points";
    if (money->severity > severity) {
        finding->severity = money->severity;
        finding->observed = (money->by_day ? money->day : money->hour) / 100;
        finding->threshold = money->by_day ? conf->cost_day : conf->cost_hour;
        finding->window_ns = money->by_day ? NS_PER_DAY : NS_PER_HOUR;
        finding->unit = "currency units";
    } else if (severity == 0 && week >= conf->week) {
        finding->severity = 2;
        finding->observed = week;
        finding->threshold = conf->week;
        finding->window_ns = 7 * NS_PER_DAY;
    }
}

static void judge(struct detector_context *context, struct cell *cell, struct entry *entry,
                  const struct conf *conf, const struct fact *fact, bool again)
{
    const struct fact_call *call = &fact->is.call;
    struct score score = {.total = 0};
    char detail_room[DETAIL_BYTES];
    char tail_room[TAIL_BYTES];
    char target_room[32];
    struct text tail = text_into(tail_room, sizeof tail_room);
    struct text target = text_into(target_room, sizeof target_room);

    score_call(&score, context, cell, entry, fact, conf);
    bool risky = costly_points(&call->called) >= COSTLY_RISKY;
    unsigned account = account_score(cell, entry, &score, risky, fact->time_ns);
    struct money money = count_money(cell, conf, risky, fact->time_ns);
    struct finding finding = {.stage = 5,
                              .succeeded = call->answered_ns != 0,
                              .count = window_sum(&cell->count, fact->time_ns, NS_PER_HOUR),
                              .span_ns = time_since(fact->time_ns, cell->first_ns),
                              .only_rise = again};
    choose_limit(&finding, conf, cell, account, &money, fact->time_ns);
    if (finding.severity == 0) {
        if (call->event == FACT_CALL_ENDED && call->answered_ns != 0) {
            learn_country(cell, call->caller.country);
        }
        return;
    }
    cell->day_alarm = finding.severity >= 3 ? 1 : cell->day_alarm;
    rate_confidence(context, fact, &score, &finding);
    write_tail(&tail, &money, account, finding.count);
    struct text detail = text_into(detail_room, sizeof detail_room - tail.bytes);
    text_string(&detail, "called ");
    costly_write(&detail, &call->called);
    write_score(&detail, &score);
    detail.capacity = sizeof detail_room;
    text_slice_put(&detail, text_slice(&tail));
    text_format(&target, "+%" PRIu64, call->called.e164);
    finding.detail = text_slice(&detail);
    finding.target = text_slice(&target);
    detector_raise(context, &finding);
}

static void begin_row(struct cell *cell, const struct fact *fact)
{
    if (cell->last_ns == 0 || time_since(fact->time_ns, cell->last_ns) >= NS_PER_HOUR) {
        cell->first_ns = fact->is.call.started_ns;
    }
    cell->last_ns = fact->time_ns;
    if (cell->heard_s == 0) {
        cell->heard_s = second_of(fact->time_ns);
        cell->generation_day = cell->heard_s / DAY_S;
        cell->day = cell->generation_day;
    }
}

static void toll_fraud_account_on_fact(struct detector_context *context, void *lane, void *memory,
                                       const void *configuration, const struct fact *fact)
{
    const struct conf *conf = configuration;
    const struct fact_call *call = &fact->is.call;
    struct cell *cell = memory;

    if (!costly_is(call) || costly_is_listed(&conf->exempt, call->account)) {
        return;
    }
    cell = cell == NULL ? detector_cell(context, lane) : cell;
    if (cell == NULL) {
        return;
    }
    uint32_t now_s = second_of(fact->time_ns);
    begin_row(cell, fact);
    turn_day(cell, now_s);
    struct entry *entry = find(cell, call->call_number);
    /* Of more calls at once than there is room for the oldest is forgotten: what it told before was
     * counted. */
    bool forgotten = entry == NULL && call->rang && call->event != FACT_CALL_RINGING;
    bool again = entry != NULL || forgotten;
    if (entry == NULL) {
        entry = take(cell, call, now_s);
        entry->score = forgotten ? SCORE_MAX : 0;
    }
    if (!again) {
        (void)window_add(&cell->count, fact->time_ns, NS_PER_HOUR, 1);
    }
    entry->answered_s = call->answered_ns == 0 ? 0 : second_of(call->answered_ns);
    if (call->event == FACT_CALL_ENDED) {
        end_call(cell, entry, fact);
    }
    bool heard = call->answered_ns != 0 || call->early_media;
    if (heard || (call->rang && !costly_is_stranger(call))) {
        judge(context, cell, entry, conf, fact, again);
    }
}

/* Numbers of calls are those of packets, and another run has others; of calls that were up when the
 * run ended nobody will say that they have. */
static bool toll_fraud_account_take_up(void *lane, void *memory)
{
    struct cell *cell = memory;
    (void)lane;

    for (unsigned i = 0; cell != NULL && i < CALLS; i++) {
        struct entry *entry = &cell->calls[i];
        uint8_t fresh;
        memcpy(&fresh, &entry->fresh, sizeof fresh);
        if (fresh > 1) {
            return false;
        }
        if (entry->ended_s == 0) {
            *entry = (struct entry){.call = 0};
        } else {
            entry->call = UINT64_MAX;
        }
    }
    return cell == NULL || cell->next < CALLS;
}

const struct detector detector_toll_fraud_account = {
    .slug = "toll-fraud-account",
    .title = "costly calls unlike the account's history",
    .category = "fraud",
    .sees = "an account that calls costly destinations in a way that it never did, from the first "
            "ringing call on; the alert adds up why",
    .blind = "national calls without a surcharge, calls that we do not hear, and an attacker who "
             "first teaches us small honest-looking calls for weeks",
    .false_alarms = "the first trips and projects abroad of a fresh sensor, which knows no "
                    "account's past; allow the destination or exempt the account",
    .advice = "Bar international and premium calls of the account, end what is up, and change its "
              "password.",
    .example =
        "Account 1004@voice.example.com called +252612345678 (Somalia, mobile): score 85 = "
        "destination 20 + first call abroad 10 + country new to account 10 + country new to site "
        "5 + login after guessing 40; account score 85 by 1 costly call (in 1.105 s; limit 50 "
        "points in 1 h). Bar international and premium calls of the account, end what is up, and "
        "change its password.",
    .tactic = {"TA0040", "Impact"},
    .attack = {"T1657", "T1496", "T1078"},
    .severity = 3,
    .stage = 5,
    .key = KEY_ACCOUNT,
    .wants = FACT_BIT(CALL),
    .call_events = 1 << FACT_CALL_RINGING | 1 << FACT_CALL_ANSWERED | 1 << FACT_CALL_ENDED,
    .lane_bytes = sizeof(struct lane),
    .conf_bytes = sizeof(struct conf),
    .slab_bytes = sizeof(struct cell),
    .slab_option = "accounts",
    .slab_on_demand = true,
    .kept = 2,
    .take_up = toll_fraud_account_take_up,
    .options = options,
    .heeds = toll_fraud_account_heeds,
    .on_fact = toll_fraud_account_on_fact,
};
