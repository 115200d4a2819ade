/* record.c - fields in a row, in the order of fields.def.
 *
 * A record is made once and read by every encoder and report, so the maker pays for order and
 * encoders need none: a field that comes out of order is a bug of ours and asserted. What an
 * attacker sends can be long or no text at all: it is cut at a character, marked, and kept as
 * bytes; making text of it is the encoder's business.
 *
 * The last RESERVE bytes are kept for earshot.truncated and tags, so that a record that is full can
 * still say so. */
#include "outputs/record.h"

const struct field_row field_rows[FIELD_COUNT] = {
/* clang-format off */
#define FIELD(id, name_, type_, flags, privacy_, unit_, meaning_) \
    [FIELD_ID_##id] = {.name = name_, .type = FIELD_##type_, \
                       .ecs = (FIELD_FLAGS_##flags & FIELD_FLAG_ECS) != 0, \
                       .list = (FIELD_FLAGS_##flags & FIELD_FLAG_LIST) != 0, \
                       .head = (FIELD_FLAGS_##flags & FIELD_FLAG_HEAD) != 0, \
                       .privacy = PRIVACY_##privacy_, .unit = unit_, .meaning = meaning_},
/* clang-format on */
#include "outputs/fields.def"
#undef FIELD
};

/* What every put looks at, in a few lines of the cache: the type, and whether it may repeat. */
static const struct {
    uint8_t type;
    uint8_t step; /* to the next field that may follow: 0 = itself */
} field_shapes[FIELD_COUNT] = {
/* clang-format off */
#define FIELD(id, name, type_, flags, privacy, unit, meaning) \
    [FIELD_ID_##id] = {.type = FIELD_##type_, \
                       .step = (FIELD_FLAGS_##flags & FIELD_FLAG_LIST) == 0 && FIELD_##type_ != FIELD_COUNTS},
/* clang-format on */
#include "outputs/fields.def"
#undef FIELD
};

const struct dataset_row dataset_rows[DATASET_COUNT] = {
/* clang-format off */
#define DATASET(id, name_, kind_, categories_, types_, help_) \
    [DATASET_##id] = {.name = name_, .kind = kind_, .categories = categories_, .types = types_, .help = help_},
/* clang-format on */
#include "outputs/datasets.def"
#undef DATASET
};

#define HIGH_BITS UINT64_C(0x8080808080808080)

enum { RESERVE_BYTES = 1024, VALUE_ALIGN = 8 };

struct value_head {
    uint16_t field;
    uint8_t type;
    uint8_t reserved;
    uint32_t bytes;
};

struct member_head {
    uint8_t type;
    uint8_t name_bytes;
    uint16_t text_bytes;
    uint32_t reserved;
    int64_t number;
};

static_assert(sizeof(struct value_head) == 8, "a value begins at a multiple of 8");
static_assert(sizeof(struct member_head) == 16, "no padding goes into a ring");
static_assert(sizeof(struct record) % VALUE_ALIGN == 0,
              "fields follow the head at a multiple of 8");

static uint32_t padded(size_t bytes)
{
    return (uint32_t)((bytes + VALUE_ALIGN - 1) & ~(size_t)(VALUE_ALIGN - 1));
}

enum field field_find(struct slice name)
{
    for (unsigned i = 0; i < FIELD_COUNT; i++) {
        if (slice_equal(name, slice_of_string(field_rows[i].name))) {
            return (enum field)i;
        }
    }
    return FIELD_COUNT;
}

const char *field_type_name(enum field_type type)
{
    static const char *const names[] = {
        [FIELD_KEYWORD] = "keyword", [FIELD_TEXT] = "match_only_text", [FIELD_ADDRESS] = "ip",
        [FIELD_LONG] = "long",       [FIELD_DECIMAL] = "float",        [FIELD_BOOL] = "boolean",
        [FIELD_DATE] = "date",       [FIELD_COUNTS] = "object",        [FIELD_OBJECTS] = "nested",
        [FIELD_HASH] = "keyword",
    };
    return names[type];
}

const char *field_privacy_name(enum field_privacy privacy)
{
    static const char *const names[] = {
        [PRIVACY_NONE] = "none",       [PRIVACY_NUMBER] = "number", [PRIVACY_USER] = "user",
        [PRIVACY_ADDRESS] = "address", [PRIVACY_URI] = "uri",
    };
    return names[privacy];
}

/* --- making --- */

void record_note_truncated(struct record_maker *maker, enum field field)
{
    for (unsigned i = 0; i < maker->truncated_count; i++) {
        if (maker->truncated[i] == field) {
            return;
        }
    }
    if (maker->truncated_count < RECORD_TRUNCATED_MAX) {
        maker->truncated[maker->truncated_count++] = (uint16_t)field;
    }
}

enum { ROOM = RECORD_BYTES_MAX - RESERVE_BYTES };

/* The head of a value and zeros behind its end; the record has room for it. */
static inline uint8_t *place_value(struct record *record, enum field field, enum field_type type,
                                   size_t bytes)
{
    uint32_t whole = padded(bytes) + (uint32_t)sizeof(struct value_head);
    uint8_t *at = (uint8_t *)record + record->bytes;
    struct value_head head = {
        .field = (uint16_t)field, .type = (uint8_t)type, .bytes = (uint32_t)bytes};

    memset(at + whole - VALUE_ALIGN, 0,
           VALUE_ALIGN); /* first: an empty value is nothing but a head */
    memcpy(at, &head, sizeof head);
    record->bytes += whole;
    record->field_last = (uint16_t)field;
    return at + sizeof head;
}

/* Room for a value of `bytes`, its head written and its padding zeroed; NULL (and noted) when the
 * record is full. */
static __attribute__((noinline)) uint8_t *put_value(struct record_maker *maker, enum field field,
                                                    enum field_type type, size_t bytes,
                                                    size_t limit)
{
    struct record *record = maker->record;

    assert(field_shapes[field].type == type);
    assert(record->field_last + field_shapes[field].step <= (unsigned)field);
    if (padded(bytes) + sizeof(struct value_head) > limit - record->bytes) {
        maker->overflow = true;
        record_note_truncated(maker, field);
        return NULL;
    }
    return place_value(record, field, type, bytes);
}

/* The same for nearly all values: behind the last one, and there is room. NULL = ask put_value(). */
static inline uint8_t *put_behind(struct record_maker *maker, enum field field,
                                  enum field_type type, size_t bytes)
{
    struct record *record = maker->record;

    if (field_shapes[field].type != type ||
        record->field_last + field_shapes[field].step > (unsigned)field ||
        record->bytes + bytes + sizeof(struct value_head) + VALUE_ALIGN > ROOM) {
        return NULL;
    }
    return place_value(record, field, type, bytes);
}

static inline uint8_t *put_room(struct record_maker *maker, enum field field, enum field_type type,
                                size_t bytes)
{
    uint8_t *at = put_behind(maker, field, type, bytes);

    return at != NULL ? at : put_value(maker, field, type, bytes, ROOM);
}

void record_begin(struct record_maker *maker, void *memory, enum dataset dataset, uint64_t time_ns,
                  uint64_t number)
{
    struct record *record = memory;

    assert((uintptr_t)memory % VALUE_ALIGN == 0);
    memset(record, 0, sizeof *record);
    record->bytes = sizeof *record;
    record->dataset = (uint16_t)dataset;
    record->time_ns = time_ns;
    record->number = number;
    maker->record = record;
    maker->overflow = false;
    maker->invalid_utf8 = false;
    maker->truncated_count = 0;
}

/* Is there a byte above 0x7f? Almost never: then nobody looks for UTF-8. */
static bool has_high_byte(struct slice text)
{
    uint64_t seen = 0;
    size_t at = 0;

    for (; at + 8 <= text.bytes; at += 8) {
        uint64_t word;
        memcpy(&word, text.at + at, 8);
        seen |= word;
    }
    for (; at < text.bytes; at++) {
        seen |= (uint8_t)text.at[at];
    }
    return (seen & HIGH_BITS) != 0;
}

/* Well-formed UTF-8 as base/text.c judges it: what its writer does not complain about. */
static bool is_utf8(struct slice text)
{
    char scratch[6 * 64];

    while (text.bytes > 0) {
        size_t piece = text.bytes < 64 ? text.bytes : 64;
        /* A piece ends before a character, so that none is torn. */
        while (piece < text.bytes && piece > 60 && ((uint8_t)text.at[piece] & 0xc0) == 0x80) {
            piece--;
        }
        struct text out = text_into(scratch, sizeof scratch);
        if (!text_json(&out, slice_part(text, 0, piece))) {
            return false;
        }
        text = slice_from(text, piece);
    }
    return true;
}

/* At most `max` bytes, not inside a character where the text is UTF-8. */
static struct slice cut(struct slice text, size_t max)
{
    size_t end = max;

    while (end > max - 4 && ((uint8_t)text.at[end] & 0xc0) == 0x80) {
        end--;
    }
    return slice_part(text, 0, ((uint8_t)text.at[end] & 0xc0) == 0x80 ? max : end);
}

static __attribute__((noinline)) void note_invalid(struct record_maker *maker, struct slice value)
{
    if (!maker->invalid_utf8 && has_high_byte(value)) {
        maker->invalid_utf8 = !is_utf8(value);
    }
}

static enum field_type text_type(enum field field)
{
    return field_shapes[field].type == FIELD_TEXT ? FIELD_TEXT : FIELD_KEYWORD;
}

/* Copies a text and gives back its bytes or-ed together: bit 7 tells whether one was above 0x7f. */
static inline uint64_t copy_text(uint8_t *to, const char *from, size_t bytes)
{
    uint64_t seen = 0;
    uint64_t word;
    uint32_t first;
    uint32_t last;

    if (bytes >= 8) {
        for (size_t at = 0; at + 8 < bytes; at += 8) {
            memcpy(&word, from + at, 8);
            memcpy(to + at, &word, 8);
            seen |= word;
        }
        memcpy(&word, from + bytes - 8, 8); /* some of them twice */
        memcpy(to + bytes - 8, &word, 8);
        return seen | word;
    }
    if (bytes >= 4) {
        memcpy(&first, from, 4);
        memcpy(&last, from + bytes - 4, 4);
        memcpy(to, &first, 4);
        memcpy(to + bytes - 4, &last, 4);
        return first | last;
    }
    for (size_t at = 0; at < bytes; at++) {
        to[at] = (uint8_t)from[at];
        seen |= to[at];
    }
    return seen;
}

/* A text that is longer than a keyword, not ASCII, one of several, or the last one that fits. */
static __attribute__((noinline)) void put_odd_text(struct record_maker *maker, enum field field,
                                                   struct slice value)
{
    enum field_type type = text_type(field);
    size_t max = type == FIELD_TEXT ? RECORD_SENTENCE_MAX : RECORD_TEXT_MAX;

    if (value.bytes > max) {
        value = cut(value, max);
        record_note_truncated(maker, field);
    }
    note_invalid(maker, value);
    uint8_t *at = put_value(maker, field, type, value.bytes, ROOM);
    if (at != NULL) {
        memcpy(at, value.at, value.bytes);
    }
}

void record_text(struct record_maker *maker, enum field field, struct slice value)
{
    if (slice_is_empty(value)) {
        return;
    }
    uint8_t *at = value.bytes > RECORD_TEXT_MAX
                      ? NULL
                      : put_behind(maker, field, text_type(field), value.bytes);
    if (at == NULL) {
        put_odd_text(maker, field, value);
    } else if ((copy_text(at, value.at, value.bytes) & HIGH_BITS) != 0) {
        note_invalid(maker, value);
    }
}

void record_address(struct record_maker *maker, enum field field, const struct addr *value)
{
    uint8_t *at = put_room(maker, field, FIELD_ADDRESS, sizeof value->octets);

    if (at != NULL) {
        memcpy(at, value->octets, sizeof value->octets);
    }
}

static inline void put_number(struct record_maker *maker, enum field field, enum field_type type,
                              int64_t value)
{
    uint8_t *at = put_room(maker, field, type, sizeof value);

    if (at != NULL) {
        memcpy(at, &value, sizeof value);
    }
}

void record_long(struct record_maker *maker, enum field field, int64_t value)
{
    put_number(maker, field, FIELD_LONG, value);
}

void record_decimal(struct record_maker *maker, enum field field, int64_t thousandths)
{
    put_number(maker, field, FIELD_DECIMAL, thousandths);
}

void record_bool(struct record_maker *maker, enum field field, bool value)
{
    put_number(maker, field, FIELD_BOOL, value);
}

void record_date(struct record_maker *maker, enum field field, uint64_t time_ns)
{
    put_number(maker, field, FIELD_DATE, (int64_t)time_ns);
}

void record_hash(struct record_maker *maker, enum field field, struct hash128 value)
{
    uint8_t *at = put_room(maker, field, FIELD_HASH, 16);

    if (at != NULL) {
        memcpy(at, &value.high, 8);
        memcpy(at + 8, &value.low, 8);
    }
}

void record_count(struct record_maker *maker, enum field field, struct slice name, uint64_t count)
{
    name = name.bytes > RECORD_TEXT_MAX ? cut(name, RECORD_TEXT_MAX) : name;
    uint8_t *at = put_room(maker, field, FIELD_COUNTS, sizeof count + name.bytes);

    if (at != NULL) {
        memcpy(at, &count, sizeof count);
        if (name.bytes > 0) {
            memcpy(at + sizeof count, name.at, name.bytes);
        }
    }
}

/* Value by value, as long as there is room. */
static __attribute__((noinline)) uint32_t
copy_some(struct record_maker *maker, const struct record *from, uint32_t begin, uint32_t end)
{
    uint32_t used = maker->record->bytes;
    struct record_raw raw;
    uint32_t at = begin;
    uint32_t kept = begin;

    while (at < end && record_raw_next(from, &at, &raw)) {
        if (used + (at - begin) <= ROOM) {
            kept = at;
        } else {
            maker->overflow = true;
            record_note_truncated(maker, (enum field)raw.field);
        }
    }
    return kept;
}

void record_copy(struct record_maker *maker, const struct record *from, uint32_t begin,
                 uint32_t end, enum field last)
{
    struct record *record = maker->record;

    if (begin == end) {
        return;
    }
    if (record->bytes + (end - begin) > ROOM) {
        end = copy_some(maker, from, begin, end);
    }
    memcpy((uint8_t *)record + record->bytes, (const uint8_t *)from + begin, end - begin);
    record->bytes += end - begin;
    record->field_last = (uint16_t)last;
}

static bool is_left_out(const struct record_member *member)
{
    return (member->type == MEMBER_TEXT || member->type == MEMBER_WORDS) &&
           slice_is_empty(member->text);
}

void record_object(struct record_maker *maker, enum field field,
                   const struct record_member *members, size_t count)
{
    struct slice texts[RECORD_MEMBERS_MAX];
    size_t bytes = 0;

    assert(count <= RECORD_MEMBERS_MAX);
    for (size_t i = 0; i < count; i++) {
        texts[i] = members[i].text;
        if (texts[i].bytes > RECORD_TEXT_MAX) {
            texts[i] = cut(texts[i], RECORD_TEXT_MAX);
            record_note_truncated(maker, field);
        }
        if (!is_left_out(&members[i])) {
            bytes += padded(sizeof(struct member_head) + strlen(members[i].name) + texts[i].bytes);
        }
        note_invalid(maker, texts[i]);
    }
    uint8_t *at = put_room(maker, field, FIELD_OBJECTS, bytes);
    for (size_t i = 0; i < count && at != NULL; i++) {
        size_t name_bytes = strlen(members[i].name);
        struct member_head head = {.type = (uint8_t)members[i].type,
                                   .name_bytes = (uint8_t)name_bytes,
                                   .text_bytes = (uint16_t)texts[i].bytes,
                                   .number = members[i].number};
        uint32_t whole = padded(sizeof head + name_bytes + texts[i].bytes);

        if (is_left_out(&members[i])) {
            continue;
        }
        assert(name_bytes <= UINT8_MAX);
        memset(at + whole - VALUE_ALIGN, 0, VALUE_ALIGN);
        memcpy(at, &head, sizeof head);
        memcpy(at + sizeof head, members[i].name, name_bytes);
        if (texts[i].bytes > 0) {
            memcpy(at + sizeof head + name_bytes, texts[i].at, texts[i].bytes);
        }
        at += whole;
    }
}

void record_end(struct record_maker *maker, struct hash128 id, uint64_t sequence)
{
    for (unsigned i = 0; i < maker->truncated_count; i++) {
        struct slice name = slice_of_string(field_rows[maker->truncated[i]].name);
        uint8_t *at = put_value(maker, FIELD_ID_EARSHOT_TRUNCATED, FIELD_KEYWORD, name.bytes,
                                RECORD_BYTES_MAX);
        assert(at != NULL);
        memcpy(at, name.at, name.bytes);
    }
    if (maker->invalid_utf8) {
        struct slice tag = SLICE("invalid_utf8");
        uint8_t *at = put_value(maker, FIELD_ID_TAGS, FIELD_KEYWORD, tag.bytes, RECORD_BYTES_MAX);
        assert(at != NULL);
        memcpy(at, tag.at, tag.bytes);
    }
    maker->record->id = id;
    maker->record->sequence = sequence;
}

/* --- reading --- */

bool record_next(const struct record *record, uint32_t *at, struct record_value *out_value)
{
    struct record_raw raw;

    if (!record_raw_next(record, at, &raw)) {
        return false;
    }
    out_value->field = (enum field)raw.field;
    out_value->type = (enum field_type)raw.type;
    switch (out_value->type) {
    case FIELD_KEYWORD:
    case FIELD_TEXT:
    case FIELD_OBJECTS:
        out_value->text = slice_of(raw.at, raw.bytes);
        break;
    case FIELD_ADDRESS:
        memcpy(out_value->address.octets, raw.at, 16);
        break;
    case FIELD_LONG:
    case FIELD_DECIMAL:
    case FIELD_BOOL:
    case FIELD_DATE:
        memcpy(&out_value->number, raw.at, sizeof out_value->number);
        break;
    case FIELD_COUNTS:
        memcpy(&out_value->number, raw.at, sizeof out_value->number);
        out_value->text =
            slice_of(raw.at + sizeof out_value->number, raw.bytes - sizeof out_value->number);
        break;
    case FIELD_HASH:
        memcpy(&out_value->hash.high, raw.at, 8);
        memcpy(&out_value->hash.low, raw.at + 8, 8);
        break;
    }
    return true;
}

bool record_get(const struct record *record, enum field field, struct record_value *out_value)
{
    uint32_t at = 0;

    while (record_next(record, &at, out_value)) {
        if (out_value->field >= field) {
            return out_value->field == field;
        }
    }
    return false;
}

bool record_object_next(struct slice object, uint32_t *at, struct record_member_view *out_member)
{
    struct member_head head;

    if (*at >= object.bytes) {
        return false;
    }
    memcpy(&head, object.at + *at, sizeof head);
    out_member->type = (enum member_type)head.type;
    out_member->number = head.number;
    out_member->name = slice_of(object.at + *at + sizeof head, head.name_bytes);
    out_member->text = slice_of(object.at + *at + sizeof head + head.name_bytes, head.text_bytes);
    *at += padded(sizeof head + head.name_bytes + head.text_bytes);
    return true;
}
