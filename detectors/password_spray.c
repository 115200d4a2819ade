/* password_spray.c - one network tries few passwords on many accounts.
 *
 *      cell   tried[64]  {account, hashed | last and first tried | Call-ID, CSeq | endpoint | tries}
 *             names of the first accounts, for the alert
 *
 * An account counts while it was tried at most three times, or nine from a port that tries others,
 * and never had success from this network (the fact says place_known: the name of its agent is soon
 * copied). A network that is ours does not count at all: successes of its own must be less than a
 * fifth of its accounts. An account that comes back under its own Call-ID with a rising CSeq is a
 * phone.
 *
 * Accounts that are tried from an address or port each of their own are phones or a spread attack;
 * nothing tells them apart at the first try. They are told with severity 1 until 35 minutes have
 * passed: what no phone has come back for by then counts. */
#include "detectors/frame/key.h"
#include "detectors/frame/limit.h"
#include "detectors/frame/phone.h"

enum { ACCOUNTS_MAX = 64, TRIES_MAX = 3, TRIES_SHARED = 9, NAMES_MAX = 16, NAME_BYTES = 48 };
#define WINDOW_WEEK_NS (7 * NS_PER_DAY)

struct conf {
    uint64_t accounts;
    uint64_t window_ns;
    uint64_t accounts_day;
    uint64_t accounts_week;
    uint64_t networks;
};

/* clang-format off */
static const struct option options[] = {
    OPTION("accounts", COUNT, conf, accounts, "2", "6", "64", "accounts with a failed login within the window"),
    OPTION("window", DURATION_NS, conf, window_ns, "1s", "10m", "1d", "length of the fast window"),
    OPTION("accounts_day", COUNT, conf, accounts_day, "2", "10", "64", "accounts with a failed login within a day"),
    OPTION("accounts_week", COUNT, conf, accounts_week, "2", "20", "64", "accounts with a failed login within a week"),
    OPTION_TABLE_SIZE("networks", COUNT, conf, networks, "64", "16384", "1M", "networks (/24 or /48) whose failures are remembered"),
    {.kind = OPTION_END},
};
/* clang-format on */

struct lane {
    uint32_t handle;
};

struct tried {
    struct phone phone;
    uint32_t endpoint;
    uint32_t address; /* hash; SEVERAL: it was tried from more than one */
    uint16_t tries;
    uint8_t is_phone; /* 1 = yes */
    uint8_t name; /* + 1 into names; 0 = none */
};

struct cell {
    uint64_t last_ns;
    uint32_t used;
    uint32_t names_used;
    struct tried tried[ACCOUNTS_MAX];
    char names[NAMES_MAX][NAME_BYTES];
};

enum { SEVERAL = 0 };

struct tally {
    uint32_t accounts;
    uint32_t lonely; /* from an endpoint of their own, not long ago */
    uint32_t oldest_ms;
};

static bool password_spray_heeds(const struct fact *fact)
{
    const struct fact_transaction *try = &fact->is.transaction;

    return try->auth_failure && !fact->forced && !try->place_known && try->account.bytes > 0;
}

static uint8_t keep_name(struct cell *cell, uint8_t name, struct slice account)
{
    if (name == 0) {
        if (cell->names_used == NAMES_MAX) {
            return 0;
        }
        name = (uint8_t)++cell->names_used;
    }
    struct text text = text_into(cell->names[name - 1], NAME_BYTES - 1);
    key_write_printable(&text, account); /* its beginning, where it does not fit */
    cell->names[name - 1][text.bytes] = '\0';
    return name;
}

static uint32_t address_of(struct detector_context *context, const struct fact *fact)
{
    return (uint32_t)hash_addr(detector_hash_key(context),
                               &fact->is.transaction.client.endpoint.addr) |
           1;
}

