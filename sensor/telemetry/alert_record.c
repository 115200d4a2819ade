/* alert_record.c - earshot.alert: an incident opened, grew or closed.
 *
 * The time of the record is that of the telling: the packet that crossed the threshold, or the mark
 * at which it closed. Source is the attacker. Every record stands for itself: who, whom, how many,
 * in what time, against which threshold, what to do, and where the proof is. */
#include "sensor/telemetry/envelope.h"

static const struct {
    const char *id;
    const char *name;
} techniques[] = {
    /* ATT&CK for Enterprise, the techniques that telephony attacks come under */
    {"T1046", "Network Service Discovery"},
    {"T1078", "Valid Accounts"},
    {"T1087", "Account Discovery"},
    {"T1110", "Brute Force"},
    {"T1190", "Exploit Public-Facing Application"},
    {"T1496", "Resource Hijacking"},
    {"T1498", "Network Denial of Service"},
    {"T1499", "Endpoint Denial of Service"},
    {"T1557", "Adversary-in-the-Middle"},
    {"T1565", "Data Manipulation"},
    {"T1589", "Gather Victim Identity Information"},
    {"T1590", "Gather Victim Network Information"},
    {"T1595", "Active Scanning"},
};

/* "T1110.001" stands for the technique T1110 and its sub-technique. */
static struct slice technique_of(const char *id)
{
    struct slice whole = slice_of_string(id);

    return slice_part(whole, 0, slice_find(whole, '.'));
}

static const char *technique_name(struct slice id)
{
    for (size_t i = 0; i < sizeof techniques / sizeof techniques[0]; i++) {
        if (slice_equal(id, slice_of_string(techniques[i].id))) {
            return techniques[i].name;
        }
    }
    return NULL;
}

static bool told_before(const struct detector *rule, unsigned index)
{
    for (unsigned i = 0; i < index; i++) {
        if (slice_equal(technique_of(rule->attack[i]), technique_of(rule->attack[index]))) {
            return true;
        }
    }
    return false;
}

static void put_threat(struct telemetry *telemetry, const struct detector *rule)
{
    struct record_maker *maker = &telemetry->maker;
    unsigned count = 0;

    while (count < 3 && rule->attack[count] != NULL) {
        count++;
    }
    if (count == 0) {
        return;
    }
    record_string(maker, FIELD_ID_THREAT_FRAMEWORK, "MITRE ATT&CK");
    record_string(maker, FIELD_ID_THREAT_TACTIC_ID, rule->tactic[0]);
    record_string(maker, FIELD_ID_THREAT_TACTIC_NAME, rule->tactic[1]);
    for (unsigned i = 0; i < count; i++) {
        if (!told_before(rule, i)) {
            record_text(maker, FIELD_ID_THREAT_TECHNIQUE_ID, technique_of(rule->attack[i]));
        }
    }
    for (unsigned i = 0; i < count; i++) {
        if (!told_before(rule, i)) {
            record_string(maker, FIELD_ID_THREAT_TECHNIQUE_NAME,
                          technique_name(technique_of(rule->attack[i])));
        }
    }
    for (unsigned i = 0; i < count; i++) {
        if (technique_of(rule->attack[i]).bytes < strlen(rule->attack[i])) {
            record_string(maker, FIELD_ID_THREAT_TECHNIQUE_SUBTECHNIQUE_ID, rule->attack[i]);
        }
    }
}

static unsigned level_of(uint8_t severity)
{
    return severity < 1 ? 1 : severity > 4 ? 4 : severity;
}

static void put_rule(struct telemetry *telemetry, const struct incident *incident)
{
    static const int64_t severities[] = {0, 21, 47, 73, 99};
    struct record_maker *maker = &telemetry->maker;
    const struct detector *rule = incident->rule;

    record_string(maker, FIELD_ID_EVENT_ACTION, rule->slug);
    record_long(maker, FIELD_ID_EVENT_SEVERITY, severities[level_of(incident->severity)]);
    envelope_span(telemetry, incident->first_ns, incident->last_ns);
    record_string(maker, FIELD_ID_MESSAGE, incident->message);
    record_string(maker, FIELD_ID_RULE_ID, rule->slug);
    record_string(maker, FIELD_ID_RULE_NAME, rule->title);
    record_string(maker, FIELD_ID_RULE_CATEGORY, rule->category);
    record_string(maker, FIELD_ID_RULE_VERSION, "1");
    record_string(maker, FIELD_ID_RULE_RULESET, "earshot");
    put_threat(telemetry, rule);
}

