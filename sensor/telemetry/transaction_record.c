/* transaction_record.c - earshot.transaction: a request and its final answer, or that none came.
 *
 * A challenge to a request without credentials is no failure, nor is an old nonce: their outcome is
 * unknown, as that of a transaction that the end of the input closed. Texts come from the
 * transaction, so no bytes are read again. */
#include "decoders/sip_address.h"
#include "sensor/telemetry/envelope.h"

static const char *outcome_of(const struct transaction *transaction, bool forced)
{
    if (transaction->challenged || transaction->stale || (transaction->status == 0 && forced)) {
        return "unknown";
    }
    return transaction->status >= 200 && transaction->status < 400 ? "success" : "failure";
}

bool transaction_failed(const struct transaction *transaction, bool forced)
{
    return strcmp(outcome_of(transaction, forced), "failure") == 0;
}

static void put_sip(struct telemetry *telemetry, const struct transaction *transaction)
{
    struct record_maker *maker = &telemetry->maker;
    struct slice method = slice_of_string(sip_method_name((enum sip_method)transaction->method));
    struct sip_uri uri = {0};
    struct sip_findings findings = {0};

    record_text(maker, FIELD_ID_SIP_METHOD, method);
    if (transaction->status != 0) {
        record_text(maker, FIELD_ID_SIP_CODE, envelope_number(telemetry, transaction->status));
    }
    record_text(maker, FIELD_ID_SIP_STATUS, transaction->reason);
    if (!slice_is_empty(transaction->uri)) {
        sip_uri_decode(transaction->uri.at, transaction->uri, &uri, &findings);
        envelope_uri(telemetry, FIELD_ID_SIP_URI_ORIGINAL, transaction->uri.at, &uri);
    }
    record_text(maker, FIELD_ID_SIP_CALL_ID, transaction->call_id);
    if (transaction->has_cseq) {
        record_text(maker, FIELD_ID_SIP_CSEQ_CODE, envelope_number(telemetry, transaction->cseq));
    }
    record_text(maker, FIELD_ID_SIP_CSEQ_METHOD, method);
    envelope_user_host(telemetry, FIELD_ID_SIP_FROM_URI_USERNAME, transaction->from_user,
                       transaction->from_host);
    envelope_user_host(telemetry, FIELD_ID_SIP_TO_URI_USERNAME, transaction->to_user,
                       transaction->to_host);
    record_text(maker, FIELD_ID_SIP_AUTH_REALM, transaction->realm);
    record_text(maker, FIELD_ID_SIP_USER_AGENT_ORIGINAL, transaction->user_agent);
}

static void put_own(struct telemetry *telemetry, const struct transaction *transaction)
{
    struct record_maker *maker = &telemetry->maker;

    record_hash(maker, FIELD_ID_EARSHOT_TRANSACTION_ID, transaction_id(transaction));
    record_text(maker, FIELD_ID_EARSHOT_TRANSACTION_BRANCH, transaction->branch);
    for (unsigned i = 0; i < transaction->provisional_count; i++) {
        record_long(maker, FIELD_ID_EARSHOT_TRANSACTION_PROVISIONAL, transaction->provisional[i]);
    }
    record_long(maker, FIELD_ID_EARSHOT_TRANSACTION_RETRANSMITS_REQUEST,
                transaction->retransmits_request);
    record_long(maker, FIELD_ID_EARSHOT_TRANSACTION_RETRANSMITS_RESPONSE,
                transaction->retransmits_response);
    if (transaction->started_ns != 0 && transaction->final_ns != 0) {
        envelope_ms(telemetry, FIELD_ID_EARSHOT_TRANSACTION_RESPONSE_MS,
                    time_since(transaction->final_ns, transaction->started_ns));
    }
    if (transaction->status != 0) {
        record_long(maker, FIELD_ID_EARSHOT_TRANSACTION_FINAL_CLASS, transaction->status / 100);
    }
    record_bool(maker, FIELD_ID_EARSHOT_TRANSACTION_TIMEOUT, transaction->timeout);
    record_bool(maker, FIELD_ID_EARSHOT_TRANSACTION_CHALLENGED, transaction->challenged);
    if (transaction->stale) {
        record_bool(maker, FIELD_ID_EARSHOT_TRANSACTION_STALE, true);
    }
    record_bool(maker, FIELD_ID_EARSHOT_TRANSACTION_CREDENTIALS, transaction->has_credentials);
    if (transaction->cancelled) {
        record_bool(maker, FIELD_ID_EARSHOT_TRANSACTION_CANCELLED, true);
    }
}

void transaction_record(struct telemetry *telemetry, const struct change *change)
{
    const struct transaction *transaction = change->transaction;
    struct record_maker *maker = &telemetry->maker;
    uint64_t end_ns = transaction->final_ns != 0 ? transaction->final_ns : change->time_ns;
    char line[32];
    struct text action = text_into(line, sizeof line);

    envelope_begin(telemetry, DATASET_TRANSACTION, end_ns, change->number);
    struct hash128 id = transaction_id(transaction);
    hash_id_u64(&telemetry->id, id.high);
    hash_id_u64(&telemetry->id, id.low);
    text_string(&action, "sip-");
    text_string(&action, sip_method_name((enum sip_method)transaction->method));
    record_text(maker, FIELD_ID_EVENT_ACTION, envelope_lower(telemetry, text_slice(&action)));
    record_string(maker, FIELD_ID_EVENT_OUTCOME, outcome_of(transaction, change->forced));
    record_text(maker, FIELD_ID_EVENT_REASON, transaction->reason);
    envelope_span(telemetry, transaction->started_ns, end_ns);
    envelope_source(telemetry, &transaction->client);
    envelope_destination(telemetry, &transaction->server);
    envelope_roles(telemetry, &transaction->client, &transaction->server);
    envelope_network(telemetry, envelope_protocol(transaction->transport),
                     &transaction->client.addr, "sip");
    envelope_vlans(telemetry, transaction->vlan_outer, 0);
    put_sip(telemetry, transaction);
    struct slice user =
        slice_is_empty(transaction->auth_user) ? transaction->from_user : transaction->auth_user;
    user = envelope_user(telemetry, user);
    record_text(maker, FIELD_ID_USER_NAME, user);
    envelope_relate_user(telemetry, user);
    record_text(maker, FIELD_ID_USER_AGENT_ORIGINAL, transaction->user_agent);
    envelope_put_related(telemetry);
    if (change->forced) {
        record_string(maker, FIELD_ID_EARSHOT_END_REASON, "capture_end");
    }
    put_own(telemetry, transaction);
    envelope_end(telemetry);
}
