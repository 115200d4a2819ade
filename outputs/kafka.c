/* kafka.c - records as messages of Kafka, by librdkafka.
 *
 *   queue (ours, bytes bounded)                  producer (librdkafka's, a window of 10,000)
 *   ┌───────┬─────────────────────────┐           ┌─────────────────────────────┐
 *   │ taken │ waiting                 │ ─produce▶ │ points at the taken bytes   │ ──▶ brokers
 *   └───────┴─────────────────────────┘ ◀─report─ └─────────────────────────────┘
 *
 * The producer is never trusted to keep a record: it lies in our queue until its own delivery report
 * says that all replicas have it. So its bytes need no copy, and a producer can be thrown away at
 * any time. That happens when the library declares itself dead, which its idempotent producer
 * does after a lost answer and an error in a row (librdkafka 2.0.2; pull request 4438 mended one
 * way to it), and after every failure that is no refusal: what is still in the producer is purged,
 * what comes back takes its old place in the queue, and a new producer begins with the oldest
 * record. So the order of each key holds over a failure, at the price of repeats, which event.id
 * tells. A new producer is made once a second at first, then each time half as often.
 *
 * What a broker refuses for good (a topic that may not be written, a record that is too large) is
 * dropped, counted, and said once until none of that dataset was refused for ten minutes. A batch that is too large is
 * no reason to drop what is in it: batches get smaller until each holds one record.
 *
 * The brokers are away when records are on their way and none was acknowledged for AWAY_NS (and the
 * time that a record waits for others), or when
 * the library, asked each STATISTICS_MS, is connected to none. Its single errors are too many to be
 * said; the latest is the reason that the line gives.
 *
 * The library's threads block all signals. Its callbacks run inside rd_kafka_poll() only, which is
 * called when it rings our descriptor, and ten times a second, and inside rd_kafka_flush().
 *
 * Limits: a name server that hangs holds a thread of the library for seconds, and
 * rd_kafka_destroy() with it (6.7 s measured). So at the end a producer whose brokers are away, or
 * were never there, is left to the end of the process. The library asks for a topic that it does not
 * know yet once a second, and is then often not connected if connections last less than that: a
 * lone record of a new topic may wait until they last longer. */
/* First: their headers name what banned.h forbids. */
#include <event2/event.h>
#include <librdkafka/rdkafka.h>

#include "outputs/queue.h"

#include "base/log.h"
#include "outputs/live_clock.h"
#include "outputs/record_key.h"
#include "outputs/standing.h"

#include <sys/eventfd.h>
#include <unistd.h>

enum {
    WINDOW_RECORDS = 10000,
    READY_RECORDS = 512, /* behind the window, with -r */
    SPARES_MAX = 4096, /* sets of headers: some batches are reported at once */
    WINDOW_SHARE = 4, /* of the queue's bytes: what is on its way cannot make room */
    BATCH_BYTES = 1000000,
    BATCH_STEP = 4, /* smaller each time that one was too large */
    TOPIC_BYTES_MAX = 249, /* of a name, says Kafka */
    CLOSE_POLLS = 50, /* of 10 ms each: what comes back at the end */
    STATISTICS_MS = 10000,
    FLUSH_MS = 10, /* its threads hear of it behind the batch that they are at */
    FLUSH_LIVE_MS = 2,
};
#define FLUSH_LIVE_PAUSE_NS (50 * NS_PER_MS)
#define CALM_NS (10 * NS_PER_S) /* without an error, before a flush */
#define AWAY_NS (5 * NS_PER_S)
#define REFUSED_NS (600 * NS_PER_S)
#define PURGE_NS (1 * NS_PER_S) /* for all reports of a producer that is given up */
#define RENEW_NS_MIN (1 * NS_PER_S)
#define RENEW_NS_MAX (30 * NS_PER_S)

enum timestamps { TIMESTAMPS_AUTO, TIMESTAMPS_EVENT, TIMESTAMPS_WALL };

static const char *const compressions[] = {"zstd", "lz4", "snappy", "gzip", "none"};

struct conf {
    struct option_list brokers;
    char topic_prefix[OPTION_TEXT_BYTES];
    char topic[OPTION_TEXT_BYTES];
    char client_id[OPTION_TEXT_BYTES];
    unsigned compression;
    unsigned timestamps;
    uint64_t linger_ns;
    uint64_t queue_bytes;
    bool splunk_headers;
};

