/* report.c - gathers what the forms print: an entry for each call, stream and incident, and the
 * sensor's last word.
 *
 * Everything comes from records, so no reader of the report sees what a SIEM could not see. Entries
 * go to lists on disk (report_list.h); at the end each list is sorted by what its entries are
 * about, entries about the same are joined, and the rest is sorted by first packet. What belongs
 * together:
 *
 *   calls     one Call-ID used again: the higher outcome, from the first start to the last end
 *   streams   one (source, destination, SSRC) on two VLANs, or again after silence. Two that
 *             overlap in time are copies of each other; two in a row are parts of one.
 *   alerts    all tellings of one incident: the last one, at the place of the first */
#include "outputs/report_parts.h"

const char *const call_words[CALL_WORD_COUNT] = {
    [CALL_WORD_ATTEMPTED] = "attempted", [CALL_WORD_RINGING] = "ringing",
    [CALL_WORD_FAILED] = "failed",       [CALL_WORD_CANCELLED] = "cancelled",
    [CALL_WORD_ANSWERED] = "answered",
};

enum status report_open(enum report_form form, struct report **out_report, struct error *error)
{
    struct report *report = calloc(1, sizeof *report);

    if (report == NULL) {
        return error_set(error, STATUS_FAILED, "report", "no memory");
    }
    report->form = form;
    enum status status = report_list_open(&report->calls, error);
    if (status == STATUS_OK) {
        status = report_list_open(&report->streams, error);
    }
    if (status == STATUS_OK) {
        status = report_list_open(&report->alerts, error);
    }
    if (status != STATUS_OK) {
        report_close(report);
        return status;
    }
    *out_report = report;
    return STATUS_OK;
}

void report_close(struct report *report)
{
    if (report != NULL) {
        report_list_close(report->calls);
        report_list_close(report->streams);
        report_list_close(report->alerts);
        free(report);
    }
}

void report_words(struct report *report, const char *(*meaning)(struct slice slug))
{
    report->words = meaning;
}

void report_limit(struct report *report, uint64_t list_bytes_max)
{
    report_list_limit(report->calls, list_bytes_max);
    report_list_limit(report->streams, list_bytes_max);
    report_list_limit(report->alerts, list_bytes_max);
}

/* --- entries --- */

/* An entry being made: its fixed part stands first, texts behind it. */
struct maker {
    _Alignas(8) uint8_t bytes[LIST_ENTRY_MAX];
    size_t used;
};

static void put_text(struct maker *maker, struct entry_text *out_text, struct slice text)
{
    text = slice_part(text, 0, sizeof maker->bytes - maker->used);
    if (!slice_is_empty(text)) {
        memcpy(maker->bytes + maker->used, text.at, text.bytes);
        *out_text = (struct entry_text){.at = (uint16_t)maker->used, .bytes = (uint16_t)text.bytes};
        maker->used += text.bytes;
    }
}

static void add(struct report_list *list, struct maker *maker, struct list_entry *head)
{
    while (maker->used % 8 != 0) {
        maker->bytes[maker->used++] = 0;
    }
    head->bytes = (uint32_t)maker->used;
    head->serial = report_list_count(list);
    report_list_add(list, head);
}

static uint8_t call_word_of(struct slice text)
{
    uint8_t word = 0;

    while (word + 1 < CALL_WORD_COUNT && !slice_equal(text, slice_of_string(call_words[word]))) {
        word++;
    }
    return word;
}

