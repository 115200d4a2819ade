/* incident_tell.c - the sentence that one understands at 3 a.m., and the telling of it.
 *
 *      203.0.113.66 failed 10 logins on account a@example.com in 7.1 s (limit 10 ...). Block ...
 *      └─ who ────┘ └─ the finding's detail ────────────────┘ └─ span, limit ──────┘  └─ advice
 *
 * A source that has not proven that it hears us only "claims to be" that address. The last words of
 * a closed incident are its totals. */
#include "detectors/frame/incidents.h"

enum { WHO_BYTES = 96 };

static struct slice cut(const char *text)
{
    return slice_part(slice_of_string(text), 0, WHO_BYTES);
}

static void write_claim(struct text *text, const struct incident_cell *it, const char *one)
{
    if (it->last.proven_needed && !it->told.source_proven) {
        text_string(text, one);
    }
}

static void write_who(struct text *text, const struct incident_cell *it)
{
    const struct incident *told = &it->told;

    switch ((enum key_kind)told->key_kind) {
    case KEY_SOURCE:
    case KEY_SOURCE_SERVER:
        write_claim(text, it, "A source that claims to be ");
        key_write_printable(text, cut(told->entity));
        break;
    case KEY_SOURCE_PREFIX:
    case KEY_SOURCE_ACCOUNT:
        if (addr_is_unspecified(&told->source.addr)) {
            text_string(text, "Sources ");
            write_claim(text, it, "that claim to be ");
            text_string(text, "in ");
            key_write_printable(text, cut(told->entity));
        } else {
            write_claim(text, it, "A source that claims to be ");
            text_addr(text, &told->source.addr);
        }
        break;
    case KEY_ACCOUNT:
        text_string(text, "Account ");
        key_write_name(text, slice_of_string(told->entity), WHO_BYTES);
        break;
    case KEY_ACCOUNT_DEVICE:
        text_string(text, "Account ");
        key_write_name(text, slice_of_string(told->entity), WHO_BYTES);
        if (told->secondary[0] != '\0') {
            text_string(text, " on ");
            key_write_printable(text, cut(told->secondary));
        }
        break;
    case KEY_SERVER:
        text_string(text, "Server ");
        key_write_printable(text, cut(told->entity));
        break;
    case KEY_NUMBER_BLOCK:
        text_string(text, "The number block ");
        key_write_name(text, slice_of_string(told->entity), WHO_BYTES);
        break;
    case KEY_CALLER_BLOCK:
        text_string(text, "Callers of the number block ");
        key_write_name(text, slice_of_string(told->entity), WHO_BYTES);
        break;
    case KEY_CALL:
        text_string(text, "Call ");
        key_write_printable(text, cut(told->entity));
        break;
    case KEY_STREAM:
        text_string(text, "The stream ");
        key_write_printable(text, cut(told->entity));
        break;
    case KEY_SITE:
        text_string(text, "The site");
        break;
    case KEY_COUNT:
        break;
    }
}

static void write_limit(struct text *text, const struct incident_cell *it)
{
    const struct incident *told = &it->told;

    if (it->last.span_ns == 0 && told->threshold == 0) {
        return;
    }
    text_string(text, " (");
    if (it->last.span_ns > 0) {
        text_string(text, "in ");
        text_duration(text, it->last.span_ns);
    }
    if (told->threshold > 0) {
        text_string(text, it->last.span_ns > 0 ? "; limit " : "limit ");
        text_format(text, "%" PRIu64 " %s", told->threshold, told->unit == NULL ? "" : told->unit);
        if (told->window_ns > 0) {
            text_string(text, " in ");
            text_duration(text, told->window_ns);
        }
    }
    text_string(text, ")");
}

static void write_many(struct text *text, const struct incident_cell *it, const struct storm *storm)
{
    text_format(text, "%" PRIu32 " keys of kind %s at once: ", distinct_count(&storm->keys),
                key_kind_name((enum key_kind)it->told.key_kind));
    text_string(text, it->told.rule->title);
    text_string(text, ". Most often: ");
    struct text list = text_into(text->at + text->bytes, (text->capacity - text->bytes) * 2 / 3);
    storm_write(storm, key_is_name((enum key_kind)it->told.key_kind), &list);
    text->bytes += list.bytes;
    text_string(text, ".");
}

static void write_sentence(struct incidents *incidents, const struct incident_cell *it,
                           struct text *text)
{
    const struct detector *rule = it->told.rule;

    if (it->told.many) {
        write_many(text, it, &incidents->storms[it->rule]);
    } else if (rule->sentence != NULL) {
        struct finding finding = it->last;
        finding.detail = slice_of_string(it->detail);
        finding.account = slice_of_string(it->told.account);
        finding.target = slice_of_string(it->told.target);
        rule->sentence(text, &finding, slice_of_string(it->told.entity));
        return;
    } else {
        write_who(text, it);
        text_string(text, " ");
        text_slice_put(text, slice_of_string(it->detail));
        write_limit(text, it);
        text_string(text, ".");
    }
    if (it->told.state == INCIDENT_CLOSE) {
        uint64_t span_ns = time_since(it->told.last_ns, it->told.first_ns);
        text_string(text, span_ns > 0 ? " Closed after " : " Closed");
        if (span_ns > 0) {
            text_duration(text, span_ns);
        }
        /* The sentence has told the figure; where more events than that were counted, say which. */
        const char *events = it->told.count == it->told.peak ? ""
                             : it->told.count == 1           ? " event"
                                                             : " events";
        text_format(text, ", %" PRIu64 "%s in all.", it->told.count, events);
    }
    text_string(text, " ");
    text_string(text, rule->advice);
}

