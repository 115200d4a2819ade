/* http_page.c - what a person looks for first stands first.
 *
 *     is it well?        the verdict of /healthz, and its reasons in words
 *     what does it hear? six figures
 *     what is wrong?     incidents, open ones first, each with its sentence
 *     where does it go?  outputs with what they delivered, hold and lost
 *     what else?         SIP by method and class, how calls ended
 *
 * Plain HTML that reads well without its style. It asks to be loaded again every ten seconds: the
 * sensor speaks of itself that often. */
#include "outputs/http_page.h"

static const char *const levels[VIEW_LEVELS] = {"", "low", "medium", "high", "critical"};

/* clang-format off */
const char http_page_style[] =
    ":root{color-scheme:light dark;--back:#f6f7f9;--card:#fff;--line:#dfe3e8;--text:#1c2430;--dim:#5c6774;"
    "--good:#1a7f43;--bad:#c0262d;--low:#5c6774;--medium:#8a6100;--high:#b54708;--critical:#c0262d}\n"
    "@media(prefers-color-scheme:dark){:root{--back:#12161c;--card:#1a2029;--line:#2d3642;--text:#e4e8ee;"
    "--dim:#98a3b0;--good:#4cc77d;--bad:#ff7b74;--low:#98a3b0;--medium:#e0b341;--high:#ff9d57;--critical:#ff7b74}}\n"
    "*{box-sizing:border-box}\n"
    "body{margin:0;background:var(--back);color:var(--text);font:15px/1.5 system-ui,sans-serif}\n"
    "header,main,footer{max-width:76rem;margin:0 auto;padding:0 1rem}\n"
    "header{padding-top:1.2rem}\n"
    "h1{font-size:1.5rem;line-height:1.2;margin:0 0 .8rem;overflow-wrap:anywhere}\n"
    "h1 span{font-weight:400;color:var(--dim)}\n"
    "h2{font-size:1rem;margin:1.8rem 0 .6rem}\n"
    ".state{border:1px solid var(--line);border-left:.35rem solid var(--good);background:var(--card);border-radius:.4rem;"
    "padding:.7rem 1rem}\n"
    ".state.bad{border-left-color:var(--bad)}\n"
    ".state p{margin:0}.state ul{margin:.3rem 0 0;padding-left:1.2rem}\n"
    ".state b{color:var(--good)}.state.bad b{color:var(--bad)}\n"
    ".tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(10rem,1fr));gap:.7rem;margin:1rem 0 0;padding:0;list-style:none}\n"
    ".tiles li{background:var(--card);border:1px solid var(--line);border-radius:.4rem;padding:.6rem .9rem}\n"
    ".tiles b{display:block;font-size:1.35rem;line-height:1.3;font-variant-numeric:tabular-nums}\n"
    ".tiles span,.when,td small{color:var(--dim);font-size:.85rem}\n"
    ".tiles .bad b{color:var(--bad)}\n"
    "article{background:var(--card);border:1px solid var(--line);border-left:.35rem solid var(--low);border-radius:.4rem;"
    "padding:.6rem 1rem;margin:0 0 .6rem}\n"
    "article.medium{border-left-color:var(--medium)}article.high{border-left-color:var(--high)}"
    "article.critical{border-left-color:var(--critical)}\n"
    "article.closed{border-left-color:var(--line)}\n"
    "article h3{font-size:1rem;margin:0;display:flex;flex-wrap:wrap;gap:.2rem .7rem;align-items:baseline}\n"
    "article p{margin:.2rem 0 0;overflow-wrap:anywhere}\n"
    "em{font-style:normal;font-size:.8rem;font-weight:600;color:var(--low)}\n"
    ".medium em{color:var(--medium)}.high em{color:var(--high)}.critical em{color:var(--critical)}.closed em{color:var(--dim)}\n"
    ".scroll{overflow-x:auto;background:var(--card);border:1px solid var(--line);border-radius:.4rem}\n"
    "table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}\n"
    "th,td{padding:.4rem .9rem;text-align:right;border-top:1px solid var(--line);white-space:nowrap}\n"
    "th:first-child,td:first-child{text-align:left;white-space:normal;overflow-wrap:anywhere;min-width:7rem}\n"
    "thead th{border-top:0;color:var(--dim);font-weight:600;font-size:.85rem}\n"
    "tbody:first-child tr:first-child td{border-top:0}\n"
    "@media(max-width:36rem){th,td{padding:.35rem .45rem;font-size:.85rem}th:first-child,td:first-child{min-width:4.5rem}}\n"
    "td.bad{color:var(--bad);font-weight:600}\n"
    ".pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(17rem,1fr));gap:0 1rem}\n"
    ".none{color:var(--dim);margin:0}\n"
    "footer{color:var(--dim);font-size:.85rem;padding-top:1.5rem;padding-bottom:2rem}\n"
    "a{color:inherit}\n";
