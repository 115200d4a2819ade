/* report_text.c - the report for a person: what is wrong first, then what was there, then what was not understood.
 *
 * It is read by somebody who was woken or who has a hundred captures to look through, so: alerts stand at the top as
 * sentences, the worst first, with what to do; every list shows 20 at most and says how many there are; every figure has
 * its word. One pass over each list on disk keeps the 20 that matter. Everything that came from the wire is printed through
 * page_wire(). */
#include "outputs/report_page.h"
#include "outputs/report_parts.h"

enum { SHOWN = 20, PAIRS_MAX = 128, INDENT = 15 };

/* --- the entries that matter -------------------------------------------------------------------------------- */

struct best {
    size_t count;
    uint64_t ranks[SHOWN];
    uint8_t *entries; /* SHOWN of LIST_ENTRY_MAX, in the order of their ranks, largest first */
};

/* Keeps the entry if its rank is among the largest; of equal ranks the earlier stands first. */
static void best_see(struct best *best, const struct list_entry *entry, uint64_t rank)
{
    size_t place = best->count;

    while (place > 0 && best->ranks[place - 1] < rank) {
        place--;
    }
    if (place == SHOWN) {
        return;
    }
    size_t moved = (best->count < SHOWN ? best->count : SHOWN - 1) - place;
    memmove(best->ranks + place + 1, best->ranks + place, moved * sizeof best->ranks[0]);
    memmove(best->entries + (place + 1) * LIST_ENTRY_MAX, best->entries + place * LIST_ENTRY_MAX,
            moved * LIST_ENTRY_MAX);
    best->ranks[place] = rank;
    memcpy(best->entries + place * LIST_ENTRY_MAX, entry, entry->bytes);
    best->count += best->count < SHOWN;
}

static const struct list_entry *best_at(const struct best *best, size_t index)
{
    return (const void *)(best->entries + index * LIST_ENTRY_MAX);
}

static void print_more(struct page *page, uint64_t all, size_t shown, const char *what)
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

/* --- maps of the sensor record ------------------------------------------------------------------------------ */

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

/* "INVITE 120, ACK 118" */
static void print_pairs(struct page *page, const struct report *report, enum field field, const char *label)
{
    struct pairs pairs;

    pairs_read(&pairs, report, field);
    if (pairs.count == 0) {
        return;
    }
    page_begin(page, label, INDENT, PAGE_PLAIN);
    for (size_t i = 0; i < pairs.count; i++) {
        page_string(page, i == 0 ? "" : ", ");
        page_wire(page, pairs.values[i].text, 40);
        page_string(page, " ");
        page_count(page, (uint64_t)pairs.values[i].number);
    }
    page_end(page);
}

/* A line each: how many, which, what that means. */
static bool print_reasons(struct page *page, const struct report *report, enum field field, const char *heading)
{
    struct pairs pairs;

    pairs_read(&pairs, report, field);
    if (pairs.count == 0) {
        return false;
    }
    page_begin(page, "", 2, PAGE_PLAIN);
    page_string(page, heading);
    page_end(page);
    for (size_t i = 0; i < pairs.count && i < SHOWN; i++) {
        const char *words = report->words == NULL ? NULL : report->words(pairs.values[i].text);
        page_begin(page, "", 4, PAGE_PLAIN);
        page_count(page, (uint64_t)pairs.values[i].number);
        page_column(page, INDENT);
        page->hanging = INDENT;
        page_wire(page, pairs.values[i].text, 40);
        if (words != NULL) {
            page_string(page, ": ");
            page_string(page, words);
        }
        page_end(page);
    }
    print_more(page, pairs.count, pairs.count < SHOWN ? pairs.count : SHOWN, "kinds");
    return true;
}

/* --- alerts ------------------------------------------------------------------------------------------------- */

