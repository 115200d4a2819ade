/* snapshot.c - files, generations, the writing thread.
 *
 *      analyst   IDLE --60 s--> WANTED           READY --> BUILDING --last part--> FULL --.
 *      writer      ^              '-- touches it --^                                       |
 *                  '------------------- seals, writes, renames, gives pages back ----------'
 *
 * The image belongs to the writer while it is WANTED or FULL, else to the analyst. The writer touches
 * as much of it as the last image took and a quarter more: else the analyst would wait for each page
 * (144 ms for 53 MiB, against 12 ms). It is written to state.new, brought to the
 * disk, and only then renamed: a sensor that is killed in the middle leaves both generations as they
 * were; one that is killed between the two renames leaves the older one, which is then taken. */
#include "sensor/run/snapshot.h"

#include "base/log.h"
#include "base/ring.h"
#include "sensor/run/image.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_NEWEST "state"
#define NAME_OLDER "state.1"
#define NAME_NEW "state.new"
#define NAME_KEY "key"
#define NAME_KEY_NEW "key.new"

enum { KEY_DIGITS = 16, FILE_MODE = 0600, FOLDER_MODE = 0700, WRITABLE_BY_OTHERS = 022 };
/* No table of ours makes more than this; a file that is larger is none of ours. */
#define FILE_BYTES_MAX ((uint64_t)8 << 30)

enum { IDLE, WANTED, READY, BUILDING, FULL, LEAVING };

struct snapshot {
    char folder[512];
    int fd; /* of the folder; locked */
    struct hash_key key;
    bool live;
    struct region region; /* the image's memory */
    struct image image;
    void *kept; /* what the last run left, until it is taken up; NULL = nothing */
    size_t kept_bytes;
    bool taken_up;
    bool to_finish; /* the last image waits for snapshot_finish() */
    uint32_t next_part;
    uint64_t begun_ns; /* state time of the image that is built, or was last */
    uint64_t changes_begun;
    size_t bytes_expected; /* of the next image */
    _Atomic uint32_t turn;
    struct bell writer_bell;
    struct bell analyst_bell;
    pthread_t thread;
    bool has_thread;
};

/* --- the folder --- */

/* Whoever can write here can make us believe anything, and whoever reads the key can aim at our
 * tables. */
static enum status check_folder(const char *folder, int fd, struct error *error)
{
    struct stat info;

    if (fstat(fd, &info) != 0) {
        return error_system(error, STATUS_USAGE, folder, "the state folder cannot be looked at");
    }
    if (info.st_uid != geteuid()) {
        return error_set(error, STATUS_USAGE, folder,
                         "the state folder belongs to another user: give earshot one of its own");
    }
    if ((info.st_mode & WRITABLE_BY_OTHERS) != 0) {
        return error_set(error, STATUS_USAGE, folder,
                         "others may write into the state folder: chmod 0700 it");
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        return error_system(error, STATUS_USAGE, folder,
                            "the state folder is in use by another earshot");
    }
    return STATUS_OK;
}

static enum status open_folder(const char *folder, int *out_fd, struct error *error)
{
    if (mkdir(folder, FOLDER_MODE) != 0 && errno != EEXIST) {
        return error_system(error, STATUS_USAGE, folder, "the state folder cannot be made");
    }
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return error_system(error, STATUS_USAGE, folder, "the state folder cannot be opened");
    }
    enum status status = check_folder(folder, fd, error);
    if (status != STATUS_OK) {
        (void)close(fd);
        return status;
    }
    *out_fd = fd;
    return STATUS_OK;
}

bool snapshot_folder_is_there(void)
{
    return access(SNAPSHOT_FOLDER, R_OK | W_OK | X_OK) == 0;
}

/* --- files --- */

static bool write_all(int fd, const uint8_t *at, size_t bytes)
{
    while (bytes > 0) {
        ssize_t written = write(fd, at, bytes < (size_t)1 << 26 ? bytes : (size_t)1 << 26);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            errno = written == 0 ? ENOSPC : errno;
            return false;
        }
        at += written;
        bytes -= (size_t)written;
    }
    return true;
}

/* The bytes under a new name, on the disk. errno says why not. */
static bool write_file(int folder, const char *name, const void *at, size_t bytes)
{
    (void)unlinkat(folder, name, 0);
    int fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
    if (fd < 0) {
        return false;
    }
    bool good = write_all(fd, at, bytes) && fsync(fd) == 0;
    int reason = errno;
    if (close(fd) != 0 && good) {
        good = false;
        reason = errno;
    }
    if (!good) {
        (void)unlinkat(folder, name, 0);
        errno = reason;
    }
    return good;
}

