/* encode_json.c - one pass over the record, one nested object on one line.
 *
 * Fields stand in the record in the order of fields.def, where equal prefixes are neighbours. So
 * nesting needs no tree: of each field the whole way down is one literal
 *
 *     "earshot":{"call":{"media":{"mos_min":
 *     ^0        ^1      ^2       ^3              where each level begins
 *
 * and from one field to the next what they share stays open, what they do not is closed, and the
 * rest of the literal follows. What is the same in all records of a dataset (its head, the sensor's
 * identity) is literal too. Numbers and times print from tables; the date changes once a day and is
 * kept. No floating point: decimals are thousandths.
 *
 * An upper bound for the text is known from the record's own bound (a byte becomes at most six, a
 * key is written once for each field), so the writer checks room only where text of the wire goes.
 */
#include "outputs/encode_json_inside.h"

/* One call. */
struct writer {
    struct encode_json *encoder;
    char *at;
    char *end;
    enum field previous;
    enum field list; /* list or map that is open; FIELD_COUNT = none */
    unsigned milestone;
    unsigned milestone_field; /* the next one: a field beyond it passes it first */
    uint8_t protocol;
    uint8_t ends; /* bits: what is known of the flow */
    struct endpoint source;
    struct endpoint destination;
};

enum { HAS_SOURCE = 1, HAS_DESTINATION = 2, HAS_PORTS = 4 };

static const char digit_pairs[201] =
    "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
    "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
    "8081828384858687888990919293949596979899";

/* --- small writers --- */

static inline void put(struct writer *writer, const char *at, size_t bytes)
{
    memcpy(writer->at, at, bytes);
    writer->at += bytes;
}

#define PUT(writer, literal) put(writer, literal, sizeof(literal) - 1)

static inline void put_byte(struct writer *writer, char byte)
{
    *writer->at++ = byte;
}

static inline void put_pair(struct writer *writer, unsigned value)
{
    memcpy(writer->at, digit_pairs + 2 * (size_t)value, 2);
    writer->at += 2;
}

static inline void put_number(struct writer *writer, uint64_t value)
{
    char digits[20];
    size_t at = sizeof digits;

    if (value < 10) {
        put_byte(writer, (char)('0' + value));
        return;
    }
    while (value >= 100) {
        at -= 2;
        memcpy(digits + at, digit_pairs + 2 * (value % 100), 2);
        value /= 100;
    }
    if (value >= 10) {
        at -= 2;
        memcpy(digits + at, digit_pairs + 2 * value, 2);
    } else {
        digits[--at] = (char)('0' + value);
    }
    put(writer, digits + at, sizeof digits - at);
}

