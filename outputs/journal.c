/* journal.c - a file of equal slots.
 *
 *     slot   magic 4 | kind 4 | entry | checksum 8      HOLD: from now on; END: no longer (id alone)
 *
 * A slot is written at the end and brought to the disk (fdatasync) before anything is done. A write
 * that did not go through is cut off again, so that what is not believed is not there. When more slots
 * are past than hold, what holds is written to responses.new, synced, and renamed over the old one: a
 * crash at any moment leaves one of the two whole.
 *
 * The checksum guards against disks, not against people: whoever can write the file is us. */
#include "outputs/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME JOURNAL_FILE
#define NAME_NEW JOURNAL_FILE ".new"

enum { SLOT_MAGIC = 0x314a5345, SLOTS_PAST_MAX = 1024, WRITABLE_BY_OTHERS = 022 };
enum { SLOTS_MAX = 64 << 10 }; /* of a file that is ours */
enum { LOCK_TRIES = 50 };
#define LOCK_PAUSE_NS (100 * NS_PER_MS)

enum slot_kind { SLOT_HOLD = 1, SLOT_END = 2 };

struct slot {
    uint32_t magic;
    uint32_t kind;
    struct journal_entry entry;
    uint64_t checksum; /* of all before it */
};

static_assert(sizeof(struct slot) == 8 + sizeof(struct journal_entry) + 8, "no hidden bytes");

struct journal {
    int folder;
    int fd;
    uint32_t slots; /* in the file */
    uint32_t held_count;
    uint64_t rotten;
    struct journal_entry held[JOURNAL_HELD_MAX];
};

static uint64_t checksum_of(const struct slot *slot)
{
    return hash_bytes(HASH_KEY_FIXED, slot, offsetof(struct slot, checksum));
}

static bool same_id(struct hash128 one, struct hash128 other)
{
    return one.high == other.high && one.low == other.low;
}

/* --- what holds --- */

static uint32_t find(const struct journal *journal, struct hash128 id)
{
    uint32_t i = 0;

    while (i < journal->held_count && !same_id(journal->held[i].id, id)) {
        i++;
    }
    return i;
}

static void forget(struct journal *journal, struct hash128 id)
{
    uint32_t i = find(journal, id);

    if (i < journal->held_count) {
        journal->held_count--;
        memmove(&journal->held[i], &journal->held[i + 1],
                (journal->held_count - i) * sizeof journal->held[0]);
    }
}

static void remember(struct journal *journal, const struct journal_entry *entry)
{
    uint32_t i = find(journal, entry->id);

    if (i < JOURNAL_HELD_MAX) {
        journal->held[i] = *entry;
        journal->held_count += i == journal->held_count;
    }
}

/* --- slots --- */

static bool write_all(int fd, const void *at, size_t bytes)
{
    const uint8_t *from = at;

    while (bytes > 0) {
        ssize_t written = write(fd, from, bytes);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            errno = written == 0 ? ENOSPC : errno;
            return false;
        }
        from += written;
        bytes -= (size_t)written;
    }
    return true;
}

static struct slot slot_of(enum slot_kind kind, const struct journal_entry *entry)
{
    struct slot slot = {.magic = SLOT_MAGIC, .kind = kind, .entry = *entry};

    slot.checksum = checksum_of(&slot);
    return slot;
}

/* What is behind the last good slot goes: the next one must begin where a slot begins. */
static bool cut_rest(struct journal *journal)
{
    off_t bytes = (off_t)journal->slots * (off_t)sizeof(struct slot);

    return lseek(journal->fd, 0, SEEK_END) == bytes || ftruncate(journal->fd, bytes) == 0;
}

static bool append(struct journal *journal, enum slot_kind kind, const struct journal_entry *entry,
                   struct error *error)
{
    struct slot slot = slot_of(kind, entry);

    if (cut_rest(journal) && write_all(journal->fd, &slot, sizeof slot) &&
        fdatasync(journal->fd) == 0) {
        journal->slots++;
        return true;
    }
    (void)error_system(error, STATUS_FAILED, NAME, "the journal cannot be written");
    /* If even this fails it is tried again before the next slot is written. */
    (void)cut_rest(journal);
    return false;
}

