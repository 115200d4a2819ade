/* schema.h - the records as a JSON Schema, and their fields as a page, printed from fields.def.
 *
 * Owns      nothing.
 * Borrows   the stream during the call.
 * Time      none.
 * Bounds    none of its own.
 * Errors    those of the stream: ask ferror() of it.
 * Thread    any. */
#ifndef OUTPUTS_SCHEMA_H
#define OUTPUTS_SCHEMA_H

#include "outputs/record.h"

/* JSON Schema, draft 2020-12, of one record of any dataset. */
void schema_print(FILE *out);
/* docs/records.md: datasets, then every field with type, privacy class, unit and meaning. */
void schema_print_page(FILE *out);
/* One field in full, for --explain. */
void schema_explain(FILE *out, enum field field);

#endif
