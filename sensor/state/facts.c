/* facts.c - one function for each kind of fact; each takes from the change what detectors may know
 * of it.
 *
 * Roles, not directions: `client` is who sent the request, also in a fact about its answer. Without
 * declared zones every destination is own, and a server is who answered a request 
 * (docs/definitions.md).
 *
 * Each request counts once, at the lowest hop that was seen; what a hop further on answered is a
 * fact of another kind. What makes no fact: a transaction whose request was never seen (nobody knows
 * whether it had credentials), a hop further on without an answer, an invalid request that nobody
 * accepted, an expired binding, a call of which only the middle was seen.
 *
 * Most facts interest nobody, and a detector sees that at a few numbers: so begin() takes what lies
 * in the change, and finish() looks up and puts together the rest for those that are heeded.
 *
 * Texts stay where they are. An account does too where it stands in one piece, user@host and
 * nothing to unescape or fold; else it is put together in the view's scratch. */
#include "sensor/state/facts.h"

#include "decoders/decoder.h"
#include "decoders/sip_header.h"

#include "sensor/state/account.h"

enum { ACCOUNT_PART_MAX = 256 };
/* Messages are most of what is told: what registers the other facts need is not saved for them. It is
 * 2 % of what detection costs. */
#define APART __attribute__((noinline))
#define FOLLOWS_NS (2 * NS_PER_S) /* behind the answer: it is not the first of its direction */

#define SAME(name)                                                                                 \
    static_assert((int)FACT_METHOD_##name == (int)SIP_METHOD_##name, "detectors name methods "     \
                                                                     "alike")
SAME(NONE);
SAME(OTHER);
SAME(INVITE);
SAME(ACK);
SAME(BYE);
SAME(CANCEL);
SAME(OPTIONS);
SAME(REGISTER);
SAME(PRACK);
SAME(SUBSCRIBE);
SAME(NOTIFY);
SAME(PUBLISH);
SAME(INFO);
SAME(REFER);
SAME(MESSAGE);
SAME(UPDATE);
SAME(COUNT);

static_assert((int)FACT_HOUR_UNKNOWN == (int)DESTINATION_HOUR_UNKNOWN &&
                  (int)FACT_HOUR_USUAL == (int)DESTINATION_HOUR_USUAL &&
                  (int)FACT_HOUR_RARE == (int)DESTINATION_HOUR_RARE,
              "detectors name hours alike");

