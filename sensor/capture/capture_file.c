/* capture_file.c - a file's bytes, its format, and the window between them.
 *
 *   window:  | frames given out | not used yet | free ...                |
 *            0                  at             filled     fill_to        capacity
 *
 * One call walks what is there, reads once if frames are few, and walks again: a pipe that brings
 * little is passed on as it comes, a file fills the window in one read(2). Only while no frame has
 * been given out may bytes be moved to the front. */
#include "sensor/capture/capture_file.h"

struct foreign {
    uint8_t magic[4];
    const char *fault;
};

/* clang-format off */
static const struct foreign foreigners[] = { /* what else people have, so that the message helps */
    {{0xfd, '7', 'z', 'X'},       "is compressed with xz: unpack it first"},
    {{'B', 'Z', 'h', '9'},        "is compressed with bzip2: unpack it first"},
    {{0x04, 0x22, 0x4d, 0x18},    "is compressed with lz4: unpack it first"},
    {{'P', 'K', 0x03, 0x04},      "is a zip archive: unpack it first"},
    {{'s', 'n', 'o', 'o'},        "is a snoop capture: convert it with editcap -F pcapng"},
    {{'G', 'M', 'B', 'U'},        "is a Network Monitor capture: convert it with editcap -F pcapng"},
    {{'R', 'T', 'S', 'S'},        "is a Network Monitor capture: convert it with editcap -F pcapng"},
    {{'T', 'R', 'S', 'N'},        "is a Sniffer capture: convert it with editcap -F pcapng"},
};
/* clang-format on */

static const char *fault_of(const uint8_t *at, size_t bytes, bool is_cut)
{
    for (size_t i = 0; bytes >= 4 && i < sizeof(foreigners) / sizeof(foreigners[0]); i++) {
        if (memcmp(at, foreigners[i].magic, 4) == 0) {
            return foreigners[i].fault;
        }
    }
    return bytes == 0 && is_cut ? "is cut or damaged: nothing of it can be unpacked"
           : bytes == 0         ? "is empty"
                        : "is no capture (wanted: pcap or pcapng, plain or packed by gzip or zstd)";
}

/* Reads until the head has `bytes`, or the file ends. */
static enum status fill_head(struct capture_file *file, size_t bytes, struct error *error)
{
    while (file->head_bytes < bytes) {
        size_t got = 0;
        enum status status = inflate_read(file->inflate, file->head + file->head_bytes,
                                          bytes - file->head_bytes, &got, error);
        if (status != STATUS_OK) {
            return status;
        }
        if (got == 0) {
            break;
        }
        file->head_bytes += got;
    }
    return STATUS_OK;
}

/* Tells the format from the first bytes and reads its header; *out_fault stays NULL if all is well.
 */
static enum status open_format(struct capture_file *file, uint16_t *interface_next,
                               const char **out_fault, struct error *error)
{
    enum status status = fill_head(file, 4, error);
    if (status != STATUS_OK) {
        return status;
    }
    bool is_pcap = pcap_file_is(file->head, file->head_bytes);
    file->is_pcapng = !is_pcap && pcapng_file_is(file->head, file->head_bytes);
    if (!is_pcap && !file->is_pcapng) {
        *out_fault = fault_of(file->head, file->head_bytes, inflate_is_damaged(file->inflate));
        return STATUS_OK;
    }
    size_t bytes = is_pcap ? pcap_file_header_bytes(file->head) : PCAPNG_HEADER_BYTES;
    status = fill_head(file, bytes, error);
    if (status != STATUS_OK) {
        return status;
    }
    if (file->head_bytes < bytes) {
        *out_fault = "ends inside its file header: nothing was captured";
    } else if (file->is_pcapng) {
        (void)!pcapng_file_open(&file->pcapng, file->head, interface_next, out_fault);
    } else if (pcap_file_open(&file->pcap, file->head, *interface_next, out_fault)) {
        *interface_next = walk_interface_after(*interface_next);
        file->head_bytes = 0;
    }
    return STATUS_OK;
}

enum status capture_file_open(struct capture_file *file, const char *path, uint16_t *interface_next,
                              struct error *error)
{
    const char *name = strcmp(path, "-") == 0 ? "standard input" : path;
    *file = (struct capture_file){.inflate = NULL};
    enum status status = inflate_open(path, &file->inflate, error);
    if (status != STATUS_OK) {
        return status;
    }
    const char *fault = NULL;
    status = open_format(file, interface_next, &fault, error);
    if (status == STATUS_OK && fault != NULL) {
        status = error_set(error, STATUS_INPUT, name, "%s", fault);
    }
    if (status != STATUS_OK) {
        capture_file_close(file);
    }
    return status;
}

