/* The output "file": whole lines, appended; what cannot be written is lost or waits, and nothing is
 * torn. */
#include "outputs_test.h"

#include "outputs/output.h"

#include <fcntl.h>
#include <errno.h>
#include <sys/stat.h>

static const struct output *file_type(void)
{
    for (size_t i = 0; outputs[i] != NULL; i++) {
        if (strcmp(outputs[i]->type, "file") == 0) {
            return outputs[i];
        }
    }
    fail_msg("no output of type file");
    return NULL;
}

static struct output_tally tally;
static struct output_host host = {.name = "records", .tally = &tally};
static const struct record call = {.dataset = DATASET_CALL};

static void set(void *conf, const char *key, const char *value)
{
    const struct option *option = option_find(file_type()->options, slice_of_string(key));
    struct error error;

    assert_non_null(option);
    assert_int_equal(option_parse(option, slice_of_string(value), conf, "test", key, &error),
                     STATUS_OK);
}

/* `rotate`: NULL = never, else two files are kept. */
static enum status open_rotating(const char *path, const char *rotate, void **out_instance,
                                 struct error *error)
{
    const struct output *type = file_type();
    void *conf = calloc(1, type->conf_bytes);

    option_presets(type->options, conf);
    set(conf, "path", path);
    set(conf, "rotate", rotate == NULL ? "0" : rotate);
    set(conf, "keep", "2");
    tally = (struct output_tally){0};
    enum status status = type->open(&host, conf, out_instance, error);
    free(conf);
    return status;
}

static enum status open_path(const char *path, void **out_instance, struct error *error)
{
    return open_rotating(path, NULL, out_instance, error);
}

static void appends_whole_lines(void **state)
{
    const struct output *type = file_type();
    char path[] = "/tmp/earshot-file-XXXXXX";
    struct error error;
    struct stat before;
    void *file;
    char text[64];
    (void)state;

    int descriptor = mkstemp(path);
    assert_true(descriptor >= 0 && write(descriptor, "old\n", 4) == 4);
    assert_int_equal(open_path(path, &file, &error), STATUS_OK);
    assert_int_equal(type->send(file, &call, SLICE("{\"a\":1}")), OUTPUT_ACCEPTED);
    assert_int_equal(type->send(file, &call, SLICE("{}")), OUTPUT_ACCEPTED);
    type->poll(file);
    assert_int_equal(tally.acknowledged, 0); /* accepted is not written */
    assert_int_equal(tally.waiting, 2);
    assert_true(fstat(descriptor, &before) == 0 && before.st_size == 4);
    type->flush(file);
    assert_int_equal(tally.acknowledged, 2);
    assert_int_equal(tally.waiting, 0);
    assert_int_equal(pread(descriptor, text, sizeof text, 0), 15);
    assert_memory_equal(text, "old\n{\"a\":1}\n{}\n", 15);
    type->close(file);
    (void)close(descriptor);
    (void)unlink(path);
}

/* Far more than the buffer: all lines come, in order; the largest record that can be fits. */
static void writes_more_than_its_buffer(void **state)
{
    const struct output *type = file_type();
    char path[] = "/tmp/earshot-file-XXXXXX";
    static char line[200 << 10];
    struct error error;
    void *file;
    (void)state;

    int descriptor = mkstemp(path);
    assert_int_equal(open_path(path, &file, &error), STATUS_OK);
    memset(line, 'x', sizeof line);
    size_t total = 0;
    for (size_t i = 0; i < 2000; i++) {
        size_t bytes = 1 + i * 7919 % (sizeof line - 1);
        total += bytes + 1;
        assert_int_equal(type->send(file, &call, slice_of(line, bytes)), OUTPUT_ACCEPTED);
        if (total > (16 << 20)) {
            break;
        }
    }
    type->flush(file);
    assert_int_equal(tally.waiting, 0);
    struct stat after;
    assert_true(fstat(descriptor, &after) == 0);
    assert_int_equal(after.st_size, total);
    type->close(file);
    (void)close(descriptor);
    (void)unlink(path);
}

static void says_what_cannot_be_opened(void **state)
{
    struct error error = {0};
    void *file;
    (void)state;

    assert_int_equal(open_path("/nowhere/at/all", &file, &error), STATUS_FAILED);
    assert_non_null(strstr(error.message, "make it first"));
    assert_int_equal(error.sys_errno, ENOENT);
}

