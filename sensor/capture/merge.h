/* merge.h - frames of several captures in the order of (time, file, place in the file).
 *
 * Owns      a window and a few parsed frames for each file.
 * Borrows   the open files; they must outlive the merge.
 * Time      the frames' stamps. A file is never reordered within itself: where its stamps step
 *           back, its frames follow each other as they stand there.
 * Bounds    SOURCE_FILES_MAX files; about MERGE_BYTES of windows in all, more only for large
 *           records.
 * Errors    open: memory. next: when reading fails.
 * Thread    one at a time. */
#ifndef SENSOR_CAPTURE_MERGE_H
#define SENSOR_CAPTURE_MERGE_H

#include "sensor/capture/capture_file.h"

enum { MERGE_BYTES = 16 << 20 };

struct merge;

MUST_USE enum status merge_open(struct capture_file *files, uint32_t count,
                                struct merge **out_merge, struct error *error);
/* Fills the block; frames are not numbered. No frame: all files have ended. */
MUST_USE enum status merge_next(struct merge *merge, struct block *block, struct error *error);
void merge_close(struct merge *merge);

#endif
