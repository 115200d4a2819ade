/* records_kafka: records that stand ready in memory to Kafka, by the encoder and the output of the
 * sensor: what sending costs beside a bare producer, without what makes records.
 *
 *   records_kafka BROKER COUNT COMPRESSION LINGER_MS          sends COUNT records of calls
 *   records_kafka --messages FILE COUNT                       writes what bare_kafka shall send: the same
 *
 * They lie as in the ring from which the sensor's writer takes them: one behind the other, as many
 * different ones as it holds, in turn. (In more memory they would be out of the caches each time,
 * where the sensor's never are.) Ends with 0 when every record was acknowledged. */
/* First: its headers name what banned.h forbids. */
#include <event2/event.h>

#include "outputs/encode_json.h"
#include "outputs/output.h"
#include "outputs/record_key.h"

#include <stdio.h>

enum { RING_BYTES = 256 << 10, RECORDS_MAX = 1024, ROUND = 256 };

static _Alignas(8) uint8_t memory[RING_BYTES];
static const struct record *records[RECORDS_MAX];
static size_t made, made_bytes;
static _Alignas(8) uint8_t scratch[RECORD_BYTES_MAX];
static char line[ENCODE_JSON_BYTES_MAX];
static struct record_identity identity = {
    .observer = "edge-1", .hostname = "edge-1", .version = "0.1.0"};

static struct addr address(unsigned last)
{
    uint8_t four[4] = {192, 0, 2, (uint8_t)last};
    return addr_from_v4(four);
}

static void put_ends(struct record_maker *maker, uint64_t number)
{
    struct addr from = address(1 + (unsigned)(number % 200));
    struct addr to = address(10);

    record_address(maker, FIELD_ID_SOURCE_IP, &from);
    record_long(maker, FIELD_ID_SOURCE_PORT, 5060);
    record_address(maker, FIELD_ID_DESTINATION_IP, &to);
    record_long(maker, FIELD_ID_DESTINATION_PORT, 5060);
    record_string(maker, FIELD_ID_NETWORK_TRANSPORT, "udp");
    record_string(maker, FIELD_ID_NETWORK_TYPE, "ipv4");
    record_string(maker, FIELD_ID_NETWORK_APPLICATION, "sip");
}

static void put_sip(struct record_maker *maker, uint64_t number)
{
    char call_id[64];
    char user[32];

    (void)snprintf(call_id, sizeof call_id, "%016" PRIx64 "@192.0.2.%u",
                   number * 0x9e3779b97f4a7c15, 1 + (unsigned)(number % 200));
    (void)snprintf(user, sizeof user, "+155501%02u", (unsigned)(number % 100));
    record_string(maker, FIELD_ID_SIP_CODE, "200");
    record_string(maker, FIELD_ID_SIP_STATUS, "OK");
    record_string(maker, FIELD_ID_SIP_URI_ORIGINAL, "sip:1002@pbx.example");
    record_string(maker, FIELD_ID_SIP_CALL_ID, call_id);
    record_string(maker, FIELD_ID_SIP_CSEQ_CODE, "102");
    record_string(maker, FIELD_ID_SIP_CSEQ_METHOD, "INVITE");
    record_string(maker, FIELD_ID_SIP_FROM_URI_USERNAME, user);
    record_string(maker, FIELD_ID_SIP_FROM_TAG, "49583");
    record_string(maker, FIELD_ID_SIP_TO_URI_USERNAME, "1002");
    record_string(maker, FIELD_ID_SIP_TO_TAG, "as58f4201b");
    record_string(maker, FIELD_ID_SIP_USER_AGENT_ORIGINAL, "ExamplePhone/1.2");
}

/* False when there is no room for one more. */
static bool make(uint64_t number)
{
    struct record_maker maker;
    uint64_t time_ns = UINT64_C(1767603600) * NS_PER_S + number * NS_PER_MS;

    record_begin(&maker, scratch, DATASET_CALL, time_ns, number);
    record_string(&maker, FIELD_ID_EVENT_ACTION, "call-end");
    record_string(&maker, FIELD_ID_EVENT_OUTCOME, "success");
    record_date(&maker, FIELD_ID_EVENT_START, time_ns - 9 * NS_PER_S);
    record_date(&maker, FIELD_ID_EVENT_END, time_ns);
    record_long(&maker, FIELD_ID_EVENT_DURATION, (int64_t)(9 * NS_PER_S));
    put_ends(&maker, number);
    put_sip(&maker, number);
    record_string(&maker, FIELD_ID_EARSHOT_CALL_OUTCOME, "answered");
    record_end(&maker, (struct hash128){.high = number * 0xff51afd7ed558ccd, .low = number},
               number);
    uint32_t bytes = maker.record->bytes; /* a multiple of 8 */
    if (bytes > RING_BYTES - made_bytes || made == RECORDS_MAX) {
        return false;
    }
    memcpy(memory + made_bytes, scratch, bytes);
    records[made++] = (const struct record *)(const void *)(memory + made_bytes);
    made_bytes += bytes;
    return true;
}