static const struct {
    const char *word;
    enum page_ink ink;
} levels[] = {{"  note", PAGE_DIM}, {"  low", PAGE_CYAN}, {"  medium", PAGE_YELLOW}, {"  high", PAGE_RED},
              {"  critical", PAGE_RED_BOLD}};

static void print_proof(struct page *page, const struct alert_entry *alert)
{
    const struct list_entry *entry = &alert->head;

    page_begin(page, "", 12, PAGE_PLAIN);
    page_wire(page, entry_text(entry, alert->rule), 64);
    page_string(page, ", confidence ");
    page_count(page, (uint64_t)alert->confidence);
    page_string(page, ", ");
    page_count(page, alert->count);
    page_string(page, " ");
    page_wire(page, slice_is_empty(entry_text(entry, alert->unit)) ? SLICE("events") : entry_text(entry, alert->unit),
              40);
    page_string(page, " from ");
    page_date(page, alert->first_ns);
    page_string(page, " to ");
    page_clock(page, alert->last_ns);
    if (slice_equal(entry_text(entry, alert->outcome), SLICE("succeeded"))) {
        page_string(page, "; it SUCCEEDED");
    }
    if (alert->unproven) {
        page_string(page, "; the source may be forged");
    }
    for (uint32_t i = 0; i < alert->packet_count; i++) {
        page_string(page, i == 0 ? "; proof: packets " : ", ");
        text_u64(&page->text, alert->packets[i]);
    }
    page_end(page);
}

