/* incident_note.c - a finding is taken in: figures, who and whom, accounts, the packets that prove.
 *
 * Caps: a rule that blames someone needs a source that has shown that it hears us; else the finding
 * loses one severity and never exceeds 2. Below a confidence of 50 nothing exceeds 2.
 *
 * `count` is of all: a finding tells what its window holds, which is what came before plus at least
 * this event; after a gap of a whole window nothing of it was counted before. */
#include "detectors/frame/incidents.h"

enum { TCP = 6, CONFIDENCE_FLOOR = 50, SEVERITY_CAPPED = 2, EVIDENCE_FIRST = 4 };
#define DOUBT_NS_MIN (5 * NS_PER_MINUTE)

static bool is_proven(const struct fact *fact)
{
    const struct fact_party *source = key_source(fact);

    return source != NULL && source->proven;
}

uint8_t incident_note_severity(const struct incidents_report *report)
{
    const struct finding *finding = report->finding;
    uint8_t severity = finding->severity < 1 ? 1 : finding->severity > 4 ? 4 : finding->severity;

    if (finding->proven_needed && !is_proven(report->fact)) {
        severity = severity > 1 ? (uint8_t)(severity - 1) : severity;
        severity = severity < SEVERITY_CAPPED ? severity : SEVERITY_CAPPED;
    }
    if (finding->confidence.value < CONFIDENCE_FLOOR && severity > SEVERITY_CAPPED) {
        severity = SEVERITY_CAPPED;
    }
    return severity;
}

static void copy(char *at, size_t capacity, struct slice part)
{
    struct text text = text_into(at, capacity - 1);

    key_write_printable(&text, part);
    at[text.bytes] = '\0'; /* text_terminate() would cut the last character of one that fits */
}

/* --- who and whom --- */

static void merge_endpoint(struct endpoint *told, const struct endpoint *seen)
{
    if (addr_is_unspecified(&told->addr)) {
        return; /* it was more than one already */
    }
    if (!addr_equal(&told->addr, &seen->addr)) {
        *told = (struct endpoint){.port = 0};
    } else if (told->port != seen->port) {
        told->port = 0;
    }
}

static bool names_account(enum key_kind kind)
{
    return kind == KEY_ACCOUNT || kind == KEY_SOURCE_ACCOUNT || kind == KEY_ACCOUNT_DEVICE;
}

static void add_account(const struct incidents *incidents, struct incident_cell *it,
                        struct slice account)
{
    struct incident *told = &it->told;

    if (account.bytes == 0 ||
        !distinct_add(&it->accounts, hash_slice(incidents->options.key, account))) {
        return;
    }
    uint32_t before = told->account_count;
    told->account_count = distinct_count(&it->accounts);
    if (before < INCIDENT_ACCOUNTS_MAX) {
        copy(told->accounts[before], sizeof told->accounts[before], account);
    }
    if (before == 0) {
        copy(told->account, sizeof told->account, account);
    } else {
        told->account[0] = '\0'; /* more than one: none of them is "the" account */
    }
}

static void note_accounts(const struct incidents *incidents, struct incident_cell *it,
                          const struct incidents_report *report, bool first)
{
    const struct finding *finding = report->finding;

    for (uint32_t i = 0; first && i < finding->account_count; i++) {
        add_account(incidents, it, finding->accounts[i]);
    }
    add_account(incidents, it,
                finding->account.bytes == 0 && names_account(report->detector->key)
                    ? key_account(report->fact)
                    : finding->account);
}

static void note_target(struct incident *told, struct slice target, bool first)
{
    char text[INCIDENT_ACCOUNT_BYTES] = {0}; /* copied whole, and kept in files */

    copy(text, sizeof text, target);
    if (first || strcmp(text, told->target) == 0) {
        memcpy(told->target, text, sizeof text);
    } else {
        told->target[0] = '\0';
    }
}

static struct slice target_of(const struct incidents_report *report, struct text *scratch)
{
    const struct fact_party *server = key_destination(report->fact);

    if (report->finding->target.bytes > 0 || server == NULL) {
        return report->finding->target;
    }
    text_addr(scratch, &server->endpoint.addr);
    return text_slice(scratch);
}

static uint64_t call_number_of(const struct fact *fact)
{
    return fact->kind == FACT_STREAM ? fact->is.stream.call_number
           : fact->kind == FACT_CALL ? fact->is.call.call_number
                                     : 0;
}

/* Could nobody but the source have done it, who hears what is sent there? A failure with the server's
 * nonce; a login, or a call that rings, for which the server wanted one; what it answered over TCP. A
 * single request over UDP never is, however well its address is known: so of rules that count those
 * as well, over UDP nothing is. */
