/* transaction_detail.c - what a transaction keeps while its answer is awaited: values and texts of
 * the request in one slab cell of four sizes.
 *
 *   small, middle  [hashes, ports ...][bytes of 13 words][addresses|Call-ID|From user| ... ]
 *   usual, big     [the same                            ][addresses|Call-ID| ... 224 or 448
 *                                                                     ][credentials, id]
 *
 * Words are cut at `word_limits`, and behind the first eight at what is left of the cell. Where
 * Call-ID, sent-by or branch were cut, the id of the record is taken before, from the whole ones.
 * Small is what an INVITE of a phone to its server takes, in three lines of the cache: a flood is
 * made of such.
 *
 * Limits: +sip.instance on a folded line of the Contact is not found; then the User-Agent stands
 * for the device. */
#include "sensor/state/transaction_inside.h"

#include "decoders/sip_header.h"
#include "sensor/state/account.h"

static const uint8_t word_limits[WORD_COUNT] = {
    [WORD_CALL_ID] = 96, [WORD_FROM_USER] = 48, [WORD_FROM_HOST] = 48, [WORD_TO_USER] = 48,
    [WORD_TO_HOST] = 48, [WORD_URI] = 72,       [WORD_AUTH_USER] = 48, [WORD_REALM] = 40,
    [WORD_SENT_BY] = 64, [WORD_BRANCH] = 80,    [WORD_AGENT] = 96,     [WORD_ALGORITHM] = 16,
    [WORD_REASON] = 32,
};

/* A handle is (cell + 1) << CLASS_BITS | class. */
enum { CLASS_BITS = 2, LINE_BYTES = 64, ADDRESS_BYTES = 16, ADDRESS_V4_BYTES = 4 };
enum { SMALL_BYTES = 192, MIDDLE_BYTES = 256, USUAL_TEXT_BYTES = 224 };
enum { WORDS_BYTES_MAX = 736 }; /* the sum of word_limits */

static enum detail_class class_of(uint32_t detail)
{
    return (enum detail_class)(detail & ((1U << CLASS_BITS) - 1));
}

/* Bytes for text in a usual or big one, behind two addresses of any kind. */
static size_t text_room(enum detail_class size)
{
    return size == DETAIL_USUAL ? (size_t)USUAL_TEXT_BYTES : (size_t)TRANSACTION_TEXT_BYTES;
}

/* Bytes for addresses and text in a small or middle one. */
static size_t whole_room(enum detail_class size)
{
    return (size == DETAIL_SMALL ? (size_t)SMALL_BYTES : (size_t)MIDDLE_BYTES) -
           offsetof(struct transaction_detail, text);
}

uint32_t transaction_detail_bytes(enum detail_class size)
{
    if (size == DETAIL_SMALL || size == DETAIL_MIDDLE) {
        return size == DETAIL_SMALL ? SMALL_BYTES : MIDDLE_BYTES;
    }
    size_t bytes = offsetof(struct transaction_detail, text) + 2 * ADDRESS_BYTES + text_room(size);
    return (uint32_t)(((bytes + 7) & ~(size_t)7) + sizeof(struct transaction_extra));
}

struct transaction_detail *transaction_detail_at(const struct transaction_table *table,
                                                 uint32_t detail)
{
    return slab_at(&table->details[class_of(detail)], (detail >> CLASS_BITS) - 1);
}

/* NULL: it has none. */
static struct transaction_extra *extra_at(const struct transaction_table *table, uint32_t detail)
{
    enum detail_class size = class_of(detail);

    if (size != DETAIL_USUAL && size != DETAIL_BIG) {
        return NULL;
    }
    uint8_t *at = slab_at(&table->details[size], (detail >> CLASS_BITS) - 1);
    void *extra = at + transaction_detail_bytes(size) - sizeof(struct transaction_extra);
    return extra;
}

static const struct transaction_extra no_extra = {.nonce_hash = 0};

const struct transaction_extra *transaction_extra_of(const struct transaction_table *table,
                                                     uint32_t detail)
{
    const struct transaction_extra *extra = detail == 0 ? NULL : extra_at(table, detail);

    return extra == NULL ? &no_extra : extra;
}