/* Texts of a slot end where they end. */
static bool is_sound(struct slot *slot)
{
    struct journal_entry *entry = &slot->entry;

    if (slot->magic != SLOT_MAGIC || slot->checksum != checksum_of(slot) ||
        (slot->kind != SLOT_HOLD && slot->kind != SLOT_END)) {
        return false;
    }
    entry->response[sizeof entry->response - 1] = '\0';
    entry->rule[sizeof entry->rule - 1] = '\0';
    entry->hook[sizeof entry->hook - 1] = '\0';
    entry->value[sizeof entry->value - 1] = '\0';
    return true;
}

static void take_slot(struct journal *journal, struct slot *slot)
{
    if (!is_sound(slot)) {
        journal->rotten++;
    } else if (slot->kind == SLOT_HOLD) {
        remember(journal, &slot->entry);
    } else {
        forget(journal, slot->entry.id);
    }
}

static bool read_slots(struct journal *journal)
{
    struct slot slot;

    while (journal->slots < SLOTS_MAX) {
        ssize_t got =
            pread(journal->fd, &slot, sizeof slot, (off_t)journal->slots * (off_t)sizeof slot);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got != (ssize_t)sizeof slot) {
            return got >= 0;
        }
        take_slot(journal, &slot);
        journal->slots++;
    }
    return true;
}

/* --- the file --- */

/* What holds as a file of its own, in the place of the one before. */
static bool compact(struct journal *journal, struct error *error)
{
    (void)unlinkat(journal->folder, NAME_NEW, 0);
    int fd = openat(journal->folder, NAME_NEW,
                    O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
    bool good = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0;

    for (uint32_t i = 0; i < journal->held_count && good; i++) {
        struct slot slot = slot_of(SLOT_HOLD, &journal->held[i]);
        good = write_all(fd, &slot, sizeof slot);
    }
    good = good && fdatasync(fd) == 0 &&
           renameat(journal->folder, NAME_NEW, journal->folder, NAME) == 0;
    if (!good) {
        (void)error_system(error, STATUS_FAILED, NAME, "the journal cannot be written anew");
        if (fd >= 0) {
            (void)close(fd);
        }
        return false;
    }
    /* From here on it is the file of that name: what is written must go there, whatever comes. */
    (void)close(journal->fd);
    journal->fd = fd;
    journal->slots = journal->held_count;
    if (fsync(journal->folder) != 0) {
        (void)error_system(error, STATUS_FAILED, NAME, "the folder of the journal does not sync");
        return false;
    }
    return true;
}

/* The response process of a sensor that was killed may still be ending. */
static bool lock(int fd)
{
    const struct timespec pause = {.tv_nsec = LOCK_PAUSE_NS};

    for (unsigned i = 0; i < LOCK_TRIES; i++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
            return true;
        }
        (void)nanosleep(&pause, NULL);
    }
    return false;
}

static enum status check_owner(int fd, const char *what, struct error *error)
{
    struct stat info;

    if (fstat(fd, &info) != 0) {
        return error_system(error, STATUS_USAGE, what, "the journal cannot be looked at");
    }
    if (info.st_uid != geteuid() || (info.st_mode & WRITABLE_BY_OTHERS) != 0) {
        return error_set(error, STATUS_USAGE, what,
                         "the journal of responses must belong to earshot, and nobody else may "
                         "write it");
    }
    return STATUS_OK;
}