static void put_source(struct record_maker *maker, const struct incident *incident)
{
    if (incident->source_echoed) {
        record_bool(maker, FIELD_ID_EARSHOT_ALERT_SOURCE_ECHOED, true);
    }
    if (incident->source_server) {
        record_bool(maker, FIELD_ID_EARSHOT_ALERT_SOURCE_SERVER, true);
    }
    if (incident->source_accounts != 0) {
        record_long(maker, FIELD_ID_EARSHOT_ALERT_SOURCE_ACCOUNTS, incident->source_accounts);
    }
}

static void put_state(struct telemetry *telemetry, const struct incident *incident)
{
    static const char *const states[] = {
        [INCIDENT_OPEN] = "open", [INCIDENT_UPDATE] = "update", [INCIDENT_CLOSE] = "close"};
    static const char *const outcomes[] = {[INCIDENT_ONGOING] = NULL,
                                           [INCIDENT_STOPPED] = "stopped",
                                           [INCIDENT_SUCCEEDED] = "succeeded",
                                           [INCIDENT_UNKNOWN] = "unknown"};
    static const char *const words[] = {"", "low", "medium", "high", "critical"};
    struct record_maker *maker = &telemetry->maker;

    record_hash(maker, FIELD_ID_EARSHOT_ALERT_ID, incident->id);
    record_string(maker, FIELD_ID_EARSHOT_ALERT_STATE, states[incident->state]);
    record_string(maker, FIELD_ID_EARSHOT_ALERT_OUTCOME, outcomes[incident->outcome]);
    if ((incident->continues.high | incident->continues.low) != 0) {
        record_hash(maker, FIELD_ID_EARSHOT_ALERT_CONTINUES, incident->continues);
    }
    record_hash(maker, FIELD_ID_EARSHOT_ALERT_CHAIN_ID, incident->chain_id);
    record_string(maker, FIELD_ID_EARSHOT_ALERT_CHAIN_TEXT, incident->chain_text);
    record_string(maker, FIELD_ID_EARSHOT_ALERT_CHAIN_SEVERITY,
                  words[level_of(incident->chain_severity)]);
    record_long(maker, FIELD_ID_EARSHOT_ALERT_CHAIN_LEVEL, level_of(incident->chain_severity));
    if (incident->stage != 0) {
        record_long(maker, FIELD_ID_EARSHOT_ALERT_STAGE, incident->stage);
    }
    record_string(maker, FIELD_ID_EARSHOT_ALERT_SEVERITY, words[level_of(incident->severity)]);
    record_long(maker, FIELD_ID_EARSHOT_ALERT_LEVEL, level_of(incident->severity));
    record_long(maker, FIELD_ID_EARSHOT_ALERT_CONFIDENCE, incident->confidence.value);
    record_string(maker, FIELD_ID_EARSHOT_ALERT_CONFIDENCE_REASON, incident->confidence.why);
    if (!addr_is_unspecified(&incident->source.addr)) {
        record_bool(maker, FIELD_ID_EARSHOT_ALERT_SOURCE_PROVEN, incident->source_proven);
        put_source(maker, incident);
    }
    record_bool(maker, FIELD_ID_EARSHOT_ALERT_DEVICE_KNOWN, incident->device_known);
    if (incident->many) {
        record_bool(maker, FIELD_ID_EARSHOT_ALERT_MANY, true);
    }
}

static uint32_t accounts_kept(const struct incident *incident)
{
    return incident->account_count < INCIDENT_ACCOUNTS_MAX ? incident->account_count
                                                           : INCIDENT_ACCOUNTS_MAX;
}

static void put_whom(struct telemetry *telemetry, const struct incident *incident)
{
    struct record_maker *maker = &telemetry->maker;

    record_string(maker, FIELD_ID_EARSHOT_ALERT_ENTITY_TYPE,
                  key_kind_name((enum key_kind)incident->key_kind));
    record_string(maker, FIELD_ID_EARSHOT_ALERT_ENTITY_VALUE, incident->entity);
    record_string(maker, FIELD_ID_EARSHOT_ALERT_SECONDARY, incident->secondary);
    record_string(maker, FIELD_ID_EARSHOT_ALERT_TARGET, incident->target);
    for (uint32_t i = 0; i < accounts_kept(incident); i++) {
        record_string(maker, FIELD_ID_EARSHOT_ALERT_ACCOUNTS, incident->accounts[i]);
    }
    if (incident->account_count != 0) {
        record_long(maker, FIELD_ID_EARSHOT_ALERT_ACCOUNT_COUNT, incident->account_count);
    }
}