static void print_alert(struct page *page, const struct alert_entry *alert)
{
    const struct list_entry *entry = &alert->head;
    unsigned level = alert->level < 5 ? alert->level : 4;
    struct slice chain = entry_text(entry, alert->chain);
    struct slice advice = entry_text(entry, alert->advice);

    page_begin(page, levels[level].word, 12, levels[level].ink);
    page_wire(page, entry_text(entry, alert->message), 1024);
    page_end(page);
    print_proof(page, alert);
    if (!slice_is_empty(chain)) {
        page_begin(page, "            Story:", 19, PAGE_PLAIN);
        page_wire(page, chain, 1024);
        page_end(page);
    }
    if (!slice_is_empty(advice)) {
        page_begin(page, "            To do:", 19, PAGE_PLAIN);
        page_wire(page, advice, 1024);
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
    for (size_t i = 0; i < best->count; i++) {
        fputc('\n', page->out);
        print_alert(page, (const struct alert_entry *)(const void *)best_at(best, i));
    }
    print_more(page, all, best->count, "alerts, the worst");
}

/* --- capture and signalling ---------------------------------------------------------------------------------- */

static uint64_t figure(const struct report *report, enum field field)
{
    return (uint64_t)report_figure(report, field);
}

static void print_capture(struct page *page, const struct report *report)
{
    uint64_t start_ns = figure(report, FIELD_ID_EARSHOT_SENSOR_CAPTURE_START);
    uint64_t end_ns = figure(report, FIELD_ID_EARSHOT_SENSOR_CAPTURE_END);
    struct record_value value;
    uint32_t at = 0;

    page_heading(page, "Capture");
    page_begin(page, "  time", INDENT, PAGE_PLAIN);
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
    page_begin(page, "  packets", INDENT, PAGE_PLAIN);
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
    if (figure(report, FIELD_ID_EARSHOT_SENSOR_CAPTURE_TRUNCATED) != 0) {
        page_begin(page, "  cut", INDENT, PAGE_YELLOW);
        page_string(page, "the capture ends in the middle of a packet: what came after is missing");
        page_end(page);
    }
    while (report_pair(report, FIELD_ID_EARSHOT_SENSOR_CAPTURE_FAULTS, &at, &value)) {
        page_begin(page, "  not read", INDENT, PAGE_YELLOW);
        page_wire(page, value.text, 256);
        page_end(page);
    }
}

static void print_sip(struct page *page, const struct report *report)
{
    uint64_t messages = figure(report, FIELD_ID_EARSHOT_SENSOR_SIP_MESSAGES);

    page_heading(page, "Signalling (SIP)");
    page_begin(page, "  messages", INDENT, PAGE_PLAIN);
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
}

/* --- calls -------------------------------------------------------------------------------------------------- */

enum { STATUS_MAX = 700 };

struct call_totals {
    uint64_t all;
    uint64_t words[CALL_WORD_COUNT];
    uint64_t statuses[STATUS_MAX]; /* of those that failed */
    uint64_t talk_us;
    uint64_t silent;  /* answered without media */
    uint64_t one_way;
};

/* Failed calls first, then answered ones with bad or missing media, then what never came to an end, then the rest. */
static uint64_t call_rank(const struct call_entry *call)
{
    if (call->word == CALL_WORD_FAILED) {
        return 3;
    }
    if (call->media == CALL_MEDIA_ONE_WAY || (call->mos_min >= 0 && call->mos_min < 3600)) {
        return 2;
    }
    return call->word == CALL_WORD_RINGING || call->word == CALL_WORD_ATTEMPTED;
}

static void count_call(struct call_totals *totals, const struct call_entry *call)
{
    totals->all++;
    totals->words[call->word]++;
    if (call->word == CALL_WORD_FAILED && call->status < STATUS_MAX) {
        totals->statuses[call->status]++;
    }
    totals->talk_us += call->talk_ms > 0 ? (uint64_t)call->talk_ms : 0;
    totals->silent += call->media == CALL_MEDIA_NONE;
    totals->one_way += call->media == CALL_MEDIA_ONE_WAY;
}

static const char *status_words(unsigned status)
{
    static const struct {
        uint16_t status;
        const char *words;
    } known[] = {
        {302, "moved"}, {400, "bad request"}, {401, "not authorised"}, {403, "forbidden"}, {404, "not found"},
        {405, "method not allowed"}, {407, "proxy authentication required"}, {408, "time-out"}, {410, "gone"},
        {415, "unsupported media"}, {420, "bad extension"}, {480, "unavailable"}, {481, "no such call"},
        {482, "loop"}, {483, "too many hops"}, {484, "address incomplete"}, {486, "busy"},
        {487, "request terminated"}, {488, "media not acceptable"}, {500, "server error"},
        {501, "not implemented"}, {502, "bad gateway"}, {503, "service unavailable"}, {504, "server time-out"},
        {600, "busy everywhere"}, {603, "declined"}, {604, "does not exist"}, {606, "not acceptable"},
        {607, "unwanted"}, {608, "rejected"},
    };

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (known[i].status == status) {
            return known[i].words;
        }
    }
    return "";
}

static void print_call_totals(struct page *page, const struct call_totals *totals)
{
    page_begin(page, "  outcome", INDENT, PAGE_PLAIN);
    page_counted(page, totals->all, "call");
    const char *before = ": ";
    for (unsigned word = CALL_WORD_COUNT; word-- > 0;) {
        if (totals->words[word] != 0) {
            page_string(page, before);
            page_count(page, totals->words[word]);
            page_string(page, " ");
            page_string(page, call_words[word]);
            before = ", ";
        }
    }
    page_end(page);
    before = "";
    if (totals->words[CALL_WORD_FAILED] != 0) {
        page_begin(page, "  failed with", INDENT, PAGE_PLAIN);
        for (unsigned status = 1; status < STATUS_MAX; status++) {
            if (totals->statuses[status] != 0) {
                const char *words = status_words(status);
                page_string(page, before);
                text_u64(&page->text, status);
                page_string(page, words[0] == 0 ? "" : " ");
                page_string(page, words);
                page_string(page, " (");
                page_count(page, totals->statuses[status]);
                page_string(page, ")");
                before = ", ";
            }
        }
        page_end(page);
    }
    if (totals->talk_us != 0) {
        page_begin(page, "  talk", INDENT, PAGE_PLAIN);
        page_span(page, totals->talk_us * NS_PER_US);
        page_string(page, " in all");
        page_end(page);
    }
    if (totals->silent + totals->one_way != 0) {
        page_begin(page, "  no sound", INDENT, PAGE_YELLOW);
        page_counted(page, totals->silent, "answered call");
        page_string(page, " without any media in this capture, ");
        page_count(page, totals->one_way);
        page_string(page, " with media in one direction only");
        page_end(page);
    }
}

