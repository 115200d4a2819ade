/* record.h - DOOR 3: the only thing that leaves the sensor: fields with a stable identity.
 *
 * Owns      nothing: a record is a run of bytes in memory of its maker (scratch) or in a ring.
 * Borrows   its bytes.
 * Time      @timestamp is packet time; event.created is the wall clock, absent with -r.
 * Bounds    RECORD_BYTES_MAX; what does not fit is left out and named in earshot.truncated.
 * Errors    none.
 * Thread    made by the analyst, read by the writer.
 *
 * Every field stands once in fields.def, in the order in which records hold them: makers put fields
 * in that order (asserted), so encoders nest without sorting. Absent = not put. Values are typed by
 * the row: a number is a number in the struct, nanoseconds stay nanoseconds; encoders print.
 *
 *   record   [struct record][field id 16 | type 8 | 0 | bytes 32 | value, padded to 8] ...
 *   value    text: its bytes; address: 16; number, bool, date: int64; hash: high, low;
 *            count: uint64, then the name;
 *            object: members [type 8 | name bytes 8 | text bytes 16 | 0 32 | int64 | name | text],
 *            each padded to 8
 *
 * Rows with the flag HEAD are written by the encoder from the head, the dataset and the sensor's
 * identity. */
#ifndef OUTPUTS_RECORD_H
#define OUTPUTS_RECORD_H

#include "base/addr.h"
#include "base/clock.h"
#include "base/hash.h"

enum {
    RECORD_BYTES_MAX = 64 << 10,
    RECORD_TEXT_MAX = 256, /* of a keyword; what is longer is cut at a character */
    RECORD_SENTENCE_MAX = 1024, /* of FIELD_TEXT */
    RECORD_TRUNCATED_MAX = 8,
    RECORD_MEMBERS_MAX = 8, /* of an object */
    OUTPUT_PLACES_MAX = 64, /* configured outputs, and so names in the maps of a sensor record */
};

#define RECORD_ECS_VERSION "8.17.0" /* every name of a row with `ecs` is in it, and in 9.4 */

enum field_type {
    FIELD_KEYWORD, /* text; a list when put more than once in a row */
    FIELD_TEXT, /* text for people: message */
    FIELD_ADDRESS, /* struct addr -> ip */
    FIELD_LONG, /* uint64_t or int64_t */
    FIELD_DECIMAL, /* int64_t in thousandths -> a number with up to 3 decimals (float) */
    FIELD_BOOL,
    FIELD_DATE, /* uint64_t ns; @timestamp and dates print microseconds */
    FIELD_COUNTS, /* a map name -> count: put as pairs */
    FIELD_OBJECTS, /* a list of small objects, each a run of named members: sdp media */
    FIELD_HASH, /* struct hash128 -> 32 hex digits */
};

enum field_privacy { PRIVACY_NONE, PRIVACY_NUMBER, PRIVACY_USER, PRIVACY_ADDRESS, PRIVACY_URI };

enum field_flag { FIELD_FLAG_ECS = 1, FIELD_FLAG_LIST = 2, FIELD_FLAG_HEAD = 4 };
enum field_flags {
    FIELD_FLAGS_OWN = 0,
    FIELD_FLAGS_OWN_LIST = FIELD_FLAG_LIST,
    FIELD_FLAGS_OWN_HEAD = FIELD_FLAG_HEAD,
    FIELD_FLAGS_ECS = FIELD_FLAG_ECS,
    FIELD_FLAGS_ECS_LIST = FIELD_FLAG_ECS | FIELD_FLAG_LIST,
    FIELD_FLAGS_HEAD = FIELD_FLAG_ECS | FIELD_FLAG_HEAD,
    FIELD_FLAGS_HEAD_LIST = FIELD_FLAG_ECS | FIELD_FLAG_HEAD | FIELD_FLAG_LIST,
};

/* `ecs` tells whether the name is of the Elastic Common Schema (and must be in its published list)
 * or our own. */
struct field_row {
    const char *name; /* dotted */
    enum field_type type;
    bool ecs;
    bool list; /* always an array in JSON, also with one value */
    bool head; /* written by the encoder */
    enum field_privacy privacy;
    const char *unit; /* "ns", "ms", "" */
    const char *meaning; /* one sentence */
};

enum field {
#define FIELD(id, name, type, flags, privacy, unit, meaning) FIELD_ID_##id,
#include "outputs/fields.def"
#undef FIELD
    FIELD_COUNT
};

extern const struct field_row field_rows[FIELD_COUNT];
/* FIELD_COUNT where there is no such name. */
enum field field_find(struct slice name);
const char *
field_type_name(enum field_type type); /* "keyword", "long" ... as Elasticsearch calls it */
const char *field_privacy_name(enum field_privacy privacy);

enum dataset {
#define DATASET(id, name, kind, categories, types, help) DATASET_##id,
#include "outputs/datasets.def"
#undef DATASET
    DATASET_COUNT
};

