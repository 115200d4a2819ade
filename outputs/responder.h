/* responder.h - the process that carries decisions out: the only one that starts a hook.
 *
 * Owns      its gate, its journal, its hooks while they run.
 * Borrows   the configuration for its life: a copy of its own, since it is a process of its own.
 * Time      CLOCK_BOOTTIME for all that lasts, the wall clock across boots only.
 * Bounds    RESPONDER_RUNNING_MAX hooks at once, one for each target; the gate's decisions;
 *           RESPONDER_ALERT_BYTES_MAX of alerts that wait with them; RESPONDER_UNTOLD_MAX steps that
 *           the sensor has not taken yet; RESPONDER_SURPLUS_MAX targets
 *           of a hook that are taken away at once.
 * Errors    at the start: told to the sensor, which does not start. Later nothing ends it but the
 *           end of the sensor.
 * Thread    a process with one thread. */
#ifndef OUTPUTS_RESPONDER_H
#define OUTPUTS_RESPONDER_H

#include "outputs/protected_share.h"
#include "outputs/response.h"

enum {
    RESPONDER_RUNNING_MAX = 4,
    RESPONDER_ALERT_BYTES_MAX = 8 << 20,
    RESPONDER_SURPLUS_MAX = 64,
    RESPONDER_UNTOLD_MAX = 256,
};
#define RESPONDER_LIST_NS (30 * NS_PER_S)

struct responder_options {
    const struct response_conf *conf;
    const struct response_binding *bindings;
    uint32_t binding_count;
    struct protected_list *protected_list; /* grows by what is shared */
    struct protected_share *share; /* NULL: nothing is ever added */
    const char *state; /* folder of the journal; NULL: nothing is auto */
};

size_t responder_bytes_max(const struct response_conf *conf); /* for --list memory */

/* Serves the sensor at the other end of `fd` until it is gone. `first`: what is wrong at the start is
 * told to it and ends this. The exit status of the process: 0 = the sensor is gone. */
int responder_run(const struct responder_options *options, int fd, bool first);

#endif
