/* What was called before: learnt at the end of answered calls, answered as it was at their start. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sensor/state/destinations.h"

#define START_NS (UINT64_C(1767600000) * NS_PER_S) /* Monday 08:00 */

static struct destination_table *open_table(uint32_t entries)
{
    struct destination_table *table;
    struct error error;

    assert_int_equal(destination_open(entries, HASH_KEY_FIXED, &table, &error), STATUS_OK);
    return table;
}

static uint64_t account_of(uint32_t number)
{
    return hash_bytes(HASH_KEY_FIXED, &number, sizeof number);
}

static struct destination_call call_to(uint32_t account, uint64_t e164, const char *country,
                                       uint64_t started_ns)
{
    uint64_t block = e164;

    while (block >= 10000000) {
        block /= 10;
    }
    return (struct destination_call){.account = account == 0 ? 0 : account_of(account),
                                     .source = account,
                                     .e164 = e164,
                                     .block = block,
                                     .country = country,
                                     .dialled = SLICE("00252612345678"),
                                     .abroad = true,
                                     .hour_of_week = 10,
                                     .started_ns = started_ns};
}

static struct destination_view ask(struct destination_table *table, struct destination_call call,
                                   uint64_t now_ns)
{
    struct destination_view view;

    destination_ask(table, &call, now_ns, &view);
    return view;
}

static void test_first_call(void **state)
{
    (void)state;
    struct destination_table *table = open_table(64);
    struct destination_call call = call_to(1, 252612345678, "SO", START_NS);
    struct destination_view view = ask(table, call, START_NS);

    assert_true(view.first_abroad && view.country_new_account && view.country_new_site &&
                view.block_new_site);
    assert_int_equal(view.weeks_called, 0);
    assert_int_equal(view.hour, DESTINATION_HOUR_UNKNOWN);
    /* it ends: what is said of it and of its parallel twin stays */
    uint64_t end_ns = START_NS + 60 * NS_PER_S;
    destination_learn(table, &call, end_ns);
    view = ask(table, call, end_ns);
    assert_true(view.first_abroad && view.country_new_account && view.country_new_site &&
                view.block_new_site);
    assert_int_equal(view.weeks_called, 0);
    struct destination_call twin = call_to(1, 252612345679, "SO", START_NS + 30 * NS_PER_S);
    assert_true(ask(table, twin, end_ns).block_new_site);
    /* the next one starts later */
    call.started_ns = end_ns + 2 * NS_PER_S;
    view = ask(table, call, call.started_ns);
    assert_false(view.first_abroad || view.country_new_account || view.country_new_site ||
                 view.block_new_site);
    assert_int_equal(view.weeks_called, 1);
    /* another block of the country, another country, another account */
    view = ask(table, call_to(1, 252907654321, "SO", call.started_ns), call.started_ns);
    assert_true(view.block_new_site && !view.country_new_account && !view.first_abroad);
    view = ask(table, call_to(1, 442079460001, "GB", call.started_ns), call.started_ns);
    assert_true(view.country_new_account && view.country_new_site && !view.first_abroad);
    view = ask(table, call_to(2, 252612345678, "SO", call.started_ns), call.started_ns);
    assert_true(view.country_new_account && view.first_abroad && !view.country_new_site &&
                !view.block_new_site);
    destination_close(table);
}

/* +870 and +881 are no countries, and not one place either. */
static void test_networks(void **state)
{
    (void)state;
    struct destination_table *table = open_table(64);
    struct destination_call call = call_to(1, 88161234567, "", START_NS);

    destination_learn(table, &call, START_NS);
    uint64_t later_ns = START_NS + NS_PER_HOUR;
    assert_false(ask(table, call_to(1, 88169999999, "", later_ns), later_ns).country_new_site);
    assert_true(ask(table, call_to(1, 870612345678, "", later_ns), later_ns).country_new_site);
    destination_close(table);
}

