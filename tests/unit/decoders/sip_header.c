/* Names of headers, walks over lines and values, parameters. */
#include "decoders/sip_header.h"
#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static const struct {
    const char *name;
    enum sip_header header;
} names[] = {
#define X(id, name) {name, SIP_HEADER_##id},
    SIP_HEADER_LIST(X)
#undef X
};

static void test_names(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char name[64];
        struct text text = text_into(name, sizeof name);
        text_string(&text, names[i].name);
        struct slice whole = text_slice(&text);
        assert_int_equal(sip_header_of(whole), names[i].header);
        for (size_t k = 0; k < whole.bytes; k++) {
            char was = name[k];
            name[k] = (char)(was >= 'a' && was <= 'z' ? was & 0xdf : was);
            assert_int_equal(sip_header_of(whole), names[i].header);
            name[k] = (char)(was ^ 0x20); /* of - that is CR: another byte, not another case */
            assert_int_equal(sip_header_of(whole), was == '-' ? SIP_HEADER_OTHER : names[i].header);
            name[k] = '_';
            assert_int_equal(sip_header_of(whole), SIP_HEADER_OTHER);
            name[k] = was;
        }
        if (whole.bytes > 2) { /* one byte less is another name, but not a compact one */
            assert_int_equal(sip_header_of(slice_part(whole, 0, whole.bytes - 1)),
                             SIP_HEADER_OTHER);
        }
        text_byte(&text, 's');
        assert_int_equal(sip_header_of(text_slice(&text)), SIP_HEADER_OTHER);
    }
}

static void test_compact_names(void **state)
{
    (void)state;
    static const char letters[] = "bcefiklmnorstvxy";
    static const enum sip_header headers[] = {SIP_HEADER_REFERRED_BY,
                                              SIP_HEADER_CONTENT_TYPE,
                                              SIP_HEADER_CONTENT_ENCODING,
                                              SIP_HEADER_FROM,
                                              SIP_HEADER_CALL_ID,
                                              SIP_HEADER_SUPPORTED,
                                              SIP_HEADER_CONTENT_LENGTH,
                                              SIP_HEADER_CONTACT,
                                              SIP_HEADER_IDENTITY_INFO,
                                              SIP_HEADER_EVENT,
                                              SIP_HEADER_REFER_TO,
                                              SIP_HEADER_SUBJECT,
                                              SIP_HEADER_TO,
                                              SIP_HEADER_VIA,
                                              SIP_HEADER_SESSION_EXPIRES,
                                              SIP_HEADER_IDENTITY};
    for (unsigned byte = 0; byte < 256; byte++) {
        char name = (char)byte;
        const char *found = byte == 0 ? NULL : strchr(letters, slice_lower(name));
        enum sip_header expected = found == NULL ? SIP_HEADER_OTHER : headers[found - letters];
        assert_int_equal(sip_header_of(slice_of(&name, 1)), expected);
    }
    assert_int_equal(sip_header_of(SLICE_NONE), SIP_HEADER_OTHER);
}

static const char text[] = "INVITE sip:a@b SIP/2.0\r\n"
                           "Via : SIP/2.0/UDP a;x=\"1,2\" , SIP/2.0/UDP b\r\n"
                           "Contact: \"x,y\" <sip:a,b@c>,\r\n <sip:d@e>;q=1\r\n"
                           "text/plain\r\n"
                           "v: SIP/2.0/UDP c (a, comment\\) , SIP/2.0/UDP d\r\n"
                           "Subject: one, two\r\n"
                           "X-Other: z\r\n"
                           "Route:\r\n"
                           "Allow: INVITE,, ACK,\r\n"
                           "m: \"never closed, <sip:f@g>, <sip:h@i>\r\n"
                           "\r\n"
                           "Via: body\r\n";

static void decode(struct sip_message *message)
{
    assert_int_equal(
        sip_decode((const uint8_t *)text, sizeof text - 1, sizeof text - 1, SIP_UDP, true, message),
        REASON_NONE);
}

static void test_lines(void **state)
{
    (void)state;
    static const char *const expected[] = {"Via",     "Contact", "v",     "Subject",
                                           "X-Other", "Route",   "Allow", "m"};
    struct sip_message message;
    struct sip_line line;
    uint32_t at = 0;
    decode(&message);
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        assert_true(sip_line_next(&message, &at, &line));
        assert_true(slice_equal(line.name, slice_of_string(expected[i])));
        assert_int_equal(line.header, sip_header_of(line.name));
    }
    assert_false(sip_line_next(&message, &at, &line));
    assert_false(sip_line_next(&message, &at, &line));
}

static void test_values(void **state)
{
    (void)state;
    static const struct {
        enum sip_header header;
        const char *values[6];
    } cases[] = {
        {SIP_HEADER_VIA,
         {"SIP/2.0/UDP a;x=\"1,2\"", "SIP/2.0/UDP b", "SIP/2.0/UDP c (a, comment\\)",
          "SIP/2.0/UDP d"}},
        {SIP_HEADER_CONTACT,
         {"\"x,y\" <sip:a,b@c>", "<sip:d@e>;q=1", "\"never closed, <sip:f@g>, <sip:h@i>"}},
        {SIP_HEADER_SUBJECT, {"one, two"}},
        {SIP_HEADER_ALLOW, {"INVITE", "ACK"}},
        {SIP_HEADER_ROUTE, {NULL}},
        {SIP_HEADER_DATE, {NULL}},
    };
    struct sip_message message;
    decode(&message);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sip_walk walk = {.at = 0};
        struct slice value;
        for (const char *const *expected = cases[i].values; *expected != NULL; expected++) {
            assert_true(sip_value_next(&message, cases[i].header, &walk, &value));
            if (!slice_equal(value, slice_of_string(*expected))) {
                fail_msg("got \"%.*s\", expected \"%s\"", (int)value.bytes, value.at, *expected);
            }
        }
        assert_false(sip_value_next(&message, cases[i].header, &walk, &value));
    }
    assert_true(slice_equal(sip_value(&message, SIP_HEADER_ALLOW), SLICE("INVITE")));
    assert_null(sip_value(&message, SIP_HEADER_DATE).at);
}