static bool is_echo(const struct detector *rule, const struct fact *fact)
{
    if (fact->kind == FACT_TRANSACTION) {
        const struct fact_transaction *ended = &fact->is.transaction;
        bool only_failures = rule->wants == FACT_BIT(TRANSACTION) &&
                             rule->transaction_ends == 1 << FACT_TRANSACTION_LOGIN_FAILED;
        return (ended->echoed && only_failures) || (fact->transport == TCP && ended->status != 0);
    }
    if (fact->kind == FACT_REGISTRATION) {
        const struct fact_registration *ended = &fact->is.registration;
        return ended->success && ended->has_credentials && ended->rounds > 0;
    }
    if (fact->kind == FACT_CALL) {
        const struct fact_call *call = &fact->is.call;
        bool went_through = call->event == FACT_CALL_RINGING || call->event == FACT_CALL_ANSWERED;
        return went_through && call->has_credentials && call->challenged;
    }
    return false;
}

/* Events were counted before this one, of which nothing is known here: were they all its own? Not
 * where a rule counts by account, number or network, and another address may have done them; nor
 * where, within what was counted, credentials came in its name that need not have been its own. */
static bool is_all_its_own(const struct incidents_report *report, const struct fact_party *source)
{
    const struct finding *finding = report->finding;
    enum key_kind key = report->detector->key;
    bool by_source = (key == KEY_SOURCE || key == KEY_SOURCE_ACCOUNT || key == KEY_SOURCE_SERVER) &&
                     !key_is_wider(key, &source->endpoint.addr);
    uint64_t window_ns = finding->window_ns > DOUBT_NS_MIN ? finding->window_ns : DOUBT_NS_MIN;

    return (by_source || finding->count <= 1 || finding->one_source) &&
           (source->doubted_ns == 0 ||
            time_since(report->fact->time_ns, source->doubted_ns) > window_ns);
}

/* What a response must know before it touches an address. One event without an echo is enough to
 * doubt all: among forged ones an honest phone's own may stand. */
static void note_source(struct incident *told, const struct fact_party *source,
                        const struct incidents_report *report, bool first)
{
    bool echoed = is_echo(report->detector, report->fact) && is_all_its_own(report, source);

    told->source_echoed = echoed && (first || told->source_echoed);
    told->source_server = told->source_server || source->is_peer;
    if (source->good_accounts > told->source_accounts) {
        told->source_accounts = source->good_accounts;
    }
}

/* A network of which several addresses did what is counted is no address. */
static bool is_network(const struct incidents_report *report)
{
    const struct finding *finding = report->finding;
    const struct fact_party *source = key_source(report->fact);

    return source != NULL && key_is_wider(report->detector->key, &source->endpoint.addr) &&
           finding->count > 1 && !finding->one_source;
}

static void note_parties(struct incident_cell *it, const struct incidents_report *report,
                         bool first)
{
    const struct fact_party *source =
        report->finding->names_nobody ? NULL : key_source(report->fact);
    const struct fact_party *server = key_destination(report->fact);
    struct incident *told = &it->told;
    char scratch[ADDR_TEXT_BYTES];
    struct text text = text_into(scratch, sizeof scratch);

    if (source != NULL) {
        it->source = *source;
    }
    if (server != NULL) {
        it->destination = *server;
    }
    it->call_number = call_number_of(report->fact);
    if (first) {
        told->source = source != NULL && !told->many && report->detector->key != KEY_SITE &&
                               !is_network(report)
                           ? source->endpoint
                           : (struct endpoint){.port = 0};
        told->destination = server != NULL ? server->endpoint : (struct endpoint){.port = 0};
    } else {
        merge_endpoint(&told->source, source != NULL && !is_network(report)
                                          ? &source->endpoint
                                          : &(struct endpoint){.port = 0});
        merge_endpoint(&told->destination,
                       server != NULL ? &server->endpoint : &(struct endpoint){.port = 0});
    }
    note_target(told, target_of(report, &text), first);
    told->source_proven = told->source_proven || (source != NULL && is_proven(report->fact));
    if (source != NULL) {
        note_source(told, source, report, first);
    }
}

/* --- evidence: the first four and the last four --- */

static void note_evidence(struct incidents *incidents, struct incident *told,
                          const struct fact *fact)
{
    uint32_t count = told->evidence_count;

    if (fact->number == 0 || (count > 0 && told->evidence[count - 1].number == fact->number)) {
        return;
    }
    if (count == DETECTOR_EVIDENCE_MAX) {
        memmove(&told->evidence[EVIDENCE_FIRST], &told->evidence[EVIDENCE_FIRST + 1],
                (DETECTOR_EVIDENCE_MAX - EVIDENCE_FIRST - 1) * sizeof told->evidence[0]);
        count--;
    }
    struct incident_evidence *evidence = &told->evidence[count];
    evidence->number = fact->number;
    evidence->time_ns = time_add(fact->time_ns, incidents->shift_ns);
    copy(evidence->call_id, sizeof evidence->call_id, key_call_id(fact));
    told->evidence_count = count + 1;
}

