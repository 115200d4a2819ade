/* The writer: the only thread that touches the world outside.
 *
 * A record is encoded once and given to every output that takes its dataset; the report sees every
 * record whatever the outputs want. Which records exist at all was decided where they are made
 * (records.*). */
#include "sensor/run/writer.h"

#include "base/log.h"
#include "outputs/encode_json.h"
#include "sensor/telemetry/telemetry.h"

#include <unistd.h>

enum { OUTPUTS_MAX = 64 };
#define FLUSH_TIMEOUT_NS (30 * NS_PER_S)
#define LIVE_TIMEOUT_NS (100 * NS_PER_MS)

struct place {
    const char *name;
    const struct output *type;
    void *instance;
    uint32_t datasets;
    uint64_t accepted;
    uint64_t lost;
};

struct writer {
    struct writer_options options;
    struct place places[OUTPUTS_MAX];
    uint32_t place_count;
    void *records_conf; /* of the output that --records makes */
    struct privacy *privacy;
    struct report *report;
    struct encode_json *encoder; /* NULL where there is no place */
    char *encoded;
    char hostname[256]; /* "": not live */
    uint64_t flushed_ns;
    bool urgent; /* an alert has been written since */
    bool ended;
};

static uint64_t clock_ns(clockid_t which)
{
    struct timespec now = {0};
    (void)clock_gettime(which, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static const struct output *output_named(const char *type)
{
    for (size_t i = 0; outputs[i] != NULL; i++) {
        if (strcmp(outputs[i]->type, type) == 0) {
            return outputs[i];
        }
    }
    return NULL;
}

static enum status place_open(struct writer *writer, const char *name, const struct output *type,
                              const void *conf, uint32_t datasets, struct error *error)
{
    if (writer->place_count == OUTPUTS_MAX) {
        return error_set(error, STATUS_USAGE, name, "more than %d outputs", OUTPUTS_MAX);
    }
    struct place *place = &writer->places[writer->place_count];
    *place = (struct place){.name = name, .type = type, .datasets = datasets};
    enum status status = type->open(name, conf, &place->instance, error);
    writer->place_count += status == STATUS_OK;
    return status;
}

/* --records FILE is an output of type file like any other. */
static enum status records_open(struct writer *writer, struct error *error)
{
    const struct output *file = output_named("file");
    assert(file != NULL);
    writer->records_conf = calloc(1, file->conf_bytes);
    const struct option *path = option_find(file->options, SLICE("path"));
    const struct option *append = option_find(file->options, SLICE("append"));
    assert(writer->records_conf != NULL && path != NULL && append != NULL);
    option_presets(file->options, writer->records_conf);
    enum status status = option_parse(path, slice_of_string(writer->options.records),
                                      writer->records_conf, "--records", "--records", error);
    if (status == STATUS_OK) { /* one run, one file */
        status = option_parse(append, SLICE("false"), writer->records_conf, "--records", "append",
                              error);
    }
    if (status == STATUS_OK) {
        status = place_open(writer, "--records", file, writer->records_conf, UINT32_MAX, error);
    }
    return status;
}

enum status writer_open(const struct writer_options *options, struct writer **out_writer,
                        struct error *error)
{
    struct writer *writer = calloc(1, sizeof *writer);
    char *encoded = malloc(ENCODE_JSON_BYTES_MAX);
    if (writer == NULL || encoded == NULL) {
        free(writer);
        free(encoded);
        return error_set(error, STATUS_FAILED, "", "no memory for the writer");
    }
    writer->options = *options;
    writer->encoded = encoded;
    enum status status = privacy_open(&options->config->privacy, &writer->privacy, error);
    if (status == STATUS_OK && options->report != REPORT_NONE) {
        status = report_open(options->report, &writer->report, error);
        if (status == STATUS_OK) {
            report_words(writer->report, telemetry_meaning);
        }
    }
    if (status == STATUS_OK && options->records != NULL) {
        status = records_open(writer, error);
    }
    for (uint32_t i = 0;
         options->deliver && i < options->config->output_count && status == STATUS_OK; i++) {
        const struct config_output *output = &options->config->outputs[i];
        status =
            place_open(writer, output->name, output->type, output->conf, output->datasets, error);
    }
    if (status == STATUS_OK && writer->place_count > 0) {
        if (options->live && gethostname(writer->hostname, sizeof writer->hostname - 1) != 0) {
            writer->hostname[0] = '\0';
        }
        const char *hostname = writer->hostname[0] == '\0' ? NULL : writer->hostname;
        struct encode_identity identity = {
            .observer = options->observer_name, .hostname = hostname, .version = EARSHOT_VERSION};
        status = encode_json_open(&identity, &writer->encoder, error);
    }
    if (status != STATUS_OK) {
        writer_close(writer);
        return status;
    }
    *out_writer = writer;
    return STATUS_OK;
}

void writer_close(struct writer *writer)
{
    if (writer == NULL) {
        return;
    }
    for (uint32_t i = 0; i < writer->place_count; i++) {
        writer->places[i].type->close(writer->places[i].instance);
    }
    if (writer->report != NULL) {
        report_close(writer->report);
    }
    privacy_close(writer->privacy);
    if (writer->encoder != NULL) {
        encode_json_close(writer->encoder);
    }
    free(writer->records_conf);
    free(writer->encoded);
    free(writer);
}

static void deliver(const struct writer *writer, struct place *place, const struct record *record,
                    struct slice encoded)
{
    enum output_result result = place->type->send(place->instance, record, encoded);
    if (result == OUTPUT_FULL) {
        /* Offline every arrow waits: the output makes room or says that it cannot. */
        struct error error = {0};
        uint64_t timeout_ns = writer->options.live ? LIVE_TIMEOUT_NS : FLUSH_TIMEOUT_NS;
        result = place->type->flush(place->instance, timeout_ns, &error) == STATUS_OK
                     ? place->type->send(place->instance, record, encoded)
                     : OUTPUT_LOST;
    }
    if (result == OUTPUT_ACCEPTED) {
        place->accepted++;
    } else {
        place->lost++;
    }
}

static void write_record(struct writer *writer, const struct record *record)
{
    record = privacy_apply(writer->privacy, record);
    if (writer->report != NULL) {
        report_see(writer->report, record);
    }
    uint32_t wanted = UINT32_C(1) << record->dataset;
    size_t bytes = 0; /* encoded once, when the first output wants it */
    for (uint32_t i = 0; i < writer->place_count; i++) {
        if ((writer->places[i].datasets & wanted) == 0) {
            continue;
        }
        if (bytes == 0) {
            uint64_t created_ns = writer->options.live ? clock_ns(CLOCK_REALTIME) : 0;
            bytes = encode_json(writer->encoder, record, created_ns, writer->encoded);
        }
        deliver(writer, &writer->places[i], record, slice_of(writer->encoded, bytes));
    }
}

/* Live: what an output gathers is a second old at most, and an alert goes at once. */
static void flush_live(struct writer *writer)
{
    uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);
    if (!writer->options.live || (!writer->urgent && now_ns - writer->flushed_ns < NS_PER_S)) {
        return;
    }
    writer->flushed_ns = now_ns;
    writer->urgent = false;
    for (uint32_t i = 0; i < writer->place_count; i++) {
        struct place *place = &writer->places[i];
        struct error error = {0}; /* the output has said it, and what it loses is counted */
        (void)place->type->flush(place->instance, LIVE_TIMEOUT_NS, &error);
    }
}

bool writer_drain(struct writer *writer)
{
    struct ring *ring = writer->options.ring;
    while (!writer->ended) {
        uint64_t position = ring_position(ring);
        size_t bytes = 0;
        const struct record *record = ring_peek(ring, &bytes);
        if (record == NULL) {
            writer->ended = position == UINT64_MAX;
            break;
        }
        writer->urgent |= record->dataset == DATASET_ALERT;
        write_record(writer, record);
        ring_advance(ring, record->bytes);
        ring_release(ring);
    }
    flush_live(writer);
    return writer->ended;
}

void writer_run(struct writer *writer)
{
    struct bell *bell = &writer->options.shared->writer_bell;
    for (;;) {
        uint32_t heard = bell_listen(bell);
        if (writer_drain(writer)) {
            break;
        }
        bell_wait(bell, heard, NS_PER_S / 10);
    }
}

enum status writer_finish(struct writer *writer, bool colour, unsigned width, struct error *error)
{
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < writer->place_count; i++) {
        struct place *place = &writer->places[i];
        struct error failed = {0};
        if (place->type->flush(place->instance, FLUSH_TIMEOUT_NS, &failed) != STATUS_OK) {
            log_error_struct(&failed);
            *error = failed;
            status = STATUS_FAILED;
        }
        if (place->lost > 0) {
            status = error_set(error, STATUS_FAILED, place->name,
                               "%" PRIu64 " records could not be delivered, %" PRIu64 " were",
                               place->lost, place->accepted);
        }
    }
    if (writer->report != NULL) {
        struct error failed = {0};
        if (report_print(writer->report, stdout, colour, width, &failed) != STATUS_OK) {
            *error = failed;
            status = STATUS_FAILED;
        }
    }
    return status;
}
