/* output.h - what an output declares: a place for records.
 *
 * Owns      an instance owns its connection, its queue and its buffers, from open to close.
 * Borrows   the host for its life; a record and its bytes during send: what must be kept is copied.
 * Time      the wall clock, for what is live only: time-outs, back-off.
 * Bounds    each says its own; what finds no room is counted in the tally, by dataset.
 * Errors    check: STATUS_USAGE. open, of what was checked: STATUS_FAILED for this machine (memory, a
 *           file). A far end that is away is no error: it is said once, and tried again.
 * Thread    the writer's. No function waits for a far end: sockets and timers hang in the host's loop.
 *
 * Acceptance (send took it) and acknowledgement (the far end has it) are told apart. At any time, of
 * every dataset that the output takes:
 *
 *     offered = acknowledged + waiting + dropped */
#ifndef OUTPUTS_OUTPUT_H
#define OUTPUTS_OUTPUT_H

#include "base/option.h"
#include "outputs/record.h"

struct event_base;

enum output_result {
    OUTPUT_ACCEPTED, /* the output answers for it: the tally says what became of it */
    OUTPUT_FULL, /* not taken, come again when the loop has run; never when the host is live */
};

enum output_format { OUTPUT_JSON, OUTPUT_CEF, OUTPUT_FORMATS };

/* Kept by the output; read by the writer and by the output that shows the figures of all. */
struct output_tally {
    uint64_t accepted; /* records that send took, those that it dropped at once included */
    uint64_t acknowledged; /* that the far end has; where none can say so, that the kernel took */
    uint64_t
        repeated; /* sent again because their fate was not known: the far end may have them twice */
    uint64_t waiting; /* accepted, neither acknowledged nor dropped */
    uint64_t waiting_bytes;
    uint64_t dropped[DATASET_COUNT];
    bool away; /* the far end cannot be reached now, or refuses */
};

/* One configured output, as all may see it. */
struct output_place {
    const char *name;
    const struct output *type;
    struct output_tally tally;
};

/* What the writer gives an output; outlives it. */
struct output_host {
    const char *name; /* of the output, for messages */
    struct event_base *loop;
    struct record_identity identity;
    enum output_format format; /* of `encoded` */
    bool
        live; /* nothing waits; else (-r --deliver) a full output is OUTPUT_FULL, and nothing is dropped for room */
    struct output_tally *tally; /* its own */
    const struct output_place *places; /* all, complete once the first record comes */
    const uint32_t *place_count;
};

struct output {
    const char *type; /* file */
    const char *title;
    uint16_t conf_bytes;
    uint8_t
        formats; /* bits of enum output_format that it carries, the first is its default; 0: it reads
                      * records itself, and `encoded` is empty */
    const struct option *options;
    /* Whether the values fit together, before anything is opened; where = the key. May be NULL. */
    MUST_USE enum status (*check)(const void *conf, struct error *error);
    MUST_USE enum status (*open)(const struct output_host *host, const void *conf,
                                 void **out_instance, struct error *error);
    /* `encoded`: the record in the output's format, without a line end. */
    enum output_result (*send)(void *instance, const struct record *record, struct slice encoded);
    /* Between records, at least ten times a second: work that no event of the loop does; may be NULL. */
    void (*poll)(void *instance);
    /* Whatever was gathered goes now; does not wait. The end: the writer runs the loop until nothing is
     * waiting anywhere, or its deadline. */
    void (*flush)(void *instance);
    /* What is still waiting is dropped, and counted. */
    void (*close)(void *instance);
};

extern const struct output *const outputs[]; /* in the order of outputs.def, NULL-terminated */

uint64_t output_dropped(const struct output_tally *tally); /* of all datasets */

#endif
