/* writer.c - the only thread that touches the world outside.
 *
 * A record is encoded once for each format that an output wants and given to every output that takes
 * its dataset; the report sees every record whatever the outputs want. Which records exist at all was
 * decided where they are made (records.*).
 *
 * Sockets and timers of the outputs hang in one event loop. While there are records the loop gets a
 * turn after each round; where there are none the thread sleeps in it, and the analyst's bell is a
 * descriptor of it. Live no output holds the writer: what it has no room for it drops and counts. With
 * -r the writer waits for room as long as the far end takes something. */
/* First: its headers name what banned.h forbids. */
#include <event2/event.h>

#include "sensor/run/writer.h"

#include "base/log.h"
#include "outputs/encode_cef.h"
#include "outputs/encode_json.h"
#include "outputs/output.h"
#include "sensor/run/respond.h"
#include "sensor/telemetry/telemetry.h"

#include <sys/eventfd.h>
#include <unistd.h>

enum { SLEEP_MS = 100, ROUND_RECORDS = 256 };
#define END_FILES_NS (30 * NS_PER_S)
#define END_LIVE_NS (3 * NS_PER_S)
#define REPORT_LIVE_BYTES (UINT64_C(256) << 20) /* of each list: about a million calls */

/* What the writer alone knows of a place. */
struct road {
    void *instance;
    uint32_t datasets;
    enum output_format format;
    bool reads_records; /* it wants no text */
    uint64_t offered;
    uint64_t acknowledged; /* when that was last looked at */
    uint64_t moved_ns; /* since then it has taken nothing of what waits */
    struct output_host host;
};

struct writer {
    struct writer_options options;
    struct event_base *loop; /* NULL where there is no place */
    struct event *woken; /* by the analyst */
    struct event *tick;
    int descriptor; /* that the analyst's bell makes readable */
    struct output_place places[OUTPUT_PLACES_MAX];
    struct road roads[OUTPUT_PLACES_MAX];
    uint32_t place_count;
    void *records_conf; /* of the output that --records makes */
    struct privacy *privacy;
    struct respond *respond; /* NULL: no response is configured */
    struct report *report;
    struct encode_json *encode_json;
    struct encode_cef *encode_cef;
    char *encoded[OUTPUT_FORMATS];
    char hostname[256]; /* "": not live */
    struct record_identity identity;
    uint64_t flushed_ns;
    uint32_t round; /* records since the loop had its turn */
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
                              const void *conf, const struct road *wanted, struct error *error)
{
    if (writer->place_count == OUTPUT_PLACES_MAX) {
        return error_set(error, STATUS_USAGE, name, "more than %d outputs", (int)OUTPUT_PLACES_MAX);
    }
    struct output_place *place = &writer->places[writer->place_count];
    struct road *road = &writer->roads[writer->place_count];
    *place = (struct output_place){.name = name, .type = type};
    *road = *wanted;
    road->reads_records = type->formats == 0;
    road->moved_ns = clock_ns(CLOCK_MONOTONIC);
    road->host = (struct output_host){.name = name,
                                      .loop = writer->loop,
                                      .identity = writer->identity,
                                      .format = road->format,
                                      .live = writer->options.live,
                                      .tally = &place->tally,
                                      .places = writer->places,
                                      .place_count = &writer->place_count};
    enum status status = type->open(&road->host, conf, &road->instance, error);
    if (status == STATUS_OK) {
        writer->options.shared->outputs[writer->place_count].name = name;
        writer->options.shared->output_count = ++writer->place_count;
    }
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
        struct road road = {.datasets = UINT32_MAX, .format = OUTPUT_JSON};
        status = place_open(writer, "--records", file, writer->records_conf, &road, error);
    }
    return status;
}

static void on_woken(evutil_socket_t descriptor, short what, void *owner)
{
    eventfd_t rung = 0;
    (void)what;
    (void)owner;
    (void)eventfd_read(descriptor, &rung); /* nothing there is as good */
}

static void on_tick(evutil_socket_t descriptor, short what, void *owner)
{
    (void)descriptor; /* it only ends the sleep, so that poll() comes round */
    (void)what;
    (void)owner;
}