void transaction_detail_prefetch(const struct transaction_table *table, uint32_t detail)
{
    if (detail == 0) {
        return;
    }
    const uint8_t *at = (const uint8_t *)transaction_detail_at(table, detail);
    for (size_t line = 0; line < SMALL_BYTES; line += LINE_BYTES) {
        __builtin_prefetch(at + line);
    }
}

void transaction_detail_give(struct transaction_table *table, uint32_t detail)
{
    if (detail != 0) {
        slab_give(&table->details[class_of(detail)], (detail >> CLASS_BITS) - 1);
    }
}

/* --- taking --- */

/* +sip.instance of the first Contact (RFC 5626 section 4.1). The decoder has found the Contact, so
 * its line is not looked for again: most have no such parameter, and one look for a plus sign
 * tells. */
static struct slice instance_of(const struct sip_message *message)
{
    const struct part *uri = &message->contact.whole;
    size_t behind = (size_t)uri->at + uri->bytes;

    if (uri->bytes == 0 || behind >= message->header_bytes) {
        return SLICE_NONE;
    }
    struct slice rest = slice_of(message->raw + behind, message->header_bytes - behind);
    rest = slice_part(rest, 0, slice_find(rest, '\n'));
    struct slice instance;
    if (slice_find(rest, '+') == rest.bytes ||
        !sip_parameter(slice_from(rest, slice_find(rest, ';')), SLICE("+sip.instance"),
                       &instance)) {
        return SLICE_NONE;
    }
    return instance;
}

static void put_credentials(struct transaction_table *table, struct transaction_extra *extra,
                            const struct sip_sighting *sip)
{
    const struct sip_message *message = &sip->message;
    struct hash_key key = table->key;

    extra->nonce_hash = sip->keys.nonce;
    extra->response_hash = hash_slice(key, sip_part(message, message->auth_response));
    uint64_t proof =
        hash_mix(extra->nonce_hash, hash_slice(key, sip_part(message, message->auth_nc)));
    proof = hash_mix(proof, hash_slice(key, sip_part(message, message->auth_cnonce)));
    proof = hash_mix(proof, hash_slice(key, sip_part(message, message->auth_uri)));
    extra->proof_key = hash_mix(proof, message->method);
    extra->user_hash = hash_slice(key, sip_part(message, message->auth_username));
    extra->scheme_tag = transaction_scheme_tag(table, sip_part(message, message->auth_realm),
                                               sip_part(message, message->auth_algorithm));
}

static bool has_credentials(const struct sip_message *message)
{
    return !sip_is_response(message) && (message->flags & SIP_FLAG_CREDENTIALS) != 0;
}

static void put_hashes(struct transaction_table *table, struct transaction_detail *detail,
                       const struct sip_message *message)
{
    struct hash_key key = table->key;
    const struct sip_uri *aor =
        message->method == SIP_METHOD_REGISTER ? &message->to : &message->from;

    detail->account_hash =
        account_hash(key, sip_part(message, aor->user), sip_part(message, aor->host));
    if (sip_is_response(message)) {
        return;
    }
    struct slice device = sip_part(message, message->user_agent);
    if (message->method == SIP_METHOD_REGISTER) {
        struct slice instance = instance_of(message);
        device = instance.bytes != 0 ? instance : device;
    }
    detail->device_hash = device.bytes == 0 ? 0 : hash_slice(key, device);
}

static struct hash128 id_of(struct slice call_id, struct slice sent_by, struct slice branch,
                            uint32_t cseq, uint64_t first_ns)
{
    struct hash_id id UNCLEARED;

    hash_id_start(&id);
    hash_id_slice(&id, call_id);
    hash_id_slice(&id, sent_by);
    hash_id_slice(&id, branch);
    hash_id_u64(&id, cseq);
    hash_id_u64(&id, first_ns);
    return hash_id_end(&id);
}

struct hash128 transaction_id(const struct transaction *shown)
{
    bool is_made = (shown->id.high | shown->id.low) != 0; /* the texts were cut */

