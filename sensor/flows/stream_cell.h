/* stream_cell.h - what is remembered of one RTP stream; private to the stream files.
 *
 * Owns      nothing: cells live in the regions of struct stream_table.
 * Borrows   nothing.
 * Time      packet time in ns.
 * Bounds    the sizes below; one cell of each kind a stream.
 * Errors    none.
 * Thread    one worker.
 *
 * A cell has three parts with the same number, in three arrays, so that the common packet touches
 * one line:
 *
 *   hot    64 bytes: all that an in-order packet of a confirmed stream with a static clock changes
 *   cold   identity, labels, the sequence window, figures of the last interval: what is rare, marks
 *   side   the recursions of streams without a static clock: six clocks side by side
 *
 * The arrays are reserved address space: a page that no stream needed is never touched. */
#ifndef SENSOR_FLOWS_STREAM_CELL_H
#define SENSOR_FLOWS_STREAM_CELL_H

#include "sensor/flows/stream.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/region.h"
#include "sensor/flows/wordhash.h"

enum stream_flag {
    STREAM_FLAG_CONFIRMED = 1 << 0,
    STREAM_FLAG_EXCLUDED = 1 << 1, /* on a port where RTP is believed only if an SDP says so */
    STREAM_FLAG_PROBING = 1 << 2, /* the packet before was far away: cold.probe_* */
    STREAM_FLAG_SPLIT = 1 << 3, /* variation has left out something that jitter took */
    STREAM_FLAG_SIDE = 1 << 4, /* the side cell runs */
    STREAM_FLAG_SECONDARY = 1 << 5, /* the packet before was comfort noise or telephone-event */
    STREAM_FLAG_FRAMES = 1 << 6, /* several packets share a time stamp: video */
    STREAM_FLAG_SILENT = 1 << 7, /* silence was told */
};

/* Clocks in hot.clock: the six of stream_clock_rates, then two of static types only. */
enum { STREAM_CLOCK_11025 = STREAM_CLOCKS, STREAM_CLOCK_22050, STREAM_CLOCK_COUNT };
enum { STREAM_CLOCK_NONE = 255 };
enum { STREAM_TICK_BITS = 14, STREAM_JITTER_BITS = 8, STREAM_JITTER_MAX_BITS = 4 };
enum { STREAM_WINDOW = 512, STREAM_AHEAD_MAX = 3000, STREAM_BEHIND_MAX = 100 };
enum { STREAM_PROBATION = 4, STREAM_TYPES = 4 };
#define STREAM_NONE UINT32_MAX

struct stream_hot {
    uint64_t hash;
    uint64_t last_ns; /* own stamp of the packet before */
    int64_t jitter; /* RFC 3550 A.8, in 1/256 ns */
    uint64_t jitter_sum; /* ns, over all updates */
    uint32_t jitter_max; /* of the interval, in 16 ns, saturating */
    uint32_t delta_max; /* of the interval, in 1,024 ns, saturating */
    uint32_t last_ts;
    uint32_t max_ext; /* highest extended sequence number; begins at 65,536 + sequence */
    uint32_t pending_packets; /* since the last mark; folded into cold there */
    uint32_t pending_bytes;
    uint16_t ts_step; /* typical step of the time stamp from packet to packet; 0 = not known */
    uint8_t payload_type; /* of the packet before */
    uint8_t clock; /* of its type, else of the stream's main type */
    uint8_t flags; /* enum stream_flag */
    uint8_t reserved[3];
};
static_assert(sizeof(struct stream_hot) == 64, "one line of the cache");

/* One recursion, as it is kept in different places: its value, and what its mean and maximum are
 * made of. */
struct stream_recursion {
    int64_t value; /* 1/256 ns */
    uint64_t sum; /* ns, over all updates */
    uint32_t max; /* of the interval, in 16 ns, saturating */
};

/* What intervals that were told have had of it. */
struct stream_told {
    uint64_t sum;
    uint64_t max_ns;
};

/* Six recursions side by side: two lines. */
struct stream_six {
    int64_t value[STREAM_CLOCKS];
    uint64_t sum[STREAM_CLOCKS];
    uint32_t max[STREAM_CLOCKS];
    uint32_t reserved[2];
};