/* clang-format off */
static const struct option options[] = {
    OPTION("brokers", LIST, conf, brokers, NULL, "", NULL, "some brokers of the cluster, each as host:port (9092 without); the others are learnt from them"),
    OPTION("topic_prefix", TEXT, conf, topic_prefix, NULL, "earshot.", NULL, "a topic for each dataset: this, then its name with - for _, such as earshot.media-interval"),
    OPTION("topic", TEXT, conf, topic, NULL, "", NULL, "one topic for all datasets instead"),
    OPTION_CHOICE("compression", conf, compression, "lz4", "zstd|lz4|snappy|gzip|none", "of batches; zstd makes them smallest, lz4 costs least"),
    OPTION("linger", DURATION_NS, conf, linger_ns, "0ms", "50ms", "5s", "how long a record waits for others, so that fewer and larger batches are sent"),
    OPTION("queue", BYTES, conf, queue_bytes, "1MiB", "64MiB", "4GiB", "records that wait for the brokers; beyond it the least valuable are dropped, and counted"),
    OPTION_CHOICE("timestamps", conf, timestamps, "auto", "auto|event|wall", "time of a message: of the event, or of writing; auto is event live and wall with -r, whose old events a topic would expire at once"),
    OPTION("client_id", TEXT, conf, client_id, NULL, "earshot", NULL, "name that brokers log and put quotas on"),
    OPTION("splunk_headers", BOOL, conf, splunk_headers, NULL, "false", NULL, "add the header splunk.header.sourcetype, such as earshot:call, for Splunk Connect for Kafka"),
    {.kind = OPTION_END},
};
/* clang-format on */

/* What the messages of a dataset have in common. */
struct lane {
    rd_kafka_topic_t *topic; /* made when the first record goes there, so no other is asked for */
    char topic_name[TOPIC_BYTES_MAX + 1];
    char sourcetype[64];
    uint64_t refused_ns; /* the last refusal; 0 = none */
};

/* Headers of a message that arrived. */
struct spare {
    rd_kafka_headers_t *headers;
    enum dataset dataset;
};

struct kafka {
    const struct output_host *host;
    struct conf conf; /* without brokers */
    char *brokers; /* joined */
    struct queue *queue;
    struct community_id *community;
    int descriptor; /* that the producer rings */
    struct event *woken;
    rd_kafka_t *producer; /* NULL between two */
    bool failed; /* it is to be replaced */
    bool purged; /* it was told to give up what it has */
    bool heard; /* it reported a success */
    bool event_time;
    bool unopened; /* said that none could be made */
    uint32_t batch_bytes;
    uint64_t now_ns;
    uint64_t since_ns; /* the last acknowledgement, or when there was nothing on its way */
    uint64_t purged_ns;
    uint64_t flushed_ns;
    uint64_t error_ns; /* of the last error; 0 = none */
    uint64_t renewed_ns; /* the last one was made */
    uint64_t renew_ns; /* the next one is made so much later */
    struct standing standing; /* only what is said of it: a producer tries by itself */
    char reason[256]; /* the latest error */
    struct lane lanes[DATASET_COUNT];
    uint32_t spare_count;
    struct spare spares[SPARES_MAX];
};

/* Without what the library adds for who looks for a fault in it. */
static void remember_reason(struct kafka *kafka, const char *reason)
{
    const char *end = strstr(reason, " (after ");
    size_t bytes = end == NULL ? strlen(reason) : (size_t)(end - reason);

    (void)snprintf(kafka->reason, sizeof kafka->reason, "%.*s", (int)bytes, reason);
}

/* --- away, and back --- */

static void say_away(struct kafka *kafka)
{
    kafka->host->tally->away = true;
    if (standing_fell(&kafka->standing)) {
        log_seldom(LOG_WARN,
                   "output %s: no Kafka broker takes records (%s); they wait, then the least "
                   "valuable are dropped",
                   kafka->host->name,
                   kafka->reason[0] == '\0' ? "no error told: slow, or a topic that does not exist"
                                            : kafka->reason);
    }
}

static void works(struct kafka *kafka)
{
    kafka->reason[0] = '\0';
    kafka->host->tally->away = false;
    standing_took(&kafka->standing, kafka->now_ns);
}

static void say_back(struct kafka *kafka, uint64_t now_ns)
{
    const struct output_tally *tally = kafka->host->tally;

    if (standing_is_back(&kafka->standing, now_ns)) {
        log_seldom(LOG_INFO,
                   "output %s: Kafka takes records again; %" PRIu64 " wait, %" PRIu64
                   " were dropped since the start",
                   kafka->host->name, tally->waiting, output_dropped(tally));
    }
}

static void judge_away(struct kafka *kafka)
{
    if (kafka->host->tally->waiting == 0) {
        kafka->since_ns = kafka->now_ns;
    } else if (kafka->now_ns - kafka->since_ns >= AWAY_NS + kafka->conf.linger_ns) {
        say_away(kafka);
    }
    say_back(kafka, kafka->now_ns);
}

