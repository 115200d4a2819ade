/* config.h - the configuration: option rows of every part, filled from files and --set.
 *
 * Owns      all values, in structs of their parts, and what was read by them: the plan of numbers,
 *           the site's clock. Freed by config_close(). Immutable once open.
 * Borrows   settings during open.
 * Time      none.
 * Bounds    the rows' own.
 * Errors    STATUS_USAGE: file, line, column, key, what was found, what is allowed, and the nearest
 *           key.
 * Thread    made at start; read by all.
 *
 * Every key has a default, an empty file is valid. The rows stand beside the code that uses them
 * (law 6): detectors and outputs declare theirs, the sensor's own are here. */
#ifndef SENSOR_RUN_CONFIG_H
#define SENSOR_RUN_CONFIG_H

#include "base/calendar.h"
#include "base/option.h"
#include "detectors/frame/frame.h"
#include "outputs/output.h"
#include "outputs/response.h"
#include "outputs/privacy.h"
#include "sensor/lookup/geo.h"
#include "sensor/lookup/numbers.h"
#include "sensor/run/settings.h"

enum config_sip_records {
    CONFIG_SIP_OFF,
    CONFIG_SIP_FAILURES,
    CONFIG_SIP_TRANSACTIONS,
    CONFIG_SIP_MESSAGES
};

struct config_records {
    unsigned sip; /* enum config_sip_records */
    bool media_interval;
    bool flow;
    bool refreshes;
};

struct config_site {
    struct numbers_conf numbers;
    char timezone[OPTION_TEXT_BYTES]; /* POSIX rule; "" = UTC */
};

struct config_sensor {
    char name[OPTION_TEXT_BYTES]; /* observer.name; "" = offline or the host's name */
    char secret[OPTION_TEXT_BYTES]; /* key of all hashes; "" = fixed with -r, drawn live */
    char filter[OPTION_TEXT_BYTES]; /* BPF; "" = none; live it works in the kernel */
    unsigned mirror_copies_drop; /* 1 = drop, 0 = keep */
    bool classify;
    uint64_t stream_idle_ns;
    uint64_t flow_idle_ns;
    uint64_t call_age_max_ns;
    uint64_t fragment_bytes;
    uint64_t tcp_bytes;
    uint64_t buffer_bytes; /* live: of each ring */
    uint64_t snap_bytes;
    uint64_t timeout_ns;
    bool promiscuous;
};

/* The sensor's tables, one "tables.NAME.entries" each. */
enum config_table {
    CONFIG_TABLE_STREAMS,
    CONFIG_TABLE_FLOWS,
    CONFIG_TABLE_TCP_STREAMS,
    CONFIG_TABLE_TRANSACTIONS,
    CONFIG_TABLE_ATTEMPTS,
    CONFIG_TABLE_BINDINGS,
    CONFIG_TABLE_ACCOUNTS,
    CONFIG_TABLE_CALLS,
    CONFIG_TABLE_DESTINATIONS,
    CONFIG_TABLE_ENDPOINTS,
    CONFIG_TABLE_ADDRESSES,
    CONFIG_TABLE_SERVERS,
    CONFIG_TABLE_INCIDENTS,
    CONFIG_TABLE_CLOSED,
    CONFIG_TABLE_COUNT
};

struct config_output {
    char name[OPTION_TEXT_BYTES];
    const struct output *type;
    void *conf;
    uint32_t datasets; /* bit for each enum dataset */
    enum output_format format;
};

struct config {
    struct config_sensor sensor;
    struct config_records records;
    struct geo_conf geo;
    struct privacy_conf privacy;
    struct config_site site;
    struct numbers *numbers; /* opened by site.numbers */
    struct calendar calendar; /* of site.timezone */
    uint64_t tables[CONFIG_TABLE_COUNT];
    uint64_t key_entries[KEY_COUNT];
    struct frame_conf *detectors; /* in the order of detectors[] */
    struct config_output *outputs;
    uint32_t output_count;
    struct response_conf response;
    struct response_binding *responses; /* room for RESPONSE_BINDINGS_MAX */
    uint32_t response_count;
    struct config_group *groups; /* private: rows with their prefix, base and origins */
    uint32_t group_count;
    uint32_t group_room;
};

MUST_USE enum status config_open(const struct settings *settings, struct config **out_config,
                                 struct error *error);
void config_close(struct config *config);

/* Every option of the program (outputs: one of each type, named "NAME"), in order, for docs and
 * --explain. */
struct config_row {
    const char *key; /* full, valid during the call */
    const struct option *option;
    const void *base; /* holds the value */
    const char *origin; /* "default", "FILE:LINE:COLUMN", "--set" */
};
void config_walk(const struct config *config,
                 void (*visit)(void *owner, const struct config_row *row), void *owner);
/* The value as a person may see it: of a secret only whether it was given. */
void config_print(const struct config_row *row, struct text *text);
extern const struct option config_output_options[]; /* of an output of any type */
/* --test-config --show: all values with where each came from. */
void config_show(const struct config *config, FILE *out);

#endif
