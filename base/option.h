/* option.h - one row an option: from it come parsing, bounds, defaults, help, docs and the error
 * text.
 *
 * Owns      nothing; rows are static, values live in structs of their owners.
 * Borrows   texts of the rows (static) and of values (copied where kept).
 * Time      none.
 * Bounds    min and max of each row, in the notation of the configuration.
 * Errors    a value out of bounds or not of its kind: STATUS_USAGE with key, found and allowed.
 * Thread    start and reload only. */
#ifndef BASE_OPTION_H
#define BASE_OPTION_H

#include "base/addr.h"
#include "base/clock.h"

enum option_kind {
    OPTION_END = 0,
    OPTION_BOOL, /* bool: true/false, yes/no, on/off */
    OPTION_COUNT, /* uint64_t: 10, 10k, 2M */
    OPTION_DURATION_NS, /* uint64_t: 20ms, 60s, 5m, 1h, 7d */
    OPTION_BYTES, /* uint64_t: 64KiB, 4MiB, 1GiB */
    OPTION_PPM, /* uint64_t: 2%, 0.5%, 1 (= 100 %) as parts per million */
    OPTION_DECIMAL, /* uint64_t in thousandths: 3.6 gives 3600 */
    OPTION_WORD, /* unsigned: index into `words`, allowed words separated by | */
    OPTION_TEXT, /* char[OPTION_TEXT_BYTES], NUL-terminated */
    OPTION_LIST, /* struct option_list: scalars, each a text */
    OPTION_NETWORKS, /* struct option_networks: 192.0.2.0/24, 2001:db8::/32 or an address, each */
};

enum { OPTION_TEXT_BYTES = 256, OPTION_LIST_MAX = 256, OPTION_NETWORKS_MAX = 64 };

struct option_list {
    uint32_t count;
    char (*items)[OPTION_TEXT_BYTES]; /* malloc'd at start; owned by the configuration */
};

struct option_networks {
    uint32_t count;
    struct prefix items[OPTION_NETWORKS_MAX];
};

struct option {
    const char *key; /* the last part: "window"; its group gives the rest */
    enum option_kind kind;
    size_t offset; /* of the member in the owner's struct */
    const char *min; /* in the notation of a value; NULL = none */
    const char *preset;
    const char *max;
    const char *words; /* OPTION_WORD: "off|failures|transactions|messages" */
    const char *help; /* one sentence, lower case, no full stop */
    bool sizes_table; /* waits for a restart on reload */
    bool secret; /* its value is printed nowhere, not in an error either */
};

/* clang-format off */
#define OPTION(key_, kind_, type, member, min_, preset_, max_, help_) \
    {.key = key_, .kind = OPTION_##kind_, .offset = offsetof(struct type, member), .min = min_, \
     .preset = preset_, .max = max_, .help = help_}
#define OPTION_TABLE_SIZE(key_, kind_, type, member, min_, preset_, max_, help_) \
    {.key = key_, .kind = OPTION_##kind_, .offset = offsetof(struct type, member), .min = min_, \
     .preset = preset_, .max = max_, .help = help_, .sizes_table = true}
#define OPTION_SECRET(key_, type, member, help_) \
    {.key = key_, .kind = OPTION_TEXT, .offset = offsetof(struct type, member), .preset = "", \
     .help = help_, .secret = true}
#define OPTION_CHOICE(key_, type, member, preset_, words_, help_) \
    {.key = key_, .kind = OPTION_WORD, .offset = offsetof(struct type, member), .preset = preset_, \
     .words = words_, .help = help_}
/* clang-format on */

/* Parses one value of the row into the struct at `base`. `where` names the place for the error
 * text. OPTION_LIST and OPTION_NETWORKS: the value is one item or several with commas between (in
 * brackets or not, "" = none), and they are appended; where they replace, option_clear() comes
 * first. */
MUST_USE enum status option_parse(const struct option *option, struct slice value, void *base,
                                  const char *where, const char *full_key, struct error *error);
bool option_is_list(const struct option *option); /* of texts or networks */
/* A list forgets its items and frees what they held; other kinds are left as they are. */
void option_clear(const struct option *option, void *base);
void option_list_clear(struct option_list *list); /* frees the items; a zeroed list is allowed */
bool option_networks_have(const struct option_networks *networks, const struct addr *addr);
/* All presets of a group into its struct; a preset that does not parse is a bug (asserted). What a
 * list held before is forgotten, not freed: the struct may be new memory. */
void option_presets(const struct option *options, void *base);
/* The value in the notation of the configuration, the shortest that parses back to the same. */
void option_print(const struct option *option, const void *base, struct text *text);
/* What is allowed, for help and errors: "1s to 1d", "off, failures, transactions or messages". */
void option_allowed(const struct option *option, struct text *text);
const struct option *option_find(const struct option *options, struct slice key);
/* Edit distance, at most `limit` (then limit + 1): for "did you mean". */
unsigned option_distance(struct slice one, struct slice other, unsigned limit);

#endif
