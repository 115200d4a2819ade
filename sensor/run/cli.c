/* The command line: one table gives parsing, --help and the man page. */
#include "sensor/run/cli.h"

#include <getopt.h>

/* clang-format off */
const struct cli_row cli_rows[] = {
    {'r', "read", "FILE|FOLDER ...", "read captures (pcap, pcapng, gzip, zstd; - is standard input), report, end"},
    {'i', "interface", "NAME", "listen on this interface until SIGINT or SIGTERM; as often as wanted"},
    {'c', "config", "FILE", "configuration (YAML; conf.d/*.yaml beside it is merged); every key has a default"},
    {0, "set", "KEY=VALUE", "one key, dotted: --set detectors.scan.window=30s; as often as wanted"},
    {0, "workers", "N", "decoding threads, 1 to 16; 0: all in one thread (default: one per core but one)"},
    {0, "report", "FORM", "text, json or none (default: text; none with --records -)"},
    {0, "records", "FILE|-", "write the records as JSON lines"},
    {0, "state", "FOLDER", "keep what is known there from run to run, or none (default: none; live /var/lib/earshot if it is there)"},
    {0, "deliver", NULL, "with -r: use the configured outputs too; live they always are"},
    {0, "test-config", NULL, "check the configuration and end; with --show print what holds and where it came from"},
    {0, "show", NULL, "with --test-config: every value and its origin"},
    {0, "list", "WHAT", "detectors, decoders, outputs, options, records or memory"},
    {0, "explain", "SLUG", "a detection, an anomaly kind, a reason, an option or a record field, in full"},
    {0, "docs", "PAGE", "print a generated page: options, records, reasons, detections, schema, template or man"},
    {'h', "help", NULL, "this"},
    {'V', "version", NULL, "name and version"},
    {0, NULL, NULL, NULL},
};
/* clang-format on */

enum { ROWS_MAX = 32, FIRST_LONG = 256 };

static enum status refuse(struct error *error, const char *before, const char *value,
                          const char *after)
{
    return error_set(error, STATUS_USAGE, "", "%s'%s'%s", before, value, after);
}

static enum status take_workers(struct cli *cli, const char *value, struct error *error)
{
    uint32_t number = 0;
    if (!slice_u32(slice_of_string(value), &number) || number > 16) {
        return error_set(error, STATUS_USAGE, "--workers",
                         "found '%s', a number from 0 to 16 is allowed", value);
    }
    cli->workers = (int)number;
    return STATUS_OK;
}

static enum status take_path(struct cli *cli, const char *path, struct error *error)
{
    if (cli->path_count == CLI_PATHS_MAX) {
        return refuse(error, "more than 4096 paths; give a folder instead of ", path, "");
    }
    cli->paths[cli->path_count++] = path;
    return STATUS_OK;
}

static bool is_one_of(const char *value, const char *const *words)
{
    for (size_t i = 0; words[i] != NULL; i++) {
        if (strcmp(value, words[i]) == 0) {
            return true;
        }
    }
    return false;
}

static enum status take(struct cli *cli, const struct cli_row *row, const char *value,
                        struct error *error)
{
    static const char *const reports[] = {"text", "json", "none", NULL};
    const char *name = row->name;
    if (strcmp(name, "read") == 0) {
        return take_path(cli, value, error);
    }
    if (strcmp(name, "interface") == 0) {
        if (cli->interface_count == CLI_INTERFACES_MAX) {
            return refuse(error, "more than 64 interfaces: ", value, "");
        }
        cli->interfaces[cli->interface_count++] = value;
    } else if (strcmp(name, "config") == 0) {
        cli->config = value;
    } else if (strcmp(name, "set") == 0) {
        if (cli->set_count == CLI_SETS_MAX) {
            return refuse(error, "more than 256 --set; write a file instead of ", value, "");
        }
        cli->sets[cli->set_count++] = value;
    } else if (strcmp(name, "workers") == 0) {
        return take_workers(cli, value, error);
    } else if (strcmp(name, "report") == 0) {
        if (!is_one_of(value, reports)) {
            return error_set(error, STATUS_USAGE, "--report",
                             "found '%s', text, json or none is allowed", value);
        }
        cli->report = value;
    } else if (strcmp(name, "records") == 0) {
        cli->records = value;
    } else if (strcmp(name, "state") == 0) {
        cli->state = value;
    } else if (strcmp(name, "deliver") == 0) {
        cli->deliver = true;
    } else if (strcmp(name, "test-config") == 0) {
        cli->task = CLI_TEST_CONFIG;
    } else if (strcmp(name, "show") == 0) {
        cli->show = true;
    } else if (strcmp(name, "help") == 0) {
        cli->task = CLI_HELP;
    } else if (strcmp(name, "version") == 0) {
        cli->task = CLI_VERSION;
    } else {
        cli->task = strcmp(name, "list") == 0      ? CLI_LIST
                    : strcmp(name, "explain") == 0 ? CLI_EXPLAIN
                                                   : CLI_DOCS;
        cli->subject = value;
    }
    return STATUS_OK;
}

