/* http_metrics.c - samples by tables: what a figure is called stands beside the field that it is.
 *
 * Names end in their base unit, counters in _total. A family is said once with HELP and TYPE, then its
 * samples follow. Families of the sensor's record come from that record (a figure that it does not
 * hold has no sample: nothing is made up), families of incidents, calls and outputs from what was
 * counted. Labels come from sets that do not grow with the traffic: reasons, anomalies, methods,
 * classes, rules, outputs. */
#include "outputs/http_metrics.h"

struct family {
    const char *name;
    const char *type;
    const char *help;
};

/* One sample of a field that holds a number. Rows of one family stand together; the first has its
 * type and help. */
struct figure_row {
    struct family family;
    const char *labels; /* with its braces; "" = none */
    enum field field;
};

/* One sample for each name of a field that holds a map. */
struct map_row {
    struct family family;
    const char *label;
    enum field field;
};

/* clang-format off */
static const struct figure_row figure_rows[] = {
    {{"earshot_capture_packets_total", "counter", "Frames that were taken."}, "", FIELD_ID_EARSHOT_SENSOR_CAPTURE_PACKETS},
    {{"earshot_capture_bytes_total", "counter", "Bytes of these frames on the wire."}, "", FIELD_ID_EARSHOT_SENSOR_CAPTURE_BYTES},
    {{"earshot_capture_offered_packets_total", "counter", "Frames that the kernel had for the sensor: taken or dropped by it."}, "", FIELD_ID_EARSHOT_SENSOR_CAPTURE_OFFERED},
    {{"earshot_capture_drops_total", "counter", "Frames that were lost before the sensor, by where."}, "{where=\"kernel\"}", FIELD_ID_EARSHOT_SENSOR_DROPS_KERNEL},
    {{"earshot_capture_drops_total", NULL, NULL}, "{where=\"nic\"}", FIELD_ID_EARSHOT_SENSOR_DROPS_NIC},
    {{"earshot_records_lost_total", "counter", "Records lost inside because the outputs held up the writer."}, "", FIELD_ID_EARSHOT_SENSOR_DROPS_QUEUE},
    {{"earshot_packets_total", "counter", "Frames by what became of them; the sum is what was taken."}, "{verdict=\"decoded\"}", FIELD_ID_EARSHOT_SENSOR_PACKETS_DECODED},
    {{"earshot_packets_total", NULL, NULL}, "{verdict=\"ignored\"}", FIELD_ID_EARSHOT_SENSOR_PACKETS_IGNORED},
    {{"earshot_packets_total", NULL, NULL}, "{verdict=\"malformed\"}", FIELD_ID_EARSHOT_SENSOR_PACKETS_MALFORMED},
    {{"earshot_mirror_copies_total", "counter", "Decoded frames that are copies made by the mirror."}, "", FIELD_ID_EARSHOT_SENSOR_PACKETS_DUPLICATES},
    {{"earshot_sip_malformed_total", "counter", "SIP messages with the verdict invalid."}, "", FIELD_ID_EARSHOT_SENSOR_SIP_MALFORMED},
    {{"earshot_registration_attempts_total", "counter", "REGISTER requests, copies not counted."}, "", FIELD_ID_EARSHOT_SENSOR_REGISTRATIONS_ATTEMPTS},
    {{"earshot_registrations_total", "counter", "Registrations by result."}, "{result=\"succeeded\"}", FIELD_ID_EARSHOT_SENSOR_REGISTRATIONS_SUCCEEDED},
    {{"earshot_registrations_total", NULL, NULL}, "{result=\"failed\"}", FIELD_ID_EARSHOT_SENSOR_REGISTRATIONS_FAILED},
    {{"earshot_registrations_total", NULL, NULL}, "{result=\"refreshed\"}", FIELD_ID_EARSHOT_SENSOR_REGISTRATIONS_REFRESHED},
    {{"earshot_rtp_packets_total", "counter", "RTP packets."}, "", FIELD_ID_EARSHOT_SENSOR_RTP_PACKETS},
    {{"earshot_rtp_streams_total", "counter", "RTP streams."}, "", FIELD_ID_EARSHOT_SENSOR_RTP_STREAMS},
    {{"earshot_rtcp_packets_total", "counter", "RTCP datagrams."}, "", FIELD_ID_EARSHOT_SENSOR_RTCP_PACKETS},
    {{"earshot_calls_active", "gauge", "Calls held now."}, "", FIELD_ID_EARSHOT_SENSOR_TABLES_CALLS},
    {{"earshot_registrations_active", "gauge", "Bindings held now."}, "", FIELD_ID_EARSHOT_SENSOR_TABLES_REGISTRATIONS},
    {{"earshot_rtp_streams_active", "gauge", "RTP streams held now."}, "", FIELD_ID_EARSHOT_SENSOR_TABLES_STREAMS},
    {{"earshot_table_entries", "gauge", "Entries held now, by table."}, "{table=\"calls\"}", FIELD_ID_EARSHOT_SENSOR_TABLES_CALLS},
    {{"earshot_table_entries", NULL, NULL}, "{table=\"registrations\"}", FIELD_ID_EARSHOT_SENSOR_TABLES_REGISTRATIONS},
    {{"earshot_table_entries", NULL, NULL}, "{table=\"transactions\"}", FIELD_ID_EARSHOT_SENSOR_TABLES_TRANSACTIONS},
    {{"earshot_table_entries", NULL, NULL}, "{table=\"streams\"}", FIELD_ID_EARSHOT_SENSOR_TABLES_STREAMS},
    {{"earshot_table_entries", NULL, NULL}, "{table=\"sources\"}", FIELD_ID_EARSHOT_SENSOR_TABLES_SOURCES},
    {{"earshot_table_evictions_total", "counter", "Entries of all tables that were forgotten for want of room."}, "", FIELD_ID_EARSHOT_SENSOR_TABLES_EVICTED},
    {{"earshot_findings_folded_total", "counter", "Findings that were folded into an open incident."}, "", FIELD_ID_EARSHOT_SENSOR_DETECTORS_SUPPRESSED},
};

