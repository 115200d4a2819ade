/* JSON of programs that are not trusted: good texts are walked, all others are nothing. */
#include "tests/unit/base/unit.h"

#include "outputs/json_read.h"

static struct json_value read_text(const char *text)
{
    return json_read(slice_of_string(text));
}

static void takes_what_is_json(void **state)
{
    static const struct {
        const char *text;
        enum json_kind kind;
    } rows[] = {
        {"{}", JSON_OBJECT},
        {" {\"a\": [1, -2.5e+3, \"x\\u00e4\\n\", true, false, null]} \n", JSON_OBJECT},
        {"[]", JSON_ARRAY},
        {"\"\"", JSON_TEXT},
        {"0", JSON_NUMBER},
        {"-0.5", JSON_NUMBER},
        {"true", JSON_TRUE},
        {"null", JSON_NULL},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_int_equal(read_text(rows[i].text).kind, rows[i].kind);
    }
}

static void refuses_what_is_not(void **state)
{
    static const char *const rows[] = {
        "",     "{",     "}",      "{\"a\"}",  "{\"a\":}", "{\"a\":1,}",  "{a:1}",
        "[1,]", "[1 2]", "[",      "\"",       "\"\\x\"",  "\"\\u12g4\"", "\"\n\"",
        "01",   "1.",    "-",      "1e",       "tru",      "{} {}",       "{},\"target\":{}",
        "nul",  "\"\\",  "[\"a\"", "{\"a\":1", "--1",      "+1",          "\"\\u12",
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (read_text(rows[i]).kind != JSON_NONE) {
            fail_msg("'%s' was taken", rows[i]);
        }
    }
}

static void depth_is_bounded(void **state)
{
    char text[4096];
    (void)state;
    memset(text, '[', sizeof text);
    assert_int_equal(json_read(slice_of(text, sizeof text)).kind, JSON_NONE);
    memset(text, '[', 20);
    memset(text + 20, ']', 20);
    assert_int_equal(json_read(slice_of(text, 40)).kind, JSON_ARRAY);
    memset(text, '[', 100);
    memset(text + 100, ']', 100);
    assert_int_equal(json_read(slice_of(text, 200)).kind, JSON_NONE);
}

static void finds_members_and_items(void **state)
{
    struct json_value whole =
        read_text("{ \"ok\" : true, \"n\":12, \"targets\": [ {\"value\":\"192.0.2.1\"} , "
                  "\"b\"], \"n\": 13, \"o\":{\"n\":1} }");
    struct json_value item;
    uint64_t number = 0;
    size_t at = 0;
    (void)state;
    assert_int_equal(json_member(whole, "ok").kind, JSON_TRUE);
    assert_true(json_whole(json_member(whole, "n"), &number));
    assert_int_equal(number, 13);
    assert_int_equal(json_member(whole, "none").kind, JSON_NONE);
    struct json_value targets = json_member(whole, "targets");
    assert_true(json_item(targets, &at, &item));
    assert_slice(json_member(item, "value").text, "192.0.2.1");
    assert_true(json_item(targets, &at, &item));
    assert_slice(item.text, "b");
    assert_false(json_item(targets, &at, &item));
    at = 0;
    assert_false(json_item(read_text("[ ]"), &at, &item));
    assert_int_equal(json_member(read_text("{ }"), "a").kind, JSON_NONE);
    assert_false(json_whole(read_text("-1"), &number));
    assert_false(json_whole(read_text("1.5"), &number));
    assert_false(json_whole(read_text("99999999999999999999999"), &number));
}

/* No cut of a good text is good, and no flipped bit is read outside of it. */
static void stands_any_damage(void **state)
{
    static const char good[] =
        "{\"targets\":[{\"type\":\"ip\",\"value\":\"192.0.2.1\"}],\"n\":-1.5e2}";
    char text[sizeof good];
    (void)state;
    for (size_t bytes = 0; bytes + 1 < sizeof good; bytes++) {
        assert_int_equal(json_read(slice_of(good, bytes)).kind, JSON_NONE);
    }
    for (size_t bit = 0; bit < (sizeof good - 1) * 8; bit++) {
        memcpy(text, good, sizeof good);
        text[bit / 8] = (char)(text[bit / 8] ^ (1 << bit % 8));
        struct json_value value = json_read(slice_of(text, sizeof good - 1));
        struct json_value targets = json_member(value, "targets");
        struct json_value item;
        size_t at = 0;
        while (json_item(targets, &at, &item)) {
            (void)json_member(item, "value");
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_what_is_json), cmocka_unit_test(refuses_what_is_not),
        cmocka_unit_test(depth_is_bounded),   cmocka_unit_test(finds_members_and_items),
        cmocka_unit_test(stands_any_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
