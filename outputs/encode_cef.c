/* encode_cef.c - the fields that CEF has a key for, in one pass over the record.
 *
 *   CEF:0|earshot|earshot|VERSION|rule or dataset|name|0-10|key=value key=value ...
 *
 * The format has few keys and no lists, so a record loses fields here: what a key holds, of which
 * dataset, stands in `rows`, and in docs/syslog.md (a test holds one to the other). Keys without a
 * meaning of their own (cs1, cn1, cfp1 ...) say it in their label. Each key stands once: where two
 * fields of a record want the same one, the first keeps it. Values of a list are joined by commas.
 *
 * Text is made printable first (bytes that are no UTF-8, controls and what nobody sees as the text
 * \xNN), then escaped: in the head the pipe, in values the equals sign, everywhere the backslash.
 * Line ends of a value become \n and \r, so a record is one line whatever an attacker puts into it.
 *
 * Fractions are thousandths in the record and printed as such: no floating point. */
#include "outputs/encode_cef.h"

enum { HEAD_BYTES_MAX = 2048, NAME_BYTES_MAX = RECORD_TEXT_MAX / 2 };

enum form {
    FORM_VALUE, /* as its type says */
    FORM_UPPER, /* udp -> UDP */
    FORM_WHOLE, /* a fraction cut to its whole part: cn keys are integers */
    FORM_DIGITS, /* text that must be a number, else left out */
};

struct row {
    enum field field;
    enum form form;
    const char *key;
    const char *label; /* NULL: the key has a meaning of its own */
    const char *key6; /* for IPv6, which src and dst may not hold */
    const char *label6;
};