/* --- figures --- */

static bool fact_device_known(const struct fact *fact)
{
    return (fact->kind == FACT_TRANSACTION && fact->is.transaction.device_known) ||
           (fact->kind == FACT_REGISTRATION && fact->is.registration.device_known);
}

static void note_figures(struct incident_cell *it, const struct incidents_report *report)
{
    const struct finding *finding = report->finding;
    struct incident *told = &it->told;
    uint8_t severity = incident_note_severity(report);
    uint64_t quiet = time_add(finding->window_ns, finding->window_ns);

    told->severity = severity > told->severity ? severity : told->severity;
    told->stage = finding->stage > told->stage ? finding->stage : told->stage;
    told->observed = finding->observed;
    told->threshold = finding->threshold;
    told->window_ns = finding->window_ns;
    told->unit = finding->unit;
    told->peak = finding->observed > told->peak ? finding->observed : told->peak;
    told->device_known = told->device_known || fact_device_known(report->fact);
    if (finding->confidence.value >= told->confidence.value) {
        told->confidence = finding->confidence;
    }
    quiet = quiet > INCIDENT_QUIET_NS_MIN ? quiet : INCIDENT_QUIET_NS_MIN;
    it->quiet_ns = quiet > it->quiet_ns ? quiet : it->quiet_ns;
    it->succeeded = it->succeeded || finding->succeeded;
    it->last = *finding;
    it->last.account = SLICE_NONE;
    it->last.target = SLICE_NONE;
    it->last.detail = SLICE_NONE;
    it->last.accounts = NULL;
    it->last.account_count = 0;
    struct text detail = text_into(it->detail, sizeof it->detail - 1);
    key_write_marked(&detail, finding->detail);
    (void)text_terminate(&detail);
}

static void note(struct incidents *incidents, struct incident_cell *it,
                 const struct incidents_report *report, bool first)
{
    note_figures(it, report);
    note_parties(it, report, first);
    note_accounts(incidents, it, report, first);
    note_evidence(incidents, &it->told, report->fact);
    it->last_at_ns = report->fact->time_ns;
    it->told.last_ns = time_add(report->fact->time_ns, incidents->shift_ns);
}

static void name(struct incident_cell *it, const struct incidents_report *report)
{
    struct incident *told = &it->told;
    struct text entity = text_into(told->entity, sizeof told->entity - 1);
    struct text secondary = text_into(told->secondary, sizeof told->secondary - 1);

    if (told->many) {
        text_string(&entity, "many");
    } else {
        key_write(report->detector->key, report->fact, &entity, &secondary);
    }
    (void)text_terminate(&entity);
    (void)text_terminate(&secondary);
}

void incident_note_first(struct incidents *incidents, struct incident_cell *it,
                         const struct incidents_report *report)
{
    struct incident *told = &it->told;
    struct hash_id id;

    told->rule = report->detector;
    told->key_kind = (uint8_t)report->detector->key;
    told->opened_ns = time_add(report->fact->time_ns, incidents->shift_ns);
    told->first_ns = time_since(told->opened_ns, report->finding->span_ns);
    told->count = report->finding->count > 0 ? report->finding->count : 1;
    told->stage = report->detector->stage;
    told->transport = report->fact->transport;
    name(it, report);
    note(incidents, it, report, true);
    hash_id_start(&id);
    hash_id_slice(&id, slice_of_string(report->detector->slug));
    hash_id_slice(&id, slice_of_string(told->entity));
    hash_id_slice(&id, slice_of_string(told->secondary));
    hash_id_u64(&id, told->opened_ns);
    told->id = hash_id_end(&id);
    told->chain_id = told->id;
}

void incident_note(struct incidents *incidents, struct incident_cell *it,
                   const struct incidents_report *report)
{
    struct incident *told = &it->told;
    uint64_t before = told->count;
    uint64_t gap = time_since(report->fact->time_ns, it->last_at_ns);

    const struct finding *finding = report->finding;
    bool after_gap = finding->window_ns > 0 && gap >= finding->window_ns;

    if (finding->only_rise) {
        told->count = before;
    } else if (after_gap && !told->many) {
        told->count = before + (finding->count > 0 ? finding->count : 1);
    } else {
        told->count = told->many || finding->count <= before ? before + 1 : finding->count;
    }
    note(incidents, it, report, false);
}
