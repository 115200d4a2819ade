/* The output "kafka" against the mock brokers of librdkafka: what is told of a record is what became
 * of it, whatever the brokers answer. */
/* First: their headers name what banned.h forbids. */
#include <event2/event.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include "outputs_test.h"

#include "outputs/output.h"

enum { PRODUCE = 0, KEYS = 5, RECORDS = 300, WAIT_S = 20, PARTITIONS = 4 };

static struct world {
    rd_kafka_t *owner; /* of the mock */
    rd_kafka_mock_cluster_t *mock;
    struct event_base *loop;
    struct event *tick;
    struct output_tally tally;
    struct output_host host;
    void *kafka;
    bool files; /* as with -r: the next output is not live */
    uint64_t sent;
    uint64_t disorder;
    unsigned seen[20000]; /* how often each number was read back */
} world;

static const struct output *kafka_type(void)
{
    for (size_t i = 0; outputs[i] != NULL; i++) {
        if (strcmp(outputs[i]->type, "kafka") == 0) {
            return outputs[i];
        }
    }
    fail_msg("no output of type kafka");
    return NULL;
}

static void on_tick(evutil_socket_t descriptor, short what, void *owner)
{
    (void)descriptor;
    (void)what;
    (void)owner;
}

static void world_open(int brokers)
{
    struct timeval tick = {.tv_usec = 20000};
    char text[256];

    world = (struct world){.loop = event_base_new()};
    world.tick = event_new(world.loop, -1, EV_PERSIST, on_tick, NULL);
    assert_int_equal(event_add(world.tick, &tick), 0);
    if (brokers > 0) {
        rd_kafka_conf_t *settings = rd_kafka_conf_new();
        rd_kafka_conf_set_log_cb(settings, NULL);
        world.owner = rd_kafka_new(RD_KAFKA_PRODUCER, settings, text, sizeof text);
        assert_non_null(world.owner);
        world.mock = rd_kafka_mock_cluster_new(world.owner, brokers);
        assert_non_null(world.mock);
    }
}

static void world_close(void)
{
    event_free(world.tick);
    event_base_free(world.loop);
    if (world.mock != NULL) {
        rd_kafka_mock_cluster_destroy(world.mock);
        rd_kafka_destroy(world.owner);
    }
}

/* `extra`: pairs of option and value, ended by NULL. */
static enum status open_with(const char *brokers, const char *const *extra, struct error *error)
{
    const struct output *type = kafka_type();
    void *conf = calloc(1, type->conf_bytes);
    enum status status = STATUS_OK;

    option_presets(type->options, conf);
    const char *const own[] = {"brokers", brokers, "linger", "5ms", NULL};
    for (const char *const *pair = own; *pair != NULL && status == STATUS_OK; pair += 2) {
        status = option_parse(option_find(type->options, slice_of_string(pair[0])),
                              slice_of_string(pair[1]), conf, "test", pair[0], error);
    }
    for (; extra != NULL && *extra != NULL && status == STATUS_OK; extra += 2) {
        status = option_parse(option_find(type->options, slice_of_string(extra[0])),
                              slice_of_string(extra[1]), conf, "test", extra[0], error);
    }
    assert_int_equal(status, STATUS_OK);
    world.host = (struct output_host){.name = "siem",
                                      .loop = world.loop,
                                      .identity = {.observer = "edge-1"},
                                      .live = !world.files,
                                      .tally = &world.tally};
    status = type->open(&world.host, conf, &world.kafka, error);
    option_clear(option_find(type->options, SLICE("brokers")), conf);
    free(conf);
    return status;
}

static void open_mock(const char *const *extra)
{
    struct error error = {0};

    if (open_with(rd_kafka_mock_cluster_bootstraps(world.mock), extra, &error) != STATUS_OK) {
        fail_msg("%s: %s", error.where, error.message);
    }
}

