/* source.c - several captures as one: merge, folders, standard input, and what cannot be read. */
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "make.h"

#define MICRO UINT32_C(0xa1b2c3d4)

enum { VERSION = 2 << 16 | 4, FOLDER_BYTES = 64, PATH_BYTES = 96 };

/* A folder of its own for each test. */
static void folder_make(char path[static FOLDER_BYTES])
{
    (void)snprintf(path, FOLDER_BYTES, "/tmp/earshot-unit-folder-XXXXXX");
    assert_non_null(mkdtemp(path));
}

static void write_file(const char *folder, const char *name, const void *at, size_t count)
{
    char path[PATH_BYTES];
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    int descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(descriptor >= 0);
    assert_int_equal(write(descriptor, at, count), (ssize_t)count);
    assert_int_equal(close(descriptor), 0);
}

static void remove_file(const char *folder, const char *name)
{
    char path[PATH_BYTES];
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    assert_int_equal(unlink(path), 0);
}

/* A capture with a frame at each of these seconds; every frame has `mark` as its bytes. */
static struct bytes capture_of(const uint32_t *seconds, size_t count, uint32_t size, uint8_t mark)
{
    struct bytes bytes = {.big_endian = false};
    pcap_begin(&bytes, MICRO, VERSION, 1);
    for (size_t i = 0; i < count; i++) {
        pcap_record(&bytes, seconds[i], 0, size, size, mark);
    }
    return bytes;
}

static void write_capture(const char *folder, const char *name, const uint32_t *seconds,
                          size_t count, uint8_t mark)
{
    struct bytes bytes = capture_of(seconds, count, 20, mark);
    write_file(folder, name, bytes.at, bytes.count);
    bytes_free(&bytes);
}

/* By time, then file, then place; a file whose clock steps back keeps its own order. */
static void test_merge_order(void **state)
{
    (void)state;
    static const uint32_t first[] = {1, 3, 3, 9};
    static const uint32_t second[] = {3, 2, 3, 10};
    static const uint32_t third[] = {3};
    char folder[FOLDER_BYTES];
    folder_make(folder);
    write_capture(folder, "a", first, 4, 'a');
    write_capture(folder, "b", second, 4, 'b');
    write_capture(folder, "c", third, 1, 'c');
    char paths[3][PATH_BYTES];
    for (int i = 0; i < 3; i++) {
        (void)snprintf(paths[i], PATH_BYTES, "%s/%c", folder, "abc"[i]);
    }
    static const char *const orders[] = {"abc", "cba", "bac"};
    static const char *const expected[] = {"aaabbbcab", "acbbbaaab", "abbbaacab"};
    static const char *const begins[] = {"36", "12", "16"};
    for (int i = 0; i < 3; i++) {
        const char *const names[] = {paths[orders[i][0] - 'a'], paths[orders[i][1] - 'a'],
                                     paths[orders[i][2] - 'a']};
        struct reading reading = reading_of(names, 3);
        assert_int_equal(reading.frame_count, 9);
        assert_int_equal(reading.counts.files, 3);
        assert_int_equal(reading.counts.bytes, 180);
        assert_int_equal(reading.counts.first_ns, NS_PER_S);
        assert_int_equal(reading.counts.last_ns, 10 * NS_PER_S);
        for (uint32_t k = 0; k < 9; k++) {
            const struct captured *frame = &reading.frames[k];
            assert_int_equal(frame->at[19], expected[i][k]);
            assert_int_equal(orders[i][frame->interface], frame->at[0]);
            assert_int_equal(frame->begins, k == 0 || strchr(begins[i], (char)('0' + k)) != NULL);
        }
        reading_free(&reading);
    }
    remove_file(folder, "a");
    remove_file(folder, "b");
    remove_file(folder, "c");
    assert_int_equal(rmdir(folder), 0);
}

