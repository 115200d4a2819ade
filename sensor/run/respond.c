/* respond.c - with -r the gate itself, asked at packet time. Time that goes back stands: a cap of a
 * minute is not to be passed by a clock. */
#include "sensor/run/respond.h"

#include "sensor/run/respond_list.h"
#include "sensor/telemetry/telemetry.h"

struct respond {
    struct respond_options options;
    struct protected_list *protected_list;
    struct response *gate;
    struct telemetry *telemetry;
    uint64_t now_ns;
    uint32_t step_count;
    struct response_step steps[RESPONSE_BINDINGS_MAX];
    void (*on_record)(void *owner, const struct record *record); /* while it tells */
    void *owner;
};

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
        free(respond);
    }
}

void respond_see(struct respond *respond, const struct record *record)
{
    struct response_alert alert;

    if (respond == NULL || !response_read_alert(record, &alert)) {
        return;
    }
    respond->now_ns = record->time_ns > respond->now_ns ? record->time_ns : respond->now_ns;
    response_see(respond->gate, &alert, respond->now_ns);
}

static void tell(struct respond *respond, const struct response_step *step)
{
    telemetry_response(respond->telemetry, step, &respond->options.config->responses[step->binding],
                       step->time_ns);
}

void respond_tell(struct respond *respond,
                  void (*on_record)(void *owner, const struct record *record), void *owner)
{
    if (respond == NULL) {
        return;
    }
    respond->on_record = on_record;
    respond->owner = owner;
    for (uint32_t i = 0; i < respond->step_count; i++) {
        tell(respond, &respond->steps[i]);
    }
    respond->step_count = 0;
}
