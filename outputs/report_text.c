/* report_text.c - the report for a person: what is wrong first, then what was there, then what was
 * not understood.
 *
 * It is read by somebody who was woken or who has a hundred captures to look through, so: alerts
 * stand at the top as sentences, the worst first, with what to do; every list shows 20 at most and
 * says how many there are; every figure has its word. One pass over each list on disk keeps the 20
 * that matter. Everything that came from the wire is printed through page_wire(). */
#include "outputs/report_text_inside.h"

enum { PAIRS_MAX = 128, ONE_WAY_FROM = 20, DOUBLED_FROM = 100 };

/* --- the entries that matter --- */

void best_see(struct best *best, const struct list_entry *entry, uint64_t rank)
{
    size_t place = best->count;

    while (place > 0 && best->ranks[place - 1] < rank) {
        place--;
    }
    if (place == REPORT_SHOWN) {
        return;
    }
    size_t moved = (best->count < REPORT_SHOWN ? best->count : REPORT_SHOWN - 1) - place;
    memmove(best->ranks + place + 1, best->ranks + place, moved * sizeof best->ranks[0]);
    memmove(best->entries + (place + 1) * LIST_ENTRY_MAX, best->entries + place * LIST_ENTRY_MAX,
            moved * LIST_ENTRY_MAX);
    best->ranks[place] = rank;
    memcpy(best->entries + place * LIST_ENTRY_MAX, entry, entry->bytes);
    best->count += best->count < REPORT_SHOWN;
}

const struct list_entry *best_at(const struct best *best, size_t index)
{
    return (const void *)(best->entries + index * LIST_ENTRY_MAX);
}

void report_text_more(struct page *page, uint64_t all, size_t shown, const char *what)
{
    if (all > shown) {
        page_begin(page, "", 2, PAGE_PLAIN);
        page_string(page, "... ");
        page_string(page, what);
        page_string(page, ": ");
        page_count(page, shown);
        page_string(page, " of ");
        page_count(page, all);
        page_string(page, "; --report json has all");
        page_end(page);
    }
}

/* --- maps of the sensor record --- */

struct pairs {
    size_t count;
    struct record_value values[PAIRS_MAX];
};

/* The largest first; equal ones stay in their order. */
static void pairs_read(struct pairs *pairs, const struct report *report, enum field field)
{
    struct record_value value;
    uint32_t at = 0;

    pairs->count = 0;
    while (pairs->count < PAIRS_MAX && report_pair(report, field, &at, &value)) {
        size_t place = pairs->count++;
        while (place > 0 && pairs->values[place - 1].number < value.number) {
            pairs->values[place] = pairs->values[place - 1];
            place--;
        }
        pairs->values[place] = value;
    }
}

/* "INVITE (120), ACK (118)"; a status code with its words. */
static void print_pairs(struct page *page, const struct report *report, enum field field,
                        const char *label)
{
    struct pairs pairs;
    uint64_t status;

    pairs_read(&pairs, report, field);
    if (pairs.count == 0) {
        return;
    }
    page_begin(page, label, REPORT_INDENT, PAGE_PLAIN);
    for (size_t i = 0; i < pairs.count; i++) {
        struct slice name = pairs.values[i].text;
        page_string(page, i == 0 ? "" : ", ");
        page_wire(page, name, 40);
        if (slice_u64(name, &status) && status < UINT32_MAX) {
            report_text_status(page, (unsigned)status);
        }
        page_string(page, " (");
        page_count(page, (uint64_t)pairs.values[i].number);
        page_string(page, ")");
    }
    page_end(page);
}

/* A line each: how many, which, what that means. */
static bool print_reasons(struct page *page, const struct report *report, enum field field,
                          const char *heading)
{
    struct pairs pairs;

    pairs_read(&pairs, report, field);
    if (pairs.count == 0) {
        return false;
    }
    page_begin(page, "", 2, PAGE_PLAIN);
    page_string(page, heading);
    page_end(page);
    for (size_t i = 0; i < pairs.count && i < REPORT_SHOWN; i++) {
        const char *words = report->words == NULL ? NULL : report->words(pairs.values[i].text);
        page_begin(page, "", 4, PAGE_PLAIN);
        page_count(page, (uint64_t)pairs.values[i].number);
        page_column(page, REPORT_INDENT);
        page->hanging = REPORT_INDENT;
        page_wire(page, pairs.values[i].text, 40);
        if (words != NULL) {
            page_string(page, ": ");
            page_string(page, words);
        }
        page_end(page);
    }
    report_text_more(page, pairs.count, pairs.count < REPORT_SHOWN ? pairs.count : REPORT_SHOWN,
                     "kinds");
    return true;
}