/* clang-format on */

void http_page_escape(struct text *text, struct slice value)
{
    char raw[4 * RECORD_SENTENCE_MAX];
    struct text printable = text_into(raw, sizeof raw);

    text_printable(&printable, slice_part(value, 0, RECORD_SENTENCE_MAX));
    for (size_t i = 0; i < printable.bytes; i++) {
        switch (raw[i]) {
        case '&':
            text_string(text, "&amp;");
            break;
        case '<':
            text_string(text, "&lt;");
            break;
        case '>':
            text_string(text, "&gt;");
            break;
        case '"':
            text_string(text, "&quot;");
            break;
        case '\'':
            text_string(text, "&#39;");
            break;
        default:
            text_byte(text, raw[i]);
        }
    }
}

static void put_count(struct text *text, uint64_t value)
{
    char digits[20];
    struct text plain = text_into(digits, sizeof digits);

    text_u64(&plain, value);
    for (size_t i = 0; i < plain.bytes; i++) {
        if (i > 0 && (plain.bytes - i) % 3 == 0) {
            text_byte(text, ',');
        }
        text_byte(text, digits[i]);
    }
}

static void put_time(struct text *text, uint64_t time_ns)
{
    char line[32];
    struct text whole = text_into(line, sizeof line);

    text_time(&whole, time_ns, 0);
    text_slice_put(text, slice_part(text_slice(&whole), 0, 10));
    text_byte(text, ' ');
    text_slice_put(text, slice_part(text_slice(&whole), 11, 19));
}

/* --- is it well? --- */

static void put_head(const struct output_host *host, struct text *text)
{
    text_string(text, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                      "<meta http-equiv=\"refresh\" content=\"10\">\n<title>earshot: ");
    http_page_escape(text, slice_of_string(host->identity.observer));
    text_string(text, "</title>\n<link rel=\"stylesheet\" href=\"style.css\">\n</head>\n<body>\n"
                      "<header>\n<h1>earshot <span>");
    http_page_escape(text, slice_of_string(host->identity.observer));
    text_string(text, "</span></h1>\n");
}

static void put_state(const struct health *health, struct text *text)
{
    text_string(text, health->good ? "<div class=\"state\">\n<p><b>Healthy.</b></p>\n"
                                   : "<div class=\"state bad\">\n<p><b>Not healthy.</b></p>\n");
    if (health->count > 0) {
        text_string(text, "<ul>\n");
        for (uint32_t i = 0; i < health->count; i++) {
            text_string(text, "<li>");
            http_page_escape(text, slice_of_string(health->reasons[i]));
            text_string(text, "</li>\n");
        }
        text_string(text, "</ul>\n");
    }
    text_string(text, "</div>\n</header>\n<main>\n");
}

/* --- what does it hear? --- */

static void put_tile(struct text *text, const char *what, uint64_t value, const char *more,
                     uint64_t figure, bool bad)
{
    text_string(text, bad ? "<li class=\"bad\"><b>" : "<li><b>");
    put_count(text, value);
    text_format(text, "</b> %s<br><span>", what);
    put_count(text, figure);
    text_format(text, "%s</span></li>\n", more);
}

static uint64_t a_second(const struct http_view *view, uint64_t now, uint64_t before)
{
    uint64_t span_ns = time_since(view->now.time_ns, view->before.time_ns);

    if (view->before.time_ns == 0 || span_ns < NS_PER_S) {
        return 0;
    }
    return time_since(now, before) / (span_ns / NS_PER_S);
}

