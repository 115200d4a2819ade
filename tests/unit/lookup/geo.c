/* Countries and autonomous systems out of files that may be good, strange, cut, garbled or gone. */
#include <setjmp.h>
#include <stdarg.h>

#include "base/log.h"
#include "sensor/lookup/geo.h"

#include <cmocka.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES "tests/cases/geo-files/"

enum { FILE_BYTES = 4096 };

/* --- making --- */

static void name(struct option_list *list, const char *path)
{
    list->items = realloc(list->items, (list->count + 1) * sizeof *list->items);
    assert_non_null(list->items);
    (void)snprintf(list->items[list->count++], OPTION_TEXT_BYTES, "%s", path);
}

static struct geo *open_geo(const struct geo_conf *conf, const struct geo *before)
{
    struct geo *geo = NULL;
    struct error error;
    assert_int_equal(geo_open(conf, before, &geo, &error), STATUS_OK);
    return geo;
}

static void forget(struct geo_conf *conf)
{
    option_list_clear(&conf->country_files);
    option_list_clear(&conf->as_files);
}

static struct addr addr_of(const char *text)
{
    struct addr addr;
    assert_true(addr_parse(slice_of_string(text), &addr));
    return addr;
}

static void assert_country(struct geo *geo, const char *address, const char *expected)
{
    struct addr addr = addr_of(address);
    uint16_t country = geo_look(geo, &addr)->country;
    char text[3] = {(char)(country >> 8), (char)(country & 0xff), '\0'};
    assert_string_equal(text, expected);
}

static void assert_system(struct geo *geo, const char *address, uint32_t number,
                          const char *expected)
{
    struct addr addr = addr_of(address);
    const struct geo_answer *answer = geo_look(geo, &addr);
    assert_int_equal(answer->as_number, number);
    assert_string_equal(answer->as_name, expected);
}

static size_t read_file(const char *path, uint8_t *out)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(file >= 0);
    ssize_t bytes = read(file, out, FILE_BYTES);
    assert_true(bytes > 0 && bytes < FILE_BYTES);
    (void)close(file);
    return (size_t)bytes;
}

/* As an update does it: beside, then into its place. */
static void replace_file(const char *path, const uint8_t *at, size_t bytes)
{
    char beside[OPTION_TEXT_BYTES];
    (void)snprintf(beside, sizeof beside, "%s.new", path);
    int file = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(file >= 0);
    assert_int_equal(write(file, at, bytes), bytes);
    (void)close(file);
    assert_int_equal(rename(beside, path), 0);
}

static void replace_by(const char *path, const char *other)
{
    uint8_t bytes[FILE_BYTES];
    size_t count = read_file(other, bytes);
    replace_file(path, bytes, count);
}

static void temporary(char *out, size_t room)
{
    (void)snprintf(out, room, "/tmp/earshot-geo-XXXXXX");
    int file = mkstemp(out);
    assert_true(file >= 0);
    (void)close(file);
}

/* --- tests --- */

static void both_layouts_are_understood(void **state)
{
    struct geo_conf conf = {0};
    (void)state;

    name(&conf.country_files, FILES "country.mmdb");
    name(&conf.as_files, FILES "as.mmdb");
    struct geo *geo = open_geo(&conf, NULL);
    assert_country(geo, "203.0.113.66", "NL");
    assert_country(geo, "198.51.100.1", "US");
    assert_country(geo, "2001:db8:66::1", "NL");
    assert_country(geo, "192.0.2.200", ""); /* a record that names a continent only */
    assert_country(geo, "2001:db8:1::1", ""); /* "nl" is no country code */
    assert_country(geo, "8.0.0.1", "");
    assert_system(geo, "203.0.113.66", 64500, "EXAMPLE Hosting");
    assert_system(geo, "2001:db8:66::1", 64500, "EXAMPLE Hosting");
    assert_system(geo, "192.0.2.1", 64502, ""); /* a number without a name */
    assert_system(geo, "8.0.0.1", 0, "");
    geo_close(geo);
    forget(&conf);

    name(&conf.country_files, FILES "country-flat-v4.mmdb"); /* IPv4 and IPv6 apart */
    name(&conf.country_files, FILES "country-flat-v6.mmdb");
    geo = open_geo(&conf, NULL);
    assert_country(geo, "203.0.113.66", "NL");
    assert_country(geo, "2001:db8:66::1", "NL");
    assert_country(geo, "2001:db8:77::1", "");
    geo_close(geo);
    forget(&conf);
}