struct dataset_row {
    const char *name; /* "earshot.call" */
    const char *kind; /* event.kind */
    const char *categories; /* event.category, comma separated */
    const char *types; /* event.type, comma separated; the maker may put others instead */
    const char *help;
};

extern const struct dataset_row dataset_rows[DATASET_COUNT];

/* Who writes: the same in every record of a run. Texts outlive whoever was given them. */
struct record_identity {
    const char *observer; /* observer.name */
    const char *hostname; /* NULL: left out, as for captures that are read from files */
    const char *version;
};

struct record {
    uint32_t bytes; /* of all, with this head */
    uint16_t dataset;
    uint16_t field_last; /* id put last: order check */
    uint64_t time_ns; /* @timestamp */
    uint64_t sequence; /* event.sequence */
    struct hash128 id; /* event.id */
    uint64_t number; /* packet that brought it; of calls and streams their first one; 0 at a mark */
};

/* A record being made in `memory` of RECORD_BYTES_MAX bytes, 8-aligned. */
struct record_maker {
    struct record *record;
    bool overflow; /* something was left out */
    bool invalid_utf8;
    uint8_t truncated_count;
    uint16_t truncated[RECORD_TRUNCATED_MAX]; /* fields cut or left out, each once */
};

/* One member of an object: text, a number, a truth, or a list of words (text, parted by one space).
 */
enum member_type { MEMBER_TEXT, MEMBER_NUMBER, MEMBER_BOOL, MEMBER_WORDS };
struct record_member {
    const char *name;
    enum member_type type;
    struct slice text;
    int64_t number;
};

void record_begin(struct record_maker *maker, void *memory, enum dataset dataset, uint64_t time_ns,
                  uint64_t number);
void record_text(struct record_maker *maker, enum field field,
                 struct slice value); /* empty: not put */
/* Inline, so that the length of a literal is known where it is put. */
static inline void record_string(struct record_maker *maker, enum field field, const char *value)
{
    record_text(maker, field, value == NULL ? SLICE_NONE : slice_of(value, strlen(value)));
}
void record_address(struct record_maker *maker, enum field field, const struct addr *value);
void record_long(struct record_maker *maker, enum field field, int64_t value);
void record_decimal(struct record_maker *maker, enum field field, int64_t thousandths);
void record_bool(struct record_maker *maker, enum field field, bool value);
void record_date(struct record_maker *maker, enum field field, uint64_t time_ns);
void record_hash(struct record_maker *maker, enum field field, struct hash128 value);
/* One pair of a FIELD_COUNTS map; pairs of one field follow each other in the order in which they
 * shall stand. */
void record_count(struct record_maker *maker, enum field field, struct slice name, uint64_t count);
/* One object of a FIELD_OBJECTS list; members whose text is empty are left out. */
void record_object(struct record_maker *maker, enum field field,
                   const struct record_member *members, size_t count);
/* The values between two places of another record, as record_raw_next() counts them; `last` is the
 * field of the last one. */
void record_copy(struct record_maker *maker, const struct record *from, uint32_t begin,
                 uint32_t end, enum field last);
/* A field was cut or left out before it came here. */
void record_note_truncated(struct record_maker *maker, enum field field);
/* earshot.truncated and tags, the identity and the sequence; the record is complete. */
void record_end(struct record_maker *maker, struct hash128 id, uint64_t sequence);

/* --- readers (encoders, report) --- */
struct record_value {
    enum field field;
    enum field_type type;
    struct slice text; /* keyword and text; name of a count; raw members of an object */
    struct addr address;
    int64_t number; /* long, decimal (thousandths), bool, date (ns, as uint64_t), count */
    struct hash128 hash;
};

/* A value as its bytes stand in the record: for encoders, which print millions of them. Texts are
 * followed by zeros up to the next multiple of 8. Start with *at = 0. */
struct record_raw {
    uint16_t field;
    uint8_t type;
    uint32_t bytes;
    const uint8_t *at; /* 8-aligned */
};
static inline bool record_raw_next(const struct record *record, uint32_t *at,
                                   struct record_raw *out_raw)
{
    uint32_t from = *at == 0 ? (uint32_t)sizeof *record : *at;
    const uint8_t *head = (const uint8_t *)record + from;

    if (from >= record->bytes) {
        return false;
    }
    memcpy(&out_raw->field, head, sizeof out_raw->field);
    out_raw->type = head[2];
    memcpy(&out_raw->bytes, head + 4, sizeof out_raw->bytes);
    out_raw->at = head + 8;
    *at = from + 8 + ((out_raw->bytes + 7) & ~UINT32_C(7));
    return true;
}

/* Walks the fields in order; start with *at = 0. */
bool record_next(const struct record *record, uint32_t *at, struct record_value *out_value);
/* The first value of a field; false when it was not put. */
bool record_get(const struct record *record, enum field field, struct record_value *out_value);
/* The next member of an object value; start with *at = 0. Its name is not NUL-terminated. */
struct record_member_view {
    struct slice name;
    enum member_type type;
    struct slice text;
    int64_t number;
};
bool record_object_next(struct slice object, uint32_t *at, struct record_member_view *out_member);

#endif
