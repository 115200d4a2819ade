/* encode_json.h - a record as one ECS JSON object on one line.
 *
 * Owns      its literals: keys, heads and the sensor's identity are put together once, at open.
 * Borrows   the record and the room for the text during a call.
 * Time      prints the record's; event.created is an argument.
 * Bounds    ENCODE_JSON_BYTES_MAX holds any record.
 * Errors    open: memory.
 * Thread    one at a time for each encoder (it remembers the day and some flows). */
#ifndef OUTPUTS_ENCODE_JSON_H
#define OUTPUTS_ENCODE_JSON_H

#include "outputs/record.h"

/* Every byte of a value as \u00XX, and a key for every field. */
enum { ENCODE_JSON_BYTES_MAX = 512 << 10 };

struct encode_json;

MUST_USE enum status encode_json_open(const struct record_identity *identity,
                                      struct encode_json **out_encoder, struct error *error);
void encode_json_close(struct encode_json *encoder);
/* Writes the object, without a line end, into `out` (room for ENCODE_JSON_BYTES_MAX); returns its
 * bytes. `created_ns`: the wall clock of live operation, 0 to leave event.created out. */
size_t encode_json(struct encode_json *encoder, const struct record *record, uint64_t created_ns,
                   char *out);

#endif
