/* registration_bruteforce.c - one source guesses the password of one account.
 *
 *      cell   four sliding windows (60 s, 10 min, 24 h, 7 d) · a device gate for each of four
 *             phones · the last proofs
 *
 * Only authentication failures count: a final 401, 403 or 407 to a request with credentials whose
 * nonce was not stale. The first challenge is none, a retransmission is none, a forced end is none.
 *
 * A phone with an old password fails all day. What looks like one (frame/gate.h) is left to
 * registration-device-failing where the device or the network is ours; a foreign, unknown device is
 * told here with severity 2 at most. An IPv6 source is its /64. The user's phones stand side by side
 * behind one address or /64: each address and device has a gate of its own, and more than four within
 * a day are a guesser who takes a new one for each try. The slow thresholds are for devices that never
 * had success.
 *
 * Proof of guessing: two different digest responses for the same nonce, nc, cnonce, URI and method
 * are two passwords. One such pair can be a user who mistyped while his phone kept the nonce, so it
 * speaks from 5 failures on; then it lifts the gate and stands at confidence 95. */
#include "detectors/detector.h"
#include "detectors/frame/gate.h"
#include "detectors/frame/key.h"

#include "base/window.h"

enum { PROOFS = 6, HANDSETS = 4, PROOF_FAILURES = 5, ACCOUNT_SHOWN = 64, CONFIDENCE_PROOF = 95 };
#define WINDOW_MID_NS (10 * NS_PER_MINUTE)
#define WINDOW_DAY_NS NS_PER_DAY
#define WINDOW_WEEK_NS (7 * NS_PER_DAY)

enum { FAST, MID, DAY, WEEK, WINDOWS };

struct conf {
    uint64_t failures;
    uint64_t window_ns;
    uint64_t failures_mid;
    uint64_t failures_day;
    uint64_t failures_week;
    uint64_t pairs;
};

/* clang-format off */
static const struct option options[] = {
    OPTION("failures", COUNT, conf, failures, "2", "10", "10000", "failed logins within the window that raise the alarm"),
    OPTION("window", DURATION_NS, conf, window_ns, "1s", "60s", "10m", "length of the fast window"),
    OPTION("failures_mid", COUNT, conf, failures_mid, "2", "20", "10000", "failed logins within 10 minutes"),
    OPTION("failures_day", COUNT, conf, failures_day, "2", "60", "100000", "failed logins within a day, of a device without past success"),
    OPTION("failures_week", COUNT, conf, failures_week, "2", "150", "100000", "failed logins within a week, of a device without past success"),
    OPTION_TABLE_SIZE("pairs", COUNT, conf, pairs, "64", "65536", "1M", "pairs of source and account whose failures are remembered"),
    {.kind = OPTION_END},
};
/* clang-format on */

struct lane {
    uint32_t handle;
};

struct proof {
    uint64_t key;
    uint64_t response;
};

struct handset {
    uint64_t last_ns; /* 0: free */
    uint32_t hash;
    struct gate gate;
};

struct cell {
    uint64_t last_ns;
    uint64_t first_ns[WINDOWS]; /* since when no gap was longer than the window */
    uint64_t proven_ns; /* guessing was proven then; 0 = never */
    struct window windows[WINDOWS];
    struct proof proofs[PROOFS];
    struct handset handsets[HANDSETS];
    uint64_t changed_ns; /* another address than the one before failed then; 0 = never */
    uint64_t rotated_ns; /* one more than there is room for failed within a day; 0 = never */
    uint32_t last_address;
    uint32_t next_proof;
};

static bool registration_bruteforce_heeds(const struct fact *fact)
{
    return fact->is.transaction.auth_failure && !fact->forced;
}

/* Two passwords for one challenge. */
static bool see_proof(struct cell *cell, const struct fact_transaction *try)
{
    if (try->response_hash == 0 || try->nonce_hash == 0) {
        return false;
    }
    for (unsigned i = 0; i < PROOFS; i++) {
        if (cell->proofs[i].key == try->proof_key && cell->proofs[i].response != 0 &&
            cell->proofs[i].response != try->response_hash) {
            return true;
        }
    }
    cell->proofs[cell->next_proof] = (struct proof){try->proof_key, try->response_hash};
    cell->next_proof = (cell->next_proof + 1) % PROOFS;
    return false;
}