/* clang-format off */
static const struct row rows[] = {
    {FIELD_ID_EVENT_ACTION, FORM_VALUE, "act", NULL, NULL, NULL},
    {FIELD_ID_EVENT_OUTCOME, FORM_VALUE, "outcome", NULL, NULL, NULL},
    {FIELD_ID_EVENT_REASON, FORM_VALUE, "reason", NULL, NULL, NULL},
    {FIELD_ID_EVENT_START, FORM_VALUE, "start", NULL, NULL, NULL},
    {FIELD_ID_EVENT_END, FORM_VALUE, "end", NULL, NULL, NULL},
    {FIELD_ID_MESSAGE, FORM_VALUE, "msg", NULL, NULL, NULL},
    {FIELD_ID_RULE_CATEGORY, FORM_VALUE, "cat", NULL, NULL, NULL},
    {FIELD_ID_THREAT_TECHNIQUE_ID, FORM_VALUE, "cs4", "technique", NULL, NULL},
    {FIELD_ID_OBSERVER_INGRESS_INTERFACE_NAME, FORM_VALUE, "deviceInboundInterface", NULL, NULL, NULL},
    {FIELD_ID_SOURCE_IP, FORM_VALUE, "src", NULL, "c6a2", "Source IPv6 Address"},
    {FIELD_ID_SOURCE_PORT, FORM_VALUE, "spt", NULL, NULL, NULL},
    {FIELD_ID_SOURCE_BYTES, FORM_VALUE, "in", NULL, NULL, NULL},
    {FIELD_ID_DESTINATION_IP, FORM_VALUE, "dst", NULL, "c6a3", "Destination IPv6 Address"},
    {FIELD_ID_DESTINATION_PORT, FORM_VALUE, "dpt", NULL, NULL, NULL},
    {FIELD_ID_DESTINATION_BYTES, FORM_VALUE, "out", NULL, NULL, NULL},
    {FIELD_ID_NETWORK_TRANSPORT, FORM_UPPER, "proto", NULL, NULL, NULL},
    {FIELD_ID_NETWORK_APPLICATION, FORM_UPPER, "app", NULL, NULL, NULL},
    {FIELD_ID_SIP_METHOD, FORM_VALUE, "requestMethod", NULL, NULL, NULL},
    {FIELD_ID_SIP_CODE, FORM_DIGITS, "cn1", "sipCode", NULL, NULL},
    {FIELD_ID_SIP_URI_ORIGINAL, FORM_VALUE, "request", NULL, NULL, NULL},
    {FIELD_ID_SIP_CALL_ID, FORM_VALUE, "cs1", "callId", NULL, NULL},
    {FIELD_ID_SIP_TO_URI_USERNAME, FORM_VALUE, "duser", NULL, NULL, NULL},
    {FIELD_ID_SIP_USER_AGENT_ORIGINAL, FORM_VALUE, "requestClientApplication", NULL, NULL, NULL},
    {FIELD_ID_RTP_SSRC, FORM_VALUE, "cs6", "ssrc", NULL, NULL},
    {FIELD_ID_RTP_CODEC, FORM_VALUE, "cs4", "codec", NULL, NULL},
    {FIELD_ID_RTP_PACKETS, FORM_VALUE, "cn1", "packets", NULL, NULL},
    {FIELD_ID_RTP_LOST, FORM_VALUE, "cn2", "lost", NULL, NULL},
    {FIELD_ID_RTP_LOST_PCT, FORM_VALUE, "cfp2", "lostPct", NULL, NULL},
    {FIELD_ID_RTP_JITTER_MS_MEAN, FORM_VALUE, "cfp3", "jitterMs", NULL, NULL},
    {FIELD_ID_RTP_MOS, FORM_VALUE, "cfp1", "mos", NULL, NULL},
    {FIELD_ID_USER_NAME, FORM_VALUE, "suser", NULL, NULL, NULL},
    {FIELD_ID_USER_AGENT_ORIGINAL, FORM_VALUE, "requestClientApplication", NULL, NULL, NULL},
    {FIELD_ID_EARSHOT_END_REASON, FORM_VALUE, "cs5", "endReason", NULL, NULL},
    {FIELD_ID_EARSHOT_TRANSACTION_RESPONSE_MS, FORM_WHOLE, "cn3", "responseMs", NULL, NULL},
    {FIELD_ID_EARSHOT_REGISTRATION_AOR, FORM_VALUE, "cs2", "aor", NULL, NULL},
    {FIELD_ID_EARSHOT_REGISTRATION_CONTACT, FORM_VALUE, "cs3", "contact", NULL, NULL},
    {FIELD_ID_EARSHOT_REGISTRATION_CALL_ID, FORM_VALUE, "cs1", "callId", NULL, NULL},
    {FIELD_ID_EARSHOT_REGISTRATION_EXPIRES_S, FORM_VALUE, "cn3", "expiresSeconds", NULL, NULL},
    {FIELD_ID_EARSHOT_REGISTRATION_ATTEMPTS, FORM_VALUE, "cnt", NULL, NULL, NULL},
    {FIELD_ID_EARSHOT_REGISTRATION_FAILURES, FORM_VALUE, "cn2", "failures", NULL, NULL},
    {FIELD_ID_EARSHOT_REGISTRATION_LAST_CODE, FORM_VALUE, "cn1", "sipCode", NULL, NULL},
    {FIELD_ID_EARSHOT_REGISTRATION_AUTH_ALGORITHM, FORM_VALUE, "cs4", "authAlgorithm", NULL, NULL},
    {FIELD_ID_EARSHOT_REGISTRATION_PREVIOUS_IP, FORM_VALUE, "cs6", "previousIp", NULL, NULL},
    {FIELD_ID_EARSHOT_CALLER_USER, FORM_VALUE, "cs2", "caller", NULL, NULL},
    {FIELD_ID_EARSHOT_CALLEE_USER, FORM_VALUE, "cs3", "callee", NULL, NULL},
    {FIELD_ID_EARSHOT_CALL_DISPOSITION, FORM_VALUE, "cs4", "disposition", NULL, NULL},
    {FIELD_ID_EARSHOT_CALL_ENDED_BY, FORM_VALUE, "cs6", "endedBy", NULL, NULL},
    {FIELD_ID_EARSHOT_CALL_Q850, FORM_VALUE, "cn2", "q850", NULL, NULL},
    {FIELD_ID_EARSHOT_CALL_TALK_MS, FORM_WHOLE, "cn3", "talkMs", NULL, NULL},
    {FIELD_ID_EARSHOT_CALL_MEDIA_MOS_MIN, FORM_VALUE, "cfp1", "mosMin", NULL, NULL},
    {FIELD_ID_EARSHOT_CALL_MEDIA_LOSS_PCT_MAX, FORM_VALUE, "cfp2", "lossPctMax", NULL, NULL},
    {FIELD_ID_EARSHOT_CALL_MEDIA_JITTER_MS_MAX, FORM_VALUE, "cfp3", "jitterMsMax", NULL, NULL},
    {FIELD_ID_EARSHOT_ALERT_ID, FORM_VALUE, "cs5", "alertId", NULL, NULL},
    {FIELD_ID_EARSHOT_ALERT_STATE, FORM_VALUE, "cs2", "alertState", NULL, NULL},
    {FIELD_ID_EARSHOT_ALERT_OUTCOME, FORM_VALUE, "outcome", NULL, NULL, NULL},
    {FIELD_ID_EARSHOT_ALERT_CHAIN_ID, FORM_VALUE, "flexString1", "chainId", NULL, NULL},
    {FIELD_ID_EARSHOT_ALERT_CONFIDENCE, FORM_VALUE, "cn3", "confidence", NULL, NULL},
    {FIELD_ID_EARSHOT_ALERT_ENTITY_VALUE, FORM_VALUE, "cs6", "entity", NULL, NULL},
    {FIELD_ID_EARSHOT_ALERT_TARGET, FORM_VALUE, "cs3", "target", NULL, NULL},
    {FIELD_ID_EARSHOT_ALERT_COUNT, FORM_VALUE, "cnt", NULL, NULL, NULL},
    {FIELD_ID_EARSHOT_ALERT_OBSERVED, FORM_VALUE, "cn1", "observed", NULL, NULL},
    {FIELD_ID_EARSHOT_ALERT_THRESHOLD, FORM_VALUE, "cn2", "threshold", NULL, NULL},
    {FIELD_ID_EARSHOT_ALERT_EVIDENCE_CALL_IDS, FORM_VALUE, "cs1", "callId", NULL, NULL},
    {FIELD_ID_PROCESS_EXIT_CODE, FORM_VALUE, "cn1", "exitCode", NULL, NULL},
    {FIELD_ID_EARSHOT_RESPONSE_ALERT_ID, FORM_VALUE, "cs5", "alertId", NULL, NULL},
    {FIELD_ID_EARSHOT_RESPONSE_NAME, FORM_VALUE, "cs6", "response", NULL, NULL},
    {FIELD_ID_EARSHOT_RESPONSE_STEP, FORM_VALUE, "cs2", "step", NULL, NULL},
    {FIELD_ID_EARSHOT_RESPONSE_HOOK, FORM_VALUE, "cs1", "hook", NULL, NULL},
    {FIELD_ID_EARSHOT_RESPONSE_MODE, FORM_VALUE, "flexString1", "mode", NULL, NULL},
    {FIELD_ID_EARSHOT_RESPONSE_TARGET_VALUE, FORM_VALUE, "cs3", "target", NULL, NULL},
    {FIELD_ID_EARSHOT_RESPONSE_TTL_S, FORM_VALUE, "cn2", "ttlSeconds", NULL, NULL},
    {FIELD_ID_EARSHOT_RESPONSE_EXPIRES_AT, FORM_VALUE, "deviceCustomDate1", "expiresAt", NULL, NULL},
    {FIELD_ID_EARSHOT_RESPONSE_GUARD_FAILED, FORM_VALUE, "cs4", "guardFailed", NULL, NULL},
    {FIELD_ID_EARSHOT_RESPONSE_ATTEMPT, FORM_VALUE, "cn3", "attempt", NULL, NULL},
    {FIELD_ID_EARSHOT_SENSOR_CAPTURE_PACKETS, FORM_VALUE, "cn1", "packets", NULL, NULL},
    {FIELD_ID_EARSHOT_SENSOR_DROPS_KERNEL, FORM_VALUE, "cn2", "kernelDrops", NULL, NULL},
    {FIELD_ID_EARSHOT_SENSOR_DROPS_QUEUE, FORM_VALUE, "cn3", "queueDrops", NULL, NULL},
    {FIELD_ID_EARSHOT_TRUNCATED, FORM_VALUE, "flexString2", "truncated", NULL, NULL},
};
/* clang-format on */

