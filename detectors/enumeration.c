/* enumeration.c - a source asks one server for many user names to learn which exist.
 *
 *      cell   users[64]  {name, hashed | last and first asked | Call-ID, CSeq | port | outcome}
 *
 * A user counts when it has been asked for without credentials, never registered, and neither
 * logged in nor tried to. Thresholds are exact over the last 64 users: three windows. The rest
 * keeps honest traffic out:
 *
 *   - a source with accepted credentials, or that is a server itself, is no stranger;
 *   - the same user again under the same Call-ID with a rising CSeq is a forgotten phone;
 *   - a challenge that is followed by credentials is a login, and what rang or was busy is a call; the
 *     credentials of a call are heeded as they are sent, for its answer may take a minute;
 *   - users asked from ports of their own are phones behind one address: such a user counts only
 *     when no phone came back for it in 35 minutes.
 *
 * That a server answers for users that exist and for others differently is what makes asking
 * worthwhile: only when both answers were seen, users are confirmed. A server that challenges every
 * name tells nothing. Accounts that log in elsewhere confirm, but do not count. */
#include "detectors/frame/key.h"
#include "detectors/frame/limit.h"
#include "detectors/frame/phone.h"

enum { USERS_MAX = 64, FOUND_MAX = 4, FOUND_BYTES = 24, RUN_MARK = 8, ASKS_MAX = 2 };
enum { EXISTS = 1, MISSING = 2, INNOCENT = 4, SUCCEEDED = 8, KNOWN = 16 };

struct conf {
    uint64_t users;
    uint64_t window_ns;
    uint64_t users_hour;
    uint64_t users_day;
    uint64_t sources;
};

/* clang-format off */
static const struct option options[] = {
    OPTION("users", COUNT, conf, users, "2", "15", "64", "user names asked for within the window that make an enumeration"),
    OPTION("window", DURATION_NS, conf, window_ns, "1s", "60s", "1h", "length of the fast window"),
    OPTION("users_hour", COUNT, conf, users_hour, "2", "25", "64", "user names asked for within an hour"),
    OPTION("users_day", COUNT, conf, users_day, "2", "50", "64", "user names asked for within a day"),
    OPTION_TABLE_SIZE("sources", COUNT, conf, sources, "64", "32768", "1M", "pairs of source and server whose questions are remembered"),
    {.kind = OPTION_END},
};
/* clang-format on */

struct lane {
    uint32_t handle;
};

struct user {
    struct phone phone;
    uint16_t port;
    uint8_t asks;
    uint8_t flags;
};

struct cell {
    uint64_t last_ns;
    uint64_t number; /* the last user name, where it is one */
    uint32_t used;
    uint16_t run; /* of numbers that follow each other */
    uint16_t longest_run;
    uint32_t found;
    char names[FOUND_MAX][FOUND_BYTES]; /* of users that exist */
    uint32_t options_differ; /* this server has said of some user that there is none, to OPTIONS */
    struct user users[USERS_MAX];
};

struct tally {
    uint32_t users;
    uint32_t known; /* accounts of others, beside them */
    uint32_t exist;
    uint32_t missing;
    uint32_t succeeded;
    uint32_t rarely; /* asked at most twice */
    uint32_t same_port; /* as this fact */
    uint32_t oldest_ms;
};

static bool is_call(uint8_t method)
{
    return method == FACT_METHOD_INVITE || method == FACT_METHOD_SUBSCRIBE;
}

static bool enumeration_heeds(const struct fact *fact)
{
    if (fact->kind == FACT_MESSAGE) {
        return fact->is.message.method == FACT_METHOD_INVITE && fact->is.message.has_credentials &&
               !fact->is.message.is_response;
    }
    const struct fact_transaction *asked = &fact->is.transaction;

    return !fact->forced && asked->status >= 200 && asked->target_user.bytes > 0 &&
           (asked->method == FACT_METHOD_REGISTER || asked->method == FACT_METHOD_OPTIONS ||
            is_call(asked->method)) &&
           !asked->client.is_server && asked->client.good_accounts == 0;
}

