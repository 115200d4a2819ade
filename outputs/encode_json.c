/* encode_json.c - one pass over the record, one nested object on one line.
 *
 * Fields stand in the record in the order of fields.def, where equal prefixes are neighbours. So nesting needs no tree:
 * of each field the whole way down is one literal
 *
 *     "earshot":{"call":{"media":{"mos_min":
 *     ^0        ^1      ^2       ^3              where each level begins
 *
 * and from one field to the next what they share stays open, what they do not is closed, and the rest of the literal
 * follows. What is the same in all records of a dataset (its head, the sensor's identity) is literal too. Numbers and
 * times print from tables; the date changes once a day and is kept. No floating point: decimals are thousandths.
 *
 * An upper bound for the text is known from the record's own bound (a byte becomes at most six, a key is written once
 * for each field), so the writer checks room only where text of the wire goes. */
#include "outputs/encode_json.h"

#include "outputs/community_id.h"

enum { DEPTH_MAX = 8, KEY_BYTES_MAX = 112, HEAD_BYTES_MAX = 192, DAY_BYTES = 11 };

struct key {
    uint8_t depth;                 /* objects around the value */
    uint8_t bytes;
    uint8_t level_at[DEPTH_MAX];   /* where segment k begins in `text`; [depth] is the name itself */
    uint16_t object[DEPTH_MAX];    /* identity of the object at level k: its first field */
    char text[KEY_BYTES_MAX];
};

/* What a record of a dataset begins with, in four pieces: the maker may put its own category and type between. */
struct head {
    uint8_t kind_bytes;
    uint8_t category_bytes;
    uint8_t type_bytes;
    uint8_t dataset_bytes;
    char kind[HEAD_BYTES_MAX];     /* ","ecs":{...},"event":{"kind":"event" */
    char category[HEAD_BYTES_MAX]; /* ,"category":["network"] */
    char type[HEAD_BYTES_MAX];
    char dataset[HEAD_BYTES_MAX];  /* ,"module":"earshot","dataset":"earshot.call","id":" */
};

struct encode_json {
    struct community_id *community;
    uint64_t day; /* whose date stands in day_text */
    char day_text[DAY_BYTES];
    size_t observer_bytes;
    char observer[2560]; /* three names of at most 128 bytes, each of which may need an escape of six */
    struct head heads[DATASET_COUNT];
    struct key keys[FIELD_COUNT];
};

/* One call. */
struct writer {
    struct encode_json *encoder;
    char *at;
    char *end;
    enum field previous;
    enum field list;       /* list or map that is open; FIELD_COUNT = none */
    unsigned milestone;
    uint8_t protocol;
    uint8_t ends;          /* bits: what is known of the flow */
    struct endpoint source;
    struct endpoint destination;
};

enum { HAS_SOURCE = 1, HAS_DESTINATION = 2, HAS_PORTS = 4 };

static const char digit_pairs[201] = "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
                                     "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
                                     "8081828384858687888990919293949596979899";

/* --- small writers ------------------------------------------------------------------------------------------ */

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

