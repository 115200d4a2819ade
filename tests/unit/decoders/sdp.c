/* Session descriptions: what is read, what is malformed, and the one inside a multipart body. */
#include "decoders/sdp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define HEAD "v=0\r\no=- 1 2 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\n"
#define CONNECTION "c=IN IP4 192.0.2.1\r\n"
#define AUDIO "m=audio 4000 RTP/AVP 0\r\n"

static struct slice exact(const char *text, char **out_copy)
{
    size_t bytes = strlen(text);
    *out_copy = malloc(bytes + 1);
    assert_non_null(*out_copy);
    memcpy(*out_copy + 1, text, bytes);
    return slice_of(*out_copy + 1, bytes);
}

static void assert_endpoint(const struct endpoint *endpoint, const char *expected)
{
    char have[ENDPOINT_TEXT_BYTES];
    struct text text = text_into(have, sizeof have);
    text_endpoint(&text, endpoint);
    assert_string_equal(text_terminate(&text), expected);
}

static void test_description(void **state)
{
    (void)state;
    static const char text[] = "v=0\r\n"
                               "o=alice 2890844526 2890844527 IN IP6 2001:db8::1\r\n"
                               "s=call\r\n"
                               "c=IN IP4 192.0.2.1/127\r\n"
                               "t=0 0\r\n"
                               "a=group:BUNDLE a v\r\n"
                               "a=recvonly\r\n"
                               "m=audio 49170/2 RTP/AVP 0 8 97 101\r\n"
                               "a=rtpmap:97 opus/48000/2\r\n"
                               "a=rtpmap:8 a-codec-with-a-long-name/8000\r\n"
                               "a=rtpmap:101 telephone-event/8000\r\n"
                               "a=rtpmap:0 pcmu/8000\r\n"
                               "a=ptime:20\r\n"
                               "a=rtcp:53020 IN IP4 192.0.2.9\r\n"
                               "a=sendonly\r\n"
                               "m=video 6000 UDP/TLS/RTP/SAVPF 96\r\n"
                               "c=IN IP6 2001:db8::5\r\n"
                               "a=rtcp-mux\r\n"
                               "a=ice-ufrag:x\r\n"
                               "m=image 5000 udptl t38\r\n"
                               "c=IN IP4 host.example.com\r\n"
                               "m=application 0 UDP/BFCP *\r\n";
    char *copy;
    struct slice body = exact(text, &copy);
    struct sdp sdp;
    memset(&sdp, 0xa5, sizeof sdp); /* nothing may stand that was not written */
    assert_int_equal(sdp_decode(body, false, &sdp), REASON_NONE);
    assert_false(sdp.malformed);
    assert_int_equal(sdp.session_version, 2890844527);
    assert_int_equal(sdp.media_count, 4);
    assert_int_equal(sdp.media_beyond, 0);
    assert_true(sdp.ice);
    assert_true(sdp.bundle);
    const struct sdp_media *audio = &sdp.media[0];
    assert_int_equal(audio->kind, SDP_AUDIO);
    assert_true(audio->is_rtp && audio->has_address && !audio->hold && !audio->rtcp_mux);
    assert_endpoint(&audio->rtp, "192.0.2.1:49170");
    assert_endpoint(&audio->rtcp, "192.0.2.9:53020");
    assert_int_equal(audio->direction, SDP_SENDONLY);
    assert_int_equal(audio->security, SDP_CLEAR);
    assert_int_equal(audio->ptime_ms, 20);
    assert_int_equal(audio->format_count, 4);
    assert_string_equal(audio->formats[0].codec, "pcmu");
    assert_string_equal(audio->formats[1].codec, "a-codec-with-a-");
    assert_int_equal(audio->formats[1].clock_rate, 8000);
    assert_string_equal(audio->formats[2].codec, "opus");
    assert_int_equal(audio->formats[2].clock_rate, 48000);
    assert_int_equal(audio->formats[2].channels, 2);
    assert_string_equal(audio->formats[3].codec, "telephone-event");
    const struct sdp_media *video = &sdp.media[1];
    assert_int_equal(video->kind, SDP_VIDEO);
    assert_endpoint(&video->rtp, "[2001:db8::5]:6000");
    assert_endpoint(&video->rtcp, "[2001:db8::5]:6000");
    assert_int_equal(video->direction, SDP_RECVONLY);
    assert_int_equal(video->security, SDP_DTLS);
    assert_string_equal(video->formats[0].codec, "");
    assert_int_equal(video->formats[0].clock_rate, 0);
    assert_int_equal(sdp.media[2].kind, SDP_IMAGE);
    assert_false(sdp.media[2].is_rtp);
    assert_false(sdp.media[2].has_address);
    assert_int_equal(sdp.media[3].rtp.port, 0);
    free(copy);
}