/* A record of a call: the number is its text and its id. False when it has to come again. */
static bool try_number(enum dataset dataset)
{
    static struct bench bench;
    char call_id[32], text[64];
    struct record_maker *maker = bench_begin(&bench, dataset);

    (void)snprintf(call_id, sizeof call_id, "call-%" PRIu64, world.sent % KEYS);
    (void)snprintf(text, sizeof text, "%" PRIu64, world.sent);
    record_string(maker, FIELD_ID_SIP_CALL_ID, call_id);
    record_end(maker, (struct hash128){.high = 0x0123456789abcdefU, .low = world.sent}, 42);
    bool accepted =
        kafka_type()->send(world.kafka, maker->record, slice_of_string(text)) == OUTPUT_ACCEPTED;
    world.sent += accepted;
    return accepted;
}

static void send_number(enum dataset dataset)
{
    assert_true(try_number(dataset));
}

static void send_many(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        send_number(DATASET_CALL);
    }
}

static void turn(void)
{
    (void)event_base_loop(world.loop, EVLOOP_ONCE);
    kafka_type()->poll(world.kafka);
    assert_int_equal(world.tally.accepted,
                     world.tally.acknowledged + world.tally.waiting + output_dropped(&world.tally));
}

static uint64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void run_until_done(void)
{
    uint64_t from = now_ms();

    while (world.tally.waiting > 0 && now_ms() - from < WAIT_S * 1000) {
        turn();
    }
    assert_int_equal(world.tally.waiting, 0);
}

static void run_for(uint64_t ms)
{
    for (uint64_t from = now_ms(); now_ms() - from < ms;) {
        turn();
    }
}

static void close_output(void)
{
    kafka_type()->close(world.kafka);
    assert_int_equal(world.tally.waiting, 0);
    assert_int_equal(world.tally.accepted, world.tally.acknowledged + output_dropped(&world.tally));
}

/* --- reading back --- */

static void see_message(const rd_kafka_message_t *message, uint64_t *newest)
{
    uint64_t number = 0;
    char key[32];

    assert_true(slice_u64(slice_of(message->payload, message->len), &number));
    assert_true(number < sizeof world.seen / sizeof world.seen[0]);
    (void)snprintf(key, sizeof key, "call-%" PRIu64, number % KEYS);
    assert_int_equal(message->key_len, strlen(key));
    assert_memory_equal(message->key, key, strlen(key));
    if (world.seen[number]++ == 0) { /* repeats aside, a key's records come in their order */
        world.disorder += newest[number % KEYS] > number;
        newest[number % KEYS] = number;
    }
}

static rd_kafka_t *consumer_open(const char *topic)
{
    rd_kafka_conf_t *settings = rd_kafka_conf_new();
    rd_kafka_topic_partition_list_t *parts = rd_kafka_topic_partition_list_new(PARTITIONS);
    char text[256];

    assert_int_equal(rd_kafka_conf_set(settings, "bootstrap.servers",
                                       rd_kafka_mock_cluster_bootstraps(world.mock), text,
                                       sizeof text),
                     RD_KAFKA_CONF_OK);
    assert_int_equal(rd_kafka_conf_set(settings, "group.id", "test", text, sizeof text),
                     RD_KAFKA_CONF_OK);
    assert_int_equal(rd_kafka_conf_set(settings, "enable.partition.eof", "true", text, sizeof text),
                     RD_KAFKA_CONF_OK);
    rd_kafka_t *consumer = rd_kafka_new(RD_KAFKA_CONSUMER, settings, text, sizeof text);
    assert_non_null(consumer);
    (void)rd_kafka_poll_set_consumer(consumer);
    for (int32_t i = 0; i < PARTITIONS; i++) {
        rd_kafka_topic_partition_list_add(parts, topic, i)->offset = RD_KAFKA_OFFSET_BEGINNING;
    }
    assert_int_equal(rd_kafka_assign(consumer, parts), 0);
    rd_kafka_topic_partition_list_destroy(parts);
    return consumer;
}

