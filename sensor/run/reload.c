/* Detections, the choice of records, what is known of the site, the files of countries and whom no
 * response touches change while the sensor runs (the last only grows: respond_reload()); slots,
 * incidents and counts are kept. What was sized, opened or bound at the start stays: tables, rings,
 * interfaces, the filter of the kernel, outputs, the sensor's name.
 *
 * A detection that was off at the start has no lane in the tables, so switching it on waits too;
 * switching off, and on again, does not. */
#include "sensor/run/reload.h"

enum { VALUE_BYTES = OPTION_LIST_MAX * (OPTION_TEXT_BYTES + 4) }; /* the longest list */

bool reload_waits(const struct config_row *row)
{
    struct slice key = slice_of_string(row->key);
    bool changes = slice_starts_with(key, SLICE("detectors.")) ||
                   slice_starts_with(key, SLICE("records.")) ||
                   slice_starts_with(key, SLICE("response.protect")) ||
                   slice_starts_with(key, SLICE("geo.")) || slice_starts_with(key, SLICE("site."));
    return !changes || row->option->sizes_table;
}

struct comparison {
    const struct config *other;
    const struct config_row *row; /* looked for in `other` */
    bool found;
    bool equal;
    bool switches_on;
    bool only_missing;
    void (*say)(void *owner, const char *key);
    void *owner;
};

static void compare(void *owner, const struct config_row *row)
{
    struct comparison *it = owner;
    if (strcmp(row->key, it->row->key) != 0) {
        return;
    }
    static char one[VALUE_BYTES]; /* too large for a stack */
    static char other[VALUE_BYTES];
    struct text left = text_into(one, sizeof one);
    struct text right = text_into(other, sizeof other);
    option_print(row->option, row->base, &left);
    option_print(it->row->option, it->row->base, &right);
    it->found = true;
    it->equal = slice_equal(text_slice(&left), text_slice(&right));
    bool is_switch = row->option->kind == OPTION_BOOL && strcmp(row->option->key, "enabled") == 0;
    it->switches_on = is_switch && !it->equal && slice_equal(text_slice(&left), SLICE("false"));
}

static void look(void *owner, const struct config_row *row)
{
    struct comparison *it = owner;
    it->row = row;
    it->found = it->equal = it->switches_on = false;
    config_walk(it->other, compare, it);
    bool differs =
        !it->found || (!it->only_missing && !it->equal && (reload_waits(row) || it->switches_on));
    if (differs) {
        it->say(it->owner, row->key);
    }
}

void reload_differences(const struct config *wanted, const struct config *started,
                        void (*say)(void *owner, const char *key), void *owner)
{
    struct comparison there = {.other = started, .say = say, .owner = owner};
    config_walk(wanted, look, &there);
    struct comparison gone = {
        .other = wanted, .only_missing = true, .say = say, .owner = owner}; /* outputs */
    config_walk(started, look, &gone);
}
