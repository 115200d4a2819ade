#include "tests/unit/base/unit.h"

#include "decoders/rtcp.h"

enum { COMPOUND_MAX = 1600 };

/* A compound put together packet by packet. */
struct compound {
    uint8_t bytes[COMPOUND_MAX];
    uint32_t used;
};

static void put(struct compound *compound, uint32_t value, unsigned bytes)
{
    assert_true(compound->used + bytes <= sizeof compound->bytes);
    while (bytes-- > 0) {
        compound->bytes[compound->used++] = (uint8_t)(value >> (8 * bytes));
    }
}

static void put_head(struct compound *compound, unsigned count, uint8_t type, uint32_t bytes)
{
    put(compound, 0x80 | count, 1);
    put(compound, type, 1);
    put(compound, bytes / 4 - 1, 2);
}

static void put_report(struct compound *compound, uint32_t ssrc, uint32_t lost)
{
    put(compound, ssrc, 4);
    put(compound, 64, 1);
    put(compound, lost, 3);
    put(compound, 0x00012345, 4);
    put(compound, 77, 4);
    put(compound, 0xaaaabbbb, 4);
    put(compound, 0x00018000, 4);
}

static void put_sr(struct compound *compound, uint32_t ssrc, unsigned reports)
{
    put_head(compound, reports, 200, 28 + 24 * reports);
    put(compound, ssrc, 4);
    put(compound, 0xe0000001, 4);
    put(compound, 0x80000000, 4);
    put(compound, 160000, 4);
    put(compound, 1000, 4);
    put(compound, 160000, 4);
    for (unsigned index = 0; index < reports; index++) {
        put_report(compound, 0x100 + index, 0xfffffe);
    }
}

static void put_rr(struct compound *compound, uint32_t ssrc, unsigned reports)
{
    put_head(compound, reports, 201, 8 + 24 * reports);
    put(compound, ssrc, 4);
    for (unsigned index = 0; index < reports; index++) {
        put_report(compound, 0x200 + index, 5);
    }
}

static void put_sdes(struct compound *compound, uint32_t ssrc)
{
    put_head(compound, 1, 202, 20);
    put(compound, ssrc, 4);
    put(compound, 0x0109, 2);
    for (const char *text = "a@example"; *text != '\0'; text++) {
        put(compound, (uint8_t)*text, 1);
    }
    put(compound, 0, 1);
}

static void put_bye(struct compound *compound, uint32_t ssrc)
{
    put_head(compound, 1, 203, 8);
    put(compound, ssrc, 4);
}

static enum reason decode(const struct compound *compound, struct rtcp_view *view)
{
    return rtcp_decode(compound->bytes, compound->used, compound->used, view);
}

static void a_full_compound_is_read(void **state)
{
    (void)state;
    struct compound compound = {.used = 0};
    struct rtcp_view view;
    put_sr(&compound, 0xcafe, 2);
    put_sdes(&compound, 0xcafe);
    put_bye(&compound, 0xcafe);
    assert_int_equal(decode(&compound, &view), REASON_NONE);
    assert_int_equal(view.sender, 0xcafe);
    assert_int_equal(view.packets, 3);
    assert_true(view.has_sender_info && view.has_bye);
    assert_false(view.damaged || view.encrypted || view.reduced);
    assert_int_equal(view.ntp, UINT64_C(0xe000000180000000));
    assert_int_equal(view.rtp_timestamp, 160000);
    assert_int_equal(view.sender_packets, 1000);
    assert_int_equal(view.sender_bytes, 160000);
    assert_int_equal(view.report_count, 2);
    assert_int_equal(view.reports[1].ssrc, 0x101);
    assert_int_equal(view.reports[1].fraction_lost, 64);
    assert_int_equal(view.reports[1].cumulative_lost, -2);
    assert_int_equal(view.reports[1].highest_sequence, 0x12345);
    assert_int_equal(view.reports[1].jitter, 77);
    assert_int_equal(view.reports[1].last_sr, 0xaaaabbbb);
    assert_int_equal(view.reports[1].delay_since_sr, 0x18000);
    assert_int_equal(view.cname_count, 1);
    assert_int_equal(view.cnames[0].ssrc, 0xcafe);
    assert_slice(view.cnames[0].cname, "a@example");
}

static void lost_is_signed_24_bits(void **state)
{
    (void)state;
    static const struct {
        uint32_t wire;
        int32_t lost;
    } rows[] = {{0, 0}, {1, 1}, {0x7fffff, 8388607}, {0x800000, -8388608}, {0xffffff, -1}};
    for (size_t index = 0; index < COUNT_OF(rows); index++) {
        struct compound compound = {.used = 0};
        struct rtcp_view view;
        put_head(&compound, 1, 201, 32);
        put(&compound, 1, 4);
        put_report(&compound, 2, rows[index].wire);
        assert_int_equal(decode(&compound, &view), REASON_NONE);
        assert_int_equal(view.reports[0].cumulative_lost, rows[index].lost);
    }
}

static void more_reports_than_are_kept(void **state)
{
    (void)state;
    struct compound compound = {.used = 0};
    struct rtcp_view view;
    put_rr(&compound, 1, 31);
    put_rr(&compound, 1, 3);
    assert_int_equal(decode(&compound, &view), REASON_NONE);
    assert_int_equal(view.report_count, RTCP_REPORTS_MAX);
    assert_int_equal(view.beyond, 3);
    assert_int_equal(view.packets, 2);
}