    if (is_made || slice_is_empty(shown->call_id)) {
        return shown->id;
    }
    return id_of(shown->call_id, shown->sent_by, shown->branch, shown->cseq, shown->started_ns);
}

/* The words that a message has, cut at their limits, one behind the other. */
struct words {
    size_t used;
    uint8_t bytes[WORD_COUNT];
    uint8_t text[WORDS_BYTES_MAX];
};

static inline void add_word(struct words *words, const struct sip_message *message,
                            enum transaction_word which, struct part part)
{
    if (part.bytes > 0) {
        uint32_t bytes = part.bytes < word_limits[which] ? part.bytes : word_limits[which];
        memcpy(words->text + words->used, message->raw + part.at, bytes);
        words->bytes[which] = (uint8_t)bytes;
        words->used += bytes;
    }
}

/* Those that `flags` leaves out stand elsewhere. */
static void words_of(const struct sip_message *message, uint8_t flags, struct words *words)
{
    bool is_response = sip_is_response(message);
    bool with_credentials = has_credentials(message);

    words->used = 0;
    memset(words->bytes, 0, sizeof words->bytes);
    add_word(words, message, WORD_CALL_ID, message->call_id);
    add_word(words, message, WORD_FROM_USER, message->from.user);
    if ((flags & DETAIL_FROM_HOST) == 0) {
        add_word(words, message, WORD_FROM_HOST, message->from.host);
    }
    if ((flags & DETAIL_TO_USER) == 0) {
        add_word(words, message, WORD_TO_USER, message->to.user);
    }
    if ((flags & DETAIL_TO_HOST) == 0) {
        add_word(words, message, WORD_TO_HOST, message->to.host);
    }
    if (!is_response) {
        add_word(words, message, WORD_URI, message->uri.whole);
    }
    if (with_credentials) {
        add_word(words, message, WORD_AUTH_USER, message->auth_username);
        add_word(words, message, WORD_REALM, message->auth_realm);
    }
    add_word(words, message, WORD_SENT_BY, message->sent_by);
    add_word(words, message, WORD_BRANCH, message->branch);
    if (!is_response) {
        add_word(words, message, WORD_AGENT, message->user_agent);
    }
    if (with_credentials) {
        add_word(words, message, WORD_ALGORITHM, message->auth_algorithm);
    }
    if (is_response) {
        add_word(words, message, WORD_REASON, message->reason);
    }
}

/* The last ones give way. */
static void cut_words(struct words *words, size_t room)
{
    size_t left = room;

    for (unsigned i = 0; i < WORD_COUNT; i++) {
        words->bytes[i] = (uint8_t)(words->bytes[i] < left ? words->bytes[i] : left);
        left -= words->bytes[i];
    }
    words->used = room;
}

/* Place of a part of the request URI inside its kept text. */
static void uri_place(const struct sip_message *message, struct part part, size_t kept,
                      uint8_t *out_at, uint8_t *out_bytes)
{
    size_t at = part.at - message->uri.whole.at;

    if (part.bytes == 0 || part.at < message->uri.whole.at || at >= kept) {
        return;
    }
    *out_at = (uint8_t)at;
    *out_bytes = (uint8_t)(part.bytes < kept - at ? part.bytes : kept - at);
}

/* Is one of the words cut that the id of the record is made of? */
static bool is_id_cut(const struct sip_message *message)
{
    return message->call_id.bytes > word_limits[WORD_CALL_ID] ||
           message->sent_by.bytes > word_limits[WORD_SENT_BY] ||
           message->branch.bytes > word_limits[WORD_BRANCH];
}

static bool is_same(const struct sip_message *message, struct part one, struct part other)
{
    return one.bytes == other.bytes && one.bytes != 0 &&
           memcmp(message->raw + one.at, message->raw + other.at, one.bytes) == 0;
}

static bool lies_in(struct part part, struct part whole)
{
    return part.at >= whole.at && part.at + part.bytes <= whole.at + whole.bytes;
}

/* What of a request stands in its URI or is said twice. Only where all of it has room anyway, so
 * that what is cut does not depend on it. */
