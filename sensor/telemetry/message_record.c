/* message_record.c - earshot.sip: one SIP message, with what its headers say, in the names of
 * Packetbeat.
 *
 * The hot values stand in struct sip_message; lists (Via, Allow, Supported, Diversion, Route) and
 * what only records want are read again from the message's bytes, here and only when such a record
 * is wanted. Nonces, responses and keys of crypto lines are never written. Lists are cut at
 * LIST_MAX values; how many there were stands beside them. */
#include "decoders/sip_address.h"
#include "decoders/sip_header.h"
#include "sensor/telemetry/envelope.h"

enum { LIST_MAX = 16 };

/* Where the lines of each header begin (a walk may start there) and where the last one is over;
 * after == 0: none. */
struct lines {
    const struct sip_message *message;
    uint32_t first[SIP_HEADER_COUNT];
    uint32_t after[SIP_HEADER_COUNT];
};

static void find_lines(struct lines *lines, const struct sip_message *message)
{
    struct sip_line line;
    uint32_t at = 0;

    memset(lines, 0, sizeof *lines);
    lines->message = message;
    for (uint32_t from = 0; sip_line_next(message, &at, &line); from = at) {
        if (lines->after[line.header] == 0) {
            lines->first[line.header] = from;
        }
        lines->after[line.header] = at;
    }
}

static bool next_value(const struct lines *lines, enum sip_header header, struct sip_walk *walk,
                       struct slice *out_value)
{
    if (walk->at < lines->first[header]) {
        walk->at = lines->first[header];
    }
    if (slice_is_empty(walk->rest) && walk->at >= lines->after[header]) {
        return false;
    }
    return sip_value_next(lines->message, header, walk, out_value);
}

static struct slice first_value(const struct lines *lines, enum sip_header header)
{
    struct sip_walk walk = {0};
    struct slice value;

    return next_value(lines, header, &walk, &value) ? value : SLICE_NONE;
}

struct side {
    struct endpoint source;
    struct endpoint destination;
};

static struct side side_of(const struct sighting *head)
{
    return (struct side){
        .source = {.addr = head->source, .port = head->source_port},
        .destination = {.addr = head->destination, .port = head->destination_port}};
}

static void put_key(struct telemetry *telemetry, const struct sighting *head,
                    const struct sip_message *message, const struct side *side)
{
    envelope_key_endpoint(telemetry, &side->source);
    envelope_key_endpoint(telemetry, &side->destination);
    hash_id_u64(&telemetry->id, envelope_protocol(head->transport));
    hash_id_u64(&telemetry->id, head->time_ns);
    hash_id_u64(&telemetry->id, head->sub);
    /* Captures with coarse stamps hold several messages of one flow at one time (decision 004). */
    hash_id_slice(&telemetry->id, slice_of(message->raw, message->raw_bytes));
}

static void put_event(struct telemetry *telemetry, const struct sip_message *message)
{
    struct record_maker *maker = &telemetry->maker;
    enum sip_method method = (enum sip_method)message->method;
    char action[32];
    struct text text = text_into(action, sizeof action);

    if ((message->flags & (SIP_FLAG_CREDENTIALS | SIP_FLAG_CHALLENGE)) != 0) {
        record_string(maker, FIELD_ID_EVENT_CATEGORY, "network");
        record_string(maker, FIELD_ID_EVENT_CATEGORY, "authentication");
    }
    text_string(&text, "sip-");
    text_string(&text, method == SIP_METHOD_NONE ? "unknown" : sip_method_name(method));
    record_text(maker, FIELD_ID_EVENT_ACTION, envelope_lower(telemetry, text_slice(&text)));
    record_string(maker, FIELD_ID_EVENT_OUTCOME,
                  message->status >= 400                            ? "failure"
                  : message->status >= 200 && message->status < 300 ? "success"
                                                                    : "unknown");
    record_text(maker, FIELD_ID_EVENT_REASON, sip_part(message, message->reason));
}

/* The method of CSeq as sent: of an unknown one only the bytes know it. */
static struct slice cseq_method(const struct lines *lines)
{
    const struct sip_message *message = lines->message;

