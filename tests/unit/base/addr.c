#include "tests/unit/base/unit.h"

#include "base/addr.h"

static struct addr parsed(const char *text)
{
    struct addr addr;

    if (!addr_parse(slice_of_string(text), &addr)) {
        fail_msg("'%s' should parse", text);
    }
    return addr;
}

/* What is read, and how it is printed back (RFC 5952). */
static void addresses_read_and_print(void **state)
{
    static const struct {
        const char *text;
        const char *printed;
    } rows[] = {
        {"192.0.2.1", "192.0.2.1"},
        {"0.0.0.0", "0.0.0.0"},
        {"255.255.255.255", "255.255.255.255"},
        {"::ffff:192.0.2.1", "192.0.2.1"},
        {"::ffff:c000:0201", "192.0.2.1"},
        {"::", "::"},
        {"[::]", "::"},
        {"::1", "::1"},
        {"1::", "1::"},
        {"2001:DB8::1", "2001:db8::1"},
        {"[2001:db8::1]", "2001:db8::1"},
        {"2001:db8:0:0:0:0:0:1", "2001:db8::1"},
        {"2001:db8:0000:0:01:000:0:1", "2001:db8::1:0:0:1"},
        {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"}, /* one group alone is not shortened */
        {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"}, /* the longer run */
        {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"}, /* the first of equals */
        {"1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"},
        {"1:2:3:4:5:6:0:0", "1:2:3:4:5:6::"},
        {"0:0:3:4:5:6:7:8", "::3:4:5:6:7:8"},
        {"1:2:3:4:5:6:192.0.2.33", "1:2:3:4:5:6:c000:221"},
        {"64:ff9b::192.0.2.33", "64:ff9b::c000:221"},
        {"1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"},
        {"::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"},
        {"fe80::abcd:10:200:3000", "fe80::abcd:10:200:3000"},
        {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char line[ADDR_TEXT_BYTES];
        struct text text = text_into(line, sizeof line);
        struct addr addr = parsed(rows[i].text);
        text_addr(&text, &addr);
        assert_false(text.overflow);
        assert_slice(text_slice(&text), rows[i].printed);
        struct addr again = parsed(rows[i].printed);
        assert_true(addr_equal(&addr, &again));
    }
}

static void what_is_no_address_is_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "1",
        "1.2.3",
        "1.2.3.4.5",
        "1.2.3.",
        ".1.2.3",
        "1..2.3",
        "256.0.0.1",
        "1.2.3.1000",
        "01.2.3.4",
        "1.2.3.04",
        "1.2.3.4 ",
        " 1.2.3.4",
        "1.2.3.4a",
        "0x1.2.3.4",
        "-1.2.3.4",
        "host",
        ":",
        ":::",
        "1:",
        ":1",
        "1:2",
        "1::2::3",
        "1:2:3:4:5:6:7",
        "g::",
        "12345::",
        "1:2:3:4:5:6:7:8:9",
        "1:2:3:4:5:6:7:1.2.3.4",
        "::1.2.3",
        "::1.2.3.4:5",
        "1.2.3.4::",
        "fe80::1%1",
        "[::1",
        "::1]",
        "[1.2.3.4]",
        "[]",
        "[",
        "::/0",
        "1.2.3.4:1",
        "1:2:3:4:5:6:7:8::",
        "1:2:3::4:5:6:7:8",
        "::1:2:3:4:5:6:7:8",
        ":1:2:3:4:5:6:7:8",
        "1:2:3:4:5:6:7:8:",
        "1:2:3:4:5:6:7:",
    };
    struct addr addr;
    struct addr before;

    (void)state;
    memset(&addr, 0x5a, sizeof addr);
    before = addr;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        if (addr_parse(slice_of_string(texts[i]), &addr)) {
            fail_msg("'%s' should be refused", texts[i]);
        }
        assert_true(addr_equal(&addr, &before));
    }
    assert_false(addr_parse(SLICE_NONE, &addr));
    assert_false(addr_parse(SLICE("1.2.3.4\0"), &addr));
}

static void kinds_of_addresses(void **state)
{
    static const struct {
        const char *text;
        bool unspecified;
        bool multicast;
        bool broadcast;
        bool private;
    } rows[] = {
        {"0.0.0.0", true, false, false, false},
        {"::", true, false, false, false},
        {"::2", false, false, false, false},
        {"::1", false, false, false, true},
        {"223.255.255.255", false, false, false, false},
        {"224.0.0.1", false, true, false, false},
        {"239.255.255.255", false, true, false, false},
        {"240.0.0.1", false, false, false, false},
        {"255.255.255.255", false, false, true, false},
        {"255.255.255.254", false, false, false, false},
        {"ff02::1", false, true, false, false},
        {"feff::1", false, false, false, false},
        {"9.255.255.255", false, false, false, false},
        {"10.0.0.0", false, false, false, true},
        {"11.0.0.0", false, false, false, false},
        {"127.0.0.1", false, false, false, true},
        {"172.15.0.1", false, false, false, false},
        {"172.16.0.1", false, false, false, true},
        {"172.31.255.255", false, false, false, true},
        {"172.32.0.1", false, false, false, false},
        {"192.168.0.1", false, false, false, true},
        {"192.169.0.1", false, false, false, false},
        {"100.63.255.255", false, false, false, false},
        {"100.64.0.1", false, false, false, true},
        {"100.127.255.255", false, false, false, true},
        {"100.128.0.0", false, false, false, false},
        {"169.254.1.1", false, false, false, true},
        {"169.253.1.1", false, false, false, false},
        {"fbff::1", false, false, false, false},
        {"fc00::1", false, false, false, true},
        {"fdff::1", false, false, false, true},
        {"fe00::1", false, false, false, false},
        {"fe80::1", false, false, false, true},
        {"febf::1", false, false, false, true},
        {"fec0::1", false, false, false, false},
        {"2001:db8::1", false, false, false, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct addr addr = parsed(rows[i].text);
        assert_int_equal(addr_is_unspecified(&addr), rows[i].unspecified);
        assert_int_equal(addr_is_multicast(&addr), rows[i].multicast);
        assert_int_equal(addr_is_broadcast(&addr), rows[i].broadcast);
        assert_int_equal(addr_is_private(&addr), rows[i].private);
    }
    struct addr zero = {{0}};
    assert_true(addr_is_unspecified(&zero));
}

static void loopback_is_this_host(void **state)
{
    static const struct {
        const char *text;
        bool loopback;
    } rows[] = {
        {"127.0.0.1", true},    {"127.255.255.254", true},
        {"::1", true},          {"::ffff:127.0.0.1", true},
        {"128.0.0.1", false},   {"126.255.255.255", false},
        {"0.0.0.0", false},     {"::", false},
        {"192.0.2.127", false}, {"2001:db8::1", false},
    };
    (void)state;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct addr addr = parsed(rows[i].text);
        assert_int_equal(addr_is_loopback(&addr), rows[i].loopback);
    }
}

static void prefixes_read_and_print(void **state)
{
    static const struct {
        const char *text;
        const char *printed; /* NULL = refused */
    } rows[] = {
        {"192.0.2.0/24", "192.0.2.0/24"},
        {"192.0.2.77/24", "192.0.2.0/24"},
        {"192.0.2.255/25", "192.0.2.128/25"},
        {"192.0.2.1", "192.0.2.1/32"},
        {"0.0.0.0/0", "0.0.0.0/0"},
        {"192.0.2.0/33", NULL},
        {"192.0.2.0/", NULL},
        {"192.0.2.0/a", NULL},
        {"192.0.2.0/-1", NULL},
        {"/24", NULL},
        {"", NULL},
        {"2001:db8::/32", "2001:db8::/32"},
        {"2001:db8:ffff::/33", "2001:db8:8000::/33"},
        {"2001:db8::1", "2001:db8::1/128"},
        {"::/0", "::/0"},
        {"2001:db8::/129", NULL},
        {"::ffff:192.0.2.0/120", "192.0.2.0/24"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char line[ADDR_TEXT_BYTES];
        struct text text = text_into(line, sizeof line);
        struct prefix prefix;
        bool good = prefix_parse(slice_of_string(rows[i].text), &prefix);
        assert_int_equal(good, rows[i].printed != NULL);
        if (good) {
            text_prefix(&text, &prefix);
            assert_slice(text_slice(&text), rows[i].printed);
        }
    }
}

static void prefixes_contain(void **state)
{
    static const struct {
        const char *prefix;
        const char *addr;
        bool inside;
    } rows[] = {
        {"192.0.2.0/24", "192.0.2.0", true},
        {"192.0.2.0/24", "192.0.2.255", true},
        {"192.0.2.0/24", "192.0.3.0", false},
        {"192.0.2.128/25", "192.0.2.127", false},
        {"192.0.2.128/25", "192.0.2.128", true},
        {"192.0.2.1", "192.0.2.1", true},
        {"192.0.2.1", "192.0.2.2", false},
        {"0.0.0.0/0", "203.0.113.9", true},
        {"0.0.0.0/0", "2001:db8::1", false},
        {"::/0", "2001:db8::1", true},
        {"::/0", "192.0.2.1", false},
        {"2001:db8::/32", "2001:db8:ffff::1", true},
        {"2001:db8::/32", "2001:db9::", false},
        {"2001:db8::/31", "2001:db9::", true},
        {"2001:db8::1", "2001:db8::1", true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct prefix prefix;
        struct addr addr = parsed(rows[i].addr);
        assert_true(prefix_parse(slice_of_string(rows[i].prefix), &prefix));
        assert_int_equal(prefix_contains(&prefix, &addr), rows[i].inside);
    }
}

static void a_site_is_24_or_48(void **state)
{
    char line[ADDR_TEXT_BYTES];
    struct text text = text_into(line, sizeof line);
    struct addr addr = parsed("203.0.113.77");

    (void)state;
    struct prefix prefix = addr_site_prefix(&addr);
    text_prefix(&text, &prefix);
    text_byte(&text, ' ');
    addr = parsed("2001:db8:1:2:3::4");
    prefix = addr_site_prefix(&addr);
    text_prefix(&text, &prefix);
    assert_slice(text_slice(&text), "203.0.113.0/24 2001:db8:1::/48");
}

static void endpoints_print(void **state)
{
    static const struct {
        const char *addr;
        uint16_t port;
        const char *printed;
    } rows[] = {
        {"192.0.2.1", 5060, "192.0.2.1:5060"},
        {"2001:db8::1", 65535, "[2001:db8::1]:65535"},
        {"192.0.2.1", 0, "192.0.2.1"},
        {"2001:db8::1", 0, "2001:db8::1"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char line[ENDPOINT_TEXT_BYTES];
        struct text text = text_into(line, sizeof line);
        struct endpoint endpoint = {.addr = parsed(rows[i].addr), .port = rows[i].port};
        text_endpoint(&text, &endpoint);
        assert_slice(text_slice(&text), rows[i].printed);
        assert_true(endpoint_equal(&endpoint, &endpoint));
    }
    char small[5];
    struct text text = text_into(small, sizeof small);
    struct endpoint endpoint = {.addr = parsed("192.0.2.1"), .port = 1};
    text_endpoint(&text, &endpoint);
    assert_true(text.overflow && text.bytes == 0); /* all of it or nothing */
}

static void order_is_by_bytes(void **state)
{
    struct addr low = parsed("192.0.2.1");
    struct addr high = parsed("192.0.2.2");

    (void)state;
    assert_true(addr_compare(&low, &high) < 0);
    assert_true(addr_compare(&high, &low) > 0);
    assert_true(addr_compare(&low, &low) == 0);
}

/* Any 16 bytes print to a text that reads back to the same. */
static void random_addresses_come_back(void **state)
{
    uint64_t seed = 7;

    (void)state;
    for (unsigned round = 0; round < 20000; round++) {
        struct addr addr;
        char line[ADDR_TEXT_BYTES];
        struct text text = text_into(line, sizeof line);
        for (size_t i = 0; i < 16; i += 2) {
            uint32_t group = random_below(&seed, 3) == 0 ? random_below(&seed, 65536) : 0;
            addr.octets[i] = (uint8_t)(group >> 8);
            addr.octets[i + 1] = (uint8_t)group;
        }
        text_addr(&text, &addr);
        assert_false(text.overflow);
        struct addr again;
        assert_true(addr_parse(text_slice(&text), &again));
        assert_true(addr_equal(&addr, &again));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_read_and_print), cmocka_unit_test(what_is_no_address_is_refused),
        cmocka_unit_test(kinds_of_addresses),       cmocka_unit_test(loopback_is_this_host),
        cmocka_unit_test(prefixes_read_and_print),  cmocka_unit_test(prefixes_contain),
        cmocka_unit_test(a_site_is_24_or_48),       cmocka_unit_test(endpoints_print),
        cmocka_unit_test(order_is_by_bytes),        cmocka_unit_test(random_addresses_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