/* NULL: *out_fault says why, or is NULL where there is no such file. */
static void *read_file(int folder, const char *name, size_t *out_bytes, const char **out_fault)
{
    struct stat info;
    size_t bytes = 0;
    void *at = NULL;
    int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    *out_fault = fd < 0 && errno == ENOENT ? NULL : "it cannot be read";
    if (fd < 0) {
        return NULL;
    }
    if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && (uint64_t)info.st_size < FILE_BYTES_MAX) {
        at = malloc((size_t)info.st_size + 1);
    }
    while (at != NULL && bytes < (size_t)info.st_size) {
        ssize_t got = read(fd, (uint8_t *)at + bytes, (size_t)info.st_size - bytes);
        if (got <= 0) {
            free(at);
            at = NULL;
        } else {
            bytes += (size_t)got;
        }
    }
    (void)close(fd);
    *out_bytes = bytes;
    return at;
}

/* --- the key --- */

/* False: there is none, or it says nothing. */
static bool read_key(struct snapshot *snapshot)
{
    const char *fault;
    size_t bytes = 0;
    uint32_t halves[2];
    char *text = read_file(snapshot->fd, NAME_KEY, &bytes, &fault);
    bool good = text != NULL && bytes >= KEY_DIGITS &&
                slice_hex32(slice_of(text, KEY_DIGITS / 2), &halves[0]) &&
                slice_hex32(slice_of(text + KEY_DIGITS / 2, KEY_DIGITS / 2), &halves[1]);

    if (good) {
        snapshot->key.seed = (uint64_t)halves[0] << 32 | halves[1];
    } else if (text != NULL || fault != NULL) {
        log_line(LOG_WARN,
                 "%s/" NAME_KEY " holds no key that can be read: what was kept under it "
                 "is lost",
                 snapshot->folder);
    }
    free(text);
    return good;
}

static enum status draw_key(struct snapshot *snapshot, struct error *error)
{
    char text[KEY_DIGITS + 2];

    if (getrandom(&snapshot->key.seed, sizeof snapshot->key.seed, 0) != sizeof snapshot->key.seed) {
        return error_system(error, STATUS_FAILED, "", "no random key can be drawn");
    }
    (void)snprintf(text, sizeof text, "%016" PRIx64 "\n", snapshot->key.seed);
    if (!write_file(snapshot->fd, NAME_KEY_NEW, text, KEY_DIGITS + 1) ||
        renameat(snapshot->fd, NAME_KEY_NEW, snapshot->fd, NAME_KEY) != 0) {
        return error_system(error, STATUS_FAILED, snapshot->folder,
                            "the key cannot be written into the state folder");
    }
    return STATUS_OK;
}

static enum status choose_key(struct snapshot *snapshot, const struct snapshot_options *options,
                              struct error *error)
{
    snapshot->key = options->key;
    if (options->has_secret || read_key(snapshot) || !options->live) {
        return STATUS_OK;
    }
    return draw_key(snapshot, error);
}

/* --- what the last run left --- */

/* Out of the way, for whoever wants to look at it; the last of them is overwritten. */
static void set_aside(const struct snapshot *snapshot, const char *name, const char *fault)
{
    char aside[32];
    struct stat info;

    for (unsigned n = 1; n <= SNAPSHOT_CORRUPT_MAX; n++) {
        (void)snprintf(aside, sizeof aside, NAME_NEWEST ".corrupt-%u", n);
        if (fstatat(snapshot->fd, aside, &info, AT_SYMLINK_NOFOLLOW) != 0) {
            break;
        }
    }
    bool moved = renameat(snapshot->fd, name, snapshot->fd, aside) == 0;
    log_line(LOG_WARN, "%s/%s is not used, because %s; %s %s", snapshot->folder, name, fault,
             moved ? "it is now" : "it could not be renamed to", aside);
}

static bool keep_file(struct snapshot *snapshot, const char *name)
{
    const char *fault;
    size_t bytes = 0;
    void *at = read_file(snapshot->fd, name, &bytes, &fault);

    if (at != NULL) {
        fault = image_fault(at, bytes, snapshot->key);
    }
    if (fault != NULL) {
        set_aside(snapshot, name, fault);
    }
    if (at == NULL || fault != NULL) {
        free(at);
        return false;
    }
    snapshot->kept = at;
    snapshot->kept_bytes = bytes;
    snapshot->bytes_expected = bytes + bytes / 4;
    return true;
}

