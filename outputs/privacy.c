/* privacy.c - which values of a record hold names, and what stands in their place.
 *
 *      record  │ head │ a b c │ user.name │ d e │ message │ ...        the maker's
 *                      ─────    reduced     ───   reduced              runs are copied as they stand
 *      record  │ head │ a b c │ u-fdbf... │ d e │ ......  │ ...        ours
 *
 * The privacy class of a field (fields.def) says whether it is looked at; what is done depends on
 * the text alone, so the same name is reduced alike in all of them. Sentences come before the
 * fields that know their names: a record that holds one is walked twice. Its makers see to it that
 * whoever stands in a sentence stands in a field too (related.user).
 *
 * An alert's entity is a name only where its type says so; of a pair the second part may be a
 * device. Identities that are made of names are keyed like them. What is told of cut and invalid
 * texts is made anew at the end, where a record has it. */
#include "outputs/privacy.h"

#include "outputs/reduce.h"

enum { KEY_BYTES_MIN = 16 };

#define MODES "clear|hash|mask" /* enum reduce_mode */

/* clang-format off */
const struct option privacy_options[] = {
    OPTION_CHOICE("numbers", privacy_conf, numbers, "clear", MODES,
                  "numbers in records and report: as they are, as a keyed hash that still joins, or their last digits hidden"),
    OPTION_CHOICE("users", privacy_conf, users, "clear", MODES,
                  "users and display names in records and report: the same; mask leaves the first letter"),
    OPTION_SECRET("key", privacy_conf, key,
                  "key of the hashes, at least 16 characters; who has it finds a caller again (docs/privacy.md)"),
    {.kind = OPTION_END},
};
/* clang-format on */

enum way {
    WAY_COPY,
    WAY_NAME,
    WAY_URI,
    WAY_SENTENCE,
    WAY_FOREIGN, /* a text that is not ours */
    WAY_HOST, /* a number may stand there */
    WAY_MANY, /* the alert stands for many */
    WAY_ENTITY_TYPE,
    WAY_ENTITY,
    WAY_SECONDARY,
    WAY_IDENTITY,
    WAY_TRUNCATED,
    WAY_TAGS,
};

struct privacy {
    struct reducer *reducer; /* NULL = all is clear */
    uint8_t ways[FIELD_COUNT];
    char text[REDUCE_SENTENCE_BYTES_MAX];
    _Alignas(8) uint8_t memory[RECORD_BYTES_MAX];
};

/* What the fields before a value have said of it. */
struct scope {
    bool many;
    struct slice entity_type;
};

enum status privacy_check(const struct privacy_conf *conf, struct error *error)
{
    bool hashes = conf->numbers == REDUCE_HASH || conf->users == REDUCE_HASH;
    const char *where = conf->numbers == REDUCE_HASH ? "privacy.numbers" : "privacy.users";

    if (!hashes || strlen(conf->key) >= KEY_BYTES_MIN) {
        return STATUS_OK;
    }
    return error_set(error, STATUS_USAGE, conf->key[0] == '\0' ? where : "privacy.key",
                     conf->key[0] == '\0'
                         ? "hash needs privacy.key, a secret of at least %d characters"
                         : "a key of less than %d characters can be guessed",
                     KEY_BYTES_MIN);
}

static bool is_host(enum field field)
{
    struct slice name = slice_of_string(field_rows[field].name);

    return slice_equal(slice_from(name, slice_find_last(name, '.')), SLICE(".host")) ||
           field == FIELD_ID_RELATED_HOSTS || field == FIELD_ID_USER_DOMAIN;
}