/* --- alerts --- */

static const struct {
    const char *word;
    enum page_ink ink;
} levels[] = {{"  note", PAGE_DIM},
              {"  low", PAGE_CYAN},
              {"  medium", PAGE_YELLOW},
              {"  high", PAGE_RED},
              {"  critical", PAGE_RED_BOLD}};

/* "203.0.113.66 (NL, AS64500 EXAMPLE)", where something is known of the source. */
static void print_place(struct page *page, const struct alert_entry *alert)
{
    struct slice country = entry_text(&alert->head, alert->country);
    struct endpoint source = {.addr = alert->source};

    if (slice_is_empty(country) && alert->as_number == 0) {
        return;
    }
    page_string(page, "; source ");
    page_endpoint(page, &source);
    page_string(page, " (");
    page_wire(page, country, 2);
    if (alert->as_number != 0) {
        page_string(page, slice_is_empty(country) ? "AS" : ", AS");
        text_u64(&page->text, (uint64_t)alert->as_number);
        if (alert->as_name.bytes != 0) {
            page_string(page, " ");
            page_wire(page, entry_text(&alert->head, alert->as_name), 40);
        }
    }
    page_string(page, ")");
}

/* The count is of events. Where it is that of the figure too, the figure's unit says more; else both
 * stand there: 20 accounts at once may be 398 events. */
static void print_count(struct page *page, const struct alert_entry *alert)
{
    struct slice unit = entry_text(&alert->head, alert->unit);
    bool is_figure = alert->count == alert->peak && !slice_is_empty(unit);

    if (!is_figure && !slice_is_empty(unit) && alert->peak > 0) {
        page_string(page, "peak ");
        page_count(page, alert->peak);
        page_string(page, " ");
        page_wire(page, unit, 40);
        page_string(page, ", ");
    }
    unit = is_figure ? unit : SLICE("events");
    bool one = alert->count == 1 && unit.at[unit.bytes - 1] == 's';
    page_count(page, alert->count);
    page_string(page, " ");
    page_wire(page, slice_part(unit, 0, unit.bytes - one), 40);
}

/* The sentence speaks of accounts without naming them; who has to change passwords needs the names. */
static void print_accounts(struct page *page, const struct alert_entry *alert)
{
    if (alert->named_count < 2) {
        return;
    }
    page_begin(page, "            Accounts:", 22, PAGE_PLAIN);
    page_wire(page, entry_text(&alert->head, alert->accounts), 512);
    if (alert->account_count > alert->named_count) {
        page_string(page, " and ");
        page_count(page, alert->account_count - alert->named_count);
        page_string(page, " more");
    }
    page_end(page);
}

static void print_proof(struct page *page, const struct alert_entry *alert)
{
    const struct list_entry *entry = &alert->head;

    page_begin(page, "", 12, PAGE_PLAIN);
    page_wire(page, entry_text(entry, alert->rule), 64);
    page_string(page, ", confidence ");
    page_count(page, (uint64_t)alert->confidence);
    page_string(page, ", ");
    print_count(page, alert);
    page_string(page, " from ");
    page_date(page, alert->first_ns);
    page_string(page, " to ");
    if (page_is_same_day(alert->first_ns, alert->last_ns)) {
        page_clock(page, alert->last_ns);
    } else {
        page_date(page, alert->last_ns);
    }
    if (slice_equal(entry_text(entry, alert->outcome), SLICE("succeeded"))) {
        page_string(page, "; it SUCCEEDED");
    }
    print_place(page, alert);
    if (alert->unproven) {
        page_string(page, "; the source may be forged");
    }
    for (uint32_t i = 0; i < alert->packet_count; i++) {
        page_string(page, i == 0 ? "; proof: packets " : ", ");
        text_u64(&page->text, alert->packets[i]);
    }
    page_end(page);
}

/* The story of a chain stands once, under its worst alert; `told` holds the hashes of those that
 * were told. */