static void read_generations(struct snapshot *snapshot)
{
    struct stat info;
    bool none = fstatat(snapshot->fd, NAME_NEWEST, &info, AT_SYMLINK_NOFOLLOW) != 0 &&
                fstatat(snapshot->fd, NAME_OLDER, &info, AT_SYMLINK_NOFOLLOW) != 0;

    (void)unlinkat(snapshot->fd, NAME_NEW, 0); /* of a run that was killed */
    if (none || keep_file(snapshot, NAME_NEWEST)) {
        return;
    }
    if (keep_file(snapshot, NAME_OLDER)) {
        log_line(LOG_WARN, "%s/" NAME_OLDER " is taken: the newest snapshot cannot be used",
                 snapshot->folder);
    } else {
        log_line(LOG_WARN, "%s holds no snapshot that can be used: the run begins with nothing",
                 snapshot->folder);
    }
}

/* --- writing --- */

static enum status write_image(struct snapshot *snapshot, struct error *error)
{
    int fd = snapshot->fd;

    if (snapshot->image.overflow) {
        log_line(LOG_ERROR, "a part of the state is larger than its bound and is not saved");
    }
    image_seal(&snapshot->image, snapshot->key);
    snapshot->bytes_expected = snapshot->image.bytes + snapshot->image.bytes / 4;
    bool good = write_file(fd, NAME_NEW, snapshot->image.at, snapshot->image.bytes) &&
                (renameat(fd, NAME_NEWEST, fd, NAME_OLDER) == 0 || errno == ENOENT) &&
                renameat(fd, NAME_NEW, fd, NAME_NEWEST) == 0 && fsync(fd) == 0;
    int reason = errno;
    (void)madvise(snapshot->region.at, snapshot->region.bytes, MADV_DONTNEED);
    if (!good) {
        errno = reason;
        return error_system(error, STATUS_FAILED, snapshot->folder,
                            "the state cannot be saved, the snapshot before stays");
    }
    return STATUS_OK;
}

static void touch_pages(const struct snapshot *snapshot)
{
    volatile uint8_t *at = snapshot->region.at;
    const size_t page = 4096;

    for (size_t i = 0; i < snapshot->bytes_expected && i < snapshot->region.bytes; i += page) {
        at[i] = 0;
    }
}

static void *writer_thread(void *owner)
{
    struct snapshot *snapshot = owner;

    for (;;) {
        uint32_t heard = bell_listen(&snapshot->writer_bell);
        uint32_t turn = atomic_load_explicit(&snapshot->turn, memory_order_acquire);
        if (turn == LEAVING) {
            return NULL;
        }
        if (turn == WANTED) {
            touch_pages(snapshot);
            atomic_store_explicit(&snapshot->turn, READY, memory_order_release);
            bell_ring(&snapshot->analyst_bell);
            continue;
        }
        if (turn != FULL) {
            bell_wait(&snapshot->writer_bell, heard, 0);
            continue;
        }
        struct error error = {0};
        if (write_image(snapshot, &error) != STATUS_OK) {
            log_error_struct(&error);
        }
        atomic_store_explicit(&snapshot->turn, IDLE, memory_order_release);
        bell_ring(&snapshot->analyst_bell);
    }
}

static bool is_with_writer(uint32_t turn)
{
    return turn == WANTED || turn == FULL;
}

/* Waits until what the writer is at has been done. */
static void take_back(struct snapshot *snapshot)
{
    for (;;) {
        uint32_t heard = bell_listen(&snapshot->analyst_bell);
        if (!is_with_writer(atomic_load_explicit(&snapshot->turn, memory_order_acquire))) {
            return;
        }
        bell_wait(&snapshot->analyst_bell, heard, NS_PER_S);
    }
}

static void begin(struct snapshot *snapshot, uint64_t now_ns)
{
    image_begin(&snapshot->image, snapshot->region.at, snapshot->region.bytes, now_ns);
    snapshot->next_part = 0;
    snapshot->begun_ns = now_ns;
}

void snapshot_mark(struct snapshot *snapshot, const struct snapshot_part *parts, uint32_t count,
                   uint64_t now_ns, uint64_t changes)
{
    uint32_t turn = atomic_load_explicit(&snapshot->turn, memory_order_acquire);

    if (!snapshot->has_thread || !snapshot->taken_up || is_with_writer(turn)) {
        return;
    }
    if (turn == IDLE) {
        if (time_since(now_ns, snapshot->begun_ns) < SNAPSHOT_EVERY_NS ||
            changes == snapshot->changes_begun) {
            return;
        }
        snapshot->changes_begun = changes;
        snapshot->begun_ns = now_ns;
        atomic_store_explicit(&snapshot->turn, WANTED, memory_order_release);
        bell_ring(&snapshot->writer_bell);
        return;
    }
    if (turn == READY) {
        begin(snapshot, now_ns);
        atomic_store_explicit(&snapshot->turn, BUILDING, memory_order_relaxed);
    }
    image_add(&snapshot->image, &parts[snapshot->next_part++]);
    if (snapshot->next_part == count) {
        atomic_store_explicit(&snapshot->turn, FULL, memory_order_release);
        bell_ring(&snapshot->writer_bell);
    }
}