/* The merge against the obvious way: all frames, sorted by (time, file, place). */
static void test_merge_against_a_sort(void **state)
{
    (void)state;
    enum { FILES = 40, FRAMES = 300 };
    char folder[FOLDER_BYTES];
    folder_make(folder);
    uint32_t value = 7;
    static uint32_t seconds[FILES][FRAMES];
    for (uint32_t i = 0; i < FILES; i++) {
        uint32_t now = 0;
        for (uint32_t k = 0; k < FRAMES; k++) {
            value = value * 1664525 + 1013904223;
            now += value >> 30; /* many equal stamps */
            seconds[i][k] = now;
        }
        char name[8];
        (void)snprintf(name, sizeof(name), "%02u", i);
        write_capture(folder, name, seconds[i], FRAMES, (uint8_t)i);
    }
    const char *const paths[] = {folder};
    struct reading reading = reading_of(paths, 1);
    assert_int_equal(reading.frame_count, FILES * FRAMES);
    assert_int_equal(reading.counts.files, FILES);
    uint64_t at = 0;
    static uint32_t next[FILES];
    for (uint32_t now = 0; at < reading.frame_count; now++) {
        for (uint32_t i = 0; i < FILES; i++) {
            for (; next[i] < FRAMES && seconds[i][next[i]] == now; next[i]++, at++) {
                assert_int_equal(reading.frames[at].time_ns, now * NS_PER_S);
                assert_int_equal(reading.frames[at].at[0], i);
            }
        }
    }
    reading_free(&reading);
    for (uint32_t i = 0; i < FILES; i++) {
        char name[8];
        (void)snprintf(name, sizeof(name), "%02u", i);
        remove_file(folder, name);
    }
    assert_int_equal(rmdir(folder), 0);
}

/* Records larger than a merge's window at first is, and more than a block holds. */
static void test_merge_of_large_frames(void **state)
{
    (void)state;
    static const uint32_t seconds[] = {1, 2, 3, 4};
    struct bytes one = capture_of(seconds, 4, FRAME_BYTES_MAX, 1);
    struct bytes other = capture_of(seconds, 4, 70000, 2);
    char paths[2][32];
    file_make(paths[0], one.at, one.count);
    file_make(paths[1], other.at, other.count - 1);
    const char *const names[] = {paths[0], paths[1]};
    struct reading reading = reading_of(names, 2);
    assert_int_equal(reading.frame_count, 7);
    for (uint32_t i = 0; i < 7; i++) {
        const struct captured *frame = &reading.frames[i];
        assert_int_equal(frame->captured, i % 2 == 0 ? FRAME_BYTES_MAX : 70000);
        assert_int_equal(frame->at[frame->captured - 1], i % 2 == 0 ? 1 : 2);
    }
    assert_true(reading.counts.truncated);
    reading_free(&reading);
    bytes_free(&one);
    bytes_free(&other);
    assert_int_equal(unlink(paths[0]), 0);
    assert_int_equal(unlink(paths[1]), 0);
}

static void test_folder(void **state)
{
    (void)state;
    static const uint32_t early[] = {5};
    char folder[FOLDER_BYTES];
    folder_make(folder);
    const char *const paths[] = {folder};
    struct reading reading = reading_of(paths, 1);
    assert_int_equal(reading.status, STATUS_INPUT);
    assert_non_null(strstr(reading.error.message, "without a capture"));

    write_file(folder, "notes.txt", "no capture", 10);
    write_file(folder, "empty", "", 0);
    write_capture(folder, ".hidden", early, 1, 'h');
    char inner[PATH_BYTES];
    (void)snprintf(inner, sizeof(inner), "%s/inner", folder);
    assert_int_equal(mkdir(inner, 0700), 0);
    write_capture(inner, "deep", early, 1, 'd');
    reading = reading_of(paths, 1);
    assert_int_equal(reading.status, STATUS_INPUT);

    write_capture(folder, "b.pcap", early, 1, 'b');
    write_capture(folder, "a.cap", early, 1, 'a');
    write_capture(folder, "B.pcap", early, 1, 'B');
    reading = reading_of(paths, 1);
    assert_int_equal(reading.status, STATUS_OK);
    assert_int_equal(reading.frame_count, 3);
    assert_int_equal(reading.counts.files, 3);
    assert_int_equal(reading.counts.files_bad, 0);
    assert_int_equal(reading.frames[0].at[0], 'B');
    assert_int_equal(reading.frames[1].at[0], 'a');
    assert_int_equal(reading.frames[2].at[0], 'b');
    reading_free(&reading);

    /* A capture by its magic that cannot be read is bad, not passed over. */
    write_file(folder, "c.pcap", "\xd4\xc3\xb2\xa1", 4);
    reading = reading_of(paths, 1);
    assert_int_equal(reading.frame_count, 3);
    assert_int_equal(reading.counts.files, 4);
    assert_int_equal(reading.counts.files_bad, 1);
    assert_non_null(strstr(reading.fault, "c.pcap: ends inside its file header"));
    reading_free(&reading);

    static const char *const names[] = {"notes.txt", "empty", ".hidden", "inner/deep",
                                        "b.pcap",    "a.cap", "B.pcap",  "c.pcap"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        remove_file(folder, names[i]);
    }
    assert_int_equal(rmdir(inner), 0);
    assert_int_equal(rmdir(folder), 0);
}