    if (message->cseq_method == SIP_METHOD_NONE) {
        return SLICE_NONE;
    }
    if (message->cseq_method != SIP_METHOD_OTHER) {
        return slice_of_string(sip_method_name((enum sip_method)message->cseq_method));
    }
    struct slice value = first_value(lines, SIP_HEADER_CSEQ);
    size_t at = 0;
    while (at < value.bytes &&
           ((value.at[at] >= '0' && value.at[at] <= '9') || value.at[at] <= ' ')) {
        at++;
    }
    return slice_trim(slice_from(value, at));
}

static void put_start(struct telemetry *telemetry, const struct lines *lines)
{
    const struct sip_message *message = lines->message;
    struct record_maker *maker = &telemetry->maker;
    struct slice version = sip_part(message, message->version);

    if (sip_is_response(message)) {
        record_string(maker, FIELD_ID_SIP_TYPE, "response");
        if (message->status != 0) {
            record_text(maker, FIELD_ID_SIP_CODE, envelope_number(telemetry, message->status));
        }
        record_text(maker, FIELD_ID_SIP_STATUS, sip_part(message, message->reason));
    } else {
        record_string(maker, FIELD_ID_SIP_TYPE, "request");
        record_text(maker, FIELD_ID_SIP_METHOD, sip_part(message, message->method_text));
    }
    if (slice_starts_with_nocase(version, SLICE("SIP/"))) {
        version = slice_from(version, 4);
    }
    record_text(maker, FIELD_ID_SIP_VERSION, version);
    if (!sip_is_response(message)) {
        envelope_uri(telemetry, FIELD_ID_SIP_URI_ORIGINAL, message->raw, &message->uri);
    }
    record_text(maker, FIELD_ID_SIP_CALL_ID, sip_part(message, message->call_id));
    if (message->has_cseq) {
        record_text(maker, FIELD_ID_SIP_CSEQ_CODE, envelope_number(telemetry, message->cseq));
    }
    record_text(maker, FIELD_ID_SIP_CSEQ_METHOD, cseq_method(lines));
    record_text(maker, FIELD_ID_SIP_FROM_DISPLAY_INFO, sip_part(message, message->from_display));
    envelope_uri(telemetry, FIELD_ID_SIP_FROM_URI_ORIGINAL, message->raw, &message->from);
    record_text(maker, FIELD_ID_SIP_FROM_TAG, sip_part(message, message->from_tag));
    record_text(maker, FIELD_ID_SIP_TO_DISPLAY_INFO, sip_part(message, message->to_display));
    envelope_uri(telemetry, FIELD_ID_SIP_TO_URI_ORIGINAL, message->raw, &message->to);
    record_text(maker, FIELD_ID_SIP_TO_TAG, sip_part(message, message->to_tag));
}

static void put_contact(struct telemetry *telemetry, const struct lines *lines)
{
    const struct sip_message *message = lines->message;
    struct record_maker *maker = &telemetry->maker;
    struct sip_walk walk = {0};
    struct sip_name_addr contact = {0};
    struct sip_findings findings = {0};
    struct slice value;
    struct slice parameter;

    if (!next_value(lines, SIP_HEADER_CONTACT, &walk, &value)) {
        return;
    }
    if ((message->flags & SIP_FLAG_CONTACT_STAR) != 0) {
        record_string(maker, FIELD_ID_SIP_CONTACT_URI_ORIGINAL, "*");
        return;
    }
    if (sip_name_addr_decode(message->raw, value, &contact, &findings)) {
        record_text(maker, FIELD_ID_SIP_CONTACT_DISPLAY_INFO, sip_part(message, contact.display));
    }
    envelope_uri(telemetry, FIELD_ID_SIP_CONTACT_URI_ORIGINAL, message->raw, &message->contact);
    if (sip_parameter(sip_part(message, message->contact.whole), SLICE("transport"), &parameter)) {
        record_text(maker, FIELD_ID_SIP_CONTACT_TRANSPORT, envelope_lower(telemetry, parameter));
    }
    if (message->contact_expires != UINT32_MAX) {
        record_text(maker, FIELD_ID_SIP_CONTACT_EXPIRES,
                    envelope_number(telemetry, message->contact_expires));
    }
    if (sip_parameter(value, SLICE("q"), &parameter)) {
        record_text(maker, FIELD_ID_SIP_CONTACT_Q, parameter);
    }
}

static void put_list(struct telemetry *telemetry, enum field field, const struct lines *lines,
                     enum sip_header header)
{
    struct sip_walk walk = {0};
    struct slice value;

