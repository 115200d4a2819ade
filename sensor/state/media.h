/* media.h - streams joined to calls, in both directions, with their quality.
 *
 * Owns      the endpoints that SDP named, and what is remembered of each open stream.
 * Borrows   sightings during the call.
 * Time      state time, an argument.
 * Bounds    endpoints_max and streams_max; the longest idle goes and is counted.
 * Errors    open only.
 * Thread    the analyst's.
 *
 * docs/definitions.md: an offer or answer names where its sender wants to receive: endpoint ->
 * (call, side, media line). A stream joins by (1) its destination, (2) its destination's port with
 * the signalling address of that party (NAT), (3) the reverse direction: its source is an endpoint
 * of the call (symmetric RTP). A port used again belongs to the newest live call; the old keeps it
 * until its end + 5 s. Candidates are admitted where an SDP named their destination and they had 3
 * packets. The clock of a dynamic payload type comes from the SDP that its sender's peer sent;
 * without one from the slope (docs/architecture.md). */
#ifndef SENSOR_STATE_MEDIA_H
#define SENSOR_STATE_MEDIA_H

#include "sensor/state/call.h"
#include "sensor/state/quality.h"

enum media_clock_basis {
    MEDIA_CLOCK_STATIC,
    MEDIA_CLOCK_SDP,
    MEDIA_CLOCK_SLOPE,
    MEDIA_CLOCK_UNSUPPORTED,
    MEDIA_CLOCK_UNKNOWN
};

/* A stream, as changes show it; figures stand in change.stream_sighting. */
struct media_stream {
    uint64_t stream_number;
    struct endpoint source;
    struct endpoint destination;
    uint32_t ssrc;
    uint32_t clock_rate; /* 0 = unknown */
    uint8_t clock_basis; /* enum media_clock_basis */
    uint8_t clock_index; /* of the sighting's jitter figures; STREAM_CLOCKS = none */
    uint8_t payload_type;
    uint8_t security; /* enum sdp_security */
    bool expected_by_sdp; /* an SDP named its destination */
    bool learned; /* joined by the reverse direction or NAT */
    bool nat; /* its source is not what its sender's SDP said */
    bool from_caller; /* direction: caller to callee */
    bool held;
    bool is_new; /* BEGUN; INTERVAL: that it began was not told before */
    uint64_t silent_ns; /* SILENT and RESUMED: its last packet before */
    uint16_t ptime_ms; /* 0 = unknown */
    char codec[16]; /* "" = unknown */
    uint32_t call_cell; /* TABLE_NONE = no call */
    uint32_t call_generation;
    const struct call *call; /* NULL = no call; valid during the change */
    struct quality_score interval; /* score.mos_milli == 0: none */
    struct quality_score total;
    uint32_t mos_min_milli; /* worst interval; 0 = none */
    uint64_t round_trip_mean_ns; /* by RTCP; 0 = none */
    uint64_t round_trip_max_ns;
    uint32_t rtcp_reports;
    int64_t rtcp_lost; /* last cumulative minus first */
    uint32_t rtcp_fraction_max; /* of 256 */
    uint64_t rtcp_jitter_max_ns;
};

struct media_table;

struct media_limits {
    uint32_t endpoints_max;
    uint32_t streams_max;
    struct hash_key key;
};

MUST_USE enum status media_open(const struct media_limits *limits, struct call_table *calls,
                                struct change_sink sink, struct media_table **out_table,
                                struct error *error);
void media_close(struct media_table *table);
size_t media_bytes_max(const struct media_limits *limits);
/* Looks ahead for media_see_sdp(). */
void media_prefetch(const struct media_table *table, const struct sip_sighting *sip);
/* The SDP of a message of call `cell` (after call_see). */
void media_see_sdp(struct media_table *table, const struct sip_sighting *sip, uint32_t cell);
void media_see_stream(struct media_table *table, const struct stream_sighting *sighting,
                      bool forced);
/* Streams between two intervals: who is heard behind the end of a call that is watched. */
void media_see_alive(struct media_table *table, const struct alive_sighting *alive);
void media_see_rtcp(struct media_table *table, const struct rtcp_sighting *sighting);
void media_mark(struct media_table *table, uint64_t mark_s, uint64_t shift_ns);
uint64_t media_evicted(const struct media_table *table);
uint32_t media_used(const struct media_table *table);

#endif
