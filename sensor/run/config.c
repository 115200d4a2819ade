/* Option rows of the sensor itself, and the way from settings to values.
 *
 * A group is a prefix, rows and the struct that they fill. Detectors bring theirs
 * ("detectors.SLUG"), each configured output its type's ("outputs.NAME"). First all presets, then
 * all settings in order; what no row knows is refused with the nearest key. */
#include "sensor/run/config.h"

#include "base/log.h"
#include "sensor/run/reload.h"

enum { GROUP_PREFIX_BYTES = OPTION_TEXT_BYTES + 32, KEY_BYTES = 640 };
enum { COMMON_DATASETS = 1, COMMON_FORMAT = 2 }; /* rows of config_output_options */
enum { FORMAT_OF_TYPE = 0 }; /* of output_common.format; else enum output_format + 1 */

struct config_group {
    char prefix[GROUP_PREFIX_BYTES]; /* "detectors.scan"; "" for keys at the top */
    const struct option *options;
    void *base;
    char **origins; /* one a row; NULL = default */
};

struct detector_common {
    bool enabled;
};

struct output_common {
    char type[OPTION_TEXT_BYTES];
    struct option_list datasets;
    unsigned format; /* index of the word */
};

/* clang-format off */
static const struct option top_options[] = {
    OPTION_SECRET("secret", config_sensor, secret,
                  "key of all table hashes; empty: fixed with -r, drawn once live"),
    {.kind = OPTION_END},
};

static const struct option observer_options[] = {
    OPTION("name", TEXT, config_sensor, name, NULL, "", NULL,
           "observer.name in every record; empty: 'offline' with -r, else the host's name"),
    {.kind = OPTION_END},
};

static const struct option capture_options[] = {
    OPTION("filter", TEXT, config_sensor, filter, NULL, "", NULL,
           "BPF expression; frames that do not match are counted as ignored; live the kernel leaves them out"),
    OPTION_TABLE_SIZE("buffer", BYTES, config_sensor, buffer_bytes, "1MiB", "64MiB", "1GiB",
                      "live: ring of the kernel, for each worker and interface"),
    OPTION_TABLE_SIZE("snap", BYTES, config_sensor, snap_bytes, "96", "256KiB", "256KiB",
                      "live: bytes of a frame that are captured"),
    OPTION_TABLE_SIZE("timeout", DURATION_NS, config_sensor, timeout_ns, "1ms", "10ms", "1s",
                      "live: after this the kernel hands over what it has"),
    OPTION_TABLE_SIZE("promiscuous", BOOL, config_sensor, promiscuous, NULL, "true", NULL,
                      "live: also frames that are for other stations, as a mirror port brings them"),
    OPTION_CHOICE("mirror_copies", config_sensor, mirror_copies_drop, "drop", "keep|drop",
                  "what to do with mirror copies of a packet within 50 ms"),
    OPTION_TABLE_SIZE("fragment_bytes", BYTES, config_sensor, fragment_bytes, "64KiB", "16MiB", "1GiB",
                      "bytes held of IP datagrams that are not whole yet"),
    OPTION_TABLE_SIZE("tcp_bytes", BYTES, config_sensor, tcp_bytes, "1MiB", "64MiB", "4GiB",
                      "bytes held of TCP streams: messages that are not whole, segments out of order"),
    OPTION("stream_idle", DURATION_NS, config_sensor, stream_idle_ns, "10s", "300s", "1h",
           "silence after which an RTP stream has ended"),
    OPTION("flow_idle", DURATION_NS, config_sensor, flow_idle_ns, "10s", "300s", "1h",
           "silence after which a flow has ended"),
    OPTION("call_age", DURATION_NS, config_sensor, call_age_max_ns, "1m", "24h", "7d",
           "age at which a call without BYE and without media is taken as ended"),
    OPTION("classify", BOOL, config_sensor, classify, NULL, "true", NULL,
           "ask nDPI about flows that are neither SIP nor media"),
    {.kind = OPTION_END},
};