static void put_number(struct writer *writer, uint64_t value)
{
    char digits[20];
    size_t at = sizeof digits;

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

/* Thousandths as a number with a point always: a store that learns types from the first value must learn a fraction. */
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

static void put_text(struct writer *writer, struct slice value)
{
    struct text text = text_into(writer->at, (size_t)(writer->end - writer->at));

    put_byte(writer, '"');
    text.at = writer->at;
    text.capacity--;
    (void)text_json(&text, value); /* bytes that are no UTF-8 were noted by the maker */
    assert(!text.overflow);
    writer->at += text.bytes;
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

/* --- nesting ------------------------------------------------------------------------------------------------ */

static void close_list(struct writer *writer)
{
    if (writer->list != FIELD_COUNT) {
        put_byte(writer, field_rows[writer->list].type == FIELD_COUNTS ? '}' : ']');
        writer->list = FIELD_COUNT;
    }
}

/* From the previous field to this one: closes, opens, writes the name and the colon. */
static void put_key(struct writer *writer, enum field field)
{
    const struct key *from = &writer->encoder->keys[writer->previous];
    const struct key *to = &writer->encoder->keys[field];
    unsigned shared = 0;

    while (shared < from->depth && shared < to->depth && from->object[shared] == to->object[shared]) {
        shared++;
    }
    for (unsigned level = shared; level < from->depth; level++) {
        put_byte(writer, '}');
    }
    put_byte(writer, ',');
    put(writer, to->text + to->level_at[shared], (size_t)(to->bytes - to->level_at[shared]));
    writer->previous = field;
}

static void put_community_id(struct writer *writer)
{
    unsigned needed = HAS_SOURCE | HAS_DESTINATION | HAS_PORTS;

    if (writer->protocol != 0 && (writer->ends & needed) == needed) {
        struct slice id = community_id_of(writer->encoder->community, writer->protocol, &writer->source,
                                          &writer->destination);
        if (!slice_is_empty(id)) {
            put_key(writer, FIELD_ID_NETWORK_COMMUNITY_ID);
            put_byte(writer, '"');
            put(writer, id.at, id.bytes);
            put_byte(writer, '"');
        }
    }
}

/* What the encoder knows better than the maker, in its place among the fields. */
static void pass_milestones(struct writer *writer, enum field field)
{
    static const enum field milestones[] = {FIELD_ID_OBSERVER_VERSION, FIELD_ID_NETWORK_COMMUNITY_ID,
                                            FIELD_ID_EARSHOT_SCHEMA, FIELD_COUNT};

    while (field > milestones[writer->milestone]) {
        close_list(writer);
        switch (writer->milestone++) {
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

/* --- values ------------------------------------------------------------------------------------------------- */

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

static void put_value(struct writer *writer, const struct record_value *value)
{
    switch (value->type) {
    case FIELD_KEYWORD:
    case FIELD_TEXT:
        put_text(writer, value->text);
        break;
    case FIELD_ADDRESS:
        put_address(writer, &value->address);
        break;
    case FIELD_LONG:
        put_signed(writer, value->number);
        break;
    case FIELD_DECIMAL:
        put_decimal(writer, value->number);
        break;
    case FIELD_BOOL:
        put_truth(writer, value->number != 0);
        break;
    case FIELD_DATE:
        put_date(writer, (uint64_t)value->number);
        break;
    case FIELD_COUNTS:
        put_text(writer, value->text);
        put_byte(writer, ':');
        put_signed(writer, value->number);
        break;
    case FIELD_OBJECTS:
        put_object(writer, value->text);
        break;
    case FIELD_HASH:
        put_byte(writer, '"');
        put_hash(writer, value->hash);
        put_byte(writer, '"');
        break;
    }
}

/* Remembers what the flow's name is made of. */
static void see_flow(struct writer *writer, const struct record_value *value)
{
    switch ((int)value->field) {
    case FIELD_ID_SOURCE_IP:
        writer->source.addr = value->address;
        writer->ends |= HAS_SOURCE;
        break;
    case FIELD_ID_SOURCE_PORT:
        writer->source.port = (uint16_t)value->number;
        break;
    case FIELD_ID_DESTINATION_IP:
        writer->destination.addr = value->address;
        writer->ends |= HAS_DESTINATION;
        break;
    case FIELD_ID_DESTINATION_PORT:
        writer->destination.port = (uint16_t)value->number;
        writer->ends |= HAS_PORTS;
        break;
    case FIELD_ID_NETWORK_TRANSPORT:
        writer->protocol = slice_equal(value->text, SLICE("udp")) ? 17
                           : slice_equal(value->text, SLICE("tcp")) ? 6
                                                                    : 0;
        break;
    default:
        break;
    }
}

static void put_field(struct writer *writer, const struct record_value *value)
{
    enum field field = value->field;
    const struct field_row *row = &field_rows[field];

    if (field == writer->list) {
        put_byte(writer, ',');
        put_value(writer, value);
        return;
    }
    close_list(writer);
    pass_milestones(writer, field);
    if (field >= FIELD_ID_SOURCE_IP && field <= FIELD_ID_NETWORK_TRANSPORT) {
        see_flow(writer, value);
    }
    put_key(writer, field);
    if (row->list || row->type == FIELD_COUNTS) {
        put_byte(writer, row->type == FIELD_COUNTS ? '{' : '[');
        writer->list = field;
    }
    put_value(writer, value);
}

/* --- head --------------------------------------------------------------------------------------------------- */

/* The maker's own values of a list that the dataset has a default for, or the default. Reads on while they last. */
static bool put_head_list(struct writer *writer, const struct record *record, uint32_t *at,
                          struct record_value *value, bool more, enum field field, const char *preset,
                          size_t preset_bytes)
{
    if (!more || value->field != field) {
        put(writer, preset, preset_bytes);
        return more;
    }
    put_key(writer, field);
    put_byte(writer, '[');
    put_text(writer, value->text);
    while ((more = record_next(record, at, value)) && value->field == field) {
        put_byte(writer, ',');
        put_text(writer, value->text);
    }
    put_byte(writer, ']');
    return more;
}

size_t encode_json(struct encode_json *encoder, const struct record *record, uint64_t created_ns, char *out)
{
    const struct head *head = &encoder->heads[record->dataset];
    struct writer writer = {.encoder = encoder,
                            .at = out,
                            .end = out + ENCODE_JSON_BYTES_MAX,
                            .previous = FIELD_ID_EVENT_KIND,
                            .list = FIELD_COUNT};
    struct record_value value;
    uint32_t at = 0;
    bool more = record_next(record, &at, &value);

    PUT(&writer, "{\"@timestamp\":");
    put_date(&writer, record->time_ns);
    put(&writer, head->kind, head->kind_bytes);
    more = put_head_list(&writer, record, &at, &value, more, FIELD_ID_EVENT_CATEGORY, head->category,
                         head->category_bytes);
    more = put_head_list(&writer, record, &at, &value, more, FIELD_ID_EVENT_TYPE, head->type,
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
        put_field(&writer, &value);
        more = record_next(record, &at, &value);
    }
    close_list(&writer);
    pass_milestones(&writer, FIELD_COUNT);
    for (unsigned level = encoder->keys[writer.previous].depth; level > 0; level--) {
        put_byte(&writer, '}');
    }
    put_byte(&writer, '}');
    return (size_t)(writer.at - out);
}

/* --- what is made once -------------------------------------------------------------------------------------- */

/* Do the names share their first `levels` + 1 segments, as objects? */
static bool share_object(const char *one, const char *other, unsigned level)
{
    for (; *one == *other && *one != 0; one++, other++) {
        if (*one == '.' && level-- == 0) {
            return true;
        }
    }
    return false;
}

static void make_key(struct encode_json *encoder, enum field field)
{
    struct key *key = &encoder->keys[field];
    struct text text = text_into(key->text, sizeof key->text);
    struct slice rest = slice_of_string(field_rows[field].name);

    for (;;) {
        struct slice segment = slice_split(&rest, '.');
        key->level_at[key->depth] = (uint8_t)text.bytes;
        text_byte(&text, '"');
        text_slice_put(&text, segment);
        text_string(&text, "\":");
        if (slice_is_empty(rest)) {
            break;
        }
        text_byte(&text, '{');
        unsigned first = field;
        while (first > 0 && share_object(field_rows[first - 1].name, field_rows[field].name, key->depth)) {
            first--;
        }
        key->object[key->depth++] = (uint16_t)first;
        assert(key->depth < DEPTH_MAX);
    }
    assert(!text.overflow);
    key->bytes = (uint8_t)text.bytes;
}

static void put_list(struct text *text, const char *words)
{
    struct slice rest = slice_of_string(words);

    text_byte(text, '[');
    while (!slice_is_empty(rest)) {
        text_byte(text, '"');
        text_slice_put(text, slice_split(&rest, ','));
        text_byte(text, '"');
        if (!slice_is_empty(rest)) {
            text_byte(text, ',');
        }
    }
    text_byte(text, ']');
}

static void make_head(struct head *head, const struct dataset_row *row)
{
    struct text kind = text_into(head->kind, sizeof head->kind);
    struct text category = text_into(head->category, sizeof head->category);
    struct text type = text_into(head->type, sizeof head->type);
    struct text dataset = text_into(head->dataset, sizeof head->dataset);

    text_format(&kind, ",\"ecs\":{\"version\":\"%s\"},\"event\":{\"kind\":\"%s\"", RECORD_ECS_VERSION, row->kind);
    text_string(&category, ",\"category\":");
    put_list(&category, row->categories);
    text_string(&type, ",\"type\":");
    put_list(&type, row->types);
    text_format(&dataset, ",\"module\":\"earshot\",\"dataset\":\"%s\",\"id\":\"", row->name);
    assert(!kind.overflow && !category.overflow && !type.overflow && !dataset.overflow);
    head->kind_bytes = (uint8_t)kind.bytes;
    head->category_bytes = (uint8_t)category.bytes;
    head->type_bytes = (uint8_t)type.bytes;
    head->dataset_bytes = (uint8_t)dataset.bytes;
}

/* Names of the operator's: half of what a text may have is kept of them, so that the literal always fits. */
static void put_name(struct text *text, const char *name)
{
    struct slice part = slice_part(slice_of_string(name), 0, RECORD_TEXT_MAX / 2);

    text_byte(text, '"');
    (void)text_json(text, part);
    text_byte(text, '"');
}

enum status encode_json_open(const struct encode_identity *identity, struct encode_json **out_encoder,
                             struct error *error)
{
    struct encode_json *encoder = calloc(1, sizeof *encoder);

    if (encoder == NULL) {
        return error_set(error, STATUS_FAILED, "encoder", "no memory");
    }
    enum status status = community_id_open(&encoder->community, error);
    if (status != STATUS_OK) {
        free(encoder);
        return status;
    }
    encoder->day = UINT64_MAX;
    for (unsigned i = 0; i < FIELD_COUNT; i++) {
        make_key(encoder, (enum field)i);
    }
    for (unsigned i = 0; i < DATASET_COUNT; i++) {
        make_head(&encoder->heads[i], &dataset_rows[i]);
    }
    struct text text = text_into(encoder->observer, sizeof encoder->observer);
    put_name(&text, identity->observer);
    if (identity->hostname != NULL) {
        text_string(&text, ",\"hostname\":");
        put_name(&text, identity->hostname);
    }
    text_string(&text, ",\"type\":\"sensor\",\"vendor\":\"earshot\",\"product\":\"earshot\",\"version\":");
    put_name(&text, identity->version);
    assert(!text.overflow);
    encoder->observer_bytes = text.bytes;
    *out_encoder = encoder;
    return STATUS_OK;
}

void encode_json_close(struct encode_json *encoder)
{
    if (encoder != NULL) {
        community_id_close(encoder->community);
        free(encoder);
    }
}
