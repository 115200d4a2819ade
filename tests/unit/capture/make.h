/* make.h - captures made in memory, written to temporary files, and what a source reads from them.
 *
 * Owns      struct bytes its memory, struct reading its copies; bytes_free() and reading_free() end
 *           them.
 * Borrows   paths.
 * Time      whatever the test writes.
 * Bounds    those of the test.
 * Errors    a failed system call ends the test.
 * Thread    one. */
#ifndef TESTS_UNIT_CAPTURE_MAKE_H
#define TESTS_UNIT_CAPTURE_MAKE_H

/* cmocka needs these before it, and all of them before the house bans names that they declare. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <unistd.h>
#include <sys/stat.h>

#include "sensor/capture/block.h"

struct bytes {
    uint8_t *at;
    size_t count;
    size_t room;
    bool big_endian;
};

static inline void bytes_put(struct bytes *bytes, const void *at, size_t count)
{
    if (bytes->count + count > bytes->room) {
        bytes->room = (bytes->count + count) * 2;
        bytes->at = realloc(bytes->at, bytes->room);
        assert_non_null(bytes->at);
    }
    if (count > 0) {
        memcpy(bytes->at + bytes->count, at, count);
    }
    bytes->count += count;
}

static inline void bytes_number(struct bytes *bytes, uint64_t value, unsigned width)
{
    for (unsigned i = 0; i < width; i++) {
        unsigned shift = 8 * (bytes->big_endian ? width - 1 - i : i);
        uint8_t byte = (uint8_t)(value >> shift);
        bytes_put(bytes, &byte, 1);
    }
}

static inline void bytes_16(struct bytes *bytes, uint64_t value)
{
    bytes_number(bytes, value, 2);
}

static inline void bytes_32(struct bytes *bytes, uint64_t value)
{
    bytes_number(bytes, value, 4);
}

static inline void bytes_fill(struct bytes *bytes, uint8_t value, size_t count)
{
    while (count-- > 0) {
        bytes_put(bytes, &value, 1);
    }
}

static inline void bytes_free(struct bytes *bytes)
{
    free(bytes->at);
    *bytes = (struct bytes){.at = NULL};
}

/* pcap: file header, and a record whose bytes all are `fill`. */
static inline void pcap_begin(struct bytes *bytes, uint32_t magic, uint32_t version,
                              uint32_t link_type)
{
    bytes_32(bytes, magic);
    bytes_16(bytes, version >> 16);
    bytes_16(bytes, version & 0xffff);
    bytes_32(bytes, 0);
    bytes_32(bytes, 0);
    bytes_32(bytes, 65535);
    bytes_32(bytes, link_type);
}

static inline void pcap_record(struct bytes *bytes, uint32_t seconds, uint32_t fraction,
                               uint32_t captured, uint32_t wire, uint8_t fill)
{
    bytes_32(bytes, seconds);
    bytes_32(bytes, fraction);
    bytes_32(bytes, captured);
    bytes_32(bytes, wire);
    bytes_fill(bytes, fill, captured);
}

/* A new temporary file with these bytes. */
static inline void file_make(char path[static 32], const void *at, size_t count)
{
    (void)snprintf(path, 32, "/tmp/earshot-unit-XXXXXX");
    int descriptor = mkstemp(path);
    assert_true(descriptor >= 0);
    assert_int_equal(write(descriptor, at, count), (ssize_t)count);
    assert_int_equal(close(descriptor), 0);
}

/* All that a source gives. */
struct reading {
    enum status status; /* of open */
    struct error error;
    struct captured *frames; /* `at` points into `bytes` */
    uint8_t *bytes;
    uint64_t frame_count;
    uint64_t block_count;
    struct source_counts counts;
    char fault[1024]; /* the first */
};

static inline void reading_free(struct reading *reading)
{
    free(reading->frames);
    free(reading->bytes);
    *reading = (struct reading){.frames = NULL};
}

enum { READING_FRAMES_MAX = 100000, READING_BYTES_MAX = 16 << 20 };

/* Copies a block's frames; the copy is compared with the block again after the next one was filled.
 */
static inline void reading_take(struct reading *reading, const struct block *block, size_t *used)
{
    assert_true(block->frame_count <= BLOCK_FRAMES_MAX);
    for (uint32_t i = 0; i < block->frame_count; i++) {
        struct captured frame = block->frames[i];
        assert_true(reading->frame_count < READING_FRAMES_MAX);
        assert_true(*used + frame.captured <= READING_BYTES_MAX);
        assert_int_equal(frame.number, reading->frame_count + 1);
        assert_true(frame.at >= block->bytes);
        assert_true(frame.at + frame.captured <= block->bytes + BLOCK_CAPACITY);
        assert_true(frame.captured <= FRAME_BYTES_MAX && frame.captured <= frame.wire_bytes);
        memcpy(reading->bytes + *used, frame.at, frame.captured);
        frame.at = reading->bytes + *used;
        *used += frame.captured;
        reading->frames[reading->frame_count++] = frame;
    }
}

static inline void reading_compare(const struct reading *reading, uint64_t first,
                                   const struct block *block)
{
    for (uint32_t i = 0; i < block->frame_count; i++) {
        const struct captured *copy = &reading->frames[first + i];
        assert_memory_equal(copy->at, block->frames[i].at, copy->captured);
    }
}

/* Opens, reads to the end with two blocks in turn, closes. */
static inline struct reading reading_of(const char *const *paths, size_t count)
{
    struct reading reading = {.error = {.code = STATUS_OK}};
    struct source *source = NULL;
    reading.status = source_open_files(paths, count, &source, &reading.error);
    if (reading.status != STATUS_OK) {
        return reading;
    }
    reading.frames = calloc(READING_FRAMES_MAX, sizeof(struct captured));
    reading.bytes = malloc(READING_BYTES_MAX);
    struct block blocks[2];
    assert_int_equal(block_open(&blocks[0], &reading.error), STATUS_OK);
    assert_int_equal(block_open(&blocks[1], &reading.error), STATUS_OK);
    size_t used = 0;
    uint64_t first = 0;
    for (unsigned turn = 0;; turn ^= 1) {
        uint64_t before = reading.frame_count;
        assert_int_equal(source_next(source, &blocks[turn], &reading.error), STATUS_OK);
        if (reading.block_count++ > 0) {
            reading_compare(&reading, first, &blocks[turn ^ 1]);
        }
        first = before;
        reading_take(&reading, &blocks[turn], &used);
        if (blocks[turn].end) {
            break;
        }
        assert_true(blocks[turn].frame_count > 0);
    }
    source_counts(source, &reading.counts);
    assert_int_equal(reading.counts.frames, reading.frame_count);
    if (source_fault(source, 0) != NULL) {
        (void)snprintf(reading.fault, sizeof(reading.fault), "%s", source_fault(source, 0));
    }
    source_close(source);
    block_close(&blocks[0]);
    block_close(&blocks[1]);
    return reading;
}

static inline struct reading reading_of_bytes(const void *at, size_t count)
{
    char path[32];
    file_make(path, at, count);
    const char *const paths[] = {path};
    struct reading reading = reading_of(paths, 1);
    assert_int_equal(unlink(path), 0);
    return reading;
}

#endif
