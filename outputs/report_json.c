/* report_json.c - the report as one JSON object, with the keys of the project's contract and a few
 * more.
 *
 * Keys stand as they were promised: none is ever renamed, what is not known is null, more may come.
 * Entries are printed one by one from the lists, so the size of the report never stands in memory.
 * Figures are whole numbers or decimals made of whole numbers. */
#include "outputs/report_parts.h"

enum { LINE_BYTES = 32 << 10 }; /* an entry with every byte escaped */

struct page {
    FILE *out;
    struct text text;
    char line[LINE_BYTES];
};

static void page_flush(struct page *page)
{
    assert(!page->text.overflow);
    (void)fwrite(page->line, 1, page->text.bytes, page->out); /* the stream remembers failures */
    page->text.bytes = 0;
}

/* The name of a member with its colon; a comma before all but the first of an object. */
static void name(struct page *page, const char *text)
{
    char last = page->text.bytes == 0 ? '{' : page->text.at[page->text.bytes - 1];

    if (last != '{') {
        text_byte(&page->text, ',');
    }
    text_byte(&page->text, '"');
    text_string(&page->text, text);
    text_string(&page->text, "\":");
}

static void put_string(struct page *page, struct slice value)
{
    if (slice_is_empty(value)) {
        text_string(&page->text, "null");
        return;
    }
    text_byte(&page->text, '"');
    (void)text_json(&page->text, value);
    text_byte(&page->text, '"');
}

static void member_text(struct page *page, const char *key, struct slice value)
{
    name(page, key);
    put_string(page, value);
}

static void member_count(struct page *page, const char *key, uint64_t value)
{
    name(page, key);
    text_u64(&page->text, value);
}

/* Thousandths; below 0: not known. */
static void member_decimal(struct page *page, const char *key, int64_t value)
{
    name(page, key);
    if (value < 0) {
        text_string(&page->text, "null");
    } else {
        text_decimal(&page->text, value, 3);
    }
}

static void member_truth(struct page *page, const char *key, bool value)
{
    name(page, key);
    text_string(&page->text, value ? "true" : "false");
}

/* 0 is a time that is not known, so a packet at 0 is taken as one of the nanosecond behind it. */
static uint64_t as_captured(uint64_t time_ns)
{
    return time_ns == 1 ? 0 : time_ns;
}

static void member_time(struct page *page, const char *key, uint64_t time_ns)
{
    name(page, key);
    if (time_ns == 0) {
        text_string(&page->text, "null");
        return;
    }
    text_byte(&page->text, '"');
    text_time(&page->text, as_captured(time_ns), 9);
    text_byte(&page->text, '"');
}

static void member_seconds(struct page *page, const char *key, uint64_t from_ns, uint64_t to_ns)
{
    uint64_t span = time_since(as_captured(to_ns), as_captured(from_ns));

    name(page, key);
    text_decimal(&page->text, span > INT64_MAX ? INT64_MAX : (int64_t)span, 9);
}

static void member_figure(struct page *page, const struct report *report, const char *key,
                          enum field field)
{
    member_count(page, key, (uint64_t)report_figure(report, field));
}

static void member_map(struct page *page, const struct report *report, const char *key,
                       enum field field)
{
    struct record_value value;
    uint32_t at = 0;

    name(page, key);
    text_byte(&page->text, '{');
    while (report_pair(report, field, &at, &value)) {
        if (page->text.at[page->text.bytes - 1] != '{') {
            text_byte(&page->text, ',');
        }
        put_string(page, value.text);
        text_byte(&page->text, ':');
        text_u64(&page->text, (uint64_t)value.number);
    }
    text_byte(&page->text, '}');
}

static void open_object(struct page *page, const char *key)
{
    name(page, key);
    text_byte(&page->text, '{');
}

static void close_object(struct page *page)
{
    text_byte(&page->text, '}');
}

/* --- parts --- */