static const struct option records_options[] = {
    OPTION_CHOICE("sip", config_records, sip, "failures", "off|failures|transactions|messages",
                  "how much of SIP is written: failed transactions, all, or every message too"),
    OPTION("media_interval", BOOL, config_records, media_interval, NULL, "false", NULL,
           "write a record for every 5 s of every RTP stream"),
    OPTION("flow", BOOL, config_records, flow, NULL, "false", NULL,
           "write a record for every flow that is not media"),
    OPTION("refreshes", BOOL, config_records, refreshes, NULL, "false", NULL,
           "write a record for every refresh of a registration too"),
    {.kind = OPTION_END},
};

static const struct option site_options[] = {
    OPTION("timezone", TEXT, config_site, timezone, NULL, "", NULL,
           "local time of the site as a POSIX rule, such as CET-1CEST,M3.5.0,M10.5.0/3; empty: UTC"),
    {.kind = OPTION_END},
};

static const struct option detector_common_options[] = {
    OPTION("enabled", BOOL, detector_common, enabled, NULL, "true", NULL, "whether this detection runs"),
    {.kind = OPTION_END},
};

static const struct option detector_off_options[] = {
    OPTION("enabled", BOOL, detector_common, enabled, NULL, "false", NULL, "whether this detection runs"),
    {.kind = OPTION_END},
};

const struct option config_output_options[] = {
    OPTION("type", TEXT, output_common, type, NULL, "", NULL, "kind of output, see --list outputs"),
    OPTION("datasets", LIST, output_common, datasets, NULL, "", NULL,
           "datasets that go there, without 'earshot.'; empty: all"),
    OPTION_CHOICE("format", output_common, format, "default", "default|json|cef",
                  "how a record is written; default: the first that the type of output carries"),
    {.kind = OPTION_END},
};

struct table_value {
    uint64_t entries;
};

#define TABLE(preset_, help_)                                                                             \
    {OPTION_TABLE_SIZE("entries", COUNT, table_value, entries, "16", preset_, "16M", help_),             \
     {.kind = OPTION_END}}

static const struct {
    const char *name;
    struct option options[2];
} table_rows[CONFIG_TABLE_COUNT] = {
    [CONFIG_TABLE_STREAMS] = {"streams", TABLE("262144", "RTP streams at once, candidates included")},
    [CONFIG_TABLE_FLOWS] = {"flows", TABLE("65536", "flows that are not media")},
    [CONFIG_TABLE_TCP_STREAMS] = {"tcp-streams", TABLE("65536", "directions of TCP that may carry SIP")},
    [CONFIG_TABLE_TRANSACTIONS] = {"transactions", TABLE("131072", "SIP transactions open or ended for less than 32 s")},
    [CONFIG_TABLE_ATTEMPTS] = {"attempts", TABLE("131072", "registration attempts remembered")},
    [CONFIG_TABLE_BINDINGS] = {"bindings", TABLE("262144", "registered contacts")},
    [CONFIG_TABLE_ACCOUNTS] = {"accounts", TABLE("262144", "accounts and their devices, known by success or failure")},
    [CONFIG_TABLE_CALLS] = {"calls", TABLE("131072", "calls at once")},
    [CONFIG_TABLE_DESTINATIONS] = {"destinations", TABLE("65536", "accounts whose past calls are known, as many called numbers, and called blocks")},
    [CONFIG_TABLE_ENDPOINTS] = {"endpoints", TABLE("524288", "media endpoints that SDP named")},
    [CONFIG_TABLE_ADDRESSES] = {"addresses", TABLE("262144", "addresses with what is known of them: proven, server, accounts")},
    [CONFIG_TABLE_SERVERS] = {"servers", TABLE("16384", "addresses that requests go to")},
    [CONFIG_TABLE_INCIDENTS] = {"incidents", TABLE("20000", "open incidents")},
    [CONFIG_TABLE_CLOSED] = {"closed-incidents", TABLE("20000", "closed incidents kept for chains")},
};
/* clang-format on */

