/* record_key.h - what orders the records of one thing: the key of a Kafka message.
 *
 * Owns      nothing.
 * Borrows   the record; the key is part of it, or printed into `out`.
 * Time      none.
 * Bounds    RECORD_KEY_BYTES.
 * Errors    none: a record without such a thing has the observer's name.
 * Thread    any.
 *
 * Calls, messages, transactions and media of a call: the Call-ID. Media without one: five-tuple and
 * SSRC. Registrations: the address of record. Flows: the community id. Alerts: the entity. Responses:
 * the target. The sensor's own: the observer's name. */
#ifndef OUTPUTS_RECORD_KEY_H
#define OUTPUTS_RECORD_KEY_H

#include "outputs/record.h"

enum { RECORD_KEY_BYTES = 512 };

struct slice record_key(const struct record *record, const struct record_identity *identity,
                        char out[RECORD_KEY_BYTES]);

#endif
