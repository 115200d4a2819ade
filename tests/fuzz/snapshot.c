/* A state file: any bytes are refused with a reason, and the bytes of any section, were they sealed,
 * are taken in without harm: what was taken in is used, saved, and taken in again.
 *
 * An input is the name of a part, NUL, and its bytes; without such a name it is a whole file. */
#include "tests/fuzz/fuzz.h"

#include "sensor/run/config.h"
#include "sensor/run/image.h"
#include "sensor/state/state.h"

#define NOW_NS                                                                                     \
    (UINT64_C(1767690000) * NS_PER_S) /* behind the captures that the corpus is made of */

enum { IMAGE_ROOM = 64 << 20, FACTS = 40 };

struct sensor {
    struct state *state;
    struct detectors_frame *frame;
    struct snapshot_part parts[FRAME_PARTS + STATE_PARTS];
    uint32_t part_count;
};

static void on_change(void *owner, const struct change *change)
{
    (void)owner;
    (void)change;
}

/* All that is told is read to its end. */
static void on_incident(void *owner, const struct incident *incident)
{
    size_t *read = owner;

    *read += strlen(incident->entity) + strlen(incident->message) + strlen(incident->chain_text) +
             strlen(incident->confidence.why) + (size_t)incident->source_proven;
    for (uint32_t i = 0; i < incident->evidence_count; i++) {
        *read += strlen(incident->evidence[i].call_id);
    }
}

static struct config *config_of_defaults(void)
{
    static struct config *config;
    struct settings settings;
    struct error error = {0};

    if (config == NULL) {
        settings_start(&settings);
        if (config_open(&settings, &config, &error) != STATUS_OK) {
            abort();
        }
        settings_close(&settings);
    }
    return config;
}

static void sensor_open(struct sensor *sensor, size_t *read)
{
    struct state_limits limits = {.transactions_max = 16,
                                  .attempts_max = 16,
                                  .bindings_max = 8,
                                  .accounts_max = 8,
                                  .calls_max = 8,
                                  .destinations_max = 8,
                                  .servers_max = 8,
                                  .endpoints_max = 8,
                                  .streams_max = 8,
                                  .sources_max = 8,
                                  .call_age_max_ns = NS_PER_DAY,
                                  .key = HASH_KEY_FIXED};
    struct frame_limits frame = {.incidents_max = 8, .closed_max = 8, .key = HASH_KEY_FIXED};
    struct change_sink sink = {.on_change = on_change};
    struct error error = {0};

    for (unsigned kind = 0; kind < KEY_COUNT; kind++) {
        frame.entries[kind] = 8;
    }
    if (state_open(&limits, sink, &sensor->state, &error) != STATUS_OK ||
        frame_open(&frame, config_of_defaults()->detectors, on_incident, read, &sensor->frame,
                   &error) != STATUS_OK) {
        abort();
    }
    sensor->part_count = state_parts(sensor->state, sensor->parts, STATE_PARTS);
    sensor->part_count +=
        frame_parts(sensor->frame, sensor->parts + sensor->part_count, FRAME_PARTS);
}

static void sensor_close(struct sensor *sensor)
{
    frame_close(sensor->frame);
    state_close(sensor->state);
}

/* What the guesser of slow-guess.pcap would do next, so that entries of the corpus are met. */
static void go_on(struct sensor *sensor, uint64_t now_ns)
{
    struct fact fact = {.kind = FACT_TRANSACTION, .transport = 17};
    struct fact_transaction *try = &fact.is.transaction;

    if (!addr_parse(SLICE("203.0.113.77"), &try->client.endpoint.addr) ||
        !addr_parse(SLICE("192.0.2.10"), &try->server.endpoint.addr)) {
        abort();
    }
    try->client.endpoint.port = 5060;
    try->server.endpoint.port = 5060;
    try->client.proven = true;
    try->method = FACT_METHOD_REGISTER;
    try->status = 401;
    try->account = SLICE("1004@voice.example.com");
    try->target_user = SLICE("1004");
    for (unsigned i = 0; i < FACTS; i++) {
        fact.time_ns = now_ns + i * NS_PER_S;
        fact.number = i + 1;
        try->has_credentials = i % 3 != 0;
        try->auth_failure = try->has_credentials && i + 1 < FACTS;
        try->user_exists = i % 2 == 0;
        try->nonce_hash = i;
        try->response_hash = i + 1;
        try->status = i + 1 < FACTS ? 401 : 200;
        frame_fact(sensor->frame, &fact);
    }
    const struct mark_sighting mark = {.second = time_second(now_ns) + 2 * 86400};
    state_mark(sensor->state, &mark);
    struct fact second = {.kind = FACT_SECOND, .time_ns = mark.second * NS_PER_S};
    frame_fact(sensor->frame, &second);
}

static void no_word(void *owner, const struct image_told *told)
{
    size_t *read = owner;
    *read += told->name.bytes;
}

static void whole_file(const uint8_t *data, size_t size)
{
    const char *fault = image_fault(data, size, HASH_KEY_FIXED);
    size_t read = 0;

    if (fault == NULL) {
        struct sensor sensor;
        sensor_open(&sensor, &read);
        image_load(data, size, sensor.parts, sensor.part_count, NOW_NS, no_word, &read);
        go_on(&sensor, NOW_NS);
        sensor_close(&sensor);
    }
}

/* NULL: no part has such a name. */
static const struct snapshot_part *part_of(const struct sensor *sensor, const uint8_t *data,
                                           size_t size)
{
    for (uint32_t i = 0; i < sensor->part_count; i++) {
        size_t bytes = strlen(sensor->parts[i].name) + 1;
        if (size >= bytes && memcmp(data, sensor->parts[i].name, bytes) == 0) {
            return &sensor->parts[i];
        }
    }
    return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t *memory;
    size_t read = 0;
    struct sensor sensor;

    memory = memory == NULL ? malloc(IMAGE_ROOM) : memory;
    if (memory == NULL) {
        abort();
    }
    sensor_open(&sensor, &read);
    const struct snapshot_part *part = part_of(&sensor, data, size);
    if (part == NULL) {
        sensor_close(&sensor);
        whole_file(data, size);
        return 0;
    }
    size_t name_bytes = strlen(part->name) + 1;
    struct snapshot_in in = {.at = data + name_bytes,
                             .bytes = size - name_bytes,
                             .saved_ns = NOW_NS - NS_PER_S,
                             .now_ns = NOW_NS};
    (void)part->load(part->owner, &in);
    go_on(&sensor, NOW_NS);
    struct image image;
    image_begin(&image, memory, IMAGE_ROOM, NOW_NS);
    for (uint32_t i = 0; i < sensor.part_count; i++) {
        image_add(&image, &sensor.parts[i]);
    }
    assert(!image.overflow);
    image_seal(&image, HASH_KEY_FIXED);
    assert(image_fault(image.at, image.bytes, HASH_KEY_FIXED) == NULL);
    sensor_close(&sensor);
    whole_file(image.at, image.bytes);
    return 0;
}
