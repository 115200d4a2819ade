/* merge.c - a heap of files, the one with the earliest next frame on top.
 *
 * Each file has a window of its bytes and up to MERGE_FRAMES parsed frames that point into it; the
 * frame on top is copied into the block, and its file sinks to where its next frame belongs. The
 * key is (time, file index), so the order is total and the same on every run. The bytes are copied
 * once more than for a single file: a block must be contiguous and its owner knows nothing of
 * windows. */
#include "sensor/capture/merge.h"

enum {
    MERGE_FRAMES = 64,
    WINDOW_MIN = 8 << 10,
    WINDOW_MAX = 256 << 10,
};

struct strand {
    struct capture_file *file;
    struct window window;
    uint32_t at; /* next of `frames` */
    uint32_t count;
    bool begun; /* its first frame was taken */
    struct captured frames[MERGE_FRAMES];
};

struct place {
    uint64_t time_ns;
    uint32_t strand;
};

struct merge {
    struct strand *strands;
    struct place *heap;
    uint32_t count; /* strands */
    uint32_t filled; /* heap */
    bool begun;
};

static bool is_before(const struct place *one, const struct place *other)
{
    return one->time_ns != other->time_ns ? one->time_ns < other->time_ns
                                          : one->strand < other->strand;
}

/* Lets the place at `index` sink to where it belongs. */
static void sink(struct merge *merge, uint32_t index)
{
    struct place moved = merge->heap[index];
    for (;;) {
        uint32_t child = index * 2 + 1;
        if (child >= merge->filled) {
            break;
        }
        if (child + 1 < merge->filled && is_before(&merge->heap[child + 1], &merge->heap[child])) {
            child++;
        }
        if (!is_before(&merge->heap[child], &moved)) {
            break;
        }
        merge->heap[index] = merge->heap[child];
        index = child;
    }
    merge->heap[index] = moved;
}

/* Sees that the strand has a next frame unless its file has ended. */
static enum status refill(struct strand *strand, struct error *error)
{
    if (strand->at < strand->count || strand->file->ended) {
        return STATUS_OK;
    }
    strand->at = 0;
    strand->count = 0;
    enum status status = capture_file_frames(strand->file, &strand->window, strand->frames,
                                             MERGE_FRAMES, &strand->count, error);
    return status;
}

/* The first frame of every file. */
static enum status begin(struct merge *merge, struct error *error)
{
    for (uint32_t i = 0; i < merge->count; i++) {
        struct strand *strand = &merge->strands[i];
        enum status status = refill(strand, error);
        if (status != STATUS_OK) {
            return status;
        }
        if (strand->count > 0) {
            merge->heap[merge->filled++] = (struct place){strand->frames[0].time_ns, i};
        }
    }
    for (uint32_t i = merge->filled / 2; i-- > 0;) {
        sink(merge, i);
    }
    merge->begun = true;
    return STATUS_OK;
}

enum status merge_open(struct capture_file *files, uint32_t count, struct merge **out_merge,
                       struct error *error)
{
    struct merge *merge = calloc(1, sizeof(*merge));
    if (merge == NULL) {
        return error_set(error, STATUS_FAILED, "", "no memory to merge captures");
    }
    merge->strands = calloc(count, sizeof(struct strand));
    merge->heap = calloc(count, sizeof(struct place));
    bool complete = merge->strands != NULL && merge->heap != NULL;
    size_t bytes = MERGE_BYTES / (count == 0 ? 1 : count);
    bytes = bytes < WINDOW_MIN ? WINDOW_MIN : (bytes > WINDOW_MAX ? WINDOW_MAX : bytes);
    for (; complete && merge->count < count; merge->count++) {
        struct window window = {.bytes = malloc(bytes),
                                .capacity = bytes,
                                .fill_to = bytes,
                                .may_grow = true,
                                .patient = true};
        merge->strands[merge->count].file = &files[merge->count];
        merge->strands[merge->count].window = window;
        complete = window.bytes != NULL;
    }
    if (!complete) {
        merge_close(merge);
        return error_set(error, STATUS_FAILED, "", "no memory to merge %u captures", count);
    }
    *out_merge = merge;
    return STATUS_OK;
}

/* After its frame was taken: the top moves on to its next frame, or leaves. */
static enum status advance(struct merge *merge, struct error *error)
{
    struct strand *strand = &merge->strands[merge->heap[0].strand];
    strand->at++;
    enum status status = refill(strand, error);
    if (status != STATUS_OK) {
        return status;
    }
    if (strand->at < strand->count) {
        merge->heap[0].time_ns = strand->frames[strand->at].time_ns;
    } else {
        merge->heap[0] = merge->heap[--merge->filled];
        free(strand->window.bytes);
        strand->window.bytes = NULL;
    }
    if (merge->filled > 0) {
        sink(merge, 0);
    }
    return STATUS_OK;
}

enum status merge_next(struct merge *merge, struct block *block, struct error *error)
{
    size_t used = 0;
    block->frame_count = 0;
    enum status status = merge->begun ? STATUS_OK : begin(merge, error);
    while (status == STATUS_OK && merge->filled > 0 && block->frame_count < BLOCK_FRAMES_MAX) {
        struct strand *strand = &merge->strands[merge->heap[0].strand];
        struct captured frame = strand->frames[strand->at];
        frame.begins = !strand->begun;
        if (used > 0 && used + frame.captured > BLOCK_BYTES) {
            break;
        }
        memcpy(block->bytes + used, frame.at, frame.captured);
        frame.at = block->bytes + used;
        used += frame.captured;
        block->frames[block->frame_count++] = frame;
        strand->begun = true;
        status = advance(merge, error);
    }
    return status;
}

void merge_close(struct merge *merge)
{
    if (merge == NULL) {
        return;
    }
    for (uint32_t i = 0; i < merge->count; i++) {
        free(merge->strands[i].window.bytes);
    }
    free(merge->strands);
    free(merge->heap);
    free(merge);
}