static void test_malformed(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool malformed;
        enum reason reason;
    } cases[] = {
        {HEAD CONNECTION AUDIO, false, REASON_NONE},
        {HEAD, false, REASON_NONE},
        {"", true, REASON_SDP_NOT},
        {"hello", true, REASON_SDP_NOT},
        {"o=- 1 2 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\n" AUDIO, true, REASON_NONE},
        {"v=0\r\ns=-\r\nt=0 0\r\n", true, REASON_NONE},
        {"v=0\r\no=x\r\nt=0 0\r\n", true, REASON_NONE},
        {"v=0\r\no=x\r\ns=-\r\n", true, REASON_NONE},
        {"v=1\r\no=x\r\ns=-\r\nt=0 0\r\n", true, REASON_NONE},
        {"v=0\no=- 1 2 IN IP4 192.0.2.1\ns=\n\n\nt=0 0\nm=audio 4000 RTP/AVP 0\n", false,
         REASON_NONE}, /* LF, blank lines */
        {HEAD "m=audio 492170 RTP/AVP 0\r\n", true, REASON_NONE},
        {HEAD "m=audio 65535 RTP/AVP 0\r\n", false, REASON_NONE},
        {HEAD "m=audio x RTP/AVP 0\r\n", true, REASON_NONE},
        {HEAD "m=audio 4000/x RTP/AVP 0\r\n", true, REASON_NONE},
        {HEAD "m=audio 4000 RTP/AVP\r\n", true, REASON_NONE},
        {HEAD "m=video 0 RTP/AVP\r\n", false, REASON_NONE}, /* rejected */
        {HEAD "m=audio 4000 RTP/AVP 127\r\n", false, REASON_NONE},
        {HEAD "m=audio 4000 RTP/AVP 128\r\n", true, REASON_NONE},
        {HEAD "m=audio 4000 RTP/AVP 4294967296\r\n", true, REASON_NONE},
        {HEAD "m=audio 4000 RTP/AVP 0x\r\n", true, REASON_NONE},
        {HEAD "m=message 4000 TCP/MSRP *\r\n", false, REASON_NONE},
        {HEAD "c=IN IP4 192.0.2.1 UNHOLD UNHOLD\r\n", true, REASON_NONE},
        {HEAD "c=IN IP4 192.0.2.256\r\n", true, REASON_NONE},
        {HEAD "c=IN IP4 host.example.com\r\n", false, REASON_NONE},
        {HEAD "c=IN IP6 2001:db8::g\r\n", true, REASON_NONE},
        {HEAD "c=IN IP4\r\n", true, REASON_NONE},
        {HEAD "c=ATM IP4 192.0.2.1\r\n", true, REASON_NONE},
        {HEAD "testing=123\r\n", true, REASON_NONE},
        {HEAD "A=x\r\n", true, REASON_NONE},
        {HEAD "a=rtpmap:4294967296 x/y\r\na=ptime:-1\r\na=rtcp:99999\r\n", false, REASON_NONE},
        {HEAD AUDIO "c=IN IP4 192.0.2", false, REASON_NONE}, /* a cut last line */
        {HEAD "m=audio 49", false, REASON_NONE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *copy;
        struct slice body = exact(cases[i].text, &copy);
        struct sdp sdp;
        if (sdp_decode(body, false, &sdp) != cases[i].reason ||
            sdp.malformed != cases[i].malformed) {
            fail_msg("row %zu: %s", i, cases[i].text);
        }
        assert_int_equal(sdp_check(body, false, NULL), cases[i].malformed);
        /* What the capture cut is nobody's fault, wherever that was. */
        for (size_t bytes = 0; !cases[i].malformed && bytes < body.bytes; bytes++) {
            assert_false(sdp_check(slice_part(body, 0, bytes), true, &sdp));
        }
        free(copy);
    }
}

