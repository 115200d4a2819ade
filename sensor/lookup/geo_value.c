/* geo_value.c - why not the library's own MMDB_aget_value(): it passes over a value by calling itself
 * for each map and list inside, so that a file of 6 MB, all of it lists within lists, ends the
 * process by its stack; and a list may say that it has 16 million members.
 *
 *   control byte   | type 3 bits | size 5 bits |   type 0: the type is in the next byte, plus 7
 *                                                  size 29 to 31: 1 to 3 bytes more, big endian
 *   pointer        | 1 | length - 1, 2 bits | 3 bits |   1 to 4 bytes more: an offset in the section
 *   map, list      names and values, or values, follow; their number is the size
 *
 * (MaxMind DB file format 2.0.) To pass over what is not wanted, it is enough to count how many
 * values are still to come. A pointer leads to a value that is none. */
#include "sensor/lookup/geo_value.h"

#include "base/cursor.h"

enum { TYPE_EXTENDED = 0, TYPE_POINTER = 1, TYPE_TEXT = 2, TYPE_U16 = 5, TYPE_U32 = 6 };
enum { TYPE_MAP = 7, TYPE_U64 = 9, TYPE_LIST = 11, TYPE_BOOL = 14 };
enum { TYPE_EXTENDED_FIRST = 7, SIZE_BITS = 0x1f, SIZE_1 = 29, SIZE_2 = 30, SIZE_3 = 31 };

struct section {
    const uint8_t *data;
    size_t bytes;
    uint32_t steps; /* values looked at so far */
};

struct head {
    uint32_t type;
    uint32_t size; /* of a pointer: where it leads */
};

static uint32_t pointer_target(struct cursor *cursor, uint32_t control)
{
    uint32_t high = control & 7;

    switch (control >> 3 & 3) {
    case 0:
        return high << 8 | cursor_u8(cursor);
    case 1:
        return (high << 16 | cursor_be16(cursor)) + 2048;
    case 2:
        return (high << 24 | cursor_be24(cursor)) + 526336;
    default:
        return cursor_be32(cursor);
    }
}

static uint32_t size_of(struct cursor *cursor, uint32_t size)
{
    switch (size) {
    case SIZE_1:
        return SIZE_1 + cursor_u8(cursor);
    case SIZE_2:
        return 285 + (uint32_t)cursor_be16(cursor);
    case SIZE_3:
        return 65821 + cursor_be24(cursor);
    default:
        return size;
    }
}

static bool head_take(struct section *section, struct cursor *cursor, struct head *out_head)
{
    uint32_t control = cursor_u8(cursor);
    uint32_t type = control >> 5;

    if (type == TYPE_POINTER) {
        *out_head = (struct head){.type = type, .size = pointer_target(cursor, control)};
    } else {
        type = type == TYPE_EXTENDED ? TYPE_EXTENDED_FIRST + (uint32_t)cursor_u8(cursor) : type;
        *out_head = (struct head){.type = type, .size = size_of(cursor, control & SIZE_BITS)};
    }
    section->steps++;
    return cursor_ok(cursor) && section->steps <= GEO_VALUE_STEPS;
}

static struct cursor cursor_to(const struct section *section, size_t offset)
{
    size_t at = offset < section->bytes ? offset : section->bytes;

    return cursor_over(section->data + at, section->bytes - at);
}

/* The value itself: *cursor stands behind its head. */
static bool head_follow(struct section *section, struct cursor *cursor, struct head *out_head)
{
    if (!head_take(section, cursor, out_head)) {
        return false;
    }
    if (out_head->type != TYPE_POINTER) {
        return true;
    }
    *cursor = cursor_to(section, out_head->size);
    return head_take(section, cursor, out_head) && out_head->type != TYPE_POINTER;
}

/* Bytes behind a head that are no values of their own. */
static size_t head_bytes(const struct head *head)
{
    bool none = head->type == TYPE_POINTER || head->type == TYPE_BOOL || head->type == TYPE_MAP ||
                head->type == TYPE_LIST;

    return none ? 0 : head->size;
}

static bool pass_over(struct section *section, struct cursor *cursor)
{
    for (uint64_t values = 1; values > 0; values--) {
        struct head head;
        if (!head_take(section, cursor, &head)) {
            return false;
        }
        cursor_skip(cursor, head_bytes(&head));
        values += head.type == TYPE_MAP ? 2 * (uint64_t)head.size : 0;
        values += head.type == TYPE_LIST ? head.size : 0;
    }
    return cursor_ok(cursor);
}

/* A text, or a pointer to one; *cursor moves behind it. */
static bool name_is(struct section *section, struct cursor *cursor, struct slice wanted,
                    bool *out_is)
{
    struct cursor at = *cursor;
    struct head head;
    const uint8_t *text;

    if (!pass_over(section, cursor) || !head_follow(section, &at, &head) ||
        head.type != TYPE_TEXT || (text = cursor_take(&at, head.size)) == NULL) {
        return false;
    }
    *out_is = slice_equal(slice_of(text, head.size), wanted);
    return true;
}

/* *cursor stands before a map, then before the value that has the name in it. */
static bool step_into(struct section *section, struct cursor *cursor, const char *name)
{
    struct head map;

    if (!head_follow(section, cursor, &map) || map.type != TYPE_MAP) {
        return false;
    }
    for (uint32_t i = 0; i < map.size; i++) {
        bool found = false;
        if (!name_is(section, cursor, slice_of_string(name), &found)) {
            return false;
        }
        if (found) {
            return true;
        }
        if (!pass_over(section, cursor)) {
            return false;
        }
    }
    return false;
}

static bool value_take(const struct head *head, struct cursor *cursor, struct geo_value *out_value)
{
    const uint8_t *at = cursor_take(cursor, head_bytes(head));
    bool is_number = head->type == TYPE_U16 || head->type == TYPE_U32 || head->type == TYPE_U64;

    *out_value = (struct geo_value){.kind = GEO_VALUE_OTHER};
    if (at == NULL || (is_number && head->size > sizeof out_value->number)) {
        return false;
    }
    if (head->type == TYPE_TEXT) {
        out_value->kind = GEO_VALUE_TEXT;
        out_value->text = slice_of(at, head->size);
    } else if (is_number) {
        out_value->kind = GEO_VALUE_NUMBER;
        for (uint32_t i = 0; i < head->size; i++) {
            out_value->number = out_value->number << 8 | at[i];
        }
    }
    return true;
}

bool geo_value_find(const uint8_t *data, size_t bytes, size_t offset, const char *const *path,
                    struct geo_value *out_value)
{
    struct section section = {.data = data, .bytes = bytes};
    struct cursor cursor = cursor_to(&section, offset);
    struct head head;

    for (; *path != NULL; path++) {
        if (!step_into(&section, &cursor, *path)) {
            return false;
        }
    }
    return head_follow(&section, &cursor, &head) && value_take(&head, &cursor, out_value);
}
