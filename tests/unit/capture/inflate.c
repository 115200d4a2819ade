/* inflate.c - plain, gzip and zstd give the same bytes; what is broken ends early and says so. */
#include <zlib.h> /* first: it has a member called like a banned function */

#include "make.h"

#include "sensor/capture/inflate.h"

#include <zstd.h>

enum { ROOM = 1 << 20 };

static size_t pack_gzip(const void *at, size_t count, uint8_t *out)
{
    z_stream stream = {.next_in = NULL};
    assert_int_equal(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    uint8_t *copy = malloc(count + 1);
    assert_non_null(copy);
    memcpy(copy, at, count);
    stream.next_in = copy;
    stream.avail_in = (uInt)count;
    stream.next_out = out;
    stream.avail_out = ROOM;
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    size_t packed = ROOM - stream.avail_out;
    assert_int_equal(deflateEnd(&stream), Z_OK);
    free(copy);
    return packed;
}

static size_t pack_zstd(const void *at, size_t count, uint8_t *out)
{
    size_t packed = ZSTD_compress(out, ROOM, at, count, 3);
    assert_false(ZSTD_isError(packed));
    return packed;
}

typedef size_t pack(const void *at, size_t count, uint8_t *out);
static pack *const packers[] = {pack_gzip, pack_zstd};

/* Reads all in steps of `step` bytes. */
static size_t unpack(const void *at, size_t count, size_t step, uint8_t *out, size_t room,
                     bool *out_damaged)
{
    char path[32];
    file_make(path, at, count);
    struct inflate *inflate = NULL;
    struct error error;
    assert_int_equal(inflate_open(path, &inflate, &error), STATUS_OK);
    size_t total = 0;
    for (;;) {
        size_t got = 0;
        size_t want = step < room - total ? step : room - total;
        assert_true(want > 0);
        assert_int_equal(inflate_read(inflate, out + total, want, &got, &error), STATUS_OK);
        assert_true(got <= want);
        if (got == 0) {
            break;
        }
        total += got;
    }
    *out_damaged = inflate_is_damaged(inflate);
    uint64_t done = 0;
    uint64_t size = 0;
    inflate_progress(inflate, &done, &size);
    assert_int_equal(size, count);
    assert_true(done <= count);
    inflate_close(inflate);
    assert_int_equal(unlink(path), 0);
    return total;
}

static void fill_text(uint8_t *at, size_t count)
{
    uint32_t value = 1;
    for (size_t i = 0; i < count; i++) {
        value = value * 1664525 + 1013904223;
        at[i] = (uint8_t)(value >> 28); /* packs to half, not to nothing */
    }
}

static void test_same_bytes_in_any_step(void **state)
{
    (void)state;
    static const size_t counts[] = {1, 3, 4, 5, 65535, 65536, 65537, 300000};
    static const size_t steps[] = {1, 3, 4096, 1 << 20};
    uint8_t *plain = malloc(ROOM);
    uint8_t *packed = malloc(ROOM);
    uint8_t *seen = malloc(ROOM);
    fill_text(plain, ROOM);
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        for (size_t k = counts[i] > 70000 ? 2 : 0; k < sizeof(steps) / sizeof(steps[0]); k++) {
            bool damaged = true;
            assert_int_equal(unpack(plain, counts[i], steps[k], seen, ROOM, &damaged), counts[i]);
            assert_memory_equal(plain, seen, counts[i]);
            assert_false(damaged);
            for (size_t p = 0; p < 2; p++) {
                size_t size = packers[p](plain, counts[i], packed);
                assert_int_equal(unpack(packed, size, steps[k], seen, ROOM, &damaged), counts[i]);
                assert_memory_equal(plain, seen, counts[i]);
                assert_false(damaged);
            }
        }
    }
    free(plain);
    free(packed);
    free(seen);
}

/* Two members are one stream; zeros or notes behind the last gzip member are nothing. */
static void test_members(void **state)
{
    (void)state;
    uint8_t *packed = malloc(ROOM * 2);
    uint8_t seen[64];
    for (size_t p = 0; p < 2; p++) {
        size_t first = packers[p]("hello ", 6, packed);
        size_t size = first + packers[p]("world", 5, packed + first);
        bool damaged = true;
        assert_int_equal(unpack(packed, size, 64, seen, sizeof(seen), &damaged), 11);
        assert_memory_equal(seen, "hello world", 11);
        assert_false(damaged);
        if (packers[p] == pack_gzip) {
            memset(packed + size, 0, 1000);
            assert_int_equal(unpack(packed, size + 1000, 64, seen, sizeof(seen), &damaged), 11);
            assert_false(damaged);
        }
    }
    static const uint8_t skippable[] = {0x5e, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4};
    memcpy(packed, skippable, sizeof(skippable));
    size_t size = sizeof(skippable) + pack_zstd("hello", 5, packed + sizeof(skippable));
    bool damaged = true;
    assert_int_equal(unpack(packed, size, 64, seen, sizeof(seen), &damaged), 5);
    assert_memory_equal(seen, "hello", 5);
    assert_false(damaged);
    free(packed);
}

