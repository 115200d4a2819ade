/* The index template holds every row of fields.def once, at its place and with its type, and is
 * strict wherever names are not the wire's. (That it is JSON, and that OpenSearch takes it, is shown by
 * tests/servers/opensearch.py.) */
#include "outputs/index_template.h"
#include "outputs_test.h"

static char *printed(void)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);

    assert_non_null(out);
    index_template_print(out);
    assert_int_equal(fclose(out), 0);
    return text;
}

static size_t times(const char *text, const char *part)
{
    size_t count = 0;

    for (const char *at = text; (at = strstr(at, part)) != NULL; at += strlen(part)) {
        count++;
    }
    return count;
}

/* The text behind `"name": {` at `depth` objects, from `at` on; NULL where there is none. */
static const char *member(const char *at, struct slice name, unsigned depth)
{
    char line[128];
    int bytes = snprintf(line, sizeof line, "\n%*s\"%.*s\": {", (int)(8 + 2 * depth), "",
                         (int)name.bytes, name.at);

    assert_true(bytes > 0 && (size_t)bytes < sizeof line);
    const char *found = strstr(at, line);
    return found == NULL ? NULL : found + bytes;
}

static const char *type_of(enum field_type type)
{
    static const char *const types[] = {
        [FIELD_KEYWORD] = "\"type\": \"keyword\"}",
        [FIELD_TEXT] = "\"type\": \"text\"}",
        [FIELD_ADDRESS] = "\"type\": \"ip\"}",
        [FIELD_LONG] = "\"type\": \"long\"}",
        [FIELD_DECIMAL] = "\"type\": \"scaled_float\", \"scaling_factor\": 1000}",
        [FIELD_BOOL] = "\"type\": \"boolean\"}",
        [FIELD_DATE] = "\"type\": \"date_nanos\"}",
        [FIELD_COUNTS] = "\"type\": \"object\", \"dynamic\": true}",
        [FIELD_OBJECTS] = "\"type\": \"object\", \"dynamic\": true}",
        [FIELD_HASH] = "\"type\": \"keyword\"}",
    };
    return types[type];
}

static void holds_each_field_at_its_place(void **state)
{
    char *text = printed();
    (void)state;

    const char *properties = strstr(text, "\n      \"properties\": {");
    assert_non_null(properties);
    for (unsigned i = 0; i < FIELD_COUNT; i++) {
        const struct field_row *row = &field_rows[i];
        struct slice rest = slice_of_string(row->name);
        const char *at = properties;
        unsigned depth = 0;
        for (; slice_find(rest, '.') < rest.bytes; depth++) {
            at = member(at, slice_split(&rest, '.'), depth);
            assert_non_null(at);
        }
        at = member(at, rest, depth);
        if (at == NULL || strncmp(at, type_of(row->type), strlen(type_of(row->type))) != 0) {
            fail_msg("%s is not in the template as %s", row->name, type_of(row->type));
        }
    }
    free(text);
}

/* Leaves below "properties" are as many as rows: with the test above each is there once, none else. */
static void holds_no_other_field(void **state)
{
    char *text = printed();
    (void)state;

    assert_int_equal(times(strstr(text, "\n      \"properties\": {"), "\"type\": \""), FIELD_COUNT);
    free(text);
}

static void opens_only_what_the_wire_names(void **state)
{
    char *text = printed();
    size_t open = 0;
    (void)state;

    for (unsigned i = 0; i < FIELD_COUNT; i++) {
        open += field_rows[i].type == FIELD_COUNTS || field_rows[i].type == FIELD_OBJECTS;
    }
    assert_true(open > 0);
    assert_int_equal(times(text, "\"dynamic\": \"strict\""), 1);
    assert_int_equal(times(text, "\"dynamic\": "), 1 + open);
    assert_int_equal(times(text, "\"path_match\": "), open);
    assert_int_equal(times(text, "ignore_above"), 0);
    assert_int_equal(times(text, "\"index.mapping.coerce\": false"), 1);
    free(text);
}

static void closes_what_it_opens(void **state)
{
    char *text = printed();
    (void)state;

    assert_int_equal(times(text, "{"), times(text, "}"));
    assert_int_equal(times(text, "["), times(text, "]"));
    assert_int_equal(times(text, "\"") % 2, 0);
    assert_int_equal(times(text, ",\n}"), 0);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(holds_each_field_at_its_place),
        cmocka_unit_test(holds_no_other_field),
        cmocka_unit_test(opens_only_what_the_wire_names),
        cmocka_unit_test(closes_what_it_opens),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
