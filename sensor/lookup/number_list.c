/* Rows stand in one table with open addressing, twice as large as it ever fills:
 *
 *   slot = hash(key) & mask, then the next ones;  key = number x 64 + digits x 4 + kind + 1
 *
 * A look divides the number down, length by length, and probes only lengths that the file has. The
 * key of the hash is fixed: the rows are the operator's own. */
#include "sensor/lookup/number_list.h"

#include "base/hash.h"
#include "base/text.h"

enum {
    LINE_BYTES = 1024,
    COLUMNS = 5, /* the last, the note, holds all the rest */
    POINTS_EXACT = 60,
    POINTS_BLOCK = 50,
    POINTS_COUNTRY_MAX = 20,
    COST_MAX = 65535,
    SLOTS_MIN = 16
};

struct number_list {
    struct number_row *slots;
    uint32_t slot_count; /* a power of two */
    uint32_t row_count;
    uint32_t lengths[NUMBER_ROW_KINDS]; /* bit n: the file has rows of n digits */
};

struct place { /* for error texts */
    const char *path;
    uint32_t line;
    const char *line_at;
    struct error *error;
};

static uint64_t key_of(uint64_t number, unsigned digits, enum number_row_kind kind)
{
    return number << 6 | digits << 2 | ((unsigned)kind + 1);
}

static struct number_row *slot_of(const struct number_list *list, uint64_t key)
{
    uint32_t mask = list->slot_count - 1;
    uint32_t at = (uint32_t)hash_mix(key, HASH_KEY_FIXED.seed) & mask;

    while (list->slots[at].key != 0 && list->slots[at].key != key) {
        at = (at + 1) & mask;
    }
    return &list->slots[at];
}

static void grow(struct number_list *list)
{
    struct number_row *old = list->slots;
    uint32_t count = list->slot_count;

    list->slot_count = count == 0 ? SLOTS_MIN : count * 2;
    list->slots = calloc(list->slot_count, sizeof *list->slots);
    assert(list->slots != NULL);
    for (uint32_t i = 0; i < count; i++) {
        if (old[i].key != 0) {
            *slot_of(list, old[i].key) = old[i];
        }
    }
    free(old);
}

static enum status refuse(const struct place *place, struct slice found, const char *what)
{
    char where[sizeof place->error->where];
    struct text text = text_into(where, sizeof where);
    char shown[96];
    struct text value = text_into(shown, sizeof shown);

    text_string(&text, place->path);
    text_byte(&text, ':');
    text_u64(&text, place->line);
    text_byte(&text, ':');
    text_u64(&text, found.at == NULL ? 1 : (uint64_t)(found.at - place->line_at) + 1);
    text_printable(&value, slice_part(found, 0, 20));
    return error_set(place->error, STATUS_USAGE, text_terminate(&text), "found '%s', %s",
                     text_terminate(&value), what);
}

/* 1.25 gives 1250; at most three decimals. */
static bool milli_of(struct slice text, uint16_t *out)
{
    struct slice rest = text;
    struct slice whole = slice_split(&rest, '.');
    uint32_t value = 0;
    uint32_t part = 0;

    if (!slice_u32(whole, &value) || value > COST_MAX / 1000 || rest.bytes > 3 ||
        (slice_find(text, '.') != text.bytes && !slice_u32(rest, &part))) {
        return false;
    }
    for (size_t i = rest.bytes; i < 3; i++) {
        part *= 10;
    }
    value = value * 1000 + part;
    *out = (uint16_t)value;
    return value <= COST_MAX;
}

static bool kind_of(struct slice text, enum number_row_kind *out)
{
    static const char *const names[NUMBER_ROW_KINDS] = {"exact", "block", "country"};

    for (unsigned i = 0; i < NUMBER_ROW_KINDS; i++) {
        if (slice_equal(text, slice_of_string(names[i]))) {
            *out = (enum number_row_kind)i;
            return true;
        }
    }
    return false;
}

static enum status points_of(const struct place *place, struct slice text,
                             enum number_row_kind kind, uint8_t *out)
{
    uint32_t most = kind == NUMBER_ROW_COUNTRY ? POINTS_COUNTRY_MAX : POINTS_EXACT;
    uint32_t value = kind == NUMBER_ROW_EXACT ? POINTS_EXACT : POINTS_BLOCK;

    if (text.bytes == 0 && kind != NUMBER_ROW_COUNTRY) {
        *out = (uint8_t)value;
        return STATUS_OK;
    }
    if (!slice_u32(text, &value) || value > most) {
        return refuse(place, text,
                      kind == NUMBER_ROW_COUNTRY ? "points of a country are 0 to 20"
                                                 : "points are 0 to 60, or empty");
    }
    *out = (uint8_t)value;
    return STATUS_OK;
}

