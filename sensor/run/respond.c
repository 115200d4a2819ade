/* respond.c - with -r the gate itself, asked at packet time. Time that goes back stands: a cap of a
 * minute is not to be passed by a clock.
 *
 * Live an alert goes to the response process with its record as JSON, in clear: what a hook is told is
 * not reduced. What the process does not take becomes a refusal here, so that every alert that some
 * response wants has its answer in a record. */
#include "sensor/run/respond.h"

#include "base/log.h"
#include "outputs/encode_json.h"
#include "outputs/hook_file.h"
#include "outputs/hook_run.h"
#include "outputs/journal.h"
#include "outputs/responder_link.h"
#include "sensor/run/respond_list.h"
#include "sensor/telemetry/telemetry.h"

#include <unistd.h>

enum { FINISH_PAUSE_MS = 20 };

struct respond {
    struct respond_options options;
    struct protected_list *protected_list;
    struct response *gate; /* live: only asked which alerts some response wants */
    struct telemetry *telemetry;
    struct encode_json *encode; /* live */
    char *json;
    uint64_t now_ns;
    uint32_t step_count;
    struct response_step steps[RESPONSE_BINDINGS_MAX];
    void (*on_record)(void *owner, const struct record *record); /* while it tells */
    void *owner;
};

/* --- before the start --- */

enum status respond_check(const struct config *config, struct error *error)
{
    char path[HOOK_PATH_BYTES];

    for (uint32_t i = 0; i < config->response_count; i++) {
        const struct response_binding *binding = &config->responses[i];
        if (binding->mode == RESPONSE_OFF ||
            hook_file_check(config->response.hooks, binding->hook, path, error) == STATUS_OK) {
            continue;
        }
        if (binding->mode == RESPONSE_AUTO) {
            return error->code;
        }
        log_line(LOG_WARN, "response %s is dry-run, and could not be auto: %s: %s", binding->name,
                 error->where, error->message);
    }
    return STATUS_OK;
}

/* Without a response nobody reads the journal: what it holds would hold on without a word. */
static void say_left(const char *state)
{
    char path[OPTION_TEXT_BYTES + sizeof "/" JOURNAL_FILE];
    struct journal *journal = NULL;
    struct error error = {0};
    uint32_t count = 0;

    int bytes = snprintf(path, sizeof path, "%s/" JOURNAL_FILE, state == NULL ? "" : state);
    if (state == NULL || bytes < 0 || (size_t)bytes >= sizeof path || access(path, F_OK) != 0) {
        return;
    }
    if (journal_open(state, false, &journal, &error) != STATUS_OK) {
        log_error_struct(&error);
        return;
    }
    (void)journal_held(journal, &count);
    journal_close(journal);
    if (count > 0) {
        log_line(LOG_ERROR,
                 "%s: %" PRIu32 " %s by hooks that no response names any more, and nobody takes "
                 "them back: configure the response again, or take them back by hand",
                 path, count, count == 1 ? "decision holds" : "decisions hold");
    }
}

static const struct response_binding *first_of(const struct config *config, enum response_mode mode)
{
    for (uint32_t i = 0; i < config->response_count; i++) {
        if (config->responses[i].mode == mode) {
            return &config->responses[i];
        }
    }
    return NULL;
}

enum status respond_start(const struct config *config, const char *state,
                          struct protected_list **out_list, struct responder_link **out_link,
                          struct error *error)
{
    const struct response_binding *is_auto = first_of(config, RESPONSE_AUTO);

    *out_list = NULL;
    *out_link = NULL;
    if (config->response_count == 0) {
        say_left(state);
        return STATUS_OK;
    }
    if (is_auto != NULL && state == NULL) {
        return error_set(error, STATUS_USAGE, "responses",
                         "%s is auto, and needs a place for its journal: say --state FOLDER",
                         is_auto->name);
    }
    if (is_auto != NULL && config->response.protect.count == 0) {
        log_line(LOG_WARN, "response.protect is empty: your servers and trunks are kept only once "
                           "they have been heard to answer");
    }
    enum status status = respond_check(config, error);
    if (status == STATUS_OK) {
        status = respond_list_open(config, true, out_list, error);
    }
    struct responder_options options = {.conf = &config->response,
                                        .bindings = config->responses,
                                        .binding_count = config->response_count,
                                        .protected_list = *out_list,
                                        .state = state};
    if (status == STATUS_OK) {
        status = responder_link_start(&options, out_link, error);
    }
    if (status != STATUS_OK) {
        protected_close(*out_list);
        *out_list = NULL;
    }
    return status;
}

enum status respond_reload(const struct config *config, struct responder_link *link,
                           struct error *error)
{
    struct protected_list *list = NULL;
    uint32_t added = 0;
    uint32_t stay = 0;

    if (link == NULL) {
        return STATUS_OK;
    }
    enum status status = respond_list_open(config, true, &list, error);
    if (status == STATUS_OK && !responder_link_protect(link, list, &added, &stay)) {
        status = error_set(error, STATUS_USAGE, "response.protect",
                           "more than %d entries, with those that were taken off since the start",
                           (int)PROTECTED_MAX);
    }
    protected_close(list);
    if (status == STATUS_OK && (added > 0 || stay > 0)) {
        log_line(LOG_INFO,
                 "never-block list: %" PRIu32 " more from now on; %" PRIu32
                 " that were taken off stay until a restart",
                 added, stay);
    }
    return status;
}

/* --- opening --- */

static void pass_on(void *owner, const struct record *record)
{
    struct respond *respond = owner;

    respond->on_record(respond->owner, record);
}

