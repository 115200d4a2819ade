/* transaction_below.c - the hops of a request: which was seen below, and whose answer an answer is.
 *
 *   phone ──INVITE──▶ proxy ──INVITE──▶ carrier     Via: phone │ Via: proxy, phone
 *         ◀───503────       ◀───503────             503 further on, then 503 below: passed on
 *
 * A request that came through proxies looks for itself under its lower Vias, and so does its final
 * answer. Looking there needs no memory of hops: the lower transaction is still open when the upper
 * one comes by. The answer leaves its status in the cell below; where that hop ends with the same,
 * it passed it on. A proxy with several branches has several such. A 500 below stands for a 503
 * further on (RFC 3261 section 16.7, step 6).
 *
 * An upper hop that was seen before the lower one is found by its answer. A hop goes elsewhere than
 * the one below it: a sender who puts Vias of his own under the first is no hop of himself. Whether
 * the sender is known for a proxy is asked where a fact is made of it.
 *
 * Limits: LOWER_HOPS_MAX Vias are looked at, TRANSACTION_FURTHER different answers are remembered;
 * an upper answer that is seen behind the lower one is not known to be its cause. */
#include "sensor/state/transaction_inside.h"

#include "decoders/sip_header.h"

enum { LOWER_HOPS_MAX = 8 };

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

/* Below `sip`, or only a message with the Via of its own? A host that asks itself is one, though. */
static bool is_below(const struct transaction_table *table, uint32_t at,
                     const struct sip_sighting *sip)
{
    const struct sip_keys *keys = &sip->keys;
    const struct transaction_cell *cell = table_at(&table->cells, at);
    uint64_t server = sip_is_response(&sip->message) ? keys->source : keys->destination;

    return cell->server_tag != transaction_tag(server) || keys->source == keys->destination;
}

uint32_t transaction_below(const struct transaction_table *table, const struct sip_sighting *sip)
{
    const struct sip_message *message = &sip->message;
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
        struct sip_keys below = sip->keys;
        below.hop = sip_keys_hop(table->key, branch, via_sent_by(via));
        uint64_t hash = sip_keys_transaction(table->key, &below, message, message->method);
        uint32_t at = hash == sip->keys.transaction ? TABLE_NONE : table_find(&table->cells, hash);
        if (at != TABLE_NONE && is_below(table, at, sip)) {
            return at;
        }
    }
    return TABLE_NONE;
}

bool transaction_tell_below(struct transaction_table *table, const struct sip_sighting *sip,
                            uint16_t status)
{
    uint32_t at = transaction_below(table, sip);

    if (at == TABLE_NONE) {
        return false;
    }
    struct transaction_cell *cell = table_at(&table->cells, at);
    for (unsigned i = 0; i < TRANSACTION_FURTHER; i++) {
        if (cell->further[i] == 0 || cell->further[i] == status) {
            cell->further[i] = status;
            break;
        }
    }
    return true;
}

bool transaction_passed_on(const struct transaction_cell *cell, uint16_t status)
{
    for (unsigned i = 0; i < TRANSACTION_FURTHER && cell->further[i] != 0; i++) {
        if (cell->further[i] == status || (cell->further[i] == 503 && status == 500)) {
            return true;
        }
    }
    return false;
}
