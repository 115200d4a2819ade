/* earshot: start and stop in one page.
 *
 * Command line, configuration, then one task; the exit status is 0 done, 1 failed
 * inside, 2 wrong usage or configuration, 3 input that cannot be read. */
#include "base/log.h"
#include "sensor/run/cli.h"
#include "sensor/run/live.h"
#include "sensor/run/respond.h"
#include "sensor/run/selfdoc.h"
#include "sensor/run/snapshot.h"

#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

static unsigned workers_of(const struct cli *cli)
{
    if (cli->workers != CLI_WORKERS_AUTO) {
        return (unsigned)cli->workers;
    }
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    if (cores <= 1) {
        return 0;
    }
    return cores - 1 > RUN_WORKERS_MAX ? RUN_WORKERS_MAX : (unsigned)(cores - 1);
}

static unsigned width_of_terminal(void)
{
    struct winsize size;
    if (isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
        return size.ws_col > 120 ? 120 : size.ws_col < 60 ? 60 : size.ws_col;
    }
    return 100; /* no terminal, or one that does not know */
}

static enum status configure(const struct cli *cli, struct config **out_config, struct error *error)
{
    struct settings settings;
    settings_start(&settings);
    enum status status =
        cli->config == NULL ? STATUS_OK : settings_read(&settings, cli->config, error);
    for (size_t i = 0; i < cli->set_count && status == STATUS_OK; i++) {
        status = settings_set(&settings, cli->sets[i], error);
    }
    if (status == STATUS_OK) {
        status = config_open(&settings, out_config, error);
    }
    settings_close(&settings);
    return status;
}

/* A pipe was read at the start, and now would be waited for by the one who takes the signals. */
static enum status configure_again(void *owner, struct config **out_config, struct error *error)
{
    const struct cli *cli = owner;
    struct stat info;

    if (cli->config != NULL && stat(cli->config, &info) == 0 && S_ISFIFO(info.st_mode)) {
        return error_set(error, STATUS_USAGE, cli->config, "a pipe cannot be read again");
    }
    return configure(cli, out_config, error);
}

/* Where the state is kept; NULL = nowhere. A capture is read as if it were the first, unless one
 * says otherwise; a sensor that listens is to know after a restart what it knew before. */
static const char *state_of(const struct cli *cli)
{
    if (cli->state != NULL) {
        return strcmp(cli->state, "none") == 0 ? NULL : cli->state;
    }
    if (cli->task != CLI_LISTEN) {
        return NULL;
    }
    return snapshot_folder_is_there() ? SNAPSHOT_FOLDER : NULL;
}

/* Who types `-r -` and nothing before it would wait for ever, and so would the program. */
static bool waits_for_keyboard(const struct cli *cli)
{
    bool named = false;
    for (size_t i = 0; i < cli->path_count; i++) {
        named = named || strcmp(cli->paths[i], "-") == 0;
    }
    return named && isatty(STDIN_FILENO) != 0;
}

static enum status run(const struct cli *cli, const struct config *config, struct error *error)
{
    if (waits_for_keyboard(cli)) {
        return error_set(error, STATUS_USAGE, "-r -",
                         "standard input is a terminal: give a capture with | or <");
    }
    const char *no_color = getenv("NO_COLOR");
    bool records_to_stdout = cli->records != NULL && strcmp(cli->records, "-") == 0;
    struct run_options options = {
        .paths = cli->paths,
        .path_count = cli->path_count,
        .interfaces = cli->interfaces,
        .interface_count = cli->interface_count,
        .workers = workers_of(cli),
        .config = config,
        .reload = configure_again,
        .reload_owner = (void *)(uintptr_t)cli, /* reads it only */
        .records = cli->records,
        .report = cli->report != NULL ? cli->report
                  : records_to_stdout ? "none"
                                      : "text",
        .state = state_of(cli),
        .state_is_said = cli->state != NULL,
        .deliver = cli->deliver,
        .progress = isatty(STDERR_FILENO) != 0,
        .colour = isatty(STDOUT_FILENO) != 0 && (no_color == NULL || no_color[0] == '\0'),
        .width = width_of_terminal(),
    };
    return cli->task == CLI_LISTEN ? run_live(&options, error) : run_files(&options, error);
}

/* A file of countries that cannot be used is no mistake of the configuration, but worth a word. */
static enum status look_at_files(const struct config *config, struct error *error)
{
    struct geo *geo = NULL;
    enum status status = geo_open(&config->geo, NULL, &geo, error);
    geo_close(geo);
    return status;
}

static enum status task(const struct cli *cli, const struct config *config, struct error *error)
{
    switch (cli->task) {
    case CLI_READ:
    case CLI_LISTEN:
        return run(cli, config, error);
    case CLI_TEST_CONFIG:
        if (look_at_files(config, error) != STATUS_OK ||
            live_check_filter(config, error) != STATUS_OK ||
            respond_check(config, error) != STATUS_OK) {
            return error->code;
        }
        if (cli->show) {
            config_show(config, stdout);
        } else {
            puts("the configuration is good");
        }
        return STATUS_OK;
    case CLI_LIST:
        return selfdoc_list(cli->subject, config, workers_of(cli), stdout, error);
    case CLI_EXPLAIN:
        return selfdoc_explain(cli->subject, config, stdout, error);
    case CLI_DOCS:
        return selfdoc_page(cli->subject, config, stdout, error);
    case CLI_HELP:
        cli_help(stdout);
        return STATUS_OK;
    case CLI_VERSION:
        puts("earshot " EARSHOT_VERSION);
        return STATUS_OK;
    }
    return STATUS_OK;
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a limit on the size of files is an error of that file */
    struct error error = {0};
    struct cli cli = {0};
    struct config *config = NULL;
    enum status status = cli_open(argc, argv, &cli, &error);
    if (status == STATUS_OK) {
        status = configure(&cli, &config, &error);
    }
    if (status == STATUS_OK) {
        status = task(&cli, config, &error);
    }
    if (status == STATUS_OK && (fflush(stdout) != 0 || ferror(stdout) != 0)) {
        status = error_system(&error, STATUS_FAILED, "", "standard output cannot be written");
    }
    if (status != STATUS_OK) {
        log_error_struct(&error);
    }
    config_close(config);
    cli_close(&cli);
    return (int)status;
}
