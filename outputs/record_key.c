/* record_key.c - one look through the record, as far as the field that it is about.
 *
 * A keyword is the key as it stands. Ends are read only for what has no such keyword: a stream that
 * no call announced, and a flow. Fields stand in the order of their ids, so the walk ends early. */
#include "outputs/record_key.h"

#include "base/text.h"

/* FIELD_ID_TIMESTAMP, which no maker puts: none. */
static const uint16_t keywords[DATASET_COUNT] = {
    [DATASET_SIP] = FIELD_ID_SIP_CALL_ID,
    [DATASET_TRANSACTION] = FIELD_ID_SIP_CALL_ID,
    [DATASET_CALL] = FIELD_ID_SIP_CALL_ID,
    [DATASET_MEDIA] = FIELD_ID_SIP_CALL_ID,
    [DATASET_MEDIA_INTERVAL] = FIELD_ID_SIP_CALL_ID,
    [DATASET_REGISTRATION] = FIELD_ID_EARSHOT_REGISTRATION_AOR,
    [DATASET_ALERT] = FIELD_ID_EARSHOT_ALERT_ENTITY_VALUE,
    [DATASET_RESPONSE] = FIELD_ID_EARSHOT_RESPONSE_TARGET_VALUE,
};

static struct slice keyword_of(const struct record *record)
{
    uint16_t wanted = keywords[record->dataset];
    struct record_raw raw;
    uint32_t at = 0;

    while (wanted != FIELD_ID_TIMESTAMP && record_raw_next(record, &at, &raw) &&
           raw.field <= wanted) {
        if (raw.field == wanted) {
            return slice_of(raw.at, raw.bytes);
        }
    }
    return SLICE_NONE;
}

/* Nearly all are plain, and stay where they are. */
static struct slice harmless(struct slice key, char out[RECORD_KEY_BYTES])
{
    struct text text = text_into(out, RECORD_KEY_BYTES);
    size_t plain = 0;

    while (plain < key.bytes && key.at[plain] >= ' ' && key.at[plain] <= '~') {
        plain++;
    }
    if (plain == key.bytes) {
        return key;
    }
    text_printable(&text, key);
    return text_slice(&text);
}

struct ends {
    struct endpoint source;
    struct endpoint destination;
    struct slice transport;
    struct slice ssrc;
    bool ports;
};

static uint16_t port_of(const struct record *record, enum field field, bool *out_there)
{
    struct record_value value;

    *out_there = record_get(record, field, &value);
    return *out_there ? (uint16_t)value.number : 0;
}

static struct ends ends_of(const struct record *record)
{
    struct ends ends = {0};
    struct record_value value;
    bool source = false, destination = false;

    if (record_get(record, FIELD_ID_SOURCE_IP, &value)) {
        ends.source.addr = value.address;
    }
    if (record_get(record, FIELD_ID_DESTINATION_IP, &value)) {
        ends.destination.addr = value.address;
    }
    ends.source.port = port_of(record, FIELD_ID_SOURCE_PORT, &source);
    ends.destination.port = port_of(record, FIELD_ID_DESTINATION_PORT, &destination);
    ends.ports = source && destination;
    if (record_get(record, FIELD_ID_NETWORK_TRANSPORT, &value)) {
        ends.transport = value.text;
    }
    if (record_get(record, FIELD_ID_RTP_SSRC, &value)) {
        ends.ssrc = value.text;
    }
    return ends;
}

/* "192.0.2.10:4000 198.51.100.20:5000 udp 0x1234abcd" */
static struct slice stream_key(const struct record *record, char out[RECORD_KEY_BYTES])
{
    struct ends ends = ends_of(record);
    struct text text = text_into(out, RECORD_KEY_BYTES);

    if (!ends.ports || slice_is_empty(ends.ssrc)) {
        return SLICE_NONE;
    }
    text_endpoint(&text, &ends.source);
    text_byte(&text, ' ');
    text_endpoint(&text, &ends.destination);
    text_byte(&text, ' ');
    text_slice_put(&text, ends.transport);
    text_byte(&text, ' ');
    text_slice_put(&text, ends.ssrc);
    return text_slice(&text);
}

/* As the encoder writes it into the record. */
static struct slice flow_key(const struct record *record, struct community_id *community)
{
    struct ends ends = ends_of(record);
    uint8_t protocol = slice_equal(ends.transport, SLICE("udp"))   ? 17
                       : slice_equal(ends.transport, SLICE("tcp")) ? 6
                                                                   : 0;

    return protocol == 0 || !ends.ports
               ? SLICE_NONE
               : community_id_of(community, protocol, &ends.source, &ends.destination);
}

struct slice record_key(const struct record *record, const struct record_identity *identity,
                        struct community_id *community, char out[RECORD_KEY_BYTES])
{
    struct slice key = keyword_of(record);

    if (!slice_is_empty(key)) {
        return harmless(key, out);
    }
    if (record->dataset == DATASET_MEDIA || record->dataset == DATASET_MEDIA_INTERVAL) {
        key = stream_key(record, out);
    } else if (record->dataset == DATASET_FLOW) {
        key = flow_key(record, community);
    }
    return slice_is_empty(key) ? slice_of_string(identity->observer) : key;
}