static enum way way_of(enum field field)
{
    if (is_host(field)) {
        return WAY_HOST;
    }
    switch ((int)field) {
    case FIELD_ID_EARSHOT_ALERT_MANY:
        return WAY_MANY;
    case FIELD_ID_EARSHOT_ALERT_ENTITY_TYPE:
        return WAY_ENTITY_TYPE;
    case FIELD_ID_EARSHOT_ALERT_ENTITY_VALUE:
        return WAY_ENTITY;
    case FIELD_ID_EARSHOT_ALERT_SECONDARY:
        return WAY_SECONDARY;
    case FIELD_ID_EARSHOT_ALERT_ID:
    case FIELD_ID_EARSHOT_ALERT_CHAIN_ID:
    case FIELD_ID_EARSHOT_ALERT_CONTINUES:
    case FIELD_ID_EARSHOT_RESPONSE_ID:
    case FIELD_ID_EARSHOT_RESPONSE_ALERT_ID:
        return WAY_IDENTITY;
    case FIELD_ID_EARSHOT_TRUNCATED:
        return WAY_TRUNCATED;
    case FIELD_ID_TAGS:
        return WAY_TAGS;
    case FIELD_ID_ERROR_MESSAGE:
        return WAY_FOREIGN;
    default:
        break;
    }
    switch (field_rows[field].privacy) {
    case PRIVACY_NUMBER:
    case PRIVACY_USER:
        return field_rows[field].type == FIELD_TEXT ? WAY_SENTENCE : WAY_NAME;
    case PRIVACY_URI:
        return WAY_URI;
    case PRIVACY_NONE:
    case PRIVACY_ADDRESS:
        break;
    }
    return WAY_COPY;
}

enum status privacy_open(const struct privacy_conf *conf, struct privacy **out_privacy,
                         struct error *error)
{
    bool clear = conf->numbers == REDUCE_CLEAR && conf->users == REDUCE_CLEAR;
    enum status status = privacy_check(conf, error);

    if (status != STATUS_OK) {
        return status;
    }
    struct privacy *privacy = calloc(1, sizeof *privacy);
    if (privacy == NULL) {
        return error_set(error, STATUS_FAILED, "privacy", "no memory for it");
    }
    for (unsigned i = 0; i < FIELD_COUNT; i++) {
        privacy->ways[i] = (uint8_t)way_of((enum field)i);
    }
    status = clear ? STATUS_OK
                   : reduce_open((enum reduce_mode)conf->numbers, (enum reduce_mode)conf->users,
                                 slice_of_string(conf->key), &privacy->reducer, error);
    if (status != STATUS_OK) {
        privacy_close(privacy);
        return status;
    }
    *out_privacy = privacy;
    return STATUS_OK;
}

void privacy_close(struct privacy *privacy)
{
    if (privacy == NULL) {
        return;
    }
    reduce_close(privacy->reducer);
    free(privacy);
}

static bool names_account(struct slice entity_type)
{
    return slice_equal(entity_type, SLICE("account")) ||
           slice_equal(entity_type, SLICE("account-device"));
}

static bool names_number(struct slice entity_type)
{
    return slice_equal(entity_type, SLICE("number-block")) ||
           slice_equal(entity_type, SLICE("caller-block"));
}

/* Of an alert's own fields: what they are in this record. */
static enum way way_in(struct scope *scope, enum way way, struct slice text)
{
    bool is_name = false;

    switch (way) {
    case WAY_HOST:
        is_name = reduce_is_host_number(text);
        break;
    case WAY_MANY:
        scope->many = true;
        break;
    case WAY_ENTITY_TYPE:
        scope->entity_type = text;
        break;
    case WAY_ENTITY:
        is_name =
            !scope->many && (names_account(scope->entity_type) || names_number(scope->entity_type));
        break;
    case WAY_SECONDARY:
        is_name = slice_equal(scope->entity_type, SLICE("source-account"));
        break;
    case WAY_COPY:
    case WAY_NAME:
    case WAY_URI:
    case WAY_SENTENCE:
    case WAY_FOREIGN:
    case WAY_IDENTITY:
    case WAY_TRUNCATED:
    case WAY_TAGS:
        return way;
    }
    return is_name ? WAY_NAME : WAY_COPY;
}