/* The call reached someone, or nobody was at home: nobody asks like this to learn names. */
static bool is_reached(uint16_t status)
{
    return status < 300 || status == 408 || status == 480 || status == 486 || status == 487 ||
           status == 600 || status == 603;
}

static uint8_t outcome_of(const struct fact_transaction *asked)
{
    if (asked->has_credentials) {
        return asked->status < 300 ? INNOCENT | SUCCEEDED : INNOCENT;
    }
    if (asked->account_known && asked->method == FACT_METHOD_REGISTER) {
        bool told = asked->user_exists && !asked->place_known;
        return told ? KNOWN | EXISTS : INNOCENT;
    }
    if (asked->method == FACT_METHOD_REGISTER && asked->status < 300) {
        return INNOCENT | SUCCEEDED;
    }
    if (is_call(asked->method) && is_reached(asked->status)) {
        return INNOCENT | SUCCEEDED;
    }
    if (asked->user_exists) {
        return EXISTS;
    }
    return asked->status == 404 || asked->status == 403 || asked->status == 604 ? MISSING : 0;
}

static struct tally tally_of(const struct cell *cell, uint32_t now_ms, uint64_t window_ns,
                             uint16_t port, bool held)
{
    struct tally tally = {0};

    for (uint32_t i = 0; i < cell->used; i++) {
        const struct user *user = &cell->users[i];
        uint32_t age_ms = remembered_age_ms(&user->phone.is, now_ms);
        if (!remembered_within(&user->phone.is, now_ms, window_ns, NS_PER_DAY)) {
            continue;
        }
        tally.succeeded += (user->flags & SUCCEEDED) != 0;
        if ((user->flags & INNOCENT) != 0 || (held && age_ms < PHONE_BACK_MS)) {
            continue;
        }
        tally.exist += (user->flags & EXISTS) != 0;
        if ((user->flags & KNOWN) != 0) {
            tally.known++;
            continue;
        }
        tally.users++;
        tally.missing += (user->flags & MISSING) != 0;
        tally.rarely += user->asks <= ASKS_MAX;
        tally.same_port += user->port == port;
        tally.oldest_ms = remembered_older(age_ms, tally.oldest_ms);
    }
    return tally;
}

static void note_run(struct cell *cell, struct slice user)
{
    uint64_t number;

    if (!slice_u64(user, &number)) {
        cell->run = 0;
        return;
    }
    cell->run =
        number == cell->number + 1 && cell->run < UINT16_MAX ? (uint16_t)(cell->run + 1) : 1;
    cell->number = number;
    cell->longest_run = cell->run > cell->longest_run ? cell->run : cell->longest_run;
}

static void note_found(struct cell *cell, struct slice user)
{
    if (cell->found < FOUND_MAX) {
        struct text name = text_into(cell->names[cell->found], FOUND_BYTES - 1);
        key_write_printable(&name, user); /* its beginning, where it does not fit */
        cell->names[cell->found][name.bytes] = '\0';
    }
    cell->found++;
}