    for (unsigned i = 0; i < LIST_MAX && next_value(lines, header, &walk, &value); i++) {
        record_text(&telemetry->maker, field, value);
    }
}

static uint32_t count_values(const struct lines *lines, enum sip_header header)
{
    struct sip_walk walk = {0};
    struct slice value;
    uint32_t count = 0;

    while (next_value(lines, header, &walk, &value)) {
        count++;
    }
    return count;
}

static void put_via(struct telemetry *telemetry, const struct lines *lines)
{
    const struct sip_message *message = lines->message;
    struct record_maker *maker = &telemetry->maker;
    struct slice sent_by = sip_part(message, message->sent_by);
    size_t host_end = slice_find_last(sent_by, ':');
    size_t bracket = slice_find_last(sent_by, ']');
    struct slice port = SLICE_NONE;

    if (host_end < sent_by.bytes && (bracket == sent_by.bytes || host_end > bracket)) {
        port = slice_trim(slice_from(sent_by, host_end + 1));
        sent_by = slice_trim(slice_part(sent_by, 0, host_end));
    }
    put_list(telemetry, FIELD_ID_SIP_VIA_ORIGINAL, lines, SIP_HEADER_VIA);
    record_text(maker, FIELD_ID_SIP_VIA_TRANSPORT,
                envelope_lower(telemetry, sip_part(message, message->via_transport)));
    record_text(maker, FIELD_ID_SIP_VIA_SENT_BY_ADDRESS, sent_by);
    record_text(maker, FIELD_ID_SIP_VIA_SENT_BY_PORT, port);
    record_text(maker, FIELD_ID_SIP_VIA_RECEIVED_ADDRESS, sip_part(message, message->via_received));
    record_text(maker, FIELD_ID_SIP_VIA_BRANCH, sip_part(message, message->branch));
    envelope_relate_host(telemetry, sent_by);
    envelope_relate_host(telemetry, sip_part(message, message->via_received));
}

static void put_auth(struct telemetry *telemetry, const struct lines *lines)
{
    const struct sip_message *message = lines->message;
    static const enum sip_header headers[] = {
        SIP_HEADER_AUTHORIZATION, SIP_HEADER_PROXY_AUTHORIZATION, SIP_HEADER_WWW_AUTHENTICATE,
        SIP_HEADER_PROXY_AUTHENTICATE};
    struct slice value = SLICE_NONE;

    for (size_t i = 0; i < sizeof headers / sizeof headers[0] && slice_is_empty(value); i++) {
        value = first_value(lines, headers[i]);
    }
    record_text(&telemetry->maker, FIELD_ID_SIP_AUTH_SCHEME,
                slice_part(value, 0, slice_find(value, ' ')));
    record_text(&telemetry->maker, FIELD_ID_SIP_AUTH_REALM, sip_part(message, message->auth_realm));
    record_text(&telemetry->maker, FIELD_ID_SIP_AUTH_URI_ORIGINAL,
                sip_part(message, message->auth_uri));
}

/* The first address of a header of addresses (P-Associated-URI, P-Asserted-Identity). */
static void put_first_uri(struct telemetry *telemetry, enum field original,
                          const struct lines *lines, enum sip_header header)
{
    const struct sip_message *message = lines->message;
    struct sip_walk walk = {0};
    struct sip_name_addr address = {0};
    struct sip_findings findings = {0};
    struct slice value;

    if (next_value(lines, header, &walk, &value) &&
        sip_name_addr_decode(message->raw, value, &address, &findings)) {
        envelope_uri(telemetry, original, message->raw, &address.uri);
    }
}