static void test_one_bad_among_many(void **state)
{
    (void)state;
    static const uint32_t seconds[] = {1, 2};
    struct bytes bytes = capture_of(seconds, 2, 8, 1);
    char good[32];
    char bad[32];
    file_make(good, bytes.at, bytes.count);
    file_make(bad, "SIP/2.0 200 OK", 14);
    const char *const paths[] = {bad, good, "/nonexistent/file"};
    struct reading reading = reading_of(paths, 3);
    assert_int_equal(reading.status, STATUS_OK);
    assert_int_equal(reading.frame_count, 2);
    assert_int_equal(reading.counts.files, 3);
    assert_int_equal(reading.counts.files_bad, 2);
    assert_memory_equal(reading.fault, bad, strlen(bad));
    assert_non_null(strstr(reading.fault, ": is no capture"));
    reading_free(&reading);
    const char *const both[] = {"/nonexistent/file", bad};
    reading = reading_of(both, 2);
    assert_int_equal(reading.status, STATUS_INPUT);
    assert_string_equal(reading.error.where, "/nonexistent/file");
    assert_non_null(strstr(reading.error.message, "nor can the 1 others"));
    reading = reading_of(NULL, 0);
    assert_int_equal(reading.status, STATUS_INPUT);
    bytes_free(&bytes);
    assert_int_equal(unlink(good), 0);
    assert_int_equal(unlink(bad), 0);
}

/* A writer that gives `step` bytes at a time into our standard input. Returns the child. */
static pid_t feed_stdin(const struct bytes *bytes, size_t step)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)close(ends[0]);
        for (size_t at = 0; at < bytes->count; at += step) {
            size_t part = bytes->count - at < step ? bytes->count - at : step;
            if (write(ends[1], bytes->at + at, part) != (ssize_t)part) {
                _exit(1);
            }
        }
        _exit(0);
    }
    assert_int_equal(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
    assert_int_equal(close(ends[0]), 0);
    assert_int_equal(close(ends[1]), 0);
    return child;
}

static void test_standard_input(void **state)
{
    (void)state;
    static const size_t steps[] = {1, 7, 1000, 1 << 20};
    int kept = dup(STDIN_FILENO);
    struct bytes bytes = {.big_endian = false};
    pcap_begin(&bytes, MICRO, VERSION, 1);
    for (uint32_t i = 0; i < 200; i++) {
        pcap_record(&bytes, i, 0, i, i, (uint8_t)i);
    }
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        pid_t child = feed_stdin(&bytes, steps[i]);
        static const char *const paths[] = {"-"};
        struct reading reading = reading_of(paths, 1);
        assert_int_equal(reading.status, STATUS_OK);
        assert_int_equal(reading.frame_count, 200);
        assert_false(reading.counts.truncated);
        for (uint32_t k = 0; k < 200; k++) {
            assert_int_equal(reading.frames[k].captured, k);
            assert_true(k == 0 || reading.frames[k].at[k - 1] == k);
        }
        reading_free(&reading);
        int ended = -1;
        assert_int_equal(waitpid(child, &ended, 0), child);
        assert_int_equal(ended, 0);
    }
    struct bytes nothing = {.at = NULL};
    pid_t child = feed_stdin(&nothing, 1);
    static const char *const twice[] = {"-", "-"};
    struct reading reading = reading_of(twice, 2);
    assert_int_equal(reading.status, STATUS_INPUT);
    assert_string_equal(reading.error.where, "standard input");
    assert_int_equal(waitpid(child, NULL, 0), child);
    child = feed_stdin(&bytes, 100000);
    reading = reading_of(twice, 2);
    assert_int_equal(reading.status, STATUS_OK);
    assert_int_equal(reading.frame_count, 200);
    assert_int_equal(reading.counts.files_bad, 1);
    assert_string_equal(reading.fault, "standard input: can be read only once");
    reading_free(&reading);
    assert_int_equal(waitpid(child, NULL, 0), child);
    bytes_free(&bytes);
    if (kept >= 0) {
        assert_int_equal(dup2(kept, STDIN_FILENO), STDIN_FILENO);
        assert_int_equal(close(kept), 0);
    }
}

