/* cursor.h - the only reader of wire bytes: bounded, with a failure that sticks.
 *
 * Owns      nothing.
 * Borrows   the bytes.
 * Time      none.
 * Bounds    [at, end); a read beyond fails, returns 0 and every later read fails too.
 * Errors    ask cursor_ok() once, after the reads of one header.
 * Thread    any. */
#ifndef BASE_CURSOR_H
#define BASE_CURSOR_H

#include "base/slice.h"

struct cursor {
    const uint8_t *at;
    const uint8_t *end;
    bool failed;
};

static inline struct cursor cursor_over(const void *at, size_t bytes)
{
    const uint8_t *first = at;
    return (struct cursor){.at = first, .end = bytes == 0 ? first : first + bytes};
}

static inline bool cursor_ok(const struct cursor *cursor)
{
    return !cursor->failed;
}

static inline size_t cursor_left(const struct cursor *cursor)
{
    return cursor->failed ? 0 : (size_t)(cursor->end - cursor->at);
}

/* Takes `bytes` and returns where they begin, or NULL when there are fewer. */
static inline const uint8_t *cursor_take(struct cursor *cursor, size_t bytes)
{
    if (cursor_left(cursor) < bytes) {
        cursor->failed = true;
        return NULL;
    }
    const uint8_t *at = cursor->at;
    if (bytes > 0) {
        cursor->at += bytes;
    }
    return at;
}

static inline void cursor_skip(struct cursor *cursor, size_t bytes)
{
    (void)cursor_take(cursor, bytes);
}

static inline uint8_t cursor_u8(struct cursor *cursor)
{
    const uint8_t *at = cursor_take(cursor, 1);
    return at == NULL ? 0 : at[0];
}

static inline uint16_t cursor_be16(struct cursor *cursor)
{
    const uint8_t *at = cursor_take(cursor, 2);
    return at == NULL ? 0 : (uint16_t)((unsigned)at[0] << 8 | at[1]);
}

static inline uint32_t cursor_be24(struct cursor *cursor)
{
    const uint8_t *at = cursor_take(cursor, 3);
    return at == NULL ? 0 : (uint32_t)at[0] << 16 | (uint32_t)at[1] << 8 | at[2];
}

static inline uint32_t cursor_be32(struct cursor *cursor)
{
    const uint8_t *at = cursor_take(cursor, 4);
    return at == NULL
               ? 0
               : (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static inline uint64_t cursor_be64(struct cursor *cursor)
{
    uint64_t high = cursor_be32(cursor);
    return high << 32 | cursor_be32(cursor);
}

static inline uint16_t cursor_le16(struct cursor *cursor)
{
    const uint8_t *at = cursor_take(cursor, 2);
    return at == NULL ? 0 : (uint16_t)((unsigned)at[1] << 8 | at[0]);
}

static inline uint32_t cursor_le32(struct cursor *cursor)
{
    const uint8_t *at = cursor_take(cursor, 4);
    return at == NULL
               ? 0
               : (uint32_t)at[3] << 24 | (uint32_t)at[2] << 16 | (uint32_t)at[1] << 8 | at[0];
}

static inline uint64_t cursor_le64(struct cursor *cursor)
{
    uint64_t low = cursor_le32(cursor);
    return (uint64_t)cursor_le32(cursor) << 32 | low;
}

/* The byte at `offset` from here without moving; fails like a read. */
static inline uint8_t cursor_peek(struct cursor *cursor, size_t offset)
{
    if (cursor_left(cursor) <= offset) {
        cursor->failed = true;
        return 0;
    }
    return cursor->at[offset];
}

/* Cuts the end: at most `bytes` from here are left. Used for lengths that the wire states. */
static inline void cursor_limit(struct cursor *cursor, size_t bytes)
{
    if (bytes < cursor_left(cursor)) {
        cursor->end = cursor->at + bytes;
    }
}

#endif