static void put_tiles(const struct http_view *view, struct text *text)
{
    const struct view_figures *now = &view->now;
    const struct view_figures *before = &view->before;
    uint64_t lost = now->dropped_kernel + now->dropped_nic;
    uint64_t lost_before = before->dropped_kernel + before->dropped_nic;

    text_string(text, "<ul class=\"tiles\">\n");
    put_tile(text, "packets", now->packets, " a second",
             a_second(view, now->packets, before->packets), false);
    put_tile(text, "SIP messages", now->messages, " a second",
             a_second(view, now->messages, before->messages), false);
    put_tile(text, "calls now", http_view_figure(view, FIELD_ID_EARSHOT_SENSOR_TABLES_CALLS),
             " ended", view->records[DATASET_CALL], false);
    put_tile(text, "RTP streams now",
             http_view_figure(view, FIELD_ID_EARSHOT_SENSOR_TABLES_STREAMS), " so far",
             http_view_figure(view, FIELD_ID_EARSHOT_SENSOR_RTP_STREAMS), false);
    put_tile(text, "registered now",
             http_view_figure(view, FIELD_ID_EARSHOT_SENSOR_TABLES_REGISTRATIONS),
             " refused so far",
             http_view_figure(view, FIELD_ID_EARSHOT_SENSOR_REGISTRATIONS_FAILED), false);
    put_tile(text, "frames lost", lost, " in the last interval", time_since(lost, lost_before),
             lost != lost_before);
    text_string(text, "</ul>\n");
}

/* --- what is wrong? --- */

static void put_incident(const struct view_incident *it, struct text *text)
{
    text_format(text, "<article class=\"%s%s\">\n<h3>", levels[it->level],
                it->open ? "" : " closed");
    http_page_escape(text, slice_of(it->title, it->title_bytes));
    text_format(text, " <em>%s, %s</em></h3>\n<p>", levels[it->level],
                it->open ? "open" : "closed");
    http_page_escape(text, slice_of(it->sentence, it->sentence_bytes));
    text_string(text, "</p>\n<p class=\"when\">");
    put_time(text, it->first_ns);
    if (it->told_ns / NS_PER_S != it->first_ns / NS_PER_S) {
        text_string(text, " to ");
        put_time(text, it->told_ns);
    }
    text_string(text, " UTC, counted ");
    put_count(text, it->count);
    text_string(text, "</p>\n</article>\n");
}

static void put_incidents(const struct http_view *view, struct text *text)
{
    const struct view_incident *sorted[VIEW_INCIDENTS];
    uint32_t count = http_view_sorted(view, sorted);

    text_string(text, "<section>\n<h2>Incidents: ");
    put_count(text, view->open_count);
    text_string(text, " open</h2>\n");
    if (count == 0) {
        text_string(text, "<p class=\"none\">None since the start.</p>\n");
    }
    for (uint32_t i = 0; i < count; i++) {
        put_incident(sorted[i], text);
    }
    if (count == VIEW_INCIDENTS) {
        text_format(text, "<p class=\"none\">Here stand %d of them; all went to the outputs.</p>\n",
                    (int)VIEW_INCIDENTS);
    }
    text_string(text, "</section>\n");
}

/* --- where does it go? --- */

static void put_cell(struct text *text, uint64_t value, bool bad)
{
    text_string(text, bad ? "<td class=\"bad\">" : "<td>");
    put_count(text, value);
    text_string(text, "</td>");
}

static void put_outputs(const struct output_host *host, struct text *text)
{
    text_string(text, "<section>\n<h2>Outputs</h2>\n<div class=\"scroll\"><table>\n<thead><tr><th>"
                      "output</th><th>far end</th><th>lost</th><th>waiting</th><th>delivered</th>"
                      "<th>repeated</th></tr></thead>\n<tbody>\n");
    for (uint32_t i = 0; i < *host->place_count; i++) {
        const struct output_place *place = &host->places[i];
        uint64_t lost = output_dropped(&place->tally);
        text_string(text, "<tr><td>");
        http_page_escape(text, slice_of_string(place->name));
        text_format(text, " <small>%s</small></td>", place->type->type);
        text_string(text, place->tally.away ? "<td class=\"bad\">away</td>" : "<td>there</td>");
        put_cell(text, lost, lost > 0);
        put_cell(text, place->tally.waiting, false);
        put_cell(text, place->tally.acknowledged, false);
        put_cell(text, place->tally.repeated, false);
        text_string(text, "</tr>\n");
    }
    text_string(text, "</tbody>\n</table></div>\n</section>\n");
}

