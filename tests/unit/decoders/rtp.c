#include "tests/unit/base/unit.h"

#include "decoders/rtp.h"

/* 12 bytes of header that tests change; sequence 0x1234, time 0x01020304, SSRC 0xa1a2a3a4. */
#define FIXED(first, second)                                                                       \
    first, second, 0x12, 0x34, 0x01, 0x02, 0x03, 0x04, 0xa1, 0xa2, 0xa3, 0xa4

struct row {
    const char *name;
    uint8_t bytes[40];
    uint32_t captured;
    uint32_t wire;
    enum reason reason;
    uint16_t header;
    uint32_t payload;
};

/* clang-format off */
static const struct row rows[] = {
    {"nothing", {0}, 0, 0, REASON_RTP_SHORT, 0, 0},
    {"one byte", {0x80}, 1, 1, REASON_RTP_SHORT, 0, 0},
    {"one short of a header", {FIXED(0x80, 0)}, 11, 11, REASON_RTP_SHORT, 0, 0},
    {"a header cut by the snap length", {FIXED(0x80, 0)}, 11, 200, REASON_RTP_SHORT, 0, 0},
    {"a header alone", {FIXED(0x80, 0)}, 12, 12, REASON_NONE, 12, 0},
    {"payload", {FIXED(0x80, 0)}, 20, 20, REASON_NONE, 12, 8},
    {"payload cut by the snap length", {FIXED(0x80, 0)}, 12, 172, REASON_NONE, 12, 160},
    {"version 1", {FIXED(0x40, 0)}, 20, 20, REASON_RTP_VERSION, 0, 0},
    {"version 3", {FIXED(0xc0, 0)}, 20, 20, REASON_RTP_VERSION, 0, 0},
    {"type 71", {FIXED(0x80, 71)}, 20, 20, REASON_NONE, 12, 8},
    {"type 72 is RTCP 200", {FIXED(0x80, 72)}, 20, 20, REASON_RTP_PAYLOAD_TYPE, 0, 0},
    {"RTCP 204", {FIXED(0x80, 204)}, 20, 20, REASON_RTP_PAYLOAD_TYPE, 0, 0},
    {"type 77", {FIXED(0x80, 77)}, 20, 20, REASON_NONE, 12, 8},
    {"two CSRCs", {FIXED(0x82, 0)}, 22, 22, REASON_NONE, 20, 2},
    {"CSRCs to the end", {FIXED(0x82, 0)}, 20, 20, REASON_NONE, 20, 0},
    {"CSRCs beyond the end", {FIXED(0x82, 0)}, 19, 19, REASON_RTP_LENGTH, 0, 0},
    {"extension", {FIXED(0x90, 0), 0xbe, 0xde, 0, 1, 1, 2, 3, 4, 9}, 21, 21, REASON_NONE, 20, 1},
    {"extension to the end", {FIXED(0x90, 0), 0xbe, 0xde, 0, 1, 1, 2, 3, 4}, 20, 20, REASON_NONE, 20, 0},
    {"extension beyond the end", {FIXED(0x90, 0), 0xbe, 0xde, 0, 2, 1, 2, 3, 4}, 20, 20, REASON_RTP_LENGTH, 0, 0},
    {"extension of 256 KiB", {FIXED(0x90, 0), 0xbe, 0xde, 0xff, 0xff}, 20, 20, REASON_RTP_LENGTH, 0, 0},
    {"extension header cut off", {FIXED(0x90, 0), 0xbe, 0xde}, 14, 14, REASON_RTP_LENGTH, 0, 0},
    {"extension not captured", {FIXED(0x90, 0), 0xbe, 0xde}, 14, 172, REASON_NONE, 16, 156},
    {"padding", {FIXED(0xa0, 0), 7, 7, 0, 2}, 16, 16, REASON_NONE, 12, 2},
    {"all padding", {FIXED(0xa0, 0), 0, 0, 0, 4}, 16, 16, REASON_NONE, 12, 0},
    {"more padding than payload", {FIXED(0xa0, 0), 0, 0, 0, 5}, 16, 16, REASON_RTP_LENGTH, 0, 0},
    {"padding of nothing", {FIXED(0xa0, 0), 0, 0, 0, 0}, 16, 16, REASON_RTP_LENGTH, 0, 0},
    {"padding bit without payload", {FIXED(0xa0, 0)}, 12, 12, REASON_RTP_LENGTH, 0, 0},
    {"padding not captured", {FIXED(0xa0, 0), 9}, 13, 172, REASON_NONE, 12, 160},
    {"all of it", {FIXED(0xb1, 0), 1, 1, 1, 1, 0, 0, 0, 1, 5, 5, 5, 5, 8, 2}, 26, 26, REASON_NONE, 24, 0},
};
/* clang-format on */

static void headers_are_measured(void **state)
{
    (void)state;
    for (size_t index = 0; index < COUNT_OF(rows); index++) {
        const struct row *row = &rows[index];
        struct rtp_view view;
        memset(&view, 0xee, sizeof view);
        enum reason reason = rtp_decode(row->bytes, row->captured, row->wire, &view);
        if (reason != row->reason) {
            fail_msg("%s: %s", row->name,
                     reason == REASON_NONE ? "taken" : reason_rows[reason].slug);
        }
        if (reason != REASON_NONE) {
            assert_int_equal(view.sequence, 0xeeee); /* written only on success */
            continue;
        }
        if (view.header_bytes != row->header || view.payload_bytes != row->payload) {
            fail_msg("%s: header %u, payload %u", row->name, view.header_bytes, view.payload_bytes);
        }
    }
}

static void fields_are_read(void **state)
{
    (void)state;
    uint8_t bytes[] = {FIXED(0x80, 0x80 | 101), 0};
    struct rtp_view view;
    assert_int_equal(rtp_decode(bytes, sizeof bytes, sizeof bytes, &view), REASON_NONE);
    assert_int_equal(view.sequence, 0x1234);
    assert_int_equal(view.timestamp, 0x01020304);
    assert_int_equal(view.ssrc, 0xa1a2a3a4);
    assert_int_equal(view.payload_type, 101);
    assert_true(view.marker);
    bytes[1] = 101;
    assert_int_equal(rtp_decode(bytes, sizeof bytes, sizeof bytes, &view), REASON_NONE);
    assert_false(view.marker);
}

/* Whatever the bytes: header and payload stay within the datagram. */
static void random_bytes_stay_inside(void **state)
{
    (void)state;
    uint64_t random = 4711;
    for (int round = 0; round < 200000; round++) {
        uint8_t bytes[64];
        uint32_t captured = random_below(&random, sizeof bytes + 1);
        uint32_t wire = captured + (round % 3 == 0 ? random_below(&random, 100) : 0);
        for (uint32_t at = 0; at < captured; at++) {
            bytes[at] = (uint8_t)random_next(&random);
        }
        bytes[0] = (uint8_t)((bytes[0] & 0x3f) | 0x80);
        struct rtp_view view;
        if (rtp_decode(bytes, captured, wire, &view) == REASON_NONE) {
            assert_true(view.header_bytes >= 12 && view.header_bytes + view.payload_bytes <= wire);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_are_measured),
        cmocka_unit_test(fields_are_read),
        cmocka_unit_test(random_bytes_stay_inside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
