/* Known accounts and devices: by site or device, for 30 days, the eight latest. */
#include "wire.h"

#include "sensor/state/devices.h"

#define DAY NS_PER_DAY

static struct device_table *open_table(uint32_t accounts_max)
{
    struct device_table *table = NULL;
    struct error error;

    assert_int_equal(device_open(accounts_max, HASH_KEY_FIXED, &table, &error), STATUS_OK);
    return table;
}

static struct device_view ask(const struct device_table *table, uint64_t account, const char *addr,
                              uint64_t device, uint64_t now_ns)
{
    struct endpoint from = wire_endpoint(addr);
    struct device_view view;

    device_ask(table, account, &from.addr, device, now_ns, &view);
    return view;
}

static void success(struct device_table *table, uint64_t account, const char *addr, uint64_t device,
                    uint64_t now_ns)
{
    struct endpoint from = wire_endpoint(addr);

    device_success(table, account, &from.addr, device, now_ns);
}

static void failure(struct device_table *table, uint64_t account, const char *addr, uint64_t now_ns)
{
    struct endpoint from = wire_endpoint(addr);

    device_failure(table, account, &from.addr, now_ns);
}

static void known(void **unused)
{
    static const struct {
        const char *what;
        uint64_t account;
        const char *addr;
        uint64_t device;
        uint64_t later_ns;
        bool account_known;
        bool device_known;
        bool place_known;
    } rows[] = {
        {"same", 7, "192.0.2.9:1", 5, 0, true, true, true},
        {"same site", 7, "192.0.2.200:1", 6, 0, true, true, true},
        {"same device elsewhere", 7, "198.51.100.1:1", 5, 0, true, true, false},
        {"other device elsewhere", 7, "198.51.100.1:1", 6, 0, true, false, false},
        {"no device elsewhere", 7, "198.51.100.1:1", 0, 0, true, false, false},
        {"next site", 7, "192.0.3.9:1", 6, 0, true, false, false},
        {"other account", 8, "192.0.2.9:1", 5, 0, false, false, false},
        {"no account", 0, "192.0.2.9:1", 5, 0, false, false, false},
        {"30 days", 7, "192.0.2.9:1", 5, 30 * DAY, true, true, true},
        {"30 days and a second", 7, "192.0.2.9:1", 5, 30 * DAY + NS_PER_S, true, false, false},
        {"packets out of order", 7, "192.0.2.9:1", 5, 0, true, true, true},
    };
    struct device_table *table = open_table(16);
    (void)unused;

    success(table, 7, "192.0.2.9:1", 5, WIRE_START_NS);
    success(table, 0, "192.0.2.9:1", 5, WIRE_START_NS);
    assert_int_equal(device_used(table), 1);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct device_view view = ask(table, rows[i].account, rows[i].addr, rows[i].device,
                                      WIRE_START_NS + rows[i].later_ns);
        if (view.account_known != rows[i].account_known ||
            view.device_known != rows[i].device_known || view.place_known != rows[i].place_known) {
            fail_msg("%s: %d %d", rows[i].what, view.account_known, view.device_known);
        }
    }
    device_close(table);
}

static void ipv6_site(void **unused)
{
    struct device_table *table = open_table(4);
    (void)unused;

    success(table, 7, "[2001:db8:1::9]:1", 0, WIRE_START_NS);
    assert_true(ask(table, 7, "[2001:db8:1:ffff::1]:1", 0, WIRE_START_NS).device_known);
    assert_false(ask(table, 7, "[2001:db8:2::9]:1", 0, WIRE_START_NS).device_known);
    device_close(table);
}

static void failures(void **unused)
{
    struct device_table *table = open_table(4);
    (void)unused;

    for (unsigned i = 1; i <= 3; i++) {
        failure(table, 7, "192.0.2.9:1", WIRE_START_NS + i);
        assert_int_equal(ask(table, 7, "192.0.2.9:1", 0, WIRE_START_NS).failures, i);
    }
    failure(table, 0, "192.0.2.9:1", WIRE_START_NS);
    assert_false(ask(table, 7, "192.0.2.9:1", 0, WIRE_START_NS).account_known);
    success(table, 7, "192.0.2.9:1", 0, WIRE_START_NS + 9);
    assert_int_equal(ask(table, 7, "192.0.2.9:1", 0, WIRE_START_NS).failures, 0);
    assert_int_equal(device_used(table), 1);
    device_close(table);
}

/* New is what came to an account that had a device, for a day: at its site, or by its name at another.
 * The first of all is not, nor what is known by its site or its name. */