static void remember_names(struct privacy *privacy, const struct record *record)
{
    struct scope scope = {.many = false};
    struct record_raw raw;
    uint32_t at = 0;

    reduce_forget(privacy->reducer);
    while (record_raw_next(record, &at, &raw)) {
        enum way way = (enum way)privacy->ways[raw.field];
        struct slice text = slice_of(raw.at, raw.bytes);
        if (way != WAY_COPY && way_in(&scope, way, text) == WAY_NAME) {
            reduce_remember(privacy->reducer, text);
        }
    }
}

static void put_identity(struct privacy *privacy, struct record_maker *maker, enum field field,
                         struct slice value)
{
    struct hash128 identity;

    assert(value.bytes == sizeof identity);
    memcpy(&identity, value.at, sizeof identity);
    record_hash(maker, field, reduce_identity(privacy->reducer, identity));
}

/* event.id of a registration is made of its account, that of an alert of its entity, that of a
 * response of the alert's. */
static struct hash128 identity_of(struct privacy *privacy, const struct record *record)
{
    bool of_names = record->dataset == DATASET_REGISTRATION || record->dataset == DATASET_ALERT ||
                    record->dataset == DATASET_RESPONSE;

    return of_names ? reduce_identity(privacy->reducer, record->id) : record->id;
}

/* What the maker notes and record_end() writes. */
static void take_note(struct record_maker *maker, enum way way, struct slice text)
{
    enum field field = way == WAY_TRUNCATED ? field_find(text) : FIELD_COUNT;

    maker->invalid_utf8 |= way == WAY_TAGS;
    if (field != FIELD_COUNT) {
        record_note_truncated(maker, field);
    }
}

static void put_value(struct privacy *privacy, struct record_maker *maker, enum way way,
                      const struct record_raw *raw)
{
    enum field field = (enum field)raw->field;
    struct slice value = slice_of(raw->at, raw->bytes);
    struct text text = text_into(privacy->text, sizeof privacy->text);

    switch (way) {
    case WAY_NAME:
        reduce_name(privacy->reducer, value, &text);
        break;
    case WAY_URI:
        reduce_uri(privacy->reducer, value, &text);
        break;
    case WAY_SENTENCE:
        reduce_sentence(privacy->reducer, value, &text);
        break;
    case WAY_FOREIGN:
        reduce_foreign(privacy->reducer, value, &text);
        break;
    case WAY_IDENTITY:
        put_identity(privacy, maker, field, value);
        break;
    case WAY_COPY:
    case WAY_HOST:
    case WAY_MANY:
    case WAY_ENTITY_TYPE:
    case WAY_ENTITY:
    case WAY_SECONDARY:
    case WAY_TRUNCATED:
    case WAY_TAGS:
        take_note(maker, way, value);
        break;
    }
    record_text(maker, field, text_slice(&text)); /* puts nothing where there is none */
}

const struct record *privacy_apply(struct privacy *privacy, const struct record *record)
{
    struct scope scope = {.many = false};
    struct record_maker maker;
    struct record_raw raw;
    uint32_t at = 0;
    uint32_t copied = sizeof *record; /* up to here the record has been taken over */
    uint16_t last = 0; /* field before */
    bool knows_names = false;

    if (privacy->reducer == NULL) {
        return record;
    }
    record_begin(&maker, privacy->memory, (enum dataset)record->dataset, record->time_ns,
                 record->number);
    for (uint32_t from = copied; record_raw_next(record, &at, &raw); from = at) {
        enum way way = (enum way)privacy->ways[raw.field];
        if (__builtin_expect(way == WAY_COPY, 1)) {
            last = raw.field;
            continue;
        }
        way = way_in(&scope, way, slice_of(raw.at, raw.bytes));
        if (way == WAY_COPY) {
            last = raw.field;
            continue;
        }
        record_copy(&maker, record, copied, from, (enum field)last);
        copied = at;
        if ((way == WAY_SENTENCE || way == WAY_FOREIGN) && !knows_names) {
            remember_names(privacy, record);
            knows_names = true;
        }
        put_value(privacy, &maker, way, &raw);
    }
    record_copy(&maker, record, copied, record->bytes, (enum field)last);
    record_end(&maker, identity_of(privacy, record), record->sequence);
    return maker.record;
}