static void put_signed(struct writer *writer, int64_t value)
{
    if (value < 0) {
        put_byte(writer, '-');
    }
    put_number(writer, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

/* Thousandths as a number with a point always: a store that learns types from the first value must
 * learn a fraction. */
static void put_decimal(struct writer *writer, int64_t thousandths)
{
    uint64_t value = thousandths < 0 ? 0 - (uint64_t)thousandths : (uint64_t)thousandths;
    unsigned fraction = (unsigned)(value % 1000);

    if (thousandths < 0) {
        put_byte(writer, '-');
    }
    put_number(writer, value / 1000);
    put_byte(writer, '.');
    put_byte(writer, (char)('0' + fraction / 100));
    if (fraction % 100 != 0) {
        put_byte(writer, (char)('0' + fraction / 10 % 10));
    }
    if (fraction % 10 != 0) {
        put_byte(writer, (char)('0' + fraction % 10));
    }
}

/* Bit 7 of each byte that JSON cannot hold as it is, or that is not ASCII; exact up to the lowest
 * one. */
static inline uint64_t special_bytes(uint64_t word)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t quote = word ^ ones * '"';
    uint64_t slash = word ^ ones * '\\';
    uint64_t delete = word ^ ones * 0x7f;

    return (word | ((word - ones * 0x20) & ~word) | ((quote - ones) & ~quote) |
            ((slash - ones) & ~slash) | ((delete - ones) & ~delete)) &
           ones * 0x80;
}

/* The inside of a string that is not plain from here on. */
static void put_escaped(struct writer *writer, struct slice value)
{
    struct text text = text_into(writer->at, (size_t)(writer->end - writer->at));

    (void)text_json(&text, value); /* bytes that are no UTF-8 were noted by the maker */
    assert(!text.overflow);
    writer->at += text.bytes;
}

static inline void put_text(struct writer *writer, struct slice value)
{
    size_t at = 0;

    put_byte(writer, '"');
    for (; at + 8 <= value.bytes; at += 8) {
        uint64_t word;
        memcpy(&word, value.at + at, 8);
        if (special_bytes(word) != 0) {
            break;
        }
        memcpy(writer->at, &word, 8);
        writer->at += 8;
    }
    /* The rest of a plain text: fewer than 8 bytes, with a space for each that is missing. */
    if (value.bytes - at < 8) {
        uint64_t word = UINT64_C(0x2020202020202020);
        memcpy(&word, value.at + at, value.bytes - at);
        if (special_bytes(word) == 0) {
            memcpy(writer->at, &word, 8);
            writer->at += value.bytes - at;
            at = value.bytes;
        }
    }
    if (at < value.bytes) {
        put_escaped(writer, slice_from(value, at));
    }
    put_byte(writer, '"');
}

static void put_address(struct writer *writer, const struct addr *addr)
{
    put_byte(writer, '"');
    if (addr_is_v4(addr)) {
        for (unsigned i = 12; i < 16; i++) {
            put_number(writer, addr->octets[i]);
            if (i < 15) {
                put_byte(writer, '.');
            }
        }
    } else {
        struct text text = text_into(writer->at, ADDR_TEXT_BYTES);
        text_addr(&text, addr);
        writer->at += text.bytes;
    }
    put_byte(writer, '"');
}

static void put_hash(struct writer *writer, struct hash128 hash)
{
    static const char hex[17] = "0123456789abcdef";

    for (unsigned i = 0; i < 16; i++) {
        writer->at[i] = hex[hash.high >> (60 - 4 * i) & 15];
        writer->at[16 + i] = hex[hash.low >> (60 - 4 * i) & 15];
    }
    writer->at += HASH128_TEXT_BYTES;
}

/* RFC 3339 with microseconds; the nanoseconds below are cut, never rounded into the next second. */
static void put_date(struct writer *writer, uint64_t time_ns)
{
    struct encode_json *encoder = writer->encoder;
    uint64_t micros = time_ns / NS_PER_US;
    uint64_t seconds = micros / 1000000;
    uint64_t day = seconds / 86400;
    unsigned in_day = (unsigned)(seconds % 86400);
    unsigned fraction = (unsigned)(micros % 1000000);

    if (day != encoder->day) {
        char line[32];
        struct text text = text_into(line, sizeof line);
        text_time(&text, time_ns, 0);
        memcpy(encoder->day_text, line, DAY_BYTES);
        encoder->day = day;
    }
    put_byte(writer, '"');
    put(writer, encoder->day_text, DAY_BYTES);
    put_pair(writer, in_day / 3600);
    put_byte(writer, ':');
    put_pair(writer, in_day / 60 % 60);
    put_byte(writer, ':');
    put_pair(writer, in_day % 60);
    put_byte(writer, '.');
    put_pair(writer, fraction / 10000);
    put_pair(writer, fraction / 100 % 100);
    put_pair(writer, fraction % 100);
    PUT(writer, "Z\"");
}

/* --- nesting --- */

static void close_list(struct writer *writer)
{
    if (writer->list != FIELD_COUNT) {
        put_byte(writer, field_rows[writer->list].type == FIELD_COUNTS ? '}' : ']');
        writer->list = FIELD_COUNT;
    }
}

/* From the previous field to this one: closes, opens, writes the name and the colon. */
static inline void put_key(struct writer *writer, enum field field)
{
    const struct key *from = &writer->encoder->keys[writer->previous];
    const struct key *to = &writer->encoder->keys[field];
    unsigned shared = from->depth < to->depth ? from->depth : to->depth;

    /* From the innermost outwards: most neighbours are members of one object. */
    while (shared > 0 && from->object[shared - 1] != to->object[shared - 1]) {
        shared--;
    }
    memcpy(writer->at, "}}}}}}}}", DEPTH_MAX);
    writer->at += from->depth - shared;
    put_byte(writer, ',');
    const char *text = to->text + to->level_at[shared];
    size_t bytes = (size_t)(to->bytes - to->level_at[shared]);
    for (size_t at = 0; at < bytes; at += COPY_BYTES) {
        memcpy(writer->at + at, text + at, COPY_BYTES);
    }
    writer->at += bytes;
    writer->previous = field;
}

static void put_community_id(struct writer *writer)
{
    unsigned needed = HAS_SOURCE | HAS_DESTINATION | HAS_PORTS;

    if (writer->protocol != 0 && (writer->ends & needed) == needed) {
        struct slice id = community_id_of(writer->encoder->community, writer->protocol,
                                          &writer->source, &writer->destination);
        if (!slice_is_empty(id)) {
            put_key(writer, FIELD_ID_NETWORK_COMMUNITY_ID);
            put_byte(writer, '"');
            put(writer, id.at, id.bytes);
            put_byte(writer, '"');
        }
    }
}

/* What the encoder knows better than the maker, in its place among the fields. */
static const enum field milestones[] = {FIELD_ID_OBSERVER_VERSION, FIELD_ID_NETWORK_COMMUNITY_ID,
                                        FIELD_ID_EARSHOT_SCHEMA, FIELD_COUNT};

static void pass_milestones(struct writer *writer, enum field field)
{
    while (field > milestones[writer->milestone]) {
        unsigned passed = writer->milestone++;
        writer->milestone_field = milestones[writer->milestone];
        switch (passed) {
        case 0:
            put_key(writer, FIELD_ID_OBSERVER_NAME);
            put(writer, writer->encoder->observer, writer->encoder->observer_bytes);
            writer->previous = FIELD_ID_OBSERVER_VERSION;
            break;
        case 1:
            put_community_id(writer);
            break;
        default:
            put_key(writer, FIELD_ID_EARSHOT_SCHEMA);
            put_byte(writer, '1');
            break;
        }
    }
}

/* --- values --- */

static void put_truth(struct writer *writer, bool value)
{
    if (value) {
        PUT(writer, "true");
    } else {
        PUT(writer, "false");
    }
}

static void put_words(struct writer *writer, struct slice words)
{
    put_byte(writer, '[');
    while (!slice_is_empty(words)) {
        put_text(writer, slice_split(&words, ' '));
        if (!slice_is_empty(words)) {
            put_byte(writer, ',');
        }
    }
    put_byte(writer, ']');
}

static void put_object(struct writer *writer, struct slice object)
{
    struct record_member_view member;
    uint32_t at = 0;
    char before = '{';

    while (record_object_next(object, &at, &member)) {
        put_byte(writer, before);
        before = ',';
        put_text(writer, member.name);
        put_byte(writer, ':');
        switch (member.type) {
        case MEMBER_TEXT:
            put_text(writer, member.text);
            break;
        case MEMBER_NUMBER:
            put_signed(writer, member.number);
            break;
        case MEMBER_BOOL:
            put_truth(writer, member.number != 0);
            break;
        case MEMBER_WORDS:
            put_words(writer, member.text);
            break;
        }
    }
    if (before == '{') {
        put_byte(writer, before);
    }
    put_byte(writer, '}');
}

static inline int64_t number_of(const struct record_raw *raw)
{
    int64_t number;
    memcpy(&number, raw->at, sizeof number);
    return number;
}

static inline struct addr address_of(const struct record_raw *raw)
{
    struct addr addr;
    memcpy(addr.octets, raw->at, sizeof addr.octets);
    return addr;
}

static inline void put_value(struct writer *writer, const struct record_raw *raw)
{
    struct hash128 hash;
    struct addr addr;

    switch ((enum field_type)raw->type) {
    case FIELD_KEYWORD:
    case FIELD_TEXT:
        put_text(writer, slice_of(raw->at, raw->bytes));
        break;
    case FIELD_ADDRESS:
        addr = address_of(raw);
        put_address(writer, &addr);
        break;
    case FIELD_LONG:
        put_signed(writer, number_of(raw));
        break;
    case FIELD_DECIMAL:
        put_decimal(writer, number_of(raw));
        break;
    case FIELD_BOOL:
        put_truth(writer, number_of(raw) != 0);
        break;
    case FIELD_DATE:
        put_date(writer, (uint64_t)number_of(raw));
        break;
    case FIELD_COUNTS:
        put_text(writer, slice_of(raw->at + 8, raw->bytes - 8));
        put_byte(writer, ':');
        put_signed(writer, number_of(raw));
        break;
    case FIELD_OBJECTS:
        put_object(writer, slice_of(raw->at, raw->bytes));
        break;
    case FIELD_HASH:
        memcpy(&hash.high, raw->at, 8);
        memcpy(&hash.low, raw->at + 8, 8);
        put_byte(writer, '"');
        put_hash(writer, hash);
        put_byte(writer, '"');
        break;
    }
}

/* Remembers what the flow's name is made of. */
static void see_flow(struct writer *writer, const struct record_raw *raw)
{
    struct slice text = slice_of(raw->at, raw->bytes);

    switch ((int)raw->field) {
    case FIELD_ID_SOURCE_IP:
        writer->source.addr = address_of(raw);
        writer->ends |= HAS_SOURCE;
        break;
    case FIELD_ID_SOURCE_PORT:
        writer->source.port = (uint16_t)number_of(raw);
        break;
    case FIELD_ID_DESTINATION_IP:
        writer->destination.addr = address_of(raw);
        writer->ends |= HAS_DESTINATION;
        break;
    case FIELD_ID_DESTINATION_PORT:
        writer->destination.port = (uint16_t)number_of(raw);
        writer->ends |= HAS_PORTS;
        break;
    case FIELD_ID_NETWORK_TRANSPORT:
        writer->protocol = slice_equal(text, SLICE("udp"))   ? 17
                           : slice_equal(text, SLICE("tcp")) ? 6
                                                             : 0;
        break;
    default:
        break;
    }
}

static inline void put_field(struct writer *writer, const struct record_raw *raw)
{
    enum field field = (enum field)raw->field;
    const struct field_row *row = &field_rows[field];

    if (field == writer->list) {
        put_byte(writer, ',');
        put_value(writer, raw);
        return;
    }
    close_list(writer);
    if (field > writer->milestone_field) {
        pass_milestones(writer, field);
    }
    if (field >= FIELD_ID_SOURCE_IP && field <= FIELD_ID_NETWORK_TRANSPORT) {
        see_flow(writer, raw);
    }
    put_key(writer, field);
    if (row->list || row->type == FIELD_COUNTS) {
        put_byte(writer, row->type == FIELD_COUNTS ? '{' : '[');
        writer->list = field;
    }
    put_value(writer, raw);
}

/* --- head --- */

/* The maker's own values of a list that the dataset has a default for, or the default. Reads on
 * while they last. */
static bool put_head_list(struct writer *writer, const struct record *record, uint32_t *at,
                          struct record_raw *raw, bool more, enum field field, const char *preset,
                          size_t preset_bytes)
{
    if (!more || raw->field != field) {
        put(writer, preset, preset_bytes);
        return more;
    }
    put_key(writer, field);
    put_byte(writer, '[');
    put_text(writer, slice_of(raw->at, raw->bytes));
    while ((more = record_raw_next(record, at, raw)) && raw->field == field) {
        put_byte(writer, ',');
        put_text(writer, slice_of(raw->at, raw->bytes));
    }
    put_byte(writer, ']');
    return more;
}

size_t encode_json(struct encode_json *encoder, const struct record *record, uint64_t created_ns,
                   char *out)
{
    const struct head *head = &encoder->heads[record->dataset];
    struct writer writer = {.encoder = encoder,
                            .at = out,
                            .end = out + ENCODE_JSON_BYTES_MAX,
                            .previous = FIELD_ID_EVENT_KIND,
                            .list = FIELD_COUNT,
                            .milestone_field = milestones[0]};
    struct record_raw raw;
    uint32_t at = 0;
    bool more = record_raw_next(record, &at, &raw);

    PUT(&writer, "{\"@timestamp\":");
    put_date(&writer, record->time_ns);
    put(&writer, head->kind, head->kind_bytes);
    more = put_head_list(&writer, record, &at, &raw, more, FIELD_ID_EVENT_CATEGORY, head->category,
                         head->category_bytes);
    more = put_head_list(&writer, record, &at, &raw, more, FIELD_ID_EVENT_TYPE, head->type,
                         head->type_bytes);
    put(&writer, head->dataset, head->dataset_bytes);
    put_hash(&writer, record->id);
    PUT(&writer, "\",\"sequence\":");
    put_number(&writer, record->sequence);
    writer.previous = FIELD_ID_EVENT_SEQUENCE;
    if (created_ns != 0) {
        put_key(&writer, FIELD_ID_EVENT_CREATED);
        put_date(&writer, created_ns);
    }
    while (more) {
        assert_hot(writer.end - writer.at > (ptrdiff_t)(6 * (record->bytes - at)));
        put_field(&writer, &raw);
        more = record_raw_next(record, &at, &raw);
    }
    close_list(&writer);
    pass_milestones(&writer, FIELD_COUNT);
    for (unsigned level = encoder->keys[writer.previous].depth; level > 0; level--) {
        put_byte(&writer, '}');
    }
    put_byte(&writer, '}');
    return (size_t)(writer.at - out);
}
