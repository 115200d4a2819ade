/* transaction_key.c - which messages are one transaction, and whether a request was seen on a hop
 * below.
 *
 *   key = branch, sent-by (topmost Via) | Call-ID, CSeq number | method
 *
 * The parts are hashed apart, because a CANCEL and an ACK look for their INVITE, which differs in
 * the method only, and a request that came through proxies looks for itself under its lower Vias,
 * which differ in the hop only. Looking there needs no memory of hops: the lower transaction is
 * still open when the upper one comes by.
 *
 * Limits: LOWER_HOPS_MAX Vias are looked at; an upper hop that is seen before the lower one counts
 * as a lowest. */
#include "sensor/state/transaction_inside.h"

#include "decoders/sip_header.h"

enum { LOWER_HOPS_MAX = 8, SALT_OLD = 7 };

static uint64_t hop_of(const struct transaction_table *table, struct slice branch,
                       struct slice sent_by)
{
    return hash_mix(hash_slice(table->key, branch), hash_slice_nocase(table->key, sent_by));
}

uint64_t transaction_hash_of(const struct transaction_table *table,
                             const struct transaction_key *key, const struct sip_message *message,
                             uint8_t method)
{
    uint64_t hash = hash_mix(hash_mix(key->hop, key->rest), method);

    if (method == SIP_METHOD_OTHER) {
        hash = hash_mix(hash, hash_slice(table->key, sip_part(message, message->method_text)));
    }
    return hash;
}

static bool make_key(const struct transaction_table *table, const struct sip_message *message,
                     struct transaction_key *out_key)
{
    struct slice call_id = sip_part(message, message->call_id);

    if (call_id.bytes == 0 || message->method == SIP_METHOD_NONE) {
        return false;
    }
    out_key->call_id_hash = hash_slice(table->key, call_id);
    out_key->rest = hash_mix(out_key->call_id_hash, message->has_cseq ? message->cseq : UINT64_MAX);
    out_key->hop =
        hop_of(table, sip_part(message, message->branch), sip_part(message, message->sent_by));
    if ((message->flags & SIP_FLAG_COOKIE) == 0) {
        uint64_t tag = hash_slice(table->key, sip_part(message, message->from_tag));
        out_key->rest = hash_mix(hash_mix(out_key->rest, tag), SALT_OLD);
    }
    bool is_ack = message->method == SIP_METHOD_ACK;
    out_key->own =
        transaction_hash_of(table, out_key, message, is_ack ? SIP_METHOD_INVITE : message->method);
    return true;
}

static struct transaction_ahead *ahead_of(struct transaction_table *table,
                                          const struct sighting *head)
{
    return &table->ahead[(sighting_number(head) + head->sub) % TRANSACTION_AHEAD];
}

static bool is_ahead(const struct transaction_ahead *ahead, const struct sip_sighting *sip)
{
    return ahead->raw == sip->message.raw && ahead->sighting_key == sip->head.key &&
           ahead->sighting_sub == sip->head.sub;
}

bool transaction_key_of(struct transaction_table *table, const struct sip_sighting *sip,
                        struct transaction_key *out_key)
{
    struct transaction_ahead *ahead = ahead_of(table, &sip->head);

    if (ahead->raw == NULL || !is_ahead(ahead, sip)) {
        return make_key(table, &sip->message, out_key);
    }
    *out_key = ahead->key;
    ahead->raw = NULL;
    return ahead->has_key;
}

uint64_t transaction_prefetch(struct transaction_table *table, const struct sip_sighting *sip,
                              enum transaction_stage stage)
{
    struct transaction_ahead *ahead = ahead_of(table, &sip->head);

    if (!is_ahead(ahead, sip)) {
        *ahead = (struct transaction_ahead){
            .sighting_key = sip->head.key, .sighting_sub = sip->head.sub, .raw = sip->message.raw};
        ahead->has_key = make_key(table, &sip->message, &ahead->key);
    }
    const struct transaction_key *key = &ahead->key;
    if (!ahead->has_key) {
        return 0;
    }
    switch (stage) {
    case TRANSACTION_FAR:
        table_prefetch(&table->cells, key->own);
        break;
    case TRANSACTION_NEAR:
        table_prefetch_cell(&table->cells, key->own);
        break;
    case TRANSACTION_NEXT: {
        uint32_t at = table_find(&table->cells, key->own);
        if (at != TABLE_NONE) {
            const struct transaction_cell *cell = table_at(&table->cells, at);
            transaction_detail_prefetch(table, cell->detail);
        }
        break;
    }
    }
    return key->call_id_hash;
}

/* sent-by of a Via value: what stands between the protocol and the parameters. */
static struct slice via_sent_by(struct slice via)
{
    struct slice head = slice_trim(slice_part(via, 0, slice_find(via, ';')));
    size_t from = head.bytes;

    while (from > 0 && head.at[from - 1] != ' ' && head.at[from - 1] != '\t' &&
           head.at[from - 1] != '\n') {
        from--;
    }
    return slice_from(head, from);
}

bool transaction_was_seen_below(const struct transaction_table *table,
                                const struct transaction_key *key,
                                const struct sip_message *message)
{
    struct sip_walk walk = {.at = 0};
    struct slice via;
    bool topmost = true;

    for (unsigned hops = 0;
         hops <= LOWER_HOPS_MAX && sip_value_next(message, SIP_HEADER_VIA, &walk, &via); hops++) {
        if (topmost) {
            topmost = false;
            continue;
        }
        struct slice branch;
        if (!sip_parameter(via, SLICE("branch"), &branch)) {
            branch = SLICE_NONE;
        }
        struct transaction_key below = *key;
        below.hop = hop_of(table, branch, via_sent_by(via));
        if (table_find(&table->cells, transaction_hash_of(table, &below, message,
                                                          message->method)) != TABLE_NONE) {
            return true;
        }
    }
    return false;
}