/* All of a topic, up to the end of each partition; how many there are. */
static uint64_t read_back(const char *topic, void (*look)(const rd_kafka_message_t *))
{
    rd_kafka_t *consumer = consumer_open(topic);
    uint64_t newest[KEYS] = {0}, count = 0;
    int ends = 0;

    memset(world.seen, 0, sizeof world.seen);
    world.disorder = 0;
    for (uint64_t from = now_ms(); ends < PARTITIONS && now_ms() - from < WAIT_S * 1000;) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer, 100);
        if (message == NULL) {
            continue;
        }
        ends += message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
        if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
            see_message(message, newest);
            count++;
            if (look != NULL) {
                look(message);
            }
        }
        rd_kafka_message_destroy(message);
    }
    assert_int_equal(ends, PARTITIONS);
    rd_kafka_destroy(consumer);
    return count;
}

static void all_arrived(void)
{
    (void)read_back("earshot.call", NULL);
    for (uint64_t number = 0; number < world.sent; number++) {
        if (world.seen[number] == 0) {
            fail_msg("%" PRIu64 " did not arrive", number);
        }
    }
}

/* --- tests --- */

/* All of them, in their order. `sourcetype`: NULL = none. */
static void headers_are(const rd_kafka_message_t *message, const char *dataset,
                        const char *sourcetype)
{
    const char *const wanted[] = {"content-type",
                                  "application/json",
                                  "earshot-schema",
                                  "1",
                                  "earshot-dataset",
                                  dataset,
                                  "event-id",
                                  NULL,
                                  "splunk.header.sourcetype",
                                  sourcetype};
    rd_kafka_headers_t *headers = NULL;
    const char *name = NULL;
    const void *value = NULL;
    size_t count = sourcetype == NULL ? 4 : 5, bytes = 0;
    uint64_t number = 0;
    char id[33];

    assert_true(slice_u64(slice_of(message->payload, message->len), &number));
    (void)snprintf(id, sizeof id, "0123456789abcdef%016" PRIx64, number);
    assert_int_equal(rd_kafka_message_headers(message, &headers), RD_KAFKA_RESP_ERR_NO_ERROR);
    for (size_t i = 0; i < count; i++) {
        const char *text = i == 3 ? id : wanted[2 * i + 1];
        assert_int_equal(rd_kafka_header_get_all(headers, i, &name, &value, &bytes), 0);
        assert_string_equal(name, wanted[2 * i]);
        assert_int_equal(bytes, strlen(text));
        assert_memory_equal(value, text, bytes);
    }
    assert_int_equal(rd_kafka_header_get_all(headers, count, &name, &value, &bytes),
                     RD_KAFKA_RESP_ERR__NOENT);
}

static void look_plain(const rd_kafka_message_t *message)
{
    rd_kafka_timestamp_type_t type;

    assert_int_equal(rd_kafka_message_timestamp(message, &type), AT_NS / NS_PER_MS);
    headers_are(message, "earshot.call", NULL);
}

static void look_splunk(const rd_kafka_message_t *message)
{
    rd_kafka_timestamp_type_t type;

    assert_true(rd_kafka_message_timestamp(message, &type) < (int64_t)(AT_NS / NS_PER_MS) ||
                rd_kafka_message_timestamp(message, &type) > (int64_t)(AT_NS / NS_PER_MS) + 1000);
    headers_are(message, "earshot.call", "earshot:call");
}

static void a_message_is_a_record(void **state)
{
    (void)state;

    world_open(3);
    open_mock(NULL);
    send_many(RECORDS);
    run_until_done();
    assert_int_equal(world.tally.acknowledged, RECORDS);
    assert_int_equal(read_back("earshot.call", look_plain), RECORDS);
    assert_int_equal(world.disorder, 0);
    close_output();
    world_close();
}

static void one_topic_for_all(void **state)
{
    static const char *const extra[] = {"topic",       "voip",       "splunk_headers",
                                        "true",        "timestamps", "wall",
                                        "compression", "zstd",       NULL};
    (void)state;

    world_open(1);
    open_mock(extra);
    send_many(RECORDS);
    run_until_done();
    assert_int_equal(read_back("voip", look_splunk), RECORDS);
    close_output();
    world_close();
}

