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
 * Where the next byte goes is handed from function to function, so that it stays in a register.
 * Texts in a record are followed by zeros up to a multiple of 8: they are read in whole words, and
 * what was copied behind their end is written over.
 *
 * An upper bound for the text is known from the record's own bound (a byte becomes at most six, a
 * key is written once for each field), so the writer checks room only where text of the wire goes.
 */
#include "outputs/encode_json_inside.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#if defined(__has_attribute) && __has_attribute(uninitialized)
#define UNCLEARED __attribute__((uninitialized))
#else
#define UNCLEARED
#endif

/* One call. */
struct writer {
    struct encode_json *encoder;
    char *end;
    const struct key *previous;
    enum field list; /* list or map that is open; FIELD_COUNT = none */
    char list_end; /* of that one */
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

/* --- small writers: each writes at `at` and gives back where it ended --- */

static inline char *put(char *at, const char *from, size_t bytes)
{
    memcpy(at, from, bytes);
    return at + bytes;
}

#define PUT(at, literal) put(at, literal, sizeof(literal) - 1)

static inline char *put_byte(char *at, char byte)
{
    *at = byte;
    return at + 1;
}

static inline char *put_pair(char *at, uint64_t value)
{
    memcpy(at, digit_pairs + 2 * value, 2);
    return at + 2;
}

/* More than four digits. */
static __attribute__((noinline)) char *put_long_number(char *at, uint64_t value)
{
    char digits[2 * COPY_BYTES + 4];
    size_t first = 20;

    while (value >= 100) {
        first -= 2;
        memcpy(digits + first, digit_pairs + 2 * (value % 100), 2);
        value /= 100;
    }
    first -= 2;
    memcpy(digits + first, digit_pairs + 2 * value, 2);
    first += value < 10;
    memcpy(at, digits + first, COPY_BYTES);
    memcpy(at + COPY_BYTES, digits + first + COPY_BYTES, 4);
    return at + (20 - first);
}

static inline char *put_number(char *at, uint64_t value)
{
    if (value < 10) {
        return put_byte(at, (char)('0' + value));
    }
    if (value < 100) {
        return put_pair(at, value);
    }
    if (value >= 10000) {
        return put_long_number(at, value);
    }
    at = value < 1000 ? put_byte(at, (char)('0' + value / 100)) : put_pair(at, value / 100);
    return put_pair(at, value % 100);
}

static inline char *put_signed(char *at, int64_t value)
{
    if (value < 0) {
        at = put_byte(at, '-');
    }
    return put_number(at, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

/* Thousandths as a number with a point always: a store that learns types from the first value must
 * learn a fraction. */
static char *put_decimal(char *at, int64_t thousandths)
{
    uint64_t value = thousandths < 0 ? 0 - (uint64_t)thousandths : (uint64_t)thousandths;
    unsigned fraction = (unsigned)(value % 1000);

    if (thousandths < 0) {
        at = put_byte(at, '-');
    }
    at = put_number(at, value / 1000);
    at = put_byte(at, '.');
    at = put_byte(at, (char)('0' + fraction / 100));
    if (fraction % 100 != 0) {
        at = put_byte(at, (char)('0' + fraction / 10 % 10));
    }
    if (fraction % 10 != 0) {
        at = put_byte(at, (char)('0' + fraction % 10));
    }
    return at;
}

/* --- texts --- */

/* The inside of a string that is not plain from here on, and the quote behind it. */
static __attribute__((noinline)) char *put_escaped(const struct writer *writer, char *at,
                                                   struct slice value)
{
    struct text text = text_into(at, (size_t)(writer->end - at));

    (void)text_json(&text, value); /* bytes that are no UTF-8 were noted by the maker */
    assert(!text.overflow);
    return put_byte(at + text.bytes, '"');
}

/* A bit for each byte that JSON cannot hold as it is, or that is not ASCII; the lowest one is
 * exact. */
#if defined(__SSE2__)

enum { STEP_BYTES = 16 };

static inline unsigned special_of(__m128i bytes)
{
    /* As signed numbers all beyond ASCII lie below the controls. */
    __m128i low = _mm_cmplt_epi8(bytes, _mm_set1_epi8(0x20));
    __m128i quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
    __m128i slash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
    __m128i delete = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f));

    return (unsigned)_mm_movemask_epi8(
        _mm_or_si128(_mm_or_si128(low, quote), _mm_or_si128(slash, delete)));
}

/* 16 bytes, of which at least 8 are there and the rest up to a multiple of 8; copied too. */
static inline unsigned copy_step(char *at, const char *from)
{
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)from);
    _mm_storeu_si128((__m128i *)(void *)at, bytes);
    return special_of(bytes);
}