static void print_capture(struct page *page, const struct report *report)
{
    uint64_t start_ns = (uint64_t)report_figure(report, FIELD_ID_EARSHOT_SENSOR_CAPTURE_START);
    uint64_t end_ns = (uint64_t)report_figure(report, FIELD_ID_EARSHOT_SENSOR_CAPTURE_END);
    struct record_value value;
    uint32_t at = 0;

    open_object(page, "capture");
    member_figure(page, report, "packets", FIELD_ID_EARSHOT_SENSOR_CAPTURE_PACKETS);
    member_figure(page, report, "bytes", FIELD_ID_EARSHOT_SENSOR_CAPTURE_BYTES);
    member_time(page, "start", start_ns);
    member_time(page, "end", end_ns);
    member_seconds(page, "seconds", start_ns, end_ns);
    member_truth(page, "truncated",
                 report_figure(report, FIELD_ID_EARSHOT_SENSOR_CAPTURE_TRUNCATED) != 0);
    uint32_t kernel_at = 0;
    if (report_pair(report, FIELD_ID_EARSHOT_SENSOR_CAPTURE_OFFERED, &kernel_at, &value)) {
        member_count(page, "offered", (uint64_t)value.number);
        member_figure(page, report, "dropped", FIELD_ID_EARSHOT_SENSOR_DROPS_KERNEL);
        member_figure(page, report, "dropped_by_card", FIELD_ID_EARSHOT_SENSOR_DROPS_NIC);
        member_figure(page, report, "records_dropped", FIELD_ID_EARSHOT_SENSOR_DROPS_QUEUE);
    }
    if (report->calls_left_out + report->streams_left_out + report->alerts_left_out > 0) {
        open_object(page, "not_listed");
        member_count(page, "calls", report->calls_left_out);
        member_count(page, "streams", report->streams_left_out);
        member_count(page, "alerts", report->alerts_left_out);
        close_object(page);
    }
    name(page, "faults");
    text_byte(&page->text, '[');
    while (report_pair(report, FIELD_ID_EARSHOT_SENSOR_CAPTURE_FAULTS, &at, &value)) {
        if (page->text.at[page->text.bytes - 1] != '[') {
            text_byte(&page->text, ',');
        }
        put_string(page, value.text);
        if (page->text.bytes > LINE_BYTES / 2) {
            /* Keeps the last byte, which says whether a comma is due. */
            (void)fwrite(page->line, 1, page->text.bytes - 1, page->out);
            page->line[0] = page->line[page->text.bytes - 1];
            page->text.bytes = 1;
        }
    }
    text_byte(&page->text, ']');
    close_object(page);
}

static void print_packets(struct page *page, const struct report *report)
{
    open_object(page, "packets");
    member_figure(page, report, "decoded", FIELD_ID_EARSHOT_SENSOR_PACKETS_DECODED);
    member_figure(page, report, "ignored", FIELD_ID_EARSHOT_SENSOR_PACKETS_IGNORED);
    member_figure(page, report, "malformed", FIELD_ID_EARSHOT_SENSOR_PACKETS_MALFORMED);
    member_figure(page, report, "duplicates", FIELD_ID_EARSHOT_SENSOR_PACKETS_DUPLICATES);
    member_map(page, report, "anomalies", FIELD_ID_EARSHOT_SENSOR_PACKETS_ANOMALIES);
    member_map(page, report, "ignored_by", FIELD_ID_EARSHOT_SENSOR_PACKETS_IGNORED_BY);
    member_map(page, report, "malformed_by", FIELD_ID_EARSHOT_SENSOR_PACKETS_MALFORMED_BY);
    member_map(page, report, "notes", FIELD_ID_EARSHOT_SENSOR_PACKETS_NOTES);
    close_object(page);
}

static void print_sip(struct page *page, const struct report *report)
{
    open_object(page, "sip");
    member_figure(page, report, "messages", FIELD_ID_EARSHOT_SENSOR_SIP_MESSAGES);
    member_map(page, report, "requests", FIELD_ID_EARSHOT_SENSOR_SIP_REQUESTS);
    member_map(page, report, "responses", FIELD_ID_EARSHOT_SENSOR_SIP_RESPONSES);
    member_figure(page, report, "malformed", FIELD_ID_EARSHOT_SENSOR_SIP_MALFORMED);
    member_map(page, report, "anomalies", FIELD_ID_EARSHOT_SENSOR_SIP_ANOMALIES);
    close_object(page);
}

static void print_call(struct page *page, const struct list_entry *entry)
{
    const struct call_entry *call = (const struct call_entry *)(const void *)entry;

    member_text(page, "id", entry_text(entry, call->id));
    member_text(page, "from", entry_text(entry, call->from));
    member_text(page, "to", entry_text(entry, call->to));
    member_text(page, "outcome", slice_of_string(call_words[call->word]));
    if (call->status == 0) {
        member_text(page, "status", SLICE_NONE);
    } else {
        member_count(page, "status", call->status);
    }
    member_time(page, "start", call->start_ns);
    member_seconds(page, "seconds", call->start_ns, call->end_ns);
}

static void member_endpoint(struct page *page, const char *key, const struct endpoint *endpoint)
{
    name(page, key);
    text_byte(&page->text, '"');
    text_endpoint(&page->text, endpoint);
    text_byte(&page->text, '"');
}