static void newest(void **unused)
{
    static const struct {
        const char *what;
        const char *addr;
        uint64_t device;
        uint64_t later_ns;
        bool device_new;
    } rows[] = {
        {"the new one", "203.0.113.9:1", 6, 0, true},
        {"another there", "203.0.113.10:1", 9, 0, true},
        {"its name elsewhere", "198.51.100.1:1", 6, 0, true},
        {"its name at home", "192.0.2.9:1", 6, 0, false},
        {"the old one", "192.0.2.9:1", 5, 0, false},
        {"the old one elsewhere", "198.51.100.1:1", 5, 0, false},
        {"a stranger", "198.51.100.1:1", 7, 0, false},
        {"an hour short of a day", "203.0.113.9:1", 6, 23 * NS_PER_HOUR, true},
        {"a day", "203.0.113.9:1", 6, DAY + NS_PER_HOUR, false},
    };
    (void)unused;

    for (unsigned moved = 0; moved < 2; moved++) {
        struct device_table *table = open_table(16);
        uint64_t start_ns = WIRE_START_NS;
        success(table, 7, "192.0.2.9:1", 5, start_ns);
        assert_false(ask(table, 7, "192.0.2.9:1", 5, start_ns).device_new);
        success(table, 7, "192.0.2.9:1", 8, start_ns); /* another at home */
        assert_false(ask(table, 7, "192.0.2.9:1", 8, start_ns).device_new);
        success(table, 7, "203.0.113.9:1", 6, start_ns);
        success(table, 7, "203.0.113.9:1", 6, start_ns + NS_PER_MINUTE); /* it comes again */
        if (moved == 1) {
            device_shift(table, 40 * DAY);
            start_ns += 40 * DAY;
        }
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
            struct device_view view =
                ask(table, 7, rows[i].addr, rows[i].device, start_ns + rows[i].later_ns);
            if (view.device_new != rows[i].device_new) {
                fail_msg("%s: %d, moved %u", rows[i].what, view.device_new, moved);
            }
        }
        device_close(table);
    }
}

/* The ninth mark pushes out the one that succeeded longest ago, a repeated one counts once. */
static void marks(void **unused)
{
    struct device_table *table = open_table(4);
    char addr[32];
    (void)unused;

    for (unsigned i = 0; i < DEVICE_MARKS; i++) {
        (void)snprintf(addr, sizeof addr, "192.0.%u.1:1", i);
        success(table, 7, addr, 0, WIRE_START_NS + i * NS_PER_S);
    }
    success(table, 7, "192.0.0.1:1", 0,
            WIRE_START_NS + 20 * NS_PER_S); /* now site 1 is the oldest */
    success(table, 7, "192.0.8.1:1", 0, WIRE_START_NS + 21 * NS_PER_S);
    for (unsigned i = 0; i <= DEVICE_MARKS; i++) {
        (void)snprintf(addr, sizeof addr, "192.0.%u.1:1", i);
        assert_int_equal(ask(table, 7, addr, 0, WIRE_START_NS).device_known, i != 1);
    }
    device_close(table);
}

/* Guessed names push out guessed names, not the phones. */
static void flood(void **unused)
{
    struct device_table *table = open_table(64);
    (void)unused;

    for (uint64_t account = 1; account <= 20; account++) {
        success(table, account, "192.0.2.9:1", 0, WIRE_START_NS);
    }
    for (uint64_t account = 1000; account < 2000; account++) {
        failure(table, account, "203.0.113.9:1", WIRE_START_NS + account);
    }
    assert_int_equal(device_used(table), 64);
    assert_true(device_evicted(table) > 0);
    for (uint64_t account = 1; account <= 20; account++) {
        assert_true(ask(table, account, "192.0.2.9:1", 0, WIRE_START_NS).device_known);
    }
    device_close(table);
}

static void jumped(void **unused)
{
    struct device_table *table = open_table(4);
    uint64_t shift_ns = 1000 * DAY;
    (void)unused;

    success(table, 7, "192.0.2.9:1", 0, WIRE_START_NS);
    device_shift(table, shift_ns);
    assert_true(ask(table, 7, "192.0.2.9:1", 0, WIRE_START_NS + shift_ns + 29 * DAY).device_known);
    assert_false(ask(table, 7, "192.0.2.9:1", 0, WIRE_START_NS + shift_ns + 31 * DAY).device_known);
    device_close(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known),  cmocka_unit_test(ipv6_site), cmocka_unit_test(failures),
        cmocka_unit_test(marks),  cmocka_unit_test(newest),    cmocka_unit_test(flood),
        cmocka_unit_test(jumped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
