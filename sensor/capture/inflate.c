/* inflate.c - one read() for plain, gzip (RFC 1952) and zstd (RFC 8878) files.
 *
 * The kind is told by the first four bytes, never by the name: captures are renamed. A plain file
 * pays nothing for this: after those four bytes read(2) puts its bytes straight to where the caller
 * wants them. Compressed files pass through one buffer of INPUT_BYTES.
 *
 * Several members or frames in one file are one stream (that is how rotated captures are joined,
 * and how parallel compressors write); what follows the last gzip member and is no member is
 * ignored, as gzip does, while padding with zeros is common on tapes and block devices.
 *
 * A variable of type struct inflate is called `file` here: zlib has a function of the other name.
 * Limits: no xz, bzip2, lz4 (source_open_files() names them); no compressed file inside another. */
#include <zlib.h> /* first: it has a member called like a banned function */

#include "sensor/capture/inflate.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

enum {
    MAGIC_BYTES = 4,
    INPUT_BYTES = 64 << 10,
    WINDOW_LOG_MAX = 27, /* 128 MiB; what zstd itself accepts without being told more */
    GZIP_WINDOW_BITS = 15 + 16, /* the largest window, gzip header wanted */
};

enum kind { KIND_PLAIN, KIND_GZIP, KIND_ZSTD };

struct inflate {
    int descriptor;
    bool is_stdin;
    enum kind kind;
    bool at_end; /* of the file */
    bool damaged;
    bool between; /* compressed: no member or frame is open */
    bool holds_output; /* compressed: the decoder may give more without more input */
    uint8_t *input;
    size_t input_at;
    size_t input_bytes;
    z_stream gzip;
    ZSTD_DCtx *zstd;
    uint64_t done_bytes;
    uint64_t total_bytes;
    char path[256]; /* for errors; cut if longer */
};

/* What read(2) brings; short reads are the caller's to repeat. *out_bytes = 0 is the end. */
static enum status inflate_take(struct inflate *file, void *at, size_t bytes, size_t *out_bytes,
                                struct error *error)
{
    for (;;) {
        ssize_t got = read(file->descriptor, at, bytes);
        if (got >= 0) {
            file->done_bytes += (uint64_t)got;
            file->at_end = got == 0 && bytes > 0;
            *out_bytes = (size_t)got;
            return STATUS_OK;
        }
        if (errno != EINTR) {
            return error_system(error, STATUS_INPUT, file->path, "cannot be read");
        }
    }
}

static enum kind inflate_kind(const uint8_t *at, size_t bytes)
{
    if (bytes >= 2 && at[0] == 0x1f && at[1] == 0x8b) {
        return KIND_GZIP;
    }
    if (bytes >= 4 && at[1] == 0xb5 && at[2] == 0x2f && at[3] == 0xfd && at[0] == 0x28) {
        return KIND_ZSTD;
    }
    /* A skippable frame may stand first: pzstd writes one. */
    if (bytes >= 4 && (at[0] & 0xf0) == 0x50 && at[1] == 0x2a && at[2] == 0x4d && at[3] == 0x18) {
        return KIND_ZSTD;
    }
    return KIND_PLAIN;
}

static enum status inflate_open_decoder(struct inflate *file, struct error *error)
{
    if (file->kind == KIND_GZIP) {
        if (inflateInit2(&file->gzip, GZIP_WINDOW_BITS) != Z_OK) {
            return error_set(error, STATUS_FAILED, file->path, "no memory for gzip");
        }
    } else if (file->kind == KIND_ZSTD) {
        file->zstd = ZSTD_createDCtx();
        if (file->zstd == NULL ||
            ZSTD_isError(ZSTD_DCtx_setParameter(file->zstd, ZSTD_d_windowLogMax, WINDOW_LOG_MAX))) {
            return error_set(error, STATUS_FAILED, file->path, "no memory for zstd");
        }
    }
    return STATUS_OK;
}

static enum status inflate_open_input(struct inflate *file, const char *path, struct error *error)
{
    file->is_stdin = strcmp(path, "-") == 0;
    file->descriptor = file->is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (file->descriptor < 0) {
        return error_system(error, STATUS_INPUT, path, "cannot be opened");
    }
    struct stat about;
    if (fstat(file->descriptor, &about) == 0 && S_ISREG(about.st_mode) && about.st_size > 0) {
        file->total_bytes = (uint64_t)about.st_size;
    }
    while (file->input_bytes < MAGIC_BYTES && !file->at_end) {
        size_t got = 0;
        enum status status = inflate_take(file, file->input + file->input_bytes,
                                          MAGIC_BYTES - file->input_bytes, &got, error);
        if (status != STATUS_OK) {
            return status;
        }
        file->input_bytes += got;
    }
    file->kind = inflate_kind(file->input, file->input_bytes);
    return inflate_open_decoder(file, error);
}

