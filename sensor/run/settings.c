/* Configuration files as flat lists of settings.
 *
 * libyaml gives events with line and column; a stack of key prefixes turns maps into dotted keys.
 * Lists hold scalars only: maps by name merge over files, lists replace (decided once for all parts).
 * Aliases are refused because they are how a small file becomes a huge one, and because a reader at
 * 3 a.m. should find a value where its key stands. */
#include "sensor/run/settings.h"

#include "base/text.h"

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>
#include <yaml.h>

enum { KEY_BYTES = 512 };

struct reader {
    struct settings *settings;
    const char *path;
    uint32_t file;
    yaml_parser_t parser;
    struct {
        size_t key_bytes; /* length of the prefix before this level's key */
        bool in_map;
        bool has_key; /* a key was read, its value comes */
    } levels[SETTINGS_DEPTH + 1];
    unsigned depth;
    char key[KEY_BYTES];
    size_t key_bytes;
    char key_where[256]; /* of the key read last */
    struct setting *list; /* the sequence being read */
};

static void *grow(void *at, size_t bytes)
{
    void *grown = realloc(at, bytes);
    assert(grown != NULL);
    return grown;
}

static char *copy_text(const char *at, size_t bytes)
{
    char *copy = grow(NULL, bytes + 1);
    memcpy(copy, at, bytes);
    copy[bytes] = '\0';
    return copy;
}

static void setting_clear(struct setting *setting)
{
    free(setting->key);
    free(setting->where);
    free(setting->key_where);
    free(setting->replaced);
    for (uint32_t i = 0; i < setting->value_count; i++) {
        free(setting->values[i]);
    }
    free(setting->values);
    *setting = (struct setting){0};
}

static void setting_add_value(struct setting *setting, const char *at, size_t bytes)
{
    setting->values = grow(setting->values, (setting->value_count + 1) * sizeof *setting->values);
    setting->values[setting->value_count++] = copy_text(at, bytes);
}

void settings_start(struct settings *settings)
{
    *settings = (struct settings){0};
}

void settings_close(struct settings *settings)
{
    for (uint32_t i = 0; i < settings->count; i++) {
        setting_clear(&settings->items[i]);
    }
    free(settings->items);
    *settings = (struct settings){0};
}

/* The setting of `key`, cleared and ready for its new value. Twice in one file is an error. */
static enum status setting_open(struct settings *settings, const char *key, const char *where,
                                const char *key_where, uint32_t file, struct setting **out_setting,
                                struct error *error)
{
    for (uint32_t i = 0; i < settings->count; i++) {
        struct setting *old = &settings->items[i];
        if (strcmp(old->key, key) != 0) {
            continue;
        }
        if (old->file == file) {
            return error_set(error, STATUS_USAGE, key_where,
                             "key '%s' stands twice, first at %s; remove one", key, old->key_where);
        }
        char *replaced = old->where;
        old->where = NULL;
        setting_clear(old);
        *old = (struct setting){.key = copy_text(key, strlen(key)),
                                .where = copy_text(where, strlen(where)),
                                .key_where = copy_text(key_where, strlen(key_where)),
                                .file = file,
                                .replaced = replaced};
        *out_setting = old;
        return STATUS_OK;
    }
    if (settings->count == SETTINGS_MAX) {
        return error_set(error, STATUS_USAGE, where, "more than %d keys in all", SETTINGS_MAX);
    }
    if (settings->count == settings->room) {
        settings->room = settings->room == 0 ? 64 : settings->room * 2;
        settings->items = grow(settings->items, settings->room * sizeof *settings->items);
    }
    struct setting *setting = &settings->items[settings->count++];
    *setting = (struct setting){.key = copy_text(key, strlen(key)),
                                .where = copy_text(where, strlen(where)),
                                .key_where = copy_text(key_where, strlen(key_where)),
                                .file = file};
    *out_setting = setting;
    return STATUS_OK;
}

static void place_text(const struct reader *reader, yaml_mark_t mark, char *out, size_t bytes)
{
    struct text text = text_into(out, bytes - 1);
    text_format(&text, "%s:%zu:%zu", reader->path, mark.line + 1, mark.column + 1);
    out[text.bytes] = '\0';
}

static enum status refuse(const struct reader *reader, yaml_mark_t mark, struct error *error,
                          const char *what)
{
    char where[256];
    place_text(reader, mark, where, sizeof where);
    return error_set(error, STATUS_USAGE, where, "%s", what);
}