static inline unsigned copy_last(char *at, const char *from)
{
    __m128i bytes = _mm_loadl_epi64((const __m128i *)(const void *)from);
    _mm_storel_epi64((__m128i *)(void *)at, bytes);
    return special_of(bytes);
}

#else

enum { STEP_BYTES = 8 };

static inline unsigned copy_step(char *at, const char *from)
{
    unsigned special = 0;

    for (unsigned i = 0; i < STEP_BYTES; i++) {
        uint8_t byte = (uint8_t)from[i];
        at[i] = from[i];
        special |= (unsigned)(byte < 0x20 || byte >= 0x7f || byte == '"' || byte == '\\') << i;
    }
    return special;
}

static inline unsigned copy_last(char *at, const char *from)
{
    return copy_step(at, from);
}

#endif

/* A string whose text is followed by zeros up to a multiple of 8, as texts of a record are. */
static inline __attribute__((always_inline)) char *put_text(const struct writer *writer, char *at,
                                                            const char *from, size_t bytes)
{
    size_t left = bytes;

    at = put_byte(at, '"');
    for (; left > 8; left -= STEP_BYTES) {
        unsigned special = copy_step(at, from);
        if (left <= STEP_BYTES) {
            if ((special & ((1U << left) - 1)) != 0) {
                return put_escaped(writer, at, slice_of(from, left));
            }
            return put_byte(at + left, '"');
        }
        if (special != 0) {
            return put_escaped(writer, at, slice_of(from, left));
        }
        at += STEP_BYTES;
        from += STEP_BYTES;
    }
    if (left > 0) {
        unsigned special = copy_last(at, from);
        if ((special & ((1U << left) - 1)) != 0) {
            return put_escaped(writer, at, slice_of(from, left));
        }
    }
    return put_byte(at + left, '"');
}

/* A string that nothing is known of. */
static char *put_any_text(const struct writer *writer, char *at, struct slice value)
{
    char padded[RECORD_TEXT_MAX + STEP_BYTES] UNCLEARED;

    if (value.bytes > RECORD_TEXT_MAX) {
        return put_escaped(writer, put_byte(at, '"'), value);
    }
    if (value.bytes > 0) {
        memcpy(padded, value.at, value.bytes);
    }
    memset(padded + value.bytes, 0, STEP_BYTES);
    return put_text(writer, at, padded, value.bytes);
}

/* --- addresses, hashes, dates --- */

static inline char *put_octet(const struct octet *octets, char *at, uint8_t octet)
{
    memcpy(at, octets[octet].text, 4);
    return at + octets[octet].bytes;
}

static char *put_address(const struct writer *writer, char *at, const uint8_t *octets)
{
    struct addr addr;

    memcpy(addr.octets, octets, sizeof addr.octets);
    at = put_byte(at, '"');
    if (addr_is_v4(&addr)) {
        const struct octet *texts = writer->encoder->octets;
        at = put_octet(texts, at, octets[12]);
        at = put_octet(texts, at, octets[13]);
        at = put_octet(texts, at, octets[14]);
        at = put_octet(texts, at, octets[15]) - 1; /* without the last point */
    } else {
        struct text text = text_into(at, ADDR_TEXT_BYTES);
        text_addr(&text, &addr);
        at += text.bytes;
    }
    return put_byte(at, '"');
}

