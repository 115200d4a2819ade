/* URIs, name-addr and how users are printed: tables, each text in memory of exactly its size. */
#include "decoders/sip_address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static const char *part_text(const char *base, struct part part, char *out, size_t room)
{
    struct text text = text_into(out, room);
    text_slice_put(&text, part.at == 0 && part.bytes == 0 ? SLICE("(none)")
                                                          : slice_of(base + part.at, part.bytes));
    return text_terminate(&text);
}

static void list_findings(const struct sip_findings *findings, char *out, size_t room)
{
    struct text text = text_into(out, room);
    for (unsigned i = 0; i < findings->count; i++) {
        text_string(&text, i == 0 ? "" : ",");
        text_string(&text, anomaly_rows[findings->kinds[i]].slug);
    }
    (void)text_terminate(&text);
}

/* Text behind one byte, so that no part begins at offset 0. */
static char *exact(const char *text, size_t *out_bytes)
{
    *out_bytes = strlen(text);
    char *copy = malloc(*out_bytes + 1);
    assert_non_null(copy);
    copy[0] = '|';
    memcpy(copy + 1, text, *out_bytes);
    return copy;
}

static void test_uri(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum sip_scheme scheme;
        const char *user;
        const char *host;
        unsigned port;
        bool phone;
        const char *findings;
    } cases[] = {
        {"sip:alice@example.com", SIP_SCHEME_SIP, "alice", "example.com", 0, false, ""},
        {"SIPS:alice@example.com:5061", SIP_SCHEME_SIPS, "alice", "example.com", 5061, false, ""},
        {"sip:example.com;lr", SIP_SCHEME_SIP, "(none)", "example.com", 0, false, ""},
        {"sip:192.0.2.1:5060", SIP_SCHEME_SIP, "(none)", "192.0.2.1", 5060, false, ""},
        {"sip:[2001:db8::1]:5070;lr", SIP_SCHEME_SIP, "(none)", "[2001:db8::1]", 5070, false, ""},
        {"sip:a@[2001:db8::1", SIP_SCHEME_SIP, "a", "[2001:db8::1", 0, false, "uri-ipv6-malformed"},
        {"sip:a@2001:db8::1", SIP_SCHEME_SIP, "a", "2001:db8::1", 0, false, "uri-ipv6-unbracketed"},
        {"sip:a@host:70000", SIP_SCHEME_SIP, "a", "host", 0, false, "uri-malformed"},
        {"sip:a@host:65535", SIP_SCHEME_SIP, "a", "host", 65535, false, ""},
        {"sip:a@host:", SIP_SCHEME_SIP, "a", "host", 0, false, "uri-malformed"},
        {"sip:a@host:x1", SIP_SCHEME_SIP, "a", "host", 0, false, "uri-malformed"},
        {"sip:a@", SIP_SCHEME_SIP, "a", "", 0, false, "uri-malformed"},
        {"sip:@host", SIP_SCHEME_SIP, "", "host", 0, false, "uri-malformed"},
        {"sip:", SIP_SCHEME_SIP, "(none)", "", 0, false, "uri-malformed"},
        {"sip:a:secret@host", SIP_SCHEME_SIP, "a", "host", 0, false, ""},
        {"sip:1_u(to-be!sure)&isn't+it$/crazy?,/;;*:&it@host", SIP_SCHEME_SIP,
         "1_u(to-be!sure)&isn't+it$/crazy?,/;;*", "host", 0, false, ""},
        {"sip:user;par=u%40example.net@example.com", SIP_SCHEME_SIP, "user;par=u%40example.net",
         "example.com", 0, false, ""},
        {"sip:a@b@host;x=c@d", SIP_SCHEME_SIP, "a@b", "host", 0, false, "uri-malformed"},
        {"sip:a@host;x=c@d", SIP_SCHEME_SIP, "a", "host", 0, false, ""},
        {"sip:+1-555@host;user=phone", SIP_SCHEME_SIP, "+1-555", "host", 0, true, ""},
        {"sip:1@host;lr;User=Phone;x", SIP_SCHEME_SIP, "1", "host", 0, true, ""},
        {"sip:1@host;user=phones", SIP_SCHEME_SIP, "1", "host", 0, false, ""},
        {"sip:1@host?x;user=phone", SIP_SCHEME_SIP, "1", "host", 0, false, ""},
        {"tel:+1-555-0100;phone-context=x", SIP_SCHEME_TEL, "+1-555-0100", "(none)", 0, true, ""},
        {"tel:", SIP_SCHEME_TEL, "", "(none)", 0, true, "uri-malformed"},
        {"http://example.com", SIP_SCHEME_OTHER, "(none)", "(none)", 0, false,
         "uri-scheme-unknown"},
        {"alice@example.com", SIP_SCHEME_NONE, "(none)", "(none)", 0, false, "uri-malformed"},
        {"1x:y", SIP_SCHEME_NONE, "(none)", "(none)", 0, false, "uri-malformed"},
        {"", SIP_SCHEME_NONE, "(none)", "(none)", 0, false, "uri-malformed"},
        {"sip:%61%00%0a%zz@host", SIP_SCHEME_SIP, "%61%00%0a%zz", "host", 0, false,
         "uri-escape-nul,uri-escape-crlf,uri-escape-malformed"},
        {"sip:a @host", SIP_SCHEME_SIP, "a ", "host", 0, false, "addr-spec-lws"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sip_findings findings = {.count = 0};
        struct sip_uri uri;
        size_t bytes;
        char have[256];
        char *base = exact(cases[i].text, &bytes);
        sip_uri_decode(base, slice_of(base + 1, bytes), &uri, &findings);
        if (uri.scheme != cases[i].scheme || uri.port != cases[i].port ||
            uri.user_is_phone != cases[i].phone) {
            fail_msg("%s: scheme %u port %u", cases[i].text, uri.scheme, uri.port);
        }
        assert_string_equal(part_text(base, uri.user, have, sizeof have), cases[i].user);
        assert_string_equal(part_text(base, uri.host, have, sizeof have), cases[i].host);
        list_findings(&findings, have, sizeof have);
        assert_string_equal(have, cases[i].findings);
        free(base);
    }
}

