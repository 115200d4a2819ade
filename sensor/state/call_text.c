/* call_text.c - why it is built so.
 *
 * A call keeps about a dozen strings, most of them short and most of them written when it begins.
 * Fixed fields would cost kilobytes, one block of one size would cut some and waste much; a chain
 * of 32-byte chunks costs what the text costs. A view copies it together, a few times in a call's
 * life: whole chunks, so that each copy is a few moves. Fields that repeat another one (the To host
 * that is the From host, the request URI that is the To) are written as a reference.
 *
 *   chunk  [next 4 | 28 bytes]     field  [id 1 | bytes 1, 0 = 256 | text]  or  [id | 80h | its id]
 *
 * Limits: CALL_TEXT_BYTES of a call and the chunks of the pool; a text that does not fit is left
 * out. */
#include "sensor/state/call_cell.h"

enum { FIELD_HEAD = 2, FIELD_SAME = 0x80, TEXT_OF_CHUNK = 28, TEXT_CHUNK_BYTES = 32 };
static_assert((int)CALL_TEXT_SLACK >= (int)TEXT_OF_CHUNK,
              "whole chunks are copied behind the last text");
static_assert(TEXT_FIELD_MAX == 256, "a length of 256 is written as 0");

struct text_chunk {
    uint32_t next; /* CALL_TEXT_NONE = last; of a free one: the next free one */
    char bytes[TEXT_OF_CHUNK];
};
static_assert(sizeof(struct text_chunk) == TEXT_CHUNK_BYTES, "two to a line");

/* --- the pool: a slab without generations, for four bytes in thirty-two --- */

enum status call_text_open(struct call_text_pool *pool, uint32_t chunks_max, struct error *error)
{
    pool->chunks_max = chunks_max;
    pool->high_water = 0;
    pool->used = 0;
    pool->free_head = CALL_TEXT_NONE;
    return region_open(call_text_bytes_max(chunks_max), &pool->region, error);
}

void call_text_close(struct call_text_pool *pool)
{
    region_close(&pool->region);
}

size_t call_text_bytes_max(uint32_t chunks_max)
{
    return (size_t)chunks_max * TEXT_CHUNK_BYTES;
}

static struct text_chunk *chunk_at(const struct call_text_pool *pool, uint32_t chunk)
{
    assert_hot(chunk < pool->high_water);
    return (struct text_chunk *)pool->region.at + chunk;
}

static uint32_t chunk_take(struct call_text_pool *pool)
{
    uint32_t chunk = pool->free_head;

    assert(pool->used < pool->chunks_max);
    pool->used++;
    if (chunk == CALL_TEXT_NONE) {
        chunk = pool->high_water++;
    } else {
        pool->free_head = chunk_at(pool, chunk)->next;
    }
    chunk_at(pool, chunk)->next = CALL_TEXT_NONE;
    return chunk;
}

/* Chunks of one call are mostly taken in a row, two to a line. */
void call_text_prefetch(const struct call_table *table, const struct call_cell *cell)
{
    if (cell->text_first != CALL_TEXT_NONE) {
        const struct text_chunk *first = chunk_at(&table->texts, cell->text_first);
        for (unsigned i = 0; i < 8; i += 2) {
            __builtin_prefetch(first + i);
        }
    }
}

void call_text_give(struct call_table *table, struct call_cell *cell)
{
    struct call_text_pool *pool = &table->texts;

    for (uint32_t chunk = cell->text_first; chunk != CALL_TEXT_NONE;) {
        uint32_t next = chunk_at(pool, chunk)->next;
        chunk_at(pool, chunk)->next = pool->free_head;
        pool->free_head = chunk;
        pool->used--;
        chunk = next;
    }
    cell->text_first = CALL_TEXT_NONE;
    cell->text_last = CALL_TEXT_NONE;
    cell->text_bytes = 0;
}

/* --- writing --- */

static bool has_room(const struct call_text_pool *pool, const struct call_cell *cell, size_t bytes)
{
    return cell->text_bytes + bytes <= CALL_TEXT_BYTES &&
           bytes / TEXT_OF_CHUNK + 1 <= pool->chunks_max - pool->used;
}

/* Bytes in the last chunk; a full one counts as full, not as empty. */
static uint32_t used_of_last(const struct call_cell *cell)
{
    return cell->text_bytes == 0 ? TEXT_OF_CHUNK : (cell->text_bytes - 1U) % TEXT_OF_CHUNK + 1;
}

