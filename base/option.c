/* option.c - values as people write them. Whole numbers with a unit; a fraction only for shares and
 * decimals, where it is kept as an integer. Everything is parsed by one function per kind, also the
 * bounds of the rows, so bounds, presets and values cannot disagree in notation. */
#include "base/option.h"

enum { FOUND_BYTES = 64, ALLOWED_BYTES = 400, DISTANCE_BYTES = 64 };

struct unit {
    const char *name;
    uint64_t factor;
};

/* Ascending, the base unit first; NULL ends. */
static const struct unit count_units[] = {
    {"", 1}, {"k", 1000}, {"M", 1000000}, {"G", 1000000000}, {NULL, 0}};
static const struct unit duration_units[] = {
    {"ns", 1},          {"us", NS_PER_US}, {"ms", NS_PER_MS}, {"s", NS_PER_S}, {"m", NS_PER_MINUTE},
    {"h", NS_PER_HOUR}, {"d", NS_PER_DAY}, {NULL, 0}};
static const struct unit byte_units[] = {{"", 1},
                                         {"KiB", UINT64_C(1) << 10},
                                         {"MiB", UINT64_C(1) << 20},
                                         {"GiB", UINT64_C(1) << 30},
                                         {"TiB", UINT64_C(1) << 40},
                                         {NULL, 0}};

/* What the error and the help say of a kind. */
struct kind_words {
    const char *noun;
    const char *like;
};

static struct kind_words words_of(enum option_kind kind)
{
    switch (kind) {
    case OPTION_BOOL:
        return (struct kind_words){"", "also yes or no, on or off"};
    case OPTION_COUNT:
        return (struct kind_words){"a count", "like 10, 10k, 2M"};
    case OPTION_DURATION_NS:
        return (struct kind_words){"a duration", "like 500ms, 60s, 5m, 1h, 7d"};
    case OPTION_BYTES:
        return (struct kind_words){"a size", "like 64KiB, 4MiB, 1GiB"};
    case OPTION_PPM:
        return (struct kind_words){"a share", "like 2%, 0.5%"};
    case OPTION_DECIMAL:
        return (struct kind_words){"a number", "like 3.6"};
    case OPTION_WORD:
        return (struct kind_words){"one of ", NULL};
    case OPTION_NETWORKS:
        return (struct kind_words){"a list of networks", "like 192.0.2.0/24, 2001:db8::/32"};
    case OPTION_TEXT:
    case OPTION_LIST:
    case OPTION_END:
        break;
    }
    return (struct kind_words){"", NULL};
}

/* --- reading --- */

static bool parse_with_unit(struct slice value, const struct unit *units, uint64_t *out)
{
    size_t digits = 0;
    uint64_t number;

    while (digits < value.bytes && value.at[digits] >= '0' && value.at[digits] <= '9') {
        digits++;
    }
    if (!slice_u64(slice_part(value, 0, digits), &number)) {
        return false;
    }
    struct slice name = slice_from(value, digits);
    if (name.bytes == 0 && number == 0) {
        *out = 0; /* nothing is nothing in any unit */
        return true;
    }
    for (const struct unit *unit = units; unit->name != NULL; unit++) {
        if (slice_equal(name, slice_of_string(unit->name))) {
            if (number > UINT64_MAX / unit->factor) {
                return false;
            }
            *out = number * unit->factor;
            return true;
        }
    }
    return false;
}

/* 12.5 with two decimals allowed gives 1250. */
static bool parse_fixed(struct slice value, unsigned decimals, uint64_t *out)
{
    size_t dot = slice_find(value, '.');
    struct slice fraction = slice_from(value, dot + 1);
    uint64_t number;
    uint64_t part = 0;

    if (!slice_u64(slice_part(value, 0, dot), &number) || fraction.bytes > decimals ||
        (dot < value.bytes && !slice_u64(fraction, &part))) {
        return false;
    }
    for (unsigned i = 0; i < decimals; i++) {
        if (number > UINT64_MAX / 10) {
            return false;
        }
        number *= 10;
        part *= i < fraction.bytes ? 1 : 10;
    }
    if (number > UINT64_MAX - part) {
        return false;
    }
    *out = number + part;
    return true;
}

static bool parse_bool(struct slice value, uint64_t *out)
{
    static const char *const words[2][3] = {{"false", "no", "off"}, {"true", "yes", "on"}};

    for (size_t i = 0; i < 6; i++) {
        if (slice_equal_nocase(value, slice_of_string(words[i / 3][i % 3]))) {
            *out = i / 3;
            return true;
        }
    }
    return false;
}