enum { ROWS = sizeof rows / sizeof rows[0], NO_ROW = UINT8_MAX };
static_assert(ROWS < NO_ROW, "a row is found by one byte");

struct encode_cef {
    uint8_t row_of[FIELD_COUNT];
    uint8_t slot_of[ROWS]; /* the first row with the same key */
    size_t head_bytes;
    char head[HEAD_BYTES_MAX]; /* CEF:0|earshot|earshot|0.1.0| */
    size_t observer_bytes;
    char observer[HEAD_BYTES_MAX]; /*  deviceExternalId=edge-1 dvchost=host */
};

/* What stands before the values, found before they are walked. */
struct title {
    struct slice id;
    struct slice name;
    bool has_category;
    unsigned severity;
};

/* --- texts --- */

/* Printable, with a backslash before each backslash and each `special`. */
static void put_escaped(struct text *out, struct slice value, char special)
{
    char scratch[4 * RECORD_SENTENCE_MAX] UNCLEARED;
    struct text printable = text_into(scratch, sizeof scratch);

    text_printable(&printable, slice_part(value, 0, RECORD_SENTENCE_MAX));
    for (size_t i = 0; i < printable.bytes; i++) {
        if (scratch[i] == '\\' || scratch[i] == special) {
            text_byte(out, '\\');
        }
        text_byte(out, scratch[i]);
    }
}