/* Known for 90 days from the last call. */
static void test_forgotten(void **state)
{
    (void)state;
    struct destination_table *table = open_table(64);
    struct destination_call call = call_to(1, 252612345678, "SO", START_NS);

    destination_learn(table, &call, START_NS);
    uint64_t later_ns = START_NS + 89 * NS_PER_DAY;
    call.started_ns = later_ns;
    assert_false(ask(table, call, later_ns).country_new_account);
    later_ns = START_NS + 92 * NS_PER_DAY;
    call.started_ns = later_ns;
    struct destination_view view = ask(table, call, later_ns);
    assert_true(view.country_new_account && view.country_new_site && view.first_abroad);
    assert_int_equal(view.weeks_called, 0);
    /* a block for 90 to 180: two generations pass only as others are learnt */
    assert_false(view.block_new_site);
    for (uint64_t step = 1; step < 3; step++) {
        struct destination_call other = call_to(2, 442079460001 + step * 1000000, "GB", later_ns);
        destination_learn(table, &other, later_ns);
        later_ns += 91 * NS_PER_DAY;
    }
    call.started_ns = later_ns;
    struct destination_call other = call_to(2, 442079460001, "GB", later_ns);
    destination_learn(table, &other, later_ns);
    assert_true(ask(table, call, later_ns).block_new_site);
    destination_close(table);
}

static void test_weeks(void **state)
{
    (void)state;
    struct destination_table *table = open_table(64);
    uint64_t now_ns = START_NS;

    for (unsigned week = 0; week < 6; week++) {
        struct destination_call call = call_to(1, 252612345678, "SO", now_ns);
        unsigned told = week < 3 ? week : 3;
        assert_int_equal(ask(table, call, now_ns).weeks_called, told);
        destination_learn(table, &call, now_ns + NS_PER_MINUTE);
        assert_int_equal(ask(table, call, now_ns + NS_PER_MINUTE).weeks_called, told);
        call.started_ns = now_ns + NS_PER_HOUR; /* the same week counts once */
        destination_learn(table, &call, now_ns + 2 * NS_PER_HOUR);
        now_ns += 7 * NS_PER_DAY;
    }
    destination_close(table);
}

static void test_hours(void **state)
{
    (void)state;
    struct destination_table *table = open_table(64);
    struct destination_call call = call_to(1, 12025550100, "US", START_NS);

    for (unsigned i = 0; i < 49; i++) {
        destination_learn(table, &call, START_NS - 14 * NS_PER_DAY);
    }
    struct destination_call night = call_to(1, 12025550100, "US", START_NS);
    night.hour_of_week = 3;
    assert_int_equal(ask(table, night, START_NS).hour, DESTINATION_HOUR_UNKNOWN);
    destination_learn(table, &call, START_NS);
    /* a young sensor finds every new hour rare */
    assert_int_equal(ask(table, night, START_NS - NS_PER_MINUTE).hour, DESTINATION_HOUR_UNKNOWN);
    assert_int_equal(ask(table, night, START_NS).hour, DESTINATION_HOUR_RARE);
    assert_int_equal(ask(table, call, START_NS).hour, DESTINATION_HOUR_USUAL);
    /* Tuesday at ten is a workday at ten, Saturday is not */
    call.hour_of_week = 24 + 10;
    assert_int_equal(ask(table, call, START_NS).hour, DESTINATION_HOUR_USUAL);
    call.hour_of_week = 5 * 24 + 10;
    assert_int_equal(ask(table, call, START_NS).hour, DESTINATION_HOUR_RARE);
    /* who has no history is measured by the site's */
    night.account = account_of(2);
    assert_int_equal(ask(table, night, START_NS).hour, DESTINATION_HOUR_RARE);
    /* one in fifty is not rare */
    night.account = account_of(1);
    destination_learn(table, &night, START_NS);
    destination_learn(table, &night, START_NS);
    assert_int_equal(ask(table, night, START_NS).hour, DESTINATION_HOUR_USUAL);
    /* counts are halved before one overflows */
    call.hour_of_week = 10;
    for (unsigned i = 0; i < 2000; i++) {
        destination_learn(table, &call, START_NS);
    }
    assert_int_equal(ask(table, call, START_NS).hour, DESTINATION_HOUR_USUAL);
    assert_int_equal(ask(table, night, START_NS).hour, DESTINATION_HOUR_RARE);
    destination_close(table);
}

