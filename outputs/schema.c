/* schema.c - fields.def as a JSON Schema, so that a consumer can hold us to it and our tests do.
 *
 * Objects are closed (additionalProperties: false): a field that is in no row is a bug. Texts of
 * the rows hold no character that JSON would escape; the walk asserts it. */
#include "outputs/schema.h"

#include "outputs/field_tree.h"

#define DATE_SHAPE                                                                                 \
    "\"type\": \"string\", \"pattern\": "                                                          \
    "\"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[.][0-9]{6}Z$\""

static void indent(FILE *out, unsigned depth)
{
    fprintf(out, "%*s", (int)(2 * depth), "");
}

/* The shape of one value of a row. */
static const char *shape_of(enum field_type type)
{
    static const char *const shapes[] = {
        [FIELD_KEYWORD] = "\"type\": \"string\", \"minLength\": 1",
        [FIELD_TEXT] = "\"type\": \"string\", \"minLength\": 1",
        [FIELD_ADDRESS] = "\"type\": \"string\", \"pattern\": \"^[0-9a-f.:]{2,45}$\"",
        [FIELD_LONG] = "\"type\": \"integer\"",
        [FIELD_DECIMAL] = "\"type\": \"number\"",
        [FIELD_BOOL] = "\"type\": \"boolean\"",
        [FIELD_DATE] = DATE_SHAPE,
        [FIELD_COUNTS] = "\"type\": \"object\", \"additionalProperties\": {\"type\": \"integer\"}",
        [FIELD_OBJECTS] = "\"type\": \"object\"",
        [FIELD_HASH] = "\"type\": \"string\", \"pattern\": \"^[0-9a-f]{32}$\"",
    };
    return shapes[type];
}

static void print_words(FILE *out, bool kinds)
{
    for (unsigned i = 0; i < DATASET_COUNT; i++) {
        const char *word = kinds ? dataset_rows[i].kind : dataset_rows[i].name;
        bool seen = false;
        for (unsigned k = 0; k < i && kinds; k++) {
            seen |= strcmp(dataset_rows[k].kind, word) == 0;
        }
        if (!seen) {
            fprintf(out, "%s\"%s\"", i == 0 ? "" : ", ", word);
        }
    }
}

static void print_value(FILE *out, enum field field)
{
    const struct field_row *row = &field_rows[field];

    assert(strpbrk(row->meaning, "\"\\") == NULL);
    fprintf(out, "{\"description\": \"%s%s%s%s\", ", row->meaning, row->unit[0] == 0 ? "" : " (",
            row->unit, row->unit[0] == 0 ? "" : ")");
    if (field == FIELD_ID_EVENT_DATASET || field == FIELD_ID_EVENT_KIND) {
        fputs("\"enum\": [", out);
        print_words(out, field == FIELD_ID_EVENT_KIND);
        fputs("]}", out);
    } else if (row->list) {
        fprintf(out, "\"type\": \"array\", \"minItems\": 1, \"items\": {%s}}", shape_of(row->type));
    } else {
        fprintf(out, "%s}", shape_of(row->type));
    }
}

static void open_object(void *owner, struct slice name, unsigned depth, bool first)
{
    FILE *out = owner;

    fputs(first ? "" : ",\n", out);
    indent(out, 2 * depth + 2);
    fprintf(out,
            "\"%.*s\": {\"type\": \"object\", \"minProperties\": 1, "
            "\"additionalProperties\": false,%s\n",
            (int)name.bytes, name.at,
            slice_equal(name, SLICE("event"))
                ? " \"required\": [\"kind\", \"category\", \"type\", \"module\", \"dataset\", "
                  "\"id\", \"sequence\", \"action\"],"
                : "");
    indent(out, 2 * depth + 3);
    fputs("\"properties\": {\n", out);
}

static void print_leaf(void *owner, struct slice name, unsigned depth, bool first, enum field field)
{
    FILE *out = owner;

    fputs(first ? "" : ",\n", out);
    indent(out, 2 * depth + 2);
    fprintf(out, "\"%.*s\": ", (int)name.bytes, name.at);
    print_value(out, field);
}

static void close_object(void *owner, unsigned depth)
{
    fputs("\n", owner);
    indent(owner, 2 * depth + 3);
    fputs("}}", owner);
}

void schema_print(FILE *out)
{
    const struct field_tree_visitor visitor = {
        .owner = out, .open = open_object, .leaf = print_leaf, .close = close_object};

    fputs("{\n  \"$schema\": \"https://json-schema.org/draft/2020-12/schema\",\n"
          "  \"$id\": \"https://earshot.invalid/schema/1/record.json\",\n"
          "  \"title\": \"earshot record, schema 1\",\n  \"type\": \"object\",\n"
          "  \"required\": [\"@timestamp\", \"ecs\", \"event\", \"observer\", \"earshot\"],\n"
          "  \"additionalProperties\": false,\n  \"properties\": {\n",
          out);
    field_tree_walk(&visitor);
    fputs("\n  }\n}\n", out);
}

void schema_explain(FILE *out, enum field field)
{
    const struct field_row *row = &field_rows[field];

    fprintf(out, "%s\n  %s\n", row->name, row->meaning);
    fprintf(out, "  type     %s%s%s\n", field_type_name(row->type), row->list ? ", a list" : "",
            row->ecs ? "; a name of the Elastic Common Schema" : "");
    if (row->unit[0] != 0) {
        fprintf(out, "  unit     %s\n", row->unit);
    }
    if (row->privacy != PRIVACY_NONE) {
        fprintf(out, "  privacy  %s\n", field_privacy_name(row->privacy));
    }
}

void schema_print_page(FILE *out)
{
    fputs(
        "# Records\n\nOne JSON object a line; names without a mark in the column ECS are our own. "
        "A field that is not known is absent, never null or empty.\n\n## Datasets\n\n"
        "| dataset | kind | category | type | one record is |\n|---|---|---|---|---|\n",
        out);
    for (unsigned i = 0; i < DATASET_COUNT; i++) {
        const struct dataset_row *row = &dataset_rows[i];
        fprintf(out, "| `%s` | %s | %s | %s | %s |\n", row->name, row->kind, row->categories,
                row->types, row->help);
    }
    fputs("\n## Fields\n\n| field | type | ECS | privacy | unit | meaning "
          "|\n|---|---|---|---|---|---|\n",
          out);
    for (unsigned i = 0; i < FIELD_COUNT; i++) {
        const struct field_row *row = &field_rows[i];
        fprintf(out, "| `%s%s` | %s | %s | %s | %s | %s |\n", row->name, row->list ? "[]" : "",
                field_type_name(row->type), row->ecs ? "yes" : "",
                row->privacy == PRIVACY_NONE ? "" : field_privacy_name(row->privacy), row->unit,
                row->meaning);
    }
}