static void test_bounds(void **state)
{
    (void)state;
    static char text[32768];
    struct text into = text_into(text, sizeof text);
    struct sdp sdp;
    text_string(&into, HEAD CONNECTION "m=audio 4000 RTP/AVP");
    for (unsigned type = 0; type < SDP_FORMATS_MAX; type++) {
        text_format(&into, " %u", type + 96);
    }
    text_string(&into, "\r\n");
    for (unsigned media = 1; media < SDP_MEDIA_MAX; media++) {
        text_string(&into, AUDIO);
    }
    assert_int_equal(sdp_decode(text_slice(&into), false, &sdp), REASON_NONE);
    assert_int_equal(sdp.media_count, SDP_MEDIA_MAX);
    assert_int_equal(sdp.media[0].format_count, SDP_FORMATS_MAX);
    assert_int_equal(sdp.media_beyond, 0);
    assert_false(sdp.formats_beyond);
    text_string(&into, "m=audio 4002 RTP/AVP 0\r\na=sendonly\r\nc=IN IP4 192.0.2.77\r\n");
    assert_int_equal(sdp_decode(text_slice(&into), false, &sdp), REASON_NONE);
    assert_int_equal(sdp.media_beyond, 1);
    assert_int_equal(sdp.media[SDP_MEDIA_MAX - 1].direction, SDP_SENDRECV);
    assert_endpoint(&sdp.media[SDP_MEDIA_MAX - 1].rtp, "192.0.2.1:4000");
    into = text_into(text, sizeof text);
    text_string(&into, HEAD "m=audio 4000 RTP/AVP 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17\r\n");
    assert_int_equal(sdp_decode(text_slice(&into), false, &sdp), REASON_NONE);
    assert_true(sdp.formats_beyond);
    into = text_into(text, sizeof text);
    text_string(&into, HEAD);
    for (unsigned i = 0; i < 513; i++) {
        text_string(&into, "a=x\r\n");
    }
    text_string(&into, AUDIO);
    assert_int_equal(sdp_decode(text_slice(&into), false, &sdp), REASON_NONE);
    assert_int_equal(sdp.media_count, 0); /* attributes above 512 end the reading */
}

static void test_defaults(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum sdp_direction direction;
        enum sdp_security security;
        bool hold;
        const char *rtcp;
    } cases[] = {
        {HEAD CONNECTION AUDIO, SDP_SENDRECV, SDP_CLEAR, false, "192.0.2.1:4001"},
        {HEAD CONNECTION "a=inactive\r\n" AUDIO, SDP_INACTIVE, SDP_CLEAR, false, "192.0.2.1:4001"},
        {HEAD "c=IN IP4 0.0.0.0\r\n" AUDIO, SDP_SENDRECV, SDP_CLEAR, true, "0.0.0.0:4001"},
        {HEAD CONNECTION AUDIO "a=crypto:1 x inline:key\r\n", SDP_SENDRECV, SDP_BEST_EFFORT, false,
         "192.0.2.1:4001"},
        {HEAD CONNECTION "m=audio 4000 RTP/SAVP 0\r\na=crypto:1 x inline:key\r\n", SDP_SENDRECV,
         SDP_SDES, false, "192.0.2.1:4001"},
        {HEAD CONNECTION "m=audio 4000 RTP/SAVPF 0\r\na=fingerprint:x\r\n", SDP_SENDRECV, SDP_DTLS,
         false, "192.0.2.1:4001"},
        {HEAD CONNECTION "a=fingerprint:x\r\n" AUDIO, SDP_SENDRECV, SDP_BEST_EFFORT, false,
         "192.0.2.1:4001"},
        {HEAD CONNECTION "m=audio 65535 RTP/AVP 0\r\n", SDP_SENDRECV, SDP_CLEAR, false,
         "192.0.2.1:0"},
        {HEAD CONNECTION AUDIO "a=rtcp-mux\r\n", SDP_SENDRECV, SDP_CLEAR, false, "192.0.2.1:4000"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sdp sdp;
        assert_int_equal(sdp_decode(slice_of_string(cases[i].text), false, &sdp), REASON_NONE);
        assert_int_equal(sdp.media[0].direction, cases[i].direction);
        assert_int_equal(sdp.media[0].security, cases[i].security);
        assert_int_equal(sdp.media[0].hold, cases[i].hold);
        if (cases[i].rtcp[strlen(cases[i].rtcp) - 1] != '0' || sdp.media[0].rtcp_mux) {
            assert_endpoint(&sdp.media[0].rtcp, cases[i].rtcp);
        } else {
            assert_int_equal(sdp.media[0].rtcp.port, 0);
        }
    }
}

