/* pcapng.c - sections, interfaces, the three packet blocks, and everything that can be wrong with
 * them. */
#include "make.h"

#include "sensor/capture/pcapng_file.h"

static void section(struct bytes *bytes, bool big_endian)
{
    bytes->big_endian = big_endian;
    bytes_32(bytes, 0x0a0d0d0a);
    bytes_32(bytes, 28);
    bytes_32(bytes, 0x1a2b3c4d);
    bytes_16(bytes, 1);
    bytes_16(bytes, 0);
    bytes_number(bytes, UINT64_MAX, 8);
    bytes_32(bytes, 28);
}

struct option_bytes {
    uint16_t code;
    uint16_t length; /* stated */
    const void *at;
    size_t count; /* there */
};

static void interface(struct bytes *bytes, uint16_t link_type, uint32_t snap_bytes,
                      const struct option_bytes *options, size_t option_count)
{
    size_t length = 20;
    for (size_t i = 0; i < option_count; i++) {
        length += 4 + (options[i].count + 3) / 4 * 4;
    }
    bytes_32(bytes, 1);
    bytes_32(bytes, length);
    bytes_16(bytes, link_type);
    bytes_16(bytes, 0);
    bytes_32(bytes, snap_bytes);
    for (size_t i = 0; i < option_count; i++) {
        bytes_16(bytes, options[i].code);
        bytes_16(bytes, options[i].length);
        bytes_put(bytes, options[i].at, options[i].count);
        bytes_fill(bytes, 0, (4 - options[i].count % 4) % 4);
    }
    bytes_32(bytes, length);
}

static void plain_interface(struct bytes *bytes, uint16_t link_type)
{
    interface(bytes, link_type, 0, NULL, 0);
}

/* Type 6 or 2; `stated` is the captured length that the block claims. */
static void packet_as(struct bytes *bytes, uint32_t type, uint32_t id, uint64_t ticks,
                      uint32_t stated, uint32_t there, uint8_t fill)
{
    uint32_t length = 32 + (there + 3) / 4 * 4;
    bytes_32(bytes, type);
    bytes_32(bytes, length);
    if (type == 2) {
        bytes_16(bytes, id);
        bytes_16(bytes, 7);
    } else {
        bytes_32(bytes, id);
    }
    bytes_32(bytes, ticks >> 32);
    bytes_32(bytes, ticks & UINT32_MAX);
    bytes_32(bytes, stated);
    bytes_32(bytes, stated);
    bytes_fill(bytes, fill, there);
    bytes_fill(bytes, 0, (4 - there % 4) % 4);
    bytes_32(bytes, length);
}

static void packet(struct bytes *bytes, uint32_t id, uint64_t ticks, uint32_t count, uint8_t fill)
{
    packet_as(bytes, 6, id, ticks, count, count, fill);
}

static void simple_packet(struct bytes *bytes, uint32_t wire, uint32_t there, uint8_t fill)
{
    uint32_t length = 16 + (there + 3) / 4 * 4;
    bytes_32(bytes, 3);
    bytes_32(bytes, length);
    bytes_32(bytes, wire);
    bytes_fill(bytes, fill, there);
    bytes_fill(bytes, 0, (4 - there % 4) % 4);
    bytes_32(bytes, length);
}

static void other_block(struct bytes *bytes, uint32_t type, uint32_t body)
{
    bytes_32(bytes, type);
    bytes_32(bytes, 12 + body);
    bytes_fill(bytes, 0x55, body);
    bytes_32(bytes, 12 + body);
}

static struct reading read_and_free(struct bytes *bytes)
{
    struct reading reading = reading_of_bytes(bytes->at, bytes->count);
    bytes_free(bytes);
    return reading;
}

static void test_both_byte_orders(void **state)
{
    (void)state;
    for (int big_endian = 0; big_endian <= 1; big_endian++) {
        struct bytes bytes = {.at = NULL};
        section(&bytes, big_endian == 1);
        plain_interface(&bytes, 1);
        packet(&bytes, 0, 1700000000123456, 61, 9);
        packet_as(&bytes, 2, 0, 1700000000123457, 3, 3, 8);
        struct reading reading = read_and_free(&bytes);
        assert_int_equal(reading.frame_count, 2);
        assert_int_equal(reading.frames[0].time_ns, 1700000000123456000);
        assert_int_equal(reading.frames[0].captured, 61);
        assert_int_equal(reading.frames[0].at[60], 9);
        assert_int_equal(reading.frames[1].time_ns, 1700000000123457000);
        assert_int_equal(reading.frames[1].captured, 3);
        assert_int_equal(reading.frames[1].wire_bytes, 3);
        assert_false(reading.counts.truncated);
        reading_free(&reading);
    }
}