struct stream_side {
    _Alignas(64) struct stream_six jitter;
    struct stream_six variation;
    struct stream_told jitter_told[STREAM_CLOCKS];
    struct stream_told variation_told[STREAM_CLOCKS];
};
static_assert(sizeof(struct stream_six) == 128, "two lines of the cache");

struct stream_type {
    uint64_t packets;
    uint8_t payload_type;
    bool secondary; /* comfort noise, telephone-event, or never more than a signal */
    bool used;
};

struct stream_cold {
    /* the first line: what a split stream's packets touch (stream_jitter.c) */
    _Alignas(64) uint64_t reference_ns; /* variation: the last packet that it compares with */
    uint32_t reference_ts;
    uint16_t step_other; /* a step seen once: believed when it comes again */
    uint16_t reserved;
    struct stream_recursion variation;
    uint64_t variation_count; /* updates; while not split those of jitter */
    uint64_t variation_count_told;
    uint64_t number; /* of the first packet: the identity */
    uint64_t first_ns;
    uint64_t active_ns; /* state time of the newest packet, to a mark's precision */
    uint64_t interval_from_ns;
    uint64_t packets; /* all but the pending ones */
    uint64_t bytes;
    struct addr source;
    struct addr destination;
    uint32_t ssrc;
    uint32_t vni;
    uint16_t source_port;
    uint16_t destination_port;
    uint16_t vlan_outer;
    uint16_t vlan_inner;
    uint16_t interface;
    uint16_t overhead; /* IP bytes of a packet that are no payload */
    uint8_t ttl;
    uint8_t shard;
    uint16_t interval_index;
    uint32_t order; /* place in the list by first packet */
    uint32_t previous; /* of the shard's list of candidates or of confirmed streams */
    uint32_t next;
    uint32_t second_packets_max;
    uint32_t interval_packets; /* but the pending ones, saturating */
    bool begun; /* BEGUN was told */

    /* sequence (stream_sequence.c) */
    uint64_t window[STREAM_WINDOW / 64]; /* received? for numbers below run_from */
    uint32_t base_ext;
    uint32_t run_from; /* all numbers from here to max_ext were received */
    uint32_t judged_ext; /* loss runs below here are counted */
    uint32_t run_missing; /* open run of missing numbers that ends at judged_ext */
    uint32_t longest_loss;
    uint32_t interval_longest;
    uint32_t interval_ext; /* holes below here belong to intervals that were told */
    uint32_t resets;
    uint32_t loss_runs;
    uint64_t expected_done; /* of sequences before the last restart */
    uint64_t duplicates;
    uint64_t mirrored;
    uint64_t reordered;
    uint64_t late;
    uint64_t strays; /* far from the sequence and not confirmed: in packets only */
    uint32_t probe_ext; /* place of the probed packet in the window, 0 = outside of it */
    uint16_t probe_next;

    /* time (stream_jitter.c) */
    uint32_t slope_ts;
    uint32_t slope_rate; /* of the first hours, once known */
    uint64_t slope_ns;
    struct stream_told jitter_told;
    struct stream_told variation_told;
    uint32_t delta_max_us;

    /* payload types */
    struct stream_type types[STREAM_TYPES];
    uint64_t type_from; /* packets when the current type began */
    uint8_t types_seen;
    bool has_event;
    uint32_t event_ts;
    uint32_t dtmf_events;
    uint32_t comfort_noise;

    struct stream_counts told; /* total when the last interval was told */

    /* probation (stream_probation.c): the run of good packets, and the last four of it */
    struct {
        uint64_t ns[STREAM_PROBATION];
        uint32_t ts[STREAM_PROBATION];
        uint64_t from_ns;
        uint32_t from_ts;
        uint32_t length; /* 0: nothing yet */
    } run;
};

/* A list of streams linked through cold.previous and cold.next. */
struct stream_list {
    uint32_t oldest;
    uint32_t newest;
};

struct stream_shard {
    struct stream_list candidates;
    struct stream_list confirmed;
    uint32_t used;
};