static void see_call(struct report *report, const struct record *record)
{
    struct maker maker = {.used = sizeof(struct call_entry)};
    struct call_entry *call = (struct call_entry *)(void *)maker.bytes;
    struct record_value value;
    struct hash_id key;
    uint32_t at = 0;
    uint64_t code = 0;

    call->head.order = record->number;
    call->start_ns = record->time_ns;
    call->end_ns = record->time_ns;
    call->talk_ms = -1;
    call->mos_min = -1;
    call->loss_pct = -1;
    hash_id_start(&key);
    while (record_next(record, &at, &value)) {
        switch ((int)value.field) {
        case FIELD_ID_EVENT_START:
            call->start_ns = (uint64_t)value.number;
            break;
        case FIELD_ID_EVENT_END:
            call->end_ns = (uint64_t)value.number;
            break;
        case FIELD_ID_SIP_CODE:
            if (slice_u64(value.text, &code) && code < 1000) {
                call->status = (uint16_t)code;
            }
            break;
        case FIELD_ID_SIP_CALL_ID:
            put_text(&maker, &call->id, value.text);
            hash_id_slice(&key, value.text);
            break;
        case FIELD_ID_EARSHOT_CALLER_USER:
            put_text(&maker, &call->from, value.text);
            break;
        case FIELD_ID_EARSHOT_CALLEE_USER:
            put_text(&maker, &call->to, value.text);
            break;
        case FIELD_ID_EARSHOT_CALL_OUTCOME:
            call->word = call_word_of(value.text);
            break;
        case FIELD_ID_EARSHOT_CALL_TALK_MS:
            call->talk_ms = value.number;
            break;
        case FIELD_ID_EARSHOT_CALL_MEDIA_ONE_WAY:
            call->media = value.number != 0 ? CALL_MEDIA_ONE_WAY : call->media;
            break;
        case FIELD_ID_EARSHOT_CALL_MEDIA_NO_MEDIA:
            call->media = value.number != 0 ? CALL_MEDIA_NONE : call->media;
            break;
        case FIELD_ID_EARSHOT_CALL_MEDIA_MOS_MIN:
            call->mos_min = value.number;
            break;
        case FIELD_ID_EARSHOT_CALL_MEDIA_LOSS_PCT_MAX:
            call->loss_pct = value.number;
            break;
        default:
            break;
        }
    }
    call->head.key = hash_id_end(&key);
    add(report->calls, &maker, &call->head);
}

/* The figures of a stream; false: not one of them. */
static bool see_stream_figure(struct stream_entry *stream, const struct record_value *value)
{
    switch ((int)value->field) {
    case FIELD_ID_EVENT_START:
        stream->first_ns = (uint64_t)value->number;
        break;
    case FIELD_ID_EVENT_END:
        stream->last_ns = (uint64_t)value->number;
        break;
    case FIELD_ID_SOURCE_IP:
        stream->source.addr = value->address;
        break;
    case FIELD_ID_SOURCE_PORT:
        stream->source.port = (uint16_t)value->number;
        break;
    case FIELD_ID_DESTINATION_IP:
        stream->destination.addr = value->address;
        break;
    case FIELD_ID_DESTINATION_PORT:
        stream->destination.port = (uint16_t)value->number;
        break;
    case FIELD_ID_RTP_PAYLOAD_TYPE:
        stream->payload_type = value->number;
        break;
    case FIELD_ID_RTP_PACKETS:
        stream->packets = (uint64_t)value->number;
        break;
    case FIELD_ID_RTP_EXPECTED:
        stream->expected = (uint64_t)value->number;
        break;
    case FIELD_ID_RTP_LOST:
        stream->lost = (uint64_t)value->number;
        break;
    case FIELD_ID_RTP_DUPLICATES:
        stream->duplicates = (uint64_t)value->number;
        break;
    case FIELD_ID_RTP_REORDERED:
        stream->reordered = (uint64_t)value->number;
        break;
    case FIELD_ID_RTP_JITTER_MS_MEAN:
        stream->jitter_mean = value->number;
        break;
    case FIELD_ID_RTP_JITTER_MS_MAX:
        stream->jitter_max = value->number;
        break;
    case FIELD_ID_RTP_DELTA_MS_MAX:
        stream->delta_max = value->number;
        break;
    case FIELD_ID_RTP_MOS:
        stream->mos = value->number;
        break;
    default:
        return false;
    }
    return true;
}

static void see_stream(struct report *report, const struct record *record)
{
    struct maker maker = {.used = sizeof(struct stream_entry)};
    struct stream_entry *stream = (struct stream_entry *)(void *)maker.bytes;
    struct record_value value;
    struct hash_id key;
    uint32_t at = 0;

    stream->head.order = record->number;
    stream->jitter_mean = -1;
    stream->jitter_max = -1;
    stream->delta_max = -1;
    stream->mos = -1;
    stream->payload_type = -1;
    while (record_next(record, &at, &value)) {
        if (see_stream_figure(stream, &value)) {
            continue;
        }
        if (value.field == FIELD_ID_SIP_CALL_ID) {
            put_text(&maker, &stream->call, value.text);
        } else if (value.field == FIELD_ID_RTP_SSRC) {
            put_text(&maker, &stream->ssrc, value.text);
        } else if (value.field == FIELD_ID_RTP_CODEC) {
            put_text(&maker, &stream->codec, value.text);
        }
    }
    hash_id_start(&key);
    hash_id_slice(&key, slice_of(stream->source.addr.octets, 16));
    hash_id_slice(&key, slice_of(stream->destination.addr.octets, 16));
    hash_id_u64(&key, (uint64_t)stream->source.port << 16 | stream->destination.port);
    hash_id_slice(&key, entry_text(&stream->head, stream->ssrc));
    stream->head.key = hash_id_end(&key);
    add(report->streams, &maker, &stream->head);
}