/* What libpcap refuses: other link types and snap lengths, in one section and in the next. */
static void test_several_interfaces_and_sections(void **state)
{
    (void)state;
    struct bytes bytes = {.at = NULL};
    section(&bytes, false);
    plain_interface(&bytes, 1);
    interface(&bytes, 113, 96, NULL, 0);
    packet(&bytes, 1, 5, 10, 1);
    packet(&bytes, 0, 6, 10, 2);
    plain_interface(&bytes, 12); /* an interface may be described when it is needed */
    packet(&bytes, 2, 7, 10, 3);
    section(&bytes, true);
    plain_interface(&bytes, 228);
    packet(&bytes, 0, 8, 10, 4);
    struct reading reading = read_and_free(&bytes);
    static const uint16_t link_types[] = {113, 1, 101, 228};
    static const uint16_t interfaces[] = {1, 0, 2, 3};
    assert_int_equal(reading.frame_count, 4);
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(reading.frames[i].link_type, link_types[i]);
        assert_int_equal(reading.frames[i].interface, interfaces[i]);
        assert_int_equal(reading.frames[i].time_ns, (5 + i) * NS_PER_US);
        assert_int_equal(reading.frames[i].at[0], i + 1);
    }
    assert_false(reading.counts.truncated);
    reading_free(&reading);
}

static void test_resolution_and_offset(void **state)
{
    (void)state;
    static const uint8_t nano = 9;
    static const uint8_t offset_le[] = {0x10, 0x27, 0, 0, 0, 0, 0, 0};
    static const uint8_t back_le[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    const struct option_bytes first[] = {{2, 3, "eth", 3}, {9, 1, &nano, 1}, {0, 0, NULL, 0}};
    const struct option_bytes second[] = {{14, 8, offset_le, 8}, {0, 0, NULL, 0}, {9, 1, &nano, 1}};
    const struct option_bytes third[] = {{14, 8, back_le, 8}};
    struct bytes bytes = {.at = NULL};
    section(&bytes, false);
    interface(&bytes, 1, 0, first, 3);
    interface(&bytes, 1, 0, second, 3);
    interface(&bytes, 1, 0, third, 1);
    packet(&bytes, 0, 1700000000123456789, 1, 1);
    packet(&bytes, 1, 5000001, 1, 1);
    packet(&bytes, 2, 5000001, 1, 1);
    packet(&bytes, 2, 999999, 1, 1);
    struct reading reading = read_and_free(&bytes);
    assert_int_equal(reading.frame_count, 4);
    assert_int_equal(reading.frames[0].time_ns, 1700000000123456789);
    assert_int_equal(reading.frames[1].time_ns,
                     10005000001000); /* what follows the end is not read */
    assert_int_equal(reading.frames[2].time_ns, 4000001000);
    assert_int_equal(reading.frames[3].time_ns, 0); /* before 1970 */
    reading_free(&reading);
}

static void test_times(void **state)
{
    (void)state;
    /* clang-format off */
    static const struct {
        uint64_t ticks;
        uint8_t resolution;
        int64_t offset_s;
        uint64_t time_ns;
    } rows[] = {
        {0, 6, 0, 0},
        {1, 0, 0, NS_PER_S},
        {15, 1, 0, 1500000000},
        {1700000000123456, 6, 0, 1700000000123456000},
        {1700000000123456789, 9, 0, 1700000000123456789},
        {17000000001234567891u, 10, 0, 1700000000123456789},
        {UINT64_MAX, 19, 0, 1844674407},
        {UINT64_MAX, 20, 0, 184467440},
        {UINT64_MAX, 28, 0, 1},
        {UINT64_MAX, 29, 0, 0},
        {UINT64_MAX, 127, 0, 0},
        {3, 0x80, 0, 3 * NS_PER_S},
        {3, 0x81, 0, 1500000000},
        {(UINT64_C(1700000000) << 30) + (1u << 29), 0x80 | 30, 0, 1700000000500000000},
        {(UINT64_C(1) << 34) - 1, 0x80 | 34, 0, 999999999},
        {UINT64_C(1) << 62, 0x80 | 63, 0, 500000000},
        {UINT64_MAX, 0x80 | 63, 0, 1999999999},
        {UINT64_C(1) << 63, 0x80 | 64, 0, 500000000},
        {UINT64_MAX, 0x80 | 127, 0, 0},
        {UINT64_MAX, 0, 0, PCAPNG_TIME_MAX},
        {UINT64_MAX, 6, INT64_MAX, PCAPNG_TIME_MAX},
        {0, 6, INT64_MAX, PCAPNG_TIME_MAX},
        {0, 6, INT64_MIN, 0},
        {UINT64_MAX, 0, INT64_MIN, PCAPNG_TIME_MAX},
        {10, 0, -10, 0},
        {10, 0, -9, NS_PER_S},
        {10, 0, -11, 0},
    };
    /* clang-format on */
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(pcapng_file_time(rows[i].ticks, rows[i].resolution, rows[i].offset_s),
                         rows[i].time_ns);
    }
}