static void what_is_nobodys_is_not_looked_up(void **state)
{
    struct geo_conf conf = {0};
    (void)state;

    name(&conf.country_files, FILES "country.mmdb"); /* it has 10.0.0.0/8 */
    struct geo *geo = open_geo(&conf, NULL);
    assert_country(geo, "10.1.2.3", "");
    assert_country(geo, "127.0.0.1", "");
    assert_country(geo, "100.64.0.1", "");
    assert_country(geo, "0.0.0.0", "");
    assert_country(geo, "224.0.0.1", "");
    assert_country(geo, "fe80::1", "");
    assert_country(geo, "::", "");
    geo_close(geo);
    forget(&conf);
}

static void answers_are_kept_for_the_address_that_got_them(void **state)
{
    struct geo_conf conf = {0};
    (void)state;

    name(&conf.country_files, FILES "country.mmdb");
    struct geo *geo = open_geo(&conf, NULL);
    for (unsigned round = 0; round < 3; round++) { /* more addresses than places */
        for (unsigned i = 0; i < 4 * GEO_CACHE; i++) {
            const uint8_t four[4] = {(uint8_t)(i % 2 == 0 ? 203 : 8), 0,
                                     (uint8_t)(i % 2 == 0 ? 113 : i >> 8), (uint8_t)(i >> 1)};
            struct addr addr = addr_from_v4(four);
            assert_int_equal(geo_look(geo, &addr)->country, i % 2 == 0 ? 'N' << 8 | 'L' : 0);
        }
    }
    geo_close(geo);
    forget(&conf);
}

static void a_file_that_cannot_be_used_is_left_out(void **state)
{
    static const char *const bad[] = {FILES "absent.mmdb", FILES "strange.mmdb", "README.md",
                                      "/dev/null", "/tmp"};
    (void)state;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct geo_conf conf = {0};
        name(&conf.country_files, bad[i]);
        name(&conf.as_files, bad[i]);
        struct geo *geo = open_geo(&conf, NULL);
        assert_true(geo_is_empty(geo));
        assert_false(geo_is_stale(geo, &conf)); /* said once, not tried again as it is */
        assert_country(geo, "203.0.113.66", "");
        geo_close(geo);
        name(&conf.country_files, FILES "country.mmdb"); /* the others still answer */
        geo = open_geo(&conf, NULL);
        assert_false(geo_is_empty(geo));
        assert_country(geo, "203.0.113.66", "NL");
        geo_close(geo);
        forget(&conf);
    }
}

static void a_file_that_was_replaced_is_read_again(void **state)
{
    struct geo_conf conf = {0};
    char path[64];
    (void)state;

    temporary(path, sizeof path);
    replace_by(path, FILES "country.mmdb");
    name(&conf.country_files, path);
    name(&conf.as_files, FILES "as.mmdb");
    struct geo *before = open_geo(&conf, NULL);
    assert_false(geo_is_stale(before, &conf));
    assert_country(before, "203.0.113.66", "NL");
    replace_by(path, FILES "country-after.mmdb");
    assert_true(geo_is_stale(before, &conf));
    struct geo *after = open_geo(&conf, before);
    assert_false(geo_is_stale(after, &conf));
    assert_country(before, "203.0.113.66", "NL"); /* who has it goes on with it */
    assert_country(before, "198.51.100.1", "US");
    geo_close(before);
    assert_country(after, "203.0.113.66", "DE");
    assert_country(after, "198.51.100.1", "");
    assert_system(after, "203.0.113.66", 64500, "EXAMPLE Hosting"); /* that file was taken over */

    replace_file(path, (const uint8_t *)"nothing", 7);
    assert_true(geo_is_stale(after, &conf));
    struct geo *kept = open_geo(&conf, after);
    geo_close(after);
    assert_false(geo_is_stale(kept, &conf));
    assert_country(kept, "203.0.113.66", "DE"); /* the good one stays */
    (void)unlink(path);
    assert_true(geo_is_stale(kept, &conf));
    after = open_geo(&conf, kept);
    geo_close(kept);
    assert_country(after, "203.0.113.66", "DE");
    replace_by(path, FILES "country.mmdb");
    kept = open_geo(&conf, after);
    geo_close(after);
    assert_country(kept, "203.0.113.66", "NL");
    (void)unlink(path);
    geo_close(kept);
    forget(&conf);
}