static void print_story(struct page *page, const struct alert_entry *alert, uint64_t *told,
                        size_t *told_count)
{
    struct slice chain = entry_text(&alert->head, alert->chain);
    uint64_t hash = hash_slice(HASH_KEY_FIXED, chain);

    for (size_t i = 0; i < *told_count; i++) {
        if (told[i] == hash) {
            return;
        }
    }
    told[(*told_count)++] = hash;
    page_begin(page, "            Story:", 19, PAGE_PLAIN);
    page_string(page, levels[alert->chain_level < 5 ? alert->chain_level : 4].word + 2);
    page_string(page, " as a whole. ");
    page_wire(page, chain, 1024);
    page_end(page);
}

/* The sentence ends with what to do, so nothing repeats it. */
static void print_alert(struct page *page, const struct alert_entry *alert, uint64_t *told,
                        size_t *told_count)
{
    const struct list_entry *entry = &alert->head;
    unsigned level = alert->level < 5 ? alert->level : 4;
    struct slice chain = entry_text(entry, alert->chain);

    page_begin(page, levels[level].word, 12, levels[level].ink);
    page_wire(page, entry_text(entry, alert->message), 1024);
    page_end(page);
    print_proof(page, alert);
    print_accounts(page, alert);
    if (!slice_is_empty(chain)) {
        print_story(page, alert, told, told_count);
    }
}

/* One line, where responses are configured and had something to say. */
static void print_responses(struct page *page, const struct report *report)
{
    const struct {
        uint64_t count;
        const char *words;
    } parts[] = {
        {report->responses_done, " done"},
        {report->responses_dry, " would have been asked of a hook (dry run)"},
        {report->responses_refused, " refused by a guard"},
        {report->responses_failed, " failed"},
    };
    const char *before = "Responses: ";
    bool any = false;

    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (parts[i].count != 0) {
            if (!any) {
                fputc('\n', page->out);
                page_begin(page, "", 2, PAGE_PLAIN);
            }
            any = true;
            page_string(page, before);
            page_count(page, parts[i].count);
            page_string(page, parts[i].words);
            before = ", ";
        }
    }
    if (any) {
        page_string(page, ".");
        page_end(page);
    }
}

static void print_alerts(struct page *page, struct report *report, struct best *best)
{
    const struct list_entry *entry;
    uint64_t counts[5] = {0};
    uint64_t all = 0;

    best->count = 0;
    report_list_rewind(report->alerts);
    while ((entry = report_list_next(report->alerts)) != NULL) {
        const struct alert_entry *alert = (const struct alert_entry *)(const void *)entry;
        counts[alert->level < 5 ? alert->level : 4]++;
        best_see(best, entry, (uint64_t)alert->level * 1000 + (uint64_t)alert->confidence);
        all++;
    }
    page_heading(page, "Alerts");
    page_begin(page, "", 2, PAGE_PLAIN);
    if (all == 0) {
        page_string(page, "None.");
    }
    const char *before = "";
    for (unsigned level = 5; level-- > 0;) {
        if (counts[level] != 0) {
            page_string(page, before);
            page_count(page, counts[level]);
            page_string(page, " ");
            page_string(page, levels[level].word + 2);
            before = ", ";
        }
    }
    page_end(page);
    uint64_t told[REPORT_SHOWN];
    size_t told_count = 0;
    for (size_t i = 0; i < best->count; i++) {
        fputc('\n', page->out);
        print_alert(page, (const struct alert_entry *)(const void *)best_at(best, i), told,
                    &told_count);
    }
    report_text_more(page, all, best->count, "alerts, the worst");
}

/* --- capture and signalling --- */

static uint64_t figure(const struct report *report, enum field field)
{
    return (uint64_t)report_figure(report, field);
}

/* Live: what the kernel had for us, and what it or the card lost before we saw it. */
static void print_kernel(struct page *page, const struct report *report)
{
    struct record_value value;
    uint32_t at = 0;
    if (!report_pair(report, FIELD_ID_EARSHOT_SENSOR_CAPTURE_OFFERED, &at, &value)) {
        return;
    }
    uint64_t offered = (uint64_t)value.number;
    uint64_t dropped = figure(report, FIELD_ID_EARSHOT_SENSOR_DROPS_KERNEL);
    uint64_t card = figure(report, FIELD_ID_EARSHOT_SENSOR_DROPS_NIC);
    uint64_t records = figure(report, FIELD_ID_EARSHOT_SENSOR_DROPS_QUEUE);
    bool lost = dropped + card + records != 0;
    page_begin(page, "  missed", REPORT_INDENT, lost ? PAGE_YELLOW : PAGE_PLAIN);
    page_count(page, dropped);
    page_string(page, " of ");
    page_count(page, offered);
    page_string(page, " that the kernel offered, ");
    page_count(page, card);
    page_string(page, " in the card");
    if (records != 0) {
        page_string(page, "; ");
        page_count(page, records);
        page_string(page, " records that an output did not take in time");
    }
    page_end(page);
}