/* No time of its own: that of the frame before. As long as the wire, the snap length or the block
 * say. */
static void test_simple_packets(void **state)
{
    (void)state;
    struct bytes bytes = {.at = NULL};
    section(&bytes, true);
    interface(&bytes, 1, 50, NULL, 0);
    plain_interface(&bytes, 113);
    simple_packet(&bytes, 30, 30, 1);
    packet(&bytes, 1, 77, 5, 2);
    simple_packet(&bytes, 900, 50, 3);
    simple_packet(&bytes, 50, 8, 4); /* cut without a word */
    simple_packet(&bytes, 0, 0, 5);
    struct reading reading = read_and_free(&bytes);
    static const uint32_t captured[] = {30, 5, 50, 8, 0};
    static const uint32_t wire[] = {30, 5, 900, 50, 0};
    static const uint64_t times[] = {0, 77000, 77000, 77000, 77000};
    assert_int_equal(reading.frame_count, 5);
    for (uint32_t i = 0; i < 5; i++) {
        assert_int_equal(reading.frames[i].captured, captured[i]);
        assert_int_equal(reading.frames[i].wire_bytes, wire[i]);
        assert_int_equal(reading.frames[i].time_ns, times[i]);
        assert_int_equal(reading.frames[i].link_type, i == 1 ? 113 : 1);
    }
    assert_false(reading.counts.truncated);
    reading_free(&reading);
}

static void test_other_blocks_are_skipped(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {0,      4, 1000, RECORD_BYTES_MAX - 12, RECORD_BYTES_MAX - 8,
                                     3 << 20};
    struct bytes bytes = {.at = NULL};
    section(&bytes, false);
    plain_interface(&bytes, 1);
    for (uint32_t i = 0; i < 6; i++) {
        other_block(&bytes, 10, sizes[i]); /* secrets; libpcap has no way to them either */
        packet(&bytes, 0, i, 4, (uint8_t)i);
    }
    other_block(&bytes, 5, 12);
    struct reading reading = read_and_free(&bytes);
    assert_int_equal(reading.frame_count, 6);
    assert_int_equal(reading.frames[5].at[3], 5);
    assert_int_equal(reading.counts.blocks_skipped, 7);
    assert_false(reading.counts.truncated);
    reading_free(&reading);
}

/* A packet block with more bytes than a frame may have, whole and longer than is read whole. */
static void test_frames_are_cut(void **state)
{
    (void)state;
    enum { MAX = FRAME_BYTES_MAX };
    static const uint32_t sizes[] = {MAX - 1, MAX, MAX + 1, RECORD_BYTES_MAX, 3 * MAX};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct bytes bytes = {.at = NULL};
        section(&bytes, false);
        plain_interface(&bytes, 1);
        packet(&bytes, 0, 1, sizes[i], 7);
        packet(&bytes, 0, 2, 3, 8);
        size_t cut = bytes.count - 40;
        struct reading whole = reading_of_bytes(bytes.at, bytes.count);
        assert_int_equal(whole.frame_count, 2);
        assert_int_equal(whole.frames[0].captured, sizes[i] < MAX ? sizes[i] : MAX);
        assert_int_equal(whole.frames[0].wire_bytes, sizes[i]);
        assert_int_equal(whole.frames[0].at[whole.frames[0].captured - 1], 7);
        assert_int_equal(whole.frames[1].at[2], 8);
        assert_int_equal(whole.counts.frames_cut, sizes[i] > MAX ? 1 : 0);
        assert_false(whole.counts.truncated);
        struct reading part = reading_of_bytes(bytes.at, cut);
        assert_int_equal(part.counts.truncated, true);
        reading_free(&part);
        reading_free(&whole);
        bytes_free(&bytes);
    }
}

