/* report_list.c - external merge sort over temporary files without a name.
 *
 *   add --> file --chunks of 4 MiB, each sorted--> runs --32 at a time merged--> ... --> one run
 *
 * A capture of a week holds more calls than a report may hold in memory, and the report must join
 * what belongs together (a Call-ID used again, a stream seen on two VLANs) and stand in the order
 * of first packets. Both are sorts of one list. Small lists are one chunk: one read, one sort, one
 * write. */
#include "outputs/report_list.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

struct run {
    uint64_t from;
    uint64_t to;
};

struct reader {
    int descriptor;
    uint64_t at; /* in the file */
    uint64_t end;
    size_t used; /* in the buffer */
    size_t filled;
    uint8_t *buffer;
};

struct writer {
    int descriptor;
    int failed; /* errno of the first write that failed */
    uint64_t bytes;
    size_t used;
    uint8_t *buffer;
};

struct report_list {
    uint64_t count;
    uint64_t left_out;
    uint64_t bytes_max;
    struct writer writer;
    struct reader reader;
};

static int temporary_file(void)
{
    const char *folder = getenv("TMPDIR");
    char path[4096];

    if (folder == NULL || folder[0] == 0) {
        folder = "/tmp";
    }
    int descriptor = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (descriptor < 0) {
        struct text text = text_into(path, sizeof path);
        text_string(&text, folder);
        text_string(&text, "/earshot-XXXXXX");
        descriptor = mkostemp(path, text_terminate(&text) == path ? O_CLOEXEC : 0);
        if (descriptor >= 0) {
            (void)unlink(path);
        }
    }
    return descriptor;
}

static enum status writer_open(struct writer *writer, struct error *error)
{
    writer->buffer = malloc(LIST_BUFFER_BYTES);
    writer->descriptor = temporary_file();
    writer->failed = 0;
    writer->bytes = 0;
    writer->used = 0;
    if (writer->buffer == NULL) {
        return error_set(error, STATUS_FAILED, "report", "no memory for its lists");
    }
    if (writer->descriptor < 0) {
        return error_system(
            error, STATUS_FAILED, "report",
            "no temporary file for its lists; set TMPDIR to a folder that can be written");
    }
    return STATUS_OK;
}

static void writer_close(struct writer *writer)
{
    if (writer->descriptor >= 0) {
        (void)close(writer->descriptor);
    }
    free(writer->buffer);
    writer->descriptor = -1;
    writer->buffer = NULL;
}

static void writer_flush(struct writer *writer)
{
    size_t done = 0;

    while (done < writer->used && writer->failed == 0) {
        ssize_t bytes = write(writer->descriptor, writer->buffer + done, writer->used - done);
        if (bytes >= 0) {
            done += (size_t)bytes;
        } else if (errno != EINTR) {
            writer->failed = errno;
        }
    }
    writer->used = 0;
}

static void writer_put(struct writer *writer, const struct list_entry *entry)
{
    if (writer->used + entry->bytes > LIST_BUFFER_BYTES) {
        writer_flush(writer);
    }
    memcpy(writer->buffer + writer->used, entry, entry->bytes);
    writer->used += entry->bytes;
    writer->bytes += entry->bytes;
}

static void reader_start(struct reader *reader, int descriptor, struct run run)
{
    reader->descriptor = descriptor;
    reader->at = run.from;
    reader->end = run.to;
    reader->used = 0;
    reader->filled = 0;
}

/* Moves what is left to the front and fills up. */
static void reader_fill(struct reader *reader)
{
    size_t left = reader->filled - reader->used;

    memmove(reader->buffer, reader->buffer + reader->used, left);
    reader->used = 0;
    reader->filled = left;
    while (reader->at < reader->end && reader->filled < LIST_BUFFER_BYTES) {
        size_t want = LIST_BUFFER_BYTES - reader->filled;
        want = want < reader->end - reader->at ? want : (size_t)(reader->end - reader->at);
        ssize_t bytes =
            pread(reader->descriptor, reader->buffer + reader->filled, want, (off_t)reader->at);
        if (bytes > 0) {
            reader->filled += (size_t)bytes;
            reader->at += (uint64_t)bytes;
        } else if (bytes == 0 || errno != EINTR) {
            reader->end = reader->at; /* our own file was taken from us: what is there is told */
        }
    }
}

