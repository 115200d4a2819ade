/* sighting.h - DOOR 1: all that a worker tells the analyst.
 *
 * Owns      nothing: sightings are records in a ring.
 * Borrows   a SIP sighting's message points at bytes that live until the analyst has passed its
 *           number.
 * Time      time_ns is the packet's own stamp; state_ns what state shall believe.
 * Bounds    a sighting is at most SIGHTING_BYTES_MAX bytes, 16-aligned, contiguous.
 * Errors    none.
 * Thread    written by one producer (worker or dealer), read by the analyst.
 *
 * Order key: (number << 1 | 1) for what a packet tells, number << 1 for what
 * falls at a mark before packet `number`; then `sub`. The key is total and free of the number of
 * workers:
 *
 *   packet  index in the frame (messages of one segment)
 *           SUB_ENDED | first number, of streams that it pushed out; SUB_PROOF, SUB_REFUSED,
 *           SUB_ANSWERED
 *   mark    first number of the stream; of ALIVE: of the last stream in it, or SUB_ALIVE
 *           SUB_MESSAGES | a number of the TCP stream whose message the mark cut off
 *           SUB_FLOWS | first number of the flow
 *           SUB_COUNTS, SUB_MARK
 *           all with the ordinal of the mark before this frame above SUB_MARK_SHIFT
 *
 * Each producer writes in ascending (key, sub). The analyst acts on the first of N equal marks and
 * drops the others; COUNTS of all producers are added up before it. */
#ifndef SENSOR_FLOWS_SIGHTING_H
#define SENSOR_FLOWS_SIGHTING_H

#include "base/addr.h"
#include "base/counter.h"
#include "decoders/icmp.h"
#include "decoders/rtcp.h"
#include "decoders/sdp.h"
#include "sensor/flows/sip_keys.h"

enum sighting_kind {
    SIGHTING_SIP, /* struct sip_sighting */
    SIGHTING_STREAM, /* struct stream_sighting: begun, interval, silent, resumed, end, candidate */
    SIGHTING_ALIVE, /* struct alive_sighting: streams that got a packet in the last second */
    SIGHTING_RTCP, /* struct rtcp_sighting */
    SIGHTING_FLOW, /* struct flow_sighting: a flow ended */
    SIGHTING_PROOF, /* struct proof_sighting: TCP or STUN showed that an address hears us */
    SIGHTING_REFUSED, /* struct refused_sighting: what was sent did not get there */
    SIGHTING_ANSWERED, /* head only: `source` has got something over TCP since its last request */
    SIGHTING_COUNTS, /* struct counts_sighting */
    SIGHTING_MARK, /* struct mark_sighting */
    SIGHTING_END, /* head only: this producer has nothing more */
};

enum { SIGHTING_BYTES_MAX = 16 << 10 };
#define SUB_ENDED (UINT64_C(1) << 62)
/* At one number or mark: streams come first, then messages of TCP streams that a mark cut, then
 * flows. */
#define SUB_MESSAGES (UINT64_C(1) << 54)
#define SUB_ALIVE (SUB_MESSAGES - 1)
#define SUB_FLOWS (UINT64_C(1) << 55)
#define SUB_PROOF (UINT64_C(1) << 63) /* of a packet: behind what it pushed out */
#define SUB_REFUSED (SUB_PROOF + 1)
#define SUB_ANSWERED (SUB_PROOF + 2)
/* Several marks may fall before one frame: the n-th has n above bit 56 of every sub. */
#define SUB_MARK_SHIFT 56
#define SUB_COUNTS ((UINT64_C(1) << SUB_MARK_SHIFT) - 2)
#define SUB_MARK ((UINT64_C(1) << SUB_MARK_SHIFT) - 1)

struct sighting {
    uint32_t bytes; /* the whole record with its tail, multiple of 16 */
    uint8_t kind; /* enum sighting_kind */
    uint8_t transport; /* enum sip_transport for SIP; enum protocol otherwise */
    uint16_t interface;
    uint64_t key;
    uint64_t sub;
    uint64_t time_ns;
    uint64_t state_ns;
    struct addr source;
    struct addr destination;
    uint16_t source_port;
    uint16_t destination_port;
    uint16_t vlan_outer; /* id + 1; 0 = none */
    uint16_t vlan_inner;
    uint32_t vni; /* + 1; 0 = none */
    uint8_t ttl;
    uint8_t fragments; /* 0 = came whole */
    uint16_t reserved;
};

static inline uint64_t sighting_number(const struct sighting *sighting)
{
    return sighting->key >> 1;
}

