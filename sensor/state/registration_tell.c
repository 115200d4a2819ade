/* registration_tell.c - from a chain and the answer that ended it to the struct that others see.
 *
 * A REGISTER's own Contact is looked for among those of the 200, for its expiry; registrars list
 * all of an account. The expiry is the Contact's, else the Expires header's, else what was asked
 * for, else 3600 s (RFC 3261 section 10.3 step 8). Where the request was not seen, the 200 alone is
 * believed. */
#include "sensor/state/registration_inside.h"

#include "decoders/sip_address.h"
#include "decoders/sip_header.h"
#include "sensor/state/account.h"
#include "sensor/state/names.h"

enum { EXPIRES_DEFAULT_S = 3600, AOR_PART_BYTES = 128 };

static const uint16_t word_limits[REFUSAL_WORDS] = {
    [REFUSAL_USER] = 80,      [REFUSAL_HOST] = 64,  [REFUSAL_AUTH_USER] = 48, [REFUSAL_REALM] = 40,
    [REFUSAL_ALGORITHM] = 16, [REFUSAL_AGENT] = 88, [REFUSAL_CALL_ID] = 256,  [REFUSAL_REASON] = 32,
};

uint32_t registration_contact_tag(const struct registration_table *table, const char *base,
                                  const struct sip_uri *uri)
{
    struct slice user = slice_of(base + uri->user.at, uri->user.bytes);
    struct slice host = slice_of(base + uri->host.at, uri->host.bytes);
    uint64_t hash = hash_mix(hash_slice(table->key, user), hash_slice_nocase(table->key, host));

    return (uint32_t)hash_mix(hash, uri->port) | 1;
}

/* --- parts of what is told --- */

static void put_account(struct registration_table *table, struct slice user, struct slice host,
                        bool is_tel)
{
    struct registration *shown = &table->shown;
    struct text text = text_into(table->aor, sizeof table->aor);

    sip_aor_print(&text, slice_part(user, 0, AOR_PART_BYTES), slice_part(host, 0, AOR_PART_BYTES),
                  is_tel ? SIP_SCHEME_TEL : SIP_SCHEME_SIP);
    shown->aor = text_slice(&text);
    shown->account = slice_from(shown->aor, slice_find(shown->aor, ':') + 1);
    size_t at = slice_find_last(shown->account, '@');
    bool has_host = at < shown->account.bytes;
    shown->user = has_host ? slice_part(shown->account, 0, at) : SLICE_NONE;
    shown->domain = has_host ? slice_from(shown->account, at + 1) : shown->account;
    if (is_tel && !has_host) {
        shown->user = shown->account;
        shown->domain = SLICE_NONE;
    }
}

static void put_chain(struct registration *shown, const struct chain *chain)
{
    shown->has_credentials = (chain->flags & CHAIN_CREDENTIALS) != 0;
    shown->stale = (chain->flags & CHAIN_STALE) != 0;
    shown->nat = (chain->flags & CHAIN_NAT) != 0;
    shown->rounds = chain->rounds;
    shown->status = chain->status;
    shown->interface = chain->interface;
    shown->started_ns = chain->started_ns;
    shown->first_failure_ns = chain->first_failure_ns;
    shown->device_hash = chain->device_hash;
    shown->attempts = chain->attempts;
    shown->requested_expires_s = chain->requested_expires_s;
    shown->cseq = chain->cseq;
    shown->client = chain->client;
    shown->server = chain->server;
    shown->transport = chain->transport;
}

/* What the answer itself tells where the request is not at hand. */
static void put_answer(struct registration *shown, const struct sip_sighting *sip)
{
    const struct sighting *head = &sip->head;

    shown->requested_expires_s = UINT32_MAX;
    shown->cseq = sip->message.cseq;
    shown->client = (struct endpoint){.addr = head->destination, .port = head->destination_port};
    shown->server = (struct endpoint){.addr = head->source, .port = head->source_port};
    shown->transport = sip->message.transport;
    shown->interface = head->interface;
}