static void *take(size_t bytes)
{
    void *at = calloc(1, bytes == 0 ? 1 : bytes);
    assert(at != NULL);
    return at;
}

static size_t row_count(const struct option *options)
{
    size_t count = 0;
    while (options[count].kind != OPTION_END) {
        count++;
    }
    return count;
}

static struct config_group *group_add(struct config *config, const char *prefix, const char *name,
                                      const struct option *options, void *base)
{
    if (config->group_count == config->group_room) {
        config->group_room = config->group_room == 0 ? 64 : config->group_room * 2;
        config->groups = realloc(config->groups, config->group_room * sizeof *config->groups);
        assert(config->groups != NULL);
    }
    struct config_group *group = &config->groups[config->group_count++];
    struct text text = text_into(group->prefix, sizeof group->prefix - 1);
    text_string(&text, prefix);
    text_string(&text, name);
    group->prefix[text.bytes] = '\0';
    group->options = options;
    group->base = base;
    group->origins = take(row_count(options) * sizeof *group->origins);
    option_presets(options, base);
    return group;
}

/* The tables' rows are made at start from table_rows and keys.def: their options outlive the
 * configuration. */
static struct option key_options[KEY_COUNT][2];
static char key_presets[KEY_COUNT][16];
static char key_helps[KEY_COUNT][160];

static void tables_add(struct config *config)
{
    for (size_t i = 0; i < CONFIG_TABLE_COUNT; i++) {
        group_add(config, "tables.", table_rows[i].name, table_rows[i].options, &config->tables[i]);
    }
    for (unsigned kind = 0; kind < KEY_COUNT; kind++) {
        struct text text = text_into(key_presets[kind], sizeof key_presets[kind] - 1);
        text_u64(&text, frame_entries_preset((enum key_kind)kind));
        key_presets[kind][text.bytes] = '\0';
        struct text help = text_into(key_helps[kind], sizeof key_helps[kind] - 1);
        text_format(&help, "entries at once for what detections count by %s: %s",
                    key_kind_name((enum key_kind)kind), key_kind_help((enum key_kind)kind));
        key_helps[kind][help.bytes] = '\0';
        key_options[kind][0] = (struct option){.key = "entries",
                                               .kind = OPTION_COUNT,
                                               .offset = 0,
                                               .min = "1",
                                               .preset = key_presets[kind],
                                               .max = "16M",
                                               .help = key_helps[kind],
                                               .sizes_table = true};
        key_options[kind][1] = (struct option){.kind = OPTION_END};
        group_add(config, "tables.", key_kind_name((enum key_kind)kind), key_options[kind],
                  &config->key_entries[kind]);
    }
}

static void detectors_add(struct config *config)
{
    size_t count = detector_count();
    config->detectors = take((count + 1) * sizeof *config->detectors);
    for (size_t i = 0; i < count; i++) {
        const struct detector *detector = detectors[i];
        void *conf = take(detector->conf_bytes);
        config->detectors[i].conf = conf;
        group_add(config, "detectors.", detector->slug,
                  detector->off_by_default ? detector_off_options : detector_common_options,
                  &config->detectors[i].enabled);
        if (detector->options != NULL) {
            group_add(config, "detectors.", detector->slug, detector->options, conf);
        }
    }
}

/* --- outputs: their groups exist once the settings name them --- */

static const struct output *output_of(struct slice type)
{
    for (size_t i = 0; outputs[i] != NULL; i++) {
        if (slice_equal(slice_of_string(outputs[i]->type), type)) {
            return outputs[i];
        }
    }
    return NULL;
}

