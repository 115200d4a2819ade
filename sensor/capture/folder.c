/* folder.c - lists a folder: what begins like a capture, by name.
 *
 * People point at the folder into which their sniffer rotates: beside captures there are logs and
 * notes, so what is no capture is passed over in silence. A file that cannot be opened, or unpacked,
 * counts as one, so that it is named as bad. The order is that of the bytes of the names: no locale
 * changes an answer. */
#include "sensor/capture/folder.h"

#include "sensor/capture/capture_file.h"

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

bool folder_is(const char *path)
{
    struct stat about;
    return strcmp(path, "-") != 0 && stat(path, &about) == 0 && S_ISDIR(about.st_mode);
}

static int compare_paths(const void *one, const void *other)
{
    return strcmp(*(char *const *)one, *(char *const *)other);
}

/* FOLDER/NAME in new memory. */
static char *join(const char *folder, const char *name)
{
    size_t folder_bytes = strlen(folder);
    const char *slash = folder_bytes > 0 && folder[folder_bytes - 1] == '/' ? "" : "/";
    size_t bytes = folder_bytes + strlen(name) + 2;
    char *path = malloc(bytes);
    if (path != NULL) {
        (void)snprintf(path, bytes, "%s%s%s", folder, slash, name);
    }
    return path;
}

/* Takes over `path` if it is a capture, else frees it. */
static enum status take(struct folder *folder, char *path, const char *where, struct error *error)
{
    struct stat about;
    if (stat(path, &about) != 0 || !S_ISREG(about.st_mode) || !capture_file_sniff(path)) {
        free(path);
        return STATUS_OK;
    }
    if (folder->count == SOURCE_FILES_MAX) {
        free(path);
        return error_set(error, STATUS_INPUT, where,
                         "holds more than %d captures: name fewer, or merge some with mergecap",
                         SOURCE_FILES_MAX);
    }
    folder->paths[folder->count++] = path;
    return STATUS_OK;
}

static enum status list(struct folder *folder, DIR *entries, const char *path, struct error *error)
{
    enum status status = STATUS_OK;
    const struct dirent *entry;
    while (status == STATUS_OK && (entry = readdir(entries)) != NULL) {
        if (entry->d_name[0] == '.') {
            continue;
        }
        char *name = join(path, entry->d_name);
        status = name == NULL ? error_set(error, STATUS_FAILED, path, "no memory")
                              : take(folder, name, path, error);
    }
    if (status == STATUS_OK && folder->count == 0) {
        status = error_set(error, STATUS_INPUT, path, "is a folder without a capture");
    }
    return status;
}

enum status folder_open(struct folder *folder, const char *path, struct error *error)
{
    *folder = (struct folder){.paths = calloc(SOURCE_FILES_MAX, sizeof(char *))};
    if (folder->paths == NULL) {
        return error_set(error, STATUS_FAILED, path, "no memory");
    }
    DIR *entries = opendir(path);
    enum status status = entries == NULL
                             ? error_system(error, STATUS_INPUT, path, "cannot be listed")
                             : list(folder, entries, path, error);
    if (entries != NULL) {
        (void)closedir(entries);
    }
    if (status != STATUS_OK) {
        folder_close(folder);
        return status;
    }
    qsort(folder->paths, folder->count, sizeof(char *), compare_paths);
    return STATUS_OK;
}

void folder_close(struct folder *folder)
{
    for (uint32_t i = 0; i < folder->count; i++) {
        free(folder->paths[i]);
    }
    free(folder->paths);
    *folder = (struct folder){.paths = NULL};
}
