/* The journal: what a crash, a disk or a clock does to it. */
#include "tests/unit/base/unit.h"

#include "outputs/journal.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_BYTES_MAX = 1 << 20 };

static char folder[64];
static char path[96];
static struct error error;

static int make_folder(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof folder, "/tmp/earshot-journal-XXXXXX");
    if (mkdtemp(folder) == NULL) {
        return -1;
    }
    (void)snprintf(path, sizeof path, "%s/responses", folder);
    return 0;
}

static int drop_folder(void **state)
{
    (void)state;
    (void)unlink(path);
    return rmdir(folder);
}

static struct journal_entry entry_of(uint64_t number)
{
    struct journal_entry entry = {
        .id = {.high = 7, .low = number},
        .begun = {.boot_ns = 100 * NS_PER_S, .wall_ns = 5000 * NS_PER_S, .boot = {.high = 1}},
        .ttl_ns = 600 * NS_PER_S};
    (void)snprintf(entry.value, sizeof entry.value, "203.0.113.%u", (unsigned)number);
    return entry;
}

static struct journal *open_it(void)
{
    struct journal *journal = NULL;
    assert_int_equal(journal_open(folder, true, &journal, &error), STATUS_OK);
    return journal;
}

static void hold(struct journal *journal, uint64_t number)
{
    struct journal_entry entry = entry_of(number);
    assert_true(journal_hold(journal, &entry, &error));
}

static uint32_t count_of(const struct journal *journal)
{
    uint32_t count;
    (void)journal_held(journal, &count);
    return count;
}

static void keeps_what_holds(void **state)
{
    struct journal *journal = open_it();
    uint32_t count;
    (void)state;
    for (uint64_t i = 1; i <= 5; i++) {
        hold(journal, i);
    }
    assert_true(journal_end(journal, entry_of(2).id, &error));
    assert_true(journal_end(journal, entry_of(99).id, &error)); /* never heard of */
    journal_close(journal);
    journal = open_it();
    const struct journal_entry *held = journal_held(journal, &count);
    assert_int_equal(count, 4);
    assert_string_equal(held[0].value, "203.0.113.1");
    assert_string_equal(held[1].value, "203.0.113.3");
    assert_int_equal(held[3].ttl_ns, 600 * NS_PER_S);
    assert_int_equal(journal_rotten(journal), 0);
    journal_close(journal);
}

static void what_ends_is_remembered(void **state)
{
    struct journal *journal = open_it();
    uint32_t count;
    (void)state;
    hold(journal, 1);
    hold(journal, 2);
    assert_true(journal_ending(journal, entry_of(1).id, &error));
    assert_true(journal_ending(journal, entry_of(9).id, &error)); /* never heard of */
    journal_close(journal);
    journal = open_it();
    const struct journal_entry *held = journal_held(journal, &count);
    assert_int_equal(count, 2);
    assert_int_equal(held[0].ending, 1);
    assert_int_equal(held[1].ending, 0);
    assert_true(journal_end(journal, entry_of(1).id, &error));
    assert_int_equal(count_of(journal), 1);
    journal_close(journal);
}

static void same_decision_twice_is_one(void **state)
{
    struct journal *journal = open_it();
    (void)state;
    hold(journal, 1);
    hold(journal, 1);
    assert_int_equal(count_of(journal), 1);
    journal_close(journal);
}

static size_t read_file(uint8_t *out)
{
    int fd = open(path, O_RDONLY);
    ssize_t bytes = read(fd, out, FILE_BYTES_MAX);
    (void)close(fd);
    assert_true(bytes >= 0);
    return (size_t)bytes;
}

static void write_file(const uint8_t *at, size_t bytes)
{
    int fd = open(path, O_WRONLY | O_TRUNC);
    assert_int_equal(write(fd, at, bytes), bytes);
    (void)close(fd);
}

/* Cut at each byte: whole slots are kept, what is half is not. */
static void a_torn_tail_is_cut_off(void **state)
{
    static uint8_t whole[FILE_BYTES_MAX];
    struct journal *journal = open_it();
    (void)state;
    hold(journal, 1);
    hold(journal, 2);
    journal_close(journal);
    size_t bytes = read_file(whole);
    size_t slot = bytes / 2;
    for (size_t cut = 0; cut <= bytes; cut++) {
        write_file(whole, cut);
        journal = open_it();
        assert_int_equal(count_of(journal), cut / slot);
        hold(journal, 3); /* and goes on behind it */
        journal_close(journal);
        journal = open_it();
        assert_int_equal(count_of(journal), cut / slot + 1);
        journal_close(journal);
    }
}

/* A bit of the first slot flips: that one is not believed, the other one is. */
static void a_rotten_slot_is_skipped(void **state)
{
    static uint8_t whole[FILE_BYTES_MAX];
    struct journal *journal = open_it();
    (void)state;
    hold(journal, 1);
    hold(journal, 2);
    journal_close(journal);
    size_t bytes = read_file(whole);
    for (size_t bit = 0; bit < bytes / 2 * 8; bit += 37) {
        whole[bit / 8] = (uint8_t)(whole[bit / 8] ^ 1U << bit % 8);
        write_file(whole, bytes);
        whole[bit / 8] = (uint8_t)(whole[bit / 8] ^ 1U << bit % 8);
        journal = open_it();
        uint32_t count;
        const struct journal_entry *held = journal_held(journal, &count);
        assert_int_equal(count, 1);
        assert_string_equal(held[0].value, "203.0.113.2");
        assert_int_equal(journal_rotten(journal), 1);
        journal_close(journal);
    }
}

