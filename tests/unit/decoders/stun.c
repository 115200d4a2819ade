#include "tests/unit/base/unit.h"

#include "decoders/stun.h"

/* type, length, cookie and transaction 01..0c */
#define HEADER(type, length)                                                                       \
    (uint8_t)((type) >> 8), (uint8_t)(type), (uint8_t)((length) >> 8), (uint8_t)(length), 0x21,    \
        0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12

static void kinds_are_told_by_class_bits(void **state)
{
    (void)state;
    static const struct {
        uint16_t type;
        bool request;
        bool response;
    } rows[] = {
        {0x0001, true, false}, /* binding request */
        {0x0011, false, false}, /* indication */
        {0x0101, false, true}, /* success */
        {0x0111, false, true}, /* error */
        {0x0003, true, false}, /* TURN allocate */
        {0x0113, false, true},
    };
    for (size_t index = 0; index < COUNT_OF(rows); index++) {
        const uint8_t bytes[] = {HEADER(rows[index].type, 0)};
        struct stun_view view;
        assert_int_equal(stun_decode(bytes, sizeof bytes, &view), REASON_NONE);
        assert_int_equal(view.is_request, rows[index].request);
        assert_int_equal(view.is_response, rows[index].response);
        assert_int_equal(view.type, rows[index].type);
        assert_int_equal(view.transaction[0], 1);
        assert_int_equal(view.transaction[11], 12);
        assert_true(slice_is_empty(view.username));
        assert_false(view.has_mapped);
    }
}

static void refusals(void **state)
{
    (void)state;
    uint8_t bytes[24] = {HEADER(0x0001, 0)};
    struct stun_view view;
    for (uint32_t count = 0; count < 20; count++) {
        assert_int_equal(stun_decode(bytes, count, &view), REASON_STUN_SHORT);
    }
    assert_int_equal(stun_decode(bytes, 20, &view), REASON_NONE);
    assert_int_equal(stun_decode(bytes, 24, &view), REASON_NONE); /* bytes behind it */
    bytes[3] = 4;
    assert_int_equal(stun_decode(bytes, 20, &view), REASON_STUN_LENGTH);
    assert_int_equal(stun_decode(bytes, 24, &view), REASON_NONE);
    bytes[3] = 3;
    assert_int_equal(stun_decode(bytes, 24, &view), REASON_STUN_LENGTH);
    bytes[3] = 0;
    bytes[7] = 0x43;
    assert_int_equal(stun_decode(bytes, 20, &view), REASON_STUN_COOKIE);
    bytes[7] = 0x42;
    bytes[0] = 0x40;
    assert_int_equal(stun_decode(bytes, 20, &view), REASON_STUN_COOKIE);
}

static void attributes_are_read(void **state)
{
    (void)state;
    /* XOR-MAPPED-ADDRESS of 192.0.2.1:32853 as in RFC 5769, a user name with padding,
     * USE-CANDIDATE. */
    const uint8_t bytes[] = {
        HEADER(0x0101, 36),
        0x00,
        0x20,
        0,
        8,
        0,
        1,
        0xa1,
        0x47,
        0xe1,
        0x12,
        0xa6,
        0x43,
        0x00,
        0x06,
        0,
        5,
        'a',
        ':',
        'b',
        'c',
        'd',
        0,
        0,
        0,
        0x00,
        0x25,
        0,
        0,
        0x80,
        0x22,
        0,
        4,
        'x',
        'y',
        'z',
        '!',
    };
    struct stun_view view;
    assert_int_equal(stun_decode(bytes, sizeof bytes, &view), REASON_NONE);
    assert_slice(view.username, "a:bcd");
    assert_true(view.use_candidate);
    assert_true(view.has_mapped);
    assert_int_equal(view.mapped.port, 32853);
    struct addr wanted = addr_from_v4((const uint8_t[]){192, 0, 2, 1});
    assert_true(addr_equal(&view.mapped.addr, &wanted));
}

static void addresses_of_both_families(void **state)
{
    (void)state;
    uint8_t bytes[] = {HEADER(0x0101, 24),
                       0x00,
                       0x20,
                       0,
                       20,
                       0,
                       2,
                       0x21,
                       0x12,
                       0x01,
                       0x13,
                       0xa9,
                       0xfa,
                       0xa5,
                       0xd3,
                       0xf1,
                       0x79,
                       0xbc,
                       0x25,
                       0xf4,
                       0xb5,
                       0xbe,
                       0xd2,
                       0xb9,
                       0xd9};
    struct stun_view view;
    assert_int_equal(stun_decode(bytes, sizeof bytes, &view), REASON_NONE);
    assert_true(view.has_mapped);
    assert_int_equal(view.mapped.port, 0);
    assert_int_equal(view.mapped.addr.octets[0], 0x01 ^ 0x21);
    assert_int_equal(view.mapped.addr.octets[15], 0xd9 ^ 12);
    bytes[25] = 3; /* no such family */
    assert_int_equal(stun_decode(bytes, sizeof bytes, &view), REASON_NONE);
    assert_false(view.has_mapped);
    const uint8_t plain[] = {HEADER(0x0101, 12), 0x00, 0x01, 0, 8, 0, 1, 0x13, 0xc4, 192, 0, 2, 7};
    assert_int_equal(stun_decode(plain, sizeof plain, &view), REASON_NONE);
    assert_true(view.has_mapped);
    assert_int_equal(view.mapped.port, 5060);
    assert_int_equal(view.mapped.addr.octets[15], 7);
}

static void attributes_beyond_the_message_are_refused(void **state)
{
    (void)state;
    const uint8_t bytes[] = {
        HEADER(0x0001, 8), 0x00, 0x06, 0, 5, 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'};
    struct stun_view view;
    assert_int_equal(stun_decode(bytes, sizeof bytes, &view), REASON_STUN_LENGTH);
    uint64_t random = 99;
    for (int round = 0; round < 50000; round++) {
        uint8_t noise[80] = {HEADER(0x0101, 60)};
        for (size_t at = 20; at < sizeof noise; at++) {
            noise[at] = (uint8_t)random_below(&random, at % 4 < 2 ? 40 : 8);
        }
        if (stun_decode(noise, sizeof noise, &view) == REASON_NONE && view.username.bytes > 0) {
            assert_true((const uint8_t *)view.username.at >= noise + 20);
            assert_true((const uint8_t *)view.username.at + view.username.bytes <=
                        noise + sizeof noise);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds_are_told_by_class_bits),
        cmocka_unit_test(refusals),
        cmocka_unit_test(attributes_are_read),
        cmocka_unit_test(addresses_of_both_families),
        cmocka_unit_test(attributes_beyond_the_message_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