/* --- headers: a set is six allocations, so it is used again --- */

static void spare_headers(struct kafka *kafka, rd_kafka_headers_t *headers, enum dataset dataset)
{
    if (kafka->spare_count == SPARES_MAX) {
        rd_kafka_headers_destroy(headers);
    } else {
        kafka->spares[kafka->spare_count++] =
            (struct spare){.headers = headers, .dataset = dataset};
    }
}

static void spares_close(struct kafka *kafka)
{
    while (kafka->spare_count > 0) {
        rd_kafka_headers_destroy(kafka->spares[--kafka->spare_count].headers);
    }
}

static void add_header(rd_kafka_headers_t *headers, const char *name, const char *value,
                       size_t bytes)
{
    (void)rd_kafka_header_add(headers, name, -1, value, (ssize_t)bytes);
}

/* Instead of the one that a set has from its last message. */
static void put_header(rd_kafka_headers_t *headers, const char *name, const char *value,
                       size_t bytes)
{
    (void)rd_kafka_header_remove(headers, name);
    add_header(headers, name, value, bytes);
}

static rd_kafka_headers_t *new_headers(void)
{
    rd_kafka_headers_t *headers = rd_kafka_headers_new(5);

    add_header(headers, "content-type", "application/json", sizeof "application/json" - 1);
    add_header(headers, "earshot-schema", "1", 1);
    return headers;
}

/* What is put goes to the end: from the first that differs on all are put, so their order is always
 * the same. */
static rd_kafka_headers_t *headers_of(struct kafka *kafka, const struct queue_item *item)
{
    struct spare spare = {.dataset = DATASET_COUNT};
    char id[32];
    struct text text = text_into(id, sizeof id);

    if (kafka->spare_count > 0) {
        spare = kafka->spares[--kafka->spare_count];
    } else {
        spare.headers = new_headers();
    }
    if (spare.dataset != item->dataset) {
        const char *dataset = dataset_rows[item->dataset].name;
        put_header(spare.headers, "earshot-dataset", dataset, strlen(dataset));
    }
    text_hex(&text, item->id.high, 16);
    text_hex(&text, item->id.low, 16);
    put_header(spare.headers, "event-id", id, sizeof id);
    if (kafka->conf.splunk_headers) {
        const char *sourcetype = kafka->lanes[item->dataset].sourcetype;
        put_header(spare.headers, "splunk.header.sourcetype", sourcetype, strlen(sourcetype));
    }
    return spare.headers;
}

/* --- what the library tells: inside rd_kafka_poll() and rd_kafka_flush() --- */

static void on_error(rd_kafka_t *producer, int code, const char *reason, void *opaque)
{
    struct kafka *kafka = opaque;

    kafka->error_ns = kafka->now_ns;
    if (code == RD_KAFKA_RESP_ERR__FATAL) {
        char text[512] = "";
        const char *name = rd_kafka_err2name(rd_kafka_fatal_error(producer, text, sizeof text));
        remember_reason(kafka, name);
        kafka->failed = true;
        log_line(LOG_WARN, "output %s: librdkafka gave up (%s), a new producer takes over: %s",
                 kafka->host->name, name, text);
    } else if (code != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) { /* that one gives no reason */
        remember_reason(kafka, reason);
    }
}

/* One connection that stands is enough; with none that was idle nobody would hear of it else. */
static int on_statistics(rd_kafka_t *producer, char *json, size_t bytes, void *opaque)
{
    struct kafka *kafka = opaque;
    bool up = slice_contains_nocase(slice_of(json, bytes), SLICE("\"state\":\"UP\""));
    (void)producer;

    if (!up) {
        say_away(kafka);
    } else if (kafka->host->tally->waiting == 0) {
        works(kafka);
    }
    return 0; /* the library frees it */
}

/* What is told by ourselves is here only for who looks closer. */
static void on_log(const rd_kafka_t *producer, int level, const char *facility, const char *text)
{
    const struct kafka *kafka = rd_kafka_opaque(producer);
    bool told = strcmp(facility, "FAIL") == 0 || strcmp(facility, "ERROR") == 0 ||
                strcmp(facility, "FATAL") == 0;

    log_line(told || level > 3 ? LOG_DEBUG : LOG_WARN, "output %s: librdkafka: %s: %s",
             kafka->host->name, facility, text);
}