static const struct record *record_of(uint64_t number)
{
    return records[number % made];
}

/* TOPIC tab KEY tab TIME_MS tab DATASET tab ID tab VALUE */
static int write_messages(const char *path, uint64_t count)
{
    struct encode_json *encoder = NULL;
    struct community_id *community = NULL;
    struct error error = {0};
    char key[RECORD_KEY_BYTES];
    FILE *file = fopen(path, "w");

    if (file == NULL || encode_json_open(&identity, &encoder, &error) != STATUS_OK ||
        community_id_open(&community, &error) != STATUS_OK) {
        return 2;
    }
    for (uint64_t i = 0; i < count; i++) {
        const struct record *record = record_of(i);
        struct slice of = record_key(record, &identity, community, key);
        size_t bytes = encode_json(encoder, record, 0, line);
        (void)fprintf(file,
                      "earshot.call\t%.*s\t%" PRIu64 "\tearshot.call\t%016" PRIx64 "%016" PRIx64
                      "\t%zu\t%.*s\n",
                      (int)of.bytes, of.at, record->time_ns / NS_PER_MS, record->id.high,
                      record->id.low, bytes, (int)bytes, line);
    }
    community_id_close(community);
    encode_json_close(encoder);
    return fclose(file) == 0 ? 0 : 2;
}

static void on_tick(evutil_socket_t descriptor, short what, void *owner)
{
    (void)descriptor;
    (void)what;
    (void)owner;
}

static void *open_kafka(const struct output *type, const struct output_host *host, char **words)
{
    void *conf = calloc(1, type->conf_bytes);
    void *kafka = NULL;
    struct error error = {0};
    const char *const pairs[][2] = {{"brokers", words[1]},
                                    {"compression", words[3]},
                                    {"linger", words[4]},
                                    {"timestamps", "event"}};

    option_presets(type->options, conf);
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        const struct option *option = option_find(type->options, slice_of_string(pairs[i][0]));
        if (option_parse(option, slice_of_string(pairs[i][1]), conf, "bench", pairs[i][0],
                         &error) != STATUS_OK) {
            return NULL;
        }
    }
    return type->open(host, conf, &kafka, &error) == STATUS_OK ? kafka : NULL;
}

static const struct output *kafka_type(void)
{
    for (size_t i = 0; outputs[i] != NULL; i++) {
        if (strcmp(outputs[i]->type, "kafka") == 0) {
            return outputs[i];
        }
    }
    return NULL;
}

static int send_records(char **words, uint64_t count)
{
    const struct output *type = kafka_type();
    struct timeval tick = {.tv_usec = 20000};
    struct output_tally tally = {0};
    struct output_host host = {
        .name = "bench", .loop = event_base_new(), .identity = identity, .tally = &tally};
    struct event *timer = event_new(host.loop, -1, EV_PERSIST, on_tick, NULL);
    struct encode_json *encoder = NULL;
    struct error error = {0};

    if (event_add(timer, &tick) != 0 ||
        encode_json_open(&identity, &encoder, &error) != STATUS_OK) {
        return 2;
    }
    void *kafka = open_kafka(type, &host, words);
    for (uint64_t i = 0; kafka != NULL && i < count; i++) {
        struct slice text = slice_of(line, encode_json(encoder, record_of(i), 0, line));
        while (type->send(kafka, record_of(i), text) == OUTPUT_FULL) {
            (void)event_base_loop(host.loop, EVLOOP_ONCE);
            type->poll(kafka);
        }
        if (i % ROUND == 0) {
            (void)event_base_loop(host.loop, EVLOOP_NONBLOCK);
            type->poll(kafka);
        }
    }
    while (kafka != NULL && tally.waiting > 0) {
        type->flush(kafka);
        (void)event_base_loop(host.loop, EVLOOP_ONCE);
        type->poll(kafka);
    }
    if (kafka != NULL) {
        type->close(kafka);
    }
    encode_json_close(encoder);
    event_free(timer);
    event_base_free(host.loop);
    return tally.acknowledged == count ? 0 : 1;
}

int main(int count, char **words)
{
    while (make(made)) {
    }
    if (count == 4 && strcmp(words[1], "--messages") == 0) {
        return write_messages(words[2], strtoull(words[3], NULL, 10));
    }
    if (count == 5) {
        return send_records(words, strtoull(words[2], NULL, 10));
    }
    (void)fputs("usage: records_kafka BROKER COUNT COMPRESSION LINGER | --messages FILE COUNT\n",
                stderr);
    return 2;
}
