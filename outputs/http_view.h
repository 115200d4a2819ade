/* http_view.h - what the records have told so far, as the pages of the output http show it.
 *
 * Owns      all of it: the last record of the sensor whole, the last incidents, sums.
 * Borrows   a record during http_view_see().
 * Time      the steady clock, as an argument: how long ago something came. The wall clock tells the
 *           lag. Times that are shown are those of the records.
 * Bounds    VIEW_INCIDENTS incidents, the ones told last stay, open ones before closed ones;
 *           VIEW_RULES rules and VIEW_STEPS pairs of hook and step by name, all further ones are
 *           one, "other".
 * Errors    open: memory.
 * Thread    the writer's. */
#ifndef OUTPUTS_HTTP_VIEW_H
#define OUTPUTS_HTTP_VIEW_H

#include "outputs/output.h"

enum {
    VIEW_INCIDENTS = 50,
    VIEW_RULES = 64,
    VIEW_STEPS = 64,
    VIEW_SLUG_BYTES = 64,
    VIEW_LEVELS = 5, /* 1 to 4; 0 is not used */
    VIEW_OUTCOMES = 6,
    VIEW_MOS_BOUNDS = 10,
};

struct view_incident {
    struct hash128 id;
    uint64_t told_ns; /* time of its last record */
    uint64_t first_ns;
    uint64_t count;
    uint64_t turn; /* running number of the telling: the largest came last */
    uint8_t level;
    bool open;
    uint16_t title_bytes;
    uint16_t sentence_bytes;
    char title[RECORD_TEXT_MAX];
    char sentence[RECORD_SENTENCE_MAX];
};

struct view_rule {
    char slug[VIEW_SLUG_BYTES];
    uint64_t opened[VIEW_LEVELS]; /* incidents, by the severity that they opened with */
};

/* How often a hook came to a step of its responses. */
struct view_step {
    char hook[VIEW_SLUG_BYTES];
    char step[VIEW_SLUG_BYTES];
    uint64_t count;
};

/* What is compared between two records of the sensor. */
struct view_figures {
    uint64_t time_ns;
    uint64_t packets;
    uint64_t messages;
    uint64_t dropped_kernel;
    uint64_t dropped_nic;
    uint64_t dropped_records;
};

struct http_view {
    uint64_t records[DATASET_COUNT];
    /* the sensor's own */
    bool heard; /* at least one record of it has come */
    uint64_t heard_ns; /* when the last came, steady clock */
    uint64_t lag_ns; /* how far it was behind the wall clock then; 0 with -r */
    struct view_figures now;
    struct view_figures before; /* those of the record before; zero at the first */
    _Alignas(8) uint8_t sensor[RECORD_BYTES_MAX]; /* the last one */
    /* incidents */
    uint64_t turn;
    uint64_t open_count; /* opened and not closed, all of them */
    struct view_rule rules[VIEW_RULES]; /* the last one is "other" once it is in use */
    uint32_t rule_count;
    struct view_incident incidents[VIEW_INCIDENTS];
    uint32_t incident_count;
    bool blind; /* the sensor says that it does not hear: an incident of sensor-blind is open */
    struct view_step steps[VIEW_STEPS]; /* the last one is "other" once it is in use */
    uint32_t step_count;
    /* calls and media that ended */
    uint64_t outcomes[VIEW_OUTCOMES];
    uint64_t mos_counts[VIEW_MOS_BOUNDS + 1]; /* the last one: above all bounds */
    uint64_t mos_count;
    uint64_t mos_sum; /* thousandths */
    uint64_t rtp_expected;
    uint64_t rtp_lost;
};

extern const char *const view_outcome_names[VIEW_OUTCOMES];
extern const uint16_t view_mos_bounds[VIEW_MOS_BOUNDS]; /* thousandths */

MUST_USE enum status http_view_open(struct http_view **out_view, struct error *error);
void http_view_close(struct http_view *view);
/* `wall_ns`: 0 where the records are of another day (-r). */
void http_view_see(struct http_view *view, const struct record *record, uint64_t steady_ns,
                   uint64_t wall_ns);
/* A figure of the last record of the sensor; 0 where it was not put. */
uint64_t http_view_figure(const struct http_view *view, enum field field);
/* The incidents in the order in which they are shown: open ones first, the worst before the
 * others, then what was told last.
 * `out` has room for VIEW_INCIDENTS; returns how many. */
uint32_t http_view_sorted(const struct http_view *view,
                          const struct view_incident *out[VIEW_INCIDENTS]);

#endif