static enum status output_add(struct config *config, struct slice name, const struct setting *type,
                              struct error *error)
{
    const struct output *output =
        type->value_count == 1 ? output_of(slice_of_string(type->values[0])) : NULL;
    if (output == NULL) {
        char allowed[256];
        struct text text = text_into(allowed, sizeof allowed - 1);
        for (size_t i = 0; outputs[i] != NULL; i++) {
            text_string(&text, i == 0 ? "" : ", ");
            text_string(&text, outputs[i]->type);
        }
        allowed[text.bytes] = '\0';
        return error_set(error, STATUS_USAGE, type->where, "%s: found '%s', one of %s is allowed",
                         type->key, type->value_count == 1 ? type->values[0] : "", allowed);
    }
    if (slice_starts_with(name, SLICE("-"))) { /* as that of --records does */
        return error_set(error, STATUS_USAGE, type->where,
                         "%s: the name of an output does not begin with -", type->key);
    }
    config->outputs =
        realloc(config->outputs, (config->output_count + 1) * sizeof *config->outputs);
    assert(config->outputs != NULL);
    struct config_output *place = &config->outputs[config->output_count++];
    *place = (struct config_output){.type = output, .conf = take(output->conf_bytes)};
    struct text text = text_into(place->name, sizeof place->name - 1);
    text_slice_put(&text, name);
    group_add(config, "outputs.", place->name, config_output_options,
              take(sizeof(struct output_common)));
    if (output->options != NULL) {
        group_add(config, "outputs.", place->name, output->options, place->conf);
    }
    return STATUS_OK;
}

static enum status outputs_add(struct config *config, const struct settings *settings,
                               struct error *error)
{
    for (uint32_t i = 0; i < settings->count; i++) {
        struct slice key = slice_of_string(settings->items[i].key);
        if (!slice_starts_with(key, SLICE("outputs."))) {
            continue;
        }
        struct slice name = slice_from(key, 8);
        size_t dot = slice_find(name, '.');
        if (!slice_equal(slice_from(name, dot), SLICE(".type"))) {
            continue;
        }
        enum status status =
            output_add(config, slice_part(name, 0, dot), &settings->items[i], error);
        if (status != STATUS_OK) {
            return status;
        }
    }
    return STATUS_OK;
}

/* --- responses: as outputs, but any key of a name brings its group --- */

/* A name goes into records, and into the messages of the journal. */
static bool is_name(struct slice name)
{
    for (size_t i = 0; i < name.bytes; i++) {
        char byte = name.at[i];
        if (!(byte >= 'a' && byte <= 'z') && !(byte >= '0' && byte <= '9') && byte != '-') {
            return false;
        }
    }
    return name.bytes > 0 && name.bytes < RESPONSE_NAME_BYTES;
}

static bool response_is_there(const struct config *config, struct slice name)
{
    for (uint32_t i = 0; i < config->response_count; i++) {
        if (slice_equal(slice_of_string(config->responses[i].name), name)) {
            return true;
        }
    }
    return false;
}

static enum status response_add(struct config *config, struct slice name,
                                const struct setting *setting, struct error *error)
{
    if (!is_name(name)) {
        return error_set(error, STATUS_USAGE, setting->key_where,
                         "%s: the name of a response is made of a-z, 0-9 and -", setting->key);
    }
    if (config->response_count == RESPONSE_BINDINGS_MAX) {
        return error_set(error, STATUS_USAGE, setting->key_where, "%s: more than %d responses",
                         setting->key, (int)RESPONSE_BINDINGS_MAX);
    }
    struct response_binding *binding = &config->responses[config->response_count++];
    memcpy(binding->name, name.at, name.bytes);
    group_add(config, "responses.", binding->name, response_binding_options, binding);
    return STATUS_OK;
}

static enum status responses_add(struct config *config, const struct settings *settings,
                                 struct error *error)
{
    enum status status = STATUS_OK;

