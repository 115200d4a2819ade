/* bare_kafka: messages from a file to Kafka, with librdkafka and nothing else: what a producer can do.
 *
 *   bare_kafka BROKER MESSAGES COMPRESSION LINGER_MS
 *
 * MESSAGES: a line each, TOPIC tab KEY tab TIME_MS tab DATASET tab ID tab BYTES tab VALUE. Durability,
 * keys, headers, times and the window (how many are on their way) are those of the sensor's output:
 * with a larger one a producer is slower, for what it has is not in the caches any more. Values are
 * sent from where they lie in the file; BYTES spares it to look for their ends. Ends with 0 when
 * every message was acknowledged. */
#include <fcntl.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TOPICS = 16, WINDOW = 10000 };
enum { TOPIC, KEY, TIME, DATASET, ID, BYTES, VALUE, PART_COUNT };

struct part {
    char *at;
    size_t bytes;
};

static unsigned long failed, acknowledged;
static rd_kafka_topic_t *topics[TOPICS];

static void on_report(rd_kafka_t *producer, const rd_kafka_message_t *message, void *opaque)
{
    (void)producer;
    (void)opaque;
    failed += message->err != RD_KAFKA_RESP_ERR_NO_ERROR;
    acknowledged += message->err == RD_KAFKA_RESP_ERR_NO_ERROR;
}

static void set(rd_kafka_conf_t *settings, const char *name, const char *value)
{
    char text[256];

    if (rd_kafka_conf_set(settings, name, value, text, sizeof text) != RD_KAFKA_CONF_OK) {
        (void)fprintf(stderr, "%s\n", text);
        exit(2);
    }
}

static rd_kafka_t *producer_open(char **words)
{
    rd_kafka_conf_t *settings = rd_kafka_conf_new();
    char text[256], window[16];

    (void)snprintf(window, sizeof window, "%d", WINDOW);
    set(settings, "bootstrap.servers", words[1]);
    set(settings, "compression.codec", words[3]);
    set(settings, "linger.ms", words[4]);
    set(settings, "enable.idempotence", "true");
    set(settings, "acks", "all");
    set(settings, "message.timeout.ms", "0");
    set(settings, "partitioner", "murmur2_random");
    set(settings, "queue.buffering.max.messages", window);
    rd_kafka_conf_set_dr_msg_cb(settings, on_report);
    rd_kafka_t *producer = rd_kafka_new(RD_KAFKA_PRODUCER, settings, text, sizeof text);
    if (producer == NULL) {
        (void)fprintf(stderr, "%s\n", text);
        exit(2);
    }
    return producer;
}

static rd_kafka_topic_t *topic_of(rd_kafka_t *producer, struct part name)
{
    char text[256];
    int i = 0;

    for (; i < TOPICS && topics[i] != NULL; i++) {
        const char *known = rd_kafka_topic_name(topics[i]);
        if (strlen(known) == name.bytes && memcmp(known, name.at, name.bytes) == 0) {
            return topics[i];
        }
    }
    (void)snprintf(text, sizeof text, "%.*s", (int)name.bytes, name.at);
    topics[i] = rd_kafka_topic_new(producer, text, NULL);
    return topics[i];
}

static void produce(rd_kafka_t *producer, const struct part *parts)
{
    rd_kafka_topic_t *topic = topic_of(producer, parts[TOPIC]);
    int64_t time_ms = strtoll(parts[TIME].at, NULL, 10);

    for (;;) {
        rd_kafka_headers_t *headers = rd_kafka_headers_new(4);
        (void)rd_kafka_header_add(headers, "content-type", -1, "application/json", -1);
        (void)rd_kafka_header_add(headers, "earshot-schema", -1, "1", 1);
        (void)rd_kafka_header_add(headers, "earshot-dataset", -1, parts[DATASET].at,
                                  (ssize_t)parts[DATASET].bytes);
        (void)rd_kafka_header_add(headers, "event-id", -1, parts[ID].at, (ssize_t)parts[ID].bytes);
        rd_kafka_resp_err_t code = rd_kafka_producev(
            producer, RD_KAFKA_V_RKT(topic), RD_KAFKA_V_MSGFLAGS(0),
            RD_KAFKA_V_KEY(parts[KEY].at, parts[KEY].bytes),
            RD_KAFKA_V_VALUE(parts[VALUE].at, parts[VALUE].bytes), RD_KAFKA_V_TIMESTAMP(time_ms),
            RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END);
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
            return;
        }
        rd_kafka_headers_destroy(headers);
        if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
            (void)fprintf(stderr, "%s\n", rd_kafka_err2str(code));
            exit(2);
        }
        (void)rd_kafka_poll(producer, 10);
    }
}

int main(int count, char **words)
{
    struct stat stat_of;
    unsigned long sent = 0;

    if (count != 5) {
        (void)fprintf(stderr, "usage: bare_kafka BROKER MESSAGES COMPRESSION LINGER_MS\n");
        return 2;
    }
    int file = open(words[2], O_RDONLY | O_CLOEXEC);
    if (file < 0 || fstat(file, &stat_of) != 0) {
        perror(words[2]);
        return 2;
    }
    char *at = mmap(NULL, (size_t)stat_of.st_size, PROT_READ, MAP_PRIVATE, file, 0);
    char *end = at + stat_of.st_size;
    rd_kafka_t *producer = producer_open(words);
    while (at < end) {
        struct part parts[PART_COUNT];
        for (int i = 0; i < VALUE; i++) {
            char *stop = memchr(at, '\t', (size_t)(end - at));
            parts[i] = (struct part){.at = at, .bytes = (size_t)(stop - at)};
            at = stop + 1;
        }
        parts[VALUE] = (struct part){.at = at, .bytes = strtoul(parts[BYTES].at, NULL, 10)};
        at += parts[VALUE].bytes + 1; /* the line's end */
        produce(producer, parts);
        if (++sent % 256 == 0) {
            (void)rd_kafka_poll(producer, 0);
        }
    }
    (void)rd_kafka_flush(producer, 60000);
    for (int i = 0; i < TOPICS && topics[i] != NULL; i++) {
        rd_kafka_topic_destroy(topics[i]);
    }
    rd_kafka_destroy(producer);
    (void)fprintf(stderr, "%lu messages\n", acknowledged);
    return failed == 0 && acknowledged == sent ? 0 : 1;
}
