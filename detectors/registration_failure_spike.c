/* registration_failure_spike.c - many accounts that used to log in are refused at once.
 *
 *      cell   failing[2]   different accounts, each over a minute; they begin half a minute apart
 *             population   accounts that logged in, of this day and the day before
 *             hour-of-week baseline of the failing ones
 *
 * Two sets, because one that begins anew each minute would part a burst in two: any half minute lies
 * in one of them whole.
 *
 * Only known accounts count, and each once a minute: a scanner's are unknown, one phone with a wrong
 * password is one (H1). And only from a network in which that account has logged in, and from who
 * is there: an account has logged in from the address, or it has proven that it hears our answers.
 * So neither forged addresses nor one who tries a password at many accounts is an outage. A first
 * challenge and an old nonce are no failures, nor is 503, which says "later" (H6). */
#include "base/sketch.h"
#include "detectors/frame/key.h"
#include "detectors/frame/usual.h"

enum {
    SETS = 2,
    MAD_TIMES = 6,
    SHARE_HIGH_PPM = 100000, /* of the accounts: urgent, from ACCOUNTS_HIGH on */
    ACCOUNTS_HIGH = 50,
};

struct conf {
    uint64_t accounts;
    uint64_t share_ppm;
    uint64_t window_ns;
    uint64_t servers;
};

/* clang-format off */
static const struct option options[] = {
    OPTION("accounts", COUNT, conf, accounts, "2", "10", "100000", "known accounts refused within the window"),
    OPTION("share", PPM, conf, share_ppm, "0.1%", "2%", "100%", "... and at least this share of all that log in there"),
    OPTION("window", DURATION_NS, conf, window_ns, "10s", "60s", "1h", "length of the window"),
    OPTION_TABLE_SIZE("servers", COUNT, conf, servers, "16", "256", "16384", "registrars whose accounts are counted"),
    {.kind = OPTION_END},
};
/* clang-format on */

struct lane {
    uint32_t handle;
};

struct cell {
    struct baseline usual;
    struct distinct failing[SETS];
    uint64_t began_ns[SETS]; /* 0 = empty */
    struct distinct population;
    uint64_t population_since_ns;
    uint32_t population_before;
    uint16_t status; /* of the last failure */
};

static bool is_success(const struct fact_transaction *asked)
{
    return asked->status / 100 == 2;
}

/* One of ours, and there: a name is soon forged, and an agent soon copied. */
static bool is_own(const struct fact_transaction *asked)
{
    return asked->account_known && asked->place_known &&
           (asked->client.proven || asked->client.good_accounts > 0);
}

static bool is_failure(const struct fact_transaction *asked)
{
    return asked->status >= 400 && is_own(asked) && !asked->challenged && !asked->stale &&
           asked->status != 423 && asked->status != 491 && asked->status != 503;
}

static bool registration_failure_spike_heeds(const struct fact *fact)
{
    const struct fact_transaction *asked = &fact->is.transaction;

    return asked->method == FACT_METHOD_REGISTER && !fact->forced && asked->account.bytes > 0 &&
           (is_success(asked) || is_failure(asked));
}

static uint32_t population_of(const struct cell *cell)
{
    uint32_t now = distinct_count(&cell->population);

    return now > cell->population_before ? now : cell->population_before;
}

static void turn_day(struct cell *cell, uint64_t now_ns)
{
    if (cell->population_since_ns == 0) {
        cell->population_since_ns = now_ns;
    } else if (time_since(now_ns, cell->population_since_ns) >= NS_PER_DAY) {
        cell->population_before = distinct_count(&cell->population);
        cell->population = (struct distinct){.count = 0};
        cell->population_since_ns = now_ns;
    }
}

/* The larger of the sets, with this account. */
static uint32_t add_failing(struct cell *cell, uint64_t account, uint64_t now_ns,
                            uint64_t window_ns, uint64_t *out_since_ns)
{
    uint32_t most = 0;

    for (unsigned i = 0; i < SETS; i++) {
        uint64_t other_ns = cell->began_ns[1 - i];
        bool empty = cell->began_ns[i] == 0;
        if (!empty && time_since(now_ns, cell->began_ns[i]) >= window_ns) {
            cell->failing[i] = (struct distinct){.count = 0};
            cell->began_ns[i] = 0;
            empty = true;
        }
        if (empty && other_ns != 0 && time_since(now_ns, other_ns) < window_ns / 2) {
            continue; /* it begins half a window after the other */
        }
        if (empty) {
            cell->began_ns[i] = now_ns;
        }
        (void)distinct_add(&cell->failing[i], account);
        if (distinct_count(&cell->failing[i]) > most) {
            most = distinct_count(&cell->failing[i]);
            *out_since_ns = cell->began_ns[i];
        }
    }
    return most;
}