static const struct map_row map_rows[] = {
    {{"earshot_packets_ignored_total", "counter", "Ignored frames by reason."}, "reason", FIELD_ID_EARSHOT_SENSOR_PACKETS_IGNORED_BY},
    {{"earshot_packets_malformed_total", "counter", "Malformed frames by reason."}, "reason", FIELD_ID_EARSHOT_SENSOR_PACKETS_MALFORMED_BY},
    {{"earshot_packet_notes_total", "counter", "What was noted inside decoded frames, and what was forgotten for want of room."}, "note", FIELD_ID_EARSHOT_SENSOR_PACKETS_NOTES},
    {{"earshot_packet_anomalies_total", "counter", "Anomalies below SIP."}, "anomaly", FIELD_ID_EARSHOT_SENSOR_PACKETS_ANOMALIES},
    {{"earshot_sip_anomalies_total", "counter", "SIP messages by anomaly."}, "anomaly", FIELD_ID_EARSHOT_SENSOR_SIP_ANOMALIES},
};
/* clang-format on */

static const char *const severities[VIEW_LEVELS] = {"", "low", "medium", "high", "critical"};

static void family_begin(struct text *text, const struct family *family)
{
    text_format(text, "# HELP %s %s\n# TYPE %s %s\n", family->name, family->help, family->name,
                family->type);
}

/* A label value: backslash, quote and line end are escaped; what is not printable is \xNN, so its
 * backslash is escaped too. */
static void put_label(struct text *text, struct slice value)
{
    char raw[4 * OPTION_TEXT_BYTES];
    struct text printable = text_into(raw, sizeof raw);

    text_printable(&printable, slice_part(value, 0, OPTION_TEXT_BYTES));
    for (size_t i = 0; i < printable.bytes; i++) {
        if (raw[i] == '\\' || raw[i] == '"') {
            text_byte(text, '\\');
        }
        text_byte(text, raw[i]);
    }
}

static void put_sample(struct text *text, const char *name, const char *labels, uint64_t value)
{
    text_format(text, "%s%s %" PRIu64 "\n", name, labels, value);
}

static void put_one(struct text *text, const char *name, const char *type, const char *help,
                    uint64_t value)
{
    family_begin(text, &(struct family){name, type, help});
    put_sample(text, name, "", value);
}

/* --- the sensor's record --- */

static void put_figures(const struct record *record, struct text *text)
{
    const char *begun = "";

    for (size_t i = 0; i < sizeof figure_rows / sizeof figure_rows[0]; i++) {
        const struct figure_row *row = &figure_rows[i];
        const struct figure_row *first = row;
        struct record_value value;
        if (!record_get(record, row->field, &value)) {
            continue;
        }
        while (first->family.help == NULL) {
            first--;
        }
        if (strcmp(begun, first->family.name) != 0) {
            begun = first->family.name;
            family_begin(text, &first->family);
        }
        put_sample(text, row->family.name, row->labels, (uint64_t)value.number);
    }
}

static void put_map(const struct record *record, const struct map_row *row, struct text *text)
{
    struct record_value value;
    bool begun = false;
    uint32_t at = 0;

    while (record_next(record, &at, &value)) {
        if (value.field != row->field) {
            continue;
        }
        if (!begun) {
            family_begin(text, &row->family);
            begun = true;
        }
        text_format(text, "%s{%s=\"", row->family.name, row->label);
        put_label(text, value.text);
        text_format(text, "\"} %" PRIu64 "\n", (uint64_t)value.number);
    }
}