static bool refused_for_good(rd_kafka_resp_err_t code)
{
    static const rd_kafka_resp_err_t refusals[] = {
        RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
        RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE,
        RD_KAFKA_RESP_ERR_INVALID_MSG,
        RD_KAFKA_RESP_ERR_INVALID_RECORD,
        RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP,
        RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION,
        RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
        RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED,
        RD_KAFKA_RESP_ERR_POLICY_VIOLATION,
        RD_KAFKA_RESP_ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT,
        RD_KAFKA_RESP_ERR_UNSUPPORTED_COMPRESSION_TYPE,
        RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
        RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC,
        RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION,
    };

    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        if (refusals[i] == code) {
            return true;
        }
    }
    return false;
}

static void refuse(struct kafka *kafka, struct queue_item *item, rd_kafka_resp_err_t code)
{
    struct lane *lane = &kafka->lanes[item->dataset];

    if (lane->refused_ns == 0 || kafka->now_ns - lane->refused_ns >= REFUSED_NS) {
        log_line(LOG_ERROR,
                 "output %s: topic %s refuses a record for good (%s); it and all others that are "
                 "refused are dropped, and counted",
                 kafka->host->name, lane->topic_name, rd_kafka_err2str(code));
    }
    lane->refused_ns = kafka->now_ns;
    queue_drop(kafka->queue, item);
}

/* A batch that holds others too may be too large although none of them is. */
static bool batch_shrinks(struct kafka *kafka, const struct queue_item *item,
                          rd_kafka_resp_err_t code)
{
    bool large = code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE ||
                 code == RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE;

    if (!large || kafka->batch_bytes <= item->text.bytes) {
        return false;
    }
    if (!kafka->failed) { /* once for all reports of the batch */
        kafka->batch_bytes /= BATCH_STEP;
        log_line(LOG_WARN,
                 "output %s: a batch is too large for the broker; now of %" PRIu32 " bytes at most",
                 kafka->host->name, kafka->batch_bytes);
    }
    return true;
}

/* A record did not arrive. */
static void take_failure(struct kafka *kafka, struct queue_item *item, rd_kafka_resp_err_t code,
                         bool sent)
{
    if (refused_for_good(code) && !batch_shrinks(kafka, item, code)) {
        refuse(kafka, item, code);
        return;
    }
    queue_give_back(kafka->queue, item, sent);
    if (!kafka->failed) {
        remember_reason(kafka, rd_kafka_err2str(code));
    }
    kafka->failed = true;
}

/* A report shows the message as const, but it is a message like any other, and the library's last
 * look at its headers is behind it. Its own C++ interface takes them here in the same way. */
static void take_headers(struct kafka *kafka, const rd_kafka_message_t *message,
                         enum dataset dataset)
{
    rd_kafka_headers_t *headers = NULL;

    if (rd_kafka_message_detach_headers((rd_kafka_message_t *)(uintptr_t)message, &headers) ==
        RD_KAFKA_RESP_ERR_NO_ERROR) {
        spare_headers(kafka, headers, dataset);
    }
}

static void on_report(rd_kafka_t *producer, const rd_kafka_message_t *message, void *opaque)
{
    struct kafka *kafka = opaque;
    struct queue_item *item = message->_private;
    (void)producer;

    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        kafka->heard = true;
        kafka->since_ns = kafka->now_ns;
        kafka->renew_ns = RENEW_NS_MIN;
        take_headers(kafka, message, (enum dataset)item->dataset);
        queue_acknowledge(kafka->queue, item);
        works(kafka);
    } else {
        take_failure(kafka, item, message->err,
                     rd_kafka_message_status(message) != RD_KAFKA_MSG_STATUS_NOT_PERSISTED);
    }
}

/* --- a producer --- */

static enum status set_all(const struct kafka *kafka, rd_kafka_conf_t *settings,
                           struct error *error)
{
    char linger[24], batch[24], window[24], statistics[24], text[256];