static void a_file_cut_while_in_use_does_no_harm(void **state)
{
    struct geo_conf conf = {0};
    char path[64];
    (void)state;

    temporary(path, sizeof path);
    replace_by(path, FILES "country.mmdb");
    name(&conf.country_files, path);
    struct geo *geo = open_geo(&conf, NULL);
    assert_int_equal(truncate(path, 0), 0); /* of a mapping of it the next read would end us */
    assert_country(geo, "203.0.113.66", "NL");
    assert_country(geo, "2001:db8:66::1", "NL");
    (void)unlink(path);
    geo_close(geo);
    forget(&conf);
}

static void ask_around(const char *path)
{
    struct geo_conf conf = {0};
    name(&conf.country_files, path);
    name(&conf.as_files, path);
    struct geo *geo = open_geo(&conf, NULL);
    for (unsigned i = 0; i < 64; i++) {
        const uint8_t four[4] = {(uint8_t)(i < 32 ? 203 : i * 7), 0, 113, (uint8_t)i};
        uint8_t sixteen[16] = {0x20, 0x01, 0x0d, 0xb8, 0, (uint8_t)(i < 32 ? 0x66 : i)};
        struct addr addr = addr_from_v4(four);
        (void)geo_look(geo, &addr);
        addr = addr_from_v6(sixteen);
        (void)geo_look(geo, &addr);
    }
    geo_close(geo);
    forget(&conf);
}

/* Every length, and every byte turned to what hurts: neither harm nor a wait. */
static void garbled_files_do_no_harm(void **state)
{
    static const char *const files[] = {FILES "country-flat-v4.mmdb", FILES "as.mmdb"};
    static const uint8_t wrongs[] = {0x00, 0xff, 0x20, 0x3f, 0xe1};
    char path[64];
    uint8_t bytes[FILE_BYTES];
    (void)state;

    temporary(path, sizeof path);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        size_t count = read_file(files[i], bytes);
        for (size_t cut = 0; cut < count; cut += 1 + cut / 64) {
            replace_file(path, bytes, cut);
            ask_around(path);
        }
        for (size_t at = 0; at < count; at++) {
            uint8_t right = bytes[at];
            bytes[at] = wrongs[at % sizeof wrongs];
            replace_file(path, bytes, count);
            ask_around(path);
            bytes[at] = right;
        }
    }
    (void)unlink(path);
}

/* The last record of the file with lists in lists before its country: the library would follow them by
 * its stack. */
static void lists_in_lists_do_no_harm(void **state)
{
    enum { LEVELS = 150000, HEAD_BYTES = 1, MAP_BYTES = 3 };
    static uint8_t out[2 * LEVELS + 2 * FILE_BYTES];
    static const char country[] = "\xe1\x4c"
                                  "country_code\x42US";
    struct geo_conf conf = {0};
    uint8_t bytes[FILE_BYTES];
    char path[64];
    size_t at = 0;
    (void)state;

    size_t count = read_file(FILES "country-flat-v4.mmdb", bytes);
    while (memcmp(bytes + at, country, sizeof country - 1) != 0) {
        at++;
        assert_true(at + sizeof country < count);
    }
    memcpy(out, bytes, at);
    memcpy(out + at,
           "\xe2\x41"
           "a",
           MAP_BYTES);
    size_t end = at + MAP_BYTES;
    for (size_t level = 0; level < LEVELS; level++, end += 2) {
        memcpy(out + end, "\x01\x04", 2);
    }
    memcpy(out + end, "\x00\x04", 2);
    memcpy(out + end + 2, bytes + at + HEAD_BYTES, count - at - HEAD_BYTES);
    temporary(path, sizeof path);
    replace_file(path, out, end + 2 + count - at - HEAD_BYTES);
    name(&conf.country_files, path);
    struct geo *geo = open_geo(&conf, NULL);
    assert_country(geo, "203.0.113.66", "NL");
    assert_country(geo, "198.51.100.1", "");
    (void)unlink(path);
    geo_close(geo);
    forget(&conf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_layouts_are_understood),
        cmocka_unit_test(what_is_nobodys_is_not_looked_up),
        cmocka_unit_test(answers_are_kept_for_the_address_that_got_them),
        cmocka_unit_test(a_file_that_cannot_be_used_is_left_out),
        cmocka_unit_test(a_file_that_was_replaced_is_read_again),
        cmocka_unit_test(a_file_cut_while_in_use_does_no_harm),
        cmocka_unit_test(garbled_files_do_no_harm),
        cmocka_unit_test(lists_in_lists_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