static void is_written_anew_when_most_is_past(void **state)
{
    static uint8_t whole[FILE_BYTES_MAX * 2];
    struct journal *journal = open_it();
    (void)state;
    hold(journal, 1);
    for (uint64_t i = 2; i < 700; i++) {
        hold(journal, i);
        assert_true(journal_end(journal, entry_of(i).id, &error));
    }
    assert_int_equal(count_of(journal), 1);
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_true(info.st_size < (off_t)(1100 * sizeof(struct journal_entry)));
    hold(journal, 1000);
    journal_close(journal);
    journal = open_it();
    assert_int_equal(count_of(journal), 2);
    journal_close(journal);
    assert_true(read_file(whole) > 0);
}

static void refuses_what_others_can_write(void **state)
{
    struct journal *journal = NULL;
    (void)state;
    assert_int_equal(chmod(folder, 0770), 0);
    assert_int_equal(journal_open(folder, true, &journal, &error), STATUS_USAGE);
    assert_int_equal(chmod(folder, 0700), 0);
    journal_close(open_it());
    assert_int_equal(chmod(path, 0622), 0);
    assert_int_equal(journal_open(folder, true, &journal, &error), STATUS_USAGE);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink("/etc/passwd", path), 0);
    assert_int_equal(journal_open(folder, true, &journal, &error), STATUS_USAGE);
}

/* A disk that takes no more, in the middle of a slot: nothing is done, and what was written stays whole. */
static void a_full_disk_is_refused(void **state)
{
    struct rlimit before;
    struct rlimit tight;
    struct journal_entry entry = entry_of(2);
    struct journal *journal = open_it();
    struct stat info;
    (void)state;
    hold(journal, 1);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    tight = before;
    tight.rlim_cur = (rlim_t)info.st_size + 100;
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    assert_false(journal_hold(journal, &entry, &error));
    assert_false(journal_end(journal, entry_of(1).id, &error)); /* it still holds, then */
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(count_of(journal), 1);
    hold(journal, 3);
    journal_close(journal);
    journal = open_it();
    assert_int_equal(count_of(journal), 2);
    assert_int_equal(journal_rotten(journal), 0);
    journal_close(journal);
}

/* One that cannot be written anew says still what holds. */
static void a_full_disk_is_read(void **state)
{
    struct rlimit before;
    struct rlimit tight;
    struct journal *journal = open_it();
    struct journal_entry entry = entry_of(3);
    (void)state;
    hold(journal, 1);
    hold(journal, 2);
    journal_close(journal);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    tight = before;
    tight.rlim_cur = 100;
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    assert_int_equal(journal_open(folder, true, &journal, &error), STATUS_FAILED);
    assert_int_equal(journal_open(folder, false, &journal, &error), STATUS_OK);
    assert_int_equal(count_of(journal), 2);
    assert_false(journal_hold(journal, &entry, &error));
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    hold(journal, 3); /* there is room again */
    journal_close(journal);
    journal = open_it();
    assert_int_equal(count_of(journal), 3);
    assert_int_equal(journal_rotten(journal), 0);
    journal_close(journal);
}

static void time_left_never_grows(void **state)
{
    struct journal_entry entry = entry_of(1); /* begun at 100 s of boot 1, at 5000 s of the wall */
    static const struct {
        struct journal_now now;
        uint64_t left_s;
    } rows[] = {
        {{.boot_ns = 100 * NS_PER_S, .boot = {.high = 1}}, 600},
        /* the wall clock was set: nobody looks at it within a boot */
        {{.boot_ns = 160 * NS_PER_S, .wall_ns = 1, .boot = {.high = 1}}, 540},
        {{.boot_ns = 160 * NS_PER_S, .wall_ns = 900000 * NS_PER_S, .boot = {.high = 1}}, 540},
        {{.boot_ns = 700 * NS_PER_S, .boot = {.high = 1}}, 0},
        {{.boot_ns = 900 * NS_PER_S, .boot = {.high = 1}}, 0},
        {{.boot_ns = 50 * NS_PER_S, .boot = {.high = 1}}, 600},
        /* another boot: the wall clock */
        {{.boot_ns = 5 * NS_PER_S, .wall_ns = 5060 * NS_PER_S, .boot = {.high = 2}}, 540},
        {{.boot_ns = 5 * NS_PER_S, .wall_ns = 5 * NS_PER_S, .boot = {.high = 2}}, 600},
        {{.boot_ns = 5 * NS_PER_S, .wall_ns = 9000 * NS_PER_S, .boot = {.high = 2}}, 0},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_int_equal(journal_left_ns(&entry, &rows[i].now), rows[i].left_s * NS_PER_S);
    }
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, drop_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(keeps_what_holds),
        IN_FOLDER(what_ends_is_remembered),
        IN_FOLDER(same_decision_twice_is_one),
        IN_FOLDER(a_torn_tail_is_cut_off),
        IN_FOLDER(a_rotten_slot_is_skipped),
        IN_FOLDER(is_written_anew_when_most_is_past),
        IN_FOLDER(a_full_disk_is_refused),
        IN_FOLDER(a_full_disk_is_read),
        IN_FOLDER(refuses_what_others_can_write),
        cmocka_unit_test(time_left_never_grows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
