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
    const struct output_host *host;
    int descriptor;
    bool owned; /* close() it at the end */
    bool broken; /* the last write failed; said */
    uint64_t waiting[DATASET_COUNT]; /* records in the buffer, a part of one counts */
    size_t bytes; /* in the buffer */
    char buffer[BUFFER_BYTES];
};

static enum status file_open(const struct output_host *host, const void *conf_bytes,
                             void **out_instance, struct error *error)
{
    const struct conf *conf = conf_bytes;
    struct file *file = calloc(1, sizeof *file);

    if (file == NULL) {
        return error_set(error, STATUS_FAILED, host->name, "no memory for its buffer");
    }
    file->host = host;
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

static void all_written(struct file *file)
{
    struct output_tally *tally = file->host->tally;

    tally->acknowledged += tally->waiting;
    tally->waiting = 0;
    memset(file->waiting, 0, sizeof file->waiting);
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
    file->host->tally->waiting_bytes = file->bytes;
    if (file->bytes == 0) {
        all_written(file);
    }
    say_broken(file, failed);
    return failed;
}

static enum output_result file_send(void *instance, const struct record *record,
                                    struct slice encoded)
{
    struct file *file = instance;
    struct output_tally *tally = file->host->tally;
    size_t bytes = encoded.bytes + 1;

    if (file->bytes + bytes > BUFFER_BYTES || file->bytes >= WRITE_AT_BYTES) {
        int failed = write_out(file);
        if (file->bytes + bytes > BUFFER_BYTES) {
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
    file->waiting[record->dataset]++;
    tally->accepted++;
    tally->waiting++;
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

    if (write_out(file) != 0) {
        for (size_t i = 0; i < DATASET_COUNT; i++) {
            tally->dropped[i] += file->waiting[i];
        }
        tally->waiting = 0;
    }
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