/* True: a user that was not asked for lately, or not known to be one that counts. */
static bool note(struct detector_context *context, struct cell *cell, const struct fact *fact,
                 uint64_t window_ns)
{
    const struct fact_transaction *asked = &fact->is.transaction;
    uint32_t now_ms = remembered_ms(fact->time_ns);
    uint32_t call_id = (uint32_t)asked->call_id_hash;
    uint32_t hash = (uint32_t)hash_slice(detector_hash_key(context), asked->target_user);
    struct user *user = remembered_find(cell->users, cell->used, sizeof *user, hash);
    uint8_t outcome = outcome_of(asked);
    if (asked->method == FACT_METHOD_OPTIONS) {
        /* Most servers answer OPTIONS whatever the user: 200 tells only where 404 is said too. */
        cell->options_differ |= (outcome & MISSING) != 0;
        outcome = cell->options_differ != 0 ? outcome : 0;
    }
    bool fresh = user == NULL || now_ms - user->phone.is.last_ms >= window_ns / NS_PER_MS;

    if (user == NULL) {
        user = remembered_place(cell->users, &cell->used, USERS_MAX, sizeof *user, now_ms);
        *user = (struct user){.phone.is = {.hash = hash, .first_ms = now_ms}};
        note_run(cell, asked->target_user);
    } else if (!asked->has_credentials && phone_is_back(cell->users, cell->used, sizeof *user,
                                                        &user->phone, call_id, asked->cseq)) {
        outcome |= INNOCENT;
    }
    if ((outcome & EXISTS) != 0 && (user->flags & EXISTS) == 0) {
        note_found(cell, asked->target_user);
    }
    user->phone.is.last_ms = now_ms;
    user->phone.call_id = call_id;
    user->phone.cseq = asked->cseq;
    user->port = asked->client.endpoint.port;
    user->asks = user->asks < UINT8_MAX ? (uint8_t)(user->asks + 1) : user->asks;
    user->flags |= outcome;
    return fresh && (user->flags & INNOCENT) == 0;
}

static void write_detail(struct text *detail, const struct cell *cell, const struct tally *tally,
                         const struct fact_transaction *asked)
{
    text_string(detail, "asked ");
    text_addr(detail, &asked->server.endpoint.addr);
    text_format(detail, " for %" PRIu32 " user names", tally->users + tally->known);
    if (tally->exist > 0 && tally->missing > 0) {
        text_format(detail, " (%" PRIu32 " exist", cell->found);
        for (uint32_t i = 0; i < cell->found && i < FOUND_MAX; i++) {
            text_string(detail, i == 0 ? ": " : ", ");
            key_write_name(detail, slice_of_string(cell->names[i]), FOUND_BYTES);
        }
        text_string(detail, cell->found > FOUND_MAX ? " ...)" : ")");
    }
}

static void say(struct detector_context *context, const struct cell *cell,
                const struct tally *tally, const struct fact *fact, struct finding *finding)
{
    const struct fact_transaction *asked = &fact->is.transaction;
    char buffer[240];
    struct text detail = text_into(buffer, sizeof buffer);
    bool confirmed = tally->exist > 0 && tally->missing > 0;

    confidence_start(&finding->confidence, 40, "condition met");
    confidence_source(&finding->confidence, &asked->client);
    if (detector_recent(context, "scanner-fingerprint", fact, NS_PER_DAY)) {
        confidence_add(&finding->confidence, 15, "bears the marks of a tool");
    }
    if (cell->longest_run >= RUN_MARK) {
        confidence_add(&finding->confidence, 15, "names follow each other");
    }
    if (confirmed) {
        confidence_add(&finding->confidence, 15, "our answers tell users apart");
    }
    confidence_margin(&finding->confidence, finding->observed, finding->threshold);
    write_detail(&detail, cell, tally, asked);
    finding->severity = confirmed ? 3 : 2;
    finding->detail = text_slice(&detail);
    detector_raise(context, finding);
}

static void judge(struct detector_context *context, const struct cell *cell,
                  const struct conf *conf, const struct fact *fact)
{
    const struct limit limits[LIMITS] = {{conf->window_ns, conf->users},
                                         {NS_PER_HOUR, conf->users_hour},
                                         {NS_PER_DAY, conf->users_day}};
    uint16_t port = fact->is.transaction.client.endpoint.port;
    uint32_t now_ms = remembered_ms(fact->time_ns);

    for (size_t i = 0; i < LIMITS; i++) {
        if (cell->used < limits[i].threshold) {
            continue;
        }
        struct tally tally = tally_of(cell, now_ms, limits[i].window_ns, port, false);
        if (tally.users >= limits[i].threshold && tally.same_port * 5 <= tally.users) {
            tally = tally_of(cell, now_ms, limits[i].window_ns, port, true);
        }
        if (tally.users < limits[i].threshold || tally.rarely * 10 < tally.users * 7 ||
            tally.succeeded * 5 > tally.users + tally.succeeded) {
            continue;
        }
        struct finding finding = {.stage = 2, .proven_needed = true};
        limit_tell(&limits[i], tally.users, tally.oldest_ms, "users", &finding);
        say(context, cell, &tally, fact, &finding);
        return;
    }
}