/* The texts of an incident; false: not one of them. */
static bool see_alert_text(struct maker *maker, struct alert_entry *alert,
                           const struct record_value *value)
{
    const struct {
        enum field field;
        struct entry_text *text;
    } texts[] = {
        {FIELD_ID_MESSAGE, &alert->message},
        {FIELD_ID_RULE_ID, &alert->rule},
        {FIELD_ID_EARSHOT_ALERT_OUTCOME, &alert->outcome},
        {FIELD_ID_EARSHOT_ALERT_CHAIN_TEXT, &alert->chain},
        {FIELD_ID_EARSHOT_ALERT_TARGET, &alert->target},
        {FIELD_ID_EARSHOT_ALERT_UNIT, &alert->unit},
        {FIELD_ID_SOURCE_GEO_COUNTRY_ISO_CODE, &alert->country},
        {FIELD_ID_SOURCE_AS_ORGANIZATION_NAME, &alert->as_name},
    };

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (value->field == texts[i].field) {
            put_text(maker, texts[i].text, value->text);
            return true;
        }
    }
    return false;
}

static void see_alert_figure(struct alert_entry *alert, const struct record_value *value)
{
    switch ((int)value->field) {
    case FIELD_ID_SOURCE_IP:
        alert->source = value->address;
        alert->has_source = true;
        break;
    case FIELD_ID_SOURCE_AS_NUMBER:
        alert->as_number = value->number;
        break;
    case FIELD_ID_DESTINATION_IP:
        alert->destination = value->address;
        alert->has_destination = true;
        break;
    case FIELD_ID_EARSHOT_ALERT_ID:
        alert->head.key = value->hash;
        break;
    case FIELD_ID_EARSHOT_ALERT_LEVEL:
        alert->level = (uint8_t)value->number;
        break;
    case FIELD_ID_EARSHOT_ALERT_CHAIN_ID:
        alert->chain_id = value->hash;
        break;
    case FIELD_ID_EARSHOT_ALERT_CHAIN_LEVEL:
        alert->chain_level = (uint8_t)value->number;
        break;
    case FIELD_ID_EARSHOT_ALERT_CONFIDENCE:
        alert->confidence = (int32_t)value->number;
        break;
    case FIELD_ID_EARSHOT_ALERT_SOURCE_PROVEN:
        alert->unproven = value->number == 0;
        break;
    case FIELD_ID_EARSHOT_ALERT_FIRST_SEEN:
        alert->first_ns = (uint64_t)value->number;
        break;
    case FIELD_ID_EARSHOT_ALERT_LAST_SEEN:
        alert->last_ns = (uint64_t)value->number;
        break;
    case FIELD_ID_EARSHOT_ALERT_COUNT:
        alert->count = (uint64_t)value->number;
        break;
    case FIELD_ID_EARSHOT_ALERT_PEAK:
        alert->peak = (uint64_t)value->number;
        break;
    case FIELD_ID_EARSHOT_ALERT_ACCOUNT_COUNT:
        alert->account_count = (uint64_t)value->number;
        break;
    case FIELD_ID_EARSHOT_ALERT_EVIDENCE_PACKETS:
        if (alert->packet_count < ALERT_PACKETS_MAX) {
            alert->packets[alert->packet_count++] = (uint64_t)value->number;
        }
        break;
    default:
        break;
    }
}

/* Whole names, as long as there is room. */
static void see_alert_account(struct alert_entry *alert, struct slice name, struct text *names)
{
    if (alert->named_count < ALERT_ACCOUNTS_MAX &&
        names->bytes + name.bytes + 2 <= names->capacity) {
        text_string(names, alert->named_count++ == 0 ? "" : ", ");
        text_slice_put(names, name);
    }
}

