/* output.h - what an output declares: a place for encoded records.
 *
 * Owns      an instance owns its connection and buffers, from open to close.
 * Borrows   the bytes of a record during send: an output that must keep them copies them.
 * Time      none; flush has a deadline of the wall clock, given by the writer.
 * Bounds    each says its own; a slow output never holds another.
 * Errors    open: STATUS_USAGE for options, STATUS_FAILED for the world. send: OUTPUT_FULL (again
 *           later), OUTPUT_LOST (counted by the writer).
 * Thread    the writer's.
 *
 * Acceptance (send took it) and acknowledgement (the far end has it) are told apart: poll() reports
 * the latter. */
#ifndef OUTPUTS_OUTPUT_H
#define OUTPUTS_OUTPUT_H

#include "base/option.h"
#include "outputs/record.h"

enum output_result { OUTPUT_ACCEPTED, OUTPUT_FULL, OUTPUT_LOST };

struct output {
    const char *type; /* file */
    const char *title;
    uint16_t conf_bytes;
    const struct option *options;
    enum status (*open)(const char *name, const void *conf, void **out_instance,
                        struct error *error);
    enum output_result (*send)(void *instance, const struct record *record, struct slice encoded);
    /* Work that waits; *out_acknowledged = records the far end has got since the last call. */
    enum status (*poll)(void *instance, uint64_t *out_acknowledged, struct error *error);
    enum status (*flush)(void *instance, uint64_t timeout_ns, struct error *error);
    void (*close)(void *instance);
};

extern const struct output *const outputs[]; /* in the order of outputs.def, NULL-terminated */

#endif
