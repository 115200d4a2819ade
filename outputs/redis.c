/* redis.c - a stream of Redis for each dataset.
 *
 *     XADD earshot:alert MAXLEN ~ 100000 * dataset earshot.alert id <event.id> json <the record>
 *
 * Records wait in the queue; of the oldest at most IN_FLIGHT_MAX are on their way, and Redis answers
 * in the order in which it was asked:
 *
 *     queue ─take→ asked [record, record, record] ─answer→ acknowledge, drop or give back
 *
 * A connection begins with AUTH and SELECT where they are set, and PING: no record goes to who does
 * not answer as Redis does. (A user who may not PING is Redis too.)
 *
 * What Redis refuses for now (it loads, its memory is full, the password is wrong, it is a replica)
 * is given back; nothing more is sent until what is on its way has been answered, then the connection
 * is closed and made anew after a pause that doubles from 0.5 to 30 s. What Redis can never take (the
 * key holds something else) is dropped and counted. When the connection breaks, what was on its way
 * may have arrived: it is sent again, and event.id tells a reader so. After a failure one record goes
 * alone; when it is acknowledged the others follow.
 *
 * Limits: no TLS (hiredis 0.14 has none), so another host is refused unless told. Where Redis refuses
 * a record and at that very moment begins to take again, those behind it on their way may stand before
 * it; event.sequence has the order. What Redis acknowledged and lost itself is Redis's to keep. */
#include "outputs/live_clock.h"
#include "outputs/queue.h"
#include "outputs/redis_wire.h"
#include "outputs/standing.h"

#include "base/log.h"

#include <sys/un.h>

enum { IN_FLIGHT_MAX = 100, ASKED_MAX = IN_FLIGHT_MAX + 4, UNSENT_BYTES_MAX = 1 << 20 };
enum { PREFIX_BYTES = 128, STREAM_BYTES = PREFIX_BYTES + 32, SAID_MAX = 8, CODE_BYTES = 24 };
#define CONNECT_NS (3 * NS_PER_S)
#define ANSWER_NS (10 * NS_PER_S)

struct conf {
    char address[OPTION_TEXT_BYTES];
    uint64_t port;
    char socket[OPTION_TEXT_BYTES];
    bool allow_plaintext;
    char user[OPTION_TEXT_BYTES];
    char password[OPTION_TEXT_BYTES];
    uint64_t db;
    char stream_prefix[OPTION_TEXT_BYTES];
    uint64_t maxlen;
    uint64_t queue_bytes;
};

/* clang-format off */
static const struct option options[] = {
    OPTION("address", TEXT, conf, address, NULL, "127.0.0.1", NULL, "address of the server, never a name; other than of this host only with allow_plaintext"),
    OPTION("port", COUNT, conf, port, "1", "6379", "65535", "its TCP port"),
    OPTION("socket", TEXT, conf, socket, NULL, "", NULL, "path of its Unix socket, instead of address and port"),
    OPTION("allow_plaintext", BOOL, conf, allow_plaintext, NULL, "false", NULL, "send records and password to another host unencrypted; better is a tunnel that ends on this host"),
    OPTION("user", TEXT, conf, user, NULL, "", NULL, "user of the access list; empty: the default user"),
    OPTION_SECRET("password", conf, password, "its password; empty: none is sent"),
    OPTION("db", COUNT, conf, db, "0", "0", "65535", "number of the database"),
    OPTION("stream_prefix", TEXT, conf, stream_prefix, NULL, "earshot:", NULL, "name of a stream: this and the dataset without 'earshot.'"),
    OPTION("maxlen", COUNT, conf, maxlen, "1", "100000", "1G", "records that a stream keeps, about: the oldest beyond are cut off by Redis"),
    OPTION("queue", BYTES, conf, queue_bytes, "256KiB", "16MiB", "1GiB", "memory for records that wait; what does not fit is lost and counted, the least valuable first"),
    {.kind = OPTION_END},
};
/* clang-format on */

