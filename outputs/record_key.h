/* record_key.h - what orders the records of one thing: the key of a Kafka message.
 *
 * Owns      nothing.
 * Borrows   the record; the key is part of it, or printed into `out`. The namer of flows.
 * Time      none.
 * Bounds    RECORD_KEY_BYTES.
 * Errors    none: a record without such a thing has the observer's name.
 * Thread    one at a time for each namer of flows.
 *
 * Calls, messages, transactions and media of a call: the Call-ID. Media without one: five-tuple and
 * SSRC. Registrations: the address of record. Flows: the community id. Alerts: the entity. Responses:
 * the target. The sensor's own, and all else: the observer's name. Where names and numbers are hashed or masked, so
 * are they in the key: it is made of the record as the far end sees it. What no terminal should be
 * given stands as the text \xNN in it. */
#ifndef OUTPUTS_RECORD_KEY_H
#define OUTPUTS_RECORD_KEY_H

#include "outputs/community_id.h"
#include "outputs/record.h"

enum { RECORD_KEY_BYTES = 4 * RECORD_TEXT_MAX };

struct slice record_key(const struct record *record, const struct record_identity *identity,
                        struct community_id *community, char out[RECORD_KEY_BYTES]);

#endif
