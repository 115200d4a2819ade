/* number_list.h - the operator's file of numbers: what a call to them may cost, said by hand.
 *
 * Owns      the rows.
 * Borrows   the path during open; digits during a look.
 * Time      none.
 * Bounds    NUMBERS_ROWS rows; one probe for each length that the file has.
 * Errors    STATUS_USAGE with file, line and column.
 * Thread    made at start and reload, read by the analyst.
 *
 * Columns: prefix,kind,points,cost,note (conf/numbers.csv says more). */
#ifndef SENSOR_LOOKUP_NUMBER_LIST_H
#define SENSOR_LOOKUP_NUMBER_LIST_H

#include "sensor/lookup/numbers.h"

enum number_row_kind {
    NUMBER_ROW_EXACT, /* this number; points for what it is */
    NUMBER_ROW_BLOCK, /* all that begin so; the same */
    NUMBER_ROW_COUNTRY, /* all that begin so; points for where it is */
    NUMBER_ROW_KINDS
};

struct number_row {
    uint64_t key; /* digits, their count and the kind; 0 = free */
    uint16_t cost_milli;
    uint8_t points;
    bool has_cost;
    uint32_t line;
};

struct number_list;

MUST_USE enum status number_list_open(const char *path, struct number_list **out_list,
                                      struct error *error);
size_t number_list_bytes_max(void);
void number_list_close(struct number_list *list); /* NULL is allowed */
/* The longest row of that kind that fits; NULL = none. A NULL list has none. */
const struct number_row *number_list_look(const struct number_list *list, enum number_row_kind kind,
                                          uint64_t e164, unsigned digits);

#endif