static void see_alert(struct report *report, const struct record *record)
{
    struct maker maker = {.used = sizeof(struct alert_entry)};
    struct alert_entry *alert = (struct alert_entry *)(void *)maker.bytes;
    char room[512];
    struct text names = text_into(room, sizeof room);
    struct record_value value;
    uint32_t at = 0;

    alert->head.order = report_list_count(report->alerts);
    while (record_next(record, &at, &value)) {
        if (value.field == FIELD_ID_EARSHOT_ALERT_ACCOUNTS) {
            see_alert_account(alert, value.text, &names);
        } else if (!see_alert_text(&maker, alert, &value)) {
            see_alert_figure(alert, &value);
        }
    }
    put_text(&maker, &alert->accounts, text_slice(&names));
    add(report->alerts, &maker, &alert->head);
}

static void see_registration(struct report *report, const struct record *record)
{
    struct record_value value;

    if (!record_get(record, FIELD_ID_EVENT_ACTION, &value)) {
        return;
    }
    if (slice_equal(value.text, SLICE("registered"))) {
        report->registrations[0]++;
    } else if (slice_equal(value.text, SLICE("moved"))) {
        report->registrations[1]++;
    } else if (slice_equal(value.text, SLICE("unregistered")) ||
               slice_equal(value.text, SLICE("expired"))) {
        report->registrations[2]++;
    } else if (slice_equal(value.text, SLICE("rejected"))) {
        report->registrations[3]++;
        if (record_get(record, FIELD_ID_EARSHOT_REGISTRATION_ACCOUNT_KNOWN, &value)) {
            report->refused_known += value.number != 0;
        }
    }
}

static void see_response(struct report *report, const struct record *record)
{
    struct record_value step = {.text = SLICE_NONE};

    (void)record_get(record, FIELD_ID_EARSHOT_RESPONSE_STEP, &step);
    report->responses_done += slice_equal(step.text, SLICE("active"));
    report->responses_dry += slice_equal(step.text, SLICE("dry-run"));
    report->responses_refused += slice_equal(step.text, SLICE("refused"));
    report->responses_failed += slice_equal(step.text, SLICE("failed"));
}

void report_see(struct report *report, const struct record *record)
{
    switch ((enum dataset)record->dataset) {
    case DATASET_CALL:
        see_call(report, record);
        break;
    case DATASET_MEDIA:
        see_stream(report, record);
        break;
    case DATASET_ALERT:
        see_alert(report, record);
        break;
    case DATASET_RESPONSE:
        see_response(report, record);
        break;
    case DATASET_REGISTRATION:
        see_registration(report, record);
        break;
    case DATASET_SENSOR:
        memcpy(report->sensor, record, record->bytes);
        report->has_sensor = true;
        break;
    case DATASET_SIP:
    case DATASET_TRANSACTION:
    case DATASET_MEDIA_INTERVAL:
    case DATASET_FLOW:
    case DATASET_COUNT:
        break;
    }
}

/* --- joining --- */

/* `later` came after `first`; both are about the same. Puts the joined entry where `first` stands.
 */
typedef void join_function(struct list_entry *first, const struct list_entry *later);

static void join_calls(struct list_entry *first, const struct list_entry *later)
{
    struct call_entry *call = (struct call_entry *)(void *)first;
    const struct call_entry *other = (const struct call_entry *)(const void *)later;

    if (other->word > call->word) {
        call->word = other->word;
        call->status = other->status;
    }
    call->start_ns = other->start_ns < call->start_ns ? other->start_ns : call->start_ns;
    call->end_ns = other->end_ns > call->end_ns ? other->end_ns : call->end_ns;
    call->talk_ms = other->talk_ms > call->talk_ms ? other->talk_ms : call->talk_ms;
    first->order = later->order < first->order ? later->order : first->order;
}

static int64_t larger(int64_t one, int64_t other)
{
    return one > other ? one : other;
}