static void look_mixed(const rd_kafka_message_t *message)
{
    uint64_t number = 0;

    assert_true(slice_u64(slice_of(message->payload, message->len), &number));
    if (number / 2 % 3 == 0) {
        headers_are(message, "earshot.call", "earshot:call");
    } else {
        headers_are(message, "earshot.sip", "earshot:sip");
    }
}

/* Sets of headers are used again, for records of any kind. */
static void headers_are_each_records_own(void **state)
{
    static const char *const extra[] = {"topic", "voip", "splunk_headers", "true", NULL};
    (void)state;

    world_open(1);
    open_mock(extra);
    for (unsigned round = 0; round < 4; round++) {
        for (unsigned i = 0; i < RECORDS; i++) {
            send_number(world.sent / 2 % 3 == 0 ? DATASET_CALL : DATASET_SIP);
        }
        run_until_done();
    }
    assert_int_equal(read_back("voip", look_mixed), 4 * RECORDS);
    close_output();
    world_close();
}

/* Whatever a broker answers once or twice: every record arrives. (Not their order: the mock does not
 * look at sequence numbers, so it takes a batch whose forerunner it refused.) */
static void errors_lose_nothing(void **state)
{
    static const rd_kafka_resp_err_t codes[] = {
        RD_KAFKA_RESP_ERR__TRANSPORT,
        RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
        RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
        RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE,
        RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
        RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID,
        RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH,
        RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR,
        RD_KAFKA_RESP_ERR_UNKNOWN,
        RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE,
    };
    (void)state;

    world_open(3);
    open_mock(NULL);
    send_many(RECORDS);
    run_until_done();
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        rd_kafka_mock_push_request_errors(world.mock, PRODUCE, 3, RD_KAFKA_RESP_ERR__TRANSPORT,
                                          codes[i], codes[i]);
        send_many(RECORDS);
        run_for(50);
        send_many(RECORDS);
        run_until_done();
        if (output_dropped(&world.tally) > 0) {
            fail_msg("%s: records were dropped", rd_kafka_err2name(codes[i]));
        }
    }
    all_arrived();
    close_output();
    world_close();
}