    (void)snprintf(linger, sizeof linger, "%" PRIu64, kafka->conf.linger_ns / NS_PER_MS);
    (void)snprintf(batch, sizeof batch, "%" PRIu32, kafka->batch_bytes);
    (void)snprintf(window, sizeof window, "%d", (int)WINDOW_RECORDS);
    (void)snprintf(statistics, sizeof statistics, "%d", (int)STATISTICS_MS);
    const char *const pairs[][2] = {
        {"bootstrap.servers", kafka->brokers},
        {"client.id", kafka->conf.client_id},
        {"compression.codec", compressions[kafka->conf.compression]},
        {"linger.ms", linger},
        {"batch.size", batch},
        {"enable.idempotence", "true"},
        {"acks", "all"},
        {"message.timeout.ms", "0"}, /* how long a record waits is our queue's matter */
        {"queue.buffering.max.messages", window},
        {"queue.buffering.max.kbytes", "2097151"}, /* the bytes are ours */
        {"partitioner", "murmur2_random"}, /* the same partition as Java's producers choose */
        {"reconnect.backoff.ms", "100"},
        {"reconnect.backoff.max.ms", "1000"}, /* a broker that is back is heard of soon */
        {"receive.message.max.bytes", "4000000"}, /* of who says that he is a broker; 100 MB else */
        {"statistics.interval.ms", statistics},
        {"log.queue", "true"},
        {"log.connection.close", "false"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        if (rd_kafka_conf_set(settings, pairs[i][0], pairs[i][1], text, sizeof text) !=
            RD_KAFKA_CONF_OK) {
            return error_set(error, STATUS_USAGE, kafka->host->name, "%s", text);
        }
    }
    return STATUS_OK;
}

/* Its reports ring our descriptor, its log lines come with them. */
static void listen_to(struct kafka *kafka)
{
    static const uint64_t ring = 1;
    rd_kafka_queue_t *reports = rd_kafka_queue_get_main(kafka->producer);

    (void)rd_kafka_set_log_queue(kafka->producer, NULL);
    rd_kafka_queue_io_event_enable(reports, kafka->descriptor, &ring, sizeof ring);
    rd_kafka_queue_destroy(reports);
}

static enum status producer_open(struct kafka *kafka, struct error *error)
{
    rd_kafka_conf_t *settings = rd_kafka_conf_new();
    char text[256] = "";

    enum status status = set_all(kafka, settings, error);
    if (status != STATUS_OK) {
        rd_kafka_conf_destroy(settings);
        return status;
    }
    rd_kafka_conf_set_opaque(settings, kafka);
    rd_kafka_conf_set_dr_msg_cb(settings, on_report);
    rd_kafka_conf_set_error_cb(settings, on_error);
    rd_kafka_conf_set_stats_cb(settings, on_statistics);
    rd_kafka_conf_set_log_cb(settings, on_log);
    kafka->producer = rd_kafka_new(RD_KAFKA_PRODUCER, settings, text, sizeof text);
    if (kafka->producer == NULL) {
        rd_kafka_conf_destroy(settings);
        return error_set(error, STATUS_FAILED, kafka->host->name, "librdkafka: %s", text);
    }
    kafka->failed = kafka->purged = kafka->heard = false;
    kafka->renewed_ns = kafka->now_ns;
    listen_to(kafka);
    return STATUS_OK;
}

static void topics_close(struct kafka *kafka)
{
    for (size_t i = 0; i < DATASET_COUNT; i++) {
        if (kafka->lanes[i].topic != NULL) {
            rd_kafka_topic_destroy(kafka->lanes[i].topic);
            kafka->lanes[i].topic = NULL;
        }
    }
}

static void producer_close(struct kafka *kafka)
{
    topics_close(kafka);
    rd_kafka_destroy(kafka->producer);
    kafka->producer = NULL;
}

static void producer_purge(struct kafka *kafka)
{
    (void)rd_kafka_purge(kafka->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT |
                                              RD_KAFKA_PURGE_F_NON_BLOCKING);
    kafka->purged = true;
    kafka->purged_ns = kafka->now_ns;
}

/* One that failed: purged, then, when all came back or PURGE_NS later, gone; then a new one. */
static void producer_renew(struct kafka *kafka)
{
    struct error error = {0};

    if (kafka->producer != NULL) {
        if (!kafka->purged) {
            producer_purge(kafka);
        }
        if (queue_taken(kafka->queue) > 0 && kafka->now_ns - kafka->purged_ns < PURGE_NS) {
            return;
        }
        producer_close(kafka);
        queue_give_all_back(kafka->queue, true);
    }
    if (kafka->now_ns - kafka->renewed_ns < kafka->renew_ns) {
        return;
    }
    kafka->renew_ns = kafka->renew_ns * 2 < RENEW_NS_MAX ? kafka->renew_ns * 2 : RENEW_NS_MAX;
    kafka->renewed_ns = kafka->now_ns;
    if (producer_open(kafka, &error) != STATUS_OK && !kafka->unopened) {
        kafka->unopened = true;
        log_error_struct(&error);
    }
}

/* --- messages --- */

static rd_kafka_resp_err_t produce(struct kafka *kafka, struct queue_item *item)
{
    struct lane *lane = &kafka->lanes[item->dataset];

    if (lane->topic == NULL) {
        lane->topic = rd_kafka_topic_new(kafka->producer, lane->topic_name, NULL);
    }
    if (lane->topic == NULL) {
        return rd_kafka_last_error();
    }
    rd_kafka_headers_t *headers = headers_of(kafka, item);
    int64_t time_ms = kafka->event_time ? (int64_t)(item->time_ns / NS_PER_MS) : 0; /* 0: now */
    /* No flag: the bytes are read where they lie until the report comes. */
    const rd_kafka_vu_t parts[] = {
        {.vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = lane->topic},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = 0},
        {.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {(void *)(uintptr_t)item->key.at, item->key.bytes}},
        {.vtype = RD_KAFKA_VTYPE_VALUE,
         .u.mem = {(void *)(uintptr_t)item->text.at, item->text.bytes}},
        {.vtype = RD_KAFKA_VTYPE_TIMESTAMP, .u.i64 = time_ms},
        {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers},
        {.vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = item},
    };
    rd_kafka_error_t *failed =
        rd_kafka_produceva(kafka->producer, parts, sizeof parts / sizeof parts[0]);
    if (failed == NULL) {
        return RD_KAFKA_RESP_ERR_NO_ERROR;
    }
    rd_kafka_resp_err_t code = rd_kafka_error_code(failed);
    rd_kafka_error_destroy(failed);
    spare_headers(kafka, headers, (enum dataset)item->dataset);
    return code;
}