static enum status open_file(struct journal *journal, const char *folder, struct error *error)
{
    if (mkdir(folder, 0700) != 0 && errno != EEXIST) {
        return error_system(error, STATUS_USAGE, folder, "the state folder cannot be made");
    }
    journal->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (journal->folder < 0) {
        return error_system(error, STATUS_USAGE, folder, "the state folder cannot be opened");
    }
    enum status status = check_owner(journal->folder, folder, error);
    for (bool settled = false; status == STATUS_OK && !settled;) {
        struct stat here;
        struct stat there;
        if (journal->fd >= 0) {
            (void)close(journal->fd);
        }
        journal->fd = openat(journal->folder, NAME,
                             O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (journal->fd < 0) {
            return error_system(error, STATUS_USAGE, folder, "its file " NAME " cannot be opened");
        }
        if (!lock(journal->fd)) {
            return error_set(error, STATUS_USAGE, folder,
                             "the journal of responses is in use by another earshot");
        }
        status = check_owner(journal->fd, folder, error);
        /* Whoever held the lock may have written it anew meanwhile. */
        settled = fstat(journal->fd, &here) == 0 &&
                  fstatat(journal->folder, NAME, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
                  here.st_ino == there.st_ino && here.st_dev == there.st_dev;
    }
    return status;
}

enum status journal_open(const char *folder, bool fresh, struct journal **out_journal,
                         struct error *error)
{
    struct journal *journal = calloc(1, sizeof *journal);

    if (journal == NULL) {
        return error_set(error, STATUS_FAILED, NAME, "no memory for the journal");
    }
    journal->folder = journal->fd = -1;
    enum status status = open_file(journal, folder, error);
    if (status == STATUS_OK && !read_slots(journal)) {
        status = error_system(error, STATUS_FAILED, folder, "the journal cannot be read");
    }
    if (status == STATUS_OK && !compact(journal, error)) {
        status = fresh ? STATUS_FAILED : STATUS_OK;
    }
    if (status != STATUS_OK) {
        journal_close(journal);
        return status;
    }
    *out_journal = journal;
    return STATUS_OK;
}

void journal_close(struct journal *journal)
{
    if (journal == NULL) {
        return;
    }
    if (journal->fd >= 0) {
        (void)close(journal->fd);
    }
    if (journal->folder >= 0) {
        (void)close(journal->folder);
    }
    free(journal);
}

bool journal_hold(struct journal *journal, const struct journal_entry *entry, struct error *error)
{
    if (journal->held_count == JOURNAL_HELD_MAX) {
        (void)error_set(error, STATUS_FAILED, NAME, "more than %d decisions hold",
                        (int)JOURNAL_HELD_MAX);
        return false;
    }
    if (!append(journal, SLOT_HOLD, entry, error)) {
        return false;
    }
    remember(journal, entry);
    return true;
}

bool journal_ending(struct journal *journal, struct hash128 id, struct error *error)
{
    uint32_t i = find(journal, id);

    if (i == journal->held_count || journal->held[i].ending != 0) {
        return true;
    }
    struct journal_entry entry = journal->held[i];
    entry.ending = 1;
    if (!append(journal, SLOT_HOLD, &entry, error)) {
        return false;
    }
    remember(journal, &entry);
    return true;
}

bool journal_end(struct journal *journal, struct hash128 id, struct error *error)
{
    struct journal_entry entry = {.id = id};

    if (find(journal, id) == journal->held_count) {
        return true;
    }
    if (!append(journal, SLOT_END, &entry, error)) {
        return false;
    }
    forget(journal, id);
    if (journal->slots - journal->held_count > SLOTS_PAST_MAX) {
        struct error ignored; /* the old file is as good */
        (void)compact(journal, &ignored);
    }
    return true;
}

const struct journal_entry *journal_held(const struct journal *journal, uint32_t *out_count)
{
    *out_count = journal->held_count;
    return journal->held;
}

uint64_t journal_rotten(const struct journal *journal)
{
    return journal->rotten;
}

uint64_t journal_left_ns(const struct journal_entry *entry, const struct journal_now *now)
{
    bool same_boot = same_id(entry->begun.boot, now->boot);
    uint64_t begun_ns = same_boot ? entry->begun.boot_ns : entry->begun.wall_ns;
    uint64_t now_ns = same_boot ? now->boot_ns : now->wall_ns;
    uint64_t passed_ns = now_ns > begun_ns ? now_ns - begun_ns : 0; /* it was set back */

    return passed_ns < entry->ttl_ns ? entry->ttl_ns - passed_ns : 0;
}
