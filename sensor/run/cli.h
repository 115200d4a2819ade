/* cli.h - the command line.
 *
 * Owns      the lists in struct cli, freed by cli_close().
 * Borrows   argv for the life of the struct.
 * Time      none.
 * Bounds    CLI_PATHS_MAX paths, CLI_SETS_MAX --set.
 * Errors    STATUS_USAGE with one clear line.
 * Thread    main. */
#ifndef SENSOR_RUN_CLI_H
#define SENSOR_RUN_CLI_H

#include "base/slice.h"

enum { CLI_PATHS_MAX = 4096, CLI_SETS_MAX = 256, CLI_INTERFACES_MAX = 64, CLI_WORKERS_AUTO = -1 };

enum cli_task {
    CLI_READ,
    CLI_LISTEN,
    CLI_TEST_CONFIG,
    CLI_LIST,
    CLI_EXPLAIN,
    CLI_DOCS,
    CLI_HELP,
    CLI_VERSION
};

struct cli {
    enum cli_task task;
    const char **paths;
    size_t path_count;
    const char *interfaces[CLI_INTERFACES_MAX];
    size_t interface_count;
    const char *config; /* -c, or NULL */
    const char **sets;
    size_t set_count;
    int workers; /* CLI_WORKERS_AUTO, or 0 to 16 */
    const char *report; /* text, json, none; NULL = text, or none with --records - */
    const char *records; /* FILE, "-" or NULL */
    const char *state; /* folder, or NULL */
    bool deliver;
    bool show;
    const char *subject; /* of --list, --explain, --docs */
};

MUST_USE enum status cli_open(int argc, char **argv, struct cli *out_cli, struct error *error);
void cli_close(struct cli *cli);
void cli_help(FILE *out);
/* The rows of --help, for the man page. */
struct cli_row {
    char letter; /* 0 = none */
    const char *name; /* NULL = none */
    const char *argument; /* NULL = none */
    const char *help;
};
extern const struct cli_row cli_rows[]; /* ends with a zeroed row */

#endif