static void print_call(struct page *page, const struct call_entry *call)
{
    const struct list_entry *entry = &call->head;
    unsigned names = (page->columns - 46) / 2;

    page_begin(page, "", 4, PAGE_PLAIN);
    page_clock(page, call->start_ns);
    page_string(page, "  ");
    page_wire(page, slice_is_empty(entry_text(entry, call->from)) ? SLICE("?") : entry_text(entry, call->from), names);
    page_string(page, " -> ");
    page_wire(page, slice_is_empty(entry_text(entry, call->to)) ? SLICE("?") : entry_text(entry, call->to), names);
    page_column(page, 4 + 8 + 2 + 2 * names + 4 + 1);
    page_string(page, call_words[call->word]);
    if (call->status != 0 && call->word != CALL_WORD_ANSWERED) {
        page_string(page, " ");
        text_u64(&page->text, call->status);
    }
    page_column(page, 4 + 8 + 2 + 2 * names + 4 + 15);
    page_span(page, call->talk_ms >= 0 ? (uint64_t)call->talk_ms * NS_PER_US : time_since(call->end_ns, call->start_ns));
    if (call->mos_min >= 0) {
        page_string(page, ", MOS ");
        page_decimal(page, call->mos_min);
    }
    if (call->media == CALL_MEDIA_ONE_WAY) {
        page_string(page, ", one way");
    }
    page->hanging = 14;
    page_end(page);
}

static void print_calls(struct page *page, struct report *report, struct best *best)
{
    struct call_totals *totals = calloc(1, sizeof *totals);
    const struct list_entry *entry;

    page_heading(page, "Calls");
    if (totals == NULL || report_list_count(report->calls) == 0) {
        page_begin(page, "", 2, PAGE_PLAIN);
        page_string(page, "None.");
        page_end(page);
        free(totals);
        return;
    }
    best->count = 0;
    report_list_rewind(report->calls);
    bool few = report_list_count(report->calls) <= SHOWN;
    while ((entry = report_list_next(report->calls)) != NULL) {
        const struct call_entry *call = (const struct call_entry *)(const void *)entry;
        count_call(totals, call);
        best_see(best, entry, few ? 0 : call_rank(call)); /* few: as they came */
    }
    print_call_totals(page, totals);
    for (size_t i = 0; i < best->count; i++) {
        print_call(page, (const struct call_entry *)(const void *)best_at(best, i));
    }
    print_more(page, totals->all, best->count, "calls, failed ones first");
    free(totals);
}

static void print_registrations(struct page *page, const struct report *report)
{
    static const char *const words[] = {"registered", "moved to another address", "ended", "refused"};
    uint64_t attempts = figure(report, FIELD_ID_EARSHOT_SENSOR_REGISTRATIONS_ATTEMPTS);

    page_heading(page, "Registrations");
    page_begin(page, "", 2, PAGE_PLAIN);
    if (attempts == 0) {
        page_string(page, "None.");
        page_end(page);
        return;
    }
    page_counted(page, attempts, "attempt");
    page_string(page, ": ");
    page_count(page, figure(report, FIELD_ID_EARSHOT_SENSOR_REGISTRATIONS_SUCCEEDED));
    page_string(page, " succeeded, ");
    page_count(page, figure(report, FIELD_ID_EARSHOT_SENSOR_REGISTRATIONS_FAILED));
    page_string(page, " refused; the rest are ordinary challenges or without answer");
    page_end(page);
    const char *before = "";
    page_begin(page, "", 2, PAGE_PLAIN);
    for (unsigned i = 0; i < 4; i++) {
        if (report->registrations[i] != 0) {
            page_string(page, before[0] == 0 ? "Bindings: " : before);
            page_count(page, report->registrations[i]);
            page_string(page, " ");
            page_string(page, words[i]);
            before = ", ";
        }
    }
    if (report->refused_known != 0) {
        page_string(page, " (");
        page_count(page, report->refused_known);
        page_string(page, " of accounts that had worked before)");
    }
    if (page->text.bytes != 0) {
        page_end(page);
    }
}