/* The gate of this phone; of those that have none left the one that was silent longest gives way. */
static struct gate *gate_of(struct cell *cell, uint32_t hash, uint64_t now_ns)
{
    struct handset *oldest = &cell->handsets[0];

    for (unsigned i = 0; i < HANDSETS; i++) {
        struct handset *phone = &cell->handsets[i];
        if (phone->last_ns != 0 && phone->hash == hash) {
            phone->last_ns = now_ns;
            return &phone->gate;
        }
        oldest = phone->last_ns < oldest->last_ns ? phone : oldest;
    }
    if (oldest->last_ns != 0 && time_since(now_ns, oldest->last_ns) < WINDOW_DAY_NS) {
        cell->rotated_ns = now_ns;
    }
    *oldest = (struct handset){.last_ns = now_ns, .hash = hash};
    return &oldest->gate;
}

static void see_address(struct cell *cell, uint32_t hash, const struct fact *fact)
{
    if (cell->last_ns != 0 && cell->last_address != hash) {
        cell->changed_ns = fact->time_ns;
    }
    cell->last_address = hash;
    uint32_t phone = (uint32_t)hash_mix(hash, fact->is.transaction.device_hash);
    gate_see(gate_of(cell, phone, fact->time_ns), fact);
}

/* Each of them may be a phone; one that failed once says nothing yet. */
static bool are_phones(const struct cell *cell, uint64_t now_ns)
{
    bool one = false;

    if (cell->rotated_ns != 0 && time_since(now_ns, cell->rotated_ns) < WINDOW_DAY_NS) {
        return false;
    }
    for (unsigned i = 0; i < HANDSETS; i++) {
        const struct handset *phone = &cell->handsets[i];
        bool holds = gate_holds(&phone->gate);
        if (phone->gate.failures > 1 && !holds &&
            time_since(now_ns, phone->last_ns) < WINDOW_DAY_NS) {
            return false;
        }
        one = one || holds;
    }
    return one;
}

static void lengths_of(const struct conf *conf, uint64_t *lengths)
{
    lengths[FAST] = conf->window_ns;
    lengths[MID] = WINDOW_MID_NS;
    lengths[DAY] = WINDOW_DAY_NS;
    lengths[WEEK] = WINDOW_WEEK_NS;
}

static void count(struct cell *cell, const uint64_t *lengths, uint64_t now_ns, uint32_t *sums)
{
    for (unsigned i = 0; i < WINDOWS; i++) {
        if (cell->last_ns == 0 || time_since(now_ns, cell->last_ns) >= lengths[i]) {
            cell->first_ns[i] = now_ns;
        }
        sums[i] = window_add(&cell->windows[i], now_ns, lengths[i], 1);
    }
}

/* The window that is over its threshold, shortest first; WINDOWS = none. */
static unsigned fired(const struct conf *conf, const uint32_t *sums, bool place_known, bool proven,
                      uint64_t *out_threshold)
{
    const uint64_t thresholds[WINDOWS] = {conf->failures, conf->failures_mid, conf->failures_day,
                                          conf->failures_week};

    for (unsigned i = 0; i < WINDOWS; i++) {
        if (sums[i] >= thresholds[i] && (i < DAY || !place_known)) {
            *out_threshold = thresholds[i];
            return i;
        }
    }
    if (proven && sums[MID] >= PROOF_FAILURES) {
        *out_threshold = PROOF_FAILURES;
        return MID;
    }
    return WINDOWS;
}

static void rate_confidence(struct detector_context *context, const struct fact *fact, bool proven,
                            struct finding *finding)
{
    const struct fact_transaction *try = &fact->is.transaction;

    if (proven) {
        confidence_start(&finding->confidence, CONFIDENCE_PROOF,
                         "two passwords for one challenge: proof of guessing");
        return;
    }
    confidence_start(&finding->confidence, 40, "condition met");
    confidence_source(&finding->confidence, &try->client);
    if (detector_recent(context, "scanner-fingerprint", fact, NS_PER_DAY) ||
        detector_recent(context, "enumeration", fact, WINDOW_WEEK_NS)) {
        confidence_add(&finding->confidence, 15, "scanned or asked for names before");
    }
    if (!try->account_known) {
        confidence_add(&finding->confidence, 15, "the account never had success");
    }
    if (try->place_known) {
        confidence_add(&finding->confidence, -20, "known device");
    }
    confidence_margin(&finding->confidence, finding->observed, finding->threshold);
}

