/* encode_cef.h - a record as one line of the Common Event Format, for collectors that know no JSON.
 *
 * Owns      its literals: what is the same in all records is put together once, at open.
 * Borrows   the record and the room for the text during a call.
 * Time      prints the record's, in milliseconds since the epoch, as the format wants them.
 * Bounds    ENCODE_CEF_BYTES_MAX holds any record.
 * Errors    open: memory.
 * Thread    one at a time for each encoder. */
#ifndef OUTPUTS_ENCODE_CEF_H
#define OUTPUTS_ENCODE_CEF_H

#include "outputs/record.h"

/* Every byte of a value as \\xNN, and a key with its label for every field. */
enum { ENCODE_CEF_BYTES_MAX = 512 << 10 };

struct encode_cef;

MUST_USE enum status encode_cef_open(const struct record_identity *identity,
                                     struct encode_cef **out_encoder, struct error *error);
void encode_cef_close(struct encode_cef *encoder);
/* Writes the line, without its end, into `out` (room for ENCODE_CEF_BYTES_MAX); returns its bytes. */
size_t encode_cef(struct encode_cef *encoder, const struct record *record, char *out);

#endif
