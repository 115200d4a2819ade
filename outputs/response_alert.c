/* response_alert.c - what an alert record says that a response needs, read before privacy touches it.
 *
 * An alert proposes when it opens, and again when its severity rises; whoever sees it remembers which
 * level was there before (response.c). A close proposes nothing: also not those of the end of input. */
#include "outputs/response.h"

static struct record_value value_of(const struct record *record, enum field field, bool *out_found)
{
    struct record_value value = {.text = SLICE_NONE};

    *out_found = record_get(record, field, &value);
    return value;
}

/* A text that does not fit is left out: half a name is another name. */
static void copy(char *out, size_t capacity, struct slice text)
{
    if (text.bytes < capacity && text.bytes > 0) {
        memcpy(out, text.at, text.bytes);
    }
}

static void read_text(const struct record *record, enum field field, char *out, size_t capacity)
{
    bool found;
    struct record_value value = value_of(record, field, &found);

    copy(out, capacity, value.text);
}

static int64_t number_of(const struct record *record, enum field field)
{
    bool found;
    struct record_value value = value_of(record, field, &found);

    return found ? value.number : 0;
}

static void read_source(const struct record *record, struct response_alert *alert)
{
    struct record_value value = value_of(record, FIELD_ID_SOURCE_IP, &alert->has_source);

    if (alert->has_source) {
        alert->source = value.address;
        alert->proven = number_of(record, FIELD_ID_EARSHOT_ALERT_SOURCE_PROVEN) != 0;
        alert->echoed = number_of(record, FIELD_ID_EARSHOT_ALERT_SOURCE_ECHOED) != 0;
        alert->server = number_of(record, FIELD_ID_EARSHOT_ALERT_SOURCE_SERVER) != 0;
        alert->source_accounts =
            (uint32_t)number_of(record, FIELD_ID_EARSHOT_ALERT_SOURCE_ACCOUNTS);
    }
}

bool response_read_alert(const struct record *record, struct response_alert *out_alert)
{
    bool found;
    struct response_alert alert = {.time_ns = record->time_ns, .number = record->number};

    if (record->dataset != DATASET_ALERT) {
        return false;
    }
    struct slice state = value_of(record, FIELD_ID_EARSHOT_ALERT_STATE, &found).text;
    int64_t level = number_of(record, FIELD_ID_EARSHOT_ALERT_LEVEL);
    alert.opens = slice_equal(state, SLICE("open"));
    if ((!alert.opens && !slice_equal(state, SLICE("update"))) || level < 1 || level > 4) {
        return false;
    }
    alert.level = (uint8_t)level;
    (void)value_of(record, FIELD_ID_THREAT_TECHNIQUE_ID, &alert.attack);
    alert.id = value_of(record, FIELD_ID_EARSHOT_ALERT_ID, &found).hash;
    read_source(record, &alert);
    read_text(record, FIELD_ID_RULE_ID, alert.rule, sizeof alert.rule);
    if (number_of(record, FIELD_ID_EARSHOT_ALERT_ACCOUNT_COUNT) == 1) {
        read_text(record, FIELD_ID_EARSHOT_ALERT_ACCOUNTS, alert.account, sizeof alert.account);
    }
    read_text(record, FIELD_ID_EARSHOT_ALERT_TARGET, alert.called, sizeof alert.called);
    *out_alert = alert;
    return true;
}
