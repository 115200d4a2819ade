/* transaction_detail.c - what a transaction keeps while its answer is awaited: values and texts of
 * the request in one slab cell of three sizes.
 *
 *   small       [hashes, endpoints ...][ends of 13 words][Call-ID|From user|From host| ... 144 ]
 *   usual, big  [the same                               ][Call-ID|From user|  ... 224 or 448
 * ][credentials, id]
 *
 * Words are cut at `word_limits`, and behind the first eight at what is left of the cell. Where
 * Call-ID, sent-by or branch were cut, the id of the record is taken before, from the whole ones.
 *
 * Limits: +sip.instance on a folded line of the Contact is not found; then the User-Agent stands
 * for the device.
 *
 * Judging a 401 to credentials (docs/definitions.md): stale=true, an AKA resync, a challenge
 * that offers neither realm nor algorithm of the credentials, or an old nonce are no failure. All
 * but the first are rationed (nonces.c); a nonce that had success is free. */
#include "sensor/state/transaction_inside.h"

#include "decoders/sip_header.h"
#include "sensor/state/account.h"

static const uint16_t word_limits[WORD_COUNT] = {
    [WORD_CALL_ID] = 96, [WORD_FROM_USER] = 48, [WORD_FROM_HOST] = 48, [WORD_TO_USER] = 48,
    [WORD_TO_HOST] = 48, [WORD_URI] = 72,       [WORD_AUTH_USER] = 48, [WORD_REALM] = 40,
    [WORD_SENT_BY] = 64, [WORD_BRANCH] = 80,    [WORD_AGENT] = 96,     [WORD_ALGORITHM] = 16,
    [WORD_REASON] = 32,
};

/* A handle is (cell + 1) << CLASS_BITS | class. */
enum { CLASS_BITS = 2, LINE_BYTES = 64 };

static const uint16_t text_rooms[DETAIL_CLASSES] = {
    [DETAIL_SMALL] = DETAIL_TEXT_SMALL,
    [DETAIL_USUAL] = DETAIL_TEXT_USUAL,
    [DETAIL_BIG] = TRANSACTION_TEXT_BYTES,
};

static enum detail_class class_of(uint32_t detail)
{
    return (enum detail_class)(detail & ((1U << CLASS_BITS) - 1));
}

uint32_t transaction_detail_bytes(enum detail_class size)
{
    size_t bytes = offsetof(struct transaction_detail, text) + text_rooms[size];

    if (size != DETAIL_SMALL) {
        bytes = ((bytes + 7) & ~(size_t)7) + sizeof(struct transaction_extra);
    }
    return (uint32_t)bytes;
}

struct transaction_detail *transaction_detail_at(const struct transaction_table *table,
                                                 uint32_t detail)
{
    return slab_at(&table->details[class_of(detail)], (detail >> CLASS_BITS) - 1);
}

/* NULL: it is a small one and has none. */
static struct transaction_extra *extra_at(const struct transaction_table *table, uint32_t detail)
{
    enum detail_class size = class_of(detail);

    if (size == DETAIL_SMALL) {
        return NULL;
    }
    uint8_t *at = slab_at(&table->details[size], (detail >> CLASS_BITS) - 1);
    void *extra = at + transaction_detail_bytes(size) - sizeof(struct transaction_extra);
    return extra;
}

static const struct transaction_extra no_extra = {.nonce_hash = 0};

static const struct transaction_extra *extra_or_none(const struct transaction_table *table,
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
    for (size_t line = 0; line < transaction_detail_bytes(DETAIL_SMALL); line += LINE_BYTES) {
        __builtin_prefetch(at + line);
    }
}

void transaction_detail_give(struct transaction_table *table, uint32_t detail)
{
    if (detail != 0) {
        slab_give(&table->details[class_of(detail)], (detail >> CLASS_BITS) - 1);
    }
}

uint32_t transaction_scheme_tag(const struct transaction_table *table, struct slice realm,
                                struct slice algorithm)
{
    /* RFC 2617 section 3.2.1: without the parameter it is MD5. */
    struct slice named = algorithm.bytes == 0 ? SLICE("MD5") : algorithm;