/* Nobody waits for a reader: not at the start of a sensor either. */
static void a_pipe_without_reader_is_refused(void **state)
{
    struct error error = {0};
    char path[64];
    void *file;
    (void)state;

    (void)snprintf(path, sizeof path, "/tmp/earshot-file-pipe-%d", (int)getpid());
    assert_int_equal(mkfifo(path, 0600), 0);
    (void)alarm(10); /* else it would wait for ever */
    assert_int_equal(open_path(path, &file, &error), STATUS_FAILED);
    assert_non_null(strstr(error.message, "start its reader first"));
    int reader = open(path, O_RDONLY | O_NONBLOCK);
    assert_int_equal(open_path(path, &file, &error), STATUS_OK);
    (void)alarm(0);
    file_type()->close(file);
    (void)close(reader);
    (void)unlink(path);
}

/* By its file, not by its name; when the first one ends it is free. */
static void one_file_has_one_output(void **state)
{
    struct error error = {0};
    char path[64];
    char other[64];
    void *first;
    void *second;
    (void)state;

    (void)snprintf(path, sizeof path, "/tmp/earshot-file-one-%d", (int)getpid());
    (void)snprintf(other, sizeof other, "/tmp/../tmp/earshot-file-one-%d", (int)getpid());
    assert_int_equal(open_path(path, &first, &error), STATUS_OK);
    assert_int_equal(open_path(other, &second, &error), STATUS_FAILED);
    assert_non_null(strstr(error.message, "name another file"));
    file_type()->close(first);
    assert_int_equal(open_path(other, &second, &error), STATUS_OK);
    file_type()->close(second);
    (void)unlink(path);
}

static void a_full_disk_leaves_room_for_alerts(void **state)
{
    static const struct record alert = {.dataset = DATASET_ALERT};
    const struct output *type = file_type();
    static char line[10 << 10];
    struct error error = {0};
    void *file;
    (void)state;

    memset(line, 'x', sizeof line);
    assert_int_equal(open_path("/dev/full", &file, &error), STATUS_OK);
    for (unsigned i = 0; i < 30; i++) {
        assert_int_equal(type->send(file, &call, slice_of(line, sizeof line)), OUTPUT_ACCEPTED);
    }
    assert_true(tally.dropped[DATASET_CALL] > 0);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(type->send(file, &alert, slice_of(line, sizeof line)), OUTPUT_ACCEPTED);
    }
    assert_int_equal(tally.dropped[DATASET_ALERT], 0);
    assert_int_equal(tally.waiting + output_dropped(&tally), 33);
    type->close(file);
    assert_int_equal(output_dropped(&tally), 33);
}

static void a_full_disk_loses_records(void **state)
{
    const struct output *type = file_type();
    static char line[100 << 10];
    struct error error = {0};
    void *file;
    (void)state;

    memset(line, 'x', sizeof line);
    assert_int_equal(open_path("/dev/full", &file, &error), STATUS_OK);
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(type->send(file, &call, slice_of(line, sizeof line)), OUTPUT_ACCEPTED);
    }
    assert_int_equal(tally.waiting, 2); /* what the buffer holds */
    assert_int_equal(tally.dropped[DATASET_CALL], 8);
    type->flush(file);
    assert_true(tally.away);
    assert_int_equal(tally.acknowledged, 0);
    assert_int_equal(tally.waiting, 2);
    type->close(file);
    assert_int_equal(tally.waiting, 0);
    assert_int_equal(tally.dropped[DATASET_CALL], 10);
    assert_int_equal(tally.accepted, 10);
}

enum { LINE_BYTES = 10000 };

/* Line n is LINE_BYTES times one letter: whole and in its order, wherever the reads part it. */
static size_t see_lines(const char *got, ssize_t bytes, size_t before)
{
    for (ssize_t i = 0; i < bytes; i++) {
        size_t at = before + (size_t)i;
        size_t number = at / (LINE_BYTES + 1);
        char expected = at % (LINE_BYTES + 1) == LINE_BYTES ? '\n' : (char)('a' + number % 26);
        if (got[i] != expected) {
            (void)fprintf(stderr, "byte %zu is %02x\n", at, (unsigned)(uint8_t)got[i]);
            return SIZE_MAX / 2;
        }
    }
    return bytes > 0 ? (size_t)bytes : 0;
}