enum state {
    STATE_RESTING, /* no connection until rest_until_ns */
    STATE_CONNECTING,
    STATE_GREETING, /* who we are, which database */
    STATE_READY,
    STATE_DRAINING, /* it refused: nothing is sent, what is on its way is waited for */
};

enum ask { ASK_LET_IN, ASK_PING, ASK_RECORD };

struct asked {
    enum ask ask;
    struct queue_item *item; /* of a record */
};

struct redis {
    const struct output_host *host;
    struct conf conf;
    struct wire_target target;
    struct queue *queue;
    struct redis_wire *wire; /* NULL while resting */
    enum state state;
    struct asked asked[ASKED_MAX]; /* oldest at asked_first */
    uint32_t asked_first;
    uint32_t asked_count;
    uint32_t window; /* so many may be on their way */
    uint64_t since_ns; /* connecting: since the beginning; else since the last answer or command */
    uint64_t rest_until_ns;
    struct standing standing;
    /* what was said of the far end since it last worked */
    uint32_t said_count;
    char said[SAID_MAX][CODE_BYTES];
    char streams[DATASET_COUNT][STREAM_BYTES];
    char maxlen[24];
};

/* --- what is said --- */

/* Each kind of trouble once, until it works again. */
static bool is_new(struct redis *redis, struct slice code)
{
    struct slice kept = slice_part(code, 0, CODE_BYTES - 1);

    for (uint32_t i = 0; i < redis->said_count; i++) {
        if (slice_equal(slice_of_string(redis->said[i]), kept)) {
            return false;
        }
    }
    if (redis->said_count == SAID_MAX) {
        return false;
    }
    char *at = redis->said[redis->said_count++];
    memset(at, 0, CODE_BYTES);
    memcpy(at, kept.at, kept.bytes);
    return true;
}

/* A far end that does not know a command repeats what stood behind it: records, or the password. */
static struct slice without_our_words(struct slice why)
{
    static const char words[] = ", with args";
    const char *at = why.bytes == 0 ? NULL : memmem(why.at, why.bytes, words, sizeof words - 1);

    return at == NULL ? why : slice_part(why, 0, (size_t)(at - why.at));
}

static void say(struct redis *redis, struct slice code, struct slice why, const char *what)
{
    char raw[4 * WIRE_TEXT_BYTES];
    char place[OPTION_TEXT_BYTES + ENDPOINT_TEXT_BYTES];
    struct text printed = text_into(raw, sizeof raw - 1);
    struct text where = text_into(place, sizeof place - 1);

    if (!is_new(redis, code)) {
        return;
    }
    if (why.bytes > 0 && why.at[why.bytes - 1] == '.') {
        why = slice_part(why, 0, why.bytes - 1);
    }
    why = without_our_words(why);
    text_printable(&printed, slice_part(why, 0, WIRE_TEXT_BYTES - 1));
    if (redis->target.path != NULL) {
        text_string(&where, redis->target.path);
    } else {
        text_endpoint(&where, &redis->target.endpoint);
    }
    log_seldom(LOG_ERROR, "output %s: redis at %s: %s; %s", redis->host->name,
               text_terminate(&where), text_terminate(&printed), what);
}

static void works(struct redis *redis, uint64_t now_ns)
{
    redis->window = IN_FLIGHT_MAX;
    redis->host->tally->away = false;
    standing_took(&redis->standing, now_ns);
}

static void say_steady(struct redis *redis, uint64_t now_ns)
{
    if (standing_is_back(&redis->standing, now_ns)) {
        log_seldom(LOG_INFO, "output %s: redis takes records again; %" PRIu64 " wait",
                   redis->host->name, redis->host->tally->waiting);
        redis->said_count = 0;
    }
}

/* --- the connection's life --- */

static void rest(struct redis *redis, uint64_t now_ns)
{
    redis_wire_close(redis->wire);
    redis->wire = NULL;
    redis->asked_count = 0;
    queue_give_all_back(redis->queue, true);
    redis->state = STATE_RESTING;
    redis->window = 1;
    (void)standing_fell(&redis->standing); /* each kind of trouble was said by itself */
    redis->rest_until_ns = now_ns + standing_pause(&redis->standing);
    redis->host->tally->away = true;
}

