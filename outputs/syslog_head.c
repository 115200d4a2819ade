/* syslog_head.c - RFC 5424 section 6:
 *
 *   <PRI>1 TIMESTAMP HOST APP PROCID MSGID [earshot@32473 event_id="..." ...
 *
 * TIMESTAMP is the record's time, with microseconds. MSGID is the dataset. 32473 is the enterprise
 * number for documentation (RFC 5612): the project has none of its own. No byte order mark follows:
 * JSON and CEF are read by programs that take it for garbage (section 6.4 allows to leave it out).
 *
 * Severity: an alert is a notice (low), a warning (medium), an error (high) or critical; what has no
 * event.severity is informational. */
#include "outputs/syslog_head.h"

enum { CRITICAL = 2, ERROR = 3, WARNING = 4, NOTICE = 5, INFORMATIONAL = 6 };

/* rsyslog takes a later year for no message of RFC 5424 at all, so such a time is left out here; the
 * record itself has it. */
#define TIME_MAX_NS (UINT64_C(4102444800) * NS_PER_S) /* 2100-01-01 */

/* A name of the header: printable ASCII without spaces (section 6), "-" where there is nothing. */
static void put_name(struct text *out, struct slice name, size_t max)
{
    name = slice_part(name, 0, max);
    for (size_t i = 0; i < name.bytes; i++) {
        text_byte(out, name.at[i] > ' ' && name.at[i] < 0x7f ? name.at[i] : '_');
    }
    if (slice_is_empty(name)) {
        text_byte(out, '-');
    }
    text_byte(out, ' ');
}

/* A value of an element (section 6.3.3): printable, with a backslash before ", \ and ]. */
static void put_element(struct text *out, const char *name, struct slice value)
{
    char scratch[2 * RECORD_TEXT_MAX];
    struct text printable = text_into(scratch, sizeof scratch);

    text_printable(&printable, slice_part(value, 0, RECORD_TEXT_MAX / 2));
    text_byte(out, ' ');
    text_string(out, name);
    text_string(out, "=\"");
    for (size_t i = 0; i < printable.bytes; i++) {
        if (scratch[i] == '"' || scratch[i] == '\\' || scratch[i] == ']') {
            text_byte(out, '\\');
        }
        text_byte(out, scratch[i]);
    }
    text_byte(out, '"');
}

void syslog_head_open(struct syslog_head *head, unsigned facility, struct slice host,
                      struct slice app, uint64_t process, struct slice observer)
{
    struct text names = text_into(head->names, sizeof head->names);
    struct text element = text_into(head->observer, sizeof head->observer);

    head->facility = facility;
    text_byte(&names, ' ');
    put_name(&names, host, SYSLOG_HOST_BYTES);
    put_name(&names, app, SYSLOG_APP_BYTES);
    if (process != 0) {
        text_u64(&names, process);
    } else {
        text_byte(&names, '-');
    }
    text_byte(&names, ' ');
    put_element(&element, "observer", observer);
    assert(!names.overflow && !element.overflow);
    head->names_bytes = names.bytes;
    head->observer_bytes = element.bytes;
}

static unsigned severity_of(const struct record *record)
{
    struct record_value value;

    if (!record_get(record, FIELD_ID_EVENT_SEVERITY, &value)) {
        return INFORMATIONAL;
    }
    return value.number >= 99   ? CRITICAL
           : value.number >= 73 ? ERROR
           : value.number >= 47 ? WARNING
                                : NOTICE;
}

size_t syslog_head_put(const struct syslog_head *head, const struct record *record, bool truncated,
                       char out[SYSLOG_HEAD_BYTES_MAX])
{
    const char *dataset = dataset_rows[record->dataset].name;
    struct text text = text_into(out, SYSLOG_HEAD_BYTES_MAX);

    text_format(&text, "<%u>1 ", head->facility * 8 + severity_of(record));
    if (record->time_ns < TIME_MAX_NS) {
        text_time(&text, record->time_ns, 6);
    } else {
        text_byte(&text, '-');
    }
    text_slice_put(&text, slice_of(head->names, head->names_bytes));
    text_format(&text, "%s [earshot@32473 event_id=\"", dataset);
    text_hex(&text, record->id.high, 16);
    text_hex(&text, record->id.low, 16);
    text_format(&text, "\" dataset=\"%s\" sequence=\"%" PRIu64 "\"", dataset, record->sequence);
    text_slice_put(&text, slice_of(head->observer, head->observer_bytes));
    if (truncated) {
        text_string(&text, " truncated=\"true\"");
    }
    assert(!text.overflow);
    return text.bytes;
}
