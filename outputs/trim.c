/* trim.c - which fields go first where a record is too long.
 *
 * A cut in the middle of a text would leave JSON that no collector reads, so fields go whole, in
 * groups: a group is a name and all below it. What goes first is what can be asked for again or
 * looked up elsewhere (evidence, related values, countries); who did what to whom stays to the end.
 * Of a field the group with the longest name decides. What is in no group goes at STAGE_REST; from
 * there on earshot.truncated says "*" alone: the list of all that went would be longer than what
 * stayed. */
#include "outputs/trim.h"

enum { STAGE_NEVER = 0, STAGE_REST = 5, GROUP_REST = UINT8_MAX };

static const struct group {
    const char *name;
    uint8_t stage;
} groups[] = {
    {"sip.via.original", 1},
    {"sip.allow", 1},
    {"sip.supported", 1},
    {"sip.private", 1},
    {"earshot.sip.diversion", 1},
    {"earshot.sdp", 1},
    {"earshot.transaction.provisional", 1},
    {"earshot.alert.evidence", 1},
    {"earshot.alert.accounts", 1},
    {"earshot.sensor.packets.ignored_by", 1},
    {"earshot.sensor.packets.malformed_by", 1},
    {"earshot.sensor.packets.notes", 1},
    {"earshot.sensor.packets.anomalies", 1},
    {"earshot.sensor.sip.requests", 1},
    {"earshot.sensor.sip.responses", 1},
    {"earshot.sensor.sip.anomalies", 1},
    {"related", 2},
    {"source.geo", 3},
    {"source.as", 3},
    {"destination.geo", 3},
    {"destination.as", 3},
    {"client", 3},
    {"server", 3},
    {"threat", 4},
    {"rule.name", 4},
    {"sip.uri", 4},
    {"sip.contact", 4},
    {"sip.from.uri.original", 4},
    {"sip.to.uri.original", 4},
    {"user_agent", 4},
    {"sip.user_agent", 4},
    {"process", 4},
    {"error", 4},
    {"earshot.alert.chain_text", 4},
    {"earshot.alert.confidence_reason", 4},
    {"earshot.alert.advice", 4},
    {"event.reason", 6},
    {"message", 6},
    {"user.name", 6},
    {"sip.call_id", 6},
    {"earshot.registration.aor", 6},
    {"earshot.caller", 6},
    {"earshot.callee", 6},
    {"earshot.alert.entity", 6},
    {"earshot.alert.target", 6},
    {"earshot.call.outcome", 6},
    {"earshot.call.disposition", 6},
    {"earshot.response", 6},
    {"earshot.response.id", STAGE_NEVER},
    {"earshot.response.alert_id", STAGE_NEVER},
    {"earshot.response.step", STAGE_NEVER},
    {"event", STAGE_NEVER},
    {"rule.id", STAGE_NEVER},
    {"source.ip", STAGE_NEVER},
    {"source.port", STAGE_NEVER},
    {"destination.ip", STAGE_NEVER},
    {"destination.port", STAGE_NEVER},
    {"earshot.alert.id", STAGE_NEVER},
    {"earshot.alert.state", STAGE_NEVER},
    {"earshot.alert.severity", STAGE_NEVER},
    {"earshot.alert.level", STAGE_NEVER},
    {"earshot.alert.count", STAGE_NEVER},
    {"earshot.truncated", STAGE_NEVER},
    {"tags", STAGE_NEVER},
};

enum { GROUPS = sizeof groups / sizeof groups[0] };
static_assert((int)GROUPS < (int)GROUP_REST, "a group is found by one byte");

struct trim {
    uint8_t group_of[FIELD_COUNT];
};

static bool holds(const char *group, const char *name)
{
    size_t bytes = strlen(group);

    return strncmp(group, name, bytes) == 0 && (name[bytes] == 0 || name[bytes] == '.');
}

static uint8_t group_of(const char *name)
{
    uint8_t found = GROUP_REST;

    for (uint8_t i = 0; i < GROUPS; i++) {
        if (holds(groups[i].name, name) &&
            (found == GROUP_REST || strlen(groups[i].name) > strlen(groups[found].name))) {
            found = i;
        }
    }
    return found;
}

enum status trim_open(struct trim **out_trim, struct error *error)
{
    struct trim *trim = calloc(1, sizeof *trim);

    if (trim == NULL) {
        return error_set(error, STATUS_FAILED, "", "no memory for what cuts long records");
    }
    for (unsigned i = 0; i < FIELD_COUNT; i++) {
        trim->group_of[i] = group_of(field_rows[i].name);
    }
    *out_trim = trim;
    return STATUS_OK;
}

void trim_close(struct trim *trim)
{
    free(trim);
}

static bool goes(uint8_t group, unsigned stage)
{
    unsigned at = group == GROUP_REST ? (unsigned)STAGE_REST : groups[group].stage;

    return at != STAGE_NEVER && at <= stage;
}

static void name_lost(struct record_maker *maker, const bool lost[GROUPS], bool rest)
{
    for (unsigned i = 0; i < GROUPS && !rest; i++) {
        if (lost[i]) {
            record_string(maker, FIELD_ID_EARSHOT_TRUNCATED, groups[i].name);
        }
    }
    if (rest) {
        record_string(maker, FIELD_ID_EARSHOT_TRUNCATED, "*");
    }
}

/* Which groups the record loses; tells whether something of no group is among it. */
static bool find_lost(const struct trim *trim, const struct record *record, unsigned stage,
                      bool lost[GROUPS])
{
    struct record_raw raw;
    uint32_t at = 0;
    bool rest = false;

    while (record_raw_next(record, &at, &raw)) {
        uint8_t group = trim->group_of[raw.field];
        if (goes(group, stage)) {
            rest |= group == GROUP_REST;
            if (group != GROUP_REST) {
                lost[group] = true;
            }
        }
    }
    return rest;
}

const struct record *trim_record(const struct trim *trim, const struct record *record,
                                 unsigned stage, void *memory)
{
    struct record_maker maker = {.record = memory};
    bool lost[GROUPS] = {false};
    bool rest = find_lost(trim, record, stage, lost);
    bool named = false;
    struct record_raw raw;
    uint32_t from = sizeof *record;

    memcpy(memory, record, sizeof *record);
    maker.record->bytes = sizeof *record;
    maker.record->field_last = 0;
    for (uint32_t at = from; record_raw_next(record, &at, &raw); from = at) {
        if (goes(trim->group_of[raw.field], stage)) {
            continue;
        }
        if (!named && raw.field > FIELD_ID_EARSHOT_TRUNCATED) {
            name_lost(&maker, lost, rest);
            named = true;
        }
        memcpy((uint8_t *)memory + maker.record->bytes, (const uint8_t *)record + from, at - from);
        maker.record->bytes += at - from;
        maker.record->field_last = raw.field;
    }
    if (!named) {
        name_lost(&maker, lost, rest);
    }
    return maker.record;
}
