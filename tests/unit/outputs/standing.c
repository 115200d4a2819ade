/* When a far end that is away is tried again, and what of it is worth a line. */
#include "outputs_test.h"

#include "outputs/standing.h"

static void pauses_double_until_something_is_taken(void **state)
{
    struct standing standing = {0};
    (void)state;

    for (uint64_t ms = 500; ms < 30000; ms *= 2) {
        assert_int_equal(standing_pause(&standing), ms * NS_PER_MS);
    }
    assert_int_equal(standing_pause(&standing), 30 * NS_PER_S);
    assert_int_equal(standing_pause(&standing), 30 * NS_PER_S);
    standing_took(&standing, NS_PER_S);
    assert_int_equal(standing_pause(&standing), NS_PER_S / 2);
}

static void an_outage_is_two_lines(void **state)
{
    struct standing standing = {0};
    (void)state;

    assert_false(standing_is_back(&standing, NS_PER_S)); /* it was never away */
    assert_true(standing_fell(&standing));
    assert_false(standing_fell(&standing));
    assert_false(standing_is_back(&standing, 100 * NS_PER_S)); /* it takes nothing */
    standing_took(&standing, 100 * NS_PER_S);
    standing_took(&standing, 104 * NS_PER_S);
    assert_false(standing_is_back(&standing, 104 * NS_PER_S));
    assert_true(standing_is_back(&standing, 105 * NS_PER_S));
    assert_false(standing_is_back(&standing, 106 * NS_PER_S));
}

/* Each second it takes one and throws out, for an hour; then each minute, for a day. */
static void one_that_lets_in_and_throws_out_is_away_once(void **state)
{
    struct standing standing = {0};
    unsigned lines = 0;
    (void)state;

    for (uint64_t s = 1; s < 3600; s++) {
        standing_took(&standing, s * NS_PER_S);
        lines += standing_is_back(&standing, s * NS_PER_S + NS_PER_MS);
        lines += standing_fell(&standing);
    }
    assert_int_equal(lines, 1);
    for (uint64_t s = 3600; s < 90000; s += 60) {
        standing_took(&standing, s * NS_PER_S);
        lines += standing_is_back(&standing, (s + 59) * NS_PER_S);
        lines += standing_fell(&standing);
    }
    assert_true(lines < 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pauses_double_until_something_is_taken),
        cmocka_unit_test(an_outage_is_two_lines),
        cmocka_unit_test(one_that_lets_in_and_throws_out_is_away_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
