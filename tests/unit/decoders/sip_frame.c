/* Framing of a stream: where messages begin and end, what is a keep-alive, how lost framing is
 * found again. */
#include "decoders/sip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define HEAD "OPTIONS sip:a@b SIP/2.0\r\nVia: x\r\n"
#define BYTES(literal) (sizeof(literal) - 1)

static void test_frames(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum reason reason;
        struct sip_frame frame;
    } cases[] = {
        {"", REASON_SIP_PARTIAL, {0}},
        {"\r\n\r\n", REASON_SIP_PARTIAL, {.skip = 4, .keepalives = 1}},
        {"\r\n", REASON_SIP_PARTIAL, {.skip = 2, .keepalives = 1}},
        {"\r\n\r\n\r\n", REASON_SIP_PARTIAL, {.skip = 6, .keepalives = 2}},
        {"OPTIONS sip:a@b SI", REASON_SIP_PARTIAL, {0}},
        {HEAD, REASON_NONE, {0}},
        {HEAD "\r", REASON_NONE, {0}},
        {HEAD "Content-Length: 3\r\n\r\nabc",
         REASON_NONE,
         {.header_bytes = BYTES(HEAD "Content-Length: 3\r\n\r\n"),
          .message_bytes = BYTES(HEAD "Content-Length: 3\r\n\r\nabc"),
          .whole = true}},
        {HEAD "Content-Length: 3\r\n\r\nab",
         REASON_NONE,
         {.header_bytes = BYTES(HEAD "Content-Length: 3\r\n\r\n"),
          .message_bytes = BYTES(HEAD "Content-Length: 3\r\n\r\nabc")}},
        {"\r\n" HEAD "l : 0\r\n\r\nOPTIONS",
         REASON_NONE,
         {.skip = 2,
          .keepalives = 1,
          .header_bytes = BYTES(HEAD "l : 0\r\n\r\n"),
          .message_bytes = BYTES(HEAD "l : 0\r\n\r\n"),
          .whole = true}},
        {HEAD "l: 1\r\nContent-Length: 2\r\n\r\nab",
         REASON_NONE,
         {.header_bytes = BYTES(HEAD "l: 1\r\nContent-Length: 2\r\n\r\n"),
          .message_bytes = BYTES(HEAD "l: 1\r\nContent-Length: 2\r\n\r\na"),
          .whole = true}},
        {HEAD "\r\nabc",
         REASON_NONE,
         {.header_bytes = BYTES(HEAD "\r\n"),
          .message_bytes = BYTES(HEAD "\r\n"),
          .whole = true,
          .length_missing = true}},
        {HEAD "l: -1\r\n\r\n",
         REASON_NONE,
         {.header_bytes = BYTES(HEAD "l: -1\r\n\r\n"),
          .message_bytes = BYTES(HEAD "l: -1\r\n\r\n"),
          .whole = true,
          .length_missing = true}},
        {"junk\r\nmore\r\n" HEAD "l: 0\r\n\r\n",
         REASON_NONE,
         {.skip = 12,
          .header_bytes = BYTES(HEAD "l: 0\r\n\r\n"),
          .message_bytes = BYTES(HEAD "l: 0\r\n\r\n"),
          .whole = true,
          .lost = true}},
        {"junk\r\nhalf a li", REASON_SIP_NOT, {.skip = 6, .lost = true}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t bytes = strlen(cases[i].text);
        uint8_t *copy = malloc(bytes + 1);
        assert_non_null(copy);
        memcpy(copy + 1, cases[i].text, bytes); /* ends where the memory ends */
        struct sip_frame frame;
        enum reason reason = sip_frame_next(copy + 1, bytes, true, &frame);
        const struct sip_frame *want = &cases[i].frame;
        if (reason != cases[i].reason || frame.skip != want->skip ||
            frame.keepalives != want->keepalives || frame.header_bytes != want->header_bytes ||
            frame.message_bytes != want->message_bytes || frame.whole != want->whole ||
            frame.lost != want->lost || frame.length_missing != want->length_missing) {
            fail_msg("row %zu: reason %d skip %u header %u message %u", i, (int)reason, frame.skip,
                     frame.header_bytes, frame.message_bytes);
        }
        free(copy);
    }
}

/* Junk without a line end is not kept for ever. */
static void test_junk_without_lines(void **state)
{
    (void)state;
    static uint8_t junk[8192];
    struct sip_frame frame;
    memset(junk, 'x', sizeof junk);
    assert_int_equal(sip_frame_next(junk, 4000, true, &frame), REASON_SIP_PARTIAL);
    assert_int_equal(sip_frame_next(junk, sizeof junk, true, &frame), REASON_SIP_NOT);
    assert_int_equal(frame.skip, sizeof junk);
    junk[0] = 1;
    assert_int_equal(sip_frame_next(junk, 100, true, &frame), REASON_SIP_NOT);
    assert_int_equal(frame.skip, 0); /* a line may still follow */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frames),
        cmocka_unit_test(test_junk_without_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