struct stream_table {
    struct stream_options options;
    struct wordhash words;
    struct region hot;
    struct region cold;
    struct region side;
    struct region index; /* [tag 32 | cell + 1 32], linear probing */
    struct region order; /* cells by first packet, holes are STREAM_NONE */
    uint32_t index_mask;
    uint32_t cells_max;
    uint32_t cells_high; /* cells never taken begin here */
    uint32_t free_head; /* through cold.next */
    uint32_t used;
    uint32_t order_count;
    uint32_t shard_max;
    uint64_t confirmed; /* ever */
    uint64_t packets; /* of confirmed streams */
    struct stream_shard shards[FLOW_SHARDS];
    uint64_t mark_ns; /* of the last mark */
    struct stream_sighting sighting; /* filled and handed out */
    struct alive_sighting *alive; /* the same, with room for ALIVE_STREAMS_MAX */
};

/* One stream while a packet or a mark works on it. */
struct stream_parts {
    struct stream_hot *hot;
    struct stream_cold *cold;
    struct stream_side *side;
};

static inline struct stream_hot *stream_hot_at(const struct stream_table *table, uint32_t cell)
{
    return (struct stream_hot *)table->hot.at + cell;
}

static inline struct stream_cold *stream_cold_at(const struct stream_table *table, uint32_t cell)
{
    return (struct stream_cold *)table->cold.at + cell;
}

static inline struct stream_parts stream_parts_at(const struct stream_table *table, uint32_t cell)
{
    return (struct stream_parts){.hot = stream_hot_at(table, cell),
                                 .cold = stream_cold_at(table, cell),
                                 .side = (struct stream_side *)table->side.at + cell};
}

static inline uint64_t stream_packets_of(const struct stream_parts *parts)
{
    return parts->cold->packets + parts->hot->pending_packets;
}

/* --- stream_index.c --- */
enum { STREAM_INDEX_SLOTS_MIN = 4096, STREAM_INDEX_SPARSE = 1 << 15 };

/* How many slots there are at least for each stream. While the index is small it is sparse: half
 * full, a third of all look-ups probes once more, and each of those is a branch mispredicted. */
static inline size_t stream_index_share(size_t slots)
{
    return slots < STREAM_INDEX_SPARSE ? 4 : 2;
}

static inline uint32_t stream_tag_of(uint64_t hash)
{
    return (uint32_t)(hash >> 32);
}

static inline uint64_t *stream_slots(const struct stream_table *table)
{
    return table->index.at;
}

uint32_t stream_index_find(const struct stream_table *table, uint64_t hash); /* or STREAM_NONE */
void stream_index_add(struct stream_table *table, uint64_t hash, uint32_t cell);
void stream_index_remove(struct stream_table *table, uint32_t cell);

/* --- stream_sequence.c --- */
enum stream_place {
    STREAM_NEXT, /* one above the highest */
    STREAM_GAP, /* above it, with numbers missing between */
    STREAM_DUPLICATE,
    STREAM_LATE, /* below the highest, new */
    STREAM_STRAY, /* far away: probed */
    STREAM_RESTART, /* second in a row after a probe: a new base */
};

void stream_sequence_begin(struct stream_hot *hot, struct stream_cold *cold, uint16_t sequence);
enum stream_place stream_sequence_see(struct stream_hot *hot, struct stream_cold *cold,
                                      uint16_t sequence);
/* A probed packet that nothing followed finds its place. */
void stream_sequence_settle(struct stream_hot *hot, struct stream_cold *cold);
/* Sequence figures of `out_counts`; the longest run of the interval apart. */
void stream_sequence_counts(const struct stream_hot *hot, const struct stream_cold *cold,
                            uint64_t packets, struct stream_counts *out_counts,
                            uint32_t *out_interval_longest);

/* --- stream_jitter.c --- */
extern const uint32_t
    stream_tick_ns[STREAM_CLOCK_COUNT]; /* ns a tick, STREAM_TICK_BITS of fraction */
extern const uint32_t stream_clock_values[STREAM_CLOCK_COUNT];

uint8_t stream_clock_of(uint8_t payload_type); /* of a static type; STREAM_CLOCK_NONE otherwise */

/* What a packet is to the recursions. */
struct stream_tick {
    uint64_t time_ns;
    uint32_t timestamp;
    enum stream_place place;
    bool marker;
    bool secondary; /* comfort noise, telephone-event */
    bool type_changed; /* other payload type than the packet before */
};

void stream_jitter_begin(struct stream_parts *parts, const struct stream_tick *tick);
void stream_jitter_see(struct stream_parts *parts, const struct stream_tick *tick);
void stream_jitter_start_side(struct stream_parts *parts); /* six clocks, from what is known */
void stream_jitter_adopt(struct stream_parts *parts,
                         uint8_t clock); /* the side's figures of a clock become hot */