/* Every cut of a packed file gives a beginning of the text, and is told; so is every flipped byte
 * that changes it. */
static void test_broken(void **state)
{
    (void)state;
    enum { COUNT = 600 };
    uint8_t plain[COUNT];
    uint8_t *packed = malloc(ROOM);
    uint8_t *seen = malloc(ROOM);
    fill_text(plain, COUNT);
    for (size_t p = 0; p < 2; p++) {
        size_t size = packers[p](plain, COUNT, packed);
        for (size_t cut = 4; cut < size; cut++) {
            bool damaged = false;
            size_t got = unpack(packed, cut, 4096, seen, ROOM, &damaged);
            assert_true(got <= COUNT);
            assert_memory_equal(plain, seen, got);
            assert_true(damaged);
        }
        for (size_t at = 4; at < size; at++) {
            bool damaged = false;
            packed[at] ^= 0x41;
            size_t got = unpack(packed, size, 4096, seen, ROOM, &damaged);
            packed[at] ^= 0x41;
            /* zstd writes no checksum unless asked, and gzip's header holds bytes without meaning.
             */
            bool must_tell = packers[p] == pack_gzip && at >= 10;
            assert_true(damaged || !must_tell);
            assert_true(got < ROOM);
        }
    }
    free(packed);
    free(seen);
}

/* 64 MiB of zeros in a few KiB: only what is asked for is made. */
static void test_bomb_costs_no_memory(void **state)
{
    (void)state;
    enum { COUNT = 64 << 20, STEP = 64 << 10 };
    uint8_t *zeros = calloc(1, COUNT);
    uint8_t *packed = malloc(ROOM);
    uint8_t *step = malloc(STEP);
    for (size_t p = 0; p < 2; p++) {
        size_t size = packers[p](zeros, COUNT, packed);
        char path[32];
        file_make(path, packed, size);
        struct inflate *inflate = NULL;
        struct error error;
        assert_int_equal(inflate_open(path, &inflate, &error), STATUS_OK);
        uint64_t total = 0;
        size_t got = 0;
        do {
            assert_int_equal(inflate_read(inflate, step, STEP, &got, &error), STATUS_OK);
            total += got;
        } while (got > 0);
        assert_int_equal(total, COUNT);
        assert_false(inflate_is_damaged(inflate));
        inflate_close(inflate);
        assert_int_equal(unlink(path), 0);
    }
    free(step);
    free(zeros);
    free(packed);
}

static void test_capture_in_a_packed_file(void **state)
{
    (void)state;
    struct bytes bytes = {.big_endian = false};
    pcap_begin(&bytes, 0xa1b2c3d4, 2 << 16 | 4, 1);
    for (uint32_t i = 0; i < 4000; i++) {
        pcap_record(&bytes, i, 0, i % 300, i % 300, (uint8_t)i);
    }
    uint8_t *packed = malloc(ROOM);
    for (size_t p = 0; p < 2; p++) {
        size_t size = packers[p](bytes.at, bytes.count, packed);
        struct reading reading = reading_of_bytes(packed, size);
        assert_int_equal(reading.frame_count, 4000);
        assert_false(reading.counts.truncated);
        assert_int_equal(reading.frames[3999].at[98], (uint8_t)3999);
        reading_free(&reading);
        reading =
            reading_of_bytes(packed, size - 9); /* the pcap is whole or not: the packing is not */
        assert_int_equal(reading.status, STATUS_OK);
        assert_true(reading.counts.truncated);
        reading_free(&reading);
        size = packers[p]("no capture", 10, packed);
        reading = reading_of_bytes(packed, size);
        assert_int_equal(reading.status, STATUS_INPUT);
        reading_free(&reading);
    }
    free(packed);
    bytes_free(&bytes);
}

static void test_open_fails(void **state)
{
    (void)state;
    struct inflate *inflate = NULL;
    struct error error;
    assert_int_equal(inflate_open("/nonexistent/file", &inflate, &error), STATUS_INPUT);
    assert_null(inflate);
    assert_true(error.sys_errno != 0);
    assert_int_equal(inflate_open("/", &inflate, &error), STATUS_INPUT); /* opens, cannot be read */
    assert_null(inflate);
    inflate_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_bytes_in_any_step),
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_broken),
        cmocka_unit_test(test_bomb_costs_no_memory),
        cmocka_unit_test(test_capture_in_a_packed_file),
        cmocka_unit_test(test_open_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