static void test_cut_everywhere(void **state)
{
    (void)state;
    struct bytes bytes = {.at = NULL};
    size_t ends[6];
    section(&bytes, true);
    ends[0] = bytes.count;
    plain_interface(&bytes, 1);
    ends[1] = bytes.count;
    packet(&bytes, 0, 1, 21, 1);
    ends[2] = bytes.count;
    other_block(&bytes, 4, 16);
    ends[3] = bytes.count;
    simple_packet(&bytes, 5, 5, 2);
    ends[4] = bytes.count;
    section(&bytes, false);
    ends[5] = bytes.count;
    for (size_t cut = 0; cut <= bytes.count; cut++) {
        struct reading reading = reading_of_bytes(bytes.at, cut);
        assert_int_equal(reading.status, cut < ends[0] ? STATUS_INPUT : STATUS_OK);
        if (reading.status == STATUS_OK) {
            bool at_end = false;
            for (size_t i = 0; i < 6; i++) {
                at_end = at_end || cut == ends[i];
            }
            assert_int_equal(reading.frame_count, (cut >= ends[2]) + (cut >= ends[4]));
            assert_int_equal(reading.counts.truncated, !at_end);
        }
        reading_free(&reading);
    }
    bytes_free(&bytes);
}

/* Damage: the frames before it are there, nothing behind it is, and it is told. */
static void test_damage(void **state)
{
    (void)state;
    enum { ROWS = 11 };
    for (int row = 0; row < ROWS; row++) {
        struct bytes bytes = {.at = NULL};
        section(&bytes, row % 2 == 1);
        plain_interface(&bytes, 1);
        packet(&bytes, 0, 1, 8, 1);
        size_t at = bytes.count;
        switch (row) {
        case 0: /* lengths differ */
            packet(&bytes, 0, 2, 8, 2);
            bytes.at[bytes.count - 1] ^= 4;
            bytes.at[bytes.count - 4] ^= 4;
            break;
        case 1: /* shorter than a block can be */
            bytes_32(&bytes, 6);
            bytes_32(&bytes, 8);
            bytes_32(&bytes, 8);
            break;
        case 2: /* nobody described interface 1 */
            packet(&bytes, 1, 2, 8, 2);
            break;
        case 3: /* captured overruns the block */
            packet_as(&bytes, 6, 0, 2, 9, 8, 2);
            break;
        case 4:
            packet_as(&bytes, 6, 0, 2, UINT32_MAX, 8, 2);
            break;
        case 5: /* too short for its fields */
            other_block(&bytes, 6, 16);
            break;
        case 6:
            other_block(&bytes, 2, 0);
            break;
        case 7:
            other_block(&bytes, 3, 0);
            break;
        case 8:
            other_block(&bytes, 1, 4);
            break;
        case 9: /* a section that is none */
            section(&bytes, true);
            bytes.at[at + 8] = 0;
            break;
        default: /* a section of another version, and one without interfaces below */
            section(&bytes, true);
            bytes.at[at + 13] = 9;
            break;
        }
        packet(&bytes, 0, 3, 8, 3);
        struct reading reading = read_and_free(&bytes);
        assert_int_equal(reading.status, STATUS_OK);
        assert_int_equal(reading.frame_count, 1);
        assert_true(reading.counts.truncated);
        reading_free(&reading);
    }
}

/* The same for blocks that are stepped over, with and without a frame: their second length counts
 * too. */
static void test_damage_behind_long_blocks(void **state)
{
    (void)state;
    for (int with_frame = 0; with_frame <= 1; with_frame++) {
        struct bytes bytes = {.at = NULL};
        section(&bytes, false);
        plain_interface(&bytes, 1);
        if (with_frame == 1) {
            packet(&bytes, 0, 1, 2 * FRAME_BYTES_MAX, 1);
        } else {
            other_block(&bytes, 10, 2 * FRAME_BYTES_MAX);
        }
        bytes.at[bytes.count - 1] ^= 1;
        packet(&bytes, 0, 2, 8, 2);
        struct reading reading = read_and_free(&bytes);
        assert_int_equal(reading.frame_count, with_frame);
        assert_true(reading.counts.truncated);
        reading_free(&reading);
    }
}