static void say(struct detector_context *context, const struct fact *fact, bool proven,
                struct finding *finding)
{
    char buffer[200];
    struct text detail = text_into(buffer, sizeof buffer);
    struct slice account = slice_part(fact->is.transaction.account, 0, ACCOUNT_SHOWN);

    rate_confidence(context, fact, proven, finding);
    text_format(&detail, "failed %" PRIu64 " logins on account ", finding->observed);
    key_write_name(&detail, account, sizeof buffer - 96);
    if (finding->severity < 3) {
        text_string(&detail, " as a phone with a wrong password would");
    }
    finding->detail = text_slice(&detail);
    finding->account = fact->is.transaction.account;
    detector_raise(context, finding);
}

static void registration_bruteforce_on_fact(struct detector_context *context, void *lane,
                                            void *memory, const void *configuration,
                                            const struct fact *fact)
{
    const struct conf *conf = configuration;
    const struct fact_transaction *try = &fact->is.transaction;
    struct cell *cell = memory;
    uint64_t lengths[WINDOWS];
    uint32_t sums[WINDOWS];
    uint64_t threshold = 0;
    (void)lane;

    if (cell == NULL) {
        return;
    }
    lengths_of(conf, lengths);
    count(cell, lengths, fact->time_ns, sums);
    see_address(cell, (uint32_t)hash_addr(detector_hash_key(context), &try->client.endpoint.addr),
                fact);
    if (see_proof(cell, try)) {
        cell->proven_ns = fact->time_ns;
    }
    cell->last_ns = fact->time_ns;
    bool proven =
        cell->proven_ns != 0 && time_since(fact->time_ns, cell->proven_ns) < WINDOW_DAY_NS;
    unsigned window = fired(conf, sums, try->place_known, proven, &threshold);
    if (window == WINDOWS) {
        return;
    }
    bool phone = !proven && are_phones(cell, fact->time_ns);
    if (phone && (try->client.side != FACT_FOREIGN || try->device_known)) {
        return; /* registration-device-failing tells it */
    }
    uint64_t span_ns = time_since(fact->time_ns, cell->first_ns[window]);
    struct finding finding = {.severity = phone ? 2 : 3,
                              .stage = 3,
                              .proven_needed = true,
                              .one_source =
                                  cell->changed_ns == 0 ||
                                  time_since(fact->time_ns, cell->changed_ns) > lengths[window],
                              .count = sums[window],
                              .observed = sums[window],
                              .threshold = threshold,
                              .window_ns = lengths[window],
                              .unit = "failures",
                              .span_ns = span_ns < lengths[window] ? span_ns : lengths[window]};
    say(context, fact, proven, &finding);
}

static bool registration_bruteforce_take_up(void *lane, void *memory)
{
    const struct cell *cell = memory;
    (void)lane;

    return cell == NULL || cell->next_proof < PROOFS;
}

const struct detector detector_registration_bruteforce = {
    .slug = "registration-bruteforce",
    .title = "password guessing against one account",
    .category = "authentication",
    .sees =
        "one source that fails many logins on one account, from ten a minute down to 150 a week",
    .blind = "guessing shared among many sources, and a guesser who behaves exactly like a phone",
    .false_alarms = "a phone with a wrong password that starts a new Call-ID with every try",
    .advice = "Block the address at the edge and give the account a new, long password.",
    .example = "203.0.113.53 failed 10 logins on account 1004@voice.example.com (in 27 s; limit 10 "
               "failures in 1 min). Block the address at the edge and give the account a new, long "
               "password.",
    .tactic = {"TA0006", "Credential Access"},
    .attack = {"T1110.001"},
    .severity = 3,
    .stage = 3,
    .key = KEY_SOURCE_ACCOUNT,
    .wants = FACT_BIT(TRANSACTION),
    .transaction_ends = 1 << FACT_TRANSACTION_LOGIN_FAILED,
    .lane_bytes = sizeof(struct lane),
    .conf_bytes = sizeof(struct conf),
    .slab_bytes = sizeof(struct cell),
    .slab_option = "pairs",
    .options = options,
    .kept = 2,
    .take_up = registration_bruteforce_take_up,
    .heeds = registration_bruteforce_heeds,
    .on_fact = registration_bruteforce_on_fact,
};