static inline char *put_hex(const struct writer *writer, char *at, uint64_t value)
{
    for (unsigned shift = 64; shift > 0; shift -= 8) {
        memcpy(at, writer->encoder->hex[value >> (shift - 8) & 0xff], 2);
        at += 2;
    }
    return at;
}

static char *put_hash(const struct writer *writer, char *at, struct hash128 hash)
{
    return put_hex(writer, put_hex(writer, at, hash.high), hash.low);
}

static __attribute__((noinline)) void begin_second(struct encode_json *encoder, uint64_t second)
{
    uint64_t day = second / 86400;
    unsigned in_day = (unsigned)(second % 86400);

    if (day != encoder->day) {
        char line[32];
        struct text text = text_into(line, sizeof line);
        text_time(&text, second * NS_PER_S, 0);
        memcpy(encoder->day_text, line, DAY_BYTES);
        encoder->day = day;
    }
    char *at = put(encoder->second_text, encoder->day_text, DAY_BYTES);
    at = put_byte(put_pair(at, in_day / 3600), ':');
    at = put_byte(put_pair(at, in_day / 60 % 60), ':');
    (void)put_byte(put_pair(at, in_day % 60), '.');
    encoder->second = second;
}

/* RFC 3339 with microseconds; the nanoseconds below are cut, never rounded into the next second. */
static char *put_date(const struct writer *writer, char *at, uint64_t time_ns)
{
    struct encode_json *encoder = writer->encoder;
    uint64_t second = time_ns / NS_PER_S;
    uint64_t micros = time_ns % NS_PER_S / NS_PER_US;

    if (second != encoder->second) {
        begin_second(encoder, second);
    }
    at = put_byte(at, '"');
    at = put(at, encoder->second_text, SECOND_BYTES);
    at = put_pair(at, micros / 10000);
    at = put_pair(at, micros / 100 % 100);
    at = put_pair(at, micros % 100);
    return PUT(at, "Z\"");
}

/* --- nesting --- */

static inline char *close_list(struct writer *writer, char *at)
{
    if (writer->list != FIELD_COUNT) {
        at = put_byte(at, writer->list_end);
        writer->list = FIELD_COUNT;
    }
    return at;
}

/* How many objects two fields share. They end with what only one of them has. */
static inline unsigned shared_objects(const struct key *from, const struct key *to)
{
    uint64_t differ = from->outer ^ to->outer;

    return differ != 0 ? (unsigned)__builtin_ctzll(differ) / 16
                       : 4 + (unsigned)__builtin_ctzll(from->inner ^ to->inner) / 16;
}

/* From the previous field to this one: closes, opens, writes the name and the colon. */
static inline char *put_key(struct writer *writer, char *at, enum field field)
{
    const struct key *from = writer->previous;
    const struct key *to = &writer->encoder->keys[field];
    unsigned shared = shared_objects(from, to);

    memcpy(at, "}}}}}}}}", DEPTH_MAX);
    at += from->depth - shared;
    at = put_byte(at, ',');
    const char *text = to->text + to->level_at[shared];
    size_t bytes = (size_t)(to->bytes - to->level_at[shared]);
    memcpy(at, text, COPY_BYTES);
    for (size_t done = COPY_BYTES; done < bytes; done += COPY_BYTES) {
        memcpy(at + done, text + done, COPY_BYTES);
    }
    writer->previous = to;
    return at + bytes;
}

static char *put_community_id(struct writer *writer, char *at)
{
    unsigned needed = HAS_SOURCE | HAS_DESTINATION | HAS_PORTS;

    if (writer->protocol != 0 && (writer->ends & needed) == needed) {
        struct slice id = community_id_of(writer->encoder->community, writer->protocol,
                                          &writer->source, &writer->destination);
        if (!slice_is_empty(id)) {
            at = put_key(writer, at, FIELD_ID_NETWORK_COMMUNITY_ID);
            at = put_byte(at, '"');
            at = put(at, id.at, id.bytes);
            at = put_byte(at, '"');
        }
    }
    return at;
}