static void test_packets_without_interface(void **state)
{
    (void)state;
    for (int simple = 0; simple <= 1; simple++) {
        struct bytes bytes = {.at = NULL};
        section(&bytes, false);
        if (simple == 1) {
            simple_packet(&bytes, 4, 4, 1);
        } else {
            packet(&bytes, 0, 1, 4, 1);
        }
        struct reading reading = read_and_free(&bytes);
        assert_int_equal(reading.status, STATUS_OK);
        assert_int_equal(reading.frame_count, 0);
        assert_true(reading.counts.truncated);
        reading_free(&reading);
    }
}

/* The interface stays, with what was read before its options went wrong. */
static void test_options_that_overrun(void **state)
{
    (void)state;
    static const uint8_t nano = 9;
    static const struct option_bytes rows[][2] = {
        {{9, 1, &nano, 1}, {2, 500, "abc", 3}},
        {{9, 1, &nano, 1}, {2, 65535, NULL, 0}},
        {{9, 1, &nano, 1}, {14, 2, "ab", 2}}, /* too short for an offset */
        {{9, 0, NULL, 0}, {9, 1, &nano, 1}}, /* no octet at all, then one */
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct bytes bytes = {.at = NULL};
        section(&bytes, false);
        interface(&bytes, 1, 0, rows[i], 2);
        packet(&bytes, 0, 5, 8, 1);
        struct reading reading = read_and_free(&bytes);
        assert_int_equal(reading.frame_count, 1);
        assert_int_equal(reading.frames[0].time_ns, 5);
        assert_false(reading.counts.truncated);
        reading_free(&reading);
    }
}

static void test_interfaces_are_bounded(void **state)
{
    (void)state;
    struct bytes bytes = {.at = NULL};
    section(&bytes, false);
    for (uint32_t i = 0; i < PCAPNG_INTERFACES_MAX; i++) {
        plain_interface(&bytes, i == 65535 ? 113 : 1);
    }
    packet(&bytes, PCAPNG_INTERFACES_MAX - 1, 1, 4, 1);
    plain_interface(&bytes, 1);
    packet(&bytes, 0, 2, 4, 1);
    struct reading reading = read_and_free(&bytes);
    assert_int_equal(reading.frame_count, 1);
    assert_int_equal(reading.frames[0].interface, 65535);
    assert_int_equal(reading.frames[0].link_type, 113);
    assert_true(reading.counts.truncated);
    reading_free(&reading);
}

static void test_many_blocks(void **state)
{
    (void)state;
    struct bytes bytes = {.at = NULL};
    section(&bytes, false);
    plain_interface(&bytes, 1);
    for (uint32_t i = 0; i < 9000; i++) {
        packet(&bytes, 0, i, i % 700, (uint8_t)i);
    }
    struct reading reading = read_and_free(&bytes);
    assert_int_equal(reading.frame_count, 9000);
    assert_true(reading.block_count > 4);
    for (uint32_t i = 0; i < 9000; i++) {
        assert_int_equal(reading.frames[i].captured, i % 700);
        assert_int_equal(reading.frames[i].time_ns, i * NS_PER_US);
        for (uint32_t k = 0; k < i % 700; k += 11) {
            assert_int_equal(reading.frames[i].at[k], (uint8_t)i);
        }
    }
    reading_free(&reading);
}

static void test_refused(void **state)
{
    (void)state;
    struct bytes bytes = {.at = NULL};
    section(&bytes, false);
    bytes.at[8] = 0;
    struct reading no_magic = reading_of_bytes(bytes.at, bytes.count);
    assert_int_equal(no_magic.status, STATUS_INPUT);
    assert_non_null(strstr(no_magic.error.message, "no byte-order magic"));
    bytes_free(&bytes);
    section(&bytes, false);
    bytes.at[12] = 2;
    struct reading other = reading_of_bytes(bytes.at, bytes.count);
    assert_int_equal(other.status, STATUS_INPUT);
    assert_non_null(strstr(other.error.message, "of a version that is not known"));
    bytes_free(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_byte_orders),
        cmocka_unit_test(test_several_interfaces_and_sections),
        cmocka_unit_test(test_resolution_and_offset),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_simple_packets),
        cmocka_unit_test(test_other_blocks_are_skipped),
        cmocka_unit_test(test_frames_are_cut),
        cmocka_unit_test(test_cut_everywhere),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_damage_behind_long_blocks),
        cmocka_unit_test(test_packets_without_interface),
        cmocka_unit_test(test_options_that_overrun),
        cmocka_unit_test(test_interfaces_are_bounded),
        cmocka_unit_test(test_many_blocks),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
