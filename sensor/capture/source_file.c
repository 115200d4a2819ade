/* source_file.c - captures on disk as one source.
 *
 * One file is read without a copy: read(2) puts its bytes into the caller's block, the frames are
 * where they fell, and only the record that the end of the read cut in two is copied, by way of
 * `tail`, to the front of the next block. How much one read takes follows the size of the records
 * (`fill_to`), so that small ones do not leave half a block of whole records behind to be copied:
 * 2,048 frames end a block. Several files go through merge.c.
 *
 * Measured, file in the page cache, 2,000,000 frames: of 214 bytes 24 ns a frame (an empty
 * pcap_loop beside it: 90), of 60 bytes 13 ns (48). Mapping the file was not tried. */
#include "sensor/capture/folder.h"
#include "sensor/capture/merge.h"

#include <errno.h>
#include <sys/resource.h>

enum { FILL_STEP = 4 << 10, FILL_MIN = 64 << 10 };

struct source {
    struct capture_file *files; /* the good ones, in the order of the command line */
    uint32_t file_count;
    char **faults;
    uint32_t fault_count;
    struct merge *merge; /* NULL: one file */
    uint8_t *tail; /* one file: what the next block begins with */
    size_t tail_bytes;
    size_t fill_to;
    uint16_t interface_next;
    bool ended;
    bool has_stdin;
    struct source_counts counts;
};

/* A bad file is remembered by name; the run goes on with the others. */
static enum status note_fault(struct source *source, const char *path, const struct error *why,
                              struct error *error)
{
    const char *name = strcmp(path, "-") == 0 ? "standard input" : path;
    size_t bytes = strlen(name) + strlen(why->message) + sizeof(": ");
    char *fault = malloc(bytes);
    char **grown = realloc(source->faults, (source->fault_count + 1) * sizeof(char *));
    source->faults = grown == NULL ? source->faults : grown;
    if (fault == NULL || grown == NULL) {
        free(fault);
        return error_set(error, STATUS_FAILED, name, "no memory");
    }
    (void)snprintf(fault, bytes, "%s: %s", name, why->message);
    source->faults[source->fault_count++] = fault;
    if (source->fault_count == 1) {
        *error = *why; /* the one that is told if none can be read */
    }
    return STATUS_OK;
}

static enum status too_many_open(const char *path, struct error *error)
{
    struct rlimit limit = {.rlim_cur = 0};
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    return error_set(
        error, STATUS_INPUT, path,
        "cannot be opened beside the others: merging by time holds all of them open and "
        "the limit is %llu descriptors; raise it (ulimit -Hn) or name fewer files",
        (unsigned long long)limit.rlim_cur);
}

static enum status add_file(struct source *source, const char *path, struct error *error)
{
    if (source->file_count + source->fault_count == SOURCE_FILES_MAX) {
        return error_set(
            error, STATUS_INPUT, path,
            "is one more than the %d captures that can be merged: name fewer, or merge "
            "some with mergecap",
            SOURCE_FILES_MAX);
    }
    struct error why = {.code = STATUS_OK};
    enum status status = STATUS_OK;
    bool is_stdin = strcmp(path, "-") == 0;
    if (is_stdin && source->has_stdin) {
        status = error_set(&why, STATUS_INPUT, "standard input", "can be read only once");
    } else {
        source->has_stdin = source->has_stdin || is_stdin;
        status = capture_file_open(&source->files[source->file_count], path,
                                   &source->interface_next, &why);
    }
    if (status == STATUS_OK) {
        source->file_count++;
        return STATUS_OK;
    }
    if (status == STATUS_FAILED) {
        *error = why;
        return status;
    }
    if (why.sys_errno == EMFILE || why.sys_errno == ENFILE) {
        return too_many_open(path, error);
    }
    return note_fault(source, path, &why, error);
}

static enum status add_path(struct source *source, const char *path, struct error *error)
{
    if (!folder_is(path)) {
        return add_file(source, path, error);
    }
    struct error why = {.code = STATUS_OK};
    struct folder folder = {.paths = NULL};
    enum status status = folder_open(&folder, path, &why);
    if (status == STATUS_INPUT) {
        return note_fault(source, path, &why, error);
    }
    if (status != STATUS_OK) {
        *error = why;
        return status;
    }
    for (uint32_t i = 0; status == STATUS_OK && i < folder.count; i++) {
        status = add_file(source, folder.paths[i], error);
    }
    folder_close(&folder);
    return status;
}

static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE,
                        &limit); /* without it the limit is met later and told then */
    }
}

/* What one file, or several, need to be read. */
static enum status prepare(struct source *source, struct error *error)
{
    source->counts.files = source->file_count + source->fault_count;
    source->counts.files_bad = source->fault_count;
    if (source->file_count == 0) {
        if (source->fault_count > 1) {
            struct error first = *error;
            return error_set(error, STATUS_INPUT, first.where, "%s (nor can the %u others be read)",
                             first.message, source->fault_count - 1);
        }
        return source->fault_count == 1 ? STATUS_INPUT
                                        : error_set(error, STATUS_INPUT, "", "no capture is named");
    }
    if (source->file_count > 1) {
        return merge_open(source->files, source->file_count, &source->merge, error);
    }
    source->fill_to = BLOCK_BYTES;
    source->tail = malloc(BLOCK_CAPACITY);
    return source->tail != NULL ? STATUS_OK
                                : error_set(error, STATUS_FAILED, "", "no memory for packets");
}