    config->responses = take(RESPONSE_BINDINGS_MAX * sizeof *config->responses);
    for (uint32_t i = 0; i < settings->count && status == STATUS_OK; i++) {
        struct slice key = slice_of_string(settings->items[i].key);
        if (!slice_starts_with(key, SLICE("responses."))) {
            continue;
        }
        struct slice name = slice_from(key, 10);
        size_t dot = slice_find(name, '.');
        name = slice_part(name, 0, dot);
        if (dot < slice_from(key, 10).bytes && !response_is_there(config, name)) {
            status = response_add(config, name, &settings->items[i], error);
        }
    }
    return status;
}

static enum status datasets_of(const struct config_group *group, const struct output_common *common,
                               struct config_output *output, struct error *error)
{
    for (uint32_t i = 0; i < common->datasets.count; i++) {
        struct slice wanted = slice_of_string(common->datasets.items[i]);
        unsigned found = DATASET_COUNT;
        for (unsigned d = 0; d < DATASET_COUNT; d++) {
            if (slice_equal(slice_from(slice_of_string(dataset_rows[d].name), 8), wanted)) {
                found = d;
            }
        }
        if (found == DATASET_COUNT) {
            return error_set(error, STATUS_USAGE, group->origins[COMMON_DATASETS],
                             "%s.datasets: '%s' is no dataset, see --list records", group->prefix,
                             common->datasets.items[i]);
        }
        output->datasets |= UINT32_C(1) << found;
    }
    if (common->datasets.count == 0) {
        output->datasets = UINT32_MAX;
    }
    return STATUS_OK;
}

/* The one that was asked for, or the first that the type carries. */
static enum status format_of(const struct config_group *group, const struct output_common *common,
                             struct config_output *output, struct error *error)
{
    unsigned formats = output->type->formats;
    unsigned format = 0;

    if (common->format != FORMAT_OF_TYPE) {
        format = common->format - 1;
        if ((formats & 1U << format) == 0) {
            return error_set(error, STATUS_USAGE, group->origins[COMMON_FORMAT],
                             "%s.format: an output of type %s does not carry it", group->prefix,
                             output->type->type);
        }
    }
    while (formats != 0 && (formats & 1U << format) == 0) {
        format++;
    }
    output->format = (enum output_format)format;
    return STATUS_OK;
}

/* Whether its own keys fit together. An error names one of them: here it gets the output's name. */
static enum status check_output(const struct config_group *group,
                                const struct config_output *output, struct error *error)
{
    enum status status =
        output->type->check == NULL ? STATUS_OK : output->type->check(output->conf, error);

    if (status != STATUS_OK) {
        struct error found = *error;
        char key[sizeof found.where];
        struct text text = text_into(key, sizeof key - 1);
        text_string(&text, group->prefix);
        text_byte(&text, '.');
        text_string(&text, found.where);
        (void)text_terminate(&text);
        (void)error_set(error, found.code, key, "%s", found.message);
    }
    return status;
}

/* What the keys of each output say. */
static enum status outputs_read(struct config *config, struct error *error)
{
    enum status status = STATUS_OK;

    for (uint32_t g = 0, n = 0; g < config->group_count && status == STATUS_OK; g++) {
        const struct config_group *group = &config->groups[g];
        if (group->options != config_output_options) {
            continue;
        }
        struct config_output *output = &config->outputs[n++];
        status = datasets_of(group, group->base, output, error);
        if (status == STATUS_OK) {
            status = format_of(group, group->base, output, error);
        }
        if (status == STATUS_OK) {
            status = check_output(group, output, error);
        }
    }
    return status;
}

/* --- settings to values --- */

static const struct option *row_find(const struct config *config, struct slice key,
                                     struct config_group **out_group)
{
    size_t dot = slice_find_last(key, '.');
    struct slice prefix = dot == key.bytes ? SLICE("") : slice_part(key, 0, dot);
    struct slice name = dot == key.bytes ? key : slice_from(key, dot + 1);
    for (uint32_t i = 0; i < config->group_count; i++) {
        if (slice_equal(slice_of_string(config->groups[i].prefix), prefix)) {
            const struct option *option = option_find(config->groups[i].options, name);
            if (option != NULL) {
                *out_group = &config->groups[i];
                return option;
            }
        }
    }
    return NULL;
}