/* What the encoder knows better than the maker, in its place among the fields. */
static const enum field milestones[] = {FIELD_ID_OBSERVER_VERSION, FIELD_ID_NETWORK_COMMUNITY_ID,
                                        FIELD_ID_EARSHOT_SCHEMA, FIELD_COUNT};

static __attribute__((noinline)) char *pass_milestones(struct writer *writer, char *at,
                                                       enum field field)
{
    while (field > milestones[writer->milestone]) {
        unsigned passed = writer->milestone++;
        writer->milestone_field = milestones[writer->milestone];
        switch (passed) {
        case 0:
            at = put_key(writer, at, FIELD_ID_OBSERVER_NAME);
            at = put(at, writer->encoder->observer, writer->encoder->observer_bytes);
            writer->previous = &writer->encoder->keys[FIELD_ID_OBSERVER_VERSION];
            break;
        case 1:
            at = put_community_id(writer, at);
            break;
        default:
            at = put_key(writer, at, FIELD_ID_EARSHOT_SCHEMA);
            at = put_byte(at, '1');
            break;
        }
    }
    return at;
}

/* --- values --- */

static inline char *put_truth(char *at, bool value)
{
    memcpy(at, value ? "true\0" : "false", 5);
    return at + (value ? 4 : 5);
}

static char *put_words(const struct writer *writer, char *at, struct slice words)
{
    at = put_byte(at, '[');
    while (!slice_is_empty(words)) {
        at = put_any_text(writer, at, slice_split(&words, ' '));
        if (!slice_is_empty(words)) {
            at = put_byte(at, ',');
        }
    }
    return put_byte(at, ']');
}

