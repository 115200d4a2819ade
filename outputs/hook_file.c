/* hook_file.c - the folder is opened one name at a time without following a link; the file is looked at
 * in the opened folder. Between this look and the start of the hook only root and we can change anything,
 * in the folder or above it. */
#include "outputs/hook_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WRITABLE_BY_OTHERS = 022, EXECUTABLE = 0111 };

static enum status refuse(struct error *error, const char *path, const char *why)
{
    return error_set(error, STATUS_USAGE, path, "%s", why);
}

/* Whoever can write a folder above can put another in the place of ours between the look and the start.
 * In one with the sticky bit (/tmp) he can not. */
static enum status check_above(int fd, const char *folder, struct error *error)
{
    struct stat info;

    if (fstat(fd, &info) != 0) {
        return error_system(error, STATUS_USAGE, folder, "a folder above cannot be looked at");
    }
    bool ours = info.st_uid == 0 || info.st_uid == geteuid();
    if (!ours || ((info.st_mode & WRITABLE_BY_OTHERS) != 0 && (info.st_mode & S_ISVTX) == 0)) {
        return refuse(error, folder,
                      "others may write a folder above it, and so put another in its place: move "
                      "the hooks to a folder of root, such as /etc/earshot/hooks");
    }
    return STATUS_OK;
}

static enum status open_folder(const char *folder, int *out_fd, struct error *error)
{
    struct slice rest = slice_of_string(folder);
    int at = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

    if (folder[0] != '/') {
        (void)close(at);
        return refuse(error, folder, "response.hooks must be a whole path, from / on");
    }
    while (rest.bytes > 0 && at >= 0) {
        struct slice part = slice_split(&rest, '/');
        char name[256];
        if (part.bytes == 0) {
            continue;
        }
        if (part.bytes >= sizeof name) {
            (void)close(at);
            errno = ENAMETOOLONG;
            at = -1;
            break;
        }
        enum status status = check_above(at, folder, error);
        if (status != STATUS_OK) {
            (void)close(at);
            return status;
        }
        memcpy(name, part.at, part.bytes);
        name[part.bytes] = '\0';
        int next = openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        int reason = errno;
        (void)close(at);
        errno = reason;
        at = next;
    }
    if (at < 0) {
        return errno == ENOTDIR || errno == ELOOP
                   ? refuse(error, folder,
                            "the folder of the hooks is none, or a symbolic link leads to it: name "
                            "the folder itself")
                   : error_system(error, STATUS_USAGE, folder,
                                  "the folder of the hooks cannot be opened");
    }
    *out_fd = at;
    return STATUS_OK;
}

static enum status check_rights(const struct stat *info, const char *path, struct error *error)
{
    if (info->st_uid != 0 && info->st_uid != geteuid()) {
        return refuse(error, path,
                      "it belongs to another user, who could change it: chown it to root");
    }
    if ((info->st_mode & WRITABLE_BY_OTHERS) != 0) {
        return refuse(error, path, "others may write it: chmod go-w it");
    }
    return STATUS_OK;
}

static enum status check_file(int folder, const char *name, const char *path, struct error *error)
{
    struct stat info;

    if (fstatat(folder, name, &info, AT_SYMLINK_NOFOLLOW) != 0) {
        return error_system(error, STATUS_USAGE, path, "there is no such hook");
    }
    if (S_ISLNK(info.st_mode)) {
        return refuse(error, path, "a hook may not be a symbolic link: copy the file");
    }
    if (!S_ISREG(info.st_mode)) {
        return refuse(error, path, "a hook must be a file");
    }
    if ((info.st_mode & EXECUTABLE) == 0) {
        return refuse(error, path, "the hook cannot be executed: chmod +x it");
    }
    return check_rights(&info, path, error);
}

/* What lies beside a hook may be code or settings of it: who can write that can write the hook. A file
 * that goes away meanwhile harms nobody. */
static enum status check_beside(int folder, const char *path, struct error *error)
{
    char other[HOOK_PATH_BYTES];
    int again = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *entries = again < 0 ? NULL : fdopendir(again);
    const struct dirent *entry;
    enum status status = STATUS_OK;
    uint32_t count = 0;

    if (entries == NULL) {
        (void)error_system(error, STATUS_USAGE, path, "the folder of the hooks cannot be read");
        if (again >= 0) {
            (void)close(again);
        }
        return STATUS_USAGE;
    }
    while (status == STATUS_OK && (entry = readdir(entries)) != NULL) {
        struct stat info;
        if (fstatat(folder, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0) {
            continue;
        }
        (void)snprintf(other, sizeof other, "%s/%.255s", path, entry->d_name);
        if (++count > HOOK_FOLDER_ENTRIES_MAX) {
            status = refuse(error, path, "too many files: a folder of hooks holds hooks only");
        } else if (S_ISLNK(info.st_mode)) {
            status =
                refuse(error, other,
                       "no symbolic link may lie among the hooks: copy the file, or remove it");
        } else if (strcmp(entry->d_name, "..") != 0) {
            status = check_rights(&info, other, error);
        }
    }
    (void)closedir(entries);
    return status;
}

enum status hook_file_check(const char *folder, const char *name, char out_path[HOOK_PATH_BYTES],
                            struct error *error)
{
    struct stat info;
    int fd = -1;

    (void)snprintf(out_path, HOOK_PATH_BYTES, "%s/%s", folder, name);
    enum status status = open_folder(folder, &fd, error);
    if (status != STATUS_OK) {
        return status;
    }
    if (fstat(fd, &info) != 0) {
        status = error_system(error, STATUS_USAGE, folder, "the folder cannot be looked at");
    } else {
        status = check_rights(&info, folder, error);
    }
    if (status == STATUS_OK) {
        status = check_file(fd, name, out_path, error);
    }
    if (status == STATUS_OK) {
        status = check_beside(fd, folder, error);
    }
    (void)close(fd);
    return status;
}
