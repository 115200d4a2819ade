/* encode_json_open.c - what the JSON encoder makes once: a literal for each field, a head for each
 * dataset, the sensor's identity.
 *
 * The object at each level of a name gets an identity: the first field that lies in it. Equal
 * prefixes are neighbours in fields.def (a test holds it to that), so the encoder finds what two
 * fields share by comparing identities, never text. */
#include "outputs/encode_json_inside.h"

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

static uint64_t identity_at(const struct key *key, unsigned level)
{
    return 0xffff & (level < 4 ? key->outer >> (16 * level) : key->inner >> (16 * (level - 4)));
}

static void put_identity(struct key *key, unsigned level, uint64_t identity)
{
    if (level < 4) {
        key->outer |= identity << (16 * level);
    } else {
        key->inner |= identity << (16 * (level - 4));
    }
}

static void make_key(struct encode_json *encoder, enum field field)
{
    struct key *key = &encoder->keys[field];
    const struct field_row *row = &field_rows[field];
    struct text text = text_into(key->text, sizeof key->text);
    struct slice rest = slice_of_string(row->name);

    key->form = row->type == FIELD_COUNTS ? KEY_MAP : row->list ? KEY_LIST : KEY_VALUE;

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
        bool shared = field > 0 && share_object(field_rows[field - 1].name, row->name, key->depth);
        put_identity(key, key->depth,
                     shared ? identity_at(&encoder->keys[field - 1], key->depth) : field);
        key->depth++;
        assert(key->depth < DEPTH_MAX);
    }
    put_identity(key, key->depth, UINT64_C(0x8000) | (uint64_t)field);
    assert(!text.overflow && text.bytes <= KEY_BYTES_MAX);
    key->bytes = (uint8_t)text.bytes;
}

static void make_pairs(struct encode_json *encoder)
{
    static const char digits[17] = "0123456789abcdef";

    for (unsigned byte = 0; byte < PAIRS; byte++) {
        struct octet *octet = &encoder->octets[byte];
        struct text text = text_into(octet->text, sizeof octet->text);
        text_u64(&text, byte);
        text_byte(&text, '.');
        octet->bytes = (uint32_t)text.bytes;
        encoder->hex[byte][0] = digits[byte >> 4];
        encoder->hex[byte][1] = digits[byte & 15];
    }
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

    text_format(&kind, ",\"ecs\":{\"version\":\"%s\"},\"event\":{\"kind\":\"%s\"",
                RECORD_ECS_VERSION, row->kind);
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

/* Names of the operator's: half of what a text may have is kept of them, so that the literal always
 * fits. */
static void put_name(struct text *text, const char *name)
{
    struct slice part = slice_part(slice_of_string(name), 0, RECORD_TEXT_MAX / 2);

    text_byte(text, '"');
    (void)text_json(text, part);
    text_byte(text, '"');
}

enum status encode_json_open(const struct record_identity *identity,
                             struct encode_json **out_encoder, struct error *error)
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
    encoder->second = UINT64_MAX;
    make_pairs(encoder);
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
    text_string(&text,
                ",\"type\":\"sensor\",\"vendor\":\"earshot\",\"product\":\"earshot\",\"version\":");
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