enum status source_open_files(const char *const *paths, size_t count, struct source **out_source,
                              struct error *error)
{
    struct source *source = calloc(1, sizeof(*source));
    if (source == NULL) {
        return error_set(error, STATUS_FAILED, "", "no memory");
    }
    raise_descriptor_limit();
    enum status status = STATUS_OK;
    source->files = calloc(SOURCE_FILES_MAX, sizeof(struct capture_file));
    if (source->files == NULL) {
        status = error_set(error, STATUS_FAILED, "", "no memory");
    }
    for (size_t i = 0; status == STATUS_OK && i < count; i++) {
        status = add_path(source, paths[i], error);
    }
    if (status == STATUS_OK) {
        status = prepare(source, error);
    }
    if (status != STATUS_OK) {
        source_close(source);
        return status;
    }
    *out_source = source;
    return STATUS_OK;
}

/* Records of `bytes` on average: how full the next block may be, so that about all of it is walked.
 */
static size_t fill_for(size_t used_bytes, uint32_t frame_count)
{
    size_t fill = used_bytes / frame_count * BLOCK_FRAMES_MAX;
    fill = (fill + FILL_STEP) / FILL_STEP * FILL_STEP;
    return fill < FILL_MIN ? FILL_MIN : (fill > BLOCK_BYTES ? BLOCK_BYTES : fill);
}

static enum status next_of_one(struct source *source, struct block *block, struct error *error)
{
    struct capture_file *file = &source->files[0];
    struct window window = {
        .bytes = block->bytes,
        .capacity = BLOCK_CAPACITY,
        .filled = source->tail_bytes,
        .fill_to = source->fill_to,
    };
    memcpy(block->bytes, source->tail, source->tail_bytes);
    enum status status = capture_file_frames(file, &window, block->frames, BLOCK_FRAMES_MAX,
                                             &block->frame_count, error);
    source->tail_bytes = window.filled - window.at;
    memcpy(source->tail, block->bytes + window.at, source->tail_bytes);
    source->fill_to = block->frame_count == BLOCK_FRAMES_MAX
                          ? fill_for(window.at, block->frame_count)
                          : BLOCK_BYTES;
    source->ended = file->ended;
    return status;
}

static enum status next_of_many(struct source *source, struct block *block, struct error *error)
{
    enum status status = merge_next(source->merge, block, error);
    source->ended = status == STATUS_OK && block->frame_count == 0;
    return status;
}

/* Numbers the frames and counts them. */
static void tally(struct source *source, struct block *block)
{
    struct source_counts *counts = &source->counts;
    uint64_t number = counts->frames;
    uint64_t bytes = 0;
    uint64_t first_ns = counts->frames == 0 ? UINT64_MAX : counts->first_ns;
    uint64_t last_ns = counts->last_ns;
    for (uint32_t i = 0; i < block->frame_count; i++) {
        struct captured *frame = &block->frames[i];
        frame->number = ++number;
        bytes += frame->wire_bytes;
        first_ns = frame->time_ns < first_ns ? frame->time_ns : first_ns;
        last_ns = frame->time_ns > last_ns ? frame->time_ns : last_ns;
    }
    counts->frames = number;
    counts->bytes += bytes;
    counts->first_ns = number == 0 ? 0 : first_ns;
    counts->last_ns = last_ns;
    counts->frames_cut = 0;
    counts->blocks_skipped = 0;
    for (uint32_t i = 0; i < source->file_count; i++) {
        const struct capture_file *file = &source->files[i];
        counts->frames_cut += file->frames_cut;
        counts->blocks_skipped += file->blocks_skipped;
        counts->truncated = counts->truncated || (file->ended && file->truncated);
    }
}

enum status source_next(struct source *source, struct block *block, struct error *error)
{
    block->frame_count = 0;
    block->end = source->ended;
    if (source->ended) {
        return STATUS_OK;
    }
    enum status status = source->merge == NULL ? next_of_one(source, block, error)
                                               : next_of_many(source, block, error);
    if (status != STATUS_OK) {
        error->code = STATUS_FAILED;
        return STATUS_FAILED;
    }
    block->end = source->ended;
    tally(source, block);
    return STATUS_OK;
}

void source_counts(const struct source *source, struct source_counts *out_counts)
{
    *out_counts = source->counts;
}

const char *source_fault(const struct source *source, uint32_t index)
{
    return index < source->fault_count ? source->faults[index] : NULL;
}

void source_progress(const struct source *source, uint64_t *out_done, uint64_t *out_total)
{
    bool is_known = true;
    *out_done = 0;
    *out_total = 0;
    for (uint32_t i = 0; i < source->file_count; i++) {
        uint64_t done = 0;
        uint64_t total = 0;
        inflate_progress(source->files[i].inflate, &done, &total);
        is_known = is_known && total > 0;
        *out_done += done;
        *out_total += total;
    }
    *out_total = is_known ? *out_total : 0;
}

void source_close(struct source *source)
{
    if (source == NULL) {
        return;
    }
    merge_close(source->merge);
    for (uint32_t i = 0; i < source->file_count; i++) {
        capture_file_close(&source->files[i]);
    }
    for (uint32_t i = 0; i < source->fault_count; i++) {
        free(source->faults[i]);
    }
    free(source->faults);
    free(source->files);
    free(source->tail);
    free(source);
}
