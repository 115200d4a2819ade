/* file.c - records as lines in a file or on standard output.
 *
 * A record costs as much to write as to make, so lines are gathered in one buffer and written when
 * it is full or when the writer flushes (live at least once a second). Lines stay whole: what a
 * short write leaves stands first in the buffer next time. A reader that is slow (EAGAIN) makes the
 * output full with -r; live, as with a disk that is full or a reader that is gone, records are lost,
 * each counted, and it is said once until it works again. An eighth of the buffer is for alerts,
 * responses and the sensor's own records alone.
 *
 * Rotation: before a write would make the file larger than `rotate`, NAME becomes NAME.1, NAME.1
 * becomes NAME.2 and so on, NAME.keep goes, and NAME begins anew. Only between whole lines: no file
 * ends in the middle of one. Where that fails the lines go on into the file that is open, and it is
 * tried again with the next write. A file that somebody else moved away (logrotate) is noticed before
 * the next write: NAME is begun anew, the lines before stay where they are. Where NAME cannot be begun
 * and what is open has no name any more (its folder was removed), nothing is written: it would be
 * gone.
 *
 * A file that ends in a part of a line (a full disk, a power cut) is given its line end first: else
 * the next line would be a part of it.
 *
 * Limits: nothing is synced to the disk; nothing is compressed. */
#include "outputs/queue.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    BUFFER_BYTES = 256 << 10,
    WRITE_AT_BYTES = 192 << 10,
    LESSER_BYTES = 224 << 10, /* the rest is for what a queue keeps, too: alerts */
    LINE_BYTES_MIN = 2,
    PATH_BYTES = OPTION_TEXT_BYTES + 24
};

struct conf {
    char path[OPTION_TEXT_BYTES];
    bool append;
    uint64_t rotate_bytes;
    uint64_t keep;
};

/* clang-format off */
static const struct option options[] = {
    OPTION("path", TEXT, conf, path, NULL, "-", NULL, "file that lines are written to; - is standard output"),
    OPTION("append", BOOL, conf, append, NULL, "true", NULL, "add to a file that is there; false: begin it anew"),
    OPTION("rotate", BYTES, conf, rotate_bytes, "0", "0", "1TiB", "size at which the file becomes FILE.1 and a new one begins; 0: never"),
    OPTION("keep", COUNT, conf, keep, "1", "7", "999", "files FILE.1, FILE.2 and so on that are kept when it rotates"),
    {.kind = OPTION_END},
};
/* clang-format on */

struct file {
    const struct output_host *host;
    struct conf conf;
    int descriptor;
    bool owned; /* close() it at the end */
    bool regular; /* a file of its own that may be moved: neither a pipe nor a device */
    bool broken; /* the last write failed; said */
    bool stuck; /* the last rotation failed; said */
    int gone; /* the open file has no name any more, and this is why there is no new one; 0 = it has */
    bool ragged; /* the file ends in a part of a line that nobody goes on with */
    bool torn; /* what stands first in the buffer is the rest of a line */
    dev_t device; /* of the open file, with its number: whether NAME is still the same */
    ino_t inode;
    uint64_t size; /* of the open file */
    size_t bytes; /* in the buffer */
    uint32_t records; /* in the buffer, a part of one counts */
    uint8_t datasets[BUFFER_BYTES / LINE_BYTES_MIN]; /* of each, the oldest first */
    char buffer[BUFFER_BYTES];
};

/* Two that rotate one file would take it from each other, so it is locked; where a file system knows
 * no locks nobody can tell. False, and errno: it is not ours, or cannot be emptied. */
static bool take_file(int descriptor, bool anew)
{
    struct stat about;

    if (fstat(descriptor, &about) != 0 || !S_ISREG(about.st_mode)) {
        return true;
    }
    if (flock(descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        return false;
    }
    return !anew || ftruncate(descriptor, 0) == 0;
}

/* The file of that name, open for adding; -1 and errno. A named pipe that nobody reads would hold us
 * here until somebody does: it is refused instead (ENXIO), and so is a file of another output
 * (EWOULDBLOCK). */
static int open_path(const char *path, bool anew)
{
    int descriptor = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0640);
    int flags = descriptor < 0 ? -1 : fcntl(descriptor, F_GETFL);

    if (flags < 0) {
        return descriptor;
    }
    if (!take_file(descriptor, anew)) {
        int why = errno;
        (void)close(descriptor);
        errno = why;
        return -1;
    }
    (void)fcntl(descriptor, F_SETFL, flags & ~O_NONBLOCK);
    return descriptor;
}

