/* A plain main for the fuzz targets: runs each file that it is given once, and the empty input. */
#include "tests/fuzz/fuzz.h"

int main(int argc, char **argv)
{
    (void)LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
    for (int i = 1; i < argc; i++) {
        FILE *file = fopen(argv[i], "rb");
        if (file == NULL) {
            fprintf(stderr, "%s cannot be opened\n", argv[i]);
            return 1;
        }
        static uint8_t bytes[1 << 20];
        size_t count = fread(bytes, 1, sizeof bytes, file);
        fclose(file);
        /* a copy of exactly that size, so that a sanitizer sees every byte beyond */
        uint8_t *copy = malloc(count == 0 ? 1 : count);
        if (copy == NULL) {
            return 1;
        }
        memcpy(copy, bytes, count);
        (void)LLVMFuzzerTestOneInput(copy, count);
        free(copy);
    }
    printf("%d inputs\n", argc);
    return 0;
}