/* --- media -------------------------------------------------------------------------------------------------- */

struct stream_totals {
    uint64_t all;
    uint64_t packets;
    uint64_t expected;
    uint64_t lost;
    uint64_t good; /* by MOS */
    uint64_t fair;
    uint64_t poor;
    uint64_t unrated;
};

/* What a listener would complain about first: the score, else the loss, else the jitter. */
static uint64_t stream_rank(const struct stream_entry *stream)
{
    uint64_t loss_ppm = stream->expected == 0 ? 0 : stream->lost * 1000000 / stream->expected;
    uint64_t rank = loss_ppm / 100;

    if (stream->mos >= 0 && (uint64_t)(5000 - stream->mos) * 2 > rank) {
        rank = (uint64_t)(5000 - stream->mos) * 2;
    }
    uint64_t jitter = stream->jitter_mean > 0 ? (uint64_t)stream->jitter_mean / 1000 : 0;
    return rank * 1000 + (jitter < 999 ? jitter : 999);
}

static void count_stream(struct stream_totals *totals, const struct stream_entry *stream)
{
    totals->all++;
    totals->packets += stream->packets;
    totals->expected += stream->expected;
    totals->lost += stream->lost;
    totals->unrated += stream->mos < 0;
    totals->good += stream->mos >= 4000;
    totals->fair += stream->mos >= 3600 && stream->mos < 4000;
    totals->poor += stream->mos >= 0 && stream->mos < 3600;
}

static void print_stream(struct page *page, const struct stream_entry *stream)
{
    const struct list_entry *entry = &stream->head;
    struct slice codec = entry_text(entry, stream->codec);
    struct slice call = entry_text(entry, stream->call);

    page_begin(page, "", 4, PAGE_PLAIN);
    page_string(page, stream->mos < 0 ? "MOS -" : "MOS ");
    if (stream->mos >= 0) {
        page_decimal(page, stream->mos);
    }
    page_column(page, 14);
    page_wire(page, slice_is_empty(codec) ? SLICE("?") : codec, 12);
    page_column(page, 24);
    page_endpoint(page, &stream->source);
    page_string(page, " -> ");
    page_endpoint(page, &stream->destination);
    page->hanging = 14;
    page_end(page);
    page_begin(page, "", 14, PAGE_PLAIN);
    page_counted(page, stream->packets, "packet");
    page_string(page, ", ");
    page_count(page, stream->lost);
    page_string(page, " lost");
    if (stream->lost != 0) {
        page_string(page, " (");
        page_percent(page, stream->lost, stream->expected);
        page_string(page, ")");
    }
    if (stream->jitter_mean >= 0) {
        page_string(page, ", jitter ");
        page_decimal(page, stream->jitter_mean);
        page_string(page, " ms (max ");
        page_decimal(page, stream->jitter_max);
        page_string(page, ")");
    }
    if (!slice_is_empty(call)) {
        page_string(page, ", call ");
        page_wire(page, call, 60);
    }
    page_end(page);
}

