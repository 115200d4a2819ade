/* key.c - one place that knows which member of which fact says "who".
 *
 *      kind            hash of                                   fairness group
 *      source          client, caller, originator, sender        its /24 or /48
 *      source-prefix   the /24 or /48 of it                      the same
 *      account         the AOR                                   none
 *      source-account  both                                      the source's /24 or /48
 *      source-server   source and the address of the server      the source's /24 or /48
 *      account-device  the AOR and the device's hash             none
 *      server          address of the server                     none
 *      number-block    seven digits of the called number         none
 *      caller-block    seven digits of the far end's number      none
 *      call            its number                                none
 *      stream          its number                                none
 *      site            a constant                                none
 *
 * Hashes are keyed, so that nobody outside can choose two that meet; each kind has a table of its
 * own, so kinds need no marks against each other. A server is its address without the port: an
 * attacker who walks its ports asks one server. Devices enter by the hash that state made
 * (instance, else agent). */
#include "detectors/frame/key.h"

#define SITE_HASH UINT64_C(0x5eed0f0e51e0011d)

const struct fact_party *key_source(const struct fact *fact)
{
    switch ((enum fact_kind)fact->kind) {
    case FACT_MESSAGE:
        return &fact->is.message.client;
    case FACT_TRANSACTION:
    case FACT_HOP:
        return &fact->is.transaction.client;
    case FACT_REGISTRATION:
        return &fact->is.registration.client;
    case FACT_CALL:
        return fact->is.call.event == FACT_CALL_TORN ? &fact->is.call.ender : &fact->is.call.caller;
    case FACT_STREAM:
        return &fact->is.stream.sender;
    case FACT_FLOW:
        return &fact->is.flow.originator;
    case FACT_INCIDENT:
        return addr_is_unspecified(&fact->is.incident.source.endpoint.addr)
                   ? NULL
                   : &fact->is.incident.source;
    case FACT_SERVER: /* many asked */
    case FACT_SECOND:
    case FACT_COUNT:
        break;
    }
    return NULL;
}

const struct fact_party *key_destination(const struct fact *fact)
{
    switch ((enum fact_kind)fact->kind) {
    case FACT_MESSAGE:
        return &fact->is.message.server;
    case FACT_TRANSACTION:
    case FACT_HOP:
        return &fact->is.transaction.server;
    case FACT_REGISTRATION:
        return &fact->is.registration.server;
    case FACT_CALL:
        return &fact->is.call.callee;
    case FACT_STREAM:
        return &fact->is.stream.receiver;
    case FACT_FLOW:
        return &fact->is.flow.responder;
    case FACT_SERVER:
        return &fact->is.server.server;
    case FACT_INCIDENT:
    case FACT_SECOND:
    case FACT_COUNT:
        break;
    }
    return NULL;
}

struct slice key_account(const struct fact *fact)
{
    switch ((enum fact_kind)fact->kind) {
    case FACT_TRANSACTION:
    case FACT_HOP:
        return fact->is.transaction.account;
    case FACT_REGISTRATION:
        return fact->is.registration.account;
    case FACT_CALL:
        return fact->is.call.account;
    case FACT_INCIDENT:
        return fact->is.incident.account;
    case FACT_MESSAGE:
    case FACT_STREAM:
    case FACT_FLOW:
    case FACT_SECOND:
    case FACT_SERVER:
    case FACT_COUNT:
        break;
    }
    return SLICE_NONE;
}

struct slice key_call_id(const struct fact *fact)
{
    switch ((enum fact_kind)fact->kind) {
    case FACT_MESSAGE:
        return fact->is.message.call_id;
    case FACT_TRANSACTION:
    case FACT_HOP:
        return fact->is.transaction.call_id;
    case FACT_REGISTRATION:
        return fact->is.registration.call_id;
    case FACT_CALL:
        return fact->is.call.call_id;
    case FACT_STREAM:
        return fact->is.stream.call_id;
    case FACT_FLOW:
    case FACT_INCIDENT:
    case FACT_SECOND:
    case FACT_SERVER:
    case FACT_COUNT:
        break;
    }
    return SLICE_NONE;
}