static void test_other_accounts(void **state)
{
    (void)state;
    struct destination_table *table = open_table(64);
    uint64_t now_ns = START_NS;

    for (uint32_t account = 1; account < 7; account++) {
        struct destination_call call = call_to(account, 252612345678, "SO", now_ns);
        unsigned told = account - 1 < 3 ? account - 1 : 3;
        destination_try(table, &call, now_ns);
        destination_try(table, &call, now_ns);
        assert_int_equal(ask(table, call, now_ns).block_accounts, told);
        now_ns += NS_PER_MINUTE;
    }
    struct destination_call call = call_to(1, 252612345678, "SO", now_ns);
    assert_int_equal(ask(table, call, now_ns + NS_PER_HOUR).block_accounts, 0);
    destination_close(table);
}

static void test_prefixes(void **state)
{
    (void)state;
    static const char *const tries[] = {"252612345678",    "0252612345678",  "00252612345678",
                                        "900252612345678", "0252612345678",  "011252612345678",
                                        "9252612345678",   "99252612345678", "8252612345678"};
    static const unsigned told[] = {1, 2, 3, 4, 4, 5, 6, 7, 7};
    struct destination_table *table = open_table(64);
    struct destination_call call = call_to(1, 12025550100, "US", START_NS);

    for (unsigned i = 0; i < sizeof tries / sizeof tries[0]; i++) {
        call.dialled = slice_of_string(tries[i]);
        destination_try(table, &call, START_NS);
        assert_int_equal(ask(table, call, START_NS).prefixes_tried, told[i]);
    }
    call.source = 2; /* another source did not try */
    assert_int_equal(ask(table, call, START_NS).prefixes_tried, 0);
    call.source = 1;
    assert_int_equal(ask(table, call, START_NS + NS_PER_HOUR).prefixes_tried, 0);
    static const char *const none[] = {"", "1234567", "reception-desk", "0025261234567x"};
    for (unsigned i = 0; i < sizeof none / sizeof none[0]; i++) {
        call.dialled = slice_of_string(none[i]);
        destination_try(table, &call, START_NS);
        assert_int_equal(ask(table, call, START_NS).prefixes_tried, 0);
    }
    destination_close(table);
}

/* More of everything than there is room for: bounded, counted, and the filter does not fill up. */
static void test_bounds(void **state)
{
    (void)state;
    struct destination_table *table = open_table(1024);
    uint64_t now_ns = START_NS;
    unsigned known = 0;

    for (uint32_t i = 1; i <= 20000; i++) {
        struct destination_call call = call_to(i, UINT64_C(100000000000) + i * UINT64_C(100000),
                                               i % 2 == 0 ? "SO" : "GB", now_ns);
        known += !ask(table, call, now_ns).block_new_site;
        destination_try(table, &call, now_ns);
        destination_learn(table, &call, now_ns);
        now_ns += 2 * NS_PER_S;
    }
    assert_true(known < 100); /* one in two hundred of 20,000 new blocks, at most */
    assert_true(destination_evicted(table) > 30000);
    for (uint32_t i = 19990; i <= 20000; i++) {
        struct destination_call call = call_to(i, UINT64_C(100000000000) + i * UINT64_C(100000),
                                               i % 2 == 0 ? "SO" : "GB", now_ns);
        struct destination_view view = ask(table, call, now_ns);
        assert_false(view.block_new_site || view.country_new_account);
    }
    /* nine countries of one account: the first is forgotten */
    static const char countries[][3] = {"AA", "BB", "CC", "DD", "EE", "FF", "GG", "HH", "II"};
    for (unsigned i = 0; i < 9; i++) {
        struct destination_call call = call_to(1, 10000000 + i, countries[i], now_ns);
        destination_learn(table, &call, now_ns);
        now_ns += NS_PER_DAY;
    }
    for (unsigned i = 0; i < 9; i++) {
        struct destination_call call = call_to(1, 10000000 + i, countries[i], now_ns);
        assert_int_equal(ask(table, call, now_ns).country_new_account, i == 0);
    }
    destination_close(table);
}

