/* transaction_below.c - whether a request was seen on a hop below.
 *
 * A request that came through proxies looks for itself under its lower Vias. Looking there needs no
 * memory of hops: the lower transaction is still open when the upper one comes by.
 *
 * Limits: LOWER_HOPS_MAX Vias are looked at; an upper hop that is seen before the lower one counts
 * as a lowest. */
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

bool transaction_was_seen_below(const struct transaction_table *table,
                                const struct sip_sighting *sip)
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
        if (table_find(&table->cells, sip_keys_transaction(table->key, &below, message,
                                                           message->method)) != TABLE_NONE) {
            return true;
        }
    }
    return false;
}