static bool window_is_open(const struct kafka *kafka)
{
    return queue_taken(kafka->queue) < WINDOW_RECORDS &&
           queue_taken_bytes(kafka->queue) < kafka->conf.queue_bytes / WINDOW_SHARE;
}

/* The window is filled from the queue. */
static void fill(struct kafka *kafka)
{
    while (!kafka->failed && window_is_open(kafka)) {
        struct queue_item *item = queue_take(kafka->queue);
        if (item == NULL) {
            return;
        }
        rd_kafka_resp_err_t code = produce(kafka, item);
        if (code == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
            queue_give_back(kafka->queue, item, false);
            return;
        }
        if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
            take_failure(kafka, item, code, false);
        }
    }
}

static void serve(struct kafka *kafka)
{
    kafka->now_ns = live_clock_steady_ns();
    if (kafka->producer != NULL) {
        (void)rd_kafka_poll(kafka->producer, 0);
    }
    if (kafka->producer == NULL || kafka->failed) {
        producer_renew(kafka);
    }
    if (kafka->producer != NULL) {
        fill(kafka);
    }
    judge_away(kafka);
}

static void on_woken(evutil_socket_t descriptor, short what, void *owner)
{
    eventfd_t rung = 0;
    (void)what;

    (void)eventfd_read(descriptor, &rung);
    serve(owner);
}

/* --- the output --- */

/* host, host:port or [address]:port. */
static bool is_broker(struct slice broker)
{
    size_t colon = slice_find_last(broker, ':');
    size_t bracket = slice_find_last(broker, ']');
    struct slice host = broker;
    uint32_t port = 9092;

    if (colon < broker.bytes && (bracket == broker.bytes || bracket < colon)) {
        host = slice_part(broker, 0, colon);
        if (!slice_u32(slice_from(broker, colon + 1), &port) || port == 0 || port > UINT16_MAX) {
            return false;
        }
    }
    for (size_t i = 0; i < host.bytes; i++) {
        char byte = host.at[i];
        bool name = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
                    (byte >= '0' && byte <= '9') || byte == '.' || byte == '-' || byte == '_';
        if (!name && (bracket == broker.bytes || (byte != ':' && byte != '[' && byte != ']'))) {
            return false;
        }
    }
    return host.bytes > 0;
}

static enum status check_brokers(const struct option_list *list, struct error *error)
{
    if (list->count == 0) {
        return error_set(error, STATUS_USAGE, "brokers", "name at least one broker, as host:port");
    }
    for (uint32_t i = 0; i < list->count; i++) {
        if (!is_broker(slice_of_string(list->items[i]))) {
            return error_set(error, STATUS_USAGE, "brokers", "\"%s\" is no host:port",
                             list->items[i]);
        }
    }
    return STATUS_OK;
}

static enum status join_brokers(struct kafka *kafka, const struct option_list *list,
                                struct error *error)
{
    size_t bytes = (size_t)list->count * OPTION_TEXT_BYTES + 1;

    kafka->brokers = malloc(bytes);
    if (kafka->brokers == NULL) {
        return error_set(error, STATUS_FAILED, kafka->host->name, "no memory for its brokers");
    }
    struct text text = text_into(kafka->brokers, bytes);
    for (uint32_t i = 0; i < list->count; i++) {
        text_string(&text, i == 0 ? "" : ",");
        text_string(&text, list->items[i]);
    }
    (void)text_terminate(&text);
    return STATUS_OK;
}