static void put_rest_of_sip(struct telemetry *telemetry, const struct lines *lines,
                            const struct sip_sighting *sip)
{
    const struct sip_message *message = &sip->message;
    struct record_maker *maker = &telemetry->maker;
    uint64_t length;

    record_text(maker, FIELD_ID_SIP_USER_AGENT_ORIGINAL, sip_part(message, message->user_agent));
    record_text(maker, FIELD_ID_SIP_CONTENT_TYPE, sip_part(message, message->content_type));
    if (slice_u64(first_value(lines, SIP_HEADER_CONTENT_LENGTH), &length) && length <= UINT32_MAX) {
        record_long(maker, FIELD_ID_SIP_CONTENT_LENGTH, (int64_t)length);
    }
    if (message->max_forwards != UINT32_MAX) {
        record_long(maker, FIELD_ID_SIP_MAX_FORWARDS, message->max_forwards);
    }
    put_list(telemetry, FIELD_ID_SIP_ALLOW, lines, SIP_HEADER_ALLOW);
    put_list(telemetry, FIELD_ID_SIP_SUPPORTED, lines, SIP_HEADER_SUPPORTED);
    put_first_uri(telemetry, FIELD_ID_SIP_PRIVATE_URI_ORIGINAL, lines, SIP_HEADER_P_ASSOCIATED_URI);
    for (unsigned i = 0; sip->has_sdp && i < sip->sdp[0].media_count; i++) {
        const struct sdp_media *media = &sip->sdp[0].media[i];
        envelope_relate_ip(telemetry, &media->rtp.addr);
        if (i == 0 && media->has_address) {
            char line[ADDR_TEXT_BYTES];
            struct text text = text_into(line, sizeof line);
            text_addr(&text, &media->rtp.addr);
            record_text(maker, FIELD_ID_SIP_SDP_CONNECTION_ADDRESS, text_slice(&text));
        }
    }
}

static void put_user(struct telemetry *telemetry, const struct sip_message *message)
{
    struct slice user = sip_part(message, message->auth_username);

    if (slice_is_empty(user)) {
        user = sip_part(message, message->from.user);
    }
    user = envelope_user(telemetry, user);
    record_text(&telemetry->maker, FIELD_ID_USER_NAME, user);
    envelope_relate_user(telemetry, user);
    record_text(&telemetry->maker, FIELD_ID_USER_AGENT_ORIGINAL,
                sip_part(message, message->user_agent));
}

static void put_own(struct telemetry *telemetry, const struct lines *lines,
                    const struct sip_sighting *sip)
{
    static const char *const verdicts[] = {
        [SIP_VALID] = "valid", [SIP_LENIENT] = "lenient", [SIP_INVALID] = "invalid"};
    const struct sip_message *message = &sip->message;
    struct record_maker *maker = &telemetry->maker;
    uint32_t routes = count_values(lines, SIP_HEADER_ROUTE);

    if (routes != 0) {
        record_long(maker, FIELD_ID_EARSHOT_SIP_ROUTE_COUNT, routes);
    }
    put_list(telemetry, FIELD_ID_EARSHOT_SIP_DIVERSION, lines, SIP_HEADER_DIVERSION);
    record_text(maker, FIELD_ID_EARSHOT_SIP_REPLACES, sip_part(message, message->replaces));
    record_text(maker, FIELD_ID_EARSHOT_SIP_REASON, sip_part(message, message->reason_header));
    record_text(maker, FIELD_ID_EARSHOT_SIP_SESSION_ID, sip_part(message, message->session_id));
    record_text(maker, FIELD_ID_EARSHOT_SIP_REFER_TO, sip_part(message, message->refer_to));
    if (!slice_is_empty(first_value(lines, SIP_HEADER_IDENTITY))) {
        record_bool(maker, FIELD_ID_EARSHOT_SIP_IDENTITY, true);
    }
    put_first_uri(telemetry, FIELD_ID_EARSHOT_SIP_ASSERTED_URI_ORIGINAL, lines,
                  SIP_HEADER_P_ASSERTED_IDENTITY);
    record_string(maker, FIELD_ID_EARSHOT_SIP_VERDICT, verdicts[message->verdict]);
    for (unsigned i = 0; i < message->anomaly_count; i++) {
        record_string(maker, FIELD_ID_EARSHOT_SIP_ANOMALIES,
                      anomaly_rows[message->anomalies[i]].slug);
    }
    record_long(maker, FIELD_ID_EARSHOT_SIP_VIAS, message->vias);
    record_long(maker, FIELD_ID_EARSHOT_SIP_BODY_BYTES, message->body_bytes);
    record_long(maker, FIELD_ID_EARSHOT_SIP_SIZE, message->raw_bytes);
    if (sip->head.fragments != 0) {
        record_long(maker, FIELD_ID_EARSHOT_SIP_FRAGMENTS, sip->head.fragments);
    }
}

/* --- session description --- */

