/* What one key dealt with: who gives way, what lies within a window, across the wrap of the
 * milliseconds; and who comes back as a phone does. */
#include "facts.h"

#include "detectors/frame/limit.h"
#include "detectors/frame/phone.h"

enum { ROOM = 4 };

struct thing {
    struct phone phone;
    uint32_t own;
};

static struct thing things[ROOM];
static uint32_t used;

static struct thing *meet(uint32_t hash, uint32_t now_ms)
{
    struct thing *thing = remembered_find(things, used, sizeof *thing, hash);

    if (thing == NULL) {
        thing = remembered_place(things, &used, ROOM, sizeof *thing, now_ms);
        *thing = (struct thing){.phone.is = {.hash = hash, .first_ms = now_ms}, .own = hash};
    }
    thing->phone.is.last_ms = now_ms;
    return thing;
}

/* The clock wraps between the second and the third. */
static void test_gives_way(void **state)
{
    (void)state;
    used = 0;
    for (uint32_t i = 0; i < ROOM; i++) {
        assert_ptr_equal(meet(100 + i, UINT32_MAX - 1500 + i * 1000), &things[i]);
    }
    assert_int_equal(used, ROOM);
    assert_ptr_equal(meet(100, 2500), &things[0]); /* met again: the second is oldest now */
    assert_ptr_equal(meet(104, 2600), &things[1]);
    assert_null(remembered_find(things, used, sizeof things[0], 101));
    assert_ptr_equal(meet(105, 2700), &things[2]);
    assert_int_equal(used, ROOM);
    assert_int_equal(things[0].own, 100);
    assert_int_equal(remembered_age_ms(&things[0].phone.is, 2500), 2500 + 1501);
}

static void test_within(void **state)
{
    (void)state;
    const struct remembered thing = {.last_ms = UINT32_MAX - 99};

    assert_true(remembered_within(&thing, 899, NS_PER_S, NS_PER_DAY));
    assert_false(remembered_within(&thing, 900, NS_PER_S, NS_PER_DAY));
    assert_true(remembered_within(&thing, 900, NS_PER_HOUR, NS_PER_DAY));
    assert_false(remembered_within(&thing, 900, NS_PER_HOUR, NS_PER_S)); /* over its life */
}

static void test_limit(void **state)
{
    (void)state;
    const struct limit limit = {.window_ns = 10 * NS_PER_S, .threshold = 8};
    struct finding finding = {.count = 0};

    limit_tell(&limit, 9, 7000, "targets", &finding);
    assert_int_equal(finding.count, 9);
    assert_int_equal(finding.observed, 9);
    assert_int_equal(finding.threshold, 8);
    assert_true(finding.window_ns == limit.window_ns);
    assert_true(finding.span_ns == 7 * NS_PER_S);
    limit_tell(&limit, 9, 70000, "targets", &finding);
    assert_true(finding.span_ns == 10 * NS_PER_S);
}

static void test_phone(void **state)
{
    (void)state;
    static const struct {
        uint32_t call_id;
        uint32_t cseq;
        bool back;
    } rows[] = {
        {7, 6, true}, {7, 5, false}, {7, 4, false}, {8, 6, false}, {9, 6, false},
    };
    struct thing two[2] = {{.phone = {.call_id = 7, .cseq = 5}},
                           {.phone = {.call_id = 8, .cseq = 5}}};

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_int_equal(
            phone_is_back(two, 2, sizeof two[0], &two[0].phone, rows[i].call_id, rows[i].cseq),
            rows[i].back);
    }
    two[1].phone.call_id = 7; /* a tool's: two users share it */
    assert_false(phone_is_back(two, 2, sizeof two[0], &two[0].phone, 7, 6));
    assert_true(phone_is_back(two, 1, sizeof two[0], &two[0].phone, 7, 6));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gives_way),
        cmocka_unit_test(test_within),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_phone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