static enum status loop_open(struct writer *writer, struct error *error)
{
    struct timeval tick = {.tv_usec = SLEEP_MS * 1000};

    writer->loop = event_base_new();
    writer->descriptor = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (writer->loop != NULL && writer->descriptor > 0) {
        writer->woken =
            event_new(writer->loop, writer->descriptor, EV_READ | EV_PERSIST, on_woken, NULL);
        writer->tick = event_new(writer->loop, -1, EV_PERSIST, on_tick, NULL);
    }
    if (writer->woken == NULL || writer->tick == NULL || event_add(writer->woken, NULL) != 0 ||
        event_add(writer->tick, &tick) != 0) {
        return error_set(error, STATUS_FAILED, "", "no memory for the loop of the outputs");
    }
    bell_use(&writer->options.shared->writer_bell, writer->descriptor);
    return STATUS_OK;
}

static enum status encoders_open(struct writer *writer, struct error *error)
{
    static const size_t bytes_max[OUTPUT_FORMATS] = {
        [OUTPUT_JSON] = ENCODE_JSON_BYTES_MAX, [OUTPUT_CEF] = ENCODE_CEF_BYTES_MAX};

    for (size_t i = 0; i < OUTPUT_FORMATS; i++) {
        writer->encoded[i] = malloc(bytes_max[i]);
        if (writer->encoded[i] == NULL) {
            return error_set(error, STATUS_FAILED, "", "no memory for the writer");
        }
    }
    enum status status = encode_json_open(&writer->identity, &writer->encode_json, error);
    return status != STATUS_OK ? status
                               : encode_cef_open(&writer->identity, &writer->encode_cef, error);
}

static enum status places_open(struct writer *writer, struct error *error)
{
    const struct config *config = writer->options.config;
    uint32_t configured = writer->options.deliver ? config->output_count : 0;
    enum status status = STATUS_OK;

    if (configured == 0 && writer->options.records == NULL) {
        return STATUS_OK;
    }
    if (writer->options.live && gethostname(writer->hostname, sizeof writer->hostname - 1) != 0) {
        writer->hostname[0] = '\0';
    }
    writer->identity =
        (struct record_identity){.observer = writer->options.observer_name,
                                 .hostname = writer->hostname[0] == '\0' ? NULL : writer->hostname,
                                 .version = EARSHOT_VERSION};
    status = loop_open(writer, error);
    if (status == STATUS_OK) {
        status = encoders_open(writer, error);
    }
    if (status == STATUS_OK && writer->options.records != NULL) {
        status = records_open(writer, error);
    }
    for (uint32_t i = 0; i < configured && status == STATUS_OK; i++) {
        const struct config_output *output = &config->outputs[i];
        struct road road = {.datasets = output->datasets, .format = output->format};
        status = place_open(writer, output->name, output->type, output->conf, &road, error);
    }
    return status;
}

enum status writer_open(const struct writer_options *options, struct writer **out_writer,
                        struct error *error)
{
    struct writer *writer = calloc(1, sizeof *writer);
    if (writer == NULL) {
        return error_set(error, STATUS_FAILED, "", "no memory for the writer");
    }
    writer->options = *options;
    struct respond_options respond = {.config = options->config,
                                      .observer_name = options->observer_name,
                                      .link = options->responder,
                                      .live = options->live};
    enum status status = privacy_open(&options->config->privacy, &writer->privacy, error);
    if (status == STATUS_OK && options->report != REPORT_NONE) {
        status = report_open(options->report, &writer->report, error);
        if (status == STATUS_OK) {
            report_words(writer->report, telemetry_meaning);
            report_limit(writer->report, options->live ? REPORT_LIVE_BYTES : UINT64_MAX);
        }
    }
    if (status == STATUS_OK) {
        status = places_open(writer, error);
    }
    if (status == STATUS_OK) {
        status = respond_open(&respond, &writer->respond, error);
    }
    if (status != STATUS_OK) {
        writer_close(writer);
        return status;
    }
    *out_writer = writer;
    return STATUS_OK;
}

static void places_close(struct writer *writer)
{
    for (uint32_t i = 0; i < writer->place_count; i++) {
        if (writer->roads[i].instance != NULL) {
            writer->places[i].type->close(writer->roads[i].instance);
            writer->roads[i].instance = NULL;
        }
    }
}