/* A run without an end fills no disk. */
static void print_left_out(struct page *page, const struct report *report)
{
    if (report->calls_left_out + report->streams_left_out + report->alerts_left_out == 0) {
        return;
    }
    page_begin(page, "  not listed", REPORT_INDENT, PAGE_YELLOW);
    page_count(page, report->calls_left_out);
    page_string(page, " calls, ");
    page_count(page, report->streams_left_out);
    page_string(page, " streams and ");
    page_count(page, report->alerts_left_out);
    page_string(page, " tellings of alerts came when the lists of this report were full; outputs "
                      "have the records of all");
    page_end(page);
}

/* As many copies as sensor-blind would tell live. */
static void print_doubled(struct page *page, const struct report *report)
{
    uint64_t copies = figure(report, FIELD_ID_EARSHOT_SENSOR_PACKETS_DUPLICATES);
    uint64_t packets = figure(report, FIELD_ID_EARSHOT_SENSOR_CAPTURE_PACKETS);

    if (packets >= DOUBLED_FROM && copies * 10 >= packets * 4) {
        page_begin(page, "  doubled", REPORT_INDENT, PAGE_YELLOW);
        page_string(page, "the mirror port shows packets twice; copies count in no other figure");
        page_end(page);
    }
}

static void print_capture(struct page *page, const struct report *report)
{
    uint64_t start_ns = figure(report, FIELD_ID_EARSHOT_SENSOR_CAPTURE_START);
    uint64_t end_ns = figure(report, FIELD_ID_EARSHOT_SENSOR_CAPTURE_END);
    struct record_value value;
    uint32_t at = 0;

    page_heading(page, "Capture");
    page_begin(page, "  time", REPORT_INDENT, PAGE_PLAIN);
    if (start_ns == 0) {
        page_string(page, "no packets");
    } else {
        page_date(page, start_ns);
        page_string(page, " to ");
        page_date(page, end_ns);
        page_string(page, " UTC, ");
        page_span(page, time_since(end_ns, start_ns));
    }
    page_end(page);
    page_begin(page, "  packets", REPORT_INDENT, PAGE_PLAIN);
    page_count(page, figure(report, FIELD_ID_EARSHOT_SENSOR_CAPTURE_PACKETS));
    page_string(page, " (");
    page_bytes(page, figure(report, FIELD_ID_EARSHOT_SENSOR_CAPTURE_BYTES));
    page_string(page, "): ");
    page_count(page, figure(report, FIELD_ID_EARSHOT_SENSOR_PACKETS_DECODED));
    page_string(page, " read, ");
    page_count(page, figure(report, FIELD_ID_EARSHOT_SENSOR_PACKETS_IGNORED));
    page_string(page, " not ours, ");
    page_count(page, figure(report, FIELD_ID_EARSHOT_SENSOR_PACKETS_MALFORMED));
    page_string(page, " damaged");
    if (figure(report, FIELD_ID_EARSHOT_SENSOR_PACKETS_DUPLICATES) != 0) {
        page_string(page, "; ");
        page_count(page, figure(report, FIELD_ID_EARSHOT_SENSOR_PACKETS_DUPLICATES));
        page_string(page, " are copies that the mirror port made");
    }
    page_end(page);
    print_doubled(page, report);
    print_kernel(page, report);
    print_left_out(page, report);
    if (figure(report, FIELD_ID_EARSHOT_SENSOR_CAPTURE_TRUNCATED) != 0) {
        page_begin(page, "  cut", REPORT_INDENT, PAGE_YELLOW);
        page_string(page, "the capture ends in the middle of a packet: what came after is missing");
        page_end(page);
    }
    while (report_pair(report, FIELD_ID_EARSHOT_SENSOR_CAPTURE_FAULTS, &at, &value)) {
        page_begin(page, "  not read", REPORT_INDENT, PAGE_YELLOW);
        page_wire(page, value.text, 256);
        page_end(page);
    }
}