static bool parse_word(struct slice value, const char *words, uint64_t *out)
{
    struct slice rest = slice_of_string(words);

    for (uint64_t index = 0; rest.bytes > 0; index++) {
        if (slice_equal(slice_split(&rest, '|'), value)) {
            *out = index;
            return true;
        }
    }
    return false;
}

static bool parse_number(const struct option *option, struct slice value, uint64_t *out)
{
    switch (option->kind) {
    case OPTION_BOOL:
        return parse_bool(value, out);
    case OPTION_COUNT:
        return parse_with_unit(value, count_units, out);
    case OPTION_DURATION_NS:
        return parse_with_unit(value, duration_units, out);
    case OPTION_BYTES:
        return parse_with_unit(value, byte_units, out);
    case OPTION_PPM:
        if (value.bytes > 0 && value.at[value.bytes - 1] == '%') {
            return parse_fixed(slice_part(value, 0, value.bytes - 1), 4, out);
        }
        return parse_fixed(value, 6, out);
    case OPTION_DECIMAL:
        return parse_fixed(value, 3, out);
    case OPTION_WORD:
        return parse_word(value, option->words, out);
    case OPTION_TEXT:
    case OPTION_LIST:
    case OPTION_NETWORKS:
    case OPTION_END:
        break;
    }
    return false;
}

static bool is_inside(const struct option *option, uint64_t number)
{
    uint64_t bound;

    if (option->min != NULL) {
        bool parsed = parse_number(option, slice_of_string(option->min), &bound);
        assert(parsed);
        if (number < bound) {
            return false;
        }
    }
    if (option->max != NULL) {
        bool parsed = parse_number(option, slice_of_string(option->max), &bound);
        assert(parsed);
        if (number > bound) {
            return false;
        }
    }
    return true;
}

static void *member_of(const struct option *option, void *base)
{
    return (uint8_t *)base + option->offset;
}

static bool put_number(const struct option *option, struct slice value, void *base)
{
    uint64_t number;

    if (!parse_number(option, value, &number) || !is_inside(option, number)) {
        return false;
    }
    if (option->kind == OPTION_BOOL) {
        bool flag = number != 0;
        memcpy(member_of(option, base), &flag, sizeof flag);
    } else if (option->kind == OPTION_WORD) {
        unsigned index = (unsigned)number;
        memcpy(member_of(option, base), &index, sizeof index);
    } else {
        memcpy(member_of(option, base), &number, sizeof number);
    }
    return true;
}

static bool put_text(char *at, struct slice value)
{
    if (value.bytes >= OPTION_TEXT_BYTES || slice_find(value, '\0') < value.bytes) {
        return false;
    }
    memset(at, 0, OPTION_TEXT_BYTES);
    if (value.bytes > 0) {
        memcpy(at, value.at, value.bytes);
    }
    return true;
}

static bool list_append(struct option_list *list, struct slice value)
{
    if (value.bytes == 0 || list->count == OPTION_LIST_MAX) {
        return false;
    }
    /* Room grows by doubling: whenever the count is a power of two, or at the first. */
    if ((list->count & (list->count - 1)) == 0) {
        size_t room = list->count == 0 ? 1 : 2 * (size_t)list->count;
        void *items = realloc(list->items, room * sizeof *list->items);
        if (items == NULL) {
            return false;
        }
        list->items = items;
    }
    if (!put_text(list->items[list->count], value)) {
        return false;
    }
    list->count++;
    return true;
}

static bool network_append(struct option_networks *networks, struct slice value)
{
    if (networks->count == OPTION_NETWORKS_MAX ||
        !prefix_parse(value, &networks->items[networks->count])) {
        return false;
    }
    networks->count++;
    return true;
}

static bool append(const struct option *option, void *base, struct slice value)
{
    void *list = member_of(option, base);

    return option->kind == OPTION_LIST ? list_append(list, value) : network_append(list, value);
}

static bool put_list(const struct option *option, void *base, struct slice value)
{
    value = slice_trim(value);
    if (value.bytes >= 2 && value.at[0] == '[' && value.at[value.bytes - 1] == ']') {
        value = slice_trim(slice_part(value, 1, value.bytes - 1));
    }
    bool more = value.bytes > 0;
    while (more) {
        more = slice_find(value, ',') < value.bytes;
        if (!append(option, base, slice_trim(slice_split(&value, ',')))) {
            return false;
        }
    }
    return true;
}

void option_list_clear(struct option_list *list)
{
    free(list->items);
    *list = (struct option_list){.count = 0};
}

bool option_is_list(const struct option *option)
{
    return option->kind == OPTION_LIST || option->kind == OPTION_NETWORKS;
}

void option_clear(const struct option *option, void *base)
{
    if (option->kind == OPTION_LIST) {
        option_list_clear(member_of(option, base));
    } else if (option->kind == OPTION_NETWORKS) {
        ((struct option_networks *)member_of(option, base))->count = 0;
    }
}