static char *put_object(const struct writer *writer, char *at, struct slice object)
{
    struct record_member_view member;
    uint32_t from = 0;
    char before = '{';

    while (record_object_next(object, &from, &member)) {
        at = put_byte(at, before);
        before = ',';
        at = put_any_text(writer, at, member.name);
        at = put_byte(at, ':');
        switch (member.type) {
        case MEMBER_TEXT:
            at = put_any_text(writer, at, member.text);
            break;
        case MEMBER_NUMBER:
            at = put_signed(at, member.number);
            break;
        case MEMBER_BOOL:
            at = put_truth(at, member.number != 0);
            break;
        case MEMBER_WORDS:
            at = put_words(writer, at, member.text);
            break;
        }
    }
    if (before == '{') {
        at = put_byte(at, before);
    }
    return put_byte(at, '}');
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

/* All but texts, which are most of a record. */
static __attribute__((noinline)) char *put_other(const struct writer *writer, char *at,
                                                 const struct record_raw *raw)
{
    struct hash128 hash;

    switch ((enum field_type)raw->type) {
    case FIELD_KEYWORD:
    case FIELD_TEXT:
        break;
    case FIELD_ADDRESS:
        return put_address(writer, at, raw->at);
    case FIELD_LONG:
        return put_signed(at, number_of(raw));
    case FIELD_DECIMAL:
        return put_decimal(at, number_of(raw));
    case FIELD_BOOL:
        return put_truth(at, number_of(raw) != 0);
    case FIELD_DATE:
        return put_date(writer, at, (uint64_t)number_of(raw));
    case FIELD_COUNTS:
        at = put_any_text(writer, at, slice_of(raw->at + 8, raw->bytes - 8));
        return put_signed(put_byte(at, ':'), number_of(raw));
    case FIELD_OBJECTS:
        return put_object(writer, at, slice_of(raw->at, raw->bytes));
    case FIELD_HASH:
        memcpy(&hash.high, raw->at, 8);
        memcpy(&hash.low, raw->at + 8, 8);
        return put_byte(put_hash(writer, put_byte(at, '"'), hash), '"');
    }
    return at;
}

static inline char *put_value(const struct writer *writer, char *at, const struct record_raw *raw)
{
    return raw->type <= FIELD_TEXT ? put_text(writer, at, (const char *)raw->at, raw->bytes)
                                   : put_other(writer, at, raw);
}

static_assert(FIELD_KEYWORD < FIELD_TEXT && FIELD_TEXT < FIELD_ADDRESS, "texts come first");

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

static inline char *begin_field(struct writer *writer, char *at, const struct record_raw *raw)
{
    enum field field = (enum field)raw->field;

    at = close_list(writer, at);
    if (field > writer->milestone_field) {
        at = pass_milestones(writer, at, field);
    }
    if (field >= FIELD_ID_SOURCE_IP && field <= FIELD_ID_NETWORK_TRANSPORT) {
        see_flow(writer, raw);
    }
    at = put_key(writer, at, field);
    unsigned form = writer->previous->form;
    if (form != KEY_VALUE) {
        at = put_byte(at, form == KEY_MAP ? '{' : '[');
        writer->list_end = form == KEY_MAP ? '}' : ']';
        writer->list = field;
    }
    return at;
}

/* --- head --- */

/* The maker's own values of a list that the dataset has a default for, or the default. Reads on
 * while they last. */
static char *put_head_list(struct writer *writer, char *at, const struct record *record,
                           uint32_t *from, struct record_raw *raw, bool *more, enum field field,
                           struct slice preset)
{
    char before = '[';

    if (!*more || raw->field != field) {
        return put(at, preset.at, preset.bytes);
    }
    at = put_key(writer, at, field);
    for (; *more && raw->field == field; *more = record_raw_next(record, from, raw)) {
        at = put_byte(at, before);
        at = put_text(writer, at, (const char *)raw->at, raw->bytes);
        before = ',';
    }
    return put_byte(at, ']');
}

size_t encode_json(struct encode_json *encoder, const struct record *record, uint64_t created_ns,
                   char *out)
{
    const struct head *head = &encoder->heads[record->dataset];
    struct writer writer = {.encoder = encoder,
                            .end = out + ENCODE_JSON_BYTES_MAX,
                            .previous = &encoder->keys[FIELD_ID_EVENT_KIND],
                            .list = FIELD_COUNT,
                            .milestone_field = milestones[0]};
    struct record_raw raw;
    uint32_t from = 0;
    bool more = record_raw_next(record, &from, &raw);

    char *at = PUT(out, "{\"@timestamp\":");
    at = put_date(&writer, at, record->time_ns);
    at = put(at, head->kind, head->kind_bytes);
    at = put_head_list(&writer, at, record, &from, &raw, &more, FIELD_ID_EVENT_CATEGORY,
                       slice_of(head->category, head->category_bytes));
    at = put_head_list(&writer, at, record, &from, &raw, &more, FIELD_ID_EVENT_TYPE,
                       slice_of(head->type, head->type_bytes));
    at = put(at, head->dataset, head->dataset_bytes);
    at = put_hash(&writer, at, record->id);
    at = PUT(at, "\",\"sequence\":");
    at = put_number(at, record->sequence);
    writer.previous = &encoder->keys[FIELD_ID_EVENT_SEQUENCE];
    if (created_ns != 0) {
        at = put_key(&writer, at, FIELD_ID_EVENT_CREATED);
        at = put_date(&writer, at, created_ns);
    }
    for (; more; more = record_raw_next(record, &from, &raw)) {
        assert_hot(writer.end - at > (ptrdiff_t)(6 * (record->bytes - from)));
        if ((enum field)raw.field == writer.list) {
            at = put_byte(at, ',');
        } else {
            at = begin_field(&writer, at, &raw);
        }
        at = put_value(&writer, at, &raw);
    }
    at = close_list(&writer, at);
    at = pass_milestones(&writer, at, FIELD_COUNT);
    for (unsigned level = writer.previous->depth; level > 0; level--) {
        at = put_byte(at, '}');
    }
    at = put_byte(at, '}');
    return (size_t)(at - out);
}
