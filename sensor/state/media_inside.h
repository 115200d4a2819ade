/* media_inside.h - what media.c, media_join.c and media_sdp.c share.
 *
 * Owns      nothing: the media table does.
 * Borrows   nothing.
 * Time      state time, ns.
 * Bounds    those of media.h.
 * Errors    none.
 * Thread    the analyst's. */
#ifndef SENSOR_STATE_MEDIA_INSIDE_H
#define SENSOR_STATE_MEDIA_INSIDE_H

#include "sensor/state/call_cell.h"
#include "sensor/state/endpoint.h"
#include "sensor/state/media.h"
#include "sensor/state/roundtrip.h"

struct media_table {
    struct table streams; /* open ones, by the number of their first packet */
    struct endpoint_table endpoints;
    struct roundtrip_table roundtrips;
    struct call_table *calls;
    struct change_sink sink;
    struct hash_key key;
};

enum open_stream_flag {
    OPEN_FROM_CALLER = 1,
    OPEN_LEARNED = 2,
    OPEN_EXPECTED = 4, /* an SDP named its destination */
    OPEN_NAT = 8,
    OPEN_BEGUN = 16, /* that it began was told */
};

/* What is remembered of an open stream between two of its sightings. */
struct open_stream {
    uint64_t silent_ns; /* its last packet before it fell silent; 0 = it never did */
    uint32_t call; /* TABLE_NONE = none */
    uint32_t generation;
    uint32_t before; /* open streams of the same call */
    uint32_t after;
    uint32_t mos_min_milli;
    uint32_t mos_milli; /* of the whole stream, as last told */
    uint32_t loss_ppm;
    uint32_t dtmf_events;
    uint8_t codec; /* what the SDP said of its payload type */
    uint8_t codec_type;
    uint8_t security;
    uint8_t flags; /* enum open_stream_flag */
};

/* --- media_sound.c --- */
/* What it says of who is heard in its call. */
void media_note_sound(struct media_table *table, const struct stream_sighting *sighting,
                      const struct open_stream *stream);
void media_judge(void *owner, uint32_t call);

/* --- media_join.c --- */
/* Finds the call of a stream that has none, or whose call is long over; true: it has one now that
 * it had not. */
bool media_join(struct media_table *table, const struct stream_sighting *sighting,
                struct open_stream *stream);
/* The claim at the stream's destination (or, towards = false, at its source) that belongs to its
 * call; NULL: none. */
const struct endpoint_claim *media_claim(const struct media_table *table,
                                         const struct sighting *head,
                                         const struct open_stream *stream, bool towards);
/* The call that RTCP between these two belongs to, or TABLE_NONE. */
uint32_t media_call_of_rtcp(const struct media_table *table, const struct sighting *head);
bool media_has_call(const struct media_table *table, const struct open_stream *stream);

#endif