/* The entry at the front, NULL at the end. */
static const struct list_entry *reader_peek(struct reader *reader)
{
    if (reader->filled - reader->used < LIST_ENTRY_MAX && reader->at < reader->end) {
        reader_fill(reader);
    }
    if (reader->filled - reader->used < sizeof(struct list_entry)) {
        return NULL;
    }
    const struct list_entry *entry = (const void *)(reader->buffer + reader->used);
    return entry->bytes <= reader->filled - reader->used ? entry : NULL;
}

static void reader_step(struct reader *reader, const struct list_entry *entry)
{
    reader->used += entry->bytes;
}

/* --- sorting --- */

static int compare_u64(uint64_t one, uint64_t other)
{
    return (one > other) - (one < other);
}

static int by_order(const struct list_entry *one, const struct list_entry *other)
{
    int order = compare_u64(one->order, other->order);

    return order != 0 ? order : compare_u64(one->serial, other->serial);
}

static int by_key(const struct list_entry *one, const struct list_entry *other)
{
    int order = compare_u64(one->key.high, other->key.high);

    order = order != 0 ? order : compare_u64(one->key.low, other->key.low);
    return order != 0 ? order : compare_u64(one->serial, other->serial);
}

static int pointer_by_order(const void *one, const void *other)
{
    return by_order(*(const struct list_entry *const *)one,
                    *(const struct list_entry *const *)other);
}

static int pointer_by_key(const void *one, const void *other)
{
    return by_key(*(const struct list_entry *const *)one, *(const struct list_entry *const *)other);
}

struct sorter {
    enum list_order order;
    struct run *runs;
    size_t run_count;
    size_t run_room;
    uint8_t *chunk;
    const struct list_entry **pointers;
    struct reader readers[LIST_FAN_IN];
};

static void sorter_close(struct sorter *sorter)
{
    for (size_t i = 0; i < LIST_FAN_IN; i++) {
        free(sorter->readers[i].buffer);
    }
    free(sorter->runs);
    free(sorter->chunk);
    free(sorter->pointers);
}

static bool sorter_open(struct sorter *sorter, uint64_t bytes, enum list_order order)
{
    memset(sorter, 0, sizeof *sorter);
    sorter->order = order;
    sorter->run_room = (size_t)(bytes / (LIST_CHUNK_BYTES - LIST_ENTRY_MAX)) + 2;
    sorter->runs = malloc(sorter->run_room * sizeof *sorter->runs);
    sorter->chunk = malloc(LIST_CHUNK_BYTES);
    sorter->pointers =
        malloc(LIST_CHUNK_BYTES / sizeof(struct list_entry) * sizeof *sorter->pointers);
    bool ok = sorter->runs != NULL && sorter->chunk != NULL && sorter->pointers != NULL;
    for (size_t i = 0; i < LIST_FAN_IN && ok && i < sorter->run_room; i++) {
        sorter->readers[i].buffer = malloc(LIST_BUFFER_BYTES);
        ok = sorter->readers[i].buffer != NULL;
    }
    return ok;
}

/* One sorted run from as many entries as a chunk holds. */
static void sort_chunk(struct sorter *sorter, struct reader *from, struct writer *to)
{
    const struct list_entry *entry;
    size_t used = 0;
    size_t count = 0;

    while ((entry = reader_peek(from)) != NULL && used + entry->bytes <= LIST_CHUNK_BYTES) {
        memcpy(sorter->chunk + used, entry, entry->bytes);
        sorter->pointers[count++] = (const void *)(sorter->chunk + used);
        used += entry->bytes;
        reader_step(from, entry);
    }
    qsort(sorter->pointers, count, sizeof *sorter->pointers,
          sorter->order == LIST_BY_KEY ? pointer_by_key : pointer_by_order);
    assert(sorter->run_count < sorter->run_room);
    sorter->runs[sorter->run_count++] = (struct run){.from = to->bytes, .to = to->bytes + used};
    for (size_t i = 0; i < count; i++) {
        writer_put(to, sorter->pointers[i]);
    }
}

/* Merges `count` runs of `descriptor` into one at the end of `to`. */
static struct run merge_runs(struct sorter *sorter, int descriptor, const struct run *runs,
                             size_t count, struct writer *to)
{
    struct run merged = {.from = to->bytes};

    for (size_t i = 0; i < count; i++) {
        reader_start(&sorter->readers[i], descriptor, runs[i]);
    }
    for (;;) {
        const struct list_entry *best = NULL;
        size_t best_reader = 0;
        for (size_t i = 0; i < count; i++) {
            const struct list_entry *entry = reader_peek(&sorter->readers[i]);
            if (entry != NULL &&
                (best == NULL || (sorter->order == LIST_BY_KEY ? by_key(entry, best)
                                                               : by_order(entry, best)) < 0)) {
                best = entry;
                best_reader = i;
            }
        }
        if (best == NULL) {
            break;
        }
        writer_put(to, best);
        reader_step(&sorter->readers[best_reader], best);
    }
    merged.to = to->bytes;
    return merged;
}