void writer_close(struct writer *writer)
{
    if (writer == NULL) {
        return;
    }
    places_close(writer);
    respond_close(writer->respond);
    if (writer->woken != NULL) {
        event_free(writer->woken);
    }
    if (writer->tick != NULL) {
        event_free(writer->tick);
    }
    if (writer->loop != NULL) {
        event_base_free(writer->loop);
    }
    if (writer->descriptor > 0) {
        (void)close(writer->descriptor);
    }
    if (writer->report != NULL) {
        report_close(writer->report);
    }
    privacy_close(writer->privacy);
    if (writer->encode_json != NULL) {
        encode_json_close(writer->encode_json);
    }
    encode_cef_close(writer->encode_cef);
    for (size_t i = 0; i < OUTPUT_FORMATS; i++) {
        free(writer->encoded[i]);
    }
    free(writer->records_conf);
    free(writer);
}

/* --- the loop --- */

/* For the sensor's own record. */
static void tell_tallies(struct writer *writer)
{
    for (uint32_t i = 0; i < writer->place_count; i++) {
        const struct output_tally *tally = &writer->places[i].tally;
        struct run_output *told = &writer->options.shared->outputs[i];
        atomic_store_explicit(&told->waiting, tally->waiting, memory_order_relaxed);
        atomic_store_explicit(&told->acknowledged, tally->acknowledged, memory_order_relaxed);
        atomic_store_explicit(&told->repeated, tally->repeated, memory_order_relaxed);
        atomic_store_explicit(&told->dropped, output_dropped(tally), memory_order_relaxed);
    }
}

static void poll_places(struct writer *writer)
{
    for (uint32_t i = 0; i < writer->place_count; i++) {
        if (writer->places[i].type->poll != NULL) {
            writer->places[i].type->poll(writer->roads[i].instance);
        }
    }
}

static void see_progress(struct writer *writer)
{
    uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);

    for (uint32_t i = 0; i < writer->place_count; i++) {
        const struct output_tally *tally = &writer->places[i].tally;
        struct road *road = &writer->roads[i];
        if (tally->waiting == 0 || tally->acknowledged != road->acknowledged) {
            road->acknowledged = tally->acknowledged;
            road->moved_ns = now_ns;
        }
    }
}

/* Sockets and timers that are due; `sleep`: waits for the next one, a tick at most. */
static void turn(struct writer *writer, bool sleep)
{
    writer->round = 0;
    if (writer->loop != NULL) {
        (void)event_base_loop(writer->loop, sleep ? EVLOOP_ONCE : EVLOOP_NONBLOCK);
        poll_places(writer);
        tell_tallies(writer);
        see_progress(writer);
    }
}

/* --- records --- */

static bool is_stuck(const struct road *road)
{
    return clock_ns(CLOCK_MONOTONIC) - road->moved_ns >= END_FILES_NS;
}

/* With -r every arrow waits: for room, as long as the far end takes something within the time. Many
 * that do not are waited for all at once, and once, not once a record. */
static void wait_for_room(struct writer *writer, uint32_t index, const struct record *record,
                          struct slice encoded)
{
    struct output_place *place = &writer->places[index];
    struct road *road = &writer->roads[index];

    while (!is_stuck(road)) {
        turn(writer, true);
        if (place->type->send(road->instance, record, encoded) == OUTPUT_ACCEPTED) {
            return;
        }
    }
    place->tally.accepted++;
    place->tally.dropped[record->dataset]++;
}

static void deliver(struct writer *writer, uint32_t index, const struct record *record,
                    struct slice encoded)
{
    struct output_place *place = &writer->places[index];
    struct road *road = &writer->roads[index];

    road->offered++;
    if (place->type->send(road->instance, record, encoded) == OUTPUT_FULL) {
        wait_for_room(writer, index, record, encoded);
    }
}

static struct slice encode(struct writer *writer, enum output_format format,
                           const struct record *record)
{
    uint64_t created_ns = writer->options.live ? clock_ns(CLOCK_REALTIME) : 0;
    char *out = writer->encoded[format];

    if (format == OUTPUT_CEF) {
        return slice_of(out, encode_cef(writer->encode_cef, record, out));
    }
    return slice_of(out, encode_json(writer->encode_json, record, created_ns, out));
}

