/* encode_json_inside.h - the literals of the JSON encoder. Between its two files only.
 *
 * Owns      struct encode_json: made at open, read by every record.
 * Borrows   nothing.
 * Time      the date of the day that was printed last.
 * Bounds    a name of DEPTH_MAX - 1 objects and KEY_BYTES_MAX bytes, asserted at open.
 * Errors    open only.
 * Thread    one at a time for each encoder. */
#ifndef OUTPUTS_ENCODE_JSON_INSIDE_H
#define OUTPUTS_ENCODE_JSON_INSIDE_H

#include "outputs/community_id.h"
#include "outputs/encode_json.h"

/* Literals are copied in whole steps of COPY_BYTES: what is copied beyond their end is written
 * over. */
enum {
    DEPTH_MAX = 8,
    COPY_BYTES = 16,
    KEY_BYTES_MAX = 84,
    HEAD_BYTES_MAX = 192,
    DAY_BYTES = 11,
    SECOND_BYTES = 20,
    PAIRS = 256,
};

/* How the value of a field stands in its object. */
enum key_form { KEY_VALUE, KEY_LIST, KEY_MAP };

struct key {
    /* Identities of the objects around the value, its first field each: level k in bits 16 k of one
     * and of the other from level 4 on. Behind the innermost stands what no other field has. */
    uint64_t outer;
    uint64_t inner;
    uint8_t depth; /* objects around the value */
    uint8_t bytes;
    uint8_t form; /* enum key_form */
    uint8_t level_at[DEPTH_MAX]; /* where segment k begins in `text`; [depth] is the name itself */
    char text[KEY_BYTES_MAX + COPY_BYTES];
};
static_assert(sizeof(struct key) == 128, "a key is found by a shift");

/* A part of an IPv4 address, with the point behind it. */
struct octet {
    char text[4];
    uint32_t bytes;
};

/* What a record of a dataset begins with, in four pieces: the maker may put its own category and
 * type between. */
struct head {
    uint8_t kind_bytes;
    uint8_t category_bytes;
    uint8_t type_bytes;
    uint8_t dataset_bytes;
    char kind[HEAD_BYTES_MAX]; /* ","ecs":{...},"event":{"kind":"event" */
    char category[HEAD_BYTES_MAX]; /* ,"category":["network"] */
    char type[HEAD_BYTES_MAX];
    char dataset[HEAD_BYTES_MAX]; /* ,"module":"earshot","dataset":"earshot.call","id":" */
};

struct encode_json {
    struct community_id *community;
    uint64_t day; /* whose date stands in day_text: 2026-01-01T */
    char day_text[DAY_BYTES];
    uint64_t second; /* which stands in second_text: 2026-01-01T00:00:00. */
    char second_text[SECOND_BYTES];
    char hex[PAIRS][2]; /* a byte */
    struct octet octets[PAIRS];
    size_t observer_bytes;
    char observer[2560]; /* three names of at most 128 bytes, each of which may need an escape of
                            six */
    struct head heads[DATASET_COUNT];
    struct key keys[FIELD_COUNT];
};

#endif
