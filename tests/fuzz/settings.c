/* The configuration: YAML of any kind gives values or one clear error. */
#include "tests/fuzz/fuzz.h"

#include "sensor/run/config.h"

#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int file = memfd_create("settings", 0);
    if (file < 0 || write(file, data, size) != (ssize_t)size) {
        abort();
    }
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    struct settings settings;
    struct error error = {0};
    settings_start(&settings);
    if (settings_read(&settings, path, &error) == STATUS_OK) {
        struct config *config = NULL;
        if (config_open(&settings, &config, &error) == STATUS_OK) {
            config_close(config);
        } else {
            assert(error.code == STATUS_USAGE && error.message[0] != '\0');
        }
    } else {
        assert(error.message[0] != '\0');
    }
    settings_close(&settings);
    close(file);
    return 0;
}