static enum status on_key(struct reader *reader, const yaml_event_t *event, struct error *error)
{
    struct slice name = slice_of(event->data.scalar.value, event->data.scalar.length);
    size_t prefix = reader->levels[reader->depth].key_bytes;
    if (name.bytes == 0 || slice_find(name, '.') < name.bytes) {
        return refuse(reader, event->start_mark, error, "a key is a word without dots");
    }
    if (prefix + name.bytes + 2 > KEY_BYTES) {
        return refuse(reader, event->start_mark, error, "the key is too long");
    }
    reader->key_bytes = prefix;
    if (prefix > 0) {
        reader->key[reader->key_bytes++] = '.';
    }
    memcpy(reader->key + reader->key_bytes, name.at, name.bytes);
    reader->key_bytes += name.bytes;
    reader->key[reader->key_bytes] = '\0';
    reader->levels[reader->depth].has_key = true;
    place_text(reader, event->start_mark, reader->key_where, sizeof reader->key_where);
    return STATUS_OK;
}

static enum status on_scalar(struct reader *reader, const yaml_event_t *event, struct error *error)
{
    if (reader->list != NULL) {
        setting_add_value(reader->list, (const char *)event->data.scalar.value,
                          event->data.scalar.length);
        return STATUS_OK;
    }
    if (!reader->levels[reader->depth].in_map) {
        if (event->data.scalar.length == 0) {
            return STATUS_OK; /* an empty document */
        }
        return refuse(reader, event->start_mark, error, "expected 'key: value', found a bare word");
    }
    if (!reader->levels[reader->depth].has_key) {
        return on_key(reader, event, error);
    }
    char where[256];
    place_text(reader, event->start_mark, where, sizeof where);
    struct setting *setting = NULL;
    enum status status = setting_open(reader->settings, reader->key, where, reader->key_where,
                                      reader->file, &setting, error);
    if (status != STATUS_OK) {
        return status;
    }
    setting->is_empty =
        event->data.scalar.length == 0 && event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    if (!setting->is_empty) {
        setting_add_value(setting, (const char *)event->data.scalar.value,
                          event->data.scalar.length);
    }
    reader->levels[reader->depth].has_key = false;
    return STATUS_OK;
}

static enum status on_map_start(struct reader *reader, const yaml_event_t *event,
                                struct error *error)
{
    if (reader->list != NULL) {
        return refuse(reader, event->start_mark, error, "a list holds plain values only, no maps");
    }
    if (reader->depth > 0 && !reader->levels[reader->depth].has_key) {
        return refuse(reader, event->start_mark, error, "a key cannot be a map");
    }
    if (reader->depth == SETTINGS_DEPTH) {
        return refuse(reader, event->start_mark, error, "maps are nested too deeply");
    }
    reader->depth++;
    reader->levels[reader->depth].in_map = true;
    reader->levels[reader->depth].has_key = false;
    reader->levels[reader->depth].key_bytes = reader->depth == 1 ? 0 : reader->key_bytes;
    return STATUS_OK;
}

static void on_map_end(struct reader *reader)
{
    reader->depth--;
    reader->levels[reader->depth].has_key = false;
}

static enum status on_list_start(struct reader *reader, const yaml_event_t *event,
                                 struct error *error)
{
    if (reader->list != NULL || reader->depth == 0 || !reader->levels[reader->depth].has_key) {
        return refuse(reader, event->start_mark, error,
                      "a list may only stand as the value of a key");
    }
    char where[256];
    place_text(reader, event->start_mark, where, sizeof where);
    enum status status = setting_open(reader->settings, reader->key, where, reader->key_where,
                                      reader->file, &reader->list, error);
    if (status == STATUS_OK) {
        reader->list->is_list = true;
    }
    return status;
}

static enum status on_event(struct reader *reader, const yaml_event_t *event, bool *out_end,
                            struct error *error)
{
    switch ((int)event->type) {
    case YAML_ALIAS_EVENT:
        return refuse(reader, event->start_mark, error, "aliases (*name) are not allowed");
    case YAML_SCALAR_EVENT:
        return on_scalar(reader, event, error);
    case YAML_MAPPING_START_EVENT:
        return on_map_start(reader, event, error);
    case YAML_MAPPING_END_EVENT:
        on_map_end(reader);
        return STATUS_OK;
    case YAML_SEQUENCE_START_EVENT:
        return on_list_start(reader, event, error);
    case YAML_SEQUENCE_END_EVENT:
        reader->list = NULL;
        reader->levels[reader->depth].has_key = false;
        return STATUS_OK;
    case YAML_STREAM_END_EVENT:
        *out_end = true;
        return STATUS_OK;
    default:
        return STATUS_OK;
    }
}

/* The parser's words for a tab ("cannot start any token") help nobody. */
static bool is_tab(const struct reader *reader)
{
    return reader->parser.buffer.pointer < reader->parser.buffer.last &&
           *reader->parser.buffer.pointer == '\t';
}

