/* block.h - how large a block's memory is; for those who fill one.
 *
 * Owns      nothing; struct block is in source.h.
 * Borrows   nothing.
 * Time      none.
 * Bounds    BLOCK_CAPACITY bytes can hold one read and one largest record in front of it.
 * Errors    none here.
 * Thread    any. */
#ifndef SENSOR_CAPTURE_BLOCK_H
#define SENSOR_CAPTURE_BLOCK_H

#include "sensor/capture/source.h"

enum {
    RECORD_HEAD_MAX = 64, /* largest header of a record or block in front of the frame's bytes */
    /* A pcapng block that carries a frame may carry options behind it; up to here it is read whole.
     */
    RECORD_OPTIONS_MAX = 16 << 10,
    RECORD_BYTES_MAX = RECORD_HEAD_MAX + FRAME_BYTES_MAX + RECORD_OPTIONS_MAX,
    BLOCK_CAPACITY = BLOCK_BYTES + RECORD_BYTES_MAX,
    BLOCK_PADDING = 64,
};

#endif
