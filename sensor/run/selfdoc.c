/* Lists, explanations and pages, printed from the tables that the program itself uses. docs/ holds
 * the printed pages and a test holds them to this output, so they cannot go stale. */
#include "sensor/run/selfdoc.h"

#include "decoders/reason.h"
#include "outputs/index_template.h"
#include "outputs/schema.h"
#include "sensor/run/cli.h"
#include "sensor/run/reload.h"
#include "sensor/run/run.h"

static const char *const frame_verdicts[] = {[FRAME_DECODED] = "decoded",
                                             [FRAME_IGNORED] = "ignored",
                                             [FRAME_MALFORMED] = "malformed",
                                             [FRAME_NOTED] = "noted"};
static const char *const anomaly_classes[] = {
    [ANOMALY_CLASS_I] = "I", [ANOMALY_CLASS_L] = "L", [ANOMALY_CLASS_X] = "X"};

/* --- options --- */

static void allowed_text(const struct option *option, char *out, size_t bytes)
{
    struct text text = text_into(out, bytes - 1);
    option_allowed(option, &text);
    out[text.bytes] = '\0';
}

/* An empty default as the configuration would write it: a column of nothing says nothing. */
static const char *preset_text(const struct option *option)
{
    bool empty = option->preset == NULL || option->preset[0] == '\0';
    return !empty ? option->preset : option_is_list(option) ? "[]" : "\"\"";
}

static void list_option(void *owner, const struct config_row *row)
{
    fprintf(owner, "%-44s %-16s %s\n", row->key, preset_text(row->option), row->option->help);
}

static void page_option(void *owner, const struct config_row *row)
{
    char allowed[512];
    allowed_text(row->option, allowed, sizeof allowed);
    fprintf(owner, "| `%s` | `%s` | %s | %s%s |\n", row->key, preset_text(row->option), allowed,
            row->option->help, reload_waits(row) ? " (a change waits for a restart)" : "");
}

/* Rows of a map by name, as outputs and responses are. */
static void page_named(const char *prefix, const struct option *options, FILE *out)
{
    fputs("\n| key | default | allowed | what it does |\n| --- | --- | --- | --- |\n", out);
    for (const struct option *option = options; option->kind != OPTION_END; option++) {
        char allowed[512];
        allowed_text(option, allowed, sizeof allowed);
        fprintf(out, "| `%s.NAME.%s` | `%s` | %s | %s |\n", prefix, option->key,
                preset_text(option), allowed, option->help);
    }
}

static void page_responses(FILE *out)
{
    fputs("\n## Responses\n\n`responses: {NAME: {rules: [...], hook: HOOK, mode: dry-run}}`; "
          "`docs/responses.md` says what happens.\n",
          out);
    page_named("responses", response_binding_options, out);
}

static void page_options(const struct config *config, FILE *out)
{
    fputs("# Options\n\nPrinted by `earshot --docs options`. Every key has a default; an empty "
          "file is valid. Keys are\n"
          "dotted here and nested maps in the file; `--set KEY=VALUE` takes them as they stand.\n\n"
          "| key | default | allowed | what it does |\n| --- | --- | --- | --- |\n",
          out);
    config_walk(config, page_option, out);
    fputs("\n## Outputs\n\n`outputs: {NAME: {type: TYPE, datasets: [...], ...}}`; without "
          "`datasets` an output gets all.\nA running sensor does not take up a change here, nor "
          "under Responses: it waits for a restart.\n\n### every type\n",
          out);
    page_named("outputs", config_output_options, out);
    for (size_t i = 0; outputs[i] != NULL; i++) {
        fprintf(out, "\n### %s\n\n%s.\n", outputs[i]->type, outputs[i]->title);
        page_named("outputs", outputs[i]->options, out);
    }
    page_responses(out);
}

struct wanted_option {
    struct slice key;
    FILE *out;
    bool found;
};