static enum status read_events(struct reader *reader, struct error *error)
{
    bool end = false;
    while (!end) {
        yaml_event_t event;
        if (!yaml_parser_parse(&reader->parser, &event)) {
            char what[256];
            struct text text = text_into(what, sizeof what - 1);
            if (is_tab(reader)) {
                return refuse(reader, reader->parser.problem_mark, error,
                              "a tab stands here: YAML is indented with spaces");
            }
            text_string(&text,
                        reader->parser.problem == NULL ? "cannot be read" : reader->parser.problem);
            if (reader->parser.context != NULL) {
                text_string(&text, " ");
                text_string(&text, reader->parser.context);
            }
            what[text.bytes] = '\0';
            return refuse(reader, reader->parser.problem_mark, error, what);
        }
        enum status status = on_event(reader, &event, &end, error);
        yaml_event_delete(&event);
        if (status != STATUS_OK) {
            return status;
        }
    }
    return STATUS_OK;
}

static enum status read_file(struct settings *settings, const char *path, struct error *error)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return error_system(error, STATUS_USAGE, path, "the configuration cannot be opened");
    }
    char *bytes = grow(NULL, SETTINGS_FILE_BYTES + 1);
    size_t count = fread(bytes, 1, SETTINGS_FILE_BYTES + 1, file);
    bool failed = ferror(file) != 0;
    int why = errno;
    fclose(file);
    struct reader reader = {.settings = settings, .path = path, .file = settings->files++};
    enum status status;
    if (failed) {
        errno = why;
        status = error_system(error, STATUS_USAGE, path, "the configuration cannot be read");
    } else if (count > SETTINGS_FILE_BYTES) {
        status = error_set(error, STATUS_USAGE, path, "the configuration is larger than 1 MiB");
    } else if (!yaml_parser_initialize(&reader.parser)) {
        status = error_set(error, STATUS_FAILED, path, "no memory for the YAML parser");
    } else {
        yaml_parser_set_input_string(&reader.parser, (const unsigned char *)bytes, count);
        status = read_events(&reader, error);
        yaml_parser_delete(&reader.parser);
    }
    free(bytes);
    return status;
}

static int wanted_name(const struct dirent *entry)
{
    size_t bytes = strlen(entry->d_name);
    return bytes > 5 && entry->d_name[0] != '.' && strcmp(entry->d_name + bytes - 5, ".yaml") == 0;
}

enum status settings_read(struct settings *settings, const char *path, struct error *error)
{
    enum status status = read_file(settings, path, error);
    if (status != STATUS_OK) {
        return status;
    }
    const char *slash = strrchr(path, '/');
    char folder[4096];
    struct text text = text_into(folder, sizeof folder - 1);
    text_slice_put(&text, slash == NULL ? SLICE(".") : slice_of(path, (size_t)(slash - path)));
    text_string(&text, "/conf.d");
    folder[text.bytes] = '\0';
    struct dirent **names = NULL;
    errno = ENAMETOOLONG;
    int count = text.overflow ? -1 : scandir(folder, &names, wanted_name, alphasort);
    if (count < 0 && errno != ENOENT) { /* half a configuration is none */
        return error_system(error, STATUS_USAGE, folder, "the folder cannot be read");
    }
    for (int i = 0; i < count; i++) {
        char file[4096 + 256];
        struct text name = text_into(file, sizeof file - 1);
        text_format(&name, "%s/%s", folder, names[i]->d_name);
        file[name.bytes] = '\0';
        if (status == STATUS_OK) {
            status = read_file(settings, file, error);
        }
        free(names[i]);
    }
    free(names);
    return status;
}

enum status settings_set(struct settings *settings, const char *assignment, struct error *error)
{
    struct slice rest = slice_of_string(assignment);
    size_t at = slice_find(rest, '=');
    if (at == rest.bytes || at == 0) {
        return error_set(error, STATUS_USAGE, "--set", "'%s' is not KEY=VALUE", assignment);
    }
    char key[KEY_BYTES];
    struct text name = text_into(key, sizeof key - 1);
    text_slice_put(&name, slice_part(rest, 0, at));
    if (name.overflow) {
        return error_set(error, STATUS_USAGE, "--set", "the key is too long");
    }
    key[name.bytes] = '\0';
    struct slice value = slice_from(rest, at + 1);
    struct setting *setting = NULL;
    /* each --set counts as a file of its own: the last one wins */
    enum status status =
        setting_open(settings, key, "--set", "--set", settings->files++, &setting, error);
    if (status != STATUS_OK) {
        return status;
    }
    if (value.bytes >= 2 && value.at[0] == '[' && value.at[value.bytes - 1] == ']') {
        setting->is_list = true;
        struct slice list = slice_part(value, 1, value.bytes - 1);
        while (!slice_is_empty(slice_trim(list))) {
            struct slice item = slice_trim(slice_split(&list, ','));
            setting_add_value(setting, item.at, item.bytes);
        }
    } else {
        setting_add_value(setting, value.at == NULL ? "" : value.at, value.bytes);
    }
    return STATUS_OK;
}
