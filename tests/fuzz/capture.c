/* Capture files of any kind: frames stay inside their block, numbers ascend, and the end comes. */
#include "tests/fuzz/fuzz.h"

#include "sensor/capture/source.h"

#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct block block;
    struct error error = {0};
    if (block.frames == NULL && block_open(&block, &error) != STATUS_OK) {
        abort();
    }
    int file = memfd_create("capture", 0);
    if (file < 0 || write(file, data, size) != (ssize_t)size) {
        abort();
    }
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    const char *const paths[] = {path};
    struct source *source = NULL;
    if (source_open_files(paths, 1, &source, &error) == STATUS_OK) {
        uint64_t number = 0;
        uint64_t sum = 0;
        do {
            if (source_next(source, &block, &error) != STATUS_OK) {
                break;
            }
            for (uint32_t i = 0; i < block.frame_count; i++) {
                const struct captured *frame = &block.frames[i];
                assert(frame->number == ++number);
                assert(frame->captured <= FRAME_BYTES_MAX && frame->captured <= frame->wire_bytes);
                for (uint32_t b = 0; b < frame->captured; b++) {
                    sum += frame->at[b];
                }
            }
        } while (!block.end);
        assert(sum <= number * 255 * FRAME_BYTES_MAX);
        source_close(source);
    }
    close(file);
    return 0;
}