static enum status row_read(struct place *place, struct slice line, struct number_row *out)
{
    struct slice columns[COLUMNS];
    struct slice rest = line;
    struct slice digits;
    enum number_row_kind kind;
    uint64_t number = 0;

    for (unsigned i = 0; i + 1 < COLUMNS; i++) {
        columns[i] = slice_trim(slice_split(&rest, ','));
    }
    digits = slice_from(columns[0], 1);
    if (columns[0].bytes == 0 || columns[0].at[0] != '+' || digits.bytes > NUMBERS_DIGITS ||
        !slice_u64(digits, &number) || digits.at[0] == '0') {
        return refuse(place, columns[0],
                      "+ and 1 to 15 digits from the calling code on are allowed");
    }
    if (!kind_of(columns[1], &kind)) {
        return refuse(place, columns[1], "exact, block or country is allowed");
    }
    *out = (struct number_row){.key = key_of(number, (unsigned)digits.bytes, kind),
                               .line = place->line,
                               .has_cost = columns[3].bytes != 0};
    if (out->has_cost && !milli_of(columns[3], &out->cost_milli)) {
        return refuse(place, columns[3], "a cost is 0 to 65.535 a minute, or empty");
    }
    return points_of(place, columns[2], kind, &out->points);
}

static enum status row_add(struct number_list *list, struct place *place, struct slice line)
{
    struct number_row row;
    enum status status = row_read(place, line, &row);

    if (status != STATUS_OK) {
        return status;
    }
    if (list->row_count == NUMBERS_ROWS) {
        return refuse(place, line, "the file has more than 65536 rows");
    }
    if (list->row_count * 2 >= list->slot_count) {
        grow(list);
    }
    struct number_row *slot = slot_of(list, row.key);
    if (slot->key != 0) {
        char what[64];
        struct text text = text_into(what, sizeof what);
        text_string(&text, "the same as in line ");
        text_u64(&text, slot->line);
        return refuse(place, line, text_terminate(&text));
    }
    *slot = row;
    list->row_count++;
    list->lengths[(row.key & 3) - 1] |= UINT32_C(1) << (row.key >> 2 & 15);
    return STATUS_OK;
}

static const char *const first_line = "the first line must be prefix,kind,points,cost,note";

static enum status rows_read(struct number_list *list, FILE *file, struct place *place)
{
    char line[LINE_BYTES];
    bool has_header = false;
    enum status status = STATUS_OK;

    while (status == STATUS_OK && fgets(line, sizeof line, file) != NULL) {
        struct slice text = slice_of_string(line);
        place->line++;
        place->line_at = line;
        if ((text.bytes == 0 || text.at[text.bytes - 1] != '\n') && feof(file) == 0) {
            return refuse(place, text, "a line has at most 1022 bytes and no NUL");
        }
        text = slice_trim(text);
        if (text.bytes == 0 || text.at[0] == '#') {
            continue;
        }
        if (!has_header) {
            has_header = slice_equal(text, SLICE("prefix,kind,points,cost,note"));
            status = has_header ? STATUS_OK : refuse(place, text, first_line);
            continue;
        }
        status = row_add(list, place, text);
    }
    if (status == STATUS_OK && !has_header && ferror(file) == 0) {
        place->line = 1;
        return refuse(place, SLICE_NONE, first_line);
    }
    return status;
}

enum status number_list_open(const char *path, struct number_list **out_list, struct error *error)
{
    struct place place = {.path = path, .error = error};
    FILE *file = fopen(path, "re");

    if (file == NULL) {
        return error_system(error, STATUS_USAGE, path, "site.numbers_file cannot be read");
    }
    struct number_list *list = calloc(1, sizeof *list);
    assert(list != NULL);
    grow(list);
    enum status status = rows_read(list, file, &place);
    if (status == STATUS_OK && ferror(file) != 0) {
        status = error_system(error, STATUS_USAGE, path, "site.numbers_file cannot be read");
    }
    (void)fclose(file);
    if (status != STATUS_OK) {
        number_list_close(list);
        return status;
    }
    *out_list = list;
    return STATUS_OK;
}

size_t number_list_bytes_max(void)
{
    return (size_t)2 * NUMBERS_ROWS * sizeof(struct number_row);
}

void number_list_close(struct number_list *list)
{
    if (list != NULL) {
        free(list->slots);
        free(list);
    }
}

const struct number_row *number_list_look(const struct number_list *list, enum number_row_kind kind,
                                          uint64_t e164, unsigned digits)
{
    if (list == NULL) {
        return NULL;
    }
    uint32_t lengths = list->lengths[kind];
    for (unsigned length = digits; length != 0 && lengths != 0; length--, e164 /= 10) {
        if ((lengths >> length & 1) != 0) {
            const struct number_row *row = slot_of(list, key_of(e164, length, kind));
            if (row->key != 0) {
                return row;
            }
        }
        if (kind == NUMBER_ROW_EXACT) {
            break;
        }
    }
    return NULL;
}