enum status inflate_open(const char *path, struct inflate **out_inflate, struct error *error)
{
    struct inflate *file = calloc(1, sizeof(*file));
    if (file == NULL) {
        return error_set(error, STATUS_FAILED, path, "no memory");
    }
    file->descriptor = -1;
    file->between = true;
    (void)snprintf(file->path, sizeof(file->path), "%s",
                   strcmp(path, "-") == 0 ? "standard input" : path);
    file->input = malloc(INPUT_BYTES);
    enum status status = file->input == NULL ? error_set(error, STATUS_FAILED, path, "no memory")
                                             : inflate_open_input(file, path, error);
    if (status != STATUS_OK) {
        inflate_close(file);
        return status;
    }
    *out_inflate = file;
    return STATUS_OK;
}

static enum status inflate_read_plain(struct inflate *file, void *at, size_t bytes,
                                      size_t *out_bytes, struct error *error)
{
    size_t left = file->input_bytes - file->input_at;
    if (left > 0) { /* the bytes that told the kind */
        left = left < bytes ? left : bytes;
        memcpy(at, file->input + file->input_at, left);
        file->input_at += left;
        *out_bytes = left;
        return STATUS_OK;
    }
    return inflate_take(file, at, bytes, out_bytes, error);
}

/* One step of the decoder over what is in the input buffer. False: the data is broken. */
static bool inflate_step_gzip(struct inflate *file, uint8_t *at, size_t bytes, size_t *out_bytes)
{
    const uint8_t *next = file->input + file->input_at;
    if (file->between && next[0] != 0x1f) {
        file->input_at = file->input_bytes; /* behind the last member: no member */
        file->at_end = true;
        return true;
    }
    z_stream *gzip = &file->gzip;
    gzip->next_in = file->input + file->input_at;
    gzip->avail_in = (uInt)(file->input_bytes - file->input_at);
    gzip->next_out = at;
    gzip->avail_out = bytes > UINT32_MAX / 2 ? UINT32_MAX / 2 : (uInt)bytes;
    uInt offered = gzip->avail_out;
    file->between = false;
    int result = inflate(gzip, Z_NO_FLUSH);
    file->input_at = file->input_bytes - gzip->avail_in;
    *out_bytes = offered - gzip->avail_out;
    if (result == Z_STREAM_END) {
        file->between = true;
        return inflateReset(gzip) == Z_OK;
    }
    return result == Z_OK || result == Z_BUF_ERROR;
}

static bool inflate_step_zstd(struct inflate *file, uint8_t *at, size_t bytes, size_t *out_bytes)
{
    ZSTD_inBuffer in = {file->input, file->input_bytes, file->input_at};
    ZSTD_outBuffer out = {at, bytes, 0};
    size_t result = ZSTD_decompressStream(file->zstd, &out, &in);
    file->input_at = in.pos;
    *out_bytes = out.pos;
    file->between = result == 0;
    return !ZSTD_isError(result);
}

/* The next bytes of a compressed file into the input buffer; an end inside a member is damage. */
static enum status inflate_feed(struct inflate *file, struct error *error)
{
    size_t got = 0;
    enum status status = STATUS_OK;
    if (!file->at_end) {
        status = inflate_take(file, file->input, INPUT_BYTES, &got, error);
    }
    file->input_at = 0;
    file->input_bytes = got;
    file->damaged = file->at_end && !file->between;
    return status;
}

enum status inflate_read(struct inflate *file, void *at, size_t bytes, size_t *out_bytes,
                         struct error *error)
{
    *out_bytes = 0;
    if (file->kind == KIND_PLAIN) {
        return inflate_read_plain(file, at, bytes, out_bytes, error);
    }
    while (*out_bytes == 0 && bytes > 0 && !file->damaged) {
        if (file->input_at == file->input_bytes && !file->holds_output) {
            enum status status = inflate_feed(file, error);
            if (status != STATUS_OK || file->input_bytes == 0) {
                return status;
            }
        }
        size_t before = file->input_at;
        bool fine = file->kind == KIND_GZIP ? inflate_step_gzip(file, at, bytes, out_bytes)
                                            : inflate_step_zstd(file, at, bytes, out_bytes);
        file->holds_output = *out_bytes > 0 && !file->between;
        bool stuck = *out_bytes == 0 && file->input_at == before && before < file->input_bytes;
        file->damaged = !fine || stuck;
    }
    return STATUS_OK;
}

bool inflate_is_damaged(const struct inflate *file)
{
    return file->damaged;
}

void inflate_progress(const struct inflate *file, uint64_t *out_done, uint64_t *out_total)
{
    *out_done = file->done_bytes;
    *out_total = file->total_bytes;
}

void inflate_close(struct inflate *file)
{
    if (file == NULL) {
        return;
    }
    if (file->kind == KIND_GZIP) {
        (void)inflateEnd(&file->gzip);
    }
    (void)ZSTD_freeDCtx(file->zstd);
    if (file->descriptor >= 0 && !file->is_stdin) {
        (void)close(file->descriptor);
    }
    free(file->input);
    free(file);
}
