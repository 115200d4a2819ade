/* field_tree.c - one walk over fields.def that opens and closes objects.
 *
 * The rows stand in the order of nesting (a test holds them to it), so one look at the row before
 * tells how many objects stay open:
 *
 *   sip.from.tag            close `from`, open `to` and `uri`
 *   sip.to.uri.original     leaf `original` at depth 3
 *
 * What is printed for objects and leaves (JSON Schema, index template) is the visitor's. */
#include "outputs/field_tree.h"

/* How many leading segments two names share; the last segment of a name is no object. */
static unsigned shared_objects(const char *one, const char *other)
{
    unsigned shared = 0;

    for (; *one == *other && *one != 0; one++, other++) {
        shared += *one == '.';
    }
    return shared;
}

static unsigned depth_of(const char *name)
{
    unsigned depth = 0;

    for (; *name != 0; name++) {
        depth += *name == '.';
    }
    return depth;
}

void field_tree_walk(const struct field_tree_visitor *visitor)
{
    const char *previous = "";
    unsigned depth = 0;
    bool first = true;

    for (unsigned i = 0; i < FIELD_COUNT; i++) {
        const char *name = field_rows[i].name;
        unsigned shared = shared_objects(previous, name);
        while (depth > shared) {
            visitor->close(visitor->owner, --depth);
            first = false;
        }
        struct slice rest = slice_of_string(name);
        for (unsigned level = 0; level < shared; level++) {
            (void)slice_split(&rest, '.');
        }
        for (; depth < depth_of(name); depth++) {
            visitor->open(visitor->owner, slice_split(&rest, '.'), depth, first);
            first = true;
        }
        visitor->leaf(visitor->owner, rest, depth, first, (enum field)i);
        first = false;
        previous = name;
    }
    while (depth > 0) {
        visitor->close(visitor->owner, --depth);
    }
}