static void say(struct detector_context *context, const struct fact *fact, const struct conf *conf,
                uint32_t failing, uint32_t population, uint64_t limit, uint64_t since_ns,
                const struct baseline_usual *usual)
{
    const struct fact_transaction *asked = &fact->is.transaction;
    char buffer[200];
    struct text detail = text_into(buffer, sizeof buffer);
    bool many = failing >= ACCOUNTS_HIGH && failing <= population &&
                failing * UINT64_C(1000000) >= (uint64_t)SHARE_HIGH_PPM * population;
    struct finding finding = {.severity = many ? 3 : 2,
                              .names_nobody = true,
                              .count = failing,
                              .observed = failing,
                              .threshold = limit,
                              .window_ns = conf->window_ns,
                              .unit = "accounts",
                              .span_ns = time_since(fact->time_ns, since_ns)};

    confidence_start(&finding.confidence, 60, "condition met");
    confidence_add(&finding.confidence, 15, "accounts that had success before");
    confidence_margin(&finding.confidence, failing, limit);
    population = population > failing ? population : failing;
    /* Sets of more than that are estimates. */
    text_format(&detail, "refuses %s%" PRIu32 " of %s%" PRIu32 " known accounts, the last with %u ",
                failing > DISTINCT_EXACT ? "about " : "", failing,
                population > DISTINCT_EXACT ? "about " : "", population, (unsigned)asked->status);
    key_write_printable(&detail, slice_part(asked->reason, 0, 24));
    usual_tell(usual, &finding.confidence, &detail);
    finding.detail = text_slice(&detail);
    detector_raise(context, &finding);
}

static uint32_t to_u32(uint64_t value)
{
    return value < UINT32_MAX ? (uint32_t)value : UINT32_MAX;
}

static void on_failure(struct detector_context *context, struct cell *cell, const struct conf *conf,
                       const struct fact *fact)
{
    uint64_t account = hash_slice(detector_hash_key(context), fact->is.transaction.account);
    uint64_t since_ns = fact->time_ns;
    uint32_t population = population_of(cell);
    uint64_t share = population * conf->share_ppm / 1000000;
    uint64_t floor = share > conf->accounts ? share : conf->accounts;
    uint64_t high = population * (uint64_t)SHARE_HIGH_PPM / 1000000;
    high = high > ACCOUNTS_HIGH ? high : ACCOUNTS_HIGH;
    high = high > floor ? high : floor;

    uint32_t failing = add_failing(cell, account, fact->time_ns, conf->window_ns, &since_ns);
    struct baseline_usual usual = usual_of(&cell->usual, fact);
    usual_learn(&cell->usual, fact, failing, to_u32(floor));
    uint64_t limit = baseline_threshold(&usual, MAD_TIMES, to_u32(floor), to_u32(high));
    if (failing >= limit) {
        usual_taint(&cell->usual, fact);
        say(context, fact, conf, failing, population, limit, since_ns, &usual);
    }
}

static void registration_failure_spike_on_fact(struct detector_context *context, void *lane,
                                               void *memory, const void *conf,
                                               const struct fact *fact)
{
    struct cell *cell = memory;
    (void)lane;

    if (cell == NULL) {
        return;
    }
    turn_day(cell, fact->time_ns);
    if (is_failure(&fact->is.transaction)) {
        on_failure(context, cell, conf, fact);
        return;
    }
    usual_learn(&cell->usual, fact, 0, cell->usual.harmless);
    (void)distinct_add(&cell->population,
                       hash_slice(detector_hash_key(context), fact->is.transaction.account));
}

static bool registration_failure_spike_take_up(void *lane, void *memory)
{
    const struct cell *cell = memory;
    (void)lane;

    return cell == NULL ||
           (distinct_is_sound(&cell->failing[0]) && distinct_is_sound(&cell->failing[1]) &&
            distinct_is_sound(&cell->population));
}

const struct detector detector_registration_failure_spike = {
    .slug = "registration-failure-spike",
    .title = "many accounts that cannot register",
    .category = "availability",
    .sees = "a registrar that refuses many accounts at once which it used to let in",
    .blind = "accounts that the sensor has never seen succeed, phones that come from another "
             "network, and those that are refused unasked at a new address",
    .false_alarms = "a planned change of passwords, until the phones have them",
    .advice =
        "Look at what changed: passwords, the account database, the clock of the registrar, a "
        "policy. The accounts themselves are likely well.",
    .example =
        "Server 192.0.2.10 refuses 10 of 12 known accounts, the last with 401 Unauthorized (no "
        "baseline yet) (in 18.036 s; limit 10 accounts in 1 min). Look at what changed: "
        "passwords, the account database, the clock of the registrar, a policy. The accounts "
        "themselves are likely well.",
    .severity = 2,
    .key = KEY_SERVER,
    .wants = FACT_BIT(TRANSACTION),
    .transaction_ends = 1 << FACT_TRANSACTION_LOGIN_FAILED | 1 << FACT_TRANSACTION_ANSWERED,
    .lane_bytes = sizeof(struct lane),
    .conf_bytes = sizeof(struct conf),
    .slab_bytes = sizeof(struct cell),
    .slab_option = "servers",
    .kept = 1,
    .take_up = registration_failure_spike_take_up,
    .options = options,
    .heeds = registration_failure_spike_heeds,
    .on_fact = registration_failure_spike_on_fact,
};
