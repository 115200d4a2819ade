/* block.c - memory for frames and their bytes.
 *
 *   bytes: | kept from the block before | what one read brings ... | padding |
 *          0                            ^ at most one record        ^ capacity
 *
 * A file is read straight into a block, so a record that the end of a read cut in two must fit
 * behind what was kept of it: the capacity is one read (BLOCK_BYTES) and one largest record. Only
 * what is used is touched, so the room behind costs address space, no cache. The padding lets a
 * scanner load a whole vector at the last byte of a frame without leaving the memory. */
#include "sensor/capture/block.h"

enum status block_open(struct block *block, struct error *error)
{
    *block = (struct block){
        .frames = calloc(BLOCK_FRAMES_MAX, sizeof(struct captured)),
        .bytes = calloc(1, BLOCK_CAPACITY + BLOCK_PADDING),
    };
    if (block->frames == NULL || block->bytes == NULL) {
        block_close(block);
        return error_set(error, STATUS_FAILED, "", "no memory for a block of packets");
    }
    return STATUS_OK;
}

void block_close(struct block *block)
{
    free(block->frames);
    free(block->bytes);
    *block = (struct block){.frames = NULL};
}