static enum status parse(struct cli *cli, int argc, char **argv, struct error *error)
{
    struct option longs[ROWS_MAX] = {{0}};
    char letters[ROWS_MAX * 2 + 2] = ":";
    size_t letter_count = 1;
    for (int i = 0; cli_rows[i].name != NULL; i++) {
        assert(i < ROWS_MAX - 1);
        longs[i] = (struct option){.name = cli_rows[i].name,
                                   .has_arg = cli_rows[i].argument != NULL,
                                   .val = FIRST_LONG + i};
        if (cli_rows[i].letter != 0) {
            letters[letter_count++] = cli_rows[i].letter;
            if (cli_rows[i].argument != NULL) {
                letters[letter_count++] = ':';
            }
        }
    }
    opterr = 0;
    optind = 0;
    for (;;) {
        int at = optind == 0 ? 1 : optind;
        int found = getopt_long(argc, argv, letters, longs, NULL);
        if (found == -1) {
            break;
        }
        if (found == '?') {
            return refuse(error, "option ", at < argc ? argv[at] : "", " is not known; see --help");
        }
        if (found == ':') {
            return refuse(error, "option ", argv[optind - 1], " needs a value; see --help");
        }
        const struct cli_row *row = cli_rows;
        while (found < FIRST_LONG ? row->letter != (char)found
                                  : row != cli_rows + (found - FIRST_LONG)) {
            row++;
        }
        enum status status = take(cli, row, optarg, error);
        if (status != STATUS_OK) {
            return status;
        }
    }
    for (int i = optind; i < argc; i++) {
        enum status status =
            cli->path_count == 0
                ? refuse(error, "", argv[i], " stands alone; captures follow -r, see --help")
                : take_path(cli, argv[i], error);
        if (status != STATUS_OK) {
            return status;
        }
    }
    return STATUS_OK;
}

enum status cli_open(int argc, char **argv, struct cli *out_cli, struct error *error)
{
    struct cli cli = {.task = CLI_READ,
                      .workers = CLI_WORKERS_AUTO,
                      .paths = calloc(CLI_PATHS_MAX, sizeof *cli.paths),
                      .sets = calloc(CLI_SETS_MAX, sizeof *cli.sets)};
    enum status status = cli.paths == NULL || cli.sets == NULL
                             ? error_set(error, STATUS_FAILED, "", "no memory for the command line")
                             : parse(&cli, argc, argv, error);
    if (status == STATUS_OK && cli.task == CLI_READ && cli.interface_count > 0) {
        cli.task = CLI_LISTEN;
    }
    if (status == STATUS_OK && cli.task == CLI_READ && cli.path_count == 0) {
        status = error_set(error, STATUS_USAGE, "",
                           "nothing to do: give captures with -r FILE or an interface with -i "
                           "NAME, see --help");
    }
    if (status == STATUS_OK && cli.task == CLI_LISTEN && cli.path_count > 0) {
        status = error_set(error, STATUS_USAGE, "",
                           "-r reads captures, -i listens: one of them, not both");
    }
    if (status != STATUS_OK) {
        cli_close(&cli);
        return status;
    }
    *out_cli = cli;
    return STATUS_OK;
}

void cli_close(struct cli *cli)
{
    free(cli->paths);
    free(cli->sets);
    *cli = (struct cli){0};
}

void cli_help(FILE *out)
{
    fputs(
        "earshot hears the telephony on a network and tells the security team what happens in it:\n"
        "who scans, who guesses passwords, which calls fail or sound bad.\n\n"
        "usage: earshot -r FILE|FOLDER ... [options]\n"
        "       earshot -i INTERFACE [-i INTERFACE ...] [options]\n\n",
        out);
    for (const struct cli_row *row = cli_rows; row->name != NULL; row++) {
        char left[64];
        snprintf(left, sizeof left, "%c%c%s --%s %s", row->letter == 0 ? ' ' : '-',
                 row->letter == 0 ? ' ' : row->letter, row->letter == 0 ? " " : ",", row->name,
                 row->argument == NULL ? "" : row->argument);
        fprintf(out, "  %-30s %s\n", left, row->help);
    }
    fputs("\nexit status: 0 done (alerts or none), 1 failed inside, or records undelivered,\n"
          "2 wrong usage or configuration, 3 input that cannot be read, or no interface left\n",
          out);
}