static void join_streams(struct list_entry *first, const struct list_entry *later)
{
    struct stream_entry *stream = (struct stream_entry *)(void *)first;
    const struct stream_entry *other = (const struct stream_entry *)(const void *)later;
    uint64_t packets = stream->packets + other->packets;
    bool copies = other->first_ns <= stream->last_ns && stream->first_ns <= other->last_ns;

    if (stream->jitter_mean >= 0 && other->jitter_mean >= 0 && packets != 0) {
        stream->jitter_mean = (int64_t)(((uint64_t)stream->jitter_mean * stream->packets +
                                         (uint64_t)other->jitter_mean * other->packets) /
                                        packets);
    } else {
        stream->jitter_mean = larger(stream->jitter_mean, other->jitter_mean);
    }
    stream->jitter_max = larger(stream->jitter_max, other->jitter_max);
    stream->delta_max = larger(stream->delta_max, other->delta_max);
    stream->mos =
        stream->mos < 0 || (other->mos >= 0 && other->mos < stream->mos) ? other->mos : stream->mos;
    if (copies) {
        stream->expected = stream->expected > other->expected ? stream->expected : other->expected;
        stream->lost = stream->lost < other->lost ? stream->lost : other->lost;
        uint64_t distinct = stream->expected - (stream->lost < stream->expected ? stream->lost : 0);
        stream->duplicates = packets > distinct ? packets - distinct : 0;
        stream->reordered =
            stream->reordered > other->reordered ? stream->reordered : other->reordered;
    } else {
        stream->expected += other->expected;
        stream->lost += other->lost;
        stream->duplicates += other->duplicates;
        stream->reordered += other->reordered;
    }
    stream->packets = packets;
    stream->first_ns = other->first_ns < stream->first_ns ? other->first_ns : stream->first_ns;
    stream->last_ns = other->last_ns > stream->last_ns ? other->last_ns : stream->last_ns;
    first->order = later->order < first->order ? later->order : first->order;
}

static void join_alerts(struct list_entry *first, const struct list_entry *later)
{
    struct alert_entry *alert = (struct alert_entry *)(void *)first;
    uint64_t order = first->order;
    uint64_t first_ns = alert->first_ns;
    uint8_t level = alert->level;
    uint8_t chain_level = alert->chain_level;
    uint64_t serial = first->serial;

    memcpy(first, later, later->bytes);
    first->order = order;
    first->serial = serial;
    alert->first_ns = first_ns;
    alert->level = level > alert->level ? level : alert->level;
    alert->chain_level = chain_level > alert->chain_level ? chain_level : alert->chain_level;
}

/* Sorts by key, joins neighbours, sorts by place. */
static enum status join(struct report_list **list, join_function *function, struct error *error)
{
    struct report_list *joined = NULL;
    const struct list_entry *next;
    _Alignas(8) uint8_t held[LIST_ENTRY_MAX];
    struct list_entry *entry = (struct list_entry *)(void *)held;
    bool has = false;

    enum status status = report_list_sort(*list, LIST_BY_KEY, error);
    if (status == STATUS_OK) {
        status = report_list_open(&joined, error);
    }
    if (status != STATUS_OK) {
        return status;
    }
    while ((next = report_list_next(*list)) != NULL) {
        if (has && next->key.high == entry->key.high && next->key.low == entry->key.low) {
            function(entry, next);
            continue;
        }
        if (has) {
            report_list_add(joined, entry);
        }
        memcpy(held, next, next->bytes);
        has = true;
    }
    if (has) {
        report_list_add(joined, entry);
    }
    report_list_close(*list);
    *list = joined;
    return report_list_sort(joined, LIST_BY_ORDER, error);
}

/* --- what the forms ask --- */

int64_t report_figure(const struct report *report, enum field field)
{
    const struct record *sensor = (const void *)report->sensor;
    struct record_value value;

    return report->has_sensor && record_get(sensor, field, &value) ? value.number : 0;
}

bool report_pair(const struct report *report, enum field field, uint32_t *at,
                 struct record_value *out_value)
{
    const struct record *sensor = (const void *)report->sensor;

    while (report->has_sensor && record_next(sensor, at, out_value)) {
        if (out_value->field == field) {
            return true;
        }
        if (out_value->field > field) {
            break;
        }
    }
    return false;
}

enum status report_print(struct report *report, FILE *out, bool colour, unsigned width,
                         struct error *error)
{
    report->calls_left_out = report_list_left_out(report->calls);
    report->streams_left_out = report_list_left_out(report->streams);
    report->alerts_left_out = report_list_left_out(report->alerts);
    enum status status = join(&report->calls, join_calls, error);

    if (status == STATUS_OK) {
        status = join(&report->streams, join_streams, error);
    }
    if (status == STATUS_OK) {
        status = join(&report->alerts, join_alerts, error);
    }
    if (status == STATUS_OK && report->form == REPORT_TEXT) {
        status = report_text_print(report, out, colour, width, error);
    } else if (status == STATUS_OK && report->form == REPORT_JSON) {
        status = report_json_print(report, out, error);
    }
    if (status == STATUS_OK && (fflush(out) != 0 || ferror(out) != 0)) {
        status = error_system(error, STATUS_FAILED, "report", "it cannot be written");
    }
    return status;
}