static void note(struct detector_context *context, struct cell *cell, const struct fact *fact,
                 uint64_t window_ns)
{
    const struct fact_transaction *try = &fact->is.transaction;
    struct hash_key key = detector_hash_key(context);
    uint32_t now_ms = remembered_ms(fact->time_ns);
    uint32_t call_id = (uint32_t)try->call_id_hash;
    uint32_t hash = (uint32_t)hash_slice(key, try->account);
    struct tried *tried = remembered_find(cell->tried, cell->used, sizeof *tried, hash);

    if (tried == NULL) {
        tried = remembered_place(cell->tried, &cell->used, ACCOUNTS_MAX, sizeof *tried, now_ms);
        uint8_t name = keep_name(cell, tried->name, try->account);
        *tried = (struct tried){.phone.is = {.hash = hash, .first_ms = now_ms},
                                .name = name,
                                .address = address_of(context, fact)};
    } else if (phone_is_back(cell->tried, cell->used, sizeof *tried, &tried->phone, call_id,
                             try->cseq)) {
        tried->is_phone = 1;
    } else if (now_ms - tried->phone.is.last_ms >= window_ns / NS_PER_MS) {
        tried->tries = 0; /* three tries a window */
    }
    if (tried->address != address_of(context, fact)) {
        tried->address = SEVERAL;
    }
    tried->phone.is.last_ms = now_ms;
    tried->phone.call_id = call_id;
    tried->phone.cseq = try->cseq;
    tried->endpoint = (uint32_t)hash_endpoint(key, &try->client.endpoint);
    tried->tries = tried->tries < UINT16_MAX ? (uint16_t)(tried->tries + 1) : tried->tries;
}

/* One port that fails on other accounts, too. */
static bool is_shared(const struct cell *cell, const struct tried *tried)
{
    for (uint32_t i = 0; i < cell->used; i++) {
        if (&cell->tried[i] != tried && cell->tried[i].endpoint == tried->endpoint) {
            return true;
        }
    }
    return false;
}

/* More tries than a few may be a phone that begins anew each time, but no phone has several accounts
 * that all fail. From ten on it is registration-bruteforce's. */
static bool counts(const struct cell *cell, const struct tried *tried, uint32_t now_ms,
                   uint64_t window_ns)
{
    return remembered_within(&tried->phone.is, now_ms, window_ns, WINDOW_WEEK_NS) &&
           tried->is_phone == 0 &&
           (tried->tries <= TRIES_MAX || (tried->tries <= TRIES_SHARED && is_shared(cell, tried)));
}

static bool is_lonely(const struct cell *cell, const struct tried *tried, uint32_t now_ms,
                      uint64_t window_ns)
{
    if (remembered_age_ms(&tried->phone.is, now_ms) >= PHONE_BACK_MS) {
        return false;
    }
    for (uint32_t i = 0; i < cell->used; i++) {
        if (&cell->tried[i] != tried && cell->tried[i].endpoint == tried->endpoint &&
            counts(cell, &cell->tried[i], now_ms, window_ns)) {
            return false;
        }
    }
    return true;
}

static struct tally tally_of(const struct cell *cell, uint32_t now_ms, uint64_t window_ns,
                             uint64_t threshold)
{
    struct tally tally = {0};

    for (uint32_t i = 0; i < cell->used; i++) {
        if (counts(cell, &cell->tried[i], now_ms, window_ns)) {
            tally.oldest_ms = remembered_older(remembered_age_ms(&cell->tried[i].phone.is, now_ms),
                                               tally.oldest_ms);
            tally.accounts++;
        }
    }
    for (uint32_t i = 0; tally.accounts >= threshold && i < cell->used; i++) {
        tally.lonely += counts(cell, &cell->tried[i], now_ms, window_ns) &&
                        is_lonely(cell, &cell->tried[i], now_ms, window_ns);
    }
    return tally;
}

/* Its key is a network; whom to blame is one address only where all tries came from it. */
static bool is_one_source(const struct cell *cell, uint32_t now_ms, uint64_t window_ns,
                          uint32_t address)
{
    for (uint32_t i = 0; i < cell->used; i++) {
        if (counts(cell, &cell->tried[i], now_ms, window_ns) && cell->tried[i].address != address) {
            return false;
        }
    }
    return true;
}

static uint32_t names_of(const struct cell *cell, uint32_t now_ms, uint64_t window_ns,
                         struct slice *names)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < cell->used && count < NAMES_MAX; i++) {
        if (cell->tried[i].name != 0 && counts(cell, &cell->tried[i], now_ms, window_ns)) {
            names[count++] = slice_of_string(cell->names[cell->tried[i].name - 1]);
        }
    }
    return count;
}