static void fail(struct redis *redis, struct slice code, struct slice why, uint64_t now_ns)
{
    say(redis, code, why, "records wait, it is tried again");
    rest(redis, now_ns);
}

static void connect_now(struct redis *redis, uint64_t now_ns)
{
    struct error error = {0};

    if (redis_wire_open(redis->host->loop, &redis->target, &redis->wire, &error) != STATUS_OK) {
        fail(redis, SLICE("memory"), slice_of_string(error.message), now_ns);
        return;
    }
    redis->state = STATE_CONNECTING;
    redis->since_ns = now_ns;
}

static void ask(struct redis *redis, const struct slice *words, size_t count, enum ask what,
                struct queue_item *item)
{
    assert(redis->asked_count < ASKED_MAX);
    redis->asked[(redis->asked_first + redis->asked_count) % ASKED_MAX] =
        (struct asked){what, item};
    redis->asked_count++;
    redis_wire_send(redis->wire, words, count);
}

static void greet(struct redis *redis, uint64_t now_ns)
{
    const struct conf *conf = &redis->conf;
    char number[24];

    redis->state = STATE_GREETING;
    redis->since_ns = now_ns;
    if (conf->password[0] != '\0') {
        struct slice words[] = {SLICE("AUTH"), slice_of_string(conf->user),
                                slice_of_string(conf->password)};
        if (conf->user[0] == '\0') { /* the form that servers before version 6 know too */
            words[1] = words[2];
        }
        ask(redis, words, conf->user[0] == '\0' ? 2 : 3, ASK_LET_IN, NULL);
    }
    if (conf->db != 0) {
        struct text text = text_into(number, sizeof number);
        text_u64(&text, conf->db);
        const struct slice words[] = {SLICE("SELECT"), text_slice(&text)};
        ask(redis, words, 2, ASK_LET_IN, NULL);
    }
    ask(redis, &SLICE("PING"), 1, ASK_PING, NULL);
}

/* --- records --- */

static void add(struct redis *redis, struct queue_item *item)
{
    char id[40];
    struct text text = text_into(id, sizeof id);

    text_hash128(&text, item->id);
    const struct slice words[] = {
        SLICE("XADD"),
        slice_of_string(redis->streams[item->dataset]),
        SLICE("MAXLEN"),
        SLICE("~"),
        slice_of_string(redis->maxlen),
        SLICE("*"),
        SLICE("dataset"),
        slice_of_string(dataset_rows[item->dataset].name),
        SLICE("id"),
        text_slice(&text),
        SLICE("json"),
        item->text,
    };
    ask(redis, words, sizeof words / sizeof words[0], ASK_RECORD, item);
}

static void pump(struct redis *redis, uint64_t now_ns)
{
    while (redis->state == STATE_READY && redis->asked_count < redis->window &&
           redis_wire_unsent(redis->wire) < UNSENT_BYTES_MAX) {
        struct queue_item *item = queue_take(redis->queue);
        if (item == NULL) {
            break;
        }
        if (redis->asked_count == 0) {
            redis->since_ns = now_ns;
        }
        add(redis, item);
    }
}

/* --- answers --- */

static struct slice code_of(struct slice text)
{
    return slice_part(text, 0, slice_find(text, ' '));
}

/* All but this can be mended, so all else waits: also what is not known here. */
static bool is_for_ever(struct slice code)
{
    return slice_equal(code, SLICE("WRONGTYPE"));
}

static void take_refusal(struct redis *redis, struct asked asked, struct slice text)
{
    struct slice code = code_of(text);

    if (asked.ask == ASK_PING && slice_equal(code, SLICE("NOPERM"))) {
        return;
    }
    if (asked.ask == ASK_RECORD && is_for_ever(code)) {
        say(redis, code, text, "such records are lost and counted");
        queue_drop(redis->queue, asked.item);
        return;
    }
    if (redis->state != STATE_DRAINING) { /* what follows is refused for the same reason */
        say(redis, code, text, "records wait, it is tried again");
    }
    redis->state = STATE_DRAINING;
    redis->host->tally->away = true;
    if (asked.ask == ASK_RECORD) {
        queue_give_back(redis->queue, asked.item, false);
    }
}

