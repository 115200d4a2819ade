/* respond.h - the sensor's side of responses: alerts to the gate, steps to records.
 *
 * Owns      with -r the gate; the telemetry that makes the records of steps.
 * Borrows   the configuration and the link for its life; a record during the call.
 * Time      with -r packet time; live the wall clock, for the records.
 * Bounds    one record at a time; with -r the steps of one alert: one for each response.
 * Errors    check, start, open.
 * Thread    check and start: main, before there is another; reload: main. The others: the writer's.
 *
 * With -r the gate is asked here, everything is dry-run, and no process is started. Live the process
 * of outputs/responder.h has the gate, and this only passes on. */
#ifndef SENSOR_RUN_RESPOND_H
#define SENSOR_RUN_RESPOND_H

#include "sensor/run/config.h"

struct respond;
struct responder_link;

/* Are the files of the hooks there, and nobody else's? Those of dry-run are only said. */
MUST_USE enum status respond_check(const struct config *config, struct error *error);
/* Live, first of all: starts the response process. `state`: folder of its journal, NULL = none.
 * *out_link = NULL where no response is configured. *out_list: to be closed behind the link. */
MUST_USE enum status respond_start(const struct config *config, const char *state,
                                   struct protected_list **out_list,
                                   struct responder_link **out_link, struct error *error);
/* A reload: whom the new configuration protects is protected from now on. `link` may be NULL. */
MUST_USE enum status respond_reload(const struct config *config, struct responder_link *link,
                                    struct error *error);

struct respond_options {
    const struct config *config;
    const char *observer_name;
    struct responder_link *link; /* live; NULL with -r */
    bool live;
};

/* *out_respond = NULL where no response is configured. */
MUST_USE enum status respond_open(const struct respond_options *options,
                                  struct respond **out_respond, struct error *error);
void respond_close(struct respond *respond); /* NULL is allowed */
/* A record, in clear; NULL is allowed. */
void respond_see(struct respond *respond, const struct record *record);
/* What was answered here and now, as records; NULL is allowed. */
void respond_tell(struct respond *respond,
                  void (*on_record)(void *owner, const struct record *record), void *owner);
/* Live, now and then: also the steps that have come from the process; NULL is allowed. */
void respond_hear(struct respond *respond,
                  void (*on_record)(void *owner, const struct record *record), void *owner);
/* The end: lets the process finish, and tells its last steps; NULL is allowed. */
void respond_finish(struct respond *respond,
                    void (*on_record)(void *owner, const struct record *record), void *owner);

#endif
