/* The list of fields holds what encoders and consumers rely on: order, names, and real ECS names
 * with their types. */
#include "outputs_test.h"

static size_t object_bytes(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot == NULL ? 0 : (size_t)(dot - name) + 1;
}

/* Once an object has been left, nothing may come back to it: else its name would stand twice in the
 * JSON. */
static void keeps_equal_prefixes_together(void **state)
{
    (void)state;
    for (unsigned i = 0; i < FIELD_COUNT; i++) {
        for (size_t bytes = 1; bytes <= object_bytes(field_rows[i].name); bytes++) {
            bool left = false;
            if (field_rows[i].name[bytes - 1] != '.') {
                continue;
            }
            for (unsigned k = i + 1; k < FIELD_COUNT; k++) {
                bool inside = strncmp(field_rows[k].name, field_rows[i].name, bytes) == 0;
                if (inside && left) {
                    fail_msg("%s stands apart from %s", field_rows[k].name, field_rows[i].name);
                }
                left |= !inside;
            }
        }
    }
}

static void names_each_field_once(void **state)
{
    (void)state;
    for (unsigned i = 0; i < FIELD_COUNT; i++) {
        const struct field_row *row = &field_rows[i];
        size_t bytes = strlen(row->name);
        assert_int_equal(field_find(slice_of_string(row->name)), i);
        assert_true(row->meaning[0] != 0);
        for (unsigned k = 0; k < FIELD_COUNT; k++) {
            /* a name is a value or an object, never both */
            assert_false(strncmp(field_rows[k].name, row->name, bytes) == 0 &&
                         field_rows[k].name[bytes] == '.');
        }
        assert_int_equal(strncmp(row->name, "sip.", 4) == 0 || strncmp(row->name, "rtp.", 4) == 0 ||
                             strncmp(row->name, "earshot.", 8) == 0,
                         !row->ecs);
    }
    assert_int_equal(field_find(SLICE("sip.nothing")), FIELD_COUNT);
    assert_int_equal(field_find(SLICE_NONE), FIELD_COUNT);
}

/* Elastic's rules and Packetbeat: every sip.* value is text, except two. */
static void keeps_sip_values_text(void **state)
{
    (void)state;
    for (unsigned i = 0; i < FIELD_COUNT; i++) {
        if (strncmp(field_rows[i].name, "sip.", 4) == 0) {
            bool number = i == FIELD_ID_SIP_CONTENT_LENGTH || i == FIELD_ID_SIP_MAX_FORWARDS;
            assert_int_equal(field_rows[i].type, number ? FIELD_LONG : FIELD_KEYWORD);
        }
    }
}

static void uses_real_ecs_names(void **state)
{
    FILE *list = fopen("tests/check/ecs_fields.txt", "r");
    char line[256];
    char expected[256];
    unsigned at = 0;
    (void)state;

    assert_non_null(list);
    while (fgets(line, sizeof line, list) != NULL) {
        if (line[0] == '#') {
            continue;
        }
        while (at < FIELD_COUNT && !field_rows[at].ecs) {
            at++;
        }
        assert_true(at < FIELD_COUNT);
        const struct field_row *row = &field_rows[at++];
        (void)snprintf(expected, sizeof expected, "%s %s %s\n", row->name,
                       field_type_name(row->type), row->list ? "array" : "one");
        assert_string_equal(line, expected);
    }
    while (at < FIELD_COUNT) {
        assert_false(field_rows[at++].ecs);
    }
    (void)fclose(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_equal_prefixes_together),
        cmocka_unit_test(names_each_field_once),
        cmocka_unit_test(keeps_sip_values_text),
        cmocka_unit_test(uses_real_ecs_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