static uint8_t folds_of(const struct sip_message *message)
{
    const struct sip_uri *uri = &message->uri;
    size_t most = (size_t)message->call_id.bytes + message->from.user.bytes +
                  message->from.host.bytes + message->to.user.bytes + message->to.host.bytes +
                  uri->whole.bytes + message->auth_username.bytes + message->auth_realm.bytes +
                  message->sent_by.bytes + message->branch.bytes + message->user_agent.bytes +
                  message->auth_algorithm.bytes;
    uint8_t folds = 0;

    if (most > USUAL_TEXT_BYTES || message->to.host.bytes > word_limits[WORD_TO_HOST] ||
        message->to.user.bytes > word_limits[WORD_TO_USER] ||
        uri->whole.bytes > word_limits[WORD_URI]) {
        return 0;
    }
    if (is_same(message, message->from.host, message->to.host)) {
        folds |= DETAIL_FROM_HOST;
    }
    if (is_same(message, message->to.user, uri->user) && lies_in(uri->user, uri->whole)) {
        folds |= DETAIL_TO_USER;
    }
    if (is_same(message, message->to.host, uri->host) && lies_in(uri->host, uri->whole)) {
        folds |= DETAIL_TO_HOST;
    }
    return folds;
}

static uint32_t handle_of(uint32_t cell, enum detail_class size)
{
    return (cell + 1) << CLASS_BITS | size;
}

/* One of a fixed size; 0 = it has no room. */
static uint32_t take_fixed(struct transaction_table *table, size_t wanted)
{
    enum detail_class size = wanted <= whole_room(DETAIL_SMALL) ? DETAIL_SMALL : DETAIL_MIDDLE;

    if (wanted > whole_room(size)) {
        return 0;
    }
    uint32_t cell = slab_take(&table->details[size]);
    assert(cell != SLAB_NONE); /* there is one for each cell of the table, and one more */
    return handle_of(cell, size);
}

static uint32_t take_usual(struct transaction_table *table, size_t wanted)
{
    uint32_t cell =
        wanted > text_room(DETAIL_USUAL) ? slab_take(&table->details[DETAIL_BIG]) : SLAB_NONE;

    if (cell != SLAB_NONE) {
        return handle_of(cell, DETAIL_BIG);
    }
    cell = slab_take(&table->details[DETAIL_USUAL]);
    assert(cell != SLAB_NONE); /* as many as small ones */
    return handle_of(cell, DETAIL_USUAL);
}

static size_t address_bytes(uint8_t flags, uint8_t is_v4)
{
    return (flags & is_v4) != 0 ? (size_t)ADDRESS_V4_BYTES : (size_t)ADDRESS_BYTES;
}

static size_t put_address(uint8_t *at, const struct addr *addr, size_t bytes)
{
    memcpy(at, addr->octets + ADDRESS_BYTES - bytes, bytes);
    return bytes;
}

/* Where Call-ID, sent-by or branch did not find room, the id is made while they are whole. */
static void put_id(const struct transaction_detail *detail, struct transaction_extra *extra,
                   const struct sip_sighting *sip)
{
    const struct sip_message *message = &sip->message;

    if (detail->bytes[WORD_CALL_ID] != message->call_id.bytes ||
        detail->bytes[WORD_SENT_BY] != message->sent_by.bytes ||
        detail->bytes[WORD_BRANCH] != message->branch.bytes) {
        extra->id = id_of(sip_part(message, message->call_id), sip_part(message, message->sent_by),
                          sip_part(message, message->branch), message->cseq, sip->head.state_ns);
    }
}

static void put_values(struct transaction_detail *detail, const struct sip_sighting *sip)
{
    const struct sip_message *message = &sip->message;
    const struct sighting *head = &sip->head;
    bool is_response = sip_is_response(message);

    detail->client_port = is_response ? head->destination_port : head->source_port;
    detail->server_port = is_response ? head->source_port : head->destination_port;
    detail->call_id_hash = sip->keys.call_id;
    detail->cseq = message->cseq;
    detail->interface = head->interface;
    detail->vlan_outer = head->vlan_outer;
    detail->vias = message->vias;
    detail->transport = message->transport;
    if (!is_response) {
        size_t kept = detail->bytes[WORD_URI];
        uri_place(message, message->uri.user, kept, &detail->uri_user_at, &detail->uri_user_bytes);
        uri_place(message, message->uri.host, kept, &detail->uri_host_at, &detail->uri_host_bytes);
    }
}