static void put_device(struct registration_table *table)
{
    struct registration *shown = &table->shown;
    struct device_view view;

    device_ask(table->devices, shown->account_hash, &shown->client.addr, shown->device_hash,
               table->now_ns, &view);
    shown->account_known = view.account_known;
    shown->device_known = view.device_known;
    shown->place_known = view.place_known;
    shown->failures = view.failures;
}

/* The head of every change: chain, answer, account, texts of the request. */
static void put_step(struct registration_table *table, const struct registration_step *step)
{
    const struct sip_message *message = &step->sip->message;
    const struct transaction *transaction = step->transaction;
    struct registration *shown = &table->shown;

    *shown = (struct registration){.number = sighting_number(&step->sip->head)};
    put_chain(shown, step->chain);
    if (!step->in_flight) {
        put_answer(shown, step->sip);
    }
    shown->status = message->status;
    put_account(table, sip_part(message, message->to.user), sip_part(message, message->to.host),
                message->to.scheme == SIP_SCHEME_TEL);
    shown->account_hash = account_hash(table->key, sip_part(message, message->to.user),
                                       sip_part(message, message->to.host));
    shown->call_id = sip_part(message, message->call_id);
    shown->reason = sip_part(message, message->reason);
    if (transaction != NULL) {
        shown->has_credentials = transaction->has_credentials;
        shown->device_hash = transaction->device_hash;
        shown->auth_user = transaction->auth_user;
        shown->realm = transaction->realm;
        shown->algorithm = transaction->algorithm;
        shown->user_agent = transaction->user_agent;
    }
    put_device(table);
}

static void put(struct registration_table *table, const struct sip_sighting *sip, bool forced)
{
    const struct change change = {
        .kind = CHANGE_REGISTRATION,
        .forced = forced,
        .time_ns = table->now_ns,
        .number = sip == NULL ? 0 : sighting_number(&sip->head),
        .sip = sip,
        .registration = &table->shown,
    };

    table->sink.on_change(table->sink.owner, &change);
}

/* --- success --- */

/* Contacts of the 200 into `shown`, their tags, and the expiry of the own one (UINT32_MAX = not
 * said). */
static uint32_t read_contacts(struct registration_table *table, const struct sip_message *message,
                              uint32_t own_tag, uint32_t *tags)
{
    struct registration *shown = &table->shown;
    struct sip_walk walk = {.at = 0};
    struct slice value;
    uint32_t first_s = UINT32_MAX;
    uint32_t own_s = UINT32_MAX;

    while (shown->contact_count < REGISTRATION_CONTACTS_MAX &&
           sip_value_next(message, SIP_HEADER_CONTACT, &walk, &value)) {
        struct sip_name_addr contact;
        struct sip_findings findings = {.count = 0};
        if (!sip_name_addr_decode(message->raw, value, &contact, &findings) || contact.star) {
            continue;
        }
        struct slice text;
        uint32_t expires_s = UINT32_MAX;
        if (!sip_parameter(value, SLICE("expires"), &text) || !slice_u32(text, &expires_s)) {
            expires_s = UINT32_MAX;
        }
        unsigned at = shown->contact_count++;
        shown->contacts[at] = sip_part(message, contact.uri.whole);
        tags[at] = registration_contact_tag(table, message->raw, &contact.uri);
        if (at == 0) {
            first_s = expires_s;
        }
        if (tags[at] == own_tag) {
            own_s = expires_s;
        }
    }
    return own_s != UINT32_MAX ? own_s : first_s;
}

static uint32_t granted(uint32_t contact_s, const struct sip_message *message, uint32_t requested_s)
{
    if (contact_s != UINT32_MAX) {
        return contact_s;
    }
    if (message->expires != UINT32_MAX) {
        return message->expires;
    }
    return requested_s != UINT32_MAX ? requested_s : EXPIRES_DEFAULT_S;
}