uint64_t key_device(const struct fact *fact)
{
    if (fact->kind == FACT_TRANSACTION) {
        return fact->is.transaction.device_hash;
    }
    return fact->kind == FACT_REGISTRATION ? fact->is.registration.device_hash : 0;
}

bool key_account_known(const struct fact *fact)
{
    if (fact->kind == FACT_TRANSACTION) {
        return fact->is.transaction.account_known;
    }
    if (fact->kind == FACT_CALL) {
        return fact->is.call.account_known;
    }
    return fact->kind == FACT_REGISTRATION && fact->is.registration.account_known;
}

uint64_t key_hash_site(struct hash_key hash_key, const struct addr *addr)
{
    struct prefix prefix = addr_site_prefix(addr);

    /* Another seed: 192.0.2.0/24 must not be the address 192.0.2.0. */
    hash_key.seed ^= prefix.bits;
    return hash_addr(hash_key, &prefix.addr);
}

uint64_t key_call_number(const struct fact *fact)
{
    switch ((enum fact_kind)fact->kind) {
    case FACT_CALL:
        return fact->is.call.call_number;
    case FACT_STREAM:
        return fact->is.stream.call_number;
    case FACT_INCIDENT:
        return fact->is.incident.call_number;
    case FACT_MESSAGE:
    case FACT_TRANSACTION:
    case FACT_HOP:
    case FACT_REGISTRATION:
    case FACT_FLOW:
    case FACT_SECOND:
    case FACT_SERVER:
    case FACT_COUNT:
        break;
    }
    return 0;
}

/* Only calls have numbers. Who calls us and whom one of ours calls back is the same far end. */
static uint64_t key_block(enum key_kind kind, const struct fact *fact)
{
    const struct fact_call *call = &fact->is.call;

    if (fact->kind != FACT_CALL) {
        return 0;
    }
    bool ours = call->caller_registered || call->has_credentials || call->account_known;
    return kind == KEY_NUMBER_BLOCK || ours ? call->called.block : call->calling.block;
}

bool key_is_wider(enum key_kind kind, const struct addr *addr)
{
    return kind == KEY_SOURCE_PREFIX || (kind == KEY_SOURCE_ACCOUNT && !addr_is_v4(addr));
}

/* Who has one address of a /64 has all of them (RFC 8981): a guesser takes a new one for each try.
 * IPv4 addresses stay what they are. */
static struct prefix home_of(const struct addr *addr)
{
    struct prefix home = {.bits = 64};

    memcpy(home.addr.octets, addr->octets, home.bits / 8);
    return home;
}

static uint64_t hash_home(struct hash_key hash_key, const struct addr *addr)
{
    struct prefix home = home_of(addr);

    return hash_addr(hash_key, addr_is_v4(addr) ? addr : &home.addr);
}

static uint64_t pair(const struct fact_party *source, uint64_t second, struct hash_key hash_key)
{
    return hash_mix(hash_addr(hash_key, &source->endpoint.addr), second);
}