/* A reader that is slow, not gone: full, and later all of it, nothing torn. */
static void a_slow_reader_is_waited_for(void **state)
{
    const struct output *type = file_type();
    static char line[LINE_BYTES];
    struct error error = {0};
    int ends[2];
    char path[64];
    void *file;
    size_t accepted = 0;
    (void)state;

    assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", ends[1]);
    assert_int_equal(open_path(path, &file, &error), STATUS_OK);
    /* opened again it blocks: what we want is what a shell's pipe may be */
    int again = open(path, O_WRONLY | O_NONBLOCK);
    assert_true(again >= 0);
    type->close(file);
    int saved = dup(STDOUT_FILENO);
    fflush(stdout);
    assert_true(dup2(again, STDOUT_FILENO) >= 0);
    assert_int_equal(open_path("-", &file, &error), STATUS_OK);
    for (;; accepted++) {
        memset(line, 'a' + (int)(accepted % 26), sizeof line);
        if (type->send(file, &call, slice_of(line, sizeof line)) != OUTPUT_ACCEPTED) {
            break;
        }
    }
    enum output_result full = type->send(file, &call, slice_of(line, sizeof line));
    type->flush(file);
    uint64_t waited = tally.waiting;
    size_t bytes = 0;
    static char got[64 << 10];
    for (unsigned i = 0; i < 100 && tally.waiting > 0; i++) {
        ssize_t some = read(ends[0], got, sizeof got);
        bytes += see_lines(got, some, bytes);
        type->flush(file);
    }
    for (ssize_t some; (some = read(ends[0], got, sizeof got)) > 0;) {
        bytes += see_lines(got, some, bytes);
    }
    (void)dup2(saved, STDOUT_FILENO);
    assert_int_equal(full, OUTPUT_FULL);
    assert_int_not_equal(waited, 0);
    assert_int_equal(tally.waiting, 0);
    assert_int_equal(tally.acknowledged, accepted);
    assert_int_equal(bytes, accepted * (sizeof line + 1));
    type->close(file);
    (void)close(saved);
    (void)close(again);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

/* What a file holds, "" where there is none. */
static const char *text_of(const char *folder, const char *name)
{
    static char text[4096];
    char path[256];

    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    int descriptor = open(path, O_RDONLY);
    ssize_t bytes = descriptor < 0 ? 0 : read(descriptor, text, sizeof text - 1);
    text[bytes < 0 ? 0 : bytes] = '\0';
    (void)close(descriptor);
    return text;
}

static void remove_folder(const char *folder)
{
    static const char *const names[] = {"r", "r.1", "r.2", "r.3", "elsewhere"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[256];
        (void)snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        (void)unlink(path);
    }
    assert_int_equal(rmdir(folder), 0);
}

static void rotates_between_whole_lines(void **state)
{
    const struct output *type = file_type();
    char folder[] = "/tmp/earshot-file-XXXXXX";
    char path[64];
    struct error error;
    void *file;
    (void)state;

    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/r", folder);
    assert_int_equal(open_rotating(path, "10", &file, &error), STATUS_OK);
    static const char *const lines[] = {"one",  "two", "three",         "four",
                                        "five", "six", "fourteen-bytes"};
    for (size_t i = 0; i < 7; i++) {
        assert_int_equal(type->send(file, &call, slice_of_string(lines[i])), OUTPUT_ACCEPTED);
        type->flush(file);
    }
    assert_string_equal(text_of(folder, "r"),
                        "fourteen-bytes\n"); /* larger than a file may be: alone */
    assert_string_equal(text_of(folder, "r.1"), "six\n");
    assert_string_equal(text_of(folder, "r.2"), "four\nfive\n");
    assert_string_equal(text_of(folder, "r.3"), ""); /* "three": it went, two are kept */
    assert_int_equal(tally.acknowledged, 7);
    type->close(file);
    remove_folder(folder);
}

static void follows_its_name_when_moved_away(void **state)
{
    const struct output *type = file_type();
    char folder[] = "/tmp/earshot-file-XXXXXX";
    char path[64];
    char moved[64];
    struct error error;
    void *file;
    (void)state;

    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/r", folder);
    (void)snprintf(moved, sizeof moved, "%s/elsewhere", folder);
    assert_int_equal(open_path(path, &file, &error), STATUS_OK);
    assert_int_equal(type->send(file, &call, SLICE("one")), OUTPUT_ACCEPTED);
    type->flush(file);
    assert_int_equal(rename(path, moved), 0);
    assert_int_equal(type->send(file, &call, SLICE("two")), OUTPUT_ACCEPTED);
    type->flush(file);
    assert_string_equal(text_of(folder, "elsewhere"), "one\n");
    assert_string_equal(text_of(folder, "r"), "two\n");
    type->close(file);
    remove_folder(folder);
}

static void begins_a_line_of_its_own(void **state)
{
    const struct output *type = file_type();
    char path[] = "/tmp/earshot-file-XXXXXX";
    char text[64] = "";
    void *instance = NULL;
    struct error error = {0};
    int descriptor = mkstemp(path);

    (void)state;
    assert_true(descriptor >= 0);
    assert_int_equal(write(descriptor, "one\ntw", 6), 6);
    assert_int_equal(open_path(path, &instance, &error), STATUS_OK);
    assert_int_equal(type->send(instance, &call, SLICE("three")), OUTPUT_ACCEPTED);
    type->flush(instance);
    assert_int_equal(type->send(instance, &call, SLICE("four")), OUTPUT_ACCEPTED);
    type->close(instance);
    assert_int_equal(pread(descriptor, text, sizeof text - 1, 0), 18);
    assert_string_equal(text, "one\ntw\nthree\nfour\n");
    assert_int_equal(tally.acknowledged, 2);
    assert_int_equal(close(descriptor), 0);
    assert_int_equal(unlink(path), 0);
}

/* What is written into a file without a name is gone: it is not delivered. */
static void counts_what_has_no_place_any_more(void **state)
{
    const struct output *type = file_type();
    char folder[] = "/tmp/earshot-file-XXXXXX";
    char path[64];
    void *instance = NULL;
    struct error error = {0};

    (void)state;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/records", folder);
    assert_int_equal(open_path(path, &instance, &error), STATUS_OK);
    assert_int_equal(type->send(instance, &call, SLICE("one")), OUTPUT_ACCEPTED);
    type->flush(instance);
    assert_int_equal(tally.acknowledged, 1);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
    assert_int_equal(type->send(instance, &call, SLICE("two")), OUTPUT_ACCEPTED);
    type->flush(instance);
    assert_int_equal(tally.acknowledged, 1);
    assert_int_equal(tally.waiting, 1);
    assert_true(tally.away);
    assert_int_equal(mkdir(folder, 0700), 0); /* it is back, and so are the records */
    type->flush(instance);
    assert_int_equal(tally.acknowledged, 2);
    assert_false(tally.away);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
    assert_int_equal(type->send(instance, &call, SLICE("three")), OUTPUT_ACCEPTED);
    type->close(instance);
    assert_int_equal(tally.acknowledged, 2);
    assert_int_equal(tally.dropped[DATASET_CALL], 1);
    assert_int_equal(tally.waiting, 0);
}

/* A name that cannot be moved (there is a folder where NAME.2 should be): the lines go on. */
static void goes_on_where_it_cannot_rotate(void **state)
{
    const struct output *type = file_type();
    char folder[] = "/tmp/earshot-file-XXXXXX";
    char path[64];
    char taken[64];
    struct error error;
    void *file;
    (void)state;

    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/r", folder);
    (void)snprintf(taken, sizeof taken, "%s/r.2", folder);
    assert_int_equal(mkdir(taken, 0700), 0);
    assert_int_equal(open_rotating(path, "4", &file, &error), STATUS_OK);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(type->send(file, &call, SLICE("line")), OUTPUT_ACCEPTED);
        type->flush(file);
    }
    assert_string_equal(text_of(folder, "r.1"), "line\n");
    assert_string_equal(text_of(folder, "r"), "line\nline\n");
    assert_int_equal(tally.acknowledged, 3);
    type->close(file);
    assert_int_equal(rmdir(taken), 0);
    remove_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appends_whole_lines),
        cmocka_unit_test(writes_more_than_its_buffer),
        cmocka_unit_test(says_what_cannot_be_opened),
        cmocka_unit_test(a_pipe_without_reader_is_refused),
        cmocka_unit_test(one_file_has_one_output),
        cmocka_unit_test(a_full_disk_loses_records),
        cmocka_unit_test(a_full_disk_leaves_room_for_alerts),
        cmocka_unit_test(a_slow_reader_is_waited_for),
        cmocka_unit_test(rotates_between_whole_lines),
        cmocka_unit_test(follows_its_name_when_moved_away),
        cmocka_unit_test(begins_a_line_of_its_own),
        cmocka_unit_test(counts_what_has_no_place_any_more),
        cmocka_unit_test(goes_on_where_it_cannot_rotate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