static void put_figures(struct telemetry *telemetry, const struct incident *incident)
{
    struct record_maker *maker = &telemetry->maker;

    record_date(maker, FIELD_ID_EARSHOT_ALERT_FIRST_SEEN, incident->first_ns);
    record_date(maker, FIELD_ID_EARSHOT_ALERT_LAST_SEEN, incident->last_ns);
    record_long(maker, FIELD_ID_EARSHOT_ALERT_COUNT, (int64_t)incident->count);
    if (incident->window_ns != 0) {
        record_decimal(maker, FIELD_ID_EARSHOT_ALERT_WINDOW_S,
                       (int64_t)(incident->window_ns / NS_PER_MS));
    }
    record_long(maker, FIELD_ID_EARSHOT_ALERT_OBSERVED, (int64_t)incident->observed);
    record_long(maker, FIELD_ID_EARSHOT_ALERT_THRESHOLD, (int64_t)incident->threshold);
    record_long(maker, FIELD_ID_EARSHOT_ALERT_PEAK, (int64_t)incident->peak);
    record_string(maker, FIELD_ID_EARSHOT_ALERT_UNIT, incident->unit);
    record_string(maker, FIELD_ID_EARSHOT_ALERT_ADVICE, incident->rule->advice);
    for (uint32_t i = 0; i < incident->evidence_count; i++) {
        record_string(maker, FIELD_ID_EARSHOT_ALERT_EVIDENCE_CALL_IDS,
                      incident->evidence[i].call_id);
    }
    /* Live a packet's number is its time, and leads to no place in a file. */
    for (uint32_t i = 0; !telemetry->options.live && i < incident->evidence_count; i++) {
        if (incident->evidence[i].number != 0) {
            record_long(maker, FIELD_ID_EARSHOT_ALERT_EVIDENCE_PACKETS,
                        (int64_t)incident->evidence[i].number);
        }
    }
}

/* The user of "user@domain": what other records call user.name. What begins with its only @ has no
 * domain. */
static struct slice user_of(struct slice account)
{
    size_t at = slice_find_last(account, '@');
    return at > 0 && at < account.bytes ? slice_part(account, 0, at) : account;
}

/* Who stands in the sentences; an account without a user is called by its address. */
static void relate_names(struct telemetry *telemetry, const struct incident *incident)
{
    for (uint32_t i = 0; i < incident->name_count; i++) {
        struct slice user = user_of(incident->names[i]);
        struct addr addr;
        if (!addr_parse(user, &addr)) {
            envelope_relate_user(telemetry, user);
        }
    }
}

void alert_record(struct telemetry *telemetry, const struct incident *incident)
{
    envelope_begin(telemetry, DATASET_ALERT, incident->told_ns, incident->number);
    hash_id_u64(&telemetry->id, incident->id.high);
    hash_id_u64(&telemetry->id, incident->id.low);
    hash_id_u64(&telemetry->id, incident->state);
    hash_id_u64(&telemetry->id, incident->update);
    put_rule(telemetry, incident);
    envelope_source(telemetry, &incident->source);
    envelope_destination(telemetry, &incident->destination);
    const struct addr *addr = addr_is_unspecified(&incident->source.addr)
                                  ? &incident->destination.addr
                                  : &incident->source.addr;
    bool about_media = strcmp(incident->rule->category, "quality") == 0;
    envelope_network(telemetry, incident->transport, addr, about_media ? "rtp" : "sip");
    struct slice account = user_of(slice_of_string(incident->account));
    record_text(&telemetry->maker, FIELD_ID_USER_NAME, envelope_user(telemetry, account));
    envelope_relate_user(telemetry, account);
    for (uint32_t i = 0; i < accounts_kept(incident); i++) {
        envelope_relate_user(telemetry, user_of(slice_of_string(incident->accounts[i])));
    }
    relate_names(telemetry, incident);
    envelope_put_related(telemetry);
    put_state(telemetry, incident);
    put_whom(telemetry, incident);
    put_figures(telemetry, incident);
    envelope_end(telemetry);
}