static void first_packets_that_are_refused(void **state)
{
    (void)state;
    struct rtcp_view view;
    struct compound good = {.used = 0};
    put_rr(&good, 1, 1);
    for (uint32_t bytes = 0; bytes < good.used; bytes++) {
        enum reason wanted = bytes < 8 ? REASON_RTCP_SHORT : REASON_RTCP_LENGTH;
        assert_int_equal(rtcp_decode(good.bytes, bytes, bytes, &view), wanted);
    }
    assert_int_equal(decode(&good, &view), REASON_NONE);
    struct compound bad = good;
    bad.bytes[0] = 0x41;
    assert_int_equal(decode(&bad, &view), REASON_RTCP_VERSION);
    bad = good;
    bad.bytes[1] = 191;
    assert_int_equal(decode(&bad, &view), REASON_RTCP_TYPE);
    bad.bytes[1] = 199; /* in the range, but no type that may stand first */
    assert_int_equal(decode(&bad, &view), REASON_RTCP_TYPE);
    bad = good;
    bad.bytes[0] = 0x82; /* two reports announced, room for one */
    assert_int_equal(decode(&bad, &view), REASON_RTCP_LENGTH);
    bad = good;
    bad.bytes[1] = 200; /* no room for the sender's part */
    assert_int_equal(decode(&bad, &view), REASON_RTCP_LENGTH);
}

/* Without a report in front all must add up, and the contents must be the type's. */
static void reduced_size_is_strict(void **state)
{
    (void)state;
    struct rtcp_view view;
    struct compound compound = {.used = 0};
    put_head(&compound, 1, 205, 16);
    put(&compound, 1, 4);
    put(&compound, 2, 4);
    put(&compound, 0x00110000, 4);
    assert_int_equal(decode(&compound, &view), REASON_NONE);
    assert_true(view.reduced);
    assert_int_equal(view.sender, 1);
    put(&compound, 0, 4);
    assert_int_equal(decode(&compound, &view), REASON_RTCP_LENGTH);
    compound.used = 16;
    compound.bytes[0] = 0x80; /* FMT 0 is none */
    assert_int_equal(decode(&compound, &view), REASON_RTCP_TYPE);
    struct compound goodbye = {.used = 0};
    put_bye(&goodbye, 9);
    assert_int_equal(decode(&goodbye, &view), REASON_NONE);
    assert_true(view.has_bye && view.reduced);
    struct compound sdes = {.used = 0};
    put_sdes(&sdes, 9);
    assert_int_equal(decode(&sdes, &view), REASON_NONE);
    sdes.bytes[9] = 200; /* an item longer than its chunk */
    assert_int_equal(decode(&sdes, &view), REASON_RTCP_TYPE);
}

static void what_follows_a_good_report(void **state)
{
    (void)state;
    struct rtcp_view view;
    struct compound junk = {.used = 0};
    put_rr(&junk, 1, 1);
    uint32_t clear = junk.used;
    put(&junk, 0x01020304, 4);
    assert_int_equal(decode(&junk, &view), REASON_NONE);
    assert_true(view.damaged);
    assert_int_equal(view.report_count, 1);
    static const unsigned tags[] = {4, 10, 16};
    for (size_t index = 0; index < COUNT_OF(tags); index++) {
        struct compound sealed = junk;
        sealed.used = clear;
        put(&sealed, 0x80000007, 4);
        for (unsigned byte = 0; byte < tags[index]; byte++) {
            put(&sealed, 0x5a, 1);
        }
        assert_int_equal(decode(&sealed, &view), REASON_NONE);
        assert_true(view.encrypted);
        assert_false(view.damaged);
        assert_int_equal(view.report_count, 0); /* nothing behind the first 8 bytes is believed */
        assert_int_equal(view.sender, 1);
        /* cut by the snap length: what is there is read */
        assert_int_equal(rtcp_decode(sealed.bytes, clear, sealed.used, &view), REASON_NONE);
        assert_false(view.encrypted || view.damaged);
    }
    /* padding is allowed in the last packet only */
    struct compound padded = {.used = 0};
    put_rr(&padded, 1, 0);
    padded.bytes[0] |= 0x20;
    assert_int_equal(decode(&padded, &view), REASON_NONE);
    assert_false(view.damaged);
    put_bye(&padded, 1);
    assert_int_equal(decode(&padded, &view), REASON_NONE);
    assert_true(view.damaged);
}

static void random_compounds_stay_inside(void **state)
{
    (void)state;
    uint64_t random = 31337;
    for (int round = 0; round < 100000; round++) {
        struct compound compound = {.used = 0};
        put_sr(&compound, 7, random_below(&random, 3));
        put_sdes(&compound, 7);
        put_bye(&compound, 7);
        for (int flip = 0; flip < 3; flip++) {
            compound.bytes[random_below(&random, compound.used)] = (uint8_t)random_next(&random);
        }
        uint32_t bytes = random_below(&random, compound.used + 1);
        uint8_t *exact = malloc(bytes == 0 ? 1 : bytes);
        assert_non_null(exact);
        memcpy(exact, compound.bytes, bytes);
        struct rtcp_view view;
        if (rtcp_decode(exact, bytes, bytes + random_below(&random, 20), &view) == REASON_NONE) {
            assert_true(view.report_count <= RTCP_REPORTS_MAX);
            for (uint8_t name = 0; name < view.cname_count; name++) {
                const uint8_t *at = (const uint8_t *)view.cnames[name].cname.at;
                assert_true(at >= exact && at + view.cnames[name].cname.bytes <= exact + bytes);
            }
        }
        free(exact);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_compound_is_read),
        cmocka_unit_test(lost_is_signed_24_bits),
        cmocka_unit_test(more_reports_than_are_kept),
        cmocka_unit_test(first_packets_that_are_refused),
        cmocka_unit_test(reduced_size_is_strict),
        cmocka_unit_test(what_follows_a_good_report),
        cmocka_unit_test(random_compounds_stay_inside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