uint32_t stream_slope_see(struct stream_parts *parts);
void stream_jitter_tell(const struct stream_parts *parts, struct stream_sighting *sighting);
void stream_jitter_interval(struct stream_parts *parts); /* a new interval begins */

/* |D| of RFC 3550 A.8 in 1/256 ns, held at 9 min: longer than any gap within a stream, and 1/16 of it
 * is what the largest can hold. A stamp from another century is no jitter. Gaps are held at 19 hours
 * before, so that nothing overflows. */
#define STREAM_GAP_MAX (INT64_C(1) << 46)
#define STREAM_DISTANCE_MAX (((INT64_C(1) << 39) - 1) << STREAM_JITTER_BITS)
static inline int64_t stream_distance(int64_t gap_ns, int32_t ts_step, uint32_t tick_ns)
{
    int64_t media = (int64_t)ts_step * (int64_t)tick_ns;
    int64_t distance =
        gap_ns * (1 << STREAM_JITTER_BITS) - (media >> (STREAM_TICK_BITS - STREAM_JITTER_BITS));
    distance = distance < 0 ? -distance : distance;
    return distance < STREAM_DISTANCE_MAX ? distance : STREAM_DISTANCE_MAX;
}

/* J += (|D| - J) / 16; the shift rounds down: 1/16 ns at most. The sum may wrap only after 2^18
 * values of 19 hours. */
static inline void stream_recursion_step(int64_t *value, uint64_t *sum, uint32_t *max,
                                         int64_t distance)
{
    int64_t now = *value + ((distance - *value) >> 4);
    uint64_t units = (uint64_t)now >> (STREAM_JITTER_BITS + STREAM_JITTER_MAX_BITS);
    *value = now;
    *sum += ((uint64_t)now + (1 << (STREAM_JITTER_BITS - 1))) >> STREAM_JITTER_BITS;
    units = units > UINT32_MAX ? UINT32_MAX : units;
    *max = units > *max ? (uint32_t)units : *max;
}

static inline void stream_jitter_step(struct stream_hot *hot, int64_t gap_ns, int32_t ts_step)
{
    stream_recursion_step(&hot->jitter, &hot->jitter_sum, &hot->jitter_max,
                          stream_distance(gap_ns, ts_step, stream_tick_ns[hot->clock]));
}

static inline void stream_six_step(struct stream_six *six, int64_t gap_ns, int32_t ts_step)
{
    for (size_t clock = 0; clock < STREAM_CLOCKS; clock++) {
        stream_recursion_step(&six->value[clock], &six->sum[clock], &six->max[clock],
                              stream_distance(gap_ns, ts_step, stream_tick_ns[clock]));
    }
}

/* --- stream_type.c --- */
/* The first packet, and every one that is not plainly of the type before; true: comfort noise or
 * telephone-event. */
void stream_type_begin(struct stream_parts *parts, const struct rtp_view *view,
                       const struct datagram *datagram);
bool stream_type_see(struct stream_parts *parts, const struct rtp_view *view,
                     const struct datagram *datagram);
/* The most frequent type that is no signal, and how many there were. */
uint8_t stream_type_main(const struct stream_parts *parts);

/* --- stream_probation.c --- */
/* The rules of acceptance by content; true when the stream has just passed. */
bool stream_probation_see(struct stream_parts *parts, const struct rtp_view *view,
                          const struct stream_tick *tick, int32_t sequence_step,
                          bool was_secondary);

/* --- stream_tell.c --- */
struct stream_telling {
    enum stream_event event;
    enum stream_end end_reason;
    uint64_t key;
    uint64_t sub;
    uint64_t time_ns;
    uint64_t state_ns;
};
void stream_tell(struct stream_table *table, uint32_t cell, const struct stream_telling *telling);
/* BEGUN or RESUMED: whose it is and when, no figures. */
void stream_tell_turn(struct stream_table *table, uint32_t cell,
                      const struct stream_telling *telling);
/* It got a packet since the mark before; `named`: it is one of those that are listed. */
void stream_alive_add(struct stream_table *table, uint32_t cell, bool named, bool resumed,
                      const struct stream_telling *telling);
/* What was not told yet of this mark. */
void stream_alive_flush(struct stream_table *table, const struct stream_telling *telling);

#endif
