/* pcap.c - the classic format in all its variants, whole, cut and broken. */
#include "make.h"

#include "sensor/capture/pcap_file.h"

#define MICRO UINT32_C(0xa1b2c3d4)
#define NANO UINT32_C(0xa1b23c4d)
#define MODIFIED UINT32_C(0xa1b2cd34)
#define IXIA_HARDWARE UINT32_C(0x1c0001ac)
#define IXIA_SOFTWARE UINT32_C(0x1c0001ab)
enum { VERSION = 2 << 16 | 4 };

/* Three frames in the given variant; the third has no bytes. */
static void make_three(struct bytes *bytes, uint32_t magic)
{
    static const uint32_t captured[] = {60, 1, 0};
    pcap_begin(bytes, magic, VERSION, 1);
    if (magic == IXIA_HARDWARE || magic == IXIA_SOFTWARE) {
        bytes_32(bytes, 12345);
    }
    for (uint32_t i = 0; i < 3; i++) {
        bytes_32(bytes, 1700000000 + i);
        bytes_32(bytes, 250000 + i);
        bytes_32(bytes, captured[i]);
        bytes_32(bytes, 100 + i);
        if (magic == MODIFIED) {
            bytes_fill(bytes, 0xee, 8);
        }
        bytes_fill(bytes, (uint8_t)(0x10 + i), captured[i]);
    }
}

static void check_three(const struct reading *reading, uint64_t tick_ns)
{
    static const uint32_t captured[] = {60, 1, 0};
    assert_int_equal(reading->status, STATUS_OK);
    assert_int_equal(reading->frame_count, 3);
    for (uint32_t i = 0; i < 3; i++) {
        const struct captured *frame = &reading->frames[i];
        assert_int_equal(frame->time_ns, (1700000000 + i) * NS_PER_S + (250000 + i) * tick_ns);
        assert_int_equal(frame->captured, captured[i]);
        assert_int_equal(frame->wire_bytes, 100 + i);
        assert_int_equal(frame->link_type, 1);
        assert_int_equal(frame->interface, 0);
        for (uint32_t k = 0; k < captured[i]; k++) {
            assert_int_equal(frame->at[k], 0x10 + i);
        }
    }
    assert_int_equal(reading->counts.bytes, 303);
    assert_int_equal(reading->counts.first_ns, 1700000000 * NS_PER_S + 250000 * tick_ns);
    assert_int_equal(reading->counts.last_ns, 1700000002 * NS_PER_S + 250002 * tick_ns);
    assert_false(reading->counts.truncated);
}

static void test_variants(void **state)
{
    (void)state;
    static const struct {
        uint32_t magic;
        uint64_t tick_ns;
    } rows[] = {
        {MICRO, 1000}, {NANO, 1}, {MODIFIED, 1000}, {IXIA_HARDWARE, 1}, {IXIA_SOFTWARE, 1000},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (int big_endian = 0; big_endian <= 1; big_endian++) {
            struct bytes bytes = {.big_endian = big_endian == 1};
            make_three(&bytes, rows[i].magic);
            struct reading reading = reading_of_bytes(bytes.at, bytes.count);
            check_three(&reading, rows[i].tick_ns);
            reading_free(&reading);
            bytes_free(&bytes);
        }
    }
}

/* Old versions hold the two lengths the other way round, 2.3 either way. */
static void test_lengths_of_old_versions(void **state)
{
    (void)state;
    static const struct {
        uint32_t version;
        uint32_t first;
        uint32_t second;
    } rows[] = {
        {2 << 16 | 0, 80, 40}, {2 << 16 | 2, 80, 40},    {2 << 16 | 3, 40, 80},
        {2 << 16 | 3, 80, 40}, {543u << 16 | 0, 80, 40}, {2 << 16 | 4, 40, 80},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct bytes bytes = {.big_endian = false};
        pcap_begin(&bytes, MICRO, rows[i].version, 1);
        bytes_32(&bytes, 1);
        bytes_32(&bytes, 2);
        bytes_32(&bytes, rows[i].first);
        bytes_32(&bytes, rows[i].second);
        bytes_fill(&bytes, 7, 40);
        struct reading reading = reading_of_bytes(bytes.at, bytes.count);
        assert_int_equal(reading.frame_count, 1);
        assert_int_equal(reading.frames[0].captured, 40);
        assert_int_equal(reading.frames[0].wire_bytes, 80);
        reading_free(&reading);
        bytes_free(&bytes);
    }
}