/* A clock that jumps makes nothing older; a copy of the memory remembers the same. */
static void test_shift_and_copy(void **state)
{
    (void)state;
    struct destination_table *table = open_table(64);
    struct destination_table *copy = open_table(64);
    struct destination_call call = call_to(1, 252612345678, "SO", START_NS);
    struct destination_table *other = open_table(1024);
    struct snapshot_part from;
    struct snapshot_part to;

    destination_try(table, &call, START_NS);
    destination_learn(table, &call, START_NS);
    destination_shift(table, 365 * NS_PER_DAY);
    uint64_t now_ns = START_NS + 365 * NS_PER_DAY + NS_PER_MINUTE;
    destination_part(table, &from);
    struct snapshot_out out = {.at = malloc(from.bytes_max), .room = from.bytes_max};
    from.save(from.owner, &out);
    assert_false(out.overflow);
    assert_int_equal(out.entries, 2); /* an account and a number */
    struct snapshot_in in = {.at = out.at, .bytes = out.bytes, .now_ns = now_ns};
    destination_part(copy, &to);
    assert_int_equal(to.layout, from.layout);
    assert_true(to.load(to.owner, &in));
    destination_part(other, &to);
    assert_int_not_equal(to.layout, from.layout);
    for (size_t bytes = 0; bytes < out.bytes; bytes += 1 + bytes / 2) {
        in = (struct snapshot_in){.at = out.at, .bytes = bytes, .now_ns = now_ns};
        assert_false(from.load(from.owner, &in));
    }
    /* any bytes will do: nothing is an index, and no time lies ahead */
    memset(out.at, 0xff, out.bytes);
    in = (struct snapshot_in){.at = out.at, .bytes = out.bytes, .now_ns = now_ns};
    (void)from.load(from.owner, &in);
    destination_learn(table, &call, now_ns);
    (void)ask(table, call, now_ns);
    free(out.at);
    call.started_ns = now_ns;
    struct destination_view view = ask(copy, call, now_ns);
    assert_false(view.first_abroad || view.country_new_account || view.country_new_site ||
                 view.block_new_site);
    assert_int_equal(view.weeks_called, 1);
    assert_int_equal(view.prefixes_tried, 1);
    destination_close(other);
    destination_close(copy);
    destination_close(table);
}

/* A run counts what it evicted itself. */
static void test_counts_are_not_kept(void **state)
{
    (void)state;
    struct destination_table *table = open_table(8);
    struct destination_table *copy = open_table(8);
    struct snapshot_part from;
    struct snapshot_part to;

    for (uint32_t i = 1; i <= 16; i++) {
        struct destination_call call = call_to(i, 252612345000 + i, "SO", START_NS);
        destination_learn(table, &call, START_NS);
    }
    assert_int_equal(destination_evicted(table), 16); /* eight accounts, eight numbers */
    destination_part(table, &from);
    destination_part(copy, &to);
    struct snapshot_out out = {.at = malloc(from.bytes_max), .room = from.bytes_max};
    assert_non_null(out.at);
    from.save(from.owner, &out);
    struct snapshot_in in = {.at = out.at, .bytes = out.bytes, .now_ns = START_NS};
    assert_true(to.load(to.owner, &in));
    assert_int_equal(destination_evicted(copy), 0);
    free(out.at);
    destination_close(copy);
    destination_close(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_call),     cmocka_unit_test(test_networks),
        cmocka_unit_test(test_forgotten),      cmocka_unit_test(test_weeks),
        cmocka_unit_test(test_hours),          cmocka_unit_test(test_other_accounts),
        cmocka_unit_test(test_prefixes),       cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_shift_and_copy), cmocka_unit_test(test_counts_are_not_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