static void put_before(struct registration *shown, const struct binding *before)
{
    shown->previous = before->client;
    shown->previous_user_agent = before->agent;
    shown->refresh_count = before->refreshes;
    shown->changed_ip = !addr_equal(&before->client.addr, &shown->client.addr);
    struct slice agent = slice_part(shown->user_agent, 0, NAMES_TEXT_BYTES); /* as it was kept */
    shown->changed_user_agent =
        before->agent.bytes != 0 && agent.bytes != 0 && !slice_equal(before->agent, agent);
}

static void bind(struct registration_table *table, const struct registration_step *step,
                 uint32_t own_tag, const uint32_t *tags)
{
    struct registration *shown = &table->shown;
    const struct sip_message *message = &step->sip->message;
    uint64_t due_s = time_second(table->now_ns) + shown->expires_s;
    const struct binding binding = {
        .account_hash = shown->account_hash,
        .client = shown->client,
        .user = sip_part(message, message->to.user),
        .domain = sip_part(message, message->to.host),
        .agent = shown->user_agent,
        .contact_tag = own_tag != 0 ? own_tag : tags[0],
        .due_s = due_s > UINT32_MAX ? UINT32_MAX : (uint32_t)due_s,
        .is_tel = message->to.scheme == SIP_SCHEME_TEL,
    };
    struct binding before;

    switch (binding_keep(table->bindings, &binding, tags, shown->contact_count, table->now_ns,
                         &before)) {
    case BINDING_NEW:
        shown->action = REGISTRATION_REGISTERED;
        return;
    case BINDING_KEPT:
        shown->action = REGISTRATION_REFRESHED;
        break;
    case BINDING_ADDED:
        shown->action = REGISTRATION_REGISTERED;
        break;
    case BINDING_MOVED:
        shown->action = REGISTRATION_MOVED;
        break;
    }
    put_before(shown, &before);
    if (shown->action == REGISTRATION_REFRESHED) {
        shown->refresh_count++;
    }
}

void registration_tell_success(struct registration_table *table,
                               const struct registration_step *step)
{
    struct registration *shown = &table->shown;
    const struct sip_message *message = &step->sip->message;
    uint8_t flags = step->in_flight ? step->chain->flags : 0;
    uint32_t own_tag = step->in_flight ? step->chain->contact_tag : 0;
    uint32_t tags[REGISTRATION_CONTACTS_MAX] = {0};

    put_step(table, step);
    uint32_t contact_s = read_contacts(table, message, own_tag, tags);
    shown->expires_s = granted(contact_s, message, shown->requested_expires_s);
    if (!step->in_flight && shown->contact_count == 0) {
        return; /* neither what was asked nor what holds now is known */
    }
    shown->action = REGISTRATION_REFRESHED;
    if ((flags & CHAIN_REMOVES) != 0) {
        struct binding before;
        shown->action = REGISTRATION_UNREGISTERED;
        shown->expires_s = 0;
        if (binding_drop(table->bindings, shown->account_hash, &shown->client.addr,
                         (flags & CHAIN_STAR) != 0, &before)) {
            put_before(shown, &before);
        }
    } else if ((flags & CHAIN_ASKS) == 0 && shown->expires_s > 0) {
        bind(table, step, own_tag, tags);
    }
    put(table, step->sip, false);
}

/* --- refusal --- */

void registration_tell_refusal(struct registration_table *table,
                               const struct registration_step *step)
{
    put_step(table, step);
    table->shown.action = REGISTRATION_REJECTED;
    put(table, step->sip, false);
    step->chain->flags &= (uint8_t)~CHAIN_REFUSED;
    step->chain->told_ns = table->now_ns;
}