static void put_value_text(struct text *out, struct slice value)
{
    size_t from = 0;

    for (size_t i = 0; i < value.bytes; i++) {
        if (value.at[i] == '\n' || value.at[i] == '\r') {
            put_escaped(out, slice_part(value, from, i), '=');
            text_string(out, value.at[i] == '\n' ? "\\n" : "\\r");
            from = i + 1;
        }
    }
    put_escaped(out, slice_from(value, from), '=');
}

static void put_upper(struct text *out, struct slice value)
{
    char upper[RECORD_TEXT_MAX];
    size_t bytes = value.bytes < sizeof upper ? value.bytes : sizeof upper;

    for (size_t i = 0; i < bytes; i++) {
        char byte = value.at[i];
        upper[i] = byte >= 'a' && byte <= 'z' ? (char)(byte - 'a' + 'A') : byte;
    }
    put_value_text(out, slice_of(upper, bytes));
}

static void put_hash(struct text *out, struct hash128 hash)
{
    text_hex(out, hash.high, 16);
    text_hex(out, hash.low, 16);
}

/* --- values --- */

static void put_value(struct text *out, const struct record_value *value, enum form form)
{
    switch (value->type) {
    case FIELD_KEYWORD:
    case FIELD_TEXT:
        if (form == FORM_UPPER) {
            put_upper(out, value->text);
        } else {
            put_value_text(out, value->text);
        }
        break;
    case FIELD_ADDRESS:
        text_addr(out, &value->address);
        break;
    case FIELD_LONG:
        text_i64(out, value->number);
        break;
    case FIELD_DECIMAL:
        if (form == FORM_WHOLE) {
            text_i64(out, value->number / 1000);
        } else {
            text_decimal(out, value->number, 3);
        }
        break;
    case FIELD_BOOL:
        text_string(out, value->number != 0 ? "true" : "false");
        break;
    case FIELD_DATE:
        text_u64(out, (uint64_t)value->number / NS_PER_MS);
        break;
    case FIELD_HASH:
        put_hash(out, value->hash);
        break;
    case FIELD_COUNTS: /* none of `rows`: open asserts it */
    case FIELD_OBJECTS:
        break;
    }
}

static bool is_number(struct slice text)
{
    uint32_t number;

    return slice_u32(text, &number);
}

static void put_key(struct text *out, const char *key, const char *label)
{
    if (label != NULL) {
        text_byte(out, ' ');
        text_string(out, key);
        text_string(out, "Label=");
        text_string(out, label);
    }
    text_byte(out, ' ');
    text_string(out, key);
    text_byte(out, '=');
}

static void put_values(const struct encode_cef *encoder, const struct record *record,
                       struct text *out)
{
    bool used[ROWS] = {false};
    struct record_value value;
    uint32_t at = 0;
    enum field last = FIELD_COUNT; /* that was written last: another value of it joins the list */

    while (record_next(record, &at, &value)) {
        uint8_t index = encoder->row_of[value.field];
        if (index == NO_ROW) {
            continue;
        }
        const struct row *row = &rows[index];
        if (value.field == last) {
            text_byte(out, ',');
            put_value(out, &value, row->form);
            continue;
        }
        uint8_t slot = encoder->slot_of[index];
        if (used[slot] || (row->form == FORM_DIGITS && !is_number(value.text))) {
            continue;
        }
        bool six = row->key6 != NULL && value.type == FIELD_ADDRESS && !addr_is_v4(&value.address);
        put_key(out, six ? row->key6 : row->key, six ? row->label6 : row->label);
        put_value(out, &value, row->form);
        used[slot] = true;
        last = value.field;
    }
}