bool key_of(enum key_kind kind, const struct fact *fact, struct hash_key hash_key,
            uint64_t *out_hash)
{
    const struct fact_party *source = key_source(fact);
    const struct fact_party *server;
    struct slice account;
    uint64_t block;
    bool there = source != NULL;

    switch (kind) {
    case KEY_SOURCE:
        *out_hash = there ? key_hash_source(hash_key, source) : 0;
        return there;
    case KEY_SOURCE_PREFIX:
        *out_hash = there ? key_hash_site(hash_key, &source->endpoint.addr) : 0;
        return there;
    case KEY_ACCOUNT:
        account = key_account(fact);
        *out_hash = hash_slice(hash_key, account);
        return account.bytes > 0;
    case KEY_SOURCE_ACCOUNT:
        account = key_account(fact);
        there = there && account.bytes > 0;
        *out_hash = there ? hash_mix(hash_home(hash_key, &source->endpoint.addr),
                                     hash_slice(hash_key, account))
                          : 0;
        return there;
    case KEY_SOURCE_SERVER:
        server = key_destination(fact);
        there = there && server != NULL;
        *out_hash = there ? pair(source, hash_addr(hash_key, &server->endpoint.addr), hash_key) : 0;
        return there;
    case KEY_SERVER:
        server = key_destination(fact);
        *out_hash = server == NULL ? 0 : hash_addr(hash_key, &server->endpoint.addr);
        return server != NULL;
    case KEY_NUMBER_BLOCK:
    case KEY_CALLER_BLOCK:
        if (fact->kind == FACT_INCIDENT) { /* of an incident of that kind its own */
            *out_hash = fact->is.incident.key_hash;
            return fact->is.incident.key_kind == (uint8_t)kind;
        }
        block = key_block(kind, fact);
        *out_hash = hash_bytes(hash_key, &block, sizeof block);
        return block != 0;
    case KEY_CALL:
        block = key_call_number(fact);
        *out_hash = hash_bytes(hash_key, &block, sizeof block);
        return block != 0;
    case KEY_ACCOUNT_DEVICE:
        account = key_account(fact);
        *out_hash = hash_mix(hash_slice(hash_key, account), key_device(fact));
        return account.bytes > 0 && key_device(fact) != 0;
    case KEY_STREAM:
        *out_hash = fact->kind != FACT_STREAM ? 0
                                              : hash_bytes(hash_key, &fact->is.stream.stream_number,
                                                           sizeof fact->is.stream.stream_number);
        return fact->kind == FACT_STREAM;
    case KEY_SITE:
        *out_hash = SITE_HASH;
        return true;
    case KEY_COUNT:
        break;
    }
    return false;
}

uint64_t key_group(enum key_kind kind, const struct fact *fact, struct hash_key hash_key)
{
    const struct fact_party *source = key_source(fact);

    switch (kind) {
    case KEY_SOURCE:
    case KEY_SOURCE_PREFIX:
    case KEY_SOURCE_ACCOUNT:
    case KEY_SOURCE_SERVER:
        return source == NULL ? 0 : key_hash_site(hash_key, &source->endpoint.addr);
    case KEY_ACCOUNT:
    case KEY_ACCOUNT_DEVICE:
    case KEY_SERVER:
    case KEY_NUMBER_BLOCK:
    case KEY_CALLER_BLOCK:
    case KEY_CALL:
    case KEY_STREAM:
    case KEY_SITE:
    case KEY_COUNT:
        break;
    }
    return 0;
}

/* --- texts --- */

void key_write_printable(struct text *text, struct slice part)
{
    size_t bytes =
        part.bytes < text->capacity - text->bytes ? part.bytes : text->capacity - text->bytes;

    /* Printable text is at most four times as long; a cut inside a UTF-8 character shows as \xNN.
     */
    for (; bytes > 0; bytes -= bytes > 64 ? 16 : 1) {
        struct text attempt = *text;
        text_printable(&attempt, slice_part(part, 0, bytes));
        if (!attempt.overflow) {
            *text = attempt;
            return;
        }
    }
}

void key_write_cut(struct text *text, struct slice part, size_t bytes)
{
    size_t room = text->overflow ? 0 : text->capacity - text->bytes;
    struct text own = text_into(text->at + text->bytes, bytes < room ? bytes : room);

    key_write_printable(&own, part);
    text->bytes += own.bytes;
}

bool key_is_name(enum key_kind kind)
{
    return kind == KEY_ACCOUNT || kind == KEY_ACCOUNT_DEVICE || kind == KEY_NUMBER_BLOCK ||
           kind == KEY_CALLER_BLOCK;
}

void key_write_name(struct text *text, struct slice part, size_t bytes)
{
    if (part.bytes == 0 || text->overflow || text->capacity - text->bytes <= KEY_NAME_MARKS) {
        return;
    }
    text_byte(text, KEY_NAME_BEGIN);
    text->capacity--; /* of the other mark */
    key_write_cut(text, part, bytes);
    text->capacity++;
    text_byte(text, KEY_NAME_END);
}