/* In a child, because a hard limit cannot be raised again. */
static void test_descriptor_limit_is_told(void **state)
{
    (void)state;
    static const uint32_t seconds[] = {1};
    struct bytes bytes = capture_of(seconds, 1, 8, 1);
    char path[32];
    file_make(path, bytes.at, bytes.count);
    bytes_free(&bytes);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct rlimit limit = {.rlim_cur = 16, .rlim_max = 16};
        (void)setrlimit(RLIMIT_NOFILE, &limit);
        const char *paths[40];
        for (size_t i = 0; i < 40; i++) {
            paths[i] = path;
        }
        struct source *source = NULL;
        struct error error = {.code = STATUS_OK};
        enum status status = source_open_files(paths, 40, &source, &error);
        bool told = strstr(error.message, "the limit is 16 descriptors") != NULL;
        _exit(status == STATUS_INPUT && told && source == NULL ? 0 : 1);
    }
    int ended = -1;
    assert_int_equal(waitpid(child, &ended, 0), child);
    assert_int_equal(ended, 0);
    assert_int_equal(unlink(path), 0);
}

static void test_too_many_files(void **state)
{
    (void)state;
    static const char *paths[SOURCE_FILES_MAX + 1];
    for (size_t i = 0; i < SOURCE_FILES_MAX + 1; i++) {
        paths[i] = "/nonexistent/file";
    }
    struct reading reading = reading_of(paths, SOURCE_FILES_MAX);
    assert_int_equal(reading.status, STATUS_INPUT);
    assert_non_null(strstr(reading.error.message, "nor can the 4095 others"));
    reading = reading_of(paths, SOURCE_FILES_MAX + 1);
    assert_int_equal(reading.status, STATUS_INPUT);
    assert_non_null(strstr(reading.error.message, "one more than the 4096"));
}

static void test_progress_and_end(void **state)
{
    (void)state;
    static const uint32_t seconds[] = {1, 2, 3};
    struct bytes bytes = capture_of(seconds, 3, 8, 1);
    char path[32];
    file_make(path, bytes.at, bytes.count);
    const char *const paths[] = {path, path};
    for (size_t count = 1; count <= 2; count++) {
        struct source *source = NULL;
        struct error error;
        struct block block;
        assert_int_equal(source_open_files(paths, count, &source, &error), STATUS_OK);
        assert_int_equal(block_open(&block, &error), STATUS_OK);
        do {
            assert_int_equal(source_next(source, &block, &error), STATUS_OK);
        } while (!block.end);
        uint64_t done = 0;
        uint64_t total = 0;
        source_progress(source, &done, &total);
        assert_int_equal(done, bytes.count * count);
        assert_int_equal(total, bytes.count * count);
        assert_int_equal(source_next(source, &block, &error),
                         STATUS_OK); /* the end stays the end */
        assert_true(block.end);
        assert_int_equal(block.frame_count, 0);
        assert_null(source_fault(source, 0));
        source_close(source);
        block_close(&block);
    }
    source_close(NULL);
    bytes_free(&bytes);
    assert_int_equal(unlink(path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_merge_order),
        cmocka_unit_test(test_merge_against_a_sort),
        cmocka_unit_test(test_merge_of_large_frames),
        cmocka_unit_test(test_folder),
        cmocka_unit_test(test_one_bad_among_many),
        cmocka_unit_test(test_standard_input),
        cmocka_unit_test(test_descriptor_limit_is_told),
        cmocka_unit_test(test_too_many_files),
        cmocka_unit_test(test_progress_and_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