static void explain_option(void *owner, const struct config_row *row)
{
    struct wanted_option *wanted = owner;
    if (!slice_equal(slice_of_string(row->key), wanted->key)) {
        return;
    }
    char allowed[512];
    char value[1024];
    allowed_text(row->option, allowed, sizeof allowed);
    struct text text = text_into(value, sizeof value - 1);
    config_print(row, &text);
    if (text.bytes == 0) {
        text_string(&text, "\"\"");
    }
    value[text.bytes] = '\0';
    fprintf(wanted->out,
            "option %s\n  %s\n  default: %s\n  allowed: %s\n  now: %s (%s)\n  a change %s\n",
            row->key, row->option->help, preset_text(row->option), allowed, value, row->origin,
            reload_waits(row) ? "waits for a restart" : "is taken up by a running sensor (SIGHUP)");
    wanted->found = true;
}

static bool explain_row(const char *prefix, const char *type, const struct option *options,
                        struct slice key, FILE *out)
{
    const struct option *option = option_find(options, key);
    if (option == NULL) {
        return false;
    }
    char allowed[512];
    allowed_text(option, allowed, sizeof allowed);
    fprintf(out,
            "option %s.NAME.%s%s\n  %s\n  default: %s\n  allowed: %s\n  a change waits for a "
            "restart\n",
            prefix, option->key, type, option->help, preset_text(option), allowed);
    return true;
}

/* outputs.NAME.KEY and responses.NAME.KEY, of whatever name. */
static bool explain_named(struct slice slug, FILE *out)
{
    size_t dot = slice_find(slug, '.');
    struct slice rest = slice_from(slug, dot < slug.bytes ? dot + 1 : dot);
    size_t second = slice_find(rest, '.');
    struct slice key = slice_from(rest, second < rest.bytes ? second + 1 : second);
    struct slice prefix = slice_part(slug, 0, dot);
    bool found = false;

    if (slice_equal(prefix, SLICE("responses"))) {
        return explain_row("responses", "", response_binding_options, key, out);
    }
    if (!slice_equal(prefix, SLICE("outputs"))) {
        return false;
    }
    found = explain_row("outputs", "", config_output_options, key, out);
    for (size_t i = 0; outputs[i] != NULL; i++) {
        char type[64];
        snprintf(type, sizeof type, " of type %s", outputs[i]->type);
        found = explain_row("outputs", type, outputs[i]->options, key, out) || found;
    }
    return found;
}

/* --- detections --- */

static void attack_text(const struct detector *detector, FILE *out)
{
    for (size_t i = 0; i < 3 && detector->attack[i] != NULL; i++) {
        fprintf(out, "%s%s", i == 0 ? "" : ", ", detector->attack[i]);
    }
}

static void explain_detector(const struct detector *detector, const struct config *config,
                             FILE *out)
{
    fprintf(out, "detection %s: %s\n", detector->slug, detector->title);
    fprintf(out, "  sees:         %s\n  blind to:     %s\n  false alarms: %s\n  what to do:   %s\n",
            detector->sees, detector->blind, detector->false_alarms, detector->advice);
    fprintf(out, "  as it looks:  %s\n", detector->example);
    fprintf(out, "  severity:     %u of 4\n  counted per:  %s (%s)", detector->severity,
            key_kind_name(detector->key), key_kind_help(detector->key));
    fputs(detector->attack[0] == NULL ? "" : "\n  ATT&CK:       ", out);
    attack_text(detector, out);
    fputs("\n  options:\n", out);
    for (const struct option *option = detector->options;
         option != NULL && option->kind != OPTION_END; option++) {
        char key[256];
        struct text text = text_into(key, sizeof key - 1);
        text_format(&text, "detectors.%s.%s", detector->slug, option->key);
        key[text.bytes] = '\0';
        struct wanted_option wanted = {.key = slice_of_string(key), .out = out};
        config_walk(config, explain_option, &wanted);
    }
}