static void test_name_addr(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *display;
        const char *uri;
        const char *tag;
        const char *findings;
        bool fits;
    } cases[] = {
        {"<sip:a@b>", "(none)", "sip:a@b", "(none)", "", true},
        {"sip:a@b;tag=1", "(none)", "sip:a@b", "1", "", true},
        {"\"A \\\"x\\\" <y>\" <sip:a@b>;tag=1;x", "A \\\"x\\\" <y>", "sip:a@b", "1", "", true},
        {"Bob  Smith<sip:a@b>;x=\"tag=9\"; TAG = 2", "Bob  Smith", "sip:a@b", "2", "", true},
        {"caller<sip:a@b;tag=3>", "caller", "sip:a@b;tag=3", "(none)", "", true},
        {"<sip:a@b>;tag=", "(none)", "sip:a@b", "", "tag-empty", true},
        {"<sip:a@b>;tag", "(none)", "sip:a@b", "", "tag-empty", true},
        {"\"x\" y <sip:a@b>", "x", "sip:a@b", "(none)", "display-name-unquoted", true},
        {"x \"y\" <sip:a@b>", "x \"y\"", "sip:a@b", "(none)", "name-addr-quote", true},
        {"\"x <sip:a@b>", "x", "sip:a@b", "(none)", "name-addr-quote", true},
        {"<sip:a@b", "(none)", "sip:a@b", "(none)", "header-value-malformed", true},
        {"<sip:a@b> junk;tag=1", "(none)", "sip:a@b", "1", "header-value-malformed", true},
        {"sip:a@b;;tag=1", "(none)", "sip:a@b", "1", "header-value-malformed", true},
        {"sip:a@b;x=\"open", "(none)", "sip:a@b", "(none)", "header-value-malformed", true},
        {"sip:a@b?x=y", "(none)", "sip:a@b?x=y", "(none)", "addr-spec-needs-brackets", true},
        {"< sip:a@b\r\n >", "(none)", "sip:a@b", "(none)", "addr-spec-lws", true},
        {"*", "(none)", "(none)", "(none)", "", true},
        {"<>", "", "", "", "", false},
        {"", "", "", "", "", false},
        {"\"x\"", "", "", "", "", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sip_findings findings = {.count = 0};
        struct sip_name_addr address;
        size_t bytes;
        char have[256];
        char *base = exact(cases[i].text, &bytes);
        bool fits = sip_name_addr_decode(base, slice_of(base + 1, bytes), &address, &findings);
        if (fits != cases[i].fits) {
            fail_msg("%s", cases[i].text);
        }
        if (fits) {
            assert_string_equal(part_text(base, address.display, have, sizeof have),
                                cases[i].display);
            assert_string_equal(part_text(base, address.uri.whole, have, sizeof have),
                                cases[i].uri);
            assert_string_equal(part_text(base, address.tag, have, sizeof have), cases[i].tag);
            assert_int_equal(address.star, strcmp(cases[i].text, "*") == 0);
            list_findings(&findings, have, sizeof have);
            assert_string_equal(have, cases[i].findings);
        }
        free(base);
    }
}