    return (uint32_t)hash_mix(hash_slice(table->key, realm), hash_slice_nocase(table->key, named));
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
                            const struct sip_message *message)
{
    struct hash_key key = table->key;
    struct slice nonce = sip_part(message, message->auth_nonce);

    extra->nonce_hash = nonce.bytes == 0 ? 0 : hash_slice(key, nonce);
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

static struct hash128 id_of(struct transaction_table *table, struct slice call_id,
                            struct slice sent_by, struct slice branch, uint32_t cseq,
                            uint64_t first_ns)
{
    hash_id_start(&table->id);
    hash_id_slice(&table->id, call_id);
    hash_id_slice(&table->id, sent_by);
    hash_id_slice(&table->id, branch);
    hash_id_u64(&table->id, cseq);
    hash_id_u64(&table->id, first_ns);
    return hash_id_end(&table->id);
}

static void words_of(const struct sip_message *message, struct slice *words)
{
    words[WORD_CALL_ID] = sip_part(message, message->call_id);
    words[WORD_FROM_USER] = sip_part(message, message->from.user);
    words[WORD_FROM_HOST] = sip_part(message, message->from.host);
    words[WORD_TO_USER] = sip_part(message, message->to.user);
    words[WORD_TO_HOST] = sip_part(message, message->to.host);
    words[WORD_SENT_BY] = sip_part(message, message->sent_by);
    words[WORD_BRANCH] = sip_part(message, message->branch);
    if (sip_is_response(message)) {
        words[WORD_REASON] = sip_part(message, message->reason);
        return;
    }
    words[WORD_URI] = sip_part(message, message->uri.whole);
    words[WORD_AGENT] = sip_part(message, message->user_agent);
    if ((message->flags & SIP_FLAG_CREDENTIALS) != 0) {
        words[WORD_AUTH_USER] = sip_part(message, message->auth_username);
        words[WORD_REALM] = sip_part(message, message->auth_realm);
        words[WORD_ALGORITHM] = sip_part(message, message->auth_algorithm);
    }
}

/* Place of a part of the request URI inside its kept text. */
static void uri_place(const struct sip_message *message, struct part part, size_t kept,
                      uint16_t *out_at, uint16_t *out_bytes)
{
    size_t at = part.at - message->uri.whole.at;

    if (part.bytes == 0 || part.at < message->uri.whole.at || at >= kept) {
        return;
    }
    *out_at = (uint16_t)at;
    *out_bytes = (uint16_t)(part.bytes < kept - at ? part.bytes : kept - at);
}

static void put_words(struct transaction_detail *detail, size_t room, const struct slice *words)
{
    size_t used = 0;

    for (unsigned i = 0; i < WORD_COUNT; i++) {
        size_t bytes = words[i].bytes < word_limits[i] ? words[i].bytes : word_limits[i];
        bytes = bytes < room - used ? bytes : room - used;
        if (bytes > 0) {
            memcpy(detail->text + used, words[i].at, bytes);
        }
        used += bytes;
        detail->ends[i] = (uint16_t)used;
    }
}

static struct slice word(const struct transaction_detail *detail, enum transaction_word which)
{
    size_t from = which == 0 ? 0 : detail->ends[which - 1];

    return slice_of(detail->text + from, detail->ends[which] - from);
}

/* Is one of the words cut that the id of the record is made of? */
static bool is_id_cut(const struct slice *words)
{
    return words[WORD_CALL_ID].bytes > word_limits[WORD_CALL_ID] ||
           words[WORD_SENT_BY].bytes > word_limits[WORD_SENT_BY] ||
           words[WORD_BRANCH].bytes > word_limits[WORD_BRANCH];
}

static size_t room_of(const struct slice *words)
{
    size_t wanted = 0;

    for (unsigned i = 0; i < WORD_COUNT; i++) {
        wanted += words[i].bytes < word_limits[i] ? words[i].bytes : word_limits[i];
    }
    return wanted;
}

static bool is_foldable(struct slice word, struct slice other)
{
    return word.bytes != 0 && word.bytes <= word_limits[WORD_TO_HOST] && slice_equal(word, other);
}

static bool lies_in(struct part part, struct part whole)
{
    return part.at >= whole.at && part.at + part.bytes <= whole.at + whole.bytes;
}

/* Leaves out what stands in the URI or is said twice. */
static uint8_t fold(const struct sip_message *message, struct slice *words)
{
    const struct sip_uri *uri = &message->uri;
    bool has_uri = words[WORD_URI].bytes <= word_limits[WORD_URI];
    uint8_t folded = 0;

    if (is_foldable(words[WORD_FROM_HOST], words[WORD_TO_HOST])) {
        words[WORD_FROM_HOST] = SLICE_NONE;
        folded |= FOLD_FROM_HOST;
    }
    if (has_uri && lies_in(uri->user, uri->whole) &&
        is_foldable(words[WORD_TO_USER], sip_part(message, uri->user))) {
        words[WORD_TO_USER] = SLICE_NONE;
        folded |= FOLD_TO_USER;
    }
    if (has_uri && lies_in(uri->host, uri->whole) &&
        is_foldable(words[WORD_TO_HOST], sip_part(message, uri->host))) {
        words[WORD_TO_HOST] = SLICE_NONE;
        folded |= FOLD_TO_HOST;
    }
    return folded;
}

/* A cell and what of the words goes into it. Only a small one is folded, where nothing is cut. */
static uint32_t take_cell(struct transaction_table *table, const struct sip_message *message,
                          struct slice *words, uint8_t *out_folded)
{
    *out_folded = 0;
    if (!has_credentials(message) && !is_id_cut(words)) {
        struct slice folded[WORD_COUNT];
        memcpy(folded, words, sizeof folded);
        uint8_t how = sip_is_response(message) ? 0 : fold(message, folded);
        if (room_of(folded) <= DETAIL_TEXT_SMALL) {
            memcpy(words, folded, sizeof folded);
            *out_folded = how;
            uint32_t cell = slab_take(&table->details[DETAIL_SMALL]);
            assert(cell != SLAB_NONE); /* there is one for each cell of the table, and one more */
            return (cell + 1) << CLASS_BITS | DETAIL_SMALL;
        }
    }
    if (room_of(words) > DETAIL_TEXT_USUAL) {
        uint32_t cell = slab_take(&table->details[DETAIL_BIG]);
        if (cell != SLAB_NONE) {
            return (cell + 1) << CLASS_BITS | DETAIL_BIG;
        }
    }
    uint32_t cell = slab_take(&table->details[DETAIL_USUAL]);
    assert(cell != SLAB_NONE); /* as many as small ones */
    return (cell + 1) << CLASS_BITS | DETAIL_USUAL;
}

void transaction_detail_take(struct transaction_table *table, struct transaction_cell *cell,
                             const struct sip_sighting *sip, uint64_t call_id_hash)
{
    const struct sip_message *message = &sip->message;
    const struct sighting *head = &sip->head;
    struct slice words[WORD_COUNT] = {{.at = NULL}};

    words_of(message, words);
    uint8_t folded;
    cell->detail = take_cell(table, message, words, &folded);
    struct transaction_detail *detail = transaction_detail_at(table, cell->detail);
    struct transaction_extra *extra = extra_at(table, cell->detail);
    detail->folded = folded;
    put_words(detail, text_rooms[class_of(cell->detail)], words);
    struct endpoint source = {.addr = head->source, .port = head->source_port};
    struct endpoint destination = {.addr = head->destination, .port = head->destination_port};
    bool is_response = sip_is_response(message);
    detail->client = is_response ? destination : source;
    detail->server = is_response ? source : destination;
    detail->call_id_hash = call_id_hash;
    detail->cseq = message->cseq;
    detail->has_cseq = message->has_cseq;
    detail->interface = head->interface;
    detail->vlan_outer = head->vlan_outer;
    detail->vias = message->vias;
    detail->transport = message->transport;
    if (!is_response) {
        size_t kept = word(detail, WORD_URI).bytes;
        uri_place(message, message->uri.user, kept, &detail->uri_user_at, &detail->uri_user_bytes);
        uri_place(message, message->uri.host, kept, &detail->uri_host_at, &detail->uri_host_bytes);
    }
    put_hashes(table, detail, message);
    if (has_credentials(message)) {
        assert(extra != NULL);
        put_credentials(table, extra, message);
    }
    if (word(detail, WORD_CALL_ID).bytes != words[WORD_CALL_ID].bytes ||
        word(detail, WORD_SENT_BY).bytes != words[WORD_SENT_BY].bytes ||
        word(detail, WORD_BRANCH).bytes != words[WORD_BRANCH].bytes) {
        assert(extra != NULL); /* a small one holds all of its words */
        extra->id = id_of(table, words[WORD_CALL_ID], words[WORD_SENT_BY], words[WORD_BRANCH],
                          message->cseq, head->state_ns);
        extra->has_id = true;
    }
}

/* --- showing --- */

static void show_texts(struct transaction_table *table, const struct transaction_detail *detail,
                       const struct transaction_extra *extra)
{
    struct transaction *shown = &table->shown;

    shown->call_id = word(detail, WORD_CALL_ID);
    shown->branch = word(detail, WORD_BRANCH);
    shown->sent_by = word(detail, WORD_SENT_BY);
    shown->uri = word(detail, WORD_URI);
    shown->uri_user = slice_part(shown->uri, detail->uri_user_at,
                                 (size_t)detail->uri_user_at + detail->uri_user_bytes);
    shown->uri_host = slice_part(shown->uri, detail->uri_host_at,
                                 (size_t)detail->uri_host_at + detail->uri_host_bytes);
    shown->from_user = word(detail, WORD_FROM_USER);
    shown->from_host = word(detail, WORD_FROM_HOST);
    shown->to_user = word(detail, WORD_TO_USER);
    shown->to_host = word(detail, WORD_TO_HOST);
    if ((detail->folded & FOLD_TO_USER) != 0) {
        shown->to_user = shown->uri_user;
    }
    if ((detail->folded & FOLD_TO_HOST) != 0) {
        shown->to_host = shown->uri_host;
    }
    if ((detail->folded & FOLD_FROM_HOST) != 0) {
        shown->from_host = shown->to_host;
    }
    shown->auth_user = word(detail, WORD_AUTH_USER);
    shown->realm = word(detail, WORD_REALM);
    shown->algorithm = word(detail, WORD_ALGORITHM);
    shown->user_agent = word(detail, WORD_AGENT);
    shown->reason = word(detail, WORD_REASON);
    shown->id = extra->has_id ? extra->id
                              : id_of(table, shown->call_id, shown->sent_by, shown->branch,
                                      detail->cseq, shown->started_ns);
    table->shown_texts = true;
}

static void show_detail(struct transaction *shown, const struct transaction_detail *detail,
                        const struct transaction_extra *extra)
{
    shown->client = detail->client;
    shown->server = detail->server;
    shown->cseq = detail->cseq;
    shown->has_cseq = detail->has_cseq;
    shown->transport = detail->transport;
    shown->interface = detail->interface;
    shown->vlan_outer = detail->vlan_outer;
    shown->vias = detail->vias;
    shown->call_id_hash = detail->call_id_hash;
    shown->device_hash = detail->device_hash;
    shown->nonce_hash = extra->nonce_hash;
    shown->response_hash = extra->response_hash;
    shown->proof_key = extra->proof_key;
    shown->account_hash = detail->account_hash;
}

void transaction_show(struct transaction_table *table, uint32_t at, bool texts)
{
    const struct transaction_cell *cell = table_at(&table->cells, at);
    struct transaction *shown = &table->shown;
    uint16_t flags = cell->flags;

    if (table->shown_texts) {
        *shown = (struct transaction){.hash = 0};
        table->shown_texts = false;
    }
    shown->hash = table_hash_of(&table->cells, at);
    shown->number = cell->number;
    shown->started_ns = (flags & TRANSACTION_REQUEST) != 0 ? cell->first_ns : 0;
    shown->final_ns = cell->status == 0 ? 0 : time_add(cell->first_ns, cell->final_ms * NS_PER_MS);
    shown->last_ns = table->now_ns;
    shown->has_credentials = (flags & TRANSACTION_CREDENTIALS) != 0;
    shown->challenged = false;
    shown->stale = false;
    shown->auth_failure = false;
    shown->user_exists = (flags & TRANSACTION_RANG) != 0;
    shown->cancelled = (flags & TRANSACTION_CANCELLED) != 0;
    shown->timeout = (flags & TRANSACTION_TIMED_OUT) != 0;
    shown->request_invalid = (flags & TRANSACTION_INVALID) != 0;
    shown->ended = (flags & TRANSACTION_ENDED) != 0;
    shown->upper_hop = (flags & TRANSACTION_UPPER) != 0;
    shown->in_dialog = (flags & TRANSACTION_IN_DIALOG) != 0;
    shown->method = cell->method;
    shown->status = cell->status;
    shown->provisional_count = cell->provisional_count;
    for (unsigned i = 0; i < TRANSACTION_PROVISIONALS; i++) {
        shown->provisional[i] =
            i < cell->provisional_count ? (uint16_t)(100 + cell->provisional[i]) : 0;
    }
    shown->retransmits_request = cell->copies_request;
    shown->retransmits_response = cell->copies_response;
    if (cell->detail != 0) {
        const struct transaction_detail *detail = transaction_detail_at(table, cell->detail);
        const struct transaction_extra *extra = extra_or_none(table, cell->detail);
        show_detail(shown, detail, extra);
        if (texts) {
            show_texts(table, detail, extra);
        }
    } else {
        static const struct transaction_detail none = {.cseq = 0};
        show_detail(shown, &none, &no_extra);
    }
}

/* --- judging --- */

/* Does a challenge of the answer offer realm and algorithm of the credentials? Registrars offer
 * several (RFC 8760). */
static bool is_same_scheme(const struct transaction_table *table, const struct sip_message *message,
                           uint32_t scheme_tag)
{
    uint32_t at = 0;
    struct sip_line line;

    while (sip_line_next(message, &at, &line)) {
        if (line.header != SIP_HEADER_WWW_AUTHENTICATE &&
            line.header != SIP_HEADER_PROXY_AUTHENTICATE) {
            continue;
        }
        struct slice realm;
        struct slice algorithm;
        if (!sip_auth_parameter(line.value, SLICE("realm"), &realm)) {
            realm = SLICE_NONE;
        }
        if (!sip_auth_parameter(line.value, SLICE("algorithm"), &algorithm)) {
            algorithm = SLICE_NONE;
        }
        if (transaction_scheme_tag(table, realm, algorithm) == scheme_tag) {
            return true;
        }
    }
    return false;
}

static bool is_stale(struct transaction_table *table, const struct transaction_cell *cell,
                     const struct transaction_extra *extra, const struct nonce_client *client,
                     const struct sip_message *message)
{
    if ((message->flags & SIP_FLAG_STALE) != 0) {
        return true;
    }
    if ((message->flags & SIP_FLAG_CHALLENGE) == 0) {
        return false;
    }
    if ((cell->flags & TRANSACTION_AUTS) == 0 &&
        is_same_scheme(table, message, extra->scheme_tag)) {
        struct slice issued = sip_part(message, message->auth_nonce);
        if (extra->nonce_hash == 0 || issued.bytes == 0 ||
            hash_slice(table->key, issued) == extra->nonce_hash ||
            !nonce_is_old(table->nonces, extra->nonce_hash, client, extra->user_hash)) {
            return false;
        }
        if (nonce_had_success(table->nonces, extra->nonce_hash, extra->user_hash)) {
            return true;
        }
    }
    return nonce_excuse(table->nonces, client, table->now_ns);
}

void transaction_judge(struct transaction_table *table, const struct transaction_cell *cell,
                       const struct sip_sighting *sip)
{
    const struct sip_message *message = &sip->message;
    const struct transaction_detail *detail = transaction_detail_at(table, cell->detail);
    const struct transaction_extra *extra = extra_or_none(table, cell->detail);
    struct transaction *shown = &table->shown;
    struct nonce_client client = {.addr = detail->client.addr,
                                  .account_hash = detail->account_hash};
    bool has_credentials = (cell->flags & TRANSACTION_CREDENTIALS) != 0;
    bool is_challenge = message->status == 401 || message->status == 407;
    bool is_success = message->status / 100 == 2;

    if (is_challenge && has_credentials) {
        shown->stale = is_stale(table, cell, extra, &client, message);
        shown->auth_failure = !shown->stale;
    }
    shown->auth_failure |= message->status == 403 && has_credentials;
    shown->challenged = is_challenge && !has_credentials;
    shown->user_exists |= is_challenge || is_success || message->status == 486 ||
                          message->status == 600 || message->status == 603;
    struct slice nonce = sip_part(message, message->auth_nonce);
    if (is_challenge && (message->flags & SIP_FLAG_CHALLENGE) != 0 && nonce.bytes != 0) {
        nonce_issue(table->nonces, hash_slice(table->key, nonce), &client, table->now_ns);
    }
    if (is_success && has_credentials) {
        nonce_accept(table->nonces, extra->nonce_hash, &client, extra->user_hash, table->now_ns);
    }
}