static void full_key(struct text *text, const struct config_group *group, const char *key)
{
    text_string(text, group->prefix);
    if (group->prefix[0] != '\0') {
        text_byte(text, '.');
    }
    text_string(text, key);
}

static enum status unknown_key(const struct config *config, const struct setting *setting,
                               struct error *error)
{
    struct slice wanted = slice_of_string(setting->key);
    unsigned best = 5; /* farther than four letters is no typing mistake */
    char nearest[KEY_BYTES] = "";
    for (uint32_t g = 0; g < config->group_count; g++) {
        const struct config_group *group = &config->groups[g];
        for (const struct option *row = group->options; row->kind != OPTION_END; row++) {
            char key[KEY_BYTES];
            struct text text = text_into(key, sizeof key - 1);
            full_key(&text, group, row->key);
            unsigned distance = option_distance(text_slice(&text), wanted, best - 1);
            if (distance < best) {
                best = distance;
                key[text.bytes] = '\0';
                memcpy(nearest, key, text.bytes + 1);
            }
        }
    }
    if (slice_starts_with(wanted, SLICE("outputs."))) {
        return error_set(
            error, STATUS_USAGE, setting->key_where,
            "key '%s' is not known%s%s%s; an output needs a type and takes that type's keys",
            setting->key, nearest[0] == '\0' ? "" : "; did you mean '", nearest,
            nearest[0] == '\0' ? "" : "'?");
    }
    return error_set(error, STATUS_USAGE, setting->key_where, "key '%s' is not known%s%s%s",
                     setting->key, nearest[0] == '\0' ? "; see --list options" : "; did you mean '",
                     nearest, nearest[0] == '\0' ? "" : "'?");
}

static enum status apply(struct config *config, const struct setting *setting, struct error *error)
{
    struct config_group *group = NULL;
    const struct option *option = row_find(config, slice_of_string(setting->key), &group);
    if (option == NULL) {
        return unknown_key(config, setting, error);
    }
    if (setting->is_list && !option_is_list(option)) {
        return error_set(error, STATUS_USAGE, setting->where,
                         "%s: found a list, one value is allowed", setting->key);
    }
    option_clear(option, group->base);
    if (setting->value_count == 0 && !option_is_list(option)) {
        return error_set(error, STATUS_USAGE, setting->where, "%s: a value is missing",
                         setting->key);
    }
    for (uint32_t i = 0; i < setting->value_count; i++) {
        enum status status = option_parse(option, slice_of_string(setting->values[i]), group->base,
                                          setting->where, setting->key, error);
        if (status != STATUS_OK) {
            return status;
        }
    }
    char origin[1024];
    struct text text = text_into(origin, sizeof origin - 1);
    text_string(&text, setting->where);
    if (setting->replaced != NULL) {
        text_format(&text, " (instead of %s)", setting->replaced);
    }
    origin[text.bytes] = '\0';
    char **place = &group->origins[option - group->options];
    free(*place);
    *place = take(text.bytes + 1);
    memcpy(*place, origin, text.bytes + 1);
    return STATUS_OK;
}

/* Where the value of a key stands; "" = it is the default. */
static const char *origin_of(const struct config *config, struct slice key)
{
    struct config_group *group = NULL;
    const struct option *option = row_find(config, key, &group);
    const char *origin = option == NULL ? NULL : group->origins[option - group->options];

    return origin == NULL ? "" : origin;
}

static bool is_rule(const char *slug)
{
    for (size_t i = 0; i < detector_count(); i++) {
        if (strcmp(detectors[i]->slug, slug) == 0) {
            return true;
        }
    }
    return false;
}

