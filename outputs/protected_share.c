/* protected_share.c - a file without a name, in memory, that only grows at its end: entry after
 * entry of one size. A reader looks for the next whole one.
 *
 * The reader believes nothing that it has not looked at. Rejected: messages on the socket between the
 * two; they would wait behind alerts, could find no room, and would have to be sent again to a process
 * that was started again before it looks at its first alert. */
#include "outputs/protected_share.h"

#include <sys/mman.h>
#include <unistd.h>

struct protected_share {
    int descriptor;
    uint32_t count; /* of the writer */
};

size_t protected_share_bytes_max(void)
{
    return PROTECTED_SHARE_MAX * sizeof(struct protected_entry);
}

enum status protected_share_open(struct protected_share **out_share, struct error *error)
{
    struct protected_share *share = calloc(1, sizeof *share);

    if (share != NULL) {
        share->descriptor = memfd_create("earshot-protected", MFD_CLOEXEC);
    }
    if (share == NULL || share->descriptor < 0) {
        free(share);
        return error_system(error, STATUS_FAILED, "response", "no memory for the never-block list");
    }
    *out_share = share;
    return STATUS_OK;
}

void protected_share_close(struct protected_share *share)
{
    if (share != NULL) {
        (void)close(share->descriptor);
        free(share);
    }
}

bool protected_share_add(struct protected_share *share, const struct protected_entry *entry)
{
    off_t at = (off_t)share->count * (off_t)sizeof *entry;

    if (share->count == PROTECTED_SHARE_MAX ||
        pwrite(share->descriptor, entry, sizeof *entry, at) != (ssize_t)sizeof *entry) {
        return false;
    }
    share->count++;
    return true;
}

static bool is_sound(const struct protected_entry *entry)
{
    return entry->kind < PROTECTED_KINDS && entry->prefix.bits <= 128 &&
           memchr(entry->text, '\0', sizeof entry->text) != NULL;
}

bool protected_share_take(struct protected_share *share, uint32_t *at, struct protected_list *list)
{
    struct protected_entry entry;
    uint32_t from = *at;

    while (*at < PROTECTED_SHARE_MAX &&
           pread(share->descriptor, &entry, sizeof entry, (off_t)*at * (off_t)sizeof entry) ==
               (ssize_t)sizeof entry) {
        if (is_sound(&entry) && !protected_add_entry(list, &entry)) {
            break; /* an honest writer has a list like ours, and looks for room first */
        }
        (*at)++;
    }
    return *at != from;
}