struct sip_sighting {
    struct sighting head;
    uint64_t first_byte_ns; /* TCP: when the message began; else time_ns */
    uint32_t wire_bytes; /* IP bytes of the packet(s) that carried it, for records */
    bool has_sdp; /* struct sdp follows */
    uint8_t reserved[3];
    struct sip_keys keys;
    struct sip_message message; /* parts point into message.raw */
    struct sdp sdp[]; /* one, if has_sdp; cut behind its last media line */
};

/* BEGUN and RESUMED say when, and whose stream it is; figures come with the others. */
enum stream_event {
    STREAM_INTERVAL,
    STREAM_SILENT, /* no packet for 3 s */
    STREAM_BEGUN, /* at the first mark behind its probation */
    STREAM_RESUMED, /* a packet came after it was told silent */
    STREAM_ENDED,
    STREAM_CANDIDATE
};

enum { STREAM_CLOCKS = 6 };
/* 8000, 16000, 32000, 44100, 48000, 90000 */
extern const uint32_t stream_clock_rates[STREAM_CLOCKS];

/* Counts of a stream, whole or of one interval. */
struct stream_counts {
    uint64_t packets; /* all received, duplicates included */
    uint64_t bytes; /* IP bytes */
    uint64_t expected; /* highest extended - first + 1 */
    uint64_t lost; /* expected - distinct, never negative */
    uint64_t duplicates;
    uint64_t mirrored; /* part of duplicates: within 1 ms with the same TTL */
    uint64_t reordered; /* RFC 4737 Type-P */
    uint64_t late; /* reordered, and more than 200 ms behind their place (static clocks only) */
    uint32_t resets; /* restarts of the sequence (probed, not counted as loss) */
    uint32_t longest_loss; /* longest run of missing sequence numbers */
    uint32_t loss_runs; /* how many runs: mean run = lost / loss_runs */
    uint32_t delta_max_us;
};

/* The recursion of RFC 3550 A.8 in ns: mean over all updates, largest, and the last value. */
struct stream_jitter {
    uint64_t mean_ns;
    uint64_t max_ns;
    uint64_t last_ns;
};

struct stream_sighting {
    struct sighting head;
    uint64_t stream_number; /* number of its first packet: its identity */
    uint8_t event; /* enum stream_event */
    uint8_t end_reason; /* enum stream_end, for ENDED */
    uint8_t payload_type; /* the most frequent audio or video one */
    uint8_t payload_types; /* how many different were seen, saturating */
    bool clock_is_static; /* jitter[0] holds the figures of clock_rate; else all six */
    bool secondary_types; /* comfort noise or telephone-event packets were seen */
    uint16_t index; /* of the interval, from 0 */
    uint32_t ssrc;
    uint32_t clock_rate; /* static types; 0 otherwise */
    uint32_t slope_rate; /* nearest clock to the stream's slope, 0 = not known yet (50 packets over
                            1 s) */
    uint32_t second_packets_max; /* its worst second */
    uint32_t payload_bytes_typical;
    uint32_t ptime_us; /* typical time-stamp step at its clock; 0 = not known */
    uint64_t first_ns; /* first and last packet of the stream */
    uint64_t last_ns;
    uint64_t interval_from_ns; /* INTERVAL: what it covers */
    uint64_t interval_to_ns;
    uint32_t dtmf_events; /* RFC 4733 events (end counted once); never their digits */
    uint32_t comfort_noise; /* packets */
    struct stream_counts total;
    struct stream_counts
        interval; /* since the interval before; zero at ENDED if one was just told */
    struct stream_jitter jitter[STREAM_CLOCKS]; /* all packets, arrival order */
    struct stream_jitter variation[STREAM_CLOCKS]; /* what docs/definitions.md leaves */
    struct stream_jitter interval_variation[STREAM_CLOCKS];
    struct stream_jitter interval_jitter[STREAM_CLOCKS];
};

/* One stream that is heard, as its interval would tell it if it ended now. */
struct alive_stream {
    uint64_t stream_number;
    uint64_t from_ns; /* what the interval covers so far */
    uint64_t last_ns; /* its last packet */
    struct addr source;
    struct addr destination;
    uint16_t source_port;
    uint16_t destination_port;
    uint32_t packets; /* of the interval so far, saturating */
};

/* At each mark, of a worker that heard any. At those that 5 s divide nobody is named, for then all
 * tell their intervals. The streams of one mark may come in several of these and in any order: what
 * is made of them must not depend on it. */
struct alive_sighting {
    struct sighting head;
    uint64_t newest_ns; /* last packet of all these but of those that have just resumed; 0 = none */
    uint32_t stream_count;
    uint32_t reserved;
    struct alive_stream streams[];
};
enum { ALIVE_STREAMS_MAX = 240 };
static_assert(sizeof(struct alive_sighting) + ALIVE_STREAMS_MAX * sizeof(struct alive_stream) <=
                  SIGHTING_BYTES_MAX,
              "a full one fits");