bool registration_tell_keep(struct registration_table *table, const struct registration_step *step)
{
    const struct sip_message *message = &step->sip->message;
    const struct transaction *transaction = step->transaction;
    struct chain *chain = step->chain;
    struct slice words[REFUSAL_WORDS] = {{.at = NULL}};

    if (chain->refusal == 0) {
        uint32_t cell = slab_take(&table->refusals);
        if (cell == SLAB_NONE) {
            return false;
        }
        chain->refusal = cell + 1;
    }
    if (!step->in_flight) {
        chain->client = (struct endpoint){.addr = step->sip->head.destination,
                                          .port = step->sip->head.destination_port};
        chain->server =
            (struct endpoint){.addr = step->sip->head.source, .port = step->sip->head.source_port};
    }
    words[REFUSAL_USER] = sip_part(message, message->to.user);
    words[REFUSAL_HOST] = sip_part(message, message->to.host);
    words[REFUSAL_CALL_ID] = sip_part(message, message->call_id);
    words[REFUSAL_REASON] = sip_part(message, message->reason);
    if (transaction != NULL) {
        words[REFUSAL_AUTH_USER] = transaction->auth_user;
        words[REFUSAL_REALM] = transaction->realm;
        words[REFUSAL_ALGORITHM] = transaction->algorithm;
        words[REFUSAL_AGENT] = transaction->user_agent;
    }
    struct refusal *refusal = slab_at(&table->refusals, chain->refusal - 1);
    size_t used = 0;
    for (unsigned i = 0; i < REFUSAL_WORDS; i++) {
        size_t bytes = words[i].bytes < word_limits[i] ? words[i].bytes : word_limits[i];
        size_t room = sizeof refusal->text - used;
        bytes = bytes < room ? bytes : room;
        if (bytes > 0) {
            memcpy(refusal->text + used, words[i].at, bytes);
        }
        used += bytes;
        refusal->ends[i] = (uint16_t)used;
    }
    refusal->is_tel = message->to.scheme == SIP_SCHEME_TEL;
    chain->flags |= CHAIN_REFUSED | CHAIN_CREDENTIALS;
    return true;
}

static struct slice word(const struct refusal *refusal, enum refusal_word which)
{
    size_t from = which == 0 ? 0 : refusal->ends[which - 1];

    return slice_of(refusal->text + from, refusal->ends[which] - from);
}

void registration_tell_kept(struct registration_table *table, struct chain *chain, bool forced)
{
    const struct refusal *refusal = slab_at(&table->refusals, chain->refusal - 1);
    struct registration *shown = &table->shown;

    *shown = (struct registration){.action = REGISTRATION_REJECTED};
    put_chain(shown, chain);
    shown->number = chain->number;
    put_account(table, word(refusal, REFUSAL_USER), word(refusal, REFUSAL_HOST), refusal->is_tel);
    shown->account_hash = chain->account_hash;
    shown->auth_user = word(refusal, REFUSAL_AUTH_USER);
    shown->realm = word(refusal, REFUSAL_REALM);
    shown->algorithm = word(refusal, REFUSAL_ALGORITHM);
    shown->user_agent = word(refusal, REFUSAL_AGENT);
    shown->call_id = word(refusal, REFUSAL_CALL_ID);
    shown->reason = word(refusal, REFUSAL_REASON);
    put_device(table);
    put(table, NULL, forced);
    chain->flags &= (uint8_t)~CHAIN_REFUSED;
    chain->told_ns = table->now_ns;
}

/* --- expiry --- */

void registration_tell_expired(struct registration_table *table, const struct binding *binding)
{
    struct registration *shown = &table->shown;

    *shown = (struct registration){
        .action = REGISTRATION_EXPIRED,
        .account_hash = binding->account_hash,
        .client = binding->client,
        .requested_expires_s = UINT32_MAX,
        .refresh_count = binding->refreshes,
        .previous = binding->client,
        .previous_user_agent = binding->agent,
        .user_agent = binding->agent,
    };
    put_account(table, binding->user, binding->domain, binding->is_tel);
    put_device(table);
    put(table, NULL, false);
}