static void say(struct detector_context *context, const struct cell *cell,
                const struct tally *tally, const struct fact *fact, struct finding *finding)
{
    const struct fact_transaction *try = &fact->is.transaction;
    char buffer[160];
    struct text detail = text_into(buffer, sizeof buffer);
    struct slice names[NAMES_MAX];
    bool spread = tally->lonely * 5 >= tally->accounts * 4;

    finding->severity = spread ? 1 : 3;
    confidence_start(&finding->confidence, 40, "condition met");
    confidence_source(&finding->confidence, &try->client);
    if (spread) {
        confidence_add(&finding->confidence, -20, "an endpoint for each account, as phones have");
    }
    if (!try->account_known) {
        confidence_add(&finding->confidence, 15, "accounts that never had success");
    }
    if (detector_recent(context, "enumeration", fact, WINDOW_WEEK_NS)) {
        confidence_add(&finding->confidence, 15, "asked for names before");
    }
    confidence_margin(&finding->confidence, finding->observed, finding->threshold);
    text_format(&detail, "failed to log in on %" PRIu32 " accounts with few tries each",
                tally->accounts);
    finding->detail = text_slice(&detail);
    finding->account = try->account;
    finding->account_count =
        names_of(cell, remembered_ms(fact->time_ns), finding->window_ns, names);
    finding->accounts = names;
    finding->one_source = is_one_source(cell, remembered_ms(fact->time_ns), finding->window_ns,
                                        address_of(context, fact));
    detector_raise(context, finding);
}

static void judge(struct detector_context *context, const struct cell *cell,
                  const struct conf *conf, const struct fact *fact)
{
    const struct limit limits[LIMITS] = {{conf->window_ns, conf->accounts},
                                         {NS_PER_DAY, conf->accounts_day},
                                         {WINDOW_WEEK_NS, conf->accounts_week}};
    uint32_t now_ms = remembered_ms(fact->time_ns);
    uint32_t good = fact->is.transaction.client.site_good_accounts;

    for (size_t i = 0; i < LIMITS; i++) {
        struct tally tally = tally_of(cell, now_ms, limits[i].window_ns, limits[i].threshold);
        if (tally.accounts < limits[i].threshold || good * 5 >= good + tally.accounts) {
            continue;
        }
        struct finding finding = {.stage = 3, .proven_needed = true};
        limit_tell(&limits[i], tally.accounts, tally.oldest_ms, "accounts", &finding);
        say(context, cell, &tally, fact, &finding);
        return;
    }
}

static void password_spray_on_fact(struct detector_context *context, void *lane, void *memory,
                                   const void *configuration, const struct fact *fact)
{
    const struct conf *conf = configuration;
    struct cell *cell = memory;
    (void)lane;

    if (cell == NULL) {
        return;
    }
    if (time_since(fact->time_ns, cell->last_ns) > WINDOW_WEEK_NS) {
        *cell = (struct cell){.used = 0}; /* before milliseconds could wrap */
    }
    cell->last_ns = fact->time_ns;
    note(context, cell, fact, conf->window_ns);
    judge(context, cell, conf, fact);
}

static bool password_spray_take_up(void *lane, void *memory)
{
    const struct cell *cell = memory;
    bool sound = cell == NULL || (cell->used <= ACCOUNTS_MAX && cell->names_used <= NAMES_MAX);
    (void)lane;

    for (unsigned i = 0; sound && cell != NULL && i < ACCOUNTS_MAX; i++) {
        sound = cell->tried[i].name <= cell->names_used;
    }
    for (unsigned i = 0; sound && cell != NULL && i < NAMES_MAX; i++) {
        sound = memchr(cell->names[i], '\0', NAME_BYTES) != NULL;
    }
    return sound;
}

const struct detector detector_password_spray = {
    .slug = "password-spray",
    .title = "few passwords tried on many accounts",
    .category = "authentication",
    .sees = "one address or network that fails to log in on many accounts, with few tries on each",
    .blind = "an attacker with an address in another network for each account, and networks that "
             "are mostly ours",
    .false_alarms = "a new site whose phones were all given wrong passwords, until the first of "
                    "them has success",
    .advice =
        "Block the network at the edge and look for weak passwords among the accounts named here.",
    .example =
        "203.0.113.52 failed to log in on 6 accounts with few tries each (in 1.67 min; limit 6 "
        "accounts in 10 min). Block the network at the edge and look for weak passwords among "
        "the accounts named here.",
    .tactic = {"TA0006", "Credential Access"},
    .attack = {"T1110.003"},
    .severity = 3,
    .stage = 3,
    .key = KEY_SOURCE_PREFIX,
    .wants = FACT_BIT(TRANSACTION),
    .transaction_ends = 1 << FACT_TRANSACTION_LOGIN_FAILED,
    .lane_bytes = sizeof(struct lane),
    .conf_bytes = sizeof(struct conf),
    .slab_bytes = sizeof(struct cell),
    .slab_option = "networks",
    .options = options,
    .kept = 2,
    .take_up = password_spray_take_up,
    .heeds = password_spray_heeds,
    .on_fact = password_spray_on_fact,
};