static void print_media(struct page *page, struct report *report, struct best *best)
{
    struct stream_totals totals = {0};
    const struct list_entry *entry;

    best->count = 0;
    report_list_rewind(report->streams);
    while ((entry = report_list_next(report->streams)) != NULL) {
        const struct stream_entry *stream = (const struct stream_entry *)(const void *)entry;
        count_stream(&totals, stream);
        best_see(best, entry, stream_rank(stream));
    }
    page_heading(page, "Media (RTP)");
    page_begin(page, "", 2, PAGE_PLAIN);
    if (totals.all == 0) {
        page_string(page, "None.");
        page_end(page);
        return;
    }
    page_counted(page, totals.all, "stream");
    page_string(page, ", ");
    page_counted(page, totals.packets, "packet");
    page_string(page, ", ");
    page_count(page, totals.lost);
    page_string(page, " lost");
    if (totals.lost != 0) {
        page_string(page, " (");
        page_percent(page, totals.lost, totals.expected);
        page_string(page, ")");
    }
    page_string(page, "; RTCP ");
    page_count(page, figure(report, FIELD_ID_EARSHOT_SENSOR_RTCP_PACKETS));
    page_end(page);
    page_begin(page, "", 2, PAGE_PLAIN);
    page_string(page, "Estimated MOS: ");
    page_count(page, totals.good);
    page_string(page, " good (4.0 and up), ");
    page_count(page, totals.fair);
    page_string(page, " fair (3.6 and up), ");
    page_count(page, totals.poor);
    page_string(page, " poor; ");
    page_count(page, totals.unrated);
    page_string(page, " not rated (too short, or the codec is not known)");
    page_end(page);
    for (size_t i = 0; i < best->count; i++) {
        print_stream(page, (const struct stream_entry *)(const void *)best_at(best, i));
    }
    print_more(page, totals.all, best->count, "streams, the worst");
}

/* --- what was not understood --------------------------------------------------------------------------------- */

static void print_missed(struct page *page, const struct report *report)
{
    uint64_t evicted = figure(report, FIELD_ID_EARSHOT_SENSOR_TABLES_EVICTED);
    bool said = false;

    page_heading(page, "Not ours, not understood, not seen");
    said |= print_reasons(page, report, FIELD_ID_EARSHOT_SENSOR_PACKETS_IGNORED_BY, "Packets that are not ours:");
    said |= print_reasons(page, report, FIELD_ID_EARSHOT_SENSOR_PACKETS_MALFORMED_BY, "Damaged packets:");
    said |= print_reasons(page, report, FIELD_ID_EARSHOT_SENSOR_PACKETS_ANOMALIES, "Odd below SIP:");
    said |= print_reasons(page, report, FIELD_ID_EARSHOT_SENSOR_PACKETS_NOTES, "Noted on the way:");
    said |= print_reasons(page, report, FIELD_ID_EARSHOT_SENSOR_SIP_ANOMALIES, "Messages that are not as the RFCs want them:");
    if (evicted != 0) {
        page_begin(page, "  forgotten", INDENT, PAGE_YELLOW);
        page_count(page, evicted);
        page_string(page, " for want of room in the sensor's tables: figures above may be too low");
        page_end(page);
        said = true;
    }
    if (!said) {
        page_begin(page, "", 2, PAGE_PLAIN);
        page_string(page, "Nothing: every packet was read.");
        page_end(page);
    }
}

enum status report_text_print(struct report *report, FILE *out, bool colour, unsigned width, struct error *error)
{
    struct page *page = malloc(sizeof *page);
    struct best best = {.entries = calloc(SHOWN, LIST_ENTRY_MAX)};

    if (page == NULL || best.entries == NULL) {
        free(page);
        free(best.entries);
        return error_set(error, STATUS_FAILED, "report", "no memory to print it");
    }
    page_open(page, out, colour, width);
    print_alerts(page, report, &best);
    print_capture(page, report);
    print_sip(page, report);
    print_calls(page, report, &best);
    print_registrations(page, report);
    print_media(page, report, &best);
    print_missed(page, report);
    fputc('\n', out);
    free(page);
    free(best.entries);
    return STATUS_OK;
}