/* One pass over all runs of `from`; afterwards there are fewer, in `to`. */
static void merge_pass(struct sorter *sorter, const struct writer *from, struct writer *to)
{
    size_t made = 0;

    for (size_t at = 0; at < sorter->run_count; at += LIST_FAN_IN) {
        size_t count = sorter->run_count - at < LIST_FAN_IN ? sorter->run_count - at : LIST_FAN_IN;
        struct run merged = merge_runs(sorter, from->descriptor, sorter->runs + at, count, to);
        sorter->runs[made++] = merged;
    }
    writer_flush(to);
    sorter->run_count = made;
}

enum status report_list_sort(struct report_list *list, enum list_order order, struct error *error)
{
    struct sorter sorter;
    struct writer next = {.descriptor = -1};
    enum status status = STATUS_OK;

    writer_flush(&list->writer);
    if (!sorter_open(&sorter, list->writer.bytes, order)) {
        sorter_close(&sorter);
        return error_set(error, STATUS_FAILED, "report", "no memory to sort its lists");
    }
    for (bool first = true; status == STATUS_OK && (first || sorter.run_count > 1); first = false) {
        status = writer_open(&next, error);
        if (status == STATUS_OK && first) {
            report_list_rewind(list);
            while (reader_peek(&list->reader) != NULL) {
                sort_chunk(&sorter, &list->reader, &next);
            }
            writer_flush(&next);
        } else if (status == STATUS_OK) {
            merge_pass(&sorter, &list->writer, &next);
        }
        if (status == STATUS_OK) {
            next.failed = next.failed != 0 ? next.failed : list->writer.failed;
            writer_close(&list->writer);
            list->writer = next;
        } else {
            writer_close(&next);
        }
    }
    sorter_close(&sorter);
    if (status == STATUS_OK && list->writer.failed != 0) {
        errno = list->writer.failed;
        status = error_system(
            error, STATUS_FAILED, "report",
            "its temporary file cannot be written; set TMPDIR to a folder with more room");
    }
    report_list_rewind(list);
    return status;
}

/* --- the list --- */

enum status report_list_open(struct report_list **out_list, struct error *error)
{
    struct report_list *list = calloc(1, sizeof *list);

    if (list == NULL) {
        return error_set(error, STATUS_FAILED, "report", "no memory for its lists");
    }
    enum status status = writer_open(&list->writer, error);
    list->reader.buffer = malloc(LIST_BUFFER_BYTES);
    if (status == STATUS_OK && list->reader.buffer == NULL) {
        status = error_set(error, STATUS_FAILED, "report", "no memory for its lists");
    }
    if (status != STATUS_OK) {
        report_list_close(list);
        return status;
    }
    list->bytes_max = UINT64_MAX;
    *out_list = list;
    return STATUS_OK;
}

void report_list_close(struct report_list *list)
{
    if (list != NULL) {
        writer_close(&list->writer);
        free(list->reader.buffer);
        free(list);
    }
}

void report_list_add(struct report_list *list, const struct list_entry *entry)
{
    assert(entry->bytes % 8 == 0 && entry->bytes >= sizeof *entry &&
           entry->bytes <= LIST_ENTRY_MAX);
    list->count++;
    if (list->writer.bytes + entry->bytes > list->bytes_max) {
        list->left_out++;
    } else {
        writer_put(&list->writer, entry);
    }
}

void report_list_limit(struct report_list *list, uint64_t bytes_max)
{
    list->bytes_max = bytes_max;
}

uint64_t report_list_left_out(const struct report_list *list)
{
    return list->left_out;
}

uint64_t report_list_count(const struct report_list *list)
{
    return list->count;
}

void report_list_rewind(struct report_list *list)
{
    writer_flush(&list->writer);
    reader_start(&list->reader, list->writer.descriptor,
                 (struct run){.from = 0, .to = list->writer.bytes});
}

const struct list_entry *report_list_next(struct report_list *list)
{
    const struct list_entry *entry = reader_peek(&list->reader);

    if (entry != NULL) {
        reader_step(&list->reader, entry);
    }
    return entry;
}
