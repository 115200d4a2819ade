/* file.c - records as lines in a file or on standard output.
 *
 * A record costs as much to write as to make, so lines are gathered in one buffer and written when
 * it is full or when the writer flushes (live at least once a second). Lines stay whole: what a
 * short write leaves stands first in the buffer next time. A reader that is slow (EAGAIN) makes the
 * output FULL, and the writer comes again; a disk that is full or a reader that is gone makes it
 * lose records, each counted by the writer, and said once until it works again.
 *
 * Limits: no rotation; a file that was moved away is written on until the next start. Nothing is
 * synced to the disk. */
#include "outputs/output.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

enum { BUFFER_BYTES = 256 << 10, WRITE_AT_BYTES = 192 << 10 };

struct conf {
    char path[OPTION_TEXT_BYTES];
    bool append;
};

/* clang-format off */
static const struct option options[] = {
    OPTION("path", TEXT, conf, path, NULL, "-", NULL, "file that lines are written to; - is standard output"),
    OPTION("append", BOOL, conf, append, NULL, "true", NULL, "add to a file that is there; false: begin it anew"),
    {.kind = OPTION_END},
};
/* clang-format on */

struct file {
    char name[OPTION_TEXT_BYTES]; /* of the output, for messages */
    int descriptor;
    bool owned; /* close() it at the end */
    bool broken; /* the last write failed; said */
    uint64_t waiting; /* records in the buffer, a part of one counts */
    uint64_t written; /* since the last poll() */
    size_t bytes; /* in the buffer */
    char buffer[BUFFER_BYTES];
};

static enum status file_open(const char *name, const void *conf_bytes, void **out_instance,
                             struct error *error)
{
    const struct conf *conf = conf_bytes;
    struct file *file = calloc(1, sizeof *file);

    if (file == NULL) {
        return error_set(error, STATUS_FAILED, name, "no memory for its buffer");
    }
    memcpy(file->name, name, strnlen(name, sizeof file->name - 1));
    if (strcmp(conf->path, "-") == 0) {
        file->descriptor = STDOUT_FILENO;
    } else {
        file->descriptor =
            open(conf->path,
                 O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | (conf->append ? 0 : O_TRUNC), 0640);
        file->owned = true;
    }
    if (file->descriptor < 0) {
        enum status status =
            error_system(error, STATUS_FAILED, conf->path, "the file cannot be written");
        free(file);
        return status;
    }
    *out_instance = file;
    return STATUS_OK;
}

/* Writes what it can. 0, or the errno that stopped it; what is left stays, from the front. */
static int write_out(struct file *file)
{
    size_t done = 0;
    int failed = 0;

    while (done < file->bytes && failed == 0) {
        ssize_t bytes = write(file->descriptor, file->buffer + done, file->bytes - done);
        if (bytes >= 0) {
            done += (size_t)bytes;
        } else if (errno != EINTR) {
            failed = errno;
        }
    }
    memmove(file->buffer, file->buffer + done, file->bytes - done);
    file->bytes -= done;
    if (file->bytes == 0) {
        file->written += file->waiting;
        file->waiting = 0;
    }
    if (failed != 0 && failed != EAGAIN && !file->broken) {
        log_line(LOG_ERROR, "output %s: cannot write, records are lost (%s)", file->name,
                 strerror(failed));
    }
    file->broken = failed != 0 && failed != EAGAIN;
    return failed;
}

static enum output_result file_send(void *instance, const struct record *record,
                                    struct slice encoded)
{
    struct file *file = instance;
    size_t bytes = encoded.bytes + 1;

    (void)record;
    if (file->bytes + bytes > BUFFER_BYTES || file->bytes >= WRITE_AT_BYTES) {
        int failed = write_out(file);
        if (file->bytes + bytes > BUFFER_BYTES) {
            return failed == EAGAIN ? OUTPUT_FULL : OUTPUT_LOST;
        }
    }
    memcpy(file->buffer + file->bytes, encoded.at, encoded.bytes);
    file->buffer[file->bytes + encoded.bytes] = '\n';
    file->bytes += bytes;
    file->waiting++;
    return OUTPUT_ACCEPTED;
}

/* Waits up to the deadline for a reader that is slow. */
static enum status file_flush(void *instance, uint64_t timeout_ns, struct error *error)
{
    struct file *file = instance;
    uint64_t left_ms = timeout_ns / NS_PER_MS;
    int failed;

    while ((failed = write_out(file)) == EAGAIN && left_ms > 0) {
        uint64_t step_ms = left_ms < 100 ? left_ms : 100;
        struct pollfd ready = {.fd = file->descriptor, .events = POLLOUT};
        (void)poll(&ready, 1, (int)step_ms); /* an early wake-up only shortens the deadline */
        left_ms -= step_ms;
    }
    errno = failed;
    return failed == 0 ? STATUS_OK
                       : error_system(error, STATUS_FAILED, file->name,
                                      "%" PRIu64 " records could not be written", file->waiting);
}

static enum status file_poll(void *instance, uint64_t *out_acknowledged, struct error *error)
{
    struct file *file = instance;

    (void)error; /* failures are told by send and flush */
    if (file->bytes >= WRITE_AT_BYTES) {
        (void)write_out(file);
    }
    *out_acknowledged = file->written;
    file->written = 0;
    return STATUS_OK;
}

static void file_close(void *instance)
{
    struct file *file = instance;

    if (file != NULL) {
        (void)write_out(file);
        if (file->owned) {
            (void)close(file->descriptor);
        }
        free(file);
    }
}

extern const struct output output_file;
const struct output output_file = {
    .type = "file",
    .title = "lines of JSON in a file or on standard output",
    .conf_bytes = sizeof(struct conf),
    .options = options,
    .open = file_open,
    .send = file_send,
    .poll = file_poll,
    .flush = file_flush,
    .close = file_close,
};