bool option_networks_have(const struct option_networks *networks, const struct addr *addr)
{
    for (uint32_t i = 0; i < networks->count; i++) {
        if (prefix_contains(&networks->items[i], addr)) {
            return true;
        }
    }
    return false;
}

static bool put_value(const struct option *option, struct slice value, void *base)
{
    if (option->kind == OPTION_TEXT) {
        return put_text(member_of(option, base), value);
    }
    if (option_is_list(option)) {
        return put_list(option, base, value);
    }
    return put_number(option, value, base);
}

enum status option_parse(const struct option *option, struct slice value, void *base,
                         const char *where, const char *full_key, struct error *error)
{
    char found_raw[FOUND_BYTES * 4];
    char allowed_raw[ALLOWED_BYTES];
    struct text found = text_into(found_raw, sizeof found_raw - 1);
    struct text allowed = text_into(allowed_raw, sizeof allowed_raw - 1);

    assert(option->kind != OPTION_END);
    if (put_value(option, value, base)) {
        return STATUS_OK;
    }
    struct kind_words words = words_of(option->kind);
    if (option->secret) {
        return error_set(error, STATUS_USAGE, where, "%s: fewer than %d bytes are allowed",
                         full_key, (int)OPTION_TEXT_BYTES);
    }
    text_printable(&found, slice_part(value, 0, FOUND_BYTES - 1));
    text_string(&allowed, words.noun);
    if (option->min != NULL && option->max != NULL) {
        text_string(&allowed, " from ");
    } else if (option->min != NULL || option->max != NULL) {
        text_byte(&allowed, ' ');
    }
    /* A kind without bounds says its noun only; option_allowed() would say the same word again. */
    if (words.noun[0] == '\0' || option->kind == OPTION_WORD || option->min != NULL ||
        option->max != NULL) {
        option_allowed(option, &allowed);
    }
    return error_set(error, STATUS_USAGE, where, "%s: found '%s%s', %s is allowed%s%s%s", full_key,
                     text_terminate(&found), value.bytes >= FOUND_BYTES ? "..." : "",
                     text_terminate(&allowed), words.like == NULL ? "" : " (",
                     words.like == NULL ? "" : words.like, words.like == NULL ? "" : ")");
}

void option_presets(const struct option *options, void *base)
{
    for (const struct option *option = options; option->kind != OPTION_END; option++) {
        if (option->kind == OPTION_LIST) {
            struct option_list empty = {.count = 0};
            memcpy(member_of(option, base), &empty, sizeof empty);
        } else {
            option_clear(option, base);
        }
        struct slice preset = slice_of_string(option->preset);
        bool parsed = put_value(option, preset, base);
        assert(parsed);
        (void)parsed;
    }
}

/* --- printing --- */

static void print_with_unit(struct text *text, uint64_t number, const struct unit *units,
                            const char *zero)
{
    const struct unit *best = units;

    if (number == 0) {
        text_string(text, zero);
        return;
    }
    for (const struct unit *unit = units; unit->name != NULL; unit++) {
        if (number % unit->factor == 0) {
            best = unit;
        }
    }
    text_u64(text, number / best->factor);
    text_string(text, best->name);
}

static void print_fixed(struct text *text, uint64_t number, unsigned decimals)
{
    uint64_t scale = 1;

    for (unsigned i = 0; i < decimals; i++) {
        scale *= 10;
    }
    text_u64(text, number / scale);
    uint64_t fraction = number % scale;
    if (fraction > 0) {
        text_byte(text, '.');
    }
    while (fraction > 0) {
        scale /= 10;
        text_byte(text, (char)('0' + fraction / scale));
        fraction %= scale;
    }
}

static void print_list(struct text *text, const struct option_list *list)
{
    text_byte(text, '[');
    for (uint32_t i = 0; i < list->count; i++) {
        text_string(text, i == 0 ? "" : ", ");
        text_string(text, list->items[i]);
    }
    text_byte(text, ']');
}

static void print_word(struct text *text, const char *words, unsigned index)
{
    struct slice rest = slice_of_string(words);
    struct slice word = slice_split(&rest, '|');

    for (; index > 0; index--) {
        assert(rest.bytes > 0);
        word = slice_split(&rest, '|');
    }
    text_slice_put(text, word);
}

static void print_networks(struct text *text, const struct option_networks *networks)
{
    text_byte(text, '[');
    for (uint32_t i = 0; i < networks->count; i++) {
        text_string(text, i == 0 ? "" : ", ");
        text_prefix(text, &networks->items[i]);
    }
    text_byte(text, ']');
}