static enum status check_response(const struct config_group *group, struct error *error)
{
    enum { ROW_RULES, ROW_SEVERITY, ROW_HOOK }; /* of response_binding_options */
    const struct response_binding *binding = group->base;
    const char *hook_where = group->origins[ROW_HOOK];

    for (uint32_t i = 0; i < binding->rules.count; i++) {
        if (!is_rule(binding->rules.items[i])) {
            return error_set(error, STATUS_USAGE, group->origins[ROW_RULES],
                             "%s.rules: '%s' is no detection, see --list detectors", group->prefix,
                             binding->rules.items[i]);
        }
    }
    if (binding->mode != RESPONSE_OFF && binding->hook[0] == '\0') {
        return error_set(error, STATUS_USAGE, "", "%s.hook: the name of a hook is missing",
                         group->prefix);
    }
    if (strchr(binding->hook, '/') != NULL || binding->hook[0] == '.') {
        return error_set(error, STATUS_USAGE, hook_where == NULL ? "" : hook_where,
                         "%s.hook: found '%s', the name of a file in response.hooks is allowed",
                         group->prefix, binding->hook);
    }
    return STATUS_OK;
}

static enum status responses_read(const struct config *config, struct error *error)
{
    enum status status = STATUS_OK;

    for (uint32_t g = 0; g < config->group_count && status == STATUS_OK; g++) {
        if (config->groups[g].options == response_binding_options) {
            status = check_response(&config->groups[g], error);
        }
    }
    return status;
}

/* What values of "site." name is read: a file, a rule, lists of digits. An error that has only a key
 * gets the place where it stands. */
/* What values of "site." name is read: a file, a rule, lists of digits. */
static enum status site_open(struct config *config, struct error *error)
{
    const char *zone_where = origin_of(config, SLICE("site.timezone"));
    enum status status = calendar_parse(slice_of_string(config->site.timezone), zone_where,
                                        &config->calendar, error);

    if (status == STATUS_OK) {
        status = numbers_open(&config->site.numbers, &config->numbers, error);
    }
    return status;
}

/* An error that has only a key gets the place where it stands. */
static void place_error(const struct config *config, struct error *error)
{
    struct slice key = slice_of_string(error->where);
    struct config_group *group = NULL;

    if (row_find(config, key, &group) != NULL) {
        struct error found = *error;
        (void)error_set(error, found.code, origin_of(config, key), "%s: %s", found.where,
                        found.message);
    }
}

/* Sections that are written without anything behind them ("detectors:") say nothing. */
static bool is_empty_section(const struct config *config, const struct setting *setting)
{
    struct config_group *group = NULL;
    return setting->is_empty && row_find(config, slice_of_string(setting->key), &group) == NULL;
}

enum status config_open(const struct settings *settings, struct config **out_config,
                        struct error *error)
{
    struct config *config = take(sizeof *config);
    group_add(config, "", "", top_options, &config->sensor);
    group_add(config, "observer", "", observer_options, &config->sensor);
    group_add(config, "capture", "", capture_options, &config->sensor);
    group_add(config, "records", "", records_options, &config->records);
    group_add(config, "geo", "", geo_options, &config->geo);
    group_add(config, "privacy", "", privacy_options, &config->privacy);
    group_add(config, "site", "", numbers_options, &config->site.numbers);
    group_add(config, "site", "", site_options, &config->site);
    tables_add(config);
    detectors_add(config);
    group_add(config, "response", "", response_options, &config->response);
    enum status status = outputs_add(config, settings, error);
    if (status == STATUS_OK) {
        status = responses_add(config, settings, error);
    }
    for (uint32_t i = 0; i < settings->count && status == STATUS_OK; i++) {
        if (!is_empty_section(config, &settings->items[i])) {
            status = apply(config, &settings->items[i], error);
        }
    }
    if (status == STATUS_OK) {
        status = outputs_read(config, error);
    }
    if (status == STATUS_OK) {
        status = responses_read(config, error);
    }
    if (status == STATUS_OK) {
        status = site_open(config, error);
    }
    if (status == STATUS_OK) {
        status = privacy_check(&config->privacy, error);
    }
    if (status == STATUS_OK) {
        status = response_check(&config->response, error);
    }
    if (status != STATUS_OK) {
        place_error(config, error);
    }
    if (status != STATUS_OK) {
        config_close(config);
        return status;
    }
    *out_config = config;
    return STATUS_OK;
}