static bool is_topic(struct slice name)
{
    for (size_t i = 0; i < name.bytes; i++) {
        char byte = name.at[i];
        if (!((byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
              (byte >= '0' && byte <= '9') || byte == '.' || byte == '-' || byte == '_')) {
            return false;
        }
    }
    return name.bytes > 0 && !slice_equal(name, SLICE(".")) && !slice_equal(name, SLICE(".."));
}

/* The dataset as it stands behind "earshot.". */
static struct slice short_name(enum dataset dataset)
{
    struct slice name = slice_of_string(dataset_rows[dataset].name);

    return slice_from(name, slice_find(name, '.') + 1);
}

static void put_topic(struct text *out, const struct conf *conf, enum dataset dataset)
{
    struct slice name = short_name(dataset);

    if (conf->topic[0] != '\0') {
        text_string(out, conf->topic);
        return;
    }
    text_string(out, conf->topic_prefix);
    for (size_t i = 0; i < name.bytes; i++) {
        text_byte(out, name.at[i] == '_' ? '-' : name.at[i]);
    }
}

static enum status check_topics(const struct conf *conf, struct error *error)
{
    for (enum dataset dataset = 0; dataset < DATASET_COUNT; dataset++) {
        char name[TOPIC_BYTES_MAX];
        struct text topic = text_into(name, sizeof name);
        put_topic(&topic, conf, dataset);
        if (topic.overflow || !is_topic(text_slice(&topic))) {
            return error_set(error, STATUS_USAGE, conf->topic[0] != '\0' ? "topic" : "topic_prefix",
                             "a topic has letters, digits, dots, - and _, at most %d of them",
                             (int)TOPIC_BYTES_MAX);
        }
    }
    return STATUS_OK;
}

static enum status kafka_check(const void *conf_bytes, struct error *error)
{
    const struct conf *conf = conf_bytes;
    enum status status = check_brokers(&conf->brokers, error);

    return status != STATUS_OK ? status : check_topics(conf, error);
}

static void name_lanes(struct kafka *kafka)
{
    for (enum dataset dataset = 0; dataset < DATASET_COUNT; dataset++) {
        struct lane *lane = &kafka->lanes[dataset];
        struct text topic = text_into(lane->topic_name, sizeof lane->topic_name);
        struct text sourcetype = text_into(lane->sourcetype, sizeof lane->sourcetype);
        put_topic(&topic, &kafka->conf, dataset);
        (void)text_terminate(&topic);
        text_string(&sourcetype, "earshot:");
        text_slice_put(&sourcetype, short_name(dataset));
        (void)text_terminate(&sourcetype);
    }
}

static enum status memory_open(struct kafka *kafka, struct error *error)
{
    struct queue_options queue = {.bytes_max = (size_t)kafka->conf.queue_bytes,
                                  .live = kafka->host->live,
                                  .tally = kafka->host->tally};

    enum status status = queue_open(&queue, &kafka->queue, error);
    if (status == STATUS_OK) {
        status = community_id_open(&kafka->community, error);
    }
    if (status != STATUS_OK) {
        return status;
    }
    kafka->descriptor = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (kafka->descriptor >= 0) {
        kafka->woken =
            event_new(kafka->host->loop, kafka->descriptor, EV_READ | EV_PERSIST, on_woken, kafka);
    }
    if (kafka->woken == NULL || event_add(kafka->woken, NULL) != 0) {
        return error_set(error, STATUS_FAILED, kafka->host->name, "no memory for its event");
    }
    return STATUS_OK;
}

/* `left`: a producer that hangs still reads what it took. */
static void memory_close(struct kafka *kafka, bool left)
{
    if (kafka->woken != NULL) {
        event_free(kafka->woken);
    }
    if (kafka->descriptor >= 0) {
        (void)close(kafka->descriptor);
    }
    if (kafka->community != NULL) {
        community_id_close(kafka->community);
    }
    if (kafka->queue != NULL && left) {
        queue_leave(kafka->queue);
    } else if (kafka->queue != NULL) {
        queue_close(kafka->queue);
    }
    spares_close(kafka);
    free(kafka->brokers);
    free(kafka);
}

static enum status kafka_open(const struct output_host *host, const void *conf_bytes,
                              void **out_instance, struct error *error)
{
    const struct conf *conf = conf_bytes;
    enum status status = kafka_check(conf, error);

    if (status != STATUS_OK) {
        return status;
    }
    struct kafka *kafka = calloc(1, sizeof *kafka);
    if (kafka == NULL) {
        return error_set(error, STATUS_FAILED, host->name, "no memory");
    }
    kafka->host = host;
    kafka->conf = *conf;
    kafka->conf.brokers = (struct option_list){0};
    kafka->descriptor = -1;
    kafka->batch_bytes = BATCH_BYTES;
    kafka->renew_ns = RENEW_NS_MIN;
    kafka->since_ns = kafka->now_ns = live_clock_steady_ns();
    kafka->event_time =
        conf->timestamps == TIMESTAMPS_EVENT || (conf->timestamps == TIMESTAMPS_AUTO && host->live);
    name_lanes(kafka);
    status = join_brokers(kafka, &conf->brokers, error);
    if (status == STATUS_OK) {
        status = memory_open(kafka, error);
    }
    if (status == STATUS_OK) {
        status = producer_open(kafka, error);
    }
    if (status != STATUS_OK) {
        memory_close(kafka, false);
        return status;
    }
    *out_instance = kafka;
    return STATUS_OK;
}

/* With -r who makes the records waits as soon as enough stand ready: a longer line would only put
 * more memory between who writes a record and who reads it. While the brokers are away the whole
 * queue is there for them. */
static bool line_is_full(const struct kafka *kafka)
{
    return !kafka->host->live && !kafka->host->tally->away &&
           kafka->host->tally->waiting - queue_taken(kafka->queue) >= READY_RECORDS;
}

static enum output_result kafka_send(void *instance, const struct record *record,
                                     struct slice encoded)
{
    struct kafka *kafka = instance;
    char out[RECORD_KEY_BYTES];

    if (line_is_full(kafka)) {
        return OUTPUT_FULL;
    }
    struct slice key = record_key(record, &kafka->host->identity, kafka->community, out);
    enum output_result result = queue_put(kafka->queue, record, key, SLICE_NONE, encoded);

    if (result == OUTPUT_ACCEPTED && kafka->producer != NULL) {
        fill(kafka);
    }
    return result;
}

static void kafka_poll(void *instance)
{
    serve(instance);
}

/* The library waits for more until `linger` is over, but in a call of its own that makes it send
 * what it has, as long as the call lasts: until all is acknowledged, at most FLUSH_MS. While records
 * still wait for room in the window, batches fill without it. Where connections break nothing is
 * hurried: the library connects for what is on its way, and what is left alone may stay so. Live,
 * where each alert asks for it, the writer is held for less, and seldom. */
static void kafka_flush(void *instance)
{
    struct kafka *kafka = instance;
    bool live = kafka->host->live;

    serve(kafka);
    uint64_t taken = queue_taken(kafka->queue);
    bool lingers = taken > 0 && taken == kafka->host->tally->waiting;
    if (!lingers || kafka->producer == NULL || kafka->failed || kafka->host->tally->away ||
        (kafka->error_ns != 0 && kafka->now_ns - kafka->error_ns < CALM_NS) ||
        (live && kafka->now_ns - kafka->flushed_ns < FLUSH_LIVE_PAUSE_NS)) {
        return;
    }
    kafka->flushed_ns = kafka->now_ns;
    (void)rd_kafka_flush(kafka->producer, live ? FLUSH_LIVE_MS : FLUSH_MS);
}

/* Its threads end with the process; it knows neither us nor our descriptor any more. */
static void producer_leave(struct kafka *kafka)
{
    rd_kafka_queue_t *reports = rd_kafka_queue_get_main(kafka->producer);

    rd_kafka_queue_io_event_enable(reports, -1, NULL, 0);
    rd_kafka_queue_destroy(reports);
    topics_close(kafka);
    kafka->producer = NULL;
}

static void kafka_close(void *instance)
{
    struct kafka *kafka = instance;
    bool left = false;

    kafka->now_ns = live_clock_steady_ns();
    say_back(kafka, UINT64_MAX);
    if (kafka->producer != NULL) {
        if (!kafka->purged) {
            producer_purge(kafka);
        }
        for (unsigned i = 0; i < CLOSE_POLLS && queue_taken(kafka->queue) > 0; i++) {
            (void)rd_kafka_poll(kafka->producer, 10);
        }
        left = queue_taken(kafka->queue) > 0;
        if (left || !kafka->heard || kafka->host->tally->away) {
            producer_leave(kafka);
        } else {
            producer_close(kafka);
        }
    }
    memory_close(kafka, left);
}

extern const struct output output_kafka;
const struct output output_kafka = {
    .type = "kafka",
    .title = "messages of Kafka, a topic for each dataset, in order for each call and account",
    .conf_bytes = sizeof(struct conf),
    .formats = 1U << OUTPUT_JSON,
    .options = options,
    .check = kafka_check,
    .open = kafka_open,
    .send = kafka_send,
    .poll = kafka_poll,
    .flush = kafka_flush,
    .close = kafka_close,
};
