/* registration_record.c - earshot.registration: a binding changed, or an attempt to bind was
 * refused.
 *
 * One record for each chain of attempts, not for each REGISTER; refreshes are only counted unless
 * they were asked for. */
#include "sensor/telemetry/envelope.h"

static const struct {
    const char *action;
    const char *type; /* event.type */
} actions[] = {
    [REGISTRATION_REGISTERED] = {"registered", "start"},
    [REGISTRATION_REFRESHED] = {"refreshed", "info"},
    [REGISTRATION_UNREGISTERED] = {"unregistered", "end"},
    [REGISTRATION_EXPIRED] = {"expired", "end"},
    [REGISTRATION_REJECTED] = {"rejected", "info"},
    [REGISTRATION_MOVED] = {"moved", "start"},
};

/* The address that the first contact names, where it names one. */
static bool contact_address(const struct registration *registration, struct addr *out_addr)
{
    struct slice host = registration->contact_count == 0 ? SLICE_NONE : registration->contacts[0];
    size_t at = slice_find(host, '@');

    host = at < host.bytes ? slice_from(host, at + 1) : slice_from(host, slice_find(host, ':') + 1);
    host = slice_part(host, 0, slice_find(host, ';'));
    if (host.bytes > 0 && host.at[0] == '[') {
        host = slice_part(host, 0, slice_find(host, ']') + 1);
    } else {
        host = slice_part(host, 0, slice_find(host, ':'));
    }
    return addr_parse(host, out_addr);
}

static void put_figures(struct telemetry *telemetry, const struct registration *registration)
{
    struct record_maker *maker = &telemetry->maker;

    if (registration->expires_s != 0) {
        record_long(maker, FIELD_ID_EARSHOT_REGISTRATION_EXPIRES_S, registration->expires_s);
    }
    if (registration->requested_expires_s != UINT32_MAX) {
        record_long(maker, FIELD_ID_EARSHOT_REGISTRATION_REQUESTED_EXPIRES_S,
                    registration->requested_expires_s);
    }
    record_long(maker, FIELD_ID_EARSHOT_REGISTRATION_ATTEMPTS, registration->attempts);
    record_long(maker, FIELD_ID_EARSHOT_REGISTRATION_CHALLENGES, registration->rounds);
    record_long(maker, FIELD_ID_EARSHOT_REGISTRATION_FAILURES, registration->failures);
    if (registration->first_failure_ns != 0) {
        record_date(maker, FIELD_ID_EARSHOT_REGISTRATION_FIRST_FAILURE,
                    registration->first_failure_ns);
    }
    if (registration->status != 0) {
        record_long(maker, FIELD_ID_EARSHOT_REGISTRATION_LAST_CODE, registration->status);
    }
    record_text(maker, FIELD_ID_EARSHOT_REGISTRATION_AUTH_ALGORITHM, registration->algorithm);
    record_bool(maker, FIELD_ID_EARSHOT_REGISTRATION_CREDENTIALS, registration->has_credentials);
    record_bool(maker, FIELD_ID_EARSHOT_REGISTRATION_ACCOUNT_KNOWN, registration->account_known);
    record_bool(maker, FIELD_ID_EARSHOT_REGISTRATION_DEVICE_KNOWN, registration->device_known);
}