/* No list of addresses may cost more than its length: a quote that is never closed is looked for
 * once. */
static void test_long_lists_are_linear(void **state)
{
    (void)state;
    enum { BYTES = 60000 };
    static const char *const pieces[] = {"\\\"<a>,", "\"<a>,", "<sip:a@b>;x=\",", "[,", "sip:[:,"};
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        char *message = malloc(BYTES + 256);
        assert_non_null(message);
        struct text into = text_into(message, BYTES + 256);
        text_string(&into, "REGISTER sip:a SIP/2.0\r\nContact: ");
        while (into.bytes < BYTES) {
            text_string(&into, pieces[i]);
        }
        text_string(&into, "\r\n\r\n");
        struct sip_message decoded;
        for (unsigned k = 0; k < 50; k++) { /* seconds where it is quadratic */
            assert_int_equal(sip_decode((const uint8_t *)message, into.bytes, into.bytes, SIP_UDP,
                                        true, &decoded),
                             REASON_NONE);
        }
        assert_true(sip_has_anomaly(&decoded, ANOMALY_CONTACT_MALFORMED));
        free(message);
    }
}

static void test_user_print(void **state)
{
    (void)state;
    static const struct {
        const char *user;
        const char *printed;
    } cases[] = {
        {"alice", "alice"},
        {"I%20have%20spaces", "I have spaces"},
        {"sips%3Auser%40example.com", "sips:user@example.com"},
        {"null-%00-null", "null-%00-null"},
        {"%25%34%31", "%2541"}, /* undone once */
        {"a%1fb%7Fc", "a%1Fb%7Fc"},
        {"%c3%a9", "\xc3\xa9"},
        {"%C3", "%C3"},
        {"%c3%41", "%C3A"},
        {"%c0%af", "%C0%AF"},
        {"%ed%a0%80", "%ED%A0%80"},
        {"%c2%85", "%C2%85"}, /* a C1 control */
        {"%f0%9f%93%9e", "\xf0\x9f\x93\x9e"},
        {"\xc3\xa9", "\xc3\xa9"},
        {"\xff", "%FF"},
        {"\x01", "%01"},
        {"%", "%"},
        {"%4", "%4"},
        {"%zz", "%zz"},
        {"%+1", "%+1"},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char out[64];
        struct text text = text_into(out, sizeof out);
        sip_user_print(&text, slice_of_string(cases[i].user));
        assert_string_equal(text_terminate(&text), cases[i].printed);
    }
}

static void test_aor_print(void **state)
{
    (void)state;
    static const struct {
        const char *user;
        const char *host;
        enum sip_scheme scheme;
        const char *printed;
    } cases[] = {
        {"Alice", "Example.COM", SIP_SCHEME_SIP, "sip:Alice@example.com"},
        {"%41lice", "example.com", SIP_SCHEME_SIPS, "sip:Alice@example.com"},
        {"", "[2001:DB8::1]", SIP_SCHEME_SIP, "sip:[2001:db8::1]"},
        {"+1-(555).0100", "", SIP_SCHEME_TEL, "tel:+15550100"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char out[64];
        struct text text = text_into(out, sizeof out);
        sip_aor_print(&text, slice_of_string(cases[i].user), slice_of_string(cases[i].host),
                      cases[i].scheme);
        assert_string_equal(text_terminate(&text), cases[i].printed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_uri),
        cmocka_unit_test(test_name_addr),
        cmocka_unit_test(test_long_lists_are_linear),
        cmocka_unit_test(test_user_print),
        cmocka_unit_test(test_aor_print),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