/* --- the line --- */

static unsigned severity_of(int64_t ecs)
{
    return ecs >= 99 ? 10 : ecs >= 73 ? 8 : ecs >= 47 ? 5 : ecs >= 21 ? 3 : 0;
}

/* The rule that an alert or a response goes back to; else the dataset and what happened. */
static struct title title_of(const struct record *record)
{
    struct title title = {.id = slice_of_string(dataset_rows[record->dataset].name)};
    struct record_value value;
    uint32_t at = 0;

    title.name = title.id;
    while (record_next(record, &at, &value)) {
        switch ((int)value.field) {
        case FIELD_ID_EVENT_ACTION:
            title.name = value.text;
            break;
        case FIELD_ID_EVENT_SEVERITY:
            title.severity = severity_of(value.number);
            break;
        case FIELD_ID_RULE_ID:
            title.id = value.text;
            break;
        case FIELD_ID_RULE_NAME:
            title.name = value.text;
            break;
        case FIELD_ID_RULE_CATEGORY:
            title.has_category = true;
            break;
        default:
            break;
        }
    }
    return title;
}

size_t encode_cef(struct encode_cef *encoder, const struct record *record, char *out)
{
    struct title title = title_of(record);
    struct text text = text_into(out, ENCODE_CEF_BYTES_MAX);

    text_slice_put(&text, slice_of(encoder->head, encoder->head_bytes));
    put_escaped(&text, title.id, '|');
    text_byte(&text, '|');
    put_escaped(&text, title.name, '|');
    text_format(&text, "|%u|rt=%" PRIu64 " externalId=", title.severity,
                record->time_ns / NS_PER_MS);
    put_hash(&text, record->id);
    text_format(&text, " flexNumber1Label=sequence flexNumber1=%" PRIu64, record->sequence);
    text_slice_put(&text, slice_of(encoder->observer, encoder->observer_bytes));
    if (!title.has_category) {
        text_format(&text, " cat=%s", dataset_rows[record->dataset].name);
    }
    put_values(encoder, record, &text);
    assert(!text.overflow);
    return text.bytes;
}

/* --- open --- */

static void find_rows(struct encode_cef *encoder)
{
    memset(encoder->row_of, NO_ROW, sizeof encoder->row_of);
    for (uint8_t i = 0; i < ROWS; i++) {
        enum field_type type = field_rows[rows[i].field].type;
        uint8_t slot = 0;

        assert(type != FIELD_COUNTS && type != FIELD_OBJECTS);
        assert(encoder->row_of[rows[i].field] == NO_ROW);
        encoder->row_of[rows[i].field] = i;
        while (strcmp(rows[slot].key, rows[i].key) != 0) {
            slot++;
        }
        encoder->slot_of[i] = slot;
    }
}

enum status encode_cef_open(const struct record_identity *identity, struct encode_cef **out_encoder,
                            struct error *error)
{
    struct encode_cef *encoder = calloc(1, sizeof *encoder);

    if (encoder == NULL) {
        return error_set(error, STATUS_FAILED, "encoder", "no memory");
    }
    find_rows(encoder);
    struct text head = text_into(encoder->head, sizeof encoder->head);
    text_string(&head, "CEF:0|earshot|earshot|");
    put_escaped(&head, slice_part(slice_of_string(identity->version), 0, NAME_BYTES_MAX), '|');
    text_byte(&head, '|');
    struct text observer = text_into(encoder->observer, sizeof encoder->observer);
    text_string(&observer, " deviceExternalId=");
    put_value_text(&observer, slice_part(slice_of_string(identity->observer), 0, NAME_BYTES_MAX));
    if (identity->hostname != NULL) {
        text_string(&observer, " dvchost=");
        put_value_text(&observer,
                       slice_part(slice_of_string(identity->hostname), 0, NAME_BYTES_MAX));
    }
    assert(!head.overflow && !observer.overflow);
    encoder->head_bytes = head.bytes;
    encoder->observer_bytes = observer.bytes;
    *out_encoder = encoder;
    return STATUS_OK;
}

void encode_cef_close(struct encode_cef *encoder)
{
    free(encoder);
}