void snapshot_end(struct snapshot *snapshot, const struct snapshot_part *parts, uint32_t count,
                  uint64_t now_ns)
{
    if (!snapshot->taken_up) {
        return; /* not one packet came: what was kept is still the truth */
    }
    take_back(snapshot);
    begin(snapshot, now_ns);
    for (uint32_t i = 0; i < count; i++) {
        image_add(&snapshot->image, &parts[i]);
    }
    snapshot->to_finish = true;
}

enum status snapshot_finish(struct snapshot *snapshot, struct error *error)
{
    if (!snapshot->to_finish) {
        return STATUS_OK;
    }
    snapshot->to_finish = false;
    return write_image(snapshot, error);
}

/* --- taking up --- */

static void tell(void *owner, const struct image_told *told)
{
    const struct snapshot *snapshot = owner;
    static const char *const why[] = {
        [IMAGE_UNKNOWN] = "this version or configuration keeps nothing of that name",
        [IMAGE_OTHER] = "it was written by another version, or for tables of another size",
        [IMAGE_BROKEN] = "it ends too early",
    };

    if (told->outcome != IMAGE_TAKEN) {
        log_line(LOG_WARN, "%s: the section '%.*s' is left out, because %s", snapshot->folder,
                 (int)told->name.bytes, told->name.at, why[told->outcome]);
    }
    if (told->future > 0) {
        log_line(LOG_WARN,
                 "%s: %" PRIu64 " entries of '%.*s' come from after the first packet of this run "
                 "(a clock that was set back, or an older capture)",
                 snapshot->folder, told->future, (int)told->name.bytes, told->name.at);
    }
}

void snapshot_take_up(struct snapshot *snapshot, const struct snapshot_part *parts, uint32_t count,
                      uint64_t now_ns)
{
    snapshot->taken_up = true;
    snapshot->begun_ns = now_ns;
    if (snapshot->kept == NULL) {
        return;
    }
    image_load(snapshot->kept, snapshot->kept_bytes, parts, count, now_ns, tell, snapshot);
    free(snapshot->kept);
    snapshot->kept = NULL;
}

/* --- open and close --- */

struct hash_key snapshot_key(const struct snapshot *snapshot)
{
    return snapshot->key;
}

size_t snapshot_bytes_max(size_t parts_bytes)
{
    return sizeof(struct snapshot) + image_bytes_max(parts_bytes);
}

static enum status start_thread(struct snapshot *snapshot, struct error *error)
{
    int failed = pthread_create(&snapshot->thread, NULL, writer_thread, snapshot);

    if (failed != 0) {
        return error_set(error, STATUS_FAILED, "", "a thread cannot be started (%s)",
                         strerror(failed));
    }
    snapshot->has_thread = true;
    return STATUS_OK;
}

enum status snapshot_open(const struct snapshot_options *options, struct snapshot **out_snapshot,
                          struct error *error)
{
    struct snapshot *snapshot = calloc(1, sizeof *snapshot);

    if (snapshot == NULL) {
        return error_system(error, STATUS_FAILED, "memory", "cannot make room for the state");
    }
    snapshot->fd = -1;
    snapshot->live = options->live;
    (void)snprintf(snapshot->folder, sizeof snapshot->folder, "%s", options->folder);
    enum status status = open_folder(options->folder, &snapshot->fd, error);
    if (status == STATUS_OK) {
        status = choose_key(snapshot, options, error);
    }
    if (status == STATUS_OK) {
        status = region_open(image_bytes_max(options->bytes_max), &snapshot->region, error);
    }
    if (status == STATUS_OK) {
        read_generations(snapshot);
        status = options->live ? start_thread(snapshot, error) : STATUS_OK;
    }
    if (status != STATUS_OK) {
        snapshot_close(snapshot);
        return status;
    }
    *out_snapshot = snapshot;
    return STATUS_OK;
}

void snapshot_close(struct snapshot *snapshot)
{
    if (snapshot == NULL) {
        return;
    }
    if (snapshot->has_thread) {
        take_back(snapshot);
        atomic_store_explicit(&snapshot->turn, LEAVING, memory_order_release);
        bell_ring(&snapshot->writer_bell);
        (void)pthread_join(snapshot->thread, NULL);
    }
    free(snapshot->kept);
    region_close(&snapshot->region);
    if (snapshot->fd >= 0) {
        (void)close(snapshot->fd);
    }
    free(snapshot);
}