/* What stands in texts of the wire must not become markup. */
static void page_quote(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (strchr("*_<>`[]\\", *text) != NULL) {
            fputc('\\', out);
        }
        fputc(*text, out);
    }
    fputc('\n', out);
}

static void page_detections(FILE *out)
{
    fputs("# Detections\n\nPrinted by `earshot --docs detections`. Each has a page of its own in "
          "`detectors/`.\n"
          "Severity: 1 log, 2 ticket, 3 page, 4 page and propose a response.\n",
          out);
    for (size_t i = 0; detectors[i] != NULL; i++) {
        const struct detector *detector = detectors[i];
        fprintf(out, "\n## %s\n\n%s. Severity %u, counted per %s%s", detector->slug,
                detector->title, detector->severity, key_kind_name(detector->key),
                detector->attack[0] == NULL ? "" : ", ATT&CK ");
        attack_text(detector, out);
        fprintf(out,
                ".\n\n- **Sees**: %s\n- **Blind to**: %s\n- **False alarms**: %s\n- **What to "
                "do**: %s\n",
                detector->sees, detector->blind, detector->false_alarms, detector->advice);
        fputs("\nAs it looks:\n\n> ", out);
        page_quote(out, detector->example);
        if (detector->options == NULL || detector->options->kind == OPTION_END) {
            continue;
        }
        fputs("\n| option | default | allowed | what it does |\n| --- | --- | --- | --- |\n", out);
        for (const struct option *option = detector->options; option->kind != OPTION_END;
             option++) {
            char allowed[512];
            allowed_text(option, allowed, sizeof allowed);
            fprintf(out, "| `%s` | `%s` | %s | %s |\n", option->key, preset_text(option), allowed,
                    option->help);
        }
    }
}

/* --- reasons --- */

static void page_reasons(FILE *out)
{
    fputs("# Reasons and anomalies\n\nPrinted by `earshot --docs reasons`.\n\n## Why bytes were "
          "refused, ignored or noted\n\n"
          "`packets` counts every frame as decoded, ignored or malformed; what is noted is counted "
          "inside a decoded frame.\n\n"
          "| reason | frame | meaning |\n| --- | --- | --- |\n",
          out);
    for (size_t i = 1; i < REASON_COUNT; i++) {
        fprintf(out, "| `%s` | %s | %s |\n", reason_rows[i].slug,
                frame_verdicts[reason_rows[i].verdict], reason_rows[i].text);
    }
    fputs("\n## What was odd about a message\n\nClass I is a note, L makes the message lenient, X "
          "invalid. Suspicion: 0 normal in the\n"
          "wild, 1 sloppy stack, 2 rare (scanner, fuzzer, parser probe), 3 attack-like.\n\n"
          "| anomaly | class | suspicion | meaning |\n| --- | --- | --- | --- |\n",
          out);
    for (size_t i = 0; i < ANOMALY_COUNT; i++) {
        fprintf(out, "| `%s` | %s | %u | %s |\n", anomaly_rows[i].slug,
                anomaly_classes[anomaly_rows[i].class], anomaly_rows[i].suspicion,
                anomaly_rows[i].text);
    }
}

/* --- the man page --- */

static void man_text(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '-') {
            fputc('\\', out);
        }
        fputc(*text, out);
    }
}