bool capture_file_sniff(const char *path)
{
    struct capture_file file = {.inflate = NULL};
    struct error error;
    if (inflate_open(path, &file.inflate, &error) != STATUS_OK) {
        return true;
    }
    bool is_capture = fill_head(&file, 4, &error) != STATUS_OK ||
                      (file.head_bytes == 0 && inflate_is_damaged(file.inflate)) ||
                      pcap_file_is(file.head, file.head_bytes) ||
                      pcapng_file_is(file.head, file.head_bytes);
    inflate_close(file.inflate);
    return is_capture;
}

/* Room for `want` bytes from `at` on; only while no frame points into the window. */
static enum status make_room(struct window *window, size_t want, struct error *error)
{
    size_t left = window->filled - window->at;
    if (window->at > 0) {
        memmove(window->bytes, window->bytes + window->at, left);
        window->at = 0;
        window->filled = left;
    }
    if (want <= window->capacity) {
        return STATUS_OK;
    }
    assert(window->may_grow && want <= BLOCK_CAPACITY);
    size_t capacity = want + want / 4;
    uint8_t *grown = realloc(window->bytes, capacity);
    if (grown == NULL) {
        return error_set(error, STATUS_FAILED, "", "no memory for a record of %zu bytes", want);
    }
    window->bytes = grown;
    window->capacity = capacity;
    return STATUS_OK;
}

/* One read into the free part of the window, so that at least `want` bytes from `at` on could be
 * there. */
static enum status read_more(struct capture_file *file, struct window *window, size_t want,
                             struct error *error)
{
    size_t end = window->at + want > window->fill_to ? window->at + want : window->fill_to;
    end = end < window->capacity ? end : window->capacity;
    enum status status = STATUS_OK;
    if (file->head_bytes > 0) {
        size_t part = end - window->filled;
        part = file->head_bytes < part ? file->head_bytes : part;
        memcpy(window->bytes + window->filled, file->head, part);
        memmove(file->head, file->head + part, file->head_bytes - part);
        file->head_bytes -= part;
        window->filled += part;
        return STATUS_OK;
    }
    do {
        size_t got = 0;
        status = inflate_read(file->inflate, window->bytes + window->filled, end - window->filled,
                              &got, error);
        file->at_end = status == STATUS_OK && got == 0;
        window->filled += got;
    } while (window->patient && status == STATUS_OK && !file->at_end && window->filled < end);
    return status;
}

static void walk_window(struct capture_file *file, struct window *window, struct walk *walk)
{
    walk->at = window->bytes + window->at;
    walk->bytes = window->filled - window->at;
    walk->used = 0;
    if (file->is_pcapng) {
        pcapng_file_walk(&file->pcapng, walk);
    } else {
        pcap_file_walk(&file->pcap, walk);
    }
    window->at += walk->used;
}

enum status capture_file_frames(struct capture_file *file, struct window *window,
                                struct captured *frames, uint32_t frames_max, uint32_t *out_count,
                                struct error *error)
{
    struct walk walk = {.frames = frames, .frames_max = frames_max};
    enum status status = STATUS_OK;
    bool has_read = false;
    while (!file->ended) {
        walk_window(file, window, &walk);
        if (walk.damaged || file->at_end) {
            file->ended = walk.damaged || walk.frame_count < frames_max;
            file->truncated = walk.damaged || !walk.between || inflate_is_damaged(file->inflate);
            break;
        }
        bool is_full = walk.frame_count == frames_max || window->filled >= window->fill_to;
        if (walk.frame_count > 0 && (has_read || is_full)) {
            break;
        }
        if (walk.frame_count == 0) {
            status = make_room(window, walk.want, error);
        }
        if (status == STATUS_OK) {
            has_read = file->head_bytes == 0;
            status = read_more(file, window, walk.want, error);
        }
        if (status != STATUS_OK) {
            /* What came before is delivered first; the next call meets the same failure again. */
            status = walk.frame_count > 0 ? STATUS_OK : status;
            break;
        }
    }
    file->frames_cut += walk.frames_cut;
    file->blocks_skipped += walk.blocks_skipped;
    *out_count = walk.frame_count;
    return status;
}

void capture_file_close(struct capture_file *file)
{
    if (file->is_pcapng) {
        pcapng_file_close(&file->pcapng);
    }
    inflate_close(file->inflate);
    *file = (struct capture_file){.inflate = NULL};
}
