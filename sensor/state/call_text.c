/* call_text.c - why it is built so.
 *
 * A call keeps about a dozen strings, most of them short and most of them written when it begins.
 * Fixed fields would cost kilobytes, one block of one size would cut some and waste much; a chain
 * of 32-byte chunks costs what the text costs. A view copies it together, a few times in a call's
 * life. Fields that repeat another one (the To host that is the From host, the request URI that is
 * the To) are written as a reference.
 *
 * Limits: CALL_TEXT_BYTES of a call and the slab's chunks; a text that does not fit is left out. */
#include "sensor/state/call_cell.h"

enum { FIELD_HEAD = 3, FIELD_SAME = 0x80 };

struct chunk {
    uint32_t next; /* SLAB_NONE = last */
    char bytes[TEXT_OF_CHUNK];
};
static_assert(sizeof(struct chunk) == TEXT_CHUNK_BYTES, "chunks lie in cells of that size");

static struct chunk *chunk_at(const struct call_table *table, uint32_t chunk)
{
    return slab_at(&table->texts, chunk);
}

/* Bytes in the last chunk; a full one counts as full, not as empty. */
static uint32_t used_of_last(const struct call_cell *cell)
{
    return cell->text_bytes == 0 ? TEXT_OF_CHUNK : (cell->text_bytes - 1U) % TEXT_OF_CHUNK + 1;
}

static bool has_room(const struct call_table *table, const struct call_cell *cell, size_t bytes)
{
    size_t free_chunks = table->texts.cells_max - table->texts.cells_out;

    return cell->text_bytes + bytes <= CALL_TEXT_BYTES && bytes / TEXT_OF_CHUNK + 1 <= free_chunks;
}

static void append(struct call_table *table, struct call_cell *cell, const char *at, size_t bytes)
{
    while (bytes > 0) {
        uint32_t used = used_of_last(cell);
        if (used == TEXT_OF_CHUNK) {
            uint32_t chunk = slab_take(&table->texts);
            assert(chunk != SLAB_NONE);
            chunk_at(table, chunk)->next = SLAB_NONE;
            if (cell->text_first == SLAB_NONE) {
                cell->text_first = chunk;
            } else {
                chunk_at(table, cell->text_last)->next = chunk;
            }
            cell->text_last = chunk;
            used = 0;
        }
        size_t part = TEXT_OF_CHUNK - used < bytes ? TEXT_OF_CHUNK - used : bytes;
        memcpy(chunk_at(table, cell->text_last)->bytes + used, at, part);
        cell->text_bytes = (uint16_t)(cell->text_bytes + part);
        at += part;
        bytes -= part;
    }
}

void call_text_put(struct call_table *table, struct call_cell *cell, enum call_text field,
                   struct slice text)
{
    struct slice kept = slice_part(text, 0, TEXT_FIELD_MAX);
    const char head[FIELD_HEAD] = {(char)field, (char)(kept.bytes & 0xff), (char)(kept.bytes >> 8)};

    if (slice_is_empty(kept) || !has_room(table, cell, FIELD_HEAD + kept.bytes)) {
        return;
    }
    append(table, cell, head, FIELD_HEAD);
    append(table, cell, kept.at, kept.bytes);
}

void call_text_same(struct call_table *table, struct call_cell *cell, enum call_text field,
                    enum call_text as)
{
    const char head[FIELD_HEAD] = {(char)(field | FIELD_SAME), (char)as, 0};

    if (has_room(table, cell, FIELD_HEAD)) {
        append(table, cell, head, FIELD_HEAD);
    }
}

void call_text_give(struct call_table *table, struct call_cell *cell)
{
    for (uint32_t chunk = cell->text_first; chunk != SLAB_NONE;) {
        uint32_t next = chunk_at(table, chunk)->next;
        slab_give(&table->texts, chunk);
        chunk = next;
    }
    cell->text_first = SLAB_NONE;
    cell->text_last = SLAB_NONE;
    cell->text_bytes = 0;
}

static size_t gather(const struct call_table *table, const struct call_cell *cell, char *out)
{
    size_t done = 0;

    for (uint32_t chunk = cell->text_first; chunk != SLAB_NONE;
         chunk = chunk_at(table, chunk)->next) {
        size_t left = cell->text_bytes - done;
        size_t part = left < TEXT_OF_CHUNK ? left : TEXT_OF_CHUNK;
        memcpy(out + done, chunk_at(table, chunk)->bytes, part);
        done += part;
    }
    return done;
}

static struct slice uri_of_to(struct call_view *view, const struct slice *fields)
{
    struct text uri = text_into(view->uri, sizeof view->uri);

    text_string(&uri, "sip:");
    text_slice_put(&uri, fields[TEXT_TO_USER]);
    text_byte(&uri, '@');
    text_slice_put(&uri, fields[TEXT_TO_HOST]);
    return text_slice(&uri);
}

void call_text_get(const struct call_table *table, const struct call_cell *cell,
                   struct call_view *out_view, struct slice out_fields[TEXT_COUNT])
{
    size_t bytes = gather(table, cell, out_view->text);

    for (unsigned i = 0; i < TEXT_COUNT; i++) {
        out_fields[i] = SLICE_NONE;
    }
    for (size_t at = 0; at + FIELD_HEAD <= bytes;) {
        const uint8_t *head = (const uint8_t *)out_view->text + at;
        unsigned field = head[0] & ~(unsigned)FIELD_SAME;
        at += FIELD_HEAD;
        assert(field < TEXT_COUNT && head[1] + 256U * head[2] <= TEXT_FIELD_MAX);
        if ((head[0] & FIELD_SAME) != 0) {
            assert(head[1] < TEXT_COUNT);
            out_fields[field] =
                field == TEXT_URI ? uri_of_to(out_view, out_fields) : out_fields[head[1]];
            continue;
        }
        size_t length = head[1] + 256U * head[2];
        out_fields[field] = slice_of(out_view->text + at, length);
        at += length;
    }
}