static void test_link_types(void **state)
{
    (void)state;
    static const struct {
        uint32_t stated;
        uint16_t link_type;
        const char *name;
    } rows[] = {
        {1, 1, "EN10MB"},
        {0x14000001, 1, "EN10MB"},
        {113, 113, "LINUX_SLL"},
        {276, 276, "LINUX_SLL2"},
        {12, 101, "RAW"},
        {14, 101, "RAW"},
        {101, 101, "RAW"},
        {0, 0, "NULL"},
        {108, 108, "LOOP"},
        {197, 197, "ERF"},
        {50, 50, "PPP_SERIAL"},
        {228, 228, "IPV4"},
        {65000, 65000, "LINKTYPE 65000"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct bytes bytes = {.big_endian = false};
        pcap_begin(&bytes, MICRO, VERSION, rows[i].stated);
        pcap_record(&bytes, 1, 2, 3, 4, 5);
        struct reading reading = reading_of_bytes(bytes.at, bytes.count);
        assert_int_equal(reading.frame_count, 1);
        assert_int_equal(reading.frames[0].link_type, rows[i].link_type);
        assert_string_equal(source_link_name(rows[i].link_type), rows[i].name);
        reading_free(&reading);
        bytes_free(&bytes);
    }
}

/* Cut at every byte: never a crash, every whole record is there, and the cut is told. */
static void test_cut_everywhere(void **state)
{
    (void)state;
    static const uint32_t magics[] = {MICRO, MODIFIED, IXIA_SOFTWARE};
    for (size_t i = 0; i < sizeof(magics) / sizeof(magics[0]); i++) {
        struct bytes bytes = {.big_endian = i == 1};
        make_three(&bytes, magics[i]);
        size_t header = magics[i] == IXIA_SOFTWARE ? 28 : 24;
        size_t head = magics[i] == MODIFIED ? 24 : 16;
        const size_t ends[] = {header, header + head + 60, header + 2 * head + 61,
                               header + 3 * head + 61};
        assert_int_equal(ends[3], bytes.count);
        for (size_t cut = 0; cut <= bytes.count; cut++) {
            struct reading reading = reading_of_bytes(bytes.at, cut);
            assert_int_equal(reading.status, cut < header ? STATUS_INPUT : STATUS_OK);
            uint64_t whole = 0;
            bool at_end = cut == ends[0];
            for (size_t k = 1; k < 4; k++) {
                whole += cut >= ends[k] ? 1 : 0;
                at_end = at_end || cut == ends[k];
            }
            if (reading.status == STATUS_OK) {
                assert_int_equal(reading.frame_count, whole);
                assert_int_equal(reading.counts.truncated, !at_end);
            }
            reading_free(&reading);
        }
        bytes_free(&bytes);
    }
}

/* The largest frame, and one more: garbage for Ethernet, a cut frame for a bus. */
static void test_captured_bounds(void **state)
{
    (void)state;
    enum { MAX = FRAME_BYTES_MAX };
    static const struct {
        uint32_t link_type;
        uint32_t captured;
        uint32_t frames;
        uint32_t kept;
        bool truncated;
    } rows[] = {
        {1, MAX - 1, 3, MAX - 1, false}, {1, MAX, 3, MAX, false},
        {1, MAX + 1, 1, 0, true},        {1, UINT32_MAX, 1, 0, true},
        {231, MAX, 3, MAX, false},       {231, MAX + 1, 3, MAX, false},
        {231, 3 * MAX, 3, MAX, false},   {231, (128 << 20) + 1, 1, 0, true},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct bytes bytes = {.big_endian = false};
        pcap_begin(&bytes, MICRO, VERSION, rows[i].link_type);
        pcap_record(&bytes, 1, 0, 10, 10, 1);
        uint32_t there = rows[i].captured > 4 * MAX ? 100 : rows[i].captured;
        bytes_32(&bytes, 2);
        bytes_32(&bytes, 0);
        bytes_32(&bytes, rows[i].captured);
        bytes_32(&bytes, rows[i].captured);
        bytes_fill(&bytes, 2, there);
        pcap_record(&bytes, 3, 0, 10, 10, 3);
        struct reading reading = reading_of_bytes(bytes.at, bytes.count);
        assert_int_equal(reading.frame_count, rows[i].frames);
        assert_int_equal(reading.counts.truncated, rows[i].truncated);
        if (rows[i].frames == 3) {
            assert_int_equal(reading.frames[1].captured, rows[i].kept);
            assert_int_equal(reading.frames[1].wire_bytes, rows[i].captured);
            assert_int_equal(reading.frames[1].at[rows[i].kept - 1], 2);
            assert_int_equal(reading.frames[2].at[9], 3);
            assert_int_equal(reading.counts.frames_cut, rows[i].captured > MAX ? 1 : 0);
        }
        reading_free(&reading);
        bytes_free(&bytes);
    }
}

/* A frame that is cut may itself be cut by the end of the file: it is there, the end is told. */
static void test_cut_frame_at_end(void **state)
{
    (void)state;
    struct bytes bytes = {.big_endian = false};
    pcap_begin(&bytes, MICRO, VERSION, 231);
    pcap_record(&bytes, 1, 0, FRAME_BYTES_MAX + 10, FRAME_BYTES_MAX + 10, 1);
    struct reading reading = reading_of_bytes(bytes.at, bytes.count - 1);
    assert_int_equal(reading.frame_count, 1);
    assert_true(reading.counts.truncated);
    reading_free(&reading);
    bytes_free(&bytes);
}

/* Sizes of all kinds over many blocks: every byte at its place, nothing twice, nothing lost. */
static void test_many_blocks(void **state)
{
    (void)state;
    static const struct {
        uint32_t count;
        uint32_t bytes_min;
        uint32_t bytes_step;
        uint32_t bytes_range;
    } rows[] = {
        {20000, 0, 1, 64},
        {8000, 60, 7, 300},
        {2048, 0, 0, 1},
        {2049, 0, 0, 1},
        {4097, 10, 0, 1},
        {3000, 40, 531, 1500},
        {40, 1000, 70001, FRAME_BYTES_MAX - 1000},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct bytes bytes = {.big_endian = false};
        pcap_begin(&bytes, MICRO, VERSION, 1);
        for (uint32_t k = 0; k < rows[i].count; k++) {
            uint32_t size = rows[i].bytes_min + k * rows[i].bytes_step % rows[i].bytes_range;
            pcap_record(&bytes, k, 0, size, size, (uint8_t)k);
        }
        struct reading reading = reading_of_bytes(bytes.at, bytes.count);
        assert_int_equal(reading.frame_count, rows[i].count);
        assert_false(reading.counts.truncated);
        for (uint32_t k = 0; k < rows[i].count; k++) {
            const struct captured *frame = &reading.frames[k];
            uint32_t size = rows[i].bytes_min + k * rows[i].bytes_step % rows[i].bytes_range;
            assert_int_equal(frame->time_ns, k * NS_PER_S);
            assert_int_equal(frame->captured, size);
            for (uint32_t n = 0; n < size; n += 13) {
                assert_int_equal(frame->at[n], (uint8_t)k);
            }
        }
        reading_free(&reading);
        bytes_free(&bytes);
    }
}

static void test_figures_of_a_frame(void **state)
{
    (void)state;
    struct bytes bytes = {.big_endian = false};
    pcap_begin(&bytes, MICRO, VERSION, 1);
    pcap_record(&bytes, UINT32_MAX, UINT32_MAX, 50, 20,
                1); /* wire below captured, absurd fraction */
    pcap_record(&bytes, 0, 0, 1, UINT32_MAX, 1);
    struct reading reading = reading_of_bytes(bytes.at, bytes.count);
    assert_int_equal(reading.frame_count, 2);
    assert_int_equal(reading.frames[0].wire_bytes, 50);
    assert_int_equal(reading.frames[0].time_ns, UINT32_MAX * NS_PER_S + UINT32_MAX * NS_PER_US);
    assert_int_equal(reading.frames[1].wire_bytes, UINT32_MAX);
    assert_int_equal(reading.counts.first_ns, 0);
    assert_int_equal(reading.counts.bytes, 50 + (uint64_t)UINT32_MAX);
    reading_free(&reading);
    bytes_free(&bytes);
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t count;
        const char *message;
    } rows[] = {
        {"", 0, "is empty"},
        {"a", 1, "is no capture"},
        {"INVITE sip:a@example.com SIP/2.0", 32, "is no capture"},
        {"\xa1\xb2\xc3\xd5 and more of it", 20, "is no capture"},
        {"\xd4\xc3\xb2\xa1\x02\x00\x04\x00", 8, "ends inside its file header"},
        {"\xd4\xc3\xb2\xa1\x02\x00\x05\x00................", 24, "of a version that is not known"},
        {"\xd4\xc3\xb2\xa1\x03\x00\x00\x00................", 24, "of a version that is not known"},
        {"\xd4\xc3\xb2\xa1\x1f\x02\x01\x00................", 24, "of a version that is not known"},
        {"\xfd"
         "7zXZ",
         5, "unpack it first"},
        {"snoop", 5, "is a snoop capture"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct reading reading = reading_of_bytes(rows[i].bytes, rows[i].count);
        assert_int_equal(reading.status, STATUS_INPUT);
        assert_int_equal(reading.error.code, STATUS_INPUT);
        assert_non_null(strstr(reading.error.message, rows[i].message));
        assert_non_null(strstr(reading.error.where, "/tmp/earshot-unit-"));
        reading_free(&reading);
    }
}

static void test_empty_capture_is_good(void **state)
{
    (void)state;
    struct bytes bytes = {.big_endian = true};
    pcap_begin(&bytes, NANO, VERSION, 1);
    struct reading reading = reading_of_bytes(bytes.at, bytes.count);
    assert_int_equal(reading.status, STATUS_OK);
    assert_int_equal(reading.frame_count, 0);
    assert_false(reading.counts.truncated);
    assert_int_equal(reading.counts.first_ns, 0);
    assert_int_equal(reading.counts.last_ns, 0);
    assert_int_equal(reading.counts.files, 1);
    reading_free(&reading);
    bytes_free(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_variants),        cmocka_unit_test(test_lengths_of_old_versions),
        cmocka_unit_test(test_link_types),      cmocka_unit_test(test_cut_everywhere),
        cmocka_unit_test(test_captured_bounds), cmocka_unit_test(test_cut_frame_at_end),
        cmocka_unit_test(test_many_blocks),     cmocka_unit_test(test_figures_of_a_frame),
        cmocka_unit_test(test_refused),         cmocka_unit_test(test_empty_capture_is_good),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