static void page_man(FILE *out)
{
    fputs(".TH EARSHOT 8 \"\" \"earshot " EARSHOT_VERSION
          "\"\n.SH NAME\nearshot \\- passive VoIP security monitor\n"
          ".SH SYNOPSIS\n.B earshot \\-r\n.IR FILE | FOLDER\n.RI ... \" [options]\"\n.br\n"
          ".B earshot \\-i\n.IR INTERFACE\n.RI ... \" [options]\"\n.SH DESCRIPTION\n"
          "Reads captured telephony (SIP, RTP, RTCP), or listens to it on a mirror port, and tells "
          "who scans, who guesses\n"
          "passwords, which calls fail or sound bad, as a report for people and as ECS JSON "
          "records for a SIEM. It never\n"
          "sends a packet. Listening ends with SIGINT or SIGTERM and everything reported; a second "
          "signal ends it at once.\n"
          "SIGHUP reads the configuration again; a mistake keeps the one in force.\n.SH OPTIONS\n",
          out);
    for (const struct cli_row *row = cli_rows; row->name != NULL; row++) {
        fputs(".TP\n.B ", out);
        if (row->letter != 0) {
            fprintf(out, "\\-%c, ", row->letter);
        }
        fputs("\\-\\-", out);
        man_text(out, row->name);
        if (row->argument != NULL) {
            fprintf(out, " \\fI%s\\fR", row->argument);
        }
        fputc('\n', out);
        man_text(out, row->help);
        fputc('\n', out);
    }
    fputs(".SH STATE\nWhat is known (accounts, devices, addresses, registrations, past "
          "destinations, open "
          "incidents, slow counts) is kept in the\n"
          "folder that \\-\\-state names: written at the end, and live once a minute too. Two "
          "generations stay; one that is cut or\n"
          "garbled is set aside as state.corrupt\\-N with a warning, and the one before is taken. "
          "The folder must belong to the user\n"
          "that runs earshot, nobody else may write into it, and one sensor at a time uses it. A "
          "live sensor keeps the key of its\n"
          "hashes there (file key, mode 0600).\n.SH FILES\n.TP\n.I /var/lib/earshot\nThe state "
          "folder of a live sensor, where it is there and \\-\\-state says nothing else.\n"
          ".TP\n.I /etc/earshot/hooks\nThe programs that responses may start (response.hooks).\n"
          ".TP\n.I /etc/earshot/response.stop\nWhile it is there no response does anything new "
          "(response.stop_file).\n",
          out);
    fputs(".SH EXIT STATUS\n.TP\n.B 0\nDone, with or without alerts.\n.TP\n.B 1\nSomething inside "
          "failed, or records could not be delivered.\n"
          ".TP\n.B 2\nWrong usage or configuration.\n.TP\n.B 3\nInput that cannot be read; the "
          "other files were read. Or an\ninterface that cannot be opened, or none is left.\n"
          ".SH ENVIRONMENT\n.TP\n.B NO_COLOR\nNo colour in the report.\n.SH SEE ALSO\nThe pages in "
          "docs/ of the source.\n",
          out);
}

/* --- the three commands --- */

static void list_decoders(FILE *out)
{
    fputs("links    EN10MB NULL LOOP RAW IPV4 IPV6 LINUX_SLL LINUX_SLL2 PPP PPP_SERIAL PPP_ETHER "
          "C_HDLC FRELAY IPNET\n"
          "         802.11 radiotap IP_OVER_FC ERF\n"
          "tags     VLAN QinQ PBB MPLS PPPoE NSH VN-tag E-tag FabricPath CMD TRILL LLC/SNAP\n"
          "tunnels  GRE ERSPAN I-III VXLAN VXLAN-GPE GENEVE GTP-U Teredo L2TP CAPWAP TZSP IP-in-IP "
          "6in4 AH ESP-NULL\n"
          "IP       IPv4 and IPv6 with extension headers, fragments put together, mirror copies "
          "left out\n"
          "above    UDP TCP SIP SDP RTP RTCP STUN; nDPI names what is none of these\n",
          out);
}