void transaction_detail_take(struct transaction_table *table, struct transaction_cell *cell,
                             const struct sip_sighting *sip)
{
    const struct sip_message *message = &sip->message;
    bool is_response = sip_is_response(message);
    const struct addr *client = is_response ? &sip->head.destination : &sip->head.source;
    const struct addr *server = is_response ? &sip->head.source : &sip->head.destination;
    struct words words UNCLEARED;
    uint8_t flags =
        (uint8_t)((is_response ? 0 : folds_of(message)) | (message->has_cseq ? DETAIL_CSEQ : 0) |
                  (addr_is_v4(client) ? DETAIL_CLIENT_V4 : 0) |
                  (addr_is_v4(server) ? DETAIL_SERVER_V4 : 0));
    size_t client_bytes = address_bytes(flags, DETAIL_CLIENT_V4);
    size_t server_bytes = address_bytes(flags, DETAIL_SERVER_V4);
    words_of(message, flags, &words);
    cell->detail = has_credentials(message) || is_id_cut(message)
                       ? 0
                       : take_fixed(table, words.used + client_bytes + server_bytes);
    if (cell->detail == 0) {
        cell->detail = take_usual(table, words.used);
    }
    struct transaction_detail *detail = transaction_detail_at(table, cell->detail);
    struct transaction_extra *extra = extra_at(table, cell->detail);
    detail->flags = flags;
    uint8_t *at = detail->text;
    at += put_address(at, client, client_bytes);
    at += put_address(at, server, server_bytes);
    if (extra != NULL && words.used > text_room(class_of(cell->detail))) {
        cut_words(&words, text_room(class_of(cell->detail)));
    }
    memcpy(at, words.text, words.used);
    memcpy(detail->bytes, words.bytes, sizeof detail->bytes);
    put_values(detail, sip);
    put_hashes(table, detail, message);
    if (has_credentials(message)) {
        assert(extra != NULL);
        put_credentials(table, extra, sip);
    }
    if (extra != NULL) {
        put_id(detail, extra, sip);
    }
}

/* --- showing --- */

static struct slice next_word(const struct transaction_detail *detail, enum transaction_word which,
                              const uint8_t **at)
{
    struct slice word = slice_of(*at, detail->bytes[which]);

    *at += detail->bytes[which];
    return word;
}

static void show_texts(struct transaction *shown, const struct transaction_detail *detail,
                       const uint8_t *at)
{
    shown->call_id = next_word(detail, WORD_CALL_ID, &at);
    shown->from_user = next_word(detail, WORD_FROM_USER, &at);
    shown->from_host = next_word(detail, WORD_FROM_HOST, &at);
    shown->to_user = next_word(detail, WORD_TO_USER, &at);
    shown->to_host = next_word(detail, WORD_TO_HOST, &at);
    shown->uri = next_word(detail, WORD_URI, &at);
    shown->auth_user = next_word(detail, WORD_AUTH_USER, &at);
    shown->realm = next_word(detail, WORD_REALM, &at);
    shown->sent_by = next_word(detail, WORD_SENT_BY, &at);
    shown->branch = next_word(detail, WORD_BRANCH, &at);
    shown->user_agent = next_word(detail, WORD_AGENT, &at);
    shown->algorithm = next_word(detail, WORD_ALGORITHM, &at);
    shown->reason = next_word(detail, WORD_REASON, &at);
    shown->uri_user = slice_part(shown->uri, detail->uri_user_at,
                                 (size_t)detail->uri_user_at + detail->uri_user_bytes);
    shown->uri_host = slice_part(shown->uri, detail->uri_host_at,
                                 (size_t)detail->uri_host_at + detail->uri_host_bytes);
    if ((detail->flags & DETAIL_TO_USER) != 0) {
        shown->to_user = shown->uri_user;
    }
    if ((detail->flags & DETAIL_TO_HOST) != 0) {
        shown->to_host = shown->uri_host;
    }
    if ((detail->flags & DETAIL_FROM_HOST) != 0) {
        shown->from_host = shown->to_host;
    }
}