/* Who was challenged for this call goes on with his password. */
static void note_credentials(struct detector_context *context, struct cell *cell,
                             struct slice target_user)
{
    uint32_t hash = (uint32_t)hash_slice(detector_hash_key(context), target_user);
    struct user *user = remembered_find(cell->users, cell->used, sizeof *user, hash);

    if (user != NULL) {
        user->flags |= INNOCENT;
    }
}

static void enumeration_on_fact(struct detector_context *context, void *lane, void *memory,
                                const void *configuration, const struct fact *fact)
{
    const struct conf *conf = configuration;
    struct cell *cell = memory;

    if (fact->kind == FACT_MESSAGE) {
        if (cell != NULL) {
            note_credentials(context, cell, fact->is.message.uri_user);
        }
        return;
    }
    cell = cell == NULL ? detector_cell(context, lane) : cell;
    if (cell == NULL) {
        return;
    }
    if (time_since(fact->time_ns, cell->last_ns) > NS_PER_DAY) {
        *cell = (struct cell){.used = 0}; /* before milliseconds could wrap */
    }
    cell->last_ns = fact->time_ns;
    if (note(context, cell, fact, conf->window_ns)) {
        judge(context, cell, conf, fact);
    }
}

static bool enumeration_take_up(void *lane, void *memory)
{
    const struct cell *cell = memory;
    bool sound = cell == NULL || cell->used <= USERS_MAX;
    (void)lane;

    for (unsigned i = 0; sound && cell != NULL && i < FOUND_MAX; i++) {
        sound = memchr(cell->names[i], '\0', FOUND_BYTES) != NULL;
    }
    return sound;
}

const struct detector detector_enumeration = {
    .slug = "enumeration",
    .title = "search for user names",
    .category = "reconnaissance",
    .sees = "one source that asks one server for many users it has no login for, by REGISTER, "
            "OPTIONS, INVITE or SUBSCRIBE",
    .blind =
        "asking from many addresses, asking with a stolen login, and servers that answer nothing",
    .false_alarms =
        "deleted users' phones behind one address that change their Call-ID with every try",
    .advice =
        "Block the address at the edge and let the server answer unknown and known users alike.",
    .example =
        "A source that claims to be 203.0.113.51 asked 192.0.2.10 for 15 user names (2 exist: "
        "1001, 1002) (in 7.028 s; limit 15 users in 1 min). Block the address at the edge and "
        "let the server answer unknown and known users alike.",
    .tactic = {"TA0007", "Discovery"},
    .attack = {"T1087", "T1595.003", "T1589"},
    .severity = 2,
    .stage = 2,
    .key = KEY_SOURCE_SERVER,
    .wants = FACT_BIT(TRANSACTION) | FACT_BIT(MESSAGE),
    .message_steps = 1 << FACT_MESSAGE_ASKS,
    .transaction_ends = 1 << FACT_TRANSACTION_LOGIN_FAILED | 1 << FACT_TRANSACTION_ANSWERED,
    .lane_bytes = sizeof(struct lane),
    .conf_bytes = sizeof(struct conf),
    .slab_bytes = sizeof(struct cell),
    .slab_option = "sources",
    .slab_on_demand = true,
    .options = options,
    .kept = 1,
    .take_up = enumeration_take_up,
    .heeds = enumeration_heeds,
    .on_fact = enumeration_on_fact,
};