/* Requests by method, answers by class. */
static void put_messages(const struct record *record, struct text *text)
{
    static const struct family family = {"earshot_sip_messages_total", "counter",
                                         "SIP messages, copies too: requests by method, answers by "
                                         "class."};
    uint64_t classes[7] = {0}; /* 0: none of the six */
    struct record_value value;
    uint32_t at = 0;

    family_begin(text, &family);
    while (record_next(record, &at, &value)) {
        if (value.field == FIELD_ID_EARSHOT_SENSOR_SIP_REQUESTS) {
            text_format(text, "%s{type=\"request\",method=\"", family.name);
            put_label(text, value.text);
            text_format(text, "\"} %" PRIu64 "\n", (uint64_t)value.number);
        } else if (value.field == FIELD_ID_EARSHOT_SENSOR_SIP_RESPONSES) {
            char first = value.text.bytes == 3 ? value.text.at[0] : '0';
            classes[first >= '1' && first <= '6' ? first - '0' : 0] += (uint64_t)value.number;
        }
    }
    for (unsigned i = 0; i < 7; i++) {
        if (classes[i] > 0) {
            text_format(text, "%s{type=\"response\",class=\"", family.name);
            text_format(text, i == 0 ? "other" : "%uxx", i);
            text_format(text, "\"} %" PRIu64 "\n", classes[i]);
        }
    }
}

/* --- incidents, calls, media --- */

static void put_alerts(const struct http_view *view, struct text *text)
{
    static const struct family family = {
        "earshot_alerts_total", "counter",
        "Incidents that were opened, by rule and the severity that they opened with."};

    if (view->rule_count > 0) {
        family_begin(text, &family);
    }
    for (uint32_t i = 0; i < view->rule_count; i++) {
        for (unsigned level = 1; level < VIEW_LEVELS; level++) {
            if (view->rules[i].opened[level] > 0) {
                text_format(text, "%s{rule=\"", family.name);
                put_label(text, slice_of_string(view->rules[i].slug));
                text_format(text, "\",severity=\"%s\"} %" PRIu64 "\n", severities[level],
                            view->rules[i].opened[level]);
            }
        }
    }
    put_one(text, "earshot_incidents_open", "gauge",
            "Incidents that were opened in this run and are not closed.", view->open_count);
}

static void put_hooks(const struct http_view *view, struct text *text)
{
    static const struct family family = {
        "earshot_hooks_total", "counter",
        "Steps of responses, by hook: proposed, refused, dry-run, applying, active, failed ..."};

    if (view->step_count > 0) {
        family_begin(text, &family);
    }
    for (uint32_t i = 0; i < view->step_count; i++) {
        text_format(text, "%s{hook=\"", family.name);
        put_label(text, slice_of_string(view->steps[i].hook));
        text_string(text, "\",result=\"");
        put_label(text, slice_of_string(view->steps[i].step));
        text_format(text, "\"} %" PRIu64 "\n", view->steps[i].count);
    }
}

static void put_mos(const struct http_view *view, struct text *text)
{
    static const struct family family = {
        "earshot_call_mos", "histogram",
        "Calls that ended with media, by the MOS of their worst stream."};
    uint64_t sum = 0;

    family_begin(text, &family);
    for (unsigned i = 0; i < VIEW_MOS_BOUNDS; i++) {
        sum += view->mos_counts[i];
        text_format(text, "%s_bucket{le=\"", family.name);
        text_decimal(text, view_mos_bounds[i], 3);
        text_format(text, "\"} %" PRIu64 "\n", sum);
    }
    text_format(text, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n%s_sum ", family.name, view->mos_count,
                family.name);
    text_decimal(text, (int64_t)view->mos_sum, 3);
    text_format(text, "\n%s_count %" PRIu64 "\n", family.name, view->mos_count);
}

static void put_ended(const struct http_view *view, struct text *text)
{
    static const struct family calls = {"earshot_calls_total", "counter",
                                        "Calls that ended, by outcome."};
    static const struct family records = {"earshot_records_total", "counter",
                                          "Records that were told here, by dataset."};

    family_begin(text, &calls);
    for (unsigned i = 0; i < VIEW_OUTCOMES; i++) {
        text_format(text, "%s{outcome=\"%s\"} %" PRIu64 "\n", calls.name, view_outcome_names[i],
                    view->outcomes[i]);
    }
    put_mos(view, text);
    put_one(text, "earshot_rtp_expected_packets_total", "counter",
            "Packets that streams which ended should have had.", view->rtp_expected);
    put_one(text, "earshot_rtp_lost_packets_total", "counter", "Those of them that never came.",
            view->rtp_lost);
    family_begin(text, &records);
    for (unsigned i = 0; i < DATASET_COUNT; i++) {
        text_format(text, "%s{dataset=\"%s\"} %" PRIu64 "\n", records.name, dataset_rows[i].name,
                    view->records[i]);
    }
}