void config_close(struct config *config)
{
    if (config == NULL) {
        return;
    }
    for (uint32_t g = 0; g < config->group_count; g++) {
        struct config_group *group = &config->groups[g];
        for (size_t i = 0; i < row_count(group->options); i++) {
            option_clear(&group->options[i], group->base);
            free(group->origins[i]);
        }
        free(group->origins);
        if (group->options == config_output_options) {
            free(group->base);
        }
    }
    for (size_t i = 0; config->detectors != NULL && i < detector_count(); i++) {
        free((void *)(uintptr_t)config->detectors[i].conf);
    }
    for (uint32_t i = 0; i < config->output_count; i++) {
        free(config->outputs[i].conf);
    }
    numbers_close(config->numbers);
    free(config->detectors);
    free(config->outputs);
    free(config->responses);
    free(config->groups);
    free(config);
}

void config_walk(const struct config *config,
                 void (*visit)(void *owner, const struct config_row *row), void *owner)
{
    for (uint32_t g = 0; g < config->group_count; g++) {
        const struct config_group *group = &config->groups[g];
        for (const struct option *option = group->options; option->kind != OPTION_END; option++) {
            char key[KEY_BYTES];
            struct text text = text_into(key, sizeof key - 1);
            full_key(&text, group, option->key);
            key[text.bytes] = '\0';
            const char *origin = group->origins[option - group->options];
            struct config_row row = {.key = key,
                                     .option = option,
                                     .base = group->base,
                                     .origin = origin == NULL ? "default" : origin};
            visit(owner, &row);
        }
    }
}

void config_print(const struct config_row *row, struct text *text)
{
    if (row->option->secret && strcmp(row->origin, "default") != 0) {
        text_string(text, "(not shown)");
    } else {
        option_print(row->option, row->base, text);
    }
}

/* Names of outputs and files are whatever somebody wrote: printable, piece by piece, then spaces. */
static void show_column(FILE *out, struct slice text, size_t width)
{
    size_t columns = 0;

    while (text.bytes > 0) {
        char room[256];
        struct text printed = text_into(room, sizeof room);
        size_t bytes = text.bytes < sizeof room / 4 ? text.bytes : sizeof room / 4;
        while (bytes < text.bytes && bytes > 1 && ((uint8_t)text.at[bytes] & 0xc0) == 0x80) {
            bytes--;
        }
        text_printable(&printed, slice_part(text, 0, bytes));
        (void)fwrite(room, 1, printed.bytes, out); /* the stream remembers failures */
        columns += printed.bytes;
        text = slice_from(text, bytes);
    }
    fprintf(out, "%*s", columns < width ? (int)(width - columns) : 0, "");
}

static void show_row(void *owner, const struct config_row *row)
{
    FILE *out = owner;
    char value[2048];
    struct text text = text_into(value, sizeof value);
    config_print(row, &text);
    show_column(out, slice_of_string(row->key), 44);
    fputc(' ', out);
    show_column(out, text_slice(&text), 22);
    fputs(" # ", out);
    show_column(out, slice_of_string(row->origin), 0);
    fputs(reload_waits(row) ? "; restart\n" : "\n", out);
}

void config_show(const struct config *config, FILE *out)
{
    fputs("# key, value, where it came from; restart: a running sensor does not take up a change\n",
          out);
    config_walk(config, show_row, out);
}