static void append(struct call_text_pool *pool, struct call_cell *cell, const char *at,
                   size_t bytes)
{
    uint32_t used = used_of_last(cell);

    while (bytes > 0) {
        if (used == TEXT_OF_CHUNK) {
            uint32_t chunk = chunk_take(pool);
            if (cell->text_first == CALL_TEXT_NONE) {
                cell->text_first = chunk;
            } else {
                chunk_at(pool, cell->text_last)->next = chunk;
            }
            cell->text_last = chunk;
            used = 0;
        }
        size_t part = TEXT_OF_CHUNK - used < bytes ? TEXT_OF_CHUNK - used : bytes;
        memcpy(chunk_at(pool, cell->text_last)->bytes + used, at, part);
        cell->text_bytes = (uint16_t)(cell->text_bytes + part);
        used += (uint32_t)part;
        at += part;
        bytes -= part;
    }
}

/* One field into `out`; how many bytes it took. */
static size_t write_field(char *out, const struct call_text_item *item)
{
    size_t bytes = item->text.bytes < TEXT_FIELD_MAX ? item->text.bytes : TEXT_FIELD_MAX;

    if (item->same_as != TEXT_END) {
        out[0] = (char)(item->field | FIELD_SAME);
        out[1] = (char)item->same_as;
        return FIELD_HEAD;
    }
    if (bytes == 0) {
        return 0;
    }
    out[0] = (char)item->field;
    out[1] = (char)(bytes & 0xff);
    memcpy(out + FIELD_HEAD, item->text.at, bytes);
    return FIELD_HEAD + bytes;
}

void call_text_put(struct call_table *table, struct call_cell *cell,
                   const struct call_text_item *items, size_t count)
{
    char *scratch = table->text_scratch;
    size_t bytes = 0;

    for (size_t i = 0; i < count; i++) {
        if (bytes + FIELD_HEAD + TEXT_FIELD_MAX > CALL_TEXT_BYTES) {
            break;
        }
        bytes += write_field(scratch + bytes, &items[i]);
    }
    if (has_room(&table->texts, cell, bytes)) {
        append(&table->texts, cell, scratch, bytes);
    }
}

/* --- reading --- */

static size_t gather(const struct call_text_pool *pool, const struct call_cell *cell, char *out)
{
    for (uint32_t chunk = cell->text_first; chunk != CALL_TEXT_NONE;) {
        const struct text_chunk *from = chunk_at(pool, chunk);
        memcpy(out, from->bytes, TEXT_OF_CHUNK);
        out += TEXT_OF_CHUNK;
        chunk = from->next;
    }
    return cell->text_bytes;
}

static char *put(char *at, struct slice text)
{
    if (text.bytes > 0) {
        memcpy(at, text.at, text.bytes);
    }
    return at + text.bytes;
}

/* A field has at most TEXT_FIELD_MAX bytes, so there is room. */
static struct slice uri_of_to(struct call_view *view, const struct slice *fields)
{
    char *at = put(view->uri, SLICE("sip:"));

    at = put(at, fields[TEXT_TO_USER]);
    *at++ = '@';
    at = put(at, fields[TEXT_TO_HOST]);
    return slice_of(view->uri, (size_t)(at - view->uri));
}

void call_text_get(const struct call_table *table, const struct call_cell *cell,
                   struct call_view *out_view, struct slice out_fields[TEXT_COUNT])
{
    size_t bytes = gather(&table->texts, cell, out_view->text);

    memset(out_fields, 0, TEXT_COUNT * sizeof out_fields[0]);
    for (size_t at = 0; at + FIELD_HEAD <= bytes;) {
        unsigned field = (uint8_t)out_view->text[at] & ~(unsigned)FIELD_SAME;
        bool same = ((uint8_t)out_view->text[at] & FIELD_SAME) != 0;
        unsigned value = (uint8_t)out_view->text[at + 1];
        at += FIELD_HEAD;
        assert(field < TEXT_COUNT);
        if (same) {
            assert(value < TEXT_COUNT);
            out_fields[field] =
                field == TEXT_URI ? uri_of_to(out_view, out_fields) : out_fields[value];
            continue;
        }
        size_t length = value == 0 ? TEXT_FIELD_MAX : value;
        out_fields[field] = slice_of(out_view->text + at, length);
        at += length;
    }
}