static void test_static_formats(void **state)
{
    (void)state;
    unsigned known = 0;
    for (unsigned type = 0; type < 256; type++) {
        const struct sdp_format *format = sdp_static_format((uint8_t)type);
        known += format != NULL;
        assert_true(format == NULL || format->payload_type == type);
    }
    assert_int_equal(known, 24);
    assert_int_equal(sdp_static_format(9)->clock_rate, 8000); /* G722, by RFC 3551 */
    assert_null(sdp_static_format(19));
    assert_null(sdp_static_format(96));
}

static void test_bodies(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        const char *body;
        const char *sdp; /* NULL: none */
        bool malformed;
    } cases[] = {
        {"application/sdp", "v=0\r\n", "v=0\r\n", false},
        {"Application/SDP ; charset=utf-8", "v=0\r\n", "v=0\r\n", false},
        {"application/sdpx", "v=0\r\n", NULL, false},
        {"text/plain", "v=0\r\n", NULL, false},
        {"", "v=0\r\n", NULL, false},
        {"multipart/mixed;boundary=b",
         "--b\r\nContent-Type: text/plain\r\n\r\nhi\r\n--b\r\nc: "
         "application/sdp\r\n\r\nv=0\r\n--b--\r\n",
         "v=0\r\n", false},
        {"multipart/mixed;boundary=\"b\"", "pre\n--b\nCONTENT-TYPE : application/sdp\n\nv=0\n--b--",
         "v=0\n", false},
        {"multipart/mixed;boundary=b", "--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n",
         "v=0\r\n", true},
        {"multipart/mixed;boundary=b", "--b\r\n\r\nv=0\r\n--b--\r\n", NULL, false},
        {"multipart/mixed;boundary=b", "", NULL, true},
        {"multipart/mixed;boundary=b", "--b", NULL, true},
        {"multipart/mixed", "--b\r\n", NULL, true},
        {"multipart/mixed;boundary=\"\"", "--\r\n", NULL, true},
        {"multipart/mixed;boundary=a",
         "--a\r\nContent-Type: multipart/alternative;boundary=b\r\n\r\n--b\r\nContent-Type: "
         "application/sdp\r\n\r\nv=0\r\n--b--\r\n--a--\r\n",
         "v=0\r\n", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *copy;
        bool malformed = false;
        struct slice body = exact(cases[i].body, &copy);
        struct slice sdp = sdp_in_body(slice_of_string(cases[i].type), body, &malformed);
        if (malformed != cases[i].malformed || (sdp.at == NULL) != (cases[i].sdp == NULL) ||
            (sdp.at != NULL && !slice_equal(sdp, slice_of_string(cases[i].sdp)))) {
            fail_msg("row %zu: \"%.*s\" malformed %d", i, (int)sdp.bytes, sdp.at, malformed);
        }
        free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_description),    cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_bounds),         cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_static_formats), cmocka_unit_test(test_bodies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