static void write_record(struct writer *writer, const struct record *record)
{
    uint32_t wanted = UINT32_C(1) << record->dataset;
    struct slice encoded[OUTPUT_FORMATS] = {{0}}; /* once, when the first output wants it */

    record = privacy_apply(writer->privacy, record);
    if (writer->report != NULL) {
        report_see(writer->report, record);
    }
    for (uint32_t i = 0; i < writer->place_count; i++) {
        struct road *road = &writer->roads[i];
        if ((road->datasets & wanted) == 0) {
            continue;
        }
        if (!road->reads_records && encoded[road->format].bytes == 0) {
            encoded[road->format] = encode(writer, road->format, record);
        }
        deliver(writer, i, record, road->reads_records ? SLICE_NONE : encoded[road->format]);
    }
}

static void write_response(void *owner, const struct record *record)
{
    struct writer *writer = owner;

    writer->urgent = true;
    write_record(writer, record);
}

static void flush_places(struct writer *writer)
{
    for (uint32_t i = 0; i < writer->place_count; i++) {
        writer->places[i].type->flush(writer->roads[i].instance);
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
    flush_places(writer);
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
        respond_see(writer->respond, record); /* it reads what privacy hides */
        respond_tell(writer->respond, write_response, writer);
        ring_advance(ring, record->bytes);
        ring_release(ring);
        if (++writer->round >= ROUND_RECORDS) {
            flush_live(writer); /* records may come without an end */
            turn(writer, false);
            respond_hear(writer->respond, write_response, writer);
        }
    }
    respond_hear(writer->respond, write_response, writer);
    flush_live(writer);
    turn(writer, false);
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
        if (writer->loop == NULL) {
            bell_wait(bell, heard, SLEEP_MS * NS_PER_MS);
        } else if (bell_doze(bell, heard)) {
            turn(writer, true);
            bell_awake(bell);
        }
    }
}

/* --- the end --- */

/* For something that is not stuck. */
static bool is_worth_waiting(const struct writer *writer)
{
    bool worth = false;

    for (uint32_t i = 0; i < writer->place_count; i++) {
        worth |= writer->places[i].tally.waiting > 0 && !is_stuck(&writer->roads[i]);
    }
    return worth;
}

/* What is still on its way gets a last time, live END_LIVE_NS; then it is given up, and counted. */
static void drain_places(struct writer *writer)
{
    uint64_t limit_ns = writer->options.live ? END_LIVE_NS : UINT64_MAX;
    uint64_t since_ns = clock_ns(CLOCK_MONOTONIC);

    flush_places(writer);
    while (is_worth_waiting(writer) && clock_ns(CLOCK_MONOTONIC) - since_ns < limit_ns) {
        turn(writer, true);
        flush_places(writer);
    }
    places_close(writer);
}

/* The last of them is the caller's to say. */
static enum status judge_places(const struct writer *writer, struct error *error)
{
    enum status status = STATUS_OK;

    for (uint32_t i = 0; i < writer->place_count; i++) {
        const struct output_place *place = &writer->places[i];
        uint64_t dropped = output_dropped(&place->tally);
        assert(writer->roads[i].offered ==
               place->tally.acknowledged + place->tally.waiting + dropped);
        if (dropped > 0) {
            if (status != STATUS_OK) {
                log_error_struct(error);
            }
            status = error_set(error, STATUS_FAILED, place->name,
                               "%" PRIu64 " records could not be delivered, %" PRIu64 " were",
                               dropped, place->tally.acknowledged);
        }
    }
    return status;
}

enum status writer_finish(struct writer *writer, bool colour, unsigned width, struct error *error)
{
    respond_finish(writer->respond, write_response, writer);
    drain_places(writer);
    enum status status = judge_places(writer, error);
    if (writer->report != NULL) {
        struct error failed = {0};
        if (report_print(writer->report, stdout, colour, width, &failed) != STATUS_OK) {
            *error = failed;
            status = STATUS_FAILED;
        }
    }
    return status;
}
