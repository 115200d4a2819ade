/* report_parts.h - what the report has gathered, for its forms. Inside outputs only.
 *
 * Owns      struct report: three lists, the last record of the sensor, some counts.
 * Borrows   records during report_see().
 * Time      ns, from the records.
 * Bounds    an entry fits LIST_ENTRY_MAX; lists: report_list.h.
 * Errors    those of the lists.
 * Thread    the writer's. */
#ifndef OUTPUTS_REPORT_PARTS_H
#define OUTPUTS_REPORT_PARTS_H

#include "outputs/report.h"
#include "outputs/report_list.h"

/* Text behind the fixed part of an entry. */
struct entry_text {
    uint16_t at; /* from the entry's start; 0 = none */
    uint16_t bytes;
};

/* By rank: of two records with one Call-ID the higher outcome is told. */
enum call_word {
    CALL_WORD_ATTEMPTED,
    CALL_WORD_RINGING,
    CALL_WORD_FAILED,
    CALL_WORD_CANCELLED,
    CALL_WORD_ANSWERED,
    CALL_WORD_COUNT
};
extern const char *const call_words[CALL_WORD_COUNT];

/* -1 in a signed figure: not known. Decimals are thousandths. */
struct call_entry {
    struct list_entry head;
    uint64_t start_ns;
    uint64_t end_ns;
    int64_t talk_ms;
    int64_t mos_min;
    int64_t loss_pct;
    uint16_t status; /* 0 = none */
    uint8_t word; /* enum call_word */
    uint8_t media; /* enum call_media */
    struct entry_text id;
    struct entry_text from;
    struct entry_text to;
};

enum call_media { CALL_MEDIA_FINE, CALL_MEDIA_NONE, CALL_MEDIA_ONE_WAY };

struct stream_entry {
    struct list_entry head;
    uint64_t first_ns;
    uint64_t last_ns;
    uint64_t packets;
    uint64_t expected;
    uint64_t lost;
    uint64_t duplicates;
    uint64_t reordered;
    int64_t jitter_mean;
    int64_t jitter_max;
    int64_t delta_max;
    int64_t mos;
    int64_t payload_type;
    struct endpoint source;
    struct endpoint destination;
    struct entry_text ssrc;
    struct entry_text codec;
    struct entry_text call;
};

enum { ALERT_PACKETS_MAX = 8, ALERT_ACCOUNTS_MAX = 8 };

struct alert_entry {
    struct list_entry head;
    uint64_t first_ns;
    uint64_t last_ns;
    uint64_t count; /* of events */
    uint64_t peak; /* largest figure in `unit` */
    uint64_t account_count;
    uint64_t packets[ALERT_PACKETS_MAX];
    uint32_t packet_count;
    uint32_t named_count; /* of accounts in `accounts` */
    int32_t confidence;
    uint8_t level; /* 1 to 4 */
    uint8_t chain_level; /* likewise */
    bool has_source;
    bool has_destination;
    bool unproven;
    struct addr source;
    struct addr destination;
    int64_t as_number; /* of the source; 0 = not known */
    struct hash128 chain_id;
    struct entry_text rule;
    struct entry_text target;
    struct entry_text message;
    struct entry_text outcome;
    struct entry_text chain;
    struct entry_text unit;
    struct entry_text accounts; /* its first ones, with commas between */
    struct entry_text country; /* of the source */
    struct entry_text as_name;
};

struct report {
    enum report_form form;
    const char *(*words)(struct slice slug);
    struct report_list *calls;
    struct report_list *streams;
    struct report_list *alerts;
    uint64_t registrations[4]; /* records by action: registered, moved, unregistered or expired,
                                  rejected */
    uint64_t refused_known; /* of the rejected: accounts that had succeeded before */
    uint64_t responses_done; /* records of responses by what they say */
    uint64_t responses_dry;
    uint64_t responses_refused;
    uint64_t responses_failed;
    uint64_t calls_left_out; /* lists were full; known when it is printed */
    uint64_t streams_left_out;
    uint64_t alerts_left_out;
    bool has_sensor;
    _Alignas(8) uint8_t sensor[RECORD_BYTES_MAX]; /* the last record of the sensor */
};

static inline struct slice entry_text(const struct list_entry *entry, struct entry_text text)
{
    return text.at == 0 ? SLICE_NONE : slice_of((const char *)entry + text.at, text.bytes);
}

/* A figure of the last sensor record; 0 where there is none. */
int64_t report_figure(const struct report *report, enum field field);
/* Walks the pairs of a map of the last sensor record, or values of a list: start with *at = 0. */
bool report_pair(const struct report *report, enum field field, uint32_t *at,
                 struct record_value *out_value);

MUST_USE enum status report_text_print(struct report *report, FILE *out, bool colour,
                                       unsigned width, struct error *error);
MUST_USE enum status report_json_print(struct report *report, FILE *out, struct error *error);

#endif