/* What was told is read by people, and its names by who has to hide them. */
static void take_names(struct incidents *incidents, struct incident *told, struct text *message,
                       struct text *chain)
{
    uint32_t count = key_take_names(message, incidents->names, INCIDENT_NAMES_MAX);

    count += key_take_names(chain, incidents->names + count, INCIDENT_NAMES_MAX - count);
    told->names = incidents->names;
    told->name_count = count;
    (void)text_terminate(message);
    (void)text_terminate(chain);
}

static struct fact fact_about(const struct incidents *incidents, const struct incident_cell *it,
                              uint64_t number, uint64_t now_ns)
{
    const struct incident *told = &it->told;
    struct fact fact = {.kind = FACT_INCIDENT, .time_ns = now_ns, .number = number};

    fact.is.incident = (struct fact_incident){
        .rule = told->rule->slug,
        .rule_hash = hash_slice(incidents->options.key, slice_of_string(told->rule->slug)),
        .severity = told->severity,
        .stage = told->stage,
        .key_kind = told->key_kind,
        .opened_ns = it->opened_at_ns,
        .count = told->count,
        .id = told->id,
    };
    return fact;
}

static void tell_detectors(struct incidents *incidents, const struct incident_cell *it,
                           uint8_t event, uint64_t number, uint64_t now_ns)
{
    struct fact fact = fact_about(incidents, it, number, now_ns);
    struct fact_incident *incident = &fact.is.incident;

    if (incidents->ended || it->told.many) {
        return;
    }
    incident->event = event;
    incident->key_hash = it->key_hash;
    incident->account = slice_of_string(it->told.account);
    incident->target = slice_of_string(it->told.target);
    incident->destination = it->destination;
    incident->call_number = it->call_number;
    if (!addr_is_unspecified(&it->told.source.addr)) {
        incident->source = it->source;
    }
    incidents->options.on_fact(incidents->options.frame, &fact);
}

void incident_tell_folded(struct incidents *incidents, const struct incident_cell *many,
                          const struct incidents_report *report)
{
    const struct fact *cause = report->fact;
    struct fact fact = fact_about(incidents, many, cause->number, cause->time_ns);
    struct fact_incident *incident = &fact.is.incident;
    const struct fact_party *source = key_source(cause);
    const struct fact_party *server = key_destination(cause);

    incident->key_hash = report->key_hash;
    incident->severity = incident_note_severity(report);
    incident->account = report->finding->account;
    incident->target = report->finding->target;
    incident->call_number = many->call_number; /* noted a moment ago */
    if (source != NULL) {
        incident->source = *source;
    }
    if (server != NULL) {
        incident->destination = *server;
    }
    incidents->options.on_fact(incidents->options.frame, &fact);
}

void incident_tell(struct incidents *incidents, struct incident_cell *it, enum incident_state state,
                   uint64_t number, uint64_t now_ns)
{
    enum { EVENT_OPEN, EVENT_ROSE, EVENT_CLOSE };
    struct incident *told = &it->told;
    struct text message = text_into(told->message, sizeof told->message - 1);
    struct text chain = text_into(told->chain_text, sizeof told->chain_text - 1);
    bool rose =
        told->severity > it->told_severity || told->confidence.value >= it->told_confidence + 10;

    if (state == INCIDENT_CLOSE) {
        told->update++;
    }
    told->state = (uint8_t)state;
    told->number = number;
    told->told_ns = time_add(now_ns, incidents->shift_ns);
    told->chain_severity = told->severity;
    if (it->chain != 0 && chain_id(&incidents->chains, it->chain, &told->chain_id)) {
        chain_raise(&incidents->chains, it->chain, told->severity, incident_is_certain(it));
        told->chain_severity = chain_severity(&incidents->chains, it->chain);
        chain_write(&incidents->chains, it->chain, &chain);
    }
    write_sentence(incidents, it, &message);
    take_names(incidents, told, &message, &chain);
    it->told_at_ns = now_ns;
    it->told_count = told->count;
    it->told_severity = told->severity;
    it->told_confidence = told->confidence.value;
    incidents->options.on_incident(incidents->options.owner, told);
    told->names = NULL;
    told->name_count = 0;
    if (state == INCIDENT_OPEN) {
        tell_detectors(incidents, it, EVENT_OPEN, number, now_ns);
    } else if (state == INCIDENT_CLOSE) {
        tell_detectors(incidents, it, EVENT_CLOSE, number, now_ns);
    } else if (rose) {
        tell_detectors(incidents, it, EVENT_ROSE, number, now_ns);
    }
}