static void put_own(struct telemetry *telemetry, const struct registration *registration)
{
    struct record_maker *maker = &telemetry->maker;
    struct addr contact;

    record_text(maker, FIELD_ID_EARSHOT_REGISTRATION_AOR, registration->aor);
    for (unsigned i = 0; i < registration->contact_count; i++) {
        record_text(maker, FIELD_ID_EARSHOT_REGISTRATION_CONTACT, registration->contacts[i]);
    }
    if (contact_address(registration, &contact)) {
        record_address(maker, FIELD_ID_EARSHOT_REGISTRATION_CONTACT_IP, &contact);
    }
    record_text(maker, FIELD_ID_EARSHOT_REGISTRATION_CALL_ID, registration->call_id);
    put_figures(telemetry, registration);
    if (!addr_is_unspecified(&registration->previous.addr)) {
        record_address(maker, FIELD_ID_EARSHOT_REGISTRATION_PREVIOUS_IP,
                       &registration->previous.addr);
        record_text(maker, FIELD_ID_EARSHOT_REGISTRATION_PREVIOUS_USER_AGENT,
                    registration->previous_user_agent);
    }
    if (registration->changed_ip) {
        record_string(maker, FIELD_ID_EARSHOT_REGISTRATION_CHANGED, "ip");
    }
    if (registration->changed_user_agent) {
        record_string(maker, FIELD_ID_EARSHOT_REGISTRATION_CHANGED, "user_agent");
    }
    record_long(maker, FIELD_ID_EARSHOT_REGISTRATION_REFRESH_COUNT, registration->refresh_count);
    record_bool(maker, FIELD_ID_EARSHOT_REGISTRATION_NAT, registration->nat);
    if (registration->stale) {
        record_bool(maker, FIELD_ID_EARSHOT_REGISTRATION_STALE, true);
    }
}

void registration_record(struct telemetry *telemetry, const struct change *change)
{
    const struct registration *registration = change->registration;
    struct record_maker *maker = &telemetry->maker;
    struct addr contact;
    bool rejected = registration->action == REGISTRATION_REJECTED;
    uint64_t time_ns = change->sip != NULL ? change->sip->head.time_ns : change->time_ns;

    envelope_begin(telemetry, DATASET_REGISTRATION, time_ns, change->number);
    hash_id_slice(&telemetry->id, registration->aor);
    hash_id_slice(&telemetry->id, registration->call_id);
    hash_id_u64(&telemetry->id, registration->cseq);
    hash_id_slice(&telemetry->id, slice_of_string(actions[registration->action].action));
    hash_id_u64(&telemetry->id, time_ns);
    record_string(maker, FIELD_ID_EVENT_TYPE, actions[registration->action].type);
    record_string(maker, FIELD_ID_EVENT_ACTION, actions[registration->action].action);
    record_string(maker, FIELD_ID_EVENT_OUTCOME,
                  !rejected                                          ? "success"
                  : registration->stale || registration->status == 0 ? "unknown"
                                                                     : "failure");
    record_text(maker, FIELD_ID_EVENT_REASON, registration->reason);
    envelope_span(telemetry, registration->started_ns, time_ns);
    envelope_source(telemetry, &registration->client);
    if (registration->nat && contact_address(registration, &contact) &&
        !addr_equal(&contact, &registration->client.addr)) {
        record_address(maker, FIELD_ID_SOURCE_NAT_IP, &contact);
        envelope_relate_ip(telemetry, &contact);
    }
    envelope_destination(telemetry, &registration->server);
    envelope_roles(telemetry, &registration->client, &registration->server);
    envelope_network(telemetry, envelope_protocol(registration->transport),
                     &registration->client.addr, "sip");
    struct slice user =
        slice_is_empty(registration->auth_user) ? registration->user : registration->auth_user;
    user = envelope_user(telemetry, user);
    record_text(maker, FIELD_ID_USER_NAME, user);
    record_text(maker, FIELD_ID_USER_DOMAIN,
                slice_is_empty(registration->realm) ? registration->domain : registration->realm);
    record_text(maker, FIELD_ID_USER_AGENT_ORIGINAL, registration->user_agent);
    envelope_relate_user(telemetry, user);
    envelope_relate_user(telemetry, envelope_user(telemetry, registration->user));
    envelope_relate_host(telemetry, registration->domain);
    envelope_relate_ip(telemetry, &registration->previous.addr);
    envelope_put_related(telemetry);
    put_own(telemetry, registration);
    envelope_end(telemetry);
}