/* --- outputs --- */

static void put_output(struct text *text, const char *name, const struct output_place *place,
                       const char *more, uint64_t value)
{
    text_format(text, "%s{output=\"", name);
    put_label(text, slice_of_string(place->name));
    text_format(text, "\"%s} %" PRIu64 "\n", more, value);
}

static void put_results(const struct output_host *host, struct text *text)
{
    static const struct family results = {
        "earshot_output_records_total", "counter",
        "Records by output and result; repeated ones were sent again because their fate was not "
        "known."};
    static const struct family dropped = {"earshot_output_dropped_total", "counter",
                                          "Records that an output gave up, by dataset."};

    family_begin(text, &results);
    for (uint32_t i = 0; i < *host->place_count; i++) {
        const struct output_place *place = &host->places[i];
        put_output(text, results.name, place, ",result=\"acknowledged\"",
                   place->tally.acknowledged);
        put_output(text, results.name, place, ",result=\"dropped\"", output_dropped(&place->tally));
        put_output(text, results.name, place, ",result=\"repeated\"", place->tally.repeated);
    }
    family_begin(text, &dropped);
    for (uint32_t i = 0; i < *host->place_count; i++) {
        for (unsigned set = 0; set < DATASET_COUNT; set++) {
            char more[64];
            (void)snprintf(more, sizeof more, ",dataset=\"%s\"", dataset_rows[set].name);
            put_output(text, dropped.name, &host->places[i], more,
                       host->places[i].tally.dropped[set]);
        }
    }
}

static void put_places(const struct output_host *host, struct text *text)
{
    static const struct family waiting = {"earshot_output_queue_records", "gauge",
                                          "Records that wait in an output."};
    static const struct family bytes = {"earshot_output_queue_bytes", "gauge",
                                        "Bytes that wait in an output."};
    static const struct family away = {
        "earshot_output_away", "gauge",
        "1 while the far end of an output cannot be reached or refuses."};

    family_begin(text, &waiting);
    for (uint32_t i = 0; i < *host->place_count; i++) {
        put_output(text, waiting.name, &host->places[i], "", host->places[i].tally.waiting);
    }
    family_begin(text, &bytes);
    for (uint32_t i = 0; i < *host->place_count; i++) {
        put_output(text, bytes.name, &host->places[i], "", host->places[i].tally.waiting_bytes);
    }
    family_begin(text, &away);
    for (uint32_t i = 0; i < *host->place_count; i++) {
        put_output(text, away.name, &host->places[i], "", host->places[i].tally.away);
    }
}

/* --- the sensor --- */

static void put_seconds(struct text *text, const char *name, const char *help, uint64_t span_ns)
{
    family_begin(text, &(struct family){name, "gauge", help});
    text_format(text, "%s ", name);
    text_decimal(text, (int64_t)(span_ns / NS_PER_MS), 3);
    text_byte(text, '\n');
}

static void put_own(const struct http_view *view, const struct output_host *host,
                    const struct health *health, uint64_t steady_ns, struct text *text)
{
    static const struct family build = {"earshot_build_info", "gauge",
                                        "Always 1; which version this is."};

    family_begin(text, &build);
    text_format(text, "%s{version=\"", build.name);
    put_label(text, slice_of_string(host->identity.version));
    text_string(text, "\"} 1\n");
    put_one(text, "earshot_healthy", "gauge", "1 while /healthz says ok.", health->good);
    if (view->heard) {
        put_seconds(text, "earshot_sensor_record_age_seconds",
                    "How long ago the last record of the sensor came; it is due every 10 s.",
                    time_since(steady_ns, view->heard_ns));
    }
    if (view->heard && host->live) {
        put_seconds(text, "earshot_processing_lag_seconds",
                    "How far that record was behind the wall clock when it came.", view->lag_ns);
    }
}

void http_metrics_print(const struct http_view *view, const struct output_host *host,
                        const struct health *health, uint64_t steady_ns, struct text *text)
{
    put_own(view, host, health, steady_ns, text);
    if (view->heard) {
        const struct record *record = (const struct record *)(const void *)view->sensor;
        put_figures(record, text);
        put_messages(record, text);
        for (size_t i = 0; i < sizeof map_rows / sizeof map_rows[0]; i++) {
            put_map(record, &map_rows[i], text);
        }
    }
    put_alerts(view, text);
    put_hooks(view, text);
    put_ended(view, text);
    put_results(host, text);
    put_places(host, text);
}