/* Enough messages of one direction and none of the other: silence then proves nothing. */
static void print_one_way(struct page *page, const struct report *report, uint64_t messages)
{
    struct record_value value;
    uint32_t requests = 0;
    uint32_t answers = 0;
    bool asked = report_pair(report, FIELD_ID_EARSHOT_SENSOR_SIP_REQUESTS, &requests, &value);
    bool answered = report_pair(report, FIELD_ID_EARSHOT_SENSOR_SIP_RESPONSES, &answers, &value);

    if (asked == answered || messages < ONE_WAY_FROM) {
        return;
    }
    page_begin(page, "  one way", REPORT_INDENT, PAGE_YELLOW);
    page_string(page, asked ? "no answer was heard: the capture has one direction only, or nobody "
                              "answers"
                            : "no request was heard: the capture has one direction only");
    page_end(page);
}

static void print_sip(struct page *page, const struct report *report)
{
    uint64_t messages = figure(report, FIELD_ID_EARSHOT_SENSOR_SIP_MESSAGES);

    page_heading(page, "Signalling (SIP)");
    page_begin(page, "  messages", REPORT_INDENT, PAGE_PLAIN);
    if (messages == 0) {
        page_string(page, "none");
        page_end(page);
        return;
    }
    page_count(page, messages);
    page_string(page, ", of which ");
    page_count(page, figure(report, FIELD_ID_EARSHOT_SENSOR_SIP_MALFORMED));
    page_string(page, " invalid");
    page_end(page);
    print_pairs(page, report, FIELD_ID_EARSHOT_SENSOR_SIP_REQUESTS, "  requests");
    print_pairs(page, report, FIELD_ID_EARSHOT_SENSOR_SIP_RESPONSES, "  answers");
    print_one_way(page, report, messages);
}

/* --- what was not understood --- */

static void print_missed(struct page *page, const struct report *report)
{
    uint64_t evicted = figure(report, FIELD_ID_EARSHOT_SENSOR_TABLES_EVICTED);
    uint64_t refused = figure(report, FIELD_ID_EARSHOT_SENSOR_DETECTORS_REFUSED_NEW) +
                       figure(report, FIELD_ID_EARSHOT_SENSOR_DETECTORS_REFUSED_CROWDED);
    bool said = false;

    page_heading(page, "Not ours, not understood, not seen");
    said |= print_reasons(page, report, FIELD_ID_EARSHOT_SENSOR_PACKETS_IGNORED_BY,
                          "Packets that are not ours:");
    said |= print_reasons(page, report, FIELD_ID_EARSHOT_SENSOR_PACKETS_MALFORMED_BY,
                          "Damaged packets:");
    said |=
        print_reasons(page, report, FIELD_ID_EARSHOT_SENSOR_PACKETS_ANOMALIES, "Odd below SIP:");
    said |= print_reasons(page, report, FIELD_ID_EARSHOT_SENSOR_PACKETS_NOTES, "Noted on the way:");
    said |= print_reasons(page, report, FIELD_ID_EARSHOT_SENSOR_SIP_ANOMALIES,
                          "Messages that are not as the RFCs want them:");
    if (evicted != 0) {
        page_begin(page, "  forgotten", REPORT_INDENT, PAGE_YELLOW);
        page_count(page, evicted);
        page_string(page, " for want of room in the sensor's tables: figures above may be too low");
        page_end(page);
        said = true;
    }
    if (refused != 0) {
        page_begin(page, "  refused", REPORT_INDENT, PAGE_YELLOW);
        page_count(page, refused);
        page_string(page, " events of sources that may be forged were not judged: too many such "
                          "sources at once");
        page_end(page);
        said = true;
    }
    if (!said) {
        page_begin(page, "", 2, PAGE_PLAIN);
        page_string(page, "Nothing: every packet was read.");
        page_end(page);
    }
}

enum status report_text_print(struct report *report, FILE *out, bool colour, unsigned width,
                              struct error *error)
{
    struct page *page = malloc(sizeof *page);
    struct best best = {.entries = calloc(REPORT_SHOWN, LIST_ENTRY_MAX)};

    if (page == NULL || best.entries == NULL) {
        free(page);
        free(best.entries);
        return error_set(error, STATUS_FAILED, "report", "no memory to print it");
    }
    page_open(page, out, colour, width);
    print_alerts(page, report, &best);
    print_responses(page, report);
    print_capture(page, report);
    print_sip(page, report);
    report_text_calls(page, report, &best);
    report_text_registrations(page, report);
    report_text_media(page, report, &best);
    print_missed(page, report);
    fputc('\n', out);
    free(page);
    free(best.entries);
    return STATUS_OK;
}
