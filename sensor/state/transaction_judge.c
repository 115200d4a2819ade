/* transaction_judge.c - what the first final answer says of the credentials.
 *
 * A 401 to credentials (docs/definitions.md): stale=true, an AKA resync, a challenge that offers
 * neither realm nor algorithm of the credentials, or an old nonce are no failure. All but the first
 * are rationed (nonces.c); a nonce that had success is free. */
#include "sensor/state/transaction_inside.h"

#include "decoders/sip_header.h"

uint32_t transaction_scheme_tag(const struct transaction_table *table, struct slice realm,
                                struct slice algorithm)
{
    /* RFC 2617 section 3.2.1: without the parameter it is MD5. */
    struct slice named = algorithm.bytes == 0 ? SLICE("MD5") : algorithm;

    return (uint32_t)hash_mix(hash_slice(table->key, realm), hash_slice_nocase(table->key, named));
}

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
                     const struct sip_sighting *sip)
{
    const struct sip_message *message = &sip->message;

    if ((message->flags & SIP_FLAG_STALE) != 0) {
        return true;
    }
    if ((message->flags & SIP_FLAG_CHALLENGE) == 0) {
        return false;
    }
    if ((cell->flags & TRANSACTION_AUTS) == 0 &&
        is_same_scheme(table, message, extra->scheme_tag)) {
        uint64_t issued = sip->keys.nonce;
        if (extra->nonce_hash == 0 || issued == 0 || issued == extra->nonce_hash ||
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
    const struct transaction_extra *extra = transaction_extra_of(table, cell->detail);
    struct transaction *shown = &table->shown;
    struct nonce_client client = {.addr = shown->client.addr, .account_hash = shown->account_hash};
    bool has_credentials = (cell->flags & TRANSACTION_CREDENTIALS) != 0;
    bool is_challenge = message->status == 401 || message->status == 407;
    bool is_success = message->status / 100 == 2;

    if (is_challenge && has_credentials) {
        shown->stale = is_stale(table, cell, extra, &client, sip);
        shown->auth_failure = !shown->stale;
    }
    shown->auth_failure |= message->status == 403 && has_credentials;
    shown->challenged = is_challenge && !has_credentials;
    shown->user_exists |= is_challenge || is_success || message->status == 486 ||
                          message->status == 600 || message->status == 603;
    if (is_challenge && (message->flags & SIP_FLAG_CHALLENGE) != 0 && sip->keys.nonce != 0) {
        nonce_issue(table->nonces, sip->keys.nonce, &client, table->now_ns);
    }
    if (is_success && has_credentials) {
        shown->credentials_asked = nonce_was_issued(table->nonces, extra->nonce_hash);
        nonce_accept(table->nonces, extra->nonce_hash, &client, extra->user_hash, table->now_ns);
    }
}