/* What XADD answers: the time and a number, such as 1767600000000-0. */
static bool is_entry_id(struct slice text)
{
    size_t dash = slice_find(text, '-');
    uint64_t number;

    return slice_u64(slice_part(text, 0, dash), &number) &&
           slice_u64(slice_from(text, dash + 1), &number);
}

static void take_one(struct redis *redis, const struct wire_answer *answer, uint64_t now_ns)
{
    struct slice text = slice_of(answer->text, answer->bytes);
    struct asked asked = redis->asked[redis->asked_first];

    redis->asked_first = (redis->asked_first + 1) % ASKED_MAX;
    redis->asked_count--;
    redis->since_ns = now_ns;
    if (answer->refused) {
        take_refusal(redis, asked, text);
    } else if (asked.ask == ASK_RECORD && !is_entry_id(text)) {
        fail(redis, SLICE("garbage"), SLICE("its answer to XADD is no id of an entry"), now_ns);
    } else if (asked.ask == ASK_RECORD) {
        queue_acknowledge(redis->queue, asked.item);
        if (redis->state != STATE_DRAINING) {
            works(redis, now_ns);
        }
    } else if (asked.ask == ASK_PING && !slice_equal(text, SLICE("PONG"))) {
        fail(redis, SLICE("garbage"), SLICE("what answers there is no Redis"), now_ns);
    }
}

static void take_answers(struct redis *redis, uint64_t now_ns)
{
    struct wire_answer answer;

    while (redis->wire != NULL && redis_wire_next(redis->wire, &answer)) {
        struct slice text = slice_of(answer.text, answer.bytes);
        if (redis->asked_count > 0) {
            take_one(redis, &answer, now_ns);
        } else if (answer.refused) { /* before anything was asked: it has no room, or no wish */
            fail(redis, code_of(text), text, now_ns);
        } else {
            fail(redis, SLICE("garbage"), SLICE("it answers what was not asked"), now_ns);
        }
    }
}

/* --- the output --- */

static void check_wire(struct redis *redis, uint64_t now_ns)
{
    uint64_t waited_ns = time_since(now_ns, redis->since_ns);

    if (redis_wire_state(redis->wire) == WIRE_BROKEN) {
        fail(redis, redis_wire_lied(redis->wire) ? SLICE("garbage") : SLICE("connection"),
             slice_of_string(redis_wire_why(redis->wire)), now_ns);
    } else if (redis->state == STATE_CONNECTING && redis_wire_state(redis->wire) == WIRE_UP) {
        greet(redis, now_ns);
    } else if (redis->state == STATE_CONNECTING && waited_ns >= CONNECT_NS) {
        fail(redis, SLICE("connection"), SLICE("no connection within 3 s"), now_ns);
    } else if (redis->asked_count > 0 && waited_ns >= ANSWER_NS) {
        fail(redis, SLICE("answer"), SLICE("no answer within 10 s"), now_ns);
    }
}

static void redis_poll(void *instance)
{
    struct redis *redis = instance;
    uint64_t now_ns = live_clock_steady_ns();

    if (redis->state == STATE_RESTING && now_ns >= redis->rest_until_ns) {
        connect_now(redis, now_ns);
    }
    if (redis->wire != NULL) {
        take_answers(redis, now_ns);
    }
    if (redis->wire != NULL) {
        check_wire(redis, now_ns);
    }
    if (redis->state == STATE_GREETING && redis->asked_count == 0) {
        redis->state = STATE_READY;
    }
    if (redis->state == STATE_DRAINING && redis->asked_count == 0) {
        rest(redis, now_ns);
    }
    if (redis->state == STATE_READY) {
        say_steady(redis, now_ns);
    }
    pump(redis, now_ns);
}

static enum output_result redis_send(void *instance, const struct record *record,
                                     struct slice encoded)
{
    struct redis *redis = instance;

