/* rtcp.h - compound RTCP (RFC 3550 section 6, RFC 5506, RFC 5761): reports, CNAMEs, goodbyes.
 *
 * Owns      nothing.
 * Borrows   the bytes; CNAMEs are slices into them.
 * Time      none.
 * Bounds    RTCP_REPORTS_MAX report blocks and RTCP_SOURCES_MAX sources of one datagram; more are
 *           counted in `beyond`.
 * Errors    enum reason; a compound that is damaged behind a good first packet gives what was read
 *           and `damaged`.
 * Thread    any. */
#ifndef DECODERS_RTCP_H
#define DECODERS_RTCP_H

#include "base/cursor.h"
#include "decoders/reason.h"

enum { RTCP_REPORTS_MAX = 31, RTCP_SOURCES_MAX = 8 };

struct rtcp_report {
    uint32_t ssrc; /* about whom */
    uint8_t fraction_lost; /* of 256, since the report before */
    int32_t cumulative_lost; /* signed 24 bits */
    uint32_t highest_sequence;
    uint32_t jitter; /* in units of the reported stream's clock */
    uint32_t last_sr; /* middle 32 bits of NTP; 0 = none */
    uint32_t delay_since_sr; /* 1/65536 s */
};

struct rtcp_view {
    uint32_t sender; /* SSRC of the first packet */
    bool has_sender_info; /* SR */
    bool has_bye;
    bool damaged;
    bool encrypted; /* SRTCP by shape: only the first 8 bytes were read */
    bool reduced; /* no SR or RR in front (RFC 5506): weaker evidence */
    uint8_t report_count;
    uint8_t beyond;
    uint8_t packets; /* RTCP packets in the compound */
    uint64_t ntp; /* of the SR */
    uint32_t rtp_timestamp;
    uint32_t sender_packets;
    uint32_t sender_bytes;
    struct rtcp_report reports[RTCP_REPORTS_MAX];
    uint8_t cname_count;
    struct {
        uint32_t ssrc;
        struct slice cname;
    } cnames[RTCP_SOURCES_MAX];
};

/* By content: the first packet is SR or RR (or, reduced-size, another known type whose lengths all
 * add up). */
enum reason rtcp_decode(const uint8_t *at, uint32_t bytes, uint32_t wire_bytes,
                        struct rtcp_view *out_view);
/* Second byte 192 to 223: RTCP where RTP and RTCP share a port (RFC 5761 section 4). */
static inline bool rtcp_is_type(uint8_t second)
{
    return second >= 192 && second <= 223;
}

#endif