enum stream_end { STREAM_END_IDLE, STREAM_END_EVICTED, STREAM_END_CAPTURE };

struct rtcp_sighting {
    struct sighting head;
    struct rtcp_view view; /* CNAME slices are not carried: cname_count is 0 */
};

enum flow_application { /* own decoder's word, before nDPI's */
                        FLOW_UNKNOWN,
                        FLOW_SIP,
                        FLOW_RTP,
                        FLOW_RTCP,
                        FLOW_STUN,
};

struct flow_sighting {
    struct sighting head; /* source = originator: who sent the first packet */
    uint64_t flow_number; /* of its first packet */
    uint64_t first_ns;
    uint64_t last_ns;
    uint64_t forward_bytes; /* IP bytes and packets, originator's first */
    uint64_t forward_packets;
    uint64_t backward_bytes;
    uint64_t backward_packets;
    uint8_t application; /* enum flow_application */
    uint8_t end_reason; /* enum stream_end */
    uint8_t tcp_flags; /* all seen */
    bool ndpi_guessed; /* only a guess: never trusted */
    char ndpi_master[24]; /* "" = none */
    char ndpi_app[24];
};

enum proof_kind { PROOF_TCP, PROOF_STUN };

struct proof_sighting {
    struct sighting head; /* source = the address that claims to hear */
    uint8_t proof; /* enum proof_kind */
    bool answer; /* STUN: a response (else a request); TCP: see sequences */
    uint8_t reserved[6];
    uint8_t transaction[12]; /* STUN */
    uint32_t sequence_end; /* TCP: highest sent and acknowledged of this direction so far */
    uint32_t acknowledged;
};

/* ICMP or TCP said that a request, or a connection for some, did not get there. */
struct refused_sighting {
    struct sighting head; /* source and destination of what was refused: who asks, and whom */
    struct addr told_by; /* TCP: the destination */
    uint8_t why; /* enum undelivered */
    uint8_t reserved[7];
};

enum { COUNT_INTERFACES = 64 };

/* Ids of counters that travel: frames by reason, SIP by kind. The analyst adds them up for the
 * sensor record. */
enum count_id {
    COUNT_FRAMES,
    COUNT_BYTES,
    COUNT_DECODED,
    COUNT_IGNORED,
    COUNT_MALFORMED,
    COUNT_DUPLICATES,
    COUNT_SIP_MESSAGES,
    COUNT_SIP_MALFORMED,
    COUNT_RTP_PACKETS,
    COUNT_RTCP_PACKETS,
    COUNT_STREAMS,
    COUNT_FLOWS,
    COUNT_KERNEL_OFFERED, /* live: frames that passed the filter, and what was lost before us */
    COUNT_KERNEL_DROPPED,
    COUNT_INTERFACE_DROPPED,
    COUNT_RECORDS_DROPPED, /* live: by the analyst, for want of room towards the writer */
    COUNT_REASON_FIRST,
    COUNT_SIP_ANOMALY_FIRST = COUNT_REASON_FIRST + REASON_COUNT, /* messages with this kind */
    COUNT_FRAME_ANOMALY_FIRST = COUNT_SIP_ANOMALY_FIRST + ANOMALY_COUNT, /* overlaps, below SIP */
    COUNT_REQUEST_FIRST = COUNT_FRAME_ANOMALY_FIRST + ANOMALY_COUNT, /* by enum sip_method */
    COUNT_RESPONSE_FIRST =
        COUNT_REQUEST_FIRST + SIP_METHOD_COUNT, /* by status - 100; 600: out of range */
    COUNT_LINK_FIRST = COUNT_RESPONSE_FIRST + 601, /* ignored frames by link type below 512 */
    COUNT_ETHERTYPE_FIRST =
        COUNT_LINK_FIRST + 512, /* unknown ethertypes: 16 first met, see names in report */
    COUNT_CLOCK_STEPS = COUNT_ETHERTYPE_FIRST + 16, /* live: of the wall clock, by over a second */
    COUNT_INTERFACE_FIRST, /* live: frames taken from each interface */
    COUNT_TOTAL = COUNT_INTERFACE_FIRST + COUNT_INTERFACES
};

struct counts_sighting {
    struct sighting head;
    uint64_t first_ns; /* smallest and largest frame stamp so far; 0 = none */
    uint64_t last_ns;
    uint32_t delta_count;
    uint32_t reserved;
    struct counter_delta deltas[];
};

struct mark_sighting {
    struct sighting head;
    uint64_t second; /* packet time */
    uint64_t shift_ns; /* a confirmed clock jump: remembered times move forward by this; 0 = none */
};

#endif
