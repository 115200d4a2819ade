/* names.c - a table of texts with a count of holders. A site has some ten agents and a few domains,
 * and a hundred thousand phones: two bytes each instead of sixty.
 *
 * A typedef for the id is the exception that a 16-bit handle deserves: it is no quantity.
 *
 * Limits: texts that are equal in their first NAMES_TEXT_BYTES are one. */
#include "sensor/state/names.h"

struct name {
    uint32_t holders;
    uint8_t bytes;
    char text[NAMES_TEXT_BYTES];
};

static struct table_options options_of(uint32_t names_max)
{
    return (struct table_options){
        .name = "names",
        .cells_max = names_max < NAMES_MAX ? names_max : NAMES_MAX,
        .cell_bytes = sizeof(struct name),
    };
}

enum status names_open(struct names *names, uint32_t names_max, struct hash_key key,
                       struct error *error)
{
    struct table_options options = options_of(names_max);

    names->key = key;
    return table_open(&names->table, &options, error);
}

void names_close(struct names *names)
{
    table_close(&names->table);
}

size_t names_bytes_max(uint32_t names_max)
{
    struct table_options options = options_of(names_max);

    return table_bytes_max(&options);
}

name_id names_take(struct names *names, struct slice text)
{
    struct slice kept = slice_part(text, 0, NAMES_TEXT_BYTES);

    if (kept.bytes == 0) {
        return 0;
    }
    uint64_t hash = hash_slice(names->key, kept);
    uint32_t cell = table_find(&names->table, hash);
    if (cell == TABLE_NONE) {
        if (names->table.used == names->table.options.cells_max) {
            return 0; /* never evict: somebody holds each */
        }
        bool is_new;
        cell = table_take(&names->table, hash, 0, 0, &is_new);
        struct name *made = table_at(&names->table, cell);
        made->bytes = (uint8_t)kept.bytes;
        memcpy(made->text, kept.at, kept.bytes);
    }
    struct name *name = table_at(&names->table, cell);
    name->holders++;
    return (name_id)(cell + 1);
}

void names_give(struct names *names, name_id id)
{
    if (id == 0) {
        return;
    }
    struct name *name = table_at(&names->table, id - 1U);
    assert(name->holders > 0);
    if (--name->holders == 0) {
        table_give(&names->table, id - 1U);
    }
}

struct slice names_text(const struct names *names, name_id id)
{
    if (id == 0) {
        return SLICE_NONE;
    }
    const struct name *name = table_at(&names->table, id - 1U);
    return slice_of(name->text, name->bytes);
}