/* Lines end in a walk as they ended when the message was decoded. */
static void test_lines_that_end_with_cr(void **state)
{
    (void)state;
    static const char cr[] = "OPTIONS sip:a@b SIP/2.0\rCall-ID: x\rSubject: y\r\r";
    static const char stray[] = "OPTIONS sip:a@b SIP/2.0\r\nCall-ID: x\rSubject: y\r\n\r\n";
    struct sip_message message;
    assert_int_equal(
        sip_decode((const uint8_t *)cr, sizeof cr - 1, sizeof cr - 1, SIP_UDP, true, &message),
        REASON_NONE);
    assert_true(slice_equal(sip_value(&message, SIP_HEADER_CALL_ID), SLICE("x")));
    assert_true(slice_equal(sip_value(&message, SIP_HEADER_SUBJECT), SLICE("y")));
    assert_int_equal(sip_decode((const uint8_t *)stray, sizeof stray - 1, sizeof stray - 1, SIP_UDP,
                                true, &message),
                     REASON_NONE);
    assert_true(slice_equal(sip_value(&message, SIP_HEADER_CALL_ID), SLICE("x\rSubject: y")));
    assert_true(slice_equal(sip_part(&message, message.call_id), SLICE("x\rSubject: y")));
    assert_null(sip_value(&message, SIP_HEADER_SUBJECT).at);
}

static void test_parameters(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        const char *name;
        const char *expected; /* NULL: not there */
    } cases[] = {
        {"Q.850;cause=16;text=\"a;b\"", "cause", "16"},
        {"Q.850;cause=16;text=\"a;b\"", "TEXT", "a;b"},
        {"Q.850;cause=16;text=\"a;b\"", "b", NULL},
        {"<sip:a;lr>;x", "lr", NULL},
        {"<sip:a;lr>;x", "x", ""},
        {"\"q;x=1\" <sip:a>;x = 2", "x", "2"},
        {"multipart/mixed; boundary=\"a b\"", "boundary", "a b"},
        {"a;;b=1", "b", "1"},
        {"a;b=\"open", "b", "open"},
        {"", "a", NULL},
    };
    static const struct {
        const char *value;
        const char *name;
        const char *expected;
    } auth[] = {
        {"Digest realm=\"a,b\", nonce=c ,stale=true", "realm", "a,b"},
        {"Digest realm=\"a,b\", nonce=c ,stale=true", "Nonce", "c"},
        {"Digest realm=\"a,b\", nonce=c ,stale=true", "stale", "true"},
        {"Digest realm=\"a,b\"", "b", NULL},
        {"Digest realm", "realm", NULL},
        {"Digest", "Digest", NULL},
        {"", "a", NULL},
    };
    struct slice have;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bool found =
            sip_parameter(slice_of_string(cases[i].value), slice_of_string(cases[i].name), &have);
        assert_int_equal(found, cases[i].expected != NULL);
        assert_true(!found || slice_equal(have, slice_of_string(cases[i].expected)));
    }
    for (size_t i = 0; i < sizeof auth / sizeof auth[0]; i++) {
        bool found = sip_auth_parameter(slice_of_string(auth[i].value),
                                        slice_of_string(auth[i].name), &have);
        assert_int_equal(found, auth[i].expected != NULL);
        assert_true(!found || slice_equal(have, slice_of_string(auth[i].expected)));
    }
}

static void test_q850(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        uint16_t cause;
    } cases[] = {
        {"Reason: Q.850;cause=34;text=\"No circuit\"\r\n", 34},
        {"Reason: SIP ;cause=503, q.850 ;cause=127\r\n", 127},
        {"Reason: SIP;cause=503\r\n", 0},
        {"Reason: Q.850\r\n", 0},
        {"Reason: Q.850;cause=0\r\n", 0},
        {"Reason: Q.850;cause=128\r\n", 0},
        {"Reason: Q.850;cause=x\r\n", 0},
        {"", 0},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sip_message message;
        char raw[256];
        int bytes = snprintf(raw, sizeof raw,
                             "SIP/2.0 503 x\r\nVia: SIP/2.0/UDP a;branch=z9hG4bKa\r\n"
                             "Call-ID: c\r\nCSeq: 1 INVITE\r\n%s\r\n",
                             cases[i].line);
        assert_int_equal(
            sip_decode((const uint8_t *)raw, (size_t)bytes, (size_t)bytes, SIP_UDP, true, &message),
            REASON_NONE);
        assert_int_equal(sip_q850(&message), cases[i].cause);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_compact_names),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_parameters),
        cmocka_unit_test(test_q850),
        cmocka_unit_test(test_lines_that_end_with_cr),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
