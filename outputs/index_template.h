/* index_template.h - the index template of OpenSearch and Elasticsearch, printed from fields.def.
 *
 * Owns      nothing.
 * Borrows   the stream during the call.
 * Time      none.
 * Bounds    INDEX_TEMPLATE_FIELDS_MAX fields in one index.
 * Errors    those of the stream: ask ferror() of it.
 * Thread    any. */
#ifndef OUTPUTS_INDEX_TEMPLATE_H
#define OUTPUTS_INDEX_TEMPLATE_H

#include "outputs/record.h"

/* What an index may hold: the rows and the objects around them, and every name that a map of counts
 * can bring (reasons, anomalies, methods, the 600 status codes). A store refuses records beyond it,
 * so it must never be reached, whatever the wire brings: tests/servers/opensearch.py sends them all. */
#define INDEX_TEMPLATE_FIELDS_MAX 3000

/* The body of PUT _index_template/earshot. */
void index_template_print(FILE *out);

#endif