static bool is_mark(char byte)
{
    return byte == KEY_NAME_BEGIN || byte == KEY_NAME_END;
}

void key_write_marked(struct text *text, struct slice part)
{
    while (part.bytes > 0 && text->bytes < text->capacity) {
        size_t end = 0;
        while (end < part.bytes && !is_mark(part.at[end])) {
            end++;
        }
        key_write_printable(text, slice_part(part, 0, end));
        if (end < part.bytes) {
            text_byte(text, part.at[end++]);
        }
        part = slice_from(part, end);
    }
}

uint32_t key_take_names(struct text *text, struct slice *out_names, uint32_t room)
{
    size_t bytes = 0;
    size_t begin = 0;
    uint32_t count = 0;
    bool inside = false;

    for (size_t i = 0; i <= text->bytes; i++) {
        bool over = i == text->bytes || is_mark(text->at[i]); /* a text may be cut in a name */
        if (!over) {
            text->at[bytes++] = text->at[i];
            continue;
        }
        if (inside && bytes > begin && count < room) {
            out_names[count++] = slice_of(text->at + begin, bytes - begin);
        }
        inside = i < text->bytes && text->at[i] == KEY_NAME_BEGIN;
        begin = bytes;
    }
    text->bytes = bytes;
    return count;
}

static void write_device(const struct fact *fact, struct text *text)
{
    struct slice agent = fact->kind == FACT_TRANSACTION    ? fact->is.transaction.user_agent
                         : fact->kind == FACT_REGISTRATION ? fact->is.registration.user_agent
                                                           : SLICE_NONE;

    key_write_printable(text, agent);
}

static void write_stream(const struct fact_stream *stream, struct text *text)
{
    text_endpoint(text, &stream->sender.endpoint);
    text_string(text, " to ");
    text_endpoint(text, &stream->receiver.endpoint);
    text_string(text, " ssrc 0x");
    text_hex(text, stream->ssrc, 8);
}

void key_write(enum key_kind kind, const struct fact *fact, struct text *entity,
               struct text *secondary)
{
    const struct fact_party *source = key_source(fact);
    const struct fact_party *server = key_destination(fact);
    struct prefix prefix;

    switch (kind) {
    case KEY_SOURCE:
        if (addr_is_unspecified(&source->endpoint.addr)) {
            text_string(entity, "unknown");
        } else {
            text_addr(entity, &source->endpoint.addr);
        }
        break;
    case KEY_SOURCE_PREFIX:
        prefix = addr_site_prefix(&source->endpoint.addr);
        text_prefix(entity, &prefix);
        break;
    case KEY_ACCOUNT:
        key_write_printable(entity, key_account(fact));
        break;
    case KEY_SOURCE_ACCOUNT:
        if (addr_is_v4(&source->endpoint.addr)) {
            text_addr(entity, &source->endpoint.addr);
        } else {
            prefix = home_of(&source->endpoint.addr);
            text_prefix(entity, &prefix);
        }
        key_write_printable(secondary, key_account(fact));
        break;
    case KEY_SOURCE_SERVER:
        text_addr(entity, &source->endpoint.addr);
        text_addr(secondary, &server->endpoint.addr);
        break;
    case KEY_ACCOUNT_DEVICE:
        key_write_printable(entity, key_account(fact));
        write_device(fact, secondary);
        break;
    case KEY_SERVER:
        text_addr(entity, &server->endpoint.addr);
        break;
    case KEY_NUMBER_BLOCK:
    case KEY_CALLER_BLOCK:
        text_format(entity, "+%" PRIu64, key_block(kind, fact));
        break;
    case KEY_CALL:
        key_write_printable(entity, key_call_id(fact));
        break;
    case KEY_STREAM:
        write_stream(&fact->is.stream, entity);
        break;
    case KEY_SITE:
        text_string(entity, "site");
        break;
    case KEY_COUNT:
        break;
    }
}