static const uint8_t *show_address(struct addr *addr, const uint8_t *at, bool is_v4)
{
    if (is_v4) {
        *addr = addr_from_v4(at);
        return at + ADDRESS_V4_BYTES;
    }
    *addr = addr_from_v6(at);
    return at + ADDRESS_BYTES;
}

static void show_detail(struct transaction_table *table, uint32_t handle)
{
    const struct transaction_detail *detail = transaction_detail_at(table, handle);
    const struct transaction_extra *extra = transaction_extra_of(table, handle);
    struct transaction *shown = &table->shown;
    const uint8_t *at = detail->text;

    at = show_address(&shown->client.addr, at, (detail->flags & DETAIL_CLIENT_V4) != 0);
    at = show_address(&shown->server.addr, at, (detail->flags & DETAIL_SERVER_V4) != 0);
    shown->client.port = detail->client_port;
    shown->server.port = detail->server_port;
    shown->cseq = detail->cseq;
    shown->has_cseq = (detail->flags & DETAIL_CSEQ) != 0;
    shown->transport = detail->transport;
    shown->interface = detail->interface;
    shown->vlan_outer = detail->vlan_outer;
    shown->vias = detail->vias;
    shown->call_id_hash = detail->call_id_hash;
    shown->nonce_hash = extra->nonce_hash;
    shown->response_hash = extra->response_hash;
    shown->proof_key = extra->proof_key;
    shown->account_hash = detail->account_hash;
    show_texts(shown, detail, at);
    shown->id = extra->id;
}

static void show_whole(struct transaction_table *table, const struct transaction_cell *cell)
{
    struct transaction *shown = &table->shown;
    uint16_t flags = cell->flags;

    shown->final_ns = cell->status == 0 ? 0 : time_add(cell->first_ns, cell->final_ms * NS_PER_MS);
    shown->last_ns = table->now_ns;
    shown->user_exists = (flags & TRANSACTION_RANG) != 0;
    shown->passed_on = (flags & TRANSACTION_PASSED_ON) != 0;
    shown->provisional_count = cell->provisional_count;
    for (unsigned i = 0; i < cell->provisional_count; i++) {
        shown->provisional[i] = (uint16_t)(100 + cell->provisional[i]);
    }
    if (cell->detail != 0) {
        show_detail(table, cell->detail);
    }
    table->shown_whole = true;
}

void transaction_show(struct transaction_table *table, uint32_t at, bool whole)
{
    const struct transaction_cell *cell = table_at(&table->cells, at);
    struct transaction *shown = &table->shown;
    uint16_t flags = cell->flags;

    if (table->shown_whole) {
        *shown = (struct transaction){.hash = 0};
        table->shown_whole = false;
    }
    shown->hash = table_hash_of(&table->cells, at);
    shown->number = cell->number;
    shown->started_ns = (flags & TRANSACTION_REQUEST) != 0 ? cell->first_ns : 0;
    shown->has_credentials = (flags & TRANSACTION_CREDENTIALS) != 0;
    shown->cancelled = (flags & TRANSACTION_CANCELLED) != 0;
    shown->timeout = (flags & TRANSACTION_TIMED_OUT) != 0;
    shown->request_invalid = (flags & TRANSACTION_INVALID) != 0;
    shown->ended = (flags & TRANSACTION_ENDED) != 0;
    shown->upper_hop = (flags & TRANSACTION_UPPER) != 0;
    shown->in_dialog = (flags & TRANSACTION_IN_DIALOG) != 0;
    shown->method = cell->method;
    shown->status = cell->status;
    shown->retransmits_request = cell->copies_request;
    shown->retransmits_response = cell->copies_response;
    shown->device_hash =
        cell->detail == 0 ? 0 : transaction_detail_at(table, cell->detail)->device_hash;
    if (whole) {
        show_whole(table, cell);
    }
}