enum status selfdoc_list(const char *what, const struct config *config, unsigned workers, FILE *out,
                         struct error *error)
{
    if (strcmp(what, "detectors") == 0) {
        for (size_t i = 0; detectors[i] != NULL; i++) {
            fprintf(out, "%-30s %u  %s\n", detectors[i]->slug, detectors[i]->severity,
                    detectors[i]->title);
        }
    } else if (strcmp(what, "decoders") == 0) {
        list_decoders(out);
    } else if (strcmp(what, "outputs") == 0) {
        for (size_t i = 0; outputs[i] != NULL; i++) {
            fprintf(out, "%-12s %s\n", outputs[i]->type, outputs[i]->title);
        }
    } else if (strcmp(what, "options") == 0) {
        config_walk(config, list_option, out);
    } else if (strcmp(what, "records") == 0) {
        for (size_t i = 0; i < DATASET_COUNT; i++) {
            fprintf(out, "%-24s %s\n", dataset_rows[i].name, dataset_rows[i].help);
        }
    } else if (strcmp(what, "memory") == 0) {
        run_list_memory(config, workers, out);
    } else {
        return error_set(
            error, STATUS_USAGE, "--list",
            "found '%s', detectors, decoders, outputs, options, records or memory is allowed",
            what);
    }
    return STATUS_OK;
}

enum status selfdoc_explain(const char *slug, const struct config *config, FILE *out,
                            struct error *error)
{
    bool found = false;
    for (size_t i = 0; detectors[i] != NULL; i++) {
        if (strcmp(detectors[i]->slug, slug) == 0) {
            explain_detector(detectors[i], config, out);
            found = true;
        }
    }
    for (size_t i = 0; i < ANOMALY_COUNT; i++) {
        if (strcmp(anomaly_rows[i].slug, slug) == 0) {
            fprintf(out, "anomaly %s (class %s, suspicion %u)\n  %s\n", slug,
                    anomaly_classes[anomaly_rows[i].class], anomaly_rows[i].suspicion,
                    anomaly_rows[i].text);
            found = true;
        }
    }
    for (size_t i = 1; i < REASON_COUNT; i++) {
        if (strcmp(reason_rows[i].slug, slug) == 0) {
            fprintf(out, "reason %s (the frame counts as %s)\n  %s\n", slug,
                    frame_verdicts[reason_rows[i].verdict], reason_rows[i].text);
            found = true;
        }
    }
    struct slice name = slice_of_string(slug); /* lists have [] behind their names in records.md */
    if (name.bytes > 2 && slice_equal(slice_from(name, name.bytes - 2), SLICE("[]"))) {
        name = slice_part(name, 0, name.bytes - 2);
    }
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        if (slice_equal(slice_of_string(field_rows[i].name), name)) {
            schema_explain(out, (enum field)i);
            found = true;
        }
    }
    for (size_t i = 0; i < DATASET_COUNT; i++) {
        if (strcmp(dataset_rows[i].name, slug) == 0) {
            fprintf(out, "dataset %s\n  %s\n  fields: docs/records.md\n", slug,
                    dataset_rows[i].help);
            found = true;
        }
    }
    struct wanted_option wanted = {.key = slice_of_string(slug), .out = out};
    config_walk(config, explain_option, &wanted);
    if (!found && !wanted.found && !explain_named(slice_of_string(slug), out)) {
        return error_set(error, STATUS_USAGE, "--explain",
                         "'%s' is no detection, anomaly, reason, option, dataset or field; see "
                         "--list detectors, options or records, --docs reasons",
                         slug);
    }
    return STATUS_OK;
}

enum status selfdoc_page(const char *page, const struct config *config, FILE *out,
                         struct error *error)
{
    if (strcmp(page, "options") == 0) {
        page_options(config, out);
    } else if (strcmp(page, "records") == 0) {
        schema_print_page(out);
    } else if (strcmp(page, "reasons") == 0) {
        page_reasons(out);
    } else if (strcmp(page, "detections") == 0) {
        page_detections(out);
    } else if (strcmp(page, "schema") == 0) {
        schema_print(out);
    } else if (strcmp(page, "template") == 0) {
        index_template_print(out);
    } else if (strcmp(page, "man") == 0) {
        page_man(out);
    } else {
        return error_set(
            error, STATUS_USAGE, "--docs",
            "found '%s', options, records, reasons, detections, schema, template or man is allowed",
            page);
    }
    return STATUS_OK;
}
