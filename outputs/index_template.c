/* index_template.c - fields.def as an index template for data streams logs-earshot.DATASET-NAMESPACE.
 *
 * One template for all datasets: a name means the same in each of them, so a search over logs-earshot.*
 * meets no two types, and fields that a dataset never fills cost its index nothing. The body holds only
 * what OpenSearch and Elasticsearch both know.
 *
 *   keyword, hash   keyword, without ignore_above: text is at most 256 bytes, nothing drops out of a search
 *   text            text                     address   ip: searched by prefix ("192.0.2.0/24")
 *   decimal         scaled_float by 1000: thousandths stay exact; a float would not hold an hour of them
 *   date            date_nanos: microseconds order a request and its answer; our times end with the
 *                   year 2262, as date_nanos does
 *   counts          an object that takes new names, each a long: they can be summed. (flat_object and
 *                   flattened hold words, and neither product knows the other's.)
 *   objects         an object that takes new names, text as keyword
 *
 * All else is strict and coerces nothing: a field that is in no row, or text where a number belongs, is
 * refused instead of being taken for something. date_detection is off: else the first text in an object
 * that looks like a date would make the field one, and an attacker could choose it.
 *
 * Priority: above 500, where Elastic's own packages end; its logs-*-* has 100. */
#include "outputs/index_template.h"

#include "outputs/field_tree.h"

static const char *const types[] = {
    [FIELD_KEYWORD] = "\"type\": \"keyword\"",
    [FIELD_TEXT] = "\"type\": \"text\"",
    [FIELD_ADDRESS] = "\"type\": \"ip\"",
    [FIELD_LONG] = "\"type\": \"long\"",
    [FIELD_DECIMAL] = "\"type\": \"scaled_float\", \"scaling_factor\": 1000",
    [FIELD_BOOL] = "\"type\": \"boolean\"",
    [FIELD_DATE] = "\"type\": \"date_nanos\"",
    [FIELD_COUNTS] = "\"type\": \"object\", \"dynamic\": true",
    [FIELD_OBJECTS] = "\"type\": \"object\", \"dynamic\": true",
    [FIELD_HASH] = "\"type\": \"keyword\"",
};

/* Where a word without a field's name is looked for. With every name that counts can bring an index
 * has about 1,850 fields, and a search in all fields fails at 1,024: odd status codes would end it. */
static const enum field searched[] = {
    FIELD_ID_MESSAGE,     FIELD_ID_RULE_ID,      FIELD_ID_RULE_NAME,
    FIELD_ID_SIP_CALL_ID, FIELD_ID_RELATED_USER, FIELD_ID_RELATED_HOSTS,
};

static void indent(FILE *out, unsigned depth)
{
    fprintf(out, "%*s", (int)(8 + 2 * depth), "");
}

static void open_object(void *owner, struct slice name, unsigned depth, bool first)
{
    fputs(first ? "" : ",\n", owner);
    indent(owner, depth);
    fprintf(owner, "\"%.*s\": {\"properties\": {\n", (int)name.bytes, name.at);
}

static void print_leaf(void *owner, struct slice name, unsigned depth, bool first, enum field field)
{
    fputs(first ? "" : ",\n", owner);
    indent(owner, depth);
    fprintf(owner, "\"%.*s\": {%s}", (int)name.bytes, name.at, types[field_rows[field].type]);
}

static void close_object(void *owner, unsigned depth)
{
    fputs("\n", owner);
    indent(owner, depth);
    fputs("}}", owner);
}

/* What text becomes in the objects that take new names; numbers and truths become themselves. In a
 * map of counts that is a number, so text is refused. */
static void print_open_objects(FILE *out)
{
    const char *separator = "";

    for (unsigned i = 0; i < FIELD_COUNT; i++) {
        const struct field_row *row = &field_rows[i];
        if (row->type != FIELD_COUNTS && row->type != FIELD_OBJECTS) {
            continue;
        }
        fprintf(
            out,
            "%s\n        {\"%s\": {\"path_match\": \"%s.*\", \"match_mapping_type\": \"string\", "
            "\"mapping\": {%s}}}",
            separator, row->name, row->name,
            types[row->type == FIELD_COUNTS ? FIELD_LONG : FIELD_KEYWORD]);
        separator = ",";
    }
}

static void print_settings(FILE *out)
{
    fprintf(out,
            "    \"settings\": {\n      \"index.mapping.coerce\": false,\n"
            "      \"index.mapping.total_fields.limit\": %d,\n"
            "      \"index.query.default_field\": [",
            INDEX_TEMPLATE_FIELDS_MAX);
    for (size_t i = 0; i < sizeof searched / sizeof searched[0]; i++) {
        fprintf(out, "%s\"%s\"", i == 0 ? "" : ", ", field_rows[searched[i]].name);
    }
    fputs("]\n    },\n", out);
}

void index_template_print(FILE *out)
{
    const struct field_tree_visitor visitor = {
        .owner = out, .open = open_object, .leaf = print_leaf, .close = close_object};

    fputs(
        "{\n  \"index_patterns\": [\"logs-earshot.*-*\"],\n  \"data_stream\": {},\n"
        "  \"priority\": 501,\n  \"version\": 1,\n"
        "  \"_meta\": {\"description\": \"records of earshot, schema 1; printed by earshot --docs "
        "template\"},\n  \"template\": {\n",
        out);
    print_settings(out);
    fputs("    \"mappings\": {\n      \"dynamic\": \"strict\",\n      \"date_detection\": false,\n"
          "      \"dynamic_templates\": [",
          out);
    print_open_objects(out);
    fputs("\n      ],\n      \"properties\": {\n", out);
    field_tree_walk(&visitor);
    fputs("\n      }\n    }\n  }\n}\n", out);
}