/* Read through a descriptor of its own: ours only writes. */
static bool ends_within_a_line(const struct file *file)
{
    char last = '\n';
    int reader = file->size == 0 ? -1 : open(file->conf.path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (reader >= 0) {
        if (pread(reader, &last, 1, (off_t)file->size - 1) != 1) {
            last = '\n'; /* nobody knows */
        }
        (void)close(reader);
    }
    return last != '\n';
}

/* What is open from now on. */
static void take_descriptor(struct file *file, int descriptor)
{
    struct stat about = {0};

    file->descriptor = descriptor;
    file->regular = file->owned && fstat(descriptor, &about) == 0 && S_ISREG(about.st_mode);
    file->device = about.st_dev;
    file->inode = about.st_ino;
    file->size = about.st_size > 0 ? (uint64_t)about.st_size : 0;
    file->ragged = file->regular && ends_within_a_line(file);
}

static const char *why_not(void)
{
    switch (errno) {
    case ENXIO:
        return "it is a pipe that nobody reads, start its reader first";
    case EWOULDBLOCK:
        return "another output, or another earshot, writes there: name another file";
    case ENOENT:
        return "its folder is not there, make it first";
    default:
        return "the file cannot be written";
    }
}

static enum status file_open(const struct output_host *host, const void *conf_bytes,
                             void **out_instance, struct error *error)
{
    struct file *file = calloc(1, sizeof *file);

    if (file == NULL) {
        return error_set(error, STATUS_FAILED, host->name, "no memory for its buffer");
    }
    file->host = host;
    memcpy(&file->conf, conf_bytes, sizeof file->conf);
    file->owned = strcmp(file->conf.path, "-") != 0;
    int descriptor = file->owned ? open_path(file->conf.path, !file->conf.append) : STDOUT_FILENO;
    if (descriptor < 0) {
        enum status status = error_system(error, STATUS_FAILED, file->conf.path, "%s", why_not());
        free(file);
        return status;
    }
    take_descriptor(file, descriptor);
    *out_instance = file;
    return STATUS_OK;
}

/* --- rotation --- */

static void say_stuck(struct file *file, const char *what)
{
    if (!file->stuck) {
        log_line(LOG_ERROR, "output %s: %s, so %s grows on (%s)", file->host->name, what,
                 file->conf.path, strerror(errno));
    }
    file->stuck = true;
}

/* NAME becomes NAME.1; those behind it make room, the oldest goes. */
static bool move_on(const struct file *file)
{
    char from[PATH_BYTES];
    char to[PATH_BYTES];

    for (uint64_t i = file->conf.keep; i > 0; i--) {
        (void)snprintf(to, sizeof to, "%s.%" PRIu64, file->conf.path, i);
        (void)snprintf(from, sizeof from, i == 1 ? "%s" : "%s.%" PRIu64, file->conf.path, i - 1);
        if (rename(from, to) != 0 && errno != ENOENT) {
            return false;
        }
    }
    return true;
}

static void begin_anew(struct file *file)
{
    int descriptor = open_path(file->conf.path, false);
    int why = errno == EWOULDBLOCK ? EBUSY : errno; /* of another output: not a slow reader */
    struct stat about;

    if (descriptor < 0) {
        file->gone = fstat(file->descriptor, &about) == 0 && about.st_nlink == 0 ? why : 0;
        errno = why;
        if (file->gone == 0) {
            say_stuck(file, "no new file can be made");
        }
        return;
    }
    (void)close(file->descriptor);
    take_descriptor(file, descriptor);
    file->stuck = false;
    file->gone = 0;
}

/* Before a write that begins with a whole line. */
static void rotate_if_due(struct file *file)
{
    if (!file->regular || file->torn || file->conf.rotate_bytes == 0 || file->size == 0 ||
        file->bytes == 0 || file->size + file->bytes <= file->conf.rotate_bytes) {
        return;
    }
    if (move_on(file)) {
        begin_anew(file);
    } else {
        say_stuck(file, "the file cannot be renamed");
    }
}

/* Somebody may have moved the file away. */
static void look_for_file(struct file *file)
{
    struct stat about;

    if (file->regular && !file->torn &&
        (stat(file->conf.path, &about) != 0 || about.st_dev != file->device ||
         about.st_ino != file->inode)) {
        begin_anew(file);
    }
}

/* --- writing --- */

/* The first `bytes` of the buffer are out: so are the lines that end in them. */
static void written(struct file *file, size_t bytes)
{
    struct output_tally *tally = file->host->tally;
    struct slice rest = slice_of(file->buffer, bytes);
    uint32_t lines = 0;

    for (size_t end; (end = slice_find(rest, '\n')) < rest.bytes; lines++) {
        rest = slice_from(rest, end + 1);
    }
    file->torn = bytes == 0 ? file->torn : rest.bytes > 0;
    file->size += bytes;
    file->bytes -= bytes;
    file->records -= lines;
    memmove(file->buffer, file->buffer + bytes, file->bytes);
    memmove(file->datasets, file->datasets + lines, file->records);
    tally->acknowledged += lines;
    tally->waiting = file->records;
    tally->waiting_bytes = file->bytes;
}

static void say_broken(struct file *file, int failed)
{
    bool broken = failed != 0 && failed != EAGAIN;

    if (broken && !file->broken) {
        log_line(LOG_ERROR, "output %s: cannot write, records are lost (%s)", file->host->name,
                 strerror(failed));
    }
    file->broken = broken;
    file->host->tally->away = broken;
}

/* As much as goes without waiting: what is no file of ours may be a pipe that nobody reads, and a
 * pipe that says it is ready takes PIPE_BUF bytes at once. */
static ssize_t write_some(const struct file *file, const char *from, size_t bytes)
{
    if (file->regular || !file->host->live) {
        return write(file->descriptor, from, bytes);
    }
    struct pollfd ready = {.fd = file->descriptor, .events = POLLOUT};
    if (poll(&ready, 1, 0) == 0) {
        errno = EAGAIN;
        return -1;
    }
    return write(file->descriptor, from, bytes < PIPE_BUF ? bytes : PIPE_BUF);
}

static int end_ragged_line(struct file *file)
{
    ssize_t bytes = file->ragged && file->bytes > 0 ? write(file->descriptor, "\n", 1) : 0;

    file->ragged = file->ragged && bytes != 1;
    file->size += bytes == 1;
    return bytes < 0 ? errno : 0;
}

/* Writes what it can. 0, or the errno that stopped it; what is left stays, from the front. */
static int write_out(struct file *file)
{
    size_t done = 0;

    look_for_file(file);
    int failed = file->gone != 0 ? file->gone : end_ragged_line(file);
    if (failed != 0) {
        say_broken(file, failed);
        return failed;
    }
    rotate_if_due(file);
    while (done < file->bytes && failed == 0) {
        ssize_t bytes = write_some(file, file->buffer + done, file->bytes - done);
        if (bytes >= 0) {
            done += (size_t)bytes;
        } else if (errno != EINTR) {
            failed = errno;
        }
    }
    written(file, done);
    say_broken(file, failed);
    return failed;
}

static enum output_result file_send(void *instance, const struct record *record,
                                    struct slice encoded)
{
    struct file *file = instance;
    struct output_tally *tally = file->host->tally;
    size_t bytes = encoded.bytes + 1;
    size_t room = queue_keeps(record->dataset) ? BUFFER_BYTES : LESSER_BYTES;

    assert(bytes >= LINE_BYTES_MIN);
    if (file->bytes + bytes > room || file->bytes >= WRITE_AT_BYTES) {
        int failed = write_out(file);
        if (file->bytes + bytes > room) {
            if (failed == EAGAIN && !file->host->live) {
                return OUTPUT_FULL;
            }
            tally->accepted++;
            tally->dropped[record->dataset]++;
            return OUTPUT_ACCEPTED;
        }
    }
    memcpy(file->buffer + file->bytes, encoded.at, encoded.bytes);
    file->buffer[file->bytes + encoded.bytes] = '\n';
    file->bytes += bytes;
    file->datasets[file->records++] = (uint8_t)record->dataset;
    tally->accepted++;
    tally->waiting = file->records;
    tally->waiting_bytes = file->bytes;
    return OUTPUT_ACCEPTED;
}

static void file_flush(void *instance)
{
    (void)write_out(instance);
}

static void file_poll(void *instance)
{
    struct file *file = instance;

    if (file->bytes >= WRITE_AT_BYTES) {
        (void)write_out(file);
    }
}

static void file_close(void *instance)
{
    struct file *file = instance;
    struct output_tally *tally = file->host->tally;

    (void)write_out(file);
    for (uint32_t i = 0; i < file->records; i++) {
        tally->dropped[file->datasets[i]]++;
    }
    tally->waiting = 0;
    if (file->owned) {
        (void)close(file->descriptor);
    }
    free(file);
}

extern const struct output output_file;
const struct output output_file = {
    .type = "file",
    .title = "lines of JSON in a file or on standard output",
    .conf_bytes = sizeof(struct conf),
    .formats = 1U << OUTPUT_JSON | 1U << OUTPUT_CEF,
    .options = options,
    .open = file_open,
    .send = file_send,
    .poll = file_poll,
    .flush = file_flush,
    .close = file_close,
};