    return queue_put(redis->queue, record, SLICE_NONE, SLICE_NONE, encoded);
}

static void redis_close(void *instance)
{
    struct redis *redis = instance;

    say_steady(redis, UINT64_MAX);
    redis_wire_close(redis->wire);
    if (redis->queue != NULL) {
        queue_close(redis->queue);
    }
    free(redis);
}

static enum status target_of(const struct conf *conf, struct wire_target *out_target,
                             struct error *error)
{
    struct addr addr;

    if (conf->socket[0] != '\0') {
        if (strlen(conf->socket) >= sizeof((struct sockaddr_un *)NULL)->sun_path) {
            return error_set(error, STATUS_USAGE, "socket",
                             "a path of fewer than %zu bytes is allowed",
                             sizeof((struct sockaddr_un *)NULL)->sun_path);
        }
        *out_target = (struct wire_target){.path = conf->socket};
        return STATUS_OK;
    }
    if (!addr_parse(slice_of_string(conf->address), &addr)) {
        return error_set(error, STATUS_USAGE, "address", "found '%s', an IP address is allowed",
                         conf->address);
    }
    if (!conf->allow_plaintext && !addr_is_loopback(&addr)) {
        return error_set(error, STATUS_USAGE, "address",
                         "%s is another host, and the connection is not encrypted; use a tunnel, "
                         "or set allow_plaintext: true if that is meant",
                         conf->address);
    }
    *out_target = (struct wire_target){.endpoint = {addr, (uint16_t)conf->port}};
    return STATUS_OK;
}

static enum status redis_check(const void *conf_bytes, struct error *error)
{
    const struct conf *conf = conf_bytes;
    struct wire_target target;

    if (conf->user[0] != '\0' && conf->password[0] == '\0') {
        return error_set(error, STATUS_USAGE, "user", "a user needs a password");
    }
    if (strlen(conf->stream_prefix) > PREFIX_BYTES) {
        return error_set(error, STATUS_USAGE, "stream_prefix", "at most %d bytes are allowed",
                         (int)PREFIX_BYTES);
    }
    return target_of(conf, &target, error);
}

static void name_streams(struct redis *redis)
{
    for (unsigned i = 0; i < DATASET_COUNT; i++) {
        struct text text = text_into(redis->streams[i], STREAM_BYTES - 1);
        text_string(&text, redis->conf.stream_prefix);
        text_slice_put(&text, slice_from(slice_of_string(dataset_rows[i].name), 8));
        assert(!text.overflow);
        (void)text_terminate(&text);
    }
    struct text text = text_into(redis->maxlen, sizeof redis->maxlen - 1);
    text_u64(&text, redis->conf.maxlen);
    (void)text_terminate(&text);
}

static enum status redis_open(const struct output_host *host, const void *conf_bytes,
                              void **out_instance, struct error *error)
{
    const struct conf *conf = conf_bytes;
    enum status status = redis_check(conf, error);

    if (status != STATUS_OK) {
        return status;
    }
    struct redis *redis = calloc(1, sizeof *redis);
    if (redis == NULL) {
        return error_set(error, STATUS_FAILED, host->name, "no memory");
    }
    redis->host = host;
    redis->conf = *conf;
    redis->window = 1;
    name_streams(redis);
    struct queue_options queue_options = {
        .bytes_max = conf->queue_bytes, .live = host->live, .tally = host->tally};
    status = target_of(&redis->conf, &redis->target, error);
    if (status == STATUS_OK) {
        status = queue_open(&queue_options, &redis->queue, error);
    }
    if (status != STATUS_OK) {
        redis_close(redis);
        return status;
    }
    *out_instance = redis;
    return STATUS_OK;
}

extern const struct output output_redis;
const struct output output_redis = {
    .type = "redis",
    .title = "streams of a Redis server, one for each dataset",
    .conf_bytes = sizeof(struct conf),
    .formats = 1U << OUTPUT_JSON,
    .options = options,
    .check = redis_check,
    .open = redis_open,
    .send = redis_send,
    .poll = redis_poll,
    .flush = redis_poll,
    .close = redis_close,
};