static void print_stream(struct page *page, const struct list_entry *entry)
{
    const struct stream_entry *stream = (const struct stream_entry *)(const void *)entry;

    member_endpoint(page, "source", &stream->source);
    member_endpoint(page, "destination", &stream->destination);
    member_text(page, "ssrc", entry_text(entry, stream->ssrc));
    name(page, "payload_type");
    if (stream->payload_type < 0) {
        text_string(&page->text, "null");
    } else {
        text_i64(&page->text, stream->payload_type);
    }
    member_text(page, "codec", entry_text(entry, stream->codec));
    member_count(page, "packets", stream->packets);
    member_count(page, "expected", stream->expected);
    member_count(page, "lost", stream->lost);
    member_count(page, "duplicates", stream->duplicates);
    member_count(page, "reordered", stream->reordered);
    open_object(page, "jitter_ms");
    member_decimal(page, "mean", stream->jitter_mean);
    member_decimal(page, "max", stream->jitter_max);
    close_object(page);
    member_decimal(page, "max_delta_ms", stream->delta_max);
    member_decimal(page, "mos", stream->mos);
    member_text(page, "call", entry_text(entry, stream->call));
}

static void member_address(struct page *page, const char *key, bool has, const struct addr *addr)
{
    name(page, key);
    if (!has) {
        text_string(&page->text, "null");
        return;
    }
    text_byte(&page->text, '"');
    text_addr(&page->text, addr);
    text_byte(&page->text, '"');
}

static void member_hash(struct page *page, const char *key, struct hash128 hash)
{
    name(page, key);
    text_byte(&page->text, '"');
    text_hash128(&page->text, hash);
    text_byte(&page->text, '"');
}

static void print_alert(struct page *page, const struct list_entry *entry)
{
    const struct alert_entry *alert = (const struct alert_entry *)(const void *)entry;
    struct slice target = entry_text(entry, alert->target);

    member_text(page, "rule", entry_text(entry, alert->rule));
    member_count(page, "severity", alert->level);
    member_address(page, "source", alert->has_source, &alert->source);
    if (slice_is_empty(target)) {
        member_address(page, "target", alert->has_destination, &alert->destination);
    } else {
        member_text(page, "target", target);
    }
    member_time(page, "start", alert->first_ns);
    member_count(page, "count", alert->count);
    member_time(page, "end", alert->last_ns);
    member_count(page, "confidence", (uint64_t)alert->confidence);
    member_text(page, "outcome", entry_text(entry, alert->outcome));
    member_text(page, "message", entry_text(entry, alert->message));
    member_hash(page, "chain", alert->chain_id);
    member_count(page, "chain_severity", alert->chain_level);
    member_text(page, "story", entry_text(entry, alert->chain));
}

static void print_list(struct page *page, const char *key, struct report_list *list,
                       void (*print)(struct page *page, const struct list_entry *entry))
{
    const struct list_entry *entry;
    bool first = true;

    text_format(&page->text, ",\"%s\":[", key);
    page_flush(page);
    report_list_rewind(list);
    while ((entry = report_list_next(list)) != NULL) {
        (void)fputs(first ? "\n " : ",\n ", page->out);
        first = false;
        text_byte(&page->text, '{');
        print(page, entry);
        text_byte(&page->text, '}');
        page_flush(page);
    }
    text_byte(&page->text, ']');
}

enum status report_json_print(struct report *report, FILE *out, struct error *error)
{
    struct page *page = calloc(1, sizeof *page);

    if (page == NULL) {
        return error_set(error, STATUS_FAILED, "report", "no memory to print it");
    }
    page->out = out;
    page->text = text_into(page->line, sizeof page->line);
    text_byte(&page->text, '{');
    print_capture(page, report);
    print_packets(page, report);
    print_sip(page, report);
    print_list(page, "calls", report->calls, print_call);
    open_object(page, "registrations");
    member_figure(page, report, "attempts", FIELD_ID_EARSHOT_SENSOR_REGISTRATIONS_ATTEMPTS);
    member_figure(page, report, "succeeded", FIELD_ID_EARSHOT_SENSOR_REGISTRATIONS_SUCCEEDED);
    member_figure(page, report, "failed", FIELD_ID_EARSHOT_SENSOR_REGISTRATIONS_FAILED);
    close_object(page);
    print_list(page, "streams", report->streams, print_stream);
    open_object(page, "rtcp");
    member_figure(page, report, "packets", FIELD_ID_EARSHOT_SENSOR_RTCP_PACKETS);
    close_object(page);
    print_list(page, "alerts", report->alerts, print_alert);
    text_string(&page->text, "}\n");
    page_flush(page);
    free(page);
    return STATUS_OK;
}