void option_print(const struct option *option, const void *base, struct text *text)
{
    const uint8_t *member = (const uint8_t *)base + option->offset;
    uint64_t number = 0;

    switch (option->kind) {
    case OPTION_BOOL: {
        bool flag;
        memcpy(&flag, member, sizeof flag);
        text_string(text, flag ? "true" : "false");
        return;
    }
    case OPTION_WORD: {
        unsigned index;
        memcpy(&index, member, sizeof index);
        print_word(text, option->words, index);
        return;
    }
    case OPTION_TEXT:
        text_string(text, (const char *)member);
        return;
    case OPTION_LIST: {
        struct option_list list;
        memcpy(&list, member, sizeof list);
        print_list(text, &list);
        return;
    }
    case OPTION_NETWORKS:
        print_networks(text, (const struct option_networks *)(const void *)member);
        return;
    case OPTION_COUNT:
    case OPTION_DURATION_NS:
    case OPTION_BYTES:
    case OPTION_PPM:
    case OPTION_DECIMAL:
    case OPTION_END:
        break;
    }
    memcpy(&number, member, sizeof number);
    if (option->kind == OPTION_COUNT) {
        print_with_unit(text, number, count_units, "0");
    } else if (option->kind == OPTION_DURATION_NS) {
        print_with_unit(text, number, duration_units, "0s");
    } else if (option->kind == OPTION_BYTES) {
        print_with_unit(text, number, byte_units, "0");
    } else if (option->kind == OPTION_PPM) {
        print_fixed(text, number, 4);
        text_byte(text, '%');
    } else {
        print_fixed(text, number, 3);
    }
}

static void print_choices(struct text *text, const char *words)
{
    struct slice rest = slice_of_string(words);
    bool first = true;

    while (rest.bytes > 0) {
        struct slice word = slice_split(&rest, '|');
        if (!first) {
            text_string(text, rest.bytes > 0 ? ", " : " or ");
        }
        text_slice_put(text, word);
        first = false;
    }
}

void option_allowed(const struct option *option, struct text *text)
{
    if (option->kind == OPTION_BOOL) {
        text_string(text, "true or false");
    } else if (option->kind == OPTION_WORD) {
        print_choices(text, option->words);
    } else if (option->kind == OPTION_TEXT) {
        text_format(text, "a text of at most %d bytes", OPTION_TEXT_BYTES - 1);
    } else if (option->kind == OPTION_LIST) {
        text_format(text, "a list of at most %d texts of at most %d bytes each", OPTION_LIST_MAX,
                    OPTION_TEXT_BYTES - 1);
    } else if (option->kind == OPTION_NETWORKS) {
        text_format(text, "a list of at most %d networks", OPTION_NETWORKS_MAX);
    } else if (option->min != NULL && option->max != NULL) {
        text_format(text, "%s to %s", option->min, option->max);
    } else if (option->min != NULL) {
        text_format(text, "at least %s", option->min);
    } else if (option->max != NULL) {
        text_format(text, "at most %s", option->max);
    } else {
        text_string(text, words_of(option->kind).noun);
    }
}

const struct option *option_find(const struct option *options, struct slice key)
{
    for (const struct option *option = options; option->kind != OPTION_END; option++) {
        if (slice_equal(slice_of_string(option->key), key)) {
            return option;
        }
    }
    return NULL;
}

static unsigned least(unsigned one, unsigned other)
{
    return one < other ? one : other;
}

/* Insertions, deletions, changes, and neighbours that changed places (the most usual slip). */
unsigned option_distance(struct slice one, struct slice other, unsigned limit)
{
    unsigned rows[3][DISTANCE_BYTES + 1];
    size_t longer = one.bytes > other.bytes ? one.bytes : other.bytes;
    size_t shorter = one.bytes > other.bytes ? other.bytes : one.bytes;

    if (longer > DISTANCE_BYTES || longer - shorter > limit) {
        return limit + 1;
    }
    for (unsigned j = 0; j <= other.bytes; j++) {
        rows[0][j] = j;
    }
    for (unsigned i = 1; i <= one.bytes; i++) {
        unsigned *row = rows[i % 3];
        const unsigned *above = rows[(i + 2) % 3];
        const unsigned *above_two = rows[(i + 1) % 3];
        row[0] = i;
        for (unsigned j = 1; j <= other.bytes; j++) {
            row[j] = above[j - 1] + (one.at[i - 1] != other.at[j - 1]);
            row[j] = least(row[j], least(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && one.at[i - 1] == other.at[j - 2] &&
                one.at[i - 2] == other.at[j - 1]) {
                row[j] = least(row[j], above_two[j - 2] + 1);
            }
        }
    }
    return least(rows[one.bytes % 3][other.bytes], limit + 1);
}