/* The library declares itself dead: a new one takes over where the old one stood. */
static void a_dead_producer_is_replaced(void **state)
{
    (void)state;

    world_open(3);
    open_mock(NULL);
    send_many(RECORDS);
    run_until_done();
    rd_kafka_mock_push_request_errors(world.mock, PRODUCE, 4,
                                      RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
                                      RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
                                      RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
                                      RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    send_many(RECORDS);
    run_until_done();
    send_many(RECORDS);
    run_until_done();
    assert_true(world.tally.repeated > 0); /* what was on its way when it died */
    assert_int_equal(output_dropped(&world.tally), 0);
    all_arrived();
    assert_int_equal(world.disorder, 0);
    close_output();
    world_close();
}

static void a_broker_that_comes_back_gets_all(void **state)
{
    (void)state;

    world_open(1);
    open_mock(NULL);
    send_many(RECORDS);
    run_until_done();
    assert_int_equal(rd_kafka_mock_broker_set_down(world.mock, 1), 0);
    send_many(RECORDS);
    run_for(6000);
    assert_int_equal(world.tally.waiting, RECORDS);
    assert_true(world.tally.away);
    assert_int_equal(rd_kafka_mock_broker_set_up(world.mock, 1), 0);
    run_until_done();
    assert_false(world.tally.away);
    all_arrived();
    assert_int_equal(world.disorder, 0);
    close_output();
    world_close();
}

/* A topic that may not be written costs its records, not those of others. */
static void what_is_refused_for_good_is_dropped(void **state)
{
    (void)state;

    world_open(1);
    open_mock(NULL);
    send_many(1);
    run_until_done();
    rd_kafka_mock_push_request_errors(world.mock, PRODUCE, 1,
                                      RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    send_many(RECORDS);
    run_for(300);
    uint64_t dropped = world.tally.dropped[DATASET_CALL];
    assert_true(dropped > 0); /* one batch of one partition */
    send_number(DATASET_ALERT);
    run_until_done();
    assert_int_equal(world.tally.dropped[DATASET_CALL], dropped);
    assert_int_equal(world.tally.acknowledged, world.sent - dropped);
    assert_int_equal(read_back("earshot.call", NULL), world.sent - dropped - 1);
    close_output();
    world_close();
}

/* A batch that is too large is parted, nothing in it is dropped. */
static void a_batch_that_is_too_large_shrinks(void **state)
{
    (void)state;

    world_open(1);
    open_mock(NULL);
    send_many(1);
    run_until_done();
    rd_kafka_mock_push_request_errors(world.mock, PRODUCE, 1, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    send_many(RECORDS);
    run_until_done();
    assert_int_equal(output_dropped(&world.tally), 0);
    all_arrived();
    assert_int_equal(world.disorder, 0);
    close_output();
    world_close();
}

/* Nobody is there: records wait within the bound, the end is quick, all are counted. */
static void nobody_is_there(void **state)
{
    static const char *const extra[] = {"queue", "1MiB", NULL};
    struct error error = {0};
    (void)state;

    world_open(0);
    assert_int_equal(open_with("127.0.0.1:1", extra, &error), STATUS_OK);
    for (unsigned i = 0; i < 15000; i++) { /* more than the window */
        send_number(DATASET_SIP);
    }
    send_many(2000); /* what is on its way makes no room, so it must not be all */
    send_number(DATASET_ALERT);
    assert_true(world.tally.waiting_bytes <= 1 << 20);
    assert_true(world.tally.dropped[DATASET_SIP] > 0);
    assert_int_equal(world.tally.dropped[DATASET_CALL], 0);
    assert_int_equal(world.tally.dropped[DATASET_ALERT], 0);
    run_for(5500);
    assert_true(world.tally.away);
    uint64_t from = now_ms();
    close_output();
    assert_true(now_ms() - from < 1000);
    assert_int_equal(output_dropped(&world.tally), world.sent);
    world_close();
}

/* A record that waits for others is no sign that nobody takes it. */
static void a_long_linger_is_not_away(void **state)
{
    static const char *const extra[] = {"linger", "5s", NULL};
    (void)state;

    world_open(1);
    assert_int_equal(rd_kafka_mock_broker_set_rtt(world.mock, 1, 400), 0); /* later than AWAY_NS */
    open_mock(extra);
    run_for(3000); /* until it knows the brokers */
    send_number(DATASET_CALL);
    for (uint64_t from = now_ms(); world.tally.waiting > 0;) {
        turn();
        assert_false(world.tally.away);
        assert_true(now_ms() - from < 1000 * WAIT_S);
    }
    close_output();
    world_close();
}

static void flush_until_done(bool files)
{
    static const char *const extra[] = {"linger", "5s", NULL};

    world_open(1);
    world.files = files;
    open_mock(extra);
    run_for(1000); /* until it knows the brokers */
    uint64_t from = now_ms();
    send_many(KEYS);
    while (world.tally.waiting > 0 && now_ms() - from < 3000) {
        kafka_type()->flush(world.kafka);
        turn();
    }
    assert_int_equal(world.tally.acknowledged, KEYS);
    all_arrived();
    close_output();
    world_close();
}

/* At the end, and for an alert, nothing waits for others. */
static void a_flush_sends_what_lingers(void **state)
{
    (void)state;

    flush_until_done(false);
    flush_until_done(true);
}

/* A mock that took a record, and is gone. */
static void open_gone(const char *const *extra, bool files)
{
    world_open(1);
    world.files = files;
    open_mock(extra);
    send_many(1);
    run_until_done();
    assert_int_equal(rd_kafka_mock_broker_set_down(world.mock, 1), 0);
}

static void close_come_back(void)
{
    assert_int_equal(rd_kafka_mock_broker_set_up(world.mock, 1), 0);
    run_until_done();
    assert_int_equal(world.tally.acknowledged, world.sent);
    close_output();
    world_close();
}

/* Live, where each alert flushes, it costs little also while the brokers are slow. */
static void a_flush_waits_for_nobody(void **state)
{
    (void)state;

    world_open(1);
    open_mock(NULL);
    send_many(1);
    run_until_done();
    assert_int_equal(rd_kafka_mock_broker_set_rtt(world.mock, 1, 3000), 0);
    send_many(KEYS);
    uint64_t from = now_ms();
    for (unsigned i = 0; i < 1000; i++) {
        kafka_type()->flush(world.kafka);
    }
    assert_true(now_ms() - from < 500);
    assert_int_equal(world.tally.waiting, KEYS); /* so there was something to flush */
    run_until_done();
    close_output();
    world_close();
}

/* Hurried, the others would be acknowledged before a record of a new topic, for which alone nothing
 * connects again (seen with connections that broke each 0.8 s). */
static void nothing_is_hurried_where_connections_break(void **state)
{
    static const char *const extra[] = {"linger", "3s", NULL};
    (void)state;

    open_gone(extra, true);
    run_for(300);
    assert_int_equal(rd_kafka_mock_broker_set_up(world.mock, 1), 0);
    run_for(1500);
    send_many(KEYS);
    for (uint64_t from = now_ms(); now_ms() - from < 500;) {
        kafka_type()->flush(world.kafka);
        turn();
    }
    assert_int_equal(world.tally.waiting, KEYS);
    close_come_back();
}

/* With -r who makes the records waits: a line behind the window would win nothing. */
static void with_files_the_line_is_short(void **state)
{
    static const char *const extra[] = {"queue", "1GiB", NULL};
    (void)state;

    open_gone(extra, true);
    while (try_number(DATASET_CALL)) {
        assert_true(world.sent <= 11000);
    }
    assert_true(world.sent > 10000); /* the window is full, and what comes next stands ready */
    assert_int_equal(world.tally.accepted, world.sent);
    assert_int_equal(output_dropped(&world.tally), 0);
    close_come_back();
}

static void refuses_what_makes_no_sense(void **state)
{
    static const char *const wrong[] = {
        "", "host:0", "host:65536", "host:x", "a host:9092", "[::1]:x", "kafka://h:9092", ":9092"};
    static const char *const right[] = {"127.0.0.1", "localhost:1", "[::1]:9092",
                                        "127.0.0.1:65535"};
    static const char *const topics[][3] = {
        {"topic", "a topic", NULL}, {"topic_prefix", "ear/", NULL}, {"topic", "..", NULL}};
    struct error error = {0};
    (void)state;

    world_open(0);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        if (open_with(wrong[i], NULL, &error) != STATUS_USAGE) {
            fail_msg("\"%s\" was taken", wrong[i]);
        }
        assert_string_equal(error.where, "brokers");
    }
    for (size_t i = 0; i < sizeof topics / sizeof topics[0]; i++) {
        assert_int_equal(open_with("127.0.0.1:1", topics[i], &error), STATUS_USAGE);
    }
    for (size_t i = 0; i < sizeof right / sizeof right[0]; i++) {
        assert_int_equal(open_with(right[i], NULL, &error), STATUS_OK);
        close_output();
    }
    world_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_is_a_record),
        cmocka_unit_test(one_topic_for_all),
        cmocka_unit_test(headers_are_each_records_own),
        cmocka_unit_test(errors_lose_nothing),
        cmocka_unit_test(a_dead_producer_is_replaced),
        cmocka_unit_test(a_broker_that_comes_back_gets_all),
        cmocka_unit_test(what_is_refused_for_good_is_dropped),
        cmocka_unit_test(a_batch_that_is_too_large_shrinks),
        cmocka_unit_test(nobody_is_there),
        cmocka_unit_test(a_long_linger_is_not_away),
        cmocka_unit_test(a_flush_sends_what_lingers),
        cmocka_unit_test(a_flush_waits_for_nobody),
        cmocka_unit_test(nothing_is_hurried_where_connections_break),
        cmocka_unit_test(with_files_the_line_is_short),
        cmocka_unit_test(refuses_what_makes_no_sense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
