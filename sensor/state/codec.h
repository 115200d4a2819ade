/* codec.h - names of codecs as small numbers, so that calls and endpoints need one byte for one.
 *
 * Owns      the names.
 * Borrows   text during the call.
 * Time      none.
 * Bounds    CODEC_MAX pairs of name and clock rate; the common ones stand in it from the start, so
 *           that names invented by an attacker cannot push them out. Beyond: CODEC_NONE.
 * Errors    none.
 * Thread    the analyst's. */
#ifndef SENSOR_STATE_CODEC_H
#define SENSOR_STATE_CODEC_H

#include "decoders/sdp.h"

enum { CODEC_MAX = 255, CODEC_NONE = 0 };

struct codec {
    uint32_t clock_rate; /* 0 = not given */
    char name[SDP_CODEC_BYTES];
};

struct codec_table {
    uint32_t count; /* codecs[0] is none */
    struct codec codecs[CODEC_MAX + 1];
};

void codec_open(struct codec_table *table);
/* The number of (name without case, rate); CODEC_NONE for an empty name or when there is no room.
 * */
uint8_t codec_number(struct codec_table *table, const char *name, uint32_t clock_rate);
static inline const struct codec *codec_at(const struct codec_table *table, uint8_t number)
{
    return &table->codecs[number];
}
/* Telephone-event, comfort noise, redundancy, retransmission: never what a stream's codec is. */
bool codec_is_secondary(const char *name);

#endif