#undef SAME
#define SAME(fact, number)                                                                         \
    static_assert((int)FACT_NUMBER_##fact == (int)NUMBER_##number, "detectors name numbers alike")
SAME(NONE, NONE);
SAME(INTERNAL, INTERNAL);
SAME(NATIONAL, NATIONAL);
SAME(INTERNATIONAL, INTERNATIONAL);
SAME(EMERGENCY, EMERGENCY);
SAME(UNKNOWN, UNKNOWN);
SAME(TYPE_UNKNOWN, TYPE_UNKNOWN);
SAME(FIXED, FIXED);
SAME(MOBILE, MOBILE);
SAME(TOLL_FREE, TOLL_FREE);
SAME(SHARED_COST, SHARED_COST);
SAME(PREMIUM, PREMIUM);
SAME(SATELLITE, SATELLITE);
SAME(OTHER, OTHER);
SAME(INVALID, INVALID);

#undef SAME
#define SAME(name)                                                                                 \
    static_assert((int)FACT_TORN_##name == (int)CALL_TORN_##name, "detectors name evidence alike")
SAME(NOT);
SAME(SENDER_GOES_ON);
SAME(BOTH_GO_ON);
SAME(SECOND_BYE);
SAME(CANCEL);

/* Who sent the request and who it went to, by address only. Nothing is declared yet of sides and
 * zones. */
static void put_parties(const struct endpoint *client, const struct endpoint *server,
                        struct fact_party *out_client, struct fact_party *out_server)
{
    out_client->endpoint = *client;
    out_client->side = FACT_SIDE_UNKNOWN;
    out_server->endpoint = *server;
    out_server->side = FACT_OWN;
}

/* What is known of a party. One message makes several facts about the same two. */
static void know(struct facts_view *view, const struct change *change, struct fact_party *out)
{
    struct facts_party *party = &view->parties[out->side == FACT_OWN];
    uint64_t changes = proof_changes(view->proof);

    if (party->changes != changes || party->time_ns != change->time_ns ||
        !addr_equal(&party->addr, &out->endpoint.addr)) {
        proof_ask(view->proof, &out->endpoint.addr, change->time_ns, &party->known);
        party->addr = out->endpoint.addr;
        party->time_ns = change->time_ns;
        party->changes = changes;
    }
    out->proven = party->known.proven;
    out->doubted_ns = party->known.doubted_ns;
    out->is_server = party->known.is_server;
    out->is_peer = party->known.is_peer;
    out->good_accounts = party->known.good_accounts;
}

/* Where a party is: country and autonomous system, where there are files that say it. */
static void locate(struct facts_view *view, struct fact_party *out)
{
    if (view->geo != NULL) {
        const struct geo_answer *answer = geo_look(view->geo, &out->endpoint.addr);
        out->country = answer->country;
        out->as_number = answer->as_number;
    }
}

/* What is not heard proves nothing: one direction is missing, or an interface is silent (a tap
 * brings each direction by one of its own). */
static bool hears_half(const struct facts_view *view)
{
    return view->one_way_capture || view->hearing.silent_capture;
}

/* --- accounts --- */

static struct slice account_text(struct facts_view *view, struct slice user, struct slice host)
{
    user = slice_part(user, 0, ACCOUNT_PART_MAX);
    host = slice_part(host, 0, ACCOUNT_PART_MAX);
    if (user.bytes == 0 || host.bytes == 0 || !account_user_is_plain(user) ||
        !account_host_is_plain(host)) {
        struct text text = text_into(view->scratch, sizeof view->scratch);
        account_print(&text, user, host);
        return text_slice(&text);
    }
    if (host.at != user.at + user.bytes + 1 || user.at[user.bytes] != '@') {
        memcpy(view->scratch, user.at, user.bytes);
        view->scratch[user.bytes] = '@';
        memcpy(view->scratch + user.bytes + 1, host.at, host.bytes);
        user.at = view->scratch;
    }
    return slice_of(user.at, user.bytes + 1 + host.bytes);
}

/* --- messages --- */

/* What stands behind sent-by in the topmost Via: up to the next value or the end of the line. */
static struct slice via_parameters(const struct sip_message *message)
{
    if (message->sent_by.bytes == 0) {
        return SLICE_NONE;
    }
    uint32_t from = message->sent_by.at + message->sent_by.bytes;
    if (from >= message->header_bytes || message->header_bytes > message->raw_bytes) {
        return SLICE_NONE;
    }
    struct slice rest = slice_of(message->raw + from, message->header_bytes - from);
    rest = slice_part(rest, 0, slice_find(rest, '\n'));
    rest = slice_part(rest, 0, slice_find(rest, '\r'));
    return slice_trim(slice_part(rest, 0, slice_find(rest, ',')));
}

static uint8_t suspicion_of(const struct sip_message *message)
{
    uint8_t highest = 0;

    for (unsigned i = 0; i < message->anomaly_count && i < SIP_ANOMALIES_MAX; i++) {
        uint8_t suspicion = anomaly_rows[message->anomalies[i]].suspicion;
        highest = suspicion > highest ? suspicion : highest;
    }
    return highest;
}

/* Of enum sip_transport: WebSocket runs over TCP. */
static uint8_t carried_by(uint8_t transport)
{
    return transport == SIP_UDP ? PROTOCOL_UDP : PROTOCOL_TCP;
}

/* A final answer: the fact of its transaction follows this one and asks for the account. Where many
 * call, that is two misses of the cache that need not be waited for: the index was asked for when
 * the transaction ended. */
static void look_ahead(const struct facts_view *view, const struct change *change)
{
    const struct transaction *transaction = change->transaction;

    if (transaction != NULL && change->sip->message.status >= 200) {
        device_prefetch(view->devices, transaction->account_hash, true);
    }
}

/* Of an answer to a request that was not seen nobody knows what it was. */
static uint8_t step_of(const struct change *change)
{
    const struct sip_message *message = &change->sip->message;
    bool is_response = sip_is_response(message);
    bool in_dialog = is_response ? change->transaction != NULL && change->transaction->in_dialog
                                 : message->to_tag.bytes != 0;

    if (in_dialog || change->is_retransmission || message->method == SIP_METHOD_ACK ||
        message->method == SIP_METHOD_CANCEL) {
        return FACT_MESSAGE_GOES_ON;
    }
    return is_response ? FACT_MESSAGE_ANSWERS : FACT_MESSAGE_ASKS;
}

static bool begin_message(const struct facts_view *view, const struct change *change,
                          struct fact *fact)
{
    const struct sip_message *message = &change->sip->message;
    const struct sighting *head = &change->sip->head;
    bool is_response = sip_is_response(message);
    struct fact_message *told = &fact->is.message;
    struct fact_party *source = is_response ? &told->server : &told->client;
    struct fact_party *destination = is_response ? &told->client : &told->server;

    uint8_t step = step_of(change);
    if ((view->unheard_steps >> step & 1) != 0) {
        return false;
    }
    look_ahead(view, change);
    fact->kind = FACT_MESSAGE;
    fact->interface = head->interface;
    fact->transport = carried_by(head->transport);
    memset(told, 0, offsetof(struct fact_message, call_id)); /* texts come with the rest */
    source->endpoint.addr = head->source;
    source->endpoint.port = head->source_port;
    destination->endpoint.addr = head->destination;
    destination->endpoint.port = head->destination_port;
    told->client.side = FACT_SIDE_UNKNOWN;
    told->server.side = FACT_OWN;
    told->method = message->method;
    told->step = step;
    told->is_response = is_response;
    told->is_retransmission = change->is_retransmission;
    told->has_credentials = (message->flags & SIP_FLAG_CREDENTIALS) != 0;
    told->in_dialog = !is_response && message->to_tag.bytes != 0;
    told->starts_dialog = !is_response && message->method == SIP_METHOD_INVITE &&
                          message->to_tag.bytes == 0 && !change->is_retransmission;
    told->invalid = message->verdict == SIP_INVALID;
    told->has_branch_cookie = (message->flags & SIP_FLAG_COOKIE) != 0;
    told->anomaly_kinds = message->anomaly_count;
    told->status = message->status;
    told->vias = message->vias;
    told->cseq = message->has_cseq ? message->cseq : UINT32_MAX;
    told->max_forwards = message->max_forwards;
    told->expires = message->expires;
    return true;
}

static void finish_message(struct facts_view *view, const struct change *change, struct fact *fact)
{
    const struct sip_message *message = &change->sip->message;
    struct fact_message *told = &fact->is.message;

    know(view, change, &told->client);
    told->suspicion = suspicion_of(message);
    told->call_id = sip_part(message, message->call_id);
    told->user_agent = sip_part(message, message->user_agent);
    if (told->is_response) {
        memset(&told->uri_user, 0, sizeof *told - offsetof(struct fact_message, uri_user));
        /* by this very answer */
        told->server.is_server =
            change->transaction != NULL && change->transaction->started_ns != 0;
        return;
    }
    know(view, change, &told->server);
    told->via_parameters = via_parameters(message);
    told->uri_user = sip_part(message, message->uri.user);
    told->uri_host = sip_part(message, message->uri.host);
    told->from_user = sip_part(message, message->from.user);
    told->from_host = sip_part(message, message->from.host);
    told->from_display = sip_part(message, message->from_display);
    told->from_tag = sip_part(message, message->from_tag);
    told->to_user = sip_part(message, message->to.user);
    told->to_host = sip_part(message, message->to.host);
    told->to_display = sip_part(message, message->to_display);
    told->branch = sip_part(message, message->branch);
}

/* --- transactions --- */

/* Who asked whom. */
static void put_asked(struct facts_view *view, const struct change *change,
                      struct fact_transaction *told)
{
    const struct transaction *ended = change->transaction;

    put_parties(&ended->client, &ended->server, &told->client, &told->server);
    know(view, change, &told->client);
    if (ended->timeout || ended->status == 503) {
        know(view, change, &told->server);
    }
    if (ended->status != 0) {
        told->server.is_server = true; /* by this very answer */
    }
    locate(view, &told->client);
    locate(view, &told->server);
}

static uint8_t end_of(const struct transaction *ended, bool auth_failure)
{
    if (auth_failure) {
        return FACT_TRANSACTION_LOGIN_FAILED;
    }
    if (ended->status == 0) {
        return FACT_TRANSACTION_SILENT;
    }
    bool went_on = ended->method == SIP_METHOD_BYE || ended->method == SIP_METHOD_CANCEL ||
                   ended->method == SIP_METHOD_PRACK || ended->method == SIP_METHOD_UPDATE ||
                   ended->method == SIP_METHOD_INFO;
    return went_on ? FACT_TRANSACTION_WENT_ON : FACT_TRANSACTION_ANSWERED;
}

/* All at once: whoever looks for failures of strangers must know who is none. */
APART static bool begin_transaction(struct facts_view *view, const struct change *change,
                                    struct fact *fact)
{
    const struct transaction *ended = change->transaction;
    struct fact_transaction *told = &fact->is.transaction;

    uint8_t end = end_of(ended, ended->auth_failure);
    if (ended->request_invalid || ended->started_ns == 0 ||
        (ended->upper_hop && ended->status == 0) || (view->unheard_ends >> end & 1) != 0) {
        return false;
    }
    fact->interface = ended->interface;
    fact->transport = carried_by(ended->transport);
    memset(told, 0, sizeof *told);
    put_asked(view, change, told);
    /* Whom nobody ever asked anything is no proxy: the Vias under his own are made up. */
    fact->kind = ended->upper_hop && told->client.is_peer ? FACT_HOP : FACT_TRANSACTION;
    told->method = ended->method;
    told->end = end;
    told->has_credentials = ended->has_credentials;
    told->challenged = ended->challenged;
    told->stale = ended->stale;
    told->passed_on = ended->passed_on;
    told->one_way = hears_half(view);
    told->timeout = ended->timeout && told->server.is_server;
    told->user_exists = ended->user_exists;
    told->status = ended->status;
    told->cseq = ended->cseq;
    if (ended->status != 0) {
        uint64_t span_ns = time_since(ended->final_ns, ended->started_ns);
        told->response_ns = span_ns == 0 ? 1 : span_ns; /* 0 says that there was none */
    }
    told->device_hash = ended->device_hash;
    told->call_id_hash = ended->call_id_hash;
    told->nonce_hash = ended->nonce_hash;
    told->response_hash = ended->response_hash;
    told->proof_key = ended->proof_key;
    struct device_view device;
    device_ask(view->devices, ended->account_hash, &ended->client.addr, ended->device_hash,
               change->time_ns, &device);
    told->account_known = device.account_known;
    told->device_known = device.device_known;
    told->place_known = device.place_known;
    bool is_register = ended->method == SIP_METHOD_REGISTER;
    /* Who logs in from here has a good password: he may not call that number. */
    bool barred = !is_register && ended->status == 403 && device.place_known;
    told->auth_failure = ended->auth_failure && !barred;
    if (told->auth_failure) {
        told->client.site_good_accounts = proof_ask_site(view->proof, &ended->client.addr);
        told->echoed = proof_was_sent(view->proof, &ended->client.addr, ended->nonce_hash);
    } else if (ended->auth_failure) {
        told->end = end_of(ended, false);
    }
    struct slice user = is_register ? ended->to_user : ended->from_user;
    struct slice host = is_register ? ended->to_host : ended->from_host;
    if (change->sip != NULL) {
        /* The answer repeats From and To, whole. */
        const struct sip_message *answer = &change->sip->message;
        const struct sip_uri *aor = is_register ? &answer->to : &answer->from;
        user = sip_part(answer, aor->user);
        host = sip_part(answer, aor->host);
        told->q850 = answer->reason_header.bytes > 0 ? sip_q850(answer) : 0;
    }
    told->account = account_text(view, user, host);
    told->auth_user = ended->auth_user;
    told->realm = ended->realm;
    told->target_user = is_register ? ended->to_user : ended->uri_user;
    told->target_host = is_register ? ended->to_host : ended->uri_host;
    told->call_id = ended->call_id;
    told->user_agent = ended->user_agent;
    told->reason = ended->reason;
    return true;
}

/* --- registrations --- */

APART static bool begin_registration(const struct change *change, struct fact *fact)
{
    const struct registration *ended = change->registration;
    struct fact_registration *told = &fact->is.registration;

    if (ended->action == REGISTRATION_EXPIRED) {
        return false;
    }
    fact->kind = FACT_REGISTRATION;
    fact->interface = ended->interface;
    fact->transport = carried_by(ended->transport);
    memset(told, 0, sizeof *told);
    put_parties(&ended->client, &ended->server, &told->client, &told->server);
    told->success = ended->action != REGISTRATION_REJECTED;
    told->has_credentials = ended->has_credentials;
    told->removed = ended->action == REGISTRATION_UNREGISTERED;
    told->refreshed = ended->action == REGISTRATION_REFRESHED && ended->contact_count > 0 &&
                      !ended->changed_ip && !ended->changed_user_agent;
    told->account_known = ended->account_known;
    told->device_known = ended->device_known;
    told->place_known = ended->place_known;
    told->rounds = ended->rounds;
    told->status = ended->status;
    told->failures = ended->failures;
    told->device_hash = ended->device_hash;
    told->account = ended->account;
    told->auth_user = ended->auth_user;
    told->realm = ended->realm;
    told->contact = ended->contact_count > 0 ? ended->contacts[0] : SLICE_NONE;
    told->call_id = ended->call_id;
    told->user_agent = ended->user_agent;
    return true;
}

/* --- calls --- */

static void put_sides(const struct call *call, struct fact_call *told)
{
    for (unsigned side = 0; call->sound != NULL && side < 2; side++) {
        uint8_t flags = call->sound->sides[side];
        told->sides[side] = (struct fact_call_side){
            .named = (flags & CALL_SIDE_NAMED) != 0,
            .sends = (flags & CALL_SIDE_SENDS) != 0,
            .receives = (flags & CALL_SIDE_RECEIVES) != 0,
            .hidden = (flags & CALL_SIDE_HIDDEN) != 0,
            .secure = (flags & CALL_SIDE_SECURE) != 0,
            .spoke = call->sound->ways[side].named_ns > time_add(call->answered_ns, NS_PER_S),
            .packets = call->heard[side],
            .stray = call->heard_stray[side],
        };
    }
}

/* Audio to where nobody listens by his description is heard all the same where he sends from there
 * (symmetric RTP, NAT). */
static void forgive_symmetric(const struct call *call, struct fact_call *told)
{
    for (unsigned side = 0; call->sound != NULL && side < 2; side++) {
        const struct call_way *way = &call->sound->ways[side];
        const struct call_way *back = &call->sound->ways[1 - side];
        if (call->heard_stray[side] > 0 && way->stray_to == back->from) {
            told->sides[side].packets += told->sides[side].stray;
            told->sides[side].stray = 0;
        }
    }
}

/* What detectors choose by of who is heard and who tore it down. */
static void put_sound(const struct call *call, enum fact_call_event event, uint64_t now_ns,
                      struct fact_call *told)
{
    if (event == FACT_CALL_MEDIA) {
        put_sides(call, told);
        forgive_symmetric(call, told);
        uint8_t sides =
            call->sound == NULL ? CALL_SIDE_SHARED : call->sound->sides[0] | call->sound->sides[1];
        told->media_unclear = (sides & CALL_SIDE_SHARED) != 0 || call->t38 || call->elsewhere ||
                              call->reinvites > 0 || call->transfers > 0;
        return;
    }
    const struct call_sound *sound = call->sound;
    bool strange = sound->doubt == CALL_HOP_STRANGER;
    told->torn = sound->torn;
    told->ender_on_path = !strange;
    told->ender.side = FACT_SIDE_UNKNOWN;
    if (strange) {
        told->ender.endpoint = sound->ender;
    }
    uint64_t from_ns = sound->accepted_ns != 0 ? sound->accepted_ns : sound->ender_ns;
    uint64_t to_ns = now_ns;
    if (sound->torn == CALL_TORN_SENDER_GOES_ON || sound->torn == CALL_TORN_BOTH_GO_ON) {
        to_ns = sound->ways[sound->ender_is_caller ? 0 : 1].last_ns;
    }
    told->torn_after_ns = time_since(to_ns, from_ns);
}

static void put_number(struct facts_view *view, struct slice user, struct fact_number *out)
{
    struct number number;

    if (view->numbers == NULL) {
        return;
    }
    number_look(view->numbers, user, &number);
    *out = (struct fact_number){
        .e164 = number.e164,
        .block = number.block,
        .class = number.class,
        .type = number.type,
        .digits = number.digits,
        .risk_type = number.risk_type,
        .risk_country = number.risk_country,
        .dialled_abroad = number.dialled_abroad,
        .allowed = number.allowed,
        .cost_milli = number.cost_milli,
    };
    memcpy(out->country, number.country, sizeof out->country);
    out->country_name = number.country_name;
}

/* The user of the request URI, as call_text.c keeps it: "sip:user@host", or "tel:number". */
static struct slice dialled_of(const struct call *call)
{
    struct slice uri = call->uri;
    size_t colon = 0;

    while (colon < uri.bytes && uri.at[colon] != ':') { /* a scheme is short */
        colon++;
    }
    if (colon == 3 && slice_lower(uri.at[0]) == 't' &&
        slice_starts_with_nocase(uri, SLICE("tel:"))) {
        return slice_from(uri, 4);
    }
    size_t at = slice_find(uri, '@');
    return colon < at && at < uri.bytes ? slice_part(uri, colon + 1, at) : SLICE_NONE;
}

APART static bool begin_call(struct facts_view *view, const struct change *change,
                             enum fact_call_event event, struct fact *fact)
{
    const struct call *call = change->call;
    struct fact_call *told = &fact->is.call;

    if (call->partial || (call->invalid_only && !call->accepted_invalid)) {
        return false;
    }
    fact->kind = FACT_CALL;
    fact->interface = call->interface;
    fact->transport = carried_by(call->transport);
    memset(told, 0, sizeof *told);
    put_parties(&call->caller, &call->callee, &told->caller, &told->callee);
    told->event = (uint8_t)event;
    told->has_credentials = call->has_credentials;
    told->challenged = call->challenges > 0;
    told->ended_by_caller = call->ended_by == CALL_ENDED_BY_CALLER;
    told->status = call->status;
    told->started_ns = call->started_ns;
    told->answered_ns = call->answered_ns;
    told->ended_ns = call->ended_ns;
    told->early_media = call->early_media;
    told->rang = call->ringing_ns != 0;
    told->given_up = call->given_up;
    told->call_number = call->number;
    told->call_id = call->call_id;
    told->from_user = call->from_user;
    told->from_host = call->from_host;
    told->to_user = call->to_user;
    told->to_host = call->to_host;
    told->user_agent = call->user_agent;
    told->held = call->held;
    if (event == FACT_CALL_MEDIA || event == FACT_CALL_TORN) {
        put_sound(call, event, change->time_ns, told);
    }
    /* Most calls go to numbers that interest nobody, and the number says so. */
    told->dialled = dialled_of(call);
    put_number(view, told->dialled, &told->called);
    return true;
}

/* What was called before. The call is learnt here too: facts come once for each event of it, and
 * what is asked is answered as it was when the call started.
 *
 * Calls that come in from outside are none of it: who is called there is ours, and every caller
 * would be an account. One of ours calls, or a number was dialled that cannot be our own. */
static void put_past(struct facts_view *view, uint64_t account, struct fact *fact)
{
    struct fact_call *told = &fact->is.call;
    const struct fact_number *called = &told->called;
    bool ours = told->caller_registered || told->has_credentials || told->account_known;
    bool outside = called->dialled_abroad || called->type == FACT_NUMBER_PREMIUM ||
                   called->type == FACT_NUMBER_SATELLITE;
    const struct destination_call call = {
        .account = ours ? account : 0,
        .source = hash_addr(view->key, &told->caller.endpoint.addr),
        .e164 = called->e164,
        .block = called->block,
        .country = called->country,
        .dialled = told->dialled,
        .abroad = called->class == FACT_NUMBER_INTERNATIONAL,
        .hour_of_week = fact->hour_of_week,
        .started_ns = told->started_ns,
    };
    struct destination_view past;

    if (called->class == FACT_NUMBER_EMERGENCY) {
        return;
    }
    destination_try(view->destinations, &call, fact->time_ns);
    if (!ours && !outside) {
        return;
    }
    destination_ask(view->destinations, &call, fact->time_ns, &past);
    told->first_abroad = past.first_abroad;
    told->country_new_account = past.country_new_account;
    told->country_new_site = past.country_new_site;
    told->block_new_site = past.block_new_site;
    told->weeks_called = past.weeks_called;
    told->hour = past.hour;
    told->block_accounts = past.block_accounts;
    told->prefixes_tried = past.prefixes_tried;
    if (told->event == FACT_CALL_ENDED && told->answered_ns != 0 && !fact->forced) {
        destination_learn(view->destinations, &call, fact->time_ns);
    }
}

APART static void finish_call(struct facts_view *view, const struct change *change,
                              struct fact *fact)
{
    const struct call *call = change->call;
    struct fact_call *told = &fact->is.call;

    uint64_t account = account_hash(view->key, call->from_user, call->from_host);
    uint64_t agent = call->user_agent.bytes == 0 ? 0 : hash_slice(view->key, call->user_agent);
    struct device_view device;

    know(view, change, &told->caller);
    locate(view, &told->caller);
    locate(view, &told->callee);
    if (told->event == FACT_CALL_TORN) {
        know(view, change, &told->ender);
        locate(view, &told->ender);
    }
    told->caller_registered =
        registration_is_bound(view->registrations, account, &call->caller.addr);
    device_ask(view->devices, account, &call->caller.addr, agent, change->time_ns, &device);
    told->account_known = device.account_known;
    told->device_known = device.device_known && !device.device_new;
    if (told->event == FACT_CALL_ENDED || told->event == FACT_CALL_GIVEN_UP ||
        told->called.e164 != 0) {
        put_number(view, call->from_user, &told->calling);
    }
    told->account = account_text(view, call->from_user, call->from_host);
    if (view->destinations != NULL) {
        put_past(view, account, fact);
    }
}

/* --- streams --- */

static uint32_t to_u32(uint64_t value)
{
    return value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
}

static struct slice device_of(struct facts_view *view, const struct media_stream *stream)
{
    const struct call *call = stream->call;

    if (call != NULL) {
        struct slice user = stream->from_caller ? call->from_user : call->to_user;
        struct slice host = stream->from_caller ? call->from_host : call->to_host;
        if (user.bytes != 0) {
            return account_text(view, user, host);
        }
    }
    struct text text = text_into(view->scratch, sizeof view->scratch);
    text_addr(&text, &stream->source.addr);
    return text_slice(&text);
}

/* A gap in which nothing was lost: its sender had nothing to say. */
static bool is_pausing(const struct stream_sighting *sighting)
{
    enum { PAUSE_US = 1000000 };
    uint64_t lost_us = (uint64_t)sighting->total.longest_loss * sighting->ptime_us;

    return sighting->comfort_noise > 0 ||
           (sighting->total.delta_max_us >= PAUSE_US && lost_us < sighting->total.delta_max_us / 2);
}

APART static bool begin_stream(const struct change *change, enum fact_stream_event event,
                               struct fact *fact)
{
    const struct media_stream *stream = change->stream;
    const struct stream_sighting *sighting = change->stream_sighting;
    const struct stream_counts *interval = &sighting->interval;
    struct fact_stream *told = &fact->is.stream;

    fact->kind = FACT_STREAM;
    fact->interface = sighting->head.interface;
    fact->transport = PROTOCOL_UDP;
    memset(told, 0, sizeof *told);
    put_parties(&stream->source, &stream->destination, &told->sender, &told->receiver);
    told->event = (uint8_t)event;
    told->held = stream->held;
    told->secondary_types = sighting->secondary_types;
    told->pauses = is_pausing(sighting);
    told->started_ns = sighting->first_ns;
    told->last_ns = sighting->last_ns;
    told->silent_ns = stream->silent_ns;
    told->gap_ns = (uint64_t)interval->delta_max_us * NS_PER_US;
    told->codec_known = stream->codec[0] != '\0' && quality_knows(stream->codec);
    told->ssrc = stream->ssrc;
    told->index = sighting->index;
    told->packets = to_u32(interval->packets);
    told->expected = to_u32(interval->expected);
    told->lost = to_u32(interval->lost);
    told->longest_loss = interval->longest_loss;
    told->loss_ppm =
        interval->expected == 0
            ? 0
            : to_u32((interval->lost < interval->expected ? interval->lost : interval->expected) *
                     1000000 / interval->expected);
    told->variation_mean_ns = stream->clock_index < STREAM_CLOCKS
                                  ? sighting->interval_variation[stream->clock_index].mean_ns
                                  : UINT64_MAX;
    told->jitter_mean_ns = stream->clock_index < STREAM_CLOCKS
                               ? sighting->interval_jitter[stream->clock_index].mean_ns
                               : UINT64_MAX;
    told->reordered = to_u32(interval->reordered);
    bool has_score = stream->interval.mos_milli != 0;
    told->mos_milli = stream->interval.mos_milli;
    told->r_factor_milli = !has_score                     ? UINT32_MAX
                           : stream->interval.r_milli < 0 ? 0
                                                          : (uint32_t)stream->interval.r_milli;
    told->round_trip_ns = stream->round_trip_mean_ns;
    told->stream_number = stream->stream_number;
    if (stream->call != NULL) {
        uint64_t answered_ns = stream->call->answered_ns;
        told->call_is_up = answered_ns != 0 && !stream->call->ended;
        told->follows = stream->is_new && answered_ns != 0 &&
                        sighting->first_ns > time_add(answered_ns, FOLLOWS_NS);
        told->call_number = stream->call->number;
        told->call_id = stream->call->call_id;
    }
    told->codec = slice_of_string(stream->codec);
    return true;
}

APART static void finish_stream(struct facts_view *view, const struct change *change,
                                struct fact *fact)
{
    struct fact_stream *told = &fact->is.stream;

    know(view, change, &told->sender);
    know(view, change, &told->receiver);
    told->device = device_of(view, change->stream);
}

/* --- servers --- */

/* All at once: few are told. */
APART static void begin_server(struct facts_view *view, const struct change *change,
                               struct fact *fact)
{
    const struct server *server = change->server;
    const struct server_second *second = &server->second;
    const struct server_waiting *waiting = &server->waiting;
    struct fact_server *told = &fact->is.server;
    struct server_around around;

    server_around(view->servers, server, view->proof, &around);
    fact->kind = FACT_SERVER;
    fact->interface = 0;
    fact->transport = 0;
    *told = (struct fact_server){
        .server = {.endpoint = server->endpoint, .side = FACT_OWN},
        .one_way = hears_half(view),
        .followed = second->followed,
        .sources = second->sources,
        .sources_new = second->sources_new,
        .logins = second->logins,
        .answers = second->answers,
        .retry_after = second->retry_after,
        .first_answers = second->first_answers,
        .slow_answers = second->slow_answers,
        .first_answer_ns_mean =
            second->first_answers == 0 ? 0 : second->first_answer_ns_sum / second->first_answers,
        .usual_answer_ns = server->usual_answer_ns,
        .answered_before = server->answered,
        .unanswered = waiting->requests,
        .unanswered_sources = waiting->askers,
        .unanswered_servers = around.waiting_servers,
        .unanswered_calls = waiting->calls,
        .routes = around.routes,
        .unanswered_since_ns = waiting->since_ns,
        .unanswered_last_ns = waiting->since_ns == 0 ? 0 : waiting->last_ns,
        .refusals = waiting->refusals,
        .refusal = waiting->refusal,
        .refused_by = waiting->refused_by,
        .refused_since_ns = waiting->refused_since_ns,
        .refused_last_ns = waiting->refused_since_ns == 0 ? 0 : waiting->refused_last_ns,
        .elsewhere_requests = to_u32(around.elsewhere_requests),
        .elsewhere_answers = to_u32(around.elsewhere_answers),
        .calls_lost = second->calls_lost,
        .calls_sent = server->calls_untold,
        .calls_elsewhere = to_u32(around.calls_elsewhere),
        .last_call_ns = server->last_call_ns,
    };
    static_assert((int)FACT_REFUSAL_NETWORK == (int)UNDELIVERED_NETWORK &&
                      (int)FACT_REFUSAL_RESET == (int)UNDELIVERED_RESET,
                  "detectors name refusals as decoders do");
    static_assert(sizeof told->requests == sizeof second->requests, "a count for each method");
    memcpy(told->requests, second->requests, sizeof told->requests);
    memcpy(told->unknown_requests, second->unknown, sizeof told->unknown_requests);
    know(view, change, &told->server);
}

/* --- flows --- */

static struct slice application_of(const struct flow_sighting *flow)
{
    static const struct slice own[] = {
        [FLOW_UNKNOWN] = {.at = NULL},
        [FLOW_SIP] = {.at = "sip", .bytes = 3},
        [FLOW_RTP] = {.at = "rtp", .bytes = 3},
        [FLOW_RTCP] = {.at = "rtcp", .bytes = 4},
        [FLOW_STUN] = {.at = "stun", .bytes = 4},
    };

    if (flow->application != FLOW_UNKNOWN && flow->application < sizeof own / sizeof own[0]) {
        return own[flow->application];
    }
    return flow->ndpi_guessed ? SLICE_NONE : slice_of_string(flow->ndpi_app);
}

APART static bool begin_flow(const struct change *change, struct fact *fact)
{
    const struct flow_sighting *flow = change->flow;
    const struct sighting *head = &flow->head;
    struct endpoint source = {.addr = head->source, .port = head->source_port};
    struct endpoint destination = {.addr = head->destination, .port = head->destination_port};
    struct fact_flow *told = &fact->is.flow;

    fact->kind = FACT_FLOW;
    fact->interface = head->interface;
    fact->transport = head->transport;
    memset(told, 0, sizeof *told);
    put_parties(&source, &destination, &told->originator, &told->responder);
    told->transport = head->transport;
    told->tcp_flags = flow->tcp_flags;
    told->answered = flow->backward_packets > 0;
    told->first_ns = flow->first_ns;
    told->packets[0] = flow->forward_packets;
    told->packets[1] = flow->backward_packets;
    told->bytes[0] = flow->forward_bytes;
    told->bytes[1] = flow->backward_bytes;
    told->application = application_of(flow);
    return true;
}

bool facts_begin(struct facts_view *view, const struct change *change, struct fact *out_fact)
{
    out_fact->forced = change->forced;
    /* Streams and flows tell their own last packet. */
    out_fact->time_ns = change->time_ns > view->now_ns ? change->time_ns : view->now_ns;
    out_fact->number = change->number;
    uint64_t quarter = out_fact->time_ns / (NS_PER_HOUR / 4);
    if (quarter != view->quarter) {
        view->quarter = quarter;
        view->hour_of_week = calendar_hour_of_week(&view->calendar, out_fact->time_ns);
    }
    out_fact->hour_of_week = view->hour_of_week;
    switch ((enum change_kind)change->kind) {
    case CHANGE_MESSAGE:
        return begin_message(view, change, out_fact);
    case CHANGE_TRANSACTION_ENDED:
        return begin_transaction(view, change, out_fact);
    case CHANGE_REGISTRATION:
        return begin_registration(change, out_fact);
    case CHANGE_CALL_STARTED:
        return begin_call(view, change, FACT_CALL_STARTED, out_fact);
    case CHANGE_CALL_RINGING:
        return begin_call(view, change, FACT_CALL_RINGING, out_fact);
    case CHANGE_CALL_ANSWERED:
        return begin_call(view, change, FACT_CALL_ANSWERED, out_fact);
    case CHANGE_CALL_GIVEN_UP:
        return begin_call(view, change, FACT_CALL_GIVEN_UP, out_fact);
    case CHANGE_CALL_ENDED:
        return begin_call(view, change, FACT_CALL_ENDED, out_fact);
    case CHANGE_CALL_MEDIA:
        return begin_call(view, change, FACT_CALL_MEDIA, out_fact);
    case CHANGE_CALL_TORN:
        return begin_call(view, change, FACT_CALL_TORN, out_fact);
    case CHANGE_STREAM_INTERVAL:
        return begin_stream(change, FACT_STREAM_INTERVAL, out_fact);
    case CHANGE_STREAM_SILENT:
        return begin_stream(change, FACT_STREAM_SILENT, out_fact);
    case CHANGE_STREAM_BEGUN:
        return begin_stream(change, FACT_STREAM_BEGUN, out_fact);
    case CHANGE_STREAM_RESUMED:
        return begin_stream(change, FACT_STREAM_RESUMED, out_fact);
    case CHANGE_STREAM_ENDED:
        return begin_stream(change, FACT_STREAM_ENDED, out_fact);
    case CHANGE_FLOW_ENDED:
        return begin_flow(change, out_fact);
    case CHANGE_SERVER:
        begin_server(view, change, out_fact);
        return true;
    case CHANGE_SECOND:
        out_fact->kind = FACT_SECOND;
        out_fact->interface = 0;
        out_fact->transport = 0;
        out_fact->is.second = view->hearing;
        out_fact->is.second.second = change->second;
        out_fact->is.second.requests = view->direction.sum.requests;
        out_fact->is.second.answers = view->direction.sum.answers;
        out_fact->is.second.one_way_capture = view->one_way_capture;
        out_fact->is.second.heard_ns = view->heard_ns;
        out_fact->is.second.flows_ns = view->flows_ns;
        out_fact->is.second.lossy_capture = view->cut_messages || view->lost_frames;
        return true;
    }
    return false;
}

void facts_finish(struct facts_view *view, const struct change *change, struct fact *fact)
{
    switch ((enum fact_kind)fact->kind) {
    case FACT_MESSAGE:
        finish_message(view, change, fact);
        break;
    case FACT_REGISTRATION:
        know(view, change, &fact->is.registration.client);
        locate(view, &fact->is.registration.client);
        locate(view, &fact->is.registration.server);
        break;
    case FACT_CALL:
        finish_call(view, change, fact);
        break;
    case FACT_STREAM:
        finish_stream(view, change, fact);
        break;
    case FACT_FLOW:
        know(view, change, &fact->is.flow.originator);
        break;
    case FACT_TRANSACTION:
    case FACT_HOP:
    case FACT_SECOND:
    case FACT_SERVER:
    case FACT_INCIDENT:
    case FACT_COUNT:
        break;
    }
}