/* --- what else? --- */

static void table_begin(struct text *text, const char *heading)
{
    text_format(text, "<section>\n<h2>%s</h2>\n<div class=\"scroll\"><table>\n<tbody>\n", heading);
}

static void table_end(struct text *text)
{
    text_string(text, "</tbody>\n</table></div>\n</section>\n");
}

static void put_row(struct text *text, struct slice name, uint64_t value)
{
    text_string(text, "<tr><td>");
    http_page_escape(text, name);
    text_string(text, "</td>");
    put_cell(text, value, false);
    text_string(text, "</tr>\n");
}

/* The pairs of a field that holds a map. */
static void put_map(const struct http_view *view, enum field field, const char *heading,
                    struct text *text)
{
    struct record_value value;
    bool begun = false;
    uint32_t at = 0;

    while (view->heard &&
           record_next((const struct record *)(const void *)view->sensor, &at, &value)) {
        if (value.field == field) {
            if (!begun) {
                table_begin(text, heading);
                begun = true;
            }
            put_row(text, value.text, (uint64_t)value.number);
        }
    }
    if (begun) {
        table_end(text);
    }
}

static void put_calls(const struct http_view *view, struct text *text)
{
    if (view->records[DATASET_CALL] == 0) {
        return;
    }
    table_begin(text, "Calls that ended");
    for (unsigned i = 0; i < VIEW_OUTCOMES; i++) {
        if (view->outcomes[i] > 0) {
            put_row(text, slice_of_string(view_outcome_names[i]), view->outcomes[i]);
        }
    }
    table_end(text);
}

static void put_hooks(const struct http_view *view, struct text *text)
{
    if (view->step_count == 0) {
        return;
    }
    table_begin(text, "Responses");
    for (uint32_t i = 0; i < view->step_count; i++) {
        text_string(text, "<tr><td>");
        http_page_escape(text, slice_of_string(view->steps[i].hook));
        text_byte(text, ' ');
        http_page_escape(text, slice_of_string(view->steps[i].step));
        text_string(text, "</td>");
        put_cell(text, view->steps[i].count, false);
        text_string(text, "</tr>\n");
    }
    table_end(text);
}

static void put_foot(const struct http_view *view, const struct output_host *host,
                     uint64_t steady_ns, struct text *text)
{
    text_string(text, "</main>\n<footer>\n<p>");
    if (view->heard) {
        text_string(text, "As of ");
        put_time(text, view->now.time_ns);
        text_format(text, " UTC, told %" PRIu64 " s ago. ",
                    time_since(steady_ns, view->heard_ns) / NS_PER_S);
    }
    text_string(text, "earshot ");
    http_page_escape(text, slice_of_string(host->identity.version));
    text_string(text, ". For programs: <a href=\"metrics\">metrics</a>, <a href=\"healthz\">healthz"
                      "</a>.</p>\n</footer>\n</body>\n</html>\n");
}

void http_page_print(const struct http_view *view, const struct output_host *host,
                     const struct health *health, uint64_t steady_ns, struct text *text)
{
    put_head(host, text);
    put_state(health, text);
    put_tiles(view, text);
    put_incidents(view, text);
    put_outputs(host, text);
    text_string(text, "<div class=\"pair\">\n");
    put_hooks(view, text);
    put_map(view, FIELD_ID_EARSHOT_SENSOR_SIP_REQUESTS, "Requests", text);
    put_map(view, FIELD_ID_EARSHOT_SENSOR_SIP_RESPONSES, "Answers", text);
    put_calls(view, text);
    text_string(text, "</div>\n");
    put_foot(view, host, steady_ns, text);
}
