/* field_tree.h - the rows of fields.def as the objects that their names nest in.
 *
 * Owns      nothing.
 * Borrows   the visitor during the call; names are those of the rows.
 * Time      none.
 * Bounds    as deep as the longest name has dots.
 * Errors    none.
 * Thread    any. */
#ifndef OUTPUTS_FIELD_TREE_H
#define OUTPUTS_FIELD_TREE_H

#include "outputs/record.h"

/* `depth`: how many objects are open around it. `first`: nothing stands before it in its object. */
struct field_tree_visitor {
    void *owner;
    void (*open)(void *owner, struct slice name, unsigned depth, bool first);
    void (*leaf)(void *owner, struct slice name, unsigned depth, bool first, enum field field);
    void (*close)(void *owner, unsigned depth);
};

void field_tree_walk(const struct field_tree_visitor *visitor);

#endif