static void on_step(void *owner, const struct response_step *step)
{
    struct respond *respond = owner;

    assert(respond->step_count < RESPONSE_BINDINGS_MAX);
    respond->steps[respond->step_count++] = *step;
}

static enum status open_gate(struct respond *respond, struct error *error)
{
    const struct config *config = respond->options.config;
    enum status status = respond_list_open(config, false, &respond->protected_list, error);
    struct response_options_open gate = {.conf = &config->response,
                                         .bindings = config->responses,
                                         .binding_count = config->response_count,
                                         .protected_list = respond->protected_list,
                                         .dry_only = true,
                                         .on_step = on_step,
                                         .owner = respond};

    return status == STATUS_OK ? response_open(&gate, &respond->gate, error) : status;
}

static enum status open_encoder(struct respond *respond, struct error *error)
{
    struct record_identity identity = {.observer = respond->options.observer_name,
                                       .version = EARSHOT_VERSION};

    respond->json = malloc(ENCODE_JSON_BYTES_MAX);
    if (respond->json == NULL) {
        return error_set(error, STATUS_FAILED, "response", "no memory");
    }
    return encode_json_open(&identity, &respond->encode, error);
}

enum status respond_open(const struct respond_options *options, struct respond **out_respond,
                         struct error *error)
{
    struct telemetry_options telemetry = {
        .observer_name = options->observer_name, .live = options->live, .on_record = pass_on};

    *out_respond = NULL;
    if (options->config->response_count == 0) {
        return STATUS_OK;
    }
    struct respond *respond = calloc(1, sizeof *respond);
    if (respond == NULL) {
        return error_set(error, STATUS_FAILED, "response", "no memory");
    }
    respond->options = *options;
    telemetry.owner = respond;
    enum status status = telemetry_open(&telemetry, &respond->telemetry, error);
    if (status == STATUS_OK) {
        status = open_gate(respond, error);
    }
    if (status == STATUS_OK && options->link != NULL) {
        status = open_encoder(respond, error);
    }
    if (status != STATUS_OK) {
        respond_close(respond);
        return status;
    }
    *out_respond = respond;
    return STATUS_OK;
}

void respond_close(struct respond *respond)
{
    if (respond != NULL) {
        response_close(respond->gate);
        protected_close(respond->protected_list);
        telemetry_close(respond->telemetry);
        if (respond->encode != NULL) {
            encode_json_close(respond->encode);
        }
        free(respond->json);
        free(respond);
    }
}

/* --- alerts --- */

static void refuse(struct respond *respond, const struct response_alert *alert, const char *why)
{
    for (uint32_t i = 0; i < respond->options.config->response_count; i++) {
        const struct response_binding *binding = &respond->options.config->responses[i];
        if (response_binds(binding, alert)) {
            struct response_step step = response_refusal(binding, i, alert, why);
            on_step(respond, &step);
        }
    }
}

static void send(struct respond *respond, const struct record *record,
                 const struct response_alert *alert)
{
    const char *why = "";
    size_t bytes = encode_json(respond->encode, record, 0, respond->json);

    if (!responder_link_send(respond->options.link, alert, slice_of(respond->json, bytes), &why)) {
        refuse(respond, alert, why);
    }
}

void respond_see(struct respond *respond, const struct record *record)
{
    struct response_alert alert;

    if (respond == NULL || !response_read_alert(record, &alert)) {
        return;
    }
    if (!respond->options.live) {
        respond->now_ns = record->time_ns > respond->now_ns ? record->time_ns : respond->now_ns;
        response_see(respond->gate, &alert, respond->now_ns);
    } else if (respond->options.link != NULL && response_wants(respond->gate, &alert)) {
        send(respond, record, &alert);
    }
}

/* --- steps --- */

static uint64_t wall_ns(void)
{
    struct timespec now = {0};

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static void tell(struct respond *respond, const struct response_step *step)
{
    const struct config *config = respond->options.config;

    if (step->binding < config->response_count) {
        telemetry_response(respond->telemetry, step, &config->responses[step->binding],
                           respond->options.live ? wall_ns() : step->time_ns);
    }
}

void respond_tell(struct respond *respond,
                  void (*on_record)(void *owner, const struct record *record), void *owner)
{
    if (respond == NULL || respond->step_count == 0) {
        return;
    }
    respond->on_record = on_record;
    respond->owner = owner;
    for (uint32_t i = 0; i < respond->step_count; i++) {
        tell(respond, &respond->steps[i]);
    }
    respond->step_count = 0;
}

void respond_hear(struct respond *respond,
                  void (*on_record)(void *owner, const struct record *record), void *owner)
{
    struct response_step step;

    if (respond == NULL || respond->options.link == NULL) {
        return;
    }
    respond->on_record = on_record;
    respond->owner = owner;
    while (responder_link_next(respond->options.link, &step)) {
        tell(respond, &step);
    }
}

void respond_finish(struct respond *respond,
                    void (*on_record)(void *owner, const struct record *record), void *owner)
{
    const struct timespec pause = {.tv_nsec = (long)(FINISH_PAUSE_MS * NS_PER_MS)};

    if (respond == NULL || respond->options.link == NULL) {
        return;
    }
    struct responder_link *link = respond->options.link;
    uint64_t until_ns = hook_clock_ns() + responder_link_stop_ns(link);
    responder_link_stop(link);
    while (!responder_link_is_over(link) && hook_clock_ns() < until_ns) {
        respond_hear(respond, on_record, owner);
        (void)nanosleep(&pause, NULL);
    }
    respond_hear(respond, on_record, owner);
}
