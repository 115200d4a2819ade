/* report_text_calls.c - the parts of the text form about calls, registrations and media.
 *
 * Totals are counted in the pass that picks the entries to show: failed calls first, then what a
 * listener would complain about; of streams the worst. Few calls are shown as they came. */
#include "outputs/report_text_inside.h"

enum { STATUS_MAX = 700 };

struct call_totals {
    uint64_t all;
    uint64_t words[CALL_WORD_COUNT];
    uint64_t statuses[STATUS_MAX]; /* of those that failed */
    uint64_t talk_us;
    uint64_t silent; /* answered without media */
    uint64_t one_way;
};

/* Failed calls first, then answered ones with bad or missing media, then what never came to an end,
 * then the rest. */
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

void report_text_status(struct page *page, unsigned status)
{
    /* clang-format off */
    static const struct {
        uint16_t status;
        const char *words;
    } known[] = {
        {100, "trying"}, {180, "ringing"}, {181, "forwarded"}, {182, "queued"}, {183, "progress"},
        {200, "OK"}, {202, "accepted"}, {301, "moved"}, {302, "moved"}, {400, "bad request"},
        {401, "not authorised"}, {403, "forbidden"}, {404, "not found"},
        {405, "method not allowed"}, {407, "proxy authentication required"}, {408, "time-out"},
        {410, "gone"}, {415, "unsupported media"}, {420, "bad extension"}, {480, "unavailable"},
        {481, "no such call"}, {482, "loop"}, {483, "too many hops"}, {484, "address incomplete"},
        {486, "busy"}, {487, "request terminated"}, {488, "media not acceptable"},
        {500, "server error"}, {501, "method unknown"}, {502, "bad gateway"},
        {503, "service unavailable"}, {504, "server time-out"}, {600, "busy everywhere"},
        {603, "declined"}, {604, "does not exist"}, {606, "not acceptable"}, {607, "unwanted"},
        {608, "rejected"},
    };
    /* clang-format on */

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (known[i].status == status) {
            page_string(page, " ");
            page_string(page, known[i].words);
        }
    }
}

static void print_call_totals(struct page *page, const struct call_totals *totals)
{
    page_begin(page, "  outcome", REPORT_INDENT, PAGE_PLAIN);
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
        page_begin(page, "  failed with", REPORT_INDENT, PAGE_PLAIN);
        for (unsigned status = 1; status < STATUS_MAX; status++) {
            if (totals->statuses[status] != 0) {
                page_string(page, before);
                text_u64(&page->text, status);
                report_text_status(page, status);
                page_string(page, " (");
                page_count(page, totals->statuses[status]);
                page_string(page, ")");
                before = ", ";
            }
        }
        page_end(page);
    }
    if (totals->talk_us != 0) {
        page_begin(page, "  talk", REPORT_INDENT, PAGE_PLAIN);
        page_span(page, totals->talk_us * NS_PER_US);
        page_string(page, " in all");
        page_end(page);
    }
    if (totals->silent + totals->one_way != 0) {
        page_begin(page, "  no sound", REPORT_INDENT, PAGE_YELLOW);
        if (totals->silent != 0) {
            page_counted(page, totals->silent, "answered call");
            page_string(page, " without any media in this capture");
            page_string(page, totals->one_way == 0 ? "" : "; ");
        }
        if (totals->one_way != 0) {
            page_counted(page, totals->one_way, "answered call");
            page_string(page, " with media in one direction only");
        }
        page_end(page);
    }
}

static void print_call(struct page *page, const struct call_entry *call, bool dated)
{
    const struct list_entry *entry = &call->head;
    unsigned begin = dated ? 19 : 8; /* of date and clock */
    /* What these, outcome, span and score leave; on a narrow page lines break. */
    unsigned names = page->columns > 46 + begin + 8 ? (page->columns - 46 - begin) / 2 : 4;

    page_begin(page, "", 4, PAGE_PLAIN);
    if (dated) {
        page_date(page, call->start_ns);
    } else {
        page_clock(page, call->start_ns);
    }
    page_string(page, "  ");
    page_wire(page,
              slice_is_empty(entry_text(entry, call->from)) ? SLICE("?")
                                                            : entry_text(entry, call->from),
              names);
    page_string(page, " -> ");
    page_wire(page,
              slice_is_empty(entry_text(entry, call->to)) ? SLICE("?")
                                                          : entry_text(entry, call->to),
              names);
    page_column(page, 4 + begin + 2 + 2 * names + 4 + 1);
    page_string(page, call_words[call->word]);
    if (call->status != 0 && call->word != CALL_WORD_ANSWERED) {
        page_string(page, " ");
        text_u64(&page->text, call->status);
    }
    page_column(page, 4 + begin + 2 + 2 * names + 4 + 15);
    page_span(page, call->talk_ms >= 0 ? (uint64_t)call->talk_ms * NS_PER_US
                                       : time_since(call->end_ns, call->start_ns));
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

void report_text_calls(struct page *page, struct report *report, struct best *best)
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
    bool few = report_list_count(report->calls) <= REPORT_SHOWN;
    bool dated =
        !page_is_same_day((uint64_t)report_figure(report, FIELD_ID_EARSHOT_SENSOR_CAPTURE_START),
                          (uint64_t)report_figure(report, FIELD_ID_EARSHOT_SENSOR_CAPTURE_END));
    while ((entry = report_list_next(report->calls)) != NULL) {
        const struct call_entry *call = (const struct call_entry *)(const void *)entry;
        count_call(totals, call);
        best_see(best, entry, few ? 0 : call_rank(call)); /* few: as they came */
    }
    print_call_totals(page, totals);
    for (size_t i = 0; i < best->count; i++) {
        print_call(page, (const struct call_entry *)(const void *)best_at(best, i), dated);
    }
    report_text_more(page, totals->all, best->count, "calls, failed ones first");
    free(totals);
}

void report_text_registrations(struct page *page, const struct report *report)
{
    static const char *const words[] = {"registered", "moved to another address", "ended",
                                        "refused"};
    uint64_t attempts =
        (uint64_t)report_figure(report, FIELD_ID_EARSHOT_SENSOR_REGISTRATIONS_ATTEMPTS);
    uint64_t succeeded =
        (uint64_t)report_figure(report, FIELD_ID_EARSHOT_SENSOR_REGISTRATIONS_SUCCEEDED);
    uint64_t failed = (uint64_t)report_figure(report, FIELD_ID_EARSHOT_SENSOR_REGISTRATIONS_FAILED);

    page_heading(page, "Registrations");
    page_begin(page, "", 2, PAGE_PLAIN);
    if (attempts == 0) {
        page_string(page, "None.");
        page_end(page);
        return;
    }
    page_counted(page, attempts, "attempt");
    page_string(page, ": ");
    page_count(page, succeeded);
    page_string(page, " succeeded, ");
    page_count(page, failed);
    page_string(page, " refused");
    if (attempts > succeeded + failed) {
        page_string(page, "; the others are ordinary challenges, or nobody answered");
    }
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

/* --- media --- */

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

void report_text_media(struct page *page, struct report *report, struct best *best)
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
    page_count(page, (uint64_t)report_figure(report, FIELD_ID_EARSHOT_SENSOR_RTCP_PACKETS));
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
    report_text_more(page, totals.all, best->count, "streams, the worst");
}