/* The next m= line behind *rest: its four words; false at the end. */
static bool next_media_line(struct slice *rest, struct slice out_words[4])
{
    while (!slice_is_empty(*rest)) {
        struct slice line = slice_trim(slice_split(rest, '\n'));
        if (slice_starts_with(line, SLICE("m="))) {
            line = slice_from(line, 2);
            for (unsigned i = 0; i < 3; i++) {
                out_words[i] = slice_split(&line, ' ');
            }
            out_words[3] = slice_trim(line);
            return true;
        }
    }
    return false;
}

/* Type, port, protocol and formats as the line has them; direction and protection as the decoder
 * understood them. */
static void put_media(struct telemetry *telemetry, const struct sip_sighting *sip)
{
    static const char *const directions[] = {[SDP_SENDRECV] = "sendrecv",
                                             [SDP_SENDONLY] = "sendonly",
                                             [SDP_RECVONLY] = "recvonly",
                                             [SDP_INACTIVE] = "inactive"};
    const struct sip_message *message = &sip->message;
    bool malformed;

    if (!sip->has_sdp) {
        return;
    }
    struct slice body = slice_of(message->raw + message->body_at, message->body_bytes);
    struct slice rest = sdp_in_body(sip_part(message, message->content_type), body, &malformed);
    struct slice words[4];
    for (unsigned i = 0; i < sip->sdp[0].media_count && next_media_line(&rest, words); i++) {
        const struct sdp_media *media = &sip->sdp[0].media[i];
        struct record_member members[] = {
            {.name = "type", .type = MEMBER_TEXT, .text = words[0]},
            {.name = "port", .type = MEMBER_NUMBER, .number = media->rtp.port},
            {.name = "proto", .type = MEMBER_TEXT, .text = words[2]},
            {.name = "payloads", .type = MEMBER_WORDS, .text = words[3]},
            {.name = "direction",
             .type = MEMBER_TEXT,
             .text = slice_of_string(directions[media->direction])},
            {.name = "crypto",
             .type = MEMBER_TEXT,
             .text = slice_of_string(media_security_name(media->security))},
        };
        record_object(&telemetry->maker, FIELD_ID_EARSHOT_SDP_MEDIA, members,
                      sizeof members / sizeof members[0]);
    }
}

/* An ACK has no transaction of its own to name: its texts are not kept. */
static void put_transaction(struct telemetry *telemetry, const struct transaction *transaction)
{
    struct hash128 id = transaction == NULL ? (struct hash128){0} : transaction_id(transaction);

    if ((id.high | id.low) != 0) {
        record_hash(&telemetry->maker, FIELD_ID_EARSHOT_TRANSACTION_ID, id);
    }
}

void message_record(struct telemetry *telemetry, const struct change *change)
{
    const struct sip_sighting *sip = change->sip;
    const struct sip_message *message = &sip->message;
    struct side side = side_of(&sip->head);
    bool answer = sip_is_response(message);
    struct lines lines;

    find_lines(&lines, message);
    envelope_begin(telemetry, DATASET_SIP, sip->head.time_ns, sighting_number(&sip->head));
    put_key(telemetry, &sip->head, &sip->message, &side);
    put_event(telemetry, message);
    envelope_interface(telemetry, sip->head.interface);
    envelope_source(telemetry, &side.source);
    envelope_destination(telemetry, &side.destination);
    envelope_roles(telemetry, answer ? &side.destination : &side.source,
                   answer ? &side.source : &side.destination);
    envelope_network(telemetry, envelope_protocol(sip->head.transport), &side.source.addr, "sip");
    envelope_vlans(telemetry, sip->head.vlan_outer, sip->head.vlan_inner);
    put_start(telemetry, &lines);
    put_contact(telemetry, &lines);
    put_via(telemetry, &lines);
    put_auth(telemetry, &lines);
    put_rest_of_sip(telemetry, &lines, sip);
    put_user(telemetry, message);
    envelope_put_related(telemetry);
    envelope_vni(telemetry, sip->head.vni);
    if (sip_has_anomaly(message, ANOMALY_CAPTURE_TRUNCATED)) {
        record_bool(&telemetry->maker, FIELD_ID_EARSHOT_CAPTURE_QUALITY_TRUNCATED, true);
    }
    put_own(telemetry, &lines, sip);
    record_bool(&telemetry->maker, FIELD_ID_EARSHOT_SIP_RETRANSMISSION, change->is_retransmission);
    put_media(telemetry, sip);
    put_transaction(telemetry, change->transaction);
    envelope_end(telemetry);
}
