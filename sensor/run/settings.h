/* settings.h - what the operator wrote, flat: dotted keys with their values and where each stands.
 *
 * Owns      copies of all texts, freed by settings_close().
 * Borrows   paths and arguments during the call.
 * Time      none.
 * Bounds    SETTINGS_FILE_BYTES a file, SETTINGS_DEPTH levels, SETTINGS_MAX keys; aliases and tags
 *           are refused.
 * Errors    STATUS_USAGE with file, line and column.
 * Thread    start and reload.
 *
 * Knows YAML (libyaml), not what the keys mean: that is config.c. */
#ifndef SENSOR_RUN_SETTINGS_H
#define SENSOR_RUN_SETTINGS_H

#include "base/slice.h"

enum { SETTINGS_FILE_BYTES = 1 << 20, SETTINGS_DEPTH = 8, SETTINGS_MAX = 16384 };

struct setting {
    char *key; /* "detectors.scan.window" */
    char *where; /* of the value: "earshot.yaml:12:9", "--set" */
    char *key_where; /* of the key */
    char **values;
    uint32_t value_count;
    bool is_list; /* written as a sequence */
    bool is_empty; /* "key:" with nothing behind it */
    uint32_t file; /* order of its file: the later wins */
    char *replaced; /* where the value stood that this one replaced, or NULL */
};

struct settings {
    struct setting *items;
    uint32_t count;
    uint32_t room;
    uint32_t files;
};

void settings_start(struct settings *settings);
/* One file, and conf.d/ (its *.yaml in order of names) beside it. */
MUST_USE enum status settings_read(struct settings *settings, const char *path,
                                   struct error *error);
/* "KEY=VALUE" of the command line; a value in brackets "[a, b]" is a list. */
MUST_USE enum status settings_set(struct settings *settings, const char *assignment,
                                  struct error *error);
void settings_close(struct settings *settings);

#endif
